"""A policy file, and the command line in this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from gate.cli import group
from gate.core.keys import Algorithm, Key
from gate.formats import jwt
from gate.formats.ziggeo import write

SECRET = "a secret of more than thirty-two bytes, for tests"
KEY = Key("k1", Algorithm.HS256, SECRET.encode())

Run = Callable[..., Result]
WritePolicy = Callable[..., Path]


@pytest.fixture
def write_policy(tmp_path: Path) -> WritePolicy:
    """Writes a policy file; keywords replace its top-level keys."""

    def write(**keys: Any) -> Path:
        document = {
            "origins": {"origin": {"url": "http://127.0.0.1:9000/base"}},
            "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
            "streams": [
                {"match": "/public/**", "access": "public", "layout": "object"},
                {"match": "/closed/**", "access": "none"},
                {"match": "/office/**", "access": "protected", "networks": ["10.0.0.0/8"]},
                {"match": "/files/{resource}/**", "layout": "object"},
                {"match": "/{resource}/**"},
            ],
            **keys,
        }
        path = tmp_path / "gate.yaml"
        # By way of JSON, because the gate's YAML has no anchors for what stands twice.
        path.write_text(yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False), "utf-8")
        return path

    return write


@pytest.fixture
def policy(write_policy: WritePolicy) -> Path:
    return write_policy()


@pytest.fixture
def run() -> Run:
    """Runs `gate` with these arguments in this process."""

    def call(*arguments: object, **options: Any) -> Result:
        return CliRunner().invoke(group, [str(argument) for argument in arguments], prog_name="gate", **options)

    return call


@pytest.fixture
def refuse(run: Run, policy: Path) -> Callable[..., str]:
    """The one line that says why `gate token` mints nothing."""

    def call(*arguments: object, config: Path = policy) -> str:
        result = run("token", "--config", config, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix("gate: ").strip()

    return call


APP = "0123456789abcdef0123456789abcdef"
ENCRYPTION_KEY = "an encryption key of Ziggeo's"


@pytest.fixture
def ziggeo() -> dict[str, Any]:
    """An application of Ziggeo's, as a policy file has it; tokens need no end."""
    return {
        "formats": ["ziggeo"],
        "unlimited_ttl": True,
        "ziggeo": {
            "application_token": APP,
            "private_key": "a private key of Ziggeo's",
            "encryption_key": ENCRYPTION_KEY,
        },
    }


@pytest.fixture
def ziggeo_policy(write_policy: WritePolicy, ziggeo: dict[str, Any]) -> Path:
    """A policy of that application alone, for its videos."""
    streams = [{"match": f"/v1/applications/{APP}/**", "layout": "ziggeo"}]
    return write_policy(applications={"shop": ziggeo}, streams=streams)


@pytest.fixture
def encrypt() -> Callable[..., str]:
    """A client-side token of that application: read on v1, unless its arguments say something else."""

    def make(**arguments: Any) -> str:
        said = {"grants": {"read": {"resources": ["v1"]}}, **arguments}
        return write(said, APP, ENCRYPTION_KEY, iv=bytes(8), nonce=said.pop("nonce", "n1"))

    return make


@pytest.fixture
def sign() -> Callable[..., str]:
    """Signs claims over those of a plain token: live on cam1, one hour; None drops a claim."""

    def make(key: Key = KEY, **claims: Any) -> str:
        now = int(time.time())
        claims = {
            "iat": now,
            "exp": now + 3600,
            "jti": "t1",
            "grants": {"read": {"resources": ["cam1"]}},
            "live": True,
            **claims,
        }
        return jwt.sign({name: value for name, value in claims.items() if value is not None}, key)

    return make


@dataclass
class CannedOrigin:
    """Where it is, what it answers to which target, and what it was asked: target and header fields."""

    url: str
    answers: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def origin() -> Iterator[CannedOrigin]:
    """A real server in a thread; it answers 404 to what it knows nothing of."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            canned.asked.append((self.path, dict(self.headers.items())))
            body = canned.answers.get(self.path)
            self.send_response(canned.statuses.get(self.path, 404 if body is None else 200))
            for name, value in (canned.fields if body is not None else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        canned = CannedOrigin(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield canned
        finally:
            server.shutdown()
            thread.join()
