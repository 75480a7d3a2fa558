"""Which instants a piece of the demo's media shows, read off its decoded pictures."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

from gate.demo.clock import HEIGHT, WIDTH, read_instants
from gate.demo.recorder import ffmpeg, last_line
from gate.errors import GateError


async def instants_of(media: bytes) -> list[float]:
    """The Unix times, to a tenth of a second, of every picture in these bytes, in the order of display.

    `media` is a file or a piece of a stream that ffmpeg knows by its content: MPEG-TS, MP4, JPEG. Raises
    GateError when it is none, holds no picture, or a picture shows no time.
    """
    with tempfile.TemporaryDirectory(prefix="gate-demo-") as directory:
        # A file, because an MP4 may have its index at its end.
        file = Path(directory) / "media"
        await asyncio.to_thread(file.write_bytes, media)
        return await _decode(file)


async def _decode(file: Path) -> list[float]:
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(ffmpeg),
        *("-hide_banner", "-nostdin", "-v", "error", "-i", str(file), "-map", "0:v:0"),
        *(
            "-fps_mode",
            "passthrough",
            "-s",
            f"{WIDTH}x{HEIGHT}",
            "-pix_fmt",
            "gray",
            "-f",
            "rawvideo",
            "pipe:1",
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=WIDTH * HEIGHT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    hearing = asyncio.create_task(last_line(process.stderr))
    found: list[float] = []
    try:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                found += read_instants(await process.stdout.readexactly(WIDTH * HEIGHT))
        said = await hearing
        if await process.wait() or not found:
            raise GateError(f"demo: this is no media with pictures: {said or process.returncode}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.gather(hearing, process.wait(), return_exceptions=True)
    return found
