"""Those who listen to a room: who is told of an event, and whose time to listen is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, Room, State, check_room, find_person, refuse_entry
from gate.core.room_steps import Audience, Event
from gate.core.session import opened_ms


@dataclass(frozen=True, slots=True)
class Seat:
    """Where somebody sits: a participant of a room, by one session of theirs."""

    application: str
    room: str
    participant: str
    session: str


class Listener:
    """One who listens, until it is `over`."""

    __slots__ = ("end", "opened_ms", "over", "seat", "tell")

    def __init__(self, seat: Seat, tell: Callable[[Event], None], end: Callable[[Deny], None]) -> None:
        self.seat, self.tell, self.end = seat, tell, end
        self.opened_ms = opened_ms(seat.session)
        self.over = False


class Listeners:
    """The listeners of one room."""

    def __init__(self) -> None:
        self._of: dict[str, list[Listener]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def __iter__(self) -> Iterator[Listener]:
        return (listener for each in self._of.values() for listener in each)

    def add(self, listener: Listener) -> None:
        self._of.setdefault(listener.seat.participant, []).append(listener)

    def drop(self, listener: Listener) -> None:
        """It is told nothing any more."""
        listener.over = True
        name = listener.seat.participant
        if listener in (those := self._of.get(name, [])):
            those.remove(listener)
        if not those:
            self._of.pop(name, None)

    def tell(self, room: Room, events: Collection[Event]) -> None:
        """Everybody whom they are for is told of the events, in their order; `room` is how it is after them."""
        if not (events and self._of):
            return
        inside = list(self._inside(room))
        hosts = [listener for listener, person in inside if person.hosts]
        everybody = [listener for listener, _ in inside]
        for event in events:
            if event.audience is Audience.ONE:
                told = self._one(room, event.participant)
            else:
                told = everybody if event.audience is Audience.ROOM else hosts
            alone = event.audience is Audience.ONE
            for listener in told:
                if not listener.over and (alone or listener.seat.participant != event.participant):
                    listener.tell(event)

    def judge(self, room: Room | None, names: Collection[str] | None = None) -> None:
        """Those whose standing in the room is over are told so, once; of `names`, or of all."""
        for name in list(self._of if names is None else names):
            for listener in tuple(self._of.get(name, ())):
                self.judge_one(room, listener)

    def judge_one(self, room: Room | None, listener: Listener) -> None:
        if not listener.over and (refusal := _refuse(room, listener)) is not None:
            self.drop(listener)
            listener.end(refusal)

    def _inside(self, room: Room) -> Iterator[tuple[Listener, Participant]]:
        for name, listeners in self._of.items():
            person = room.people.get(name)
            if person is not None and person.state is State.JOINED:
                for listener in listeners:
                    if listener.seat.session == person.session:
                        yield listener, person

    def _one(self, room: Room, name: str) -> list[Listener]:
        """The participant's own, by the session that they stand there by; who is no more has had any."""
        listeners, person = self._of.get(name, []), room.people.get(name)
        return [each for each in listeners if person is None or each.seat.session == person.session]


def _refuse(room: Room | None, listener: Listener) -> Deny | None:
    refusal = check_room(room, listener.opened_ms)
    if refusal is not None or room is None:
        return refusal
    person = find_person(room, listener.seat.session, listener.seat.participant)
    if isinstance(person, Deny):
        return person
    if person is None:
        return Deny(Reason.NOT_JOINED)
    return None if person.state in {State.JOINED, State.WAITING} else refuse_entry(person)
