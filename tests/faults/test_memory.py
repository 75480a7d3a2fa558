"""Bodies stream: what a slow reader does not take, the gate does not hold."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from aiohttp import web

from gate.core.keys import Algorithm, Key
from gate.formats import jwt

SECRET = "a secret of more than thirty-two bytes"
MIB = 2**20
MOST_GROWTH = 20 * MIB
BYTES = bytes(MIB // 4)
LINES = (b"#" + b"x" * 1022 + b"\n") * 256


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
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
    key = Key("k1", Algorithm.HS256, SECRET.encode())
    token = jwt.sign({"grants": {"read": {"all": True}}, "live": True, "exp": 4_000_000_000}, key)
    link = await open_link(gate, f"/ch1/{name}", token)

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
