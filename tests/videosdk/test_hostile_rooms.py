"""Rooms under attack: by those who are not in, who are more than their token says, who send what they like."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

# As `conftest` has them; tests are no package.
KEY, SECRET = "f0a1b2c3-key", "5" * 64


def track(meet: Any, whose: str, kind: str = "webcam", name: str = "index.m3u8") -> str:
    return f"/rooms/{meet.room}/{quote(whose)}/{kind}/{name}"


class TestOutside:
    """Who is not in reads and publishes nothing, however they come."""

    async def test_a_page_session_is_no_seat(self, start_meet: Any) -> None:
        application = {
            "formats": ["ziggeo", "videosdk"],
            "ziggeo": {"application_token": "app", "private_key": "p" * 32, "encryption_key": "e" * 32},
            "sources": {"query": ["token"]},
            "videosdk": {"keys": [{"key": KEY, "secret": SECRET}]},
        }
        meet = await start_meet(more={"applications": {"meet": application}})
        one, two = meet.gates
        visit = (await meet.ask(one, "/v1/applications/app/session", "POST")).json["token"]
        host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
        assert (await host.publish("host")).status == 201
        for text in (meet.token("ask_join", participantId="guest"), meet.token("ask_join")):
            beside = f"?token={text}&i07af2jp98rvoctt26y5egy3app={visit}"
            got = await meet.ask(two, track(meet, "host") + beside)
            if got.status == 302:
                got = await meet.ask(two, got.headers["Location"])
            assert got.reason == "waiting_for_admission"
            for method, path in (("GET", track(meet, "host", name="one.ts")), ("PUT", track(meet, "guest"))):
                data = b"x" if method == "PUT" else None
                got = await meet.ask(two, path + beside, method, data=data)
                assert got.status in {403, 503}, (method, got.status)
        assert list(meet.tracks.kept) == [track(meet, "host", name="one.ts")]

    async def test_who_joins_at_once_with_one_token_is_not_one_guest(self, meet: Any) -> None:
        # As a class does behind one address, in browsers of one kind, with a token that names nobody.
        host = await meet.join(meet.gates[0], "allow_join", participantId="host")
        text = meet.token("ask_join")
        answers = await asyncio.gather(*(meet.ask_in(meet.gates[at % 2], text) for at in range(12)))
        assert len({got.json["participantId"] for got in answers}) == 12
        let_in = answers[0].json["participantId"]
        assert (await host.command("respondEntry", id=let_in, decision="allowed")).status == 200
        reads = [
            await meet.ask(meet.gates[0], got.json["link"] + track(meet, "host", "mic")) for got in answers
        ]
        assert [got.status for got in reads] == [200] + [503] * 11


class TestMoreThanTheTokenSays:
    @pytest.mark.parametrize(
        ("command", "data", "lacks"),
        [
            ("disablePeerMic", {"peerId": "bert"}, "allow_mod"),
            ("enablePeerWebcam", {"peerId": "bert"}, "allow_mod"),
            ("muteAll", {"kind": "mic"}, "allow_mod"),
            ("removePeer", {"peerId": "bert"}, "allow_mod"),
            ("closeRoom", {}, "allow_mod"),
            ("respondEntry", {"id": "guest", "decision": "allowed"}, "allow_join"),
        ],
    )
    async def test_a_token_that_says_less_than_the_one_by_which_its_holder_is_in(
        self, meet: Any, command: str, data: dict[str, str], lacks: str
    ) -> None:
        one, two = meet.gates
        await meet.join(one, "allow_join", "allow_mod", participantId="host")
        await meet.join(one, "allow_join", participantId="bert")
        await meet.join(one, "ask_join", participantId="guest")
        # As an encoder has one, or what is left of an earlier visit.
        headers = {"Authorization": meet.token("ask_join", participantId="host")}
        got = await meet.ask(two, f"/v2/rooms/{meet.room}/{command}", "POST", json=data, headers=headers)
        assert (got.status, got.reason) == (403, "command_not_granted"), got.body
        assert lacks in got.json["message"]
        url = f"{two.url}/v2/rooms/{meet.room}/socket?secret={headers['Authorization']}"
        async with meet.http.ws_connect(url) as socket:
            await socket.send_json({"request": True, "id": 1, "method": command, "data": data})
            async with asyncio.timeout(2):
                while not (told := await socket.receive_json()).get("response"):
                    pass
            assert (told["ok"], told["reason"]) == (False, "command_not_granted")
        assert await meet.people() == ["bert", "host"]


class TestKeys:
    @pytest.mark.parametrize("change", ["disabled", "deleted"])
    async def test_a_request_that_lasts_does_not_outlast_its_key(self, start_meet: Any, change: str) -> None:
        meet = await start_meet(key_secrets=["a secret for keys at rest"])
        one, two = meet.gates
        made = await meet.admin(one, "/applications/meet/keys", "POST")
        text = meet.token("allow_join", apikey=made["key"], secret=made["secret"], participantId="anna")
        path = f"/v2/rooms/{meet.room}/participants"

        async def ask() -> Any:
            return await meet.ask(two, path, headers={"Authorization": text})

        await meet.until(ask, "not_joined")
        reader, writer = await asyncio.open_connection("127.0.0.1", two.port)
        lines = [
            f"POST /v2/rooms/{meet.room}/join HTTP/1.1",
            *("Host: gate", f"Authorization: {text}", "Content-Length: 2"),
        ]
        writer.write("\r\n".join([*lines, "", "{"]).encode())
        await asyncio.sleep(0.1)
        if change == "disabled":
            await meet.admin(one, f"/applications/meet/keys/{made['key']}", "PATCH", json={"enabled": False})
            reason = "key_disabled"
        else:
            await meet.admin(one, f"/applications/meet/keys/{made['key']}", "DELETE")
            reason = "unknown_key"
        await meet.until(ask, reason)
        writer.write(b"}")
        async with asyncio.timeout(2):
            assert f"Gate-Reason: {reason}".encode() in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        # Nor is it remembered.
        assert (await ask()).reason == reason
        assert await meet.people() == []


class TestWhatIsSent:
    @pytest.mark.parametrize("letter", ["x", "ж", "漢", "\N{GRINNING FACE}"])
    async def test_the_longest_ids(self, meet: Any, letter: str) -> None:
        one, two = meet.gates
        name = letter * 128
        host = await meet.join(one, "allow_join", "allow_mod", participantId=name, roomId=meet.room)
        assert (await host.get(f"/v2/rooms/{meet.room}/participants", two)).status == 200
        assert (await host.command("muteAll", two, kind="mic")).status == 200
        assert (await host.publish(quote(name), at=two)).status == 201
        async with host.listening(two) as heard:
            assert heard.named("roomState")[0]["participantId"] == name

    async def test_what_a_command_does_not_know_is_not_given_back(self, meet: Any) -> None:
        host = await meet.join(meet.gates[0], "allow_join", "allow_mod", participantId="host")
        for more in (b"1e999", b'{"a":[1]}', b'"allowed"'):
            body = b'{"peerId":"host","decision":' + more + b"}"
            got = await host.get(f"/v2/rooms/{meet.room}/disablePeerMic", method="POST", data=body)
            assert (got.status, got.json) == (200, {"peerId": "host", "mic": "disabled", "webcam": "enabled"})

    async def test_a_flood_of_fragments_holds_nobody_up(self, meet: Any) -> None:
        host = await meet.join(meet.gates[0], "allow_join", participantId="host")
        reader, writer = await asyncio.open_connection("127.0.0.1", host.gate.port)
        lines = [
            f"GET {host.link}/v2/rooms/{meet.room}/socket HTTP/1.1",
            *("Host: gate", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await reader.readuntil(b"roomState")
        begun, more = b"\x01\x80" + bytes(4), b"\x00\x80" + bytes(4)
        writer.write(begun + more * 63)
        async with asyncio.timeout(2):
            await reader.readuntil(b"\x03\xf0a message is at most 64 fragments")  # 1008
        writer.close()
