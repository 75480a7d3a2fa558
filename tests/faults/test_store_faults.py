"""A store that is gone or silent: who watches watches on, who comes is asked to come again, and it heals."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import pytest

from gate.errors import StoreUnavailable
from gate.store.client import Client
from gate.store.keys import ShardKeys, lease

FULL = {"live": True, "dvr": True, "copy": True}
PLAYLIST = "/ch1/index.m3u8"


async def test_killed_it_is_back_with_all_that_was_counted(
    start_gate: Any, media: Any, own_store: Any, ask: Any, open_link: Any
) -> None:
    gate = await start_gate(media[0], store=own_store.url)
    token = gate.token("ch1", session_limit=1, **FULL)
    link = await open_link(gate, PLAYLIST, token)
    segment = link.replace("index.m3u8", "hls/segment1.ts")
    assert (await ask(gate, segment)).status == 200
    os.kill(own_store.pid, signal.SIGKILL)
    ends_at = time.monotonic() + 20
    statuses = set()
    while (new := await ask(gate, f"{PLAYLIST}?token={gate.token('ch1', jti='new')}")).status != 302:
        statuses.add((new.status, new.reason, new.headers.get("Retry-After")))
        assert (await ask(gate, segment)).status == 200
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.02)
    assert statuses <= {(503, "store_unavailable", "2")}
    assert (await ask(gate, segment, headers={"User-Agent": "a copy of the link"})).status == 200
    assert (await ask(gate, f"{PLAYLIST}?token={token}")).reason == "session_limit"


@pytest.mark.timed
async def test_silent(start_gate: Any, media: Any, own_store: Any, ask: Any, open_link: Any, http: Any) -> None:
    gate = await start_gate(media[0], store=own_store.url, sessions={"store_outage": {"running": "1s"}})
    token = gate.token("ch1", session_limit=1, **FULL)
    segment = (await open_link(gate, PLAYLIST, token)).replace("index.m3u8", "hls/segment1.ts")
    provisional = await open_link(gate, PLAYLIST, gate.token("ch1", jti="other", session_limit=1, **FULL))

    async def ready() -> int:
        async with http.get(f"{gate.admin_url}/readyz") as answer:
            return int(answer.status)

    # In peace the feed is heard once a second: the shortest grace is no outage.
    since = time.monotonic()
    while time.monotonic() - since < 1.5:
        assert (await ask(gate, segment)).status == 200
        await asyncio.sleep(0.03)
    assert await ready() == 200
    os.kill(own_store.pid, signal.SIGSTOP)
    since, played_s, refused_s = time.monotonic(), 0.0, 0.0
    while not refused_s or await ready() == 200:
        got = await ask(gate, segment)
        assert (got.status, got.reason) in {(200, None), (503, "store_unavailable")}
        passed_s = time.monotonic() - since
        if got.status == 200:
            assert not refused_s
            played_s = passed_s
        else:
            refused_s = refused_s or passed_s
            assert got.headers["Retry-After"] == "2"
        for late in (
            f"{PLAYLIST}?token={gate.token('ch1', jti='new')}",
            provisional.replace("index.m3u8", "mpegts"),
        ):
            got = await ask(gate, late)
            assert (got.status, got.reason, got.headers["Retry-After"]) == (503, "store_unavailable", "2")
        assert (await ask(gate, "/public/x")).status == 200
        assert passed_s < 20
        await asyncio.sleep(0.05)
    assert played_s > 1
    assert refused_s < 15
    os.kill(own_store.pid, signal.SIGCONT)
    ends_at = time.monotonic() + 20
    while (got := await ask(gate, segment)).status != 200:
        assert (got.status, got.reason) == (503, "store_unavailable")
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.02)
    # The feed is heard before the breaker lets the next opening try.
    while (got := await ask(gate, f"{PLAYLIST}?token={token}")).reason == "store_unavailable":
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.02)
    assert got.reason == "session_limit"
    assert (await ask(gate, f"{PLAYLIST}?token={gate.token('ch1', jti='new')}")).status == 302
    assert await ready() == 200


async def test_what_was_revoked_elsewhere_in_the_silence_is_heard_after_it(
    start_gate: Any, media: Any, own_store: Any, ask: Any, open_link: Any
) -> None:
    gates = [await start_gate(media[0], store=own_store.url) for _ in range(2)]
    link = await open_link(gates[0], "/ch1/mpegts", gates[0].token("ch1", **FULL))
    keeper = gates[0].node.gatekeeper
    session = keeper.tickets.open(link.split("/")[2]).session
    assert (await ask(gates[1], link)).status == 200
    os.kill(own_store.pid, signal.SIGKILL)
    ends_at = time.monotonic() + 20
    while True:
        try:
            await gates[0].node.control.revoke(f"s:{session}", time.time() + 60)
            break
        except StoreUnavailable:
            await asyncio.sleep(0.02)
    while (await ask(gates[1], link)).status == 200:
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.02)
    assert (await ask(gates[1], link)).reason == "revoked"


async def test_that_leases_cannot_be_renewed_is_said_once(
    start_gate: Any, media: Any, own_store: Any, ask: Any, open_link: Any, caplog: Any
) -> None:
    gate = await start_gate(media[0], store=own_store.url, sessions={"idle": "1200ms"})
    link = await open_link(gate, "/ch1/mpegts", gate.token("ch1", **FULL))
    assert (await ask(gate, link)).status == 200
    ((session, client), playing) = next(iter(gate.node.gatekeeper._playbacks._playing.items()))
    os.kill(own_store.pid, signal.SIGSTOP)
    with gate.node.gatekeeper._playbacks.running(session, client):
        ends_at = time.monotonic() + 20
        while "cannot be renewed" not in caplog.text:
            assert time.monotonic() < ends_at
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        assert caplog.text.count("cannot be renewed") == 1
        os.kill(own_store.pid, signal.SIGCONT)
        store, leases = Client(own_store.url, timeout_s=5), ShardKeys(playing.playback.owner).all_leases
        while float(await store.call("ZSCORE", leases, lease(session, client)) or 0) < time.time() * 1000:
            assert time.monotonic() < ends_at
            await asyncio.sleep(0.05)
        assert caplog.text.count("cannot be renewed") == 1
        await store.close()
