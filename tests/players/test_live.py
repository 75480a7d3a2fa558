"""Programs, given the token URL of a live stream and nothing else: ffmpeg, mpv, VLC, curl, ffprobe."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

pytestmark = pytest.mark.players

LIVE = "/cam1/index.m3u8"


def segments(stage: Any) -> list[int]:
    """How many segments were asked for under each session link."""
    links = Counter(asked.target.split("/")[2] for asked in stage.asked if asked.target.endswith(".ts"))
    return list(links.values())


async def test_ffmpeg_plays_twenty_seconds(stage: Any, run: Any) -> None:
    urls = [stage.url(LIVE, name) for name in ("limited", "once")]
    for ended in await asyncio.gather(
        *(run("ffmpeg", "-v", "error", "-stats", "-i", url, "-t", "20", "-f", "null", "-") for url in urls)
    ):
        assert ended.status == 0
        assert "time=00:00:19" in ended.output or "time=00:00:20" in ended.output
    await stage.played_once()
    # It follows the redirect once; every refresh goes to the session link.
    assert sum(asked.bare for asked in stage.asked) == 2


async def test_mpv_plays_twelve_seconds(stage: Any, run: Any) -> None:
    quiet = ("--no-config", "--vo=null", "--ao=null", "--length=12")
    urls = [stage.url(LIVE, name) for name in ("limited", "once")]
    for ended in await asyncio.gather(*(run("mpv", *quiet, url) for url in urls)):
        assert ended.status == 0
        assert "Exiting... (End of file)" in ended.output
    await stage.played_once()
    assert all(count >= 6 for count in segments(stage))
    # It opens the token URL twice, first to see what it is.
    assert sum(asked.bare for asked in stage.asked) == 4


async def test_vlc_plays_twelve_seconds(stage: Any, run: Any) -> None:
    quiet = ("-I", "dummy", "--no-dbus", "--vout", "dummy", "--aout", "adummy", "--run-time", "12")
    urls = [stage.url(LIVE, name) for name in ("limited", "once")]
    for ended in await asyncio.gather(
        *(run("vlc", *quiet, url, "vlc://quit", unprivileged=True) for url in urls)
    ):
        assert ended.status == 0
    await stage.played_once()
    assert len(segments(stage)) == 2
    assert all(count >= 6 for count in segments(stage))
    assert sum(asked.bare for asked in stage.asked) == 2


async def test_curl_and_ffprobe_follow_the_redirect(stage: Any, run: Any) -> None:
    got = await run("curl", "-sSfL", stage.url(LIVE, "limited"))
    assert got.status == 0
    assert got.output.startswith("#EXTM3U\n")
    # A playlist alone has shown nothing: another player may still use the token.
    assert await stage.sessions("limited") == 0
    show = ("-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0")
    got = await run("ffprobe", *show, stage.url(LIVE, "limited"))
    assert got.status == 0
    assert {"h264", "aac"} <= set(got.output.split())
    await stage.played_once()
