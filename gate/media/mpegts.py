"""MPEG-TS (ISO/IEC 13818-1): an endless stream is cut by its own clock, however fast it is sent.

A stream of 188-byte packets, each beginning with 0x47, carries samples of its encoder's clock, the PCR, in the
adaptation field of some packets of one PID (2.4.3.4, 2.4.3.5): 33 bits at 90 kHz, which wrap after 26.5 hours.
(Nine more bits refine it by less than 12 us: they are not looked at.) What passes is measured so:

- The first PID with a PCR is the clock. Another programme's clock does not count, until it has gone on for
  one second while the first stood still, was silent or only jumped: then it is the clock, and that second and
  the longest legal step before it count too.
- A step ahead of at most ten seconds is time that has passed, whatever it was in truth. Any other step is a
  new base; so is one of more than a second that the stream itself marks as a discontinuity. What has passed
  is kept, and a new base counts as 100 ms, the longest step that the standard allows (2.7.2): a clock that
  only jumps reaches the limit too. A clock sample that is repeated is no step.
- What leaves without a step ahead is bounded in bytes. A step gives leave for 280 bytes per tick (200 Mbit/s),
  and never are more than 8 MiB in hand: they are also what there is at the beginning. Bytes out of sync,
  packets without a clock, a clock that stands still or jumps use them up, and then the stream ends.
- A packet that is marked as damaged (transport_error_indicator) tells no time.

Guaranteed, for what has been found to be MPEG-TS: no packet leaves from the first one on whose clock reaches
the limit; at most 8 MiB leave after the last step ahead, and at most 8 MiB and 25.2 kB per millisecond of the
limit in all.

Not guaranteed. What passes between two samples passes whole, and pictures are sent up to a second or so ahead
of the clock that shows them. A jump of more than ten seconds may have been that much time on the wall: an
archive that leaves out the gaps of a recording is measured by what it plays, not by its dates. A clock that
runs too slowly measures too little. What is no MPEG-TS - not found within the first 64 KiB; 192- and 204-byte
packets are not looked for - or shorter than eight packets passes untouched. So time on the wall has to be
limited as well.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

_PACKET: Final = 188
# As many bytes of a packet as tell whether it may leave: up to the 33 bits of its PCR.
_HEAD: Final = 11
_TICKS_PER_MS: Final = 90
_WRAP: Final = 2**33 - 1
_LONGEST_STEP: Final = 10_000 * _TICKS_PER_MS
# Origins mark a discontinuity at every segment's start, though the clock goes on evenly there.
_LONGEST_MARKED_STEP: Final = 1000 * _TICKS_PER_MS
_LONGEST_LEGAL_STEP: Final = 100 * _TICKS_PER_MS
_SUCCESSION: Final = 1000 * _TICKS_PER_MS

UNTIMED_BYTES: Final = 8 * 1024 * 1024
BYTES_PER_TICK: Final = 280
SEARCHED_BYTES: Final = 65536

# Eight sync bytes in a row are no accident, not even in a text full of the letter G, which 0x47 is.
_HELD: Final = 7 * _PACKET
_LOCK: Final = re.compile(rb"G(?:.{187}G){7}", re.DOTALL)
# At the end of the body, all that are left are enough.
_LAST_LOCK: Final = re.compile(rb"G(?:.{187}G)*.{0,187}\Z", re.DOTALL)

# A packet's fourth byte says whether it has an adaptation field; the field's second byte, if it has a PCR.
_HAS_FIELD: Final = bytes(byte >> 5 & 1 for byte in range(256))
_HAS_PCR: Final = bytes(byte >> 4 & 1 for byte in range(256))
_BOTH: Final = re.compile(b"\x01")
_SHORTEST_FIELD: Final = 7
_DAMAGED: Final = 0x80
_MARKED: Final = 0x80


class _State(Enum):
    SEEKING = auto()
    LOCKED = auto()
    FOREIGN = auto()
    ENDED = auto()


_UNDECIDED: Final = frozenset({_State.SEEKING, _State.LOCKED})


class TimeLimit:
    """Passes an MPEG-TS on until `limit_ms` of it, measured by its PCR, have passed.

    What leaves is a beginning of what came, and ends on a packet's boundary where the limit is reached. How
    the input is cut into chunks makes no difference to it. No input raises. With a limit of zero or less
    nothing leaves at all.
    """

    def __init__(self, limit_ms: int) -> None:
        self._limit = limit_ms * _TICKS_PER_MS
        self._state = _State.SEEKING if limit_ms > 0 else _State.ENDED
        self._clock = _Clock()
        self._untimed = UNTIMED_BYTES
        self._sought = 0
        self._owed = 0
        self._measured = False
        self._rest = b""

    @property
    def ended(self) -> bool:
        """Whether nothing more will leave. `elapsed_ms` below the limit tells that its clock was of no use."""
        return self._state is _State.ENDED

    @property
    def measured(self) -> bool:
        """Whether packets were found. As long as they were not, what comes passes untouched."""
        return self._measured

    @property
    def elapsed_ms(self) -> int:
        """How much of the stream has passed, by its own clock."""
        return self._clock.elapsed // _TICKS_PER_MS

    def feed(self, chunk: bytes) -> bytes:
        """What may leave by now: empty once the limit is reached, and mostly `chunk` itself before.

        A packet leaves as it comes in once its beginning shows that it may: less than eleven bytes are held
        back while in sync, and less than eight packets while sync is sought.
        """
        if self._state is _State.FOREIGN:
            return chunk
        if self._state is _State.ENDED:
            return b""
        if len(chunk) <= self._owed:
            self._owed -= len(chunk)
            return chunk
        at, self._owed = self._owed, 0
        data = self._rest + chunk
        before: _State | None = None
        state: _State = self._state
        while state is not before and state in _UNDECIDED:
            before = state
            at, state = self._seek(data, at) if state is _State.SEEKING else self._pass(data, at)
        self._state = state
        self._rest = data[at:] if state in _UNDECIDED else b""
        return data[:at]

    def end(self) -> bytes:
        """What was held back and may leave, now that the body has ended."""
        rest, self._rest = self._rest, b""
        if not self._measured or not rest:
            return rest
        found = _LAST_LOCK.search(rest)
        at = found.start() if found else len(rest)
        if at > self._untimed:
            at, self._state = self._untimed, _State.ENDED
        else:
            at, self._state = self._pass(rest, at)
        # What is too short to be a packet with a clock may leave, if nothing has ended before it.
        return rest[:at] if self.ended else rest

    def _seek(self, data: bytes, start: int) -> tuple[int, _State]:
        """Up to where there are no packets, and what follows."""
        found = _LOCK.search(data, start)
        at = found.start() if found else max(start, len(data) - _HELD)
        skipped = at - start
        if not self._measured:
            self._sought += skipped
            if self._sought > SEARCHED_BYTES:
                return len(data), _State.FOREIGN
        if skipped > self._untimed:
            return start + self._untimed, _State.ENDED
        self._untimed -= skipped
        if found is None:
            return at, _State.SEEKING
        self._measured = True
        return at, _State.LOCKED

    def _pass(self, data: bytes, start: int) -> tuple[int, _State]:
        """Up to where packets may leave, the last of them even if it is not all here, and what follows."""
        count = (len(data) - start + _PACKET - _HEAD) // _PACKET
        syncs = data[start : start + count * _PACKET : _PACKET]
        in_sync = count - len(syncs.lstrip(b"G"))
        end = start + in_sync * _PACKET
        at = start
        for packet in _with_clock(data, start, end):
            self._untimed -= packet - at
            if self._untimed < 0:
                return packet + self._untimed // _PACKET * _PACKET, _State.ENDED
            at = packet
            # The packet's 13-bit PID, the indicator, and the first 33 bits of the PCR.
            pid = (data[at + 1] << 8 | data[at + 2]) & 0x1FFF
            base = int.from_bytes(data[at + 6 : at + _HEAD]) >> 7
            ticks = self._clock.read(pid, base, bool(data[at + 5] & _MARKED))
            if self._clock.elapsed >= self._limit:
                return at, _State.ENDED
            self._untimed = min(UNTIMED_BYTES, self._untimed + ticks * BYTES_PER_TICK)
        self._untimed -= end - at
        if self._untimed < 0:
            return end + self._untimed // _PACKET * _PACKET, _State.ENDED
        self._owed = max(0, end - len(data))
        return end - self._owed, _State.LOCKED if in_sync == count else _State.SEEKING


class _Clock:
    """How many ticks (90 kHz) have passed, by the samples of one PID's clock, or of the one that took over."""

    def __init__(self) -> None:
        self.elapsed = 0
        self._pid: int | None = None
        self._last = 0
        # PID -> its last sample, and how far it went since this clock's last step ahead. PIDs have 13 bits.
        self._others: dict[int, tuple[int, int]] = {}

    def read(self, pid: int, base: int, marked: bool) -> int:
        """The ticks of time that has certainly passed; `elapsed` has grown by them, or by a new base's."""
        if self._pid is None:
            self._pid, self._last = pid, base
        if pid != self._pid:
            return self._read_other(pid, base, marked)
        ahead, self._last = base - self._last & _WRAP, base
        if ahead == 0:
            return 0
        if not _is_step(ahead, marked):
            self.elapsed += _LONGEST_LEGAL_STEP
            return 0
        self.elapsed += ahead
        self._others.clear()
        return ahead

    def _read_other(self, pid: int, base: int, marked: bool) -> int:
        last, gone = self._others.get(pid, (base, _LONGEST_LEGAL_STEP))
        ahead = base - last & _WRAP
        if _is_step(ahead, marked):
            gone += ahead
        if gone < _SUCCESSION:
            self._others[pid] = base, gone
            return 0
        self._pid, self._last = pid, base
        self._others.clear()
        self.elapsed += gone
        return gone


def _is_step(ahead: int, marked: bool) -> bool:
    return ahead <= (_LONGEST_MARKED_STEP if marked else _LONGEST_STEP)


def _with_clock(data: bytes, start: int, end: int) -> list[int]:
    """Where the packets with a PCR begin, of those between: few are looked at one by one."""
    fields = data[start + 3 : end : _PACKET].translate(_HAS_FIELD)
    if 1 not in fields:
        return []  # as for most chunks that are small
    flags = data[start + 5 : end : _PACKET].translate(_HAS_PCR)
    both = (int.from_bytes(fields) & int.from_bytes(flags)).to_bytes(len(fields))
    packets = (start + found.start() * _PACKET for found in _BOTH.finditer(both))
    return [at for at in packets if data[at + 4] >= _SHORTEST_FIELD and not data[at + 1] & _DAMAGED]
