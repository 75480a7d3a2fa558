"""A worker's copy of the added streams (`gate.proxy.copy`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from gate.core.stream import Entry, Unreadable
from gate.proxy.copy import Copy
from gate.store.streams import Streams

_log: Final = logging.getLogger("gate.streams")


class KnownStreams(Copy[Entry]):
    """Follows the store's added streams."""

    def __init__(self, streams: Streams, changed: Callable[[frozenset[str]], None]) -> None:
        """`changed` is given the uids of streams that are new, are others or are gone, after each change."""

        async def read_all() -> Mapping[str, Entry]:
            found, _ = await streams.read_all()
            return found

        def take(uids: frozenset[str]) -> None:
            for uid in uids:
                if isinstance(entry := self.entries.get(uid), Unreadable):
                    _log.error("the added stream %s is closed to everybody: %s", uid, entry.problem)
            changed(uids)

        super().__init__("added streams", streams.read, read_all, take, _log)

    @property
    def streams(self) -> Mapping[str, Entry]:
        """The streams by uid, as they are known now; this mapping never changes."""
        return self.entries
