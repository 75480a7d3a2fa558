"""Sessions as operators see them: listed shard by shard, a bounded page at a time, and nothing is written.

A shard's sessions stand in the order in which they will be forgotten, and a page begins behind the last
session of the one before. So a session that lives on unchanged is on exactly one page; one that was committed
or renewed meanwhile has moved back, and may be on two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gate.core.revocation import Revocations
from gate.core.session import SHARDS, shard_of_session
from gate.store.client import Client
from gate.store.keys import all_leases, all_sessions, session_prefix

# The most that one call looks at: the store serves nobody else meanwhile.
AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Playing:
    """A live playback. Times are Unix seconds; `last_seen` is known to a twelfth of ``sessions.idle``."""

    client: str
    resource: str
    since: float
    last_seen: float
    device: str
    address: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is open. Times are Unix seconds, `ends_at` None for never.

    `resource`, `device` and `address` are those of the client that opened or committed it last. Of more than a
    hundred playbacks some are not told apart, and missing here.
    """

    id: str
    application: str
    token: str
    renewed_by: str | None
    owner: str
    subject: str | None
    issued_at: int | None
    opened_at: float
    ends_at: float | None
    committed: bool
    resource: str
    device: str
    address: str
    playbacks: tuple[Playing, ...]

    def is_revoked(self, revoked: Revocations) -> bool:
        """Whether its token, its subject, or the session itself is revoked."""
        return any(
            revoked.cover(self.application, token, self.owner, self.id, self.issued_at)
            for token in (self.token, self.renewed_by)
            if token is not None
        )


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where a page ends: behind this session of this shard. `at_ms` is when the session is forgotten."""

    shard: int = 0
    at_ms: int = 0
    session: str = ""


class Listing:
    """The sessions of all gates on one store. Every method raises StoreUnavailable or StoreError."""

    def __init__(self, client: Client, *, idle_s: float) -> None:
        self._client = client
        self._idle_s = idle_s

    async def page(self, after: Mark, count: int) -> tuple[list[tuple[Mark, Session]], Mark | None]:
        """Up to `count` (at the most `AT_ONCE`) sessions of one shard, and where to go on; None: it was all."""
        shard = after.shard
        now_ms, *entries = await self._ask(
            shard, [after.at_ms, after.session, count, session_prefix(shard), ""]
        )
        found = []
        mark = after
        for name, at_ms, fields, leases in entries:
            mark = Mark(shard, int(at_ms), name.decode())
            session = self._read(mark.session, fields, leases, now_ms)
            if session is not None:
                found.append((mark, session))
        if len(entries) == count:
            return found, mark
        return found, Mark(shard + 1) if shard + 1 < SHARDS else None

    async def find(self, session: str) -> Session | None:
        """The session of this id, where it is open. Raises ValueError for what is not a session id."""
        shard = shard_of_session(session)
        now_ms, entry = await self._ask(shard, [0, "", 1, session_prefix(shard), session])
        return self._read(session, entry[2], entry[3], now_ms)

    async def _ask(self, shard: int, args: Sequence[str | int | float]) -> Any:
        return await self._client.script("list", [all_sessions(shard), all_leases(shard)], args)

    def _read(self, name: str, flat: list[bytes], leases: list[bytes], now_ms: int) -> Session | None:
        """The session that the store's fields describe; None where there is none, or it has ended."""
        fields = {key.decode(): value.decode("utf-8", "replace") for key, value in _pairs(flat)}
        ends_ms = int(fields.get("ends", -1))
        if "opened" not in fields or 0 != ends_ms <= now_ms:
            return None
        playing = [
            self._read_playing(client.decode(), float(lapses) / 1000, fields)
            for client, lapses in _pairs(leases)
        ]
        return Session(
            id=name,
            application=fields.get("application", ""),
            token=fields.get("token", ""),
            renewed_by=fields.get("renewed"),
            owner=fields.get("owner", ""),
            subject=fields.get("subject"),
            issued_at=int(fields["issued"]) if fields.get("issued") else None,
            opened_at=int(fields["opened"]) / 1000,
            ends_at=ends_ms / 1000 if ends_ms else None,
            committed=fields.get("committed") == "1",
            resource=fields.get("resource", ""),
            device=fields.get("agent", ""),
            address=fields.get("address", ""),
            playbacks=tuple(sorted(playing, key=lambda each: (each.since, each.client))),
        )

    def _read_playing(self, client: str, lapses_at: float, fields: dict[str, str]) -> Playing:
        device, address = json.loads(fields.get(f"facts|{client}", '["", ""]'))
        return Playing(
            client=client,
            resource=fields.get(f"resource|{client}", ""),
            since=int(fields[f"since|{client}"]) / 1000,
            last_seen=lapses_at - self._idle_s,
            device=device,
            address=address,
        )


def _pairs(flat: list[bytes]) -> zip[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
