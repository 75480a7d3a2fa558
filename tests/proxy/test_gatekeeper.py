"""From a request to its answer, through a real gate: redirects, credentials, spellings, refusals."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from aiohttp import ClientSession, web
from yarl import URL

FULL = {"live": True, "dvr": True, "copy": True}
SEGMENT = "/ch1/hls/segment1.ts"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


class TestRedirect:
    @pytest.mark.parametrize(
        ("query", "rest"),
        [
            ("token={}", ""),
            ("token={}&", "?"),
            ("a=%2F..%2f&token={}&b=+%20~&&c", "?a=%2F..%2f&b=+%20~&&c"),
            ("token={0}&x=1&token={0}", "?x=1"),
            ("%74oken={}&x='(\")", "?x='(\")"),
        ],
    )
    async def test_it_leads_to_the_same_target_below_a_ticket_less_the_token(
        self, start_gate: Any, media: Any, ask: Any, send_raw: Any, query: str, rest: str
    ) -> None:
        url, seen = media
        gate = await start_gate(url)
        token = gate.token("ch1")
        got = await ask(gate, "/ch1/index.m3u8?" + query.format(token))
        assert got.status == 302
        location = got.headers["Location"]
        front, ticket, path = location[:4], *location[4:].split("/", 1)
        assert front == "/_s/"
        assert "/" + path == "/ch1/index.m3u8" + rest
        assert token not in location
        assert token.encode() not in got.body
        assert "~" not in ticket
        assert got.headers["Cache-Control"] == "no-store"
        assert got.headers["Referrer-Policy"] == "no-referrer"
        assert "Content-Type" not in got.headers
        assert not seen
        request = f"GET {location} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        assert status_of(await send_raw(gate.port, request.encode())) == 200
        assert seen[-1].target == "/" + path

    async def test_the_token_is_nowhere_but_in_the_request(
        self, start_gate: Any, start_origin: Any, http: ClientSession, ask: Any, caplog: Any
    ) -> None:
        caplog.set_level(logging.DEBUG)

        async def echo(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(text=f"#EXTM3U\n{request.raw_path}\n{request.raw_headers!r}\n")

        url, seen = await start_origin(echo)
        gate = await start_gate(url)
        token = gate.token("ch1", **FULL)
        secret = token.rsplit(".", 1)[1]
        answers = []
        for headers in ({}, {"Authorization": f"Bearer {token}"}, {"Authorization": token}):
            for target in ("/ch1/index.m3u8", SEGMENT, "/ch2/index.m3u8", "/ch1//x", "/public/x"):
                query = f"?a=1&token={token}"
                referer = {"Referer": f"{gate.url}{target}{query}"}
                url = URL(gate.url + target + query, encoded=True)
                async with http.get(url, headers={**headers, **referer}, allow_redirects=False) as answer:
                    answers.append(f"{answer.headers!r} {await answer.text()}")
                    location = answer.headers.get("Location")
                if location:
                    got = await ask(gate, location, headers={**headers, **referer})
                    assert got.status == 200
                    answers.append(f"{got.headers!r} {got.body.decode()}")
        broken = f"{token[:-4]}AAAA"
        assert (await ask(gate, f"/ch1/index.m3u8?token={broken}")).reason == "token_signature"
        assert seen
        assert not [text for text in answers if secret[:-4] in text]
        for request in seen:
            assert secret not in request.target + repr(request.headers)
        for record in caplog.records:
            assert secret[:-4] not in f"{record.getMessage()} {record.args!r} {record.exc_text}"

    async def test_a_player_follows_it_and_needs_nothing_else(
        self, start_gate: Any, media: Any, http: ClientSession
    ) -> None:
        gate = await start_gate(media[0])
        async with http.get(
            f"{gate.url}/ch1/index.m3u8", params={"token": gate.token("ch1", **FULL)}
        ) as answer:
            assert (await answer.read()).startswith(b"#EXTM3U")
            below = answer.url.join(URL("hls/segment1.ts"))
        async with http.get(below) as answer:
            assert await answer.read() == b"media of /ch1/hls/segment1.ts"


class TestCredentials:
    async def test_statuses(self, start_gate: Any, media: Any, ask: Any) -> None:
        gate = await start_gate(media[0])
        good, other = gate.token("ch1"), gate.token("ch2")
        cases = [
            ("", {}, 401, "token_missing"),
            ("?token=x", {}, 401, "token_malformed"),
            (f"?token={other}", {}, 403, "resource_not_granted"),
            (f"?token={gate.token('ch1', exp=1)}", {}, 401, "token_expired"),
            (f"?token={gate.token('ch1', nbf=9999999999, exp=99999999999)}", {}, 401, "token_not_yet_valid"),
            (f"?token={gate.token('ch1', live=False)}", {}, 403, "live_not_granted"),
            (f"?token={gate.token('ch1', grants=None)}", {}, 403, "action_not_granted"),
            (f"?token={gate.token('ch1', bind={'ip': '192.0.2.1'})}", {}, 403, "binding_mismatch"),
            (f"?token={good}", {"Authorization": f"Bearer {other}"}, 400, "ambiguous_credentials"),
            (f"?token={good}&token={other}", {}, 400, "ambiguous_credentials"),
            (f"?token={good}", {"Authorization": f"Bearer {good}"}, 302, None),
        ]
        for query, headers, status, reason in cases:
            got = await ask(gate, f"/ch1/index.m3u8{query}", headers=headers)
            assert (got.status, got.reason) == (status, reason), query
        assert not media[1]

    async def test_the_token_may_be_repeated_beside_its_ticket(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", sub="anna", **FULL)
        link = await open_link(gate, "/ch1/index.m3u8", token)
        for beside, status, reason in [
            (token, 200, None),
            (gate.token("ch1", sub="anna", jti="fresh", **FULL), 200, None),
            (gate.token("ch1", sub="anna", jti="old", exp=1, **FULL), 401, "token_expired"),
            (gate.token("ch1", sub="berta", **FULL), 400, "ambiguous_credentials"),
            (gate.token("ch1", **FULL), 400, "ambiguous_credentials"),
            (token[:-8] + "AAAAAAAA", 401, "token_signature"),
        ]:
            got = await ask(gate, link, headers={"Authorization": f"Bearer {beside}"})
            assert (got.status, got.reason) == (status, reason)

    async def test_a_ticket_opens_what_its_token_opened_and_nothing_else(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gate = await start_gate(media[0])
        link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", **FULL))
        front = link.removesuffix("/ch1/index.m3u8")
        flipped = front[:-1] + ("A" if front[-1] != "A" else "B")
        assert (await ask(gate, f"{front}{SEGMENT}")).status == 200
        assert (await ask(gate, f"{front}/ch2/index.m3u8")).reason == "resource_not_granted"
        assert (await ask(gate, f"{flipped}{SEGMENT}")).reason == "ticket_invalid"
        assert (await ask(gate, front)).reason == "ticket_invalid"
        assert (await ask(gate, f"{front}/public/x")).status == 200
        assert not [seen for seen in media[1] if "_s" in seen.target]


class TestAnswersOfTheGate:
    async def test_a_refusal_is_a_problem_document_with_all_that_a_client_needs(
        self, start_gate: Any, media: Any, ask: Any
    ) -> None:
        gate = await start_gate(media[0])
        got = await ask(gate, "/ch1/index.m3u8", headers={"Origin": "https://p.example"})
        problem = json.loads(got.body)
        assert got.headers["Content-Type"] == "application/problem+json"
        assert {name: problem[name] for name in ("reason", "status", "title")} == {
            "reason": "token_missing",
            "status": 401,
            "title": "A token is needed.",
        }
        assert problem["request_id"] == got.headers["X-Request-Id"]
        assert got.headers["Gate-Reason"] == "token_missing"
        assert got.headers["WWW-Authenticate"].startswith("Bearer")
        assert got.headers["Cache-Control"] == "no-store"
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        assert "Gate-Reason" in got.headers["Access-Control-Expose-Headers"]
        got = await ask(gate, "/ch1/index.m3u8?token=x")
        assert 'error="invalid_token"' in got.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "PROPFIND"])
    async def test_uploads_take_a_grant(self, start_gate: Any, media: Any, ask: Any, method: str) -> None:
        gate = await start_gate(media[0])
        for body in (None, b"x" * 100_000):
            got = await ask(gate, f"/ch1/index.m3u8?token={gate.token('ch1')}", method, data=body)
            if method == "PROPFIND":
                assert (got.status, got.reason) == (405, "method_not_allowed")
                assert got.headers["Allow"] == "GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE"
            else:
                assert (got.status, got.reason) == (403, "action_not_granted")
        assert not media[1]

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "PROPFIND"])
    async def test_what_everybody_reads_nobody_writes(
        self, start_gate: Any, media: Any, ask: Any, method: str
    ) -> None:
        streams = [
            {"match": "/public/**", "access": "public", "layout": "object"},
            {"match": "/lan/**", "access": "protected", "networks": ["127.0.0.0/8"], "layout": "object"},
            {"match": "/read/**", "layout": "object", "methods": {"GET": "read", "PUT": "update"}},
        ]
        gate = await start_gate(media[0], streams=streams)
        everything = {action: {"all": True} for action in ("read", "create", "update", "destroy")}
        token = gate.token(grants=everything)
        for path, allowed in [
            ("/public/x", "GET, HEAD, OPTIONS"),
            ("/lan/x", "GET, HEAD, OPTIONS"),
            ("/read/x", "GET, PUT"),
        ]:
            for body in (None, b"x" * 100_000):
                got = await ask(gate, f"{path}?token={token}", method, data=body)
                if method in allowed:
                    assert got.status == 200
                    continue
                assert (got.status, got.reason) == (405, "method_not_allowed")
                assert got.headers["Allow"] == allowed
        assert all(request.target == "/read/x" for request in media[1])

    async def test_a_body_is_refused_where_none_belongs(
        self, start_gate: Any, media: Any, ask: Any, send_raw: Any
    ) -> None:
        gate = await start_gate(media[0])
        assert (await ask(gate, "/public/x", data=b"body")).reason == "body_not_allowed"
        answer = await send_raw(
            gate.port,
            b"GET /public/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        )
        assert status_of(answer) == 400
        assert not media[1]

    @pytest.mark.parametrize(
        "request_head",
        [
            b"GET /public/x HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
        ],
    )
    async def test_nothing_is_tunnelled(
        self, start_gate: Any, media: Any, send_raw: Any, request_head: bytes
    ) -> None:
        gate = await start_gate(media[0])
        assert status_of(await send_raw(gate.port, request_head)) == 400
        assert not media[1]

    async def test_preflights(self, start_gate: Any, media: Any, ask: Any) -> None:
        gate = await start_gate(media[0], cors={"origins": ["https://p.example"], "max_age": "10m"})
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
        got = await ask(gate, "/ch1/index.m3u8", "OPTIONS", headers={"Origin": "https://p.example", **asked})
        assert got.status == 204
        assert got.headers["Access-Control-Allow-Origin"] == "https://p.example"
        assert got.headers["Access-Control-Allow-Headers"] == "range"
        assert got.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE"
        assert "Content-Type" not in got.headers
        assert got.headers["Access-Control-Max-Age"] == "600"
        assert got.headers["Vary"] == "Origin"
        got = await ask(gate, "/ch1/index.m3u8", "OPTIONS", headers={"Origin": "https://evil.example", **asked})
        assert "Access-Control-Allow-Origin" not in got.headers
        assert not media[1]
        got = await ask(gate, f"/ch1/index.m3u8?token={gate.token('ch1')}", "OPTIONS")
        assert (got.status, media[1][0].method) == (200, "OPTIONS")

    async def test_odd_bytes_in_headers_are_no_fault_of_the_gate(
        self, start_gate: Any, media: Any, send_raw: Any, caplog: Any
    ) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", session_limit=1).encode()
        odd = b"Host: h\r\nOrigin: \xff\r\nUser-Agent: \xff\xfe\r\nConnection: close\r\n"
        asked = b"Access-Control-Request-Method: \xff\r\nAccess-Control-Request-Headers: \xff\r\n"
        answer = await send_raw(gate.port, b"OPTIONS /ch1/x HTTP/1.1\r\n" + odd + asked + b"\r\n")
        assert status_of(answer) == 204
        answer = await send_raw(
            gate.port, b"GET /ch1/index.m3u8?token=" + token + b" HTTP/1.1\r\n" + odd + b"\r\n"
        )
        assert status_of(answer) == 302
        link = answer.partition(b"Location: ")[2].partition(b"\r\n")[0]
        segment = link.replace(b"index.m3u8", b"mpegts")
        assert status_of(await send_raw(gate.port, b"GET " + segment + b" HTTP/1.1\r\n" + odd + b"\r\n")) == 200
        answer = await send_raw(gate.port, b"GET /ch1/x HTTP/1.1\r\nAuthorization: \xff\r\n" + odd + b"\r\n")
        assert status_of(answer) == 401
        answer = await send_raw(gate.port, b"GET /public/x HTTP/1.1\r\nX: a\x01\x7f\r\n" + odd + b"\r\n")
        assert status_of(answer) in (200, 400)
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
