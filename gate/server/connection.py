"""One client's HTTP/1.1 connection: every wait has a time-out, every size a limit.

It stands on aiohttp's low-level server, whose RequestHandler is one connection, and closes what that leaves
open. Five faults of aiohttp 3.14 are mended here, each with a test that fails without its mending:

- A request head has no time-out there. A sweep, a few times a second at most, ends what has waited too long.
- Trailers of a chunked request come out as headers of the *next* request on its connection: a client could
  so write headers that a front proxy filters. A connection ends unless its last chunked body is seen to
  have ended without any.
- A chunk that is junk in a packet of its own leaves the handler waiting for its body for ever.
- An absolute target whose host is bad IDNA kills the connection's task and leaves the socket open.
- An answer without a length to HTTP/1.0 with `Connection: keep-alive` has no end that its client could see.

Answers of the listener itself are written as bytes, past aiohttp's responses, and always end the connection:
half-closed first, so that the client can read them even while it still sends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, RawRequestMessage
from aiohttp.streams import StreamReader
from yarl import URL

from gate.server.notices import (
    BODY_TOO_LARGE,
    HEADERS_TOO_LARGE,
    INTERNAL,
    MALFORMED,
    OVERLOADED,
    TOO_SLOW,
    Notice,
    answer_bytes,
    notice_of,
    object_to,
    origins_of,
)
from gate.server.taken import HandedOver, Taken, cut

LOG = logging.getLogger("gate.listener")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
# Whether the handler takes a request of this method and target to another protocol.
Upgrades = Callable[[str, str], bool]

LINGER_S = 1.0  # how long a client may take to read its refusal
LINGERING_REJECTS = 256  # connections beyond the limit that may wait so long at once
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_NOWHERE = URL("/")
_UPLOADS = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH})


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """What one client may cost. Sizes are bytes, times are seconds."""

    request_line: int = 16384  # the target, long tokens included
    header_field: int = 16384  # a header's name, and its value
    headers: int = 100
    head: int = 65536  # all of a head that comes in pieces; one read (256 KiB) may hold more
    header_timeout_s: float = 10.0  # from the connection, or a request's first byte, to the end of its head
    keepalive_s: float = 75.0  # idle between two requests
    body_stall_s: float = 60.0  # without a byte of a body that is still to come
    send_stall_s: float = 300.0  # without taking a byte of an answer
    connections: int = 10_000


class BodyStalled(web.RequestPayloadError):
    """The client stopped sending a body. Raised where the handler reads it."""


class Connection(web.RequestHandler):
    """One client's connection. It reads some private state of aiohttp's; the tests show that it may."""

    __slots__ = (
        *("_answered_at", "_body", "_handed", "_head_bytes", "_head_since", "_heard_at", "_hub", "_last_bytes"),
        *("_poisoned", "_stalled_at", "_trailers", "_unsent", "_uploads", "_wire", "distrusted"),
    )

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        limits = hub.limits
        # Spelt out here, because aiohttp's own factory drops every limit where one keyword is misspelt.
        super().__init__(
            hub,
            loop=loop,
            keepalive_timeout=limits.keepalive_s,
            tcp_keepalive=True,
            logger=LOG,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's way to switch it off, typed too narrowly
            max_line_size=limits.request_line,
            # One error stands for both lines and names the limit: that is how they are told apart.
            max_field_size=limits.header_field + (limits.header_field == limits.request_line),
            max_headers=limits.headers,
            auto_decompress=False,
        )
        now = loop.time()
        self.distrusted = False  # the request at hand may hold headers that are an earlier one's trailers
        self._hub = hub
        self._wire: asyncio.Transport | None = None  # stays when aiohttp drops self.transport at closing
        self._head_since: float | None = now  # when the head that is awaited began
        self._head_bytes = 0
        self._heard_at = now
        self._body: StreamReader | None = None  # of the newest request
        self._uploads = False  # that request is to change something
        self._trailers = False  # that body is chunked, and was not seen to end without trailers
        self._poisoned: RawRequestMessage | None = None  # the first request behind such a body
        self._last_bytes = b""
        self._stalled_at: float | None = None  # since when the client has taken no byte
        self._unsent = 0
        self._answered_at: float | None = None  # when the listener said its last word
        self._handed = False  # the connection is another protocol's

    @property
    def idle(self) -> bool:
        """No request is being answered and none is queued."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def busy(self) -> bool:
        """A request is being answered, or its answer is on its way."""
        return not self.idle and self._answered_at is None

    @property
    def closing(self) -> bool:
        """The request at hand is the last."""
        return self._close

    @property
    def ends_doubtfully(self) -> bool:
        """The newest body is complete, and may have had trailers."""
        return self._trailers and self._body is not None and self._body.is_eof()

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task_handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = self.transport
        self._hub.open.add(self)
        if self._task_handler is not None:
            self._task_handler.add_done_callback(self._task_ended)

    # aiohttp's own always gives None, and so is typed too narrowly.
    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more: it has left, and what is being done for it ends.

        An upload goes on that has come whole. Encoders, ffmpeg first among them, close the connection behind
        the last byte of a segment and wait for no answer.
        """
        super().eof_received()
        if not self._uploads or self.idle or self._body is None or not self._body.is_eof():
            return False
        self.close()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self._hub.open.discard(self)
        super().connection_lost(exc)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """Leaves no open socket behind a connection's task that failed."""
        if not task.cancelled() and (error := task.exception()) is not None:
            LOG.error("%s: a connection failed: %s", self._hub.name, origins_of(error))
            self.force_close()
        if self._handed:
            super().connection_lost(None)  # as nobody else will say: the transport has another protocol

    def data_received(self, data: bytes) -> None:
        if self._force_close or self._close:
            return
        queued = len(self._messages)
        in_body = self._body is not None and not self._body.is_eof()
        self._heard_at = self._loop.time()
        self._last_bytes = (self._last_bytes + data[-len(_LAST_CHUNK) :])[-len(_LAST_CHUNK) :]
        try:
            super().data_received(data)
        except Exception as error:  # whatever a parser may raise: asyncio would log it with the bytes in it
            LOG.error("%s: the parser failed: %s", self._hub.name, origins_of(error))
            self._reject(MALFORMED)
            return
        fresh = tuple(islice(self._messages, queued, None))
        for message, body in fresh:
            self._note_request(message, body)
        if fresh:
            self._head_since, self._head_bytes = None, 0
        elif data and not in_body:
            self._head_since = self._heard_at if self._head_since is None else self._head_since
            self._head_bytes += len(data)
            if self._head_bytes > self._hub.limits.head:
                self._reject(HEADERS_TOO_LARGE)
        # While reading is paused, what was received last may belong to requests that are not yet parsed.
        if self.ends_doubtfully and not self._buffer_paused and not self._reading_paused:
            self._trailers = self._last_bytes != _LAST_CHUNK

    def _note_request(self, message: object, body: StreamReader) -> None:
        if not isinstance(message, RawRequestMessage):
            self._fail_body(web.RequestPayloadError("the body is malformed"))
        elif self._trailers and self._poisoned is None:
            self._poisoned = message
        else:
            self._body, self._trailers = body, bool(message.chunked)
            self._uploads = message.method in _UPLOADS

    def begin(self, message: RawRequestMessage) -> None:
        """`message` is what is answered from now on."""
        self.distrusted = self.distrusted or message is self._poisoned

    def _fail_body(self, error: web.RequestPayloadError) -> None:
        if self._body is not None and not self._body.is_eof() and self._body.exception() is None:
            self._body.set_exception(error)

    def _reject(self, notice: Notice) -> None:
        """Nothing more is read. The client is told so, unless that would fall into another request's answer."""
        if self.idle:
            self.dismiss(notice)
        else:
            self._fail_body(web.RequestPayloadError("the body is malformed"))
            self.close()

    def dismiss(self, notice: Notice, *, bodiless: bool = False) -> None:
        """The client was sent `notice` as the connection's last answer, and has LINGER_S to read it."""
        wire = self.transport
        if wire is None or wire.is_closing():
            return
        LOG.debug("%s: %d %s", self._hub.name, notice.status, notice.reason)
        self.transport = None  # or aiohttp would close it under the answer
        self.force_close()
        self._answered_at = self._loop.time()
        wire.write(answer_bytes(notice, bodiless=bodiless))
        if wire.can_write_eof():
            wire.write_eof()

    @property
    def draining(self) -> bool:
        """The listener shuts down: what would be handed over now has nobody who ends it."""
        return self._hub.draining

    def hand_over(self, taker: Taken) -> bytes:
        """The connection is `taker`'s; gives what has come behind the request at hand.

        Whoever answers that request raises HandedOver then. Raises ConnectionResetError where the client left.
        """
        wire, rest = self.transport, self._message_tail
        if wire is None or wire.is_closing():
            raise ConnectionResetError("the client has left")
        self.transport = self._wire = None  # what aiohttp does to this connection reaches the wire no more
        self.keep_alive(False)
        self.force_close()
        self._handed = True
        self._hub.open.discard(self)
        wire.set_protocol(taker)
        taker.take(wire, self._hub.taken)
        wire.resume_reading()
        return rest

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called by aiohttp for what its parser refused, and for errors that leave `Hub.answer`."""
        if not isinstance(exc, ConnectionError):
            self.dismiss(notice_of(exc, self.max_line_size))
        raise ConnectionAbortedError("the connection is over")

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """aiohttp's texts quote the request: only the fact is logged, and where it happened."""
        error = kw.get("exc_info")
        if isinstance(error, web.RequestPayloadError):
            return  # the rest of a body that nobody wanted was bad: its request is answered
        where = origins_of(error) if isinstance(error, BaseException) else "unknown error"
        LOG.error("%s: an answer failed: %s", self._hub.name, where)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled_at = None  # it was writable until now

    def cut(self) -> None:
        """The connection is over now, unsent bytes and all."""
        if self._wire is not None:
            cut(self._wire)

    def look(self, now: float) -> None:
        """What has waited too long at `now` (loop time) is ended."""
        wire, limits = self._wire, self._hub.limits
        if wire is None:
            return
        if self._answered_at is not None:
            if now - self._answered_at >= LINGER_S:
                wire.abort()
            return
        if self._paused or wire.is_closing():
            unsent = wire.get_write_buffer_size()
            if self._stalled_at is None or unsent < self._unsent:
                self._stalled_at, self._unsent = now, unsent
            elif now - self._stalled_at >= limits.send_stall_s:
                cut(wire)
                return
        if self.idle:
            idle_since = self._next_keepalive_close_time - limits.keepalive_s
            since = None if self._head_since is None else max(self._head_since, idle_since)
            if since is not None and now - since >= limits.header_timeout_s:
                # No word to who said nothing: browsers open connections in advance.
                self.dismiss(TOO_SLOW) if self._head_bytes else self.force_close()
        elif now - self._heard_at >= limits.body_stall_s and not self._reading_paused:
            self._fail_body(BodyStalled("the client stopped sending"))


class Reject(asyncio.Protocol):
    """A connection beyond the limit: told so and ended. Nothing that it sends is kept."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._wire: asyncio.Transport | None = None
        self._until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        if len(self._hub.rejects) >= LINGERING_REJECTS:
            wire.abort()
            return
        self._hub.rejects.add(self)
        self._wire, self._until = wire, asyncio.get_running_loop().time() + LINGER_S
        wire.write(answer_bytes(OVERLOADED))
        wire.write_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._hub.rejects.discard(self)

    def look(self, now: float) -> None:
        if self._wire is not None and now >= self._until:
            self._wire.abort()


class Hub(web.Server):
    """All connections of one listener, and the way from a parsed request to the handler."""

    def __init__(self, handler: Handler, limits: ListenerLimits, name: str, upgrades: Upgrades) -> None:
        super().__init__(self.answer, request_factory=self.make_request, handler_cancellation=True)
        self.limits = limits
        self.name = name
        self.open: set[Connection] = set()
        self.taken: set[Taken] = set()
        self.rejects: set[Reject] = set()
        self.draining = False
        self._handler = handler
        self._upgrades = upgrades

    def make_protocol(self) -> Connection | Reject:
        if len(self.open) + len(self.taken) >= self.limits.connections:
            return Reject(self)
        return Connection(self, self._loop)

    def make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        assert isinstance(protocol, Connection)
        protocol.begin(message)
        if message.url.absolute:
            # aiohttp would take its host apart and may fail. The handler judges `raw_path`, which stays.
            message = message._replace(url=_NOWHERE)
        if self.draining or message.upgrade:
            # Beside an offer of HTTP/2, aiohttp loses what came in one packet behind the request.
            message = message._replace(should_close=True)
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Returns a response whose head is sent or ready; else ends the connection with a ConnectionError."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        if connection.distrusted:
            raise ConnectionAbortedError("a request behind trailers")
        message = request._message
        notice = object_to(request, message, self._upgrades)
        if notice is None:
            try:
                response = await self._handler(request)
                if message.chunked and connection.ends_doubtfully:
                    connection.close()
                # Who waits for leave to send a body and is answered at once sends another request instead.
                # So does who is answered before all of a body has come: what is left of it is not read.
                ends = self.draining or connection.closing or hdrs.EXPECT in request.headers
                ends = ends or (request.body_exists and not request.content.is_eof())
                if ends and not response.prepared:
                    response.force_close()
                await response.prepare(request)
                if request.version == HttpVersion10 and hdrs.CONTENT_LENGTH not in response.headers:
                    connection.close()
                return response
            except HandedOver:
                raise
            except BodyStalled:
                notice = TOO_SLOW
            except web.RequestPayloadError:
                notice = MALFORMED
            except web.HTTPRequestEntityTooLarge:
                notice = BODY_TOO_LARGE
            except Exception as error:  # the last line: no fault of the handler's may reach a client as it is
                if request.transport is None or request.transport.is_closing():
                    raise ConnectionAbortedError("the client left") from None
                LOG.error("%s: unhandled %s", self.name, origins_of(error))
                notice = INTERNAL
        if request.writer.output_size > 0:
            # The head is out: only a broken connection still tells the client that the rest is missing.
            if request.transport is not None:
                cut(request.transport)
        else:
            connection.dismiss(notice, bodiless=request.method == hdrs.METH_HEAD)
        raise ConnectionAbortedError("the connection is over")
