"""What is sent to an API, and what is made of its answers: all but the sending.

Calls go out by name and ask for JSON-RPC's envelope; an answer without one is read as well, since a front, or
another server of this API, may know bare ones only. A result is what HTTP calls a success, in the envelope or
not; in an answer of any other status an error is looked for, be it JSON-RPC's or a problem document.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

from gate.client.calls import Call
from gate.client.errors import RpcError, TokenRefused, Unavailable, UnexpectedAnswer, Unreachable

PATH: Final = "/api/"
LONGEST_ANSWER: Final = 64 * 2**20
_STORE: Final = -32000
_SHORTEST_SECRET: Final = 8
_LONGEST_TEXT: Final = 1000
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)
_UNIX: Final = re.compile(r"unix:(?://)?(/(?!/)[^?#\0]+)")
# Printable ASCII, without a user, a query, a fragment, or what is read as a slash by some.
_HTTP: Final = re.compile(r"https?://[!-~]+", re.ASCII | re.IGNORECASE)
_NOT_HTTP: Final = frozenset("?#@\\")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API is: `host` and `port` (TLS with `tls`), or the Unix socket at `socket`.

    `url` is how people write it, `target` what is asked for.
    """

    url: str
    target: str
    host: str
    port: int | None = None
    tls: bool = False
    socket: str | None = None

    @property
    def address(self) -> str:
        """The whole URL of the API; with a Unix socket its host is a word."""
        if self.socket is not None:
            return f"http://{self.host}{self.target}"
        return self.url + PATH


def read_endpoint(url: str) -> Endpoint:
    """The endpoint below a base URL. Raises ValueError, whose text does not show the URL.

    What could be a secret is refused there, so that the URL may stand in errors: a user, a password, a query.
    """
    if (local := _UNIX.fullmatch(url)) is not None:
        return Endpoint(f"unix://{local[1]}", PATH, "localhost", socket=local[1])
    if _HTTP.fullmatch(url) is not None and not _NOT_HTTP & set(url):
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if host and port != 0:
            target = parts.path.rstrip("/") + PATH
            return Endpoint(url.rstrip("/"), target, host, port, parts.scheme == "https")
    raise ValueError("expected a base URL: http://HOST[:PORT][/PATH], https://... or unix:///PATH")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One API, as whoever holds `token` speaks with it."""

    endpoint: Endpoint
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError, which does not quote the token."""
        if self.token is not None and _TOKEN.fullmatch(self.token) is None:
            raise ValueError("a token is printable ASCII without spaces")

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of every request."""
        fields = {
            "Content-Type": "application/json",
            "Accept": "application/json-rpc",
            "Accept-Encoding": "identity",
            "User-Agent": "gate-client",
        }
        return fields if self.token is None else {**fields, "Authorization": f"Bearer {self.token}"}

    def write(self, call: Call[Any]) -> bytes:
        """The body that makes one call. Raises ValueError or TypeError for what JSON has not."""
        return _write(_document(call, 1))

    def write_batch(self, calls: Sequence[Call[Any]]) -> bytes:
        """The body that makes all of them. Raises as `write`."""
        return _write([_document(call, number) for number, call in enumerate(calls, 1)])

    def read(self, call: Call[T], status: int, body: bytes) -> T:
        """The result of the call. Raises RpcError."""
        document = self._parse(status, body)
        if _is_envelope(document):
            if "error" not in document and status == 200:
                if document.get("id") != 1:
                    raise self.unexpected("its answer is not that of the call")
                return self._result(call, document["result"])
        elif status == 200:
            return self._result(call, document)
        return self._refuse(status, document, [call])

    def read_batch(self, calls: Sequence[Call[T]], status: int, body: bytes) -> list[T | RpcError]:
        """The result of each, or why there is none. Raises RpcError where the request as a whole has failed."""
        document = self._parse(status, body)
        if status != 200 or not isinstance(document, list):
            self._refuse(status, document, calls)
        answers = {each["id"]: each for each in document if _is_envelope(each) and type(each.get("id")) is int}
        if len(answers) != len(document) or answers.keys() != set(range(1, len(calls) + 1)):
            raise self.unexpected("its answers are not those of the calls")
        return [self._outcome(call, answers[number]) for number, call in enumerate(calls, 1)]

    def unreachable(self, why: str) -> Unreachable:
        """Nobody answered."""
        return Unreachable(None, f"no gate answers at {self.endpoint.url}: {why}")

    def unexpected(self, what: str) -> UnexpectedAnswer:
        """What answered is something else."""
        text = f"what answers at {self.endpoint.url}{PATH} is not the API of a gate: {what}"
        return UnexpectedAnswer(None, text)

    def _outcome(self, call: Call[T], answer: Mapping[str, Any]) -> T | RpcError:
        try:
            if "error" not in answer:
                return self._result(call, answer.get("result"))
            self._refuse(200, answer, [call])
        except RpcError as error:
            return error

    def _result(self, call: Call[T], value: object) -> T:
        try:
            return call.read(value)
        except ValueError as error:
            what = f"its answer to {call.method} is none that is known ({error})"
            raise self.unexpected(what) from None

    def _parse(self, status: int, body: bytes) -> Any:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            if 200 <= status < 300:
                raise self.unexpected("its answer is no JSON") from None
            return None

    def _refuse(self, status: int, document: object, calls: Iterable[Call[Any]]) -> NoReturn:
        told = document if isinstance(document, dict) else {}
        error = told.get("error")
        data: object
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            code, text, data = error.get("code"), error["message"], error.get("data")
        else:
            # Not the API itself but the listener, or what stands before it: a problem document (RFC 9457).
            code, text, data = None, told.get("detail") or told.get("title"), told or None
            if not isinstance(told.get("reason"), str) or not isinstance(text, str):
                text = ""
        if not isinstance(code, int) or isinstance(code, bool):
            code = None
        text = self._clean(text, calls)
        if status == 401:
            lack = "wants an API token" if self.token is None else "does not take this API token"
            said = f": {text}" if text else ""
            raise TokenRefused(code, f"the gate at {self.endpoint.url} {lack}{said}", data)
        if status == 429 or status >= 500 or code == _STORE:
            said = text or f"HTTP {status}"
            raise Unavailable(code, f"the gate at {self.endpoint.url} cannot answer now: {said}", data)
        if not text or (200 <= status < 400 and code is None):
            raise self.unexpected(f"HTTP {status}")
        raise RpcError(code, text, data)

    def _clean(self, text: str, calls: Iterable[Call[Any]]) -> str:
        """One line that can be printed, without the credentials that were sent."""
        for secret in (self.token, *(call.params.get("token") for call in calls)):
            if isinstance(secret, str) and len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "[credential]")
        line = "".join(letter if letter.isprintable() else " " for letter in text)
        return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}..."


def say(error: OSError) -> str:
    """Why the system could not, in words."""
    # asyncio puts other words there, with the address.
    known = isinstance(error, ConnectionError | FileNotFoundError) and error.errno
    why = os.strerror(error.errno) if known and error.errno else error.strerror or str(error)
    why = why or type(error).__name__
    return f"{why[:1].lower()}{why[1:]}"


def _document(call: Call[Any], number: int) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": call.method, "params": dict(call.params), "id": number}


def _write(document: object) -> bytes:
    return json.dumps(document, allow_nan=False).encode("ascii")


def _is_envelope(document: object) -> bool:
    return (
        isinstance(document, dict)
        and document.get("jsonrpc") == "2.0"
        and ("result" in document or "error" in document)
    )
