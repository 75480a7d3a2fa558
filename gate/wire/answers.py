"""Answers of the gate itself, as plain values: problem documents (RFC 9457), redirects, preflights.

Each is marked as the gate's own (`Gate-Reason`, `Server: gate`), so that a client can tell it from the
origin's, and none may be stored by a cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gate.core.policy import Cors
from gate.core.reasons import Deny, Reason

Fields = list[tuple[str, str]]

METHODS: Final = "GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE"
EXPOSED: Final = (
    "Accept-Ranges, Content-Length, Content-Range, Date, ETag, Gate-Reason, Location, Retry-After, X-Request-Id"
)
_NO_STORE: Final = ("Cache-Control", "no-store")
_NO_REFERRER: Final = ("Referrer-Policy", "no-referrer")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: status, header fields in order, body. An empty `phrase` is the usual one."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    phrase: str = ""


def problem(deny: Deny, request_id: str, cors: Fields) -> Answer:
    """The refusal as a problem document. It never holds token material."""
    rule = deny.reason.rule
    document: dict[str, object] = {
        "type": "about:blank",
        "title": rule.title,
        "status": rule.status,
        "reason": deny.reason.value,
        "request_id": request_id,
    }
    if deny.detail:
        document["detail"] = deny.detail
    document.update(deny.facts)
    fields = _own(request_id, cors)
    fields += [("Content-Type", "application/problem+json"), ("Gate-Reason", deny.reason.value)]
    if rule.retry_after_s is not None:
        fields.append(("Retry-After", str(rule.retry_after_s)))
    if rule.status == 401:
        error = f', error="{rule.challenge}"' if rule.challenge else ""
        fields.append(("WWW-Authenticate", f'Bearer realm="gate"{error}'))
    if deny.reason is Reason.METHOD_NOT_ALLOWED:
        # RFC 9110, section 15.5.6: of this very resource.
        allowed = dict(deny.facts).get("allowed")
        fields.append(("Allow", ", ".join(map(str, allowed)) if isinstance(allowed, list) else ""))
    return Answer(rule.status, tuple(fields), json.dumps(document).encode() + b"\n")


def json_answer(
    status: int,
    document: Mapping[str, object],
    request_id: str,
    cors: Fields,
    *,
    more: Iterable[tuple[str, str]] = (),
    phrase: str = "",
) -> Answer:
    """An answer in the form of another system's API: one JSON object, which is ASCII whatever it says."""
    fields = [*_own(request_id, cors), ("Content-Type", "application/json"), *more]
    return Answer(status, tuple(fields), json.dumps(document).encode("ascii") + b"\n", phrase)


def event_stream(request_id: str, cors: Fields) -> Answer:
    """The head of an answer that is events (HTML, section 9.2). Its body ends with the connection.

    nginx would keep small events back until a buffer is full.
    """
    kind = ("Content-Type", "text/event-stream")
    return Answer(200, (*_own(request_id, cors), kind, ("X-Accel-Buffering", "no"), ("Connection", "close")))


def switching(accept: str, subprotocol: str | None, request_id: str) -> Answer:
    """The answer to a WebSocket handshake (RFC 6455, section 4.2.2)."""
    fields = [*_own(request_id, []), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    fields.append(("Sec-WebSocket-Accept", accept))
    if subprotocol is not None:
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    return Answer(101, tuple(fields))


def redirect(location: str, request_id: str, cors: Fields, cookie: str | None = None) -> Answer:
    """A 302 to a path on this very host: never another scheme or authority."""
    fields = [*_own(request_id, cors), ("Location", location)]
    if cookie is not None:
        fields.append(("Set-Cookie", cookie))
    return Answer(302, tuple(fields))


def opened(status: int, location: str, body: bytes, request_id: str, cors: Fields) -> Answer:
    """A session was opened (201) or renewed (200): its link, for those who cannot follow a redirect."""
    fields = [*_own(request_id, cors), ("Location", location), ("Content-Type", "application/json")]
    return Answer(status, tuple(fields), body)


def preflight(request_id: str, cors: Fields, max_age_s: int, asked_headers: str | None) -> Answer:
    """The answer to a CORS preflight, which never carries a credential and is never the origin's matter."""
    fields = [*_own(request_id, cors), ("Access-Control-Allow-Methods", METHODS)]
    if asked_headers is not None:
        fields.append(("Access-Control-Allow-Headers", asked_headers))
    fields.append(("Access-Control-Max-Age", str(max_age_s)))
    return Answer(204, tuple(fields))


def cors_fields(cors: Cors, origin: str | None) -> Fields:
    """What a browser on a page of `origin` (its Origin header) is told of every answer."""
    if origin is None or not cors.origins:
        return []
    if "*" in cors.origins:
        allowed = "*"
    elif origin in cors.origins:
        allowed = origin
    else:
        return [("Vary", "Origin")]
    fields = [("Access-Control-Allow-Origin", allowed), ("Access-Control-Expose-Headers", EXPOSED)]
    if allowed == "*":
        return fields
    if cors.credentials:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    return [*fields, ("Vary", "Origin")]


def _own(request_id: str, cors: Fields) -> Fields:
    return [("Server", "gate"), ("X-Request-Id", request_id), _NO_STORE, _NO_REFERRER, *cors]
