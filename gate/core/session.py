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

Client key
    Who is watching, as far as a gate can know: the playback session that the player itself announces
    (Apple's ``X-Playback-Session-Id``, or CMCD's ``sid``, CTA-5004), else the address's network and the
    User-Agent. Players change addresses within their network, and several of them may stand behind one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from zlib import crc32

from gate.core.credentials import Headers
from gate.core.media import OPENING, Facts, Role
from gate.core.target import Target
from gate.core.token import Token, digest

SHARDS: Final = 64
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
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


def client_key(target: Target, headers: Headers, address: str) -> str:
    """Who is watching: 22 characters, the same for all requests of one player."""
    announced = headers.getall("x-playback-session-id", ())
    if announced and announced[0]:
        return digest("client", "playback", announced[0][:128])
    if sid := _cmcd_sid(target, headers):
        return digest("client", "cmcd", sid)
    agents = headers.getall("user-agent", ())
    return digest("client", network_of(address), agents[0] if agents else "")


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


def ends_at(token: Token, opened_at: float) -> float | None:
    """When a session that was opened at `opened_at` ends, Unix seconds; None for never."""
    ends = [float(token.expires_at)] if token.expires_at is not None else []
    if token.usage_s is not None:
        ends.append(opened_at + token.usage_s)
    return min(ends, default=None)


@dataclass(frozen=True, slots=True)
class Known:
    """A session that the store has committed for this client, as the worker that asked remembers it.

    `ends_at` is in Unix seconds of the worker's clock, None for never.
    """

    session: str
    ends_at: float | None


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
