"""Gates as processes of their own, to be killed and measured; and stores to be hurt in every way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gate.store.client import Client
from gate.store.embedded import EmbeddedValkey, find_binary

GATE = """
import asyncio, sys
from pathlib import Path
from gate.config.compile import load_config
from gate.server.node import Node

async def main():
    async with Node(load_config(Path(sys.argv[1]), {})) as node:
        print(node.public.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class Spawned:
    """A gate in a process of its own. It has `url` and `port` as a gate in this process has."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def kill(self) -> None:
        """The gate and its children are gone at once."""
        for pid in [self.process.pid, *self.children()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()


Spawn = Callable[..., Awaitable[Spawned]]


@pytest.fixture
async def spawn_gate(tmp_path: Path) -> AsyncIterator[Spawn]:
    """Starts a gate as a process, in front of an origin, with an embedded store that outlives it."""
    running: list[Spawned] = []

    async def spawn(origin_url: str, secret: str, **policy: Any) -> Spawned:
        document = {
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "origins": {"origin": {"url": origin_url}},
            "applications": {"demo": {"keys": [{"kid": "k1", "secret": secret}]}},
            "streams": [
                {"match": "/public/**", "access": "public", "layout": "object"},
                {"match": "/{resource}/**", "layout": "flussonic"},
            ],
            **policy,
        }
        path = tmp_path / "gate.yaml"
        path.write_text(yaml.safe_dump(document))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", GATE, str(path), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        running.append(Spawned(process, int(line)))
        return running[-1]

    yield spawn
    for gate in running:
        if gate.process.returncode is None:
            await gate.kill()


@pytest.fixture
async def own_store(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A store of this test's own, to be stopped and killed."""
    async with EmbeddedValkey(tmp_path / "own") as server:
        yield server
        assert server.pid is not None
        os.kill(server.pid, signal.SIGCONT)


class Frail:
    """A Valkey that is the test's to hurt, behind a wire that is the test's to cut: `url` leads over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.client = Client(f"redis://127.0.0.1:{self.port}", timeout_s=20)
        self.process: asyncio.subprocess.Process | None = None
        self.wire = Wire(self.port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.wire.port}"

    async def start(self, *options: str, loaded: bool = True) -> None:
        """The server runs, with the data that it had; where `loaded`, it answers."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(find_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction", *options),
                stdout=log,
                env={},
            )
        ends_at = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                break
            assert time.monotonic() < ends_at
            await asyncio.sleep(0.01)
        if loaded:
            await self.loaded()

    async def loaded(self) -> None:
        """The server has loaded its data."""
        ends_at = time.monotonic() + 20
        self.client.breaker.succeeded()
        while (await self.client.call("INFO", "persistence"))["loading"]:
            assert time.monotonic() < ends_at
            await asyncio.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class Wire:
    """Leads to a server, as well as it is told to.

    `swallows`: whatever is sent by either side is gone. `loses`: how many of a hundred answers are lost, with
    their connection.
    """

    def __init__(self, to_port: int) -> None:
        self.swallows = False
        self.loses = 0
        self.lost = 0
        self.port = 0
        self._to_port = to_port
        self._random = random.Random(7)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._lead(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other = None
        try:
            if self.swallows:
                await reader.read(1)
                await asyncio.Event().wait()
            other_reader, other = await asyncio.open_connection("127.0.0.1", self._to_port)
            ways = [
                asyncio.ensure_future(self._pass(reader, other, answers=False)),
                asyncio.ensure_future(self._pass(other_reader, writer, answers=True)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            writer.close()
            if other is not None:
                other.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while piece := await reader.read(65536):
            if self.swallows:
                continue
            # A greeting is answered with a map, and the feed with a map of streams: they come through.
            if (
                answers
                and not piece.startswith((b"%", b"+", b"_"))
                and self._random.randrange(100) < self.loses
            ):
                self.lost += 1
                return
            writer.write(piece)
            await writer.drain()


@pytest.fixture
async def start_frail(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Frail]]]:
    """Starts stores of this test's own, to be hurt."""
    started: list[Frail] = []

    async def start() -> Frail:
        store = Frail(tmp_path / f"frail{len(started)}")
        started.append(store)
        await store.wire.start()
        await store.start()
        return store

    yield start
    for store in started:
        await store.client.close()
        await store.wire.stop()
        await store.kill()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """In this test nothing is logged as an error, and no traceback."""
    caplog.set_level(logging.DEBUG)
    yield
    loud = [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert not [f"{record.name}: {record.getMessage()}" for record in loud]
