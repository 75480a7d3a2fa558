"""What players do at the token URL, and how often it counts: once."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio
from aiohttp import web

FULL = {"live": True, "dvr": True, "copy": True}
MOVIE = "/files/movie/video.mp4"
FILE = bytes(range(200)) * 10


async def serve(request: web.BaseRequest) -> web.StreamResponse:
    """A file with ranges; a playlist and an MPD without."""
    path = request.raw_path.partition("?")[0]
    if not path.endswith(".mp4"):
        return web.Response(body=b"#EXTM3U\n" if path.endswith("m3u8") else b"<MPD/>")
    asked = request.headers.get("Range")
    if asked is None:
        return web.Response(body=FILE)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, end = int(first), int(last or len(FILE) - 1)
    where = {"Content-Range": f"bytes {start}-{end}/{len(FILE)}"}
    return web.Response(status=206, body=FILE[start : end + 1], headers=where)


@pytest.fixture
async def gates(start_gate: Any, start_origin: Any) -> list[Any]:
    url, _ = await start_origin(serve)
    return [await start_gate(url) for _ in range(2)]


@pytest.fixture
def play(ask: Any) -> Any:
    """Asks as a player: follows the redirect; gives the answer and its link."""

    async def play(gate: Any, target: str, token: str, **headers: str) -> tuple[Any, str]:
        mark = "&" if "?" in target else "?"
        got = await ask(gate, f"{target}{mark}token={token}", headers=headers)
        link = got.headers.get("Location", "")
        if got.status == 302:
            got = await ask(gate, link, headers=headers)
        return got, link

    return play


async def committed(store_url: str) -> int:
    """How many sessions have been counted in all."""
    client = redis.asyncio.from_url(store_url)
    count = 0
    async for key in client.scan_iter("gate:*:t:*"):
        count += await client.scard(key)
    await client.aclose()
    return count


async def test_a_file_that_is_asked_for_again_from_its_start_counts_once(
    gates: list[Any], play: Any, store_url: str
) -> None:
    token = gates[0].token("movie", session_limit=1)
    got, _ = await play(gates[0], MOVIE, token)
    assert got.body == FILE
    # mpv opens it twice, native players ask again and again.
    for at in range(6):
        got, _ = await play(gates[at % 2], MOVIE, token, Range="bytes=0-")
        assert (got.status, got.body) == (206, FILE)
    assert await committed(store_url) == 1


async def test_seeks_count_once_on_every_gate(gates: list[Any], play: Any, store_url: str) -> None:
    token = gates[0].token("movie", single_use=True, nonce="n")
    got, _ = await play(gates[0], MOVIE, token, Range="bytes=0-1")
    assert got.body == FILE[:2]
    for at, start in enumerate([0, 1500, 20, 1999, 3]):
        got, _ = await play(gates[at % 2], MOVIE, token, Range=f"bytes={start}-")
        assert (got.status, got.body) == (206, FILE[start:])
    assert await committed(store_url) == 1
    # Not so for another viewer, nor another file.
    got, _ = await play(gates[0], MOVIE, token, **{"Range": "bytes=5-", "User-Agent": "another"})
    assert got.reason == "session_limit"
    got, _ = await play(gates[0], "/files/movie/other.mp4", token, Range="bytes=5-")
    assert got.reason == "session_limit"


@pytest.mark.parametrize("how", ["header", "cmcd query", "cmcd header"])
async def test_an_announced_playback_session_counts_once_wherever_it_is_from(
    gates: list[Any], ask: Any, play: Any, store_url: str, how: str
) -> None:
    token = gates[0].token("movie", session_limit=1)

    async def again(at: int, sid: str) -> Any:
        headers = {"User-Agent": f"player on network {at}"}
        target = "/files/movie/index.m3u8"
        if how == "header":
            headers["X-Playback-Session-Id"] = sid
        elif how == "cmcd header":
            headers["CMCD-Session"] = f'v=1,sid="{sid}"'
        else:
            target += f"?CMCD=v%3D1%2Csid%3D%22{sid}%22"
        got, link = await play(gates[at % 2], target, token, **headers)
        if got.status != 200:
            return got
        return await ask(gates[at % 2], link.replace("index.m3u8", "video.mp4"), headers=headers)

    for at in range(4):
        assert (await again(at, "6e2fb550-c457-11e9-bb97-0800200c9a66")).body == FILE
    assert (await again(5, "another")).reason == "session_limit"
    assert await committed(store_url) == 1


async def test_an_mpd_that_is_refreshed_counts_once(
    gates: list[Any], ask: Any, play: Any, store_url: str
) -> None:
    token = gates[0].token("movie", single_use=True, nonce="n")
    target = "/files/movie/manifest.mpd"
    for at in range(5):
        got, link = await play(gates[at % 2], target, token)
        assert got.status == 200
        got = await ask(gates[at % 2], link.replace("manifest.mpd", "video.mp4"))
        assert got.body == FILE
    assert await committed(store_url) == 1
    got, _ = await play(gates[0], target, token, **{"User-Agent": "another"})
    assert got.reason == "session_limit"


async def test_a_playlist_that_is_opened_anew_counts_anew(gates: list[Any], ask: Any, play: Any) -> None:
    token = gates[0].token("movie", session_limit=2)
    target = "/files/movie/index.m3u8"
    links = []
    for _ in range(2):
        _, link = await play(gates[0], target, token)
        assert (await ask(gates[0], link.replace("index.m3u8", "video.mp4"))).status == 200
        links.append(link)
    assert links[0].split("/")[2] != links[1].split("/")[2]
    got, _ = await play(gates[0], target, token)
    assert got.reason == "session_limit"
