"""The body of a request to the demo's video objects: a form, or a file, which is written to disk as it comes.

A body is a form (multipart, with the file as `file`, or urlencoded, which browsers also send as plain text), or
else the file itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from gate.demo.shelf import Upload, new_id, sync

_FIELDS_LIMIT: Final = 65536
_CHUNK: Final = 65536


@contextlib.asynccontextmanager
async def received(request: web.Request, unfinished: Path, upload_limit: int) -> AsyncIterator[Upload]:
    """The whole body has come, with its file in `unfinished`, of which nothing is left there behind this.

    Raises HTTPBadRequest, and HTTPRequestEntityTooLarge where the file has more than `upload_limit` bytes.
    """
    name = new_id()
    path = unfinished / f"{name}.mp4"
    try:
        try:
            fields, size = await _receive(request, path, upload_limit)
        except (web.RequestPayloadError, BadHttpMessage, ConnectionError, ValueError, RuntimeError):
            raise web.HTTPBadRequest(text="the body is malformed, or breaks off") from None
        yield Upload(name if size else None, size, fields)
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def _receive(request: web.Request, path: Path, upload_limit: int) -> tuple[dict[str, list[str]], int]:
    """The fields of the body, and the size of the file that is at `path` now, 0 where there was none."""
    fields: dict[str, list[str]] = {}
    size = 0
    if (request.content_length or 0) > upload_limit + _FIELDS_LIMIT:
        raise _too_large(upload_limit)
    if request.content_type.startswith("multipart/"):
        left = _FIELDS_LIMIT
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None or (size and part.name == "file"):
                raise ValueError("not a form")
            if part.name == "file":
                size = await _write(path, _pieces(part), upload_limit)
            else:
                text = await _whole(_pieces(part), left)
                left -= len(text) + len(part.name)
                fields.setdefault(part.name, []).append(text.decode())
    elif request.content_type in ("application/x-www-form-urlencoded", "text/plain"):
        text = await _whole(request.content.iter_any(), _FIELDS_LIMIT)
        for name, value in parse_qsl(text.decode(), keep_blank_values=True):
            fields.setdefault(name, []).append(value)
    elif request.body_exists:
        size = await _write(path, request.content.iter_any(), upload_limit)
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
        await asyncio.to_thread(sync, file)
    finally:
        file.close()
    return size


def _too_large(limit: int) -> web.HTTPException:
    return web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=limit, text=f"more than {limit} bytes")
