"""Who calls, and who they are in a room."""

from __future__ import annotations

import time
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


async def by(meet: RoomGate, text: str | None, link: str | None = None) -> Caller | Deny:
    headers = CIMultiDict({} if text is None else {"Authorization": text})
    assert isinstance(TARGET, Target)
    return await identify(meet.door, TARGET, headers, link, POLICY, "192.0.2.1", time.time())


def known(caller: Caller | Deny) -> Caller:
    assert isinstance(caller, Caller)
    return caller


async def test_the_link_decides(meet: RoomGate) -> None:
    room = await meet.make_room()
    joined = await meet.join(room, meet.token(participant="ann"))
    link = joined["link"].rpartition("/")[2]
    caller = known(await by(meet, meet.token(participant="bob"), link))
    assert (caller.participant, caller.token) == ("ann", None)
    assert await by(meet, meet.server, "none") == Deny(Reason.TICKET_INVALID)


async def test_links_and_tokens_of_something_else(meet: RoomGate) -> None:
    joined = await meet.join(await meet.make_room())
    _, ticket = await meet.open(joined["link"])
    assert ticket.warrant is not None
    plain = Warrant(ticket.warrant.grants)
    for other in (replace(ticket, warrant=plain), replace(ticket, application="none")):
        link = meet.door.link(other, POLICY).rpartition("/")[2]
        refused = await by(meet, None, link)
        assert isinstance(refused, Deny)
        assert refused.reason is Reason.TICKET_INVALID
    assert await by(meet, None) == Deny(Reason.TOKEN_MISSING)
    for wrong in ("wrong", f"{meet.server[:-6]}AAAAAA", meet.token(apikey="none"), meet.token(exp=1)):
        refused = await by(meet, wrong)
        assert isinstance(refused, Deny)
        assert refused.reason.rule.status == 401


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
    named, unnamed = meet.token(participant="ann"), meet.token()
    joined = [await meet.join(room, text) for text in (named, unnamed)]
    there = await meet.room(room)
    found = known(await by(meet, named)).find(there)
    assert isinstance(found, Participant)
    assert found.id == "ann"
    assert known(await by(meet, unnamed)).participant is None
    assert known(await by(meet, unnamed)).find(there) == Deny(Reason.NOT_JOINED)
    caller = known(await by(meet, None, joined[1]["link"].rsplit("/", 1)[1]))
    assert caller.participant == joined[1]["participantId"]
    found = caller.find(there)
    assert isinstance(found, Participant)
    assert caller.find(replace(there, people={})) == Deny(Reason.NOT_JOINED)
