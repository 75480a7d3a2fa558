"""An explanation as plain data, for programs."""

from __future__ import annotations

from typing import Any

from gate.api.explanation import Explanation
from gate.core.media import Facts
from gate.core.policy import StreamRule
from gate.core.reasons import Deny
from gate.core.ticket import Ticket
from gate.core.token import Token, Warrant
from gate.core.verdicts import Place
from gate.core.visit import Visit
from gate.core.windows import ALWAYS_MS, Moving, Span
from gate.media.listing import Listing


def to_plain(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain data with stable keys, all of them always there; times are Unix seconds."""
    place, refusal = explanation.place, explanation.refusal
    return {
        "decision": explanation.decision.value,
        "permitted": explanation.permitted,
        "status": explanation.status,
        "reason": refusal.reason.value if refusal else None,
        "title": refusal.reason.rule.title if refusal else None,
        "detail": refusal.detail or None if refusal else None,
        "facts": dict(refusal.facts) if refusal else {},
        "at": explanation.now,
        "rule": _rule_json(place.rule) if place else None,
        "asked": _facts_json(place, explanation.now) if place else None,
        "instead": list(explanation.instead),
        "forwards_to": explanation.forwards_to,
        "ends_at": explanation.ends_at,
        "steps": list(explanation.steps),
        "open_questions": list(explanation.open_questions),
        "token": _token_json(explanation.token) if explanation.token else None,
        "session": _ticket_json(explanation.ticket) if explanation.ticket else None,
        "page": _visit_json(explanation.visit) if explanation.visit else None,
    }


def plain_listing(listing: Listing | None, refusal: Deny | None) -> dict[str, Any] | None:
    """A manifest's entries as plain data, and why it is refused, if it is; None where it was not looked at."""
    if listing is None and refusal is None:
        return None
    entries = [
        {
            "name": entry.name,
            "from": entry.span.start_ms / 1000 if entry.span else None,
            "to": entry.span.end_ms / 1000 if entry.span else None,
            "kept": entry.kept,
            "why": entry.why.name.lower(),
        }
        for entry in (listing.entries if listing else ())
    ]
    return {
        "reason": refusal.reason.value if refusal else None,
        "detail": refusal.detail or None if refusal else None,
        "form": listing.form if listing else None,
        "older": listing.older if listing else 0,
        "entries": entries,
    }


def _rule_json(rule: StreamRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "match": rule.pattern.text,
        "access": rule.access.value,
        "application": rule.application.name if rule.application else None,
        "origin": rule.origin.name,
        "layout": rule.layout.name,
    }


def _facts_json(place: Place, now: float) -> dict[str, Any]:
    """`from` and `to` are those of now, where the span moves with the clock."""
    facts: Facts = place.facts
    span = facts.span.at(int(now * 1000)) if facts.span else None
    return {
        "action": place.action.value,
        "resource": facts.resource,
        "role": facts.role.value,
        "kind": facts.kind.value if facts.kind else None,
        "from": span.start_ms / 1000 if span else None,
        "to": span.end_ms / 1000 if span else None,
        "moving": isinstance(facts.span, Moving),
    }


def _warrant_json(warrant: Warrant) -> dict[str, Any]:
    bind = warrant.bind
    return {
        "grants": {
            action.value: {
                "all": grant.all,
                "resources": sorted(grant.resources),
                "session_owned": grant.session_owned,
            }
            for action, grant in warrant.grants.by_action.items()
        },
        "live": warrant.rights.live,
        "dvr": warrant.rights.dvr,
        "copy": warrant.rights.copy,
        "windows": [_window_json(span) for span in warrant.windows.spans],
        "bind": {
            "ip": str(bind.network) if bind.network else None,
            "user_agent": bind.user_agent,
            "origin": bind.origin,
        }
        if bind
        else None,
    }


def _window_json(span: Span) -> dict[str, float | None]:
    return {
        "from": None if span.start_ms == -ALWAYS_MS else span.start_ms / 1000,
        "to": None if span.end_ms == ALWAYS_MS else span.end_ms / 1000,
    }


def _token_json(token: Token) -> dict[str, Any]:
    return {
        "application": token.application,
        "format": token.format.value,
        "server_side": token.reference is not None,
        "id": token.id,
        "subject": token.subject,
        "issued_at": token.issued_at,
        "not_before": token.not_before,
        "expires_at": token.expires_at,
        "usage_s": token.usage_s,
        "session_limit": token.session_limit,
        "max_concurrent": token.max_concurrent,
        "single_use": token.single_use,
        **_warrant_json(token.warrant),
    }


def _ticket_json(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.session,
        "application": ticket.application,
        "token": ticket.token,
        "subject": ticket.subject,
        "opened_at": ticket.opened_at,
        "ends_at": ticket.ends_at,
        "session_limit": ticket.session_limit,
        "max_concurrent": ticket.max_concurrent,
        **(_warrant_json(ticket.warrant) if ticket.warrant else {}),
    }


def _visit_json(visit: Visit) -> dict[str, Any]:
    return {"issued_at": visit.issued_at, "ends_at": visit.ends_at}
