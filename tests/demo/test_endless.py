from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gate.demo.archive import Segment, playlist, recorded
from gate.demo.instants import instants_of
from gate.demo.origin import Running, make_app, serve
from gate.demo.recorder import Recorder
from gate.demo.transport import PACKET

SEGMENTS = [Segment(1_795_298_646 + 2 * number, 2000) for number in range(4)]


def body(segment: Segment) -> bytes:
    return segment.name.encode() * 100


def publish(folder: Path, segments: list[Segment]) -> None:
    for segment in segments:
        file = folder / segment.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body(segment))
    (folder / "index.m3u8").write_text(playlist(segments, sequence=0))


async def record(directory: Path) -> None:
    async with Recorder(directory, prefill_s=30):
        pass
    (directory / "video").mkdir()
    (directory / "video" / "clip.mp4").write_bytes(b"clip")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("media")
    asyncio.run(record(directory))
    return directory


@pytest.fixture
async def filmed(recording: Path) -> AsyncIterator[Running]:
    running = await serve(make_app(recording))
    yield running
    await running.stop()


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[Running]:
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "clip.mp4").write_bytes(b"clip")
    running = await serve(make_app(tmp_path))
    yield running
    await running.stop()


async def arrivals(url: str, within_s: float) -> list[tuple[float, bytes]]:
    """What arrives within that time, each with the Unix time at which it was there; cut to whole packets."""
    pieces: list[tuple[float, bytes]] = []
    rest = b""
    try:
        async with (
            asyncio.timeout(within_s),
            aiohttp.ClientSession() as client,
            client.get(url) as response,
        ):
            assert response.status == 200
            assert response.headers["Content-Type"] == "video/mp2t"
            async for data in response.content.iter_any():
                whole = len(rest + data) // PACKET * PACKET
                pieces.append((time.time(), (rest + data)[:whole]))
                rest = (rest + data)[whole:]
    except TimeoutError:
        pass
    return pieces


async def shown(pieces: list[tuple[float, bytes]]) -> list[tuple[float, list[float]]]:
    """The instants that arrived in one go, each with their time of arrival."""
    bursts: list[tuple[float, bytes]] = []
    for at, data in pieces:
        if bursts and at - bursts[-1][0] < 0.3:
            bursts[-1] = bursts[-1][0], bursts[-1][1] + data
        else:
            bursts.append((at, data))
    return [(at, await instants_of(data)) for at, data in bursts]


def frames(start_s: int, end_s: int) -> list[float]:
    return [tenths / 10 for tenths in range(start_s * 10, end_s * 10)]


async def test_it_begins_with_the_newest_two_and_goes_on_with_each_new_one(
    origin: Running, tmp_path: Path
) -> None:
    publish(tmp_path / "cam1", SEGMENTS[:3])
    async with asyncio.timeout(20), aiohttp.ClientSession(origin.url) as client:
        async with client.get("/cam1/mpegts") as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "video/mp2t"
            expected = body(SEGMENTS[1]) + body(SEGMENTS[2])
            assert await response.content.readexactly(len(expected)) == expected
            publish(tmp_path / "cam1", SEGMENTS)
            assert await response.content.readexactly(len(body(SEGMENTS[3]))) == body(SEGMENTS[3])
        async with client.get("/cam1/index.m3u8") as beside:
            assert beside.status == 200


@pytest.mark.parametrize("path", ["mpegts", "timeshift_abs-{}.ts"])
@pytest.mark.timed
async def test_it_ends_when_its_client_leaves(filmed: Running, recording: Path, path: str) -> None:
    """Also before its first picture's turn."""
    path = path.format(recorded(recording / "cam1")[0].start_s)
    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession(filmed.url) as client,
        client.get(f"/cam1/{path}") as response,
    ):
        if path == "mpegts":
            assert await response.content.read(10)
        assert response.status == 200
        response.close()
    # Stopping waits for handlers that run: one that did not notice would hold it up for a second.
    async with asyncio.timeout(0.9):
        await filmed.stop()


async def test_a_span_ends_by_itself_at_its_end(filmed: Running, recording: Path) -> None:
    start_s = recorded(recording / "cam1")[0].start_s + 1
    async with asyncio.timeout(20), aiohttp.ClientSession(filmed.url) as client:
        for lasts_s in (1, 4):
            async with client.get(f"/cam1/archive/{start_s}/{lasts_s}/mpegts") as response:
                assert response.headers["Content-Type"] == "video/mp2t"
                media = await response.read()
            assert await instants_of(media) == frames(start_s, start_s + lasts_s)


async def test_a_span_that_lasts_goes_on_until_its_end(origin: Running, tmp_path: Path) -> None:
    now_s = int(time.time())
    done = Segment(now_s - 2, 2000)
    publish(tmp_path / "cam1", [done])
    async with asyncio.timeout(20), aiohttp.ClientSession(origin.url) as client:
        ending = await client.get(f"/cam1/archive/{now_s - 2}/6/mpegts")
        growing = await client.get(f"/cam1/archive/{now_s - 2}/now/mpegts")
        for response in (ending, growing):
            assert await response.content.readexactly(len(body(done))) == body(done)
        # A gap, then the rest of the span and what lies behind it.
        more = [Segment(now_s + 2, 2000), Segment(now_s + 4, 2000)]
        publish(tmp_path / "cam1", more)
        assert await ending.read() == body(more[0])
        both = body(more[0]) + body(more[1])
        assert await growing.content.readexactly(len(both)) == both
        growing.close()


@pytest.mark.timed
async def test_shifted_streams_never_run_ahead_of_their_time(filmed: Running, recording: Path) -> None:
    segments = recorded(recording / "cam1")
    start_s = segments[1].start_s + 1
    # As old as the fifth segment's first half: it begins with the key frame in its middle.
    behind_s = int(time.time()) - segments[4].start_s
    opened = time.time()
    absolute, relative = await asyncio.gather(
        arrivals(f"{filmed.url}/cam1/timeshift_abs-{start_s}.ts", 4.6),
        arrivals(f"{filmed.url}/cam1/timeshift_rel-{behind_s}.ts", 4.6),
    )
    bursts = await shown(absolute)
    assert [instant for _, instants in bursts for instant in instants] == frames(start_s, start_s + 3)
    for at, instants in bursts:
        assert max(instants) < start_s + at - opened
    assert [int(at - opened) for at, _ in bursts] == [1, 3]

    bursts = await shown(relative)
    assert len(bursts) >= 2
    first_s = segments[4].start_s + 1
    instants = [instant for _, instants in bursts for instant in instants]
    assert instants == frames(first_s, first_s + len(instants) // 10)
    for at, instants in bursts:
        assert at - behind_s - 3 < max(instants) < at - behind_s


@pytest.mark.timed
async def test_a_gap_lasts_as_long_as_it_lasted(origin: Running, tmp_path: Path) -> None:
    old_s = int(time.time()) - 100
    publish(tmp_path / "cam1", [Segment(old_s, 1000), Segment(old_s + 2, 1000)])
    opened = time.monotonic()
    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession(origin.url) as client,
        client.get(f"/cam1/timeshift_abs-{old_s}.ts") as response,
    ):
        for segment, at_s in ((Segment(old_s, 1000), 1), (Segment(old_s + 2, 1000), 3)):
            assert await response.content.readexactly(len(body(segment))) == body(segment)
            assert at_s - 0.01 <= time.monotonic() - opened < at_s + 1.5


async def test_head_has_no_end_to_wait_for(filmed: Running, recording: Path) -> None:
    start_s = recorded(recording / "cam1")[0].start_s
    async with asyncio.timeout(20), aiohttp.ClientSession(filmed.url) as client:
        for path in ("mpegts", f"timeshift_abs-{start_s}.ts", f"archive/{start_s}/now/mpegts"):
            async with client.head(f"/cam1/{path}") as response:
                assert (response.status, response.headers["Content-Type"]) == (200, "video/mp2t")


async def test_what_nobody_recorded_is_not_found(filmed: Running, recording: Path) -> None:
    segments = recorded(recording / "cam1")
    first_s, ahead_s = segments[0].start_s, int(time.time()) + 1000
    async with aiohttp.ClientSession(filmed.url) as client:
        for path in (
            f"cam1/archive/{first_s - 9}/3/mpegts",
            f"cam1/archive/{first_s}/0/mpegts",
            f"cam1/archive/{first_s + 1}/0/mpegts",
            f"cam1/archive/{ahead_s}/10/mpegts",
            f"cam1/archive/{ahead_s}/now/mpegts",
            "cam1/archive/99999999999/1/mpegts",
            f"cam1/timeshift_abs-{ahead_s}.ts",
            "cam1/timeshift_abs-1.ts",
            "cam1/timeshift_abs-9999999999.ts",
            "cam1/timeshift_rel-3600.ts",
            "cam1/timeshift_rel-9999999999.ts",
            "cam1/timeshift_rel-99999999999.ts",
            "cam2/mpegts",
            "video/mpegts",
            f"cam2/timeshift_abs-{int(time.time()) - 1}.ts",
            "mpegts",
        ):
            async with client.get(f"/{path}") as answer:
                assert answer.status == 404, path
