"""Steering manifests under a session link (RFC 8216bis, section 7; ETSI TS 103 998 for DASH).

It is JSON, fetched again and again during playback. A URI in it that leads to the origin is brought under the
link, as a playlist's are:

- RELOAD-URI, from where the next one is fetched;
- PER-VARIANT-URIS and PER-RENDITION-URIS of a pathway's clone. They get the gate's own address in front, since
  players take them without a base.

The HOST of a clone is put in the place of the host in its base pathway's URIs, and their paths stay. Those URIs
are under the link already, and lead to the gate; the origin's host in them would lead a viewer out of the
session, and the ticket to a server that should never see it. So a HOST that is the origin's or the gate's goes:
the clone keeps the hosts of its base. A foreign HOST is the operator's wish and stays, and so do PARAMS, which
are added to queries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from gate.media.hls.marks import is_touched

_BOM: Final = "\ufeff"
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]')
# What a client's URL parser drops from a host, and what ends one (WHATWG URL, section 4.4).
_DROPPED: Final = re.compile(r"[\t\r\n]|^[\x00-\x20]+|[\x00-\x20]+$")
_HOST: Final = re.compile(r"(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?([^/\\?#]*)")
_COMMA: Final = re.compile(r"\s*,\s*")
# No number of a steering manifest is longer; what is may be any.
_LONGEST_INTEGER: Final = 19

_SAYS: Final = frozenset({"RELOAD-URI", "TTL"})
_RELOAD: Final = ("RELOAD-URI",)
# None stands for a place in an array.
_REPLACEMENT: Final = ("PATHWAY-CLONES", None, "URI-REPLACEMENT")
_HOST_PATH: Final = (*_REPLACEMENT, "HOST")
_CLONED: Final = frozenset({(*_REPLACEMENT, "PER-VARIANT-URIS"), (*_REPLACEMENT, "PER-RENDITION-URIS")})

Rebase = Callable[[bytes], bytes]


class _Member(NamedTuple):
    """A string in an object: the names that lead to it, what it says, and where it begins and ends.

    Its member begins at `name`, and with the comma in front of it, if there is one, at `comma`.
    """

    path: tuple[str | None, ...]
    said: str
    begin: int
    end: int
    name: int
    comma: int


def steered(body: bytes, rebase: Rebase, base: bytes = b"", reload: Rebase | None = None) -> bytes | None:
    """The steering manifest with its URIs under the session link; every other byte stays as it is.

    None where the body is no steering manifest. `rebase` maps a URI as it stands to the URI to be handed out.
    `base` is the gate's own ``scheme://host[:port]`` as the viewer names it. `reload` maps what leads to the
    next steering manifest, which is vouched for as this one was; else `rebase` does.
    """
    try:
        text = body.decode()
        said = json.loads(text.removeprefix(_BOM), parse_int=_integer, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not _is_manifest(said):
        return None
    pieces: list[str] = []
    done = 0
    for begin, end, put in _edits(text, rebase, base, reload or rebase):
        pieces += [text[done:begin], put]
        done = max(done, end)
    return "".join([*pieces, text[done:]]).encode() if pieces else body


def _edits(text: str, rebase: Rebase, base: bytes, reload: Rebase) -> list[tuple[int, int, str]]:
    """What is put in the place of what, in order."""
    edits: list[tuple[int, int, str]] = []
    for member in _strings(text):
        if member.path == _HOST_PATH:
            if _is_own(member.said, rebase):
                edits.append((*_whole(text, member), ""))
        elif member.path == _RELOAD or member.path[:-1] in _CLONED:
            again = member.path == _RELOAD
            handed = _handed(member.said, reload if again else rebase, b"" if again else base)
            if handed != member.said:
                edits.append((member.begin, member.end, json.dumps(handed)))
    return edits


def _handed(uri: str, rebase: Rebase, base: bytes) -> str:
    try:
        raw = uri.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no URI has
        return uri
    if not is_touched(raw):
        return uri
    handed = rebase(raw)
    if handed == raw:
        return uri
    return (base + handed if handed.startswith(b"/") else handed).decode()


def _is_own(host: str, rebase: Rebase) -> bool:
    """Whether a URI at that host would be brought under the link."""
    found = _HOST.match(_DROPPED.sub("", host))
    probe = f"//{found[1] if found else ''}/"
    return probe != "///" and _handed(probe, rebase, b"") != probe


def _whole(text: str, member: _Member) -> tuple[int, int]:
    """Where the member begins and ends with one of the commas around it."""
    after = _COMMA.match(text, member.end)
    return (member.comma, member.end) if after is None else (member.name, after.end())


def _strings(text: str) -> list[_Member]:
    """All strings that are members of objects, in a text that is JSON."""
    found: list[_Member] = []
    # For each container that is open, the name of the member that it is at.
    names: list[str | None] = []
    naming = False
    name = comma = before = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "{[":
            names.append(None if mark == "[" else "")
            naming, before = mark == "{", -1
        elif mark in "]}":
            names.pop()
            naming = False
        elif mark == ",":
            naming, before = names[-1] is not None, token.start()
        elif mark == ":":
            naming = False
        elif naming:
            names[-1] = json.loads(mark)
            name = token.start()
            comma = name if before < 0 else before
        elif names[-1] is not None:
            found.append(_Member(tuple(names), json.loads(mark), *token.span(), name, comma))
    return found


def _is_manifest(said: object) -> bool:
    if not isinstance(said, dict) or type(said.get("VERSION")) is not int:
        return False
    return isinstance(said.get("PATHWAY-PRIORITY"), list) or not said.keys().isdisjoint(_SAYS)


def _integer(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_INTEGER else float(text)


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is not JSON")
