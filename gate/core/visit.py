"""Page sessions: what a page is given when it is opened, and shows with every token that it uses.

A token used in a page belongs to one session there, whoever copies its URLs; a page that is opened again is
another page. What is created in it is the page's, so that one of several tokens may create an object and
another destroy it. This is the session of Ziggeo's players, which travels in a query parameter.

    text = base64url( key id (4 bytes) || issued, Unix seconds (5) || random (12) || MAC (16) )

The MAC is over the application and all before it: only what a gate has issued is a page session, and that of
another application is none. Nothing of it is kept anywhere until a token is used in it. It is accepted for a
week: for as long the store remembers which of its sessions are over.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from gate.core.session import session_id
from gate.core.token import Token, digest

LASTS_S: Final = 7 * 86400
ENTROPY: Final = 12
_ID: Final = 4
_MAC: Final = 16
_LENGTH: Final = _ID + 5 + ENTROPY + _MAC
# What another gate's clock may be ahead.
_AHEAD_S: Final = 120


@dataclass(frozen=True, slots=True)
class Visit:
    """A page session. `name` is what owns the objects that are created in it."""

    name: str
    issued_at: int

    @property
    def ends_at(self) -> int:
        """Until when it is accepted, in Unix seconds."""
        return self.issued_at + LASTS_S

    def session_of(self, token: Token) -> str:
        """The id of the token's session in this page, the same on every gate."""
        entropy = hashlib.sha256(f"{token.id}:{self.name}".encode()).digest()[:8]
        return session_id(token.owner, self.issued_at * 1000, entropy)


def write_visit(keys: Mapping[bytes, bytes], application: str, entropy: bytes, now: float) -> str:
    """The text of a new page session. `keys` are those of TicketKeys; `entropy` is 12 fresh random bytes."""
    if len(entropy) != ENTROPY:
        raise ValueError(f"a page session takes {ENTROPY} random bytes")
    key_id = next(iter(keys))
    body = key_id + int(now).to_bytes(5) + entropy
    return urlsafe_b64encode(body + _mac(keys[key_id], application, body)).rstrip(b"=").decode()


def read_visit(text: str, keys: Mapping[bytes, bytes], application: str, now: float) -> Visit | None:
    """The page session that `text` is; None for what no gate issued to this application in the last week."""
    if len(text) != -(-_LENGTH * 4 // 3) or not text.isascii():
        return None
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    key, body, mac = keys.get(raw[:_ID]), raw[:-_MAC], raw[-_MAC:]
    if key is None or not compare_digest(_mac(key, application, body), mac):
        return None
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        return None  # another spelling of the same bytes
    visit = Visit(digest("visit", application, body), int.from_bytes(body[_ID : _ID + 5]))
    return visit if now - LASTS_S < visit.issued_at <= now + _AHEAD_S else None


def _mac(key: bytes, application: str, body: bytes) -> bytes:
    text = application.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(len(text).to_bytes(4) + text + body, key=key, digest_size=_MAC).digest()
