"""How the gate is, and what it stands on: its store and its origins, asked now, with short patience."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit

from gate.api.operations import Reloading
from gate.core.policy import Origin, Policy
from gate.errors import StoreError
from gate.proxy.origin import Failure, HttpUpstream
from gate.store.client import Client

_PATIENCE_S: Final = 1.0
_PROBES: Final = 16
VERSION: Final = version("gate")


@dataclass(frozen=True, slots=True)
class State:
    """What the gate knows of itself. Times are seconds: for how long the store took nothing down, and since the
    store's feed was last heard. `keys` tells of each source of published keys, by application."""

    policy: Policy
    faults: list[str]
    notes: list[str]
    reloading: Reloading
    store_away_s: float
    feed_silent_s: float
    keys: Mapping[str, list[dict[str, object]]]


class Health:
    """Tells how the gate is."""

    def __init__(self, state: Callable[[], State], store: Client, upstream: HttpUpstream) -> None:
        self._state = state
        self._store = store
        self._upstream = upstream

    async def ask(self) -> dict[str, object]:
        """The gate's state, its store's, and its origins', as plain data. Takes a second or two at the most."""
        state = self._state()
        origins = {rule.origin.name: rule.origin for rule in state.policy.rules}
        store, found = await asyncio.gather(
            ask_store(self._store), ask_origins(origins, self._upstream.failures)
        )
        return {
            "gate": VERSION,
            "ready": not state.faults,
            "faults": state.faults,
            "notes": state.notes,
            "policy": asdict(state.reloading),
            "store": {**store, "away_s": round(state.store_away_s, 3)},
            "feed": {"silent_s": round(state.feed_silent_s, 3)},
            "keys": state.keys,
            "origins": found,
        }


async def ask_store(client: Client) -> dict[str, object]:
    """What the store says of itself, and how long that took; or why it says nothing."""
    asked_at = time.monotonic()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            told = await client.describe()
    except TimeoutError:
        return {"address": client.name, "reachable": False, "error": f"no answer within {_PATIENCE_S:g} s"}
    except StoreError as error:
        return {"address": client.name, "reachable": False, "error": str(error)}
    latency_ms = round((time.monotonic() - asked_at) * 1000, 3)
    return {"address": client.name, "reachable": True, "error": None, "latency_ms": latency_ms, **told}


async def ask_origins(
    origins: Mapping[str, Origin], failures: Mapping[str, Failure]
) -> dict[str, dict[str, object]]:
    """Whether each origin takes connections now, and what it failed with last."""
    turn = asyncio.Semaphore(_PROBES)

    async def ask(origin: Origin) -> dict[str, object]:
        async with turn:
            probe = await _connect(origin)
        failure = failures.get(origin.name)
        last = None if failure is None else {"at": failure.at, "error": failure.text}
        return {"url": origin.url, **probe, "last_failure": last}

    answers = await asyncio.gather(*(ask(origin) for origin in origins.values()))
    return dict(zip(origins, answers, strict=True))


async def _connect(origin: Origin) -> dict[str, Any]:
    """A connection and nothing more: an origin is not asked for what nobody wants."""
    parts = urlsplit(origin.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    asked_at = time.monotonic()
    try:
        async with asyncio.timeout(min(_PATIENCE_S, origin.connect_timeout_s)):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        return {"reachable": False, "error": "no connection in time", "latency_ms": None}
    except OSError as error:
        known = error.errno is not None and error.errno > 0  # name resolution has numbers of its own
        why = os.strerror(error.errno) if known and error.errno is not None else "it cannot be reached"
        return {"reachable": False, "error": why, "latency_ms": None}
    latency_ms = round((time.monotonic() - asked_at) * 1000, 3)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return {"reachable": True, "error": None, "latency_ms": latency_ms}
