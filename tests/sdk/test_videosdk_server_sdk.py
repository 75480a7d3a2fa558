"""VideoSDK's SDK for servers, as published, manages rooms at the gate, and its tokens let participants in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytestmark = pytest.mark.sdk

KEY, SECRET = "0b9a7e1c-1b52-4c1e-9d63-5a7d1a0f2c11", "a secret of the dashboard, of no great length"
MEET: dict[str, Any] = {
    "applications": {"meet": {"formats": ["videosdk"], "videosdk": {"keys": [{"key": KEY, "secret": SECRET}]}}},
    "streams": [{"match": "/public/**", "access": "public", "layout": "object"}],
}


@dataclass
class Sdk:
    """The SDK in a process of its own, whose server is a gate."""

    _process: asyncio.subprocess.Process

    async def _end(self, name: str, *arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(40):
            self._process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
            line = await self._process.stdout.readline()
        assert line, "the SDK has ended the program"
        told: dict[str, Any] = json.loads(line)
        return told

    async def call(self, name: str, *arguments: Any) -> Any:
        """What the SDK gives."""
        told = await self._end(name, *arguments)
        assert "result" in told, told
        return told["result"]

    async def refusal(self, name: str, *arguments: Any) -> tuple[str, int, str | None]:
        """Class, status and code of the error that the SDK throws: one of its own, that names the request."""
        told = await self._end(name, *arguments)
        assert "error" in told, told
        error = told["error"]
        assert error["own"]
        assert error["message"]
        assert error["requestId"]
        return error["name"], error["httpStatus"], error.get("code")


StartSdk = Callable[..., Awaitable[Sdk]]


@pytest_asyncio.fixture
async def start_videosdk(installed: Any) -> AsyncIterator[StartSdk]:
    """Starts the SDK with a gate as its server; with a `token` it calls with that."""
    async with AsyncExitStack() as stack:

        async def start(gate: Any, key: str = KEY, secret: str = SECRET, token: str = "") -> Sdk:
            modules = installed("GATE_NODE_MODULES", "@videosdk.live/server-sdk").parents[1]
            node, script = shutil.which("node"), Path(__file__).with_name("videosdk_calls.js")
            assert node is not None, "there is no node"
            process = await asyncio.create_subprocess_exec(
                *(node, str(script), str(modules), gate.url, key, secret, *([token] if token else [])),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "no_proxy": "*"},
            )
            stack.push_async_callback(_stop, process)
            return Sdk(process)

        yield start


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@pytest_asyncio.fixture
async def gate(start_gate: Any) -> Any:
    return await start_gate("http://127.0.0.1:9", **MEET)


@pytest_asyncio.fixture
async def sdk(gate: Any, start_videosdk: StartSdk) -> Sdk:
    return await start_videosdk(gate)


@pytest.fixture
def join(gate: Any, ask: Any) -> Callable[..., Awaitable[tuple[int, Any]]]:
    """Joins a room with a token, as a participant's program would; status and JSON."""

    async def join(room: str, token: str, **body: Any) -> tuple[int, Any]:
        got = await ask(gate, f"/v2/rooms/{room}/join", "POST", json=body, headers={"Authorization": token})
        return got.status, json.loads(got.body)

    return join


class TestRooms:
    async def test_from_making_to_deactivation(self, sdk: Sdk, join: Any) -> None:
        made = await sdk.call(
            "rooms.create",
            {
                "customRoomId": "course:7",
                "geoFence": "us002",
                "webhook": {"url": "https://a.example/", "events": ["session*"]},
                "autoCloseConfig": {"afterInactiveSeconds": 60},
            },
        )
        room = made["roomId"]
        assert (made["customRoomId"], made["disabled"], made["geoFence"]) == ("course:7", False, "us002")
        assert made["webhook"] == {"endPoint": "https://a.example/", "events": ["session*"]}
        assert made["autoCloseConfig"] == {"type": "session-ends", "duration": 60}
        assert await sdk.call("rooms.create", {"customRoomId": "course:7"}) == made
        for name in (room, made["id"], "course:7"):
            assert await sdk.call("rooms.get", name) == made
            assert await sdk.call("rooms.validate", name) == {"valid": True, "roomId": room, "room": made}
        assert await sdk.call("rooms.validate", "none-such-room") == {
            "valid": False,
            "roomId": "none-such-room",
        }
        assert await sdk.refusal("rooms.get", "none-such-room") == ("RoomNotFoundError", 404, "4003")
        assert await sdk.refusal("rooms.end", "course:7") == ("RoomNotFoundError", 402, "4003")
        ended = await sdk.call("rooms.end", room)
        assert (ended["roomId"], ended["disabled"]) == (room, True)
        status, told = await join(room, await sdk.call("mint", {"participant": "ann"}))
        assert (status, told["code"], told["name"]) == (403, "4052", "MEETING_ID_DISABLED")

    async def test_lists_are_read_to_their_end(self, sdk: Sdk) -> None:
        rooms = [(await sdk.call("rooms.create"))["roomId"] for _ in range(5)]
        listed = await sdk.call("rooms.list", {"perPage": 2})
        assert [room["roomId"] for room in listed] == rooms[::-1]
        (one,) = await sdk.call("rooms.list", {"query": rooms[1]})
        assert one["roomId"] == rooms[1]
        assert await sdk.call("rooms.list", {"query": "none"}) == []


class TestSessions:
    async def test_from_beginning_to_end(self, sdk: Sdk, join: Any) -> None:
        room = (await sdk.call("rooms.create"))["roomId"]
        assert await sdk.call("participants.list", room) == []
        links = {}
        for name in ("ann", "bob", "cat"):
            token = await sdk.call("mint", {"participant": name, "room": room})
            status, told = await join(room, token, name=name.title())
            assert (status, told["status"], told["participantId"]) == (200, "joined", name)
            links[name] = told["sessionId"]
        (session,) = await sdk.call("sessions.list", {"roomId": room, "status": "ongoing"})
        assert {session["id"]} == set(links.values())
        assert (session["status"], session["end"], session["roomId"]) == ("ongoing", None, room)
        assert await sdk.call("sessions.list", {"roomId": room, "status": "ended"}) == []
        for method, place in (
            ("sessions.listParticipants", session["id"]),
            ("sessions.listActiveParticipants", session["id"]),
            ("participants.list", room),
        ):
            people = await sdk.call(method, place, {"perPage": 2})
            assert {(one["participantId"], one["name"]) for one in people} == {
                *(("ann", "Ann"), ("bob", "Bob"), ("cat", "Cat"))
            }
        one = await sdk.call("participants.get", room, "bob")
        assert (one["participantId"], one["timelog"][0]["end"]) == ("bob", None)
        assert await sdk.call("sessions.getParticipant", session["id"], "bob") == one

        assert (await sdk.call("participants.remove", room, "bob"))["message"]
        status, told = await join(room, await sdk.call("mint", {"participant": "bob"}))
        assert (status, told["reason"]) == (403, "removed_from_room")
        left = {"sessionId": session["id"], "participantId": "cat"}
        assert (await sdk.call("sessions.removeParticipant", left))["message"]
        assert await sdk.refusal("sessions.removeParticipant", left) == ("RoomNotFoundError", 404, "4066")
        assert [one["participantId"] for one in await sdk.call("participants.list", room)] == ["ann"]

        ended = await sdk.call("sessions.end", {"roomId": room, "force": True})
        assert (ended["id"], ended["roomId"], ended["status"]) == (session["id"], room, "ended")
        assert ended == await sdk.call("sessions.get", session["id"])
        assert all(one["timelog"][-1]["end"] for one in ended["participants"])
        assert await sdk.refusal("sessions.end", {"roomId": room}) == ("RoomNotFoundError", 404, None)
        again = await sdk.call("sessions.end", {"meetingId": room, "ignoreClosed": True})
        assert again["id"] == session["id"]
        assert await sdk.call("participants.list", room) == []
        assert [one["id"] for one in await sdk.call("sessions.list", {"roomId": room})] == [session["id"]]
        began_ms = round(1000 * _seconds(session["start"]))
        for span, found in (
            ({"startDate": began_ms}, 1),
            ({"startDate": began_ms - 5, "endDate": began_ms + 5}, 1),
            ({"endDate": began_ms - 5}, 0),
            ({"startDate": began_ms + 5}, 0),
        ):
            assert len(await sdk.call("sessions.list", {"roomId": room, **span})) == found


class TestRefusals:
    async def test_tokens_that_do_not_permit_it(self, gate: Any, sdk: Sdk, start_videosdk: StartSdk) -> None:
        room = (await sdk.call("rooms.create"))["roomId"]
        guest = await start_videosdk(gate, token=await sdk.call("mint", {"participant": "ann"}))
        assert await guest.refusal("rooms.list") == ("PermissionError", 403, "4024")
        assert await guest.refusal("participants.remove", room, "bob") == ("PermissionError", 403, "4024")
        scoped = await start_videosdk(gate, token=await sdk.call("mint", {"room": "another", "api": True}))
        assert await scoped.refusal("rooms.get", room) == ("PermissionError", 403, "4022")
        sloppy = await sdk.call("sign", {"permissions": ["allow_join"]})
        plain = await start_videosdk(gate, token=sloppy)
        assert (await plain.call("rooms.get", room))["roomId"] == room
        assert await plain.refusal("rooms.end", room) == ("PermissionError", 403, "4025")

    async def test_tokens_that_are_none(self, gate: Any, start_videosdk: StartSdk) -> None:
        wrong = await start_videosdk(gate, secret="another secret of the dashboard's")
        assert await wrong.refusal("rooms.list") == ("AuthenticationError", 401, "4002")
        unknown = await start_videosdk(gate, key="no-such-key")
        assert await unknown.refusal("rooms.list") == ("AuthenticationError", 401, "4001")
        none = await start_videosdk(gate, token="not-a-token")
        assert await none.refusal("rooms.create") == ("AuthenticationError", 401, "4002")

    async def test_what_cannot_be_read(self, sdk: Sdk) -> None:
        assert await sdk.refusal("rooms.create", {"customRoomId": "a" * 200}) == ("ValidationError", 400, None)
        assert await sdk.refusal("rooms.list", {"perPage": 1000}) == ("ValidationError", 400, None)
        assert await sdk.refusal("sessions.getStats", "s1") == ("RoomNotFoundError", 404, None)


@pytest.mark.parametrize("version", [{}, {"version": 2}, {"version": 2, "roles": ["rtc"]}])
async def test_a_token_as_the_guides_make_it_joins(sdk: Sdk, join: Any, version: dict[str, Any]) -> None:
    room = (await sdk.call("rooms.create"))["roomId"]
    host = await sdk.call("sign", {"permissions": ["allow_join", "allow_mod"], **version})
    status, told = await join(room, host, name="Ann")
    assert (status, told["status"], told["roomId"]) == (200, "joined", room)
    guest = await sdk.call("sign", {"permissions": ["ask_join"], **version})
    status, told = await join(room, guest, name="Bob")
    assert (status, told["status"]) == (202, "waiting_for_admission")
    both = await sdk.call("sign", {"permissions": ["ask_join", "allow_join"], **version})
    status, told = await join(room, both)
    assert (told["code"], told["name"]) == ("4008", "INVALID_PERMISSIONS")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
