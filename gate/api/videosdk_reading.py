"""What requests of the API for rooms say, in body and query: read strictly, and refused by name.

Fields that the gate does not know are ignored, since the vendor's clients send what its features need.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate.core.credentials import Headers
from gate.core.room import LONGEST_ID
from gate.core.target import Target
from gate.errors import UsageError
from gate.formats.strict_json import read_object

LONGEST_BODY: Final = 65536
LONGEST_WAIT_S: Final = 60
_LONGEST_NAME: Final = 128
_LONGEST_SETTINGS: Final = 8192
_MOST_ALLOWED: Final = 1000
_MOST_PER_PAGE: Final = 100
_USUAL_PER_PAGE: Final = 20
_LAST_PAGE: Final = 10**6
_LAST_MS: Final = 253402300799999  # the year 9999
# RFC 7240, section 4.3.
_PREFERRED_WAIT: Final = re.compile(
    r'(?:^|,)[ \t]*wait[ \t]*=[ \t]*"?([0-9]{1,9})"?[ \t]*(?=$|[,;])', re.IGNORECASE
)
# What the gate has no feature for is kept and given back as it was sent.
_SETTINGS: Final = {
    "geoFence": str,
    "webhook": dict,
    "autoCloseConfig": dict,
    "autoStartConfig": dict,
    "multiComposition": dict,
}


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for, counted from 1, and how long pages are."""

    page: int = 1
    per_page: int = _USUAL_PER_PAGE

    @property
    def first(self) -> int:
        """The place of the page's first item, counted from 0."""
        return (self.page - 1) * self.per_page


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """What the maker of a room says of it: see `gate.core.room.Room`. `custom_id` is '' without one."""

    custom_id: str
    allowed: frozenset[str]
    settings: str


def read_body(body: bytes) -> dict[str, Any]:
    """The fields of a body, those that are null left out; an empty body has none. Raises UsageError."""
    body = body.strip(b" \t\r\n")
    fields = read_object(body) if body else {}
    if fields is None:
        raise UsageError("the body is not one JSON object with every field once")
    return {name: value for name, value in fields.items() if value is not None}


def read_name(fields: Mapping[str, object], name: str) -> str:
    """A text that people have chosen, '' where there is none. Raises UsageError."""
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_NAME:
        raise UsageError(f"{name}: expected text of at most {_LONGEST_NAME} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value):
        raise UsageError(f"{name}: expected no control characters")
    return value


def read_id(fields: Mapping[str, object], name: str) -> str | None:
    """The id in a field, None without that. Raises UsageError."""
    value = fields.get(name)
    if value is None or _is_id(value):
        return value if isinstance(value, str) else None
    raise UsageError(f"{name}: expected an id: 1 to {LONGEST_ID} characters, no white space")


def need_id(fields: Mapping[str, object], name: str) -> str:
    """The id in a field that must be there. Raises UsageError."""
    value = read_id(fields, name)
    if value is None:
        raise UsageError(f"{name}: an id is needed")
    return value


def read_choice(fields: Mapping[str, object], name: str, *choices: str) -> str:
    """One of these words. Raises UsageError."""
    value = fields.get(name)
    if not isinstance(value, str) or value not in choices:
        raise UsageError(f"{name}: expected {' or '.join(choices)}")
    return value


def read_flag(fields: Mapping[str, object], name: str) -> bool:
    """Whether the field is true; without it, it is not. Raises UsageError."""
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(f"{name}: expected true or false")
    return value


def read_options(fields: Mapping[str, Any]) -> RoomOptions:
    """What a room is to be. Raises UsageError."""
    custom_id = fields.get("customRoomId", "")
    if not isinstance(custom_id, str) or len(custom_id) > LONGEST_ID or not custom_id.isprintable():
        raise UsageError(f"customRoomId: expected at most {LONGEST_ID} printable characters")
    allowed = fields.get("allowedParticipantIds", [])
    if not isinstance(allowed, list) or len(allowed) > _MOST_ALLOWED or not all(map(_is_id, allowed)):
        raise UsageError(f"allowedParticipantIds: expected an array of at most {_MOST_ALLOWED} participant ids")
    kept = {name: fields[name] for name in _SETTINGS if name in fields}
    for name, value in kept.items():
        if not isinstance(value, _SETTINGS[name]):
            raise UsageError(f"{name}: expected {'text' if _SETTINGS[name] is str else 'an object'}")
    settings = json.dumps(kept, separators=(",", ":"))
    if len(settings) > _LONGEST_SETTINGS:
        raise UsageError(f"the options {', '.join(_SETTINGS)} take more than {_LONGEST_SETTINGS} bytes")
    return RoomOptions(custom_id, frozenset(allowed), settings)


def read_query(target: Target, *known: str) -> dict[str, str]:
    """The query's parameters of these names that are not empty, each once. Raises UsageError."""
    found: dict[str, str] = {}
    for name, value in target.pairs():
        if name in known and value:
            if name in found:
                raise UsageError(f"the parameter {name} is there twice")
            found[name] = value
    return found


def read_paging(query: Mapping[str, str]) -> Paging:
    """Raises UsageError."""
    page = _read_number(query, "page", 1, 1, _LAST_PAGE)
    return Paging(page, _read_number(query, "perPage", _USUAL_PER_PAGE, 1, _MOST_PER_PAGE))


def read_instant(query: Mapping[str, str], name: str, default: int) -> int:
    """Unix milliseconds. Raises UsageError."""
    return _read_number(query, name, 0, 0, _LAST_MS) if name in query else default


def read_wait(target: Target, headers: Headers) -> int:
    """How long the caller wants to wait, in seconds: `wait` in the query, else what it prefers (RFC 7240).

    Raises UsageError for a parameter that is no time to wait; a mere preference is not insisted on.
    """
    query = read_query(target, "wait")
    if "wait" in query:
        return _read_number(query, "wait", 0, 0, LONGEST_WAIT_S)
    preferred = _PREFERRED_WAIT.search(",".join(headers.getall("prefer", ())))
    return 0 if preferred is None else min(int(preferred[1]), LONGEST_WAIT_S)


def _is_id(value: object) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= LONGEST_ID
        and value.isprintable()
        and not any(map(str.isspace, value))
    )


def _read_number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 18 and least <= int(text) <= most):
        raise UsageError(f"{name}: expected a whole number from {least} to {most}")
    return int(text)
