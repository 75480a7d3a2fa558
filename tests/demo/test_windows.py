"""No byte from outside a token's window: every picture that the gate lets out is decoded, and its time read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from gate.demo.instants import instants_of
from gate.demo.stage import Stage

# Odd, where the origin's segments begin at even seconds: at both ends a segment lies across.
_AGO_S, _LASTS_S = 95, 21


@dataclass
class Viewer:
    """One who holds a token for `start` to `end` (Unix seconds), and tries everything with it."""

    stage: Stage
    http: aiohttp.ClientSession
    start: int
    end: int
    statuses: dict[str, int] = field(default_factory=dict)

    def token(self, **claims: Any) -> str:
        return self.stage._sign(
            {
                "grants": {"read": {"resources": ["cam1"]}},
                "dvr": True,
                "copy": True,
                "from": self.start,
                "to": self.end,
                "exp": int(time.time()) + 600,
                **claims,
            }
        )

    async def get(self, name: str, **claims: Any) -> bytes:
        """What comes of it, up to its end or until it is cut; nothing where it is refused."""
        url = URL(f"{self.stage.url}/cam1/{name}?token={self.token(**claims)}", encoded=True)
        body = b""
        async with self.http.get(url) as answer:
            self.statuses[name] = answer.status
            if answer.status != 200:
                return b""
            try:
                async for piece in answer.content.iter_any():
                    body += piece
            except aiohttp.ClientError:
                pass
        return body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Viewer]:
    state: Path = tmp_path_factory.mktemp("windows")
    async with Stage(state) as stage, aiohttp.ClientSession() as http:
        start = (int(time.time()) - _AGO_S) // 2 * 2 + 1
        yield Viewer(stage, http, start, start + _LASTS_S)


pytestmark = pytest.mark.asyncio(loop_scope="module")


def names(playlist: bytes) -> list[str]:
    return [line for line in playlist.decode().splitlines() if line and not line.startswith("#")]


def dated(at: int, suffix: str) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y/%m/%d/%H/%M/%S}{suffix}"


@pytest.mark.parametrize("form", ["index-{0}-{1}.m3u8", "mono-{0}-{1}.m3u8", "archive/{0}/{1}/index.m3u8"])
async def test_a_playlist_of_the_window_leads_to_it_alone(viewer: Viewer, form: str) -> None:
    name = form.format(viewer.start, _LASTS_S)
    listed = names(await viewer.get(name))
    assert len(listed) == _LASTS_S // 2 + 1
    shown = []
    for entry in listed:
        shown += await instants_of(await viewer.get(entry.replace("../../../", "")))
    # Players need whole segments: the ones at the edges reach a second beyond it, and no further.
    assert min(shown) == viewer.start - 1
    assert max(shown) < viewer.end
    assert len(shown) == (_LASTS_S + 1) * 10


async def test_of_all_segments_those_of_the_window_alone_are_let_out(viewer: Viewer) -> None:
    begins = range(viewer.start - 21, viewer.end + 20, 2)
    bodies = await asyncio.gather(*(viewer.get(dated(at, "-02000.ts")) for at in begins))
    out = [at for at, body in zip(begins, bodies, strict=True) if body]
    assert out == [at for at in begins if at < viewer.end and at + 2 > viewer.start]
    assert {viewer.statuses[dated(at, "-02000.ts")] for at in begins if at not in out} == {403}


async def test_of_all_images_those_of_the_window_alone_are_let_out(viewer: Viewer) -> None:
    seconds = [viewer.start - 2, viewer.start - 1, viewer.start, viewer.end - 1, viewer.end, viewer.end + 1]
    for suffix in (".jpg", "-preview.mp4"):
        images = [await viewer.get(dated(at, suffix)) for at in seconds]
        assert [bool(image) for image in images] == [False, False, True, True, False, False]
        assert await instants_of(images[2]) == [viewer.start]
        assert await instants_of(images[3]) == [viewer.end - 1]
    assert await viewer.get("preview.jpg") == b""


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
async def test_a_download_holds_its_span_to_the_frame(viewer: Viewer, suffix: str) -> None:
    shown = await instants_of(await viewer.get(f"archive-{viewer.start}-{_LASTS_S}.{suffix}"))
    assert shown == [viewer.start + number / 10 for number in range(_LASTS_S * 10)]
    for start, lasts in ((viewer.start - 1, 5), (viewer.end - 4, 5), (viewer.start - 5, 60), (viewer.end, 1)):
        assert await viewer.get(f"archive-{start}-{lasts}.{suffix}") == b""


@pytest.mark.parametrize("form", ["timeshift_abs-{0}.ts", "timeshift_rel-{1}.ts", "archive/{0}/4/mpegts"])
async def test_a_stream_ends_with_the_window(viewer: Viewer, form: str) -> None:
    begins = viewer.end - 4
    began = time.time()
    name = form.format(begins, int(began) - begins)
    shown = await instants_of(await viewer.get(name))
    assert viewer.statuses[name] == 200
    assert time.time() - began < 20
    assert min(shown) >= begins - 2
    assert max(shown) < viewer.end


@pytest.mark.parametrize(
    "form",
    [
        *("index-{0}-now.m3u8", "archive/{0}/now/index.m3u8", "archive/{0}/now/mpegts", "rewind-{1}.m3u8"),
        *("timeshift_abs-{0}.m3u8", "index.m3u8", "mpegts", "preview.jpg", "index.m3u8?utc={0}"),
        *("timeshift_rel-5.ts", "timeshift_abs-{2}.ts", "index-{0}-99999.m3u8", "archive-0-9999999999.mp4"),
    ],
)
async def test_what_reaches_beyond_the_window_is_refused(viewer: Viewer, form: str) -> None:
    name = form.format(viewer.start, int(time.time()) - viewer.start - 5, viewer.start - 1)
    url = f"{viewer.stage.url}/cam1/{name}{'&' if '?' in name else '?'}token={viewer.token()}"
    async with viewer.http.get(URL(url, encoded=True), allow_redirects=False) as answer:
        assert answer.status == 403, await answer.text()
