"""Who may create, update and destroy: by name, by ownership, under a link and with the bare token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gate.core.decision import settle
from gate.core.grants import Action, Grant, Grants
from gate.core.reasons import Deny, Reason
from gate.core.session import Known, Resume
from gate.core.ticket import Ticket
from gate.core.token import Bind, Rights, Token, Warrant
from gate.core.verdicts import Admit, Opened, Permit, Refused
from gate.core.windows import Windows, span_of_seconds

Judge = Callable[..., object]
NOW = 1_800_000_000
FILE, MANIFEST = "/cam1/file.mp4", "/cam1/index.m3u8"
NAMED, OWNED, ALL = Grant(resources=frozenset({"cam1"})), Grant(session_owned=True), Grant(all=True)
KNOWN = Known("00session", NOW + 60.0)
WRITES = [("PUT", "create"), ("POST", "create"), ("PATCH", "update"), ("DELETE", "destroy")]
COUNTED = [{"max_concurrent": 1}, {"usage_s": 600}, {"session_limit": 5}]


def granting(token: Token, **grants: Grant) -> Token:
    warrant = replace(token.warrant, grants=Grants({Action(word): grant for word, grant in grants.items()}))
    return replace(token, warrant=warrant)


def why(verdict: object) -> Reason:
    assert isinstance(verdict, Deny), verdict
    return verdict.reason


def permitted(verdict: object) -> Permit:
    assert isinstance(verdict, Permit), verdict
    return verdict


@pytest.mark.parametrize(("method", "word"), WRITES)
@pytest.mark.parametrize("grant", [NAMED, ALL])
def test_each_write_needs_its_own_grant(
    judge: Judge, token: Token, ticket: Ticket, method: str, word: str, grant: Grant
) -> None:
    good = granting(token, **{word: grant})
    assert permitted(judge(FILE, method, token=good)).place.action is Action(word)
    assert permitted(judge(FILE, method, ticket=replace(ticket, warrant=good.warrant))).session
    others = {other: grant for other in ("read", "create", "update", "destroy") if other != word}
    if method == "PUT":
        del others["update"]
    bad = granting(token, **others)
    for carried in ({"token": bad}, {"ticket": replace(ticket, warrant=bad.warrant)}):
        assert why(judge(FILE, method, **carried)) is Reason.ACTION_NOT_GRANTED
        assert why(judge(FILE, method, **carried, owned=True)) is Reason.ACTION_NOT_GRANTED
    elsewhere = granting(token, **{word: Grant(resources=frozenset({"cam10"}))})
    assert why(judge(FILE, method, token=elsewhere)) is Reason.RESOURCE_NOT_GRANTED
    assert why(judge(FILE, method)) is Reason.TOKEN_MISSING
    assert why(judge("/homeless/x", method, token=good)) is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize(
    ("grants", "field"),
    [
        ({"create": NAMED}, ("If-None-Match", "*")),
        ({"update": NAMED}, ("If-Match", "*")),
        ({"create": NAMED, "update": NAMED}, None),
    ],
)
def test_a_put_is_forwarded_as_far_as_it_is_granted(
    judge: Judge, token: Token, ticket: Ticket, grants: dict[str, Grant], field: tuple[str, str] | None
) -> None:
    token = granting(token, **grants)
    assert permitted(judge(FILE, "PUT", token=token)).precondition == field
    assert permitted(judge(FILE, "PUT", ticket=replace(ticket, warrant=token.warrant))).precondition == field


@pytest.mark.parametrize(("method", "word"), WRITES)
def test_no_window_bounds_what_is_written_but_a_binding_does(
    judge: Judge, token: Token, ticket: Ticket, method: str, word: str
) -> None:
    narrow = Warrant(Grants({Action(word): NAMED}), Rights(), Windows.of([span_of_seconds(NOW - 9, NOW - 8)]))
    for url in (FILE, MANIFEST, f"/cam1/segment-{NOW - 900}-{NOW - 894}", "/cam1/whatever"):
        permitted(judge(url, method, token=replace(token, warrant=narrow)))
        permitted(judge(url, method, ticket=replace(ticket, warrant=narrow)))
    bound = replace(narrow, bind=Bind(network=ip_network("203.0.113.0/24")))
    assert why(judge(FILE, method, token=replace(token, warrant=bound))) is Reason.BINDING_MISMATCH
    assert why(judge(FILE, method, ticket=replace(ticket, warrant=bound))) is Reason.BINDING_MISMATCH


@pytest.mark.parametrize(("method", "word"), WRITES)
@pytest.mark.parametrize("url", [FILE, MANIFEST, "/cam1/preview.jpg"])
@pytest.mark.parametrize("fields", [[], [("Range", "bytes=0-1")]])
def test_a_write_under_a_link_commits(
    judge: Judge, ticket: Ticket, method: str, word: str, url: str, fields: list[tuple[str, str]]
) -> None:
    ticket = replace(ticket, warrant=Warrant(Grants({Action(word): NAMED})))
    permit = permitted(judge(url, method, ticket=ticket, fields=fields))
    assert (permit.commit, permit.probe, permit.session) == (ticket, False, ticket.session)
    assert permitted(judge(url, method, ticket=ticket, known=KNOWN, fields=fields)).commit is None


@pytest.mark.parametrize(("method", "word"), WRITES)
def test_the_links_own_refusals_hold_for_writes(judge: Judge, ticket: Ticket, method: str, word: str) -> None:
    ticket = replace(ticket, warrant=Warrant(Grants({Action(word): ALL})))
    assert why(judge(FILE, method, ticket=replace(ticket, ends_at=float(NOW)))) is Reason.SESSION_EXPIRED
    assert why(judge(FILE, method, ticket=ticket, revoked=(f"s:{ticket.session}",))) is Reason.REVOKED
    assert why(judge("/other/cam1/x", method, ticket=ticket)) is Reason.TICKET_INVALID


# What the session owns.


@pytest.mark.parametrize(("method", "word"), [("GET", "read"), ("PATCH", "update"), ("DELETE", "destroy")])
def test_what_the_session_owns_is_its_own_and_nobody_elses(
    judge: Judge, token: Token, ticket: Ticket, method: str, word: str
) -> None:
    token = granting(token, **{word: OWNED})
    ticket = replace(ticket, warrant=token.warrant)
    assert permitted(judge(FILE, method, ticket=ticket, owned=True)).session == ticket.session
    assert why(judge(FILE, method, ticket=ticket)) is Reason.RESOURCE_NOT_GRANTED
    assert why(judge(FILE, method, token=token, known=KNOWN)) is Reason.RESOURCE_NOT_GRANTED
    permit = permitted(judge(FILE, method, token=token, known=KNOWN, owned=True))
    # It is the session that owns, so the answer ends with it.
    assert (permit.session, permit.ends_at, permit.commit) == (KNOWN.session, KNOWN.ends_at, None)


def test_a_session_that_is_over_owns_nothing(judge: Judge, token: Token) -> None:
    token = granting(token, read=OWNED, destroy=OWNED)
    for method in ("GET", "DELETE", "HEAD"):
        for known in (None, Known("00session", float(NOW))):
            verdict = judge(FILE, method, token=token, known=known, owned=True)
            assert why(verdict) is Reason.RESOURCE_NOT_GRANTED
        verdict = judge(FILE, method, token=token, known=KNOWN, owned=True, revoked=("s:00session",))
        assert why(verdict) is Reason.RESOURCE_NOT_GRANTED
        for entry in (f"t:{token.id}", f"u:{token.owner}"):
            verdict = judge(FILE, method, token=token, known=KNOWN, owned=True, revoked=(entry,))
            assert why(verdict) is Reason.REVOKED
        permitted(judge(FILE, method, token=token, known=Known("00session", None), owned=True))


def test_to_create_what_will_be_owned_is_to_create(judge: Judge, token: Token, ticket: Ticket) -> None:
    ticket = replace(ticket, warrant=granting(token, create=OWNED).warrant)
    permitted(judge("/anything/upload", "POST", ticket=ticket))
    permit = permitted(judge("/anything/file.mp4", "PUT", ticket=ticket))
    # What is there already is somebody's: it is not overwritten.
    assert permit.precondition == ("If-None-Match", "*")
    for method in ("PATCH", "DELETE", "GET"):
        assert why(judge("/anything/file.mp4", method, ticket=ticket)) is Reason.ACTION_NOT_GRANTED


def test_overwriting_takes_ownership_where_only_that_grants_it(
    judge: Judge, token: Token, ticket: Ticket
) -> None:
    ticket = replace(ticket, warrant=granting(token, create=OWNED, update=OWNED).warrant)
    assert permitted(judge(FILE, "PUT", ticket=ticket)).precondition == ("If-None-Match", "*")
    assert permitted(judge(FILE, "PUT", ticket=ticket, owned=True)).precondition is None
    ticket = replace(ticket, warrant=granting(token, update=OWNED).warrant)
    assert why(judge(FILE, "PUT", ticket=ticket)) is Reason.ACTION_NOT_GRANTED
    assert permitted(judge(FILE, "PUT", ticket=ticket, owned=True)).precondition == ("If-Match", "*")


# The bare token.


@pytest.mark.parametrize(("method", "word"), WRITES)
@pytest.mark.parametrize("known", [None, KNOWN])
def test_an_uncounted_token_writes_bare(
    judge: Judge, token: Token, method: str, word: str, known: Known | None
) -> None:
    permit = permitted(judge(FILE, method, token=granting(token, **{word: NAMED}), known=known))
    assert (permit.session, permit.commit, permit.probe) == (None, None, False)
    assert permit.ends_at == token.expires_at


@pytest.mark.parametrize(("method", "word"), WRITES)
@pytest.mark.parametrize("limits", COUNTED)
def test_a_counted_token_writes_in_a_session(
    judge: Judge, token: Token, method: str, word: str, limits: dict[str, int]
) -> None:
    in_a_session(judge, replace(granting(token, **{word: NAMED}), **limits), method)


@pytest.mark.parametrize(
    "grants",
    [
        {"create": OWNED},
        {"create": ALL, "read": OWNED},
        {"create": NAMED, "update": OWNED},
        {"create": NAMED, "destroy": OWNED},
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_token_that_speaks_of_ownership_writes_in_a_session(
    judge: Judge, token: Token, method: str, grants: dict[str, Grant]
) -> None:
    in_a_session(judge, granting(token, **grants), method)


def in_a_session(judge: Judge, token: Token, method: str) -> None:
    admit = judge(FILE, method, token=token)
    assert isinstance(admit, Admit), admit
    assert admit.opening.resume is Resume.ONLY
    assert why(settle(admit, Refused(Reason.SESSION_REQUIRED))) is Reason.SESSION_REQUIRED
    permit = permitted(settle(admit, Opened("00session", NOW, NOW + 60.0)))
    assert permit.commit is not None
    assert (permit.session, permit.ends_at) == ("00session", NOW + 60.0)
    assert permit.precondition == admit.permit.precondition
    known = permitted(judge(FILE, method, token=token, known=KNOWN))
    assert (known.session, known.ends_at, known.commit) == (KNOWN.session, KNOWN.ends_at, None)
    over = judge(FILE, method, token=token, known=Known("00session", float(NOW)))
    assert isinstance(over, Admit)
    assert why(judge(FILE, method, token=token, known=KNOWN, revoked=("s:00session",))) is Reason.REVOKED


def test_nothing_is_cut_from_the_answer_to_a_write(judge: Judge, token: Token, ticket: Ticket) -> None:
    named = granting(token, create=NAMED)
    bounded = replace(named.warrant, windows=Windows.of([span_of_seconds(NOW - 900, NOW - 300)]))
    url = f"/cam1/endless-{NOW - 900}"
    assert permitted(judge(url, method="PUT", token=replace(named, warrant=bounded))).remains is None
    assert permitted(judge(url, method="PUT", ticket=replace(ticket, warrant=bounded))).remains is None
