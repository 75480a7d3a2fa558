"""No byte from outside a token's window: every picture that the gate lets out is decoded, and its time read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

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
    decoded: dict[bytes, list[float]] = field(default_factory=dict)

    def token(self, **claims: Any) -> str:
        every = {
            name: value
            for name, value in {
                "grants": {"read": {"resources": ["cam1"]}},
                "dvr": True,
                "copy": True,
                "from": self.start,
                "to": self.end,
                "exp": int(time.time()) + 600,
                **claims,
            }.items()
            if value is not None
        }
        return self.stage._sign(every)

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

    async def play(self, name: str, **claims: Any) -> tuple[list[float], bool]:
        """The instants that the pictures of all segments of a playlist show, fetched as a player does it; and
        whether the playlist is complete."""
        url = URL(f"{self.stage.url}/cam1/{name}?token={self.token(**claims)}", encoded=True)
        async with self.http.get(url) as answer:
            assert answer.status == 200, await answer.text()
            playlist, link = await answer.text(), str(answer.url)
        shown = []
        for entry in playlist.splitlines():
            if entry and not entry.startswith("#"):
                async with self.http.get(URL(urljoin(link, entry), encoded=True)) as answer:
                    assert answer.status == 200, await answer.text()
                    body = await answer.read()
                # The same bytes show the same.
                if body not in self.decoded:
                    self.decoded[body] = await instants_of(body)
                shown += self.decoded[body]
        return shown, playlist.endswith("#EXT-X-ENDLIST\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Viewer]:
    state: Path = tmp_path_factory.mktemp("windows")
    async with Stage(state) as stage, aiohttp.ClientSession() as http:
        start = (int(time.time()) - _AGO_S) // 2 * 2 + 1
        yield Viewer(stage, http, start, start + _LASTS_S)


pytestmark = pytest.mark.asyncio(loop_scope="module")


def dated(at: int, suffix: str) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y/%m/%d/%H/%M/%S}{suffix}"


@pytest.mark.parametrize(
    "form",
    [
        # Of the window itself, across its end, its beginning and both, and on to now.
        *("index-{0}-{1}.m3u8", "mono-{0}-{1}.m3u8", "archive/{0}/{1}/index.m3u8", "index-{0}-{3}.m3u8"),
        *(
            "index-{2}-{1}.m3u8",
            "video-{2}-{3}.m3u8",
            "archive/{2}/{3}/index.m3u8",
            "index-1000000000-999999999.m3u8",
        ),
        *("index-{0}-now.m3u8", "archive-{2}-now.m3u8", "archive/{2}/now/index.m3u8", "timeshift_abs-{0}.m3u8"),
        *("rewind-{4}.m3u8", "rewind-3600.m3u8"),
    ],
)
async def test_a_playlist_leads_to_the_window_alone(viewer: Viewer, form: str) -> None:
    begins = viewer.start - 10
    name = form.format(viewer.start, _LASTS_S, begins, _LASTS_S + 30, int(time.time()) - begins)
    shown, ended = await viewer.play(name)
    first = begins if "-{2}-{1}." in form else viewer.start
    last = min(viewer.end, first + _LASTS_S)
    # Players need whole segments: the ones at the edges reach a second beyond it, and no further.
    assert min(shown) == viewer.start - 1
    assert max(shown) == pytest.approx(last // 2 * 2 + (2 if last % 2 else 0) - 0.1)
    assert len(shown) == round((max(shown) + 0.1 - min(shown)) * 10)
    assert ended


async def test_with_two_windows_a_playlist_leads_to_both_and_not_between(viewer: Viewer) -> None:
    windows = [
        {"from": viewer.start, "to": viewer.start + 4},
        {"from": viewer.start + 14, "to": viewer.start + 18},
    ]
    shown, ended = await viewer.play("rewind-3600.m3u8", windows=windows, **{"from": None, "to": None})
    seconds = sorted({int(instant) - viewer.start for instant in shown})
    assert seconds == [*range(-1, 5), *range(13, 19)]
    assert ended


async def test_with_the_right_to_live_a_live_playlist_is_left_as_it_is(viewer: Viewer) -> None:
    claims = {"live": True, "dvr": None, "from": None, "to": None}
    shown, ended = await viewer.play("index.m3u8", **claims)
    assert max(shown) - min(shown) == pytest.approx(19.9)
    assert min(shown) > time.time() - 26
    assert not ended


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
        *("archive/{0}/now/mpegts", "index.m3u8", "mpegts", "preview.jpg", "index.m3u8?utc={0}"),
        *("timeshift_rel-5.ts", "timeshift_abs-{2}.ts", "timeshift_rel-30.m3u8", "timeshift_abs-{2}.m3u8"),
        *("archive-0-9999999999.mp4", "archive-{0}-60.ts", "rewind-30.m3u8", "index-{2}-1.m3u8"),
    ],
)
async def test_what_reaches_beyond_the_window_is_refused(viewer: Viewer, form: str) -> None:
    name = form.format(viewer.start, int(time.time()) - viewer.start - 5, viewer.start - 1)
    url = f"{viewer.stage.url}/cam1/{name}{'&' if '?' in name else '?'}token={viewer.token()}"
    # A live playlist is asked of the origin: there may be something of the window in it, and there is not.
    async with viewer.http.get(URL(url, encoded=True)) as answer:
        assert answer.status == 403, await answer.text()
