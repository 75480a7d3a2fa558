"""A token in a page session: one session, on whatever gate, and over once it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.reasons import Reason
from gate.core.session import Resume
from gate.core.ticket import Ticket
from gate.core.token import Token
from gate.core.verdicts import Opened, Outcome, Refused
from gate.store.keys import ShardKeys
from gate.store.sessions import LEEWAY_S

if TYPE_CHECKING:
    from tests.store.conftest import Desk

UNTIL_S = 4_000_000_000  # until when the page sessions here are accepted
ENDED = Refused(Reason.SESSION_EXPIRED)


def marker(ticket: Ticket) -> str:
    """The key of what is kept of the session when it is forgotten."""
    return ShardKeys(ticket.owner).visit(ticket.session)


async def forget(desk: Desk, ticket: Ticket) -> None:
    """The session's own key is gone, as it is some time after its end."""
    await desk.client.call("DEL", ShardKeys(ticket.owner).session(ticket.session))


async def pass_by(ticket: Ticket) -> None:
    """The session's time passes."""
    await asyncio.sleep(max(0, (ticket.ends_at or 0) - time.time()) + 0.02)


class TestOneSession:
    async def test_whoever_opens_it_on_whatever_gate(self, desk: Desk, other_desk: Desk) -> None:
        token = desk.token(session_limit=5, usage_s=60)
        openings = [(desk, other_desk)[n % 2].visit(token, "page", f"c{n % 10}") for n in range(100)]
        outcomes = await asyncio.gather(*openings)
        assert len(set(outcomes)) == 1
        assert isinstance(outcomes[0], Opened)
        assert outcomes[0].session == desk.visited(token)
        assert outcomes[0].ends_at == pytest.approx(outcomes[0].opened_at + 60, abs=1e-6)
        assert await desk.counted(token) == set()

    async def test_another_page_or_token_is_another_one(self, desk: Desk) -> None:
        token, other = desk.token(), desk.token("other")
        outcomes = [await desk.visit(*each) for each in ((token,), (token, "page 2"), (other,))]
        assert len({outcome.session for outcome in outcomes if isinstance(outcome, Opened)}) == 3

    async def test_it_is_given_again_when_it_plays(self, desk: Desk, other_desk: Desk) -> None:
        token = desk.token(session_limit=1, usage_s=60)
        ticket = await desk.visit_link(token)
        await desk.play(ticket)
        again = await other_desk.visit_link(token, client="b")
        assert (again.session, again.ends_at) == (ticket.session, ticket.ends_at)
        assert isinstance(await other_desk.play(again, "b"), Opened)
        assert await desk.counted(token) == {ticket.session}

    async def test_what_a_client_did_elsewhere_is_neither_searched_nor_written(self, desk: Desk) -> None:
        token = desk.token()
        elsewhere = await desk.link(token)
        await desk.play(elsewhere)
        before = await desk.everything()
        ticket = await desk.visit_link(token)
        assert ticket.session != elsewhere.session
        after = await desk.everything()
        pointers = {key: value for key, value in after.items() if ":r:" in key}
        assert pointers == {key: value for key, value in before.items() if ":r:" in key}
        assert await desk.client.call("GET", marker(ticket)) is None  # without a usage time there is none

    async def test_a_long_warrant_is_kept_for_its_ticket(self, desk: Desk) -> None:
        token = desk.long_token()
        assert await desk.sessions.warrant(await desk.visit_link(token)) == token.warrant

    async def test_without_an_id_of_its_own_it_is_a_new_one_each_time(self, desk: Desk) -> None:
        token = desk.token(usage_s=60)
        links = [await desk.link(token), *[await desk.link(token, "a", Resume.VISIT) for _ in "ab"]]
        assert len({link.session for link in links}) == 3
        assert all(link.ends_at == pytest.approx(link.opened_at + 60, abs=2) for link in links)


class TestLimit:
    async def test_of_a_hundred_pages_exactly_one_commits(self, desk: Desk, other_desk: Desk) -> None:
        token, desks = desk.token(session_limit=1), (desk, other_desk)
        links = await asyncio.gather(*(desks[n % 2].visit_link(token, f"page {n}") for n in range(100)))
        assert len({link.session for link in links}) == 100
        plays = [desks[(n + 1) % 2].play(link, f"c{n}") for n, link in enumerate(links)]
        outcomes = await asyncio.gather(*plays)
        refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        assert refused == [Refused(Reason.SESSION_LIMIT)] * 99
        (winner,) = [outcome.session for outcome in outcomes if isinstance(outcome, Opened)]
        assert await desk.counted(token) == {winner}
        # The others are refused at their next opening, once they have lapsed; the winner never is.
        for link in links:
            if link.session != winner:
                await desk.lapse(link)
        again = await asyncio.gather(*(desk.visit(token, f"page {n}") for n in range(100)))
        assert sum(outcome == Refused(Reason.SESSION_LIMIT) for outcome in again) == 99
        assert winner in {outcome.session for outcome in again if isinstance(outcome, Opened)}

    async def test_of_one_page_a_hundred_count_once(self, desk: Desk, other_desk: Desk) -> None:
        token, desks = desk.token(session_limit=1), (desk, other_desk)
        links = await asyncio.gather(*(desks[n % 2].visit_link(token, client=f"c{n}") for n in range(100)))
        plays = [desks[(n + 1) % 2].play(link, f"c{n}") for n, link in enumerate(links)]
        outcomes = await asyncio.gather(*plays)
        assert [outcome.first for outcome in outcomes if isinstance(outcome, Opened)].count(True) == 1
        assert len({outcome.session for outcome in outcomes if isinstance(outcome, Opened)}) == 1
        assert all(isinstance(outcome, Opened) for outcome in outcomes)
        assert await desk.counted(token) == {desk.visited(token)}

    async def test_opening_and_playing_race(self, desk: Desk, other_desk: Desk) -> None:
        token, desks = desk.token(session_limit=1, usage_s=60), (desk, other_desk)

        async def watch(n: int) -> Outcome:
            outcome = await desks[n % 2].visit(token, f"page {n % 5}", f"c{n}")
            if isinstance(outcome, Refused):
                return outcome
            link = await desks[n % 2].visit_link(token, f"page {n % 5}", f"c{n}")
            return await desks[(n + 1) % 2].play(link, f"c{n}")

        outcomes = await asyncio.gather(*(watch(n) for n in range(100)))
        assert sum(isinstance(outcome, Opened) for outcome in outcomes) == 20
        assert {outcome for outcome in outcomes if isinstance(outcome, Refused)} == {
            Refused(Reason.SESSION_LIMIT)
        }
        assert len(await desk.counted(token)) == 1

    async def test_pages_and_ordinary_sessions_count_alike(self, desk: Desk) -> None:
        token = desk.token(session_limit=2)
        for link in (await desk.link(token), await desk.visit_link(token)):
            assert isinstance(await desk.play(link), Opened)
        assert await desk.visit(token, "page 2") == Refused(Reason.SESSION_LIMIT)
        assert await desk.ask(token, "b") == Refused(Reason.SESSION_LIMIT)
        assert isinstance(await desk.visit(token), Opened)

    async def test_a_commit_that_was_given_back_leaves_it_openable(self, desk: Desk) -> None:
        token = desk.token(session_limit=1, usage_s=60)
        ticket = await desk.visit_link(token)
        for lapsed in (False, True):
            await desk.play(ticket)
            assert await desk.sessions.give_back(ticket, "a")
            assert await desk.counted(token) == set()
            if lapsed:
                await desk.lapse(ticket)
            again = await desk.visit_link(token, client="b")
            assert again.ends_at == ticket.ends_at
        await desk.play(again, "b")
        assert await desk.counted(token) == {ticket.session}


class TestOver:
    @pytest.mark.timed
    async def test_its_usage_is_over_for_good(self, desk: Desk) -> None:
        cases = []
        for limit, played in product((None, 1), (False, True)):
            token = desk.token(f"{limit} {played}", session_limit=limit, usage_s=1)
            ticket = await desk.visit_link(token)
            cases.append((token, ticket, limit is not None and played))
            if played:
                assert isinstance(await desk.play(ticket), Opened)
        await pass_by(ticket)
        for forgotten, (token, ticket, full) in product((False, True), cases):
            if forgotten:
                await forget(desk, ticket)
            held = await desk.everything()
            for client in "ab":
                assert await desk.visit(token, client=client) == ENDED
                assert await desk.play(ticket, client) == ENDED
            # A longer time, given to the token since, is for other pages.
            assert await desk.visit(replace(token, usage_s=600)) == ENDED
            assert await desk.visit(replace(token, usage_s=None)) == ENDED
            assert await desk.everything() == held
            other = await desk.visit(token, f"page {forgotten}")
            assert other == Refused(Reason.SESSION_LIMIT) if full else isinstance(other, Opened)

    async def test_a_lapsed_opening_does_not_begin_it_anew(self, desk: Desk, other_desk: Desk) -> None:
        token = desk.token(usage_s=60)
        ticket = await desk.visit_link(token)
        assert int(await desk.client.call("GET", marker(ticket))) == round((ticket.ends_at or 0) * 1000)
        assert await desk.client.call("PEXPIRETIME", marker(ticket)) == (UNTIL_S + LEEWAY_S) * 1000
        await asyncio.sleep(0.02)
        for each in (desk, other_desk):
            await desk.lapse(ticket)
            assert (await each.visit_link(token, client="b")).ends_at == ticket.ends_at
        assert await desk.client.call("PEXPIRETIME", marker(ticket)) == (UNTIL_S + LEEWAY_S) * 1000
        # Nor does a commit long after its opening, of the first ticket or of a later one.
        late = await desk.visit_link(token, client="b")
        for link in (ticket, late):
            await forget(desk, ticket)
            outcome = await desk.play(link, "b")
            assert isinstance(outcome, Opened)
            assert outcome.ends_at == ticket.ends_at
            assert await desk.sessions.life(ticket) == (ticket.ends_at, None)

    @pytest.mark.timed
    async def test_a_commit_after_its_end_is_refused(self, desk: Desk) -> None:
        ticket = await desk.visit_link(token := desk.token(usage_s=1))
        await desk.lapse(ticket)
        late = await desk.visit_link(token)
        await desk.lapse(ticket)
        await pass_by(ticket)
        for link in (ticket, late):
            assert await desk.play(link) == ENDED
        assert await desk.counted(token) == set()

    async def test_a_token_that_ends_earlier_ends_it_and_its_usage_runs_on(self, desk: Desk) -> None:
        soon = int(time.time()) + 30
        token = desk.token(expires_at=soon, usage_s=60)
        ticket = await desk.visit_link(token)
        assert ticket.ends_at == soon
        usage_ends = int(await desk.client.call("GET", marker(ticket))) / 1000
        assert usage_ends == pytest.approx(ticket.opened_at + 60, abs=2)
        await desk.lapse(ticket)
        longer = await desk.visit_link(replace(token, expires_at=soon + 3600))
        assert longer.ends_at == usage_ends

    @pytest.mark.timed
    async def test_of_a_token_that_has_expired(self, desk: Desk) -> None:
        token = desk.token(expires_at=int(time.time()) + 1, usage_s=60)
        ticket = await desk.visit_link(token)
        await desk.play(ticket)
        await pass_by(ticket)
        for _ in range(2):
            assert await desk.visit(token) == Refused(Reason.TOKEN_EXPIRED)
            assert await desk.visit(token, "page 2") == Refused(Reason.TOKEN_EXPIRED)
            await forget(desk, ticket)

    @pytest.mark.timed
    async def test_with_its_token_which_was_given_more_time(self, desk: Desk) -> None:
        """A session whose time was the token's alone goes on with it; a counted one has had its place."""
        soon = int(time.time()) + 2
        free, limited = desk.token("f", expires_at=soon), desk.token("l", expires_at=soon, session_limit=1)
        for token in (free, limited):
            await desk.play(await desk.visit_link(token))
        await asyncio.sleep(soon - time.time() + 0.02)
        ticket = await desk.visit_link(replace(free, expires_at=desk.expiry))
        assert ticket.ends_at == desk.expiry
        # Of the one before, nothing is left in it.
        outcome = await desk.play(ticket)
        assert isinstance(outcome, Opened)
        assert outcome.first
        assert await desk.visit(replace(limited, expires_at=desk.expiry)) == ENDED

    async def test_a_counted_one_that_was_closed_is_over(self, desk: Desk) -> None:
        token = desk.token(session_limit=2)
        ticket = await desk.visit_link(token)
        await desk.play(ticket)
        await desk.sessions.close(ticket.session, ticket.owner)
        assert await desk.visit(token) == ENDED
        assert isinstance(await desk.visit(token, "page 2"), Opened)

    async def test_a_renewed_one_goes_on_until_its_new_end(self, desk: Desk) -> None:
        token = desk.token("t", "viewer", usage_s=60)
        fresh = desk.token("f", "viewer", usage_s=600)
        ticket = await desk.visit_link(token)
        await desk.play(ticket)
        renewed = await desk.extend(ticket, fresh)
        assert isinstance(renewed, Opened)
        assert (await desk.visit_link(token)).ends_at == renewed.ends_at != ticket.ends_at
        # Forgotten, it has the end that its own token gave it.
        await forget(desk, ticket)
        assert (await desk.visit_link(token)).ends_at == ticket.ends_at


class TestPageSession:
    async def test_one_that_is_over_opens_nothing(self, desk: Desk) -> None:
        """Else it might be opened anew when its end is no longer known, on a gate whose clock is slow."""
        token, past = desk.token(usage_s=60), int(time.time()) - 1
        assert await desk.visit(token, until_s=past) == ENDED
        assert await desk.everything() == {}
        ticket = await desk.visit_link(token)
        assert isinstance(await desk.visit(token, until_s=past), Opened)  # what lives lives on
        await desk.lapse(ticket)
        assert await desk.visit(token, until_s=past) == ENDED

    async def test_one_that_is_never_over_is_never_forgotten(self, desk: Desk) -> None:
        token = desk.token(usage_s=60)
        outcome = await desk.visit(token, until_s=None)
        assert isinstance(outcome, Opened)
        key = ShardKeys(token.owner).visit(outcome.session)
        assert await desk.client.call("PTTL", key) == -1


@dataclass
class Model:
    """What is known of a page's session: its usage time runs or is `over`, and it is `held` or forgotten."""

    over: bool = False
    held: bool = False
    committed: bool = False


STEPS = st.lists(
    st.sampled_from(["visit", "visit", "play", "play", "give back", "lapse", "forget", "end", "close"]),
    max_size=15,
)


class TestProperties:
    @pytest.mark.parametrize("limit", [None, 1])
    async def test_in_whatever_order(
        self, desk: Desk, make_desk: Callable[[], Desk], limit: int | None
    ) -> None:
        """Its usage time runs once; what is over never opens; and a place is used while it is committed."""
        loop, names = asyncio.get_running_loop(), iter(range(10**6))
        desks = [desk, make_desk()]

        @settings(max_examples=60)
        @given(STEPS)
        def check(steps: list[str]) -> None:
            token = desk.token(f"token{next(names)}", session_limit=limit, usage_s=600)
            asyncio.run_coroutine_threadsafe(walk(token, steps), loop).result(30)

        async def walk(token: Token, steps: list[str]) -> None:
            model, ticket, counted = Model(), None, False
            for n, step in enumerate(["visit", *steps]):
                at, keys = desks[n % 2], ShardKeys(token.owner)
                if step == "visit":
                    outcome = await at.visit(token, client=f"c{n}")
                    gone = model.over or (counted and not model.held)
                    assert (outcome == ENDED) if gone else isinstance(outcome, Opened)
                    if not gone:
                        link = await at.visit_link(token)
                        assert ticket is None or link.ends_at == ticket.ends_at
                        ticket, model.committed = ticket or link, model.committed and model.held
                        model.held = True
                    continue
                assert ticket is not None
                if step == "play":
                    outcome = await at.play(seen(ticket, model), "a")
                    assert (outcome == ENDED) if model.over else isinstance(outcome, Opened)
                    if not model.over:
                        assert isinstance(outcome, Opened)
                        assert outcome.ends_at == ticket.ends_at
                        model.held = model.committed = True
                        counted = limit is not None
                elif step == "give back" and await at.sessions.give_back(ticket, "a"):
                    model.committed = counted = False
                elif step == "lapse" and model.held and not model.committed:
                    await at.lapse(ticket)
                    model.held = False
                elif step == "forget" and model.over:
                    await forget(at, ticket)
                    model.held = False
                elif step == "close":
                    await at.sessions.close(ticket.session, ticket.owner)
                    model.held = model.committed = False
                elif step == "end":
                    await at.client.call("SET", keys.visit(ticket.session), 1000, "KEEPTTL")
                    if model.held:
                        await at.client.call("HSET", keys.session(ticket.session), "ends", 1000)
                    model.over = True
                assert await at.counted(token) == ({ticket.session} if counted else set())
                end = int(await at.client.call("GET", keys.visit(ticket.session)))
                assert end == (1000 if model.over else round((ticket.ends_at or 0) * 1000))

        def seen(ticket: Ticket, model: Model) -> Ticket:
            return replace(ticket, ends_at=1.0) if model.over else ticket

        await asyncio.to_thread(check)
