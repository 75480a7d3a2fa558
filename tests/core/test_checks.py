"""Life, grant, binding and time: each question on its own, to the second and to the millisecond."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.checks import address_in, check_binding, check_grant, check_life, check_time, check_token
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.token import Bind, Format, Rights, Token, Warrant
from gate.core.windows import UNBOUNDED, Span, Windows

NOW = 1_800_000_000
EDGE = 60
BARE = Token("demo", Format.JWT, "id", "owner", None, Warrant(Grants()))
FREE = Application("demo", Keyring([]), unlimited_ttl=True)
STRICT = Application("demo", Keyring([]), max_ttl_s=3600.0)


def life(application: Application, now: float = NOW, **claims: object) -> Reason | None:
    refusal = check_life(replace(BARE, **claims), application, now)
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"expires_at": NOW + 1}, None),
        ({"expires_at": NOW}, Reason.TOKEN_EXPIRED),
        ({"expires_at": NOW - 1}, Reason.TOKEN_EXPIRED),
        ({"expires_at": 0}, Reason.TOKEN_EXPIRED),
        ({"not_before": NOW + 60}, None),
        ({"not_before": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"issued_at": NOW + 60}, None),
        ({"issued_at": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"not_before": 0, "issued_at": 0}, None),
        ({}, None),
        ({"single_use": True}, Reason.EXPIRY_REQUIRED),
        ({"single_use": True, "expires_at": NOW + 1}, None),
    ],
)
def test_a_life_has_its_bounds_to_the_second(claims: dict[str, int], reason: Reason | None) -> None:
    assert life(FREE, **claims) is reason


def test_an_end_has_no_leeway_and_a_beginning_has_the_applications() -> None:
    assert life(FREE, NOW - 0.001, expires_at=NOW) is None
    assert life(FREE, NOW, expires_at=NOW) is Reason.TOKEN_EXPIRED
    assert life(FREE, NOW - 60, not_before=NOW) is None
    assert life(FREE, NOW - 60.001, not_before=NOW) is Reason.TOKEN_NOT_YET_VALID
    exact = replace(FREE, leeway_s=0.0)
    assert life(exact, NOW - 0.001, issued_at=NOW) is Reason.TOKEN_NOT_YET_VALID
    assert life(exact, NOW, issued_at=NOW) is None


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, Reason.EXPIRY_REQUIRED),
        ({"single_use": True}, Reason.EXPIRY_REQUIRED),
        ({"issued_at": NOW - 10, "expires_at": NOW + 3590}, None),
        ({"issued_at": NOW - 10, "expires_at": NOW + 3591}, Reason.LIFETIME_TOO_LONG),
        ({"expires_at": NOW + 3600}, None),
        ({"expires_at": NOW + 3601}, Reason.LIFETIME_TOO_LONG),
        ({"issued_at": NOW - 7200, "expires_at": NOW - 10}, Reason.TOKEN_EXPIRED),
    ],
)
def test_an_application_may_ask_for_an_end_and_cap_it(claims: dict[str, int], reason: Reason | None) -> None:
    assert life(STRICT, **claims) is reason


def test_a_grant_is_for_this_action_on_this_resource() -> None:
    warrant = Warrant(Grants({Action.READ: Grant(resources=frozenset({"ch1"}))}))
    assert check_grant(warrant, Action.READ, "ch1") is None
    other = check_grant(warrant, Action.READ, "ch10")
    assert other == Deny(Reason.RESOURCE_NOT_GRANTED, facts=(("resource", "ch10"),))
    for action in set(Action) - {Action.READ}:
        refusal = check_grant(warrant, action, "ch1")
        assert refusal is not None
        assert refusal.reason is Reason.ACTION_NOT_GRANTED
        assert action.value in refusal.detail
    assert check_grant(Warrant(Grants()), Action.READ, "ch1") is not None


NETWORK = ip_network("192.0.2.0/24")


@pytest.mark.parametrize(
    ("bind", "fields", "address", "good"),
    [
        (None, [], "", True),
        (Bind(), [], "", True),
        (Bind(network=NETWORK), [], "192.0.2.77", True),
        (Bind(network=NETWORK), [], "::ffff:192.0.2.77", True),
        (Bind(network=NETWORK), [], "192.0.3.1", False),
        (Bind(network=NETWORK), [], "unix", False),
        (Bind(network=NETWORK), [], "", False),
        (Bind(user_agent="VLC"), [("User-Agent", "VLC")], "", True),
        (Bind(user_agent="VLC"), [("User-Agent", "vlc")], "", False),
        (Bind(user_agent="VLC"), [("User-Agent", "VLC/3")], "", False),
        (Bind(user_agent="VLC"), [], "", False),
        (Bind(user_agent="VLC"), [("User-Agent", "VLC"), ("User-Agent", "x")], "", False),
        (Bind(origin="https://a.example"), [("Origin", "https://a.example")], "", True),
        (Bind(origin="https://a.example"), [("Origin", "https://a.example.evil")], "", False),
        (Bind(origin="https://a.example"), [], "", False),
        (Bind(NETWORK, "VLC", "o"), [("User-Agent", "VLC"), ("Origin", "o")], "192.0.2.1", True),
        (Bind(NETWORK, "VLC", "o"), [("User-Agent", "VLC"), ("Origin", "o")], "192.0.3.1", False),
        (Bind(NETWORK, "VLC", "o"), [("User-Agent", "VLC")], "192.0.2.1", False),
        (Bind(NETWORK, "VLC", "o"), [("Origin", "o")], "192.0.2.1", False),
    ],
)
def test_every_binding_holds(
    bind: Bind | None, fields: list[tuple[str, str]], address: str, good: bool
) -> None:
    refusal = check_binding(bind, CIMultiDict(fields), address)
    assert refusal == (None if good else Deny(Reason.BINDING_MISMATCH))


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.3.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("::c000:201", False),
        ("", False),
        ("192.0.2.1, 10.0.0.1", False),
        ("192.0.2.01", False),
        ("\udcff", False),
    ],
)
def test_an_address_lies_in_a_network_or_not(address: str, listed: bool) -> None:
    assert address_in(address, (NETWORK, ip_network("2001:db8::/32"))) is listed
    assert not address_in(address, ())


# Windows of two hours, yesterday; a segment lasts six seconds.
START = NOW - 86400
WINDOW = Windows.of([Span(START * 1000, (START + 7200) * 1000)])


def at(start: int, end: int) -> Span:
    return Span(start * 1000, end * 1000)


INSIDE, OUTSIDE = at(START + 60, START + 120), at(START - 120, START - 60)
CROSSING = at(START - 60, START + 60)


def aged(seconds: int) -> Span:
    return at(NOW - seconds - 6, NOW - seconds)


L, D, C, LD = Rights(live=True), Rights(dvr=True), Rights(copy=True), Rights(live=True, dvr=True)
NONE, FULL = Rights(), Rights(True, True, True)
LIVE_NO, DVR_NO, COPY_NO = Reason.LIVE_NOT_GRANTED, Reason.DVR_NOT_GRANTED, Reason.COPY_NOT_GRANTED
OUT, PART, UNKNOWN = Reason.OUTSIDE_WINDOW, Reason.PARTLY_OUTSIDE_WINDOW, Reason.TIME_UNKNOWN


@pytest.mark.parametrize(
    ("rights", "role", "kind", "span", "reason"),
    [
        # Objects are on no timeline; everything else asks for a right.
        (NONE, Role.OBJECT, Kind.OBJECT, None, None),
        (NONE, Role.OTHER, Kind.OBJECT, OUTSIDE, None),
        (L, Role.MANIFEST, Kind.LIVE, None, None),
        (L, Role.IMAGE, Kind.LIVE, None, None),
        (D, Role.MANIFEST, Kind.LIVE, None, LIVE_NO),
        (D, Role.IMAGE, Kind.LIVE, None, LIVE_NO),
        (NONE, Role.STREAM, Kind.LIVE, None, LIVE_NO),
        # Manifests and everything long: all of it within the windows.
        (D, Role.MANIFEST, Kind.DVR, INSIDE, None),
        (D, Role.MANIFEST, Kind.DVR, at(START, START + 7200), None),
        (D, Role.MANIFEST, Kind.DVR, at(START, START + 7201), PART),
        (D, Role.MANIFEST, Kind.DVR, at(START - 1, START + 7200), PART),
        (D, Role.MANIFEST, Kind.DVR, CROSSING, PART),
        (D, Role.MANIFEST, Kind.DVR, OUTSIDE, OUT),
        (D, Role.MANIFEST, Kind.DVR, at(START + 7200, START + 7260), OUT),
        (L, Role.MANIFEST, Kind.DVR, INSIDE, DVR_NO),
        (C, Role.MANIFEST, Kind.DVR, INSIDE, DVR_NO),
        (D, Role.STREAM, Kind.DVR, CROSSING, PART),
        (D, Role.DOWNLOAD, Kind.DVR, CROSSING, PART),
        (D, Role.OTHER, Kind.DVR, CROSSING, PART),
        # Pieces: overlapping suffices.
        (D, Role.SEGMENT, Kind.DVR, CROSSING, None),
        (D, Role.IMAGE, Kind.DVR, CROSSING, None),
        (D, Role.SEGMENT, Kind.DVR, at(START - 6, START), OUT),
        (D, Role.SEGMENT, None, CROSSING, None),
        (D, Role.SEGMENT, None, OUTSIDE, OUT),
        (D, Role.MANIFEST, None, CROSSING, PART),
        # Copies, to the second.
        (C, Role.DOWNLOAD, Kind.COPY, INSIDE, None),
        (C, Role.SEGMENT, Kind.COPY, CROSSING, PART),
        (C, Role.DOWNLOAD, Kind.COPY, OUTSIDE, OUT),
        (LD, Role.DOWNLOAD, Kind.COPY, INSIDE, COPY_NO),
        (C, Role.DOWNLOAD, Kind.COPY, None, UNKNOWN),
        # Unknown time.
        (LD, Role.SEGMENT, None, None, UNKNOWN),
        (FULL, Role.SEGMENT, None, None, UNKNOWN),
        (FULL, Role.OTHER, None, None, UNKNOWN),
        (D, Role.MANIFEST, Kind.DVR, None, UNKNOWN),
        (NONE, Role.OTHER, None, None, UNKNOWN),
        # Dated pieces: live while younger than twice the edge, withheld from the archive up to the edge.
        (L, Role.SEGMENT, None, aged(0), None),
        (L, Role.SEGMENT, None, aged(-30), None),
        (L, Role.SEGMENT, None, aged(2 * EDGE - 1), None),
        (L, Role.SEGMENT, None, aged(2 * EDGE), DVR_NO),
        (LD, Role.SEGMENT, None, aged(2 * EDGE - 1), None),
        (LD, Role.SEGMENT, None, aged(2 * EDGE), OUT),
        (LD, Role.SEGMENT, None, INSIDE, None),
        (D, Role.SEGMENT, None, aged(-30), LIVE_NO),
        (D, Role.SEGMENT, None, aged(EDGE - 1), LIVE_NO),
        (D, Role.SEGMENT, None, aged(EDGE), OUT),
        (D, Role.IMAGE, None, aged(EDGE), OUT),
        (C, Role.SEGMENT, None, aged(0), LIVE_NO),
        (C, Role.SEGMENT, None, INSIDE, DVR_NO),
        (NONE, Role.SEGMENT, None, aged(0), LIVE_NO),
        (NONE, Role.SEGMENT, None, INSIDE, DVR_NO),
    ],
)
def test_rights_and_windows_against_what_is_asked(
    rights: Rights, role: Role, kind: Kind | None, span: Span | None, reason: Reason | None
) -> None:
    warrant = Warrant(Grants(), rights, WINDOW)
    assert check_time(warrant, Facts("cam1", role, kind, span), float(EDGE), float(NOW)) is reason


def test_without_bounds_a_right_is_enough_where_the_time_is_known() -> None:
    dvr = Warrant(Grants(), D, UNBOUNDED)
    assert check_time(dvr, Facts("c", Role.SEGMENT, None, aged(EDGE)), EDGE, NOW) is None
    assert check_time(dvr, Facts("c", Role.SEGMENT, None, aged(EDGE - 1)), EDGE, NOW) is LIVE_NO
    assert check_time(dvr, Facts("c", Role.SEGMENT), EDGE, NOW) is UNKNOWN
    assert check_time(dvr, Facts("c", Role.MANIFEST, Kind.DVR, OUTSIDE), EDGE, NOW) is None


seconds = st.integers(NOW - 400, NOW + 100)
spans = st.tuples(seconds, st.integers(1, 120)).map(lambda pair: at(pair[0], sum(pair)))
windows = st.lists(spans, max_size=3).map(Windows.of)
rights = st.builds(Rights, st.booleans(), st.booleans(), st.booleans())
facts = st.builds(
    Facts, st.just("cam1"), st.sampled_from(Role), st.sampled_from([None, *Kind]), st.none() | spans
)


@settings(max_examples=400, deadline=None)
@given(rights, windows, facts, st.integers(0, 120))
def test_whatever_is_permitted_is_permitted_by_a_right(
    rights: Rights, windows: Windows, facts: Facts, edge: int
) -> None:
    """Every window here has an end, so every warrant is restricted."""
    warrant = Warrant(Grants(), rights, windows)
    if check_time(warrant, facts, float(edge), float(NOW)) is not None:
        return
    piece = facts.role in {Role.SEGMENT, Role.IMAGE}
    if facts.kind is Kind.OBJECT:
        return
    if facts.kind is Kind.LIVE:
        assert rights.live
        return
    assert facts.span is not None
    inside = windows.overlap(facts.span) if piece else windows.contain(facts.span)
    if facts.kind is Kind.COPY:
        assert rights.copy
        assert windows.contain(facts.span)
    elif facts.kind is Kind.DVR:
        assert rights.dvr
        assert inside
    else:
        young = NOW * 1000 - facts.span.end_ms < 2 * edge * 1000
        old_enough = rights.live or NOW * 1000 - facts.span.end_ms >= edge * 1000
        assert (rights.live and young) or (rights.dvr and inside and old_enough)


@settings(max_examples=200, deadline=None)
@given(facts, st.integers(0, 120))
def test_an_unrestricted_warrant_is_never_refused_and_one_without_rights_always(
    facts: Facts, edge: int
) -> None:
    assert check_time(Warrant(Grants(), FULL), facts, float(edge), float(NOW)) is None
    refused = check_time(Warrant(Grants(), NONE, UNBOUNDED), facts, float(edge), float(NOW)) is not None
    assert refused == (facts.kind is not Kind.OBJECT)


def test_a_token_is_good_that_lives_and_is_not_revoked() -> None:
    def good(token: Token, *entries: str) -> Reason | None:
        revoked = Revocations()
        for entry in entries:
            revoked.add(entry, NOW + 60)
        refusal = check_token(token, FREE, revoked, NOW)
        return None if refusal is None else refusal.reason

    assert good(BARE) is None
    assert good(BARE, "t:else", "u:else", "s:id", "a:other:9") is None
    for entry in ("t:id", "u:owner", f"a:demo:{NOW}"):
        assert good(BARE, entry) is Reason.REVOKED
        assert good(replace(BARE, expires_at=NOW), entry) is Reason.TOKEN_EXPIRED


def test_a_grant_to_create_what_will_be_owned_is_a_grant_to_create() -> None:
    owned = Grant(session_owned=True)
    warrant = Warrant(Grants(dict.fromkeys(Action, owned)))
    for action in Action:
        refusal = check_grant(warrant, action, "cam1")
        assert (refusal is None) == (action is Action.CREATE)
        assert check_grant(warrant, action, "cam1", owned=True) is None
    named = Warrant(Grants({Action.CREATE: Grant(resources=frozenset({"cam2"}))}))
    refusal = check_grant(named, Action.CREATE, "cam1", owned=True)
    assert refusal is not None
    assert refusal.reason is Reason.RESOURCE_NOT_GRANTED
