"""HLS through a token's bounds, in a browser: live, an event, an archive of two hours, ranges, encryption."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.players.origins import hls
from tests.players.origins.material import LONG_SEGMENT_S, SEGMENT_S, Material

pytestmark = pytest.mark.players

PLAYERS = ("native", "hls", "shaka", "videojs")
LIVE_EDGE_S = 20


@pytest.mark.parametrize("rights", ["live", "live and a window"])
async def test_live(start_house: Any, screen: Any, material: Material, rights: str) -> None:
    start_s = int(time.time()) - 150
    windows = [{"from": start_s + 60, "to": start_s + 80}]
    claims: dict[str, dict[str, Any]] = {
        "live": {"live": True},
        "live and a window": {"live": True, "dvr": True, "windows": windows},
    }
    house = await start_house(hls.site(material.short, hls.live(material.short, start_s)))
    oldest_s = time.time() - start_s - LIVE_EDGE_S - 2 * SEGMENT_S
    await screen.play(house.urls(PLAYERS, "index.m3u8", claims[rights]))
    await screen.plays(6)
    house.served_all()
    widths = {name: high - low for name, (low, high) in (await screen.ranges()).items()}
    # In a live stream it can seek nowhere.
    assert widths.pop("native") == 0
    if rights == "live":
        assert house.numbers()[0] * SEGMENT_S >= oldest_s
        assert {
            name: width for name, width in widths.items() if not 5 < width < LIVE_EDGE_S + 3 * SEGMENT_S
        } == {}


async def test_an_archive(start_house: Any, screen: Any, material: Material) -> None:
    """Ten minutes of two hours: they are all that a player has, and it has all of them."""
    start_s = int(time.time()) - 3 * 3600
    low_s, high_s = 3001, 3601
    window = {"dvr": True, "from": start_s + low_s, "to": start_s + high_s}
    listed = hls.as_listed(material.long)
    house = await start_house(hls.site(listed, hls.archive(listed, start_s)))
    await screen.play(house.urls(PLAYERS, "index.m3u8", window))
    await screen.plays(1)
    ranges, began = await screen.ranges(), await screen.began()
    widths = {name: high - low - high_s + low_s for name, (low, high) in ranges.items()}
    assert {name: by for name, by in widths.items() if abs(by) > 2 * LONG_SEGMENT_S} == {}
    assert began.keys() == {"hls", "shaka"}
    late = {name: at - start_s - low_s for name, at in began.items()}
    assert {name: by for name, by in late.items() if abs(by) > LONG_SEGMENT_S} == {}
    for part in (0.9, 0.3):
        await screen.seek({name: low + part * (high - low) for name, (low, high) in ranges.items()})
        await screen.plays(1)
    await screen.seek({name: high - 2 for name, (_, high) in ranges.items()})
    await screen.end()
    house.served_all()
    numbers = house.numbers()
    assert low_s - LONG_SEGMENT_S < (numbers[0] - 1) * LONG_SEGMENT_S
    assert (numbers[-1] - 1) * LONG_SEGMENT_S < high_s


async def test_an_event(start_house: Any, screen: Any, material: Material) -> None:
    """It grows until the token's window ends, though the stream goes on: then it is over."""
    # Long enough ago for a first playlist of some segments: with two the browser's own player fails.
    lasts_s = 42
    start_s = int(time.time()) - 31
    event = hls.event(material.short, start_s, None)
    house = await start_house(hls.site(material.short, event))
    window = {"dvr": True, "from": start_s, "to": start_s + lasts_s}
    await screen.play(house.urls(PLAYERS, "index.m3u8", window))
    await screen.end()
    house.served_all()
    durations = await screen.each("one.video.duration")
    # It counts from where it began to play.
    assert SEGMENT_S < durations.pop("native") < lasts_s + SEGMENT_S
    assert {name: lasts for name, lasts in durations.items() if abs(lasts - lasts_s) > SEGMENT_S} == {}
    assert max(house.numbers()) * SEGMENT_S < lasts_s


@pytest.mark.parametrize("kind", ["ranges", "encrypted", "encrypted by number"])
async def test_parts_of_files(start_house: Any, screen: Any, material: Material, kind: str) -> None:
    """Two windows with a gap between them: the player passes from one to the other."""
    listed = {
        "ranges": material.single,
        "encrypted": material.sealed,
        "encrypted by number": material.numbered,
    }[kind]
    start_s = int(time.time()) - 3600
    windows = [(60, 90), (200, 240)]
    claims = {"dvr": True, "windows": [{"from": start_s + low, "to": start_s + high} for low, high in windows]}
    house = await start_house(hls.site(listed, hls.archive(listed, start_s)))
    players = [name for name in PLAYERS if name != "native" or kind != "ranges"]
    await screen.play(house.urls(players, "index.m3u8", claims))
    await screen.plays(1)
    allowed_s = sum(high - low for low, high in windows)
    ranges = await screen.ranges()
    widths = {name: high - low for name, (low, high) in ranges.items()}
    assert {name: width for name, width in widths.items() if abs(width - allowed_s) > 2 * SEGMENT_S} == {}
    # Over the gap, into what comes after it, and to the end.
    await screen.seek({name: low + 29 for name, (low, _) in ranges.items()})
    await screen.plays(3)
    await screen.seek({name: high - 2 for name, (_, high) in ranges.items()})
    await screen.end()
    house.served_all()
