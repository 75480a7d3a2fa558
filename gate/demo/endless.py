"""A stream as one response without an end: `/cam1/mpegts`, for players that read plain MPEG-TS.

It is what the recorder publishes, one segment after the other. Their transport packets follow on each other
as they were encoded, so nothing is converted.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from aiohttp import web

from gate.demo.recorder import Segment

_LOOK_S = 0.2
_BEGIN_WITH = 2  # segments: what a player needs at once


def add_endless(app: web.Application, directory: Path, stream: str) -> None:
    """The origin answers `/<stream>/mpegts` from its start, until the client leaves.

    aiohttp tries the most literal path first, so the origin's own catch-all does not stand in the way.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t", "Cache-Control": "no-cache"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await _send(request, response, directory / stream)
        return response

    app.router.add_get(f"/{stream}/mpegts", answer)


async def _send(request: web.Request, response: web.StreamResponse, folder: Path) -> None:
    """The client has left."""
    sent_until_s = 0
    while request.transport is not None and not request.transport.is_closing():
        listed = await asyncio.to_thread(_listed, folder)
        for segment in [one for one in listed if one.start_s >= sent_until_s]:
            await response.write(await asyncio.to_thread((folder / segment.name).read_bytes))
            sent_until_s = segment.start_s + 1
        await asyncio.sleep(_LOOK_S)


def _listed(folder: Path) -> list[Segment]:
    """The newest segments of the stream's live playlist."""
    lines = (folder / "index.m3u8").read_text("ascii").splitlines()
    return [segment for line in lines if (segment := Segment.named(line))][-_BEGIN_WITH:]
