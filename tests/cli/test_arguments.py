from __future__ import annotations

import click
import pytest

from gate.cli.arguments import moment, read_moment, whole_seconds

NOW = 1_777_900_000.75


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", 1_777_900_000),
        ("0", 0),
        ("1777899600", 1_777_899_600),
        ("-2h", 1_777_892_800),
        ("+30m", 1_777_901_800),
        ("now-90s", 1_777_899_910),
        ("now+1d", 1_777_986_400),
        ("2026-05-04T13:00:00Z", 1_777_899_600),
        ("2026-05-04T13:00:00", 1_777_899_600),
        ("2026-05-04 13:00:00.999", 1_777_899_600),
        ("2026-05-04T15:00:00+02:00", 1_777_899_600),
        ("2026-05-04", 1_777_852_800),
        ("1970-01-01", 0),
    ],
)
def test_a_time_is_a_unix_second(text, expected):
    assert read_moment(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tomorrow", "expected Unix seconds, a date"),
        ("", "expected Unix seconds, a date"),
        ("12.5", "expected Unix seconds, a date"),
        ("2026-13-01", "expected Unix seconds, a date"),
        ("١٢٣", "expected Unix seconds, a date"),
        ("-5", "a distance from now has a unit: -5s"),
        ("+2w", "expected a duration"),
        ("-99d99", "expected a duration"),
        ("-30000d", "before 1970"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("0001-01-01T00:00:00+14:00", "before 1970"),
    ],
)
def test_what_is_no_time_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_moment(text, NOW)


def test_an_argument_that_is_no_time_is_a_usage_error():
    with pytest.raises(click.BadParameter, match="expected Unix seconds"):
        moment("soon")


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("3600", 3600), ("90s", 90), ("1.5h", 5400), ("7d", 604800)]
)
def test_a_duration_is_whole_seconds(text, expected):
    assert whole_seconds(text) == expected


@pytest.mark.parametrize("text", ["-1", "1w", "soon", "", "250ms", "40000d"])
def test_what_is_no_duration_is_a_usage_error(text):
    with pytest.raises(click.BadParameter):
        whole_seconds(text)
