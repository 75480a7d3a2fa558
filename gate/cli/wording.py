"""An explanation in words, for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

import click

from gate.api.explanation import Decision, Explanation
from gate.core.grants import Action, Grant
from gate.core.media import Facts, Kind
from gate.core.reasons import Deny
from gate.core.room import RoomPass
from gate.core.token import Token, Warrant
from gate.core.windows import ALWAYS_MS, LAST_SECOND, Moving, Span
from gate.media.listing import Listing
from gate.wire.redaction import redact

_MOST_NAMES: Final = 10
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SERVED: Final = {
    Decision.PERMIT: "PERMIT: forwarded to the origin",
    Decision.SESSION: "SESSION: a session would be opened, and the viewer redirected to its link (302)",
    Decision.RESUME: "RESUME: forwarded to the origin, if this client has a live session of the token",
    Decision.PAGE: "PAGE: forwarded to the origin, if the store opens the token's session in this page",
    Decision.PREFLIGHT: "PREFLIGHT: answered by the gate itself (204)",
}


def print_explanation(explanation: Explanation) -> None:
    """The explanation is on stdout, without any credential."""
    for line in say(explanation):
        click.echo(redact(line))


def say(explanation: Explanation) -> Iterator[str]:
    """The explanation, line by line."""
    refusal, place, now = explanation.refusal, explanation.place, explanation.now
    if refusal is None:
        yield _SERVED[explanation.decision]
    else:
        rule = refusal.reason.rule
        yield f"DENY: {refusal.reason.value} ({rule.status}): {rule.title}"
        if refusal.detail:
            yield f"  {refusal.detail}"
    yield f"  at       {say_time(now)}"
    if place is not None:
        yield f"  rule     {place.rule.name}: {place.rule.pattern.text} (access {place.rule.access.value})"
        facts = place.facts
        yield f"  asks     {place.action.value} {facts.resource!r}: {facts.role.value}, {_say_kind(facts)}"
        if facts.span is not None:
            yield f"  of       {_say_span(facts.span, now)}"
        elif facts.kind not in (Kind.LIVE, Kind.OBJECT):
            yield "  of       a time that the URL does not say"
        for url in explanation.instead:
            yield f"  instead  {url} lies within the window"
    elif refusal is not None:
        yield "  rule     none: the request itself is refused"
    if explanation.forwards_to is not None:
        yield f"  origin   {explanation.forwards_to}"
    if explanation.ends_at is not None:
        yield f"  ends     {say_time(explanation.ends_at)}, {say_distance(explanation.ends_at - now)}"
    if explanation.steps:
        yield "Steps"
        for number, step in enumerate(explanation.steps, 1):
            yield f"  {number}. {step}"
    if explanation.open_questions:
        yield "Not asked here (it takes the store)"
        for question in explanation.open_questions:
            yield f"  - {question}"
    if explanation.token is not None:
        yield from _say_token(explanation.token, now)
    ticket, visit = explanation.ticket, explanation.visit
    if ticket is not None and ticket.warrant is not None:
        yield f"Session link: session {ticket.session}, application {ticket.application}"
        yield f"  opened   {say_time(ticket.opened_at)}, {say_distance(ticket.opened_at - now)}"
        if ticket.subject is not None:
            yield f"  subject  {ticket.subject!r}"
        yield from _say_warrant(ticket.warrant)
    if visit is not None:
        yield "Page session"
        for name, moment in (("issued", visit.issued_at), ("ends", visit.ends_at)):
            yield f"  {name:8} {say_time(moment)}, {say_distance(moment - now)}"


def print_listing(listing: Listing | None, refusal: Deny | None) -> None:
    """What becomes of a manifest is on stdout, and of its entries, in runs of those that fare alike."""
    if refusal is not None:
        rule = refusal.reason.rule
        said = refusal.detail or rule.title
        click.echo(redact(f"Manifest: refused: {refusal.reason.value} ({rule.status}): {said}"))
    if listing is None:
        return
    kept = sum(entry.kept for entry in listing.entries)
    counts = f": {kept} of {len(listing.entries)} segments are kept" if listing.entries else ""
    click.echo(f"Manifest: {listing.form}{counts}")
    for (is_kept, why), group in groupby(listing.entries, key=lambda entry: (entry.kept, entry.why)):
        entries = list(group)
        first, last = entries[0], entries[-1]
        names = first.name if first is last else f"{first.name} to {last.name} ({len(entries)})"
        times = _say_entries(first.span, last.span)
        click.echo(redact(f"  {'kept' if is_kept else 'cut '}  {names}{times}: {why.value}"))
    if listing.older:
        click.echo(f"  {listing.older} older ones are not looked at")


def _say_entries(first: Span | None, last: Span | None) -> str:
    if first is None or last is None:
        return ""
    return f", {say_time(first.start_ms / 1000)} to {say_time(last.end_ms / 1000)}"


def say_time(seconds: float) -> str:
    """The time in UTC, and in local time where that is another."""
    if not 0 <= seconds <= LAST_SECOND:
        return f"{seconds:.0f} s after 1970"
    utc = datetime.fromtimestamp(seconds, UTC)
    text = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    local = utc.astimezone()
    return text if not local.utcoffset() else f"{text} ({local:%Y-%m-%d %H:%M:%S %Z})"


def say_distance(seconds: float) -> str:
    """How far off: its two largest units."""
    left = int(abs(seconds))
    words: list[str] = []
    for unit, size in _UNITS:
        if left >= size and len(words) < 2:
            words.append(f"{left // size} {unit}")
            left %= size
    if not words:
        return "now"
    return f"{' '.join(words)} ago" if seconds < 0 else f"in {' '.join(words)}"


def _say_token(token: Token, now: float) -> Iterator[str]:
    kept = ", as the store has it" if token.reference is not None else ""
    yield f"Token {token.id}: format {token.format.value}, application {token.application}{kept}"
    if token.subject is not None:
        yield f"  subject  {token.subject!r}"
    for name, moment in (("issued", token.issued_at), ("begins", token.not_before)):
        if moment is not None:
            yield f"  {name:8} {say_time(moment)}, {say_distance(moment - now)}"
    if token.expires_at is None:
        yield "  expires  never"
    else:
        word = "expired" if token.expires_at <= now else "expires"
        yield f"  {word:8} {say_time(token.expires_at)}, {say_distance(token.expires_at - now)}"
    yield from _say_warrant(token.warrant)
    limits = [
        *(["opens one session, ever"] if token.single_use else []),
        *(_say_limit("opens at most {} session{}", token.session_limit) if not token.single_use else []),
        *_say_limit("at most {} playback{} at once", token.max_concurrent),
        *([f"a session lives {token.usage_s} s"] if token.usage_s is not None else []),
    ]
    yield f"  limits   {'; '.join(limits) or 'none'}"


def _say_limit(text: str, count: int | None) -> list[str]:
    return [] if count is None else [text.format(count, "" if count == 1 else "s")]


def _say_warrant(warrant: Warrant) -> Iterator[str]:
    if warrant.room is None:
        yield from _say_grants(warrant)
    else:
        # Which of the tracks there it opens is the room's matter, and time is none.
        yield f"  room     {_say_room(warrant.room)}"
    bind = warrant.bind
    if bind is not None:
        bound = [
            *([f"address in {bind.network}"] if bind.network else []),
            *([f"User-Agent {bind.user_agent!r}"] if bind.user_agent is not None else []),
            *([f"Origin {bind.origin!r}"] if bind.origin is not None else []),
        ]
        yield f"  bound    {', '.join(bound) or 'to nobody'}"


def _say_grants(warrant: Warrant) -> Iterator[str]:
    grants = [
        f"{action.value} on {_say_grant(action, grant)}" for action, grant in warrant.grants.by_action.items()
    ]
    yield f"  grants   {'; '.join(grants) or 'nothing'}"
    rights = warrant.rights
    held = ", ".join(name for name in ("live", "dvr", "copy") if getattr(rights, name))
    lacking = ", ".join(name for name in ("live", "dvr", "copy") if not getattr(rights, name))
    yield f"  timeline {held or 'nothing'}{f' (not {lacking})' if lacking else ''}"
    if warrant.windows.unbounded:
        yield "  window   any time"
    for span in warrant.windows.spans if not warrant.windows.unbounded else ():
        yield f"  window   {_say_window(span)}"
    if not warrant.windows.spans:
        yield "  window   no time at all"


def _say_room(room: RoomPass) -> str:
    where = "any room" if room.room is None else f"the room {room.room!r}"
    who = "a participant of each session" if room.participant is None else f"{room.participant!r}"
    permissions = ", ".join(sorted(permission.value for permission in room.permissions))
    uses = ", ".join(sorted(use.value for use in room.uses)) or "nothing"
    return f"{where}, as {who}: {permissions}; for {uses}; API key {room.key}"


def _say_grant(action: Action, grant: Grant) -> str:
    if grant.all:
        return "everything"
    names = sorted(grant.resources)
    words = [repr(name) for name in names[:_MOST_NAMES]]
    if len(names) > _MOST_NAMES:
        words.append(f"{len(names) - _MOST_NAMES} more")
    if grant.session_owned:
        words.append("what the session will own" if action is Action.CREATE else "what the session created")
    return ", ".join(words) or "nothing"


def _say_kind(facts: Facts) -> str:
    if facts.kind is not None:
        return facts.kind.value
    return "of unknown kind" if facts.span is None else "live or dvr by its age"


def _say_span(span: Span | Moving, now: float) -> str:
    """The time that is asked for, in words."""
    if isinstance(span, Span):
        start_s = span.start_ms / 1000
        lasts = say_distance((span.end_ms - span.start_ms) / 1000).removeprefix("in ")
        return f"{_say_window(span)}: {lasts}, {say_distance(start_s - now)}"
    start_s = span.at(int(now * 1000)).start_ms / 1000
    grows = "moves" if span.start_moves else "grows"
    goes = "on, at the speed of the clock" if span.paced else f"to now, and {grows} with the clock"
    return f"from {say_time(start_s)}, {say_distance(start_s - now)}, {goes}"


def _say_window(span: Span) -> str:
    start = "the beginning" if span.start_ms == -ALWAYS_MS else say_time(span.start_ms / 1000)
    end = "the end of time" if span.end_ms == ALWAYS_MS else say_time(span.end_ms / 1000)
    return f"from {start} to {end}"
