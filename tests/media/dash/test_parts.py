"""Parts of a period: what a window leaves of its tracks, and how they are joined and cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gate.core.windows import ALL_TIME, Span
from gate.media.dash import Presentation
from gate.media.dash.edits import Edits
from gate.media.dash.parts import Part, cut_part

Build = Callable[..., Presentation]
CONTENT = (
    '<EventStream timescale="7"/>'
    '<AdaptationSet><SegmentTemplate timescale="3" media="$Number$"><SegmentTimeline><S t="3" d="6" r="4"/>'
    "</SegmentTimeline></SegmentTemplate><Representation/></AdaptationSet>"
    '<AdaptationSet><SegmentTemplate timescale="1000" duration="4000" endNumber="3" media="$Number$"/>'
    '<Representation id="1"/></AdaptationSet>'
)


@pytest.fixture
def presentation(mpd: Build) -> Presentation:
    return mpd(f"<Period>{CONTENT}</Period>")


def part(presentation: Presentation, low_s: int, high_s: int) -> Part:
    period = presentation.periods[0]
    tracks = period.tracks()
    assert tracks is not None
    entries = tuple(presentation.entries(period, track) for track in tracks)
    kept = tuple(
        one.between(*track.bounds(low_s * 10**6, high_s * 10**6))
        for one, track in zip(entries, tracks, strict=True)
    )
    return Part(period, Span(low_s, high_s), tracks, entries, tuple(one.all for one in entries), kept)


def cut(presentation: Presentation, found: Part, moved_us: int, *, written_out: bool) -> str:
    edits = Edits(presentation.document)
    cut_part(presentation.document, edits, found, moved_us, written_out=written_out)
    return edits.render(found.period.element.start, found.period.element.end).decode()


def test_all_of_it(presentation: Presentation) -> None:
    found = part(presentation, -5, 50)
    assert not any((found.changed, found.below, found.above))
    assert found.counted
    assert (found.first_us, found.last_us) == (0, 12_000_001)
    assert found.complete(11_000_000)
    assert not found.complete(11_000_001)
    assert cut(presentation, found, 0, written_out=False) == f"<Period>{CONTENT}</Period>"


def test_some_of_it(presentation: Presentation) -> None:
    found = part(presentation, 4, 6)
    assert found.changed
    assert found.below
    assert found.above
    assert (found.first_us, found.last_us) == (3_000_000, 8_000_001)
    text = cut(presentation, found, 2_000_000, written_out=True)
    assert '<EventStream presentationTimeOffset="14" timescale="7"/>' in text
    assert '<SegmentTemplate presentationTimeOffset="6" startNumber="2" timescale="3" media="$Number$">' in text
    assert '<S t="9" d="6" r="1"/>' in text
    assert '<S t="4000" d="4000" r="0"/></SegmentTimeline>' in text


def test_none_of_it(presentation: Presentation) -> None:
    found = part(presentation, 50, 60)
    assert (found.first_us, found.last_us) == (0, 0)
    assert not found.complete(0)
    assert "AdaptationSet" not in cut(presentation, found, 0, written_out=True)


def test_steps_that_every_timescale_can_say(presentation: Presentation) -> None:
    assert part(presentation, 0, 9).step_us == 10**6
    nothing = Part(presentation.periods[0], ALL_TIME, (), (), (), ())
    assert nothing.step_us == 10**6
    assert not nothing.changed
    assert (nothing.first_us, nothing.last_us) == (0, 0)


def test_joined(presentation: Presentation) -> None:
    joined = part(presentation, 0, 3).joined(part(presentation, 3, 6))
    assert joined is not None
    assert joined.window == Span(0, 6)
    assert joined.kept == part(presentation, 0, 6).kept
    assert part(presentation, 0, 1).joined(part(presentation, 9, 10)) is None
    only_first, only_second = part(presentation, 0, 1), part(presentation, 9, 10)
    one = Part(
        *(getattr(only_first, name) for name in ("period", "window", "tracks", "entries", "whole")), (None,) * 2
    )
    assert one.joined(only_second) is not None
