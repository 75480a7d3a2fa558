"""How soon a change of a server-side token is in force on another gate, and what a token costs that is known.

python -m pytest tests/bench/bench_authtokens.py -m bench -s

Two gates in this process, one store. Prints the time from the answer to an update or a deletion until the other
gate goes by it, how often known tokens are read from the store, and the CPU time of a request with one, beside
that of a request with a token of the native format in the same run. Asserts no times.
"""

from __future__ import annotations

import statistics
import time
from base64 import b64encode
from typing import Any

import pytest
from aiohttp import ClientSession, web

from gate.store.client import Client

pytestmark = pytest.mark.bench

SECRET = "a secret of more than sixteen characters"
POLICY: dict[str, Any] = {
    "applications": {
        "demo": {"keys": [{"kid": "k1", "secret": SECRET}]},
        "shop": {
            "formats": ["ziggeo"],
            "unlimited_ttl": True,
            "ziggeo": {"application_token": "apptok", "private_key": SECRET, "encryption_key": SECRET},
        },
    },
    "streams": [
        {"match": "/v1/applications/apptok/**", "layout": "ziggeo", "application": "shop"},
        {"match": "/files/{resource}", "layout": "object", "application": "demo"},
    ],
}
AUTH = {"Authorization": f"Basic {b64encode(f'apptok:{SECRET}'.encode()).decode()}"}
IMAGE = "/v1/applications/apptok/videos/v1/image"
READ = '{"read":{"resources":["v1"]}}'


async def make(http: ClientSession, gate: Any) -> str:
    async with http.post(f"{gate.url}/v1/authtokens/", headers=AUTH, data={"grants": READ}) as got:
        return str((await got.json())["token"])


async def wait(http: ClientSession, url: str, status: int) -> float:
    """Seconds until the URL answers so."""
    began = time.monotonic()
    while True:
        async with http.get(url) as got:
            if got.status == status:
                return time.monotonic() - began


async def test_a_change_elsewhere(start_gate: Any, start_origin: Any, http: ClientSession) -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"image", content_type="image/jpeg")

    url, _ = await start_origin(serve)
    here, there = [await start_gate(url, **POLICY) for _ in range(2)]
    updates, deletions = [], []
    for _ in range(40):
        token = await make(http, here)
        asked = f"{there.url}{IMAGE}?server_auth={token}"
        await wait(http, asked, 200)
        target = f"{here.url}/v1/authtokens/{token}"
        async with http.post(target, headers=AUTH, data={"grants": '{"read":{"resources":["v2"]}}'}):
            pass
        updates.append(await wait(http, asked, 403))
        async with http.delete(target, headers=AUTH):
            pass
        deletions.append(await wait(http, asked, 401))
    for name, times in (("update", updates), ("deletion", deletions)):
        ms = [1000 * each for each in times]
        took = f"after {statistics.median(ms):.1f} ms, at most {max(ms):.1f} ms"
        print(f"\n{name}: in force on the other gate {took}")


async def test_a_known_token(start_gate: Any, start_origin: Any, http: ClientSession, store_url: str) -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"image", content_type="image/jpeg")

    url, _ = await start_origin(serve)
    gate = await start_gate(url, **POLICY)
    token, store = await make(http, gate), Client(store_url, timeout_s=5)
    signed = gate.token("v1", exp=int(time.time()) + 3600)
    targets = {
        "server-side token": f"{gate.url}{IMAGE}?server_auth={token}",
        "native token": f"{gate.url}/files/v1?token={signed}",
    }
    spent: dict[str, list[float]] = {name: [] for name in targets}
    reads = 0
    for target in targets.values():
        await wait(http, target, 200)
    before = await _token_reads(store)
    for _ in range(20):
        for name, target in targets.items():
            began = time.process_time()
            for _ in range(50):
                async with http.head(target) as got:
                    assert got.status == 200
            spent[name].append((time.process_time() - began) / 50)
            reads += 50
    asked = await _token_reads(store) - before
    await store.close()
    us = {name: 1e6 * statistics.median(times) for name, times in spent.items()}
    ratio = us["server-side token"] / us["native token"]
    print(f"\n{reads} requests, tokens read from the store {asked} times; CPU of client, gate and origin: ")
    print(", ".join(f"{name} {each:.0f} us" for name, each in us.items()), f"ratio {ratio:.2f}")


async def _token_reads(store: Client) -> int:
    """How often a hash was read whole, as a server-side token is."""
    stats = await store.call("INFO", "commandstats")
    return int(stats["cmdstat_hgetall"]["calls"])
