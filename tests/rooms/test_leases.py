"""Who is there, and what is due of those who are not."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate.core.reasons import Reason
from gate.core.room import DEFAULT_ROOM_RULES, Room, State
from gate.errors import StoreError
from gate.rooms.desk import Seat
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import SEATS, RoomKeys

APP = "demo"
QUICK = replace(DEFAULT_ROOM_RULES, entry_timeout_s=0.6, entry_pause_s=0.6)


def seat(who: Any, room: str = "r1") -> Seat:
    return Seat(APP, room, who.id, who.session)


@pytest.mark.timed
async def test_who_has_vanished_is_gone_and_who_is_there_is_not(
    gate: Any, make_gate: Any, cast: Any, until: Any
) -> None:
    one, two = [await make_gate(idle_s=1.0) for _ in range(2)]
    ann, bob, cy, dan = (cast.asking(name) for name in ("ann", "bob", "cy", "dan"))
    gus = cast.asking("gus", cast.guest)
    for who in (ann, bob, cy, dan, gus):
        await one.do(cast.come(who))
    await two.desk.find(APP, "r1")
    ears = [one.listen(ann), two.listen(bob)]  # listening is being there
    stopped = two.listen(dan)
    stopped.stop()
    began = time.monotonic()
    while time.monotonic() < began + 3:
        two.desk.see(seat(cy))  # and so is traffic, on any gate
        two.desk.see(replace(seat(dan), session=bob.session))  # but not another's, nor an earlier one's
        await asyncio.sleep(0.05)
    await until(lambda: one.room().people.keys() == two.room().people.keys() == {"ann", "bob", "cy"})
    assert [event.data["reason"] for event in ears[1].told if event.name == "peerClosed"] == ["lapsed"]
    assert ears[0].names == ears[1].names
    assert sorted(ears[0].names) == ["entryWithdrawn", "peerClosed"]


@pytest.mark.timed
async def test_who_is_not_answered_is_told_no_once_and_may_ask_again(
    make_gate: Any, cast: Any, until: Any
) -> None:
    gates = [await make_gate(idle_s=60.0, rules=QUICK) for _ in range(2)]
    await gates[0].rooms.create(Room(APP, "r1", "", 0, 0))
    ann, gus = cast.asking("ann"), cast.asking("gus", cast.guest)
    await gates[0].do(cast.come(ann))
    host = gates[0].listen(ann)
    # Their page is open, which does not let them wait for longer.
    await gates[1].do(cast.come(gus, QUICK))
    guest = gates[1].listen(gus)
    await until(lambda: guest.ended)
    assert guest.ended == [Reason.ENTRY_TIMED_OUT]
    assert [dict(event.data) for event in guest.told] == [
        {"id": "gus", "decision": "denied", "reason": "timed_out"}
    ]
    assert (await gates[1].do(cast.come(gus, QUICK))).answer.reason is Reason.ENTRY_TIMED_OUT
    await until(lambda: "gus" not in gates[1].room().people)
    assert (await gates[1].do(cast.come(gus, QUICK))).answer.state is State.WAITING
    await until(lambda: host.names.count("entryRequested") == 2)
    assert host.names.count("entryResponded") == 1


@pytest.mark.timed
async def test_nobody_is_gone_because_the_store_was_away(
    tmp_path: Path, make_gate: Any, cast: Any, until: Any
) -> None:
    server = EmbeddedValkey(tmp_path / "own")
    await server.start()
    gates = [await make_gate(server.url, idle_s=1.5) for _ in range(2)]
    await gates[0].rooms.create(Room(APP, "r1", "", 0, 0))
    people = [cast.asking(f"p{n}") for n in range(20)]
    for n, who in enumerate(people):
        await gates[n % 2].do(cast.come(who))
        gates[n % 2].listen(who)
    await server.stop()
    await asyncio.sleep(2.5)
    await server.start()
    await asyncio.sleep(3)
    for each in gates:
        room = await each.desk.find(APP, "r1")
        assert room is not None
        assert len(room.people) == 20
        await each.desk.stop()
        await each.control.stop()
    await server.stop()


@pytest.mark.timed
async def test_what_a_gate_had_claimed_when_it_died_happens_all_the_same(
    gate: Any, make_gate: Any, cast: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.store.rooms.CLAIM_MS", 700)
    ann = cast.asking("ann")
    await gate.do(cast.come(ann))
    await gate.client.call("ZADD", SEATS, 1, f"{APP}\nr1\nann")
    assert await gate.rooms.due(10) == [(APP, "r1", "ann")]
    await make_gate(idle_s=1.0)
    await until(lambda: not gate.room().people)


async def test_one_who_came_back_since_it_was_found_due_stays(gate: Any, cast: Any) -> None:
    ann = cast.asking("ann")
    await gate.do(cast.come(ann))
    await gate.client.call("ZADD", SEATS, 1, f"{APP}\nr1\nann")
    assert await gate.rooms.due(10) == [(APP, "r1", "ann")]
    await gate.rooms.renew([(APP, "r1", "ann", 0)], 60_000)
    await gate.desk._lapse(APP, "r1", "ann")
    assert (await gate.desk.find(APP, "r1")).people.keys() == {"ann"}


@pytest.mark.timed
async def test_seats_of_nobody_are_freed_and_damaged_rooms_stop_nobody(
    gate: Any, make_gate: Any, cast: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.store.rooms.CLAIM_MS", 700)
    ann = cast.asking("ann")
    await gate.rooms.create(Room(APP, "bad", "", 0, 0))
    await gate.do(cast.come(ann), "bad")
    await gate.do(cast.come(ann))
    await gate.client.call("HSET", RoomKeys(APP).people("bad"), "ann", "{")
    for room in ("r1\nnobody", "none\nann", "bad\nann", "r1\nann"):
        await gate.client.call("ZADD", SEATS, 1, f"{APP}\n{room}")
    other = await make_gate(idle_s=1.0)
    await until(lambda: not gate.room().people)
    deadline = time.monotonic() + 10
    while await gate.client.call("ZRANGE", SEATS, 0, -1) != [f"{APP}\nbad\nann".encode()]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    with pytest.raises(StoreError, match="cannot be read: bad"):
        await other.desk.find(APP, "bad")


@pytest.mark.timed
async def test_a_command_that_fails_when_it_is_due_stops_no_other(
    gate: Any, make_gate: Any, cast: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other = await make_gate(idle_s=1.0)

    def fail(application: str) -> Any:
        raise LookupError("no such application")

    other.desk._rules = fail
    await gate.do(cast.come(cast.asking("ann")))
    await gate.client.call("ZADD", SEATS, 1, f"{APP}\nr1\nann")
    await until(lambda: "cannot happen: LookupError('no such application')" in caplog.text)
    other.desk._rules = lambda name: DEFAULT_ROOM_RULES


async def test_who_is_seen_before_the_room_is_known_here_is_seen_again(
    gate: Any, make_gate: Any, cast: Any, until: Any
) -> None:
    ann = cast.asking("ann")
    await gate.do(cast.come(ann))
    other = await make_gate()
    assert other.desk._due_ms(seat(ann)) is None
    await until(lambda: other.desk.get(APP, "r1"))
    assert other.desk._due_ms(seat(ann)) == 0
    assert other.desk._due_ms(seat(cast.asking("ann"))) is None
    assert other.desk._due_ms(seat(cast.asking("bob"))) is None
    gus = cast.asking("gus", cast.guest)
    step = await other.do(cast.come(gus))
    assert other.desk._due_ms(seat(gus)) == step.answer.until_ms
    await other.do(cast.say("ann", "gus", False))
    assert other.desk._due_ms(seat(gus)) is None
