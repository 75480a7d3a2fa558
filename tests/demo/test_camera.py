"""Cameras before an origin that takes and refuses as a gate does."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gate.core.reasons import Reason
from gate.demo.camera import Camera
from gate.demo.tracks import Tracks

TRACK = "rooms/r/Ada/webcam"


@dataclass
class Gate:
    """Lets everything through, or refuses everything."""

    tracks: Tracks = field(default_factory=Tracks)
    refusal: Reason | None = None
    tokens: set[str] = field(default_factory=set)
    refused: int = 0

    @property
    def playlist(self) -> str:
        return (self.tracks.read(TRACK, "index.m3u8") or b"").decode()

    @web.middleware
    async def judge(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.tokens.add(request.headers.get("Authorization", ""))
        if self.refusal is not None:
            self.refused += 1
            return web.Response(status=self.refusal.rule.status, headers={"Gate-Reason": self.refusal.value})
        answer: web.StreamResponse = await handler(request)
        return answer


@pytest.fixture
async def gate() -> Gate:
    return Gate()


@pytest.fixture
async def url(gate: Gate) -> AsyncIterator[str]:
    app = gate.tracks.make_app()
    app.middlewares.append(gate.judge)
    async with TestServer(app) as server:
        yield str(server.make_url(f"/{TRACK}"))


def make_camera(gate: Gate, url: str, **options: Any) -> Camera:
    return Camera("Ada", url, lambda: "a.good.token", lambda: gate.tracks.silent_s(TRACK), **options)


async def until(holds: Callable[[], object]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError


def filming() -> list[int]:
    """The processes that a camera has started here."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(number) for number in children.read_text().split()] if children.exists() else []


async def test_it_films_with_its_token_and_leaves_nothing(gate: Gate, url: str) -> None:
    before = filming()
    async with make_camera(gate, url) as camera:
        await until(lambda: gate.playlist.count("#EXTINF") >= 3)
        assert camera.refusal == ""
        segments = re.findall(r"(?m)^\S+\.ts$", gate.playlist)
        for name in segments:
            segment = gate.tracks.read(TRACK, name)
            assert segment is not None
            assert segment[0] == 0x47
            assert len(segment) % 188 == 0
    assert gate.tokens == {"a.good.token"}
    assert "#EXT-X-ENDLIST" not in gate.playlist
    assert filming() == before


async def test_it_comes_back_by_itself_when_it_may(gate: Gate, url: str) -> None:
    asked: list[str] = []

    async def agree() -> None:
        asked.append(camera.refusal)
        if len(asked) == 2:
            gate.refusal = None

    before = filming()
    camera = make_camera(gate, url, on_disabled=agree)
    async with camera:
        await until(lambda: "#EXTINF" in gate.playlist)
        first = re.findall(r"(?m)^(\d+)\.ts$", gate.playlist)
        gate.refusal = Reason.TRACK_DISABLED
        await until(lambda: asked)
        assert filming() == before
        await until(lambda: "#EXTINF" in gate.playlist and gate.refusal is None)
        # Behind what players know already.
        assert re.findall(r"(?m)^(\d+)\.ts$", gate.playlist)[0] > first[-1]
    assert asked == ["track_disabled"] * 2


async def test_it_asks_nobody_where_its_owner_was_removed(gate: Gate, url: str) -> None:
    async def agree() -> None:
        raise AssertionError

    gate.refusal = Reason.REMOVED_FROM_ROOM
    async with make_camera(gate, url, on_disabled=agree) as camera:
        await until(lambda: gate.refused >= 2)
        assert camera.refusal == "removed_from_room"
        gate.refusal = None
        await until(lambda: "#EXTINF" in gate.playlist)


async def test_a_gate_that_is_away_is_waited_for(gate: Gate, unused_tcp_port: int) -> None:
    app = gate.tracks.make_app()
    url = f"http://127.0.0.1:{unused_tcp_port}/{TRACK}"
    async with make_camera(gate, url) as camera:
        await until(lambda: camera.refusal)
        assert "Connect" in camera.refusal
        async with TestServer(app, port=unused_tcp_port):
            await until(lambda: "#EXTINF" in gate.playlist)


@pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="looks in /proc")
async def test_ffmpeg_that_ends_is_started_again(gate: Gate, url: str) -> None:
    before = set(filming())
    async with make_camera(gate, url):
        await until(lambda: "#EXTINF" in gate.playlist)
        (number,) = set(filming()) - before
        os.kill(number, signal.SIGKILL)
        await until(lambda: set(filming()) - before - {number})
        await until(lambda: "#EXTINF" in gate.playlist)


async def test_stopping_before_and_twice(gate: Gate, url: str) -> None:
    camera = make_camera(gate, url)
    await camera.stop()
    camera.start()
    await camera.stop()
    await camera.stop()
    assert gate.playlist == ""
