"""What is on disk of the demo's video objects.

A video is a folder, which is built elsewhere and appears and goes as a whole. What it has is what its
`video.json` says, which is replaced at once; each recording is a file of a new name, and a file that nothing
names any more is removed. One process at a time may use a directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

from gate.errors import GateError

_VIDEOS_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Stream:
    """A recording of a video. `file` names its file, None while nothing is recorded."""

    token: str
    created: int
    file: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Video:
    """A video as its video.json says it; times in Unix seconds."""

    token: str
    created: int
    key: str | None = None
    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    volatile: bool = False
    streams: tuple[Stream, ...] = ()

    def stream(self, token: str | None) -> Stream | None:
        """The stream of that token; of None, the first."""
        return next((stream for stream in self.streams if token in (None, stream.token)), None)

    def recorded(self, token: str | None, upload: Upload) -> Video | None:
        """The video with the file in that stream. None where it has no such stream."""
        stream = self.stream(token) or (new_stream() if token is None else None)
        if stream is None:
            return None
        filled = replace(stream, file=upload.file, size=upload.size)
        rest = tuple(other for other in self.streams if other.token != stream.token)
        at = self.streams.index(stream) if stream in self.streams else len(rest)
        return replace(self, streams=(*rest[:at], filled, *rest[at:]))


@dataclass(frozen=True, slots=True)
class Upload:
    """What came in a request's body: the name and size of the file, which is in the shelf's unfinished folder
    (None: there was none), and the fields of the form."""

    file: str | None = None
    size: int = 0
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)


def new_id() -> str:
    """32 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)


def new_stream(upload: Upload | None = None) -> Stream:
    stream = Stream(new_id(), int(time.time()))
    return stream if upload is None else replace(stream, file=upload.file, size=upload.size)


class Shelf:
    """The videos in a directory. Its methods block; any thread may call them.

    Raises GateError where what it has written is damaged.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.unfinished = directory / ".unfinished"
        self.images = directory / ".images"
        self._writes = threading.Lock()

    def open(self) -> None:
        """The folders exist, and nothing is left of what was unfinished when the last process ended."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        for folder in (self.unfinished, self.images):
            folder.mkdir(parents=True, exist_ok=True)
        named = set()
        for folder in self._directory.glob("[!.]*/*"):
            files = {stream.file for stream in _load(folder).streams}
            for path in folder.iterdir():
                if path.stem not in files and path.name != "video.json":
                    path.unlink()
            named |= files
        for path in self.images.iterdir():
            if path.stem not in named:
                path.unlink()

    def find(self, app: str, token: str) -> Video | None:
        try:
            return _load(self._directory / app / token)
        except FileNotFoundError:
            return None

    def every(self, app: str) -> list[Video]:
        """The videos of an application, the newest first."""
        found = [self.find(app, folder.name) for folder in self._directory.glob(f"{app}/*")]
        return sorted(
            (video for video in found if video is not None), key=lambda video: (-video.created, video.token)
        )

    def path(self, app: str, video: Video, stream: Stream) -> Path:
        return self._directory / app / video.token / f"{stream.file}.mp4"

    def add(self, app: str, video: Video) -> bool:
        """The video is there, with its file where it has one. False where there are as many as may be."""
        folder = self.unfinished / video.token
        folder.mkdir()
        try:
            for stream in video.streams:
                self._unfinished(stream.file).rename(folder / f"{stream.file}.mp4")
            _save(folder, video)
            with self._writes:
                if sum(1 for _ in self._directory.glob("[!.]*/*")) >= _VIDEOS_LIMIT:
                    return False
                (self._directory / app).mkdir(exist_ok=True)
                folder.rename(self._directory / app / video.token)
            return True
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def change(self, app: str, token: str, edit: Callable[[Video], Video | None]) -> Video | None:
        """The video is what `edit` makes of it, with the file that it names anew. None where there is no such
        video, or nothing to be made of it."""
        folder = self._directory / app / token
        with self._writes:
            video = self.find(app, token)
            edited = None if video is None else edit(video)
            if video is None or edited is None:
                return None
            old, new = ({stream.file for stream in each.streams} - {None} for each in (video, edited))
            gone = new - old
            try:
                for file in new - old:
                    self._unfinished(file).rename(folder / f"{file}.mp4")
                _save(folder, edited)
                gone = old - new
            finally:
                for file in gone:
                    (folder / f"{file}.mp4").unlink(missing_ok=True)
                    self.image(file).unlink(missing_ok=True)
        return edited

    def remove(self, app: str, token: str) -> bool:
        """The video is gone, with all its files. False where there was none."""
        gone = self.unfinished / f"{token}.gone"
        with self._writes:
            video = self.find(app, token)
            if video is None:
                return False
            (self._directory / app / token).rename(gone)
            with contextlib.suppress(OSError):
                (self._directory / app).rmdir()
        for stream in video.streams:
            self.image(stream.file).unlink(missing_ok=True)
        shutil.rmtree(gone)
        return True

    def image(self, file: str | None) -> Path:
        """Where the image of a file is kept. Each recording has a file of its own, so an image is never old."""
        return self.images / f"{file}.jpg"

    def _unfinished(self, file: str | None) -> Path:
        return self.unfinished / f"{file}.mp4"


def _load(folder: Path) -> Video:
    try:
        said = json.loads((folder / "video.json").read_bytes())
        said["streams"] = tuple(Stream(**stream) for stream in said["streams"])
        return Video(**{**said, "tags": tuple(said["tags"])})
    except (ValueError, TypeError, KeyError) as error:
        raise GateError(f"demo: {folder / 'video.json'} is damaged") from error


def _save(folder: Path, video: Video) -> None:
    unfinished = folder / ".video.json"
    try:
        with unfinished.open("w", encoding="ascii") as file:
            json.dump(asdict(video), file)
            sync(file)
        unfinished.replace(folder / "video.json")
    finally:
        unfinished.unlink(missing_ok=True)


def sync(file: IO[Any]) -> None:
    """What was written to the file is on the disk."""
    file.flush()
    os.fsync(file.fileno())
