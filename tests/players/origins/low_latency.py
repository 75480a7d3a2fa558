"""Low-Latency HLS: parts, hints at the next one, reports, delta updates, and answers that wait for news."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field

from aiohttp import web

from tests.players.origins.hls import date
from tests.players.origins.material import PART_US, PARTS_IN_SEGMENT, Parts

PART_S = PART_US / 1_000_000
SEGMENT_S = PART_S * PARTS_IN_SEGMENT
# Two minutes are listed, the parts of the last three segments too; a delta leaves out all but twelve seconds.
LISTED = 60
WITH_PARTS = 3
SKIP_UNTIL_S = 6 * SEGMENT_S

_MASTER = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="tone",DEFAULT=YES,AUTOSELECT=YES,URI="a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=120000,CODECS="avc1.42d00b,mp4a.40.2",RESOLUTION=160x90,AUDIO="sound"
v.m3u8
"""
_HEAD = f"""#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={3 * PART_S:.3f},CAN-SKIP-UNTIL={SKIP_UNTIL_S:.3f}
#EXT-X-PART-INF:PART-TARGET={PART_S:.3f}
"""
_PART = re.compile(r"part-(?P<track>[va])-(?P<segment>[0-9]{1,6})-(?P<part>[0-9])\.m4s")
_SEGMENT = re.compile(r"seg-(?P<track>[va])-(?P<segment>[0-9]{1,6})\.m4s")


@dataclass
class LowLatency:
    """A stream that began at `start_s`, with pictures and sound as playlists of their own.

    `held` counts the reloads that had to wait, `skipped` the delta updates, `hinted` the parts that were asked
    for before they were there.
    """

    tracks: dict[str, Parts]
    start_s: float
    held: int = 0
    skipped: int = 0
    hinted: int = 0
    parts: int = 0
    missed: list[str] = field(default_factory=list)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if name == "index.m3u8":
            return _answer(_MASTER.encode(), "application/vnd.apple.mpegurl")
        if name in ("v.m3u8", "a.m3u8"):
            return await self._reload(name[0], request)
        if name in ("init-v.mp4", "init-a.mp4"):
            return _answer(self.tracks[name[5]].init, "video/mp4")
        if found := _PART.fullmatch(name):
            number = int(found["segment"]) * PARTS_IN_SEGMENT + int(found["part"])
            if number <= self._ready():
                self.parts += 1
                self.hinted += await self._wait(number)
                return _answer(self.tracks[found["track"]].fragments[number], "video/iso.segment")
        if found := _SEGMENT.fullmatch(name):
            number = int(found["segment"])
            if (number + 1) * PARTS_IN_SEGMENT <= self._ready():
                return _answer(self.tracks[found["track"]].segment(number), "video/iso.segment")
        self.missed.append(request.raw_path)
        return web.Response(status=404)

    def _ready(self) -> int:
        """How many parts there are."""
        return int((time.time() - self.start_s) / PART_S)

    async def _wait(self, number: int) -> bool:
        """The part is there; whether one had to wait for it."""
        waits_s = self.start_s + (number + 1) * PART_S - time.time()
        if waits_s > 0:
            await asyncio.sleep(waits_s + 0.005)
        return waits_s > 0

    async def _reload(self, track: str, request: web.BaseRequest) -> web.StreamResponse:
        """The playlist, as soon as it has the part that is asked for (RFC 8216bis, section 6.2.5.2)."""
        query = request.query
        if "_HLS_msn" in query:
            segment, part = int(query["_HLS_msn"]), int(query.get("_HLS_part", PARTS_IN_SEGMENT - 1))
            number = segment * PARTS_IN_SEGMENT + part
            if number > self._ready() + 2 * PARTS_IN_SEGMENT:
                self.missed.append(request.raw_path)
                return web.Response(status=400)
            self.held += await self._wait(number)
        skips = query.get("_HLS_skip") == "YES"
        self.skipped += skips
        return _answer(self._write(track, self._ready(), skips=skips).encode(), "application/vnd.apple.mpegurl")

    def _write(self, track: str, ready: int, *, skips: bool) -> str:
        whole, over = divmod(ready, PARTS_IN_SEGMENT)
        first = max(0, whole - LISTED)
        lines = [f"#EXT-X-MEDIA-SEQUENCE:{first}", f'#EXT-X-MAP:URI="init-{track}.mp4"']
        begin = max(first, whole - int(SKIP_UNTIL_S / SEGMENT_S)) if skips else first
        if begin > first:
            # The map is one of the tags that a delta update leaves out.
            lines = [lines[0], f"#EXT-X-SKIP:SKIPPED-SEGMENTS={begin - first}"]
        for segment in range(begin, whole + 1):
            if segment < whole or over:
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date(self.start_s + segment * SEGMENT_S)}")
            if segment > whole - WITH_PARTS:
                for part in range(PARTS_IN_SEGMENT if segment < whole else over):
                    uri, independent = f"part-{track}-{segment}-{part}.m4s", ",INDEPENDENT=YES"
                    first_of = independent if track == "a" or not part else ""
                    lines.append(f'#EXT-X-PART:DURATION={PART_S:.3f},URI="{uri}"{first_of}')
            if segment < whole:
                lines += [f"#EXTINF:{SEGMENT_S:.3f},", f"seg-{track}-{segment}.m4s"]
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part-{track}-{whole}-{over}.m4s"')
        other = "a" if track == "v" else "v"
        msn, last = divmod(ready - 1, PARTS_IN_SEGMENT)
        lines.append(f'#EXT-X-RENDITION-REPORT:URI="{other}.m3u8",LAST-MSN={msn},LAST-PART={last}')
        return _HEAD + "\n".join(lines) + "\n"


def _answer(body: bytes, media_type: str) -> web.Response:
    headers = {"Content-Type": media_type, "Cache-Control": "no-cache"}
    return web.Response(body=body, headers=headers)
