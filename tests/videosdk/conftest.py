"""Rooms in front of an origin of tracks: two gates on one store, and participants that come in at either."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from aiohttp import ClientSession, ClientTimeout, web

KEY, SECRET = "f0a1b2c3-key", "5" * 64
HOST = ("allow_join", "allow_mod")
GUEST = ("ask_join",)


def sign(claims: dict[str, Any], secret: str = SECRET, alg: str = "HS256") -> str:
    """A JWT as the vendor's SDK makes it."""

    def part(value: Any) -> str:
        return urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': alg, 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def token(*permissions: str, secret: str = SECRET, **claims: Any) -> str:
    """A token with these permissions; claims of None are left out."""
    now = int(time.time())
    whole = {"apikey": KEY, "permissions": list(permissions), "version": 2, "iat": now, "exp": now + 3600}
    return sign({name: value for name, value in {**whole, **claims}.items() if value is not None}, secret)


def server_token(**claims: Any) -> str:
    return token("allow_join", roles=["crawler"], **claims)


@dataclass
class Got:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str | None:
        value = self.headers.get("Gate-Reason")
        return None if value is None else str(value)

    @property
    def code(self) -> str | None:
        """The vendor's number."""
        return self.json.get("code") if self.body else None


@dataclass
class Person:
    """Somebody who has asked to come in: `link` is what the URLs of their session begin with."""

    meet: Meet
    gate: Any
    token: str
    id: str
    link: str
    answer: Got

    async def command(self, name: str, at: Any = None, /, **data: Any) -> Got:
        """A command as a participant, by its session link."""
        path = f"{self.link}/v2/rooms/{self.meet.room}/{name}"
        return await self.meet.ask(at or self.gate, path, "POST", json=data)

    async def get(self, path: str, at: Any = None, **options: Any) -> Got:
        return await self.meet.ask(at or self.gate, f"{self.link}{path}", **options)

    async def read(self, whose: str, kind: str = "webcam", at: Any = None) -> Got:
        return await self.get(f"/rooms/{self.meet.room}/{whose}/{kind}/index.m3u8", at)

    async def publish(self, whose: str, kind: str = "webcam", at: Any = None) -> Got:
        path = f"/rooms/{self.meet.room}/{whose}/{kind}/one.ts"
        return await self.get(path, at, method="PUT", data=b"media of " + whose.encode())

    @asynccontextmanager
    async def listening(self, at: Any = None) -> AsyncIterator[Listener]:
        """Hears what the participant is told, until the end of the block."""
        url = f"{(at or self.gate).url}{self.link}/v2/rooms/{self.meet.room}/events"
        async with Listener(self.meet.http, url) as listener:
            await listener.wait("roomState")
            yield listener


class Listener:
    """Reads an event stream: every event as (name, data), with the time it came."""

    def __init__(self, http: ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self.events: list[tuple[str, Any]] = []
        self.ended = False
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._answer = await self._stack.enter_async_context(
            self._http.get(self._url, timeout=ClientTimeout(total=None))
        )
        assert self._answer.status == 200, (self._answer.status, await self._answer.text())
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._answer.close()
        await self._stack.aclose()

    async def _read(self) -> None:
        name = ""
        try:
            async for raw in self._answer.content:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line[6:])))
                    self._news.set()
        finally:
            self.ended = True
            self._news.set()

    def named(self, name: str) -> list[Any]:
        return [data for each, data in self.events if each == name]

    async def wait(self, name: str, within_s: float = 2.0, /, **said: Any) -> Any:
        """The first event of this name that says all this; fails if it does not come in time."""
        until = time.monotonic() + within_s
        while True:
            for data in self.named(name):
                if all(data.get(key) == value for key, value in said.items()):
                    return data
            left = until - time.monotonic()
            assert left > 0, f"no {name} {said} among {self.events}"
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                continue

    async def wait_end(self, within_s: float = 2.0) -> None:
        await asyncio.wait([self._task], timeout=within_s)
        assert self._task.done(), self.events


@dataclass
class Tracks:
    """What was published: by path, as an origin of HLS keeps it."""

    kept: dict[str, bytes] = field(default_factory=dict)
    receiving: int = 0
    cut: int = 0

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if request.method in {"PUT", "POST"}:
            self.receiving += 1
            body, whole = bytearray(), False
            try:
                async for piece in request.content.iter_any():
                    body += piece
                whole = True
            finally:
                self.receiving -= 1
                self.cut += not whole
            if path.endswith("/whip"):
                # RFC 9725, section 4.2: the session that was made has a URL of its own.
                path, answer = f"{path}/1", web.Response(status=201, body=b"v=0\r\n")
                answer.headers.update({"Location": path, "Content-Type": "application/sdp"})
            else:
                answer = web.Response(status=201)
            self.kept[path] = bytes(body)
            return answer
        if request.method == "DELETE" and path in self.kept:
            del self.kept[path]
            return web.Response(status=200)
        if path.endswith("/endless.ts"):
            answer = web.StreamResponse()
            await answer.prepare(request)
            while True:
                await answer.write(b"x" * 1024)
                await asyncio.sleep(0.05)
        if path.endswith(".m3u8"):
            return web.Response(
                text="#EXTM3U\n#EXTINF:2,\none.ts\n", content_type="application/vnd.apple.mpegurl"
            )
        if path not in self.kept:
            return web.Response(status=404)
        return web.Response(body=self.kept[path], content_type="video/mp2t")


@dataclass
class Meet:
    """A room on gates of one store."""

    gates: list[Any]
    http: ClientSession
    tracks: Tracks
    room: str = ""
    policy: dict[str, Any] = field(default_factory=dict)
    origin: str = ""

    def token(self, *permissions: str, **claims: Any) -> str:
        return token(*permissions, **claims)

    def server_token(self, **claims: Any) -> str:
        return server_token(**claims)

    async def ask(self, gate: Any, path: str, method: str = "GET", **options: Any) -> Got:
        options.setdefault("allow_redirects", False)
        async with self.http.request(method, f"{gate.url}{path}", **options) as answer:
            return Got(answer.status, answer.headers, await answer.read())

    async def call(
        self, path: str, method: str = "GET", /, *, at: int = 0, auth: str = "", **options: Any
    ) -> Got:
        """A call of the server's."""
        headers = {"Authorization": auth or server_token()}
        return await self.ask(self.gates[at], path, method, headers=headers, **options)

    async def create(self, **said: Any) -> str:
        """The id of a new room."""
        got = await self.call("/v2/rooms", "POST", json=said)
        assert got.status == 200, got.body
        return str(got.json["roomId"])

    async def ask_in(self, gate: Any, text: str, name: str = "", wait_s: int = 0) -> Got:
        path = f"/v2/rooms/{self.room}/join" + (f"?wait={wait_s}" if wait_s else "")
        return await self.ask(
            gate, path, "POST", json={"name": name} if name else {}, headers={"Authorization": text}
        )

    async def join(self, gate: Any, *permissions: str, **said: Any) -> Person:
        """Somebody new who is in, or waits."""
        text = token(*permissions, **said)
        got = await self.ask_in(gate, text, said.get("participantId", ""))
        assert got.status in {200, 202}, (got.status, got.body)
        return Person(self, gate, text, got.json["participantId"], got.json["link"], got)

    async def admin(self, gate: Any, path: str, method: str = "GET", **options: Any) -> Any:
        """What the operators' API answers."""
        if method != "GET":
            options.setdefault("json", {})
        async with self.http.request(method, f"{gate.admin_url}/v1{path}", **options) as answer:
            assert answer.status in {200, 201, 204}, (answer.status, await answer.text())
            return await answer.json() if answer.status != 204 else None

    async def until(self, ask: Callable[[], Awaitable[Got]], reason: str | None, within_s: float = 2.0) -> Got:
        """The first answer that is refused for this reason, or for none; fails if it does not come in time."""
        end = time.monotonic() + within_s
        while (got := await ask()).reason != reason:
            assert time.monotonic() < end, (got.status, got.body)
            await asyncio.sleep(0.05)
        return got

    async def people(self, at: int = 0) -> list[str]:
        """Who is in, as the server is told."""
        got = await self.call(f"/v2/sessions?roomId={self.room}&status=ongoing", at=at)
        assert got.status == 200, got.body
        for session in got.json["data"]:
            active = await self.call(f"/v2/sessions/{session['id']}/participants/active?perPage=100", at=at)
            return sorted(person["participantId"] for person in active.json["data"]["participants"])
        return []


StartMeet = Callable[..., Awaitable[Meet]]


def policy(**videosdk: Any) -> dict[str, Any]:
    """The parts of a policy that rooms need."""
    section = {"keys": [{"key": KEY, "secret": SECRET}], **videosdk}
    return {
        "applications": {"meet": {"formats": ["videosdk"], "videosdk": section}},
        "streams": [{"match": "/rooms/{room}/{participant}/{track}/**", "layout": "room"}],
    }


@pytest.fixture
async def start_meet(start_gate: Any, start_origin: Any, http: ClientSession) -> StartMeet:
    """Starts gates in front of an origin of tracks, with a room; `videosdk` goes into the policy."""

    async def start(gates: int = 2, more: dict[str, Any] | None = None, **videosdk: Any) -> Meet:
        tracks = Tracks()
        url, _ = await start_origin(tracks.serve)
        running = [await start_gate(url, **{**policy(**videosdk), **(more or {})}) for _ in range(gates)]
        meet = Meet(running, http, tracks, policy={**policy(**videosdk), **(more or {})}, origin=url)
        meet.room = await meet.create()
        return meet

    return start


@pytest.fixture
async def meet(start_meet: StartMeet) -> Meet:
    return await start_meet()
