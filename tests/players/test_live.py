"""Real players at a real live stream, given the token URL and nothing else: ffmpeg, curl, ffprobe, hls.js."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from gate.demo.origin import REQUESTS, make_app, serve
from gate.demo.recorder import Recorder

pytestmark = pytest.mark.players

PAGE = """<!doctype html><video id=v muted playsinline></video><script src="/hls.js"></script><script>
const video = document.getElementById("v"), errors = [];
const hls = new Hls();
hls.on(Hls.Events.ERROR, (event, data) => errors.push(data.details + " " + (data.response?.code ?? "")));
hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
hls.loadSource(new URLSearchParams(location.search).get("src"));
hls.attachMedia(video);
</script>"""


@dataclass
class Live:
    url: str
    app: web.Application

    def saw(self, token: str) -> bool:
        """Whether any request that reached the origin held the token."""
        return any(token in f"{seen.raw_path} {seen.headers}" for seen in self.app[REQUESTS])


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    """A recorded live stream `cam1` and the origin that serves it."""
    media = tmp_path / "media"
    media.mkdir()
    async with Recorder(media):
        app = make_app(media)
        origin = await serve(app)
        yield Live(origin.url, app)
        await origin.stop()


async def run(*command: str, timeout_s: float = 60) -> tuple[int, str]:
    """The exit status and everything a program printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


async def committed(gate: Any) -> int:
    """How many sessions of limited tokens the store has counted."""
    client = gate.node.gatekeeper._sessions._client
    keys = await client.call("KEYS", "gate:{*}:t:*")
    return sum([await client.call("SCARD", key) for key in keys])


async def test_ffmpeg_plays_twenty_seconds(live: Live, start_gate: Any) -> None:
    gate = await start_gate(live.url)
    token = gate.token("cam1", session_limit=1)
    url = f"{gate.url}/cam1/index.m3u8?token={token}"
    status, output = await run("ffmpeg", "-v", "error", "-stats", "-i", url, "-t", "20", "-f", "null", "-")
    assert status == 0, output
    assert "time=00:00:19" in output or "time=00:00:20" in output
    assert await committed(gate) == 1
    assert not live.saw(token)


async def test_curl_and_ffprobe_follow_the_redirect(live: Live, start_gate: Any) -> None:
    gate = await start_gate(live.url)
    url = f"{gate.url}/cam1/index.m3u8?token={gate.token('cam1')}"
    status, playlist = await run("curl", "-sSfL", url)
    assert status == 0
    assert playlist.startswith("#EXTM3U\n")
    status, output = await run(
        "ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url
    )
    assert status == 0, output
    assert {"h264", "aac"} <= set(output.split())


async def test_hls_js_plays(live: Live, start_gate: Any) -> None:
    from playwright.async_api import async_playwright

    script = Path(os.environ["GATE_NODE_MODULES"]) / "hls.js" / "dist" / "hls.min.js"
    gate = await start_gate(live.url)
    token = gate.token("cam1", session_limit=1)

    async def page_of(request: web.Request) -> web.StreamResponse:
        if request.path == "/hls.js":
            return web.FileResponse(script)
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{name:.*}", page_of)
    chromium = shutil.which("chromium")
    assert chromium is not None
    async with TestServer(app) as pages, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        page = await browser.new_page()
        source = f"{gate.url}/cam1/index.m3u8%3Ftoken={token}"
        await page.goto(f"{pages.make_url('/')}?src={source}")
        await page.wait_for_function(
            "video.currentTime > 0 && !video.paused && video.readyState > 2", timeout=30_000
        )
        began = await page.evaluate("video.currentTime")
        await page.wait_for_function(f"video.currentTime > {began} + 6", timeout=30_000)
        assert await page.evaluate("errors") == []
        await browser.close()
    assert await committed(gate) == 1
    assert not live.saw(token)
