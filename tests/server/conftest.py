"""Rooms in memory, and a gate's own listener in front of them."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponse, ClientSession, StreamReader

from gate.api.videosdk_live import Attendee, VideoSdkLive
from gate.core.grants import Grants
from gate.core.keys import Keyring
from gate.core.policy import Application, Policy, VideoSdk
from gate.core.reasons import Deny, Reason
from gate.core.room import (
    DEFAULT_ROOM_RULES,
    Participant,
    Permission,
    Room,
    RoomPass,
    Use,
    check_room,
    find_person,
)
from gate.core.room_steps import Asking, Audience, Event, Step, join
from gate.core.session import opened_ms, session_id
from gate.core.ticket import Ticket
from gate.core.token import Bind, Format, Rights, Token, Warrant
from gate.core.windows import Windows
from gate.rooms.desk import Command, Desk, Seat
from gate.server.listener import Listener, ListenerLimits
from gate.server.live import Live
from gate.server.public import PublicHandler
from gate.wire.record import Journal

ROOM = "abcd-efgh-ijkl"
APPLICATION = Application("rooms", Keyring([]), videosdk=VideoSdk({}))


class MemoryDesk(Desk):
    """Rooms of one process."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.listeners: dict[int, tuple[Seat, Callable[[Event], None], Callable[[Deny], None]]] = {}
        self.lost = False  # the copies

    def get(self, application: str, room: str) -> Room | None:
        return None if self.lost else self.rooms.get(room)

    async def find(self, application: str, room: str) -> Room | None:
        await asyncio.sleep(0)
        return self.rooms.get(room)

    async def do(self, application: str, room: str, command: Command) -> Step | None:
        await asyncio.sleep(0)
        if room not in self.rooms:
            return None
        step = command(self.rooms[room], round(time.time() * 1000))
        self.put(step)
        return step

    def put(self, step: Step) -> None:
        """The step has happened, and everybody is told."""
        self.rooms[step.room.id] = step.room
        for event in step.events:
            self.say(step.room, event)
        for seat, _, end in list(self.listeners.values()):
            refusal = check_room(step.room, opened_ms(seat.session))
            found = find_person(step.room, seat.session, seat.participant)
            if refusal is not None or found is None or isinstance(found, Deny):
                end(refusal or found or Deny(Reason.NOT_JOINED))

    def say(self, room: Room, event: Event) -> None:
        for seat, tell, _ in list(self.listeners.values()):
            person = room.people.get(seat.participant)
            if person is not None and hears(person, event):
                tell(event)

    def listen(
        self, seat: Seat, tell: Callable[[Event], None], end: Callable[[Deny], None]
    ) -> Callable[[], None]:
        number = max(self.listeners, default=0) + 1
        self.listeners[number] = seat, tell, end
        return lambda: self.listeners.pop(number, None) and None


def hears(person: Participant, event: Event) -> bool:
    if event.audience is Audience.ONE:
        return person.id == event.participant
    admits = person.hosts if event.audience is Audience.HOSTS else person.state.value == "joined"
    return admits and person.id != event.participant


@dataclass
class MemoryDoor:
    """Tokens and links by their texts."""

    tokens: dict[str, Token] = field(default_factory=dict)
    links: dict[str, Ticket] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)

    def read(self, text: str, policy: Policy, address: str, now: float) -> tuple[Application, Token] | Deny:
        token = self.tokens.get(text)
        if token is None:
            return Deny(Reason.TOKEN_SIGNATURE)
        return policy.applications["rooms"], token

    def open(self, text: str, policy: Policy, now: float) -> tuple[Application, Ticket] | Deny:
        ticket = self.links.get(text)
        if ticket is None:
            return Deny(Reason.TICKET_INVALID)
        if ticket.session in self.revoked:
            return Deny(Reason.REVOKED)
        if ticket.ends_at is not None and ticket.ends_at <= now:
            return Deny(Reason.SESSION_EXPIRED)
        return policy.applications["rooms"], ticket

    async def admit(
        self, token: Token, application: Application, client: str, facts: Mapping[str, str], now: float
    ) -> Ticket | Deny:
        raise NotImplementedError

    def link(self, ticket: Ticket, policy: Policy) -> str:
        raise NotImplementedError

    def still(self, attendee: Attendee) -> Deny | None:
        return Deny(Reason.REVOKED) if attendee.seat.session in self.revoked else None


@dataclass
class Hall:
    """A room, whoever is in it, and a gate's listener that they come to."""

    desk: MemoryDesk
    door: MemoryDoor
    live: Live
    listener: Listener
    node: Any

    @property
    def url(self) -> str:
        return f"http://{self.listener.address}"

    @property
    def room(self) -> Room:
        return self.desk.rooms[ROOM]

    def token(self, name: str | None, *permissions: Permission, **more: Any) -> str:
        """A token that names a participant."""
        text = f"eyJ{secrets.token_urlsafe(30)}.{secrets.token_urlsafe(60)}.{secrets.token_urlsafe(32)}"
        room_pass = RoomPass(
            "key",
            frozenset(permissions or [Permission.ALLOW_JOIN]),
            participant=name,
            **{"room": None, "uses": frozenset(Use), **more},
        )
        warrant = Warrant(Grants({}), Rights(), Windows(()), None, room_pass)
        self.door.tokens[text] = Token("rooms", Format.VIDEOSDK, "t", "owner", None, warrant)
        return text

    async def join(self, name: str, *permissions: Permission, ends_at: float | None = None) -> str:
        """The participant comes in, or asks; gives what the session link begins with."""
        granted = frozenset(permissions or [Permission.ALLOW_JOIN])
        session = session_id("owner", round(time.time() * 1000), secrets.token_bytes(8))
        asking = Asking(name, f"{name}'s name", session, "owner", "t", "client", granted)
        await self.do(lambda room, now_ms: join(room, asking, DEFAULT_ROOM_RULES, now_ms))
        text = secrets.token_urlsafe(90)
        no_bind: Bind | None = None
        warrant = Warrant(Grants({}), Rights(), Windows(()), no_bind, RoomPass("key", granted, ROOM, name))
        self.door.links[text] = Ticket(
            session, "rooms", "t", "owner", None, int(time.time()), ends_at, None, None, None, None, warrant
        )
        return f"/_s/{text}"

    async def do(self, command: Command) -> Step:
        step = await self.desk.do("rooms", ROOM, command)
        assert step is not None
        return step


StartHall = Callable[..., Awaitable[Hall]]


@pytest_asyncio.fixture
async def start_hall(start_gate: Any) -> AsyncIterator[StartHall]:
    """Opens a room behind a gate's listener; arguments are the listener's limits."""
    async with AsyncExitStack() as stack:

        async def start(**limits: Any) -> Hall:
            gate = await start_gate("http://127.0.0.1:9")
            keeper = gate.node.gatekeeper
            applications = {**keeper.policy.applications, "rooms": APPLICATION}
            keeper.adopt(replace(keeper.policy, applications=applications))
            desk, door = MemoryDesk(), MemoryDoor()
            desk.rooms[ROOM] = Room("rooms", ROOM, "custom", 1, 1)
            journal = Journal(gate.node.metrics, lambda: True)
            live = Live(VideoSdkLive(door, desk), desk, journal, lambda: keeper.policy, door.still)
            handler = PublicHandler(keeper, (), journal, live)
            listener = Listener(
                handler.handle, ListenerLimits(**limits), name="public", upgrades=handler.upgrades
            )
            await listener.start(("127.0.0.1", 0))
            stack.push_async_callback(live.stop)
            stack.push_async_callback(listener.stop)
            return Hall(desk, door, live, listener, gate.node)

        yield start


@pytest_asyncio.fixture
async def hall(start_hall: StartHall) -> Hall:
    return await start_hall()


class Events:
    """An event stream, read event by event."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self._content: StreamReader = response.content

    async def next(self) -> tuple[str, Any] | None:
        """Name and data of the next event; None at the stream's end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            while line := (await self._content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if line == "\n" and "event" in fields:
                    return fields["event"], json.loads(fields["data"])
                fields[name] = value
        return None


Hear = Callable[..., Awaitable[Events]]


@pytest_asyncio.fixture
async def hear(http: ClientSession) -> AsyncIterator[Hear]:
    """Opens the event stream below a link, or with a token: `hear(hall, link)`, `hear(hall, token=...)`."""
    async with AsyncExitStack() as stack:

        async def hear(hall: Hall, link: str = "", *, token: str | None = None, **options: Any) -> Events:
            if token is not None:
                options["headers"] = {"Authorization": token}
            url = f"{hall.url}{link}/v2/rooms/{ROOM}/events"
            return Events(await stack.enter_async_context(http.get(url, **options)))

        yield hear


@pytest.fixture
def access_log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Any]]:
    """Gives the entries of the access log so far."""
    caplog.set_level(logging.INFO, "gate.access")
    return lambda: [record.msg for record in caplog.records if record.name == "gate.access"]
