"""Moving the origin's answer to the client: streamed, with back-pressure, cut when the permit ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from multidict import CIMultiDict

from gate.core.verdicts import Permit
from gate.errors import OriginError
from gate.media.hls import LongLineError, Rebase
from gate.media.links import Links
from gate.media.mpegts import TimeLimit
from gate.proxy.manifest import READ_FIELDS, Body
from gate.proxy.origin import Reply
from gate.wire.answers import Answer, Fields
from gate.wire.headers import for_client


class _Exact(web.StreamResponse):
    """A response with exactly the fields it was given, and Date and framing: nothing is invented."""

    async def _prepare_headers(self) -> None:
        untyped = "Content-Type" not in self.headers
        anonymous = "Server" not in self.headers
        await super()._prepare_headers()
        if untyped:
            self.headers.popall("Content-Type", None)
        if anonymous:
            self.headers.popall("Server", None)


class GateResponse(_Exact):
    """The origin's answer."""


class OwnResponse(_Exact, web.Response):
    """An answer of the gate's own."""


def respond(answer: Answer) -> web.Response:
    """The answer, ready to be sent."""
    phrase = answer.phrase or None
    return OwnResponse(
        status=answer.status, reason=phrase, headers=CIMultiDict(answer.fields), body=answer.body
    )


async def relay(
    request: web.BaseRequest,
    permit: Permit,
    reply: Reply,
    body: Body,
    links: Links,
    cors: Fields,
    stall_s: float,
    cut: Callable[[asyncio.Transport], None],
    on_body: Callable[[int], None],
) -> web.StreamResponse:
    """Sends the reply to the client: what is made of it (`body`), with redirects brought under the session.

    A stream of the archive ends where its window does.
    `on_body` is called with the size of each piece of the body as it leaves: before that the client has got
    nothing.

    Raises OriginError before the first byte only.

    After it, an origin that breaks off breaks the connection, and so does a client that takes nothing for
    `stall_s`. It is reset, by `cut`: where only the end of the connection ends a body, any other end of it
    would make half of it the whole.
    """
    fields = [*for_client(reply.fields, public=permit.public), *cors]
    chunks = body.chunks
    if reply.status == 201 or 300 <= reply.status < 400:
        fields = [(name, _location(name, value, links.location)) for name, value in fields]
    if body.dropped:
        fields = [(name, value) for name, value in fields if name.lower() not in body.dropped]
    fields += body.fields
    if body.length is not None:
        fields.append(("Content-Length", str(body.length)))
    if permit.remains is not None and 200 <= reply.status < 300:
        # Where it stops is the gate's matter, not the length that the origin announced.
        fields = [(name, value) for name, value in fields if name.lower() not in READ_FIELDS]
        chunks = _limited(chunks, permit.remains.media_ms)
    response = GateResponse(status=body.status or reply.status, headers=CIMultiDict(fields))
    if request.body_exists and not request.content.is_eof():
        # The origin answers before it has all of the body. What is left of it is not read.
        response.force_close()
    await response.prepare(request)
    try:
        async for chunk in chunks:
            if not chunk:
                continue
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the client has left")
            on_body(len(chunk))
            async with asyncio.timeout(stall_s) as patience:
                await response.write(chunk)
        await response.write_eof()
    except (OriginError, LongLineError):
        _break_off(request, cut)
    except TimeoutError:
        if not patience.expired():
            raise
        _break_off(request, cut)
    except ConnectionError:
        # The client has left; there is nobody to tell.
        pass
    return response


async def _limited(body: AsyncIterator[bytes], media_ms: int) -> AsyncIterator[bytes]:
    """The body up to so much of its own time; the clock cuts what does not say it (`Remainder`)."""
    limit = TimeLimit(media_ms)
    async for chunk in body:
        yield limit.feed(chunk)
        if limit.ended:
            return
    yield limit.end()


def _location(name: str, value: str, rebase: Rebase) -> str:
    """A Location that leads into the session, where it leads to this origin."""
    return rebase(value.encode()).decode() if name.lower() == "location" else value


def _break_off(request: web.BaseRequest, cut: Callable[[asyncio.Transport], None]) -> None:
    if request.transport is not None:
        cut(request.transport)
