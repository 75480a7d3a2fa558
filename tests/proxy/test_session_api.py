"""Opening a session without a redirect, and letting it live on with a fresh token."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from yarl import URL

from gate.core.token import token_id

FULL = {"live": True, "dvr": True, "copy": True}
SEGMENT = "/ch1/hls/segment1.ts"
ENDLESS = "/ch1/mpegts"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class TestOpening:
    @pytest.mark.parametrize("path", ["/_s", "/_s/"])
    async def test_it_answers_with_a_link(self, start_writable: Any, objects: Any, ask: Any, path: str) -> None:
        gate = await start_writable(objects.url)
        until = int(time.time()) + 100
        grants = {"create": {"all": True}, "read": {"all": True}}
        token = gate.token(grants=grants, exp=until, single_use=True, jti="1")
        got = await ask(gate, path, "POST", headers={**bearer(token), "Origin": "https://p.example"})
        assert got.status == 201
        answer = json.loads(got.body)
        assert (answer["link"][:4], answer["ends_at"]) == ("/_s/", until)
        assert got.headers["Location"] == answer["link"] + "/"
        assert got.headers["Content-Type"] == "application/json"
        assert got.headers["Cache-Control"] == "no-store"
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        assert "Location" in got.headers["Access-Control-Expose-Headers"]
        assert token not in got.body.decode() + repr(got.headers)
        assert (await ask(gate, f"{answer['link']}/files/a/b", "PUT", data=b"x")).status == 201
        assert (await ask(gate, f"{answer['link']}/files/a/b")).body == b"x"
        assert (await ask(gate, path, "POST", headers=bearer(token))).reason == "session_limit"
        assert not [request for request in objects.seen if "_s" in request.target]

    async def test_two_viewers_who_look_like_one_open_two(
        self, start_writable: Any, objects: Any, ask: Any, open_session: Any
    ) -> None:
        """In one office, say, with one browser: neither owns what the other uploads."""
        gate = await start_writable(objects.url)
        grants = {name: {"session_owned": True} for name in ("create", "read", "destroy")}
        token = gate.token(grants=grants)
        mine, theirs = [await open_session(gate, token) for _ in range(2)]
        assert (await ask(gate, f"{mine}/files/a/b", "PUT", data=b"x")).status == 201
        assert (await ask(gate, f"{mine}/files/a/b")).status == 200
        for method in ("GET", "DELETE"):
            assert (await ask(gate, f"{theirs}/files/a/b", method)).reason == "resource_not_granted"

    async def test_it_takes_a_good_token(self, start_gate: Any, media: Any, ask: Any) -> None:
        gate = await start_gate(media[0])
        good = gate.token("ch1")
        for headers, query, status, reason in [
            ({}, "", 401, "token_missing"),
            (bearer("x"), "", 401, "token_malformed"),
            (bearer(good[:-8] + "AAAAAAAA"), "", 401, "token_signature"),
            (bearer(gate.token("ch1", exp=1)), "", 401, "token_expired"),
            (bearer(good), f"?token={gate.token('ch2')}", 400, "ambiguous_credentials"),
            (bearer(good), f"?token={good}", 201, None),
        ]:
            got = await ask(gate, f"/_s{query}", "POST", headers=headers)
            assert (got.status, got.reason) == (status, reason)
        for method in ("GET", "PUT", "DELETE"):
            assert (await ask(gate, "/_s", method, headers=bearer(good))).status in (400, 401, 403)
        assert not media[1]

    async def test_the_session_carries_the_tokens_bounds(
        self, start_gate: Any, media: Any, ask: Any, open_session: Any
    ) -> None:
        gate = await start_gate(media[0])
        bind = {"user_agent": "mine"}
        link = await open_session(gate, gate.token("ch1", live=True, bind=bind))
        assert (await ask(gate, link + SEGMENT, headers={"User-Agent": "other"})).reason == "binding_mismatch"
        assert (await ask(gate, f"{link}/ch2/index.m3u8", headers={"User-Agent": "mine"})).status == 403
        assert (await ask(gate, f"{link}/ch1/index.m3u8", headers={"User-Agent": "mine"})).status == 200

    async def test_other_prefixes(self, start_gate: Any, media: Any, ask: Any) -> None:
        gate = await start_gate(media[0], sessions={"prefix": "/watch/"})
        got = await ask(gate, "/watch", "POST", headers=bearer(gate.token("ch1", **FULL)))
        assert got.headers["Location"].startswith("/watch/")
        assert (await ask(gate, f"{got.headers['Location']}ch1/index.m3u8")).status == 200


class Watcher:
    """A viewer of something endless; `ended_at` is when it broke off, in seconds of the monotonic clock."""

    def __init__(self, http: ClientSession, url: str, headers: dict[str, str] | None = None) -> None:
        self._http, self._url, self._headers = http, url, headers
        self.ended_at: float | None = None
        self.running = asyncio.Event()
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        try:
            async with self._http.get(URL(self._url, encoded=True), headers=self._headers) as answer:
                assert answer.status == 200, await answer.text()
                async for _ in answer.content.iter_any():
                    self.running.set()
        except ClientError:
            self.ended_at = time.monotonic()


@pytest.fixture
async def endless(start_origin: Any) -> str:
    """An origin whose answers never end, and its playlists do."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if "mpegts" not in request.raw_path:
            return web.Response(body=b"#EXTM3U\n")
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a piece of it all")
            await asyncio.sleep(0.05)

    url, _ = await start_origin(serve)
    return str(url)


def renewed(gate: Any, jti: str) -> bool:
    """Whether the gate has heard that its only session was renewed by that token."""
    (playing,) = gate.node.gatekeeper._playbacks._playing.values()
    return bool(playing.known.token == token_id("demo", jti))


class TestRenewal:
    @pytest.mark.parametrize("how", ["beside", "path"])
    @pytest.mark.timed
    async def test_the_session_lives_on_on_every_gate_and_nothing_is_cut(
        self, start_gate: Any, endless: str, ask: Any, open_link: Any, http: ClientSession, how: str
    ) -> None:
        gates = [await start_gate(endless) for _ in range(3)]
        until = int(time.time()) + 4
        mine = {"User-Agent": "me"}
        first = gates[0].token("ch1", sub="anna", jti="1", exp=until, session_limit=1, **FULL)
        fresh = gates[0].token("ch1", sub="anna", jti="2", exp=until + 60, session_limit=1, **FULL)
        link = await open_link(gates[0], ENDLESS, first)
        watchers = [Watcher(http, gate.url + link) for gate in gates[:2]]
        for watcher in watchers:
            await asyncio.wait_for(watcher.running.wait(), 20)
        if how == "beside":
            playlist = link.replace("mpegts", "index.m3u8")
            assert (await ask(gates[0], playlist, headers=bearer(fresh))).status == 200
        else:
            ticket = link.removesuffix(ENDLESS)
            got = await ask(gates[0], f"{ticket}/renew", "POST", headers=bearer(fresh))
            assert (got.status, json.loads(got.body)["ends_at"]) == (200, until + 60)
            renewed = json.loads(got.body)["link"]
            watchers.append(Watcher(http, gates[2].url + renewed + ENDLESS))
            await asyncio.wait_for(watchers[-1].running.wait(), 20)
        # A gate that hears of the session for the first time, at its old link.
        watchers.append(Watcher(http, gates[2].url + link, mine))
        await asyncio.wait_for(watchers[-1].running.wait(), 20)
        await asyncio.sleep(until - time.time() + 1)
        assert [watcher.ended_at for watcher in watchers] == [None] * len(watchers)
        for gate in gates:
            assert (await ask(gate, link.replace("mpegts", "index.m3u8"))).status == 200
        for watcher in watchers:
            watcher.task.cancel()
        # The fresh token has used its one session up.
        got = await ask(gates[1], f"/ch1/index.m3u8?token={fresh}", headers={"User-Agent": "else"})
        assert got.reason == "session_limit"

    async def test_a_viewer_renews_no_other_viewers_session(
        self, start_gate: Any, media: Any, ask: Any, open_session: Any
    ) -> None:
        gate = await start_gate(media[0])
        link = await open_session(gate, gate.token("ch1", sub="anna", jti="1", **FULL))
        nameless = await open_session(gate, gate.token("ch1", jti="2", **FULL))
        for there, token, status, reason in [
            (link, gate.token("ch1", sub="berta", jti="3", **FULL), 400, "ambiguous_credentials"),
            (link, gate.token("ch1", jti="1", **FULL), 400, "ambiguous_credentials"),
            (nameless, gate.token("ch1", jti="4", **FULL), 400, "ambiguous_credentials"),
            (link, gate.token("ch1", sub="anna", jti="5", exp=1, **FULL), 401, "token_expired"),
            (link, "", 401, "token_missing"),
            (link[:-4] + "AAAA", gate.token("ch1", sub="anna", jti="6", **FULL), 401, "ticket_invalid"),
            (link, gate.token("ch1", sub="anna", jti="7", **FULL), 200, None),
        ]:
            headers = bearer(token) if token else {}
            got = await ask(gate, f"{there}/renew", "POST", headers=headers)
            assert (got.status, got.reason) == (status, reason)

    async def test_a_single_use_token_renews_once(
        self, start_gate: Any, media: Any, ask: Any, open_session: Any
    ) -> None:
        gates = [await start_gate(media[0]) for _ in range(2)]
        links = [
            await open_session(gates[0], gates[0].token("ch1", sub="anna", jti=jti, **FULL))
            for jti in ("1", "2")
        ]
        until = int(time.time()) + 7200
        claims = {"sub": "anna", "single_use": True, "exp": until}
        fresh = gates[0].token("ch1", nonce="fresh", **claims, **FULL)
        got = [await ask(gate, f"{links[0]}/renew", "POST", headers=bearer(fresh)) for gate in gates]
        assert [one.status for one in got] == [200, 200]
        got = [await ask(gate, f"{links[1]}/renew", "POST", headers=bearer(fresh)) for gate in gates]
        assert [one.reason for one in got] == ["session_limit", "session_limit"]
        used = gates[0].token("ch1", nonce="used", **claims, **FULL)
        link = await open_session(gates[0], used)
        assert (await ask(gates[0], link + SEGMENT)).status == 200
        got = await ask(gates[1], f"{links[0]}/renew", "POST", headers=bearer(used))
        assert got.reason == "session_limit"

    async def test_what_is_revoked_is_not_renewed(
        self, start_gate: Any, media: Any, ask: Any, open_session: Any
    ) -> None:
        gate = await start_gate(media[0])
        link = await open_session(gate, gate.token("ch1", sub="anna", jti="1", **FULL))
        session = gate.node.gatekeeper.tickets.open(link.split("/")[2]).session
        await gate.node.control.revoke(f"s:{session}", time.time() + 60)
        fresh = gate.token("ch1", sub="anna", jti="2", exp=int(time.time()) + 7200, **FULL)
        assert (await ask(gate, f"{link}/renew", "POST", headers=bearer(fresh))).reason == "revoked"
        assert (await ask(gate, f"{link}/ch1/index.m3u8", headers=bearer(fresh))).reason == "revoked"

    async def test_a_session_ends_with_the_token_that_renewed_it(
        self, start_gate: Any, endless: str, ask: Any, open_link: Any, http: ClientSession
    ) -> None:
        gates = [await start_gate(endless) for _ in range(2)]
        until = int(time.time()) + 3600
        link = await open_link(gates[0], ENDLESS, gates[0].token("ch1", sub="anna", jti="1", exp=until, **FULL))
        watchers = [Watcher(http, gate.url + link) for gate in gates]
        for watcher in watchers:
            await asyncio.wait_for(watcher.running.wait(), 20)
        fresh = gates[0].token("ch1", sub="anna", jti="2", exp=until + 60, **FULL)
        playlist = link.replace("mpegts", "index.m3u8")
        assert (await ask(gates[0], playlist, headers=bearer(fresh))).status == 200
        async with asyncio.timeout(20):
            while not all(renewed(gate, "2") for gate in gates):  # noqa: ASYNC110 - heard within the gates
                await asyncio.sleep(0.02)
        await gates[1].node.control.revoke(f"t:{token_id('demo', '2')}", time.time() + 60)
        await asyncio.wait_for(asyncio.gather(*(watcher.task for watcher in watchers)), 20)
        for gate in gates:
            assert (await ask(gate, playlist)).reason == "revoked"
