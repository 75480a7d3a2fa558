"""Requests of an application of Ziggeo's: page sessions, what a POST does, and what needs no token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from multidict import CIMultiDict

from gate.core.decision import decide, locate, settle
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Access, Application, Origin, Pattern, Policy, StreamRule, Ziggeo
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.session import Known, Resume
from gate.core.target import Target
from gate.core.ticket import Ticket
from gate.core.token import Format, Rights, Token, Warrant, token_id
from gate.core.verdicts import Admit, Ask, Opened, Permit, Place, Refused
from gate.core.visit import Visit

NOW = 1_800_000_000.0
SHOP = Application(
    "shop",
    Keyring([]),
    frozenset({Format.ZIGGEO}),
    unlimited_ttl=True,
    ziggeo=Ziggeo("apptok", "secret", b"k" * 32),
)
PARAMETER = "i07af2jp98rvoctt26y5egy3apptok"
VIDEOS = "/v1/applications/apptok/videos"
FILE = f"{VIDEOS}/v1/video.mp4"
ALL = Grants({action: Grant(all=True) for action in Action})
OWN = Grants({action: Grant(session_owned=True) for action in Action})
VISIT = Visit("page", int(NOW) - 10)


class Videos:
    """A grammar of videos: the collection, a video, what is in it, and the counter of what is played."""

    name = "videos"

    def read(self, target: Target, parts: Any) -> Facts:
        *_, last = target.segments
        resource = target.segments[4] if len(target.segments) > 4 else "videos"
        if last == "videos":
            return Facts(resource, Role.OTHER, Kind.OBJECT, posts=Action.CREATE)
        if last == "playback":
            return Facts(resource, Role.OTHER, Kind.OBJECT, posts=Action.READ)
        role = Role.OBJECT if last == "video.mp4" else Role.OTHER
        return Facts(resource, role, Kind.OBJECT, posts=Action.UPDATE)

    def write(self, target: Target, span: Any) -> None:
        return None


def policy(application: Application = SHOP, **rule: Any) -> Policy:
    origin = Origin("videos", "http://127.0.0.1:9000")
    streams = StreamRule("streams[0]", Pattern("/**"), Access.PRIVATE, origin, Videos(), application, **rule)
    return Policy((streams,), {"shop": application})


def place_of(url: str, method: str = "GET", **changes: Any) -> Place | Deny:
    ask = Ask(method, url, CIMultiDict(), "192.0.2.1")
    return locate(ask, policy(**changes))


def judge(
    url: str,
    grants: Grants = ALL,
    method: str = "GET",
    *,
    headers: dict[str, str] | None = None,
    visit: Visit | None = VISIT,
    known: Known | None = None,
    owned: bool = False,
    ticket: Ticket | None = None,
    revoked: Revocations | None = None,
    application: Application = SHOP,
    bare: bool = False,
    links_files: bool = True,
    **limits: Any,
) -> Any:
    ask = Ask(method, url, CIMultiDict(headers or {}), "192.0.2.1")
    place = locate(ask, policy(application, links_files=links_files))
    assert isinstance(place, Place), place
    token = None if bare else token_of(grants, **limits)
    revoked = revoked or Revocations()
    return decide(ask, place, token, ticket, known, revoked, NOW, owned=owned, visit=visit)


def token_of(grants: Grants, **limits: Any) -> Token:
    identity = token_id("shop", "n1")
    warrant = Warrant(grants, Rights(live=True, dvr=True))
    return Token("shop", Format.ZIGGEO, identity, identity, None, warrant, **limits)


# Where it points.


def test_a_page_session_is_taken_out_of_the_query() -> None:
    place = place_of(f"{FILE}?a=1&{PARAMETER}=page&client_auth=x")
    assert isinstance(place, Place)
    assert (place.visit, place.target.raw) == ("page", f"{FILE}?a=1&client_auth=x")
    bare = place_of(f"{FILE}?{PARAMETER}=&{PARAMETER}other=x")
    assert isinstance(bare, Place)
    assert (bare.visit, bare.target.raw) == (None, f"{FILE}?{PARAMETER}=&{PARAMETER}other=x")
    two = place_of(f"{FILE}?{PARAMETER}=a&{PARAMETER}=b")
    assert two == Deny(Reason.AMBIGUOUS_CREDENTIALS, "the request carries two page sessions")


def test_an_application_has_its_own_paths_only() -> None:
    other = place_of("/v1/applications/another/videos/v1/video.mp4")
    assert isinstance(other, Deny)
    assert other.reason is Reason.NOT_SERVED
    assert isinstance(place_of("/v1/applications"), Deny)
    assert isinstance(place_of("/elsewhere/x/y/z/v1"), Place)


@pytest.mark.parametrize(
    ("path", "action"),
    [
        (VIDEOS, Action.CREATE),
        (f"{VIDEOS}/v1", Action.UPDATE),
        (f"{VIDEOS}/v1/streams", Action.UPDATE),
        (f"{VIDEOS}/v1/playback", Action.READ),
    ],
)
def test_what_a_post_does_the_grammar_says_unless_the_rule_does(path: str, action: Action) -> None:
    place = place_of(path, "POST")
    assert isinstance(place, Place)
    assert place.action is action
    own = place_of(path, "POST", methods={"GET": Action.READ, "POST": Action.DESTROY})
    assert isinstance(own, Place)
    assert own.action is Action.DESTROY
    named = place_of(f"{path}?_method=DELETE", "POST")
    assert isinstance(named, Deny)
    assert named.reason is Reason.METHOD_NOT_ALLOWED


# In a page.


@pytest.mark.parametrize("path", [FILE, f"{VIDEOS}/v1", f"{VIDEOS}/v1/image"])
@pytest.mark.parametrize("limits", [{}, {"session_limit": 1}, {"usage_s": 60}])
def test_every_use_in_a_page_is_of_one_session_and_goes_without_a_link(path: str, limits: Any) -> None:
    admit = judge(path, **limits)
    assert isinstance(admit, Admit)
    opening = admit.opening
    session = VISIT.session_of(opening.token)
    assert (opening.resume, opening.session, opening.until_visit_s) == (Resume.VISIT, session, VISIT.ends_at)
    permit = settle(admit, Opened(session, NOW, NOW + 60))
    assert isinstance(permit, Permit)
    assert (permit.session, permit.ends_at, permit.visit) == (session, NOW + 60, "page")
    assert permit.commit is not None
    assert permit.commit.session == session
    over = settle(admit, Refused(Reason.SESSION_EXPIRED))
    assert over == Deny(Reason.SESSION_EXPIRED)


def test_a_session_that_is_known_costs_nothing() -> None:
    known = Known("s1", NOW + 5)
    permit = judge(FILE, known=known, session_limit=1)
    assert isinstance(permit, Permit)
    assert (permit.session, permit.ends_at, permit.commit) == ("s1", NOW + 5, None)


@pytest.mark.parametrize(
    ("method", "headers", "probe"), [("HEAD", {}, False), ("GET", {"Range": "bytes=0-1"}, True)]
)
def test_what_shows_nothing_opens_nothing(method: str, headers: dict[str, str], probe: bool) -> None:
    permit = judge(FILE, method=method, headers=headers, session_limit=1)
    assert isinstance(permit, Permit)
    assert (permit.session, permit.commit, permit.probe) == (None, None, probe)


def test_the_counter_of_what_is_played_opens_nothing() -> None:
    permit = judge(f"{VIDEOS}/v1/playback", method="POST", session_limit=1)
    assert isinstance(permit, Permit)
    assert (permit.session, permit.commit) == (None, None)


def test_a_session_that_was_closed_stays_so() -> None:
    revoked = Revocations()
    revoked.add(f"s:{VISIT.session_of(token_of(ALL))}", float("inf"))
    assert judge(FILE, revoked=revoked) == Deny(Reason.REVOKED)
    assert isinstance(judge(FILE, revoked=revoked, visit=Visit("another", VISIT.issued_at)), Admit)


def test_writes_belong_to_the_page_and_what_it_owns_is_any_tokens_in_it() -> None:
    admit = judge(VIDEOS, OWN, "POST")
    assert isinstance(admit, Admit)
    assert admit.opening.resume is Resume.VISIT
    assert admit.permit.visit == "page"
    for method in ("GET", "POST", "DELETE"):
        assert isinstance(judge(FILE, OWN, method, owned=True), Admit)
        refused = judge(FILE, OWN, method)
        assert isinstance(refused, Deny)
        assert refused.reason is Reason.RESOURCE_NOT_GRANTED


def test_a_session_link_decides_for_itself() -> None:
    token = token_of(ALL)
    ticket = Ticket(
        "s9", "shop", token.id, token.owner, None, int(NOW), None, None, None, None, None, token.warrant
    )
    permit = judge(FILE, ticket=ticket)
    assert isinstance(permit, Permit)
    assert (permit.session, permit.visit) == ("s9", None)


# Without a page.


@pytest.mark.parametrize("limits", [{}, {"session_limit": 1}])
def test_a_rule_may_serve_files_at_the_tokens_own_url(limits: Any) -> None:
    linked = judge(FILE, visit=None, **limits)
    assert isinstance(linked, Admit)
    assert linked.opening.resume is not Resume.ONLY
    bare = judge(FILE, visit=None, links_files=False, **limits)
    if limits:
        assert isinstance(bare, Admit)
        assert bare.opening.resume is Resume.ONLY
    else:
        assert isinstance(bare, Permit)
        assert (bare.session, bare.probe) == (None, False)


# What needs no token.


def test_an_action_that_needs_no_token_has_none() -> None:
    free = replace(SHOP, auth_required_for=frozenset({Action.UPDATE, Action.DESTROY}))
    permit = judge(FILE, application=free, bare=True, visit=None)
    assert isinstance(permit, Permit)
    assert (permit.session, permit.token, permit.visit) == (None, None, None)
    # What is created in a page is the page's.
    permit = judge(VIDEOS, method="POST", application=free, bare=True)
    assert isinstance(permit, Permit)
    assert permit.visit == "page"
    # A token that would not do does no harm.
    assert isinstance(judge(FILE, Grants(), application=free), Permit)
    for method in ("POST", "DELETE"):
        assert judge(FILE, method=method, application=free, bare=True) == Deny(Reason.TOKEN_MISSING)
