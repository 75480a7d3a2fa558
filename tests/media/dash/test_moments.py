"""Durations and dates are read as players read them, to the microsecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.media.dash.markup import MpdError
from gate.media.dash.moments import read_date, read_duration, write_date, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0),
        ("PT1.5S", 1.5),
        (" PT1H2M3S ", 3723),
        ("P1DT1S", 86401),
        ("P1Y1M", 395 * 86400),
        ("PT0.0000019S", 0.000001),
        ("PT9999999999999S", 9999999999999),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    assert read_duration(text) == round(seconds * 1_000_000)


@pytest.mark.parametrize("text", ["", "P", "PT", "-PT1S", "PT1", "1", "PT1S2M", "PT" + "9" * 40 + "S", "PT1.S"])
def test_no_duration(text: str) -> None:
    with pytest.raises(MpdError, match="not a duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T19:00:00.25-05:00", 0.25),
        ("2023-11-14T22:13:20Z", 1_700_000_000),
    ],
)
def test_date(text: str, seconds: float) -> None:
    assert read_date(text) == round(seconds * 1_000_000)


@pytest.mark.parametrize("text", ["", "now", "2023-11-14", "2023-11-14T22:13Z", "12023-11-14T22:13:20Z"])
def test_no_date(text: str) -> None:
    with pytest.raises(MpdError, match="not a date"):
        read_date(text)


def test_no_such_date() -> None:
    with pytest.raises(MpdError, match="no such date"):
        read_date("2023-02-30T00:00:00Z")
    with pytest.raises(MpdError, match="beyond the year 9999"):
        write_date(10**18)


@given(st.integers(0, 10**17))
def test_durations_come_back(duration_us: int) -> None:
    assert read_duration(write_duration(duration_us)) == duration_us


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_dates_come_back(date_us: int) -> None:
    assert read_date(write_date(date_us)) == date_us
