"""Periods know their representations, by how these are addressed."""

from __future__ import annotations

import pytest

from gate.core.windows import Span
from gate.media.dash.markup import MpdError, read
from gate.media.dash.tracks import Period, Track, duration_us, is_nowhere, number, representations


def period(inner: str) -> Period:
    root = read(f"<MPD>{inner if '<Period' in inner else f'<Period>{inner}</Period>'}</MPD>".encode()).root
    return Period(root.children[0], 0, None)


def track(attributes: str, inner: str = "") -> Track:
    tracks = period(
        f"<AdaptationSet><Representation><SegmentTemplate {attributes}>{inner}</SegmentTemplate>"
        "</Representation></AdaptationSet>"
    ).tracks()
    assert tracks is not None
    return tracks[0]


def test_numbers() -> None:
    assert number({"a": " +12 "}, "a", 3) == 12
    assert number({}, "a", 3) == 3
    for text in ("", "-1", "1.0", "1" * 21, "٣"):
        with pytest.raises(MpdError, match="a is not a number"):
            number({"a": text}, "a", 3)
    root = read(b'<MPD duration="PT1S"/>').root
    assert duration_us(root, "duration") == 1_000_000
    assert duration_us(root, "start") is None


def test_what_a_template_says() -> None:
    found = track(
        'timescale="10" presentationTimeOffset="50" startNumber="3" duration="25" media="$Number%05d$"'
    )
    assert (found.timescale, found.offset, found.start_number, found.length) == (10, 50, 3, 25)
    assert found.length_us == 2_500_000
    assert found.first == 50
    assert found.counted
    assert found.numbered
    assert not found.listed
    assert found.element.name == "SegmentTemplate"
    assert found.bounds(1_000_000, 2_000_001) == (60, 71)
    assert found.time_us(61) == 1_100_000
    assert found.span(500_500, 50, 51) == Span(500, 601)


def test_what_it_does_not_say() -> None:
    found = track("", '<SegmentTimeline><S d="1"/></SegmentTimeline>')
    assert (found.timescale, found.offset, found.start_number, found.first) == (1, 0, 1, 0)
    assert not found.counted
    assert not found.numbered
    with pytest.raises(MpdError, match="segments without a length"):
        _ = found.length


def test_a_presentation_that_begins_late() -> None:
    assert track('eptDelta="-3" presentationTimeOffset="5"').first == 2
    with pytest.raises(MpdError, match="eptDelta is not a number"):
        _ = track('eptDelta="x"').first


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [('timescale="0"', "timescale is 0"), ('timescale="-1"', "timescale is not a number")],
)
def test_no_timescale(attributes: str, reason: str) -> None:
    with pytest.raises(MpdError, match=reason):
        _ = track(attributes).timescale


def test_inheritance() -> None:
    found = period(
        '<Period><SegmentTemplate timescale="10" media="a"><SegmentTimeline><S d="1"/></SegmentTimeline>'
        "</SegmentTemplate>"
        '<AdaptationSet><SegmentTemplate media="b" startNumber="2"/><Representation id="1"/>'
        '<Representation id="2"/>'
        "</AdaptationSet>"
        '<AdaptationSet><Representation id="3"><SegmentTemplate timescale="20"><SegmentTimeline><S d="2"/>'
        "</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet>"
        '<AdaptationSet><SegmentList duration="1"><SegmentURL media="u"/></SegmentList>'
        '<Representation id="4"><SegmentList timescale="3"/></Representation></AdaptationSet>'
        "</Period>"
    ).tracks()
    assert found is not None
    one, other, listed = found
    assert [each.attributes["id"] for each in one.representations] == ["1", "2"]
    assert one.attributes == {"timescale": "10", "media": "b", "startNumber": "2"}
    assert other.attributes == {"timescale": "20", "media": "a"}
    assert one.timeline is not other.timeline
    assert other.timeline is other.element.first("SegmentTimeline")
    assert listed.listed
    assert listed.holder is listed.levels[0]
    assert listed.attributes == {"duration": "1", "timescale": "3"}


@pytest.mark.parametrize(
    "inner",
    [
        "<AdaptationSet><Representation/></AdaptationSet>",
        '<AdaptationSet><Representation><SegmentBase indexRange="0-1"/></Representation></AdaptationSet>',
        "<AdaptationSet><SegmentTemplate/><Representation><SegmentBase/></Representation></AdaptationSet>",
        '<AdaptationSet x:href="other.xml" xmlns:x="u"><SegmentTemplate/><Representation/></AdaptationSet>',
        # One timeline that two mean differently.
        "<SegmentTemplate><SegmentTimeline/></SegmentTemplate>"
        "<AdaptationSet><Representation><SegmentTemplate timescale='2'/></Representation>"
        "<Representation><SegmentTemplate timescale='3'/></Representation></AdaptationSet>",
        "<SegmentList><SegmentURL/></SegmentList>"
        "<AdaptationSet><Representation><SegmentList duration='2'/></Representation>"
        "<Representation><SegmentList duration='3'/></Representation></AdaptationSet>",
    ],
)
def test_times_that_are_not_known(inner: str) -> None:
    assert period(inner).tracks() is None


def test_files() -> None:
    found = period(
        "<AdaptationSet><Representation id='1'/></AdaptationSet>"
        "<EmptyAdaptationSet><Representation id='2'><SegmentTemplate/></Representation></EmptyAdaptationSet>"
    )
    tracks, files = found.addressed()
    assert [track.representations[0].attributes["id"] for track in tracks] == ["2"]
    assert [[element.name for element in chain] for chain in files] == [
        ["Period", "AdaptationSet", "Representation"]
    ]
    assert [chain[-1].attributes["id"] for chain in representations(found.element)] == ["1", "2"]


def test_nowhere() -> None:
    root = read(
        b"<MPD xmlns:x='u'><a x:href='urn:mpeg:dash:resolve-to-zero:2013'/><a href='b'/><a src='c'/></MPD>"
    ).root
    assert [is_nowhere(element) for element in root.children] == [True, False, False]
    assert period(
        "<AdaptationSet xmlns:x='u' x:href='urn:mpeg:dash:resolve-to-zero:2013'/>"
        "<AdaptationSet><SegmentTemplate/><Representation/></AdaptationSet>"
    ).tracks()
