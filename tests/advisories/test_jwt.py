"""Bug classes of published JWT advisories: one test each, with its story."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gate.core.checks import check_life
from gate.core.keys import Algorithm, Key, Keyring, UnknownKey
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.token import Token
from gate.formats import read_token
from gate.formats.jwk import make_key, read_jwk, read_jwk_set, write_jwk
from gate.formats.jwt import sign, verify
from gate.formats.signatures import UnfitKeyError

KEY = Key("k1", Algorithm.HS256, b"the application's own secret, 32+")
RING = Keyring([KEY])
CLAIMS = {"jti": "t-1", "exp": 2_000_000_000, "grants": {"read": {"resources": ["cam1"]}}}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(header: Any, payload: Any = CLAIMS, material: bytes = KEY.material, mark: bytes | None = None) -> str:
    """A token as an attacker writes it: any header and payload, signed with HS256 unless `mark` is given."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    text = ".".join(map(encode, parts))
    return f"{text}.{encode(hmac.digest(material, text.encode(), hashlib.sha256) if mark is None else mark)}"


def refused(text: str, keyring: Keyring = RING) -> Reason:
    answer = verify(text, "demo", keyring)
    assert isinstance(answer, Deny), answer
    return answer.reason


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "none ", "", "null"])
@pytest.mark.parametrize("mark", [b"", b"x", bytes(32)])
def test_alg_none(name: str, mark: bytes) -> None:
    """The token says of itself that it is not signed, and a library that obeys the header believes it.

    Filters for the lower-case word were walked around by writing it in another case.
    """
    reason = refused(forge({"alg": name, "kid": "k1"}, mark=mark))
    assert reason is (Reason.TOKEN_ALGORITHM if mark else Reason.TOKEN_MALFORMED)
    assert refused(forge({"alg": name}, mark=mark)) is reason


def test_cve_2015_9235_and_cve_2016_10555_public_key_as_hmac_secret() -> None:
    """The attacker takes the public RSA key, which everybody has, as the secret of an HS256 token.

    Here a key has one algorithm and the header does not choose; and a policy that holds a public key as
    an HMAC secret by mistake verifies nothing at all.
    """
    public = generate_private_key(65537, 2048).public_key()
    for encoding, form in [
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.PEM, PublicFormat.PKCS1),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.OpenSSH, PublicFormat.OpenSSH),
    ]:
        material = public.public_bytes(encoding, form)
        mistaken = Keyring([Key("k1", Algorithm.HS256, material)])
        forged = forge({"alg": "HS256", "kid": "k1"}, material=material)
        assert refused(forged, mistaken) is Reason.TOKEN_SIGNATURE
        assert refused(forged) is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "hs256"])
def test_the_header_does_not_choose_the_algorithm(algorithm: str) -> None:
    """Confusion between any two algorithms begins with a verifier that takes the header's word for it."""
    assert refused(forge({"alg": algorithm, "kid": "k1"})) is Reason.TOKEN_ALGORITHM


@pytest.mark.parametrize(
    "member",
    [
        {"jwk": {"kty": "oct", "k": encode(b"attacker" * 4), "kid": "k1"}},
        {"jku": "https://evil.example/keys.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["AAAA"]},
    ],
    ids=lambda member: next(iter(member)),
)
def test_cve_2018_0114_embedded_key(member: dict[str, Any]) -> None:
    """The token brings its own key, or says where to fetch it, and is verified with that."""
    for kid in ("k1", "new"):
        for material in (b"attacker" * 4, KEY.material):
            forged = forge({"alg": "HS256", "kid": kid, **member}, material=material)
            assert refused(forged) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["unheard-of"], [], "b64", None])
def test_cve_2026_32597_unknown_critical_extension(crit: Any) -> None:
    """A token says that an extension changes its meaning; a library that does not know it went on reading."""
    assert refused(forge({"alg": "HS256", "kid": "k1", "crit": crit, "b64": False})) is Reason.TOKEN_MALFORMED
    assert refused(forge({"alg": "HS256", "kid": "k1", "crit": crit})) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "kid",
    [
        "../../dev/null",
        "/dev/null",
        "k1\x00.pem",
        "' UNION SELECT 'secret' --",
        "https://evil.example/key",
        "file:///dev/null",
        "| id",
        "K1",
        "k1 ",
        "",
    ],
)
def test_kid_as_path_query_or_url(kid: str) -> None:
    """The key's name went into a path, a database query or a fetch; with /dev/null the secret was empty."""
    for material in (b"", bytes(32), KEY.material):
        assert refused(forge({"alg": "HS256", "kid": kid}, material=material)) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("material", [b"", b"secret", b"x" * 31])
def test_short_keys(material: bytes) -> None:
    """A short secret is guessed offline from one token; libraries warn at best."""
    key = Key("k1", Algorithm.HS256, material)
    assert (
        refused(forge({"alg": "HS256", "kid": "k1"}, material=material), Keyring([key]))
        is Reason.TOKEN_SIGNATURE
    )


def test_duplicate_json_keys() -> None:
    """Two readers take two values for one key: the first sees a short life, the second a long one."""
    assert refused(forge({"alg": "HS256", "kid": "k1"}, b'{"exp":1,"exp":2000000000}')) is Reason.CLAIM_INVALID
    assert refused(forge({"alg": "HS256", "kid": "k1"}, b'{"sub":"a","\\u0073ub":"b"}')) is Reason.CLAIM_INVALID
    assert refused(forge(b'{"alg":"none","alg":"HS256","kid":"k1"}')) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "value",
    [
        b"false",
        b"-1",
        b"9" * 20,
        b"9" * 400,
        b'""',
        b'"2000000000"',
        b"2e9",
        b"2000000000.5",
        b"1e300",
        b"1e400",
        b"Infinity",
        b"NaN",
        b"[2000000000]",
        b"{}",
        b"true",
    ],
)
@pytest.mark.parametrize("claim", [b"exp", b"nbf", b"iat", b"expiration_date", b"from", b"to"])
def test_a_date_that_is_none(claim: bytes, value: bytes) -> None:
    """``exp`` as text, as 1e300 or as true was converted, overflowed, or compared: a life without end."""
    payload = b'{"jti":"t-1","' + claim + b'":' + value + b"}"
    assert refused(forge({"alg": "HS256", "kid": "k1"}, payload)) is Reason.CLAIM_INVALID


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_other_encodings_of_the_json(encoding: str) -> None:
    """Python's reader guesses UTF-16 and UTF-32; what stands in front of it and logs or filters does not."""
    assert (
        refused(forge({"alg": "HS256", "kid": "k1"}, json.dumps(CLAIMS).encode(encoding)))
        is Reason.CLAIM_INVALID
    )
    header = json.dumps({"alg": "HS256", "kid": "k1"}).encode(encoding)
    assert refused(forge(header)) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udfff\ud800", rb"a\udc00b"])
def test_lone_surrogates_in_claims(text: bytes) -> None:
    """Half a character passes JSON and breaks the first log, header or store key that it is written to."""
    for claim in (b"sub", b"jti", b"nonce", b"other"):
        payload = b'{"' + claim + b'":"' + text + b'"}'
        assert refused(forge({"alg": "HS256", "kid": "k1"}, payload)) is Reason.CLAIM_INVALID


@pytest.mark.parametrize("text", ["\x00", "\ud800", "\ufeff", "\u2028", "\uff0e", "\u0130"])
def test_odd_characters_in_the_token_itself(text: str) -> None:
    """A header byte of 0xff reaches Python as a lone surrogate, and encoding it raises: a 500 for everybody."""
    good = forge({"alg": "HS256", "kid": "k1"})
    for at in (0, 5, len(good) // 2, len(good)):
        assert refused(good[:at] + text + good[at:]) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"":'])
def test_deep_nesting(opening: bytes) -> None:
    """Thousands of brackets overflow a recursive reader: an exception, or worse, from an unsigned header."""
    deep = b'{"alg":"HS256","kid":"k1","x":' + opening * 2000
    assert refused(forge(deep, b"{}")) is Reason.TOKEN_MALFORMED
    assert refused(forge({"alg": "HS256", "kid": "k1"}, deep)) is Reason.CLAIM_INVALID


def test_deep_nesting_behind_closing_brackets_in_a_text() -> None:
    """A limit that counts brackets without knowing strings is undone by closing brackets in a string."""
    deep = b'{"alg":"HS256","kid":"k1","t":"' + b"]" * 500 + b'","x":' + b"[" * 500 + b"]" * 500 + b"}"
    assert refused(forge(deep)) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_second_spelling_of_one_token(part: int) -> None:
    """One trailing ``=``, or other unused bits in the last character, decode to the same bytes.

    Such a text verifies as well, and escapes a revocation or a count that is kept by the text of the token.
    """
    for spaces in range(3):
        header = json.dumps({"alg": "HS256", "kid": "k1"}).encode() + b" " * spaces
        parts = forge(header, json.dumps(CLAIMS).encode() + b" " * spaces).split(".")
        assert isinstance(verify(".".join(parts), "demo", RING), Token)
        unused = {0: 0, 2: 4, 3: 2}[len(parts[part]) % 4]
        last = ALPHABET.index(parts[part][-1])
        others = [parts[part][:-1] + ALPHABET[last + low] for low in range(1, 1 << unused)]
        for other in [*others, parts[part] + "=", parts[part] + "==", parts[part] + "\n", parts[part] + "%3D"]:
            assert refused(".".join([*parts[:part], other, *parts[part + 1 :]])) is Reason.TOKEN_MALFORMED


def test_owasp_cheat_sheet_2242_identity_is_not_the_raw_text() -> None:
    """Revocation by a hash of the raw token misses the same token in another header order or key.

    What names itself by ``jti`` has one id under every key and header.
    """
    texts = [
        forge({"alg": "HS256", "kid": "k1"}),
        forge({"kid": "k1", "typ": "JWT", "alg": "HS256"}),
        sign(CLAIMS, KEY),
    ]
    answers = [verify(text, "demo", RING) for text in texts]
    assert all(isinstance(answer, Token) for answer in answers)
    assert len({answer.id for answer in answers if isinstance(answer, Token)}) == 1


def test_missing_exp() -> None:
    """A token without an end is good for ever, unless somebody asks."""
    answer = verify(sign({"jti": "t-1"}, KEY), "demo", RING)
    assert isinstance(answer, Token)
    refusal = check_life(answer, Application("demo", RING), time.time())
    assert refusal is not None
    assert refusal.reason is Reason.EXPIRY_REQUIRED
    once = verify(sign({"jti": "t-1", "single_use": True}, KEY), "demo", RING)
    assert isinstance(once, Token)
    refusal = check_life(once, Application("demo", RING, unlimited_ttl=True), time.time())
    assert refusal is not None
    assert refusal.reason is Reason.EXPIRY_REQUIRED


@pytest.mark.parametrize("kind", ["JWE", "dpop+jwt", "secevent+jwt", "logout+jwt", "", 1, None, ["JWT"]])
def test_wrong_typ(kind: Any) -> None:
    """A token made for something else, under the same key, is taken for permission (RFC 8725, section 3.11)."""
    assert refused(forge({"alg": "HS256", "kid": "k1", "typ": kind})) is Reason.TOKEN_MALFORMED


def test_a_refusal_says_nothing_before_the_signature() -> None:
    """Whoever cannot sign learns from no answer what the claims would have been good for."""
    answers = {
        refused(forge({"alg": "HS256", "kid": "k1"}, payload, material=b"attacker" * 4))
        for payload in (CLAIMS, {}, {"exp": "no"}, b"not json", b'{"a":1,"a":2}')
    }
    assert answers == {Reason.TOKEN_SIGNATURE}


# --- keys that are public -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def set_of(*jwks: dict[str, Any]) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def test_cve_2016_10555_against_a_public_key_of_the_policy(rsa: RSAPrivateKey) -> None:
    """The gate holds the RSA key as what it is, and the attacker signs HS256 with any spelling of it.

    The header's algorithm is not the key's: the signature is not even looked at.
    """
    key = make_key(rsa.public_key(), None, kid="k1")
    public = rsa.public_key()
    for material in (
        key.material,
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).rstrip(),
        public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        json.dumps(write_jwk(key, private=False)).encode(),
    ):
        for header in ({"alg": "HS256", "kid": "k1"}, {"alg": "HS256"}):
            assert refused(forge(header, material=material), Keyring([key])) is Reason.TOKEN_ALGORITHM
            both = Keyring([key, Key("k2", Algorithm.HS256, b"another secret of 32 bytes or so")])
            reason = Reason.TOKEN_ALGORITHM if "kid" in header else Reason.TOKEN_SIGNATURE
            assert refused(forge(header, material=material), both) is reason


def test_padding_of_one_scheme_under_the_name_of_the_other(rsa: RSAPrivateKey) -> None:
    """RS256 and PS256 use the same numbers: a key that served both would be as weak as the weaker one."""
    pair = {name: make_key(rsa.public_key(), rsa, name, "k1") for name in (Algorithm.RS256, Algorithm.PS256)}
    for mine, other in (list(pair.values()), list(pair.values())[::-1]):
        assert isinstance(verify(sign(CLAIMS, mine), "demo", Keyring([mine])), Token)
        assert refused(sign(CLAIMS, other), Keyring([mine])) is Reason.TOKEN_ALGORITHM
        renamed = encode(json.dumps({"alg": mine.algorithm.value, "kid": "k1"}).encode())
        _, payload, mark = sign(CLAIMS, other).split(".")
        assert refused(f"{renamed}.{payload}.{mark}", Keyring([mine])) is Reason.TOKEN_SIGNATURE


def test_cve_2022_21449_psychic_signatures(curve: ec.EllipticCurvePrivateKey) -> None:
    """A signature of two zeros verified for every message under every key; so did multiples of the order."""
    ring = Keyring([make_key(curve.public_key(), None, kid="k1")])
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for r in (0, 1, order - 1, order, order + 1, 2**256 - 1):
        for s in (0, 1, order - 1, order, order + 1, 2**256 - 1):
            mark = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            assert refused(forge({"alg": "ES256", "kid": "k1"}, mark=mark), ring) is Reason.TOKEN_SIGNATURE


def test_other_shapes_of_an_ecdsa_signature(curve: ec.EllipticCurvePrivateKey) -> None:
    """DER instead of two numbers, or numbers with zeros around them: second spellings of one signature.

    The second form that every such signature has (s and its negative) cannot be told from the first. It is
    of the same token, with the same id; nothing is counted or revoked by the text.
    """
    ring = Keyring([key := make_key(curve.public_key(), curve, kid="k1")])
    text, _, mark = sign(CLAIMS, key).rpartition(".")
    raw = urlsafe_b64decode(mark + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    for other in (
        encode_dss_signature(r, s),
        b"\x00" + raw,
        raw + b"\x00",
        b"\x00" + raw[:32] + b"\x00" + raw[32:],
        raw[:-1],
        raw[32:],
    ):
        assert refused(f"{text}.{encode(other)}", ring) is Reason.TOKEN_SIGNATURE
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = raw[:32] + (order - s).to_bytes(32, "big")
    assert verify(f"{text}.{encode(twin)}", "demo", ring) == verify(f"{text}.{mark}", "demo", ring)


def test_cve_2024_33663_a_key_of_a_wrong_curve() -> None:
    """A key on another curve was taken for one of the algorithm's, and its signatures with it."""
    for other in (ec.SECP256K1(), ec.SECP384R1()):
        with pytest.raises(UnfitKeyError, match="ES256 needs a key on the curve P-256"):
            make_key(ec.generate_private_key(other).public_key(), None, Algorithm.ES256, "k1")


def test_duplicate_kids_in_a_set(curve: ec.EllipticCurvePrivateKey) -> None:
    """Of two keys with one name the first or the last counts, as the reader likes."""
    one = write_jwk(make_key(curve.public_key(), None, kid="k1"), private=False)
    other = ec.generate_private_key(ec.SECP256R1())
    two = write_jwk(make_key(other.public_key(), None, kid="k1"), private=False)
    for published in (True, False):
        with pytest.raises(UnfitKeyError, match="names another key of the set"):
            read_jwk_set(set_of(one, two), published=published)


@pytest.mark.parametrize(
    "member", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": ["sign"]}, {"alg": "ECDH-ES"}]
)
def test_a_key_for_other_work(curve: ec.EllipticCurvePrivateKey, member: dict[str, Any]) -> None:
    """A key that its owner has for encryption verifies nothing, though its numbers could."""
    jwk = {**write_jwk(make_key(curve.public_key(), None, kid="k1"), private=False), **member}
    with pytest.raises(UnfitKeyError):
        read_jwk(json.dumps(jwk).encode())
    with pytest.raises(UnfitKeyError, match="no key of the set verifies tokens"):
        read_jwk_set(set_of(jwk))


@pytest.mark.parametrize("bits", [1024, 1536, 2040])
def test_short_rsa_keys(bits: int) -> None:
    private = generate_private_key(65537, bits)
    with pytest.raises(UnfitKeyError, match="2048 to 8192 bits"):
        make_key(private.public_key(), None, kid="k1")
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ring = Keyring([Key("k1", Algorithm.RS256, der)])
    assert refused(forge({"alg": "RS256", "kid": "k1"}, mark=bytes(bits // 8)), ring) is Reason.TOKEN_SIGNATURE


def test_a_giant_rsa_key(rsa: RSAPrivateKey) -> None:
    """A published key of 16,384 bits makes every token that names it cost milliseconds."""
    jwk = write_jwk(make_key(rsa.public_key(), None, kid="k1"), private=False)
    giant = {**jwk, "n": encode(b"\xff" * 2048)}
    with pytest.raises(UnfitKeyError, match="2048 to 8192 bits"):
        read_jwk(json.dumps(giant).encode())


def test_cve_2026_48524_storms_of_unknown_kids(rsa: RSAPrivateKey) -> None:
    """Every token with a kid of its own made the library fetch the key set anew.

    Reading a token fetches nothing. It is told that a key is unknown, and only where one that somebody
    publishes could help: not for HMAC, not for none, not for a kid that is known.
    """
    ring = Keyring([make_key(rsa.public_key(), None, kid="k1")])
    for alg in ("HS256", "none", "RS512", "rs256"):
        assert not isinstance(verify(forge({"alg": alg, "kid": "new"}, mark=b"x"), "demo", ring), UnknownKey)
    assert verify(forge({"alg": "RS256", "kid": "k1"}, mark=b"x"), "demo", ring) == Deny(Reason.TOKEN_SIGNATURE)
    answer = verify(forge({"alg": "RS256", "kid": "new"}, mark=b"x"), "demo", ring)
    assert answer == UnknownKey(Reason.UNKNOWN_KEY, kid="new")


@pytest.mark.parametrize("audience", ["another service", ["a", "b"], None])
def test_a_token_for_another_service(audience: Any) -> None:
    """An identity provider signs for many with one key: a token for another service opens ours.

    RFC 7519, section 4.1.3: who does not find himself in the audience must refuse.
    """
    application = Application("demo", RING, audiences=frozenset({"video"}))
    claims = {**CLAIMS, "aud": audience} if audience is not None else CLAIMS
    assert read_token(sign(claims, KEY), application) == Deny(Reason.AUDIENCE_NOT_ACCEPTED)
    assert isinstance(read_token(sign({**CLAIMS, "aud": ["x", "video"]}, KEY), application), Token)


@pytest.mark.parametrize(
    "issuer", ["https://id.example/", "https://id.example.evil", "HTTPS://ID.EXAMPLE", None]
)
def test_cve_2024_53861_an_issuer_that_is_nearly_the_right_one(issuer: str | None) -> None:
    """Part of the right name, or the right name in part, was taken for it."""
    application = Application("demo", RING, issuers=frozenset({"https://id.example"}))
    claims = CLAIMS if issuer is None else {**CLAIMS, "iss": issuer}
    assert read_token(sign(claims, KEY), application) == Deny(Reason.ISSUER_NOT_ACCEPTED)
    assert isinstance(read_token(sign({**CLAIMS, "iss": "https://id.example"}, KEY), application), Token)
