"""Facts tell the time of a URL, and of no URL that they do not stand for."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.windows import Span
from gate.media.dash.facts import Facts, Untimed, filled, is_timed
from gate.media.dash.runs import Run

FACTS = Facts(
    epoch_us=1_000_000,
    timescale=10,
    offset=50,
    number=7,
    runs=(Run(50, 40, 2), Run(95, 15, 1), Run(110, 33, 3, 2)),
    longest=20,
    open=False,
    timed=("/cam/v/$Number%03d$.m4s",),
    untimed=("/cam/v/init.mp4",),
)
TIMES = replace(FACTS, timed=("/cam/$Time$.m4s",), runs=(Run(50, 93, 6),))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/cam/v/007.m4s", Span(1000, 3000)),
        ("/cam/v/008.m4s", Span(3000, 5000)),
        ("/cam/v/009.m4s", Span(5500, 7000)),
        # The beginning is that of all that is listed of this run, and so is the end.
        ("/cam/v/010.m4s", Span(6800, 8300)),
        ("/cam/v/012.m4s", Span(9000, 10300)),
        ("/cam/v/013.m4s", None),
        ("/cam/v/006.m4s", None),
        ("/cam/v/7.m4s", None),
        ("/cam/v/0007.m4s", None),
        ("/cam/v/007.m4s/", None),
        ("/cam/007.m4s", None),
        ("/cam/v/init.mp4", Untimed.INIT),
        ("/cam/v/init.mp4x", None),
    ],
)
def test_by_number(path: str, found: Span | Untimed | None) -> None:
    assert FACTS.find(path) == found


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/cam/50.m4s", Span(1000, 3000)),
        ("/cam/130.m4s", Span(9000, 10300)),
        ("/cam/49.m4s", None),
        ("/cam/143.m4s", None),
        ("/cam/050.m4s", None),
        ("/cam/-50.m4s", None),
        ("/cam/.m4s", None),
        ("/cam/٥٠.m4s", None),
        (f"/cam/{'9' * 5000}.m4s", None),
    ],
)
def test_by_time(path: str, found: Span | None) -> None:
    assert TIMES.find(path) == found


def test_what_goes_on() -> None:
    facts = replace(FACTS, runs=(Run(50, 20, 1),), open=True)
    assert facts.find("/cam/v/1007.m4s") == Span(2001_000, 2003_000)
    assert facts.find("/cam/v/006.m4s") is None
    times = replace(TIMES, open=True)
    assert times.find("/cam/1000050.m4s") == Span(100_001_000, 100_003_000)
    assert times.find("/cam/49.m4s") is None


def test_fractions_are_held_whole() -> None:
    facts = replace(FACTS, timescale=3, offset=0, epoch_us=1, runs=(Run(0, 2, 2),))
    assert facts.find("/cam/v/007.m4s") == Span(0, 334)
    assert facts.find("/cam/v/008.m4s") == Span(333, 667)


def test_a_number_and_a_time_must_agree() -> None:
    facts = replace(FACTS, timed=("/$Number$-$Time$.m4s",), longest=20)
    assert facts.find("/7-50.m4s") == Span(1000, 3000)
    assert facts.find("/8-50.m4s") is None
    assert facts.find("/7-70.m4s") is None
    assert facts.find("/7-90.m4s") is None
    goes_on = replace(facts, runs=(Run(50, 20, 1),), open=True)
    assert goes_on.find("/9-90.m4s") == Span(5000, 7000)
    assert goes_on.find("/9-110.m4s") is None


def test_one_file() -> None:
    facts = replace(FACTS, timed=("/cam/all.mp4",), runs=(Run(50, 93, 1),))
    assert facts.find("/cam/all.mp4") == Span(1000, 10300)
    assert replace(facts, open=True).find("/cam/all.mp4") is None
    assert replace(facts, runs=(Run(50, 93, 2),)).find("/cam/all.mp4") is None


def test_escapes_are_read_as_what_they_stand_for() -> None:
    facts = replace(FACTS, timed=("/a b/ä$$/$Number$.m4s", "/%20%c3%a9/$Number$"), untimed=("/c[d",))
    assert facts.find("/a%20b/%C3%A4$/7.m4s") == Span(1000, 3000)
    assert facts.find("/%20%C3%A9/7") == Span(1000, 3000)
    assert facts.find("/c%5bd") is Untimed.INIT
    assert facts.find("/cXd") is None


def test_fields_that_come_twice() -> None:
    facts = replace(FACTS, timed=("/$Number$/$Number$-$SubNumber$.m4s",))
    assert facts.find("/7/7-3.m4s") == Span(1000, 3000)
    assert facts.find("/7/8-3.m4s") is None


def test_queries() -> None:
    facts = replace(FACTS, timed=("/seg.m4s?n=$Number$&a=%26b",), untimed=("/init.mp4",))
    assert facts.find("/seg.m4s", "n=7&a=%26b") == Span(1000, 3000)
    assert facts.find("/seg.m4s", "n=7&a=%26b&CMCD=br%3D100") == Span(1000, 3000)
    assert facts.find("/seg.m4s", "n=7&a=%26b&n=1") is None
    assert facts.find("/seg.m4s", "n=7&a=&b") is None
    assert facts.find("/seg.m4s") is None
    assert facts.find("/seg.m4s%0An=7&a=%2526b") is None
    assert facts.find("/init.mp4", "a=b") is Untimed.INIT


def test_what_has_no_time_stands_for_one_path() -> None:
    """An index that is named by number would be a way around the times of the segments."""
    assert replace(FACTS, untimed=("/cam/v/$Number%03d$.m4s",)).find("/cam/v/013.m4s") is None


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$RepresentationID$/$Number$", "a$$b/$Number$"),
        ("$Bandwidth$-$Bandwidth%06d$", "123-000123"),
        ("$$RepresentationID$$", "$$RepresentationID$$"),
        ("$Time%05d$$$", "$Time%05d$$$"),
        ("$Unknown$", "$Unknown$"),
    ],
)
def test_filled(template: str, text: str) -> None:
    assert filled(template, "a$b", " 123 ") == text


@pytest.mark.parametrize(
    ("template", "timed"),
    [
        ("$Number%05d$", True),
        ("$Time$", True),
        ("$SubNumber$", True),
        ("$$Number$$", False),
        ("$Bandwidth$", False),
    ],
)
def test_is_timed(template: str, timed: bool) -> None:
    assert is_timed(template) is timed


NUMBERS = st.integers(-(2**70), 2**70)
PATHS = st.lists(st.text(st.characters(codec="utf-8")), max_size=3).map(tuple)
RUNS = st.lists(st.builds(Run, NUMBERS, NUMBERS, st.integers(1, 2**70), NUMBERS), min_size=1, max_size=5)


@given(
    st.builds(
        Facts, NUMBERS, st.integers(1), NUMBERS, NUMBERS, RUNS.map(tuple), NUMBERS, st.booleans(), PATHS, PATHS
    )
)
def test_facts_come_back(facts: Facts) -> None:
    assert Facts.unpack(facts.pack()) == facts


def test_packed_facts_are_short() -> None:
    assert len(FACTS.pack()) < 100


@given(st.binary())
def test_other_bytes_are_no_facts(packed: bytes) -> None:
    assert Facts.unpack(packed) is None


def squeezed(text: bytes) -> bytes:
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return squeeze.compress(text) + squeeze.flush()


GOOD: list[object] = [1, 0, 1, 0, 0, 1, 0, [0, 1, 1, 0], ["/"], []]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, 2),
        (1, "0"),
        (2, 0),
        (7, []),
        (7, [0, 1, 1]),
        (7, [0, 1, 0, 0]),
        (7, 1),
        (7, ["", 1, 1, 0]),
        (8, [1]),
        (9, ""),
    ],
)
def test_what_else_may_be_packed(at: int, value: object) -> None:
    assert Facts.unpack(squeezed(json.dumps(GOOD).encode())) is not None
    assert Facts.unpack(squeezed(json.dumps([*GOOD[:at], value, *GOOD[at + 1 :]]).encode())) is None


@pytest.mark.parametrize(
    "packed",
    [
        squeezed(b"["),
        squeezed(b"[]"),
        squeezed(b"[" * 50_000),
        squeezed(b" " * 10**6),
        squeezed(json.dumps(GOOD).encode()) + b"a",
        squeezed(json.dumps(GOOD).encode())[:-1],
        squeezed(b"\xff"),
    ],
)
def test_what_was_never_packed(packed: bytes) -> None:
    assert Facts.unpack(packed) is None
