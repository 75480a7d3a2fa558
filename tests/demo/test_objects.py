"""The origin of video objects: what is uploaded plays, and nothing is ever left half done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, FormData

from gate.demo import objects
from gate.demo.objects import make_objects
from gate.demo.origin import REQUESTS, Running, serve
from gate.demo.recorder import ffmpeg
from gate.errors import GateError

VIDEOS = "/v1/applications/app1/videos"
LIMIT = 500_000


def clip(folder: Path, colour: str) -> bytes:
    """A second of one colour."""
    path = folder / f"{colour}.mp4"
    source = ("-f", "lavfi", "-i", f"color={colour}:size=64x48:rate=10:duration=1")
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart", str(path))
    subprocess.run([ffmpeg(), "-v", "error", *source, *coding], check=True)
    return path.read_bytes()


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


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip(tmp_path_factory.mktemp("clips"), "red")


@pytest.fixture(scope="module")
def blue(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip(tmp_path_factory.mktemp("clips"), "blue")


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[Running]:
    running = await serve(make_objects(tmp_path / "kept", upload_limit=LIMIT))
    yield running
    await running.stop()


@pytest.fixture
async def client(origin: Running) -> AsyncIterator[ClientSession]:
    async with ClientSession(origin.url) as session:
        yield session


Do = Callable[..., Awaitable[Any]]


@pytest.fixture
def do(client: ClientSession) -> Do:
    """Does something and gives the JSON of the answer, which has that status and is ASCII."""

    async def do(method: str, path: str, status: int = 200, **options: Any) -> Any:
        async with client.request(method, path, **options) as answer:
            body = await answer.read()
            assert (answer.status, answer.content_type) == (status, "application/json"), body
            assert "Accept-Ranges" not in answer.headers
            return json.loads(body.decode("ascii"))

    return do


def files(folder: Path) -> list[str]:
    """All files under a folder, what is unfinished too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def until(holds: Callable[[], bool]) -> None:
    """Returns when that holds, within the time of whoever waits."""
    while True:
        if holds():
            return
        await asyncio.sleep(0.01)


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


@pytest.mark.parametrize("how", ["multipart", "raw", "untyped"])
async def test_a_file_comes_with_the_creation_in_any_body(do: Do, red: bytes, how: str) -> None:
    body, kind = {
        "multipart": (upload(red, title="Größe", tags="a, b", volatile="True", server_auth="x"), None),
        "raw": (red, {"Content-Type": "video/mp4"}),
        "untyped": (red, {}),
    }[how]
    video = await do("POST", VIDEOS, 201, data=body, headers=kind)
    assert video["default_stream"]["size"] == len(red)
    assert "server_auth" not in video
    if how == "multipart":
        assert (video["title"], video["tags"], video["volatile"]) == ("Größe", ["a", "b"], True)


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
    monkeypatch.setattr(objects, "_VIDEOS_LIMIT", 2)
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


def multipart(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


FILE = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"nothing of the kind",
        multipart(FILE + b"12345", end=b""),
        multipart(FILE + b"12345", end=b"--b"),
        multipart(FILE + b"12345", end=b"--b\r\n"),
        multipart(FILE + b"12345", end=b"--b\r\n" + FILE),
        multipart(FILE + b"12345")[:-10],
        multipart(FILE + b"12345", FILE + b"6789"),
        multipart(b"Content-Type: text/plain\r\n\r\n12345"),
        multipart(b'Content-Disposition: form-data; name="title"\r\n\r\n\xff\xfe'),
        multipart(b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c--"),
        multipart(b"X: " + b"y" * 20_000 + b"\r\n\r\n"),
    ],
)
async def test_a_malformed_form_is_refused_and_leaves_nothing(do: Do, tmp_path: Path, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert "malformed" in (await do("POST", VIDEOS, 400, data=body, headers=headers))["error"]
    assert files(tmp_path / "kept") == []


@pytest.mark.parametrize("kind", ["video/mp4", "multipart/form-data; boundary=b"])
@pytest.mark.parametrize("framing", ["Content-Length: 400000", "Transfer-Encoding: chunked"])
async def test_a_client_that_leaves_midway_leaves_nothing(
    do: Do,
    origin: Running,
    red: bytes,
    tmp_path: Path,
    kind: str,
    framing: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=red))['token']}"
    before = files(tmp_path / "kept")
    for target in (VIDEOS, path, f"{path}/streams"):
        _, writer = await asyncio.open_connection(origin.host, origin.port)
        body = (b"--b\r\n" + FILE if "multipart" in kind else b"") + bytes(300_000)
        if "chunked" in framing:
            body = b"%x\r\n" % len(body) + body + b"\r\n"
        head = f"POST {target} HTTP/1.1\r\nHost: origin\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        async with asyncio.timeout(10):
            await until(lambda: len(files(tmp_path / "kept")) > len(before))
            writer.close()
            await until(lambda: files(tmp_path / "kept") == before)
    assert files(tmp_path / "kept") == before
    assert len(await do("GET", VIDEOS)) == 1
    assert (await do("GET", path))["default_stream"]["size"] == len(red)
    assert not caplog.records


async def test_fifty_uploads_at_once(do: Do, client: ClientSession, red: bytes, tmp_path: Path) -> None:
    bodies = [red + bytes([0, 0, 0, 9]) + b"free" + bytes([at]) for at in range(50)]
    made = await asyncio.gather(*(do("POST", VIDEOS, 201, data=upload(body)) for body in bodies))
    assert len({video["token"] for video in made}) == 50
    for video, body in zip(made, bodies, strict=True):
        async with client.get(f"{VIDEOS}/{video['token']}/video.mp4") as answer:
            assert await answer.read() == body
    listed = await do("GET", VIDEOS)
    assert {video["token"] for video in listed} == {video["token"] for video in made}
    # And at one video: one of the recordings stays, whole.
    path = f"{VIDEOS}/{made[0]['token']}"
    told = await asyncio.gather(*(do("POST", path, data=body) for body in bodies))
    assert len(told) == 50
    async with client.get(f"{path}/video.mp4") as answer:
        assert await answer.read() in bodies
    assert len(files(tmp_path / "kept")) == 2 * 50
    await asyncio.gather(*(do("DELETE", f"{VIDEOS}/{video['token']}") for video in made))
    assert files(tmp_path / "kept") == []


async def test_what_is_recorded_while_it_is_destroyed_is_gone(do: Do, red: bytes, tmp_path: Path) -> None:
    for _ in range(10):
        path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=red))['token']}"

        async def record(path: str) -> None:
            try:
                await do("POST", path, data=red)
            except AssertionError:
                await do("POST", path, 404, data=red)

        await asyncio.gather(record(path), do("DELETE", path), record(path))
        assert files(tmp_path / "kept") == []


async def test_everything_is_there_after_a_restart_but_what_was_unfinished(tmp_path: Path, red: bytes) -> None:
    folder = tmp_path / "kept"
    running = await serve(make_objects(folder))
    async with ClientSession(running.url) as client, client.post(VIDEOS, data=upload(red, title="é")) as answer:
        video = await answer.json()
    path = f"{VIDEOS}/{video['token']}"
    async with ClientSession(running.url) as client, client.get(f"{path}/image") as answer:
        image = await answer.read()
    await running.stop()
    before = files(folder)
    # What a process leaves that is killed while it uploads, records anew, destroys or makes an image.
    for left in (".unfinished/ab.mp4", ".unfinished/cd/video.json", f"app1/{video['token']}/ef.mp4"):
        (folder / left).parent.mkdir(exist_ok=True)
        (folder / left).write_bytes(b"half")
    (folder / "app1" / video["token"] / ".video.json").write_bytes(b"{")
    (folder / ".images" / ".ef.jpg.123").write_bytes(b"half")
    running = await serve(make_objects(folder))
    try:
        assert files(folder) == before
        async with ClientSession(running.url) as client:
            async with client.get(path) as answer:
                assert await answer.json() == video
            async with client.get(f"{path}/video.mp4") as answer:
                assert await answer.read() == red
            async with client.get(f"{path}/image") as answer:
                assert await answer.read() == image
    finally:
        await running.stop()


_SERVER = """
import asyncio, pathlib, sys
from gate.demo.objects import make_objects
from gate.demo.origin import serve
async def main():
    running = await serve(make_objects(pathlib.Path(sys.argv[1])))
    print(running.url, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_nothing_is_half_there_after_it_was_killed_at_work(
    tmp_path: Path, red: bytes, blue: bytes
) -> None:
    folder = tmp_path / "kept"
    told: dict[str, dict[str, Any]] = {}
    destroyed: set[str] = set()

    async def work(client: ClientSession) -> None:
        while True:
            async with client.post(VIDEOS, data=upload(red)) as answer:
                video = await answer.json()
            told[video["token"]] = video
            async with client.post(f"{VIDEOS}/{video['token']}", data=blue) as answer:
                told[video["token"]] = await answer.json()
            if len(told) % 3 == 0:
                destroyed.add(video["token"])
                async with client.delete(f"{VIDEOS}/{video['token']}") as answer:
                    assert answer.status == 200

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER, str(folder), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with ClientSession(url) as client:
            works = [asyncio.create_task(work(client)) for _ in range(8)]
            async with asyncio.timeout(60):
                await until(lambda: len(told) >= 40)
            process.kill()
            await asyncio.wait(works)
            assert all(isinstance(each.exception(), ClientError) for each in works)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
    running = await serve(make_objects(folder))
    try:
        async with ClientSession(running.url) as client:
            async with client.get(VIDEOS) as answer:
                there = {video["token"]: video for video in await answer.json()}
            assert there.keys() >= told.keys() - destroyed
            for token, video in there.items():
                async with client.get(f"{VIDEOS}/{token}/video.mp4") as answer:
                    body = await answer.read()
                assert body in (red, blue)
                assert len(body) == video["default_stream"]["size"]
        assert len(files(folder)) == 2 * len(there)
    finally:
        await running.stop()


async def test_a_full_disk_changes_nothing(
    do: Do, red: bytes, blue: bytes, client: ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await do("POST", VIDEOS, 201, data=red))["token"]
    kept = tmp_path / "kept"
    before = files(kept)
    with monkeypatch.context() as patch:
        patch.setattr(objects, "new_id", lambda: "full")
        (kept / ".unfinished" / "full.mp4").symlink_to("/dev/full")
        assert "No space" in (await do("POST", VIDEOS, 507, data=red))["error"]
    assert files(kept) == before
    (kept / "app1" / token / ".video.json").symlink_to("/dev/full")
    assert "No space" in (await do("POST", f"{VIDEOS}/{token}", 507, data=blue))["error"]
    assert files(kept) == before
    async with client.get(f"{VIDEOS}/{token}/video.mp4") as answer:
        assert await answer.read() == red


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"token": "a", "created": 1, "streams": [{}], "tags": []}'])
async def test_it_does_not_start_over_what_is_damaged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "app1" / ("0" * 32) / "video.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(GateError, match=r"video\.json is damaged"):
        await serve(make_objects(tmp_path))


async def test_it_starts_only_where_it_can_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GateError, match="cannot keep videos in"):
        await serve(make_objects(tmp_path / "file"))


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
