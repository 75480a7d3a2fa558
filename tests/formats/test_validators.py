"""Claims of each kind: what is said, nothing said, and what is no such thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gate.core.windows import LAST_SECOND
from gate.formats.validators import (
    LARGEST_COUNT,
    LONGEST_TEXT,
    InvalidClaimError,
    read_count,
    read_flag,
    read_seconds,
    read_text,
)


@pytest.mark.parametrize(
    ("read", "good", "bad", "told"),
    [
        (read_seconds, [0, 1, LAST_SECOND], [-1, LAST_SECOND + 1], f"x must lie between 0 and {LAST_SECOND}"),
        (read_seconds, [], [True, "1", 1.0, [1]], "x must be a whole number of seconds"),
        (
            read_count,
            [1, LARGEST_COUNT],
            [0, LARGEST_COUNT + 1, True, "1", 1.0],
            f"x must be a whole number from 1 to {LARGEST_COUNT}",
        ),
        (read_flag, [True, False], [None, 0, 1, "true"], "x must be true or false"),
        (
            read_text,
            ["a", "é" * LONGEST_TEXT],
            ["", "a" * (LONGEST_TEXT + 1), 1, ["a"]],
            f"x must be text of 1 to {LONGEST_TEXT} characters",
        ),
    ],
)
def test_a_claim(read: Callable[..., Any], good: list[Any], bad: list[Any], told: str) -> None:
    for value in good:
        assert read({"x": value}, "x") == value
    for value in bad:
        with pytest.raises(InvalidClaimError) as caught:
            read({"x": value}, "x")
        assert str(caught.value) == told


def test_nothing_said() -> None:
    for read in (read_seconds, read_count, read_text):
        assert read({}, "x") is read({"x": None}, "x") is None
    assert read_flag({}, "x") is False


def test_the_place_of_a_claim_is_named() -> None:
    with pytest.raises(InvalidClaimError, match=r"^bind\.ip must be text"):
        read_text({"ip": 1}, "ip", "bind.")
    with pytest.raises(InvalidClaimError, match=r"^grants\.read\.all must be true"):
        read_flag({"all": 1}, "all", "grants.read")
