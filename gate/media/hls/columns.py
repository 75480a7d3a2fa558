"""The ordinary entries of a playlist, found all at once.

Nearly all lines of a long playlist make entries of one form: a duration, perhaps a date, and a URI. Sliced into
columns they are judged by C code, which takes a tenth of the time that a loop over the lines does: each line of
a column begins with a name if the least of them and the greatest do. What columns say holds only if every line
is in its place, from the first to the last; so lines that are neither are set aside first, those that can be
told by one comparison, and where that is not enough there are no columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.media.hls.dates import in_order
from gate.media.hls.lines import microseconds
from gate.media.hls.reading import UNKNOWN

EXTINF: Final = b"#EXTINF"
DATE: Final = b"#EXT-X-PROGRAM-DATE-TIME"
_INF: Final = EXTINF + b":"
_PDT: Final = DATE + b":"
# A line that is not less begins with neither white space nor "#".
_URI: Final = b"$"


@dataclass(frozen=True, slots=True)
class Columns:
    """Entries of one form, counted from the first of the columns.

    `first` has the first line of each entry but the first, and the line after the last. `aside` are the lines
    that are of no column and no dates, each with the entry that it belongs to: the one whose URI comes next.
    From entry `ordered_from` on the dates are `in_order`, if it is not None.
    """

    first: list[int]
    durations_us: list[int]
    dates: list[bytes | None]
    uris: list[bytes]
    aside: list[tuple[int, int]]
    ordered_from: int | None = None


def begins_column(line: bytes) -> bool:
    """Whether columns may begin with this line."""
    return line.startswith(_INF)


def ends_column(line: bytes) -> bool:
    """Whether columns may end with this line."""
    return line >= _URI


def columns(lines: list[bytes], begin: int, end: int) -> Columns | None:
    """The columns of a playlist's lines from `begin` to `end`, which begin as columns do, and end so.

    None where they have none.
    """
    lines = lines[begin:end]
    found = _regular(lines, begin, [])
    if found is not None:
        return found
    # All tags of today but EXTINF are less than EXTINF, and so are comments and white space; URIs are greater.
    aside = [at for at, line in enumerate(lines) if line < _INF]
    undated = [at for at in aside if not lines[at].startswith(_PDT)]
    if not all(map(_may_stand_aside, {lines[at] for at in undated})):
        return None
    # Where most entries have a date, dates are a column.
    dated = (len(aside) - len(undated)) * 6 > len(lines)
    return _regular(lines, begin, undated if dated else aside)


def duration_us(text: bytes) -> int:
    """What EXTINF says, less the title; UNKNOWN where it cannot be read."""
    duration = microseconds(text.partition(b",")[0])
    return UNKNOWN if duration is None else duration


def _regular(lines: list[bytes], begin: int, aside: list[int]) -> Columns | None:
    """The columns of the lines that do not stand aside; the first of all lines is line `begin`."""
    left = _without(lines, aside) if aside else lines
    dated = [line.startswith(_PDT) for line in left[1:3]]
    period = 3 if any(dated) else 2
    uri = 2 if dated[:1] == [True] else 1
    infs, uris = left[::period], left[uri::period]
    many = len(infs)
    if not uris or len(left) != many * period - (period - 1 - uri):
        return None
    if min(uris) < _URI:
        return None
    distinct = set(infs)
    if not all(line.startswith(_INF) for line in distinct):
        return None
    dates: list[bytes | None] = [None] * many
    ordered = False
    if period == 3:
        column = left[3 - uri :: 3]
        ordered = in_order(column)
        if not ordered and not (min(column).startswith(_PDT) and max(column).startswith(_PDT)):
            return None
        # Where it comes first, the date of the first entry stands before all columns.
        dates[2 - uri :] = column
    durations = {line: duration_us(line[len(_INF) :]) for line in distinct}
    durations_us = (
        list(durations.values()) * many if len(durations) == 1 else [durations[line] for line in infs]
    )
    first: list[int] = []
    others: list[tuple[int, int]] = []
    closed, after = 0, begin + uri + 1
    for passed, at in enumerate(aside):
        # The entries whose URI stands before this line.
        entry = (at - passed - uri + period - 1) // period
        if entry > closed:
            first += range(after + closed * period, after + entry * period, period)
            closed = entry
        after += 1
        if lines[at].startswith(_PDT):
            dates[entry] = lines[at]
        else:
            others.append((begin + at, entry))
    first += range(after + closed * period, after + many * period, period)
    return Columns(first, durations_us, dates, uris, others, 2 - uri if ordered else None)


def _without(lines: list[bytes], places: list[int]) -> list[bytes]:
    left: list[bytes] = []
    begin = 0
    for at in places:
        left += lines[begin:at]
        begin = at + 1
    return left + lines[begin:]


def _may_stand_aside(line: bytes) -> bool:
    """Whether the line is no URI after white space, and no odd spelling of what columns have."""
    return not line.startswith((EXTINF, DATE)) and (line.startswith(b"#") or not line.strip())
