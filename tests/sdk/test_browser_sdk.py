"""The vendor's SDK for browsers in a real one: its players and its calls, with a session from the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.sdk.conftest import Asked, Sdk, Shop, StartBrowser, StartSdk

pytestmark = pytest.mark.sdk

# A page of the shop's customer. To its browser every port of `shop.test` is the page's server.
URL = "http://shop.test/"
PLAYER = (
    "<ziggeoplayer ziggeo-width=320 ziggeo-theme=modern ziggeo-autoplay ziggeo-volume=0 "
    "ziggeo-video={video} ziggeo-{kind}-auth={token}></ziggeoplayer>"
)
PLAYED = "() => [...document.querySelectorAll('video')].some(video => video.currentTime > 1 && !video.error)"
NOT_PERMITTED = "You are not permitted to access this video file."


@pytest.fixture
def language() -> str:
    """Whose tokens the pages get: they are the same from every SDK, as its own test shows."""
    return "node"


@pytest_asyncio.fixture
async def sdk(shop: Shop, start_sdk: StartSdk) -> Sdk:
    return await start_sdk(shop.gate)


Open = Callable[..., Awaitable["Page"]]


@pytest_asyncio.fixture
async def open_page(
    shop: Shop, start_browser: StartBrowser, installed: Callable[[str, str], Path]
) -> AsyncIterator[Open]:
    """Opens a page, each in a profile of its own: `open_page()`, or with a player for a token of a kind."""
    html = Path(__file__).with_name("page.html").read_text().replace("{{ application }}", shop.application)
    players: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        text = html.replace("{{ player }}", players[int(request.query["page"])])
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", serve)
    app.router.add_static("/sdk", installed("GATE_NODE_MODULES", "ziggeo-client-sdk/build"))
    async with TestServer(app) as server:
        assert server.port is not None
        browser = await start_browser(shop.gate, server.port)

        async def open_page(video: str = "", kind: str = "", token: str = "") -> Page:
            players.append(PLAYER.format(video=video, kind=kind, token=token) if video else "")
            page = await browser.new_page()
            page.set_default_timeout(20_000)
            await page.goto(f"{URL}?page={len(players) - 1}")
            return page

        yield open_page


def refused(asked: list[Asked]) -> list[tuple[str | None, str]]:
    """What the gate has refused, and of which path."""
    return [(one.reason, one.target.partition("?")[0]) for one in asked if one.reason is not None]


@pytest.mark.parametrize("kind", ["client", "server"])
async def test_a_player_plays_the_video_that_its_token_names_in_one_page(
    shop: Shop, sdk: Sdk, open_page: Open, asked: list[Asked], kind: str
) -> None:
    """The gate refuses nothing on the way, and the whole page is one session."""
    arguments = {"grants": {"read": {"resources": shop.videos[:1]}}, "session_limit": 1}
    if kind == "client":
        token = await sdk.call("generate", arguments)
    else:
        token = (await sdk.call("create", arguments))["token"]
    asked.clear()
    page = await open_page(shop.videos[0], kind, token)
    await page.wait_for_function(PLAYED)
    assert refused(asked) == []
    media = [one for one in asked if "/video.mp4?" in one.target]
    assert media
    assert {one.status for one in media} == {206}
    # Opened again it is another page, with a session of its own, and there is none left.
    await page.reload()
    await page.get_by_text(NOT_PERMITTED).wait_for()
    assert {reason for reason, _ in refused(asked)} == {"session_limit"}


async def test_a_player_says_that_another_video_is_not_permitted(
    shop: Shop, sdk: Sdk, open_page: Open, asked: list[Asked]
) -> None:
    token = await sdk.call("generate", {"grants": {"read": {"resources": shop.videos[:1]}}})
    asked.clear()
    page = await open_page(shop.videos[1], "client", token)
    await page.get_by_text(NOT_PERMITTED).wait_for()
    assert {reason for reason, _ in refused(asked)} == {"resource_not_granted"}
    assert not any("/video.mp4?" in one.target and one.reason is None for one in asked)


async def test_a_page_destroys_what_it_has_created_and_another_page_does_not(
    shop: Shop, open_page: Open, demo: Callable[..., Awaitable[str]], asked: list[Asked]
) -> None:
    """With the token that the vendor's own demo makes: create and destroy, both session_owned, one session."""
    tokens = [await demo("client_auth_token.js", *shop.credentials) for _ in range(2)]
    here, there = [await open_page() for _ in range(2)]

    async def call(page: Page, name: str, *arguments: Any) -> tuple[int, Any]:
        script = "([name, arguments]) => end(application.videos[name](...arguments))"
        status, told = await page.evaluate(script, [name, arguments])
        return status, told

    # The SDK takes its session before it does anything else.
    status, made = await call(here, "create", {}, {"client_auth": tokens[0]})
    assert status == 200
    video = made["token"]
    for page, token in ((there, tokens[0]), (there, tokens[1])):
        assert (await call(page, "destroy", video, {"client_auth": token}))[0] == 403
    assert (await call(there, "create", {}, {"client_auth": tokens[0]}))[0] == 403
    assert [reason for reason, _ in refused(asked)] == [*["resource_not_granted"] * 2, "session_limit"]
    assert (await call(here, "destroy", video, {"client_auth": tokens[0]}))[0] == 200
    assert (await call(here, "destroy", video, {"client_auth": tokens[0]}))[0] in (403, 404)
