"""What the admin API answers: JSON, or a problem document (RFC 9457) with a reason of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from gate.wire.answers import Answer
from gate.wire.redaction import redact

_OWN: Final = (("Server", "gate"), ("Cache-Control", "no-store"))


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal. `detail` is one sentence for the operator; `facts` joins the document as it is."""

    status: HTTPStatus
    reason: str
    detail: str
    facts: Mapping[str, object] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for: plain data."""

    document: Mapping[str, Any]
    status: HTTPStatus = HTTPStatus.OK


Outcome = Done | Fault


def to_answer(outcome: Outcome) -> Answer:
    """The outcome as it goes out. A fault may quote what was sent, so credentials are taken out of it."""
    if isinstance(outcome, Done):
        return _answer(outcome.status, "application/json", json.dumps(outcome.document, indent=2))
    document = {
        "type": "about:blank",
        "title": outcome.status.phrase,
        "status": outcome.status.value,
        "reason": outcome.reason,
        "detail": outcome.detail,
        **outcome.facts,
    }
    extra = (("Gate-Reason", outcome.reason), *outcome.fields)
    return _answer(outcome.status, "application/problem+json", redact(json.dumps(document, indent=2)), extra)


def _answer(status: HTTPStatus, kind: str, text: str, extra: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status.value, (*_OWN, ("Content-Type", kind), *extra), text.encode() + b"\n")
