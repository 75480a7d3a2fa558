"""Which keys are fit for which algorithm, and whether a signature is one of theirs.

PyJWT's algorithm objects do the mathematics. Which key they get is decided here, once for each key and not
for each token: a key is of its algorithm's kind, strong enough, and never something public that was taken
for a secret. With a key that is unfit nothing verifies.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from jwt.algorithms import (
    Algorithm as Mathematics,
)
from jwt.algorithms import (
    ECAlgorithm,
    HMACAlgorithm,
    OKPAlgorithm,
    RSAAlgorithm,
    RSAPSSAlgorithm,
)
from jwt.exceptions import InvalidKeyError

from gate.core.keys import Algorithm, Key

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

SHORTEST_RSA_BITS: Final = 2048
# Beyond it a verification costs milliseconds: whoever names such a key slows everybody down.
LONGEST_RSA_BITS: Final = 8192

_MATHEMATICS: Final[dict[Algorithm, Mathematics]] = {
    Algorithm.HS256: HMACAlgorithm(HMACAlgorithm.SHA256),
    Algorithm.HS384: HMACAlgorithm(HMACAlgorithm.SHA384),
    Algorithm.HS512: HMACAlgorithm(HMACAlgorithm.SHA512),
    Algorithm.RS256: RSAAlgorithm(RSAAlgorithm.SHA256),
    Algorithm.PS256: RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    Algorithm.ES256: ECAlgorithm(ECAlgorithm.SHA256, SECP256R1),
    Algorithm.EDDSA: OKPAlgorithm(),
}
_KINDS: Final[dict[Algorithm, tuple[type[PublicKey], str]]] = {
    Algorithm.RS256: (RSAPublicKey, "an RSA key"),
    Algorithm.PS256: (RSAPublicKey, "an RSA key"),
    Algorithm.ES256: (EllipticCurvePublicKey, "a key on the curve P-256"),
    Algorithm.EDDSA: (Ed25519PublicKey, "an Ed25519 key"),
}
# What 65537 generates in the residues of each small prime: the moduli of the library that CVE-2017-15361 is
# about lie in all of these at once; of other moduli one in a hundred million does.
_ROCA: Final = {
    prime: frozenset(pow(65537, power, prime) for power in range(prime))
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
}


class UnfitKeyError(ValueError):
    """A key cannot be used: a sentence for the operator, without any of its material."""


def verifies(key: Key, message: bytes, signature: bytes) -> bool:
    """Whether the signature is the key's, under the key's own algorithm and no other."""
    prepared = _prepare(key)
    return prepared is not None and _MATHEMATICS[key.algorithm].verify(message, prepared, signature)


def make_signature(key: Key, message: bytes) -> bytes:
    """The key's signature of the message. Raises UnfitKeyError for a key that cannot sign."""
    prepared: object = check_material(key.algorithm, key.material)
    if not key.algorithm.symmetric:
        if key.signing is None:
            raise UnfitKeyError("a public key cannot sign")
        prepared = load_der_private_key(key.signing, None)
    return _MATHEMATICS[key.algorithm].sign(message, prepared)


def check_material(algorithm: Algorithm, material: bytes) -> bytes | PublicKey:
    """The secret or the public key, ready for use. Raises UnfitKeyError where it is unfit for the algorithm."""
    if algorithm.symmetric:
        if len(material) < algorithm.shortest_key:
            raise UnfitKeyError(f"{algorithm.value} needs at least {algorithm.shortest_key} bytes")
        try:
            return bytes(_MATHEMATICS[algorithm].prepare_key(material))
        except InvalidKeyError:
            raise UnfitKeyError("this is a key file, not a secret: bring it in with file") from None
    try:
        public = load_der_public_key(material)
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitKeyError("this is not a public key") from None
    return check_public_key(algorithm, public)


def check_public_key(algorithm: Algorithm, public: object) -> PublicKey:
    """The public key, fit for the algorithm. Raises UnfitKeyError where it is not."""
    kind, words = _KINDS[algorithm]
    curve = getattr(public, "curve", None)
    if not isinstance(public, kind) or not (curve is None or isinstance(curve, SECP256R1)):
        raise UnfitKeyError(f"{algorithm.value} needs {words}")
    if isinstance(public, RSAPublicKey):
        if not SHORTEST_RSA_BITS <= public.key_size <= LONGEST_RSA_BITS:
            raise UnfitKeyError(f"an RSA key has {SHORTEST_RSA_BITS} to {LONGEST_RSA_BITS} bits here")
        modulus = public.public_numbers().n
        if all(modulus % prime in residues for prime, residues in _ROCA.items()):
            raise UnfitKeyError("the RSA key comes from a faulty generator (CVE-2017-15361): make another")
    return public


@lru_cache(maxsize=4096)
def _prepare(key: Key) -> Any | None:
    try:
        return check_material(key.algorithm, key.material)
    except UnfitKeyError:
        return None
