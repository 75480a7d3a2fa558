"""How parts of URLs say a time: their spelling, what it reads, and how another time is written in it.

Whole numbers have one spelling, without zeros in front, and are small enough for every later sum. What may have
a fraction may have nine digits of it, as some servers write their own times to the nanosecond.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gate.core.windows import LAST_SECOND

NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_NUMBER: Final = r"(?:0|[1-9]\d{0,%d})"
_FRACTION: Final = r"(?:\.\d{1,9})?"
# RFC 3339, section 5.6. The zone is never left out: without one a date is another time at every server.
_ISO: Final = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d{_FRACTION}(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_ISO_PARTS: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a part says a time.

    `read` gives whole nanoseconds, of Unix time or of a length; None for no such time. `write` says
    milliseconds in the notation of the text that stood there. It may have to round: what is written is read
    once more.
    """

    pattern: str
    read: Callable[[str], int | None]
    write: Callable[[int, str], str]


def read_date(numbers: list[int]) -> int | None:
    """The Unix second of a year, month, day, hour, minute and second in UTC; None where there is none such."""
    year, month, day, hour, minute, second = numbers
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _whole(pattern: str, unit_ms: int) -> Spelling:
    return Spelling(pattern, lambda text: int(text) * unit_ms * NS_PER_MS, lambda ms, _: str(ms // unit_ms))


def _read_seconds(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole) * _NS_PER_S + int(rest.ljust(9, "0"))


def _write_seconds(ms: int, _: str) -> str:
    whole, rest = divmod(ms, 1000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def _read_iso(text: str) -> int | None:
    found = _ISO_PARTS.fullmatch(text)
    if found is None:
        return None
    at_s = read_date([int(part) for part in found.groups()[:6]])
    if at_s is None:
        return None
    if found[8] is not None:
        ahead_s = (int(found[9]) * 60 + int(found[10])) * 60
        at_s += -ahead_s if found[8] == "+" else ahead_s
    return at_s * _NS_PER_S + int((found[7] or "0").ljust(9, "0"))


def _write_iso(ms: int, _: str) -> str:
    whole, rest = divmod(min(ms, LAST_SECOND * 1000), 1000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _read_either(text: str) -> int | None:
    return _read_seconds(text) if text.replace(".", "").isdecimal() else _read_iso(text)


def _write_either(ms: int, like: str) -> str:
    return (_write_iso if "-" in like else _write_seconds)(ms, like)


_SECONDS: Final = _whole(_NUMBER % 11, 1000)
_MILLISECONDS: Final = _whole(_NUMBER % 14, 1)
_DATE_TIME: Final = Spelling(_ISO, _read_iso, _write_iso)
_EITHER: Final = Spelling(rf"(?:{_NUMBER % 11}{_FRACTION}|{_ISO})", _read_either, _write_either)

STARTS: Final[Mapping[str, Spelling]] = {
    "from": _SECONDS,
    "utc": _SECONDS,
    "utc_ms": _MILLISECONDS,
    "from_iso": _DATE_TIME,
    "start": _EITHER,
    "ago": _whole(_NUMBER % 8, 1000),
}
ENDS: Final[Mapping[str, Spelling]] = {
    "to": _SECONDS,
    "to_ms": _MILLISECONDS,
    "to_iso": _DATE_TIME,
    "end": _EITHER,
}
LENGTHS: Final[Mapping[str, Spelling]] = {
    "duration": _whole(r"[1-9]\d{0,8}", 1000),
    "duration_ms": _whole(r"\d{1,9}", 1),
    "seconds": Spelling(_NUMBER % 8 + _FRACTION, _read_seconds, _write_seconds),
    "minutes": _whole(r"[1-9]\d{0,6}", 60_000),
}
# A date in UTC, each number a part; what goes with no {SS} is known to the minute.
DATE: Final[Mapping[str, str]] = {
    "yyyy": r"\d{4}",
    **dict.fromkeys(("mm", "dd", "HH", "MM", "SS"), r"\d\d"),
}
