"""API tokens: what a program shows the RPC, made without a trace in the store and known by every gate.

    text = "api_" + base64url( key id (4 bytes) || issued (5) || end (5) || random (16) || MAC (32) )

Times are Unix seconds, big-endian; an end of 0 is none. The MAC's key is derived from the keys of session
links, which no policy shares with anybody: whoever holds an application's key may mint tokens for its viewers,
and no API tokens. It lives no longer than the key that it was made with opens links. It is long enough to be
taken for a credential wherever one is looked for, and its front tells it from the name (``jti``) of a token.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from gate.core.reasons import Reason
from gate.core.revocation import Revocations
from gate.core.token import digest

FRONT: Final = "api_"
ENTROPY: Final = 16
_ID: Final = 4
_TIME: Final = 5
_MAC: Final = 32
_LENGTH: Final = _ID + 2 * _TIME + ENTROPY + _MAC
_TEXT: Final = len(FRONT) + -(-_LENGTH * 4 // 3)
_NO_APPLICATION: Final = ""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token that a gate has made. `id` names it for revoking; times are Unix seconds, None: no end."""

    id: str
    issued_at: int
    ends_at: int | None

    def refusal(self, revoked: Revocations, now: float) -> Reason | None:
        """Why it is not in force at `now`; None where it is."""
        if self.ends_at is not None and self.ends_at <= now:
            return Reason.TOKEN_EXPIRED
        if revoked.cover(_NO_APPLICATION, self.id, "", None, self.issued_at):
            return Reason.REVOKED
        return None


def write_api_token(keys: Mapping[bytes, bytes], entropy: bytes, now: float, ttl_s: int) -> str:
    """The text of a new API token that lives for `ttl_s` seconds, 0 for no end.

    `keys` are those of TicketKeys; `entropy` is 16 fresh random bytes.
    """
    if len(entropy) != ENTROPY:
        raise ValueError(f"an API token takes {ENTROPY} random bytes")
    key_id, issued_at = next(iter(keys)), int(now)
    end = issued_at + ttl_s if ttl_s else 0
    body = key_id + issued_at.to_bytes(_TIME) + end.to_bytes(_TIME) + entropy
    return FRONT + urlsafe_b64encode(body + _mac(keys[key_id], body)).rstrip(b"=").decode()


def read_api_token(text: str, keys: Mapping[bytes, bytes]) -> ApiToken | None:
    """The API token that `text` is, in force or not; None for what no gate with one of the keys has made."""
    if len(text) != _TEXT or not text.startswith(FRONT) or not text.isascii():
        return None
    encoded = text[len(FRONT) :]
    try:
        raw = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return None
    key, body, mac = keys.get(raw[:_ID]), raw[:-_MAC], raw[-_MAC:]
    if key is None or not compare_digest(_mac(key, body), mac):
        return None
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != encoded:
        return None  # another spelling of the same bytes
    issued_at, end = (int.from_bytes(body[at : at + _TIME]) for at in (_ID, _ID + _TIME))
    return ApiToken(digest("api token", _NO_APPLICATION, body), issued_at, end or None)


def _mac(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, key=key, digest_size=_MAC).digest()
