"""What ends a session, its token or its usage; and the keys that its link is sealed with."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from typing import Any

import pytest
import yaml

from gate.config.compile import load_config
from gate.core.ticket import ticket_key_id

FULL = {"live": True, "dvr": True, "copy": True}
SECRET = "a secret of more than thirty-two bytes, for tests"
SEGMENT = "/ch1/hls/segment1.ts"


def application(**options: Any) -> dict[str, Any]:
    return {"demo": {"keys": [{"kid": "k1", "secret": SECRET}], **options}}


async def open_session_of(ask: Any, gate: Any, **claims: Any) -> tuple[str, float | None]:
    token = gate.token("ch1", **{**FULL, **claims})
    got = await ask(gate, "/_s", "POST", headers={"Authorization": f"Bearer {token}"})
    answer = json.loads(got.body)
    return answer["link"], answer["ends_at"]


@pytest.mark.timed
async def test_with_usage_a_session_outlives_its_token(start_gate: Any, media: Any, ask: Any) -> None:
    policy = {"applications": application(session_end="usage", max_usage="5s")}
    gates = [await start_gate(media[0], **policy) for _ in range(2)]
    until = int(time.time()) + 2
    link, ends_at = await open_session_of(ask, gates[0], exp=until)
    assert ends_at is not None
    assert until < ends_at <= time.time() + 5
    assert (await ask(gates[0], link + SEGMENT)).status == 200
    await asyncio.sleep(until - time.time() + 0.5)
    for gate in gates:
        assert (await ask(gate, link + SEGMENT)).status == 200
        assert (await ask(gate, f"/_s?token={gate.token('ch1', exp=until)}", "POST")).reason == "token_expired"
    await asyncio.sleep(ends_at - time.time() + 0.5)
    for gate in gates:
        assert (await ask(gate, link + SEGMENT)).reason == "session_expired"


@pytest.mark.parametrize(
    ("options", "claims", "lasts_s"),
    [
        ({"session_end": "token"}, {}, 3600),
        ({"session_end": "token"}, {"usage_expiration_time": 60}, 60),
        ({"session_end": "token"}, {"usage_expiration_time": 7200}, 3600),
        ({"session_end": "usage", "max_usage": "1h"}, {"lasts_s": 60}, 3600),
        ({"session_end": "usage", "max_usage": "1h"}, {"usage_expiration_time": 60}, 60),
        ({"session_end": "usage", "max_usage": "1m"}, {"usage_expiration_time": 7200}, 60),
        ({"session_end": "usage", "max_usage": "2h"}, {"usage_expiration_time": 7200}, 7200),
    ],
)
async def test_how_long_it_lasts(
    start_gate: Any, media: Any, ask: Any, options: Any, claims: Any, lasts_s: int
) -> None:
    gate = await start_gate(media[0], applications=application(**options))
    if "lasts_s" in claims:
        claims = {"exp": int(time.time()) + claims["lasts_s"]}
    _, ends_at = await open_session_of(ask, gate, **claims)
    assert ends_at is not None
    assert abs(ends_at - time.time() - lasts_s) < 30


def key_of(link: str) -> bytes:
    """The id of the key that a link is sealed with."""
    text = link.split("/")[2]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))[:4]


async def test_keys_rotate_by_a_reload_of_the_policy(start_gate: Any, media: Any, ask: Any) -> None:
    secrets = [f"ticket secret number {at} of more than 32 bytes" for at in range(3)]
    gate = await start_gate(media[0], sessions={"ticket_keys": secrets[:1]})
    old, _ = await open_session_of(ask, gate)
    path = gate.folder / "gate.yaml"

    def reload(keys: list[str]) -> None:
        document = yaml.safe_load(path.read_text())
        document["sessions"]["ticket_keys"] = keys
        path.write_text(yaml.safe_dump(document))
        assert gate.node.reload(lambda: load_config(path, {}))

    reload([secrets[1], secrets[0]])
    new, _ = await open_session_of(ask, gate)
    assert key_of(new) != key_of(old)
    assert [(await ask(gate, link + SEGMENT)).status for link in (old, new)] == [200, 200]
    reload([secrets[1]])
    assert (await ask(gate, new + SEGMENT)).status == 200
    assert (await ask(gate, old + SEGMENT)).reason == "ticket_invalid"


async def test_keys_rotate_on_every_gate(start_gate: Any, media: Any, ask: Any) -> None:
    gates = [await start_gate(media[0]) for _ in range(2)]
    old, _ = await open_session_of(ask, gates[0])
    keys = await gates[0].node.control.ticket_keys(0)
    assert len(keys) == 2
    async with asyncio.timeout(20):
        while True:
            fresh = [(await open_session_of(ask, gate))[0] for gate in gates]
            if {key_of(link) for link in fresh} == {ticket_key_id(keys[0])}:
                break
            await asyncio.sleep(0.05)
    assert key_of(old) == ticket_key_id(keys[1])
    for gate in [*gates, await start_gate(media[0])]:
        assert [(await ask(gate, link + SEGMENT)).status for link in (old, *fresh)] == [200, 200, 200]


@pytest.mark.timed
async def test_keys_are_made_anew_in_time(start_gate: Any, media: Any, ask: Any) -> None:
    gates = [await start_gate(media[0], sessions={"ticket_rotation": "1s"}) for _ in range(2)]
    first, _ = await open_session_of(ask, gates[0])
    async with asyncio.timeout(20):
        while True:
            later = [(await open_session_of(ask, gate))[0] for gate in gates]
            if all(key_of(link) != key_of(first) for link in later):
                break
            await asyncio.sleep(0.1)
    for gate in gates:
        assert [(await ask(gate, link + SEGMENT)).status for link in (first, *later)] == [200, 200, 200]
