"""ffmpeg, given a token URL: it plays what the token allows, to the frame, and ends."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.players.origins import dash, hls
from tests.players.origins.dash import Named
from tests.players.origins.material import LONG_SEGMENT_S, SEGMENT_S, Material

pytestmark = pytest.mark.players

WINDOW = (3001, 3601)
FRAMES_PER_S, LONG_FRAMES_PER_S = 10, 2


async def _frames(run: Any, url: str, *options: str) -> int:
    """How many pictures ffmpeg has decoded to the end of what is there, `options` being those of its input."""
    counting = ("-map", "0:v:0", "-fps_mode", "passthrough", "-f", "null", "-")
    ended = await run("ffmpeg", "-nostdin", "-v", "error", "-stats", *options, "-i", url, *counting)
    assert ended.status == 0, ended.output[-2000:]
    return int(re.findall(r"frame= *([0-9]+)", ended.output)[-1])


async def test_an_hls_archive(start_house: Any, run: Any, material: Material) -> None:
    start_s = int(time.time()) - 3 * 3600
    low_s, high_s = WINDOW
    listed = hls.as_listed(material.long)
    house = await start_house(hls.site(listed, hls.archive(listed, start_s)))
    window = {"dvr": True, "from": start_s + low_s, "to": start_s + high_s}
    url = house.url("index.m3u8", **window)
    played_s = await _frames(run, url) / LONG_FRAMES_PER_S
    assert 0 <= played_s - (high_s - low_s) <= 2 * LONG_SEGMENT_S
    house.served_all()


@pytest.mark.parametrize("named", list(Named), ids=lambda named: named.value)
async def test_a_dash_archive(start_house: Any, run: Any, material: Material, named: Named) -> None:
    """At the token's URL: ffmpeg's reader of DASH does not see where that led it, but for the MPD's BaseURL."""
    start_s = int(time.time()) - 3 * 3600
    low_s, high_s = WINDOW
    house = await start_house(dash.site(material.long, dash.archive(material.long, start_s, named)))
    window = {"dvr": True, "from": start_s + low_s, "to": start_s + high_s}
    played_s = await _frames(run, house.url("index.mpd", **window)) / LONG_FRAMES_PER_S
    assert 0 <= played_s - (high_s - low_s) <= 2 * LONG_SEGMENT_S
    house.served_all()


@pytest.mark.parametrize("kind", ["ranges", "encrypted", "encrypted by number"])
async def test_two_windows(start_house: Any, run: Any, material: Material, kind: str) -> None:
    listed = {
        "ranges": material.single,
        "encrypted": material.sealed,
        "encrypted by number": material.numbered,
    }[kind]
    start_s = int(time.time()) - 3600
    windows = [(60, 90), (200, 240)]
    claims = {"dvr": True, "windows": [{"from": start_s + low, "to": start_s + high} for low, high in windows]}
    house = await start_house(hls.site(listed, hls.archive(listed, start_s)))
    frames = await _frames(run, house.url("index.m3u8", **claims))
    allowed_s = sum(high - low for low, high in windows)
    assert 0 <= frames / FRAMES_PER_S - allowed_s <= 2 * SEGMENT_S * len(windows)
    house.served_all()


async def test_live(start_house: Any, run: Any, material: Material) -> None:
    start_s = int(time.time()) - 150
    house = await start_house(hls.site(material.short, hls.live(material.short, start_s)))
    assert await _frames(run, house.url("index.m3u8", live=True), "-t", "9") == 9 * FRAMES_PER_S
    house.served_all()
