"""A worker's copies of rooms: read once, and followed by what the feed tells of them.

A copy is whole. News of the step after it takes it one further; after a gap, or what cannot be read, it is read
anew, and those who listen are told what has come about meanwhile. While the store is away, copies stay as they
are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any, Final, TypeVar

from gate.core.room import Room
from gate.core.room_news import compare, lose
from gate.core.room_steps import Event, Step
from gate.errors import StoreError, StoreUnavailable
from gate.rooms.combined import Command
from gate.rooms.listeners import Listeners
from gate.store.rooms import News, Rooms

# A copy that nobody has used for so long is dropped.
UNUSED_S: Final = 600.0
_RETRY_S: Final = 0.5
_DAMAGED_RETRY_S: Final = 5.0
# Rooms that are read at once: after an outage all are.
_READERS: Final = 8
_log: Final = logging.getLogger("gate.rooms")
_Result = TypeVar("_Result")


class Tasks:
    """What runs to its end, whoever has asked for it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, _Result], name: str) -> asyncio.Task[_Result]:
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def wait(self) -> None:
        """Nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)


class Wish:
    """A command that waits for its turn. It happens only if the seat of `lapsed` has not been renewed."""

    __slots__ = ("command", "done", "lapsed")

    def __init__(self, command: Command, lapsed: str | None = None) -> None:
        self.command, self.lapsed = command, lapsed
        self.done: asyncio.Future[Step | None] = asyncio.get_running_loop().create_future()

    def settle(self, answer: Step | Exception | None) -> None:
        """The one who asked has the answer, if they still wait."""
        if self.done.done():
            return
        if isinstance(answer, Exception):
            self.done.set_exception(answer)
        else:
            self.done.set_result(answer)


class Copy:
    """What a worker knows of a room. `room` is None before the first reading, and where there is none."""

    __slots__ = (
        *("again", "applied", "away", "current", "heard", "key", "listeners", "loading"),
        *("mending", "moved", "room", "used_at", "wishes", "writer"),
    )

    def __init__(self, key: tuple[str, str]) -> None:
        self.key = key
        self.room: Room | None = None
        self.current = False  # as far as is known here
        self.away = False  # the store could not be asked
        self.again = False  # what is being read may be too old
        self.applied = 0
        self.moved = asyncio.Event()  # it is another one than it was
        self.heard: list[News] = []
        self.listeners = Listeners()
        self.wishes: deque[Wish] = deque()
        self.loading: asyncio.Task[StoreError | None] | None = None
        self.mending: asyncio.Task[None] | None = None
        self.writer: asyncio.Task[None] | None = None
        self.used_at = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether nothing would miss it."""
        return not (self.listeners or self.wishes or self.loading or self.mending or self.writer)


class Copies:
    """The copies of a worker."""

    def __init__(self, rooms: Rooms, tasks: Tasks, on_changed: Callable[[Room], None]) -> None:
        self._rooms, self._tasks, self._on_changed = rooms, tasks, on_changed
        self._copies: dict[tuple[str, str], Copy] = {}
        self._reading = asyncio.Semaphore(_READERS)
        self._damaged: set[tuple[str, str]] = set()
        self._ended = False

    def __iter__(self) -> Iterator[Copy]:
        return iter(self._copies.values())

    def __len__(self) -> int:
        return len(self._copies)

    def get(self, key: tuple[str, str]) -> Copy | None:
        return self._copies.get(key)

    def take(self, key: tuple[str, str]) -> Copy:
        """The copy, which may have to be loaded still; this counts as a use."""
        copy = self._copies.get(key)
        if copy is None:
            copy = self._copies[key] = Copy(key)
        copy.used_at = time.monotonic()
        return copy

    def stop(self) -> None:
        """No copy is mended any more."""
        self._ended = True
        for copy in self:
            if copy.mending is not None:
                copy.mending.cancel()

    def sweep(self) -> None:
        """Only those are kept that are in use."""
        before = time.monotonic() - UNUSED_S
        for copy in [each for each in self if each.idle and each.used_at < before]:
            del self._copies[copy.key]

    async def load(self, copy: Copy) -> None:
        """The copy is up to date; one of no room is gone. Many who ask at once cost one reading.

        Raises StoreError, and the copy stays as it was.
        """
        if copy.loading is None:
            copy.loading = self._tasks.spawn(self._load(copy), "a room is read")
        task = copy.loading
        await asyncio.wait([task])
        if (error := task.result()) is not None:
            raise error

    def hear(self, news: News) -> None:
        """The feed tells of a change."""
        copy = self._copies.get((news.application, news.room))
        if copy is None:
            return
        if copy.loading is not None:
            copy.heard.append(news)
        elif copy.current:
            self._follow(copy, news)

    def distrust(self, copy: Copy) -> None:
        """The copy may be behind: it is read anew."""
        copy.again, copy.current = True, False
        if copy.mending is None and not self._ended:
            copy.mending = self._tasks.spawn(self._mend(copy), "a room is read anew")

    def apply(self, copy: Copy, room: Room, events: Collection[Event], names: Collection[str]) -> None:
        """The copy is one step further, of which everybody is told whom it is for; `names` have changed."""
        before, copy.room = copy.room, room
        copy.applied += 1
        copy.moved.set()
        if before is None:
            return
        closed = (before.disabled, before.closed_ms) != (room.disabled, room.closed_ms)
        copy.listeners.tell(room, events)
        copy.listeners.judge(room, None if closed else names)
        if lose(before, room, names):
            self._on_changed(room)

    def _follow(self, copy: Copy, news: News) -> None:
        if copy.room is None or not news.whole or news.sequence > copy.room.sequence + 1:
            self.distrust(copy)
        elif news.sequence == copy.room.sequence + 1:
            self.apply(copy, news.apply(copy.room), news.events, news.people.keys())

    async def _load(self, copy: Copy) -> StoreError | None:
        try:
            room = await self._read(copy)
        except StoreError as error:
            copy.away = isinstance(error, StoreUnavailable)
            if not copy.away and copy.key not in self._damaged:
                self._damaged.add(copy.key)
                _log.error("%s", error)
            copy.loading = None
            copy.heard.clear()
            copy.current = False
            if copy.room is None and copy.idle:
                self._copies.pop(copy.key, None)
            return error
        copy.loading, heard, copy.heard = None, copy.heard, []
        self._damaged.discard(copy.key)
        self._renew(copy, room)
        for news in heard:
            if copy.current:
                self._follow(copy, news)
        return None

    async def _read(self, copy: Copy) -> Room | None:
        while True:
            copy.again, applied = False, copy.applied
            async with self._reading:
                room, _ = await self._rooms.read(*copy.key)
            # What has come about while it was on its way, it may lack.
            if not copy.again and copy.applied == applied:
                return room

    def _renew(self, copy: Copy, room: Room | None) -> None:
        """The copy is as the room was read. Those who listen are told what has come about unseen."""
        before, copy.room = copy.room, room
        copy.current, copy.away = True, False
        copy.moved.set()
        if room is None:
            copy.listeners.judge(None)
            self._copies.pop(copy.key, None)
        elif before is None:
            copy.listeners.judge(room)
        else:
            copy.listeners.tell(room, compare(before, room))
            copy.listeners.judge(room)
            # Whatever the copy said before: who asked while it was read was told nothing.
            self._on_changed(room)

    async def _mend(self, copy: Copy) -> None:
        try:
            while not copy.current:
                try:
                    await self.load(copy)
                except StoreUnavailable:
                    await asyncio.sleep(_RETRY_S)
                except StoreError:
                    await asyncio.sleep(_DAMAGED_RETRY_S)
        finally:
            copy.mending = None
