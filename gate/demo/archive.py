"""What was recorded: segments under dated names, and the playlists that list them.

A segment's name says what it covers: `2026/11/21/22/04/06-02000.ts` begins at that second of UTC and lasts
2000 ms. So the files are the archive's only index. A playlist of the archive numbers its segments by time,
and keeps its numbers while it grows and while its oldest files are deleted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from gate.demo.transport import cut

SEGMENT_S = 2
_DATED = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})/([0-9]{2})/([0-9]{2})/([0-9]{2})-([0-9]{5})\.ts")
# No dated name can speak of more: its length has five digits.
_LONGEST_S = 100
_SHIFTED_WINDOW = 10
# After this long a span that has passed gets no segment any more.
_LATE_MS = 10_000


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of a stream. `run` counts the recordings of a playlist: where it changes, time jumps."""

    start_s: int
    duration_ms: int
    run: int = 0

    @property
    def start_ms(self) -> int:
        return self.start_s * 1000

    @property
    def end_ms(self) -> int:
        return self.start_s * 1000 + self.duration_ms

    @property
    def name(self) -> str:
        return f"{datetime.fromtimestamp(self.start_s, UTC):%Y/%m/%d/%H/%M/%S}-{self.duration_ms:05d}.ts"

    @classmethod
    def named(cls, name: str) -> Segment | None:
        """The segment that a dated name (relative to its stream's folder) speaks of, if it is one."""
        found = _DATED.fullmatch(name)
        if found is None:
            return None
        year, month, day, hour, minute, second, duration_ms = map(int, found.groups())
        try:
            start = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
        return cls(int(start.timestamp()), duration_ms)


def recorded(folder: Path, *, since_s: int = 0) -> list[Segment]:
    """Every segment in a stream's folder that ends after `since_s`, oldest first.

    There is a new `run` after each gap; runs count from the first segment that is returned.
    """
    since = f"{datetime.fromtimestamp(max(0, since_s - _LONGEST_S), UTC):%Y/%m/%d/%H/%M}"
    found: list[Segment] = []
    for minute in sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*/*/*/*")):
        if minute < since:
            continue
        names = (f"{minute}/{path.name}" for path in (folder / minute).glob("*.ts"))
        for segment in sorted(segment for name in names if (segment := Segment.named(name))):
            if segment.end_ms > since_s * 1000:
                run = found[-1].run + (found[-1].end_ms != segment.start_ms) if found else 0
                found.append(replace(segment, run=run))
    return found


def overlapping(segments: Sequence[Segment], start_ms: int, end_ms: int | None) -> list[Segment]:
    """Those that hold an instant of the span `[start_ms, end_ms)`; None is no end."""
    if end_ms is not None and end_ms <= start_ms:
        return []
    return [
        segment
        for segment in segments
        if segment.end_ms > start_ms and (end_ms is None or segment.start_ms < end_ms)
    ]


def piece(folder: Path, segment: Segment, start_ms: int, end_ms: int | None) -> bytes:
    """What of the segment lies in the span `[start_ms, end_ms)`, as MPEG-TS. It begins with a key frame where
    the span begins with a whole second. Blocks; raises FileNotFoundError when the segment is gone."""
    packets = (folder / segment.name).read_bytes()
    if start_ms <= segment.start_ms and (end_ms is None or segment.end_ms <= end_ms):
        return packets
    first_ms = start_ms - segment.start_ms if start_ms > segment.start_ms else None
    return cut(packets, first_ms, None if end_ms is None else end_ms - segment.start_ms)


def playlist(
    segments: Sequence[Segment],
    *,
    sequence: int,
    ended: bool = False,
    tags: Sequence[str] = (),
    prefix: str = "",
) -> str:
    """An HLS media playlist (RFC 8216) of these segments, `sequence` being the number of the first.

    `tags` follow those that every playlist has; `prefix` leads from the playlist's folder to the stream's.
    """
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{SEGMENT_S}",
        f"#EXT-X-MEDIA-SEQUENCE:{sequence}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{segments[0].run if segments else 0}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        *tags,
    ]
    previous = segments[0] if segments else None
    for segment in segments:
        if previous is not None and segment.run != previous.run:
            lines.append("#EXT-X-DISCONTINUITY")
        start = datetime.fromtimestamp(segment.start_s, UTC)
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{start:%Y-%m-%dT%H:%M:%S}.000Z")
        lines.append(f"#EXTINF:{segment.duration_ms / 1000:.3f},")
        lines.append(prefix + segment.name)
        previous = segment
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def span_playlist(
    every: Sequence[Segment], start_s: int, lasts_s: int | None, now_ms: int, *, prefix: str = ""
) -> str | None:
    """What overlaps `[start_s, + lasts_s)`, or all from `start_s` on: an event that grows. None if nothing.

    It has an end when nothing can be added to it any more.
    """
    end_ms = None if lasts_s is None else (start_s + lasts_s) * 1000
    chosen = overlapping(every, start_s * 1000, end_ms)
    if end_ms is None:
        return _numbered_by_time(chosen, tags=("#EXT-X-PLAYLIST-TYPE:EVENT",), prefix=prefix)
    ended = bool(every) and (end_ms <= every[-1].end_ms or end_ms <= now_ms - _LATE_MS)
    return _numbered_by_time(chosen, ended=ended, prefix=prefix)


def playlist_from(every: Sequence[Segment], start_s: int) -> str | None:
    """All from `start_s` on, played from its beginning: shifted live for who has no session. None if nothing.

    Without EXT-X-START a player would begin at the live edge.
    """
    return _numbered_by_time(
        overlapping(every, start_s * 1000, None), tags=("#EXT-X-START:TIME-OFFSET=0,PRECISE=YES",)
    )


def shifted_playlist(every: Sequence[Segment], until_ms: int) -> str | None:
    """The live playlist as it was at `until_ms`: the ten newest that had ended by then. None if nothing."""
    return _numbered_by_time([one for one in every if one.end_ms <= until_ms][-_SHIFTED_WINDOW:])


def rewind_playlist(every: Sequence[Segment], start_ms: int) -> str | None:
    """A live playlist that reaches back to `start_ms`. None if nothing."""
    return _numbered_by_time(overlapping(every, start_ms, None))


def _numbered_by_time(
    segments: Sequence[Segment], *, ended: bool = False, tags: Sequence[str] = (), prefix: str = ""
) -> str | None:
    if not segments:
        return None
    sequence = segments[0].start_s // SEGMENT_S
    return playlist(segments, sequence=sequence, ended=ended, tags=tags, prefix=prefix)
