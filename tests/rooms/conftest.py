"""Gates with a desk each on one real Valkey: what one of them does, the others hear of by the feed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from gate.core.reasons import Deny, Reason
from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room, RoomRules
from gate.core.room_steps import Asking, Event, Step, join, leave, respond
from gate.core.session import session_id
from gate.errors import StoreUnavailable
from gate.rooms.desk import Command, Desk, Seat
from gate.store.client import Client
from gate.store.control import Control
from gate.store.rooms import News, Rooms

APP = "demo"


class Store(Client):
    """A client that can lose answers, and holds scripts up."""

    lose = 0
    calls = 0
    open_: asyncio.Event | None = None

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        if self.open_ is not None:
            await self.open_.wait()
        self.calls += name == "write_room"
        answer = await super().script(name, keys, args)
        if self.lose and name == "write_room":
            self.lose -= 1
            raise StoreUnavailable("the answer is lost")
        return answer


class Ear:
    """Somebody who listens: what they are told, and why they are told no more."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.ended: list[Reason] = []
        self.stop: Callable[[], None] = lambda: None

    def tell(self, event: Event) -> None:
        assert not self.ended
        self.told.append(event)

    def end(self, why: Deny) -> None:
        self.ended.append(why.reason)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.told]


class Gate:
    """One gate: its desk, and the feed that it follows."""

    def __init__(self, url: str, idle_s: float = 60.0, rules: RoomRules = DEFAULT_ROOM_RULES) -> None:
        self.client = Store(url, timeout_s=5)
        self.rooms = Rooms(self.client)
        self.changed: list[Room] = []
        self.desk = Desk(self.rooms, idle_s, on_changed=self.changed.append, rules=lambda name: rules)
        self.deaf = False
        self.control = Control(self.client, url, lambda: None, on_room=self._hear, on_missed=self.desk.miss)

    def _hear(self, news: News) -> None:
        if not self.deaf:
            self.desk.hear(news)

    async def start(self) -> None:
        await self.control.start()
        await self.desk.start()

    async def stop(self) -> None:
        await self.desk.stop()
        await self.control.stop()
        await self.client.close()

    async def do(self, command: Command, room: str = "r1") -> Step:
        step = await self.desk.do(APP, room, command)
        assert step is not None
        return step

    def room(self, name: str = "r1") -> Room:
        """The copy, which there must be."""
        room = self.desk.get(APP, name)
        assert room is not None
        return room

    def listen(self, who: Asking, room: str = "r1") -> Ear:
        ear = Ear()
        ear.stop = self.desk.listen(Seat(APP, room, who.id, who.session), ear.tell, ear.end)
        return ear


MakeGate = Callable[..., Awaitable[Gate]]


@pytest_asyncio.fixture
async def make_gate(store_url: str) -> AsyncIterator[MakeGate]:
    async with AsyncExitStack() as stack:

        async def make(url: str = store_url, **options: Any) -> Gate:
            gate = Gate(url, **options)
            await gate.start()
            stack.push_async_callback(gate.stop)
            return gate

        yield make


@pytest_asyncio.fixture
async def gate(make_gate: MakeGate) -> Gate:
    """A gate, and a room r1."""
    gate = await make_gate()
    await gate.rooms.create(Room(APP, "r1", "", 0, 0))
    return gate


@pytest_asyncio.fixture
async def other(make_gate: MakeGate, gate: Gate) -> Gate:
    """Another gate on the same store, which knows r1 too."""
    other = await make_gate()
    await other.desk.find(APP, "r1")
    return other


Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    async def until(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "it did not come to be"
            await asyncio.sleep(0.002)

    return until


class Cast:
    """Who does what."""

    host = frozenset({Permission.ALLOW_JOIN, Permission.ALLOW_MOD})
    guest = frozenset({Permission.ASK_JOIN})

    def asking(self, name: str, /, permissions: frozenset[Permission] = host, **fields: Any) -> Asking:
        """Somebody with a session of theirs, younger than any before."""
        session = session_id(name, round(time.time() * 1000) + 3000, secrets.token_bytes(8))
        return replace(Asking(name, name.title(), session, "owner", "token", name, permissions), **fields)

    @staticmethod
    def come(who: Asking, rules: RoomRules = DEFAULT_ROOM_RULES) -> Command:
        return lambda room, now_ms: join(room, who, rules, now_ms)

    @staticmethod
    def go(who: Asking) -> Command:
        return lambda room, now_ms: leave(room, who.id, who.session, now_ms)

    @staticmethod
    def say(actor: str, name: str, decision: bool) -> Command:
        return lambda room, now_ms: respond(room, actor, name, decision, DEFAULT_ROOM_RULES, now_ms)


@pytest.fixture
def cast() -> Cast:
    return Cast()
