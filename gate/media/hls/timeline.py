"""When each entry of a playlist was recorded.

A date counts for the entry that it stands before and, by their durations, for those after it up to the next
date, and before the first one back. A discontinuity ends what a date can tell (RFC 8216, section 6.2.1 says
so of time stamps; a recorder that was away for a night writes one too), and so do a duration and a date that
cannot be read. What the layout reads in an entry's own URL wins over all dates.

So a playlist falls into stretches: within one, entries follow one another without a gap, and when the first of
them begins tells when each does. Of a playlist with a date on each entry, all in order, only those dates are
read that are asked for.

Where the newest entries of a growing playlist have no time at all, their place tells how old they are: the
newest ends now. That is `assumed`, and good for the live edge only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from functools import cache
from itertools import accumulate, compress

from gate.core.allowed import Allowed
from gate.core.windows import Span
from gate.media.hls.dates import instant_us, instants_us
from gate.media.hls.lines import value_of
from gate.media.hls.reading import UNKNOWN, Part, Reading

TimeOf = Callable[[bytes], Span | None]
Ranges = list[tuple[int, int]]


class Timeline:
    """The times of a playlist's entries. The tail counts as one: it is what comes next."""

    def __init__(self, read: Reading, time_of: TimeOf | None = None, ends_ms: int | None = None) -> None:
        """`ends_ms` is when the newest entry ends, should nothing tell (Unix milliseconds)."""
        self._read = read
        self._own: dict[int, Span] = {}
        self.assumed = read.count + 1
        if time_of is not None:
            times = ((entry, time_of(read.uri(entry))) for entry in range(read.count))
            self._own = {entry: span for entry, span in times if span is not None}
        unknown: list[int] = []
        if UNKNOWN in read.durations_us:
            unknown = [entry for entry, us in enumerate(read.durations_us) if us == UNKNOWN]
        # Of the tail nothing is asked, neither a date nor a duration.
        plain = not read.unclear and not self._own and unknown in ([], [read.count])
        self._sorted = plain and read.ordered
        if not self._sorted:
            # How long all entries before each last; a difference means something within a stretch only.
            self._passed = list(accumulate(read.durations_us, initial=0))
            # The first entry of each stretch, when it begins, and whose date tells so.
            self._firsts: list[int] = []
            self._clocks: list[int | None] = []
            self._anchors: list[int | None] = []
            # Entries of known time or not whose span nobody can tell.
            self._odd = read.unclear.union(unknown)
            self._stretch(unknown)
            self._continue()
            if ends_ms is not None:
                self._assume(ends_ms, unknown)

    def start_us(self, entry: int) -> int | None:
        """When an entry begins, as dates tell, or its place."""
        if not self._sorted:
            stretch = bisect_right(self._firsts, entry) - 1
            clock = self._clocks[stretch]
            return None if clock is None else clock + self._passed[entry] - self._passed[self._firsts[stretch]]
        date = self._read.dates[entry]
        if date is not None:
            return instant_us(value_of(date))
        # The tail, where it has no date of its own.
        last = self.start_us(entry - 1)
        return (
            None if last is None or entry in self._read.discontinuities else last + self._read.durations_us[-2]
        )

    def span(self, entry: int) -> Span | None:
        """When an entry was recorded; None where nobody knows, or nobody knows which bytes it is."""
        if entry in self._read.unclear:
            return None
        if entry in self._own:
            return self._own[entry]
        start, duration = self.start_us(entry), self._read.durations_us[entry]
        return None if start is None or duration == UNKNOWN else span_of(start, duration)

    def part_spans(self, entry: int, parts: list[Part]) -> list[Span | None]:
        """When the parts of an entry, or of the tail, were recorded."""
        starts = self.part_starts_us(entry, parts)
        pairs = zip(parts, starts, strict=True)
        return [None if start is None else span_of(start, part.duration_us) for part, start in pairs]

    def part_starts_us(self, entry: int, parts: list[Part]) -> list[int | None]:
        """When the parts begin; None for one of unknown time, length or bytes."""
        clock = self._own[entry].start_ms * 1000 if entry in self._own else self.start_us(entry)
        starts: list[int | None] = []
        for part in parts:
            if part.duration_us == UNKNOWN:
                clock = None
            starts.append(None if part.unclear else clock)
            if clock is not None:
                clock += part.duration_us
        return starts

    def spans(self, first: int, last: int) -> list[Span | None]:
        """When entries from `first` to `last` were recorded: as `span` says, in far less time for many."""
        if self._own:
            return [self.span(entry) for entry in range(first, last + 1)]
        durations = self._read.durations_us
        if self._sorted:
            dates = [date for date in self._read.dates[first : last + 1] if date is not None]
            starts = (start or 0 for start in instants_us(dates))
            return _spans(starts, durations[first : last + 1])
        found: list[Span | None] = []
        begin = first
        stretch = bisect_right(self._firsts, first) - 1
        while first <= last:
            end = min([*self._firsts[stretch + 1 : stretch + 2], last + 1])
            clock = self._clocks[stretch]
            if clock is None:
                found += [None] * (end - first)
            else:
                clock -= self._passed[self._firsts[stretch]]
                found += _spans([clock + passed for passed in self._passed[first:end]], durations[first:end])
            first = end
            stretch += 1
        for entry in self._odd.intersection(range(begin, first)):
            found[entry - begin] = None
        return found

    def untold(self, first: int, last: int, told: int) -> list[tuple[int, int]]:
        """Entries whose date those from `first` to `told` would not tell any more if they stood alone.

        Each with its date in Unix microseconds: `first` itself, and where the last stretch up to `last` begins.
        """
        if self._sorted:
            return []
        stretch = bisect_right(self._firsts, last) - 1
        while self._firsts[stretch] > first and self._anchors[stretch - 1] == self._anchors[stretch]:
            stretch -= 1
        found: list[tuple[int, int]] = []
        for entry in sorted({first, max(first, self._firsts[stretch])}):
            anchor, start = self._anchors[bisect_right(self._firsts, entry) - 1], self.start_us(entry)
            if anchor is not None and start is not None and not first <= anchor <= told:
                found.append((entry, start))
        return found

    @property
    def newest_ms(self) -> int | None:
        """When the newest complete entry ends whose time is known, wherever it stands: clocks fall back."""
        count = self._read.count
        if self._own:
            spans = iter(self.spans(0, count - 1))
        else:
            # Within a stretch the last one is.
            ends = [count] if self._sorted else [*(first for first in self._firsts[1:] if first < count), count]
            begins = [0, *ends[:-1]]
            spans = (self._last(begin, end) for begin, end in zip(begins, ends, strict=True))
        return max((span.end_ms for span in spans if span is not None), default=None)

    def _last(self, begin: int, end: int) -> Span | None:
        """The time of the last of these entries that has one."""
        spans = (self.span(entry) for entry in range(end - 1, begin - 1, -1))
        return next((span for span in spans if span is not None), None)

    def kept(self, allowed: Allowed) -> Ranges:
        """The entries that stay, as ranges from first to last."""
        count = self._read.count
        if self._own:
            return _joined(self._looked(allowed, 0, count))
        kept: Ranges = []
        for begin, end, known in self._chains():
            if known:
                kept += self._kept_in_order(allowed, begin, end)
            elif allowed.keeps(None):
                kept.append((begin, end - 1))
        return _joined([*kept, *self._looked(allowed, min(self.assumed, count), count)])

    def _looked(self, allowed: Allowed, begin: int, end: int) -> Ranges:
        """Entries that stay, each looked at by itself."""
        return [
            (entry, entry)
            for entry, span in enumerate(self.spans(begin, end - 1), begin)
            if allowed.keeps(span, assumed=entry >= self.assumed)
        ]

    def _kept_in_order(self, allowed: Allowed, begin: int, end: int) -> Ranges:
        """The same where entries begin in order: only those near a window's ends are looked at."""
        entries = range(begin, end)
        longest_ms = max(self._read.durations_us[begin:end], default=0) // 1000 + 2
        kept: Ranges = []
        done = begin

        @cache
        def start_ms(entry: int) -> int:
            start = self.start_us(entry)
            return 0 if start is None else _ms(start)

        def first(ms: int) -> int:
            return begin + bisect_left(entries, ms, key=start_ms)

        for window in allowed.windows.spans:
            near = max(first(window.start_ms - longest_ms), done)
            inner = max(first(window.start_ms), done)
            done = max(first(window.end_ms), done)
            outer = min(max(first(min(window.end_ms, allowed.until_ms) - longest_ms), inner), done)
            kept += [
                *self._looked(allowed, near, inner),
                (inner, outer - 1),
                *self._looked(allowed, outer, done),
            ]
        return kept

    def _chains(self) -> list[tuple[int, int, bool]]:
        """Entries that begin in order, or have no span, as ranges; whether they have one. None is assumed."""
        count = min(self._read.count, self.assumed)
        if self._sorted:
            return [(0, count, True)]
        chains: list[tuple[int, int, bool]] = []
        newest_us = 0
        ends = [*self._firsts[1:], count]
        for first, clock, end in zip(self._firsts, self._clocks, ends, strict=True):
            if first >= count:
                break
            if clock is None or first in self._odd:
                chains.append((first, end, False))
                continue
            if chains and chains[-1][2] and newest_us <= clock:
                chains[-1] = (chains[-1][0], end, True)
            else:
                chains.append((first, end, True))
            newest_us = clock + self._passed[end - 1] - self._passed[first]
        return chains

    def _stretch(self, unknown: list[int]) -> None:
        """Finds the stretches. Entries whose length or bytes are unknown are one each."""
        read, passed, firsts, clocks, anchors = (
            self._read,
            self._passed,
            self._firsts,
            self._clocks,
            self._anchors,
        )
        cuts = read.discontinuities.keys() | {entry + 1 for entry in unknown}
        dated = list(compress(range(read.count + 1), read.dates))
        instants = dict(zip(dated, instants_us(list(filter(None, read.dates))), strict=True))
        begin = {0, *dated, *cuts, *self._odd, *(entry + 1 for entry in self._odd)}
        clock: int | None = None
        anchor: int | None = None
        for first in sorted(begin - {read.count + 1}):
            if first in instants:
                clock, anchor = instants[first], first
                if clock is None:
                    cuts.add(first)
            elif first in cuts:
                clock = None
            elif clock is not None:
                clock += passed[first] - passed[firsts[-1]]
            firsts.append(first)
            clocks.append(clock)
            anchors.append(None if clock is None else anchor)
        for stretch in range(len(firsts) - 2, -1, -1):
            first, after, clock = firsts[stretch], firsts[stretch + 1], clocks[stretch + 1]
            if clocks[stretch] is None and clock is not None and after not in cuts:
                clocks[stretch] = clock - (passed[after] - passed[first])
                anchors[stretch] = anchors[stretch + 1]

    def _continue(self) -> None:
        """What comes next begins where the last entry ends, if that has its own time and nothing else tells."""
        read = self._read
        last = self._own.get(read.count - 1)
        if last is not None and read.dates[-1] is None and read.count not in read.discontinuities:
            self._begin(read.count, last.end_ms * 1000, self._anchors[-1])

    def _assume(self, ends_ms: int, unknown: list[int]) -> None:
        timed = [first for first, clock in zip(self._firsts, self._clocks, strict=True) if clock is not None]
        untimed = self._firsts[bisect_right(self._firsts, timed[-1]) if timed else 0 :]
        begins = [*untimed[:1], *(entry + 1 for entry in (*unknown, *self._own))]
        if untimed and max(begins) <= self._read.count:
            self.assumed = max(begins)
            self._begin(self.assumed, ends_ms * 1000 - (self._passed[-1] - self._passed[self.assumed]), None)

    def _begin(self, first: int, clock: int, anchor: int | None) -> None:
        """The last stretch begins here."""
        after = bisect_left(self._firsts, first)
        self._firsts[after:] = [first]
        self._clocks[after:] = [clock]
        self._anchors[after:] = [anchor]


def _joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges that follow one another as one, and no empty ones."""
    joined: Ranges = []
    for first, last in ranges:
        if first > last:
            continue
        if joined and joined[-1][1] == first - 1:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _ms(instant_us: int) -> int:
    return (instant_us + 500) // 1000


def span_of(start_us: int, duration_us: int) -> Span:
    """Neighbours touch: the end of one is rounded as the beginning of the next."""
    return Span(_ms(start_us), _ms(start_us + duration_us))


def _spans(starts_us: Iterable[int], durations_us: Iterable[int]) -> list[Span | None]:
    """What `span_of` says of each."""
    pairs = zip(starts_us, durations_us, strict=True)
    return [Span((start + 500) // 1000, (start + us + 500) // 1000) for start, us in pairs]
