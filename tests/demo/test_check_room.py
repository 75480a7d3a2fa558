from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from gate.core.room import Permission
from gate.demo import check_room
from gate.demo.check_room import walk_room
from gate.demo.meeting import ORIGIN, OTHER, Meeting
from gate.demo.stage import Stage
from gate.demo.story import Story


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with Stage(tmp_path_factory.mktemp("demo") / "s") as stage:
        yield stage


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def walked(stage: Stage, meeting: Meeting | None = None, origin: str = ORIGIN) -> list[Story]:
    return await walk_room(meeting or stage.meeting, stage.url, stage.origin_urls[origin])


async def test_both_stories_agree_however_often_they_are_told(stage: Stage) -> None:
    for _ in range(2):
        stories = await walked(stage)
        assert [str(deed) for story in stories for deed in story.deeds if not deed.agrees] == []
        assert [len(story.deeds) for story in stories] == [13, 10]
        by_words = {deed.words: str(deed) for story in stories for deed in story.deeds}
        assert by_words["its player, meanwhile"] == "503 waiting_for_admission"
        assert by_words["a player, then"] == "503 muted"
        assert by_words["its player, after that"] == "403 removed_from_room"


async def test_a_camera_that_was_muted_for_long_comes_back_when_its_owner_agrees(stage: Stage) -> None:
    meeting, now_s = stage.meeting, int(time.time())
    host = meeting.sign(now_s, "Host", (Permission.ALLOW_JOIN, Permission.ALLOW_MOD))
    playlist = f"{stage.origin_urls[ORIGIN]}/{meeting.track(OTHER)}/index.m3u8"

    async with ClientSession(stage.url) as http:

        async def command(name: str, /, **data: str) -> None:
            path, headers = meeting.command(name), {"Authorization": host}
            async with http.post(path, json=data, headers=headers) as answer:
                assert answer.status == 200, await answer.text()

        async def until(films: bool) -> None:
            for _ in range(200):
                async with http.get(playlist) as answer:
                    if ("#EXTINF" in await answer.text()) == films:
                        return
                await asyncio.sleep(0.1)
            raise AssertionError

        await until(films=True)
        await command("join", name="Host")
        await command("disablePeerWebcam", peerId=OTHER)
        await until(films=False)
        # As long as it takes the camera to find out that it films for nobody.
        await asyncio.sleep(2)
        await command("enablePeerWebcam", peerId=OTHER)
        await until(films=True)


async def test_a_gate_that_lets_a_guest_in_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_room, "_GUEST", (Permission.ALLOW_JOIN,))
    guest, muted = await walked(stage)
    assert (guest.agrees, muted.agrees) == (False, True)
    assert [deed.words for deed in guest.deeds] == ["the host joins", "a guest knocks"]
    assert str(guest.deeds[-1]) == "200, not 202"


async def test_other_bytes_than_the_cameras_are_told(stage: Stage) -> None:
    stories = await walked(stage, origin="page")
    assert [story.deeds[-1].got.fault for story in stories] == ["not the camera's bytes"] * 2


async def test_another_room_is_told(stage: Stage) -> None:
    stories = await walked(stage, replace(stage.meeting, room="none-such-room"))
    assert [(len(story.deeds), str(story.deeds[0])) for story in stories] == [
        (1, "404 room_unknown, not 200")
    ] * 2


async def test_a_gate_that_is_gone_is_told(tmp_path: Path) -> None:
    async with Stage(tmp_path / "s") as stage:
        meeting, url = stage.meeting, stage.url
    stories = await walk_room(meeting, url, url)
    assert [len(story.deeds) for story in stories] == [1] * 2
    assert all(story.deeds[0].got.fault.startswith("no answer: ") for story in stories)
