"""A gate's API for rooms in plain values: store and desk in memory, a door that knows what it is told."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from multidict import CIMultiDict

from gate.api.claimed import Told
from gate.api.videosdk import VideoSdkApi
from gate.api.videosdk_caller import Caller
from gate.api.videosdk_routes import Route
from gate.core.grants import Grants
from gate.core.keys import Keyring
from gate.core.policy import Application, Policy, VideoSdk
from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, Permission, Room, RoomPass, RoomRules, State, Use
from gate.core.room_steps import Audience, Event, Happened, Step
from gate.core.session import session_id
from gate.core.ticket import Ticket
from gate.core.token import Format, Token, Warrant, token_id
from gate.errors import StoreError
from gate.rooms.desk import Command, Desk, Seat
from gate.store.rooms import Attendance, Meeting, Rooms
from gate.wire.failures import Failures
from gate.wire.peers import Peer

PLAIN = Application("plain", Keyring([]))
MEET = replace(PLAIN, name="meet", formats=frozenset({Format.VIDEOSDK}), videosdk=VideoSdk({}))
OTHER = replace(MEET, name="other")
POLICY = Policy((), {each.name: each for each in (PLAIN, MEET, OTHER)})
CORS = [("Access-Control-Allow-Origin", "*"), ("Vary", "Origin")]
SERVER, MEDIA, ANY = frozenset({Use.API}), frozenset({Use.MEDIA}), frozenset(Use)
ASK, JOIN, MOD = (
    frozenset({permission}) for permission in (Permission.ASK_JOIN, Permission.ALLOW_JOIN, Permission.ALLOW_MOD)
)


class Clock:
    """Unix milliseconds, no two alike."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self) -> int:
        self._last = max(self._last + 1, time.time_ns() // 1_000_000)
        return self._last


class MemoryRooms(Rooms):
    """Rooms in memory. `broken` is what every call raises."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rooms: dict[tuple[str, str], Room] = {}
        self.held: dict[tuple[str, str], Meeting] = {}
        self.broken: StoreError | None = None
        self.asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.broken is not None:
            raise self.broken

    async def create(self, room: Room) -> Room:
        self._ask()
        for each in self.rooms.values():
            if room.custom_id and (each.application, each.custom_id) == (room.application, room.custom_id):
                return each
        at_ms = self.clock()
        return self.rooms.setdefault(
            (room.application, room.id), replace(room, made_ms=at_ms, changed_ms=at_ms)
        )

    async def read(self, application: str, room: str) -> tuple[Room | None, int]:
        self._ask()
        return self.rooms.get((application, room)), self.clock()

    async def find(self, application: str, name: str) -> str | None:
        self._ask()
        for each in self.rooms.values():
            if each.application == application and name in (each.id, each.custom_id):
                return each.id
        return None

    async def write(self, before: Room, step: Step, request: str) -> bool:
        self._ask()
        key = (before.application, before.id)
        if self.rooms[key].sequence != before.sequence:
            return False
        self.rooms[key] = step.room
        for entry in step.log:
            at = (before.application, entry.meeting)
            if entry.happened is Happened.BEGAN:
                self.held[at] = Meeting(entry.meeting, before.id, before.custom_id, entry.at_ms)
            elif entry.happened is Happened.ENDED:
                self.held[at] = replace(self.held[at], ended_ms=entry.at_ms)
            else:
                self.held[at] = replace(self.held[at], people=_noted(self.held[at].people, entry))
        return True

    async def page(self, application: str, first: int, count: int) -> tuple[list[Room], int]:
        self._ask()
        ours = [replace(room, people={}) for room in self.rooms.values() if room.application == application]
        ours.sort(key=lambda room: -room.made_ms)
        return ours[first : first + count], len(ours)

    async def meetings(
        self, application: str, first: int, count: int, *, room: str | None = None, ongoing: bool | None = None
    ) -> tuple[list[Meeting], int]:
        self._ask()
        ours = [
            replace(meeting, people=())
            for (owner, _), meeting in self.held.items()
            if owner == application
            and room in (None, meeting.room)
            and ongoing in (None, meeting.ended_ms is None)
        ]
        ours.sort(key=lambda meeting: -meeting.began_ms)
        return ours[first : first + count], len(ours)

    async def meeting(self, application: str, meeting: str) -> Meeting | None:
        self._ask()
        return self.held.get((application, meeting))


def _noted(people: tuple[Attendance, ...], entry: Any) -> tuple[Attendance, ...]:
    known = {person.participant: person for person in people}
    person = known.get(entry.participant, Attendance(entry.participant, entry.name, ()))
    if entry.happened is Happened.JOINED:
        times = (*person.times, (entry.at_ms, None))
    else:
        times = (*person.times[:-1], (person.times[-1][0], entry.at_ms))
    known[person.participant] = replace(person, times=times)
    return tuple(known.values())


class MemoryDesk(Desk):
    """A desk whose copies are the store's own rooms."""

    def __init__(self, rooms: MemoryRooms) -> None:
        self.rooms = rooms
        self.seen: list[Seat] = []
        self.listeners: list[tuple[Seat, Callable[[Event], None], Callable[[Deny], None]]] = []

    def get(self, application: str, room: str) -> Room | None:
        return self.rooms.rooms.get((application, room))

    async def find(self, application: str, room: str) -> Room | None:
        return (await self.rooms.read(application, room))[0]

    async def do(self, application: str, room: str, command: Command) -> Step | None:
        while True:
            before, now_ms = await self.rooms.read(application, room)
            if before is None:
                return None
            step = command(before, now_ms)
            if step.room.sequence == before.sequence:
                return step
            if await self.rooms.write(before, step, ""):
                self._tell(step)
                return step

    def _tell(self, step: Step) -> None:
        room = step.room
        for seat, tell, end in list(self.listeners):
            if (seat.application, seat.room) != (room.application, room.id):
                continue
            person = room.people.get(seat.participant)
            for event in step.events:
                if _hears(event, seat.participant, person):
                    tell(event)
            if any((gone.id, gone.session) == (seat.participant, seat.session) for gone in step.out):
                closed = room.disabled or room.closed_ms == room.changed_ms
                end(Deny(Reason.ROOM_CLOSED if closed else Reason.REMOVED_FROM_ROOM))

    def see(self, seat: Seat) -> None:
        self.seen.append(seat)

    def listen(
        self, seat: Seat, tell: Callable[[Event], None], end: Callable[[Deny], None]
    ) -> Callable[[], None]:
        entry = (seat, tell, end)
        self.listeners.append(entry)
        return lambda: self.listeners.remove(entry)


def _hears(event: Event, name: str, person: Participant | None) -> bool:
    if event.audience is Audience.ONE:
        return event.participant == name
    if person is None or event.participant == name:
        return False
    return person.hosts if event.audience is Audience.HOSTS else person.state is State.JOINED


class KnownDoor:
    """Knows the tokens that were made here, and opens sessions."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tokens: dict[str, tuple[Application, Token]] = {}
        self.links: dict[str, tuple[Application, Ticket]] = {}
        self.refusals: dict[str, Deny] = {}
        self.admitted: list[Mapping[str, str]] = []

    def make(
        self,
        application: Application = MEET,
        uses: frozenset[Use] = ANY,
        permissions: frozenset[Permission] = JOIN | MOD,
        room: str | None = None,
        participant: str | None = None,
    ) -> str:
        """A token's text."""
        room_pass = RoomPass("AK", permissions, room, participant, uses)
        text = f"token-{len(self.tokens)}-{secrets.token_hex(8)}"
        name = token_id(application.name, text)
        warrant = Warrant(Grants(), room=room_pass)
        self.tokens[text] = (
            application,
            Token(application.name, Format.VIDEOSDK, name, participant or name, participant, warrant),
        )
        return text

    def read(self, text: str, policy: Policy, address: str, now: float) -> tuple[Application, Token] | Deny:
        if text in self.refusals:
            return self.refusals[text]
        return self.tokens.get(text, Deny(Reason.TOKEN_SIGNATURE))

    def open(self, text: str, policy: Policy, now: float) -> tuple[Application, Ticket] | Deny:
        return self.links.get(text, Deny(Reason.TICKET_INVALID))

    async def admit(
        self, token: Token, application: Application, client: str, facts: Mapping[str, str], now: float
    ) -> Ticket | Deny:
        at_ms = self.clock()
        session = session_id(token.owner, at_ms, secrets.token_bytes(8))
        ticket = Ticket(
            session=session,
            application=application.name,
            token=token.id,
            owner=token.owner,
            subject=token.subject,
            opened_at=at_ms // 1000,
            ends_at=None,
            token_expires_at=None,
            issued_at=None,
            session_limit=None,
            max_concurrent=None,
            warrant=token.warrant,
        )
        self.links[f"t{session}"] = application, ticket
        self.admitted.append(facts)
        return ticket

    def link(self, ticket: Ticket, policy: Policy) -> str:
        return f"{policy.sessions.prefix}t{ticket.session}"


class RoomGot:
    """An answer as a client reads it."""

    def __init__(self, told: Told) -> None:
        answer = told.answer
        self.told, self.status, self.reason = told, answer.status, told.reason
        self.fields = CIMultiDict(answer.fields)
        self.document: dict[str, Any] = json.loads(answer.body.decode("ascii"))

    def __getitem__(self, name: str) -> Any:
        return self.document[name]


class RoomGate:
    """One gate's API for rooms, and the policy of two applications that have it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.policy = POLICY
        self.rooms = MemoryRooms(self.clock)
        self.desk = MemoryDesk(self.rooms)
        self.door = KnownDoor(self.clock)
        self.failures = Failures()
        self.rules = RoomRules()
        self.api = VideoSdkApi(self.rooms, self.desk, self.door, self.failures, lambda application: self.rules)
        self.server = self.door.make(uses=SERVER, permissions=frozenset())

    def find(self, method: str, target: str) -> Route | None:
        return self.api.find(method, target, self.policy)

    async def ask(
        self,
        method: str,
        target: str,
        token: str | None = None,
        body: Any = None,
        *,
        address: str = "192.0.2.1",
        host: str = "meet.example",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> RoomGot:
        """The answer; `body` is JSON or bytes. Without a token it is a link's, or nobody's."""
        route = self.find(method, target)
        assert route is not None
        fields = CIMultiDict(headers)
        if token is not None:
            fields.add("Authorization", token)
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        peer = Peer(address, "https", host, "")
        told = await self.api.answer(route, fields, peer, raw, self.policy, "r1", CORS, time.time())
        self.check_form(told)
        return RoomGot(told)

    def check_form(self, told: Told) -> None:
        """What holds of every answer."""
        answer, fields = told.answer, CIMultiDict(told.answer.fields)
        document = json.loads(answer.body.decode("ascii"))
        assert fields["Content-Type"] == "application/json"
        assert (fields["Server"], fields["X-Request-Id"], fields["Cache-Control"]) == ("gate", "r1", "no-store")
        assert set(CORS) <= set(answer.fields)
        assert fields.get("Gate-Reason", "") == told.reason
        assert (answer.status in (202, 429, 503)) == ("Retry-After" in fields)
        assert (answer.status == 401) == ("WWW-Authenticate" in fields)
        assert answer.status != 500
        for secret in self.door.tokens:
            assert secret not in f"{answer.fields} {answer.body!r}"
        if answer.status >= 400:
            assert told.reason
            assert document["error"] == document["message"] != ""
            assert (document["statusCode"], document["requestId"]) == (answer.status, "r1")
            assert document["reason"] == told.reason
            assert ("code" in document) == ("name" in document)
            assert str(document.get("code", "4000")).isdigit()

    async def make_room(self, **options: Any) -> str:
        got = await self.ask("POST", "/v2/rooms", self.server, options)
        assert got.status == 200, got.document
        return str(got["roomId"])

    async def join(self, room: str, token: str | None = None, **options: Any) -> RoomGot:
        """Joins by a token, or by a new one that allows it."""
        query = options.pop("query", "")
        token = token or self.door.make()
        return await self.ask("POST", f"/v2/rooms/{room}/join{query}", token, options.pop("body", options))

    async def caller(self, room: str, /, **claims: Any) -> Caller:
        """Somebody who has joined, or asked to."""
        text = self.door.make(**claims)
        application, token = self.door.tokens[text]
        got = await self.join(room, text)
        assert got.status in (200, 202), got.document
        _, ticket = self.door.links[got["link"].rsplit("/", 1)[1]]
        assert token.warrant.room is not None
        return Caller(application, token.warrant.room, ticket=ticket)


async def until(holds: Callable[[], bool], for_s: float = 5.0) -> None:
    """It holds."""
    for _ in range(round(for_s / 0.005)):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")
