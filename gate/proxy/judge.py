"""What becomes of a request: its credentials, what the store knows of them, and the decision.

For a session that this worker knows the whole way is synchronous, from the request to its Permit. The store is
asked where something must be looked up, opened or renewed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from gate.core.added import is_at_large
from gate.core.credentials import Carrier
from gate.core.decision import decide, locate, settle
from gate.core.keys import UnknownKey
from gate.core.policy import READING, Policy
from gate.core.reasons import Deny, Reason
from gate.core.session import Known
from gate.core.stream import Entry
from gate.core.ticket import Ticket
from gate.core.token import Token
from gate.core.verdicts import Admit, Ask, Issue, Opened, Outcome, Permit, Place
from gate.core.visit import Visit
from gate.core.writes import asks_ownership
from gate.errors import StoreUnavailable
from gate.formats import Reference
from gate.proxy.credentials import Credentials
from gate.proxy.entrance import PASSING, Entrance
from gate.proxy.known import Playbacks
from gate.proxy.ledger import Ledger
from gate.proxy.ownership import names_of
from gate.store.control import HEARTBEAT_S, Control
from gate.wire.record import Record

# How long the store's feed may be silent in peace: between two heartbeats, of which one may be late.
_PEACE_S: Final = 2 * HEARTBEAT_S


class Judge:
    """Judges requests. `streams` gives the added streams as they are known now, None while they are not."""

    def __init__(
        self,
        credentials: Credentials,
        ledger: Ledger,
        control: Control,
        playbacks: Playbacks,
        streams: Callable[[], Mapping[str, Entry] | None],
        entrance: Entrance,
    ) -> None:
        self._credentials = credentials
        self._ledger = ledger
        self._control = control
        self._playbacks = playbacks
        self._added = streams
        self._entrance = entrance

    async def judge(self, request: web.BaseRequest, policy: Policy, record: Record) -> Permit | Issue | Deny:
        """What becomes of the request: what is noted of it on the way is in its record. Raises StoreError."""
        ask = Ask(request.method, request.raw_path, request.headers, record.peer.address)
        place = locate(ask, policy)
        if policy.rpc is not None and self._added() is None and _may_be_added(place):
            return Deny(Reason.STORE_UNAVAILABLE, "which streams were added is not known yet")
        if isinstance(place, Deny):
            return place
        record.place = place
        if request.body_exists and request.method in READING:
            return Deny(Reason.BODY_NOT_ALLOWED)
        if (request.content_length or 0) > policy.limits.upload:
            return Deny(Reason.BODY_TOO_LARGE)
        silent_s = self._control.silent_s - _PEACE_S
        if place.guarded and silent_s > policy.sessions.outage_grace_s:
            # What was revoked meanwhile is not known here: after the grace nobody is let on.
            return Deny(Reason.STORE_UNAVAILABLE)
        ticket = self._credentials.ticket(place)
        if isinstance(ticket, Deny):
            if place.carrier is not Carrier.COOKIE or place.token is None:
                return ticket
            # An old cookie is no say against a token.
            ticket = None
        if ticket is not None:
            record.session = ticket.session
            place = self._credentials.vouched(place, ticket)
            if isinstance(place, Deny):
                return place
            if ticket.reference is not None:
                if ticket.referrer is not None and ticket.warrant is None:
                    ticket = replace(ticket, warrant=await self._ledger.warrant(ticket))
                ticket = await self._credentials.follow(ticket, place)
                if isinstance(ticket, Deny):
                    return ticket
        token = self._credentials.token(place, ask.address)
        if isinstance(token, UnknownKey):
            token = await self._credentials.late_token(place, token, ticket)
        elif isinstance(token, Reference):
            token = await self._credentials.resolve(token, place.application, ask.address)
        if isinstance(token, Deny):
            return token
        visit = self._credentials.visit(place) if ticket is None else None
        if isinstance(visit, Deny):
            return visit
        if token is not None and token.warrant.room is not None:
            visit = None
        return await self._decide(request, ask, place, token, ticket, visit)

    async def _decide(
        self,
        request: web.BaseRequest,
        ask: Ask,
        place: Place,
        token: Token | None,
        ticket: Ticket | None,
        visit: Visit | None,
    ) -> Permit | Issue | Deny:
        ledger, now = self._ledger, time.time()
        known, warrant = None, None
        if ticket is not None:
            known = self._playbacks.find(ticket.session, place.client)
            over = ticket.ends_at is not None and ticket.ends_at <= now
            if known is None and over and ticket.subject is not None:
                # Another gate may have renewed it; only a subject's session can be.
                ticket = await ledger.revive(ticket)
            if ticket.warrant is None:
                ticket = replace(ticket, warrant=await ledger.warrant(ticket))
            warrant = ticket.warrant
        elif token is not None and visit is not None:
            known = self._playbacks.find(visit.session_of(token), place.client)
            warrant = token.warrant
        elif token is not None:
            known = self._playbacks.find_by_token(token.id, place.client)
            warrant = token.warrant
        owned, application = False, place.application
        session = ticket.session if ticket is not None else known.session if known is not None else None
        owner = session if visit is None else visit.name
        if owner and application and warrant is not None and asks_ownership(place, warrant):
            owned = await ledger.owns(application.name, names_of(place), owner)
        verdict = await self._settle(request, ask, place, token, ticket, known, visit, owned)
        if ticket is None and known is not None and isinstance(verdict, Deny) and verdict.reason in PASSING:
            # The session that this worker knew is over in its room: the token may be in by another one.
            self._playbacks.drop(known.session, place.client)
            verdict = await self._settle(request, ask, place, token, ticket, None, visit, owned)
        return verdict

    async def _settle(
        self,
        request: web.BaseRequest,
        ask: Ask,
        place: Place,
        token: Token | None,
        ticket: Ticket | None,
        known: Known | None,
        visit: Visit | None,
        owned: bool,
    ) -> Permit | Issue | Deny:
        revoked, now = self._control.revoked, time.time()
        verdict: Permit | Admit | Issue | Deny = decide(
            ask, place, token, ticket, known, revoked, now, owned=owned, visit=visit
        )
        if isinstance(verdict, Admit):
            facts = facts_of(ask.address, request, place, verdict.opening.token.subject)
            verdict = settle(verdict, await self._open(verdict, facts))
        elif isinstance(verdict, Permit) and verdict.renew is not None:
            verdict = await self._renew(verdict)
        if isinstance(verdict, Permit) and verdict.room is not None:
            facts = facts_of(ask.address, request, place, None)
            return await self._entrance.enter(verdict, request.headers, facts)
        return verdict

    async def _open(self, admit: Admit, facts: dict[str, str]) -> Outcome:
        opening, permit, ledger = admit.opening, admit.permit, self._ledger
        if permit.room is not None:
            await self._entrance.know(permit)
        outcome = await ledger.open(opening, facts)
        if isinstance(outcome, Opened) and self._entrance.is_over(permit, outcome.session):
            await ledger.close(outcome.session, opening.token.owner)
            outcome = await ledger.open(opening, facts)
        if isinstance(outcome, Opened):
            return self._entrance.settle(permit, outcome, opening.token.id)
        return outcome

    async def _renew(self, permit: Permit) -> Permit:
        if permit.renew is None:
            return permit
        try:
            outcome = await self._ledger.extend(permit.renew)
        except StoreUnavailable:
            # It goes on as it was; the token comes again with the next request.
            return permit
        if isinstance(outcome, Opened):
            return replace(permit, ends_at=outcome.ends_at, renewed_by=permit.renew.token.id)
        return permit


def _may_be_added(place: Place | Deny) -> bool:
    """Whether an added stream could say otherwise of a request. Who has a session link was judged by them."""
    if isinstance(place, Deny):
        return place.reason is Reason.NOT_SERVED
    return place.ticket is None and is_at_large(place.rule, place.target.segments)


def facts_of(address: str, request: web.BaseRequest, place: Place, subject: str | None) -> dict[str, str]:
    """What is kept beside a session for those who list sessions: short, and never a credential."""
    facts = {
        "application": place.application.name if place.application else "",
        "resource": shorten(place.facts.resource, 256),
        "client": place.client,
        "address": address[:64],
        "agent": shorten(request.headers.get("User-Agent", ""), 128),
    }
    if subject is not None:
        facts["subject"] = shorten(subject, 256)
    return facts


def shorten(text: str, most: int) -> str:
    """The beginning of `text`, such that it can be written: a header may hold what is no text."""
    return text[:most].encode("utf-8", "replace").decode("utf-8")
