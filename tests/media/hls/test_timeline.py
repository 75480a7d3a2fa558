"""When each entry was recorded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.allowed import Allowed
from gate.core.windows import ALWAYS_MS, Span, Windows
from gate.media.hls import Clipped, Form, clip, read_playlist

T0 = 1_767_225_600_000
AT = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:%s"
CUT = "#EXT-X-DISCONTINUITY"


def spans(*lines: str, **more: object) -> list[tuple[int, int] | None]:
    """Where each entry lies, in milliseconds after T0; a bare number is an entry of so many seconds."""
    whole = read_playlist(playlist(*lines), **more)  # type: ignore[arg-type]
    found = [whole.timeline.span(entry) for entry in range(whole.entries)]
    return [None if span is None else (span.start_ms - T0, span.end_ms - T0) for span in found]


def playlist(*lines: str) -> bytes:
    text = [line if line.startswith("#") else f"#EXTINF:{line},\n{at}.ts" for at, line in enumerate(lines)]
    return "\n".join(["#EXTM3U", *text, ""]).encode()


def test_a_date_counts_for_what_follows() -> None:
    assert spans(AT % "10Z", "6", "2.5") == [(10_000, 16_000), (16_000, 18_500)]


def test_the_nearest_date_before_counts() -> None:
    assert spans(AT % "10Z", "6", "6", AT % "30Z", "6", "6") == [
        *((10_000, 16_000), (16_000, 22_000)),
        *((30_000, 36_000), (36_000, 42_000)),
    ]
    assert spans(AT % "10Z", AT % "20Z", "6") == [(20_000, 26_000)]


def test_before_the_first_date_it_is_reckoned_back() -> None:
    assert spans("6", "4", AT % "10Z", "6") == [(0, 6_000), (6_000, 10_000), (10_000, 16_000)]


def test_across_a_discontinuity_only_a_new_date_tells() -> None:
    assert spans(AT % "10Z", "6", CUT, "6", "6") == [(10_000, 16_000), None, None]
    assert spans("6", CUT, AT % "10Z", "6") == [None, (10_000, 16_000)]
    assert spans(AT % "10Z", "6", CUT, "6", AT % "40Z", "6") == [
        *((10_000, 16_000), (34_000, 40_000)),
        (40_000, 46_000),
    ]


@pytest.mark.parametrize("duration", ["-1", "nan", "1e9", "", "999999"])
def test_a_duration_that_cannot_be_read_ends_what_a_date_tells(duration: str) -> None:
    assert spans(AT % "10Z", "6", duration, "6") == [(10_000, 16_000), None, None]
    assert spans("6", duration, AT % "40Z", "6") == [None, None, (40_000, 46_000)]


def test_a_date_that_cannot_be_read_does_too() -> None:
    assert spans(AT % "10Z", "6", AT % "40", "6", "6") == [(10_000, 16_000), None, None]
    assert spans(AT % "10Z", "6", AT % "40", "6", AT % "50Z", "6") == [
        *((10_000, 16_000), (44_000, 50_000)),
        (50_000, 56_000),
    ]


def test_fractions_add_up() -> None:
    third = ["0.333333"] * 3000
    assert spans(AT % "00Z", *third)[-1] == (999_666, 999_999)
    together = spans(AT % "00.0004Z", "0.0002", "0.0002", "6")
    assert together == [(0, 1), (1, 1), (1, 6_001)]


def test_the_layout_wins() -> None:
    def time_of(uri: bytes) -> Span | None:
        return Span(T0 + 1, T0 + 2) if uri == b"1.ts" else None

    assert spans(AT % "10Z", "6", "6", time_of=time_of) == [(1, 2), (16_000, 22_000)]
    assert spans("6", "x", time_of=time_of) == [None, (1, 2)]


def test_the_layout_tells_of_what_comes_next() -> None:
    body = playlist("6") + b'#EXT-X-PART:DURATION=2,URI="p"\n'
    whole = read_playlist(body, time_of=lambda uri: Span(T0, T0 + 6_000))
    assert whole.timeline.part_spans(1, whole.read.parts[1]) == [Span(T0 + 6_000, T0 + 8_000)]
    body = playlist('#EXT-X-PART:DURATION=2,URI="p"', "6")
    whole = read_playlist(body, time_of=lambda uri: Span(T0, T0 + 6_000))
    assert whole.timeline.part_spans(0, whole.read.parts[0]) == [Span(T0, T0 + 2_000)]
    for tail in (CUT, AT % "30Z"):
        body = playlist("6", tail)
        whole = read_playlist(body, time_of=lambda uri: Span(T0, T0 + 6_000))
        assert whole.timeline.start_us(1) == (None if tail == CUT else (T0 + 30_000) * 1000)


# --- where nothing tells ------------------------------------------------------------------------------------


def test_the_newest_entries_of_a_growing_playlist_end_now() -> None:
    assert spans("6", CUT, "4", now_ms=T0) == [(-10_000, -4_000), (-4_000, 0)]
    assert spans("6", CUT, "4", "#EXT-X-ENDLIST", now_ms=T0) == [None, None]
    assert spans("6", "x", "4", now_ms=T0) == [None, None, (-4_000, 0)]
    assert spans(AT % "10Z", "6", CUT, "4", now_ms=T0) == [(10_000, 16_000), (-4_000, 0)]
    assert spans("6", "4", now_ms=T0, time_of=lambda uri: Span(T0, T0) if uri == b"0.ts" else None) == [
        (0, 0),
        (-4_000, 0),
    ]


def test_an_assumed_time_is_for_the_live_edge_only() -> None:
    body = playlist(*["6"] * 20)
    live = Span(T0 - 60_000, ALWAYS_MS)
    whole = read_playlist(body, now_ms=T0)
    result = clip(whole, Allowed(Windows.of([live]), live=live, placed=True))
    assert isinstance(result, Clipped)
    assert result.kept == 10
    assert b"PROGRAM-DATE-TIME" not in result.body, "nobody knows"
    assert clip(whole, Allowed(Windows.of([live]))).kept == 0  # type: ignore[union-attr]
    assert whole.newest_ms == T0


def test_the_newest_entry() -> None:
    assert read_playlist(playlist(AT % "10Z", "6", "6")).newest_ms == T0 + 22_000
    assert read_playlist(playlist(AT % "10Z", "6", CUT, "6")).newest_ms == T0 + 16_000
    assert read_playlist(playlist("6")).newest_ms is None
    assert read_playlist(b"<html>").newest_ms is None
    # By its own name, wherever it stands.
    names = {b"0.ts": Span(T0, T0 + 9), b"1.ts": Span(T0, T0 + 5)}
    assert read_playlist(playlist("6", "6"), time_of=names.get).newest_ms == T0 + 9


# --- in order -----------------------------------------------------------------------------------------------


def kept(body: bytes, allowed: Allowed, **more: object) -> list[int]:
    """What is left by number, found in the two ways that there are."""
    whole = read_playlist(body, **more)  # type: ignore[arg-type]
    timeline, count = whole.timeline, whole.entries
    assert timeline.spans(0, count - 1) == [timeline.span(entry) for entry in range(count)]
    one_by_one = [
        entry
        for entry in range(count)
        if allowed.keeps(timeline.span(entry), assumed=entry >= timeline.assumed)
    ]
    assert [entry for first, last in timeline.kept(allowed) for entry in range(first, last + 1)] == one_by_one
    return one_by_one


@pytest.mark.parametrize(
    "dates",
    [
        *(["00Z", "06Z", "12Z"], ["00.5Z", "06.5Z", "12.5Z"], ["00+03:00", "06+03:00", "12+03:00"]),
        *(["00Z", "06+03:00", "12Z"], ["00Z", "06.5Z", "12Z"], ["06Z", "00Z", "12Z"], ["00Z", "66Z", "72Z"]),
        *(["00Z", "0xZ", "12Z"], ["00Z", "06+0300", "12Z"], ["00+03:00", "06+04:00", "12+05:00"]),
        *(["00Z", "06Z ", "12Z"], ["", "06Z", "12Z"], ["60Z", "60Z", "60Z"]),
    ],
)
def test_dates_in_order_and_not(dates: list[str]) -> None:
    lines = [line for text in dates for line in (AT % text, "6")]
    for start in range(-4, 80, 4):
        for length in (1_000, 5_000, 20_000):
            span = Span(T0 + start * 1000, T0 + start * 1000 + length)
            kept(playlist(*lines), Allowed(Windows.of([span])))
            shifted = Span(span.start_ms - 10_800_000, span.end_ms - 10_800_000)
            kept(playlist(*lines), Allowed(Windows.of([span, shifted]), until_ms=span.end_ms - 2_000))


@pytest.mark.parametrize(
    "odd", ["2026-02-29T00:00:00Z", "2026-02-30T24:00:00Z", "2026-02-28T00:60:00Z", "2026-02-28T25:00:00Z"]
)
def test_a_date_that_is_none_is_none_among_others_in_order(odd: str) -> None:
    dates = [
        "2026-02-27T00:00:00Z",
        "2026-02-28T00:00:00Z",
        odd,
        "2026-03-01T00:00:00Z",
        "2026-03-02T00:00:00Z",
    ]
    lines = [line for text in dates for line in (f"#EXT-X-PROGRAM-DATE-TIME:{text}", "6")]
    begin = T0 + 50 * 86_400_000
    kept(playlist(*lines), Allowed(Windows.of([Span(begin, begin + 30 * 86_400_000)])))
    # What is reckoned back from the next date counts, and not where the text would stand in the order.
    found = spans(*lines)
    assert found[2] is not None
    assert found[3] is not None
    assert found[2][1] == found[3][0]


LINES = [
    *(
        "6",
        "6",
        "6",
        "2.5",
        "0",
        "0.3333335",
        "x",
        CUT,
        AT % "10Z",
        AT % "10Z",
        AT % "20.5Z",
        AT % "00Z",
        AT % "30",
    ),
    *("#EXT-X-BYTERANGE:5", "#EXT-X-BYTERANGE:5@7", "#EXT-X-GAP"),
]
EDGES = st.integers(-20, 60).map(lambda second: T0 + second * 1000)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from(LINES), max_size=14),
    st.lists(EDGES, min_size=2, max_size=6, unique=True).map(sorted),
    st.one_of(st.just(ALWAYS_MS), EDGES),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, T0 + 20_000]),
    st.sampled_from([None, b"0.ts", b"5.ts"]),
)
def test_all_of_them_or_one_by_one(
    lines: list[str],
    edges: list[int],
    until_ms: int,
    undated: bool,
    strict: bool,
    now_ms: int | None,
    own: bytes | None,
) -> None:
    windows = Windows.of(Span(*pair) for pair in zip(edges[::2], edges[1::2], strict=False))
    allowed = Allowed(windows, Span(edges[0], ALWAYS_MS), until_ms, strict, undated, placed=True)
    kept(playlist(*lines), allowed, now_ms=now_ms, time_of=lambda uri: Span(T0, T0 + 9) if uri == own else None)


def test_forms() -> None:
    assert read_playlist(b"").form is Form.NONE
    assert read_playlist(b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n").form is Form.MASTER
    # What lists segments is clipped, whatever else it says.
    assert read_playlist(b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXTINF:6,\nb\n").form is Form.MEDIA
    assert read_playlist(b"#EXTM3U\na\n").form is Form.MEDIA
    assert [read_playlist(b"#EXTM3U\n" + line).target_ms for line in (b"", b"#EXT-X-TARGETDURATION:6\n")] == [
        None,
        6000,
    ]
    assert read_playlist(b"#EXTM3U\n#EXT-X-TARGETDURATION:x\n").target_ms is None
