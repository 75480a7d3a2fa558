"""Where viewers find streams: URLs that play, each opening what it names and no more."""

from __future__ import annotations

from typing import Any

import pytest

URL = "http://127.0.0.1:9"
CLOSED = [{"match": "/{resource}/**", "access": "none"}]
KEY = {"kid": "k1", "secret": "a secret of more than thirty-two bytes, for tests"}


@pytest.fixture
async def gate(start_gate: Any, rpc_section: Any) -> Any:
    applications = {name: {"keys": [dict(KEY)]} for name in ("demo", "other")}
    streams = [
        {"match": "/lobby/**", "access": "public", "application": "demo"},
        {"match": "/live/hall/**", "access": "public", "layout": "aipix", "application": "demo"},
        *[{**each, "application": "demo"} for each in CLOSED],
    ]
    rpc = {**rpc_section, "application": "demo"}
    return await start_gate(URL, applications=applications, streams=streams, rpc=rpc)


class TestUrls:
    async def test_they_play(self, gate: Any, call_rpc: Any, ask: Any, media: Any) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=media[0])
        await call_rpc(gate, "Stream.Add", stream="cam2", url=media[0], layout="flussonic", dvr={"depth": 600})
        status, urls = await call_rpc(gate, "Stream.GetMediaUrls", streams=["cam1", "cam2", "nobody"])
        assert status == 200
        assert {uid: sorted(each) if each else each for uid, each in urls.items()} == {
            "cam1": ["download", "dvr", "live"],
            "cam2": ["download", "dvr", "live", "preview"],
            "nobody": False,
        }
        assert "&duration=600&" in urls["cam2"]["dvr"] or "-600.m3u8" in urls["cam2"]["dvr"]
        for each in (*urls["cam1"].values(), *urls["cam2"].values()):
            assert each.startswith(gate.url)
            got = await ask(gate, each.removeprefix(gate.url))
            while got.status == 302:
                got = await ask(gate, got.headers["Location"])
            assert got.status == 200, each

    async def test_each_opens_no_more_than_it_names(
        self, gate: Any, call_rpc: Any, ask: Any, media: Any
    ) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=media[0])
        _, urls = await call_rpc(gate, "Stream.GetMediaUrls", streams=["cam1"], ttl=60)
        tokens = {name: url.rpartition("token=")[2] for name, url in urls["cam1"].items()}
        for name, token in tokens.items():
            _, told = await call_rpc(gate, "Auth.InspectToken", token=token)
            right = {"download": "copy"}.get(name, name)
            claims = told["claims"]
            assert {key for key in ("live", "dvr", "copy") if claims.get(key)} == {right}
            assert claims["exp"] - claims["iat"] == 60
        for name, url in urls["cam1"].items():
            other = tokens["live" if name != "live" else "dvr"]
            target = url.removeprefix(gate.url).replace(tokens[name], other)
            got = await ask(gate, target)
            while got.status == 302:
                got = await ask(gate, got.headers["Location"])
            assert b"hls/segment" not in got.body
            assert b"media of" not in got.body

    @pytest.mark.parametrize(
        ("values", "shown"),
        [
            ({"access": {"allow": "public"}}, ["download", "dvr", "live"]),
            ({"access": {"allow": "protected"}}, ["download", "dvr", "live"]),
            ({"access": {"allow": "none"}}, None),
            ({"enable": False}, None),
            ({"application": "other"}, None),
            ({"layout": "hls"}, None),
            ({"dvr": {"depth": 0}}, ["live"]),
            ({"layout": "mediamtx"}, ["live"]),
        ],
    )
    async def test_what_is_served_is_shown(self, gate: Any, call_rpc: Any, values: Any, shown: Any) -> None:
        await call_rpc(gate, "Stream.Add", stream="cam1", url=URL, **values)
        _, urls = await call_rpc(gate, "Stream.GetMediaUrls", streams=["cam1"])
        assert (sorted(urls["cam1"]) if urls["cam1"] else None) == shown
        if "access" in values and shown:
            assert not any("token=" in url for url in urls["cam1"].values())

    async def test_of_one_that_a_rule_takes_the_paths_of(self, gate: Any, call_rpc: Any) -> None:
        await call_rpc(gate, "Stream.Add", stream="hall", url=URL)
        _, urls = await call_rpc(gate, "Stream.GetMediaUrls", streams=["hall"])
        # The rule is public, of the same layout, and serves the stream of this name.
        assert "token=" not in urls["hall"]["live"]
        assert "token=" in urls["hall"]["dvr"]

    async def test_they_begin_with_what_the_policy_says(
        self, start_gate: Any, rpc_section: Any, call_rpc: Any, http: Any
    ) -> None:
        for public_url, begin in (("https://tv.example/", "https://tv.example/live/"), (None, "/live/")):
            gate = await start_gate(URL, streams=CLOSED, rpc={**rpc_section, "public_url": public_url})
            await call_rpc(gate, "Stream.Add", stream="cam1", url=URL)
            call = {"jsonrpc": "2.0", "method": "Stream.GetMediaUrls", "params": [["cam1"]], "id": 1}
            headers = {"Authorization": "a-token-of-the-api"}
            async with http.post(f"{gate.admin_url}/api/", json=call, headers=headers) as answer:
                assert (await answer.json())["cam1"]["live"].startswith(begin)

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            ({}, "streams"),
            ({"streams": "cam1"}, "streams"),
            ({"streams": ["cam1", "a/b"]}, "streams[1]"),
            ({"streams": ["cam1"] * 501}, "streams"),
            ({"streams": ["cam1"], "ttl": 0}, "ttl"),
            ({"streams": ["cam1"], "ttl": "5"}, "ttl"),
        ],
    )
    async def test_bad_input(self, gate: Any, call_rpc: Any, params: Any, field: str) -> None:
        status, told = await call_rpc(gate, "Stream.GetMediaUrls", **params)
        assert (status, told["error"]["code"]) == (400, -32602)
        assert told["error"]["message"].startswith(f"{field}: ")
