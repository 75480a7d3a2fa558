"""What the tests of the demo have in common: patience with ffmpeg on a machine that is busy or stands still, an
origin of video objects, and two videos to put there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from gate.demo import recorder
from gate.demo.objects import make_objects
from gate.demo.origin import Running, serve
from gate.demo.recorder import ffmpeg

LIMIT = 500_000


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """A recording has long to begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "_START_DEADLINE_S", 100)
        yield


def clip(folder: Path, colour: str) -> bytes:
    """A second of one colour."""
    path = folder / f"{colour}.mp4"
    source = ("-f", "lavfi", "-i", f"color={colour}:size=64x48:rate=10:duration=1")
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart", str(path))
    subprocess.run([ffmpeg(), "-v", "error", *source, *coding], check=True)
    return path.read_bytes()


@pytest.fixture(scope="session")
def red(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip(tmp_path_factory.mktemp("clips"), "red")


@pytest.fixture(scope="session")
def blue(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip(tmp_path_factory.mktemp("clips"), "blue")


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[Running]:
    running = await serve(make_objects(tmp_path / "kept", upload_limit=LIMIT))
    yield running
    await running.stop()


@pytest.fixture
async def client(origin: Running) -> AsyncIterator[ClientSession]:
    async with ClientSession(origin.url) as session:
        yield session


Do = Callable[..., Awaitable[Any]]


@pytest.fixture
def do(client: ClientSession) -> Do:
    """Does something and gives the JSON of the answer, which has that status and is ASCII."""

    async def do(method: str, path: str, status: int = 200, **options: Any) -> Any:
        async with client.request(method, path, **options) as answer:
            body = await answer.read()
            assert (answer.status, answer.content_type) == (status, "application/json"), body
            assert "Accept-Ranges" not in answer.headers
            return json.loads(body.decode("ascii"))

    return do
