"""Gates as processes of their own, to be killed and measured; and stores to be killed with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gate.store.embedded import EmbeddedValkey

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


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """In this test nothing is logged as an error, and no traceback."""
    caplog.set_level(logging.DEBUG)
    yield
    loud = [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    assert not [f"{record.name}: {record.getMessage()}" for record in loud]
