"""The one importer of redis: a client with the gate's own time-outs, and errors of two kinds only.

The library's defaults would retry ten times, five seconds each, and send a counting command twice. Here a
call is tried once and is short; whoever calls decides whether the same question may be asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

import redis.exceptions as errors
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gate.errors import StoreError, StoreUnavailable

CALL_TIMEOUT_S: Final = 0.25
CONNECTIONS: Final = 64
SCRIPTS: Final = ("open", "commit", "renew", "close", "revoke", "snapshot")
OLDEST_REDIS: Final = (7, 0)
# Errors by which a server says that it cannot serve now, though it answers.
_PASSING: Final = ("LOADING", "READONLY", "OOM", "MISCONF", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS", "BUSY")
_OUTAGES: Final = (
    errors.ConnectionError,
    errors.TimeoutError,
    errors.ReadOnlyError,
    errors.OutOfMemoryError,
    errors.ClusterDownError,
)


class Client:
    """A connection pool to one server. Every call raises StoreUnavailable or StoreError, nothing else."""

    def __init__(self, url: str, *, timeout_s: float = CALL_TIMEOUT_S, connections: int = CONNECTIONS) -> None:
        """`url` is redis://, rediss:// or unix://. Raises StoreError for one that cannot be read."""
        try:
            options: dict[str, Any] = dict(parse_url(url))
        except ValueError as error:
            raise StoreError(f"store: {error}") from None
        self.name = _without_secrets(url)
        pool = BlockingConnectionPool(
            max_connections=connections,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            **options,
        )
        self._redis = Redis.from_pool(pool)
        self._scripts = {name: self._redis.register_script(_source(name)) for name in SCRIPTS}

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        """The answer of one of the scripts in lua/."""
        try:
            return await self._scripts[name](keys=list(keys), args=list(args))
        except errors.RedisError as error:
            raise self._fault(error) from None
        except (OSError, TimeoutError) as error:
            raise StoreUnavailable(f"the store at {self.name} is out of reach: {error}") from None

    async def call(self, *command: str | int | float | bytes) -> Any:
        """The answer of one command."""
        try:
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except errors.RedisError as error:
            raise self._fault(error) from None
        except (OSError, TimeoutError) as error:
            raise StoreUnavailable(f"the store at {self.name} is out of reach: {error}") from None

    async def check(self) -> list[str]:
        """Warnings about a server that will do; raises StoreError for one that may lose what it is told."""
        info = await self.call("INFO")
        version = str(info.get("valkey_version") or info.get("redis_version", "0"))
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < OLDEST_REDIS:
            raise StoreError(
                f"store: {self.name} is version {version}; at least Redis 7.0 or Valkey 7.2 is needed"
            )
        if info.get("role") != "master":
            raise StoreError(f"store: {self.name} is a replica; name its primary")
        if (eviction := info.get("maxmemory_policy")) != "noeviction":
            raise StoreError(
                f"store: {self.name} may evict keys (maxmemory-policy {eviction}), and with them used nonces "
                "and session counts: set maxmemory-policy noeviction"
            )
        if not info.get("aof_enabled"):
            return [f"store: {self.name} keeps no append-only file: a restart may forget sessions and counts"]
        return []

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _fault(self, error: errors.RedisError) -> StoreError:
        text = str(error) or type(error).__name__
        if isinstance(error, errors.AuthenticationError | errors.NoPermissionError):
            return StoreError(f"the store at {self.name} does not let the gate in: {text}")
        if isinstance(error, _OUTAGES) or text.startswith(_PASSING):
            return StoreUnavailable(f"the store at {self.name} is out of reach: {text}")
        return StoreError(f"the store at {self.name} refused a command: {text}")


def _source(name: str) -> str:
    return (files("gate.store") / "lua" / f"{name}.lua").read_text("utf-8")


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
