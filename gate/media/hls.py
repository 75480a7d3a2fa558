"""HLS playlists (RFC 8216): their URIs are kept under the session link, line by line, as they stream by.

Relative URIs resolve under the link by themselves and stay untouched. A root-relative URI, or an absolute
one of the origin or of the gate itself, would lead out of the session: it is brought under the link. Every
other byte of the playlist stays as it is: line endings, unknown tags, comments, a byte order mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

# One quoted attribute. A quoted string is matched whole, so that its text is never read as an attribute.
_QUOTED: Final = re.compile(rb'(?<![A-Z0-9-])([A-Z0-9-]+)="([^"\r\n]*)"')
# Attributes that hold a URI, in any tag (RFC 8216bis, and Apple's interstitials and content steering).
_URI_NAMES: Final = frozenset({b"URI", b"SERVER-URI", b"X-ASSET-URI", b"X-ASSET-LIST"})
# A reference with an authority (RFC 3986, sections 3 and 4.2): scheme or none, authority, all that follows.
_WITH_AUTHORITY: Final = re.compile(rb"(?:([A-Za-z][A-Za-z0-9+.-]*):)?//([^/?#]*)(.*)", re.DOTALL)
# A path that would be read as an authority if it stood alone; browsers drop tabs and line breaks, and take a
# backslash for a slash (WHATWG URL, section 4.4).
_LIKE_AUTHORITY: Final = re.compile(rb"/[\t\r\n]*[/\\]")
_PORTS: Final = {b"http": b":80", b"https": b":443"}
_BOM: Final = b"\xef\xbb\xbf"
_MAGIC: Final = b"#EXTM3U"
LONGEST_LINE: Final = 65536

Rebase = Callable[[bytes], bytes]


class LongLineError(ValueError):
    """A line of the playlist is longer than any playlist's: this is something else, or an attack."""


class Scanner:
    """Feeds bytes through, URI by URI. `rebase` maps a URI as it stands to the URI to be handed out.

    What does not begin with ``#EXTM3U`` (a byte order mark is allowed) is no playlist and passes untouched:
    an origin's error page is not ours to edit. How the input is cut into chunks makes no difference.
    """

    def __init__(self, rebase: Rebase) -> None:
        self._rebase = rebase
        self._rest = b""
        self._playlist: bool | None = None

    def feed(self, chunk: bytes) -> bytes:
        """The part of the output that is certain so far. Raises LongLineError."""
        if self._playlist is False:
            return chunk
        data = self._rest + chunk
        if self._playlist is None:
            if _MAGIC.startswith(data) or (_BOM + _MAGIC).startswith(data):
                self._rest = data
                return b""
            self._playlist = data.removeprefix(_BOM).startswith(_MAGIC)
            if not self._playlist:
                self._rest = b""
                return data
        *lines, self._rest = data.split(b"\n")
        if len(data) > LONGEST_LINE and max(map(len, (*lines, self._rest))) > LONGEST_LINE:
            raise LongLineError
        lines = [self._line(line) for line in lines]
        lines.append(b"")
        return b"\n".join(lines)

    def end(self) -> bytes:
        """The last line, when it has no line ending."""
        rest, self._rest = self._rest, b""
        return self._line(rest) if self._playlist else rest

    def _line(self, line: bytes) -> bytes:
        if line.startswith(b"#"):
            # Tags begin with #EXT, all other lines with a # are comments (RFC 8216, section 4.1).
            return _QUOTED.sub(self._attribute, line) if b'="' in line and line.startswith(b"#EXT") else line
        uri = line.strip(b" \t\r")
        if not uri or uri.startswith(_BOM):
            return line
        rebased = self._rebase(uri)
        return line if rebased == uri else line.replace(uri, rebased, 1)

    def _attribute(self, found: re.Match[bytes]) -> bytes:
        if found[1] not in _URI_NAMES:
            return found[0]
        return found[1] + b'="' + self._rebase(found[2]) + b'"'


def rebase_under(prefix: bytes, authorities: frozenset[bytes], base_path: bytes) -> Rebase:
    """A mapping that brings same-origin URIs under `prefix` (``/_s/<ticket>``, no trailing slash).

    With an empty prefix they become the gate's own paths, unless another host could be read in one.
    `authorities` are ``scheme://host[:port]`` that mean this origin or the gate itself. `base_path` is the
    path that the origin's URL has in front, which the gate's own paths have not: a path below it is the
    origin's and loses it, any other is the gate's.
    Case of scheme and host, a scheme's default port and a user name make no other origin.
    """

    def rebase(uri: bytes) -> bytes:
        if uri.startswith(b"/") and not uri.startswith(b"//"):
            path = uri
        elif b"//" not in uri:
            return uri
        else:
            found = _WITH_AUTHORITY.match(uri)
            if found is None or not _same(found[1] or b"", found[2], authorities):
                return uri
            path = found[3] if found[3].startswith(b"/") else b"/" + found[3]
        if prefix and path.startswith(prefix + b"/"):
            return path
        if path.startswith(base_path + b"/"):
            path = path[len(base_path) :]
        return uri if not prefix and _LIKE_AUTHORITY.match(path) else prefix + path

    return rebase


@lru_cache(maxsize=256)
def _same(scheme: bytes, authority: bytes, authorities: frozenset[bytes]) -> bool:
    """Whether a reference's scheme (empty where it has none) and authority mean one of `authorities`."""
    known = {_origin(*name.partition(b"://")[::2]) for name in authorities}
    # A reference without a scheme takes the gate's, whichever that is.
    known |= {(b"", host + port) for scheme, host in known for port in (b"", _PORTS.get(scheme, b""))}
    return _origin(scheme, authority) in known


def _origin(scheme: bytes, authority: bytes) -> tuple[bytes, bytes]:
    """Scheme and ``host[:port]`` in the one spelling that is compared (RFC 6454, section 4)."""
    scheme = scheme.lower()
    host = authority.rpartition(b"@")[2].lower().removesuffix(b":")
    return scheme, host.removesuffix(_PORTS.get(scheme, b""))
