"""HLS playlists (RFC 8216): their URIs are kept under the session link, line by line, as they stream by.

Relative URIs resolve under the link by themselves and stay untouched. A root-relative URI, or an absolute
one of the origin or of the gate itself, would lead out of the session: it is brought under the link. Every
other byte of the playlist stays as it is: line endings, unknown tags, comments, a byte order mark.
"""

from __future__ import annotations

import re
from typing import Final

from gate.media.hls.lines import BOM, MAGIC, QUOTED, URI_NAMES, PlaylistError
from gate.media.hls.rebase import Rebase

LONGEST_LINE: Final = 65536


class LongLineError(PlaylistError):
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
            if MAGIC.startswith(data) or (BOM + MAGIC).startswith(data):
                self._rest = data
                return b""
            self._playlist = data.removeprefix(BOM).startswith(MAGIC)
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
            return QUOTED.sub(self._attribute, line) if b'="' in line and line.startswith(b"#EXT") else line
        uri = line.strip(b" \t\r")
        if not uri or uri.startswith(BOM):
            return line
        rebased = self._rebase(uri)
        return line if rebased == uri else line.replace(uri, rebased, 1)

    def _attribute(self, found: re.Match[bytes]) -> bytes:
        if found[1] not in URI_NAMES:
            return found[0]
        return found[1] + b'="' + self._rebase(found[2]) + b'"'
