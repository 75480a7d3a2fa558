"""Keys that an issuer publishes, and gates that fetch them from a real one."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession, web

from gate.cli.keys import make_key
from gate.config.compile import load_config
from gate.core.keys import Algorithm, Key, Keyring, UnknownKey
from gate.core.policy import Application, Policy
from gate.core.published import KeySource
from gate.core.reasons import Deny, Reason
from gate.core.token import Token
from gate.formats import jwt
from gate.formats.jwk import write_jwk
from gate.proxy.published import MOST_WAITING, PublishedKeys
from gate.wire.metrics import Metrics

ONE, TWO, THREE = (make_key(Algorithm.ES256, kid) for kid in ("one", "two", "three"))
PLAYLIST = "/ch1/index.m3u8"
SEGMENT = "/ch1/hls/segment1.ts"
FULL = {"live": True, "dvr": True, "copy": True}
OWN = {"kid": "k1", "secret": "a secret of more than thirty-two bytes, for tests"}
OWN_KEY = Key("k1", Algorithm.HS256, OWN["secret"].encode())


class Issuer:
    """Answers with the keys that it holds, or with what it was given; `release` ends its silence."""

    def __init__(self) -> None:
        self.keys: list[Key] = [ONE]
        self.answer: Callable[[], web.StreamResponse] | None = None
        self.released = asyncio.Event()
        self.released.set()
        self.url = ""
        self.seen: list[Any] = []

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        await self.released.wait()
        if self.answer is not None:
            return self.answer()
        return web.json_response({"keys": [write_jwk(key, private=False) for key in self.keys]})

    def stall(self) -> None:
        self.released.clear()

    def source(self, **options: Any) -> dict[str, Any]:
        return {"url": self.url, **options}


@pytest.fixture
async def issuer(start_origin: Any) -> AsyncIterator[Issuer]:
    made = Issuer()
    url, made.seen = await start_origin(made.serve)
    made.url = f"{url}/keys"
    yield made
    made.released.set()


def token(key: Key, kid: str | None = None, **claims: Any) -> str:
    claims = {"grants": {"read": {"all": True}}, **FULL, "exp": int(time.time()) + 3600, **claims}
    return jwt.sign(claims, key if kid is None else Key(kid, key.algorithm, key.material, key.signing))


def policy(*sources: dict[str, Any], keys: Any = (), **terms: Any) -> dict[str, Any]:
    return {"applications": {"demo": {"jwks": list(sources), "keys": list(keys), **terms}}}


async def until(holds: Callable[[], object], patience_s: float = 20) -> None:
    async with asyncio.timeout(patience_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def kids(gate: Any) -> list[str]:
    return sorted(key.kid for key in gate.node.gatekeeper.policy.applications["demo"].keyring)


async def health(http: ClientSession, gate: Any) -> Any:
    async with http.get(f"{gate.admin_url}/v1/health") as answer:
        return await answer.json()


async def fetch_now(gate: Any) -> None:
    """The sources are fetched again, though it is not their time."""
    for feed in gate.node.keys._feeds["demo"]:
        feed.ask()
        await asyncio.wait([feed.flight])


def reload(gate: Any, **changed: Any) -> None:
    path = gate.folder / "gate.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changed}))
    assert gate.node.reload(lambda: load_config(path, {}))


class TestGate:
    async def test_a_token_of_a_published_key(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer
    ) -> None:
        issuer.keys = [ONE, TWO]
        gate = await start_gate(media[0], **policy(issuer.source()))
        for key in (ONE, TWO):
            assert (await ask(gate, f"{SEGMENT}?token={token(key)}")).status == 200
        got = await ask(gate, f"{SEGMENT}?token={token(THREE)}")
        assert (got.status, got.reason) == (401, "unknown_key")
        got = await ask(gate, f"{SEGMENT}?token={token(THREE, kid='one')}")
        assert (got.status, got.reason) == (401, "token_signature")
        assert len(issuer.seen) == 1

    @pytest.mark.timed
    async def test_a_new_key_is_fetched_when_a_token_names_it(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source(cooldown="1s")))
        old = token(ONE)
        assert (await ask(gate, f"{SEGMENT}?token={old}")).status == 200
        issuer.keys = [ONE, TWO]
        new = token(TWO)
        # Within the cool-down nobody is asked.
        assert (await ask(gate, f"{SEGMENT}?token={new}")).reason == "unknown_key"
        assert len(issuer.seen) == 1
        await asyncio.sleep(1.1)
        misses = gate.node.metrics.token_misses._value.get()
        answers = await asyncio.gather(*(ask(gate, f"{SEGMENT}?token={new}") for _ in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert len(issuer.seen) == 2
        # A key more is no reason to verify anew what was verified.
        assert (await ask(gate, f"{SEGMENT}?token={old}")).status == 200
        assert gate.node.metrics.token_misses._value.get() == misses + 20

    async def test_a_key_that_is_taken_out_opens_nothing_more_and_its_sessions_go_on(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, issuer: Issuer, caplog: Any
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source(refresh="1s")))
        text = token(ONE, session_limit=5)
        bare = token(ONE)
        assert (await ask(gate, f"{SEGMENT}?token={bare}")).status == 200
        link = await open_link(gate, PLAYLIST, text)
        below = link.rpartition(PLAYLIST)[0]
        with caplog.at_level(logging.INFO, "gate.keys"):
            issuer.keys = [TWO]
            await until(lambda: kids(gate) == ["two"])
        assert "'two'; no more: 'one'" in caplog.text
        assert (await ask(gate, f"{SEGMENT}?token={bare}")).reason == "unknown_key"
        assert (await ask(gate, f"{PLAYLIST}?token={text}")).reason == "unknown_key"
        assert (await ask(gate, link)).status == 200
        # Players repeat their headers beside the link.
        for _ in range(2):
            got = await ask(gate, f"{below}{SEGMENT}", headers={"Authorization": f"Bearer {text}"})
            assert got.status == 200

    async def test_a_refresh_that_changes_nothing_forgets_nothing(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer
    ) -> None:
        issuer.keys = [ONE, TWO]
        gate = await start_gate(media[0], **policy(issuer.source(refresh="1s")))
        text = token(ONE)
        assert (await ask(gate, f"{SEGMENT}?token={text}")).status == 200
        held, misses = gate.node.gatekeeper.policy, gate.node.metrics.token_misses._value.get()
        issuer.keys = [TWO, ONE]
        await until(lambda: len(issuer.seen) >= 3)
        assert (await ask(gate, f"{SEGMENT}?token={text}")).status == 200
        assert gate.node.gatekeeper.policy is held
        assert gate.node.metrics.token_misses._value.get() == misses

    async def test_ten_thousand_unknown_keys_are_one_fetch(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source(cooldown="1s")))
        await until(lambda: kids(gate) == ["one"])
        await asyncio.sleep(1.1)
        application = gate.node.gatekeeper.policy.applications["demo"]
        signature = token(THREE).rpartition(".")[2]
        read = gate.node.keys.read
        texts = [f"{token(THREE, kid=f'k{at}')[:-86]}{signature}" for at in range(40)]
        began = time.monotonic()
        for at in range(250):
            refusals = await asyncio.gather(
                *(read(text, application, UnknownKey(Reason.UNKNOWN_KEY, kid=f"k{at}")) for text in texts)
            )
            assert {refusal.reason for refusal in refusals} <= {Reason.UNKNOWN_KEY, Reason.KEYS_UNAVAILABLE}
        assert len(issuer.seen) <= 2 + (time.monotonic() - began) / 1
        since = time.monotonic()
        asked = len(issuer.seen)
        answers = await asyncio.gather(*(ask(gate, f"{SEGMENT}?token={text}") for text in texts))
        assert {answer.reason for answer in answers} == {"unknown_key"}
        assert len(issuer.seen) - asked <= 1 + (time.monotonic() - since) / 1

    @pytest.mark.timed
    async def test_whose_key_is_known_waits_for_nobody(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source(refresh="1s"), keys=[OWN]))
        await until(lambda: kids(gate) == ["k1", "one"])
        issuer.stall()
        asked = len(issuer.seen)
        await until(lambda: len(issuer.seen) > asked)
        waiting = asyncio.create_task(ask(gate, f"{SEGMENT}?token={token(TWO)}"))
        since = time.monotonic()
        for _ in range(10):
            for text in (token(ONE), token(OWN_KEY)):
                assert (await ask(gate, f"{SEGMENT}?token={text}")).status == 200
        assert not waiting.done()
        got = await waiting
        assert 1 < time.monotonic() - since < 15
        assert (got.status, got.reason, got.headers["Retry-After"]) == (503, "keys_unavailable", "2")

    async def test_a_gate_starts_without_its_issuer(
        self, start_gate: Any, media: Any, ask: Any, http: ClientSession, issuer: Issuer, caplog: Any
    ) -> None:
        issuer.answer = lambda: web.Response(status=500)
        gate = await start_gate(media[0], **policy(issuer.source(), keys=[OWN]))
        text = token(ONE)
        got = await ask(gate, f"{SEGMENT}?token={text}")
        assert (got.status, got.reason, got.headers["Retry-After"]) == (503, "keys_unavailable", "2")
        assert (await ask(gate, f"{SEGMENT}?token={token(OWN_KEY)}")).status == 200
        sentence = f"keys of demo cannot be fetched from {issuer.url}: it answers 500"
        assert f"{sentence}; there are none from there" in caplog.text
        told = await health(http, gate)
        (source,) = told["keys"]["demo"]
        assert (source["url"], source["keys"], source["age_s"]) == (issuer.url, [], None)
        assert (source["error"], source["failures"] >= 1) == ("it answers 500", True)
        assert f"the {sentence}" in told["notes"]
        exposed = gate.node.metrics.expose().decode()
        assert 'gate_jwks_fetch_failures_total{application="demo"}' in exposed
        issuer.answer = None
        await until(lambda: kids(gate) == ["k1", "one"])
        assert (await ask(gate, f"{SEGMENT}?token={text}")).status == 200
        told = await health(http, gate)
        (source,) = told["keys"]["demo"]
        assert (source["keys"], source["error"], source["failures"], told["notes"]) == (["one"], None, 0, [])
        assert 0 <= source["age_s"] < 10

    @pytest.mark.timed
    async def test_the_first_fetch_is_waited_for(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer
    ) -> None:
        issuer.stall()
        gate = await start_gate(media[0], **policy(issuer.source()))
        asking = [asyncio.create_task(ask(gate, f"{SEGMENT}?token={token(ONE)}")) for _ in range(10)]
        asking.append(asyncio.create_task(ask(gate, f"{SEGMENT}?token={token(TWO)}")))
        await asyncio.sleep(0.3)
        assert not [task for task in asking if task.done()]
        issuer.released.set()
        *good, bad = await asyncio.gather(*asking)
        assert {got.status for got in good} == {200}
        assert (bad.status, bad.reason) == (401, "unknown_key")
        assert len(issuer.seen) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            lambda: web.Response(status=500),
            lambda: web.Response(text="<html>Sign in</html>"),
            lambda: web.Response(body=b"\xff\xfe{"),
            lambda: web.Response(body=b"[" * 200_000),
            lambda: web.Response(body=b"{" * 200_000),
            lambda: web.json_response({"keys": "none"}),
            lambda: web.json_response({"error": "later"}),
            lambda: web.json_response({"keys": [write_jwk(TWO, private=False)] * 2}),
            lambda: web.Response(body=bytes(10 * 2**20)),
            lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
            lambda: web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
        ],
    )
    async def test_a_fetch_that_fails_changes_no_key(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer, answer: Any
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source()))
        await until(lambda: kids(gate) == ["one"])
        issuer.answer = answer
        await fetch_now(gate)
        assert (await ask(gate, f"{SEGMENT}?token={token(ONE)}")).status == 200
        # Nobody can say whether this key is a new one of the issuer's.
        assert (await ask(gate, f"{SEGMENT}?token={token(TWO)}")).reason == "keys_unavailable"
        assert kids(gate) == ["one"]
        assert [request.target for request in issuer.seen] == ["/keys"] * len(issuer.seen)

    @pytest.mark.parametrize(
        "entries", [[], [write_jwk(TWO, private=True)], [{**write_jwk(ONE, private=False), "use": "enc"}]]
    )
    async def test_a_set_without_keys_revokes_them(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer, entries: Any
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source(refresh="1s")))
        await until(lambda: kids(gate) == ["one"])
        issuer.answer = lambda: web.json_response({"keys": entries})
        await fetch_now(gate)
        assert kids(gate) == []
        assert (await ask(gate, f"{SEGMENT}?token={token(ONE)}")).reason == "keys_unavailable"

    async def test_no_source_takes_the_place_of_another_key(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer, start_origin: Any
    ) -> None:
        other = Issuer()
        url, other.seen = await start_origin(other.serve)
        other.url = f"{url}/others"
        usurper = make_key(Algorithm.ES256, "one")
        other.keys = [usurper, make_key(Algorithm.ES256, "k1"), TWO]
        gate = await start_gate(media[0], **policy(issuer.source(), other.source(), keys=[OWN]))
        await until(lambda: kids(gate) == ["k1", "one", "two"])
        assert (await ask(gate, f"{SEGMENT}?token={token(OWN_KEY)}")).status == 200
        for key, status in ((ONE, 200), (TWO, 200), (usurper, 401), (other.keys[1], 401)):
            assert (await ask(gate, f"{SEGMENT}?token={token(key)}")).status == status

    @pytest.mark.timed
    async def test_one_silent_source_keeps_nobody_from_another(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer, start_origin: Any
    ) -> None:
        silent = Issuer()
        url, silent.seen = await start_origin(silent.serve)
        silent.url = f"{url}/silent"
        silent.stall()
        gate = await start_gate(media[0], **policy(silent.source(), issuer.source()))
        since = time.monotonic()
        assert (await ask(gate, f"{SEGMENT}?token={token(ONE)}")).status == 200
        assert time.monotonic() - since < 1.5
        silent.released.set()

    @pytest.mark.timed
    async def test_two_gates_on_one_store(
        self, start_gate: Any, media: Any, ask: Any, open_link: Any, issuer: Issuer
    ) -> None:
        gates = [await start_gate(media[0], **policy(issuer.source(cooldown="1s"))) for _ in range(2)]
        link = await open_link(gates[0], PLAYLIST, token(ONE, session_limit=1))
        assert (await ask(gates[1], link)).status == 200
        issuer.keys = [TWO]
        await asyncio.sleep(1.1)
        for gate in gates:
            assert (await ask(gate, f"{SEGMENT}?token={token(TWO)}")).status == 200
            assert kids(gate) == ["two"]
        assert len(issuer.seen) == 4

    @pytest.mark.timed
    async def test_opening_without_a_redirect(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer, start_origin: Any
    ) -> None:
        issuer.stall()
        gate = await start_gate(
            media[0],
            applications={
                "other": {"jwks": [issuer.source()], "audiences": ["other"]},
                "demo": {"jwks": [issuer.source()]},
                "plain": {"keys": [OWN]},
            },
            streams=[{"match": "/{resource}/**", "application": "demo"}],
        )
        own = jwt.sign({"grants": {"read": {"all": True}}, "exp": int(time.time()) + 60}, OWN_KEY)
        got = await ask(gate, "/_s", "POST", headers={"Authorization": f"Bearer {own}"})
        assert got.status == 201
        asking = [
            asyncio.create_task(ask(gate, "/_s", "POST", headers={"Authorization": f"Bearer {token(key)}"}))
            for key in (ONE, TWO)
        ]
        await asyncio.sleep(0.2)
        issuer.released.set()
        good, bad = await asyncio.gather(*asking)
        assert good.status == 201
        assert (await ask(gate, json.loads(good.body)["link"] + SEGMENT)).status == 200
        assert (bad.status, bad.reason) == (401, "unknown_key")
        issuer.answer = lambda: web.Response(status=500)
        reload(
            gate, applications={"demo": {"jwks": [issuer.source(algorithm="ES256")]}, "plain": {"keys": [OWN]}}
        )
        got = await ask(gate, "/_s", "POST", headers={"Authorization": f"Bearer {token(ONE)}"})
        assert (got.status, got.reason) == (503, "keys_unavailable")


class TestReload:
    async def test_a_source_keeps_its_keys(self, start_gate: Any, media: Any, ask: Any, issuer: Issuer) -> None:
        gate = await start_gate(media[0], **policy(issuer.source()))
        await until(lambda: kids(gate) == ["one"])
        issuer.stall()
        reload(gate, **policy(issuer.source(refresh="1h", cooldown="5s"), keys=[OWN], leeway="5s"))
        assert kids(gate) == ["k1", "one"]
        assert (await ask(gate, f"{SEGMENT}?token={token(ONE)}")).status == 200
        assert len(issuer.seen) == 1
        # Another URL is another source, whoever answers there.
        reload(gate, **policy(issuer.source(url=f"{issuer.url}?2"), keys=[OWN]))
        assert kids(gate) == ["k1"]
        issuer.released.set()
        assert (await ask(gate, f"{SEGMENT}?token={token(ONE)}")).status == 200
        reload(gate, **policy(keys=[OWN]))
        assert kids(gate) == ["k1"]
        assert (await ask(gate, f"{SEGMENT}?token={token(ONE)}")).reason == "unknown_key"
        assert [request.target for request in issuer.seen] == ["/keys", "/keys?2"]

    async def test_a_sooner_refresh_is_in_force_at_once(
        self, start_gate: Any, media: Any, issuer: Issuer
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source(refresh="1h")))
        await until(lambda: kids(gate) == ["one"])
        issuer.keys = [TWO]
        reload(gate, **policy(issuer.source(refresh="1s")))
        await until(lambda: kids(gate) == ["two"])

    @pytest.mark.timed
    async def test_a_token_that_waits_is_decided_by_the_keys_in_force(
        self, start_gate: Any, media: Any, ask: Any, issuer: Issuer
    ) -> None:
        issuer.stall()
        gate = await start_gate(media[0], **policy(issuer.source()))
        texts = [token(ONE), token(TWO)]
        waiting = [asyncio.create_task(ask(gate, f"{SEGMENT}?token={text}")) for text in texts]
        await asyncio.sleep(0.3)
        (gate.folder / "two.json").write_text(json.dumps(write_jwk(TWO, private=False)))
        reload(gate, **policy(issuer.source(url=f"{issuer.url}?2"), keys=[{"file": "two.json"}]))
        one, two = await asyncio.gather(*waiting)
        assert (one.reason, two.status) == ("keys_unavailable", 200)

    async def test_the_policy_of_the_admin_api_explains_with_the_keys_at_hand(
        self, start_gate: Any, media: Any, http: ClientSession, issuer: Issuer
    ) -> None:
        gate = await start_gate(media[0], **policy(issuer.source()))
        await until(lambda: kids(gate) == ["one"])
        for key, reason in ((ONE, None), (TWO, "unknown_key")):
            asked = {"target": SEGMENT, "token": token(key)}
            async with http.post(f"{gate.admin_url}/v1/explain", json=asked) as answer:
                told = await answer.json()
            assert told["reason"] == reason
        assert any(issuer.url in step for step in told["steps"])
        assert len(issuer.seen) == 1


@pytest.fixture
async def follow(issuer: Issuer) -> AsyncIterator[Callable[..., Awaitable[PublishedKeys]]]:
    """Follows the issuer for one application, without a gate; gives the keys and what they were adopted as."""
    async with AsyncExitStack() as stack:

        async def follow(**options: Any) -> PublishedKeys:
            published = PublishedKeys(Metrics(), lambda name, ring: None)
            stack.push_async_callback(published.stop)
            source = KeySource(issuer.url, **options)
            application = Application("demo", Keyring([]), key_sources=(source,))
            published.follow(Policy((), {"demo": application}))
            return published

        yield follow


class TestWaiting:
    @pytest.mark.timed
    async def test_not_too_many_wait(self, follow: Any, issuer: Issuer) -> None:
        issuer.stall()
        published = await follow()
        application = Application("demo", Keyring([]), key_sources=(KeySource(issuer.url),))
        text = token(ONE)

        def read() -> asyncio.Task[Token | Deny]:
            unknown = UnknownKey(Reason.UNKNOWN_KEY, kid="one")
            return asyncio.create_task(published.read(text, application, unknown))

        waiting = [read() for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        since = time.monotonic()
        assert await read() == Deny(Reason.KEYS_UNAVAILABLE)
        assert time.monotonic() - since < 0.5
        issuer.released.set()
        assert all(isinstance(one, Token) for one in await asyncio.gather(*waiting))
        assert isinstance(await read(), Token)
        assert len(issuer.seen) == 1

    async def test_who_leaves_waits_no_more_and_stops_nothing(self, follow: Any, issuer: Issuer) -> None:
        issuer.stall()
        published = await follow()
        application = Application("demo", Keyring([]), key_sources=(KeySource(issuer.url),))
        refusal = UnknownKey(Reason.UNKNOWN_KEY, kid="one")
        leaving = [asyncio.create_task(published.read(token(ONE), application, refusal)) for _ in range(3)]
        await asyncio.sleep(0.1)
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        assert published._waiting == 0
        issuer.released.set()
        assert isinstance(await published.read(token(ONE), application, refusal), Token)
        assert len(issuer.seen) == 1

    async def test_a_token_without_a_kid(self, follow: Any, issuer: Issuer) -> None:
        published = await follow()
        application = Application("demo", Keyring([]), key_sources=(KeySource(issuer.url),))
        text = token(ONE)
        payload = text.split(".")[1]
        header = jwt.base64url.encode(b'{"alg":"ES256"}')
        message = f"{header}.{payload}"
        text = f"{message}.{jwt.base64url.encode(jwt.make_signature(ONE, message.encode()))}"
        assert isinstance(await published.read(text, application, UnknownKey(Reason.UNKNOWN_KEY)), Token)

    async def test_an_application_that_is_gone(self, follow: Any, issuer: Issuer) -> None:
        published = await follow()
        refusal = UnknownKey(Reason.UNKNOWN_KEY, kid="one")
        gone = Application("gone", Keyring([]), key_sources=(KeySource(issuer.url),))
        assert await published.read(token(ONE), gone, refusal) is refusal

    @pytest.mark.timed
    async def test_a_stop_amid_a_fetch_leaves_nothing(self, follow: Any, issuer: Issuer) -> None:
        issuer.stall()
        published = await follow()
        await until(lambda: issuer.seen)
        since = time.monotonic()
        await published.stop()
        assert time.monotonic() - since < 4
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("keys of")]
