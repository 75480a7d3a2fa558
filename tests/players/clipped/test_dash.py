"""DASH through a token's bounds, in a browser: live, and an archive of two hours."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.players.origins import dash
from tests.players.origins.dash import Named
from tests.players.origins.material import LONG_S, LONG_SEGMENT_S, SEGMENT_S, Material

pytestmark = [
    pytest.mark.players,
    pytest.mark.parametrize(
        ("named", "restricted"),
        [
            pytest.param(Named.TIME, False, id="time-unrestricted"),
            pytest.param(Named.TIME, True, id="time-restricted"),
            pytest.param(Named.NUMBER, True, id="number-restricted"),
        ],
    ),
]

PLAYERS = ("dash", "shaka")
LIVE_EDGE_S = 20
EVERYTHING = {"live": True, "dvr": True, "copy": True}


async def test_live(start_house: Any, screen: Any, material: Material, named: Named, restricted: bool) -> None:
    start_s = int(time.time()) - 150
    house = await start_house(dash.site(material.tracks, dash.live(material.tracks, start_s, named)))
    await screen.play(house.urls(PLAYERS, "index.mpd", {"live": True} if restricted else EVERYTHING))
    await screen.plays(6)
    house.served_all()
    low_s, high_s = (5, LIVE_EDGE_S + 2 * SEGMENT_S) if restricted else (90, dash.BUFFER_S + 2 * SEGMENT_S)
    widths = {name: high - low for name, (low, high) in (await screen.ranges()).items()}
    assert {name: width for name, width in widths.items() if not low_s < width < high_s} == {}


async def test_an_archive(
    start_house: Any, screen: Any, material: Material, named: Named, restricted: bool
) -> None:
    """Ten minutes of two hours: they are all that a player has, and it has all of them."""
    start_s = int(time.time()) - 3 * 3600
    low_s, high_s = (3001, 3601) if restricted else (0, LONG_S)
    window = {"dvr": True, "from": start_s + low_s, "to": start_s + high_s}
    house = await start_house(dash.site(material.long, dash.archive(material.long, start_s, named)))
    await screen.play(house.urls(PLAYERS, "index.mpd", window if restricted else EVERYTHING))
    await screen.plays(1)
    ranges = await screen.ranges()
    widths = {name: high - low - high_s + low_s for name, (low, high) in ranges.items()}
    assert {name: by for name, by in widths.items() if abs(by) > 2 * LONG_SEGMENT_S} == {}
    for part in (0.9, 0.3):
        await screen.seek({name: low + part * (high - low) for name, (low, high) in ranges.items()})
        await screen.plays(1)
    await screen.seek({name: high - 2 for name, (_, high) in ranges.items()})
    await screen.end()
    house.served_all()
    if named is Named.NUMBER:
        numbers = house.numbers()
        assert low_s - LONG_SEGMENT_S < (numbers[0] - 1) * LONG_SEGMENT_S
        assert (numbers[-1] - 1) * LONG_SEGMENT_S < high_s
