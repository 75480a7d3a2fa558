"""The key layout: every name that the gate gives in the store.

64 fixed shards, `{00}` to `{63}`, each a hash tag, so that all that one script touches lies on one node of a
cluster. An owner (application + subject, or application + token where there is no subject) is always in the
same shard, and with it its tokens, sessions and leases:

    gate:{n}:s:<session>          hash    a session: facts for listing; opened, ends (ms), committed;
                                          of each client: since|, resource| and facts|<client>
    gate:{n}:i                    zset    all sessions of the shard -> when each is forgotten (ms)
    gate:{n}:t:<token>            set     the sessions that a limited token has committed; it only grows
    gate:{n}:g:<token>            string  the token's warrant, where it is too long for a ticket
    gate:{n}:r:<token>:<client>   string  the session that this client last opened or committed,
                                          and the committed one before it while that lives;
                                          <client> may be its key for one path (core.session.page_key)
    gate:{n}:l:<owner>            zset    the owner's leases: <session>|<client> -> when it lapses (ms)
    gate:{n}:l                    zset    all leases of the shard, likewise
    gate:{n}:x:<owner>            zset    the owner's evicted playbacks (a free place only)
    gate:{n}:v:<session>          string  when the usage time of a page session's session is over (ms),
                                          while the page session is accepted

A server-side token lies where what it has counted does: its shard is that of the digest which names any token,
made of application and name. So it is found by its name alone, and one script sees it and its index:

    gate:{n}:k:<token>            hash    a server-side token: its arguments as JSON, each under =<name>; id,
                                          made, changed (ms), ends (ms, 0 never), volatile, empty (whether it
                                          grants nothing), names
    gate:{n}:q:<request>          string  what a request did to a token, for a repetition of it
    gate:{n}:n:<object>           zset    the shard's volatile tokens that name an object -> when each is
                                          forgotten (ms; inf: never)

An object's shard is its own, because anybody may ask whose it is:

    gate:{n}:o:<object>           string  whose it is; <object> is a digest of application and resource

and what every gate holds or follows, under one tag of its own, so that a change and the news of it are one:

    gate:{control}:revoked        zset    an entry (core.revocation) -> when it may be forgotten (s; inf: never)
    gate:{control}:feed           stream  what has changed, for every gate to follow
    gate:{control}:ticket_keys    hash    key id -> key, for gates whose policy names none
    gate:{control}:streams        hash    uid -> an added stream, as JSON (core.stream)
    gate:{control}:generation     string  how often added streams have changed
    gate:{control}:api_keys       hash    id -> an API key, as JSON, its secret sealed (core.sealed_secret):
                                          application, secret, enabled, made_ms, changed_ms
    gate:{control}:q:<request>    string  what a request did to one of these or a room, for a repetition of it
    gate:{control}:probe          string  nothing: a gate has asked whether anything can be written

Rooms lie there too, so that each change and the news of it are one; <app> is their application's name. A room
is kept for good; a meeting's log and its places in the indices go 90 days after its end:

    gate:{control}:room:<app>:<room>       hash  a room's header: custom_id, made_ms, changed_ms, sequence,
                                                 meeting, closed_ms, disabled, allowed, settings, v; request
    gate:{control}:people:<app>:<room>     hash  participant -> who they are in the room, as JSON
    gate:{control}:rooms:<app>             zset  the application's rooms -> when each was made (ms)
    gate:{control}:custom:<app>            hash  custom id -> room
    gate:{control}:log:<app>:<meeting>     list  what has happened in a meeting, as JSON: what, when (ms),
                                                 participant and name; of its beginning room and custom id
    gate:{control}:ongoing:<app>[:<room>]  zset  the meetings that go on -> when each began (ms)
    gate:{control}:past:<app>[:<room>]     zset  those that have ended -> when (ms)
    gate:{control}:seats                   zset  application, room and participant, in lines, of all who are in
                                                 or wait -> when their lease lapses (ms; and a half: claimed by
                                                 a gate until then)
    gate:{control}:dues                    zset  likewise of all who wait, or were told no -> when their time
                                                 to wait, or the pause, is over

Everything in a shard has a TTL that outlasts what it guards, except for what has no end itself: the set of a
limited token without end; a server-side token without end, unless it is volatile and empty, and the index of
what it names; and the usage of a session whose page session is accepted for ever.
"""

from __future__ import annotations

from typing import Final

from gate.core.session import shard_of
from gate.core.token import digest

PREFIX: Final = "gate"
REVOKED: Final = f"{PREFIX}:{{control}}:revoked"
FEED: Final = f"{PREFIX}:{{control}}:feed"
TICKET_KEYS: Final = f"{PREFIX}:{{control}}:ticket_keys"
STREAMS: Final = f"{PREFIX}:{{control}}:streams"
GENERATION: Final = f"{PREFIX}:{{control}}:generation"
API_KEYS: Final = f"{PREFIX}:{{control}}:api_keys"
SEATS: Final = f"{PREFIX}:{{control}}:seats"
DUES: Final = f"{PREFIX}:{{control}}:dues"
PROBE: Final = f"{PREFIX}:{{control}}:probe"


def control_request(wish: str) -> str:
    """The name of what a request did beside what every gate holds."""
    return f"{PREFIX}:{{control}}:q:{wish}"


class RoomKeys:
    """The names of the keys of an application's rooms. Its name has no ":" in it."""

    __slots__ = ("_application",)

    def __init__(self, application: str) -> None:
        self._application = application

    def _name(self, kind: str, *rest: str) -> str:
        return ":".join((PREFIX, "{control}", kind, self._application, *rest))

    def header(self, room: str) -> str:
        return self._name("room", room)

    def people(self, room: str) -> str:
        return self._name("people", room)

    @property
    def rooms(self) -> str:
        return self._name("rooms")

    @property
    def custom(self) -> str:
        return self._name("custom")

    def log(self, meeting: str) -> str:
        return self._name("log", meeting)

    def ongoing(self, *room: str) -> str:
        return self._name("ongoing", *room)

    def past(self, *room: str) -> str:
        return self._name("past", *room)


def seats_prefix(application: str, room: str) -> str:
    """What the names of the room's seats begin with."""
    return f"{application}\n{room}\n"


def shard_prefix(shard: int) -> str:
    """What every key of a shard begins with."""
    return f"{PREFIX}:{{{shard:02d}}}:"


def all_leases(shard: int) -> str:
    """The leases of a shard."""
    return f"{shard_prefix(shard)}l"


def all_sessions(shard: int) -> str:
    """The sessions of a shard."""
    return f"{shard_prefix(shard)}i"


def session_prefix(shard: int) -> str:
    """What the key of a session begins with."""
    return f"{shard_prefix(shard)}s:"


class ShardKeys:
    """The names of an owner's keys."""

    __slots__ = ("_owner", "_shard", "prefix")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._shard = shard_of(owner)
        self.prefix = shard_prefix(self._shard)

    @property
    def sessions(self) -> str:
        """What the key of a session begins with."""
        return session_prefix(self._shard)

    def session(self, session: str) -> str:
        return f"{self.prefix}s:{session}"

    def committed(self, token: str) -> str:
        return f"{self.prefix}t:{token}"

    def warrant(self, token: str) -> str:
        return f"{self.prefix}g:{token}"

    def resume(self, token: str, client: str) -> str:
        return f"{self.prefix}r:{token}:{client}"

    def visit(self, session: str) -> str:
        return f"{self.prefix}v:{session}"

    def authtoken(self, token: str) -> str:
        return f"{self.prefix}k:{token}"

    def request(self, request: str) -> str:
        return f"{self.prefix}q:{request}"

    @property
    def evicted(self) -> str:
        return f"{self.prefix}x:{self._owner}"

    @property
    def leases(self) -> str:
        return f"{self.prefix}l:{self._owner}"

    @property
    def all_leases(self) -> str:
        return all_leases(self._shard)

    @property
    def all_sessions(self) -> str:
        return all_sessions(self._shard)


def object_name(application: str, resource: str) -> str:
    """What an object is called in the store."""
    return digest("object", application, resource)


def owned(application: str, resource: str) -> str:
    """The name of what tells whose an object is."""
    name = object_name(application, resource)
    return f"{shard_prefix(shard_of(name))}o:{name}"


def naming(shard: int, name: str) -> str:
    """The name of the index of a shard's volatile tokens that name an object, itself called `name`."""
    return f"{shard_prefix(shard)}n:{name}"


def lease(session: str, client: str) -> str:
    """The name of a playback in the lease sets."""
    return f"{session}|{client}"
