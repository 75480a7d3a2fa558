"""Where a request carries its token, and the rule that there is only one.

Two credentials in one request are two opinions on who is asking, and which one counts would depend on who
reads them. The same text in two places is one credential: players repeat what they were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from gate.core.reasons import Deny, Reason
from gate.core.target import Target

# The query parameter or cookie that a ticket travels in, where it does not in the path.
SESSION_NAME: Final = "_gate_session"


class Carrier(Enum):
    """How a ticket travels from request to request."""

    PATH = "path"  # below a prefix of the path: relative URIs repeat it by themselves
    QUERY = "query"  # a parameter, which manifests are given on every URI
    COOKIE = "cookie"


class Headers(Protocol):
    """A request's header fields, looked up without regard to case."""

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """The places that may carry a token. Header names are in lower case.

    ``authorization`` is read with or without the ``Bearer`` scheme; another scheme there is not a token, nor
    is the word alone.
    """

    query: frozenset[str] = frozenset({"token"})
    headers: frozenset[str] = frozenset({"authorization"})
    cookies: frozenset[str] = frozenset()


DEFAULT_SOURCES: Final = Sources()


def find_token(target: Target, headers: Headers, sources: Sources) -> str | Deny | None:
    """The request's one token, None where there is none, or AMBIGUOUS_CREDENTIALS."""
    found: set[str] = set()
    if target.query:
        found.update(value for name, value in target.pairs() if name in sources.query and value)
    for name in sources.headers:
        values = headers.getall(name, ())
        if len(values) > 1:
            return Deny(Reason.AMBIGUOUS_CREDENTIALS, f"the header {name} is there more than once")
        if values and (text := _header_token(name, values[0])):
            found.add(text)
    if sources.cookies:
        found.update(value for name, value in cookies(headers) if name in sources.cookies and value)
    if len(found) > 1:
        return Deny(Reason.AMBIGUOUS_CREDENTIALS, "the request carries two different tokens")
    return found.pop() if found else None


def find_ticket(target: Target, headers: Headers, carrier: Carrier) -> str | Deny | None:
    """The one ticket of a request whose path holds none; None without one, or AMBIGUOUS_CREDENTIALS.

    Of several cookies the first one counts: browsers send first what has the longest path (RFC 6265, section
    5.4), as where a stream's name goes on behind another's.
    """
    if carrier is Carrier.COOKIE:
        return next((value for name, value in cookies(headers) if name == SESSION_NAME and value), None)
    if carrier is Carrier.PATH:
        return None
    return _find_one(target, SESSION_NAME, "session links")


def find_visit(target: Target, parameter: str) -> str | Deny | None:
    """The one page session that the query parameter carries; None without one, or AMBIGUOUS_CREDENTIALS."""
    return _find_one(target, parameter, "page sessions")


def _find_one(target: Target, parameter: str, of: str) -> str | Deny | None:
    if not target.query or parameter not in target.query:
        return None
    found = {value for name, value in target.pairs() if name == parameter and value}
    if len(found) > 1:
        return Deny(Reason.AMBIGUOUS_CREDENTIALS, f"the request carries two {of}")
    return found.pop() if found else None


def cookies(headers: Headers) -> list[tuple[str, str]]:
    """The pairs of the Cookie header (RFC 6265, section 4.2), in order."""
    pairs = []
    for value in headers.getall("cookie", ()):
        for piece in value.split(";"):
            name, mark, text = piece.strip().partition("=")
            if mark:
                pairs.append((name, text))
    return pairs


def _header_token(name: str, value: str) -> str | None:
    value = value.strip()
    if name != "authorization":
        return value
    scheme, space, rest = value.partition(" ")
    if not space:
        return None if value.lower() == "bearer" else value
    return rest.strip() if scheme.lower() == "bearer" else None
