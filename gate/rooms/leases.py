"""Who is there: the leases of those who are heard of are renewed, and what is due of others happens.

After an outage, and at the start, no lease lapses for a while: nobody could be heard of, and those who are
there are heard of first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from gate.errors import StoreError
from gate.rooms.listeners import Seat
from gate.store.rooms import Rooms

TICK_S: Final = 0.5
_SHORTEST_S: Final = 0.5
_LONGEST_S: Final = 10.0
_AT_ONCE: Final = 200
_log: Final = logging.getLogger("gate.rooms")


class Leases:
    """Renews and reaps, while it runs."""

    def __init__(
        self,
        rooms: Rooms,
        idle_s: float,
        *,
        listening: Callable[[], Iterable[Seat]],
        due_ms: Callable[[Seat], int | None],
        lapse: Callable[[str, str, str], Awaitable[None]],
        sweep: Callable[[], None],
        wanted: Callable[[], bool],
    ) -> None:
        """`listening` are those who are there without being seen. `due_ms` says until when a seat may last at
        the most (0: no end), or None for one that is not renewed. `lapse` is called with who is due, `sweep`
        now and then. Nothing is asked of the store while rooms are not `wanted`."""
        self._rooms = rooms
        self._idle_s = idle_s
        self._period_s = min(max(idle_s / 6, _SHORTEST_S), _LONGEST_S)
        self._listening, self._due_ms, self._lapse, self._sweep = listening, due_ms, lapse, sweep
        self._wanted = wanted
        self._seen: set[Seat] = set()
        self._renewed_at = self._reaps_at = self._ticked_at = 0.0
        self._away = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._rest()
        self._task = asyncio.create_task(self._run(), name="leases of rooms")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def see(self, seat: Seat) -> None:
        """The seat is renewed with the next batch."""
        self._seen.add(seat)

    def _rest(self) -> None:
        self._ticked_at = time.monotonic()
        self._renewed_at = 0.0
        self._reaps_at = self._ticked_at + 2 * self._period_s

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._tick()
            except StoreError as error:
                if not self._away:
                    _log.warning("who is in rooms cannot be kept up to date: %s", error)
                self._away = True
            else:
                if self._away:
                    _log.warning("who is in rooms is kept up to date again")
                self._away = False

    async def _tick(self) -> None:
        late_s = time.monotonic() - self._ticked_at - TICK_S
        if self._away or late_s > self._idle_s / 2:
            # Perhaps nobody could be heard of for as long.
            self._rest()
        self._ticked_at = time.monotonic()
        if not self._wanted():
            return
        if self._ticked_at - self._renewed_at >= self._period_s - TICK_S / 2:
            self._sweep()
            await self._renew()
            self._renewed_at = self._ticked_at
        while True:
            due = await self._rooms.due(_AT_ONCE, leases=time.monotonic() >= self._reaps_at)
            for fault in await asyncio.gather(*(self._lapse(*seat) for seat in due), return_exceptions=True):
                if fault is not None:
                    _log.error("what is due of a participant cannot happen: %r", fault)
            if len(due) < _AT_ONCE:
                break

    async def _renew(self) -> None:
        seen, self._seen = self._seen, set()
        done = False
        try:
            seats = []
            for seat in seen.union(self._listening()):
                if (due_ms := self._due_ms(seat)) is not None:
                    seats.append((seat.application, seat.room, seat.participant, due_ms))
            await self._rooms.renew(seats, round(self._idle_s * 1000))
            done = True
        finally:
            if not done:
                self._seen |= seen
