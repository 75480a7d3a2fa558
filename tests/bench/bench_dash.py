"""What clipping an MPD of 5,000 entries costs: CPU time of this process, beside peers in the same run.

lxml is the peer where it is installed, the standard library's ElementTree always. Asserts no times.

python -m pytest tests/bench/bench_dash.py -m bench -s
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from gate.core.allowed import Allowed
from gate.core.windows import Span, Windows
from gate.media.dash import Links, clip, read_mpd, rewrite

pytestmark = pytest.mark.bench

ENTRIES = 5000
ROUNDS = 15
START_MS = 1_700_000_000_000
SPACE = "urn:mpeg:dash:schema:mpd:2011"
HALF = Allowed(Windows.of([Span(START_MS + 5_000_000, START_MS + 15_000_000)]))
ALL = Allowed(Windows.of([Span(START_MS - 1, START_MS + 10**9)]))


def document(entries: list[str], media: str) -> bytes:
    head = f'<MPD xmlns="{SPACE}" type="static" availabilityStartTime="2023-11-03T08:26:40Z">\n'
    template = f'<SegmentTemplate timescale="1000" startNumber="1" media="{media}">\n<SegmentTimeline>\n'
    tail = '</SegmentTimeline></SegmentTemplate><Representation id="v"/></AdaptationSet></Period></MPD>\n'
    return (head + "<Period><AdaptationSet>" + template + "\n".join(entries) + tail).encode()


REPEATED = (' r="1"', "")


def said(at: int) -> str:
    return f' t="{10**9 + at * 4000}"' if at % 9 == 0 else ""


FORMS = {
    "t, d": [f'<S t="{10**9 + at * 4000}" d="4000"/>' for at in range(ENTRIES)],
    "t, d, r": [f'<S t="{10**9 + at * 4000}" d="{1999 + at % 2}" r="1"/>' for at in range(ENTRIES)],
    "t first, some r": ['<S t="1000000000" d="4000"/>']
    + [f'<S d="{(1999, 4000)[at % 2]}"{REPEATED[at % 2]}/>' for at in range(1, ENTRIES)],
    "some t": [f'<S{said(at)} d="4000"/>' for at in range(ENTRIES)],
}


def by_element_tree(body: bytes, library: Any = ElementTree) -> bytes:
    """The plain way: a tree, every entry looked at, and the tree written again."""
    root = library.fromstring(body)
    timeline = root.find(f".//{{{SPACE}}}SegmentTimeline")
    at = 0
    for entry in list(timeline):
        at = int(entry.get("t", at))
        end = at + int(entry.get("d")) * (int(entry.get("r", 0)) + 1)
        if end <= 1_005_000_000 or at >= 1_015_000_000:
            timeline.remove(entry)
        at = end
    written: bytes = library.tostring(root)
    return written


def median_ms(*works: Callable[[], object]) -> list[float]:
    """The median CPU time of each work; the works take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, spent in zip(works, times, strict=True):
            started = time.process_time_ns()
            work()
            spent.append((time.process_time_ns() - started) / 1e6)
    return [statistics.median(spent) for spent in times]


@pytest.mark.parametrize("media", ["$Time$.m4s", "$Number$.m4s"])
@pytest.mark.parametrize("form", FORMS)
def test_clip(form: str, media: str) -> None:
    body = document(FORMS[form], media)
    now_ms = START_MS + 10**8
    links = Links(
        lambda uri: uri, "/_s/ticket", "/cam/index.mpd", lambda facts: b"s" + facts.pack().hex().encode()
    )
    works: list[Callable[[], object]] = [
        lambda: clip(read_mpd(body, now_ms=now_ms), HALF),
        lambda: clip(read_mpd(body, now_ms=now_ms), ALL),
        lambda: rewrite(read_mpd(body, now_ms=now_ms), links),
        lambda: by_element_tree(body),
    ]
    names = ["half of it", "all of it", "all of it sealed", "ElementTree"]
    if importlib.util.find_spec("lxml") is not None:
        from lxml import etree

        works.append(lambda: by_element_tree(body, etree))
        names.append("lxml")
    spent = median_ms(*works)
    print(f"\n{form}, {media}, {len(body) / 1000:.0f} kB:", end="")
    print(*(f" {name} {ms:.1f} ms" for name, ms in zip(names, spent, strict=True)), sep=",")
