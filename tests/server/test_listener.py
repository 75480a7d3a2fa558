"""The listener, as raw sockets see it. What leans on the event loop is tried on asyncio's own and on uvloop."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from gate.errors import GateError
from gate.server.listener import Handler, Listener, ListenerLimits, cut

SECRET = "s3cr3t-t0k3n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
GET = f"GET /a?token={SECRET} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
CHUNKED = b"POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
QUICK = ListenerLimits(
    request_line=1000, header_field=1000, headers=10, head=3000, header_timeout_s=0.2, keepalive_s=0.3,
    body_stall_s=0.2, send_stall_s=0.3, connections=10,
)  # fmt: skip
# Small in all but time: who is to be answered is answered on a machine that stands still for a while, too.
PATIENT = replace(QUICK, header_timeout_s=30, keepalive_s=30, body_stall_s=30, send_stall_s=30)
PATIENCE_S = 20.0


def both_loops(test: Callable[..., Awaitable[None]]) -> object:
    """Makes an async test one that runs on asyncio's loop and on uvloop."""

    def runner(loop_factory: Callable[[], asyncio.AbstractEventLoop], **fixtures: object) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runs:
            runs.run(test(**fixtures))  # type: ignore[arg-type]

    signature = inspect.signature(test)
    own = inspect.Parameter("loop_factory", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    runner.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[own, *signature.parameters.values()], return_annotation=None
    )
    runner.__name__, runner.__doc__, runner.__module__ = test.__name__, test.__doc__, test.__module__
    runner.pytestmark = list(getattr(test, "pytestmark", []))  # type: ignore[attr-defined]
    loops = [asyncio.new_event_loop, uvloop.new_event_loop]
    return pytest.mark.parametrize("loop_factory", loops, ids=["asyncio", "uvloop"])(runner)


async def echo(request: web.BaseRequest) -> web.Response:
    """Answers what it was asked, headers in their order."""
    body = await request.read()
    names = ",".join(name.decode() for name, _ in request.raw_headers)
    return web.Response(text=f"{request.method} {request.raw_path} [{names}] {len(body)}")


@asynccontextmanager
async def listening(handler: Handler = echo, limits: ListenerLimits = PATIENT) -> AsyncIterator[Listener]:
    listener = Listener(handler, limits)
    await listener.start(("127.0.0.1", 0))
    try:
        yield listener
    finally:
        await listener.stop()


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, *pieces: bytes, pause_s: float = 0.02) -> None:
        for place, piece in enumerate(pieces):
            if place:
                await asyncio.sleep(pause_s)
            self._writer.write(piece)

    async def rest(self, timeout_s: float = PATIENCE_S) -> bytes:
        """Returns everything up to the end of the connection, which must come."""
        async with asyncio.timeout(timeout_s):
            return await self._reader.read()

    async def answer(self, timeout_s: float = PATIENCE_S) -> bytes:
        """Returns one answer that has a Content-Length."""
        async with asyncio.timeout(timeout_s):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            return head + await self._reader.readexactly(length)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def client_of(listener: Listener) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", listener.port))
    try:
        yield client
    finally:
        await client.close()


async def ask(listener: Listener, *pieces: bytes, timeout_s: float = PATIENCE_S) -> bytes:
    """Returns all that a new connection gets for `pieces`, up to its end, which must come."""
    async with client_of(listener) as client:
        await client.send(*pieces)
        return await client.rest(timeout_s)


async def until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in the server
            await asyncio.sleep(0.01)


def assert_problem(answer: bytes, status: int, reason: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0].startswith(f"http/1.1 {status} "), answer
    assert "content-type: application/problem+json" in lines
    assert "cache-control: no-store" in lines
    assert "connection: close" in lines
    assert f"gate-reason: {reason}" in lines
    assert "server: gate" in lines
    assert f"content-length: {len(body)}" in lines
    assert ("retry-after: 1" in lines) == (status == 503)
    assert b"aiohttp" not in answer
    problem = json.loads(body)
    assert (problem["status"], problem["reason"]) == (status, reason)
    assert SECRET.encode() not in answer


# Serving


@both_loops
async def test_a_request_is_answered_and_the_connection_kept() -> None:
    async with listening() as listener, client_of(listener) as client:
        for _ in range(3):
            await client.send(GET)
            answer = await client.answer()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(f"GET /a?token={SECRET} [Host] 0".encode())
        assert listener.connections == 1
    assert listener.connections == 0


@both_loops
async def test_what_the_handler_sees_is_what_was_sent() -> None:
    body = b"\x1f\x8b not gzip"
    head = b"PUT /a/../b//c%2F HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\n"
    async with listening() as listener, client_of(listener) as client:
        await client.send(head, body)
        assert (await client.answer()).endswith(b"PUT /a/../b//c%2F [Host,Content-Encoding,Content-Length] 11")


async def test_an_answer_without_a_length_to_http_1_0_ends_with_its_connection() -> None:
    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.raw_path == "/sized":
            response.content_length = 4
        await response.prepare(request)
        await response.write(b"body")
        return response

    async with listening(stream, ListenerLimits()) as listener, client_of(listener) as client:
        keep = b" HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        await client.send(b"GET /sized" + keep)
        assert (await client.answer()).endswith(b"body")
        await client.send(b"GET /unsized" + keep)
        answer = await client.rest()
        assert answer.endswith(b"\r\n\r\nbody")
        assert b"keep-alive" not in answer


@both_loops
async def test_unix_path_and_ready_socket(tmp_path: Path) -> None:
    path = tmp_path / "gate.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # left behind, nobody listens
    listener = Listener(echo, PATIENT)
    await listener.start(path)
    assert (listener.address, listener.port) == (str(path), None)
    with pytest.raises(GateError, match=f"^cannot listen on {path}: address already in use$"):
        await Listener(echo, PATIENT).start(path)
    client = Client(*await asyncio.open_unix_connection(str(path)))
    await client.send(GET)
    assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
    await client.close()
    await listener.stop()
    assert not path.exists()

    ready = socket.socket()
    ready.bind(("127.0.0.1", 0))
    port = ready.getsockname()[1]
    listener = Listener(echo, PATIENT)
    await listener.start(ready)
    assert (listener.address, listener.port) == (f"127.0.0.1:{port}", port)
    async with client_of(listener) as client:
        await client.send(GET)
        assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
    await listener.stop()


@both_loops
async def test_a_port_in_use_is_one_clear_line() -> None:
    async with listening() as listener:
        assert listener.port is not None
        with pytest.raises(GateError) as caught:
            await Listener(echo).start(("127.0.0.1", listener.port))
        assert str(caught.value) == f"cannot listen on 127.0.0.1:{listener.port}: address already in use"
        again = listener.port
    listener = Listener(echo)  # SO_REUSEADDR: at once, however many old connections are in TIME_WAIT
    await listener.start(("127.0.0.1", again))
    await listener.stop()


@both_loops
async def test_an_unknown_host_is_one_clear_line() -> None:
    with pytest.raises(GateError, match=r"^cannot listen on no-such-host\.invalid:80: [^\n]+$"):
        await Listener(echo).start(("no-such-host.invalid", 80))


def test_the_python_parser_is_refused() -> None:
    code = (
        "import asyncio; from gate.server.listener import Listener\n"
        "try: asyncio.run(Listener(None).start(('127.0.0.1', 0)))\n"
        "except Exception as error: print(repr(error))"
    )
    slow = {"AIOHTTP_NO_EXTENSIONS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=slow, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("GateError(\"aiohttp's C parser is missing"), done


# Time


@both_loops
async def test_a_silent_connection_is_closed_without_a_word() -> None:
    async with listening(limits=QUICK) as listener:
        began = asyncio.get_running_loop().time()
        assert await ask(listener) == b""
        assert 0.18 <= asyncio.get_running_loop().time() - began < 15


@both_loops
@pytest.mark.timed
async def test_half_a_head_is_answered_408() -> None:
    async with listening(limits=QUICK) as listener:
        assert_problem(await ask(listener, GET[:40]), 408, "request_timeout")
        await until(lambda: listener.connections == 0)


@pytest.mark.parametrize("drop", [b"\r\n", b"X: y\r\n"])
@pytest.mark.timed
async def test_a_dripped_head_is_answered_408(drop: bytes) -> None:
    async with listening(limits=QUICK) as listener:
        start = b"" if drop == b"\r\n" else GET[:-2]
        assert_problem(await ask(listener, start, *[drop] * 9), 408, "request_timeout")

        async def drip(client: Client) -> None:
            while True:
                await client.send(b"y")
                await asyncio.sleep(0.05)

        async with client_of(listener) as client:
            await client.send(GET)
            await client.answer()
            await client.send(b"GET /")
            dripping = asyncio.create_task(drip(client))
            began = asyncio.get_running_loop().time()
            assert_problem(await client.rest(), 408, "request_timeout")
            assert 0.18 <= asyncio.get_running_loop().time() - began < 15
            dripping.cancel()


@pytest.mark.timed
async def test_an_idle_connection_is_closed_after_keepalive() -> None:
    async with listening(limits=QUICK) as listener, client_of(listener) as client:
        await client.send(GET)
        await client.answer()
        began = asyncio.get_running_loop().time()
        assert await client.rest() == b""
        assert 0.28 <= asyncio.get_running_loop().time() - began < 15


@pytest.mark.timed
async def test_a_long_response_outlasts_every_timer() -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x")
            await asyncio.sleep(0.06)
        return response

    async with listening(slow, QUICK) as listener:
        # The next request's first half must not be the long answer's end either.
        answer = await ask(listener, GET, b"GET /half", timeout_s=PATIENCE_S)
    assert answer.count(b"1\r\nx\r\n") == 10
    first, _, second = answer.partition(b"0\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert_problem(second, 408, "request_timeout")


@pytest.mark.timed
async def test_what_comes_during_an_answer_never_falls_into_it() -> None:
    go_on = asyncio.Event()

    async def held(request: web.BaseRequest) -> web.Response:
        await go_on.wait()
        return web.Response(text="ok")

    limits = replace(QUICK, header_timeout_s=1.0)
    async with listening(held, limits) as listener:
        async with client_of(listener) as client:
            await client.send(GET, GET[:20])
            await asyncio.sleep(1.2)
            go_on.set()
            assert (await client.answer()).endswith(b"ok")
            # The half head is older than heads may be, but its time counts from here.
            await client.send(GET[20:])
            assert (await client.answer()).endswith(b"ok")
        go_on.clear()
        async with client_of(listener) as client:
            await client.send(GET, GET[:-2], *[b"X: " + b"a" * 900 + b"\r\n"] * 5)
            await asyncio.sleep(0.1)
            go_on.set()
            answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\nok")


@pytest.mark.timed
async def test_a_body_that_stops_is_answered_408() -> None:
    async with listening(limits=QUICK) as listener:
        head = b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
        assert_problem(await ask(listener, head, b"123"), 408, "request_timeout")
        assert_problem(await ask(listener, CHUNKED, b"3\r\n123\r\n"), 408, "request_timeout")
        # A slow one is welcome.
        async with client_of(listener) as client:
            await client.send(head, *[b"1"] * 10, pause_s=0.05)
            assert (await client.answer()).endswith(b" 10")


@pytest.mark.timed
async def test_a_body_that_waits_for_the_handler_has_not_stopped() -> None:
    async def late(request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(0.5)
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.Response(text=str(size))

    async with listening(late, QUICK) as listener, client_of(listener) as client:
        size = 4_000_000
        await client.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        assert (await client.answer()).endswith(b"\r\n\r\n%d" % size)


# Size


@both_loops
async def test_each_limit_acts() -> None:
    def with_target(size: int) -> bytes:
        return b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

    def with_field(size: int) -> bytes:
        return b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX:" + b"a" * (size - 1) + b"\r\n\r\n"

    def with_fields(count: int) -> bytes:
        return b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + b"X: y\r\n" * (count - 2) + b"\r\n"

    async with listening() as listener:
        for good in (with_target(1000), with_field(1000), with_fields(10)):
            assert (await ask(listener, good)).startswith(b"HTTP/1.1 200 ")
        for whole in (with_target(1001), with_target(2_000_000)):
            assert_problem(await ask(listener, whole), 414, "target_too_long")
        for whole in (with_field(1003), with_field(2_000_000), with_fields(11), with_fields(100_000)):
            assert_problem(await ask(listener, whole), 431, "headers_too_large")
        pieces = [b"X: " + b"a" * 900 + b"\r\n"] * 5
        assert_problem(await ask(listener, GET[:-2], *pieces), 431, "headers_too_large")
        await until(lambda: listener.connections == 0)


async def test_the_default_limits_take_a_long_token() -> None:
    async with listening(limits=ListenerLimits()) as listener:
        long = b"a" * 16_000
        async with client_of(listener) as client:
            await client.send(b"GET /" + long + b" HTTP/1.1\r\nHost: h\r\nAuthorization: " + long + b"\r\n\r\n")
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
        request = b"GET /" + long + long + b" HTTP/1.1\r\nHost: h\r\n\r\n"
        assert_problem(await ask(listener, request), 414, "target_too_long")
        request = b"GET / HTTP/1.1\r\nHost: h\r\nX: " + long + long + b"\r\n\r\n"
        assert_problem(await ask(listener, request), 431, "headers_too_large")


@both_loops
async def test_beyond_the_connection_limit_a_client_is_told_so() -> None:
    # Silent clients hold their places for as long as the test takes.
    async with listening(limits=PATIENT) as listener:
        clients = [Client(*await asyncio.open_connection("127.0.0.1", listener.port)) for _ in range(10)]
        await until(lambda: listener.connections == 10)
        for request in (b"", GET):
            assert_problem(await ask(listener, request), 503, "too_many_connections")
        assert listener.connections == 10
        await clients.pop().close()
        await until(lambda: listener.connections == 9)
        async with client_of(listener) as client:
            await client.send(GET)
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
        for client in clients:
            await client.close()


@both_loops
@pytest.mark.timed
async def test_a_crowd_beyond_the_limit_is_bounded_too() -> None:
    async with listening(limits=ListenerLimits(connections=0)) as listener:
        crowd = [socket.create_connection(("127.0.0.1", listener.port or 0)) for _ in range(400)]
        await asyncio.sleep(0.3)
        told = 0
        for one in crowd:
            with one, suppress(ConnectionResetError):
                told += one.recv(4096).startswith(b"HTTP/1.1 503 ")
        assert told == 256


async def test_ten_thousand_pipelined_requests_are_served_in_order() -> None:
    count, most = 10_000, 0

    async def number(request: web.BaseRequest) -> web.Response:
        nonlocal most
        most = max(most, len(request.protocol._messages))
        return web.Response(text=request.raw_path)

    async with listening(number) as listener, client_of(listener) as client:
        wanted = [f"/{place}" for place in range(count)]
        await client.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode() for path in wanted))
        got = [(await client.answer()).rpartition(b"\r\n\r\n")[2].decode() for _ in wanted]
    assert got == wanted
    assert most <= 32


# Malformed requests

MALFORMED = {
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF in a header": b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "obs-fold": b"GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\n",
    "space before first header": b"GET / HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n",
    "duplicate Content-Length": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "Content-Length list": POST + b"Content-Length: 1, 1\r\n\r\nx",
    "Content-Length +1": POST + b"Content-Length: +1\r\n\r\nx",
    "Content-Length -1": POST + b"Content-Length: -1\r\n\r\nx",
    "CL then TE": POST + b"Content-Length: 1\r\n" + TE + b"\r\n0\r\n\r\n",
    "TE then CL": POST + TE + b"Content-Length: 1\r\n\r\n0\r\n\r\n",
    "two TE": POST + TE * 2 + b"\r\n0\r\n\r\n",
    "TE chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "TE xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE empty": POST + b"Transfer-Encoding:\r\n\r\n",
    "TE in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size junk": CHUNKED + b"zz\r\n",
    "chunk size negative": CHUNKED + b"-1\r\n",
    "chunk size huge": CHUNKED + b"f" * 17 + b"\r\n",
    "chunk without CRLF": CHUNKED + b"2\r\nabX",
    "chunk extension with LF": CHUNKED + b"2;\nxx\r\nab\r\n0\r\n\r\n",
    "duplicate Host": b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    "missing Host": b"GET / HTTP/1.1\r\n\r\n",
    "Host with a path": b"GET / HTTP/1.1\r\nHost: h/x\r\n\r\n",
    "Host with a user": b"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n",
    "Host with a space": b"GET / HTTP/1.1\r\nHost: h x\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/0.9, said": b"GET / HTTP/0.9\r\nHost: h\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"GET / ICE/1.0\r\nHost: h\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: h\r\n\r\n",
    "no method": b" / HTTP/1.1\r\nHost: h\r\n\r\n",
    "space in target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "relative target": b"GET a HTTP/1.1\r\nHost: h\r\n\r\n",
    "NUL in target": b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n",
    "NUL in name": b"GET / HTTP/1.1\r\nHost: h\r\nX\0: y\r\n\r\n",
    "NUL in value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "control in value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\n\r\n",
    "non-ASCII target": b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "noise": b"\xde\xad\xbe\xef\r\n\r\n",
}


@both_loops
@pytest.mark.parametrize("where", ["first", "after a good one"])
async def test_malformed_requests_are_answered_400(where: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(limits=ListenerLimits()) as listener:
        for label, request in MALFORMED.items():
            marked = request.replace(b"\r\n\r\n", f"\r\nX-Mark: {SECRET}\r\n\r\n".encode(), 1)
            async with client_of(listener) as client:
                if where != "first":
                    await client.send(GET)
                    assert (await client.answer()).startswith(b"HTTP/1.1 200 ")
                await client.send(request if where == "first" else marked)
                answer = await client.rest()
                assert answer.startswith(b"HTTP/1.1 400 "), (label, answer)
                assert_problem(answer, 400, "malformed_request")
    assert SECRET not in caplog.text
    for record in caplog.records:
        if record.name != "asyncio":
            assert record.name == "gate.listener"
            assert record.exc_info is None
            assert record.getMessage() == "public: 400 malformed_request"


@pytest.mark.parametrize("piece", [b"zz\r\n", b"2\r\nabX", b"-1\r\n"])
async def test_a_bad_chunk_in_a_packet_of_its_own_ends_the_wait_for_the_body(
    piece: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(limits=ListenerLimits()) as listener:
        assert_problem(await ask(listener, CHUNKED, b"3\r\nabc\r\n", piece), 400, "malformed_request")

    async def deaf(request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(0.1)
        return web.Response(text="ok")

    async with listening(deaf, ListenerLimits()) as listener:
        answer = await ask(listener, CHUNKED, b"3\r\nabc\r\n", piece)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\nok")
    assert caplog.text == ""


async def test_trailers_never_become_headers_of_the_next_request() -> None:
    trailers = b"0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    clean = CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"
    evil = CHUNKED + b"3\r\nabc\r\n" + trailers
    async with listening(limits=ListenerLimits()) as listener:
        for pieces in (
            [evil + GET],
            [evil, GET],
            [CHUNKED, b"3\r\nabc\r\n", b"0\r\nX-Forwarded-For: 6.6.6.6\r\n", b"\r\n", GET],
            [CHUNKED, b"3\r\nabc\r\n" + trailers + clean, GET],
            [GET * 31 + evil + clean],  # the queue of 32 is full when the trailers are parsed
            [GET * 31 + evil + clean + GET],
            [GET * 64 + evil, clean + GET],
            [clean + evil + clean],
            [clean, evil, clean],
        ):
            answer = await ask(listener, *pieces)
            assert b"X-Forwarded-For" not in answer
            assert answer.count(b"POST /up") >= 1
            assert b"HTTP/1.1 400" not in answer
        assert b"\r\nConnection: close\r\n" in await ask(listener, evil)
        # Without trailers the connection is kept, wherever the packets end.
        async with client_of(listener) as client:
            for split in (len(CHUNKED), -7, -5, -4, -2, -1):
                await client.send(clean[:split], clean[split:])
                assert (await client.answer()).endswith(b"POST /up [Host,Transfer-Encoding] 3")
            await client.send(CHUNKED + b"0\r\n\r\n")
            assert (await client.answer()).endswith(b" 0")
            await client.send(GET)
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


async def test_codings_and_protocols_that_are_not_spoken_are_refused() -> None:
    async with listening(limits=ListenerLimits()) as listener:
        coded = CHUNKED.replace(b"chunked", b"gzip, chunked")
        assert_problem(await ask(listener, coded + b"0\r\n\r\n"), 501, "transfer_coding_not_supported")
        for request in (
            b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + bytes(100),
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n",
            POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab",
        ):
            assert_problem(await ask(listener, request), 400, "upgrade_not_supported")
        # RFC 9110 7.8: an offer of HTTP/2 may be declined; an Upgrade that Connection does not name is none.
        offer = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
        answer = await ask(listener, offer)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer
        async with client_of(listener) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n")
            assert (await client.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("host", [b"h", b"xn--a", b"xn--\x61\x62\x63", b"[::1]:80", b"u:p@h:1"])
async def test_an_absolute_target_reaches_the_handler_as_it_is(host: bytes) -> None:
    async with listening() as listener, client_of(listener) as client:
        await client.send(b"GET http://" + host + b"/x HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await client.answer()).endswith(b"GET http://" + host + b"/x [Host] 0")


@both_loops
async def test_a_refusal_is_read_even_by_a_client_that_goes_on_sending() -> None:
    async with listening(limits=ListenerLimits()) as listener, client_of(listener) as client:
        await client.send(b"GET / HTTP/9\r\n" + bytes(100_000), *[bytes(100_000)] * 5)
        assert_problem(await client.rest(), 400, "malformed_request")


@both_loops
async def test_a_refusal_of_head_has_no_body() -> None:
    async with listening() as listener:
        answer = await ask(listener, b"HEAD / HTTP/2.0\r\nHost: h\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n")


# Faults of the handler, and clients that leave


@both_loops
async def test_an_unhandled_exception_is_503_and_logged_once_without_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(request: web.BaseRequest) -> web.Response:
        try:
            raise KeyError(request.raw_path)
        except KeyError as error:
            raise ExceptionGroup(request.raw_path, [GateError("mend me")]) from error

    async with listening(broken) as listener:
        assert_problem(await ask(listener, GET), 503, "internal")
    (record,) = (record for record in caplog.records if record.name == "gate.listener")
    text = record.getMessage()
    assert SECRET not in caplog.text
    assert "in broken\n" in text
    assert "ExceptionGroup" in text
    assert "KeyError" in text
    assert "GateError: mend me" in text


@pytest.mark.parametrize("fault", ["timeout", "http", "none", "header", "connection"])
async def test_no_fault_reaches_the_client_as_it_is(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: web.BaseRequest) -> web.StreamResponse:
        if fault == "timeout":
            raise TimeoutError(request.raw_path)
        if fault == "http":
            raise web.HTTPFound("/elsewhere")
        if fault == "connection":
            raise ConnectionRefusedError("the origin's, not the client's")
        if fault == "header":
            return web.StreamResponse(headers={"X": f"a\r\nX-Injected: {request.raw_path}"})
        return None  # type: ignore[return-value]

    async with listening(broken) as listener:
        assert_problem(await ask(listener, GET), 503, "internal")
    assert len([record for record in caplog.records if record.name == "gate.listener"]) == 1
    assert SECRET not in caplog.text


@both_loops
async def test_a_body_over_the_handlers_own_bound_is_413() -> None:
    async with listening() as listener:
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n"
        assert_problem(await ask(listener, head + bytes(3_000_000)), 413, "body_too_large")


@both_loops
async def test_a_fault_in_mid_answer_breaks_the_connection() -> None:
    """Else a client of HTTP/1.0, or one that reads to the end, would take half an answer for a whole one."""

    async def broken(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        await asyncio.sleep(0.05)
        raise ValueError

    async with listening(broken) as listener:
        with pytest.raises(ConnectionResetError):
            await ask(listener, b"GET / HTTP/1.0\r\n\r\n")


@both_loops
async def test_a_client_that_leaves_cancels_its_handler_and_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    begun, ends = asyncio.Event(), list[str]()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(100_000))
                await asyncio.sleep(0)
        except (asyncio.CancelledError, ConnectionError) as error:
            ends.append(type(error).__name__)
            raise

    async def waiting(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ends.append("waited")
        raise AssertionError

    for handler in (endless, waiting):
        async with listening(handler) as listener:
            for hard in (True, False):
                begun.clear()
                ends.clear()
                with socket.create_connection(("127.0.0.1", listener.port or 0)) as client:
                    client.sendall(GET)
                    await begun.wait()
                    await asyncio.sleep(0.05)
                    if hard:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await until(lambda: len(ends) == 1)
                await until(lambda: listener.connections == 0)
    gc.collect()
    assert caplog.text == ""


@both_loops
async def test_an_upload_that_came_whole_goes_on_without_its_client() -> None:
    ends = list[str]()
    on = asyncio.Event()

    async def upload(request: web.BaseRequest) -> web.StreamResponse:
        try:
            body = await request.read()
            await on.wait()
            ends.append(f"{request.method} {len(body)}")
        except BaseException as error:
            ends.append(type(error).__name__)
            raise
        return web.Response(status=201)

    size = 1_000_000
    put = b"PUT /up HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
    whole = {
        "chunked": CHUNKED + b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n",
        "long": put % size + bytes(size),
        "short": put % 5 + b"short",
        "empty": put % 0,
    }
    expected = {"chunked": f"POST {size}", "long": f"PUT {size}", "short": "PUT 5", "empty": "PUT 0"}
    async with listening(upload) as listener:
        for name, sent in whole.items():
            ends.clear()
            on.clear()
            async with client_of(listener) as client:
                await client.send(sent)
            await asyncio.sleep(0.05)
            assert ends == []
            on.set()
            await until(lambda: listener.connections == 0)
            assert ends == [expected[name]]


@both_loops
@pytest.mark.parametrize("sent", [CHUNKED + b"5\r\nhello\r\n", CHUNKED.replace(b"POST", b"GET") + b"0\r\n\r\n"])
async def test_nothing_else_does(sent: bytes) -> None:
    ends = list[str]()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        try:
            await request.read()
            await asyncio.sleep(60)
        finally:
            ends.append("ended")
        raise AssertionError

    async with listening(wait) as listener:
        async with client_of(listener) as client:
            await client.send(sent)
            await asyncio.sleep(0.05)
        await until(lambda: ends == ["ended"])
        await until(lambda: listener.connections == 0)


# Ending


@both_loops
async def test_cut_discards_what_was_not_sent() -> None:
    transports: list[asyncio.Transport] = []

    async def huge(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        transports.append(request.transport)
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1_000_000))

    async with listening(huge, ListenerLimits()) as listener:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(("127.0.0.1", listener.port))
        with client:
            client.sendall(GET)
            await until(lambda: bool(transports) and transports[0].get_write_buffer_size() > 65536)
            await asyncio.sleep(0.1)
            cut(transports[0])
            await until(lambda: listener.connections == 0)
            got, reset = 0, False
            client.settimeout(PATIENCE_S)
            try:
                while piece := client.recv(65536):
                    got += len(piece)
            except ConnectionResetError:
                reset = True
        assert reset
        assert got < 400_000


@both_loops
@pytest.mark.parametrize("size", [100_000_000, 4_500_000])
@pytest.mark.timed
async def test_a_client_that_takes_nothing_is_cut(size: int) -> None:
    """In the midst of an answer, and when its last bytes lie in the gate after the answer is done."""

    async def huge(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size), "Connection": "close"})
        response.force_close()
        await response.prepare(request)
        for _ in range(size // 50_000):
            await response.write(bytes(50_000))
        return response

    async with listening(huge, QUICK) as listener:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.connect(("127.0.0.1", listener.port))
        with client:
            client.sendall(GET)
            await until(lambda: listener.connections == 1)
            await until(lambda: listener.connections == 0)


@both_loops
@pytest.mark.timed
async def test_drain_lets_requests_end_and_then_cuts() -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(float(request.raw_path[1:]))
        if request.method == "POST":
            return web.Response(text="done")
        response = web.StreamResponse(headers={"Content-Length": "4"})
        await response.prepare(request)
        await response.write(b"done")
        return response

    listener = Listener(slow, ListenerLimits())
    await listener.start(("127.0.0.1", 0))
    async with client_of(listener) as idle, client_of(listener) as short, client_of(listener) as long:
        await idle.send(b"GET /0 HTTP/1.1\r\nHost: h\r\n\r\n")
        await idle.answer()
        await short.send(b"POST /0.2 HTTP/1.1\r\nHost: h\r\n\r\n")
        await long.send(b"GET /30 HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.sleep(0.05)
        began = asyncio.get_running_loop().time()
        draining = asyncio.create_task(listener.drain(0.5))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", listener.port)
        # While others are busy an idle connection may ask once more, and is told to leave.
        await idle.send(b"GET /0 HTTP/1.1\r\nHost: h\r\n\r\n")
        last = await idle.rest()
        assert b"\r\nConnection: close\r\n" in last
        assert last.endswith(b"done")
        ended = await short.rest()
        assert b"\r\nConnection: close\r\n" in ended
        assert ended.endswith(b"done")
        with pytest.raises(ConnectionResetError):
            await long.rest()
        await draining
        assert 0.45 <= asyncio.get_running_loop().time() - began < 15
    assert listener.connections == 0
    await listener.stop()


@both_loops
@pytest.mark.parametrize("timeout_s", [30, 0])
async def test_idle_connections_are_closed_at_once_and_in_peace(timeout_s: float) -> None:
    listener = Listener(echo, ListenerLimits())
    await listener.start(("127.0.0.1", 0))
    async with client_of(listener) as silent, client_of(listener) as idle:
        await idle.send(GET)
        await idle.answer()
        async with asyncio.timeout(PATIENCE_S):
            await listener.drain(timeout_s)
        assert await silent.rest() == b""
        assert await idle.rest() == b""
