"""A worker's copy of the added streams: whole, asked without waiting, and behind the store by moments.

The copy is a mapping that never changes: a change makes another one. Changes that come close together are read
together, so a thousand of them cost a few readings. While the store is away the last copy stays in force, and
what was heard and could not be read is read when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from gate.core.stream import Entry, Unreadable
from gate.errors import StoreError
from gate.store.streams import Streams

# Between two readings: the first change is known at once, those of a crowd in few steps.
PAUSE_S: Final = 0.02
# For so long whoever changes a stream waits until it is known here: as long as others may know the one before.
LEARNT_S: Final = 1.0
_AT_ONCE: Final = 250
_RETRY_S: Final = 0.5
_log: Final = logging.getLogger("gate.streams")


class KnownStreams:
    """Follows the store's added streams; to be started after the feed that calls `hear` and `miss`."""

    def __init__(self, streams: Streams, changed: Callable[[frozenset[str]], None]) -> None:
        """`changed` is given the uids of streams that are new, are others or are gone, after each change."""
        self._store = streams
        self._changed = changed
        self._known: Mapping[str, Entry] = MappingProxyType({})
        self._heard: set[str] = set()
        self._learning: list[asyncio.Future[None]] = []
        self._missed = True
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.generation: int | None = None

    @property
    def streams(self) -> Mapping[str, Entry]:
        """The streams by uid, as they are known now; this mapping never changes."""
        return self._known

    @property
    def whole(self) -> bool:
        """Whether all of them have been read, once."""
        return self.generation is not None

    async def start(self, *, reachable: bool = True) -> None:
        """All streams are known, and followed from here on. Raises StoreError.

        With a store that is not reachable, they will be as soon as it is.
        """
        if reachable:
            await self._read()
        self._task = asyncio.create_task(self._follow(), name="added streams")

    async def stop(self) -> None:
        """The copy stays as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def hear(self, uid: str) -> None:
        """A stream has changed, or is gone: it is read anew."""
        self._heard.add(uid)
        self._wake.set()

    async def learn(self, uids: Iterable[str], within_s: float = LEARNT_S) -> None:
        """What has become of these streams is known here; not later than `within_s`, if at all."""
        done = asyncio.get_running_loop().create_future()
        self._learning.append(done)
        self._heard.update(uids)
        self._wake.set()
        await asyncio.wait([done], timeout=within_s)

    def miss(self) -> None:
        """Some change may not have been heard of: all are read anew."""
        self._missed = True
        self._wake.set()

    async def _follow(self) -> None:
        away = False
        while True:
            if not (self._missed or self._heard):
                await self._wake.wait()
            self._wake.clear()
            try:
                await self._read()
            except StoreError as error:
                if not away:
                    _log.warning("added streams cannot be read, the last copy stays in force: %s", error)
                away = True
                await asyncio.sleep(_RETRY_S)
            else:
                if away:
                    _log.warning("added streams are read again: there are %d", len(self._known))
                away = False
                await asyncio.sleep(PAUSE_S)

    async def _read(self) -> None:
        """What was heard of is known, or all where some was missed. Raises StoreError: then ask again."""
        missed, self._missed = self._missed, False
        heard, done, generation = set[str](), False, self.generation
        learning: list[asyncio.Future[None]] = []
        try:
            if missed:
                known, generation = await self._store.read_all()
            else:
                known = dict(self._known)
            # What was heard while all were read may have been read as it was before.
            heard, self._heard = self._heard, set()
            learning, self._learning = self._learning, []
            wanted = sorted(heard)
            for at in range(0, len(wanted), _AT_ONCE):
                uids = wanted[at : at + _AT_ONCE]
                found = await self._store.read(uids)
                for uid in uids:
                    if uid in found:
                        known[uid] = found[uid]
                    else:
                        known.pop(uid, None)
            done = True
        finally:
            if not done:
                self._heard |= heard
                self._missed |= missed
                self._learning += learning
        self.generation = generation
        self._take(known, None if missed else heard)
        for each in learning:
            if not each.done():
                each.set_result(None)

    def _take(self, known: dict[str, Entry], heard: set[str] | None) -> None:
        before = self._known
        asked = before.keys() | known.keys() if heard is None else heard
        changed = frozenset(uid for uid in asked if before.get(uid) != known.get(uid))
        if not changed:
            return
        for uid in changed:
            if isinstance(entry := known.get(uid), Unreadable):
                _log.error("the added stream %s is closed to everybody: %s", uid, entry.problem)
        self._known = MappingProxyType(known)
        self._changed(changed)
