"""Reading a playlist: its lines, which of them make an entry, and what each entry says of itself.

Ordinary entries come by the thousand and are taken at once, in columns; the lines among them by themselves, and
so is every line of a playlist that has no columns. What comes out is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gate.core.marks import ByteRange
from gate.media.hls.columns import DATE, EXTINF, Columns, begins_column, columns, duration_us, ends_column
from gate.media.hls.force import BITRATE, KEY, MAP
from gate.media.hls.lines import attributes, byte_range, microseconds, tag_of, value_of
from gate.media.hls.reading import UNKNOWN, Part, Reading

MASTER_TAGS: Final = frozenset(
    b"#EXT-X-" + name
    for name in (
        *(b"STREAM-INF", b"MEDIA", b"I-FRAME-STREAM-INF", b"IMAGE-STREAM-INF"),
        *(b"SESSION-DATA", b"SESSION-KEY", b"CONTENT-STEERING"),
    )
)
_MEDIA_TAGS: Final = frozenset(
    b"#EXT" + name
    for name in (
        *(b"INF", b"-X-TARGETDURATION", b"-X-MEDIA-SEQUENCE", b"-X-DISCONTINUITY-SEQUENCE", b"-X-ENDLIST"),
        *(
            b"-X-PLAYLIST-TYPE",
            b"-X-I-FRAMES-ONLY",
            b"-X-PART-INF",
            b"-X-SERVER-CONTROL",
            b"-X-PART",
            b"-X-SKIP",
        ),
        *(b"-X-BYTERANGE", b"-X-DISCONTINUITY", b"-X-KEY", b"-X-MAP", b"-X-PROGRAM-DATE-TIME", b"-X-GAP"),
        *(b"-X-BITRATE", b"-X-PRELOAD-HINT", b"-X-RENDITION-REPORT"),
    )
)
# Tags of the playlist as a whole: they stay wherever they stand, when the entries around them go.
PINNED: Final = frozenset(
    b"#EXT-X-" + name
    for name in (
        *(b"VERSION", b"TARGETDURATION", b"MEDIA-SEQUENCE", b"DISCONTINUITY-SEQUENCE", b"ENDLIST"),
        *(b"PLAYLIST-TYPE", b"I-FRAMES-ONLY", b"INDEPENDENT-SEGMENTS", b"START", b"DEFINE"),
        *(b"SERVER-CONTROL", b"PART-INF", b"ALLOW-CACHE", b"DATERANGE", b"SKIP"),
    )
) | {b"#EXTM3U"}


class Reader:
    """Reads one playlist: `read`."""

    def __init__(self) -> None:
        self._read = Reading()
        # The entry that is being read, and its first line, once there is one.
        self._entry = 0
        self._begin: int | None = None
        self._duration_us = UNKNOWN
        self._date: bytes | None = None
        self._range: tuple[int, tuple[int, int | None] | None] | None = None
        self._parts: list[Part] = []
        self._previous = b""
        self._part: tuple[bytes, ByteRange | None] = (b"", None)
        tags: dict[bytes, Callable[[int, bytes], None]] = {
            EXTINF: self._on_duration,
            DATE: self._on_date,
            KEY: self._on_force,
            MAP: self._on_force,
            BITRATE: self._on_force,
            b"#EXT-X-BYTERANGE": self._on_range,
            b"#EXT-X-DISCONTINUITY": self._on_discontinuity,
            b"#EXT-X-GAP": self._on_nothing,
            b"#EXT-X-PART": self._on_part,
            b"#EXT-X-PRELOAD-HINT": self._on_hint,
            b"#EXT-X-RENDITION-REPORT": self._on_report,
        }
        self._tags: Final = tags

    def read(self, body: bytes) -> Reading:
        """All of it; joined again, the lines are the body."""
        read = self._read
        read.lines = lines = body.splitlines(True)
        begin = next((at for at, line in enumerate(lines) if begins_column(line)), len(lines))
        end = len(lines)
        while end > begin and not ends_column(lines[end - 1]):
            end -= 1
        self._lines(range(begin))
        found = columns(lines, begin, end)
        if found is None:
            self._lines(range(begin, end))
        else:
            self._columns(begin, found)
        entries = self._entry
        self._lines(range(end, len(lines)))
        if self._entry > entries:
            read.ordered_from = None
        read.media = read.media or not read.names.isdisjoint(_MEDIA_TAGS)
        read.first.append(len(lines) if self._begin is None else self._begin)
        durations = [part.duration_us for part in self._parts]
        read.durations_us.append(UNKNOWN if UNKNOWN in durations else sum(durations))
        read.dates.append(self._date)
        if self._parts:
            read.parts[read.count] = self._parts
        return read

    def _columns(self, begin: int, found: Columns) -> None:
        """Entries in columns, the first line of which is `begin`, and the lines among them."""
        read, before = self._read, self._entry
        read.media = True
        read.first.append(begin if self._begin is None else self._begin)
        read.first += found.first
        self._begin = read.first.pop()
        read.ordered_from = None if found.ordered_from is None else before + found.ordered_from
        read.durations_us += found.durations_us
        read.dates += found.dates
        for at, entry in found.aside:
            if before + entry > self._entry:
                self._close(found.uris[self._entry - before])
                self._previous = found.uris[entry - 1].strip()
                self._entry = before + entry
            self._line(at)
        self._close(found.uris[self._entry - before])
        self._previous = found.uris[-1].strip()
        self._entry = len(read.first)

    def _lines(self, places: Iterable[int]) -> None:
        for at in places:
            self._line(at)

    def _line(self, at: int) -> None:
        read = self._read
        line = read.lines[at]
        stripped = line.strip()
        if stripped.startswith(b"#"):
            name = tag_of(stripped)
            read.names.add(name)
            tag = self._tags.get(name)
            if tag is not None:
                if self._begin is None:
                    self._begin = at
                tag(at, stripped)
            elif name in PINNED:
                read.pinned.setdefault(name, []).append(at)
        elif stripped and at:
            read.first.append(at if self._begin is None else self._begin)
            read.durations_us.append(self._duration_us)
            read.dates.append(None)
            self._close(line)
            self._entry += 1
            self._previous = stripped
            self._begin = at + 1

    def _close(self, uri: bytes) -> None:
        """The entry takes what the lines before its URI said."""
        read, entry = self._read, self._entry
        if self._range is not None:
            at, said = self._range
            if said is not None and said[1] is not None:
                read.ranges[entry] = ByteRange(said[1], said[0])
            else:
                before = read.ranges.get(entry - 1) if uri.strip() == self._previous else None
                if said is None or before is None or before.length is None:
                    read.unclear.add(entry)
                else:
                    read.ranges[entry] = ByteRange(before.offset + before.length, said[0])
                    read.implicit[entry] = at
        if self._parts:
            read.parts[entry] = self._parts
            self._parts = []
        if read.dates[entry] is None:
            read.dates[entry] = self._date
        self._duration_us, self._date, self._range = UNKNOWN, None, None

    def _on_duration(self, at: int, text: bytes) -> None:
        self._duration_us = duration_us(value_of(text))

    def _on_date(self, at: int, text: bytes) -> None:
        self._date = self._read.lines[at]

    def _on_force(self, at: int, text: bytes) -> None:
        self._read.forcing.setdefault(self._entry, []).append(self._read.lines[at])

    def _on_range(self, at: int, text: bytes) -> None:
        self._range = (at, byte_range(value_of(text)))

    def _on_discontinuity(self, at: int, text: bytes) -> None:
        met = self._read.discontinuities
        met[self._entry] = met.get(self._entry, 0) + 1

    def _on_part(self, at: int, text: bytes) -> None:
        said = attributes(text)
        uri, (previous, before) = said.get(b"URI", b""), self._part
        duration = microseconds(said.get(b"DURATION"))
        found: ByteRange | None = None
        implicit = unclear = False
        if b"BYTERANGE" in said:
            read = byte_range(said[b"BYTERANGE"])
            if read is not None and read[1] is not None:
                found = ByteRange(read[1], read[0])
            elif read is not None and before is not None and before.length is not None and uri == previous:
                found, implicit = ByteRange(before.offset + before.length, read[0]), True
            else:
                unclear = True
        self._part = (uri, found)
        self._parts.append(Part(at, UNKNOWN if duration is None else duration, found, implicit, unclear))

    def _on_hint(self, at: int, text: bytes) -> None:
        self._read.hints.append(at)

    def _on_report(self, at: int, text: bytes) -> None:
        self._read.reports.append(at)

    def _on_nothing(self, at: int, text: bytes) -> None:
        """The tag belongs to its entry and asks for nothing else."""
