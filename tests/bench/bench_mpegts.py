"""What cutting an MPEG-TS by its clock costs: CPU time of this process per MB, beside peers in the same run.

A minute of 720p at 5 Mbit/s, made by the ffmpeg of the wheel. Asserts no times.

python -m pytest tests/bench/bench_mpegts.py -m bench -s
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable

import imageio_ffmpeg
import pytest

from gate.media.mpegts import TimeLimit

pytestmark = pytest.mark.bench

FOREVER_MS = 10**9
SIZE = 188
ROUNDS = 9


@pytest.fixture(scope="module")
def minute() -> bytes:
    video = ("-f", "lavfi", "-i", "testsrc=s=1280x720:r=25", "-f", "lavfi", "-i", "sine", "-t", "60")
    rate = ("-b:v", "5M", "-minrate", "5M", "-maxrate", "5M", "-bufsize", "5M", "-x264-params", "nal-hrd=cbr")
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", *rate, "-c:a", "aac", "-f", "mpegts", "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *video, *coded]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=100).stdout


def cut(chunks: list[bytes]) -> int:
    limit = TimeLimit(FOREVER_MS)
    return sum(len(limit.feed(chunk)) for chunk in chunks) + len(limit.end())


def copy(chunks: list[bytes]) -> int:
    return sum(len(bytes(bytearray(chunk))) for chunk in chunks)


def one_by_one(chunks: list[bytes]) -> int:
    """The plain way: every packet is taken in hand."""
    rest, passed, last = b"", 0, 0
    for chunk in chunks:
        data = rest + chunk
        end = len(data) // SIZE * SIZE
        for at in range(0, end, SIZE):
            if data[at] != 0x47:
                raise AssertionError
            if data[at + 3] & 0x20 and data[at + 4] >= 7 and data[at + 5] & 0x10:
                last = int.from_bytes(data[at + 6 : at + 11]) >> 7
        rest = data[end:]
        passed += len(data[:end])
    assert last
    return passed + len(rest)


def median_ms_per_mb(size: int, *works: Callable[[], int]) -> list[float]:
    """The median CPU time of each work over so many bytes; the works take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, spent in zip(works, times, strict=True):
            started = time.process_time_ns()
            assert work() == size
            spent.append((time.process_time_ns() - started) / size)
    return [statistics.median(spent) for spent in times]


@pytest.mark.parametrize("chunk", [1460, 16384, 65536, 262144])
def test_cut(minute: bytes, chunk: int) -> None:
    chunks = [minute[at : at + chunk] for at in range(0, len(minute), chunk)]
    ours, copying, plain = median_ms_per_mb(
        len(minute), lambda: cut(chunks), lambda: copy(chunks), lambda: one_by_one(chunks)
    )
    print(
        f"\ncut {len(minute) / 1e6:.0f} MB in chunks of {chunk}: {ours:.2f} ms per MB; copying twice "
        f"{copying:.2f}, ratio {ours / copying:.1f}; packet by packet {plain:.2f}, ratio {ours / plain:.2f}"
    )


def test_worst(minute: bytes) -> None:
    """Every packet has a clock; no packet is in sync."""
    size = len(minute) // SIZE * SIZE // 8
    tick = bytes([0x47, 1, 0, 0x30, 7, 0x10])
    clocks = b"".join(tick + (at << 15).to_bytes(6) + bytes(176) for at in range(size // SIZE))
    lost = minute[:65800] + bytes(1) + b"G" * 187 + (b"GGG" + bytes(60)) * 100_000
    for name, data in (("a clock in every packet", clocks), ("no sync", lost)):
        chunks = [data[at : at + 65536] for at in range(0, len(data), 65536)]
        (ours,) = median_ms_per_mb(len(data), lambda chunks=chunks: cut(chunks))
        print(f"\n{name}: {ours:.2f} ms per MB")
