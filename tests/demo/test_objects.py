"""The origin of video objects: what is uploaded plays."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from gate.demo import objects, shelf
from gate.demo.origin import REQUESTS, Running
from gate.demo.recorder import ffmpeg

VIDEOS = "/v1/applications/app1/videos"
# The origin's, of the fixtures.
LIMIT = 500_000
Do = Callable[..., Awaitable[Any]]


def colour_of(body: bytes) -> str:
    """Of the first picture of a video or image, as ffmpeg decodes it."""
    command = [ffmpeg(), "-v", "error", "-xerror", "-i", "pipe:0", "-frames:v", "1", "-s", "1x1"]
    done = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], input=body, capture_output=True, check=True
    )
    assert not done.stderr
    red, green, blue = done.stdout
    assert max(red, blue) > 200 > 40 > green
    return "red" if red > blue else "blue"


def files(folder: Path) -> list[str]:
    """All files under a folder, what is unfinished too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def upload(body: bytes, **fields: str) -> FormData:
    form = FormData(fields)
    form.add_field("file", body, filename="a.mp4", content_type="video/mp4")
    return form


async def test_a_video_is_created_empty_recorded_watched_and_destroyed(
    do: Do, client: ClientSession, red: bytes, tmp_path: Path
) -> None:
    video = await do("POST", VIDEOS, 201)
    assert {
        name: video[name] for name in ("key", "tags", "volatile", "state", "streams", "default_stream")
    } == {
        "key": None,
        "tags": [],
        "volatile": False,
        "state": "EMPTY",
        "streams": [],
        "default_stream": None,
    }
    path = f"{VIDEOS}/{video['token']}"
    assert await do("GET", path) == video
    assert await do("GET", VIDEOS) == [video]
    for media in ("video.mp4", "image"):
        assert await do("GET", f"{path}/{media}", 404) == {"error": "nothing is recorded yet"}
    recorded = await do("POST", path, data=red, headers={"Content-Type": "video/mp4"})
    assert recorded["state"] == "READY"
    assert recorded["default_stream"]["size"] == len(red)
    assert await do("GET", path) == recorded
    async with client.get(f"{path}/video.mp4") as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp4")
        assert await answer.read() == red
    assert await do("DELETE", path) == {}
    for method, target in (("GET", path), ("POST", path), ("DELETE", path), ("GET", f"{path}/video.mp4")):
        assert await do(method, target, 404) == {"error": "there is no such video"}
    assert await do("GET", VIDEOS) == []
    assert files(tmp_path / "kept") == []


async def test_a_form_changes_the_fields_that_it_names(do: Do, red: bytes) -> None:
    token = (await do("POST", VIDEOS, 201, data=upload(red, key="k1", title="one")))["token"]
    path = f"{VIDEOS}/{token}"
    # As browsers send it to be asked no questions before.
    headers = {"Content-Type": "text/plain;charset=UTF-8"}
    told = await do("POST", path, data="tags[]=a&tags[]=%E2%82%AC&volatile=1&token=other", headers=headers)
    assert (told["key"], told["title"], told["tags"], told["volatile"]) == ("k1", "one", ["a", "€"], True)
    assert (told["token"], told["state"]) == (token, "READY")
    told = await do("POST", path, data={"key": "", "tags": "", "volatile": "false"})
    assert (told["key"], told["title"], told["tags"], told["volatile"]) == (None, "one", [], False)
    form = FormData({"title": "two"})
    form.add_field("file", b"", filename="", content_type="application/octet-stream")
    told = await do("POST", path, data=form)
    assert (told["title"], told["default_stream"]["size"]) == ("two", len(red))


async def test_parts_conditions_and_head(do: Do, client: ClientSession, red: bytes, blue: bytes) -> None:
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=red))['token']}"
    media = f"{path}/video.mp4"
    got = b""
    while len(got) < len(red):
        async with client.get(media, headers={"Range": f"bytes={len(got)}-{len(got) + 999}"}) as answer:
            assert answer.status == 206
            got += await answer.read()
            assert (
                answer.headers["Content-Range"]
                == f"bytes {len(got) - answer.content_length}-{len(got) - 1}/{len(red)}"
            )
    assert got == red
    assert colour_of(got) == "red"
    async with client.head(media) as answer:
        assert (answer.status, answer.content_length, await answer.read()) == (200, len(red), b"")
        tag = answer.headers["ETag"]
        assert answer.headers["Content-Disposition"].startswith("inline")
    for query, disposition in (("download=true", "attachment"), ("download=false", "inline")):
        async with client.head(f"{media}?{query}") as answer:
            assert answer.headers["Content-Disposition"].startswith(disposition)
    async with client.get(media, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    # What resumes after it was recorded anew gets all of the new file, no part to be joined to the old.
    await do("POST", path, data=blue)
    async with client.get(media, headers={"Range": "bytes=10-", "If-Range": tag}) as answer:
        assert (answer.status, await answer.read()) == (200, blue)
    async with client.get(media, headers={"Range": f"bytes={len(blue)}-"}) as answer:
        assert answer.status == 416


async def test_an_image_is_of_the_recording_that_is_there(
    do: Do, client: ClientSession, red: bytes, blue: bytes, tmp_path: Path
) -> None:
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=red))['token']}"

    async def image() -> bytes:
        async with client.get(f"{path}/image") as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")
            return await answer.read()

    images = await asyncio.gather(*(image() for _ in range(5)))
    assert len(set(images)) == 1
    assert colour_of(images[0]) == "red"
    [kept] = (tmp_path / "kept" / ".images").iterdir()
    made = kept.stat().st_mtime_ns
    await image()
    assert kept.stat().st_mtime_ns == made
    await do("POST", path, data=blue)
    assert not kept.exists()
    assert colour_of(await image()) == "blue"
    await do("DELETE", path)
    assert files(tmp_path / "kept") == []


@pytest.mark.parametrize(
    "text", ["no video", "#EXTM3U\n#EXTINF:1,\nfile:{}\n", "ffconcat version 1.0\nfile '{}'\n"]
)
async def test_no_image_is_made_of_what_is_no_mp4(do: Do, red: bytes, tmp_path: Path, text: str) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(red)
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=text.format(secret).encode()))['token']}"
    assert await do("GET", f"{path}/image", 404) == {"error": "no image can be made of this video"}
    assert list((tmp_path / "kept" / ".images").iterdir()) == []


async def test_streams_are_recordings_beside_the_first(
    do: Do, client: ClientSession, red: bytes, blue: bytes, tmp_path: Path
) -> None:
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=upload(red)))['token']}"
    first = (await do("GET", path))["default_stream"]["token"]
    second = await do("POST", f"{path}/streams", 201, data=upload(blue))
    empty = await do("POST", f"{path}/streams", 201)
    assert (second["size"], empty["size"]) == (len(blue), 0)
    assert [each["token"] for each in (await do("GET", path))["streams"]] == [
        first,
        second["token"],
        empty["token"],
    ]

    async def body(media: str) -> bytes:
        async with client.get(f"{path}/{media}") as answer:
            assert answer.status == 200
            return await answer.read()

    assert await body("video.mp4") == await body(f"streams/{first}/video.mp4") == red
    assert await body(f"streams/{second['token']}/video.mp4") == blue
    assert colour_of(await body(f"streams/{second['token']}/image")) == "blue"
    await do("GET", f"{path}/streams/{empty['token']}/video.mp4", 404)
    await do("POST", f"{path}/streams/{empty['token']}", data=blue)
    assert await body(f"streams/{empty['token']}/video.mp4") == blue
    await do("DELETE", f"{path}/streams/{first}")
    assert await body("video.mp4") == blue
    for method, tail in (("DELETE", ""), ("POST", ""), ("GET", "/video.mp4"), ("GET", "/image")):
        await do(method, f"{path}/streams/{first}{tail}", 404)
    for each in (second, empty):
        await do("DELETE", f"{path}/streams/{each['token']}")
    assert (await do("GET", path))["state"] == "EMPTY"
    await do("GET", f"{path}/video.mp4", 404)
    assert files(tmp_path / "kept") == [f"app1/{path.rpartition('/')[2]}/video.json"]


async def test_there_are_bounds(do: Do, red: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "_VIDEOS_LIMIT", 2)
    monkeypatch.setattr(objects, "_STREAMS_LIMIT", 2)
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=red))['token']}"
    await do("POST", f"{path}/streams", 201)
    await do("POST", f"{path}/streams", 403, data=red)
    await do("POST", VIDEOS.replace("app1", "app2"), 201)
    before = files(tmp_path / "kept")
    await do("POST", VIDEOS, 403, data=red)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LIMIT // 1000 + 1):
            yield bytes(1000)

    for body in (
        bytes(LIMIT + 1),
        bytes(2 * LIMIT),
        endless(),
        upload(bytes(LIMIT + 1)),
        {"title": "x" * 70_000},
    ):
        assert "more than" in (await do("POST", path, 413, data=body))["error"]
    assert (await do("POST", path, data=bytes(LIMIT)))["default_stream"]["size"] == LIMIT
    assert len(files(tmp_path / "kept")) == len(before)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1/applications/app1",
        "/v1/applications/app1/videos/",
        "/v1/applications/../videos",
        "/v1/applications/a%2fb/videos",
        "/v1/applications/.unfinished/videos",
        "/v1/applications/app1/videos/../../../secret.json",
        "/v1/applications/app1/videos/%2e%2e",
        f"/v1/applications/app1/videos/{'A' * 32}",
        f"/v1/applications/app1/videos/{'a' * 33}",
        f"/v1/applications/app1/videos/{'0' * 32}/video.json",
        f"/v1/applications/app1/videos/{'0' * 32}/..%2f..%2fsecret.json",
        f"/v1/applications/app1/videos/{'0' * 32}/playback",
    ],
)
async def test_no_other_path_is_anything(origin: Running, tmp_path: Path, target: str) -> None:
    (tmp_path / "secret.json").write_text("{}")
    reader, writer = await asyncio.open_connection(origin.host, origin.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


async def test_other_methods_are_refused_and_none_is_hidden_in_the_query(
    do: Do, client: ClientSession, origin: Running, red: bytes
) -> None:
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=red))['token']}"
    for method, target in (("PUT", path), ("DELETE", VIDEOS), ("POST", f"{path}/video.mp4")):
        async with client.request(method, target) as answer:
            assert (answer.status, answer.content_type) == (405, "application/json")
            assert answer.headers["Allow"]
    assert (await do("POST", f"{path}?_method=DELETE"))["state"] == "READY"
    seen = origin.runner.app[REQUESTS]
    assert (seen[-1].method, seen[-1].raw_path) == ("POST", f"{path}?_method=DELETE")


async def test_who_asks_is_told_the_status_in_the_body(client: ClientSession, red: bytes) -> None:
    """As the vendor's players ask, which take an answer without it for a failure."""
    async with client.post(f"{VIDEOS}?_wrapstatus=true", data=red) as got:
        assert got.status == 200
        said = await got.json()
    assert (said["status"], said["responseText"]["state"]) == (201, "READY")
    video = f"{VIDEOS}/{said['responseText']['token']}"
    async with client.get(f"{video}/video.mp4?_wrapstatus=true") as got:
        assert (got.status, await got.read()) == (200, red)
    async with client.get(f"{VIDEOS}/{'0' * 32}?_wrapstatus=true") as got:
        assert (got.status, (await got.json())["status"]) == (200, 404)
    async with client.get(f"{video}?_wrapstatus=false") as got:
        assert (await got.json())["state"] == "READY"
