"""How a gate begins with its store, and when it begins without.

A gate that knows its ticket keys, from the policy or from its last start, serves those who are watching while
its store is away: their links say what they may. One that does not cannot begin, and neither can one whose own,
embedded store does not.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import Final, Protocol

from gate.config.compile import Config
from gate.errors import StoreError, StoreReplica, StoreUnavailable
from gate.server.kept_keys import KeptKeys
from gate.store.client import Client
from gate.store.control import Control

_log: Final = logging.getLogger("gate")


class Follower(Protocol):
    """What follows the store: from now on, or from when it is there."""

    async def start(self, *, reachable: bool = True) -> None:
        """Raises StoreUnavailable where it is not reachable after all."""
        ...


class Beginning:
    """The steps of a start that ask the store. Each raises StoreError where there is no starting without it.

    `reachable` tells whether it was there until now.
    """

    def __init__(self, config: Config, kept_keys: KeptKeys) -> None:
        self._config = config
        self._kept_keys = kept_keys
        self.reachable = True

    async def find(self, stack: AsyncExitStack) -> str:
        """The URL of the store: the policy's, or that of one of the gate's own, which ends with the `stack`."""
        if self._config.store is not None:
            return self._config.store
        # Imported here: it needs file locks that not every platform has, and only this store needs it.
        from gate.store.embedded import EmbeddedValkey

        server = EmbeddedValkey(self._config.state_dir / "valkey")
        await server.start()
        stack.push_async_callback(server.stop)
        return server.url

    async def check(self, client: Client) -> None:
        """The store will do, if it is there. Raises StoreError for one that will not.

        A replica is one that is not there: a primary is that for a while where another has just taken over.
        """
        try:
            for warning in await client.check():
                _log.warning("%s", warning)
        except (StoreUnavailable, StoreReplica) as error:
            self._go_without(error)

    async def follow(self, follower: Follower) -> None:
        """The follower follows. A store that is loading its data tells about itself, and nothing else yet."""
        try:
            await follower.start(reachable=self.reachable)
        except StoreUnavailable as error:
            self._go_without(error)
            await follower.start(reachable=False)

    async def ticket_keys(self, control: Control) -> list[bytes]:
        """The keys of the policy, else those that the gates share, else those of the last start."""
        if self._config.ticket_keys:
            return list(self._config.ticket_keys)
        if self.reachable:
            try:
                keys = await control.ticket_keys(self._config.policy.sessions.ticket_rotation_s)
            except StoreUnavailable as error:
                self._go_without(error)
            else:
                self._kept_keys.write(keys)
                return keys
        return self._kept_keys.read()

    def _go_without(self, error: StoreError) -> None:
        if self._config.store is None or not (self._config.ticket_keys or self._kept_keys.read()):
            raise error
        self.reachable = False
        _log.error("starting without the store: %s", error)
