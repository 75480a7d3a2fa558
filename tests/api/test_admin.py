"""The admin API as a whole: every route behind the guard, and none within a viewer's reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from gate.api.admin import Route
from gate.api.call import LONGEST_BODY
from gate.store.embedded import EmbeddedValkey

TOKEN = "the operators' own token"
NAMED = "0c" + "0" * 22
ROUTES = [
    Route("GET", "/v1/sessions"),
    Route("GET", "/v1/sessions/{id}"),
    Route("DELETE", "/v1/sessions/{id}"),
    Route("GET", "/v1/revocations"),
    Route("POST", "/v1/revocations"),
    Route("GET", "/v1/applications/{application}/keys"),
    Route("POST", "/v1/applications/{application}/keys"),
    Route("PATCH", "/v1/applications/{application}/keys/{id}"),
    Route("DELETE", "/v1/applications/{application}/keys/{id}"),
    Route("POST", "/v1/reload"),
    Route("POST", "/v1/explain"),
    Route("GET", "/v1/policy"),
    Route("GET", "/v1/health"),
]
PATHS = sorted({route.path for route in ROUTES})


def fill(path: str) -> str:
    return path.replace("{application}", "demo").replace("{id}", NAMED)


def with_token(**policy: Any) -> dict[str, Any]:
    return {"admin": {"listen": "127.0.0.1:0", "token": TOKEN}, **policy}


async def test_these_are_all_routes(start_gate: Any, media: Any, ask_admin: Any) -> None:
    gate = await start_gate(media[0])
    assert gate.node.api.routes == ROUTES
    status, told = await ask_admin(gate, "GET", "/v1/nowhere")
    assert (status, told["reason"]) == (404, "not_found")
    assert all(path in told["detail"] for path in PATHS)


async def test_none_answers_without_its_credential(start_gate: Any, media: Any, ask_admin: Any) -> None:
    gate = await start_gate(media[0], **with_token())
    for route in [*ROUTES, Route("GET", "/v1"), Route("GET", "/v1/nowhere"), Route("PUT", "/v1/policy")]:
        path = fill(route.path)
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            status, told = await ask_admin(gate, route.method, path, **given)
            assert (status, told["reason"]) == (401, "token_missing"), route
    assert not gate.node.control.revoked.until_s
    good = {"Authorization": f"Bearer {TOKEN}", "Content-Type": ""}
    assert (await ask_admin(gate, "DELETE", f"/v1/sessions/{NAMED}", **good))[0] == 200
    assert (await ask_admin(gate, "GET", "/v1/policy", **good))[0] == 200


async def test_none_answers_a_web_page(start_gate: Any, media: Any, ask_admin: Any) -> None:
    gate = await start_gate(media[0])
    for route in ROUTES:
        path = fill(route.path)
        status, told = await ask_admin(gate, route.method, path, Origin="http://page.example")
        assert (status, told["reason"]) == (403, "cross_site")
        status, told = await ask_admin(gate, route.method, path, Host="rebound.example")
        assert (status, told["reason"]) == (403, "host_not_local")
        if route.method != "GET":
            status, told = await ask_admin(gate, route.method, path, **{"Content-Type": "text/plain"})
            assert (status, told["reason"]) == (415, "content_type")
    assert not gate.node.control.revoked.until_s


async def test_none_is_within_a_viewers_reach(
    start_gate: Any, media: Any, http: ClientSession, ask: Any, store_url: str
) -> None:
    streams = [{"match": "/{resource}/**", "layout": "object"}]
    gate = await start_gate(media[0], **with_token(streams=streams))
    for route in ROUTES:
        for path in (fill(route.path), f"/_s/x{route.path.replace('{id}', NAMED)}"):
            got = await ask(gate, path, route.method, headers={"Authorization": f"Bearer {TOKEN}"})
            assert got.status in (400, 401, 403, 405), path
            assert got.reason
    assert not media[1]
    assert not gate.node.control.revoked.until_s


@pytest.mark.parametrize("path", PATHS)
async def test_a_method_that_a_path_does_not_have(
    start_gate: Any, media: Any, http: ClientSession, path: str
) -> None:
    gate = await start_gate(media[0])
    known = {route.method for route in ROUTES if route.path == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - known:
        url = gate.admin_url + fill(path)
        async with http.request(method, url, headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 405, method
            allowed = set(answer.headers["Allow"].split(", "))
            assert allowed == known | ({"HEAD"} if "GET" in known else set())
            assert answer.content_type == "application/problem+json"


async def test_head_is_get_without_the_body(start_gate: Any, media: Any, http: ClientSession) -> None:
    gate = await start_gate(media[0])
    async with http.head(f"{gate.admin_url}/v1/policy") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_bounded(start_gate: Any, media: Any, http: ClientSession, chunked: bool) -> None:
    gate = await start_gate(media[0])

    async def pieces() -> Any:
        for _ in range(LONGEST_BODY // 1024 + 1):
            yield b" " * 1024

    body = pieces() if chunked else b" " * (LONGEST_BODY + 1)
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{gate.admin_url}/v1/explain", data=body, headers=headers) as answer:
        assert answer.status == 413
        assert (await answer.json(content_type=None))["reason"] == "body_too_large"


@pytest.mark.parametrize(
    "path",
    ["/v1/", "/v1/sessions/", "/v1/sessions/a/b", "/v1/%73essions", "//v1/sessions", "/v1/applications/demo"],
)
async def test_a_path_has_one_spelling(start_gate: Any, media: Any, http: ClientSession, path: str) -> None:
    gate = await start_gate(media[0])
    async with http.get(URL(gate.admin_url + path, encoded=True)) as answer:
        assert answer.status == 404


async def test_a_credential_is_not_quoted_back(start_gate: Any, media: Any, ask_admin: Any) -> None:
    gate = await start_gate(media[0])
    token = gate.token("ch1")
    status, told = await ask_admin(gate, "POST", "/v1/revocations", {token[:60]: "x"})
    assert status == 400
    assert "[credential]" in told["detail"]
    assert token[:20] not in told["detail"]


async def test_without_its_store_it_says_so(
    start_gate: Any, media: Any, ask_admin: Any, tmp_path: Path
) -> None:
    async with EmbeddedValkey(tmp_path / "own") as store:
        gate = await start_gate(media[0], store=store.url)
    for method, path in (("GET", "/v1/sessions"), ("DELETE", f"/v1/sessions/{NAMED}")):
        status, told = await ask_admin(gate, method, path)
        assert (status, told["reason"]) == (503, "store_unavailable")
    assert not gate.node.control.revoked.until_s
    status, told = await ask_admin(gate, "GET", "/v1/health")
    assert (status, told["store"]["reachable"]) == (200, False)
    assert "out of reach" in told["store"]["error"]
