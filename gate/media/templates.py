"""Templates of URLs, compiled to the expressions that read them. `gate.media.forms` says what they look like.

Parts that nothing tells apart are refused: with ``{number}{from}`` the time might begin at any digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Flag
from typing import Final

from gate.media.moments import DATE, ENDS, LENGTHS, STARTS

_RESOURCE: Final = "[^/]+?"
# In a query slashes are text, and so would dot segments be: some servers make a path of it.
_SEGMENT: Final = r"(?!\.{1,2}(?:/|\Z))[^/]+?"
_RESOURCE_IN_QUERY: Final = rf"{_SEGMENT}(?:/{_SEGMENT})*?"
PARTS: Final[Mapping[str, str]] = {
    "resource": _RESOURCE,
    **{name: spelling.pattern for name, spelling in {**STARTS, **ENDS, **LENGTHS}.items()},
    **DATE,
}
_TEXTS: Final[Mapping[str, str]] = {"tracks": "[a-z0-9,]+", "number": r"\d+", "any": "[^/]+?", "path": ".+"}
# What may hold nearly anything. It takes as little as it can, so that what may be missing behind it is read.
_WIDE: Final = frozenset({"resource", "any"})
_TOKEN: Final = re.compile(r"\{(\w*)\}|([\[\]()|])|([^\[\]()|{}]+)|([{}])")


class _Reach(Flag):
    """What of the template so far reaches into what follows, and could be read in more than one way with it."""

    NOTHING = 0
    OPEN = 1  # a part without a fixed length stands directly before
    WIDE = 2  # a part that may hold nearly anything stands in this segment


@dataclass(slots=True)
class _Bracket:
    """A bracket that is open: what closes it, what reached into it, and what reaches out of it so far."""

    closer: str
    before: _Reach
    after: _Reach


def compile_path(template: str, seen: set[str], *, any_case: bool = False) -> re.Pattern[str]:
    """The expression that reads a path; the parts that say something are added to `seen`.

    Raises ValueError, with a sentence for the operator.
    """
    return _compile(template, seen, any_case=any_case)


def compile_value(
    template: str, seen: set[str], *, any_case: bool = False, optional: bool = False
) -> re.Pattern[str]:
    """The same for a query parameter's value; what may be missing (`optional`) says nothing of its own."""
    return _compile(template, seen, any_case=any_case, in_query=True, nested=optional)


def _compile(
    template: str, seen: set[str], *, any_case: bool, in_query: bool = False, nested: bool = False
) -> re.Pattern[str]:
    pieces: list[str] = []
    brackets: list[_Bracket] = []
    reach = _Reach.NOTHING
    for name, sign, text, stray in _TOKEN.findall(template):
        inner = brackets[-1] if brackets else None
        if text:
            if "/" in text and any(bracket.closer == ")" for bracket in brackets):
                raise ValueError("a slash stands outside of (a|b)")
            if not text.isdecimal():
                reach &= ~_Reach.OPEN
            if "/" in text:
                reach = _Reach.NOTHING
            pieces.append(re.escape(text))
        elif name:
            pieces.append(_part(name, seen, reach, nested=nested or inner is not None, in_query=in_query))
            reach |= _Reach.NOTHING if name in DATE else _Reach.OPEN
            reach |= _Reach.WIDE if name in _WIDE else _Reach.NOTHING
        elif sign in ("[", "("):
            pieces.append("(?:")
            # What may be missing lets through what reached it.
            brackets.append(_Bracket(*("]", reach, reach) if sign == "[" else (")", reach, _Reach.NOTHING)))
        elif sign == "|" and inner is not None and inner.closer == ")":
            pieces.append("|")
            inner.after |= reach
            reach = inner.before
        elif sign and inner is not None and sign == inner.closer:
            pieces.append(")?" if sign == "]" else ")")
            reach |= brackets.pop().after
        else:
            raise ValueError(f"{sign or stray or '{}'} stands where it means nothing")
    if brackets:
        raise ValueError(f"a {brackets[-1].closer} is missing")
    return re.compile("".join(pieces), re.ASCII | re.IGNORECASE if any_case else re.ASCII)


def _part(name: str, seen: set[str], reach: _Reach, *, nested: bool, in_query: bool) -> str:
    if name not in PARTS and name not in _TEXTS:
        raise ValueError(f"there is no part {{{name}}}; there are {_listed((*PARTS, *_TEXTS))}")
    if _Reach.OPEN in reach:
        raise ValueError(f"text, and not of digits only, stands between {{{name}}} and the part before it")
    if name in _WIDE and _Reach.WIDE in reach:
        raise ValueError(f"{_listed(sorted(_WIDE))}: a segment holds one of them, once")
    if name in _TEXTS:
        return _TEXTS[name]
    if name in seen or nested:
        raise ValueError(f"{{{name}}} stands once, and not in brackets")
    seen.add(name)
    pattern = _RESOURCE_IN_QUERY if in_query and name == "resource" else PARTS[name]
    return f"(?P<{name}>{pattern})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
