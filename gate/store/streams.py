"""Streams that were added at runtime: kept in the store, and held whole by every gate.

All of an installation are in one hash, beside the feed, so that a change and the news of it are one script: no
gate hears of what has not happened, and nothing happens that no gate hears of. Every gate holds all of them, so
their number is bounded.

What is in the store may be damaged, or written by a later version of the gate. Such a stream is given as
`Unreadable` and stays a stream: it may have been closed to everybody. A name that none can have is no stream's.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate.core.stream import Entry, Stream, Unreadable, check_uid, dump_changes, dump_stream, load_stream
from gate.core.token import digest
from gate.errors import StoreError, StoreFull, StoreUnavailable
from gate.store.client import Client
from gate.store.control import FEED_LENGTH
from gate.store.keys import FEED, GENERATION, STREAMS, control_request

MOST_STREAMS: Final = 100_000
# For how long a request that comes again is known.
REPEAT_S: Final = 600
# A page of them is read by a worker that serves viewers meanwhile.
_PAGE: Final = 100
_log: Final = logging.getLogger("gate.store")


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the streams, by uid, and the cursor of those that follow; an empty one where there are none."""

    streams: Mapping[str, Entry]
    cursor: str


class Streams:
    """The added streams of all gates on one store. Every method raises StoreUnavailable or StoreError.

    A `request` is its caller's own name for one wish, which repeated with it is fulfilled once; without one,
    a call is a wish of its own, and only an answer that was lost on the way is asked for again.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, stream: Stream, request: str | None = None) -> bool:
        """There is such a stream on every gate within a second; False where its uid is taken.

        Its times are set by the store. Raises ValueError for a stream that cannot be, StoreFull where there
        are `MOST_STREAMS`.
        """
        word, _ = await self._put("add", stream.uid, dump_stream(stream), request)
        if word == b"full":
            raise StoreFull(f"there are {MOST_STREAMS} added streams, and no more are kept: remove some first")
        return word == b"done"

    async def update(
        self, uid: str, changes: Mapping[str, object], request: str | None = None
    ) -> Stream | None:
        """The stream as it is now that the fields of `changes` are changed; None where there is none.

        Two updates at once of different fields are both kept. Raises ValueError for what cannot be.
        """
        word, text = await self._put("update", uid, dump_changes(uid, changes), request)
        if word == b"none" or not text:
            return None
        return _whole(uid, _read(uid, text))

    async def get(self, uid: str) -> Stream | None:
        """The stream, or None where there is none. Raises StoreError for one that cannot be read."""
        entry = (await self.read([uid])).get(uid)
        return None if entry is None else _whole(uid, entry)

    async def page(self, cursor: str = "", limit: int = 100) -> Page:
        """About `limit` streams from `cursor` on, in no order; without one from the beginning.

        One that is there all the while comes at least once. Raises ValueError for what is no cursor.
        """
        if not (cursor.isascii() and len(cursor) <= 20 and (cursor.isdigit() or not cursor)):
            raise ValueError("this is no cursor")
        following, found = await self._client.call("HSCAN", STREAMS, cursor or "0", "COUNT", max(1, limit))
        streams: dict[str, Entry] = {}
        for name, text in found.items():
            uid = name.decode("utf-8", "replace")
            if _is_uid(uid):
                streams[uid] = _read(uid, text)
            else:
                _log.warning("the store holds a stream of an impossible name, which is no stream: %.100r", name)
        return Page(streams, str(following) if int(following) else "")

    async def remove(self, uid: str, request: str | None = None) -> bool:
        """There is no such stream any more, on any gate within a second; tells whether there was one."""
        if not _is_uid(uid):
            return False
        keys = [STREAMS, GENERATION, FEED, _request("remove", uid, request)]
        return bool(await self._ask("remove_stream", keys, [uid, REPEAT_S * 1000, FEED_LENGTH]))

    async def read(self, uids: Iterable[str]) -> dict[str, Entry]:
        """Those of the streams that there are."""
        wanted = [uid for uid in uids if _is_uid(uid)]
        if not wanted:
            return {}
        texts = await self._client.call("HMGET", STREAMS, *wanted)
        return {uid: _read(uid, text) for uid, text in zip(wanted, texts, strict=True) if text is not None}

    async def read_all(self) -> tuple[dict[str, Entry], int]:
        """All streams, and how often any had changed when the reading began.

        What changes while they are read may be missing or as it was: whoever follows the feed from before
        reads it once more.
        """
        generation = int(await self._client.call("GET", GENERATION) or 0)
        streams: dict[str, Entry] = {}
        page = await self.page(limit=_PAGE)
        streams.update(page.streams)
        while page.cursor:
            page = await self.page(page.cursor, _PAGE)
            streams.update(page.streams)
        return streams, generation

    async def _put(self, kind: str, uid: str, text: str, request: str | None) -> tuple[bytes, bytes]:
        keys = [STREAMS, GENERATION, FEED, _request(kind, uid, request)]
        args: list[str | int] = [kind, uid, text, MOST_STREAMS, REPEAT_S * 1000, FEED_LENGTH]
        word, held = await self._ask("put_stream", keys, args)
        if word == b"damaged":
            raise _damaged(uid)
        return word, held

    async def _ask(self, script: str, keys: list[str], args: list[str | int]) -> Any:
        try:
            return await self._client.script(script, keys, args)
        except StoreUnavailable:
            return await self._client.script(script, keys, args)


def _request(kind: str, uid: str, request: str | None) -> str:
    return control_request(digest("stream", uid, f"{kind}:{request or secrets.token_hex(16)}"))


def _is_uid(text: str) -> bool:
    try:
        check_uid(text)
    except ValueError:
        return False
    return True


def _read(uid: str, text: bytes) -> Entry:
    try:
        stream = load_stream(text)
    except ValueError as error:
        return Unreadable(str(error))
    return stream if stream.uid == uid else Unreadable("it is kept under another's uid")


def _whole(uid: str, entry: Entry) -> Stream:
    if isinstance(entry, Unreadable):
        raise _damaged(uid)
    return entry


def _damaged(uid: str) -> StoreError:
    return StoreError(f"the store holds a stream that cannot be read, and is closed: {uid}; remove it")
