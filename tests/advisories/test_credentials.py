"""Repeated credentials: which of two counts depends on who reads them, so two are one too many."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from gate.core.credentials import Sources, find_token
from gate.core.decision import decide, locate
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.policy import Access, Application, Origin, Pattern, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.target import Target, parse_target
from gate.core.ticket import Ticket
from gate.core.token import Format, Rights, Token, Warrant
from gate.core.verdicts import Ask, Place
from gate.media.layouts import LAYOUTS

SOURCES = Sources(
    query=frozenset({"token", "client_auth"}),
    headers=frozenset({"authorization", "x-token"}),
    cookies=frozenset({"token"}),
)
APPLICATION = Application("demo", Keyring([]), sources=SOURCES)
RULE = StreamRule(
    "streams[0]",
    Pattern("/**"),
    Access.PRIVATE,
    Origin("archive", "http://origin:9000"),
    LAYOUTS["flussonic"],
    APPLICATION,
)
POLICY = Policy((RULE,), {"demo": APPLICATION})


def found(raw: str, *headers: tuple[str, str]) -> str | Reason | None:
    """The request's one token, or the reason why it has none; asked twice, of the part and of the whole."""
    target = parse_target(raw)
    assert isinstance(target, Target)
    answer = find_token(target, CIMultiDict(headers), SOURCES)
    place = locate(Ask("GET", raw, CIMultiDict(headers), "192.0.2.1"), POLICY)
    if isinstance(answer, Deny):
        assert place == answer
        return answer.reason
    assert isinstance(place, Place)
    assert place.token == answer
    return answer


TWO = Reason.AMBIGUOUS_CREDENTIALS


@pytest.mark.parametrize("first", ["Bearer a", "a", "Basic eDp5", ""])
@pytest.mark.parametrize("second", ["Bearer b", "Bearer a", "Basic eDp5"])
def test_cve_2021_32777_two_authorization_headers(first: str, second: str) -> None:
    """Only the last of several values was shown to the authorization service; the server behind saw them all.

    Even the same text twice is refused: no client sends the field twice.
    """
    assert found("/cam1/x", ("Authorization", first), ("authorization", second)) is TWO


def test_cve_2026_26308_repeated_headers_of_other_names() -> None:
    """Repeated values were joined to one text, which no rule matched; the server behind read them one by one.

    A repeated field is refused whatever its name, also where the operator named it.
    """
    assert found("/cam1/x", ("X-Token", "a"), ("x-token", "b")) is TWO
    assert found("/cam1/x", ("X-Token", "a"), ("X-TOKEN", "a")) is TWO
    assert found("/cam1/x", ("X-Token", "a, b")) == "a, b", "no list is read: such a token verifies nowhere"


@pytest.mark.parametrize(
    "query",
    [
        "token=a&token=b",
        "token=a&x=1&token=b",
        "token=a&client_auth=b",
        "token=a&%74oken=b",
        "token=a&tok%65n=b",
        "token=a&token=%62",
        "&&token=a&&token=b&&",
    ],
)
def test_repeated_query_parameters(query: str) -> None:
    """``?token=a&token=b``: PHP takes the last, others the first, and a list is taken by nobody."""
    assert found(f"/cam1/x?{query}") is TWO


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer b")],
        [("authorization", "b")],
        [("X-Token", "b")],
        [("Cookie", "token=b")],
        [("Cookie", "x=1; token=b; y=2")],
    ],
)
def test_two_places_that_differ(headers: list[tuple[str, str]]) -> None:
    """The one in front checks the header, the one behind the query."""
    assert found("/cam1/x?token=a", *headers) is TWO


def test_two_cookies_of_one_name() -> None:
    """A cookie set for a parent domain or another path arrives beside the honest one, before or after it."""
    assert found("/cam1/x", ("Cookie", "token=a; token=b")) is TWO
    assert found("/cam1/x", ("Cookie", "token=a"), ("Cookie", "token=b")) is TWO


def test_the_same_text_in_two_places_is_one_credential() -> None:
    """Players repeat in headers what was in the link, and the other way round."""
    assert found("/cam1/x?token=a&client_auth=a", ("Authorization", "Bearer a"), ("Cookie", "token=a")) == "a"
    assert found("/cam1/x?token=a&token=a") == "a"


def test_what_is_empty_or_of_another_scheme_is_no_credential() -> None:
    """An empty place must neither hide the token beside it nor count as a second one."""
    assert found("/cam1/x?token=&token=a", ("X-Token", ""), ("Cookie", "token=")) == "a"
    assert found("/cam1/x?token=a", ("Authorization", "Basic eDp5")) == "a"
    assert found("/cam1/x?TOKEN=b&tokenx=c&token=a", ("Token", "d")) == "a"
    assert found("/cam1/x?token=", ("Authorization", "Bearer ")) is None


def test_no_spelling_of_a_credential_is_forwarded() -> None:
    """What the gate reads as a credential never reaches the origin, in a log or in a cache key."""
    place = locate(Ask("GET", "/cam1/x?a=1&%74oken=t&token=t&b=2", CIMultiDict(), "192.0.2.1"), POLICY)
    assert isinstance(place, Place)
    assert place.token == "t"
    assert place.target.raw == "/cam1/x?a=1&b=2"


def test_a_ticket_and_another_viewers_token() -> None:
    """A session link decides; a token beside it that is somebody else's is a second opinion on who asks.

    The token that opened the session, or another one of the same subject, is what players repeat.
    """
    warrant = Warrant(Grants({Action.READ: Grant(resources=frozenset({"cam1"}))}), Rights(live=True))
    ticket = Ticket("s", "demo", "id-a", "owner-a", "a", 0, None, None, None, None, None, warrant)
    ask = Ask("GET", "/_s/TICKET/cam1/index.m3u8?token=t", CIMultiDict(), "192.0.2.1")
    place = locate(ask, POLICY)
    assert isinstance(place, Place)
    assert place.ticket == "TICKET"

    def answer(token_id: str, owner: str) -> Reason | None:
        token = Token("demo", Format.JWT, token_id, owner, owner[-1], warrant, expires_at=60)
        verdict = decide(ask, place, token, ticket, None, Revocations(), 1.0)
        return verdict.reason if isinstance(verdict, Deny) else None

    assert answer("id-b", "owner-b") is TWO
    assert answer("id-a", "owner-a") is None
    assert answer("id-b", "owner-a") is None
