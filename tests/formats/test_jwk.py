"""JSON Web Keys: what a key says of itself binds it, and what is not quite a key is none."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.keys import Algorithm, Key
from gate.formats.base64url import decode, encode
from gate.formats.jwk import (
    MOST_KEYS,
    LeakedKeysError,
    make_key,
    read_jwk,
    read_jwk_set,
    thumbprint,
    write_jwk,
)
from gate.formats.signatures import UnfitKeyError

Keys = dict[Algorithm, Key]
Jwk = dict[str, Any]
UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
ASYMMETRIC = [algorithm for algorithm in Algorithm if not algorithm.symmetric]


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def without(jwk: Jwk, *names: str, **members: Any) -> Jwk:
    return {**{name: value for name, value in jwk.items() if name not in names}, **members}


def unfit(jwk: object, algorithm: Algorithm | None = None, kid: str | None = None) -> str:
    with pytest.raises(UnfitKeyError) as caught:
        read_jwk(jwk if isinstance(jwk, bytes) else raw(jwk), algorithm, kid)
    return str(caught.value)


def unfit_set(jwks: object, algorithm: Algorithm | None = None, *, published: bool = False) -> str:
    with pytest.raises(UnfitKeyError) as caught:
        read_jwk_set(jwks if isinstance(jwks, bytes) else raw(jwks), algorithm, published=published)
    return str(caught.value)


@pytest.fixture
def es(keys: Keys) -> Jwk:
    return write_jwk(keys[Algorithm.ES256], private=False)


@pytest.fixture
def rs(keys: Keys) -> Jwk:
    return write_jwk(keys[Algorithm.RS256], private=False)


@pytest.fixture
def hs(keys: Keys) -> Jwk:
    return write_jwk(keys[Algorithm.HS256], private=True)


class TestOne:
    @pytest.mark.parametrize("algorithm", Algorithm)
    def test_what_is_written_reads_the_same(self, keys: Keys, algorithm: Algorithm) -> None:
        key = keys[algorithm]
        private = read_jwk(raw(write_jwk(key, private=True)))
        assert (private, private.signing) == (key, key.signing)
        if not algorithm.symmetric:
            public = read_jwk(raw(write_jwk(key, private=False)))
            assert (public, public.signing) == (key, None)

    @pytest.mark.parametrize("algorithm", ASYMMETRIC)
    def test_a_public_half_holds_nothing_private(self, keys: Keys, algorithm: Algorithm) -> None:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & write_jwk(keys[algorithm], private=False).keys()

    def test_halves_that_are_not_there_are_not_written(self, keys: Keys, es: Jwk) -> None:
        with pytest.raises(UnfitKeyError, match="a secret has no public half"):
            write_jwk(keys[Algorithm.HS256], private=False)
        with pytest.raises(UnfitKeyError, match="only the public half"):
            write_jwk(read_jwk(raw(es)), private=True)

    @pytest.mark.parametrize("algorithm", Algorithm)
    def test_without_alg_it_is_of_the_usual_algorithm_or_the_policys(
        self, keys: Keys, algorithm: Algorithm
    ) -> None:
        jwk = without(write_jwk(keys[algorithm], private=True), "alg")
        assert read_jwk(raw(jwk), algorithm).algorithm is algorithm
        usual = {"RSA": Algorithm.RS256, "EC": Algorithm.ES256, "OKP": Algorithm.EDDSA, "oct": Algorithm.HS256}
        assert read_jwk(raw(jwk)).algorithm is usual[jwk["kty"]]

    def test_kids(self, es: Jwk, hs: Jwk) -> None:
        assert read_jwk(raw(es), kid="ES256").kid == "ES256"
        assert read_jwk(raw(without(es, "kid")), kid="mine").kid == "mine"
        assert read_jwk(raw(without(es, "kid"))).kid == thumbprint(es)
        assert unfit(es, kid="mine") == "its kid is 'ES256', and the policy says 'mine'"
        assert unfit(without(hs, "kid")) == "a secret needs a kid"
        for kid in ("", 1, "x" * 129, ["k"]):
            assert unfit(without(es, kid=kid)) == "its kid is not a text of 1 to 128 characters"

    def test_thumbprint_of_rfc_7638_section_3_1(self) -> None:
        modulus = (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWK"
            "RXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMic"
            "AtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3"
            "XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        )
        jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
        assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        assert read_jwk(raw(without(jwk, "kid"))).kid == thumbprint(jwk)

    @pytest.mark.parametrize(
        ("members", "problem"),
        [
            ({"use": "enc"}, "its use is not sig"),
            ({"use": None}, "its use is not sig"),
            ({"key_ops": ["encrypt"]}, "its key_ops do not hold verify"),
            ({"key_ops": ["sign"]}, "its key_ops do not hold verify"),
            ({"key_ops": []}, "its key_ops do not hold verify"),
            ({"key_ops": "verify"}, "its key_ops do not hold verify"),
            ({"alg": "ES384"}, "its alg is none of HS256"),
            ({"alg": "none"}, "its alg is none of HS256"),
            ({"alg": 1}, "its alg is none of HS256"),
            ({"alg": "RS256"}, "RS256 needs an RSA key"),
            ({"alg": "EdDSA"}, "EdDSA needs an Ed25519 key"),
            ({"alg": "HS256"}, "HS256 needs a secret"),
            ({"kty": "RSA"}, "its n is missing"),
            ({"kty": "oct"}, "ES256 needs a public key, and this is a secret (oct)"),
            ({"kty": "AKP"}, "its kty is none of RSA, EC, OKP and oct"),
            ({"kty": None}, "its kty is none of RSA, EC, OKP and oct"),
            ({"kty": ["EC"]}, "its kty is none of RSA, EC, OKP and oct"),
            ({"crv": "P-384"}, "its numbers are not those of a key"),
            ({"crv": 256}, "its crv is missing, or is not base64url"),
            ({"x": ""}, "its x is missing"),
            ({"x": None}, "its x is missing"),
            ({"x": "AA=="}, "its x is missing, or is not base64url"),
            ({"x": "AA"}, "its numbers are not those of a key"),
            ({"x": encode(bytes(32))}, "its numbers are not those of a key"),
        ],
    )
    def test_what_is_wrong_with_a_key(self, es: Jwk, members: Jwk, problem: str) -> None:
        assert unfit({**es, **members}).startswith(problem)

    def test_operations_of_a_private_key(self, keys: Keys) -> None:
        private = write_jwk(keys[Algorithm.EDDSA], private=True)
        for operations in (["sign"], ["sign", "verify"]):
            assert read_jwk(raw({**private, "key_ops": operations})).signs
        assert "key_ops" in unfit({**private, "key_ops": ["deriveKey"]})

    def test_policy_and_key_agree(self, es: Jwk, rs: Jwk) -> None:
        assert unfit(es, Algorithm.RS256) == "its alg is ES256, and the policy says RS256"
        assert unfit(rs, Algorithm.PS256) == "its alg is RS256, and the policy says PS256"
        assert unfit(without(es, "alg"), Algorithm.HS256).startswith("HS256 needs a secret")
        assert read_jwk(raw(without(rs, "alg")), Algorithm.PS256).algorithm is Algorithm.PS256

    @pytest.mark.parametrize("algorithm", ASYMMETRIC)
    def test_a_private_half_of_another_key(self, keys: Keys, algorithm: Algorithm) -> None:
        private = write_jwk(keys[algorithm], private=True)
        other = {
            Algorithm.RS256: keys[Algorithm.PS256],
            Algorithm.PS256: keys[Algorithm.RS256],
            Algorithm.ES256: make_key((pair := ec.generate_private_key(ec.SECP256R1())).public_key(), pair),
            Algorithm.EDDSA: make_key((twin := ed25519.Ed25519PrivateKey.generate()).public_key(), twin),
        }[algorithm]
        foreign = write_jwk(other, private=False)
        mixed = {**private, **{name: foreign[name] for name in ("n", "x", "y") if name in foreign}}
        assert unfit(mixed) == "its numbers are not those of a key"

    def test_rsa_numbers(self, rs: Jwk, keys: Keys) -> None:
        for exponent in (b"\x01", b"\x02", b"\x00"):
            assert unfit({**rs, "e": encode(exponent)}) == "its numbers are not those of a key"
        modulus = decode(rs["n"])
        assert modulus is not None
        assert unfit({**rs, "n": encode(modulus[:128])}) == "an RSA key has 2048 to 8192 bits here"
        private = write_jwk(keys[Algorithm.RS256], private=True)
        assert unfit(without(private, "qi")) == "its qi is missing, or is not base64url"

    def test_secrets(self, hs: Jwk) -> None:
        for length in (0, 31):
            material = encode(b"x" * length)
            assert unfit({**hs, "k": material}) in {
                "HS256 needs at least 32 bytes",
                "its k is missing, or is not base64url",
            }
        assert unfit({**hs, "alg": "RS256"}) == "RS256 needs a public key, and this is a secret (oct)"
        assert read_jwk(raw({**hs, "k": encode(bytes(range(32)))})).material == bytes(range(32))

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"[]",
            b"null",
            b"{",
            b"x",
            b'{"kty":"oct","kty":"EC"}',
            b'{"a":1}{"a":1}',
            b"\xff",
            b"\xef\xbb\xbf{}",
        ],
    )
    def test_what_is_no_json_object(self, text: bytes) -> None:
        problem = unfit(text)
        assert problem == "this is not one JSON object with every key once"
        assert unfit_set(text) == problem

    def test_a_set_is_no_key(self, es: Jwk) -> None:
        assert unfit({"keys": [es]}) == "this is a set of keys: bring it in with jwks_file"

    def test_keys_of_other_kinds(self) -> None:
        for private in (ed448.Ed448PrivateKey.generate(),):
            with pytest.raises(UnfitKeyError, match="RSA, P-256 and Ed25519"):
                make_key(private.public_key(), private)
        with pytest.raises(UnfitKeyError, match="ES256 needs a key on the curve P-256"):
            make_key(ec.generate_private_key(ec.SECP384R1()).public_key(), None)

    @UNHURRIED
    @given(
        st.dictionaries(
            st.sampled_from(
                ["kty", "alg", "kid", "use", "key_ops", "crv", "n", "e", "x", "y", "d", "k", "keys"]
            ),
            st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "AQAB", encode(bytes(32)), "sig"])
            | st.none()
            | st.integers()
            | st.lists(st.sampled_from(["verify", "sign"]))
            | st.text(max_size=5),
        ),
        st.none() | st.sampled_from(Algorithm),
    )
    def test_any_object_is_a_key_or_unfit(self, jwk: Jwk, algorithm: Algorithm | None) -> None:
        for read in (
            lambda: [read_jwk(raw(jwk), algorithm)],
            lambda: read_jwk_set(raw({"keys": [jwk]}), algorithm),
            lambda: read_jwk_set(raw({"keys": [jwk]}), algorithm, published=True),
        ):
            with suppress(UnfitKeyError):
                made = read()
                assert all(isinstance(key, Key) for key in made)
                assert algorithm is None or all(key.algorithm is algorithm for key in made)

    @UNHURRIED
    @given(st.binary(max_size=60))
    def test_any_bytes_are_unfit(self, text: bytes) -> None:
        assert unfit(text)
        assert unfit_set(text)


class TestSet:
    def test_each_key_by_its_kid(self, keys: Keys) -> None:
        entries = [write_jwk(keys[algorithm], private=False) for algorithm in ASYMMETRIC]
        read = read_jwk_set(b" " + raw({"keys": entries, "more": 1}) + b"\n")
        assert list(read) == [keys[algorithm] for algorithm in ASYMMETRIC]

    def test_keys_for_other_work_are_passed_over(self, es: Jwk, rs: Jwk) -> None:
        others = [
            without(rs, kid="a", use="enc"),
            without(rs, kid="b", alg="RSA-OAEP", use="enc"),
            without(rs, kid="c", alg="RS512"),
            without(rs, kid="d", key_ops=["encrypt"]),
            without(es, "alg", kid="e", crv="P-384"),
            {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "f"},
            {"kid": "g"},
        ]
        (key,) = read_jwk_set(raw({"keys": [*others, es]}))
        assert key.kid == "ES256"
        assert unfit_set({"keys": others}) == "no key of the set verifies tokens"
        assert unfit_set({"keys": []}) == "no key of the set verifies tokens"

    def test_with_an_algorithm_only_its_keys_count(self, es: Jwk, rs: Jwk) -> None:
        bare = without(rs, "alg", kid="bare")
        jwks = raw({"keys": [es, rs, bare, without(es, "alg", kid="ec")]})
        assert [key.kid for key in read_jwk_set(jwks, Algorithm.RS256)] == ["RS256", "bare"]
        (key,) = read_jwk_set(jwks, Algorithm.PS256)
        assert (key.kid, key.algorithm) == ("bare", Algorithm.PS256)
        assert [key.kid for key in read_jwk_set(jwks, Algorithm.ES256)] == ["ES256", "ec"]
        assert unfit_set(jwks, Algorithm.EDDSA) == "no key of the set verifies tokens"

    def test_secrets_alone_are_a_set_and_beside_public_keys_none(self, hs: Jwk, es: Jwk) -> None:
        assert [key.kid for key in read_jwk_set(raw({"keys": [hs, without(hs, kid="b")]}))] == ["HS256", "b"]
        assert "keep them apart" in unfit_set({"keys": [hs, es]})

    def test_a_kid_twice_is_no_set(self, es: Jwk, rs: Jwk) -> None:
        for published in (True, False):
            problem = unfit_set({"keys": [es, without(rs, kid="ES256")]}, published=published)
            assert problem == "keys[1]: its kid names another key of the set"
        bare = without(es, "kid")
        assert "names another" in unfit_set({"keys": [bare, bare]})

    def test_a_faulty_key_is_told_of_and_passed_over_where_others_publish_it(self, es: Jwk, rs: Jwk) -> None:
        jwks = {"keys": [without(rs, n="AQAB"), es]}
        assert unfit_set(jwks) == "keys[0]: its numbers are not those of a key"
        assert [key.kid for key in read_jwk_set(raw(jwks), published=True)] == ["ES256"]

    def test_a_published_set_may_be_empty(self, es: Jwk) -> None:
        for entries in ([], [without(es, kid="e", use="enc")], [without(es, "x")]):
            assert read_jwk_set(raw({"keys": entries}), published=True) == ()

    def test_published_secrets_are_none(self, keys: Keys, hs: Jwk, es: Jwk) -> None:
        private = write_jwk(keys[Algorithm.ES256], private=True)
        assert read_jwk_set(raw({"keys": [private]}))[0].signs
        for jwks in ([hs], [private], [without(es, kid="b"), private]):
            with pytest.raises(LeakedKeysError, match="none of its keys can be trusted"):
                read_jwk_set(raw({"keys": jwks}), published=True)

    @pytest.mark.parametrize("value", [None, {}, "x", [1], [None], [[]]])
    def test_what_is_no_list_of_keys(self, value: object) -> None:
        assert unfit_set({"keys": value}) == "this is not a set of keys: it has no list of them (keys)"
        assert "no list of them" in unfit_set({"kty": "oct"})

    def test_a_set_has_an_end(self, es: Jwk) -> None:
        entries = [without(es, kid=f"k{at}") for at in range(MOST_KEYS + 1)]
        assert unfit_set({"keys": entries}) == "a set holds at most 100 keys"
        assert len(read_jwk_set(raw({"keys": entries[1:]}))) == MOST_KEYS


def test_no_problem_shows_a_secret(keys: Keys) -> None:
    for algorithm in Algorithm:
        jwk = write_jwk(keys[algorithm], private=True)
        for name, value in jwk.items():
            for wrong in (value[:-1], value + "=", value + "A", value[::-1]):
                told = ""
                try:
                    read_jwk(raw({**jwk, name: wrong}))
                except UnfitKeyError as error:
                    told = str(error)
                assert name in ("kid", "alg", "kty", "crv", "use") or (value not in told and wrong not in told)


def test_rsa_modulus_with_a_leading_zero_is_the_same_key(rs: Jwk) -> None:
    """Some writers keep the sign byte; it changes nothing."""
    modulus = decode(rs["n"])
    assert modulus is not None
    assert read_jwk(raw({**rs, "n": encode(b"\x00" + modulus)})) == read_jwk(raw(rs))
