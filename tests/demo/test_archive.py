from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from gate.demo.archive import (
    Segment,
    overlapping,
    piece,
    playlist,
    playlist_from,
    recorded,
    rewind_playlist,
    shifted_playlist,
    span_playlist,
)

AT = 1_795_298_646
# Ten seconds, a gap of ten, and four seconds more.
EVERY = [Segment(AT + 2 * number, 2000, 0) for number in range(5)] + [
    Segment(AT + 20, 2000, 1),
    Segment(AT + 22, 2000, 1),
]
LONG_AGO = Segment(AT - 86_400, 500, 0)


def entries(text: str) -> list[tuple[float, float, str]]:
    """(programme date as Unix seconds, length in seconds, URI) of each segment of a playlist."""
    found = re.findall(r"#EXT-X-PROGRAM-DATE-TIME:(.+)\n#EXTINF:([0-9.]+),\n(.+)\n", text)
    return [(datetime.fromisoformat(date).timestamp(), float(length), uri) for date, length, uri in found]


def starts(text: str | None) -> list[int]:
    assert text is not None
    return [int(start) - AT for start, _, _ in entries(text)]


def sequence(text: str | None) -> int:
    assert text is not None
    return int(re.findall("MEDIA-SEQUENCE:(.+)", text)[0])


def test_a_segment_is_what_its_name_says() -> None:
    segment = Segment.named("2026/11/21/22/04/06-02000.ts")
    assert segment == Segment(1795298646, 2000)
    assert segment.name == "2026/11/21/22/04/06-02000.ts"
    assert segment.end_ms == 1795298648_000


@pytest.mark.parametrize(
    "name",
    [
        "",
        "index.m3u8",
        "2026/11/21/22/04/06.jpg",
        "2026/11/21/22/04/06-2000.ts",
        "2026/13/21/22/04/06-02000.ts",
        "2026/11/21/22/04/61-02000.ts",
        "x/2026/11/21/22/04/06-02000.ts",
        "2026/11/21/22/04/06-02000.ts\n",
        "٢٠٢٦/11/21/22/04/06-02000.ts",
    ],
)
def test_another_name_is_no_segment(name: str) -> None:
    assert Segment.named(name) is None


def test_a_playlist_marks_the_place_where_time_jumps() -> None:
    text = playlist([Segment(100, 2000, 3), Segment(200, 2000, 4), Segment(202, 500, 4)], sequence=7)
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1
    assert "#EXT-X-DISCONTINUITY-SEQUENCE:3\n" in text
    assert "#EXT-X-MEDIA-SEQUENCE:7\n" in text
    before, after = text.split("#EXT-X-DISCONTINUITY\n")
    assert [entry[0] for entry in entries(before)] == [100]
    assert [entry[:2] for entry in entries(after)] == [(200, 2), (202, 0.5)]
    assert "ENDLIST" not in text
    assert playlist([], sequence=0, ended=True).endswith("#EXT-X-ENDLIST\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for segment in (LONG_AGO, *EVERY):
        file = tmp_path / segment.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "2026/11/21/22/04/other.ts").touch()
    (tmp_path / "2026/11/21/22/04/08.jpg").touch()
    return tmp_path


def test_what_is_recorded_is_read_from_the_names(folder: Path) -> None:
    assert [(one.start_s, one.run) for one in recorded(folder)] == [
        (LONG_AGO.start_s, 0),
        *((one.start_s, one.run + 1) for one in EVERY),
    ]
    assert recorded(folder / "none") == []


@pytest.mark.parametrize(
    ("since", "expected"), [(AT, EVERY), (AT + 9, EVERY[4:]), (AT + 10, [Segment(AT + 20, 2000, 0)])]
)
def test_only_what_ends_later_is_listed(folder: Path, since: int, expected: list[Segment]) -> None:
    assert recorded(folder, since_s=since)[: len(expected)] == expected
    assert recorded(folder, since_s=AT + 24) == recorded(folder, since_s=9_999_999_999) == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 4, [0, 2]),
        (1, 3, [0, 2]),
        (3, 4, [2]),
        (9, 21, [8, 20]),
        (10, 20, []),
        (21, None, [20, 22]),
        (3, 3, []),
        (24, None, []),
    ],
)
def test_a_span_is_half_open(start: int, end: int | None, expected: list[int]) -> None:
    found = overlapping(EVERY, (AT + start) * 1000, None if end is None else (AT + end) * 1000)
    assert [segment.start_s - AT for segment in found] == expected


def test_a_piece_is_the_file_where_the_span_holds_all_of_it(folder: Path) -> None:
    segment = EVERY[0]
    (folder / segment.name).write_bytes(b"\x47 as it was recorded")
    for start_ms, end_ms in ((0, None), (segment.start_ms, segment.end_ms)):
        assert piece(folder, segment, start_ms, end_ms) == b"\x47 as it was recorded"
    for start_ms, end_ms in ((segment.start_ms + 1000, None), (0, segment.end_ms - 1000)):
        assert piece(folder, segment, start_ms, end_ms) == b""
    with pytest.raises(FileNotFoundError):
        piece(folder, Segment(AT + 12, 2000), 0, None)


def test_a_span_that_can_still_grow_has_no_end() -> None:
    newest_ms = EVERY[-1].end_ms
    whole = span_playlist(EVERY, AT + 3, 4, newest_ms)
    assert starts(whole) == [2, 4, 6]
    assert whole is not None
    assert whole.endswith("#EXT-X-ENDLIST\n")
    ahead = span_playlist(EVERY, AT + 9, 60, newest_ms)
    assert starts(ahead) == [8, 20, 22]
    assert ahead is not None
    assert "ENDLIST" not in ahead
    # Its end has passed and the camera was off: nothing comes any more.
    assert "ENDLIST" in (span_playlist(EVERY, AT + 9, 60, (AT + 80) * 1000) or "")
    assert span_playlist(EVERY, AT + 12, 6, newest_ms) is None
    assert span_playlist(EVERY, AT + 3, 0, newest_ms) is None
    assert span_playlist([], AT, 10, newest_ms) is None


def test_a_span_until_now_is_an_event() -> None:
    text = span_playlist(EVERY, AT + 5, None, EVERY[-1].end_ms, prefix="../../../")
    assert starts(text) == [4, 6, 8, 20, 22]
    assert text is not None
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n" in text
    assert "ENDLIST" not in text
    assert {uri[:13] for _, _, uri in entries(text)} == {"../../../2026"}


def test_shifted_playlists_are_windows_that_keep_their_numbers() -> None:
    many = [Segment(AT + 2 * number, 2000) for number in range(40)]
    early, late = (shifted_playlist(many, (AT + until) * 1000) for until in (41, 43))
    assert starts(early) == list(range(20, 40, 2))
    assert starts(late) == list(range(22, 42, 2))
    assert sequence(late) == sequence(early) + 1
    assert starts(shifted_playlist(many, (AT + 2) * 1000)) == [0]
    assert shifted_playlist(many, (AT + 1) * 1000) is None
    assert shifted_playlist(many, -9_999_999_999_000) is None


def test_growing_playlists_reach_to_the_newest() -> None:
    since = playlist_from(EVERY, AT + 7)
    assert starts(since) == [6, 8, 20, 22]
    assert since is not None
    assert "#EXT-X-START:TIME-OFFSET=0" in since
    wide = rewind_playlist(EVERY, (AT + 7) * 1000 + 500)
    assert starts(wide) == [6, 8, 20, 22]
    assert sequence(wide) == sequence(since) == (AT + 6) // 2
    assert starts(rewind_playlist(EVERY, -1)) == starts(playlist_from(EVERY, 0))
    assert "ENDLIST" not in since + (wide or "")
    assert playlist_from(EVERY, AT + 24) is None
    assert rewind_playlist(EVERY, EVERY[-1].end_ms) is None
