"""Origins that are down, silent, or talk nonsense: a documented answer in bounded time, and nothing counted."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession
from yarl import URL

FULL = {"live": True, "dvr": True, "copy": True}
pytestmark = pytest.mark.usefixtures("quiet")


# Only for origins that are to be given up; all others have as long as any, however busy this machine is.
IMPATIENT = {"connect_timeout": "200ms", "response_timeout": "300ms"}


def origins(url: str, **patience: str) -> dict[str, Any]:
    return {"origins": {"origin": {"url": url, **patience}}}


async def fails(gate: Any, ask: Any, open_link: Any, expected: tuple[int, str]) -> None:
    """Every kind of request fails as expected, in time, readable for a browser, and none uses the token up."""
    token = gate.token("ch1", session_limit=1, **FULL)
    link = await open_link(gate, "/ch1/index.m3u8", token)
    for target in ("/public/x", link, link.replace("index.m3u8", "hls/segment1.ts")):
        since = time.monotonic()
        got = await ask(gate, target, headers={"Origin": "https://p.example"})
        assert time.monotonic() - since < 10
        assert (got.status, got.reason) == expected
        assert got.headers["Content-Type"] == "application/problem+json"
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        assert got.headers["Cache-Control"] == "no-store"
    await open_link(gate, "/ch1/index.m3u8", token, headers={"User-Agent": "another"})


async def test_down(start_gate: Any, ask: Any, open_link: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    gate = await start_gate(url, **origins(url))
    await fails(gate, ask, open_link, (502, "origin_unreachable"))


async def test_black_holed(start_gate: Any, ask: Any, open_link: Any) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        gate = await start_gate(url, **origins(url, **IMPATIENT))
        await fails(gate, ask, open_link, (504, "origin_timeout"))


async def test_silent(start_gate: Any, start_raw_origin: Any, ask: Any, open_link: Any) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        await reader.read()

    url = await start_raw_origin(script)
    gate = await start_gate(url, **origins(url, **IMPATIENT))
    await fails(gate, ask, open_link, (504, "origin_timeout"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "origin_unreachable"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "origin_invalid"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "origin_invalid",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "origin_invalid",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "origin_invalid"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "origin_invalid"),
    ],
)
async def test_nonsense(
    start_gate: Any, start_raw_origin: Any, ask: Any, open_link: Any, answer: bytes, reason: str
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(answer)

    url = await start_raw_origin(script)
    gate = await start_gate(url, **origins(url))
    await fails(gate, ask, open_link, (502, reason))


@pytest.mark.parametrize(
    "field",
    [
        b"X: a\r\n folded",
        b"X: a\x01b",
        b"X: a\x7f",
        b"X : a",
        b"X: \xff\xfe",
        b"Location: http://[::1/\xff",
        b"Date: x",
        b"X(y: a",
        b": a",
        b"\xff: a",
        b"no colon",
    ],
)
async def test_an_odd_field_neither_breaks_nor_splits_the_answer(
    start_gate: Any, start_raw_origin: Any, send_raw: Any, field: bytes
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\n" + field + b"\r\n\r\nok")

    gate = await start_gate(await start_raw_origin(script))
    answer = await send_raw(gate.port, b"GET /public/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 302 ", b"HTTP/1.1 502 "))
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 900000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("then", ["closes", "resets"])
async def test_breaking_off_in_the_middle_breaks_the_transfer(
    start_gate: Any, start_raw_origin: Any, http: ClientSession, open_link: Any, framing: bytes, then: str
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        writer.write((b"" if b"Length" in framing else b"186a0\r\n") + bytes(100_000))
        await writer.drain()
        await asyncio.sleep(0.05)
        if then == "resets":
            writer.transport.abort()

    url = await start_raw_origin(script)
    gate = await start_gate(url, **origins(url))
    link = await open_link(gate, "/ch1/mpegts", gate.token("ch1", **FULL))
    for path in (link, "/public/x"):
        await breaks_off(http, gate.url + path)
    assert len(gate.node.gatekeeper._responses) == 0


async def breaks_off(http: ClientSession, url: str) -> None:
    """The answer begins well, and its body breaks off in bounded time."""
    since = time.monotonic()
    async with http.get(URL(url, encoded=True)) as answer:
        assert answer.status == 200
        with pytest.raises(ClientError):
            await answer.read()
    assert time.monotonic() - since < 15


async def test_stalling_in_the_middle_breaks_the_transfer_and_so_does_nonsense(
    start_gate: Any, start_raw_origin: Any, http: ClientSession, open_link: Any
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        framing = b"Content-Length: 900000" if b"sized" in head else b"Transfer-Encoding: chunked"
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        writer.write((b"" if b"sized" in head else b"186a0\r\n") + bytes(100_000))
        if b"nonsense" in head:
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(b"\r\nnonsense\r\n" + bytes(1000))
        await reader.read()

    url = await start_raw_origin(script)
    # For the head there is the time for a connection, too.
    gate = await start_gate(url, **origins(url, response_timeout="300ms"))
    link = await open_link(gate, "/ch1/mpegts", gate.token("ch1", **FULL))
    ways = ("sized", "chunked", "sized-nonsense", "chunked-nonsense")
    targets = [f"{path}?{way}" for path in (link, "/public/x") for way in ways]
    await asyncio.gather(*(breaks_off(http, gate.url + target) for target in targets))
    assert len(gate.node.gatekeeper._responses) == 0


async def test_a_playlist_that_breaks_off_is_no_shorter_playlist(
    start_gate: Any, start_raw_origin: Any, open_link: Any, ask: Any
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n#EXTM3U\n/ch1/a.ts\n")

    url = await start_raw_origin(script)
    gate = await start_gate(url, **origins(url))
    link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", **FULL))
    got = await ask(gate, link)
    assert (got.status, got.reason) == (502, "origin_unreachable")
