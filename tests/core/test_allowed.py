"""What may be seen of a manifest: rights, windows and the live edge; and when nothing of it is too little."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate.core.allowed import EVERYTHING, NOTHING, Allowed, allow, refuse_nothing
from gate.core.media import Kind
from gate.core.reasons import Reason
from gate.core.token import Rights
from gate.core.windows import ALWAYS_MS, UNBOUNDED, Span, Windows

NOW = 1_767_225_600_000
NEWEST = NOW - 5_000
EDGE = 60_000
WINDOW = Windows.of([Span(NOW - 3_600_000, NOW - 1_800_000)])
OPEN = Windows.of([Span(NOW - 3_600_000, ALWAYS_MS)])
LIVE, DVR, COPY = Rights(live=True), Rights(dvr=True), Rights(copy=True)
BOTH, ALL = Rights(live=True, dvr=True), Rights(live=True, dvr=True, copy=True)


def allowed(rights: Rights, windows: Windows, asked: Kind | None, **more: object) -> Allowed:
    return allow(rights, windows, asked, **{"edge_ms": EDGE, "now_ms": NOW, "newest_ms": NEWEST, **more})  # type: ignore[arg-type]


def spans(*args: object, **more: int | None) -> tuple[tuple[int, int], ...]:
    return tuple((span.start_ms, span.end_ms) for span in allowed(*args, **more).spans)  # type: ignore[arg-type]


AT = NEWEST - EDGE
ARCHIVE = ((NOW - 3_600_000, NOW - 1_800_000),)


def test_live() -> None:
    assert spans(LIVE, WINDOW, Kind.LIVE) == ((AT, ALWAYS_MS),)
    assert spans(BOTH, WINDOW, Kind.LIVE) == (*ARCHIVE, (AT, ALWAYS_MS))
    assert spans(BOTH, OPEN, Kind.LIVE) == ((NOW - 3_600_000, ALWAYS_MS),)
    assert spans(DVR, WINDOW, Kind.LIVE) == ARCHIVE
    assert spans(DVR, OPEN, Kind.LIVE) == ((NOW - 3_600_000, AT),)
    assert spans(COPY, OPEN, Kind.LIVE) == ()


def test_the_edge_is_counted_from_the_newest_entry_else_from_now() -> None:
    assert spans(LIVE, WINDOW, Kind.LIVE, newest_ms=None) == ((NOW - EDGE, ALWAYS_MS),)
    assert spans(LIVE, WINDOW, None) == ((NOW - EDGE, ALWAYS_MS),)
    assert spans(DVR, OPEN, None) == ((NOW - 3_600_000, NOW - EDGE),)


def test_the_edge_is_never_shorter_than_three_target_durations() -> None:
    assert spans(LIVE, WINDOW, Kind.LIVE, target_ms=6_000) == ((AT, ALWAYS_MS),)
    assert spans(LIVE, WINDOW, Kind.LIVE, target_ms=30_000) == ((NEWEST - 90_000, ALWAYS_MS),)
    # A target of days is no leave to see days.
    assert spans(LIVE, WINDOW, Kind.LIVE, target_ms=10**15) == ((NEWEST - 360_000, ALWAYS_MS),)


def test_without_the_right_to_live_our_clock_counts_too() -> None:
    """What says its time itself is measured by it when it is fetched."""
    assert spans(DVR, OPEN, Kind.LIVE, newest_ms=NOW + 30_000) == ((NOW - 3_600_000, NOW - EDGE),)
    assert spans(LIVE, OPEN, Kind.LIVE, newest_ms=NOW + 30_000) == ((NOW - 30_000, ALWAYS_MS),)


def test_the_archive() -> None:
    assert spans(BOTH, WINDOW, Kind.DVR) == ARCHIVE
    assert spans(BOTH, OPEN, Kind.DVR) == ((NOW - 3_600_000, ALWAYS_MS),)
    assert spans(DVR, OPEN, Kind.DVR) == ((NOW - 3_600_000, NOW - EDGE),)
    assert allowed(LIVE, OPEN, Kind.DVR) == NOTHING
    assert allowed(COPY, OPEN, Kind.DVR) == NOTHING
    # By our clock: an archive's newest entry may be of any age.
    assert spans(DVR, OPEN, Kind.DVR, newest_ms=NOW - 7_200_000) == ((NOW - 3_600_000, NOW - EDGE),)


@pytest.mark.parametrize("strict", [False, True])
def test_a_rule_may_ask_for_whole_entries(strict: bool) -> None:
    for rights, asked in ((DVR, Kind.DVR), (BOTH, Kind.DVR), (DVR, Kind.LIVE), (LIVE, Kind.LIVE), (BOTH, None)):
        assert allowed(rights, WINDOW, asked, strict=strict).strict == strict
    assert allowed(COPY, WINDOW, Kind.COPY, strict=strict).strict


def ago(start_s: int, end_s: int) -> Span:
    return Span(NOW - start_s * 1000, NOW - end_s * 1000)


@pytest.mark.parametrize(
    ("rights", "windows", "span", "undated"),
    [
        # All of what was asked for may be seen, to the millisecond.
        (DVR, WINDOW, ago(3600, 1800), True),
        (BOTH, WINDOW, ago(3000, 2000), True),
        (DVR, WINDOW, Span(NOW - 3_600_001, NOW - 1_800_000), False),
        (DVR, WINDOW, Span(NOW - 3_600_000, NOW - 1_799_999), False),
        (DVR, WINDOW, ago(7200, 4000), False),
        (DVR, Windows.of([ago(3600, 3000), ago(2999, 1800)]), ago(3600, 1800), False),
        (DVR, WINDOW, None, False),
        # Nothing of the live edge, without the right to it.
        (DVR, OPEN, ago(600, 60), True),
        (DVR, OPEN, ago(600, 59), False),
        (BOTH, OPEN, ago(600, 0), True),
        (DVR, UNBOUNDED, ago(600, 0), True),
    ],
)
def test_what_has_no_date_is_of_the_time_that_was_asked_for(
    rights: Rights, windows: Windows, span: Span | None, undated: bool
) -> None:
    one = allowed(rights, windows, Kind.DVR, span=span)
    assert one.undated == one.keeps(None) == undated
    # Elsewhere no URL says a time that could be believed.
    for kind in (Kind.LIVE, None):
        assert not allowed(rights, WINDOW, kind, span=span).undated


def test_copies() -> None:
    copied = allowed(COPY, WINDOW, Kind.COPY)
    assert copied.strict
    assert copied.windows == WINDOW
    assert allowed(BOTH, WINDOW, Kind.COPY) == NOTHING


@pytest.mark.parametrize(
    ("rights", "windows", "asked"),
    [
        (ALL, UNBOUNDED, Kind.LIVE),
        (ALL, UNBOUNDED, None),
        (Rights(), WINDOW, Kind.OBJECT),
        (BOTH, UNBOUNDED, Kind.LIVE),
        (BOTH, UNBOUNDED, Kind.DVR),
        (COPY, UNBOUNDED, Kind.COPY),
    ],
)
def test_everything(rights: Rights, windows: Windows, asked: Kind | None) -> None:
    assert allowed(rights, windows, asked).everything


def test_unknown_time_needs_every_time() -> None:
    assert EVERYTHING.keeps(None)
    assert not NOTHING.keeps(None)
    assert allowed(DVR, UNBOUNDED, Kind.DVR).keeps(None)
    for one in (
        allowed(LIVE, UNBOUNDED, Kind.LIVE),
        allowed(DVR, UNBOUNDED, Kind.LIVE),
        allowed(DVR, UNBOUNDED, None),
        allowed(BOTH, OPEN, Kind.LIVE),
    ):
        assert not one.keeps(None)


def test_an_assumed_time_is_good_for_the_live_edge_only() -> None:
    both = allowed(BOTH, Windows.of([Span(NOW - 300_000, NOW - 100_000)]), Kind.LIVE, newest_ms=None)
    assert both.keeps(Span(NOW - 200_000, NOW - 194_000))
    assert not both.keeps(Span(NOW - 200_000, NOW - 194_000), assumed=True)
    assert both.keeps(Span(NOW - 6_000, NOW), assumed=True)
    assert not allowed(DVR, OPEN, Kind.LIVE).keeps(Span(NOW - 200_000, NOW - 194_000), assumed=True)


def test_what_is_of_no_kind_must_be_dated() -> None:
    """Its URL may have shifted it into the archive, where the last entry is not the live edge."""
    for rights, windows in ((LIVE, UNBOUNDED), (LIVE, WINDOW), (BOTH, WINDOW), (BOTH, OPEN)):
        one = allowed(rights, windows, None, newest_ms=None)
        assert one.keeps(Span(NOW - 6_000, NOW))
        assert not one.keeps(Span(NOW - 6_000, NOW), assumed=True)
        assert allowed(rights, windows, Kind.LIVE, newest_ms=None).keeps(Span(NOW - 6_000, NOW), assumed=True)


def test_an_entry_overlaps_or_lies_within() -> None:
    loose, strict = Allowed(Windows.of([Span(0, 10_000)])), Allowed(Windows.of([Span(0, 10_000)]), strict=True)
    for span, whole in (
        (Span(0, 10_000), True),
        (Span(9_999, 16_000), False),
        (Span(-5_999, 1), False),
        (Span(5_000, 5_000), True),
    ):
        assert loose.keeps(span)
        assert strict.keeps(span) == whole
    for span in (Span(-6_000, 0), Span(10_000, 16_000), Span(10_000, 10_000), Span(6_000, 5_000)):
        assert not loose.keeps(span) or span.start_ms > span.end_ms
        assert not strict.keeps(span)
    # What is longer than any segment must lie within.
    assert not loose.keeps(Span(-120_000, 1))
    assert loose.keeps(Span(-119_999, 1))


def test_nothing_that_ends_too_late() -> None:
    one = Allowed(Windows.of([Span(0, 10_000)]), until_ms=6_000)
    assert one.keeps(Span(0, 6_000))
    assert not one.keeps(Span(0, 6_001))
    assert one.ripe.keeps(Span(0, 6_001))
    assert not one.everything
    assert one.spans == (Span(0, 6_000),)
    assert one.ripe.spans == (Span(0, 10_000),)


@pytest.mark.parametrize(
    ("rights", "windows", "left"),
    [
        # The gap to the live edge grows: what is before it goes.
        (BOTH, [ago(3600, 1800)], ((AT, ALWAYS_MS),)),
        (BOTH, [ago(3600, 1800), ago(900, 300)], ((AT, ALWAYS_MS),)),
        (BOTH, [Span(AT - 9_000, AT - 1)], ((AT, ALWAYS_MS),)),
        # Where a window reaches the edge, or goes beyond it, no gap grows: those that are stay as they are.
        (BOTH, [Span(AT - 9_000, AT)], None),
        (BOTH, [ago(3600, 1800), ago(900, 0)], None),
        (BOTH, [ago(3600, -3600)], None),
        (LIVE, [ago(3600, 1800)], None),
        # Without the right to live nothing is at the edge.
        (DVR, [ago(3600, 1800), ago(900, 300)], None),
    ],
)
def test_what_is_shown_of_a_manifest_that_goes_on(
    rights: Rights, windows: list[Span], left: tuple[tuple[int, int], ...] | None
) -> None:
    one = allowed(rights, Windows.of(windows), Kind.LIVE)
    if left is None:
        assert one.steady == one
    else:
        assert tuple((span.start_ms, span.end_ms) for span in one.steady.spans) == left
        assert replace(one.steady, windows=one.windows) == one


# When nothing of it may be seen.

HOUR = Span(0, 3_600_000)


@pytest.mark.parametrize(
    ("windows", "grows", "refused"),
    [
        # It lies within what it spans, where nothing was recorded.
        ([Span(1000, 2000)], False, False),
        ([Span(-10_000, 1)], False, False),
        ([Span(3_599_999, 9_000_000)], False, False),
        # It is over, or has not begun.
        ([Span(-10_000, 0)], False, True),
        ([Span(-10_000, 0)], True, True),
        ([Span(3_600_000, 9_000_000)], False, True),
        ([Span(3_600_000, 9_000_000)], True, False),
        ([Span(-10_000, 0), Span(9_000_000, 9_001_000)], True, False),
        ([], True, True),
        ([], False, True),
    ],
)
def test_a_manifest_without_entries_stands_for_what_may_come(
    windows: list[Span], grows: bool, refused: bool
) -> None:
    refusal = refuse_nothing(Allowed(Windows.of(windows)), held=HOUR, grows=grows)
    assert (refusal is not None) == refused
    if refusal is not None:
        assert refusal.reason is Reason.OUTSIDE_WINDOW
        assert refusal.facts == (("recorded", {"from": 0.0, "to": 3600.0}),)


@pytest.mark.parametrize("grows", [False, True])
def test_what_says_no_time_at_all_is_refused_for_that(grows: bool) -> None:
    refusal = refuse_nothing(allowed(LIVE, UNBOUNDED, Kind.LIVE), held=None, grows=grows)
    assert refusal is not None
    assert refusal.reason is Reason.TIME_UNKNOWN


def test_what_is_too_young_as_yet_comes() -> None:
    young = Span(NEWEST - 30_000, NEWEST)
    late = allowed(DVR, OPEN, Kind.LIVE)
    assert not late.keeps(young)
    assert refuse_nothing(late, held=young, grows=True) is None
