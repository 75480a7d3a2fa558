"""Both clients, against the gate's own codec on real sockets."""

from __future__ import annotations

import asyncio
import inspect
import json
import pickle
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

import gate.client
from gate.client import (
    Access,
    AsyncClient,
    Client,
    Dvr,
    MediaUrls,
    RpcError,
    StreamInfo,
    TokenRefused,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    calls,
)
from gate.core.keys import Keyring
from gate.core.windows import Span
from gate.formats import jwt
from tests.client.server import KEY, TOKEN, Api, serving

CAM1 = StreamInfo(
    uid="cam1",
    url="http://10.0.0.5:8080",
    layout="aipix",
    enable=True,
    access=Access("private"),
    dvr=Dvr(None),
    application="demo",
    made_at=1_795_255_200.5,
    changed_at=1_795_255_300.0,
    shadowed_by=(),
)
MINT = "Auth.CreateAccessToken"


class TestTokens:
    async def test_what_is_granted(self, client):
        text = await client.create_access_token("cam1", ttl=60, live=True, dvr=True, from_=1000, to=2000)
        token = jwt.verify(text, "demo", Keyring([KEY]))
        rights = token.warrant.rights
        assert (rights.live, rights.dvr, rights.copy) == (True, True, False)
        assert token.warrant.windows.spans == (Span(1_000_000, 2_000_000),)
        assert 50 < token.expires_at - time.time() <= 60

    async def test_by_itself_nothing_for_as_long_as_the_gate_says(self, client, api):
        await client.create_access_token("cam1")
        plain = {"live": False, "dvr": False, "copy": False, "from": 0, "to": 0}
        assert json.loads(api.bodies[0])["params"] == {"stream": "cam1", **plain}
        assert api.asked == [(MINT, {"stream": "cam1", "ttl": 3600, **plain})]

    async def test_dates_are_unix_seconds(self, client, api):
        start = datetime(2026, 11, 21, 10, 0, 0, 999_999, UTC)
        end = datetime(2026, 11, 21, 14, tzinfo=timezone(timedelta(hours=2)))
        await client.create_access_token("cam1", dvr=True, from_=start, to=end)
        assert (api.asked[0][1]["from"], api.asked[0][1]["to"]) == (1_795_255_200, 1_795_262_400)

    @pytest.mark.parametrize("date", [datetime(2026, 11, 21), datetime(1970, 1, 1, 0, 0, 0, 5, UTC)])
    async def test_a_date_that_would_be_another_time_or_no_bound(self, client, api, date):
        for bound in ("from_", "to"):
            with pytest.raises(ValueError, match=f"^{bound}: a date"):
                await client.create_access_token("cam1", dvr=True, **{bound: date})
        assert not api.headers

    async def test_api_tokens_and_what_is_told_of_tokens(self, client, api):
        assert await client.create_api_token(60) == "api_60"
        text = await client.create_access_token("cam1", live=True)
        told = await client.inspect_token(text)
        assert (told.kind, told.in_force, told.reason, told.application) == ("access", True, None, "demo")
        assert told.ends_at - told.issued_at == 3600
        assert told.claims == {"live": True}
        assert isinstance(hash(told), int)
        assert await client.revoke_token(text) is None
        told = await client.inspect_token(text)
        assert (told.in_force, told.reason) == (False, "revoked")


class TestStreams:
    async def test_a_life(self, client, api):
        assert await client.add_stream("cam1", "http://10.0.0.5:8080") == CAM1
        assert await client.get_stream("cam1") == CAM1
        access = Access("protected", ("10.0.0.0/8",))
        changed = await client.update_stream("cam1", access=access, dvr=Dvr(86400), enable=False)
        assert (changed.access, changed.dvr, changed.enable) == (access, Dvr(86400), False)
        assert changed.url == CAM1.url
        assert await client.revoke_streams(("cam1", "cam2")) == {"cam1": True, "cam2": False}
        assert await client.remove_stream("cam1")
        assert not await client.remove_stream("cam1")
        assert [name for name, _ in api.asked][-3:] == ["Stream.Revoke", "Stream.Remove", "Stream.Remove"]

    async def test_as_documented_too(self, client):
        info = await client.add_stream(
            "closed",
            "http://10.0.0.5:8080",
            layout="flussonic",
            access={"allow": "public"},
            dvr={"depth": 60},
            application="other",
        )
        assert (info.access.allow, info.dvr, info.application) == ("public", Dvr(60), "other")
        assert (info.layout, info.shadowed_by) == ("flussonic", ("rule 1: /closed/**",))

    @pytest.mark.parametrize("limit", [None, 1, 2, 5])
    async def test_all_pages_each_once(self, client, api, limit):
        for number in range(5):
            await client.add_stream(f"cam{number}", "http://10.0.0.5:8080")
        found = await client.list_streams(limit=limit)
        assert [stream.uid for stream in found] == [f"cam{number}" for number in range(5)]

    async def test_one_that_cannot_be_read_hides_no_other(self, client, api):
        await client.add_stream("cam1", "http://10.0.0.5:8080")
        api.streams["cam0"] = {"uid": "cam0", "unreadable": "it is no JSON"}
        broken, whole = await client.list_streams()
        assert (broken.uid, broken.unreadable, broken.enable, broken.access.allow) == (
            "cam0",
            "it is no JSON",
            False,
            "none",
        )
        assert whole == CAM1

    async def test_none(self, client):
        assert await client.list_streams() == []

    async def test_where_it_is_watched(self, client, api):
        await client.add_stream("cam1", "http://10.0.0.5:8080")
        urls = await client.get_media_urls(["cam1", "cam2"], ttl=60)
        front = "https://gate.example"
        assert urls == {
            "cam1": MediaUrls(
                live=f"{front}/live/cam1/playlist_ios.m3u8?token=secret-of-cam1",
                dvr=f"{front}/dvr/cam1/playlist_ios.m3u8?token=secret-of-cam1",
                download=f"{front}/dvr/cam1/record.mp4?token=secret-of-cam1",
            ),
            "cam2": None,
        }
        assert "secret" not in repr(urls)
        assert f"{front}/dvr/cam1/record.mp4" in repr(urls)
        assert api.asked[-1][1]["ttl"] == 60

    async def test_one_name_is_no_list(self, client, api):
        with pytest.raises(TypeError, match=r"\[name\]"):
            await client.get_media_urls("cam1")
        assert not api.headers


class TestCalls:
    async def test_any_method(self, client, api):
        assert (await client.call("Rpc.Describe"))["info"] == {"title": "gate", "version": "1"}
        assert jwt.verify(await client.call(MINT, stream="cam1", from_=5), "demo", Keyring([KEY]))
        assert api.asked[0][1]["from"] == 5
        with pytest.raises(ValueError, match="twice"):
            await client.call(MINT, from_=5, **{"from": 6})

    async def test_in_one_request(self, client, api):
        uids = ["cam1", "cam2", "c/m3", "cam4"]
        told = await client.batch(calls.create_access_token(uid, live=True) for uid in uids)
        assert len(api.bodies) == 1
        assert [type(each) for each in told] == [str, str, RpcError, str]
        granted = [jwt.verify(each, "demo", Keyring([KEY])) for each in told if isinstance(each, str)]
        assert ["cam2" in str(token.warrant.grants) for token in granted] == [False, True, False]
        assert told[2].code == -32602
        assert str(told[2]).startswith("stream: expected")

    async def test_of_different_kinds(self, client):
        added, wrong, missing = await client.batch(
            [
                calls.add_stream("cam1", "http://10.0.0.5:8080"),
                calls.call("No.Such"),
                calls.get_stream("cam2"),
            ]
        )
        assert added == CAM1
        assert (wrong.code, wrong.reason, str(wrong)) == (-32601, None, "Method not found")
        assert (missing.code, missing.reason, missing.data["stream"]) == (-32011, "no_stream", "cam2")

    async def test_of_none_and_of_too_many(self, client, api):
        assert await client.batch([]) == []
        assert not api.headers
        with pytest.raises(RpcError, match="at most 100 calls, got 101"):
            await client.batch([calls.get_stream("cam1")] * 101)

    async def test_the_stores_trouble_in_a_batch(self, client, api):
        api.store_away = True
        (told,) = await client.batch([calls.get_stream("cam1")])
        assert isinstance(told, Unavailable)

    async def test_bare_answers_are_read_as_well(self, connect, api):
        api.bare = True
        client = connect(api.url)
        assert isinstance(await client.create_access_token("cam1"), str)
        assert await client.add_stream("cam1", "http://10.0.0.5:8080") == CAM1
        assert await client.remove_stream("cam1") is True
        with pytest.raises(RpcError) as caught:
            await client.get_stream("cam1")
        assert (caught.value.code, caught.value.reason) == (-32011, "no_stream")
        assert isinstance((await client.batch([calls.get_stream("cam1")]))[0], RpcError)

    async def test_many_at_once_on_connections_that_stay(self, client, api):
        for _ in range(3):
            await asyncio.gather(*(client.create_access_token(f"cam{number}") for number in range(8)))
        assert len(api.asked) == 24
        assert len(api.connections) <= 8
        await client.close()
        await client.create_access_token("cam1")

    async def test_what_goes_out(self, client, api):
        await client.create_api_token(0)
        assert json.loads(api.bodies[0]) == {
            "jsonrpc": "2.0",
            "method": "Auth.CreateApiToken",
            "params": {"ttl": 0},
            "id": 1,
        }
        sent = {name.lower(): value for name, value in api.headers[0].items()}
        assert sent["authorization"] == f"Bearer {TOKEN}"
        assert (sent["accept"], sent["content-type"]) == ("application/json-rpc", "application/json")
        known = {"host", "content-length", "user-agent", "accept-encoding"}
        assert sent.keys() - known == {"authorization", "accept", "content-type"}

    async def test_through_a_unix_socket(self, connect, tmp_path):
        api = Api(token=None)
        with serving(api, tmp_path / "admin.sock") as url:
            client = connect(url, None)
            assert await client.create_api_token(5) == "api_5"
            assert await client.create_api_token(6) == "api_6"
            assert len(api.connections) == 1
            assert "Authorization" not in api.headers[0]
            await client.close()

    async def test_as_the_documentation_writes_it(self, api):
        with Client(api.url, TOKEN) as client:
            assert client.create_api_token(5) == "api_5"
        async with AsyncClient(api.url, TOKEN) as client:
            assert await client.create_api_token(6) == "api_6"
            assert [stream async for stream in client.list_streams()] == []

    async def test_below_a_path(self, connect, api):
        assert await connect(f"{api.url}/base/").create_api_token(5) == "api_5"


class TestErrors:
    async def test_a_refusal(self, client):
        with pytest.raises(RpcError) as caught:
            await client.create_access_token("cam/1", ttl=-1, from_=2, to=1)
        assert type(caught.value) is RpcError
        assert caught.value.code == -32602
        assert "stream: expected" in caught.value.message
        assert "ttl: expected" in str(caught.value)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), again.code, str(again)) == (RpcError, -32602, str(caught.value))

    async def test_a_bad_token(self, connect, api):
        for token, said in (
            ("another-api-token", "does not take this API token"),
            (None, "wants an API token"),
        ):
            with pytest.raises(TokenRefused, match=said) as caught:
                await connect(api.url, token).get_stream("cam1")
            assert "another" not in str(caught.value)
            assert caught.value.reason == "token_missing"

    async def test_a_body_that_is_too_long(self, connect, api):
        api.longest = 10
        with pytest.raises(RpcError, match="The body is too long") as caught:
            await connect(api.url).get_stream("cam1")
        assert caught.value.code == -32600

    async def test_the_store_is_away(self, client, api):
        api.store_away = True
        with pytest.raises(Unavailable, match="cannot answer now: the store at") as caught:
            await client.get_stream("cam1")
        assert (caught.value.code, caught.value.reason) == (-32000, "store_unavailable")
        assert not isinstance(caught.value, Unreachable)

    async def test_another_server(self, connect, api):
        with pytest.raises(UnexpectedAnswer, match=r"is not the API of a gate: HTTP 404$"):
            await connect(f"{api.url}/elsewhere").get_stream("cam1")

    async def test_no_answer_in_time(self, connect, api):
        api.delay_s = 5
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            await connect(api.url, timeout_s=0.2).get_stream("cam1")
        assert time.monotonic() - began < 3

    async def test_nobody_is_there(self, connect, api, tmp_path):
        with pytest.raises(Unreachable, match=r"no gate answers at http://127\.0\.0\.1:1: connection refused$"):
            await connect("http://127.0.0.1:1").get_stream("cam1")
        with pytest.raises(Unreachable, match=r"nowhere\.sock: no such file or directory$"):
            await connect(f"unix://{tmp_path}/nowhere.sock").get_stream("cam1")

    async def test_no_secret_is_in_any_text(self, client, connect, api):
        secret = "a-token-that-somebody-asks-about"
        with pytest.raises(RpcError) as caught:
            await client.inspect_token(secret)
        assert str(caught.value) == "token: [credential] is none"
        for call in (calls.inspect_token(secret), calls.revoke_token(secret)):
            assert secret not in repr(call)
        assert TOKEN not in repr(client.client)
        assert repr(client.client) == f"{type(client.client).__name__}({api.url!r})"
        assert TOKEN not in repr(vars(client.client))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"cam1"])
    async def test_what_json_cannot_say(self, client, api, value):
        with pytest.raises((TypeError, ValueError)):
            await client.call(MINT, stream=value)
        assert not api.headers

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize(
        "url",
        [
            "127.0.0.1:8081",
            "ftp://x",
            "http://",
            "http://u:p@x",
            "http://x/?a=b",
            "http://x/#f",
            "http://x:y",
            "http://x:99999",
            "http://x:0",
            "http://é",
            "http://x\r\ny",
            "http://[::1",
            "unix://host/x",
            "unix:x",
            "unix:///x?y",
            "",
        ],
    )
    def test_what_is_no_url(self, kind, url):
        with pytest.raises(ValueError, match=r"^expected a base URL"):
            kind(url)

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    @pytest.mark.parametrize("token", ["", "two words", "line\r\nX: y", "é", "\ud800"])
    def test_what_is_no_token(self, kind, token):
        with pytest.raises(ValueError, match=r"^a token is printable ASCII") as caught:
            kind("http://127.0.0.1:1", token)
        assert not token or token not in str(caught.value)


def test_both_have_the_same_methods():
    def methods(kind):
        return {
            name: inspect.signature(value).parameters
            for name, value in vars(kind).items()
            if not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient)
    assert inspect.signature(Client).parameters == inspect.signature(AsyncClient).parameters
    for name in methods(Client):
        assert getattr(Client, name).__doc__
        assert getattr(AsyncClient, name).__doc__


def test_the_client_alone_loads_neither_aiohttp_nor_anything_of_the_gate():
    code = (
        "import sys\n"
        "from gate.client import Client, calls\n"
        "Client('http://127.0.0.1:1')\n"
        "heavy = {'aiohttp', 'asyncio', 'redis', 'pydantic', 'yaml', 'jwt', 'click'} & set(sys.modules)\n"
        "own = {name for name in sys.modules if name.startswith('gate.')} - {'gate.errors', 'gate.client'}\n"
        "own = {name for name in own if not name.startswith('gate.client.')}\n"
        "assert not heavy | own, heavy | own\n"
        "from gate.client import AsyncClient\n"
        "assert 'aiohttp' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


def test_every_name_is_there():
    assert all(hasattr(gate.client, name) for name in gate.client.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = gate.client.Nothing
