"""Durations and dates as an MPD writes them (XML Schema, part 2), in whole microseconds.

Finer parts are cut off. Years and months, which have no one length, have that which players give them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from gate.media.dash.markup import MpdError

SECOND_US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION: Final = r"(?:[.,](\d{1,30}))?"
_DURATION: Final = re.compile(
    r"\s*P(?=[\dT])(?:(\d{1,4})Y)?(?:(\d{1,6})M)?(?:(\d{1,8})D)?"
    rf"(?:T(?=\d)(?:(\d{{1,9}})H)?(?:(\d{{1,11}})M)?(?:(\d{{1,13}}){_FRACTION}S)?)?\s*",
    re.ASCII,
)
_LENGTHS_S: Final = (365 * 86400, 30 * 86400, 86400, 3600, 60, 1)
_DATE: Final = re.compile(
    rf"\s*(\d{{4}})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d){_FRACTION}(?:Z|([+-])(\d\d):(\d\d))?\s*", re.ASCII
)


def read_duration(text: str) -> int:
    """The microseconds of an ``xs:duration``. Raises MpdError, also for what is negative."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise MpdError("not a duration")
    whole = sum(int(part or 0) * length for part, length in zip(found.groups(), _LENGTHS_S, strict=False))
    return whole * SECOND_US + _micro(found[7])


def write_duration(duration_us: int) -> str:
    """The ``xs:duration`` in seconds."""
    return f"PT{_seconds(duration_us)}S"


def read_date(text: str) -> int:
    """The microseconds of Unix time of an ``xs:dateTime``; without a zone it is UTC. Raises MpdError."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise MpdError("not a date")
    try:
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        date = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise MpdError("no such date") from None
    offset_s = (int(found[9]) * 60 + int(found[10])) * 60 if found[8] else 0
    whole = (date - _EPOCH) // timedelta(seconds=1)
    return (whole - (offset_s if found[8] == "+" else -offset_s)) * SECOND_US + _micro(found[7])


def write_date(date_us: int) -> str:
    """The ``xs:dateTime`` in UTC. Raises MpdError beyond the years that it can write."""
    try:
        date = _EPOCH + timedelta(seconds=date_us // SECOND_US)
    except OverflowError:
        raise MpdError("a date beyond the year 9999") from None
    fraction = _seconds(date_us % SECOND_US).partition(".")[2]
    return f"{date:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + (f".{fraction}Z" if fraction else "Z")


def _micro(fraction: str | None) -> int:
    return int((fraction or "0")[:6].ljust(6, "0"))


def _seconds(duration_us: int) -> str:
    whole, fraction = divmod(duration_us, SECOND_US)
    return f"{whole}.{fraction:06}".rstrip("0").removesuffix(".")
