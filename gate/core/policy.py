"""The policy as the decision uses it: compiled values only, immutable, swapped as a whole on a reload."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Final, Protocol

from gate.core.credentials import DEFAULT_SOURCES, Carrier, Sources
from gate.core.grants import Action
from gate.core.keys import Keyring
from gate.core.media import Layout
from gate.core.published import KeySource
from gate.core.room import DEFAULT_ROOM_RULES, RoomRules
from gate.core.target import Target
from gate.core.token import Bound, Format, Rights

Network = IPv4Network | IPv6Network
# Of a token whose format cannot say them: playback, but no downloads.
USUAL_RIGHTS: Final = Rights(live=True, dvr=True)
_PART: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Access(Enum):
    """Who may watch a stream (aipix's words): everybody, token holders, listed addresses, nobody."""

    PUBLIC = "public"
    PRIVATE = "private"
    PROTECTED = "protected"
    NONE = "none"


class OnLimit(Enum):
    """Whom `max_concurrent` turns away: the new playback, the oldest, or the one that was idle longest."""

    REJECT = "reject"
    EVICT_OLDEST = "evict_oldest"
    EVICT_IDLE = "evict_idle"


class SessionEnd(Enum):
    """What ends a session: its token's end and its usage time, or its usage time alone."""

    TOKEN = "token"
    USAGE = "usage"


class Foreign(Enum):
    """What becomes of a manifest's URIs on other hosts than its origin's."""

    LEAVE = "leave"
    REFUSE = "refuse"
    ADOPT = "adopt"  # those of the policy's other origins are brought under the gate, any other is refused


# What each method does to its resource. PUT creates or updates, as the token grants it.
METHODS: Final[Mapping[str, Action]] = MappingProxyType(
    {
        "GET": Action.READ,
        "HEAD": Action.READ,
        "OPTIONS": Action.READ,
        "PUT": Action.CREATE,
        "POST": Action.CREATE,
        "PATCH": Action.UPDATE,
        "DELETE": Action.DESTROY,
    }
)

# The methods that read. They are safe (RFC 9110, section 9.2.1), and none of the others is.
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


# Where an application of Ziggeo's has its API for server-side tokens.
AUTHTOKENS: Final = "/v1/authtokens/"
# Where applications of VideoSDK's have theirs.
ROOM_PATHS: Final = ("/v2/rooms/", "/v2/sessions/")
# Where the JSON-RPC API is.
RPC_PATH: Final = "/api/"


@dataclass(frozen=True, slots=True)
class Ziggeo:
    """What an application has at Ziggeo, and its SDKs are given: a public token and two secrets.

    `private_key` is the password of its API, `key` the AES key that its encryption key makes
    (`gate.formats.ziggeo`). A volatile server-side token that grants nothing is kept for `volatile_grace_s`.
    """

    application_token: str
    private_key: str = field(repr=False)
    key: bytes = field(repr=False)
    volatile_grace_s: float = 60.0

    @property
    def visit_parameter(self) -> str:
        """The query parameter that carries a page session, as Ziggeo's players name it."""
        return f"i07af2jp98rvoctt26y5egy3{self.application_token}"

    def has(self, target: Target) -> bool:
        """Whether a path of Ziggeo's API is this application's. Resources are named within one."""
        front = target.segments[:2]
        return front != ("v1", "applications") or target.segments[2:3] == (self.application_token,)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key of VideoSDK's: its tokens name it by `id`, and are signed with its secret."""

    id: str
    secret: bytes = field(repr=False)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class VideoSdk:
    """What makes an application one of VideoSDK's.

    `keys` are those of the policy by their ids and, while a gate runs, those that were made at runtime.
    `endless_s` is how long after its ``iat`` a token lives that has no ``exp``; None: it is refused.
    `single_use`: a token with a ``jti`` opens one session. `sealing` are the keys that secrets are sealed with
    in the store: the first one seals, all of them open, and without any no key is made at runtime.
    """

    keys: Mapping[str, ApiKey]
    rooms: RoomRules = DEFAULT_ROOM_RULES
    endless_s: int | None = None
    single_use: bool = False
    sealing: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Application:
    """A tenant: its keys, what it accepts, and how much its tokens may give.

    `keyring` holds its own keys and, while a gate runs, those that its `key_sources` publish.
    `issuers` and `audiences` empty: any. `max_session_limit`, `max_concurrent` and `max_usage_s` hold a token
    that gives more, or names no limit (`gate.core.terms`); `max_ttl_s` refuses it. `rights` are those of a
    token whose format cannot say them. An action that is not in `auth_required_for` needs no token.
    """

    name: str
    keyring: Keyring
    formats: frozenset[Format] = frozenset({Format.JWT})
    sources: Sources = DEFAULT_SOURCES
    max_ttl_s: float | None = None
    unlimited_ttl: bool = False
    leeway_s: float = 60.0
    on_limit: OnLimit = OnLimit.REJECT
    session_end: SessionEnd = SessionEnd.TOKEN
    max_usage_s: int | None = None
    max_session_limit: int | None = None
    max_concurrent: int | None = None
    issuers: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    required_claims: tuple[str, ...] = ()
    require_bind: frozenset[Bound] = frozenset()
    key_sources: tuple[KeySource, ...] = ()
    rights: Rights = USUAL_RIGHTS
    auth_required_for: frozenset[Action] = frozenset(Action)
    ziggeo: Ziggeo | None = None
    videosdk: VideoSdk | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where permitted requests go. `url` is scheme, authority and an optional base path, no trailing slash."""

    name: str
    url: str
    connect_timeout_s: float = 5.0
    response_timeout_s: float = 30.0


class Pattern:
    """The path pattern of a stream rule.

    Segments are literal text, ``*`` (one segment), ``{name}`` (one segment, kept) or, as the last one,
    ``**`` (one or more segments). Literals are compared whole with the decoded segments of a target; so what
    no decoded segment can be (an escape, a dot segment, a query) is refused: such a rule would never match,
    and what it was meant to close would be left to the rules below it.
    """

    def __init__(self, text: str) -> None:
        """Raises ValueError, with a sentence for the operator, when `text` is not a pattern."""
        if not text.startswith("/"):
            raise ValueError("a pattern begins with a slash")
        self.text = text
        *front, last = text[1:].split("/")
        self._open = last == "**"
        self._pieces: list[tuple[str | None, str | None]] = []
        for piece in front if self._open else [*front, last]:
            if named := _PART.fullmatch(piece):
                self._pieces.append((None, named[1]))
            elif piece == "*":
                self._pieces.append((None, None))
            elif not piece or set(piece) & set("*{}"):
                raise ValueError("a segment of a pattern is text, `*`, `{name}` or, at the end, `**`")
            elif piece in {".", ".."} or set(piece) & set("%?#\\"):
                raise ValueError("a pattern is a decoded path: no dot segment, `%`, `?`, `#` or backslash")
            else:
                self._pieces.append((piece, None))
        if len(set(self.names)) < len(self.names):
            raise ValueError("a pattern names each part once")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, name in self._pieces if name)

    @property
    def first(self) -> str | None:
        """The literal first segment, or None where the first segment may be anything."""
        return self._pieces[0][0] if self._pieces else None

    @property
    def last(self) -> str | None:
        """The name of the last segment, or None where that has none or anything may follow."""
        return None if self._open or not self._pieces else self._pieces[-1][1]

    def literal(self, at: int) -> bool:
        """Whether the segment at `at` is literal text."""
        return at < len(self._pieces) and self._pieces[at][0] is not None

    def meets(self, front: tuple[str, ...]) -> bool:
        """Whether it matches anything at `front` or below."""
        if len(self._pieces) < len(front) and not self._open:
            return False
        return all(
            literal in {None, segment} for (literal, _), segment in zip(self._pieces, front, strict=False)
        )

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The named parts, or None where the segments do not match."""
        pieces = self._pieces
        if len(segments) < len(pieces) + self._open or (len(segments) > len(pieces) and not self._open):
            return None
        parts: dict[str, str] = {}
        for (literal, name), segment in zip(pieces, segments, strict=False):
            if literal is not None:
                if literal != segment:
                    return None
            elif not segment:
                return None
            elif name:
                parts[name] = segment
        return parts


@dataclass(frozen=True, slots=True)
class StreamRule:
    """One entry of ``streams``. `name` is how the operator finds it again, such as ``streams[1]``.

    `strict_windows`: a segment must lie within a window, instead of overlapping one. `clips_overrun`: of what
    overruns a window the part within is served, where there is one and its URL can say it. `foreign`: URIs of
    its manifests that lead elsewhere. `links_files`: a token's URL of a file is answered with a session link,
    as that of a manifest is. `created_field`
    names the field of the origin's JSON answer to POST that holds a new object's id; without it the answer's
    Location does. `networks`: who may watch where access is protected, and who needs no token where it is
    private.
    """

    name: str
    pattern: Pattern
    access: Access
    origin: Origin
    layout: Layout
    application: Application | None = None
    live_edge_s: float = 60.0
    strict_windows: bool = False
    clips_overrun: bool = False
    foreign: Foreign = Foreign.LEAVE
    links_files: bool = True
    networks: tuple[Network, ...] = ()
    methods: Mapping[str, Action] = field(default_factory=lambda: METHODS)
    created_field: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError where a method writes that must read, or reads that would not be counted."""
        if any((method in READING) != (action is Action.READ) for method, action in self.methods.items()):
            raise ValueError("GET, HEAD and OPTIONS read, and nothing else does")


@dataclass(frozen=True, slots=True)
class SessionRules:
    """`prefix` is what session links begin with, with both slashes."""

    prefix: str = "/_s/"
    carrier: Carrier = Carrier.PATH
    idle_s: float = 60.0
    provisional_s: float = 30.0
    outage_grace_s: float = 120.0
    outage_admits: bool = False
    ticket_rotation_s: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Cors:
    """What browsers of other sites may do. `origins` empty: nobody; ``*`` among them: everybody.

    `credentials`: those that are named may have cookies sent along.
    """

    origins: frozenset[str] = frozenset({"*"})
    max_age_s: int = 86400
    credentials: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost, in bytes and seconds."""

    target: int = 16384
    header_field: int = 16384
    headers: int = 100
    header_timeout_s: float = 10.0
    keepalive_s: float = 75.0
    connections: int = 10_000
    stall_timeout_s: float = 60.0
    upload: int = 8 * 2**30
    manifest: int = 8 * 2**20
    tokens_cached: int = 20_000


class ForwardedHeader(Enum):
    """By which header proxies tell whom they were asked by; the other one is not read."""

    X_FORWARDED_FOR = "X-Forwarded-For"
    FORWARDED = "Forwarded"


@dataclass(frozen=True, slots=True)
class Proxies:
    """Whose word about a client is taken: that of the `networks`, and of whoever comes over a Unix socket."""

    networks: tuple[Network, ...] = ()
    unix: bool = False
    header: ForwardedHeader = ForwardedHeader.X_FORWARDED_FOR


@dataclass(frozen=True, slots=True)
class RpcRules:
    """What the RPC gives to whom. `application` is the name of the one whose access tokens it makes.

    `tokens` are the SHA-256 digests of the policy's API tokens. `public`: it is on the public listener too.
    `require_stream`: access tokens are for added streams only. `whitelist_admits`: whoever is listed by an
    added stream of access private needs no token. `public_url` is what viewers' URLs begin with.
    """

    application: str
    tokens: frozenset[bytes] = field(default=frozenset(), repr=False)
    public: bool = False
    enveloped: bool = False
    require_stream: bool = False
    whitelist_admits: bool = False
    public_url: str | None = None


class Added(Protocol):
    """The rules of streams that were added at runtime (`gate.core.added`)."""

    def find(self, segments: tuple[str, ...]) -> StreamRule | None:
        """The rule of the only stream that these segments can have, or None."""
        ...

    def yields(self, segments: tuple[str, ...], rule: StreamRule) -> bool:
        """Whether the stream that is found gives way to a rule of the file that matches too."""
        ...

    def under(self, applications: Mapping[str, Application]) -> Added:
        """The same with other applications."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that a request is decided by.

    `layouts` are those that an added stream may have, by name; `added` are the rules of such streams.
    """

    rules: tuple[StreamRule, ...]
    applications: Mapping[str, Application]
    sessions: SessionRules = SessionRules()
    cors: Cors = Cors()
    limits: Limits = Limits()
    proxies: Proxies = Proxies()
    version: str = ""
    rpc: RpcRules | None = None
    layouts: Mapping[str, Layout] = field(default_factory=dict, repr=False, compare=False)
    added: Added | None = field(default=None, repr=False, compare=False)
    _index: Mapping[str | None, tuple[StreamRule, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _index_by_first(self.rules))

    def match(self, target: Target) -> tuple[StreamRule, dict[str, str]] | None:
        """The rule of the target, with its named parts: the first of the file that matches.

        An added stream comes before rules for streams at large, and after all others (`gate.core.added`).
        """
        segments, first = target.segments, None
        found = None if self.added is None else self.added.find(segments)
        for rule in self._index.get(segments[0], self._index[None]):
            parts = rule.pattern.match(segments)
            if parts is not None:
                first = first or (rule, parts)
                if found is None or self.added is None or self.added.yields(segments, rule):
                    return first
        if found is None:
            return None
        return found, found.pattern.match(segments) or {}

    def with_keyring(self, name: str, keyring: Keyring) -> Policy:
        """The same policy with another keyring for the application `name`, which it must have."""
        return self._with_application(name, replace(self.applications[name], keyring=keyring))

    def with_api_keys(self, name: str, keys: Mapping[str, ApiKey]) -> Policy:
        """The same policy with these API keys for the application `name`, which must be one of VideoSDK's."""
        before = self.applications[name]
        if before.videosdk is None:
            raise ValueError(f"the application {name} has no API keys")
        return self._with_application(name, replace(before, videosdk=replace(before.videosdk, keys=keys)))

    def _with_application(self, name: str, after: Application) -> Policy:
        before = self.applications[name]
        rules = tuple(
            replace(rule, application=after) if rule.application is before else rule for rule in self.rules
        )
        applications = {**self.applications, name: after}
        added = None if self.added is None else self.added.under(applications)
        return replace(self, rules=rules, applications=applications, added=added)

    def with_added(self, added: Added | None) -> Policy:
        """The same policy with these added streams and no others. Its rules are not indexed anew."""
        policy = copy(self)
        object.__setattr__(policy, "added", added)
        return policy


def _index_by_first(rules: Iterable[StreamRule]) -> dict[str | None, tuple[StreamRule, ...]]:
    """For each literal first segment the rules that can match it, in order; under None all without one."""
    rules = tuple(rules)
    firsts = {rule.pattern.first for rule in rules} | {None}
    return {first: tuple(rule for rule in rules if rule.pattern.first in {first, None}) for first in firsts}
