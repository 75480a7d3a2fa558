"""A thousand viewers on two gates with one store: counts are exact, whoever leaves when, and nothing is left.

Every fifth of them is one of a crowd that shares a token; the others have one of their own. Half leave
somewhere on the way, without a word; they come back, and then they play.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from gate.store.client import Client
from gate.store.keys import ShardKeys

FULL = {"live": True, "dvr": True, "copy": True}
PLAYLIST = "/ch1/index.m3u8"
VIEWERS = 1000
CROWD, PLACES = 20, 5
IDLE_S = 2
SEGMENT = bytes(30_000)


async def serve(request: web.BaseRequest) -> web.StreamResponse:
    if request.path.endswith(".m3u8"):
        return web.Response(body=b"#EXTM3U\n#EXTINF:2,\nhls/segment1.ts\n")
    response = web.StreamResponse(headers={"Content-Length": str(len(SEGMENT))})
    await response.prepare(request)
    await response.write(SEGMENT[:10_000])
    await asyncio.sleep(0.002)
    await response.write(SEGMENT[10_000:])
    return response


class Left(Exception):
    """The viewer has left on purpose."""


@dataclass
class Viewer:
    """One player: a connection to one gate, a token, and later a link."""

    gate: Any
    name: str
    token: str
    chance: random.Random
    link: str | None = None
    media: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    asked_again: int = 0

    async def play(self, *, leaves: bool) -> None:
        """Opens a session and plays two segments, or leaves somewhere on the way. Raises Left."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gate.port)
        try:
            if leaves and self.chance.random() < 0.5:
                async with asyncio.timeout(self.chance.uniform(0, 0.1)):
                    await self._play(reader, writer)
            else:
                leaves_at = self.chance.randrange(9) if leaves else None
                await self._play(reader, writer, leaves_at)
        except TimeoutError:
            raise Left from None
        finally:
            if leaves and self.chance.random() < 0.5:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()

    async def _play(self, reader: Any, writer: Any, leaves_at: int | None = None) -> None:
        if self.link is None:
            status, fields = await self._ask(reader, writer, f"{PLAYLIST}?token={self.token}", leaves_at)
            if status == 302:
                self.link = fields["location"]
        if self.link is None:
            return
        leaves_at = None if leaves_at is None else leaves_at - 3
        for _ in range(2):
            target = self.link.replace("index.m3u8", "hls/segment1.ts")
            status, _ = await self._ask(reader, writer, target, leaves_at, media=True)
            if status != 200:
                return
            leaves_at = None if leaves_at is None else leaves_at - 3

    async def _ask(
        self, reader: Any, writer: Any, target: str, leaves_at: int | None, *, media: bool = False
    ) -> tuple[int, dict[str, str]]:
        """Asks until the answer is another than 503. Leaves before it (0), in its head (1) or body (2)."""
        while True:
            writer.write(f"GET {target} HTTP/1.1\r\nHost: h\r\nUser-Agent: {self.name}\r\n\r\n".encode())
            if leaves_at == 0:
                raise Left
            status = int((await reader.readline()).split()[1])
            if leaves_at == 1:
                raise Left
            fields = {}
            while (line := (await reader.readline()).decode().strip()) != "":
                name, _, value = line.partition(": ")
                fields[name.lower()] = value
            length = int(fields.get("content-length", 0))
            if media and status == 200:
                self.media += len(await reader.readexactly(1))
                length -= 1
            if leaves_at == 2:
                raise Left
            await reader.readexactly(length)
            if status != 503:
                break
            assert fields["retry-after"] == "2"
            self.asked_again += 1
            await asyncio.sleep(0.1)
        if status not in (200, 302):
            self.refused.append((status, fields["gate-reason"]))
        return status, fields


def tasks() -> list[str]:
    """What runs, but for the connections to the origin, which are kept for the next request."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return sorted(name for name in names if name != "RequestHandler.start")


async def until(condition: Callable[[], bool], within_s: float, what: str) -> None:
    ends_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_at, what
        await asyncio.sleep(0.02)


async def test_a_thousand(
    start_gate: Any, start_origin: Any, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    origin = (await start_origin(serve))[0]
    gates = [await start_gate(origin, sessions={"idle": f"{IDLE_S}s"}) for _ in range(2)]
    tasks_before = tasks()
    viewers, crowds = [], []
    for at in range(0, VIEWERS, CROWD):
        if at % (5 * CROWD) == 0:
            shared = gates[0].token("ch1", jti=f"crowd {at}", session_limit=PLACES, **FULL)
            tokens = [shared] * CROWD
        else:
            own = {"session_limit": 1, "max_concurrent": 1}
            names = [f"{at + one}" for one in range(CROWD)]
            tokens = [gates[0].token("ch1", jti=name, sub=name, **own, **FULL) for name in names]
        members = [
            Viewer(gates[one % 2], f"viewer {at + one}", token, random.Random(at + one))
            for one, token in enumerate(tokens)
        ]
        viewers += members
        if len(set(tokens)) == 1:
            crowds.append(members)
    alone = [viewer for viewer in viewers if not any(viewer in crowd for crowd in crowds)]

    left = 0

    async def come(viewer: Viewer, *, leaves: bool) -> None:
        nonlocal left
        try:
            await viewer.play(leaves=leaves)
        except Left:
            left += 1

    at_once = asyncio.Semaphore(100)

    async def come_in_turn(viewer: Viewer, *, leaves: bool) -> None:
        async with at_once:
            await come(viewer, leaves=leaves)

    await asyncio.gather(*(come_in_turn(one, leaves=at % 2 == 1) for at, one in enumerate(viewers)))
    assert left > VIEWERS / 4
    # Whoever left comes back, and nobody who has a token of his own is ever refused.
    back = [one for at, one in enumerate(viewers) if at % 2 == 1]
    await asyncio.gather(*(come_in_turn(one, leaves=False) for one in back))
    assert not [(one.name, one.refused) for one in alone if one.refused]
    assert all(one.media for one in alone)

    client = Client(store_url, timeout_s=5)
    keeper = gates[0].node.gatekeeper

    async def committed(viewer: Viewer) -> set[str]:
        ticket = keeper.tickets.open(viewer.link.split("/")[2])
        members = await client.call("SMEMBERS", ShardKeys(ticket.owner).committed(ticket.token))
        return {member.decode() for member in members}

    for one in alone:
        assert await committed(one) == {session_of(keeper, one)}
    for crowd in crowds:
        members = [one for one in crowd if one.link is not None]
        played = {session_of(keeper, one) for one in members if one.media}
        assert await committed(members[0]) == played
        assert len(played) == PLACES
        for one in crowd:
            assert {*one.refused} <= {(403, "session_limit")}
            assert one.media or one.refused
    await client.close()

    # Nothing is left: no connection at once, no playback when it has been idle.
    for gate in gates:
        keeper = gate.node.gatekeeper
        await until(lambda gate=gate: gate.node.public.connections == 0, 30, "a connection is left")
        await until(lambda keeper=keeper: len(keeper._responses) == 0, 30, "a response is left")
        await until(lambda keeper=keeper: not keeper._ledger._calls, 30, "a store call is left")
        await until(lambda keeper=keeper: not keeper._upstream._reads.connector._acquired, 30, "the origin's")
        await until(lambda keeper=keeper: len(keeper._playbacks) == 0, 30, "a playback is left")
        assert not keeper._playbacks._by_token
    await until(lambda: tasks() == tasks_before, 30, "a task is left")
    loud = [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert not [f"{record.name}: {record.getMessage()}" for record in loud]
    print(f"asked again after 503: {sum(one.asked_again for one in viewers)}; left: {left}")


def session_of(keeper: Any, viewer: Viewer) -> str:
    assert viewer.link is not None
    return str(keeper.tickets.open(viewer.link.split("/")[2]).session)
