"""What the vendor's SDKs are given: the gate as their server, an origin with two videos behind it, and no more.

They are as published, and where the environment says: GATE_SDK_PYTHON is the directory that was given to
``pip install --target``, GATE_NODE_MODULES the ``node_modules`` of an ``npm install``. One that is missing is a
failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import FormData, web

from gate.demo.objects import make_objects
from gate.demo.origin import REQUESTS, serve
from gate.demo.recorder import ffmpeg
from gate.server.public import PublicHandler

if TYPE_CHECKING:
    from playwright.async_api import Browser

APP = "0123456789abcdef0123456789abcdef"
PRIVATE = "00112233445566778899aabbccddeeff"
ENCRYPTION = "ffeeddccbbaa99887766554433221100"
VIDEOS = f"/v1/applications/{APP}/videos"
PAGE = f"i07af2jp98rvoctt26y5egy3{APP}"
# As config/ziggeo.yaml has it.
SHOP: dict[str, Any] = {
    "applications": {
        "shop": {
            "formats": ["ziggeo"],
            "ziggeo": {
                "application_token": APP,
                "private_key": PRIVATE,
                "encryption_key": ENCRYPTION,
                "volatile_grace": "1s",
            },
            "unlimited_ttl": True,
            "rights": ["live", "dvr", "copy"],
            "auth_required_for": ["read", "create", "update", "destroy"],
        }
    },
    "streams": [{"match": f"/v1/applications/{APP}/**", "layout": "ziggeo"}],
    "cors": {"origins": ["*"]},
}
SCRIPTS = {"python": "calls.py", "node": "calls.js"}


@dataclass
class Asked:
    """A request that the gate got, and what it answered; no status where the client left before that."""

    method: str
    target: str
    status: int | None = None
    reason: str | None = None
    phrase: str | None = None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every request to a gate that starts afterwards, in the order of arrival."""
    every: list[Asked] = []
    handle = PublicHandler.handle

    async def note(self: PublicHandler, request: web.BaseRequest) -> web.StreamResponse:
        every.append(one := Asked(request.method, request.raw_path))
        answer = await handle(self, request)
        one.status, one.reason, one.phrase = answer.status, answer.headers.get("Gate-Reason"), answer.reason
        return answer

    monkeypatch.setattr(PublicHandler, "handle", note)
    return every


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds of video."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    source = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=4")
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10")
    subprocess.run(
        [ffmpeg(), "-v", "error", *source, *coding, "-movflags", "+faststart", str(path)], check=True
    )
    return path.read_bytes()


@dataclass
class Shop:
    """A gate with the application of the SDKs, before an origin that has `videos`, two of them."""

    gate: Any
    film: bytes
    origin: web.Application
    asked: list[Asked]
    ask: Any
    videos: list[str] = field(default_factory=list)
    application = APP
    credentials = (APP, PRIVATE, ENCRYPTION)

    def origin_seen(self) -> list[Any]:
        """What has reached the origin."""
        return list(self.origin[REQUESTS])

    async def visit(self) -> str:
        """The query of a page that was opened just now."""
        got = await self.ask(self.gate, f"/v1/applications/{APP}/session?&noauth=false", "POST")
        assert got.status == 200, got.body
        return f"{PAGE}={json.loads(got.body)['token']}"

    async def does(self, parameter: str, page: str, method: str, path: str = "", data: Any = None) -> Any:
        """The answer to a request for `path` below the videos, with a token: `client_auth=...`."""
        return await self.ask(self.gate, f"{VIDEOS}{path}?{parameter}&{page}", method, data=data)

    async def watches(self, parameter: str, page: str, video: str) -> Any:
        """200 where the token plays the whole video in that page, else why not."""
        got = await self.does(parameter, page, "GET", f"/{video}/video.mp4")
        assert got.reason is not None or got.body == self.film
        return got.reason or got.status

    def uploaded(self) -> FormData:
        """The film as a form, as recorders send it."""
        form = FormData()
        form.add_field("file", self.film, filename="film.mp4", content_type="video/mp4")
        return form


StartShop = Callable[..., Awaitable[Shop]]


@pytest_asyncio.fixture
async def start_shop(
    tmp_path: Path, film: bytes, asked: list[Asked], start_gate: Any, ask: Any, http: Any
) -> AsyncIterator[StartShop]:
    """Starts a shop, with a policy of its own where one is given."""
    async with AsyncExitStack() as stack:

        async def start(**policy: Any) -> Shop:
            app = make_objects(tmp_path / "kept")
            origin = await serve(app)
            stack.push_async_callback(origin.stop)
            gate = await start_gate(origin.url, **{**SHOP, **policy})
            shop = Shop(gate, film, app, asked, ask)
            for _ in range(2):
                async with http.post(origin.url + VIDEOS, data=shop.uploaded()) as answer:
                    assert answer.status == 201
                    shop.videos.append((await answer.json())["token"])
            app[REQUESTS].clear()
            return shop

        yield start


@pytest_asyncio.fixture
async def shop(start_shop: StartShop) -> AsyncIterator[Shop]:
    shop = await start_shop()
    yield shop
    for seen in shop.origin_seen():
        said = f"{seen.raw_path} {seen.headers}"
        assert "_auth" not in said
        assert PAGE not in said
        assert "Basic" not in said


@pytest.fixture
def installed() -> Callable[[str, str], Path]:
    """Gives where something is, below the directory that a variable of the environment names."""

    def find(variable: str, what: str) -> Path:
        assert variable in os.environ, f"{variable} does not say where the SDK is"
        path = Path(os.environ[variable]) / what
        assert path.exists(), f"there is no {path}"
        return path

    return find


@dataclass
class Sdk:
    """One of the vendor's server-side SDKs in a process of its own, whose server is a gate."""

    language: str
    _process: asyncio.subprocess.Process

    async def end(self, name: str, *arguments: Any) -> dict[str, Any]:
        """How a call ended: `create`, `get`, `update`, `delete`, `generate` or `video`.

        With a result, or with the status and the body of a failure.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(40):
            self._process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
            line = await self._process.stdout.readline()
        assert line, "the SDK has ended the program"
        told: dict[str, Any] = json.loads(line)
        return told

    async def call(self, name: str, *arguments: Any) -> Any:
        """What the SDK gives: a refusal too, where that is all that its user sees of one."""
        told = await self.end(name, *arguments)
        assert "result" in told, told
        return told["result"]

    async def refusal(self, name: str, *arguments: Any) -> tuple[int, str]:
        """Status and text that the user is shown: Python's as a result, Node's as a failure."""
        told = await self.end(name, *arguments)
        if self.language == "python":
            assert set(told["result"]) == {"code", "msg"}
            return int(told["result"]["code"]), told["result"]["msg"]
        body = json.loads(told["body"])
        assert (body["error"], body["code"]) == (True, told["status"])
        return told["status"], body["msg"]

    def written(self, grants: dict[str, Any]) -> Any:
        """The grants as users write them into calls of the API: Python's SDK encodes no dictionary there."""
        return json.dumps(grants) if self.language == "python" else grants


@pytest.fixture(params=list(SCRIPTS))
def language(request: pytest.FixtureRequest) -> str:
    """Each that has an SDK to be had."""
    return str(request.param)


StartSdk = Callable[..., Awaitable[Sdk]]


@pytest_asyncio.fixture
async def start_sdk(language: str, installed: Any) -> AsyncIterator[StartSdk]:
    """Starts the language's SDK with a gate as its server; several of one test are processes of their own."""
    async with AsyncExitStack() as stack:

        async def start(gate: Any, private_key: str = PRIVATE, app: str = APP) -> Sdk:
            script = Path(__file__).with_name(SCRIPTS[language])
            if language == "python":
                command = [
                    sys.executable,
                    "-I",
                    str(script),
                    str(installed("GATE_SDK_PYTHON", "Ziggeo.py").parent),
                ]
            else:
                command = [_node(), str(script), str(installed("GATE_NODE_MODULES", "ziggeo"))]
            process = await asyncio.create_subprocess_exec(
                *(*command, gate.url, app, private_key, ENCRYPTION),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={"PATH": os.environ["PATH"], "no_proxy": "*"},
            )
            stack.push_async_callback(_end, process)
            return Sdk(language, process)

        yield start


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _node() -> str:
    node = shutil.which("node")
    assert node is not None, "there is no node"
    return node


@pytest.fixture
def demo(installed: Any) -> Callable[..., Awaitable[str]]:
    """Runs a demo of the SDK for Node, as it is; gives what it prints."""

    async def run(name: str, *arguments: str) -> str:
        script = installed("GATE_NODE_MODULES", f"ziggeo/demos/{name}")
        process = await asyncio.create_subprocess_exec(
            *(_node(), str(script), *arguments), stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(20):
                told, _ = await process.communicate()
        finally:
            await _end(process)
        assert process.returncode == 0
        return told.decode().strip()

    return run


StartBrowser = Callable[[Any, int], Awaitable["Browser"]]


@pytest_asyncio.fixture
async def start_browser() -> AsyncIterator[StartBrowser]:
    """Starts Debian's Chromium, to which `shop.test` is a server of pages, and the vendor's servers are a gate:
    those that its SDK asks where a page says `ZiggeoLocal`."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright, AsyncExitStack() as stack:

        async def start(gate: Any, pages: int) -> Browser:
            hosts = {"shop.test": pages, "localhost:93": gate.port, "localhost:7342": gate.port}
            servers = ", ".join(f"MAP {host} 127.0.0.1:{port}" for host, port in hosts.items())
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=[
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--autoplay-policy=no-user-gesture-required",
                    f"--host-resolver-rules={servers}",
                ],
            )
            stack.push_async_callback(browser.close)
            return browser

        yield start
