"""A policy as it runs, tokens for it, and the operators' way into running gates."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import ClientSession
from multidict import CIMultiDict

from gate.api.claimed import Told
from gate.api.ziggeo import Route, ZiggeoApi
from gate.config.compile import load_config
from gate.core.keys import Keyring
from gate.core.policy import Application, Policy, Ziggeo
from gate.errors import StoreUnavailable
from gate.formats import jwt
from gate.formats.ziggeo import derive_key
from gate.store.authtokens import AuthTokens
from gate.store.client import Client
from gate.store.control import Control
from gate.store.embedded import EmbeddedValkey
from gate.wire.failures import Failures
from gate.wire.peers import Peer
from tests.api.rooms import RoomGate

SECRET = "a secret of more than thirty-two bytes, for tests"


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    document = {
        "origins": {"origin": {"url": "http://127.0.0.1:9000/base"}},
        "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
        "streams": [
            {"match": "/public/**", "access": "public", "layout": "object"},
            {"match": "/{resource}/**"},
        ],
    }
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    return load_config(path, {}).policy


@pytest.fixture
def sign(policy: Policy) -> Callable[..., str]:
    """Signs claims over those of a plain token: live on cam1, one hour."""

    def make(**claims: Any) -> str:
        now = int(time.time())
        plain = {"iat": now, "exp": now + 3600, "jti": "t1", "live": True}
        key = next(iter(policy.applications["demo"].keyring))
        return jwt.sign({**plain, "grants": {"read": {"resources": ["cam1"]}}, **claims}, key)

    return make


AskAdmin = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def ask_admin(http: ClientSession) -> AskAdmin:
    """Asks a gate's admin API: `ask_admin(gate, method, target, body=None, **headers)`; status and JSON."""

    async def ask(gate: Any, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        fields = {"Content-Type": "application/json", **headers}
        data = None if body is None else json.dumps(body)
        async with http.request(method, gate.admin_url + target, data=data, headers=fields) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    return ask


APP, PRIVATE = "0123456789abcdef0123456789abcdef", "the private key of demo"
OTHER_APP, OTHER_PRIVATE = "r1fedcba9876543210fedcba98765432", "another's: private key, é"
PLAIN = Application("plain", Keyring([]))
DEMO = replace(PLAIN, name="demo", ziggeo=Ziggeo(APP, PRIVATE, derive_key("a"), volatile_grace_s=7))
OTHER = replace(PLAIN, name="other", ziggeo=Ziggeo(OTHER_APP, OTHER_PRIVATE, derive_key("b")))
ZIGGEO = Policy((), {each.name: each for each in (PLAIN, DEMO, OTHER)})
CORS = [("Access-Control-Allow-Origin", "*"), ("Vary", "Origin")]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


OURS, THEIRS = basic(APP, PRIVATE), basic(OTHER_APP, OTHER_PRIVATE)


class LossyStore(Client):
    """A client that can lose answers: the command is done, and nobody hears of it."""

    lose = 0
    asked = 0

    async def call(self, *command: str | int | float | bytes) -> Any:
        self.asked += 1
        return self._lose(await super().call(*command))

    async def script(self, *asked: Any) -> Any:
        return self._lose(await super().script(*asked))

    def _lose(self, answer: Any) -> Any:
        if self.lose:
            self.lose -= 1
            raise StoreUnavailable("the answer is lost")
        return answer


class ZiggeoGot:
    """An answer as an SDK reads it."""

    def __init__(self, told: Told) -> None:
        answer = told.answer
        self.told, self.status, self.reason = told, answer.status, told.reason
        self.fields = CIMultiDict(answer.fields)
        self.phrase = answer.phrase
        self.document: dict[str, Any] = json.loads(answer.body.decode("ascii"))

    @property
    def token(self) -> str:
        assert self.status == 200, self.document
        assert "token" in self.document
        return str(self.document["token"])


def check_ziggeo_form(told: Told) -> None:
    """What holds of every answer."""
    answer = told.answer
    document = json.loads(answer.body.decode("ascii"))
    fields = CIMultiDict(answer.fields)
    assert isinstance(document, dict)
    assert "Accept-Ranges" not in fields
    assert fields["Content-Type"] == "application/json"
    assert (fields["Server"], fields["X-Request-Id"], fields["Cache-Control"]) == ("gate", "r1", "no-store")
    assert set(CORS) <= set(answer.fields)
    assert len(answer.phrase) <= 200
    assert answer.phrase.isascii()
    assert answer.phrase.isprintable() or not answer.phrase
    assert bool(told.reason) == ("Gate-Reason" in fields)
    if answer.status != 200:
        assert document == {
            "error": True,
            "code": answer.status,
            "msg": answer.phrase,
            "reason": told.reason,
            "request_id": "r1",
        }
        assert fields["Gate-Reason"] == told.reason
        assert answer.phrase
    for secret in (PRIVATE, OTHER_PRIVATE, OURS, THEIRS, APP):
        assert secret not in answer.phrase
        assert secret not in json.dumps(answer.fields)


class ZiggeoGate:
    """One gate's Ziggeo API, with clients of its own, and the policy of two applications that have it."""

    policy = ZIGGEO
    ours, theirs = OURS, THEIRS

    def __init__(self, url: str, timeout_s: float = 5) -> None:
        self.client = LossyStore(url, timeout_s=timeout_s)
        self.control = Control(self.client, url, lambda: None)
        self.tokens = AuthTokens(self.client, self.control.tell_authtokens)
        self.failures = Failures()
        self.issued: list[tuple[str, float]] = []
        self.api = ZiggeoApi(self.tokens, self.control, self.failures, self.issue)

    def issue(self, application: Application, now: float) -> str:
        self.issued.append((application.name, now))
        return f"page-{len(self.issued)}"

    def find(self, method: str, target: str) -> Route | None:
        return self.api.find(method, target, self.policy)

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        kind: str | None = "application/x-www-form-urlencoded",
        *,
        auth: str | None = OURS,
        address: str = "192.0.2.1",
        now: float = 1_800_000_000.0,
        more: tuple[tuple[str, str], ...] = (),
    ) -> ZiggeoGot:
        route = self.find(method, target)
        assert route is not None
        headers = CIMultiDict(more)
        if kind is not None:
            headers.add("Content-type", kind)
        if auth is not None:
            headers.add("Authorization", auth)
        told = await self.api.answer(
            route, headers, Peer(address, "http", "", ""), body, self.policy, "r1", CORS, now
        )
        check_ziggeo_form(told)
        return ZiggeoGot(told)

    def too_large(self) -> ZiggeoGot:
        told = self.api.too_large("r1", CORS)
        check_ziggeo_form(told)
        return ZiggeoGot(told)

    async def create(
        self, body: bytes = b"", kind: str | None = "application/x-www-form-urlencoded", **options: Any
    ) -> ZiggeoGot:
        return await self.ask("POST", "/v1/authtokens/", body, kind, **options)

    async def create_json(self, **arguments: Any) -> ZiggeoGot:
        return await self.create(json.dumps(arguments).encode(), "application/json")

    async def get(self, token: str, **options: Any) -> ZiggeoGot:
        return await self.ask("GET", "/v1/authtokens/" + token, kind=None, **options)

    async def update_json(self, token: str, /, **arguments: Any) -> ZiggeoGot:
        return await self.ask(
            "POST", "/v1/authtokens/" + token, json.dumps(arguments).encode(), "application/json"
        )

    async def keys(self) -> set[bytes]:
        return set(await self.client.call("KEYS", "*"))

    async def made(self) -> int:
        return len(await self.client.call("KEYS", "gate:{*}:k:*"))

    async def close(self) -> None:
        await self.control.stop()
        await self.client.close()


@pytest_asyncio.fixture
async def make_ziggeo(store_url: str) -> AsyncIterator[Callable[..., ZiggeoGate]]:
    """Makes gates whose Ziggeo API is asked in plain values; several of one test share the store."""
    async with AsyncExitStack() as stack:

        def make(url: str = store_url, timeout_s: float = 5) -> ZiggeoGate:
            gate = ZiggeoGate(url, timeout_s)
            stack.push_async_callback(gate.close)
            return gate

        yield make


@pytest_asyncio.fixture
async def own_store(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A store of this test's own, to be stopped and spoilt."""
    async with EmbeddedValkey(tmp_path / "own") as server:
        yield server


@pytest_asyncio.fixture
async def meet(store_url: str) -> AsyncIterator[RoomGate]:
    """A gate whose API for rooms is asked in plain values."""
    async with RoomGate(store_url) as gate:
        yield gate
