"""The sealed text in a session link: what any worker needs to decide without asking the store.

    ticket = base64url( key id (4 bytes) || nonce (12 bytes) || AES-256-GCM( JSON, aad = "gate ticket 1" ) )

Sealed, because it is in a URL and says what a token said; authenticated, because it is believed. The key id
names one of several keys, so that keys can rotate. A ticket has exactly one spelling: another encoding of
the same bytes is refused, so that caches and logs never hold two names of one thing.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gate.core.grants import Action, Grant, Grants
from gate.core.reasons import Deny, Reason
from gate.core.room import Permission, RoomPass, Use
from gate.core.token import Bind, Rights, Warrant
from gate.core.windows import ALWAYS_MS, Span, Windows

_AAD: Final = b"gate ticket 1"
_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
# As long as the longest request target: what was sealed for a long subject must open again.
_LONGEST: Final = 16384
# Resource names that a ticket carries itself, in characters of JSON; with more it carries a reference.
INLINE_WARRANT: Final = 1024


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a session link says. Times are Unix seconds; None where there is no end or no limit.

    `warrant` is None where it was too long for a URL: then the store holds it under the token's id.
    `token_expires_at` bounds what the store must remember of the token. `reference` names the server-side token
    that the session goes by, as that is now; `referrer` is the id of the client-side token that refers to it,
    None where it was used itself.
    """

    session: str
    application: str
    token: str
    owner: str
    subject: str | None
    opened_at: int
    ends_at: float | None
    token_expires_at: int | None
    issued_at: int | None
    session_limit: int | None
    max_concurrent: int | None
    warrant: Warrant | None
    reference: str | None = None
    referrer: str | None = None

    @property
    def warrant_id(self) -> str:
        """What a warrant that is not in the ticket is kept under."""
        return self.referrer or self.token


_FIELDS: Final = tuple(field.name for field in fields(Ticket))[:-3]


class TicketKeys:
    """The keys that seal and open tickets: the first one seals, all of them open."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        keys = tuple(keys)
        self._ciphers = {ticket_key_id(key): AESGCM(key) for key in keys}
        if not self._ciphers:
            raise ValueError("at least one ticket key is needed")
        self._sealing = next(iter(self._ciphers))
        self._marking = {ticket_key_id(key): hashlib.sha256(b"gate mark key" + key).digest() for key in keys}
        self._visiting = {ticket_key_id(key): hashlib.sha256(b"gate visit key" + key).digest() for key in keys}
        self._calling = {ticket_key_id(key): hashlib.sha256(b"gate api key" + key).digest() for key in keys}

    def seal(self, ticket: Ticket, nonce: bytes) -> str:
        """The ticket as text of ``A-Z a-z 0-9 - _``. `nonce` is 12 fresh random bytes."""
        if len(nonce) != _NONCE_BYTES:
            raise ValueError("a ticket is sealed with 12 random bytes")
        plain = json.dumps(_dump(ticket), separators=(",", ":")).encode()
        sealed = self._ciphers[self._sealing].encrypt(nonce, plain, _AAD)
        return urlsafe_b64encode(self._sealing + nonce + sealed).rstrip(b"=").decode()

    def mark_key(self, text: str, session: str) -> bytes:
        """The key of the marks (`gate.core.marks`) of the session that `text`, a ticket that opens, names."""
        root = self._marking[urlsafe_b64decode(text[:8])[:_ID_BYTES]]
        return hashlib.blake2b(session.encode(), key=root, digest_size=32).digest()

    @property
    def visit_keys(self) -> Mapping[bytes, bytes]:
        """The keys of page sessions (`gate.core.visit`) by the ids of these keys: the first one writes."""
        return self._visiting

    @property
    def api_keys(self) -> Mapping[bytes, bytes]:
        """The keys of API tokens (`gate.core.api_token`) by the ids of these keys: the first one writes."""
        return self._calling

    def open(self, text: str) -> Ticket | Deny:
        """The ticket that `text` seals, or TICKET_INVALID for any other text."""
        if len(text) > _LONGEST or not text.isascii():
            return Deny(Reason.TICKET_INVALID)
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (Base64Error, ValueError):
            return Deny(Reason.TICKET_INVALID)
        cipher = self._ciphers.get(raw[:_ID_BYTES])
        if cipher is None or urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
            return Deny(Reason.TICKET_INVALID)
        nonce, sealed = raw[_ID_BYTES : _ID_BYTES + _NONCE_BYTES], raw[_ID_BYTES + _NONCE_BYTES :]
        if len(nonce) < _NONCE_BYTES:
            return Deny(Reason.TICKET_INVALID)
        try:
            plain = cipher.decrypt(nonce, sealed, _AAD)
        except InvalidTag:
            return Deny(Reason.TICKET_INVALID)
        return _load(json.loads(plain))


def ticket_key_id(key: bytes) -> bytes:
    """The four bytes by which a ticket names its key: a digest, so that it says nothing of the key."""
    return hashlib.sha256(b"gate ticket key" + key).digest()[:_ID_BYTES]


def dump_warrant(warrant: Warrant) -> str:
    """The warrant as compact JSON: what `load_warrant` reads."""
    return json.dumps(_dump_warrant(warrant), separators=(",", ":"))


def load_warrant(text: str | bytes) -> Warrant:
    return _load_warrant(json.loads(text))


def _dump(ticket: Ticket) -> list[Any]:
    warrant = None if ticket.warrant is None else _dump_warrant(ticket.warrant)
    reference = () if ticket.reference is None else (ticket.reference, ticket.referrer)
    return [*(getattr(ticket, name) for name in _FIELDS), warrant, *reference]


def _load(values: list[Any]) -> Ticket:
    plain, (warrant, *reference) = values[: len(_FIELDS)], values[len(_FIELDS) :]
    return Ticket(
        **dict(zip(_FIELDS, plain, strict=True)),
        warrant=None if warrant is None else _load_warrant(warrant),
        **dict(zip(("reference", "referrer"), reference, strict=False)),
    )


def _dump_warrant(warrant: Warrant) -> list[Any]:
    bind = warrant.bind
    return [
        {
            action.value: [int(grant.all), int(grant.session_owned), sorted(grant.resources)]
            for action, grant in warrant.grants.by_action.items()
        },
        [int(warrant.rights.live), int(warrant.rights.dvr), int(warrant.rights.copy)],
        [[_dump_bound(span.start_ms), _dump_bound(span.end_ms)] for span in warrant.windows.spans],
        None if bind is None else [str(bind.network) if bind.network else None, bind.user_agent, bind.origin],
        *(() if warrant.room is None else (_dump_room(warrant.room),)),
    ]


def _load_warrant(values: list[Any]) -> Warrant:
    grants, rights, windows, bind, *room = values
    return Warrant(
        Grants(
            MappingProxyType(
                {
                    Action(action): Grant(bool(everything), frozenset(resources), bool(owned))
                    for action, (everything, owned, resources) in grants.items()
                }
            )
        ),
        Rights(*map(bool, rights)),
        Windows(tuple(Span(_load_bound(start, -1), _load_bound(end, 1)) for start, end in windows)),
        None if bind is None else Bind(ip_network(bind[0]) if bind[0] else None, bind[1], bind[2]),
        _load_room(*room[0]) if room else None,
    )


def _dump_room(room: RoomPass) -> list[Any]:
    permissions = sorted(permission.value for permission in room.permissions)
    return [room.key, permissions, room.room, room.participant, sorted(use.value for use in room.uses)]


def _load_room(
    key: str, permissions: list[str], room: str | None, participant: str | None, uses: list[str]
) -> RoomPass:
    return RoomPass(key, frozenset(map(Permission, permissions)), room, participant, frozenset(map(Use, uses)))


def _dump_bound(at_ms: int) -> int | None:
    return None if abs(at_ms) == ALWAYS_MS else at_ms


def _load_bound(at_ms: int | None, side: int) -> int:
    return side * ALWAYS_MS if at_ms is None else at_ms
