"""The origin of a room's tracks: what is put there can be watched while it is renewed.

It knows nothing of rooms and tokens, and believes everybody: who may put what, and who may watch it, the gate
has said. Everything is in memory, the newest files of each track only. A playlist that nobody has renewed for
a while is not there any more, so that players do not take the last picture of a camera for a live one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

_TYPES: Final = {".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t"}
_PLAYLIST: Final = ".m3u8"
# Segments of a track: those of its playlist, and as many again for players that read it a while ago.
_SEGMENTS: Final = 20
_TRACKS: Final = 100
_FILE_LIMIT: Final = 4 * 1024 * 1024
_STALE_S: Final = 4.0


@dataclass(slots=True)
class _Track:
    """A track's files by their names, oldest first, and when the last one came."""

    files: dict[str, bytes] = field(default_factory=dict)
    changed_s: float = 0.0


class Tracks:
    """The tracks by the folders of their URLs. `now_s` is any clock that does not jump."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._tracks: dict[str, _Track] = {}

    def make_app(self) -> web.Application:
        """The origin, for as long as this object lives."""
        app = web.Application(client_max_size=_FILE_LIMIT)
        path = r"/{track:rooms/[^/]+/[^/]+/[^/]+}/{name:[^/]+\.(?:m3u8|ts)}"
        app.router.add_get(path, self._answer)
        app.router.add_put(path, self._receive)
        app.router.add_post(path, self._receive)
        return app

    def silent_s(self, track: str) -> float:
        """How long ago the last file of the track came; `track` is a path without slashes at its ends."""
        kept = self._tracks.get(track)
        return math.inf if kept is None else self._now_s() - kept.changed_s

    def read(self, track: str, name: str) -> bytes | None:
        """A file as a player gets it; None where there is none, or it is an old playlist."""
        kept = self._tracks.get(track)
        if kept is None or (name.endswith(_PLAYLIST) and self.silent_s(track) > _STALE_S):
            return None
        return kept.files.get(name)

    def write(self, track: str, name: str, content: bytes) -> bool:
        """The file is there from now on; gives whether it was not before."""
        # Both begin anew at the end: the first ones are those that nobody has touched for the longest time.
        kept = self._tracks.pop(track, None) or _Track()
        self._tracks[track] = kept
        new = kept.files.pop(name, None) is None
        kept.files[name] = content
        kept.changed_s = self._now_s()
        segments = [each for each in kept.files if not each.endswith(_PLAYLIST)]
        for old in segments[:-_SEGMENTS]:
            del kept.files[old]
        for forgotten in list(self._tracks)[:-_TRACKS]:
            del self._tracks[forgotten]
        return new

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = self.read(request.match_info["track"], name)
        if content is None:
            raise web.HTTPNotFound
        kind = name[name.rindex(".") :]
        caching = "no-cache" if kind == _PLAYLIST else "max-age=60"
        return web.Response(body=content, content_type=_TYPES[kind], headers={"Cache-Control": caching})

    async def _receive(self, request: web.Request) -> web.Response:
        # What breaks off, because a moderator has muted it, raises here and leaves nothing.
        content = await request.read()
        new = self.write(request.match_info["track"], request.match_info["name"], content)
        return web.Response(status=201 if new else 204)
