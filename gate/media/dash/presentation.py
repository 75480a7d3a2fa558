"""What an MPD says about time: its periods, and the segments that their representations have.

The wall-clock of a segment is ``availabilityStartTime + Period@start + (t - presentationTimeOffset) /
timescale`` (ISO/IEC 23009-1, sections 5.3.2 and 5.3.9). Where segments are only counted, how many there are
follows from the period's length, or, while it goes on, from the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from gate.core.windows import ALWAYS_MS, Span
from gate.media.dash.entries import ENDLESS, Entries, Range, even_entries, read_entries
from gate.media.dash.markup import Document, Element, MpdError, read
from gate.media.dash.moments import read_date
from gate.media.dash.tracks import Period, Track, duration_us, is_nowhere, number


@dataclass(frozen=True, eq=False)
class Presentation:
    """An MPD's times. Wrong ones raise MpdError when they are read.

    `origin_ms` is when a static MPD without an availabilityStartTime began.
    """

    document: Document
    now_ms: int
    origin_ms: int | None = None

    @property
    def body(self) -> bytes:
        return self.document.body

    @property
    def root(self) -> Element:
        return self.document.root

    @cached_property
    def _entries(self) -> dict[tuple[int, int], Entries]:
        return {}

    @cached_property
    def dynamic(self) -> bool:
        return self.root.attributes.get("type", "static").strip() == "dynamic"

    @cached_property
    def epoch_us(self) -> int | None:
        """When the presentation began; None where nobody knows."""
        text = self.root.attributes.get("availabilityStartTime")
        if text is not None:
            return read_date(text)
        return None if self.origin_ms is None or self.dynamic else self.origin_ms * 1000

    @cached_property
    def buffer_us(self) -> int | None:
        """For how long a segment stays available; None for ever."""
        return duration_us(self.root, "timeShiftBufferDepth") if self.dynamic else None

    @cached_property
    def periods(self) -> tuple[Period, ...]:
        """The periods whose beginning is known, in their order."""
        elements = [element for element in self.root.all("Period") if not is_nowhere(element)]
        starts: list[int | None] = []
        implied = None if self.dynamic else 0
        for element in elements:
            start = duration_us(element, "start")
            start = implied if start is None else start
            lasts = duration_us(element, "duration")
            starts.append(start)
            implied = None if start is None or lasts is None else start + lasts
        total = duration_us(self.root, "mediaPresentationDuration")
        periods = []
        for element, start, after in zip(elements, starts, [*starts[1:], total], strict=True):
            lasts = duration_us(element, "duration")
            if start is not None:
                ends = [after, None if lasts is None else start + lasts]
                # Of two ends that differ players take either: the later one is safe.
                periods.append(
                    Period(element, start, max((end for end in ends if end is not None), default=None))
                )
        if any(one.start_us > other.start_us for one, other in pairwise(periods)):
            raise MpdError("periods that go back in time")
        return tuple(periods)

    @property
    def known(self) -> bool:
        """Whether it is known of all periods when they begin."""
        return len(self.periods) == sum(not is_nowhere(element) for element in self.root.all("Period"))

    @cached_property
    def held(self) -> Span | None:
        """From when to when there are segments; None where there are none, or nobody knows. Raises MpdError.

        A period whose segments are not known is taken as a whole, and may be without an end (`ALWAYS_MS`).
        """
        spans: list[Span] = []
        for period in self.periods if self.epoch_us is not None else ():
            base_us, tracks = (self.epoch_us or 0) + period.start_us, period.tracks()
            if tracks is None:
                spans.append(self.span(period))
            for track in tracks or ():
                entries = self.entries(period, track)
                if listed := self.listed(period, track, entries):
                    spans.append(track.span(base_us, entries.start(listed.first), entries.end(listed.last)))
        if not spans:
            return None
        return Span(min(span.start_ms for span in spans), max(span.end_ms for span in spans))

    @property
    def newest_ms(self) -> int | None:
        """When the newest segment has ended (Unix milliseconds); None where nobody knows. Raises MpdError."""
        return None if self.held is None or self.held.end_ms == ALWAYS_MS else self.held.end_ms

    @cached_property
    def target_ms(self) -> int | None:
        """How long the longest segment may be; None where the MPD does not say. Raises MpdError."""
        longest_us = duration_us(self.root, "maxSegmentDuration")
        if longest_us is None:
            tracks = [track for period in self.periods for track in period.tracks() or ()]
            longest_us = max((track.length_us for track in tracks if track.counted), default=None)
        return None if longest_us is None else -(-longest_us // 1000)

    def holds(self, period: Period) -> bool:
        """Whether there is anything in it now, or may be."""
        tracks = period.tracks()
        return tracks is None or any(
            self.listed(period, track, self.entries(period, track)) for track in tracks
        )

    def span(self, period: Period) -> Span:
        """When the period is; without an end, as long as it goes on. There must be a clock."""
        assert self.epoch_us is not None
        end_ms = ALWAYS_MS if period.end_us is None else -(-(self.epoch_us + period.end_us) // 1000)
        return Span((self.epoch_us + period.start_us) // 1000, end_ms)

    def entries(self, period: Period, track: Track) -> Entries:
        """The segments of the track. Of those that only the clock tells of, the complete ones."""
        key = period.element.start, track.element.start
        if key not in self._entries:
            self._entries[key] = self._read(period, track)
        return self._entries[key]

    def _read(self, period: Period, track: Track) -> Entries:
        end_us, now_us = period.end_us, self.now_ms * 1000 - (self.epoch_us or 0)
        ongoing = self.dynamic and (end_us is None or end_us >= now_us)
        if ongoing:
            end_us = now_us
        past, end = (0, None) if end_us is None else track.bounds(*[end_us - period.start_us] * 2)
        if track.timeline is not None:
            entries = read_entries(self.document, track.timeline, end)
            if end is None and entries.open:
                raise MpdError("segments without an end")
            return entries
        duration = track.length
        counts = []
        if track.listed:
            counts.append(len(track.holder.all("SegmentURL")))
        elif end is not None:
            counts.append((past - track.first) // duration if ongoing else -((track.first - end) // duration))
        if "endNumber" in track.attributes:
            counts.append(number(track.attributes, "endNumber", 0) + 1 - track.start_number)
        if not counts:
            raise MpdError("segments without an end")
        return even_entries(track.first, duration, max(0, min(counts)))

    def listed(self, period: Period, track: Track, entries: Entries) -> Range | None:
        """Which of the entries a player may ask for now."""
        if self.buffer_us is None or not track.counted or track.listed:
            return entries.all
        oldest_us = self.now_ms * 1000 - (self.epoch_us or 0) - self.buffer_us - period.start_us
        return entries.between(track.bounds(oldest_us, oldest_us)[0], ENDLESS)


def read_mpd(body: bytes, *, now_ms: int, origin_ms: int | None = None) -> Presentation:
    """The MPD that a body is, at `now_ms` of Unix time. Raises MpdError.

    `origin_ms` is when a static one began that does not say so itself (the start of the span that was asked
    for); without it the times of its segments are not known.
    """
    return Presentation(read(body), now_ms, origin_ms)
