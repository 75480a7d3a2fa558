"""Sessions of rooms, that go on or have ended, as an application's server reads and ends them."""

from __future__ import annotations

from typing import Final

from gate.api.videosdk_documents import (
    MOST_LISTED,
    Document,
    describe_attendance,
    describe_meeting,
    describe_page,
)
from gate.api.videosdk_reading import (
    Paging,
    need_id,
    read_flag,
    read_id,
    read_instant,
    read_name,
    read_paging,
    read_query,
)
from gate.api.videosdk_refusals import Refusal
from gate.api.videosdk_rooms import Call, Outcome, locate
from gate.core.reasons import Deny, Reason
from gate.core.room import Room
from gate.core.room_steps import SERVER, Step, close, remove
from gate.errors import UsageError
from gate.rooms.desk import Desk
from gate.store.rooms import Attendance, Meeting, Rooms

_REMOVAL_FAILED: Final = (4066, "REMOVE_PARTICIPANT_FAILED")
_STATUSES: Final = {None: None, "ongoing": True, "ended": False}
_ALWAYS_MS: Final = 2**53


class SessionCalls:
    """What servers do with sessions. Every call raises StoreError, and UsageError for what cannot be read."""

    def __init__(self, rooms: Rooms, desk: Desk) -> None:
        self._rooms = rooms
        self._desk = desk

    async def list(self, call: Call) -> Outcome:
        """One page of sessions, the youngest first, each with the first of its participants."""
        names = ("query", "roomId", "customRoomId")
        query = read_query(call.target, "page", "perPage", *names, "startDate", "endDate", "status")
        paging = read_paging(query)
        status = query.get("status")
        if status not in _STATUSES:
            raise UsageError("status: expected ongoing or ended")
        begin_ms, end_ms = read_instant(query, "startDate", 0), read_instant(query, "endDate", _ALWAYS_MS)
        room = await self._room(call, {query[name] for name in names if name in query})
        if isinstance(room, Deny):
            return room if room.reason is not Reason.ROOM_UNKNOWN else describe_page(paging, 0, [])
        listing = _Listing(self._rooms, call.application, room, _STATUSES[status])
        found, total = await listing.read(paging, begin_ms, end_ms)
        data: list[Document] = []
        for meeting in found:
            whole = await self._rooms.meeting(call.application, meeting.id) or meeting
            data.append(describe_meeting(whole, whole.people[:MOST_LISTED], call.base))
        return describe_page(paging, total, data)

    async def get(self, call: Call) -> Outcome:
        """The session with everybody who was in it."""
        meeting = await self._meeting(call, call.names[0])
        return meeting if isinstance(meeting, Deny) else describe_meeting(meeting, meeting.people, call.base)

    async def list_people(self, call: Call) -> Outcome:
        """One page of a session's participants, within the session's document."""
        return await self._list(call, active=False)

    async def list_active(self, call: Call) -> Outcome:
        """One page of the participants who are in now, within the session's document."""
        return await self._list(call, active=True)

    async def _list(self, call: Call, *, active: bool) -> Outcome:
        paging = read_paging(read_query(call.target, "page", "perPage"))
        meeting = await self._meeting(call, call.names[0])
        if isinstance(meeting, Deny):
            return meeting
        people = [person for person in meeting.people if not active or _is_in(person)]
        shown = people[paging.first : paging.first + paging.per_page]
        return describe_page(paging, len(people), describe_meeting(meeting, shown, call.base))

    async def get_person(self, call: Call) -> Outcome:
        """One participant of a session."""
        meeting = await self._meeting(call, call.names[0])
        if isinstance(meeting, Deny):
            return meeting
        for person in meeting.people:
            if person.participant == call.names[1]:
                return describe_attendance(person)
        return Deny(Reason.PARTICIPANT_UNKNOWN)

    async def remove_person(self, call: Call) -> Outcome:
        """The participant is out, and does not come back to this session."""
        name = need_id(call.body, "participantId")
        session = read_id(call.body, "sessionId")
        room = read_name(call.body, "roomId")
        if not room:
            if session is None:
                raise UsageError("roomId: it is needed, or sessionId")
            meeting = await self._meeting(call, session)
            if isinstance(meeting, Deny):
                return meeting
            room = meeting.room
        found = await locate(self._rooms, call.caller, room)
        if isinstance(found, Deny):
            return found

        def take(was: Room, now_ms: int) -> Step:
            if session not in (None, was.meeting):
                return Step(was, Deny(Reason.PARTICIPANT_UNKNOWN, "that session does not go on"))
            return remove(was, SERVER, name, now_ms)

        step = await self._desk.do(call.application, found, take)
        if step is None:
            return Deny(Reason.ROOM_UNKNOWN)
        if isinstance(step.answer, Deny):
            return Refusal(step.answer, code=_REMOVAL_FAILED)
        return {"message": "The participant was removed.", "roomId": found, "participantId": name}

    async def end(self, call: Call) -> Outcome:
        """The session that goes on in the room has ended; nobody comes back by a session link from before."""
        room = read_name(call.body, "roomId") or read_name(call.body, "meetingId")
        session = read_id(call.body, "sessionId")
        tolerant = read_flag(call.body, "ignoreClosed")
        read_flag(call.body, "vsdkForceKill")  # an end here is always at once
        if not room:
            raise UsageError("roomId: an id is needed")
        found = await locate(self._rooms, call.caller, room)
        if isinstance(found, Deny):
            return found
        ended = ""

        def take(was: Room, now_ms: int) -> Step:
            nonlocal ended
            ended = was.meeting
            if not ended or session not in (None, ended):
                return Step(was, Deny(Reason.MEETING_UNKNOWN, "no such session goes on in the room"))
            return close(was, SERVER, now_ms)

        step = await self._desk.do(call.application, found, take)
        if step is None:
            return Deny(Reason.ROOM_UNKNOWN)
        if isinstance(step.answer, Deny):
            if not tolerant:
                return step.answer
            ended = session or await self._latest(call.application, found)
        meeting = await self._meeting(call, ended) if ended else None
        if isinstance(meeting, Meeting) and meeting.room == found:
            return describe_meeting(meeting, meeting.people, call.base)
        return {"roomId": found, "status": "ended", "participants": []}

    async def _meeting(self, call: Call, name: str) -> Meeting | Deny:
        meeting = await self._rooms.meeting(call.application, name) if len(name) <= 64 else None
        if meeting is None:
            return Deny(Reason.MEETING_UNKNOWN)
        return call.caller.check_room(meeting.room) or meeting

    async def _latest(self, application: str, room: str) -> str:
        found, _ = await self._rooms.meetings(application, 0, 1, room=room)
        return found[0].id if found else ""

    async def _room(self, call: Call, names: set[str]) -> str | Deny | None:
        """The one room that all of these names have, None for any room."""
        scope = call.caller.room_pass.room
        rooms: set[str] = set()
        for name in names or ({scope} if scope is not None else set()):
            found = await locate(self._rooms, call.caller, name)
            if isinstance(found, Deny):
                return found
            rooms.add(found)
        if len(rooms) > 1:
            return Deny(Reason.ROOM_UNKNOWN)
        return rooms.pop() if rooms else None


def _is_in(person: Attendance) -> bool:
    return bool(person.times) and person.times[-1][1] is None


class _Listing:
    """The sessions of an application or of a room, the youngest first."""

    def __init__(self, rooms: Rooms, application: str, room: str | None, ongoing: bool | None) -> None:
        self._rooms = rooms
        self._application = application
        self._room = room
        self._ongoing = ongoing

    async def read(self, paging: Paging, begin_ms: int, end_ms: int) -> tuple[list[Meeting], int]:
        """A page of those that began from `begin_ms` to `end_ms`, both included, and how many these are."""
        if (begin_ms, end_ms) == (0, _ALWAYS_MS):
            return await self._read(paging.first, paging.per_page)
        _, total = await self._read(0, 1)
        first = await self._count_after(end_ms, total)
        total = await self._count_after(begin_ms - 1, total) - first
        left = min(paging.per_page, total - paging.first)
        if left <= 0:
            return [], max(0, total)
        found, _ = await self._read(first + paging.first, left)
        return found, total

    async def _read(self, first: int, count: int) -> tuple[list[Meeting], int]:
        return await self._rooms.meetings(
            self._application, first, count, room=self._room, ongoing=self._ongoing
        )

    async def _count_after(self, at_ms: int, total: int) -> int:
        """How many began after `at_ms`. They stand in the order of their beginnings, so few are looked at."""
        low, high = 0, total
        while low < high:
            middle = (low + high) // 2
            found, _ = await self._read(middle, 1)
            if found and found[0].began_ms > at_ms:
                low = middle + 1
            else:
                high = middle
        return low
