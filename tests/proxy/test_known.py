"""What a worker remembers: bounded, dropped when silent, and cut when it is over."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from gate.core.decision import locate
from gate.core.policy import OnLimit
from gate.core.ticket import Ticket
from gate.core.verdicts import Ask, Permit
from gate.proxy.known import Playbacks, Recent, Responses
from gate.store.client import Client
from gate.store.sessions import Sessions

FULL = {"live": True, "dvr": True, "copy": True}


class TestRecent:
    def test_what_was_used_least_recently_goes_first(self) -> None:
        kept: Recent[int] = Recent(2)
        kept.put("s", "a", 1)
        kept.put("s", "b", 2)
        assert kept.get("s", "a") == 1
        kept.put("s", "c", 3)
        assert [kept.get("s", name) for name in "abc"] == [1, None, 3]
        assert kept.get("other", "a") is None
        kept.clear()
        assert len(kept) == 0


def ticket(session: str, *, limited: bool = False) -> Ticket:
    return Ticket(
        session, "demo", "token", "owner", None, 0, None, None, None, None, 1 if limited else None, None
    )


async def playbacks(store_url: str, idle_s: float) -> tuple[Playbacks, Client]:
    """Playbacks over the store, which holds the sessions s1 and s2."""
    client = Client(store_url, timeout_s=5)
    sessions = Sessions(client, idle_s=idle_s, provisional_s=30)
    for name in ("s1", "s2"):
        await sessions.commit(ticket(name), "anybody", OnLimit.REJECT, {})
    return Playbacks(sessions, idle_s, lambda session, viewer: None), client


class TestPlaybacks:
    async def test_one_is_found_by_its_session_and_by_its_token(self, store_url: str) -> None:
        known, client = await playbacks(store_url, 60)
        known.add(ticket("s1"), "anna", None)
        known.add(ticket("s2"), "anna", None)
        assert [known.find(name, "anna") is not None for name in ("s1", "s2", "s3")] == [True, True, False]
        assert known.find("s1", "berta") is None
        found = known.find_by_token("token", "anna")
        assert found is not None
        assert found.session == "s2"
        known.drop("s1", "anna")
        assert known.find_by_token("token", "anna") is not None
        known.drop("s2", "anna")
        known.drop("s2", "anna")
        assert known.find_by_token("token", "anna") is None
        assert len(known) == 0
        await client.close()

    async def test_a_silent_one_is_forgotten_and_one_with_traffic_is_not(self, store_url: str) -> None:
        known, client = await playbacks(store_url, 0.05)
        known.add(ticket("s1"), "silent", None)
        known.add(ticket("s2"), "running", None)
        with known.running("s2", "running"), known.running("s3", "unknown"), known.running(None, "running"):
            await asyncio.sleep(0.15)
            await known.renew()
            assert len(known) == 1
        await asyncio.sleep(0.15)
        await known.renew()
        assert len(known) == 0
        await client.close()

    @pytest.mark.timed
    async def test_a_lease_lasts_while_there_is_traffic_and_no_longer(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any
    ) -> None:
        gate = await start_gate(media[0], sessions={"idle": "1s"})
        links = [
            await open_link(
                gate, "/ch1/mpegts", gate.token("ch1", sub="a", jti=str(at), max_concurrent=1, **FULL)
            )
            for at in range(2)
        ]
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            assert (await ask(gate, links[0])).status == 200
            assert (await ask(gate, links[1])).status == 409
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.6)
        assert (await ask(gate, links[1])).status == 200


class TestResponses:
    async def test_what_is_public_is_not_watched(self, start_gate: Any, start_origin: Any, ask: Any) -> None:
        counts: list[int] = []

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(3):
                await response.write(b"x")
                await asyncio.sleep(0.01)
                counts.append(len(gate.node.gatekeeper._responses))
            return response

        gate = await start_gate((await start_origin(serve))[0])
        await ask(gate, "/public/x")
        assert not any(counts)
        await ask(gate, f"/ch1/hls/segment1.ts?token={gate.token('ch1', **FULL)}")
        assert max(counts) == 1
        assert isinstance(gate.node.gatekeeper._responses, Responses)
        assert len(gate.node.gatekeeper._responses) == 0

    async def test_what_is_over_already_is_cut_at_once(self, start_gate: Any, media: Any) -> None:
        gate = await start_gate(media[0])
        responses, cut = Responses(), asyncio.Event()
        place = _place(gate)
        with responses.watch(Permit(place, ends_at=time.time() - 1), cut.set):
            await asyncio.wait_for(cut.wait(), 20)
        assert len(responses) == 0


def _place(gate: Any) -> Any:
    return locate(Ask("GET", "/ch1/mpegts", CIMultiDict(), "192.0.2.1"), gate.node.config.policy)
