"""Two desks on one store: commands that happen once, copies that agree, and those who are told."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate.core.reasons import Deny, Reason
from gate.core.room import DEFAULT_ROOM_RULES, Room, State, TrackKind
from gate.core.room_steps import (
    SERVER,
    Step,
    answer_request,
    close,
    disable_all,
    disable_track,
    enable_track,
    remove,
)
from gate.errors import StoreError, StoreUnavailable
from gate.rooms import copies
from gate.rooms.desk import Seat
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import FEED, RoomKeys
from gate.store.rooms import News, Rooms

APP = "demo"


async def same(until: Any, *gates: Any) -> Room:
    """The copies have come to be what the store has."""
    room, _ = await gates[0].rooms.read(APP, "r1")
    await until(lambda: all(gate.desk.get(APP, "r1") == room for gate in gates))
    assert room is not None
    return room


class TestCopies:
    async def test_a_room_is_found_and_then_known(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        assert gate.desk.get(APP, "r1") is None
        found = await gate.desk.find(APP, "r1")
        assert found is not None
        assert gate.desk.get(APP, "r1") is found
        ann = cast.asking("ann")
        step = await gate.do(cast.come(ann))
        assert gate.room() == step.room
        assert await same(until, gate, other) == step.room

    async def test_where_there_is_none(self, gate: Any, cast: Any) -> None:
        assert await gate.desk.find(APP, "none") is None
        assert gate.desk.get(APP, "none") is None
        assert await gate.desk.do(APP, "none", cast.come(cast.asking("ann"))) is None
        ear = gate.listen(cast.asking("ann"), "none")
        await gate.desk.find(APP, "none")
        assert ear.ended == [Reason.ROOM_UNKNOWN]
        assert len(gate.desk._copies) == 0

    async def test_many_who_ask_at_once_read_once(self, gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        read, count = Rooms.read, 0

        async def counted(self: Rooms, application: str, room: str) -> tuple[Room | None, int]:
            nonlocal count
            count += 1
            return await read(self, application, room)

        monkeypatch.setattr(Rooms, "read", counted)
        rooms = await asyncio.gather(*(gate.desk.find(APP, "r1") for _ in range(50)))
        assert count == 1
        assert all(room is rooms[0] for room in rooms)

    async def test_news_while_it_is_read_are_not_lost(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        """The reading answers with what was, and the news of what is comes before it."""
        for n in range(20):
            gate.desk._copies._copies.clear()
            who = cast.asking(f"p{n}")
            await asyncio.gather(other.do(cast.come(who)), gate.desk.find(APP, "r1"))
            await same(until, gate, other)

    async def test_a_gap_is_mended_and_told(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        ann, bob = cast.asking("ann"), cast.asking("bob", cast.guest)
        await gate.do(cast.come(ann))
        await gate.do(cast.come(bob))
        await same(until, gate, other)
        ears = [other.listen(ann), other.listen(bob)]
        other.deaf = True
        await gate.do(cast.say("ann", "bob", True))
        await gate.do(lambda room, now: disable_track(room, "ann", "bob", TrackKind.MIC, now))
        heard = len(await gate.client.call("XRANGE", FEED, "-", "+"))
        await asyncio.sleep(0.05)
        assert heard >= 4
        assert not ears[1].told
        other.deaf = False
        await gate.do(cast.come(cast.asking("cy")))
        await same(until, gate, other)
        assert ears[1].names == [
            *("entryResponded", "disableMic", "participantMediaStateChanged", "newPeer"),
        ]
        assert ears[0].names.count("entryResponded") == 1
        assert other.changed

    async def test_what_cannot_be_read_is_read_anew(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        await gate.do(cast.come(cast.asking("ann")))
        await same(until, gate, other)
        # A later gate has changed it in a way of its own, and tells so.
        key = RoomKeys(APP).header("r1")
        await gate.client.call("HSET", key, "sequence", 2, "settings", "{7}")
        await gate.client.call("XADD", FEED, "*", "room", "r1", "application", APP, "sequence", "x")
        await until(lambda: other.desk.get(APP, "r1") and other.room().settings == "{7}")
        assert gate.room().settings == "{7}"

    async def test_what_was_missed_is_read(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        other.deaf = True
        await gate.do(cast.come(cast.asking("ann")))
        await asyncio.sleep(0.02)
        assert other.room().sequence == 0
        other.desk.miss()
        await same(until, gate, other)

    async def test_a_store_that_has_gone_back(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        """A replica that became the primary may lack the last steps: what it has is what is."""
        await gate.do(cast.come(cast.asking("ann")))
        old = await gate.client.call("HGET", RoomKeys(APP).people("r1"), "ann")
        await gate.do(cast.come(cast.asking("bob")))
        await same(until, gate, other)
        await gate.client.call("DEL", RoomKeys(APP).people("r1"))
        await gate.client.call("HSET", RoomKeys(APP).people("r1"), "ann", old)
        await gate.client.call("HSET", RoomKeys(APP).header("r1"), "sequence", 1)
        for each in (gate, other):
            each.desk.miss()
        assert (await same(until, gate, other)).people.keys() == {"ann"}
        await gate.do(cast.come(cast.asking("cy")))
        assert (await same(until, gate, other)).people.keys() == {"ann", "cy"}

    async def test_those_that_nobody_uses_are_dropped(
        self, gate: Any, cast: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(2, 9):
            await gate.rooms.create(Room(APP, f"r{n}", "", 0, 0))
        ann = cast.asking("ann")
        await gate.do(cast.come(ann), "r2")
        ear = gate.listen(ann, "r2")
        for n in range(1, 9):
            await gate.desk.find(APP, f"r{n}")
        gate.desk._copies.sweep()
        assert len(gate.desk._copies) == 8
        monkeypatch.setattr(copies, "UNUSED_S", -1.0)
        gate.desk._copies.sweep()
        assert [copy.key for copy in gate.desk._copies] == [(APP, "r2")]
        ear.stop()
        gate.desk._copies.sweep()
        assert len(gate.desk._copies) == 0
        assert await gate.desk.find(APP, "r1")

    async def test_a_damaged_room_is_nobody_elses_trouble(
        self, gate: Any, other: Any, cast: Any, until: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        await gate.rooms.create(Room(APP, "bad", "", 0, 0))
        await gate.desk.find(APP, "r1")
        ann = cast.asking("ann")
        await gate.do(cast.come(ann), "bad")
        await gate.client.call("HSET", RoomKeys(APP).people("bad"), "ann", "{")
        for _ in range(3):
            with pytest.raises(StoreError, match="cannot be read: bad"):
                await other.desk.find(APP, "bad")
            with pytest.raises(StoreError, match="cannot be read: bad"):
                await other.desk.do(APP, "bad", cast.go(ann))
        assert other.desk.get(APP, "bad") is None
        assert caplog.text.count("cannot be read: bad") == 1
        gate.desk.miss()
        await until(lambda: gate.desk.get(APP, "bad") is None)
        await other.do(cast.come(ann))
        await same(until, gate, other)


class TestCommands:
    async def test_each_happens_once_and_its_caller_has_its_own_answer(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        people = [cast.asking(f"p{n}") for n in range(200)]
        steps = await asyncio.gather(*([gate, other][n % 2].do(cast.come(who)) for n, who in enumerate(people)))
        assert [step.answer.id for step in steps] == [who.id for who in people]
        room = await same(until, gate, other)
        assert room.people.keys() == {who.id for who in people}
        # They were written by the dozen, not one by one.
        assert room.sequence == gate.client.calls + other.client.calls - _stale(gate, other, room)
        assert room.sequence < 60

    async def test_what_changes_nothing_is_not_written(self, gate: Any, cast: Any) -> None:
        ann = cast.asking("ann")
        await gate.do(cast.come(ann))
        assert (await gate.do(cast.come(ann))).answer.id == "ann"
        refused = await gate.do(cast.say("ann", "nobody", True))
        assert isinstance(refused.answer, Deny)
        assert gate.room().sequence == 1
        assert gate.client.calls == 1

    async def test_of_two_who_answer_one_is_told_that_it_was_answered(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        for name in ("ann", "bob"):
            await gate.do(cast.come(cast.asking(name)))
        for n in range(20):
            await gate.do(cast.come(cast.asking(f"g{n}", cast.guest)))
            steps = await asyncio.gather(
                gate.do(cast.say("ann", f"g{n}", True)), other.do(cast.say("bob", f"g{n}", False))
            )
            refused = [step for step in steps if isinstance(step.answer, Deny)]
            assert [step.answer.reason for step in refused] == [Reason.NOT_WAITING]
        await same(until, gate, other)

    async def test_a_stale_copy_is_brought_up_to_date(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        other.deaf = True
        await gate.do(cast.come(cast.asking("ann")))
        step = await other.do(cast.come(cast.asking("bob")))
        assert step.room.people.keys() == {"ann", "bob"}
        await same(until, gate, other)

    async def test_nobody_is_refused_because_a_copy_is_behind(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        for n in range(20):
            other.deaf = n % 2 == 0
            who = cast.asking(f"p{n}")
            await gate.do(cast.come(who))
            step = await other.do(cast.go(who))
            assert not isinstance(step.answer, Deny)
        assert not (await gate.desk.find(APP, "r1")).people

    async def test_one_that_never_gets_its_turn_is_told_so(
        self, gate: Any, cast: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def stale(*args: Any, **options: Any) -> bool:
            return False

        monkeypatch.setattr("gate.rooms.desk._NEWS_S", 0.001)
        monkeypatch.setattr(gate.rooms, "write", stale)
        with pytest.raises(StoreUnavailable, match="too many at once") as caught:
            await gate.do(cast.come(cast.asking("ann")))
        assert caught.value.answered

    async def test_a_lost_answer_is_asked_for_again(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        gate.client.lose = 1
        await gate.do(cast.come(cast.asking("ann")))
        assert (await same(until, gate, other)).sequence == 1
        gate.client.lose = 2
        with pytest.raises(StoreUnavailable):
            await gate.do(cast.come(cast.asking("bob")))
        # It has happened all the same, and this gate comes to know it.
        room = await same(until, gate, other)
        assert room.people.keys() == {"ann", "bob"}

    async def test_a_caller_who_does_not_wait_takes_nothing_back(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        ann, bob = cast.asking("ann"), cast.asking("bob")
        await gate.do(cast.come(ann))
        gate.client.open_ = asyncio.Event()
        tasks = [asyncio.ensure_future(gate.do(act)) for act in (cast.go(ann), cast.come(bob))]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        gate.client.open_.set()
        await until(lambda: gate.room().people.keys() == {"bob"})
        await same(until, gate, other)

    async def test_one_that_fails_fails_alone(self, gate: Any, cast: Any) -> None:
        def fail(room: Room, now_ms: int) -> Step:
            raise LookupError("no such thing")

        await gate.desk.find(APP, "r1")
        answers = await asyncio.gather(
            gate.do(cast.come(cast.asking("ann"))),
            gate.do(fail),
            gate.do(cast.come(cast.asking("bob"))),
            return_exceptions=True,
        )
        assert isinstance(answers[1], LookupError)
        assert gate.room().people.keys() == {"ann", "bob"}

    async def test_an_ended_meeting_and_the_next_one_are_two(self, gate: Any, cast: Any) -> None:
        ann, bob = cast.asking("ann"), cast.asking("bob")
        await gate.desk.find(APP, "r1")
        await asyncio.gather(*(gate.do(act) for act in (cast.come(ann), cast.go(ann), cast.come(bob))))
        found, total = await gate.rooms.meetings(APP, 0, 10)
        assert [each.ended_ms is None for each in found] == [True, False]
        assert total == 2

    async def test_all_that_were_given_are_written_before_it_stops(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        tasks = [asyncio.ensure_future(gate.do(cast.come(cast.asking(f"p{n}")))) for n in range(30)]
        await asyncio.sleep(0)
        await gate.desk.stop()
        assert all(task.done() and not task.exception() for task in tasks)
        with pytest.raises(StoreUnavailable, match="ending"):
            await gate.do(cast.come(cast.asking("late")))
        await until(lambda: len(other.room().people) == 30)


def _stale(gate: Any, other: Any, room: Room) -> int:
    """Writes that came second."""
    return int(gate.client.calls + other.client.calls - room.sequence)


class TestListeners:
    async def test_who_is_told_what(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        """A host here, a guest there, a peer there: each hears what is theirs, once."""
        ann, bob, gus = cast.asking("ann"), cast.asking("bob"), cast.asking("gus", cast.guest)
        await gate.do(cast.come(ann))
        host = gate.listen(ann)
        await other.do(cast.come(bob))
        peer = other.listen(bob)
        await other.do(cast.come(gus))
        guest = other.listen(gus)
        await until(lambda: host.names == ["newPeer", "entryRequested"])
        assert peer.names == ["entryRequested"]
        assert guest.names == []
        await gate.do(cast.say("ann", "gus", True))
        await same(until, gate, other)
        assert host.names == ["newPeer", "entryRequested", "entryResponded", "newPeer"]
        assert peer.names == ["entryRequested", "entryResponded", "newPeer"]
        assert guest.names == ["entryResponded"]
        assert guest.told[0].data == {"id": "gus", "decision": "allowed"}
        await other.do(lambda room, now: disable_track(room, "bob", "gus", TrackKind.MIC, now))
        await other.do(
            lambda room, now: enable_track(room, "bob", "gus", TrackKind.MIC, DEFAULT_ROOM_RULES, now)
        )
        await other.do(lambda room, now: answer_request(room, "gus", TrackKind.MIC, True, now))
        await same(until, gate, other)
        state = "participantMediaStateChanged"
        assert guest.names[1:] == ["disableMic", state, "micRequested", state]
        assert host.names[4:] == [state, state]
        assert peer.names[3:] == [state, "micResponded", state]
        await gate.do(lambda room, now: remove(room, "ann", "gus", now))
        await same(until, gate, other)
        assert guest.ended == [Reason.REMOVED_FROM_ROOM]
        assert guest.names[5:] == []
        assert host.names[-1] == peer.names[-1] == "peerClosed"
        assert not host.ended
        assert not peer.ended

    async def test_one_who_is_told_no_hears_it_and_then_no_more(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        await gate.do(cast.come(cast.asking("ann")))
        gus = cast.asking("gus", cast.guest)
        await other.do(cast.come(gus))
        guest = other.listen(gus)
        await gate.do(cast.say("ann", "gus", False))
        await until(lambda: guest.ended)
        assert guest.ended == [Reason.ENTRY_DENIED]
        assert [event.data["decision"] for event in guest.told] == ["denied"]

    async def test_the_earlier_of_two_sessions_is_ended(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        old, new = cast.asking("ann"), cast.asking("ann")
        while new.session[2:] < old.session[2:]:
            new = cast.asking("ann")
        await gate.do(cast.come(old))
        first = gate.listen(old)
        await same(until, gate, other)
        await other.do(cast.come(new))
        second = other.listen(new)
        await until(lambda: first.ended == [Reason.DUPLICATE_PARTICIPANT])
        await until(lambda: gate.changed)
        await other.do(cast.come(cast.asking("bob")))
        await same(until, gate, other)
        assert (first.told, second.names, second.ended) == ([], ["newPeer"], [])

    async def test_all_are_ended_with_the_room(self, gate: Any, other: Any, cast: Any, until: Any) -> None:
        people = [cast.asking("ann"), cast.asking("bob"), cast.asking("gus", cast.guest)]
        for who in people:
            await gate.do(cast.come(who))
        await same(until, gate, other)
        ears = [each.listen(who) for each in (gate, other) for who in people]
        await gate.do(lambda room, now: close(room, "ann", now + 10_000))
        await until(lambda: all(ear.ended for ear in ears))
        assert [ear.ended for ear in ears] == [[Reason.ROOM_CLOSED]] * 6
        await gate.do(lambda room, now: close(room, SERVER, now + 10_000, disable=True))
        ear = gate.listen(people[0])
        await until(lambda: ear.ended == [Reason.ROOM_DISABLED])

    async def test_who_stops_to_listen_is_told_nothing(self, gate: Any, cast: Any, until: Any) -> None:
        ann = cast.asking("ann")
        await gate.do(cast.come(ann))
        ears = [gate.listen(ann), gate.listen(ann)]
        ears[0].stop()
        ears[0].stop()
        await gate.do(cast.come(cast.asking("bob")))
        assert [ear.names for ear in ears] == [[], ["newPeer"]]
        await gate.do(cast.go(ann))
        assert [ear.ended for ear in ears] == [[], [Reason.NOT_JOINED]]

    async def test_one_who_has_not_joined_is_told_so(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        ear = other.listen(cast.asking("ann"))
        assert not ear.ended  # its caller cannot yet stop it
        await until(lambda: ear.ended == [Reason.NOT_JOINED])
        unknown = gate.listen(cast.asking("ann"))  # by a gate that does not know the room
        await until(lambda: unknown.ended == [Reason.NOT_JOINED])
        with pytest.raises(ValueError, match="session id"):
            gate.listen(cast.asking("ann", session="x"))

    async def test_a_thousand_are_told_with_the_same_event(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        people = [cast.asking(f"p{n}") for n in range(1000)]
        rules = replace(DEFAULT_ROOM_RULES, most_people=1001)
        await asyncio.gather(*(gate.do(cast.come(who, rules)) for who in people))
        await same(until, gate, other)
        ears = [other.listen(who) for who in people]
        await gate.do(cast.come(cast.asking("late"), rules))
        await until(lambda: all(ear.told for ear in ears))
        assert len({id(ear.told[0]) for ear in ears}) == 1
        assert [ear.names for ear in ears] == [["newPeer"]] * 1000
        await gate.do(lambda room, now: close(room, SERVER, now + 10_000))
        await until(lambda: all(ear.ended for ear in ears))

    async def test_changed_is_said_of_what_takes_something_away(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        ann, bob, gus = cast.asking("ann"), cast.asking("bob"), cast.asking("gus", cast.guest)
        for who in (ann, bob, gus):
            await gate.do(cast.come(who))
        await gate.do(cast.say("ann", "gus", False))
        await gate.do(
            lambda room, now: enable_track(room, "ann", "bob", TrackKind.MIC, DEFAULT_ROOM_RULES, now)
        )
        await same(until, gate, other)
        assert (gate.changed, other.changed) == ([], [])
        for count, act in enumerate(
            (
                lambda room, now: disable_all(room, "ann", TrackKind.WEBCAM, now),
                cast.go(bob),
                lambda room, now: close(room, SERVER, now),
            ),
            1,
        ):
            await gate.do(act)
            await same(until, gate, other)
            assert len(gate.changed) == len(other.changed) == count
            assert gate.changed[-1] == gate.room()

    async def test_changed_is_said_of_a_copy_that_was_read_anew(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        ann = cast.asking("ann")
        await gate.do(cast.come(ann))
        await gate.do(cast.come(cast.asking("bob")))
        await other.desk.find(APP, "r1")
        await gate.do(lambda room, now: disable_all(room, "bob", TrackKind.MIC, now))
        await same(until, gate, other)
        assert len(other.changed) == 1
        other.client.open_ = asyncio.Event()
        other.desk.miss()
        # Whoever asks now is told nothing of the mute, which is in the copy already.
        assert other.desk.get(APP, "r1") is None
        other.client.open_.set()
        await same(until, gate, other)
        assert [room.sequence for room in other.changed] == [gate.room().sequence] * 2


class TestCrowds:
    async def test_fifty_knock_on_two_gates_and_two_answer_them_all(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        hosts = [(gate, cast.asking("ann")), (other, cast.asking("bob"))]
        for where, who in hosts:
            await where.do(cast.come(who))
        guests = [cast.asking(f"g{n}", cast.guest) for n in range(50)]
        gates = [gate, other]
        await asyncio.gather(*(gates[n % 2].do(cast.come(who)) for n, who in enumerate(guests)))
        ears = [gates[n % 2].listen(who) for n, who in enumerate(guests)]
        told = [where.listen(who) for where, who in hosts]
        answers = await asyncio.gather(
            *(
                where.do(cast.say(host.id, guest.id, (n + at) % 3 > 0))
                for at, (where, host) in enumerate(hosts)
                for n, guest in enumerate(guests)
            )
        )
        room = await same(until, gate, other)
        refused = [step.answer for step in answers if isinstance(step.answer, Deny)]
        assert [refusal.reason for refusal in refused] == [Reason.NOT_WAITING] * 50
        for guest, ear in zip(guests, ears, strict=True):
            decisions = [event.data["decision"] for event in ear.told if event.name == "entryResponded"]
            allowed = room.people[guest.id].state is State.JOINED
            assert decisions == ["allowed" if allowed else "denied"]
            assert ear.ended == ([] if allowed else [Reason.ENTRY_DENIED])
        for ear in told:
            assert ear.names.count("entryResponded") == 50

    async def test_a_guest_who_leaves_while_being_admitted(
        self, gate: Any, other: Any, cast: Any, until: Any
    ) -> None:
        await gate.do(cast.come(cast.asking("ann")))
        for n in range(30):
            gus = cast.asking(f"g{n}", cast.guest)
            await other.do(cast.come(gus))
            await same(until, gate, other)
            left, said = await asyncio.gather(other.do(cast.go(gus)), gate.do(cast.say("ann", gus.id, True)))
            room = await same(until, gate, other)
            assert gus.id not in room.people
            assert not isinstance(left.answer, Deny)
            assert isinstance(said.answer, Deny) == (left.answer.state is State.WAITING)


class TestOutages:
    async def test_a_restart_of_a_desk_loses_nothing(
        self, gate: Any, make_gate: Any, cast: Any, until: Any
    ) -> None:
        ann, gus = cast.asking("ann"), cast.asking("gus", cast.guest)
        await gate.do(cast.come(ann))
        await gate.do(cast.come(gus))
        before = gate.room()
        await gate.desk.stop()
        again = await make_gate()
        assert await again.desk.find(APP, "r1") == before
        ear = again.listen(gus)
        await again.do(cast.say("ann", "gus", True))
        assert ear.names == ["entryResponded"]

    async def test_the_store_is_away_and_back(
        self, tmp_path: Path, make_gate: Any, cast: Any, until: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "gate.rooms")
        server = EmbeddedValkey(tmp_path / "own")
        await server.start()
        gate, other = await make_gate(server.url), await make_gate(server.url)
        for name in ("r1", "r2"):
            await gate.rooms.create(Room(APP, name, "", 0, 0))
        ann, bob = cast.asking("ann"), cast.asking("bob")
        await gate.do(cast.come(ann))
        await other.desk.find(APP, "r1")
        await same(until, gate, other)
        ear = other.listen(ann)
        before = gate.room()
        await server.stop()
        with pytest.raises(StoreUnavailable):
            await gate.desk.find(APP, "r2")
        with pytest.raises(StoreUnavailable):
            await gate.do(cast.come(bob))
        for each in (gate, other):
            each.desk.miss()
            assert await each.desk.find(APP, "r1") == before
            assert each.desk.get(APP, "r1") == before
            with pytest.raises(StoreUnavailable):
                await each.do(cast.come(bob), "r2")
        await asyncio.sleep(1.2)
        assert not ear.ended
        await server.start()
        for each in (gate, other):
            each.client.breaker.succeeded()
        await until(lambda: all(copy.current for each in (gate, other) for copy in each.desk._copies))
        await gate.do(cast.come(bob))
        await until(lambda: ear.names == ["newPeer"])
        assert await same(until, gate, other)
        await until(lambda: caplog.text.count("is kept up to date again") == 2)
        assert caplog.text.count("cannot be kept up to date: ") == 2
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
        for each in (gate, other):
            await each.desk.stop()
            await each.control.stop()
        await server.stop()


async def test_news_of_a_room_that_nobody_knows_here(gate: Any) -> None:
    gate.desk.hear(News(APP, "elsewhere", 1))
    assert gate.desk.get(APP, "elsewhere") is None
    gate.desk.see(Seat(APP, "elsewhere", "ann", "x"))
