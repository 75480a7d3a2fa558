"""A token taken apart: its parts as they were written, whoever signed it."""

from __future__ import annotations

import json

import pytest

from gate.core.reasons import Deny, Reason
from gate.formats import base64url
from gate.formats.jws import Jws, check_header, read_jws

MALFORMED = Deny(Reason.TOKEN_MALFORMED)


def write(header: object, payload: bytes = b"{}", signature: bytes = b"s") -> str:
    return ".".join(map(base64url.encode, (json.dumps(header).encode(), payload, signature)))


def test_the_parts_are_as_they_were_written() -> None:
    header = {"alg": "whatever", "typ": "at+JWT", "kid": "k", "more": 1}
    text = write(header, b"\x00 no JSON", b"\xff")
    assert read_jws(text) == Jws(header, b"\x00 no JSON", text.rpartition(".")[0].encode(), b"\xff")


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c", "a.b.c.d", "e30.e30.", "e30=.e30.AA", write([]), write({})]
)
def test_what_is_none(text: str) -> None:
    assert read_jws(text) == MALFORMED


def test_a_header_is_read_by_the_same_rule_alone() -> None:
    for header in ({"alg": "HS256"}, {"alg": "x", "typ": "JWT"}, {"alg": 1}, {"alg": "a", "crit": []}):
        answer = read_jws(write(header))
        assert (answer if isinstance(answer, Deny) else None) == check_header(header)
