"""A video's life on the demo's page, in a real browser: its buttons create, play, replace and destroy it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from gate.demo.stage import Stage
from gate.demo.videos import NAME

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.players

TIME = "() => document.getElementById('video').currentTime"
REFUSED = "403 resource_not_granted"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage(tmp_path / "s") as stage:
        yield stage


@pytest.fixture
async def page(stage: Stage, browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(stage.page_url)
    await page.wait_for_selector("#own-acts [data-act=create]:enabled")
    yield page
    assert faults == []


async def press(page: Page, acts: str, name: str) -> str:
    """What the page says of pressing that button; it agrees with what the card promises."""
    await page.click(f"#{acts}-acts [data-act={name}]")
    # Buttons come back when all of it is done.
    await page.wait_for_selector("#own button:enabled")
    assert await page.locator("#own-results .differs").count() == 0
    return await page.inner_text("#own-results li:last-child")


async def plays(page: Page) -> None:
    """The video that is shown advances, and is the page's own."""
    assert "/v1/applications/gate-demo/videos/" in await page.evaluate("() => video.currentSrc")
    began = float(await page.evaluate(TIME))
    for _ in range(50):
        await page.wait_for_timeout(100)
        if float(await page.evaluate(TIME)) > began + 1:
            return
    raise AssertionError(f"it stays at {began} s")


async def kept(stage: Stage) -> int:
    """How many videos the origin has."""
    async with ClientSession() as http, http.get(stage.origin_urls[NAME] + stage.videos.path) as answer:
        return len(await answer.json())


async def test_a_video_lives_and_only_its_page_may_end_it(stage: Stage, page: Page) -> None:
    assert await page.locator("#own button:enabled").count() == 1
    assert (await press(page, "own", "create")).startswith("201")
    assert await kept(stage) == 2
    assert (await press(page, "own", "play")).startswith("206")
    await plays(page)
    for name in ("play", "replace", "destroy"):
        assert (await press(page, "second", name)).startswith(REFUSED)
    assert (await press(page, "own", "replace")).startswith("200")
    assert (await press(page, "own", "play")).startswith("206")
    await plays(page)
    assert await kept(stage) == 2
    assert (await press(page, "own", "destroy")).startswith("200")
    assert await page.inner_text("#own-url") == "The video is gone."
    assert await kept(stage) == 1
    assert await page.locator("#own button:enabled").count() == 1
    assert (await press(page, "own", "create")).startswith("201")


async def test_a_file_of_the_users_own(stage: Stage, page: Page, tmp_path: Path) -> None:
    clip = tmp_path / "s" / "media" / "public" / "retake.mp4"
    await page.set_input_files("#own-file", clip)
    await press(page, "own", "create")
    async with ClientSession() as http, http.get(await page.inner_text("#own-url")) as answer:
        assert await answer.read() == clip.read_bytes()
    await press(page, "own", "play")
    await plays(page)


async def test_a_page_that_is_loaded_again_is_another_page(page: Page) -> None:
    await press(page, "own", "create")
    url = await page.inner_text("#own-url")
    await page.reload()
    await page.wait_for_selector("#own-acts [data-act=create]:enabled")
    # Its URL still shows the session of the page that it was made in: copied, it is that page's.
    assert await page.evaluate("async (url) => (await fetch(url)).status", url) == 200
    await press(page, "own", "create")
    other = await page.inner_text("#own-url")
    assert url.partition("?")[2] != other.partition("?")[2]
    mixed = url.partition("?")[0] + "?" + other.partition("?")[2]
    assert await page.evaluate("async (url) => (await fetch(url)).status", mixed) == 403


async def test_a_link_for_one_session_plays_once(page: Page) -> None:
    await page.click("#link-video-once .play")
    await page.wait_for_selector("#link-video-once .agrees")
    await plays(page)
    await page.click("#link-video-once .fetch")
    await page.wait_for_selector("#link-video-once li:nth-child(2)")
    assert "403 session_limit" in await page.inner_text("#link-video-once .results")
    assert await page.locator("#link-video-once .differs").count() == 0
