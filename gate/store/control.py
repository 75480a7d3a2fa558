"""What every gate on one store knows at once: revocations, and the keys that seal tickets.

Revocations are a sorted set that each gate holds whole, and a stream that tells of new ones. A gate reads
the set and the stream's last id in one step, then follows the stream from there: nothing is missed between.
The wait for the next entry is bounded, so each of its answers, even an empty one, is a heartbeat; a feed
that has been silent for longer is an outage of the store, not peace, and is read anew from the set.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Final

from gate.core.revocation import Revocations
from gate.errors import StoreError
from gate.store.client import Client
from gate.store.keys import FEED, REVOKED, TICKET_KEYS
from gate.store.room_texts import News, load_news

HEARTBEAT_S: Final = 1.0
FEED_LENGTH: Final = 100_000
# After a longer silence the feed may have been trimmed past the entry that was read last.
SILENCE_S: Final = 3 * HEARTBEAT_S
_RETRY_S: Final = 0.5
_log: Final = logging.getLogger("gate.store")


class Control:
    """Follows the control stream. `revoked` is up to date while `silent_s` is small."""

    def __init__(
        self,
        client: Client,
        url: str,
        on_revoked: Callable[[], None],
        *,
        on_lost: Callable[[str, str], None] = lambda session, client: None,
        on_renewed: Callable[[str, float | None, str], None] = lambda session, ends_at, token: None,
        on_ticket_keys: Callable[[list[bytes]], None] = lambda keys: None,
        on_authtokens: Callable[[str, list[str]], None] = lambda application, names: None,
        on_streams: Callable[[str], None] = lambda uid: None,
        on_api_keys: Callable[[str], None] = lambda key: None,
        on_room: Callable[[News], None] = lambda news: None,
        on_missed: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_revoked` is called after new entries have come into force.

        The others are told of a playback that lost its place (session, client), of a session that lives on
        (session, end in Unix seconds or None, the fresh token's id), of new keys for tickets, of server-side
        tokens that have changed or are gone (application, names), of an added stream that has (uid), of an API
        key that has (id), of what has happened in a room, and that news may have been missed: what is known of
        such tokens, streams, keys and rooms is to be read anew.
        """
        self.revoked = Revocations()
        self._client = client
        # A blocking read needs a connection and a time-out of its own, and so does a set of many entries.
        self._feed = Client(url, timeout_s=SILENCE_S, connections=2)
        self._on_revoked = on_revoked
        self._on_lost = on_lost
        self._on_renewed = on_renewed
        self._on_ticket_keys = on_ticket_keys
        self._on_authtokens = on_authtokens
        self._on_streams = on_streams
        self._on_api_keys = on_api_keys
        self._on_room = on_room
        self._on_missed = on_missed
        self._task: asyncio.Task[None] | None = None
        self._last = "0-0"
        self._heard = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the feed was last heard."""
        return time.monotonic() - self._heard

    async def start(self, *, reachable: bool = True) -> None:
        """The revocations in force are known, and followed from here on. Raises StoreError.

        With a store that is not reachable, they will be as soon as it is.
        """
        if reachable:
            await self._read_all()
        self._task = asyncio.create_task(self._follow(lost=not reachable), name="control feed")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._feed.close()

    async def revoke(self, entry: str, until_s: float | None) -> None:
        """`entry` is in force on every gate within a second, until Unix time `until_s` (None: for ever).

        Raises ValueError for what is no entry, before any gate hears of it.
        """
        until = "inf" if until_s is None else str(int(until_s) + 1)
        Revocations().add(entry, float(until))
        await self._client.script("revoke", [REVOKED, FEED], [entry, until, FEED_LENGTH])
        self.revoked.add(entry, float(until))
        self._on_revoked()

    async def tell_lost(self, session: str, client: str) -> None:
        """Every gate hears that a playback has lost its place, and ends it."""
        await self._tell("lost", session, "client", client)

    async def tell_renewed(self, session: str, ends_at: float | None, token: str) -> None:
        """Every gate hears that a session lives on."""
        await self._tell("renewed", session, "ends", "" if ends_at is None else ends_at, "token", token)

    async def tell_authtokens(self, application: str, names: Iterable[str]) -> None:
        """Every gate hears that server-side tokens have changed or are gone."""
        await self._tell("authtokens", " ".join(names), "application", application)

    async def ticket_keys(self, rotation_s: float = float("inf")) -> list[bytes]:
        """The keys for tickets, newest first: the gates on a store make them for one another.

        A new one is made when the newest is older than `rotation_s`; every gate hears of it. The ones before
        open what they have sealed for ten rotations more.
        """
        kept = await self._kept_keys()
        newest = max(kept, default=0)
        now = time.time()
        if not kept or now - kept[newest][0] > rotation_s:
            fresh = f"{int(now)}:".encode() + urlsafe_b64encode(secrets.token_bytes(32))
            made = await self._client.call("HSETNX", TICKET_KEYS, str(newest + 1), fresh)
            if made and newest:
                await self._tell("ticket_key", newest + 1)
            for generation, successor in pairwise(sorted(kept)):
                # Not since it was made: it has sealed until the next one was.
                if now - kept[successor][0] > 10 * rotation_s:
                    await self._client.call("HDEL", TICKET_KEYS, str(generation))
            return await self.ticket_keys()
        return _newest_first(kept)

    async def _kept_keys(self) -> dict[int, tuple[float, bytes]]:
        """When each key was made, and the key, by its generation."""
        fields = await self._client.call("HGETALL", TICKET_KEYS)
        try:
            parts = {int(generation): value.split(b":") for generation, value in fields.items()}
            return {
                generation: (float(made_at), urlsafe_b64decode(key))
                for generation, (made_at, key) in parts.items()
            }
        except ValueError:
            raise StoreError(f"the store holds a ticket key that cannot be read: see {TICKET_KEYS}") from None

    async def _tell(self, *fields: str | int | float) -> None:
        await self._client.call("XADD", FEED, "MAXLEN", "~", FEED_LENGTH, "*", *fields)

    async def _read_all(self) -> None:
        answer = await self._feed.script("snapshot", [REVOKED, FEED], [])
        for entry, until in zip(answer[1::2], answer[2::2], strict=True):
            self._take(entry, until)
        self._last = answer[0].decode()
        self._heard = time.monotonic()
        self._on_revoked()

    async def _catch_up(self) -> None:
        """What the feed told while it was not heard is known: what is revoked, and the keys for tickets."""
        await self._read_all()
        self._on_missed()
        if kept := await self._kept_keys():
            self._on_ticket_keys(_newest_first(kept))

    async def _follow(self, *, lost: bool) -> None:
        while True:
            try:
                if lost:
                    await self._catch_up()
                    _log.warning("the store's feed is heard again")
                    lost = False
                await self._read_next()
            except StoreError as error:
                if not lost:
                    _log.warning("the store's feed is lost: %s", error)
                lost = True
                await asyncio.sleep(_RETRY_S)

    async def _read_next(self) -> None:
        block_ms = int(HEARTBEAT_S * 1000)
        answer = await self._feed.call("XREAD", "BLOCK", block_ms, "COUNT", 1000, "STREAMS", FEED, self._last)
        if self.silent_s > SILENCE_S:
            await self._catch_up()
            return
        self._heard = time.monotonic()
        self.revoked.forget(time.time())
        if not answer:
            return
        entries = answer[FEED.encode()][0] if isinstance(answer, dict) else answer[0][1]
        for identity, fields in entries:
            await self._hear(fields)
            self._last = identity.decode()
        self._on_revoked()

    async def _hear(self, fields: dict[bytes, bytes]) -> None:
        if (entry := fields.get(b"revoked")) is not None:
            self._take(entry, fields.get(b"until", b""))
        elif b"ticket_key" in fields:
            self._on_ticket_keys(await self.ticket_keys())
        else:
            # A revocation that cannot be read is an outage; without any other news nothing is unsafe.
            try:
                tell = self._read_news({name.decode(): value.decode() for name, value in fields.items()})
            except (KeyError, ValueError):
                _log.warning("the store's feed tells what cannot be read: %.200r", fields)
                if b"room" in fields:
                    # Unlike other news, it is not whole in itself: what comes next is told from there on.
                    application, room = fields.get(b"application", b""), fields[b"room"]
                    self._on_room(News(_name(application), _name(room), 0, whole=False))
            else:
                tell()

    def _read_news(self, fields: dict[str, str]) -> Callable[[], None]:
        """Whom to tell of an entry. Raises KeyError or ValueError for one that lacks something."""
        if "lost" in fields:
            return partial(self._on_lost, fields["lost"], fields["client"])
        if "renewed" in fields:
            ends_at = float(fields["ends"]) if fields["ends"] else None
            return partial(self._on_renewed, fields["renewed"], ends_at, fields["token"])
        if "authtokens" in fields:
            return partial(self._on_authtokens, fields["application"], fields["authtokens"].split())
        if "stream" in fields:
            return partial(self._on_streams, fields["stream"])
        if "api_key" in fields:
            return partial(self._on_api_keys, fields["api_key"])
        if "room" in fields:
            return partial(self._on_room, load_news(fields))
        return lambda: None

    def _take(self, entry: bytes, until: bytes) -> None:
        try:
            self.revoked.add(entry.decode(), float(until))
        except ValueError:
            raise StoreError(f"the store holds a revocation that cannot be read: {entry!r}") from None


def _newest_first(kept: dict[int, tuple[float, bytes]]) -> list[bytes]:
    return [kept[generation][1] for generation in sorted(kept, reverse=True)]


def _name(octets: bytes) -> str:
    """The name, or another one that nothing has."""
    return octets.decode(errors="replace")
