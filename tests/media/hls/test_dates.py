"""Dates of playlists: every spelling of one instant, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.media.hls.dates import in_order, instant_us, instants_us, write_instant
from gate.media.hls.lines import PlaylistError

INSTANT = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        (b"2026-01-01T00:00:00Z", INSTANT),
        (b"2026-01-01t00:00:00z", INSTANT),
        (b"2026-01-01 00:00:00Z", INSTANT),
        (b"2026-01-01T00:00:00.5Z", INSTANT + 500_000),
        (b"2026-01-01T00:00:00,5Z", INSTANT + 500_000),
        (b"2026-01-01T00:00:00.123456789012Z", INSTANT + 123_456),
        (b"2026-01-01T03:00:00.000+03:00", INSTANT),
        (b"2026-01-01T03:00:00.000+0300", INSTANT),
        (b"2026-01-01T03:00:00+03", INSTANT),
        (b"2025-12-31T18:30:00-05:30", INSTANT),
        (b"2026-01-01T00:00:00-00:00", INSTANT),
        (b"2025-12-31T23:59:60Z", INSTANT),
        (b"2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        (b"1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_one_instant_has_many_spellings(text: bytes, instant: int) -> None:
    assert instant_us(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"2026-01-01T00:00:00",
        b"2026-01-01",
        b"2026-01-01T00:00Z",
        b"2026-02-29T00:00:00Z",
        b"2026-13-01T00:00:00Z",
        b"2026-01-01T24:00:00Z",
        b"2026-01-01T00:60:00Z",
        b"2026-01-01T00:00:61Z",
        b"2026-01-01T00:00:00+24:00",
        b"2026-01-01T00:00:00+03:60",
        b"2026-01-01T00:00:00.Z",
        b" 2026-01-01T00:00:00Z",
        b"2026-01-01T00:00:00Z\n",
        b"20260101T000000Z",
        b"0000-01-01T00:00:00Z",
        b"0999-01-01T00:00:00Z",
        b"9000-01-01T00:00:00Z",
        b"\xd9\xa2026-01-01T00:00:00Z",
        b"2026-01-01T00:00:00Z" * 1000,
    ],
)
def test_what_is_no_date(text: bytes) -> None:
    assert instant_us(text) is None


@given(st.datetimes(datetime(1000, 1, 2), datetime(8999, 12, 30)), st.integers(-1439, 1439))
def test_dates_are_read_as_written(date: datetime, minutes: int) -> None:
    zoned = date.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    instant = (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert instant_us(zoned.isoformat().encode()) == instant
    assert instant_us(write_instant(instant)) == instant


def test_dates_are_written_as_finely_as_they_are() -> None:
    assert write_instant(INSTANT) == b"2026-01-01T00:00:00.000Z"
    assert write_instant(INSTANT + 6_006_000) == b"2026-01-01T00:00:06.006Z"
    assert write_instant(INSTANT + 1) == b"2026-01-01T00:00:00.000001Z"
    for instant in (10**17 * 9, -(10**17) * 9):
        with pytest.raises(PlaylistError, match="beyond all dates"):
            write_instant(instant)


TAG = b"#EXT-X-PROGRAM-DATE-TIME:"
ZONES = st.sampled_from([b"Z", b"Z", b"+03:00", b"-0330"])
TIMES = st.datetimes(datetime(2026, 2, 27), datetime(2026, 3, 2)).map(
    lambda date: date.isoformat(timespec="microseconds")
)


@given(
    st.lists(TIMES, max_size=6),
    st.sampled_from([0, 1, 3, 6, 9]),
    st.booleans(),
    ZONES,
    st.sampled_from([b"\n", b"\r\n", b"", b" \n"]),
    st.sampled_from(
        [b"", b"2026-02-29T00:00:00", b"2026-02-28T24:00:00", b"2026-03-01T00:60:00", b"2026-03-01T0x:00:00"]
    ),
)
def test_many_dates_are_read_as_one_by_one(
    times: list[str], digits: int, ordered: bool, zone: bytes, end: bytes, odd: bytes
) -> None:
    texts = [
        text[:19].encode() + (b"." + text[20:].encode().ljust(digits, b"7")[:digits] if digits else b"")
        for text in times
    ]
    if odd:
        texts.append(odd + (b"." + b"0" * digits if digits else b""))
    dates = [TAG + text + zone + end for text in (sorted(texts) if ordered else texts)]
    instants = [instant_us(date.removeprefix(TAG).strip()) for date in dates]
    assert instants_us(dates) == instants
    if in_order(dates):
        assert None not in instants
        assert instants == sorted(instants)  # type: ignore[type-var]
        assert dates


@pytest.mark.parametrize(
    "other", [b"2026-01-01T00:00:00.0Z", b"2026-01-01T00:00:01+01:00", b"2026-01-01T01:00:01+00:30"]
)
def test_dates_of_another_form_or_zone_are_in_no_order(other: bytes) -> None:
    one = TAG + b"2026-01-01T00:00:00+00:00\n"
    assert in_order([one, one.replace(b"00+", b"59+")])
    assert not in_order([one, TAG + other + b"\n"])
    assert not in_order([one, None])
    assert not in_order([])
