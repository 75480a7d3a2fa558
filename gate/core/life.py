"""How long a session lives, and what lets it live on.

A fresh token of the same subject renews a session, beside its link or at the renew path. It lengthens the
session's life and nothing else, so it must say the same as the token before it: with another warrant, or
another number of playbacks at once, the old link would keep for longer what the fresh token does not give.
A token renews a session once; whoever kept two of them would else never need a third.
"""

from __future__ import annotations

from gate.core.checks import check_token
from gate.core.policy import Application, SessionEnd
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.ticket import Ticket
from gate.core.token import Token
from gate.core.verdicts import Opened, Renewal


def life_of(token: Token, application: Application) -> tuple[int | None, int | None]:
    """How long a session of the token may last, in seconds from its opening, and until when (Unix seconds)."""
    if application.session_end is SessionEnd.TOKEN:
        return token.usage_s, token.expires_at
    usages = [usage for usage in (token.usage_s, application.max_usage_s) if usage is not None]
    return min(usages, default=None), None


def ticket_of(token: Token, outcome: Opened) -> Ticket:
    """What the link of a session of the token says."""
    return Ticket(
        session=outcome.session,
        application=token.application,
        token=token.id,
        owner=token.owner,
        subject=token.subject,
        opened_at=int(outcome.opened_at),
        ends_at=outcome.ends_at,
        token_expires_at=token.expires_at,
        issued_at=token.issued_at,
        session_limit=token.session_limit,
        max_concurrent=token.max_concurrent,
        warrant=token.warrant,
        reference=token.reference,
        referrer=token.referrer,
    )


def says_the_same(token: Token, ticket: Ticket) -> bool:
    """Whether a session of the ticket may live on as one of the token's: neither gives more than the other."""
    return token.warrant == ticket.warrant and token.max_concurrent == ticket.max_concurrent


def renew(
    token: Token,
    ticket: Ticket,
    application: Application,
    ends_at: float | None,
    revoked: Revocations,
    now: float,
) -> Renewal | Deny | None:
    """What a token other than the session's own does to it: a renewal, nothing, or it is another viewer's.

    `ends_at` is the session's end as far as it is known; a token that would not move it renews nothing.
    """
    if token.application != ticket.application or token.subject is None or token.owner != ticket.owner:
        return Deny(Reason.AMBIGUOUS_CREDENTIALS, "the token beside the session link is another viewer's")
    if (refusal := check_token(token, application, revoked, now)) is not None:
        return refusal
    if ends_at is None or not says_the_same(token, ticket):
        return None
    usage_s, until_s = life_of(token, application)
    ends = [end for end in (until_s, None if usage_s is None else now + usage_s) if end is not None]
    return None if ends and min(ends) <= ends_at else Renewal(ticket, token, usage_s, until_s)
