"""Clipping: what is left is a true playlist (RFC 8216 and its second edition)."""

from __future__ import annotations

import time

import pytest

from gate.core.allowed import EVERYTHING, NOTHING, Allowed
from gate.core.windows import ALWAYS_MS, Span, Windows
from gate.media.hls import Clipped, Incomplete, PlaylistError, clip, read_playlist

T0 = 1_767_225_600  # 2026-01-01T00:00:00Z
DATE = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:%s.000Z"


def window(*bounds: int | None, until: int | None = None) -> Allowed:
    """Windows in seconds after T0, None being open; nothing that ends after `until`."""
    edges = [None if bound is None else (T0 + bound) * 1000 for bound in bounds]
    spans = [
        Span(-ALWAYS_MS if start is None else start, ALWAYS_MS if end is None else end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    return Allowed(Windows.of(spans), until_ms=ALWAYS_MS if until is None else (T0 + until) * 1000)


def cut(text: str, allowed: Allowed) -> str:
    result = clip(read_playlist(text.encode()), allowed)
    assert isinstance(result, Clipped)
    again = clip(read_playlist(result.body), allowed)
    assert isinstance(again, Clipped)
    assert again.body == result.body, "what is left stays as it was"
    return result.body.decode()


def media(*lines: str, head: tuple[str, ...] = ()) -> str:
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:6", *head, *lines, ""])


def entries(first: int, last: int, *, dated: int | None = None) -> list[str]:
    """Segments of six seconds, segment n beginning at 6 n; `dated` has a date."""
    lines: list[str] = []
    for number in range(first, last + 1):
        if number == dated:
            lines.append(DATE % f"{6 * number:02d}")
        lines += ["#EXTINF:6.000,", f"{number}.ts"]
    return lines


# --- numbers ------------------------------------------------------------------------------------------------


def test_what_goes_in_front_is_counted() -> None:
    text = media(*entries(0, 5, dated=0), head=("#EXT-X-MEDIA-SEQUENCE:7",))
    assert cut(text, window(12, None)) == media(DATE % "12", *entries(2, 5), head=("#EXT-X-MEDIA-SEQUENCE:9",))


def test_a_playlist_without_a_number_gets_one() -> None:
    text = media(*entries(0, 5, dated=0))
    assert cut(text, window(12, None)) == media("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12", *entries(2, 5))
    assert cut(text, window(0, None)) == text


def test_discontinuities_that_go_in_front_are_counted() -> None:
    mark = "#EXT-X-DISCONTINUITY"
    text = media(*entries(0, 1, dated=0), mark, *entries(2, 3, dated=2), mark, *entries(4, 5, dated=4))
    assert cut(text, window(24, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:4", "#EXT-X-DISCONTINUITY-SEQUENCE:1", mark), *entries(4, 5, dated=4)
    )
    assert cut(text, window(30, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:5", "#EXT-X-DISCONTINUITY-SEQUENCE:2", DATE % "30"), *entries(5, 5)
    )


@pytest.mark.parametrize("number", ["x", "-1", "9" * 5000, "1\n#EXT-X-MEDIA-SEQUENCE:1"])
def test_a_number_that_cannot_be_read_cannot_be_raised(number: str) -> None:
    text = media(*entries(0, 5, dated=0), head=(f"#EXT-X-MEDIA-SEQUENCE:{number}",))
    with pytest.raises(PlaylistError, match="EXT-X-MEDIA-SEQUENCE"):
        cut(text, window(12, None))
    assert cut(text, window(0, None)) == text


def test_a_date_tells_those_before_it_too() -> None:
    text = media(*entries(0, 5, dated=2))
    assert cut(text, window(6, None)) == media("#EXT-X-MEDIA-SEQUENCE:1", *entries(1, 5, dated=2))
    assert cut(text, window(None, 12)) == media(DATE % "00", *entries(0, 1), "#EXT-X-ENDLIST")


# --- ends ---------------------------------------------------------------------------------------------------


def test_the_end_of_a_window_is_the_end() -> None:
    text = media(*entries(0, 5, dated=0))
    assert cut(text, window(None, 12)) == media(*entries(0, 1, dated=0), "#EXT-X-ENDLIST")


def test_a_window_that_is_not_over_has_no_end() -> None:
    text = media(*entries(0, 5, dated=0))
    for allowed in (window(None, 12, 600, 900), window(None, 12, 36, None), window(None, 40, until=12)):
        assert cut(text, allowed) == media(*entries(0, 1, dated=0))
    assert cut(text, window(None, 36)) == text, "what is not cut stays as it is"


def test_what_is_only_too_young_will_come() -> None:
    text = media(*entries(0, 5, dated=0), "#EXT-X-ENDLIST", head=("#EXT-X-PLAYLIST-TYPE:VOD",))
    assert cut(text, window(None, 24, until=12)) == media(*entries(0, 1, dated=0))
    assert cut(text, window(None, 12, until=12)) == media(
        *entries(0, 1, dated=0), "#EXT-X-ENDLIST", head=("#EXT-X-PLAYLIST-TYPE:VOD",)
    )


def test_types_stay_true() -> None:
    event, vod = ("#EXT-X-PLAYLIST-TYPE:EVENT",), ("#EXT-X-PLAYLIST-TYPE:VOD",)
    text = media(*entries(0, 5, dated=0), head=event)
    # An event loses nothing in front.
    assert cut(text, window(12, None)) == media("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12", *entries(2, 5))
    assert cut(text, window(None, 12)) == media(*entries(0, 1, dated=0), "#EXT-X-ENDLIST", head=event)
    text = media(*entries(0, 5, dated=0), head=vod)
    assert cut(text, window(None, 12, 600, None)) == media(*entries(0, 1, dated=0), "#EXT-X-ENDLIST", head=vod)
    assert cut(text, window(12, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12"), *entries(2, 5), "#EXT-X-ENDLIST", head=vod
    )


def test_an_end_is_put_on_a_line_of_its_own() -> None:
    text = media(*entries(0, 2, dated=0), head=("#EXT-X-PLAYLIST-TYPE:VOD",))[:-1].replace("\n", "\r\n")
    assert cut(text, window(12, None)).endswith("2.ts\n#EXT-X-ENDLIST\r\n")
    text = "#EXTM3U\r\n" + "\r\n".join(entries(0, 5, dated=0))
    assert cut(text, window(None, 12)).endswith("1.ts\r\n#EXT-X-ENDLIST\r\n")


@pytest.mark.parametrize(
    ("allowed", "end"),
    [
        (window(600, 900), []),
        (window(-900, -600), ["#EXT-X-ENDLIST"]),
        (NOTHING, ["#EXT-X-ENDLIST"]),
        (Allowed(Windows((Span(0, 1),)), strict=True), ["#EXT-X-ENDLIST"]),
    ],
)
def test_an_empty_playlist_is_a_playlist(allowed: Allowed, end: list[str]) -> None:
    text = media(*entries(0, 5, dated=0), head=("#EXT-X-MEDIA-SEQUENCE:7",))
    assert cut(text, allowed) == media(*end, head=("#EXT-X-MEDIA-SEQUENCE:13",))
    assert cut(media(), allowed) == media()


def test_an_empty_playlist_waits_for_what_is_too_young() -> None:
    text = media(*entries(0, 5, dated=0), head=("#EXT-X-MEDIA-SEQUENCE:7",))
    assert cut(text, window(12, None, until=6)) == media(head=("#EXT-X-MEDIA-SEQUENCE:9",))
    # Without a single time nobody knows what may still come.
    undated = media(*entries(0, 5))
    assert cut(undated, window(0, 6)) == media("#EXT-X-MEDIA-SEQUENCE:6")


@pytest.mark.parametrize(
    ("start", "allowed", "stays"),
    [
        ("-12", window(12, None), True),
        ("-30", window(12, None), False),
        ("-200000.5", window(12, None), False),
        ("200000", window(12, None), False),
        ("9" * 5000, window(12, None), False),
        # What is served ends elsewhere, and for good; or it still grows, behind the origin's.
        ("-6", window(None, 12), False),
        ("-6", window(None, 60, until=12), True),
        ("0", window(12, None), True),
        ("3", window(12, None), False),
        ("3", window(None, 12), True),
        ("13", window(None, 12), False),
        ("-0", window(12, None), True),
        ("x", window(12, None), True),
        ("300", window(None, None), True),
    ],
)
def test_a_start_that_is_not_there_goes(start: str, allowed: Allowed, stays: bool) -> None:
    line = f"#EXT-X-START:TIME-OFFSET={start},PRECISE=YES"
    assert (line in cut(media(*entries(0, 5, dated=0), head=(line,)), allowed)) == stays


# --- two windows --------------------------------------------------------------------------------------------


def test_between_two_windows_is_a_discontinuity() -> None:
    text = media(*entries(0, 7, dated=0), head=("#EXT-X-MEDIA-SEQUENCE:100",))
    # The newest keep their numbers: those before the gap are moved up to them.
    assert cut(text, window(0, 12, 30, 42)) == media(
        *entries(0, 1, dated=0),
        *("#EXT-X-DISCONTINUITY", DATE % "30"),
        *entries(5, 6),
        "#EXT-X-ENDLIST",
        head=("#EXT-X-MEDIA-SEQUENCE:103",),
    )


def test_a_discontinuity_that_is_there_suffices() -> None:
    text = media(*entries(0, 4, dated=0), "#EXT-X-DISCONTINUITY", *entries(5, 6, dated=5))
    assert cut(text, window(0, 12, 30, None)) == media(
        "#EXT-X-MEDIA-SEQUENCE:3", *entries(0, 1, dated=0), "#EXT-X-DISCONTINUITY", *entries(5, 6, dated=5)
    )


def test_one_discontinuity_stands_for_those_that_go() -> None:
    mark = "#EXT-X-DISCONTINUITY"
    text = media(*entries(0, 1, dated=0), mark, *entries(2, 2, dated=2), mark, *entries(3, 4, dated=3))
    assert cut(text, window(0, 12, 24, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:2", "#EXT-X-DISCONTINUITY-SEQUENCE:1"),
        *entries(0, 1, dated=0),
        *(mark, DATE % "24"),
        *entries(4, 4),
    )


def test_a_moved_number_is_no_iv_any_more() -> None:
    key = '#EXT-X-KEY:METHOD=AES-128,URI="k"'
    text = media(key, *entries(0, 5, dated=0), head=("#EXT-X-MEDIA-SEQUENCE:16",))
    assert cut(text, window(0, 12, 30, None)) == media(
        key + ",IV=0x00000000000000000000000000000010",
        *entries(0, 0, dated=0),
        key + ",IV=0x00000000000000000000000000000011",
        *entries(1, 1),
        *("#EXT-X-DISCONTINUITY", DATE % "30", key),
        *entries(5, 5),
        head=("#EXT-X-MEDIA-SEQUENCE:19",),
    )


# --- what is in force ---------------------------------------------------------------------------------------


def test_what_is_in_force_is_carried_on() -> None:
    force = (
        *(
            '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1',
            '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://k",KEYFORMAT="fps"',
        ),
        *('#EXT-X-MAP:URI="init.mp4"', "#EXT-X-BITRATE:900"),
    )
    text = media(*force, *entries(0, 5, dated=0))
    assert cut(text, window(12, None)) == media("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12", *force, *entries(2, 5))


def test_a_map_that_is_in_the_clear_stays_so() -> None:
    text = media('#EXT-X-MAP:URI="i"', '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1', *entries(0, 3, dated=0))
    assert cut(text, window(12, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12", '#EXT-X-MAP:URI="i"'),
        '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1',
        *entries(2, 3),
    )


def test_keys_that_are_over_are_over() -> None:
    key, none = '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1', "#EXT-X-KEY:METHOD=NONE"
    text = media(key, *entries(0, 1, dated=0), none, *entries(2, 5))
    assert cut(text, window(12, None)) == media("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12", none, *entries(2, 5))
    assert cut(text, window(18, None)) == media("#EXT-X-MEDIA-SEQUENCE:3", DATE % "18", *entries(3, 5))
    assert cut(text, window(0, 6, 24, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:3", key),
        *entries(0, 0, dated=0),
        *("#EXT-X-DISCONTINUITY", DATE % "24", none),
        *entries(4, 5),
    )


def test_a_range_that_goes_on_from_one_that_is_gone_says_where() -> None:
    text = media(
        *(DATE % "00", "#EXTINF:6,", "#EXT-X-BYTERANGE:100@50", "all.ts"),
        *("#EXTINF:6,", "#EXT-X-BYTERANGE:200", "all.ts"),
        *("#EXTINF:6,", "#EXT-X-BYTERANGE:300", "all.ts"),
    )
    assert cut(text, window(12, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12", "#EXTINF:6,", "#EXT-X-BYTERANGE:300@350", "all.ts")
    )


@pytest.mark.parametrize("said", ["300", "x", "300@"])
def test_nobody_gets_a_range_that_may_be_any(said: str) -> None:
    text = media(
        *(DATE % "00", "#EXTINF:6,", "0.ts"),
        *("#EXTINF:6,", f"#EXT-X-BYTERANGE:{said}", "all.ts"),
        *("#EXTINF:6,", "2.ts"),
    )
    assert "all.ts" not in cut(text, window(0, None))
    assert cut(text, EVERYTHING) == text


# --- tags of the playlist as a whole ------------------------------------------------------------------------


def test_tags_of_the_whole_playlist_stay_wherever_they_stand() -> None:
    define = '#EXT-X-DEFINE:NAME="a",VALUE="b"'
    text = media(*entries(0, 1, dated=0), "#EXT-X-CUE-OUT:30", define, *entries(2, 5), "# the end")
    assert cut(text, window(18, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:3", define, DATE % "18"), *entries(3, 5), "# the end"
    )
    assert cut(text, window(None, 12)) == media(*entries(0, 1, dated=0), define, "#EXT-X-ENDLIST")


def test_date_ranges_outside_go() -> None:
    ranges = {
        "before": 'START-DATE="2026-01-01T00:00:00Z",DURATION=6',
        "ends as it begins": 'START-DATE="2026-01-01T00:00:00Z",END-DATE="2026-01-01T00:00:12Z"',
        "after": 'START-DATE="2026-01-01T00:00:24Z"',
        "without a date": "DURATION=6",
        "into": 'START-DATE="2026-01-01T00:00:00Z",DURATION=12.5',
        "around": 'START-DATE="2026-01-01T00:00:00Z",END-DATE="2026-01-01T00:01:00Z",DURATION=60',
        "open": 'START-DATE="2026-01-01T00:00:00Z",PLANNED-DURATION=6',
        "an instant": 'START-DATE="2026-01-01T03:00:12+03:00",DURATION=0',
    }
    lines = [f'#EXT-X-DATERANGE:ID="{name}",{text}' for name, text in ranges.items()]
    left = cut(media(*lines, *entries(0, 5, dated=0)), window(12, 24))
    assert [name for name in ranges if f'"{name}"' in left] == ["into", "around", "open", "an instant"]
    assert cut(media(*lines, *entries(0, 5, dated=0)), EVERYTHING) == media(*lines, *entries(0, 5, dated=0))
    assert "without a date" in cut(media(*lines), Allowed(Windows((Span(0, 1),)), undated=True))


def test_interstitials_that_are_left_are_whole() -> None:
    said = 'CLASS="com.apple.hls.interstitial",START-DATE="2026-01-01T00:00:12Z",DURATION=6'
    line = f'#EXT-X-DATERANGE:ID="ad",{said},X-ASSET-LIST="/ads?a=1",X-RESUME-OFFSET=0,X-RESTRICT="SKIP"'
    text = media(line, *entries(0, 5, dated=0))
    assert cut(text, window(12, None)) == media(line, "#EXT-X-MEDIA-SEQUENCE:2", DATE % "12", *entries(2, 5))
    assert line not in cut(text, window(18, None))


def test_gaps_are_entries() -> None:
    gap = ["#EXT-X-GAP", "#EXTINF:6.000,", "2.ts"]
    text = media(*entries(0, 1, dated=0), *gap, *entries(3, 5), head=("#EXT-X-MEDIA-SEQUENCE:0",))
    assert cut(text, window(12, None)) == media(
        *(DATE % "12", *gap), *entries(3, 5), head=("#EXT-X-MEDIA-SEQUENCE:2",)
    )
    assert cut(text, window(18, None)) == media(DATE % "18", *entries(3, 5), head=("#EXT-X-MEDIA-SEQUENCE:3",))


def test_playlists_of_i_frames() -> None:
    frames = [
        line for at in range(6) for line in ("#EXTINF:6.000,", f"#EXT-X-BYTERANGE:9{at}@{1000 * at}", "all.ts")
    ]
    head = ("#EXT-X-I-FRAMES-ONLY",)
    text = media(DATE % "00", *frames, "#EXT-X-ENDLIST", head=head)
    assert cut(text, window(12, 24)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12"), *frames[6:12], "#EXT-X-ENDLIST", head=head
    )


def test_what_holds_for_any_part_of_it_stays() -> None:
    head = (
        *("#EXT-X-VERSION:9", '#EXT-X-DEFINE:QUERYPARAM="t"', "#EXT-X-INDEPENDENT-SEGMENTS"),
        "#EXT-X-SERVER-CONTROL:HOLD-BACK=18.0",
    )
    text = media(*entries(0, 5, dated=0), head=head)
    assert cut(text, window(12, 24)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12"), *entries(2, 3), "#EXT-X-ENDLIST", head=head
    )


# --- low latency --------------------------------------------------------------------------------------------

CONTROL = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=36.0,PART-HOLD-BACK=3.0"
LOW = ("#EXT-X-PART-INF:PART-TARGET=3.0", CONTROL)


def part(number: int, half: int, more: str = "") -> str:
    return f'#EXT-X-PART:DURATION=3.00000,URI="{number}.{half}.ts"{more}'


def low(first: int, last: int) -> list[str]:
    lines: list[str] = []
    for number in range(first, last + 1):
        lines += [part(number, 0), part(number, 1), "#EXTINF:6.000,", f"{number}.ts"]
    return lines


TAIL = [
    part(3, 0),
    '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="3.1.ts"',
    '#EXT-X-RENDITION-REPORT:URI="../b",LAST-MSN=3',
]


def test_the_live_edge_of_low_latency_stays() -> None:
    text = media(DATE % "00", *low(0, 2), *TAIL, head=LOW)
    assert cut(text, window(0, None)) == text
    assert cut(text, window(12, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:2", DATE % "12"),
        *low(2, 2),
        *TAIL,
        head=(LOW[0], CONTROL.replace("CAN-SKIP-UNTIL=36.0,", "")),
    )


def test_what_comes_next_goes_when_the_end_does() -> None:
    text = media(DATE % "00", *low(0, 2), *TAIL, head=LOW)
    assert cut(text, window(None, 12)) == media(DATE % "00", *low(0, 1), "#EXT-X-ENDLIST", head=LOW)
    unblocked = (LOW[0], CONTROL.replace("CAN-BLOCK-RELOAD=YES,", ""))
    assert cut(text, window(None, 60, until=12)) == media(DATE % "00", *low(0, 1), head=unblocked)
    # Its first part is too young: the whole of an unfinished segment waits.
    assert cut(text, window(None, 60, until=18)) == media(DATE % "00", *low(0, 2), head=unblocked)
    lone = media(DATE % "00", *low(0, 2), *TAIL, head=("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES",))
    assert "SERVER-CONTROL" not in cut(lone, window(None, 60, until=12))


def test_a_hint_at_what_may_not_be_seen_goes() -> None:
    text = media(DATE % "00", *low(0, 2), *TAIL, head=LOW)
    assert cut(text, window(None, 21)) == text.replace(TAIL[1] + "\n", "")
    maps = text.replace("TYPE=PART", "TYPE=MAP")
    assert cut(maps, window(None, 21)) == maps
    assert "HINT" not in cut(maps, window(None, 12))
    undated = media(DATE % "00", *low(0, 2), "#EXT-X-DISCONTINUITY", TAIL[1], head=LOW)
    assert cut(undated, window(0, None)) == undated.replace(TAIL[1] + "\n", "")


def test_parts_of_a_segment_go_all_or_none() -> None:
    text = media(DATE % "00", *low(0, 2), *TAIL, head=LOW)
    # The window begins within a segment: the segment is left, the parts of it are not.
    assert cut(text, window(9, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:1", DATE % "06", "#EXTINF:6.000,", "1.ts"),
        *low(2, 2),
        *TAIL,
        head=(LOW[0], CONTROL.replace("CAN-SKIP-UNTIL=36.0,", "")),
    )


def test_nothing_but_the_parts_of_an_unfinished_segment() -> None:
    text = media(DATE % "00", *low(0, 2), *TAIL, head=LOW)
    assert cut(text, window(18, None)) == media(
        *("#EXT-X-MEDIA-SEQUENCE:3", DATE % "18"),
        *TAIL,
        head=(LOW[0], CONTROL.replace("CAN-SKIP-UNTIL=36.0,", "")),
    )
    gap = cut(text, window(0, 6, 18, None))
    assert gap.endswith("\n".join(["\n0.ts", "#EXT-X-DISCONTINUITY", DATE % "18", *TAIL, ""]))


def test_the_range_of_a_part_says_where_when_the_one_before_is_gone() -> None:
    ranged = [
        *(DATE % "00", part(0, 0, ',BYTERANGE="100@0"').replace("0.0", "all"), "#EXTINF:3,", "0.ts"),
        *(
            part(1, 0, ',BYTERANGE="200"').replace("1.0", "all"),
            part(1, 1, ',BYTERANGE="300"').replace("1.1", "all"),
        ),
        *("#EXTINF:6,", "1.ts"),
    ]
    left = cut(media(*ranged, head=LOW), window(3, None))
    assert 'URI="all.ts",BYTERANGE="200@100"' in left
    assert 'URI="all.ts",BYTERANGE="300"' in left
    assert cut(media(*ranged, head=LOW), window(0, None)) == media(*ranged, head=LOW)


@pytest.mark.parametrize("more", [',BYTERANGE="200"', ',BYTERANGE="x"'])
def test_parts_of_unknown_bytes_or_length_go(more: str) -> None:
    text = media(DATE % "00", *low(0, 0), part(1, 0, more), "#EXTINF:6,", "1.ts", head=LOW)
    assert cut(text, window(0, None)) == text.replace(part(1, 0, more) + "\n", "")
    text = media(DATE % "00", *low(0, 0), '#EXT-X-PART:URI="p"', "#EXTINF:6,", "1.ts", *TAIL, head=LOW)
    assert cut(text, window(0, None)) == text.replace('#EXT-X-PART:URI="p"\n', "")
    text = media(DATE % "00", *low(0, 0), '#EXT-X-PART:URI="p"', TAIL[1], head=LOW)
    assert "PART:URI" not in cut(text, window(0, None))


def test_delta_updates() -> None:
    skip = '#EXT-X-SKIP:SKIPPED-SEGMENTS=20,RECENTLY-REMOVED-DATERANGES="a\tb"'
    text = media(skip, DATE % "00", *low(0, 2), *TAIL, head=LOW)
    playlist = read_playlist(text.encode())
    # Where all that is left out may be seen, the player has it.
    assert cut(text, window(None, None)) == text
    assert skip in cut(text, window(None, 12, until=12))
    assert cut(media(skip, head=LOW), window(None, None)) == media(skip, head=LOW)
    # Else nobody can tell how many of those are left.
    for allowed in (window(0, None), window(12, None), window(None, 6, 12, None), window(None, -6), NOTHING):
        assert clip(playlist, allowed) is Incomplete.DELTA
    assert clip(playlist, EVERYTHING) == Clipped(text.encode(), 3, 3)
    broken = read_playlist(text.replace("=20", "=x").encode())
    assert clip(broken, window(None, None)) is Incomplete.DELTA


# --- big ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("many", "line"),
    [
        (100_000, "#EXTINF:6,\n"),
        (100_000, "x.ts\n"),
        (50_000, "#EXTINF:6,\nx.ts\n"),
        (50_000, "#EXTINF:x,\nx.ts\n"),
        (33_000, "#EXT-X-DISCONTINUITY\n#EXTINF:6,\nx.ts\n"),
        (20_000, "#EXTINF:6,\n#EXT-X-BYTERANGE:1\nx.ts\n#EXTINF:6,\ny.ts\n"),
        (20_000, '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:6,\nx.ts\n'),
        (20_000, '#EXT-X-PART:DURATION=1,URI="p"\n'),
        (20_000, "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n"),
        (10_000, '#EXT-X-DATERANGE:ID="1",START-DATE="2026-01-01T00:00:00Z"\n'),
        (50_000, "#EXTINF:6,\r"),
        (100_000, "\n"),
    ],
)
def test_a_hundred_thousand_lines(many: int, line: str) -> None:
    body = (media(DATE % "00") + line * many).encode()
    started = time.process_time()
    clip(read_playlist(body), window(0, 3, 12, 15, 60, 66), lambda uri, span, byterange, place: uri)
    assert time.process_time() - started < 60
