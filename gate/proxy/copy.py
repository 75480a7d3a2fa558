"""A worker's copy of a table in the store: whole, asked without waiting, and behind the store by moments.

The copy is a mapping that never changes: a change makes another one. Changes that come close together are read
together, so a thousand of them cost a few readings. While the store is away the last copy stays in force, and
what was heard and could not be read is read when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from gate.errors import StoreError

# Between two readings: the first change is known at once, those of a crowd in few steps.
PAUSE_S: Final = 0.02
# For so long whoever changes an entry waits until it is known here: as long as others may know the one before.
LEARNT_S: Final = 1.0
_AT_ONCE: Final = 250
_RETRY_S: Final = 0.5
Entry = TypeVar("Entry")


class Copy(Generic[Entry]):
    """Follows a table of the store; to be started after the feed that calls `hear` and `miss`."""

    def __init__(
        self,
        what: str,
        read: Callable[[Iterable[str]], Awaitable[Mapping[str, Entry]]],
        read_all: Callable[[], Awaitable[Mapping[str, Entry]]],
        changed: Callable[[frozenset[str]], None],
        log: logging.Logger,
    ) -> None:
        """`what` its entries are called in the log. `changed` is given the names of those that are new, are
        others or are gone, after each change; `read` and `read_all` raise StoreError."""
        self._what = what
        self._read_some = read
        self._read_all = read_all
        self._changed = changed
        self._log = log
        self._known: Mapping[str, Entry] = MappingProxyType({})
        self._heard: set[str] = set()
        self._learning: list[asyncio.Future[None]] = []
        self._missed = True
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._whole = False

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries by name, as they are known now; this mapping never changes."""
        return self._known

    @property
    def whole(self) -> bool:
        """Whether all of them have been read, once."""
        return self._whole

    async def start(self, *, reachable: bool = True) -> None:
        """All entries are known, and followed from here on. Raises StoreError.

        With a store that is not reachable, they will be as soon as it is.
        """
        if reachable:
            await self._read()
        self._task = asyncio.create_task(self._follow(), name=self._what)

    async def stop(self) -> None:
        """The copy stays as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def hear(self, name: str) -> None:
        """An entry has changed, or is gone: it is read anew."""
        self._heard.add(name)
        self._wake.set()

    async def learn(self, names: Iterable[str], within_s: float = LEARNT_S) -> None:
        """What has become of these entries is known here; not later than `within_s`, if at all."""
        done = asyncio.get_running_loop().create_future()
        self._learning.append(done)
        self._heard.update(names)
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
                    self._log.warning("%s cannot be read, the last copy stays in force: %s", self._what, error)
                away = True
                await asyncio.sleep(_RETRY_S)
            else:
                if away:
                    self._log.warning("%s are read again: there are %d", self._what, len(self._known))
                away = False
                await asyncio.sleep(PAUSE_S)

    async def _read(self) -> None:
        """What was heard of is known, or all where some was missed. Raises StoreError: then ask again."""
        missed, self._missed = self._missed, False
        heard, done = set[str](), False
        learning: list[asyncio.Future[None]] = []
        try:
            known = dict(await self._read_all() if missed else self._known)
            # What was heard while all were read may have been read as it was before.
            heard, self._heard = self._heard, set()
            learning, self._learning = self._learning, []
            wanted = sorted(heard)
            for at in range(0, len(wanted), _AT_ONCE):
                names = wanted[at : at + _AT_ONCE]
                found = await self._read_some(names)
                for name in names:
                    if name in found:
                        known[name] = found[name]
                    else:
                        known.pop(name, None)
            done = True
        finally:
            if not done:
                self._heard |= heard
                self._missed |= missed
                self._learning += learning
        self._whole = True
        self._take(known, None if missed else heard)
        for each in learning:
            if not each.done():
                each.set_result(None)

    def _take(self, known: dict[str, Entry], heard: set[str] | None) -> None:
        before = self._known
        asked = before.keys() | known.keys() if heard is None else heard
        changed = frozenset(name for name in asked if before.get(name) != known.get(name))
        if changed:
            self._known = MappingProxyType(known)
            self._changed(changed)
