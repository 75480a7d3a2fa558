"""A small origin of video objects under the URLs of Ziggeo's API: created, recorded anew, watched, destroyed.

    POST   /v1/applications/{app}/videos                            201: a new video, empty or with its file
    GET    /v1/applications/{app}/videos                            all of them, the newest first
    GET    .../videos/{v}                                           what is known of it
    POST   .../videos/{v}                                           other fields; with a file, recorded anew
    DELETE .../videos/{v}
    POST   .../videos/{v}/streams                                   201: another stream of it
    POST   .../videos/{v}/streams/{s}                               its file, recorded anew
    DELETE .../videos/{v}/streams/{s}
    GET    .../videos/{v}/[streams/{s}/](video.mp4|image)           without a stream: of its first

A body is a form (multipart, with the file as `file`, or urlencoded, which browsers also send as plain text), or
else the file itself. Answers are ASCII JSON. The method is the request's own: `?_method=` is not heard. What a
form says of a video (`key`, `title`, `description`, `tags`, `volatile`) is kept, and nothing follows from it.

On disk a video is a folder, which is built elsewhere and appears and goes as a whole. What it has is what its
`video.json` says, which is replaced at once; each recording is a file of a new name, and a file that nothing
names any more is removed. One process at a time may use a directory. It knows nothing of tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from gate.demo.exports import make
from gate.demo.origin import REQUESTS, Seen, _File  # what serves a file there serves one here
from gate.demo.recorder import ffmpeg
from gate.errors import GateError

UPLOAD_LIMIT: Final = 200_000_000
_VIDEOS_LIMIT: Final = 1000
_STREAMS_LIMIT: Final = 20
_FIELDS_LIMIT: Final = 65536
_REMEMBERED: Final = 2000
_CHUNK: Final = 65536
_IMAGE_S: Final = 20
_ID: Final = "[0-9a-f]{32}"
_VIDEOS: Final = "/v1/applications/{app:[A-Za-z0-9_-]{1,64}}/videos"
_VIDEO: Final = f"{_VIDEOS}/{{video:{_ID}}}"
_STREAM: Final = f"{_VIDEO}/streams/{{stream:{_ID}}}"
_TEXTS: Final = ("key", "title", "description")
# Of an uploaded file only what is an MP4 is read: a playlist in its place could name any file or address.
_READ: Final = ("-hide_banner", "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-f", "mov", "-i")
_IMAGE: Final = (
    "-map",
    "0:v:0",
    "-frames:v",
    "1",
    "-c:v",
    "mjpeg",
    "-q:v",
    "3",
    "-f",
    "image2",
    "-update",
    "1",
)


@dataclass(frozen=True, slots=True)
class Stream:
    """A recording of a video. `file` names its file, None while nothing is recorded."""

    token: str
    created: int
    file: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Video:
    """A video as its video.json says it; times in Unix seconds."""

    token: str
    created: int
    key: str | None = None
    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    volatile: bool = False
    streams: tuple[Stream, ...] = ()

    def stream(self, token: str | None) -> Stream | None:
        """The stream of that token; of None, the first."""
        return next((stream for stream in self.streams if token in (None, stream.token)), None)

    def recorded(self, token: str | None, upload: Upload) -> Video | None:
        """The video with the file in that stream. None where it has no such stream."""
        stream = self.stream(token) or (new_stream() if token is None else None)
        if stream is None:
            return None
        filled = replace(stream, file=upload.file, size=upload.size)
        rest = tuple(other for other in self.streams if other.token != stream.token)
        at = self.streams.index(stream) if stream in self.streams else len(rest)
        return replace(self, streams=(*rest[:at], filled, *rest[at:]))


@dataclass(frozen=True, slots=True)
class Upload:
    """What came in a request's body: the name and size of the file, which is in the shelf's unfinished folder
    (None: there was none), and the fields of the form."""

    file: str | None = None
    size: int = 0
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)


def new_id() -> str:
    """32 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)


def new_stream(upload: Upload | None = None) -> Stream:
    stream = Stream(new_id(), int(time.time()))
    return stream if upload is None else replace(stream, file=upload.file, size=upload.size)


class Shelf:
    """The videos in a directory. Its methods block; any thread may call them.

    Raises GateError where what it has written is damaged.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.unfinished = directory / ".unfinished"
        self.images = directory / ".images"
        self._writes = threading.Lock()

    def open(self) -> None:
        """The folders exist, and nothing is left of what was unfinished when the last process ended."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        for folder in (self.unfinished, self.images):
            folder.mkdir(parents=True, exist_ok=True)
        named = set()
        for folder in self._directory.glob("[!.]*/*"):
            files = {stream.file for stream in _load(folder).streams}
            for path in folder.iterdir():
                if path.stem not in files and path.name != "video.json":
                    path.unlink()
            named |= files
        for path in self.images.iterdir():
            if path.stem not in named:
                path.unlink()

    def find(self, app: str, token: str) -> Video | None:
        try:
            return _load(self._directory / app / token)
        except FileNotFoundError:
            return None

    def every(self, app: str) -> list[Video]:
        """The videos of an application, the newest first."""
        found = [self.find(app, folder.name) for folder in self._directory.glob(f"{app}/*")]
        return sorted(
            (video for video in found if video is not None), key=lambda video: (-video.created, video.token)
        )

    def path(self, app: str, video: Video, stream: Stream) -> Path:
        return self._directory / app / video.token / f"{stream.file}.mp4"

    def add(self, app: str, video: Video) -> bool:
        """The video is there, with its file where it has one. False where there are as many as may be."""
        folder = self.unfinished / video.token
        folder.mkdir()
        try:
            for stream in video.streams:
                self._unfinished(stream.file).rename(folder / f"{stream.file}.mp4")
            _save(folder, video)
            with self._writes:
                if sum(1 for _ in self._directory.glob("[!.]*/*")) >= _VIDEOS_LIMIT:
                    return False
                (self._directory / app).mkdir(exist_ok=True)
                folder.rename(self._directory / app / video.token)
            return True
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def change(self, app: str, token: str, edit: Callable[[Video], Video | None]) -> Video | None:
        """The video is what `edit` makes of it, with the file that it names anew. None where there is no such
        video, or nothing to be made of it."""
        folder = self._directory / app / token
        with self._writes:
            video = self.find(app, token)
            edited = None if video is None else edit(video)
            if video is None or edited is None:
                return None
            old, new = ({stream.file for stream in each.streams} - {None} for each in (video, edited))
            gone = new - old
            try:
                for file in new - old:
                    self._unfinished(file).rename(folder / f"{file}.mp4")
                _save(folder, edited)
                gone = old - new
            finally:
                for file in gone:
                    (folder / f"{file}.mp4").unlink(missing_ok=True)
                    self.image(file).unlink(missing_ok=True)
        return edited

    def remove(self, app: str, token: str) -> bool:
        """The video is gone, with all its files. False where there was none."""
        gone = self.unfinished / f"{token}.gone"
        with self._writes:
            video = self.find(app, token)
            if video is None:
                return False
            (self._directory / app / token).rename(gone)
            with contextlib.suppress(OSError):
                (self._directory / app).rmdir()
        for stream in video.streams:
            self.image(stream.file).unlink(missing_ok=True)
        shutil.rmtree(gone)
        return True

    def image(self, file: str | None) -> Path:
        """Where the image of a file is kept. Each recording has a file of its own, so an image is never old."""
        return self.images / f"{file}.jpg"

    def _unfinished(self, file: str | None) -> Path:
        return self.unfinished / f"{file}.mp4"


def _load(folder: Path) -> Video:
    try:
        said = json.loads((folder / "video.json").read_bytes())
        said["streams"] = tuple(Stream(**stream) for stream in said["streams"])
        return Video(**{**said, "tags": tuple(said["tags"])})
    except (ValueError, TypeError, KeyError) as error:
        raise GateError(f"demo: {folder / 'video.json'} is damaged") from error


def _save(folder: Path, video: Video) -> None:
    unfinished = folder / ".video.json"
    try:
        with unfinished.open("w", encoding="ascii") as file:
            json.dump(asdict(video), file)
            _sync(file)
        unfinished.replace(folder / "video.json")
    finally:
        unfinished.unlink(missing_ok=True)


def public(video: Video) -> dict[str, Any]:
    """What is told of a video."""
    said = asdict(video)
    for stream in said["streams"]:
        del stream["file"]
    first = video.stream(None)
    ready = first is not None and first.file is not None
    streams = said["streams"]
    return {**said, "state": "READY" if ready else "EMPTY", "default_stream": streams[0] if streams else None}


def edited(video: Video, fields: Mapping[str, Sequence[str]]) -> Video:
    """The video with what a form says of it. Other fields are ignored: the API's clients send many."""
    said: dict[str, Any] = {name: fields[name][-1] or None for name in _TEXTS if name in fields}
    if "volatile" in fields:
        said["volatile"] = fields["volatile"][-1].lower() in ("true", "1")
    listed = [*fields.get("tags", ()), *fields.get("tags[]", ())]
    if "tags" in fields or "tags[]" in fields:
        said["tags"] = tuple(tag.strip() for text in listed for tag in text.split(",") if tag.strip())
    return replace(video, **said)


def make_objects(directory: Path, *, upload_limit: int = UPLOAD_LIMIT) -> web.Application:
    """An origin of the videos in `directory`, with files of at most `upload_limit` bytes. What reached it is
    remembered under `gate.demo.origin.REQUESTS`. Starting raises GateError where the directory is no good."""
    app = web.Application(middlewares=[_answer])
    app[REQUESTS] = deque(maxlen=_REMEMBERED)
    objects = _Objects(Shelf(directory), upload_limit)
    app.on_startup.append(objects.open)
    app.add_routes(
        [
            web.get(_VIDEOS, objects.every),
            web.post(_VIDEOS, objects.create),
            web.get(_VIDEO, objects.tell),
            web.post(_VIDEO, objects.update),
            web.delete(_VIDEO, objects.destroy),
            web.post(f"{_VIDEO}/streams", objects.attach),
            web.post(_STREAM, objects.update),
            web.delete(_STREAM, objects.detach),
            *(web.get(f"{whose}/video.mp4", objects.watch) for whose in (_VIDEO, _STREAM)),
            *(web.get(f"{whose}/image", objects.image) for whose in (_VIDEO, _STREAM)),
        ]
    )
    return app


@web.middleware
async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refusals are JSON too: some clients read every answer as that."""
    request.app[REQUESTS].append(Seen(request.method, request.raw_path, tuple(request.headers.items())))
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        return _refusal(405, "this is not done here", {"Allow": error.headers["Allow"]})
    except web.HTTPException as error:
        return _refusal(error.status, error.text if error.body and error.text else error.reason)
    except GateError as error:
        return _refusal(503, str(error))
    except ConnectionError:
        raise
    except OSError as error:
        return _refusal(507, str(error.strerror))


def _refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": text}, status=status, headers=headers)


class _Objects:
    """Answers for the videos on a shelf."""

    def __init__(self, shelf: Shelf, upload_limit: int) -> None:
        self._shelf = shelf
        self._upload_limit = upload_limit
        self._imaging = asyncio.Lock()

    async def open(self, app: web.Application) -> None:
        try:
            await asyncio.to_thread(self._shelf.open)
        except OSError as error:
            raise GateError(f"demo: cannot keep videos in {error.filename}: {error.strerror}") from error

    async def every(self, request: web.Request) -> web.Response:
        videos = await asyncio.to_thread(self._shelf.every, request.match_info["app"])
        return web.json_response([public(video) for video in videos])

    async def create(self, request: web.Request) -> web.Response:
        async with self._received(request) as upload:
            streams = () if upload.file is None else (new_stream(upload),)
            video = edited(Video(new_id(), int(time.time()), streams=streams), upload.fields)
            if not await asyncio.to_thread(self._shelf.add, request.match_info["app"], video):
                raise web.HTTPForbidden(text="there are as many videos as may be")
        return web.json_response(public(video), status=201)

    async def tell(self, request: web.Request) -> web.Response:
        return web.json_response(public((await self._find(request))[0]))

    async def update(self, request: web.Request) -> web.Response:
        stream = request.match_info.get("stream")
        await self._find(request)
        async with self._received(request) as upload:

            def edit(video: Video) -> Video | None:
                told = edited(video, upload.fields) if stream is None else video
                return told if upload.file is None else told.recorded(stream, upload)

            return web.json_response(public(await self._change(request, edit)))

    async def destroy(self, request: web.Request) -> web.Response:
        video = request.match_info["video"]
        if not await asyncio.to_thread(self._shelf.remove, request.match_info["app"], video):
            raise web.HTTPNotFound(text="there is no such video")
        return web.json_response({})

    async def attach(self, request: web.Request) -> web.Response:
        await self._find(request)
        async with self._received(request) as upload:
            stream = new_stream(upload)

            def edit(video: Video) -> Video:
                if len(video.streams) >= _STREAMS_LIMIT:
                    raise web.HTTPForbidden(text="there are as many streams as may be")
                return replace(video, streams=(*video.streams, stream))

            video = await self._change(request, edit)
        told = next(each for each in public(video)["streams"] if each["token"] == stream.token)
        return web.json_response(told, status=201)

    async def detach(self, request: web.Request) -> web.Response:
        token = request.match_info["stream"]

        def edit(video: Video) -> Video | None:
            rest = tuple(stream for stream in video.streams if stream.token != token)
            return replace(video, streams=rest) if len(rest) < len(video.streams) else None

        await self._change(request, edit)
        return web.json_response({})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        video, stream = await self._find_file(request)
        name = "attachment" if request.query.get("download") == "true" else "inline"
        headers = {"Content-Disposition": f'{name}; filename="{video.token}.mp4"', "Cache-Control": "no-cache"}
        path = self._shelf.path(request.match_info["app"], video, stream)
        return _File(path, headers={"Content-Type": "video/mp4", **headers})

    async def image(self, request: web.Request) -> web.StreamResponse:
        video, stream = await self._find_file(request)
        path = self._shelf.image(stream.file)
        await asyncio.to_thread(ffmpeg)
        # One at a time, so that each is made once.
        async with self._imaging:
            if not path.exists():
                file = self._shelf.path(request.match_info["app"], video, stream)
                try:
                    async with asyncio.timeout(_IMAGE_S):
                        await make(path, (*_READ, f"file:{file.absolute()}", *_IMAGE), _nothing())
                except (GateError, TimeoutError):
                    raise web.HTTPNotFound(text="no image can be made of this video") from None
                if not file.exists():
                    # It was destroyed, or recorded anew, meanwhile.
                    path.unlink()
                    raise web.HTTPNotFound(text="there is no such recording any more")
        return _File(path, headers={"Content-Type": "image/jpeg", "Cache-Control": "no-cache"})

    async def _find(self, request: web.Request) -> tuple[Video, Stream | None]:
        said = request.match_info
        video = await asyncio.to_thread(self._shelf.find, said["app"], said["video"])
        if video is None:
            raise web.HTTPNotFound(text="there is no such video")
        stream = video.stream(said.get("stream"))
        if stream is None and "stream" in said:
            raise web.HTTPNotFound(text="there is no such stream")
        return video, stream

    async def _find_file(self, request: web.Request) -> tuple[Video, Stream]:
        video, stream = await self._find(request)
        if stream is None or stream.file is None:
            raise web.HTTPNotFound(text="nothing is recorded yet")
        return video, stream

    async def _change(self, request: web.Request, edit: Callable[[Video], Video | None]) -> Video:
        said = request.match_info
        video = await asyncio.to_thread(self._shelf.change, said["app"], said["video"], edit)
        if video is None:
            raise web.HTTPNotFound(text="there is no such video, or no such stream of it")
        return video

    @contextlib.asynccontextmanager
    async def _received(self, request: web.Request) -> AsyncIterator[Upload]:
        """The whole body has come. Of its file nothing is left behind this, unless it was taken away."""
        name = new_id()
        path = self._shelf.unfinished / f"{name}.mp4"
        try:
            try:
                fields, size = await self._receive(request, path)
            except (web.RequestPayloadError, BadHttpMessage, ConnectionError, ValueError, RuntimeError):
                raise web.HTTPBadRequest(text="the body is malformed, or breaks off") from None
            yield Upload(name if size else None, size, fields)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _receive(self, request: web.Request, path: Path) -> tuple[dict[str, list[str]], int]:
        """The fields of the body, and the size of the file that is at `path` now, 0 where there was none."""
        fields: dict[str, list[str]] = {}
        size = 0
        if (request.content_length or 0) > self._upload_limit + _FIELDS_LIMIT:
            raise _too_large(self._upload_limit)
        if request.content_type.startswith("multipart/"):
            left = _FIELDS_LIMIT
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or part.name is None or (size and part.name == "file"):
                    raise ValueError("not a form")
                if part.name == "file":
                    size = await _write(path, _pieces(part), self._upload_limit)
                else:
                    text = await _whole(_pieces(part), left)
                    left -= len(text) + len(part.name)
                    fields.setdefault(part.name, []).append(text.decode())
        elif request.content_type in ("application/x-www-form-urlencoded", "text/plain"):
            text = await _whole(request.content.iter_any(), _FIELDS_LIMIT)
            for name, value in parse_qsl(text.decode(), keep_blank_values=True):
                fields.setdefault(name, []).append(value)
        elif request.body_exists:
            size = await _write(path, request.content.iter_any(), self._upload_limit)
        return fields, size


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        yield await part.read_chunk(_CHUNK)


async def _whole(pieces: AsyncIterator[bytes], limit: int) -> bytes:
    text = b""
    async for piece in pieces:
        text += piece
        if len(text) > limit:
            raise _too_large(_FIELDS_LIMIT)
    return text


async def _write(path: Path, pieces: AsyncIterator[bytes], limit: int) -> int:
    """All pieces are on disk at `path`; gives their size."""
    size = 0
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(_sync, file)
    finally:
        file.close()
    return size


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _too_large(limit: int) -> web.HTTPException:
    return web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=limit, text=f"more than {limit} bytes")


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece
