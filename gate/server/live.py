"""All who listen to rooms on this worker: let in, told, kept awake, and ended with what lets them listen.

One timer looks after all of them, once a second and only while there are any: each is sent something every 15
seconds, a part of them each second, so that ten thousand do not all get it in the same moment.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp import web

from gate.api.videosdk_commands import perform
from gate.api.videosdk_live import Attendee, Route, VideoSdkLive, Welcome, write
from gate.core.policy import Policy
from gate.core.reasons import Deny, Reason
from gate.core.room import DEFAULT_ROOM_RULES, RoomRules
from gate.core.room_steps import Event
from gate.errors import StoreError
from gate.formats.videosdk_errors import with_code
from gate.proxy.relay import respond
from gate.rooms.desk import Desk
from gate.server.connection import Connection
from gate.server.live_streams import EventStream, SocketStream, Stream, event_bytes, frame_bytes
from gate.server.notices import origins_of
from gate.server.taken import HandedOver
from gate.wire.answers import Answer, Fields, cors_fields, event_stream, problem, switching
from gate.wire.record import Journal, Record
from gate.wire.websocket import offers, shake_hands

TURN_S: Final = 1.0
TURNS: Final = 15
# Of one participant: their pages, and what is left of those that they have reloaded.
MOST_STREAMS: Final = 16
# How long a client may take to read its last word.
FAREWELL_S: Final = 2.0
_SUBPROTOCOL: Final = "protoo"
_NO_HANDSHAKE: Final = Deny(Reason.MALFORMED_REQUEST, "this is for WebSocket, version 13 (RFC 6455)")
_log: Final = logging.getLogger("gate.live")


class Live:
    """Everybody who listens here. `policy` gives the one in force.

    `still` tells of a listener whether they may go on listening, quickly: `recheck` asks it for all of them.
    """

    def __init__(
        self,
        api: VideoSdkLive,
        desk: Desk,
        journal: Journal,
        policy: Callable[[], Policy],
        still: Callable[[Attendee], Deny | None],
    ) -> None:
        self._api = api
        self._desk = desk
        self._journal = journal
        self._policy = policy
        self._still = still
        self._turns: list[set[Stream]] = [set() for _ in range(TURNS)]
        self._turn = 0
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._leaving: dict[Stream, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._written: dict[int, tuple[Event, bytes, bytes]] = {}
        self._works: set[asyncio.Task[None]] = set()
        self._renewing: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many listen now."""
        return sum(map(len, self._turns))

    def find(self, method: str, raw_target: str, policy: Policy) -> Route | None:
        """What the request is for; None where it is not for this."""
        return self._api.find(method, raw_target, policy)

    async def answer(self, request: web.BaseRequest, route: Route, policy: Policy) -> web.StreamResponse:
        """A refusal. Whoever is let in has taken the connection: raises HandedOver."""
        with self._journal.begin(request, policy) as record:
            cors = cors_fields(policy.cors, request.headers.get("Origin"))
            try:
                deny = await self._let_in(request, route, policy, record, cors)
            except StoreError as error:
                _log.warning("%s: %s", record.request_id, error)
                deny = Deny(Reason.STORE_UNAVAILABLE)
            record.refuse(deny)
            return record.answer(respond(problem(with_code(deny), record.request_id, cors)))

    def recheck(self) -> None:
        """Something was revoked: who may not listen any more has been told so."""
        for stream in self._streams():
            if (deny := self._still(stream.attendee)) is not None:
                self._end(stream, deny)

    async def stop(self) -> None:
        """Commands that were being done are done. The listener ends the connections."""
        if self._works:
            await asyncio.wait(self._works)

    async def _let_in(
        self, request: web.BaseRequest, route: Route, policy: Policy, record: Record, cors: Fields
    ) -> Deny:
        """Why not. Raises HandedOver where nothing speaks against it."""
        found = await self._find_attendee(request, route, policy, record)
        if isinstance(found, Deny):
            return found
        attendee, welcome = found
        connection = request.protocol
        assert isinstance(connection, Connection)
        if connection.draining:
            return Deny(Reason.DRAINING)
        if self._counts[_who(attendee)] >= MOST_STREAMS:
            return Deny(Reason.OVERLOADED, f"the participant has {MOST_STREAMS} event streams open here")
        # Nothing is awaited from here on: what happens in the room after the welcome is told.
        if route.socket:
            accept = shake_hands(request.headers)
            if accept is None:
                return _NO_HANDSHAKE
            subprotocol = _SUBPROTOCOL if offers(request.headers, _SUBPROTOCOL) else None
            head = switching(accept, subprotocol, record.request_id)
            self._take(connection, SocketStream(self, attendee), head, welcome, record)
        else:
            head = event_stream(record.request_id, cors)
            self._take(connection, EventStream(self, attendee), head, welcome, record)
        raise HandedOver

    async def _find_attendee(
        self, request: web.BaseRequest, route: Route, policy: Policy, record: Record
    ) -> tuple[Attendee, Welcome] | Deny:
        if route.method == "GET" and request.body_exists:
            return Deny(Reason.BODY_NOT_ALLOWED)
        # The copy of the room may be gone again when this goes on, where the store's feed has just broken off.
        for _ in range(3):
            attendee = await self._api.attend(route, request.headers, record.peer, policy, time.time())
            if isinstance(attendee, Deny):
                return attendee
            record.application, record.session = attendee.seat.application, attendee.seat.session
            if (refusal := self._still(attendee)) is not None:
                return refusal
            welcome = self._api.welcome(attendee)
            if welcome is not None:
                return welcome if isinstance(welcome, Deny) else (attendee, welcome)
        return Deny(Reason.STORE_UNAVAILABLE)

    def _take(
        self, connection: Connection, stream: Stream, head: Answer, welcome: Welcome, record: Record
    ) -> None:
        """The connection is the stream's, which has begun."""
        rest = connection.hand_over(stream)
        record.decide("permit")
        try:
            stream.begin(_head_bytes(head), welcome, record.outlive(head.status))
            self._add(stream)
            # It may end at once, and then has left before there was anything to stop.
            stop = self._desk.listen(stream.attendee.seat, stream.tell, stream.end)
            if stream.ending:
                stop()
            else:
                stream.stop = stop
            if rest:
                stream.data_received(rest)
        except BaseException:
            stream.cut()  # nobody else has it
            raise

    def written(self, event: Event) -> tuple[bytes, bytes]:
        """The event in both forms, made once for all who are told of it in the same moment."""
        found = self._written.get(id(event))
        if found is None:
            if not self._written:
                asyncio.get_running_loop().call_soon(self._written.clear)
            text = write(dict(event.data))
            # The event is kept beside, so that no other one gets its id meanwhile.
            found = event, event_bytes(event.name, text), frame_bytes(event.name, text)
            self._written[id(event)] = found
        return found[1], found[2]

    def welcome(self, attendee: Attendee) -> Welcome | Deny | None:
        return self._api.welcome(attendee)

    def now(self) -> float:
        return time.monotonic()

    def leave(self, stream: Stream, *, lost: bool = False) -> None:
        if stream.turn >= 0:
            self._turns[stream.turn].discard(stream)
            stream.turn = -1
            self._counts[who := _who(stream.attendee)] -= 1
            if not self._counts[who]:
                del self._counts[who]
            stream.stop()
        if lost:
            self._leaving.pop(stream, None)
        else:
            self._leaving.setdefault(stream, time.monotonic() + FAREWELL_S)
            self._wake()

    def work(self, stream: SocketStream) -> None:
        task = asyncio.get_running_loop().create_task(self._work(stream))
        self._works.add(task)
        task.add_done_callback(lambda done: self._worked(done, stream))

    async def _work(self, stream: SocketStream) -> None:
        caller, seat = stream.attendee.caller, stream.attendee.seat
        while (asked := stream.next_request()) is not None:
            number, method, data = asked
            try:
                outcome = await perform(
                    self._desk, caller, seat.room, method, data, self._rules(seat.application)
                )
            except StoreError as error:
                _log.warning("a command in a room: %s", error)
                outcome = Deny(Reason.STORE_UNAVAILABLE)
            stream.respond(number, method, outcome)

    def _worked(self, task: asyncio.Task[None], stream: SocketStream) -> None:
        self._works.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a command failed: %s", origins_of(error))
            self._end(stream, Deny(Reason.INTERNAL))

    def _rules(self, application: str) -> RoomRules:
        known = self._policy().applications.get(application)
        return DEFAULT_ROOM_RULES if known is None or known.videosdk is None else known.videosdk.rooms

    def _add(self, stream: Stream) -> None:
        # The turn that has just been looked after is the last to come again.
        stream.turn = self._turn
        self._turns[self._turn].add(stream)
        self._counts[_who(stream.attendee)] += 1
        self._wake()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TURN_S, self._look)

    def _look(self) -> None:
        """Once a turn: who is next is sent something, and what is over ends."""
        self._turn = (self._turn + 1) % TURNS
        for stream in tuple(self._turns[self._turn]):
            stream.beat()
        now = time.time()
        over = [stream for stream in self._streams() if (stream.attendee.ends_at or math.inf) <= now]
        if over and self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew(over))
            self._works.add(self._renewing)
            self._renewing.add_done_callback(self._renewed)
        late = time.monotonic()
        for stream, until in tuple(self._leaving.items()):
            if until <= late:
                stream.cut()
        self._timer = None
        if self._leaving or any(self._turns):
            self._wake()

    async def _renew(self, streams: list[Stream]) -> None:
        """Those whose session was renewed go on, and the others are at their end."""
        for stream in streams:
            try:
                renewed = await self._api.renew(stream.attendee, self._policy(), time.time())
            except StoreError as error:
                _log.warning("whether a session was renewed cannot be told: %s", error)
                renewed = Deny(Reason.STORE_UNAVAILABLE)
            if not isinstance(renewed, Deny):
                stream.attendee = renewed
            elif not stream.ending:
                self._end(stream, renewed)

    def _renewed(self, task: asyncio.Task[None]) -> None:
        self._works.discard(task)
        self._renewing = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("sessions cannot be looked after: %s", origins_of(error))

    def _streams(self) -> list[Stream]:
        return [stream for turn in self._turns for stream in turn]

    def _end(self, stream: Stream, deny: Deny) -> None:
        self._journal.metrics.sessions_ended.inc()
        stream.end(deny)


def _who(attendee: Attendee) -> tuple[str, str, str]:
    """The participant, by whichever of their sessions."""
    seat = attendee.seat
    return seat.application, seat.room, seat.participant


def _head_bytes(answer: Answer) -> bytes:
    status = HTTPStatus(answer.status)
    fields = [f"{name}: {value}" for name, value in (("Date", formatdate(usegmt=True)), *answer.fields)]
    return "\r\n".join([f"HTTP/1.1 {status.value} {status.phrase}", *fields, "", ""]).encode()
