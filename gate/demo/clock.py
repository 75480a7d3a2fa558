"""The demo's test picture: colour bars, a name, and a UTC clock that can be read off any decoded frame.

ffmpeg's `drawtext` needs a font file, and a bare machine has none. So the letters are drawn here, as
5x7 bitmaps blown up, straight into the luma plane of a raw yuv420p frame. The background is painted once;
afterwards only characters that changed are drawn, one or two in most frames.

Below the text the same time stands once more for machines: a strip of black and white cells, large enough to
survive H.264 and JPEG. `read_instants` reads it, so that a test can prove which instants a download shows.
From the left: white, black, 36 bits of Unix tenths of a second, highest first, the low 8 bits of the CRC-32
of those (as 5 bytes, big-endian), black, white.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from gate.errors import GateError

WIDTH = 640
HEIGHT = 360

_ROWS = 7
_COLUMNS = 5

# Seven rows of five pixels each, as hexadecimal; the leftmost pixel is the highest of the five bits.
_GLYPHS = {
    character: bytes.fromhex(rows)
    for character, rows in {
        "0": "0e11131519110e", "1": "040c040404040e", "2": "0e11010204081f", "3": "1f02040201110e",
        "4": "02060a121f0202", "5": "1f101e0101110e", "6": "0608101e11110e", "7": "1f010204080808",
        "8": "0e11110e11110e", "9": "0e11110f01020c", "A": "0e11111f111111", "B": "1e11111e11111e",
        "C": "0e11101010110e", "D": "1e11111111111e", "E": "1f10101e10101f", "F": "1f10101e101010",
        "G": "0e11101711110f", "H": "1111111f111111", "I": "0e04040404040e", "J": "0702020202120c",
        "K": "11121418141211", "L": "1010101010101f", "M": "111b1515111111", "N": "11191915131311",
        "O": "0e11111111110e", "P": "1e11111e101010", "Q": "0e11111115120d", "R": "1e11111e141211",
        "S": "0f10100e01011e", "T": "1f040404040404", "U": "1111111111110e", "V": "11111111110a04",
        "W": "1111111515150a", "X": "11110a040a1111", "Y": "11110a04040404", "Z": "1f01020408101f",
        ":": "00040400040400", "-": "0000001f000000", ".": "00000000000c0c", "_": "0000000000001f",
        " ": "00000000000000",
    }.items()
}  # fmt: skip

# 75 % colour bars as (Y, Cb, Cr), BT.601 studio range.
_BARS = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
)
_INK = 235
_PAPER = 24
# The dark panel behind the text, in pixels (left, top, right, bottom); even, since chroma is halved.
_PANEL = (32, 92, 608, 276)

_TIME_BITS = 36
_CHECK_BITS = 8
_CELLS = _TIME_BITS + _CHECK_BITS + 4
_CELL_WIDTH = 12
_CELL_HEIGHT = 16
_MARK_LEFT = (WIDTH - _CELLS * _CELL_WIDTH) // 2
_MARK_TOP = 288
_BRIGHT = 128


class Picture:
    """A yuv420p frame of WIDTH x HEIGHT pixels, 345,600 bytes, that shows `title` and a clock.

    Pictures with different titles differ in the order of their bars, so two streams are told apart at a
    glance. A character without a glyph leaves its place blank.
    """

    def __init__(self, title: str) -> None:
        self.frame = _background(zlib.crc32(title.encode()) % len(_BARS))
        self._drawn: dict[tuple[int, int], str] = {}
        self._glyphs: dict[tuple[str, int], list[bytes]] = {}
        self._marked = ""
        self._write(title.upper()[:15], top=104, scale=5)

    def show(self, at_ms: int) -> bytearray:
        """The clock reads `at_ms`, Unix milliseconds, to a tenth of a second. The frame is reused: it must
        have been written before the next call."""
        at = datetime.fromtimestamp(at_ms // 1000, UTC)
        self._write(f"{at:%H:%M:%S}.{at_ms % 1000 // 100}", top=156, scale=9)
        self._write(f"{at:%Y-%m-%d} UTC", top=236, scale=4)
        self._mark(at_ms // 100)
        return self.frame

    def _mark(self, tenths: int) -> None:
        cells = _cells(tenths)
        before = self._marked or " " * _CELLS
        self._marked = cells
        for place, (cell, was) in enumerate(zip(cells, before, strict=True)):
            if cell == was:
                continue
            row = bytes((_INK if cell == "1" else _PAPER,)) * _CELL_WIDTH
            at = _MARK_TOP * WIDTH + _MARK_LEFT + place * _CELL_WIDTH
            for _ in range(_CELL_HEIGHT):
                self.frame[at : at + _CELL_WIDTH] = row
                at += WIDTH

    def _write(self, text: str, *, top: int, scale: int) -> None:
        advance = (_COLUMNS + 1) * scale
        left = (WIDTH - len(text) * advance + scale) // 2
        for place, character in enumerate(text):
            x = left + place * advance
            if self._drawn.get((x, top)) == character:
                continue
            self._drawn[x, top] = character
            at = top * WIDTH + x
            for row in self._glyph(character, scale):
                for _ in range(scale):
                    self.frame[at : at + len(row)] = row
                    at += WIDTH

    def _glyph(self, character: str, scale: int) -> list[bytes]:
        known = self._glyphs.get((character, scale))
        if known is None:
            rows = _GLYPHS.get(character, bytes(_ROWS))
            known = [
                b"".join(
                    bytes((_INK if row >> (_COLUMNS - 1 - column) & 1 else _PAPER,)) * scale
                    for column in range(_COLUMNS)
                )
                for row in rows
            ]
            self._glyphs[character, scale] = known
        return known


def read_instants(luma: bytes | bytearray) -> list[float]:
    """The Unix times, to a tenth of a second, that these frames show, in their order.

    `luma` is whole frames of WIDTH x HEIGHT grey pixels, one byte each. Raises GateError when it is not, or
    when a frame shows no time: what cannot be read proves nothing.
    """
    size = WIDTH * HEIGHT
    if len(luma) % size:
        raise GateError(f"demo: {len(luma)} bytes are not frames of {WIDTH}x{HEIGHT} pixels")
    found = []
    for number in range(len(luma) // size):
        tenths = _read(luma, number * size)
        if tenths is None:
            raise GateError(f"demo: picture {number} shows no time")
        found.append(tenths / 10)
    return found


def _read(luma: bytes | bytearray, frame_at: int) -> int | None:
    # The edges of a cell are where an encoder smears.
    rows = range(_MARK_TOP + 4, _MARK_TOP + _CELL_HEIGHT - 4, 2)
    inner = _CELL_WIDTH - 6
    cells = ""
    for place in range(_CELLS):
        left = frame_at + _MARK_LEFT + place * _CELL_WIDTH + 3
        light = sum(sum(luma[left + row * WIDTH : left + row * WIDTH + inner]) for row in rows)
        cells += "1" if light > _BRIGHT * inner * len(rows) else "0"
    tenths = int(cells[2 : 2 + _TIME_BITS], 2)
    return tenths if cells == _cells(tenths) else None


def _cells(tenths: int) -> str:
    """The strip that means this time, as a text of 0 and 1."""
    check = zlib.crc32(tenths.to_bytes(5, "big")) % (1 << _CHECK_BITS)
    return f"10{tenths:0{_TIME_BITS}b}{check:0{_CHECK_BITS}b}01"


def _background(turn: int) -> bytearray:
    bars = _BARS[turn:] + _BARS[:turn]
    left, top, right, bottom = _PANEL
    frame = bytearray()
    for plane, shrink, paper in ((0, 1, _PAPER), (1, 2, 128), (2, 2, 128)):
        width = WIDTH // shrink
        plain = bytes(bars[x * len(bars) // width][plane] for x in range(width))
        panel = bytearray(plain)
        panel[left // shrink : right // shrink] = bytes((paper,)) * ((right - left) // shrink)
        for y in range(HEIGHT // shrink):
            frame += panel if top <= y * shrink < bottom else plain
    return frame
