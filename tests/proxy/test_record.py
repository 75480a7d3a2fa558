"""What a gate notes of each request: in its log, in its counters, and by whose address it goes."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from gate.cli.log import JsonLines, Lines

ALL = {"log": {"access": True}}
LOCAL = {"trusted_proxies": ["127.0.0.1"]}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Any:
    """The entries so far as programs read them, once there are `count`."""
    caplog.set_level(logging.DEBUG, "gate")

    async def entries(count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(20):
            while True:
                records = [record for record in caplog.records if record.name == "gate.access"]
                if len(records) >= count:
                    break
                await asyncio.sleep(0.01)
        assert len(records) == count
        return [json.loads(JsonLines().format(record)) for record in records]

    return entries


async def metrics(http: ClientSession, gate: Any) -> str:
    async with http.get(f"{gate.admin_url}/metrics") as answer:
        return await answer.text()


class TestTheLog:
    async def test_a_viewer_s_way_is_told(self, start_gate: Any, media: Any, ask: Any, log: Any) -> None:
        gate = await start_gate(media[0], **ALL)
        agent = {"User-Agent": "Player/1.0"}
        token = gate.token("ch1")
        first = await ask(gate, f"/ch1/index.m3u8?token={token}", headers=agent)
        link = first.headers["Location"]
        playlist = await ask(gate, link, headers=agent)
        await ask(gate, "/nobody/index.m3u8", "HEAD")
        opened, played, refused = await log(3)
        session = opened["session"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", opened["time"])
        assert opened == {
            **{key: opened[key] for key in ("time", "duration_ms", "session")},
            "level": "info",
            "logger": "gate.access",
            "request_id": first.headers["X-Request-Id"],
            "address": "127.0.0.1",
            "method": "GET",
            "path": "/ch1/index.m3u8?token=[token]",
            "status": 302,
            "bytes_sent": 0,
            "bytes_received": 0,
            "decision": "redirect",
            "reason": None,
            "detail": None,
            "application": "demo",
            "resource": "ch1",
            "kind": "live",
            "origin_status": None,
            "user_agent": "Player/1.0",
        }
        assert (played["decision"], played["status"], played["origin_status"]) == ("permit", 200, 200)
        assert played["path"] == "/_s/[ticket]/ch1/index.m3u8"
        assert (played["bytes_sent"], played["session"]) == (len(playlist.body), session)
        assert 0 < played["duration_ms"] < 5000
        assert (refused["decision"], refused["reason"], refused["status"]) == ("deny", "token_missing", 401)
        assert (refused["method"], refused["bytes_sent"]) == ("HEAD", 0)

    async def test_without_access_only_refusals_are_told(
        self, start_gate: Any, media: Any, ask: Any, log: Any
    ) -> None:
        gate = await start_gate(media[0])
        await ask(gate, "/public/x")
        got = await ask(gate, "/closed/x")
        (refused,) = await log(1)
        assert refused["reason"] == "access_none"
        assert refused["bytes_sent"] == len(got.body)

    async def test_what_the_gate_and_the_origin_did_wrong_is_told(
        self, start_gate: Any, start_raw_origin: Any, ask: Any, log: Any
    ) -> None:
        async def nonsense(head: bytes, reader: Any, writer: Any) -> None:
            writer.write(b"what?\r\n\r\n")

        gate = await start_gate(await start_raw_origin(nonsense), **ALL)
        await ask(gate, "/public/x")
        await ask(gate, "/public/x", "OPTIONS", headers={"Origin": "x", "Access-Control-Request-Method": "GET"})
        broken, preflight = await log(2)
        assert (broken["decision"], broken["reason"], broken["status"]) == ("deny", "origin_invalid", 502)
        assert (preflight["decision"], preflight["status"]) == ("preflight", 204)

    async def test_a_client_that_leaves_is_told_of_too(
        self, start_gate: Any, start_origin: Any, http: ClientSession, log: Any
    ) -> None:
        async def endless(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"12345")
            await asyncio.sleep(30)
            return response

        gate = await start_gate((await start_origin(endless))[0], **ALL)
        async with http.get(f"{gate.url}/public/x") as answer:
            assert await answer.content.readexactly(5) == b"12345"
            answer.close()
        (left,) = await log(1)
        assert (left["decision"], left["status"], left["bytes_sent"]) == ("permit", 200, 5)

    async def test_no_credential_is_in_it(
        self, start_gate: Any, media: Any, ask: Any, log: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        sources = {"query": ["token", "auth"], "headers": ["Authorization", "X-Token"], "cookies": ["sid"]}
        key = {"kid": "k1", "secret": "a secret of more than thirty-two bytes, for tests"}
        gate = await start_gate(media[0], applications={"demo": {"keys": [key], "sources": sources}}, **ALL)
        tokens = [gate.token("ch1", jti=f"t{number}", sub="u1") for number in range(9)]
        path = "/ch1/index.m3u8"
        link = (await ask(gate, f"{path}?token={tokens[0]}")).headers["Location"]
        ticket = link.split("/")[2]
        opaque = "opaque-secret"
        tries: list[tuple[str, dict[str, str]]] = [
            (link, {"Referer": f"http://page/?token={tokens[1]}"}),
            (f"{path}?auth={tokens[2]}", {}),
            (path, {"Authorization": f"Bearer {tokens[3]}"}),
            (path, {"X-Token": tokens[4]}),
            (path, {"Cookie": f"sid={tokens[5]}; other={opaque}"}),
            (path, {"Referer": f"http://page{link}?x={opaque}"}),
            (f"{path}?nobody={tokens[6]}&token={opaque}", {"User-Agent": tokens[7]}),
            (f"/{tokens[8]}?{opaque}", {"X-Forwarded-For": tokens[8]}),
            (f"/_s/{ticket[:-4]}AAAA{path}", {"Origin": opaque}),
            (f"/_s/{opaque}{path}?x={opaque}&{opaque}", {}),
            (f"/_s/{ticket}{link}", {}),
            (f"{path}?token={tokens[0]}&auth={tokens[1]}", {}),
        ]
        for target, headers in tries:
            await ask(gate, target, headers=headers)
        await ask(gate, "/_s", "POST", headers={"X-Token": tokens[3]})
        await ask(gate, f"/_s/{ticket}/renew", "POST", headers={"X-Token": tokens[0]})
        entries = await log(len(tries) + 3)
        for text in (
            json.dumps(entries),
            *("\n".join(shape.format(record) for record in caplog.records) for shape in (Lines(), JsonLines())),
            *("\n".join(str(record.msg) for record in caplog.records if record.name == "gate.access"),),
        ):
            for token in tokens:
                for part in (token, *token.split(".")[1:], token.split(".")[1][:20]):
                    assert part not in text
            assert ticket not in text
            assert ticket[:40] not in text
            assert opaque not in text
        assert [entry["status"] for entry in entries[-2:]] == [201, 200]
        assert [entry["session"] is not None for entry in entries[-2:]] == [True, True]


class TestTheCounters:
    async def test_bytes_tokens_and_sessions_are_counted(
        self, start_writable: Any, objects: Any, ask: Any, open_session: Any, http: ClientSession
    ) -> None:
        gate = await start_writable(objects.url)
        token = gate.token(grants={name: {"all": True} for name in ("read", "create", "update")})
        link = await open_session(gate, token)
        assert (await ask(gate, f"{link}/files/a/b", "PUT", data=b"x" * 1000)).status == 201
        before = await metrics(http, gate)
        assert 'gate_bytes_total{direction="in"} 1000.0' in before
        got = await ask(gate, f"{link}/files/a/b")
        assert got.body == b"x" * 1000
        for _ in range(3):
            await ask(gate, "/files/a/b", "HEAD", headers={"Authorization": f"Bearer {token}"})
        text = await metrics(http, gate)
        sent = [
            float(re.findall(r'gate_bytes_total\{direction="out"\} (\S+)', page)[0]) for page in (before, text)
        ]
        assert sent[1] - sent[0] == 1000
        assert 'gate_token_cache_total{result="miss"} 1.0' in text
        assert 'gate_token_cache_total{result="hit"} 3.0' in text
        assert "gate_sessions 1.0" in text
        assert "gate_playbacks 1.0" in text


class TestTheAddress:
    @pytest.mark.parametrize(("policy", "status"), [({}, 403), (LOCAL, 200)])
    async def test_protected_goes_by_the_believed_address(
        self, start_gate: Any, media: Any, ask: Any, log: Any, policy: dict[str, Any], status: int
    ) -> None:
        rule = {"match": "/office/**", "access": "protected", "networks": ["192.0.2.0/24"], "layout": "object"}
        gate = await start_gate(media[0], streams=[rule], **policy, **ALL)
        seen = {
            "X-Forwarded-For": "192.0.2.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "media.example",
        }
        assert (await ask(gate, "/office/x", headers=seen)).status == status
        assert (
            await ask(gate, "/office/x", headers={"X-Forwarded-For": "192.0.2.7, 198.51.100.1"})
        ).status == 403
        first, _ = await log(2)
        assert first["address"] == ("192.0.2.7" if policy else "127.0.0.1")
        if policy:
            told = media[1][0].headers
            assert told["X-Forwarded-For"] == "192.0.2.7, 127.0.0.1"
            assert (told["X-Forwarded-Proto"], told["X-Forwarded-Host"]) == ("https", "media.example")

    async def test_what_an_untrusted_client_says_reaches_neither_decision_nor_origin(
        self, start_gate: Any, media: Any, ask: Any
    ) -> None:
        gate = await start_gate(media[0])
        lies = {
            "X-Forwarded-For": "192.0.2.7",
            "x-forwarded-HOST": "evil",
            "X_Forwarded_Proto": "https",
            "Forwarded": "for=192.0.2.7",
            "X-Real-IP": "192.0.2.7",
            "True-Client-IP": "192.0.2.7",
            "CF-Connecting-IP": "192.0.2.7",
            "X-Forwarded-Client-Cert": "x",
            "X-Original-URL": "/closed/x",
        }
        await ask(gate, "/public/x", headers=lies)
        told = {name.lower(): value for name, value in media[1][0].headers.items()}
        assert told["x-forwarded-for"] == "127.0.0.1"
        assert told["x-forwarded-proto"] == "http"
        assert told["x-forwarded-host"] == f"127.0.0.1:{gate.port}"
        assert not {"192.0.2.7", "evil", "x", "/closed/x"} & set(told.values())

    async def test_a_token_is_bound_to_the_believed_address(
        self, start_gate: Any, media: Any, ask: Any
    ) -> None:
        gate = await start_gate(media[0], **LOCAL)
        target = f"/ch1/index.m3u8?token={gate.token('ch1', bind={'ip': '192.0.2.7'})}"
        assert (await ask(gate, target, headers={"X-Forwarded-For": "192.0.2.7"})).status == 302
        assert (await ask(gate, target, headers={"X-Forwarded-For": "192.0.2.8"})).reason == "binding_mismatch"
        assert (await ask(gate, target)).reason == "binding_mismatch"

    async def test_clients_behind_one_proxy_are_told_apart(self, start_gate: Any, media: Any, ask: Any) -> None:
        gate = await start_gate(media[0], **LOCAL)
        token = gate.token("ch1", max_concurrent=1, jti="t1", sub="u1")
        statuses = []
        for address in ("192.0.2.7", "198.51.100.7"):
            headers = {"X-Forwarded-For": address}
            link = (await ask(gate, f"/files/ch1/x.mp4?token={token}", headers=headers)).headers["Location"]
            statuses.append((await ask(gate, link, headers=headers)).status)
        assert statuses == [200, 409]

    async def test_links_of_the_gate_s_own_believed_name_stay_in_the_session(
        self, start_gate: Any, start_origin: Any, open_link: Any, ask: Any
    ) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(
                body=b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nhttps://media.example/ch1/a.ts\n",
                content_type="application/vnd.apple.mpegurl",
            )

        gate = await start_gate((await start_origin(serve))[0], **LOCAL)
        link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1"))
        got = await ask(gate, link, headers={"X-Forwarded-Host": "media.example"})
        assert b"/_s/" in got.body
        assert b"/_s/" not in (await ask(gate, link)).body

    @pytest.mark.parametrize(("trusted", "told"), [([], None), (["unix"], "192.0.2.7"), (["127.0.0.1"], None)])
    async def test_over_a_unix_socket(
        self, start_gate: Any, media: Any, tmp_path: Path, trusted: list[str], told: str | None
    ) -> None:
        where = tmp_path / "g.sock"
        await start_gate(media[0], listen=f"unix:{where}", trusted_proxies=trusted)
        reader, writer = await asyncio.open_unix_connection(str(where))
        writer.write(b"GET /public/x HTTP/1.0\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
        assert b" 200 " in (await reader.read()).split(b"\r\n")[0]
        writer.close()
        assert media[1][0].headers.get("X-Forwarded-For") == told
