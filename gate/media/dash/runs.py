"""Runs: a timeline as a short table, from which a segment's number tells when it is."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise
from typing import Final

# With its paths and its seal a table of this size, deflated, makes a URL of less than 1.5 KB.
MOST_BYTES: Final = 700
_MOST_RUNS: Final = 256
# About as many as fit, where segments are not of one length.
_FEWER_RUNS: Final = 96
_Even = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """`count` segments within `length` ticks from `start` on, in even steps but for `slack` ticks."""

    start: int
    length: int
    count: int
    slack: int = 0

    @property
    def end(self) -> int:
        return self.start + self.length

    def segment(self, at: int) -> tuple[int, int]:
        """When the segment begins and ends, at most `slack` more than it does; it may lie behind the run."""
        start = self.start + self.length * at // self.count
        end = self.start - (-self.length * (at + 1) // self.count)
        return start - self.slack, end + self.slack


def table(rows: Iterable[_Even], *, open_end: bool = False, most: int = MOST_BYTES) -> tuple[Run, ...]:
    """The runs of a timeline's entries (start, duration, count), exact where they fit in `most` bytes.

    Else there are as many as fit, and fewer have slack the fewer and the more even they are. Where the last
    entry goes on (`open_end`), it is a run of its own.
    """
    exact = _exact(rows)
    runs = [Run(*one) for one in exact] if len(exact) <= _MOST_RUNS else []
    if len(runs) == len(exact) and _size(runs) <= most:
        return tuple(runs)
    goes_on = exact[-1:] if open_end else []
    count = _FEWER_RUNS
    while count:
        runs = [*_coarse(exact[: len(exact) - len(goes_on)], count), *(Run(*one) for one in goes_on)]
        size = _size(runs)
        count = max(1, min(count // 2, count * most // size)) if size > most and count > 1 else 0
    return tuple(runs)


def _exact(rows: Iterable[_Even]) -> list[_Even]:
    """The start, the length and the count of each stretch of segments that are all equally long."""
    exact: list[_Even] = []
    first = at = step = total = 0
    for start, duration, count in rows:
        if start == at and duration == step:
            total += count
            at += duration * count
        elif count:
            if total:
                exact.append((first, at - first, total))
            first, at, step, total = start, start + duration * count, duration, count
    return [*exact, (first, at - first, total)] if total else exact


def _coarse(exact: Sequence[_Even], count: int) -> list[Run]:
    """About so many runs: broken at the widest gaps, and else in pieces of the same number of entries."""
    jumps = [abs(start - at - length) for (at, length, _), (start, _, _) in pairwise(exact)]
    gaps = [(jump, at) for at, jump in enumerate(jumps, 1) if jump]
    wide = [at for _, at in nlargest(count // 2, gaps)]
    even = range(0, len(exact), -(-len(exact) // max(1, count - len(wide))) or 1)
    breaks = sorted({0, *even, *wide, len(exact)})
    return [_joined(exact[low:high]) for low, high in pairwise(breaks)]


def _joined(exact: Sequence[_Even]) -> Run:
    if len(exact) == 1:
        return Run(*exact[0])
    first, (last, length, _) = exact[0][0], exact[-1]
    length, total = last + length - first, sum(count for _, _, count in exact)
    slack = before = 0
    for start, lasts, count in exact:
        # Within a run the line is furthest off at one of its ends, or a tick more, where it is rounded.
        for step in (0, count - 1) if count > 1 else (0,):
            at, duration = start + lasts // count * step, lasts // count
            begins = first + length * (before + step) // total
            ends = first - (-length * (before + step + 1) // total)
            slack = max(slack, begins - at, at + duration - ends)
        before += count
    return Run(first, length, total, slack + 1)


def _size(runs: Sequence[Run]) -> int:
    """About how many bytes the runs are once they are packed."""
    numbers, at = [], 0
    for run in runs:
        numbers += [run.start - at, run.length, run.count, run.slack]
        at = run.end
    return len(zlib.compress(",".join(map(str, numbers)).encode(), 9))
