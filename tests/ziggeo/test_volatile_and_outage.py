"""Server-side tokens that go by themselves, and tokens while the store is away."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gate.store.embedded import EmbeddedValkey

OWN = {"session_owned": True}
ALL = {"all": True}
READ = {"read": ALL}
GRACE = {"ziggeo": {"volatile_grace": "1s"}}
UNAVAILABLE = (503, "store_unavailable")


async def is_kept(shop: Any, token: str) -> bool:
    got = await shop.call("GET", token)
    assert got.said in {(200, None), (404, "not_found")}
    return got.status == 200  # type: ignore[no-any-return]


@pytest.mark.timed
async def test_a_volatile_token_goes_when_it_is_left_empty(start_shop: Any) -> None:
    shop = await start_shop(application=GRACE)
    empty = [await shop.create(volatile=True, grants=grants) for grants in ({}, {"read": {}})]
    saved, emptied, kept = [await shop.create(volatile=flag, grants={}) for flag in (True, True, False)]
    full = await shop.create(volatile=True, grants=READ)
    assert (await shop.call("POST", saved, {"grants": READ})).status == 200
    assert (await shop.call("POST", emptied, {"grants": READ})).status == 200
    turned = await shop.create(volatile=False, grants={})
    assert (await shop.call("POST", turned, {"volatile": True})).status == 200
    await asyncio.sleep(0.5)
    assert all([await is_kept(shop, each) for each in (*empty, saved, emptied, kept, full, turned)])
    assert (await shop.call("POST", emptied, {"grants": {}})).json["grants"] == {}
    await asyncio.sleep(0.7)
    assert [await is_kept(shop, each) for each in (*empty, turned)] == [False] * 3
    assert await is_kept(shop, emptied)
    await asyncio.sleep(0.5)
    assert [await is_kept(shop, each) for each in (emptied, saved, kept, full)] == [False, True, True, True]
    assert (await shop.call("POST", empty[0], {"grants": READ})).said == (404, "not_found")


@pytest.mark.timed
async def test_a_volatile_token_goes_with_the_last_resource_that_it_names(start_shop: Any) -> None:
    """Destroyed through the gate; on another one nobody is served by what it was."""
    shop = await start_shop(gates=2, application=GRACE)
    one, other = await shop.add(), await shop.add()
    named = {"read": {"resources": sorted([one, other])}, "update": {"resources": [one]}}
    short, long = [await shop.create(volatile=flag, grants=named) for flag in (True, False)]
    single = await shop.create(volatile=True, grants={"read": {"resources": [one]}})
    page, editor = await shop.page(), await shop.create(grants={"destroy": ALL, "read": ALL})
    for token in (short, long, single):
        for gate in shop.gates:
            assert (await shop.ask(shop.file(one, token, page), gate=gate)).status == 200
    # A stream of it is not all of it, and what the origin does not do has not been done.
    assert (await shop.ask(shop.at(f"/{one}/streams/{'0' * 32}", editor), "DELETE")).said == (404, None)
    assert (await shop.call("GET", single)).json["grants"] == {"read": {"resources": [one]}}
    assert (await shop.ask(shop.at(f"/{one}", editor), "DELETE")).status == 200
    assert (await shop.call("GET", short)).json["grants"] == {"read": {"resources": [other]}}
    assert (await shop.call("GET", long)).json["grants"] == named
    assert (await shop.call("GET", single)).json["grants"] == {}
    for gate in shop.gates:
        assert (await shop.ask(shop.file(one, short, page), gate=gate)).said == (403, "resource_not_granted")
        assert (await shop.ask(shop.file(other, short, page), gate=gate)).status == 200
        assert (await shop.ask(shop.file(one, single, page), gate=gate)).said == (403, "action_not_granted")
        assert (await shop.ask(shop.file(one, long, page), gate=gate)).said == (404, None)
    await asyncio.sleep(1.3)
    assert [await is_kept(shop, each) for each in (short, long, single)] == [True, True, False]
    assert (await shop.ask(shop.at(f"/{other}", editor), "DELETE")).status == 200
    await asyncio.sleep(1.3)
    assert [await is_kept(shop, each) for each in (short, long, single)] == [False, True, False]


async def test_what_a_session_destroys_of_its_own_leaves_no_volatile_token(start_shop: Any) -> None:
    shop = await start_shop(application={"ziggeo": {"volatile_grace": "0s"}})
    recorder, page = await shop.create(grants={"create": OWN, "destroy": OWN}, session_limit=1), ""
    page = await shop.page()
    made = (await shop.ask(shop.at("", recorder, page), "POST", data=shop.clip)).json["token"]
    viewer = await shop.create(volatile=True, grants={"read": {"resources": [made]}})
    link = await shop.link(shop.file(made, viewer))
    assert (await shop.ask(link)).status == 200
    assert (await shop.ask(shop.at(f"/{made}", recorder, page), "DELETE")).status == 200
    assert not await is_kept(shop, viewer)
    assert (await shop.ask(link)).said == (401, "revoked")
    assert (await shop.ask(shop.file(made, viewer, page))).said == (401, "token_malformed")


@pytest.fixture
async def own_store(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A store of this test's own, to be stopped."""
    async with EmbeddedValkey(tmp_path / "own") as server:
        yield server
        assert server.pid is not None
        os.kill(server.pid, signal.SIGCONT)


async def settles(ask: Callable[[], Awaitable[Any]], said: tuple[int, str | None], within_s: float) -> None:
    began = time.monotonic()
    while (got := await ask()).said != said:
        assert time.monotonic() - began < within_s, got.said
        await asyncio.sleep(0.02)


async def test_in_an_outage_who_watches_goes_on_and_nobody_is_told_to_go_away(
    start_shop: Any, own_store: EmbeddedValkey
) -> None:
    shop = await start_shop(store=own_store.url, sessions={"provisional": "1s"})
    video = await shop.add()
    tokens = [await shop.make(kind, grants=READ, session_limit=2) for kind in ("server", "client")]
    unseen, page, other = await shop.create(grants=READ), await shop.page(), await shop.page()
    hidden = await shop.create(grants=READ, hidden=True)
    recorder = await shop.create(grants={"create": OWN, "read": OWN, "update": OWN}, session_limit=1)
    made = (await shop.ask(shop.at("", recorder, page), "POST", data=shop.clip)).json["token"]
    running = [shop.file(made, recorder, page)]
    for token in tokens:
        running += [shop.file(video, token, page), await shop.link(shop.file(video, token))]
    for target in running:
        assert (await shop.ask(target)).status == 200
    assert own_store.pid is not None
    os.kill(own_store.pid, signal.SIGSTOP)
    for _ in range(2):
        for target in running:
            assert (await shop.ask(target)).status == 200, target
        for token in (*tokens, unseen, shop.write(grants=READ, session_limit=1), "0" * 32):
            for target in (shop.file(video, token, other), shop.file(video, token)):
                got = await shop.ask_as("a new one", target)
                assert got.said == UNAVAILABLE, target
                assert int(got.headers["Retry-After"]) >= 1
        got = await shop.ask(shop.file(video, shop.write(token=hidden, grants=READ), page))
        assert got.said == UNAVAILABLE
        # SDKs ask again after a 5xx, and give up after a 4xx.
        for method, token in (("POST", ""), ("GET", tokens[0]), ("POST", tokens[0]), ("DELETE", tokens[0])):
            got = await shop.call(method, token, {"grants": READ} if method == "POST" else None)
            assert got.said == UNAVAILABLE
            assert got.phrase
            assert got.json["code"] == 503
        # A page is opened without the store, and one that no gate has issued is none now either.
        fresh = await shop.page()
        assert (await shop.ask(shop.file(video, tokens[1], fresh))).said == UNAVAILABLE
        assert (await shop.ask(shop.file(video, tokens[1], "x"))).said == (401, "visit_invalid")
        assert (await shop.ask(shop.file(video, "no token", page).replace(" ", "-"))).status == 401
    os.kill(own_store.pid, signal.SIGCONT)
    await settles(lambda: shop.ask(shop.file(video, unseen, other)), (200, None), 5)
    for target in running:
        assert (await shop.ask(target)).status == 200
    for token in tokens:
        assert (await shop.ask(shop.file(video, token, other))).said == (403, "session_limit")
