"""Opening, committing, renewing and closing sessions: one atomic script each, typed.

Every script takes an id of the caller's and, asked again with it, gives the same answer. So a call whose
answer was lost is asked once more on another connection, and neither counts twice nor refuses the viewer
that it was for.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate.core.policy import OnLimit
from gate.core.reasons import Reason
from gate.core.session import Resume, session_id, shard_of
from gate.core.ticket import INLINE_WARRANT, Ticket, dump_warrant, load_warrant
from gate.core.token import Warrant
from gate.core.verdicts import Opened, Opening, Outcome, Refused, Renewal
from gate.errors import StoreUnavailable
from gate.store.client import Client
from gate.store.keys import PROBE, ShardKeys, all_leases, all_sessions, owned, shard_prefix

# How long something without an end is kept after its last use.
KEEP_S: Final = 30 * 86400
# How much longer the store remembers than the clocks of several machines may differ.
LEEWAY_S: Final = 120
_BATCH: Final = 200
_CONFLICTS: Final = 20

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Playback:
    """A live playback whose lease is to be renewed. `limited` tells that its owner has a limit at once.

    `resource` is what it watches now, where the store has been told of something else; else it is empty. It
    was heard last `silent_s` seconds ago, where that is not just now.
    """

    session: str
    client: str
    owner: str
    limited: bool
    endless: bool
    resource: str = ""
    silent_s: float = 0.0


class Sessions:
    """The sessions of all gates on one store. Every method raises StoreUnavailable or StoreError."""

    def __init__(self, client: Client, *, idle_s: float, provisional_s: float) -> None:
        self._client = client
        self._idle_ms = int(idle_s * 1000)
        self._provisional_ms = int(provisional_s * 1000)

    async def open(self, opening: Opening, facts: Facts) -> Outcome:
        """Opens a provisional session, or gives one of the client's own. `facts` are kept for listing.

        In a page session it is that of the token there, and SESSION_EXPIRED once that is over.
        """
        token = opening.token
        keys = ShardKeys(token.owner)
        visiting = opening.resume is Resume.VISIT
        fresh = session_id(token.owner, int(time.time() * 1000), secrets.token_bytes(8))
        session = (visiting and opening.session) or fresh
        warrant = dump_warrant(token.warrant)
        answer = await self._ask(
            "open",
            [
                keys.session(session),
                keys.committed(token.id),
                keys.resume(token.id, opening.client),
                keys.warrant(token.warrant_id),
                keys.visit(session) if visiting else keys.resume(token.id, opening.page),
                keys.all_leases,
                keys.all_sessions,
            ],
            [
                session,
                opening.resume.value,
                token.session_limit or 0,
                _ms(token.expires_at),
                _ms(opening.until_s),
                _ms(opening.usage_s),
                self._provisional_ms,
                keys.sessions,
                LEEWAY_S * 1000,
                warrant if len(warrant) > INLINE_WARRANT and opening.resume is not Resume.ONLY else "",
                KEEP_S * 1000,
                opening.client,
                _ms(opening.until_visit_s),
                *_flat(facts),
                *_origin_of(token.id, token.owner, token.issued_at),
            ],
        )
        if answer[0] == b"opened":
            _, held, opened_ms, ends_ms, _ = answer
            return Opened(held.decode(), opened_ms / 1000, _seconds(ends_ms))
        return Refused(_REASONS[answer[0]])

    async def commit(
        self, ticket: Ticket, client: str, on_limit: OnLimit, facts: Facts, *, silent_s: float = 0.0
    ) -> Outcome:
        """Commits the ticket's session for this client: it counts from now on, and has a lease.

        Of a client that was heard last `silent_s` seconds ago the lease lapses so much earlier.
        """
        keys = ShardKeys(ticket.owner)
        answer = await self._ask(
            "commit",
            [
                keys.session(ticket.session),
                keys.committed(ticket.token),
                keys.resume(ticket.token, client),
                keys.leases,
                keys.all_leases,
                keys.evicted,
                keys.all_sessions,
            ],
            [
                ticket.session,
                client,
                ticket.session_limit or 0,
                ticket.max_concurrent or 0,
                _ms(ticket.ends_at),
                _ms(ticket.token_expires_at),
                self._idle_ms,
                KEEP_S * 1000,
                LEEWAY_S * 1000,
                on_limit.value,
                self._idle_ms // 4,
                secrets.token_hex(8),
                facts.get("resource", ""),
                json.dumps([facts.get("agent", ""), facts.get("address", "")]),
                _ms(silent_s),
                *_flat(facts),
                *_origin_of(ticket.token, ticket.owner, ticket.issued_at),
            ],
        )
        if answer[0] == b"committed":
            _, _, ends_ms, commits, renewed_by, *lost = answer
            return Opened(
                ticket.session,
                ticket.opened_at,
                _seconds(ends_ms),
                first=commits == 1,
                lost=tuple(_pair(name) for name in lost),
                renewed_by=renewed_by.decode() or None,
            )
        if answer[0] == b"busy":
            return Refused(Reason.TOO_MANY_PLAYBACKS, await self._conflicts(keys, answer[2:]))
        return Refused(_REASONS[answer[0]])

    async def give_back(self, ticket: Ticket, client: str) -> bool:
        """The first commit of a session is undone, if it was the only one: nothing of it was sent.

        Tried once: asked again after a lost answer, it might undo a commit that has come in between.
        """
        keys = ShardKeys(ticket.owner)
        answer = await self._client.script(
            "give_back",
            [
                keys.session(ticket.session),
                keys.committed(ticket.token),
                keys.leases,
                keys.all_leases,
                keys.all_sessions,
            ],
            [ticket.session, client, self._provisional_ms],
        )
        return bool(answer)

    async def extend(self, renewal: Renewal) -> Outcome:
        """Lets a session live on with the fresh token of a renewal, which counts for that token."""
        ticket, token = renewal.ticket, renewal.token
        keys = ShardKeys(ticket.owner)
        warrant = dump_warrant(token.warrant)
        answer = await self._ask(
            "extend",
            [
                keys.session(ticket.session),
                keys.committed(token.id),
                keys.warrant(ticket.token),
                keys.warrant(token.id),
                keys.all_sessions,
            ],
            [
                ticket.session,
                token.session_limit or 0,
                _ms(token.expires_at),
                _ms(renewal.until_s),
                _ms(renewal.usage_s),
                token.id,
                KEEP_S * 1000,
                LEEWAY_S * 1000,
                warrant if len(warrant) > INLINE_WARRANT else "",
            ],
        )
        if answer[0] == b"renewed":
            return Opened(ticket.session, ticket.opened_at, _seconds(answer[1]))
        return Refused(Reason.SESSION_EXPIRED if answer[0] == b"none" else _REASONS[answer[0]])

    async def life(self, ticket: Ticket) -> tuple[float | None, str | None] | None:
        """When the ticket's session ends and which token renewed it; None where the store has none such."""
        key = ShardKeys(ticket.owner).session(ticket.session)
        ends_ms, renewed = await self._client.call("HMGET", key, "ends", "renewed")
        if ends_ms is None:
            return None
        return _seconds(int(ends_ms)), None if renewed is None else renewed.decode()

    async def own(self, application: str, resource: str, visit: str, ends_at: float | None) -> bool:
        """The visit owns the object from now on, unless somebody else does."""
        # Longer than the session may last as it is: it may be renewed, and nobody else's is the object then.
        keep_s = max(KEEP_S, 0 if ends_at is None else ends_at - time.time()) + LEEWAY_S
        return bool(await self._ask("own", [owned(application, resource)], [visit, int(keep_s * 1000)]))

    async def owner(self, application: str, resource: str) -> str | None:
        """The visit that owns an object."""
        visit = await self._client.call("GET", owned(application, resource))
        return None if visit is None else visit.decode()

    async def disown(self, application: str, resource: str) -> None:
        """The object is gone; its name is anybody's."""
        await self._client.call("DEL", owned(application, resource))

    async def renew(self, playbacks: Iterable[Playback]) -> set[tuple[str, str]]:
        """Renews leases; gives the (session, client) pairs whose place is taken or whose session is closed."""
        shards: dict[int, list[Playback]] = defaultdict(list)
        for playback in playbacks:
            shards[shard_of(playback.owner)].append(playback)
        lost: set[tuple[str, str]] = set()
        for shard, members in shards.items():
            prefix = shard_prefix(shard)
            for at in range(0, len(members), _BATCH):
                fields: list[str | int] = []
                for member in members[at : at + _BATCH]:
                    owner = member.owner if member.limited else ""
                    endless = "1" if member.endless else ""
                    fields += [member.session, member.client, owner, endless, member.resource]
                    fields.append(_ms(member.silent_s))
                keys = [all_leases(shard), all_sessions(shard)]
                answer = await self._ask("renew", keys, [self._idle_ms, KEEP_S * 1000, prefix, *fields])
                for name in answer[1:]:
                    lost.add(_pair(name))
        return lost

    async def probe(self) -> None:
        """The store takes things down. Raises StoreUnavailable where it does not, though it may answer."""
        await self._client.call("SET", PROBE, "1", "PX", 1000)

    async def close(self, session: str, owner: str) -> int:
        """Forgets a session and frees its leases; gives how many. Its ticket must be revoked beside it."""
        keys = ShardKeys(owner)
        names = [keys.session(session), keys.leases, keys.all_leases, keys.all_sessions]
        return int(await self._ask("close", names, [session]))

    async def warrant(self, ticket: Ticket) -> Warrant | None:
        """The warrant that was too long for the ticket; None where it is no longer kept."""
        key = ShardKeys(ticket.owner).warrant(ticket.warrant_id)
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


def _pair(name: bytes) -> tuple[str, str]:
    """The session and the client of a lease."""
    session, _, client = name.decode().partition("|")
    return session, client


def _ms(seconds: float | None) -> int:
    """Milliseconds as the scripts take them: 0 for none."""
    return round((seconds or 0) * 1000)


def _seconds(ms: int) -> float | None:
    return ms / 1000 if ms else None


def _origin_of(token: str, owner: str, issued_at: int | None) -> list[str]:
    """What a session has of its token: by this it is found, and known to be revoked."""
    return ["token", token, "owner", owner, "issued", "" if issued_at is None else str(issued_at)]


def _flat(facts: Facts) -> list[str]:
    return [text for pair in facts.items() for text in pair]
