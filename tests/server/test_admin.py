"""The operators' listener."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

TOKEN = "the operators' own token"


async def get(http: ClientSession, url: str, method: str = "GET", **headers: str) -> tuple[int, str, Any]:
    async with http.request(method, url, headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_health_is_told_to_everybody(
    start_gate: Any, media: Any, http: ClientSession, path: str, token: str | None
) -> None:
    gate = await start_gate(media[0], admin={"listen": "127.0.0.1:0", "token": token})
    status, text, headers = await get(http, gate.admin_url + path)
    assert (status, text) == (200, {"/healthz": "ok\n", "/readyz": "ready\n"}[path])
    assert headers["Cache-Control"] == "no-store"
    assert (await get(http, gate.admin_url + path, "HEAD"))[:2] == (200, "")


async def test_metrics_count_what_was_decided(
    start_gate: Any, media: Any, http: ClientSession, ask: Any
) -> None:
    gate = await start_gate(media[0])
    token = gate.token("ch1")
    await ask(gate, "/public/x")
    await ask(gate, "/ch1/index.m3u8")
    await ask(gate, f"/ch1/index.m3u8?token={token}")
    status, text, headers = await get(http, f"{gate.admin_url}/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = text.splitlines()
    for line in (
        'gate_decisions_total{outcome="permit",reason=""} 1.0',
        'gate_decisions_total{outcome="deny",reason="token_missing"} 1.0',
        'gate_decisions_total{outcome="redirect",reason=""} 1.0',
        'gate_origin_seconds_count{origin="origin"} 1.0',
        'gate_store_seconds_count{call="open"} 1.0',
        "gate_playbacks 0.0",
        "gate_responses 0.0",
        "gate_room_listeners 0.0",
    ):
        assert line in lines
    assert "gate_connections 1.0" in lines
    assert token not in text
    assert f'gate_policy_info{{version="{gate.node.config.policy.version}"}} 1.0' in lines


async def test_where_a_token_is_set_it_is_asked_for(start_gate: Any, media: Any, http: ClientSession) -> None:
    gate = await start_gate(media[0], admin={"listen": "127.0.0.1:0", "token": TOKEN})
    for path in ("/metrics", "/", "/debug"):
        for given in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": TOKEN},
            {"Authorization": "Bearer é"},
        ):
            status, text, headers = await get(http, gate.admin_url + path, **given)
            assert status == 401
            assert headers["WWW-Authenticate"].startswith("Bearer")
            assert "gate_" not in text
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert (await get(http, f"{gate.admin_url}/metrics", **good))[0] == 200
    assert (await get(http, f"{gate.admin_url}/debug", **good))[0] == 404


async def test_it_answers_no_web_page(start_gate: Any, media: Any, http: ClientSession) -> None:
    """A name that leads to loopback makes a browser's page a reader of it (DNS rebinding)."""
    gate = await start_gate(media[0])
    for given in ({"Host": "rebound.example"}, {"Origin": "http://page.example"}):
        status, text, _ = await get(http, f"{gate.admin_url}/metrics", **given)
        assert status == 403
        assert "gate_" not in text


async def test_it_only_reads(start_gate: Any, media: Any, http: ClientSession) -> None:
    gate = await start_gate(media[0])
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, _, headers = await get(http, f"{gate.admin_url}/metrics", method)
        assert status == 405
        assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_viewers_do_not_reach_it(start_gate: Any, media: Any, http: ClientSession, path: str) -> None:
    gate = await start_gate(media[0])
    status, text, _ = await get(http, gate.url + path)
    assert status in (401, 403)
    assert "gate_" not in text
    assert "ready" not in text
    assert not media[1]


async def test_what_keeps_it_from_serving_is_told_to_who_may_know(
    start_gate: Any, media: Any, http: ClientSession
) -> None:
    gate = await start_gate(media[0], admin={"listen": "127.0.0.1:0", "token": TOKEN})
    gate.node.gatekeeper.draining = True
    assert (await get(http, f"{gate.admin_url}/readyz"))[:2] == (503, "not ready\n")
    told = await get(http, f"{gate.admin_url}/readyz", Authorization=f"Bearer {TOKEN}")
    assert told[:2] == (503, "draining\n")
    assert (await get(http, f"{gate.admin_url}/healthz"))[0] == 200
