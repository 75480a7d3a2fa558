"""After a restart, gentle or by kill -9, counts stand and session links play on."""

from __future__ import annotations

from typing import Any

from gate.core.keys import Algorithm, Key
from gate.formats import jwt

FULL = {"live": True, "dvr": True, "copy": True}
PLAYLIST = "/ch1/index.m3u8"
SECRET = "a secret that both of these gates were given"


async def test_of_a_gate(start_gate: Any, media: Any, ask: Any, open_link: Any) -> None:
    gate = await start_gate(media[0])
    token = gate.token("ch1", session_limit=1, **FULL)
    link = await open_link(gate, PLAYLIST, token)
    assert (await ask(gate, link.replace("index.m3u8", "mpegts"))).status == 200
    await gate.node.stop()
    gate = await start_gate(media[0])
    assert (await ask(gate, link)).status == 200
    assert (await ask(gate, link.replace("index.m3u8", "mpegts"))).status == 200
    assert (await ask(gate, f"{PLAYLIST}?token={token}")).reason == "session_limit"


async def test_of_everything_by_kill_9(spawn_gate: Any, media: Any, ask: Any, open_link: Any) -> None:
    gate = await spawn_gate(media[0], SECRET)
    claims = {"grants": {"read": {"resources": ["ch1"]}}, "exp": 4_000_000_000, **FULL}
    limited, single = (
        jwt.sign({**claims, **more}, Key("k1", Algorithm.HS256, SECRET.encode()))
        for more in ({"jti": "l", "session_limit": 3}, {"nonce": "n", "single_use": True})
    )
    links = {
        name: (await open_link(gate, PLAYLIST, token, headers={"User-Agent": name}))
        for name, token in [("a", limited), ("b", limited), ("c", single)]
    }
    for name, link in links.items():
        got = await ask(gate, link.replace("index.m3u8", "mpegts"), headers={"User-Agent": name})
        assert got.status == 200
    assert gate.children()
    await gate.kill()
    gate = await spawn_gate(media[0], SECRET)
    for name, link in links.items():
        for target in (link, link.replace("index.m3u8", "mpegts")):
            assert (await ask(gate, target, headers={"User-Agent": name})).status == 200
    assert (await ask(gate, f"{PLAYLIST}?token={single}")).reason == "session_limit"
    third = await open_link(gate, PLAYLIST, limited, headers={"User-Agent": "d"})
    assert (await ask(gate, third.replace("index.m3u8", "mpegts"), headers={"User-Agent": "d"})).status == 200
    assert (await ask(gate, f"{PLAYLIST}?token={limited}")).reason == "session_limit"
