"""An MPD is clipped to the time that is allowed: what is listed outside goes, and nothing else changes.

- A segment stays where it shares an instant with a window: players need whole ones. Where several windows
  leave a hole in a period, each part of it becomes a period of its own, since neither numbers nor lists have
  holes. The first keeps the id, the others get ``<id>~<n>``.
- Segments that were only counted (``@duration``) are named one by one in a SegmentTimeline where some of them
  go: a period that begins between two segments would shift all the others.
- A static MPD begins with its first segment again, at 0: players start there. The beginnings of periods move
  together with the presentationTimeOffset, in steps that all timescales can write, and the wall-clock stays
  true by availabilityStartTime, which such an MPD gets.
- A dynamic one that still grows keeps its periods' beginnings, as a live origin does when segments leave its
  buffer, and its timeShiftBufferDepth reaches no further back than the windows.
- A dynamic one in which nothing will be added any more becomes static, and what is on the timeline stays where
  it is on it, for the sake of the players that are watching.
- An MPD patch (PatchLocation) would bring back what was cut: restricted viewers are offered none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from gate.core.allowed import Allowed
from gate.core.windows import ALL_TIME, ALWAYS_MS, Span
from gate.media.dash.edits import Edits
from gate.media.dash.entries import Entries, Place, Range
from gate.media.dash.moments import write_date, write_duration
from gate.media.dash.parts import Part, cut_part
from gate.media.dash.presentation import Presentation
from gate.media.dash.tracks import Period, Track, duration_us, is_nowhere

# A track that lags behind the others by more than this will not come any more.
_LATEST_MS: Final = 120_000


class Unclipped(Enum):
    """Why there is nothing to hand out. An MPD without a period is none that a player takes."""

    UNKNOWN = "unknown"  # the MPD does not tell the times of what it lists
    EARLY = "early"  # nothing is allowed as yet; asked again later, something may be
    NOTHING = "nothing"  # nothing is allowed, now or later


def clip(presentation: Presentation, allowed: Allowed) -> bytes | Unclipped:
    """The MPD with what is allowed of it; the same bytes, the very object, where that is all of it.

    An MPD that may still grow stays dynamic as long as there may be more for this viewer. Clipping again, with
    the same arguments, changes nothing. Raises MpdError.
    """
    epoch_us = presentation.epoch_us
    if allowed.everything or (epoch_us is None and allowed.undated):
        return presentation.body
    if epoch_us is None:
        return Unclipped.UNKNOWN
    parts: list[Part] = []
    for period in presentation.periods:
        found = _parts(presentation, epoch_us, period, allowed)
        if found is None:
            return Unclipped.UNKNOWN
        parts += found
    until_ms = max((span.end_ms for span in allowed.windows.spans), default=-ALWAYS_MS)
    if not parts and presentation.held is None and presentation.known:
        return presentation.body
    if not parts:
        return Unclipped.EARLY if presentation.dynamic and until_ms > presentation.now_ms else Unclipped.NOTHING
    ended = presentation.dynamic and _has_ended(presentation, epoch_us, parts[-1], until_ms)
    return _Clipper(presentation, epoch_us, ended).clip(parts)


def _parts(presentation: Presentation, epoch_us: int, period: Period, allowed: Allowed) -> list[Part] | None:
    """What is left of the period, window by window. None where that is not known."""
    base_us = epoch_us + period.start_us
    tracks = period.tracks()
    if tracks is None:
        span = presentation.span(period)
        if allowed.keeps(span):
            return [Part(period, span, (), (), (), ())]
        return None if any(window.overlaps(span) for window in allowed.spans) else []
    entries = tuple(presentation.entries(period, track) for track in tracks)
    whole = tuple(presentation.listed(period, *pair) for pair in zip(tracks, entries, strict=True))
    if any(one.numbered and track.numbered for one, track in zip(entries, tracks, strict=True)):
        return None
    parts: list[Part] = []
    everything = Part(period, ALL_TIME, tracks, entries, whole, whole)
    low_ms, high_ms = (base_us + everything.first_us) // 1000, -(-(base_us + everything.last_us) // 1000)
    for window in allowed.spans:
        if not window.overlaps(Span(low_ms - 1, high_ms + 1)):
            continue
        low_us, high_us = (edge * 1000 - base_us for edge in (window.start_ms, window.end_ms))
        found = tuple(
            _common(one.between(*track.bounds(low_us, high_us)), listed)
            for track, one, listed in zip(tracks, entries, whole, strict=True)
        )
        kept = tuple(_kept(allowed, base_us, *three) for three in zip(tracks, entries, found, strict=True))
        part = Part(period, window, tracks, entries, whole, kept, kept != found)
        if any(kept):
            joined = parts[-1].joined(part) if parts else None
            parts[-1:] = [joined] if joined else [*parts[-1:], part]
    return parts


def _common(one: Range | None, other: Range | None) -> Range | None:
    if one is None or other is None:
        return None
    both = Range(max(one.first, other.first), min(one.last, other.last))
    return both if both.first <= both.last else None


def _kept(allowed: Allowed, base_us: int, track: Track, entries: Entries, found: Range | None) -> Range | None:
    """Those of `found`, which share an instant with a window, that may be seen: at its edges not all may.

    Where segments overlap, some between the first and the last that may be seen may not. No hole can be left
    there: less is kept.
    """
    if found is None:
        return None

    def keeps(place: Place) -> bool:
        return allowed.keeps(track.span(base_us, entries.start(place), entries.end(place)))

    first, last = found.first, found.last
    while first <= last and not keeps(first):
        first = entries.next(first)
    while first <= last and not keeps(last):
        last = entries.previous(last)
    at = last
    while first <= at and entries.start(at) + entries.longest > entries.end(last):
        last = last if keeps(at) else entries.previous(at)
        at = entries.previous(at)
    at = first
    while at <= last and entries.start(at) < entries.end(first):
        first = first if keeps(at) else entries.next(at)
        at = entries.next(at)
    return Range(first, last) if first <= last else None


def _has_ended(presentation: Presentation, epoch_us: int, last: Part, until_ms: int) -> bool:
    """Whether all that is before `until_ms` is there: nothing will be added to it."""
    late_ms = presentation.now_ms - until_ms
    if late_ms < 0 or late_ms >= _LATEST_MS:
        return late_ms > 0
    until_us = until_ms * 1000 - epoch_us
    if presentation.periods[-1].start_us >= until_us:
        return True
    return last.complete(until_us - last.period.start_us)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part, where it begins and ends: microseconds from the presentation's beginning as it was."""

    part: Part
    start_us: int
    end_us: int | None
    twin: int  # how many parts of the same period come before it
    split: bool  # whether others come after it


class _Clipper:
    """Puts what is left together."""

    def __init__(self, presentation: Presentation, epoch_us: int, ended: bool) -> None:
        self._presentation = presentation
        self._document = presentation.document
        self._root = presentation.root
        self._epoch_us = epoch_us
        self._ended = ended
        self._grows = presentation.dynamic and not ended
        self._edits = Edits(presentation.document)

    def clip(self, parts: list[Part]) -> bytes:
        if self._is_whole(parts):
            return self._document.body
        placed = self._place(parts)
        periods = self._presentation.periods
        began_us = placed[0].start_us
        shift_us = 0 if self._presentation.dynamic or began_us == periods[0].start_us else began_us
        if shift_us:
            self._edits.put(self._root, "availabilityStartTime", write_date(self._epoch_us + shift_us))
        if self._ended:
            self._edits.put(self._root, "type", "static")
            self._edits.remove(self._root, "minimumUpdatePeriod", "timeShiftBufferDepth")
        if self._grows:
            self._keep_within(placed[0].part)
        for element in self._root.all("PatchLocation"):
            self._edits.drop(element)
        self._write(placed, shift_us)
        return self._edits.render() if self._edits else self._document.body

    def _is_whole(self, parts: list[Part]) -> bool:
        """Whether nothing is to change."""
        periods = self._presentation.periods
        counting = any(self._counts_on(part) and part.window.end_ms < ALWAYS_MS for part in parts)
        if self._ended or counting or not self._presentation.known:
            return False
        if self._root.first("PatchLocation") or any(part.changed for part in parts):
            return False
        # A period of which nothing is listed leaves no part.
        return [part.period for part in parts] == list(filter(self._presentation.holds, periods))

    def _place(self, parts: list[Part]) -> list[_Placed]:
        placed: list[_Placed] = []
        for at, part in enumerate(parts):
            period, end_us = part.period, part.period.end_us
            before = placed[-1] if placed and placed[-1].part.period is period else None
            split = at + 1 < len(parts) and parts[at + 1].period is period
            last = at + 1 == len(parts)
            step_us = part.step_us
            moved_us = 0 if self._grows or not part.below else max(0, part.first_us // step_us * step_us)
            if before is not None:
                behind_us = (before.end_us or 0) - period.start_us
                moved_us = max(moved_us, -(-behind_us // step_us) * step_us)
            # Segments behind their period's end are not played.
            moved_us = min(moved_us, self._longest_us(period) // step_us * step_us)
            start_us = period.start_us + moved_us
            if before is not None:
                placed[-1] = replace(before, end_us=min(before.end_us or 0, start_us))
            window_us = part.window.end_ms * 1000 - self._epoch_us
            if split or self._is_bounded(part, last):
                end_us = window_us if end_us is None else min(window_us, end_us)
            elif end_us is None and last and self._ended:
                end_us = min(window_us, period.start_us + part.last_us)
            end_us = None if end_us is None else max(end_us, start_us)
            placed.append(_Placed(part, start_us, end_us, before.twin + 1 if before else 0, split))
        return placed

    def _longest_us(self, period: Period) -> int:
        """How long the period is, unless the next one begins before that."""
        periods = self._presentation.periods
        following = periods[periods.index(period) + 1 :]
        ends = [period.end_us, following[0].start_us if following else None]
        return min((end for end in ends if end is not None), default=ALWAYS_MS * 1000) - period.start_us

    def _is_bounded(self, part: Part, last: bool) -> bool:
        """Whether the window ends the period: now, or when players will have counted so far."""
        if part.above:
            return not (self._grows and last)
        return self._counts_on(part) and self._presentation.now_ms < part.window.end_ms < ALWAYS_MS

    def _counts_on(self, part: Part) -> bool:
        """Whether players count on by themselves as time goes by."""
        return self._grows and any(track.counted and not track.listed for track in part.tracks)

    def _keep_within(self, first: Part) -> None:
        """Players go no further back than the first window."""
        front = first.below or first.period is not self._presentation.periods[0]
        back_us = max(0, (self._presentation.now_ms - first.window.start_ms) * 1000)
        buffer_us = self._presentation.buffer_us
        if front and (buffer_us is None or buffer_us > back_us):
            self._edits.put(self._root, "timeShiftBufferDepth", write_duration(back_us))

    def _write(self, placed: list[_Placed], shift_us: int) -> None:
        """All periods as they are to be."""
        texts: dict[int, list[bytes]] = {}
        changed: set[int] = set()
        implied_us = None if self._presentation.dynamic else 0
        for at, one in enumerate(placed):
            element, edits = one.part.period.element, Edits(self._document)
            start_us = one.start_us - shift_us
            if duration_us(element, "start") not in (start_us, None) or (
                "start" not in element.attributes and implied_us != start_us
            ):
                edits.put(element, "start", write_duration(start_us))
            following = placed[at + 1] if at + 1 < len(placed) else None
            lasts_us = self._end(edits, one, following, shift_us)
            implied_us = None if lasts_us is None else start_us + lasts_us
            self._cut(edits, one, following, leads=not at)
            texts.setdefault(element.start, []).append(edits.render(element.start, element.end))
            changed |= {element.start} if edits else set()
        for element in self._root.all("Period"):
            if element.start in changed:
                self._edits.replace(element.start, element.end, b"\n".join(texts[element.start]))
            elif element.start not in texts and not is_nowhere(element):
                self._edits.drop(element)

    def _end(self, edits: Edits, one: _Placed, following: _Placed | None, shift_us: int) -> int | None:
        """The period's @duration; the period, or the presentation, ends where it should."""
        period = one.part.period
        given_us = duration_us(period.element, "duration")
        if one.end_us is None:
            return given_us
        lasts_us = one.end_us - one.start_us
        changed = (one.start_us, one.end_us) != (period.start_us, period.end_us)
        if following is None:
            changed |= shift_us > 0 or period is not self._presentation.periods[-1]
            total_us = duration_us(self._root, "mediaPresentationDuration")
            known_us = total_us
            if changed and (total_us is not None or (given_us is None and not self._grows)):
                known_us = one.end_us - shift_us
                if known_us != total_us:
                    self._edits.put(self._root, "mediaPresentationDuration", write_duration(known_us))
            known = known_us is not None or not changed
        else:
            known = following.start_us == one.end_us
        # Without a duration a period ends where the next one begins, which may be another one now.
        if (not known) if given_us is None else (changed and given_us != lasts_us):
            edits.put(period.element, "duration", write_duration(lasts_us))
            return lasts_us
        return given_us

    def _cut(self, edits: Edits, one: _Placed, following: _Placed | None, *, leads: bool) -> None:
        part, element = one.part, one.part.period.element
        # The buffer's depth hides what is older than the first window, and no hole behind that. Players take
        # the next period's beginning for the end of the one before, and count that far.
        closed = part.trimmed or (part.changed and not (self._grows and leads))
        closed |= following is not None and following.start_us != one.end_us
        # At the window's end they would go on. Players cannot change over from counting to a timeline (Shaka 5
        # throws): they are listed in one from the beginning.
        closed |= self._counts_on(part) and part.window.end_ms < ALWAYS_MS
        written_out = part.counted and (one.twin > 0 or one.split or part.above or self._ended or closed)
        cut_part(self._document, edits, part, one.start_us - part.period.start_us, written_out=written_out)
        if one.twin and "id" in element.attributes:
            edits.put(element, "id", f"{element.attributes['id']}~{one.twin}")
        if written_out and self._grows and "minimumUpdatePeriod" not in self._root.attributes:
            lengths = [track.length_us for track in part.tracks if track.counted]
            self._edits.put(self._root, "minimumUpdatePeriod", write_duration(max(lengths)))
