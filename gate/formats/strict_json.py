"""JSON as a token may hold it: one object, in UTF-8, every key once, nothing that readers disagree on.

Python's reader alone lets the last of two keys win, knows NaN and Infinity, sniffs UTF-16 and skips a BOM;
a second reader would decide otherwise, and a token must have one meaning (RFC 8725, section 2.4 and 3.8;
RFC 7493).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

DEEPEST: Final = 32
_LONGEST_NUMBER: Final = 20
# A string, or what is left of the text where one does not end. Possessive: one pass, whatever comes.
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))


class _RefusedError(ValueError):
    pass


def read_object(raw: bytes) -> dict[str, Any] | None:
    """The one JSON object in `raw`, or None for anything else, however it is broken."""
    if not raw.startswith(b"{"):
        return None
    try:
        value: dict[str, Any] = _read(raw, _DECODER)
    except (ValueError, RecursionError):
        return None
    return value


def read_value(raw: bytes) -> object:
    """The one JSON value in `raw`, whatever it is; white space may stand around it. Else raises ValueError.

    A whole number of more than 20 digits comes as a float: to those who ask for whole numbers it is none, and
    they know which field to name.
    """
    try:
        value: object = _read(raw, _WIDE_DECODER)
    except (ValueError, RecursionError):
        raise _RefusedError("not one JSON value in UTF-8 with every key once") from None
    return value


def _read(raw: bytes, decoder: json.JSONDecoder) -> Any:
    if raw.count(b"{") + raw.count(b"[") > DEEPEST and _depth(raw) > DEEPEST:
        raise _RefusedError
    value = decoder.decode(raw.decode("utf-8"))
    if b"\\u" in raw:
        # Half of a surrogate pair is no character (RFC 7493, section 2.1), and no log could write it.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _RefusedError
    return value


def _refuse(text: str) -> Any:
    raise _RefusedError


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise _RefusedError
    return int(text)


def _wide_integer(text: str) -> int | float:
    return int(text) if len(text) <= _LONGEST_NUMBER else float(text)


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_integer)
_WIDE_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_wide_integer
)


def _depth(raw: bytes) -> int:
    """The nesting of `raw`. Brackets in strings do not count, least of all those that would close one."""
    depth = deepest = 0
    for byte in _STRING.sub(b"", raw).translate(None, _NO_BRACKETS):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest
