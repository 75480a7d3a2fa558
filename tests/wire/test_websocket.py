"""WebSocket frames, byte by byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.wire.websocket import (
    MOST_FRAGMENTS,
    Code,
    Message,
    Opcode,
    Reader,
    Violation,
    offers,
    shake_hands,
    write_close,
    write_frame,
)

KEY = b"\x37\xfa\x21\x3d"
LONGEST = 70_000


def mask(head: bytes, payload: bytes = b"", key: bytes = KEY) -> bytes:
    """A frame as a client sends it, by the letter of RFC 6455, section 5.3."""
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def client_frame(
    payload: bytes, opcode: Opcode = Opcode.TEXT, *, final: bool = True, key: bytes = KEY
) -> bytes:
    length = len(payload)
    first = opcode | (0x80 if final else 0)
    if length < 126:
        head = bytes((first, 0x80 | length))
    elif length < 65536:
        head = bytes((first, 0xFE)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, 0xFF)) + length.to_bytes(8, "big")
    return mask(head, payload, key)


def read(*pieces: bytes) -> list[Message | Violation]:
    reader, found = Reader(LONGEST), []
    for piece in pieces:
        reader.feed(piece)
        while (message := reader.next()) is not None:
            found.append(message)
    return found


def test_the_examples_of_the_rfc() -> None:
    # Section 5.7: a masked text, one in two fragments (masked here), and a masked pong.
    assert read(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58") == [Message(Opcode.TEXT, b"Hello")]
    assert read(mask(b"\x01\x83", b"Hel"), mask(b"\x80\x82", b"lo")) == [Message(Opcode.TEXT, b"Hello")]
    assert read(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58") == [Message(Opcode.PONG, b"Hello")]
    assert write_frame(Opcode.TEXT, b"Hello") == b"\x81\x05Hello"
    assert write_frame(Opcode.PING, b"Hello") == b"\x89\x05Hello"


@pytest.mark.parametrize("length", [0, 1, 3, 4, 125, 126, 127, 65535, 65536, LONGEST])
def test_every_form_of_a_length(length: int) -> None:
    text = (b"abcde" * (length // 5 + 1))[:length]
    assert read(client_frame(text)) == [Message(Opcode.TEXT, text)]
    ours = write_frame(Opcode.TEXT, text)
    assert ours.endswith(text)
    assert len(ours) - length == (2 if length < 126 else 4 if length < 65536 else 10)


@given(
    st.lists(st.text(max_size=200), max_size=5),
    st.lists(st.integers(0, 1500), max_size=8),
    st.binary(min_size=4, max_size=4),
)
def test_however_it_is_cut_it_is_the_same(texts: list[str], cuts: list[int], key: bytes) -> None:
    sent = b"".join(client_frame(text.encode(), key=key) for text in texts)
    places = [0, *sorted(cuts), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(places)]
    assert read(*pieces) == [Message(Opcode.TEXT, text.encode()) for text in texts]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_comes_there_are_messages_and_at_most_one_violation(pieces: list[bytes]) -> None:
    found = read(*pieces)
    assert not any(isinstance(each, Violation) for each in found[:-1])


def test_control_frames_come_between_fragments() -> None:
    sent = [
        client_frame(b"one ", final=False),
        client_frame(b"?", Opcode.PING),
        client_frame(b"message", Opcode.CONTINUATION),
    ]
    assert read(*sent) == [Message(Opcode.PING, b"?"), Message(Opcode.TEXT, b"one message")]


def test_a_character_may_be_in_two_fragments() -> None:
    sent = client_frame(b"\xc3", final=False) + client_frame(b"\xa9", Opcode.CONTINUATION)
    assert read(sent) == [Message(Opcode.TEXT, "é".encode())]


def test_a_message_is_in_so_many_fragments() -> None:
    # Each of them costs its reader time, however short it is.
    first, more = client_frame(b"x", final=False), client_frame(b"y", Opcode.CONTINUATION, final=False)
    last = client_frame(b"z", Opcode.CONTINUATION)
    whole = [Message(Opcode.TEXT, b"x" + b"y" * (MOST_FRAGMENTS - 2) + b"z")]
    assert read((first + more * (MOST_FRAGMENTS - 2) + last) * 2) == whole * 2
    (found,) = read(first + more * (MOST_FRAGMENTS - 1), last)
    assert isinstance(found, Violation)
    assert found.code is Code.POLICY_VIOLATION


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x05Hello", Code.PROTOCOL_ERROR),  # not masked
        (mask(b"\xc1\x80"), Code.PROTOCOL_ERROR),  # an extension that nobody asked for
        (mask(b"\x83\x80"), Code.PROTOCOL_ERROR),  # reserved opcodes
        (mask(b"\x8b\x80"), Code.PROTOCOL_ERROR),
        (mask(b"\x09\x80"), Code.PROTOCOL_ERROR),  # a control frame in fragments
        (mask(b"\x89\xfe\x00\x7e"), Code.PROTOCOL_ERROR),  # or too long
        (mask(b"\x81\xfe\x00\x05"), Code.PROTOCOL_ERROR),  # a length in too long a form
        (mask(b"\x81\xff" + (1000).to_bytes(8, "big")), Code.PROTOCOL_ERROR),
        (client_frame(b"x", Opcode.CONTINUATION), Code.PROTOCOL_ERROR),  # of nothing
        (client_frame(b"x", final=False) + client_frame(b"y"), Code.PROTOCOL_ERROR),  # in the midst of another
        (client_frame(b"x", Opcode.BINARY), Code.UNSUPPORTED_DATA),
        (client_frame(b"\xff"), Code.INVALID_DATA),
        (client_frame(b"\xed\xa0\x80"), Code.INVALID_DATA),  # half of a surrogate pair
        (b"\x81\xff" + (LONGEST + 1).to_bytes(8, "big"), Code.TOO_BIG),  # before any of it has come
        (b"\x81\xff" + b"\xff" * 8, Code.TOO_BIG),
        (client_frame(b"x" * LONGEST, final=False) + client_frame(b"y", Opcode.CONTINUATION), Code.TOO_BIG),
    ],
)
def test_what_breaks_a_rule_is_the_last(sent: bytes, code: Code) -> None:
    (found,) = read(sent, client_frame(b"after"))
    assert isinstance(found, Violation)
    assert found.code is code


def test_a_reason_is_cut_between_characters() -> None:
    frame = write_close(4005, "é" * 100)
    assert frame[:4] == b"\x88\x7c\x0f\xa5"
    assert frame[4:].decode() == "é" * 61


SHAKE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def test_the_handshake_of_the_rfc() -> None:
    assert shake_hands(CIMultiDict(SHAKE)) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", "h2c"),
        ("Connection", "keep-alive"),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Key", "short"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==\u00e9"),
    ],
)
def test_what_is_no_handshake(name: str, value: str) -> None:
    assert shake_hands(CIMultiDict({**SHAKE, name: value})) is None
    headers = CIMultiDict(SHAKE)
    del headers[name]
    assert shake_hands(headers) is None
    assert shake_hands(CIMultiDict([*SHAKE.items(), ("Sec-WebSocket-Key", SHAKE["Sec-WebSocket-Key"])])) is None


def test_a_subprotocol_is_one_of_those_that_are_offered() -> None:
    headers = CIMultiDict([("Sec-WebSocket-Protocol", "chat, protoo"), ("Sec-WebSocket-Protocol", "other")])
    assert offers(headers, "protoo")
    assert offers(headers, "other")
    assert not offers(headers, "Protoo")
    assert not offers(CIMultiDict(), "protoo")
