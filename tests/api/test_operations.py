"""The running gate over the admin API: policy, health, reload, explanation."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from typing import Any

import pytest
import yaml
from aiohttp import web

from gate.core.token import token_id

SECRET = "a secret of more than thirty-two bytes, for tests"
FAR = "http://192.0.2.1:81"


def rewrite(gate: Any, **policy: Any) -> None:
    path = gate.folder / "gate.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **policy}))


class TestPolicy:
    async def test_all_of_it_is_shown_but_its_secrets(
        self, start_gate: Any, media: Any, ask_admin: Any, store_url: str
    ) -> None:
        secrets = [f"secret number {n} of more than thirty-two bytes" for n in range(3)]
        gate = await start_gate(
            media[0],
            applications={
                "demo": {
                    "keys": [{"kid": "k1", "secret": secrets[0]}],
                    "jwks": [{"url": "http://127.0.0.1:9/keys?code=secret+number"}, {"url": "http://[::1]:9/"}],
                }
            },
            sessions={"ticket_keys": [secrets[1]], "idle": "45s"},
            admin={"listen": "127.0.0.1:0", "token": secrets[2]},
        )
        status, told = await ask_admin(gate, "GET", "/v1/policy", Authorization=f"Bearer {secrets[2]}")
        assert status == 200
        assert told["version"] == gate.node.config.policy.version
        shown = told["policy"]
        assert shown["sessions"]["idle"] == 45
        assert shown["origins"]["origin"]["connect_timeout"] == 5
        assert shown["applications"]["demo"]["keys"][0]["kid"] == "k1"
        assert shown["admin"]["listen"] == "127.0.0.1:0"
        published = [source["url"] for source in shown["applications"]["demo"]["jwks"]]
        assert published == ["http://127.0.0.1:9/keys?...", "http://[::1]:9/"]
        text = json.dumps(told)
        assert not any(secret in text for secret in secrets)
        assert "secret number" not in text.replace("+", " ")

    async def test_nor_the_stores_password(
        self, start_gate: Any, media: Any, ask_admin: Any, store_url: str
    ) -> None:
        gate = await start_gate(media[0], store=store_url.replace("unix://", "unix://default:pa%73sword@"))
        for path in ("/v1/policy", "/v1/health"):
            _, told = await ask_admin(gate, "GET", path)
            assert "ssword" not in json.dumps(told)
            assert store_url in json.dumps(told)


class TestReload:
    async def test_the_file_is_read_again(self, start_gate: Any, media: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        before = gate.node.config.policy.version
        rewrite(gate, drain="200ms")
        status, told = await ask_admin(gate, "POST", "/v1/reload")
        assert status == 200
        assert told["version"] == gate.node.config.policy.version != before
        assert (told["problems"], told["restart_needed"]) == ([], False)
        rewrite(gate, listen="127.0.0.1:1")
        for _ in range(2):
            assert (await ask_admin(gate, "POST", "/v1/reload", {}))[1]["restart_needed"]

    async def test_one_with_a_fault_is_refused_with_its_problems(
        self, start_gate: Any, media: Any, ask_admin: Any
    ) -> None:
        gate = await start_gate(media[0])
        before = gate.node.config.policy.version
        rewrite(gate, drian="1s", cors={"origns": []})
        status, told = await ask_admin(gate, "POST", "/v1/reload")
        assert (status, told["reason"], told["version"]) == (422, "policy_refused", before)
        assert len(told["problems"]) == 2
        assert all(line.startswith(str(gate.folder / "gate.yaml")) for line in told["problems"])
        assert (await ask_admin(gate, "GET", "/v1/health"))[1]["policy"]["problems"] == told["problems"]
        rewrite(gate, drian=None)
        (gate.folder / "gate.yaml").write_text("")
        assert (await ask_admin(gate, "POST", "/v1/reload"))[0] == 422

    async def test_a_gate_without_a_file_says_so(self, start_gate: Any, media: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        gate.node.reread = None
        status, told = await ask_admin(gate, "POST", "/v1/reload")
        assert (status, told["reason"]) == (409, "no_policy_file")


class TestExplain:
    async def test_it_is_what_gate_explain_says(self, start_gate: Any, media: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", jti="t1")
        body = {"target": "/ch1/index.m3u8", "token": token, "headers": {"User-Agent": "VLC/3.0"}}
        status, told = await ask_admin(gate, "POST", "/v1/explain", body)
        assert status == 200
        assert (told["decision"], told["permitted"], told["status"]) == ("session", True, 302)
        assert told["token"]["id"] == token_id("demo", "t1")
        assert told["rule"]["match"] == "/{resource}/**"
        refused = (await ask_admin(gate, "POST", "/v1/explain", {**body, "target": "/ch2/index.m3u8"}))[1]
        assert (refused["decision"], refused["reason"]) == ("deny", "resource_not_granted")
        past = (await ask_admin(gate, "POST", "/v1/explain", {**body, "at": 4_000_000_000}))[1]
        assert past["reason"] == "token_expired"

    async def test_it_knows_what_the_running_gate_knows(
        self, start_gate: Any, media: Any, ask_admin: Any, open_link: Any
    ) -> None:
        """Session links, sealed with the key that the gates share, and what is revoked."""
        gate = await start_gate(media[0])
        link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", sub="anna"))
        _, told = await ask_admin(gate, "POST", "/v1/explain", {"target": link})
        assert (told["decision"], told["session"]["subject"]) == ("permit", "anna")
        assert link.split("/")[2] not in json.dumps(told)
        await ask_admin(gate, "DELETE", f"/v1/sessions/{told['session']['id']}")
        _, told = await ask_admin(gate, "POST", "/v1/explain", {"target": link})
        assert told["reason"] == "revoked"

    async def test_method_address_and_fields_count(self, start_gate: Any, media: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", bind={"ip": "192.0.2.0/24", "user_agent": "VLC"})
        body = {"target": "/ch1/index.m3u8", "token": token}
        for given, reason in (
            ({}, "binding_mismatch"),
            ({"address": "192.0.2.7"}, "binding_mismatch"),
            ({"address": "192.0.2.7", "headers": {"user-agent": ["VLC"]}}, None),
            ({"method": "PUT"}, "action_not_granted"),
        ):
            _, told = await ask_admin(gate, "POST", "/v1/explain", {**body, **given})
            assert told["reason"] == reason, given

    async def test_it_asks_the_store_for_server_side_tokens(
        self, start_gate: Any, start_origin: Any, ask: Any, ask_admin: Any
    ) -> None:
        """And knows the page sessions that the gate gave out."""

        async def serve(request: web.BaseRequest) -> web.Response:
            return web.Response(body=b"video")

        app, private = "0123456789abcdef0123456789abcdef", "a private key of Ziggeo's"
        secrets = {"private_key": private, "encryption_key": "an encryption key of Ziggeo's"}
        shop = {"formats": ["ziggeo"], "unlimited_ttl": True, "ziggeo": {"application_token": app, **secrets}}
        gate = await start_gate(
            (await start_origin(serve))[0],
            applications={"shop": shop},
            streams=[{"match": "/v1/applications/**", "layout": "ziggeo"}],
        )

        async def explain(target: str) -> Any:
            status, told = await ask_admin(gate, "POST", "/v1/explain", {"target": target})
            assert status == 200, told
            return told

        async def expect(target: str, reason: str) -> None:
            """Every gate hears of a change within a second."""
            for _ in range(250):
                if (found := (await explain(target))["reason"]) == reason:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError(found)

        async def send(method: str, target: str, **form: str) -> Any:
            basic = f"Basic {base64.b64encode(f'{app}:{private}'.encode()).decode()}"
            got = await ask(gate, target, method, data=form, headers={"Authorization": basic})
            assert got.status == 200, got.body
            return json.loads(got.body)

        grants = json.dumps({"read": {"resources": ["v1"]}})
        token = (await send("POST", "/v1/authtokens/", grants=grants, session_limit="2"))["token"]
        video = f"/v1/applications/{app}/videos/v1/video.mp4?server_auth={token}"
        told = await explain(video)
        assert (told["decision"], told["token"]["session_limit"]) == ("session", 2)
        assert told["token"]["server_side"] is True
        assert token not in json.dumps(told)
        page = (await send("POST", f"/v1/applications/{app}/session"))["token"]
        in_page = f"{video}&i07af2jp98rvoctt26y5egy3{app}={page}"
        told = await explain(in_page)
        assert (told["decision"], told["page"]["ends_at"] - told["page"]["issued_at"]) == ("page", 7 * 86400)
        assert (await explain(in_page[:-1]))["reason"] == "visit_invalid"
        link = (await ask(gate, video)).headers["Location"]
        assert (await explain(link))["decision"] == "permit"
        # A link goes by its token as that is now.
        await send("POST", f"/v1/authtokens/{token}", grants="{}")
        await expect(link, "action_not_granted")
        await send("DELETE", f"/v1/authtokens/{token}")
        await expect(video, "token_malformed")
        await expect(link, "revoked")

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ({}, "target: expected the request's target"),
            ({"target": 5}, "target: expected text"),
            ({"url": "/a"}, "there is no field 'url'; known are: target, method"),
            ({"target": "/a", "address": "here"}, "address: expected an address"),
            ({"target": "/a", "headers": ["a: b"]}, "headers: expected an object"),
            ({"target": "/a", "headers": {"a": 5}}, "headers: expected an object"),
            ({"target": "/a", "headers": {"a": "b\r\nc: d"}}, "headers: expected an object"),
            ({"target": "/a", "at": "now"}, "at: expected whole Unix seconds"),
        ],
    )
    async def test_what_is_not_understood_is_named(
        self, start_gate: Any, media: Any, ask_admin: Any, body: Any, text: str
    ) -> None:
        status, told = await ask_admin(await start_gate(media[0]), "POST", "/v1/explain", body)
        assert (status, told["reason"]) == (400, "malformed_request")
        assert told["detail"].startswith(text)


class TestHealth:
    @pytest.mark.timed
    async def test_in_peace(self, start_gate: Any, media: Any, ask_admin: Any, store_url: str) -> None:
        gate = await start_gate(media[0])
        status, told = await ask_admin(gate, "GET", "/v1/health")
        assert status == 200
        assert told["ready"] is True
        assert told["policy"]["version"] == gate.node.config.policy.version
        store = told["store"]
        assert (store["address"], store["reachable"], store["role"]) == (store_url, True, "primary")
        assert (store["server"], store["away_s"], store["error"]) == ("valkey", 0, None)
        assert 0 < store["latency_ms"] < 1000
        assert 0 <= told["feed"]["silent_s"] < 3
        origin = told["origins"]["origin"]
        assert (origin["url"], origin["reachable"], origin["last_failure"]) == (media[0], True, None)

    async def test_an_origin_that_is_down(self, start_gate: Any, ask: Any, ask_admin: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        gate = await start_gate(url)
        assert (await ask(gate, "/public/x")).status == 502
        origin = (await ask_admin(gate, "GET", "/v1/health"))[1]["origins"]["origin"]
        assert origin["reachable"] is False
        assert "refused" in origin["error"].lower()
        assert origin["last_failure"]["error"].startswith("origin origin: ")

    async def test_an_origin_that_does_not_answer_costs_a_second(self, start_gate: Any, ask_admin: Any) -> None:
        gate = await start_gate(FAR, origins={"origin": {"url": FAR, "connect_timeout": "60s"}})
        async with asyncio.timeout(20):
            origin = (await ask_admin(gate, "GET", "/v1/health"))[1]["origins"]["origin"]
        assert origin["reachable"] is False
