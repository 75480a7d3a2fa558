"""Programs that seek in a file, given its token URL and nothing else: ffmpeg, mpv, VLC.

A file with its index behind the media takes more seeks: to the end for the index, and back.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.players, pytest.mark.parametrize("name", ["clip.mp4", "tail.mp4"])]

# Tells where it is every two seconds, and goes elsewhere.
MPV = """
local places, next_place = {600, 1100, 30}, 1
local function go()
    mp.msg.info("at " .. math.floor(mp.get_property_number("time-pos", -1)))
    if next_place > #places then return mp.command("quit") end
    mp.set_property_number("time-pos", places[next_place])
    next_place = next_place + 1
    mp.add_timeout(2, go)
end
mp.register_event("playback-restart", function()
    if next_place == 1 then mp.add_timeout(2, go) end
end)
"""


def urls(stage: Any, name: str) -> list[str]:
    return [stage.url(f"/files/video/{name}", token) for token in ("limited", "once")]


async def test_ffmpeg_begins_in_the_middle(stage: Any, run: Any, name: str) -> None:
    for ended in await asyncio.gather(
        *(
            run("ffmpeg", "-v", "error", "-stats", "-ss", "600", "-i", url, "-t", "5", "-f", "null", "-")
            for url in urls(stage, name)
        )
    ):
        assert ended.status == 0
        assert "time=00:00:05" in ended.output
    await stage.played_once()
    # It seeks at the token URL, not at the link that it was led to.
    assert sum(asked.bare for asked in stage.asked if asked.range != "bytes=0-") == stage.seeks() > 0


async def test_mpv_seeks(stage: Any, run: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "seek.lua").write_text(MPV)
    # Without a cache: it would hold the whole of such a file, and seek without asking.
    quiet = ("--no-config", "--vo=null", "--ao=null", "--cache=no", f"--script={tmp_path / 'seek.lua'}")
    for ended in await asyncio.gather(*(run("mpv", *quiet, url) for url in urls(stage, name))):
        assert ended.status == 0
        places = [int(line.split()[2]) for line in ended.output.splitlines() if "] at " in line]
        assert len(places) == 4
        assert all(0 <= at - to <= 5 for at, to in zip(places, (0, 600, 1100, 30), strict=True))
    await stage.played_once()
    assert sum(asked.bare for asked in stage.asked if asked.range != "bytes=0-") == stage.seeks() > 2


async def test_vlc_seeks(stage: Any, run: Any, name: str) -> None:
    quiet = ("-I", "oldrc", "--rc-fake-tty", "--no-dbus", "--vout", "dummy", "--aout", "adummy")
    say = (2, "seek 600", 2, "get_time", "seek 1100", 2, "get_time", "seek 30", 2, "get_time", "quit")
    for ended in await asyncio.gather(
        *(run("vlc", *quiet, url, say=say, unprivileged=True) for url in urls(stage, name))
    ):
        assert ended.status == 0
        places = [int(line) for line in ended.output.replace("> ", "").splitlines() if line.isdigit()]
        assert len(places) == 3
        assert all(-2 <= at - to <= 5 for at, to in zip(places, (600, 1100, 30), strict=True))
    await stage.played_once()
    # It seeks at the link that it was led to.
    assert sum(asked.bare for asked in stage.asked) == 2
    assert stage.seeks() > 2
