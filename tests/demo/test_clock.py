from __future__ import annotations

import pytest

from gate.demo.clock import HEIGHT, WIDTH, Picture, read_instants
from gate.errors import GateError

NOON_MS = 1_795_262_400_000


def luma(picture: Picture, at_ms: int) -> bytes:
    return bytes(picture.show(at_ms)[: WIDTH * HEIGHT])


def test_a_frame_has_the_size_of_yuv420p_and_keeps_it() -> None:
    picture = Picture("cam1")
    for at_ms in (0, NOON_MS, NOON_MS + 100):
        assert len(picture.show(at_ms)) == WIDTH * HEIGHT * 3 // 2


def test_every_tenth_of_a_second_looks_different() -> None:
    picture = Picture("cam1")
    assert len({luma(picture, NOON_MS + 100 * tenth) for tenth in range(100)}) == 100


def test_what_was_drawn_before_leaves_no_trace() -> None:
    used = Picture("cam1")
    for at_ms in range(0, NOON_MS, NOON_MS // 50):
        used.show(at_ms)
    assert used.show(NOON_MS) == Picture("cam1").show(NOON_MS)


def test_the_first_digit_stands_where_a_reader_looks_for_it() -> None:
    """A "1" at scale 9, row by row, on the left edge of the clock line."""
    frame = luma(Picture("cam1"), NOON_MS - 3_600_000 * 2)  # 10:00:00.0
    left, top, scale = (WIDTH - 10 * 54 + 9) // 2, 156, 9
    rows = [
        "".join(
            "#" if frame[(top + row * scale + 4) * WIDTH + left + column * scale + 4] > 128 else "."
            for column in range(5)
        )
        for row in range(7)
    ]
    assert rows == ["..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."]


def test_streams_are_told_apart_by_their_bars() -> None:
    assert Picture("cam1").frame[:WIDTH] != Picture("cam2").frame[:WIDTH]


@pytest.mark.parametrize("title", ["", "x" * 64, "лето", "a.b-c_d:e"])
def test_any_title_fits(title: str) -> None:
    assert len(Picture(title).show(NOON_MS)) == WIDTH * HEIGHT * 3 // 2


@pytest.mark.parametrize("at_ms", [0, 100, NOON_MS - 100, NOON_MS, NOON_MS + 950, 4_102_444_800_000])
def test_the_time_is_read_off_a_frame(at_ms: int) -> None:
    used = Picture("cam2")
    used.show(NOON_MS // 2)
    assert read_instants(luma(used, at_ms)) == [at_ms // 100 / 10]


def test_frames_are_read_in_their_order_and_through_noise() -> None:
    picture = Picture("cam1")
    frames = b"".join(luma(picture, NOON_MS + 100 * number) for number in (3, 1, 2))
    # What an encoder does to edges, and a decoder to contrast.
    worn = bytes(60 + light // 2 + (-9 if at % 12 in (0, 11) else 3) for at, light in enumerate(frames))
    expected = [NOON_MS / 1000 + tenth / 10 for tenth in (3, 1, 2)]
    assert read_instants(frames) == read_instants(worn) == expected
    assert read_instants(b"") == []


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_frame_without_a_time_is_told(grey: int) -> None:
    good = luma(Picture("cam1"), NOON_MS)
    with pytest.raises(GateError, match=r"^demo: picture 1 shows no time$"):
        read_instants(good + bytes((grey,)) * (WIDTH * HEIGHT))


def test_one_wrong_cell_is_noticed() -> None:
    frame = bytearray(luma(Picture("cam1"), NOON_MS))
    for row in range(288, 304):
        at = row * WIDTH + 32 + 12 * 20
        frame[at : at + 12] = bytes(259 - light for light in frame[at : at + 12])
    with pytest.raises(GateError, match="shows no time"):
        read_instants(frame)


def test_half_a_frame_is_told() -> None:
    with pytest.raises(GateError, match=r"^demo: 100 bytes are not frames of 640x360 pixels$"):
        read_instants(bytes(100))
