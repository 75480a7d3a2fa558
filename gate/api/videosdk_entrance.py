"""The way into a room: asking for it by a session, waiting for an answer, and where somebody stands then."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Final

from gate.api.videosdk_caller import Caller
from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, Room, RoomRules, State, Use, check_room
from gate.core.room_steps import Asking, Event, join, participant_of
from gate.core.session import opened_ms, session_id
from gate.core.token import Token
from gate.rooms.desk import Desk, Seat

# However quiet it is, whoever waits looks this often: a change may have gone by unheard.
_LOOK_S: Final = 5.0
# What may be otherwise in the store, whose clock decides.
_UNSURE: Final = frozenset({Reason.ROOM_CLOSED, Reason.DUPLICATE_PARTICIPANT})


def check_caller(caller: Caller, room: str) -> Deny | None:
    """None where the caller's token is for media, and for this room."""
    return caller.check_use(Use.MEDIA) or caller.check_room(room)


def stand(room: Room, caller: Caller, now_ms: int) -> Participant | Deny:
    """How the caller stands in the room now, or why they are not in it."""
    session_ms = now_ms if caller.ticket is None else opened_ms(caller.ticket.session)
    refusal = check_room(room, session_ms)
    return caller.find(room) if refusal is None else refusal


def see(desk: Desk, caller: Caller, room: str, person: Participant) -> None:
    """The participant is there, since they call."""
    desk.see(Seat(caller.application.name, room, person.id, person.session))


async def enter(
    desk: Desk, caller: Caller, room: str, name: str, rules: RoomRules, client: str
) -> Participant | Deny:
    """How the caller stands after asking to come in by their session: in, or waiting. Asked again, that stays.

    `client` is the key of their client, `name` what others are shown. Raises StoreError.
    """
    if (refusal := check_caller(caller, room)) is not None:
        return refusal
    ticket = caller.ticket
    if ticket is None:
        return Deny(Reason.SESSION_REQUIRED, "joining opens one")
    who = participant_of(caller.room_pass, caller.application.name, ticket.session)
    asking = Asking(who, name, ticket.session, ticket.owner, ticket.token, client, caller.room_pass.permissions)
    step = await desk.do(caller.application.name, room, lambda was, now_ms: join(was, asking, rules, now_ms))
    if step is None:
        return Deny(Reason.ROOM_UNKNOWN)
    if not isinstance(step.answer, Participant):
        return step.answer or Deny(Reason.NOT_JOINED)
    see(desk, caller, room, step.answer)
    return step.answer


def foresee(
    room: Room, caller: Caller, token: Token, rules: RoomRules, client: str, now_ms: int
) -> Deny | None:
    """Why the caller would not come in with a new session, where that is sure: then none is opened for it."""
    at_ms = max(now_ms, room.closed_ms + 1)
    session = session_id(token.owner, at_ms, secrets.token_bytes(8))
    who = participant_of(caller.room_pass, caller.application.name, session)
    asking = Asking(who, "", session, token.owner, token.id, client, caller.room_pass.permissions)
    answer = join(room, asking, rules, at_ms).answer
    return answer if isinstance(answer, Deny) and answer.reason not in _UNSURE else None


async def wait_for_answer(
    desk: Desk, caller: Caller, room: str, person: Participant, wait_s: float
) -> Participant | Deny:
    """How the caller, who waits as `person`, stands when they were answered, or after `wait_s`.

    Until then they are there. Raises StoreError.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    happened = asyncio.Event()
    ended: list[Deny] = []

    def tell(event: Event) -> None:
        happened.set()

    def end(why: Deny) -> None:
        ended.append(why)
        happened.set()

    stop = desk.listen(Seat(caller.application.name, room, person.id, person.session), tell, end)
    try:
        while True:
            happened.clear()
            if ended:
                return ended[0]
            found = await desk.find(caller.application.name, room)
            if found is None:
                return Deny(Reason.ROOM_UNKNOWN)
            stands = caller.find(found)
            left_s = until - loop.time()
            if isinstance(stands, Deny) or stands.state is not State.WAITING or left_s <= 0:
                return stands
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _LOOK_S)):
                    await happened.wait()
    finally:
        stop()
