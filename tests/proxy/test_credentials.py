"""Tokens and session links are verified once, and no longer remembered than they may be."""

from __future__ import annotations

import asyncio
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
from gate.core.visit import LASTS_S, Visit
from gate.core.windows import UNBOUNDED
from gate.formats import Reference, jwt, ziggeo
from gate.proxy.credentials import Credentials
from gate.proxy.published import PublishedKeys
from gate.proxy.references import References
from gate.store.authtokens import AuthTokens
from gate.store.client import Client
from gate.wire.failures import Failures
from gate.wire.metrics import Metrics

POLICY = """
origins: {archive: {url: "http://127.0.0.1:9000"}}
applications:
  demo: {keys: [{kid: k1, secret: 0123456789abcdef0123456789abcdef}]}
  shop:
    formats: [ziggeo]
    ziggeo: {application_token: apptok, private_key: 0123456789abcdef, encryption_key: 0123456789abcdef}
streams:
  - {match: /public/**, access: public, layout: object, application: demo}
  - {match: /v1/applications/**, layout: ziggeo, application: shop}
  - {match: "/{resource}/**", application: demo}
"""
KEYS = TicketKeys([bytes(32)])
ADDRESS = "192.0.2.1"


@pytest.fixture
def policy(tmp_path: Any) -> Policy:
    (tmp_path / "gate.yaml").write_text(POLICY)
    return load_config(tmp_path / "gate.yaml", {}).policy


@pytest.fixture
async def credentials(store_url: str) -> AsyncIterator[Credentials]:
    async def tell(application: str, names: list[str]) -> None:
        pass

    metrics, store = Metrics(), Client(store_url)
    keys = PublishedKeys(metrics, lambda name, ring: None)
    references = References(AuthTokens(store, tell), 2)
    yield Credentials(KEYS, keys, references, Failures(burst=3), metrics, 2)
    await keys.stop()
    await store.close()


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
    tokens = [credentials.token(asked, ADDRESS) for _ in range(3)]
    assert isinstance(tokens[0], Token)
    assert tokens[1] is tokens[0] is tokens[2]
    assert counts(credentials) == (2, 1)
    credentials.forget_tokens()
    assert credentials.token(asked, ADDRESS) == tokens[0]
    assert counts(credentials) == (2, 2)
    credentials.forget(2)
    credentials.token(asked, ADDRESS)
    assert counts(credentials) == (2, 3)


async def test_no_more_are_remembered_than_were_asked_for(policy: Policy, credentials: Credentials) -> None:
    asked = [place(policy, f"/cam1/index.m3u8?token={sign(policy, name)}") for name in ("a", "b", "c")]
    for one in (*asked, asked[2], asked[1], asked[0]):
        assert isinstance(credentials.token(one, ADDRESS), Token)
    assert counts(credentials) == (2, 4)


async def test_a_refusal_is_not_remembered(policy: Policy, credentials: Credentials) -> None:
    asked = place(policy, f"/cam1/index.m3u8?token={sign(policy, 'one')[:-8]}AAAAAAAA")
    for _ in range(2):
        refused = credentials.token(asked, ADDRESS)
        assert isinstance(refused, Deny)
        assert refused.reason is Reason.TOKEN_SIGNATURE
    assert counts(credentials) == (0, 2)


async def test_what_is_public_reads_no_credential(policy: Policy, credentials: Credentials) -> None:
    asked = place(policy, f"/public/a.mp4?token={sign(policy, 'one')}")
    assert credentials.token(asked, ADDRESS) is None
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


# Of an application of Ziggeo's.

VIDEO = "/v1/applications/apptok/videos/v1/video.mp4"
PARAMETER = "i07af2jp98rvoctt26y5egy3apptok"


def client_side(nonce: str) -> str:
    return ziggeo.write({}, "apptok", "0123456789abcdef", iv=b"12345678", nonce=nonce)


async def test_who_guesses_has_to_wait_and_who_shares_the_address_watches_on(
    policy: Policy, credentials: Credentials
) -> None:
    known = place(policy, f"{VIDEO}?client_auth={client_side('known')}")
    assert isinstance(credentials.token(known, ADDRESS), Token)
    for guess in ("0" * 48, client_side("x")[:-1] + "!", "short"):
        refused = credentials.token(place(policy, f"{VIDEO}?client_auth={guess}"), ADDRESS)
        assert refused == Deny(Reason.TOKEN_MALFORMED)
    late = place(policy, f"{VIDEO}?client_auth={client_side('new')}")
    waits = credentials.token(late, ADDRESS)
    assert isinstance(waits, Deny)
    assert waits.reason is Reason.TOO_MANY_FAILURES
    assert isinstance(credentials.token(known, ADDRESS), Token)
    assert isinstance(credentials.token(late, "192.0.2.2"), Token)
    # A native token cannot be guessed at, and nobody waits for it.
    for _ in range(5):
        refused = credentials.token(place(policy, "/cam1/index.m3u8?token=a.b.c"), ADDRESS)
        assert refused == Deny(Reason.TOKEN_MALFORMED)


async def test_a_name_is_looked_up_and_guessing_at_names_is_guessing(
    policy: Policy, credentials: Credentials
) -> None:
    shop = policy.applications["shop"]
    for at in range(3):
        reference = credentials.token(place(policy, f"{VIDEO}?server_auth={at:032x}"), ADDRESS)
        assert reference == Reference(f"{at:032x}")
        refused = await credentials.resolve(reference, shop, ADDRESS)
        assert refused == Deny(Reason.TOKEN_MALFORMED)
    waits = await credentials.resolve(Reference("f" * 32), shop, ADDRESS)
    assert isinstance(waits, Deny)
    assert waits.reason is Reason.TOO_MANY_FAILURES
    assert await credentials.resolve(Reference("f" * 32), None, ADDRESS) == Deny(Reason.TOKEN_MALFORMED)


async def test_page_sessions(policy: Policy, credentials: Credentials) -> None:
    shop = policy.applications["shop"]
    text = credentials.issue_visit(shop, time.time())
    asked = place(policy, f"{VIDEO}?{PARAMETER}={text}")
    visit = credentials.visit(asked)
    assert isinstance(visit, Visit)
    assert credentials.visit(asked) is visit
    assert credentials.visit(place(policy, VIDEO)) is None
    invalid = Deny(Reason.VISIT_INVALID)
    assert credentials.visit(place(policy, f"{VIDEO}?{PARAMETER}=x{text[1:]}")) == invalid
    old = credentials.issue_visit(shop, time.time() - LASTS_S + 3)
    assert isinstance(credentials.visit(place(policy, f"{VIDEO}?{PARAMETER}={old}")), Visit)
    await asyncio.sleep(3.1)
    assert credentials.visit(place(policy, f"{VIDEO}?{PARAMETER}={old}")) == invalid
    credentials.adopt(TicketKeys([b"n" * 32]))
    assert credentials.visit(asked) == invalid
