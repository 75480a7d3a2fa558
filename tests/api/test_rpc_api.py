"""The RPC over HTTP: where it is, who may call it, and what is answered to whom it refuses."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector

TOKEN = "a-token-of-the-api"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
LIST = {"jsonrpc": "2.0", "method": "Stream.List", "id": 1}
EMPTY = {"streams": [], "cursor": ""}


@pytest.fixture
async def gate(start_gate: Any, rpc_section: Any) -> Any:
    return await start_gate("http://127.0.0.1:9", rpc=rpc_section)


def error_of(got: Any) -> Any:
    return json.loads(got.body)["error"]


class TestWhere:
    @pytest.mark.parametrize("path", ["/api/", "/api", "/api/?x=1"])
    async def test_it_is_at_one_path(self, gate: Any, ask: Any, path: str) -> None:
        got = await ask(gate, path, "POST", json=LIST, headers=BEARER)
        assert (got.status, json.loads(got.body)) == (200, EMPTY)
        assert got.headers["Cache-Control"] == "no-store"
        assert len(got.headers["X-Request-Id"]) == 16
        assert got.reason is None

    @pytest.mark.parametrize("path", ["/api/x", "/api//", "/API/", "/api/../api/", "/apis"])
    async def test_and_at_no_other(self, gate: Any, ask: Any, path: str) -> None:
        got = await ask(gate, path, "POST", json=LIST, headers=BEARER)
        assert got.reason is not None
        assert got.headers["Content-Type"] == "application/problem+json"

    async def test_without_its_section_it_is_not_there(self, start_gate: Any, ask: Any, http: Any) -> None:
        gate = await start_gate("http://127.0.0.1:9")
        got = await ask(gate, "/api/", "POST", json=LIST, headers=BEARER)
        assert (got.status, got.headers["Content-Type"]) == (405, "application/problem+json") or got.reason
        async with http.post(f"{gate.admin_url}/api/", json=LIST, headers=BEARER) as answer:
            assert answer.status == 405

    async def test_of_operators_only(self, start_gate: Any, rpc_section: Any, ask: Any, http: Any) -> None:
        gate = await start_gate("http://127.0.0.1:9", rpc={**rpc_section, "listener": "admin"})
        got = await ask(gate, "/api/", "POST", json=LIST, headers=BEARER)
        assert got.headers["Content-Type"] == "application/problem+json"
        async with http.post(f"{gate.admin_url}/api/", json=LIST, headers=BEARER) as answer:
            assert (answer.status, await answer.json()) == (200, EMPTY)

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
    async def test_calls_are_posted(self, gate: Any, ask: Any, method: str) -> None:
        got = await ask(gate, "/api/", method, headers=BEARER)
        assert (got.status, got.headers["Allow"], got.reason) == (405, "POST", "method_not_allowed")
        if method != "HEAD":
            assert error_of(got)["code"] == -32004

    async def test_a_browser_is_told_what_it_may_read(self, gate: Any, ask: Any) -> None:
        origin = {"Origin": "https://panel.example"}
        got = await ask(gate, "/api/", "POST", json=LIST, headers={**BEARER, **origin})
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        asked = {**origin, "Access-Control-Request-Method": "POST"}
        got = await ask(gate, "/api/", "OPTIONS", headers=asked)
        assert got.status == 204

    async def test_a_body_is_bounded(self, gate: Any, ask: Any) -> None:
        most = json.dumps(LIST).encode()
        for length, status in ((65536, 200), (65537, 413)):
            got = await ask(gate, "/api/", "POST", data=most + b" " * (length - len(most)), headers=BEARER)
            assert got.status == status
        assert error_of(got)["data"] == {"reason": "body_too_large"}

    async def test_it_is_in_the_journal(self, start_gate: Any, rpc_section: Any, ask: Any, caplog: Any) -> None:
        gate = await start_gate("http://127.0.0.1:9", rpc=rpc_section, log={"access": True})
        caplog.set_level(logging.INFO, "gate.access")
        await ask(gate, f"/api/?token={TOKEN}", "POST", json=LIST)
        await ask(gate, "/api/?token=a-wrong-token", "POST", json=LIST)
        lines = [record.getMessage() for record in caplog.records if record.name == "gate.access"]
        assert [line.split()[4] for line in lines] == ["200", "401"]
        assert "permit application=demo" in lines[0]
        assert "deny unauthorized application=demo" in lines[1]
        assert TOKEN not in caplog.text
        assert "a-wrong-token" not in caplog.text

    async def test_a_reload_switches_it(self, gate: Any, ask: Any) -> None:
        path = gate.folder / "gate.yaml"
        text = path.read_text()
        path.write_text(text.replace("listener: public", "listener: admin"))
        await gate.node.reread()
        got = await ask(gate, "/api/", "POST", json=LIST, headers=BEARER)
        assert got.headers["Content-Type"] == "application/problem+json"
        path.write_text(text.replace(TOKEN, "another-token-of-it"))
        await gate.node.reread()
        assert (await ask(gate, "/api/", "POST", json=LIST, headers=BEARER)).status == 401
        headers = {"Authorization": "another-token-of-it"}
        assert (await ask(gate, "/api/", "POST", json=LIST, headers=headers)).status == 200


class TestCredentials:
    @pytest.mark.parametrize("value", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", TOKEN, f" {TOKEN} "])
    async def test_in_the_header(self, gate: Any, ask: Any, value: str) -> None:
        assert (await ask(gate, "/api/", "POST", json=LIST, headers={"Authorization": value})).status == 200

    async def test_as_a_parameter(self, gate: Any, ask: Any) -> None:
        assert (await ask(gate, f"/api/?token={TOKEN}", "POST", json=LIST)).status == 200
        call = {**LIST, "params": {"token": TOKEN, "limit": 5}}
        assert (await ask(gate, "/api/", "POST", json=call)).status == 200
        assert (await ask(gate, f"/api/?token={TOKEN}", "POST", json=call, headers=BEARER)).status == 200
        got = await ask(gate, "/api/", "POST", json=[call, {**LIST, "id": 2}])
        assert [each["result"] for each in json.loads(got.body)] == [EMPTY, EMPTY]

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": ""},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer a-wrong-token-xxxx"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": f"Bearer {TOKEN[:-1]}"},
            {"Authorization": "Bearer \u00e9"},
            {"Token": TOKEN},
        ],
    )
    async def test_without_a_good_one(self, gate: Any, ask: Any, headers: dict[str, str]) -> None:
        for body in (json.dumps(LIST), "{", "[]", json.dumps([LIST, LIST])):
            got = await ask(gate, "/api/", "POST", data=body, headers=headers)
            assert (got.status, got.reason) == (401, "unauthorized")
            assert got.headers["WWW-Authenticate"].startswith("Bearer")
            assert error_of(got)["code"] == -32001
            assert set(json.loads(got.body)) == {"error"}

    @pytest.mark.parametrize("value", [None, 5, "", "a-wrong-token-xxxx", [TOKEN], {"token": TOKEN}])
    async def test_a_parameter_that_is_none(self, gate: Any, ask: Any, value: object) -> None:
        call = {**LIST, "params": {"token": value}}
        assert (await ask(gate, "/api/", "POST", json=call)).status == 401
        if value is not None:
            assert (await ask(gate, "/api/", "POST", json=call, headers=BEARER)).status == 401

    async def test_two_are_none(self, gate: Any, ask: Any) -> None:
        for target in (f"/api/?token={TOKEN}x", f"/api/?token={TOKEN}&token=y"):
            got = await ask(gate, target, "POST", json=LIST, headers=BEARER)
            assert (got.status, error_of(got)["message"]) == (401, "The call shows several API tokens.")

    async def test_a_token_that_is_asked_about_is_no_credential(self, gate: Any, ask: Any) -> None:
        for method in ("Auth.RevokeToken", "Auth.InspectToken"):
            call = {**LIST, "method": method, "params": {"token": TOKEN}}
            assert (await ask(gate, "/api/", "POST", json=call)).status == 401

    async def test_a_viewers_token_is_none(self, gate: Any, ask: Any) -> None:
        for token in (gate.token(), gate.token("cam1", live=True, dvr=True, copy=True)):
            headers = {"Authorization": f"Bearer {token}"}
            assert (await ask(gate, "/api/", "POST", json=LIST, headers=headers)).status == 401

    async def test_who_guesses_has_to_wait(self, gate: Any, ask: Any) -> None:
        wrong = {"Authorization": "Bearer a-wrong-token-xxxx"}
        for _ in range(100):
            got = await ask(gate, "/api/", "POST", json=LIST, headers=wrong)
            if got.status == 429:
                break
            assert got.status == 401
        assert (got.status, got.reason) == (429, "too_many_failures")
        assert int(got.headers["Retry-After"]) > 0
        assert error_of(got)["code"] == -32002
        assert (await ask(gate, "/api/", "POST", json=LIST, headers=BEARER)).status == 429

    async def test_who_shows_nothing_does_not_guess(self, gate: Any, ask: Any) -> None:
        for _ in range(100):
            assert (await ask(gate, "/api/", "POST", json=LIST)).status == 401
        assert (await ask(gate, "/api/", "POST", json=LIST, headers=BEARER)).status == 200


CREATE = {"jsonrpc": "2.0", "method": "Auth.CreateApiToken", "params": {"ttl": 60}, "id": 1}


class TestOperators:
    """API tokens are made on their listener, by whom it knows."""

    async def post(self, http: Any, gate: Any, token: str | None, **more: str) -> tuple[int, Any]:
        headers = {**more, **({} if token is None else {"Authorization": f"Bearer {token}"})}
        async with http.post(f"{gate.admin_url}/api/", json=CREATE, headers=headers) as answer:
            return answer.status, await answer.json()

    async def test_with_their_token(self, start_gate: Any, ask: Any, http: Any) -> None:
        admin = {"listen": "127.0.0.1:0", "token": "the operators' own"}
        gate = await start_gate("http://127.0.0.1:9", admin=admin, rpc={"listener": "public"})
        status, made = await self.post(http, gate, "the operators' own")
        assert (status, made[:4]) == (200, "api_")
        headers = {"Authorization": made}
        assert (await ask(gate, "/api/", "POST", json=LIST, headers=headers)).status == 200
        # With it no further one is made, there or here.
        for status, told in (
            await self.post(http, gate, made),
            (
                (got := await ask(gate, "/api/", "POST", json=CREATE, headers=headers)).status,
                json.loads(got.body),
            ),
        ):
            assert (status, told["error"]["code"]) == (400, -32008)
        assert (await self.post(http, gate, None))[0] == 401
        assert (await self.post(http, gate, "the operators' own", Origin="https://x.example"))[0] == 401
        # What operators show is no API token for viewers' listener.
        headers = {"Authorization": "Bearer the operators' own"}
        assert (await ask(gate, "/api/", "POST", json=LIST, headers=headers)).status == 401

    async def test_a_loopback_address_proves_nothing(
        self, start_gate: Any, rpc_section: Any, http: Any
    ) -> None:
        gate = await start_gate("http://127.0.0.1:9", rpc=rpc_section)
        assert (await self.post(http, gate, None))[0] == 401
        status, told = await self.post(http, gate, TOKEN)
        assert (status, told["error"]["data"]) == (400, {"reason": "not_local"})

    async def test_over_their_unix_socket(self, start_gate: Any, tmp_path: Path, ask: Any) -> None:
        socket = tmp_path / "admin"
        gate = await start_gate(
            "http://127.0.0.1:9", admin={"listen": f"unix:{socket}"}, rpc={"listener": "public"}
        )
        async with (
            ClientSession(connector=UnixConnector(str(socket))) as session,
            session.post("http://localhost/api/", json=CREATE) as answer,
        ):
            made = await answer.json()
        assert (await ask(gate, "/api/", "POST", json=LIST, headers={"Authorization": made})).status == 200

    @pytest.mark.timed
    async def test_one_is_good_on_every_gate_until_it_is_revoked(
        self, start_gate: Any, ask: Any, http: Any
    ) -> None:
        admin = {"listen": "127.0.0.1:0", "token": "the operators' own"}
        one, other = [
            await start_gate("http://127.0.0.1:9", admin=admin, rpc={"listener": "public"}) for _ in range(2)
        ]
        _, made = await self.post(http, one, "the operators' own")
        _, second = await self.post(http, one, "the operators' own")
        shown = {"Authorization": f"Bearer {made}"}
        for gate in (one, other):
            assert (await ask(gate, "/api/", "POST", json=LIST, headers=shown)).status == 200
        revoke = {**LIST, "method": "Auth.RevokeToken", "params": {"token": made}}
        got = await ask(one, "/api/", "POST", json=revoke, headers={"Authorization": second})
        assert (got.status, got.body) == (200, b"true")
        since = time.monotonic()
        while (await ask(other, "/api/", "POST", json=LIST, headers=shown)).status == 200:
            assert time.monotonic() - since < 1
            await asyncio.sleep(0.01)
        assert (await ask(one, "/api/", "POST", json=LIST, headers=shown)).status == 401
        assert (await ask(other, "/api/", "POST", json=LIST, headers={"Authorization": second})).status == 200


class TestForm:
    async def call(self, ask: Any, gate: Any, body: object, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body)
        got = await ask(gate, "/api/", "POST", data=data, headers={**BEARER, **headers})
        return got.status, json.loads(got.body) if got.body else None

    async def test_an_envelope_for_who_asks(self, gate: Any, ask: Any) -> None:
        status, told = await self.call(ask, gate, LIST, Accept="application/json-rpc")
        assert (status, told) == (200, {"jsonrpc": "2.0", "result": EMPTY, "id": 1})
        status, told = await self.call(ask, gate, {**LIST, "method": "x"}, Accept="application/json-rpc")
        error = {"code": -32601, "message": "Method not found"}
        assert (status, told) == (400, {"jsonrpc": "2.0", "error": error, "id": 1})
        assert await self.call(ask, gate, {**LIST, "method": "x"}) == (400, {"error": error})

    async def test_an_envelope_by_policy(self, start_gate: Any, rpc_section: Any, ask: Any) -> None:
        gate = await start_gate("http://127.0.0.1:9", rpc={**rpc_section, "envelope": "jsonrpc"})
        assert await self.call(ask, gate, LIST) == (200, {"jsonrpc": "2.0", "result": EMPTY, "id": 1})

    async def test_a_notification_is_done_in_silence(self, gate: Any, ask: Any) -> None:
        add = {"jsonrpc": "2.0", "method": "Stream.Add", "params": {"stream": "c", "url": "http://127.0.0.1:9"}}
        assert await self.call(ask, gate, add) == (204, None)
        assert len((await self.call(ask, gate, LIST))[1]["streams"]) == 1

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", -32700),
            (b"{", -32700),
            (b'{"jsonrpc": "2.0", "method": "Stream.List", "id": 1, "id": 1}', -32700),
            (
                b'{"jsonrpc": "2.0", "method": "Stream.List", "params": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}",
                -32700,
            ),
            (b'{"jsonrpc": "2.0", "method": "\xff", "id": 1}', -32700),
            (b"[]", -32600),
            (b"7", -32600),
            (b'{"method": "Stream.List"}', -32600),
            (b'{"jsonrpc": "2.0", "method": "Stream.Lists", "id": 1}', -32601),
        ],
    )
    async def test_what_is_no_call(self, gate: Any, ask: Any, body: bytes, code: int) -> None:
        status, told = await self.call(ask, gate, body)
        assert (status, told["error"]["code"]) == (400, code)

    async def test_a_batch_is_bounded(self, gate: Any, ask: Any) -> None:
        status, told = await self.call(ask, gate, [LIST] * 101)
        assert (status, told["error"]["code"]) == (400, -32600)
        status, told = await self.call(ask, gate, [LIST] * 100)
        assert (status, len(told)) == (200, 100)

    async def test_it_describes_itself(self, gate: Any, ask: Any) -> None:
        _, document = await self.call(ask, gate, {**LIST, "method": "Rpc.Describe"})
        methods = {each["name"]: each for each in document["methods"]}
        assert set(methods) == {
            *("Auth.CreateAccessToken", "Auth.CreateApiToken", "Auth.RevokeToken", "Auth.InspectToken"),
            *("Stream.Add", "Stream.Update", "Stream.Get", "Stream.List", "Stream.Remove", "Stream.Revoke"),
            *("Stream.GetMediaUrls", "Rpc.Describe", "rpc.discover"),
        }
        names = [each["name"] for each in methods["Stream.Add"]["params"]]
        assert names == ["stream", "url", "layout", "enable", "access", "dvr", "application"]
