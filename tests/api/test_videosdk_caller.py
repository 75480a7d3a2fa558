"""Who calls, and who they are in a room."""

from __future__ import annotations

from dataclasses import replace

import pytest
from multidict import CIMultiDict

from gate.api.videosdk_caller import Caller, identify
from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, RoomPass, Use
from gate.core.target import Target, parse_target
from gate.core.token import Warrant
from tests.api.rooms import MEDIA, MEET, POLICY, SERVER, RoomGate

TARGET = parse_target("/v2/rooms")
assert isinstance(TARGET, Target)
NOW = 1_800_000_000.0


def by(meet: RoomGate, text: str | None, link: str | None = None) -> Caller | Deny:
    headers = CIMultiDict({} if text is None else {"Authorization": text})
    assert isinstance(TARGET, Target)
    return identify(meet.door, TARGET, headers, link, POLICY, "192.0.2.1", NOW)


def known(caller: Caller | Deny) -> Caller:
    assert isinstance(caller, Caller)
    return caller


async def test_the_link_decides(meet: RoomGate) -> None:
    room = await meet.make_room()
    joined = await meet.join(room, meet.door.make(participant="ann"))
    link = joined["link"].rsplit("/", 1)[1]
    caller = known(by(meet, meet.door.make(participant="bob"), link))
    assert (caller.participant, caller.token) == ("ann", None)
    assert by(meet, meet.server, "none") == Deny(Reason.TICKET_INVALID)


async def test_links_and_tokens_of_something_else(meet: RoomGate) -> None:
    joined = await meet.join(await meet.make_room())
    link = joined["link"].rsplit("/", 1)[1]
    application, ticket = meet.door.links[link]
    assert ticket.warrant is not None
    plain = Warrant(ticket.warrant.grants)
    for warrant in (None, plain):
        meet.door.links[link] = application, replace(ticket, warrant=warrant)
        refused = by(meet, None, link)
        assert isinstance(refused, Deny)
        assert refused.reason is Reason.TICKET_INVALID
    application, token = meet.door.tokens[meet.server]
    meet.door.tokens[meet.server] = application, replace(token, warrant=plain)
    assert by(meet, meet.server) == Deny(Reason.TOKEN_MALFORMED)
    assert by(meet, None) == Deny(Reason.TOKEN_MISSING)
    assert by(meet, "wrong") == Deny(Reason.TOKEN_SIGNATURE)


@pytest.mark.parametrize(("uses", "lacks"), [(SERVER, Use.MEDIA), (MEDIA, Use.API)])
def test_uses(uses: frozenset[Use], lacks: Use) -> None:
    caller = Caller(MEET, RoomPass("AK", frozenset(), uses=uses))
    assert caller.check_use(next(iter(uses))) is None
    refused = caller.check_use(lacks)
    assert refused is not None
    assert refused.reason is Reason.ROLE_NOT_GRANTED


def test_rooms() -> None:
    anywhere, there = RoomPass("AK", frozenset()), RoomPass("AK", frozenset(), room="r")
    assert Caller(MEET, anywhere).check_room("other") is None
    assert Caller(MEET, there).check_room("r") is None
    assert Caller(MEET, there).check_room("other") == Deny(Reason.ROOM_NOT_GRANTED)


async def test_who_they_are(meet: RoomGate) -> None:
    room = await meet.make_room()
    named, unnamed = meet.door.make(participant="ann"), meet.door.make()
    joined = [await meet.join(room, text) for text in (named, unnamed)]
    there = meet.rooms.rooms["meet", room]
    found = known(by(meet, named)).find(there)
    assert isinstance(found, Participant)
    assert found.id == "ann"
    assert known(by(meet, unnamed)).participant is None
    assert known(by(meet, unnamed)).find(there) == Deny(Reason.NOT_JOINED)
    caller = known(by(meet, None, joined[1]["link"].rsplit("/", 1)[1]))
    assert caller.participant == joined[1]["participantId"]
    found = caller.find(there)
    assert isinstance(found, Participant)
    assert caller.find(replace(there, people={})) == Deny(Reason.NOT_JOINED)
