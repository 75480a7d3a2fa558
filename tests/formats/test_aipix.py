"""Access tokens as aipix documents them: what is asked for, and what a gate then reads."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.checks import check_life
from gate.core.grants import Action, Grant
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.policy import Application
from gate.core.target import Target, parse_target
from gate.core.token import Rights, Token, token_id
from gate.core.windows import ALWAYS_MS, LAST_SECOND, UNBOUNDED, Span
from gate.formats import jwt, read_token
from gate.formats.aipix import (
    BOUND,
    DEFAULT_TTL_S,
    LONGEST_STREAM,
    LONGEST_TTL_S,
    STREAM,
    access_claims,
    access_parameters,
    asked_claims,
    check_bounds,
    lifetime,
)
from gate.formats.claims import check_claims
from gate.formats.parameters import Wrong, read_parameters

KEY = Key("k1", Algorithm.HS256, b"a secret of more than thirty-two bytes, for tests")
RING = Keyring([KEY])
NOW = 1_795_255_200.75
START, END = 1_795_000_000, 1_795_003_600


def issued(**asked: Any) -> Token:
    """The token that a gate reads, for these parameters."""
    values = read_parameters(access_parameters(), {"stream": "cam1", **asked})
    assert not isinstance(values, list), values
    assert check_bounds(values) is None
    claims = asked_claims(values, now=NOW, jti="t1")
    assert check_claims(claims) is None
    token = jwt.verify(jwt.sign(claims, KEY), "demo", RING, required=("iat", "jti", "grants"))
    assert isinstance(token, Token), token
    return token


@pytest.mark.parametrize("rights", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize("start", [0, START])
@pytest.mark.parametrize("end", [0, START, END])
def test_every_right_with_and_without_each_bound(rights: tuple[bool, ...], start: int, end: int) -> None:
    live, dvr, copy = rights
    token = issued(live=live, dvr=dvr, copy=copy, **{"from": start, "to": end})
    assert dict(token.warrant.grants.by_action) == {Action.READ: Grant(resources=frozenset({"cam1"}))}
    assert token.warrant.rights == Rights(live=live, dvr=dvr, copy=copy)
    span = Span(start * 1000 or -ALWAYS_MS, end * 1000 or ALWAYS_MS)
    assert token.warrant.windows.spans == ((span,) if span.start_ms < span.end_ms else ())
    assert token.warrant.unrestricted == (live and dvr and copy and not start and not end)
    assert (token.issued_at, token.expires_at) == (int(NOW), int(NOW) + DEFAULT_TTL_S)
    assert token.id == token_id("demo", "t1")
    assert not token.counted
    assert token.subject is None


def test_by_default_it_grants_the_name_and_nothing_to_watch() -> None:
    token = issued()
    assert token.warrant.rights == Rights()
    assert token.warrant.windows == UNBOUNDED
    assert access_claims("cam1", now=NOW, jti="t1") == {
        "jti": "t1",
        "iat": 1_795_255_200,
        "exp": 1_795_258_800,
        "grants": {"read": {"resources": ["cam1"]}},
    }


def test_everything() -> None:
    assert access_claims(
        "cam1", ttl=60, live=True, dvr=True, copy=True, from_=START, to=END, now=NOW, jti="t1"
    ) == {
        "jti": "t1",
        "iat": 1_795_255_200,
        "exp": 1_795_255_260,
        "grants": {"read": {"resources": ["cam1"]}},
        "live": True,
        "dvr": True,
        "copy": True,
        "from": START,
        "to": END,
    }


def test_it_says_when_it_was_issued_at_the_beginning_of_time_too() -> None:
    assert access_claims("cam1", ttl=0, now=0, jti="t1")["iat"] == 0


def test_a_ttl_of_0_has_no_end() -> None:
    assert issued(ttl=0).expires_at is None
    assert issued(ttl=1).expires_at == int(NOW) + 1
    assert issued(ttl=LONGEST_TTL_S).expires_at == int(NOW) + LONGEST_TTL_S < LAST_SECOND


@pytest.mark.parametrize("longest_s", [None, 1, 600, 599.5, 3600, 86400, float("inf")])
@pytest.mark.parametrize("unlimited", [False, True])
def test_what_may_be_asked_for_is_what_the_application_accepts(
    longest_s: float | None, unlimited: bool
) -> None:
    application = Application("demo", RING, max_ttl_s=longest_s, unlimited_ttl=unlimited)
    parameters = access_parameters(longest_s, unlimited=unlimited)
    asked: list[dict[str, object]] = [{}, *({"ttl": ttl} for ttl in (0, 1, 599, 600, 3600, 86401))]
    for more in asked:
        values = read_parameters(parameters, {"stream": "cam1", **more})
        ttl = more.get("ttl", 1)
        if isinstance(values, list):
            assert ttl == 0 or (longest_s is not None and ttl > longest_s)
            continue
        token = read_token(jwt.sign(asked_claims(values, now=NOW, jti="t1"), KEY), application)
        assert isinstance(token, Token)
        assert check_life(token, application, NOW) is None


def test_a_cap_below_a_second_is_no_way_to_a_token_without_end() -> None:
    values = read_parameters(access_parameters(0.5), ["cam1"])
    assert not isinstance(values, list)
    assert values["ttl"] == 1


def test_what_is_wrong_with_a_ttl() -> None:
    assert lifetime().read(-1) == Wrong("", "expected whole seconds from 0")
    assert lifetime().read(2**32) == Wrong("", "expected whole seconds, at most 4294967295")
    assert lifetime(60).read(61) == Wrong("", "expected whole seconds, at most 60")
    assert lifetime(60).read(0) == 0
    assert lifetime(60, unlimited=False).read(0) == Wrong("", "expected whole seconds from 1")


@pytest.mark.parametrize("value", ["5", 5.0, True, None, [], {}, -1])
@pytest.mark.parametrize("name", ["ttl", "from", "to"])
def test_a_number_is_a_whole_one(name: str, value: object) -> None:
    words = "whole seconds" if name == "ttl" else "whole Unix seconds"
    read = read_parameters(access_parameters(), {"stream": "cam1", name: value})
    assert [str(each) for each in read] == [f"{name}: expected {words} from 0"]


def test_a_bound_is_a_date() -> None:
    assert BOUND.read(LAST_SECOND) == LAST_SECOND
    for much in (LAST_SECOND + 1, 2**63):
        assert BOUND.read(much) == Wrong("", f"expected whole Unix seconds, at most {LAST_SECOND}")


@pytest.mark.parametrize("value", [0, 1, "true", None])
@pytest.mark.parametrize("name", ["live", "dvr", "copy"])
def test_a_right_is_true_or_false(name: str, value: object) -> None:
    read = read_parameters(access_parameters(), {"stream": "cam1", name: value})
    assert [str(each) for each in read] == [f"{name}: expected true or false"]


def test_an_end_before_the_beginning() -> None:
    for start, end in ((0, 0), (5, 0), (0, 5), (5, 5), (5, 6)):
        assert check_bounds({"from": start, "to": end}) is None
    assert str(check_bounds({"from": 6, "to": 5})) == "to: expected a time that is not before from, or 0"


GOOD = ["a", "cam1", "0", "-", "_x", "a.b.c", "~a", "A" * 255, "6f1c2d7e-0000-4000-8000-1234567890ab"]
BAD = {
    "nothing": "",
    "a dot segment": "..",
    "a dot": ".",
    "two dots": "a..b",
    "a dot first": ".a",
    "a dot last": "a.",
    "a slash": "a/b",
    "a way up": "../a",
    "a backslash": "a\\b",
    "an escape": "a%2Fb",
    "an escaped dot": "%2e%2e",
    "a colon": "cam:1",
    "a space": "a b",
    "a plus": "a+b",
    "a comma": "a,b",
    "a query": "a?b",
    "a fragment": "a#b",
    "a parameter": "a;b",
    "an at sign": "a@b",
    "a star": "*",
    "a NUL": "a\0",
    "a line end": "a\n",
    "a letter beyond ASCII": "é",
    "a digit beyond ASCII": "\u0661",
    "a full-width dot": "\uff0e\uff0e",
    "too much": "a" * 256,
    "a megabyte": "a" * 2**20,
    "a megabyte of dots": "a." * 2**19,
    "a number": 1,
    "a flag": True,
    "null": None,
    "an array": ["cam1"],
    "an object": {"uid": "cam1"},
}


@pytest.mark.parametrize("uid", GOOD)
def test_a_stream(uid: str) -> None:
    assert STREAM.read(uid) == uid


@pytest.mark.parametrize("uid", BAD.values(), ids=BAD.keys())
def test_what_is_no_stream(uid: object) -> None:
    told = "stream: expected 1 to 255 of the characters A-Z a-z 0-9 _ ~ - and single dots between them"
    read = read_parameters(access_parameters(), {"stream": uid})
    assert [str(each) for each in read] == [told]


@given(st.text() | st.text(alphabet="ab.~-_:/%", min_size=1))
def test_a_stream_is_one_segment_in_one_spelling(uid: str) -> None:
    if isinstance(STREAM.read(uid), Wrong):
        return
    assert len(uid) <= LONGEST_STREAM
    target = parse_target(f"/{uid}/x")
    assert isinstance(target, Target)
    assert target.segments == (uid, "x")
    assert not target.path.count("%")


def test_the_order_is_the_documented_one() -> None:
    names = [parameter.name for parameter in access_parameters()]
    assert names == ["stream", "ttl", "live", "dvr", "copy", "from", "to"]
    defaults = [parameter.default for parameter in access_parameters()][1:]
    assert defaults == [3600, False, False, False, 0, 0]
    by_position = read_parameters(access_parameters(), ["cam1", 60, True, False, True, START, END])
    assert not isinstance(by_position, list)
    assert asked_claims(by_position, now=NOW, jti="t1") == access_claims(
        "cam1", ttl=60, live=True, copy=True, from_=START, to=END, now=NOW, jti="t1"
    )
