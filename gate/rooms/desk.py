"""The desk of a worker: its copies of rooms, commands, and those who listen.

Commands of one room wait in a line, and one writer takes all that wait as one step. Where another gate was
first, they are taken again once it is known what it did: each is a step from whatever the room is by then.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Iterator
from typing import Final

from gate.core.reasons import Deny
from gate.core.room import DEFAULT_ROOM_RULES, Room, RoomRules, State
from gate.core.room_steps import Event, Step, pass_time
from gate.errors import StoreError, StoreUnavailable
from gate.rooms.combined import Command as Command
from gate.rooms.combined import combine
from gate.rooms.copies import Copies, Copy, Tasks, Wish
from gate.rooms.leases import Leases
from gate.rooms.listeners import Listener
from gate.rooms.listeners import Seat as Seat
from gate.store.rooms import News, Rooms

# How often a step is taken anew because another gate was first.
TRIES: Final = 20
_PAUSE_S: Final = 0.01
# For so long what another gate did is waited for before the room is read.
_NEWS_S: Final = 0.1
# Commands that are one step: few enough that nobody else on this worker waits for long.
_AT_ONCE: Final = 64
_log: Final = logging.getLogger("gate.rooms")


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
        rules: Callable[[str], RoomRules] = lambda application: DEFAULT_ROOM_RULES,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """`idle_s`: a participant without traffic for this long is gone. `on_changed` is called with each room
        after somebody in it was muted, or is out, or it was closed. `rules` are those of an application, by its
        name; it has some for every name. `wanted` tells whether any application has rooms."""
        self._rooms = rooms
        self._idle_ms = round(idle_s * 1000)
        self._rules = rules
        self._tasks = Tasks()
        self._copies = Copies(rooms, self._tasks, on_changed)
        self._leases = Leases(
            rooms,
            idle_s,
            listening=self._listening,
            due_ms=self._due_ms,
            lapse=self._lapse,
            sweep=self._copies.sweep,
            wanted=wanted,
        )
        self._ended = False

    async def start(self) -> None:
        """Leases are renewed and what is due happens, from now on or from when the store is there."""
        self._leases.start()

    async def stop(self) -> None:
        """All commands that were given have been written, or answered with why not; no more are taken."""
        self._ended = True
        await self._leases.stop()
        self._copies.stop()
        await self._tasks.wait()

    def hear(self, news: News) -> None:
        """The feed tells of a change."""
        self._copies.hear(news)

    def miss(self) -> None:
        """Some change may not have been heard of: all copies are read anew."""
        for copy in list(self._copies):
            self._copies.distrust(copy)

    def get(self, application: str, room: str) -> Room | None:
        """The copy of the room, where there is one that is up to date; this counts as a use of it."""
        if self._copies.get((application, room)) is None:
            return None
        copy = self._copies.take((application, room))
        return copy.room if copy.current or copy.away else None

    async def find(self, application: str, room: str) -> Room | None:
        """The room by its id, from here on with a copy; None where there is none. Raises StoreError.

        While the store is away it is as it was known last.
        """
        copy = self._copies.take((application, room))
        if not copy.current:
            try:
                await self._copies.load(copy)
            except StoreUnavailable:
                if copy.room is None:
                    raise
        return copy.room

    async def do(self, application: str, room: str, command: Command) -> Step | None:
        """The command has happened, once, and this gate knows it; None where there is no such room.

        A step that changes nothing is not written, but is one from the room as the store has it. A caller who
        does not wait for it takes nothing back. Raises StoreError, and what the command raises.
        """
        return await self._give((application, room), Wish(command))

    def see(self, seat: Seat) -> None:
        """The participant is there: its lease is renewed with the next batch."""
        self._leases.see(seat)

    def listen(
        self, seat: Seat, tell: Callable[[Event], None], end: Callable[[Deny], None]
    ) -> Callable[[], None]:
        """From now on `tell` is called with what the participant is told, while their session is theirs: then
        `end` is called, once, with why it is not. Gives what stops that. Until then the participant is there.

        Raises ValueError for a session that is none.
        """
        listener = Listener(seat, tell, end)
        copy = self._copies.take((seat.application, seat.room))
        copy.listeners.add(listener)
        if copy.current:
            # Not before the caller knows how to stop it.
            asyncio.get_running_loop().call_soon(self._judge, copy, listener)
        else:
            self._copies.distrust(copy)
        return lambda: copy.listeners.drop(listener)

    def _judge(self, copy: Copy, listener: Listener) -> None:
        if copy.current:
            copy.listeners.judge_one(copy.room, listener)

    async def _give(self, key: tuple[str, str], wish: Wish) -> Step | None:
        if self._ended:
            raise StoreUnavailable("the gate takes no more commands: it is ending")
        copy = self._copies.take(key)
        copy.wishes.append(wish)
        if copy.writer is None:
            copy.writer = self._tasks.spawn(self._write_all(copy), "commands of a room")
        return await wish.done

    async def _write_all(self, copy: Copy) -> None:
        try:
            while copy.wishes:
                wishes = [copy.wishes.popleft()]
                while copy.wishes and len(wishes) < _AT_ONCE and _alike(wishes[0], copy.wishes[0]):
                    wishes.append(copy.wishes.popleft())
                try:
                    while wishes:
                        wishes = wishes[await self._write(copy, wishes) :]
                except StoreError as error:
                    for wish in wishes:
                        wish.settle(error)
                finally:
                    # Whatever has gone wrong, nobody waits for ever.
                    for wish in wishes:
                        wish.settle(StoreUnavailable("the command may not have happened: ask again"))
        finally:
            copy.writer = None

    async def _write(self, copy: Copy, wishes: list[Wish]) -> int:
        """The first of the commands have happened, and so many are answered."""
        for attempt in range(TRIES):
            if not copy.current:
                await self._copies.load(copy)
            if (before := copy.room) is None:
                for wish in wishes:
                    wish.settle(None)
                return len(wishes)
            together = combine(before, [wish.command for wish in wishes], self._rooms.clock.now_ms)
            count = len(together.answers)
            copy.moved.clear()
            lapsed = [wish.lapsed for wish in wishes[:count] if wish.lapsed is not None]
            if await self._put(copy, before, together.step, lapsed):
                for wish, answer in zip(wishes, together.answers, strict=False):
                    wish.settle(answer)
                return count
            await self._catch_up(copy)
            if lapsed:
                # Somebody is there again, or the room is another one: what still is due is so in a while.
                for wish in wishes:
                    wish.settle(Step(before))
                return len(wishes)
            await asyncio.sleep(random.uniform(0, _PAUSE_S) * attempt)  # noqa: S311 - no secret
        raise StoreUnavailable("the room is changed by too many at once: ask again", answered=True)

    async def _catch_up(self, copy: Copy) -> None:
        """The copy is further than it was. The feed tells more than a reading does, but may have been lost."""
        try:
            async with asyncio.timeout(_NEWS_S):
                await copy.moved.wait()
        except TimeoutError:
            self._copies.distrust(copy)

    async def _put(self, copy: Copy, before: Room, step: Step | None, lapsed: list[str]) -> bool:
        """The step has happened, or is none and nothing would have; False where the room is another by now."""
        if step is None:
            # A refusal of what another gate has just made possible would be wrong.
            return await self._rooms.holds(before)
        request = secrets.token_hex(16)
        try:
            done = await self._rooms.write(before, step, request, idle_ms=self._idle_ms, lapsed=lapsed)
        except StoreError:
            # It may have happened all the same, or some of it in a damaged store.
            self._copies.distrust(copy)
            raise
        if not done:
            return False
        # Its echo may have come first, by the feed or in a reading.
        if copy.room is not None and copy.room.sequence == before.sequence:
            self._copies.apply(copy, step.room, step.events, step.changed)
        return True

    def _listening(self) -> Iterator[Seat]:
        return (listener.seat for copy in self._copies for listener in copy.listeners)

    def _due_ms(self, seat: Seat) -> int | None:
        """Until when the seat may last at the most, 0 for no end; None for one that is not theirs any more."""
        copy = self._copies.take((seat.application, seat.room))
        if copy.room is None:
            # Who was seen before the room was known here is seen again once it is.
            if copy.mending is None:
                self._copies.distrust(copy)
            return None
        person = copy.room.people.get(seat.participant)
        if person is None or person.session != seat.session:
            return None
        return {State.JOINED: 0, State.WAITING: person.until_ms}.get(person.state)

    async def _lapse(self, application: str, room: str, name: str) -> None:
        """What is due of the participant has happened, unless they are there again."""

        def command(now: Room, now_ms: int) -> Step:
            return pass_time(now, name, self._rules(application), now_ms)

        try:
            step = await self._give((application, room), Wish(command, name))
            if step is None or name not in step.room.people:
                # Somebody may have come in of that name: the store looks.
                await self._rooms.drop(application, room, name)
        except StoreUnavailable as error:
            _log.debug("what is due in the room %s has to wait: %s", room, error)
        except StoreError:
            # The room cannot be read, and others are not to wait for it: that is said where it is read.
            return


def _alike(wish: Wish, other: Wish) -> bool:
    """Whether both are written if either is: what lapses may be taken back alone."""
    return (wish.lapsed is None) is (other.lapsed is None)
