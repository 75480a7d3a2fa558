"""A gate with a room, and those who come to it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, ClientSession, StreamReader

from gate.core.keys import Algorithm, Key
from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room
from gate.core.room_steps import Asking, Step, join
from gate.core.session import session_id
from gate.formats import jwt
from gate.rooms.desk import Command, Desk
from gate.server.listener import Listener
from gate.store.client import Client
from gate.store.rooms import Rooms

ROOM = "abcd-efgh-ijkl"
KEY = Key("AK", Algorithm.HS256, b"the secret of the rooms, which is long enough")


@dataclass
class Hall:
    """A room on a gate that runs, and whoever is in it."""

    gate: Any
    http: ClientSession

    @property
    def url(self) -> str:
        return str(self.gate.url)

    @property
    def node(self) -> Any:
        return self.gate.node

    @property
    def listener(self) -> Listener:
        """The public one."""
        found = self.node.public
        assert isinstance(found, Listener)
        return found

    @property
    def desk(self) -> Desk:
        found = self.node.gatekeeper._desk
        assert isinstance(found, Desk)
        return found

    @property
    def room(self) -> Room:
        """The gate's copy of it."""
        room = self.desk.get("rooms", ROOM)
        assert room is not None
        return room

    @property
    def listening(self) -> int:
        """How many listen, as those who watch the gate are told; its desk knows of the same."""
        told = re.search(rb"^gate_room_listeners (\d+)", self.node.metrics.expose(), re.MULTILINE)
        assert told is not None
        return int(told[1])

    @property
    def seats(self) -> int:
        """How many are there because they listen."""
        return len(list(self.desk._listening()))

    def token(self, name: str | None, *permissions: Permission, **claims: Any) -> str:
        """A token that names a participant."""
        now = int(time.time())
        said = {
            "apikey": KEY.kid,
            "permissions": [each.value for each in permissions or [Permission.ALLOW_JOIN]],
            "participantId": name,
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 3600,
            **claims,
        }
        return jwt.sign({name: value for name, value in said.items() if value is not None}, KEY)

    async def join(self, name: str, *permissions: Permission) -> str:
        """The participant comes in, or asks; gives what the session link begins with."""
        # Connections are counted: this one is not kept.
        fields = {"Authorization": self.token(name, *permissions), "Connection": "close"}
        url, body = f"{self.url}/v2/rooms/{ROOM}/join", {"name": f"{name}'s name"}
        async with self.http.post(url, json=body, headers=fields) as response:
            told = await response.json()
            assert response.status in {200, 202}, told
            return str(told["link"])

    async def fill(self, names: list[str]) -> None:
        """Participants are in, by sessions of which nobody has the link."""

        def command(name: str) -> Command:
            session = session_id("owner", round(time.time() * 1000), secrets.token_bytes(8))
            granted = frozenset({Permission.ALLOW_JOIN})
            asking = Asking(name, f"{name}'s name", session, "owner", "t", "client", granted)
            return lambda room, now_ms: join(room, asking, DEFAULT_ROOM_RULES, now_ms)

        await asyncio.gather(*(self.do(command(name)) for name in names))

    async def do(self, command: Command) -> Step:
        step = await self.desk.do("rooms", ROOM, command)
        assert step is not None
        return step

    def session(self, link: str) -> str:
        """The session of a link."""
        return str(self.node.gatekeeper.tickets.open(link.rpartition("/")[2]).session)

    async def revoke(self, link: str) -> None:
        await self.node.control.revoke(f"s:{self.session(link)}", None)


StartHall = Callable[..., Awaitable[Hall]]


@pytest_asyncio.fixture
async def start_hall(start_gate: Any, http: ClientSession) -> StartHall:
    """Opens a room at a gate: `start_hall(application={...}, videosdk={...}, **policy)`; on a store that has
    it already, the same."""

    async def start(
        application: dict[str, Any] | None = None, videosdk: dict[str, Any] | None = None, **policy: Any
    ) -> Hall:
        keys = [{"key": KEY.kid, "secret": KEY.material.decode()}]
        section = {"formats": ["videosdk"], "videosdk": {"keys": keys, **(videosdk or {})}}
        policy["applications"] = {"rooms": {**section, **(application or {})}}
        policy["log"] = {"access": True}
        gate = await start_gate("http://127.0.0.1:9", **policy)
        client = Client(gate.node.config.store, timeout_s=5)
        try:
            await Rooms(client).create(Room("rooms", ROOM, "custom", 0, 0))
        finally:
            await client.close()
        return Hall(gate, http)

    return start


@pytest_asyncio.fixture
async def hall(start_hall: StartHall) -> Hall:
    return await start_hall()


class Events:
    """An event stream, read event by event."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self._content: StreamReader = response.content

    async def next(self) -> tuple[str, Any] | None:
        """Name and data of the next event; None at the stream's end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            while line := (await self._content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if line == "\n" and "event" in fields:
                    return fields["event"], json.loads(fields["data"])
                fields[name] = value
        return None


Hear = Callable[..., Awaitable[Events]]


@pytest_asyncio.fixture
async def hear(http: ClientSession) -> AsyncIterator[Hear]:
    """Opens the event stream below a link, or with a token: `hear(hall, link)`, `hear(hall, token=...)`."""
    async with AsyncExitStack() as stack:

        async def hear(hall: Hall, link: str = "", *, token: str | None = None, **options: Any) -> Events:
            if token is not None:
                options["headers"] = {"Authorization": token}
            url = f"{hall.url}{link}/v2/rooms/{ROOM}/events"
            return Events(await stack.enter_async_context(http.get(url, **options)))

        yield hear


@pytest.fixture
def access_log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Any]]:
    """Gives the entries of the access log so far, of those who listen to rooms."""
    caplog.set_level(logging.INFO, "gate.access")

    def read() -> list[Any]:
        told = [record.msg for record in caplog.records if record.name == "gate.access"]
        return [each for each in told if re.search("/(events|socket)", each.path)]

    return read
