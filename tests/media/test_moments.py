"""How parts of URLs say a time: what is read, in which spelling only, and how it is written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.windows import LAST_SECOND
from gate.media.moments import DATE, ENDS, LENGTHS, STARTS, read_date

EVERY = {**STARTS, **ENDS, **LENGTHS}
S, MS = 10**9, 10**6


@pytest.mark.parametrize(
    ("part", "text", "ns"),
    [
        *((part, "17", 17 * S) for part in ("from", "utc", "start", "ago", "to", "end", "duration", "seconds")),
        *((part, "17", 17 * MS) for part in ("utc_ms", "to_ms", "duration_ms")),
        ("minutes", "17", 1020 * S),
        *((part, "17.25", 17 * S + S // 4) for part in ("start", "end", "seconds")),
        *((part, "0.000000001", 1) for part in ("start", "end", "seconds")),
        *((part, "1970-01-01T00:00:17Z", 17 * S) for part in ("from_iso", "start", "to_iso", "end")),
        *((part, "1970-01-01T00:00:17.000000001Z", 17 * S + 1) for part in ("from_iso", "start")),
        ("from_iso", "1970-01-01T05:30:17+05:30", 17 * S),
        ("from_iso", "1969-12-31T16:00:17.5-08:00", 17 * S + S // 2),
        ("from_iso", "1970-01-01T00:00:17-00:00", 17 * S),
        ("from_iso", "2024-02-29T23:59:59Z", 1_709_251_199 * S),
        ("from_iso", "9999-12-31T23:59:59Z", LAST_SECOND * S),
        ("from_iso", "2023-02-29T00:00:00Z", None),
        ("from_iso", "2023-01-01T24:00:00Z", None),
        ("from_iso", "2023-01-01T00:00:60Z", None),
        ("from_iso", "0000-01-01T00:00:00Z", None),
        ("start", "2023-02-29T00:00:00Z", None),
    ],
)
def test_what_is_read(part: str, text: str, ns: int | None) -> None:
    assert re.fullmatch(EVERY[part].pattern, text, re.ASCII)
    assert EVERY[part].read(text) == ns


@pytest.mark.parametrize("part", EVERY)
@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "+1", " 1", "1 ", "01", "1.", ".5", "1e3", "0x1", "1_0", "1,5", "now", "\u0661", "\uff11"),
        *("1.0000000000", "1234567890123456", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z"),
        *("1970-01-01T00:00Z", "19700101T000000Z", "1970-01-01T00:00:00+00", "1970-01-01T00:00:00+0000"),
        *("1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+00:60", "1970-01-01T00:00:00 00:00", "\n1"),
        *("1970-01-01T00:00:00,5Z", "1970-1-1T00:00:00Z", "70-01-01T00:00:00Z", "1970-01-01t00:00:00z", "1Z"),
    ],
)
def test_what_has_another_spelling_is_not_read(part: str, text: str) -> None:
    if part == "duration_ms" and text == "01":
        return
    assert re.fullmatch(EVERY[part].pattern, text, re.ASCII) is None


def test_what_has_no_such_length_is_not_read() -> None:
    for part in ("duration", "minutes"):
        assert re.fullmatch(EVERY[part].pattern, "0") is None


def test_a_date_that_is_none_in_a_spelling_that_is_none() -> None:
    assert STARTS["from_iso"].read("17") is None
    assert read_date([1970, 1, 1, 0, 1, 0]) == 60
    assert read_date([1970, 13, 1, 0, 1, 0]) is None
    assert list(DATE) == ["yyyy", "mm", "dd", "HH", "MM", "SS"]


@pytest.mark.parametrize(
    ("part", "ms", "like", "text"),
    [
        ("from", 17_000, "1", "17"),
        ("utc_ms", 17_001, "1", "17001"),
        ("minutes", 120_000, "1", "2"),
        ("seconds", 2000, "1.5", "2"),
        ("seconds", 2050, "1", "2.05"),
        ("from_iso", 17_000, "", "1970-01-01T00:00:17Z"),
        ("to_iso", 17_250, "", "1970-01-01T00:00:17.25Z"),
        ("start", 17_250, "1", "17.25"),
        ("start", 17_250, "2000-01-01T00:00:00+02:00", "1970-01-01T00:00:17.25Z"),
        ("end", 17_000, "2000-01-01T00:00:00Z", "1970-01-01T00:00:17Z"),
        ("to_iso", LAST_SECOND * 1000 + 5000, "", "9999-12-31T23:59:59Z"),
    ],
)
def test_what_is_written(part: str, ms: int, like: str, text: str) -> None:
    assert EVERY[part].write(ms, like) == text


@given(st.sampled_from(["start", "end", "from_iso", "to_iso", "seconds", "utc_ms"]), st.integers(0, 10**12 - 1))
def test_milliseconds_are_read_as_they_were_written(part: str, ms: int) -> None:
    for like in ("1", "2000-01-01T00:00:00Z"):
        text = EVERY[part].write(ms, like)
        assert re.fullmatch(EVERY[part].pattern, text, re.ASCII)
        assert EVERY[part].read(text) == ms * MS
