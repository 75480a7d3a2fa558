"""The entries of a SegmentTimeline: which segments they list, and which of those lie in an interval.

Everything is in ticks of the timeline's timescale and on its own axis, that of ``S@t``. Repetitions are
reckoned with, never written out: one entry may stand for billions. Entries go forward in time and have a
length, as players need them (ISO/IEC 23009-1, section 5.3.9.6); that the next one begins where the last segment
of the one before ends, give or take, is the packager's to see to.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from gate.media.dash.edits import Edits
from gate.media.dash.markup import Document, Element, MpdError

_ATTRIBUTE: Final = re.compile(rb'\s([tdrn])="(-?[0-9]+)"')
# Unsigned 64-bit numbers have 20 digits.
_INTEGER: Final = re.compile(r"\s*\+?(-?[0-9]{1,20})\s*")
_DURATION: Final = re.compile(rb'\sd="([0-9]+)"')
_EVEN: Final = re.compile(rb' t="([0-9]+)" d="([0-9]+)"(?: r="([0-9]+)")?')
_REPEATED: Final = re.compile(rb' r="([0-9]+)"')
# Later than any tick, even if a timeline is made of nothing but the largest numbers that can be read.
ENDLESS: Final = 2**192


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A segment's place: which entry, and which of its repetitions."""

    entry: int
    repetition: int


@dataclass(frozen=True, slots=True)
class Range:
    """The segments from `first` up to `last`, which is among them."""

    first: Place
    last: Place


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry as it stands. It says a number itself (``S@n``) where it is `numbered`."""

    start: int | None
    duration: int
    again: int
    numbered: bool


class Entries:
    """What a timeline lists, by rows that are read when they are looked at.

    `starts` holds when each begins, unless each says so itself. `places` holds where they stand in the bytes:
    of each its element, or where the first begins if each begins where the one before ends. An entry that is to
    be repeated until the Period ends (``r="-1"``) ends at `limit`. Rows that are not even are `known` already.
    """

    def __init__(
        self,
        rows: Sequence[bytes],
        starts: Sequence[int] | None,
        places: Sequence[Element] | int,
        limit: int | None,
        known: dict[bytes, _Row],
    ) -> None:
        self._rows = rows
        self._starts = starts
        self._places = places
        self._limit = ENDLESS if limit is None else limit
        self._known = known
        self._lengths: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def numbered(self) -> bool:
        """Whether an entry says its segments' number itself, which hardly any player reads."""
        return self._starts is not None and any(row.numbered for row in self._known.values())

    @property
    def open(self) -> bool:
        """Whether the last one is to be repeated until the Period ends."""
        return len(self) > 0 and self._read(self._rows[-1]).again < 0

    @property
    def all(self) -> Range | None:
        return self.between(-ENDLESS, ENDLESS)

    def between(self, low: int, high: int) -> Range | None:
        """The segments that share an instant with ``[low, high)``."""
        rows = range(len(self))
        start = bisect_left(rows, True, key=lambda at: self._end(at) > low)
        end = bisect_left(rows, high, lo=start, key=self._start)
        # An entry that is to be repeated until the next one may stand for no segment at all.
        while start < end and not self._count(start):
            start += 1
        while start < end and not self._count(end - 1):
            end -= 1
        if start >= end:
            return None
        first, last = self._start(start), self._start(end - 1)
        skipped = max(0, (low - first) // self.duration(start))
        final = -((last - min(high, self._end(end - 1))) // self.duration(end - 1)) - 1
        found = Range(Place(start, skipped), Place(end - 1, final))
        return found if found.first <= found.last else None

    def duration(self, at: int) -> int:
        """How long each of the entry's segments is."""
        return self._read(self._rows[at]).duration

    def start(self, place: Place) -> int:
        """When the segment begins."""
        return self._start(place.entry) + self.duration(place.entry) * place.repetition

    def end(self, place: Place) -> int:
        """When the segment ends."""
        return self.start(place) + self.duration(place.entry)

    def next(self, place: Place) -> Place:
        """The place behind this one, be there a segment or not."""
        if place.repetition + 1 < self._count(place.entry):
            return Place(place.entry, place.repetition + 1)
        following = place.entry + 1
        while following < len(self) and not self._count(following):
            following += 1
        return Place(following, 0)

    def previous(self, place: Place) -> Place:
        """The place in front of this one, be there a segment or not."""
        if place.repetition:
            return Place(place.entry, place.repetition - 1)
        before = place.entry - 1
        while before > 0 and not self._count(before):
            before -= 1
        return Place(before, self._count(before) - 1 if before >= 0 else 0)

    def count(self, before: Place) -> int:
        """How many segments come before this one."""
        if self._starts is None:
            repeated = _REPEATED.findall(b"".join(self._rows[: before.entry]))
            return before.entry + sum(map(int, repeated)) + before.repetition
        again = [self._known[row].again for row in self._rows[: before.entry]]
        if min(again, default=0) >= 0:
            return before.entry + sum(again) + before.repetition
        return sum(map(self._count, range(before.entry))) + before.repetition

    @property
    def longest(self) -> int:
        """How long no segment is longer than; 0 where there is none."""
        return max(map(int, set(_DURATION.findall(b"".join(self._rows)))), default=0)

    def runs(self) -> list[tuple[int, int, int]]:
        """Each entry's start, duration and count of segments."""
        if self._starts is None:
            found = _EVEN.findall(b"".join(self._rows))
            return [(int(start), int(duration), int(again or 0) + 1) for start, duration, again in found]
        read = [self._known[row] for row in self._rows]
        pairs = enumerate(zip(self._starts, read, strict=True))
        return [
            (start, row.duration, row.again + 1 if row.again >= 0 else self._count(at))
            for at, (start, row) in pairs
        ]

    def cut(self, kept: Range, edits: Edits, document: Document) -> None:
        """Only these segments are listed: entries go, and the first and the last are cut."""
        whole = self.all
        assert whole is not None
        first, last = kept.first, kept.last
        if first.entry > 0:
            edits.replace(self._place(0)[0], self._place(first.entry)[0], b"")
        if last.entry < len(self) - 1:
            edits.replace(self._place(last.entry)[1], self._place(len(self) - 1)[1], b"")
        values: dict[int, dict[bytes, int]] = {first.entry: {}, last.entry: {}}
        if first > whole.first:
            values[first.entry][b"t"] = self.start(first)
        for at in values:
            row = self._read(self._rows[at])
            ended = last.repetition + 1 if at == last.entry else self._count(at)
            count = ended - (first.repetition if at == first.entry else 0)
            # What is repeated up to an end that stays may go on so.
            if row.again >= 0 or (at == last.entry and last < whole.last):
                values[at][b"r"] = count - 1
        for at, attributes in values.items():
            if not isinstance(self._places, int):
                _put(edits, self._places[at], attributes)
                continue
            start, end = self._place(at)
            tag = document.body[start:end]
            edited = _with(tag, attributes)
            if edited != tag:
                edits.replace(start, end, edited)

    def _read(self, row: bytes) -> _Row:
        known = self._known.get(row)
        if known is None:
            known = self._known[row] = _read(row)
        return known

    def _start(self, at: int) -> int:
        start = self._read(self._rows[at]).start if self._starts is None else self._starts[at]
        assert start is not None
        return start

    def _end(self, at: int) -> int:
        return self._start(at) + self.duration(at) * self._count(at)

    def _count(self, at: int) -> int:
        row = self._read(self._rows[at])
        if row.again >= 0:
            return row.again + 1
        end = self._limit if at + 1 == len(self) else self._start(at + 1)
        return max(0, -((self._start(at) - end) // row.duration))

    def _place(self, at: int) -> tuple[int, int]:
        if not isinstance(self._places, int):
            return self._places[at].start, self._places[at].end
        self._lengths = self._lengths or list(accumulate(map(len, self._rows), initial=0))
        start = self._places + self._lengths[at] + 2 * at
        return start, start + 2 + self._rows[at].index(b">") + 1


def read_entries(document: Document, timeline: Element, limit: int | None) -> Entries:
    """The entries of the timeline. Raises MpdError where they go back in time or have no length."""
    if not timeline.plain:
        entries = timeline.all("S")
        rows = [_row(entry.attributes) for entry in entries]
        known = {row: _read(row) for row in set(rows)}
        return Entries(rows, _starts(rows, known), entries, limit, known)
    content = document.body[document.opened(timeline) : timeline.close]
    before, *rows = content.split(b"<S")
    # Times of the same width are in the order of their digits.
    even = timeline.even and rows == sorted(rows)
    known = {} if even else {row: _read(row) for row in set(rows)}
    starts = None if even else _starts(rows, known)
    return Entries(rows, starts, document.opened(timeline) + len(before), limit, known)


def even_entries(start: int, duration: int, count: int) -> Entries:
    """Segments of one length: those that a template or a list with a @duration has."""
    rows = [b'S d="%d" r="%d"' % (duration, count - 1)] if count else []
    return Entries(rows, [start] * len(rows), [], None, {row: _read(row) for row in rows})


def _starts(rows: Sequence[bytes], known: Mapping[bytes, _Row]) -> list[int]:
    """When each row begins."""
    steps = {row: (read.start, read.duration * (read.again + 1)) for row, read in known.items()}
    starts, at = [], 0
    for row in rows:
        start, length = steps[row]
        if start is not None:
            at = start
        starts.append(at)
        at += length
    if any(row.again < 0 for row in known.values()):
        followed = (other for row, other in pairwise(rows) if known[row].again < 0)
        if any(known[row].start is None for row in followed):
            raise MpdError("a timeline with an open entry that nothing ends")
    if starts != sorted(starts):
        raise MpdError("a timeline that goes back in time")
    return starts


def _read(row: bytes) -> _Row:
    found = dict(_ATTRIBUTE.findall(row))
    duration, again = int(found.get(b"d", 0)), int(found.get(b"r", 0))
    start = int(found[b"t"]) if b"t" in found else None
    if duration < 1 or again < -1 or (start is not None and start < 0):
        raise MpdError("a timeline with an entry that has no length or no start")
    return _Row(start, duration, again, b"n" in found)


def _row(attributes: Mapping[str, str]) -> bytes:
    """An entry's attributes in the one spelling that is read here."""
    said = [b"S"]
    for name in ("t", "d", "r", "n"):
        if name in attributes:
            found = _INTEGER.fullmatch(attributes[name])
            if found is None:
                raise MpdError(f"a timeline with a {name} that is not a number")
            said.append(b'%b="%b"' % (name.encode(), found[1].encode()))
    return b" ".join(said)


def _put(edits: Edits, entry: Element, attributes: Mapping[bytes, int]) -> None:
    """The element has these attributes. One that is not there is not put in where it says nothing."""
    for name, value in attributes.items():
        said = entry.attributes.get(name.decode())
        if int(said or 0) != value or (said is None and name != b"r"):
            edits.put(entry, name.decode(), value)


def _with(tag: bytes, attributes: Mapping[bytes, int]) -> bytes:
    """The plain start tag with these attributes. One that is not there stands first, unless it says nothing."""
    for name, value in attributes.items():
        found = re.search(rb'\s%b="([^"]*)"' % name, tag)
        if found is not None and int(found[1]) != value:
            tag = tag[: found.start(1)] + b"%d" % value + tag[found.end(1) :]
        elif found is None and (name, value) != (b"r", 0):
            tag = b'<S %b="%d"%b' % (name, value, tag[2:])
    return tag
