"""base64url: bytes have one spelling, and every other text has no bytes."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.formats.base64url import decode, encode


@given(st.binary(max_size=100))
def test_what_is_encoded_decodes(raw: bytes) -> None:
    assert decode(encode(raw)) == raw


@given(st.text(max_size=20) | st.text("ABab01-_=", max_size=20))
def test_any_text_decodes_to_what_encodes_to_it_or_to_nothing(text: str) -> None:
    raw = decode(text)
    assert raw is None or encode(raw) == text


@pytest.mark.parametrize(
    "text", ["A", "AAAAA", "AB", "AAB", "AA==", "AA=", "AAAA=", "A+A", "A/A", " AA", "AA\n", "\xe9A"]
)
def test_other_spellings(text: str) -> None:
    assert decode(text) is None


def test_python_alone_would_read_most_of_them() -> None:
    assert urlsafe_b64decode("AB==") == urlsafe_b64decode("AA==") == urlsafe_b64decode("A A==") == b"\x00"
