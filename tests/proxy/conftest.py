"""An origin that keeps objects, and gates that let sessions write to it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

OWN = {"session_owned": True}
ALL = {"all": True}


@dataclass
class Objects:
    """Objects by path, as an origin keeps them; `url` is where, `seen` what was asked of it."""

    kept: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    seen: list[Any] = field(default_factory=list)
    made: int = 0

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """PUT, PATCH, GET, DELETE of a path; POST makes a new one below it, or says its id as JSON."""
        path = request.raw_path.partition("?")[0]
        there = path in self.kept
        body = b"".join([piece async for piece in request.content.iter_any()])
        if request.headers.get("If-None-Match") == "*" and there:
            return web.Response(status=412)
        if request.headers.get("If-Match") == "*" and not there:
            return web.Response(status=412)
        match request.method:
            case "PUT":
                self.kept[path] = body
                return web.Response(status=204 if there else 201)
            case "POST":
                self.made += 1
                name = f"made{self.made}"
                if path.startswith("/json/"):
                    self.kept[f"/json/{name}/video"] = body
                    text = json.dumps({"token": name, "size": len(body)})
                    return web.Response(status=201, text=text, content_type="application/json")
                self.kept[f"{path}/{name}"] = body
                return web.Response(status=201, headers={"Location": f"{path}/{name}"})
            case "PATCH" if there:
                self.kept[path] += body
                return web.Response(status=204)
            case "DELETE" if there:
                del self.kept[path]
                return web.Response(status=204)
            case "GET" | "HEAD" if there:
                return web.Response(body=self.kept[path], content_type="video/mp4")
        return web.Response(status=404)


@pytest.fixture
async def objects(start_origin: Any) -> Objects:
    """A running origin of objects."""
    kept = Objects()
    kept.url, kept.seen = await start_origin(kept.serve)
    return kept


STREAMS = [
    {"match": "/files/{resource}/**", "layout": "object"},
    {"match": "/json/{resource}/**", "layout": "object", "created_field": "token"},
    {"match": "/flat/**", "layout": "object"},
    {"match": "/{resource}/**", "layout": "flussonic"},
]

OpenSession = Callable[..., Awaitable[str]]


@pytest.fixture
def start_writable(start_gate: Any) -> Callable[..., Awaitable[Any]]:
    """Starts a gate under whose rules objects can be written."""

    async def start(url: str, **policy: Any) -> Any:
        return await start_gate(url, **{"streams": STREAMS, **policy})

    return start


@pytest.fixture
def open_session(ask: Any) -> OpenSession:
    """Opens a session without a redirect; gives what its links begin with, `/_s/<ticket>`."""

    async def open_session(gate: Any, token: str, **headers: str) -> str:
        headers = {"Authorization": f"Bearer {token}", **headers}
        got = await ask(gate, "/_s", "POST", headers=headers)
        assert got.status == 201, (got.status, got.body)
        link = json.loads(got.body)["link"]
        assert got.headers["Location"] == f"{link}/"
        return str(link)

    return open_session
