"""A shop whose videos stand behind running gates: what its server, its pages and their visitors do there."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from yarl import URL

from gate.demo.objects import make_objects
from gate.demo.origin import REQUESTS, Running, serve
from gate.formats import ziggeo

APP, OTHER_APP = "0123456789abcdef0123456789abcdef", "r1fedcba9876543210fedcba98765432"
PRIVATE, ENCRYPTION = "the private key of the shop", "the encryption key of the shop"
APPLICATION = {
    "formats": ["ziggeo"],
    "ziggeo": {"application_token": APP, "private_key": PRIVATE, "encryption_key": ENCRYPTION},
    "unlimited_ttl": True,
}
OTHER = {
    **APPLICATION,
    "ziggeo": {"application_token": OTHER_APP, "private_key": f"not {PRIVATE}", "encryption_key": "x" * 16},
}
PARAMETER = f"i07af2jp98rvoctt26y5egy3{APP}"
CLIP = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 40


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass
class Got:
    """A whole answer."""

    status: int
    phrase: str
    headers: Any
    body: bytes

    @property
    def reason(self) -> str | None:
        """The gate's reason, None where the answer is the origin's."""
        return self.headers.get("Gate-Reason")

    @property
    def said(self) -> tuple[int, str | None]:
        return self.status, self.reason

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Shop:
    """Gates of one store in front of one origin. `gates[0]` is asked where nobody says which."""

    http: ClientSession
    start: Callable[..., Awaitable[Any]]
    origin_url: str
    policy: dict[str, Any]
    gates: list[Any] = field(default_factory=list)
    names: Any = field(default_factory=itertools.count)

    app, other_app, parameter, clip = APP, OTHER_APP, PARAMETER, CLIP
    private, encryption = PRIVATE, ENCRYPTION
    videos = f"/v1/applications/{APP}/videos"
    credentials = basic(APP, PRIVATE)

    async def open_gate(self, **policy: Any) -> Any:
        """One more gate, as the others are but for `policy`."""
        self.gates.append(await self.start(self.origin_url, **{**self.policy, **policy}))
        return self.gates[-1]

    async def ask(
        self, target: str, method: str = "GET", *, gate: Any = None, address: str = "", **options: Any
    ) -> Got:
        """What a gate answers to the target, byte for byte; no redirect is followed."""
        fields = dict(options.pop("headers", {}))
        if address:
            fields["X-Forwarded-For"] = address
        url = URL((gate or self.gates[0]).url + target, encoded=True)
        options = {"headers": fields, "allow_redirects": False, **options}
        async with self.http.request(method, url, **options) as answer:
            return Got(answer.status, answer.reason or "", answer.headers, await answer.read())

    async def ask_as(self, name: str, target: str, method: str = "GET", **options: Any) -> Got:
        """What a browser of that name is answered, from an address of its own network."""
        fields = {"User-Agent": name, **options.pop("headers", {})}
        address = f"198.{sum(name.encode()) % 256}.{len(name)}.7"
        return await self.ask(target, method, headers=fields, address=address, **options)

    async def call(
        self, method: str, token: str = "", body: Any = None, *, gate: Any = None, **headers: str
    ) -> Got:
        """What the API for server-side tokens answers to the shop's server, which sends JSON, or a form."""
        fields = {**self.credentials, **headers}
        if isinstance(body, dict):
            body, fields["Content-Type"] = json.dumps(body), "application/json"
        return await self.ask(f"/v1/authtokens/{token}", method, gate=gate, headers=fields, data=body)

    async def create(self, *, gate: Any = None, **arguments: Any) -> str:
        """A new server-side token."""
        got = await self.call("POST", body=arguments, gate=gate)
        assert got.status == 200, (got.phrase, got.body)
        return str(got.json["token"])

    def write(self, nonce: str = "", **arguments: Any) -> str:
        """A new client-side token."""
        nonce = nonce or f"{time.time_ns()}{next(self.names)}"
        return ziggeo.write(arguments, APP, ENCRYPTION, iv=secrets.token_bytes(8), nonce=nonce)

    async def make(self, kind: str, **arguments: Any) -> str:
        """A new token, server-side or client-side."""
        return await self.create(**arguments) if kind == "server" else self.write(**arguments)

    async def page(self, query: str = "", gate: Any = None) -> str:
        """The session of a page that is opened now."""
        got = await self.ask(f"/v1/applications/{APP}/session{query}", "POST", gate=gate)
        assert got.status == 200, got.body
        said = got.json
        return str(said.get("responseText", said)["token"])

    def at(self, path: str, token: str = "", page: str = "", **more: str) -> str:
        """The target of something of the shop's videos, as a page with the token asks for it."""
        side = "server_auth" if len(token) == 32 else "client_auth"
        named = {side: token, PARAMETER: page, **more}
        query = "&".join(f"{name}={value}" for name, value in named.items() if value)
        path = path if path.startswith("/v1/applications/") else self.videos + path
        return f"{path}?{query}" if query else path

    def file(self, video: str, token: str = "", page: str = "", **more: str) -> str:
        """The target of a video's file."""
        return self.at(f"/{video}/video.mp4", token, page, **more)

    async def link(self, target: str, name: str = "browser", **options: Any) -> str:
        """The session link that a token's target leads to."""
        got = await self.ask_as(name, target, **options)
        assert got.status == 302, (got.status, got.body)
        assert got.headers["Location"].startswith("/_s/")
        return str(got.headers["Location"])

    async def add(self, body: bytes = CLIP, app: str = APP) -> str:
        """The token of a video that nobody has created through a gate."""
        url = f"{self.origin_url}/v1/applications/{app}/videos"
        async with self.http.post(url, data=body) as answer:
            assert answer.status == 201
            return str((await answer.json())["token"])


StartShop = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def videos(tmp_path: Path) -> AsyncIterator[Running]:
    """The shop's videos, on disk."""
    running = await serve(make_objects(tmp_path / "kept"))
    yield running
    await running.stop()


@pytest.fixture
def seen(videos: Running) -> Any:
    """The requests that have reached the shop's videos."""
    return videos.runner.app[REQUESTS]


@pytest.fixture
def start_shop(start_gate: Any, videos: Running, http: ClientSession) -> StartShop:
    """Starts gates in front of the shop's videos, or of another origin: so many, with what `application` says
    of the shop's, and the rest of the policy."""

    async def start(
        origin_url: str = "", *, gates: int = 1, application: dict[str, Any] | None = None, **policy: Any
    ) -> Shop:
        changed = application or {}
        credentials = {**APPLICATION["ziggeo"], **changed.get("ziggeo", {})}  # type: ignore[dict-item]
        policy = {
            "applications": {"shop": {**APPLICATION, **changed, "ziggeo": credentials}, "other": OTHER},
            "streams": [
                {"match": f"/v1/applications/{OTHER_APP}/**", "layout": "ziggeo", "application": "other"},
                {"match": "/v1/applications/**", "layout": "ziggeo", "application": "shop"},
            ],
            # Tests come from many addresses.
            "trusted_proxies": ["127.0.0.1/32"],
            **policy,
        }
        # In YAML what stands there twice would be an anchor and its alias.
        shop = Shop(http, start_gate, origin_url or videos.url, json.loads(json.dumps(policy)))
        for _ in range(gates):
            await shop.open_gate()
        return shop

    return start


@pytest.fixture
async def shop(start_shop: StartShop) -> Shop:
    """A shop of one gate."""
    return await start_shop()


@pytest.fixture
async def shops(start_shop: StartShop) -> Shop:
    """A shop of two gates on one store."""
    return await start_shop(gates=2)


@pytest.fixture
async def endless(start_origin: Any) -> str:
    """The URL of an origin whose files have no end."""

    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a piece of it all")
            await asyncio.sleep(0.02)

    return str((await start_origin(drip))[0])


@pytest.fixture
def watch(http: ClientSession) -> Callable[..., Awaitable[asyncio.Task[float]]]:
    """Begins to watch what has no end; its task gives when it broke off, in seconds of the monotonic clock."""

    async def begin(gate: Any, target: str) -> asyncio.Task[float]:
        running = asyncio.Event()

        async def watch() -> float:
            try:
                async with http.get(URL(gate.url + target, encoded=True)) as answer:
                    assert answer.status == 200, await answer.text()
                    async for _ in answer.content.iter_any():
                        running.set()
            except ClientError:
                return time.monotonic()
            raise AssertionError("the response came to a regular end")

        task = asyncio.create_task(watch())
        begun = asyncio.create_task(running.wait())
        await asyncio.wait({task, begun}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        assert running.is_set() or task.result()
        return task

    return begin
