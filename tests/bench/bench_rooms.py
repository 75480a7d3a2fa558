"""What a crowd in one room costs: to come in, to be told, and to be put out.

python -m pytest tests/bench/bench_rooms.py -m bench -s

Two desks in this process, one store. Prints how long a thousand take who come in at once, by both; the time
from a command on the one desk until the last of a thousand listeners at the other one is told, and the CPU time
of telling them; and how many commands of one room a second are written where both give as many as they can.
Asserts no times.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from typing import Any

import pytest

from gate.core.reasons import Deny
from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room
from gate.core.room_steps import SERVER, Asking, Event, close, join, leave
from gate.core.session import session_id
from gate.rooms.desk import Command, Desk, Seat
from gate.store.client import Client
from gate.store.control import Control
from gate.store.rooms import Rooms

pytestmark = pytest.mark.bench

CROWD = 1000
RULES = replace(DEFAULT_ROOM_RULES, most_people=CROWD + 10)
HOST = frozenset({Permission.ALLOW_JOIN})


def asking(name: str) -> Asking:
    session = session_id(name, round(time.time() * 1000) + 5000, secrets.token_bytes(8))
    return Asking(name, name, session, "owner", "token", name, HOST)


def come(who: Asking) -> Command:
    return lambda room, now_ms: join(room, who, RULES, now_ms)


def go(who: Asking) -> Command:
    return lambda room, now_ms: leave(room, who.id, who.session, now_ms)


async def everybody(heard: list[Any]) -> None:
    deadline = time.monotonic() + 20
    while len(heard) < CROWD:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.0005)


async def test_a_crowd_in_one_room(store_url: str) -> None:
    desks, running = [], list[Any]()
    for _ in range(2):
        client = Client(store_url, timeout_s=5)
        desk = Desk(Rooms(client), 60.0)
        control = Control(client, store_url, lambda: None, on_room=desk.hear, on_missed=desk.miss)
        await control.start()
        desks.append(desk)
        running += [desk.stop, control.stop, client.close]
    await Rooms(client).create(Room("demo", "r1", "", 0, 0))
    for desk in desks:
        await desk.find("demo", "r1")

    people = [asking(f"p{n}") for n in range(CROWD)]
    began = time.perf_counter()
    await asyncio.gather(*(desks[n % 2].do("demo", "r1", come(who)) for n, who in enumerate(people)))
    print(f"\n{CROWD} come in at once, by two desks: {(time.perf_counter() - began) * 1000:.0f} ms")

    told: list[Event] = []
    over: list[Deny] = []
    for who in people:
        desks[1].listen(Seat("demo", "r1", who.id, who.session), told.append, over.append)
    await asyncio.sleep(0.2)
    began, spent = time.perf_counter(), time.process_time()
    await desks[0].do("demo", "r1", come(asking("late")))
    await everybody(told)
    wall, spent = time.perf_counter() - began, time.process_time() - spent
    print(f"{CROWD} listeners at the other desk are told: {wall * 1000:.1f} ms, {spent * 1000:.1f} ms of CPU")

    began = time.perf_counter()
    await desks[0].do("demo", "r1", lambda room, now_ms: close(room, SERVER, now_ms + 10_000))
    await everybody(over)
    print(f"{CROWD} are put out, and told so: {(time.perf_counter() - began) * 1000:.1f} ms")

    await Rooms(client).create(Room("demo", "r2", "", 0, 0))
    began, count = time.perf_counter(), 0

    async def come_and_go(at: int) -> None:
        nonlocal count
        while time.perf_counter() - began < 2:
            who = asking(f"v{at}")
            await desks[at % 2].do("demo", "r2", come(who))
            await desks[at % 2].do("demo", "r2", go(who))
            count += 2

    await asyncio.gather(*(come_and_go(at) for at in range(20)))
    print(f"commands of one room, 20 callers at two desks: {count / 2:.0f}/s")
    for end in running:
        await end()
