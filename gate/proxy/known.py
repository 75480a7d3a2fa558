"""What one worker remembers: verified tokens, opened tickets, playbacks, and the responses that are running.

Nothing here is truth; all of it can be had again from texts and store. It is what makes the steady state
free: a segment of an open session asks nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gate.core.decision import Permit
from gate.core.revocation import Revocations
from gate.core.session import Known
from gate.core.ticket import Ticket
from gate.errors import StoreError
from gate.store.sessions import Playback, Sessions

_log: Final = logging.getLogger("gate.proxy")
V = TypeVar("V")


class Recent(Generic[V]):
    """A bounded memory by text: what was used least recently goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[str, str], V] = OrderedDict()

    def get(self, scope: str, text: str) -> V | None:
        value = self._kept.get((scope, text))
        if value is not None:
            self._kept.move_to_end((scope, text))
        return value

    def put(self, scope: str, text: str, value: V) -> None:
        self._kept[scope, text] = value
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(slots=True)
class _Playing:
    """A playback of this worker. Times are of the monotonic clock."""

    known: Known
    playback: Playback
    token: str
    used_at: float
    renewed_at: float
    running: int = 0


class Playbacks:
    """The playbacks that the store has given a lease, by (session, client); renewed in batches."""

    def __init__(self, sessions: Sessions, idle_s: float) -> None:
        self._sessions = sessions
        self._idle_s = idle_s
        self._playing: dict[tuple[str, str], _Playing] = {}
        self._by_token: dict[tuple[str, str], tuple[str, str]] = {}
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._playing)

    def start(self) -> None:
        self._task = asyncio.create_task(self._renew_often(), name="lease renewal")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def find(self, session: str, client: str) -> Known | None:
        """The session of a ticket, if this client plays it here; this counts as a use."""
        playing = self._playing.get((session, client))
        if playing is None:
            return None
        playing.used_at = time.monotonic()
        return playing.known

    def find_by_token(self, token: str, client: str) -> Known | None:
        """The session that this client last played with a token."""
        name = self._by_token.get((token, client))
        return None if name is None else self.find(*name)

    def add(self, ticket: Ticket, client: str) -> None:
        """The store has committed the ticket's session for this client."""
        now = time.monotonic()
        name = (ticket.session, client)
        playback = Playback(
            ticket.session, client, ticket.owner, ticket.max_concurrent is not None, ticket.ends_at is None
        )
        self._playing[name] = _Playing(Known(ticket.session, ticket.ends_at), playback, ticket.token, now, now)
        self._by_token[ticket.token, client] = name

    @contextmanager
    def running(self, session: str | None, client: str) -> Iterator[None]:
        """While inside, the playback has traffic."""
        playing = self._playing.get((session, client)) if session is not None else None
        if playing is None:
            yield
            return
        playing.running += 1
        try:
            yield
        finally:
            playing.running -= 1
            playing.used_at = time.monotonic()

    def drop(self, session: str, client: str) -> None:
        playing = self._playing.pop((session, client), None)
        if playing is not None and self._by_token.get((playing.token, client)) == (session, client):
            del self._by_token[playing.token, client]

    async def renew(self) -> None:
        """The leases of all that had traffic since the last time are renewed; the silent ones are forgotten."""
        now = time.monotonic()
        silent = [
            name
            for name, playing in self._playing.items()
            if not playing.running and now - playing.used_at > 2 * self._idle_s
        ]
        for name in silent:
            self.drop(*name)
        due = [
            playing
            for playing in self._playing.values()
            if playing.running or playing.used_at > playing.renewed_at
        ]
        lost = await self._sessions.renew(playing.playback for playing in due)
        for playing in due:
            playing.renewed_at = now
        for session, client in lost:
            self.drop(session, client)

    async def _renew_often(self) -> None:
        failing = False
        while True:
            await asyncio.sleep(self._idle_s / 4)
            try:
                await self.renew()
                failing = False
            except StoreError as error:
                if not failing:
                    _log.warning("leases cannot be renewed: %s", error)
                failing = True


@dataclass(slots=True, eq=False)
class _Running:
    permit: Permit
    cut: Callable[[], None]
    timer: asyncio.TimerHandle | None = None


class Responses:
    """The responses that are running, so that they end when what permits them does."""

    def __init__(self) -> None:
        self._running: set[_Running] = set()

    def __len__(self) -> int:
        return len(self._running)

    @contextmanager
    def watch(self, permit: Permit, cut: Callable[[], None]) -> Iterator[None]:
        """While inside, `cut` is called once the permit has ended or is revoked."""
        if permit.public:
            yield
            return
        running = _Running(permit, cut)
        if permit.ends_at is not None:
            delay_s = max(0.0, permit.ends_at - time.time())
            running.timer = asyncio.get_running_loop().call_later(delay_s, cut)
        self._running.add(running)
        try:
            yield
        finally:
            self._running.discard(running)
            if running.timer is not None:
                running.timer.cancel()

    def cut_revoked(self, revoked: Revocations) -> None:
        """Ends what new revocations cover."""
        for running in list(self._running):
            if is_revoked(running.permit, revoked):
                running.cut()


def is_revoked(permit: Permit, revoked: Revocations) -> bool:
    """Whether what permits a response has been revoked since."""
    application = permit.place.application
    return (
        application is not None
        and permit.token is not None
        and permit.owner is not None
        and revoked.cover(application.name, permit.token, permit.owner, permit.session, permit.issued_at)
    )
