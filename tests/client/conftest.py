"""APIs that are served, canned answers, and both clients asked in one way."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest
import pytest_asyncio

from gate.client import AsyncClient, Client
from tests.client.server import TOKEN, Api, serving


@pytest.fixture
def api() -> Iterator[Api]:
    """An API that is served; a test may change how it behaves."""
    served = Api()
    with serving(served):
        yield served


class Asker:
    """A client of either kind; its methods are awaited, and lists come whole."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.client, name)

        async def ask(*values: Any, **named: Any) -> Any:
            if inspect.isasyncgenfunction(method):
                return [each async for each in method(*values, **named)]
            if inspect.iscoroutinefunction(method):
                return await method(*values, **named)
            return await asyncio.to_thread(lambda: _whole(method(*values, **named)))

        return ask


def _whole(value: Any) -> Any:
    return list(value) if inspect.isgenerator(value) else value


Connect = Callable[..., Asker]


@pytest_asyncio.fixture(params=[Client, AsyncClient])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes clients of either kind: `connect(url, token, **options)`."""
    made: list[Asker] = []

    def connect(url: str, token: str | None = TOKEN, **options: Any) -> Asker:
        made.append(Asker(request.param(url, token, **options)))
        return made[-1]

    yield connect
    for asker in made:
        await asker.close()


@pytest.fixture
def client(connect: Connect, api: Api) -> Asker:
    return connect(api.url)


Can = Callable[..., str]


@pytest.fixture
def can() -> Iterator[Can]:
    """Starts servers of canned bytes: `can(b"HTTP/1.1 ...", pause_s=0)`, one answer to each connection, in
    pieces where there are several, with a pause after each; then it is closed. Gives the base URL."""
    with ExitStack() as stack:

        def start(*pieces: bytes, pause_s: float = 0.0) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            over = threading.Event()

            def answer(connection: socket.socket) -> None:
                with closing(connection), suppress(OSError):
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        if pause_s and over.wait(pause_s):
                            return
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(0.2)
                    connection.recv(65536)

            def serve() -> None:
                with suppress(OSError):
                    while True:
                        answer(server.accept()[0])

            thread = threading.Thread(target=serve)
            thread.start()

            def stop() -> None:
                over.set()
                server.shutdown(socket.SHUT_RDWR)
                thread.join()

            stack.callback(stop)
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield start


def canned(status: int, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
