"""Connections to an API, for threads: kept open between requests, one request at a time on each.

The standard library gives every single wait a time-out and a request none, so a server that sends a byte now
and then could hold it for ever. Here a request has one deadline, and each wait is as long as that leaves.
"""

from __future__ import annotations

import io
import os
import selectors
import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from gate.client.exchange import LONGEST_ANSWER, Endpoint, Exchange, say

if TYPE_CHECKING:
    import ssl

_PIECE: Final = 65536
_MOST_IDLE: Final = 64


class _Timed:
    """A connected socket, as far as `http.client` uses one; its waits end at `deadline` (monotonic seconds)."""

    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self.plain = plain
        self.deadline = deadline

    def wait(self) -> None:
        """The next wait is as long as the deadline leaves. Raises TimeoutError."""
        left_s = self.deadline - monotonic()
        if left_s <= 0:
            raise TimeoutError
        self.plain.settimeout(left_s)

    def sendall(self, data: bytes) -> None:
        self.wait()
        self.plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        self.plain.close()


class _Reader(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        self._timed = timed
        # The socket's own file: while it is open the socket is, also where it has been closed.
        self._file = cast(io.RawIOBase, timed.plain.makefile("rb", buffering=0))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._timed.wait()
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Connection:
    """One connection, opened when it is first asked."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        self._endpoint = endpoint
        self._http: HTTPConnection
        if endpoint.tls:
            self._http = HTTPSConnection(endpoint.host, endpoint.port, context=tls)
        else:
            self._http = HTTPConnection(endpoint.host, endpoint.port)
        self._timed: _Timed | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can be asked again: the server has neither closed it nor said anything unasked."""
        if self._timed is None or self._http.sock is None:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._timed.plain, selectors.EVENT_READ)
            return not selector.select(0)

    def ask(self, headers: dict[str, str], body: bytes, deadline: float) -> tuple[int, bytes | None]:
        """Status and body of the answer; None for a body that is too long. Raises OSError or HTTPException."""
        if self._timed is None:
            self._connect(deadline)
        assert self._timed is not None
        self._timed.deadline = deadline
        self._http.request("POST", self._endpoint.target, body, headers)
        with self._http.getresponse() as answer:
            got = bytearray()
            while piece := answer.read(_PIECE):
                got += piece
                if len(got) > LONGEST_ANSWER:
                    self.close()
                    return answer.status, None
            if answer.length:
                raise IncompleteRead(bytes(got), answer.length)
            return answer.status, bytes(got)

    def close(self) -> None:
        self._http.close()

    def _connect(self, deadline: float) -> None:
        patience_s = max(deadline - monotonic(), 0.001)
        if self._endpoint.socket is None:
            self._http.timeout = patience_s
            self._http.connect()
        else:
            plain = socket.socket(socket.AF_UNIX)
            self._http.sock = plain  # closed with the rest, whatever comes of it
            plain.settimeout(patience_s)
            plain.connect(self._endpoint.socket)
        self._timed = _Timed(self._http.sock, deadline)
        self._http.sock = cast(socket.socket, self._timed)


def default_tls() -> ssl.SSLContext:
    """Certificates are believed that this machine believes. Made once: reading them takes a while."""
    import ssl

    return ssl.create_default_context()


class Connections:
    """As many connections to one API as there are requests at once; threads may share it."""

    def __init__(self, exchange: Exchange, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        self._exchange = exchange
        self._timeout_s = timeout_s
        self._tls = default_tls() if tls is None and exchange.endpoint.tls else tls
        self._idle: list[_Connection] = []
        self._process = os.getpid()

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises RpcError."""
        deadline = monotonic() + self._timeout_s
        connection = self._take()
        try:
            status, got = connection.ask(self._exchange.headers, body, deadline)
        except TimeoutError:
            connection.close()
            raise self._exchange.unreachable(f"no answer within {self._timeout_s:g} s") from None
        except OSError as error:
            connection.close()
            raise self._exchange.unreachable(say(error)) from None
        except IncompleteRead:
            connection.close()
            raise self._exchange.unreachable("its answer broke off") from None
        except HTTPException as error:
            connection.close()
            raise self._exchange.unexpected(f"its answer is no HTTP ({type(error).__name__})") from None
        except BaseException:
            # Interrupted half-way: what comes next on it would be the answer to this.
            connection.close()
            raise
        if got is None:
            raise self._exchange.unexpected(f"its answer is longer than {LONGEST_ANSWER} bytes")
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return status, got

    def close(self) -> None:
        """No connection is idle. Whoever asks again opens another."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> _Connection:
        if self._process != os.getpid():
            # Of the process that this was forked from, which goes on using them.
            self._process = os.getpid()
            self.close()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return _Connection(self._exchange.endpoint, self._tls)
            if connection.is_open:
                return connection
            connection.close()
