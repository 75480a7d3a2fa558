"""Streams as one response: `/cam1/mpegts` and its shifted forms, for players that read plain MPEG-TS.

It is what the recorder published, one segment after the other. Their transport packets follow on each other
as they were encoded; only where a recording ended and another began, their times are made to go on. A
shifted stream runs at the pace of time: no instant leaves before the whole of its segment is as old as the
stream's delay, and a gap lasts as long as it lasted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from gate.demo.archive import SEGMENT_S, Segment, overlapping, piece, recorded
from gate.demo.transport import Joint

_LOOK_S = 0.2
_BEGIN_WITH = 2  # segments: what a player needs at once
# A stream whose first picture is farther away than this is no stream: its player would give up.
_PATIENCE_MS = 60_000
# After this long a span that has passed gets no segment any more.
_LATE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Course:
    """From where a stream goes, until where (None: for ever), and how old what it sends must be.

    `delay_ms` None: whatever is recorded may leave at once.
    """

    start_ms: int
    end_ms: int | None = None
    delay_ms: int | None = None


def live_course(folder: Path) -> Course | None:
    """From the two newest segments of the live playlist on. None if there is no such stream."""
    newest = live_segments(folder)[-_BEGIN_WITH:]
    return Course(newest[0].start_ms) if newest else None


def span_course(folder: Path, start_s: int, lasts_s: int | None) -> Course | None:
    """What lies in `[start_s, + lasts_s)`, as quickly as it is read. None if nothing is recorded there."""
    course = Course(start_s * 1000, None if lasts_s is None else (start_s + lasts_s) * 1000)
    found = overlapping(recorded(folder, since_s=start_s), course.start_ms, course.end_ms)
    return course if found else None


def course_from(folder: Path, start_s: int) -> Course | None:
    """From `start_s` on at the pace of time, beginning now. None if nothing is recorded there."""
    start_ms = start_s * 1000
    return _if_soon(folder, Course(start_ms, delay_ms=_now_ms() - start_ms))


def delayed_course(folder: Path, delay_s: int) -> Course | None:
    """Live as it was `delay_s` ago, from that instant on. None if nothing was recorded then.

    Not a picture earlier, though a player would start sooner: who may watch from some time on asks with a
    delay that reaches back to just that.
    """
    start_ms = max(0, _now_ms() - delay_s * 1000)
    return _if_soon(folder, Course(start_ms, delay_ms=delay_s * 1000))


def live_segments(folder: Path) -> list[Segment]:
    """What the stream's live playlist lists, oldest first; nothing if there is no playlist."""
    try:
        lines = (folder / "index.m3u8").read_text("ascii").splitlines()
    except FileNotFoundError:
        return []
    return [segment for line in lines if (segment := Segment.named(line))]


async def answer(request: web.Request, folder: Path, course: Course) -> web.StreamResponse:
    """The stream has been sent: to its end, or until the client left."""
    response = web.StreamResponse(headers={"Content-Type": "video/mp2t", "Cache-Control": "no-cache"})
    await response.prepare(request)
    if request.method != "HEAD":
        with contextlib.suppress(ConnectionError):
            await _send(request, response, folder, course)
    return response


async def _send(request: web.Request, response: web.StreamResponse, folder: Path, course: Course) -> None:
    at_ms, end_ms = course.start_ms, course.end_ms
    known: list[Segment] = []
    joint = Joint()
    while _is_there(request):
        # Listed anew only when all that was known is sent: an archive of hours takes a while to list.
        known = known or await asyncio.to_thread(recorded, folder, since_s=at_ms // 1000)
        known = overlapping(known, at_ms, end_ms)
        if not known:
            if end_ms is not None and (at_ms >= end_ms or _now_ms() > end_ms + _LATE_MS):
                return
            await asyncio.sleep(_LOOK_S)
            continue
        segment = known.pop(0)
        if course.delay_ms is not None and not await _is_due(request, segment.end_ms + course.delay_ms):
            return
        # Deleted while it waited for its turn, perhaps.
        with contextlib.suppress(FileNotFoundError):
            packets = await asyncio.to_thread(piece, folder, segment, at_ms, end_ms)
            await response.write(joint.add(packets, max(at_ms, segment.start_ms)))
        at_ms = segment.end_ms


async def _is_due(request: web.Request, at_ms: int) -> bool:
    """That time has come, and the client is still there (or has left: False)."""
    while (wait_ms := at_ms - _now_ms()) > 0:
        if not _is_there(request):
            return False
        await asyncio.sleep(min(_LOOK_S, wait_ms / 1000))
    return True


def _is_there(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _if_soon(folder: Path, course: Course) -> Course | None:
    if course.start_ms > _now_ms():
        return None
    found = overlapping(
        recorded(folder, since_s=course.start_ms // 1000), course.start_ms, course.start_ms + _PATIENCE_MS
    )
    # Right at the live edge the first segment is still being recorded.
    is_edge = course.start_ms > _now_ms() - 2 * SEGMENT_S * 1000 and bool(live_segments(folder))
    return course if found or is_edge else None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
