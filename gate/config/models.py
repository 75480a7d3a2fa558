"""The policy file's models: the only home of its keys, their defaults and what is said about them.

The JSON Schema that editors use is generated from here, and so is the commented reference.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from gate.config.base import Count, Model, Name
from gate.config.values import (
    Duration,
    HttpUrl,
    KeysUrl,
    Listen,
    Network,
    Proxy,
    Secret,
    Size,
    TcpAddress,
)
from gate.config.vendors import VideoSdk, Ziggeo
from gate.core.credentials import Carrier
from gate.core.grants import Action
from gate.core.keys import Algorithm
from gate.core.media import Kind, Role
from gate.core.policy import METHODS, READING, Access, Foreign, ForwardedHeader, OnLimit, Pattern, SessionEnd
from gate.core.token import Bound, Format
from gate.media import forms
from gate.media.forms import Open
from gate.media.layouts import Timeline

FilePath = Annotated[str, Field(min_length=1)]
Claim = Annotated[str, Field(min_length=1, max_length=128)]
Party = Annotated[str, Field(min_length=1, max_length=512)]
Method = Annotated[str, Field(pattern=r"^(GET|HEAD|OPTIONS|PUT|POST|PATCH|DELETE)$")]


class Key(Model):
    """A key that an application signs its tokens with: a secret, a key file, or a file with a set of keys."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": [form], "properties": {form: {"type": "string"}}}
                for form in ("secret", "file", "jwks_file")
            ]
        }
    )

    kid: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None,
        description="The key's id: what a token's header names as kid. A secret needs one; a key file's is the "
        "one in its JWK, else its thumbprint (RFC 7638); the keys of a set have their own.",
    )
    algorithm: Algorithm | None = Field(
        default=None,
        description="The one algorithm of this key; a token's header cannot choose. Without it HS256 for a "
        "secret, what its JWK says (alg) for a key file, else RS256, ES256 or EdDSA by its kind. Of a set only "
        "the keys of this algorithm.",
    )
    secret: Secret | None = Field(
        default=None,
        description="The shared secret: at least 32 bytes for HS256, 48 for HS384, 64 for HS512.",
    )
    file: FilePath | None = Field(
        default=None,
        description="A key file, relative to this file: a public key as PEM, or one JWK. A private key does as "
        "well, and gate token then signs with it.",
    )
    jwks_file: FilePath | None = Field(
        default=None, description="A JWK set, relative to this file: its signature keys, each by its own kid."
    )


class Jwks(Model):
    """A URL where an issuer publishes its keys, as a JWK set."""

    url: KeysUrl = Field(
        description="Where: https, or http to this very machine. An identity provider names it in its metadata "
        "as jwks_uri. A redirect is not followed."
    )
    algorithm: Algorithm | None = Field(
        default=None,
        description="Only keys of this algorithm. Without it each key's own (alg), else RS256, ES256 or EdDSA "
        "by its kind.",
    )
    refresh: Duration = Field(
        default=600.0,
        description="How often it is fetched: a key that its issuer takes out stops working within this time.",
    )
    cooldown: Duration = Field(
        default=30.0,
        description="How long after a fetch no token of an unknown key causes another. A new key should be "
        "published for longer than this before it signs.",
    )

    @field_validator("algorithm")
    @classmethod
    def _is_public(cls, value: Algorithm | None) -> Algorithm | None:
        if value is not None and value.symmetric:
            raise ValueError(f"{value.value} needs a secret, and what is published is none")
        return value

    @field_validator("refresh", "cooldown")
    @classmethod
    def _is_some_time(cls, value: float) -> float:
        if value < 1:
            raise ValueError("expected at least 1s")
        return value


class Sources(Model):
    """Where requests may carry their token."""

    query: tuple[Name, ...] | None = Field(
        default=None,
        description="Query parameters. Without it token for the native format; client_auth, server_auth, "
        "auth_client_auth and auth_server_auth for Ziggeo's; token and secret for VideoSDK's.",
    )
    headers: tuple[Name, ...] = Field(
        default=("Authorization",), description="Header fields; Authorization is read with or without Bearer."
    )
    cookies: tuple[Name, ...] = Field(default=(), description="Cookies.")


class Application(Model):
    """A tenant: its keys, and what its tokens may be."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "anyOf": [
                        {"required": ["keys"], "properties": {"keys": {"type": "array", "minItems": 1}}},
                        {"required": ["jwks"], "properties": {"jwks": {"type": "array", "minItems": 1}}},
                        {"required": ["ziggeo"]},
                        {"required": ["videosdk"]},
                    ]
                }
            ]
        }
    )

    keys: tuple[Key, ...] = Field(
        default=(), description="The keys that verify this application's tokens. None are needed beside jwks."
    )
    jwks: tuple[Jwks, ...] = Field(
        default=(),
        description="Where issuers publish more of them. Of one kid the keys above count first, then the first "
        "of these.",
    )
    formats: tuple[Format, ...] = Field(
        default=(Format.JWT,), min_length=1, description="Accepted token formats."
    )
    sources: Sources = Field(default=Sources(), description="Where requests may carry their token.")
    rights: tuple[Literal["live", "dvr", "copy"], ...] = Field(
        default=("live", "dvr"),
        description="What tokens may watch whose format cannot say it, Ziggeo's and VideoSDK's: live, dvr, and "
        "copy for downloads.",
    )
    auth_required_for: tuple[Action, ...] = Field(
        default=tuple(Action),
        description="The actions that need a token at all: read, create, update, destroy. Everybody may do "
        "what is not named.",
    )
    ziggeo: Ziggeo | None = Field(
        default=None, description="What makes this an application of Ziggeo's; the format ziggeo needs it."
    )
    videosdk: VideoSdk | None = Field(
        default=None, description="What makes this an application of VideoSDK's; the format videosdk needs it."
    )
    max_ttl: Duration | None = Field(
        default=None, description="The longest life of a token, from its iat (or from now) to its end."
    )
    unlimited_ttl: bool = Field(
        default=False, description="Whether a token without an end is accepted. Avoid: it can only be revoked."
    )
    issuers: tuple[Party, ...] = Field(
        default=(), description="Accepted issuers (iss). Empty: any, and none. Name the identity provider here."
    )
    audiences: tuple[Party, ...] = Field(
        default=(),
        description="Who we are (aud): a token that is not meant for one of these is refused. Empty: not "
        "asked. Name one as soon as the issuer serves others too.",
    )
    required_claims: tuple[Claim, ...] = Field(
        default=(), description="Claims that a token must have, such as sub or jti."
    )
    require_bind: tuple[Bound, ...] = Field(
        default=(), description="What a token must be bound to by its bind claim: ip, user_agent, origin."
    )
    max_session_limit: Count | None = Field(
        default=None,
        description="The most sessions that a token opens; one with a larger limit, or none, gets this.",
    )
    max_concurrent: Count | None = Field(
        default=None,
        description="The most playbacks at once; a token with a larger max_concurrent, or none, gets this.",
    )
    max_usage: Duration | None = Field(
        default=None,
        description="How long a session lives at the most, from its opening; a token with a longer "
        "usage_expiration_time, or none, gets this. session_end usage needs it; with the format videosdk it is "
        "24h where nothing else is said.",
    )
    on_limit: OnLimit = Field(
        default=OnLimit.REJECT,
        description="Whom a token's max_concurrent turns away: reject the new playback, or evict the oldest or "
        "the one that was idle longest.",
    )
    session_end: SessionEnd | None = Field(
        default=None,
        description="token: a session ends with its token. usage: the token is checked at joining only, and "
        "max_usage ends the session. Without it usage for an application that accepts the format videosdk, for "
        "all of its tokens, else token.",
    )
    leeway: Duration = Field(default=60.0, description="How far ahead the clock of a token's maker may be.")

    @field_validator("max_usage")
    @classmethod
    def _is_some_time(cls, value: float | None) -> float | None:
        if value is not None and value < 1:
            raise ValueError("expected at least 1s")
        return value


class Origin(Model):
    """A server that permitted requests are forwarded to."""

    url: HttpUrl = Field(description="Scheme, host, and an optional base path that is put before each path.")
    connect_timeout: Duration = Field(default=5.0, description="For a connection, or a place in the pool.")
    response_timeout: Duration = Field(
        default=30.0, description="For the head of the answer, and for each further piece of it."
    )


class Stream(Model):
    """A rule: which paths, who may watch them, and where they are forwarded. The first match wins."""

    match: str = Field(
        description="A path pattern: text, `*` for one segment, `{resource}` for one that names the resource, "
        "and at the end `**` for one or more."
    )
    access: Access = Field(
        default=Access.PRIVATE,
        description="private: token holders. public: everybody. protected: the networks listed. none: nobody.",
    )
    application: Name | None = Field(
        default=None, description="Whose tokens open it; may be left out where there is only one application."
    )
    origin: Name | None = Field(
        default=None, description="Where it is forwarded to; may be left out where there is only one origin."
    )
    layout: Name = Field(
        default="flussonic",
        description="The origin's URL grammar. flussonic, or shift where it also reads utc and lutc; aipix, "
        "mediamtx, mediapackage, akamai, swift, unified, xtream: streams and their archive. hls: plain HLS and "
        "DASH, whose manifests tell the time. ziggeo: videos on no timeline. object: files on none. "
        "room: the tracks of a room's participants. Or one of layouts.",
    )
    timeline: Timeline | None = Field(
        default=None,
        description="With layout hls: what its manifests are. live: they end at the live edge, by whatever "
        "clock they go. archive: recordings. none: files and VOD, whose time is not checked. Without it their "
        "dates tell.",
    )
    live_edge: Duration = Field(default=60.0, description="How far back the live edge reaches.")
    window_edge: Literal["overlap", "strict"] = Field(
        default="overlap",
        description="Segments and images at the edge of a token's window: those that overlap it, which players "
        "need whole, or only those that lie within.",
    )
    on_overrun: Literal["refuse", "clip"] = Field(
        default="refuse",
        description="A download or stream that lies across the edge of a token's window: refused, or the part "
        "within is served, where there is one and the origin's URLs can say it. Manifests are clipped either "
        "way; with clip the origin is also asked for less of them.",
    )
    foreign_uris: Foreign = Field(
        default=Foreign.LEAVE,
        description="URIs of manifests on other hosts than the origin's. leave: as they are. adopt: those of "
        "other origins of the policy are brought under the gate, any other is refused. refuse: such a manifest "
        "is refused.",
    )
    session_links: Literal["all", "manifests"] = Field(
        default="all",
        description="Which uses of a token's URL are redirected to a session link: all that open a session, or "
        "manifests only. Then a file is served at the token's own URL, where the token needs no session, or "
        "the client has one.",
    )
    networks: tuple[Network, ...] = Field(default=(), description="With access protected: who may watch.")
    methods: dict[Method, Action] = Field(
        default=dict(METHODS),
        description="What each method does: read, create, update or destroy. A method that is not named is not "
        "served. PUT as create creates or overwrites, as the token grants it.",
    )
    created_field: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The field of the origin's JSON answer to a POST that holds the new object's id; without "
        "it the answer's Location tells.",
    )

    @field_validator("match")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        Pattern(value)
        return value

    @field_validator("methods")
    @classmethod
    def _is_safe_where_it_reads(cls, value: dict[str, Action]) -> dict[str, Action]:
        for method, action in value.items():
            if (method in READING) != (action is Action.READ):
                raise ValueError(f"{method} cannot {action.value}: GET, HEAD and OPTIONS read, no other does")
        return value


class Form(Model):
    """A form of URLs, and what they are."""

    url: Annotated[str, Field(pattern=r"^/.+$")] = Field(
        description="A template of the path and query: {resource}; {from} {utc} {utc_ms} {from_iso} {start} "
        "{ago} or {yyyy} {mm} {dd} {HH} {MM} {SS} for the beginning; {to} {to_ms} {to_iso} {end} {duration} "
        "{duration_ms} {seconds} {minutes} for the end; {number} {tracks} {any} {path} for text; [text] may be "
        "missing, (a|b) is either."
    )
    role: Literal["manifest", "segment", "image", "stream", "download"] = Field(
        description="What part of a presentation it is. stream: one response that goes on while it is watched."
    )
    kind: Kind | None = Field(
        default=None,
        description="live, dvr, copy (downloads) or object (on no timeline). Segments and images that say "
        "their time leave it out: their age tells.",
    )
    open: Open | None = Field(
        default=None,
        description="Where the URL says no end. growing: it ends now. shifted: live, shifted into the past.",
    )
    lasts: Duration | None = Field(
        default=None, description="How long a segment or image is whose URL does not say it."
    )

    @model_validator(mode="after")
    def _is_form(self) -> Form:
        self.compiled()
        return self

    def compiled(self) -> forms.Form:
        """The form as layouts use it. Raises ValueError where it makes no sense."""
        lasts_ms = None if self.lasts is None else round(self.lasts * 1000)
        return forms.Form(self.url, Role(self.role), self.kind, self.open, lasts_ms)


class StoreOutage(Model):
    """What happens while the store cannot be reached."""

    running: Duration = Field(default=120.0, description="How long running sessions go on.")
    new: Literal["deny", "allow"] = Field(
        default="deny",
        description="deny: new sessions get 503 with Retry-After. allow: they play, and are counted later.",
    )


class Sessions(Model):
    """Sessions and their links."""

    carrier: Carrier = Field(
        default=Carrier.PATH,
        description="How a session's ticket travels. path: in the path, which every player repeats. query: in "
        "a parameter that manifests get on every URI. cookie: in a cookie of the stream's path, for browsers.",
    )
    prefix: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_-][A-Za-z0-9_.-]*/$")] = Field(
        default="/_s/", description="What session links begin with. This path is the gate's own."
    )
    idle: Duration = Field(default=60.0, description="A playback without traffic for this long has lapsed.")
    provisional: Duration = Field(
        default=30.0, description="How long the same client gets the same session while nothing was played."
    )
    store_outage: StoreOutage = Field(default=StoreOutage(), description="While the store cannot be reached.")
    ticket_keys: tuple[Secret, ...] = Field(
        default=(),
        description="Secrets that seal session links, the first seals, all open. Without any the gates on one "
        "store make and share one.",
    )
    ticket_rotation: Duration = Field(
        default=30 * 86400.0, description="How often the gates make a new key, where ticket_keys names none."
    )

    @field_validator("idle", "provisional", "ticket_rotation")
    @classmethod
    def _is_some_time(cls, value: float) -> float:
        if value < 1:
            raise ValueError("expected at least 1s")
        return value


class Cors(Model):
    """What web pages of other sites may do."""

    origins: tuple[str, ...] = Field(
        default=("*",),
        description="Origins such as https://player.example whose pages may read answers; * for all.",
    )
    max_age: Duration = Field(default=86400.0, description="How long a browser may remember a preflight.")


class Limits(Model):
    """What one client may cost."""

    target: Size = Field(default=16384, description="A request target, long tokens included.")
    header_field: Size = Field(default=16384, description="One header field.")
    headers: Annotated[int, Field(ge=10, le=1000)] = Field(
        default=100, description="Header fields in a request."
    )
    header_timeout: Duration = Field(default=10.0, description="For the head of a request to arrive.")
    keepalive: Duration = Field(default=75.0, description="An idle connection between two requests.")
    stall: Duration = Field(default=60.0, description="A client that takes nothing of a running response.")
    upload: Size = Field(default=8 * 2**30, description="The body of one request.")
    manifest: Size = Field(
        default=8 * 2**20, description="A manifest of the origin's, unpacked, if it must be clipped or marked."
    )
    connections: Annotated[int, Field(ge=1)] = Field(default=10_000, description="Client connections at once.")
    tokens_cached: Annotated[int, Field(ge=1)] = Field(
        default=20_000, description="Verified tokens and opened links that are remembered."
    )


class Log(Model):
    """What the gate writes to stderr."""

    format: Literal["text", "json"] = Field(
        default="text", description="text: lines for people. json: a JSON object a line, for programs."
    )
    access: bool = Field(
        default=False,
        description="Whether every answered request is a line; without it only those refused are.",
    )


class Admin(Model):
    """The listener for operators: /healthz, /readyz, /metrics, and the admin API."""

    listen: Listen = Field(default=TcpAddress("127.0.0.1", 8081), description="Its address.")
    token: Secret | None = Field(
        default=None, description="The bearer token that it asks for; needed beyond the loopback interface."
    )


class Rpc(Model):
    """The JSON-RPC API at /api/: access tokens for streams, and streams that are added at runtime."""

    listener: Literal["public", "admin"] = Field(
        default="admin",
        description="Where it is: on the listener for operators only, or on the one for viewers too, beside "
        "the rules.",
    )
    application: Name | None = Field(
        default=None,
        description="Whose access tokens it makes, with the first of its keys that signs; may be left out "
        "where there is only one. Its max_ttl and unlimited_ttl hold what is asked for.",
    )
    tokens: tuple[Secret, ...] = Field(
        default=(),
        description="API tokens that callers show: at least 16 characters each. More are made at runtime, by "
        "Auth.CreateApiToken on the operators' listener.",
    )
    envelope: Literal["bare", "jsonrpc"] = Field(
        default="bare",
        description="What a result is answered in. bare: nothing, unless Accept names application/json-rpc. "
        "jsonrpc: the object that JSON-RPC 2.0 describes.",
    )
    require_stream: bool = Field(
        default=False, description="Whether access tokens are made for added streams only, or for any name."
    )
    whitelist_admits: bool = Field(
        default=False,
        description="Whether the whitelist of an added stream whose access is private lets its addresses in "
        "without a token.",
    )
    public_url: HttpUrl | None = Field(
        default=None,
        description="What viewers' URLs begin with. Without it the scheme and host that the caller has asked; "
        "on the operators' listener URLs then begin with their path.",
    )

    @field_validator("tokens")
    @classmethod
    def _are_fit(cls, value: tuple[Secret, ...]) -> tuple[Secret, ...]:
        for token in value:
            text = token.get_secret_value()
            if len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("expected at least 16 characters of ASCII that can be seen")
        return value


class PolicyFile(Model):
    """The gate's policy."""

    listen: Listen = Field(default=TcpAddress("127.0.0.1", 8080), description="Where viewers connect.")
    trusted_proxies: tuple[Proxy, ...] = Field(
        default=(),
        description="Networks of proxies in front whose forwarding headers are believed; unix for those that "
        "connect to a Unix socket.",
    )
    forwarded_header: ForwardedHeader = Field(
        default=ForwardedHeader.X_FORWARDED_FOR,
        description="By which header those proxies name their client; the other one is not read.",
    )
    admin: Admin = Field(default=Admin(), description="The listener for operators.")
    store: str = Field(
        default="embedded",
        description="embedded: a Valkey of the gate's own, kept in state_dir. Else redis://, rediss:// or unix://.",
    )
    state_dir: str = Field(default="./state", description="Where embedded data is kept, relative to this file.")
    origins: dict[Name, Origin] = Field(min_length=1, description="The servers behind the gate, by name.")
    applications: dict[Name, Application] = Field(min_length=1, description="The tenants, by name.")
    streams: tuple[Stream, ...] = Field(
        default=(Stream(match="/{resource}/**"),), min_length=1, description="The rules; the first match wins."
    )
    layouts: dict[Name, Annotated[tuple[Form, ...], Field(min_length=1)]] = Field(
        default={}, description="URL grammars of your own, by name: what is in no form of them is unknown."
    )
    sessions: Sessions = Field(default=Sessions(), description="Sessions and their links.")
    rpc: Rpc | None = Field(
        default=None,
        description="The JSON-RPC API at /api/: access tokens for streams, and streams added at runtime. "
        "Without it there is none.",
    )
    cors: Cors = Field(default=Cors(), description="What web pages of other sites may do.")
    limits: Limits = Field(default=Limits(), description="What one client may cost.")
    log: Log = Field(default=Log(), description="What the gate writes to stderr.")
    drain: Duration = Field(default=10.0, description="How long running responses may go on at a shutdown.")

    @field_validator("store")
    @classmethod
    def _is_store(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("expected embedded, redis://..., rediss://... or unix://...")
        return value
