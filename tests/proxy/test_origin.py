"""Asking an origin, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gate.core.policy import Origin
from gate.errors import OriginError
from gate.proxy.origin import HttpUpstream


@pytest.fixture
async def upstream() -> AsyncIterator[HttpUpstream]:
    upstream = HttpUpstream()
    yield upstream
    await upstream.close()


def origin(url: str, wait_s: float = 10, stall_s: float | None = None) -> Origin:
    """One that has `wait_s` for a connection, and as long again, or `stall_s`, to answer and for each piece."""
    return Origin("o", url, connect_timeout_s=wait_s, response_timeout_s=wait_s if stall_s is None else stall_s)


async def body_of(reply: Any) -> bytes:
    return b"".join([chunk async for chunk in reply.chunks()])


@pytest.mark.parametrize("base", ["", "/base", "/base%20x"])
@pytest.mark.parametrize("target", ["/a/b", "/a?", "/a?x=%2F..&&y=+#"[:-1], "/%C3%A9/(x)'!", '/a?b=[1]|"^`{}'])
async def test_the_target_goes_out_byte_for_byte(
    start_raw_origin: Any, upstream: HttpUpstream, base: str, target: str
) -> None:
    heads: list[bytes] = []

    async def script(head: bytes, reader: Any, writer: Any) -> None:
        heads.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    url = await start_raw_origin(script)
    async with await upstream.ask(origin(url + base), "GET", target, [("X-A", "1"), ("X-A", "2")]) as reply:
        assert await body_of(reply) == b"ok"
    line, *fields = heads[0].removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert line == f"GET {base}{target} HTTP/1.1".encode()
    host = url.removeprefix("http://").encode()
    assert sorted(fields) == sorted([b"Host: " + host, b"X-A: 1", b"X-A: 2"])


async def test_nothing_is_followed_decoded_or_remembered(start_raw_origin: Any, upstream: HttpUpstream) -> None:
    heads: list[bytes] = []

    async def script(head: bytes, reader: Any, writer: Any) -> None:
        heads.append(head)
        writer.write(
            b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\nLocation: /next\r\nSet-Cookie: a=1\r\n"
            b"Content-Encoding: gzip\r\n\r\nok"
        )

    url = await start_raw_origin(script)
    for _ in range(2):
        async with await upstream.ask(origin(url), "GET", "/x", []) as reply:
            assert (reply.status, await body_of(reply)) == (302, b"ok")
            assert (b"Set-Cookie", b"a=1") in reply.fields
    assert [head.partition(b"\r\n")[0] for head in heads] == [b"GET /x HTTP/1.1"] * 2
    assert not [head for head in heads if b"Cookie" in head]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_a_fault(
    start_raw_origin: Any, upstream: HttpUpstream, answer: bytes
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(answer)

    with pytest.raises(OriginError) as caught:
        await upstream.ask(origin(await start_raw_origin(script)), "GET", "/", [])
    assert not caught.value.timed_out
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfXX",
    ],
)
async def test_a_body_that_breaks_off_is_a_fault(
    start_raw_origin: Any, upstream: HttpUpstream, answer: bytes
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        before, mark, rest = answer.partition(b"half")
        writer.write(before + mark)
        await asyncio.sleep(0.05)
        writer.write(rest)

    # Of a wrong frame the library says nothing: it ends as a stall does.
    broken = origin(await start_raw_origin(script), stall_s=0.3)
    async with await upstream.ask(broken, "GET", "/", []) as reply:
        with pytest.raises(OriginError):
            await body_of(reply)


async def test_every_wait_ends(start_raw_origin: Any, upstream: HttpUpstream) -> None:
    async def never(head: bytes, reader: Any, writer: Any) -> None:
        await asyncio.sleep(30)

    async def drips(head: bytes, reader: Any, writer: Any) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    async def hints(head: bytes, reader: Any, writer: Any) -> None:
        for _ in range(600):
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await asyncio.sleep(0.05)

    async def stalls(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await asyncio.sleep(30)

    for script in (never, drips, hints, stalls):
        url, since = await start_raw_origin(script), time.monotonic()
        with pytest.raises(OriginError) as caught:
            async with await upstream.ask(origin(url, 0.2), "GET", "/", []) as reply:
                await body_of(reply)
        assert caught.value.timed_out, script
        assert time.monotonic() - since < 10


async def test_a_connection_that_is_never_taken_ends_too(upstream: HttpUpstream) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with pytest.raises(OriginError) as caught:
            await upstream.ask(origin(f"http://127.0.0.1:{full.getsockname()[1]}", 0.2), "GET", "/", [])
        assert caught.value.timed_out


async def test_nobody_there_is_a_fault(upstream: HttpUpstream) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    for wrong in (url, "http://no-such-host.invalid"):
        with pytest.raises(OriginError):
            await upstream.ask(origin(wrong), "GET", "/", [])


async def test_leaving_early_gives_up_the_connection(start_raw_origin: Any, upstream: HttpUpstream) -> None:
    left = asyncio.Event()

    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await reader.read()
        left.set()

    async with await upstream.ask(origin(await start_raw_origin(script)), "GET", "/", []):
        pass
    await asyncio.wait_for(left.wait(), 20)
