"""Keys in PEM files (RFC 7468): a public key, or a private one, whose public half then verifies.

A certificate is refused. It would say of itself until when it is good and who vouches for it, and the gate
would ask neither: better to take the key out of it and to know that one trusts a bare key.
"""

from __future__ import annotations

import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from gate.core.keys import Algorithm, Key
from gate.formats.jwk import make_key
from gate.formats.signatures import UnfitKeyError

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
# What some tools write in front of a key on a curve.
_PREFACE: Final = b"EC PARAMETERS"
_PUBLIC: Final = frozenset({b"PUBLIC KEY", b"RSA PUBLIC KEY"})
_PRIVATE: Final = frozenset({b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY"})


def read_pem(raw: bytes, algorithm: Algorithm | None = None, kid: str | None = None) -> Key:
    """The key in `raw`. Without an algorithm it is the usual one of its kind; without a kid, its thumbprint.

    Raises UnfitKeyError.
    """
    labels = [label for label in _BLOCK.findall(raw) if label != _PREFACE]
    if len(labels) != 1:
        raise UnfitKeyError("a PEM file holds one key" if labels else "this is neither a PEM file nor a JWK")
    (label,) = labels
    if label == b"CERTIFICATE":
        raise UnfitKeyError("this is a certificate: take its key out with openssl x509 -noout -pubkey")
    if label == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in raw:
        raise UnfitKeyError("the private key has a passphrase: the gate needs the public key only")
    if label not in _PUBLIC | _PRIVATE:
        raise UnfitKeyError("this is neither a public key (PUBLIC KEY) nor a private one (PRIVATE KEY)")
    try:
        private = load_pem_private_key(raw, None) if label in _PRIVATE else None
        public = load_pem_public_key(raw) if private is None else private.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnfitKeyError("the PEM block does not hold a key") from None
    return make_key(public, private, algorithm, kid)


def write_pem(key: Key, *, private: bool) -> bytes:
    """The key as a PEM file: its private half (PKCS #8), or its public one (SubjectPublicKeyInfo).

    Raises UnfitKeyError where the key has no such half.
    """
    if key.algorithm.symmetric:
        raise UnfitKeyError("a secret has no PEM form")
    if not private:
        public = load_der_public_key(key.material)
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if key.signing is None:
        raise UnfitKeyError("only the public half of this key is known")
    return load_der_private_key(key.signing, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
