"""A request to the admin API in plain values, and reading of it; what nobody knows is refused by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from gate.errors import UsageError
from gate.formats.strict_json import read_object

LONGEST_BODY: Final = 65536
_LAST_SECOND: Final = 253402300799  # the year 9999


@dataclass(frozen=True, slots=True)
class Call:
    """A request to one route. `name` is what its path names last, and `within` what it names before that; empty
    where it names nothing."""

    name: str = ""
    query: str = ""
    body: bytes = b""
    within: str = ""

    def parameters(self, *known: str) -> dict[str, str]:
        """The query's parameters. Raises UsageError for one that is not `known`, or is there twice."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        _check_names([name for name, _ in pairs], known, "parameter")
        return dict(pairs)

    def fields(self, *known: str) -> dict[str, Any]:
        """The body's fields, those that are null left out; no body has none. Raises UsageError."""
        if not self.body.strip():
            return {}
        given = read_object(self.body)
        if given is None:
            raise UsageError("the body is not one JSON object with every field once")
        _check_names(given, known, "field")
        return {name: value for name, value in given.items() if value is not None}


def read_text(fields: Mapping[str, Any], name: str) -> str | None:
    """The text of a field. Raises UsageError where it is something else, or empty."""
    value = fields.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise UsageError(f"{name}: expected text")
    return value


def read_second(fields: Mapping[str, Any], name: str) -> int | None:
    """The Unix second that a field names. Raises UsageError."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LAST_SECOND:
        raise UsageError(f"{name}: expected whole Unix seconds")
    return value


def read_flag(fields: Mapping[str, Any], name: str) -> bool | None:
    """Whether a field says true or false, None where it says nothing. Raises UsageError."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"{name}: expected true or false")
    return value


def read_limit(parameters: Mapping[str, str], default: int, most: int) -> int:
    """How many the caller wants at a time. Raises UsageError."""
    text = parameters.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise UsageError(f"limit: expected a number from 1 to {most}")
    return int(text)


def _check_names(given: Iterable[str], known: tuple[str, ...], kind: str) -> None:
    seen: set[str] = set()
    for name in given:
        if name not in known:
            knows = f"known are: {', '.join(known)}" if known else "none is known here"
            raise UsageError(f"there is no {kind} {name[:64]!r}; {knows}")
        if name in seen:
            raise UsageError(f"the {kind} {name} is there twice")
        seen.add(name)
