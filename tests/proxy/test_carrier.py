"""How a session's link is written: in the path, in the query, or beside a cookie."""

from __future__ import annotations

from dataclasses import replace
from http.cookies import SimpleCookie

import pytest
from multidict import CIMultiDict

from gate.core.credentials import Carrier, find_ticket
from gate.core.grants import Action, Grants
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Access, Origin, Pattern, SessionRules, StreamRule
from gate.core.target import Target, parse_target
from gate.core.ticket import Ticket
from gate.core.token import Rights, Warrant
from gate.core.verdicts import Place
from gate.media.layouts import LAYOUTS
from gate.proxy.carrier import session_cookie, session_link

NOW = 1_800_000_000.0
RULE = StreamRule(
    "streams[0]", Pattern("/**"), Access.PRIVATE, Origin("o", "http://o.example"), LAYOUTS["object"]
)
TICKET = Ticket(
    "00s", "demo", "t", "o", None, int(NOW), None, None, None, None, None, Warrant(Grants({}), Rights())
)


def place(raw: str, resource: str = "cam1") -> Place:
    target = parse_target(raw)
    assert isinstance(target, Target)
    facts = Facts(resource, Role.MANIFEST, Kind.OBJECT)
    return Place("GET", target, RULE, None, Action.READ, facts, None, None, "client", "page")


@pytest.mark.parametrize("raw", ["/a/b.m3u8", "/a/b.m3u8?", "/a/b.m3u8?x=%2F..&&y", "/%C3%A9/b.m3u8"])
def test_in_the_path_it_is_the_ticket_before_the_same_bytes(raw: str) -> None:
    assert session_link(SessionRules(), "TICKET", place(raw)) == f"/_s/TICKET{raw}"
    assert session_link(SessionRules("/watch/"), "TICKET", place(raw)) == f"/watch/TICKET{raw}"


@pytest.mark.parametrize(
    ("raw", "link"),
    [
        ("/a/b.m3u8", "/a/b.m3u8?_gate_session=TICKET"),
        ("/a/b.m3u8?", "/a/b.m3u8?&_gate_session=TICKET"),
        ("/a/b.m3u8?x=%2F..&&y", "/a/b.m3u8?x=%2F..&&y&_gate_session=TICKET"),
    ],
)
def test_in_the_query_it_is_one_parameter_more(raw: str, link: str) -> None:
    assert session_link(SessionRules(carrier=Carrier.QUERY), "TICKET", place(raw)) == link
    parsed = parse_target(link)
    assert isinstance(parsed, Target)
    assert find_ticket(parsed, CIMultiDict(), Carrier.QUERY) == "TICKET"


@pytest.mark.parametrize("raw", ["/a/b.m3u8", "/a/b.m3u8?", "/a/b.m3u8?x=%2F..&&y"])
def test_beside_a_cookie_it_is_the_same_url(raw: str) -> None:
    assert session_link(SessionRules(carrier=Carrier.COOKIE), "TICKET", place(raw)) == raw


def cookie(raw: str, resource: str = "cam1", *, secure: bool = False, ends_at: float | None = None) -> str:
    ticket = replace(TICKET, ends_at=ends_at)
    return session_cookie("T-_9", ticket, place(raw, resource), secure=secure, now=NOW)


def test_a_cookie_is_for_no_script_and_no_other_site() -> None:
    assert cookie("/cam1/index.m3u8") == "_gate_session=T-_9; Path=/cam1/; HttpOnly; SameSite=Lax"


def test_over_https_a_page_of_any_site_may_embed_the_player() -> None:
    assert cookie("/cam1/index.m3u8", secure=True).endswith("; HttpOnly; Secure; SameSite=None")


@pytest.mark.parametrize(
    ("ends_at", "max_age"),
    [(NOW + 3600, "3600"), (NOW + 1.9, "1"), (NOW + 0.1, "1"), (NOW - 9, "1"), (None, "")],
)
def test_a_cookie_lives_as_long_as_its_session(ends_at: float | None, max_age: str) -> None:
    parsed: SimpleCookie = SimpleCookie(cookie("/cam1/index.m3u8", ends_at=ends_at))
    assert parsed["_gate_session"]["max-age"] == max_age


@pytest.mark.parametrize(
    ("raw", "resource", "scope"),
    [
        ("/cam1/index.m3u8", "cam1", "/cam1/"),
        ("/cam1/deep/er/index.m3u8?x=1", "cam1", "/cam1/"),
        ("/a/b/index.m3u8", "a/b", "/a/b/"),
        # Not at the front: the media may lie beside the manifest's own folder.
        ("/live/cam1/index.m3u8", "cam1", "/live/cam1/"),
        ("/live/cam1/hd/index.m3u8", "cam1", "/live/cam1/"),
        ("/cam1/cam1/index.m3u8", "cam1", "/cam1/"),
        # The name is not in the path, or is no folder in it.
        ("/get/list.m3u8?path=cam1", "cam1", "/get/"),
        ("/live/user/cam1.m3u8", "cam1", "/live/user/"),
        ("/live/cam1.m3u8", "cam1", "/live/"),
        ("/cam12/index.m3u8", "cam1", "/cam12/"),
        ("/v%C3%A9/hd/index.m3u8", "vé", "/v%C3%A9/hd/"),
        # A file of the root is alone.
        ("/cam1.m3u8", "cam1", "/cam1.m3u8"),
    ],
)
def test_a_cookie_goes_to_its_resource_alone(raw: str, resource: str, scope: str) -> None:
    assert SimpleCookie(cookie(raw, resource))["_gate_session"]["path"] == scope
    assert raw.startswith(scope)


@pytest.mark.parametrize(
    ("raw", "resource", "scope"),
    [
        ("/a/cam;Domain=evil.example/index.m3u8", "cam;Domain=evil.example", "/a/"),
        ("/cam1;x/index.m3u8", "cam1;x", "/"),
        ("/cam1/a;Path=/index.m3u8", "a;Path=", "/cam1/"),
        ("/a/cam1/index;x=.m3u8", "cam1", "/a/cam1/"),
        ("/index;Domain=x.m3u8", "x", "/"),
    ],
)
def test_no_name_writes_an_attribute(raw: str, resource: str, scope: str) -> None:
    text = cookie(raw, resource)
    assert text == f"_gate_session=T-_9; Path={scope}; HttpOnly; SameSite=Lax"
