"""Which requests are for the API for rooms, and what each of them is for.

    /v2/rooms[/...]  /v2/sessions[/...]                 by a token
    <session prefix><ticket>/v2/rooms/...               by the link of a session that has joined

The live streams of a room, its ``events`` and its ``socket``, are another API's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gate.core.policy import Policy
from gate.core.reasons import Deny
from gate.core.target import Target, parse_target

_ROOTS: Final = ("/v2/rooms", "/v2/sessions")
_LIVE: Final = frozenset({"events", "socket"})
# JavaScript's encodeURIComponent escapes what a path may hold as it is, and ids hold it. The strict grammar
# knows one spelling of each: this one. It is decided here and forwarded to nobody, and none of them delimits.
_NEEDLESS: Final = re.compile(r"%(?:24|26|2[Bb]|2[Cc]|3[Aa]|3[Bb]|3[Dd]|40)")


class Operation(Enum):
    """What somebody may want here."""

    CREATE_ROOM = "create room"
    LIST_ROOMS = "list rooms"
    GET_ROOM = "get room"
    DEACTIVATE_ROOM = "deactivate room"
    LIST_SESSIONS = "list sessions"
    GET_SESSION = "get session"
    LIST_PEOPLE = "list a session's participants"
    LIST_ACTIVE = "list a session's active participants"
    GET_PERSON = "get a session's participant"
    REMOVE_PERSON = "remove a participant"
    END_SESSION = "end a session"
    JOIN = "join"
    LEAVE = "leave"
    SHOW_PEOPLE = "show who is in"
    COMMAND = "command"


# Those of participants; all others are an application's server's.
PARTICIPANTS: Final = frozenset({Operation.JOIN, Operation.LEAVE, Operation.SHOW_PEOPLE, Operation.COMMAND})
# Those that only who moderates may do, where the token is not a server's own.
MODERATING: Final = frozenset({Operation.DEACTIVATE_ROOM, Operation.REMOVE_PERSON, Operation.END_SESSION})

# The first of a request's method that its path matches; ``*`` is any name.
_TABLE: Final = tuple(
    (method, tuple(path.split("/")), operation)
    for method, path, operation in (
        ("POST", "rooms", Operation.CREATE_ROOM),
        ("GET", "rooms", Operation.LIST_ROOMS),
        ("POST", "rooms/deactivate", Operation.DEACTIVATE_ROOM),
        ("GET", "rooms/validate/*", Operation.GET_ROOM),
        ("GET", "rooms/*", Operation.GET_ROOM),
        ("GET", "rooms/*/participants", Operation.SHOW_PEOPLE),
        ("POST", "rooms/*/join", Operation.JOIN),
        ("POST", "rooms/*/requestEntry", Operation.JOIN),
        ("POST", "rooms/*/leave", Operation.LEAVE),
        ("POST", "rooms/*/*", Operation.COMMAND),
        ("GET", "sessions", Operation.LIST_SESSIONS),
        ("POST", "sessions/end", Operation.END_SESSION),
        ("POST", "sessions/participants/remove", Operation.REMOVE_PERSON),
        ("GET", "sessions/*", Operation.GET_SESSION),
        ("GET", "sessions/*/participants", Operation.LIST_PEOPLE),
        ("GET", "sessions/*/participants/active", Operation.LIST_ACTIVE),
        ("GET", "sessions/*/participants/*", Operation.GET_PERSON),
    )
)


@dataclass(frozen=True, slots=True)
class Route:
    """What a request is for. `names` are what its path names, `link` the text of the session link above it.

    `operation` is None where the path is none of the API's, or where its methods are others: `allowed`.
    """

    method: str
    target: Target | Deny
    link: str | None = None
    operation: Operation | None = None
    names: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


def find_route(method: str, raw_target: str, policy: Policy) -> Route | None:
    """What the request is for; None where it is not for this API."""
    if "/v2/" not in raw_target:
        return None
    prefix = policy.sessions.prefix
    path, mark, query = raw_target.partition("?")
    begin = path.find("/", len(prefix)) if path.startswith(prefix) else 0
    if begin < 0 or not path.startswith(_ROOTS, begin):
        return None
    if path[begin:].split("/", 3)[2] not in ("rooms", "sessions"):
        return None
    if not any(application.videosdk is not None for application in policy.applications.values()):
        return None
    path = _NEEDLESS.sub(lambda escape: chr(int(escape[0][1:], 16)), path)
    target = parse_target(path + mark + query, policy.limits.target)
    if isinstance(target, Deny):
        return Route(method, target)
    above = prefix.count("/") if begin else 0
    segments = target.segments[above + 1 :]
    if segments[0] == "rooms" and len(segments) == 3 and segments[2] in _LIVE:
        return None
    link = target.segments[above - 1] if begin else None
    matching = [(verb, pattern, what) for verb, pattern, what in _TABLE if _matches(pattern, segments)]
    for verb, pattern, what in matching:
        if verb == method:
            names = tuple(name for name, part in zip(segments, pattern, strict=True) if part == "*")
            return Route(method, target, link, what, names)
    return Route(method, target, link, allowed=tuple(sorted({verb for verb, _, _ in matching})))


def _matches(pattern: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    return len(pattern) == len(segments) and all(
        part in ("*", segment) and segment for part, segment in zip(pattern, segments, strict=True)
    )
