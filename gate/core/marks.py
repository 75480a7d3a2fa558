"""Marks: what a manifest said of a URI, on the URI itself, so that any gate believes it when it is asked for.

Where a URL does not say its time, its manifest does. What a manifest hands out is marked with it, in a query
parameter that ends here, so that names keep their extensions and the origin sees what it wrote:

    mark = base64url( facts || BLAKE2b-96( key of the session, facts || path || query ) )

The key is the session's own, so a mark opens nothing in another session; it needs no store, so every gate that
opens the session's link can check it. A mark is a function of what it says: asked for again, a manifest that
has not changed is marked the same, and the hint at a part has the mark of the part.

What is marked was within the viewer's windows when it was handed out, and its session's windows do not change.
So the time in a mark need not be exact: it is rounded outwards, because a manifest that dates its first entry
anew each time moves all its times by a few milliseconds.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, replace
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from gate.core.credentials import Headers
from gate.core.media import Facts, Kind, Role
from gate.core.reasons import Deny, Reason
from gate.core.target import Target
from gate.core.windows import Span

MARK_NAME: Final = "_gate"
# What a seal begins with, which stands in a path.
SEAL_FRONT: Final = "_gate."
_NAMES: Final = frozenset({MARK_NAME})
# What players add to a URI that they were handed: delivery directives (RFC 8216bis, section 6.2.5) and
# CMCD (CTA-5004). No origin tells its media apart by them.
_ADDED: Final = re.compile(r"(?:_HLS_[A-Za-z_]+|CMCD)(?:=|\Z)")
_MAC_BYTES: Final = 12
_LONGEST: Final = 96
_ROLES: Final = (Role.OTHER, Role.SEGMENT, Role.MANIFEST)
_KINDS: Final = (None, Kind.LIVE, Kind.DVR, Kind.COPY, Kind.OBJECT)
_HAS_SPAN, _HAS_RANGE, _HAS_LAG = 0x20, 0x40, 0x80
# Times are rounded by this much to whole seconds: what lies at a whole second, or near it, stays in one.
_MARGIN_MS: Final = 317
_LAG_MS: Final = 60_000
_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
# An escape of a character that parts nothing in a query: players differ in which of them they escape.
_ESCAPE: Final = re.compile(r"%(?!2[36B5]|3[BDF])([0-9A-F]{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes of a file from `offset` on, `length` many; None: all that follow."""

    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Mark:
    """What a manifest said of a URI: what it is, when, and which bytes of it.

    `span` None: it is on no timeline (a key, a map), or of a time that does not matter. `lag_ms`: how far the
    stream's clock is behind ours.
    """

    role: Role
    kind: Kind | None = None
    span: Span | None = None
    range: ByteRange | None = None
    lag_ms: int = 0


def rounded(span: Span, grid_s: int = 1) -> Span:
    """The span, rounded outwards such that small shifts of it make no other."""
    grid_ms = grid_s * 1000
    start = (span.start_ms - _MARGIN_MS) // grid_ms
    end = -((-span.end_ms - _MARGIN_MS) // grid_ms)
    return Span(start * grid_ms, end * grid_ms)


def rounded_lag(lag_ms: int) -> int:
    """The lag to the minute: that of a clock that is right is none."""
    return (lag_ms + _LAG_MS // 2) // _LAG_MS * _LAG_MS


def write_mark(mark: Mark, key: bytes, target: Target) -> str:
    """The mark as text of ``A-Z a-z 0-9 - _``, for that target alone. `key` is the session's."""
    said = _dump(mark)
    return urlsafe_b64encode(said + _mac(said, key, target)).rstrip(b"=").decode()


def read_mark(text: str, key: bytes, target: Target) -> Mark | None:
    """The mark that was written for that target with that key; None for any other text."""
    raw = _decode(text) if len(text) <= _LONGEST else b""
    said, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not said or not compare_digest(mac, _mac(said, key, target)):
        return None
    return _load(said)


def write_seal(said: bytes, lag_ms: int, key: bytes) -> str:
    """A segment of a path that says so, for any target of the session whose `key` it is.

    `said` is what tells the time of a template's segments, which players expand themselves.
    """
    said = _varint(_zigzag(lag_ms // _LAG_MS)) + said
    mac = blake2b(said, key=key, digest_size=_MAC_BYTES, person=b"seal").digest()
    return SEAL_FRONT + urlsafe_b64encode(said + mac).rstrip(b"=").decode()


def read_seal(segment: str, key: bytes) -> tuple[bytes, int] | None:
    """What the seal says, and the lag of its stream's clock; None for any other text."""
    raw = _decode(segment.removeprefix(SEAL_FRONT))
    said, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    right = blake2b(said, key=key, digest_size=_MAC_BYTES, person=b"seal").digest()
    if not said or not compare_digest(mac, right):
        return None
    size = next(at for at, byte in enumerate(said, 1) if byte < 128)
    return said[size:], _unzigzag(_varints(said[:size])[0]) * _LAG_MS


def take_seal(target: Target) -> tuple[Target, str | None] | Deny:
    """The target less the seal in its path, and the seal. Nobody is handed two."""
    if SEAL_FRONT not in target.path:
        return target, None
    found = [at for at, segment in enumerate(target.segments) if segment.startswith(SEAL_FRONT)]
    if not found:
        return target, None
    if len(found) > 1:
        return Deny(Reason.MARK_INVALID, "the path holds two seals")
    at = found[0]
    raw = target.path.split("/")
    left = target.segments[:at] + target.segments[at + 1 :]
    return Target("/".join(raw[: at + 1] + raw[at + 2 :]), target.query, left), target.segments[at]


def take_mark(target: Target) -> tuple[Target, str | None]:
    """The target less its mark, and the mark: the last one, if a player made it two."""
    if not target.query or MARK_NAME not in target.query:
        return target, None
    marks = [value for name, value in target.pairs() if name == MARK_NAME]
    return target.without(_NAMES), marks[-1] if marks else None


def vouch(facts: Facts, mark: Mark) -> Facts:
    """The facts of a URL that a mark vouches for. What the URL says itself counts.

    That it is live, or of the archive, and not of when, says no more than that: its time is the mark's, if it
    has one. A manifest is one, whatever it was handed out as: what it lists is held to the windows.
    """
    if facts.span is not None or facts.kind in (Kind.COPY, Kind.OBJECT):
        return facts
    if facts.role is Role.MANIFEST and mark.role is not Role.MANIFEST:
        return facts
    archive = facts.kind is Kind.DVR and mark.kind not in (Kind.COPY, Kind.OBJECT)
    kind = Kind.DVR if archive else mark.kind
    return replace(facts, role=mark.role, kind=kind, span=mark.span, lag_ms=mark.lag_ms, vouched=True)


def check_range(held: ByteRange, headers: Headers) -> Deny | None:
    """None where the request asks for bytes of the range that was handed out, and for nothing else.

    Of a field that it does not get, that makes no sense, or whose If-Range does not hold, an origin takes no
    notice, and sends all bytes.
    """
    values = headers.getall("range", ())
    found = _RANGE.fullmatch(values[0].strip()) if len(values) == 1 else None
    if found is None:
        return Deny(Reason.OUTSIDE_RANGE, "the URL stands for a range of bytes, and none is asked for")
    if headers.getall("if-range", ()) or any(
        "range" in value.lower() for value in headers.getall("connection", ())
    ):
        return Deny(Reason.OUTSIDE_RANGE, "the range is asked for on a condition")
    start, last = int(found[1]), int(found[2]) if found[2] else None
    if start < held.offset or (last is not None and last < start):
        return Deny(Reason.OUTSIDE_RANGE)
    if held.length is not None and (last is None or last >= held.offset + held.length):
        return Deny(Reason.OUTSIDE_RANGE)
    return None


def _mac(said: bytes, key: bytes, target: Target) -> bytes:
    query = "&".join(piece for piece in (target.query or "").split("&") if piece and not _ADDED.match(piece))
    query = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), query)
    # The decoded path: of one that is spelled in two ways both are its. No segment holds a slash or a NUL.
    name = "/".join(target.segments).encode() + b"\0" + query.encode()
    return blake2b(said + name, key=key, digest_size=_MAC_BYTES, salt=len(said).to_bytes(2)).digest()


def _dump(mark: Mark) -> bytes:
    first = _ROLES.index(mark.role) | _KINDS.index(mark.kind) << 2
    pieces = []
    if mark.span is not None:
        first |= _HAS_SPAN
        pieces += [
            _varint(_zigzag(mark.span.start_ms)),
            _varint(_zigzag(mark.span.end_ms - mark.span.start_ms)),
        ]
    if mark.range is not None:
        first |= _HAS_RANGE
        # One more, so that none can be told from nothing.
        length = mark.range.length
        pieces += [_varint(mark.range.offset), _varint(0 if length is None else length + 1)]
    if mark.lag_ms:
        first |= _HAS_LAG
        pieces.append(_varint(_zigzag(mark.lag_ms)))
    return bytes((first,)) + b"".join(pieces)


def _load(said: bytes) -> Mark:
    """What `_dump` wrote: its MAC was right."""
    first, numbers = said[0], iter(_varints(said[1:]))
    span, held, lag_ms = None, None, 0
    if first & _HAS_SPAN:
        start = _unzigzag(next(numbers))
        span = Span(start, start + _unzigzag(next(numbers)))
    if first & _HAS_RANGE:
        begin, more = next(numbers), next(numbers)
        held = ByteRange(begin, more - 1 if more else None)
    if first & _HAS_LAG:
        lag_ms = _unzigzag(next(numbers))
    return Mark(_ROLES[first & 3], _KINDS[first >> 2 & 7], span, held, lag_ms)


def _decode(text: str) -> bytes:
    """The bytes that the text stands for, in the one spelling that is written; none for any other text."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return b""
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode() == text else b""


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _unzigzag(number: int) -> int:
    return -(number + 1) // 2 if number & 1 else number // 2


def _varint(number: int) -> bytes:
    """Seven bits a byte, the highest bit of all but the last is set."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _varints(raw: bytes) -> list[int]:
    found, number, shift = [], 0, 0
    for byte in raw:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(number)
            number, shift = 0, 0
    return found
