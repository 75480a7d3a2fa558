"""The native format: a signed JWT (RFC 7519) in compact serialization (RFC 7515, section 7.1).

Read strictly, in this order: shape and one spelling of base64url; header; key by ``kid``; signature, under
the key's own algorithm and no other; only then the claims. PyJWT does the cryptography and says which
secrets are unfit for it (empty, too short, really a public key). The reading around it is ours, because a
general library accepts second spellings (a trailing ``=``, altered trailing bits), UTF-16, repeated keys
and more, and each of those is a way around counting or revocation.

Headers that carry or point to a key (``jwk``, ``jku``, ``x5u``, ``x5c``) are never looked at: a key comes
from the policy or not at all. An extension that must be understood (``crit``) is not.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jwt.algorithms import HMACAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidKeyError

from gate.core.keys import Algorithm, Key, Keyring
from gate.core.reasons import Deny, Reason
from gate.core.token import Format, Token
from gate.formats.claims import read_claims
from gate.formats.strict_json import read_object

LONGEST: Final = 16384
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_JWS: Final = PyJWS(options={"enforce_minimum_key_length": True})
_HMAC: Final = {
    Algorithm.HS256: HMACAlgorithm(HMACAlgorithm.SHA256),
    Algorithm.HS384: HMACAlgorithm(HMACAlgorithm.SHA384),
    Algorithm.HS512: HMACAlgorithm(HMACAlgorithm.SHA512),
}


def verify(text: str, application: str, keyring: Keyring) -> Token | Deny:
    """The token that `text` is, verified with one of the application's keys, or a refusal.

    Total: any text gives one or the other. Expiry is not checked here; what verifies once verifies always.
    """
    if len(text) > LONGEST or _SHAPE.fullmatch(text) is None:
        return Deny(Reason.TOKEN_MALFORMED)
    signing_input, _, signature_text = text.rpartition(".")
    header_text, _, payload_text = signing_input.partition(".")
    raw_header, payload, signature = _decode(header_text), _decode(payload_text), _decode(signature_text)
    header = None if raw_header is None else read_object(raw_header)
    if header is None or payload is None or signature is None:
        return Deny(Reason.TOKEN_MALFORMED)
    key = _key(header, keyring)
    if isinstance(key, Deny):
        return key
    message = signing_input.encode()
    if not _fit(key) or not _HMAC[key.algorithm].verify(message, key.material, signature):
        return Deny(Reason.TOKEN_SIGNATURE)
    claims = read_object(payload)
    if claims is None:
        return Deny(Reason.CLAIM_INVALID, "the claims are not one JSON object with every key once")
    return read_claims(claims, application, Format.JWT, message)


def sign(claims: Mapping[str, Any], key: Key) -> str:
    """The claims as a signed token, under the key and its ``kid``.

    Raises jwt.InvalidKeyError for a key that is unfit for its algorithm.
    """
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _JWS.encode(
        payload, key.material, algorithm=key.algorithm.value, headers={"kid": key.kid, "typ": "JWT"}
    )


def _key(header: Mapping[str, Any], keyring: Keyring) -> Key | Deny:
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or not isinstance(kind, str):
        return Deny(Reason.TOKEN_MALFORMED)
    if "kid" in header and not isinstance(kid, str):
        return Deny(Reason.TOKEN_MALFORMED)
    if kind.lower() not in _TYPES:
        return Deny(Reason.TOKEN_MALFORMED, "the token is of another type (typ)")
    if "crit" in header or "b64" in header:
        return Deny(Reason.TOKEN_MALFORMED, "the token uses an extension that the gate does not know (crit)")
    return keyring.pick(kid, algorithm)


@lru_cache(maxsize=256)
def _fit(key: Key) -> bool:
    """Whether the key is long enough, and a secret at all: a public key as HMAC secret is known to everybody.

    The policy refuses other keys; no token verifies with one that came in otherwise. Asked once for a key,
    because PyJWT's answer costs three times as much as a signature.
    """
    algorithm = _HMAC[key.algorithm]
    try:
        return algorithm.check_key_length(algorithm.prepare_key(key.material)) is None
    except InvalidKeyError:
        return False


def _decode(part: str) -> bytes | None:
    """The bytes of one part, or None where it is not *the* base64url spelling of them."""
    if len(part) % 4 == 1:
        return None
    raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode() == part else None
