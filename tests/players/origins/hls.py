"""HLS playlists whose segments' names say no time: live, growing events, archives."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import accumulate

from aiohttp import web

from tests.players.origins.material import Entry, Listed, Tracks
from tests.players.origins.site import Site

# A playlist at an instant: seconds of the clock -> text.
At = Callable[[float], str]

_LIVE_SEGMENTS = 60


def date(instant_s: float) -> str:
    """As EXT-X-PROGRAM-DATE-TIME and the MPD write it."""
    return datetime.fromtimestamp(instant_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def site(listed: Listed, playlist: At) -> Site:
    """An origin with ``index.m3u8``, its segments and its key."""

    async def write(name: str, request: web.BaseRequest) -> bytes | None:
        return playlist(time.time()).encode() if name == "index.m3u8" else None

    return Site(listed.folder, write)


def live(listed: Listed, start_s: float) -> At:
    """A stream that began at `start_s`, of which the last two minutes are listed."""

    def at(now_s: float) -> str:
        ready = _ready(listed.entries, now_s - start_s)
        return _write(listed, start_s, max(0, ready - _LIVE_SEGMENTS), ready)

    return at


def event(listed: Listed, start_s: float, lasts_s: float | None = None) -> At:
    """An event that began at `start_s` and grows; it is over when it has lasted so long."""

    def at(now_s: float) -> str:
        passed_s = now_s - start_s
        over = lasts_s is not None and passed_s >= lasts_s
        ready = _ready(listed.entries, passed_s if lasts_s is None else min(passed_s, lasts_s))
        return _write(listed, start_s, 0, ready, tags=("#EXT-X-PLAYLIST-TYPE:EVENT",), ended=over)

    return at


def archive(listed: Listed, start_s: float) -> At:
    """A recording that began at `start_s`, whole. Only its beginning has a date."""
    text = _write(listed, start_s, 0, len(listed.entries), tags=("#EXT-X-PLAYLIST-TYPE:VOD",), ended=True)
    head, _, rest = text.partition("#EXTINF")
    rest = "".join(line for line in rest.splitlines(keepends=True) if "PROGRAM-DATE-TIME" not in line)
    return lambda now_s: head + "#EXTINF" + rest


def as_listed(tracks: Tracks) -> Listed:
    """The first track as an HLS playlist lists it."""
    track = tracks.tracks[0]
    entries = tuple(
        Entry(f"seg-{track.id}-{number}.m4s", ticks / track.timescale)
        for number, (_, ticks) in enumerate(track.segments, 1)
    )
    return Listed(tracks.folder, entries, (f'#EXT-X-MAP:URI="init-{track.id}.mp4"',))


def _ready(entries: Sequence[Entry], passed_s: float) -> int:
    """How many segments have ended after so long. Raises AssertionError where the material is used up."""
    ends = list(accumulate(entry.duration_s for entry in entries))
    assert passed_s < ends[-1]
    return sum(end <= passed_s for end in ends)


def _write(
    listed: Listed, start_s: float, first: int, last: int, *, tags: Sequence[str] = (), ended: bool = False
) -> str:
    entries = listed.entries
    starts = [start_s, *(start_s + end for end in accumulate(entry.duration_s for entry in entries))]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{round(max(entry.duration_s for entry in entries))}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        *tags,
        *listed.force,
    ]
    for number in range(first, last):
        entry = entries[number]
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:{date(starts[number])}", f"#EXTINF:{entry.duration_s:.6f},"]
        lines += [*entry.tags, entry.uri]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else [])]) + "\n"
