"""What overruns a window, and may be served as far as it lies within: the same URL for less time."""

from __future__ import annotations

from dataclasses import replace

from gate.core.media import PIECES
from gate.core.token import Warrant
from gate.core.verdicts import Place
from gate.core.windows import Span


def clip(place: Place, warrant: Warrant, now: float) -> Place | None:
    """The place of the one part that is allowed of what is asked for, in the words of its layout.

    None where the windows leave no part of it or several, or where its URL cannot say that time. A segment is
    not cut: a player needs it whole.
    """
    facts, layout = place.facts, place.rule.layout
    if facts.span is None or facts.role in PIECES:
        return None
    asked = facts.span.at(int(now * 1000))
    parts = warrant.windows.cut(asked)
    if len(parts) != 1:
        return None
    # What its clients could only round down begins where it did.
    begins = asked.start_ms if parts[0].start_ms - asked.start_ms <= facts.early_ms else parts[0].start_ms
    part = replace(facts, span=Span(begins, parts[0].end_ms))
    written = layout.write(place.target, Span(begins, parts[0].end_ms))
    # The origin will read what was written: it is read once more before it is believed.
    if written is None or layout.read(written, place.rule.pattern.match(written.segments) or {}) != part:
        return None
    return replace(place, target=written, facts=part, asked=place.target)
