"""Rooms in the store.

A room lies beside the feed, so that a change and the news of it are one script. It is written only by whoever
knows it as it is: a step from a room that is another one by now is not taken. See `gate.store.keys` for what is
kept of rooms, and `gate.store.room_texts` for how.

What is in the store may be damaged, or written by a later version of the gate. Such a room is a StoreError for
whoever asks for it, and nobody else's trouble.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gate.core.room import Participant, Room, State
from gate.core.room_steps import Happened, Step
from gate.core.token import digest
from gate.errors import StoreError, StoreFull, StoreUnavailable
from gate.store.client import Client
from gate.store.clock import Clock
from gate.store.control import FEED_LENGTH
from gate.store.keys import DUES, FEED, SEATS, RoomKeys, control_request, seats_prefix
from gate.store.room_texts import (
    News as News,
)
from gate.store.room_texts import (
    change_facts,
    dump_entry,
    dump_facts,
    dump_news,
    dump_person,
    escape,
    is_id,
    load_entry,
    load_room,
    unescape,
    write,
)

MOST_ROOMS: Final = 100_000
# Entries that are kept of one meeting; of a longer one the end, but not who came and went since.
MOST_ENTRIES: Final = 100_000
KEPT_S: Final = 90 * 86400
# For how long a request that comes again is known.
REPEAT_S: Final = 60
CLAIM_MS: Final = 5000
_ONCE: Final = 200
_PAGE: Final = 5000
_log: Final = logging.getLogger("gate.store")


@dataclass(frozen=True, slots=True)
class Attendance:
    """One participant's times in a meeting, in Unix milliseconds: (begin, end), an end of None is not over."""

    participant: str
    name: str
    times: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class Meeting:
    """A meeting of a room, that goes on or has ended. Times are Unix milliseconds."""

    id: str
    room: str
    custom_id: str
    began_ms: int
    ended_ms: int | None = None
    people: tuple[Attendance, ...] = ()


class Rooms:
    """The rooms of all gates on one store. Every method raises StoreUnavailable or StoreError."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.clock = Clock()

    async def create(self, room: Room) -> Room:
        """There is such a room; the one that has its custom id already is given instead.

        Its times are set by the store. Raises ValueError for an id that cannot be or is taken, StoreFull where
        there are `MOST_ROOMS` of the application.
        """
        if not is_id(room.id):
            raise ValueError("a room's id is printable, without spaces, and of at most 128 characters")
        keys = RoomKeys(room.application)
        facts = [text for pair in dump_facts(room).items() for text in pair]
        request = secrets.token_hex(16)
        args: list[str | int] = [room.id, escape(room.custom_id), MOST_ROOMS, request, *facts]
        word, *rest = await self._ask("create_room", [keys.header(room.id), keys.rooms, keys.custom], args)
        if word == b"full":
            raise StoreFull(f"there are {MOST_ROOMS} rooms of {room.application}, and no more are kept")
        if word == b"taken":
            raise ValueError("the room's id is taken")
        if word == b"done" and rest[0].decode() == room.id:
            self.clock.learn(rest[1])
            return replace(room, made_ms=rest[1], changed_ms=rest[1])
        held, _ = await self.read(room.application, rest[0].decode("utf-8", "replace"))
        if held is None:
            raise StoreError(
                f"the store has no room for a custom id of {room.application}: it names {rest[0]!r}"
            )
        return held

    async def read(self, application: str, room: str) -> tuple[Room | None, int]:
        """The room by its id, and the store's time in Unix milliseconds."""
        if not is_id(room):
            return None, self.clock.now_ms
        keys = RoomKeys(application)
        now_ms, header, people = await self._client.script(
            "read_room", [keys.header(room), keys.people(room)], []
        )
        self.clock.learn(now_ms)
        return (_load(application, room, header, people) if header else None), now_ms

    async def holds(self, room: Room) -> bool:
        """Whether the room is still this one, and no step further."""
        held = await self._client.call("HGET", RoomKeys(room.application).header(room.id), "sequence")
        return bool(held == str(room.sequence).encode())

    async def find(self, application: str, name: str) -> str | None:
        """The id of the room of this id or custom id."""
        keys = RoomKeys(application)
        if is_id(name) and await self._client.call("EXISTS", keys.header(name)):
            return name
        held = await self._client.call("HGET", keys.custom, escape(name)) if name else None
        return None if held is None else str(held.decode("utf-8", "replace"))

    async def write(
        self, before: Room, step: Step, request: str, *, idle_ms: int = 60_000, lapsed: Iterable[str] = ()
    ) -> bool:
        """The step has happened, and every gate hears of it; False where the room is another by now.

        Repeated with the same `request` it does nothing and is True again. Whoever comes in, or waits, is taken
        to be there for `idle_ms`. Of participants that have `lapsed` the seat was claimed as due: False where
        one of them is there again. The step is of one meeting, else ValueError is raised.
        """
        after = replace(step.room, sequence=before.sequence + 1)
        step = replace(step, room=after)
        meetings = {entry.meeting for entry in step.log}
        if len(meetings) > 1:
            raise ValueError("a step is of one meeting")
        happened = {entry.happened for entry in step.log}
        meeting = next(iter(meetings), "")
        # Of one that begins and ends in one step the end is what remains.
        word = "ended" if Happened.ENDED in happened else "began" if Happened.BEGAN in happened else ""
        keys = RoomKeys(after.application)
        facts = [text for pair in change_facts(before, after).items() for text in pair]
        people = [_seat(name, before.people.get(name), after.people.get(name)) for name in sorted(step.changed)]
        wish = digest("room", after.application, f"{after.id}:{request}")
        answer, now_ms = await self._ask(
            "write_room",
            [
                *(keys.header(after.id), keys.people(after.id), SEATS, FEED, control_request(wish)),
                *(keys.log(meeting), keys.ongoing(), keys.ongoing(after.id), keys.past(), keys.past(after.id)),
                DUES,
            ],
            [
                *(str(before.sequence), seats_prefix(after.application, after.id), idle_ms, REPEAT_S * 1000),
                *(KEPT_S * 1000, MOST_ENTRIES, FEED_LENGTH, meeting, word, write(facts), write(people)),
                write([escape(name) for name in lapsed]),
                write([dump_entry(after, entry) for entry in step.log]),
                write(dump_news(before, step)),
            ],
        )
        self.clock.learn(now_ms)
        return bool(answer == 1)

    async def page(self, application: str, first: int, count: int) -> tuple[list[Room], int]:
        """`count` rooms without their people, youngest first, and how many there are in all."""
        keys = RoomKeys(application)
        args: list[str | int] = [max(0, first), max(1, count), keys.header("")]
        total, *found = await self._client.script("page_rooms", [keys.rooms], args)
        rooms = []
        for room, header in zip(found[::2], found[1::2], strict=True):
            try:
                rooms.append(_load(application, room.decode("utf-8", "replace"), header, []))
            except StoreError as error:
                _log.warning("%s", error)
        return rooms[: max(0, count)], total

    async def meetings(
        self, application: str, first: int, count: int, *, room: str | None = None, ongoing: bool | None = None
    ) -> tuple[list[Meeting], int]:
        """`count` meetings, and how many there are in all: those that go on, youngest first, and then those
        that have ended, the last one first."""
        if room is not None and not is_id(room):
            return [], 0
        keys, of = RoomKeys(application), () if room is None else (room,)
        which = {None: "all", True: "ongoing", False: "past"}[ongoing]
        args: list[str | int] = [max(0, first), max(1, count), which, KEPT_S * 1000, keys.log("")]
        total, *found = await self._client.script("page_meetings", [keys.ongoing(*of), keys.past(*of)], args)
        meetings = []
        for name, ended, entry in found[: max(0, count)]:
            ended_ms = int(float(ended)) if ended else None
            try:
                meetings.append(_begin(name.decode(), [entry], ended_ms))
            except ValueError as error:
                _log.warning("the store holds a meeting that cannot be read: %.100r: %s", name, error)
        return meetings, total

    async def meeting(self, application: str, meeting: str) -> Meeting | None:
        """The meeting with everybody who was in it."""
        key, log = RoomKeys(application).log(escape(meeting)), list[bytes]()
        while page := await self._client.call("LRANGE", key, len(log), len(log) + _PAGE - 1):
            log += page
            if len(page) < _PAGE:
                break
        try:
            return _attend(meeting, log) if log else None
        except ValueError as error:
            raise StoreError(f"the store holds a meeting that cannot be read: {meeting}: {error}") from None

    async def renew(self, seats: Iterable[tuple[str, str, str, int]], idle_ms: int) -> None:
        """Participants (application, room, participant, not beyond this time in ms or 0) are there.

        The store is asked even where there are none: it is there, and its time is known.
        """
        wanted = list(seats)
        for at in range(0, len(wanted) or 1, _ONCE):
            args: list[str | int] = [idle_ms]
            for application, room, participant, until_ms in wanted[at : at + _ONCE]:
                args += [seats_prefix(application, room) + escape(participant), until_ms]
            (now_ms,) = await self._client.script("keep_seats", [SEATS], args)
            self.clock.learn(now_ms)

    async def due(self, most: int, *, leases: bool = True) -> list[tuple[str, str, str]]:
        """Participants of whom something is due: (application, room, participant).

        Their lease has lapsed (where `leases` are asked for), at `most` so many, or their time to wait, or the
        pause after a no, is over, likewise. They are claimed: nobody else gets them for `CLAIM_MS`, then
        anybody does of whom it still is.
        """
        keys = [SEATS, DUES] if leases else [DUES]
        now_ms, *found = await self._client.script("due_seats", keys, [most, CLAIM_MS])
        self.clock.learn(now_ms)
        seats = []
        for member in dict.fromkeys(found):
            try:
                application, room, participant = member.decode().split("\n")
                seats.append((application, room, unescape(participant)))
            except ValueError:
                _log.warning("the store holds a seat that is nobody's: %.300r", member)
                for key in keys:
                    await self._client.call("ZREM", key, member)
        return seats

    async def drop(self, application: str, room: str, participant: str) -> None:
        """Nothing is due of the participant, if the room knows nobody of that name."""
        name = escape(participant)
        args = [seats_prefix(application, room) + name, name]
        await self._client.script("drop_seat", [SEATS, DUES, RoomKeys(application).people(room)], args)

    async def _ask(self, script: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        try:
            return await self._client.script(script, keys, args)
        except StoreUnavailable:
            return await self._client.script(script, keys, args)


def _load(application: str, room: str, header: list[bytes], people: list[bytes]) -> Room:
    try:
        return load_room(application, room, _pairs(header), _pairs(people))
    except ValueError as error:
        raise StoreError(f"the store holds a room that cannot be read: {room}: {error}") from None


def _pairs(flat: list[bytes]) -> dict[str, str]:
    texts = [text.decode() for text in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _seat(name: str, before: Participant | None, after: Participant | None) -> tuple[str, str, str, int]:
    """What the store is told of a participant who has changed: name, text, and when something is due of them.

    Whom others have changed may have gone in silence: their lease runs on.
    """
    if after is None:
        return escape(name), "", "none", 0
    text = write(dump_person(after))
    if before is not None and (before.state, before.session) == (after.state, after.session):
        return escape(name), text, "keep", 0
    here = after.state in {State.JOINED, State.WAITING}
    return escape(name), text, "here" if here else "none", after.until_ms


def _begin(meeting: str, log: list[bytes], ended_ms: int | None) -> Meeting:
    happened, at_ms, room, custom_id = load_entry(log[0].decode())
    if happened is not Happened.BEGAN:
        raise ValueError("its log lacks its beginning")
    return Meeting(meeting, room, custom_id, at_ms, ended_ms)


def _attend(meeting: str, log: list[bytes]) -> Meeting:
    names: dict[str, str] = {}
    times: dict[str, list[tuple[int, int | None]]] = {}
    ended_ms = None
    for text in log[1:]:
        happened, at_ms, participant, name = load_entry(text.decode())
        spans = times.setdefault(participant, []) if happened is not Happened.ENDED else []
        if happened is Happened.JOINED:
            names[participant] = name
            spans.append((at_ms, None))
        elif happened is Happened.LEFT and spans:
            spans[-1] = (spans[-1][0], at_ms)
        elif happened is Happened.ENDED:
            ended_ms = at_ms
    if ended_ms is not None:
        # Of a log that is too long who has left is not known, but that they have is.
        for spans in times.values():
            spans[:] = [(begin, ended_ms if end is None else end) for begin, end in spans]
    people = tuple(Attendance(each, names[each], tuple(spans)) for each, spans in times.items() if spans)
    return replace(_begin(meeting, log, ended_ms), people=people)
