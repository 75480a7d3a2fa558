"""Rooms on a store whose answers are lost: nobody comes in twice, and all gates end with what the store has."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

from gate.core.reasons import Deny
from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room
from gate.core.room_steps import Asking, Happened, join, leave
from gate.core.session import session_id
from gate.errors import StoreUnavailable
from gate.rooms.desk import Command, Desk
from gate.store.client import Client
from gate.store.control import Control
from gate.store.keys import RoomKeys
from gate.store.rooms import Rooms


async def test_each_comes_and_goes_once(start_frail: Any, quiet: None) -> None:
    store = await start_frail()
    desks, endings = [], []
    for _ in range(2):
        client = Client(store.url)
        desk = Desk(Rooms(client), 60.0)
        control = Control(client, store.url, lambda: None, on_room=desk.hear, on_missed=desk.miss)
        await control.start()
        await desk.start()
        desks.append(desk)
        endings += [desk.stop, control.stop, client.close]
    await Rooms(store.client).create(Room("demo", "r1", "", 0, 0))
    store.wire.loses = 15

    async def insist(desk: Desk, command: Command) -> Any:
        """As clients do: what is answered with 503 is asked again."""
        while True:
            try:
                step = await desk.do("demo", "r1", command)
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                assert step is not None
                return step

    async def visit(at: int) -> None:
        session = session_id(f"p{at}", round(time.time() * 1000) + 5000, secrets.token_bytes(8))
        who = Asking(f"p{at}", "P", session, "o", "t", f"c{at}", frozenset({Permission.ALLOW_JOIN}))
        step = await insist(desks[at % 2], lambda room, now: join(room, who, DEFAULT_ROOM_RULES, now))
        assert not isinstance(step.answer, Deny)
        if at % 3:
            # Asked again, one that has happened finds nobody.
            await insist(desks[(at + 1) % 2], lambda room, now: leave(room, who.id, session, now))

    await visit(0)  # who stays: all is one meeting
    for at in range(1, 150, 10):
        await asyncio.gather(*(visit(n) for n in range(at, min(at + 10, 150))))
    assert store.wire.lost > 10
    store.wire.loses = 0
    room, _ = await Rooms(store.client).read("demo", "r1")
    assert room is not None
    assert room.people.keys() == {f"p{n}" for n in range(0, 150, 3)}
    log = await store.client.call("LRANGE", RoomKeys("demo").log(room.meeting), 0, -1)
    for happened, count in ((Happened.JOINED, 150), (Happened.LEFT, 100)):
        assert sum(entry.startswith(f'["{happened.value}"'.encode()) for entry in log) == count
    deadline = time.monotonic() + 20
    while any(desk.get("demo", "r1") != room for desk in desks):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    for end in endings:
        await end()
