"""What an access token costs that is asked for over JSON-RPC: CPU time of this process, from the bytes of the
body to those of the answer, beside PyJWT's encode of the same claims in the same run; and how long callers wait
for one of a running gate, beside a bare aiohttp server that does nothing but PyJWT's encode. Asserts no times.

python -m pytest tests/bench/bench_mint.py -m bench -s
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import jwt as pyjwt
import pytest
from aiohttp import ClientSession, web

from gate.api.rpc import Rpc, read_call
from gate.api.rpc_methods import Method
from gate.core.keys import Algorithm, Key
from gate.formats import jwt
from gate.formats.aipix import access_claims, access_parameters, asked_claims, check_bounds
from gate.wire.answers import Answer

pytestmark = pytest.mark.bench

KEY = Key("k1", Algorithm.HS256, b"a secret of more than thirty-two bytes, for a bench")
STREAM = "6f1c2d7e-0000-4000-8000-1234567890ab"
PARAMS = {"stream": STREAM, "ttl": 3600, "live": True, "dvr": True, "from": 1_700_000_000, "to": 1_700_086_400}


async def mint(asked: Mapping[str, Any], caller: None) -> object:
    return jwt.sign(asked_claims(asked, now=time.time(), jti=secrets.token_urlsafe(12)), KEY)


RPC: Rpc[None] = Rpc(
    [Method("Auth.CreateAccessToken", "A token.", mint, access_parameters(86400), check=check_bounds)],
    title="bench",
    version="1",
)


def call(params: object) -> bytes:
    document = {"jsonrpc": "2.0", "method": "Auth.CreateAccessToken", "params": params, "id": 1}
    return json.dumps(document).encode()


def run(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer, without a loop: nothing here waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    raise AssertionError


def ask(body: bytes) -> Answer:
    return run(RPC.answer(read_call(body), None))


def spent_us(*works: Callable[[], object], rounds: int = 31, repeats: int = 100) -> list[float]:
    """The median CPU time of one call of each work, in microseconds; the works take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, spent in zip(works, times, strict=True):
            started = time.process_time_ns()
            for _ in range(repeats):
                work()
            spent.append((time.process_time_ns() - started) / 1000 / repeats)
    return [statistics.median(spent) for spent in times]


def test_mint() -> None:
    body, wrong = call(PARAMS), call({**PARAMS, "ttl": "3600"})
    many = b"[" + b",".join([body] * 100) + b"]"
    claims = access_claims(
        STREAM, now=1_700_000_000, jti="a" * 16, live=True, dvr=True, from_=1_700_000_000, to=1_700_086_400
    )
    assert ask(body).status == ask(many).status == 200
    assert len(json.loads(ask(many).body)) == 100
    assert ask(wrong).status == 400
    whole, refused, signing, peer = spent_us(
        lambda: ask(body),
        lambda: ask(wrong),
        lambda: jwt.sign(claims, KEY),
        lambda: pyjwt.encode(claims, KEY.material, "HS256", headers={"kid": KEY.kid}),
    )
    (batch,) = spent_us(lambda: ask(many), repeats=1)
    print(
        f"\nHS256: {1e6 / whole:,.0f} tokens a second ({whole:.1f} us from body to answer); in batches of 100 "
        f"{1e8 / batch:,.0f}; signing alone {signing:.1f} us, PyJWT's encode {peer:.1f} us: ratio "
        f"{whole / peer:.2f} for the whole, {signing / peer:.2f} for signing; a refusal {refused:.1f} us"
    )


API_TOKEN = "a-token-of-the-api-for-a-bench"
CALLERS, CALLS = 8, 250


async def wait_ms(http: ClientSession, url: str) -> tuple[float, list[float]]:
    """Answers a second to callers that each ask one after the other, and how long each answer took."""
    took: list[float] = []
    headers, body = {"Authorization": f"Bearer {API_TOKEN}"}, call(PARAMS)

    async def ask_often() -> None:
        for _ in range(CALLS):
            began = time.perf_counter()
            async with http.post(url, data=body, headers=headers) as got:
                assert got.status == 200
                await got.read()
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(ask_often() for _ in range(CALLERS)))
    return CALLERS * CALLS / (time.perf_counter() - began), sorted(took)


async def test_under_load(start_gate: Any, start_origin: Any, http: ClientSession) -> None:
    async def sign(request: web.BaseRequest) -> web.StreamResponse:
        claims = json.loads(await request.content.read())["params"]
        return web.json_response(pyjwt.encode(claims, KEY.material, "HS256", headers={"kid": KEY.kid}))

    peer, _ = await start_origin(sign)
    gate = await start_gate(peer, rpc={"listener": "public", "tokens": [API_TOKEN]})
    rates: dict[str, list[float]] = {"gate": [], "aiohttp and PyJWT": []}
    waits: dict[str, list[float]] = {name: [] for name in rates}
    for _ in range(4):
        for name, url in zip(rates, (f"{gate.url}/api/", f"{peer}/api/"), strict=True):
            rate, took = await wait_ms(http, url)
            rates[name].append(rate)
            waits[name] += took
    for name, took in waits.items():
        p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
        rate = statistics.median(rates[name])
        asked = f"{rate:,.0f} a second to {CALLERS} callers in this process"
        print(f"\n{name}: {asked}, p50 {p50:.1f}, p99 {p99:.1f} ms")
    ratio = statistics.median(rates["gate"]) / statistics.median(rates["aiohttp and PyJWT"])
    print(f"ratio {ratio:.2f}")
