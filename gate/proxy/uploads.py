"""Uploads: the request's body as it streams to the origin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web
from aiohttp.http import HttpVersion11

from gate.core.reasons import Deny, Reason


class Upload:
    """The request's body, piece by piece, as the origin takes it.

    A client that waits for leave to send gets it only when the origin is there and takes the body. `refusal` is
    why the body ended before its end, if it did by the client's fault: whoever sends it on does not tell.
    `on_body` is called with the size of each piece.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        transport: asyncio.Transport,
        limit: int,
        on_body: Callable[[int], None],
    ) -> None:
        self.refusal: Deny | None = None
        self._request = request
        self._transport = transport
        self._limit = limit
        self._on_body = on_body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if waits_for_leave(self._request):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        total = 0
        try:
            async for chunk in self._request.content.iter_any():
                total += len(chunk)
                self._on_body(len(chunk))
                if total > self._limit:
                    self.refusal = Deny(Reason.BODY_TOO_LARGE)
                    raise web.RequestPayloadError
                yield chunk
        except web.RequestPayloadError:
            self.refusal = self.refusal or Deny(Reason.MALFORMED_REQUEST, "the body is malformed, or stalled")
            raise


def waits_for_leave(request: web.BaseRequest) -> bool:
    """Whether the client sends its body only when it is told to (RFC 9110, section 10.1.1)."""
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"
