"""The desk of a worker: its copies of rooms, commands, and those who listen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gate.core.reasons import Deny
from gate.core.room import Participant, Room
from gate.core.room_steps import Event, Step
from gate.store.rooms import News, Rooms

Command = Callable[[Room, int], Step]


@dataclass(frozen=True, slots=True)
class Seat:
    """Where somebody sits: a participant of a room, by one session of theirs."""

    application: str
    room: str
    participant: str
    session: str


class Desk:
    """Keeps this worker's copies of rooms, and gives commands to the store.

    A copy is whole and asked without waiting; it is behind the store by moments.
    """

    def __init__(
        self,
        rooms: Rooms,
        idle_s: float,
        *,
        on_changed: Callable[[Room], None] = lambda room: None,
        on_out: Callable[[Participant], Awaitable[None]] | None = None,
    ) -> None:
        """`idle_s`: a participant without traffic for this long is gone. `on_changed` is called with each room
        after somebody in it was muted, or is out, or it was closed; `on_out`, on the gate whose command it was,
        with those whose session has ended."""
        raise NotImplementedError

    async def start(self, *, reachable: bool = True) -> None:
        """Leases are renewed and what is due happens, from now on."""
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    def hear(self, news: News) -> None:
        """The feed tells of a change."""
        raise NotImplementedError

    def miss(self) -> None:
        """Some change may not have been heard of: all copies are read anew."""
        raise NotImplementedError

    def get(self, application: str, room: str) -> Room | None:
        """The copy of the room, where there is one that is up to date; this counts as a use of it."""
        raise NotImplementedError

    async def find(self, application: str, room: str) -> Room | None:
        """The room by its id, from here on with a copy; None where there is none. Raises StoreError."""
        raise NotImplementedError

    async def do(self, application: str, room: str, command: Command) -> Step | None:
        """The command has happened, once, and this gate knows it; None where there is no such room.

        A step that changes nothing is not written. Raises StoreError.
        """
        raise NotImplementedError

    def see(self, seat: Seat) -> None:
        """The participant is there: its lease is renewed with the next batch."""
        raise NotImplementedError

    def listen(
        self, seat: Seat, tell: Callable[[Event], None], end: Callable[[Deny], None]
    ) -> Callable[[], None]:
        """From now on `tell` is called with what the participant is told, while their session is theirs: then
        `end` is called, once, with why it is not. Gives what stops that. Until then the participant is there.
        """
        raise NotImplementedError
