"""Sessions over the admin API: seen through any gate, ended on every one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientError, ClientSession, web
from yarl import URL

from gate.core.policy import OnLimit
from gate.core.session import SHARDS, Resume, shard_of_session
from gate.core.ticket import Ticket
from gate.core.token import subject_owner, token_id
from gate.core.verdicts import Opened, Opening
from gate.formats import read_token
from gate.store.client import Client
from gate.store.sessions import LEEWAY_S, Sessions

FULL = {"live": True, "dvr": True, "copy": True}
MANY = 2000
# What is promised is a second; this machine may be busy with something else as well, or stand still.
SOON_S = 10.0


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"media")
        await asyncio.sleep(0.01)


async def all_pages(ask_admin: Any, gate: Any, **asked: Any) -> list[dict[str, Any]]:
    """Everything that is listed, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        status, page = await ask_admin(gate, "GET", f"/v1/sessions?{urlencode(asked)}")
        assert status == 200, page
        assert len(page["sessions"]) <= int(asked.get("limit", 100))
        found += page["sessions"]
        if page["cursor"] is None:
            return found
        asked["cursor"] = page["cursor"]


class TestSeen:
    async def test_a_session_with_its_playbacks(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, ask_admin: Any
    ) -> None:
        one, two = await start_gate(media[0]), await start_gate(media[0])
        token = one.token("ch1", sub="anna", jti="t1", **FULL)
        link = await open_link(one, "/ch1/index.m3u8", token, headers={"User-Agent": "phone"})
        (seen,) = await all_pages(ask_admin, two)
        now = time.time()
        assert seen == {
            "id": seen["id"],
            "application": "demo",
            "token": token_id("demo", "t1"),
            "renewed_by": None,
            "subject": "anna",
            "opened_at": pytest.approx(now, abs=20),
            "ends_at": pytest.approx(now + 3600, abs=20),
            "committed": False,
            "resource": "ch1",
            "device": "phone",
            "address": "127.0.0.1",
            "playbacks": [],
            "revoked": False,
        }
        assert 0 <= shard_of_session(seen["id"]) < SHARDS
        media_link = link.replace("index.m3u8", "hls/segment1.ts")
        for gate, device in ((one, "phone"), (two, "tv")):
            assert (await ask(gate, media_link, headers={"User-Agent": device})).status == 200
        status, seen = await ask_admin(two, "GET", f"/v1/sessions/{seen['id']}")
        assert (status, seen["committed"]) == (200, True)
        assert [each["device"] for each in seen["playbacks"]] == ["phone", "tv"]
        for each in seen["playbacks"]:
            assert (each["resource"], each["address"]) == ("ch1", "127.0.0.1")
            assert each["since"] == pytest.approx(now, abs=20)
            assert each["last_seen"] == pytest.approx(now, abs=20)
            assert len(each["client"]) == 22

    async def test_what_is_watched_now_is_seen_after_a_renewal(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, ask_admin: Any
    ) -> None:
        gate = await start_gate(media[0])
        link = await open_link(gate, "/ch1/index.m3u8", gate.token(**FULL))
        assert (await ask(gate, link.replace("index.m3u8", "hls/segment1.ts"))).status == 200
        assert (await ask(gate, link.replace("ch1/index.m3u8", "ch2/hls/segment1.ts"))).status == 200
        await gate.node.gatekeeper._ledger.renew()
        found = await all_pages(ask_admin, gate, resource="ch2")
        assert [each["resource"] for each in found[0]["playbacks"]] == ["ch2"]
        assert not await all_pages(ask_admin, gate, resource="ch1")

    async def test_filters(self, start_gate: Any, media: Any, ask: Any, open_link: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        for subject, jti in (("anna", "a1"), ("anna", "a2"), ("bert", "b1"), (None, "n1")):
            token = gate.token(sub=subject, jti=jti, **FULL)
            link = await open_link(gate, f"/{jti}/index.m3u8", token)
            assert (await ask(gate, link.replace("index.m3u8", "hls/segment1.ts"))).status == 200
        for asked, expected in (
            ({}, {"a1", "a2", "b1", "n1"}),
            ({"application": "demo"}, {"a1", "a2", "b1", "n1"}),
            ({"application": "other"}, set()),
            ({"subject": "anna"}, {"a1", "a2"}),
            ({"subject": "anna", "application": "demo"}, {"a1", "a2"}),
            ({"subject": "anna", "application": "other"}, set()),
            ({"subject": "ann"}, set()),
            ({"token": token_id("demo", "b1")}, {"b1"}),
            ({"resource": "n1"}, {"n1"}),
            ({"resource": "n1", "subject": "anna"}, set()),
            ({"subject": "anna", "resource": "a2", "limit": 1}, {"a2"}),
        ):
            found = await all_pages(ask_admin, gate, **asked)
            assert {each["playbacks"][0]["resource"] for each in found} == expected, asked

    @pytest.mark.parametrize(
        ("query", "text"),
        [
            ("limit=0", "limit: expected a number from 1 to 1000"),
            ("limit=1001", "limit: expected a number from 1 to 1000"),
            ("cursor=x", "cursor: expected what the page before gave"),
            ("cursor=64.0.", "cursor: expected what the page before gave"),
            ("sub=anna", "there is no parameter 'sub'; known are: application, subject"),
        ],
    )
    async def test_what_is_misspelt_is_named(
        self, start_gate: Any, media: Any, ask_admin: Any, query: str, text: str
    ) -> None:
        status, told = await ask_admin(await start_gate(media[0]), "GET", f"/v1/sessions?{query}")
        assert (status, told["reason"]) == (400, "malformed_request")
        assert told["detail"].startswith(text)

    @pytest.mark.parametrize("name", ["x", "zz" + "0" * 22, "ff" + "0" * 22, "0c" + "0" * 22])
    async def test_what_there_is_not(self, start_gate: Any, media: Any, ask_admin: Any, name: str) -> None:
        status, told = await ask_admin(await start_gate(media[0]), "GET", f"/v1/sessions/{name}")
        assert (status, told["reason"]) == (404, "not_found")


@pytest.fixture
async def crowd(store_url: str, policy: Any, sign: Any) -> AsyncIterator[list[str]]:
    """The sessions of two thousand viewers, half of them playing; many end at the same instant."""
    client = Client(store_url, timeout_s=10)
    sessions = Sessions(client, idle_s=60, provisional_s=30)
    first = read_token(sign(sub="viewer"), policy.applications["demo"])

    async def watch(n: int) -> str:
        owner = subject_owner("demo", f"viewer{n}")
        token = replace(first, id=token_id("demo", f"t{n}"), owner=owner, subject=f"viewer{n}")
        asked = Opening(token, "client", "page", Resume.NEVER, None, token.expires_at)
        facts = {"application": "demo", "resource": f"cam{n % 10}", "subject": f"viewer{n}"}
        opened = await sessions.open(asked, facts)
        assert isinstance(opened, Opened)
        if n % 2:
            ticket = Ticket(
                *(opened.session, "demo", token.id, owner, token.subject, 0, opened.ends_at, token.expires_at),
                *(None, None, None, None),
            )
            assert isinstance(await sessions.commit(ticket, "client", OnLimit.REJECT, facts), Opened)
        return opened.session

    yield [name for at in range(0, MANY, 50) for name in await asyncio.gather(*map(watch, range(at, at + 50)))]
    await client.close()


class TestPages:
    async def test_every_session_is_on_one_page(
        self, crowd: list[str], start_gate: Any, media: Any, ask_admin: Any
    ) -> None:
        gate = await start_gate(media[0])
        for limit in (37, 100, 1000):
            found = [each["id"] for each in await all_pages(ask_admin, gate, limit=limit)]
            assert len(found) == MANY
            assert set(found) == set(crowd)
        found = await all_pages(ask_admin, gate, resource="cam7", limit=9)
        assert len({each["id"] for each in found}) == len(found) == MANY // 10
        assert {each["resource"] for each in found} == {"cam7"}

    async def test_a_page_costs_a_bounded_number_of_calls(
        self, crowd: list[str], start_gate: Any, media: Any, ask_admin: Any, store_url: str
    ) -> None:
        gate = await start_gate(media[0])
        client = Client(store_url, timeout_s=5)

        async def calls() -> int:
            stats = await client.call("INFO", "commandstats")
            return int(stats["cmdstat_evalsha"]["calls"])

        await all_pages(ask_admin, gate)  # the server has the script
        for asked, most in (
            ({"limit": 100}, 10),
            ({"limit": 1000}, 64),
            ({"resource": "cam7", "limit": 1000}, 64 + 20),
            ({"subject": "viewer7"}, 1),
        ):
            before = await calls()
            status, page = await ask_admin(gate, "GET", f"/v1/sessions?{urlencode(asked)}")
            assert status == 200
            spent = await calls() - before
            assert 0 < spent <= most, (asked, spent)
        assert [each["subject"] for each in page["sessions"]] == ["viewer7"]
        await client.close()


class TestEnded:
    async def test_on_two_gates_within_a_second(
        self, start_gate: Any, start_origin: Any, http: ClientSession, open_link: Any, ask: Any, ask_admin: Any
    ) -> None:
        """A kill through one gate cuts what runs on both, frees the places, and closes the link for good."""
        origin, _ = await start_origin(endless)
        one, two = await start_gate(origin), await start_gate(origin)
        token = one.token("ch1", sub="anna", max_concurrent=2, **FULL)
        link = await open_link(one, "/ch1/mpegts", token)

        async def play(gate: Any, device: str) -> float:
            """When the response ended."""
            url = URL(gate.url + link, encoded=True)
            async with http.get(url, headers={"User-Agent": device}) as answer:
                assert answer.status == 200
                await answer.content.readany()
                playing[device].set()
                with pytest.raises(ClientError):
                    await answer.content.read()
            return time.monotonic()

        playing = {"phone": asyncio.Event(), "tv": asyncio.Event()}
        plays = [asyncio.create_task(play(one, "phone")), asyncio.create_task(play(two, "tv"))]
        await asyncio.gather(*(event.wait() for event in playing.values()))
        (seen,) = await all_pages(ask_admin, one)
        assert len(seen["playbacks"]) == 2
        status, told = await ask_admin(one, "DELETE", f"/v1/sessions/{seen['id']}")
        killed_at = time.monotonic()
        assert status == 200
        assert told == {
            "kind": "session",
            "id": seen["id"],
            "until": pytest.approx(seen["ends_at"] + LEEWAY_S, abs=1.01),
            "found": True,
            "playbacks": 2,
        }
        for ended_at in await asyncio.gather(*plays):
            assert ended_at - killed_at < SOON_S
        for gate in (one, two):
            assert (await ask(gate, link)).reason == "revoked"
            assert not await all_pages(ask_admin, gate)
        # Its places are free at once.
        for device in ("phone", "tv"):
            fresh = await open_link(two, "/ch1/mpegts", token)
            async with http.get(URL(two.url + fresh, encoded=True), headers={"User-Agent": device}) as answer:
                assert answer.status == 200

    async def test_what_nobody_knows_is_revoked_all_the_same(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, ask_admin: Any, store_url: str
    ) -> None:
        """An opening that has lapsed is forgotten, and its link would still play."""
        gate = await start_gate(media[0])
        link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1"))
        (seen,) = await all_pages(ask_admin, gate)
        client = Client(store_url, timeout_s=5)
        await client.call("FLUSHDB")
        status, told = await ask_admin(gate, "DELETE", f"/v1/sessions/{seen['id']}")
        assert (status, told["found"], told["playbacks"], told["until"]) == (200, False, 0, None)
        assert (await ask(gate, link)).reason == "revoked"
        await client.close()

    async def test_again_it_is_ended_still(
        self, start_gate: Any, media: Any, open_link: Any, ask_admin: Any
    ) -> None:
        gate = await start_gate(media[0])
        await open_link(gate, "/ch1/index.m3u8", gate.token("ch1"))
        (seen,) = await all_pages(ask_admin, gate)
        for found in (True, False):
            status, told = await ask_admin(gate, "DELETE", f"/v1/sessions/{seen['id']}")
            assert (status, told["found"]) == (200, found)

    async def test_a_name_that_is_none(self, start_gate: Any, media: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        assert (await ask_admin(gate, "DELETE", "/v1/sessions/x"))[0] == 404
        assert not gate.node.control.revoked.until_s


class TestRevoked:
    @pytest.mark.parametrize("which", ["token", "jti", "subject", "session", "not_before"])
    async def test_on_every_gate_within_a_second(
        self,
        start_gate: Any,
        start_origin: Any,
        http: ClientSession,
        open_link: Any,
        ask: Any,
        ask_admin: Any,
        which: str,
    ) -> None:
        origin, _ = await start_origin(endless)
        one, two = await start_gate(origin), await start_gate(origin)
        issued = int(time.time()) - 10
        token = one.token("ch1", sub="anna", jti="t1", iat=issued, **FULL)
        other = one.token("ch1", sub="bert", jti="t2", iat=issued + 20, **FULL)
        link = await open_link(one, "/ch1/mpegts", token)
        (seen,) = await all_pages(ask_admin, one)
        body: dict[str, Any] = {
            "token": {"token": token_id("demo", "t1")},
            "jti": {"jti": "t1", "application": "demo"},
            "subject": {"subject": "anna"},
            "session": {"session": seen["id"]},
            "not_before": {"not_before": issued + 5, "application": "demo"},
        }[which]
        async with http.get(URL(two.url + link, encoded=True)) as answer:
            await answer.content.readany()
            since = time.monotonic()
            status, told = await ask_admin(one, "POST", "/v1/revocations", body)
            assert status == 201, told
            with pytest.raises(ClientError):
                await answer.content.read()
            assert time.monotonic() - since < SOON_S
        assert (await ask(two, link)).reason == "revoked"
        if which != "session":
            assert told["until"] is None
            assert (await ask(two, f"/ch1/mpegts?token={token}")).reason == "revoked"
        assert (await ask(two, f"/ch1/index.m3u8?token={other}")).status == 302
        held = (await ask_admin(two, "GET", "/v1/revocations"))[1]
        kind = {"jti": "token"}.get(which, which)
        assert [(each["kind"], each["until"]) for each in held["revocations"]] == [(kind, told["until"])]
        assert held["cursor"] is None

    async def test_what_is_revoked_is_marked_in_the_list(
        self, start_gate: Any, media: Any, open_link: Any, ask_admin: Any
    ) -> None:
        gate = await start_gate(media[0])
        await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", sub="anna"))
        await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", sub="bert"))
        await ask_admin(gate, "POST", "/v1/revocations", {"subject": "anna"})
        found = await all_pages(ask_admin, gate)
        assert {each["subject"]: each["revoked"] for each in found} == {"anna": True, "bert": False}

    async def test_it_is_kept_for_as_long_as_is_said(self, start_gate: Any, media: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        until = int(time.time()) + 100
        status, told = await ask_admin(gate, "POST", "/v1/revocations", {"jti": "t1", "until": until})
        assert status == 201
        assert told == {"kind": "token", "until": until + 1, "id": token_id("demo", "t1")}

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ({}, "name one of token, jti, subject, session, not_before, and only one"),
            (
                {"jti": "a", "subject": "b"},
                "name one of token, jti, subject, session, not_before, and only one",
            ),
            ({"tokn": "a"}, "there is no field 'tokn'; known are: token, jti"),
            ({"token": "eyJ"}, "token: expected the token's id, 22 characters"),
            ({"token": "a" * 22, "application": "demo"}, "application: a token's id names one token"),
            ({"session": "x"}, "session: expected a session id"),
            ({"session": "00" + "0" * 22, "until": 4_000_000_000}, "until: a session is revoked until"),
            ({"jti": ""}, "jti: expected text"),
            ({"jti": "a", "application": "nobody"}, "application: there is none of this name; known are: demo"),
            ({"jti": "a", "until": 1000}, "until: that time is past"),
            ({"not_before": 4_000_000_000}, "not_before: that time is still to come"),
            ({"not_before": "now"}, "not_before: expected whole Unix seconds"),
        ],
    )
    async def test_what_is_not_understood_revokes_nothing(
        self, start_gate: Any, media: Any, ask_admin: Any, body: Any, text: str
    ) -> None:
        gate = await start_gate(media[0])
        status, told = await ask_admin(gate, "POST", "/v1/revocations", body)
        assert (status, told["reason"]) == (400, "malformed_request")
        assert told["detail"].startswith(text)
        assert not gate.node.control.revoked.until_s

    async def test_of_several_applications_one_is_named(
        self, start_gate: Any, media: Any, ask_admin: Any
    ) -> None:
        key = {"kid": "k1", "secret": "a secret of more than thirty-two bytes"}
        applications = {"demo": {"keys": [key]}, "other": {"keys": [{**key}]}}
        streams = [{"match": "/{resource}/**", "application": "demo"}]
        gate = await start_gate(media[0], applications=applications, streams=streams)
        status, told = await ask_admin(gate, "POST", "/v1/revocations", {"subject": "anna"})
        assert (status, told["detail"]) == (400, "application: there are several: name one of demo, other")
        body = {"not_before": 1000, "application": "other"}
        assert (await ask_admin(gate, "POST", "/v1/revocations", body))[1] == {
            "kind": "not_before",
            "until": None,
            **body,
        }

    async def test_they_are_listed_in_pages(self, start_gate: Any, media: Any, ask_admin: Any) -> None:
        gate = await start_gate(media[0])
        for n in range(25):
            await gate.node.control.revoke(f"t:{n:022d}", None)
        found, query = [], "limit=10"
        for _ in range(3):
            _, page = await ask_admin(gate, "GET", f"/v1/revocations?{query}")
            found += page["revocations"]
            query = f"limit=10&cursor={page['cursor']}"
        assert page["cursor"] is None
        assert [each["id"] for each in found] == [f"{n:022d}" for n in range(25)]
