"""PEM files: one key, public or private, and no certificate."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from gate.core.keys import Algorithm, Key
from gate.formats.pem import read_pem, write_pem
from gate.formats.signatures import UnfitKeyError

Keys = dict[Algorithm, Key]
ASYMMETRIC = [algorithm for algorithm in Algorithm if not algorithm.symmetric]


def unfit(raw: bytes, algorithm: Algorithm | None = None) -> str:
    with pytest.raises(UnfitKeyError) as caught:
        read_pem(raw, algorithm)
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_what_is_written_reads_the_same(keys: Keys, algorithm: Algorithm) -> None:
    key = keys[algorithm]
    private = read_pem(write_pem(key, private=True), algorithm, key.kid)
    public = read_pem(b"a comment\n" + write_pem(key, private=False), algorithm, key.kid)
    assert (private, private.signing) == (key, key.signing)
    assert (public, public.signing) == (key, None)
    assert b"PRIVATE" not in write_pem(key, private=False)


def test_without_a_policy_it_is_the_usual_algorithm_and_its_thumbprint(keys: Keys) -> None:
    usual = {algorithm: read_pem(write_pem(keys[algorithm], private=False)) for algorithm in ASYMMETRIC}
    assert [key.algorithm.value for key in usual.values()] == ["RS256", "RS256", "ES256", "EdDSA"]
    assert len({key.kid for key in usual.values()}) == 4


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_older_forms(keys: Keys, form: PrivateFormat) -> None:
    for algorithm in (Algorithm.RS256, Algorithm.ES256):
        private = load_der_private_key(keys[algorithm].signing or b"", None)
        raw = private.private_bytes(Encoding.PEM, form, NoEncryption())
        assert read_pem(raw, kid=algorithm.value) == keys[algorithm]
    public = load_der_public_key(keys[Algorithm.RS256].material)
    assert read_pem(public.public_bytes(Encoding.PEM, PublicFormat.PKCS1), kid="RS256") == keys[Algorithm.RS256]


def test_what_is_refused(keys: Keys) -> None:
    public = write_pem(keys[Algorithm.ES256], private=False)
    private = load_der_private_key(keys[Algorithm.ES256].signing or b"", None)
    sealed = BestAvailableEncryption(b"passphrase")
    assert unfit(b"") == unfit(b"hello") == "this is neither a PEM file nor a JWK"
    assert unfit(public * 2) == "a PEM file holds one key"
    assert "certificate" in unfit(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        assert "passphrase" in unfit(private.private_bytes(Encoding.PEM, form, sealed))
    openssh = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    assert "neither a public key" in unfit(openssh)
    assert unfit(public.replace(b"M", b"N", 1)) == "the PEM block does not hold a key"
    assert unfit(public, Algorithm.RS256) == "RS256 needs an RSA key"
    assert unfit(public, Algorithm.HS256).startswith("HS256 needs a secret")


def test_halves_that_are_not_there_are_not_written(keys: Keys) -> None:
    with pytest.raises(UnfitKeyError, match="a secret has no PEM form"):
        write_pem(keys[Algorithm.HS256], private=True)
    with pytest.raises(UnfitKeyError, match="only the public half"):
        write_pem(read_pem(write_pem(keys[Algorithm.ES256], private=False)), private=True)


def test_curve_parameters_in_front_of_a_key() -> None:
    """As `openssl ecparam -genkey` writes it."""
    private = generate_private_key(SECP256R1())
    raw = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    preface = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert read_pem(preface + raw).material == read_pem(raw).material
