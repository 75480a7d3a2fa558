"""Sealed secrets: what was sealed for an API key opens for that key, and nothing else does."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.sealed_secret import NONCE, seal_secret, unseal_secret

FAST = settings(max_examples=200, deadline=None)
ONE, TWO = b"1" * 32, b"2" * 32
FRESH = bytes(range(NONCE))
SEALED = seal_secret([ONE], "demo", "AK", b"the secret", FRESH)


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


@FAST
@given(st.text(max_size=8), st.text(max_size=8), st.binary(max_size=80), st.binary(min_size=12, max_size=12))
def test_what_was_sealed_opens_as_it_was(application: str, key: str, secret: bytes, nonce: bytes) -> None:
    text = seal_secret([ONE, TWO], application, key, secret, nonce)
    assert text.isascii()
    assert unseal_secret([ONE], application, key, text) == secret
    assert unseal_secret([TWO, ONE], application, key, text) == secret


def test_the_first_key_seals_and_all_open() -> None:
    assert unseal_secret([TWO, ONE], "demo", "AK", SEALED) == b"the secret"
    assert unseal_secret([TWO], "demo", "AK", SEALED) is None
    assert unseal_secret([], "demo", "AK", SEALED) is None
    other = seal_secret([TWO, ONE], "demo", "AK", b"the secret", FRESH)
    assert unseal_secret([ONE], "demo", "AK", other) is None


@pytest.mark.parametrize(
    ("application", "key"),
    [("demo", "other"), ("other", "AK"), ("demo:AK", ""), ("", "demo:AK"), ("demoAK", "")],
)
def test_it_is_bound_to_its_key(application: str, key: str) -> None:
    assert unseal_secret([ONE], application, key, SEALED) is None


def test_the_text_says_nothing_of_the_secret() -> None:
    assert "secret" not in SEALED
    assert seal_secret([ONE], "demo", "AK", b"the secret", bytes(NONCE)) != SEALED


def test_no_flipped_bit_is_forgiven() -> None:
    for at in range(len(SEALED)):
        for other in "AB":
            text = SEALED[:at] + other + SEALED[at + 1 :]
            assert unseal_secret([ONE], "demo", "AK", text) == (b"the secret" if text == SEALED else None)


@FAST
@given(
    st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: SEALED[:5] + urlsafe_b64encode(raw).decode())
)
def test_any_other_text_opens_nothing_and_is_never_an_exception(text: str) -> None:
    assert unseal_secret([ONE], "demo", "AK", text) is None


def test_a_text_that_ends_too_early() -> None:
    for length in range(len(SEALED)):
        assert unseal_secret([ONE], "demo", "AK", SEALED[:length]) is None


def test_mistakes_of_ours_are_exceptions() -> None:
    with pytest.raises(ValueError, match="12 random bytes"):
        seal_secret([ONE], "demo", "AK", b"x", b"short")
