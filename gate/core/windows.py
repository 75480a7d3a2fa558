"""Time on a stream's timeline: spans, and the windows that a token allows.

Everything is half-open, ``[start, end)``, in whole milliseconds of Unix time: exact where floats round, and
fine enough for segments named to the millisecond. Tokens and URLs speak of seconds; the conversion happens
at their edge. An open side is the sentinel `ALWAYS_MS` away from any date, so that comparison needs no case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ALWAYS_MS: Final = 2**62
# 9999-12-31T23:59:59Z: the last second that the date formats of manifests and URLs can write.
LAST_SECOND: Final = 253_402_300_799


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The half-open interval ``[start_ms, end_ms)`` of Unix milliseconds. Empty when the two are equal."""

    start_ms: int
    end_ms: int

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one instant. Touching is not sharing."""
        return max(self.start_ms, other.start_ms) < min(self.end_ms, other.end_ms)

    def at(self, now_ms: int) -> Span:
        """The span itself: it does not move, as `Moving` does."""
        return self

    def within(self, other: Span) -> bool:
        """Whether `other` holds all of this span, and the instant that it begins with, be it empty.

        One that ends before it begins lies nowhere.
        """
        return other.start_ms <= self.start_ms < other.end_ms and self.start_ms <= self.end_ms <= other.end_ms


@dataclass(frozen=True, slots=True)
class Moving:
    """A span of which one end or both move with the clock.

    It begins at `start_ms` (Unix milliseconds) or, where `start_moves`, so long before now; it ends `lag_ms`
    before now. What is `paced` goes on from its first instant at the speed of the clock, for as long as
    somebody listens, instead of catching up with its end.
    """

    start_ms: int
    start_moves: bool = False
    lag_ms: int = 0
    paced: bool = False

    def at(self, now_ms: int) -> Span:
        """Which span it is now. One that begins in the future ends before it begins."""
        return Span(now_ms - self.start_ms if self.start_moves else self.start_ms, now_ms - self.lag_ms)


ALL_TIME: Final = Span(-ALWAYS_MS, ALWAYS_MS)


def span_of_seconds(start: int, end: int) -> Span:
    """The span of a token's bounds: Unix seconds, 0 meaning unbounded on that side."""
    return Span(start * 1000 if start else -ALWAYS_MS, end * 1000 if end else ALWAYS_MS)


@dataclass(frozen=True, slots=True)
class Windows:
    """The union of spans that a token allows: sorted, disjoint, none empty, none touching the next."""

    spans: tuple[Span, ...]

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Windows:
        """The windows that cover exactly the union of `spans`."""
        merged: list[Span] = []
        for span in sorted(span for span in spans if span.start_ms < span.end_ms):
            if merged and span.start_ms <= merged[-1].end_ms:
                merged[-1] = Span(merged[-1].start_ms, max(merged[-1].end_ms, span.end_ms))
            else:
                merged.append(span)
        return cls(tuple(merged))

    @property
    def unbounded(self) -> bool:
        return self.spans == (ALL_TIME,)

    def overlap(self, span: Span) -> bool:
        """Whether any instant of `span` is allowed."""
        return any(window.overlaps(span) for window in self.spans)

    def contain(self, span: Span) -> bool:
        """Whether every instant of `span` is allowed: the windows are disjoint, so one must hold it all."""
        return any(span.within(window) for window in self.spans)

    def cut(self, span: Span) -> tuple[Span, ...]:
        """What of `span` is allowed, in order."""
        return tuple(
            Span(max(one.start_ms, span.start_ms), min(one.end_ms, span.end_ms))
            for one in self.spans
            if one.overlaps(span)
        )

    def around(self, instant_ms: int) -> Span | None:
        """The window that the instant lies in."""
        return next((one for one in self.spans if one.start_ms <= instant_ms < one.end_ms), None)


UNBOUNDED: Final = Windows((ALL_TIME,))
