"""A live stream that needs no camera: ffmpeg encodes a drawn clock, and we publish what it cuts as HLS.

Time is exact by construction. A recording starts at an *epoch*, a whole even second of UTC; frame n shows
and means epoch + n / 10 s; a key frame falls on every tenth, so that a span of whole seconds can be cut out
without encoding it anew. Segment k covers [epoch + 2k, + 2) to the frame, and its dated name (see
`gate.demo.archive`), its EXT-X-PROGRAM-DATE-TIME and the clock in the picture say the same. ffmpeg itself
could only name a segment by the local time at which it opened the file, hence it writes numbered files into
a hidden folder and they are renamed here.

The epoch lies `prefill_s` in the past: those seconds are encoded at full speed, twenty in less than half a
second, so a stream has its whole live window and some archive from its start. When the machine slept or its
clock was set, the recording ends and another begins at a new epoch, behind an EXT-X-DISCONTINUITY.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import re
import shutil
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gate.demo.archive import SEGMENT_S, Segment, playlist, recorded
from gate.demo.clock import HEIGHT, WIDTH, Picture
from gate.errors import GateError

FRAMES_PER_S = 10
# Frames on ffmpeg's stdin, and how they are encoded, for players of any age.
PICTURES = (
    *("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}"),
    *("-framerate", str(FRAMES_PER_S), "-i", "pipe:0"),
)
PICTURES_CODED = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"),
    *("-g", str(FRAMES_PER_S), "-keyint_min", str(FRAMES_PER_S), "-sc_threshold", "0", "-threads", "1"),
)
_TONES_HZ = (440, 523, 587, 659, 784)
_START_DEADLINE_S = 90
# How far the machine's clock may move from one frame to the next before a new recording begins.
_SLIP_MS = 10_000
_STREAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


class Recorder:
    """Records one stream into `directory/stream` while it is started; `async with` starts and stops it.

    `window` segments are listed in `index.m3u8`. Files stay for `keep_s` seconds of stream time, and at
    least as long as a player may still ask for what it read in a playlist (RFC 8216, 6.2.2). What an
    earlier recorder left in the folder is kept as archive under the same rule.
    """

    def __init__(
        self,
        directory: Path,
        stream: str = "cam1",
        *,
        keep_s: int = 600,
        window: int = 10,
        prefill_s: int = 20,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        if not _STREAM.fullmatch(stream):
            raise GateError(f"demo: {stream!r} cannot be a stream's name: letters, digits, '-' and '_' only")
        self.stream = stream
        self.folder = directory / stream
        self._work = directory / f".{stream}.recording"
        self._keep_ms = 1000 * max(keep_s, (2 * window + 1) * SEGMENT_S)
        self._prefill_s = prefill_s
        self._now_ms = now_ms
        self._kept: list[Segment] = []
        self._listed: deque[Segment] = deque(maxlen=window)
        self._next_sequence = 0
        self._picture = Picture(stream)
        self._missing = 0
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.process_id: int | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """What was to be prefilled, and at least two segments, can be watched. Raises GateError with
        ffmpeg's last line."""
        if self._task is not None:
            raise GateError(f"demo: {self.stream} is being recorded already")
        self._missing = max(2, self._prefill_s // SEGMENT_S)
        self._task = asyncio.create_task(self._record_always(), name=f"recorder of {self.stream}")
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait(
                {ready, self._task}, timeout=_START_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED
            )
            if self._task.done():
                await self._task
            if not self._ready.is_set():
                raise GateError(f"demo: ffmpeg made no segment of {self.stream} in {_START_DEADLINE_S} s")
        except BaseException:
            await self.stop()
            raise
        finally:
            ready.cancel()

    async def wait(self) -> None:
        """The recording is over: returns after `stop()`, raises GateError if ffmpeg ended by itself."""
        task = self._task
        if task is None:
            return
        await asyncio.wait({task})
        if not task.cancelled():
            await task

    async def stop(self) -> None:
        """No process and no unfinished file is left; what was published stays. May be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._ready.clear()
        await asyncio.to_thread(shutil.rmtree, self._work, ignore_errors=True)

    async def _record_always(self) -> None:
        program = await asyncio.to_thread(ffmpeg)
        prefill_s = self._prefill_s
        try:
            for run in itertools.count():
                epoch_s = (self._now_ms() // 1000 - prefill_s) // SEGMENT_S * SEGMENT_S
                await asyncio.to_thread(self._make_room, epoch_s)
                await self._record(program, epoch_s, run)
                prefill_s = 0
        except OSError as error:
            raise GateError(f"demo: cannot record {self.stream}: {error}") from error

    async def _record(self, program: str, epoch_s: int, run: int) -> None:
        """The clock slipped and ffmpeg ended. Raises GateError when ffmpeg ended for another reason."""
        process = await asyncio.create_subprocess_exec(
            program,
            *encoding(self.stream),
            *("-f", "hls", "-hls_time", str(SEGMENT_S), "-hls_list_size", "1"),
            # One sound frame per packet, else a quarter second of sound lands in the next segment.
            *("-hls_segment_options", "pes_payload_size=0"),
            *("-hls_segment_filename", f"{epoch_s}-%d.ts", "pipe:1"),
            cwd=self._work,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # A Ctrl-C in the terminal is for us. ffmpeg ends with its input, even when we are killed.
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process_id = process.pid
        feeding = asyncio.create_task(self._feed(process.stdin, epoch_s * 1000))
        hearing = asyncio.create_task(last_line(process.stderr))
        try:
            await self._publish_each(process.stdout, epoch_s, run)
            said = await hearing
            await process.wait()
            if not await feeding:
                raise GateError(f"demo: ffmpeg stopped recording {self.stream}: {said or process.returncode}")
        finally:
            feeding.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.gather(feeding, hearing, process.wait(), return_exceptions=True)
            self.process_id = None

    async def _feed(self, stdin: asyncio.StreamWriter, epoch_ms: int) -> bool:
        """The clock slipped (True) or ffmpeg reads no more (False). Until then it got a frame when due."""
        # Drained to the last byte after each frame, because the next one is drawn into the same memory.
        stdin.transport.set_write_buffer_limits(high=0)
        number = 0
        before_ms = self._now_ms()
        try:
            while True:
                at_ms = epoch_ms + number * 1000 // FRAMES_PER_S
                now_ms = self._now_ms()
                # Between two frames, not against the picture: a busy machine may fall behind and catch up.
                if abs(now_ms - before_ms) > _SLIP_MS:
                    return True
                before_ms = now_ms
                # Also yields while catching up, where a pipe that takes everything never would.
                await asyncio.sleep(max(0, at_ms - now_ms) / 1000)
                stdin.write(self._picture.show(at_ms))
                await stdin.drain()
                number += 1
        except ConnectionError:
            return False
        finally:
            stdin.close()

    async def _publish_each(self, stdout: asyncio.StreamReader, epoch_s: int, run: int) -> None:
        """ffmpeg has ended, and each segment of whose end it told us is in the playlist.

        It tells by printing its own playlist of one entry: a length, then a file's name.
        """
        duration_ms = 0
        async for line in stdout:
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("#EXTINF:"):
                duration_ms = round(float(text[8:].rstrip(",")) * 1000)
            elif text.endswith(".ts") and (self._work / text).exists():
                number = int(text[:-3].rpartition("-")[2])
                segment = Segment(epoch_s + number * SEGMENT_S, duration_ms, run)
                await asyncio.to_thread(self._publish, self._work / text, segment)
                self._missing -= 1
                if self._missing <= 0:
                    self._ready.set()

    def _publish(self, file: Path, segment: Segment) -> None:
        target = self.folder / segment.name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        self._kept.append(segment)
        self._listed.append(segment)
        self._next_sequence += 1
        index = self._work / "index.m3u8"
        text = playlist(tuple(self._listed), sequence=self._next_sequence - len(self._listed))
        index.write_text(text, encoding="ascii")
        index.replace(self.folder / "index.m3u8")
        self._remove([old for old in self._kept if old.end_ms < segment.end_ms - self._keep_ms])

    def _make_room(self, epoch_s: int) -> None:
        """Nothing recorded reaches the epoch, so that an archive shows a gap between two recordings."""
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        self._kept = recorded(self.folder)
        # Numbered by the clock at first, so that numbers grow from one start of a recorder to the next.
        self._next_sequence = self._next_sequence or epoch_s // SEGMENT_S
        self._remove([old for old in self._kept if old.end_ms >= epoch_s * 1000])

    def _remove(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            file = self.folder / segment.name
            file.unlink(missing_ok=True)
            # Ends at the first folder that still holds something.
            with contextlib.suppress(OSError):
                for folder in file.parents[:5]:
                    folder.rmdir()
        gone = {segment.start_s for segment in segments}
        self._kept = [segment for segment in self._kept if segment.start_s not in gone]
        # Only a clock that was set back takes from here; the playlist's discontinuity number tells of it.
        listed = [segment for segment in self._listed if segment.start_s not in gone]
        self._listed = deque(listed, self._listed.maxlen)


def ffmpeg() -> str:
    """The path of the ffmpeg that came with Python's `imageio-ffmpeg`. Blocks at its first call."""
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise GateError('demo: ffmpeg is missing; install it with: pip install "gate[demo]"') from error


def encoding(title: str) -> tuple[str, ...]:
    """What to read and how to encode it: frames from stdin and a soft tone, for players of any age."""
    tone_hz = _TONES_HZ[zlib.crc32(title.encode()) % len(_TONES_HZ)]
    return (
        *("-hide_banner", "-nostdin", "-v", "error", *PICTURES),
        *("-f", "lavfi", "-i", f"sine=frequency={tone_hz}:sample_rate=48000"),
        *("-map", "0:v", "-map", "1:a", "-af", "volume=0.5", *PICTURES_CODED),
        # One channel and the quicker of two searches: else the tone costs twice what the picture does.
        *("-c:a", "aac", "-aac_coder", "fast", "-b:a", "48k", "-ac", "1"),
        # The tone has no end of its own: without this ffmpeg would outlive its input.
        "-shortest",
    )


async def last_line(stderr: asyncio.StreamReader) -> str:
    """The last line that was printed before the stream ended, or ''."""
    last = ""
    async for line in stderr:
        last = line.decode("utf-8", "replace").strip() or last
    return last
