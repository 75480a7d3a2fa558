"""Marking a playlist: all URIs that are left, in the playlist's order, and what must change with them.

A range without an offset goes on from the one before, as long as both are ranges of one resource (RFC 8216,
section 4.3.2.2). Marked, the URIs of one resource differ; so where one of the two changes, the offset is
written down.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from gate.media.hls.lines import with_offset
from gate.media.hls.marks import NOTHING_KNOWN, About, Mark, Place, is_touched, marked
from gate.media.hls.reading import Reading
from gate.media.hls.timed import hint_span, part_target_us
from gate.media.hls.timeline import Ranges, Timeline, span_of


def marked_master(lines: list[bytes], mark: Mark) -> bytes:
    """The lines of a multivariant playlist, marked."""
    return lines[0] + b"".join(marked(line, mark, place=Place.PLAYLIST) for line in lines[1:])


class Marking:
    """One media playlist being marked: `text` has the lines of it that are left, in their places."""

    def __init__(self, read: Reading, timeline: Timeline, text: list[bytes], mark: Mark) -> None:
        self._read = read
        self._timeline = timeline
        self._text = text
        self._mark = mark
        self._known = _known(read, timeline)
        self._parts = {part.line: part for parts in read.parts.values() for part in parts}
        # Whether the URI of the part before has changed.
        self._part_changed = False

    def run(self, kept: Ranges) -> None:
        """Marks the entries that are kept, and all tags that are left."""
        read, text, mark, assumed = self._read, self._text, self._mark, self._timeline.assumed
        ranges = read.ranges
        tags = iter([*_quoting(text), len(text)])
        tag = next(tags)
        for first, last in kept:
            spans = self._timeline.spans(first, last)
            changed = False
            for entry, (after, span) in enumerate(
                zip(read.first[first + 1 : last + 2], spans, strict=True), first
            ):
                at = after - 1
                while tag < at:
                    self._mark_tag(tag)
                    tag = next(tags)
                line = text[at]
                uri = line.strip()
                before, changed = changed, False
                if is_touched(uri):
                    handed = mark(uri, span if entry < assumed else None, ranges.get(entry), Place.SEGMENT)
                    if handed != uri:
                        changed = True
                        text[at] = line.replace(uri, handed, 1)
                if (changed or before) and entry in read.implicit:
                    at = read.implicit[entry]
                    text[at] = with_offset(text[at], ranges[entry].offset)
        while tag < len(text):
            self._mark_tag(tag)
            tag = next(tags)

    def _mark_tag(self, at: int) -> None:
        text = self._text
        line = marked(text[at], self._mark, self._known.get(at, NOTHING_KNOWN))
        part = self._parts.get(at)
        if part is not None:
            before, self._part_changed = self._part_changed, line != text[at]
            if (before or self._part_changed) and part.implicit and part.range is not None:
                line = with_offset(line, part.range.offset)
        text[at] = line


def _quoting(text: list[bytes]) -> list[int]:
    """The tags with a quoted string, by line. They are few in a long playlist, and found without a loop."""
    found: list[int] = []
    whole, ends = b"".join(text), list(accumulate(map(len, text)))
    at = whole.find(b'="')
    while at >= 0:
        line = bisect_right(ends, at)
        if text[line].lstrip().startswith(b"#"):
            found.append(line)
        at = whole.find(b'="', ends[line])
    return found


def _known(read: Reading, timeline: Timeline) -> dict[int, About]:
    """What is known of parts and hints, by line."""
    known: dict[int, About] = {}
    target = part_target_us(read)
    for entry, parts in read.parts.items():
        for part, start in zip(parts, timeline.part_starts_us(entry, parts), strict=True):
            known[part.line] = About(None, part.range)
            if start is not None and entry < timeline.assumed:
                known[part.line] = About(span_of(start, target or part.duration_us), part.range)
    if read.count < timeline.assumed:
        span = hint_span(read, timeline)
        known |= {at: About(span) for at in read.hints}
    return known
