"""Tickets: what was sealed opens, and nothing else does, however little it differs."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from ipaddress import ip_network
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.grants import Action, Grant, Grants
from gate.core.reasons import Deny, Reason
from gate.core.room import Permission, RoomPass, Use
from gate.core.ticket import Ticket, TicketKeys, dump_warrant, load_warrant, ticket_key_id
from gate.core.token import Bind, Rights, Warrant
from gate.core.windows import ALWAYS_MS, Span, Windows

FAST = settings(max_examples=200, deadline=None)
ONE, TWO = b"1" * 32, b"2" * 32
KEYS = TicketKeys([ONE])
NONCE = bytes(range(12))

short = st.text(max_size=12)
seconds = st.integers(0, 253_402_300_799)
resources = st.one_of(
    st.frozensets(short, max_size=5),
    st.integers(0, 400).map(lambda count: frozenset(f"cam{number}" for number in range(count))),
)
grants = st.dictionaries(
    st.sampled_from(Action), st.builds(Grant, st.booleans(), resources, st.booleans()), max_size=2
).map(lambda by_action: Grants(MappingProxyType(by_action)))
bounds_ms = st.one_of(st.integers(0, 2**50), st.sampled_from([-ALWAYS_MS, ALWAYS_MS]))
spans = st.tuples(bounds_ms, bounds_ms).map(lambda pair: Span(*sorted(pair)))
networks = st.one_of(
    st.none(),
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
).map(lambda pair: None if pair is None else ip_network(f"{pair[0]}/{pair[1]}", strict=False))
rooms = st.builds(
    RoomPass,
    short,
    st.frozensets(st.sampled_from(Permission)),
    st.none() | short,
    st.none() | short,
    st.frozensets(st.sampled_from(Use)),
)
warrants = st.builds(
    Warrant,
    grants,
    st.builds(Rights, st.booleans(), st.booleans(), st.booleans()),
    st.lists(spans, max_size=20).map(Windows.of),
    st.one_of(st.none(), st.builds(Bind, networks, st.none() | short, st.none() | short)),
    st.none() | rooms,
)
tickets = st.builds(
    Ticket,
    session=short,
    application=short,
    token=short,
    owner=short,
    subject=st.none() | st.text(max_size=64),
    opened_at=seconds,
    ends_at=st.none() | st.floats(0, 1e12),
    token_expires_at=st.none() | seconds,
    issued_at=st.none() | seconds,
    session_limit=st.none() | seconds,
    max_concurrent=st.none() | seconds,
    warrant=st.none() | warrants,
)
PLAIN = Ticket("s", "demo", "t", "o", "viewer", 1, 2.5, 3, 4, 5, 6, Warrant(Grants(), Rights(True)))
SEALED = KEYS.seal(PLAIN, NONCE)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def invalid(text: str, keys: TicketKeys = KEYS) -> bool:
    return keys.open(text) == Deny(Reason.TICKET_INVALID)


@FAST
@given(tickets, st.binary(min_size=12, max_size=12))
def test_what_was_sealed_opens_as_it_was(ticket: Ticket, nonce: bytes) -> None:
    text = KEYS.seal(ticket, nonce)
    assert set(text) <= set(ALPHABET)
    assert KEYS.open(text) == ticket


@FAST
@given(warrants)
def test_a_warrant_survives_the_store(warrant: Warrant) -> None:
    assert load_warrant(dump_warrant(warrant)) == warrant
    assert load_warrant(dump_warrant(warrant).encode()) == warrant


def test_the_longest_texts_of_a_token_still_open() -> None:
    longest = "\U0001f3a5" * 512
    assert KEYS.open(KEYS.seal(replace(PLAIN, subject=longest), NONCE)) == replace(PLAIN, subject=longest)


def test_a_warrant_of_ten_thousand_resources_survives_the_store() -> None:
    grant = Grant(resources=frozenset(f"camera-{number}" for number in range(10_000)))
    warrant = Warrant(Grants(MappingProxyType({Action.READ: grant})))
    assert load_warrant(dump_warrant(warrant)) == warrant


def test_no_flipped_bit_is_forgiven() -> None:
    raw = urlsafe_b64decode(SEALED + "=" * (-len(SEALED) % 4))
    for at in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        assert invalid(urlsafe_b64encode(flipped).rstrip(b"=").decode()), at


def test_no_truncation_and_no_other_character_is_forgiven() -> None:
    for at in range(len(SEALED)):
        assert invalid(SEALED[:at]), at
        assert invalid(SEALED[at + 1 :]), at
        assert invalid(SEALED[:at] + SEALED[at + 1 :]), at
        for other in ALPHABET:
            assert other == SEALED[at] or invalid(SEALED[:at] + other + SEALED[at + 1 :]), (at, other)


@FAST
@given(st.integers(0, len(SEALED)), st.text(min_size=1, max_size=4))
def test_nothing_can_be_put_into_it(at: int, extra: str) -> None:
    assert invalid(SEALED[:at] + extra + SEALED[at:])


@pytest.mark.parametrize("count", range(1, 5))
def test_the_same_bytes_in_another_spelling_are_refused(count: int) -> None:
    # Tickets of three lengths in a row have 0, 1 and 2 bytes beyond a multiple of three.
    text = KEYS.seal(replace(PLAIN, subject="v" * count), bytes([0xFB, 0xFF] * 6))
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert "-" in text or "_" in text
    assert isinstance(KEYS.open(text), Ticket)
    assert invalid(text + "=")
    assert invalid(text + "=" * (-len(text) % 4 or 4))
    assert invalid(text.replace("-", "+").replace("_", "/"))
    assert invalid(text + "\n")
    assert invalid(" " + text)
    assert invalid(text[:5] + "." + text[5:])
    for last in ALPHABET:
        other = text[:-1] + last
        if other != text and urlsafe_b64decode(other + "=" * (-len(other) % 4)) == raw:
            assert invalid(other), "unused trailing bits"


@FAST
@given(st.one_of(st.text(), st.text(ALPHABET), st.binary().map(lambda raw: urlsafe_b64encode(raw).decode())))
def test_any_other_text_is_invalid_and_never_an_exception(text: str) -> None:
    assert invalid(text)


@FAST
@given(st.binary(max_size=64))
def test_any_bytes_behind_a_known_key_id_are_invalid(rest: bytes) -> None:
    assert invalid(urlsafe_b64encode(ticket_key_id(ONE) + rest).rstrip(b"=").decode())


def test_an_absurdly_long_text_is_not_even_decoded() -> None:
    assert invalid("A" * 1_000_000)


def test_keys_rotate() -> None:
    both = TicketKeys([TWO, ONE])
    assert both.open(SEALED) == PLAIN
    fresh = both.seal(PLAIN, NONCE)
    assert TicketKeys([TWO]).open(fresh) == PLAIN
    assert invalid(fresh)
    assert invalid(SEALED, TicketKeys([TWO]))


def test_a_ticket_sealed_under_one_key_is_not_believed_under_the_id_of_another() -> None:
    raw = urlsafe_b64decode(SEALED + "=" * (-len(SEALED) % 4))
    renamed = urlsafe_b64encode(ticket_key_id(TWO) + raw[4:]).rstrip(b"=").decode()
    assert invalid(renamed, TicketKeys([ONE, TWO]))


def test_the_text_says_nothing_of_what_it_holds() -> None:
    raw = urlsafe_b64decode(SEALED + "=" * (-len(SEALED) % 4))
    assert b"viewer" not in raw
    assert b"demo" not in raw
    assert raw[:4] not in ONE
    assert KEYS.seal(PLAIN, bytes(12)) != SEALED


def test_mistakes_of_ours_are_exceptions() -> None:
    with pytest.raises(ValueError, match="at least one ticket key"):
        TicketKeys([])
    with pytest.raises(ValueError, match="12 random bytes"):
        KEYS.seal(PLAIN, bytes(11))


# The keys of marks.


def test_a_session_has_its_own_key_of_marks_under_every_gate_that_opens_its_link() -> None:
    key = KEYS.mark_key(SEALED, "s")
    assert len(key) == 32
    assert key == TicketKeys([ONE]).mark_key(KEYS.seal(replace(PLAIN, subject="else"), bytes(12)), "s")
    # After a rotation too, for a link that was sealed before it.
    assert key == TicketKeys([TWO, ONE]).mark_key(SEALED, "s")
    assert key != KEYS.mark_key(SEALED, "t")
    fresh = TicketKeys([TWO, ONE])
    assert fresh.mark_key(fresh.seal(PLAIN, NONCE), "s") not in {key, KEYS.mark_key(SEALED, "")}


def test_no_key_of_marks_is_a_key_of_tickets() -> None:
    assert KEYS.mark_key(SEALED, "s") != ONE
    with pytest.raises(KeyError):
        TicketKeys([TWO]).mark_key(SEALED, "s")


def test_a_session_of_a_server_side_token_names_it_and_older_tickets_name_none() -> None:
    named = replace(PLAIN, reference="0" * 32)
    assert KEYS.open(KEYS.seal(named, NONCE)) == named
    assert len(KEYS.seal(PLAIN, NONCE)) < len(KEYS.seal(named, NONCE))
    long = replace(named, warrant=None)
    assert KEYS.open(KEYS.seal(long, NONCE)) == long


def test_page_sessions_have_keys_of_their_own() -> None:
    both = TicketKeys([TWO, ONE]).visit_keys
    assert list(both) == [ticket_key_id(TWO), ticket_key_id(ONE)]
    assert KEYS.visit_keys == {ticket_key_id(ONE): both[ticket_key_id(ONE)]}
    assert not {ONE, TWO} & set(both.values())


def test_who_refers_to_another_is_told_apart_and_keeps_its_own_warrant() -> None:
    referrer = replace(PLAIN, reference="0" * 32, referrer="own")
    assert KEYS.open(KEYS.seal(referrer, NONCE)) == referrer
    assert (PLAIN.warrant_id, referrer.warrant_id) == ("t", "own")
