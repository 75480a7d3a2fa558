from __future__ import annotations

import pytest

from gate.demo.transport import PACKET, Joint, cut

PICTURES, SOUND, TABLES = 0x100, 0x101, 0x0


def packet(pid: int, *, at_ms: int | None = None, key: bool = False, base_ms: int = 1400) -> bytes:
    """A packet in which a unit with this time begins, or one that goes on with a unit."""
    adaptation = bytes((1, 0x40 if key else 0))
    head = bytes((0x47, (0x40 if at_ms is not None else 0) | pid >> 8, pid & 0xFF, 0x30)) + adaptation
    if at_ms is not None:
        ticks = (at_ms + base_ms) * 90 % (1 << 33)
        time = bytes(
            (
                0x21 | ticks >> 30 << 1,
                ticks >> 22 & 0xFF,
                ticks >> 14 & 0xFE | 1,
                ticks >> 7 & 0xFF,
                ticks << 1 & 0xFE | 1,
            )
        )
        kind = 0xE0 if pid == PICTURES else 0xC0
        head += b"\0\0\1" + bytes((kind, 0, 0, 0x80, 0x80, 5)) + time
    return head.ljust(PACKET, b"\xff")


def table() -> bytes:
    return bytes((0x47, 0x40, TABLES, 0x10, 0)).ljust(PACKET, b"\xaa")


def clocked(at_ms: int, *, base_ms: int = 1400) -> bytes:
    """A picture with a decoding time beside its time, and a reading of the stream's clock."""
    plain = packet(PICTURES, at_ms=at_ms, base_ms=base_ms)
    time = plain[15:20]
    clock = ((at_ms + base_ms) * 90 % (1 << 33) << 15 | 0x7E2A).to_bytes(6, "big")
    unit = plain[6:13] + b"\xc0\x0a" + bytes((0x31 & 0xF0 | time[0] & 0x0F,)) + time[1:]
    decoding = bytes((0x11 & 0xF0 | time[0] & 0x0F,)) + time[1:]
    return (plain[:4] + b"\x07\x10" + clock + unit + decoding).ljust(PACKET, b"\xff")


def stream(base_ms: int = 1400) -> list[bytes]:
    """Two seconds: a key frame and one more in each, each of two packets; a sound before each picture."""
    made = [table()]
    for at_ms in (0, 500, 1000, 1500):
        made.append(packet(SOUND, at_ms=at_ms - 20, base_ms=base_ms))
        made.append(packet(PICTURES, at_ms=at_ms, key=at_ms % 1000 == 0, base_ms=base_ms))
        made.append(packet(PICTURES))
    return made


def test_without_bounds_nothing_goes() -> None:
    assert cut(b"".join(stream()), None, None) == b"".join(stream())
    assert cut(b"", 0, 1000) == b""


def test_frames_of_the_span_stay_with_all_their_packets_and_the_tables() -> None:
    made = stream()
    first, second = made[:7], made[7:]
    assert cut(b"".join(made), None, 1000) == b"".join([*first, second[0]])
    assert cut(b"".join(made), 1000, None) == b"".join([made[0], *second[1:]])
    assert cut(b"".join(made), 980, 1500) == b"".join([made[0], *second[:4]])


def test_it_begins_with_a_key_frame() -> None:
    made = stream()
    assert cut(b"".join(made), 400, None) == b"".join([made[0], made[4], *made[7:]])
    assert cut(b"".join(made), 1500, None) == made[0]


def test_units_of_another_kind_stay() -> None:
    other = bytearray(packet(0x102, at_ms=1000))
    other[9] = 0xBD
    assert cut(b"".join(stream()) + bytes(other), None, 500).endswith(bytes(other))


def test_times_may_pass_their_highest_value() -> None:
    """After 26.5 hours they begin again at 0."""
    made = stream(base_ms=(1 << 33) // 90 - 700)
    assert cut(b"".join(made), 1000, None) == b"".join([made[0], *made[8:]])


def test_what_is_not_whole_is_left_out() -> None:
    made = b"".join(stream())
    assert cut(made + b"\x47\x41\x00", 0, None).count(b"\xaa" * 100) == 1
    assert len(cut(made + b"\x47\x41\x00", None, None)) == len(made)


@pytest.mark.parametrize("other_base_ms", [0, 1400, 700_000, (1 << 33) // 90 - 700])
def test_a_joint_makes_times_go_on(other_base_ms: int) -> None:
    first, second = (
        b"".join([*stream(base_ms), clocked(1600, base_ms=base_ms)]) for base_ms in (1400, other_base_ms)
    )
    joint = Joint()
    assert joint.add(first, 50_000) == first
    # As if it had been recorded two seconds, or a day, later in the same recording.
    for later_ms in (2000, 86_400_000, 100_000_000):
        goal = b"".join([*stream(1400 + later_ms), clocked(1600, base_ms=1400 + later_ms)])
        assert joint.add(second, 50_000 + later_ms) == goal


def test_what_has_no_picture_is_joined_as_it_is() -> None:
    joint = Joint()
    assert joint.add(b"no packets" * 100, 0) == b"no packets" * 100
    assert joint.add(table(), 10) == table()
    assert joint.add(packet(SOUND, at_ms=5), 10) == packet(SOUND, at_ms=5)
