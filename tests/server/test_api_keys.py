"""VideoSDK's tokens and API keys on running gates: made on one, verified on the other, disabled everywhere."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
import yaml
from aiohttp import ClientSession

from gate.config.compile import load_config
from gate.server.node import Node
from gate.store.embedded import EmbeddedValkey

SECRET = "0123456789abcdef" * 4
VIDEOSDK = {"keys": [{"key": "AK", "secret": SECRET}], "key_secrets": ["a secret of some length"]}
# Of a token that does not verify; any other answer is about what a good one opens.
UNVERIFIED = {"unknown_key", "key_disabled", "token_signature", "keys_unavailable"}


def applications(**section: Any) -> dict[str, Any]:
    videosdk = {**VIDEOSDK, **section}
    return {"demo": {"formats": ["videosdk"], "videosdk": videosdk, "rights": ["live", "dvr", "copy"]}}


POLICY = {
    "applications": applications(),
    "streams": [
        {"match": "/rooms/{room}/{participant}/{track}/**", "layout": "room"},
        {"match": "/{resource}/**"},
    ],
}
LIVE = "/cam1/index.m3u8"
SEGMENT = "hls/segment1.ts"


def sign(key: str, secret: str, **claims: Any) -> str:
    now = int(time.time())
    said = {"apikey": key, "permissions": ["allow_join"], "iat": now, "exp": now + 600, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    return pyjwt.encode(said, secret, algorithm="HS256")


async def until(met: Callable[[], Awaitable[object]], within_s: float = 1.0) -> None:
    """It comes to be within that time."""
    since = time.monotonic()
    while not await met():
        assert time.monotonic() - since < within_s, "it did not come to be"
        await asyncio.sleep(0.005)


@pytest.fixture
def start(start_gate: Any, media: Any) -> Callable[..., Awaitable[Any]]:
    async def start(**policy: Any) -> Any:
        return await start_gate(media[0], **{**POLICY, **policy})

    return start


@pytest.fixture
def manage(http: ClientSession) -> Callable[..., Awaitable[Any]]:
    """Asks a gate's admin API about keys of `demo`: the answer, as JSON."""

    async def manage(gate: Any, method: str, key: str = "", **body: Any) -> Any:
        url = f"{gate.admin_url}/v1/applications/demo/keys{key and '/'}{key}"
        fields = {"Content-Type": "application/json"}
        async with http.request(method, url, data=json.dumps(body), headers=fields) as answer:
            assert answer.status in (200, 201), await answer.text()
            return await answer.json()

    return manage


@pytest.fixture
def make_track(ask: Any) -> Callable[..., Awaitable[str]]:
    """The playlist of a track in a new room."""

    async def make(gate: Any) -> str:
        headers = {"Authorization": sign("AK", SECRET)}
        got = await ask(gate, "/v2/rooms", "POST", json={}, headers=headers)
        return f"/rooms/{json.loads(got.body)['roomId']}/p2/webcam/index.m3u8"

    return make


@pytest.mark.timed
async def test_a_key_made_on_one_verifies_on_the_other_until_it_is_disabled(
    start: Any, ask: Any, manage: Any
) -> None:
    one, other = await start(), await start()
    made = await manage(one, "POST")
    token = sign(made["key"], made["secret"])

    async def told(gate: Any) -> str | None:
        """Why the token does not verify; None where it does."""
        reason: str | None = (await ask(gate, f"{LIVE}?secret={token}")).reason
        return reason if reason in UNVERIFIED else None

    async def is_told(gate: Any, reason: str | None) -> bool:
        return await told(gate) == reason

    # Where it was made it is known when it is told.
    assert await told(one) is None
    await until(lambda: is_told(other, None))
    await manage(other, "PATCH", made["key"], enabled=False)
    assert await told(other) == "key_disabled"
    await until(lambda: is_told(one, "key_disabled"))
    await manage(one, "PATCH", made["key"], enabled=True)
    await until(lambda: is_told(other, None))
    await manage(other, "DELETE", made["key"])
    assert await told(other) == "unknown_key"
    await until(lambda: is_told(one, "unknown_key"))
    # The policy's key has been there all the while.
    assert (await ask(one, f"{LIVE}?token={sign('AK', SECRET)}")).reason not in UNVERIFIED


@pytest.mark.parametrize("change", ["PATCH", "DELETE"])
async def test_a_session_goes_on_without_its_key(
    start: Any, ask: Any, manage: Any, make_track: Any, change: str
) -> None:
    gate = await start()
    track = await make_track(gate)
    made = await manage(gate, "POST")
    raw = {"Authorization": sign(made["key"], made["secret"], participantId="p1")}
    link = (await ask(gate, track, headers=raw)).headers["Location"]
    segment = link.replace("index.m3u8", SEGMENT)
    assert (await ask(gate, segment)).status == 200
    await manage(gate, change, made["key"], **({"enabled": False} if change == "PATCH" else {}))
    assert (await ask(gate, track, headers=raw)).status == 401
    for headers in ({}, raw):
        assert (await ask(gate, link, headers=headers)).status == 200
        assert (await ask(gate, segment, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"permissions": ["ask_join", "allow_mod"]}, "permissions_invalid"),
        ({"participantId": "a b"}, "participant_invalid"),
        ({"exp": 1}, "token_expired"),
        ({"exp": None}, "expiry_required"),
        ({"iat": "now"}, "claim_invalid"),
    ],
)
async def test_a_token_that_is_none(start: Any, ask: Any, claims: Any, reason: str) -> None:
    got = await ask(await start(), LIVE, headers={"Authorization": sign("AK", SECRET, **claims)})
    assert (got.status, got.reason) == (401, reason)


async def test_a_token_without_an_end_lives_as_long_as_the_policy_says(start: Any, ask: Any) -> None:
    gate = await start(applications=applications(without_exp="1h"))
    now = int(time.time())
    for issued_at, reason in ((now, None), (now - 3601, "token_expired"), (None, "expiry_required")):
        token = sign("AK", SECRET, exp=None, iat=issued_at)
        got = (await ask(gate, f"{LIVE}?token={token}")).reason
        assert got == reason if reason else got not in {"token_expired", "expiry_required"}


async def test_a_jti_opens_one_session_where_the_policy_says_so(start: Any, ask: Any, make_track: Any) -> None:
    gate = await start(applications=applications(single_use_jti=True))
    target = f"{await make_track(gate)}?token={sign('AK', SECRET, jti='t1')}"
    link = (await ask(gate, target)).headers["Location"]
    assert (await ask(gate, link.replace("index.m3u8", SEGMENT))).status == 200
    assert (await ask(gate, target, headers={"User-Agent": "another"})).reason == "session_limit"


async def test_a_reload_keeps_what_was_made(start: Any, ask: Any, manage: Any) -> None:
    gate = await start()
    made = await manage(gate, "POST")
    target = f"{LIVE}?token={sign(made['key'], made['secret'])}"
    path = gate.folder / "gate.yaml"
    document = yaml.safe_load(path.read_text())
    await gate.node.reread()
    assert (await ask(gate, target)).reason not in UNVERIFIED
    section = document["applications"]["demo"]["videosdk"]
    section["key_secrets"] = ["another secret of some length"]
    path.write_text(yaml.safe_dump(document))
    await gate.node.reread()
    assert (await ask(gate, target)).reason == "unknown_key"
    section["key_secrets"] += VIDEOSDK["key_secrets"]
    section["keys"] = []
    path.write_text(yaml.safe_dump(document))
    await gate.node.reread()
    assert (await ask(gate, target)).reason not in UNVERIFIED
    assert (await ask(gate, f"{LIVE}?token={sign('AK', SECRET)}")).reason == "unknown_key"
    await gate.node.stop()
    again = await start()
    assert (await ask(again, target)).reason not in UNVERIFIED


async def test_operators_are_told_of_keys_that_are_lost(start: Any, manage: Any, http: ClientSession) -> None:
    gate = await start()
    made = await manage(gate, "POST")
    other = await start(applications=applications(key_secrets=["quite another secret"]))
    async with http.get(f"{other.admin_url}/readyz") as answer:
        assert f"cannot be read: {made['key']}" in await answer.text()
    async with http.get(f"{gate.admin_url}/readyz") as answer:
        assert await answer.text() == "ready\n"


async def test_without_its_store_nobody_is_told_that_a_key_is_unknown(
    tmp_path: Path, media: Any, ask: Any
) -> None:
    class Gate:
        url = ""

    server = EmbeddedValkey(tmp_path / "own")
    await server.start()
    document = {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "store": server.url,
        "drain": "0s",
        "sessions": {"ticket_keys": ["a secret of more than thirty-two bytes"]},
        "origins": {"origin": {"url": media[0]}},
        **POLICY,
    }
    path = tmp_path / "gate.yaml"
    path.write_text(yaml.safe_dump(document))
    await server.stop()
    gate, target = Gate(), f"{LIVE}?token={sign('made at runtime', SECRET)}"
    async with Node(load_config(path, {})) as node:
        assert node.public is not None
        gate.url = f"http://127.0.0.1:{node.public.port}"
        got = await ask(gate, target)
        assert (got.status, got.reason) == (503, "keys_unavailable")
        forged = await ask(gate, f"{LIVE}?token={sign('AK', SECRET[::-1])}")
        assert (forged.status, forged.reason) == (401, "token_signature")
        await server.start()

        async def told() -> bool:
            return bool((await ask(gate, target)).reason == "unknown_key")

        await until(told, 20)
    await server.stop()
