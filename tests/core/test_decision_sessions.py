"""What becomes of sessions: what opens, resumes, commits and ends one, and what is written of the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from gate.core.credentials import Carrier
from gate.core.decision import confirm, settle
from gate.core.grants import Action, Grant, Grants
from gate.core.policy import Policy, SessionEnd
from gate.core.reasons import Deny, Reason
from gate.core.session import Known, Resume
from gate.core.ticket import Ticket
from gate.core.token import Rights, Token
from gate.core.verdicts import Admit, Issue, Opened, Opening, Permit, Place, Refused, Renewal

Judge = Callable[..., object]
NOW = 1_800_000_000
MANIFEST, SEGMENT = "/cam1/index.m3u8", f"/cam1/segment-{NOW - 10}-{NOW - 4}"
OBJECT, STREAM, COPY = "/cam1/file.mp4", "/cam1/mpegts", f"/cam1/copy-{NOW - 900}-{NOW - 600}"
OPENED = Opened("00session", NOW + 0.75, NOW + 600.5)
COUNTED = [
    {"max_concurrent": 1},
    {"usage_s": 600},
    {"session_limit": 5},
    {"session_limit": 1, "single_use": True},
]
PROBE = [("Range", "bytes=0-1")]


def why(verdict: object) -> Reason:
    assert isinstance(verdict, Deny), verdict
    return verdict.reason


def permitted(verdict: object) -> Permit:
    assert isinstance(verdict, Permit), verdict
    return verdict


def admitted(verdict: object) -> Admit:
    assert isinstance(verdict, Admit), verdict
    return verdict


def opening_of(token: Token, place: Place, resume: Resume) -> Opening:
    linked = resume is not Resume.ONLY
    return Opening(token, place.client, place.page, resume, token.usage_s, token.expires_at, linked=linked)


# A token opens.


@pytest.mark.parametrize("limits", [{}, *COUNTED])
@pytest.mark.parametrize("url", [MANIFEST, OBJECT, STREAM, COPY])
def test_the_first_use_of_a_token_opens_a_session(
    judge: Judge, token: Token, url: str, limits: dict[str, int]
) -> None:
    token = replace(token, **limits)
    # A session that the worker knows is another opening's: the token URL opened again counts again.
    for known in (None, Known("other", None)):
        admit = admitted(judge(url, token=token, known=known))
        assert admit.opening == opening_of(token, admit.permit.place, Resume.NEVER)
        assert (admit.permit.token, admit.permit.owner) == (token.id, token.owner)
        assert not admit.permit.public


@pytest.mark.parametrize("limits", [{}, *COUNTED])
@pytest.mark.parametrize(
    ("url", "method", "fields"),
    [
        *product([MANIFEST, OBJECT, STREAM, SEGMENT], ["HEAD", "OPTIONS"], [[], PROBE]),
        *product([MANIFEST, OBJECT, COPY], ["GET"], [PROBE, [("Range", "bytes=0-0")]]),
    ],
)
def test_what_shows_the_viewer_nothing_opens_and_counts_nothing(
    judge: Judge, token: Token, url: str, method: str, fields: list[tuple[str, str]], limits: dict[str, int]
) -> None:
    permit = permitted(judge(url, method, token=replace(token, **limits), fields=fields))
    assert (permit.session, permit.commit) == (None, None)
    assert permit.token == token.id
    assert permit.ends_at == token.expires_at


@pytest.mark.parametrize(
    "fields",
    [
        [*PROBE, ("Range", "bytes=0-")],
        [*PROBE, ("If-Range", '"x"')],
        [*PROBE, ("Connection", "Range")],
        [("Range", "bytes = 0-1")],
    ],
)
def test_a_probe_that_an_origin_would_answer_with_everything_opens(
    judge: Judge, token: Token, ticket: Ticket, fields: list[tuple[str, str]]
) -> None:
    admitted(judge(OBJECT, token=replace(token, session_limit=1), fields=fields))
    assert permitted(judge(OBJECT, ticket=ticket, fields=fields)).commit == ticket


def test_a_probe_of_an_endless_stream_is_the_stream(judge: Judge, token: Token, ticket: Ticket) -> None:
    admitted(judge(STREAM, token=replace(token, session_limit=1), fields=PROBE))
    assert permitted(judge(STREAM, ticket=ticket, fields=PROBE)).commit == ticket


def test_a_probe_is_told_from_what_it_must_not_become(judge: Judge, token: Token, ticket: Ticket) -> None:
    """An origin without ranges answers a probe with the whole file: that is media, and must be counted."""
    under_link = permitted(judge(OBJECT, ticket=ticket, fields=PROBE))
    assert (under_link.probe, under_link.commit) == (True, ticket)
    assert permitted(judge(OBJECT, token=replace(token, session_limit=1), fields=PROBE)).probe
    assert not permitted(judge(OBJECT, token=token, fields=PROBE)).probe
    assert not permitted(judge(OBJECT, ticket=ticket)).probe


# A token that is used bare.


@pytest.mark.parametrize("url", [SEGMENT, "/cam1/preview.jpg", "/cam1/other"])
def test_an_uncounted_token_may_be_used_bare(judge: Judge, token: Token, url: str) -> None:
    permit = permitted(judge(url, token=token))
    assert (permit.session, permit.commit, permit.prefix) == (None, None, "")
    assert permit.ends_at == token.expires_at


def test_a_token_without_end_permits_without_end(judge: Judge, token: Token, policy: object) -> None:
    free = replace(policy.rules[5], application=replace(policy.rules[5].application, unlimited_ttl=True))
    permit = permitted(
        judge(SEGMENT, token=replace(token, expires_at=None), policy=replace(policy, rules=(free,)))
    )
    assert permit.ends_at is None


@pytest.mark.parametrize("limits", COUNTED)
@pytest.mark.parametrize("url", [SEGMENT, "/cam1/preview.jpg", "/cam1/other"])
@pytest.mark.parametrize("fields", [[], PROBE])
def test_a_counted_token_used_bare_resumes_or_is_refused(
    judge: Judge, token: Token, limits: dict[str, int], url: str, fields: list[tuple[str, str]]
) -> None:
    token = replace(token, **limits)
    admit = admitted(judge(url, token=token, fields=fields))
    assert admit.opening == opening_of(token, admit.permit.place, Resume.ONLY)
    assert why(settle(admit, Refused(Reason.SESSION_REQUIRED))) is Reason.SESSION_REQUIRED
    # What is resumed may be provisional still: its first media commits it, or it would never count.
    permit = permitted(settle(admit, OPENED))
    assert (permit.session, permit.ends_at, permit.prefix) == (OPENED.session, OPENED.ends_at, "")
    assert permit.commit is not None
    assert permit.commit.session == OPENED.session
    assert permit.commit.session_limit == token.session_limit


def test_a_session_that_the_worker_knows_needs_no_store(judge: Judge, token: Token) -> None:
    token = replace(token, max_concurrent=1)
    for ends_at in (None, NOW + 0.5):
        permit = permitted(judge(SEGMENT, token=token, known=Known("00known", ends_at)))
        assert (permit.session, permit.ends_at, permit.commit) == ("00known", ends_at, None)


def test_a_session_that_is_over_is_not_resumed_from_memory(judge: Judge, token: Token) -> None:
    token = replace(token, usage_s=600)
    for ends_at in (float(NOW), NOW - 1.0):
        opening = admitted(judge(SEGMENT, token=token, known=Known("00known", ends_at))).opening
        assert opening.resume is Resume.ONLY


def test_a_session_that_was_revoked_is_not_resumed_from_memory(judge: Judge, token: Token) -> None:
    token, known = replace(token, usage_s=600), Known("00known", None)
    assert why(judge(SEGMENT, token=token, known=known, revoked=("s:00known",))) is Reason.REVOKED
    permitted(judge(SEGMENT, token=token, known=known, revoked=("s:00other",)))


# A session link.


def test_a_session_link_permits_what_its_token_did(judge: Judge, ticket: Ticket) -> None:
    permit = permitted(judge(MANIFEST, ticket=ticket))
    assert (permit.session, permit.token, permit.owner) == (ticket.session, ticket.token, ticket.owner)
    assert (permit.issued_at, permit.ends_at, permit.prefix) == (ticket.issued_at, ticket.ends_at, "TICKET")
    assert permit.place.target.raw == MANIFEST
    assert not permit.public


@pytest.mark.parametrize(
    ("url", "method", "fields", "commits"),
    [
        (MANIFEST, "GET", [], False),
        (MANIFEST, "HEAD", [], False),
        (SEGMENT, "GET", [], True),
        (SEGMENT, "GET", [("Range", "bytes=0-")], True),
        (SEGMENT, "GET", [("Range", "bytes=0-99")], True),
        (SEGMENT, "GET", PROBE, False),
        (SEGMENT, "HEAD", [], False),
        (SEGMENT, "OPTIONS", [], False),
        (OBJECT, "GET", [], True),
        (OBJECT, "GET", PROBE, False),
        (STREAM, "GET", [], True),
        (COPY, "GET", [], True),
        ("/cam1/preview.jpg", "GET", [], True),
        ("/cam1/other", "GET", [], True),
    ],
)
def test_the_first_media_under_a_link_commits(
    judge: Judge, ticket: Ticket, url: str, method: str, fields: list[tuple[str, str]], commits: bool
) -> None:
    permit = permitted(judge(url, method, ticket=ticket, fields=fields))
    assert (permit.commit if not permit.probe else None) == (ticket if commits else None)
    again = permitted(
        judge(url, method, ticket=ticket, fields=fields, known=Known(ticket.session, ticket.ends_at))
    )
    assert again == replace(permit, commit=None)


def test_what_the_worker_knows_of_the_end_goes_before_the_ticket(judge: Judge, ticket: Ticket) -> None:
    ended = replace(ticket, ends_at=NOW - 1.0)
    renewed = permitted(judge(SEGMENT, ticket=ended, known=Known(ticket.session, NOW + 60.0)))
    assert renewed.ends_at == NOW + 60.0
    assert why(judge(SEGMENT, ticket=ticket, known=Known(ticket.session, float(NOW)))) is Reason.SESSION_EXPIRED
    assert permitted(judge(SEGMENT, ticket=ended, known=Known(ticket.session, None))).ends_at is None


# Revocation.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("url", [MANIFEST, SEGMENT])
def test_revocation_reaches_tokens_and_links(
    judge: Judge, token: Token, ticket: Ticket, url: str, method: str
) -> None:
    for entry in (f"t:{token.id}", f"u:{token.owner}", f"a:demo:{NOW}", f"a:demo:{NOW - 59}"):
        assert why(judge(url, method, token=token, revoked=(entry,))) is Reason.REVOKED, entry
        known = Known(ticket.session, None)
        assert why(judge(url, method, ticket=ticket, known=known, revoked=(entry,))) is Reason.REVOKED, entry
    assert why(judge(url, method, ticket=ticket, revoked=(f"s:{ticket.session}",))) is Reason.REVOKED
    for entry in ("t:else", "u:else", "s:else", f"a:demo:{NOW - 60}", f"a:other:{NOW}"):
        assert not isinstance(judge(url, method, token=token, revoked=(entry,)), Deny), entry
        assert not isinstance(judge(url, method, ticket=ticket, revoked=(entry,)), Deny), entry


def test_who_does_not_say_when_it_was_issued_falls_to_any_not_before_time(
    judge: Judge, token: Token, ticket: Ticket
) -> None:
    entry = ("a:demo:1",)
    assert why(judge(MANIFEST, token=replace(token, issued_at=None), revoked=entry)) is Reason.REVOKED
    assert why(judge(MANIFEST, ticket=replace(ticket, issued_at=None), revoked=entry)) is Reason.REVOKED
    assert not isinstance(judge(MANIFEST, token=token, revoked=entry), Deny)


# The store's answers.


def test_an_opening_is_answered_with_the_link_of_its_session(judge: Judge, token: Token) -> None:
    token = replace(token, session_limit=3, max_concurrent=2, usage_s=600)
    admit = admitted(judge(f"{MANIFEST}?a=1&token=T&b=%2F", token=token))
    issue = settle(admit, OPENED)
    assert isinstance(issue, Issue)
    assert issue.place.target.raw == f"{MANIFEST}?a=1&b=%2F"
    assert issue.ticket == Ticket(
        session=OPENED.session,
        application="demo",
        token=token.id,
        owner=token.owner,
        subject="viewer",
        opened_at=NOW,
        ends_at=NOW + 600.5,
        token_expires_at=token.expires_at,
        issued_at=token.issued_at,
        session_limit=3,
        max_concurrent=2,
        warrant=token.warrant,
    )


def test_a_link_and_a_resumed_session_say_the_same(judge: Judge, token: Token) -> None:
    token = replace(token, session_limit=3)
    issue = settle(admitted(judge(MANIFEST, token=token)), OPENED)
    permit = settle(admitted(judge(SEGMENT, token=token)), OPENED)
    assert isinstance(issue, Issue)
    assert permitted(permit).commit == issue.ticket


@pytest.mark.parametrize(
    "reason", [Reason.SESSION_LIMIT, Reason.SESSION_EXPIRED, Reason.SESSION_REQUIRED, Reason.STORE_UNAVAILABLE]
)
def test_the_stores_no_is_a_refusal(judge: Judge, token: Token, ticket: Ticket, reason: Reason) -> None:
    assert settle(admitted(judge(MANIFEST, token=token)), Refused(reason)) == Deny(reason)
    assert confirm(permitted(judge(SEGMENT, ticket=ticket)), Refused(reason)) == Deny(reason)


def test_too_many_playbacks_are_told_with_those_in_the_way(judge: Judge, ticket: Ticket) -> None:
    conflicts = ({"id": "1", "resource": "cam2"}, {"id": "2", "resource": "cam3"})
    refusal = confirm(permitted(judge(SEGMENT, ticket=ticket)), Refused(Reason.TOO_MANY_PLAYBACKS, conflicts))
    assert refusal == Deny(Reason.TOO_MANY_PLAYBACKS, facts=(("conflicts", list(conflicts)),))


def test_a_confirmed_permit_has_nothing_left_to_commit(judge: Judge, ticket: Ticket) -> None:
    permit = permitted(judge(SEGMENT, ticket=ticket))
    assert permit.commit is not None
    assert confirm(permit, OPENED) == replace(permit, commit=None)


# The way, in words.


def test_the_trace_tells_the_way_of_a_token(judge: Judge, token: Token) -> None:
    trace: list[str] = []
    admit = admitted(judge(MANIFEST, token=replace(token, usage_s=9), trace=trace))
    settle(admit, OPENED, trace)
    assert trace == [
        "streams[5] matches: /{resource}/** (access private)",
        "layout grammar reads: resource 'cam1', manifest, kind live",
        "read is granted on 'cam1'",
        "the time asked for is allowed",
        "this use of the token opens a session",
        "session 00session is open",
    ]


@pytest.mark.parametrize(
    ("url", "carried", "last"),
    [
        ("/public/x", {}, "public: no token is needed"),
        ("/office/x", {}, "protected: the address is listed"),
        (SEGMENT, {"token": {}}, "this use of the token needs no session"),
        (
            SEGMENT,
            {"token": {"usage_s": 9}},
            "the client's live session is resumed, if there is one",
        ),
        (SEGMENT, {"ticket": {}}, "the time asked for is allowed"),
        ("/cam2/x", {"token": {}}, "layout grammar reads: resource 'cam2', other"),
    ],
)
def test_the_last_step_of_each_way(
    judge: Judge, token: Token, ticket: Ticket, url: str, carried: dict[str, dict[str, int]], last: str
) -> None:
    values = {"token": token, "ticket": ticket}
    trace: list[str] = []
    judge(url, trace=trace, **{name: replace(values[name], **changes) for name, changes in carried.items()})
    assert trace[-1] == last
    assert ("the path begins with a session link" in trace) == ("ticket" in carried)


def test_a_refused_time_leaves_the_grant_in_the_trace(judge: Judge, token: Token) -> None:
    trace: list[str] = []
    copies = replace(token, warrant=replace(token.warrant, rights=Rights(copy=True)))
    assert why(judge(MANIFEST, token=copies, trace=trace)) is Reason.LIVE_NOT_GRANTED
    assert trace[-1] == "read is granted on 'cam1'"


# Renewal. What is a renewal at all is in test_life.py.


def fresh_one(token: Token) -> Token:
    return replace(token, id="fresh", expires_at=NOW + 7200)


@pytest.mark.parametrize("url", [MANIFEST, SEGMENT, OBJECT])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_fresh_token_beside_a_link_renews_the_session(
    judge: Judge, token: Token, ticket: Ticket, url: str, method: str
) -> None:
    trace: list[str] = []
    permit = permitted(judge(url, method, ticket=ticket, token=fresh_one(token), trace=trace))
    assert permit.renew == Renewal(ticket, fresh_one(token), None, NOW + 7200)
    assert "a fresh token beside the session link renews the session" in trace
    # Until the store has taken it, the session ends when it did.
    assert permit == replace(permitted(judge(url, method, ticket=ticket)), renew=permit.renew)


def test_a_token_that_has_renewed_renews_no_more(judge: Judge, token: Token, ticket: Ticket) -> None:
    known = Known(ticket.session, NOW + 60.0, token="fresh")
    for beside in (token, fresh_one(token), None):
        permit = permitted(judge(SEGMENT, ticket=ticket, token=beside, known=known))
        assert (permit.renew, permit.renewed_by, permit.ends_at) == (None, "fresh", NOW + 60.0)
    assert permitted(judge(SEGMENT, ticket=ticket)).renewed_by is None


def test_a_token_with_other_rights_beside_a_link_gives_it_none(
    judge: Judge, token: Token, ticket: Ticket
) -> None:
    wide = replace(
        fresh_one(token), warrant=replace(token.warrant, grants=Grants({Action.READ: Grant(all=True)}))
    )
    trace: list[str] = []
    permit = permitted(judge(SEGMENT, ticket=ticket, token=wide, trace=trace))
    assert permit.renew is None
    assert "a fresh token beside the session link renews the session" not in trace
    assert why(judge("/cam2/index.m3u8", ticket=ticket, token=wide)) is Reason.RESOURCE_NOT_GRANTED


@pytest.mark.parametrize(
    ("changes", "revoked", "reason"),
    [
        ({"owner": "somebody else"}, (), Reason.AMBIGUOUS_CREDENTIALS),
        ({"subject": None}, (), Reason.AMBIGUOUS_CREDENTIALS),
        ({"application": "other"}, (), Reason.AMBIGUOUS_CREDENTIALS),
        ({"expires_at": NOW}, (), Reason.TOKEN_EXPIRED),
        ({}, ("t:fresh",), Reason.REVOKED),
    ],
)
def test_a_token_beside_a_link_that_is_no_good_is_refused(
    judge: Judge,
    token: Token,
    ticket: Ticket,
    changes: dict[str, object],
    revoked: tuple[str, ...],
    reason: Reason,
) -> None:
    beside = replace(fresh_one(token), **changes)
    assert why(judge(SEGMENT, ticket=ticket, token=beside, revoked=revoked)) is reason


def test_no_token_wakes_a_session_that_is_over(judge: Judge, token: Token, ticket: Ticket) -> None:
    fresh = fresh_one(token)
    over = replace(ticket, ends_at=float(NOW))
    assert why(judge(SEGMENT, ticket=over, token=fresh)) is Reason.SESSION_EXPIRED
    for entry in (f"t:{ticket.token}", f"s:{ticket.session}", f"u:{ticket.owner}"):
        assert why(judge(SEGMENT, ticket=ticket, token=fresh, revoked=(entry,))) is Reason.REVOKED


def test_a_renewed_session_falls_with_either_of_its_tokens(judge: Judge, token: Token, ticket: Ticket) -> None:
    known = Known(ticket.session, NOW + 60.0, token="fresh")
    for entry in ("t:fresh", f"t:{ticket.token}"):
        assert why(judge(SEGMENT, ticket=ticket, known=known, revoked=(entry,))) is Reason.REVOKED
    permitted(judge(SEGMENT, ticket=ticket, known=known, revoked=("t:else",)))
    counted = replace(token, usage_s=600)
    assert permitted(judge(SEGMENT, token=counted, known=known)).renewed_by == "fresh"


# What is resumed instead of opened, and for how long.


@pytest.mark.parametrize(
    ("url", "fields", "resume"),
    [
        (MANIFEST, [], Resume.NEVER),
        (MANIFEST, [("X-Playback-Session-Id", "P")], Resume.CLIENT),
        (OBJECT, [("Range", "bytes=0-")], Resume.ACTIVE),
        (OBJECT, [("Range", "bytes=100-")], Resume.PATH),
        (MANIFEST, [("Range", "bytes=100-")], Resume.ACTIVE),
    ],
)
def test_an_opening_says_what_it_may_resume(
    judge: Judge, token: Token, url: str, fields: list[tuple[str, str]], resume: Resume
) -> None:
    admit = admitted(judge(url, token=token, fields=fields))
    assert admit.opening == opening_of(token, admit.permit.place, resume)
    assert isinstance(settle(admit, OPENED), Issue)


def test_an_opening_lives_as_the_application_says(judge: Judge, token: Token, policy: object) -> None:
    rule = policy.rules[5]
    application = replace(rule.application, session_end=SessionEnd.USAGE, max_usage_s=300)
    joining = replace(policy, rules=(replace(rule, application=application),))
    for url, counted in ((MANIFEST, token), (SEGMENT, replace(token, max_concurrent=1))):
        opening = admitted(judge(url, token=counted, policy=joining)).opening
        assert (opening.usage_s, opening.until_s) == (300, None)


# A ticket in a cookie, which a browser sends by itself.


@pytest.fixture
def cookies(policy: Policy) -> Policy:
    return replace(policy, sessions=replace(policy.sessions, carrier=Carrier.COOKIE))


COOKIE = [("Cookie", "_gate_session=TICKET")]


@pytest.mark.parametrize("url", [MANIFEST, SEGMENT, OBJECT, STREAM, COPY])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_cookie_permits_to_read_what_a_link_does(
    judge: Judge, ticket: Ticket, cookies: Policy, url: str, method: str
) -> None:
    permit = permitted(judge(url, method, ticket=ticket, link=False, fields=COOKIE, policy=cookies))
    linked = permitted(judge(url, method, ticket=ticket, policy=cookies))
    assert permit.place == replace(linked.place, carrier=Carrier.COOKIE)
    assert replace(permit, place=linked.place) == linked


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_a_cookie_lets_nobody_write(
    judge: Judge, token: Token, ticket: Ticket, cookies: Policy, method: str
) -> None:
    """Any page can have a browser send it along."""
    writes = replace(ticket.warrant, grants=Grants({action: Grant(all=True) for action in Action}))
    ticket, token = replace(ticket, warrant=writes), replace(token, warrant=writes)
    alone = judge(OBJECT, method, ticket=ticket, link=False, fields=COOKIE, policy=cookies)
    assert why(alone) is Reason.TOKEN_MISSING
    permitted(judge(OBJECT, method, ticket=ticket, policy=cookies))
    # A token beside it does, by itself.
    beside = judge(OBJECT, method, ticket=ticket, token=token, link=False, fields=COOKIE, policy=cookies)
    by_itself = judge(OBJECT, method, token=token, policy=cookies)
    assert type(beside) is type(by_itself)
    assert not isinstance(beside, Deny)
    other = replace(token, warrant=replace(writes, grants=Grants({Action.READ: Grant(all=True)})))
    refused = judge(OBJECT, method, ticket=ticket, token=other, link=False, fields=COOKIE, policy=cookies)
    assert why(refused) is Reason.ACTION_NOT_GRANTED


def test_a_new_token_opens_a_session_beside_the_one_of_a_cookie(
    judge: Judge, token: Token, ticket: Ticket, cookies: Policy
) -> None:
    """Under a link it would renew or be refused: there it was sent for that very session."""
    for changes in ({"id": "fresh"}, {"id": "else", "owner": "somebody else", "subject": None}):
        other = replace(token, **changes)
        admit = admitted(judge(MANIFEST, ticket=ticket, token=other, link=False, fields=COOKIE, policy=cookies))
        assert admit.opening == opening_of(other, admit.permit.place, Resume.NEVER)
        counted = replace(other, max_concurrent=1)
        resumed = judge(SEGMENT, ticket=ticket, token=counted, link=False, fields=COOKIE, policy=cookies)
        assert admitted(resumed).opening.resume is Resume.ONLY
    assert isinstance(judge(MANIFEST, ticket=ticket, token=replace(token, id="fresh"), policy=cookies), Permit)


def test_the_token_of_a_cookies_own_session_stays_in_it_while_that_lives(
    judge: Judge, token: Token, ticket: Ticket, cookies: Policy
) -> None:
    def verdict(ticket: Ticket, known: Known | None = None) -> object:
        return judge(
            MANIFEST, ticket=ticket, token=token, known=known, link=False, fields=COOKIE, policy=cookies
        )

    over = replace(ticket, ends_at=float(NOW))
    for kept in (verdict(ticket), verdict(replace(ticket, ends_at=None))):
        assert permitted(kept).session == ticket.session
    assert permitted(verdict(over, Known(ticket.session, NOW + 1.0))).session == ticket.session
    for opened in (verdict(over), verdict(ticket, Known(ticket.session, float(NOW)))):
        assert admitted(opened).opening.token == token
    # The token that renewed it is its own too, as far as the worker knows.
    fresh = replace(token, id="fresh")
    known = Known(ticket.session, NOW + 1.0, token="fresh")
    for beside in (token, fresh):
        kept = judge(
            MANIFEST, ticket=ticket, token=beside, known=known, link=False, fields=COOKIE, policy=cookies
        )
        assert permitted(kept).session == ticket.session
    # By itself it is told what it is.
    alone = judge(MANIFEST, ticket=over, link=False, fields=COOKIE, policy=cookies)
    assert why(alone) is Reason.SESSION_EXPIRED


def test_a_ticket_in_the_query_is_a_link(judge: Judge, token: Token, ticket: Ticket, policy: Policy) -> None:
    """Nobody sends it but who was handed it: a token beside it is for its session, and it may write."""
    query = replace(policy, sessions=replace(policy.sessions, carrier=Carrier.QUERY))
    url = f"{MANIFEST}?_gate_session=TICKET"
    permit = permitted(judge(url, ticket=ticket, token=fresh_one(token), link=False, policy=query))
    assert permit.renew == Renewal(ticket, fresh_one(token), None, NOW + 7200)
    assert (permit.prefix, permit.place.carrier) == ("TICKET", Carrier.QUERY)
    stranger = replace(token, id="else", owner="else")
    refused = judge(url, ticket=ticket, token=stranger, link=False, policy=query)
    assert why(refused) is Reason.AMBIGUOUS_CREDENTIALS
    writes = replace(ticket.warrant, grants=Grants({Action.DESTROY: Grant(all=True)}))
    permitted(judge(url, "DELETE", ticket=replace(ticket, warrant=writes), link=False, policy=query))
