"""The store as the gatekeeper uses it: calls that a client's leaving cannot cancel, and what an outage means.

A call runs in a task of its own: a client that leaves must not cancel it between counting and noting. While
the store is out of reach, a playback that is running goes on for the policy's grace, also one that this
worker sees for the first time: its ticket is older than an opening lasts, so it was playing somewhere. Such a
playback is confirmed when the store is back, and cut where it has no place. After an outage the leases of
what is playing are renewed before anything new is opened or counted, so that nobody takes their places.

An outage begins with the first call that fails, and ends when everything that was playing has been written
down. A store that answers but takes nothing down (it is full, or a replica) is away as well: what is read from
it and what its feed tells still hold.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, Final, TypeVar

from gate.core.decision import confirm
from gate.core.policy import OnLimit, Policy
from gate.core.reasons import Deny
from gate.core.session import Resume, session_id
from gate.core.ticket import Ticket
from gate.core.token import Warrant
from gate.core.verdicts import Opened, Opening, Outcome, Permit, Refused, Renewal
from gate.errors import StoreError, StoreUnavailable
from gate.proxy.known import Playbacks, Recent
from gate.store.authtokens import AuthTokens
from gate.store.control import Control
from gate.store.sessions import Facts, Sessions
from gate.wire.metrics import Metrics

_log: Final = logging.getLogger("gate.proxy")
# What plays unconfirmed is confirmed by so many calls at a time.
_AT_ONCE: Final = 32
_RETRY_S: Final = 1.0
T = TypeVar("T")


class Ledger:
    """Openings, commits, renewals and ownership. Methods raise StoreError where no outage rule helps."""

    def __init__(
        self,
        policy: Callable[[], Policy],
        sessions: Sessions,
        authtokens: AuthTokens,
        control: Control,
        playbacks: Playbacks,
        metrics: Metrics,
    ) -> None:
        self._policy = policy
        self._sessions = sessions
        self._authtokens = authtokens
        self._control = control
        self._playbacks = playbacks
        self._metrics = metrics
        size = policy().limits.tokens_cached
        self._warrants: Recent[Warrant] = Recent(size)
        self._owned: Recent[bool] = Recent(size)
        self._calls: set[asyncio.Task[Any]] = set()
        # When the store was first found away, in seconds of the monotonic clock.
        self._away_since: float | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def away_s(self) -> float:
        """For how long the store has taken nothing down, in seconds; 0 in peace."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    def start(self, *, reachable: bool = True) -> None:
        """Leases are renewed from now on, a dozen times in the time after which they would lapse."""
        if not reachable:
            self._miss()
        self._task = asyncio.create_task(self._renew_often(), name="lease renewal")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.drain()

    async def drain(self) -> None:
        """Calls that are under way have ended."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def open(self, opening: Opening, facts: Facts) -> Outcome:
        """Opens or resumes a session."""
        token = opening.token
        if opening.resume is not Resume.ONLY:
            self._warrants.put(token.application, token.warrant_id, token.warrant)
        try:
            await self._recover()
            return await self._call("open", self._sessions.open(opening, facts))
        except StoreUnavailable:
            self._miss()
            if not (self._policy().sessions.outage_admits and self._in_grace) or opening.resume is Resume.ONLY:
                raise
            now = time.time()
            ends = [end for end in (opening.until_s, opening.usage_s and now + opening.usage_s) if end]
            session = opening.session or session_id(token.owner, int(now * 1000), secrets.token_bytes(8))
            return Opened(session, now, min(ends, default=None))

    async def commit(self, permit: Permit, on_limit: OnLimit, facts: Facts) -> tuple[Permit | Deny, bool]:
        """The permit's session counts from now on; tells too whether this was its very first commit.

        Where the client leaves before the store has answered, a first commit is given back.
        """
        ticket, client = permit.commit, permit.place.client
        if ticket is None:
            return permit, False
        left = asyncio.Event()
        try:
            await self._recover()
            outcome = await self._call("commit", self._commit(ticket, client, on_limit, facts, left))
        except StoreUnavailable:
            self._miss()
            if not self._runs(ticket):
                raise
            self._playbacks.add(ticket, client, ticket.ends_at, confirmed=False)
            return confirm(permit, Opened(ticket.session, ticket.opened_at, ticket.ends_at)), False
        except asyncio.CancelledError:
            left.set()
            raise
        confirmed = confirm(permit, outcome)
        if isinstance(outcome, Refused) or isinstance(confirmed, Deny):
            return confirmed, False
        return replace(confirmed, ends_at=outcome.ends_at, renewed_by=outcome.renewed_by), outcome.first

    async def count(self, ticket: Ticket, client: str, on_limit: OnLimit, facts: Facts) -> Deny | None:
        """The ticket's session counts from now on, for this client, though nothing of it is served yet."""
        try:
            await self._recover()
            call = self._commit(ticket, client, on_limit, facts, asyncio.Event())
            outcome = await self._call("commit", call)
        except StoreUnavailable:
            self._miss()
            raise
        return Deny(outcome.reason) if isinstance(outcome, Refused) else None

    async def close(self, session: str, owner: str) -> None:
        """The session is resumed by nobody any more."""
        await self._call("close", self._sessions.close(session, owner))

    def give_back(self, ticket: Ticket, client: str) -> None:
        """Undoes a first commit of which no byte was sent, in the background.

        Not where more was asked for since: then something else of it may have been sent.
        """
        if self._playbacks.drop_unused(ticket.session, client):
            self._start("give_back", self._sessions.give_back(ticket, client))

    async def extend(self, renewal: Renewal) -> Outcome:
        """A session lives on with a fresh token; every gate hears of it."""
        outcome = await self._call("extend", self._sessions.extend(renewal))
        if isinstance(outcome, Opened):
            told = self._control.tell_renewed(outcome.session, outcome.ends_at, renewal.token.id)
            await self._call("tell", told)
        return outcome

    async def revive(self, ticket: Ticket) -> Ticket:
        """The ticket with the end that a renewal gave its session since, unless what renewed it was revoked."""
        life = await self._call("life", self._sessions.life(ticket))
        if life is None:
            return ticket
        ends_at, token = life
        revoked = self._control.revoked
        if token is not None and revoked.cover(
            ticket.application, token, ticket.owner, ticket.session, ticket.issued_at
        ):
            return ticket
        return replace(ticket, ends_at=ends_at)

    async def warrant(self, ticket: Ticket) -> Warrant | None:
        """The warrant that was too long for the ticket."""
        warrant = self._warrants.get(ticket.application, ticket.warrant_id)
        if warrant is None:
            warrant = await self._call("warrant", self._sessions.warrant(ticket))
            if warrant is not None:
                self._warrants.put(ticket.application, ticket.warrant_id, warrant)
        return warrant

    async def owns(self, application: str, names: Iterable[str], visit: str) -> bool:
        """Whether the visit owns an object, which has several names.

        The store is asked each time: another gate may have destroyed the object, and its name may be another's.
        What was its answer before holds only while it is away.
        """
        names, whose = tuple(names), f"{application}\0{visit}"
        for name in names:
            try:
                owner = await self._call("owner", self._sessions.owner(application, name))
            except StoreUnavailable:
                if not any(self._owned.get(whose, each) for each in names):
                    raise
                return True
            if owner == visit:
                self._owned.put(whose, name, True)
                return True
            self._owned.drop(whose, name)
        return False

    async def own(self, permit: Permit, name: str) -> None:
        """The permit's page session, or its session, owns what it has created, if nobody does.

        Acknowledged when this returns.
        """
        application, owner = permit.place.application, permit.visit or permit.session
        if application is not None and owner is not None:
            call = self._sessions.own(application.name, name, owner, permit.ends_at)
            await self._call("own", call)

    async def disown(self, permit: Permit, names: Iterable[str]) -> None:
        """What the permit destroyed is nobody's any more."""
        application = permit.place.application
        if application is not None:
            self._owned.clear()
            for name in names:
                await self._call("disown", self._sessions.disown(application.name, name))

    async def drop_resource(self, application: str, resource: str, grace_s: float) -> None:
        """No volatile server-side token names what is gone."""
        await self._call(
            "drop_resource", self._authtokens.drop_resource(application, resource, grace_s=grace_s)
        )

    async def renew(self) -> None:
        """Leases are renewed, and what went on unconfirmed in an outage is committed, or ended.

        Whoever asks while this is under way waits for the same.
        """
        if self._renewing is None or self._renewing.done():
            self._renewing = self._start("renew", self._renew())
        await asyncio.shield(self._renewing)

    async def _renew(self) -> None:
        asked = await self._playbacks.renew(anew=self._away_since is not None)
        waiting = self._playbacks.unconfirmed()
        for at in range(0, len(waiting), _AT_ONCE):
            batch = waiting[at : at + _AT_ONCE]
            answers = await asyncio.gather(*(self._confirm(*one) for one in batch), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
        if self._away_since is not None:
            if not (asked or waiting):
                # Nothing was playing that would tell whether the store takes anything down again.
                await self._sessions.probe()
            _log.warning("the store takes everything down again, after %.1f s", self.away_s)
            self._away_since = None

    async def _confirm(self, ticket: Ticket, client: str, silent_s: float) -> None:
        application = self._policy().applications.get(ticket.application)
        on_limit = OnLimit.REJECT if application is None else application.on_limit
        facts = {"application": ticket.application, "client": client}
        try:
            outcome = await self._sessions.commit(ticket, client, on_limit, facts, silent_s=silent_s)
        except StoreUnavailable:
            raise
        except StoreError as error:
            # What cannot be counted has no place; and it must not keep the others from theirs.
            _log.warning("session %s is lost: %s", ticket.session, error)
            self._playbacks.lose(ticket.session, client)
            return
        if isinstance(outcome, Refused):
            await self._lose(ticket.session, client)
        else:
            self._playbacks.confirm(ticket.session, client, outcome.ends_at)
            await self._lose_all(outcome)

    async def _commit(
        self, ticket: Ticket, client: str, on_limit: OnLimit, facts: Facts, left: asyncio.Event
    ) -> Outcome:
        outcome = await self._sessions.commit(ticket, client, on_limit, facts)
        if isinstance(outcome, Opened):
            if left.is_set() and outcome.first:
                await self._sessions.give_back(ticket, client)
            else:
                resource = facts.get("resource", "")
                self._playbacks.add(
                    ticket, client, outcome.ends_at, token=outcome.renewed_by, resource=resource
                )
            await self._lose_all(outcome)
        return outcome

    async def _lose_all(self, outcome: Opened) -> None:
        for session, client in outcome.lost:
            await self._lose(session, client)

    async def _lose(self, session: str, client: str) -> None:
        self._playbacks.lose(session, client)
        try:
            await self._control.tell_lost(session, client)
        except StoreError as error:
            # Whoever plays it elsewhere learns it when its lease is to be renewed.
            _log.warning("that a playback has lost its place cannot be told: %s", error)

    async def _recover(self) -> None:
        """After an outage, what plays is written down before anything else. Raises StoreUnavailable."""
        if self._away_since is not None:
            try:
                await self._call("renew", self.renew())
            except StoreUnavailable:
                raise
            except StoreError as error:
                # A playback whose keys are damaged must not keep everybody else out.
                _log.warning("leases cannot be renewed: %s", error)

    async def _renew_often(self) -> None:
        while True:
            often_s = self._policy().sessions.idle_s / 12
            await asyncio.sleep(often_s if self._away_since is None else min(often_s, _RETRY_S))
            try:
                await self.renew()
            except StoreUnavailable as error:
                if self._away_since is None:
                    _log.warning("leases cannot be renewed: %s", error)
                self._miss()
            except StoreError as error:
                _log.warning("leases cannot be renewed: %s", error)

    def _miss(self) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()

    @property
    def _in_grace(self) -> bool:
        return self.away_s <= self._policy().sessions.outage_grace_s

    def _runs(self, ticket: Ticket) -> bool:
        """Whether, as far as can be known in an outage, the ticket's session was playing before it."""
        rules = self._policy().sessions
        return self._in_grace and (rules.outage_admits or time.time() - ticket.opened_at > rules.provisional_s)

    async def _call(self, name: str, call: Coroutine[Any, Any, T]) -> T:
        task = self._start(name, call)
        with self._metrics.store_seconds.labels(name).time():
            try:
                return await asyncio.shield(task)
            except StoreError:
                self._metrics.store_failures.inc()
                raise

    def _start(self, name: str, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(call, name=f"store {name}")
        self._calls.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Whoever asked has been told; where they have left, nobody needs to be.
            _log.debug("a store call failed: %s", task.exception())
