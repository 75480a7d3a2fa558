"""Players in the archive: a window of it played, an export downloaded, a preview shown."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gate.demo.instants import instants_of
from gate.demo.stage import Stage

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.players

LASTS_S = 30


class Archive:
    """The demo, and a token for half a minute of its archive."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.start = (int(time.time()) - 100) // 2 * 2

    def url(self, name: str, **claims: Any) -> str:
        token = self.stage._sign(
            {
                "grants": {"read": {"resources": ["cam1"]}},
                "dvr": True,
                "from": self.start,
                "to": self.start + LASTS_S,
                "exp": int(time.time()) + 600,
                "session_limit": 1,
                "jti": secrets.token_hex(8),
                **claims,
            }
        )
        return f"{self.stage.url}/cam1/{name}?token={token}"

    def shown(self, lasts_s: int = LASTS_S) -> list[float]:
        return [self.start + number / 10 for number in range(lasts_s * 10)]


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with Stage(tmp_path / "s") as stage:
        yield Archive(stage)


async def test_ffmpeg_plays_a_window(archive: Archive, run: Any, tmp_path: Path) -> None:
    url, file = archive.url(f"index-{archive.start}-{LASTS_S}.m3u8"), tmp_path / "played.ts"
    ended = await run("ffmpeg", "-v", "error", "-i", url, "-c", "copy", str(file))
    assert ended.status == 0, ended.output
    assert await instants_of(file.read_bytes()) == archive.shown()


async def test_ffmpeg_and_curl_download_an_export(archive: Archive, run: Any, tmp_path: Path) -> None:
    name = f"archive-{archive.start}-{LASTS_S}.mp4"
    for program in ("ffmpeg", "curl"):
        url, file = archive.url(name, copy=True), tmp_path / f"{program}.mp4"
        if program == "ffmpeg":
            ended = await run("ffmpeg", "-v", "error", "-i", url, "-c", "copy", str(file))
        else:
            ended = await run("curl", "-sSfL", "-o", str(file), url)
        assert ended.status == 0, ended.output
        assert await instants_of(file.read_bytes()) == archive.shown()
    # Without the right it gets nothing, and is told why.
    ended = await run("curl", "-sSL", archive.url(name))
    assert '"copy_not_granted"' in ended.output


async def test_ffmpeg_watches_a_shifted_stream_until_the_window_ends(
    archive: Archive, run: Any, tmp_path: Path
) -> None:
    file = tmp_path / "shifted.ts"
    url = archive.url(f"timeshift_abs-{archive.start + LASTS_S - 8}.ts")
    await run("ffmpeg", "-v", "error", "-i", url, "-c", "copy", str(file))
    shown = await instants_of(file.read_bytes())
    assert min(shown) >= archive.start + LASTS_S - 8
    assert archive.start + LASTS_S - 5 < max(shown) < archive.start + LASTS_S


async def test_a_browser_shows_the_preview(archive: Archive, tmp_path: Path) -> None:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page: Page = await browser.new_page()
        await page.goto(archive.stage.page_url)
        await page.click("#link-preview .play")
        await page.wait_for_selector("#picture:not([hidden])")
        await page.wait_for_selector("#link-preview .agrees")
        assert await page.evaluate("() => document.getElementById('picture').decode()") is None
        assert await page.evaluate("() => document.getElementById('picture').naturalWidth") > 100
        assert not await page.is_visible("#video")
        picture = await page.locator("#picture").screenshot(path=tmp_path / "preview.png")
        assert len(picture) > 1000
        # A second before the window there is none.
        await page.click("#link-preview-outside .play")
        await page.wait_for_selector("#link-preview-outside .agrees")
        assert "403 outside_window" in await page.inner_text("#now")
        assert await page.is_visible("#video")
        await browser.close()
