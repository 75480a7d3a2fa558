"""Reading: which lines make an entry."""

from __future__ import annotations

import pytest

from gate.core.marks import ByteRange
from gate.media.hls.reader import Reader
from gate.media.hls.reading import UNKNOWN, Reading

DATE = b"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z"


def read(*lines: bytes, end: bytes = b"\n") -> Reading:
    return Reader().read(end.join([b"#EXTM3U", *lines, b""]))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "entry",
    [
        [b"#EXTINF:6.0,", b"a.ts"],
        [b"#EXTINF:6.0,title", DATE, b"a.ts"],
        [DATE, b"#EXTINF:6.0,", b"a.ts"],
        [b"#EXTINF:6.0", b"a.ts"],
        [b"", b" #EXTINF:6.0,", b"# text", b"\ta.ts "],
    ],
)
@pytest.mark.parametrize("many", [1, 2, 3])
def test_entries(end: bytes, entry: list[bytes], many: int) -> None:
    found = read(b"#EXT-X-VERSION:3", *entry * many, b"#EXT-X-ENDLIST", end=end)
    assert found.count == many
    assert [found.uri(at) for at in range(many)] == [b"a.ts"] * many
    assert found.durations_us == [6_000_000] * many + [0]
    assert [date is not None for date in found.dates] == [DATE in entry] * many + [False]
    for at in range(1, many):
        assert [line.strip() for line in found.block(at)] == [line.strip() for line in entry]
    assert [line.strip() for line in found.block(many)] == [b"#EXT-X-ENDLIST"]


def test_forms_may_change() -> None:
    found = read(
        *(b"#EXTINF:1,", b"0", DATE, b"#EXTINF:2,", b"1", b"#EXTINF:3,", DATE, b"2", b"#EXTINF:4,", b"3"),
        *(b"#EXT-X-GAP", DATE, b"#EXTINF:5,", b"4", b"#EXTINF:6,", b"5", b"#EXTINF:7"),
    )
    assert [found.uri(at) for at in range(6)] == [b"%d" % at for at in range(6)]
    assert found.durations_us == [*(number * 1_000_000 for number in range(1, 7)), 0]
    assert [at for at, date in enumerate(found.dates) if date] == [1, 2, 4]


def test_a_date_before_an_ordinary_entry_is_its_own() -> None:
    found = read(DATE, b"#EXT-X-GAP", b"#EXTINF:6,", b"a.ts", b"#EXTINF:6,", b"b.ts")
    assert [date is not None for date in found.dates] == [True, False, False]


def test_ranges_go_on() -> None:
    found = read(
        *(b"#EXTINF:1,", b"#EXT-X-BYTERANGE:10@5", b"a", b"#EXT-X-BYTERANGE:20", b"#EXTINF:1,", b"a"),
        *(b"#EXTINF:1,", b"#EXT-X-BYTERANGE:30", b"b", b"#EXTINF:1,", b"#EXT-X-BYTERANGE:x", b"b"),
    )
    assert found.ranges == {0: ByteRange(5, 10), 1: ByteRange(15, 20)}
    assert list(found.implicit) == [1]
    assert found.unclear == {2, 3}


def test_what_has_no_duration() -> None:
    assert read(b"a.ts", b"#EXTINF:x,", b"b.ts", b"#EXTINF:9.9.9,", b"c.ts").durations_us == [UNKNOWN] * 3 + [0]
    assert read(b'#EXT-X-PART:URI="p"').durations_us == [UNKNOWN]
    assert read(b'#EXT-X-PART:URI="p",DURATION=0.5').durations_us == [500_000]


def test_a_name_is_a_whole_name() -> None:
    found = read(
        b"#EXT-X-DISCONTINUITY-SEQUENCE:3", b"#EXT-X-DISCONTINUITYX", b"#EXTINFX:6,", b"#EXTINF:6,", b"a"
    )
    assert found.discontinuities == {}
    assert found.first[0] == 4
