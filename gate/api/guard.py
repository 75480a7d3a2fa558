"""Who may use the admin API.

Where a token is set, whoever shows it. Without one the listener is on loopback or a Unix socket, and whoever
is on this machine may; but so is every browser on it, on any page's behalf. A page cannot read answers of
another site, but it can send requests blindly, and with a DNS name that it points at 127.0.0.1 it can read as
well. So without a token a request names a loopback host, and one that changes something is of a content type
that a page cannot send unasked. And no request may come from a page at all, which browsers say in ``Origin``.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from gate.api.answers import Fault
from gate.core.credentials import Headers

SAFE: Final = frozenset({"GET", "HEAD"})
_CHALLENGE: Final = (("WWW-Authenticate", 'Bearer realm="gate"'),)


def guard(method: str, headers: Headers, token: str | None, *, unix: bool) -> Fault | None:
    """None where the request may be answered. `unix` tells that it came through a Unix socket."""
    if headers.getall("origin", ()):
        return Fault(HTTPStatus.FORBIDDEN, "cross_site", "the admin API does not answer web pages")
    if token is not None:
        if shows(headers, token):
            return None
        return Fault(
            HTTPStatus.UNAUTHORIZED,
            "token_missing",
            "the admin token is needed: Authorization: Bearer ...",
            fields=_CHALLENGE,
        )
    hosts = headers.getall("host", ())
    if not unix and not (len(hosts) == 1 and is_loopback(hosts[0])):
        return Fault(
            HTTPStatus.FORBIDDEN,
            "host_not_local",
            "without admin.token only requests to a loopback host are answered, such as 127.0.0.1 or localhost",
        )
    if method not in SAFE and not _is_json(headers):
        return Fault(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "content_type",
            "without admin.token a request that changes something carries Content-Type: application/json",
        )
    return None


def shows(headers: Headers, token: str) -> bool:
    """Whether the request carries the bearer token; how long that takes tells nothing of it."""
    given = headers.getall("authorization", ())
    scheme, _, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    shown = text.strip().encode("utf-8", "surrogateescape")
    return hmac.compare_digest(shown, token.encode()) and scheme.lower() == "bearer"


def is_loopback(authority: str) -> bool:
    """Whether a Host field names this machine's loopback: an address, or a name that leads nowhere else.

    RFC 6761, section 6.3: names below localhost are resolved to loopback, by browsers without asking anybody.
    """
    try:
        parts = urlsplit(f"//{authority}")
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.netloc != authority or "@" in authority:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.removesuffix(".") == "localhost" or host.removesuffix(".").endswith(".localhost")


def _is_json(headers: Headers) -> bool:
    kinds = headers.getall("content-type", ())
    return len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() == "application/json"
