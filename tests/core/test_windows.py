"""Half-open spans and their unions, against sets of instants."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.windows import ALL_TIME, ALWAYS_MS, UNBOUNDED, Span, Windows, span_of_seconds

FAST = settings(max_examples=200, deadline=None)
bounds = st.integers(-3, 25)
any_spans = st.builds(Span, bounds, bounds)
unions = st.lists(any_spans, max_size=6)


def instants(*spans: Span) -> set[int]:
    return {at for span in spans for at in range(span.start_ms, span.end_ms)}


@FAST
@given(unions)
def test_windows_are_sorted_disjoint_and_cover_exactly_the_union(spans: list[Span]) -> None:
    windows = Windows.of(spans)
    assert instants(*windows.spans) == instants(*spans)
    assert all(span.start_ms < span.end_ms for span in windows.spans)
    assert all(
        before.end_ms < after.start_ms for before, after in zip(windows.spans, windows.spans[1:], strict=False)
    )
    assert Windows.of(reversed(spans)) == windows
    assert Windows.of(windows.spans) == windows


@FAST
@given(unions, any_spans)
def test_overlap_and_contain_are_those_of_sets(spans: list[Span], span: Span) -> None:
    windows = Windows.of(spans)
    assert windows.overlap(span) == bool(instants(span) & instants(*spans))
    if span.start_ms < span.end_ms:
        assert windows.contain(span) == (instants(span) <= instants(*spans))
    elif span.start_ms > span.end_ms:
        assert not windows.contain(span)


@FAST
@given(any_spans, any_spans)
def test_overlaps_is_symmetric_and_touching_is_not_sharing(one: Span, other: Span) -> None:
    assert one.overlaps(other) == other.overlaps(one) == bool(instants(one) & instants(other))
    assert not Span(0, 5).overlaps(Span(5, 9))


def test_seconds_become_milliseconds_and_zero_is_open() -> None:
    assert span_of_seconds(10, 20) == Span(10_000, 20_000)
    assert span_of_seconds(0, 20) == Span(-ALWAYS_MS, 20_000)
    assert span_of_seconds(10, 0) == Span(10_000, ALWAYS_MS)
    assert span_of_seconds(0, 0) == ALL_TIME


def test_only_all_of_time_is_unbounded() -> None:
    assert UNBOUNDED.unbounded
    assert Windows.of([span_of_seconds(0, 50), span_of_seconds(40, 0)]).unbounded
    assert not Windows.of([span_of_seconds(0, 50), span_of_seconds(51, 0)]).unbounded
    assert not Windows.of([span_of_seconds(1, 0)]).unbounded
    assert not Windows.of([]).unbounded
    assert not Windows.of([Span(7, 7)]).spans


def test_bounds_are_exact_to_the_millisecond() -> None:
    windows = Windows.of([span_of_seconds(10, 20)])
    assert windows.contain(Span(10_000, 20_000))
    assert not windows.contain(Span(9_999, 20_000))
    assert not windows.contain(Span(10_000, 20_001))
    assert not windows.overlap(Span(20_000, 21_000))
    assert not windows.overlap(Span(9_000, 10_000))
    assert windows.overlap(Span(19_999, 21_000))


def test_two_windows_with_a_gap_do_not_contain_what_spans_both() -> None:
    windows = Windows.of([Span(0, 10), Span(11, 20)])
    assert not windows.contain(Span(5, 15))
    assert windows.overlap(Span(5, 15))
    assert Windows.of([Span(0, 10), Span(10, 20)]).contain(Span(5, 15))
