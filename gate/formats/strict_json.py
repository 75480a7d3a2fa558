"""JSON as a token may hold it: one object, in UTF-8, every key once, nothing that readers disagree on.

Python's reader alone lets the last of two keys win, knows NaN and Infinity, sniffs UTF-16 and skips a BOM;
a second reader would decide otherwise, and a token must have one meaning (RFC 8725, section 2.4 and 3.8;
RFC 7493).
"""

from __future__ import annotations

import json
from typing import Any, Final

DEEPEST: Final = 32


class _RefusedError(ValueError):
    pass


def read_object(raw: bytes) -> dict[str, Any] | None:
    """The one JSON object in `raw`, or None for anything else, however it is broken."""
    if not raw.startswith(b"{") or (raw.count(b"{") + raw.count(b"[") > DEEPEST and _depth(raw) > DEEPEST):
        return None
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_integer
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _RefusedError
    return value


def _refuse(text: str) -> Any:
    raise _RefusedError


def _integer(text: str) -> int:
    if len(text) > 20:
        raise _RefusedError
    return int(text)


def _depth(raw: bytes) -> int:
    """An upper bound of the nesting: brackets in strings count as well, which only refuses more."""
    depth = deepest = 0
    for byte in raw:
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest
