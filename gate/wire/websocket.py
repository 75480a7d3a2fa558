"""WebSocket (RFC 6455), the server's side of it: bytes in, messages out, and no extension.

Stricter than the RFC asks for: only text messages, and none longer than its reader takes. What breaks a rule
ends the connection with the code that the RFC has for it (section 7.4.1); nothing after it is read.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from gate.core.credentials import Headers

# Section 1.3: what a server joins to the client's key, to show that it speaks this protocol.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST_CONTROL: Final = 125
_CLOSE_REASON: Final = _LONGEST_CONTROL - 2
# Of a message: whoever limits how many messages come has limited how many frames, too, and how often a fragment
# is copied.
MOST_FRAGMENTS: Final = 64


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_OPCODES: Final = frozenset(Opcode)


class Code(IntEnum):
    """Why a connection is closed. Codes from 4000 to 4999 are the application's own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message of the client's, or a control frame. A text message is UTF-8."""

    opcode: Opcode
    payload: bytes


@dataclass(frozen=True, slots=True)
class Violation:
    """The client broke a rule: the connection ends with this code."""

    code: Code
    why: str


class Reader:
    """Makes messages of at most `longest` bytes of what a client sends. An idle one holds no buffer."""

    __slots__ = ("_at", "_begun", "_broken", "_buffer", "_fragments", "_longest")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._buffer = b""
        self._at = 0  # so much of the buffer is read: what holds many frames is not copied for each
        self._begun: bytes | None = None  # of a message in fragments
        self._fragments = 0
        self._broken = False

    def feed(self, data: bytes) -> None:
        """`data` has come; `next` tells what there is in it."""
        if not self._broken:
            self._buffer += data

    def next(self) -> Message | Violation | None:
        """The next message; None while some of it is still to come. A Violation is the last that there is."""
        while True:
            frame = self._next_frame()
            if frame is None:
                self._buffer, self._at = self._buffer[self._at :], 0
                return None
            taken = frame if isinstance(frame, Violation) else self._take(*frame)
            if isinstance(taken, Violation):
                self._broken, self._buffer, self._at, self._begun = True, b"", 0, None
            if taken is not None:
                return taken

    def _next_frame(self) -> tuple[bool, Opcode, bytes] | Violation | None:
        """The next frame (section 5.2), unmasked: whether it is the last of its message, what it is, and what
        is in it."""
        data, at = self._buffer, self._at
        if len(data) < at + 2:
            return None
        final, opcode, length = bool(data[at] & 0x80), data[at] & 0x0F, data[at + 1] & 0x7F
        if data[at] & 0x70:
            return Violation(Code.PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in _OPCODES:
            return Violation(Code.PROTOCOL_ERROR, "an unknown opcode")
        if not data[at + 1] & 0x80:
            return Violation(Code.PROTOCOL_ERROR, "a frame is not masked")
        if opcode >= Opcode.CLOSE and (not final or length > _LONGEST_CONTROL):
            return Violation(Code.PROTOCOL_ERROR, "a control frame is too long, or in fragments")
        at += 2
        if length >= 126:
            wide = 2 if length == 126 else 8
            if len(data) < at + wide:
                return None
            length, at = int.from_bytes(data[at : at + wide], "big"), at + wide
            if length < (126 if wide == 2 else 65536):
                return Violation(Code.PROTOCOL_ERROR, "a length is not in its shortest form")
        if opcode < Opcode.CLOSE and length + len(self._begun or b"") > self._longest:
            return Violation(Code.TOO_BIG, f"a message is at most {self._longest} bytes")
        end = at + 4 + length
        if len(data) < end:
            return None
        self._at = end
        return final, Opcode(opcode), _mask(data[at + 4 : end], data[at : at + 4])

    def _take(self, final: bool, opcode: Opcode, payload: bytes) -> Message | Violation | None:
        """The message that the frame completes (section 5.4)."""
        if opcode >= Opcode.CLOSE:
            return Message(opcode, payload)
        if opcode is Opcode.BINARY:
            return Violation(Code.UNSUPPORTED_DATA, "messages are text")
        if (opcode is Opcode.CONTINUATION) is (self._begun is None):
            return Violation(Code.PROTOCOL_ERROR, "fragments are out of order")
        payload = (self._begun or b"") + payload
        if not final:
            self._begun = payload
            self._fragments += 1
            if self._fragments < MOST_FRAGMENTS:
                return None
            return Violation(Code.POLICY_VIOLATION, f"a message is at most {MOST_FRAGMENTS} fragments")
        self._begun, self._fragments = None, 0
        try:
            payload.decode()
        except UnicodeDecodeError:
            return Violation(Code.INVALID_DATA, "a text is not UTF-8")
        return Message(Opcode.TEXT, payload)


def write_frame(opcode: Opcode, payload: bytes = b"") -> bytes:
    """One whole message, as a server sends it: not masked (section 5.1)."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, length))
    elif length < 65536:
        head = bytes((0x80 | opcode, 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big")
    return head + payload


def write_close(code: int, reason: str = "") -> bytes:
    """The frame that closes (section 5.5.1). `reason` is cut to what has a place in it."""
    told = reason.encode()[:_CLOSE_REASON].decode(errors="ignore").encode()
    return write_frame(Opcode.CLOSE, code.to_bytes(2, "big") + told)


def shake_hands(headers: Headers) -> str | None:
    """What Sec-WebSocket-Accept is of a request for WebSocket 13 (section 4.2); None where it is none."""
    keys = headers.getall("sec-websocket-key", ())
    if (
        "websocket" not in _words(headers, "upgrade")
        or "upgrade" not in _words(headers, "connection")
        or list(headers.getall("sec-websocket-version", ())) != ["13"]
        or len(keys) != 1
    ):
        return None
    try:
        if len(b64decode(keys[0], validate=True)) != 16:
            return None
    except (binascii.Error, ValueError):
        return None
    return b64encode(hashlib.sha1(keys[0].encode() + _GUID, usedforsecurity=False).digest()).decode()


def offers(headers: Headers, subprotocol: str) -> bool:
    """Whether the client asks for this subprotocol. Its name counts as it is written (section 4.1)."""
    return subprotocol in _split(headers, "sec-websocket-protocol")


def _words(headers: Headers, name: str) -> set[str]:
    return {word.lower() for word in _split(headers, name)}


def _split(headers: Headers, name: str) -> set[str]:
    return {word.strip() for value in headers.getall(name, ()) for word in value.split(",")}


def _mask(payload: bytes, key: bytes) -> bytes:
    """Section 5.3, as one large number: byte by byte it would take a hundred times as long."""
    length = len(payload)
    keys = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(length, "big")
