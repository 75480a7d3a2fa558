"""What clipping a long playlist costs: CPU time of this process, beside peers in the same run.

Eight hours in 5,000 segments. The peers are the m3u8 library, if it is installed, which only reads and writes
the playlist, and a plain loop over the lines. Asserts no times.

python -m pytest tests/bench/bench_hls.py -m bench -s
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gate.core.allowed import EVERYTHING, Allowed
from gate.core.windows import Span, Windows
from gate.media.hls import Clipped, clip, read_playlist

pytestmark = pytest.mark.bench

SEGMENTS = 5_000
T0 = 1_767_225_600_000
ROUNDS = 51


def playlist(dated: int, more: str = "") -> bytes:
    """Segments of 6.006 s; one of so many has a date."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:7", "#EXT-X-MEDIA-SEQUENCE:1"]
    for number in range(SEGMENTS):
        if number % dated == 0:
            if more and number:
                lines.append(more)
            date = datetime.fromtimestamp((T0 + number * 6006) / 1000, UTC).isoformat(timespec="milliseconds")
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date.removesuffix('+00:00')}Z")
        lines += ["#EXTINF:6.006,", f"2026/01/01/{number:05d}-06006.ts"]
    return "\n".join([*lines, ""]).encode()


def clipped(body: bytes, *windows: tuple[float, float]) -> int:
    spans = [Span(T0 + round(start * 3_600_000), T0 + round(end * 3_600_000)) for start, end in windows]
    result = clip(read_playlist(body), Allowed(Windows.of(spans)))
    assert isinstance(result, Clipped)
    return result.kept


def marked(body: bytes) -> int:
    result = clip(read_playlist(body), EVERYTHING, lambda uri, span, byterange, place: uri)
    assert isinstance(result, Clipped)
    return result.kept


def line_by_line(body: bytes) -> int:
    """The plain way, cutting nothing: each line is looked at, each date is read."""
    found = 0
    for line in body.split(b"\n"):
        if line.startswith(b"#EXTINF:"):
            float(line[8:-1])
        elif line.startswith(b"#EXT-X-PROGRAM-DATE-TIME:"):
            datetime.fromisoformat(line[25:].decode()).timestamp()
        elif line and not line.startswith(b"#"):
            found += 1
    return found


def library(body: bytes) -> Callable[[], int] | None:
    if importlib.util.find_spec("m3u8") is None:
        return None
    loads = importlib.import_module("m3u8").loads
    text = body.decode()
    return lambda: len(loads(text).dumps())


def cost_ms(*works: Callable[[], int] | None) -> list[tuple[float, float]]:
    """Median and least CPU time of each; the works take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, spent in zip(works, times, strict=True):
            started = time.process_time_ns()
            if work is not None:
                assert work()
            spent.append((time.process_time_ns() - started) / 1e6)
    return [(statistics.median(spent), min(spent)) for spent in times]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a date on each segment", playlist(1)),
        ("one date", playlist(SEGMENTS)),
        ("a date on every tenth", playlist(10)),
        ("a new key every tenth", playlist(10, '#EXT-X-KEY:METHOD=AES-128,URI="k"')),
        ("a discontinuity every hundredth", playlist(100, "#EXT-X-DISCONTINUITY")),
    ],
)
def test_clip(name: str, body: bytes) -> None:
    works = {
        "one window": lambda: clipped(body, (2, 6)),
        "three windows": lambda: clipped(body, (1, 2), (3, 4), (5, 8)),
        "marked, not clipped": lambda: marked(body),
        "a plain loop": lambda: line_by_line(body),
        "m3u8 (loads, dumps)": library(body),
    }
    found = dict(zip(works, cost_ms(*works.values()), strict=True))
    print(f"\n{name}: {len(body) / 1000:.0f} kB")
    # Others use the machine as well: the least of many rounds is what the work itself costs.
    loop = found["a plain loop"][1]
    for work, (median, least) in found.items():
        if works[work] is not None:
            print(f"  {work:20} {least:7.2f} ms (median {median:.2f}), ratio to the loop {least / loop:.2f}")
