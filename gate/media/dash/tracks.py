"""The periods of an MPD and what is in them: representations by how their segments are addressed.

Addressing is inherited: a template or list of a representation takes what it does not say itself from those of
its adaptation set and its period (ISO/IEC 23009-1, section 5.3.9.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gate.core.windows import Span
from gate.media.dash.markup import Element, MpdError
from gate.media.dash.moments import SECOND_US, read_duration

_NUMBER: Final = re.compile(r"\s*\+?(\d{1,20})\s*", re.ASCII)
_ADDRESSING: Final = ("SegmentTemplate", "SegmentList")
_KINDS: Final = (*_ADDRESSING, "SegmentBase")
# An element that stands elsewhere, except for the one that stands nowhere (section 5.5.3).
_ELSEWHERE: Final = re.compile(r"(?:[^:]+:)?href")
_NOWHERE: Final = "urn:mpeg:dash:resolve-to-zero:2013"
_SIGNED: Final = re.compile(r"\s*([+-]?\d{1,20})\s*", re.ASCII)


def number(attributes: Mapping[str, str], name: str, default: int) -> int:
    """The unsigned integer of that attribute. Raises MpdError."""
    text = attributes.get(name)
    if text is None:
        return default
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise MpdError(f"{name} is not a number")
    return int(found[1])


def duration_us(element: Element, name: str) -> int | None:
    """The duration in that attribute, in microseconds. Raises MpdError."""
    text = element.attributes.get(name)
    return None if text is None else read_duration(text)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Representations that are addressed alike: their segments have the same times and numbers.

    `levels` are the templates or lists that they inherit from, the lowest one last, and `attributes` what these
    say together. `timeline` is their SegmentTimeline, if they have one, `holder` has the URLs of a list.
    """

    levels: tuple[Element, ...]
    attributes: Mapping[str, str]
    timeline: Element | None
    holder: Element
    representations: tuple[Element, ...]

    @property
    def element(self) -> Element:
        return self.levels[-1]

    @property
    def timescale(self) -> int:
        timescale = number(self.attributes, "timescale", 1)
        if timescale < 1:
            raise MpdError("timescale is 0")
        return timescale

    @property
    def offset(self) -> int:
        """The time of `timeline` that is the Period's beginning, in ticks."""
        return number(self.attributes, "presentationTimeOffset", 0)

    @property
    def first(self) -> int:
        """When the first segment begins, where they are counted, in ticks of the timeline."""
        found = _SIGNED.fullmatch(self.attributes.get("eptDelta", "0"))
        if found is None:
            raise MpdError("eptDelta is not a number")
        return self.offset + int(found[1])

    @property
    def start_number(self) -> int:
        return number(self.attributes, "startNumber", 1)

    @property
    def length(self) -> int:
        """How long each segment is, where they are counted, in ticks."""
        length = number(self.attributes, "duration", 0)
        if length < 1:
            raise MpdError("segments without a length")
        return length

    @property
    def length_us(self) -> int:
        return self.length * SECOND_US // self.timescale

    @property
    def listed(self) -> bool:
        """Whether each segment has a URL of its own."""
        return self.element.name == "SegmentList"

    @property
    def counted(self) -> bool:
        """Whether only the number of segments is known, all of one length."""
        return self.timeline is None

    @property
    def numbered(self) -> bool:
        """Whether the segments are named by their number."""
        return any("$Number" in self.attributes.get(name, "") for name in ("media", "index"))

    def bounds(self, low_us: int, high_us: int) -> tuple[int, int]:
        """Ticks: the last one not after `low_us` of the Period, the first one not before `high_us`.

        What ends after the one and begins before the other shares an instant with the interval.
        """
        low = self.offset + low_us * self.timescale // SECOND_US
        return low, self.offset - (-high_us * self.timescale // SECOND_US)

    def span(self, base_us: int, start: int, end: int) -> Span:
        """When that is which lies between these ticks, in whole milliseconds, the broken ones included.

        `base_us` is when the Period begins.
        """
        scale, base = self.timescale * 1000, base_us * self.timescale
        low, high = (base + (ticks - self.offset) * SECOND_US for ticks in (start, end))
        return Span(low // scale, -(-high // scale))

    def time_us(self, ticks: int) -> int:
        """When in the Period the tick is, in microseconds; what is finer is cut off."""
        return (ticks - self.offset) * SECOND_US // self.timescale


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """A period, where it is known when it begins; `end_us` is None as long as it goes on.

    Microseconds from the beginning of the presentation.
    """

    element: Element
    start_us: int
    end_us: int | None

    def tracks(self) -> tuple[Track, ...] | None:
        """All that is in it; None where the times of something in it are not known.

        That is a representation in one piece, or without any address, or one that stands in another document.
        """
        tracks, files = self.addressed()
        if files or not _agree(tracks) or any(_is_elsewhere(element) for element in self.element.walk()):
            return None
        return tracks

    def addressed(self) -> tuple[tuple[Track, ...], tuple[tuple[Element, ...], ...]]:
        """Its tracks, and each representation in one piece, behind the elements that it is in."""
        found: dict[int, tuple[list[Element], list[Element]]] = {}
        files = []
        for chain in representations(self.element):
            addressed = [element.first(name) for element in chain for name in _KINDS if element.first(name)]
            lowest = addressed[-1] if addressed else None
            if lowest is None or lowest.name not in _ADDRESSING:
                files.append(chain)
                continue
            levels = [element for element in addressed if element is not None and element.name == lowest.name]
            found.setdefault(lowest.start, (levels, []))[1].append(chain[-1])
        return tuple(_track(tuple(levels), tuple(members)) for levels, members in found.values()), tuple(files)


def representations(period: Element) -> Iterator[tuple[Element, Element, Element]]:
    """Each representation of the period, behind the period and its adaptation set."""
    for adaptation in period.all("AdaptationSet", "EmptyAdaptationSet"):
        for representation in adaptation.all("Representation"):
            yield period, adaptation, representation


def _track(levels: tuple[Element, ...], members: tuple[Element, ...]) -> Track:
    attributes: dict[str, str] = {}
    for element in levels:
        attributes |= element.attributes
    timelines = [timeline for element in levels if (timeline := element.first("SegmentTimeline"))]
    holders = [element for element in levels if element.first("SegmentURL")]
    holder = holders[-1] if holders else levels[-1]
    return Track(levels, attributes, timelines[-1] if timelines else None, holder, members)


def _agree(tracks: tuple[Track, ...]) -> bool:
    """Whether those that share a timeline, or a list's URLs, mean the same times by it."""
    meant: dict[int, tuple[object, ...]] = {}
    for track in tracks:
        for shared in (track.timeline, track.holder if track.listed else None):
            if shared is not None:
                times = track.timescale, track.offset, track.timeline, track.attributes.get("duration")
                if meant.setdefault(shared.start, times) != times:
                    return False
    return True


def _is_elsewhere(element: Element) -> bool:
    return any(_ELSEWHERE.fullmatch(name) for name in element.attributes) and not is_nowhere(element)


def is_nowhere(element: Element) -> bool:
    """Whether it is a link to nothing, which players take out."""
    return any(_ELSEWHERE.fullmatch(name) and text == _NOWHERE for name, text in element.attributes.items())
