"""Server-side tokens: a change reaches what they have opened, and in peace they cost the store nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gate.store.client import Client

OWN = {"session_owned": True}
ALL = {"all": True}
READ = {"read": ALL}
SOON_S = 1.0


async def settles(ask: Callable[[], Awaitable[Any]], said: tuple[int, str | None]) -> None:
    """Within a second the answer is this one."""
    began = time.monotonic()
    while (got := await ask()).said != said:
        assert time.monotonic() - began < SOON_S, (got.said, said)
        await asyncio.sleep(0.01)


@pytest.fixture
async def count_commands(store_url: str) -> AsyncIterator[Callable[[], Awaitable[dict[str, int]]]]:
    """How often each command has come to the store that an answer would wait for."""
    client = Client(store_url, timeout_s=5)

    async def count() -> dict[str, int]:
        stats = await client.call("INFO", "commandstats")
        names = ("hgetall", "evalsha", "eval", "get", "hmget", "exists")
        found = {name: stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in names}
        return {name: calls for name, calls in found.items() if calls}

    yield count
    await client.close()


@pytest.mark.timed
async def test_an_update_reaches_every_gate_and_what_was_handed_out(shops: Any) -> None:
    one, other = await shops.add(), await shops.add()
    token, page = await shops.create(grants={"read": {"resources": [one, other]}}), await shops.page()
    targets = [shops.file(other, token, page), await shops.link(shops.file(other, token))]
    kept = [shops.file(one, token, page), await shops.link(shops.file(one, token))]
    for said, changed in (
        ((403, "resource_not_granted"), {"grants": {"read": {"resources": [one]}}}),
        ((200, None), {"grants": READ}),
        ((403, "action_not_granted"), {"grants": {"destroy": ALL}}),
        ((403, "token_hidden"), {"grants": READ, "hidden": True}),
        ((200, None), {"hidden": False}),
        ((401, "token_expired"), {"expiration_date": int(time.time()) - 1}),
    ):
        assert {(await shops.ask(each)).said for each in (*kept, targets[0])} == {(200, None)}
        assert (await shops.call("POST", token, changed, gate=shops.gates[1])).status == 200
        for gate in shops.gates:
            for target in targets:
                await settles(lambda gate=gate, target=target: shops.ask(target, gate=gate), said)
        if said[0] != 200:
            # What it was before, it is again.
            assert (await shops.call("POST", token, {"grants": READ, "hidden": False})).status == 200
            for gate in shops.gates:
                expected = said if said[0] == 401 else (200, None)
                await settles(lambda gate=gate: shops.ask(targets[1], gate=gate), expected)
                await settles(lambda gate=gate: shops.ask(kept[0], gate=gate), expected)


@pytest.mark.timed
async def test_an_update_keeps_what_is_not_sent_and_what_was_counted(shops: Any) -> None:
    video, pages = await shops.add(), [await shops.page() for _ in range(4)]
    token = await shops.create(grants=READ, session_limit=2, usage_expiration_time=60)
    for page in pages[:2]:
        assert (await shops.ask(shops.file(video, token, page))).status == 200
    got = await shops.call("POST", token, {"session_limit": 3})
    assert (got.json["grants"], got.json["usage_expiration_time"]) == (READ, 60)
    there = shops.gates[1]
    await settles(lambda: shops.ask(shops.file(video, token, pages[2]), gate=there), (200, None))
    assert (await shops.ask(shops.file(video, token, pages[3]), gate=there)).said == (403, "session_limit")
    assert (await shops.call("POST", token, {"session_limit": 1})).status == 200
    # Who watches goes on; a limit is for those who come.
    for gate in shops.gates:
        for page, status in zip(pages, (200, 200, 200, 403), strict=True):
            assert (await shops.ask(shops.file(video, token, page), gate=gate)).status == status


@pytest.mark.timed
async def test_a_deletion_reaches_every_gate_and_cuts_what_runs(
    start_shop: Any, endless: str, watch: Any
) -> None:
    shops = await start_shop(endless, gates=2)
    token, page = await shops.create(grants=READ), await shops.page()
    hidden = await shops.create(grants=READ, hidden=True)
    referring = shops.write(token=hidden, grants=READ)
    links = [await shops.link(shops.file("a", each), "browser") for each in (token, referring)]
    targets = [shops.file("a", token, page), *links, shops.file("a", referring, page)]
    running = [await watch(gate, target) for gate in shops.gates for target in targets]
    began = time.monotonic()
    for each in (token, hidden):
        assert (await shops.call("DELETE", each)).status == 200
    ended = await asyncio.wait_for(asyncio.gather(*running), 10)
    assert max(ended) - began < SOON_S
    for gate in shops.gates:
        for target in targets:
            # A link's token was revoked; of a token that is gone nothing is known.
            reasons = ("revoked",) if target in links else ("revoked", "token_malformed")
            got = await shops.ask(target, gate=gate)
            assert got.status == 401
            assert got.reason in reasons
        assert len(gate.node.gatekeeper._responses) == 0
        assert (await shops.call("GET", token, gate=gate)).said == (404, "not_found")
        assert (await shops.call("DELETE", token, gate=gate)).said == (404, "not_found")


async def test_a_token_is_looked_up_once_by_each_gate(shops: Any, count_commands: Any) -> None:
    videos, token, page = [await shops.add() for _ in range(3)], await shops.create(grants=READ), ""
    hidden = await shops.create(grants=READ, hidden=True, session_limit=9)
    page, other = await shops.page(), await shops.page()
    for gate in shops.gates:
        before = await count_commands()
        assert (await shops.ask(shops.at(f"/{videos[0]}", token), gate=gate)).status == 200
        looked_up = await count_commands()
        assert looked_up["hgetall"] == before.get("hgetall", 0) + 1
        # In a page a session is opened and counted as well.
        referring = [shops.write(token=hidden, grants=READ) for _ in range(3)]
        for each in (token, *referring):
            assert (await shops.ask(shops.file(videos[0], each, page), gate=gate)).status == 200
        assert (await count_commands())["hgetall"] == looked_up["hgetall"] + 1
        link = await shops.link(shops.file(videos[0], token), gate=gate)
        assert (await shops.ask(link, gate=gate)).status == 200
        steady = await count_commands()
        for video in videos * 5:
            for target in (
                *(shops.file(video, each, page) for each in (token, *referring)),
                *(shops.at(f"/{video}", token), link.replace(videos[0], video)),
            ):
                assert (await shops.ask(target, gate=gate)).status == 200
        assert await count_commands() == steady
        assert (await shops.ask(shops.file(videos[0], token, other), gate=gate)).status == 200
        assert (await count_commands())["hgetall"] == steady["hgetall"]


async def test_hidden_tokens_are_good_only_for_tokens_that_refer_to_them(shop: Any) -> None:
    one, two, three = [await shop.add() for _ in range(3)]
    base = {"read": {"resources": [one, two]}, "update": ALL}
    hidden = await shop.create(grants=base, hidden=True)
    page = await shop.page()
    for target in (shop.file(one, hidden, page), shop.file(one, hidden), shop.at(f"/{one}", hidden)):
        assert (await shop.ask(target)).said == (403, "token_hidden")
    # Hidden itself, a client-side one is good for nothing.
    assert (await shop.ask(shop.file(one, shop.write(grants=READ, hidden=True), page))).reason == "token_hidden"
    both = shop.write(token=hidden, grants={"read": {"resources": [two, three]}, "destroy": ALL})
    wide = shop.write(token=hidden, grants={"read": ALL, "update": OWN})
    for token, may in ((both, {two}), (wide, {one, two})):
        for video in (one, two, three):
            said = (200, None) if video in may else (403, "resource_not_granted")
            assert (await shop.ask(shop.file(video, token, page))).said == said
            if said[0] == 200:
                assert (await shop.ask(await shop.link(shop.file(video, token)))).status == 200
        assert (await shop.ask(shop.at("", token, page), "POST")).reason == "action_not_granted"
        assert (await shop.ask(shop.at(f"/{two}", token, page), "DELETE")).reason == "action_not_granted"
    for token, reason in ((both, "action_not_granted"), (wide, "resource_not_granted")):
        assert (await shop.ask(shop.at(f"/{two}", token, page), "POST")).reason == reason
    # One that is not hidden can be referred to as well, and one that says nothing gives nothing.
    plain = await shop.create(grants=READ)
    assert (await shop.ask(shop.file(one, shop.write(token=plain, grants=READ), page))).status == 200
    assert (await shop.ask(shop.file(one, shop.write(token=plain), page))).reason == "action_not_granted"
    for name in ("0" * 32, "unknown", shop.app):
        assert (await shop.ask(shop.file(one, shop.write(token=name, grants=READ), page))).status == 401


@pytest.mark.timed
async def test_the_limits_of_both_hold_where_one_refers_to_the_other(shop: Any) -> None:
    video = await shop.add()
    hidden = await shop.create(grants=READ, hidden=True, session_limit=2, usage_expiration_time=1)
    pages = [await shop.page() for _ in range(3)]
    # Their own limit is none: all that refer to it share its two.
    for page, said in zip(pages, ((200, None), (200, None), (403, "session_limit")), strict=True):
        assert (await shop.ask(shop.file(video, shop.write(token=hidden, grants=READ), page))).said == said
    one = shop.write(token=hidden, grants=READ, session_limit=1)
    assert (await shop.ask(shop.file(video, one, pages[2]))).status == 200
    assert (await shop.ask(shop.file(video, one, pages[0]))).said == (403, "session_limit")
    await asyncio.sleep(1.1)
    assert (await shop.ask(shop.file(video, one, pages[2]))).said == (401, "session_expired")
