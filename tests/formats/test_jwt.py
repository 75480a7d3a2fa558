"""The native format: any text is a token or a refusal, and a token has one spelling."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.grants import Action
from gate.core.keys import Algorithm, Key, Keyring, UnknownKey
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.token import Format, Token, token_id, unnamed_token_id
from gate.formats import read_token
from gate.formats.claims import check_claims, read_claims
from gate.formats.jws import LONGEST
from gate.formats.jwt import Signed, sign, verify, verify_jws
from gate.formats.signatures import UnfitKeyError

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)

K256 = Key("k256", Algorithm.HS256, b"a" * 32)
K384 = Key("k384", Algorithm.HS384, b"b" * 48)
K512 = Key("k512", Algorithm.HS512, b"c" * 64)
RING = Keyring([K256, K384, K512])
ONLY = Keyring([K256])
CLAIMS: dict[str, Any] = {
    "jti": "t-1",
    "sub": "viewer",
    "exp": 2_000_000_000,
    "grants": {"read": {"resources": ["cam1"]}},
    "live": True,
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(header: Any, payload: Any = CLAIMS, key: Key = K256) -> str:
    """A token whose signature is right, whatever its header and payload hold; bytes stand as they are."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    text = ".".join(map(encode, parts))
    algorithm = pyjwt.algorithms.get_default_algorithms()[key.algorithm.value]
    return f"{text}.{encode(algorithm.sign(text.encode(), key.material))}"


def read(text: str, keyring: Keyring = RING) -> Token | Deny:
    return verify(text, "demo", keyring)


def refused(text: str, keyring: Keyring = RING) -> Reason:
    answer = read(text, keyring)
    assert isinstance(answer, Deny), answer
    return answer.reason


HEADER = {"alg": "HS256", "kid": "k256", "typ": "JWT"}
GOOD = forge(HEADER)


# --- what verifies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [K256, K384, K512], ids=repr)
def test_what_was_signed_verifies(key: Key) -> None:
    answer = read(sign(CLAIMS, key))
    assert answer == read_claims(CLAIMS, "demo", Format.JWT, b"")
    assert isinstance(answer, Token)
    assert answer.warrant.grants.get(Action.READ) is not None


@pytest.mark.parametrize("key", [K256, K384, K512], ids=repr)
def test_pyjwt_reads_what_is_signed_here_and_the_other_way_round(key: Key) -> None:
    algorithm = key.algorithm.value
    assert pyjwt.decode(sign(CLAIMS, key), key.material, algorithms=[algorithm]) == CLAIMS
    assert pyjwt.get_unverified_header(sign(CLAIMS, key)) == {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    text = pyjwt.encode(CLAIMS, key.material, algorithm=algorithm, headers={"kid": key.kid})
    assert read(text) == read(sign(CLAIMS, key))


def test_expiry_is_not_asked_here() -> None:
    assert isinstance(read(sign({**CLAIMS, "exp": 1}, K256)), Token)


def test_white_space_in_the_json_is_part_of_the_one_spelling() -> None:
    assert isinstance(
        read(forge(b'{ "kid" : "k256",\n\t"alg":"HS256" }', json.dumps(CLAIMS, indent=2).encode())), Token
    )


# --- identity -----------------------------------------------------------------------------------------------


def test_jti_is_the_id_whatever_else_the_token_says() -> None:
    one, two = read(sign(CLAIMS, K256)), read(sign({**CLAIMS, "exp": 1_900_000_000, "nonce": "t-1"}, K512))
    assert isinstance(one, Token)
    assert isinstance(two, Token)
    assert one.id == two.id == token_id("demo", "t-1")


def test_names_that_differ_are_refused() -> None:
    answer = read(sign({**CLAIMS, "nonce": "t-2"}, K256))
    assert answer == Deny(Reason.CLAIM_INVALID, "jti and nonce both name the token and differ")


def test_an_unnamed_token_is_its_signing_input() -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "jti"}
    text = sign(claims, K256)
    one, again, other = read(text), read(text), read(sign({**claims, "sub": "another"}, K256))
    assert isinstance(one, Token)
    assert isinstance(other, Token)
    assert one == again
    assert one.id == unnamed_token_id("demo", text.rpartition(".")[0].encode())
    assert one.id != other.id


# --- shape and spelling -------------------------------------------------------------------------------------

HEAD, BODY, MARK = GOOD.split(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        HEAD,
        f"{HEAD}.{BODY}",
        f"{HEAD}.{BODY}.",
        f"{HEAD}..{MARK}",
        f".{BODY}.{MARK}",
        f"{HEAD}{BODY}.{MARK}",
        f"{GOOD}.",
        f".{GOOD}",
        f"{GOOD}.{MARK}",
        f"{GOOD}=",
        f"{GOOD}==",
        f"{HEAD}=.{BODY}.{MARK}",
        f"{HEAD}.{BODY}=.{MARK}",
        f" {GOOD}",
        f"{GOOD} ",
        f"{GOOD}\n",
        f"{HEAD}.{BODY}\n.{MARK}",
        f"{HEAD}. {BODY}.{MARK}",
        f"{HEAD}.{BODY}.?{MARK}",
        f"{HEAD}.{BODY}#.{MARK}",
        f"{GOOD}\x00",
        f"{GOOD}\ud800",
        f"\ufeff{GOOD}",
        f"Bearer {GOOD}",
        GOOD.replace(".", "%2E"),
        f"{HEAD}.{BODY}.{MARK[:-1]}\uff21",
        json.dumps({"payload": BODY, "protected": HEAD, "signature": MARK}),
        f"{HEAD}.{BODY}.{MARK}{'A' * LONGEST}",
        f"{HEAD}.{BODY}.{MARK}AA",
        f"{HEAD}.{BODY}.{'A' * 45}",
    ],
)
def test_what_is_not_of_the_shape_is_malformed(text: str) -> None:
    assert refused(text) in {Reason.TOKEN_MALFORMED, Reason.TOKEN_SIGNATURE}


def spellings(part: str) -> list[str]:
    """Other texts that a lenient base64url reader reads as the same bytes: trailing bits altered."""
    at = ALPHABET.index(part[-1])
    unused = {2: 4, 3: 2}.get(len(part) % 4, 0)
    return [part[:-1] + ALPHABET[(at >> unused << unused) + low] for low in range(1, 1 << unused)]


@pytest.mark.parametrize("key", [K256, K384, K512], ids=repr)
@pytest.mark.parametrize("spaces", range(3))
def test_a_second_spelling_is_malformed(key: Key, spaces: int) -> None:
    header = json.dumps({"alg": key.algorithm.value, "kid": key.kid}).encode() + b" " * spaces
    payload = json.dumps(CLAIMS).encode() + b" " * spaces
    parts = forge(header, payload, key).split(".")
    assert isinstance(read(".".join(parts)), Token)
    for at, part in enumerate(parts):
        for other in (*spellings(part), part + "=", part + "==", part.replace("-", "+") + "="):
            assert refused(".".join([*parts[:at], other, *parts[at + 1 :]])) is Reason.TOKEN_MALFORMED


def test_the_standard_alphabet_is_not_the_url_one() -> None:
    text = next(
        text for at in range(200) if "-" in (text := sign({**CLAIMS, "at": at}, K256)).rpartition(".")[2]
    )
    assert isinstance(read(text), Token)
    assert refused(text.replace("-", "+")) is Reason.TOKEN_MALFORMED


def test_length_has_a_limit() -> None:
    fits = forge(HEADER, json.dumps(CLAIMS).encode() + b" " * (LONGEST * 3 // 4 - 340))
    assert LONGEST - 300 < len(fits) <= LONGEST
    assert isinstance(read(fits), Token)
    assert refused(forge(HEADER, json.dumps(CLAIMS).encode() + b" " * LONGEST)) is Reason.TOKEN_MALFORMED


# --- header -------------------------------------------------------------------------------------------------


def header(**members: Any) -> dict[str, Any]:
    return {**HEADER, **members}


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ({}, Reason.TOKEN_MALFORMED),
        ([], Reason.TOKEN_MALFORMED),
        (None, Reason.TOKEN_MALFORMED),
        ("HS256", Reason.TOKEN_MALFORMED),
        (b"", Reason.TOKEN_MALFORMED),
        (b"\xff\xfe", Reason.TOKEN_MALFORMED),
        (b'{"alg":"HS256","kid":"k384","kid":"k256"}', Reason.TOKEN_MALFORMED),
        (b'{"alg":"none","kid":"k256","alg":"HS256"}', Reason.TOKEN_MALFORMED),
        (json.dumps(HEADER).encode("utf-16"), Reason.TOKEN_MALFORMED),
        (b"\xef\xbb\xbf" + json.dumps(HEADER).encode(), Reason.TOKEN_MALFORMED),
        ({"kid": "k256"}, Reason.TOKEN_MALFORMED),
        *((header(alg=value), Reason.TOKEN_MALFORMED) for value in (None, 256, True, ["HS256"], {})),
        *(
            (header(alg=value), Reason.TOKEN_ALGORITHM)
            for value in ("", "hs256", "HS384", "RS256", "HS256 ", "ES256")
        ),
        *((header(kid=value), Reason.TOKEN_MALFORMED) for value in (None, 1, True, 1.5, ["k256"], {"k256": 1})),
        *(
            (header(kid=value), Reason.UNKNOWN_KEY)
            for value in ("", "K256", "k256 ", "k257", "k256\x00", "../k256")
        ),
        *(
            (header(typ=value), Reason.TOKEN_MALFORMED)
            for value in (None, 1, True, [], "", "JWE", "dpop+jwt", "JWT ")
        ),
        *((header(crit=value), Reason.TOKEN_MALFORMED) for value in (None, [], ["exp"], ["b64"], "exp", {})),
        *((header(b64=value), Reason.TOKEN_MALFORMED) for value in (True, False, None)),
    ],
)
def test_a_header_that_is_not_ours(head: Any, reason: Reason) -> None:
    assert refused(forge(head)) is reason


@pytest.mark.parametrize(
    "kind", ["JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/jwt", "application/at+jwt"]
)
def test_types_that_are_ours(kind: str) -> None:
    assert isinstance(read(forge(header(typ=kind))), Token)


def test_a_type_may_be_absent() -> None:
    assert isinstance(read(forge({"alg": "HS256", "kid": "k256"})), Token)


def test_members_that_nobody_asked_for_change_nothing() -> None:
    assert read(forge(header(cty="x", foo=1, x5t="y"))) == read(GOOD)


def test_a_token_without_a_kid_is_served_by_the_only_key_of_its_algorithm() -> None:
    text = forge({"alg": "HS256"})
    assert isinstance(read(text, ONLY), Token)
    assert isinstance(read(text, RING), Token)
    assert refused(forge({"alg": "HS256", "kid": None}), ONLY) is Reason.TOKEN_MALFORMED
    assert refused(text, Keyring([K256, Key("twin", Algorithm.HS256, b"t" * 32)])) is Reason.UNKNOWN_KEY
    assert refused(text, Keyring([])) is Reason.UNKNOWN_KEY
    # Signed with one key, and under the name of another's algorithm.
    assert refused(forge({"alg": "HS384"})) is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_token_that_brings_its_key_is_malformed(member: str) -> None:
    answer = read(forge(header(**{member: None})))
    assert answer == Deny(Reason.TOKEN_MALFORMED, "the token brings a key of its own (jwk, jku, x5u, x5c)")


def test_the_kid_decides_alone() -> None:
    """A second key of the same algorithm is not tried."""
    ring = Keyring([K256, Key("other", Algorithm.HS256, b"z" * 32)])
    assert refused(forge(header(kid="other")), ring) is Reason.TOKEN_SIGNATURE
    assert refused(forge(header(kid="unheard of")), ONLY) is Reason.UNKNOWN_KEY


# --- signature ----------------------------------------------------------------------------------------------


def test_an_altered_payload_does_not_verify() -> None:
    other = encode(json.dumps({**CLAIMS, "grants": {"read": {"all": True}}}).encode())
    assert refused(f"{HEAD}.{other}.{MARK}") is Reason.TOKEN_SIGNATURE


def test_an_altered_header_does_not_verify() -> None:
    other = encode(json.dumps({**HEADER, "foo": 1}).encode())
    assert refused(f"{other}.{BODY}.{MARK}") is Reason.TOKEN_SIGNATURE


def test_a_signature_of_another_length_does_not_verify() -> None:
    for length in (1, 16, 31, 33, 48, 64):
        assert refused(f"{HEAD}.{BODY}.{encode(bytes(length))}") is Reason.TOKEN_SIGNATURE


def test_the_key_of_another_application_does_not_verify() -> None:
    """Two applications may well call their keys the same."""
    other = Keyring([Key("k256", Algorithm.HS256, b"y" * 32)])
    assert refused(GOOD, other) is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize(
    "material",
    [
        b"",
        b"short",
        b"x" * 31,
        b"-----BEGIN PUBLIC KEY-----\n" + b"x" * 40 + b"\n-----END PUBLIC KEY-----\n",
        b"ssh-rsa " + b"A" * 60,
        b'{"kty":"oct","k":"' + b"A" * 43 + b'"}',
    ],
)
def test_with_an_unfit_key_nothing_verifies_and_nothing_is_signed(material: bytes) -> None:
    key = Key("k256", Algorithm.HS256, material)
    assert refused(forge(HEADER, CLAIMS, key), Keyring([key])) is Reason.TOKEN_SIGNATURE
    with pytest.raises(UnfitKeyError):
        sign(CLAIMS, key)


@UNHURRIED
@given(st.integers(0, len(GOOD) - 1), st.sampled_from(ALPHABET + "._=~ \x00\u00e9\ud800"))
def test_one_altered_character_is_one_too_many(at: int, character: str) -> None:
    text = GOOD[:at] + character + GOOD[at + 1 :]
    answer = read(text)
    assert isinstance(answer, Token) == (text == GOOD)


# --- payload ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        [],
        "x",
        1,
        None,
        b"\x00",
        b"{",
        b'{"exp":1,"exp":9}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":1e400}',
        b'{"exp":' + b"9" * 400 + b"}",
        b'{"sub":"\\ud800"}',
        b'{"a":' * 2000,
        json.dumps(CLAIMS).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode(),
        b" " + json.dumps(CLAIMS).encode(),
    ],
)
def test_a_payload_that_is_not_claims(payload: Any) -> None:
    assert refused(forge(HEADER, payload)) is Reason.CLAIM_INVALID


def test_claims_are_not_read_before_the_signature_is_right() -> None:
    """Nobody learns from the answer what claims the gate would accept."""
    other = encode(b'{"exp":"no"}')
    assert refused(f"{HEAD}.{other}.{MARK}") is Reason.TOKEN_SIGNATURE


# --- any text -----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["HS256", "HS384", "HS512", "none", "RS256"]) | JSON,
        "kid": st.sampled_from(["k256", "k384", "k512"]) | JSON,
        "typ": st.sampled_from(["JWT", "at+jwt"]) | JSON,
        "crit": JSON,
        "b64": JSON,
        "jwk": JSON,
        "x5c": JSON,
        "cty": JSON,
    },
)
PAYLOADS = st.dictionaries(
    st.sampled_from(["exp", "nbf", "jti", "nonce", "grants", "windows", "from", "to", "bind", "live", "aud"])
    | st.text(max_size=5),
    JSON,
    max_size=5,
)


@UNHURRIED
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.text(ALPHABET + "=."))
def test_any_text_is_refused(text: str) -> None:
    assert isinstance(read(text), Deny)


@UNHURRIED
@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([K256, K384, K512]))
def test_any_bytes_in_a_signed_token_are_a_token_or_a_refusal(head: bytes, payload: bytes, key: Key) -> None:
    assert isinstance(read(forge(head, payload, key)), Deny)
    assert isinstance(read(forge({"alg": key.algorithm.value, "kid": key.kid}, payload, key)), Token | Deny)


@UNHURRIED
@given(HEADERS, PAYLOADS, st.sampled_from([K256, K384, K512]))
def test_any_header_and_claims_are_a_token_or_a_refusal(head: Any, payload: Any, key: Key) -> None:
    answer = read(forge(head, payload, key))
    if isinstance(answer, Token):
        assert head["alg"] == key.algorithm.value
        assert head.get("kid", key.kid) == key.kid
        assert not head.keys() & {"crit", "b64", "jwk", "jku", "x5u", "x5c"}


@UNHURRIED
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "jti": st.text(min_size=1, max_size=20),
            "sub": st.text(min_size=1, max_size=20),
            "iss": st.text(min_size=1, max_size=20),
            "exp": st.integers(0, 10**10),
            "nbf": st.integers(0, 10**10),
            "from": st.integers(0, 10**6),
            "to": st.integers(10**6, 10**7),
            "live": st.booleans(),
            "dvr": st.booleans(),
            "single_use": st.booleans(),
            "session_limit": st.integers(1, 10**9),
            "grants": st.dictionaries(
                st.sampled_from(["read", "create", "update", "destroy"]),
                st.fixed_dictionaries(
                    {},
                    optional={
                        "all": st.booleans(),
                        "session_owned": st.booleans(),
                        "resources": st.lists(st.text(min_size=1, max_size=20), max_size=4),
                    },
                ),
            ),
            "x-other": st.integers(0, 10),
        },
    ),
    st.sampled_from([K256, K384, K512]),
)
def test_signing_and_verifying_keep_every_claim(claims: dict[str, Any], key: Key) -> None:
    assert check_claims(claims) is None
    text = sign(claims, key)
    assert read(text) == read_claims(claims, "demo", Format.JWT, text.rpartition(".")[0].encode())


# --- every algorithm ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", Algorithm)
def test_each_algorithm_here_and_in_pyjwt(keys: dict[Algorithm, Key], algorithm: Algorithm) -> None:
    key = keys[algorithm]
    ring, text = Keyring(keys.values()), sign(CLAIMS, key)
    assert read(text, ring) == read_claims(CLAIMS, "demo", Format.JWT, b"")
    public = key.material if algorithm.symmetric else load_der_public_key(key.material)
    assert pyjwt.decode(text, public, algorithms=[algorithm.value]) == CLAIMS
    private = key.material if algorithm.symmetric else load_der_private_key(key.signing or b"", None)
    theirs = pyjwt.encode(CLAIMS, private, algorithm=algorithm.value, headers={"kid": key.kid})
    assert read(theirs, ring) == read(text, ring)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_has_one_algorithm(keys: dict[Algorithm, Key], algorithm: Algorithm) -> None:
    """Whatever a header says: a token signed with one key under another's name is not verified."""
    ring = Keyring(keys.values())
    head, payload, mark = sign(CLAIMS, keys[algorithm]).split(".")
    for other in Algorithm:
        if other is algorithm:
            continue
        for alg, kid, reason in (
            (other.value, algorithm.value, Reason.TOKEN_ALGORITHM),
            (algorithm.value, other.value, Reason.TOKEN_ALGORITHM),
            (other.value, other.value, Reason.TOKEN_SIGNATURE),
        ):
            forged = encode(json.dumps({"alg": alg, "kid": kid, "typ": "JWT"}).encode())
            assert refused(f"{forged}.{payload}.{mark}", ring) is reason
    assert isinstance(read(f"{head}.{payload}.{mark}", ring), Token)


def test_a_key_that_is_nowhere_here_may_be_somewhere(keys: dict[Algorithm, Key]) -> None:
    for algorithm, key in keys.items():
        unknown, answer = Key("new", algorithm, key.material, key.signing), Deny(Reason.UNKNOWN_KEY)
        if not algorithm.symmetric:
            answer = UnknownKey(Reason.UNKNOWN_KEY, kid="new")
        assert read(sign(CLAIMS, unknown), Keyring(keys.values())) == answer


def test_a_signature_may_hold_anything() -> None:
    for payload in (b"", b"\x00\xff", b"[]"):
        signed = verify_jws(forge(HEADER, payload), RING)
        assert isinstance(signed, Signed)
        assert (signed.payload, signed.key) == (payload, K256)
        assert refused(forge(HEADER, payload)) is Reason.CLAIM_INVALID


def mutate(text: str, data: st.DataObject) -> str:
    """The token after a few changes that keep much of it: letters, cuts, repetitions, swapped parts."""
    for _ in range(data.draw(st.integers(1, 3))):
        at, to = sorted(data.draw(st.integers(0, len(text))) for _ in range(2))
        match data.draw(st.integers(0, 4)):
            case 0:
                text = text[:at] + data.draw(st.sampled_from(ALPHABET + ".=")) + text[at + 1 :]
            case 1:
                text = text[:at] + text[to:]
            case 2:
                text = text[:to] + text[at:]
            case 3:
                text = text[:at] + data.draw(st.text(ALPHABET + ".", max_size=6)) + text[at:]
            case 4:
                parts = text.split(".")
                text = ".".join(data.draw(st.permutations(parts)))
    return text


@UNHURRIED
@given(st.sampled_from(Algorithm), st.data())
def test_a_mutated_token_never_says_anything_else(
    keys: dict[Algorithm, Key], algorithm: Algorithm, data: st.DataObject
) -> None:
    """An ECDSA signature has a second form, and is as good; what is signed is the same, and so is the token."""
    ring = Keyring(keys.values())
    text = sign(CLAIMS, keys[algorithm])
    answer = read(mutate(text, data), ring)
    assert isinstance(answer, Token | Deny)
    if isinstance(answer, Token):
        assert answer == read(text, ring)


@UNHURRIED
@given(st.sampled_from(Algorithm), st.data())
def test_claims_under_the_signature_of_others(
    keys: dict[Algorithm, Key], algorithm: Algorithm, data: st.DataObject
) -> None:
    head, _, mark = sign(CLAIMS, keys[algorithm]).split(".")
    name, value = data.draw(st.sampled_from(list(CLAIMS))), data.draw(st.integers() | st.text(max_size=9))
    if CLAIMS[name] == value:
        return
    payload = encode(json.dumps({**CLAIMS, name: value}, separators=(",", ":")).encode())
    assert refused(f"{head}.{payload}.{mark}", Keyring(keys.values())) is Reason.TOKEN_SIGNATURE


@UNHURRIED
@given(st.binary(max_size=200))
def test_any_bytes_under_a_ring_of_every_algorithm(keys: dict[Algorithm, Key], raw: bytes) -> None:
    for text in (raw.decode("latin-1"), ".".join(map(encode, raw.split(b".")))):
        assert isinstance(read(text, Keyring(keys.values())), Deny)


# --- by application -----------------------------------------------------------------------------------------


def test_an_application_reads_the_formats_that_it_accepts() -> None:
    assert read_token(GOOD, Application("demo", RING)) == read(GOOD)
    closed = Application("demo", RING, formats=frozenset())
    assert read_token(GOOD, closed) == Deny(Reason.TOKEN_MALFORMED)


def test_an_application_takes_what_meets_its_terms() -> None:
    strict = Application(
        "demo", RING, audiences=frozenset({"tv"}), required_claims=("sub", "aud"), max_concurrent=2
    )
    assert read_token(GOOD, strict) == Deny(Reason.CLAIM_MISSING, "the token must have aud")
    assert read_token(sign({**CLAIMS, "aud": "radio"}, K256), strict) == Deny(Reason.AUDIENCE_NOT_ACCEPTED)
    token = read_token(sign({**CLAIMS, "aud": ["radio", "tv"], "max_concurrent": 9}, K256), strict)
    assert isinstance(token, Token)
    assert (token.audiences, token.max_concurrent) == (("radio", "tv"), 2)
