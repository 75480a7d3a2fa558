"""Keys: the policy chooses the algorithm, never the token."""

from __future__ import annotations

import pytest

from gate.core.keys import Algorithm, Key, Keyring, UnknownKey
from gate.core.reasons import Deny, Reason

ONE = Key("k1", Algorithm.HS256, b"1" * 32)
TWO = Key("k2", Algorithm.HS512, b"2" * 64)
TWIN = Key("k3", Algorithm.HS256, b"3" * 32)
PUBLIC = Key("k4", Algorithm.ES256, b"a public key")
PUBLISHED = ["RS256", "PS256", "ES256", "EdDSA"]


def refused(picked: Key | Deny) -> Reason:
    assert isinstance(picked, Deny)
    return picked.reason


def test_a_key_is_found_by_its_kid() -> None:
    ring = Keyring([ONE, TWO])
    assert ring.pick("k1", "HS256") is ONE
    assert ring.pick("k2", "HS512") is TWO
    assert list(ring) == [ONE, TWO]
    assert len(ring) == 2


def test_without_a_kid_the_only_key_of_the_algorithm_is_meant() -> None:
    assert Keyring([ONE]).pick(None, "HS256") is ONE
    ring = Keyring([ONE, TWO, PUBLIC])
    assert [ring.pick(None, name) for name in ("HS256", "HS512", "ES256")] == [ONE, TWO, PUBLIC]
    assert refused(ring.pick(None, "HS384")) is Reason.TOKEN_ALGORITHM
    assert refused(Keyring([ONE, TWIN]).pick(None, "HS256")) is Reason.UNKNOWN_KEY
    assert refused(Keyring([]).pick(None, "HS256")) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_what_a_published_key_could_mend_is_an_unknown_key(algorithm: str) -> None:
    ring = Keyring([ONE])
    assert ring.pick("new", algorithm) == UnknownKey(Reason.UNKNOWN_KEY, kid="new")
    assert ring.pick(None, algorithm) == UnknownKey(Reason.TOKEN_ALGORITHM, kid=None)
    assert Keyring([]).pick(None, algorithm) == UnknownKey(Reason.UNKNOWN_KEY, kid=None)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "none", "NONE", "", "RS512", "ES256 ", "eddsa"])
def test_what_no_published_key_could_mend_is_plainly_refused(algorithm: str) -> None:
    """A token of which no key will ever verify must not make anybody ask for keys."""
    for kid in ("new", None):
        refusal = Keyring([PUBLIC]).pick(kid, algorithm)
        assert isinstance(refusal, Deny)
        assert not isinstance(refusal, UnknownKey)


def test_a_kid_that_is_known_asks_for_no_other_key() -> None:
    for algorithm in ("RS256", "PS256", "EdDSA"):
        assert Keyring([PUBLIC]).pick("k4", algorithm) == Deny(Reason.TOKEN_ALGORITHM)
    two = Keyring([PUBLIC, Key("k5", Algorithm.ES256, b"another")])
    assert not isinstance(two.pick(None, "ES256"), UnknownKey | Key)


def test_a_ring_with_other_keys_is_another_ring() -> None:
    ring = Keyring([ONE, TWO])
    usurper = Key("k1", Algorithm.ES256, b"somebody's")
    joined = ring.joined([usurper, PUBLIC])
    assert set(joined) == {ONE, TWO, PUBLIC}
    assert joined.pick("k1", "HS256") is ONE
    assert refused(joined.pick("k1", "ES256")) is Reason.TOKEN_ALGORITHM
    assert list(ring) == [ONE, TWO]


def test_a_ring_says_whose_keys_it_holds() -> None:
    ring = Keyring([ONE, TWO])
    assert "k1" in ring
    assert "k4" not in ring
    assert None not in ring
    assert ring.holds([])
    assert ring.holds([TWO])
    assert not ring.holds([TWO, PUBLIC])
    assert not ring.holds([Key("k1", Algorithm.HS256, b"9" * 32)])


def test_what_signs() -> None:
    assert ONE.signs
    assert not PUBLIC.signs
    assert Key("k4", Algorithm.ES256, b"a public key", b"its private half").signs
    assert Key("k4", Algorithm.ES256, b"a public key", b"its private half") == PUBLIC


def test_only_secrets_are_symmetric() -> None:
    assert [algorithm.value for algorithm in Algorithm if not algorithm.symmetric] == PUBLISHED
    assert all(algorithm.shortest_key == 0 for algorithm in Algorithm if not algorithm.symmetric)


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
    secret = Key("k1", Algorithm.HS256, b"do-not-print-me-do-not-print-me!", b"nor print me")
    for text in (repr(secret), str(secret), f"{secret}", repr([secret]), repr(Keyring([secret]))):
        assert "print" not in text
    assert "k1" in repr(secret)
