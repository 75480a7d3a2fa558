"""Links of client-side tokens that refer to a server-side one: each gives what both of its tokens do."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

ALL = {"all": True}
READ = {"read": ALL}


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("limit", [None, 9])
@pytest.mark.parametrize("count", [1, 100], ids=["short", "long"])
async def test_a_link_gives_what_its_own_token_gives(
    shops: Any, hidden: bool, limit: int | None, count: int
) -> None:
    """Also where all of them count under the one that they refer to."""
    videos = [await shops.add() for _ in range(3)]
    base = await shops.create(grants=READ, hidden=hidden, **({} if limit is None else {"session_limit": limit}))
    own = [[video, *(secrets.token_hex(16) for _ in range(count - 1))] for video in videos[:2]]
    tokens = [shops.write(token=base, grants={"read": {"resources": names}}) for names in own]
    here, there = shops.gates
    links = [
        await shops.link(shops.file(video, token), f"browser {video}", gate=here)
        for video, token in zip(videos, tokens, strict=False)
    ]
    for gate in (there, here, there):
        for mine, link in enumerate(links):
            assert len(link) < 3000
            for at, video in enumerate(videos):
                got = await shops.ask_as("copy", link.replace(videos[mine], video), gate=gate)
                assert got.said == ((200, None) if at == mine else (403, "resource_not_granted"))
    # What the other one no longer gives, they do not.
    assert (await shops.call("POST", base, {"grants": {"read": {"resources": videos[1:]}}})).status == 200
    for mine, link in enumerate(links):
        got = await shops.ask_as("copy", link)
        assert got.said == ((403, "resource_not_granted") if mine == 0 else (200, None))
