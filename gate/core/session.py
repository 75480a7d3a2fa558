"""Sessions: what opens one, who holds it, and when it ends.

A session is one opening of a page or a player with a token. It is carried by a session link afterwards,
which can be copied and opened any number of times and is still one session.

Life and count
    *Opened*     The first use of a token on a manifest or an object opens a session and answers with its
                 link. An opening costs nothing: link previews, scanners, lost redirects and retried
                 playlists open sessions too, and must not use a token up. It is provisional for 30 s, in
                 which the same client gets the same session again.
    *Committed*  The first byte of media under the link commits the session, in one atomic step in the
                 store, and only now it counts. A limit of N admits exactly the first N sessions that
                 commit; a link that comes too late is refused at its first segment, however early it was
                 opened. So the places go to those who watch, and a preview that opened a link in between
                 takes nothing from the viewer that it was meant for. A single-use token is a limit of one.
    *Over*       A session ends when its token does, when its ``usage_expiration_time`` (counted from its
                 opening) is over, or when it is revoked. Responses that run then are cut.

Counting only grows: a committed session has used a place of its token for good. A session that never
commits has used none, and needs nothing given back.

Identity
    A session id is shard, time and randomness: the shard is its owner's, so that an id names the keys of
    everything that is counted with it, and the smallest of two ids is the older one.

Resumed
    Players ask at the token URL again. A seek in a file (a Range that begins behind its start) resumes the
    client's live session of that path, and so does a player that announces its playback session, whatever
    the path. Asked for again from the start, as the native HLS of browsers does at every refresh, or as
    readers of DASH refresh a manifest, it is resumed while the playback has traffic and for ten minutes after
    it was asked for last: a player that is paused asks nothing. Later it is a new use.

    In a page session (`gate.core.visit`) it is not the client that tells: the session is the one of the token
    in that page, however often its URL is copied and whoever opens it. Its usage time runs from its first
    opening, and once it is over it stays over.

Playbacks
    A playback is a client key within a session, and its lease is its place among the live ones: it lapses
    unless traffic renews it. `max_concurrent` counts leases, under the token's owner. So another stream under
    the same link is no second playback (zapping), and where the place is taken by a silent playback of the
    same session, a new client takes it over (roaming, AirPlay). Over the limit the application decides: the
    new playback is refused, or the oldest or the idlest one loses its place. A playback that was evicted may
    come back to a free place only and evicts nobody: two devices do not throw each other out for ever.

Client key
    Who is watching, as far as a gate can know: the playback session that the player itself announces
    (Apple's ``X-Playback-Session-Id``, or CMCD's ``sid``, CTA-5004), else the address's network and the
    User-Agent. Players change addresses within their network, and several of them may stand behind one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from zlib import crc32

from gate.core.credentials import Headers
from gate.core.media import OPENING, Facts, Role
from gate.core.target import Target
from gate.core.token import digest

SHARDS: Final = 64
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
# Without a first position it is the end that is asked for (RFC 9110, section 14.1.1).
_FROM_START: Final = re.compile(r"bytes=0+-\d*")
_CMCD_SID: Final = re.compile(r'(?:^|,)\s*sid="([^"\\]{1,64})"')
_PROBES: Final = frozenset({"bytes=0-0", "bytes=0-1"})
_ID: Final = re.compile(r"[0-9a-f]{2}[0-9a-z]{22}")


def shard_of(owner: str) -> int:
    """Where everything that belongs to `owner` is kept: 0 to 63."""
    return crc32(owner.encode()) % SHARDS


def session_id(owner: str, now_ms: int, entropy: bytes) -> str:
    """A new session id: 24 characters, sorted by time within a shard. `entropy` is 8 random bytes."""
    if len(entropy) != 8:
        raise ValueError("a session id takes 8 random bytes")
    return f"{shard_of(owner):02x}{_base32(now_ms, 9)}{_base32(int.from_bytes(entropy), 13)}"


def shard_of_session(session: str) -> int:
    """The shard that a session id names. Raises ValueError for what is not a session id."""
    if _ID.fullmatch(session) is None or (shard := int(session[:2], 16)) >= SHARDS:
        raise ValueError("not a session id")
    return shard


def opened_ms(session: str) -> int:
    """When a session id was made, in Unix milliseconds. Raises ValueError for what is not a session id."""
    shard_of_session(session)
    at_ms = 0
    for digit in session[2:11]:
        at_ms = at_ms * 32 + _DIGITS.index(digit)
    return at_ms


def client_key(target: Target, headers: Headers, address: str, *, whole: bool = False) -> str:
    """Who is watching: 22 characters, the same for all requests of one player.

    `whole`: the same for all players of one device, whatever they announce.
    """
    if not whole and (announced := _announced(target, headers)) is not None:
        return digest("client", *announced)
    agents = headers.getall("user-agent", ())
    return digest("client", network_of(address), agents[0] if agents else "")


def page_key(client: str, target: Target) -> str:
    """A client key for one path only."""
    return digest("page", client, target.path)


def network_of(address: str) -> str:
    """The network that counts as one place: /24 of IPv4, /64 of IPv6; the text itself where it is neither."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return (parsed.packed[:8] + bytes(8)).hex()
        parsed = parsed.ipv4_mapped
    return parsed.packed[:3].hex()


class Resume(Enum):
    """Which live session of the client's a use of a token may be: decided by how players behave."""

    NEVER = "never"
    PATH = "path"  # the one of this very path
    ACTIVE = "active"  # the one of this very path, if it plays or was asked for lately
    CLIENT = "client"  # any
    ONLY = "only"  # any, and without one the request is refused
    VISIT = "visit"  # the one of the token in this page session, which opens once


def resumes(target: Target, headers: Headers, facts: Facts) -> Resume:
    """Which of the client's sessions a use of a token that opens one may resume instead."""
    if _announced(target, headers) is not None:
        return Resume.CLIENT
    ranges = headers.getall("range", ())
    if ranges and facts.role is not Role.MANIFEST and _FROM_START.fullmatch(ranges[0]) is None:
        return Resume.PATH
    return Resume.ACTIVE if ranges or target.path.endswith(".mpd") else Resume.NEVER


def opens(method: str, headers: Headers, facts: Facts) -> bool:
    """Whether this use of a token opens a session: it does, unless it shows the viewer nothing."""
    return facts.role in OPENING and not peeks(method, headers, facts)


def peeks(method: str, headers: Headers, facts: Facts) -> bool:
    """Whether the request shows the viewer nothing: HEAD, OPTIONS, or a probe of a file.

    An endless stream has no ranges: its origin answers a probe with all of it.
    """
    return method != "GET" or (facts.role is not Role.STREAM and probes(headers))


def probes(headers: Headers) -> bool:
    """Whether the request asks for the first one or two bytes only, as players do to learn about a file.

    Exactly so: an origin ignores a Range field that it cannot read, that is there twice, whose If-Range does
    not hold or that ``Connection`` took away, and then answers with the whole file, uncounted.
    """
    ranges = headers.getall("range", ())
    return (
        len(ranges) == 1
        and ranges[0] in _PROBES
        and not headers.getall("if-range", ())
        and not any("range" in value.lower() for value in headers.getall("connection", ()))
    )


@dataclass(frozen=True, slots=True)
class Known:
    """A session that the store has committed for this client, as the worker that asked remembers it.

    `ends_at` is in Unix seconds of the worker's clock, None for never. `token` is the token that renewed it
    last, if any.
    """

    session: str
    ends_at: float | None
    token: str | None = None


def _announced(target: Target, headers: Headers) -> tuple[str, str] | None:
    """The playback session that the player itself announces."""
    playback = headers.getall("x-playback-session-id", ())
    if playback and playback[0]:
        return "playback", playback[0][:128]
    sid = _cmcd_sid(target, headers)
    return None if sid is None else ("cmcd", sid)


def _cmcd_sid(target: Target, headers: Headers) -> str | None:
    texts = list(headers.getall("cmcd-session", ()))
    if target.query and "CMCD=" in target.query:
        texts += [value for name, value in target.pairs() if name == "CMCD"]
    for text in texts:
        if found := _CMCD_SID.search(text):
            return found[1]
    return None


def _base32(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
