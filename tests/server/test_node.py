"""A gate as a whole: started and ended as one, reloaded without a viewer noticing."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientError, ClientSession, web
from yarl import URL

from gate.config.compile import load_config
from gate.errors import GateError
from gate.server.node import Node
from gate.store.embedded import EmbeddedValkey

FULL = {"live": True, "dvr": True, "copy": True}
SECRET = "a secret of more than thirty-two bytes"
OTHER = "another secret of more than thirty-two bytes"


def write(folder: Path, **policy: Any) -> Path:
    document = {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "origins": {"origin": {"url": "http://127.0.0.1:9"}},
        "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
        **policy,
    }
    path = folder / "gate.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def rewrite(gate: Any, **policy: Any) -> None:
    path = gate.folder / "gate.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **policy}))


def reload(gate: Any) -> bool:
    return bool(gate.node.reload(lambda: load_config(gate.folder / "gate.yaml", {})))


class TestStart:
    async def test_with_a_store_of_its_own(self, tmp_path: Path) -> None:
        path = write(tmp_path)
        for _ in range(2):
            async with Node(load_config(path, {})) as node:
                assert node.public is not None
                assert node.public.port
        async with EmbeddedValkey(tmp_path / "state" / "valkey"):
            pass

    @pytest.mark.parametrize("which", ["public", "admin"])
    async def test_on_a_port_in_use_nothing_is_half_started(self, tmp_path: Path, which: str) -> None:
        with socket.socket() as taken, socket.socket() as free:
            for one in (taken, free):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(("127.0.0.1", 0))
            taken.listen()
            used, other = (f"127.0.0.1:{one.getsockname()[1]}" for one in (taken, free))
            free.close()
            listen, admin = (used, other) if which == "public" else (other, used)
            node = Node(load_config(write(tmp_path, listen=listen, admin={"listen": admin}), {}))
            with pytest.raises(GateError, match=f"cannot listen on {used}: address already in use"):
                await node.start()
            assert not node.reload(lambda: load_config(tmp_path / "gate.yaml", {}))
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind(("127.0.0.1", int(other.rpartition(":")[2])))
        async with EmbeddedValkey(tmp_path / "state" / "valkey"):
            pass
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    @pytest.mark.parametrize(
        "store", ["redis://127.0.0.1:1", "redis://:secret@127.0.0.1:1/0", "unix:///nowhere/valkey.sock"]
    )
    async def test_without_its_store_it_does_not_start(self, tmp_path: Path, store: str) -> None:
        with pytest.raises(GateError) as caught:
            await Node(load_config(write(tmp_path, store=store), {})).start()
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)


class TestStop:
    async def test_what_runs_may_end_and_who_comes_is_sent_away(
        self, start_gate: Any, start_origin: Any, http: ClientSession, open_link: Any
    ) -> None:
        begun, goes_on = asyncio.Event(), asyncio.Event()

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"first ")
            begun.set()
            await goes_on.wait()
            await response.write(b"last")
            return response

        gate = await start_gate((await start_origin(serve))[0], drain="60s")
        link = URL(gate.url + await open_link(gate, "/ch1/mpegts", gate.token("ch1", **FULL)), encoded=True)
        idle = await asyncio.open_connection("127.0.0.1", gate.port)
        async with http.get(link) as answer:
            await begun.wait()
            stopping = asyncio.create_task(gate.node.stop())
            await asyncio.sleep(0.05)
            idle[1].write(b"GET /ch1/index.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n")
            refusal = await idle[0].read()
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: 1\r\n" in refusal
            assert b"\r\nGate-Reason: draining\r\n" in refusal
            assert not stopping.done()
            goes_on.set()
            assert await answer.read() == b"first last"
        since = time.monotonic()
        await stopping
        # Long before the time that requests would have had.
        assert time.monotonic() - since < 20
        idle[1].close()
        with pytest.raises(ClientError):
            await http.get(gate.url)

    async def test_what_does_not_end_in_time_is_cut(
        self, start_gate: Any, start_origin: Any, http: ClientSession
    ) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"more")
                await asyncio.sleep(0.01)

        gate = await start_gate((await start_origin(serve))[0], drain="200ms")
        async with http.get(f"{gate.url}/public/x") as answer:
            await answer.content.readany()
            since = time.monotonic()
            await gate.node.stop()
            assert 0.1 < time.monotonic() - since < 15
            with pytest.raises(ClientError):
                await answer.read()


class TestReload:
    async def test_every_further_request_is_decided_by_the_new_policy(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", **FULL)
        link = await open_link(gate, "/ch1/index.m3u8", token)
        version = gate.node.config.policy.version
        rewrite(gate, applications={"demo": {"keys": [{"kid": "k1", "secret": OTHER}]}})
        assert reload(gate)
        assert (await ask(gate, f"/ch1/index.m3u8?token={token}")).reason == "token_signature"
        assert (await ask(gate, f"/ch1/index.m3u8?token={gate.token('ch1')}")).status == 302
        assert (await ask(gate, link)).status == 200
        rewrite(gate, streams=[{"match": "/ch1/**", "access": "none"}])
        assert reload(gate)
        assert gate.node.config.policy.version != version
        assert (await ask(gate, link)).reason == "access_none"

    @pytest.mark.parametrize("broken", ["streams: [", "strems: []\n", "", None, "listen: 7\n", "\xff\x00"])
    async def test_a_broken_one_leaves_the_old_in_force(
        self, start_gate: Any, media: Any, ask: Any, http: ClientSession, caplog: Any, broken: str | None
    ) -> None:
        gate = await start_gate(media[0])
        path = gate.folder / "gate.yaml"
        if broken is None:
            path.unlink()
        else:
            path.write_bytes(broken.encode("latin-1"))
        assert not reload(gate)
        assert [record for record in caplog.records if record.getMessage().startswith("policy not reloaded: ")]
        assert not [record for record in caplog.records if record.exc_info]
        assert (await ask(gate, f"/ch1/index.m3u8?token={gate.token('ch1')}")).status == 302
        async with http.get(f"{gate.admin_url}/metrics") as answer:
            assert 'gate_reloads_total{outcome="refused"} 1.0' in await answer.text()

    async def test_what_runs_runs_on(
        self, start_gate: Any, start_origin: Any, http: ClientSession, open_link: Any
    ) -> None:
        goes_on = asyncio.Event()

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"first ")
            await goes_on.wait()
            await response.write(b"last")
            return response

        gate = await start_gate((await start_origin(serve))[0])
        link = await open_link(gate, "/ch1/mpegts", gate.token("ch1", **FULL))
        async with http.get(URL(gate.url + link, encoded=True)) as answer:
            rewrite(gate, streams=[{"match": "/**", "access": "none"}])
            assert reload(gate)
            goes_on.set()
            assert await answer.read() == b"first last"

    async def test_the_operators_token_changes_with_it(
        self, start_gate: Any, media: Any, http: ClientSession
    ) -> None:
        gate = await start_gate(media[0], admin={"listen": "127.0.0.1:0", "token": "the first one"})
        rewrite(gate, admin={"listen": "127.0.0.1:0", "token": "the second one"})
        assert reload(gate)
        for token, status in (("the first one", 401), ("the second one", 200)):
            async with http.get(
                f"{gate.admin_url}/metrics", headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                assert answer.status == status

    async def test_what_needs_a_restart_is_said(
        self, start_gate: Any, media: Any, ask: Any, caplog: Any
    ) -> None:
        caplog.set_level(logging.INFO)
        gate = await start_gate(media[0])
        rewrite(gate, listen="127.0.0.1:1")
        assert reload(gate)
        assert [record for record in caplog.records if "needs a restart" in record.getMessage()]
        assert (await ask(gate, "/public/x")).status == 200
