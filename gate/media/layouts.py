"""The URL grammars of origins: each is a table of forms, and what no form matches is unknown.

A closed grammar, because lists of forbidden patterns keep missing one: what is not in the table is refused to
every token whose time is restricted.

In Flussonic's URLs a stream's name may hold slashes, so the longest tail that a form matches wins, and where
none does the last segment alone is the tail: a token for ``a`` then never opens what lies in ``a/b``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote, unquote_plus

from gate.core.media import Facts, Kind, Layout, Role
from gate.core.target import Target
from gate.core.windows import Span
from gate.media.forms import Form, Open

_LIVE, _DVR, _COPY = Kind.LIVE, Kind.DVR, Kind.COPY
_MANIFEST, _STREAM, _SEGMENT, _IMAGE = Role.MANIFEST, Role.STREAM, Role.SEGMENT, Role.IMAGE
_GROWING, _SHIFTED = Open.GROWING, Open.SHIFTED

FLUSSONIC: Final[Sequence[Form]] = (
    # The live playlist, under every name that the vendor gives it.
    Form("[tracks-{tracks}/]index[.fmp4].(m3u8|mpd)", _MANIFEST, _LIVE),
    Form("(playlist|video|mono|mbr)[.fmp4].m3u8", _MANIFEST, _LIVE),
    Form("manifest.f4m", _MANIFEST, _LIVE),
    Form("mpegts", _STREAM, _LIVE),
    # A span of the archive, and one that grows.
    Form("[tracks-{tracks}/]index-{from}-{duration}[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR),
    Form("(archive|video|mono)-{from}-{duration}[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR),
    Form("[tracks-{tracks}/]index-{from}-now[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR, _GROWING),
    Form("(archive|video|mono)-{from}-now[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR, _GROWING),
    Form("archive/{from}/{duration}/(index[.fmp4].m3u8|manifest.f4m)", _MANIFEST, _DVR),
    Form("archive/{from}/{duration}/mpegts", _STREAM, _DVR),
    Form("archive/{from}/now/(index[.fmp4].m3u8|manifest.f4m)", _MANIFEST, _DVR, _GROWING),
    Form("archive/{from}/now/mpegts", _STREAM, _DVR, _GROWING),
    Form("rewind-{ago}[.fmp4].m3u8", _MANIFEST, _DVR, _GROWING),
    # Downloads.
    Form("archive-{from}-{duration}.(mp4|ts)", Role.DOWNLOAD, _COPY),
    # Live, shifted into the past.
    Form("[tracks-{tracks}/]timeshift_abs-{from}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("timeshift_abs_mono-{from}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("(video|mono)-timeshift_abs-{from}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("timeshift_abs-{from}.ts", _STREAM, _DVR, _SHIFTED),
    Form("timeshift_abs/{from}", _STREAM, _DVR, _SHIFTED),
    Form("[tracks-{tracks}/]timeshift_rel-{ago}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("(video|mono)-timeshift_rel-{ago}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("timeshift_rel-{ago}.ts", _STREAM, _DVR, _SHIFTED),
    Form("timeshift_rel/{ago}", _STREAM, _DVR, _SHIFTED),
    # Segments and images that name their own time: their age makes them live or archive.
    Form("[tracks-{tracks}/]{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}-{duration_ms}.(ts|m4s)", _SEGMENT),
    Form("{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}.jpg", _IMAGE, lasts_ms=1000),
    Form("{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}-preview.mp4", _IMAGE, lasts_ms=1000),
    Form("preview.jpg", _IMAGE, _LIVE),
    # Segments without a time.
    Form("[tracks-{tracks}/]hls/segment{number}.ts", _SEGMENT),
)

# What speaks of a time cannot be a part of a stream's name: whatever lies behind it is unknown, not live. It is
# read as generously as an origin might: with a sign, zeros, a fraction, an exponent, or digits of any script.
_COUNT: Final = r"\s*(?:[-+.]?\d|now)[^/]*"
_MOMENT: Final = r"(?=[^/]*\d{9})"
_TIME_IN_NAME: Final = re.compile(
    rf"(?:\A|/)(?:archive/(?:{_COUNT}/{_COUNT}|{_MOMENT}[^/]*)|timeshift_(?:abs|rel)/{_COUNT}|(?:\d+/){{4}}\d+"
    rf"|{_MOMENT}[^/]*(?:archive|index|video|mono)-[^/]*"
    rf"|[^/]*(?:timeshift_(?:abs|rel)(?:_mono)?|rewind)-{_COUNT})(?:/|\Z)",
    re.IGNORECASE,
)
# The folders of a stream's archive: a file in one of them is the stream's.
_FOLDER: Final = re.compile(
    r"/(?:archive/\d+/(?:\d+|now)|timeshift_(?:abs|rel)/\d+)(?:/tracks-[a-z0-9,]+)?\Z", re.ASCII
)

# Query parameters by which origins and portals shift a live URL into the archive. A form that does not name
# them says its time without: beside one of these it may mean another time, and is unknown.
_SHIFTS: Final = frozenset(
    {
        *("utc", "lutc", "timestamp", "time", "duration", "start", "end", "starttime", "endtime", "from", "to"),
        *("vbegin", "vend", "dvr_window_length", "time_shift", "delay", "aws.manifestsettings"),
    }
)
# An escape of a character that needs none (RFC 3986, section 2.3): the second spelling of a parameter.
_NEEDLESS: Final = re.compile(r"%(?:2[DE]|3\d|[46][1-9A-F]|[57][\dA]|5F|7E)", re.ASCII | re.IGNORECASE)


class _Table:
    """Forms, by the number of segments that they may have."""

    def __init__(self, forms: Iterable[Form]) -> None:
        forms = tuple(forms)
        self.longest = max(form.lengths.stop - 1 for form in forms)
        self._by_length = {
            count: tuple(form for form in forms if count in form.lengths)
            for count in range(1, self.longest + 1)
        }
        self._shifts = _SHIFTS.union(*({name.lower() for name in form.names} for form in forms))

    def find(self, path: str, target: Target) -> _Found | None:
        """The form of the decoded `path`, a tail of the target's or all of it.

        One whose time the query leaves as it is comes before any other.
        """
        shifted, pairs = None, target.pairs()
        for form in self._by_length.get(path.removeprefix("/").count("/") + 1, ()):
            if (groups := form.find(path, pairs)) is not None:
                if not self._shifts_time(form, target.query):
                    return _Found(form, groups)
                shifted = shifted or _Found(form, groups, shifted=True)
        return shifted

    def _shifts_time(self, form: Form, query: str | None) -> bool:
        """Whether the query may shift the form's time, or spells what says it in another way."""
        own = {name.lower() for name in form.names}
        for name, piece in _named(query):
            if name not in own and name in self._shifts:
                return True
            if name in own and _NEEDLESS.search(piece):
                return True
            own.discard(name)
        return False


def _named(query: str | None) -> Iterator[tuple[str, str]]:
    """The names that some server reads in the query, each with its raw piece of it: some part parameters at
    semicolons too, strip names, or do not mind their case."""
    for piece in query.split("&") if query else ():
        for part in piece.split(";"):
            yield unquote_plus(part.partition("=")[0]).strip().lower(), piece


@dataclass(frozen=True, slots=True)
class _Found:
    """A URL's form and parts. `shifted`: its query may shift the time that they say."""

    form: Form
    groups: Mapping[str, str]
    shifted: bool = False

    def facts(self, resource: str) -> Facts:
        """What should say a time, and does not, is of unknown kind too."""
        form = self.form
        span = form.span_of(self.groups)
        if self.shifted or (form.timed and span is None):
            return Facts(resource, form.role)
        return Facts(resource, form.role, form.kind, span)

    def write(self, path: str, query: str | None, span: Span) -> tuple[str, str | None] | None:
        """The raw path and query for another span, where the form says one."""
        return None if self.shifted else self.form.write(path, query, span)


class TailLayout:
    """A layout whose URLs are ``/{stream}/{tail}``, with the tails of a table."""

    def __init__(self, name: str, forms: Iterable[Form]) -> None:
        self.name = name
        self._table = _Table(forms)

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        segments = target.segments
        found = self._find(target)
        if found is not None:
            resource = "/".join(segments[: found[0]])
            if _TIME_IN_NAME.search(resource) is None:
                return found[1].facts(resource)
        resource = "/".join(segments[:-1]) or segments[0]
        if (folder := _FOLDER.search(resource)) is not None:
            resource = resource[: folder.start()]
        return Facts(resource, Role.OTHER)

    def write(self, target: Target, span: Span) -> Target | None:
        found = self._find(target)
        if found is None or _TIME_IN_NAME.search("/".join(target.segments[: found[0]])) is not None:
            return None
        at, raw = found[0], target.path[1:].split("/")
        written = found[1].write("/".join(raw[at:]), target.query, span)
        if written is None:
            return None
        return _target("/".join(("", *raw[:at], written[0])), written[1])

    def _find(self, target: Target) -> tuple[int, _Found] | None:
        segments = target.segments
        for at in range(max(1, len(segments) - self._table.longest), len(segments)):
            if found := self._table.find("/".join(segments[at:]), target):
                return at, found
        return None


class PathLayout:
    """A layout whose forms are whole paths, which name the resource, or else the rule's match does."""

    def __init__(self, name: str, forms: Iterable[Form]) -> None:
        self.name = name
        self._table = _Table(forms)

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        found = self._find(target)
        named = parts.get("resource") or "/".join(target.segments)
        if found is None:
            return Facts(named, Role.OTHER)
        return found.facts(found.groups.get("resource", named))

    def write(self, target: Target, span: Span) -> Target | None:
        found = self._find(target)
        written = None if found is None else found.write(target.path, target.query, span)
        return None if written is None else _target(*written)

    def _find(self, target: Target) -> _Found | None:
        return self._table.find(f"/{'/'.join(target.segments)}", target)


def _target(path: str, query: str | None) -> Target:
    """The target of a raw path that differs from a target's in numbers only."""
    return Target(path, query, tuple(unquote(segment) for segment in path[1:].split("/")))


class Timeline(Enum):
    """What the URLs of an origin are, where they do not say it."""

    LIVE = "live"  # the live edge, and nothing older
    ARCHIVE = "archive"  # recordings, of any time
    NONE = "none"  # files and VOD, on no timeline


_SUFFIX: Final = re.compile(r"\.([A-Za-z0-9]{1,8})\Z")
_ROLES: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("m3u8", "m3u", "mpd"), Role.MANIFEST),
    **dict.fromkeys(("ts", "m4s", "mp4", "m4v", "m4a", "cmfv", "cmfa", "cmft", "m2ts"), Role.SEGMENT),
    **dict.fromkeys(("aac", "ac3", "ec3", "mp3", "vtt", "webvtt", "ttml", "key"), Role.SEGMENT),
    **dict.fromkeys(("jpg", "jpeg", "png", "webp"), Role.IMAGE),
}


class HlsLayout:
    """A layout for plain HLS and DASH, whose URLs say no time: the rule tells, by its `timeline`."""

    name = "hls"

    def __init__(self, timeline: Timeline) -> None:
        self._kind = {Timeline.LIVE: _LIVE, Timeline.ARCHIVE: _DVR, Timeline.NONE: Kind.OBJECT}[timeline]

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        resource = parts.get("resource") or "/".join(target.segments)
        suffix = _SUFFIX.search(target.path)
        role = _ROLES.get(suffix[1].lower(), Role.OTHER) if suffix else Role.OTHER
        if self._kind is not Kind.OBJECT and (
            role is Role.OTHER or any(name in _SHIFTS for name, _ in _named(target.query))
        ):
            return Facts(resource, role)
        return Facts(resource, role, self._kind)

    def write(self, target: Target, span: Span) -> Target | None:
        return None


class ObjectLayout:
    """A layout for files that are on no timeline: the rule's ``{resource}`` names them, else the path."""

    name = "object"

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        resource = parts.get("resource") or "/".join(target.segments)
        suffix = _SUFFIX.search(target.path)
        manifest = suffix is not None and _ROLES.get(suffix[1].lower()) is Role.MANIFEST
        return Facts(resource, Role.MANIFEST if manifest else Role.OBJECT, Kind.OBJECT)

    def write(self, target: Target, span: Span) -> Target | None:
        return None


LAYOUTS: Final[Mapping[str, Layout]] = {
    "flussonic": TailLayout("flussonic", FLUSSONIC),
    "object": ObjectLayout(),
}
