"""Connections that are no longer HTTP's: a protocol of their own has taken them over from the listener.

A connection that waits for events for hours costs ten times as much while aiohttp's parser, request, response
and two tasks stay with it. So whoever answers such a request takes the transport itself, and all of that goes.
The listener still counts the connection, and ends it when it shuts down; its time-outs are not for it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress


class HandedOver(ConnectionAbortedError):
    """The request's connection is another protocol's: there is nothing more to answer."""


class Taken(asyncio.Protocol):
    """What takes a connection over. Use `gate.server.connection.Connection.hand_over`."""

    __slots__ = ("_among", "wire")

    wire: asyncio.Transport

    def take(self, wire: asyncio.Transport, among: set[Taken]) -> None:
        """The connection is this one's, and counts as one until it is lost."""
        self.wire, self._among = wire, among
        among.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._among.discard(self)

    def dismiss(self) -> None:
        """The listener shuts down. The client is told so where there is a way to; the connection closes."""
        self.wire.close()

    def cut(self) -> None:
        """The connection is over now, unsent bytes and all."""
        cut(self.wire)


def cut(transport: asyncio.WriteTransport) -> None:
    """The connection is over *now*: what was not yet sent never leaves, and the peer gets a reset.

    `close()` waits for a stalled reader for ever, and `abort()` alone still delivers what the kernel holds,
    which is megabytes; with SO_LINGER at zero the kernel drops it (socket(7), tcp_close).
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):  # its descriptor may be closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
