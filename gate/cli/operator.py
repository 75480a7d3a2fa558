"""How a command finds a running gate's admin API, and asks it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import click

from gate.cli.arguments import load_policy
from gate.errors import GateError, UsageError

if TYPE_CHECKING:
    from http.client import HTTPConnection

_PATIENCE_S: Final = 30.0
_LONGEST_ANSWER: Final = 64 * 2**20
_TOKEN: Final = "GATE_ADMIN_TOKEN"
F = TypeVar("F", bound=Callable[..., Any])


def operator_options(command: F) -> F:
    """The options by which a command finds the gate: `find_gate` takes their values."""
    for option in (
        click.option(
            "--admin",
            "admin_url",
            metavar="URL",
            help=f"The admin listener: http://..., https://... or unix:/path. Its token is in {_TOKEN}.",
        ),
        click.option(
            "--config",
            "config_path",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The policy file of the gate: its admin.listen and admin.token are used.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Gate:
    """A running gate. `address` is http://..., https://... or unix:/path; `token` is None for none."""

    address: str
    token: str | None = None

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """What the gate answers. Raises UsageError for what it does not understand, else GateError."""
        from http.client import HTTPException

        connection = _connect(self.address)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read(_LONGEST_ANSWER)
        except OSError as error:
            why = error.strerror or str(error) or type(error).__name__
            raise GateError(f"no gate answers at {self.address}: {why[:1].lower()}{why[1:]}") from None
        except HTTPException:
            raise GateError(self._stranger) from None
        finally:
            connection.close()
        return self._read(answer.status, text)

    def pages(
        self, path: str, asked: Mapping[str, str], name: str, identity: str = "id"
    ) -> Iterator[dict[str, Any]]:
        """All that a listing holds, each once: what has changed meanwhile may be on two pages.

        `identity` is the field that names each.
        """
        cursor: str | None = None
        seen: set[str] = set()
        while True:
            query = urlencode({**asked, **({} if cursor is None else {"cursor": cursor})})
            page = self.ask("GET", f"{path}?{query}")
            for each in page[name]:
                if each[identity] not in seen:
                    seen.add(each[identity])
                    yield each
            if (cursor := page["cursor"]) is None:
                return

    @property
    def _stranger(self) -> str:
        return f"what answers at {self.address} is not the admin listener of a gate"

    def _read(self, status: int, text: bytes) -> dict[str, Any]:
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise GateError(self._stranger)
        if 200 <= status < 300:
            return document
        reason, detail = document.get("reason"), str(document.get("detail") or document.get("title") or "")
        if status == 401:
            lack = "wants an admin token" if self.token is None else "does not take this admin token"
            raise GateError(f"the gate at {self.address} {lack}: see admin.token, or set {_TOKEN}")
        if reason is None:
            raise GateError(self._stranger)
        if isinstance(problems := document.get("problems"), list):
            detail = "\n".join([detail, *map(str, problems)])
        raise UsageError(detail) if status in (400, 404) else GateError(detail)


def find_gate(config_path: Path | None, admin_url: str | None, option: str = "--admin") -> Gate:
    """The gate that the options name. Raises UsageError, or ConfigError for a policy that is not right.

    `option` is what the command calls the one of `admin_url`.
    """
    token = os.environ.get(_TOKEN) or None
    if config_path is None and admin_url is None:
        raise UsageError(f"name the gate: its policy with --config, or its admin listener with {option}")
    if config_path is not None:
        config = load_policy(config_path)
        token = config.admin_token or token
        if admin_url is None:
            admin_url = _reachable(config.admin_listen, option)
    assert admin_url is not None
    _check(admin_url, option)
    return Gate(admin_url.rstrip("/"), token)


def _reachable(listen: Any, option: str) -> str:
    """How to reach what listens there; all interfaces include loopback."""
    from gate.config.values import UnixAddress

    if isinstance(listen, UnixAddress):
        return f"unix:{listen.path}"
    if not listen.port:
        raise UsageError(f"the policy's admin.listen takes any free port: name the one it took with {option}")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104
    return f"http://[{host}]:{listen.port}" if ":" in host else f"http://{host}:{listen.port}"


def _check(url: str, option: str) -> None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme == "unix" or (
            parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        )
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment or parts.username or parts.password:
        raise UsageError(f"{option} takes http://HOST:PORT, https://HOST:PORT or unix:/PATH")


def _connect(address: str) -> HTTPConnection:
    """A connection to be; nothing of the environment has a say in it."""
    import socket
    from http.client import HTTPConnection, HTTPSConnection

    class UnixConnection(HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(address.removeprefix("unix:"))

    parts = urlsplit(address)
    if parts.scheme == "unix":
        return UnixConnection("localhost", timeout=_PATIENCE_S)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=_PATIENCE_S)
