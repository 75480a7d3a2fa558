"""Rights and windows on streams whose segments say no time: playlists are cut, and their URIs marked."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from tests.proxy.playlists import HLS, Site, at, date, entries, media, media_of, numbers, tag, uris

EDGE_S = 60
# What is live by its URL, what may be anything, and recordings. The time of the segments of all is unknown.
LIVE = {"layout": "unified"}
PLAIN = {"layout": "hls"}
ARCHIVE = {"layout": "hls", "timeline": "archive"}
plain = pytest.mark.parametrize("rule", [LIVE, PLAIN], ids=["live", "plain"])
every = pytest.mark.parametrize("rule", [LIVE, PLAIN, ARCHIVE], ids=["live", "plain", "archive"])
DVR = {"live": None, "dvr": True}
BOTH = {"dvr": True}
MARK = re.compile(r"[?&]_gate=[A-Za-z0-9_-]+\Z")


@dataclass
class House:
    """A gate in front of an origin, `site`."""

    gate: Any
    site: Site
    ask: Callable[..., Awaitable[Any]]
    open_link: Callable[..., Awaitable[str]]

    async def open(self, name: str = "index.m3u8", agent: str = "player", **claims: Any) -> str:
        """The session link of a token for the stream `cam1`, opened by that player."""
        token, said = self.gate.token("cam1", **claims), {"User-Agent": agent}
        return await self.open_link(self.gate, f"/cam1/{name}", token, headers=said)

    async def get(self, target: str, status: int = 200, reason: str | None = None, **options: Any) -> Any:
        """The answer, which is of that status and reason."""
        got = await self.ask(self.gate, target, **options)
        assert (got.status, got.reason) == (status, reason), (target, got.status, got.body[:300])
        return got

    async def body(self, link: str, **options: Any) -> bytes:
        return bytes((await self.get(link, **options)).body)

    async def plays(self, link: str, body: bytes) -> None:
        """Everything that a playlist lists can be fetched, and is what the origin has under its own name."""
        for uri in uris(body):
            got = await self.get(at(link, uri))
            if not got.body.startswith(b"#EXTM3U"):
                assert got.body == media_of("/cam1/" + uri.rpartition("/cam1/")[2].partition("?")[0])


StartHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def start_house(start_gate: Any, start_origin: Any, ask: Any, open_link: Any) -> StartHouse:
    async def start(**rule: Any) -> House:
        site = Site()
        site.url, site.seen = await start_origin(site.serve)
        rule = {"match": "/{resource}/**", "live_edge": f"{EDGE_S}s", **LIVE, **rule}
        return House(await start_gate(site.url, streams=[rule]), site, ask, open_link)

    return start


MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="media.m3u8"
#EXT-X-SESSION-KEY:METHOD=AES-128,URI="key1.bin"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"
media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="a"
/cam1/media.m3u8
"""
KEY_AND_MAP = ('#EXT-X-KEY:METHOD=AES-128,URI="key1.bin",IV=0x01', '#EXT-X-MAP:URI="init.mp4"')


@plain
async def test_live_alone_plays_the_edge_and_nothing_older(
    start_house: StartHouse, rule: dict[str, str]
) -> None:
    house = await start_house(**rule)
    now = time.time()
    house.site.put("/cam1/index.m3u8", MASTER)
    house.site.put("/cam1/media.m3u8", media(100, 200, now - 800, head=KEY_AND_MAP))
    link = await house.open()
    master = await house.body(link)
    assert re.findall(r'URI="(media[^"]*)"', master.decode()) == ["media.m3u8"], "a playlist needs no mark"
    await house.plays(link, master)
    medium = at(link, entries(master)[0])
    body = await house.body(medium)
    assert 15 <= len(numbers(body)) <= 16
    assert numbers(body)[-1] == 299
    assert tag(body, "#EXT-X-MEDIA-SEQUENCE") == str(numbers(body)[0])
    assert tag(body, "#EXT-X-PROGRAM-DATE-TIME") == date(now - 800 + 4 * (numbers(body)[0] - 100))
    assert tag(body, "#EXT-X-ENDLIST") is None
    assert len(uris(body)) == len(entries(body)) + 2
    assert all(MARK.search(uri) for uri in uris(body))
    await house.plays(medium, body)
    for number in (100, 200, numbers(body)[0] - 1, 299, 300):
        await house.get(at(medium, f"seg{number}.ts"), 403, "time_unknown")


async def test_the_origin_sees_no_mark(start_house: StartHouse) -> None:
    house = await start_house()
    names = {17: "seg17.ts", 18: "seg18.ts?a=%2F..&&b", 19: "/cam1/v%C3%A9/seg19.m4s", 20: "./x/../seg20.ts?"}
    house.site.put("/cam1/index.m3u8", media(17, 4, time.time() - 16, name=lambda number: (names[number],)))
    link = await house.open()
    body = await house.body(link)
    assert [re.sub(r"[?&]_gate=.*|/_s/[^/]*", "", uri) for uri in entries(body)] == [
        *(names[17], names[18], names[19]),
        "./x/../seg20.ts?",
    ]
    for uri in entries(body):
        assert re.search(r"\.(ts|m4s)[?]", uri), "names keep their extensions"
        await house.get(at(link, uri))
    # A `?` that introduced nothing else goes with the mark.
    wanted = ["/cam1/seg17.ts", names[18], names[19], "/cam1/seg20.ts?"]
    assert [one.target for one in house.site.seen[-4:]] == ["/cam1/seg17.ts", "/cam1/" + names[18], *wanted[2:]]
    assert "_gate" not in str(house.site.seen)


async def test_a_mark_is_of_one_segment_and_one_session(start_house: StartHouse) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", media(1, 20, time.time() - 80))
    link, other = await house.open(), await house.open(agent="another player")
    first, second = entries(await house.body(link))[:2]
    await house.get(at(link, first))
    await house.get(
        at(link, first.replace(first.partition("?")[0], second.partition("?")[0])), 403, "mark_invalid"
    )
    await house.get(at(other, first), 403, "mark_invalid")
    await house.get(at(link, first + "&x=1"), 403, "mark_invalid")
    await house.get(at(link, first[:-1] + ("A" if first[-1] != "A" else "B")), 403, "mark_invalid")
    await house.get(at(link, first + "&_gate="), 403, "mark_invalid")
    await house.get(at(link, "seg1.ts?_gate="), 403, "mark_invalid")
    # What players add is none of the mark's matter, and the origin's.
    await house.get(at(link, first + "&_HLS_msn=3&CMCD=bl%3D1"))
    assert house.site.seen[-1].target.endswith(".ts?_HLS_msn=3&CMCD=bl%3D1")
    # Without its session a mark is nothing: neither with a bare token nor without one.
    bare = "/cam1/" + first
    await house.get(bare, 401, "token_missing")
    await house.get(f"{bare}&token={house.gate.token('cam1')}", 403, "time_unknown")


async def test_marks_are_the_same_from_reload_to_reload(start_house: StartHouse) -> None:
    house = await start_house()
    start = int(time.time()) - 80
    house.site.put("/cam1/index.m3u8", media(1, 20, start))
    link = await house.open()
    first = entries(await house.body(link))
    assert entries(await house.body(link)) == first
    # A packager that dates its first entry anew each time is a few milliseconds off.
    house.site.put("/cam1/index.m3u8", media(2, 20, start + 4 + 0.021))
    second = entries(await house.body(link))
    assert second[:-1] == first[1:] or second[:-1] == first[2:]


PARTS = ("#EXT-X-PART-INF:PART-TARGET=1.0", "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0")


def part(number: int, place: int) -> str:
    return f'#EXT-X-PART:DURATION=1.0,URI="seg{number}.{place}.ts"'


async def test_a_hint_is_the_later_part(start_house: StartHouse) -> None:
    house = await start_house()
    start = int(time.time()) - 80
    tail = [part(21, 0), part(21, 1), '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="seg21.2.ts"']
    tail.append('#EXT-X-RENDITION-REPORT:URI="other.m3u8",LAST-MSN=21,LAST-PART=1')
    house.site.put("/cam1/index.m3u8", media(1, 20, start, head=PARTS, tail=tail))
    link = await house.open()
    body = await house.body(link)
    hinted = re.search(r'PRELOAD-HINT:.*URI="([^"]*)"', body.decode())
    assert hinted is not None
    assert len(re.findall("#EXT-X-PART:", body.decode())) == 2
    house.site.put("/cam1/other.m3u8", media(1, 20, start))
    await house.plays(link, body)
    tail[2:] = [part(21, 2), '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="seg21.3.ts"']
    house.site.put("/cam1/index.m3u8", media(1, 20, start, head=PARTS, tail=tail))
    later = await house.body(link)
    assert f'#EXT-X-PART:DURATION=1.0,URI="{hinted[1]}"' in later.decode()


async def test_a_segment_stays_for_a_while_after_it_left(start_house: StartHouse) -> None:
    """It leaves the playlist at the age of the edge, and is there until it is twice as old and a bit more."""
    house = await start_house(live_edge="6s")
    now = int(time.time())
    # The newest entry ended 17 seconds ago, the oldest one that is listed 22.
    house.site.put("/cam1/index.m3u8", media(1, 40, now - 57, duration_s=1))
    link = await house.open()
    listed = entries(await house.body(link))
    # Meanwhile the stream has gone on: nothing of what was listed is listed any more.
    house.site.put("/cam1/index.m3u8", media(18, 40, now - 40, duration_s=1))
    again = entries(await house.body(link))
    assert len(listed) == len(again) == 6
    assert set(listed).isdisjoint(again)
    for uri in listed:
        await house.get(at(link, uri))
    deadline = time.monotonic() + 10
    while (got := await house.ask(house.gate, at(link, listed[0]))).status == 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    assert (got.status, got.reason) == (403, "dvr_not_granted")
    await house.get(at(link, listed[-1]))


async def test_an_undated_stream_plays_live(start_house: StartHouse) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", media(1, 100, None, head=KEY_AND_MAP))
    link = await house.open()
    body = await house.body(link)
    assert 15 <= len(numbers(body)) <= 16
    assert numbers(body)[-1] == 100
    await house.plays(link, body)
    await house.get(at(link, "seg1.ts"), 403, "time_unknown")


async def test_an_undated_stream_shows_nobody_its_archive(start_house: StartHouse) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", media(1, 100, None))
    now = int(time.time())
    link = await house.open(**DVR, **{"from": now - 300, "to": now - 200})
    await house.get(link, 403, "time_unknown")
    # With both rights and a window, it is the live edge.
    link = await house.open(**BOTH, **{"from": now - 300, "to": now - 200})
    body = await house.body(link)
    assert 15 <= len(numbers(body)) <= 16
    await house.plays(link, body)


def overlapping(start_s: float, count: int, *windows: tuple[float, float], first: int = 1) -> list[int]:
    """The numbers of the entries of four seconds that overlap a window."""
    return [
        first + index
        for index in range(count)
        if any(start_s + 4 * index < end and start_s + 4 * index + 4 > begin for begin, end in windows)
    ]


@every
@pytest.mark.parametrize("claims", [DVR, BOTH])
async def test_a_window_of_an_archive(
    start_house: StartHouse, rule: dict[str, str], claims: dict[str, Any]
) -> None:
    house = await start_house(**rule)
    now = int(time.time())
    start = now - 9000
    house.site.put("/cam1/index.m3u8", media(1, 1800, start, ended=True, head=KEY_AND_MAP))
    window = (start + 3601, start + 3681)
    link = await house.open(**claims, **{"from": window[0], "to": window[1]})
    body = await house.body(link)
    # With the right to live too, it is the newest entry of a live URL that is live.
    live = [] if claims is DVR or rule is not LIVE else overlapping(start, 1800, (start + 7140, now))
    wanted = overlapping(start, 1800, window)
    assert len(wanted) == 21
    assert numbers(body) == wanted + live
    assert tag(body, "#EXT-X-ENDLIST") == ""
    await house.plays(link, body)
    for number in (wanted[0] - 1, wanted[-1] + 1):
        await house.get(at(link, f"seg{number}.ts"), 403, "time_unknown")


@every
async def test_what_lies_within_only(start_house: StartHouse, rule: dict[str, str]) -> None:
    house = await start_house(**rule, window_edge="strict")
    now = int(time.time())
    start = now - 4000
    house.site.put("/cam1/index.m3u8", media(1, 900, start, ended=True))
    link = await house.open(**DVR, **{"from": start + 402, "to": start + 422})
    body = await house.body(link)
    assert numbers(body) == [102, 103, 104, 105]
    await house.plays(link, body)


@every
async def test_two_windows(start_house: StartHouse, rule: dict[str, str]) -> None:
    house = await start_house(**rule)
    start = int(time.time()) - 4000
    house.site.put("/cam1/index.m3u8", media(1, 900, start, ended=True))
    windows = [(start + 401, start + 419), (start + 801, start + 815)]
    said = [{"from": begin, "to": end} for begin, end in windows]
    link = await house.open(**DVR, windows=said)
    body = await house.body(link)
    assert numbers(body) == overlapping(start, 900, *windows)
    # Between the two there is a gap, and the second begins with its own date.
    assert body.count(b"#EXT-X-DISCONTINUITY\n") == 1
    assert body.count(b"#EXT-X-PROGRAM-DATE-TIME") == 2
    await house.plays(link, body)


@every
async def test_a_window_that_has_not_begun(start_house: StartHouse, rule: dict[str, str]) -> None:
    house = await start_house(**rule)
    now = int(time.time())
    ahead = {"from": now + 1000, "to": now + 2000}
    house.site.put("/cam1/index.m3u8", media(7, 20, now - 80))
    link = await house.open(**DVR, **ahead)
    body = await house.body(link)
    assert entries(body) == []
    assert body.startswith(b"#EXTM3U\n")
    assert tag(body, "#EXT-X-TARGETDURATION") == "4"
    assert tag(body, "#EXT-X-ENDLIST") is None
    # The first that comes will be the one after the newest that was held back.
    assert tag(body, "#EXT-X-MEDIA-SEQUENCE") == "27"
    house.site.put("/cam1/index.m3u8", media(7, 20, now - 80, ended=True))
    await house.get(link, 403, "outside_window")


@every
@pytest.mark.parametrize("ended", [False, True])
async def test_a_window_that_is_over(start_house: StartHouse, rule: dict[str, str], ended: bool) -> None:
    house = await start_house(**rule)
    now = int(time.time())
    house.site.put("/cam1/index.m3u8", media(7, 20, now - 80, ended=ended))
    link = await house.open(**DVR, **{"from": now - 2000, "to": now - 1000})
    got = await house.get(link, 403, "outside_window")
    assert b'"recorded"' in got.body


@every
async def test_the_archive_alone_shows_nothing_of_the_edge(
    start_house: StartHouse, rule: dict[str, str]
) -> None:
    house = await start_house(**rule)
    now = time.time()
    house.site.put("/cam1/index.m3u8", media(1, 200, now - 800))
    link = await house.open(**DVR)
    body = await house.body(link)
    assert 184 <= numbers(body)[-1] <= 185
    assert numbers(body)[0] == 1
    assert tag(body, "#EXT-X-ENDLIST") is None
    await house.plays(link, body)
    if rule is not ARCHIVE:
        # What the rule calls an archive is of any time of it.
        await house.get(at(link, "seg199.ts"), 403, "time_unknown")


@pytest.mark.parametrize("late_s", [3600, -3600])
async def test_a_camera_whose_clock_is_wrong(start_house: StartHouse, late_s: int) -> None:
    """What is live tells the newest entry; what is marked is as old as its own stream's clock says."""
    house = await start_house()
    house.site.put("/cam1/index.m3u8", media(1, 200, time.time() - 800 - late_s))
    link = await house.open()
    body = await house.body(link)
    assert 15 <= len(numbers(body)) <= 16
    assert numbers(body)[-1] == 200
    await house.plays(link, body)


def ranged(number: int) -> tuple[str, ...]:
    return (f"#EXT-X-BYTERANGE:50@{number * 50}", "all.ts")


@every
async def test_a_range_of_a_file_is_no_more_than_that(start_house: StartHouse, rule: dict[str, str]) -> None:
    """All segments share one name: what was handed out of it is a range, and any other is refused."""
    house = await start_house(**rule)
    start = int(time.time()) - 4000
    head = ('#EXT-X-MAP:URI="all.ts",BYTERANGE="10@3"',)
    house.site.put("/cam1/index.m3u8", media(0, 20, start, ended=True, head=head, name=ranged))
    link = await house.open(**DVR, **{"from": start + 8, "to": start + 16})
    body = await house.body(link)
    assert re.findall("BYTERANGE:(.*)", body.decode()) == ["50@100", "50@150"]
    initial, first, second = (at(link, uri) for uri in uris(body))

    async def get(target: str, value: str, status: int, reason: str | None = None) -> bytes:
        return bytes((await house.get(target, status, reason, headers={"Range": value})).body)

    whole = media_of("/cam1/all.ts")
    assert await get(first, "bytes=100-149", 206) == whole[100:150]
    assert await get(first, "bytes=120-129", 206) == whole[120:130]
    assert await get(second, "bytes=150-199", 206) == whole[150:200]
    assert await get(initial, "bytes=3-12", 206) == whole[3:13]
    asked = len(house.site.seen)
    for target, values in (
        (first, ("bytes=99-149", "bytes=100-150", "bytes=150-199", "bytes=100-", "bytes=-50", "bytes=0-")),
        (second, ("bytes=100-149", "bytes=150-149", "bytes=150-160,170-180", "bytes=junk")),
        (initial, ("bytes=0-12", "bytes=3-13", "bytes=100-149")),
    ):
        for value in values:
            await get(target, value, 403, "outside_range")
        await house.get(target, 403, "outside_range")
    assert len(house.site.seen) == asked, "the origin was not asked"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_origin_without_ranges_sends_nothing_more(start_house: StartHouse, method: str) -> None:
    house = await start_house()
    house.site.ranges = False
    start = int(time.time()) - 4000
    house.site.put("/cam1/index.m3u8", media(0, 20, start, ended=True, name=ranged))
    link = await house.open(**DVR, **{"from": start + 8, "to": start + 16})
    first = at(link, uris(await house.body(link))[0])
    answer = (502, "origin_invalid") if method == "GET" else (200, None)
    await house.get(first, *answer, method=method, headers={"Range": "bytes=100-149"})


@plain
async def test_keys_and_maps_are_on_no_timeline(start_house: StartHouse, rule: dict[str, str]) -> None:
    """They are marked all the same: without it they are of unknown time, as any other name is."""
    house = await start_house(**rule)
    house.site.put("/cam1/index.m3u8", media(1, 20, time.time() - 80, head=KEY_AND_MAP))
    link = await house.open()
    key, initial = uris(await house.body(link))[:2]
    assert key.startswith("key1.bin?_gate=")
    assert initial.startswith("init.mp4?_gate=")
    for uri in (key, initial):
        await house.get(at(link, uri))
        await house.get(at(link, uri.partition("?")[0]), 403, "time_unknown")
    await house.get(at(link, key.replace("key1", "key2")), 403, "mark_invalid")


async def test_an_unrestricted_token_gets_the_origins_bytes(start_house: StartHouse) -> None:
    house = await start_house()
    text = media(1, 200, time.time() - 800, head=KEY_AND_MAP)
    house.site.put("/cam1/index.m3u8", text)
    link = await house.open(live=True, dvr=True, copy=True)
    assert await house.body(link) == text.encode()
    await house.get(at(link, "seg1.ts"))


async def test_what_says_its_own_time_needs_no_mark(start_house: StartHouse) -> None:
    house = await start_house(layout="flussonic")
    start = int(time.time()) // 4 * 4 - 400

    def name(number: int) -> tuple[str, ...]:
        return (time.strftime("%Y/%m/%d/%H/%M/%S-04000.ts", time.gmtime(start + 4 * number)),)

    # A byte order mark before it changes nothing.
    house.site.put("/cam1/index.m3u8", b"\xef\xbb\xbf" + media(0, 100, None, name=name).encode())
    link = await house.open(**DVR, **{"from": start + 40, "to": start + 60})
    body = await house.body(link)
    assert entries(body[3:]) == [name(number)[0] for number in range(10, 15)]
    await house.plays(link, body[3:])


# Delta updates: what they leave out a cut may depend on.

SKIPPING = (
    "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24.0,CAN-BLOCK-RELOAD=YES",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=180",
)


def updates(now: float) -> Callable[[web.BaseRequest], bytes]:
    def answer(request: web.BaseRequest) -> bytes:
        if "_HLS_skip" in request.raw_path:
            return media(1, 20, now - 80, head=SKIPPING).encode()
        return media(1, 200, now - 800, head=SKIPPING[:1]).encode()

    return answer


@pytest.mark.parametrize("skip", ["YES", "v2"])
async def test_the_whole_playlist_is_asked_for(start_house: StartHouse, skip: str) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", updates(time.time()))
    link = await house.open()
    house.site.seen.clear()
    body = await house.body(f"{link}?_HLS_msn=201&_HLS_skip={skip}&x=%2F&_HLS_part=2")
    assert [one.target.partition("?")[2] for one in house.site.seen] == [
        f"_HLS_msn=201&_HLS_skip={skip}&x=%2F&_HLS_part=2",
        "_HLS_msn=201&x=%2F&_HLS_part=2",
    ]
    assert tag(body, "#EXT-X-SKIP") is None
    assert 15 <= len(numbers(body)) <= 16
    assert tag(body, "#EXT-X-SERVER-CONTROL") == "CAN-BLOCK-RELOAD=YES", "nothing is offered that is cut"
    await house.plays(link, body)


async def test_an_update_of_what_may_all_be_seen_stays_one(start_house: StartHouse) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", updates(time.time()))
    link = await house.open(dvr=True)
    house.site.seen.clear()
    body = await house.body(f"{link}?_HLS_skip=YES")
    assert len(house.site.seen) == 1
    assert tag(body, "#EXT-X-SKIP") == "SKIPPED-SEGMENTS=180"


async def test_an_origin_that_always_skips_is_refused(start_house: StartHouse) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", media(1, 20, time.time() - 800, head=SKIPPING))
    link = await house.open()
    house.site.seen.clear()
    await house.get(link, 502, "manifest_invalid")
    assert len(house.site.seen) == 2


async def test_a_master_that_lists_itself_is_a_master(start_house: StartHouse) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nindex.m3u8\n")
    link = await house.open()
    assert entries(await house.body(link)) == ["index.m3u8"]


async def test_a_playlist_without_a_suffix_is_one_by_its_mark(start_house: StartHouse) -> None:
    house = await start_house()
    house.site.put("/cam1/index.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo?track=1\n")
    house.site.put("/cam1/video", media(1, 200, time.time() - 800))
    link = await house.open()
    medium = at(link, entries(await house.body(link))[0])
    assert MARK.search(medium)
    body = await house.body(medium)
    assert 15 <= len(numbers(body)) <= 16
    await house.plays(medium, body)
    await house.get(at(link, "video?track=1"), 403, "time_unknown")
    await house.get(medium + "&_HLS_msn=201")


@pytest.mark.parametrize("status", [203, 206, 226])
async def test_no_status_lets_a_playlist_through(start_house: StartHouse, status: int) -> None:
    """Players take any 2xx for success."""
    house = await start_house()
    text = media(1, 200, time.time() - 800)
    house.site.put("/cam1/index.m3u8", lambda _: web.Response(status=status, text=text, content_type=HLS))
    link = await house.open()
    body = bytes((await house.get(link, status)).body)
    assert 15 <= len(numbers(body)) <= 16
