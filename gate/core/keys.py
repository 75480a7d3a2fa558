"""The keys that an application's tokens are verified with.

A key has one algorithm, and its policy says which. A token's header names a key; that the header names the
key's algorithm too is checked, never followed: a public key cannot come to serve as the secret of an HMAC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from gate.core.reasons import Deny, Reason


class Algorithm(Enum):
    """JWS algorithms (RFC 7518, section 3.1; RFC 8037 for EdDSA, which is Ed25519 here)."""

    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"
    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"

    @property
    def symmetric(self) -> bool:
        """Whether what verifies also signs: such a key is a secret."""
        return self in _SHORTEST

    @property
    def shortest_key(self) -> int:
        """Bytes: a secret must be as long as the hash (RFC 7518, section 3.2). 0 for public keys."""
        return _SHORTEST.get(self, 0)


_SHORTEST: Final = {Algorithm.HS256: 32, Algorithm.HS384: 48, Algorithm.HS512: 64}
_PUBLIC: Final = frozenset(algorithm.value for algorithm in Algorithm if not algorithm.symmetric)


@dataclass(frozen=True, slots=True)
class Key:
    """One verification key. `material` is a secret as it is, or a public key as DER (SubjectPublicKeyInfo).

    `signing` is the private half of a public key, where it is at hand, as DER (PKCS #8): tokens are minted
    with it, and nothing else needs it. Neither leaves this process, and neither is in the repr.
    """

    kid: str
    algorithm: Algorithm
    material: bytes
    signing: bytes | None = field(default=None, compare=False)

    @property
    def signs(self) -> bool:
        """Whether tokens can be minted with it."""
        return self.algorithm.symmetric or self.signing is not None

    def __repr__(self) -> str:
        return f"Key(kid={self.kid!r}, algorithm={self.algorithm.value})"


@dataclass(frozen=True, slots=True)
class UnknownKey(Deny):
    """The refusal of a token whose key is not in the ring and could be one that is published elsewhere.

    `kid` is the token's word for it, None where it has none; whoever sent the token chose it. To everybody
    who cannot fetch keys it is a refusal like any other.
    """

    kid: str | None = None


class Keyring:
    """The keys of one application, by ``kid``. A ring never changes: another one takes its place."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: Mapping[str, Key] = MappingProxyType({key.kid: key for key in keys})

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, kid: object) -> bool:
        return kid in self._keys

    def holds(self, keys: Iterable[Key]) -> bool:
        """Whether each of those keys is here, and the same: what they verified is still verified."""
        return all(self._keys.get(key.kid) == key for key in keys)

    def joined(self, keys: Iterable[Key]) -> Keyring:
        """A ring with those keys too. A kid that is here already keeps its key: nobody else can replace it."""
        return Keyring([*(key for key in keys if key.kid not in self._keys), *self])

    def pick(self, kid: str | None, algorithm: str) -> Key | Deny:
        """The key that a token's header asks for; without a ``kid``, the only one of its algorithm.

        Refused with UNKNOWN_KEY or, where the header's algorithm is no key's own, TOKEN_ALGORITHM. The
        refusal is an `UnknownKey` where a key from elsewhere could help: a published key is no secret.
        """
        if kid is None:
            meant = [key for key in self if key.algorithm.value == algorithm]
            if len(meant) > 1:
                return Deny(Reason.UNKNOWN_KEY, "the token names no key (kid), and several could be meant")
            if meant:
                return meant[0]
            reason = Reason.TOKEN_ALGORITHM if self._keys else Reason.UNKNOWN_KEY
        elif (key := self._keys.get(kid)) is not None:
            return key if algorithm == key.algorithm.value else Deny(Reason.TOKEN_ALGORITHM)
        else:
            reason = Reason.UNKNOWN_KEY
        return UnknownKey(reason, kid=kid) if algorithm in _PUBLIC else Deny(reason)
