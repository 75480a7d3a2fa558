"""Answers of the store that are lost on their way: nobody is refused for one, and nothing counts twice."""

from __future__ import annotations

import asyncio
from typing import Any

FULL = {"live": True, "dvr": True, "copy": True}
PLAYLIST = "/ch1/index.m3u8"


async def test_an_honest_viewer_is_never_refused_for_one(
    start_gate: Any, media: Any, start_frail: Any, ask: Any
) -> None:
    store = await start_frail()
    gate = await start_gate(media[0], store=store.url, sessions={"idle": "6s"})
    store.wire.loses = 15

    async def insist(target: str, expected: int, agent: str) -> Any:
        """As players do: what is refused with 503 is asked again."""
        for _ in range(40):
            got = await ask(gate, target, headers={"User-Agent": agent})
            if got.status != 503:
                break
            assert (got.reason, got.headers["Retry-After"]) == ("store_unavailable", "2")
            await asyncio.sleep(0.05)
        assert got.status == expected, (got.status, got.reason)
        return got

    async def view(name: str) -> None:
        token = gate.token("ch1", jti=name, sub=name, session_limit=1, max_concurrent=1, **FULL)
        link = (await insist(f"{PLAYLIST}?token={token}", 302, name)).headers["Location"]
        for _ in range(3):
            await insist(link.replace("index.m3u8", "hls/segment1.ts"), 200, name)

    names = [f"viewer {at}" for at in range(150)]
    for at in range(0, len(names), 10):
        await asyncio.gather(*(view(name) for name in names[at : at + 10]))
    assert store.wire.lost > 30
    store.wire.loses = 0
    counts = await asyncio.gather(
        *(store.client.call("KEYS", f"gate:{{{shard:02d}}}:t:*") for shard in range(64))
    )
    keys = [key for found in counts for key in found]
    assert len(keys) == len(names)
    assert set(await asyncio.gather(*(store.client.call("SCARD", key.decode()) for key in keys))) == {1}
