"""What a request presents, read as a gate reads it and told step by step: tokens, links, page sessions.

A policy file alone reads most of it. What only the store knows, server-side tokens, a running gate looks up
first (`look_up`); where nobody did, such a token cannot be explained.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from typing import Final, Protocol

from gate.core.decision import Trace, locate
from gate.core.keys import UnknownKey
from gate.core.policy import Application, Policy, VideoSdk
from gate.core.reasons import Deny, Reason
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Format, Token
from gate.core.verdicts import Ask, Place
from gate.core.visit import Visit, read_visit
from gate.errors import UsageError
from gate.formats import Reference, format_of, read_token
from gate.formats.strict_json import read_object

_UNREADABLE: Final = (
    "this is a session link, sealed with a key that the gates keep in their store: it can be explained only "
    "where the policy itself names sessions.ticket_keys"
)
_MOST_SHOWN: Final = 10
_KEPT: Final = "which only the store knows: ask a running gate, by POST /v1/explain of its admin API"


class ServerSide(Protocol):
    """Server-side tokens as the store has them now. Both raise StoreError."""

    async def resolve(self, application: Application, reference: Reference, /) -> Token | Deny: ...

    async def follow(self, ticket: Ticket, application: Application, now: float, /) -> Ticket | Deny: ...


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What the store made of the request's token, and of its session link; None where it was not asked."""

    token: Token | Deny | None = None
    ticket: Ticket | Deny | None = None


async def look_up(
    policy: Policy, ask: Ask, text: str | None, now: float, tickets: TicketKeys, kept: ServerSide
) -> LookedUp:
    """What the store has to say before the request can be explained. Raises StoreError.

    `text` is the token that was handed in beside the request, if any.
    """
    place = locate(ask, policy)
    if isinstance(place, Deny) or place.application is None or not place.guarded:
        return LookedUp()
    application = place.application
    ticket = None if place.ticket is None else tickets.open(place.ticket)
    followed, token = None, None
    if isinstance(ticket, Ticket) and ticket.reference is not None and ticket.application == application.name:
        followed = await kept.follow(ticket, application, now)
    presented = replace(place, token=text or place.token)
    if presented.token is not None and _counts(presented):
        read = read_token(presented.token, application)
        if isinstance(read, Reference):
            token = await kept.resolve(application, read)
    return LookedUp(token, followed)


def present(place: Place, text: str | None, steps: Trace) -> Place | Deny:
    """The place with the token that was handed in beside the request, if any."""
    if text is None:
        return place
    if place.token is not None and place.token != text:
        steps.append("the request carries a token, and --token is another one")
        return Deny(Reason.AMBIGUOUS_CREDENTIALS, "the request carries two different tokens")
    return replace(place, token=text)


def open_ticket(
    place: Place, tickets: TicketKeys | None, looked_up: LookedUp, steps: Trace
) -> Ticket | Deny | None:
    """What the session link says. Raises UsageError where nobody but the store could read it."""
    if place.ticket is None:
        return None
    if tickets is None:
        raise UsageError(_UNREADABLE)
    ticket = tickets.open(place.ticket)
    if isinstance(ticket, Deny):
        steps.append("no key for session links opens this one")
        return ticket
    if looked_up.ticket is not None:
        steps.append("the session goes by a server-side token, as the store has it now")
        ticket = looked_up.ticket
    if isinstance(ticket, Deny):
        return ticket
    if ticket.warrant is None:
        raise UsageError("the grants of this session are too many for its link: only the store holds them")
    steps.append(f"the session link opens: session {ticket.session}")
    return ticket


def read_presented(place: Place, looked_up: LookedUp, steps: Trace) -> Token | Deny | None:
    """The token. Raises UsageError for one that only the store knows, and was not asked for."""
    application = place.application
    if place.token is None or application is None or not _counts(place):
        return None
    read = read_token(place.token, application)
    if isinstance(read, Reference):
        return _say_kept(read, looked_up.token, steps)
    if isinstance(read, Deny):
        _say_unread(place.token, application, read, steps)
        return _say_where_its_key_may_be(read, application, steps)
    verb = "decrypts" if read.format is Format.ZIGGEO else "verifies"
    steps.append(f"the token {verb}: format {read.format.value}, application {application.name}")
    if read.format is Format.ZIGGEO and (read.expires_at == 1 or 0 in (read.session_limit, read.usage_s)):
        steps.append("one of its limits is 0, which leaves nothing: it is taken for a token that has ended")
    return read


def read_page(
    place: Place, tickets: TicketKeys | None, now: float, steps: Trace
) -> tuple[Visit | Deny | None, bool]:
    """The page session, and whether it is made up, because without `tickets` it cannot be told from another."""
    if place.visit is None or place.application is None:
        return None, False
    if tickets is None:
        steps.append("the token is used in a page session, which is taken for one that was given out just now")
        return Visit("", int(now)), True
    visit = read_visit(place.visit, tickets.visit_keys, place.application.name, now)
    if visit is None:
        steps.append("no gate gave this page session to the application in the last week")
        return Deny(Reason.VISIT_INVALID), False
    steps.append("the page session is one of the gate's")
    return visit, False


def say_sources(place: Place) -> str:
    """Where a token was looked for."""
    sources = place.application.sources if place.application else None
    if sources is None:
        return "no token was looked for"
    places = [
        *(f"the query parameter {name}" for name in sorted(sources.query)),
        *(f"the header {name}" for name in sorted(sources.headers)),
        *(f"the cookie {name}" for name in sorted(sources.cookies)),
    ]
    return f"a token was looked for in {', '.join(places)}"


def _counts(place: Place) -> bool:
    """Whether the token is read at all: what everybody may do nobody is asked a token for."""
    return place.ticket is not None or not place.open


def _say_kept(reference: Reference, found: Token | Deny | None, steps: Trace) -> Token | Deny:
    direct = reference.client is None
    if found is None:
        kind = "is a server-side one of Ziggeo's" if direct else "goes by a server-side one, its `token`"
        raise UsageError(f"the token {kind}, {_KEPT}")
    if isinstance(found, Token):
        steps.append(
            "the store holds the token"
            if direct
            else "the token decrypts, and the store holds the one that it goes by: what both permit counts"
        )
    elif found.reason is Reason.TOKEN_MALFORMED:
        steps.append("the store holds no server-side token of that name")
    return found


def _say_unread(text: str, application: Application, refusal: Deny, steps: Trace) -> None:
    form = format_of(text, application)
    if form is Format.ZIGGEO:
        if refusal.reason is Reason.TOKEN_MALFORMED:
            steps.append(
                f"the application {application.name} reads no token of Ziggeo's in it: it was cut or changed, "
                "made with another encryption key or for another application, or says what no token may"
            )
        return
    if form is Format.VIDEOSDK and application.videosdk is not None:
        if refusal.reason in (Reason.UNKNOWN_KEY, Reason.KEY_DISABLED, Reason.TOKEN_SIGNATURE):
            steps.append(_say_api_keys(application.name, application.videosdk))
        return
    if (named := _say_header(text)) is not None:
        steps.append(named)
    keys = ", ".join(f"{key.kid} ({key.algorithm.value})" for key in application.keyring) or "none here"
    steps.append(f"the token is not one of the application {application.name}, whose keys are {keys}")


def _say_api_keys(name: str, videosdk: VideoSdk) -> str:
    enabled = sorted(key.id for key in videosdk.keys.values() if key.enabled)
    more = f" and {len(enabled) - _MOST_SHOWN} more" if len(enabled) > _MOST_SHOWN else ""
    shown = ", ".join(enabled[:_MOST_SHOWN]) or "none here"
    return f"no enabled API key of the application {name} has signed the token; they are {shown}{more}"


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
