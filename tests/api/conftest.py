"""A policy as it runs, tokens for it, and the operators' way into running gates."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession

from gate.config.compile import load_config
from gate.core.policy import Policy
from gate.formats import jwt

SECRET = "a secret of more than thirty-two bytes, for tests"


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    document = {
        "origins": {"origin": {"url": "http://127.0.0.1:9000/base"}},
        "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
        "streams": [
            {"match": "/public/**", "access": "public", "layout": "object"},
            {"match": "/{resource}/**"},
        ],
    }
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    return load_config(path, {}).policy


@pytest.fixture
def sign(policy: Policy) -> Callable[..., str]:
    """Signs claims over those of a plain token: live on cam1, one hour."""

    def make(**claims: Any) -> str:
        now = int(time.time())
        plain = {"iat": now, "exp": now + 3600, "jti": "t1", "live": True}
        key = next(iter(policy.applications["demo"].keyring))
        return jwt.sign({**plain, "grants": {"read": {"resources": ["cam1"]}}, **claims}, key)

    return make


AskAdmin = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def ask_admin(http: ClientSession) -> AskAdmin:
    """Asks a gate's admin API: `ask_admin(gate, method, target, body=None, **headers)`; status and JSON."""

    async def ask(gate: Any, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        fields = {"Content-Type": "application/json", **headers}
        data = None if body is None else json.dumps(body)
        async with http.request(method, gate.admin_url + target, data=data, headers=fields) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    return ask
