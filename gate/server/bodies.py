"""Bodies of requests to an API: whole, and no longer than it reads."""

from __future__ import annotations

from aiohttp import web


async def read_body(request: web.BaseRequest, longest: int) -> bytes | None:
    """The body, or None where it is longer than that: then no more of it is read than tells so.

    Raises web.RequestPayloadError for one that is broken.
    """
    if (request.content_length or 0) > longest:
        return None
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > longest:
            return None
    return bytes(body)
