"""JSON Web Keys and sets of them (RFC 7517, RFC 7518 section 6, RFC 8037): text in, `Key` values out.

Read strictly: every JSON key once, one spelling of base64url, a private half only where it belongs to its
public one. What a key says of itself binds it: ``alg`` is its algorithm, ``use`` and ``key_ops`` must let it
verify. What it does not say its policy says, else its kind: RS256 for RSA, as identity providers that leave
``alg`` out mean it (OpenID Connect Core, section 2), ES256 for EC, EdDSA for Ed25519, HS256 for a secret.

Within a set, keys for other work (encryption, other algorithms) are passed over, as RFC 7517, section 5 has
it; with an algorithm from the policy, keys of any other are. What is refused as a whole: two keys of one
``kid``, since it would depend on the reader which of them counts, and secrets beside public keys, since
whoever may read the ones would then know the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

from gate.core.keys import Algorithm, Key
from gate.formats import base64url
from gate.formats.signatures import UnfitKeyError, check_material, check_public_key
from gate.formats.strict_json import read_object

LONGEST_KID: Final = 128
MOST_KEYS: Final = 100

_KINDS: Final[dict[str, tuple[Any, Algorithm]]] = {
    "RSA": (RSAAlgorithm, Algorithm.RS256),
    "EC": (ECAlgorithm, Algorithm.ES256),
    "OKP": (OKPAlgorithm, Algorithm.EDDSA),
}
_PUBLIC: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_PRIVATE: Final = {"RSA": ("d", "p", "q", "dp", "dq", "qi"), "EC": ("d",), "OKP": ("d",)}
_ALGORITHMS: Final = {algorithm.value: algorithm for algorithm in Algorithm}
_FITTING: Final = {
    "RSA": (Algorithm.RS256, Algorithm.PS256),
    "EC": (Algorithm.ES256,),
    "OKP": (Algorithm.EDDSA,),
    "oct": tuple(algorithm for algorithm in Algorithm if algorithm.symmetric),
}
_CURVES: Final = {"EC": "P-256", "OKP": "Ed25519"}


class LeakedKeysError(UnfitKeyError):
    """What keys sign with is published: whatever they verify may be anybody's."""


class _OtherWorkError(UnfitKeyError):
    """The key may be good, but not for the tokens of the gate: a set passes over it."""


def read_jwk(raw: bytes, algorithm: Algorithm | None = None, kid: str | None = None) -> Key:
    """The key in `raw`, one JWK. `algorithm` and `kid` are its policy's: it must not say otherwise.

    Without any kid it is its thumbprint (RFC 7638). Raises UnfitKeyError.
    """
    jwk = read_object(raw.strip())
    if jwk is None:
        raise UnfitKeyError("this is not one JSON object with every key once")
    if "keys" in jwk:
        raise UnfitKeyError("this is a set of keys: bring it in with jwks_file")
    return _read(jwk, algorithm, kid)


def read_jwk_set(raw: bytes, algorithm: Algorithm | None = None, *, published: bool = False) -> tuple[Key, ...]:
    """The keys in `raw`, a JWK set, that verify tokens: at least one. `algorithm`: only keys of that one.

    `published` tells that it came from where everybody can read it: a faulty key is passed over, because
    the others still serve; there may be none, since that is how an issuer takes out its last one; and a set
    with secrets or private keys is worth nothing (LeakedKeysError). Raises UnfitKeyError.
    """
    jwks = read_object(raw.strip())
    if jwks is None:
        raise UnfitKeyError("this is not one JSON object with every key once")
    entries = jwks.get("keys")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnfitKeyError("this is not a set of keys: it has no list of them (keys)")
    if len(entries) > MOST_KEYS:
        raise UnfitKeyError(f"a set holds at most {MOST_KEYS} keys")
    secret = [entry.get("kty") == "oct" for entry in entries]
    if any(secret) and not all(secret):
        raise UnfitKeyError("the set holds secrets and public keys: keep them apart")
    if published and (any(secret) or any("d" in entry for entry in entries)):
        raise LeakedKeysError("the set publishes secrets or private keys: none of its keys can be trusted")
    keys: dict[str, Key] = {}
    for at, entry in enumerate(entries):
        try:
            key = _read_of_set(entry, algorithm)
        except _OtherWorkError:
            continue
        except UnfitKeyError as error:
            if published:
                continue
            raise UnfitKeyError(f"keys[{at}]: {error}") from None
        if key.kid in keys:
            raise UnfitKeyError(f"keys[{at}]: its kid names another key of the set")
        keys[key.kid] = key
    if not keys and not published:
        raise UnfitKeyError("no key of the set verifies tokens")
    return tuple(keys.values())


def make_key(
    public: object, private: Any | None, algorithm: Algorithm | None = None, kid: str | None = None
) -> Key:
    """The key of a public key and, where it is at hand, its private half. Raises UnfitKeyError.

    Without an algorithm it is the usual one of the key's kind; without a kid, its thumbprint.
    """
    algorithm = algorithm or _usual(public)
    if algorithm.symmetric:
        raise UnfitKeyError(f"{algorithm.value} needs a secret, and this is a public or private key")
    der = Encoding.DER
    return Key(
        kid=kid or thumbprint(_members(public)),
        algorithm=algorithm,
        material=check_public_key(algorithm, public).public_bytes(der, PublicFormat.SubjectPublicKeyInfo),
        signing=private and private.private_bytes(der, PrivateFormat.PKCS8, NoEncryption()),
    )


def write_jwk(key: Key, *, private: bool) -> dict[str, str]:
    """The key as a JWK: with what it signs with, or with its public half only.

    Raises UnfitKeyError where the key has no such half: a secret has no public one.
    """
    said = {"kid": key.kid, "alg": key.algorithm.value, "use": "sig"}
    if key.algorithm.symmetric:
        if not private:
            raise UnfitKeyError("a secret has no public half")
        return {"kty": "oct", **said, "k": base64url.encode(key.material)}
    if not private:
        return {**_members(load_der_public_key(key.material)), **said}
    if key.signing is None:
        raise UnfitKeyError("only the public half of this key is known")
    return {**_members(load_der_private_key(key.signing, None)), **said}


def thumbprint(members: Mapping[str, str]) -> str:
    """The SHA-256 thumbprint of a public JWK (RFC 7638)."""
    needed = {name: members[name] for name in ("kty", "crv", *_PUBLIC[members["kty"]]) if name in members}
    text = json.dumps(needed, separators=(",", ":"), sort_keys=True)
    return base64url.encode(hashlib.sha256(text.encode()).digest())


def _read(jwk: Mapping[str, Any], algorithm: Algorithm | None, kid: str | None) -> Key:
    said = _said_algorithm(jwk)
    if algorithm is not None and said is not None and said is not algorithm:
        raise UnfitKeyError(f"its alg is {said.value}, and the policy says {algorithm.value}")
    own = jwk.get("kid")
    if own is not None and (not isinstance(own, str) or not 0 < len(own) <= LONGEST_KID):
        raise UnfitKeyError(f"its kid is not a text of 1 to {LONGEST_KID} characters")
    if kid is not None and own is not None and kid != own:
        raise UnfitKeyError(f"its kid is {own!r}, and the policy says {kid!r}")
    _check_purpose(jwk)
    algorithm, kid = algorithm or said, kid or own
    kind = jwk.get("kty")
    if kind == "oct":
        return _read_secret(jwk, algorithm or Algorithm.HS256, kid)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _OtherWorkError("its kty is none of RSA, EC, OKP and oct")
    mathematics, usual = _KINDS[kind]
    algorithm = algorithm or usual
    curve = {"crv": _text(jwk, "crv")} if kind in _CURVES else {}
    if said is None and curve and curve["crv"] != _CURVES[kind]:
        raise _OtherWorkError(f"{algorithm.value} needs the curve {_CURVES[kind]}")
    members = {"kty": kind, **curve, **{name: _text(jwk, name) for name in _PUBLIC[kind]}}
    public = _build(mathematics, members)
    private = None
    if "d" in jwk:
        # A private half of another key is not built.
        private = _build(mathematics, {**members, **{name: _text(jwk, name) for name in _PRIVATE[kind]}})
    return make_key(public, private, algorithm, kid)


def _read_of_set(jwk: Mapping[str, Any], algorithm: Algorithm | None) -> Key:
    """The key, or _OtherWorkError where it is not of the algorithm that is looked for."""
    if algorithm is not None:
        kind = jwk.get("kty")
        fits = algorithm in _FITTING.get(kind, ()) if isinstance(kind, str) else False
        if not fits or _said_algorithm(jwk) not in (None, algorithm):
            raise _OtherWorkError("it is of another algorithm")
    return _read(jwk, algorithm, None)


def _read_secret(jwk: Mapping[str, Any], algorithm: Algorithm, kid: str | None) -> Key:
    if not algorithm.symmetric:
        raise UnfitKeyError(f"{algorithm.value} needs a public key, and this is a secret (oct)")
    if kid is None:
        raise UnfitKeyError("a secret needs a kid")
    material = base64url.decode(_text(jwk, "k")) or b""
    check_material(algorithm, material)
    return Key(kid, algorithm, material)


def _said_algorithm(jwk: Mapping[str, Any]) -> Algorithm | None:
    if (said := jwk.get("alg")) is None:
        return None
    if not isinstance(said, str) or said not in _ALGORITHMS:
        raise _OtherWorkError(f"its alg is none of {', '.join(_ALGORITHMS)}")
    return _ALGORITHMS[said]


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise _OtherWorkError("its use is not sig")
    # What a private key does is to sign (RFC 7517, section 4.3); its public half verifies.
    allowed = {"verify", "sign"} if "d" in jwk else {"verify"}
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not any(word in operations for word in allowed):
        raise _OtherWorkError("its key_ops do not hold verify")


def _text(jwk: Mapping[str, Any], name: str) -> str:
    """A member that is base64url, or a curve's name, which looks like it."""
    value = jwk.get(name)
    if not isinstance(value, str) or not value or (name != "crv" and base64url.decode(value) is None):
        raise UnfitKeyError(f"its {name} is missing, or is not base64url")
    return value


def _build(mathematics: Any, members: dict[str, str]) -> Any:
    try:
        return mathematics.from_jwk(members)
    except (InvalidKeyError, ValueError, UnsupportedAlgorithm):
        raise UnfitKeyError("its numbers are not those of a key") from None


def _usual(public: object) -> Algorithm:
    kinds = {RSAPublicKey: "RSA", EllipticCurvePublicKey: "EC", Ed25519PublicKey: "OKP"}
    for kind, name in kinds.items():
        if isinstance(public, kind):
            return _KINDS[name][1]
    raise UnfitKeyError("the gate verifies with RSA, P-256 and Ed25519 keys")


def _members(key: Any) -> dict[str, str]:
    """The members of the key's JWK that are the key itself, and its kty."""
    name = "RSA" if "RSA" in type(key).__name__ else "EC" if hasattr(key, "curve") else "OKP"
    members: dict[str, Any] = _KINDS[name][0].to_jwk(key, as_dict=True)
    wanted = ("kty", "crv", *_PUBLIC[name], *_PRIVATE[name])
    return {member: members[member] for member in wanted if member in members}
