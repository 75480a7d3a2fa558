"""The claims, one by one: what each may be, and a refusal that names it and never shows its value."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.grants import Action, Grant
from gate.core.reasons import Deny, Reason
from gate.core.token import Bind, Format, Rights, Token, subject_owner, token_id, unnamed_token_id
from gate.core.windows import LAST_SECOND, UNBOUNDED, Span, Windows
from gate.formats.claims import (
    MOST_AUDIENCES,
    MOST_RESOURCES,
    MOST_WINDOWS,
    check_claims,
    read_claims,
)
from gate.formats.validators import LARGEST_COUNT, LONGEST_TEXT

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(**claims: Any) -> Token | Deny:
    return read_claims({name.rstrip("_"): value for name, value in claims.items()}, "demo", Format.JWT, b"h.p")


def token(**claims: Any) -> Token:
    answer = read(**claims)
    assert isinstance(answer, Token), answer
    return answer


def refusal(**claims: Any) -> str:
    answer = read(**claims)
    assert isinstance(answer, Deny), answer
    assert answer.reason is Reason.CLAIM_INVALID
    assert not answer.facts
    return answer.detail


def test_nothing_said_is_nothing_permitted() -> None:
    answer = token()
    assert not answer.warrant.grants.by_action
    assert all(answer.warrant.grants.get(action) is None for action in Action)
    assert answer.warrant.rights == Rights(False, False, False)
    assert answer.warrant.windows == UNBOUNDED
    assert answer.warrant.bind is None
    assert not answer.counted
    assert answer.expires_at is None


def test_everything_said() -> None:
    answer = token(
        iss="app",
        sub="viewer",
        aud=["gate", "cdn"],
        exp=2000,
        nbf=1000,
        iat=900,
        jti="t-1",
        grants={
            "read": {"resources": ["cam1", "cam2"]},
            "update": {"session_owned": True},
            "create": {"all": True},
        },
        live=True,
        dvr=True,
        copy=False,
        from_=100,
        to=200,
        expiration_date=1900,
        usage_expiration_time=60,
        session_limit=3,
        max_concurrent=2,
        nonce="t-1",
        bind={"ip": "192.0.2.0/24", "user_agent": "Player/1", "origin": "https://a.example"},
    )
    assert answer == Token(
        application="demo",
        format=Format.JWT,
        id=token_id("demo", "t-1"),
        owner=subject_owner("demo", "viewer"),
        subject="viewer",
        warrant=answer.warrant,
        issued_at=900,
        not_before=1000,
        expires_at=1900,
        usage_s=60,
        session_limit=3,
        max_concurrent=2,
        issuer="app",
        audiences=("gate", "cdn"),
    )
    grants = answer.warrant.grants
    assert grants.get(Action.READ) == Grant(resources=frozenset({"cam1", "cam2"}))
    assert grants.get(Action.UPDATE) == Grant(session_owned=True)
    assert grants.get(Action.CREATE) == Grant(all=True)
    assert grants.get(Action.DESTROY) is None
    assert answer.warrant.rights == Rights(live=True, dvr=True)
    assert answer.warrant.windows == Windows((Span(100_000, 200_000),))
    assert answer.warrant.bind == Bind(ip_network("192.0.2.0/24"), "Player/1", "https://a.example")


SECONDS = ("exp", "nbf", "iat", "expiration_date", "from", "to")
COUNTS = ("usage_expiration_time", "session_limit", "max_concurrent")
FLAGS = ("live", "dvr", "copy", "single_use")
TEXTS = ("iss", "sub", "jti", "nonce")
OBJECTS = ("grants", "bind")

NOT_WHOLE: list[Any] = [
    True,
    False,
    1.0,
    1.5,
    1e300,
    float("inf"),
    float("nan"),
    "7",
    "",
    -1,
    [7],
    {},
    [],
    2**63,
]
WRONG: list[tuple[str, Any]] = [
    *((name, value) for name in SECONDS for value in [*NOT_WHOLE, LAST_SECOND + 1]),
    *((name, value) for name in COUNTS for value in [*NOT_WHOLE, 0, LARGEST_COUNT + 1]),
    *((name, value) for name in FLAGS for value in [0, 1, 1.0, 1e300, "true", "", -1, 2**63, [], {}, None]),
    *((name, value) for name in TEXTS for value in [True, 0, 1.5, 1e300, -1, 2**63, "", "x" * 513, ["x"], {}]),
    *((name, value) for name in OBJECTS for value in [True, False, 0, 1e300, -1, 2**63, "x", "", [], ["x"]]),
    *(("aud", value) for value in [True, 0, 1e300, -1, 2**63, "", "x" * 513, [], ["x", 1], [""], [["x"]], {}]),
    ("aud", ["x"] * (MOST_AUDIENCES + 1)),
    *(
        ("windows", value)
        for value in [True, 0, 1e300, -1, 2**63, "x", "", {}, {"from": 1}, [], [1], [None], [[]]]
    ),
    ("windows", [{"from": 1}] * (MOST_WINDOWS + 1)),
    ("windows", [{"from": 1, "until": 2}]),
    *(("windows", [{"from": 1}, {"to": value}]) for value in NOT_WHOLE),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}={value!r:.24}" for name, value in WRONG])
def test_a_claim_of_the_wrong_type_is_refused_by_name(name: str, value: Any) -> None:
    sentence = refusal(**{name: value})
    assert sentence.startswith(name)
    assert len(sentence) < 120


def test_a_refusal_never_shows_the_value() -> None:
    secret = "hunter2"
    for name in (*SECONDS, *COUNTS, *FLAGS, *OBJECTS, "windows"):
        assert secret not in refusal(**{name: secret})
    for name in (*TEXTS, "aud"):
        assert secret not in refusal(**{name: secret * 100})
    assert secret not in refusal(grants={secret: {}})
    assert secret not in refusal(grants={"read": {secret: True}})
    assert secret not in refusal(grants={"read": {"resources": secret}})
    assert secret not in refusal(bind={secret: "x"})
    assert secret not in refusal(bind={"ip": secret})
    assert secret not in refusal(jti=secret, nonce="x")


@pytest.mark.parametrize("name", [*SECONDS, *COUNTS, *TEXTS, *OBJECTS, "aud", "windows"])
def test_null_says_nothing(name: str) -> None:
    assert read(**{name: None}) == token()


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_is_never_null(name: str) -> None:
    assert refusal(**{name: None}) == f"{name} must be true or false"


def test_claims_of_others_are_ignored() -> None:
    assert token(role="admin", LIVE=True, Grants={"read": {"all": True}}, exp_=None) == token()


# --- identity -----------------------------------------------------------------------------------------------


def test_jti_and_nonce_are_one_name() -> None:
    assert token(jti="a").id == token(nonce="a").id == token(jti="a", nonce="a").id == token_id("demo", "a")


def test_two_names_are_refused() -> None:
    assert refusal(jti="a", nonce="b") == "jti and nonce both name the token and differ"


def test_without_a_name_the_signing_input_is_the_name() -> None:
    assert token().id == unnamed_token_id("demo", b"h.p")
    assert token().id != token(jti="h.p").id


def test_the_owner_is_the_subject_or_else_the_token() -> None:
    assert token(jti="a").owner == token(jti="a").id
    assert token(jti="a", sub="v").owner == token(jti="b", sub="v").owner == subject_owner("demo", "v")


def test_applications_share_no_names() -> None:
    claims = {"jti": "a", "sub": "v"}
    one, two = (read_claims(claims, name, Format.JWT, b"h.p") for name in ("one", "two"))
    assert isinstance(one, Token)
    assert isinstance(two, Token)
    assert one.id != two.id
    assert one.owner != two.owner


# --- life and counts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exp", "expiration_date", "ends"),
    [(None, None, None), (5, None, 5), (None, 5, 5), (5, 6, 5), (6, 5, 5), (0, 5, 0)],
)
def test_the_earlier_end_wins(exp: int | None, expiration_date: int | None, ends: int | None) -> None:
    assert token(exp=exp, expiration_date=expiration_date).expires_at == ends


@pytest.mark.parametrize("name", COUNTS)
def test_a_limit_makes_a_token_counted(name: str) -> None:
    assert token(**{name: 1}).counted
    assert token(**{name: LARGEST_COUNT}).counted


def test_single_use_is_a_limit_of_one() -> None:
    for claims in ({}, {"session_limit": 1}, {"session_limit": 5}):
        answer = token(single_use=True, **claims)
        assert answer.single_use
        assert answer.session_limit == 1
        assert answer.counted
    assert token(single_use=False, session_limit=5).session_limit == 5


def test_single_use_excuses_no_wrong_limit() -> None:
    assert refusal(single_use=True, session_limit="5").startswith("session_limit ")


# --- grants -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "sentence"),
    [
        ({"write": {}}, "grants knows read, create, update and destroy"),
        ({"READ": {}}, "grants knows read, create, update and destroy"),
        ({"": {}}, "grants knows read, create, update and destroy"),
        ({"read": None}, "grants.read must be an object"),
        ({"read": True}, "grants.read must be an object"),
        ({"read": ["cam1"]}, "grants.read must be an object"),
        ({"read": {"resource": ["cam1"]}}, "grants.read knows all, resources and session_owned"),
        ({"read": {"All": True}}, "grants.read knows all, resources and session_owned"),
        ({"read": {"all": 1}}, "grants.read.all must be true or false"),
        ({"read": {"all": "true"}}, "grants.read.all must be true or false"),
        ({"read": {"all": None}}, "grants.read.all must be true or false"),
        ({"destroy": {"session_owned": "no"}}, "grants.destroy.session_owned must be true or false"),
        ({"read": {"resources": "cam1"}}, "grants.read.resources must be an array of at most 10000 names"),
        ({"read": {"resources": None}}, "grants.read.resources must be an array of at most 10000 names"),
        ({"read": {"resources": {"cam1": 1}}}, "grants.read.resources must be an array of at most 10000 names"),
        (
            {"read": {"resources": ["x"] * 10_001}},
            "grants.read.resources must be an array of at most 10000 names",
        ),
        ({"read": {"resources": [""]}}, "grants.read.resources must hold names of 1 to 512 characters"),
        ({"read": {"resources": ["x" * 513]}}, "grants.read.resources must hold names of 1 to 512 characters"),
        ({"read": {"resources": ["cam1", 7]}}, "grants.read.resources must hold names of 1 to 512 characters"),
        ({"read": {"resources": [["cam1"]]}}, "grants.read.resources must hold names of 1 to 512 characters"),
    ],
)
def test_the_vocabulary_of_grants_is_closed(grants: dict[str, Any], sentence: str) -> None:
    assert refusal(grants=grants) == sentence


def test_an_empty_grant_covers_nothing() -> None:
    grant = token(grants={"read": {}}).warrant.grants.get(Action.READ)
    assert grant == Grant()
    assert not grant.covers("cam1")
    assert not grant.covers("", owned=True)


def test_the_limits_themselves_are_legal() -> None:
    names = [f"{at}".rjust(LONGEST_TEXT, "x") for at in range(MOST_RESOURCES)]
    grant = token(grants={"read": {"resources": names}}).warrant.grants.get(Action.READ)
    assert grant is not None
    assert len(grant.resources) == MOST_RESOURCES
    assert token(sub="x" * LONGEST_TEXT).subject == "x" * LONGEST_TEXT
    assert token(exp=LAST_SECOND).expires_at == LAST_SECOND
    assert token(aud=["x"] * MOST_AUDIENCES).audiences == ("x",) * MOST_AUDIENCES
    assert token(aud="x").audiences == ("x",)
    assert token().audiences == ()
    windows = [{"from": 10 * at + 1, "to": 10 * at + 2} for at in range(MOST_WINDOWS)]
    assert len(token(windows=windows).warrant.windows.spans) == MOST_WINDOWS


# --- what must be there -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "lacking"),
    [
        ({"sub": "a", "x": 0}, ""),
        ({"sub": "a", "x": False}, ""),
        ({"sub": "a"}, "x"),
        ({"sub": "a", "x": None}, "x"),
        ({}, "sub"),
    ],
)
def test_required_claims(claims: dict[str, Any], lacking: str) -> None:
    answer = read_claims(claims, "demo", Format.JWT, b"h.p", ("sub", "x"))
    if lacking:
        assert answer == Deny(Reason.CLAIM_MISSING, f"the token must have {lacking}")
    else:
        assert isinstance(answer, Token)


# --- time ---------------------------------------------------------------------------------------------------

LEAST, MOST = UNBOUNDED.spans[0].start_ms, UNBOUNDED.spans[0].end_ms


@pytest.mark.parametrize(
    ("claims", "spans"),
    [
        ({}, ((LEAST, MOST),)),
        ({"from": 0, "to": 0}, ((LEAST, MOST),)),
        ({"from": 100}, ((100_000, MOST),)),
        ({"from": 100, "to": 0}, ((100_000, MOST),)),
        ({"to": 200}, ((LEAST, 200_000),)),
        ({"from": 0, "to": 200}, ((LEAST, 200_000),)),
        ({"from": 100, "to": 200}, ((100_000, 200_000),)),
        ({"from": 100, "to": 100}, ()),
        ({"windows": [{"from": 100, "to": 100}]}, ()),
        ({"windows": [{}]}, ((LEAST, MOST),)),
        ({"windows": [{"from": 0, "to": 0}]}, ((LEAST, MOST),)),
        (
            {"windows": [{"from": 300, "to": 400}, {"from": 100, "to": 200}]},
            ((100_000, 200_000), (300_000, 400_000)),
        ),
        ({"windows": [{"from": 100, "to": 200}, {"from": 200, "to": 300}]}, ((100_000, 300_000),)),
        ({"windows": [{"from": 100, "to": 300}, {"from": 150, "to": 200}]}, ((100_000, 300_000),)),
        ({"windows": [{"to": 100}, {"from": 50}]}, ((LEAST, MOST),)),
        ({"windows": None, "from": 100, "to": 200}, ((100_000, 200_000),)),
    ],
)
def test_windows(claims: dict[str, Any], spans: tuple[tuple[int, int], ...]) -> None:
    assert token(**claims).warrant.windows == Windows(tuple(Span(*span) for span in spans))


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"from": 200, "to": 100}, "to must not lie before from"),
        (
            {"windows": [{"from": 1}, {"from": 200, "to": 100}]},
            "windows[1].to must not lie before windows[1].from",
        ),
        ({"windows": [{"from": 1}], "from": 1}, "windows stands instead of from and to, not beside them"),
        ({"windows": [{"from": 1}], "to": 0}, "windows stands instead of from and to, not beside them"),
        ({"windows": [{"from": 1}], "to": None}, "windows stands instead of from and to, not beside them"),
        ({"windows": [{"from": True}]}, "windows[0].from must be a whole number of seconds"),
        ({"windows": [7]}, "windows[0] must be an object with from and to"),
    ],
)
def test_windows_that_are_none(claims: dict[str, Any], sentence: str) -> None:
    assert refusal(**claims) == sentence


# --- binding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["192.0.2.7", "192.0.2.0/24", "2001:db8::1", "2001:db8::/64"])
def test_a_binding_to_an_address_or_a_network(address: str) -> None:
    assert token(bind={"ip": address}).warrant.bind == Bind(network=ip_network(address))


@pytest.mark.parametrize(
    "address", ["192.0.2.7/24", "192.0.2", "localhost", "192.0.2.7/33", "192.0.2.7 ", "fe80::/200"]
)
def test_an_address_that_is_none(address: str) -> None:
    assert refusal(bind={"ip": address}) == "bind.ip must be an address or a network, such as 192.0.2.0/24"


@pytest.mark.parametrize("name", ["ip", "user_agent", "origin"])
@pytest.mark.parametrize("value", [True, 7, 1e300, "", ["x"], "x" * 513])
def test_a_binding_of_the_wrong_type(name: str, value: Any) -> None:
    assert refusal(bind={name: value}) == f"bind.{name} must be text of 1 to 512 characters"


def test_a_binding_has_a_closed_vocabulary() -> None:
    assert refusal(bind={"IP": "192.0.2.7"}) == "bind must be an object that knows ip, user_agent and origin"
    assert token(bind={}).warrant.bind == Bind()
    assert token(bind={"ip": None}).warrant.bind == Bind()


# --- before signing -----------------------------------------------------------------------------------------


def test_claims_are_checked_before_they_are_signed() -> None:
    assert check_claims({"grants": {"read": {"all": True}}, "exp": 1}) is None
    assert check_claims({"exp": "1"}) == "exp must be a whole number of seconds"


NAMES = [*SECONDS, *COUNTS, *FLAGS, *TEXTS, *OBJECTS, "aud", "windows"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["read", "all", "resources", "from", "to", "ip", "user_agent"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@UNHURRIED
@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6))
def test_any_claims_are_a_token_or_a_refusal_with_a_sentence(claims: dict[str, Any]) -> None:
    answer = read(**claims)
    assert isinstance(answer, Token) or (answer.reason is Reason.CLAIM_INVALID and answer.detail)
