"""What a viewer presents, whatever its format: one `Token` value.

A token says what may be watched (its `Warrant`) and how often and how long (its limits). The warrant goes
into the ticket of each session that the token opens; the limits stay with the token and are counted in the
store.

Identity. `Token.id` names the token for counting and revocation. It is a digest over the application and
over `jti` or `nonce`; where a token has neither, over its *verified* signing input. Never over the raw text,
which is malleable: base64url has more than one spelling of the same bytes. A digest because ids are chosen
by others: it has one length, no delimiters to collide with, and can stand in a store key or a log.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network

from gate.core.grants import Grants
from gate.core.room import RoomPass
from gate.core.windows import UNBOUNDED, Windows


class Format(Enum):
    """The token systems that the gate reads."""

    JWT = "jwt"
    ZIGGEO = "ziggeo"
    VIDEOSDK = "videosdk"


@dataclass(frozen=True, slots=True)
class Rights:
    """What may be watched on a timeline: the live edge, the archive, and downloads."""

    live: bool = False
    dvr: bool = False
    copy: bool = False

    @property
    def full(self) -> bool:
        return self.live and self.dvr and self.copy


class Bound(Enum):
    """What a token can be bound to."""

    IP = "ip"
    USER_AGENT = "user_agent"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class Bind:
    """The client that a token is bound to; what is None does not bind."""

    network: IPv4Network | IPv6Network | None = None
    user_agent: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Warrant:
    """What a token permits, less how often: the part that a ticket carries.

    One with a `room` opens tracks of rooms and nothing else, and what its holder may do there the room says.
    """

    grants: Grants
    rights: Rights = Rights()
    windows: Windows = UNBOUNDED
    bind: Bind | None = None
    room: RoomPass | None = None

    @property
    def unrestricted(self) -> bool:
        """Whether time does not matter to this token: all three rights, and no bounds on any side."""
        return self.rights.full and self.windows.unbounded


@dataclass(frozen=True, slots=True)
class Token:
    """A verified token. Times are Unix seconds; None where the token does not say.

    `id` is its digest (see above), `owner` the digest of the subject, or of the token where there is no
    subject: playbacks at once are counted under it. `reference` names the server-side token that it is, or
    depends on: what that says may change. One that only depends on it is a `referrer`, by an id of its own,
    which `id` is not where it counts under the other's. `expires_at` is the earlier of ``exp`` and
    ``expiration_date``. A single-use token has a `session_limit` of one. Expiry is not yet checked: a token
    is verified once and cached, and it ends later.
    """

    application: str
    format: Format
    id: str
    owner: str
    subject: str | None
    warrant: Warrant
    issued_at: int | None = None
    not_before: int | None = None
    expires_at: int | None = None
    usage_s: int | None = None
    session_limit: int | None = None
    max_concurrent: int | None = None
    single_use: bool = False
    issuer: str | None = None
    audiences: tuple[str, ...] = ()
    reference: str | None = None
    referrer: str | None = None

    @property
    def warrant_id(self) -> str:
        """What its warrant is kept under: of tokens that count together each has its own."""
        return self.referrer or self.id

    @property
    def counted(self) -> bool:
        """Whether each of its requests must belong to a session."""
        return not (self.session_limit is None and self.max_concurrent is None and self.usage_s is None)


def digest(kind: str, application: str, name: str | bytes) -> str:
    """128 bits of SHA-256, 22 characters of base64url; the scope is length-prefixed, so parts stay apart."""
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass")
    scope = application.encode("utf-8", "surrogatepass")
    text = f"gate:{kind}:{len(scope)}:".encode() + scope + b":" + raw
    return urlsafe_b64encode(hashlib.sha256(text).digest()[:16]).rstrip(b"=").decode()


def token_id(application: str, name: str) -> str:
    """The id of a token that names itself by `jti` or `nonce`."""
    return digest("token", application, name)


def unnamed_token_id(application: str, signing_input: bytes) -> str:
    """The id of a token without a name, by its verified signing input (RFC 7515, section 5.1)."""
    return digest("signed", application, signing_input)


def subject_owner(application: str, subject: str) -> str:
    """The owner that a subject's playbacks are counted under."""
    return digest("subject", application, subject)
