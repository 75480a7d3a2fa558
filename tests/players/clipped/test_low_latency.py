"""Low-Latency HLS to a token for live only: parts, waiting answers and delta updates go through the gate."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.players.origins.low_latency import PART_S, LowLatency
from tests.players.origins.material import Material

pytestmark = pytest.mark.players

LIVE_EDGE_S = 20
# Less than one target duration behind what is held back would be as good as it gets.
LATENCY_S = 4


@pytest.mark.parametrize("restricted", [False, True], ids=["unrestricted", "restricted"])
async def test_low_latency(start_house: Any, screen: Any, material: Material, restricted: bool) -> None:
    site = LowLatency(material.low_latency, time.time() - 100)
    house = await start_house(site)
    rights = {"live": True} if restricted else {"live": True, "dvr": True, "copy": True}
    await screen.play(house.urls(("hls", "shaka"), "index.m3u8", rights), low_latency=True)
    await screen.plays(8)
    # By the stream's own dates, not by what the player believes.
    behind = await screen.each("(Date.now() - one.date()) / 1000")
    assert 3 * PART_S - PART_S < behind["hls"] < LATENCY_S, behind
    widths = {name: high - low for name, (low, high) in (await screen.ranges()).items()}
    assert (widths["hls"] < LIVE_EDGE_S + 6) is restricted
    house.served_all()
    assert site.parts > 10
    assert site.hinted > 3
    # Both tracks' playlists were asked for in advance, and the answers waited for their part.
    waited = [one.target for one in house.seen if "_HLS_msn=" in one.target]
    assert {target.partition("?")[0].rpartition("/")[2] for target in waited} == {"v.m3u8", "a.m3u8"}
    assert any("_HLS_part=" in target for target in waited)
    assert site.held > 10
    if not restricted:
        assert site.skipped > 3
