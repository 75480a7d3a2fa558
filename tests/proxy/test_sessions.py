"""How often a token opens: sessions through real gates on one real store."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import redis.asyncio
from aiohttp import web

FULL = {"live": True, "dvr": True, "copy": True}
PLAYLIST = "/ch1/index.m3u8"
SEGMENT = "/ch1/hls/segment1.ts"


@pytest.fixture
def ask(ask: Any) -> Any:
    """Asks as players do: again while the store is too busy. That must not count twice."""

    async def insist(*args: Any, **options: Any) -> Any:
        while True:
            got = await ask(*args, **options)
            if got.reason != "store_unavailable":
                return got
            await asyncio.sleep(0.1)

    return insist


def segment(link: str) -> str:
    return link.replace("index.m3u8", "hls/segment1.ts")


class TestLimits:
    async def test_of_four_openings_with_a_limit_of_three_three_play(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", session_limit=3, **FULL)
        links = [await open_link(gate, PLAYLIST, token, headers={"User-Agent": str(at)}) for at in range(4)]
        got = [await ask(gate, segment(link), headers={"User-Agent": str(at)}) for at, link in enumerate(links)]
        assert [(one.status, one.reason) for one in got] == [(200, None)] * 3 + [(403, "session_limit")]
        got = [await ask(gate, segment(link), headers={"User-Agent": str(at)}) for at, link in enumerate(links)]
        assert [one.status for one in got] == [200, 200, 200, 403]
        refused = await ask(gate, f"{PLAYLIST}?token={token}", headers={"User-Agent": "late"})
        assert (refused.status, refused.reason) == (403, "session_limit")

    async def test_a_copied_link_counts_once(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gates = [await start_gate(media[0]) for _ in range(2)]
        token = gates[0].token("ch1", session_limit=1, **FULL)
        link = await open_link(gates[0], PLAYLIST, token)
        got = await asyncio.gather(
            *(ask(gates[at % 2], segment(link), headers={"User-Agent": str(at)}) for at in range(100))
        )
        assert {one.status for one in got} == {200}

    @pytest.mark.parametrize("count", [1, 2])
    async def test_of_a_hundred_parallel_openings_with_a_limit_of_five_five_play(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, count: int
    ) -> None:
        gates = [await start_gate(media[0]) for _ in range(count)]
        token = gates[0].token("ch1", session_limit=5, **FULL)

        async def play(at: int) -> int:
            gate, headers = gates[at % count], {"X-Playback-Session-Id": str(at)}
            link = await open_link(gate, PLAYLIST, token, headers=headers)
            return int((await ask(gates[-1 - at % count], segment(link), headers=headers)).status)

        async def open_and_wait(at: int) -> str:
            return str(await open_link(gates[at % count], PLAYLIST, token, headers={"User-Agent": str(at)}))

        early = await asyncio.gather(*(open_and_wait(-at) for at in range(1, 11)))
        statuses = await asyncio.gather(*(play(at) for at in range(90)), return_exceptions=True)
        late = [
            (await ask(gates[at % count], segment(link), headers={"User-Agent": str(-1 - at)})).status
            for at, link in enumerate(early)
        ]
        # Whoever came when five played was refused the opening itself.
        played = [one for one in statuses if one == 200]
        assert len(played) == 5
        assert all(one == 403 or "session_limit" in str(one) for one in statuses if one != 200)
        assert set(late) == {403}

    @pytest.mark.parametrize("claims", [{"nonce": "n1", "single_use": True}, {"jti": "j1", "session_limit": 1}])
    async def test_of_a_hundred_tickets_of_a_single_use_token_one_plays(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, claims: dict[str, Any]
    ) -> None:
        gates = [await start_gate(media[0]) for _ in range(2)]
        token = gates[0].token("ch1", **claims, **FULL)
        links = await asyncio.gather(
            *(open_link(gates[at % 2], PLAYLIST, token, headers={"User-Agent": str(at)}) for at in range(100))
        )
        assert len(set(links)) == 100
        got = await asyncio.gather(
            *(
                ask(gates[at % 2], segment(link), headers={"User-Agent": str(at)})
                for at, link in enumerate(links)
            )
        )
        assert sorted(one.status for one in got) == [200] + [403] * 99

    @pytest.mark.parametrize("name", ["n1", "n2"])
    async def test_a_respelt_token_is_the_same_token(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, name: str
    ) -> None:
        gate = await start_gate(media[0])
        first, second = (gate.token("ch1", nonce=name, single_use=True, extra=at, **FULL) for at in range(2))
        assert first != second
        link = await open_link(gate, PLAYLIST, first)
        assert (await ask(gate, segment(link))).status == 200
        assert (await ask(gate, f"{PLAYLIST}?token={second}")).reason == "session_limit"

    async def test_too_many_playbacks_at_once_are_a_conflict_that_can_be_shown(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gate = await start_gate(media[0])
        tokens = [gate.token("ch1", sub="anna", max_concurrent=1, jti=str(at), **FULL) for at in range(2)]
        links = [
            await open_link(gate, PLAYLIST, token, headers={"User-Agent": f"player {at}"})
            for at, token in enumerate(tokens)
        ]
        assert (await ask(gate, segment(links[0]), headers={"User-Agent": "player 0"})).status == 200
        got = await ask(gate, segment(links[1]), headers={"User-Agent": "player 1"})
        assert (got.status, got.reason) == (409, "too_many_playbacks")
        (conflict,) = json.loads(got.body)["conflicts"]
        assert (conflict["resource"], conflict["device"]) == ("ch1", "player 0")


class TestWhatCounts:
    async def test_only_media_does(self, start_gate: Any, start_origin: Any, ask: Any, open_link: Any) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            status = request.raw_path.partition("status=")[2]
            if request.headers.get("Range"):
                return web.Response(status=206, body=b"x", headers={"Content-Range": "bytes 0-0/9"})
            return web.Response(status=int(status or 200), body=b"#EXTM3U\n")

        url, _ = await start_origin(serve)
        gate = await start_gate(url)
        for path in (PLAYLIST, "/files/ch1/movie.mp4"):
            token = gate.token("ch1", jti=path, session_limit=1, **FULL)
            link = await open_link(gate, path, token)
            media = segment(link)
            for method, target, headers in [
                ("HEAD", media, {}),
                ("OPTIONS", media, {}),
                ("GET", f"{media}?status=404", {}),
                ("GET", f"{media}?status=500", {}),
                ("GET", f"{media}?status=304", {}),
                ("GET", media, {"Range": "bytes=0-0"}),
                ("GET", media, {"Range": "bytes=0-1"}),
                ("HEAD", f"{path}?token={token}", {}),
            ]:
                assert (await ask(gate, target, method, headers=headers)).reason is None
            if path == PLAYLIST:
                assert (await ask(gate, link)).status == 200
            other = {"User-Agent": "another"}
            late = segment(await open_link(gate, path, token, headers=other))
            assert (await ask(gate, late, headers=other)).status == 200
            assert (await ask(gate, media)).reason == "session_limit"

    async def test_a_probe_that_the_origin_would_answer_whole_does(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", session_limit=1, **FULL)
        link = segment(await open_link(gate, PLAYLIST, token))
        headers = [("Range", "bytes=0-0"), ("Range", "bytes=5-")]
        assert (await ask(gate, link, headers=headers)).status == 200
        assert (await ask(gate, f"{PLAYLIST}?token={token}")).reason == "session_limit"

    async def test_the_same_client_gets_its_unused_session_again(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, store_url: str
    ) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", session_limit=1, **FULL)
        links = [await open_link(gate, PLAYLIST, token) for _ in range(3)]
        client = redis.asyncio.from_url(store_url)
        assert len([key async for key in client.scan_iter("gate:*:s:*")]) == 1
        await client.aclose()
        assert [(await ask(gate, segment(link))).status for link in links] == [200, 200, 200]


class TestBareTokens:
    async def test_a_counted_one_needs_the_session_that_its_client_opened(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gates = [await start_gate(media[0]) for _ in range(2)]
        token = gates[0].token("ch1", session_limit=1, **FULL)
        bare, mine, other = f"{SEGMENT}?token={token}", {"User-Agent": "mine"}, {"User-Agent": "other"}
        assert (await ask(gates[0], bare, headers=mine)).reason == "session_required"
        await open_link(gates[0], PLAYLIST, token, headers=mine)
        for gate in gates:
            assert [(await ask(gate, bare, headers=mine)).status for _ in range(2)] == [200, 200]
            assert (await ask(gate, bare, headers=other)).reason == "session_required"
        assert (await ask(gates[1], f"{PLAYLIST}?token={token}", headers=other)).reason == "session_limit"

    async def test_one_that_is_not_counted_needs_none(self, start_gate: Any, media: Any, ask: Any) -> None:
        gate = await start_gate(media[0])
        assert (await ask(gate, f"{SEGMENT}?token={gate.token('ch1', **FULL)}")).status == 200
        assert media[1][0].target == SEGMENT


class TestLongGrants:
    async def test_they_wait_in_the_store_for_every_gate(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, store_url: str
    ) -> None:
        gates = [await start_gate(media[0]) for _ in range(2)]
        token = gates[0].token(*(f"{at:x}" for at in range(1500)), "ch1", session_limit=1, **FULL)
        link = await open_link(gates[0], PLAYLIST, token)
        assert len(link) < 1000
        for gate in gates:
            assert (await ask(gate, link)).status == 200
            assert (await ask(gate, segment(link))).status == 200
            assert (await ask(gate, link.replace("/ch1/", "/ch2/"))).reason == "resource_not_granted"
        client = redis.asyncio.from_url(store_url)
        await client.config_resetstat()
        for _ in range(10):
            assert (await ask(gates[1], segment(link))).status == 200
        assert "cmdstat_get" not in await client.info("commandstats")
        await client.aclose()


class TestSteadyState:
    async def test_a_segment_of_an_open_session_asks_nobody(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, store_url: str
    ) -> None:
        gate = await start_gate(media[0])
        token = gate.token("ch1", session_limit=1, max_concurrent=1, usage_expiration_time=600, **FULL)
        link = await open_link(gate, PLAYLIST, token)
        assert (await ask(gate, segment(link))).status == 200
        client = redis.asyncio.from_url(store_url)
        await client.config_resetstat()
        for at in range(50):
            target = link if at % 5 == 0 else segment(link) if at % 2 else f"{SEGMENT}?token={token}"
            assert (await ask(gate, target)).status == 200
        commands = set(await client.info("commandstats"))
        await client.aclose()
        assert commands <= {
            "cmdstat_config|resetstat",
            "cmdstat_xread",
            "cmdstat_info",
            "cmdstat_client|setinfo",
        }
