"""The lines of an HLS playlist: tags, their attributes and numbers, and where URIs stand (RFC 8216, section 4).

A line ends with LF or CRLF. A CR alone ends one too: some players take it so, and what they read as an entry
must not pass here as the text of a comment.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

BOM: Final = b"\xef\xbb\xbf"
MAGIC: Final = b"#EXTM3U"
# One quoted attribute. A quoted string is matched whole, so that its text is never read as an attribute.
QUOTED: Final = re.compile(rb'(?<![A-Z0-9-])([A-Z0-9-]+)="([^"\r\n]*)"')
# Attributes that hold a URI, in any tag (RFC 8216bis, and Apple's interstitials and content steering).
URI_NAMES: Final = frozenset({b"URI", b"SERVER-URI", b"X-ASSET-URI", b"X-ASSET-LIST"})

_ATTRIBUTE: Final = re.compile(rb'(?<![A-Z0-9-])([A-Z0-9-]++)=("[^"\r\n]*"|[^",\r\n]*)')
_SECONDS: Final = re.compile(rb"[0-9]{1,5}(?:\.[0-9]*)?|\.[0-9]+")
_INTEGER: Final = re.compile(rb"[0-9]{1,19}")
_RANGE: Final = re.compile(rb"([0-9]{1,19})(?:@([0-9]{1,19}))?")


class PlaylistError(ValueError):
    """The playlist is so broken that nobody can tell what it would mean once changed."""


def is_playlist(body: bytes) -> bool:
    """Whether it begins as a playlist must. An origin's error page does not, whatever its type says."""
    return body.startswith((MAGIC, BOM + MAGIC))


def quoted(line: bytes) -> list[tuple[bytes, bytes]]:
    """The attributes of a tag whose values are quoted strings, in order."""
    return QUOTED.findall(line)


def tag_of(text: bytes) -> bytes:
    """The name of the tag that a line holds, with its ``#``."""
    return text.partition(b":")[0].strip()


def value_of(text: bytes) -> bytes:
    """What a line says after the colon."""
    return text.partition(b":")[2].strip()


def attributes(text: bytes) -> dict[bytes, bytes]:
    """The attributes of a tag, without quotes. Of two with one name the last counts."""
    return {name: value.strip(b'" \t') for name, value in _ATTRIBUTE.findall(value_of(text))}


def without(text: bytes, names: Container[bytes]) -> bytes:
    """The line without the attributes of those names; empty when it had no others."""
    kept = [pair for pair in _ATTRIBUTE.finditer(value_of(text)) if pair[1] not in names]
    if not kept:
        return b""
    return tag_of(text) + b":" + b",".join(pair[0].strip() for pair in kept) + end_of(text)


def with_offset(line: bytes, offset: int) -> bytes:
    """The line of a byte range, or of a tag with one, with the offset that it left to the range before."""
    if tag_of(line) == b"#EXT-X-BYTERANGE":
        return _offset_said(line, value_of(line), offset)

    def attribute(found: re.Match[bytes]) -> bytes:
        name, value = found.groups()
        return (
            name + b"=" + (_offset_said(value, value.strip(b'" \t'), offset) if name == b"BYTERANGE" else value)
        )

    return _ATTRIBUTE.sub(attribute, line)


def _offset_said(text: bytes, length: bytes, offset: int) -> bytes:
    return text if b"@" in length else text.replace(length, b"%b@%d" % (length, offset), 1)


def end_of(line: bytes) -> bytes:
    """The line ending; empty for a last line without one."""
    return line[len(line.rstrip(b"\r\n")) :]


def microseconds(text: bytes | None) -> int | None:
    """A duration in seconds, as EXTINF writes it. None for what is none, is negative or lasts for days."""
    text = text and text.strip()
    if not text or _SECONDS.fullmatch(text) is None:
        return None
    return round(float(text) * 1_000_000)


def integer(text: bytes | None) -> int | None:
    """A decimal-integer of at most 19 digits, as wide as the 64 bits that the format has for one."""
    return int(text) if text and _INTEGER.fullmatch(text) else None


def byte_range(text: bytes) -> tuple[int, int | None] | None:
    """Length and offset of ``n[@o]``; the offset is None where it goes on from the range before."""
    found = _RANGE.fullmatch(text)
    return None if found is None else (int(found[1]), None if found[2] is None else int(found[2]))
