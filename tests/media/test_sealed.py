"""What a seal tells of a segment that a player named itself, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gate.core.grants import Action
from gate.core.marks import write_seal
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Access, Origin, Pattern, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.target import Target, parse_target
from gate.core.verdicts import Place
from gate.core.windows import Span
from gate.media import dash
from gate.media.dash.runs import Run
from gate.media.layouts import LAYOUTS
from gate.media.sealed import unsealed

KEY = b"k" * 32
RULE = StreamRule(
    "streams[0]", Pattern("/**"), Access.PRIVATE, Origin("o", "http://o.example"), LAYOUTS["unified"]
)
# Ten segments of 2 s, from number 5 on, from the second 1000 on.
FACTS = dash.Facts(
    epoch_us=1_000_000_000,
    timescale=1000,
    offset=0,
    number=5,
    runs=(Run(0, 20_000, 10),),
    longest=2000,
    open=False,
    timed=("/cam1/v-$Number$.m4s",),
    untimed=("/cam1/init.mp4",),
)
SEAL = write_seal(FACTS.pack(), 60_000, KEY)


def place(path: str, seal: str | None = SEAL, **facts: Any) -> Place:
    target = parse_target(path)
    assert isinstance(target, Target)
    said = Facts(**{"resource": "cam1", "role": Role.OTHER, **facts})
    here = Place("GET", target, RULE, None, Action.READ, said, "T", None, "client", "page")
    return replace(here, seal=seal)


def test_a_segment() -> None:
    here = place("/cam1/v-6.m4s")
    said = replace(here.facts, role=Role.SEGMENT, span=Span(1_002_000, 1_004_000), lag_ms=60_000)
    assert unsealed(here, KEY) == replace(here, facts=said)


def test_what_is_of_no_time() -> None:
    here = place("/cam1/init.mp4")
    assert unsealed(here, KEY) == replace(here, facts=replace(here.facts, kind=Kind.OBJECT))


@pytest.mark.parametrize(
    "path", ["/cam1/v-4.m4s", "/cam1/v-15.m4s", "/cam1/v-06.m4s", "/cam1/w-6.m4s", "/cam1"]
)
def test_what_was_not_sealed(path: str) -> None:
    assert unsealed(place(path), KEY) == Deny(Reason.MARK_INVALID)


@pytest.mark.parametrize("seal", [SEAL[:-1], SEAL + "A", "_gate.", "_gate.!", write_seal(b"junk", 0, KEY)])
def test_what_is_no_seal(seal: str) -> None:
    assert unsealed(place("/cam1/v-6.m4s", seal), KEY) == Deny(Reason.MARK_INVALID)


def test_another_session_s_seal() -> None:
    assert unsealed(place("/cam1/v-6.m4s"), b"x" * 32) == Deny(Reason.MARK_INVALID)


def test_without_a_seal() -> None:
    here = place("/cam1/v-6.m4s", None)
    assert unsealed(here, KEY) is here


@pytest.mark.parametrize("facts", [{"span": Span(0, 1)}, {"kind": Kind.COPY}, {"kind": Kind.OBJECT}])
def test_what_the_url_says_itself_counts(facts: dict[str, Any]) -> None:
    here = place("/cam1/v-6.m4s", **facts)
    assert unsealed(here, KEY) is here


@pytest.mark.parametrize(("kind", "left"), [(Kind.DVR, Kind.DVR), (Kind.LIVE, None)])
def test_of_the_archive_it_stays(kind: Kind, left: Kind | None) -> None:
    found = unsealed(place("/cam1/v-6.m4s", kind=kind), KEY)
    assert isinstance(found, Place)
    assert (found.facts.kind, found.facts.role) == (left, Role.SEGMENT)
