"""The demo's media origin: what a recorder publishes, served as a plain HTTP file server would.

Besides the files as they are it answers what DVR origins of the Flussonic family answer for a stream: its
live playlist under other names and as MPEG-TS, its archive as playlists, streams, downloads and images (the
table of forms below; F is in Unix seconds, D and N in seconds), and one finished video, `/video/clip.mp4`,
which is on no timeline.

It knows nothing of tokens. What reached it is remembered, so that a test can show that none arrived.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from gate.demo import endless
from gate.demo.archive import (
    Segment,
    playlist_from,
    recorded,
    rewind_playlist,
    shifted_playlist,
    span_playlist,
)
from gate.demo.clock import Picture
from gate.demo.exports import Exports, make
from gate.demo.recorder import FRAMES_PER_S, encoding
from gate.errors import GateError

_TYPES: Final = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
}
_PLAYLISTS: Final = frozenset({"index.m3u8", "playlist.m3u8", "video.m3u8", "mono.m3u8"})
# What a path may consist of. No name begins with a dot: neither `..` nor a recorder's unfinished files.
_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_PATH: Final = re.compile(rf"{_NAME}(?:/{_NAME})*")
_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived: the target's raw bytes as text, headers in their order."""

    method: str
    raw_path: str
    headers: tuple[tuple[str, str], ...]


REQUESTS: web.AppKey[deque[Seen]] = web.AppKey("requests", deque[Seen])
_DIRECTORY: web.AppKey[Path] = web.AppKey("directory", Path)
_EXPORTS: web.AppKey[Exports] = web.AppKey("exports", Exports)


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
    app[_EXPORTS] = exports = Exports(directory)
    app.router.add_get("/{path:.*}", _answer)
    app.on_startup.append(_provide_clip)

    async def close(app: web.Application) -> None:
        await exports.close()

    app.on_shutdown.append(close)
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
    arguments = (*encoding(path.stem), "-movflags", "+faststart", "-f", "mp4")
    await make(path, arguments, _frames(path.stem, duration_s))


async def _frames(title: str, duration_s: int) -> AsyncIterator[bytearray]:
    picture = Picture(title)
    now_ms = time.time_ns() // 1_000_000
    for number in range(duration_s * FRAMES_PER_S):
        yield picture.show(now_ms + number * 1000 // FRAMES_PER_S)


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
    path = request.match_info["path"]
    if not _PATH.fullmatch(path):
        raise web.HTTPNotFound
    for form, answer in _FORMS:
        if found := form.fullmatch(path):
            try:
                return await answer(request, request.app[_DIRECTORY] / found["stream"], found)
            except GateError as error:
                raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
    file = request.app[_DIRECTORY] / path
    media_type = _TYPES.get(file.suffix)
    if media_type is None:
        raise web.HTTPNotFound
    if file.name in _PLAYLISTS:
        file = file.with_name("index.m3u8")
    if not await asyncio.to_thread(file.is_file):
        raise web.HTTPNotFound
    caching = "no-cache" if media_type == _TYPES[".m3u8"] else "max-age=3600"
    return File(file, headers={"Content-Type": media_type, "Cache-Control": caching})


class File(web.FileResponse):
    """A file as aiohttp serves it, except that an `If-Range` may hold an entity tag (RFC 9110, 13.1.5): a
    part of another version of the file would be joined to what the client has of its own."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        tag = request.headers.get("If-Range", "")
        if tag.startswith(('"', "W/")):
            status = await asyncio.to_thread(self._path.stat)
            if tag != f'"{status.st_mtime_ns:x}-{status.st_size:x}"':
                kept = [(name, value) for name, value in request.headers.items() if name.lower() != "range"]
                return await super().prepare(request.clone(headers=kept))
        return await super().prepare(request)


_Answer = Callable[[web.Request, Path, "re.Match[str]"], Awaitable[web.StreamResponse]]


def _listing(write: Callable[[list[Segment], re.Match[str], int], str | None]) -> _Answer:
    """An answerer with the playlist that `write` makes of what is recorded, the path and the time in ms."""

    async def answer(request: web.Request, folder: Path, found: re.Match[str]) -> web.StreamResponse:
        every = await asyncio.to_thread(recorded, folder)
        text = write(every, found, time.time_ns() // 1_000_000)
        if text is None:
            raise web.HTTPNotFound
        return web.Response(text=text, content_type=_TYPES[".m3u8"], headers={"Cache-Control": "no-cache"})

    return answer


def _streaming(course: Callable[[Path, re.Match[str]], endless.Course | None]) -> _Answer:
    """An answerer with the MPEG-TS of the course that is laid for the folder and the path."""

    async def answer(request: web.Request, folder: Path, found: re.Match[str]) -> web.StreamResponse:
        laid = await asyncio.to_thread(course, folder, found)
        if laid is None:
            raise web.HTTPNotFound
        return await endless.answer(request, folder, laid)

    return answer


async def _download(request: web.Request, folder: Path, found: re.Match[str]) -> web.StreamResponse:
    start_s, lasts_s, suffix = int(found["start"]), int(found["lasts"]), found["suffix"]
    file = await request.app[_EXPORTS].download(folder, start_s, lasts_s, suffix)
    complete = start_s + lasts_s < time.time() - 60
    name = f"{folder.name}-{start_s}-{lasts_s}.{suffix}"
    return _made(file, "max-age=3600" if complete else "no-cache", f'attachment; filename="{name}"')


async def _image(request: web.Request, folder: Path, found: re.Match[str]) -> web.StreamResponse:
    second = Segment.named(f"{found['date']}-01000.ts")
    if second is None:
        raise web.HTTPNotFound
    exports = request.app[_EXPORTS]
    provide = exports.image if found["suffix"] == ".jpg" else exports.one_frame
    return _made(await provide(folder, second.start_s), "max-age=3600")


async def _newest_image(request: web.Request, folder: Path, found: re.Match[str]) -> web.StreamResponse:
    listed = await asyncio.to_thread(endless.live_segments, folder)
    if not listed:
        raise web.HTTPNotFound
    return _made(await request.app[_EXPORTS].newest_image(folder, listed[-1]), "no-cache")


def _made(file: Path | None, caching: str, disposition: str = "inline") -> web.StreamResponse:
    if file is None:
        raise web.HTTPNotFound
    headers = {"Content-Disposition": disposition, "Cache-Control": caching}
    return File(file, headers={"Content-Type": _TYPES[file.suffix], **headers})


def _lasts_s(found: re.Match[str]) -> int | None:
    return None if found["lasts"] == "now" else int(found["lasts"])


def _span_listing(prefix: str) -> _Answer:
    return _listing(
        lambda every, found, now_ms: span_playlist(
            every, int(found["start"]), _lasts_s(found), now_ms, prefix=prefix
        )
    )


_START: Final = r"(?P<start>[0-9]{1,10})"
_AGO: Final = r"(?P<ago>[0-9]{1,10})"
_LASTS: Final = r"(?P<lasts>[0-9]{1,10})"
_LASTS_OR_NOW: Final = r"(?P<lasts>[0-9]{1,10}|now)"
_DATE: Final = r"(?P<date>[0-9]{4}(?:/[0-9]{2}){5})"

# What comes after a stream's name, and what answers. Anything else is a file, or nothing.
_FORMS: Final[tuple[tuple[re.Pattern[str], _Answer], ...]] = tuple(
    (re.compile(rf"(?P<stream>{_NAME}(?:/{_NAME})*)/{tail}"), answer)
    for tail, answer in (
        (rf"(?:index|archive|video|mono)-{_START}-{_LASTS_OR_NOW}\.m3u8", _span_listing("")),
        (rf"archive/{_START}/{_LASTS_OR_NOW}/index\.m3u8", _span_listing("../../../")),
        (
            rf"timeshift_abs-{_START}\.m3u8",
            _listing(lambda every, found, now_ms: playlist_from(every, int(found["start"]))),
        ),
        (
            rf"timeshift_rel-{_AGO}\.m3u8",
            _listing(lambda every, found, now_ms: shifted_playlist(every, now_ms - int(found["ago"]) * 1000)),
        ),
        (
            rf"rewind-{_AGO}\.m3u8",
            _listing(lambda every, found, now_ms: rewind_playlist(every, now_ms - int(found["ago"]) * 1000)),
        ),
        (rf"archive-{_START}-{_LASTS}\.(?P<suffix>mp4|ts)", _download),
        (
            rf"archive/{_START}/{_LASTS_OR_NOW}/mpegts",
            _streaming(lambda folder, found: endless.span_course(folder, int(found["start"]), _lasts_s(found))),
        ),
        (
            rf"timeshift_abs-{_START}\.ts",
            _streaming(lambda folder, found: endless.course_from(folder, int(found["start"]))),
        ),
        (
            rf"timeshift_rel-{_AGO}\.ts",
            _streaming(lambda folder, found: endless.delayed_course(folder, int(found["ago"]))),
        ),
        # Behind the archive's own, whose beginning would else be read as part of a stream's name.
        (r"mpegts", _streaming(lambda folder, found: endless.live_course(folder))),
        (r"preview\.jpg", _newest_image),
        (rf"{_DATE}(?P<suffix>\.jpg|-preview\.mp4)", _image),
    )
)
