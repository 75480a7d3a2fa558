"""Streams over the RPC: what is kept of them, what is refused and named, and where their viewers find them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from gate.store.client import Client
from gate.store.keys import STREAMS

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


class TestValues:
    async def test_what_is_said_is_kept(self, gate: Any, call_rpc: Any) -> None:
        since = time.time()
        said = {
            "layout": "flussonic",
            "enable": False,
            "access": {
                "allow": "protected",
                "whitelist": ["10.0.0.0/8", "192.0.2.7", "fd00::/8", "10.0.0.0/8"],
            },
            "dvr": {"depth": 86400},
            "application": "other",
        }
        status, stream = await call_rpc(
            gate, "Stream.Add", stream="cam1", url="HTTP://Origin.example/base/", **said
        )
        assert status == 200
        assert since - 2 < stream.pop("made_at") == stream.pop("changed_at") < time.time() + 2
        whitelist = ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]
        assert stream == {
            **said,
            "uid": "cam1",
            "url": "http://origin.example/base",
            "access": {"allow": "protected", "whitelist": whitelist},
        }

    async def test_what_is_not_said(self, gate: Any, call_rpc: Any) -> None:
        _, stream = await call_rpc(gate, "Stream.Add", stream="cam1", url=URL)
        assert (stream["layout"], stream["enable"], stream["dvr"]) == ("aipix", True, {})
        assert (stream["access"], stream["application"]) == ({"allow": "private", "whitelist": []}, "demo")
        assert "shadowed_by" not in stream

    async def test_an_update_changes_what_it_names(self, gate: Any, call_rpc: Any) -> None:
        _, before = await call_rpc(
            gate, "Stream.Add", stream="cam1", url=URL, dvr={"depth": 5}, access={"whitelist": ["10.0.0.0/8"]}
        )
        for given, shown in (
            ({}, {}),
            ({"url": "http://127.0.0.1:10"}, {"url": "http://127.0.0.1:10"}),
            ({"enable": False}, {"enable": False}),
            (
                {"access": {"allow": "protected"}},
                {"access": {"allow": "protected", "whitelist": ["10.0.0.0/8"]}},
            ),
            ({"access": {"whitelist": []}}, {"access": {"allow": "protected", "whitelist": []}}),
            ({"access": {}}, {}),
            ({"dvr": {"depth": 0}}, {"dvr": {"depth": 0}}),
            ({"dvr": {}}, {"dvr": {}}),
            ({"layout": "flussonic", "application": "other"}, {"layout": "flussonic", "application": "other"}),
        ):
            status, after = await call_rpc(gate, "Stream.Update", stream="cam1", **given)
            assert status == 200
            before = {**before, **shown, "changed_at": after["changed_at"]}
            assert after == before
            assert await call_rpc(gate, "Stream.Get", stream="cam1") == (200, after)

    async def test_there_is_one_of_a_name(self, gate: Any, call_rpc: Any) -> None:
        answers = await asyncio.gather(
            *(call_rpc(gate, "Stream.Add", stream="cam1", url=f"http://127.0.0.1:{n}") for n in range(1, 9))
        )
        assert sorted(status for status, _ in answers) == [200] + [400] * 7
        [fault] = {json.dumps(told["error"]["data"]) for status, told in answers if status == 400}
        assert json.loads(fault) == {"reason": "stream_exists"}

    async def test_without_one(self, gate: Any, call_rpc: Any) -> None:
        for method in ("Stream.Get", "Stream.Update"):
            status, told = await call_rpc(gate, method, stream="cam1")
            assert (status, told["error"]["code"]) == (400, -32005)
        assert await call_rpc(gate, "Stream.Remove", stream="cam1") == (200, False)
        assert await call_rpc(gate, "Stream.Revoke", streams=["cam1"]) == (200, {"cam1": False})

    async def test_a_revoked_one_is_kept_and_served_again_once_it_is_enabled(
        self, gate: Any, call_rpc: Any, ask: Any, media: Any
    ) -> None:
        for uid in ("cam1", "cam2"):
            await call_rpc(gate, "Stream.Add", stream=uid, url=media[0], access={"allow": "public"})
        told = await call_rpc(gate, "Stream.Revoke", streams=["cam1", "nobody", "cam1"])
        assert told == (200, {"cam1": True, "nobody": False})
        assert (await ask(gate, "/live/cam1/playlist_ios.m3u8")).reason == "access_none"
        assert (await ask(gate, "/live/cam2/playlist_ios.m3u8")).status == 200
        await call_rpc(gate, "Stream.Update", stream="cam1", enable=True)
        assert (await ask(gate, "/live/cam1/playlist_ios.m3u8")).status == 200


class TestList:
    async def test_each_comes_once(self, gate: Any, call_rpc: Any) -> None:
        uids = {f"cam{n}" for n in range(300)}
        added = await asyncio.gather(*(call_rpc(gate, "Stream.Add", stream=uid, url=URL) for uid in uids))
        assert {status for status, _ in added} == {200}
        found: list[str] = []
        cursor, pages = "", 0
        while pages == 0 or cursor:
            _, page = await call_rpc(gate, "Stream.List", limit=100, cursor=cursor)
            found += [stream["uid"] for stream in page["streams"]]
            cursor, pages = page["cursor"], pages + 1
        assert set(found) == uids
        assert 1 < pages < 20

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            *(({"limit": value}, "limit") for value in (0, 1001, -1, "5", 1.0, None)),
            *(({"cursor": value}, "cursor") for value in (5, None, "x", "-1", "9" * 20, "1" * 21, "\u0661")),
        ],
    )
    async def test_bad_input(self, gate: Any, call_rpc: Any, params: Any, field: str) -> None:
        status, told = await call_rpc(gate, "Stream.List", **params)
        assert (status, told["error"]["code"]) == (400, -32602)
        assert told["error"]["message"].startswith(f"{field}: ")

    async def test_a_damaged_one_is_said_to_be(self, gate: Any, call_rpc: Any, store_url: str) -> None:
        client = Client(store_url, timeout_s=5)
        await client.call("HSET", STREAMS, "cam1", "{}")
        await client.close()
        _, page = await call_rpc(gate, "Stream.List")
        assert page["streams"] == [{"uid": "cam1", "unreadable": "it is no stream of this version"}]
        status, told = await call_rpc(gate, "Stream.Get", stream="cam1")
        assert (status, told["error"]["data"]) == (503, {"reason": "store_error"})
        assert await call_rpc(gate, "Stream.GetMediaUrls", streams=["cam1"]) == (200, {"cam1": False})
        assert await call_rpc(gate, "Stream.Remove", stream="cam1") == (200, True)


class TestBadInput:
    """The right code, a message that names the field, and nothing written."""

    UIDS = (
        *(
            "",
            7,
            None,
            True,
            ["a"],
            ".",
            "..",
            "a..b",
            "a/b",
            "a%2Fb",
            "a b",
            "é",
            "a\u0000",
            "a\nb",
            "x" * 256,
        ),
        *("_gate.abc", "a:b", "~/a", "\U0001f600"),
    )

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            *(({"stream": value}, "stream") for value in UIDS),
            ({"stream": "live", "layout": "flussonic"}, "stream"),
            ({"stream": "_s", "layout": "flussonic"}, "stream"),
            *(
                ({"url": value}, "url")
                for value in (
                    *("", 7, None, "ftp://a", "a", "http://", "http://u:p@a", "http://a?b", "http://a/../b"),
                    *(
                        "http://a#b",
                        "http://a b",
                        "http://" + "a" * 2100,
                        "//a",
                        "http://a:0",
                        "http://a:70000",
                    ),
                )
            ),
            *(({"layout": value}, "layout") for value in ("", "xtream", "ziggeo", "nothing", 7, None)),
            *(({"enable": value}, "enable") for value in (1, 0, "true", None)),
            *(({"access": value}, "access") for value in ("private", None, [], 7)),
            ({"access": {"allow": "everybody"}}, "access.allow"),
            ({"access": {"allow": None}}, "access.allow"),
            ({"access": {"allow": "private", "users": []}}, "access.'users'"),
            ({"access": {"whitelist": "10.0.0.0/8"}}, "access.whitelist"),
            ({"access": {"whitelist": ["10.0.0.0/8", "10.0.0.1/8"]}}, "access.whitelist[1]"),
            ({"access": {"whitelist": ["nobody"]}}, "access.whitelist[0]"),
            ({"access": {"whitelist": [7]}}, "access.whitelist[0]"),
            ({"access": {"whitelist": ["10.0.0.1"] * 1001}}, "access.whitelist"),
            *(({"dvr": value}, "dvr") for value in (5, None, "5", [])),
            *(({"dvr": {"depth": value}}, "dvr.depth") for value in (-1, 1.5, "5", True, None, 2**63)),
            *(({"application": value}, "application") for value in ("nobody", "", 7, None)),
            ({"priority": 1}, "'priority'"),
        ],
    )
    async def test_of_streams(self, gate: Any, call_rpc: Any, params: Any, field: str, store_url: str) -> None:
        status, told = await call_rpc(gate, "Stream.Add", **{"stream": "cam1", "url": URL, **params})
        assert (status, told["error"]["code"]) == (400, -32602)
        assert told["error"]["message"].startswith(f"{field}: ")
        client = Client(store_url, timeout_s=5)
        assert await client.call("EXISTS", STREAMS) == 0
        await client.close()

    async def test_what_is_required(self, gate: Any, call_rpc: Any) -> None:
        _, told = await call_rpc(gate, "Stream.Add")
        assert told["error"]["message"] == "stream: required; url: required"
        for method in ("Stream.Update", "Stream.Get", "Stream.Remove"):
            _, told = await call_rpc(gate, method)
            assert told["error"]["message"] == "stream: required"

    async def test_an_update_writes_all_or_nothing(self, gate: Any, call_rpc: Any) -> None:
        _, before = await call_rpc(gate, "Stream.Add", stream="live", url=URL)
        for params in ({"enable": False, "access": {"allow": "x"}}, {"enable": False, "layout": "flussonic"}):
            status, _ = await call_rpc(gate, "Stream.Update", stream="live", **params)
            assert status == 400
        assert await call_rpc(gate, "Stream.Get", stream="live") == (200, before)

    async def test_a_batch_does_what_it_can(self, gate: Any, ask: Any) -> None:
        calls = [
            {"jsonrpc": "2.0", "method": "Stream.Add", "params": [uid, URL], "id": uid}
            for uid in ("cam1", "a/b", "cam2")
        ]
        headers = {"Authorization": "a-token-of-the-api"}
        got = await ask(gate, "/api/", "POST", json=calls, headers=headers)
        told = {each["id"]: "result" in each for each in json.loads(got.body)}
        assert told == {"cam1": True, "a/b": False, "cam2": True}


class TestClashes:
    async def test_a_rule_that_wins_is_told(self, gate: Any, call_rpc: Any) -> None:
        _, stream = await call_rpc(gate, "Stream.Add", stream="hall", url=URL)
        assert stream["shadowed_by"] == ["streams[1]: /live/hall/**"]
        _, stream = await call_rpc(gate, "Stream.Add", stream="lobby", url=URL, layout="flussonic")
        assert stream["shadowed_by"] == ["streams[0]: /lobby/**"]
        _, stream = await call_rpc(gate, "Stream.Update", stream="lobby", layout="aipix")
        assert "shadowed_by" not in stream
