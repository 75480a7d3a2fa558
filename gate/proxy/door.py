"""The gate's side of an API for rooms: see `gate.rooms.door`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from gate.core.checks import check_token
from gate.core.life import life_of, ticket_of
from gate.core.policy import Application, Policy
from gate.core.reasons import Deny, Reason
from gate.core.session import Resume
from gate.core.ticket import Ticket
from gate.core.token import Token, digest
from gate.core.verdicts import Opening, Refused
from gate.proxy.credentials import Credentials
from gate.proxy.ledger import Ledger
from gate.store.control import Control


class GateDoor:
    """Reads room tokens and session links, and opens sessions for those who join by an API."""

    def __init__(self, credentials: Credentials, ledger: Ledger, control: Control) -> None:
        self._credentials = credentials
        self._ledger = ledger
        self._control = control

    def read(self, text: str, policy: Policy, address: str, now: float) -> tuple[Application, Token] | Deny:
        """The room token that `text` is, good now, and the application whose key it is signed with."""
        refusal = Deny(Reason.UNKNOWN_KEY)
        for application in policy.applications.values():
            if application.videosdk is None:
                continue
            token = self._credentials.read(text, application, address)
            if isinstance(token, Token) and token.warrant.room is not None:
                wrong = check_token(token, application, self._control.revoked, now)
                return wrong or (application, token)
            if isinstance(token, Deny) and token.reason is not Reason.UNKNOWN_KEY:
                refusal = token
        return refusal

    async def open(self, text: str, policy: Policy, now: float) -> tuple[Application, Ticket] | Deny:
        """What the session link says, while its session lives and was not revoked.

        The store is asked only where the link's own end is past: whether the session was renewed since. Raises
        StoreError.
        """
        ticket = self._credentials.open(text)
        if isinstance(ticket, Deny):
            return ticket
        application = policy.applications.get(ticket.application)
        if application is None or ticket.warrant is None or ticket.warrant.room is None:
            return Deny(Reason.TICKET_INVALID)
        if ticket.ends_at is not None and ticket.ends_at <= now:
            ticket = await self._ledger.revive(ticket)
            if ticket.ends_at is not None and ticket.ends_at <= now:
                return Deny(Reason.SESSION_EXPIRED)
        if self._control.revoked.cover(
            ticket.application, ticket.token, ticket.owner, ticket.session, ticket.issued_at
        ):
            return Deny(Reason.REVOKED)
        return application, ticket

    def still(self, held: Token | Ticket, session: str) -> Deny | None:
        """None while neither what somebody came with nor the session that they are in by was revoked."""
        token = held.id if isinstance(held, Token) else held.token
        revoked = self._control.revoked.cover(held.application, token, held.owner, session, held.issued_at)
        return Deny(Reason.REVOKED) if revoked else None

    async def admit(
        self, token: Token, application: Application, client: str, facts: Mapping[str, str], now: float
    ) -> Ticket | Deny:
        """A new session of the token's, which counts from now on, and is its client's from now on: media that
        this client asks for with the bare token belong to it.

        Raises StoreError.
        """
        # Two who join at once may look like one client, and are not to get one session that neither has used.
        alone = digest("client", client, secrets.token_bytes(16))
        opening = Opening(token, alone, alone, Resume.NEVER, *life_of(token, application))
        outcome = await self._ledger.open(opening, facts)
        if isinstance(outcome, Refused):
            return Deny(outcome.reason)
        ticket = ticket_of(token, outcome)
        refusal = await self._ledger.count(ticket, client, application.on_limit, facts)
        return ticket if refusal is None else refusal

    def link(self, ticket: Ticket, policy: Policy) -> str:
        """What the URLs of the session begin with: a path without a slash at its end."""
        return f"{policy.sessions.prefix}{self._credentials.seal(ticket)}"
