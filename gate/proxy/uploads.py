"""Uploads: the request's body as it streams to the origin, and what the origin made of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from gate.core.reasons import Deny, Reason
from gate.core.target import Target, parse_target
from gate.core.verdicts import Permit
from gate.proxy.origin import Reply

_LONGEST_ANSWER: Final = 65536


class Upload:
    """The request's body, piece by piece, as the origin takes it.

    A client that waits for leave to send (``Expect: 100-continue``, RFC 9110, section 10.1.1) gets it only
    when the origin is there and takes the body. `refusal` is why the body ended before its end, if it did by
    the client's fault: whoever sends it on does not tell.
    """

    def __init__(self, request: web.BaseRequest, limit: int) -> None:
        self.refusal: Deny | None = None
        self._request = request
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        request = self._request
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        total = 0
        try:
            async for chunk in request.content.iter_any():
                total += len(chunk)
                if total > self._limit:
                    self.refusal = Deny(Reason.BODY_TOO_LARGE)
                    raise web.RequestPayloadError
                yield chunk
        except web.RequestPayloadError:
            self.refusal = self.refusal or Deny(Reason.MALFORMED_REQUEST, "the body is malformed, or stalled")
            raise


async def created(permit: Permit, reply: Reply) -> str | None:
    """The id of what the origin has created, None where it created nothing or does not say.

    A PUT names its resource itself, and has created it where the origin says 201. A POST's answer names the
    new resource: in its Location, or in a field of its JSON that the rule names.
    """
    place = permit.place
    if place.method == "PUT":
        return place.facts.resource if reply.status == 201 else None
    if place.rule.created_field is not None:
        return _field(await reply.peek(_LONGEST_ANSWER), place.rule.created_field)
    for name, value in reply.fields:
        if name.lower() == b"location":
            return _resource(permit, value.decode("latin-1"))
    return None


def _field(body: bytes, name: str) -> str | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, str) and value else None


def _resource(permit: Permit, location: str) -> str | None:
    """What a Location of the origin's addresses, by the layout of the rule."""
    place = permit.place
    path = location
    if "://" in location:
        base = place.rule.origin.url
        if not location.startswith(base + "/"):
            return None
        path = location[len(base) :]
    target = parse_target(path)
    if not isinstance(target, Target):
        return None
    parts = place.rule.pattern.match(target.segments)
    return None if parts is None else place.rule.layout.read(target, parts).resource
