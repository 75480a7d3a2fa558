"""The only path parser: a strict grammar on the raw request target.

The gate refuses what it would have to interpret. A target either matches the grammar below, and then the
bytes decided on are the bytes forwarded, or it is refused; it is never normalised, because a proxy that
decides on one spelling and forwards another is how most gates in front of HTTP have been walked around.

    target   = path [ "?" query ]
    path     = "/" [ segment *( "/" segment ) [ "/" ] ]     one trailing slash is legal
    segment  = 1*( unreserved / sub-delims / ":" / "@" / escape )   and is not a dot segment
    escape   = "%" HEXDIG HEXDIG   of a byte that RFC 3986 has no literal form for in a path
    query    = *( any visible US-ASCII byte but "#" and "\\" ), every "%" followed by two HEXDIG, no "%00"

Stricter than RFC 3986, and why:
- Escapes of unreserved characters (``%63h2``), of delimiters (``%2F``, ``%3B``), of ``%`` itself and of
  controls are refused: two spellings of one resource, or a delimiter that only one side sees.
- Empty segments are refused: ``//host`` reads as an authority to some, and as one slash to others.
- A dot segment with a parameter (``..;x``) is refused as well, and so is a segment that is nothing but one
  (``;x``): some servers strip the parameter first.
- Escaped bytes must be UTF-8, so that a resource has one name, and no control character of Unicode's (C1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus

from gate.core.reasons import Deny, Reason

_SEGMENT: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+"
_PATH: Final = re.compile(rf"/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?", re.ASCII)
_QUERY: Final = re.compile(r"(?:[!\"$&-\[\]-~]|%(?!00)[0-9A-Fa-f]{2})*", re.ASCII)
_DOT_SEGMENT: Final = re.compile(r"/(?:\.{1,2}|(?=;))(?:;[^/]*)?(?=/|\Z)")
_CONTROL: Final = re.compile(r"[\x80-\x9f]")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
# What stands literally in a segment, beside letters, digits and "-._~".
_LITERAL: Final = "!$&'()*+,;=:@"
# The visible US-ASCII characters that have no literal form in a path: only these, and bytes beyond US-ASCII,
# are ever escaped for a reason.
_ESCAPABLE: Final = frozenset(b' "<>[]^`{|}')


@dataclass(frozen=True, slots=True)
class Target:
    """A request target that matched the grammar.

    `path` and `query` are the bytes as they came (US-ASCII text); `query` is None without a ``?``.
    `segments` are the decoded path segments; a trailing slash leaves an empty last one.
    """

    path: str
    query: str | None
    segments: tuple[str, ...]

    @property
    def raw(self) -> str:
        """The target as it came, byte for byte."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    def pairs(self) -> list[tuple[str, str]]:
        """The query's parameters in order, names and values decoded as forms are (``+`` is a space)."""
        return [_decode_pair(piece) for piece in self.query.split("&") if piece] if self.query else []

    def without(self, names: frozenset[str]) -> Target:
        """The target less the query parameters of these names; every other byte of it stays.

        A name is compared decoded, so that no spelling of a credential's name is forwarded. A ``?`` that
        only introduced removed parameters goes with them.
        """
        if not self.query:
            return self
        pieces = self.query.split("&")
        kept = [piece for piece in pieces if not piece or _decode_pair(piece)[0] not in names]
        if len(kept) == len(pieces):
            return self
        return Target(self.path, "&".join(kept) if kept else None, self.segments)

    def below(self, count: int) -> Target | None:
        """The target less its first `count` segments; None where nothing but the prefix is there."""
        at = 0
        for _ in range(count):
            at = self.path.find("/", at + 1)
            if at < 0:
                return None
        return Target(self.path[at:], self.query, self.segments[count:])


def parse_target(raw: str, limit: int = 16384) -> Target | Deny:
    """`raw` as a Target, or a refusal (MALFORMED_TARGET) that says which rule it broke.

    `raw` is the request target of the request line (RFC 9112, section 3.2), origin form only; `limit` is in
    bytes. Any text at all is legal input.
    """
    if len(raw) > limit:
        return _malformed("the target is too long")
    path, mark, query = raw.partition("?")
    if not path.startswith("/"):
        return _malformed("the target does not begin with a slash")
    if _PATH.fullmatch(path) is None:
        return _malformed("the path holds an empty segment or a character that is not allowed")
    if ("/." in path or "/;" in path) and _DOT_SEGMENT.search(path):
        return _malformed("the path holds a dot segment, or an empty one with a parameter")
    if query and _QUERY.fullmatch(query) is None:
        return _malformed("the query holds a character that is not allowed")
    if "%" in path:
        segments = _decode_segments(path)
        if segments is None:
            return _malformed("the path escapes a character that it must not, or is not UTF-8")
    else:
        segments = tuple(path[1:].split("/"))
    return Target(path, query if mark else None, segments)


def fits_segment(text: str) -> bool:
    """Whether a target can have `text` as one of its decoded segments, and not for want of one."""
    try:
        raw = quote(text, safe=_LITERAL)
    except UnicodeEncodeError:
        return False
    target = parse_target(f"/{raw}", len(raw) + 1)
    return bool(text) and isinstance(target, Target) and target.segments == (text,)


def _decode_segments(path: str) -> tuple[str, ...] | None:
    for escape in _ESCAPE.finditer(path):
        byte = int(escape[1], 16)
        if byte < 0x80 and byte not in _ESCAPABLE:
            return None
    raw = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), path[1:]).encode("latin-1")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else tuple(text.split("/"))


def _decode_pair(piece: str) -> tuple[str, str]:
    name, _, value = piece.partition("=")
    if "%" not in piece and "+" not in piece:
        return name, value
    return unquote_plus(name, errors="replace"), unquote_plus(value, errors="replace")


def _malformed(detail: str) -> Deny:
    return Deny(Reason.MALFORMED_TARGET, detail)
