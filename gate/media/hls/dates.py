"""Dates of playlists: ISO 8601 as EXT-X-PROGRAM-DATE-TIME and EXT-X-DATERANGE write it, to the microsecond.

A date without a zone is no date: what it means would be a guess.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, cast

from gate.media.hls.lines import PlaylistError, value_of

# RFC 3339, section 5.6, and the shorter zones of ISO 8601 (ffmpeg writes +0000).
_DATE: Final = re.compile(
    rb"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}):([0-5][0-9]|60)(?:[.,]([0-9]+))?"
    rb"(?:[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)"
)
# A whole line with a date of fixed form: what follows the fraction is the zone and the line ending.
_PLAIN: Final = re.compile(
    rb"#EXT-X-PROGRAM-DATE-TIME:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)\r?\n"
)
_ANY_DIGIT: Final = bytes.maketrans(b"123456789", b"000000000")
# Where in such a line the date, the minutes and the seconds begin, and the fraction of a second.
_DAY: Final = len(b"#EXT-X-PROGRAM-DATE-TIME:")
_MINUTE: Final = _DAY + len(b"2026-01-01T00:")
_SECOND: Final = _MINUTE + len(b"00:")
_FRACTION: Final = _SECOND + len(b"00.")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Far enough from the first and the last year that what is reckoned from a date can be written as one.
_YEARS: Final = (b"1000", b"9000")


def instant_us(text: bytes) -> int | None:
    """Microseconds of Unix time. Finer fractions are cut off."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    minute, second, fraction, sign, hours, minutes = found.groups()
    minute_us = _minute_us(minute)
    if minute_us is None:
        return None
    instant = minute_us + int(second) * 1_000_000
    if fraction:
        instant += int(fraction[:6].ljust(6, b"0"))
    if sign:
        offset_s = int(hours) * 3600 + int(minutes or b"0") * 60
        instant -= offset_s * (1_000_000 if sign == b"+" else -1_000_000)
    return instant


def in_order(dates: Sequence[bytes | None]) -> bool:
    """Whether all are lines with dates, of one form and zone, in order: then their texts compare as they do."""
    if not dates or None in dates:
        return False
    texts = cast("Sequence[bytes]", dates)
    plain = _PLAIN.fullmatch(texts[0])
    if plain is None or sorted(texts) != texts:
        return False
    many, size, text = len(texts), len(texts[0]), b"".join(texts)
    if text.translate(_ANY_DIGIT) != texts[0].translate(_ANY_DIGIT) * many:
        return False
    if any(text[at::size] != text[at : at + 1] * many for at in range(*plain.span(2))):
        return False
    if (text[_MINUTE::size] + text[_SECOND::size]).translate(None, b"012345"):
        return False
    # Each day and hour that occurs must be one.
    at = 0
    while at < many:
        hour = texts[at][:_MINUTE]
        if _minute_us(hour[_DAY:] + b"00") is None:
            return False
        at = bisect_right(texts, hour + b"\xff", at)
    return True


def instants_us(dates: list[bytes]) -> list[int | None]:
    """Microseconds of Unix time, for lines with dates, as `instant_us` reads them one by one."""
    plain = _PLAIN.fullmatch(dates[0]) if in_order(dates) else None
    if plain is None:
        return [instant_us(value_of(date)) for date in dates]
    # Each hour is read but once.
    zone = b"00:00" + plain[2]
    hours = {hour: instant_us(hour[_DAY:] + zone) or 0 for hour in {date[:_MINUTE] for date in dates}}
    # Up to six digits of a fraction count.
    digits = min(len(plain[1] or b""), 6)
    end = _FRACTION + digits if digits else _SECOND + 2
    unit = 10 ** (6 - digits)
    return [
        hours[date[:_MINUTE]]
        + int(date[_MINUTE : _MINUTE + 2]) * 60_000_000
        + int(date[_SECOND:end].replace(b".", b"")) * unit
        for date in dates
    ]


def write_instant(instant: int) -> bytes:
    """The date in UTC, to the millisecond, or finer where it is. Raises PlaylistError beyond the year 9999."""
    try:
        date = _EPOCH + instant * _MICROSECOND
    except OverflowError:
        raise PlaylistError("a date of the playlist lies beyond all dates") from None
    precision = "microseconds" if instant % 1000 else "milliseconds"
    return date.replace(tzinfo=None).isoformat(timespec=precision).encode() + b"Z"


@lru_cache(maxsize=4096)
def _minute_us(text: bytes) -> int | None:
    if not _YEARS[0] <= text[:4] < _YEARS[1]:
        return None
    try:
        date = datetime.fromisoformat(f"{text[:10].decode()}T{text[11:].decode()}+00:00")
    except ValueError:
        return None
    return (date - _EPOCH) // _MICROSECOND
