from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib import resources

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from gate.core.reasons import Reason
from gate.demo.link import Act, Link, Media, Outcome, Step, refusal
from gate.demo.page import ROOM, describe, make_page

WEB = resources.files("gate.demo") / "web"


def make_link(path: str = "/cam1/index.m3u8?token=t") -> Link:
    steps = (
        Step(Act.OPEN, Outcome((302, 200)), 2),
        Step(Act.REUSE, Outcome((200,)), 5),
        Step(Act.OUTLIVE, refusal(Reason.SESSION_EXPIRED)),
    )
    return Link("short", "Ends", "Short", path, Media.PLAYLIST, "Words.", steps, session_s=5)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    loads = iter(range(10))
    page = make_page(
        lambda: [make_link(f"/cam1/index.m3u8?token={next(loads)}")],
        lambda: {"token": next(loads)},
        lambda part: {"part": part, "token": next(loads)} if part == "host" else None,
    )
    async with TestServer(page) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/demo/", "text/html; charset=utf-8"),
        ("/demo/page.css", "text/css; charset=utf-8"),
        ("/demo/page.js", "text/javascript; charset=utf-8"),
        ("/demo/videos.js", "text/javascript; charset=utf-8"),
        ("/demo/links.json", "application/json; charset=utf-8"),
        ("/demo/videos.json", "application/json; charset=utf-8"),
        (ROOM, "text/html; charset=utf-8"),
        ("/demo/room.css", "text/css; charset=utf-8"),
        ("/demo/room.js", "text/javascript; charset=utf-8"),
        ("/demo/tile.js", "text/javascript; charset=utf-8"),
        ("/demo/room.json?as=host", "application/json; charset=utf-8"),
    ],
)
async def test_files_are_typed_and_neither_stored_nor_let_out(
    client: aiohttp.ClientSession, path: str, kind: str
) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == kind
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")


async def test_every_load_has_links_of_its_own(client: aiohttp.ClientSession) -> None:
    paths = []
    for _ in range(2):
        async with client.get("/demo/links.json") as response:
            paths += [link["path"] for link in await response.json()]
    assert paths == ["/cam1/index.m3u8?token=0", "/cam1/index.m3u8?token=1"]
    async with client.get("/demo/videos.json") as response:
        assert await response.json() == {"token": 2}
    async with client.get("/demo/room.json?as=host") as response:
        assert await response.json() == {"part": "host", "token": 3}


@pytest.mark.parametrize("query", ["", "?as=", "?as=nobody"])
async def test_a_part_that_is_none_has_no_token(client: aiohttp.ClientSession, query: str) -> None:
    async with client.get(f"/demo/room.json{query}") as response:
        assert response.status == 404
        assert response.headers["Cache-Control"] == "no-store"


def test_a_link_as_the_script_reads_it() -> None:
    plays = {"statuses": (302, 200), "reason": "", "plays": True}
    assert describe(make_link()) == {
        "name": "short",
        "group": "Ends",
        "title": "Short",
        "path": "/cam1/index.m3u8?token=t",
        "media": "playlist",
        "words": "Words.",
        "expected": "opening 1 to 2: plays (302, 200); its session link 5 times: plays (200); "
        "after its end: 401 session_expired",
        "openings": [plays, plays],
        "reused": {"statuses": (200,), "reason": "", "plays": True},
        "outlived": {"statuses": (401,), "reason": "session_expired", "plays": False},
        "session_s": 5,
    }


@pytest.mark.parametrize("file", sorted(file.name for file in WEB.iterdir()))
def test_nothing_comes_from_elsewhere(file: str) -> None:
    text = (WEB / file).read_text("utf-8")
    assert not re.search(r"https?:|@import|url\(", text)


@pytest.mark.parametrize("file", ["page.js", "videos.js"])
def test_the_scripts_find_what_they_look_for(file: str) -> None:
    page, script = (WEB / "page.html").read_text("utf-8"), (WEB / file).read_text("utf-8")
    looked_for = re.findall(r'element\("([a-z-]+)"\)|\["([a-z-]+)", [a-z]+\]', script)
    assert looked_for
    assert {one or other for one, other in looked_for} <= set(re.findall(r' id="([a-z-]+)"', page))
    for name in re.findall(r'part\("\.([a-z]+)', script):
        assert re.search(rf'class="[^"]*\b{name}\b', page), name


def test_the_rooms_scripts_find_what_they_look_for() -> None:
    page = (WEB / "room.html").read_text("utf-8")
    script = "".join((WEB / file).read_text("utf-8") for file in ("room.js", "tile.js"))
    ids = set(re.findall(r' id="([a-z-]+)"', page))
    assert (
        {"tile", "person", "accept"}
        <= set(re.findall(r'\b(?:element|getElementById)\("([a-z-]+)"\)', script))
        <= ids
    )
    for name in re.findall(r'(?:part|querySelector)\("\.([a-z]+)', script):
        assert re.search(rf'class="[^"]*\b{name}\b', page), name


def test_what_is_done_with_a_video_has_its_button() -> None:
    page, script = (WEB / "page.html").read_text("utf-8"), (WEB / "videos.js").read_text("utf-8")
    deeds = set(re.findall(r"^  async (create|play|replace|destroy)\(page\)", script, re.MULTILINE))
    assert deeds == set(re.findall(r' data-act="([a-z]+)"', page))
    assert len(deeds) == 4
