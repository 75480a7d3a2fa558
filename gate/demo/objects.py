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
else the file itself. Answers are ASCII JSON; to who asks with `_wrapstatus=true`, as players do, with the
status in the body: `{"status": 404, "responseText": ...}`, and the status line says 200. The method is the
request's own: `?_method=` is not heard. What a form says of a video (`key`, `title`, `description`, `tags`,
`volatile`) is kept, and nothing follows from it.

What is on disk is the shelf's (`gate.demo.shelf`). It knows nothing of tokens.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gate.demo.exports import make
from gate.demo.origin import REQUESTS, File, Seen
from gate.demo.recorder import ffmpeg
from gate.demo.shelf import Shelf, Stream, Upload, Video, new_id, new_stream
from gate.demo.uploads import received
from gate.errors import GateError

UPLOAD_LIMIT: Final = 200_000_000
_STREAMS_LIMIT: Final = 20
_REMEMBERED: Final = 2000
_IMAGE_S: Final = 20
_ID: Final = "[0-9a-f]{32}"
_VIDEOS: Final = "/v1/applications/{app:[A-Za-z0-9_-]{1,64}}/videos"
_VIDEO: Final = f"{_VIDEOS}/{{video:{_ID}}}"
_STREAM: Final = f"{_VIDEO}/streams/{{stream:{_ID}}}"
_TEXTS: Final = ("key", "title", "description")
# Of an uploaded file only what is an MP4 is read: a playlist in its place could name any file or address.
_READ: Final = ("-hide_banner", "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-f", "mov", "-i")
_FRAME: Final = ("-map", "0:v:0", "-frames:v", "1")
_IMAGE: Final = (*_FRAME, "-c:v", "mjpeg", "-q:v", "3", "-f", "image2", "-update", "1")


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
    """Refusals are JSON too, and their status may be asked for in the body: some clients read nothing else."""
    request.app[REQUESTS].append(Seen(request.method, request.raw_path, tuple(request.headers.items())))
    answer = await _tell(request, handler)
    if request.query.get("_wrapstatus") != "true" or not isinstance(answer, web.Response):
        return answer
    if answer.content_type != "application/json":
        return answer
    return web.json_response({"status": answer.status, "responseText": json.loads(answer.text or "null")})


async def _tell(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
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
        return File(path, headers={"Content-Type": "video/mp4", **headers})

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
        return File(path, headers={"Content-Type": "image/jpeg", "Cache-Control": "no-cache"})

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

    def _received(self, request: web.Request) -> AbstractAsyncContextManager[Upload]:
        return received(request, self._shelf.unfinished, self._upload_limit)


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece
