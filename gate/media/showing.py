"""Where a stream is to be watched: the paths that a layout has for its live edge, its archive and a download.

What a layout can say for any stream, and no other: where playlists are called as their packager likes, as with
plain HLS, nobody knows the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gate.core.media import Kind


@dataclass(frozen=True, slots=True)
class Showing:
    """A way of watching: its template, with {uid}, {from} and {duration} in seconds, and its kind of media."""

    name: str
    kind: Kind
    template: str

    def path(self, uid: str, start_s: int, duration_s: int) -> str:
        """The path and query for a stream, and a part of its archive where it is of that."""
        return self.template.format_map({"uid": uid, "from": start_s, "duration": duration_s})


_FLUSSONIC: Final = (
    Showing("live", Kind.LIVE, "/{uid}/index.m3u8"),
    Showing("dvr", Kind.DVR, "/{uid}/index-{from}-{duration}.m3u8"),
    Showing("download", Kind.COPY, "/{uid}/archive-{from}-{duration}.mp4"),
    Showing("preview", Kind.LIVE, "/{uid}/preview.jpg"),
)
SHOWINGS: Final[Mapping[str, tuple[Showing, ...]]] = MappingProxyType(
    {
        "aipix": (
            Showing("live", Kind.LIVE, "/live/{uid}/playlist_ios.m3u8"),
            Showing("dvr", Kind.DVR, "/dvr/{uid}/playlist_ios.m3u8?timestamp={from}&duration={duration}"),
            Showing("download", Kind.COPY, "/dvr/{uid}/record.mp4?timestamp={from}&duration={duration}"),
        ),
        "flussonic": _FLUSSONIC,
        "shift": _FLUSSONIC,
        "mediamtx": (Showing("live", Kind.LIVE, "/{uid}/index.m3u8"),),
    }
)
