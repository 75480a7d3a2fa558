"""Asking the origin: one request in, one reply out, its body as a stream.

`Upstream` is the interface; another relay may stand in its place and must pass the same tests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.client_exceptions import ServerTimeoutError
from multidict import CIMultiDict
from yarl import URL

from gate.core.policy import Origin
from gate.errors import OriginError
from gate.wire.answers import Fields

_CHUNK: Final = 65536
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SILENT: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


@dataclass(frozen=True, slots=True)
class Failure:
    """What an origin failed with last, and when (Unix seconds)."""

    at: float
    text: str


class Reply(Protocol):
    """An origin's answer. `fields` are its header fields as they came; leaving the context ends it."""

    status: int
    fields: list[tuple[bytes, bytes]]

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece, as the reader takes it. Raises OriginError when it breaks off."""
        ...

    async def peek(self, limit: int) -> bytes:
        """The whole body where it has no more than `limit` bytes, else its beginning. `chunks` gives all still.

        Raises OriginError.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Upstream(Protocol):
    """A way to ask origins."""

    async def ask(
        self,
        origin: Origin,
        method: str,
        target: str,
        fields: Fields,
        body: AsyncIterable[bytes] | None = None,
    ) -> Reply:
        """The origin's answer to `target`, which goes out byte for byte, with `body`. Raises OriginError."""
        ...

    async def close(self) -> None: ...


class HttpUpstream:
    """Asks over HTTP/1.1 with aiohttp's client: no cookies, no redirects, no decoding, nothing from the
    environment; a bounded wait for the connection, the head and each piece of the body."""

    def __init__(self, *, connections: int = 1000) -> None:
        # The last failure of each origin that has had one, by its name.
        self.failures: dict[str, Failure] = {}
        self._reads = _session(connections, reuse=True)
        # The library sends PUT and DELETE again where the connection breaks off before the answer, even a new
        # one. The origin may have done them: again they would be answered as what they are not. A connection
        # is not used again either, or one that the origin has just closed would fail what cannot be repeated.
        self._writes = _session(connections, reuse=False)
        self._writes._retry_connection = False  # the only way there is

    async def ask(
        self,
        origin: Origin,
        method: str,
        target: str,
        fields: Fields,
        body: AsyncIterable[bytes] | None = None,
    ) -> Reply:
        try:
            return await self._ask(origin, method, target, fields, body)
        except OriginError as error:
            self.failures[origin.name] = Failure(time.time(), str(error))
            raise

    async def _ask(
        self,
        origin: Origin,
        method: str,
        target: str,
        fields: Fields,
        body: AsyncIterable[bytes] | None,
    ) -> Reply:
        base = URL(origin.url, encoded=True)
        # The whole target stands as the path, so that nothing of it is parsed or written anew.
        url = URL.build(
            scheme=base.scheme, authority=base.raw_authority, path=_join(base, target), encoded=True
        )
        timeout = ClientTimeout(
            total=None,
            connect=origin.connect_timeout_s,
            sock_connect=origin.connect_timeout_s,
            # Its clock runs while a body is still being sent. The waits for head and body have bounds below.
            sock_read=None,
        )
        session = self._reads if method in _SAFE else self._writes
        wait_s = origin.connect_timeout_s + origin.response_timeout_s
        try:
            # The library's wait for the head begins anew with each of its bytes; this one does not.
            async with asyncio.timeout(wait_s) as patience:
                response = await session.request(
                    method,
                    url,
                    headers=CIMultiDict(fields),
                    data=None if body is None else _paced(body, patience, wait_s),
                    allow_redirects=False,
                    timeout=timeout,
                )
        except (ServerTimeoutError, TimeoutError):
            raise OriginError(f"origin {origin.name} did not answer in time", timed_out=True) from None
        except (ClientError, OSError, ValueError) as error:
            invalid = isinstance(error, ClientResponseError | ValueError)
            raise OriginError(f"origin {origin.name}: {type(error).__name__}", invalid=invalid) from None
        if response.status < 200:
            response.close()
            raise OriginError(f"origin {origin.name} answered {response.status}", invalid=True)
        return HttpReply(response, origin)

    async def close(self) -> None:
        await self._reads.close()
        await self._writes.close()


class HttpReply:
    """A reply of aiohttp's client."""

    def __init__(self, response: ClientResponse, origin: Origin) -> None:
        self.status = response.status
        self.fields = list(response.raw_headers)
        self._response = response
        self._origin = origin
        self._peeked: list[bytes] = []

    async def peek(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        async for chunk in self.chunks():
            pieces.append(chunk)
            if sum(map(len, pieces)) > limit:
                break
        self._peeked = pieces
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        while self._peeked:
            yield self._peeked.pop(0)
        name, read = self._origin.name, self._response.content.readany
        try:
            while True:
                # The library forgets its own time-out, and the reader, where chunks are framed wrongly.
                async with asyncio.timeout(self._origin.response_timeout_s):
                    chunk = await read()
                if not chunk:
                    return
                yield chunk
        except (ServerTimeoutError, TimeoutError):
            raise OriginError(f"origin {name} stalled", timed_out=True) from None
        except (ClientError, OSError) as error:
            raise OriginError(f"origin {name} broke off: {type(error).__name__}") from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An unfinished body cannot be skipped cheaply: close() gives up the connection, and is
        # harmless once the body has been read to its end and the connection went back to the pool.
        self._response.close()


async def _paced(body: AsyncIterable[bytes], patience: asyncio.Timeout, wait_s: float) -> AsyncIterator[bytes]:
    """The body; patience with the origin, which has to take each piece and then to answer within `wait_s`.

    It does not run while the client is to send: the listener watches that.
    """
    now = asyncio.get_running_loop().time

    def allow(until: float | None) -> None:
        with suppress(RuntimeError):  # the origin has answered before it had the whole body
            patience.reschedule(until)

    pieces = aiter(body)
    while True:
        allow(None)
        try:
            piece = await anext(pieces)
        except StopAsyncIteration:
            break
        finally:
            allow(now() + wait_s)
        yield piece


def _session(connections: int, *, reuse: bool) -> ClientSession:
    return ClientSession(
        connector=TCPConnector(
            limit=connections,
            limit_per_host=0,
            ttl_dns_cache=10,
            resolver=ThreadedResolver(),
            force_close=not reuse,
        ),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=_SILENT,
        read_bufsize=_CHUNK,
        max_line_size=16384,
        max_field_size=16384,
    )


def _join(base: URL, target: str) -> str:
    return base.raw_path.rstrip("/") + target
