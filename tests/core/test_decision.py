"""Where a request points, and every way to be refused: each reason, and which of several comes first.

What becomes of sessions is in test_decision_sessions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.credentials import Carrier
from gate.core.decision import describe, locate, settle
from gate.core.grants import Action, Grant, Grants
from gate.core.marks import ByteRange, Mark, write_mark
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Policy
from gate.core.reasons import Deny, Reason
from gate.core.session import Known
from gate.core.target import Target, parse_target
from gate.core.ticket import Ticket
from gate.core.timeline import Remainder
from gate.core.token import Bind, Rights, Token, Warrant
from gate.core.verdicts import Admit, Ask, Issue, Opened, Permit, Place
from gate.core.windows import Moving, Span, Windows, span_of_seconds

Judge = Callable[..., object]
NOW = 1_800_000_000
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
FAST = settings(max_examples=200, deadline=None, suppress_health_check=CHECKS)
MANIFEST, SEGMENT = "/cam1/index.m3u8", f"/cam1/segment-{NOW - 10}-{NOW - 4}"


def why(verdict: object) -> Reason:
    assert isinstance(verdict, Deny), verdict
    return verdict.reason


def narrowed(warrant: Warrant, rights: Rights, start: int = 0, end: int = 0) -> Warrant:
    return replace(warrant, rights=rights, windows=Windows.of([span_of_seconds(start, end)]))


# Where it points.


def test_a_place_is_what_the_request_says(located: Judge) -> None:
    place = located("/cam1/index.m3u8?a=1&token=T&b=2", "GET", ("User-Agent", "VLC"))
    assert isinstance(place, Place)
    assert (place.target.raw, place.token, place.ticket) == ("/cam1/index.m3u8?a=1&b=2", "T", None)
    assert (place.rule.name, place.action) == ("streams[5]", Action.READ)
    assert place.application is place.rule.application
    assert place.facts == Facts("cam1", Role.MANIFEST, Kind.LIVE)
    assert len(place.client) == 22


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_has_three_methods(located: Judge, method: str) -> None:
    place = located(MANIFEST, method)
    assert isinstance(place, Place)
    assert place.action is Action.READ


@pytest.mark.parametrize("prefix", ["/_s/", "/watch/here/"])
def test_a_session_link_is_taken_off_the_path(located: Judge, prefix: str) -> None:
    place = located(f"{prefix}TICKET/cam1/index.m3u8?x=%2F&&y", prefix=prefix)
    assert isinstance(place, Place)
    assert (place.ticket, place.target.raw) == ("TICKET", "/cam1/index.m3u8?x=%2F&&y")
    assert place.facts.resource == "cam1"
    bare = located("/cam1/index.m3u8?x=%2F&&y", prefix=prefix)
    assert isinstance(bare, Place)
    assert (bare.target, bare.client) == (place.target, place.client)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("/a/../b", Reason.MALFORMED_TARGET),
        ("http://host/a", Reason.MALFORMED_TARGET),
        ("/" + "a" * 16384, Reason.MALFORMED_TARGET),
        ("/_s/TICKET", Reason.TICKET_INVALID),
        ("/_s/", Reason.TICKET_INVALID),
        ("/_s/ONE/_s/TWO/cam1/index.m3u8", Reason.AMBIGUOUS_CREDENTIALS),
        ("/", Reason.NOT_SERVED),
        ("/_s/TICKET/", Reason.NOT_SERVED),
        ("/favicon.ico", Reason.NOT_SERVED),
        ("/cam1/index.m3u8?token=T&token=U", Reason.AMBIGUOUS_CREDENTIALS),
    ],
)
def test_what_points_nowhere(located: Judge, url: str, reason: Reason) -> None:
    assert why(located(url)) is reason


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND", "get", "put", "", "X\r\n", "GET "])
@pytest.mark.parametrize("url", [MANIFEST, "/public/x", "/office/x", "/closed/x"])
def test_other_methods_are_not_served(located: Judge, url: str, method: str) -> None:
    assert why(located(url, method)) is Reason.METHOD_NOT_ALLOWED


READS = ["GET", "HEAD", "OPTIONS"]
WRITES = ["PUT", "POST", "PATCH", "DELETE"]


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("PUT", Action.CREATE),
        ("POST", Action.CREATE),
        ("PATCH", Action.UPDATE),
        ("DELETE", Action.DESTROY),
    ],
)
@pytest.mark.parametrize("url", [MANIFEST, "/homeless/x", "/_s/TICKET/cam1/file.mp4"])
def test_writing_is_for_private_rules(located: Judge, url: str, method: str, action: Action) -> None:
    place = located(url, method)
    assert isinstance(place, Place)
    assert place.action is action
    assert place.puts == (method == "PUT")


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("link", ["", "/_s/TICKET"])
@pytest.mark.parametrize("url", ["/public/x", "/office/x", "/closed/x"])
def test_what_is_not_private_is_not_written(located: Judge, link: str, url: str, method: str) -> None:
    """No token is asked for there, so there is none that could grant it: from a listed address neither."""
    refusal = located(f"{link}{url}", method, ("Authorization", "Bearer T"))
    assert why(refusal) is Reason.METHOD_NOT_ALLOWED
    assert dict(refusal.facts)["allowed"] == READS


def test_a_rule_serves_the_methods_that_it_names(policy: Policy) -> None:
    rule = replace(policy.rules[5], methods={"GET": Action.READ, "PUT": Action.UPDATE})
    policy = replace(policy, rules=(rule,))

    def asked(method: str) -> object:
        return locate(Ask(method, MANIFEST, CIMultiDict(), "192.0.2.1"), policy)

    place = asked("PUT")
    assert isinstance(place, Place)
    assert (place.action, place.puts) == (Action.UPDATE, False)
    assert isinstance(asked("GET"), Place)
    for method in ("HEAD", "OPTIONS", "POST", "PATCH", "DELETE"):
        refusal = asked(method)
        assert why(refusal) is Reason.METHOD_NOT_ALLOWED
        assert isinstance(refusal, Deny)
        assert dict(refusal.facts)["allowed"] == ["GET", "PUT"]


def test_a_malformed_target_comes_before_everything(located: Judge) -> None:
    assert why(located("/a/../b?token=T&token=U", "POST")) is Reason.MALFORMED_TARGET


@FAST
@given(
    st.text()
    | st.text("/_sa.c1%?=&;token", max_size=30).map("/".__add__)
    | st.lists(st.sampled_from(["_s", "_gate.x", "cam1", "", "?_gate=x", "&_gate_session=x"])).map("/".join),
    st.text(max_size=8),
    st.text(),
)
def test_any_request_has_a_place_or_a_refusal(policy: Policy, target: str, method: str, agent: str) -> None:
    ask = Ask(method, target, CIMultiDict({"User-Agent": agent, "Cookie": agent}), agent)
    for carrier in Carrier:
        under = replace(policy, sessions=replace(policy.sessions, carrier=carrier))
        assert isinstance(locate(ask, under), Place | Deny)
        assert isinstance(locate(replace(ask, method="GET"), under), Place | Deny)


# Who may come in without a token.


def test_public_is_for_everybody(judge: Judge) -> None:
    permit = judge("/public/index.m3u8?token=junk&x=1", address="203.0.113.9")
    assert isinstance(permit, Permit)
    assert permit.public
    assert permit.place.target.raw == "/public/index.m3u8?x=1"
    assert (permit.session, permit.commit, permit.ends_at, permit.prefix) == (None, None, None, "")


def test_protected_is_for_listed_addresses_and_not_for_shared_caches(judge: Judge) -> None:
    permit = judge("/office/index.m3u8", address="::ffff:192.0.2.200")
    assert isinstance(permit, Permit)
    assert not permit.public
    assert why(judge("/office/index.m3u8", address="192.0.3.1")) is Reason.ADDRESS_NOT_ALLOWED
    assert why(judge("/office/index.m3u8", address="")) is Reason.ADDRESS_NOT_ALLOWED


def test_no_token_opens_what_is_closed_or_protected(judge: Judge, token: Token, ticket: Ticket) -> None:
    for carried in ({"token": token}, {"ticket": ticket}):
        assert why(judge("/closed/index.m3u8", **carried)) is Reason.ACCESS_NONE
        assert why(judge("/office/x", address="192.0.3.1", **carried)) is Reason.ADDRESS_NOT_ALLOWED


def test_private_is_for_nobody_without_a_token(judge: Judge) -> None:
    assert why(judge(MANIFEST)) is Reason.TOKEN_MISSING
    assert why(judge(SEGMENT, known=Known("s", None))) is Reason.TOKEN_MISSING
    assert why(judge("/homeless/index.m3u8")) is Reason.TOKEN_MISSING


# Refusals that a token and a session link share: what is asked is not what was granted.

SHARED = [
    (MANIFEST, {"rights": Rights(copy=True)}, Reason.LIVE_NOT_GRANTED),
    ("/cam1/preview.jpg", {"rights": Rights(dvr=True, copy=True)}, Reason.LIVE_NOT_GRANTED),
    ("/cam1/mpegts", {"rights": Rights(dvr=True, copy=True)}, Reason.LIVE_NOT_GRANTED),
    (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", {"rights": Rights(live=True)}, Reason.DVR_NOT_GRANTED),
    (f"/cam1/copy-{NOW - 900}-{NOW - 600}", {"rights": Rights(True, True)}, Reason.COPY_NOT_GRANTED),
    ("/cam1/segment.ts", {"rights": Rights(True, True)}, Reason.TIME_UNKNOWN),
    ("/cam1/whatever", {"rights": Rights(True, True)}, Reason.TIME_UNKNOWN),
    (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", {"end": NOW - 900}, Reason.OUTSIDE_WINDOW),
    (f"/cam1/segment-{NOW - 906}-{NOW - 900}", {"start": NOW - 900}, Reason.OUTSIDE_WINDOW),
    (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", {"start": NOW - 600}, Reason.OUTSIDE_WINDOW),
    (f"/cam1/copy-{NOW - 900}-{NOW - 600}", {"end": NOW - 700}, Reason.PARTLY_OUTSIDE_WINDOW),
    (f"/cam1/copy-{NOW - 900}-{NOW - 600}", {"start": NOW - 899}, Reason.PARTLY_OUTSIDE_WINDOW),
]


@pytest.mark.parametrize(("url", "bounds", "reason"), SHARED)
def test_what_lies_outside_the_grant(
    judge: Judge, token: Token, ticket: Ticket, url: str, bounds: dict[str, object], reason: Reason
) -> None:
    warrant = narrowed(token.warrant, **({"rights": Rights(True, True, True)} | bounds))
    for refusal in (
        judge(url, token=replace(token, warrant=warrant)),
        judge(url, ticket=replace(ticket, warrant=warrant)),
    ):
        assert why(refusal) is reason
        assert dict(refusal.facts)["asked"].startswith("resource 'cam1', ")
        rights = warrant.rights
        start, end = bounds.get("start"), bounds.get("end")
        assert dict(refusal.facts)["granted"] == {
            "live": rights.live,
            "dvr": rights.dvr,
            "copy": rights.copy,
            "windows": [{"from": start, "to": end}],
        }


@pytest.mark.parametrize(
    ("url", "bind", "reason"),
    [
        ("/cam10/index.m3u8", None, Reason.RESOURCE_NOT_GRANTED),
        ("/cam/index.m3u8", None, Reason.RESOURCE_NOT_GRANTED),
        (MANIFEST, Bind(network=ip_network("203.0.113.0/24")), Reason.BINDING_MISMATCH),
        (MANIFEST, Bind(user_agent="VLC"), Reason.BINDING_MISMATCH),
    ],
)
def test_another_resource_or_another_client(
    judge: Judge, token: Token, ticket: Ticket, url: str, bind: Bind | None, reason: Reason
) -> None:
    warrant = replace(token.warrant, bind=bind)
    assert why(judge(url, token=replace(token, warrant=warrant))) is reason
    assert why(judge(url, ticket=replace(ticket, warrant=warrant))) is reason


def test_no_grants_nothing_permitted(judge: Judge, token: Token, ticket: Ticket) -> None:
    empty = replace(token.warrant, grants=type(token.warrant.grants)())
    assert why(judge(MANIFEST, token=replace(token, warrant=empty))) is Reason.ACTION_NOT_GRANTED
    assert why(judge(MANIFEST, ticket=replace(ticket, warrant=empty))) is Reason.ACTION_NOT_GRANTED


# What a manifest is held to.


class ObjectLayout:
    """Everything is on no timeline."""

    name = "objects"

    def read(self, target: Target, parts: dict[str, str]) -> Facts:
        return Facts(parts["resource"], Role.MANIFEST, Kind.OBJECT)

    def write(self, target: Target, span: Span) -> Target | None:
        return None


def permit_of(verdict: object) -> Permit:
    permit = verdict.permit if isinstance(verdict, Admit) else verdict
    assert isinstance(permit, Permit), permit
    return permit


@pytest.mark.parametrize(
    ("url", "rights", "bounds"),
    [
        (MANIFEST, Rights(live=True), (0, 0)),
        (MANIFEST, Rights(dvr=True), (0, 0)),
        (MANIFEST, Rights(True, True), (0, 0)),
        (MANIFEST, Rights(True, True, True), (NOW - 900, NOW - 300)),
        (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", Rights(dvr=True), (0, 0)),
        (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", Rights(dvr=True), (NOW - 900, NOW - 600)),
        (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", Rights(dvr=True), (NOW - 800, NOW - 700)),
        (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", Rights(True, True, True), (NOW - 601, 0)),
        (f"/cam1/since-{NOW - 600}", Rights(dvr=True), (0, NOW - 599)),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_manifest_is_held_to_what_its_viewer_may_see(
    judge: Judge, token: Token, ticket: Ticket, url: str, rights: Rights, bounds: tuple[int, int], method: str
) -> None:
    """Whatever its URL says: it is the answer that says what it holds."""
    warrant = narrowed(token.warrant, rights, *bounds)
    for verdict in (
        judge(url, method, token=replace(token, warrant=warrant)),
        judge(url, method, token=replace(token, warrant=warrant, max_concurrent=1)),
        judge(url, method, ticket=replace(ticket, warrant=warrant)),
    ):
        permit = permit_of(verdict)
        assert permit.sight == warrant
        assert (permit.place.target.raw, permit.place.asked) == (url, None)


def test_what_may_be_seen_of_a_manifest_is_in_the_trace(judge: Judge, token: Token) -> None:
    said = "of the manifest is served what the token's rights and windows allow"
    trace: list[str] = []
    judge(MANIFEST, token=replace(token, warrant=narrowed(token.warrant, Rights(dvr=True))), trace=trace)
    assert said in trace
    assert "the time asked for is allowed" not in trace
    trace.clear()
    judge(MANIFEST, token=token, trace=trace)
    assert said not in trace
    assert "the time asked for is allowed" in trace


@pytest.mark.parametrize(
    "url",
    [SEGMENT, "/cam1/preview.jpg", "/cam1/mpegts", "/cam1/file.mp4", f"/cam1/copy-{NOW - 900}-{NOW - 600}"],
)
def test_nothing_else_is_held_to_anything(judge: Judge, token: Token, ticket: Ticket, url: str) -> None:
    warrant = narrowed(token.warrant, Rights(True, True, True), 1)
    assert permit_of(judge(url, token=replace(token, warrant=warrant))).sight is None
    assert permit_of(judge(url, ticket=replace(ticket, warrant=warrant))).sight is None


@pytest.mark.parametrize("url", [MANIFEST, f"/cam1/dvr-{NOW - 900}-{NOW - 600}", "/public/index.m3u8"])
def test_who_may_see_everything_is_held_to_nothing(
    judge: Judge, token: Token, ticket: Ticket, url: str
) -> None:
    assert token.warrant.unrestricted
    assert permit_of(judge(url, token=token)).sight is None
    assert permit_of(judge(url, ticket=ticket)).sight is None


def test_a_manifest_on_no_timeline_or_that_is_written_is_held_to_nothing(
    judge: Judge, policy: Policy, token: Token, ticket: Ticket
) -> None:
    writes = Grants({action: Grant(all=True) for action in Action})
    warrant = replace(narrowed(token.warrant, Rights(dvr=True), 1), grants=writes)
    for method in WRITES:
        assert permit_of(judge(MANIFEST, method, ticket=replace(ticket, warrant=warrant))).sight is None
    files = replace(policy, rules=(replace(policy.rules[5], layout=ObjectLayout()),))
    for carried in (
        {"token": replace(token, warrant=warrant)},
        {"ticket": replace(ticket, warrant=replace(warrant, rights=Rights()))},
    ):
        permit = permit_of(judge(MANIFEST, policy=files, **carried))
        assert (permit.place.facts.role, permit.sight) == (Role.MANIFEST, None)


# What is left to a stream that goes on.

WINDOW = (NOW - 900, NOW - 300)


@pytest.mark.parametrize(
    ("url", "left"),
    [
        (f"/cam1/endless-{NOW - 900}", Remainder(NOW + 600, 600_000)),
        (f"/cam1/endless-{NOW - 301}", Remainder(NOW + 1, 1000)),
        ("/cam1/late-600", Remainder(NOW + 300, 300_000)),
        (f"/cam1/dvr-{NOW - 900}-{NOW - 600}", None),
        ("/cam1/mpegts", None),
        (SEGMENT, None),
    ],
)
def test_a_permit_says_what_remains(
    judge: Judge, token: Token, ticket: Ticket, url: str, left: Remainder | None
) -> None:
    warrant = narrowed(token.warrant, Rights(live=True, dvr=True), *WINDOW)
    for permit in (
        judge(url, token=replace(token, warrant=warrant)),
        judge(url, ticket=replace(ticket, warrant=warrant)),
    ):
        assert permit_of(permit).remains == left


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"/cam1/endless-{NOW - 901}", Reason.OUTSIDE_WINDOW),
        (f"/cam1/endless-{NOW - 300}", Reason.OUTSIDE_WINDOW),
        ("/cam1/late-300", Reason.OUTSIDE_WINDOW),
        (f"/cam1/since-{NOW - 300}", Reason.OUTSIDE_WINDOW),
        (f"/cam1/since-{NOW + 1}", Reason.OUTSIDE_WINDOW),
        ("/cam1/back-300", Reason.OUTSIDE_WINDOW),
    ],
)
def test_what_moves_out_of_its_window(judge: Judge, token: Token, url: str, reason: Reason) -> None:
    warrant = narrowed(token.warrant, Rights(live=True, dvr=True), *WINDOW)
    assert why(judge(url, token=replace(token, warrant=warrant))) is reason


@pytest.mark.parametrize("url", [f"/cam1/since-{NOW - 301}", f"/cam1/since-{NOW - 9000}", "/cam1/back-301"])
def test_what_moves_through_its_window_is_held_to_it(judge: Judge, token: Token, url: str) -> None:
    warrant = narrowed(token.warrant, Rights(live=True, dvr=True), *WINDOW)
    assert permit_of(judge(url, token=replace(token, warrant=warrant))).sight == warrant


@pytest.mark.parametrize("strict", [False, True])
def test_a_rule_may_ask_for_the_whole_piece(judge: Judge, policy: Policy, token: Token, strict: bool) -> None:
    policy = replace(policy, rules=(replace(policy.rules[5], strict_windows=strict),))
    warrant = narrowed(token.warrant, Rights(live=True, dvr=True), *WINDOW)
    token = replace(token, warrant=warrant)
    crossing = judge(f"/cam1/segment-{NOW - 303}-{NOW - 297}", token=token, policy=policy)
    assert isinstance(crossing, Deny) == strict
    if strict:
        assert why(crossing) is Reason.PARTLY_OUTSIDE_WINDOW
    assert isinstance(
        judge(f"/cam1/segment-{NOW - 306}-{NOW - 300}", token=token, policy=policy), Permit | Admit
    )


# What overruns its window, where the rule clips.

OVERRUN = f"/cam1/dvr-{NOW - 1200}-{NOW - 600}?x=%2F"
CLIPPED = f"/cam1/dvr-{NOW - 900}-{NOW - 600}?x=%2F"


@pytest.fixture
def clipping(policy: Policy) -> Policy:
    return replace(policy, rules=(replace(policy.rules[5], clips_overrun=True),))


def test_without_the_word_of_the_rule_the_origin_is_asked_for_all_of_it(judge: Judge, token: Token) -> None:
    """Of which a manifest is clipped when it has come, and a download is refused."""
    warrant = narrowed(token.warrant, Rights(dvr=True, copy=True), *WINDOW)
    permit = permit_of(judge(OVERRUN, token=replace(token, warrant=warrant)))
    assert (permit.place.target.raw, permit.place.asked, permit.sight) == (OVERRUN, None, warrant)
    download = OVERRUN.replace("dvr", "copy")
    assert why(judge(download, token=replace(token, warrant=warrant))) is Reason.PARTLY_OUTSIDE_WINDOW


def test_the_origin_is_asked_for_the_part_that_is_allowed(
    judge: Judge, clipping: Policy, token: Token, ticket: Ticket
) -> None:
    warrant = narrowed(token.warrant, Rights(dvr=True), *WINDOW)
    trace: list[str] = []
    admit = judge(OVERRUN, token=replace(token, warrant=warrant), policy=clipping, trace=trace)
    assert isinstance(admit, Admit)
    permit = judge(OVERRUN, ticket=replace(ticket, warrant=warrant), policy=clipping)
    assert isinstance(permit, Permit)
    # The answer is held to it too: the origin need not have minded.
    assert admit.permit.sight == permit.sight == warrant
    for place in (admit.permit.place, permit.place):
        assert (place.target.raw, place.asked.raw) == (CLIPPED, OVERRUN)
        assert place.facts == Facts(
            "cam1", Role.MANIFEST, Kind.DVR, Span((NOW - 900) * 1000, (NOW - 600) * 1000)
        )
    assert f"a part of the time is allowed, and the origin is asked for that: {CLIPPED}" in trace


def test_the_viewers_url_stays_as_it_is(judge: Judge, clipping: Policy, token: Token) -> None:
    """Its session link leads to what was asked for, of which the origin is asked for less again."""
    warrant = narrowed(token.warrant, Rights(dvr=True), *WINDOW)
    admit = judge(OVERRUN, token=replace(token, warrant=warrant, max_concurrent=1), policy=clipping)
    assert isinstance(admit, Admit)
    issue = settle(admit, Opened("00session", float(NOW), None))
    assert isinstance(issue, Issue)
    assert (issue.place.target.raw, issue.place.asked) == (OVERRUN, None)


def test_what_lies_within_is_not_clipped(judge: Judge, clipping: Policy, token: Token) -> None:
    warrant = narrowed(token.warrant, Rights(dvr=True), *WINDOW)
    admit = judge(CLIPPED, token=replace(token, warrant=warrant), policy=clipping)
    assert isinstance(admit, Admit)
    assert admit.permit.place.asked is None


def test_an_overrunning_download_is_asked_for_in_part(judge: Judge, clipping: Policy, token: Token) -> None:
    warrant = narrowed(token.warrant, Rights(copy=True), *WINDOW)
    asked, part = OVERRUN.replace("dvr", "copy"), CLIPPED.replace("dvr", "copy")
    permit = permit_of(judge(asked, token=replace(token, warrant=warrant), policy=clipping))
    assert (permit.place.target.raw, permit.place.asked.raw, permit.sight) == (part, asked, None)


NOT_ONE_PART = "what of the time is allowed is not one part, or not one that its URL can say"
TWO_PARTS = [(NOW - 900, NOW - 800), (NOW - 700, NOW - 600)]


@pytest.mark.parametrize(
    ("url", "spans"),
    [
        # More than one part is allowed.
        (f"/cam1/dvr-{NOW - 1200}-{NOW - 100}", TWO_PARTS),
        # No form says its part: it goes on.
        (f"/cam1/since-{NOW - 600}", [WINDOW]),
    ],
)
def test_a_manifest_that_cannot_be_asked_for_in_part_is_asked_for_whole(
    judge: Judge, clipping: Policy, token: Token, url: str, spans: list[tuple[int, int]]
) -> None:
    windows = Windows.of(span_of_seconds(*span) for span in spans)
    warrant = replace(token.warrant, rights=Rights(live=True, dvr=True), windows=windows)
    trace: list[str] = []
    permit = permit_of(judge(url, token=replace(token, warrant=warrant), policy=clipping, trace=trace))
    assert (permit.place.target.raw, permit.place.asked, permit.sight) == (url, None, warrant)
    assert NOT_ONE_PART in trace


@pytest.mark.parametrize(
    ("url", "spans", "reason"),
    [
        # Nothing of it is allowed.
        (f"/cam1/dvr-{NOW - 1200}-{NOW - 900}", [WINDOW], Reason.OUTSIDE_WINDOW),
        (f"/cam1/copy-{NOW - 1200}-{NOW - 900}", [WINDOW], Reason.OUTSIDE_WINDOW),
        # More than one part is.
        (f"/cam1/copy-{NOW - 1200}-{NOW - 100}", TWO_PARTS, Reason.PARTLY_OUTSIDE_WINDOW),
    ],
)
def test_what_cannot_be_clipped_is_refused(
    judge: Judge, clipping: Policy, token: Token, url: str, spans: list[tuple[int, int]], reason: Reason
) -> None:
    windows = Windows.of(span_of_seconds(*span) for span in spans)
    warrant = replace(token.warrant, rights=Rights(True, True, True), windows=windows)
    trace: list[str] = []
    assert why(judge(url, token=replace(token, warrant=warrant), policy=clipping, trace=trace)) is reason
    assert (NOT_ONE_PART in trace) == (reason is Reason.PARTLY_OUTSIDE_WINDOW)


class Minutes:
    """A layout whose clients round down to the minute: ``rec-M-N.m3u8``, in whole minutes."""

    name = "minutes"

    def read(self, target: Target, parts: dict[str, str]) -> Facts:
        _, start, end = target.segments[-1].removesuffix(".m3u8").split("-")
        span = Span(int(start) * 60_000, int(end) * 60_000)
        return Facts(parts["resource"], Role.MANIFEST, Kind.DVR, span, early_ms=59_000)

    def write(self, target: Target, span: Span) -> Target | None:
        return None if span.start_ms % 60_000 or span.end_ms % 60_000 else target


@pytest.mark.parametrize(
    ("begins", "ends", "overruns"),
    [(600, 1200, False), (637, 1200, False), (659, 1260, False), (660, 1200, True), (600, 1140, True)],
)
def test_what_is_rounded_down_does_not_overrun(
    judge: Judge, clipping: Policy, token: Token, begins: int, ends: int, overruns: bool
) -> None:
    minutes = replace(clipping, rules=(replace(clipping.rules[0], layout=Minutes()),))
    warrant = narrowed(token.warrant, Rights(dvr=True), begins, ends)
    trace: list[str] = []
    url = "/cam1/rec-10-20.m3u8"
    permit = permit_of(judge(url, token=replace(token, warrant=warrant), policy=minutes, trace=trace))
    assert (permit.place.target.raw, permit.place.asked, permit.sight) == (url, None, warrant)
    assert (NOT_ONE_PART in trace) == overruns


# What its manifest marked it with.

KEY = bytes(range(32))


def marked(raw: str, mark: Mark, key: bytes = KEY) -> str:
    target = parse_target(raw)
    assert isinstance(target, Target)
    return f"{raw}{'&' if '?' in raw else '?'}_gate={write_mark(mark, key, target)}"


UNDATED = "/cam1/segment.ts"
INSIDE, BEFORE = Span((NOW - 600) * 1000, (NOW - 594) * 1000), Span((NOW - 1000) * 1000, (NOW - 994) * 1000)


def test_a_mark_says_what_the_url_does_not(judge: Judge, ticket: Ticket) -> None:
    ticket = replace(ticket, warrant=narrowed(ticket.warrant, Rights(live=True, dvr=True), *WINDOW))
    url = marked(f"{UNDATED}?a=1", Mark(Role.SEGMENT, None, INSIDE, lag_ms=60_000))
    permit = permit_of(judge(url, ticket=ticket, key=KEY))
    # The origin sees what it wrote.
    assert (permit.place.target.raw, permit.commit) == (f"{UNDATED}?a=1", ticket)
    facts = permit.place.facts
    assert (facts.role, facts.kind, facts.span) == (Role.SEGMENT, None, INSIDE)
    assert (facts.lag_ms, facts.vouched) == (60_000, True)
    assert why(judge(UNDATED, ticket=ticket, key=KEY)) is Reason.TIME_UNKNOWN
    outside = marked(UNDATED, Mark(Role.SEGMENT, None, BEFORE))
    assert why(judge(outside, ticket=ticket, key=KEY)) is Reason.OUTSIDE_WINDOW
    bare = marked(UNDATED, Mark(Role.OTHER, Kind.OBJECT))
    assert permit_of(judge(bare, ticket=ticket, key=KEY)).place.facts.kind is Kind.OBJECT


def test_a_mark_of_another_session_or_another_url_is_refused(
    judge: Judge, token: Token, ticket: Ticket
) -> None:
    mark = Mark(Role.SEGMENT, None, INSIDE)
    for url in (
        marked(UNDATED, mark, bytes(32)),
        marked(UNDATED, mark).replace("segment.ts", "other.ts"),
        f"{UNDATED}?_gate=x",
        f"{UNDATED}?_gate=",
    ):
        assert why(judge(url, ticket=ticket, key=KEY)) is Reason.MARK_INVALID
    # Nobody's word is taken for it where no session is known.
    restricted = replace(token, warrant=narrowed(token.warrant, Rights(live=True, dvr=True), *WINDOW))
    assert why(judge(marked(UNDATED, mark), token=restricted)) is Reason.TIME_UNKNOWN


def test_what_a_url_says_itself_goes_before_its_mark(judge: Judge, ticket: Ticket) -> None:
    ticket = replace(ticket, warrant=narrowed(ticket.warrant, Rights(dvr=True), *WINDOW))
    url = marked(f"/cam1/segment-{NOW - 1000}-{NOW - 994}", Mark(Role.SEGMENT, None, INSIDE))
    assert why(judge(url, ticket=ticket, key=KEY)) is Reason.OUTSIDE_WINDOW


def test_a_seal_in_the_path_is_taken_off_it(policy: Policy, located: Judge) -> None:
    place = place_of(policy, "/cam1/_gate.SEAL/segment.ts?a=1")
    plain = place_of(policy, "/cam1/segment.ts?a=1")
    assert (place.seal, plain.seal) == ("_gate.SEAL", None)
    assert replace(place, seal=None) == plain
    for url in (
        "/cam1/_gate.ONE/_gate.TWO/segment.ts",
        "/_s/TICKET/_gate.ONE/cam1/_gate.ONE",
        # It leaves no path, or a session link that would reach the origin.
        "/_gate.ONE",
        "/_gate.ONE?x",
        "/_s/TICKET/_gate.ONE",
        "/_gate.ONE/_s/TICKET/cam1/index.m3u8",
        "/_s/TICKET/_gate.ONE/_s/TICKET/cam1/index.m3u8",
    ):
        assert why(located(url)) is Reason.MARK_INVALID


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("bytes=100-199", None),
        ("bytes=150-160", None),
        ("bytes=99-199", Reason.OUTSIDE_RANGE),
        ("bytes=100-200", Reason.OUTSIDE_RANGE),
        ("bytes=100-", Reason.OUTSIDE_RANGE),
        (None, Reason.OUTSIDE_RANGE),
    ],
)
def test_of_a_file_only_the_bytes_that_were_handed_out(
    judge: Judge, ticket: Ticket, asked: str | None, reason: Reason | None
) -> None:
    """Whatever the token may see: its mark says what this URL stands for."""
    url = marked(UNDATED, Mark(Role.SEGMENT, None, INSIDE, ByteRange(100, 100)))
    for warrant in (ticket.warrant, narrowed(ticket.warrant, Rights(dvr=True), *WINDOW)):
        made = judge(
            url,
            ticket=replace(ticket, warrant=warrant),
            key=KEY,
            fields=[] if asked is None else [("Range", asked)],
        )
        assert (made.reason if isinstance(made, Deny) else None) is reason


# How a ticket travels.


def carried(policy: Policy, carrier: Carrier) -> Policy:
    return replace(policy, sessions=replace(policy.sessions, carrier=carrier))


def place_of(policy: Policy, url: str, *fields: tuple[str, str]) -> Place:
    place = locate(Ask("GET", url, CIMultiDict(fields), "192.0.2.1"), policy)
    assert isinstance(place, Place), place
    return place


def test_a_ticket_in_the_query(policy: Policy) -> None:
    query = carried(policy, Carrier.QUERY)
    place = place_of(query, "/cam1/index.m3u8?a=%2F&_gate_session=T&&b", ("Cookie", "_gate_session=U"))
    assert (place.ticket, place.carrier) == ("T", Carrier.QUERY)
    assert place.target.raw == "/cam1/index.m3u8?a=%2F&&b"
    assert place_of(query, MANIFEST, ("Cookie", "_gate_session=U")).ticket is None
    two = locate(Ask("GET", f"{MANIFEST}?_gate_session=T&_gate_session=U", CIMultiDict(), ""), query)
    assert why(two) is Reason.AMBIGUOUS_CREDENTIALS


def test_a_ticket_in_a_cookie(policy: Policy) -> None:
    cookie = carried(policy, Carrier.COOKIE)
    place = place_of(cookie, "/cam1/index.m3u8?a=1", ("Cookie", "a=b; _gate_session=T"))
    assert (place.ticket, place.carrier, place.target.raw) == ("T", Carrier.COOKIE, "/cam1/index.m3u8?a=1")
    # A browser sends first what has the longest path.
    assert place_of(cookie, MANIFEST, ("Cookie", "_gate_session=T; _gate_session=U")).ticket == "T"


@pytest.mark.parametrize("carrier", Carrier)
def test_a_session_link_holds_under_every_carrier(policy: Policy, carrier: Carrier) -> None:
    """So a policy may change how tickets travel without ending a session."""
    url = "/_s/TICKET/cam1/index.m3u8?_gate_session=ELSE&x"
    place = place_of(carried(policy, carrier), url, ("Cookie", "_gate_session=ELSE"))
    assert (place.ticket, place.carrier, place.target.raw) == ("TICKET", Carrier.PATH, "/cam1/index.m3u8?x")


@pytest.mark.parametrize("carrier", Carrier)
def test_neither_ticket_nor_mark_reaches_the_origin_or_tells_clients_apart(
    policy: Policy, carrier: Carrier
) -> None:
    policy = carried(policy, carrier)
    plain = place_of(policy, f"{UNDATED}?a=1")
    dressed = place_of(policy, f"{UNDATED}?_gate_session=T&a=1&_gate=M")
    assert (dressed.target, dressed.client, dressed.page) == (plain.target, plain.client, plain.page)
    assert (plain.mark, dressed.mark) == (None, "M")
    assert dressed.ticket == ("T" if carrier is Carrier.QUERY else None)


# A token's own refusals, in the order in which they come.

TOKEN_REFUSALS = [
    ({"application": "other"}, Reason.TOKEN_SIGNATURE),
    ({"not_before": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
    ({"issued_at": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
    ({"expires_at": None}, Reason.EXPIRY_REQUIRED),
    ({"expires_at": NOW}, Reason.TOKEN_EXPIRED),
    ({"expires_at": NOW + 86400}, Reason.LIFETIME_TOO_LONG),
]


@pytest.mark.parametrize(("changes", "reason"), TOKEN_REFUSALS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_token_that_is_not_good_here_or_now(
    judge: Judge, token: Token, changes: dict[str, object], reason: Reason, method: str
) -> None:
    assert why(judge(MANIFEST, method, token=replace(token, **changes))) is reason
    # A session that the worker knows makes an ended token no better.
    counted = replace(token, max_concurrent=1, **changes)
    assert why(judge(SEGMENT, method, token=counted, known=Known("s", None))) is reason


def test_a_token_does_not_open_a_rule_without_application(judge: Judge, token: Token, ticket: Ticket) -> None:
    assert why(judge("/homeless/index.m3u8", token=token)) is Reason.TOKEN_SIGNATURE
    assert why(judge("/homeless/index.m3u8", ticket=ticket)) is Reason.TICKET_INVALID


def test_a_token_of_the_application_of_the_rule_is_needed(judge: Judge, token: Token) -> None:
    assert why(judge("/other/cam1/index.m3u8", token=token)) is Reason.TOKEN_SIGNATURE


def test_refusals_come_in_their_order(judge: Judge, token: Token) -> None:
    """Identity, life, revocation, grant, binding, time: a refusal tells no more than the asker may know."""
    worst = replace(
        token,
        application="other",
        expires_at=NOW,
        warrant=Warrant(type(token.warrant.grants)(), Rights(), bind=Bind(user_agent="VLC")),
    )
    revoked = (f"t:{token.id}",)

    def verdict() -> Reason:
        return why(judge(MANIFEST, token=worst, revoked=revoked))

    assert verdict() is Reason.TOKEN_SIGNATURE
    worst = replace(worst, application="demo")
    assert verdict() is Reason.TOKEN_EXPIRED
    worst = replace(worst, expires_at=NOW + 1)
    assert verdict() is Reason.REVOKED
    revoked = ()
    assert verdict() is Reason.ACTION_NOT_GRANTED
    worst = replace(worst, warrant=replace(worst.warrant, grants=token.warrant.grants))
    assert verdict() is Reason.BINDING_MISMATCH
    worst = replace(worst, warrant=replace(worst.warrant, bind=None))
    assert verdict() is Reason.LIVE_NOT_GRANTED


# A session link's own refusals.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"application": "other"}, Reason.TICKET_INVALID),
        ({"ends_at": float(NOW)}, Reason.SESSION_EXPIRED),
        ({"ends_at": NOW - 0.5}, Reason.SESSION_EXPIRED),
        ({"warrant": None}, Reason.STORE_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("url", [MANIFEST, SEGMENT])
def test_a_session_link_that_is_not_good_here_or_now(
    judge: Judge, ticket: Ticket, changes: dict[str, object], reason: Reason, url: str
) -> None:
    assert why(judge(url, ticket=replace(ticket, **changes))) is reason
    assert why(judge(url, ticket=replace(ticket, **changes), fields=[("Range", "bytes=0-1")])) is reason


def test_a_session_ends_to_the_second_and_may_have_no_end(judge: Judge, ticket: Ticket) -> None:
    assert isinstance(judge(SEGMENT, ticket=replace(ticket, ends_at=NOW + 0.001)), Permit)
    assert isinstance(judge(SEGMENT, ticket=replace(ticket, ends_at=None)), Permit)


def test_the_ticket_decides_and_the_token_that_opened_it_is_no_matter(
    judge: Judge, token: Token, ticket: Ticket
) -> None:
    spent = replace(token, expires_at=NOW - 10, warrant=Warrant(type(token.warrant.grants)()))
    # The token that opened the session is the same one, whoever its playbacks are counted under.
    for beside in (token, spent, replace(token, owner="else")):
        permit = judge(SEGMENT, ticket=ticket, token=beside)
        assert isinstance(permit, Permit)
        assert permit.renew is None


def test_refusals_of_a_session_link_come_in_their_order(judge: Judge, token: Token, ticket: Ticket) -> None:
    stranger = replace(token, id="else", owner="else")
    worst = replace(ticket, application="other", ends_at=float(NOW), warrant=None)
    revoked: tuple[str, ...] = (f"s:{ticket.session}",)

    def verdict() -> Reason:
        return why(judge(SEGMENT, ticket=worst, token=stranger, revoked=revoked))

    assert verdict() is Reason.TICKET_INVALID
    worst = replace(worst, application="demo")
    assert verdict() is Reason.SESSION_EXPIRED
    worst = replace(worst, ends_at=NOW + 1.0)
    assert verdict() is Reason.REVOKED
    revoked = ()
    assert verdict() is Reason.AMBIGUOUS_CREDENTIALS
    stranger = replace(stranger, owner=token.owner, expires_at=NOW)
    assert verdict() is Reason.TOKEN_EXPIRED
    stranger = replace(stranger, expires_at=NOW + 9)
    assert verdict() is Reason.STORE_UNAVAILABLE


def test_no_refusal_holds_a_credential(located: Judge, judge: Judge, token: Token, ticket: Ticket) -> None:
    refusals = [
        located("/cam1/index.m3u8?token=SECRET&token=SECRETS"),
        located("/_s/SECRET"),
        judge("/cam10/x?token=SECRET", token=token),
        judge("/cam1/index.m3u8?token=SECRET", token=replace(token, warrant=Warrant(token.warrant.grants))),
        judge("/cam1/index.m3u8", ticket=replace(ticket, application="other")),
    ]
    for refusal in refusals:
        assert isinstance(refusal, Deny)
        assert "SECRET" not in repr(refusal)
        assert "TICKET" not in repr(refusal).replace("TICKET_INVALID", "")


def test_facts_in_words() -> None:
    assert describe(Facts("cam1", Role.OTHER)) == "resource 'cam1', other"
    dated = Facts("cam1", Role.SEGMENT, Kind.DVR, Span(1500, 7500))
    assert describe(dated) == "resource 'cam1', segment, kind dvr, from 1.500 to 7.500"
    growing = Facts("cam1", Role.MANIFEST, Kind.DVR, Moving(1500))
    assert describe(growing) == "resource 'cam1', manifest, kind dvr, from 1.500, to now"
    late = Facts("cam1", Role.STREAM, Kind.DVR, Moving(1500, start_moves=True, lag_ms=1499, paced=True))
    assert describe(late) == "resource 'cam1', stream, kind dvr, from 1.500 s ago, as it goes on"
    minute = Facts("cam1", Role.STREAM, Kind.DVR, Span(0, 60_000), early_ms=59_000)
    assert describe(minute).endswith("from 0.000 to 60.000, or up to 59 s later, as it says no seconds")
