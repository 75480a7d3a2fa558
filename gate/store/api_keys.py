"""API keys that were made at runtime: in the store with their secrets sealed, and held whole by every gate.

All of an installation are in one hash, beside the feed, so that a change and the news of it are one script. As
every gate holds all of them, their number is bounded. What is in the store may be damaged, or be of a later
version of the gate: such a key is given as `Unreadable`, and verifies nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gate.core.token import digest
from gate.errors import StoreError, StoreFull, StoreUnavailable
from gate.store.client import Client
from gate.store.control import FEED_LENGTH
from gate.store.keys import API_KEYS, FEED, control_request

MOST_API_KEYS: Final = 10_000
# For how long a request that comes again is known.
REPEAT_S: Final = 600
# A page of them is read by a worker that serves viewers meanwhile.
_PAGE: Final = 250


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key as it is kept. `secret` is sealed (`gate.core.sealed_secret`); times are Unix seconds, by the
    store's clock."""

    id: str
    application: str
    secret: str = field(repr=False)
    enabled: bool
    made_at: float
    changed_at: float


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is kept under an API key's id, and is none."""

    problem: str


Entry = StoredKey | Unreadable


class ApiKeys:
    """The API keys of all gates on one store. Every method raises StoreUnavailable or StoreError.

    A `request` is its caller's own name for one wish, which repeated with it is fulfilled once; without one,
    a call is a wish of its own, and only an answer that was lost on the way is asked for again.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def put(
        self, application: str, key: str, secret: str, request: str | None = None
    ) -> StoredKey | None:
        """There is such a key, enabled, on every gate within a second; None where its id is taken.

        `secret` is sealed. Raises StoreFull where there are `MOST_API_KEYS`.
        """
        word, held = await self._change("put", application, key, secret, request)
        if word == b"full":
            raise StoreFull(f"there are {MOST_API_KEYS} API keys, and no more are kept: delete some first")
        return _whole(key, held) if word == b"done" and held else None

    async def set_enabled(
        self, application: str, key: str, enabled: bool, request: str | None = None
    ) -> StoredKey | None:
        """The key as it is now that it is switched on or off; None where the application has no such key."""
        word, held = await self._change("enable" if enabled else "disable", application, key, "", request)
        if word == b"damaged":
            raise _damaged(key)
        return _whole(key, held) if word == b"done" and held else None

    async def delete(self, application: str, key: str, request: str | None = None) -> bool:
        """There is no such key any more, on any gate within a second; tells whether there was one.

        One that cannot be read is anybody's to delete: whose it was nobody knows.
        """
        word, _ = await self._change("delete", application, key, "", request)
        return word == b"done"

    async def read(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Those of the keys that there are."""
        wanted = list(keys)
        if not wanted:
            return {}
        texts = await self._client.call("HMGET", API_KEYS, *wanted)
        return {key: _read(key, text) for key, text in zip(wanted, texts, strict=True) if text is not None}

    async def read_all(self) -> dict[str, Entry]:
        """All keys.

        What changes while they are read may be missing or as it was: whoever follows the feed from before
        reads it once more.
        """
        found: dict[str, Entry] = {}
        cursor = 0
        while True:
            following, page = await self._client.call("HSCAN", API_KEYS, cursor, "COUNT", _PAGE)
            for name, text in page.items():
                key = name.decode("utf-8", "replace")
                found[key] = _read(key, text)
            if not (cursor := int(following)):
                return found

    async def _change(
        self, kind: str, application: str, key: str, secret: str, request: str | None
    ) -> tuple[bytes, bytes]:
        wish = digest("api key", key, f"{kind}:{request or secrets.token_hex(16)}")
        keys = [API_KEYS, FEED, control_request(wish)]
        args: list[str | int] = [kind, key, application, secret, MOST_API_KEYS, REPEAT_S * 1000, FEED_LENGTH]
        try:
            word, held = await self._client.script("change_api_key", keys, args)
        except StoreUnavailable:
            word, held = await self._client.script("change_api_key", keys, args)
        return word, held


def _read(key: str, text: bytes) -> Entry:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, Mapping):
        return Unreadable("it is no JSON object")
    application, secret, enabled = (said.get(name) for name in ("application", "secret", "enabled"))
    made_ms, changed_ms = said.get("made_ms"), said.get("changed_ms")
    if (
        isinstance(application, str)
        and isinstance(secret, str)
        and isinstance(enabled, bool)
        and isinstance(made_ms, int | float)
        and isinstance(changed_ms, int | float)
    ):
        return StoredKey(key, application, secret, enabled, made_ms / 1000, changed_ms / 1000)
    return Unreadable("it lacks something, or has it in another form")


def _whole(key: str, text: bytes) -> StoredKey:
    entry = _read(key, text)
    if isinstance(entry, Unreadable):
        raise _damaged(key)
    return entry


def _damaged(key: str) -> StoreError:
    return StoreError(f"the store holds an API key that cannot be read, and verifies nothing: {key}; delete it")
