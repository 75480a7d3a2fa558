"""What is clipped for players: origins whose segments say no time, a gate, and a page with players."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.players.origins.material import Material, make_material

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

LIVE_EDGE_S = 20
STREAMS = [{"match": "/{resource}/**", "layout": "hls", "live_edge": f"{LIVE_EDGE_S}s"}]
SCRIPTS = {
    "hls": "hls.js/dist/hls.min.js",
    "shaka": "shaka-player/dist/shaka-player.compiled.js",
    "dash": "dashjs/dist/modern/umd/dash.all.min.js",
    "videojs": "video.js/dist/video.min.js",
}
DEADLINE_S = 60
_NUMBER = re.compile(r"(?:segment|seg-[0-9]-)([0-9]+)\.")

Range = tuple[float, float]


@dataclass
class Screen:
    """Players on a page of another origin than the gate's, each with a video of its own, by their names."""

    page: Page

    async def play(self, urls: Mapping[str, str], *, low_latency: bool = False) -> None:
        for name, url in urls.items():
            call = "([name, url, options]) => play(name, url, options)"
            await self.page.evaluate(call, [name, url, {"lowLatency": low_latency}])

    async def plays(self, seconds: float) -> None:
        """Every player gets that much further, without an error."""
        await self._reach(f"havePlayed({seconds})")

    async def seek(self, places: Mapping[str, float]) -> None:
        for name, place in places.items():
            await self.page.evaluate("([name, place]) => seek(screens[name], place)", [name, place])

    async def end(self) -> None:
        """Every player has come to the end, without an error."""
        await self._reach("haveEnded()")

    async def ranges(self) -> dict[str, Range]:
        """What each can seek in, in seconds of its own."""
        return {name: (low, high) for name, (low, high) in (await self.each("one.range()")).items()}

    async def began(self) -> dict[str, float]:
        """The instant that each player takes the beginning of its range for, of those that know dates."""
        instant = "one.date() ? one.date() / 1000 - one.video.currentTime + one.range()[0] : null"
        return {name: at for name, at in (await self.each(instant)).items() if at is not None}

    async def each(self, expression: str) -> dict[str, Any]:
        """What JavaScript says of each screen, `one`."""
        found: dict[str, Any] = await self.page.evaluate(f"ofEach(one => {expression})")
        return found

    async def _reach(self, condition: str) -> None:
        from playwright.async_api import TimeoutError as TooLateError

        try:
            await self.page.wait_for_function(condition, polling=100, timeout=1000 * DEADLINE_S)
        except TooLateError as late:
            raise AssertionError(f"{condition}: {await self.each('told(one)')}") from late
        assert {name: text for name, text in (await self.each("one.errors")).items() if text} == {}


@pytest_asyncio.fixture
async def screen(browser: Browser) -> AsyncIterator[Screen]:
    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.path[1:]
        if not name:
            return web.FileResponse(Path(__file__).with_name("page.html"))
        return web.FileResponse(Path(os.environ["GATE_NODE_MODULES"]) / SCRIPTS[name])

    app = web.Application()
    app.router.add_get("/{name}", answer)
    app.router.add_get("/", answer)
    async with TestServer(app) as pages:
        page = await browser.new_page()
        await page.goto(str(pages.make_url("/")))
        yield Screen(page)
        await page.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return await make_material(tmp_path_factory.mktemp("material"))


class Served(Protocol):
    """An origin. `missed`: what was asked for, and was not there."""

    missed: list[str]

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse: ...


@dataclass
class House:
    """A gate in front of an origin; `asked` is what the gate was asked, `seen` what the origin was."""

    gate: Any
    site: Served
    asked: list[Any]
    seen: list[Any]

    def token(self, **rights: Any) -> str:
        """A token for the stream `cam1` that opens one session. Nothing of time but `rights`."""
        return str(
            self.gate.token("cam1", **{"jti": secrets.token_hex(8), "session_limit": 1, "live": None, **rights})
        )

    def url(self, name: str, **rights: Any) -> str:
        return f"{self.gate.url}/cam1/{name}?token={self.token(**rights)}"

    def urls(self, players: Iterable[str], name: str, rights: Mapping[str, Any]) -> dict[str, str]:
        """For each player an URL of its own."""
        return {player: self.url(name, **rights) for player in players}

    def numbers(self) -> list[int]:
        """The numbers in the names of the segments that the origin was asked for."""
        return sorted(int(found[1]) for one in self.seen if (found := _NUMBER.search(one.target)))

    def served_all(self) -> None:
        """The gate refused nothing and the origin missed nothing; neither tokens nor marks came to it."""
        assert [str(one) for one in self.asked if one.reason is not None] == []
        assert self.site.missed == []
        assert [one.target for one in self.seen if "token" in one.target or "_gate" in one.target] == []


StartHouse = Callable[[Served], Awaitable[House]]


@pytest.fixture
def start_house(start_gate: Any, start_origin: Any, asked: list[Any]) -> StartHouse:
    """Starts a gate in front of an origin."""

    async def start(site: Served) -> House:
        url, seen = await start_origin(site.serve)
        return House(await start_gate(url, streams=STREAMS), site, asked, seen)

    return start
