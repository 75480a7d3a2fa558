"""What a seal in a URL's path tells of its time: players of DASH expand templates themselves."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from gate.core.marks import read_seal
from gate.core.media import Kind, Role
from gate.core.reasons import Deny, Reason
from gate.core.verdicts import Place
from gate.core.windows import Span
from gate.media.dash import Facts, Untimed


def unsealed(place: Place, key: bytes) -> Place | Deny:
    """The place with the time that its seal tells; `key` is its session's. What the URL itself says counts.

    A template goes on after it was handed out. So what it tells is checked as if the URL said it.
    """
    if place.seal is None:
        return place
    read = read_seal(place.seal, key)
    facts = None if read is None else _facts(read[0])
    found = None if facts is None else facts.find(place.target.path, place.target.query)
    if read is None or found is None:
        return Deny(Reason.MARK_INVALID)
    said = place.facts
    if said.span is not None or said.kind in (Kind.COPY, Kind.OBJECT):
        return place
    if isinstance(found, Span):
        kind = said.kind if said.kind is Kind.DVR else None
        return replace(place, facts=replace(said, role=Role.SEGMENT, kind=kind, span=found, lag_ms=read[1]))
    assert found is Untimed.INIT
    return replace(place, facts=replace(said, role=Role.OTHER, kind=Kind.OBJECT))


@lru_cache(maxsize=4096)
def _facts(said: bytes) -> Facts | None:
    """What was packed so: a player asks with the same seal for every segment of a representation."""
    return Facts.unpack(said)
