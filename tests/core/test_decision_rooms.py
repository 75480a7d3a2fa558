"""A room token: what it opens, and the session that each use of it belongs to. Who is in, the room says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from multidict import CIMultiDict

from gate.core.checks import check_pass
from gate.core.decision import decide, locate, settle
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.media import Facts, Kind, Role
from gate.core.policy import (
    Access,
    ApiKey,
    Application,
    Origin,
    Pattern,
    Policy,
    SessionEnd,
    StreamRule,
    VideoSdk,
)
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.room import Permission, RoomPass, Track, TrackKind, Use
from gate.core.session import Known, Resume
from gate.core.target import Target
from gate.core.ticket import Ticket
from gate.core.token import Format, Rights, Token, Warrant
from gate.core.verdicts import Admit, Ask, Issue, Opened, Permit, Place
from gate.core.windows import Span

NOW = 1_800_000_000.0
MIC = Track("r1", "anna", TrackKind.MIC)
PASS = RoomPass("key", frozenset({Permission.ALLOW_JOIN}))


class Tracks:
    name = "tracks"

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        roles = {"index.m3u8": Role.MANIFEST, "one.ts": Role.SEGMENT}
        track = Track(parts["room"], parts["participant"], TrackKind.MIC)
        return Facts("x", roles.get(target.segments[-1], Role.OTHER), Kind.OBJECT, track=track)

    def write(self, target: Target, span: Span) -> Target | None:
        return None


class Files:
    name = "files"

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        return Facts("x", Role.OBJECT, Kind.OBJECT)

    def write(self, target: Target, span: Span) -> Target | None:
        return None


ORIGIN = Origin("o", "http://127.0.0.1:9")
MEET = Application(
    "meet",
    Keyring([]),
    formats=frozenset({Format.VIDEOSDK}),
    session_end=SessionEnd.USAGE,
    max_usage_s=3600,
    videosdk=VideoSdk({"key": ApiKey("key", b"s" * 32)}),
)
POLICY = Policy(
    (
        StreamRule(
            "streams[0]", Pattern("/rooms/{room}/{participant}/**"), Access.PRIVATE, ORIGIN, Tracks(), MEET
        ),
        StreamRule("streams[1]", Pattern("/**"), Access.PRIVATE, ORIGIN, Files(), MEET),
    ),
    {"meet": MEET},
)


def token(room: RoomPass = PASS) -> Token:
    everything = Grants(MappingProxyType({action: Grant(all=True) for action in Action}))
    warrant = Warrant(everything, Rights(live=True, dvr=True), room=room)
    return Token("meet", Format.VIDEOSDK, "t1", "o1", None, warrant, int(NOW), None, int(NOW) + 60)


def placed(path: str, method: str = "GET", *headers: tuple[str, str]) -> tuple[Ask, Place]:
    ask = Ask(method, path, CIMultiDict(headers), "192.0.2.1")
    place = locate(ask, POLICY)
    assert isinstance(place, Place)
    return ask, place


def judged(
    path: str,
    method: str = "GET",
    *headers: tuple[str, str],
    room: RoomPass = PASS,
    known: Known | None = None,
    ticket: Ticket | None = None,
) -> Permit | Admit | Deny:
    ask, place = placed(path, method, *headers)
    return decide(ask, place, None if ticket else token(room), ticket, known, Revocations(), NOW)


def test_one_participant_is_one_client_whatever_its_players_announce() -> None:
    _, plain = placed("/rooms/r1/anna/index.m3u8")
    _, announced = placed("/rooms/r1/bert/index.m3u8", "GET", ("X-Playback-Session-Id", "P1"))
    _, elsewhere = placed("/file.mp4", "GET", ("X-Playback-Session-Id", "P1"))
    assert plain.client == announced.client != elsewhere.client


@pytest.mark.parametrize(
    ("path", "method", "resume", "linked"),
    [
        ("/rooms/r1/anna/index.m3u8", "GET", Resume.CLIENT, True),
        ("/rooms/r1/anna/index.m3u8", "HEAD", Resume.ONLY, False),
        ("/rooms/r1/anna/one.ts", "GET", Resume.CLIENT, False),
        ("/rooms/r1/anna/one.ts", "HEAD", Resume.ONLY, False),
        ("/rooms/r1/anna/one.ts", "PUT", Resume.CLIENT, False),
        ("/rooms/r1/anna/whip", "POST", Resume.CLIENT, False),
        ("/rooms/r1/anna/whip/1", "DELETE", Resume.CLIENT, False),
    ],
)
def test_every_use_of_a_bare_token_belongs_to_a_session(
    path: str, method: str, resume: Resume, linked: bool
) -> None:
    verdict = judged(path, method)
    assert isinstance(verdict, Admit)
    opening = verdict.opening
    assert (opening.resume, opening.linked) == (resume, linked)
    # The token is checked at joining: what ends the session is its usage.
    assert (opening.usage_s, opening.until_s) == (3600, None)
    assert opening.page == opening.client
    settled = settle(verdict, Opened("s1", NOW, NOW + 3600))
    if linked:
        assert isinstance(settled, Issue)
        assert settled.ticket.warrant is not None
        assert settled.ticket.warrant.room == PASS
    else:
        assert isinstance(settled, Permit)
        assert (settled.session, settled.room, settled.ends_at) == ("s1", PASS, NOW + 3600)


def test_a_session_that_this_worker_knows_needs_no_opening() -> None:
    known = Known("s1", NOW + 60)
    verdict = judged("/rooms/r1/anna/one.ts", known=known)
    assert isinstance(verdict, Permit)
    assert (verdict.session, verdict.room) == ("s1", PASS)
    # A playlist is answered with the session's link all the same: players do not repeat the token.
    assert isinstance(judged("/rooms/r1/anna/index.m3u8", known=known), Admit)


def test_under_a_session_link_the_room_has_its_say_too() -> None:
    warrant = token().warrant
    ticket = Ticket("s1", "meet", "t1", "o1", None, int(NOW), NOW + 60, None, None, None, None, warrant)
    verdict = judged("/rooms/r1/anna/one.ts", ticket=ticket)
    assert isinstance(verdict, Permit)
    assert (verdict.session, verdict.room) == ("s1", PASS)


@pytest.mark.parametrize(
    ("room", "track", "writes", "reason"),
    [
        (None, None, True, None),
        (PASS, MIC, False, None),
        (PASS, MIC, True, None),
        (PASS, None, False, Reason.RESOURCE_NOT_GRANTED),
        (replace(PASS, uses=frozenset({Use.MEDIA})), MIC, False, None),
        (replace(PASS, uses=frozenset({Use.API})), MIC, False, Reason.ROLE_NOT_GRANTED),
        (replace(PASS, uses=frozenset()), MIC, False, Reason.ROLE_NOT_GRANTED),
        (replace(PASS, room="r1"), MIC, False, None),
        (replace(PASS, room="r2"), MIC, False, Reason.ROOM_NOT_GRANTED),
        (replace(PASS, participant="anna"), MIC, True, None),
        (replace(PASS, participant="bert"), MIC, False, None),
        (replace(PASS, participant="bert"), MIC, True, Reason.TRACK_NOT_YOURS),
    ],
)
def test_what_a_pass_is_for(
    room: RoomPass | None, track: Track | None, writes: bool, reason: Reason | None
) -> None:
    refusal = check_pass(room, track, writes=writes)
    assert (None if refusal is None else refusal.reason) is reason


def test_a_room_token_opens_nothing_else_of_its_application() -> None:
    verdict = judged("/file.mp4")
    assert isinstance(verdict, Deny)
    assert verdict.reason is Reason.RESOURCE_NOT_GRANTED
