"""Bodies stream: what a slow reader does not take, the gate does not hold; and who is idle costs little."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from contextlib import ExitStack
from typing import Any

import pytest
from aiohttp import web

from gate.core.keys import Algorithm, Key
from gate.formats import jwt

SECRET = "a secret of more than thirty-two bytes"
MIB = 2**20
MOST_GROWTH = 20 * MIB
BYTES = bytes(MIB // 4)
KEY = Key("k1", Algorithm.HS256, SECRET.encode())
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
LINES = (b"#" + b"x" * 1022 + b"\n") * 256


def a_token(**claims: Any) -> str:
    grants = {action: {"all": True} for action in ("read", "create")}
    return jwt.sign(
        {"grants": grants, "live": True, "dvr": True, "copy": True, "exp": 4_000_000_000, **claims}, KEY
    )


@linux
@pytest.mark.parametrize(("name", "piece", "size_mib"), [("mpegts", BYTES, 200), ("index.m3u8", LINES, 60)])
async def test_a_long_download_by_a_slow_reader(
    spawn_gate: Any, start_origin: Any, open_link: Any, name: str, piece: bytes, size_mib: int
) -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if name == "index.m3u8":
            await response.write(b"#EXTM3U\n")
        for _ in range(size_mib * 4):
            await response.write(piece)
        return response

    gate = await spawn_gate((await start_origin(serve))[0], SECRET)
    link = await open_link(gate, f"/ch1/{name}", a_token())

    async def download(until: int, pause_s: float) -> int:
        """Takes `until` bytes with a pause after every tenth of it; gives the most memory seen, in bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(f"GET {link} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        most, got, tenths = 0, 0, 0
        while got < until and (taken := await reader.read(MIB)):
            got += len(taken)
            if got * 10 // until > tenths:
                tenths = got * 10 // until
                await asyncio.sleep(pause_s)
            most = max(most, gate.resident_bytes)
        writer.close()
        assert got >= until
        return int(most)

    before = await download(10 * MIB, 0)
    assert await download(size_mib * MIB, 0.1) - before < MOST_GROWTH


@linux
async def test_a_thousand_idle_viewers(spawn_gate: Any, media: Any) -> None:
    gate = await spawn_gate(media[0], SECRET)
    kept: list[asyncio.StreamWriter] = []
    at_once = asyncio.Semaphore(50)

    async def ask(reader: Any, writer: Any, name: str, target: str) -> str:
        """The answer's Location, or nothing."""
        writer.write(f"GET {target} HTTP/1.1\r\nHost: h\r\nUser-Agent: {name}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().partition(": ")[::2] for line in head.split("\r\n")[1:])
        await reader.readexactly(int(fields["content-length"]))
        if head.split()[1] == "503":
            await asyncio.sleep(0.2)
            return await ask(reader, writer, name, target)
        assert head.split()[1] in ("200", "302"), head
        return head.partition("Location: ")[2].partition("\r\n")[0]

    async def view(at: int) -> None:
        async with at_once:
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            kept.append(writer)
            name, token = f"viewer {at}", a_token(jti=f"{at}", sub=f"{at}", session_limit=1, max_concurrent=1)
            link = await ask(reader, writer, name, f"/ch1/index.m3u8?token={token}")
            await ask(reader, writer, name, link.replace("index.m3u8", "hls/segment1.ts"))

    try:
        await asyncio.gather(*(view(at) for at in range(1000)))
        resident = gate.resident_bytes
        print(f"1,000 idle viewers: {resident / MIB:.0f} MiB")
        assert resident < 100 * 10**6
        assert len(kept) == 1000
    finally:
        for writer in kept:
            writer.close()


@linux
@pytest.mark.parametrize(
    "size", [pytest.param(2**30, id="1 GiB"), pytest.param(2**32, id="4 GiB", marks=pytest.mark.bench)]
)
@pytest.mark.parametrize("way", ["down", "up"])
async def test_a_large_body(
    spawn_gate: Any, start_raw_origin: Any, open_link: Any, way: str, size: int
) -> None:
    piece, taken = bytes(MIB), 0

    async def script(head: bytes, reader: Any, writer: Any) -> None:
        nonlocal taken
        if way == "up":
            while taken < size:
                taken += len(await reader.read(MIB))
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // MIB):
            writer.write(piece)
            await writer.drain()

    streams = [{"match": "/files/{resource}", "layout": "object"}, {"match": "/{resource}/**"}]
    gate = await spawn_gate(await start_raw_origin(script), SECRET, streams=streams)
    link = await open_link(gate, "/files/large", a_token())
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    since, before, most, got = time.monotonic(), gate.resident_bytes, 0, 0
    if way == "up":
        writer.write(f"PUT {link} HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // MIB):
            writer.write(piece)
            await writer.drain()
            most = max(most, gate.resident_bytes)
        assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")
        got = taken
    else:
        writer.write(f"GET {link} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        while chunk := await reader.read(MIB):
            got += len(chunk)
            most = max(most, gate.resident_bytes)
    writer.close()
    assert got == size
    print(
        f"{way}: grew by {(most - before) / MIB:.1f} MiB, {size / MIB / (time.monotonic() - since):.0f} MiB/s"
    )
    assert most - before < MOST_GROWTH


@linux
async def test_two_hundred_who_take_nothing(spawn_gate: Any, start_raw_origin: Any, open_link: Any) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n")
        while True:
            writer.write(BYTES)
            await writer.drain()

    gate = await spawn_gate(await start_raw_origin(script), SECRET)
    link = await open_link(gate, "/ch1/mpegts", a_token())
    loop, before = asyncio.get_running_loop(), gate.resident_bytes
    with ExitStack() as stalled:
        for _ in range(200):
            one = stalled.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setblocking(False)
            await loop.sock_connect(one, ("127.0.0.1", gate.port))
            await loop.sock_sendall(one, f"GET {link} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        # Until nothing flows any more.
        last, still = 0, 0
        while still < 10:
            await asyncio.sleep(0.1)
            still = still + 1 if gate.resident_bytes == last else 0
            last = gate.resident_bytes
        print(f"200 stalled readers: {(last - before) / 200 / MIB:.2f} MiB each")
        assert last - before < 200 * 10**6
