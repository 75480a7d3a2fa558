"""Cutting pieces out of MPEG transport streams (ISO/IEC 13818-1) and joining them, without encoding anew.

A packet has 188 bytes: the byte 47 hex, a flag that a unit begins in it, a 13-bit PID, what it holds, then an
adaptation field and a payload. A unit of picture or sound (a PES packet) begins with 00 00 01, its stream's
kind, and a presentation time in 90 kHz ticks; our recorder puts exactly one frame into each. So a packet
stays or goes with the unit it belongs to, and tables (PAT, PMT) always stay.
"""

from __future__ import annotations

PACKET = 188
_TICKS_PER_MS = 90
_CLOCK = 1 << 33  # presentation times are modulo this
_UNIT_BEGINS = 0x40
_HAS_ADAPTATION = 0x20
_HAS_PAYLOAD = 0x10
_HAS_CLOCK = 0x10  # in the adaptation field
_KEY_FRAME = 0x40  # "random access" in the adaptation field
_PICTURES = range(0xE0, 0xF0)
_SOUND = range(0xC0, 0xE0)


def cut(packets: bytes, start_ms: int | None, end_ms: int | None) -> bytes:
    """The frames whose time lies in `[start_ms, end_ms)`, counted from the first picture; None is no bound.

    What is left begins with a key frame: pictures before the first one within the bounds go too.
    """
    origin = _first_picture(packets) or 0
    kept: list[bytes] = []
    wanted: dict[int, bool] = {}
    begun: set[int] = set()
    for at in range(0, len(packets) - PACKET + 1, PACKET):
        packet = packets[at : at + PACKET]
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if (unit := _unit(packet)) is not None:
            kind, time, key = unit
            ticks = (time - origin + _CLOCK // 2) % _CLOCK - _CLOCK // 2
            inside = (start_ms is None or ticks >= start_ms * _TICKS_PER_MS) and (
                end_ms is None or ticks < end_ms * _TICKS_PER_MS
            )
            if inside and (start_ms is None or key or kind in _SOUND):
                begun.add(pid)
            wanted[pid] = inside and pid in begun
        if wanted.get(pid, True):
            kept.append(packet)
    return b"".join(kept)


class Joint:
    """Pieces of several recordings become one stream. Each recording's times begin anew; here they go on."""

    def __init__(self) -> None:
        self._zero: int | None = None

    def add(self, packets: bytes, at_ms: int) -> bytes:
        """The piece, its first picture at `at_ms` of the whole; untouched where it is there already."""
        first = _first_picture(packets)
        if first is None:
            return packets
        if self._zero is None:
            self._zero = first - at_ms * _TICKS_PER_MS
        later = (self._zero + at_ms * _TICKS_PER_MS - first) % _CLOCK
        return _shifted(packets, later) if later else packets


def _shifted(packets: bytes, ticks: int) -> bytes:
    """The same with all times moved by as much: of units (PTS, DTS) and of the stream's own clock (PCR)."""
    moved = bytearray(packets)
    for at in range(0, len(moved) - PACKET + 1, PACKET):
        head, payload = at + 4, at + 4
        if moved[at + 3] & _HAS_ADAPTATION:
            payload += 1 + moved[head]
            if moved[head] >= 7 and moved[head + 1] & _HAS_CLOCK:
                clock = int.from_bytes(moved[head + 2 : head + 8], "big")
                base = ((clock >> 15) + ticks) % _CLOCK
                moved[head + 2 : head + 8] = (base << 15 | clock & 0x7FFF).to_bytes(6, "big")
        if _unit(bytes(moved[at : at + PACKET])) is not None:
            _shift_time(moved, payload + 9, ticks)
            if moved[payload + 7] & 0x40:
                _shift_time(moved, payload + 14, ticks)
    return bytes(moved)


def _shift_time(data: bytearray, at: int, ticks: int) -> None:
    time = (_time(data[at : at + 5]) + ticks) % _CLOCK
    data[at] = data[at] & 0xF1 | time >> 29 & 0x0E
    data[at + 1 : at + 5] = (time >> 15 << 17 & 0xFFFE0000 | (time & 0x7FFF) << 1 | 0x10001).to_bytes(4, "big")


def _time(data: bytes | bytearray) -> int:
    """The 33 bits of a time that is spread over five bytes with a marker bit behind each part."""
    return (data[0] >> 1 & 7) << 30 | data[1] << 22 | data[2] >> 1 << 15 | data[3] << 7 | data[4] >> 1


def _first_picture(packets: bytes) -> int | None:
    """The time of the first picture in 90 kHz ticks. None if there is none."""
    for at in range(0, len(packets) - PACKET + 1, PACKET):
        if (unit := _unit(packets[at : at + PACKET])) is not None and unit[0] in _PICTURES:
            return unit[1]
    return None


def _unit(packet: bytes) -> tuple[int, int, bool] | None:
    """Of a unit of picture or sound that begins here: its kind, its time in ticks, if it is a key frame."""
    if not packet[1] & _UNIT_BEGINS or not packet[3] & _HAS_PAYLOAD:
        return None
    at, key = 4, False
    if packet[3] & _HAS_ADAPTATION:
        at += 1 + packet[4]
        key = packet[4] > 0 and bool(packet[5] & _KEY_FRAME)
    head = packet[at : at + 14]
    if len(head) < 14 or head[:3] != b"\0\0\1" or not head[7] & 0x80:
        return None
    if head[3] not in _PICTURES and head[3] not in _SOUND:
        return None
    return head[3], _time(head[9:]), key
