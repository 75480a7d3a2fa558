"""Clients that leave or stall: nothing of theirs stays, at the origin neither, and nobody logs a traceback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import time
from typing import Any

import pytest

from gate.store.client import Client
from gate.store.keys import ShardKeys

FULL = {"live": True, "dvr": True, "copy": True}
pytestmark = pytest.mark.usefixtures("quiet")


async def until(condition: Any, within_s: float = 20.0) -> None:
    ends_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to pass"
        await asyncio.sleep(0.01)


def nothing_is_left(gate: Any) -> bool:
    keeper, connector = gate.node.gatekeeper, gate.node.gatekeeper._upstream._reads.connector
    return (
        len(keeper._responses) == 0
        and gate.node.public.connections == 0
        and not keeper._ledger._calls
        and not connector._acquired
        and not [playing for playing in keeper._playbacks._playing.values() if playing.running]
    )


@pytest.mark.parametrize("leaves", ["closing", "with a reset"])
@pytest.mark.parametrize("stage", ["in its head", "while the origin thinks", "in the body", "at the end of it"])
async def test_leaving(start_gate: Any, start_raw_origin: Any, open_link: Any, leaves: str, stage: str) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def script(head: bytes, reader: Any, writer: Any) -> None:
        asked.set()
        try:
            if stage == "in the body":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not reader.at_eof():
                    writer.write(b"2710\r\n" + bytes(10_000) + b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.005)
            elif stage == "at the end of it":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            else:
                await reader.read()
        finally:
            left.set()

    gate = await start_gate(await start_raw_origin(script))
    link = await open_link(gate, "/ch1/mpegts", gate.token("ch1", session_limit=1, **FULL))
    open_before = gate.node.public.connections
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    head = f"GET {link} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    writer.write(head[:-5] if stage == "in its head" else head)
    if stage in ("in the body", "at the end of it"):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    elif stage == "while the origin thinks":
        await asked.wait()
    else:
        await until(lambda: gate.node.public.connections > open_before)
    if leaves == "with a reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
    if stage != "in its head":
        await asyncio.wait_for(left.wait(), 20)
    keeper = gate.node.gatekeeper
    await until(lambda: gate.node.public.connections == open_before)
    await until(lambda: len(keeper._responses) == 0 and not keeper._upstream._reads.connector._acquired)
    assert not [playing for playing in keeper._playbacks._playing.values() if playing.running]


async def test_leaving_while_the_store_thinks(start_gate: Any, media: Any, own_store: Any, http: Any) -> None:
    gate = await start_gate(media[0], store=own_store.url)
    token = gate.token("ch1", session_limit=1, **FULL)
    os.kill(own_store.pid, signal.SIGSTOP)
    _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(f"GET /ch1/index.m3u8?token={token} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    await until(lambda: gate.node.gatekeeper._ledger._calls)
    writer.close()
    await until(lambda: gate.node.public.connections == 0)
    os.kill(own_store.pid, signal.SIGCONT)
    await until(lambda: nothing_is_left(gate))


async def test_leaving_while_the_store_counts_uses_nothing_up(
    start_gate: Any, media: Any, own_store: Any, open_link: Any, ask: Any
) -> None:
    gate = await start_gate(media[0], store=own_store.url)
    ledger, store = gate.node.gatekeeper._ledger, Client(own_store.url, timeout_s=5)
    token = gate.token("ch1", session_limit=1, **FULL)
    link = await open_link(gate, "/ch1/mpegts", token)
    ticket = gate.node.gatekeeper.tickets.open(link.split("/")[2])
    keys = ShardKeys(ticket.owner)

    async def leave_while_it_counts() -> None:
        os.kill(own_store.pid, signal.SIGSTOP)
        _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(f"GET {link} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await until(lambda: any(task.get_name() == "store commit" for task in ledger._calls))
        writer.transport.abort()
        await until(lambda: gate.node.public.connections <= 1)
        os.kill(own_store.pid, signal.SIGCONT)
        await until(lambda: not ledger._calls)

    await leave_while_it_counts()
    assert await store.call("SCARD", keys.committed(ticket.token)) == 0
    assert await store.call("ZCARD", keys.all_leases) == 0
    assert len(gate.node.gatekeeper._playbacks) == 0
    # So another link of the token may still be the one that plays.
    other = await open_link(gate, "/ch1/mpegts", token, headers={"User-Agent": "another"})
    assert (await ask(gate, other, headers={"User-Agent": "another"})).status == 200
    assert (await ask(gate, link)).reason == "session_limit"
    await store.close()


async def test_a_hundred_who_leave_leave_nothing(
    start_gate: Any, start_raw_origin: Any, open_link: Any
) -> None:
    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(100_000))
        await reader.read()

    gate = await start_gate(await start_raw_origin(script))
    link = await open_link(gate, "/ch1/mpegts", gate.token("ch1", **FULL))
    request = f"GET {link} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()

    async def visit(at: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(request)
        await reader.read(1 if at % 2 else 50_000)
        writer.close()

    await asyncio.gather(*(visit(at) for at in range(100)))
    await until(lambda: gate.node.public.connections <= 1 and len(gate.node.gatekeeper._responses) == 0)
    await until(lambda: not gate.node.gatekeeper._upstream._reads.connector._acquired)


async def test_one_who_takes_nothing_is_cut(start_gate: Any, start_raw_origin: Any, open_link: Any) -> None:
    left = asyncio.Event()

    async def script(head: bytes, reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while not reader.at_eof():
                writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                await writer.drain()
        finally:
            left.set()

    gate = await start_gate(await start_raw_origin(script), limits={"stall": "500ms"})
    link = await open_link(gate, "/ch1/mpegts", gate.token("ch1", **FULL))
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stalled, ("127.0.0.1", gate.port))
        await loop.sock_sendall(stalled, f"GET {link} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        since = time.monotonic()
        await asyncio.wait_for(left.wait(), 20)
        assert time.monotonic() - since > 0.4
        await until(lambda: len(gate.node.gatekeeper._responses) == 0)
        with pytest.raises(ConnectionResetError):
            await drain(stalled)


async def drain(taker: socket.socket) -> None:
    """All that is left has been taken, up to the end."""
    while await asyncio.get_running_loop().sock_recv(taker, 65536):
        pass
