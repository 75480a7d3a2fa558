"""aipix's access tokens from end to end: made over the RPC, tried against what a server of that kind serves."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

STEP_S = 10
LIVE = "/live/cam1/playlist_ios.m3u8"
OPEN = {"live": True, "dvr": True, "copy": True}


def playlist(start_s: int, end_s: int, *, ends: bool) -> str:
    """Segments of ten seconds, each dated and named by when it begins."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{STEP_S}",
        f"#EXT-X-MEDIA-SEQUENCE:{start_s}",
    ]
    for at in range(start_s, end_s, STEP_S):
        date = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:{date}", f"#EXTINF:{STEP_S}.0,", f"media-{at}.ts"]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if ends else []), ""])


async def serve(request: web.BaseRequest) -> web.StreamResponse:
    """A server of aipix's, in little: live, archive, export and segments of every stream."""
    path, _, query = request.raw_path.partition("?")
    asked = parse_qs(query)
    if "token" in asked or "Authorization" in request.headers:
        return web.Response(status=500, text="a credential reached the origin")
    if path.endswith(".ts"):
        return web.Response(body=b"media", content_type="video/mp2t")
    now = int(time.time()) // STEP_S * STEP_S
    start, length = (int(asked.get(name, ["0"])[0]) for name in ("timestamp", "duration"))
    if path.startswith("/live/") and not query:
        text = playlist(now - 30, now, ends=False)
    elif path.endswith("/playlist_ios.m3u8") and length:
        text = playlist(start, start + length, ends=True)
    elif path.endswith("/record.mp4") and length:
        return web.Response(body=b"export of %d+%d" % (start, length), content_type="video/mp4")
    else:
        return web.Response(status=404)
    return web.Response(text=text, content_type="application/vnd.apple.mpegurl")


@pytest.fixture
async def origin(start_origin: Any) -> str:
    url, _ = await start_origin(serve)
    return str(url)


@pytest.fixture
async def gate(start_gate: Any, origin: str, rpc_section: Any) -> Any:
    applications = {
        "demo": {
            "keys": [{"kid": "k1", "secret": "a secret of more than thirty-two bytes, for tests"}],
            "unlimited_ttl": True,
        }
    }
    streams = [{"match": "/{resource}/**", "access": "none"}]
    return await start_gate(origin, applications=applications, streams=streams, rpc=rpc_section)


Play = Callable[..., Awaitable[Any]]


@pytest.fixture
def play(ask: Any) -> Play:
    """Asks for a target with a token, and for its link where that is the answer."""

    async def play(gate: Any, target: str, token: str | None = None) -> Any:
        mark = "&" if "?" in target else "?"
        got = await ask(gate, target if token is None else f"{target}{mark}token={token}")
        while got.status == 302:
            got = await ask(gate, got.headers["Location"])
        return got

    return play


def segments_of(body: bytes) -> list[int]:
    return [int(at) for at in re.findall(rb"media-(\d+)\.ts", body)]


# A window of half an hour that is over, and what is asked for around it, in seconds from its beginning.
LASTS_S = 1800
ASKED = {
    "inside": (600, 900),
    "before": (-900, -600),
    "after": (LASTS_S + 300, LASTS_S + 600),
    "up to its beginning": (-300, 0),
    "from its end": (LASTS_S, LASTS_S + 300),
    "the whole": (0, LASTS_S),
    "across its beginning": (-300, 300),
    "across its end": (LASTS_S - 300, LASTS_S + 300),
    "across both": (-300, LASTS_S + 300),
}
BOUNDS = [(False, False), (True, False), (False, True), (True, True)]


class TestTable:
    """Every combination of live, dvr and copy, with and without from and to."""

    @pytest.mark.timed
    @pytest.mark.parametrize(("bounded_from", "bounded_to"), BOUNDS)
    async def test_of_rights_and_bounds(
        self, gate: Any, origin: str, call_rpc: Any, play: Play, bounded_from: bool, bounded_to: bool
    ) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=origin)
        begin = int(time.time()) // STEP_S * STEP_S - 2 * LASTS_S
        bounds = {"from": begin if bounded_from else 0, "to": begin + LASTS_S if bounded_to else 0}
        allowed = range(begin if bounded_from else 0, begin + LASTS_S if bounded_to else 2**40)
        for live, dvr, copy in itertools.product((False, True), repeat=3):
            rights = {"live": live, "dvr": dvr, "copy": copy}
            status, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", **rights, **bounds)
            assert status == 200
            got = await play(gate, LIVE, token)
            # Of the live playlist the right to the archive shows what is live no longer: here there is nothing.
            shown = live or (dvr and not bounded_to)
            assert got.status == (200 if shown else 403), (rights, bounds, got.body)
            assert bool(segments_of(got.body)) is live
            for where, (start, end) in ASKED.items():
                wanted = range(begin + start, begin + end, STEP_S)
                part = [at for at in wanted if at in allowed]
                query = f"timestamp={wanted.start}&duration={end - start}"
                told = (rights, bounds, where)
                got = await play(gate, f"/dvr/cam1/playlist_ios.m3u8?{query}", token)
                assert got.status == (200 if dvr and part else 403), (*told, got.body)
                assert segments_of(got.body) == (part if dvr else []), told
                got = await play(gate, f"/dvr/cam1/record.mp4?{query}", token)
                whole = copy and len(part) == len(wanted)
                assert got.status == (200 if whole else 403), (*told, got.body)
                assert got.body.startswith(b"export of") is whole, told

    async def test_by_default_nothing_is_granted(
        self, gate: Any, origin: str, call_rpc: Any, play: Play
    ) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=origin)
        at = int(time.time()) - 600
        for method in ("Auth.CreateAccessToken", "Auth.CreateApiToken"):
            status, token = await call_rpc(gate, method, stream="cam1")
            assert status == 200
            for target in (
                LIVE,
                f"/dvr/cam1/playlist_ios.m3u8?timestamp={at}&duration=60",
                f"/dvr/cam1/record.mp4?timestamp={at}&duration=60",
                "/live/cam1/media-1.ts",
                "/dvr/cam1/media-1.ts",
                "/dvr/cam1/playlist_ios.m3u8",
                "/dvr/cam1/record.mp4",
            ):
                got = await play(gate, target, token)
                assert (got.status, got.reason is not None) == (403, True), target

    async def test_a_url_that_says_no_time_is_for_those_without_bounds(
        self, gate: Any, origin: str, call_rpc: Any, play: Play
    ) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=origin)
        for bounds, status in (({}, 404), ({"from": 5}, 403)):  # 404 is the origin's
            _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", **OPEN, **bounds)
            assert (await play(gate, "/dvr/cam1/record.mp4", token)).status == status

    async def test_a_token_is_for_one_stream(self, gate: Any, origin: str, call_rpc: Any, play: Play) -> None:
        for uid in ("cam1", "cam10", "Cam1"):
            await call_rpc(gate, "Stream.Add", stream=uid, url=origin)
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", **OPEN)
        assert (await play(gate, LIVE, token)).status == 200
        for uid in ("cam10", "Cam1"):
            got = await play(gate, LIVE.replace("cam1", uid), token)
            assert (got.status, got.reason) == (403, "resource_not_granted")

    async def test_segments_are_played_under_the_link(
        self, gate: Any, origin: str, call_rpc: Any, ask: Any
    ) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=origin)
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", live=True)
        link = (await ask(gate, f"{LIVE}?token={token}")).headers["Location"]
        listed = (await ask(gate, link)).body.decode()
        names = [line for line in listed.splitlines() if line and not line.startswith("#")]
        assert names
        got = await ask(gate, f"{link.rpartition('/')[0]}/{names[-1]}")
        assert (got.status, got.body) == (200, b"media")


class TestLifetimes:
    async def test_an_hour_by_default_and_what_is_said(self, gate: Any, call_rpc: Any) -> None:
        for params, lasts_s in (
            ({}, 3600),
            ({"ttl": 5}, 5),
            ({"ttl": 0}, None),
            ({"ttl": 2**32 - 1}, 2**32 - 1),
        ):
            _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", **params)
            _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
            assert told["in_force"] is True
            assert told["kind"] == "access"
            lasts = None if told["ends_at"] is None else told["ends_at"] - told["issued_at"]
            assert lasts == lasts_s

    async def test_one_that_has_ended_opens_nothing(
        self, gate: Any, origin: str, call_rpc: Any, play: Play
    ) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=origin)
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", ttl=1, live=True)
        await asyncio.sleep(1.1)
        got = await play(gate, LIVE, token)
        assert (got.status, got.reason) == (401, "token_expired")
        _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
        assert (told["in_force"], told["reason"]) == (False, "token_expired")

    async def test_without_an_end_it_is_said_in_the_log(self, gate: Any, call_rpc: Any, caplog: Any) -> None:
        caplog.set_level(logging.WARNING, "gate.rpc")
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", ttl=0)
        _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
        [record] = [record for record in caplog.records if record.name == "gate.rpc"]
        assert told["claims"]["jti"] in record.getMessage()
        assert "has no end" in record.getMessage()
        assert token not in caplog.text

    async def test_the_application_caps_them(self, start_gate: Any, rpc_section: Any, call_rpc: Any) -> None:
        key = {"kid": "k1", "secret": "a secret of more than thirty-two bytes, for tests"}
        demo = {"keys": [key], "max_ttl": "10m"}
        gate = await start_gate("http://127.0.0.1:9", applications={"demo": demo}, rpc=rpc_section)
        for ttl, told in (
            (601, "ttl: expected whole seconds, at most 600"),
            (0, "ttl: expected whole seconds from 1"),
        ):
            status, answer = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", ttl=ttl)
            assert (status, answer["error"]) == (400, {"code": -32602, "message": told})
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1")
        _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
        assert (told["in_force"], told["ends_at"] - told["issued_at"]) == (True, 600)


class TestAsDocumented:
    """The samples of the documentation, as they are but for host and token."""

    SAMPLE = '{"jsonrpc":"2.0","method":"Auth.CreateApiToken","params":{"stream":"uid","ttl":3600},"id":1}'

    async def test_curl(self, gate: Any, ask: Any) -> None:
        # curl sends this type of its own accord where no other is named.
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            headers = {"Authorization": "Bearer a-token-of-the-api", "Content-Type": kind, "Accept": "*/*"}
            got = await ask(gate, "/api/", "POST", data=self.SAMPLE, headers=headers)
            assert (got.status, got.headers["Content-Type"]) == (200, "application/json")
            token = json.loads(got.body)
            assert isinstance(token, str)
            assert token.count(".") == 2

    async def test_in_any_envelope_the_fault_is_the_documented_one(self, gate: Any, ask: Any) -> None:
        body = self.SAMPLE.replace("CreateApiToken", "CreateNothing")
        got = await ask(gate, "/api/", "POST", data=body, headers={"Authorization": "a-token-of-the-api"})
        assert got.status == 400
        assert json.loads(got.body) == {"error": {"code": -32601, "message": "Method not found"}}

    async def test_by_position(self, gate: Any, ask: Any, call_rpc: Any) -> None:
        for params, kinds in ((["uid", 60], "access"), (["uid", 60, True, True, False, 5, 7], "access")):
            body = json.dumps({"jsonrpc": "2.0", "method": "Auth.CreateApiToken", "params": params, "id": 1})
            got = await ask(gate, "/api/", "POST", data=body, headers={"Authorization": "a-token-of-the-api"})
            assert got.status == 200
            _, told = await call_rpc(gate, "Auth.InspectToken", token=json.loads(got.body))
            assert told["kind"] == kinds
            assert told["claims"]["grants"] == {"read": {"resources": ["uid"]}}
        assert (told["claims"]["live"], told["claims"]["from"], told["claims"]["to"]) == (True, 5, 7)
        body = json.dumps({"jsonrpc": "2.0", "method": "Auth.CreateApiToken", "params": [60], "id": 1})
        got = await ask(gate, "/api/", "POST", data=body, headers={"Authorization": "a-token-of-the-api"})
        assert json.loads(got.body)["error"]["code"] == -32008

    async def test_a_token_is_good_on_any_gate_with_the_key(
        self, gate: Any, start_gate: Any, origin: str, call_rpc: Any, play: Play
    ) -> None:
        """Also where the stream is one of the policy file's, and the gate knows no RPC."""
        streams = [{"match": "/live/**", "layout": "aipix"}]
        other = await start_gate(origin, streams=streams)
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="elsewhere", live=True)
        assert (await play(other, LIVE.replace("cam1", "elsewhere"), token)).status == 200


class TestRevoking:
    @pytest.mark.parametrize("by", ["text", "jti"])
    async def test_a_token_is_good_for_nothing_any_more(
        self, gate: Any, origin: str, call_rpc: Any, play: Play, ask: Any, by: str
    ) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=origin)
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", live=True)
        link = (await ask(gate, f"{LIVE}?token={token}")).headers["Location"]
        assert (await ask(gate, link)).status == 200
        _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
        named = token if by == "text" else told["claims"]["jti"]
        assert await call_rpc(gate, "Auth.RevokeToken", token=named) == (200, True)
        assert (await play(gate, LIVE, token)).reason == "revoked"
        assert (await ask(gate, link)).reason == "revoked"
        _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
        assert (told["in_force"], told["reason"]) == (False, "revoked")

    @pytest.mark.parametrize(
        "text", ["eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "eyJhbGciOiJIUzI1NiJ9", "api_", "api_AAAA", "x" * 65, "a.b"]
    )
    async def test_what_names_no_token(self, gate: Any, call_rpc: Any, text: str) -> None:
        status, told = await call_rpc(gate, "Auth.RevokeToken", token=text)
        assert (status, told["error"]["code"]) == (400, -32602)
        assert told["error"]["message"].startswith("token: ")
        status, told = await call_rpc(gate, "Auth.InspectToken", token=text)
        assert (status, told["kind"], told["in_force"]) == (200, None, False)


async def test_only_for_streams_where_the_policy_says_so(
    start_gate: Any, rpc_section: Any, call_rpc: Any
) -> None:
    gate = await start_gate("http://127.0.0.1:9", rpc={**rpc_section, "require_stream": True})
    status, told = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1")
    assert (status, told["error"]["code"], told["error"]["data"]) == (400, -32005, {"reason": "no_such_stream"})
    await call_rpc(gate, "Stream.Add", stream="cam1", url="http://127.0.0.1:9")
    assert (await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1"))[0] == 200


async def test_issuer_and_audience_are_those_that_the_application_accepts(
    start_gate: Any, rpc_section: Any, call_rpc: Any
) -> None:
    key = {"kid": "k1", "secret": "a secret of more than thirty-two bytes, for tests"}
    demo = {"keys": [key], "issuers": ["us"], "audiences": ["tv", "web"], "required_claims": ["iss", "jti"]}
    gate = await start_gate("http://127.0.0.1:9", applications={"demo": demo}, rpc=rpc_section)
    _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1")
    _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
    assert (told["in_force"], told["claims"]["iss"], told["claims"]["aud"]) == (True, "us", "tv")


class TestBadInput:
    """The right code, a message that names the field, and nothing written."""

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            ({}, "stream"),
            *(
                ({"stream": value}, "stream")
                for value in (
                    "",
                    7,
                    None,
                    ["a"],
                    "..",
                    "a/b",
                    "a%2Fb",
                    "a..b",
                    "a b",
                    "é",
                    "x" * 256,
                    "a\u0000",
                )
            ),
            *(
                ({"stream": "a", "ttl": value}, "ttl")
                for value in (-1, 1.5, "60", True, None, 2**32, 2**63, 1e300)
            ),
            *(
                ({"stream": "a", name: value}, name)
                for name in ("live", "dvr", "copy")
                for value in (1, 0, "true", None, [])
            ),
            *(
                ({"stream": "a", name: value}, name)
                for name in ("from", "to")
                for value in (-1, 1.0, "5", False, 2**63, None)
            ),
            ({"stream": "a", "from": 7, "to": 5}, "to"),
            ({"stream": "a", "lives": True}, "'lives'"),
            ({"stream": "a", "resources": ["b"]}, "'resources'"),
        ],
    )
    async def test_of_access_tokens(self, gate: Any, call_rpc: Any, params: Any, field: str) -> None:
        status, told = await call_rpc(gate, "Auth.CreateAccessToken", **params)
        assert (status, told["error"]["code"]) == (400, -32602)
        assert told["error"]["message"].startswith(f"{field}: ")

    async def test_a_name_as_long_as_a_book(self, gate: Any, ask: Any) -> None:
        body = json.dumps(
            {"jsonrpc": "2.0", "method": "Stream.Add", "params": {"stream": "x" * 2**20}, "id": 1}
        )
        data = io.BytesIO(body.encode())
        got = await ask(gate, "/api/", "POST", data=data, headers={"Authorization": "a-token-of-the-api"})
        assert (got.status, json.loads(got.body)["error"]["code"]) == (413, -32003)
