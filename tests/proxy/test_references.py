"""Server-side tokens in a worker: asked for once, known until they change, followed by their sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.policy import USUAL_RIGHTS, Application
from gate.core.reasons import Deny, Reason
from gate.core.ticket import Ticket
from gate.core.token import Format, Token, Warrant, token_id
from gate.errors import StoreError, StoreUnavailable
from gate.formats import Reference
from gate.formats.ziggeo import ClientToken
from gate.formats.ziggeo_values import Arguments
from gate.proxy.references import References
from gate.store.authtokens import AuthTokens
from gate.store.client import Client

SHOP = Application("shop", Keyring([]), frozenset({Format.ZIGGEO}), max_session_limit=50)
NOW = 1_800_000_000.0


class Counted(AuthTokens):
    """Counts what is asked of the store; `held` lets a read wait between its answer and its use."""

    asked = 0
    held: asyncio.Event | None = None
    away = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.reads = asyncio.Event()

    async def get(self, application: str, name: str) -> Any:
        self.asked += 1
        self.reads.set()
        if self.away:
            raise StoreUnavailable("the store is away")
        found = await super().get(application, name)
        if self.held is not None:
            await self.held.wait()
        return found


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[Client]:
    client = Client(store_url)
    yield client
    await client.close()


@pytest.fixture
def tokens(client: Client) -> Counted:
    async def tell(application: str, names: list[str]) -> None:
        pass

    return Counted(client, tell)


@pytest.fixture
def references(tokens: Counted) -> References:
    return References(tokens, 100)


async def make(tokens: Counted, **arguments: Any) -> str:
    said = {"grants": {"read": {"resources": ["v1"]}}, **arguments}
    return (await tokens.create("shop", said, grace_s=60)).id


def reads(token: Token | Deny | None) -> frozenset[str]:
    assert isinstance(token, Token), token
    return token.warrant.grants.by_action[Action.READ].resources


def ticket_of(name: str, warrant: Warrant | None, *, token: str | None = None) -> Ticket:
    own = token_id("shop", name)
    limits = (0, None, None, None, None, None)
    return Ticket("s1", "shop", token or own, own, None, *limits, warrant, reference=name)


async def test_the_store_is_asked_once_until_the_token_changes(tokens: Counted, references: References) -> None:
    name = await make(tokens)
    reference = Reference(name)
    assert references.find(SHOP, reference) is None
    token = await references.resolve(SHOP, reference)
    assert reads(token) == {"v1"}
    assert isinstance(token, Token)
    assert (token.session_limit, token.reference) == (50, name)
    assert references.find(SHOP, reference) is token
    assert await references.resolve(SHOP, reference) is token
    assert tokens.asked == 1
    await tokens.update("shop", name, {"grants": {"read": {"resources": ["v2"]}}}, grace_s=60)
    references.forget("shop", [name, "another"])
    assert references.find(SHOP, reference) is None
    assert reads(await references.resolve(SHOP, reference)) == {"v2"}
    references.forget_all()
    assert references.find(SHOP, reference) is None


async def test_what_is_not_there_is_asked_for_each_time(tokens: Counted, references: References) -> None:
    for _ in range(2):
        assert await references.resolve(SHOP, Reference("0" * 32)) == Deny(Reason.TOKEN_MALFORMED)
    assert tokens.asked == 2
    other = replace(SHOP, name="other")
    assert await references.resolve(other, Reference(await make(tokens))) == Deny(Reason.TOKEN_MALFORMED)


async def test_what_changed_while_it_was_read_is_not_remembered(
    tokens: Counted, references: References
) -> None:
    name = await make(tokens)
    tokens.held = asyncio.Event()
    reading = asyncio.create_task(references.resolve(SHOP, Reference(name)))
    await tokens.reads.wait()
    references.forget("shop", [name])
    tokens.held.set()
    assert reads(await reading) == {"v1"}
    assert references.find(SHOP, Reference(name)) is None


async def test_many_tokens_may_refer_to_one(tokens: Counted, references: References) -> None:
    name = await make(tokens, hidden=True)
    assert await references.resolve(SHOP, Reference(name)) == Deny(Reason.TOKEN_HIDDEN)
    everything = Grants({Action.READ: Grant(all=True)})
    for at in range(1100):
        client = ClientToken(Arguments(grants=everything, nonce=f"n{at}"), f"n{at}", f"text {at}".encode())
        token = references.find(SHOP, Reference(name, client))
        assert reads(token) == {"v1"}
        assert references.find(SHOP, Reference(name, client)) is token
    assert tokens.asked == 1


async def test_a_session_goes_by_its_token_as_it_is(tokens: Counted, references: References) -> None:
    name = await make(tokens)
    sealed = ticket_of(name, Warrant(Grants({Action.READ: Grant(resources=frozenset({"v0", "v2"}))})))
    assert await references.follow(replace(sealed, reference=None), SHOP, NOW) == replace(
        sealed, reference=None
    )
    now = await references.follow(sealed, SHOP, NOW)
    granted = Warrant(Grants({Action.READ: Grant(resources=frozenset({"v1"}))}), USUAL_RIGHTS)
    assert now == replace(sealed, warrant=granted, session_limit=50)
    # One that only referred to it has no more than it had.
    client = replace(sealed, referrer=token_id("shop", "nonce"))
    now = await references.follow(client, SHOP, NOW)
    assert isinstance(now, Ticket)
    assert now.warrant == Warrant(Grants({Action.READ: Grant()}), USUAL_RIGHTS)
    # What it said itself is not known: the other one's grants alone would be more.
    unread = replace(client, warrant=None)
    assert await references.follow(unread, SHOP, NOW) is unread


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hidden": True}, Reason.TOKEN_HIDDEN),
        ({"expiration_date": int(NOW)}, Reason.TOKEN_EXPIRED),
        (None, Reason.REVOKED),
    ],
)
async def test_a_session_ends_with_its_token(
    tokens: Counted, references: References, change: dict[str, Any] | None, reason: Reason
) -> None:
    name = await make(tokens)
    if change is None:
        await tokens.delete("shop", name)
    else:
        await tokens.update("shop", name, change, grace_s=60)
    verdict = await references.follow(ticket_of(name, Warrant(Grants())), SHOP, NOW)
    assert isinstance(verdict, Deny)
    assert verdict.reason is reason


async def test_while_the_store_is_away_a_session_goes_on_and_no_token_is_read(
    tokens: Counted, references: References
) -> None:
    name = await make(tokens)
    sealed = ticket_of(name, Warrant(Grants()))
    tokens.away = True
    assert await references.follow(sealed, SHOP, NOW) is sealed
    with pytest.raises(StoreUnavailable):
        await references.resolve(SHOP, Reference(name))


async def test_a_damaged_token_is_our_trouble(tokens: Counted, references: References, client: Client) -> None:
    name = await make(tokens)
    keys = [key for key in await client.call("KEYS", "*") if b":k:" in key]
    await client.call("HSET", keys[0], "=session_limit", '"many"')
    with pytest.raises(StoreError, match="cannot be read: session_limit"):
        await references.resolve(SHOP, Reference(name))


async def test_a_lowered_limit_holds_for_links_that_are_out(tokens: Counted, references: References) -> None:
    name = await make(tokens, session_limit=3)
    sealed = replace(ticket_of(name, Warrant(Grants())), session_limit=5)
    now = await references.follow(sealed, SHOP, NOW)
    assert isinstance(now, Ticket)
    assert now.session_limit == 3
    # Of one that refers to it the limits are those of both, as they were.
    now = await references.follow(replace(sealed, referrer="another"), SHOP, NOW)
    assert isinstance(now, Ticket)
    assert now.session_limit == 5
