"""Video objects on disk: whole or not there, whatever happens at the same time or ends the process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, FormData

from gate.demo import uploads
from gate.demo.objects import make_objects
from gate.demo.origin import serve
from gate.errors import GateError

VIDEOS = "/v1/applications/app1/videos"
Do = Callable[..., Awaitable[Any]]


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
        patch.setattr(uploads, "new_id", lambda: "full")
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
