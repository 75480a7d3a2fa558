"""Page sessions: only what a gate has issued is one, and a token has one session in each."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.grants import Grants
from gate.core.session import shard_of, shard_of_session
from gate.core.ticket import TicketKeys
from gate.core.token import Format, Token, Warrant, token_id
from gate.core.visit import ENTROPY, LASTS_S, read_visit, write_visit

NOW = 1_800_000_000.5
KEYS = TicketKeys([b"k" * 32]).visit_keys
OLDER = TicketKeys([b"n" * 32, b"k" * 32]).visit_keys
TEXT = write_visit(KEYS, "shop", b"e" * ENTROPY, NOW)


def token(name: str) -> Token:
    identity = token_id("shop", name)
    return Token("shop", Format.ZIGGEO, identity, identity, None, Warrant(Grants()))


def test_what_was_written_is_read() -> None:
    visit = read_visit(TEXT, KEYS, "shop", NOW)
    assert visit is not None
    assert (visit.issued_at, visit.ends_at) == (1_800_000_000, 1_800_000_000 + LASTS_S)
    assert len(visit.name) == 22
    assert read_visit(TEXT, OLDER, "shop", NOW + 1000) == visit
    assert write_visit(OLDER, "shop", b"e" * ENTROPY, NOW) != TEXT


def test_each_is_another() -> None:
    others = [write_visit(KEYS, "shop", bytes([n]) * ENTROPY, NOW) for n in range(3)]
    visits = {read_visit(text, KEYS, "shop", NOW) for text in [TEXT, *others]}
    assert None not in visits
    assert len({visit.name for visit in visits if visit}) == 4


@pytest.mark.parametrize(
    ("application", "now", "accepted"),
    [
        ("shop", NOW - 119, True),
        ("shop", NOW - 122, False),
        ("shop", NOW + LASTS_S - 1, True),
        ("shop", NOW + LASTS_S, False),
        ("", NOW, False),
        ("sho", NOW, False),
        ("other", NOW, False),
    ],
)
def test_it_is_its_applications_and_lasts_a_week(application: str, now: float, accepted: bool) -> None:
    assert (read_visit(TEXT, KEYS, application, now) is not None) == accepted


def test_only_what_a_gate_has_issued_is_one() -> None:
    assert read_visit(TEXT, TicketKeys([b"n" * 32]).visit_keys, "shop", NOW) is None
    for at in range(len(TEXT)):
        changed = "B" if TEXT[at] == "A" else "A"
        assert read_visit(TEXT[:at] + changed + TEXT[at + 1 :], KEYS, "shop", NOW) is None, at
    for text in ("", TEXT[:-1], TEXT + "A", TEXT + "=", "é" * len(TEXT), "!" * len(TEXT), " " + TEXT[1:]):
        assert read_visit(text, KEYS, "shop", NOW) is None, text


def test_it_has_one_spelling() -> None:
    raw = urlsafe_b64decode(TEXT + "=" * (-len(TEXT) % 4))
    spelled = {TEXT[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"}
    same = {text for text in spelled if urlsafe_b64decode(text + "=" * (-len(text) % 4)) == raw}
    assert TEXT in same
    assert [text for text in same if read_visit(text, KEYS, "shop", NOW)] == [TEXT]
    assert urlsafe_b64encode(raw).rstrip(b"=").decode() == TEXT


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{50}", fullmatch=True))
def test_any_text_is_one_or_none(text: str) -> None:
    assert text == TEXT or read_visit(text, KEYS, "shop", NOW) is None


def test_entropy_is_of_one_length() -> None:
    with pytest.raises(ValueError, match="12 random bytes"):
        write_visit(KEYS, "shop", b"short", NOW)


def test_a_token_has_one_session_in_a_page() -> None:
    visit, other = (
        read_visit(write_visit(KEYS, "shop", entropy * ENTROPY, NOW), KEYS, "shop", NOW)
        for entropy in (b"a", b"b")
    )
    assert visit is not None
    assert other is not None
    session = visit.session_of(token("one"))
    assert session == visit.session_of(replace(token("one"), session_limit=3, issued_at=5))
    assert len({session, visit.session_of(token("two")), other.session_of(token("one"))}) == 3
    assert shard_of_session(session) == shard_of(token("one").owner)
