"""What a playlist says of itself."""

from __future__ import annotations

import pytest

from gate.media.hls.head import SEQUENCE, Cut, edited_head, ended, number_of
from gate.media.hls.lines import PlaylistError
from gate.media.hls.reader import Reader
from gate.media.hls.reading import Reading

NOTHING_CUT = Cut(0, 0, False, False, 60_000_000)


def read(*lines: str) -> Reading:
    return Reader().read("\n".join(["#EXTM3U", *lines, ""]).encode())


def test_the_first_number() -> None:
    assert number_of(read(), SEQUENCE) == 0
    assert number_of(read("#EXT-X-MEDIA-SEQUENCE: 7 "), SEQUENCE) == 7
    for lines in (["#EXT-X-MEDIA-SEQUENCE:x"], ["#EXT-X-MEDIA-SEQUENCE"], ["#EXT-X-MEDIA-SEQUENCE:1"] * 2):
        with pytest.raises(PlaylistError):
            number_of(read(*lines), SEQUENCE)


def test_ends() -> None:
    assert ended(read("#EXT-X-ENDLIST"))
    assert ended(read("#EXT-X-PLAYLIST-TYPE:VOD"))
    assert not ended(read("#EXT-X-PLAYLIST-TYPE:EVENT"))


def test_only_what_must_change_does() -> None:
    lines = ["#EXT-X-MEDIA-SEQUENCE: 007 ", "#EXT-X-START:TIME-OFFSET=1", "#EXT-X-PLAYLIST-TYPE:EVENT"]
    head = read(*lines, "#EXT-X-SERVER-CONTROL:HOLD-BACK=18,CAN-BLOCK-RELOAD=YES")
    text = head.lines.copy()
    assert edited_head(head, text, NOTHING_CUT, b"\n") == ([], [])
    assert text == head.lines
    assert edited_head(head, text, Cut(3, 2, True, False, 0), b"\r\n") == (
        [b"#EXT-X-DISCONTINUITY-SEQUENCE:2\r\n"],
        [],
    )
    assert text == [
        *(b"#EXTM3U\n", b"#EXT-X-MEDIA-SEQUENCE: 10 \n", b"", b""),
        b"#EXT-X-SERVER-CONTROL:HOLD-BACK=18\n",
    ]
    assert edited_head(head, text, Cut(0, 0, True, True, 0), b"\n") == ([], [b"#EXT-X-ENDLIST\n"])
