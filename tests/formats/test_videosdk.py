"""VideoSDK's access tokens: what its SDKs and samples sign, and what nobody of theirs would."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import jwt as pyjwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.checks import check_life
from gate.core.grants import Action
from gate.core.keys import Algorithm, Key, Keyring, UnknownKey
from gate.core.policy import ApiKey, Application, VideoSdk
from gate.core.reasons import Deny, Reason
from gate.core.room import Permission, RoomPass, Use
from gate.core.target import Target, parse_target
from gate.core.token import Format, Rights, Token, subject_owner, token_id, unnamed_token_id
from gate.core.windows import LAST_SECOND
from gate.formats import format_of, jwt, read_token
from gate.formats.jws import LONGEST
from gate.formats.videosdk import check_claims, is_participant, names_api_key, read

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SECRET, OTHER = b"5" * 64, b"6" * 64
KEYS = {"AK": ApiKey("AK", SECRET), "off": ApiKey("off", SECRET, enabled=False), "two": ApiKey("two", OTHER)}
APP = Application(
    "demo", Keyring([]), formats=frozenset({Format.VIDEOSDK}), rights=Rights(live=True), videosdk=VideoSdk(KEYS)
)
NOW = 1_800_000_000
CLAIMS: dict[str, Any] = {"apikey": "AK", "permissions": ["allow_join"], "iat": NOW, "exp": NOW + 7200}
HEADER = {"alg": "HS256", "typ": "JWT"}
HOST = frozenset({Permission.ALLOW_JOIN, Permission.ALLOW_MOD})
GUEST = frozenset({Permission.ALLOW_JOIN})


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(payload: Any = CLAIMS, header: Any = HEADER, secret: bytes = SECRET) -> str:
    """A token under HS256 whatever its header says; bytes stand as they are."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    text = ".".join(map(encode, parts))
    mathematics = pyjwt.algorithms.get_default_algorithms()["HS256"]
    return f"{text}.{encode(mathematics.sign(text.encode(), secret))}"


def said(**claims: Any) -> str:
    """Signed claims beside those of a plain token; those of None are left out."""
    return forge({name: value for name, value in {**CLAIMS, **claims}.items() if value is not None})


def token(text: str, application: Application = APP) -> Token:
    answer = read(text, application)
    assert isinstance(answer, Token), answer
    return answer


def room_of(text: str) -> RoomPass:
    room = token(text).warrant.room
    assert room is not None
    return room


def refused(text: str, application: Application = APP) -> Reason:
    answer = read(text, application)
    assert isinstance(answer, Deny), answer
    return answer.reason


# --- what verifies ------------------------------------------------------------------------------------------


def test_everything_that_a_token_says() -> None:
    made = token(
        said(
            permissions=["allow_mod", "allow_join"],
            version=2,
            roomId="2kyv-gzay-64pg",
            participantId="lxvdplwt",
            roles=["rtc"],
            nbf=NOW - 5,
            jti="t1",
            aud="nobody asks",
        )
    )
    grants = made.warrant.grants
    assert all((grant := grants.get(action)) is not None and grant.all for action in Action)
    assert made.warrant.rights == APP.rights
    assert made.warrant.room == RoomPass("AK", HOST, "2kyv-gzay-64pg", "lxvdplwt", frozenset({Use.MEDIA}))
    assert made == Token(
        application="demo",
        format=Format.VIDEOSDK,
        id=token_id("demo", "t1"),
        owner=subject_owner("demo", "lxvdplwt"),
        subject="lxvdplwt",
        warrant=made.warrant,
        issued_at=NOW,
        not_before=NOW - 5,
        expires_at=NOW + 7200,
    )


SAMPLES: list[tuple[dict[str, Any], RoomPass]] = [
    # The samples of the guides, for Node: jsonwebtoken adds iat and exp, and in the old one the jti.
    (
        {"apikey": "AK", "permissions": ["allow_join"], "iat": NOW, "exp": NOW + 86400, "jti": "5b1f"},
        RoomPass("AK", GUEST),
    ),
    (
        {
            "apikey": "AK",
            "permissions": ["allow_join"],
            "version": 2,
            "roomId": "2kyv-gzay-64pg",
            "participantId": "lxvdplwt",
            "roles": ["crawler", "rtc"],
            "iat": NOW,
            "exp": NOW + 7200,
        },
        RoomPass("AK", GUEST, "2kyv-gzay-64pg", "lxvdplwt"),
    ),
    # For Java, with nbf.
    (
        {"nbf": NOW, "exp": NOW + 1800, "iat": NOW, "apikey": "AK", "permissions": ["allow_join", "allow_mod"]},
        RoomPass("AK", HOST),
    ),
    # The server SDK: a participant's token, one without a grant, and one for the API.
    (
        {
            "apikey": "AK",
            "permissions": ["allow_join", "allow_mod"],
            "version": 2,
            "roles": ["rtc"],
            "participantId": "u1",
            "roomId": "r-1",
            "iat": NOW,
            "exp": NOW + 86400,
        },
        RoomPass("AK", HOST, "r-1", "u1", frozenset({Use.MEDIA})),
    ),
    (
        {
            "apikey": "AK",
            "permissions": ["allow_join", "allow_mod"],
            "version": 2,
            "roles": ["crawler"],
            "iat": NOW,
            "exp": NOW + 86400,
        },
        RoomPass("AK", HOST, uses=frozenset({Use.API})),
    ),
    # For those who wait in the lobby.
    (
        {"apikey": "AK", "permissions": ["ask_join"], "version": 2, "roles": ["rtc"], "exp": NOW},
        RoomPass("AK", frozenset({Permission.ASK_JOIN}), uses=frozenset({Use.MEDIA})),
    ),
    # For Python, Ruby and PHP: no exp.
    ({"apikey": "AK", "permissions": ["allow_join", "allow_mod"]}, RoomPass("AK", HOST)),
]


@pytest.mark.parametrize(("claims", "room"), SAMPLES)
def test_what_the_vendor_shows(claims: dict[str, Any], room: RoomPass) -> None:
    text = pyjwt.encode(claims, SECRET, algorithm="HS256")
    made = token(text)
    assert made.warrant.room == room
    assert (made.issued_at, made.expires_at) == (claims.get("iat"), claims.get("exp"))
    assert made.subject == room.participant
    assert read_token(text, APP) == made


@pytest.mark.parametrize("version", [None, 1, 2])
def test_a_restriction_holds_in_every_version(version: int | None) -> None:
    room = room_of(said(version=version, roomId="r", participantId="p", roles=["crawler"]))
    assert room == RoomPass("AK", GUEST, "r", "p", frozenset({Use.API}))


@pytest.mark.parametrize(
    ("roles", "uses"),
    [
        (None, set(Use)),
        (["crawler"], {Use.API}),
        (["rtc"], {Use.MEDIA}),
        (["rtc", "crawler", "rtc"], set(Use)),
        (["rtc", "recorder"], {Use.MEDIA}),
        (["RTC", "Crawler"], set()),
        (["publisher"], set()),
        ([], set()),
    ],
)
def test_what_a_token_is_good_for(roles: Any, uses: set[Use]) -> None:
    assert room_of(said(roles=roles)).uses == uses


# --- identity -----------------------------------------------------------------------------------------------


def test_a_token_without_a_name_is_its_signing_input() -> None:
    text = said()
    made = token(text)
    assert made.id == made.owner == unnamed_token_id("demo", text.rpartition(".")[0].encode())
    assert token(said(exp=NOW + 1)).id != made.id
    assert made.subject is None


@pytest.mark.parametrize(
    ("switched_on", "jti", "single"),
    [(True, "t1", True), (True, None, False), (False, "t1", False)],
)
def test_a_jti_is_good_once_where_the_policy_says_so(switched_on: bool, jti: Any, single: bool) -> None:
    application = replace(APP, videosdk=VideoSdk(KEYS, single_use=switched_on))
    made = token(said(jti=jti), application)
    assert (made.single_use, made.session_limit) == ((True, 1) if single else (False, None))


# --- its end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endless_s", "iat", "exp", "ends"),
    [
        (None, NOW, None, None),
        (600, NOW, None, NOW + 600),
        (600, None, None, None),
        (600, NOW, NOW + 9999, NOW + 9999),
        (600, NOW, NOW + 1, NOW + 1),
        (600, LAST_SECOND, None, LAST_SECOND),
    ],
)
def test_a_token_without_an_end(endless_s: int | None, iat: Any, exp: Any, ends: int | None) -> None:
    application = replace(APP, videosdk=VideoSdk(KEYS, endless_s=endless_s))
    made = token(said(iat=iat, exp=exp), application)
    assert made.expires_at == ends
    if ends is None:
        assert check_life(made, application, NOW) == Deny(Reason.EXPIRY_REQUIRED)


def test_expiry_is_not_asked_here() -> None:
    assert check_life(token(said(exp=1)), APP, NOW) == Deny(Reason.TOKEN_EXPIRED)


# --- the claims ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "reason", "detail"),
    [
        ({"permissions": None}, Reason.CLAIM_MISSING, "the token must have permissions"),
        ({"permissions": "allow_join"}, Reason.CLAIM_INVALID, "permissions must be an array of texts"),
        ({"permissions": ["allow_join", 1]}, Reason.CLAIM_INVALID, "permissions must be an array of texts"),
        ({"permissions": {"allow_join": 1}}, Reason.CLAIM_INVALID, "permissions must be an array of texts"),
        ({"permissions": []}, Reason.PERMISSIONS_INVALID, "permissions must name at least one"),
        *(
            (
                {"permissions": names},
                Reason.PERMISSIONS_INVALID,
                "permissions knows allow_join, ask_join, allow_mod",
            )
            for names in (["allow_all"], ["allow_join", "ALLOW_MOD"], [""], ["allow_join "])
        ),
        *(
            (
                {"permissions": names},
                Reason.PERMISSIONS_INVALID,
                "ask_join stands alone: who has to ask can have neither allow_join nor allow_mod",
            )
            for names in (["ask_join", "allow_join"], ["allow_mod", "ask_join"])
        ),
        *(
            ({"version": value}, Reason.CLAIM_INVALID, "version must be 1 or 2")
            for value in (0, 3, -1, "2", 2.0, True, [2], {})
        ),
        *(
            ({"roomId": value}, Reason.CLAIM_INVALID, "roomId must be text of 1 to 512 characters")
            for value in ("", 1, True, ["r"], "r" * 513)
        ),
        *(
            ({"roles": value}, Reason.CLAIM_INVALID, "roles must be an array of texts")
            for value in ("rtc", [1], [None], {"rtc": True}, 1)
        ),
        *(
            ({name: value}, Reason.CLAIM_INVALID, f"{name} must be a whole number of seconds")
            for name in ("iat", "nbf", "exp")
            for value in ("1", 1.5, True, [])
        ),
        *(
            ({name: value}, Reason.CLAIM_INVALID, f"{name} must lie between 0 and {LAST_SECOND}")
            for name in ("iat", "nbf", "exp")
            for value in (-1, LAST_SECOND + 1)
        ),
        *(
            ({"jti": value}, Reason.CLAIM_INVALID, "jti must be text of 1 to 512 characters")
            for value in ("", 7, ["t"])
        ),
    ],
)
def test_a_claim_that_is_none(claims: dict[str, Any], reason: Reason, detail: str) -> None:
    assert read(said(**claims), APP) == Deny(reason, detail)


def test_claims_that_the_policy_requires() -> None:
    strict = replace(APP, required_claims=("jti", "participantId"))
    assert read(said(), strict) == Deny(Reason.CLAIM_MISSING, "the token must have jti")
    assert read(said(jti="t"), strict) == Deny(Reason.CLAIM_MISSING, "the token must have participantId")
    assert isinstance(read(said(jti="t", participantId="p"), strict), Token)


GOOD_NAMES = [
    "u1",
    "a",
    "a" * 128,
    "Zoë",
    "日本語",
    "a.b",
    "...",
    "a@b:c;d",
    "<x>",
    "{y}",
    '"',
    "-_~!$&'()*+,=|^`",
]
BAD_NAMES: list[Any] = [
    *("", "a" * 129, "a b", " a", "a\t", "a\n", "\x00", "\x7f", "\x85", "\u00a0", "\u2028", "\u202e", "\u200b"),
    *(".", "..", "a/b", "/", "a\\b", "50%", "a?b", "a#b", ";", ";x", ".;x", "..;", "\ue000"),
    *(7, True, ["u1"], {"id": "u1"}),
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_participant_has_an_id_that_fits_into_a_path(name: str) -> None:
    assert room_of(said(participantId=name)).participant == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_an_id_that_no_participant_has(name: Any) -> None:
    answer = read(said(participantId=name), APP)
    assert isinstance(answer, Deny)
    assert answer.reason is Reason.PARTICIPANT_INVALID
    assert answer.detail.startswith("participantId must be 1 to 128 ")
    assert not is_participant(name)


LITERAL = "!$&'()*+,;=:@"


@given(st.text(max_size=6))
def test_no_id_can_stand_for_another_path(name: str) -> None:
    assert is_participant("\ud800") is False
    if is_participant(name):
        target = parse_target(f"/{quote(name, safe=LITERAL)}/mic")
        assert isinstance(target, Target)
        assert target.segments == (name, "mic")


# --- its key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "secret", "answer"),
    [
        ({"apikey": "nobody's"}, SECRET, Deny(Reason.UNKNOWN_KEY)),
        ({"apikey": "ak"}, SECRET, Deny(Reason.UNKNOWN_KEY)),
        ({"apikey": "AK"}, OTHER, Deny(Reason.TOKEN_SIGNATURE)),
        ({"apikey": "two"}, SECRET, Deny(Reason.TOKEN_SIGNATURE)),
        ({"apikey": "off"}, SECRET, Deny(Reason.KEY_DISABLED)),
        ({"apikey": "off"}, OTHER, Deny(Reason.TOKEN_SIGNATURE)),
        ({"apikey": None}, SECRET, Deny(Reason.CLAIM_MISSING, "the token must have apikey")),
        (
            {"apikey": ""},
            SECRET,
            Deny(Reason.CLAIM_INVALID, "apikey must be text of 1 to 512 characters"),
        ),
        (
            {"apikey": ["AK"]},
            SECRET,
            Deny(Reason.CLAIM_INVALID, "apikey must be text of 1 to 512 characters"),
        ),
        # What else is wrong with it is told to nobody but who has signed it.
        ({"apikey": "AK", "permissions": []}, OTHER, Deny(Reason.TOKEN_SIGNATURE)),
        ({"apikey": "off", "permissions": []}, SECRET, Deny(Reason.KEY_DISABLED)),
    ],
)
def test_whose_key_it_is(claims: dict[str, Any], secret: bytes, answer: Deny) -> None:
    found = read(forge({**CLAIMS, **claims}, secret=secret), APP)
    assert found == answer
    assert not isinstance(found, UnknownKey)


def test_a_key_that_is_unfit_verifies_nothing() -> None:
    short = replace(APP, videosdk=VideoSdk({"AK": ApiKey("AK", b"short")}))
    assert refused(forge(secret=b"short"), short) is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize("name", ["none", "None", "HS384", "HS512", "RS256", "ES256", "hs256", "", "HS256 "])
def test_another_algorithm_is_refused_whoever_signed(name: str) -> None:
    assert refused(forge(header={**HEADER, "alg": name})) is Reason.TOKEN_ALGORITHM


def test_a_token_that_hs512_has_signed() -> None:
    assert refused(pyjwt.encode(CLAIMS, SECRET, algorithm="HS512")) is Reason.TOKEN_ALGORITHM


def test_a_kid_says_nothing() -> None:
    assert token(forge(header={**HEADER, "kid": "two"})).warrant.room == RoomPass("AK", GUEST)


def test_an_application_without_keys_reads_nothing() -> None:
    assert refused(said(), replace(APP, videosdk=None)) is Reason.TOKEN_MALFORMED


# --- spelling -----------------------------------------------------------------------------------------------

GOOD = forge()
HEAD, BODY, MARK = GOOD.split(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        HEAD,
        f"{HEAD}.{BODY}",
        f"{HEAD}.{BODY}.",
        f"{HEAD}..{MARK}",
        f"{GOOD}=",
        f"{GOOD}.",
        f" {GOOD}",
        f"{GOOD}\n",
        f"Bearer {GOOD}",
        f"{HEAD}.{BODY}=.{MARK}",
        f"{HEAD}.{BODY}+.{MARK}",
        f"{HEAD}.{BODY}.{MARK}{'A' * LONGEST}",
        GOOD.replace(".", "%2E"),
        "{}",
    ],
)
def test_what_is_not_of_the_shape_is_malformed(text: str) -> None:
    assert refused(text) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        {},
        [],
        b"\xff",
        b'{"alg":"HS256","alg":"HS256"}',
        {"alg": 256},
        {**HEADER, "typ": "JWE"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "jwk": {}},
        {**HEADER, "kid": None},
    ],
)
def test_a_header_that_is_not_ours(header: Any) -> None:
    assert refused(forge(header=header)) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b'"AK"',
        b"\xff\xfe",
        json.dumps(CLAIMS).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode(),
        b'{"apikey":"AK","permissions":["ask_join"],"permissions":["allow_join"]}',
        b'{"apikey":"two","apikey":"AK","permissions":["allow_join"]}',
        b'{"apikey":"AK","permissions":["allow_join"],"exp":NaN}',
        b'{"apikey":"AK","permissions":["allow_join"]} ,',
        b'{"apikey":"AK","permissions":' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
def test_a_payload_that_is_not_one_object(payload: bytes) -> None:
    assert refused(forge(payload)) is Reason.TOKEN_MALFORMED


@UNHURRIED
@given(st.integers(0, len(GOOD) - 1), st.sampled_from("AZaz09-_.=~ \x00\u00e9\ud800"))
def test_one_altered_character_is_one_too_many(at: int, character: str) -> None:
    text = GOOD[:at] + character + GOOD[at + 1 :]
    assert isinstance(read(text, APP), Token) == (text == GOOD)


@UNHURRIED
@given(st.text() | st.binary().map(lambda raw: ".".join(map(encode, raw.split(b".")))))
def test_any_text_is_refused_and_never_an_exception(text: str) -> None:
    assert isinstance(read(text, APP), Deny)
    assert names_api_key(text) is False


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["permissions", "version", "roomId", "participantId", "roles", "iat", "nbf", "exp", "jti"]
)


@UNHURRIED
@given(st.dictionaries(NAMES, JSON | st.lists(st.sampled_from(["allow_join", "rtc"]))))
def test_any_signed_claims_are_a_token_or_a_refusal(claims: dict[str, Any]) -> None:
    answer = read(forge({"apikey": "AK", **claims}), APP)
    if isinstance(answer, Token):
        assert answer.warrant.room is not None
        assert answer.warrant.room.permissions
        assert answer.warrant.room.room == claims.get("roomId")
        assert answer.warrant.room.participant == claims.get("participantId")


# --- by application -----------------------------------------------------------------------------------------

NATIVE = Key("k1", Algorithm.HS256, b"n" * 32)
NATIVE_TEXT = jwt.sign({"grants": {"read": {"all": True}}, "exp": NOW}, NATIVE)
ALL = replace(APP, keyring=Keyring([NATIVE]), formats=frozenset(Format))


def test_names_an_api_key() -> None:
    assert names_api_key(GOOD)
    assert names_api_key(forge({"apikey": None}))
    assert not names_api_key(NATIVE_TEXT)
    assert not names_api_key("a.b")


@pytest.mark.parametrize(
    ("formats", "text", "form"),
    [
        ({Format.VIDEOSDK}, "no dots", Format.VIDEOSDK),
        ({Format.VIDEOSDK}, NATIVE_TEXT, Format.VIDEOSDK),
        ({Format.JWT}, GOOD, Format.JWT),
        ({Format.ZIGGEO}, GOOD, Format.ZIGGEO),
        ({Format.JWT, Format.VIDEOSDK}, GOOD, Format.VIDEOSDK),
        ({Format.JWT, Format.VIDEOSDK}, NATIVE_TEXT, Format.JWT),
        ({Format.JWT, Format.VIDEOSDK}, "no dots", Format.JWT),
        ({Format.ZIGGEO, Format.VIDEOSDK}, "no dots", Format.ZIGGEO),
        ({Format.ZIGGEO, Format.VIDEOSDK}, NATIVE_TEXT, Format.VIDEOSDK),
        ({Format.ZIGGEO, Format.JWT}, GOOD, Format.JWT),
        (set(Format), "no dots", Format.ZIGGEO),
        (set(Format), GOOD, Format.VIDEOSDK),
        (set(Format), NATIVE_TEXT, Format.JWT),
        (set(), GOOD, None),
    ],
)
def test_a_text_is_of_one_format(formats: set[Format], text: str, form: Format | None) -> None:
    assert format_of(text, replace(APP, formats=frozenset(formats))) is form


def test_an_application_of_several_formats_reads_each() -> None:
    for text, form in ((GOOD, Format.VIDEOSDK), (NATIVE_TEXT, Format.JWT)):
        answer = read_token(text, ALL)
        assert isinstance(answer, Token)
        assert answer.format is form
    # Each is verified with its own keys.
    crossed = forge({**CLAIMS, "apikey": "k1"}, secret=NATIVE.material)
    assert read_token(crossed, ALL) == Deny(Reason.UNKNOWN_KEY)


def test_the_terms_of_the_application_hold() -> None:
    capped = replace(APP, max_usage_s=3600, max_concurrent=2)
    answer = read_token(GOOD, capped)
    assert isinstance(answer, Token)
    assert (answer.usage_s, answer.max_concurrent, answer.counted) == (3600, 2, True)
    assert read_token(GOOD, replace(APP, issuers=frozenset({"us"}))) == Deny(Reason.ISSUER_NOT_ACCEPTED)


def test_reading_is_quick() -> None:
    """A table of ten thousand keys costs no more than one of three."""
    many = {f"k{at}": ApiKey(f"k{at}", OTHER) for at in range(10_000)}
    crowded = replace(APP, videosdk=VideoSdk({**many, **KEYS}))
    since = time.perf_counter()
    for _ in range(100):
        assert isinstance(read(GOOD, crowded), Token)
    assert time.perf_counter() - since < 5


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"apikey": "AK", "permissions": ["allow_join"], "participantId": "anna"}, None),
        ({"permissions": ["allow_join"]}, Reason.CLAIM_MISSING),
        ({"apikey": 5, "permissions": ["allow_join"]}, Reason.CLAIM_INVALID),
        ({"apikey": "AK", "permissions": "allow_join"}, Reason.CLAIM_INVALID),
        ({"apikey": "AK", "permissions": []}, Reason.PERMISSIONS_INVALID),
    ],
)
def test_claims_are_read_whoever_signed_them(claims: dict[str, Any], reason: Reason | None) -> None:
    found = check_claims(claims)
    assert (found.reason if isinstance(found, Deny) else None) is reason
