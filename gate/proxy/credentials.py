"""What requests present: tokens and session links, each verified once and remembered by its text.

A text that is remembered is as good as one that is verified: whether its token has ended, was revoked or says
enough is asked at every use.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from gate.core.decision import vouched
from gate.core.keys import UnknownKey
from gate.core.policy import Access, Application
from gate.core.reasons import Deny
from gate.core.ticket import INLINE_WARRANT, Ticket, TicketKeys, dump_warrant
from gate.core.token import Token
from gate.core.verdicts import Place
from gate.formats import read_token
from gate.media.sealed import unsealed
from gate.proxy.known import Recent
from gate.proxy.published import PublishedKeys
from gate.wire.metrics import Metrics


class Credentials:
    """Reads tokens and links, and seals links. `remembered` is how many of each it knows by heart."""

    def __init__(self, tickets: TicketKeys, keys: PublishedKeys, metrics: Metrics, remembered: int) -> None:
        self.tickets = tickets
        self._keys = keys
        self._metrics = metrics
        self._tokens: Recent[Token] = Recent(remembered)
        self._links: Recent[Ticket] = Recent(remembered)

    def forget(self, remembered: int) -> None:
        """Nothing that was verified is remembered."""
        self._tokens = Recent(remembered)
        self._links = Recent(remembered)

    def forget_tokens(self) -> None:
        """No token that was verified is remembered; links are."""
        self._tokens.clear()

    def adopt(self, tickets: TicketKeys) -> None:
        """Links are sealed with the first of these keys from now on, and opened with any of them."""
        self.tickets = tickets
        self._links.clear()

    def token(self, place: Place) -> Token | Deny | None:
        """The token that a request to `place` carries; None where it needs none, or carries none."""
        if place.token is None or place.application is None or place.rule.access is not Access.PRIVATE:
            return None
        application: Application = place.application
        token = self._tokens.get(application.name, place.token)
        if token is not None:
            self._metrics.token_hits.inc()
        else:
            self._metrics.token_misses.inc()
            read = read_token(place.token, application)
            if isinstance(read, Deny):
                return read
            self._tokens.put(application.name, place.token, token := read)
        return token

    async def late_token(self, place: Place, refusal: UnknownKey, ticket: Ticket | None) -> Token | Deny | None:
        """The token that was refused for an unknown key, if that key is published somewhere.

        Nothing is remembered of it: it is read by the policy that the request began with.
        """
        text, application = place.token, place.application
        if text is None or application is None or not application.key_sources:
            return refusal
        if ticket is not None:
            # The link decides, and whoever watches with it waits for no key. The token may renew the session
            # with a later request, once its key is there.
            self._keys.ask_soon(application.name)
            return None
        return await self._keys.read(text, application, refusal)

    def ticket(self, place: Place) -> Ticket | Deny | None:
        """What the link says that a request to `place` came under; None where it needs none, or has none."""
        if place.ticket is None or place.rule.access is not Access.PRIVATE:
            return None
        return self.open(place.ticket)

    def vouched(self, place: Place, ticket: Ticket) -> Place | Deny:
        """The place as a manifest of the ticket's session marked or sealed its URL."""
        if place.ticket is None or (place.mark is None and place.seal is None):
            return place
        key = self.tickets.mark_key(place.ticket, ticket.session)
        found = vouched(place, key)
        return found if isinstance(found, Deny) else unsealed(found, key)

    def open(self, text: str) -> Ticket | Deny:
        """What a session link says."""
        ticket = self._links.get("", text)
        if ticket is None:
            opened = self.tickets.open(text)
            if isinstance(opened, Deny):
                return opened
            self._links.put("", text, ticket := opened)
        return ticket

    def seal(self, ticket: Ticket) -> str:
        """The text of a session link. Of a long warrant it holds none: the store does."""
        if ticket.warrant is not None and len(dump_warrant(ticket.warrant)) > INLINE_WARRANT:
            ticket = replace(ticket, warrant=None)
        return self.tickets.seal(ticket, secrets.token_bytes(12))
