from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gate.demo.endless import add_endless
from gate.demo.origin import Running, make_app, serve
from gate.demo.recorder import Segment, playlist

SEGMENTS = [Segment(1_795_298_646 + 2 * number, 2000) for number in range(4)]


def body(segment: Segment) -> bytes:
    return segment.name.encode() * 100


def publish(folder: Path, segments: list[Segment]) -> None:
    for segment in segments:
        file = folder / segment.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body(segment))
    (folder / "index.m3u8").write_text(playlist(segments, sequence=0))


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[Running]:
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "clip.mp4").write_bytes(b"clip")
    app = make_app(tmp_path)
    add_endless(app, tmp_path, "cam1")
    running = await serve(app)
    yield running
    await running.stop()


async def test_it_begins_with_the_newest_two_and_goes_on_with_each_new_one(
    origin: Running, tmp_path: Path
) -> None:
    publish(tmp_path / "cam1", SEGMENTS[:3])
    async with asyncio.timeout(5), aiohttp.ClientSession(origin.url) as client:
        async with client.get("/cam1/mpegts") as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "video/mp2t"
            expected = body(SEGMENTS[1]) + body(SEGMENTS[2])
            assert await response.content.readexactly(len(expected)) == expected
            publish(tmp_path / "cam1", SEGMENTS)
            assert await response.content.readexactly(len(body(SEGMENTS[3]))) == body(SEGMENTS[3])
        async with client.get("/cam1/index.m3u8") as beside:
            assert beside.status == 200


async def test_it_ends_when_its_client_leaves(origin: Running, tmp_path: Path) -> None:
    publish(tmp_path / "cam1", SEGMENTS)
    async with aiohttp.ClientSession(origin.url) as client, client.get("/cam1/mpegts") as response:
        assert await response.content.read(10)
        response.close()
    # Stopping waits for handlers that run: one that did not notice would hold it up for a second.
    async with asyncio.timeout(0.9):
        await origin.stop()
