"""DASH manifests whose segments are named by number, or by their tracks' own ticks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from enum import Enum
from xml.sax.saxutils import quoteattr

from aiohttp import web

from tests.players.origins.hls import date
from tests.players.origins.material import Track, Tracks
from tests.players.origins.site import Site

BUFFER_S = 120
_AT = re.compile(r"at-(?P<track>[0-9])-(?P<time>[0-9]{1,15})\.m4s")


class Named(Enum):
    """How a template names its segments."""

    NUMBER = "number"  # $Number$, counted with @duration
    TIME = "time"  # $Time$, listed in a SegmentTimeline


# A manifest at an instant: seconds of the clock -> text.
At = Callable[[float], str]


def site(tracks: Tracks, manifest: At) -> Site:
    """An origin with ``index.mpd``, and each segment under both of its names."""
    numbers = {
        (track.id, str(at)): number
        for track in tracks.tracks
        for number, (at, _) in enumerate(track.segments, 1)
    }

    async def write(name: str, request: web.BaseRequest) -> bytes | None:
        if name == "index.mpd":
            return manifest(time.time()).encode()
        found = _AT.fullmatch(name)
        number = numbers.get((found["track"], found["time"])) if found else None
        if found is None or number is None:
            return None
        return (tracks.folder / f"seg-{found['track']}-{number}.m4s").read_bytes()

    return Site(tracks.folder, write)


def archive(tracks: Tracks, start_s: int, named: Named) -> At:
    """A static manifest of all that was recorded from `start_s` on."""
    text = "\n".join(_mpd(tracks, start_s, named, None))
    return lambda now_s: text


def live(tracks: Tracks, start_s: int, named: Named) -> At:
    """A dynamic manifest of a stream that began at `start_s`, with two minutes of buffer."""
    return lambda now_s: "\n".join(_mpd(tracks, start_s, named, now_s))


def _mpd(tracks: Tracks, start_s: int, named: Named, now_s: float | None) -> Iterator[str]:
    """The lines of a manifest; a static one where there is no `now_s`."""
    longest_s = max(ticks / track.timescale for track in tracks.tracks for _, ticks in track.segments)
    said = {
        "xmlns": "urn:mpeg:dash:schema:mpd:2011",
        "profiles": "urn:mpeg:dash:profile:isoff-live:2011",
        "availabilityStartTime": date(start_s),
        "minBufferTime": f"PT{2 * longest_s:g}S",
        "maxSegmentDuration": f"PT{longest_s:g}S",
    }
    if now_s is None:
        lasts_s = sum(ticks for _, ticks in tracks.tracks[0].segments) / tracks.tracks[0].timescale
        said |= {"type": "static", "mediaPresentationDuration": f"PT{lasts_s:g}S"}
    else:
        said |= {
            "type": "dynamic",
            "publishTime": date(now_s),
            "minimumUpdatePeriod": "PT2S",
            "timeShiftBufferDepth": f"PT{BUFFER_S}S",
            "suggestedPresentationDelay": "PT8S",
        }
    yield f"<MPD{_attributes(said)}>"
    yield '  <Period id="p0" start="PT0S">'
    for track in tracks.tracks:
        kind = track.attributes["mimeType"].partition("/")[0]
        yield f'    <AdaptationSet contentType="{kind}" segmentAlignment="true" startWithSAP="1">'
        yield f"      <Representation{_attributes({'id': track.id, **track.attributes})}>"
        yield from _template(track, named, None if now_s is None else now_s - start_s)
        yield "      </Representation>"
        yield "    </AdaptationSet>"
    yield "  </Period>"
    if now_s is not None:
        # The players' clock is ours: they need not ask anybody.
        yield f'  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="{date(now_s)}"/>'
    yield "</MPD>\n"


def _template(track: Track, named: Named, passed_s: float | None) -> Iterator[str]:
    said = {"timescale": str(track.timescale), "initialization": "init-$RepresentationID$.mp4"}
    if named is Named.NUMBER:
        # The sound's segments differ by a frame; on the average they are as long as the pictures'.
        lasts = round(sum(ticks for _, ticks in track.segments) / len(track.segments))
        said |= {"duration": str(lasts), "startNumber": "1", "media": "seg-$RepresentationID$-$Number$.m4s"}
        yield f"        <SegmentTemplate{_attributes(said)}/>"
        return
    said["media"] = "at-$RepresentationID$-$Time$.m4s"
    yield f"        <SegmentTemplate{_attributes(said)}>"
    yield "          <SegmentTimeline>"
    before = None
    for at, ticks in track.segments:
        end_s = (at + ticks) / track.timescale
        if passed_s is not None and (end_s > passed_s or end_s < passed_s - BUFFER_S):
            continue
        begins = "" if before == at else f' t="{at}"'
        yield f'            <S{begins} d="{ticks}"/>'
        before = at + ticks
    yield "          </SegmentTimeline>"
    yield "        </SegmentTemplate>"


def _attributes(said: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(text)}" for name, text in said.items())
