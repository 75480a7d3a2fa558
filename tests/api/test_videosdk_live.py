"""Which requests are for events of rooms, and the words and codes of their endings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from gate.api.videosdk_live import Route, close_code, explain, fail, write
from gate.core.keys import Keyring
from gate.core.policy import Application, Policy, SessionRules, VideoSdk
from gate.core.reasons import Deny, Reason
from gate.formats.videosdk_errors import with_code
from tests.api.rooms import RoomGate

ROOMS = Application("rooms", Keyring([]), videosdk=VideoSdk({}))
POLICY = Policy((), {"rooms": ROOMS})


Find = Callable[..., Route | None]


@pytest.fixture
def find(meet: RoomGate) -> Find:
    """What a request is for."""
    return lambda target, policy=POLICY: meet.live.find("GET", target, policy)


@pytest.mark.parametrize(
    ("target", "room", "socket", "link"),
    [
        ("/v2/rooms/a-b/events", "a-b", False, None),
        ("/v2/rooms/a-b/socket?secret=x&mode=y", "a-b", True, None),
        ("/_s/ticket/v2/rooms/a-b/events", "a-b", False, "ticket"),
        ("/_s/tic%ket/v2/rooms/a-b/events", "a-b", False, "tic%ket"),
        ("/_s/t/v2/rooms/%C3%A9/socket", "é", True, "t"),
        (f"/_s/{'t' * 16000}/v2/rooms/a-b/events", "a-b", False, "t" * 16000),
    ],
)
def test_what_is_claimed(find: Find, target: str, room: str, socket: bool, link: str | None) -> None:
    route = find(target)
    assert route is not None
    assert (route.room, route.socket, route.link) == (room, socket, link)


@pytest.mark.parametrize(
    "target",
    [
        "/v2/rooms/a-b",
        "/v2/rooms/a-b/events/",
        "/v2/rooms/a/b/events",
        "/v2/rooms//events",
        "/v2/rooms/../events",
        "/v2/rooms/a%2Fb/events",
        "/v2/rooms/a-b/Events",
        "/v2/rooms/a-b?/events",
        "/x/v2/rooms/a-b/events",
        "/_s//v2/rooms/a-b/events",
        "/_s/v2/rooms/a-b/events",
        "/_s/t/x/v2/rooms/a-b/events",
        "//v2/rooms/a-b/events",
        "http://h/v2/rooms/a-b/events",
    ],
)
def test_what_is_not(find: Find, target: str) -> None:
    assert find(target) is None


def test_the_links_are_those_of_the_policy(find: Find) -> None:
    policy = replace(POLICY, sessions=SessionRules(prefix="/links/of/"))
    route = find("/links/of/t/v2/rooms/a-b/events", policy)
    assert route is not None
    assert route.link == "t"
    assert find("/_s/t/v2/rooms/a-b/events", policy) is None


def test_without_an_application_of_the_vendors_nothing_is_claimed(find: Find) -> None:
    policy = Policy((), {"plain": Application("plain", Keyring([]))})
    assert find("/v2/rooms/a-b/events", policy) is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_end_a_stream(reason: Reason) -> None:
    told = explain(Deny(reason))
    assert 4000 <= close_code(Deny(reason)) < 5000
    assert told["message"] == reason.rule.title
    assert told["reason"] == reason.value
    assert set(fail("leave", Deny(reason))) == {"errorCode", "errorReason", "reason"}


def test_commands_that_fail_have_the_vendors_numbers() -> None:
    deny = Deny(Reason.PARTICIPANT_UNKNOWN, "why")
    assert fail("respondEntry", deny) == {"errorCode": 4059, "errorReason": "why", "reason": deny.reason.value}
    assert fail("removePeer", deny)["errorCode"] == 4066
    assert fail("leave", Deny(Reason.STORE_UNAVAILABLE))["errorCode"] == 503


def test_a_refusal_keeps_what_it_says() -> None:
    deny = with_code(Deny(Reason.ROOM_FULL, "why", (("most", 2),)))
    assert dict(deny.facts) == {"most": 2, "code": "4009", "name": "MAX_PARTCIPANT_REACHED"}
    assert (deny.reason, deny.detail) == (Reason.ROOM_FULL, "why")


def test_what_is_written_is_one_line_of_ascii() -> None:
    text = write({"name": "é\n\u2028", "more": MappingProxyType({"a": 1})})
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == {"name": "é\n\u2028", "more": {"a": 1}}
    with pytest.raises(TypeError):
        write({"what": object()})
