from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from gate.demo import stage as module
from gate.demo.stage import HOST, Stage, check_extras
from gate.errors import GateError

HAS_PROC = Path("/proc/self/fd").is_dir()


def left_in(directory: Path) -> list[str]:
    """Processes that hold a file below the directory open, or work there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            places = [os.readlink(process / "cwd"), *(os.readlink(fd) for fd in (process / "fd").iterdir())]
            if int(process.name) != os.getpid() and any(place.startswith(str(directory)) for place in places):
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue
    return sorted(found)


async def test_the_demo_stands_and_goes(tmp_path: Path) -> None:
    state = tmp_path / "s"
    async with Stage(state) as stage, aiohttp.ClientSession() as http:
        if HAS_PROC:
            assert [name[:6] for name in left_in(state)] == ["ffmpeg", "ffmpeg", "valkey"]
        assert set(stage.room_urls) == {"host", "speaker", "guest"}
        for url in stage.room_urls.values():
            async with http.get(url) as page:
                assert page.status == 200
            async with http.get(url.replace(".html", ".json")) as given:
                assert (await given.json())["room"] == stage.meeting.room
        async with http.get(stage.page_url) as page:
            assert page.status == 200
            assert "<title>gate demo</title>" in await page.text()
            assert page.headers["Cache-Control"] == "no-store"
            assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        async with http.get(stage.page_url + "links.json") as listed:
            assert {link["name"] for link in await listed.json()} == {link.name for link in stage.links()}
        async with http.get(stage.admin_url + "/readyz") as ready:
            assert ready.status == 200
    assert left_in(state) == []
    assert (state / "media" / "cam1" / "index.m3u8").exists()


async def test_the_seeded_video_is_there_once_however_often_the_demo_starts(tmp_path: Path) -> None:
    tokens = set()
    for _ in range(2):
        async with Stage(tmp_path / "s") as stage, aiohttp.ClientSession() as http:
            tokens.add(stage.videos.seeded)
            async with http.get(stage.origin_urls["videos"] + stage.videos.path) as listed:
                assert [video["token"] for video in await listed.json()] == [stage.videos.seeded]
    assert len(tokens) == 1


async def test_the_room_stays_the_same_however_often_the_demo_starts(tmp_path: Path) -> None:
    rooms = set()
    for _ in range(2):
        async with Stage(tmp_path / "s") as stage:
            rooms.add(stage.meeting.room)
    assert len(rooms) == 1


async def test_a_recording_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    async with Stage(tmp_path / "s") as stage:
        waiting = asyncio.create_task(stage.wait())
        await asyncio.sleep(0)
        process_id = stage._recorders[1].process_id
        assert process_id is not None
        os.kill(process_id, signal.SIGKILL)
        with pytest.raises(GateError, match="ffmpeg stopped recording cam2"):
            async with asyncio.timeout(30):
                await waiting


async def test_a_port_in_use_undoes_everything(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(GateError, match=f"cannot listen on {HOST}:{port}: address already in use"):
            await Stage(tmp_path / "s", port=port).start()
    assert left_in(tmp_path) == []


async def test_a_state_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GateError, match=r"demo: cannot use .*file: Not a directory"):
        await Stage(tmp_path / "file").start()


async def test_a_secret_of_the_users_own_signs_the_links(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"secret: HS256 needs at least 32 bytes"):
        await Stage(tmp_path / "s", environ={module.SECRET: "twenty characters, no"}).start()
    assert left_in(tmp_path) == []


def test_missing_extras_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXTRAS", ("imageio_ffmpeg", "no_such_wheel"))
    with pytest.raises(GateError, match=r'no_such_wheel missing; install: pip install "gate\[embedded,demo\]"'):
        check_extras()
