"""The API keys that a worker verifies with: those of the policy, and beside them those made at runtime.

A key that is made, disabled or deleted on any gate is so here within a second (`gate.proxy.copy`): no token of
a disabled key verifies any more. Sessions that its tokens have opened go on, as they carry links, not tokens:
VideoSDK too checks a token at joining only. To end them as well, revoke them.

Of one id the policy's key counts: what an operator has written nobody takes over at runtime. A key whose secret
cannot be unsealed, or that cannot be read, is none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from gate.core.policy import ApiKey, Policy, VideoSdk
from gate.core.sealed_secret import unseal_secret
from gate.proxy.copy import Copy
from gate.store.api_keys import ApiKeys, Entry, StoredKey, Unreadable

_log: Final = logging.getLogger("gate.keys")


class KnownApiKeys(Copy[Entry]):
    """Follows the store's API keys, for one policy at a time."""

    def __init__(self, keys: ApiKeys, adopt: Callable[[str, Mapping[str, ApiKey]], None]) -> None:
        """`adopt` is given all keys of an application, by its name, whenever they have become others."""
        super().__init__("API keys", keys.read, keys.read_all, self._change, _log)
        self._adopt = adopt
        # What the policy itself says, by application, and the keys that are joined of it.
        self._own: dict[str, VideoSdk] = {}
        self._joined: dict[str, Mapping[str, ApiKey]] = {}
        # The secrets that are unsealed, None for one that cannot be, by application and id.
        self._secrets: dict[tuple[str, str], tuple[str, bytes | None]] = {}

    def follow(self, policy: Policy) -> Policy:
        """The keys of `policy`, its own, count from now on; gives it with those of the store beside them."""
        self._own = {
            name: application.videosdk
            for name, application in policy.applications.items()
            if application.videosdk is not None
        }
        self._secrets.clear()
        self._joined = self._join()
        for name, keys in self._joined.items():
            policy = policy.with_api_keys(name, keys)
        return policy

    @property
    def own(self) -> Mapping[str, VideoSdk]:
        """What the policy says of its applications of VideoSDK's, with its own keys alone."""
        return self._own

    def notes(self) -> list[str]:
        """Which keys verify nothing here, in a sentence for the operator."""
        lost = sorted(key for (_, key), (_, secret) in self._secrets.items() if secret is None)
        lost += sorted(key for key, entry in self.entries.items() if isinstance(entry, Unreadable))
        if not lost:
            return []
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        return [f"API keys that verify nothing, as their secrets cannot be read: {', '.join(lost[:3])}{more}"]

    def _change(self, changed: frozenset[str]) -> None:
        for key in changed:
            if isinstance(entry := self.entries.get(key), Unreadable):
                _log.error("the API key %s verifies nothing: %s", key, entry.problem)
        before, self._joined = self._joined, self._join()
        for name, keys in self._joined.items():
            if keys != before.get(name):
                self._adopt(name, keys)

    def _join(self) -> dict[str, Mapping[str, ApiKey]]:
        """All keys of each application: those of the store, and over them the policy's own."""
        made: dict[str, dict[str, ApiKey]] = {name: {} for name in self._own}
        secrets: dict[tuple[str, str], tuple[str, bytes | None]] = {}
        for key, entry in self.entries.items():
            if not isinstance(entry, StoredKey) or entry.application not in self._own:
                continue
            secret = self._unseal(entry)
            secrets[entry.application, key] = entry.secret, secret
            if secret is not None:
                made[entry.application][key] = ApiKey(key, secret, entry.enabled)
        self._secrets = secrets
        return {name: MappingProxyType({**made[name], **own.keys}) for name, own in self._own.items()}

    def _unseal(self, entry: StoredKey) -> bytes | None:
        sealed, secret = self._secrets.get((entry.application, entry.id), (None, None))
        if sealed == entry.secret:
            return secret
        secret = unseal_secret(self._own[entry.application].sealing, entry.application, entry.id, entry.secret)
        if secret is None:
            told = "none of the application's key_secrets unseals its secret"
            _log.error("the API key %s of %s verifies nothing: %s", entry.id, entry.application, told)
        return secret
