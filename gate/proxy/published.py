"""The keys that issuers publish, fetched for as long as a gate runs (`gate.core.published` says when).

Whoever's key is known waits for none of this. A token of an unknown key waits for the fetch that runs, for a
moment and not with too many others, and is told to come back where nobody can say yet whether the key is good.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Self

from gate.core.keys import Algorithm, Key, Keyring, UnknownKey
from gate.core.policy import Application, Policy
from gate.core.published import KeySource, Publication, join
from gate.core.reasons import Deny, Reason
from gate.core.token import Token
from gate.errors import KeysError
from gate.formats import Reference, read_token
from gate.formats.jwk import LeakedKeysError, read_jwk_set
from gate.formats.signatures import UnfitKeyError
from gate.proxy.jwks import JwksClient
from gate.wire.metrics import Metrics

_log: Final = logging.getLogger("gate.keys")
# How long a token of an unknown key waits for the fetch that runs, and how many of them do.
PATIENCE_S: Final = 2.0
MOST_WAITING: Final = 1000
_CHANCE: Final = secrets.SystemRandom()


class PublishedKeys:
    """Follows the key sources of one policy at a time."""

    def __init__(self, metrics: Metrics, adopt: Callable[[str, Keyring], None]) -> None:
        """`adopt` is given an application's ring, by its name, whenever that has become another."""
        self._metrics = metrics
        self._adopt = adopt
        self._client = JwksClient()
        self._own: dict[str, Keyring] = {}
        self._rings: dict[str, Keyring] = {}
        self._feeds: dict[str, list[_Feed]] = {}
        self._waiting = 0

    def follow(self, policy: Policy) -> Policy:
        """The sources of `policy` are followed from now on; gives it with the keys that are known already.

        A source that the same application had before keeps what it has fetched.
        """
        now = time.monotonic()
        left = {(feed.application, *_identity(feed.source)): feed for feed in self._all()}
        self._own, self._feeds = {}, {}
        for name, application in policy.applications.items():
            if not application.key_sources:
                continue
            feeds = []
            for source in application.key_sources:
                kept = left.pop((name, *_identity(source)), None)
                feeds.append(self._begin(name, source) if kept is None else kept.under(source, now))
            self._own[name], self._feeds[name] = application.keyring, feeds
        for feed in left.values():
            feed.stop()
        self._rings = {name: self._join(name) for name in self._feeds}
        for name, ring in self._rings.items():
            policy = policy.with_keyring(name, ring)
        return policy

    async def read(self, text: str, application: Application, refusal: UnknownKey) -> Token | Deny:
        """What `text` is with the keys that its issuer publishes now: at once, or within `PATIENCE_S`.

        `refusal` is what it is with those that were known. Refused with KEYS_UNAVAILABLE where it cannot be
        told whether its issuer knows the key: our own trouble is not the viewer's fault.
        """
        name = application.name
        await self._wait(name, refusal.kid)
        # Of the policy in force: meanwhile there may have been a reload.
        ring = self._rings.get(name)
        if ring is None:
            return refusal
        read = read_token(text, replace(application, keyring=ring))
        if isinstance(read, UnknownKey) and not all(feed.state.settled for feed in self._feeds[name]):
            return Deny(Reason.KEYS_UNAVAILABLE)
        # What names a key is a token itself.
        return refusal if isinstance(read, Reference) else read

    def ask_soon(self, name: str) -> None:
        """An application's sources are asked, unless they rest: a token names a key that is not known."""
        now = time.monotonic()
        for feed in self._feeds.get(name, ()):
            if feed.state.ready(now):
                feed.ask()

    def describe(self) -> dict[str, list[dict[str, object]]]:
        """What is known of each source, by application, as plain data."""
        now = time.monotonic()
        return {name: [feed.describe(now) for feed in feeds] for name, feeds in self._feeds.items()}

    def notes(self) -> list[str]:
        """Which keys cannot be fetched now, in sentences for the operator."""
        return [
            f"the keys of {feed.application} cannot be fetched from {feed.source.place}: {feed.state.problem}"
            for feed in self._all()
            if feed.state.failures
        ]

    async def stop(self) -> None:
        """Nothing is fetched any more."""
        feeds, self._feeds = self._all(), {}
        flights = [feed.flight for feed in feeds if feed.flight is not None]
        for feed in feeds:
            feed.stop()
        if flights:
            await asyncio.wait(flights)
        await self._client.close()

    async def _wait(self, name: str, kid: str | None) -> None:
        """The key is there, or nothing that runs can bring it; or it takes too long, or too many wait."""
        self.ask_soon(name)
        flights = {feed.flight for feed in self._feeds.get(name, ()) if feed.flight is not None}
        if not flights or self._waiting >= MOST_WAITING:
            return
        until = time.monotonic() + PATIENCE_S
        self._waiting += 1
        try:
            while flights and (left_s := until - time.monotonic()) > 0:
                _, flights = await asyncio.wait(flights, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if kid is not None and kid in self._rings.get(name, ()):
                    return
        finally:
            self._waiting -= 1

    def _begin(self, name: str, source: KeySource) -> _Feed:
        feed = _Feed(name, source, self._client, self._metrics, self._take)
        feed.ask()
        return feed

    def _take(self, name: str) -> None:
        """A source of the application has been asked."""
        ring, before = self._join(name), self._rings[name]
        if len(ring) != len(before) or not ring.holds(before):
            self._rings[name] = ring
            self._adopt(name, ring)

    def _join(self, name: str) -> Keyring:
        return join(self._own[name], (feed.state for feed in self._feeds[name]))

    def _all(self) -> list[_Feed]:
        return [feed for feeds in self._feeds.values() for feed in feeds]


class _Feed:
    """One source of one application: what is known of it, the fetch that runs, and when the next one does."""

    def __init__(
        self,
        application: str,
        source: KeySource,
        client: JwksClient,
        metrics: Metrics,
        tell: Callable[[str], None],
    ) -> None:
        self.application = application
        self.source = source
        self.state = Publication()
        self.flight: asyncio.Task[None] | None = None
        self._client = client
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._fetches = metrics.jwks_fetches.labels(application)
        self._failures = metrics.jwks_failures.labels(application)

    def ask(self) -> None:
        """A fetch runs, this one or one that ran already."""
        if self.flight is None:
            self.state = self.state.begin()
            self.flight = asyncio.create_task(self._run(), name=f"keys of {self.application}")

    def under(self, source: KeySource, now: float) -> Self:
        """It goes on, by the times of another policy."""
        self.source, self.state = source, self.state.under(source, now)
        if self.flight is None:
            self._plan()
        return self

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self.flight is not None:
            self.flight.cancel()

    def describe(self, now: float) -> dict[str, object]:
        state = self.state
        return {
            "url": self.source.place,
            "keys": sorted(key.kid for key in state.keys),
            "age_s": None if state.fetched_at is None else round(now - state.fetched_at, 3),
            "failures": state.failures,
            "error": state.problem or None,
        }

    async def _run(self) -> None:
        keys: tuple[Key, ...] | None = None
        problem, leaked = "a fault of the gate's own", False
        self._fetches.inc()
        try:
            raw = await self._client.fetch(self.source.url)
            # In a thread: a large set takes a while to read, in which viewers are served.
            keys = await asyncio.to_thread(read_jwk_set, raw, self.source.algorithm, published=True)
        except (KeysError, UnfitKeyError) as error:
            problem, leaked = str(error), isinstance(error, LeakedKeysError)
        finally:
            if not self._stopped:
                self._end(keys, problem, leaked=leaked)

    def _end(self, keys: tuple[Key, ...] | None, problem: str, *, leaked: bool) -> None:
        if keys is None:
            self._fail(problem, leaked=leaked)
        else:
            self._succeed(keys)
        self.flight = None
        self._plan()
        self._tell(self.application)

    def _succeed(self, keys: Iterable[Key]) -> None:
        before, healed = {key.kid for key in self.state.keys}, self.state.failures > 0
        self.state = self.state.succeed(self.source, keys, time.monotonic(), _CHANCE.random())
        kids = {key.kid for key in self.state.keys}
        if healed or kids != before or not kids:
            level = logging.INFO if kids else logging.WARNING
            told = f"{', '.join(map(repr, sorted(kids))) or 'none that verifies tokens'}"
            gone = f"; no more: {', '.join(map(repr, sorted(before - kids)))}" if before - kids else ""
            _log.log(level, "keys of %s from %s: %s%s", self.application, self.source.place, told, gone)

    def _fail(self, problem: str, *, leaked: bool) -> None:
        self._failures.inc()
        now = time.monotonic()
        self.state = self.state.fail(self.source, problem, now, _CHANCE.random(), leaked=leaked)
        kept = len(self.state.keys)
        _log.warning(
            "keys of %s cannot be fetched from %s: %s; %s",
            self.application,
            self.source.place,
            problem,
            f"the {kept} known before stay in force" if kept else "there are none from there",
        )

    def _plan(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0.0, self.state.due_at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.ask)


def _identity(source: KeySource) -> tuple[str, Algorithm | None]:
    """What makes a source the same in another policy."""
    return source.url, source.algorithm
