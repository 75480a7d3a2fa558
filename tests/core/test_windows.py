"""Half-open spans and their unions, against sets of instants."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.windows import ALL_TIME, ALWAYS_MS, UNBOUNDED, Moving, Span, Windows, span_of_seconds

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
    else:
        assert windows.contain(span) == (span.start_ms in instants(*spans))


@FAST
@given(unions, bounds)
def test_the_window_around_an_instant_is_the_one_that_holds_it(spans: list[Span], at: int) -> None:
    windows = Windows.of(spans)
    around = windows.around(at)
    assert (around is not None) == (at in instants(*spans))
    if around is not None:
        assert around in windows.spans
        assert at in instants(around)


@FAST
@given(unions, any_spans)
def test_what_is_cut_of_a_span_is_what_is_allowed_of_it(spans: list[Span], span: Span) -> None:
    windows = Windows.of(spans)
    cut = windows.cut(span)
    assert instants(*cut) == instants(span) & instants(*spans)
    assert list(cut) == sorted(cut)
    assert all(one.start_ms < one.end_ms for one in cut)


def test_an_empty_span_lies_where_it_begins() -> None:
    window = Span(10, 20)
    assert Span(10, 10).within(window)
    assert Span(19, 19).within(window)
    assert not Span(20, 20).within(window)
    assert not Span(9, 9).within(window)
    assert not Span(15, 14).within(window)


def test_what_moves_is_another_span_at_every_instant() -> None:
    assert Span(3, 5).at(1000) == Span(3, 5)
    assert Moving(400).at(1000) == Span(400, 1000)
    assert Moving(400, lag_ms=100).at(1000) == Span(400, 900)
    assert Moving(400, start_moves=True).at(1000) == Span(600, 1000)
    assert Moving(400, start_moves=True, lag_ms=399, paced=True).at(1000) == Span(600, 601)
    future = Moving(2000).at(1000)
    assert future == Span(2000, 1000)
    assert not UNBOUNDED.contain(future)
    assert not UNBOUNDED.overlap(future)


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
