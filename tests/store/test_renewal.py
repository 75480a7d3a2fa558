"""Sessions that live on with a fresh token, and first commits that are given back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from gate.core.decision import ticket_of
from gate.core.policy import OnLimit
from gate.core.reasons import Reason
from gate.core.session import Resume
from gate.core.verdicts import Opened, Refused, Renewal
from gate.store.keys import ShardKeys
from gate.store.sessions import KEEP_S, LEEWAY_S

if TYPE_CHECKING:
    from tests.store.conftest import Desk


class TestExtend:
    async def test_the_end_moves_for_every_gate_and_link(self, desk: Desk, other_desk: Desk) -> None:
        token = desk.token("t", "viewer", expires_at=desk.expiry - 3000)
        fresh = desk.token("f", "viewer")
        ticket = await desk.link(token)
        await desk.play(ticket)
        assert await desk.extend(ticket, fresh) == Opened(ticket.session, ticket.opened_at, desk.expiry)
        assert await other_desk.sessions.life(ticket) == (desk.expiry, fresh.id)
        # A gate that has not heard of it commits the old link, and finds the later end.
        outcome = await other_desk.play(ticket, "b")
        assert isinstance(outcome, Opened)
        assert outcome.ends_at == desk.expiry
        key = ShardKeys(ticket.owner).session(ticket.session)
        assert await desk.client.call("PEXPIRETIME", key) == (desk.expiry + LEEWAY_S) * 1000

    @pytest.mark.parametrize("fields", [{"expires_at": -1000}, {"usage_s": 5}])
    async def test_it_never_shortens(self, desk: Desk, fields: dict[str, int]) -> None:
        fields = {name: value + desk.expiry * (value < 0) for name, value in fields.items()}
        ticket = await desk.link(desk.token("t", "viewer"))
        await desk.play(ticket)
        key = ShardKeys(ticket.owner).session(ticket.session)
        kept = await desk.client.call("PEXPIRETIME", key)
        outcome = await desk.extend(ticket, desk.token("f", "viewer", **fields))
        assert outcome == Opened(ticket.session, ticket.opened_at, desk.expiry)
        assert await desk.client.call("PEXPIRETIME", key) == kept

    async def test_usage_counts_from_the_renewal(self, desk: Desk) -> None:
        ticket = await desk.link(desk.token("t", "viewer", usage_s=60))
        before = time.time()
        outcome = await desk.extend(ticket, desk.token("f", "viewer", usage_s=600))
        assert isinstance(outcome, Opened)
        assert outcome.ends_at == pytest.approx(before + 600, abs=20)
        # The token's own end still holds.
        outcome = await desk.extend(ticket, desk.token("g", "viewer", usage_s=99_999))
        assert isinstance(outcome, Opened)
        assert outcome.ends_at == desk.expiry

    async def test_one_token_renews_a_session_once(self, desk: Desk) -> None:
        """Else its usage time would last for as long as the token."""
        ticket = await desk.link(desk.token("t", "viewer", usage_s=60))
        await desk.play(ticket)
        fresh = desk.token("f", "viewer", usage_s=600, session_limit=1)
        first = await desk.extend(ticket, fresh)
        await asyncio.sleep(0.02)
        before = await desk.everything()
        assert await desk.extend(ticket, fresh) == first
        assert await desk.everything() == before
        # Not even in turn with another one.
        other = desk.token("o", "viewer", usage_s=700, session_limit=1)
        second = await desk.extend(ticket, other)
        await asyncio.sleep(0.02)
        assert await desk.extend(ticket, fresh) == second
        assert await desk.extend(ticket, other) == second

    async def test_the_token_that_a_session_counts_for_does_not_renew_it(self, desk: Desk) -> None:
        token = desk.token("t", "viewer", usage_s=60, session_limit=1)
        ticket = await desk.link(token)
        await desk.play(ticket)
        await asyncio.sleep(0.02)
        assert await desk.extend(ticket, token) == Opened(ticket.session, ticket.opened_at, ticket.ends_at)

    async def test_it_counts_once_for_the_fresh_token(self, desk: Desk, other_desk: Desk) -> None:
        ticket = await desk.link(desk.token("t", "viewer", session_limit=1))
        await desk.play(ticket)
        fresh = desk.token("f", "viewer", session_limit=2)
        outcomes = await asyncio.gather(*((desk, other_desk)[n % 2].extend(ticket, fresh) for n in range(20)))
        assert len(set(outcomes)) == 1
        # So does the link that the renewal gave.
        (outcome, *_) = outcomes
        assert isinstance(outcome, Opened)
        renewed = ticket_of(fresh, outcome)
        assert isinstance(await desk.play(renewed), Opened)
        assert await desk.counted(fresh) == {ticket.session}

    async def test_the_limit_of_the_fresh_token_holds(self, desk: Desk, other_desk: Desk) -> None:
        tickets = [await desk.link(desk.token(f"t{n}", "viewer")) for n in range(20)]
        for ticket in tickets:
            await desk.play(ticket)
        fresh = desk.token("f", "viewer", session_limit=5, expires_at=desk.expiry + 60)
        desks = (desk, other_desk)
        outcomes = await asyncio.gather(
            *(desks[n % 2].extend(ticket, fresh) for n, ticket in enumerate(tickets))
        )
        assert outcomes.count(Refused(Reason.SESSION_LIMIT)) == 15
        assert len(await desk.counted(fresh)) == 5
        # Who was refused keeps what it had.
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            end = desk.expiry + (60 if isinstance(outcome, Opened) else 0)
            assert (await desk.sessions.life(ticket) or ())[0] == end

    async def test_what_has_ended_or_is_unknown_stays_so(self, desk: Desk) -> None:
        fresh = desk.token("f", "viewer", session_limit=3)
        ended = await desk.link(desk.token("t", "viewer"))
        await desk.play(ended)
        key = ShardKeys(ended.owner).session(ended.session)
        await desk.client.call("HSET", key, "ends", int(time.time() * 1000) - 1)
        closed = await desk.link(desk.token("c", "viewer"))
        await desk.sessions.close(closed.session, closed.owner)
        before = await desk.everything()
        for ticket in (ended, closed):
            assert await desk.extend(ticket, fresh) == Refused(Reason.SESSION_EXPIRED)
        assert await desk.everything() == before

    async def test_a_session_may_outlive_its_token(self, desk: Desk) -> None:
        """Where the policy lets sessions end with their usage only, and where nothing ends them."""
        token = desk.token("t", "viewer", session_limit=1)
        ticket = await desk.link(token)
        await desk.play(ticket)
        counted = ShardKeys(ticket.owner).committed(token.id)
        outcome = await desk.sessions.extend(Renewal(ticket, desk.token("f", "viewer"), None, None))
        assert outcome == Opened(ticket.session, ticket.opened_at, None)
        outcome = await desk.play(ticket)
        assert isinstance(outcome, Opened)
        assert outcome.ends_at is None
        key = ShardKeys(ticket.owner).session(ticket.session)
        for each in (key, counted):
            assert await desk.client.call("PTTL", each) > KEEP_S * 1000 - 10_000
        # It never ends from now on.
        later = await desk.extend(ticket, desk.token("g", "viewer"))
        assert later == Opened(ticket.session, ticket.opened_at, None)

    async def test_the_warrants_of_both_tokens_are_kept(self, desk: Desk) -> None:
        token = desk.long_token("t", "viewer", expires_at=desk.expiry - 3000)
        fresh = desk.long_token("f", "viewer")
        ticket = await desk.link(token)
        outcome = await desk.extend(ticket, fresh)
        assert isinstance(outcome, Opened)
        keys = ShardKeys(ticket.owner)
        for each in (token, fresh):
            end = await desk.client.call("PEXPIRETIME", keys.warrant(each.id))
            assert end >= (desk.expiry + LEEWAY_S) * 1000
        assert await desk.sessions.warrant(ticket_of(fresh, outcome)) == fresh.warrant
        assert await desk.sessions.warrant(ticket) == token.warrant
        # A short one is in the link.
        short = desk.token("s", "viewer")
        await desk.extend(ticket, short)
        assert await desk.client.call("EXISTS", keys.warrant(short.id)) == 0

    async def test_a_provisional_session_stays_provisional(self, desk: Desk) -> None:
        ticket = await desk.link(desk.token("t", "viewer"))
        await desk.extend(ticket, desk.token("f", "viewer", expires_at=desk.expiry + 60))
        await desk.lapse(ticket)


class TestGiveBack:
    async def test_it_was_as_if_it_had_never_been(self, desk: Desk) -> None:
        token = desk.token(session_limit=1, max_concurrent=1)
        ticket = await desk.link(token)
        for _ in range(3):
            outcome = await desk.play(ticket)
            assert isinstance(outcome, Opened)
            assert outcome.first
            assert await desk.sessions.give_back(ticket, "a")
            assert await desk.counted(token) == await desk.live(token) == set()
            assert not await desk.renew(ticket)
            # Its link is a provisional one again, and the next of the client's openings gives it again.
            assert (await desk.link(token)).session == ticket.session
        other = await desk.link(token, "b")
        assert isinstance(await desk.play(other, "b"), Opened)
        assert await desk.play(ticket) == Refused(Reason.SESSION_LIMIT)

    async def test_it_lapses_then(self, desk: Desk) -> None:
        ticket = await desk.link(desk.token(session_limit=1))
        await desk.play(ticket)
        await desk.sessions.give_back(ticket, "a")
        await desk.lapse(ticket)

    async def test_what_another_has_committed_too_stays(self, desk: Desk) -> None:
        token = desk.token(session_limit=1, max_concurrent=2)
        ticket = await desk.link(token)
        for second in ("a", "b"):  # the same client in another request, another client
            await desk.play(ticket, "a")
            await desk.play(ticket, second)
            before = await desk.everything()
            assert not await desk.sessions.give_back(ticket, "a")
            assert await desk.everything() == before
        assert await desk.counted(token) == {ticket.session}

    @pytest.mark.parametrize("seed", range(10))
    async def test_it_is_exact_while_others_commit(self, desk: Desk, other_desk: Desk, seed: int) -> None:
        """Whichever comes first, who plays is counted."""
        token = desk.token(session_limit=1, max_concurrent=3)
        ticket = await desk.link(token)
        await desk.play(ticket, "a")
        calls = [desk.sessions.give_back(ticket, "a"), other_desk.play(ticket, "b")]
        given, outcome = await asyncio.gather(*(calls if seed % 2 else reversed(calls)))
        given, outcome = (given, outcome) if seed % 2 else (outcome, given)
        assert isinstance(outcome, Opened)
        assert outcome.first is given
        assert await desk.counted(token) == {ticket.session}
        assert (ticket.session, "b") in await desk.live(token)
        assert ((ticket.session, "a") in await desk.live(token)) is not given

    async def test_given_back_again_nothing_more_happens(self, desk: Desk) -> None:
        ticket = await desk.link(desk.token(session_limit=1))
        assert not await desk.sessions.give_back(ticket, "a")
        await desk.play(ticket)
        assert await desk.sessions.give_back(ticket, "a")
        before = await desk.everything()
        assert not await desk.sessions.give_back(ticket, "a")
        assert {key: value for key, (_, value) in before.items()} == {
            key: value for key, (_, value) in (await desk.everything()).items()
        }

    async def test_a_commit_that_was_asked_twice_for_a_lost_answer_is_one(self, desk: Desk) -> None:
        ticket = await desk.link(desk.token(session_limit=1))
        await desk.play(ticket)
        again = await desk.client.deliver_again()
        assert again[0] == b"committed"
        assert again[3] == 1
        assert await desk.sessions.give_back(ticket, "a")

    async def test_a_place_that_was_used_long_ago_is_not_given_back(self, desk: Desk) -> None:
        """The store has forgotten the session, and not that it counted."""
        token = desk.token(session_limit=1, expires_at=None)
        ticket = await desk.link(token)
        await desk.play(ticket)
        await desk.client.call("DEL", ShardKeys(ticket.owner).session(ticket.session))
        outcome = await desk.play(ticket)
        assert isinstance(outcome, Opened)
        assert not outcome.first
        assert not await desk.sessions.give_back(ticket, "a")
        assert await desk.counted(token) == {ticket.session}

    async def test_the_session_before_it_is_resumed(self, desk: Desk) -> None:
        token = desk.token(session_limit=3)
        ticket = await desk.link(token)
        await desk.play(ticket)
        assert (await desk.link(token, mode=Resume.ONLY)).session == ticket.session
        await desk.sessions.give_back(ticket, "a")
        assert (await desk.link(token, mode=Resume.ONLY)).session == ticket.session

    async def test_whom_it_evicted_may_come_back_to_the_free_place(self, desk: Desk) -> None:
        first = await desk.link(desk.token("t1", "viewer", max_concurrent=1))
        second = await desk.link(desk.token("t2", "viewer", max_concurrent=1))
        await desk.play(first)
        await desk.play(second, "a", OnLimit.EVICT_OLDEST)
        await desk.sessions.give_back(second, "a")
        assert isinstance(await desk.play(first), Opened)
