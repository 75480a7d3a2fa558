"""Date ranges and hints: what they are about may be seen, or they go."""

from __future__ import annotations

import pytest

from gate.core.allowed import NOTHING, Allowed
from gate.core.windows import Span, Windows
from gate.media.hls.reader import Reader
from gate.media.hls.timed import dateranges_outside, hint_span, part_target_us
from gate.media.hls.timeline import Timeline

T0 = 1_767_225_600_000
WINDOW = Allowed(Windows.of([Span(T0, T0 + 60_000)]))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('START-DATE="2026-01-01T00:00:00Z"', True),
        ('START-DATE="2026-01-01T00:01:00Z"', False),
        ('START-DATE="2025-12-31T23:00:00Z"', True),
        ('START-DATE="2025-12-31T23:59:00Z",DURATION=60', False),
        ('START-DATE="2025-12-31T23:59:00Z",DURATION=60.5', True),
        ('START-DATE="2025-12-31T23:59:00Z",DURATION=999999', True),
        ('START-DATE="2025-12-31T23:59:00Z",END-DATE="2025-12-31T23:59:30Z"', False),
        ('START-DATE="2026-01-01T00:00:30Z",END-DATE="2025-12-31T23:59:30Z"', True),
        ('START-DATE="x"', False),
    ],
)
def test_date_ranges(said: str, kept: bool) -> None:
    assert outside(f'ID="a",{said}') == ([] if kept else [1])


def outside(*ranges: str, allowed: Allowed = WINDOW) -> list[int]:
    tags = [f"#EXT-X-DATERANGE:{said}\n" for said in ranges]
    return dateranges_outside(Reader().read("".join(["#EXTM3U\n", *tags]).encode()), allowed)


def test_tags_of_one_range() -> None:
    begins, ends = 'START-DATE="2025-12-31T23:00:00Z"', 'END-DATE="2025-12-31T23:30:00Z"'
    # Of the first it is not known when it ends, of the second not when it begins.
    assert outside(f'ID="a",{begins}', f'ID="b",{begins}', f'ID="a",{ends}') == [1, 3]
    assert outside(f'ID="a",{begins}', 'ID="a",END-DATE="2026-01-01T00:00:30Z"') == []
    assert outside(begins, ends) == [2], "without an ID each is alone"


@pytest.mark.parametrize(("cue", "kept"), [("PRE", True), ("POST,ONCE", True), ("ONCE", False), ("", False)])
def test_interstitials_around_all_that_is_played(cue: str, kept: bool) -> None:
    tag = f'ID="a",START-DATE="2025-01-01T00:00:00Z",DURATION=0,CUE="{cue}",X-ASSET-URI="ad.m3u8"'
    assert outside(tag) == ([] if kept else [1])
    assert outside(tag, allowed=NOTHING) == [1]


@pytest.mark.parametrize(
    ("tail", "target", "span"),
    [
        ("", "2.0", Span(T0 + 6_000, T0 + 8_000)),
        ('#EXT-X-PART:DURATION=1.5,URI="p"\n', "2.0", Span(T0 + 7_500, T0 + 9_500)),
        ('#EXT-X-PART:URI="p"\n', "2.0", None),
        ("#EXT-X-DISCONTINUITY\n", "2.0", None),
        ("", "x", Span(T0 + 6_000, T0 + 6_000)),
    ],
)
def test_hints(tail: str, target: str, span: Span | None) -> None:
    date = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z"
    body = f"#EXTM3U\n#EXT-X-PART-INF:PART-TARGET={target}\n{date}\n#EXTINF:6,\na.ts\n{tail}"
    read = Reader().read(body.encode())
    assert part_target_us(read) == (2_000_000 if target == "2.0" else 0)
    assert hint_span(read, Timeline(read)) == span
