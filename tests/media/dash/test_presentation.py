"""When an MPD's periods and segments are, by the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gate.core.windows import ALWAYS_MS, Span
from gate.media.dash import MpdError, Presentation

EPOCH_MS = 1_700_000_000_000
Build = Callable[..., Presentation]
EACH_2_S = '<SegmentTemplate duration="2" media="$Number$"/><Representation/>'
TIMELINE = "<SegmentTemplate><SegmentTimeline>{}</SegmentTimeline></SegmentTemplate><Representation/>"
DYNAMIC = 'type="dynamic"'
NOWHERE = 'xmlns:x="u" x:href="urn:mpeg:dash:resolve-to-zero:2013"'


def listed(presentation: Presentation) -> list[Any]:
    """Of each track: when the first begins and the last ends that a player may ask for, in ticks."""
    found = []
    for period in presentation.periods:
        for track in period.tracks() or ():
            entries = presentation.entries(period, track)
            kept = presentation.listed(period, track, entries)
            found.append(kept and (entries.start(kept.first), entries.end(kept.last)))
    return found


def periods(presentation: Presentation) -> list[tuple[float, float | None]]:
    return [
        (one.start_us / 10**6, None if one.end_us is None else one.end_us / 10**6)
        for one in presentation.periods
    ]


@pytest.mark.parametrize(
    ("inner", "head", "expected"),
    [
        ("<Period/>", "", [(0, None)]),
        ("<Period/>", 'mediaPresentationDuration="PT9S"', [(0, 9)]),
        ('<Period duration="PT5S"/><Period/>', 'mediaPresentationDuration="PT9S"', [(0, 5), (5, 9)]),
        ('<Period start="PT1S"/><Period start="PT4S"/>', DYNAMIC, [(1, 4), (4, None)]),
        # Of two ends the later one.
        ('<Period start="PT0S" duration="PT5S"/><Period start="PT4S"/>', "", [(0, 5), (4, None)]),
        ('<Period start="PT0S" duration="PT3S"/><Period start="PT4S"/>', "", [(0, 4), (4, None)]),
        # When it begins is not known yet.
        ("<Period/>", DYNAMIC, []),
        ('<Period start="PT0S"/><Period/><Period start="PT4S"/>', DYNAMIC, [(0, None), (4, None)]),
        (f"<Period {NOWHERE}/><Period/>", "", [(0, None)]),
    ],
)
def test_periods(mpd: Build, inner: str, head: str, expected: list[tuple[float, float | None]]) -> None:
    assert periods(mpd(inner, head)) == expected
    assert mpd(inner, head).known == (
        len(expected) == inner.replace(NOWHERE, "/").count("<Period") - ("x:" in inner)
    )


def test_periods_that_go_back_in_time(mpd: Build) -> None:
    with pytest.raises(MpdError, match="periods that go back in time"):
        _ = mpd('<Period start="PT5S"/><Period start="PT4S"/>').periods


def test_the_clock(mpd: Build) -> None:
    assert mpd("").epoch_us == EPOCH_MS * 1000
    bare = 'availabilityStartTime="-"'
    assert mpd("", bare).epoch_us is None
    assert mpd("", bare, origin_ms=7).epoch_us == 7000
    assert mpd("", f"{bare} {DYNAMIC}", origin_ms=7).epoch_us is None
    assert mpd("").body.startswith(b"<?xml")


@pytest.mark.parametrize(
    ("inner", "head", "now_s", "expected"),
    [
        (EACH_2_S, 'mediaPresentationDuration="PT9S"', 0, [(0, 10)]),
        (EACH_2_S, DYNAMIC, 9, None),
        (f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>', DYNAMIC, 9, [(0, 8)]),
        (f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>', DYNAMIC, -9, [None]),
        (
            f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>',
            f'{DYNAMIC} timeShiftBufferDepth="PT3S"',
            9,
            [(6, 8)],
        ),
        (
            f'<Period start="PT0S" duration="PT5S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>',
            DYNAMIC,
            9,
            [(0, 6)],
        ),
        (
            f'<Period start="PT0S" duration="PT5S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>',
            DYNAMIC,
            3,
            [(0, 2)],
        ),
        (EACH_2_S.replace("duration", 'startNumber="4" endNumber="5" duration'), "", 0, [(0, 4)]),
        (EACH_2_S.replace("duration", 'endNumber="0" duration'), "", 0, [None]),
        (
            EACH_2_S.replace("duration", 'eptDelta="1" duration'),
            'mediaPresentationDuration="PT9S"',
            0,
            [(1, 9)],
        ),
        (
            '<SegmentList duration="3"><SegmentURL/><SegmentURL/></SegmentList><Representation/>',
            "",
            0,
            [(0, 6)],
        ),
        (
            TIMELINE.format('<S t="1" d="2"/><S d="3" r="-1"/>'),
            'mediaPresentationDuration="PT8S"',
            0,
            [(1, 9)],
        ),
    ],
)
def test_segments(mpd: Build, inner: str, head: str, now_s: int, expected: list[Any] | None) -> None:
    if expected is None:
        assert not mpd(inner, head, now_s=now_s).periods
    else:
        assert listed(mpd(inner, head, now_s=now_s)) == expected


@pytest.mark.parametrize(
    "inner",
    [
        EACH_2_S,
        TIMELINE.format('<S d="2" r="-1"/>'),
    ],
)
def test_segments_without_an_end(mpd: Build, inner: str) -> None:
    with pytest.raises(MpdError, match="segments without an end"):
        listed(mpd(inner))


def test_entries_are_read_once(mpd: Build) -> None:
    presentation = mpd(EACH_2_S, 'mediaPresentationDuration="PT9S"')
    period = presentation.periods[0]
    tracks = period.tracks()
    assert tracks is not None
    assert presentation.entries(period, tracks[0]) is presentation.entries(period, tracks[0])


def test_what_there_is(mpd: Build) -> None:
    presentation = mpd(EACH_2_S, 'mediaPresentationDuration="PT9S"')
    assert presentation.held == Span(EPOCH_MS, EPOCH_MS + 10_000)
    assert presentation.newest_ms == EPOCH_MS + 10_000
    assert presentation.target_ms == 2000
    assert presentation.holds(presentation.periods[0])


def test_what_there_is_of_a_file(mpd: Build) -> None:
    presentation = mpd("<Representation/>", 'mediaPresentationDuration="PT9S" maxSegmentDuration="PT1.0001S"')
    assert presentation.held == Span(EPOCH_MS, EPOCH_MS + 9000)
    assert presentation.newest_ms == EPOCH_MS + 9000
    assert presentation.target_ms == 1001
    assert presentation.holds(presentation.periods[0])
    presentation = mpd(
        '<Period start="PT1S"><AdaptationSet><Representation/></AdaptationSet></Period>', DYNAMIC
    )
    assert presentation.held == Span(EPOCH_MS + 1000, ALWAYS_MS)
    assert presentation.newest_ms is None
    assert presentation.target_ms is None


def test_nothing_there(mpd: Build) -> None:
    presentation = mpd(
        f'<Period start="PT1S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>', DYNAMIC, now_s=0
    )
    assert presentation.held is None
    assert presentation.newest_ms is None
    assert not presentation.holds(presentation.periods[0])
    assert mpd(EACH_2_S, 'availabilityStartTime="-" mediaPresentationDuration="PT9S"').held is None
