"""A part of a period: the segments that one window leaves of it, and the edits that leave only these.

Where the beginning moves, the presentationTimeOffset of all that is in the period moves with it, so that every
segment stays where it is on the timeline and on the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd, lcm

from gate.core.windows import Span
from gate.media.dash.edits import Edits
from gate.media.dash.entries import Entries, Range
from gate.media.dash.markup import Document, Element
from gate.media.dash.moments import SECOND_US
from gate.media.dash.tracks import Period, Track, number


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What `window` leaves of a period: of each track `kept` of `whole`, None where nothing is.

    It is `trimmed` where a segment goes though it shares an instant with the window.
    A period whose segments are not known has no tracks, and is whole.
    """

    period: Period
    window: Span
    tracks: tuple[Track, ...]
    entries: tuple[Entries, ...]
    whole: tuple[Range | None, ...]
    kept: tuple[Range | None, ...]
    trimmed: bool = False

    @property
    def changed(self) -> bool:
        return self.kept != self.whole

    @property
    def below(self) -> bool:
        """Whether segments in front of it go."""
        return any(kept and whole and kept.first > whole.first for kept, whole in self._pairs())

    @property
    def above(self) -> bool:
        """Whether segments behind it go."""
        return any(kept and whole and kept.last < whole.last for kept, whole in self._pairs())

    @property
    def counted(self) -> bool:
        """Whether there are tracks of which only the number of segments is known."""
        return any(track.counted for track in self.tracks)

    @property
    def first_us(self) -> int:
        """When in the period the first segment begins."""
        starts = (track.time_us(entries.start(kept.first)) for track, entries, kept in self._kept())
        return min(starts, default=0)

    @property
    def last_us(self) -> int:
        """When in the period the last segment has ended."""
        ends = (track.time_us(entries.end(kept.last)) + 1 for track, entries, kept in self._kept())
        return max(ends, default=0)

    @property
    def step_us(self) -> int:
        """What the period's beginning can be moved by, so that every timescale can say it: a second at most."""
        scales = [track.timescale for track in self.tracks]
        scales += [_scale(stream) for stream in self.period.element.all("EventStream")]
        return lcm(*(SECOND_US // gcd(SECOND_US, scale) for scale in scales))

    def complete(self, until_us: int) -> bool:
        """Whether all tracks that are left reach so far into the period."""
        lasts = [
            track.time_us(entries.end(whole.last))
            for track, entries, (kept, whole) in zip(self.tracks, self.entries, self._pairs(), strict=True)
            if whole and kept
        ]
        return min(lasts, default=until_us - 1) >= until_us

    def joined(self, following: Part) -> Part | None:
        """Both in one, unless a segment between them goes."""
        kept: list[Range | None] = []
        for entries, one, other in zip(self.entries, self.kept, following.kept, strict=True):
            if one and other and other.first > entries.next(one.last):
                return None
            kept.append(Range(one.first, other.last) if one and other else one or other)
        window = Span(self.window.start_ms, following.window.end_ms)
        return Part(
            self.period,
            window,
            self.tracks,
            self.entries,
            self.whole,
            tuple(kept),
            self.trimmed or following.trimmed,
        )

    def _pairs(self) -> Iterable[tuple[Range | None, Range | None]]:
        return zip(self.kept, self.whole, strict=True)

    def _kept(self) -> list[tuple[Track, Entries, Range]]:
        found = zip(self.tracks, self.entries, self.kept, strict=True)
        return [(track, entries, kept) for track, entries, kept in found if kept is not None]


def cut_part(document: Document, edits: Edits, part: Part, moved_us: int, *, written_out: bool) -> None:
    """The period lists what is kept, and begins so much later.

    Where it is `written_out`, segments that are only counted are listed in a timeline. So are those that have
    URLs, as soon as some of these go.
    """
    done: set[int] = set()
    gone: set[int] = set()
    lists = written_out or any(
        track.listed and track.counted and kept != whole
        for track, kept, whole in zip(part.tracks, part.kept, part.whole, strict=True)
    )
    for track, entries, kept, whole in zip(part.tracks, part.entries, part.kept, part.whole, strict=True):
        # What players count for themselves would be there again as soon as nothing tells them otherwise.
        if kept is None and (whole is not None or (written_out and track.counted)):
            gone |= {representation.start for representation in track.representations}
        if kept is None or whole is None:
            continue
        # URLs and numbers stay as they are where all stays.
        stays = kept == whole and not track.counted
        if moved_us:
            edits.put(
                track.element, "presentationTimeOffset", track.offset + moved_us * track.timescale // SECOND_US
            )
        if track.timeline is not None and track.timeline.start not in done and kept != whole:
            done.add(track.timeline.start)
            entries.cut(kept, edits, document)
        if stays or (track.counted and not (lists if track.listed else written_out)):
            continue
        if track.counted:
            _write_out(document, edits, track, entries, kept)
        elif kept.last < whole.last and "endNumber" in track.attributes:
            edits.put(track.element, "endNumber", track.start_number + entries.count(kept.last))
        if track.listed and track.holder.start not in done:
            done.add(track.holder.start)
            skipped, last = entries.count(kept.first), entries.count(kept.last)
            for at, url in enumerate(track.holder.all("SegmentURL")):
                if not skipped <= at <= last:
                    edits.drop(url)
        if track.numbered and (skipped := entries.count(kept.first)):
            edits.put(track.element, "startNumber", track.start_number + skipped)
    for adaptation in part.period.element.all("AdaptationSet"):
        representations = adaptation.all("Representation")
        lost = [representation for representation in representations if representation.start in gone]
        for element in [adaptation] if lost and lost == representations else lost:
            edits.drop(element)
    for stream in part.period.element.all("EventStream") if moved_us else []:
        offset = number(stream.attributes, "presentationTimeOffset", 0)
        edits.put(stream, "presentationTimeOffset", offset + moved_us * _scale(stream) // SECOND_US)


def _write_out(document: Document, edits: Edits, track: Track, entries: Entries, kept: Range) -> None:
    """The track has a timeline with the segments that are kept, instead of a duration."""
    element = track.element
    for level in track.levels:
        edits.remove(level, "duration", "endNumber")
    colon = document.body[element.start + 1 : document.opened(element)].partition(b"SegmentTe")[0]
    prefix = colon.partition(b"SegmentLi")[0]
    times = entries.start(kept.first), entries.duration(0), kept.last.repetition - kept.first.repetition
    text = b'<%bSegmentTimeline><%bS t="%d" d="%d" r="%d"/></%bSegmentTimeline>'
    following = element.all("BitstreamSwitching", "SegmentURL")
    edits.append(element, text % (prefix, prefix, *times, prefix), following[0] if following else None)


def _scale(stream: Element) -> int:
    return max(1, number(stream.attributes, "timescale", 1))
