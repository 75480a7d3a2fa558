"""The URL grammars of origins: each is a table of forms, tried in order, and what no form matches is unknown.

A form is a regular expression over the decoded path below the stream (its *tail*) and what a URL of that
form is. A closed grammar, because lists of forbidden patterns keep missing one: what is not in the table is
refused to every token whose time is restricted.

A stream's name may hold slashes, so the longest tail that a form matches wins, and where none does the last
segment alone is the tail: a token for ``a`` then never opens what lies in ``a/b``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gate.core.media import Facts, Kind, Layout, Role
from gate.core.target import Target
from gate.core.windows import Span

_MANIFEST: Final = re.compile(r"\.(?:m3u8|m3u|mpd)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """One line of a layout's table. `span` reads the named groups; None from it means no such date."""

    tail: re.Pattern[str]
    role: Role
    kind: Kind | None
    span: Callable[[Mapping[str, str]], Span | None] | None = None


def _form(
    tail: str, role: Role, kind: Kind | None, span: Callable[[Mapping[str, str]], Span | None] | None = None
) -> Form:
    return Form(re.compile(tail, re.ASCII), role, kind, span)


def _dated(default_ms: int | None) -> Callable[[Mapping[str, str]], Span | None]:
    """A reader of ``YYYY/MM/DD/HH/MM/SS`` in UTC, lasting the group ``ms`` or else `default_ms`."""

    def read(groups: Mapping[str, str]) -> Span | None:
        year, month, day = int(groups["y"]), int(groups["mo"]), int(groups["d"])
        try:
            at = datetime(year, month, day, int(groups["h"]), int(groups["mi"]), int(groups["s"]), tzinfo=UTC)
        except ValueError:
            return None
        start_ms = int(at.timestamp()) * 1000
        lasts_ms = int(groups["ms"]) if default_ms is None else default_ms
        return Span(start_ms, start_ms + lasts_ms) if start_ms >= 0 and lasts_ms > 0 else None

    return read


_DATE: Final = r"(?P<y>\d{4})/(?P<mo>\d\d)/(?P<d>\d\d)/(?P<h>\d\d)/(?P<mi>\d\d)/(?P<s>\d\d)"
_TRACKS: Final = r"(?:tracks-[a-z0-9,]+/)?"

FLUSSONIC: Final[Sequence[Form]] = (
    # The live playlist, under every name that the vendor gives it.
    _form(rf"{_TRACKS}index(?:\.fmp4)?\.(?:m3u8|mpd)", Role.MANIFEST, Kind.LIVE),
    _form(r"(?:playlist|video|mono|mbr)(?:\.fmp4)?\.m3u8", Role.MANIFEST, Kind.LIVE),
    _form(r"manifest\.f4m", Role.MANIFEST, Kind.LIVE),
    _form(r"mpegts", Role.STREAM, Kind.LIVE),
    # Segments and images that name their own time: their age makes them live or archive.
    _form(rf"{_TRACKS}{_DATE}-(?P<ms>\d{{1,7}})\.(?:ts|m4s)", Role.SEGMENT, None, _dated(None)),
    _form(rf"{_DATE}\.jpg", Role.IMAGE, None, _dated(1000)),
    _form(rf"{_DATE}-preview\.mp4", Role.IMAGE, None, _dated(1000)),
    _form(r"preview\.jpg", Role.IMAGE, Kind.LIVE),
    # Segments without a time.
    _form(rf"{_TRACKS}hls/segment\d+\.ts", Role.SEGMENT, None),
    # The archive as a directory, which would else be read as part of a stream's name, and what lies in it as
    # that stream's live edge. Its time is not read.
    _form(rf"archive/\d+/(?:\d+|now)/{_TRACKS}[^/]*", Role.OTHER, None),
    _form(rf"timeshift_(?:abs|rel)/\d+(?:/{_TRACKS}[^/]*)?", Role.OTHER, None),
)


# Query parameters by which origins and portals shift a live URL into the archive. A form of the table says
# its time in its path: beside one of these it may mean another time, and is unknown.
_SHIFTS: Final = frozenset(
    {
        *("utc", "lutc", "timestamp", "time", "duration", "start", "end", "starttime", "endtime", "from", "to"),
        *("vbegin", "vend", "dvr_window_length", "time_shift", "delay", "aws.manifestsettings"),
    }
)


class TableLayout:
    """A layout whose URLs are ``/{stream}/{tail}`` with the tails of a table."""

    def __init__(self, name: str, forms: Sequence[Form]) -> None:
        self.name = name
        self._forms = forms
        # No tail has more segments than its pattern has slashes, and one: so a path of thousands of segments
        # costs no more than a short one.
        self._longest = 1 + max(form.tail.pattern.count("/") for form in forms)

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        segments = target.segments
        for at in range(max(1, len(segments) - self._longest), len(segments)):
            tail = "/".join(segments[at:])
            for form in self._forms:
                if found := form.tail.fullmatch(tail):
                    resource = "/".join(segments[:at])
                    if target.query and any(name.lower() in _SHIFTS for name, _ in target.pairs()):
                        return Facts(resource, form.role)
                    span = form.span(found.groupdict()) if form.span else None
                    return Facts(resource, form.role, form.kind, span)
        return Facts("/".join(segments[:-1]) or segments[0], Role.OTHER)


class ObjectLayout:
    """A layout for files that are on no timeline: the rule's ``{resource}`` names them, else the path."""

    name = "object"

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        resource = parts.get("resource") or "/".join(target.segments)
        role = Role.MANIFEST if _MANIFEST.search(target.path) else Role.OBJECT
        return Facts(resource, role, Kind.OBJECT)


LAYOUTS: Final[Mapping[str, Layout]] = {
    "flussonic": TableLayout("flussonic", FLUSSONIC),
    "object": ObjectLayout(),
}
