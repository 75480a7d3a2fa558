"""A session counts with the first byte of its media: what left none is given back, what left one is used."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

FULL = {"live": True, "dvr": True, "copy": True}
PATH = "/ch1/mpegts"


class Delayed:
    """An origin that sends its head, and its body when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.gone = asyncio.Event()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        await response.prepare(request)
        self.asked.set()
        try:
            while not self.goes_on.is_set():
                await asyncio.sleep(0.02)
                if request.transport is None:
                    raise ConnectionResetError
            await response.write(b"media")
        finally:
            self.gone.set()
        return response


async def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "nothing came of it"
        await asyncio.sleep(0.01)


async def ask_and_read_head(gate: Any, link: str, agent: str) -> tuple[Any, Any]:
    reader, wire = await asyncio.open_connection("127.0.0.1", gate.port)
    wire.write(f"GET {link} HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\n\r\n".encode())
    return reader, wire


@pytest.fixture
async def delayed(start_origin: Any) -> tuple[str, Delayed]:
    origin = Delayed()
    return (await start_origin(origin.serve))[0], origin


async def test_who_leaves_before_the_first_byte_has_used_nothing(
    start_gate: Any, delayed: Any, ask: Any, open_link: Any
) -> None:
    url, origin = delayed
    gates = [await start_gate(url) for _ in range(2)]
    ledgers = [gate.node.gatekeeper._ledger for gate in gates]
    token = gates[0].token(single_use=True, nonce="n", max_concurrent=1, sub="anna", **FULL)
    link = await open_link(gates[0], PATH, token, headers={"User-Agent": "first"})
    reader, wire = await ask_and_read_head(gates[0], link, "first")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert b" 200 " in head
    # It has been counted, with the head of its answer: nobody else opens or plays.
    assert (await ask(gates[1], f"{PATH}?token={token}", headers={"User-Agent": "x"})).reason == "session_limit"
    wire.close()
    await asyncio.wait_for(origin.gone.wait(), 10)
    await until(lambda: not any(ledger._calls for ledger in ledgers))
    assert len(gates[0].node.gatekeeper._playbacks) == 0
    # It was not used: another browser opens and plays it, on the other gate.
    origin.goes_on.set()
    link = await open_link(gates[1], PATH, token, headers={"User-Agent": "second"})
    assert (await ask(gates[1], link, headers={"User-Agent": "second"})).body == b"media"
    got = await ask(gates[0], f"{PATH}?token={token}", headers={"User-Agent": "third"})
    assert got.reason == "session_limit"


async def test_who_leaves_after_the_first_byte_has_used_it(
    start_gate: Any, delayed: Any, ask: Any, open_link: Any
) -> None:
    url, origin = delayed
    origin.goes_on.set()
    gate = await start_gate(url)
    token = gate.token(single_use=True, nonce="n", **FULL)
    link = await open_link(gate, PATH, token, headers={"User-Agent": "first"})
    reader, wire = await ask_and_read_head(gate, link, "first")
    await asyncio.wait_for(reader.readuntil(b"media"), 10)
    wire.close()
    await until(lambda: not gate.node.gatekeeper._ledger._calls)
    got = await ask(gate, f"{PATH}?token={token}", headers={"User-Agent": "second"})
    assert got.reason == "session_limit"
    # Its own link goes on.
    assert (await ask(gate, link, headers={"User-Agent": "first"})).status == 200


async def test_what_another_request_of_the_playback_got_is_not_given_back(
    start_gate: Any, start_origin: Any, delayed: Any, ask: Any, open_link: Any
) -> None:
    delay = delayed[1]

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.endswith("mpegts"):
            return await delay.serve(request)  # type: ignore[no-any-return]
        return web.Response(body=b"media")

    gate = await start_gate((await start_origin(serve))[0])
    token = gate.token(single_use=True, nonce="n", **FULL)
    link = await open_link(gate, PATH, token, headers={"User-Agent": "first"})
    reader, wire = await ask_and_read_head(gate, link, "first")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    segment = link.replace("mpegts", "hls/segment1.ts")
    assert (await ask(gate, segment, headers={"User-Agent": "first"})).body == b"media"
    wire.close()
    await asyncio.wait_for(delay.gone.wait(), 10)
    await until(lambda: not gate.node.gatekeeper._ledger._calls)
    got = await ask(gate, f"{PATH}?token={token}", headers={"User-Agent": "second"})
    assert got.reason == "session_limit"


@pytest.mark.parametrize("body", [b"", None])
async def test_an_origin_that_sends_nothing_uses_nothing(
    start_gate: Any, start_raw_origin: Any, ask: Any, open_link: Any, body: bytes | None
) -> None:
    good = False

    async def script(head: bytes, reader: Any, wire: Any) -> None:
        # Nothing at all, or the promise of something and the end.
        length = 5 if good or body is None else 0
        wire.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode())
        if good:
            wire.write(b"media")

    gate = await start_gate(await start_raw_origin(script))
    token = gate.token(single_use=True, nonce="n", **FULL)
    link = await open_link(gate, PATH, token, headers={"User-Agent": "first"})
    reader, wire = await ask_and_read_head(gate, link, "first")
    with contextlib.suppress(ConnectionError):
        assert b" 200 " in await asyncio.wait_for(reader.read(65536), 10)
    wire.close()
    good = True
    for _ in range(200):
        if (await ask(gate, f"{PATH}?token={token}", headers={"User-Agent": "second"})).status == 302:
            break
        await asyncio.sleep(0.05)
    link = await open_link(gate, PATH, token, headers={"User-Agent": "second"})
    assert (await ask(gate, link, headers={"User-Agent": "second"})).body == b"media"


async def test_whoever_leaves_at_any_moment_counts_are_right(
    start_gate: Any, start_origin: Any, ask: Any, open_link: Any
) -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(0.01)
        await response.write(b"media")
        return response

    gate = await start_gate((await start_origin(serve))[0])
    used = []

    async def leave(at: int) -> None:
        token = gate.token(single_use=True, nonce=f"n{at}", **FULL)
        link = await open_link(gate, PATH, token, headers={"User-Agent": "first"})
        reader, wire = await ask_and_read_head(gate, link, "first")
        got = b""
        with contextlib.suppress(TimeoutError):
            # The last one stays for what it came for, however long that takes.
            async with asyncio.timeout(at / 1000 if at < 39 else 20):
                while not (at == 39 and b"media" in got) and (piece := await reader.read(65536)):
                    got += piece
        wire.close()
        used.append((token, b"media" in got))

    for at in range(0, 40, 4):
        await asyncio.gather(*(leave(at + more) for more in range(4)))
    await until(lambda: len(gate.node.gatekeeper._responses) == 0)
    await until(lambda: not gate.node.gatekeeper._ledger._calls)
    for token, played in used:
        got = await ask(gate, f"{PATH}?token={token}", headers={"User-Agent": "second"})
        if played:
            assert got.reason == "session_limit"
        elif got.status == 302:
            assert (await ask(gate, got.headers["Location"], headers={"User-Agent": "second"})).status == 200
        else:
            # The byte had left, and the viewer was gone before it came.
            assert got.reason == "session_limit"
    assert {played for _, played in used} == {True, False}
