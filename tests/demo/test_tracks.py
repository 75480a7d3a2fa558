from __future__ import annotations

import asyncio
import io
import math
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from gate.demo.tracks import Tracks

TRACK = "rooms/r/Ada/webcam"


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracks(clock: Clock) -> Tracks:
    return Tracks(clock)


@pytest.fixture
async def client(tracks: Tracks) -> AsyncIterator[ClientSession]:
    async with TestServer(tracks.make_app()) as server, ClientSession(server.make_url("/")) as session:
        yield session


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_what_is_put_is_there(client: ClientSession, method: str) -> None:
    for name, body, status, kind in (
        ("1.ts", b"one", 201, "video/mp2t"),
        ("index.m3u8", b"#EXTM3U\n", 201, "application/vnd.apple.mpegurl"),
        ("index.m3u8", b"#EXTM3U\n1.ts\n", 204, "application/vnd.apple.mpegurl"),
    ):
        async with client.request(method, f"/{TRACK}/{name}", data=body) as answer:
            assert answer.status == status
        async with client.get(f"/{TRACK}/{name}") as answer:
            assert (answer.status, answer.content_type) == (200, kind)
            assert await answer.read() == body


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/rooms/r/Ada/webcam/",
        "/rooms/r/Ada/index.m3u8",
        f"/{TRACK}/a/b.ts",
        f"/{TRACK}/x.mp4",
        f"/{TRACK}/2.ts",
    ],
)
async def test_nothing_else_is_there(client: ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 404


async def test_tracks_are_apart(client: ClientSession) -> None:
    await client.put(f"/{TRACK}/1.ts", data=b"hers")
    for other in ("rooms/r/Ben/webcam", "rooms/q/Ada/webcam", "rooms/r/Ada/screen"):
        async with client.get(f"/{other}/1.ts") as answer:
            assert answer.status == 404


async def test_an_upload_that_breaks_off_leaves_nothing(client: ClientSession, tracks: Tracks) -> None:
    begun = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        begun.set()
        await asyncio.sleep(60)

    putting = asyncio.create_task(client.put(f"/{TRACK}/1.ts", data=pieces()))
    await begun.wait()
    putting.cancel()
    await asyncio.wait([putting])
    await asyncio.sleep(0.1)
    assert tracks.read(TRACK, "1.ts") is None
    assert tracks.silent_s(TRACK) == math.inf


async def test_a_file_has_a_limit(client: ClientSession, tracks: Tracks) -> None:
    async with client.put(f"/{TRACK}/1.ts", data=io.BytesIO(bytes(5_000_000))) as answer:
        assert answer.status == 413
    assert tracks.read(TRACK, "1.ts") is None


def test_an_old_playlist_is_gone_until_it_is_renewed(tracks: Tracks, clock: Clock) -> None:
    assert tracks.write(TRACK, "1.ts", b"one")
    assert tracks.write(TRACK, "index.m3u8", b"list")
    clock.now_s += 3
    assert tracks.silent_s(TRACK) == 3
    assert tracks.read(TRACK, "index.m3u8") == b"list"
    clock.now_s += 3
    assert tracks.read(TRACK, "index.m3u8") is None
    assert tracks.read(TRACK, "1.ts") == b"one"
    assert not tracks.write(TRACK, "index.m3u8", b"list")
    assert tracks.read(TRACK, "index.m3u8") == b"list"


def test_the_newest_segments_stay(tracks: Tracks) -> None:
    for number in range(100):
        tracks.write(TRACK, f"{number}.ts", b"segment")
        tracks.write(TRACK, "index.m3u8", b"list")
    assert [number for number in range(100) if tracks.read(TRACK, f"{number}.ts")] == list(range(80, 100))


def test_the_tracks_that_came_last_stay(tracks: Tracks) -> None:
    tracks.write(TRACK, "1.ts", b"one")
    for number in range(150):
        tracks.write(f"rooms/r/{number}/webcam", "1.ts", b"one")
        tracks.write(TRACK, "1.ts", b"one")
    kept = [number for number in range(150) if tracks.read(f"rooms/r/{number}/webcam", "1.ts")]
    assert kept == list(range(51, 150))
    assert tracks.read(TRACK, "1.ts") == b"one"
