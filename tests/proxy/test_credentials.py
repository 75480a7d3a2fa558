"""Tokens and session links are verified once, and no longer remembered than they may be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from multidict import CIMultiDict

from gate.config.compile import load_config
from gate.core.decision import locate
from gate.core.grants import Action, Grant, Grants
from gate.core.policy import Policy
from gate.core.reasons import Deny, Reason
from gate.core.session import session_id
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Rights, Token, Warrant
from gate.core.verdicts import Ask, Place
from gate.core.windows import UNBOUNDED
from gate.formats import jwt
from gate.proxy.credentials import Credentials
from gate.proxy.published import PublishedKeys
from gate.wire.metrics import Metrics

POLICY = """
origins: {archive: {url: "http://127.0.0.1:9000"}}
applications: {demo: {keys: [{kid: k1, secret: 0123456789abcdef0123456789abcdef}]}}
streams:
  - {match: /public/**, access: public, layout: object}
  - {match: "/{resource}/**"}
"""
KEYS = TicketKeys([bytes(32)])


@pytest.fixture
def policy(tmp_path: Any) -> Policy:
    (tmp_path / "gate.yaml").write_text(POLICY)
    return load_config(tmp_path / "gate.yaml", {}).policy


@pytest.fixture
async def credentials() -> AsyncIterator[Credentials]:
    metrics = Metrics()
    keys = PublishedKeys(metrics, lambda name, ring: None)
    yield Credentials(KEYS, keys, metrics, 2)
    await keys.stop()


def place(policy: Policy, target: str) -> Place:
    found = locate(Ask("GET", target, CIMultiDict(), "192.0.2.1"), policy)
    assert isinstance(found, Place), found
    return found


def sign(policy: Policy, name: str) -> str:
    claims = {"jti": name, "exp": int(time.time()) + 60}
    return jwt.sign(claims, next(iter(policy.applications["demo"].keyring)))


def ticket(resources: int = 1) -> Ticket:
    names = frozenset(f"camera-{number:04}" for number in range(resources))
    warrant = Warrant(Grants({Action.READ: Grant(resources=names)}), Rights(live=True), UNBOUNDED)
    return Ticket(
        session=session_id("owner", 1, bytes(8)),
        application="demo",
        token="token",
        owner="owner",
        subject=None,
        opened_at=1,
        ends_at=None,
        token_expires_at=None,
        issued_at=None,
        session_limit=None,
        max_concurrent=None,
        warrant=warrant,
    )


def counts(credentials: Credentials) -> tuple[float, float]:
    """How many tokens were remembered, and how many verified."""
    metrics = credentials._metrics
    return metrics.token_hits._value.get(), metrics.token_misses._value.get()


async def test_a_token_is_verified_once(policy: Policy, credentials: Credentials) -> None:
    asked = place(policy, f"/cam1/index.m3u8?token={sign(policy, 'one')}")
    tokens = [credentials.token(asked) for _ in range(3)]
    assert isinstance(tokens[0], Token)
    assert tokens[1] is tokens[0] is tokens[2]
    assert counts(credentials) == (2, 1)
    credentials.forget_tokens()
    assert credentials.token(asked) == tokens[0]
    assert counts(credentials) == (2, 2)
    credentials.forget(2)
    credentials.token(asked)
    assert counts(credentials) == (2, 3)


async def test_no_more_are_remembered_than_were_asked_for(policy: Policy, credentials: Credentials) -> None:
    asked = [place(policy, f"/cam1/index.m3u8?token={sign(policy, name)}") for name in ("a", "b", "c")]
    for one in (*asked, asked[2], asked[1], asked[0]):
        assert isinstance(credentials.token(one), Token)
    assert counts(credentials) == (2, 4)


async def test_a_refusal_is_not_remembered(policy: Policy, credentials: Credentials) -> None:
    asked = place(policy, f"/cam1/index.m3u8?token={sign(policy, 'one')[:-8]}AAAAAAAA")
    for _ in range(2):
        refused = credentials.token(asked)
        assert isinstance(refused, Deny)
        assert refused.reason is Reason.TOKEN_SIGNATURE
    assert counts(credentials) == (0, 2)


async def test_what_is_public_reads_no_credential(policy: Policy, credentials: Credentials) -> None:
    asked = place(policy, f"/public/a.mp4?token={sign(policy, 'one')}")
    assert credentials.token(asked) is None
    assert credentials.ticket(place(policy, "/_s/x/public/a.mp4")) is None
    assert counts(credentials) == (0, 0)


async def test_links(policy: Policy, credentials: Credentials) -> None:
    sealed = credentials.seal(ticket())
    asked = place(policy, f"/_s/{sealed}/cam1/index.m3u8")
    opened = credentials.ticket(asked)
    assert opened == ticket()
    assert credentials.ticket(asked) is opened
    # What another key has sealed is not believed for having been opened before.
    credentials.adopt(TicketKeys([bytes(31) + b"1"]))
    refused = credentials.ticket(asked)
    assert isinstance(refused, Deny)
    assert refused.reason is Reason.TICKET_INVALID


async def test_a_long_warrant_is_left_to_the_store(credentials: Credentials) -> None:
    opened = credentials.open(credentials.seal(ticket(resources=500)))
    assert isinstance(opened, Ticket)
    assert opened.warrant is None
