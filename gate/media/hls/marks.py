"""Marking: each URI that is handed out may be written anew, in one pass with the clipping."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from gate.core.marks import ByteRange
from gate.core.windows import Span
from gate.media.hls.lines import QUOTED, URI_NAMES, attributes, byte_range, integer, tag_of
from gate.media.hls.rebase import Rebase

# What no gate can serve: keys of a system of the player's own, and what carries itself.
_UNTOUCHED: Final = (b"skd:", b"data:", b"urn:")


class Place(Enum):
    """Where in a playlist a URI stands."""

    SEGMENT = "segment"
    PART = "part"
    HINT = "hint"  # a part or a map that is not there yet
    MAP = "map"
    KEY = "key"
    PLAYLIST = "playlist"  # a variant, a rendition, or the report on one
    OTHER = "other"  # session data, steering, assets of a date range, tags that nobody knows


_PLACES: Final = {
    b"#EXT-X-PART": Place.PART,
    b"#EXT-X-PRELOAD-HINT": Place.HINT,
    b"#EXT-X-MAP": Place.MAP,
    b"#EXT-X-KEY": Place.KEY,
    b"#EXT-X-SESSION-KEY": Place.KEY,
    b"#EXT-X-MEDIA": Place.PLAYLIST,
    b"#EXT-X-I-FRAME-STREAM-INF": Place.PLAYLIST,
    b"#EXT-X-IMAGE-STREAM-INF": Place.PLAYLIST,
    b"#EXT-X-RENDITION-REPORT": Place.PLAYLIST,
}


class Mark(Protocol):
    """Maps a URI as it stands to the URI to be handed out.

    `span` is the time of what it names, None for what has none or where only its place tells it; `byterange`
    the bytes of it that the playlist asks for, None for all. A part and the hint at it have the same span: as
    long as the playlist's part target, since a hint has no length of its own.
    """

    def __call__(self, uri: bytes, span: Span | None, byterange: ByteRange | None, place: Place) -> bytes: ...


@dataclass(frozen=True, slots=True)
class About:
    """What is known of the URI on a line."""

    span: Span | None = None
    range: ByteRange | None = None


NOTHING_KNOWN: Final = About()


def rebasing(rebase: Rebase) -> Mark:
    """The mark that brings URIs under the session link, and says nothing of time."""
    return lambda uri, span, byterange, place: rebase(uri)


def marked(line: bytes, mark: Mark, about: About = NOTHING_KNOWN, place: Place = Place.SEGMENT) -> bytes:
    """The line with its URIs marked. `place` is that of a line that is a URI."""
    text = line.strip()
    if text.startswith(b"#"):
        if not text.startswith(b"#EXT") or b'="' not in text:
            return line
        place = _PLACES.get(tag_of(text), Place.OTHER)
        span, byterange = about.span, about.range
        if place in (Place.MAP, Place.HINT):
            byterange = _said_range(text)

        def attribute(found: re.Match[bytes]) -> bytes:
            if found[1] not in URI_NAMES or not is_touched(found[2]):
                return found[0]
            return found[1] + b'="' + mark(found[2], span, byterange, place) + b'"'

        return QUOTED.sub(attribute, line)
    if not is_touched(text):
        return line
    return line.replace(text, mark(text, about.span, about.range, place), 1)


def is_touched(uri: bytes) -> bool:
    """Whether the URI is one that a gate may serve."""
    return bool(uri) and not (b":" in uri[:5] and uri[:5].lower().startswith(_UNTOUCHED))


def _said_range(text: bytes) -> ByteRange | None:
    """The bytes of a MAP or a hint, which name their own."""
    said = attributes(text)
    start = integer(said.get(b"BYTERANGE-START"))
    length = integer(said.get(b"BYTERANGE-LENGTH"))
    if start is not None or length is not None:
        return ByteRange(start or 0, length)
    found = byte_range(said.get(b"BYTERANGE", b""))
    return None if found is None else ByteRange(found[1] or 0, found[0])
