"""Rooms over WebSocket, long polls, and what ends those who listen: on another gate than what it is about."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import WSMsgType


async def hear(socket: Any, name: str, **said: Any) -> Any:
    """The next message of this name that says all this; an answer is called by its number."""
    async with asyncio.timeout(2):
        async for message in socket:
            assert message.type is WSMsgType.TEXT, message
            told = message.json()
            data = told.get("data", {})
            if told.get("method") == name and all(data.get(key) == value for key, value in said.items()):
                return data
            if told.get("response") and str(told["id"]) == name:
                return told
    raise AssertionError(f"no {name} {said}")


async def test_a_room_over_websocket(meet: Any) -> None:
    one, two = meet.gates
    host = meet.token("allow_join", "allow_mod", participantId="host")
    assert (await meet.ask_in(one, host)).status == 200
    url = f"{one.url}/v2/rooms/{meet.room}/socket?secret={host}"
    async with meet.http.ws_connect(url, protocols=["protoo"]) as socket:
        assert socket.protocol == "protoo"
        state = await hear(socket, "roomState")
        assert [each["id"] for each in state["participants"]] == ["host"]
        guest = await meet.join(two, "ask_join", participantId="guest")
        assert (await hear(socket, "entryRequested"))["id"] == "guest"
        async with guest.listening() as told:
            ask = {
                "request": True,
                "id": 1,
                "method": "respondEntry",
                "data": {"id": "guest", "decision": "allowed"},
            }
            await socket.send_str(json.dumps(ask))
            assert (await hear(socket, "1"))["ok"] is True
            assert (await told.wait("entryResponded"))["decision"] == "allowed"
            await socket.send_str(json.dumps({**ask, "id": 2}))
            answer = await hear(socket, "2")
            assert (answer["ok"], answer["errorCode"], answer["reason"]) == (False, 4059, "not_waiting")
            mute = {"request": True, "id": 3, "method": "disablePeerMic", "data": {"peerId": "guest"}}
            await socket.send_str(json.dumps(mute))
            assert (await hear(socket, "3"))["ok"] is True
            await told.wait("disableMic", peerId="host")
            await socket.send_str(json.dumps({"request": True, "id": 4, "method": "openTheGates", "data": {}}))
            answer = await hear(socket, "4")
            assert (answer["ok"], answer["reason"]) == (False, "command_unknown")


async def test_the_older_session_hears_4005(meet: Any) -> None:
    one, two = meet.gates
    text = meet.token("allow_join", participantId="anna")
    assert (await meet.ask_in(one, text)).status == 200
    async with meet.http.ws_connect(f"{one.url}/v2/rooms/{meet.room}/socket?token={text}") as socket:
        await hear(socket, "roomState")
        assert (await meet.ask_in(two, text)).status == 200
        error = await hear(socket, "error")
        assert (error["code"], error["name"]) == (4005, "DUPLICATE_PARTICIPANT")
        async with asyncio.timeout(2):
            closing = await socket.receive()
        assert (closing.type, closing.data) == (WSMsgType.CLOSE, 4005)


@pytest.mark.parametrize("decision", ["allowed", "denied"])
async def test_a_join_that_waits_is_answered_when_it_is_decided(meet: Any, decision: str) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", participantId="host")
    async with host.listening() as heard:
        began = time.monotonic()
        asked = asyncio.create_task(meet.ask_in(two, meet.token("ask_join"), "Guest 1", wait_s=30))
        knock = await heard.wait("entryRequested")
        assert knock["name"] == "Guest 1"
        assert (await host.command("respondEntry", id=knock["id"], decision=decision)).status == 200
        got = await asyncio.wait_for(asked, 2)
        assert time.monotonic() - began < 4
    if decision == "allowed":
        assert (got.status, got.json["status"], got.json["participantId"]) == (200, "joined", knock["id"])
    else:
        assert (got.status, got.reason, got.code) == (403, "entry_denied", "4025")


@pytest.mark.timed
async def test_a_join_that_waits_says_so_in_the_end(meet: Any) -> None:
    await meet.join(meet.gates[0], "allow_join", participantId="host")
    got = await meet.ask_in(meet.gates[1], meet.token("ask_join"), wait_s=1)
    assert (got.status, got.json["status"]) == (202, "waiting_for_admission")
    assert int(got.headers["Retry-After"]) > 0


@pytest.mark.parametrize("named", ["jti", "subject"])
async def test_a_revocation_ends_who_listens_within_a_second(meet: Any, named: str) -> None:
    one, two = meet.gates
    anna = await meet.join(two, "allow_join", participantId="anna", jti="the-token")
    async with anna.listening() as told:
        said = {"jti": {"jti": "the-token"}, "subject": {"subject": "anna"}}[named]
        await meet.admin(one, "/revocations", "POST", json={"application": "meet", **said})
        assert (await told.wait("error", 1))["reason"] == "revoked"
        await told.wait_end()
    assert (await anna.read("anna")).reason == "revoked"


async def test_who_is_muted_is_seen_by_everybody(meet: Any) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    guest = await meet.join(two, "allow_join", participantId="guest", name="x")
    await meet.join(two, "ask_join", participantId="knocker")
    async with guest.listening() as told:
        assert (await host.command("muteAll", kind="webcam")).status == 200
        await told.wait("participantMediaStateChanged", peerId="guest", kind="webcam", newState="disabled")
        got = await guest.get(f"/v2/rooms/{meet.room}/participants", one)
    people = {each["participantId"]: each for each in got.json["participants"]}
    assert {name: each["webcam"] for name, each in people.items()} == {"guest": "disabled", "host": "enabled"}
    # Who waits is shown to those who may answer.
    assert [each["id"] for each in got.json["waiting"]] == ["knocker"]
    async with host.listening() as heard:
        state = heard.named("roomState")[0]
        assert {each["id"]: each["webcam"] for each in state["participants"]}["guest"] == "disabled"


HOSTILE: list[tuple[str, str, Any, int]] = [
    ("POST", "/v2/rooms/{room}/join", [], 400),
    ("POST", "/v2/rooms/{room}/join", {"name": 5}, 400),
    ("POST", "/v2/rooms/{room}/join", {"name": "x" * 200}, 400),
    ("POST", "/v2/rooms/{room}/respondEntry", {"id": 5, "decision": "allowed"}, 400),
    ("POST", "/v2/rooms/{room}/respondEntry", {"id": "x", "decision": "maybe"}, 400),
    ("POST", "/v2/rooms/{room}/respondEntry", {}, 400),
    ("POST", "/v2/rooms/{room}/removePeer", {"peerId": None}, 400),
    ("POST", "/v2/rooms/{room}/muteAll", {"kind": "screen"}, 400),
    ("POST", "/v2/rooms/{room}/noSuchCommand", {}, 404),
    ("POST", "/v2/rooms/{room}/join?wait=x", {}, 400),
    ("GET", "/v2/rooms/{room}/join", None, 405),
    ("POST", "/v2/rooms/{room}/events", {}, 405),
    ("POST", "/v2/rooms/a%2Fb/join", {}, 400),
    ("POST", "/v2/rooms/no-such-room/join", {}, 404),
    ("GET", "/v2/rooms/{room}/socket", None, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), HOSTILE)
async def test_bad_input_is_told_so(meet: Any, method: str, path: str, body: Any, status: int) -> None:
    host = await meet.join(meet.gates[0], "allow_join", "allow_mod", participantId="host")
    options = {} if body is None else {"json": body}
    headers = {"Authorization": host.token}
    got = await meet.ask(meet.gates[1], path.format(room=meet.room), method, headers=headers, **options)
    assert got.status == status, got.body
    assert got.reason is not None
    assert host.token not in got.body.decode()


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a":1,"a":2}', b"x" * 70_000, b"[" * 5_000])
async def test_a_body_that_is_no_object(meet: Any, body: bytes) -> None:
    headers = {"Authorization": meet.token("allow_join"), "Content-Type": "application/json"}
    got = await meet.ask(meet.gates[0], f"/v2/rooms/{meet.room}/join", "POST", headers=headers, data=body)
    assert got.status in {400, 413}, got.body
