"""Columns: what is taken at once is what would be read line by line."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.media.hls import reader
from gate.media.hls.columns import Columns, columns, duration_us
from gate.media.hls.reader import Reader
from gate.media.hls.reading import UNKNOWN, Reading

DATE = b"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:0%dZ"
IN_COLUMNS = {b"#EXTINF", b"#EXT-X-PROGRAM-DATE-TIME"}


def by_line(body: bytes) -> Reading:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "columns", lambda *_: None)
        return Reader().read(body)


def same(body: bytes) -> Reading:
    """The playlist as it is read, which is how it is read line by line."""
    found, slowly = Reader().read(body), by_line(body)
    assert [found.force(entry) for entry in range(found.count)] == [
        slowly.force(entry) for entry in range(found.count)
    ]
    # Of ordinary entries the names are not collected.
    found.names |= slowly.names & IN_COLUMNS
    assert found == slowly
    assert found.ordered == slowly.ordered
    return found


FORMS = [
    [b"#EXTINF:%d,", b"%d.ts"],
    [b"#EXTINF:%d,", DATE, b"%d.ts"],
    [DATE, b"#EXTINF:%d,", b"%d.ts"],
]
ODD = [
    *(b"#EXT-X-KEY:METHOD=AES-128,URI=k%d", b"#EXT-X-MAP:URI=i%d", b"#EXT-X-BITRATE:%d", b"#EXT-X-GAP"),
    *(b"#EXT-X-DISCONTINUITY", b"#EXT-X-BYTERANGE:%d", b"#EXT-X-BYTERANGE:9@%d", b"#EXT-X-VERSION:%d"),
    *(b'#EXT-X-PART:DURATION=%d,URI="p"', b"#EXT-X-PRELOAD-HINT:TYPE=PART", b"#EXT-X-DATERANGE:ID=%d"),
    *(
        b"#EXTINF:%d",
        b" #EXTINF:%d,",
        b"#EXTINF :%d,",
        b"#EXTINF",
        b"#EXTINF:x,",
        b"#EXTINFX:%d,",
        DATE,
        b" " + DATE,
    ),
    *(b"#EXT-X-PROGRAM-DATE-TIME", b"#EXT-X-PROGRAM-DATE-TIME:x", b"#EXTVLCOPT:%d", b"#EXTM3U", b"#", b"# %d"),
    *(
        b"",
        b" ",
        b"\t",
        b" %d.ts",
        b"%d.ts ",
        b"all.ts",
        b"!%d",
        b'"%d"',
        b"\x00",
        b"\x0b",
        b"\xef\xbb\xbf#EXTM3U",
    ),
]


def numbered(line: bytes, number: int) -> bytes:
    return line % number if b"%" in line else line


@st.composite
def playlists(draw: st.DrawFn) -> bytes:
    """A regular playlist, and in some places what is not."""
    form = draw(st.sampled_from(FORMS))
    lines = [numbered(line, entry % 10) for entry in range(draw(st.integers(0, 12))) for line in form]
    for _ in range(draw(st.integers(0, 4))):
        line = numbered(draw(st.sampled_from(ODD)), draw(st.integers(0, 9)))
        lines.insert(draw(st.integers(0, len(lines))), line)
    if lines and draw(st.booleans()):
        del lines[draw(st.integers(0, len(lines) - 1))]
    end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    return end.join([b"#EXTM3U", *lines, *draw(st.sampled_from([[], [b""], [b"#EXT-X-ENDLIST"]]))])


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(playlists())
def test_columns_say_what_lines_say(body: bytes) -> None:
    found = same(body)
    assert b"".join(found.lines) == body


def found_in(lines: list[bytes], begin: int = 0) -> Columns | None:
    return columns([line + b"\n" for line in lines], begin, len(lines))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_taken_at_once(form: list[bytes]) -> None:
    lines = [numbered(line, entry) for entry in range(5) for line in form]
    begin = lines.index(b"#EXTINF:0,")
    found = found_in(lines, begin)
    assert found is not None
    assert found.uris == [b"%d.ts\n" % entry for entry in range(5)]
    assert found.durations_us == [entry * 1_000_000 for entry in range(5)]
    assert [date is not None for date in found.dates] == [len(form) == 3 and not begin, *[len(form) == 3] * 4]
    assert found.first == [len(form) * (entry + 1) for entry in range(5)]


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize(
    ("dates", "ordered"),
    [
        *((b"012", True), (b"011", True), (b"120", False), (b"102", False), (b"021", False)),
        *((b"x12", False), (b"0x2", False), (b"01x", False), (b" 12", False), (b"01 ", False)),
    ],
)
def test_dates_in_order(form: list[bytes], dates: bytes, ordered: bool) -> None:
    lines = [
        (DATE % 9).replace(b"9", dates[entry : entry + 1]) if line == DATE else line % entry
        for entry in range(3)
        for line in form
    ]
    assert same(b"\n".join([b"#EXTM3U", *lines, b""])).ordered == ordered
    # What comes before and after columns is looked at as well.
    for odd in ([b" #EXTINF:1,", b" a"], [DATE % 0, b" #EXTINF:1,", b" a"]):
        same(b"\n".join([b"#EXTM3U", *odd, *lines, b""]))
        same(b"\n".join([b"#EXTM3U", *lines, *odd, b""]))


def test_other_lines_stand_aside() -> None:
    lines = [
        *(b"#EXTINF:6,", b"#EXT-X-GAP", b"0", b"#EXT-X-KEY:METHOD=NONE", b"", DATE % 1, b"#EXTINF:6,", b"1"),
        *(b"#EXTINF:6,", b"2", b"# text", b"#EXTINF:6,", b"3"),
    ]
    found = found_in(lines)
    assert found is not None
    assert found.aside == [(1, 0), (3, 1), (4, 1), (10, 3)]
    assert found.dates == [None, DATE % 1 + b"\n", None, None]
    assert found.first == [3, 8, 10, 13]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"#EXTINF:6,", b"#EXTINF:6,", b"a"],
        [b"#EXTINF:6,", b"a", b"b"],
        [b"#EXTINF:6,", b"a", b"#EXTINF:6,", b"#EXTVLCOPT:x", b"b"],
        [b"#EXTINF:6,", b"#EXTM3U", b"#EXTINF:6,", b"a"],
        [b"#EXTINF:6,", b"a", b"b", b"c", b"#EXTINF:6,", b"d"],
        [b"#EXTINF:6,", b" a", b"#EXTINF:6,", b"b"],
        [b"#EXTINF:6,", b"#EXTINF :7,", b"a"],
        [b"#EXTINF:6,", DATE % 1, b"a", b"#EXTINF:6,", b"x", b"b"],
        [b"#EXTINF:6,", b"a", DATE % 1, b"#EXTINF:6,", b"b", b"x", b"#EXTINF:6,", b"b"],
    ],
)
def test_what_is_out_of_its_place_leaves_no_columns(lines: list[bytes]) -> None:
    assert found_in(lines) is None
    same(b"\n".join([b"#EXTM3U", *lines, b""]))


def test_durations() -> None:
    assert duration_us(b"6.006,title, more") == 6_006_000
    assert duration_us(b"x,6") == duration_us(b"") == UNKNOWN
