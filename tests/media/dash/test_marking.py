"""What has a URL of its own is marked with its time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gate.core.marks import ByteRange
from gate.core.windows import Span
from gate.media.dash import Links, Presentation, rewrite
from gate.media.hls import rebase_under

EPOCH_MS = 1_700_000_000_000
LINK = "/_s/ticket"
Build = Callable[..., Presentation]
Marked = tuple[str, str, tuple[int, int] | None, tuple[int, int | None] | None]
STATIC = 'mediaPresentationDuration="PT20S"'
REBASE = rebase_under(LINK.encode(), frozenset({b"http://origin"}), b"")


def handed(presentation: Presentation) -> tuple[str, list[Marked]]:
    """What stands in the adaptation sets, and what was marked: URI, path, seconds, bytes."""
    marked: list[Marked] = []

    def mark(uri: bytes, path: str, span: Span | None, byterange: ByteRange | None) -> bytes:
        times = span and ((span.start_ms - EPOCH_MS) // 1000, (span.end_ms - EPOCH_MS) // 1000)
        marked.append((uri.decode(), path, times, byterange and (byterange.offset, byterange.length)))
        return uri + b"?m"

    text = rewrite(presentation, Links(REBASE, LINK, "/cam/index.mpd", mark=mark)).decode()
    return text.partition("<AdaptationSet>")[2].rpartition("</AdaptationSet>")[0], marked


def test_a_list(mpd: Build) -> None:
    text, marked = handed(
        mpd(
            '<SegmentList duration="2"><Initialization sourceURL="i.mp4" range="0-9"/>'
            '<SegmentURL media="1.m4s"/>'
            '<SegmentURL media="http://origin/a/2.m4s" mediaRange="10-19" index="x"/>'
            '<SegmentURL media="../3.m4s" mediaRange="20-" indexRange="0-8"/></SegmentList><Representation/>'
        )
    )
    assert marked == [
        ("1.m4s", "/cam/1.m4s", (0, 2), None),
        (f"{LINK}/a/2.m4s", "/a/2.m4s", (2, 4), (10, 10)),
        ("x", "/cam/x", None, None),
        (f"{LINK}/3.m4s", "/3.m4s", (4, 6), (20, None)),
        (f"{LINK}/3.m4s", "/3.m4s", None, (0, 9)),
        ("i.mp4", "/cam/i.mp4", None, (0, 9 + 1)),
    ]
    assert text == (
        '<SegmentList duration="2"><Initialization sourceURL="i.mp4?m" range="0-9"/>'
        f'<SegmentURL media="1.m4s?m"/><SegmentURL media="{LINK}/a/2.m4s?m" mediaRange="10-19" index="x?m"/>'
        f'<SegmentURL index="{LINK}/3.m4s?m" media="{LINK}/3.m4s?m" mediaRange="20-" indexRange="0-8"/>'
        "</SegmentList><Representation/>"
    )


def test_a_list_in_one_file(mpd: Build) -> None:
    text, marked = handed(
        mpd(
            "<BaseURL>a.mp4</BaseURL>"
            '<SegmentList><SegmentTimeline><S d="2" r="99"/></SegmentTimeline><Initialization range="0-9"/>'
            '<RepresentationIndex range="x"/><SegmentURL mediaRange="10-19" indexRange="10-11"/></SegmentList>'
            "<Representation/>"
        )
    )
    assert marked == [
        ("a.mp4", "/cam/a.mp4", (0, 2), (10, 10)),
        ("a.mp4", "/cam/a.mp4", None, (10, 2)),
        ("a.mp4", "/cam/a.mp4", None, (0, 10)),
        ("a.mp4", "/cam/a.mp4", None, None),
    ]
    assert '<SegmentURL index="a.mp4?m" media="a.mp4?m" mediaRange="10-19" indexRange="10-11"/>' in text
    assert "<BaseURL>a.mp4</BaseURL>" in text


def test_of_several_places_the_first(mpd: Build) -> None:
    text, marked = handed(
        mpd(
            "<BaseURL>a/</BaseURL><BaseURL>b/</BaseURL>"
            '<SegmentList duration="2"><SegmentURL media="1.m4s"/></SegmentList><Representation/>'
        )
    )
    assert marked == [(f"{LINK}/cam/a/1.m4s", "/cam/a/1.m4s", (0, 2), None)]
    assert f'media="{LINK}/cam/a/1.m4s?m"' in text


@pytest.mark.parametrize(
    "content",
    [
        # A list that two share who find it in different places.
        '<SegmentList duration="2"><SegmentURL media="1.m4s"/></SegmentList>'
        "<Representation><BaseURL>a/</BaseURL></Representation><Representation><BaseURL>b/</BaseURL></Representation>",
        '<SegmentList duration="2"><SegmentURL media="1.m4s"/></SegmentList>'
        "<Representation><BaseURL>http://other/</BaseURL></Representation>",
        '<SegmentList duration="2"><SegmentURL media="http://other/1.m4s"/></SegmentList><Representation/>',
        "<BaseURL>a/x.mp4</BaseURL><BaseURL>b/y.mp4</BaseURL>"
        '<SegmentList duration="2"><SegmentURL/></SegmentList><Representation/>',
        '<BaseURL>a/</BaseURL><SegmentList duration="2"><SegmentURL/></SegmentList><Representation/>',
        '<SegmentList duration="2"><SegmentURL/></SegmentList><Representation/>',
        "<Representation/>",
        "<Representation><BaseURL>http://other/a.mp4</BaseURL></Representation>",
    ],
)
def test_what_is_not_marked(mpd: Build, content: str) -> None:
    text, marked = handed(mpd(content, STATIC))
    assert (text, marked) == (content, [])


def test_a_file(mpd: Build) -> None:
    text, marked = handed(
        mpd(
            "<BaseURL>v/</BaseURL><Representation><BaseURL> a.mp4 </BaseURL><BaseURL>/b/a.mp4</BaseURL>"
            '<SegmentBase indexRange="0-9"><Initialization range="0-9"/><RepresentationIndex sourceURL="i"/>'
            "</SegmentBase></Representation>",
            STATIC,
        )
    )
    assert marked == [
        ("a.mp4", "/cam/v/a.mp4", (0, 20), None),
        (f"{LINK}/b/a.mp4", "/b/a.mp4", (0, 20), None),
        (f"{LINK}/cam/v/i", "/cam/v/i", None, None),
    ]
    assert f"<BaseURL> a.mp4?m </BaseURL><BaseURL>{LINK}/b/a.mp4?m</BaseURL>" in text
    assert '<Initialization range="0-9"/>' in text


def test_a_file_without_an_end(mpd: Build) -> None:
    content = "<Representation><BaseURL>a.mp4</BaseURL></Representation>"
    period = f'<Period start="PT0S"><AdaptationSet>{content}</AdaptationSet></Period>'
    assert handed(mpd(period, 'type="dynamic"')) == (content, [])
