"""Which header fields travel through the gate, in both directions.

Hop-by-hop fields, and those that ``Connection`` names, end here (RFC 9110, section 7.6.1). Credentials end
here too: no origin ever sees a token, in a field, a cookie, a query or a Referer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gate.core.credentials import SESSION_NAME, Sources
from gate.wire.answers import Fields
from gate.wire.peers import Peer, RawFields

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    }
)
# What the gate says itself, or what a client must not say in its place.
_NOT_FORWARDED: Final = HOP_BY_HOP | {
    "host",
    "authorization",
    "content-length",
    "expect",
    "forwarded",
    "referer",
    # Another method than the one that was decided on.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    # Another path than the one that was decided on.
    "x-original-url",
    "x-rewrite-url",
    "x-request-id",
    # Who asks, and for which host. X-Forwarded-* goes as a whole, see below.
    "x-real-ip",
    "client-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-originating-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-host",
    "x-envoy-external-address",
    "x-azure-clientip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "fastly-client-ip",
}
# One more of these could always be one that an origin believes and that is not known here.
_FORWARDED: Final = "x-forwarded"
_NOT_RETURNED: Final = HOP_BY_HOP | {
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "access-control-max-age",
    "cdn-cache-control",
    "surrogate-control",
    "surrogate-key",
    "x-accel-redirect",
    "x-accel-expires",
    "gate-reason",
    "referrer-policy",
    "x-request-id",
}
_CONDITIONS: Final = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since"})
_SHARED_DIRECTIVES: Final = frozenset({"public", "s-maxage", "proxy-revalidate", "private", "must-understand"})

# One directive, commas in its quoted text included (RFC 9111, section 5.2).
_DIRECTIVE: Final = re.compile(r'(?:[^,"]|"[^"]*"|")+')

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def for_origin(
    raw: RawFields,
    sources: Sources,
    *,
    peer: Peer,
    request_id: str,
    whole: bool,
    anew: bool = False,
    precondition: tuple[str, str] | None = None,
) -> Fields:
    """The client's fields as the origin gets them, less credentials, plus who asked: as the `peer` is believed
    to be, never as the client says. What is not known is not said.

    With `whole` the answer is asked for whole and unencoded, because it is read on its way back; `anew`,
    whatever the client has of it already, because what it may see of it now is another matter.
    """
    pairs = [(name.decode("latin-1"), _text(value)) for name, value in raw]
    dropped = _NOT_FORWARDED | sources.headers | _named_by_connection(pairs)
    if whole:
        dropped |= {"range", "if-range", "accept-encoding"}
    if anew:
        dropped |= _CONDITIONS
    if precondition is not None:
        dropped |= {"if-match", "if-none-match"}
    fields: Fields = []
    for name, value in pairs:
        lower = name.lower()
        if lower in dropped or "_" in lower or lower.startswith(_FORWARDED):
            # An underscore is a dash to many application servers: a second spelling of another field.
            continue
        if lower == "cookie":
            value = _without_cookies(value, sources.cookies | {SESSION_NAME})
            if not value:
                continue
        fields.append((name, value))
    if whole:
        fields.append(("Accept-Encoding", "identity"))
    if precondition is not None:
        fields.append(precondition)
    own = [
        ("X-Forwarded-For", peer.chain),
        ("X-Forwarded-Host", peer.host),
        ("X-Forwarded-Proto", peer.scheme),
        ("X-Request-Id", request_id),
    ]
    return fields + [(name, value) for name, value in own if value]


def for_client(raw: RawFields, *, public: bool) -> Fields:
    """The origin's fields as the client gets them; what is not public may only be kept by the client itself."""
    pairs = [(name.decode("latin-1"), _text(value)) for name, value in raw]
    dropped = _NOT_RETURNED | _named_by_connection(pairs)
    fields: Fields = []
    control: list[str] = []
    for name, value in pairs:
        lower = name.lower()
        if lower in dropped:
            continue
        if lower == "cache-control" and not public:
            control.append(value)
            continue
        fields.append((name, value))
    if not public:
        fields.append(("Cache-Control", _private(control)))
    fields.append(("Referrer-Policy", "no-referrer"))
    return fields


def _text(value: bytes) -> str:
    """The value such that it leaves as the bytes that it came as: whoever writes it encodes it as UTF-8.

    Bytes that are not UTF-8 are read as Latin-1, which is what they were in HTTP's beginnings. Control
    characters, which parsers let pass and writers do not, become spaces (RFC 9110, section 5.5).
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def _private(values: list[str]) -> str:
    """The origin's directives without those for shared caches, and ``private``: a cache in front of the
    gate would answer without asking it."""
    directives = [piece.strip() for value in values for piece in _DIRECTIVE.findall(value)]
    kept = [
        piece
        for piece in directives
        if piece and piece.partition("=")[0].strip().lower() not in _SHARED_DIRECTIVES
    ]
    return ", ".join(["private", *kept])


def _named_by_connection(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    return frozenset(
        named.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for named in value.split(",")
    )


def _without_cookies(value: str, names: frozenset[str]) -> str:
    pieces = [piece.strip() for piece in value.split(";")]
    if not any(piece.partition("=")[0] in names for piece in pieces):
        return value
    return "; ".join(piece for piece in pieces if piece and piece.partition("=")[0] not in names)
