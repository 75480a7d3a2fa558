from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gate.demo import check_videos
from gate.demo.check_videos import walk_videos
from gate.demo.stage import Stage
from gate.demo.story import Story
from gate.demo.videos import NAME, OWN, Videos


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with Stage(tmp_path_factory.mktemp("demo") / "s") as stage:
        yield stage


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def walked(stage: Stage, videos: Videos | None = None) -> list[Story]:
    return await walk_videos(videos or stage.videos, stage.url, stage.origin_urls[NAME])


async def test_all_stories_agree(stage: Stage) -> None:
    stories = await walked(stage)
    assert [story.agrees for story in stories] == [True] * 3
    assert [len(story.deeds) for story in stories] == [13, 4, 5]
    by_words = {deed.words: str(deed) for story in stories for deed in story.deeds}
    assert by_words["another page destroys it"] == "403 resource_not_granted"
    assert by_words["refused within a second"] == "401 token_malformed"


async def test_a_gate_that_lets_another_page_in_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_videos, "OWN", {action: {"all": True} for action in OWN})
    own, one, server = await walked(stage)
    assert [story.agrees for story in (own, one, server)] == [False, True, True]
    assert own.deeds[-1].words == "another page plays it"
    assert own.deeds[-1].got.statuses == (206,)


async def test_a_gate_that_does_not_count_is_told(stage: Stage) -> None:
    class Unlimited(Videos):
        def sign(self, grants: Mapping[str, Any], now_s: int, **limits: int) -> str:
            return Videos.sign(self, grants, now_s)

    same = stage.videos
    _, one, _ = await walked(stage, Unlimited(same.credentials, same.encryption_key, same.seeded))
    assert [deed.agrees for deed in one.deeds] == [True, True, False]
    assert one.deeds[-1].words == "another page"


async def test_a_gate_that_knows_another_key_is_told(stage: Stage) -> None:
    credentials = replace(stage.videos.credentials, private_key="not the one of the gate's")
    _, _, server = await walked(stage, replace(stage.videos, credentials=credentials))
    assert [deed.agrees for deed in server.deeds] == [True, False]
    assert str(server.deeds[-1]) == "401 credentials_wrong, not 200"


async def test_other_bytes_than_the_videos_are_told(stage: Stage) -> None:
    # The page's own origin has nothing of the seeded video.
    stories = await walk_videos(stage.videos, stage.url, stage.origin_urls["page"])
    assert [story.deeds[-1].got.fault for story in stories[1:]] == ["the part is not the video's"] * 2


async def test_a_gate_that_is_gone_is_told(tmp_path: Path) -> None:
    async with Stage(tmp_path / "s") as stage:
        videos, url = stage.videos, stage.url
    stories = await walk_videos(videos, url, url)
    assert [len(story.deeds) for story in stories] == [1] * 3
    assert all(story.deeds[0].got.fault.startswith("no answer: ") for story in stories)
