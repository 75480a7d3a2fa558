"""One listener of a room: a connection that was taken over from HTTP, and holds little more than its seat.

What is told is written straight to the transport: there is no task and no queue of a listener's own. One that
does not take what it is told is cut off once MOST_UNSENT bytes wait for it, beside what the kernel holds: it
comes again, and gets the room as it is then.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from gate.api.videosdk_live import Attendee, Welcome, close_code, explain, fail, write
from gate.core.reasons import Deny, Reason
from gate.core.room_steps import Event
from gate.formats.strict_json import read_object
from gate.server.taken import Taken
from gate.wire.record import Lasting
from gate.wire.websocket import Code, Message, Opcode, Reader, Violation, write_close, write_frame

MOST_UNSENT: Final = 256 * 1024
LONGEST_MESSAGE: Final = 64 * 1024
# Of one socket: messages in a second, control frames too, and requests that are not yet answered.
MOST_MESSAGES: Final = 20
MOST_WAITING: Final = 32
# A client whose network is gone without a word is held for there no longer than this after it took the last
# byte (tcp(7)): a participant is in the room while somebody listens. The kernel's own patience is 15 minutes.
LOST_AFTER_MS: Final = 30_000
_RETRY: Final = "retry: 2000\n"
_COMMENT: Final = b":\n\n"
_TOO_MANY: Final = {"errorCode": 429, "errorReason": "Too many requests.", "reason": "too_many_requests"}


class Host(Protocol):
    """What a stream needs of those who keep all of them."""

    def written(self, event: Event) -> tuple[bytes, bytes]:
        """The event as it goes over an event stream, and over a WebSocket."""
        ...

    def welcome(self, attendee: Attendee) -> Welcome | Deny | None: ...

    def leave(self, stream: Stream, *, lost: bool = False) -> None:
        """The stream hears no more; its connection is lost, or has a moment to close. May come twice."""
        ...

    def work(self, stream: SocketStream) -> None:
        """The requests of the stream are answered, one after the other: `SocketStream.next_request`."""
        ...

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        ...


class Stream(Taken, ABC):
    """A listener. `ending` is set when its last word is said; `why` is for the log."""

    __slots__ = ("_host", "_joined", "_lasting", "_spare", "attendee", "ending", "stop", "turn", "why")

    def __init__(self, host: Host, attendee: Attendee) -> None:
        self._host = host
        self.attendee = attendee
        self._lasting: Lasting | None = None
        self._joined = False
        self._spare = 0
        self.ending = False
        self.stop: Callable[[], None] = _do_nothing  # being told
        self.turn = -1  # in which second of a round it is looked after
        self.why = "the client left"

    def begin(self, head: bytes, welcome: Welcome, lasting: Lasting) -> None:
        """The client has the head of the answer, and the room as it is."""
        self._lasting, self._joined = lasting, welcome.joined
        _hold_short(self.wire.get_extra_info("socket"))
        self.wire.write(head)
        first = self.told("roomState", welcome.text)
        self._spare = len(first)
        self.send(first)

    @abstractmethod
    def told(self, name: str, text: str) -> bytes:
        """What tells of `name`; `text` is JSON."""

    def tell(self, event: Event) -> None:
        """The client is told. Who was waiting and is in now is shown the room, too."""
        self.send(self.pick(*self._host.written(event)))
        if not self._joined and not self.ending:
            welcome = self._host.welcome(self.attendee)
            if isinstance(welcome, Welcome) and welcome.joined:
                self._joined = True
                first = self.told("roomState", welcome.text)
                self._spare += len(first)
                self.send(first)

    @abstractmethod
    def pick(self, event: bytes, frame: bytes) -> bytes:
        """Of the two forms of an event the one that is sent here."""

    def end(self, deny: Deny) -> None:
        """The client is told why, and the connection closes."""
        if not self.ending:
            self.why = f"ended: {deny.reason.value}"
            self.send(self.told("error", write(explain(deny))))
            self.bid_farewell(close_code(deny), deny.reason.value)

    def dismiss(self) -> None:
        if not self.ending:
            self.why = "ended: the gate shuts down"
            self.bid_farewell(Code.GOING_AWAY, Reason.DRAINING.value)

    def bid_farewell(self, code: int, reason: str) -> None:
        """Nothing more is sent, and the connection closes."""
        self.ending = True
        self._host.leave(self)

    @abstractmethod
    def beat(self) -> None:
        """Something is sent, so that whatever is in between does not take the connection for idle."""

    def send(self, data: bytes) -> None:
        if self.ending or self.wire.is_closing():
            return
        self.wire.write(data)
        if self._lasting is not None:
            self._lasting.send(len(data))
        # The room as it was shown may be large, and is no sign of a slow client.
        if self.wire.get_write_buffer_size() > MOST_UNSENT + self._spare:
            self.abandon("cut: the client did not take what it was told")

    def abandon(self, why: str) -> None:
        """The connection is over, and nothing more is said."""
        self.why, self.ending = why, True
        self._host.leave(self)
        self.cut()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.ending = True
        self._host.leave(self, lost=True)
        if self._lasting is not None:
            self._lasting.end(self.why)
            self._lasting = None


class EventStream(Stream):
    """Server-Sent Events (HTML, section 9.2). What a client sends after its request is not read."""

    __slots__ = ()

    def told(self, name: str, text: str) -> bytes:
        return event_bytes(name, text, _RETRY if name == "roomState" else "")

    def pick(self, event: bytes, frame: bytes) -> bytes:
        return event

    def bid_farewell(self, code: int, reason: str) -> None:
        super().bid_farewell(code, reason)
        self.wire.close()

    def beat(self) -> None:
        self.send(_COMMENT)


class SocketStream(Stream):
    """WebSocket, with the frames of the vendor's signalling: requests, responses, notifications."""

    __slots__ = ("_asked", "_count", "_heard", "_reader", "_since", "_skips", "works")

    def __init__(self, host: Host, attendee: Attendee) -> None:
        super().__init__(host, attendee)
        self._reader = Reader(LONGEST_MESSAGE)
        self._asked: deque[tuple[int, str, Mapping[str, object]]] | None = None
        self._since, self._count = 0.0, 0
        self._heard, self._skips = True, False
        self.works = False

    def told(self, name: str, text: str) -> bytes:
        return frame_bytes(name, text)

    def pick(self, event: bytes, frame: bytes) -> bytes:
        return frame

    def bid_farewell(self, code: int, reason: str) -> None:
        self.send(write_close(code, reason))
        super().bid_farewell(code, reason)

    def beat(self) -> None:
        """Every other time a ping: who said nothing since the last one is not there any more."""
        self._skips = not self._skips
        if self._skips:
            return
        if not self._heard:
            self.abandon("cut: the client answers no ping")
            return
        self._heard = False
        self.send(write_frame(Opcode.PING))

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._lasting is not None:
            self._lasting.receive(len(data))
        self._reader.feed(data)
        while not self.wire.is_closing() and (message := self._reader.next()) is not None:
            if isinstance(message, Violation):
                self._refuse(message.code, message.why)
            elif message.opcode is Opcode.CLOSE:
                # Both sides have closed now (RFC 6455, section 7.1.1).
                if not self.ending:
                    self.bid_farewell(Code.NORMAL, "")
                self.wire.close()
            elif not self.ending:
                self._take(message)

    def _take(self, message: Message) -> None:
        now = self._host.now()
        if now - self._since >= 1:
            self._since, self._count = now, 0
        self._count += 1
        many = self._count > MOST_MESSAGES or len(self._asked or ()) >= MOST_WAITING
        if message.opcode is not Opcode.TEXT:
            if many:
                self._refuse(Code.POLICY_VIOLATION, "too many messages")
            elif message.opcode is Opcode.PING:
                self.send(write_frame(Opcode.PONG, message.payload))
            return
        said = read_object(message.payload)
        if said is None:
            self._refuse(Code.INVALID_DATA, "a message is one JSON object")
            return
        if said.get("request") is not True:
            # Of a notification or a response of the client's nothing is expected.
            if many:
                self._refuse(Code.POLICY_VIOLATION, "too many messages")
            return
        number, method, data = said.get("id"), said.get("method"), said.get("data", {})
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(method, str):
            self._refuse(Code.INVALID_DATA, "a request has a number as id, and a method")
        elif many:
            self._respond(number, ok=False, told=_TOO_MANY)
            self._refuse(Code.POLICY_VIOLATION, "too many requests")
        elif not isinstance(data, dict):
            told = fail(method, Deny(Reason.MALFORMED_REQUEST, "the data of a request is an object"))
            self._respond(number, ok=False, told=told)
        else:
            self._asked = self._asked or deque()
            self._asked.append((number, method, data))
            if not self.works:
                self.works = True
                self._host.work(self)

    def next_request(self) -> tuple[int, str, Mapping[str, object]] | None:
        """What is to be answered next; None where there is nothing, or nobody to be answered."""
        if self.ending or not self._asked:
            self._asked, self.works = None, False
            return None
        return self._asked.popleft()

    def respond(self, number: int, method: str, outcome: Deny | Mapping[str, object]) -> None:
        """The request is answered."""
        if isinstance(outcome, Deny):
            self._respond(number, ok=False, told=fail(method, outcome))
        else:
            self._respond(number, ok=True, told={"data": outcome})

    def _respond(self, number: int, *, ok: bool, told: Mapping[str, object]) -> None:
        text = write({"response": True, "id": number, "ok": ok, **told})
        self.send(write_frame(Opcode.TEXT, text.encode()))

    def _refuse(self, code: Code, why: str) -> None:
        if not self.ending:
            self.why = f"ended: {why}"
            self.bid_farewell(code, why)


def event_bytes(name: str, text: str, more: str = "") -> bytes:
    """An event; `text` is JSON in one line, `more` other fields of it."""
    return f"{more}event: {name}\ndata: {text}\n\n".encode()


def frame_bytes(name: str, text: str) -> bytes:
    """A notification as protoo has it; `text` is JSON."""
    told = f'{{"notification":true,"method":{write(name)},"data":{text}}}'
    return write_frame(Opcode.TEXT, told.encode())


def _do_nothing() -> None:
    pass


def _hold_short(connection: Any) -> None:
    """Unacknowledged bytes end the connection after LOST_AFTER_MS, where the system can do so."""
    if connection is not None and connection.family != getattr(socket, "AF_UNIX", None):
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, LOST_AFTER_MS)
