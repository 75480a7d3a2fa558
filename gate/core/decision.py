"""The decision: from a request's plain values to Permit, Admit or Deny.

Four pure steps, because token, store and origin each have a say in between:

    locate(ask, policy)                     -> Place | Open | Deny       where it points, what it carries
    decide(place, token, ticket, ...)       -> Permit | Admit | Deny     what its credential says of that
    settle(admit, outcome)                  -> Permit | Issue | Deny     what the store made of an opening
    confirm(permit, outcome)                -> Permit | Deny             what the store made of a commit

Each takes a `trace`, a list that is given one sentence for every step of the way; `gate explain` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gate.core.checks import address_in, check_binding, check_grant, check_life, check_time
from gate.core.credentials import DEFAULT_SOURCES, Headers, find_token
from gate.core.grants import Action
from gate.core.media import OPENING, Facts, Role
from gate.core.policy import Access, Application, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.session import Known, client_key, opens, peeks
from gate.core.target import Target, parse_target
from gate.core.ticket import Ticket
from gate.core.token import Token, Warrant

Trace = list[str]

ACTIONS: dict[str, Action] = {"GET": Action.READ, "HEAD": Action.READ, "OPTIONS": Action.READ}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request in plain values. `target` is the raw request target, `address` the client's address."""

    method: str
    target: str
    headers: Headers
    address: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request points and what it carries. `target` is what will be forwarded: no credentials in it."""

    target: Target
    rule: StreamRule
    application: Application | None
    action: Action
    facts: Facts
    ticket: str | None
    token: str | None
    client: str


@dataclass(frozen=True, slots=True)
class Permit:
    """The request may be forwarded. `ends_at` (Unix seconds) is when even a running response must end.

    `prefix` is the sealed ticket that URIs of the answer must be brought under to stay in the session (behind
    the policy's own prefix of session links); empty without a session link. `commit` names the ticket that
    the first byte of media commits. `probe` tells that only a byte or two were asked for, which commit
    nothing; an origin that answers with more has to be stopped.
    """

    place: Place
    session: str | None = None
    token: str | None = None
    owner: str | None = None
    issued_at: int | None = None
    ends_at: float | None = None
    prefix: str = ""
    commit: Ticket | None = None
    probe: bool = False

    @property
    def public(self) -> bool:
        """Whether everybody may have the answer, a shared cache too. What an address opens is not public."""
        return self.place.rule.access is Access.PUBLIC


@dataclass(frozen=True, slots=True)
class Opening:
    """What the store is asked: open a session of `token` for `client`, or resume the one that is alive."""

    token: Token
    client: str
    resume_only: bool


@dataclass(frozen=True, slots=True)
class Admit:
    """Permitted, if the store opens or resumes the session."""

    opening: Opening
    permit: Permit


@dataclass(frozen=True, slots=True)
class Opened:
    """The store's yes. Times are Unix seconds of the store's clock."""

    session: str
    opened_at: float
    ends_at: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The store's no, with the playbacks that stand in the way where there are any."""

    reason: Reason
    conflicts: tuple[dict[str, object], ...] = ()


Outcome = Opened | Refused


@dataclass(frozen=True, slots=True)
class Issue:
    """Answer with a redirect to the session link of `ticket`: `place.target` below the sealed ticket."""

    place: Place
    ticket: Ticket


def locate(ask: Ask, policy: Policy, trace: Trace | None = None) -> Place | Deny:
    """Where the request points: its target, rule and media facts, and the credential texts beside it."""
    target = parse_target(ask.target, policy.limits.target)
    if isinstance(target, Deny):
        return target
    action = ACTIONS.get(ask.method)
    if action is None:
        return Deny(Reason.METHOD_NOT_ALLOWED, f"{ask.method} is not served here")
    ticket = None
    if target.path.startswith(policy.sessions.prefix):
        front = policy.sessions.prefix.count("/") - 1
        ticket = target.segments[front]
        below = target.below(front + 1)
        if below is None:
            return Deny(Reason.TICKET_INVALID, "the session link has no path")
        if below.path.startswith(policy.sessions.prefix):
            # Only the first would be read, and the second would reach the origin.
            return Deny(Reason.AMBIGUOUS_CREDENTIALS, "the request carries two session links")
        target = below
        _note(trace, "the path begins with a session link")
    matched = policy.match(target)
    if matched is None:
        return Deny(Reason.NOT_SERVED)
    rule, parts = matched
    _note(trace, f"{rule.name} matches: {rule.pattern.text} (access {rule.access.value})")
    sources = rule.application.sources if rule.application else DEFAULT_SOURCES
    token = find_token(target, ask.headers, sources)
    if isinstance(token, Deny):
        return token
    facts = rule.layout.read(target, parts)
    _note(trace, f"layout {rule.layout.name} reads: {describe(facts)}")
    client = client_key(target, ask.headers, ask.address)
    forwarded = target.without(sources.query)
    return Place(forwarded, rule, rule.application, action, facts, ticket, token, client)


def decide(
    ask: Ask,
    place: Place,
    token: Token | None,
    ticket: Ticket | None,
    known: Known | None,
    revoked: Revocations,
    now: float,
    trace: Trace | None = None,
) -> Permit | Admit | Deny:
    """What the request's credential says of the place. `token` and `ticket` are verified already.

    `known` is the session that this worker remembers for the ticket, or for (token, client), if any.
    """
    if place.rule.access is Access.NONE:
        return Deny(Reason.ACCESS_NONE)
    if place.rule.access is Access.PUBLIC:
        _note(trace, "public: no token is needed")
        return Permit(place)
    if place.rule.access is Access.PROTECTED:
        if not address_in(ask.address, place.rule.networks):
            return Deny(Reason.ADDRESS_NOT_ALLOWED)
        _note(trace, "protected: the address is listed")
        return Permit(place)
    if ticket is not None:
        return _decide_ticket(ask, place, token, ticket, known, revoked, now, trace)
    if token is not None:
        return _decide_token(ask, place, token, known, revoked, now, trace)
    return Deny(Reason.TOKEN_MISSING)


def settle(admit: Admit, outcome: Outcome, trace: Trace | None = None) -> Permit | Issue | Deny:
    """What the store's answer makes of an opening: the session's link, its permit, or a refusal."""
    if isinstance(outcome, Refused):
        return _refuse(outcome)
    opening, place, token = admit.opening, admit.permit.place, admit.opening.token
    _note(trace, f"session {outcome.session} is open")
    ticket = Ticket(
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
    )
    if opening.resume_only:
        return replace(admit.permit, session=ticket.session, ends_at=ticket.ends_at, commit=ticket)
    return Issue(place, ticket)


def confirm(permit: Permit, outcome: Outcome) -> Permit | Deny:
    """What the store's answer makes of a commit: the same permit, with nothing left to commit."""
    if isinstance(outcome, Refused):
        return _refuse(outcome)
    return replace(permit, commit=None)


def describe(facts: Facts) -> str:
    """The facts in words, for traces and refusals."""
    words = [f"resource {facts.resource!r}", facts.role.value]
    if facts.kind is not None:
        words.append(f"kind {facts.kind.value}")
    if facts.span is not None:
        words.append(f"from {facts.span.start_ms / 1000:.3f} to {facts.span.end_ms / 1000:.3f}")
    return ", ".join(words)


def _decide_ticket(
    ask: Ask,
    place: Place,
    token: Token | None,
    ticket: Ticket,
    known: Known | None,
    revoked: Revocations,
    now: float,
    trace: Trace | None,
) -> Permit | Deny:
    application = place.application
    if application is None or ticket.application != application.name:
        return Deny(Reason.TICKET_INVALID, "the session link belongs to another application")
    if token is not None and token.id != ticket.token and token.owner != ticket.owner:
        return Deny(Reason.AMBIGUOUS_CREDENTIALS, "the token beside the session link is another viewer's")
    ends = known.ends_at if known is not None else ticket.ends_at
    if ends is not None and ends <= now:
        return Deny(Reason.SESSION_EXPIRED)
    if revoked.cover(ticket.application, ticket.token, ticket.owner, ticket.session, ticket.issued_at):
        return Deny(Reason.REVOKED)
    warrant = ticket.warrant
    if warrant is None:
        return Deny(Reason.STORE_UNAVAILABLE, "the session's grants have not been read from the store")
    if (refusal := _check(ask, place, warrant, now, trace)) is not None:
        return refusal
    media = ask.method == "GET" and place.facts.role is not Role.MANIFEST
    return Permit(
        place,
        session=ticket.session,
        token=ticket.token,
        owner=ticket.owner,
        issued_at=ticket.issued_at,
        ends_at=ends,
        prefix=place.ticket or "",
        commit=ticket if media and known is None else None,
        probe=media and peeks(ask.method, ask.headers, place.facts),
    )


def _decide_token(
    ask: Ask,
    place: Place,
    token: Token,
    known: Known | None,
    revoked: Revocations,
    now: float,
    trace: Trace | None,
) -> Permit | Admit | Deny:
    application = place.application
    if application is None or token.application != application.name:
        return Deny(Reason.TOKEN_SIGNATURE)
    if (refusal := check_life(token, application, now)) is not None:
        return refusal
    if revoked.cover(token.application, token.id, token.owner, None, token.issued_at):
        return Deny(Reason.REVOKED)
    if (refusal := _check(ask, place, token.warrant, now, trace)) is not None:
        return refusal
    permit = Permit(
        place,
        token=token.id,
        owner=token.owner,
        issued_at=token.issued_at,
        ends_at=None if token.expires_at is None else float(token.expires_at),
    )
    if opens(ask.method, ask.headers, place.facts):
        _note(trace, "this use of the token opens a session")
        return Admit(Opening(token, place.client, resume_only=False), permit)
    if not token.counted or ask.method != "GET" or place.facts.role in OPENING:
        _note(trace, "this use of the token needs no session")
        return replace(permit, probe=token.counted and ask.method == "GET")
    if known is not None and (known.ends_at is None or known.ends_at > now):
        if revoked.cover(token.application, token.id, token.owner, known.session, token.issued_at):
            return Deny(Reason.REVOKED)
        return replace(permit, session=known.session, ends_at=known.ends_at)
    _note(trace, "the token is counted: the client's live session is resumed, if there is one")
    return Admit(Opening(token, place.client, resume_only=True), permit)


def _check(ask: Ask, place: Place, warrant: Warrant, now: float, trace: Trace | None) -> Deny | None:
    refusal = check_grant(warrant, place.action, place.facts.resource) or check_binding(
        warrant.bind, ask.headers, ask.address
    )
    if refusal is not None:
        return refusal
    _note(trace, f"{place.action.value} is granted on {place.facts.resource!r}")
    reason = check_time(warrant, place.facts, place.rule.live_edge_s, now)
    if reason is not None:
        return Deny(reason, facts=(("asked", describe(place.facts)),))
    _note(trace, "the time asked for is allowed")
    return None


def _refuse(outcome: Refused) -> Deny:
    facts = (("conflicts", list(outcome.conflicts)),) if outcome.conflicts else ()
    return Deny(outcome.reason, facts=facts)


def _note(trace: Trace | None, text: str) -> None:
    if trace is not None:
        trace.append(text)
