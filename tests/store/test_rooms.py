"""Rooms on a real store: steps that are written once or not at all, their news, seats, meetings, and damage."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room, TrackKind
from gate.core.room_steps import (
    SERVER,
    Asking,
    Entry,
    Happened,
    Step,
    close,
    disable_track,
    enable_track,
    join,
    leave,
    pass_time,
    remove,
    respond,
)
from gate.core.session import session_id
from gate.errors import StoreError, StoreFull, StoreUnavailable
from gate.store import rooms as module
from gate.store.client import Client
from gate.store.control import Control
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import DUES, FEED, SEATS, RoomKeys
from gate.store.rooms import News, Rooms

APP = "demo"
IDLE_MS = 60_000
KEYS = RoomKeys(APP)
HOST = frozenset({Permission.ALLOW_JOIN, Permission.ALLOW_MOD})
GUEST = frozenset({Permission.ASK_JOIN})


class Store(Client):
    """A client that can lose answers: the script has run, and nobody hears of it."""

    lose = 0

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        answer = await super().script(name, keys, args)
        if self.lose:
            self.lose -= 1
            raise StoreUnavailable("the answer is lost")
        return answer


class Gate:
    """One gate's rooms, with a client of its own."""

    def __init__(self, url: str) -> None:
        self.client = Store(url, timeout_s=5)
        self.rooms = Rooms(self.client)

    async def make(self, name: str = "r1", **facts: Any) -> Room:
        return await self.rooms.create(Room(APP, name, facts.pop("custom_id", ""), 0, 0, **facts))

    async def whole(self, name: str = "r1") -> Room:
        room, _ = await self.rooms.read(APP, name)
        assert room is not None
        return room

    async def now_ms(self) -> int:
        return (await self.rooms.read(APP, "none"))[1]

    async def take(self, command: Callable[[Room, int], Step], name: str = "r1") -> Step:
        """The command has happened."""
        room, now_ms = await self.rooms.read(APP, name)
        assert room is not None
        step = command(room, now_ms)
        assert await self.rooms.write(room, step, secrets.token_hex(8), idle_ms=IDLE_MS)
        return step

    async def seats(self) -> dict[str, float]:
        """What is due of each participant of r1, and in how many ms."""
        now_ms, due = await self.now_ms(), dict[str, float]()
        for key in (SEATS, DUES):
            for member in await self.client.call("ZRANGE", key, 0, -1):
                at = await self.client.call("ZSCORE", key, member)
                name = member.decode().split("\n")[2]
                due[name] = min(due.get(name, 1e9), float(at) - now_ms)
        return due

    async def told(self) -> list[dict[str, str]]:
        """What all gates have been told."""
        entries = await self.client.call("EVAL", "return redis.call('XRANGE', KEYS[1], '-', '+')", 1, FEED)
        return [
            {name.decode(): text.decode() for name, text in zip(flat[::2], flat[1::2], strict=True)}
            for _, flat in entries
        ]


@pytest_asyncio.fixture
async def make_gate(store_url: str) -> AsyncIterator[Callable[[], Gate]]:
    async with AsyncExitStack() as stack:

        def make() -> Gate:
            gate = Gate(store_url)
            stack.push_async_callback(gate.client.close)
            return gate

        yield make


@pytest.fixture
def gate(make_gate: Callable[[], Gate]) -> Gate:
    return make_gate()


@pytest.fixture
def other(make_gate: Callable[[], Gate]) -> Gate:
    return make_gate()


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        await asyncio.sleep(0.005)


def asking(name: str, /, permissions: frozenset[Permission] = HOST, **fields: Any) -> Asking:
    now_ms = round(time.time() * 1000) + 1000
    made = Asking(name, name.title(), session_id("owner", now_ms, bytes(8)), "owner", "t", name, permissions)
    return replace(made, **fields)


def come(name: str, /, permissions: frozenset[Permission] = HOST, **fields: Any) -> Callable[[Room, int], Step]:
    who = asking(name, permissions, **fields)
    return lambda room, now_ms: join(room, who, DEFAULT_ROOM_RULES, now_ms)


def go(name: str) -> Callable[[Room, int], Step]:
    return lambda room, now_ms: leave(room, name, room.people[name].session, now_ms)


def say(actor: str, name: str, decision: bool) -> Callable[[Room, int], Step]:
    return lambda room, now_ms: respond(room, actor, name, decision, DEFAULT_ROOM_RULES, now_ms)


class TestCreate:
    @pytest.mark.parametrize(
        "facts",
        [
            {},
            {"custom_id": "my lobby: é \ud800 \U0001f600 \"'\\\n"},
            {"allowed": frozenset({"a", "é\ud800", '"'}), "settings": '{"a":"\\u0000 é"}', "disabled": True},
        ],
    )
    async def test_every_gate_has_it_as_it_was_given(
        self, gate: Gate, other: Gate, facts: dict[str, Any]
    ) -> None:
        made = await gate.make("rööm-1", **facts)
        assert abs(made.made_ms - time.time() * 1000) < 5000
        assert made == replace(
            Room(APP, "rööm-1", facts.get("custom_id", ""), made.made_ms, made.made_ms),
            **{name: value for name, value in facts.items() if name != "custom_id"},
        )
        assert await other.whole("rööm-1") == made
        assert (await other.rooms.page(APP, 0, 10)) == ([made], 1)
        assert await other.rooms.find(APP, "rööm-1") == "rööm-1"

    async def test_a_custom_id_is_of_one_room(self, gate: Gate, other: Gate) -> None:
        first = await gate.make("r1", custom_id="lobby")
        assert await other.make("r2", custom_id="lobby") == first
        assert await other.whole("r1") == first
        assert (await other.rooms.read(APP, "r2"))[0] is None
        assert await other.rooms.find(APP, "lobby") == "r1"
        assert await other.rooms.find(APP, "nobody") is None
        assert await other.rooms.find(APP, "") is None
        assert await other.rooms.find("another", "lobby") is None

    async def test_of_a_crowd_one_makes_it(self, make_gate: Callable[[], Gate]) -> None:
        gates = [make_gate() for _ in range(4)]
        made = await asyncio.gather(*(gates[n % 4].make(f"r{n}", custom_id="lobby") for n in range(60)))
        assert len({room.id for room in made}) == 1

    async def test_a_lost_answer_is_asked_for_again(self, gate: Gate) -> None:
        for facts in ({}, {"custom_id": "lobby"}):
            gate.client.lose = 1
            name = f"r{len(facts)}"
            assert await gate.make(name, **facts) == await gate.whole(name)

    async def test_an_id_that_is_taken_or_cannot_be(self, gate: Gate) -> None:
        await gate.make("r1")
        for name in ("r1", "", "a b", "a\nb", "x" * 129, "\ud800"):
            with pytest.raises(ValueError, match="id"):
                await gate.make(name)
        for name in ("", "a b", "\ud800", "x" * 129):
            assert (await gate.rooms.read(APP, name))[0] is None
            assert await gate.rooms.find(APP, name) is None
            assert await gate.rooms.meetings(APP, 0, 1, room=name) == ([], 0)

    async def test_there_is_a_most_of_them(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_ROOMS", 2)
        await gate.make("r1", custom_id="lobby")
        await gate.make("r2")
        with pytest.raises(StoreFull, match="there are 2 rooms of demo"):
            await gate.make("r3")
        assert (await gate.make("r3", custom_id="lobby")).id == "r1"

    async def test_pages_are_youngest_first(self, gate: Gate) -> None:
        for n in range(5):
            await gate.make(f"r{n}")
            await asyncio.sleep(0.002)
        for first, count, expected in ((0, 2, "r4 r3"), (2, 2, "r2 r1"), (4, 9, "r0"), (9, 9, ""), (0, 0, "")):
            found, total = await gate.rooms.page(APP, first, count)
            assert ([room.id for room in found], total) == (expected.split(), 5)
        assert await gate.rooms.page("another", 0, 5) == ([], 0)


class TestWrite:
    async def test_whoever_reads_has_what_was_written(self, gate: Gate, other: Gate) -> None:
        await gate.make(settings='{"a":[]}', allowed=frozenset({"ann", "bob", "é\ud800"}))
        await gate.take(come("ann"))
        await other.take(come("bob", GUEST, name='B"\\\n\ud800é\U0001f600'))
        await gate.take(say("ann", "bob", True))
        await gate.take(come("é\ud800"))
        await other.take(lambda room, now: disable_track(room, "ann", "bob", TrackKind.MIC, now))
        await other.take(
            lambda room, now: enable_track(room, "ann", "bob", TrackKind.MIC, DEFAULT_ROOM_RULES, now)
        )
        step = await other.take(go("é\ud800"))
        held = await gate.whole()
        assert held == step.room
        assert held.sequence == 7
        assert held.people["bob"].asked == {TrackKind.MIC: "ann"}
        assert await other.whole() == held

    async def test_only_who_knows_it_as_it_is_writes(self, gate: Gate, other: Gate) -> None:
        room = await gate.make()
        mine, theirs = come("ann")(room, 1), come("bob")(room, 1)
        assert await gate.rooms.write(room, mine, "a")
        before = await gate.told(), await gate.seats()
        assert not await other.rooms.write(room, theirs, "b")
        assert await other.whole() == mine.room
        assert (await gate.told())[0] == before[0][0]
        assert (await gate.seats()).keys() == {"ann"}
        # What is nobody's room is not made by a step.
        assert not await gate.rooms.write(Room(APP, "r2", "", 0, 0), mine, "c")
        assert await gate.client.call("EXISTS", KEYS.header("r2"), KEYS.people("r2")) == 0

    async def test_the_same_request_is_one_wish(self, gate: Gate, other: Gate) -> None:
        room = await gate.make()
        step = come("ann")(room, 1)
        assert await gate.rooms.write(room, step, "one")
        assert await other.rooms.write(room, step, "one")
        await gate.take(go("ann"))
        assert await other.rooms.write(room, step, "one")
        assert (await gate.whole()).people == {}
        assert len(await gate.told()) == 2

    async def test_a_lost_answer_is_asked_for_again(self, gate: Gate) -> None:
        room = await gate.make()
        gate.client.lose = 1
        assert await gate.rooms.write(room, come("ann")(room, 1), "one")
        assert (await gate.whole()).sequence == 1
        gate.client.lose = 2
        with pytest.raises(StoreUnavailable):
            await gate.rooms.write(await gate.whole(), come("bob")(await gate.whole(), 1), "two")

    async def test_requests_are_forgotten(self, gate: Gate) -> None:
        await gate.make()
        await gate.take(come("ann"))
        keys = [key.decode() for key in await gate.client.call("KEYS", "*:q:*")]
        assert len(keys) == 1
        assert 50_000 < await gate.client.call("PTTL", keys[0]) <= 60_000

    async def test_a_step_is_of_one_meeting(self, gate: Gate) -> None:
        room = await gate.make()
        log = (Entry("m1", Happened.BEGAN, 1), Entry("m2", Happened.BEGAN, 1))
        with pytest.raises(ValueError, match="one meeting"):
            await gate.rooms.write(room, Step(replace(room), log=log), "one")

    async def test_a_thousand_who_go_at_once(self, gate: Gate, other: Gate) -> None:
        room = await gate.make()
        step = Step(room)
        for n in range(1000):
            step = join(step.room, asking(f"p{n}"), replace(DEFAULT_ROOM_RULES, most_people=9999), 1)
        everybody = replace(step, changed=frozenset(step.room.people))
        assert await gate.rooms.write(room, everybody, "in")
        assert (await other.whole()).people == step.room.people
        assert len(await gate.seats()) == 1000
        await gate.take(lambda room, now_ms: close(room, SERVER, now_ms))
        assert (await other.whole()).people == {}
        assert await gate.seats() == {}

    async def test_a_full_store_leaves_nothing_half_written(self, tmp_path: Path) -> None:
        async with EmbeddedValkey(tmp_path / "own") as server:
            gate = Gate(server.url)
            await gate.make()
            await gate.take(come("ann"))
            room = await gate.whole()
            await gate.client.call("CONFIG", "SET", "maxmemory", 1)
            before = await gate.client.call("DBSIZE"), await gate.told()
            with pytest.raises(StoreUnavailable, match="OOM") as caught:
                await gate.rooms.write(room, come("bob")(room, 1), "one")
            assert caught.value.answered
            with pytest.raises(StoreUnavailable, match="OOM"):
                await gate.make("r2", custom_id="lobby")
            assert await gate.whole() == room
            assert (await gate.client.call("DBSIZE"), await gate.told()) == before
            await gate.client.call("CONFIG", "SET", "maxmemory", 0)
            assert await gate.rooms.write(room, come("bob")(room, 1), "one")
            await gate.client.close()

    async def test_they_outlive_a_restart_of_the_store(self, tmp_path: Path) -> None:
        server = EmbeddedValkey(tmp_path / "own")
        await server.start()
        gate = Gate(server.url)
        await gate.make()
        await gate.take(come("ann"))
        before = await gate.whole()
        await server.stop()
        await gate.client.close()
        await server.start()
        gate = Gate(server.url)
        assert await gate.whole() == before
        assert (await gate.seats()).keys() == {"ann"}
        await gate.client.close()
        await server.stop()


class TestNews:
    async def test_a_gate_that_hears_them_needs_not_read(self, gate: Gate, store_url: str) -> None:
        heard: list[News] = []
        client = Client(store_url, timeout_s=5)
        control = Control(client, store_url, lambda: None, on_room=heard.append)
        await control.start()
        copy = await gate.make(settings='{"a":1}')
        steps = [await gate.take(come("ann"))]
        steps.append(await gate.take(come("bob", GUEST, name="é\ud800")))
        steps.append(await gate.take(say("ann", "bob", True)))
        steps.append(await gate.take(lambda room, now: disable_track(room, "ann", "bob", TrackKind.MIC, now)))
        steps.append(await gate.take(lambda room, now: remove(room, "ann", "bob", now)))
        steps.append(await gate.take(lambda room, now: close(room, SERVER, now, disable=True)))
        await until(lambda: len(heard) == len(steps))
        for news, step in zip(heard, steps, strict=True):
            assert (news.application, news.room, news.sequence) == (APP, "r1", step.room.sequence)
            assert news.people.keys() == step.changed
            assert news.events == step.events
            copy = news.apply(copy)
            assert copy == step.room
        assert copy == await gate.whole()
        await control.stop()
        await client.close()

    @pytest.mark.parametrize(
        ("field", "text"),
        [
            *[(name, None) for name in ("application", "sequence", "people", "facts", "events")],
            *[(name, "{") for name in ("sequence", "people", "facts", "events")],
            *[(name, "7") for name in ("people", "facts", "events")],
            ("people", '{"ann":[]}'),
            ("people", '{"ann":{}}'),
            ("people", '{"ann":' + "[" * 5000),
            ("facts", '{"shape":"1"}'),
            ("facts", '{"made_ms":"x"}'),
            ("facts", '{"made_ms":1}'),
            ("facts", '{"disabled":"2"}'),
            ("facts", '{"meeting":"\\""}'),
            ("events", "[{}]"),
            ("events", "[7]"),
            ("events", '[{"name":"n","data":7,"to":"room","who":""}]'),
            ("events", '[{"name":"n","data":{},"to":"them","who":""}]'),
            ("events", '[{"name":7,"data":{},"to":"room","who":""}]'),
            ("events", b"\xff"),
            ("application", b"\xff"),
        ],
    )
    async def test_what_cannot_be_read_is_told_as_such(
        self, gate: Gate, store_url: str, field: str, text: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[News] = []
        client = Client(store_url, timeout_s=5)
        control = Control(client, store_url, lambda: None, on_room=heard.append)
        await control.start()
        fields: dict[str, Any] = {"room": "r1", "application": APP, "sequence": "1", "people": "{}"}
        fields.update({"facts": '{"sequence":"1"}', "events": "[]", field: text})
        flat = [part for name, text in fields.items() if text is not None for part in (name, text)]
        await gate.client.call("XADD", FEED, "*", *flat)
        await until(lambda: heard)
        assert not heard[0].whole
        assert heard[0].room == "r1"
        assert heard[0].application == (APP if field != "application" else "" if text is None else "\ufffd")
        assert "tells what cannot be read" in caplog.text
        await control.stop()
        await client.close()


class TestSeats:
    async def test_each_state_has_its_time(self, gate: Gate) -> None:
        await gate.make()
        await gate.take(come("ann"))
        await gate.take(come("bob", GUEST))
        seats = await gate.seats()
        assert 59_000 < seats["ann"] <= IDLE_MS
        assert 59_000 < seats["bob"] <= IDLE_MS
        await gate.take(say("ann", "bob", False))
        seats = await gate.seats()
        assert 29_000 < seats["bob"] <= 30_000
        await gate.take(come("cy", GUEST))
        await gate.take(lambda room, now: remove(room, "ann", "cy", now))
        await gate.take(come("dan"))
        await gate.take(go("dan"))
        assert (await gate.seats()).keys() == {"ann", "bob"}

    async def test_one_who_waits_is_not_to_wait_for_longer(self, gate: Gate) -> None:
        rules = replace(DEFAULT_ROOM_RULES, entry_timeout_s=5)
        await gate.make()
        await gate.take(lambda room, now: join(room, asking("bob", GUEST), rules, now))
        assert 4000 < (await gate.seats())["bob"] <= 5000
        until_ms = (await gate.whole()).people["bob"].until_ms
        await gate.rooms.renew([(APP, "r1", "bob", until_ms)], IDLE_MS)
        assert 4000 < (await gate.seats())["bob"] <= 5000

    async def test_what_others_do_to_them_renews_nothing(self, gate: Gate) -> None:
        await gate.make()
        await gate.take(come("ann"))
        await gate.take(come("bob"))
        await gate.client.call("ZINCRBY", SEATS, -50_000, f"{APP}\nr1\nbob")
        await gate.take(lambda room, now: disable_track(room, "ann", "bob", TrackKind.MIC, now))
        assert (await gate.seats())["bob"] < 10_000

    async def test_renewed_in_batches_where_there_is_one(self, gate: Gate) -> None:
        await gate.make()
        await gate.take(come("ann"))
        await gate.client.call("ZINCRBY", SEATS, -50_000, f"{APP}\nr1\nann")
        crowd = [(APP, "r1", f"p{n}", 0) for n in range(450)]
        await gate.rooms.renew([*crowd, (APP, "r1", "ann", 0)], IDLE_MS)
        seats = await gate.seats()
        assert seats.keys() == {"ann"}
        assert seats["ann"] > 59_000
        await gate.rooms.renew([], IDLE_MS)

    async def test_what_is_due_is_claimed_once(self, make_gate: Callable[[], Gate]) -> None:
        gates = [make_gate() for _ in range(3)]
        gate = gates[0]
        await gate.make()
        for name in ("ann", "é\ud800", "cy"):
            await gate.take(come(name))
        assert await gate.rooms.due(10) == []
        for name in ("ann", "\\u00e9\\ud800"):
            await gate.client.call("ZINCRBY", SEATS, -IDLE_MS, f"{APP}\nr1\n{name}")
        found = await asyncio.gather(*(gate.rooms.due(10) for gate in gates))
        assert sorted(seat for each in found for seat in each) == [(APP, "r1", "ann"), (APP, "r1", "é\ud800")]
        assert await gate.rooms.due(10) == []
        # One that was claimed by a gate that is no more is due again.
        assert 3500 < (await gate.seats())["ann"] <= 5001
        await gate.client.call("ZINCRBY", SEATS, -5001, f"{APP}\nr1\nann")
        assert await gate.rooms.due(10) == [(APP, "r1", "ann")]

    async def test_who_is_there_again_is_not_put_out(self, gate: Gate, other: Gate) -> None:
        await gate.make()
        await gate.take(come("ann"))
        await gate.take(come("bob"))
        for name in ("ann", "bob"):
            await gate.client.call("ZINCRBY", SEATS, -IDLE_MS, f"{APP}\nr1\n{name}")
        assert len(await gate.rooms.due(10)) == 2
        await other.rooms.renew([(APP, "r1", "bob", 0)], IDLE_MS)
        room, now_ms = await gate.rooms.read(APP, "r1")
        assert room is not None
        for name, gone in (("bob", False), ("ann", True)):
            step = pass_time(room, name, DEFAULT_ROOM_RULES, now_ms)
            assert await gate.rooms.write(room, step, f"{name} is gone", lapsed=[name]) is gone
        assert (await gate.whole()).people.keys() == {"bob"}
        assert (await gate.seats()).keys() == {"bob"}
        # And neither is one whose seat is no more.
        room = await gate.whole()
        step = pass_time(room, "bob", DEFAULT_ROOM_RULES, now_ms)
        assert not await gate.rooms.write(room, step, "x", lapsed=["ann"])

    async def test_a_seat_of_nobody_is_freed(self, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
        await gate.make()
        await gate.take(come("ann"))
        for member in (
            f"{APP}\nr1\nnobody",
            f"{APP}\nr2\nann",
            "x",
            "a\nb\nc\nd",
            b"\xff",
            'a\nb\n"',
            "a\nb\n\\",
        ):
            await gate.client.call("ZADD", SEATS, 1, member)
        found = await gate.rooms.due(10)
        assert sorted(found) == [(APP, "r1", "nobody"), (APP, "r2", "ann")]
        assert caplog.text.count("a seat that is nobody's") == 5
        for seat in [*found, (APP, "r1", "ann")]:
            await gate.rooms.drop(*seat)
        assert await gate.client.call("ZRANGE", SEATS, 0, -1) == [f"{APP}\nr1\nann".encode()]


class TestMeetings:
    async def test_who_was_in_and_when(self, gate: Gate, other: Gate) -> None:
        await gate.make(custom_id="lobby é")
        await gate.take(come("ann"))
        meeting = (await gate.whole()).meeting
        await other.take(come("bob"))
        await other.take(go("bob"))
        await other.take(come("bob", session=session_id("bob", 9_999_999_999_999, bytes(8))))
        held = await other.rooms.meeting(APP, meeting)
        assert held is not None
        assert (held.id, held.room, held.custom_id, held.ended_ms) == (meeting, "r1", "lobby é", None)
        ann, bob = held.people
        assert (ann.participant, ann.name) == ("ann", "Ann")
        assert [end is None for _, end in ann.times] == [True]
        assert [end is None for _, end in bob.times] == [False, True]
        assert ann.times[0][0] == held.began_ms
        await gate.take(lambda room, now: close(room, SERVER, now))
        over = await other.rooms.meeting(APP, meeting)
        assert over is not None
        assert over.ended_ms is not None
        assert {spans[-1][1] for _, spans in ((each, each.times) for each in over.people)} == {over.ended_ms}
        assert await other.rooms.meeting(APP, "none") is None
        assert await other.rooms.meeting(APP, "\ud800") is None

    async def test_lists_of_them(self, gate: Gate) -> None:
        meetings = {}
        for name in ("r1", "r2", "r3"):
            await gate.make(name)
            await gate.take(come("ann"), name)
            meetings[name] = (await gate.whole(name)).meeting
            await asyncio.sleep(0.002)
        await gate.take(go("ann"), "r2")
        await gate.take(come("ann", session=session_id("a", 9_999_999_999_999, bytes(8))), "r2")
        again = (await gate.whole("r2")).meeting

        async def listed(first: int, count: int, **which: Any) -> tuple[list[str], int]:
            found, total = await gate.rooms.meetings(APP, first, count, **which)
            assert all((each.ended_ms is not None) is (each.id == meetings["r2"]) for each in found)
            return [each.id for each in found], total

        everything = [again, meetings["r3"], meetings["r1"], meetings["r2"]]
        assert await listed(0, 10) == (everything, 4)
        for first in range(5):
            for count in range(5):
                assert await listed(first, count) == (everything[first : first + count], 4)
        assert await listed(0, 10, ongoing=True) == (everything[:3], 3)
        assert await listed(0, 10, ongoing=False) == (everything[3:], 1)
        assert await listed(0, 10, room="r2") == ([again, meetings["r2"]], 2)
        assert await listed(1, 1, room="r2") == ([meetings["r2"]], 2)
        assert await listed(0, 10, room="r3", ongoing=False) == ([], 0)
        assert await gate.rooms.meetings("another", 0, 10) == ([], 0)

    async def test_those_that_have_ended_are_kept_for_a_while(
        self, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await gate.make()
        await gate.take(come("ann"))
        meeting = (await gate.whole()).meeting
        assert await gate.client.call("PTTL", KEYS.log(meeting)) == -1
        await gate.take(go("ann"))
        for key in (KEYS.log(meeting), KEYS.past(), KEYS.past("r1")):
            assert 89 * 86_400_000 < await gate.client.call("PTTL", key) <= 90 * 86_400_000
        for key in (KEYS.past(), KEYS.past("r1")):
            await gate.client.call("ZINCRBY", key, -91 * 86_400_000, meeting)
        assert await gate.rooms.meetings(APP, 0, 10) == ([], 0)
        await gate.take(come("ann", session=session_id("a", 9_999_999_999_999, bytes(8))))
        await gate.take(go("ann"))
        assert await gate.client.call("ZCARD", KEYS.past()) == 1
        # Of one that is longer than its log the end is kept.
        monkeypatch.setattr(module, "MOST_ENTRIES", 3)
        monkeypatch.setattr(module, "_PAGE", 2)
        await gate.take(come("ann", session=session_id("a", 9_999_999_999_998, bytes(8))))
        meeting = (await gate.whole()).meeting
        await gate.take(come("bob"))
        await gate.take(go("bob"))
        await gate.take(go("ann"))
        held = await gate.rooms.meeting(APP, meeting)
        assert held is not None
        assert held.ended_ms is not None
        assert [(each.participant, len(each.times)) for each in held.people] == [("ann", 1), ("bob", 1)]
        assert all(end == held.ended_ms for each in held.people for _, end in each.times)

    async def test_one_that_begins_and_ends_at_once(self, gate: Gate) -> None:
        room = await gate.make()
        first = come("ann")(room, 1000)
        second = go("ann")(first.room, 2000)
        step = replace(second, log=first.log + second.log, changed=first.changed)
        assert await gate.rooms.write(room, step, "one")
        found, total = await gate.rooms.meetings(APP, 0, 10)
        assert total == 1
        assert found[0].ended_ms is not None
        held = await gate.rooms.meeting(APP, found[0].id)
        assert held is not None
        assert held.people[0].times == ((1000, 2000),)


class TestDamage:
    @pytest.mark.parametrize(
        ("key", "field", "text"),
        [
            *[
                (KEYS.header("bad"), name, None)
                for name in ("v", "sequence", "allowed", "disabled", "settings")
            ],
            (KEYS.header("bad"), "v", "2"),
            (KEYS.header("bad"), "sequence", "-1"),
            (KEYS.header("bad"), "made_ms", "9" * 16),
            (KEYS.header("bad"), "disabled", "yes"),
            (KEYS.header("bad"), "settings", '"'),
            (KEYS.header("bad"), "meeting", b"\xff"),
            (KEYS.header("bad"), "allowed", "\\"),
            *[(KEYS.people("bad"), "ann", text) for text in ("", "{", "[]", "null", "{}", b"\xff", "[" * 5000)],
            (KEYS.people("bad"), '"', "{}"),
            *[
                (KEYS.people("bad"), "ann", {name: value})
                for name, value in (
                    *(("name", 7), ("since_ms", True), ("since_ms", 1.5), ("state", "x"), ("state", [])),
                    *(("permissions", ["x"]), ("permissions", "allow_join"), ("disabled", [[]])),
                    *(("asked", []), ("asked", {"x": "a"}), ("asked", {"mic": 1}), ("session", None)),
                )
            ],
        ],
    )
    async def test_one_takes_no_other_down(
        self, gate: Gate, key: str, field: str, text: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        await gate.make("good")
        await gate.make("bad")
        await gate.take(come("ann"), "bad")
        if isinstance(text, dict):
            text = json.dumps(json.loads(await gate.client.call("HGET", key, field)) | text)
        if text is None:
            await gate.client.call("HDEL", key, field)
        else:
            await gate.client.call("HSET", key, field, text)
        caplog.set_level(logging.WARNING, "gate.store")
        with pytest.raises(StoreError, match="the store holds a room that cannot be read: bad: ") as caught:
            await gate.rooms.read(APP, "bad")
        assert "\n" not in str(caught.value)
        rooms, total = await gate.rooms.page(APP, 0, 10)
        assert total == 2
        in_header = key == KEYS.header("bad")
        assert {room.id for room in rooms} == ({"good"} if in_header else {"good", "bad"})
        assert ("cannot be read: bad" in caplog.text) is in_header
        assert await gate.whole("good")

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "7", '["left",1,"r1",""]', '["x",1,"",""]', '["began",null,"",""]', b"\xff"]
    )
    async def test_a_meeting_that_cannot_be_read(
        self, gate: Gate, text: str | bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in ("r1", "r2"):
            await gate.make(name)
            await gate.take(come("ann"), name)
        meeting = (await gate.whole("r1")).meeting
        await gate.client.call("LSET", KEYS.log(meeting), 0, text)
        with pytest.raises(StoreError, match=f"a meeting that cannot be read: {meeting}"):
            await gate.rooms.meeting(APP, meeting)
        found, total = await gate.rooms.meetings(APP, 0, 10)
        assert ([each.room for each in found], total) == (["r2"], 2)
        assert "a meeting that cannot be read" in caplog.text
        await gate.client.call("DEL", KEYS.log(meeting))
        assert len((await gate.rooms.meetings(APP, 0, 10))[0]) == 1
        assert await gate.rooms.meeting(APP, meeting) is None

    async def test_a_custom_id_of_no_room(self, gate: Gate) -> None:
        await gate.client.call("HSET", KEYS.custom, "lobby", "gone")
        with pytest.raises(StoreError, match="no room for a custom id"):
            await gate.make("r1", custom_id="lobby")

    async def test_keys_of_another_type(self, gate: Gate) -> None:
        await gate.client.call("SET", KEYS.header("r1"), "x")
        for act in (gate.rooms.read(APP, "r1"), gate.make("r1")):
            with pytest.raises(StoreError, match="WRONGTYPE"):
                await act


async def test_the_time_is_the_stores(gate: Gate) -> None:
    said_ms = await gate.now_ms()
    assert 0 <= gate.rooms.clock.now_ms - said_ms < 1000
