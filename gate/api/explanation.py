"""A decision taken apart: what a running gate would do with one request, step by step, as values.

The steps are the gatekeeper's, in its order; only where it would ask the store is the answer left open. A
running gate knows more than a policy file: what is revoked, and the keys that open session links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gate.api.presented import LookedUp, open_ticket, present, read_page, read_presented, say_sources
from gate.core.decision import Trace, decide, locate
from gate.core.grants import Action
from gate.core.policy import Policy
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.session import Resume
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Token, Warrant
from gate.core.verdicts import Admit, Ask, Permit, Place
from gate.core.visit import Visit
from gate.core.writes import asks_ownership

_OWNERSHIP: Final = "whether the session owns the object (else resource_not_granted, or a PUT creates only)"
_MADE_UP: Final = (
    "whether a gate gave out this page session in the last week (else visit_invalid): its key is in their store"
)
_FOLLOWED: Final = (
    "what the server-side token grants now that the session goes by (revoked, once that is deleted)"
)


@dataclass(frozen=True, slots=True)
class Fields:
    """Header fields by their names in lower case."""

    by_name: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        return self.by_name.get(key.lower(), default)


class Decision(Enum):
    """What becomes of a request. SESSION: a redirect to a new session's link, if the store opens one.
    RESUME: served, if the store knows a live session of this client. PAGE: served, if the store opens the
    token's session in this page, or knows that it goes on. PREFLIGHT: answered by the gate."""

    PERMIT = "permit"
    SESSION = "session"
    RESUME = "resume"
    PAGE = "page"
    PREFLIGHT = "preflight"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision at the Unix time `now`, and everything that led there. No field holds a credential.

    `place` is None where the request was refused for itself, `token`, `ticket` and `visit`, the page session,
    where there was none to read. `served` is what the origin is asked for, which may be less, and `sight`
    what a manifest is held to. `status` is None where the origin gives it.
    """

    decision: Decision
    now: float
    steps: tuple[str, ...]
    open_questions: tuple[str, ...] = ()
    place: Place | None = None
    token: Token | None = None
    ticket: Ticket | None = None
    visit: Visit | None = None
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
    looked_up: LookedUp | None = None,
) -> Explanation:
    """What becomes of `ask` at `now`. `token_text` is presented where the request carries no token itself.

    `tickets` opens session links and verifies page sessions, `revoked` is what has been revoked, and
    `looked_up` what the store said; None where that is not known here. Raises UsageError for a session link or
    a token that nobody but the store could read.
    """
    steps: Trace = []
    if ask.method == "OPTIONS" and all(
        ask.headers.getall(name, ()) for name in ("origin", "access-control-request-method")
    ):
        return Explanation(Decision.PREFLIGHT, now, ("a browser's preflight: the gate answers it by cors",))
    place = locate(ask, policy, steps)
    if isinstance(place, Deny):
        return _deny(place, now, steps)
    place = present(place, token_text, steps)
    if isinstance(place, Deny):
        return _deny(place, now, steps)
    token, ticket, visit, made_up = None, None, None, False
    if place.guarded:
        found = looked_up or LookedUp()
        opened = open_ticket(place, tickets, found, steps)
        if isinstance(opened, Deny):
            return _deny(opened, now, steps, place)
        ticket = opened
        read = read_presented(place, found, steps)
        if isinstance(read, Deny):
            return _deny(read, now, steps, place, ticket=ticket)
        token = read
        # Under a session link it has no say.
        page, made_up = read_page(place, tickets, now, steps) if ticket is None else (None, False)
        if isinstance(page, Deny):
            return _deny(page, now, steps, place, token)
        visit = page
    shown = None if made_up else visit
    # Whose an object is only the store knows. Link and page say which session asks; a token alone does not.
    warrant = ticket.warrant if ticket is not None else token.warrant if token is not None else None
    session = ticket is not None or visit is not None
    owned = session and warrant is not None and asks_ownership(place, warrant)
    verdict = decide(
        ask, place, token, ticket, None, revoked or Revocations(), now, steps, owned=owned, visit=visit
    )
    if isinstance(verdict, Deny):
        if verdict.reason is Reason.TOKEN_MISSING:
            steps.append(say_sources(place))
        elif not session and warrant is not None and asks_ownership(place, warrant):
            steps.append(_say_how_to_own(place))
        return _deny(verdict, now, steps, place, token, ticket, shown)
    if made_up and isinstance(verdict, Admit) and (invented := verdict.opening.session) is not None:
        steps = [step for step in steps if invented not in step]
    if not owned and (condition := _permit_of(verdict).precondition) is not None:
        name, value = condition
        steps.append(f"forwarded under {name}: {value}, as create and update are not both granted")
    questions = [_MADE_UP] if made_up else []
    if ticket is not None and ticket.reference is not None and looked_up is None:
        questions.append(_FOLLOWED)
    if token is not None or ticket is not None:
        questions += _questions(verdict, place, revoked)
    if owned:
        questions.append(_OWNERSHIP.replace("the session", "the page session") if visit else _OWNERSHIP)
    return Explanation(
        _name(verdict),
        now,
        tuple(steps),
        tuple(questions),
        place,
        token,
        ticket,
        shown,
        ends_at=_end(verdict, now),
        served=_permit_of(verdict).place,
        sight=_permit_of(verdict).sight,
    )


def _permit_of(verdict: Permit | Admit) -> Permit:
    return verdict if isinstance(verdict, Permit) else verdict.permit


def _name(verdict: Permit | Admit) -> Decision:
    if isinstance(verdict, Permit):
        return Decision.PERMIT
    return {Resume.ONLY: Decision.RESUME, Resume.VISIT: Decision.PAGE}.get(
        verdict.opening.resume, Decision.SESSION
    )


def _end(verdict: Permit | Admit, now: float) -> float | None:
    """When what is served ends; None for never, or where it depends on when a session was opened."""
    remains = _permit_of(verdict).remains
    ends = None if remains is None else remains.until
    if isinstance(verdict, Permit):
        return _earlier(ends, verdict.ends_at)
    opening = verdict.opening
    if opening.usage_s is not None:
        if opening.resume in (Resume.ONLY, Resume.VISIT):
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
    visit: Visit | None = None,
) -> Explanation:
    trace = (*steps, f"refused: {refusal.reason.value}")
    return Explanation(Decision.DENY, now, trace, (), place, token, ticket, visit, refusal)


def _say_how_to_own(place: Place) -> str:
    link = "what its session owns a token opens under its session link"
    ziggeo = place.application.ziggeo if place.application is not None else None
    return link if ziggeo is None else f"{link}, or with its page session ({ziggeo.visit_parameter}) beside it"


def _questions(verdict: Permit | Admit, place: Place, revoked: Revocations | None) -> list[str]:
    """What only the store or the origin can say."""
    if not place.guarded:
        return []
    questions = [] if revoked is not None else ["whether the token, its subject or its session was revoked"]
    if _permit_of(verdict).room is not None:
        questions.append("whether the room lets the participant in, and do this: who joins, waits or is muted")
    if isinstance(verdict, Permit):
        if verdict.commit is not None:
            counts = "its first media" if place.action is Action.READ else "a write"
            questions.append(f"whether the session may still play: {counts} counts against the token's limits")
    elif verdict.opening.resume is Resume.ONLY:
        questions.append("whether this client has a live session of the token (else session_required)")
    elif verdict.opening.resume is Resume.VISIT:
        questions.append(
            "whether the token's session in this page opens, goes on or is over: the places of session_limit "
            "are taken by the first that play"
        )
    else:
        questions.append(
            "whether a session opens: the places of session_limit are taken by the first that play"
        )
    return questions
