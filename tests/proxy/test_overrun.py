"""What overruns a window is served in part where its rule says so: the origin is asked for that part alone."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.proxy.playlists import HLS, at, entries, media

ALL = {"live": True, "dvr": True, "copy": True}
STEP_S = 4


async def serve(request: web.BaseRequest) -> web.StreamResponse:
    """An archive: a playlist of the time that is asked for, else bytes that name the target."""
    path = request.raw_path.partition("?")[0]
    found = re.search(r"(?:index|archive)[-/](\d+)[-/](\d+|now)", path)
    if not path.endswith(".m3u8") or found is None:
        return web.Response(body=f"media of {path}".encode(), content_type="video/mp4")
    first = int(found[1])
    until = int(time.time()) if found[2] == "now" else first + int(found[2])

    def name(number: int) -> tuple[str]:
        begins = time.gmtime(first + number * STEP_S)
        return (f"/cam1/{time.strftime('%Y/%m/%d/%H/%M/%S', begins)}-0{STEP_S}000.ts",)

    text = media(0, (until - first) // STEP_S, first, ended=True, name=name)
    return web.Response(text=text, content_type=HLS)


@dataclass
class House:
    """A gate in front of an archive; `seen` is what that was asked for."""

    gate: Any
    ask: Callable[..., Awaitable[Any]]
    seen: list[Any] = field(default_factory=list)

    async def open(self, name: str, **claims: Any) -> Any:
        """What a token for the stream gets at that name of it."""
        return await self.ask(self.gate, f"/cam1/{name}?token={self.gate.token('cam1', **{**ALL, **claims})}")

    async def get(self, name: str, **claims: Any) -> tuple[str, Any, list[str]]:
        """The session link of that name, what it gives, and what the origin was asked for then."""
        opened = await self.open(name, **claims)
        assert opened.status == 302, (opened.status, opened.body)
        link, asked = opened.headers["Location"], len(self.seen)
        # The viewer's URL stays: where it is asked for less, that is the gate's matter.
        assert link.endswith(f"/cam1/{name}")
        return link, await self.ask(self.gate, link), [one.target for one in self.seen[asked:]]

    async def refused(self, name: str, **claims: Any) -> str | None:
        """Why that name is refused: the origin hears nothing of it."""
        asked, got = len(self.seen), await self.open(name, **claims)
        assert got.status == 403, (got.status, got.headers)
        assert len(self.seen) == asked
        return got.reason  # type: ignore[no-any-return]


StartHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def start_house(start_gate: Any, start_origin: Any, ask: Any) -> StartHouse:
    async def start(on_overrun: str = "clip", **rule: Any) -> House:
        url, seen = await start_origin(serve)
        rule = {"match": "/{resource}/**", "layout": "flussonic", "on_overrun": on_overrun, **rule}
        return House(await start_gate(url, streams=[rule]), ask, seen)

    return start


@pytest.fixture
def first() -> int:
    """When what is asked for begins: an hour and a half ago."""
    return int(time.time()) - 5400


FORMS = ["archive-{}-{}.mp4", "archive-{}-{}.ts", "archive/{}/{}/mpegts"]
PLAYLISTS = [
    "index-{}-{}.m3u8",
    "archive-{}-{}.m3u8",
    "tracks-v1a1/index-{}-{}.m3u8",
    "archive/{}/{}/index.m3u8",
]


@pytest.mark.parametrize("form", FORMS)
async def test_a_download_is_cut(start_house: StartHouse, first: int, form: str) -> None:
    house = await start_house()
    for start, end, begins, lasts in (
        (-100, 500, 0, 500),
        (300, 3000, 300, 300),
        (200, 260, 200, 60),
        (0, 600, 0, 600),
        (-100, 0, 0, 600),
    ):
        bounds = {"from": first + start, "to": first + end if end else 0}
        _, got, asked = await house.get(form.format(first, 600), **bounds)
        assert asked == ["/cam1/" + form.format(first + begins, lasts)]
        assert (got.status, got.body.decode()) == (200, f"media of {asked[0]}")


async def test_what_else_it_says_stays(start_house: StartHouse, first: int) -> None:
    house = await start_house()
    name = f"archive-{first}-600.mp4"
    token = house.gate.token("cam1", **ALL, **{"from": first, "to": first + 60})
    opened = await house.ask(house.gate, f"/cam1/{name}?a=%2F&token={token}&b")
    assert opened.headers["Location"].endswith(f"/cam1/{name}?a=%2F&b")
    said = {"Range": "bytes=5-"}
    await house.ask(house.gate, opened.headers["Location"], headers=said)
    assert house.seen[-1].target == f"/cam1/archive-{first}-60.mp4?a=%2F&b"
    assert house.seen[-1].headers["Range"] == "bytes=5-"


@pytest.mark.parametrize("form", PLAYLISTS)
async def test_a_playlist_is_asked_for_in_part(start_house: StartHouse, first: int, form: str) -> None:
    house = await start_house()
    for start, end, begins, lasts in ((-100, 400, 0, 400), (200, 3000, 200, 400), (100, 200, 100, 100)):
        bounds = {"from": first + start, "to": first + end}
        link, got, asked = await house.get(form.format(first, 600), **bounds)
        assert asked == ["/cam1/" + form.format(first + begins, lasts)]
        assert got.status == 200
        found = entries(got.body)
        assert len(found) == lasts // STEP_S
        for uri in (found[0], found[-1]):
            assert (await house.ask(house.gate, at(link, uri))).status == 200
            assert house.seen[-1].target == "/cam1/" + uri.partition("/cam1/")[2]


@pytest.mark.parametrize("form", PLAYLISTS)
async def test_without_it_a_playlist_is_asked_for_as_a_whole(
    start_house: StartHouse, first: int, form: str
) -> None:
    house = await start_house("refuse")
    name = form.format(first, 600)
    _, got, asked = await house.get(name, **{"from": first + 200, "to": first + 400})
    assert asked == [f"/cam1/{name}"]
    assert len(entries(got.body)) == 200 // STEP_S


@pytest.mark.parametrize("form", FORMS)
async def test_without_it_a_download_is_refused(start_house: StartHouse, first: int, form: str) -> None:
    house = await start_house("refuse")
    name = form.format(first, 600)
    for start, end in ((-100, 599), (1, 700), (100, 200)):
        bounds = {"from": first + start, "to": first + end}
        assert await house.refused(name, **bounds) == "partly_outside_window"
    _, got, asked = await house.get(name, **{"from": first, "to": first + 600})
    assert (got.status, asked) == (200, [f"/cam1/{name}"])


@pytest.mark.parametrize("on_overrun", ["clip", "refuse"])
@pytest.mark.parametrize("form", FORMS)
async def test_two_parts_are_no_download(
    start_house: StartHouse, first: int, form: str, on_overrun: str
) -> None:
    house = await start_house(on_overrun)
    name = form.format(first, 600)
    spans = [(0, 200), (300, 600)]
    windows = [{"from": first + start, "to": first + end} for start, end in spans]
    assert await house.refused(name, windows=windows) == "partly_outside_window"
    # Of windows that touch there is one part.
    windows[1]["from"] = windows[0]["to"]
    _, got, asked = await house.get(name, windows=windows)
    assert (got.status, asked) == (200, [f"/cam1/{name}"])


async def test_two_windows_of_a_playlist(start_house: StartHouse, first: int) -> None:
    """It is asked for as it is, and both parts are handed out."""
    house = await start_house()
    windows = [{"from": first, "to": first + 200}, {"from": first + 300, "to": first + 600}]
    _, got, asked = await house.get(f"index-{first}-600.m3u8", windows=windows)
    assert asked == [f"/cam1/index-{first}-600.m3u8"]
    assert len(entries(got.body)) == 500 // STEP_S
    assert got.body.count(b"#EXT-X-DISCONTINUITY\n") == 1


@pytest.mark.parametrize("name", ["archive-{}-600.mp4", "index-{}-600.m3u8"])
async def test_what_lies_outside_is_refused(start_house: StartHouse, first: int, name: str) -> None:
    house = await start_house()
    for start, end in ((-600, 0), (600, 700)):
        bounds = {"from": first + start, "to": first + end}
        assert await house.refused(name.format(first), **bounds) == "outside_window"


async def test_no_right_is_made_by_cutting(start_house: StartHouse, first: int) -> None:
    house = await start_house()
    bounds = {"from": first, "to": first + 60}
    assert await house.refused(f"archive-{first}-600.mp4", copy=None, **bounds) == "copy_not_granted"
    assert await house.refused(f"index-{first}-600.m3u8", dvr=None, **bounds) == "dvr_not_granted"


async def test_what_grows_is_asked_for_as_it_is(start_house: StartHouse, first: int) -> None:
    house = await start_house()
    name = f"index-{first}-now.m3u8"
    _, got, asked = await house.get(name, **{"from": first, "to": first + 400})
    assert asked == [f"/cam1/{name}"]
    assert len(entries(got.body)) == 400 // STEP_S
