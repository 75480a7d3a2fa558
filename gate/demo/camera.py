"""A participant's camera: ffmpeg encodes a drawn clock, and puts it as HLS where the gate takes it.

The camera comes with its owner's token, in a header that ffmpeg repeats with each file, and needs nothing
else: who may enter enters by publishing. Where the gate refuses, because a moderator has muted the camera, its
owner is out or the gate is away, the camera asks again and again, with an empty playlist, and films when that
is taken. Segments are numbered by the clock, so that each run goes on behind the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from gate.core.reasons import Reason
from gate.demo.clock import Picture
from gate.demo.recorder import FRAMES_PER_S, PICTURES, PICTURES_CODED, ffmpeg

PLAYLIST: Final = "index.m3u8"
_EMPTY: Final = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"
_SEGMENT_S: Final = 1
_LISTED: Final = 6
_PAUSE_S: Final = 1.0
# ffmpeg goes on filming whatever the answer is. So what counts is whether anything arrives.
_SILENT_S: Final = 3.0
_PATIENCE_S: Final = 5.0


class Camera:
    """Films while it is started; `async with` starts and stops it.

    `url` is the folder of the track at the gate, `token` gives the one that is good now, `silent_s` says for
    how long nothing has arrived at the origin. `on_disabled` is called each time when the gate says that a
    moderator has disabled the camera.
    """

    def __init__(
        self,
        title: str,
        url: str,
        token: Callable[[], str],
        silent_s: Callable[[], float],
        *,
        on_disabled: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._title = title
        self._url = url
        self._token = token
        self._silent_s = silent_s
        self._on_disabled = on_disabled
        self._task: asyncio.Task[None] | None = None
        self.refusal = ""
        """The reason of the last refusal; '' while it films."""

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def start(self) -> None:
        """It films as soon as the gate lets it."""
        self._task = asyncio.create_task(self._film_always(), name=f"camera of {self._title}")

    async def stop(self) -> None:
        """No process is left. May be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _film_always(self) -> None:
        program = await asyncio.to_thread(ffmpeg)
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)
        ) as http:
            while True:
                token = self._token()
                self.refusal = await self._ask(http, token)
                if not self.refusal:
                    try:
                        await self._film(program, token)
                    except OSError as error:
                        self.refusal = f"ffmpeg: {error.strerror}"
                elif self.refusal == Reason.TRACK_DISABLED.value and self._on_disabled is not None:
                    await self._on_disabled()
                await asyncio.sleep(_PAUSE_S)

    async def _ask(self, http: aiohttp.ClientSession, token: str) -> str:
        """'' where the gate takes a playlist without segments now, else why not."""
        url = URL(f"{self._url}/{PLAYLIST}", encoded=True)
        try:
            async with http.put(url, data=_EMPTY, headers={"Authorization": token}) as answer:
                return "" if answer.ok else answer.headers.get("Gate-Reason", str(answer.status))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__

    async def _film(self, program: str, token: str) -> None:
        """ffmpeg has ended, or films for nobody, and was ended."""
        process = await asyncio.create_subprocess_exec(
            program,
            *("-hide_banner", "-nostdin", "-v", "quiet", *PICTURES, *PICTURES_CODED),
            *("-f", "hls", "-hls_time", str(_SEGMENT_S), "-hls_list_size", str(_LISTED)),
            *("-hls_start_number_source", "epoch", "-hls_flags", "omit_endlist"),
            *("-method", "PUT", "-headers", f"Authorization: {token}\r\n"),
            *("-hls_segment_filename", f"{self._url}/%d.ts", f"{self._url}/{PLAYLIST}"),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # A Ctrl-C in the terminal is for us. ffmpeg ends with its input, even when we are killed.
            start_new_session=True,
        )
        assert process.stdin is not None
        feeding = asyncio.create_task(self._feed(process.stdin))
        try:
            while not feeding.done() and self._silent_s() < _SILENT_S:
                await asyncio.wait({feeding}, timeout=_PAUSE_S)
        finally:
            feeding.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.gather(feeding, process.wait(), return_exceptions=True)

    async def _feed(self, stdin: asyncio.StreamWriter) -> None:
        """ffmpeg reads no more. Until then it got a frame when due."""
        # Drained to the last byte after each frame, because the next one is drawn into the same memory.
        stdin.transport.set_write_buffer_limits(high=0)
        picture = Picture(self._title)
        due_s = time.monotonic()
        try:
            while True:
                stdin.write(picture.show(time.time_ns() // 1_000_000))
                await stdin.drain()
                # After a sleep of the whole machine there is nothing to catch up with.
                due_s = max(due_s + 1 / FRAMES_PER_S, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        except ConnectionError:
            return
        finally:
            stdin.close()
