"""Rooms in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gate.core.room import Participant, Room
from gate.core.room_steps import Event, Step
from gate.store.client import Client


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


@dataclass(frozen=True, slots=True)
class News:
    """What the feed tells of a change: of which room, which sequence it has now, who has changed and how (None:
    is no more), what of the room itself, and what there is to tell."""

    application: str
    room: str
    sequence: int
    people: Mapping[str, Participant | None] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    events: tuple[Event, ...] = ()


class Rooms:
    """The rooms of all gates on one store. Every method raises StoreUnavailable or StoreError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self, room: Room) -> Room:
        """There is such a room; the one that has its custom id already is given instead."""
        raise NotImplementedError

    async def read(self, application: str, room: str) -> tuple[Room | None, int]:
        """The room by its id, and the store's time in Unix milliseconds."""
        raise NotImplementedError

    async def find(self, application: str, name: str) -> str | None:
        """The id of the room of this id or custom id."""
        raise NotImplementedError

    async def write(self, before: Room, step: Step, request: str) -> bool:
        """The step has happened, and every gate hears of it; False where the room is another by now."""
        raise NotImplementedError

    async def page(self, application: str, first: int, count: int) -> tuple[list[Room], int]:
        """`count` rooms without their people, youngest first, and how many there are in all."""
        raise NotImplementedError

    async def meetings(
        self, application: str, first: int, count: int, *, room: str | None = None, ongoing: bool | None = None
    ) -> tuple[list[Meeting], int]:
        """`count` meetings, youngest first, and how many there are in all."""
        raise NotImplementedError

    async def meeting(self, application: str, meeting: str) -> Meeting | None:
        """The meeting with everybody who was in it."""
        raise NotImplementedError

    async def renew(self, seats: Iterable[tuple[str, str, str, int]], idle_ms: int) -> None:
        """Participants (application, room, participant, not beyond this time in ms or 0) are there."""
        raise NotImplementedError

    async def due(self, most: int) -> list[tuple[str, str, str]]:
        """Participants of whom something is due: (application, room, participant)."""
        raise NotImplementedError
