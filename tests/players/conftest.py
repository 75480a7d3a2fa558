"""What the players are given: a live stream and two long files behind a gate, and tokens that count."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web

from gate.core.token import token_id
from gate.demo.origin import REQUESTS, make_app, make_clip, serve
from gate.demo.recorder import Recorder
from gate.proxy.gatekeeper import Gatekeeper
from gate.store.client import Client

if TYPE_CHECKING:
    from playwright.async_api import Browser

LIVE = "/cam1/index.m3u8"
CLIP = "/files/video/clip.mp4"
TAIL = "/files/video/tail.mp4"
# Two ways of saying that a token plays once. A player plays both at the same time, each with its own.
COUNTED: dict[str, dict[str, Any]] = {"limited": {"session_limit": 1}, "once": {"single_use": True}}


@dataclass
class Asked:
    """A request that the gate got, and what it answered; no status where the player left before that."""

    method: str
    target: str
    range: str
    status: int | None = None
    reason: str | None = None

    @property
    def bare(self) -> bool:
        """Whether it was the token URL."""
        return "token=" in self.target

    def __str__(self) -> str:
        place = "token" if self.bare else "link"
        name = self.target.partition("?")[0].rpartition("/")[2]
        words = (self.status, self.reason, self.method, place, name, self.range)
        return " ".join(str(word) for word in words if word)


@dataclass
class Stage:
    """A gate before the origin of LIVE and of two files: CLIP with its index in front, TAIL with it behind."""

    gate: Any
    origin: web.Application
    store: Client
    asked: list[Asked]
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, name: str, resource: str) -> str:
        """The token of this name, which plays `resource` once."""
        claims = {"jti": name, "nonce": name, **COUNTED[name]}
        return self.tokens.setdefault(name, self.gate.token(resource, **claims))

    def url(self, path: str, name: str) -> str:
        """The token URL of a path."""
        return f"{self.gate.url}{path}?token={self.token(name, path.split('/')[-2])}"

    def seeks(self) -> int:
        """How many requests asked for something else than the start of a file."""
        return sum(asked.range not in ("", "bytes=0-") for asked in self.asked if asked.status != 302)

    async def sessions(self, name: str) -> int:
        """How many sessions of a token the store has counted."""
        keys = await self.store.call("KEYS", f"gate:{{*}}:t:{token_id('demo', name)}")
        return sum([await self.store.call("SCARD", key) for key in keys])

    async def played_once(self) -> None:
        """Each token that was handed out has opened one session, the gate refused nothing, and no token
        reached the origin. (The origin may: VLC asks for what is behind the end of a file, and gets 416.)"""
        assert self.tokens
        assert [str(asked) for asked in self.asked if asked.reason is not None] == []
        assert {name: await self.sessions(name) for name in self.tokens} == dict.fromkeys(self.tokens, 1)
        for seen in self.origin[REQUESTS]:
            for token in self.tokens.values():
                assert token not in f"{seen.raw_path} {seen.headers}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every request to a gate that starts afterwards, in the order of arrival."""
    every: list[Asked] = []
    handle = Gatekeeper.handle

    async def note(self: Gatekeeper, request: web.BaseRequest) -> web.StreamResponse:
        every.append(one := Asked(request.method, request.raw_path, request.headers.get("Range", "")))
        answer = await handle(self, request)
        one.status, one.reason = answer.status, answer.headers.get("Gate-Reason")
        return answer

    monkeypatch.setattr(Gatekeeper, "handle", note)
    return every


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files of twenty minutes and 24 MB: more than a player buffers while it plays a bit."""
    folder = tmp_path_factory.mktemp("files")
    await make_clip(folder / "short.mp4", duration_s=60)
    copy = ["ffmpeg", "-v", "error", "-stream_loop", "19", "-i", str(folder / "short.mp4"), "-c", "copy"]
    for name, flags in (("clip", ["-movflags", "+faststart"]), ("tail", [])):
        copying = await asyncio.create_subprocess_exec(*copy, *flags, str(folder / f"{name}.mp4"))
        assert await copying.wait() == 0
    return folder


@pytest.fixture
def policy() -> dict[str, Any]:
    """What the gate's policy says beside its defaults; for a test to say otherwise."""
    return {}


@pytest_asyncio.fixture
async def stage(
    tmp_path: Path,
    files: Path,
    asked: list[Asked],
    start_gate: Any,
    store_url: str,
    policy: dict[str, Any],
) -> AsyncIterator[Stage]:
    media = tmp_path / "media"
    (media / "files").mkdir(parents=True)
    (media / "files" / "video").symlink_to(files)
    store = Client(store_url, timeout_s=5)
    async with Recorder(media):
        app = make_app(media)
        origin = await serve(app)
        yield Stage(await start_gate(origin.url, **policy), app, store, asked)
        print(*asked, sep="\n")  # shown where a test fails, or by -rP
        await origin.stop()
    await store.close()


@dataclass
class Ended:
    """How a program ended and everything it printed."""

    status: int
    output: str


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
def run() -> Run:
    """Runs a program to its end: `run(program, arguments ...)`.

    `say` is what it is told on its standard input, lines in turn with seconds to wait. `unprivileged` runs it
    as nobody where we are root, because there are players that refuse to run as root.
    """

    async def call(
        *command: str, say: Sequence[str | float] = (), unprivileged: bool = False, timeout_s: float = 60
    ) -> Ended:
        user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}
        user["env"] = {**os.environ, "HOME": "/nonexistent"}
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if say else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            **(user if unprivileged and os.geteuid() == 0 else {}),
        )
        telling = asyncio.create_task(_tell(process.stdin, say))
        try:
            async with asyncio.timeout(timeout_s):
                assert process.stdout is not None
                output = await process.stdout.read()
                status = await process.wait()
        finally:
            telling.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        print(*command, "\n", output.decode(errors="replace"))  # shown where a test fails, or by -rP
        return Ended(status, output.decode(errors="replace"))

    return call


async def _tell(stdin: asyncio.StreamWriter | None, say: Sequence[str | float]) -> None:
    """Everything was said, or nobody listens any more."""
    with contextlib.suppress(ConnectionError):
        for word in say:
            if isinstance(word, str) and stdin is not None:
                stdin.write(f"{word}\n".encode())
                await stdin.drain()
            elif not isinstance(word, str):
                await asyncio.sleep(word)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--autoplay-policy=no-user-gesture-required",
            ],
        )
        yield browser
        await browser.close()
