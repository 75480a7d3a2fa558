"""Keys: the policy chooses the algorithm, never the token."""

from __future__ import annotations

import pytest

from gate.core.keys import Algorithm, Key, Keyring
from gate.core.reasons import Deny, Reason

ONE = Key("k1", Algorithm.HS256, b"1" * 32)
TWO = Key("k2", Algorithm.HS512, b"2" * 64)


def refused(picked: Key | Deny) -> Reason:
    assert isinstance(picked, Deny)
    return picked.reason


def test_a_key_is_found_by_its_kid() -> None:
    ring = Keyring([ONE, TWO])
    assert ring.pick("k1", "HS256") is ONE
    assert ring.pick("k2", "HS512") is TWO
    assert list(ring) == [ONE, TWO]
    assert len(ring) == 2


def test_an_only_key_needs_no_kid_and_several_do() -> None:
    assert Keyring([ONE]).pick(None, "HS256") is ONE
    assert refused(Keyring([ONE, TWO]).pick(None, "HS256")) is Reason.UNKNOWN_KEY
    assert refused(Keyring([]).pick(None, "HS256")) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("kid", ["", "k3", "K1", "../k1", "k1\x00", "0"])
def test_an_unknown_kid_is_unknown_even_beside_an_only_key(kid: str) -> None:
    assert refused(Keyring([ONE]).pick(kid, "HS256")) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "hs256", "HS384", "HS512", "RS256"])
def test_the_header_never_chooses_the_algorithm(algorithm: str) -> None:
    assert refused(Keyring([ONE]).pick("k1", algorithm)) is Reason.TOKEN_ALGORITHM
    assert refused(Keyring([ONE]).pick(None, algorithm)) is Reason.TOKEN_ALGORITHM


def test_a_key_is_as_long_as_its_hash() -> None:
    lengths = {algorithm.value: algorithm.shortest_key for algorithm in Algorithm}
    assert {name: lengths[name] for name in ("HS256", "HS384", "HS512")} == {
        "HS256": 32,
        "HS384": 48,
        "HS512": 64,
    }


def test_the_material_is_in_no_text() -> None:
    secret = Key("k1", Algorithm.HS256, b"do-not-print-me-do-not-print-me!")
    for text in (repr(secret), str(secret), f"{secret}", repr([secret]), repr(Keyring([secret]))):
        assert "print" not in text
    assert "k1" in repr(secret)
