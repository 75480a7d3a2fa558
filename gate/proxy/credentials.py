"""What requests present: tokens, session links and page sessions, each verified once and remembered.

A text that is remembered is as good as one that is verified: whether its token has ended, was revoked or says
enough is asked at every use. Whoever presents too much that is no token at all has to wait: the tokens of some
systems can be guessed at, if often enough.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gate.core.decision import vouched
from gate.core.keys import UnknownKey
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.room import LONGEST_ID
from gate.core.ticket import INLINE_WARRANT, Ticket, TicketKeys, dump_warrant
from gate.core.token import Format, Token, Warrant
from gate.core.verdicts import Place
from gate.core.visit import ENTROPY, Visit, read_visit, write_visit
from gate.formats import Reference, format_of, read_token
from gate.media.sealed import unsealed
from gate.proxy.known import Recent
from gate.proxy.published import PublishedKeys
from gate.proxy.references import References
from gate.wire.failures import Failures
from gate.wire.metrics import Metrics

_NO_API_KEY: Final = frozenset({Reason.UNKNOWN_KEY, Reason.KEYS_UNAVAILABLE, Reason.KEY_DISABLED})


class Credentials:
    """Reads tokens and links, and seals links. `remembered` is how many of each it knows by heart."""

    def __init__(
        self,
        tickets: TicketKeys,
        keys: PublishedKeys,
        references: References,
        failures: Failures,
        metrics: Metrics,
        remembered: int,
        *,
        api_keys_known: Callable[[], bool] = lambda: True,
    ) -> None:
        """`api_keys_known` tells whether the API keys that the store holds have been read."""
        self.tickets = tickets
        self._api_keys_known = api_keys_known
        self._keys = keys
        self._references = references
        self._failures = failures
        self._metrics = metrics
        self._tokens: Recent[Token | Reference] = Recent(remembered)
        self._links: Recent[Ticket] = Recent(remembered)
        self._visits: Recent[Visit] = Recent(remembered)

    def forget(self, remembered: int) -> None:
        """Nothing that was verified is remembered."""
        self._tokens = Recent(remembered)
        self._links = Recent(remembered)
        self._visits = Recent(remembered)
        self._references.forget_all()

    def forget_tokens(self) -> None:
        """No token that was verified is remembered; links are."""
        self._tokens.clear()

    def adopt(self, tickets: TicketKeys) -> None:
        """Links are sealed with the first of these keys from now on, and opened with any of them."""
        self.tickets = tickets
        self._links.clear()
        self._visits.clear()

    def token(self, place: Place, address: str) -> Token | Reference | Deny | None:
        """The token that a request to `place` carries; None where it needs none, or carries none.

        A Reference where the store has to be asked, by `resolve`.
        """
        if place.token is None or place.application is None or not place.guarded:
            return None
        if place.open and place.ticket is None:
            return None
        token = self.read(place.token, place.application, address)
        return None if place.ticket is not None and _lacks_api_key(token, place) else token

    def read(self, text: str, application: Application, address: str) -> Token | Reference | Deny:
        """The token that `text` is to the application; a Reference where the store has to be asked."""
        token = self._tokens.get(application.name, text)
        if token is not None:
            self._metrics.token_hits.inc()
        else:
            self._metrics.token_misses.inc()
            guessable = Format.ZIGGEO in application.formats
            if guessable and (wait_s := self._failures.wait_s(address, time.time())):
                return _wait(wait_s)
            read = read_token(text, application)
            if isinstance(read, Deny):
                if guessable and read.reason is Reason.TOKEN_MALFORMED:
                    self._failures.add(address, time.time())
                if read.reason is Reason.UNKNOWN_KEY and self._may_be_stored(text, application):
                    return Deny(Reason.KEYS_UNAVAILABLE)
                return read
            self._tokens.put(application.name, text, token := read)
        if isinstance(token, Reference):
            return self._references.find(application, token) or token
        return token

    def _may_be_stored(self, text: str, application: Application) -> bool:
        """Whether the API key of a token that is not known may be one of those that the store holds."""
        if self._api_keys_known() or application.videosdk is None or not application.videosdk.sealing:
            return False
        return format_of(text, application) is Format.VIDEOSDK

    async def resolve(
        self, reference: Reference, application: Application | None, address: str
    ) -> Token | Deny:
        """The token that the store holds by that name, or why there is none. Raises StoreError."""
        if application is None:
            return Deny(Reason.TOKEN_MALFORMED)
        if wait_s := self._failures.wait_s(address, time.time()):
            return _wait(wait_s)
        token = await self._references.resolve(application, reference)
        if isinstance(token, Deny) and token.reason is Reason.TOKEN_MALFORMED:
            self._failures.add(address, time.time())
        return token

    async def follow(self, ticket: Ticket, place: Place) -> Ticket | Deny:
        """The ticket as its server-side token is now, where it goes by one. Raises StoreError."""
        application = place.application
        if ticket.reference is None or application is None or application.name != ticket.application:
            return ticket
        return await self._references.follow(ticket, application, time.time())

    def visit(self, place: Place) -> Visit | Deny | None:
        """The page session that a request to `place` carries; None where it needs none, or carries none."""
        if place.visit is None or place.application is None or not place.guarded:
            return None
        name, now = place.application.name, time.time()
        visit = self._visits.get(name, place.visit)
        if visit is None:
            visit = read_visit(place.visit, self.tickets.visit_keys, name, now)
            if visit is None:
                return Deny(Reason.VISIT_INVALID)
            self._visits.put(name, place.visit, visit)
        return Deny(Reason.VISIT_INVALID) if visit.ends_at <= now else visit

    def issue_visit(self, application: Application, now: float) -> str:
        """A new page session of the application's."""
        return write_visit(self.tickets.visit_keys, application.name, secrets.token_bytes(ENTROPY), now)

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
        if place.ticket is None or not place.guarded:
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
        if ticket.warrant is not None and not _fits_link(ticket.warrant):
            ticket = replace(ticket, warrant=None)
        return self.tickets.seal(ticket, secrets.token_bytes(12))


def _fits_link(warrant: Warrant) -> bool:
    """Whether a link holds the warrant itself. It does one for a room, as the API for rooms reads no other;
    what is long in that are ids in other scripts than Latin, and no room has a longer one."""
    room_pass = warrant.room
    if room_pass is not None and len(room_pass.room or "") <= LONGEST_ID:
        return True
    return len(dump_warrant(warrant)) <= INLINE_WARRANT


def _lacks_api_key(token: Token | Reference | Deny, place: Place) -> bool:
    """Whether no API key makes a token of what a request carries, or one that is disabled.

    Players repeat their header beside a link, and that goes on when the key of its token does not.
    """
    if not isinstance(token, Deny) or place.token is None or place.application is None:
        return False
    return token.reason in _NO_API_KEY and format_of(place.token, place.application) is Format.VIDEOSDK


def _wait(wait_s: int) -> Deny:
    return Deny(Reason.TOO_MANY_FAILURES, f"the next one is read in {wait_s} s")
