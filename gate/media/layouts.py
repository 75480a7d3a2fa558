"""The URL grammars of origins: each is a table of forms, and what no form matches is unknown.

A closed grammar, because lists of forbidden patterns keep missing one: what is not in the table is refused to
every token whose time is restricted.

A path belongs to the first template in the table that reads it, whatever its query says: which of the forms
of that path it is, the query tells. Where a stream's name may hold slashes, as in Flussonic's URLs, the longest
tail that a form matches wins, and where none does the last segment alone is the tail: a token for ``a`` then
never opens what lies in ``a/b``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote, unquote_plus

from gate.core.grants import Action
from gate.core.media import Facts, Kind, Layout, Role
from gate.core.target import Target
from gate.core.windows import Span
from gate.media.flussonic import FLUSSONIC, FOLDER, SHIFT, TIME_IN_NAME
from gate.media.forms import Form
from gate.media.vendors import (
    AIPIX,
    AKAMAI,
    AKAMAI_SHIFTS,
    MEDIAMTX,
    MEDIAPACKAGE,
    MEDIAPACKAGE_FOLDERS,
    SWIFT,
    UNIFIED,
    UNIFIED_SHIFTS,
    XTREAM,
    ZIGGEO,
)

# Query parameters by which origins and portals shift a live URL into the archive. A form that does not name
# them says its time without: beside one of these it may mean another time, and is unknown.
_SHIFTS: Final = frozenset(
    {
        *("utc", "lutc", "timestamp", "time", "duration", "start", "end", "starttime", "endtime", "from", "to"),
        *("vbegin", "vend", "dvr_window_length", "time_shift", "delay", "aws.manifestsettings"),
    }
)
_PARTING: Final = re.compile("[&;]")
_NAME_END: Final = re.compile(r"[=\[]")
# An escape of a character that needs none (RFC 3986, section 2.3): the second spelling of a parameter.
_NEEDLESS: Final = re.compile(r"%(?:2[DE]|3\d|[46][1-9A-F]|[57][\dA]|5F|7E)", re.ASCII | re.IGNORECASE)


class _Table:
    """Forms, by the number of segments that they may have.

    `shifts` are more parameters by which this origin may shift the time.
    """

    def __init__(self, forms: Iterable[Form], shifts: frozenset[str] = frozenset()) -> None:
        forms = tuple(forms)
        self.longest = max((form.lengths.stop - 1 for form in forms if not form.endless), default=0)
        self._by_length = {
            count: tuple(form for form in forms if count in form.lengths)
            for count in range(1, self.longest + 1)
        }
        self._endless = tuple(form for form in forms if form.endless)
        self._own = shifts.union(*({name.lower() for name in form.names} for form in forms))

    def find(self, path: str, target: Target) -> _Found | None:
        """The form of the decoded `path`, a tail of the target's or all of it.

        One whose time the query leaves as it is comes before any other.
        """
        forms = self._by_length.get(path.removeprefix("/").count("/") + 1, self._endless)
        template = next((form.path for form in forms if form.reads(path)), None)
        if template is None:
            return None
        shifted, pairs, named = None, target.pairs(), tuple(_named(target.query))
        for form in forms:
            if form.path == template and (groups := form.find(path, pairs)) is not None:
                if not self._shifts_time(form, named):
                    return _Found(form, groups)
                shifted = shifted or _Found(form, groups, shifted=True)
        return shifted

    def _shifts_time(self, form: Form, named: Iterable[tuple[str, str]]) -> bool:
        """Whether what the query names may shift the form's time, or spells what says it in another way."""
        left = {name.lower() for name in form.names}
        # What is on no timeline has no time to shift; what names another form still does.
        on_timeline = form.kind is not Kind.OBJECT and form.role is not Role.OBJECT
        shifts = self._own | _SHIFTS if on_timeline else self._own
        for name, piece in named:
            if name in left:
                left.discard(name)
                if _NEEDLESS.search(piece) or set(piece.partition("=")[2]) & {";", *form.escaped}:
                    return True
            elif name in shifts:
                return True
        return False


def _named(query: str | None) -> Iterator[tuple[str, str]]:
    """The names that some server reads in the query, each with its raw piece of it: some part parameters at
    semicolons too, strip names, do not mind their case, take ``utc[]`` for ``utc``, or decode twice, or before
    they look for what parts them."""
    for piece in query.split("&") if query else ():
        for part in _PARTING.split(unquote(unquote_plus(piece))):
            yield _NAME_END.split(part, maxsplit=1)[0].strip().lower(), piece


@dataclass(frozen=True, slots=True)
class _Found:
    """A URL's form and parts. `shifted`: its query may shift the time that they say."""

    form: Form
    groups: Mapping[str, str]
    shifted: bool = False

    def facts(self, resource: str) -> Facts:
        """What should say a time, and does not, is of unknown kind too."""
        form = self.form
        span = form.span_of(self.groups) if form.timed else None
        if self.shifted or (form.timed and span is None):
            return Facts(resource, form.role)
        return Facts(resource, form.role, form.kind, span, form.early_ms, posts=form.posts)

    def write(self, path: str, query: str | None, span: Span) -> tuple[str, str | None] | None:
        """The raw path and query for another span, where the form says one."""
        if self.shifted or self.form.span_of(self.groups) is None:
            return None
        return self.form.write(path, query, span)


class TailLayout:
    """A layout whose URLs are ``/{stream}/{tail}``, with the tails of a table, or whole paths of it.

    `timed_names` finds what speaks of a time and cannot be a part of a stream's name, `folders` the end of a
    path that is a folder of its stream's.
    """

    def __init__(
        self,
        name: str,
        forms: Iterable[Form],
        *,
        timed_names: re.Pattern[str] | None = None,
        folders: re.Pattern[str] | None = None,
    ) -> None:
        forms = tuple(forms)
        self.name = name
        self._whole = PathLayout(name, (form for form in forms if form.url.startswith("/")))
        self._table = _Table(form for form in forms if not form.url.startswith("/"))
        self._timed_names = timed_names
        self._folders = folders

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        if self._whole.knows(target):
            return self._whole.read(target, parts)
        segments = target.segments
        found = self._find(target)
        if found is not None:
            return found[1].facts("/".join(segments[: found[0]]))
        resource = "/".join(segments[:-1]) or segments[0]
        if self._folders is not None and (folder := self._folders.search(resource)) is not None:
            resource = resource[: folder.start()]
        return Facts(resource, Role.OTHER)

    def write(self, target: Target, span: Span) -> Target | None:
        if self._whole.knows(target):
            return self._whole.write(target, span)
        found = self._find(target)
        if found is None:
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
                timed = self._timed_names is not None and self._timed_names.search("/".join(segments[:at]))
                return None if timed else (at, found)
        return None


class PathLayout:
    """A layout whose forms are whole paths, which name the resource, or else the rule's match does.

    `shifts` are parameters by which the origin may shift the time, beside those that any may. `timed_names`
    finds what speaks of a time in a path, and makes it unknown. `posts` is what a POST does to a path that no
    form knows.
    """

    def __init__(
        self,
        name: str,
        forms: Iterable[Form],
        *,
        shifts: frozenset[str] = frozenset(),
        timed_names: re.Pattern[str] | None = None,
        posts: Action | None = None,
    ) -> None:
        forms = tuple(forms)
        self.name = name
        self._table = _Table(forms, shifts)
        self._timed_names = timed_names
        self._posts = posts

    def knows(self, target: Target) -> bool:
        """Whether a form of the table reads it."""
        return self._find(target) is not None

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        found = self._find(target)
        named = parts.get("resource") or "/".join(target.segments)
        if found is None:
            return Facts(named, Role.OTHER, posts=self._posts)
        return found.facts(found.groups.get("resource", named))

    def write(self, target: Target, span: Span) -> Target | None:
        found = self._find(target)
        written = None if found is None else found.write(target.path, target.query, span)
        return None if written is None else _target(*written)

    def _find(self, target: Target) -> _Found | None:
        path = "/".join(target.segments)
        if self._timed_names is not None and self._timed_names.search(path):
            return None
        return self._table.find(f"/{path}", target)


def _target(path: str, query: str | None) -> Target:
    """The target of a raw path that differs from a target's in its time only."""
    return Target(path, query, tuple(unquote(segment) for segment in path[1:].split("/")))


class Timeline(Enum):
    """What the manifests of an origin are, where their URLs do not say it."""

    LIVE = "live"  # they end at the live edge
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
    """A layout for plain HLS and DASH, whose URLs say no time: their manifests do, and what they hand out.

    The rule may tell more by its `timeline`: that manifests are live, or of an archive, or that nothing is on
    a timeline.
    """

    name = "hls"

    def __init__(self, timeline: Timeline | None = None) -> None:
        kinds = {Timeline.LIVE: Kind.LIVE, Timeline.ARCHIVE: Kind.DVR, Timeline.NONE: Kind.OBJECT}
        self._kind = None if timeline is None else kinds[timeline]

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


_BY_THE_RULE: Final = (
    PathLayout("mediapackage", MEDIAPACKAGE, timed_names=MEDIAPACKAGE_FOLDERS),
    PathLayout("akamai", AKAMAI, shifts=AKAMAI_SHIFTS),
    PathLayout("swift", SWIFT),
    PathLayout("unified", UNIFIED, shifts=UNIFIED_SHIFTS),
)
LAYOUTS: Final[Mapping[str, Layout]] = {
    "flussonic": TailLayout("flussonic", FLUSSONIC, timed_names=TIME_IN_NAME, folders=FOLDER),
    "shift": TailLayout("shift", SHIFT, timed_names=TIME_IN_NAME, folders=FOLDER),
    "aipix": PathLayout("aipix", AIPIX),
    "mediamtx": TailLayout("mediamtx", MEDIAMTX),
    **{layout.name: layout for layout in _BY_THE_RULE},
    "xtream": PathLayout("xtream", XTREAM),
    # Whatever else is posted to a video changes it: what may create may not do that.
    "ziggeo": PathLayout("ziggeo", ZIGGEO, posts=Action.UPDATE),
    "object": ObjectLayout(),
}
# Those whose URLs do not name their resource: the stream rule's match does.
NAMED_BY_RULE: Final = frozenset({HlsLayout.name, *(layout.name for layout in _BY_THE_RULE)})
# Those whose URLs name it in the middle: a stream has no folder of its own there.
NAMED_ELSEWHERE: Final = frozenset({"xtream", "ziggeo", "room"})
