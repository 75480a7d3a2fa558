"""What the tests of the store have in common: gates on one Valkey, and time that passes when a test says so."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from gate.core.decision import ticket_of
from gate.core.grants import Action, Grant, Grants
from gate.core.policy import OnLimit
from gate.core.session import Resume, session_id
from gate.core.ticket import INLINE_WARRANT, Ticket, dump_warrant
from gate.core.token import Format, Rights, Token, Warrant, subject_owner, token_id
from gate.core.verdicts import Opened, Opening, Outcome, Renewal
from gate.store.client import Client
from gate.store.keys import ShardKeys, lease
from gate.store.sessions import Playback, Sessions

IDLE_S = 60
# Every key with its type, its end in ms (-1: none) and its content, in an order of their own.
DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', 'gate:{[0-9]*')) do
  local kind, content = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then content = redis.call('HGETALL', key)
  elseif kind == 'set' then content = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  else content = {redis.call('GET', key)} end
  found[#found + 1] = {key, kind, redis.call('PEXPIRETIME', key), content}
end
return found
"""


class Recorder(Client):
    """A client that remembers the last script that was run, so that it can be delivered once more."""

    last: tuple[str, list[str], list[str | int | float]]

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        self.last = name, list(keys), list(args)
        return await super().script(name, keys, args)

    async def deliver_again(self) -> Any:
        return await super().script(*self.last)


class Desk:
    """One gate's sessions, with a client of its own. `expiry` is when its tokens end."""

    def __init__(self, url: str) -> None:
        self.client = Recorder(url, timeout_s=5)
        self.sessions = Sessions(self.client, idle_s=IDLE_S, provisional_s=30)
        self.expiry = int(time.time()) + 3600

    def token(self, name: str = "token", subject: str | None = None, **fields: Any) -> Token:
        identity = token_id("demo", name)
        made = Token(
            application="demo",
            format=Format.JWT,
            id=identity,
            owner=identity if subject is None else subject_owner("demo", subject),
            subject=subject,
            warrant=Warrant(Grants({Action.READ: Grant(all=True)}), Rights(live=True)),
            expires_at=self.expiry,
        )
        return replace(made, **fields)

    def long_token(self, name: str = "token", subject: str | None = None, **fields: Any) -> Token:
        """One whose warrant is too long for a ticket."""
        grant = Grant(resources=frozenset(f"building/{n}/cam" for n in range(500)))
        warrant = Warrant(Grants({Action.READ: grant}))
        assert len(dump_warrant(warrant)) > INLINE_WARRANT
        return self.token(name, subject, warrant=warrant, **fields)

    async def ask(
        self, token: Token, client: str = "a", mode: Resume = Resume.NEVER, path: str = "/"
    ) -> Outcome:
        opening = Opening(token, client, f"{client} at {path}", mode, token.usage_s, token.expires_at)
        return await self.sessions.open(opening, {"application": "demo"})

    @staticmethod
    def visited(token: Token, visit: str = "page") -> str:
        """The id of the token's session in a page session."""
        drawn = hashlib.sha256(f"{token.id} {visit}".encode()).digest()[:8]
        return session_id(token.owner, 1_800_000_000_000, drawn)

    async def visit(
        self, token: Token, visit: str = "page", client: str = "a", until_s: int | None = 4_000_000_000
    ) -> Outcome:
        opening = Opening(
            *(token, client, f"{client} at /", Resume.VISIT, token.usage_s, token.expires_at),
            session=self.visited(token, visit),
            until_visit_s=until_s,
        )
        return await self.sessions.open(opening, {"application": "demo"})

    async def visit_link(self, token: Token, visit: str = "page", client: str = "a") -> Ticket:
        outcome = await self.visit(token, visit, client)
        assert isinstance(outcome, Opened), outcome
        assert outcome.session == self.visited(token, visit)
        return ticket_of(token, outcome)

    async def link(
        self, token: Token, client: str = "a", mode: Resume = Resume.NEVER, path: str = "/"
    ) -> Ticket:
        outcome = await self.ask(token, client, mode, path)
        assert isinstance(outcome, Opened), outcome
        return ticket_of(token, outcome)

    async def play(
        self, ticket: Ticket, client: str = "a", on_limit: OnLimit = OnLimit.REJECT, **facts: str
    ) -> Outcome:
        return await self.sessions.commit(ticket, client, on_limit, {"resource": "cam1", **facts})

    async def extend(self, ticket: Ticket, token: Token) -> Outcome:
        return await self.sessions.extend(Renewal(ticket, token, token.usage_s, token.expires_at))

    async def renew(self, ticket: Ticket, client: str = "a") -> bool:
        """Whether the playback still has its place."""
        limited = ticket.max_concurrent is not None
        lost = await self.sessions.renew([Playback(ticket.session, client, ticket.owner, limited, False)])
        assert lost <= {(ticket.session, client)}
        return not lost

    async def silence(self, ticket: Ticket, client: str, seconds: float) -> None:
        """The playback was heard so many seconds earlier than it was."""
        keys = ShardKeys(ticket.owner)
        for key in (keys.leases, keys.all_leases):
            if await self.client.call("ZSCORE", key, lease(ticket.session, client)) is not None:
                await self.client.call("ZINCRBY", key, -seconds * 1000, lease(ticket.session, client))

    async def lapse(self, ticket: Ticket) -> None:
        """A provisional session's time is over."""
        key = ShardKeys(ticket.owner).session(ticket.session)
        assert 0 < await self.client.call("PTTL", key) <= 30_000
        await self.client.call("DEL", key)

    async def counted(self, token: Token) -> set[str]:
        """The sessions that have used a place of the token."""
        members = await self.client.call("SMEMBERS", ShardKeys(token.owner).committed(token.id))
        return {member.decode() for member in members}

    async def everything(self) -> dict[str, tuple[int, Any]]:
        """All that the shards hold: when each key ends (Unix ms, -1 for never), and its content."""
        found: dict[str, tuple[int, Any]] = {}
        for key, kind, ends_ms, content in await self.client.call("EVAL", DUMP, 0):
            texts = [text.decode("utf-8", "replace") for text in content]
            pairs = dict(zip(texts[::2], texts[1::2], strict=False))
            value = {b"hash": pairs, b"zset": pairs, b"set": set(texts)}.get(kind, texts[0])
            found[key.decode()] = ends_ms, value
        return found

    async def live(self, token: Token) -> set[tuple[str, str]]:
        """The playbacks at once of the token's owner."""
        names = await self.client.call("ZRANGE", ShardKeys(token.owner).leases, 0, -1)
        pairs = [name.decode().partition("|") for name in names]
        return {(session, client) for session, _, client in pairs}


@pytest_asyncio.fixture
async def make_desk(store_url: str) -> AsyncIterator[Callable[[], Desk]]:
    async with AsyncExitStack() as stack:

        def make() -> Desk:
            desk = Desk(store_url)
            stack.push_async_callback(desk.client.close)
            return desk

        yield make


@pytest.fixture
def desk(make_desk: Callable[[], Desk]) -> Desk:
    """A gate on the store."""
    return make_desk()


@pytest.fixture
def other_desk(make_desk: Callable[[], Desk]) -> Desk:
    """Another gate on the same store."""
    return make_desk()
