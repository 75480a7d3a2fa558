"""Clipping a media playlist to what a viewer may see, so that what is left is a true playlist.

Numbers. A player knows a segment by its number: it must not change from one reload to the next. Where entries
go in front, the playlist's first number is raised by as many. Between two windows entries go from the middle,
and the numbers of one side must move: those before the gap do, because a player asks for what is new by number.
Where a number is also the IV of a key, the segment gets its IV written down.

Ends. A playlist that was cut at its end says that it is complete when nothing can come any more that the viewer
may see; it does not while a window lies ahead, or something is only too young as yet. Then the origin's offers
to hold a request until there is news do not stand: there would be news at once, every time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from gate.core.allowed import Allowed
from gate.core.windows import ALWAYS_MS
from gate.media.hls.dates import write_instant
from gate.media.hls.force import IN_FORCE, Force, joint, numbered
from gate.media.hls.head import SEQUENCE, Cut, edited_head, ended, number_of
from gate.media.hls.lines import attributes, end_of, integer, tag_of, with_offset
from gate.media.hls.reading import Reading
from gate.media.hls.timed import dateranges_outside, keeps_hint
from gate.media.hls.timeline import Ranges, Timeline

_DISCONTINUITY: Final = b"#EXT-X-DISCONTINUITY"
_DATE: Final = b"#EXT-X-PROGRAM-DATE-TIME"
_DATES: Final = frozenset({_DATE})
_SKIP: Final = b"#EXT-X-SKIP"


class Cutting:
    """One playlist being cut.

    `text` has the lines that are left, in their old places and empty where one is gone; `before` what is put in
    before a line, `after` at the very end. `entries` says how many are left, `kept` which.
    """

    def __init__(self, read: Reading, timeline: Timeline, allowed: Allowed) -> None:
        self.text = read.lines.copy()
        self.before: dict[int, list[bytes]] = {}
        self.after: list[bytes] = []
        self._read = read
        self._timeline = timeline
        self._allowed = allowed
        self._line_end = end_of(read.lines[0]) or b"\n"
        self._pinned = sorted(at for places in read.pinned.values() for at in places)
        self.kept = timeline.kept(allowed)
        kept = self.kept.copy()
        self.entries = sum(last - first + 1 for first, last in kept)
        self._ripe = kept.copy() if allowed.until_ms == ALWAYS_MS else timeline.kept(allowed.ripe)
        whole = bool(kept) and kept[-1][1] == read.count - 1
        if read.count not in read.parts:
            self._end_cut = read.count > 0 and not whole
        else:
            self._end_cut = not self._keeps_parts(read.count)
            if not self._end_cut:
                kept[-1:] = [(kept[-1][0], read.count)] if whole else [*kept[-1:], (read.count, read.count)]
        self._kept: Ranges = kept
        self._firsts = [first for first, _ in kept]

    def cut(self) -> bool:
        """Cuts. False where nobody can tell how without the segments that a delta update leaves out.

        Raises PlaylistError where a number must change that cannot be read, or a date cannot be written.
        """
        read, kept = self._read, self._kept
        # The first of the newest that are left; where none are, the first that will be.
        newest = next((first for first, _ in [*kept[-1:], *self._ripe[:1]]), read.count)
        removed = newest - sum(last - first + 1 for first, last in kept[:-1])
        if _SKIP in read.pinned and not self._agrees_with_skip(removed):
            return False
        put_in = self._join(removed)
        self._remove_entries()
        self._remove_parts()
        self._remove_tags()
        if removed or self._end_cut:
            met = read.discontinuities.items()
            gone = (many for entry, many in met if entry < newest and not self._keeps(entry))
            left_us = sum(sum(read.durations_us[first : last + 1]) for first, last in kept)
            cut = Cut(removed, max(0, sum(gone) - put_in), self._end_cut, self._final(), left_us)
            front, self.after = edited_head(read, self.text, cut, self._line_end)
            if front:
                at = read.first[0]
                self.before[at] = [*front, *self.before.get(at, ())]
        return True

    def _keeps(self, entry: int) -> bool:
        """Whether an entry, or the tail's parts, are left."""
        run = bisect_right(self._firsts, entry) - 1
        return run >= 0 and entry <= self._kept[run][1]

    def _keeps_parts(self, entry: int) -> bool:
        """Whether all of an entry's parts may be seen: a player counts them, so none of them goes alone."""
        spans = self._timeline.part_spans(entry, self._read.parts[entry])
        assumed = entry >= self._timeline.assumed
        return all(self._allowed.keeps(span, assumed=assumed) for span in spans)

    def _agrees_with_skip(self, removed: int) -> bool:
        """Whether everything that the update leaves out may be seen: then it is what the player has."""
        said = [attributes(self._read.lines[at]) for at in self._read.pinned[_SKIP]]
        readable = all(integer(one.get(b"SKIPPED-SEGMENTS")) is not None for one in said)
        begins = not removed and (not self._read.count or self._keeps(0))
        return readable and begins and any(span.start_ms == -ALWAYS_MS for span in self._allowed.spans)

    def _final(self) -> bool:
        """Whether nothing can be added any more that may be seen."""
        if not self._end_cut:
            return ended(self._read)
        last = self._kept[-1][1] if self._kept else -1
        if self._ripe and self._ripe[-1][1] > last:
            return False
        newest_ms = self._timeline.newest_ms
        ahead = any(newest_ms is None or span.end_ms > newest_ms for span in self._allowed.windows.spans)
        return ended(self._read) or not ahead

    def _join(self, removed: int) -> int:
        """Puts in what the entries taken out brought about; how many discontinuities that makes."""
        read, end = self._read, self._line_end
        had, passed, put_in = Force(), 0, 0
        # Numbers move between two windows only: then, and only then, each key is read.
        counted = len(self._kept) > 1 and any(read.force(entry).counts for entry in read.forcing)
        for run, (first, last) in enumerate(self._kept):
            lines = self.before[read.first[first]] = []
            if run and first not in read.discontinuities:
                lines.append(_DISCONTINUITY + end)
                put_in += 1
            # A date in the tail tells the time of the last entry, as long as it stands there.
            told = last + 1 if last == read.count - 1 and not self._end_cut else last
            for entry, instant in self._timeline.untold(first, last, told):
                date = _DATE + b":" + write_instant(instant) + end
                self.before.setdefault(read.first[entry], []).append(date)
                # Where the entry has a date of its own, it is one that nobody can read.
                self._blank_tags(entry, _DATES)
            if counted and removed > first - passed:
                had = self._number(first, last, had)
            elif first:
                lines += joint(had, read.force(first - 1), read.block(first), end)
                had = read.force(last)
            else:
                had = read.force(last)
            if first in read.implicit:
                at = read.implicit[first]
                self.text[at] = with_offset(read.lines[at], read.ranges[first].offset)
            passed += last - first + 1
        return put_in

    def _number(self, first: int, last: int, had: Force) -> Force:
        """Writes the IV of each entry down, because its number changes; what is in force after them."""
        read = self._read
        number = number_of(read, SEQUENCE)
        for entry in range(first, last + 1):
            force = read.force(entry)
            needed = numbered(force, number + entry) if force.counts else force
            self.before.setdefault(read.first[entry], []).extend(joint(had, needed, (), self._line_end))
            had = needed
            if entry in read.forcing:
                self._blank_tags(entry, IN_FORCE)
        return had

    def _blank_tags(self, entry: int, names: frozenset[bytes]) -> None:
        """Takes tags out of an entry."""
        for at, line in enumerate(self._read.block(entry), self._read.first[entry]):
            if tag_of(line) in names:
                self.text[at] = b""

    def _remove_entries(self) -> None:
        at = 0
        for first, last in self._kept:
            self._blank(at, first)
            at = last + 1
        self._blank(at, self._read.count + self._end_cut)

    def _blank(self, entry: int, to: int) -> None:
        """Takes the lines of entries out, less those of the playlist as a whole."""
        if entry >= to:
            return
        read = self._read
        begin, end = read.first[entry], read.first[to] if to <= read.count else len(read.lines)
        self.text[begin:end] = [b""] * (end - begin)
        for at in self._pinned[bisect_left(self._pinned, begin) : bisect_left(self._pinned, end)]:
            self.text[at] = read.lines[at]

    def _remove_parts(self) -> None:
        gone = False
        for entry, parts in self._read.parts.items():
            keeps = self._keeps(entry) and self._keeps_parts(entry)
            for part in parts:
                if not keeps:
                    self.text[part.line] = b""
                elif gone and part.implicit and part.range is not None:
                    self.text[part.line] = with_offset(self._read.lines[part.line], part.range.offset)
                gone = not keeps

    def _remove_tags(self) -> None:
        """Date ranges, hints and reports that do not agree with what is left."""
        read, allowed = self._read, self._allowed
        gone = dateranges_outside(read, allowed)
        gone += [at for at in read.hints if self._end_cut or not keeps_hint(read, self._timeline, at, allowed)]
        gone += read.reports if self._end_cut else ()
        for at in gone:
            self.text[at] = b""
