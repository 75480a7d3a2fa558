"""The one importer of redis: a client with the gate's own time-outs, and errors of two kinds only.

The library's defaults would retry ten times, five seconds each, and send a counting command twice. Here a
call is tried once and is short; whoever calls decides whether the same question may be asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib.resources import files
from types import TracebackType
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import redis.exceptions as errors
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from gate.errors import StoreError, StoreReplica, StoreUnavailable
from gate.store.breaker import Breaker

# Asked twice, an opening is refused within half a second.
CALL_TIMEOUT_S: Final = 0.18
CONNECTIONS: Final = 64
_SLICES: Final = 10
SCRIPTS: Final = (
    "open",
    "commit",
    "give_back",
    "extend",
    "renew",
    "close",
    "list",
    "own",
    "revoke",
    "snapshot",
    "put_authtoken",
    "delete_authtoken",
    "drop_resource",
    "put_stream",
    "remove_stream",
    "change_api_key",
    "create_room",
    "read_room",
    "write_room",
    "page_rooms",
    "page_meetings",
    "keep_seats",
    "due_seats",
    "drop_seat",
)
OLDEST_REDIS: Final = (7, 0)
# Errors by which a server says that it cannot serve now, though it answers.
_PASSING: Final = ("LOADING", "READONLY", "OOM", "MISCONF", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS", "BUSY")
_PARTS: Final = frozenset({"connection_class", "host", "port", "path"})
# What a URL may set beside them; time-outs, pool and decoding are the gate's own.
_OPTIONS: Final = frozenset({"client_name", "db", "password", "username"})
_TLS_OPTIONS: Final = frozenset(
    {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile", "ssl_password"}
)
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
        self.name, options = _read_url(url)
        self._password = options.get("password", "")
        # Callers wait here for a connection. The library's own waiting pool forgets to wake the next one when
        # the one that it woke has just been cancelled or has run out of time.
        self._free = asyncio.Semaphore(connections)
        self._timeout_s = timeout_s
        self.breaker = Breaker()
        pool = ConnectionPool(
            max_connections=connections,
            # The deadline of a call is its only time-out: the library's own costs a task for each command sent,
            # and Python 3.11 loses a cancellation that arrives as that task ends.
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            # A server's notice of maintenance would stretch the time-outs.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **options,
        )
        self._redis = Redis.from_pool(pool)
        self._scripts = {name: self._redis.register_script(_source(name)) for name in SCRIPTS}

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        """The answer of one of the scripts in lua/."""
        return await self._ask(lambda: self._scripts[name](keys=list(keys), args=list(args)))

    async def call(self, *command: str | int | float | bytes) -> Any:
        """The answer of one command."""
        return await self._ask(lambda: self._redis.execute_command(*command))  # type: ignore[no-untyped-call]

    async def describe(self) -> dict[str, str]:
        """The server's version and role, and which of the two servers it is."""
        info = await self.call("INFO")
        kind = "valkey" if "valkey_version" in info else "redis"
        role = {"master": "primary", "slave": "replica"}.get(str(info.get("role")), "unknown")
        return {"server": kind, "version": _version(info), "role": role}

    async def check(self) -> list[str]:
        """Warnings about a server that will do; raises StoreError for one that may lose what it is told."""
        info = await self.call("INFO")
        version = _version(info)
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < OLDEST_REDIS:
            raise StoreError(
                f"store: {self.name} is version {version}; at least Redis 7.0 or Valkey 7.2 is needed"
            )
        if info.get("role") != "master":
            raise StoreReplica(f"store: {self.name} is a replica; name its primary")
        if (eviction := info.get("maxmemory_policy")) != "noeviction":
            raise StoreError(
                f"store: {self.name} may evict keys (maxmemory-policy {eviction}), and with them used nonces "
                "and session counts: set maxmemory-policy noeviction"
            )
        if not info.get("aof_enabled"):
            return [f"store: {self.name} keeps no append-only file: a restart may forget sessions and counts"]
        return []

    async def close(self) -> None:
        """No connection is left."""
        with contextlib.suppress(errors.RedisError, OSError):
            await self._redis.aclose()

    async def _ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        if not self.breaker.admits(time.monotonic()):
            raise StoreUnavailable(f"the store at {self.name} is out of reach: it was a moment ago")
        try:
            answer = await self._ask_within(call)
        except StoreUnavailable as error:
            if error.answered:
                # Nobody waits for a server that says no at once; and it may still answer what only reads.
                self.breaker.succeeded()
            else:
                self.breaker.failed(time.monotonic())
            raise
        except StoreError:
            self.breaker.succeeded()
            raise
        self.breaker.succeeded()
        return answer

    async def _ask_within(self, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with _Patience(self._timeout_s), self._free:
                return await call()
        except errors.RedisError as error:
            raise self._fault(error) from None
        except TimeoutError:
            text = f"no answer within {self._timeout_s:g} s"
            raise StoreUnavailable(f"the store at {self.name} is out of reach: {text}") from None
        except OSError as error:
            raise StoreUnavailable(f"the store at {self.name} is out of reach: {error}") from None

    def _fault(self, error: errors.RedisError) -> StoreError:
        if isinstance(error.__cause__, errors.RedisError):
            # What a server answers to a greeting is wrapped as if the connection had failed.
            error = error.__cause__
        # The library takes the code off the codes that it knows.
        text = " ".join(filter(None, (error.status_code, str(error)))) or type(error).__name__
        if self._password:
            # A server that does not know a command names its arguments, those of a greeting too.
            text = text.replace(self._password, "***")
        if isinstance(error, errors.AuthenticationError | errors.NoPermissionError):
            return StoreError(f"the store at {self.name} does not let the gate in: {text}")
        if isinstance(error, _OUTAGES) or text.startswith(_PASSING):
            answered = text.startswith(_PASSING)
            words = "cannot serve now" if answered else "is out of reach"
            return StoreUnavailable(f"the store at {self.name} {words}: {text}", answered=answered)
        return StoreError(f"the store at {self.name} refused a command: {text}")


class _Patience:
    """While inside for longer than `timeout_s`, TimeoutError is raised, as by asyncio.timeout; but not because
    the loop itself stood still for as long.

    Time passes in a few slices, and one begins only when the one before has ended. So what has arrived while
    the loop was busy with a crowd is read before the store is called silent.
    """

    def __init__(self, timeout_s: float) -> None:
        self._slice_s = timeout_s / _SLICES
        self._left = _SLICES
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._timer = self._loop.call_later(self._slice_s, self._pass)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _pass(self) -> None:
        self._left -= 1
        if self._left:
            self._timer = self._loop.call_later(self._slice_s, self._pass)
        else:
            self._timeout.reschedule(self._loop.time())


def _version(info: dict[str, Any]) -> str:
    return str(info.get("valkey_version") or info.get("redis_version", "0"))


def place_of(url: str) -> str:
    """Where a store is, as anybody may read it: no user, password or options. Raises StoreError."""
    return _read_url(url)[0]


@cache
def _source(name: str) -> str:
    return (files("gate.store") / "lua" / f"{name}.lua").read_text("utf-8")


def _read_url(url: str) -> tuple[str, dict[str, Any]]:
    """The server's name, fit for a log, and how to connect to it. Raises StoreError.

    A "/", "?", "#" or "@" that is not encoded in a password moves what follows it into another part of the
    URL. So nothing of a URL is named but its scheme, host, port, database and socket, each in its own form.
    """
    try:
        options: dict[str, Any] = dict(parse_url(url))
        parts = urlsplit(url)
        place = _place(parts, parts.port)
    except ValueError:
        place = None
    if place is None:
        raise StoreError(
            "store: the URL cannot be read; expected redis://[user:password@]host[:port][/database], "
            "rediss://... or unix://[user:password@]/path, with user and password percent-encoded"
        )
    known = _OPTIONS | _TLS_OPTIONS if parts.scheme == "rediss" else _OPTIONS
    if not options.keys() <= known | _PARTS:
        raise StoreError(f"store: {place}: the query of the URL may set only {', '.join(sorted(known))}")
    return place, options


def _place(parts: SplitResult, port: int | None) -> str | None:
    if parts.fragment or "@" in parts.query:
        return None
    if parts.scheme == "unix":
        return f"unix://{parts.path}" if parts.path and parts.netloc.rpartition("@")[2] == "" else None
    if (parts.netloc and not parts.hostname) or re.fullmatch("(/[0-9]*)?", parts.path) is None:
        return None
    host = parts.hostname or "localhost"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path}"
