"""One request, one credential: where it may stand, and what is refused as two."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.credentials import DEFAULT_SOURCES, Carrier, Sources, cookies, find_ticket, find_token
from gate.core.reasons import Deny, Reason
from gate.core.target import Target, parse_target

EVERYWHERE = Sources(
    query=frozenset({"token", "client_auth"}),
    headers=frozenset({"authorization", "x-gate-token"}),
    cookies=frozenset({"gate"}),
)


def find(raw: str, *fields: tuple[str, str], sources: Sources = EVERYWHERE) -> str | Deny | None:
    target = parse_target(raw)
    assert isinstance(target, Target)
    return find_token(target, CIMultiDict(fields), sources)


@pytest.mark.parametrize(
    ("raw", "fields", "token"),
    [
        ("/a", [], None),
        ("/a?", [], None),
        ("/a?b=1", [], None),
        ("/a?token=", [], None),
        ("/a?token=T", [], "T"),
        ("/a?%74oken=T", [], "T"),
        ("/a?client_auth=T&x=U", [], "T"),
        ("/a?Token=T", [], None),
        ("/a", [("Authorization", "Bearer T")], "T"),
        ("/a", [("AUTHORIZATION", "bEARER   T ")], "T"),
        ("/a", [("Authorization", "T")], "T"),
        ("/a", [("Authorization", "Bearer")], None),
        ("/a", [("Authorization", " Bearer ")], None),
        ("/a", [("Authorization", "Basic dTpw")], None),
        ("/a", [("Authorization", "")], None),
        ("/a", [("X-Gate-Token", " T ")], "T"),
        ("/a", [("Cookie", "a=b; gate=T; c")], "T"),
        ("/a", [("Cookie", "gate=")], None),
        ("/a", [("Cookie", "xgate=T")], None),
        ("/a", [("Cookie", "a=b"), ("Cookie", "gate=T")], "T"),
    ],
)
def test_where_a_token_may_stand(raw: str, fields: list[tuple[str, str]], token: str | None) -> None:
    assert find(raw, *fields) == token


def test_only_the_listed_sources_are_read() -> None:
    fields = [("X-Gate-Token", "T"), ("Cookie", "gate=T")]
    assert find("/a?client_auth=T", *fields, sources=DEFAULT_SOURCES) is None
    nowhere = Sources(frozenset(), frozenset(), frozenset())
    assert find("/a?token=T", ("Authorization", "Bearer T"), sources=nowhere) is None


def test_the_same_text_in_two_places_is_one_credential() -> None:
    assert find("/a?token=T&client_auth=T", ("Authorization", "Bearer T"), ("Cookie", "gate=T")) == "T"


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        ("/a?token=T&token=U", []),
        ("/a?token=T&client_auth=U", []),
        ("/a?token=T&%74oken=U", []),
        ("/a?token=T", [("Authorization", "Bearer U")]),
        ("/a?token=T", [("Cookie", "gate=U")]),
        ("/a", [("Cookie", "gate=T; gate=U")]),
        ("/a", [("Authorization", "Bearer T"), ("X-Gate-Token", "U")]),
        # A field that is there twice has no one meaning, whatever it holds.
        ("/a", [("Authorization", "Bearer T"), ("authorization", "Bearer T")]),
        ("/a", [("Authorization", "Bearer T"), ("Authorization", "Basic dTpw")]),
    ],
)
def test_two_credentials_are_refused(raw: str, fields: list[tuple[str, str]]) -> None:
    refusal = find(raw, *fields)
    assert isinstance(refusal, Deny)
    assert refusal.reason is Reason.AMBIGUOUS_CREDENTIALS
    assert "T" not in refusal.detail
    assert "U" not in refusal.detail


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["authorization", "cookie", "x-gate-token"]), st.text())))
def test_any_fields_give_a_text_a_refusal_or_nothing(fields: list[tuple[str, str]]) -> None:
    found = find("/a", *fields)
    assert found is None or (isinstance(found, str) and found) or isinstance(found, Deny)


def test_cookies_in_order() -> None:
    headers = CIMultiDict([("Cookie", "a=1; b=2=3;;c; =x"), ("cookie", "a=4")])
    assert cookies(headers) == [("a", "1"), ("b", "2=3"), ("", "x"), ("a", "4")]


# Session links outside of the path.


def ticket_of(raw: str, carrier: Carrier, *fields: tuple[str, str]) -> str | Deny | None:
    target = parse_target(raw)
    assert isinstance(target, Target)
    return find_ticket(target, CIMultiDict(fields), carrier)


@pytest.mark.parametrize(
    ("raw", "fields", "query", "cookie"),
    [
        ("/a", [], None, None),
        ("/a?_gate_session=T", [], "T", None),
        ("/a?b&_gate_session=T&c=1", [], "T", None),
        ("/a?_gate_session=T&_gate_session=T", [], "T", None),
        ("/a?_gate_session=", [], None, None),
        ("/a?_gate_session", [], None, None),
        ("/a?x_gate_session=T&_gate_sessions=U&_GATE_SESSION=V", [], None, None),
        ("/a?b=_gate_session", [], None, None),
        ("/a", [("Cookie", "a=b; _gate_session=T; c")], None, "T"),
        ("/a", [("Cookie", "_gate_session=T"), ("Cookie", "_gate_session=T")], None, "T"),
        ("/a", [("Cookie", "_gate_session=")], None, None),
        ("/a", [("Cookie", "x_gate_session=T")], None, None),
        ("/a?_gate_session=T", [("Cookie", "_gate_session=U")], "T", "U"),
    ],
)
def test_where_a_ticket_may_stand(
    raw: str, fields: list[tuple[str, str]], query: str | None, cookie: str | None
) -> None:
    assert ticket_of(raw, Carrier.QUERY, *fields) == query
    assert ticket_of(raw, Carrier.COOKIE, *fields) == cookie
    assert ticket_of(raw, Carrier.PATH, *fields) is None


def test_two_tickets_are_refused() -> None:
    refusal = ticket_of("/a?_gate_session=T&_gate_session=U", Carrier.QUERY)
    assert refusal == Deny(Reason.AMBIGUOUS_CREDENTIALS, "the request carries two session links")


def test_of_two_cookies_the_one_of_the_longer_path_comes_first() -> None:
    assert ticket_of("/a", Carrier.COOKIE, ("Cookie", "_gate_session=T; _gate_session=U")) == "T"
    assert ticket_of("/a", Carrier.COOKIE, ("Cookie", "_gate_session=T"), ("Cookie", "_gate_session=U")) == "T"
