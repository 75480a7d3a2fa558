"""An origin: the files of a folder, and what is written anew at each request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

TYPES = {
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    "ts": "video/mp2t",
    "m4s": "video/iso.segment",
    "mp4": "video/mp4",
    "key": "application/octet-stream",
}

# What is at a name now; None where nothing is.
Write = Callable[[str, "web.BaseRequest"], Awaitable[bytes | None]]


@dataclass
class Site:
    """Serves ``/<stream>/<name>``, for every stream the same: what `write` has to say of a name, else a file.

    Nothing may be kept: what it serves changes with the clock.
    """

    folder: Path
    write: Write
    missed: list[str] = field(default_factory=list)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        headers = {"Content-Type": TYPES.get(name.rpartition(".")[2], ""), "Cache-Control": "no-cache"}
        body = await self.write(name, request)
        if body is not None:
            return web.Response(body=body, headers=headers)
        file = self.folder / name
        if headers["Content-Type"] and file.is_file():
            return web.FileResponse(file, headers=headers)
        self.missed.append(request.raw_path)
        return web.Response(status=404)
