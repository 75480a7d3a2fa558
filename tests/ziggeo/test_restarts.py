"""What a restart of the gate must not forget, and when sessions and tokens end, on every gate of a store."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

OWN = {"session_owned": True}
ALL = {"all": True}
READ = {"read": ALL}
OWN_ALL = {"create": OWN, "read": OWN, "update": OWN, "destroy": OWN}
both = pytest.mark.parametrize("kind", ["server", "client"])


async def wait_until(second: float) -> None:
    await asyncio.sleep(max(0.0, second - time.time()))


@pytest.mark.parametrize("store", ["shared", "embedded"])
async def test_a_restart_forgets_no_count_no_ownership_and_no_page(
    start_shop: Any, tmp_path: Path, store: str
) -> None:
    kept = {"state_dir": str(tmp_path / "state")}
    if store == "embedded":
        kept["store"] = "embedded"
    shop = await start_shop(**kept)
    video = await shop.add()
    tokens = [await shop.make(kind, grants=READ, session_limit=2) for kind in ("server", "client")]
    recorder = await shop.create(grants=OWN_ALL, session_limit=1)
    hidden = await shop.create(grants=READ, hidden=True, session_limit=1)
    referring = shop.write(token=hidden, grants=READ)
    pages = [await shop.page() for _ in range(3)]
    links = [await shop.link(shop.file(video, token), "visitor") for token in tokens]
    for token, link in zip(tokens, links, strict=True):
        assert (await shop.ask(shop.file(video, token, pages[0]))).status == 200
        assert (await shop.ask_as("visitor", link)).status == 200
    assert (await shop.ask(shop.file(video, referring, pages[0]))).status == 200
    made = (await shop.ask(shop.at("", recorder, pages[0]), "POST", data=shop.clip)).json["token"]
    gone = await shop.create(grants=READ)
    assert (await shop.call("DELETE", gone)).status == 200
    before = json.loads((await shop.call("GET", recorder)).body)

    await shop.gates[0].node.stop()
    shop.gates.clear()
    await shop.open_gate(**kept)

    for token, link in zip(tokens, links, strict=True):
        # Two sessions were opened, which go on, and a third is one too many.
        assert (await shop.ask(shop.file(video, token, pages[0]))).status == 200
        assert (await shop.ask_as("copy", link)).status == 200
        for page in (pages[1], await shop.page()):
            assert (await shop.ask(shop.file(video, token, page))).said == (403, "session_limit")
        assert (await shop.ask(shop.file(video, token))).said == (403, "session_limit")
    assert (await shop.ask(shop.file(video, referring, pages[0]))).status == 200
    assert (await shop.ask(shop.file(video, referring, pages[1]))).said == (403, "session_limit")
    assert (await shop.ask(shop.file(video, gone, pages[0]))).said == (401, "token_malformed")
    assert (await shop.call("GET", recorder)).json == before
    # A page that was opened before the restart, and not used until now, is as good.
    fresh = await shop.create(grants=OWN_ALL, session_limit=1)
    for page, said in ((pages[2], (403, "resource_not_granted")), (pages[0], (200, None))):
        assert (await shop.ask(shop.file(made, fresh, page))).said == said
    assert (await shop.ask(shop.at("", fresh, pages[2]), "POST")).said == (403, "session_limit")
    assert (await shop.ask(shop.at(f"/{made}", recorder, pages[0]), "DELETE")).status == 200


@both
@pytest.mark.timed
async def test_usage_runs_from_the_first_use_and_what_is_over_stays_over(shops: Any, kind: str) -> None:
    here, there = shops.gates
    video = await shops.add()
    token = await shops.make(kind, grants=READ, session_limit=3, usage_expiration_time=1)
    idle, first = await shops.page(gate=here), await shops.page(gate=here)
    # Neither the page nor the token begins it, nor what shows nothing.
    assert (await shops.ask(shops.file(video, token, first), "HEAD", gate=there)).status == 200
    await asyncio.sleep(1.2)
    target = shops.file(video, token, first)
    assert (await shops.ask(target, gate=there)).status == 200
    began = time.time()
    await wait_until(began + 0.6)
    assert (await shops.ask(target, gate=here)).status == 200
    # A use in between puts nothing off.
    await wait_until(began + 1.15)
    for gate in (here, there, here):
        assert (await shops.ask(target, gate=gate)).said == (401, "session_expired")
        assert (await shops.ask_as("another", target, gate=gate)).said == (401, "session_expired")
    # It was one session of three; a page that was not used yet has all its time.
    began = time.time()
    for gate in (here, there):
        assert (await shops.ask(shops.file(video, token, idle), gate=gate)).status == 200
    await wait_until(began + 1.15)
    assert (await shops.ask(shops.file(video, token, idle), gate=there)).said == (401, "session_expired")
    assert (await shops.ask(target, gate=there)).said == (401, "session_expired")
    assert (await shops.ask(shops.file(video, token, await shops.page()))).status == 200
    assert (await shops.ask(shops.file(video, token, await shops.page()))).said == (403, "session_limit")


@both
@pytest.mark.timed
async def test_a_token_ends_to_the_second(shops: Any, kind: str) -> None:
    video, end = await shops.add(), int(time.time()) + 2
    token = await shops.make(kind, grants=READ, session_limit=9, expiration_date=end)
    target, link = shops.file(video, token, await shops.page()), await shops.link(shops.file(video, token))
    # One that ends now has ended.
    over = await shops.make(kind, grants=READ, expiration_date=int(time.time()))
    assert (await shops.ask(shops.file(video, over, await shops.page()))).status == 401
    await wait_until(end - 0.3)
    for gate in shops.gates:
        for each in (target, link):
            assert (await shops.ask(each, gate=gate)).status == 200, end - time.time()
    assert time.time() < end
    await wait_until(end + 0.02)
    for gate in shops.gates:
        assert (await shops.ask(target, gate=gate)).said == (401, "token_expired")
        assert (await shops.ask(link, gate=gate)).status == 401
        fresh = shops.file(video, token, await shops.page())
        assert (await shops.ask(fresh, gate=gate)).said == (401, "token_expired")


@both
@pytest.mark.timed
async def test_what_runs_is_cut_when_its_session_ends(
    start_shop: Any, endless: str, watch: Any, kind: str
) -> None:
    shop = await start_shop(endless)
    token = await shop.make(kind, grants=READ, usage_expiration_time=1)
    link = await shop.link(shop.file("v1", token))
    for target in (link, shop.file("v1", token, await shop.page())):
        began = time.monotonic()
        lasted_s = await (await watch(shop.gates[0], target)) - began
        assert (0.0 if target == link else 0.8) < lasted_s < 1.5
