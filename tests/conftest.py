"""What the tests stand on: one real Valkey, real origins, real gates, each on a free port of loopback."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml
from _pytest.runner import runtestprotocol
from aiohttp import ClientSession, DummyCookieJar, web
from aiohttp.test_utils import RawTestServer
from hypothesis import HealthCheck, settings
from multidict import CIMultiDictProxy
from yarl import URL

from gate.config.compile import load_config
from gate.formats import jwt
from gate.server.node import Node
from gate.store.client import Client
from gate.store.embedded import EmbeddedValkey

SECRET = "a secret of more than thirty-two bytes, for tests"
ATTEMPTS: Final = 5
TICK_S: Final = 0.02

# How long an example takes says more of this machine than of the gate.
settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


class HoldUps(threading.Thread):
    """Sees, while it runs, for how long this machine, or this process on it, stood still."""

    def __init__(self) -> None:
        super().__init__(name="hold-ups", daemon=True)
        self.longest_s = self.total_s = 0.0
        self.retold: list[str] = []
        self._began = time.monotonic()

    def run(self) -> None:
        while True:
            since = time.monotonic()
            time.sleep(TICK_S)
            late_s = time.monotonic() - since - TICK_S
            self.longest_s, self.total_s = max(self.longest_s, late_s), self.total_s + late_s

    def begin(self) -> None:
        self.longest_s = self.total_s = 0.0
        self._began = time.monotonic()

    @property
    def spoil(self) -> bool:
        """Whether what was to happen in time since the beginning may have been kept from it: by one stop, or
        by a machine on which little runs when it should."""
        return self.longest_s > 0.1 or self.total_s > (time.monotonic() - self._began) / 3


HOLD_UPS: Final = pytest.StashKey[HoldUps]()


def pytest_configure(config: pytest.Config) -> None:
    told = "proves something of short times; tried again where it failed on a machine that stood still"
    config.addinivalue_line("markers", f"timed: {told}")
    config.stash[HOLD_UPS] = HoldUps()
    config.stash[HOLD_UPS].start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A timed test is tried again, from its fixtures on, where it failed while the machine stood still: that
    proves nothing. What fails on a machine that did not stand still has failed."""
    if item.get_closest_marker("timed") is None:
        return None
    hold_ups = item.config.stash[HOLD_UPS]
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(1, ATTEMPTS + 1):
        hold_ups.begin()
        item._initrequest()  # type: ignore[attr-defined]  # new fixtures: pytest has no other word for it
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if not any(report.failed for report in reports) or not hold_ups.spoil or attempt == ATTEMPTS:
            break
        late_s = f"{hold_ups.longest_s:.1f} s at once, {hold_ups.total_s:.1f} s in all"
        hold_ups.retold.append(f"{item.nodeid} was tried again, the machine had stood still: {late_s}")
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[HOLD_UPS].retold:
        terminalreporter.line(line)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One Valkey for the whole run."""
    async with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest_asyncio.fixture
async def store_url(valkey_url: str) -> str:
    """The store, emptied for this test."""
    client = Client(valkey_url, timeout_s=5)
    await client.call("FLUSHALL")
    await client.close()
    return valkey_url


@dataclass
class Running:
    """A gate that runs in this process."""

    node: Node
    folder: Path

    @property
    def port(self) -> int:
        assert self.node.public is not None
        assert self.node.public.port is not None
        return self.node.public.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        assert self.node.admin is not None
        return f"http://127.0.0.1:{self.node.admin.port}"

    def token(self, *resources: str, **claims: Any) -> str:
        """A token: read on `resources` (all without any), live, one hour; claims of None are left out."""
        grant = {"resources": list(resources)} if resources else {"all": True}
        claims = {"grants": {"read": grant}, "live": True, "exp": int(time.time()) + 3600, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        key = next(iter(self.node.config.policy.applications["demo"].keyring))
        return jwt.sign(claims, key)


@dataclass
class Seen:
    """A request as an origin got it."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)


StartGate = Callable[..., Awaitable[Running]]
StartOrigin = Callable[..., Awaitable[tuple[str, list[Seen]]]]


@pytest_asyncio.fixture
async def start_gate(store_url: str, tmp_path: Path) -> AsyncIterator[StartGate]:
    """Starts a gate in front of `origin_url`; several of one test share the store. `policy` is merged in."""
    async with AsyncExitStack() as stack:
        count = 0

        async def start(origin_url: str, **policy: Any) -> Running:
            nonlocal count
            count += 1
            folder = tmp_path / f"gate{count}"
            folder.mkdir()
            document = {
                "listen": "127.0.0.1:0",
                "admin": {"listen": "127.0.0.1:0"},
                "store": store_url,
                "drain": "100ms",
                "origins": {"origin": {"url": origin_url}},
                "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
                "streams": [
                    {"match": "/public/**", "access": "public", "layout": "object"},
                    {"match": "/closed/**", "access": "none"},
                    {"match": "/files/{resource}/**", "layout": "object"},
                    {"match": "/{resource}/**", "layout": "flussonic"},
                ],
                **policy,
            }
            path = folder / "gate.yaml"
            path.write_text(yaml.safe_dump(document))
            node = Node(load_config(path, {}))

            async def reread() -> None:
                node.reload(lambda: load_config(path, {}))

            node.reread = reread
            await stack.enter_async_context(node)
            return Running(node, folder)

        yield start


@pytest_asyncio.fixture
async def start_origin() -> AsyncIterator[StartOrigin]:
    """Starts an origin with a handler; gives its URL and the list of requests that it got."""
    async with AsyncExitStack() as stack:

        async def start(
            handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        ) -> tuple[str, list[Seen]]:
            seen: list[Seen] = []

            async def note(request: web.BaseRequest) -> web.StreamResponse:
                seen.append(Seen(request.method, request.raw_path, dict(request.headers)))
                return await handler(request)

            running = RawTestServer(note, auto_decompress=False)
            await running.start_server()
            stack.push_async_callback(running.close)
            return f"http://127.0.0.1:{running.port}", seen

        yield start


@pytest_asyncio.fixture
async def http() -> AsyncIterator[ClientSession]:
    """A client that keeps no cookies and writes no URL anew. Pass `yarl.URL(text, encoded=True)`."""
    async with ClientSession(
        cookie_jar=DummyCookieJar(), auto_decompress=False, requote_redirect_url=False
    ) as session:
        yield session


SendRaw = Callable[[int, bytes], Awaitable[bytes]]


@pytest.fixture
def send_raw() -> SendRaw:
    """Sends bytes to a loopback port; gives all that comes back until the other side closes, as it must."""

    async def send(port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = b""
        try:
            async with asyncio.timeout(20):
                while piece := await reader.read(65536):
                    answer += piece
        except ConnectionError:
            pass
        finally:
            writer.close()
        return answer

    return send


@dataclass
class Got:
    """A whole answer."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def reason(self) -> str | None:
        """The gate's reason, None where the answer is the origin's."""
        return self.headers.get("Gate-Reason")


AskGate = Callable[..., Awaitable[Got]]


@pytest.fixture
def ask(http: ClientSession) -> AskGate:
    """Asks a gate for a target, byte for byte; follows no redirect: `ask(gate, target, method, **options)`."""

    async def ask(gate: Running, target: str, method: str = "GET", **options: Any) -> Got:
        url = URL(gate.url + target, encoded=True)
        async with http.request(method, url, allow_redirects=False, **options) as answer:
            return Got(answer.status, answer.headers, await answer.read())

    return ask


API_TOKEN: Final = "a-token-of-the-api"
RPC: Final = {"listener": "public", "tokens": [API_TOKEN]}
CallRpc = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def rpc_section() -> dict[str, Any]:
    """The section of a policy whose RPC is on the public listener, for callers with one API token."""
    return dict(RPC)


@pytest.fixture
def call_rpc(ask: AskGate) -> CallRpc:
    """Calls a method of a gate's RPC by name: `call_rpc(gate, method, **params)`; status and JSON."""

    async def call(gate: Running, method: str, /, **params: Any) -> tuple[int, Any]:
        body = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        got = await ask(gate, "/api/", "POST", json=body, headers=headers)
        return got.status, json.loads(got.body) if got.body else None

    return call


OpenLink = Callable[..., Awaitable[str]]


@pytest.fixture
def open_link(ask: AskGate) -> OpenLink:
    """Opens a session at a target with a token; gives its link, which is path-absolute."""

    async def open_link(gate: Running, target: str, token: str, **options: Any) -> str:
        mark = "&" if "?" in target else "?"
        got = await ask(gate, f"{target}{mark}token={token}", **options)
        assert got.status == 302, (got.status, got.body)
        assert got.headers["Location"].startswith("/_s/")
        return got.headers["Location"]

    return open_link


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhls/segment1.ts\n"


async def serve_media(request: web.BaseRequest) -> web.StreamResponse:
    """A playlist for every .m3u8, 404 for a path with `missing` in it, and else bytes that name the target."""
    path = request.raw_path.partition("?")[0]
    if "missing" in path:
        return web.Response(status=404, text="the origin has no such thing")
    if path.endswith(".m3u8"):
        return web.Response(body=PLAYLIST, content_type="application/vnd.apple.mpegurl")
    return web.Response(body=b"media of " + path.encode(), content_type="video/mp2t")


@pytest_asyncio.fixture
async def media(start_origin: StartOrigin) -> tuple[str, list[Seen]]:
    """An origin that serves a live stream under every name; its URL and the list of requests that it got."""
    return await start_origin(serve_media)


Script = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
StartRawOrigin = Callable[[Script], Awaitable[str]]


@pytest_asyncio.fixture
async def start_raw_origin() -> AsyncIterator[StartRawOrigin]:
    """Starts an origin that says byte by byte what its script writes: `script(head, reader, writer)`, once for
    each connection; then the connection is closed. Gives its URL."""
    async with AsyncExitStack() as stack:

        async def start(script: Script) -> str:
            tasks: set[asyncio.Task[None]] = set()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await script(await reader.readuntil(b"\r\n\r\n"), reader, writer)
                    await writer.drain()
                except (ConnectionError, asyncio.IncompleteReadError):
                    pass
                finally:
                    writer.close()

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.get_running_loop().create_task(serve(reader, writer))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            async def stop() -> None:
                server.close()
                for task in list(tasks):
                    task.cancel()
                if tasks:
                    await asyncio.wait(tasks)

            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            stack.push_async_callback(stop)
            return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield start
