"""What stands in a playlist, once it is read.

The lines of an entry are those after the entry before it, up to its own URI. What begins no entry's lines is
the head; what follows the last URI is the tail, where the parts of a segment stand that is not complete: the
tail has the place of an entry after the last.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from gate.core.marks import ByteRange
from gate.media.hls.dates import in_order
from gate.media.hls.force import Force, followed
from gate.media.hls.lines import value_of

# Durations that cannot be read.
UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class Part:
    """A partial segment: the line that it stands on, its duration in microseconds, and its bytes.

    `implicit` ranges go on from those of the part before; of one `unclear` nobody can tell where it begins.
    """

    line: int
    duration_us: int
    range: ByteRange | None = None
    implicit: bool = False
    unclear: bool = False


@dataclass(slots=True)
class Reading:
    """What stands in a playlist. Entries are counted from 0; the one after the last is the tail.

    `first` has the first line of each and of the tail. `durations_us` and `dates` (whole lines) have an item
    for each; the tail lasts as long as its parts. `names` are the tags met, except in ordinary entries; `media`
    says whether one of them is a media playlist's. From entry `ordered_from` on the dates of entries are
    `in_order`; None where nobody has looked.
    """

    lines: list[bytes] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    durations_us: list[int] = field(default_factory=list)
    dates: list[bytes | None] = field(default_factory=list)
    discontinuities: dict[int, int] = field(default_factory=dict)
    forcing: dict[int, list[bytes]] = field(default_factory=dict)
    ranges: dict[int, ByteRange] = field(default_factory=dict)
    implicit: dict[int, int] = field(default_factory=dict)
    unclear: set[int] = field(default_factory=set)
    parts: dict[int, list[Part]] = field(default_factory=dict)
    pinned: dict[bytes, list[int]] = field(default_factory=dict)
    hints: list[int] = field(default_factory=list)
    reports: list[int] = field(default_factory=list)
    names: set[bytes] = field(default_factory=set)
    media: bool = False
    ordered_from: int | None = field(default=None, compare=False)
    _forced: list[int] = field(default_factory=list)
    _forces: list[Force] = field(default_factory=lambda: [Force()])

    @property
    def count(self) -> int:
        """How many entries there are; also the index of the tail."""
        return len(self.first) - 1

    def uri(self, entry: int) -> bytes:
        return self.lines[self.first[entry + 1] - 1].strip()

    @property
    def ordered(self) -> bool:
        """Whether all entries have a date, of one form and in order."""
        return in_order(self.dates[: -1 if self.ordered_from is None else self.ordered_from + 1])

    def block(self, entry: int) -> list[bytes]:
        """The lines of an entry, or of the tail."""
        return self.lines[self.first[entry] : self.first[entry + 1] if entry < self.count else None]

    def force(self, entry: int) -> Force:
        """What is in force at the URI of an entry; before the first nothing is."""
        if not self._forced:
            self._forced = list(self.forcing)
        after = bisect_right(self._forced, entry)
        for one in self._forced[len(self._forces) - 1 : after]:
            self._forces.append(followed(self._forces[-1], self.forcing[one]))
        return self._forces[after]

    def said(self, name: bytes) -> list[bytes]:
        """What the tags of a name say, for tags of the playlist as a whole."""
        return [value_of(self.lines[at]) for at in self.pinned.get(name, ())]
