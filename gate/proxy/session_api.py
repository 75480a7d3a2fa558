"""Opening and renewing a session without a redirect: for uploads, which cannot follow one, and for pages.

    POST <prefix>                    with a token: 201, Location is the session link
    POST <prefix><ticket>/renew      with a fresh token of the same subject: the session lives on. Where the
                                     fresh token says something else, the link is that of a session of its
                                     own: else the old link would give for longer what that token does not

Both answer JSON: ``{"link": "/_s/<ticket>", "session": ..., "ends_at": Unix seconds or null}``.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import replace

from aiohttp import web

from gate.core.checks import check_token
from gate.core.credentials import find_token
from gate.core.keys import UnknownKey
from gate.core.life import life_of, renew, says_the_same, ticket_of
from gate.core.policy import Application, Policy
from gate.core.reasons import Deny, Reason
from gate.core.session import Resume, client_key, page_key
from gate.core.target import Target, parse_target
from gate.core.ticket import Ticket
from gate.core.token import Token, digest
from gate.core.verdicts import Opening, Refused
from gate.formats import Reference
from gate.proxy.credentials import Credentials
from gate.proxy.ledger import Ledger
from gate.proxy.published import PublishedKeys
from gate.store.control import Control
from gate.wire.answers import Answer, Fields, opened
from gate.wire.record import Record


class SessionApi:
    """Answers POST requests at the prefix of session links."""

    def __init__(self, ledger: Ledger, control: Control, keys: PublishedKeys, credentials: Credentials) -> None:
        self._ledger = ledger
        self._control = control
        self._keys = keys
        self._credentials = credentials

    def find(self, request: web.BaseRequest, policy: Policy) -> Target | None:
        """The target of a request that is for this, None for any other."""
        if request.method != "POST" or not request.raw_path.startswith(policy.sessions.prefix[:-1]):
            return None
        target = parse_target(request.raw_path, policy.limits.target)
        if not isinstance(target, Target):
            return None
        below = len(policy.sessions.prefix)
        opens = target.path in (policy.sessions.prefix, policy.sessions.prefix[:-1])
        renews = (
            target.path.startswith(policy.sessions.prefix) and target.path[below:].partition("/")[2] == "renew"
        )
        return target if opens or renews else None

    async def answer(
        self, request: web.BaseRequest, target: Target, policy: Policy, record: Record, cors: Fields
    ) -> Answer | Deny:
        """201 with a link of a new session, 200 with one of a renewed session, or why not."""
        found = await self._token(request, target, policy, record.peer.address)
        if isinstance(found, Deny):
            return found
        application, token = found
        record.application = application.name
        if (refusal := check_token(token, application, self._control.revoked, time.time())) is not None:
            return refusal
        if target.path.endswith("/renew"):
            ticket = await self._renew(request, target, policy, application, token, record.peer.address)
            status = 200
        else:
            ticket = await self._new(request, target, application, token, record.peer.address)
            status = 201
        if isinstance(ticket, Deny):
            return ticket
        record.decide("permit")
        record.session = ticket.session
        link = f"{policy.sessions.prefix}{self._credentials.seal(ticket)}"
        body = {"link": link, "session": ticket.session, "ends_at": ticket.ends_at}
        return opened(status, f"{link}/", json.dumps(body).encode() + b"\n", record.request_id, cors)

    async def _token(
        self, request: web.BaseRequest, target: Target, policy: Policy, address: str
    ) -> tuple[Application, Token] | Deny:
        """The token, and the application whose keys verify it: no rule names one here."""
        refusal = Deny(Reason.TOKEN_MISSING)
        late: list[tuple[str, Application, UnknownKey]] = []
        for application in policy.applications.values():
            text = find_token(target, request.headers, application.sources)
            if isinstance(text, Deny):
                return text
            if text is None:
                continue
            token = self._credentials.read(text, application, address)
            if isinstance(token, Reference):
                token = await self._credentials.resolve(token, application, address)
            if isinstance(token, Token):
                return application, token
            refusal = token
            if isinstance(token, UnknownKey) and application.key_sources:
                late.append((text, application, token))
        for (_, application, _), token in zip(
            late, await asyncio.gather(*(self._keys.read(*one) for one in late)), strict=True
        ):
            if isinstance(token, Token):
                return application, token
            if refusal.reason is not Reason.KEYS_UNAVAILABLE:
                refusal = token
        return refusal

    async def _new(
        self, request: web.BaseRequest, target: Target, application: Application, token: Token, address: str
    ) -> Ticket | Deny:
        client = client_key(target, request.headers, address)
        # Whoever posts twice means two sessions: two viewers in one office may look like one client.
        alone = digest("client", client, secrets.token_bytes(16))
        opening = Opening(token, alone, page_key(alone, target), Resume.NEVER, *life_of(token, application))
        outcome = await self._ledger.open(opening, {"application": application.name, "client": client})
        if isinstance(outcome, Refused):
            return Deny(outcome.reason)
        return ticket_of(token, outcome)

    async def _renew(
        self,
        request: web.BaseRequest,
        target: Target,
        policy: Policy,
        application: Application,
        token: Token,
        address: str,
    ) -> Ticket | Deny:
        ticket = self._credentials.open(target.segments[policy.sessions.prefix.count("/") - 1])
        if isinstance(ticket, Deny):
            return ticket
        revoked = self._control.revoked
        if ticket.warrant is None:
            ticket = replace(ticket, warrant=await self._ledger.warrant(ticket))
        renewal = renew(token, ticket, application, ticket.ends_at, revoked, time.time())
        if isinstance(renewal, Deny):
            return renewal
        if revoked.cover(ticket.application, ticket.token, ticket.owner, ticket.session, ticket.issued_at):
            return Deny(Reason.REVOKED)
        if renewal is not None:
            outcome = await self._ledger.extend(renewal)
            return Deny(outcome.reason) if isinstance(outcome, Refused) else ticket_of(token, outcome)
        if says_the_same(token, ticket):
            # The session lasts as long already.
            return ticket
        return await self._new(request, target, application, token, address)
