"""Server-side tokens as a worker knows them: asked for once, and again when one has changed.

The store is asked the first time that a token is seen. Every gate hears of a change within a second and forgets
what it knew; what was being read meanwhile serves the one request that asked, and is not remembered. A session
that such a token has opened goes by the token as it is now: what it no longer grants, its links no longer give.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.terms import accept
from gate.core.ticket import Ticket
from gate.core.token import Token, Warrant
from gate.errors import StoreError, StoreUnavailable
from gate.formats import Reference
from gate.formats.ziggeo_values import Arguments, read_arguments
from gate.proxy.known import Recent
from gate.store.authtokens import AuthTokens

# Of one server-side token so many client-side ones that refer to it are remembered.
_MOST_CLIENTS = 1000


@dataclass(slots=True)
class _Held:
    """What a server-side token says, and the tokens that it makes with those that refer to it."""

    arguments: Arguments
    tokens: dict[bytes | None, Token | Deny] = field(default_factory=dict)

    def resolve(self, application: Application, reference: Reference) -> Token | Deny:
        client = None if reference.client is None else reference.client.signing_input
        token = self.tokens.get(client)
        if token is None:
            found = reference.resolve(self.arguments, application.name, application.rights)
            token = found if isinstance(found, Deny) else accept(found, application)
            if len(self.tokens) >= _MOST_CLIENTS:
                self.tokens.clear()
            self.tokens[client] = token
        return token


class References:
    """Looks server-side tokens up. Methods that await raise StoreError."""

    def __init__(self, tokens: AuthTokens, remembered: int) -> None:
        self._tokens = tokens
        self._held: Recent[_Held] = Recent(remembered)
        # How often something has changed: what was asked for before that may be what was before.
        self._changes = 0

    def find(self, application: Application, reference: Reference) -> Token | Deny | None:
        """The token, where this worker knows it."""
        held = self._held.get(application.name, reference.name)
        return None if held is None else held.resolve(application, reference)

    async def resolve(self, application: Application, reference: Reference) -> Token | Deny:
        """The token; TOKEN_MALFORMED, as of any other text, where there is none of that name."""
        held = await self._hold(application, reference.name)
        return Deny(Reason.TOKEN_MALFORMED) if held is None else held.resolve(application, reference)

    async def follow(self, ticket: Ticket, application: Application, now: float) -> Ticket | Deny:
        """The ticket with what its server-side token says now; that of a referrer holds its own warrant.

        While the store cannot be asked it stays as it was sealed: who is watching goes on.
        """
        name = ticket.reference
        if name is None:
            return ticket
        try:
            held = await self._hold(application, name)
        except StoreUnavailable:
            return ticket
        if held is None:
            return Deny(Reason.REVOKED, "the server-side token was deleted")
        token = held.resolve(application, Reference(name))
        direct = ticket.referrer is None
        if direct and isinstance(token, Deny):
            return token
        ends = held.arguments.expiration_date
        if ends is not None and ends <= now:
            return Deny(Reason.TOKEN_EXPIRED)
        grants = held.arguments.grants
        if not direct:
            if ticket.warrant is None:
                # What it says itself cannot be known; the other one's alone would be more.
                return ticket
            grants = ticket.warrant.grants.meet(grants)
        limit = token.session_limit if direct and isinstance(token, Token) else ticket.session_limit
        warrant = Warrant(grants=grants, rights=application.rights)
        return replace(ticket, warrant=warrant, session_limit=limit)

    def forget(self, application: str, names: Iterable[str]) -> None:
        """The tokens have changed, or are gone."""
        self._changes += 1
        for name in names:
            self._held.drop(application, name)

    def forget_all(self) -> None:
        """Any token may have changed."""
        self._changes += 1
        self._held.clear()

    async def _hold(self, application: Application, name: str) -> _Held | None:
        held = self._held.get(application.name, name)
        if held is not None:
            return held
        changes = self._changes
        kept = await self._tokens.get(application.name, name)
        if kept is None:
            return None
        arguments = read_arguments(kept.arguments)
        if not isinstance(arguments, Arguments):
            raise StoreError(f"the store holds a server-side token that cannot be read: {arguments}")
        held = _Held(arguments)
        if changes == self._changes:
            self._held.put(application.name, name, held)
        return held
