"""What one worker remembers: verified tokens, opened tickets, playbacks, and the responses that are running.

Nothing here is truth; all of it can be had again from texts and store. It is what makes the steady state
free: a segment of an open session asks nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from gate.core.added import goes_on, uid_at
from gate.core.policy import Policy
from gate.core.reasons import Deny
from gate.core.revocation import Revocations
from gate.core.session import Known
from gate.core.ticket import Ticket
from gate.core.verdicts import Permit
from gate.store.sessions import Playback, Sessions

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

    def drop(self, scope: str, text: str) -> None:
        self._kept.pop((scope, text), None)

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
    ticket: Ticket
    used_at: float
    renewed_at: float
    running: int = 0
    # Whether it was asked for again since the store committed it.
    found: bool = False
    # Whether the store has given it a lease, as far as is known here.
    confirmed: bool = True
    # What it watches, and what the store knows of that.
    resource: str = ""
    told: str = ""

    def silent_s(self, now: float) -> float:
        return 0.0 if self.running else now - self.used_at

    def heard(self, resource: str, silent_s: float) -> Playback:
        """What the store is told at a renewal."""
        if resource == self.told and not silent_s:
            return self.playback
        return replace(self.playback, resource="" if resource == self.told else resource, silent_s=silent_s)


class Playbacks:
    """The playbacks that the store has given a lease, by (session, client); renewed in batches."""

    def __init__(self, sessions: Sessions, idle_s: float, on_lost: Callable[[str, str], None]) -> None:
        """`on_lost` is told of a playback (session, client) whose place another has taken."""
        self._sessions = sessions
        self._on_lost = on_lost
        self._idle_s = idle_s
        self._playing: dict[tuple[str, str], _Playing] = {}
        self._by_token: dict[tuple[str, str], tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self._playing)

    @property
    def sessions(self) -> int:
        """How many sessions they are of."""
        return len({session for session, _ in self._playing})

    def find(self, session: str, client: str) -> Known | None:
        """The session of a ticket, if this client plays it here; this counts as a use."""
        playing = self._playing.get((session, client))
        if playing is None:
            return None
        playing.used_at = time.monotonic()
        playing.found = True
        return playing.known

    def find_by_token(self, token: str, client: str) -> Known | None:
        """The session that this client last played with a token."""
        name = self._by_token.get((token, client))
        return None if name is None else self.find(*name)

    def add(
        self,
        ticket: Ticket,
        client: str,
        ends_at: float | None,
        *,
        confirmed: bool = True,
        token: str | None = None,
        resource: str = "",
    ) -> None:
        """The store has committed the ticket's session for this client, or will when it is back.

        `token` is the one that has renewed the session, if any; `resource` is what the store was told that
        the playback watches.
        """
        now = time.monotonic()
        name = (ticket.session, client)
        limited, endless = ticket.max_concurrent is not None, ends_at is None
        playback = Playback(ticket.session, client, ticket.owner, limited, endless)
        known = Known(ticket.session, ends_at, token)
        playing = _Playing(
            *(known, playback, ticket.token, ticket, now, now),
            confirmed=confirmed,
            resource=resource,
            told=resource,
        )
        if (before := self._playing.get(name)) is not None:
            # Two first requests at once: what runs of the one is traffic of the other.
            before.known, before.playback, before.used_at, before.found = known, playback, now, True
            before.confirmed = before.confirmed or confirmed
            before.told = resource
        else:
            self._playing[name] = playing
        self._by_token[ticket.token, client] = name

    def extend(self, session: str, ends_at: float | None, token: str) -> None:
        """The session lives on with a fresh token."""
        for name, playing in self._playing.items():
            if name[0] == session:
                playing.known = Known(session, ends_at, token)
                playing.playback = replace(playing.playback, endless=ends_at is None)

    def unconfirmed(self) -> list[tuple[Ticket, str, float]]:
        """What plays without the store's yes, because it was out of reach; and how long it is silent, in s."""
        now = time.monotonic()
        return [
            (playing.ticket, client, playing.silent_s(now))
            for (_, client), playing in self._playing.items()
            if not playing.confirmed
        ]

    def confirm(self, session: str, client: str, ends_at: float | None) -> None:
        """The store has committed what played without its yes."""
        playing = self._playing.get((session, client))
        if playing is not None:
            playing.confirmed = True
            if playing.known.token is None:
                playing.known = Known(session, ends_at)

    def lose(self, session: str, client: str) -> None:
        """The playback has no place any more, and what runs of it ends."""
        self.drop(session, client)
        self._on_lost(session, client)

    def drop_unused(self, session: str, client: str) -> bool:
        """The playback is forgotten, if nothing was asked for since it was committed; tells whether it is."""
        playing = self._playing.get((session, client))
        if playing is None or playing.found:
            return False
        self.drop(session, client)
        return True

    @contextmanager
    def running(self, session: str | None, client: str, resource: str = "") -> Iterator[None]:
        """While inside, the playback has traffic; `resource` is what it watches, where that is known."""
        playing = self._playing.get((session, client)) if session is not None else None
        if playing is None:
            yield
            return
        playing.running += 1
        playing.resource = resource or playing.resource
        try:
            yield
        finally:
            playing.running -= 1
            playing.used_at = time.monotonic()

    def drop(self, session: str, client: str) -> None:
        playing = self._playing.pop((session, client), None)
        if playing is not None and self._by_token.get((playing.token, client)) == (session, client):
            del self._by_token[playing.token, client]

    async def renew(self, *, anew: bool = False) -> bool:
        """The leases of all that had traffic since the last time are renewed; the silent ones are forgotten.

        A playback whose place another has taken is lost; with `anew`, after an outage in which its lease may
        just have lapsed, it is unconfirmed instead. What is unconfirmed is kept until the store has counted it.
        Then a lease is as old as the traffic that it is for, too: who has moved to another device in the outage
        is not kept out by the one that was left. Tells whether the store was asked for anything.
        """
        now = time.monotonic()
        silent = [
            name
            for name, playing in self._playing.items()
            if playing.confirmed and not playing.running and now - playing.used_at > 2 * self._idle_s
        ]
        for name in silent:
            self.drop(*name)
        due = [
            playing
            for playing in self._playing.values()
            if playing.confirmed and (playing.running or playing.used_at > playing.renewed_at)
        ]
        watched = [playing.resource for playing in due]
        lost = await self._sessions.renew(
            playing.heard(resource, playing.silent_s(now) if anew else 0.0)
            for playing, resource in zip(due, watched, strict=True)
        )
        for playing, resource in zip(due, watched, strict=True):
            playing.renewed_at, playing.told = now, resource
        for name in lost:
            if anew and name in self._playing:
                self._playing[name].confirmed = False
            else:
                self.lose(*name)
        return bool(due)


@dataclass(slots=True, eq=False)
class _Running:
    permit: Permit
    cut: Callable[[], None]
    timer: asyncio.TimerHandle | None = None

    def end_at(self, ends_at: float | None) -> None:
        """The response is cut at Unix time `ends_at` (None: never), or where its window ends before that."""
        self.stop()
        remains = self.permit.remains
        ends = [end for end in (ends_at, None if remains is None else remains.until) if end is not None]
        if ends:
            delay_s = max(0.0, min(ends) - time.time())
            self.timer = asyncio.get_running_loop().call_later(delay_s, self.cut)

    def stop(self) -> None:
        """Time cuts it no more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Responses:
    """The responses that are running, so that they end when what permits them does."""

    def __init__(self) -> None:
        self._running: set[_Running] = set()

    def __len__(self) -> int:
        """How many are not for everybody."""
        return sum(not running.permit.public for running in self._running)

    @contextmanager
    def watch(self, permit: Permit, cut: Callable[[], None]) -> Iterator[None]:
        """While inside, `cut` is called once the permit has ended, is revoked, or has lost its place, and where
        the stream that is watched is closed."""
        running = _Running(permit, cut)
        running.end_at(permit.ends_at)
        self._running.add(running)
        try:
            yield
        finally:
            self._running.discard(running)
            running.stop()

    def cut_revoked(self, revoked: Revocations) -> None:
        """Ends what new revocations cover."""
        for running in list(self._running):
            if is_revoked(running.permit, revoked):
                running.cut()

    def cut_streams(self, uids: frozenset[str], policy: Policy) -> None:
        """Ends what runs of these added streams, new, changed or gone, where `policy` serves it otherwise.

        Who is cut and may still watch comes again.
        """
        for running in list(self._running):
            place = running.permit.place
            if uid_at(place.target.segments) in uids:
                matched = policy.match(place.target)
                if not goes_on(place.rule, None if matched is None else matched[0]):
                    running.cut()

    def cut_room(self, application: str, room: str, check: Callable[[Permit], Deny | None]) -> None:
        """Ends what runs of this room's tracks and `check` refuses now."""
        for running in list(self._running):
            place = running.permit.place
            track, of = place.facts.track, place.application
            there = track is not None and track.room == room and of is not None and of.name == application
            if there and check(running.permit) is not None:
                running.cut()

    def cut_playback(self, session: str, client: str) -> None:
        """Ends what runs of a playback that has lost its place."""
        for running in list(self._running):
            if running.permit.session == session and running.permit.place.client == client:
                running.cut()

    def extend(self, session: str, ends_at: float | None, token: str | None) -> None:
        """What runs of the session may run until its new end, and no longer than the token that renewed it."""
        for running in self._running:
            if running.permit.session == session:
                running.permit = replace(running.permit, renewed_by=token)
                running.end_at(ends_at)


def is_revoked(permit: Permit, revoked: Revocations) -> bool:
    """Whether what permits a response has been revoked since."""
    application = permit.place.application
    return (
        application is not None
        and permit.token is not None
        and permit.owner is not None
        and any(
            revoked.cover(application.name, token, permit.owner, permit.session, permit.issued_at)
            for token in (permit.token, permit.renewed_by)
            if token is not None
        )
    )
