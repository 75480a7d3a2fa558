"""What an API for rooms needs of its gate: who somebody is, and sessions for those who join."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gate.core.policy import Application, Policy
from gate.core.reasons import Deny
from gate.core.ticket import Ticket
from gate.core.token import Token


class Door(Protocol):
    """Verified is what it gives; whether it permits what is asked for is the caller's question."""

    def read(self, text: str, policy: Policy, address: str, now: float) -> tuple[Application, Token] | Deny:
        """The room token that `text` is, good now (not expired, not revoked), and whose it is."""
        ...

    async def open(self, text: str, policy: Policy, now: float) -> tuple[Application, Ticket] | Deny:
        """What the session link `text` says, while its session lives. Its warrant has a room.

        Where the session was renewed, the ticket has its end by now. Raises StoreError.
        """
        ...

    async def admit(
        self, token: Token, application: Application, client: str, facts: Mapping[str, str], now: float
    ) -> Ticket | Deny:
        """A new session of the token's, which counts from now on. Raises StoreError.

        `client` is the client key, `facts` what is kept beside the session for those who list sessions.
        """
        ...

    def link(self, ticket: Ticket, policy: Policy) -> str:
        """What the URLs of the ticket's session begin with: a path without a slash at its end."""
        ...
