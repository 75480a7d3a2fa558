"""MPEG-TS is cut by its own clock.

Real streams are made by ffmpeg; packets are built by hand for what no encoder does.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterable, Iterator

import imageio_ffmpeg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.media.mpegts import BYTES_PER_TICK, SEARCHED_BYTES, UNTIMED_BYTES, TimeLimit

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

SIZE = 188
WRAP = 2**33
MS = 90
S = 1000 * MS
FOREVER_MS = 10**9
NEW_BASE_MS = 100

Stream = Callable[..., bytes]


# --- building and reading packets, one by one -----------------------------------------------------------------


def packet(pid: int = 256, first: int = 0x47) -> bytes:
    """A packet of payload only."""
    return bytes([first, pid >> 8, pid & 255, 0x10]) + bytes(184)


def clocked(
    ticks: int, pid: int = 256, *, marked: bool = False, damaged: bool = False, length: int = 7
) -> bytes:
    """A packet with a PCR."""
    head = [0x47, pid >> 8 | damaged << 7, pid & 255, 0x30, length, 0x10 | marked << 7]
    return (bytes(head) + ((ticks % WRAP) << 15).to_bytes(6)).ljust(SIZE, b"\0")


def stream(clock: Iterable[int], pid: int = 256, between: int = 2) -> bytes:
    return b"".join(clocked(ticks, pid) + packet(pid) * between for ticks in clock)


def samples(data: bytes, pid: int | None = None) -> Iterator[tuple[int, int]]:
    """Where a PCR stands, and what it says (ticks); of the first PID that has one unless another is named."""
    for at in range(0, len(data) - SIZE + 1, SIZE):
        one = data[at : at + SIZE]
        assert one[0] == 0x47
        if one[3] & 0x20 and one[4] >= 7 and one[5] & 0x10:
            found = int.from_bytes(one[1:3]) & 0x1FFF
            pid = found if pid is None else pid
            if found == pid:
                yield at, int.from_bytes(one[6:12]) >> 15


def cut_at(data: bytes, limit_ms: int) -> int:
    """Where an even stream has to be cut, by a reader that is plain and slow."""
    first = next(samples(data))[1]
    return next((at for at, ticks in samples(data) if (ticks - first) % WRAP >= limit_ms * MS), len(data))


def limited(data: bytes, limit_ms: int, *sizes: int) -> tuple[bytes, TimeLimit]:
    """What leaves of `data`, cut into chunks of these sizes over and over, or fed at once."""
    limit = TimeLimit(limit_ms)
    out, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] if sizes else len(data)
        out.append(limit.feed(data[at : at + size]))
        at, turn = at + size, turn + 1
    out.append(limit.end())
    return b"".join(out), limit


def elapsed_ms(data: bytes) -> int:
    out, limit = limited(data, FOREVER_MS)
    assert out == data
    assert limit.measured
    return limit.elapsed_ms


# --- real streams ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Stream:
    """Six seconds as ffmpeg writes them, with more options if there are any; made once each."""
    made: dict[tuple[str, ...], bytes] = {}
    video = ("-f", "lavfi", "-i", "testsrc=s=320x180:r=25", "-f", "lavfi", "-i", "sine")
    coded = ("-t", "6", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac", "-f", "mpegts")

    def make(*more: str) -> bytes:
        if more not in made:
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *video, *coded, *more, "-"]
            made[more] = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
        return made[more]

    return make


WRAPPING = ("-output_ts_offset", str(WRAP / S - 3))
PROGRAMS = (
    *("-map", "0:v", "-map", "1:a", "-map", "0:v", "-streamid", "0:256", "-streamid", "2:300"),
    *("-program", "st=0:st=1", "-program", "st=2"),
)


@pytest.mark.parametrize("options", [(), WRAPPING, PROGRAMS], ids=["plain", "clock wraps", "two programmes"])
@pytest.mark.parametrize("limit_ms", [1, 40, 41, 700, 2000, 2500, 4321, 5900])
def test_a_real_stream_is_cut_where_its_clock_reaches_the_limit(
    real: Stream, options: tuple[str, ...], limit_ms: int
) -> None:
    data = real(*options)
    expected = cut_at(data, limit_ms)
    assert 0 < expected < len(data)
    out, limit = limited(data, limit_ms, 65536, 1, 1000)
    assert out == data[:expected]
    assert limit.ended
    assert limit.elapsed_ms >= limit_ms
    assert limit.feed(data) == limit.end() == b""


@pytest.mark.parametrize("options", [(), WRAPPING, PROGRAMS], ids=["plain", "clock wraps", "two programmes"])
def test_a_real_stream_that_ends_before_the_limit_passes_whole(real: Stream, options: tuple[str, ...]) -> None:
    data = real(*options)
    out, limit = limited(data, 6100, 16384)
    assert out == data
    assert (limit.ended, limit.measured) == (False, True)
    ticks = [ticks for _, ticks in samples(data)]
    assert limit.elapsed_ms == (ticks[-1] - ticks[0]) % WRAP // MS
    assert 5800 < limit.elapsed_ms <= 6000


def test_the_real_streams_are_what_they_are_meant_to_be(real: Stream) -> None:
    wrapping = [ticks for _, ticks in samples(real(*WRAPPING))]
    assert wrapping[0] > WRAP - 4 * S
    assert wrapping[-1] < 4 * S
    assert len(list(samples(real(*PROGRAMS), 300))) > 50
    assert next(samples(real(*PROGRAMS)), None) != next(samples(real(*PROGRAMS), 300))


@pytest.mark.parametrize("limit_ms", [0, -1])
def test_nothing_leaves_at_a_limit_of_nothing(real: Stream, limit_ms: int) -> None:
    out, limit = limited(real(), limit_ms)
    assert out == b""
    assert (limit.ended, limit.measured) == (True, False)


def test_a_real_stream_that_begins_again_is_measured_on(real: Stream) -> None:
    data = real()
    once = elapsed_ms(data)
    assert elapsed_ms(data * 3) == pytest.approx(3 * once + 2 * NEW_BASE_MS, abs=2)
    first, again = limited(data, 2000)[0], limited(data * 2, once + NEW_BASE_MS + 2000)[0]
    assert len(again) - len(data) == pytest.approx(len(first), abs=0)


def test_packets_of_192_bytes_pass_untouched(real: Stream) -> None:
    data = real("-mpegts_m2ts_mode", "1")
    assert data[4::192].count(0x47) == len(data) // 192
    out, limit = limited(data, 1000, 10000)
    assert out == data
    assert (limit.ended, limit.measured, limit.elapsed_ms) == (False, False, 0)


# --- chunks ---------------------------------------------------------------------------------------------------

EVEN = stream(range(0, 5 * S, 40 * MS), between=1)
ROUGH = (
    b"G junk G" * 30
    + EVEN[: SIZE * 50]
    + b"lost" * 100
    + EVEN[SIZE * 50 : SIZE * 100]
    + packet(first=0)
    + EVEN[SIZE * 100 : SIZE * 150 + 50]
    + EVEN[: SIZE * 50]
    + stream(range(5 * S, 7 * S, 50 * MS), 300)
    + bytes(700)
    + EVEN[-SIZE * 4 + 20 :]
)


@settings(UNHURRIED, max_examples=50)
@given(
    data=st.sampled_from([EVEN, EVEN[100:], ROUGH, ROUGH[:-200], ROUGH[2000:], b"G" * 5000]),
    limit_ms=st.integers(1, 6000),
    sizes=st.lists(st.one_of(st.integers(1, 20), st.integers(1, 3000)), min_size=1, max_size=20),
)
def test_how_it_is_cut_into_chunks_makes_no_difference(data: bytes, limit_ms: int, sizes: list[int]) -> None:
    whole, at_once = limited(data, limit_ms)
    out, piecemeal = limited(data, limit_ms, *sizes)
    assert out == whole
    assert data.startswith(out)
    for name in ("ended", "measured", "elapsed_ms"):
        assert getattr(piecemeal, name) == getattr(at_once, name)


@pytest.mark.parametrize("size", [1, 11, 187, 188, 189, 1316, 4096])
def test_little_is_held_back_while_in_sync(size: int) -> None:
    limit, fed, left = TimeLimit(FOREVER_MS), 0, 0
    for at in range(0, len(EVEN), size):
        fed += len(EVEN[at : at + size])
        left += len(limit.feed(EVEN[at : at + size]))
        assert fed - left < (11 if fed > 8 * SIZE else 8 * SIZE)


def test_a_chunk_that_passes_whole_is_not_copied() -> None:
    limit = TimeLimit(FOREVER_MS)
    limit.feed(EVEN[:4000])
    chunk = EVEN[4000:10000]
    assert limit.feed(chunk) is chunk


def test_an_empty_chunk_is_nothing() -> None:
    limit = TimeLimit(FOREVER_MS)
    assert limit.feed(b"") == b""
    assert limit.feed(EVEN + b"") == EVEN
    assert limit.feed(b"") == limit.end() == b""


# --- the clock ------------------------------------------------------------------------------------------------


@UNHURRIED
@given(
    start=st.integers(0, WRAP - 1),
    steps=st.lists(st.integers(0, 10 * S), min_size=8, max_size=60),
    between=st.integers(0, 3),
    limit_ms=st.integers(1, 100_000),
)
def test_any_even_clock_is_cut_exactly(start: int, steps: list[int], between: int, limit_ms: int) -> None:
    clock = [start]
    for step in steps:
        clock.append(clock[-1] + step)
    data = stream(clock, between=between)
    elapsed = [(ticks - start) // MS for ticks in clock]
    stop = next((n for n, passed in enumerate(elapsed) if passed >= limit_ms), len(clock))
    assert limited(data, limit_ms, 700)[0] == data[: stop * SIZE * (between + 1)]


E_MS = 400  # ten steps of 40 ms
TEN = stream(range(S, S + 11 * 40 * MS, 40 * MS))
LAST = S + 10 * 40 * MS


@pytest.mark.parametrize(
    ("ahead_ms", "marked", "counted_ms"),
    [
        (40, False, 40),
        (10_000, False, 10_000),
        (10_001, False, NEW_BASE_MS),
        (10**7, False, NEW_BASE_MS),
        (-40, False, NEW_BASE_MS),
        (-1000, False, NEW_BASE_MS),
        (0, False, 0),
        (0, True, 0),
        (40, True, 40),
        (1000, True, 1000),
        (1001, True, NEW_BASE_MS),
        (-40, True, NEW_BASE_MS),
    ],
)
def test_steps_and_jumps(ahead_ms: int, marked: bool, counted_ms: int) -> None:
    assert elapsed_ms(TEN) == E_MS
    base = LAST + ahead_ms * MS
    data = TEN + clocked(base, marked=marked)
    assert elapsed_ms(data) == E_MS + counted_ms
    assert elapsed_ms(data + stream([base + 40 * MS])) == E_MS + counted_ms + 40


def test_a_clock_that_only_jumps_reaches_the_limit() -> None:
    anywhere = random.Random(1)
    data = stream(anywhere.randrange(WRAP) for _ in range(3000))
    out, limit = limited(data, 60_000)
    assert limit.ended
    assert len(out) <= 601 * 3 * SIZE


def test_damaged_packets_and_short_fields_tell_no_time() -> None:
    data = TEN + clocked(LAST + 9 * S, damaged=True) + clocked(LAST + 9 * S, length=6) + clocked(LAST + 40 * MS)
    assert elapsed_ms(data) == E_MS + 40


def test_a_clock_beside_payload_that_looks_like_one() -> None:
    alike = packet(300)[:3] + b"\x10" + clocked(LAST + 9 * S)[4:]
    without = packet(300)[:3] + b"\x30\x07\x00" + clocked(LAST + 9 * S)[6:]
    assert elapsed_ms(TEN + alike + without + clocked(LAST + 40 * MS)) == E_MS + 40


def test_the_bits_beside_a_pid_make_no_other() -> None:
    """payload_unit_start_indicator and transport_priority."""
    for bits in (0x20, 0x40, 0x60):
        beside = bytearray(clocked(LAST + 40 * MS))
        beside[1] |= bits
        assert elapsed_ms(TEN + beside) == E_MS + 40


# --- more clocks than one -------------------------------------------------------------------------------------


def test_only_the_first_clock_counts_as_long_as_it_goes() -> None:
    data = b"".join(
        clocked(at * 40 * MS, 256) + clocked(at * 3 * S, 300) + clocked(at * 77 * S, 301) for at in range(100)
    )
    assert elapsed_ms(data) == 99 * 40


@pytest.mark.parametrize(
    "first",
    [
        lambda at: b"",
        lambda at: clocked(LAST),
        lambda at: clocked(random.Random(at).randrange(WRAP), marked=True),
    ],
    ids=["silent", "standing still", "jumping"],
)
def test_another_clock_takes_over(first: Callable[[int], bytes]) -> None:
    """From its first sample after the other's last step: that may have been 100 ms before."""
    after = b"".join(first(at) + clocked(at * 40 * MS, 300) + packet(300) for at in range(51))
    jumps = 24 * NEW_BASE_MS if first(0) not in (b"", clocked(LAST)) else 0
    assert elapsed_ms(TEN + after) == E_MS + NEW_BASE_MS + 2000 + jumps
    # The first one is now another clock among others.
    back = stream(range(LAST, LAST + S // 2, 40 * MS)) + stream([51 * 40 * MS], 300)
    assert elapsed_ms(TEN + after + back) == E_MS + NEW_BASE_MS + 2040 + jumps


def test_another_clock_takes_over_only_after_a_second_of_its_own() -> None:
    short = stream(range(0, 880 * MS, 40 * MS), 300)
    assert elapsed_ms(TEN + short) == E_MS
    assert elapsed_ms(TEN + short + stream([LAST + 880 * MS]) + short) == E_MS + 880
    jumping = stream((at * 11 * S for at in range(100)), 300)
    assert elapsed_ms(TEN + jumping) == E_MS


def test_a_third_clock_begins_anew_when_another_has_taken_over() -> None:
    both = b"".join(clocked(at * 40 * MS, 300) + clocked(at * 39 * MS, 301) for at in range(23))
    data = TEN + both + clocked(23 * 40 * MS, 300)
    assert elapsed_ms(data) == E_MS + NEW_BASE_MS + 920
    third = stream(range(23 * 39 * MS, 33 * 39 * MS, 39 * MS), 301)
    assert elapsed_ms(data + third) == E_MS + NEW_BASE_MS + 920


# --- what leaves without time passing -------------------------------------------------------------------------

IN_HAND = UNTIMED_BYTES // SIZE  # packets
CLOCKLESS = packet() * (IN_HAND + 1000)


@pytest.mark.parametrize(
    "after",
    [CLOCKLESS, clocked(LAST) * (IN_HAND + 1000), clocked(LAST) + CLOCKLESS, clocked(0) + CLOCKLESS],
    ids=["no clock", "standing still", "repeated once", "one jump"],
)
def test_little_leaves_after_the_last_step_ahead(after: bytes) -> None:
    for sizes in ((65536,), (1_000_003,)):
        out, limit = limited(TEN + after, FOREVER_MS, *sizes)
        assert limit.ended
        assert len(out) == TEN.rindex(clocked(LAST)) + IN_HAND * SIZE
    assert limit.elapsed_ms in (E_MS, E_MS + NEW_BASE_MS)


def test_a_stream_without_any_clock_ends() -> None:
    out, limit = limited(CLOCKLESS, FOREVER_MS, 65536)
    assert (len(out), limit.ended, limit.measured, limit.elapsed_ms) == (IN_HAND * SIZE, True, True, 0)


@pytest.mark.parametrize("size", [1000, 65536, 2**24])
def test_a_stream_that_is_never_in_sync_again_ends(size: int) -> None:
    """Where there are no packets, there are no boundaries either."""
    out, limit = limited(TEN + bytes(UNTIMED_BYTES + 100_000), FOREVER_MS, size)
    assert limit.ended
    assert len(out) == TEN.rindex(clocked(LAST)) + UNTIMED_BYTES


def test_a_stream_that_uses_up_the_rest_in_its_last_bytes_ends_too() -> None:
    lead = TEN.rindex(clocked(LAST))
    whole = TEN + bytes(UNTIMED_BYTES - len(TEN) + lead)
    out, limit = limited(whole, FOREVER_MS, 65536)
    assert (out, limit.ended) == (whole, False)
    limit = TimeLimit(FOREVER_MS)
    assert limit.feed(whole + bytes(7 * SIZE)) == whole
    assert (limit.ended, limit.feed(b"x"), limit.ended) == (False, b"", True)
    out, limit = limited(whole + bytes(500), FOREVER_MS, 65536)
    assert out == whole
    assert limit.ended


def test_a_slow_clock_gives_little_leave() -> None:
    """One tick in a thousand packets: bytes run out, long before the time."""
    slow = b"".join(clocked(at) + packet() * 999 for at in range(60))
    out, limit = limited(slow, 1000, 65536)
    assert limit.ended
    assert UNTIMED_BYTES - 2 * SIZE < len(out) <= UNTIMED_BYTES + 59 * BYTES_PER_TICK


def test_a_fast_and_long_stream_passes_whole() -> None:
    """100 Mbit/s with a clock every 100 ms, as the standard allows, for much more than there is in hand."""
    data = b"".join(clocked(at * 100 * MS) + packet() * 6648 for at in range(40))
    assert len(data) > 5 * UNTIMED_BYTES
    assert elapsed_ms(data) == 3900


# --- finding the packets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lead", [b"", b"\0", b"G", b"GG" * 100, bytes(5000), EVEN[100:SIZE], EVEN[1 : SIZE + 50]]
)
def test_what_stands_before_the_first_packet_passes(lead: bytes) -> None:
    out, limit = limited(lead + EVEN, 1000)
    assert len(out) <= len(lead) + cut_at(EVEN, 1000)
    assert len(out) >= len(lead) + cut_at(EVEN, 1000) - SIZE
    assert limit.ended


@pytest.mark.parametrize("size", [500, 65536, 2**20])
def test_what_is_not_found_in_the_beginning_passes_untouched(size: int) -> None:
    out, limit = limited(bytes(SEARCHED_BYTES) + EVEN, 1000, size)
    assert out == bytes(SEARCHED_BYTES) + EVEN[: cut_at(EVEN, 1000)]
    assert limit.measured
    late = bytes(SEARCHED_BYTES + 1) + EVEN + bytes(UNTIMED_BYTES)
    out, limit = limited(late, 1000, size)
    assert out == late
    assert (limit.ended, limit.measured) == (False, False)


@pytest.mark.parametrize(
    "body",
    [b"", b"G", b"#EXTM3U\n", EVEN[: SIZE * 7], (b"a page about GIGs " + b"x" * 171) * 1000, bytes(10**6)],
    ids=["empty", "a letter", "a playlist", "seven packets", "text", "zeros"],
)
def test_what_is_no_mpegts_passes_untouched(body: bytes) -> None:
    out, limit = limited(body, 1, 100, 5000)
    assert out == body
    assert (limit.ended, limit.measured) == (False, False)


@pytest.mark.parametrize("lost", [b"", bytes(1), bytes(500), b"G" * 100], ids=len)
def test_sync_is_found_again(lost: bytes) -> None:
    broken = EVEN[: 30 * SIZE] + lost + packet(first=0) + EVEN[30 * SIZE :]
    out, limit = limited(broken, 3000, 300)
    assert out == broken[: cut_at(EVEN, 3000) + len(lost) + SIZE]
    assert limit.ended


def test_few_packets_at_the_end_are_enough_to_be_read() -> None:
    broken = TEN + bytes(1000) + stream([LAST + 40 * MS, LAST + 80 * MS])
    assert elapsed_ms(broken) == E_MS + 80
    cut, limit = limited(broken, E_MS + 80)
    assert cut == broken[: -3 * SIZE]
    assert limit.ended


def test_a_packet_that_is_broken_off_leaves_unless_its_clock_reaches_the_limit() -> None:
    for size in (1, 10):
        assert (
            limited(TEN + clocked(LAST + 40 * MS)[:size], E_MS + 40)[0] == TEN + clocked(LAST + 40 * MS)[:size]
        )
    for size in (11, 12, 100):
        assert limited(TEN + clocked(LAST + 40 * MS)[:size], E_MS + 40)[0] == TEN
        assert (
            limited(TEN + clocked(LAST + 40 * MS)[:size], E_MS + 41)[0] == TEN + clocked(LAST + 40 * MS)[:size]
        )


# --- any bytes at all -----------------------------------------------------------------------------------------

PIECES = st.one_of(
    st.binary(max_size=400),
    st.binary(min_size=187, max_size=187).map(lambda rest: b"G" + rest),
    st.builds(
        clocked, st.integers(0, WRAP), st.integers(256, 259), marked=st.booleans(), length=st.integers(0, 255)
    ),
    st.builds(lambda at, count: EVEN[at * SIZE :][: count * SIZE], st.integers(0, 240), st.integers(1, 40)),
    st.sampled_from([b"G", b"G" * 188, packet(), packet(first=0), bytes(188)]),
)


@UNHURRIED
@given(
    pieces=st.lists(PIECES, max_size=30),
    limit_ms=st.integers(-5, 20_000),
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=5),
)
def test_no_bytes_raise_and_what_leaves_is_a_beginning(
    pieces: list[bytes], limit_ms: int, sizes: list[int]
) -> None:
    data = b"".join(pieces)
    out, limit = limited(data, limit_ms, *sizes)
    assert data.startswith(out)
    assert out == limited(data, limit_ms)[0]
    assert limit.ended or out == data
    assert not limit.ended or limit.elapsed_ms >= limit_ms
