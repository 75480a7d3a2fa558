"""session_limit counts sessions: pages that were opened, or links; neither requests nor copies of a URL."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from collections import Counter
from string import ascii_letters, digits
from typing import Any

import pytest

ALL = {"all": True}
READ = {"read": ALL}
COPIES = [f"{agent}/{version}" for agent in ("Chrome", "Firefox", "VLC", "mpv", "curl") for version in (1, 2)]
both = pytest.mark.parametrize("kind", ["server", "client"])


@both
async def test_two_sessions_of_one_token_in_parallel(shop: Any, kind: str) -> None:
    video = await shop.add()
    pages = [await shop.page() for _ in range(2)]
    for limit in (1, 2):
        token = await shop.make(kind, grants=READ, session_limit=limit)
        got = await asyncio.gather(*(shop.ask(shop.file(video, token, page)) for page in pages))
        refused = [each.reason for each in got if each.status != 200]
        assert refused == ["session_limit"] * (2 - limit)
        again = await asyncio.gather(*(shop.ask(shop.file(video, token, page)) for page in pages))
        assert [each.said for each in again] == [each.said for each in got]
        assert (await shop.ask(shop.file(video, token, await shop.page()))).said == (403, "session_limit")


@both
async def test_a_copied_url_counts_once_and_a_refreshed_page_again(shops: Any, kind: str) -> None:
    video, token = await shops.add(), await shops.make(kind, grants=READ, session_limit=2)
    first = shops.file(video, token, await shops.page())
    got = await asyncio.gather(
        *(shops.ask_as(name, first, gate=shops.gates[at % 2]) for at, name in enumerate(COPIES))
    )
    assert {each.status for each in got} == {200}
    # A player goes on: it seeks, asks for the image, and says that it plays.
    for more in ({"Range": "bytes=100-"}, {"Range": "bytes=0-"}):
        assert (await shops.ask_as("VLC/1", first, headers=more)).status == 206
    refreshed = shops.file(video, token, await shops.page())
    for name in COPIES:
        assert (await shops.ask_as(name, refreshed)).status == 200
    third = shops.file(video, token, await shops.page())
    assert (await shops.ask_as("Chrome/1", third)).said == (403, "session_limit")
    assert (await shops.ask_as("Chrome/1", first)).status == 200


@both
async def test_without_a_page_a_link_counts_however_often_it_is_copied(shops: Any, kind: str) -> None:
    video, token = await shops.add(), await shops.make(kind, grants=READ, session_limit=2)
    links = [await shops.link(shops.file(video, token), name) for name in ("one", "two")]
    for link in links:
        got = await asyncio.gather(
            *(shops.ask_as(name, link, gate=shops.gates[at % 2]) for at, name in enumerate(COPIES))
        )
        assert {each.status for each in got} == {200}
        assert token not in link
    assert (await shops.ask_as("three", shops.file(video, token))).said == (403, "session_limit")
    # Of the same token a page's session is one as any other.
    assert (await shops.ask(shops.file(video, token, await shops.page()))).said == (403, "session_limit")


@both
async def test_what_shows_nothing_counts_nothing(shop: Any, kind: str) -> None:
    video, token = await shop.add(), await shop.make(kind, grants=READ, session_limit=1)
    for _ in range(3):
        page = await shop.page()
        assert (await shop.ask(shop.file(video, token, page), "HEAD")).status == 200
        probe = await shop.ask(shop.file(video, token, page), headers={"Range": "bytes=0-1"})
        assert (probe.status, len(probe.body)) == (206, 2)
        assert (await shop.ask(shop.file("0" * 32, token, page))).said == (404, None)
    page = await shop.page()
    assert (await shop.ask(shop.file(video, token, page))).status == 200
    assert (await shop.ask(shop.file(video, token, await shop.page()))).reason == "session_limit"


@both
async def test_a_hundred_pages_at_once_open_five_sessions(shops: Any, kind: str) -> None:
    video, token = await shops.add(), await shops.make(kind, grants=READ, session_limit=5)
    pages = await asyncio.gather(*(shops.page(gate=shops.gates[at % 2]) for at in range(100)))
    assert len(set(pages)) == 100

    async def watch() -> list[bool]:
        # Each at the gate that did not issue its page.
        got = await asyncio.gather(
            *(
                shops.ask_as(f"visitor {at}", shops.file(video, token, page), gate=shops.gates[(at + 1) % 2])
                for at, page in enumerate(pages)
            )
        )
        told = Counter((each.status, each.reason) for each in got)
        assert told == {(200, None): 5, (403, "session_limit"): 95}
        return [each.status == 200 for each in got]

    assert await watch() == await watch()


@both
async def test_one_page_a_hundred_times_at_once_is_one_session(shops: Any, kind: str) -> None:
    video, token = await shops.add(), await shops.make(kind, grants=READ, session_limit=2)
    one = shops.file(video, token, await shops.page())
    got = await asyncio.gather(
        *(shops.ask_as(f"visitor {at}", one, gate=shops.gates[at % 2]) for at in range(100))
    )
    assert Counter((each.status, each.reason) for each in got) == {(200, None): 100}
    for said in ((200, None), (403, "session_limit")):
        assert (await shops.ask(shops.file(video, token, await shops.page()))).said == said


async def test_each_token_has_sessions_of_its_own_in_a_page(shop: Any) -> None:
    """Its nonce is the name of a client-side token: another text of the same one is the same token."""
    video, page, other = await shop.add(), await shop.page(), await shop.page()
    same = [shop.write("mine", grants=READ, session_limit=1) for _ in range(2)]
    assert same[0] != same[1]
    for token in (*same, shop.write("yours", grants=READ, session_limit=1)):
        assert (await shop.ask(shop.file(video, token, page))).status == 200
    for token in same:
        assert (await shop.ask(shop.file(video, token, other))).reason == "session_limit"
    assert (await shop.ask(shop.file(video, shop.write("theirs", grants=READ), other))).status == 200


async def test_only_what_a_gate_has_issued_to_the_application_is_a_page(shop: Any) -> None:
    video, token, page = await shop.add(), await shop.create(grants=READ, session_limit=1), await shop.page()
    other = await shop.ask(f"/v1/applications/{shop.other_app}/session", "POST")
    made_up = ["x", "sess-abc", "0" * 32, "A" * len(page), page[:-1], f"{page}A", other.json["token"]]
    swapped = [page[:at] + ("B" if page[at] == "A" else "A") + page[at + 1 :] for at in range(len(page))]
    # Another text of the same bytes is none either.
    respelled = [page[:-1] + each for each in f"{ascii_letters}{digits}-_" if each != page[-1]]
    assert sum(urlsafe_b64decode(f"{text}==") == urlsafe_b64decode(f"{page}==") for text in respelled) == 15
    for text in {*made_up, *swapped, *respelled}:
        got = await shop.ask(shop.file(video, token, text))
        assert got.said == (401, "visit_invalid"), text
    two = f"{shop.file(video, token, page)}&{shop.parameter}={await shop.page()}"
    assert (await shop.ask(two)).said == (400, "ambiguous_credentials")
    # Nobody's limit was touched; and where no token is, no page is asked for either.
    assert (await shop.ask(shop.file(video, token, page))).status == 200
    assert (await shop.ask(shop.file(video, page=page))).said == (401, "token_missing")


async def test_a_page_that_is_opened_again_is_another_whatever_it_shows(shop: Any) -> None:
    video, token = await shop.add(), await shop.create(grants=READ, session_limit=2)
    old = await shop.page()
    assert (await shop.ask(shop.file(video, token, old))).status == 200
    new = await shop.page(f"?&noauth=false&_wrapstatus=true&{shop.parameter}={old}")
    assert new not in ("", old)
    assert (await shop.ask(shop.file(video, token, new))).status == 200
    assert (await shop.ask(shop.file(video, token, await shop.page()))).said == (403, "session_limit")
    got = await shop.ask(
        f"/v1/applications/{shop.app}/session",
        "POST",
        data=f"{shop.parameter}={old}",
        headers={"Content-Type": "text/plain;charset=UTF-8"},
    )
    assert got.json["token"] not in (old, new)
