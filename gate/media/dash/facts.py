"""Facts: what tells the time of a template's segments from their URLs alone, small enough to be sealed in them.

The player expands a template by itself, so no segment's URL can be marked. Instead the gate hands the template
out with one more segment in its path: these facts, packed and sealed. Whoever opens the seal knows the paths
that the template stands for, and when each segment is: no store, and nothing that a player says is believed.

A time in the URL (``$Time$``) says when the segment begins. A number (``$Number$``) says it by a table of runs,
in which segments follow one another in even steps: one run where all have one length (``@duration``), else one
for each stretch of a SegmentTimeline. Never is a time from one part of a URL believed for a number in another:
a player can write any pair. A table that is too long is made coarser: a run then stands for uneven segments,
and says how far off its even steps are (`Run.slack`), so that a span is never less than the segment. It cannot
reach what was not listed: runs begin with the first segment that was, and end with the last one. Only where a
list goes on by itself does the last run.

So facts are to be made of the MPD that is handed out, once it is clipped.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from gate.core.windows import Span
from gate.media.dash.moments import SECOND_US
from gate.media.dash.runs import Run

_VERSION: Final = 1
_MOST_UNPACKED: Final = 65536
_FIELD: Final = re.compile(r"\$(?:(RepresentationID|Number|Time|Bandwidth|SubNumber)(?:%0(\d{1,2})d)?)?\$")
_GROUPS: Final = {"Number": "number", "Time": "time"}
# What players append to any URL (CTA-5004): no origin tells its segments apart by it.
_ADDED: Final = re.compile(r"CMCD(?:=|\Z)")


class Untimed(Enum):
    """What belongs to a template and is of no time."""

    INIT = "init"  # an initialisation segment, an index, or a bitstream switching segment


@dataclass(frozen=True, slots=True)
class Facts:
    """The segments of one representation: their paths, as the origin knows them, and their times, in ticks.

    `epoch_us` is when the Period began (Unix microseconds), and `offset` the tick at which it did. `runs` are
    the segments from `number` on, none of them longer than `longest`; the last run goes on where they are
    `open`. `timed` are templates with fields for a number or a time, and what stands for one segment; `untimed`
    are paths of no time. A template with a query is matched with its query.
    """

    epoch_us: int
    timescale: int
    offset: int
    number: int
    runs: tuple[Run, ...]
    longest: int
    open: bool
    timed: tuple[str, ...]
    untimed: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """The facts as bytes: the same ones for the same facts."""
        runs, at = list[int](), 0
        for run in self.runs:
            runs += run.start - at, run.length, run.count, run.slack
            at = run.end
        times = self.epoch_us, self.timescale, self.offset, self.number, self.longest, int(self.open)
        said = [_VERSION, *times, runs, self.timed, self.untimed]
        squeezed = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
        return squeezed.compress(json.dumps(said, separators=(",", ":")).encode()) + squeezed.flush()

    @classmethod
    def unpack(cls, packed: bytes) -> Facts | None:
        """The facts that were packed so; None for any other bytes, and for those of another version."""
        opened = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            text = opened.decompress(packed, _MOST_UNPACKED)
            said = json.loads(text) if opened.eof and not opened.unused_data else None
        except (zlib.error, ValueError, RecursionError):
            return None
        match said:
            case [int(version), int(), int(), int(), int(), int(), int(), runs, timed, untimed]:
                epoch, scale, offset, number, longest, going = said[1:7]
                if version != _VERSION or scale < 1 or not _all(runs, int) or len(runs) % 4 or not runs:
                    return None
                table = tuple(_runs(runs))
                if not _all(timed, str) or not _all(untimed, str) or any(run.count < 1 for run in table):
                    return None
                paths = tuple(timed), tuple(untimed)
                return cls(epoch, scale, offset, number, table, longest, bool(going), *paths)
        return None

    def find(self, path: str, query: str | None = None) -> Span | Untimed | None:
        """When the segment of that path is, in whole milliseconds, the broken ones included.

        Untimed.INIT for what has no time; None where the path is not one of these, or its time is not known.
        `path` and `query` are as they stand in the request, without the session link and the seal.
        """
        asked = _asked(path, query)
        for template in self.timed:
            has_query, pattern = _pattern(template)
            found = pattern.fullmatch(asked[has_query])
            if found is not None:
                said = {name: int(digits) for name, digits in found.groupdict().items()}
                ticks = self._ticks(said.get("number"), said.get("time"))
                if ticks is not None:
                    return self._span(*ticks)
        for template in self.untimed:
            has_query, pattern = _pattern(template)
            if not pattern.groups and pattern.fullmatch(asked[has_query]):
                return Untimed.INIT
        return None

    def _ticks(self, number: int | None, time: int | None) -> tuple[int, int] | None:
        """From when to when the segment is at most: never less than it is, and nothing that is not listed."""
        first, last = self.runs[0].start, self.runs[-1].end
        if number is None and time is None:
            return (first, last) if sum(run.count for run in self.runs) == 1 and not self.open else None
        start, end = first, last
        if number is not None:
            found = self._by_number(number - self.number)
            if found is None:
                return None
            start, end = found
        if time is not None:
            goes_on = self.open and number is None
            if time < start or (time >= end and not goes_on):
                return None
            start, end = time, time + self.longest if self.open else min(time + self.longest, end)
        return max(start, first), end if self.open else min(end, last)

    def _by_number(self, at: int) -> tuple[int, int] | None:
        if at < 0:
            return None
        for run in self.runs:
            if at < run.count:
                return run.segment(at)
            at -= run.count
        return self.runs[-1].segment(at + self.runs[-1].count) if self.open else None

    def _span(self, start: int, end: int) -> Span:
        unit, epoch = self.timescale * 1000, self.epoch_us * self.timescale
        low, high = (epoch + (ticks - self.offset) * SECOND_US for ticks in (start, end))
        return Span(low // unit, -(-high // unit))


def filled(template: str, representation_id: str, bandwidth: str) -> str:
    """The template with those fields filled in that are the same for all of a representation's segments."""

    def fill(found: re.Match[str]) -> str:
        if found[1] == "RepresentationID":
            return representation_id.replace("$", "$$")
        return bandwidth.strip().rjust(int(found[2] or 1), "0") if found[1] == "Bandwidth" else found[0]

    return _FIELD.sub(fill, template)


def is_timed(template: str) -> bool:
    """Whether the template stands for more than one URL."""
    return any(found[1] in ("Number", "Time", "SubNumber") for found in _FIELD.finditer(template))


def _asked(path: str, query: str | None) -> tuple[str, str]:
    """What is matched: the path alone, and the path with its query."""
    pieces = (query or "").split("&")
    return unquote(path), unquote(path) + "\n" + "&".join(piece for piece in pieces if not _ADDED.match(piece))


@lru_cache(maxsize=1024)
def _pattern(template: str) -> tuple[bool, re.Pattern[str]]:
    """What matches the URLs that the template stands for (ISO/IEC 23009-1, section 5.3.9.4.4).

    Paths are matched decoded, queries as they are.
    """
    path, mark, query = template.partition("?")
    named = set[str]()
    text = _expression(path, named, decoded=True)
    if mark:
        text += "\n" + _expression(query, named, decoded=False)
    return bool(mark), re.compile(text)


def _expression(template: str, named: set[str], *, decoded: bool) -> str:
    def literal(text: str) -> str:
        return re.escape(unquote(text) if decoded else text)

    pieces, at = [], 0
    for found in _FIELD.finditer(template):
        pieces.append(literal(template[at : found.start()]))
        at = found.end()
        if found[1] is None:
            pieces.append(re.escape("$"))
            continue
        # A number has no zeros in front but those that the width asks for, and one spelling.
        width = min(int(found[2] or 1), 18)
        digits = r"(?:0|[1-9][0-9]{0,18})" if width < 2 else rf"(?:[0-9]{{{width}}}|[1-9][0-9]{{{width},18}})"
        group = _GROUPS.get(found[1])
        if group in named:
            pieces.append(f"(?P={group})")
        elif group is not None:
            pieces.append(f"(?P<{group}>{digits})")
            named.add(group)
        else:
            pieces.append(digits)
    return "".join([*pieces, literal(template[at:])])


def _all(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _runs(numbers: list[int]) -> Iterator[Run]:
    at = 0
    for gap, length, count, slack in zip(*[iter(numbers)] * 4, strict=False):
        yield Run(at + gap, length, count, slack)
        at += gap + length
