"""In a browser, given token URLs and nothing else: hls.js, Shaka, video.js, and the browser by itself."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.players

LIVE = "/cam1/index.m3u8"
SCRIPTS = {
    "hls": "hls.js/dist/hls.min.js",
    "shaka": "shaka-player/dist/shaka-player.compiled.js",
    "videojs": "video.js/dist/video.min.js",
}
PAGE = """<!doctype html><link rel=icon href="data:,">
<script src="/hls"></script><script src="/shaka"></script><script src="/videojs"></script><body><script>
const errors = [], videos = [], kept = [];
const players = {
    async itself(video, src) { video.src = src; },
    async hls(video, src) {
        const hls = new Hls();
        hls.on(Hls.Events.ERROR, (event, data) => errors.push(`${data.details} ${data.response?.code ?? ""}`));
        hls.loadSource(src);
        hls.attachMedia(video);
        kept.push(hls);
    },
    async shaka(video, src) {
        const player = new shaka.Player();
        player.addEventListener("error", event => errors.push(`shaka ${event.detail.code}`));
        await player.attach(video);
        await player.load(src);
        kept.push(player);
    },
    async videojs(video, src) {
        const player = videojs(video);
        player.on("error", () => errors.push(player.error().message));
        player.src({src, type: "application/x-mpegurl"});
        kept.push(player);
    },
};
async function play(name, sources) {
    for (const src of sources) {
        const video = document.createElement("video");
        video.muted = video.playsInline = video.autoplay = true;
        video.addEventListener("error", () => errors.push(video.error.message));
        document.body.append(video);
        videos.push(video);
        await players[name](video, src);
    }
}
const played = video => video.currentTime - (video.beganAt ??= video.currentTime);
const seek = to => { for (const video of videos) { video.beganAt = video.currentTime = to; } };
const ready = () => videos.every(video => video.readyState > 2 && !video.seeking && !video.paused);
</script>"""


@pytest_asyncio.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of another origin than the gate's."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not request.path[1:]:
            return web.Response(text=PAGE, content_type="text/html")
        return web.FileResponse(Path(os.environ["GATE_NODE_MODULES"]) / SCRIPTS[request.path[1:]])

    app = web.Application()
    app.router.add_get("/{name}", answer)
    app.router.add_get("/", answer)
    async with TestServer(app) as pages:
        page = await browser.new_page()
        await page.goto(str(pages.make_url("/")))
        yield page
        await page.close()


async def plays(page: Page, seconds: float) -> None:
    """Every video on the page gets that much further, in at most 30 s more."""
    expression = f"errors.length > 0 || (ready() && Math.min(...videos.map(played)) > {seconds})"
    await page.wait_for_function(expression, timeout=1000 * (seconds + 30))
    assert await page.evaluate("errors") == []


@pytest.mark.parametrize("player", ["hls", "shaka", "videojs"])
async def test_a_script_plays_a_live_stream(stage: Any, page: Page, player: str) -> None:
    urls = [stage.url(LIVE, name) for name in ("limited", "once")]
    await page.evaluate("([player, urls]) => play(player, urls)", [player, urls])
    await plays(page, 6)
    await stage.played_once()
    # They take the address that they were led to, and refresh there.
    assert sum(asked.bare for asked in stage.asked) == 2


async def test_the_browser_itself_plays_a_live_stream(stage: Any, page: Page) -> None:
    urls = [stage.url(LIVE, name) for name in ("limited", "once")]
    await page.evaluate("urls => play('itself', urls)", urls)
    await plays(page, 16)
    await stage.played_once()
    # It refreshes at the token URL, and asks for the playlist from byte 0 on as if for a file.
    refreshes = [asked for asked in stage.asked if asked.bare]
    assert len(refreshes) > 6
    assert {asked.range for asked in refreshes} == {"bytes=0-"}


@pytest.mark.parametrize("policy", [{"sessions": {"idle": "2s"}}])
@pytest.mark.parametrize("at", ["token URL", "session link"])
async def test_the_browser_itself_pauses(stage: Any, page: Page, ask: Any, at: str) -> None:
    """For longer than its playback lasts: it asks nothing meanwhile, and goes on where it was."""
    names = ("limited", "once")
    links = [stage.url(LIVE, name) for name in names] if at == "token URL" else []
    for name in names[len(links) :]:
        token = stage.token(name, "cam1")
        opened = await ask(stage.gate, "/_s/", "POST", headers={"Authorization": f"Bearer {token}"})
        links.append(f"{stage.gate.url}{opened.headers['Location']}cam1/index.m3u8")
    await page.evaluate("urls => play('itself', urls)", links)
    await plays(page, 2)
    await page.evaluate("videos.forEach(video => video.pause())")
    await page.wait_for_timeout(8000)
    await page.evaluate("videos.forEach(video => video.play())")
    await page.evaluate("videos.forEach(video => video.beganAt = video.currentTime)")
    await plays(page, 5)
    await stage.played_once()


@pytest.mark.parametrize("name", ["clip.mp4", "tail.mp4"])
async def test_the_browser_itself_seeks_in_a_file(stage: Any, page: Page, name: str) -> None:
    urls = [stage.url(f"/files/video/{name}", token) for token in ("limited", "once")]
    await page.evaluate("urls => play('itself', urls)", urls)
    await plays(page, 1)
    for place in (600, 1100, 300, 30):
        await page.evaluate("place => seek(place)", place)
        await plays(page, 1)
    await stage.played_once()
    # It seeks at the link that it was led to.
    assert sum(asked.bare for asked in stage.asked) == 2
    assert stage.seeks() > 2
