"""The HTTP/1.1 listener: an address, the connections that it takes, and how they end."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import http_parser

from gate.errors import GateError
from gate.server.connection import LINGER_S, Handler, Hub, ListenerLimits, Upgrades
from gate.server.taken import cut

__all__ = ["Handler", "Listener", "ListenerLimits", "cut"]

Address = tuple[str, int] | Path | socket.socket

BACKLOG = 2048  # the kernel cuts it to net.core.somaxconn


class Listener:
    """Serves `handler` on one address. An aiohttp.web.BaseRequest comes in, its `raw_path` as it was sent.

    What the handler raises is answered 503 `internal` and logged here. CancelledError reaches it when its
    client leaves; web.RequestPayloadError is what reading a bad body raises.
    """

    def __init__(
        self,
        handler: Handler,
        limits: ListenerLimits | None = None,
        name: str = "public",
        upgrades: Upgrades = lambda method, target: False,
    ) -> None:
        """`upgrades` tells which requests may ask for WebSocket, which the handler then has to know."""
        self.limits = limits if limits is not None else ListenerLimits()
        self.name = name
        self._handler = handler
        self._upgrades = upgrades
        self._hub: Hub | None = None
        self._server: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._unix: Path | None = None
        self.address: str = ""  # as a person would write it: 127.0.0.1:8080, [::1]:8080, /run/gate.sock
        self.port: int | None = None  # None on a unix socket

    @property
    def connections(self) -> int:
        """How many are open now."""
        return 0 if self._hub is None else len(self._hub.open) + len(self._hub.taken)

    async def start(self, address: Address) -> None:
        """Clients are served at `address`: (host, port) with port 0 for a free one, a unix path, or a socket
        that is bound already (closed by `drain` in this process). Raises GateError."""
        if http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
            raise GateError("aiohttp's C parser is missing; its Python parser takes malformed requests")
        loop = asyncio.get_running_loop()
        hub = Hub(self._handler, self.limits, self.name, self._upgrades)
        try:
            if isinstance(address, socket.socket):
                self._server = await loop.create_server(hub.make_protocol, sock=address, backlog=BACKLOG)
            elif isinstance(address, Path):
                bound = _bind_unix(address)
                self._server = await loop.create_unix_server(hub.make_protocol, sock=bound, backlog=BACKLOG)
                self._unix = address
            else:
                self._server = await loop.create_server(hub.make_protocol, *address, backlog=BACKLOG)
        except OSError as error:
            known = error.errno is not None and error.errno > 0  # name resolution has numbers of its own
            why = os.strerror(error.errno) if known and error.errno is not None else error.strerror or "?"
            where = address if isinstance(address, Path | tuple) else address.getsockname()
            raise GateError(f"cannot listen on {_written(where)}: {why[:1].lower()}{why[1:]}") from None
        self._hub = hub
        name = self._server.sockets[0].getsockname()
        self.address, self.port = _written(name), name[1] if isinstance(name, tuple) else None
        self._look()

    def _look(self) -> None:
        """Looks at every connection, and will again: one timer for all costs a request nothing."""
        if self._hub is None:
            return
        loop, limits = asyncio.get_running_loop(), self.limits
        now = loop.time()
        for connection in tuple(self._hub.open):
            connection.look(now)
        for reject in tuple(self._hub.rejects):
            reject.look(now)
        shortest = min(limits.header_timeout_s, limits.body_stall_s, limits.send_stall_s, 4.0)
        self._sweep = loop.call_later(shortest / 4, self._look)

    async def drain(self, timeout_s: float) -> None:
        """Nothing is open any more. Requests that ran had `timeout_s` to end; then they were cut.

        New connections are refused from the first moment, and every answer says `Connection: close`. Idle
        connections may ask once more while others are busy. What other protocols have taken over has no end of
        its own to wait for, and is told at once.
        """
        hub, server = self._hub, self._server
        if hub is None or server is None:
            return
        self._server = None
        server.close()
        hub.draining = True
        for taken in tuple(hub.taken):
            taken.dismiss()
        deadline = asyncio.get_running_loop().time() + timeout_s
        await _wait_while(lambda: any(connection.busy for connection in hub.open), deadline)
        for connection in tuple(hub.open):
            if connection.idle:
                connection.force_close()
        await _wait_while(lambda: bool(hub.open or hub.taken), deadline)
        tasks = {connection.task for connection in hub.open if connection.task is not None}
        await asyncio.sleep(0)  # those that just closed are gone then
        for connection in tuple(hub.open):
            connection.cut()
        for taken in tuple(hub.taken):
            taken.cut()
        for reject in tuple(hub.rejects):
            reject.look(float("inf"))
        if tasks:
            await asyncio.wait(tasks, timeout=LINGER_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), LINGER_S)
        if self._sweep is not None:
            self._sweep.cancel()
        self._hub = None
        if self._unix is not None:
            self._unix.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Nothing is open any more, and nothing was waited for."""
        await self.drain(0.0)


async def _wait_while(condition: Callable[[], bool], deadline: float) -> None:
    """`condition` no longer holds, or it is past `deadline` (loop time). aiohttp tells nobody of idleness, so
    this looks; first after a moment, in which requests that have arrived are read."""
    now = asyncio.get_running_loop().time
    while now() < deadline:
        await asyncio.sleep(min(0.02, deadline - now()))
        if not condition():
            return


def _bind_unix(path: Path) -> socket.socket:
    """Returns a socket bound to `path`. A dead process's socket makes room there, a living one's does not."""
    with suppress(OSError):
        if stat.S_ISSOCK(path.stat().st_mode):
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(str(path))
    except OSError:
        bound.close()
        raise
    return bound


def _written(address: object) -> str:
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(address)
