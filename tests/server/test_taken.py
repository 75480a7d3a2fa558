"""Connections that another protocol takes over, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
import uvloop
from aiohttp import web

from gate.server.connection import Connection
from gate.server.listener import Handler, Listener, ListenerLimits
from gate.server.taken import HandedOver, Taken

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
QUICK = ListenerLimits(header_timeout_s=0.1, keepalive_s=0.1, body_stall_s=0.1, send_stall_s=0.1, connections=1)


async def until(met: Callable[[], bool]) -> None:
    """It comes to be, soon."""
    since = time.monotonic()
    while not met():
        assert time.monotonic() - since < 10, "it did not come to be"
        await asyncio.sleep(0.01)


class Echo(Taken):
    """Says back what it hears."""

    def data_received(self, data: bytes) -> None:
        self.wire.write(data)


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    connection = request.protocol
    assert isinstance(connection, Connection)
    taker = Echo()
    rest = connection.hand_over(taker)
    taker.wire.write(b"taken;" + rest)
    raise HandedOver


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a script with a listener on one of the loops: `run(script, handler)`."""

    def run(script: Callable[[Listener], object], handler: Handler = echo) -> None:
        async def main() -> None:
            listener = Listener(handler, QUICK, upgrades=lambda method, target: method == "GET")
            await listener.start(("127.0.0.1", 0))
            try:
                async with asyncio.timeout(20):
                    await script(listener)  # type: ignore[misc]
            finally:
                await listener.stop()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main())

    return run


def test_it_is_the_takers_from_then_on(run: Callable[..., None]) -> None:
    async def script(listener: Listener) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        assert await reader.readexactly(6) == b"taken;"
        await asyncio.sleep(0.5)  # no time-out of a request's is for it
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert listener.connections == 1
        writer.close()
        await until(lambda: not listener.connections)

    run(script)


def test_what_came_behind_an_upgrade_is_handed_over_too(run: Callable[..., None]) -> None:
    async def script(listener: Listener) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(UPGRADE + b"x" * 300_000)
        assert await reader.readexactly(300_006) == b"taken;" + b"x" * 300_000
        writer.close()

    run(script)


def test_it_counts_as_a_connection(run: Callable[..., None]) -> None:
    async def script(listener: Listener) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        await reader.readexactly(6)
        other, another = await asyncio.open_connection("127.0.0.1", listener.port)
        assert b"too_many_connections" in await other.read()
        another.close()
        writer.close()

    run(script)


def test_it_is_dismissed_when_the_listener_drains(run: Callable[..., None]) -> None:
    async def script(listener: Listener) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        await reader.readexactly(6)
        since = time.monotonic()
        await listener.drain(10)
        assert time.monotonic() - since < 5
        assert await reader.read() == b""
        writer.close()

    run(script)


def test_one_that_does_not_go_is_cut(run: Callable[..., None]) -> None:
    class Stubborn(Echo):
        def dismiss(self) -> None:
            self.wire.write(b"no;")

    async def stubborn(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.hand_over(Stubborn())
        raise HandedOver

    async def script(listener: Listener) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        await asyncio.sleep(0.1)
        await listener.drain(0.2)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    run(script, stubborn)


def test_a_client_that_has_left_is_handed_to_nobody(run: Callable[..., None]) -> None:
    said: list[str] = []

    async def late(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            try:
                connection.hand_over(Echo())
            except ConnectionResetError as error:
                said.append(str(error))
            raise
        raise HandedOver

    async def script(listener: Listener) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(GET)
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await until(lambda: bool(said))

    run(script, late)
    assert said == ["the client has left"]
