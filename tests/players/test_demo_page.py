"""The demo's page in a real browser, which plays HLS by itself."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.demo.stage import Stage

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.players

# Not a predicate for the driver's own waiting: it would need eval, which the page's policy forbids.
TIME = "() => document.getElementById('video').currentTime"


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    from playwright.async_api import async_playwright

    async with Stage(tmp_path / "s") as stage, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(stage.page_url)
        yield page
        assert faults == []
        await browser.close()


async def played_s(page: Page) -> float:
    """How far the video gets in two seconds."""
    began = float(await page.evaluate(TIME))
    await page.wait_for_timeout(2000)
    return float(await page.evaluate(TIME)) - began


async def test_the_live_stream_plays_by_itself(page: Page) -> None:
    await page.wait_for_selector("#link-live .agrees")
    await page.wait_for_timeout(3000)
    assert await played_s(page) > 1


async def test_a_card_shows_its_url(page: Page) -> None:
    await page.wait_for_selector("#link-live .agrees")
    url = await page.inner_text("#link-public .address code")
    assert url == page.url.replace("/demo/", "/public/clip.mp4")
    assert await page.inner_text("#link-public .words code") == "access: public"


async def test_each_link_does_what_its_card_says(page: Page) -> None:
    await page.wait_for_selector("#link-live .agrees")
    await page.click("#all")
    await page.wait_for_selector("#link-short .results li:nth-child(2)")
    await page.wait_for_selector("#sum:not(:empty)")
    assert await page.inner_text("#sum") == "Each did what it should."
    assert await page.locator(".results .differs").count() == 0
    assert "cut after" in await page.inner_text("#link-cut .results")


async def test_a_single_use_link_plays_once(page: Page) -> None:
    await page.wait_for_selector("#link-live .agrees")
    await page.click("#link-single-use .play")
    await page.wait_for_selector("#link-single-use .agrees")
    await page.wait_for_timeout(2000)
    assert await played_s(page) > 1
    await page.click("#link-single-use .play")
    await page.wait_for_selector("#link-single-use li:nth-child(2)")
    assert "403 session_limit" in await page.inner_text("#now")
    assert await page.locator("#link-single-use .differs").count() == 0


async def test_a_download_of_a_single_use_link_is_fetched_once(page: Page) -> None:
    await page.wait_for_selector("#link-live .agrees")
    for count in (1, 2):
        await page.click("#link-download .fetch")
        await page.wait_for_selector(f"#link-download li:nth-child({count})")
    assert "403 session_limit" in await page.inner_text("#link-download .results")
    assert await page.locator("#link-download .differs").count() == 0
