"""What the origin makes of an archive when it is asked: downloads, frames as images, one-frame videos.

A download holds exactly the frames of its span. It is cut between key frames, not encoded again, so an hour
takes a second. What was made stays in a hidden folder beside the recordings, the newest few of each kind; its
time of change is that of the newest segment in it, so a file that had to be made again still fits the parts
of it that a client has already.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gate.demo.archive import Segment, overlapping, piece, recorded
from gate.demo.recorder import ffmpeg, last_line
from gate.demo.transport import Joint
from gate.errors import GateError

_DOWNLOADS = 20
_IMAGES = 200
_AT_ONCE = 2
_COPIED = ("-map", "0:v:0", "-map", "0:a:0?", "-c", "copy")
_FORMATS = {
    "mp4": (*_COPIED, "-movflags", "+faststart", "-f", "mp4"),
    "ts": (*_COPIED, "-f", "mpegts"),
}
# The last picture that comes is the one that stays.
_IMAGE = ("-map", "0:v:0", "-c:v", "mjpeg", "-q:v", "3", "-f", "image2", "-update", "1")
_ONE_FRAME = ("-map", "0:v:0", "-c", "copy", "-frames:v", "1", "-movflags", "+faststart", "-f", "mp4")


@dataclass(frozen=True, slots=True)
class _Part:
    """What is recorded of a span `[start_ms, end_ms)`, and when the newest file of it was written."""

    folder: Path
    segments: tuple[Segment, ...]
    start_ms: int
    end_ms: int
    changed_ns: int

    @property
    def key(self) -> str:
        """Another one when the recording has grown, lost its oldest files or been recorded anew."""
        return f"{self.start_ms}-{self.end_ms}-{len(self.segments)}-{self.changed_ns:x}"

    async def pieces(self) -> AsyncIterator[bytes]:
        """What there is, one after the other, without the gaps between."""
        joint, at_ms = Joint(), 0
        for segment in self.segments:
            # It may have been deleted meanwhile: the oldest always are.
            with contextlib.suppress(FileNotFoundError):
                packets = await asyncio.to_thread(piece, self.folder, segment, self.start_ms, self.end_ms)
                yield joint.add(packets, at_ms)
                at_ms += min(self.end_ms, segment.end_ms) - max(self.start_ms, segment.start_ms)


class Exports:
    """The files made of the recordings in `directory`. All methods raise GateError where ffmpeg fails."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[Path, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def download(self, folder: Path, start_s: int, lasts_s: int, suffix: str) -> Path | None:
        """A file of exactly `[start_s, + lasts_s)` as far as it is recorded, in the format "mp4" or "ts".
        Gaps are left out. None where nothing is recorded."""
        part = await asyncio.to_thread(_part, folder, start_s * 1000, (start_s + lasts_s) * 1000)
        return await self._provide(part, "downloads", _DOWNLOADS, suffix, _FORMATS[suffix])

    async def image(self, folder: Path, second_s: int) -> Path | None:
        """A JPEG of the frame at that second. None where nothing is recorded."""
        part = await asyncio.to_thread(_part, folder, second_s * 1000, second_s * 1000 + 1000)
        return await self._provide(part, "images", _IMAGES, "jpg", ("-frames:v", "1", *_IMAGE))

    async def one_frame(self, folder: Path, second_s: int) -> Path | None:
        """An MP4 of the frame at that second and no other. None where nothing is recorded."""
        part = await asyncio.to_thread(_part, folder, second_s * 1000, second_s * 1000 + 1000)
        return await self._provide(part, "images", _IMAGES, "mp4", _ONE_FRAME)

    async def newest_image(self, folder: Path, newest: Segment) -> Path | None:
        """A JPEG of the last frame of the stream's newest segment. None when that is gone."""
        part = await asyncio.to_thread(_part, folder, newest.start_ms, newest.end_ms)
        return await self._provide(part, "images", _IMAGES, "newest.jpg", _IMAGE)

    async def close(self) -> None:
        """Nothing is being made any more, and no process is left."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _provide(
        self, part: _Part | None, kind: str, newest: int, suffix: str, encoding: Sequence[str]
    ) -> Path | None:
        """The file exists, if anything is recorded. However many ask for it at once, it is made once."""
        if part is None:
            return None
        place = self._directory / ".made" / part.folder.relative_to(self._directory) / f".{kind}"
        path = place / f"{part.key}.{suffix}"
        if not path.exists():
            task = self._running.get(path)
            if task is None:
                task = asyncio.create_task(self._make(path, part, encoding, newest))
                self._running[path] = task
                task.add_done_callback(lambda done: self._forget(path, done))
            # Whoever asked first may leave: the others still want it.
            await asyncio.shield(task)
        return path

    def _forget(self, path: Path, task: asyncio.Task[None]) -> None:
        self._running.pop(path, None)
        if not task.cancelled():
            # Looked at here, since all who waited for it may have left.
            task.exception()

    async def _make(self, path: Path, part: _Part, encoding: Sequence[str], newest: int) -> None:
        async with self._turns:
            arguments = ("-hide_banner", "-nostdin", "-v", "error", "-f", "mpegts", "-i", "pipe:0", *encoding)
            await make(path, arguments, part.pieces(), changed_ns=part.changed_ns)
            await asyncio.to_thread(_keep, path.parent, newest)


async def make(
    path: Path,
    arguments: Sequence[str],
    pieces: AsyncIterator[bytes | bytearray],
    *,
    changed_ns: int | None = None,
) -> None:
    """The file that ffmpeg makes with these arguments, fed with these pieces, stands at `path`, whole.

    A piece's memory may be used again for the next. Raises GateError with ffmpeg's last line.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(ffmpeg),
        *(*arguments, "-y", str(unfinished)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    hearing = asyncio.create_task(last_line(process.stderr))
    try:
        process.stdin.transport.set_write_buffer_limits(high=0)
        # It may stop reading early: when it has the one frame it wants, or fails.
        with contextlib.suppress(ConnectionError):
            async for data in pieces:
                process.stdin.write(data)
                await process.stdin.drain()
        process.stdin.close()
        said = await hearing
        if await process.wait() or not unfinished.exists():
            raise GateError(f"demo: ffmpeg could not make {path.name}: {said or process.returncode}")
        if changed_ns is not None:
            os.utime(unfinished, ns=(changed_ns, changed_ns))
        unfinished.replace(path)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.gather(hearing, process.wait(), return_exceptions=True)
        unfinished.unlink(missing_ok=True)


def _part(folder: Path, start_ms: int, end_ms: int) -> _Part | None:
    """What is recorded of the span. None if that is nothing."""
    found, changed_ns = [], 0
    for segment in overlapping(recorded(folder, since_s=start_ms // 1000), start_ms, end_ms):
        with contextlib.suppress(FileNotFoundError):
            changed_ns = max(changed_ns, (folder / segment.name).stat().st_mtime_ns)
            found.append(segment)
    return _Part(folder, tuple(found), start_ms, end_ms, changed_ns) if found else None


def _keep(folder: Path, newest: int) -> None:
    """Of the finished files only the last `newest` made are left."""
    made = []
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if not file.name.startswith("."):
                made.append((file.stat().st_ctime_ns, file))
    for _, file in sorted(made, reverse=True)[newest:]:
        file.unlink(missing_ok=True)
