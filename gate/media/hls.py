"""HLS playlists (RFC 8216): their URIs are kept under the session link, line by line, as they stream by.

Relative URIs resolve under the link by themselves and stay untouched. A root-relative URI, or an absolute
one of the origin or of the gate itself, would lead out of the session: it is brought under the link. Every
other byte of the playlist stays as it is: line endings, unknown tags, a byte order mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# Attributes that hold a URI, in any tag (RFC 8216bis, and Apple's interstitials and content steering).
_ATTRIBUTE: Final = re.compile(rb'([:,][ \t]*(?:(?:X-ASSET-|SERVER-)?URI|X-ASSET-LIST))="([^"\r\n]*)"')
LONGEST_LINE: Final = 65536

Rebase = Callable[[bytes], bytes]


class LongLineError(ValueError):
    """A line of the playlist is longer than any playlist's: this is something else, or an attack."""


class Scanner:
    """Feeds bytes through, URI by URI. `rebase` maps a URI as it stands to the URI to be handed out.

    What does not begin with ``#EXTM3U`` (a byte order mark is allowed) is no playlist and passes untouched:
    an origin's error page is not ours to edit.
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
            head = data.removeprefix(b"\xef\xbb\xbf")
            if len(head) < 7 and b"#EXTM3U".startswith(head):
                self._rest = data
                return b""
            self._playlist = head.startswith(b"#EXTM3U")
            if not self._playlist:
                self._rest = b""
                return data
        *lines, self._rest = data.split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise LongLineError
        return b"".join([self._line(line) + b"\n" for line in lines])

    def end(self) -> bytes:
        """The last line, when it has no line ending."""
        rest, self._rest = self._rest, b""
        return self._line(rest) if self._playlist else rest

    def _line(self, line: bytes) -> bytes:
        if line.startswith(b"#"):
            if b'="' not in line:
                return line
            return _ATTRIBUTE.sub(lambda found: found[1] + b'="' + self._rebase(found[2]) + b'"', line)
        uri = line.strip(b" \t\r")
        if not uri:
            return line
        return line.replace(uri, self._rebase(uri), 1)


def rebase_under(prefix: bytes, authorities: frozenset[bytes], base_path: bytes) -> Rebase:
    """A mapping that brings same-origin URIs under `prefix` (``/_s/<ticket>``, no trailing slash).

    `authorities` are ``scheme://host[:port]`` in lower case that mean this origin; `base_path` is the
    path that the origin's URL has in front, which the gate's own paths have not.
    """

    def rebase(uri: bytes) -> bytes:
        if uri.startswith(b"/") and not uri.startswith(b"//"):
            path = uri
        else:
            scheme, mark, rest = uri.partition(b"://")
            if not mark:
                return uri
            host, slash, tail = rest.partition(b"/")
            if not slash or (scheme + mark + host).lower() not in authorities:
                return uri
            path = slash + tail
        if base_path:
            if not path.startswith(base_path + b"/"):
                return uri
            path = path[len(base_path) :]
        return uri if path.startswith(prefix + b"/") else prefix + path

    return rebase
