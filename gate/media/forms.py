"""Forms of URLs, written as templates that read like the tables in which origins describe them.

    index-{from}-{duration}[.fmp4].(m3u8|mpd)

``{name}`` is a part, ``[text]`` may be missing, ``(a|b)`` is one of several; a query may follow behind ``?``.

    {resource}                        one segment, which names the stream
    {from} or {utc}, {utc_ms}         when it begins: Unix seconds, milliseconds
    {yyyy} {mm} {dd} {HH} {MM} {SS}   the same as a date in UTC, all six
    {ago}                             the same as seconds before now
    {to} {duration} {duration_ms}     when it ends: Unix seconds; after so many seconds, milliseconds
    {tracks} {number} {any}           text without a meaning: tracks such as 1,2 or v1a1, digits, one segment

A form is read with all of its text, and writes what it reads: the same URL for another span. Parts that nothing
tells apart are refused: with ``{number}{from}`` the time might begin at any digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, Flag
from typing import Final

from gate.core.media import Kind, Role
from gate.core.windows import LAST_SECOND, Moving, Span

# Numbers have one spelling, without zeros in front, and are small enough for every later sum.
_NUMBER: Final = r"(?:0|[1-9]\d{0,%d})"
_DATE: Final = ("yyyy", "mm", "dd", "HH", "MM", "SS")
_PARTS: Final[Mapping[str, str]] = {
    "resource": r"[^/]+?",
    "from": _NUMBER % 11,
    "utc": _NUMBER % 11,
    "utc_ms": _NUMBER % 14,
    "ago": _NUMBER % 8,
    "to": _NUMBER % 11,
    "duration": r"[1-9]\d{0,8}",
    "duration_ms": r"\d{1,9}",
    "yyyy": r"\d{4}",
    **dict.fromkeys(_DATE[1:], r"\d\d"),
}
_TEXTS: Final[Mapping[str, str]] = {"tracks": "[a-z0-9,]+", "number": r"\d+", "any": "[^/]+?"}
# What may hold nearly anything. It takes as little as it can, so that what may be missing behind it is read.
_WIDE: Final = frozenset({"resource", "any"})
_TOKEN: Final = re.compile(r"\{(\w*)\}|([\[\]()|])|([^\[\]()|{}]+)|([{}])")
_STARTS: Final = frozenset({"from", "utc", "utc_ms", "ago", "yyyy"})
_ENDS: Final = frozenset({"to", "duration", "duration_ms"})
_LONGEST: Final = 1000


class Open(Enum):
    """What stands for the end where a URL does not say it."""

    GROWING = "growing"  # it ends now, and grows with the clock
    SHIFTED = "shifted"  # live, shifted into the past: it goes on as long as somebody watches


@dataclass(frozen=True, slots=True)
class Form:
    """One line of a layout's table: which URLs, and what they are.

    `url` is the template of a whole path, beginning with a slash, or of what stands behind a stream's name. A
    form without a kind is a piece, live or archive by its age. `lasts_ms` is for pieces whose URL does not say
    their length.

    Raises ValueError, with a sentence for the operator, where the template or the time in it makes no sense.
    """

    url: str
    role: Role
    kind: Kind | None = None
    open: Open | None = None
    lasts_ms: int | None = None
    parts: frozenset[str] = field(init=False, repr=False, compare=False)
    names: frozenset[str] = field(init=False, repr=False, compare=False)
    _path: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _query: tuple[tuple[str, re.Pattern[str]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path, mark, query = self.url.partition("?")
        if not path or len(self.url) > _LONGEST or (mark and not query):
            raise ValueError(f"a URL is a text of 1 to {_LONGEST} characters")
        seen: set[str] = set()
        pairs = [piece.partition("=") for piece in query.split("&")] if query else []
        values = tuple((name, _compile(value, seen)) for name, _, value in pairs)
        names = frozenset(name for name, _ in values)
        different = len({name.lower() for name in names}) == len(values)
        if not different or any(not re.fullmatch(r"[\w.:-]+", name, re.ASCII) for name in names):
            raise ValueError("a query's parameters have different names, of letters, digits and .:-_")
        object.__setattr__(self, "_query", values)
        object.__setattr__(self, "_path", _compile(path, seen))
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "parts", frozenset(seen))
        self._check_time()

    def _check_time(self) -> None:
        starts, ends = self.parts & _STARTS, self.parts & _ENDS
        dated = self.parts & frozenset(_DATE)
        ended = len(ends) + (self.open is not None) + (self.lasts_ms is not None)
        piece = self.role in (Role.SEGMENT, Role.IMAGE)
        timeless = self.kind in (Kind.LIVE, Kind.OBJECT)
        if dated and len(dated) < len(_DATE):
            raise ValueError("a date takes all of {yyyy} {mm} {dd} {HH} {MM} {SS}")
        if len(starts) > 1 or ended > 1 or bool(starts) != bool(ended):
            raise ValueError(
                "what has a time begins once ({from}, {utc}, {utc_ms}, {ago} or a date) and ends once ({to}, "
                "{duration}, {duration_ms}, lasts or open)"
            )
        if "ago" in starts and self.open is None:
            raise ValueError("what begins {ago} moves with the clock: its end is open")
        if timeless and starts:
            raise ValueError("live and object have no time in their URL")
        if self.kind is None and not piece:
            raise ValueError("only a segment or an image may leave its kind to its age")
        if self.open is not None and self.role not in (Role.MANIFEST, Role.STREAM):
            raise ValueError("only a manifest or a stream may be open: what goes on is a stream")
        if self.lasts_ms is not None and self.lasts_ms < 1:
            raise ValueError("what lasts, lasts at least a millisecond")

    @property
    def lengths(self) -> range:
        """How many segments its path may have."""
        longest = self.url.partition("?")[0].removeprefix("/")
        before, shortest = "", longest
        while before != shortest:
            before, shortest = shortest, re.sub(r"\[[^\[\]]*\]", "", shortest)
        return range(shortest.count("/") + 1, longest.count("/") + 2)

    def find(self, path: str, pairs: Sequence[tuple[str, str]]) -> Mapping[str, str] | None:
        """The parts by name, where the decoded `path` and its query's `pairs` are of this form.

        The query may hold other parameters, but each of the form's once, and in one spelling.
        """
        found = self._path.fullmatch(path)
        if found is None or not self._query:
            return None if found is None else found.groupdict()
        groups = found.groupdict()
        for name, pattern in self._query:
            values = [value for other, value in pairs if other.lower() == name.lower()]
            value = pattern.fullmatch(values[0]) if len(values) == 1 else None
            if value is None or (name, values[0]) not in pairs:
                return None
            groups |= value.groupdict()
        return groups

    def span_of(self, groups: Mapping[str, str]) -> Span | Moving | None:
        """The time that the parts name. None where they name none: no such date, an end before the start."""
        if not self.timed:
            return None
        if "ago" in groups:
            ago_ms = int(groups["ago"]) * 1000
            if self.open is Open.GROWING:
                return Moving(ago_ms, start_moves=True)
            # An instant is a millisecond long.
            return Moving(ago_ms, start_moves=True, lag_ms=ago_ms - 1, paced=True)
        start_ms = _start_of(groups)
        if start_ms is None or not 0 <= start_ms <= LAST_SECOND * 1000:
            return None
        if self.open is not None:
            return Moving(start_ms, paced=self.open is Open.SHIFTED)
        if "to" in groups:
            end_ms = int(groups["to"]) * 1000
        elif "duration" in groups:
            end_ms = start_ms + int(groups["duration"]) * 1000
        elif "duration_ms" in groups:
            end_ms = start_ms + int(groups["duration_ms"])
        else:
            end_ms = start_ms + (self.lasts_ms or 0)
        return Span(start_ms, end_ms) if start_ms < end_ms else None

    @property
    def timed(self) -> bool:
        """Whether its URLs say a time."""
        return bool(self.parts & _STARTS)

    def write(self, path: str, query: str | None, span: Span) -> tuple[str, str | None] | None:
        """The raw path and query of this form for `span`; None where the form cannot say it."""
        values = self._values(span)
        if values is None or (replaced := _replace(self._path, path, values)) is None:
            return None
        pieces = query.split("&") if query else []
        for name, pattern in self._query:
            at = next((at for at, piece in enumerate(pieces) if piece.partition("=")[0] == name), None)
            value = None if at is None else _replace(pattern, pieces[at].partition("=")[2], values)
            if at is None or value is None:
                return None
            pieces[at] = f"{name}={value}"
        return replaced, query if query is None else "&".join(pieces)

    def _values(self, span: Span) -> dict[str, str] | None:
        """Every part that says a time, for `span`."""
        lasts_ms = span.end_ms - span.start_ms
        if not self.timed or self.open is not None or (self.lasts_ms is not None and self.lasts_ms != lasts_ms):
            return None
        start_s, start_rest = divmod(span.start_ms, 1000)
        end_s, end_rest = divmod(span.end_ms, 1000)
        in_ms = "utc_ms" in self.parts
        whole_end = not end_rest if "to" in self.parts else not lasts_ms % 1000
        whole = (in_ms or not start_rest) and (whole_end or not self.parts & {"to", "duration"})
        if not whole or not 0 <= span.start_ms <= LAST_SECOND * 1000 or lasts_ms <= 0:
            return None
        date = datetime.fromtimestamp(start_s, UTC)
        values = {
            "from": str(start_s),
            "utc": str(start_s),
            "utc_ms": str(span.start_ms),
            "to": str(end_s),
            "duration": str(lasts_ms // 1000),
            # Beside a date, as media servers name their segments: five digits at least.
            "duration_ms": f"{lasts_ms:05d}" if "yyyy" in self.parts else str(lasts_ms),
            "yyyy": f"{date.year:04d}",
            **{part: f"{date:%{letter}}" for part, letter in zip(_DATE[1:], "mdHMS", strict=True)},
        }
        told = {part: value for part, value in values.items() if part in self.parts}
        return told if all(re.fullmatch(_PARTS[part], value) for part, value in told.items()) else None


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


def _compile(template: str, seen: set[str]) -> re.Pattern[str]:
    """The expression that reads the template; the parts that say something are added to `seen`."""
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
            pieces.append(_part(name, seen, reach, nested=inner is not None))
            reach |= _Reach.NOTHING if name in _DATE else _Reach.OPEN
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
    return re.compile("".join(pieces), re.ASCII)


def _part(name: str, seen: set[str], reach: _Reach, *, nested: bool) -> str:
    if name not in _PARTS and name not in _TEXTS:
        raise ValueError(f"there is no part {{{name}}}; there are {_listed((*_PARTS, *_TEXTS))}")
    if _Reach.OPEN in reach:
        raise ValueError(f"text, and not of digits only, stands between {{{name}}} and the part before it")
    if name in _WIDE and _Reach.WIDE in reach:
        raise ValueError(f"{_listed(sorted(_WIDE))}: a segment holds one of them, once")
    if name in _TEXTS:
        return _TEXTS[name]
    if name in seen or nested:
        raise ValueError(f"{{{name}}} stands once, and not in brackets")
    seen.add(name)
    return f"(?P<{name}>{_PARTS[name]})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _start_of(groups: Mapping[str, str]) -> int | None:
    if "utc_ms" in groups:
        return int(groups["utc_ms"])
    if "yyyy" in groups:
        year, month, day, hour, minute, second = (int(groups[part]) for part in _DATE)
        try:
            return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000
        except ValueError:
            return None
    return int(groups["from"] if "from" in groups else groups["utc"]) * 1000


def _replace(pattern: re.Pattern[str], text: str, values: Mapping[str, str]) -> str | None:
    """`text` with other values for its named parts."""
    found = pattern.fullmatch(text)
    if found is None:
        return None
    places = sorted((found.span(name), value) for name, value in values.items() if name in pattern.groupindex)
    for (start, end), value in reversed(places):
        text = text[:start] + value + text[end:]
    return text
