"""Marks and ranges: ways past a check that has let one thing through, and seen another leave."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from tests.proxy.playlists import Site, at, entries, media, media_of, numbers, uris

WINDOWED = {"live": None, "dvr": True}


@dataclass
class Viewer:
    """Somebody with a session of some seconds of a stream; `url` is what they got for its first entry."""

    gate: Any
    site: Site
    link: str
    body: bytes
    _ask: Callable[..., Awaitable[Any]]

    @property
    def url(self) -> str:
        return at(self.link, entries(self.body)[0])

    async def ask(self, target: str, *fields: tuple[str, str], method: str = "GET") -> Any:
        return await self._ask(self.gate, target, method, headers=list(fields))

    async def refused(self, target: str, *fields: tuple[str, str], method: str = "GET") -> str:
        """The gate's reason; the origin was not asked."""
        asked = len(self.site.seen)
        got = await self.ask(target, *fields, method=method)
        assert got.status == 403, (target, fields, got.status, got.body[:80])
        assert len(self.site.seen) == asked
        return str(got.reason)


Watch = Callable[..., Awaitable[Viewer]]


@pytest.fixture
def watch(start_gate: Any, start_origin: Any, open_link: Any, ask: Any) -> Watch:
    """`watch(name=...)` opens a session that may see the entries 10 to 19 of 900."""
    site = Site()
    gates: list[Any] = []

    async def watch(agent: str = "viewer", **options: Any) -> Viewer:
        if not gates:
            site.url, site.seen = await start_origin(site.serve)
            streams = [{"match": "/{resource}/**", "layout": "unified"}]
            gates.append(await start_gate(site.url, streams=streams))
        start = int(time.time()) // 100 * 100 - 4000
        site.put("/cam1/index.m3u8", media(0, 900, start, ended=True, **options))
        token = gates[0].token("cam1", **WINDOWED, **{"from": start + 40, "to": start + 80})
        link = await open_link(gates[0], "/cam1/index.m3u8", token, headers={"User-Agent": agent})
        body = (await ask(gates[0], link)).body
        return Viewer(gates[0], site, link, body, ask)

    return watch


def ranged(number: int) -> tuple[str, ...]:
    return (f"#EXT-X-BYTERANGE:10@{number * 10}", "all.ts")


WHOLE = media_of("/cam1/all.ts")
OURS = ("Range", "bytes=100-109")


async def test_if_range_turns_a_range_into_all(watch: Watch) -> None:
    """RFC 9110, section 13.1.5: where If-Range does not hold, the Range is ignored, and all is sent. The gate
    had checked the Range."""
    viewer = await watch(name=ranged)
    assert (await viewer.ask(viewer.url, OURS)).body == WHOLE[100:110]
    for value in ('"no such tag"', "Mon, 01 Jan 1990 00:00:00 GMT", ""):
        assert await viewer.refused(viewer.url, OURS, ("If-Range", value)) == "outside_range"


async def test_connection_takes_the_range_away(watch: Watch) -> None:
    """RFC 9110, section 7.6.1: what Connection names ends at the gate, which had checked it, and the origin is
    asked for all."""
    viewer = await watch(name=ranged)
    for value in ("Range", "keep-alive, range"):
        assert await viewer.refused(viewer.url, OURS, ("Connection", value)) == "outside_range"


@pytest.mark.parametrize(
    "values",
    [
        ("bytes=109-100",),
        ("bytes=100-109", "bytes=0-999"),
        ("bytes=100-109", "bytes=100-109"),
        ("bytes=100-109,0-999",),
        ("bytes=100-109;0-999",),
        ("bytes=100-109 ,",),
        ("bytes=100-0x6d",),
        ("Bytes=0-999",),
        ("bytes=-10",),
    ],
)
async def test_a_range_that_origins_ignore(watch: Watch, values: tuple[str, ...]) -> None:
    """One that makes no sense, that is there twice or in many pieces: an origin may send everything."""
    viewer = await watch(name=ranged)
    assert await viewer.refused(viewer.url, *(("Range", value) for value in values)) == "outside_range"


async def test_head_is_no_way_around_a_range(watch: Watch) -> None:
    viewer = await watch(name=ranged)
    assert await viewer.refused(viewer.url, method="HEAD") == "outside_range"


async def test_an_origin_that_knows_no_ranges(watch: Watch) -> None:
    """It sends all of the file to whoever asks for a part of it."""
    viewer = await watch(name=ranged)
    viewer.site.ranges = False
    got = await viewer.ask(viewer.url, OURS)
    assert (got.status, got.reason) == (502, "origin_invalid")
    assert WHOLE[:20] not in got.body


async def test_a_range_of_one_entry_opens_no_other(watch: Watch) -> None:
    """All entries have one name: what tells them apart is the range in the mark."""
    viewer = await watch(name=ranged)
    first, second = (at(viewer.link, uri) for uri in entries(viewer.body)[:2])
    assert first != second
    assert (await viewer.ask(second, ("Range", "bytes=110-119"))).body == WHOLE[110:120]
    assert await viewer.refused(first, ("Range", "bytes=110-119")) == "outside_range"


async def test_a_mark_moved_to_another_path(watch: Watch) -> None:
    viewer = await watch()
    assert (await viewer.ask(viewer.url)).status == 200
    mark = viewer.url.partition("?")[2]
    folder = viewer.link.rpartition("/")[0]
    for name in ("seg99.ts", "seg10.ts/", "SEG10.ts", "seg10.m4s", "x/seg10.ts", "seg10.ts;v=1", "seg10.ts%20"):
        assert await viewer.refused(f"{folder}/{name}?{mark}") == "mark_invalid", name
    assert await viewer.refused(f"{folder.replace('/cam1', '/cam2')}/seg10.ts?{mark}") == "mark_invalid"


async def test_a_query_beside_a_mark(watch: Watch) -> None:
    """An origin may read the time of a segment in its query: none is put beside what was handed out."""
    viewer = await watch()
    for more in ("start=0", "utc=1", "_gate_=1", "a", "%5FHLS_msn=1", "_HLS_msn%3D1", "_HLS_msn;utc=1"):
        for url in (f"{viewer.url}&{more}", viewer.url.replace("?", f"?{more}&")):
            assert await viewer.refused(url) in {"mark_invalid", "time_unknown"}, url


async def test_two_marks(watch: Watch) -> None:
    """Whichever counts, it is one of this very URL."""
    viewer = await watch()
    mine = viewer.url.partition("?")[2]
    another = entries(viewer.body)[1].partition("?")[2]
    assert await viewer.refused(f"{viewer.url}&{another}") == "mark_invalid"
    assert (await viewer.ask(viewer.url.replace("?", f"?{another}&"))).status == 200
    assert viewer.site.seen[-1].target == "/cam1/seg10.ts"
    seg99 = viewer.link.rpartition("/")[0] + "/seg99.ts"
    for marks in (f"{mine}&{another}", f"{another}&{mine}", f"{mine}&_gate=", "_gate"):
        assert await viewer.refused(f"{seg99}?{marks}") == "mark_invalid"


async def test_a_mark_in_another_session(watch: Watch) -> None:
    """A link that was copied from a neighbour's player: the same stream, another session."""
    mine, theirs = await watch("me"), await watch("them")
    assert mine.url.partition("/cam1/")[2] != theirs.url.partition("/cam1/")[2]
    stolen = mine.link.rpartition("/")[0] + "/" + theirs.url.rpartition("/")[2]
    assert await mine.refused(stolen) == "mark_invalid"


async def test_a_segment_as_a_key(watch: Watch) -> None:
    """What is on no timeline is marked as such, and its mark is of its own name only."""
    viewer = await watch(head=('#EXT-X-KEY:METHOD=AES-128,URI="key.bin"',))
    key = at(viewer.link, uris(viewer.body)[0])
    assert (await viewer.ask(key)).status == 200
    assert await viewer.refused(key.replace("key.bin", "seg99.ts")) == "mark_invalid"


async def test_a_segment_that_is_elsewhere(watch: Watch) -> None:
    """Where the origin sends those who ask for a segment, it is vouched for: there, and nowhere else."""
    viewer = await watch()
    viewer.site.put(
        "/cam1/seg10.ts", lambda _: web.Response(status=302, headers={"Location": "/cam1/seg99.ts"})
    )
    got = await viewer.ask(viewer.url)
    assert got.status == 302
    found = got.headers["Location"]
    assert (await viewer.ask(found)).status == 200
    assert await viewer.refused(found.replace("seg99", "seg98")) == "mark_invalid"
    assert await viewer.refused(found.partition("?")[0]) == "time_unknown"


async def test_a_playlist_that_answers_for_a_segment(watch: Watch) -> None:
    """What was clipped on one URL is not had whole on another."""
    viewer = await watch()
    viewer.site.put(
        "/cam1/seg10.ts", lambda _: web.Response(status=302, headers={"Location": "/cam1/index.m3u8?x"})
    )
    got = await viewer.ask(viewer.url)
    got = await viewer.ask(got.headers["Location"])
    assert (got.status, numbers(got.body)) == (200, list(range(10, 20)))


async def test_a_late_playlist_clipped_by_its_newest_entry(watch: Watch) -> None:
    """A conditional request for what was clipped differently a while ago gets what may be seen now."""
    viewer = await watch()
    got = await viewer.ask(viewer.link, ("If-None-Match", '"the-origins"'), ("If-Modified-Since", "x"))
    assert (got.status, numbers(got.body)) == (200, list(range(10, 20)))
    assert not {"If-None-Match", "If-Modified-Since"} & set(viewer.site.seen[-1].headers)
