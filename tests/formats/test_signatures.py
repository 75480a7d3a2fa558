"""A signature is one key's, under one algorithm; and a key that is unfit verifies and signs nothing."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.keys import Algorithm, Key
from gate.formats.signatures import (
    LONGEST_RSA_BITS,
    UnfitKeyError,
    check_material,
    check_public_key,
    make_signature,
    verifies,
)

Keys = dict[Algorithm, Key]
ASYMMETRIC = [algorithm for algorithm in Algorithm if not algorithm.symmetric]
UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def spki(public: object) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


@pytest.mark.parametrize("algorithm", Algorithm)
def test_what_a_key_signs_it_verifies_and_no_other_does(keys: Keys, algorithm: Algorithm) -> None:
    signature = make_signature(keys[algorithm], b"message")
    assert [each for each in Algorithm if verifies(keys[each], b"message", signature)] == [algorithm]
    assert not verifies(keys[algorithm], b"massage", signature)


def test_a_signature_is_as_long_as_its_algorithm_says(keys: Keys) -> None:
    """RFC 7518, section 3.4: ES256 is two numbers of 32 bytes side by side, not their DER."""
    lengths = {algorithm.value: len(make_signature(key, b"x")) for algorithm, key in keys.items()}
    assert lengths == {
        "HS256": 32,
        "HS384": 48,
        "HS512": 64,
        "RS256": 256,
        "PS256": 256,
        "ES256": 64,
        "EdDSA": 64,
    }


@UNHURRIED
@given(st.sampled_from(Algorithm), st.binary(max_size=300))
def test_any_bytes_for_a_signature_do_not_verify(keys: Keys, algorithm: Algorithm, signature: bytes) -> None:
    assert verifies(keys[algorithm], b"message", signature) is False


@UNHURRIED
@given(st.sampled_from(Algorithm), st.data())
def test_one_altered_bit_is_one_too_many(keys: Keys, algorithm: Algorithm, data: st.DataObject) -> None:
    signature = bytearray(make_signature(keys[algorithm], b"message"))
    bit = data.draw(st.integers(0, 8 * len(signature) - 1))
    signature[bit // 8] ^= 1 << bit % 8
    assert verifies(keys[algorithm], b"message", bytes(signature)) is False


def test_a_public_key_signs_nothing(keys: Keys) -> None:
    key = keys[Algorithm.ES256]
    with pytest.raises(UnfitKeyError, match="a public key cannot sign"):
        make_signature(Key(key.kid, key.algorithm, key.material), b"x")


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_key_of_another_kind_is_unfit(keys: Keys, algorithm: Algorithm) -> None:
    rsa_pair = {Algorithm.RS256, Algorithm.PS256}
    for other, key in keys.items():
        if other is algorithm or {other, algorithm} <= rsa_pair:
            continue
        mistaken = Key("k", algorithm, key.material, key.signing)
        assert not verifies(mistaken, b"x", make_signature(key, b"x"))
        with pytest.raises(UnfitKeyError):
            make_signature(mistaken, b"x")


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_public_keys_that_no_algorithm_of_the_gate_takes(algorithm: Algorithm) -> None:
    for private in (
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(1024),
        rsa.generate_private_key(65537, 1024),
    ):
        with pytest.raises(UnfitKeyError):
            check_material(algorithm, spki(private.public_key()))


def test_sizes_of_rsa_keys() -> None:
    """A modulus need not be a product of primes to be weighed."""

    def sized(bits: int) -> rsa.RSAPublicKey:
        return rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()

    for bits in (2048, LONGEST_RSA_BITS):
        check_public_key(Algorithm.RS256, sized(bits))
    for bits in (1024, 2047, LONGEST_RSA_BITS + 1):
        with pytest.raises(UnfitKeyError, match="an RSA key has 2048 to 8192 bits here"):
            check_public_key(Algorithm.PS256, sized(bits))


def test_good_rsa_keys_are_not_taken_for_faulty_ones(keys: Keys) -> None:
    for bits in range(2048, 2148):
        check_public_key(Algorithm.RS256, rsa.RSAPublicNumbers(3, (1 << bits) + 0x10001).public_key())


@pytest.mark.parametrize(
    ("material", "problem"),
    [
        (b"", "HS256 needs at least 32 bytes"),
        (b"x" * 31, "HS256 needs at least 32 bytes"),
        (b"-----BEGIN PUBLIC KEY-----\n" + b"x" * 40 + b"\n-----END PUBLIC KEY-----\n", "this is a key file"),
        (b"ssh-rsa " + b"A" * 60, "this is a key file"),
        (b'{"kty":"oct","k":"' + b"A" * 43 + b'"}', "this is a key file"),
        (spki(ed25519.Ed25519PrivateKey.generate().public_key()), "this is a key file"),
    ],
)
def test_what_is_no_secret(material: bytes, problem: str) -> None:
    with pytest.raises(UnfitKeyError, match=problem):
        check_material(Algorithm.HS256, material)
    key = Key("k", Algorithm.HS256, material)
    assert not verifies(key, b"x", b"y" * 32)
    with pytest.raises(UnfitKeyError, match=problem):
        make_signature(key, b"x")


@pytest.mark.parametrize("material", [b"", b"x" * 40, b"-----BEGIN PUBLIC KEY-----"])
def test_what_is_no_public_key(material: bytes) -> None:
    with pytest.raises(UnfitKeyError, match="this is not a public key"):
        check_material(Algorithm.ES256, material)
