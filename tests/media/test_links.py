"""How URIs are handed out: under the session, marked where they must be, and nowhere that they may not lead."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gate.core.credentials import Carrier, Sources
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.marks import MARK_NAME, SEAL_FRONT, ByteRange, Mark, read_mark, read_seal, take_mark
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Access, Application, Foreign, Origin, Pattern, Policy, StreamRule
from gate.core.target import Target, parse_target
from gate.core.token import Rights, Warrant
from gate.core.verdicts import Place
from gate.core.windows import Span, Windows
from gate.media.layouts import LAYOUTS
from gate.media.links import ForeignUriError, Links

NOW = 1_800_000_000.0
KEY = b"k" * 32
APPLICATION = Application("demo", Keyring([]), sources=Sources(query=frozenset({"token"})))
ORIGIN = Origin("origin", "http://media.example:9000/base")
CDN = Origin("cdn", "https://cdn.example")
RULE = StreamRule(
    "streams[3]", Pattern("/{resource}/**"), Access.PRIVATE, ORIGIN, LAYOUTS["unified"], APPLICATION
)
POLICY = Policy(
    (
        replace(RULE, pattern=Pattern("/public/**"), access=Access.PUBLIC),
        replace(
            RULE, pattern=Pattern("/office/**"), access=Access.PROTECTED, networks=(ip_network("::1/128"),)
        ),
        replace(RULE, pattern=Pattern("/cdn/{resource}/**"), origin=CDN),
        RULE,
    ),
    {"demo": APPLICATION},
)
READ = Grants({Action.READ: Grant(all=True)})
LIVE = Warrant(READ, Rights(live=True))
MARK = Mark(Role.SEGMENT, None, Span(1_800_000_000_000, 1_800_000_004_000))


def target(raw: str) -> Target:
    parsed = parse_target(raw)
    assert isinstance(parsed, Target), raw
    return parsed


def place(raw: str = "/cam1/a/index.m3u8", **more: Any) -> Place:
    facts = Facts("cam1", Role.MANIFEST, Kind.LIVE)
    here = Place("GET", target(raw), RULE, APPLICATION, Action.READ, facts, "T", None, "client", "page")
    return replace(here, **more)


def links(here: Place | None = None, *, host: str | None = "gate.example", **more: Any) -> Links:
    return Links(POLICY, here or place(), host=host, now=NOW, **more)


def marking(here: Place | None = None) -> Links:
    return links(here, key=KEY, warrant=LIVE)


def foreign(rule: Foreign, **more: Any) -> Links:
    return links(place(rule=replace(RULE, foreign=rule), **more))


# Under the link.

BROUGHT = [
    (b"seg.ts", b"seg.ts"),
    (b"../seg.ts", b"../seg.ts"),
    (b"?x=1", b"?x=1"),
    (b"", b""),
    (b"/base/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
    (b"/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
    (b"http://media.example:9000/base/ch1/seg.ts?x=1#f", b"/_s/T/ch1/seg.ts?x=1#f"),
    (b"HTTP://MEDIA.example:9000/base/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
    (b"https://gate.example/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
    (b"//gate.example/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
    (b"https://gate.example/_s/T/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
    (b"/\\elsewhere.example/x", b"/_s/T/\\elsewhere.example/x"),
    (b"http://media.example:9001/base/x", b"http://media.example:9001/base/x"),
    (b"http://media.example:9000.evil/x", b"http://media.example:9000.evil/x"),
    (b"https://elsewhere.example/x", b"https://elsewhere.example/x"),
    (b"data:text/plain,x", b"data:text/plain,x"),
]


@pytest.mark.parametrize(("uri", "handed"), BROUGHT)
def test_what_leads_to_the_origin_or_the_gate_is_brought_under_the_link(uri: bytes, handed: bytes) -> None:
    assert links().hand_out(uri) == handed
    assert links().under_link(uri) == handed
    assert links().location(uri) == handed


@pytest.mark.parametrize("here", [place(ticket=None), place(carrier=Carrier.COOKIE)])
def test_without_a_link_the_uris_become_the_gates_own_paths(here: Place) -> None:
    found = links(here, host=None)
    assert found.prefix == ""
    assert found.hand_out(b"http://media.example:9000/base/public/x") == b"/public/x"
    assert found.hand_out(b"https://gate.example/x") == b"https://gate.example/x"
    assert not found.appends


def test_what_is_clipped_is_still_where_it_was_asked_for() -> None:
    asked = place("/cam1/b/other.m3u8", asked=target("/cam1/a/index.m3u8"))
    found = links(asked).target_of(b"seg.ts")
    assert found == target("/cam1/a/seg.ts")


# In the query.

QUERY = place(carrier=Carrier.QUERY)


@pytest.mark.parametrize(
    ("uri", "handed"),
    [
        (b"seg.ts", b"seg.ts?_gate_session=T"),
        (b"seg.ts?", b"seg.ts?&_gate_session=T"),
        (b"seg.ts?a=%2F&b#f?x", b"seg.ts?a=%2F&b&_gate_session=T#f?x"),
        (b"seg.ts#f?x", b"seg.ts?_gate_session=T#f?x"),
        (b"/base/cam1/seg.ts", b"/cam1/seg.ts?_gate_session=T"),
        (b"http://media.example:9000/base/cam1/seg.ts", b"/cam1/seg.ts?_gate_session=T"),
        (b"{$a}/seg.ts", b"{$a}/seg.ts?_gate_session=T"),
        (b"https://elsewhere.example/x", b"https://elsewhere.example/x"),
        (b"//elsewhere.example/x", b"//elsewhere.example/x"),
        # Nobody else gets the ticket, however it is written.
        (b"\\\\elsewhere.example/x", b"\\\\elsewhere.example/x"),
        (b" https://elsewhere.example/x", b" https://elsewhere.example/x"),
        (b"ht\ttps://elsewhere.example/x", b"ht\ttps://elsewhere.example/x"),
        (b"/\t/elsewhere.example/x", b"/\t/elsewhere.example/x"),
        (b"{$away}/x", b"{$away}/x"),
        (b"/{$slash}/x", b"/{$slash}/x"),
        (b"{$unknown}/x", b"{$unknown}/x"),
        # One that is the origin's behind a variable is.
        (b"{$origin}/cam1/x", b"/cam1/x?_gate_session=T"),
    ],
)
def test_the_query_carries_the_ticket_to_nobody_else(uri: bytes, handed: bytes) -> None:
    found = links(QUERY)
    assert found.appends
    found.variables = {
        "a": "b",
        "away": "https://elsewhere.example",
        "slash": "/elsewhere.example",
        "origin": "http://media.example:9000/base",
    }
    assert found.hand_out(uri) == handed
    assert found.location(uri) == handed


def test_a_manifest_knows_where_it_is_itself() -> None:
    here = place("/cam1/b.mpd", asked=target("/cam1/a.mpd?x=1"))
    assert links(here).home == "/_s/T/cam1/a.mpd?x=1"
    assert links(replace(here, carrier=Carrier.QUERY)).home == "/cam1/a.mpd?x=1&_gate_session=T"
    assert links(replace(here, carrier=Carrier.COOKIE)).home == "/cam1/a.mpd?x=1"
    assert links(replace(here, ticket=None)).home is None


def test_what_is_no_uri_gets_no_query() -> None:
    found = links(QUERY)
    assert found.append(b"2026-01-01T00:00:00Z") == b"2026-01-01T00:00:00Z"
    assert found.append(b"https://elsewhere.example/x") == b"https://elsewhere.example/x"
    assert found.append(b"seg.ts") == b"seg.ts?_gate_session=T"
    assert found.under_link(b"/base/cam1/seg.ts") == b"/cam1/seg.ts"
    assert not links(replace(QUERY, ticket=None)).appends


# Foreign URIs.

AWAY = [
    b"https://cdn.example.evil/cdn/cam1/seg.ts",
    b"//elsewhere.example/seg.ts",
    b"\\\\elsewhere.example\\seg.ts",
    b"\x01 https://elsewhere.example/seg.ts",
    b"h\nttps://elsewhere.example/seg.ts",
    b"{$away}/seg.ts",
    b"{$unknown}/seg.ts",
    b"mailto:x",
]
VARIABLES = {"away": "https://elsewhere.example", "near": "x"}


@pytest.mark.parametrize("uri", AWAY)
def test_they_are_left_or_refused(uri: bytes) -> None:
    for rule in (Foreign.REFUSE, Foreign.ADOPT):
        found = foreign(rule)
        found.variables = VARIABLES
        with pytest.raises(ForeignUriError):
            found.hand_out(uri)
        with pytest.raises(ForeignUriError):
            found.under_link(uri)
        assert found.location(uri) == uri, "a redirect may lead there"
    found = foreign(Foreign.LEAVE)
    found.variables = VARIABLES
    assert found.hand_out(uri) == found.under_link(uri) == uri


@pytest.mark.parametrize("rule", Foreign)
@pytest.mark.parametrize(
    "uri", [b"seg.ts", b"/base/x.ts", b"http://media.example:9000/base/x", b"{$near}/x.ts", b""]
)
def test_the_origins_own_are_nobody_elses(rule: Foreign, uri: bytes) -> None:
    found = foreign(rule)
    found.variables = VARIABLES
    assert found.hand_out(uri) == links().hand_out(uri)


@pytest.mark.parametrize(
    ("uri", "handed"),
    [
        (b"https://cdn.example/cdn/cam1/seg.ts?x=1", b"/_s/T/cdn/cam1/seg.ts?x=1"),
        (b"https://CDN.example:443/cdn/cam1/seg.ts", b"/_s/T/cdn/cam1/seg.ts"),
        # The rule of that path is another origin's, or there is none.
        (b"https://cdn.example/cam1/seg.ts", None),
        (b"https://cdn.example/cdn", None),
        (b"https://cdn.example/cdn/cam1/a%2Fb", None),
        (b"http://cdn.example/cdn/cam1/seg.ts", None),
    ],
)
def test_those_of_another_origin_are_adopted(uri: bytes, handed: bytes | None) -> None:
    found = foreign(Foreign.ADOPT)
    if handed is None:
        with pytest.raises(ForeignUriError):
            found.hand_out(uri)
    else:
        assert found.hand_out(uri) == handed


def test_without_a_link_no_path_becomes_a_host() -> None:
    found = foreign(Foreign.REFUSE, ticket=None)
    with pytest.raises(ForeignUriError):
        found.hand_out(b"http://media.example:9000/base//elsewhere.example/x")


# What is asked for.


@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        (b"seg.ts", "/cam1/a/seg.ts"),
        (b"b/seg.ts?x=1&y=%2F", "/cam1/a/b/seg.ts?x=1&y=%2F"),
        (b"seg.ts?x=1#f", "/cam1/a/seg.ts?x=1"),
        (b"seg.ts#f?x", "/cam1/a/seg.ts"),
        (b"./seg.ts", "/cam1/a/seg.ts"),
        (b"../seg.ts", "/cam1/seg.ts"),
        (b"?x=1", "/cam1/a/index.m3u8?x=1"),
        (b"", "/cam1/a/index.m3u8"),
        (b"/_s/T/ch1/seg.ts", "/ch1/seg.ts"),
        (b"/ch1/seg.ts", "/ch1/seg.ts"),
        (b"a b.ts", "/cam1/a/a%20b.ts"),
        ("é.ts".encode(), "/cam1/a/%C3%A9.ts"),
        (b"%C3%A9.ts", "/cam1/a/%C3%A9.ts"),
        (b"{$v}.ts?{$v}", "/cam1/a/w.ts?w"),
        (b"{$other}.ts", "/cam1/a/%7B%24other%7D.ts"),
        (b"seg.ts?x={$other}", "/cam1/a/seg.ts?x=%7B$other%7D"),
        (b"seg.ts?x='\"<>", "/cam1/a/seg.ts?x='%22%3C%3E"),
        # Not the gate, or nothing that it would forward.
        (b"\xff.ts", None),
        (b"https://elsewhere.example/x", None),
        (b"//elsewhere.example/x", None),
        (b"http://[::1/x", None),
        (b"//[", None),
        (b"{$host}/x", None),
        (b"a%2Fb.ts", None),
        (b"%zz.ts", None),
        (b"a\\b.ts", None),
        (b"a" * 17_000, None),
    ],
)
def test_the_target_is_the_one_that_a_player_asks_for(uri: bytes, asked: str | None) -> None:
    found = links()
    found.variables = {"v": "w", "host": "//["}
    target = found.target_of(uri)
    if asked is not None and "%24" in asked:
        asked = asked.replace("%24", "$")
    assert (None if target is None else target.raw) == asked


@settings(deadline=None)
@given(st.binary(max_size=40) | st.text("ab/.?#&={$}%20:\\@[]", max_size=30).map(str.encode))
@example(b"//[")
@example(b"http://[::1")
@example(b"{$host}")
@example(b"https://\xe2\x84\x80.example/")
def test_any_bytes_are_a_uri(uri: bytes) -> None:
    """Whatever an origin writes: it is handed out or refused, and leads to one place at most."""
    for rule in Foreign:
        for here in (place(), QUERY, place(ticket=None), place(carrier=Carrier.COOKIE)):
            found = marking(replace(here, rule=replace(RULE, foreign=rule)))
            found.variables = {"host": "//[", "a": "//x"}
            found.target_of(uri)
            try:
                handed = found.hand_out(uri, MARK)
            except ForeignUriError:
                assert rule is not Foreign.LEAVE
            else:
                assert (
                    b"T" not in handed
                    or b"T" in uri
                    or b"_s/T" in handed
                    or b"=T" in handed
                    or b"_gate" in handed
                )
            assert isinstance(found.location(uri), bytes)


# Marks.


def mark_of(handed: bytes, here: Place | None = None) -> Mark | None:
    """What the mark says on a URI that was handed out; the URI is asked for as it is."""
    asked = links(here).target_of(handed.replace(b"&_gate_session=T", b"").replace(b"?_gate_session=T", b""))
    assert asked is not None
    at, text = take_mark(asked)
    return None if text is None else read_mark(text, KEY, at.without(APPLICATION.sources.query))


@pytest.mark.parametrize(
    "uri",
    [
        b"seg.ts",
        b"../seg.ts?x=1#f",
        b"/base/cam1/seg.ts",
        b"http://media.example:9000/base/cam1/a b.ts?'x'",
        b"key",
        b"seg.ts?utc=7",
        b"seg.ts?token=x&a=1",
        "é.ts".encode(),
    ],
)
@pytest.mark.parametrize("here", [place(), QUERY, place(carrier=Carrier.COOKIE)])
def test_what_says_no_time_is_marked(uri: bytes, here: Place) -> None:
    handed = marking(here).hand_out(uri, MARK)
    assert f"{MARK_NAME}=".encode() in handed
    assert mark_of(handed, here) == MARK
    assert marking(here).hand_out(uri, MARK) == handed
    without = re.sub(rb"[?&]_gate=[\w-]+", b"", handed)
    assert without.replace(b"?_gate", b"&_gate") == links(here).hand_out(uri).replace(b"?_gate", b"&_gate")
    assert marking(here).hand_out(uri) == links(here).hand_out(uri), "without a mark it is told nothing"


@pytest.mark.parametrize(
    "uri",
    [
        b"index.m3u8",
        b"/public/seg.ts",
        b"/office/seg.ts",
        b"https://elsewhere.example/seg.ts",
        b"{$unknown}/seg.ts",
        b"/nothing-serves-it",
        b"a%2Fb.ts",
        b"\xff.ts",
    ],
)
def test_what_needs_no_mark_or_can_have_none_has_none(uri: bytes) -> None:
    assert b"_gate=" not in marking().hand_out(uri, MARK)


def test_it_depends_on_the_viewer_and_the_origin() -> None:
    whole = Warrant(READ, Rights(True, True, True))
    assert links(key=KEY, warrant=whole).hand_out(b"seg.ts", MARK) == b"seg.ts"
    assert links(warrant=LIVE).hand_out(b"seg.ts", MARK) == b"seg.ts", "without a session"
    assert links(key=KEY).hand_out(b"seg.ts", MARK) == b"seg.ts"
    flussonic = replace(RULE, layout=LAYOUTS["flussonic"])
    found = Links(
        replace(POLICY, rules=(flussonic,)), place(rule=flussonic), host=None, now=NOW, key=KEY, warrant=LIVE
    )
    assert found.hand_out(b"../2027/01/15/08/00/00-04000.ts", MARK) == b"../2027/01/15/08/00/00-04000.ts"
    assert b"_gate=" in found.hand_out(b"hls/segment17.ts", MARK)


def test_a_window_needs_marks_where_it_is_bounded() -> None:
    bounded = Warrant(READ, Rights(dvr=True), Windows((Span(0, 1000),)))
    assert b"_gate=" in links(key=KEY, warrant=bounded).hand_out(b"seg.ts", MARK)


def test_a_path_is_marked_as_it_is_spelled() -> None:
    found = marking()
    assert mark_of(found.mark_path(b"seg.ts", "/cam1/a/seg.ts", MARK)) == MARK
    assert mark_of(found.mark_path("é.ts".encode(), "/cam1/a/é.ts", MARK)) == MARK
    assert found.mark_path(b"a//b", "/cam1/a//b", MARK) == b"a//b"
    assert links().mark_path(b"seg.ts", "/cam1/a/seg.ts", MARK) == b"seg.ts"


def test_a_seal_is_of_the_session() -> None:
    sealed = marking().seal(b"said", 60_000)
    assert sealed is not None
    assert sealed.startswith(SEAL_FRONT.encode())
    assert read_seal(sealed.decode(), KEY) == (b"said", 60_000)
    assert links().seal(b"said", 0) is None


def test_without_an_application_no_parameter_is_a_token() -> None:
    here = place(application=None)
    handed = marking(here).hand_out(b"seg.ts?token=x", MARK)
    asked = links(here).target_of(handed)
    assert asked is not None
    at, text = take_mark(asked)
    assert read_mark(text or "", KEY, at) == MARK


# Where the origin sends those who ask for what a manifest vouched for.


def test_what_was_vouched_for_is_vouched_for_elsewhere() -> None:
    facts = Facts("cam1", Role.SEGMENT, None, Span(1, 2), lag_ms=60_000, vouched=True)
    held = ByteRange(5, 7)
    here = place("/cam1/a/seg1.ts", facts=facts, mark="MARK", held=held)
    handed = links(here, key=KEY).location(b"/cam1/b/seg1.ts").decode()
    assert handed.startswith("/_s/T/cam1/b/seg1.ts?_gate=")
    found, text = take_mark(target(handed.removeprefix("/_s/T")))
    assert read_mark(text or "", KEY, found) == Mark(Role.SEGMENT, None, Span(1, 2), held, 60_000)


@pytest.mark.parametrize("more", [{}, {"mark": "MARK", "uri": b"http://elsewhere.example/x"}])
def test_nothing_else_is(more: dict[str, Any]) -> None:
    uri = more.pop("uri", b"/cam1/b/seg1.ts")
    assert b"_gate" not in links(place("/cam1/a/seg1.ts", **more), key=KEY).location(uri)


def test_without_the_key_of_the_session_nothing_is() -> None:
    assert links(place(mark="MARK")).location(b"/cam1/x") == b"/_s/T/cam1/x"


def test_the_gate_s_own_address() -> None:
    assert links(scheme="https").address == b"https://gate.example"
    assert links(host=None).address == b""


def test_where_the_manifest_is() -> None:
    assert links().home == "/_s/T/cam1/a/index.m3u8"
    assert links(place("/cam1/a/index.mpd?x=1", carrier=Carrier.QUERY)).home == (
        "/cam1/a/index.mpd?x=1&_gate_session=T"
    )
    assert links(place(ticket=None)).home is None
