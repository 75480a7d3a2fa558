"""Where a request carries its token, and the rule that there is only one.

Two credentials in one request are two opinions on who is asking, and which one counts would depend on who
reads them. The same text in two places is one credential: players repeat what they were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gate.core.reasons import Deny, Reason
from gate.core.target import Target


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
