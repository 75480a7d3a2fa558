"""What an application asks of a token: conditions refuse, bounds hold."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from gate.core.grants import Grants
from gate.core.keys import Keyring
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.terms import accept
from gate.core.token import Bind, Bound, Format, Token, Warrant

ANY = Application("demo", Keyring([]))
BARE = Token("demo", Format.JWT, "id", "id", None, Warrant(Grants()))


def reason(answer: Token | Deny) -> Reason | None:
    return answer.reason if isinstance(answer, Deny) else None


def bound(**to: object) -> Token:
    return replace(BARE, warrant=replace(BARE.warrant, bind=Bind(**to)))  # type: ignore[arg-type]


def test_an_application_that_asks_nothing_takes_the_token_as_it_is() -> None:
    for token in (
        BARE,
        replace(BARE, issuer="x", audiences=("y",), usage_s=9, session_limit=2, max_concurrent=1),
    ):
        assert accept(token, ANY) is token


@pytest.mark.parametrize(
    ("issuer", "taken"),
    [("https://id.example", True), ("b", True), ("https://id.example/", False), (None, False)],
)
def test_issuers_are_compared_letter_by_letter(issuer: str | None, taken: bool) -> None:
    application = replace(ANY, issuers=frozenset({"https://id.example", "b"}))
    answer = accept(replace(BARE, issuer=issuer), application)
    assert reason(answer) is (None if taken else Reason.ISSUER_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("audiences", "taken"),
    [(("tv",), True), (("radio", "tv"), True), (("radio",), False), (("TV",), False), ((), False)],
)
def test_a_token_is_meant_for_one_of_our_names(audiences: tuple[str, ...], taken: bool) -> None:
    application = replace(ANY, audiences=frozenset({"tv", "video"}))
    answer = accept(replace(BARE, audiences=audiences), application)
    assert reason(answer) is (None if taken else Reason.AUDIENCE_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("token", "lacking"),
    [
        (BARE, "ip and origin"),
        (bound(), "ip and origin"),
        (bound(user_agent="x"), "ip and origin"),
        (bound(network=ip_network("192.0.2.1")), "origin"),
        (bound(origin="https://a.example"), "ip"),
        (bound(network=ip_network("192.0.2.1"), origin="https://a.example"), ""),
    ],
)
def test_a_binding_that_is_asked_for_must_be_there(token: Token, lacking: str) -> None:
    answer = accept(token, replace(ANY, require_bind=frozenset({Bound.IP, Bound.ORIGIN})))
    if lacking:
        assert answer == Deny(Reason.BINDING_REQUIRED, f"the token must be bound to {lacking}")
    else:
        assert answer is token


@pytest.mark.parametrize("user_agent", [None, "x"])
def test_a_binding_to_a_user_agent(user_agent: str | None) -> None:
    answer = accept(bound(user_agent=user_agent), replace(ANY, require_bind=frozenset({Bound.USER_AGENT})))
    assert isinstance(answer, Token) == (user_agent is not None)


@pytest.mark.parametrize(
    ("limit", "cap", "held"), [(None, None, None), (5, None, 5), (None, 3, 3), (5, 3, 3), (2, 3, 2), (3, 3, 3)]
)
def test_a_cap_holds_what_is_larger_and_what_is_unlimited(
    limit: int | None, cap: int | None, held: int | None
) -> None:
    for mine, its in (
        ("usage_s", "max_usage_s"),
        ("session_limit", "max_session_limit"),
        ("max_concurrent", "max_concurrent"),
    ):
        token = replace(BARE, **{mine: limit})
        answer = accept(token, replace(ANY, **{its: cap}))
        assert answer == replace(BARE, **{mine: held})
        assert isinstance(answer, Token)
        assert answer.counted == (held is not None)


def test_a_single_use_token_stays_one() -> None:
    once = replace(BARE, session_limit=1, single_use=True)
    assert accept(once, replace(ANY, max_session_limit=5)) is once
