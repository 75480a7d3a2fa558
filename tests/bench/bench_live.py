"""What those who listen to rooms cost: memory of a process that holds 10,000 of them, and how long an event
takes to 1,000 of them in one room. Beside it aiohttp's own responses, in the same run. Asserts nothing.

python -m pytest tests/bench/bench_live.py -m bench -s

The servers run in processes of their own, on the loop that `gate serve` takes; the clients are plain sockets.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import resource
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from aiohttp import WSMsgType, web

from gate.config.compile import load_config
from gate.core.grants import Grants
from gate.core.room import Permission, Room, RoomPass, RoomRules, TrackKind
from gate.core.room_steps import SERVER, Asking, Step, disable_track, enable_track, join
from gate.core.session import session_id
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Rights, Warrant
from gate.core.windows import Windows
from gate.rooms.desk import Command
from gate.server.node import Node

pytestmark = pytest.mark.bench

LISTENERS: Final = 10_000
IN_A_ROOM: Final = 1_000
SECRET: Final = "a secret of more than thirty-two bytes"
KEYS: Final = TicketKeys([hashlib.sha256(b"gate ticket secret" + SECRET.encode()).digest()])
RULES: Final = RoomRules(consent=False)
POLICY: Final = {
    "listen": "127.0.0.1:0",
    "admin": {"listen": "127.0.0.1:0"},
    "origins": {"tracks": {"url": "http://127.0.0.1:9"}},
    "applications": {
        "rooms": {"formats": ["videosdk"], "videosdk": {"keys": [{"key": "key", "secret": SECRET}]}}
    },
    "streams": [{"match": "/rooms/{room}/{participant}/{track}/**", "layout": "room"}],
    # Nobody is gone before they have come.
    "sessions": {"ticket_keys": [SECRET], "idle": "1h"},
    "limits": {"connections": 2 * LISTENERS},
    "log": {"access": True},
}
SESSION: Final = session_id("owner", 1_800_000_000_000, bytes(8))
GRANTED: Final = frozenset({Permission.ALLOW_JOIN})
TOLD: Final = {"peerId": "p9-7", "kind": "mic", "newState": "disabled"}
AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
UPGRADE: Final = (
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
Tell = Callable[[], Awaitable[None]]


async def serve_gate() -> tuple[int, Tell]:
    """A whole gate with a store of its own, and rooms that are full."""
    folder = Path(tempfile.mkdtemp(prefix="gate-bench-"))
    path = folder / "gate.yaml"
    path.write_text(json.dumps(POLICY))
    node = Node(load_config(path, {}))
    await node.start()
    assert node.gatekeeper is not None
    assert node.public is not None
    assert node.public.port is not None
    desk = node.gatekeeper._desk
    for number in range(LISTENERS // IN_A_ROOM):
        await desk._rooms.create(Room("rooms", f"room{number}", "", 1, 1))
        await asyncio.gather(*(desk.do("rooms", f"room{number}", _come(number, at)) for at in range(IN_A_ROOM)))
    _kept.append((node, folder))

    async def tell() -> None:
        room = desk.get("rooms", "room9")
        assert room is not None
        muted = TrackKind.MIC in room.people["p9-7"].disabled
        await desk.do("rooms", "room9", _unmute if muted else _mute)

    return node.public.port, tell


def _come(room: int, at: int) -> Command:
    asking = Asking(f"p{room}-{at}", f"Participant {at}", SESSION, "owner", "t", "client", GRANTED)
    return lambda was, now_ms: join(was, asking, RULES, now_ms)


def _mute(room: Room, now_ms: int) -> Step:
    return disable_track(room, SERVER, "p9-7", TrackKind.MIC, now_ms)


def _unmute(room: Room, now_ms: int) -> Step:
    return enable_track(room, SERVER, "p9-7", TrackKind.MIC, RULES, now_ms)


async def serve_aiohttp() -> tuple[int, Tell]:
    people = [
        {"id": f"p9-{at}", "displayName": f"Participant {at}", "mic": "enabled"} for at in range(IN_A_ROOM)
    ]
    first = json.dumps({"participants": people})
    streams: list[web.StreamResponse] = []
    sockets: list[web.WebSocketResponse] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            one = web.WebSocketResponse(heartbeat=30)
            await one.prepare(request)
            await one.send_str(first)
            sockets.append(one)
            while (await one.receive()).type not in {WSMsgType.CLOSE, WSMsgType.CLOSED}:
                pass
            return one
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"event: roomState\ndata: {first}\n\n".encode())
        streams.append(response)
        await asyncio.get_running_loop().create_future()
        return response

    async def tell() -> None:
        text = json.dumps(TOLD)
        event = f"event: participantMediaStateChanged\ndata: {text}\n\n".encode()
        for response in streams[-IN_A_ROOM:]:
            await response.write(event)
        for one in sockets[-IN_A_ROOM:]:
            await one.send_str(text)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    _kept.append(runner)
    return int(runner.addresses[0][1]), tell


_kept: list[object] = []


async def serve(kind: str) -> None:
    """Serves; at each line of stdin an event is told to the last room, and the CPU time of that is printed."""
    logging.getLogger("gate.access").addHandler(logging.NullHandler())
    logging.getLogger("gate.access").setLevel(logging.INFO)
    port, tell = await (serve_gate() if kind == "gate" else serve_aiohttp())
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        began = time.process_time()
        await tell()
        await asyncio.sleep(0)  # what uvloop has put off is sent then
        print(time.process_time() - began, flush=True)
    for each in _kept:
        if isinstance(each, tuple):
            node, folder = each
            await node.stop()
            shutil.rmtree(folder)


class Server:
    """A server in a process of its own."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, __file__, kind]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    @property
    def resident_kib(self) -> int:
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss"))

    def tell(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def told_s(self) -> float:
        return float(self._read())

    def stop(self) -> None:
        """It ends by itself when nothing more can be asked of it."""
        self._process.communicate(timeout=30)


class Crowd:
    """Clients, each one a socket."""

    def __init__(self, port: int, upgrade: str) -> None:
        self._port, self._upgrade = port, upgrade
        self._selector = selectors.DefaultSelector()
        self.sockets: list[socket.socket] = []

    def come(self, count: int) -> None:
        """So many more listen, each as a participant of its own, and have heard what there is."""
        for number in range(count):
            at = len(self.sockets)
            link = _link(at // IN_A_ROOM % (LISTENERS // IN_A_ROOM), at % IN_A_ROOM)
            kind = "socket" if self._upgrade else "events"
            upgrade = f"Connection: Upgrade\r\n{self._upgrade}" if self._upgrade else ""
            one = socket.create_connection(("127.0.0.1", self._port))
            one.sendall(
                f"GET {link}/{kind} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {AGENT}\r\n"
                "Accept: text/event-stream\r\nOrigin: https://example.org\r\nReferer: https://example.org/\r\n"
                f"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n{upgrade}\r\n".encode()
            )
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ)
            self.sockets.append(one)
            if number % 100 == 99:
                self.hear(0.05)
        self.hear(1.0)

    def hear(self, quiet_s: float) -> None:
        """Everything that comes is read, until nothing has come for so long."""
        while ready := self._selector.select(quiet_s):
            for key, _ in ready:
                one = key.fileobj
                assert isinstance(one, socket.socket)
                one.recv(65536)

    def count(self, awaited: int) -> float:
        """So many hear something; gives when the last of them did."""
        heard: set[int] = set()
        while len(heard) < awaited:
            for key, _ in self._selector.select(10):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                one.recv(65536)
                heard.add(key.fd)
        return time.monotonic()

    def leave(self) -> None:
        for one in self.sockets:
            self._selector.unregister(one)
            one.close()
        self.sockets.clear()


def _link(room: int, at: int) -> str:
    name = f"p{room}-{at}"
    warrant = Warrant(Grants({}), Rights(), Windows(()), None, RoomPass("key", GRANTED, f"room{room}", name))
    ticket = Ticket(
        SESSION,
        "rooms",
        "token id of 22 letters",
        "owner id of 22 letters",
        name,
        1,
        2e9,
        None,
        1,
        None,
        None,
        warrant,
    )
    return f"/_s/{KEYS.seal(ticket, secrets.token_bytes(12))}/v2/rooms/room{room}"


@pytest.fixture
def many_files() -> None:
    """This process and its children may hold as many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = LISTENERS + 1000
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("upgrade", ["", UPGRADE], ids=["events", "socket"])
def test_listeners(upgrade: str, many_files: None) -> None:
    kib: dict[str, float] = {}
    late_ms: dict[str, float] = {}
    for kind in ("aiohttp", "gate"):
        server = Server(kind)
        try:
            crowd = Crowd(server.port, upgrade)
            crowd.come(200)  # what the first ones bring into memory stays for all
            crowd.leave()
            time.sleep(1)
            before = server.resident_kib
            began = time.monotonic()
            crowd.come(LISTENERS)
            came_s = time.monotonic() - began
            kib[kind] = (server.resident_kib - before) / LISTENERS
            late, busy = [], []
            for _ in range(11):
                began = time.monotonic()
                server.tell()
                late.append((crowd.count(IN_A_ROOM) - began) * 1000)
                busy.append(server.told_s() * 1000)
            late_ms[kind] = sorted(late)[5]
            print(
                f"\n{kind}: {kib[kind]:.2f} KiB each of {LISTENERS} that listen (come in {came_s:.1f} s); an "
                f"event is with all {IN_A_ROOM} of a room after {late_ms[kind]:.0f} ms (longest "
                f"{max(late):.0f}), of which {sorted(busy)[5]:.0f} ms are the server's CPU time",
                end="",
            )
            crowd.leave()
        finally:
            server.stop()
    ratios = kib["gate"] / kib["aiohttp"], late_ms["gate"] / late_ms["aiohttp"]
    print(f"\nratio to aiohttp's own responses: memory {ratios[0]:.2f}, time {ratios[1]:.2f}")


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as running:
        running.run(serve(sys.argv[1]))
