"""The demo's media origin: what a recorder publishes, served as a plain HTTP file server would.

Besides the files as they are it answers three things that DVR origins answer: the live playlist under its
other names, an archive playlist of any span (`index-F-D.m3u8`, `archive-F-now.m3u8`, ...: F in Unix
seconds, D in seconds), and one finished video, `/video/clip.mp4`, which is on no timeline.

It knows nothing of tokens. What reached it is remembered, so that a test can show that none arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from gate.demo.clock import Picture
from gate.demo.recorder import FRAMES_PER_S, SEGMENT_S, encoding, ffmpeg, last_line, playlist, recorded
from gate.errors import GateError

_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
}
_PLAYLISTS = frozenset({"index.m3u8", "playlist.m3u8", "video.m3u8", "mono.m3u8"})
# What a path may consist of. No name begins with a dot: neither `..` nor a recorder's unfinished files.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SPAN = re.compile(r"(?:index|archive|video|mono)-([0-9]{1,10})-([0-9]{1,10}|now)\.m3u8")
_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived: the target's raw bytes as text, headers in their order."""

    method: str
    raw_path: str
    headers: tuple[tuple[str, str], ...]


REQUESTS: web.AppKey[deque[Seen]] = web.AppKey("requests", deque[Seen])
_DIRECTORY: web.AppKey[Path] = web.AppKey("directory", Path)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers on `url` until it is stopped."""

    runner: web.AppRunner
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def stop(self) -> None:
        """The port is free again; open connections are closed."""
        await self.runner.cleanup()


def make_app(directory: Path) -> web.Application:
    """An origin of the streams in `directory`. It makes `/video/clip.mp4` when it starts, if that is missing;
    starting raises GateError when there is no ffmpeg."""
    app = web.Application(middlewares=[_remember])
    app[REQUESTS] = deque(maxlen=_REMEMBERED)
    app[_DIRECTORY] = directory
    app.router.add_get("/{path:.*}", _answer)
    app.on_startup.append(_provide_clip)
    return app


async def serve(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> Running:
    """The app answers on `host` and the returned port, a free one if `port` is 0. Raises GateError."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise GateError(f"demo: the origin cannot listen on {host}:{port}: {error.strerror}") from error
    except GateError:
        await runner.cleanup()
        raise
    return Running(runner, host, runner.addresses[0][1])


async def make_clip(path: Path, *, duration_s: int = 6) -> None:
    """A finished MP4 stands at `path`, its index in front. Raises GateError with ffmpeg's last line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(ffmpeg),
        *encoding(path.stem),
        *("-movflags", "+faststart", "-f", "mp4", "-y", str(unfinished)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    hearing = asyncio.create_task(last_line(process.stderr))
    try:
        process.stdin.transport.set_write_buffer_limits(high=0)
        picture = Picture(path.stem)
        now_ms = time.time_ns() // 1_000_000
        with contextlib.suppress(ConnectionError):
            for number in range(duration_s * FRAMES_PER_S):
                process.stdin.write(picture.show(now_ms + number * 1000 // FRAMES_PER_S))
                await process.stdin.drain()
        process.stdin.close()
        said = await hearing
        if await process.wait():
            raise GateError(f"demo: ffmpeg could not make {path.name}: {said or process.returncode}")
        unfinished.replace(path)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.gather(hearing, process.wait(), return_exceptions=True)
        unfinished.unlink(missing_ok=True)


async def _provide_clip(app: web.Application) -> None:
    clip = app[_DIRECTORY] / "video" / "clip.mp4"
    if not clip.exists():
        await make_clip(clip)


@web.middleware
async def _remember(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    request.app[REQUESTS].append(Seen(request.method, request.raw_path, tuple(request.headers.items())))
    return await handler(request)


async def _answer(request: web.Request) -> web.StreamResponse:
    *folders, name = request.match_info["path"].split("/")
    media_type = _TYPES.get(Path(name).suffix)
    if media_type is None or not all(_NAME.fullmatch(part) for part in (*folders, name)):
        raise web.HTTPNotFound
    folder = request.app[_DIRECTORY].joinpath(*folders)
    if media_type == _TYPES[".m3u8"]:
        if span := _SPAN.fullmatch(name):
            return await asyncio.to_thread(_archive, folder, span[1], span[2])
        file, caching = folder / ("index.m3u8" if name in _PLAYLISTS else name), "no-cache"
    else:
        file, caching = folder / name, "max-age=3600"
    if not await asyncio.to_thread(file.is_file):
        raise web.HTTPNotFound
    return web.FileResponse(file, headers={"Content-Type": media_type, "Cache-Control": caching})


def _archive(folder: Path, start: str, duration: str) -> web.Response:
    """The playlist of what overlaps the span. It has an end when nothing can be added to it any more."""
    start_ms = int(start) * 1000
    every = recorded(folder)
    end_ms = None if duration == "now" else start_ms + int(duration) * 1000
    chosen = [
        segment
        for segment in every
        if segment.end_ms > start_ms and (end_ms is None or segment.start_s * 1000 < end_ms)
    ]
    if not chosen:
        raise web.HTTPNotFound
    ended = end_ms is not None and end_ms <= every[-1].end_ms
    # Numbered by time: a playlist that still grows keeps its numbers while its oldest files are deleted.
    text = playlist(chosen, sequence=chosen[0].start_s // SEGMENT_S, ended=ended)
    return web.Response(text=text, content_type=_TYPES[".m3u8"], headers={"Cache-Control": "no-cache"})
