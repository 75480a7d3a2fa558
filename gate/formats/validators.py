"""What a claim may be, whichever format has it: one small validator per kind. Null is nothing said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gate.core.windows import LAST_SECOND

LONGEST_TEXT: Final = 512
LARGEST_COUNT: Final = 1_000_000_000


class InvalidClaimError(Exception):
    """One claim is not what it must be; the text names the claim and never shows its value."""


def read_seconds(raw: Mapping[str, Any], name: str, place: str = "") -> int | None:
    """A date in Unix seconds. Whole numbers only: readers of fractions and exponents do not agree."""
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidClaimError(f"{place}{name} must be a whole number of seconds")
    if not 0 <= value <= LAST_SECOND:
        raise InvalidClaimError(f"{place}{name} must lie between 0 and {LAST_SECOND}")
    return value


def read_count(raw: Mapping[str, Any], name: str) -> int | None:
    """A whole number from 1 on."""
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST_COUNT:
        raise InvalidClaimError(f"{name} must be a whole number from 1 to {LARGEST_COUNT}")
    return value


def read_flag(raw: Mapping[str, Any], name: str, place: str = "") -> bool:
    """True or false; false where nothing is said. Here null is no flag."""
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise InvalidClaimError(f"{place}{'.' if place else ''}{name} must be true or false")
    return value


def read_text(raw: Mapping[str, Any], name: str, place: str = "") -> str | None:
    """A text that is not empty."""
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise InvalidClaimError(f"{place}{name} must be text of 1 to {LONGEST_TEXT} characters")
    return value
