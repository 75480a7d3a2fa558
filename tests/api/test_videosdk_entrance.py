"""The way into a room, below REST."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gate.api.videosdk_caller import Caller
from gate.api.videosdk_entrance import enter, foresee, stand, wait_for_answer
from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, RoomRules, State, TrackKind
from gate.core.room_steps import SERVER, close, disable_track, respond
from gate.errors import StoreUnavailable
from gate.store.embedded import EmbeddedValkey
from tests.api.rooms import ASK, JOIN, RoomGate, until

RULES = RoomRules()


@pytest.fixture
async def room(meet: RoomGate) -> str:
    return await meet.make_room()


async def waiting(meet: RoomGate, caller: Caller, room: str) -> Participant:
    person = await enter(meet.desk, caller, room, "", RULES, "c")
    assert isinstance(person, Participant)
    return person


async def test_a_caller_without_a_session_cannot_enter(meet: RoomGate, room: str) -> None:
    text = meet.token()
    caller = meet.bearer(text)
    got = await enter(meet.desk, caller, room, "", RULES, "c")
    assert got == Deny(Reason.SESSION_REQUIRED, "joining opens one")


async def test_standing(meet: RoomGate, room: str) -> None:
    caller = await meet.caller(room, permissions=ASK)
    now_ms = meet.rooms.clock.now_ms
    there = await meet.room(room)
    person = stand(there, caller, now_ms)
    assert isinstance(person, Participant)
    assert person.state is State.WAITING
    closed = stand(close(there, SERVER, now_ms).room, caller, meet.rooms.clock.now_ms)
    assert isinstance(closed, Deny)
    assert closed.reason is Reason.ROOM_CLOSED
    gone = stand(replace(there, people={}), caller, meet.rooms.clock.now_ms)
    assert isinstance(gone, Deny)
    assert gone.reason is Reason.NOT_JOINED


class TestForeseeing:
    async def test_only_what_is_sure(self, meet: RoomGate, room: str) -> None:
        text = meet.token(participant="ann")
        _, token = meet.read(text)
        caller = meet.bearer(text)
        there = await meet.room(room)
        now_ms = meet.rooms.clock.now_ms
        assert foresee(there, caller, token, RULES, "c", now_ms) is None
        why = foresee(replace(there, disabled=True), caller, token, RULES, "c", now_ms)
        assert why is not None
        assert why.reason is Reason.ROOM_DISABLED
        # A clock that is behind the store's refuses nobody, nor does one that is ahead.
        closed = replace(there, closed_ms=now_ms + 60_000)
        assert foresee(closed, caller, token, RULES, "c", now_ms) is None
        await meet.join(room, text)
        there = await meet.room(room)
        assert foresee(there, caller, token, RULES, "c", now_ms - 60_000) is None


class TestWaiting:
    async def test_what_was_answered_before_is_seen_at_once(self, meet: RoomGate, room: str) -> None:
        host, guest = await meet.caller(room), await meet.caller(room, permissions=ASK)
        person = await waiting(meet, guest, room)
        assert host.participant is not None
        await meet.desk.do(
            "meet",
            room,
            lambda was, now_ms: respond(was, str(host.participant), person.id, True, RULES, now_ms),
        )
        got = await wait_for_answer(meet.desk, guest, room, person, 20)
        assert isinstance(got, Participant)
        assert got.state is State.JOINED
        assert not meet.listening

    async def test_other_events_answer_nothing(self, meet: RoomGate, room: str) -> None:
        await meet.caller(room, participant="ann")
        guest = await meet.caller(room, permissions=ASK)
        asked = asyncio.create_task(
            wait_for_answer(meet.desk, guest, room, await waiting(meet, guest, room), 20)
        )
        await until(lambda: meet.listening)
        step = await meet.desk.do(
            "meet", room, lambda was, now_ms: disable_track(was, SERVER, "ann", TrackKind.MIC, now_ms)
        )
        assert step is not None
        assert step.events
        await asyncio.sleep(0.05)
        assert not asked.done()
        asked.cancel()
        await asyncio.wait([asked])
        assert not meet.listening

    async def test_a_room_that_is_no_more(self, meet: RoomGate, room: str) -> None:
        guest = await meet.caller(room, permissions=ASK)
        person = await waiting(meet, guest, room)
        await meet.client.call("FLUSHALL")
        meet.desk.miss()
        assert await wait_for_answer(meet.desk, guest, room, person, 20) == Deny(Reason.ROOM_UNKNOWN)

    async def test_a_store_that_goes_away(self, own_store: EmbeddedValkey) -> None:
        async with RoomGate(own_store.url, timeout_s=0.2) as meet:
            room = await meet.make_room()
            guest = await meet.caller(room, permissions=ASK)
            person = await waiting(meet, guest, room)
            await own_store.stop()
            # They wait in the room as it was known last.
            stands = await wait_for_answer(meet.desk, guest, room, person, 0.3)
            assert stands == person
            assert not meet.listening
            with pytest.raises(StoreUnavailable):
                await wait_for_answer(meet.desk, guest, "another", person, 20)
            assert not meet.listening

    async def test_in_already(self, meet: RoomGate, room: str) -> None:
        caller = await meet.caller(room, permissions=JOIN)
        person = await waiting(meet, caller, room)
        got = await wait_for_answer(meet.desk, caller, room, person, 20)
        assert got == person


async def test_what_a_session_is_not_for(meet: RoomGate, room: str) -> None:
    caller = await meet.caller(room, room=room)
    other = await enter(meet.desk, caller, "other", "", RULES, "c")
    assert other == Deny(Reason.ROOM_NOT_GRANTED)
    await meet.client.call("FLUSHALL")
    meet.desk.miss()
    assert await enter(meet.desk, caller, room, "", RULES, "c") == Deny(Reason.ROOM_UNKNOWN)
