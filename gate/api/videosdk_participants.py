"""What participants ask of a room over REST: to come in, to leave, who is there, and the commands.

Whoever joins by a token opens a session with it, as a page that is opened anew does; a signed participant's new
session takes the place of the earlier one. Whoever joins under the link of a session joins by that, and never
twice: asked again, the call says how they stand. So an answer that was lost costs nothing, and who waits asks
again under the link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gate.api.videosdk_caller import Caller
from gate.api.videosdk_commands import failure_of, perform
from gate.api.videosdk_documents import Document, describe_people, describe_standing
from gate.api.videosdk_entrance import check_caller, enter, foresee, see, stand, wait_for_answer
from gate.api.videosdk_reading import read_id, read_name, read_wait
from gate.api.videosdk_refusals import Refusal
from gate.core.credentials import Headers
from gate.core.policy import Policy
from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, Room, RoomRules, State, refuse_entry
from gate.core.room_steps import Step, leave
from gate.core.session import client_key
from gate.core.target import Target
from gate.rooms.desk import Desk
from gate.rooms.door import Door

# Refusals that pass: the session is worth another try, and a token may open but one.
_PASSING: Final = frozenset({Reason.ROOM_FULL, Reason.ENTRY_DENIED, Reason.ENTRY_TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Visitor:
    """A participant's request. `names` are those of the path: the room, and for a command its name."""

    caller: Caller
    target: Target
    headers: Headers
    address: str
    names: tuple[str, ...]
    body: Mapping[str, Any]
    rules: RoomRules
    policy: Policy
    now: float

    @property
    def room(self) -> str:
        return self.names[0]

    @property
    def application(self) -> str:
        return self.caller.application.name

    @property
    def client(self) -> str:
        """The key of their client: of the device, as for the room's media."""
        return client_key(self.target, self.headers, self.address, whole=True)

    @property
    def now_ms(self) -> int:
        return round(self.now * 1000)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not refused, and not in: what is told to those who wait."""

    document: Document


Outcome = Document | Waiting | Deny | Refusal


class ParticipantCalls:
    """What participants do. Every call raises StoreError, and UsageError for what cannot be read."""

    def __init__(self, desk: Desk, door: Door) -> None:
        self._desk = desk
        self._door = door

    async def join(self, visitor: Visitor) -> Outcome:
        """The caller is in, or waits: then until they are answered, for as long as they want to."""
        name, wait_s = read_name(visitor.body, "name"), read_wait(visitor.target, visitor.headers)
        if (refusal := self._check(visitor)) is not None:
            return refusal
        named = read_id(visitor.body, "participantId")
        if named not in (None, visitor.caller.participant):
            return Deny(Reason.PARTICIPANT_NOT_GRANTED)
        caller = await self._open(visitor)
        if isinstance(caller, Deny):
            return caller
        person = await enter(self._desk, caller, visitor.room, name, visitor.rules, visitor.client)
        if isinstance(person, Participant) and person.state is State.WAITING and wait_s:
            person = await wait_for_answer(self._desk, caller, visitor.room, person, wait_s)
        return await self._answer(visitor, caller, person)

    async def leave(self, visitor: Visitor) -> Outcome:
        """The caller is in no more, and waits no more."""
        if (refusal := self._check(visitor)) is not None:
            return refusal

        def take(room: Room, now_ms: int) -> Step:
            person = visitor.caller.find(room)
            if isinstance(person, Deny):
                return Step(room, person)
            return leave(room, person.id, person.session, now_ms)

        step = await self._desk.do(visitor.application, visitor.room, take)
        if step is None:
            return Deny(Reason.ROOM_UNKNOWN)
        if not isinstance(step.answer, Participant):
            return step.answer or Deny(Reason.NOT_JOINED)
        return {"status": "left", "participantId": step.answer.id, "roomId": visitor.room}

    async def show(self, visitor: Visitor) -> Outcome:
        """Who is in, for those who are."""
        if (refusal := self._check(visitor)) is not None:
            return refusal
        room = await self._desk.find(visitor.application, visitor.room)
        if room is None:
            return Deny(Reason.ROOM_UNKNOWN)
        person = stand(room, visitor.caller, visitor.now_ms)
        if isinstance(person, Deny):
            return person
        see(self._desk, visitor.caller, visitor.room, person)
        return describe_people(room, person) if person.state is State.JOINED else refuse_entry(person)

    async def command(self, visitor: Visitor) -> Outcome:
        """The command has happened."""
        name = visitor.names[1]
        answer = await perform(
            self._desk, visitor.caller, visitor.room, name, visitor.body, visitor.rules, visitor.client
        )
        if isinstance(answer, Deny):
            return Refusal(answer, code=failure_of(name, answer.reason))
        return dict(answer)

    def _check(self, visitor: Visitor) -> Deny | None:
        return check_caller(visitor.caller, visitor.room)

    async def _open(self, visitor: Visitor) -> Caller | Deny:
        """The caller with a session: that of their link, else a new one, unless it is surely of no use."""
        caller = visitor.caller
        if caller.token is None or caller.ticket is not None:
            return caller
        room = await self._desk.find(visitor.application, visitor.room)
        if room is None:
            return Deny(Reason.ROOM_UNKNOWN)
        client = visitor.client
        why = foresee(room, caller, caller.token, visitor.rules, client, visitor.now_ms)
        if why is not None:
            return why
        agents = visitor.headers.getall("user-agent", ())
        facts = {
            "application": visitor.application,
            "resource": visitor.room,
            "client": client,
            "address": visitor.address[:64],
            "agent": _written(agents[0] if agents else ""),
        }
        if (name := caller.room_pass.participant) is not None:
            facts["subject"] = name
        ticket = await self._door.admit(caller.token, caller.application, client, facts, visitor.now)
        return ticket if isinstance(ticket, Deny) else replace(caller, ticket=ticket)

    async def _answer(self, visitor: Visitor, caller: Caller, person: Participant | Deny) -> Outcome:
        if caller.ticket is None:
            return person if isinstance(person, Deny) else refuse_entry(person)
        link = self._door.link(caller.ticket, visitor.policy)
        if isinstance(person, Participant) and person.state not in {State.JOINED, State.WAITING}:
            person = refuse_entry(person)
        if isinstance(person, Deny):
            facts = (*person.facts, ("link", link)) if person.reason in _PASSING else person.facts
            return replace(person, facts=facts)
        room = await self._desk.find(visitor.application, visitor.room)
        if room is None:
            return Deny(Reason.ROOM_UNKNOWN)
        below = f"{link}/v2/rooms/{room.id}"
        document: Document = {
            **describe_standing(person),
            "roomId": room.id,
            "link": link,
            "events": f"{below}/events",
            "socket": f"{below}/socket",
        }
        if person.state is State.WAITING:
            document["retryAfter"] = Reason.WAITING_FOR_ADMISSION.rule.retry_after_s
            return Waiting(document)
        return {**document, "sessionId": room.meeting, **describe_people(room, person)}


def _written(text: str) -> str:
    """The beginning of a header such that it can be written, whatever bytes it holds."""
    return text[:128].encode("utf-8", "replace").decode("utf-8")
