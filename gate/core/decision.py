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
from typing import Final

from gate.core.checks import address_in, check_binding, check_grant, check_pass, check_token
from gate.core.credentials import (
    DEFAULT_SOURCES,
    SESSION_NAME,
    Carrier,
    find_ticket,
    find_token,
    find_visit,
)
from gate.core.grants import Action
from gate.core.life import life_of, renew, ticket_of
from gate.core.marks import check_range, read_mark, take_mark, take_seal, vouch
from gate.core.media import OPENING, Facts, Kind, Role
from gate.core.overrun import clip
from gate.core.policy import METHODS, READING, Access, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.session import Known, Resume, client_key, opens, page_key, peeks, resumes
from gate.core.target import parse_target
from gate.core.ticket import Ticket
from gate.core.timeline import check_time, remains
from gate.core.token import Token, Warrant
from gate.core.verdicts import Admit, Ask, Issue, Opening, Outcome, Permit, Place, Refused
from gate.core.visit import Visit
from gate.core.windows import ALWAYS_MS, Moving, Span
from gate.core.writes import actions_of, asks_ownership, names_method, precondition, writes_in_session

Trace = list[str]
_SESSION: Final = frozenset({SESSION_NAME})


def locate(ask: Ask, policy: Policy, trace: Trace | None = None) -> Place | Deny:
    """Where the request points: its target, rule and media facts, and the credential texts beside it."""
    target = parse_target(ask.target, policy.limits.target)
    if isinstance(target, Deny):
        return target
    ticket, carrier = None, Carrier.PATH
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
    elif policy.sessions.carrier is not Carrier.PATH:
        found = find_ticket(target, ask.headers, carrier := policy.sessions.carrier)
        if isinstance(found, Deny):
            return found
        ticket = found
    unsealed = take_seal(target)
    if isinstance(unsealed, Deny):
        return unsealed
    target, seal = unsealed
    if seal is not None and (not target.segments or target.path.startswith(policy.sessions.prefix)):
        # What is left is no path, or a session link that nobody has read.
        return Deny(Reason.MARK_INVALID, "the path holds a seal where none was handed out")
    matched = policy.match(target)
    if matched is None:
        return Deny(Reason.NOT_SERVED)
    rule, parts = matched
    _note(trace, f"{rule.name} matches: {rule.pattern.text} (access {rule.access.value})")
    if ask.method not in rule.methods or (ask.method not in READING and rule.access is not Access.PRIVATE):
        # What everybody may read nobody may write: a write needs a grant, and only a token has one.
        return Deny(Reason.METHOD_NOT_ALLOWED, f"{ask.method} is not served here", _allowed(rule))
    if ask.method not in READING and names_method(target):
        return Deny(Reason.METHOD_NOT_ALLOWED, "the query names a method of its own", _allowed(rule))
    sources = rule.application.sources if rule.application else DEFAULT_SOURCES
    token = find_token(target, ask.headers, sources)
    if isinstance(token, Deny):
        return token
    ziggeo = rule.application.ziggeo if rule.application else None
    visit = None if ziggeo is None else find_visit(target, ziggeo.visit_parameter)
    if isinstance(visit, Deny):
        return visit
    target, mark = take_mark(target.without(_SESSION))
    facts = rule.layout.read(target, parts)
    if ziggeo is not None and not ziggeo.has(target):
        return Deny(Reason.NOT_SERVED, "the path is another application's")
    action = rule.methods[ask.method]
    if ask.method == "POST" and facts.posts is not None and rule.methods == METHODS:
        action = facts.posts
    _note(trace, f"layout {rule.layout.name} reads: {describe(facts)}")
    # In a room it is the participant who counts, and one of them has several players.
    client = client_key(target, ask.headers, ask.address, whole=facts.track is not None)
    forwarded = target.without(sources.query)
    if visit is not None and ziggeo is not None:
        forwarded = forwarded.without(frozenset({ziggeo.visit_parameter}))
    page = page_key(client, target)
    return Place(
        method=ask.method,
        target=forwarded,
        rule=rule,
        application=rule.application,
        action=action,
        facts=facts,
        ticket=ticket,
        token=token,
        client=client,
        page=page,
        carrier=carrier,
        mark=mark,
        seal=seal,
        visit=visit,
        admitted=_admits(rule, action, ask.address, None if carrier is Carrier.COOKIE else ticket),
    )


def vouched(place: Place, key: bytes) -> Place | Deny:
    """The place as its mark says it is, which is its session's: `key` is that of the session."""
    if place.mark is None:
        return place
    mark = read_mark(place.mark, key, place.target)
    if mark is None:
        return Deny(Reason.MARK_INVALID)
    return replace(place, facts=vouch(place.facts, mark), held=mark.range)


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
    visit: Visit | None = None,
) -> Permit | Admit | Deny:
    """What the request's credential says of the place. `token`, `ticket` and `visit` are verified already.

    `known` is the session that this worker remembers for the ticket, for the token in the page session, or for
    (token, client), if any. `owned` tells that the session, or the page session, created the resource.
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
    if place.admitted:
        _note(trace, "private: the address is listed, and needs no token")
        return Permit(place)
    if ticket is not None and not _is_another(place, token, ticket, known, now):
        return _decide_ticket(ask, place, token, ticket, known, revoked, now, owned, trace)
    if place.open:
        _note(trace, f"the application asks no token of who may {place.action.value}")
        return Permit(place, visit=None if visit is None else visit.name)
    if token is not None:
        return _decide_token(ask, place, token, known, revoked, now, owned, visit, trace)
    return Deny(Reason.TOKEN_MISSING)


def settle(admit: Admit, outcome: Outcome, trace: Trace | None = None) -> Permit | Issue | Deny:
    """What the store's answer makes of an opening: the session's link, its permit, or a refusal."""
    if isinstance(outcome, Refused):
        return _refuse(outcome)
    opening, place, token = admit.opening, admit.permit.place, admit.opening.token
    _note(trace, f"session {outcome.session} is open")
    ticket = ticket_of(token, outcome)
    if not opening.linked:
        return replace(admit.permit, session=ticket.session, ends_at=ticket.ends_at, commit=ticket)
    # The viewer's URL stays as it is; under the link the origin is asked for less of it again.
    return Issue(replace(place, target=place.asked or place.target, asked=None), ticket)


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
    if isinstance(facts.span, Moving):
        start_s = f"{facts.span.start_ms / 1000:.3f}"
        words.append(f"from {start_s} s ago" if facts.span.start_moves else f"from {start_s}")
        words.append("as it goes on" if facts.span.paced else "to now")
    elif facts.span is not None:
        words.append(f"from {facts.span.start_ms / 1000:.3f} to {facts.span.end_ms / 1000:.3f}")
    if facts.early_ms:
        words.append(f"or up to {facts.early_ms // 1000} s later, as it says no seconds")
    return ", ".join(words)


def _admits(rule: StreamRule, action: Action, address: str, ticket: str | None) -> bool:
    """Whether the address may read without a token. Whoever came with a session link goes by that."""
    if rule.access is not Access.PRIVATE or ticket is not None or action is not Action.READ:
        return False
    return address_in(address, rule.networks)


def _is_another(place: Place, token: Token | None, ticket: Ticket, known: Known | None, now: float) -> bool:
    """Whether a token means to open a session beside the one whose link came in a cookie.

    A browser sends its cookies by itself: the last session there is no say against a new token.
    """
    if place.carrier is not Carrier.COOKIE or token is None:
        return False
    if place.action is not Action.READ:
        return True
    ends = known.ends_at if known is not None else ticket.ends_at
    own = token.id == ticket.token or (known is not None and token.id == known.token)
    return not own or (ends is not None and ends <= now)


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
    if place.carrier is Carrier.COOKIE and place.action is not Action.READ:
        # Any page can have a browser send its cookies along.
        return Deny(Reason.TOKEN_MISSING, "a cookie lets nobody write")
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
        fresh = renew(token, ticket, application, ends, revoked, now)
        if isinstance(fresh, Deny):
            return fresh
        if (renewal := fresh) is not None:
            _note(trace, "a fresh token beside the session link renews the session")
    warrant = ticket.warrant
    if warrant is None:
        return Deny(Reason.STORE_UNAVAILABLE, "the session's grants have not been read from the store")
    allowed = _check(ask, place, warrant, now, owned, trace)
    if isinstance(allowed, Deny):
        return allowed
    place, reads = allowed, place.action is Action.READ
    uses = (ask.method == "GET" and place.facts.role is not Role.MANIFEST) if reads else True
    return Permit(
        place,
        session=ticket.session,
        token=ticket.token,
        owner=ticket.owner,
        issued_at=ticket.issued_at,
        ends_at=ends,
        remains=remains(warrant, place.facts, now) if reads else None,
        sight=_sight(place, warrant),
        prefix=place.ticket or "",
        commit=ticket if uses and known is None else None,
        probe=reads and uses and peeks(ask.method, ask.headers, place.facts),
        precondition=precondition(place, warrant, owned),
        renew=renewal,
        renewed_by=None if known is None else known.token,
        room=warrant.room,
    )


def _decide_token(
    ask: Ask,
    place: Place,
    token: Token,
    known: Known | None,
    revoked: Revocations,
    now: float,
    owned: bool,
    visit: Visit | None,
    trace: Trace | None,
) -> Permit | Admit | Deny:
    application = place.application
    if application is None or token.application != application.name:
        return Deny(Reason.TOKEN_SIGNATURE)
    if token.warrant.room is not None:
        # A page session is no seat in a room: whoever comes with both is let in by the room, or not at all.
        visit = None
    if (refusal := check_token(token, application, revoked, now)) is not None:
        return refusal
    if known is not None and known.ends_at is not None and known.ends_at <= now:
        known = None
    closed = known is not None and revoked.cover(
        token.application, token.id, token.owner, known.session, token.issued_at
    )
    # A session that is over owns nothing; what a page session owns is not its own.
    owned = owned and (visit is not None or (known is not None and not closed))
    allowed = _check(ask, place, token.warrant, now, owned, trace)
    if isinstance(allowed, Deny):
        return allowed
    place, reads = allowed, place.action is Action.READ
    permit = Permit(
        place,
        token=token.id,
        owner=token.owner,
        issued_at=token.issued_at,
        ends_at=None if token.expires_at is None else float(token.expires_at),
        remains=remains(token.warrant, place.facts, now) if reads else None,
        sight=_sight(place, token.warrant),
        precondition=precondition(place, token.warrant, owned),
    )
    usage_s, until_s = life_of(token, application)
    if visit is not None:
        session = visit.session_of(token)
        if revoked.cover(token.application, token.id, token.owner, session, token.issued_at):
            return Deny(Reason.REVOKED)
        permit = replace(permit, visit=visit.name)
        if reads and peeks(ask.method, ask.headers, place.facts):
            return replace(permit, probe=token.counted and ask.method == "GET")
        if known is not None:
            return replace(permit, session=known.session, ends_at=known.ends_at, renewed_by=known.token)
        _note(trace, f"the token's session in this page is {session}")
        how = Resume.VISIT
        return Admit(
            Opening(
                *(token, place.client, place.page, how, usage_s, until_s, session, visit.ends_at), linked=False
            ),
            permit,
        )
    if (room_pass := token.warrant.room) is not None:
        permit = replace(permit, room=room_pass)
        if known is not None and not closed and not opens(ask.method, ask.headers, place.facts):
            return replace(permit, session=known.session, ends_at=known.ends_at, renewed_by=known.token)
        # One participant watches many tracks: whichever they begin with, the session is the same.
        how = Resume.ONLY if reads and peeks(ask.method, ask.headers, place.facts) else Resume.CLIENT
        linked = reads and how is Resume.CLIENT and place.facts.role is Role.MANIFEST
        _note(trace, "the client's session with this token is resumed, or one opened; the room says who is in")
        opening = Opening(token, place.client, place.client, how, usage_s, until_s, linked=linked)
        return Admit(opening, permit)
    # What nothing but ownership grants is read in the session that owns it: another one would own nothing.
    owns = reads and asks_ownership(place, token.warrant)
    linked = place.rule.links_files or place.facts.role is Role.MANIFEST
    if opens(ask.method, ask.headers, place.facts) and linked and not owns:
        _note(trace, "this use of the token opens a session")
        how = resumes(place.target, ask.headers, place.facts)
        return Admit(Opening(token, place.client, place.page, how, usage_s, until_s), permit)
    if reads:
        probes = place.facts.role in OPENING and peeks(ask.method, ask.headers, place.facts)
        bare = ask.method != "GET" or (not owns and (not token.counted or probes))
    else:
        bare = not token.counted and not writes_in_session(token.warrant)
    if bare:
        _note(trace, "this use of the token needs no session")
        return replace(permit, probe=token.counted and ask.method == "GET")
    if closed:
        return Deny(Reason.REVOKED)
    if known is not None:
        return replace(permit, session=known.session, ends_at=known.ends_at, renewed_by=known.token)
    _note(trace, "the client's live session is resumed, if there is one")
    return Admit(Opening(token, place.client, place.page, Resume.ONLY, usage_s, until_s, linked=False), permit)


def _check(
    ask: Ask, place: Place, warrant: Warrant, now: float, owned: bool, trace: Trace | None
) -> Place | Deny:
    """The place that may be served: the one asked for or, where its rule clips, the allowed part of it."""
    refusals = [check_grant(warrant, action, place.facts.resource, owned) for action in actions_of(place)]
    refusal = None if None in refusals else refusals[0]
    refusal = refusal or check_pass(warrant.room, place.facts.track, writes=place.action is not Action.READ)
    refusal = refusal or check_binding(warrant.bind, ask.headers, ask.address)
    if refusal is None and place.held is not None:
        refusal = check_range(place.held, ask.headers)
    if refusal is not None:
        return refusal
    _note(trace, f"{place.action.value} is granted on {place.facts.resource!r}")
    if place.action is not Action.READ:
        # Bounds say what may be watched; what may be written is granted by name, or it is not.
        return place
    rule = place.rule
    reason = check_time(warrant, place.facts, rule.live_edge_s, now, strict=rule.strict_windows)
    partly = reason is Reason.PARTLY_OUTSIDE_WINDOW or (reason is None and _overruns(place, warrant, now))
    if partly and rule.clips_overrun:
        if (part := clip(place, warrant, now)) is not None:
            _note(trace, f"a part of the time is allowed, and the origin is asked for that: {part.target.raw}")
            return part
        _note(trace, "what of the time is allowed is not one part, or not one that its URL can say")
    if reason is not None:
        return Deny(reason, facts=(("asked", describe(place.facts)), ("granted", _granted(warrant))))
    if _sight(place, warrant) is None:
        _note(trace, "the time asked for is allowed")
    else:
        _note(trace, "of the manifest is served what the token's rights and windows allow")
    return place


def _overruns(place: Place, warrant: Warrant, now: float) -> bool:
    """Whether a manifest that is served in part could be asked for in part."""
    facts = place.facts
    if facts.role is not Role.MANIFEST or facts.span is None:
        return False
    span = facts.span.at(int(now * 1000))
    # What its clients round down is asked for as it is.
    begins = Span(span.start_ms + facts.early_ms, span.end_ms)
    return not warrant.unrestricted and not warrant.windows.contain(begins)


def _sight(place: Place, warrant: Warrant) -> Warrant | None:
    """What the origin's answer is held to, where it is a manifest."""
    facts = place.facts
    held = facts.role is Role.MANIFEST and facts.kind is not Kind.OBJECT and not warrant.unrestricted
    return warrant if held and place.action is Action.READ else None


def _granted(warrant: Warrant) -> dict[str, object]:
    """What of time is granted, in Unix seconds; an open side is None."""
    rights, windows = warrant.rights, warrant.windows.spans

    def bound(ms: int) -> float | None:
        return None if abs(ms) >= ALWAYS_MS else ms / 1000

    return {
        "live": rights.live,
        "dvr": rights.dvr,
        "copy": rights.copy,
        "windows": [{"from": bound(span.start_ms), "to": bound(span.end_ms)} for span in windows],
    }


def _allowed(rule: StreamRule) -> tuple[tuple[str, object], ...]:
    """The methods that the rule serves."""
    writable = rule.access is Access.PRIVATE
    served = [method for method, action in rule.methods.items() if writable or action is Action.READ]
    return (("allowed", served),)


def _refuse(outcome: Refused) -> Deny:
    facts = (("conflicts", list(outcome.conflicts)),) if outcome.conflicts else ()
    return Deny(outcome.reason, facts=facts)


def _note(trace: Trace | None, text: str) -> None:
    if trace is not None:
        trace.append(text)
