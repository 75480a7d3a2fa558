"""What sessions cost in the store, on this machine, client and server together. Asserts no times.

python -m pytest tests/bench/bench_store.py -m bench -s
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import pytest

from gate.core.grants import Action, Grant, Grants
from gate.core.policy import OnLimit
from gate.core.session import Resume
from gate.core.ticket import Ticket
from gate.core.token import Format, Token, Warrant, token_id
from gate.core.verdicts import Opened, Opening
from gate.store.client import Client
from gate.store.sessions import Playback, Sessions

pytestmark = pytest.mark.bench

ROUNDS = 7
OPENINGS = 2000
PLAYBACKS = 4000
AT_ONCE = 64
T = TypeVar("T")


def make_token(name: str) -> Token:
    identity = token_id("bench", name)
    return Token(
        *("bench", Format.JWT, identity, identity, None),
        Warrant(Grants({Action.READ: Grant(resources=frozenset({"cam1"}))})),
        expires_at=int(time.time()) + 3600,
        session_limit=5,
        max_concurrent=3,
    )


def make_ticket(token: Token, opened: Opened) -> Ticket:
    return Ticket(
        *(opened.session, "bench", token.id, token.owner, None, int(opened.opened_at), opened.ends_at),
        *(token.expires_at, None, token.session_limit, token.max_concurrent, token.warrant),
    )


async def side_by_side(calls: Sequence[Awaitable[T]]) -> tuple[list[T], float]:
    """The answers, and the seconds that all took with so many under way at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[T]) -> T:
        async with places:
            return await call

    started = time.perf_counter()
    answers = await asyncio.gather(*map(one, calls))
    return answers, time.perf_counter() - started


async def test_opening_committing_and_renewing(store_url: str) -> None:
    client = Client(store_url, timeout_s=5)
    sessions = Sessions(client, idle_s=60, provisional_s=30)
    facts = {"application": "bench", "resource": "cam1", "address": "192.0.2.1", "agent": "x" * 80}
    opens, commits, renewals = [], [], []
    for round_ in range(ROUNDS):
        await client.call("FLUSHALL")
        tokens = [make_token(f"{round_}-{n}") for n in range(OPENINGS)]
        outcomes, took_s = await side_by_side(
            [
                sessions.open(Opening(token, "c", "page", Resume.NEVER, None, token.expires_at), facts)
                for token in tokens
            ]
        )
        opens.append(OPENINGS / took_s)
        tickets = [
            make_ticket(token, outcome)
            for token, outcome in zip(tokens, outcomes, strict=True)
            if isinstance(outcome, Opened)
        ]
        _, took_s = await side_by_side(
            [sessions.commit(ticket, "c", OnLimit.REJECT, facts) for ticket in tickets]
        )
        commits.append(OPENINGS / took_s)
        playbacks = [
            Playback(ticket.session, "c", ticket.owner, limited, False)
            for ticket in tickets
            for limited in (True, False)
        ]
        assert len(playbacks) == PLAYBACKS
        started = time.perf_counter()
        assert await sessions.renew(playbacks) == set()
        renewals.append((time.perf_counter() - started) * 1000)
    print(
        f"\nopens {statistics.median(opens):.0f}/s, commits {statistics.median(commits):.0f}/s, "
        f"{PLAYBACKS} renewals in {statistics.median(renewals):.0f} ms"
    )
    await client.close()
