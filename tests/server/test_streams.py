"""Streams that are added at runtime, on running gates: known everywhere at once, kept, and cut when closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientError, ClientSession, web
from yarl import URL

from gate.config.compile import load_config
from gate.server.node import Node
from gate.store.embedded import EmbeddedValkey

LIVE = "/live/cam1/playlist_ios.m3u8"
CLOSED = [{"match": "/{resource}/**", "access": "none"}]
SECRET = "a secret of more than thirty-two bytes, for tests"


async def until(met: Callable[[], Awaitable[object]], within_s: float = 1.0) -> None:
    """It comes to be within that time."""
    since = time.monotonic()
    while not await met():
        assert time.monotonic() - since < within_s, "it did not come to be"
        await asyncio.sleep(0.005)


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    """A playlist, and else a body that goes on."""
    if request.raw_path.endswith(".m3u8"):
        return web.Response(text="#EXTM3U\n", content_type="application/vnd.apple.mpegurl")
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"more")
        await asyncio.sleep(0.01)


@pytest.fixture
def start(start_gate: Any, rpc_section: Any) -> Callable[..., Awaitable[Any]]:
    """Starts a gate with an RPC, and one rule that closes everything."""

    async def start(url: str = "http://127.0.0.1:9", **policy: Any) -> Any:
        return await start_gate(url, **{"streams": CLOSED, "rpc": rpc_section, **policy})

    return start


class TestEverywhere:
    @pytest.mark.timed
    async def test_a_private_stream_is_playable_on_every_gate_within_a_second(
        self, start: Any, media: Any, ask: Any, call_rpc: Any
    ) -> None:
        one, other = await start(), await start()
        status, stream = await call_rpc(one, "Stream.Add", stream="cam1", url=media[0])
        assert (status, stream["access"]) == (200, {"allow": "private", "whitelist": []})
        _, token = await call_rpc(other, "Auth.CreateAccessToken", stream="cam1", live=True)
        target = f"{LIVE}?token={token}"

        async def played(gate: Any) -> bool:
            return bool((await ask(gate, target)).status == 302)

        assert await played(one)
        await until(lambda: played(other))
        for gate in (one, other):
            assert (await ask(gate, LIVE)).reason == "token_missing"
            link = (await ask(gate, target)).headers["Location"]
            assert (await ask(gate, link)).status == 200
        assert await call_rpc(other, "Stream.Remove", stream="cam1") == (200, True)
        assert (await ask(other, target)).reason == "access_none"

        async def refused() -> bool:
            got = await ask(one, target)
            return bool(got.reason == "access_none")

        await until(refused)
        assert (await ask(one, link)).reason == "access_none"
        assert await call_rpc(one, "Stream.Remove", stream="cam1") == (200, False)

    @pytest.mark.timed
    @pytest.mark.parametrize(
        ("change", "before", "after"),
        [
            ({"access": {"allow": "public"}}, "token_missing", None),
            ({"access": {"allow": "none"}}, "token_missing", "access_none"),
            ({"enable": False}, "token_missing", "access_none"),
            ({"access": {"allow": "protected"}}, "token_missing", "address_not_allowed"),
            (
                {"access": {"allow": "protected", "whitelist": ["127.0.0.0/8"]}},
                "token_missing",
                None,
            ),
        ],
    )
    async def test_a_switch_acts_at_once(
        self, start: Any, media: Any, ask: Any, call_rpc: Any, change: Any, before: str, after: str | None
    ) -> None:
        one, other = await start(), await start()
        await call_rpc(one, "Stream.Add", stream="cam1", url=media[0])

        async def told(gate: Any, reason: str | None) -> bool:
            return bool((await ask(gate, LIVE)).reason == reason)

        await until(lambda: told(other, before))
        await call_rpc(one, "Stream.Update", stream="cam1", **change)
        assert await told(one, after)
        await until(lambda: told(other, after))

    async def test_a_verified_token_stays_verified(
        self, start: Any, media: Any, ask: Any, call_rpc: Any
    ) -> None:
        gate = await start()
        await call_rpc(gate, "Stream.Add", stream="cam1", url=media[0])
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", live=True)
        await ask(gate, f"{LIVE}?token={token}")
        misses = gate.node.metrics.token_misses._value.get()
        await call_rpc(gate, "Stream.Add", stream="cam2", url=media[0])
        assert (await ask(gate, f"{LIVE}?token={token}")).status == 302
        assert gate.node.metrics.token_misses._value.get() == misses

    async def test_listed_addresses_need_no_token_where_the_policy_says_so(
        self, start: Any, media: Any, ask: Any, call_rpc: Any, rpc_section: Any
    ) -> None:
        strict, lenient = await start(), await start(rpc={**rpc_section, "whitelist_admits": True})
        access = {"allow": "private", "whitelist": ["127.0.0.1"]}
        await call_rpc(lenient, "Stream.Add", stream="cam1", url=media[0], access=access)

        async def known() -> bool:
            return bool((await ask(strict, LIVE)).reason == "token_missing")

        await until(known)
        for fields in ({}, {"Authorization": "Bearer nonsense"}):
            assert (await ask(lenient, LIVE, headers=fields)).status == 200
        await call_rpc(lenient, "Stream.Update", stream="cam1", access={"whitelist": ["10.0.0.0/8"]})
        assert (await ask(lenient, LIVE)).reason == "token_missing"


class TestKept:
    async def test_a_restart_keeps_them(self, start: Any, media: Any, ask: Any, call_rpc: Any) -> None:
        gate = await start()
        access = {"allow": "public", "whitelist": ["10.0.0.0/8"]}
        _, stream = await call_rpc(
            gate, "Stream.Add", stream="cam1", url=media[0], access=access, dvr={"depth": 7}
        )
        await gate.node.stop()
        gate = await start()
        assert (await ask(gate, LIVE)).status == 200
        assert await call_rpc(gate, "Stream.Get", stream="cam1") == (200, stream)

    async def test_a_reload_keeps_them(self, start: Any, media: Any, ask: Any, call_rpc: Any) -> None:
        gate = await start()
        await call_rpc(gate, "Stream.Add", stream="cam1", url=media[0], access={"allow": "public"})
        path = gate.folder / "gate.yaml"
        document = yaml.safe_load(path.read_text())
        await gate.node.reread()
        assert (await ask(gate, LIVE)).status == 200
        document["streams"] = [{"match": "/live/cam1/**", "access": "none"}, *CLOSED]
        path.write_text(yaml.safe_dump(document))
        await gate.node.reread()
        assert (await ask(gate, LIVE)).reason == "access_none"
        _, stream = await call_rpc(gate, "Stream.Get", stream="cam1")
        assert stream["shadowed_by"] == ["streams[0]: /live/cam1/**"]

    async def test_operators_are_told_of_them(self, start: Any, media: Any, http: Any, call_rpc: Any) -> None:
        gate = await start()
        await call_rpc(gate, "Stream.Add", stream="cam1", url=media[0], access={"allow": "public"})
        fields = {"Content-Type": "application/json"}
        asked = {"target": LIVE}
        async with http.post(f"{gate.admin_url}/v1/explain", json=asked, headers=fields) as answer:
            assert "stream cam1 matches" in await answer.text()


Watch = Callable[..., Any]


@pytest.fixture
def watch(http: ClientSession) -> Watch:
    """What runs at a URL of the gate's, from its first bytes on."""

    @asynccontextmanager
    async def watch(gate: Any, target: str) -> AsyncIterator[Any]:
        async with http.get(URL(gate.url + target, encoded=True)) as answer:
            assert answer.status == 200
            await answer.content.readany()
            yield answer

    return watch


async def is_cut(answer: Any, within_s: float = 1.0) -> bool:
    """Whether the response is cut within that time."""
    try:
        async with asyncio.timeout(within_s):
            await answer.read()
    except ClientError:
        return True
    except TimeoutError:
        return False
    raise AssertionError("it came to its end")


class TestRunning:
    """What runs of a stream, when that is changed on another gate."""

    @pytest.mark.timed
    @pytest.mark.parametrize(
        "change",
        [
            None,
            {"access": {"allow": "none"}},
            {"access": {"allow": "private"}},
            {"enable": False},
            {"url": "http://127.0.0.1:7"},
        ],
    )
    async def test_of_a_public_one(
        self, start: Any, start_origin: Any, call_rpc: Any, watch: Watch, change: Any
    ) -> None:
        url, _ = await start_origin(endless)
        one, other = await start(), await start()
        public = {"allow": "public"}
        await call_rpc(one, "Stream.Add", stream="cam1", url=url, access=public)
        await call_rpc(one, "Stream.Add", stream="cam2", url=url, access=public)
        async with watch(one, "/live/cam1/media.ts") as answer, watch(one, "/live/cam2/media.ts") as bystander:
            if change is None:
                await call_rpc(other, "Stream.Remove", stream="cam1")
            else:
                await call_rpc(other, "Stream.Update", stream="cam1", **change)
            assert await is_cut(answer)
            assert not await is_cut(bystander, 0.1)

    @pytest.mark.timed
    @pytest.mark.parametrize(
        ("change", "cut"),
        [
            ({"access": {"allow": "none"}}, True),
            ({"access": {"allow": "protected"}}, True),
            ({"access": {"allow": "public"}}, False),
            ({"dvr": {"depth": 5}}, False),
        ],
    )
    async def test_of_a_session(
        self, start: Any, start_origin: Any, ask: Any, call_rpc: Any, watch: Watch, change: Any, cut: bool
    ) -> None:
        url, _ = await start_origin(endless)
        gate = await start()
        await call_rpc(gate, "Stream.Add", stream="cam1", url=url)
        rights = {"live": True, "dvr": True, "copy": True}
        _, token = await call_rpc(gate, "Auth.CreateAccessToken", stream="cam1", **rights)
        link = (await ask(gate, f"{LIVE}?token={token}")).headers["Location"]
        async with watch(gate, link.replace("playlist_ios.m3u8", "media.ts")) as answer:
            await call_rpc(gate, "Stream.Update", stream="cam1", **change)
            assert await is_cut(answer, 1.0 if cut else 0.1) is cut

    @pytest.mark.timed
    async def test_of_a_rule_at_large_that_gives_way(
        self, start: Any, start_origin: Any, call_rpc: Any, watch: Watch
    ) -> None:
        url, _ = await start_origin(endless)
        gate = await start(url, streams=[{"match": "/**", "access": "public", "layout": "object"}])
        async with watch(gate, "/live/cam1/media.ts") as answer:
            await call_rpc(gate, "Stream.Add", stream="cam1", url=url)
            assert await is_cut(answer)


class TestWithoutTheStore:
    async def test_what_a_stream_may_close_is_not_served_until_they_are_known(
        self, tmp_path: Path, media: Any, ask: Any
    ) -> None:
        class Gate:
            url = ""

        server = EmbeddedValkey(tmp_path / "own")
        await server.start()
        document = {
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "store": server.url,
            "drain": "0s",
            "sessions": {"ticket_keys": ["a secret of more than thirty-two bytes"]},
            "origins": {"origin": {"url": media[0]}},
            "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
            "rpc": {"listener": "public", "tokens": ["a-token-of-the-api"]},
            "streams": [
                {"match": "/lobby/**", "access": "public"},
                {"match": "/{resource}/**", "access": "public"},
            ],
        }
        path = tmp_path / "gate.yaml"
        path.write_text(yaml.safe_dump(document))
        await server.stop()
        gate, at_large = Gate(), "/cam1/index.m3u8"
        async with Node(load_config(path, {})) as node:
            assert node.public is not None
            gate.url = f"http://127.0.0.1:{node.public.port}"
            assert (await ask(gate, "/lobby/index.m3u8")).status == 200
            for target in (at_large, LIVE):
                got = await ask(gate, target)
                assert (got.status, got.reason) == (503, "store_unavailable")
                assert "Retry-After" in got.headers
            await server.start()

            async def served() -> bool:
                return bool((await ask(gate, at_large)).status == 200)

            await until(served, 20)
        await server.stop()

    async def test_a_gate_without_an_rpc_serves_as_ever(self, tmp_path: Path, media: Any, ask: Any) -> None:
        class Gate:
            url = ""

        document = {
            "listen": "127.0.0.1:0",
            "admin": {"listen": "127.0.0.1:0"},
            "store": "redis://127.0.0.1:1",
            "drain": "0s",
            "sessions": {"ticket_keys": ["a secret of more than thirty-two bytes"]},
            "origins": {"origin": {"url": media[0]}},
            "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
            "streams": [{"match": "/{resource}/**", "access": "public"}],
        }
        path = tmp_path / "gate.yaml"
        path.write_text(yaml.safe_dump(document))
        gate = Gate()
        async with Node(load_config(path, {})) as node:
            assert node.public is not None
            gate.url = f"http://127.0.0.1:{node.public.port}"
            assert (await ask(gate, "/cam1/index.m3u8")).status == 200
