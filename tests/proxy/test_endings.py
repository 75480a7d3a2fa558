"""When a session ends: by time or by revocation, within a second, on every gate, running responses included."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from yarl import URL

from gate.core.token import subject_owner, token_id

FULL = {"live": True, "dvr": True, "copy": True}
ENDLESS = "/ch1/mpegts"
# What is promised is a second; this machine may be busy with something else as well, or stand still. Without an
# end the responses would run for ever.
SOON_S = 10.0


@pytest.fixture
async def endless(start_origin: Any) -> tuple[str, Any]:
    """An origin whose answers never end: a few bytes every 20 ms."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a piece of it all")
            await asyncio.sleep(0.02)

    return await start_origin(serve)  # type: ignore[no-any-return]


async def watch(http: ClientSession, gate: Any, path: str, running: asyncio.Event) -> float:
    """When the response broke off, in seconds of the monotonic clock; `running` is set at its first byte."""
    try:
        async with http.get(URL(gate.url + path, encoded=True)) as answer:
            assert answer.status == 200, await answer.text()
            async for _ in answer.content.iter_any():
                running.set()
    except ClientError:
        return time.monotonic()
    raise AssertionError("the response came to a regular end")


async def cut_after(
    http: ClientSession, gates: list[Any], path: str, end: Callable[[], Awaitable[float]]
) -> float:
    """Seconds from the moment that `end` gives to the end of the last of the responses, one on each gate."""
    events = [asyncio.Event() for _ in gates]
    tasks = [
        asyncio.create_task(watch(http, gate, path, event)) for gate, event in zip(gates, events, strict=True)
    ]
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in events)), 20)
    at = await end()
    ended = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    for gate in gates:
        assert len(gate.node.gatekeeper._responses) == 0
    return max(ended) - at


@pytest.mark.parametrize("what", ["token", "session", "subject", "application"])
async def test_revocation_cuts_what_runs_on_every_gate(
    start_gate: Any, endless: Any, http: ClientSession, open_link: Any, ask: Any, what: str
) -> None:
    gates = [await start_gate(endless[0]) for _ in range(2)]
    token = gates[0].token("ch1", jti="j1", sub="anna", session_limit=1, iat=int(time.time()), **FULL)
    link = await open_link(gates[0], ENDLESS, token)
    keeper = gates[0].node.gatekeeper
    session = keeper.tickets.open(link.split("/")[2]).session
    entry = {
        "token": f"t:{token_id('demo', 'j1')}",
        "session": f"s:{session}",
        "subject": f"u:{subject_owner('demo', 'anna')}",
        "application": f"a:demo:{int(time.time()) + 1}",
    }[what]

    async def revoke() -> float:
        at = time.monotonic()
        await gates[0].node.control.revoke(entry, time.time() + 60)
        return at

    assert await cut_after(http, gates, link, revoke) < SOON_S
    for gate in gates:
        got = await ask(gate, link)
        assert (got.status, got.reason) == (401, "revoked")
    if what != "session":
        assert (await ask(gates[1], f"{ENDLESS}?token={token}")).reason == "revoked"
    third = await start_gate(endless[0])
    assert (await ask(third, link)).reason == "revoked"


async def test_revocation_reaches_a_bare_token_too(
    start_gate: Any, endless: Any, http: ClientSession, ask: Any
) -> None:
    gate = await start_gate(endless[0])
    path = f"/ch1/hls/segment1.ts?token={gate.token('ch1', jti='j1', **FULL)}"

    async def revoke() -> float:
        at = time.monotonic()
        await gate.node.control.revoke(f"t:{token_id('demo', 'j1')}", time.time() + 60)
        return at

    assert await cut_after(http, [gate], path, revoke) < SOON_S
    assert (await ask(gate, path)).reason == "revoked"


async def test_what_is_revoked_while_the_origin_thinks_does_not_begin(
    start_gate: Any, start_origin: Any, open_link: Any, ask: Any
) -> None:
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def think(request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await goes_on.wait()
        return web.Response(body=b"media")

    gate = await start_gate((await start_origin(think))[0])
    link = await open_link(gate, ENDLESS, gate.token("ch1", jti="j1", **FULL))
    request = asyncio.create_task(ask(gate, link))
    await asked.wait()
    await gate.node.control.revoke(f"t:{token_id('demo', 'j1')}", time.time() + 60)
    goes_on.set()
    got = await request
    assert (got.status, got.reason) == (401, "revoked")


async def test_other_viewers_do_not_notice(start_gate: Any, media: Any, open_link: Any, ask: Any) -> None:
    gate = await start_gate(media[0])
    link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", jti="j2", **FULL))
    await gate.node.control.revoke(f"t:{token_id('demo', 'j1')}", time.time() + 60)
    assert (await ask(gate, link)).status == 200


@pytest.mark.parametrize("claim", ["exp", "expiration_date", "usage_expiration_time"])
@pytest.mark.timed
async def test_time_cuts_what_runs_on_every_gate(
    start_gate: Any, endless: Any, http: ClientSession, open_link: Any, ask: Any, claim: str
) -> None:
    gates = [await start_gate(endless[0]) for _ in range(2)]
    until = int(time.time()) + 2
    claims = {claim: 1 if claim == "usage_expiration_time" else until}
    link = await open_link(gates[0], ENDLESS, gates[0].token("ch1", **claims, **FULL))
    opened = time.time()

    async def wait() -> float:
        ends_at = opened + 1 if claim == "usage_expiration_time" else until
        return time.monotonic() + ends_at - time.time()

    late_s = await cut_after(http, gates, link, wait)
    assert -0.1 < late_s < SOON_S
    for gate in gates:
        got = await ask(gate, link)
        assert (got.status, got.reason) == (401, "session_expired")


@pytest.mark.timed
async def test_time_cuts_a_bare_token_too(start_gate: Any, endless: Any, http: ClientSession, ask: Any) -> None:
    gate = await start_gate(endless[0])
    until = int(time.time()) + 1
    path = f"/ch1/hls/segment1.ts?token={gate.token('ch1', exp=until, **FULL)}"

    async def wait() -> float:
        return time.monotonic() + until - time.time()

    if time.time() < until - 0.2:
        assert -0.1 < await cut_after(http, [gate], path, wait) < SOON_S
    await asyncio.sleep(max(0, until - time.time()))
    assert (await ask(gate, path)).reason == "token_expired"
