"""Uploads stream: what a slow origin does not take, the gate does not hold."""

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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_long_upload_to_a_slow_origin(
    spawn_gate: Any, start_origin: Any, ask: Any, chunked: bool
) -> None:
    got = 0

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal got
        got = 0
        async for chunk in request.content.iter_any():
            got += len(chunk)
            if got % (20 * MIB) < len(chunk):
                await asyncio.sleep(0.1)
        return web.Response(status=201)

    gate = await spawn_gate((await start_origin(serve))[0], SECRET)
    key = Key("k1", Algorithm.HS256, SECRET.encode())
    token = jwt.sign({"grants": {"create": {"all": True}}, "exp": 4_000_000_000}, key)
    most = 0

    async def body(size: int) -> Any:
        nonlocal most
        for _ in range(size // (MIB // 4)):
            yield bytes(MIB // 4)
            most = max(most, gate.resident_bytes)

    async def upload(size: int) -> int:
        nonlocal most
        most = 0
        headers = {"Authorization": f"Bearer {token}"}
        if not chunked:
            headers["Content-Length"] = str(size)
        answer = await ask(gate, "/ch1/video", "PUT", data=body(size), headers=headers)
        assert (answer.status, got) == (201, size)
        return most

    before = await upload(10 * MIB)
    assert await upload(200 * MIB) - before < MOST_GROWTH
