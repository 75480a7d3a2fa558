"""A decision taken apart: what a running gate would do with one request, step by step, as values.

The steps are the gatekeeper's, in its order; only where it would ask the store is the answer left open. A
running gate knows more than a policy file: what is revoked, and the keys that open session links.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from gate.core.decision import Trace, decide, locate
from gate.core.grants import Action
from gate.core.keys import UnknownKey
from gate.core.policy import Application, Policy
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.session import Resume
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Token, Warrant
from gate.core.verdicts import Admit, Ask, Permit, Place
from gate.core.writes import asks_ownership
from gate.errors import UsageError
from gate.formats import Reference, read_token
from gate.formats.strict_json import read_object

_UNREADABLE: Final = (
    "this is a session link, sealed with a key that the gates keep in their store: it can be explained only "
    "where the policy itself names sessions.ticket_keys"
)
_KEPT: Final = "the token names one that the gate keeps in its store: what that says is not known here"
_OWNERSHIP: Final = "whether the session owns the object (else resource_not_granted, or a PUT creates only)"


@dataclass(frozen=True, slots=True)
class Fields:
    """Header fields by their names in lower case."""

    by_name: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        return self.by_name.get(key.lower(), default)


class Decision(Enum):
    """What becomes of a request. SESSION: a redirect to a new session's link, if the store opens one.
    RESUME: served, if the store knows a live session of this client. PREFLIGHT: answered by the gate."""

    PERMIT = "permit"
    SESSION = "session"
    RESUME = "resume"
    PREFLIGHT = "preflight"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision at the Unix time `now`, and everything that led there. No field holds a credential.

    `place` is None where the request was refused for itself, `token` and `ticket` where there was none to
    read. `served` is what the origin is asked for, which may be less, and `sight` what a manifest is held to.
    `status` is None where the origin gives it.
    """

    decision: Decision
    now: float
    steps: tuple[str, ...]
    open_questions: tuple[str, ...] = ()
    place: Place | None = None
    token: Token | None = None
    ticket: Ticket | None = None
    refusal: Deny | None = None
    ends_at: float | None = None
    served: Place | None = None
    sight: Warrant | None = None

    @property
    def permitted(self) -> bool:
        return self.decision is not Decision.DENY

    @property
    def status(self) -> int | None:
        if self.refusal is not None:
            return self.refusal.reason.rule.status
        return {Decision.SESSION: 302, Decision.PREFLIGHT: 204}.get(self.decision)

    @property
    def instead(self) -> tuple[str, ...]:
        """The same URL, less its tokens, for each part of the time asked for that the token allows."""
        place, warrant = self.place, self.warrant
        if place is None or warrant is None or place.facts.span is None or self.refusal is None:
            return ()
        if self.refusal.reason is not Reason.PARTLY_OUTSIDE_WINDOW:
            return ()
        parts = warrant.windows.cut(place.facts.span.at(int(self.now * 1000)))
        written = (place.rule.layout.write(place.target, part) for part in parts)
        return tuple(target.raw for target in written if target is not None)

    @property
    def warrant(self) -> Warrant | None:
        """What was permitted by the session link or else the token, as far as either was read."""
        if self.ticket is not None:
            return self.ticket.warrant
        return self.token.warrant if self.token is not None else None

    @property
    def forwards_to(self) -> str | None:
        """The URL that the origin is asked for, once the request is served."""
        if self.place is None or self.decision in (Decision.DENY, Decision.PREFLIGHT):
            return None
        return self.place.rule.origin.url + (self.served or self.place).target.raw


def explain(
    policy: Policy,
    ask: Ask,
    token_text: str | None,
    now: float,
    *,
    tickets: TicketKeys | None = None,
    revoked: Revocations | None = None,
) -> Explanation:
    """What becomes of `ask` at `now`. `token_text` is presented where the request carries no token itself.

    `tickets` opens session links, and `revoked` is what has been revoked; None where that is not known here.
    Raises UsageError for a session link that nobody but the store could read.
    """
    steps: Trace = []
    if ask.method == "OPTIONS" and all(
        ask.headers.getall(name, ()) for name in ("origin", "access-control-request-method")
    ):
        return Explanation(Decision.PREFLIGHT, now, ("a browser's preflight: the gate answers it by cors",))
    place = locate(ask, policy, steps)
    if isinstance(place, Deny):
        return _deny(place, now, steps)
    place = _present(place, token_text, steps)
    if isinstance(place, Deny):
        return _deny(place, now, steps)
    token, ticket = None, None
    if place.guarded:
        opened = _open_ticket(place, tickets, steps)
        if isinstance(opened, Deny):
            return _deny(opened, now, steps, place)
        ticket = opened
        read = _read_token(place, steps)
        if isinstance(read, Deny):
            return _deny(read, now, steps, place, ticket=ticket)
        token = read
    # Whose an object is only the store knows. A session link says which session asks; a token alone does not.
    owned = ticket is not None and ticket.warrant is not None and asks_ownership(place, ticket.warrant)
    verdict = decide(ask, place, token, ticket, None, revoked or Revocations(), now, steps, owned=owned)
    if isinstance(verdict, Deny):
        if verdict.reason is Reason.TOKEN_MISSING:
            steps.append(_say_sources(place))
        elif ticket is None and token is not None and asks_ownership(place, token.warrant):
            steps.append("what its session owns a token opens under its session link")
        return _deny(verdict, now, steps, place, token, ticket)
    if not owned and (condition := _permit_of(verdict).precondition) is not None:
        name, value = condition
        steps.append(f"forwarded under {name}: {value}, as create and update are not both granted")
    questions = [*_questions(verdict, place, revoked), *([_OWNERSHIP] if owned else [])]
    return Explanation(
        _name(verdict),
        now,
        tuple(steps),
        tuple(questions),
        place,
        token,
        ticket,
        ends_at=_end(verdict, now),
        served=_permit_of(verdict).place,
        sight=_permit_of(verdict).sight,
    )


def _permit_of(verdict: Permit | Admit) -> Permit:
    return verdict if isinstance(verdict, Permit) else verdict.permit


def _name(verdict: Permit | Admit) -> Decision:
    if isinstance(verdict, Permit):
        return Decision.PERMIT
    return Decision.RESUME if verdict.opening.resume is Resume.ONLY else Decision.SESSION


def _end(verdict: Permit | Admit, now: float) -> float | None:
    """When what is served ends; None for never, or where it depends on when a session was opened."""
    remains = _permit_of(verdict).remains
    ends = None if remains is None else remains.until
    if isinstance(verdict, Permit):
        return _earlier(ends, verdict.ends_at)
    opening = verdict.opening
    if opening.usage_s is not None:
        if opening.resume is Resume.ONLY:
            return None
        ends = _earlier(ends, now + opening.usage_s)
    return _earlier(ends, opening.until_s)


def _earlier(one: float | None, other: float | None) -> float | None:
    """The earlier of two ends, of which None never comes."""
    return min((float(end) for end in (one, other) if end is not None), default=None)


def _deny(
    refusal: Deny,
    now: float,
    steps: Trace,
    place: Place | None = None,
    token: Token | None = None,
    ticket: Ticket | None = None,
) -> Explanation:
    trace = (*steps, f"refused: {refusal.reason.value}")
    return Explanation(Decision.DENY, now, trace, place=place, token=token, ticket=ticket, refusal=refusal)


def _present(place: Place, text: str | None, steps: Trace) -> Place | Deny:
    """The place with the token that was handed in beside the request, if any."""
    if text is None:
        return place
    if place.token is not None and place.token != text:
        steps.append("the request carries a token, and --token is another one")
        return Deny(Reason.AMBIGUOUS_CREDENTIALS, "the request carries two different tokens")
    return replace(place, token=text)


def _open_ticket(place: Place, tickets: TicketKeys | None, steps: Trace) -> Ticket | Deny | None:
    if place.ticket is None:
        return None
    if tickets is None:
        raise UsageError(_UNREADABLE)
    ticket = tickets.open(place.ticket)
    if isinstance(ticket, Deny):
        steps.append("no key for session links opens this one")
        return ticket
    if ticket.warrant is None:
        raise UsageError("the grants of this session are too many for its link: only the store holds them")
    steps.append(f"the session link opens: session {ticket.session}")
    return ticket


def _read_token(place: Place, steps: Trace) -> Token | Deny | None:
    application = place.application
    if place.token is None or application is None:
        return None
    token = read_token(place.token, application)
    if isinstance(token, Deny):
        if (named := _say_header(place.token)) is not None:
            steps.append(named)
        keys = ", ".join(f"{key.kid} ({key.algorithm.value})" for key in application.keyring) or "none here"
        steps.append(f"the token is not one of the application {application.name}, whose keys are {keys}")
        return _say_where_its_key_may_be(token, application, steps)
    if isinstance(token, Reference):
        raise UsageError(_KEPT)
    steps.append(f"the token verifies: format {token.format.value}, application {application.name}")
    return token


def _say_where_its_key_may_be(refusal: Deny, application: Application, steps: Trace) -> Deny:
    """A gate that is asked looks further than an explanation does."""
    if not isinstance(refusal, UnknownKey) or not application.key_sources:
        return refusal
    places = ", ".join(source.place for source in application.key_sources)
    steps.append(f"a gate would look its key up at {places}, which is not done here")
    return replace(refusal, detail=f"Its key may be published at {places}: a gate would look it up there.")


def _say_header(text: str) -> str | None:
    """What a token's header says of its key, where it can be read at all. It is no secret, and no proof."""
    part = text.partition(".")[0]
    try:
        header = read_object(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None
    if header is None:
        return None
    kid = header.get("kid")
    named = "no key (kid)" if kid is None else f"the key {str(kid)[:64]!r}"
    return f"the token's header names {named} and the algorithm {str(header.get('alg'))[:16]!r}"


def _say_sources(place: Place) -> str:
    sources = place.application.sources if place.application else None
    if sources is None:
        return "no token was looked for"
    places = [
        *(f"the query parameter {name}" for name in sorted(sources.query)),
        *(f"the header {name}" for name in sorted(sources.headers)),
        *(f"the cookie {name}" for name in sorted(sources.cookies)),
    ]
    return f"a token was looked for in {', '.join(places)}"


def _questions(verdict: Permit | Admit, place: Place, revoked: Revocations | None) -> list[str]:
    """What only the store or the origin can say."""
    if not place.guarded:
        return []
    questions = [] if revoked is not None else ["whether the token, its subject or its session was revoked"]
    if isinstance(verdict, Permit):
        if verdict.commit is not None:
            counts = "its first media" if place.action is Action.READ else "a write"
            questions.append(f"whether the session may still play: {counts} counts against the token's limits")
    elif verdict.opening.resume is Resume.ONLY:
        questions.append("whether this client has a live session of the token (else session_required)")
    else:
        questions.append(
            "whether a session opens: the places of session_limit are taken by the first that play"
        )
    return questions
