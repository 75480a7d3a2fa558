"""What a playlist says of itself as a whole, once entries of it are gone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gate.media.hls.lines import PlaylistError, attributes, integer, value_of, without
from gate.media.hls.reading import Reading

SEQUENCE: Final = b"#EXT-X-MEDIA-SEQUENCE"
DISCONTINUITIES: Final = b"#EXT-X-DISCONTINUITY-SEQUENCE"
TYPE: Final = b"#EXT-X-PLAYLIST-TYPE"
ENDLIST: Final = b"#EXT-X-ENDLIST"
_START: Final = b"#EXT-X-START"
_CONTROL: Final = b"#EXT-X-SERVER-CONTROL"
# Offers that hold only while the playlist is the origin's own at that end.
_SKIPPING: Final = frozenset({b"CAN-SKIP-UNTIL", b"CAN-SKIP-DATERANGES"})
_BLOCKING: Final = frozenset({b"CAN-BLOCK-RELOAD"})
_OFFSET: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]*)?")
_NUMBER: Final = re.compile(rb"[0-9]+")


@dataclass(frozen=True, slots=True)
class Cut:
    """What was taken from a playlist.

    `removed` entries that come no more, with so many `discontinuities`, before the newest that are left;
    whether its `end` was cut; whether what is left is `final`; and how long that is.
    """

    removed: int
    discontinuities: int
    end: bool
    final: bool
    left_us: int


def number_of(read: Reading, name: bytes) -> int:
    """The first number of the playlist; 0 where it gives none (RFC 8216, section 4.3.3.2).

    Raises PlaylistError where it cannot be read, or stands there twice.
    """
    said = read.said(name)
    if not said:
        return 0
    number = integer(said[0])
    if number is None or len(said) > 1:
        raise PlaylistError(f"{name.decode()} cannot be read")
    return number


def ended(read: Reading) -> bool:
    """Whether the playlist says that nothing will be added."""
    return ENDLIST in read.pinned or b"VOD" in read.said(TYPE)


def edited_head(read: Reading, text: list[bytes], cut: Cut, end: bytes) -> tuple[list[bytes], list[bytes]]:
    """`text` is edited in place; the lines that come before the first entry, and at the very end, are returned.

    Raises PlaylistError where a number must change that cannot be read.
    """
    front: list[bytes] = []
    for name, by in ((SEQUENCE, cut.removed), (DISCONTINUITIES, cut.discontinuities)):
        if not by:
            continue
        number = number_of(read, name) + by
        if name in read.pinned:
            at = read.pinned[name][0]
            text[at] = _NUMBER.sub(b"%d" % number, read.lines[at], count=1)
        else:
            front.append(b"%s:%d%s" % (name, number, end))
    for at in read.pinned.get(_START, ()):
        if not _starts(attributes(read.lines[at]).get(b"TIME-OFFSET", b""), cut):
            text[at] = b""
    for at in read.pinned.get(TYPE, ()):
        said = value_of(read.lines[at])
        if (said == b"EVENT" and cut.removed) or (said == b"VOD" and not cut.final):
            text[at] = b""
    dropped = (_SKIPPING if cut.removed else frozenset()) | (
        _BLOCKING if cut.end and not cut.final else frozenset()
    )
    for at in read.pinned.get(_CONTROL, ()):
        if dropped & attributes(read.lines[at]).keys():
            text[at] = without(read.lines[at], dropped)
    back: list[bytes] = []
    if not cut.final:
        for at in read.pinned.get(ENDLIST, ()):
            text[at] = b""
    elif ENDLIST not in read.pinned:
        back.append(ENDLIST + end)
    return front, back


def _starts(offset: bytes, cut: Cut) -> bool:
    """Whether the point where a player should begin is still there, and still the same."""
    if _OFFSET.fullmatch(offset) is None:
        return True
    at_us = float(offset.removeprefix(b"-")) * 1_000_000
    if offset.startswith(b"-"):
        # From an end that will come no more it is another point.
        return at_us <= cut.left_us and not (cut.end and cut.final)
    return not at_us or (at_us <= cut.left_us and not cut.removed)
