"""How many may play at once: places, evictions and moves, through two gates."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from yarl import URL

FULL = {"live": True, "dvr": True, "copy": True}
ENDLESS = "/ch1/mpegts"
SEGMENT = "/ch1/hls/segment1.ts"


def policy(on_limit: str, idle: str = "60s") -> dict[str, Any]:
    secret = "a secret of more than thirty-two bytes, for tests"
    application = {"keys": [{"kid": "k1", "secret": secret}], "on_limit": on_limit}
    return {"applications": {"demo": application}, "sessions": {"idle": idle}}


def device(name: str) -> dict[str, str]:
    return {"User-Agent": name}


@pytest.fixture
async def endless(start_origin: Any) -> str:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if not request.raw_path.endswith("mpegts"):
            return web.Response(body=b"media")
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a piece of it all")
            await asyncio.sleep(0.02)

    url, _ = await start_origin(serve)
    return str(url)


async def watch(http: ClientSession, url: str, name: str, running: asyncio.Event) -> float:
    """When the response broke off."""
    try:
        async with http.get(URL(url, encoded=True), headers=device(name)) as answer:
            assert answer.status == 200, await answer.text()
            async for _ in answer.content.iter_any():
                running.set()
    except ClientError:
        return time.monotonic()
    raise AssertionError("it came to a regular end")


@pytest.mark.timed
async def test_a_new_playback_is_refused_with_what_stands_in_its_way(
    start_gate: Any, endless: str, ask: Any, open_link: Any
) -> None:
    gates = [await start_gate(endless, **policy("reject", idle="2s")) for _ in range(2)]
    claims = {"sub": "anna", "max_concurrent": 2, **FULL}
    links = [
        await open_link(gates[0], ENDLESS, gates[0].token(jti=str(at), **claims), headers=device(f"tv {at}"))
        for at in range(3)
    ]
    segments = [link.replace(ENDLESS, SEGMENT) for link in links]
    started = int(time.time())
    for at in range(2):
        assert (await ask(gates[at], segments[at], headers=device(f"tv {at}"))).status == 200
    got = await ask(gates[0], segments[2], headers=device("tv 2"))
    assert (got.status, got.reason) == (409, "too_many_playbacks")
    conflicts = json.loads(got.body)["conflicts"]
    assert {conflict["device"] for conflict in conflicts} == {"tv 0", "tv 1"}
    opened = {gates[0].node.gatekeeper.tickets.open(link.split("/")[2]).session for link in links[:2]}
    assert {conflict["id"] for conflict in conflicts} == opened
    for conflict in conflicts:
        assert conflict["resource"] == "ch1"
        assert started - 5 <= conflict["since"] <= time.time()
        assert set(conflict) == {"id", "resource", "since", "device"}
    # Silence frees the place, on every gate.
    await asyncio.sleep(3)
    assert (await ask(gates[1], segments[2], headers=device("tv 2"))).status == 200


@pytest.mark.parametrize("on_limit", ["evict_oldest", "evict_idle"])
async def test_an_evicted_one_is_cut_on_the_other_gate_and_throws_nobody_out(
    start_gate: Any, endless: str, ask: Any, open_link: Any, http: ClientSession, on_limit: str
) -> None:
    gates = [await start_gate(endless, **policy(on_limit)) for _ in range(2)]
    claims = {"sub": "anna", "max_concurrent": 1, **FULL}
    links = [
        await open_link(gates[0], ENDLESS, gates[0].token(jti=str(at), **claims), headers=device(f"tv {at}"))
        for at in range(2)
    ]
    first, second = asyncio.Event(), asyncio.Event()
    evicted = asyncio.create_task(watch(http, gates[0].url + links[0], "tv 0", first))
    await asyncio.wait_for(first.wait(), 20)
    stays = asyncio.create_task(watch(http, gates[1].url + links[1], "tv 1", second))
    await asyncio.wait_for(second.wait(), 20)
    at = time.monotonic()
    assert await asyncio.wait_for(evicted, 20) - at < 10
    for _ in range(3):
        for gate in gates:
            for target in (links[0], links[0].replace(ENDLESS, SEGMENT)):
                got = await ask(gate, target, headers=device("tv 0"))
                assert (got.status, got.reason) == (409, "too_many_playbacks")
        await asyncio.sleep(0.1)
    assert not stays.done()
    stays.cancel()


async def test_of_a_hundred_at_once_five_play(start_gate: Any, media: Any, ask: Any, open_link: Any) -> None:
    gates = [await start_gate(media[0], **policy("reject")) for _ in range(2)]
    token = gates[0].token("ch1", max_concurrent=5, **FULL)
    link = await open_link(gates[0], "/ch1/index.m3u8", token)
    segment = link.replace("index.m3u8", "hls/segment1.ts")

    async def play(at: int) -> int:
        while True:
            got = await ask(gates[at % 2], segment, headers=device(str(at)))
            if got.reason != "store_unavailable":
                return int(got.status)
            await asyncio.sleep(0.1)

    statuses = await asyncio.gather(*map(play, range(100)))
    assert sorted(statuses) == [200] * 5 + [409] * 95
    # And the same five go on.
    again = await asyncio.gather(*map(play, range(100)))
    assert again == statuses


@pytest.mark.parametrize("on_limit", ["reject", "evict_oldest", "evict_idle"])
@pytest.mark.timed
async def test_a_device_that_falls_silent_hands_its_place_to_the_next_of_its_session(
    start_gate: Any, media: Any, ask: Any, open_link: Any, on_limit: str
) -> None:
    gates = [await start_gate(media[0], **policy(on_limit, idle="4s")) for _ in range(2)]
    token = gates[0].token(sub="anna", max_concurrent=1, **FULL)
    link = await open_link(gates[0], "/ch1/index.m3u8", token, headers=device("phone"))
    segments = [link.replace("/ch1/index.m3u8", f"/{name}/hls/segment1.ts") for name in ("ch1", "ch2", "ch3")]
    # Zapping is no second playback.
    for at, segment in enumerate(segments):
        assert (await ask(gates[at % 2], segment, headers=device("phone"))).status == 200
    # A device in use keeps its place to itself; one that is silent has moved.
    if on_limit == "reject":
        assert (await ask(gates[1], segments[0], headers=device("tv"))).status == 409
    await asyncio.sleep(2)
    assert (await ask(gates[1], segments[0], headers=device("tv"))).status == 200


@pytest.mark.timed
async def test_an_upload_is_a_playback(
    start_gate: Any, start_origin: Any, ask: Any, open_link: Any, http: ClientSession
) -> None:
    goes_on, came = asyncio.Event(), asyncio.Event()

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        async for _ in request.content.iter_any():
            came.set()
        return web.Response(status=201)

    async def body() -> Any:
        yield b"x"
        await goes_on.wait()

    origin = (await start_origin(serve))[0]
    gates = [await start_gate(origin, **policy("reject", idle="1s")) for _ in range(2)]
    claims = {"grants": {"create": {"all": True}}, "sub": "anna", "max_concurrent": 1}
    links = []
    for at in range(2):
        headers = {"Authorization": f"Bearer {gates[0].token(jti=str(at), **claims)}", **device(str(at))}
        links.append(json.loads((await ask(gates[0], "/_s", "POST", headers=headers)).body)["link"])
    running = asyncio.create_task(
        ask(gates[0], f"{links[0]}/files/a/b", "PUT", data=body(), headers=device("0"))
    )
    await asyncio.wait_for(came.wait(), 20)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        got = await ask(gates[1], f"{links[1]}/files/a/c", "PUT", data=b"x", headers=device("1"))
        assert got.status == 409
        await asyncio.sleep(0.3)
    goes_on.set()
    assert (await running).status == 201
