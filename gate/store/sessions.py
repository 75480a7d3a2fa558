"""Opening, committing, renewing and closing sessions: one atomic script each, typed.

Every script takes an id of the caller's and, asked again with it, gives the same answer. So a call whose
answer was lost is asked once more on another connection, and neither counts twice nor refuses the viewer
that it was for.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate.core.decision import Opened, Opening, Outcome, Refused
from gate.core.reasons import Reason
from gate.core.session import session_id, shard_of
from gate.core.ticket import INLINE_WARRANT, Ticket, dump_warrant, load_warrant
from gate.core.token import Warrant
from gate.errors import StoreUnavailable
from gate.store.client import Client
from gate.store.keys import ShardKeys, lease, shard_prefix

# How long something without an end is kept after its last use.
KEEP_S: Final = 30 * 86400
# How much longer the store remembers than the clocks of several machines may differ.
LEEWAY_S: Final = 120
_BATCH: Final = 200
_CONFLICTS: Final = 20

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Playback:
    """A live playback whose lease is to be renewed. `limited` tells that its owner has a limit at once."""

    session: str
    client: str
    owner: str
    limited: bool
    endless: bool


class Sessions:
    """The sessions of all gates on one store. Every method raises StoreUnavailable or StoreError."""

    def __init__(self, client: Client, *, idle_s: float, provisional_s: float) -> None:
        self._client = client
        self._idle_ms = int(idle_s * 1000)
        self._provisional_ms = int(provisional_s * 1000)

    async def open(self, opening: Opening, facts: Facts) -> Outcome:
        """Opens a provisional session, or gives the client's own. `facts` are kept for a list of sessions."""
        token = opening.token
        keys = ShardKeys(token.owner)
        session = session_id(token.owner, int(time.time() * 1000), secrets.token_bytes(8))
        warrant = dump_warrant(token.warrant)
        answer = await self._ask(
            "open",
            [
                keys.session(session),
                keys.committed(token.id),
                keys.resume(token.id, opening.client),
                keys.warrant(token.id),
            ],
            [
                session,
                "resume" if opening.resume_only else "open",
                token.session_limit or 0,
                (token.expires_at or 0) * 1000,
                (token.usage_s or 0) * 1000,
                self._provisional_ms,
                keys.sessions,
                LEEWAY_S * 1000,
                warrant if len(warrant) > INLINE_WARRANT and not opening.resume_only else "",
                KEEP_S * 1000,
                *_flat(facts),
            ],
        )
        if answer[0] == b"opened":
            _, held, opened_ms, ends_ms, _ = answer
            return Opened(held.decode(), opened_ms / 1000, ends_ms / 1000 if ends_ms else None)
        return Refused(_REASONS[answer[0]])

    async def commit(self, ticket: Ticket, client: str, facts: Facts) -> Outcome:
        """Commits the ticket's session for this client: it counts from now on, and has a lease."""
        keys = ShardKeys(ticket.owner)
        answer = await self._ask(
            "commit",
            [
                keys.session(ticket.session),
                keys.committed(ticket.token),
                keys.resume(ticket.token, client),
                keys.leases,
                keys.all_leases,
            ],
            [
                ticket.session,
                lease(ticket.session, client),
                ticket.session_limit or 0,
                ticket.max_concurrent or 0,
                round((ticket.ends_at or 0) * 1000),
                (ticket.token_expires_at or 0) * 1000,
                self._idle_ms,
                KEEP_S * 1000,
                LEEWAY_S * 1000,
                *_flat(facts),
            ],
        )
        if answer[0] == b"committed":
            return Opened(ticket.session, ticket.opened_at, ticket.ends_at)
        if answer[0] == b"busy":
            return Refused(Reason.TOO_MANY_PLAYBACKS, await self._conflicts(keys, answer[2:]))
        return Refused(_REASONS[answer[0]])

    async def renew(self, playbacks: Iterable[Playback]) -> set[tuple[str, str]]:
        """Renews leases; gives the (session, client) pairs whose place is taken or whose session is closed."""
        shards: dict[int, list[Playback]] = defaultdict(list)
        for playback in playbacks:
            shards[shard_of(playback.owner)].append(playback)
        lost: set[tuple[str, str]] = set()
        for shard, members in shards.items():
            prefix = shard_prefix(shard)
            for at in range(0, len(members), _BATCH):
                fields: list[str] = []
                for member in members[at : at + _BATCH]:
                    owner = member.owner if member.limited else ""
                    fields += [member.session, member.client, owner, "1" if member.endless else ""]
                answer = await self._ask(
                    "renew", [f"{prefix}l"], [self._idle_ms, KEEP_S * 1000, prefix, *fields]
                )
                for name in answer[1:]:
                    session, _, client = name.decode().partition("|")
                    lost.add((session, client))
        return lost

    async def close(self, session: str, owner: str) -> int:
        """Forgets a session and frees its leases; gives how many. Its ticket must be revoked beside it."""
        keys = ShardKeys(owner)
        return int(await self._ask("close", [keys.session(session), keys.leases, keys.all_leases], [session]))

    async def warrant(self, ticket: Ticket) -> Warrant | None:
        """The warrant that was too long for the ticket; None where it is no longer kept."""
        key = ShardKeys(ticket.owner).warrant(ticket.token)
        if ticket.token_expires_at is None:
            text = await self._client.call("GETEX", key, "PX", KEEP_S * 1000)
        else:
            text = await self._client.call("GET", key)
        return None if text is None else load_warrant(text)

    async def _ask(self, script: str, keys: list[str], args: list[str | int | float]) -> Any:
        try:
            return await self._client.script(script, keys, args)
        except StoreUnavailable:
            return await self._client.script(script, keys, args)

    async def _conflicts(self, keys: ShardKeys, names: Iterable[bytes]) -> tuple[dict[str, object], ...]:
        found = []
        for name in list(names)[:_CONFLICTS]:
            session = name.decode().partition("|")[0]
            resource, opened, agent = await self._client.call(
                "HMGET", keys.session(session), "resource", "opened", "agent"
            )
            found.append(
                {
                    "id": session,
                    "resource": (resource or b"").decode(),
                    "since": int(opened or 0) // 1000,
                    "device": (agent or b"").decode(),
                }
            )
        return tuple(found)


_REASONS: Final = {
    b"limit": Reason.SESSION_LIMIT,
    b"none": Reason.SESSION_REQUIRED,
    b"expired": Reason.TOKEN_EXPIRED,
    b"ended": Reason.SESSION_EXPIRED,
}


def _flat(facts: Facts) -> list[str]:
    return [text for pair in facts.items() for text in pair]
