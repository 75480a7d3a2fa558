"""What the listener itself answers and writes: notices as bytes, and where a fault came from, without its text.

Answers of the listener are written past aiohttp's responses, and always end the connection.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from gate.errors import GateError

# RFC 9110 7.2 and RFC 3986 3.2.2: uri-host [":" port]. User information has no place in it.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*)(?::[0-9]{0,5})?")


@dataclass(frozen=True, slots=True)
class Notice:
    """An answer of the listener itself."""

    status: int
    reason: str
    title: str


MALFORMED = Notice(400, "malformed_request", "The request is not valid HTTP/1.1.")
NO_UPGRADE = Notice(400, "upgrade_not_supported", "This server neither tunnels nor changes protocols.")
TOO_SLOW = Notice(408, "request_timeout", "The request did not arrive in time.")
BODY_TOO_LARGE = Notice(413, "body_too_large", "The request's body is too large.")
TARGET_TOO_LONG = Notice(414, "target_too_long", "The request's target is too long.")
HEADERS_TOO_LARGE = Notice(431, "headers_too_large", "The request's headers are too many or too large.")
UNKNOWN_CODING = Notice(501, "transfer_coding_not_supported", "Of transfer codings only chunked is known.")
INTERNAL = Notice(503, "internal", "The server could not answer this request.")
OVERLOADED = Notice(503, "too_many_connections", "The server has no room for another connection.")


def answer_bytes(notice: Notice, *, bodiless: bool = False) -> bytes:
    """Returns the whole answer as it goes over the wire. `bodiless` is for HEAD."""
    problem = {"title": notice.title, "status": notice.status, "reason": notice.reason}
    body = json.dumps(problem).encode()
    fields = [
        f"HTTP/1.1 {notice.status} {HTTPStatus(notice.status).phrase}",
        "Server: gate",
        f"Date: {formatdate(usegmt=True)}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        f"Gate-Reason: {notice.reason}",
        *(["Retry-After: 1"] if notice.status == 503 else []),
        "Connection: close",
    ]
    head = "\r\n".join(fields).encode() + b"\r\n\r\n"
    return head if bodiless else head + body


def origins_of(error: BaseException) -> str:
    """Returns where `error` and what caused it were raised, but not what they say.

    The text of an exception may quote the request, and with it a token. A GateError's never does.
    """
    parts: list[str] = []
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        text = f": {link}" if isinstance(link, GateError) else ""
        parts.append(f"{type(link).__qualname__}{text}\n{''.join(traceback.format_tb(link.__traceback__))}")
        todo.append(link.__cause__ or (None if link.__suppress_context__ else link.__context__))
        if isinstance(link, BaseExceptionGroup):
            todo.extend(link.exceptions)
    return "caused by ".join(parts).rstrip()


def object_to(
    request: web.BaseRequest, message: RawRequestMessage, upgrades: Callable[[str, str], bool]
) -> Notice | None:
    """Returns why a request that aiohttp's parser let pass is refused, or None.

    `upgrades` tells by method and target whether a request may ask for WebSocket.

    Stricter than the parser: it takes HTTP/0.9, HTTP/2.0, Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1 calls
    that faulty framing), codings other than chunked, and any text as Host.
    """
    version, headers = message.version, message.headers
    if version != HttpVersion11 and version != HttpVersion10:
        return MALFORMED
    host = headers.get(hdrs.HOST)
    if host is None and version == HttpVersion11:
        return MALFORMED  # RFC 9112, section 3.2
    if host is not None and _HOST.fullmatch(host) is None:
        return MALFORMED
    coding = headers.get(hdrs.TRANSFER_ENCODING)
    if coding is not None:
        if version != HttpVersion11 or not coding or hdrs.CONTENT_LENGTH in headers:
            return MALFORMED
        if coding.lower() != "chunked":
            return UNKNOWN_CODING
    if request.method == hdrs.METH_CONNECT:
        return NO_UPGRADE
    if message.upgrade:
        wanted = message.headers.get(hdrs.UPGRADE, "").lower()
        # An offer of HTTP/2 is no demand: curl and Java's client make it with plain requests and take HTTP/1.1.
        if wanted != "h2c" and not (wanted == "websocket" and upgrades(request.method, message.path)):
            return NO_UPGRADE
    return None


def notice_of(error: BaseException | None, request_line: int) -> Notice:
    if isinstance(error, LineTooLong):
        return TARGET_TOO_LONG if error.args[1] == request_line else HEADERS_TOO_LARGE
    if isinstance(error, HttpProcessingError) and error.message == "Too many headers received":
        return HEADERS_TOO_LARGE
    return MALFORMED
