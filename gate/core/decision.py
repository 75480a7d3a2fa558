"""The decision: from a request's plain values to Permit, Admit or Deny.

Four pure steps, because token, store and origin each have a say in between:

    locate(ask, policy)                     -> Place | Deny              where it points, what it carries
    decide(ask, place, token, ticket, ...)  -> Permit | Admit | Deny     what its credential says of that
    settle(admit, outcome)                  -> Permit | Issue | Deny     what the store made of an opening
    confirm(permit, outcome)                -> Permit | Deny             what the store made of a commit

Each takes a `trace`, a list that is given one sentence for every step of the way; `gate explain` prints it.
"""

from __future__ import annotations

from dataclasses import replace

from gate.core.checks import address_in, check_binding, check_grant, check_life, check_time
from gate.core.credentials import DEFAULT_SOURCES, find_token
from gate.core.grants import Action
from gate.core.media import OPENING, Facts, Role
from gate.core.policy import Access, Application, Policy, SessionEnd
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.session import Known, Resume, client_key, opens, page_key, peeks, resumes
from gate.core.target import parse_target
from gate.core.ticket import Ticket
from gate.core.token import Token, Warrant
from gate.core.verdicts import Admit, Ask, Issue, Opened, Opening, Outcome, Permit, Place, Refused, Renewal

Trace = list[str]


def locate(ask: Ask, policy: Policy, trace: Trace | None = None) -> Place | Deny:
    """Where the request points: its target, rule and media facts, and the credential texts beside it."""
    target = parse_target(ask.target, policy.limits.target)
    if isinstance(target, Deny):
        return target
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
    action = rule.methods.get(ask.method)
    if action is None or (action is not Action.READ and rule.access is not Access.PRIVATE):
        # What everybody may read nobody may write: a write needs a grant, and only a token has one.
        return Deny(Reason.METHOD_NOT_ALLOWED, f"{ask.method} is not served here")
    sources = rule.application.sources if rule.application else DEFAULT_SOURCES
    token = find_token(target, ask.headers, sources)
    if isinstance(token, Deny):
        return token
    facts = rule.layout.read(target, parts)
    _note(trace, f"layout {rule.layout.name} reads: {describe(facts)}")
    client = client_key(target, ask.headers, ask.address)
    forwarded = target.without(sources.query)
    page = page_key(client, target)
    return Place(ask.method, forwarded, rule, rule.application, action, facts, ticket, token, client, page)


def asks_ownership(place: Place, warrant: Warrant) -> bool:
    """Whether it matters to the decision that the session owns the resource."""
    return any(
        action is not Action.CREATE and grant.session_owned and not grant.covers(place.facts.resource)
        for action in _asked(place)
        if (grant := warrant.grants.get(action)) is not None
    )


def decide(
    ask: Ask,
    place: Place,
    token: Token | None,
    ticket: Ticket | None,
    known: Known | None,
    revoked: Revocations,
    now: float,
    trace: Trace | None = None,
    *,
    owned: bool = False,
) -> Permit | Admit | Deny:
    """What the request's credential says of the place. `token` and `ticket` are verified already.

    `known` is the session that this worker remembers for the ticket, or for (token, client), if any. `owned`
    tells that the session created the resource.
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
        return _decide_ticket(ask, place, token, ticket, known, revoked, now, owned, trace)
    if token is not None:
        return _decide_token(ask, place, token, known, revoked, now, owned, trace)
    return Deny(Reason.TOKEN_MISSING)


def settle(admit: Admit, outcome: Outcome, trace: Trace | None = None) -> Permit | Issue | Deny:
    """What the store's answer makes of an opening: the session's link, its permit, or a refusal."""
    if isinstance(outcome, Refused):
        return _refuse(outcome)
    opening, place, token = admit.opening, admit.permit.place, admit.opening.token
    _note(trace, f"session {outcome.session} is open")
    ticket = ticket_of(token, outcome)
    if opening.resume is Resume.ONLY:
        return replace(admit.permit, session=ticket.session, ends_at=ticket.ends_at, commit=ticket)
    return Issue(place, ticket)


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
    )


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


def life_of(token: Token, application: Application) -> tuple[int | None, int | None]:
    """How long a session of the token may last, in seconds from its opening, and until when (Unix seconds)."""
    if application.session_end is SessionEnd.TOKEN:
        return token.usage_s, token.expires_at
    usages = [usage for usage in (token.usage_s, application.max_usage_s) if usage is not None]
    return min(usages, default=None), None


def _decide_ticket(
    ask: Ask,
    place: Place,
    token: Token | None,
    ticket: Ticket,
    known: Known | None,
    revoked: Revocations,
    now: float,
    owned: bool,
    trace: Trace | None,
) -> Permit | Deny:
    application = place.application
    if application is None or ticket.application != application.name:
        return Deny(Reason.TICKET_INVALID, "the session link belongs to another application")
    ends = known.ends_at if known is not None else ticket.ends_at
    if ends is not None and ends <= now:
        return Deny(Reason.SESSION_EXPIRED)
    names = {ticket.token} if known is None or known.token is None else {ticket.token, known.token}
    if any(
        revoked.cover(ticket.application, name, ticket.owner, ticket.session, ticket.issued_at)
        for name in names
    ):
        return Deny(Reason.REVOKED)
    renewal = None
    if token is not None and token.id not in names:
        fresh = _renewal(token, ticket, application, revoked, now)
        if isinstance(fresh, Deny):
            return fresh
        renewal = fresh
        _note(trace, "a fresh token beside the session link renews the session")
    warrant = ticket.warrant
    if warrant is None:
        return Deny(Reason.STORE_UNAVAILABLE, "the session's grants have not been read from the store")
    if (refusal := _check(ask, place, warrant, now, owned, trace)) is not None:
        return refusal
    reads = place.action is Action.READ
    uses = (ask.method == "GET" and place.facts.role is not Role.MANIFEST) if reads else True
    return Permit(
        place,
        session=ticket.session,
        token=ticket.token,
        owner=ticket.owner,
        issued_at=ticket.issued_at,
        ends_at=ends,
        prefix=place.ticket or "",
        commit=ticket if uses and known is None else None,
        probe=reads and uses and peeks(ask.method, ask.headers, place.facts),
        precondition=_precondition(place, warrant, owned),
        renew=renewal,
    )


def _decide_token(
    ask: Ask,
    place: Place,
    token: Token,
    known: Known | None,
    revoked: Revocations,
    now: float,
    owned: bool,
    trace: Trace | None,
) -> Permit | Admit | Deny:
    application = place.application
    if application is None or token.application != application.name:
        return Deny(Reason.TOKEN_SIGNATURE)
    if (refusal := check_token(token, application, revoked, now)) is not None:
        return refusal
    if (refusal := _check(ask, place, token.warrant, now, owned, trace)) is not None:
        return refusal
    permit = Permit(
        place,
        token=token.id,
        owner=token.owner,
        issued_at=token.issued_at,
        ends_at=None if token.expires_at is None else float(token.expires_at),
        precondition=_precondition(place, token.warrant, owned),
    )
    usage_s, until_s = life_of(token, application)
    if opens(ask.method, ask.headers, place.facts):
        _note(trace, "this use of the token opens a session")
        how = resumes(place.target, ask.headers, place.facts)
        return Admit(Opening(token, place.client, place.page, how, usage_s, until_s), permit)
    if place.action is Action.READ:
        bare = not token.counted or ask.method != "GET" or place.facts.role in OPENING
    else:
        bare = not token.counted and not _owns_by_session(place, token.warrant)
    if bare:
        _note(trace, "this use of the token needs no session")
        return replace(permit, probe=token.counted and ask.method == "GET")
    if known is not None and (known.ends_at is None or known.ends_at > now):
        if revoked.cover(token.application, token.id, token.owner, known.session, token.issued_at):
            return Deny(Reason.REVOKED)
        return replace(permit, session=known.session, ends_at=known.ends_at)
    _note(trace, "the client's live session is resumed, if there is one")
    return Admit(Opening(token, place.client, place.page, Resume.ONLY, usage_s, until_s), permit)


def check_token(token: Token, application: Application, revoked: Revocations, now: float) -> Deny | None:
    """None where the token, as such, is good now."""
    if (refusal := check_life(token, application, now)) is not None:
        return refusal
    if revoked.cover(token.application, token.id, token.owner, None, token.issued_at):
        return Deny(Reason.REVOKED)
    return None


def _renewal(
    token: Token, ticket: Ticket, application: Application, revoked: Revocations, now: float
) -> Renewal | Deny | None:
    """What a token beside a session link is: a renewal, nothing, or another viewer's.

    A fresh token with another warrant renews nothing: the link would keep rights that it does not give.
    """
    if token.application != ticket.application or token.subject is None or token.owner != ticket.owner:
        return Deny(Reason.AMBIGUOUS_CREDENTIALS, "the token beside the session link is another viewer's")
    if (refusal := check_token(token, application, revoked, now)) is not None:
        return refusal
    if token.warrant != ticket.warrant:
        return None
    return Renewal(ticket, token, *life_of(token, application))


def _check(
    ask: Ask, place: Place, warrant: Warrant, now: float, owned: bool, trace: Trace | None
) -> Deny | None:
    refusals = [check_grant(warrant, action, place.facts.resource, owned) for action in _asked(place)]
    refusal = None if None in refusals else refusals[0]
    refusal = refusal or check_binding(warrant.bind, ask.headers, ask.address)
    if refusal is not None:
        return refusal
    _note(trace, f"{place.action.value} is granted on {place.facts.resource!r}")
    if place.action is not Action.READ:
        # Bounds say what may be watched; what may be written is granted by name, or it is not.
        return None
    reason = check_time(warrant, place.facts, place.rule.live_edge_s, now)
    if reason is not None:
        return Deny(reason, facts=(("asked", describe(place.facts)),))
    _note(trace, "the time asked for is allowed")
    return None


def _asked(place: Place) -> tuple[Action, ...]:
    """The actions of which one must be granted: a PUT creates or updates."""
    return (Action.CREATE, Action.UPDATE) if place.puts else (place.action,)


def _precondition(place: Place, warrant: Warrant, owned: bool) -> tuple[str, str] | None:
    """What a PUT is forwarded under, where only one of creating and updating is granted."""
    if not place.puts:
        return None
    may_create = check_grant(warrant, Action.CREATE, place.facts.resource, owned) is None
    may_update = check_grant(warrant, Action.UPDATE, place.facts.resource, owned) is None
    if may_create and may_update:
        return None
    return ("If-None-Match", "*") if may_create else ("If-Match", "*")


def _owns_by_session(place: Place, warrant: Warrant) -> bool:
    """Whether the grant that is used speaks of what the session owns, so that there must be a session."""
    grants = [warrant.grants.get(action) for action in (*_asked(place), Action.UPDATE, Action.DESTROY)]
    return any(grant is not None and grant.session_owned for grant in grants)


def _refuse(outcome: Refused) -> Deny:
    facts = (("conflicts", list(outcome.conflicts)),) if outcome.conflicts else ()
    return Deny(outcome.reason, facts=facts)


def _note(trace: Trace | None, text: str) -> None:
    if trace is not None:
        trace.append(text)
