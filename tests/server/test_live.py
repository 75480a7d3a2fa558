"""Those who listen to a room, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from gate.core.reasons import Reason
from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room, RoomRules, TrackKind
from gate.core.room_steps import SERVER, Event, Step, close, disable_track, enable_track, leave, remove, respond
from gate.server import live as live_module
from gate.server import live_streams
from gate.store.embedded import EmbeddedValkey

ROOM = "abcd-efgh-ijkl"
ALLOW, ASK, MOD = Permission.ALLOW_JOIN, Permission.ASK_JOIN, Permission.ALLOW_MOD
EVENTS, SOCKET = f"/v2/rooms/{ROOM}/events", f"/v2/rooms/{ROOM}/socket"


def shout(room: Room, now_ms: int, number: int) -> Step:
    """A step of which much is told."""
    if number % 2:
        step = enable_track(room, SERVER, "host", TrackKind.MIC, RoomRules(consent=False), now_ms)
    else:
        step = disable_track(room, SERVER, "host", TrackKind.MIC, now_ms)
    return replace(step, events=(*step.events, Event("chat", {"text": "x" * 500_000})))


def admit(name: str, decision: bool = True) -> Any:
    return lambda room, now_ms: respond(room, "host", name, decision, DEFAULT_ROOM_RULES, now_ms)


async def until(met: Callable[[], object]) -> None:
    """It comes to be, soon."""
    since = time.monotonic()
    while not met():
        assert time.monotonic() - since < 10, "it did not come to be"
        await asyncio.sleep(0.01)


class TestEvents:
    async def test_the_first_event_is_the_room_as_it_is(self, hall: Any, hear: Any) -> None:
        link = await hall.join("host")
        await hall.join("second", ALLOW, MOD)
        await hall.join("guest", ASK)
        await hall.do(lambda room, now_ms: disable_track(room, SERVER, "host", TrackKind.MIC, now_ms))
        await hall.do(
            lambda room, now_ms: enable_track(room, "second", "host", TrackKind.MIC, DEFAULT_ROOM_RULES, now_ms)
        )
        events = await hear(hall, link, headers={"Origin": "https://page.example"})
        response = events.response
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-Request-Id"])
        assert await events.next() == (
            "roomState",
            {
                "participantId": "host",
                "status": "joined",
                "sessionId": hall.room.meeting,
                "waiting": [{"id": "guest", "name": "guest's name"}],
                "requests": [{"kind": "mic", "peerId": "second"}],
                "participants": [
                    {"id": "host", "displayName": "host's name", "mic": "disabled", "webcam": "enabled"},
                    {"id": "second", "displayName": "second's name", "mic": "enabled", "webcam": "enabled"},
                ],
            },
        )

    async def test_a_reconnect_is_told_to_take_two_seconds(self, hall: Any, ask_bytes: Any) -> None:
        link = await hall.join("host")
        got = await ask_bytes(hall, f"GET {link}{EVENTS} HTTP/1.1\r\nHost: h\r\n\r\n", b"\n\n")
        assert b"\r\n\r\nretry: 2000\nevent: roomState\ndata: {" in got
        assert b"\r\nConnection: close\r\n" in got
        assert b"\r\nTransfer-Encoding" not in got

    async def test_who_comes_and_goes_is_told_to_the_others(self, hall: Any, hear: Any) -> None:
        events = await hear(hall, await hall.join("host"))
        await events.next()
        link = await hall.join("second")
        name, data = await events.next()
        assert (name, data["id"], data["displayName"]) == ("newPeer", "second", "second's name")
        session = hall.session(link)
        await hall.do(lambda room, now_ms: leave(room, "second", session, now_ms))
        assert await events.next() == ("peerClosed", {"peerId": "second", "reason": "left"})

    async def test_a_guest_hears_of_their_own_answer_and_then_goes_on(self, hall: Any, hear: Any) -> None:
        await hall.join("host")
        guest = await hear(hall, await hall.join("guest", ASK))
        waits = {"participantId": "guest", "status": "waiting", "sessionId": "", "participants": []}
        assert await guest.next() == ("roomState", waits)
        await hall.join("another")  # of which the guest hears nothing
        await hall.do(admit("guest"))
        assert await guest.next() == ("entryResponded", {"id": "guest", "decision": "allowed"})
        name, state = await guest.next()
        assert (name, state["status"], state["sessionId"]) == ("roomState", "joined", hall.room.meeting)
        assert [person["id"] for person in state["participants"]] == ["host", "another", "guest"]
        await hall.join("third")
        assert (await guest.next())[0] == "newPeer"

    async def test_a_token_that_names_its_participant_will_do(self, hall: Any, hear: Any) -> None:
        await hall.join("host")
        events = await hear(hall, token=hall.token("host"))
        assert (await events.next())[1]["participantId"] == "host"

    @pytest.mark.parametrize("parameter", ["token", "secret"])
    async def test_a_token_may_be_in_the_query(self, hall: Any, http: ClientSession, parameter: str) -> None:
        await hall.join("host")
        async with http.get(f"{hall.url}{EVENTS}?{parameter}={hall.token('host')}") as response:
            assert response.status == 200

    async def test_who_joins_again_elsewhere_ends_the_earlier_one(self, hall: Any, hear: Any) -> None:
        await hall.join("second")
        events = await hear(hall, await hall.join("host"))
        await events.next()
        await asyncio.sleep(0.002)  # a session id's time is in milliseconds
        await hall.join("host")
        told = {
            "code": 4005,
            "name": "DUPLICATE_PARTICIPANT",
            "reason": "duplicate_participant",
            "message": "the participant has joined again elsewhere",
        }
        assert await events.next() == ("error", told)
        assert await events.next() is None
        await until(lambda: not hall.listener.connections)
        assert (hall.listening, hall.seats) == (0, 0)

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            (partial(remove, actor=SERVER, name="host"), "removed_from_room"),
            (partial(close, actor=SERVER), "room_closed"),
            (partial(close, actor=SERVER, disable=True), "room_disabled"),
        ],
    )
    async def test_who_is_put_out_hears_no_more(self, hall: Any, hear: Any, command: Any, reason: str) -> None:
        await hall.join("second")
        events = await hear(hall, await hall.join("host"))
        await events.next()
        await hall.do(lambda room, now_ms: command(room, now_ms=now_ms))
        while (event := await events.next()) is not None:
            name, data = event
        assert (name, data["reason"]) == ("error", reason)

    async def test_a_client_that_leaves_is_forgotten(self, hall: Any, hear: Any) -> None:
        events = await hear(hall, await hall.join("host"))
        await events.next()
        assert (hall.listener.connections, hall.listening, hall.seats) == (1, 1, 1)
        events.response.close()
        await until(lambda: not hall.listener.connections)
        assert (hall.listening, hall.seats) == (0, 0)


class TestRefusals:
    async def expect(
        self, http: ClientSession, url: str, reason: Reason, method: str = "GET", **more: Any
    ) -> Any:
        async with http.request(method, url, **more) as response:
            body = await response.read()
            assert response.headers["Gate-Reason"] == reason.value, body
            assert response.status == reason.rule.status
            return (json.loads(body) if body else {}), response.headers

    async def test_nobody_listens_without_a_token(self, hall: Any, http: ClientSession) -> None:
        told, _ = await self.expect(http, hall.url + EVENTS, Reason.TOKEN_MISSING)
        assert (told["title"], told["code"]) == ("A token is needed.", "4002")

    async def test_nobody_listens_who_is_not_in(self, hall: Any, http: ClientSession) -> None:
        fields = {"Authorization": hall.token("host")}
        await self.expect(http, hall.url + EVENTS, Reason.NOT_JOINED, headers=fields)
        nobody = {"Authorization": hall.token(None)}
        await self.expect(http, hall.url + EVENTS, Reason.NOT_JOINED, headers=nobody)

    async def test_a_guest_who_was_told_no_hears_no_more(self, hall: Any, http: ClientSession) -> None:
        await hall.join("host")
        link = await hall.join("guest", ASK)
        await hall.do(admit("guest", False))
        await self.expect(http, hall.url + link + EVENTS, Reason.ENTRY_DENIED)

    async def test_an_unknown_room(self, hall: Any, http: ClientSession) -> None:
        fields = {"Authorization": hall.token("host")}
        told, _ = await self.expect(
            http, f"{hall.url}/v2/rooms/none/events", Reason.ROOM_UNKNOWN, headers=fields
        )
        assert told["code"] == "4003"

    async def test_a_token_of_another_room_or_use(self, hall: Any, http: ClientSession) -> None:
        await hall.join("host")
        other = {"Authorization": hall.token("host", roomId="other")}
        await self.expect(http, hall.url + EVENTS, Reason.ROOM_NOT_GRANTED, headers=other)
        server = {"Authorization": hall.token("host", roles=["crawler"])}
        await self.expect(http, hall.url + EVENTS, Reason.ROLE_NOT_GRANTED, headers=server)

    @pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
    @pytest.mark.parametrize("path", [EVENTS, SOCKET])
    async def test_only_get_is_served(self, hall: Any, http: ClientSession, method: str, path: str) -> None:
        url = hall.url + await hall.join("host") + path
        _, fields = await self.expect(http, url, Reason.METHOD_NOT_ALLOWED, method)
        assert fields["Allow"] == "GET"

    async def test_a_body_is_refused(self, hall: Any, http: ClientSession) -> None:
        url = hall.url + await hall.join("host") + EVENTS
        await self.expect(http, url, Reason.BODY_NOT_ALLOWED, data=b"x")

    async def test_a_socket_needs_its_handshake(self, hall: Any, http: ClientSession) -> None:
        url = hall.url + await hall.join("host") + SOCKET
        told, _ = await self.expect(http, url, Reason.MALFORMED_REQUEST)
        assert "WebSocket" in told["detail"]

    async def test_elsewhere_nothing_is_upgraded(self, hall: Any, ask_bytes: Any) -> None:
        link = await hall.join("host")
        for path in (f"{link}{EVENTS}", "/v2/rooms/x/y/socket", "/cam1/index.m3u8"):
            request = f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            assert b"upgrade_not_supported" in await ask_bytes(hall, request)

    async def test_a_participant_has_so_many_streams(self, hall: Any, hear: Any, http: ClientSession) -> None:
        link, other = await hall.join("host"), await hall.join("second")
        streams = [await hear(hall, link) for _ in range(live_module.MOST_STREAMS - 1)]
        socket = await http.ws_connect(hall.url + link + SOCKET)
        for path in (EVENTS, SOCKET):
            token = {"Authorization": hall.token("host")}
            upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
            fields = {**token, **(upgrade if path == SOCKET else {}), "Sec-WebSocket-Key": "x" * 22 + "=="}
            _, headers = await self.expect(http, hall.url + path, Reason.OVERLOADED, headers=fields)
            assert headers["Retry-After"] == "2"
        await hear(hall, other)
        assert hall.listening == live_module.MOST_STREAMS + 1
        await socket.close()
        streams[0].response.close()
        await until(lambda: hall.listening == live_module.MOST_STREAMS - 1)
        again = [await hear(hall, link) for _ in range(2)]
        assert (await again[-1].next())[0] == "roomState"
        await self.expect(http, hall.url + link + EVENTS, Reason.OVERLOADED)

    async def test_while_the_store_is_silent_it_says_so(
        self, start_hall: Any, http: ClientSession, tmp_path: Path
    ) -> None:
        async with EmbeddedValkey(tmp_path / "own") as own:
            hall, other = [await start_hall(store=own.url) for _ in range(2)]
            # The other one has never seen the room.
            url = other.url + await hall.join("host") + EVENTS
            await own.stop()
            await self.expect(http, url, Reason.STORE_UNAVAILABLE)

    async def test_where_no_application_has_rooms_the_paths_are_media(
        self, start_gate: Any, http: ClientSession
    ) -> None:
        gate = await start_gate("http://127.0.0.1:9")
        await self.expect(http, gate.url + EVENTS, Reason.TOKEN_MISSING)
        async with http.get(gate.url + EVENTS) as response:
            assert "code" not in await response.json()


class TestEndings:
    async def test_what_is_revoked_ends_at_once(self, hall: Any, hear: Any) -> None:
        link = await hall.join("host")
        kept, ended = await hear(hall, await hall.join("second")), await hear(hall, link)
        await kept.next(), await ended.next()
        await hall.revoke(link)
        name, data = await ended.next()
        assert (name, data["code"], data["reason"]) == ("error", 4002, "revoked")
        assert await ended.next() is None
        assert hall.listening == 1

    async def test_what_is_revoked_does_not_begin(self, hall: Any, http: ClientSession) -> None:
        link = await hall.join("host")
        await hall.revoke(link)
        async with http.get(hall.url + link + EVENTS) as response:
            assert response.headers["Gate-Reason"] == "revoked"

    async def test_it_ends_with_its_session(self, start_hall: Any, hear: Any) -> None:
        hall = await start_hall({"max_usage": "1s"})
        events = await hear(hall, await hall.join("host"))
        await events.next()
        name, data = await events.next()
        assert (name, data["reason"]) == ("error", "session_expired")

    async def test_a_renewed_session_goes_on(self, start_hall: Any, hear: Any, http: ClientSession) -> None:
        hall = await start_hall({"max_usage": "2s"})
        link = await hall.join("host")
        events = await hear(hall, link)
        await events.next()
        await asyncio.sleep(1)
        fields = {"Authorization": f"Bearer {hall.token('host')}"}
        async with http.post(f"{hall.url}{link}/renew", headers=fields) as response:
            assert response.status == 200, await response.text()
        await asyncio.sleep(1.5)
        again = await hear(hall, link)  # though the link says that it has ended
        assert (await again.next())[0] == "roomState"
        async with http.get(f"{hall.url}{link}/v2/rooms/{ROOM}/participants") as response:
            assert response.status == 200, await response.text()
        await hall.join("second")
        assert (await events.next())[0] == "newPeer"

    async def test_who_takes_nothing_is_cut(self, hall: Any, access_log: Any) -> None:
        link = await hall.join("host")
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, ("127.0.0.1", hall.listener.port))
            await loop.sock_sendall(slow, f"GET {link}{EVENTS} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            await until(lambda: hall.listening)
            for number in range(30):  # the kernel takes some megabytes first
                await hall.do(partial(shout, number=number))
            await until(lambda: not hall.listener.connections)
        assert access_log()[-1].detail == "cut: the client did not take what it was told"

    async def test_a_large_room_is_no_slow_client(self, start_hall: Any, hear: Any) -> None:
        hall = await start_hall()
        await hall.join("host")
        # Names may be as long as this, and every character of them be escaped in JSON.
        await hall.fill([f"{'é' * 100}{number:04}" for number in range(998)])
        events = await hear(hall, await hall.join("last"), max_line_size=2**22, read_bufsize=2**22)
        _, state = await events.next()
        assert len(state["participants"]) == 1000
        assert len(json.dumps(state)) > 2 * live_streams.MOST_UNSENT

    async def test_a_draining_listener_closes_them_at_once(self, hall: Any, hear: Any) -> None:
        events = await hear(hall, await hall.join("host"))
        await events.next()
        since = time.monotonic()
        await hall.listener.drain(20)
        assert time.monotonic() - since < 5
        assert await events.next() is None
        assert (hall.listening, hall.seats) == (0, 0)

    async def test_they_count_as_connections(self, start_hall: Any, hear: Any, http: ClientSession) -> None:
        hall = await start_hall(limits={"connections": 1})
        events = await hear(hall, await hall.join("host"))
        await events.next()
        async with http.get(hall.url) as response:
            assert response.headers["Gate-Reason"] == "too_many_connections"

    async def test_no_time_out_of_requests_is_for_them(self, start_hall: Any, hear: Any) -> None:
        hall = await start_hall(limits={"header_timeout": "100ms", "keepalive": "200ms", "stall": "100ms"})
        events = await hear(hall, await hall.join("host"))
        await events.next()
        await asyncio.sleep(0.7)
        await hall.join("second")
        assert (await events.next())[0] == "newPeer"

    async def test_proxies_are_kept_awake(self, quick: None, hall: Any, ask_bytes: Any) -> None:
        link = await hall.join("host")
        got = await ask_bytes(hall, f"GET {link}{EVENTS} HTTP/1.1\r\nHost: h\r\n\r\n", b"}\n\n:\n\n:\n\n")
        assert got.endswith(b"}\n\n:\n\n:\n\n")


class TestRecords:
    async def test_a_stream_is_written_down_when_it_ends(
        self, hall: Any, hear: Any, http: ClientSession, access_log: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        link, token = await hall.join("host"), hall.token("host")
        events = await hear(hall, link)
        await events.next()
        async with http.get(f"{hall.url}{EVENTS}?token={token}"):
            pass
        await until(access_log)
        events.response.close()
        await until(lambda: len(access_log()) == 2)
        by_token, by_link = access_log()
        assert by_token.path == f"{EVENTS}?token=[token]"
        assert by_link.path == f"/_s/[ticket]{EVENTS}"
        assert (by_link.status, by_link.decision, by_link.application) == (200, "permit", "rooms")
        assert (by_link.detail, by_link.reason) == ("the client left", None)
        assert by_link.bytes_sent > 100
        assert by_link.session == hall.session(link)
        assert token not in caplog.text
        assert link.rpartition("/")[2] not in caplog.text
        exposed = hall.node.metrics.expose().decode()
        # With the joining.
        assert 'gate_decisions_total{outcome="permit",reason=""} 3.0' in exposed

    async def test_a_refusal_is_counted(self, hall: Any, http: ClientSession) -> None:
        async with http.get(hall.url + EVENTS):
            pass
        exposed = hall.node.metrics.expose().decode()
        assert 'gate_decisions_total{outcome="deny",reason="token_missing"} 1.0' in exposed


class TestSocket:
    async def open(self, hall: Any, http: ClientSession, link: str, **more: Any) -> ClientWebSocketResponse:
        return await http.ws_connect(hall.url + link + SOCKET, protocols=("protoo",), **more)

    async def test_it_begins_with_the_room_and_goes_on_with_events(
        self, hall: Any, http: ClientSession
    ) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        assert socket.protocol == "protoo"
        first = await socket.receive_json(timeout=5)
        assert (first["notification"], first["method"]) == (True, "roomState")
        assert first["data"]["participantId"] == "host"
        await hall.join("second")
        assert (await socket.receive_json(timeout=5))["method"] == "newPeer"
        await socket.close()
        assert socket.close_code == 1000
        await until(lambda: not hall.listener.connections)

    async def test_the_vendors_clients_connect_with_secret(self, hall: Any, http: ClientSession) -> None:
        await hall.join("host")
        socket = await http.ws_connect(f"{hall.url}{SOCKET}?peerId=host&secret={hall.token('host')}")
        assert socket.protocol is None
        assert (await socket.receive_json(timeout=5))["data"]["status"] == "joined"
        await socket.close()

    async def test_a_command_is_done_and_answered(self, hall: Any, http: ClientSession, hear: Any) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        await hall.join("guest", ASK)
        assert (await socket.receive_json(timeout=5))["method"] == "entryRequested"
        asked = {
            "request": True,
            "id": 7,
            "method": "respondEntry",
            "data": {"id": "guest", "decision": "allowed"},
        }
        await socket.send_json(asked)
        got = [await socket.receive_json(timeout=5) for _ in range(3)]
        assert {each.get("method") for each in got} == {"entryResponded", "newPeer", None}
        told = {"id": "guest", "decision": "allowed"}
        assert {"response": True, "id": 7, "ok": True, "data": told} in got
        await socket.send_json(asked)
        answer = await socket.receive_json(timeout=5)
        assert (answer["ok"], answer["errorCode"], answer["reason"]) == (False, 4059, "not_waiting")
        assert answer["errorReason"]
        await socket.close()

    async def test_commands_are_answered_in_their_order(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        for number in range(15):
            await socket.send_json({"request": True, "id": number, "method": "respondEntry", "data": {}})
        assert [(await socket.receive_json(timeout=5))["id"] for _ in range(15)] == list(range(15))
        await socket.close()

    async def test_the_end_has_the_vendors_code(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        await asyncio.sleep(0.002)
        await hall.join("host")
        assert (await socket.receive_json(timeout=5))["data"]["code"] == 4005
        message = await socket.receive(timeout=5)
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4005, "duplicate_participant")
        await until(lambda: not hall.listener.connections)

    async def test_what_the_vendor_has_no_code_for(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        await hall.do(lambda room, now_ms: close(room, SERVER, now_ms))
        while (told := await socket.receive_json(timeout=5))["method"] != "error":
            pass
        assert told["data"]["name"] == "ROOM_CLOSED"
        assert (await socket.receive(timeout=5)).data == 4403

    async def test_a_draining_listener_says_goodbye(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        drained = asyncio.create_task(hall.listener.drain(20))
        assert (await socket.receive(timeout=5)).data == 1001
        await drained

    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            ("{", 1007),
            ('["request"]', 1007),
            ('{"request":true,"id":1,"id":2,"method":"x"}', 1007),
            ('{"request":true,"id":"1","method":"x"}', 1007),
            ('{"request":true,"id":true,"method":"x"}', 1007),
            ('{"request":true,"id":1}', 1007),
            (b"binary", 1003),
            ("x" * 65537, 1009),
        ],
    )
    async def test_what_is_no_request_ends_it(
        self, hall: Any, http: ClientSession, sent: str | bytes, code: int
    ) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        await (socket.send_str(sent) if isinstance(sent, str) else socket.send_bytes(sent))
        message = await socket.receive(timeout=5)
        assert (message.type, message.data) == (WSMsgType.CLOSE, code)

    async def test_the_longest_message_is_read(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        asked = json.dumps({"request": True, "id": 1, "method": "x", "data": []})
        await socket.send_str(asked + " " * (65536 - len(asked)))
        answer = await socket.receive_json(timeout=5)
        assert (answer["id"], answer["reason"]) == (1, "malformed_request")
        await socket.close()

    async def test_notifications_of_the_client_are_ignored(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        await socket.send_json({"notification": True, "method": "x", "data": {}})
        await socket.ping()
        await hall.join("second")
        assert (await socket.receive_json(timeout=5))["method"] == "newPeer"
        await socket.close()

    async def test_too_many_requests_end_it(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        for number in range(60):
            await socket.send_json({"request": True, "id": number, "method": "respondEntry", "data": {}})
        reasons = []
        while (message := await socket.receive(timeout=5)).type is WSMsgType.TEXT:
            reasons.append(json.loads(message.data)["reason"])
        assert reasons[-1] == "too_many_requests"
        assert reasons.count("too_many_requests") == 1
        assert message.data == 1008

    async def test_too_many_pings_end_it(self, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        for _ in range(60):
            await socket.ping()
        assert (await socket.receive(timeout=5)).data == 1008

    async def test_who_answers_no_ping_is_cut(
        self, quick: None, hall: Any, http: ClientSession, access_log: Any
    ) -> None:
        socket = await self.open(hall, http, await hall.join("host"), autoping=False)
        await socket.receive_json(timeout=5)
        assert (await socket.receive(timeout=5)).type is WSMsgType.PING
        assert (await socket.receive(timeout=10)).type in {WSMsgType.CLOSED, WSMsgType.ERROR}
        await until(access_log)
        assert (access_log()[-1].status, access_log()[-1].detail) == (101, "cut: the client answers no ping")

    async def test_who_answers_pings_stays(self, quick: None, hall: Any, http: ClientSession) -> None:
        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        heard = asyncio.create_task(socket.receive())  # which answers pings meanwhile
        await asyncio.sleep(1.5)
        assert not heard.done()
        assert hall.listening == 1
        heard.cancel()
        await socket.close()

    async def test_who_does_not_close_is_cut(
        self, quick: None, hall: Any, ask_bytes: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_module, "FAREWELL_S", 0.2)
        link = await hall.join("host")
        asking = asyncio.create_task(ask_bytes(hall, handshake(link)))
        await until(lambda: hall.listening)
        await hall.revoke(link)
        got = await asking
        assert b"\x0f\xa2revoked" in got  # 4002
        assert not hall.listener.connections

    async def test_what_comes_with_the_handshake_is_read(self, hall: Any, ask_bytes: Any) -> None:
        link = await hall.join("host")
        close_frame = b"\x88\x82\0\0\0\0\x03\xe8"
        got = await ask_bytes(hall, handshake(link).encode() + close_frame)
        assert got.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        # The example of RFC 6455, section 1.3.
        assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in got
        assert got.endswith(b"\x88\x02\x03\xe8")

    async def test_a_command_that_fails_by_a_fault_of_ours_ends_it(
        self, hall: Any, http: ClientSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fail(*arguments: Any) -> None:
            raise RuntimeError("secret"[::-1])

        socket = await self.open(hall, http, await hall.join("host"))
        await socket.receive_json(timeout=5)
        monkeypatch.setattr(live_module, "perform", fail)
        await socket.send_json({"request": True, "id": 1, "method": "respondEntry", "data": {}})
        assert (await socket.receive_json(timeout=5))["data"]["reason"] == "internal"
        assert (await socket.receive(timeout=5)).data == 4503
        assert "RuntimeError" in caplog.text
        assert "terces" not in caplog.text


def handshake(link: str) -> str:
    return (
        f"GET {link}{SOCKET} HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )


def test_the_limits_are_those_that_are_promised() -> None:
    assert live_streams.MOST_UNSENT == 256 * 1024
    assert live_streams.LONGEST_MESSAGE == 64 * 1024


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are looked after all together, and ten times a second."""
    monkeypatch.setattr(live_module, "TURN_S", 0.1)
    monkeypatch.setattr(live_module, "TURNS", 1)


@pytest.fixture
def ask_bytes() -> Any:
    """Sends bytes; gives all that comes back until the connection ends, or until what is awaited."""

    async def ask(hall: Any, request: str | bytes, awaited: bytes | None = None) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", hall.listener.port)
        writer.write(request.encode() if isinstance(request, str) else request)
        got = b""
        try:
            async with asyncio.timeout(10):
                while (awaited is None or not got.endswith(awaited)) and (piece := await reader.read(65536)):
                    got += piece
        except ConnectionError:
            pass
        finally:
            writer.close()
        return got

    return ask
