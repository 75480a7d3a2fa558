"""Moving the origin's answer to the client: streamed, with back-pressure, cut when the permit ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from gate.core.media import Role
from gate.core.verdicts import Permit
from gate.errors import OriginError
from gate.media.hls import LongLineError, Rebase, Scanner
from gate.media.mpegts import TimeLimit
from gate.proxy.carrier import rebase_for
from gate.proxy.coding import coding_of, decoded
from gate.proxy.origin import Reply
from gate.wire.answers import Answer, Fields
from gate.wire.headers import for_client

# A playlist up to this size is sent with its exact length; a longer one is streamed in chunks.
_LOOK_AHEAD: Final = 65536
_NOT_OF_SCANNED: Final = frozenset({"content-length", "accept-ranges", "content-md5", "digest", "repr-digest"})


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
    return OwnResponse(status=answer.status, headers=CIMultiDict(answer.fields), body=answer.body)


async def relay(
    request: web.BaseRequest,
    permit: Permit,
    reply: Reply,
    link: str,
    host: str,
    cors: Fields,
    stall_s: float,
    cut: Callable[[asyncio.Transport], None],
    on_body: Callable[[int], None],
) -> web.StreamResponse:
    """Sends the reply to the client, with its URIs brought under the session link (`link`, empty for none).

    A stream of the archive ends where its window does. `host` is the gate's name as the client used it.
    `on_body` is called with the size of each piece of the body as it leaves: before that the client has got
    nothing.

    Raises OriginError before the first byte only.

    After it, an origin that breaks off breaks the connection, and so does a client that takes nothing for
    `stall_s`. It is reset, by `cut`: where only the end of the connection ends a body, any other end of it
    would make half of it the whole.
    """
    fields = [*for_client(reply.fields, public=permit.public), *cors]
    body = reply.chunks()
    scan = scanned(permit, reply)
    rebase = None
    if scan or reply.status == 201 or 300 <= reply.status < 400:
        rebase = rebase_for(link, permit.place.rule.origin, host)
        fields = [(name, _location(name, value, rebase)) for name, value in fields]
    if scan and rebase is not None:
        coding = coding_of(reply.fields)
        changed = _NOT_OF_SCANNED | {"content-encoding"} if coding else _NOT_OF_SCANNED
        fields = [(name, value) for name, value in fields if name.lower() not in changed]
        if request.method == "HEAD":
            body = _nothing()
        else:
            body, length = await _scan(decoded(body) if coding else body, rebase)
            if length is not None:
                fields.append(("Content-Length", str(length)))
    if permit.remains is not None and 200 <= reply.status < 300:
        # Where it stops is the gate's matter, not the length that the origin announced.
        fields = [(name, value) for name, value in fields if name.lower() not in _NOT_OF_SCANNED]
        body = _limited(body, permit.remains.media_ms)
    response = GateResponse(status=reply.status, headers=CIMultiDict(fields))
    await response.prepare(request)
    try:
        async for chunk in body:
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


def scanned(permit: Permit, reply: Reply) -> bool:
    """Whether the reply is a manifest under a session link, whose URIs are looked at."""
    return bool(permit.prefix) and permit.place.facts.role is Role.MANIFEST and reply.status == 200


async def _scan(body: AsyncIterator[bytes], rebase: Rebase) -> tuple[AsyncIterator[bytes], int | None]:
    """The scanned body, and its length where all of it was at hand."""
    scanner = Scanner(rebase)
    head = b""
    try:
        while len(head) < _LOOK_AHEAD:
            try:
                chunk = await anext(body)
            except StopAsyncIteration:
                head += scanner.end()
                return _once(head), len(head)
            head += scanner.feed(chunk)
    except LongLineError:
        raise OriginError("the origin's playlist holds an absurdly long line", invalid=True) from None
    return _rest(head, body, scanner), None


async def _rest(head: bytes, body: AsyncIterator[bytes], scanner: Scanner) -> AsyncIterator[bytes]:
    yield head
    async for chunk in body:
        yield scanner.feed(chunk)
    yield scanner.end()


async def _limited(body: AsyncIterator[bytes], media_ms: int) -> AsyncIterator[bytes]:
    """The body up to so much of its own time; the clock cuts what does not say it (`Remainder`)."""
    limit = TimeLimit(media_ms)
    async for chunk in body:
        yield limit.feed(chunk)
        if limit.ended:
            return
    yield limit.end()


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _location(name: str, value: str, rebase: Rebase) -> str:
    """A Location that leads into the session, where it leads to this origin."""
    return rebase(value.encode()).decode() if name.lower() == "location" else value


def _break_off(request: web.BaseRequest, cut: Callable[[asyncio.Transport], None]) -> None:
    if request.transport is not None:
        cut(request.transport)
