from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gate.config.compile import load_config
from gate.core.decision import locate
from gate.core.policy import ApiKey
from gate.core.reasons import Deny
from gate.core.room import Permission, RoomPass, Track, TrackKind, Use
from gate.core.token import Token
from gate.core.verdicts import Ask
from gate.demo.meeting import CAMERAS, NAME, ORIGIN, OTHER, SPEAKER, Meeting, agree, open_room
from gate.demo.stage import SECRET
from gate.errors import GateError
from gate.formats import read_token

REPOSITORY = Path(__file__).resolve().parents[2]
NOW = 1_800_000_000
SECRET_KEY = "for the demo's tests, 32 bytes or more"
POLICY = load_config(REPOSITORY / "config" / "demo.yaml", {SECRET: SECRET_KEY}).policy
APPLICATION = POLICY.applications[NAME]
HALF_S = 6 * 3600


class NoHeaders:
    def getall(self, key: str, default: Any, /) -> Any:
        return default


@pytest.fixture
def key() -> ApiKey:
    assert APPLICATION.videosdk is not None
    (key,) = APPLICATION.videosdk.keys.values()
    return key


@pytest.fixture
def meeting(key: ApiKey) -> Meeting:
    return Meeting(key, "abcd-efgh-ijkl")


def read(text: str) -> tuple[Token, RoomPass]:
    token = read_token(text, APPLICATION)
    assert isinstance(token, Token)
    assert token.warrant.room is not None
    return token, token.warrant.room


def test_each_part_is_who_it_says(meeting: Meeting) -> None:
    expected = {
        "host": ("Host", {Permission.ALLOW_JOIN, Permission.ALLOW_MOD}, (True, True)),
        "speaker": (SPEAKER, {Permission.ALLOW_JOIN}, (True, False)),
        "guest": (None, {Permission.ASK_JOIN}, (False, False)),
    }
    for part, (name, permissions, may) in expected.items():
        said = meeting.describe(part, NOW)
        assert said is not None
        assert (said["part"], said["room"], said["cameras"]) == (part, meeting.room, CAMERAS)
        assert (said["admits"], said["moderates"]) == may
        token, room = read(said["token"])
        assert room.permissions == permissions
        assert (room.room, room.participant) == (meeting.room, said["participant"])
        assert room.participant == (name or room.participant)
        assert room.uses == {Use.MEDIA}
        assert token.expires_at is not None
        assert NOW + HALF_S < token.expires_at <= NOW + 2 * HALF_S
        assert SECRET_KEY not in json.dumps(said)
    assert meeting.describe("nobody", NOW) is None
    assert SECRET_KEY not in repr(meeting)


def test_every_load_of_the_guests_page_is_another_guest(meeting: Meeting) -> None:
    loads = [meeting.describe("guest", NOW) for _ in range(5)]
    assert len({load["participant"] for load in loads if load}) == 5


def test_every_later_load_has_a_fresh_token(meeting: Meeting) -> None:
    one, other = [meeting.describe("host", NOW + later_s) for later_s in (0, 1)]
    assert one is not None
    assert other is not None
    assert one["token"] != other["token"]


def test_a_camera_and_its_owners_page_have_one_token_for_hours(meeting: Meeting) -> None:
    begin_s = NOW // HALF_S * HALF_S
    texts = {meeting.camera_token(SPEAKER, begin_s + at_s) for at_s in (0, 1, HALF_S - 1)}
    assert len(texts) == 1
    said = meeting.describe("speaker", begin_s + 5)
    assert said is not None
    assert {said["token"]} == texts
    later = meeting.camera_token(SPEAKER, begin_s + HALF_S)
    assert later not in texts
    assert meeting.camera_token(OTHER, begin_s) not in texts
    token, _ = read(texts.pop())
    assert token.expires_at == begin_s + 2 * HALF_S


def test_the_policy_knows_the_cameras_tracks(meeting: Meeting) -> None:
    for method in ("GET", "PUT"):
        ask = Ask(method, f"/{meeting.track(OTHER)}/index.m3u8", NoHeaders(), "127.0.0.1")
        place = locate(ask, POLICY)
        assert not isinstance(place, Deny)
        assert (place.rule.origin.name, place.application) == (ORIGIN, APPLICATION)
        assert place.facts.track == Track(meeting.room, OTHER, TrackKind.WEBCAM)


@dataclass
class Api:
    """Answers one thing to whatever is posted, and remembers that."""

    status: int = 200
    answer: Any = field(default_factory=lambda: {"roomId": "r-1"})
    posted: list[tuple[str, Any, Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.posted.append((request.path, await request.json(), request.headers["Authorization"]))
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def url(api: Api) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", api.handle)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_the_room_is_made_by_its_name(key: ApiKey, api: Api, url: str) -> None:
    meeting = await open_room(url, key, NOW)
    assert meeting == Meeting(key, "r-1")
    ((path, body, token),) = api.posted
    assert (path, body) == ("/v2/rooms", {"customRoomId": "gate-demo"})
    _, room = read(token)
    assert room.uses == {Use.API}


@pytest.mark.parametrize(("status", "answer"), [(401, {"message": "no"}), (200, {"id": "x"}), (200, ["x"])])
async def test_an_api_that_makes_no_room_is_told(
    key: ApiKey, api: Api, url: str, status: int, answer: Any
) -> None:
    api.status, api.answer = status, answer
    with pytest.raises(GateError, match="the gate makes no room"):
        await open_room(url, key, NOW)


async def test_no_gate_at_all_is_told(key: ApiKey, unused_tcp_port: int) -> None:
    with pytest.raises(GateError, match="the gate makes no room"):
        await open_room(f"http://127.0.0.1:{unused_tcp_port}", key, NOW)


@pytest.mark.parametrize("status", [200, 409])
async def test_the_owner_of_a_camera_agrees(meeting: Meeting, api: Api, url: str, status: int) -> None:
    api.status = status
    await agree(url, meeting, OTHER, NOW)
    assert api.posted == [("/v2/rooms/abcd-efgh-ijkl/acceptWebcam", {}, meeting.camera_token(OTHER, NOW))]


async def test_whoever_asks_may_find_no_gate(meeting: Meeting, unused_tcp_port: int) -> None:
    await agree(f"http://127.0.0.1:{unused_tcp_port}", meeting, OTHER, NOW)
