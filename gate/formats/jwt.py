"""The native format: a signed JWT (RFC 7519) in compact serialization (RFC 7515, section 7.1).

Read strictly, in this order: shape and one spelling of base64url; header; key by ``kid``; signature, under
the key's own algorithm and no other; only then the claims. The reading is ours, because a general library
accepts second spellings (a trailing ``=``, altered trailing bits), UTF-16, repeated keys and more, and each
of those is a way around counting or revocation.

A token that carries or points to a key (``jwk``, ``jku``, ``x5u``, ``x5c``) is refused: a key comes from
the policy or not at all. So is one with an extension that must be understood (``crit``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate.core.keys import Key, Keyring
from gate.core.reasons import Deny, Reason
from gate.core.token import Format, Token
from gate.formats import base64url
from gate.formats.claims import read_claims
from gate.formats.signatures import make_signature, verifies
from gate.formats.strict_json import read_object

LONGEST: Final = 16384
# A payload may be empty, as far as a signature goes.
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+", re.ASCII)
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_BROUGHT_KEYS: Final = frozenset({"jwk", "jku", "x5u", "x5c"})


@dataclass(frozen=True, slots=True)
class Signed:
    """What a key has signed: the payload, and the signing input that holds it and the header."""

    payload: bytes
    signing_input: bytes
    key: Key


def verify(text: str, application: str, keyring: Keyring, required: Iterable[str] = ()) -> Token | Deny:
    """The token that `text` is, verified with one of the application's keys, or a refusal.

    Total: any text gives one or the other; the refusal is an `UnknownKey` where a key that is not in the
    ring could still help. Expiry is not checked here; what verifies once verifies always.
    """
    signed = verify_jws(text, keyring)
    if isinstance(signed, Deny):
        return signed
    claims = read_object(signed.payload)
    if claims is None:
        return Deny(Reason.CLAIM_INVALID, "the claims are not one JSON object with every key once")
    return read_claims(claims, application, Format.JWT, signed.signing_input, required)


def verify_jws(text: str, keyring: Keyring) -> Signed | Deny:
    """What `text` holds, signed by one of the ring's keys, whatever it may say; or a refusal. Total."""
    if len(text) > LONGEST or _SHAPE.fullmatch(text) is None:
        return Deny(Reason.TOKEN_MALFORMED)
    signing_input, _, signature_text = text.rpartition(".")
    header_text, _, payload_text = signing_input.partition(".")
    raw_header, payload = base64url.decode(header_text), base64url.decode(payload_text)
    signature = base64url.decode(signature_text)
    header = None if raw_header is None else read_object(raw_header)
    if header is None or payload is None or signature is None:
        return Deny(Reason.TOKEN_MALFORMED)
    if (refusal := check_header(header)) is not None:
        return refusal
    key = keyring.pick(header.get("kid"), header["alg"])
    if isinstance(key, Deny):
        return key
    message = signing_input.encode()
    return Signed(payload, message, key) if verifies(key, message, signature) else Deny(Reason.TOKEN_SIGNATURE)


def check_header(header: Mapping[str, Any]) -> Deny | None:
    """None where the header is one that the gate reads, whatever key and algorithm it names."""
    kind = header.get("typ", "JWT")
    if not isinstance(header.get("alg"), str) or not isinstance(kind, str):
        return Deny(Reason.TOKEN_MALFORMED)
    if "kid" in header and not isinstance(header["kid"], str):
        return Deny(Reason.TOKEN_MALFORMED)
    if kind.lower() not in _TYPES:
        return Deny(Reason.TOKEN_MALFORMED, "the token is of another type (typ)")
    if "crit" in header or "b64" in header:
        return Deny(Reason.TOKEN_MALFORMED, "the token uses an extension that the gate does not know (crit)")
    if not _BROUGHT_KEYS.isdisjoint(header):
        return Deny(Reason.TOKEN_MALFORMED, "the token brings a key of its own (jwk, jku, x5u, x5c)")
    return None


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """The claims as a signed token, under the key and its ``kid``.

    Raises UnfitKeyError for a key that is unfit for its algorithm, or only verifies.
    """
    header = {"alg": key.algorithm.value, "kid": key.kid, "typ": "JWT"}
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    text = ".".join(map(base64url.encode, parts))
    return f"{text}.{base64url.encode(make_signature(key, text.encode()))}"
