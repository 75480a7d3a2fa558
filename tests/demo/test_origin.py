from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from gate.demo.archive import Segment, recorded
from gate.demo.origin import REQUESTS, Running, make_app, serve
from gate.demo.recorder import Recorder, ffmpeg
from gate.errors import GateError

SEGMENT = "2026/11/21/22/04/06-02000.ts"
BODY = bytes(range(256)) * 40


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A small archive without a recorder, and a clip that need not be made."""
    for name in (SEGMENT, "2026/11/21/22/04/08-02000.ts", "2026/11/21/22/05/00-02000.ts"):
        file = tmp_path / "cam1" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(BODY)
    (tmp_path / "cam1" / "index.m3u8").write_text("#EXTM3U\n")
    (tmp_path / ".cam1.recording").mkdir()
    (tmp_path / ".cam1.recording" / "1-0.ts").write_bytes(b"unfinished")
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "clip.mp4").write_bytes(b"clip")
    return tmp_path


@pytest.fixture
async def origin(directory: Path) -> AsyncIterator[Running]:
    running = await serve(make_app(directory))
    yield running
    await running.stop()


@pytest.fixture
async def client(origin: Running) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(origin.url) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "media_type", "caching"),
    [
        ("/cam1/index.m3u8", "application/vnd.apple.mpegurl", "no-cache"),
        ("/cam1/playlist.m3u8", "application/vnd.apple.mpegurl", "no-cache"),
        ("/cam1/video.m3u8", "application/vnd.apple.mpegurl", "no-cache"),
        ("/cam1/mono.m3u8", "application/vnd.apple.mpegurl", "no-cache"),
        ("/cam1/" + SEGMENT, "video/mp2t", "max-age=3600"),
        ("/video/clip.mp4", "video/mp4", "max-age=3600"),
    ],
)
async def test_types_and_caching(
    client: aiohttp.ClientSession, path: str, media_type: str, caching: str
) -> None:
    async with client.get(path) as answer:
        body = await answer.read()
        assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
        assert answer.headers["Cache-Control"] == caching
    async with client.head(path) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
        assert answer.headers["Content-Length"] == str(len(body))
        assert await answer.read() == b""


@pytest.mark.parametrize(
    ("asked", "status", "told", "body"),
    [
        ("bytes=0-0", 206, f"bytes 0-0/{len(BODY)}", BODY[:1]),
        ("bytes=100-199", 206, f"bytes 100-199/{len(BODY)}", BODY[100:200]),
        ("bytes=10000-", 206, f"bytes 10000-{len(BODY) - 1}/{len(BODY)}", BODY[10000:]),
        ("bytes=-10", 206, f"bytes {len(BODY) - 10}-{len(BODY) - 1}/{len(BODY)}", BODY[-10:]),
        (f"bytes={len(BODY)}-", 416, f"bytes */{len(BODY)}", None),
    ],
)
async def test_ranges(
    client: aiohttp.ClientSession, asked: str, status: int, told: str, body: bytes | None
) -> None:
    async with client.get("/cam1/" + SEGMENT, headers={"Range": asked}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (status, told)
        assert body is None or await answer.read() == body


@pytest.mark.parametrize("path", ["/cam1/index.m3u8", "/cam1/" + SEGMENT])
async def test_conditional_requests(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        tag, date = answer.headers["ETag"], answer.headers["Last-Modified"]
    for header, value in (("If-None-Match", tag), ("If-Modified-Since", date)):
        async with client.get(path, headers={header: value}) as answer:
            assert answer.status == 304
            assert await answer.read() == b""
    async with client.get(path, headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/cam1",
        "/cam1/",
        "/cam1/2026",
        "/cam2/index.m3u8",
        "/cam1/other.m3u8",
        "/cam1/2026/11/21/22/04/07-02000.ts",
        "/.cam1.recording/1-0.ts",
        "/%2ecam1.recording/1-0.ts",
        "/cam1/../../secret.ts",
        "/cam1/..%2f..%2fsecret.ts",
        "/%2e%2e/secret.ts",
        "//secret.ts",
        "/cam1//index.m3u8",
        "/cam1/index.m3u8%00.ts",
        "/cam1/..\\secret.ts",
        "/secret.txt",
    ],
)
async def test_what_is_not_media_is_not_found(origin: Running, directory: Path, path: str) -> None:
    (directory.parent / "secret.ts").write_text("secret")
    (directory / "secret.txt").write_text("secret")
    reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
    # Written by hand, because a client library would tidy the path up.
    writer.write(f"GET {path} HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"secret" not in answer


async def test_other_methods_are_refused(client: aiohttp.ClientSession) -> None:
    async with client.put("/cam1/" + SEGMENT, data=b"x") as answer:
        assert answer.status == 405


@pytest.mark.parametrize(
    ("name", "uris", "gap", "ended"),
    [
        ("index-1795298646-4", ["22/04/06", "22/04/08"], False, True),
        ("archive-1795298647-1", ["22/04/06"], False, True),
        ("video-1795298648-9999999999", ["22/04/08", "22/05/00"], True, False),
        ("mono-1795298648-now", ["22/04/08", "22/05/00"], True, False),
        ("index-1795298640-6", None, False, False),
        ("index-1795298702-now", None, False, False),
        ("index-99999999999999-10", None, False, False),
    ],
)
async def test_archive_playlists(
    client: aiohttp.ClientSession, name: str, uris: list[str] | None, gap: bool, ended: bool
) -> None:
    async with client.get(f"/cam1/{name}.m3u8") as answer:
        assert answer.status == (404 if uris is None else 200)
        if uris is None:
            return
        assert answer.content_type == "application/vnd.apple.mpegurl"
        text = await answer.text()
    assert re.findall(r"^2026/11/21/(.+)-02000\.ts$", text, re.MULTILINE) == uris
    assert ("#EXT-X-DISCONTINUITY\n" in text, "#EXT-X-ENDLIST" in text) == (gap, ended)


@pytest.mark.parametrize(
    ("path", "uris", "tag"),
    [
        ("archive/1795298647/2/index.m3u8", ["22/04/06", "22/04/08"], "#EXT-X-ENDLIST"),
        ("archive/1795298648/now/index.m3u8", ["22/04/08", "22/05/00"], "#EXT-X-PLAYLIST-TYPE:EVENT"),
        ("index-1795298648-now.m3u8", ["22/04/08", "22/05/00"], "#EXT-X-PLAYLIST-TYPE:EVENT"),
        ("timeshift_abs-1795298648.m3u8", ["22/04/08", "22/05/00"], "#EXT-X-START:TIME-OFFSET=0,PRECISE=YES"),
        ("archive/1795298646/0/index.m3u8", None, ""),
        ("archive/1795298647/0/index.m3u8", None, ""),
        ("index-1795298647-0.m3u8", None, ""),
        ("archive/1795298640/6/index.m3u8", None, ""),
        ("archive/9999999999/now/index.m3u8", None, ""),
        ("archive/99999999999/1/index.m3u8", None, ""),
        ("archive/1/2/3/index.m3u8", None, ""),
        ("timeshift_abs-9999999999.m3u8", None, ""),
        ("timeshift_rel-9999999999.m3u8", None, ""),
        ("timeshift_rel-99999999999.m3u8", None, ""),
        ("timeshift_abs-.m3u8", None, ""),
        ("rewind-0.m3u8", None, ""),
        ("rewind-x.m3u8", None, ""),
    ],
)
async def test_more_archive_playlists(
    client: aiohttp.ClientSession, path: str, uris: list[str] | None, tag: str
) -> None:
    async with client.get(f"/cam1/{path}") as answer:
        assert answer.status == (404 if uris is None else 200)
        if uris is None:
            return
        text = await answer.text()
        listed = [line for line in text.splitlines() if not line.startswith("#")]
        # Every URI leads to its segment from where the playlist is.
        for uri, expected in zip(listed, uris, strict=True):
            assert (".." in uri) == ("/" in path)
            async with client.get(answer.url.join(URL(uri))) as segment:
                assert segment.url.path == f"/cam1/2026/11/21/{expected}-02000.ts"
                assert await segment.read() == BODY
    assert tag in text.splitlines()
    assert ("#EXT-X-ENDLIST" in text) == (tag == "#EXT-X-ENDLIST")


async def test_playlists_behind_now(client: aiohttp.ClientSession, directory: Path) -> None:
    now_s = int(time.time())
    for start_s in range(now_s - 60, now_s, 2):
        file = directory / "cam3" / Segment(start_s, 2000).name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    starts: dict[str, list[int]] = {}
    for name in ("timeshift_rel-20", "rewind-10"):
        async with client.get(f"/cam3/{name}.m3u8") as answer:
            text = await answer.text()
        assert "ENDLIST" not in text
        found = [Segment.named(line) for line in text.splitlines() if not line.startswith("#")]
        starts[name] = [segment.start_s - now_s for segment in found if segment]
    # The clock may have ticked since.
    assert starts["timeshift_rel-20"] in (list(range(-40, -20, 2)), list(range(-38, -18, 2)))
    assert starts["rewind-10"] in (list(range(-12, 0, 2)), list(range(-10, 0, 2)))


async def test_what_arrived_is_remembered_as_it_was(directory: Path) -> None:
    app = make_app(directory)
    running = await serve(app)
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(running.url + "/cam1/index.m3u8?token=T", headers={"X-A": "1"}) as answer:
                assert answer.status == 200
            async with session.head(running.url + "/nothing") as answer:
                assert answer.status == 404
    finally:
        await running.stop()
    first, second = app[REQUESTS]
    assert (first.method, first.raw_path) == ("GET", "/cam1/index.m3u8?token=T")
    assert ("X-A", "1") in first.headers
    assert (second.method, second.raw_path) == ("HEAD", "/nothing")


async def test_a_port_in_use_is_one_clear_line(origin: Running, directory: Path) -> None:
    with pytest.raises(GateError, match=rf"^demo: the origin cannot listen on 127\.0\.0\.1:{origin.port}: "):
        await serve(make_app(directory), port=origin.port)


async def test_a_failed_clip_is_reported_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho disk full >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(GateError, match=r"^demo: ffmpeg could not make clip\.mp4: disk full$"):
        await serve(make_app(tmp_path))
    assert list((tmp_path / "video").iterdir()) == []


async def play(url: str, *more: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(ffmpeg(), "-v", "error", "-i", url, *more, "-f", "null", "-"), stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err
    return err.decode()


async def test_a_player_plays_the_live_stream_the_archive_and_the_clip(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    async with Recorder(tmp_path) as recorder:
        origin = await serve(app)
        try:
            start_s = recorded(recorder.folder)[0].start_s
            complaints = await asyncio.gather(
                play(f"{origin.url}/cam1/index.m3u8", "-t", "4"),
                play(f"{origin.url}/cam1/index-{start_s}-4.m3u8"),
                play(f"{origin.url}/cam1/archive/{start_s}/4/index.m3u8"),
                play(f"{origin.url}/cam1/timeshift_abs-{start_s}.m3u8", "-t", "4"),
                play(f"{origin.url}/cam1/archive-{start_s + 1}-5.mp4"),
                play(f"{origin.url}/video/clip.mp4"),
            )
        finally:
            await origin.stop()
    assert not any(complaints)
    clip = (tmp_path / "video" / "clip.mp4").read_bytes()
    assert 0 < clip.index(b"moov") < clip.index(b"mdat")
    asked = {seen.raw_path for seen in app[REQUESTS]}
    assert any(path.endswith("-02000.ts") for path in asked)
