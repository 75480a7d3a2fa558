"""The native format: a signed JWT (RFC 7519).

Read strictly, in this order: shape and header (`gate.formats.jws`); key by ``kid``; signature, under the key's
own algorithm and no other; only then the claims.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gate.core.keys import Key, Keyring
from gate.core.reasons import Deny, Reason
from gate.core.token import Format, Token
from gate.formats import base64url
from gate.formats.claims import read_claims
from gate.formats.jws import read_jws
from gate.formats.signatures import make_signature, verifies
from gate.formats.strict_json import read_object


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
    jws = read_jws(text)
    if isinstance(jws, Deny):
        return jws
    key = keyring.pick(jws.header.get("kid"), jws.header["alg"])
    if isinstance(key, Deny):
        return key
    if not verifies(key, jws.signing_input, jws.signature):
        return Deny(Reason.TOKEN_SIGNATURE)
    return Signed(jws.payload, jws.signing_input, key)


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """The claims as a signed token, under the key and its ``kid``.

    Raises UnfitKeyError for a key that is unfit for its algorithm, or only verifies.
    """
    header = {"alg": key.algorithm.value, "kid": key.kid, "typ": "JWT"}
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    text = ".".join(map(base64url.encode, parts))
    return f"{text}.{base64url.encode(make_signature(key, text.encode()))}"
