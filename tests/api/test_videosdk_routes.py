"""Which requests are for the API for rooms, however they are spelt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.api.videosdk_routes import Operation, find_route
from gate.core.policy import Policy, SessionRules
from gate.core.reasons import Deny
from gate.core.target import Target
from tests.api.rooms import POLICY

ROOM = "abcd-efgh-ijkl"

ROUTES = [
    ("POST", "/v2/rooms", Operation.CREATE_ROOM, ()),
    ("GET", "/v2/rooms?page=1&perPage=2", Operation.LIST_ROOMS, ()),
    ("GET", f"/v2/rooms/{ROOM}", Operation.GET_ROOM, (ROOM,)),
    ("GET", f"/v2/rooms/validate/{ROOM}", Operation.GET_ROOM, (ROOM,)),
    ("GET", "/v2/rooms/validate", Operation.GET_ROOM, ("validate",)),
    ("GET", "/v2/rooms/deactivate", Operation.GET_ROOM, ("deactivate",)),
    ("POST", "/v2/rooms/deactivate", Operation.DEACTIVATE_ROOM, ()),
    ("POST", f"/v2/rooms/{ROOM}/join?wait=3", Operation.JOIN, (ROOM,)),
    ("POST", f"/v2/rooms/{ROOM}/requestEntry", Operation.JOIN, (ROOM,)),
    ("POST", f"/v2/rooms/{ROOM}/leave", Operation.LEAVE, (ROOM,)),
    ("GET", f"/v2/rooms/{ROOM}/participants", Operation.SHOW_PEOPLE, (ROOM,)),
    ("POST", f"/v2/rooms/{ROOM}/muteAll", Operation.COMMAND, (ROOM, "muteAll")),
    ("POST", f"/v2/rooms/{ROOM}/whatever", Operation.COMMAND, (ROOM, "whatever")),
    ("GET", "/v2/sessions", Operation.LIST_SESSIONS, ()),
    ("GET", "/v2/sessions/s1", Operation.GET_SESSION, ("s1",)),
    ("GET", "/v2/sessions/s1/participants", Operation.LIST_PEOPLE, ("s1",)),
    ("GET", "/v2/sessions/s1/participants/active", Operation.LIST_ACTIVE, ("s1",)),
    ("GET", "/v2/sessions/s1/participants/p1", Operation.GET_PERSON, ("s1", "p1")),
    ("POST", "/v2/sessions/participants/remove", Operation.REMOVE_PERSON, ()),
    ("POST", "/v2/sessions/end", Operation.END_SESSION, ()),
]


class TestWhatIsClaimed:
    @pytest.mark.parametrize(("method", "target", "operation", "names"), ROUTES)
    @pytest.mark.parametrize("link", [None, "tick-et_1"])
    def test_each_route(
        self, method: str, target: str, operation: Operation, names: tuple[str, ...], link: str | None
    ) -> None:
        above = "" if link is None else f"/_s/{link}"
        route = find_route(method, above + target, POLICY)
        assert route is not None
        assert (route.operation, route.names, route.link) == (operation, names, link)
        assert isinstance(route.target, Target)
        assert route.target.raw == above + target

    def test_a_longer_prefix_of_session_links(self) -> None:
        policy = replace(POLICY, sessions=SessionRules(prefix="/media/_s/"))
        route = find_route("POST", f"/media/_s/t1/v2/rooms/{ROOM}/leave", policy)
        assert route is not None
        assert (route.link, route.names) == ("t1", (ROOM,))

    @pytest.mark.parametrize(
        "target",
        [
            "",
            "/",
            "/v2",
            "/v2/",
            "/v2/roomss",
            "/v2/rooms-x/y",
            "/v2/sessions2",
            "/v2/recordings/start",
            "/V2/rooms",
            "/v1/rooms",
            "//v2/rooms",
            "/x/v2/rooms",
            "http://example.com/v2/rooms",
            "/_s/v2/rooms",
            "/_s/t1/x/v2/rooms",
            "/_s/t1/cam1/index.m3u8",
            "/_s/t1",
            "/_s/t1?next=/v2/rooms",
            "/_s/t1//v2/rooms",
            "/_sx/t1/v2/rooms",
            "/cam1?x=/v2/rooms",
        ],
    )
    def test_what_is_for_others(self, target: str) -> None:
        assert find_route("GET", target, POLICY) is None

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("above", ["", "/_s/t1"])
    @pytest.mark.parametrize("name", ["events", "socket"])
    def test_live_streams_are_anothers(self, method: str, above: str, name: str) -> None:
        assert find_route(method, f"{above}/v2/rooms/{ROOM}/{name}?x=1", POLICY) is None

    def test_nothing_where_no_application_has_it(self) -> None:
        policy = Policy((), {"plain": POLICY.applications["plain"]})
        assert find_route("GET", "/v2/rooms", policy) is None
        assert find_route("GET", "/_s/t1/v2/rooms", policy) is None


class TestWhatIsClaimedAndRefused:
    @pytest.mark.parametrize(
        "target",
        [
            "/v2/rooms//x",
            "/v2/rooms/..",
            "/v2/rooms/./x",
            "/v2/rooms/a%2Fb",
            "/v2/rooms/a%00",
            "/v2/rooms/%61",
            "/v2/rooms/a\\b",
            "/v2/rooms/%E9",
            "/v2/rooms/%3Bx",
            "/v2/rooms/a%25b",
            "/v2/rooms?x=%zz",
            "/v2/rooms/" + "a" * 20_000,
        ],
    )
    def test_paths_that_are_none(self, target: str) -> None:
        route = find_route("GET", target, POLICY)
        assert route is not None
        assert isinstance(route.target, Deny)

    @pytest.mark.parametrize(
        ("target", "allowed"),
        [
            ("/v2/rooms", ("GET", "POST")),
            (f"/v2/rooms/{ROOM}", ("GET",)),
            (f"/v2/rooms/{ROOM}/participants", ("GET", "POST")),
            ("/v2/sessions/end", ("GET", "POST")),
            ("/v2/rooms/", ()),
            (f"/v2/rooms/{ROOM}/", ()),
            (f"/v2/rooms/{ROOM}/join/x", ()),
            ("/v2/sessions/s1/stats", ()),
            ("/v2/sessions/s1/participants/p1/x", ()),
        ],
    )
    def test_other_methods_and_paths(self, target: str, allowed: tuple[str, ...]) -> None:
        route = find_route("PUT", target, POLICY)
        assert route is not None
        assert (route.operation, route.allowed) == (None, allowed)


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("course%3A7", "course:7"),
        ("me%40example.com", "me@example.com"),
        ("a%2Bb%2cc%3bd%3De%26f%24g", "a+b,c;d=e&f$g"),
        ("a%20b", "a b"),
        ("%C3%A9", "é"),
        ("it's(1)*!~", "it's(1)*!~"),
    ],
)
def test_names_as_javascript_escapes_them(spelt: str, name: str) -> None:
    for route in (
        find_route("GET", f"/v2/rooms/{spelt}", POLICY),
        find_route("GET", f"/v2/rooms/validate/{spelt}?x=%3A", POLICY),
    ):
        assert route is not None
        assert route.names == (name,)
