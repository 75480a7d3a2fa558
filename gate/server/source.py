"""Where the policy comes from: its file, the secret and key files that it names, and when one of them changes.

The folders are watched, never the files: an editor, and Kubernetes with its mounted maps, put another file in
a file's place, and a watch of the file would go on with the one that is gone. A path may lead over symbolic
links, as there (``gate.yaml -> ..data/gate.yaml``, ``..data -> ..2026_05_04``), and any of them may be turned
to something else; so each folder that holds a link or a file of the way is watched.

A watch is a hint only, and where a file system gives none, looking now and then does: what tells is whether a
file is another one than when it was read, by place, number, size and times.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

from gate.config.compile import Config, load_config

# A change is told when nothing was written for so long, and no later than that.
_QUIET_S: Final = 0.1
_AT_MOST_S: Final = 2.0
_LOOK_EVERY_S: Final = 5.0
_UNWATCHED_S: Final = 1.0
# As many as an operating system follows.
_LINKS: Final = 40

Look = tuple[int, int, int, int, int] | None
"""Of a file: device, number, size, and when its content and its state changed, in ns; None where it is not."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a path leads to its file: where it ends, and what stands at each turn."""

    end: str
    turns: frozenset[str]


class PolicySource:
    """A policy file on disk, read with one environment."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ
        self._files: frozenset[Path] = frozenset({path})
        self._seen: dict[Path, tuple[str, Look]] = {}

    def load(self) -> Config:
        """The policy as it is now. Raises ConfigError. Can be called in a thread, one call at a time."""
        before = _look_at(self._files)
        files: set[Path] = set()
        try:
            return load_config(self.path, self._environ, files)
        finally:
            self._files = frozenset({self.path, *files})
            # What is written while it is read must be seen as a change, so the look before counts.
            self._seen = {**_look_at(self._files - before.keys()), **_only(before, self._files)}

    def changed(self) -> bool:
        """Whether a file is another one than when it was read, or than this told last."""
        now = _look_at(self._files)
        if now == self._seen:
            return False
        self._seen = now
        return True

    def turns(self) -> frozenset[str]:
        """The links and files on the ways to all files: another policy begins with a change of one of these."""
        return frozenset[str]().union(*(way_to(file).turns for file in self._files))

    async def follow(self, tell: Callable[[], None]) -> None:
        """Calls `tell` a moment after each change, for as long as it runs."""
        while True:
            turns = await asyncio.to_thread(self.turns)
            await self._tell_of_change(tell)
            if not await self._watch({os.path.dirname(turn) for turn in turns}, turns, tell):
                # Looking by itself does, until there is something to watch again.
                await asyncio.sleep(_UNWATCHED_S)

    async def _tell_of_change(self, tell: Callable[[], None]) -> None:
        """Calls `tell` if a file has changed, once nothing is written any more: half a file is no policy."""
        if not await asyncio.to_thread(self.changed):
            return
        patience_s = _AT_MOST_S
        while patience_s > 0:
            await asyncio.sleep(_QUIET_S)
            patience_s -= _QUIET_S
            if not await asyncio.to_thread(self.changed):
                break
        tell()

    async def _watch(self, folders: set[str], turns: frozenset[str], tell: Callable[[], None]) -> bool:
        """Tells of changes until others than these are to be watched; False where none of these can be."""
        there = await asyncio.to_thread(lambda: [folder for folder in folders if os.path.isdir(folder)])
        if not there:
            return False

        looked = time.monotonic()

        def concerns(_: Change, path: str) -> bool:
            nonlocal looked
            # Where other files are written all the time, the watch never finds the time to look by itself.
            if path not in turns and time.monotonic() - looked < _LOOK_EVERY_S:
                return False
            looked = time.monotonic()
            return True

        try:
            async for _ in awatch(
                *there,
                watch_filter=concerns,
                debounce=200,
                step=50,
                rust_timeout=int(_LOOK_EVERY_S * 1000),
                yield_on_timeout=True,
                recursive=False,
                ignore_permission_denied=True,
            ):
                await self._tell_of_change(tell)
                if await asyncio.to_thread(self.turns) != turns:
                    return True
        except (OSError, RuntimeError):  # a folder has just gone, or the system follows no more of them
            return False
        return True


def way_to(path: Path) -> Way:
    """How `path` leads to its file, whether that is there or not."""
    turns: set[str] = set()
    todo = list(reversed(Path(os.path.abspath(path)).parts))
    here = todo.pop()
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            here = os.path.dirname(here)
            continue
        there = os.path.join(here, part)
        try:
            target = os.readlink(there)
        except (OSError, ValueError):
            here = there
            continue
        turns.add(there)
        links += 1
        if links > _LINKS:
            break
        if os.path.isabs(target):
            here = os.path.splitdrive(here)[0] + os.sep
        todo.extend(part for part in reversed(target.split(os.sep)) if part not in ("", "."))
    turns.add(here)
    return Way(here, frozenset(turns))


def _look_at(files: Iterable[Path]) -> dict[Path, tuple[str, Look]]:
    return {file: (way_to(file).end, _look(file)) for file in files}


def _look(file: Path) -> Look:
    try:
        stat = os.stat(file)
    except (OSError, ValueError):
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _only(looks: dict[Path, tuple[str, Look]], files: Iterable[Path]) -> dict[Path, tuple[str, Look]]:
    return {file: look for file, look in looks.items() if file in files}
