"""Forms of URLs, written as templates that read like the tables in which origins describe them.

    index-{from}-{duration}[.fmp4].(m3u8|mpd)
    /get?path={resource}&start={from_iso}&duration={seconds}&[format=fmp4]

``{name}`` is a part, ``[text]`` may be missing, ``(a|b)`` is one of several; a query may follow behind ``?``,
of which a whole parameter may be missing too.

    {resource}                        one segment, which names the stream; in a query it may hold slashes
    {from} or {utc}, {utc_ms}         when it begins: Unix seconds, milliseconds
    {from_iso}                        the same as a date of RFC 3339, with its zone
    {start}                           the same as Unix seconds, with a fraction or none, or as such a date
    {yyyy} {mm} {dd} {HH} {MM} {SS}   the same as a date in UTC, all six; or to the minute, with {minutes}
    {ago}                             the same as seconds before now
    {to}, {to_ms}, {to_iso}, {end}    when it ends, said in the same ways
    {duration} {duration_ms}          the same, so many seconds or milliseconds later
    {seconds} {minutes}               the same, in seconds that may have a fraction, or in minutes
    {tracks} {number} {any}           text without a meaning: tracks such as 1,2 or v1a1, digits, one segment
    {path}                            one segment or more, at the front: /{path}.m3u8

A form is read with all of its text, and writes what it reads: the same URL for another span.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final
from urllib.parse import quote, unquote_plus

from gate.core.grants import Action
from gate.core.media import Kind, Role
from gate.core.windows import LAST_SECOND, Moving, Span
from gate.media.moments import DATE, ENDS, LENGTHS, NS_PER_MS, STARTS, read_date
from gate.media.templates import PARTS, compile_path, compile_value

_STARTS: Final = frozenset({*STARTS, "yyyy"})
_ENDS: Final = frozenset({*ENDS, *LENGTHS})
_LONGEST: Final = 1000
# More segments than a request target has room for.
_ENDLESS: Final = 1 << 20
# Whoever can only say the minute rounds down to it.
_MINUTE_EARLY_MS: Final = 59_000


class Open(Enum):
    """What stands for the end where a URL does not say it."""

    GROWING = "growing"  # it ends now, and grows with the clock
    SHIFTED = "shifted"  # live, shifted into the past: it goes on as long as somebody watches


_OPEN_ROLES: Final = {
    Open.GROWING: (Role.MANIFEST, Role.STREAM, Role.OTHER),
    Open.SHIFTED: (Role.MANIFEST, Role.STREAM),
}


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter of a form's query."""

    name: str
    value: re.Pattern[str]
    optional: bool


@dataclass(frozen=True, slots=True)
class Form:
    """One line of a layout's table: which URLs, and what they are.

    `url` is the template of a whole path, beginning with a slash, or of what stands behind a stream's name. A
    form without a kind is a piece, live or archive by its age. `lasts_ms` is for pieces whose URL does not say
    their length. `any_case` is for origins that do not mind the case of letters. `escaped` are the characters
    that the origin reads only where they are escaped in the form's query. `posts` is what a POST to it does.

    Raises ValueError, with a sentence for the operator, where the template or the time in it makes no sense.
    """

    url: str
    role: Role
    kind: Kind | None = None
    open: Open | None = None
    lasts_ms: int | None = None
    any_case: bool = False
    escaped: str = ""
    posts: Action | None = None
    parts: frozenset[str] = field(init=False, repr=False, compare=False)
    names: frozenset[str] = field(init=False, repr=False, compare=False)
    _path: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _query: tuple[_Parameter, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path, mark, query = self.url.partition("?")
        if not path or len(self.url) > _LONGEST or (mark and not query):
            raise ValueError(f"a URL is a text of 1 to {_LONGEST} characters")
        rest = path.removeprefix("/{path}")
        if "{path}" in query or "{path}" in rest or (rest != path and "{" in rest):
            raise ValueError("{path} stands at the front of a path, and is its only part: /{path}.m3u8")
        seen: set[str] = set()
        object.__setattr__(self, "_query", tuple(self._parameters(query, seen)))
        names = frozenset(parameter.name for parameter in self._query)
        different = len({name.lower() for name in names}) == len(self._query)
        if not different or any(not re.fullmatch(r"[\w.:-]+", name, re.ASCII) for name in names):
            raise ValueError("a query's parameters have different names, of letters, digits and .:-_")
        object.__setattr__(self, "_path", compile_path(path, seen, any_case=self.any_case))
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "parts", frozenset(seen))
        self._check_time()

    def _parameters(self, query: str, seen: set[str]) -> Iterator[_Parameter]:
        for piece in query.split("&") if query else ():
            optional = piece.startswith("[") and piece.endswith("]")
            name, _, value = (piece[1:-1] if optional else piece).partition("=")
            yield _Parameter(
                name, compile_value(value, seen, any_case=self.any_case, optional=optional), optional
            )

    def _check_time(self) -> None:
        starts, ends = self.parts & _STARTS, self.parts & _ENDS
        dated = self.parts & frozenset(DATE)
        ended = len(ends) + (self.open is not None) + (self.lasts_ms is not None)
        piece = self.role in (Role.SEGMENT, Role.IMAGE)
        timeless = self.kind in (Kind.LIVE, Kind.OBJECT)
        if dated and frozenset(DATE) - dated - ({"SS"} if "minutes" in ends else set()):
            raise ValueError("a date takes all of {yyyy} {mm} {dd} {HH} {MM} {SS}, or no {SS} beside {minutes}")
        if len(starts) > 1 or ended > 1 or bool(starts) != bool(ended):
            raise ValueError(
                "what has a time begins once ({from}, {utc}, {utc_ms}, {from_iso}, {start}, {ago} or a date) "
                "and ends once ({to}, {to_ms}, {to_iso}, {end}, {duration}, {duration_ms}, {seconds}, "
                "{minutes}, lasts or open)"
            )
        if "ago" in starts and self.open is None:
            raise ValueError("what begins {ago} moves with the clock: its end is open")
        if timeless and starts:
            raise ValueError("live and object have no time in their URL")
        if self.kind is None and not piece:
            raise ValueError("only a segment or an image may leave its kind to its age")
        if self.open is not None and self.role not in _OPEN_ROLES[self.open]:
            raise ValueError("only a manifest or a stream may be open: what goes on is a stream")
        if self.lasts_ms is not None and self.lasts_ms < 1:
            raise ValueError("what lasts, lasts at least a millisecond")

    @property
    def path(self) -> str:
        """The template of its path."""
        return self.url.partition("?")[0]

    @property
    def lengths(self) -> range:
        """How many segments its path may have."""
        longest = self.path.removeprefix("/")
        before, shortest = "", longest
        while before != shortest:
            before, shortest = shortest, re.sub(r"\[[^\[\]]*\]", "", shortest)
        endless = longest.startswith("{path}")
        return range(shortest.count("/") + 1, _ENDLESS if endless else longest.count("/") + 2)

    @property
    def endless(self) -> bool:
        """Whether its path may have any number of segments."""
        return self.lengths.stop == _ENDLESS

    @property
    def timed(self) -> bool:
        """Whether its URLs say a time."""
        return bool(self.parts & _STARTS)

    @property
    def early_ms(self) -> int:
        """How much earlier than it is meant its URL may begin: what says the minute only is rounded down.

        A download is cut to the second: it is nobody's to round.
        """
        minute = "yyyy" in self.parts and "SS" not in self.parts
        return _MINUTE_EARLY_MS if minute and self.kind is Kind.DVR else 0

    def reads(self, path: str) -> bool:
        """Whether the decoded `path` is of this form, whatever the query says."""
        return self._path.fullmatch(path) is not None

    def find(self, path: str, pairs: Sequence[tuple[str, str]]) -> Mapping[str, str] | None:
        """The parts by name, where the decoded `path` and its query's `pairs` are of this form.

        The query may hold other parameters, but each of the form's once, and in one spelling.
        """
        found = self._path.fullmatch(path)
        if found is None:
            return None
        groups = found.groupdict()
        for own in self._query:
            said = [pair for pair in pairs if pair[0].lower() == own.name.lower()]
            if own.optional and not said:
                continue
            if len(said) != 1 or not self._is(own, said[0][0]):
                return None
            value = own.value.fullmatch(said[0][1])
            if value is None:
                return None
            groups |= value.groupdict()
        return groups

    def _is(self, own: _Parameter, name: str) -> bool:
        return name == own.name or (self.any_case and name.lower() == own.name.lower())

    def span_of(self, groups: Mapping[str, str]) -> Span | Moving | None:
        """The time that the parts name. None where they name none: no such date, an end before the start.

        What is said more finely than in milliseconds is rounded outwards.
        """
        start_ns = _start_of(groups)
        if start_ns is None or not 0 <= start_ns <= LAST_SECOND * 1000 * NS_PER_MS:
            return None
        start_ms = start_ns // NS_PER_MS
        if "ago" in groups:
            if self.open is Open.GROWING:
                return Moving(start_ms, start_moves=True)
            # An instant is a millisecond long.
            return Moving(start_ms, start_moves=True, lag_ms=start_ms - 1, paced=True)
        if self.open is not None:
            return Moving(start_ms, paced=self.open is Open.SHIFTED)
        end_ns = self._end_of(groups, start_ns)
        if end_ns is None or end_ns <= start_ns:
            return None
        return Span(start_ms, -(-end_ns // NS_PER_MS))

    def _end_of(self, groups: Mapping[str, str], start_ns: int) -> int | None:
        for part in self.parts & _ENDS:
            if part in ENDS:
                return ENDS[part].read(groups[part])
            lasts_ns = LENGTHS[part].read(groups[part])
            return None if lasts_ns is None else start_ns + lasts_ns
        return start_ns + (self.lasts_ms or 0) * NS_PER_MS

    def write(self, path: str, query: str | None, span: Span) -> tuple[str, str | None] | None:
        """The raw path and query of this form for `span`; None where the form cannot say it.

        Nothing but the time changes, and a value that says it keeps its own escapes.
        """
        found = self._path.fullmatch(path)
        if found is None or not self.timed or self.open is not None:
            return None
        pieces = query.split("&") if query else []
        places: list[tuple[int, re.Match[str]]] = []
        for own in self._query:
            at = next((at for at, raw in enumerate(pieces) if self._is(own, raw.partition("=")[0])), None)
            value = None if at is None else own.value.fullmatch(unquote_plus(pieces[at].partition("=")[2]))
            if at is not None and value is not None:
                places.append((at, value))
            elif at is not None or not own.optional:
                return None
        texts = found.groupdict()
        for _, value in places:
            texts |= value.groupdict()
        values = self._values(texts, span)
        if values is None:
            return None
        for at, value in places:
            name, _, raw = pieces[at].partition("=")
            if (text := _replace(value, values)) != value.string:
                pieces[at] = f"{name}={_escape(text, raw)}"
        return _replace(found, values), query if query is None else "&".join(pieces)

    def _values(self, texts: Mapping[str, str], span: Span) -> dict[str, str] | None:
        """Every part that says a time, for `span`, in the notation of `texts`; None where it cannot be said."""
        if not 0 <= span.start_ms <= LAST_SECOND * 1000 or span.end_ms <= span.start_ms:
            return None
        date = datetime.fromtimestamp(span.start_ms // 1000, UTC)
        dated = zip(DATE, (f"{date.year:04d}", *f"{date:%m %d %H %M %S}".split()), strict=True)
        values = {part: text for part, text in dated if part in self.parts}
        for part in self.parts & _STARTS & STARTS.keys():
            values[part] = STARTS[part].write(span.start_ms, texts[part])
        for part in self.parts & ENDS.keys():
            values[part] = ENDS[part].write(span.end_ms, texts[part])
        for part in self.parts & LENGTHS.keys():
            values[part] = LENGTHS[part].write(span.end_ms - span.start_ms, texts[part])
        if "duration_ms" in values and "yyyy" in values:
            # Beside a date, as media servers name their segments: five digits at least.
            values["duration_ms"] = values["duration_ms"].zfill(5)
        spelled = all(re.fullmatch(PARTS[part], text, re.ASCII) for part, text in values.items())
        return values if spelled and self.span_of({**texts, **values}) == span else None


def _start_of(groups: Mapping[str, str]) -> int | None:
    """When it begins, in nanoseconds; `ago` in nanoseconds before now."""
    if "yyyy" in groups:
        at_s = read_date([int(groups.get(part, "0")) for part in DATE])
        return None if at_s is None else at_s * 1000 * NS_PER_MS
    return next((STARTS[part].read(text) for part, text in groups.items() if part in STARTS), None)


def _replace(found: re.Match[str], values: Mapping[str, str]) -> str:
    """The text that was found, with other values for its named parts."""
    text = found.string
    places = sorted((found.span(name), value) for name, value in values.items() if name in found.re.groupindex)
    for (start, end), value in reversed(places):
        text = text[:start] + value + text[end:]
    return text


def _escape(text: str, raw: str) -> str:
    """A query's value, in which nothing stands as it is that was escaped in the `raw` one before."""
    return quote(text, safe="".join(set(raw) - set("%+;&#")))
