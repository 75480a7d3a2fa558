"""Playbacks at once: places that racers share, moves, evictions and the way back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from gate.core.policy import OnLimit
from gate.core.reasons import Reason
from gate.core.ticket import Ticket
from gate.core.verdicts import Opened, Outcome, Refused
from gate.store.keys import ShardKeys, lease
from gate.store.sessions import Playback

if TYPE_CHECKING:
    from tests.store.conftest import Desk

IDLE_S = 60
REJECT, OLDEST, IDLEST = OnLimit.REJECT, OnLimit.EVICT_OLDEST, OnLimit.EVICT_IDLE
EVICTING = pytest.mark.parametrize("on_limit", [OLDEST, IDLEST])


async def family(desk: Desk, size: int, limit: int) -> list[Ticket]:
    """Links of so many devices of one viewer, the oldest one first."""
    tickets = []
    for n in range(size):
        tickets.append(await desk.link(desk.token(f"device{n}", "viewer", max_concurrent=limit)))
        await asyncio.sleep(0.002)  # a session's age is in milliseconds
    assert [ticket.session for ticket in tickets] == sorted(ticket.session for ticket in tickets)
    return tickets


def plays(outcome: Outcome) -> bool:
    if isinstance(outcome, Refused):
        assert outcome.reason is Reason.TOO_MANY_PLAYBACKS
    return isinstance(outcome, Opened)


class TestRaces:
    @pytest.mark.parametrize("on_limit", list(OnLimit))
    async def test_of_a_hundred_through_two_gates_exactly_so_many_play(
        self, desk: Desk, other_desk: Desk, on_limit: OnLimit
    ) -> None:
        desks = (desk, other_desk)
        tickets = await family(desk, 100, 5)
        outcomes = await asyncio.gather(
            *(desks[n % 2].play(ticket, "a", on_limit) for n, ticket in enumerate(tickets))
        )
        playing = {(ticket.session, "a") for ticket in tickets if await desk.renew(ticket)}
        assert len(playing) == 5
        assert playing == await desk.live(desk.token(subject="viewer"))
        if on_limit is REJECT:
            assert sum(map(plays, outcomes)) == 5
        assert all(len(outcome.conflicts) == 5 for outcome in outcomes if isinstance(outcome, Refused))
        # Each place was taken away from whoever had it, and from nobody twice.
        lost = [pair for outcome in outcomes if isinstance(outcome, Opened) for pair in outcome.lost]
        assert len(lost) == len(set(lost)) == sum(map(plays, outcomes)) - 5
        assert not playing & set(lost)

    async def test_one_client_of_one_session_is_one_playback(self, desk: Desk, other_desk: Desk) -> None:
        token = desk.token(max_concurrent=1)
        ticket = await desk.link(token)
        outcomes = await asyncio.gather(
            *((desk, other_desk)[n % 2].play(ticket, "a", OLDEST, resource=f"cam{n}") for n in range(50))
        )
        assert all(isinstance(outcome, Opened) and not outcome.lost for outcome in outcomes)
        # Nobody else had committed the session before: true of exactly one.
        assert sum(isinstance(outcome, Opened) and outcome.first for outcome in outcomes) == 1
        assert await desk.live(token) == {(ticket.session, "a")}

    async def test_who_has_a_place_keeps_it_while_the_limit_shrinks(self, desk: Desk) -> None:
        first, second = await family(desk, 2, 2)
        assert plays(await desk.play(first))
        assert plays(await desk.play(second))
        for on_limit in OnLimit:
            narrower = desk.token("device0", "viewer", max_concurrent=1)
            outcome = await desk.play(await desk.link(narrower, "new"), "new", REJECT)
            assert not plays(outcome)
            assert plays(await desk.play(first, "a", on_limit))
        assert await desk.live(desk.token(subject="viewer")) == {(first.session, "a"), (second.session, "a")}


class TestMoves:
    @pytest.mark.parametrize("on_limit", list(OnLimit))
    async def test_a_silent_playback_of_the_same_session_is_replaced(
        self, desk: Desk, on_limit: OnLimit
    ) -> None:
        (ticket,) = await family(desk, 1, 1)
        assert plays(await desk.play(ticket, "wifi"))
        await desk.silence(ticket, "wifi", IDLE_S / 4 + 1)
        outcome = await desk.play(ticket, "mobile", on_limit)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((ticket.session, "wifi"),)
        assert not outcome.first
        assert not await desk.renew(ticket, "wifi")
        assert await desk.renew(ticket, "mobile")
        # It was no eviction: whoever moves back does so by the same rule.
        assert not plays(await desk.play(ticket, "wifi", REJECT))
        await desk.silence(ticket, "mobile", IDLE_S / 4 + 1)
        assert plays(await desk.play(ticket, "wifi", REJECT))
        assert await desk.live(desk.token(subject="viewer")) == {(ticket.session, "wifi")}

    @pytest.mark.parametrize("on_limit", list(OnLimit))
    async def test_of_several_silent_ones_no_more_than_needed(self, desk: Desk, on_limit: OnLimit) -> None:
        (ticket,) = await family(desk, 1, 3)
        for client, seconds in (("a", 20), ("b", 40), ("c", 30)):
            await desk.play(ticket, client)
            await desk.silence(ticket, client, seconds)
        outcome = await desk.play(ticket, "d", on_limit)
        assert isinstance(outcome, Opened)
        # The oldest is the first by name where they are of one session.
        assert outcome.lost == ((ticket.session, "a" if on_limit is OLDEST else "b"),)
        assert len(await desk.live(desk.token(subject="viewer"))) == 3

    @pytest.mark.parametrize("known", [True, False])
    async def test_one_that_is_written_down_late_is_as_silent_as_it_was(self, desk: Desk, known: bool) -> None:
        (ticket,) = await family(desk, 1, 1)
        if known:
            await desk.play(ticket, "wifi")
            await desk.silence(ticket, "wifi", IDLE_S / 2)
            playback = Playback(ticket.session, "wifi", ticket.owner, True, False, silent_s=IDLE_S / 4 + 1)
            assert await desk.sessions.renew([playback]) == set()
        else:
            await desk.sessions.commit(ticket, "wifi", REJECT, {}, silent_s=IDLE_S / 4 + 1)
        assert not plays(await desk.play(await desk.link(desk.token("other", "viewer", max_concurrent=1)), "b"))
        outcome = await desk.play(ticket, "mobile")
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((ticket.session, "wifi"),)

    async def test_what_another_gate_has_heard_since_holds(self, desk: Desk, other_desk: Desk) -> None:
        (ticket,) = await family(desk, 1, 1)
        await other_desk.play(ticket, "wifi")
        playback = Playback(ticket.session, "wifi", ticket.owner, True, False, silent_s=IDLE_S / 2)
        assert await desk.sessions.renew([playback]) == set()
        assert plays(await desk.sessions.commit(ticket, "wifi", REJECT, {}, silent_s=IDLE_S / 2))
        assert not plays(await desk.play(ticket, "mobile"))

    async def test_a_lively_one_is_not(self, desk: Desk) -> None:
        (ticket,) = await family(desk, 1, 1)
        await desk.play(ticket, "wifi")
        await desk.silence(ticket, "wifi", IDLE_S / 4 - 5)
        assert not plays(await desk.play(ticket, "mobile"))
        assert await desk.renew(ticket, "wifi")

    async def test_one_of_another_session_is_not(self, desk: Desk) -> None:
        first, second = await family(desk, 2, 1)
        await desk.play(first)
        await desk.silence(first, "a", IDLE_S / 2)
        assert not plays(await desk.play(second))

    async def test_with_room_nobody_is_replaced(self, desk: Desk) -> None:
        (ticket,) = await family(desk, 1, 2)
        await desk.play(ticket, "wifi")
        await desk.silence(ticket, "wifi", IDLE_S / 2)
        assert await desk.play(ticket, "mobile") == Opened(ticket.session, ticket.opened_at, ticket.ends_at)
        assert len(await desk.live(desk.token(subject="viewer"))) == 2

    @EVICTING
    async def test_a_move_comes_before_an_eviction(self, desk: Desk, on_limit: OnLimit) -> None:
        older, ticket = await family(desk, 2, 2)
        await desk.play(older)
        await desk.play(ticket, "wifi")
        await desk.silence(older, "a", IDLE_S / 2)  # older, and idler too
        await desk.silence(ticket, "wifi", IDLE_S / 4 + 1)
        outcome = await desk.play(ticket, "mobile", on_limit)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((ticket.session, "wifi"),)
        assert await desk.renew(older)


class TestEvictions:
    async def test_the_oldest_session_gives_way(self, desk: Desk) -> None:
        *playing, newcomer = await family(desk, 4, 3)
        for ticket in reversed(playing):
            await desk.play(ticket)
        await desk.silence(playing[2], "a", 30)
        outcome = await desk.play(newcomer, "a", OLDEST)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((playing[0].session, "a"),)

    async def test_the_idlest_gives_way(self, desk: Desk) -> None:
        *playing, newcomer = await family(desk, 4, 3)
        for ticket, seconds in zip(playing, (10, 40, 20), strict=True):
            await desk.play(ticket)
            await desk.silence(ticket, "a", seconds)
        outcome = await desk.play(newcomer, "a", IDLEST)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((playing[1].session, "a"),)

    @pytest.mark.parametrize(("on_limit", "victims"), [(OLDEST, [0, 1, 2]), (IDLEST, [3, 1, 2])])
    async def test_after_the_limit_shrank_several_give_way(
        self, desk: Desk, on_limit: OnLimit, victims: list[int]
    ) -> None:
        playing = await family(desk, 4, 4)
        for ticket, seconds in zip(playing, (5, 30, 20, 40), strict=True):
            await desk.play(ticket)
            await desk.silence(ticket, "a", seconds)
        newcomer = await desk.link(desk.token("new", "viewer", max_concurrent=2))
        outcome = await desk.play(newcomer, "a", on_limit)
        assert isinstance(outcome, Opened)
        assert outcome.lost == tuple((playing[n].session, "a") for n in victims)
        left = {(ticket.session, "a") for n, ticket in enumerate(playing) if n not in victims}
        assert await desk.live(desk.token(subject="viewer")) == left | {(newcomer.session, "a")}
        for n, ticket in enumerate(playing):
            assert await desk.renew(ticket) is (n not in victims)

    @EVICTING
    async def test_two_devices_do_not_throw_each_other_out_for_ever(
        self, desk: Desk, on_limit: OnLimit
    ) -> None:
        tickets = await family(desk, 2, 1)
        assert plays(await desk.play(tickets[0], "a", on_limit))
        owner, switches = 0, 0
        for turn in range(20):
            device = (turn + 1) % 2
            outcome = await desk.play(tickets[device], "a", on_limit)
            if plays(outcome) and device != owner:
                owner, switches = device, switches + 1
        assert switches == 1
        assert await desk.live(desk.token(subject="viewer")) == {(tickets[1].session, "a")}

    @EVICTING
    async def test_who_was_evicted_comes_back_to_a_free_place_and_is_as_before(
        self, desk: Desk, on_limit: OnLimit
    ) -> None:
        first, second, third = await family(desk, 3, 1)
        await desk.play(first, "a", on_limit)
        await desk.play(second, "a", on_limit)
        assert not plays(await desk.play(first, "a", on_limit))
        # Nor when the others are silent, or are still others.
        await desk.silence(second, "a", IDLE_S / 2)
        assert not plays(await desk.play(first, "a", on_limit))
        assert await desk.sessions.close(second.session, second.owner) == 1
        assert plays(await desk.play(first, "a", on_limit))
        # Back in, it is a playback like any other, and so is its next eviction.
        outcome = await desk.play(third, "a", on_limit)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((first.session, "a"),)
        assert not plays(await desk.play(first, "a", on_limit))

    async def test_who_has_come_back_may_evict_again(self, desk: Desk) -> None:
        first, second = await family(desk, 2, 1)
        await desk.play(first)
        await desk.play(second, "a", OLDEST)
        await desk.silence(second, "a", IDLE_S + 1)
        assert plays(await desk.play(first, "a", OLDEST))
        await desk.silence(first, "a", IDLE_S + 1)
        assert plays(await desk.play(second, "a", OLDEST))
        outcome = await desk.play(first, "a", OLDEST)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((second.session, "a"),)

    async def test_leases_that_lapsed_are_cleared_away(self, desk: Desk) -> None:
        ticket = await desk.link(desk.token())
        for client in ("a", "b"):
            await desk.play(ticket, client)
        await desk.silence(ticket, "a", IDLE_S + 1)
        await desk.renew(ticket, "b")
        names = await desk.client.call("ZRANGE", ShardKeys(ticket.owner).all_leases, 0, -1)
        assert names == [lease(ticket.session, "b").encode()]

    @EVICTING
    async def test_who_lapsed_comes_back_and_may_evict(self, desk: Desk, on_limit: OnLimit) -> None:
        first, second = await family(desk, 2, 1)
        await desk.play(first, "a", on_limit)
        await desk.silence(first, "a", IDLE_S + 1)
        outcome = await desk.play(second, "a", on_limit)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ()  # the place was free
        outcome = await desk.play(first, "a", on_limit)
        assert isinstance(outcome, Opened)
        assert outcome.lost == ((second.session, "a"),)

    async def test_what_was_evicted_is_remembered_for_a_bounded_time(self, desk: Desk) -> None:
        *tickets, last = await family(desk, 4, 1)
        for ticket in tickets:
            await desk.play(ticket, "a", OLDEST)
        key = ShardKeys(last.owner).evicted
        assert await desk.client.call("ZCARD", key) == 2
        month_ms = 30 * 86_400_000
        assert month_ms - 10_000 < await desk.client.call("PTTL", key) <= month_ms
        oldest = lease(tickets[0].session, "a")
        await desk.client.call("ZADD", key, int(time.time() * 1000) - month_ms - 5000, oldest)
        await desk.play(last, "a", OLDEST)
        left = await desk.client.call("ZRANGE", key, 0, -1)
        assert left == [lease(ticket.session, "a").encode() for ticket in tickets[1:]]


class TestConflicts:
    async def test_they_say_what_plays_where(self, desk: Desk) -> None:
        *playing, newcomer = await family(desk, 3, 2)
        before = int(time.time())
        for n, ticket in enumerate(playing):
            await desk.play(ticket, "a", REJECT, resource=f"cam{n}", agent=f"player {n}")
        outcome = await desk.play(newcomer)
        assert isinstance(outcome, Refused)
        found = sorted(outcome.conflicts, key=lambda conflict: str(conflict["id"]))
        for n, conflict in enumerate(found):
            since = conflict.pop("since")
            assert isinstance(since, int)
            assert before - 2 <= since <= time.time()
            assert conflict == {"id": playing[n].session, "resource": f"cam{n}", "device": f"player {n}"}
        assert len(found) == 2

    async def test_another_stream_under_the_same_link_is_the_same_playback(self, desk: Desk) -> None:
        ticket, other = await family(desk, 2, 1)
        for resource in ("cam1", "cam2", "cam3"):
            assert plays(await desk.play(ticket, "a", REJECT, resource=resource))
        outcome = await desk.play(other)
        assert isinstance(outcome, Refused)
        assert [conflict["resource"] for conflict in outcome.conflicts] == ["cam3"]

    async def test_of_very_many_some_are_named(self, desk: Desk) -> None:
        *playing, newcomer = await family(desk, 151, 150)
        for ticket in playing:
            await desk.play(ticket)
        outcome = await desk.play(newcomer)
        assert isinstance(outcome, Refused)
        assert len(outcome.conflicts) == 20

    async def test_a_refusal_changes_nothing(self, desk: Desk) -> None:
        first, second = await family(desk, 2, 1)
        await desk.play(first)
        before = await desk.everything()
        assert not plays(await desk.play(second))
        assert await desk.everything() == before
