"""The store as the gatekeeper uses it: calls that a client's leaving cannot cancel, and what an outage means.

A call runs in a task of its own: a client that leaves must not cancel it between counting and noting. While
the store is out of reach, a playback that is running goes on for the policy's grace, also one that this
worker sees for the first time: its ticket is older than an opening lasts, so it was playing somewhere. Such a
playback is confirmed when the store is back, and cut where it has no place. After an outage the leases of
what is playing are renewed before anything new is opened, so that nobody takes their places.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
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
from gate.store.control import Control
from gate.store.sessions import Facts, Sessions
from gate.wire.metrics import Metrics

_log: Final = logging.getLogger("gate.proxy")
T = TypeVar("T")


class Ledger:
    """Openings, commits, renewals and ownership. Methods raise StoreError where no outage rule helps."""

    def __init__(
        self,
        policy: Callable[[], Policy],
        sessions: Sessions,
        control: Control,
        playbacks: Playbacks,
        metrics: Metrics,
    ) -> None:
        self._policy = policy
        self._sessions = sessions
        self._control = control
        self._playbacks = playbacks
        self._metrics = metrics
        size = policy().limits.tokens_cached
        self._warrants: Recent[Warrant] = Recent(size)
        self._owned: Recent[bool] = Recent(size)
        self._calls: set[asyncio.Task[Any]] = set()
        self._outage = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Leases are renewed from now on, a dozen times in the time after which they would lapse."""
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
        try:
            if self._outage:
                await self._call("renew", self.renew())
            return await self._call("open", self._sessions.open(opening, facts))
        except StoreUnavailable:
            self._outage = True
            rules = self._policy().sessions
            if not rules.outage_admits or opening.resume is Resume.ONLY:
                raise
            now = time.time()
            ends = [end for end in (opening.until_s, opening.usage_s and now + opening.usage_s) if end]
            session = session_id(opening.token.owner, int(now * 1000), secrets.token_bytes(8))
            return Opened(session, now, min(ends, default=None))

    async def commit(self, permit: Permit, on_limit: OnLimit, facts: Facts) -> tuple[Permit | Deny, bool]:
        """The permit's session counts from now on; tells too whether this was its very first commit."""
        ticket, client = permit.commit, permit.place.client
        if ticket is None:
            return permit, False
        try:
            outcome = await self._call("commit", self._sessions.commit(ticket, client, on_limit, facts))
        except StoreUnavailable:
            self._outage = True
            if not self._runs(ticket):
                raise
            self._playbacks.add(ticket, client, ticket.ends_at, confirmed=False)
            return confirm(permit, Opened(ticket.session, ticket.opened_at, ticket.ends_at)), False
        return await self._take(permit, ticket, outcome)

    def give_back(self, ticket: Ticket, client: str) -> None:
        """Undoes a first commit of which no byte was sent, in the background."""
        self._playbacks.drop(ticket.session, client)
        self._start("give_back", self._sessions.give_back(ticket, client))

    async def extend(self, renewal: Renewal) -> Outcome:
        """A session lives on with a fresh token; every gate hears of it."""
        outcome = await self._call("extend", self._sessions.extend(renewal))
        if isinstance(outcome, Opened):
            told = self._control.tell_renewed(outcome.session, outcome.ends_at, renewal.token.id)
            await self._call("tell", told)
        return outcome

    async def revive(self, ticket: Ticket) -> Ticket:
        """The ticket with the end that a renewal gave its session since."""
        life = await self._call("life", self._sessions.life(ticket))
        return ticket if life is None else replace(ticket, ends_at=life[0])

    async def warrant(self, ticket: Ticket) -> Warrant | None:
        """The warrant that was too long for the ticket."""
        warrant = self._warrants.get(ticket.application, ticket.token)
        if warrant is None:
            warrant = await self._call("warrant", self._sessions.warrant(ticket))
            if warrant is not None:
                self._warrants.put(ticket.application, ticket.token, warrant)
        return warrant

    async def owns(self, application: str, resource: str, visit: str) -> bool:
        """Whether the visit owns the object. A yes is remembered: it ends with the object only."""
        name = f"{application}\0{visit}"
        if self._owned.get(name, resource) is None:
            if await self._call("owner", self._sessions.owner(application, resource)) != visit:
                return False
            self._owned.put(name, resource, True)
        return True

    async def own(self, permit: Permit, resource: str) -> None:
        """The permit's session owns what it has created, if nobody does. Acknowledged when this returns."""
        application = permit.place.application
        if application is not None and permit.session is not None:
            call = self._sessions.own(application.name, resource, permit.session, permit.ends_at)
            await self._call("own", call)

    async def disown(self, permit: Permit) -> None:
        """What the permit destroyed is nobody's any more."""
        application = permit.place.application
        if application is not None:
            self._owned.clear()
            resource = permit.place.facts.resource
            await self._call("disown", self._sessions.disown(application.name, resource))

    async def renew(self) -> None:
        """Leases are renewed, and what went on unconfirmed in an outage is committed, or ended."""
        await self._playbacks.renew()
        for ticket, client in self._playbacks.unconfirmed():
            application = self._policy().applications.get(ticket.application)
            on_limit = OnLimit.REJECT if application is None else application.on_limit
            facts = {"application": ticket.application, "client": client}
            outcome = await self._sessions.commit(ticket, client, on_limit, facts)
            self._playbacks.drop(ticket.session, client)
            if isinstance(outcome, Refused):
                await self._control.tell_lost(ticket.session, client)
            else:
                self._playbacks.add(ticket, client, outcome.ends_at)
        self._outage = False

    async def _renew_often(self) -> None:
        while True:
            await asyncio.sleep(self._policy().sessions.idle_s / 12)
            try:
                await self.renew()
            except StoreError as error:
                if not self._outage:
                    _log.warning("leases cannot be renewed: %s", error)
                self._outage = True

    async def _take(self, permit: Permit, ticket: Ticket, outcome: Outcome) -> tuple[Permit | Deny, bool]:
        confirmed = confirm(permit, outcome)
        if isinstance(outcome, Refused) or isinstance(confirmed, Deny):
            return confirmed, False
        self._playbacks.add(ticket, permit.place.client, outcome.ends_at)
        for session, client in outcome.lost:
            await self._call("tell", self._control.tell_lost(session, client))
        return replace(confirmed, ends_at=outcome.ends_at), outcome.first

    def _runs(self, ticket: Ticket) -> bool:
        """Whether, as far as can be known in an outage, the ticket's session was playing before it."""
        rules = self._policy().sessions
        return rules.outage_admits or time.time() - ticket.opened_at > rules.provisional_s

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
