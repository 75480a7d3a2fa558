"""Lines of playlists: tags, attributes, numbers."""

from __future__ import annotations

import time

import pytest

from gate.media.hls.lines import (
    attributes,
    byte_range,
    end_of,
    integer,
    is_playlist,
    microseconds,
    quoted,
    tag_of,
    value_of,
    with_offset,
    without,
)


def test_a_playlist_begins_as_one() -> None:
    assert is_playlist(b"#EXTM3U\n")
    assert is_playlist(b"\xef\xbb\xbf#EXTM3U")
    for body in (b"", b"<html>", b" #EXTM3U", b"\n#EXTM3U", b"#EXTINF:1,", b"\xef\xbb\xbf"):
        assert not is_playlist(body)


def test_a_tag_has_a_name_and_a_value() -> None:
    line = b"#EXT-X-KEY : METHOD=NONE \r\n"
    assert (tag_of(line), value_of(line), end_of(line)) == (b"#EXT-X-KEY", b"METHOD=NONE", b"\r\n")
    assert (tag_of(b"#EXT-X-GAP"), value_of(b"#EXT-X-GAP"), end_of(b"#EXT-X-GAP")) == (b"#EXT-X-GAP", b"", b"")


def test_attributes() -> None:
    assert attributes(b'#A:B=1,C="x,D=2",E-2=0x1F , F="",B=3') == {
        b"B": b"3",
        b"C": b"x,D=2",
        b"E-2": b"0x1F",
        b"F": b"",
    }
    assert attributes(b"#A") == {}
    assert attributes(b'#A:B="open,C=1') == {b"B": b"", b"C": b"1"}


def test_quoted_attributes() -> None:
    assert quoted(b'#A:B=1,C="x,D=2",E=""') == [(b"C", b"x,D=2"), (b"E", b"")]


@pytest.mark.parametrize(
    ("line", "explicit"),
    [
        (b"#EXT-X-BYTERANGE:7\n", b"#EXT-X-BYTERANGE:7@5\n"),
        (b" #EXT-X-BYTERANGE : 007 \r\n", b" #EXT-X-BYTERANGE : 007@5 \r\n"),
        (b"#EXT-X-BYTERANGE:7@9\n", b"#EXT-X-BYTERANGE:7@9\n"),
        (b'#P:URI="BYTERANGE=7",BYTERANGE="7",A=7', b'#P:URI="BYTERANGE=7",BYTERANGE="7@5",A=7'),
        (b'#P:BYTERANGE=" 7",X-BYTERANGE="7"', b'#P:BYTERANGE=" 7@5",X-BYTERANGE="7"'),
        (b'#P:BYTERANGE="7@0"', b'#P:BYTERANGE="7@0"'),
    ],
)
def test_an_offset_is_written_down(line: bytes, explicit: bytes) -> None:
    assert with_offset(line, 5) == explicit


def test_attributes_are_taken_out() -> None:
    line = b'#A:B=1,C="x,D=2",E=3\r\n'
    assert without(line, {b"B"}) == b'#A:C="x,D=2",E=3\r\n'
    assert without(line, {b"C", b"D"}) == b"#A:B=1,E=3\r\n"
    assert without(line, {b"B", b"C", b"E"}) == b""


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        (b"6", 6_000_000),
        (b" 6.006 ", 6_006_000),
        (b"6.", 6_000_000),
        (b".5", 500_000),
        (b"0", 0),
        (b"5.9999999", 6_000_000),
        (b"99999", 99_999_000_000),
        (b"100000", None),
        (b"-1", None),
        (b"nan", None),
        (b"1e3", None),
        (b"0x1", None),
        (b"", None),
        (b".", None),
        (None, None),
        (b"1_0", None),
        (b"9" * 5000, None),
    ],
)
def test_durations(text: bytes | None, duration: int | None) -> None:
    assert microseconds(text) == duration


def test_numbers() -> None:
    assert integer(b"18446744073709551615") is None
    assert integer(b"9223372036854775807") == 2**63 - 1
    assert integer(b"9" * 5000) is None
    assert [integer(text) for text in (b"007", b"-1", b"+1", b"", None, b"1.0")] == [7, *[None] * 5]


def test_ranges() -> None:
    assert byte_range(b"10@5") == (10, 5)
    assert byte_range(b"10") == (10, None)
    assert [byte_range(text) for text in (b"", b"@5", b"1@", b"-1@0", b"1@2@3", b"9" * 99)] == [None] * 6


@pytest.mark.parametrize("text", [b"A" * 200_000, b'A="' * 70_000, b"A=," * 70_000, b"=" * 200_000])
def test_no_line_takes_longer_than_its_length(text: bytes) -> None:
    started = time.process_time()
    attributes(b"#A:" + text)
    assert time.process_time() - started < 20
