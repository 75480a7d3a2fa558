"""The secret of an API key as the store holds it: sealed, so that who reads the store signs no tokens.

    text = base64url( key id (4 bytes) || nonce (12) || AES-256-GCM( secret, aad = application and key ) )

The additional data binds it to its place: a secret that was moved to another key or application opens no more.
The sealing keys are the policy's; the first of them seals, all open, so that they can be changed.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE: Final = 12
_ID: Final = 4
_TAG: Final = 16


def seal_secret(sealing: Sequence[bytes], application: str, key: str, secret: bytes, nonce: bytes) -> str:
    """The secret of the API key `key`, sealed with the first of `sealing`. `nonce` is 12 fresh random bytes."""
    if len(nonce) != NONCE:
        raise ValueError(f"a secret is sealed with {NONCE} random bytes")
    sealed = AESGCM(sealing[0]).encrypt(nonce, secret, _bind(application, key))
    return urlsafe_b64encode(_name(sealing[0]) + nonce + sealed).rstrip(b"=").decode()


def unseal_secret(sealing: Sequence[bytes], application: str, key: str, text: str) -> bytes | None:
    """The secret in `text`; None where none of `sealing` has sealed it for this API key. Total."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    nonce, sealed = raw[_ID : _ID + NONCE], raw[_ID + NONCE :]
    opener = next((each for each in sealing if _name(each) == raw[:_ID]), None)
    if opener is None or len(sealed) < _TAG:
        return None
    try:
        return AESGCM(opener).decrypt(nonce, sealed, _bind(application, key))
    except InvalidTag:
        return None


def _name(sealing: bytes) -> bytes:
    """The four bytes by which a sealed secret names what has sealed it: a digest, which says nothing of it."""
    return hashlib.sha256(b"gate api key seal" + sealing).digest()[:_ID]


def _bind(application: str, key: str) -> bytes:
    scope = application.encode("utf-8", "surrogatepass")
    return f"gate api key 1:{len(scope)}:".encode() + scope + b":" + key.encode("utf-8", "surrogatepass")
