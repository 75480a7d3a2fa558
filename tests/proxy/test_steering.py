"""Steering manifests under a session link: players are steered within their session, and other JSON is the
origin's, byte for byte."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from tests.proxy.playlists import Site, at, media_of

ALL = {"live": True, "dvr": True, "copy": True}
both = pytest.mark.parametrize("claims", [{}, ALL], ids=["live", "unrestricted"])
LINKED = "/cam1/steering.json?pathway=%22a%22"
MASTER = f"""#EXTM3U
#EXT-X-CONTENT-STEERING:SERVER-URI="{LINKED}",PATHWAY-ID="a"
#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID="a",STABLE-VARIANT-ID="v1"
media.m3u8
"""
STEERING = """{
  "VERSION": 1,  "TTL": 300,
  "RELOAD-URI": "/cam1/next.json?session=1",
  "PATHWAY-PRIORITY": [ "c", "a" ],
  "PATHWAY-CLONES": [ { "BASE-ID": "a", "ID": "c", "URI-REPLACEMENT": {
    "PARAMS": { "way": "/cam1/c" },
    "PER-VARIANT-URIS": { "v1": "/cam1/clone.m3u8", "v2": "https://cdn.example/v2.m3u8" },
    "PER-RENDITION-URIS": { "r1": "/cam1/clone-audio.m3u8" } } } ]
}
"""


@dataclass
class House:
    """A session link of an unrestricted or live viewer, of a gate in front of `site`."""

    gate: Any
    site: Site
    ask: Callable[..., Awaitable[Any]]
    link: str

    @property
    def asked(self) -> list[str]:
        """What the origin was asked for."""
        seen: list[Any] = self.site.seen
        return [one.target for one in seen]

    def put(self, body: str | bytes, kind: str = "application/json", status: int = 200, **fields: str) -> None:
        """This is what the origin says of where to be steered."""
        raw = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        self.site.put(
            "/cam1/steering.json",
            lambda _: web.Response(status=status, body=raw, content_type=kind, headers=named),
        )

    async def steering(self, method: str = "GET", **options: Any) -> Any:
        """What the player gets where the master playlist of its session sends it."""
        master = (await self.ask(self.gate, f"{self.link}/cam1/index.m3u8")).body.decode()
        uri = master.partition('SERVER-URI="')[2].partition('"')[0]
        assert uri.startswith(f"{self.link}{LINKED}")
        return await self.ask(self.gate, uri, method, **options)

    def under(self, text: str) -> bytes:
        """The steering manifest as it is handed out in this session."""
        clones = ("/cam1/clone.m3u8", "/cam1/clone-audio.m3u8")
        for path in clones:
            text = text.replace(f'"{path}"', f'"{self.gate.url}{self.link}{path}"')
        return text.replace('"/cam1/next.json', f'"{self.link}/cam1/next.json').encode()


StartHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def start_house(start_gate: Any, start_origin: Any, ask: Any, open_link: Any) -> StartHouse:
    async def start(claims: dict[str, Any] | None = None) -> House:
        site = Site()
        site.url, site.seen = await start_origin(site.serve)
        site.put("/cam1/index.m3u8", MASTER)
        gate = await start_gate(site.url, streams=[{"match": "/{resource}/**", "layout": "unified"}])
        token = gate.token("cam1", **(ALL if claims is None else claims))
        url = await open_link(gate, "/cam1/index.m3u8", token)
        return House(gate, site, ask, url.removesuffix("/cam1/index.m3u8"))

    return start


@pytest.mark.parametrize(
    "kind", ["application/json", "application/vnd.apple.steering-list", "application/vnd.x+json"]
)
async def test_a_player_stays_in_its_session(start_house: StartHouse, kind: str) -> None:
    house = await start_house()
    house.put(STEERING, kind)
    got = await house.steering()
    assert (got.status, got.reason) == (200, None)
    assert house.asked[-1] == LINKED
    assert got.body == house.under(STEERING)
    assert int(got.headers["Content-Length"]) == len(got.body) > len(STEERING)
    assert got.headers["Content-Type"].startswith(kind)


async def test_what_it_leads_to_plays(start_house: StartHouse) -> None:
    house = await start_house()
    house.put(STEERING)
    house.site.put("/cam1/clone.m3u8", "#EXTM3U\n#EXTINF:2,\n/cam1/seg1.ts\n")
    house.site.put("/cam1/next.json", lambda _: web.Response(body=STEERING, content_type="application/json"))
    said = json.loads((await house.steering()).body)
    # From a reload one is led as from the first one.
    again = await house.ask(house.gate, at(f"{house.link}{LINKED}", said["RELOAD-URI"]))
    assert house.asked[-1] == "/cam1/next.json?session=1"
    assert again.body == house.under(STEERING)
    clone = said["PATHWAY-CLONES"][0]["URI-REPLACEMENT"]["PER-VARIANT-URIS"]["v1"].removeprefix(house.gate.url)
    playlist = await house.ask(house.gate, clone)
    assert (playlist.status, house.asked[-1]) == (200, "/cam1/clone.m3u8")
    got = await house.ask(house.gate, at(clone, playlist.body.decode().splitlines()[-1]))
    assert got.body == media_of("/cam1/seg1.ts")


async def test_one_that_leads_nowhere_else_is_left_as_it_is(start_house: StartHouse) -> None:
    house = await start_house()
    relative = '{"VERSION":1,"TTL":10,"RELOAD-URI":"steering.json?a=1","PATHWAY-PRIORITY":["a"]}'
    house.put(relative)
    got = await house.steering()
    assert got.body == relative.encode()
    assert int(got.headers["Content-Length"]) == len(relative)


async def test_the_origins_own_host_goes(start_house: StartHouse) -> None:
    house = await start_house()
    host = house.site.url.removeprefix("http://")
    clone = '{"BASE-ID":"a","ID":"c","URI-REPLACEMENT":{"HOST":"%s"}}'
    text = '{"VERSION":1,"RELOAD-URI":"%s/cam1/next.json","PATHWAY-PRIORITY":["a"],"PATHWAY-CLONES":[%s,%s]}'
    house.put(text % (house.site.url, clone % host, clone % "cdn.example"))
    got = await house.steering()
    left = clone.replace('"HOST":"%s"', "")
    assert got.body.decode() == text % (house.link, left, clone % "cdn.example")


async def test_a_restricted_viewer_is_steered_as_well(start_house: StartHouse) -> None:
    house = await start_house({})
    house.put(STEERING)
    said = json.loads((await house.steering()).body)
    assert said["RELOAD-URI"].startswith(f"{house.link}/cam1/next.json?session=1")


OTHERS = [
    b'{"RELOAD-URI": "/cam1/next.json", "note": "no version"}',
    b'{ "VERSION": "1", "RELOAD-URI": "/cam1/next.json" }',
    b'{"VERSION": 1, "RELOAD-URI": "/cam1/next.json"',
    b'[{"VERSION": 1, "RELOAD-URI": "/cam1/next.json"}]\r\n',
    b'{"VERSION": 1, "TTL": 5, "RELOAD-URI": "/cam1/\xff.json"}',
    b'{"VERSION": 1, "TTL": NaN, "RELOAD-URI": "/cam1/next.json"}',
    b"[" * 50_000,
    b'\xef\xbb\xbf{"files": ["/cam1/a.mp4"], "url": "/cam1/b"}',
    b"",
]


@both
@pytest.mark.parametrize("body", OTHERS, ids=range(len(OTHERS)))
async def test_other_json_is_the_origins(start_house: StartHouse, body: bytes, claims: dict[str, Any]) -> None:
    house = await start_house(claims)
    house.put(body, ETag='"theirs"')
    got = await house.steering()
    assert (got.status, got.body) == (200, body)
    assert int(got.headers["Content-Length"]) == len(body)
    assert got.headers["ETag"] == '"theirs"'


async def test_compressed_json_is_left_as_it_is(start_house: StartHouse) -> None:
    house = await start_house()
    packed = gzip.compress(STEERING.encode())
    house.put(packed, Content_Encoding="gzip")
    got = await house.steering(headers={"Accept-Encoding": "gzip"})
    assert got.body == packed
    assert got.headers["Content-Encoding"] == "gzip"
    assert int(got.headers["Content-Length"]) == len(packed)


async def test_what_is_no_whole_answer_is_left_as_it_is(start_house: StartHouse) -> None:
    house = await start_house()
    house.put(STEERING, status=404)
    got = await house.steering()
    assert (got.status, got.body) == (404, STEERING.encode())
    house.put(STEERING)
    got = await house.steering("HEAD")
    assert (got.status, got.body) == (200, b"")


async def test_large_json_streams(start_house: StartHouse, http: ClientSession) -> None:
    house = await start_house()
    front = STEERING.rstrip().removesuffix("}").encode() + b',"X-REST": "'
    front, more = front + b"." * 200_000, asyncio.Event()

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(front)
        await more.wait()
        await response.write(b'"}')
        return response

    house.site.put("/cam1/large.json", stream)
    url = URL(f"{house.gate.url}{house.link}/cam1/large.json", encoded=True)
    async with asyncio.timeout(10), http.get(url) as answer:
        assert await answer.content.readexactly(len(front)) == front
        more.set()
        assert await answer.read() == b'"}'


async def test_large_json_keeps_its_length(start_house: StartHouse) -> None:
    house = await start_house()
    body = STEERING.encode() + b" " * 100_000
    house.put(body)
    got = await house.steering()
    assert got.body == body
    assert int(got.headers["Content-Length"]) == len(body)


@pytest.mark.parametrize("reload", ["/cam1/next.json?session=1", "next.json?session=1"])
async def test_a_restricted_viewer_is_steered_again(start_house: StartHouse, reload: str) -> None:
    house = await start_house({})
    house.put(STEERING.replace("/cam1/next.json?session=1", reload))
    house.site.put("/cam1/next.json", lambda _: web.Response(body=STEERING, content_type="application/json"))
    said = json.loads((await house.steering()).body)
    again = at(f"{house.link}{LINKED}", said["RELOAD-URI"]) + "&_HLS_pathway=%22a%22"
    got = await house.ask(house.gate, again)
    assert (got.status, got.reason) == (200, None)
    assert house.asked[-1] == "/cam1/next.json?session=1&_HLS_pathway=%22a%22"
