"""The keys that an application's tokens are verified with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from gate.core.reasons import Deny, Reason


class Algorithm(Enum):
    """JWS algorithms (RFC 7518, section 3.1). A key has exactly one; the token's header never chooses."""

    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"

    @property
    def shortest_key(self) -> int:
        """Bytes: a key must be as long as the hash (RFC 7518, section 3.2)."""
        return {"HS256": 32, "HS384": 48, "HS512": 64}[self.value]


@dataclass(frozen=True, slots=True)
class Key:
    """One verification key. `material` never leaves this process and is not in its repr."""

    kid: str
    algorithm: Algorithm
    material: bytes

    def __repr__(self) -> str:
        return f"Key(kid={self.kid!r}, algorithm={self.algorithm.value})"


class Keyring:
    """The keys of one application, by ``kid``."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.kid: key for key in keys}

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def pick(self, kid: str | None, algorithm: str) -> Key | Deny:
        """The key that a token's header asks for; a token without a ``kid`` is served by an only key.

        Refused with UNKNOWN_KEY or, where the header's algorithm is not the key's own, TOKEN_ALGORITHM.
        """
        if kid is None:
            if len(self._keys) != 1:
                return Deny(Reason.UNKNOWN_KEY, "the token names no key (kid), and the application has several")
            key = next(iter(self._keys.values()))
        elif (found := self._keys.get(kid)) is None:
            return Deny(Reason.UNKNOWN_KEY)
        else:
            key = found
        if algorithm != key.algorithm.value:
            return Deny(Reason.TOKEN_ALGORITHM)
        return key
