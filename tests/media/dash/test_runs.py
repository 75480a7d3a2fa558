"""A table of runs holds every segment, exactly where it is short enough."""

from __future__ import annotations

from itertools import accumulate
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.media.dash.runs import MOST_BYTES, Run, _size, table

Row = tuple[int, int, int]


def spans(rows: list[Row]) -> list[tuple[int, int]]:
    return [
        (start + step * duration, start + (step + 1) * duration)
        for start, duration, count in rows
        for step in range(count)
    ]


def estimates(runs: tuple[Run, ...]) -> list[tuple[int, int]]:
    return [run.segment(at) for run in runs for at in range(run.count)]


def test_exact() -> None:
    assert table([]) == ()
    assert table([(5, 2, 0)]) == ()
    assert table([(5, 2, 3), (11, 2, 1), (13, 3, 1), (20, 3, 1), (23, 2, 0), (23, 3, 4)]) == (
        Run(5, 8, 4),
        Run(13, 3, 1),
        Run(20, 15, 5),
    )
    assert Run(5, 8, 4).end == 13
    assert Run(5, 8, 4).segment(5) == (15, 17)


def test_a_run_of_uneven_segments() -> None:
    assert table([(0, 3, 1), (3, 5, 1), (8, 4, 1)], most=1) == (Run(0, 12, 3, 2),)
    assert Run(0, 12, 3, 2).segment(1) == (2, 10)
    assert table([(0, 3, 1), (3, 5, 1), (8, 4, 1)], most=1, open_end=True) == (Run(0, 8, 2, 2), Run(8, 4, 1))


@pytest.mark.parametrize("kind", ["audio", "jitter", "gaps"])
def test_thousands_of_entries(kind: str) -> None:
    """What the slack of ordinary timelines is: less than a segment."""
    rng = Random(kind)
    steps = {
        "audio": [(0, 95232 if at % 4 == 0 else 96256, 1) for at in range(5000)],
        "jitter": [(0, 180000 + rng.randint(-3000, 3000), 1) for _ in range(5000)],
        "gaps": [
            (10**8 if at % 500 == 499 else 0, 180000 + rng.randint(-3000, 3000), rng.randint(1, 2))
            for at in range(5000)
        ],
    }[kind]
    starts = accumulate((gap + duration * count for gap, duration, count in steps), initial=0)
    rows = [(at + gap, duration, count) for at, (gap, duration, count) in zip(starts, steps, strict=False)]
    runs = table(rows)
    assert _size(list(runs)) <= MOST_BYTES
    assert max(run.slack for run in runs) < 90000
    found = zip(estimates(runs), spans(rows), strict=True)
    assert all(start <= begins and ends <= end for (start, end), (begins, ends) in found)


ROWS = st.lists(st.tuples(st.integers(-2, 30), st.integers(1, 20), st.integers(0, 5)), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.sampled_from([1, 20, 50, 700]), st.booleans())
def test_no_segment_is_outside_its_estimate(steps: list[Row], most: int, open_end: bool) -> None:
    rows, at = [], 0
    for gap, duration, count in steps:
        at += max(gap, 1 - duration) if rows else 0
        rows.append((at, duration, count))
        at += duration * count
    runs, expected = table(rows, open_end=open_end, most=most), spans(rows)
    found = estimates(runs)
    assert len(found) == len(expected)
    assert all(
        start <= begins and ends <= end for (start, end), (begins, ends) in zip(found, expected, strict=True)
    )
    assert [run.segment(at) for run in runs for at in range(run.count) if not run.slack] == [
        one
        for run, one in zip([run for run in runs for _ in range(run.count)], expected, strict=True)
        if not run.slack
    ]
    if expected:
        assert (runs[0].start, runs[-1].end) == (expected[0][0], expected[-1][1])
    if open_end and runs:
        assert not runs[-1].slack
