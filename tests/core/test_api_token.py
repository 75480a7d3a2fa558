"""API tokens: only what a gate has made is one, each is another, none is forged with an application's key."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.api_token import ENTROPY, FRONT, read_api_token, write_api_token
from gate.core.reasons import Reason
from gate.core.revocation import Revocations
from gate.core.ticket import TicketKeys
from gate.wire.redaction import redact

NOW = 1_800_000_000.5
ISSUED = int(NOW)
KEYS = TicketKeys([b"k" * 32]).api_keys
ROTATED = TicketKeys([b"n" * 32, b"k" * 32]).api_keys
TEXT = write_api_token(KEYS, b"e" * ENTROPY, NOW, 60)
NOTHING = Revocations()


def test_what_was_written_is_read() -> None:
    token = read_api_token(TEXT, KEYS)
    assert token is not None
    assert (token.issued_at, token.ends_at, len(token.id)) == (ISSUED, ISSUED + 60, 22)
    assert read_api_token(TEXT, ROTATED) == token
    endless = read_api_token(write_api_token(KEYS, b"e" * ENTROPY, NOW, 0), KEYS)
    assert endless is not None
    assert endless.ends_at is None
    assert endless.id != token.id


def test_each_is_another() -> None:
    texts = [write_api_token(KEYS, bytes([n]) * ENTROPY, NOW, 60) for n in range(3)]
    tokens = [read_api_token(text, KEYS) for text in [TEXT, *texts]]
    assert len({token.id for token in tokens if token is not None}) == 4


@pytest.mark.parametrize(("now", "refusal"), [(NOW + 59, None), (NOW + 60, Reason.TOKEN_EXPIRED)])
def test_it_ends(now: float, refusal: Reason | None) -> None:
    token = read_api_token(TEXT, KEYS)
    assert token is not None
    assert token.refusal(NOTHING, now) is refusal


def test_one_without_an_end_is_in_force_until_it_is_revoked() -> None:
    token = read_api_token(write_api_token(KEYS, b"e" * ENTROPY, NOW, 0), KEYS)
    assert token is not None
    assert token.refusal(NOTHING, NOW * 10) is None
    revoked = Revocations()
    revoked.add(f"t:{token.id}", float("inf"))
    assert token.refusal(revoked, NOW) is Reason.REVOKED


def test_of_another_gate_it_is_none() -> None:
    assert read_api_token(TEXT, TicketKeys([b"o" * 32]).api_keys) is None


def test_a_key_of_pages_or_marks_makes_none() -> None:
    keys = TicketKeys([b"k" * 32])
    assert read_api_token(write_api_token(keys.visit_keys, b"e" * ENTROPY, NOW, 60), keys.api_keys) is None
    assert set(keys.api_keys) == set(keys.visit_keys)


@pytest.mark.parametrize(
    "text",
    [
        *("", FRONT, TEXT[:-1], TEXT + "A", TEXT + "=", TEXT.upper(), TEXT[4:]),
        *(TEXT.replace("api_", "apj_"), TEXT[:-1] + "\u00e9", TEXT[:20] + "!" + TEXT[21:]),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert read_api_token(text, KEYS) is None


@given(st.integers(0, len(TEXT) - len(FRONT) - 1), st.characters(codec="ascii"))
def test_no_other_spelling_is_one(at: int, letter: str) -> None:
    at += len(FRONT)
    text = TEXT[:at] + letter + TEXT[at + 1 :]
    assert (read_api_token(text, KEYS) is not None) == (text == TEXT)


def test_the_same_bytes_have_one_spelling() -> None:
    raw = urlsafe_b64decode(TEXT[len(FRONT) :] + "=")
    assert FRONT + urlsafe_b64encode(raw).rstrip(b"=").decode() == TEXT
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [TEXT[:-1] + letter for letter in letters if letter != TEXT[-1]]
    same = [text for text in others if urlsafe_b64decode(text[len(FRONT) :] + "=") == raw]
    assert same
    assert not any(read_api_token(text, KEYS) for text in same)


def test_it_takes_its_entropy() -> None:
    with pytest.raises(ValueError, match="16 random bytes"):
        write_api_token(KEYS, b"e" * 15, NOW, 60)


def test_it_is_known_for_a_credential() -> None:
    assert redact(f"the token {TEXT}, please") == "the token [credential], please"
