"""Server-side tokens: kept in the store, known to their users by a short name that says nothing.

A token is found by its name alone, in its application alone (`gate.store.keys`). A name is random, and drawn
until its shard is that of the request that asks for it: then one script can see both.

A change is one script. All gates hear of it before the change is called done; where they cannot be told,
StoreUnavailable is raised, and who asks again with the same request changes nothing twice and tells them then.

Volatile tokens. One that grants nothing, from the beginning, by an update or because what it named was
destroyed, is gone after a while unless it is given grants again. Only of volatile ones is it kept which
resources they name, and only they lose a name: another's maker may create the resource once more. The index
stands in each token's own shard, so that a token and its entries change together; dropping a resource, which is
rare, asks all shards.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gate.core.session import SHARDS, shard_of
from gate.core.token import digest, token_id
from gate.errors import StoreUnavailable
from gate.store.client import Client
from gate.store.keys import ShardKeys, naming, object_name, shard_prefix
from gate.store.sessions import KEEP_S, LEEWAY_S

# For how long a request that comes again is known. Public clients ask again at once, five times at the most.
REPEAT_S: Final = 600
# A token that names more resources is not emptied by what befalls them.
MOST_NAMES: Final = 2000
# The store serves nobody else while it edits a page of tokens.
AT_ONCE: Final = 20
_SHARDS_AT_ONCE: Final = 8
_LAST_SECOND: Final = 253402300799  # the year 9999
_ID: Final = re.compile("[0-9a-f]{32}")
_ARGUMENT: Final = "="

Tell = Callable[[str, Iterable[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AuthToken:
    """A server-side token. `arguments` are those that were given; times are Unix seconds, of the store's clock.

    `digest` is the token's id where sessions are counted and tokens revoked (`gate.core.token`).
    """

    application: str
    id: str
    digest: str
    arguments: dict[str, Any]
    made_at: float
    changed_at: float


class AuthTokens:
    """The server-side tokens of all gates on one store. Every method raises StoreUnavailable or StoreError.

    A `request` is its caller's own name for one wish, which repeated with it is fulfilled once; without one,
    a call is a wish of its own, and only an answer that was lost on the way is asked for again.

    A volatile token that a call leaves empty is kept for `grace_s`.
    """

    def __init__(self, client: Client, tell: Tell) -> None:
        """`tell` lets every gate hear that tokens have changed, as `Control.tell_authtokens` does."""
        self._client = client
        self._tell = tell

    async def create(
        self, application: str, arguments: Mapping[str, Any], request: str | None = None, *, grace_s: float
    ) -> AuthToken:
        """A new token. Raises ValueError or TypeError for an argument that JSON cannot say.

        The request that made one which has been deleted since makes no other; the times of that one are 0.
        """
        wish = digest("request", application, request or secrets.token_hex(16))
        name = _draw(application, shard_of(wish))
        key = ShardKeys(wish).request(wish)
        answer = await self._put("create", application, name, key, arguments, grace_s)
        if answer[0] == b"done":
            return _read(application, _pairs(answer[1]))
        name = answer[1].decode()
        held = await self.get(application, name)
        return held or AuthToken(application, name, token_id(application, name), dict(arguments), 0, 0)

    async def get(self, application: str, name: str) -> AuthToken | None:
        """The token, or None where there is none; one that has ended may still be there for a while."""
        if _ID.fullmatch(name) is None:
            return None
        fields = await self._client.call("HGETALL", _Names(application, name).token)
        return _read(application, fields) if fields else None

    async def update(
        self,
        application: str,
        name: str,
        arguments: Mapping[str, Any],
        request: str | None = None,
        *,
        grace_s: float,
    ) -> AuthToken | None:
        """The token as it is now that `arguments` have taken the place of those that it had under their names.

        None where there is no token. What the token has counted still counts. Raises what `create` does.
        """
        if _ID.fullmatch(name) is None:
            return None
        key = _Names(application, name).request("update", request)
        answer = await self._put("update", application, name, key, arguments, grace_s)
        await self._tell_all(application, [name])
        if answer[0] == b"repeated":
            return await self.get(application, name)
        return _read(application, _pairs(answer[1])) if answer[0] == b"done" else None

    async def delete(self, application: str, name: str, request: str | None = None) -> bool:
        """There is no such token any more; tells whether there was one.

        The sessions that it has opened live on until its `digest` is revoked.
        """
        if _ID.fullmatch(name) is None:
            return False
        names = _Names(application, name)
        keys = [names.token, names.request("delete", request), names.committed]
        args: list[str | int] = [names.digest, names.prefix, REPEAT_S * 1000, KEEP_S * 1000]
        gone = await self._ask("delete_authtoken", keys, args)
        await self._tell_all(application, [name])
        return bool(gone)

    async def drop_resource(self, application: str, resource: str, *, grace_s: float) -> int:
        """No volatile token grants anything on the resource by its name; gives how many did.

        What it has done is done when it raises, and the rest when it is called again.
        """
        dropped = 0
        for at in range(0, SHARDS, _SHARDS_AT_ONCE):
            shards = range(at, min(at + _SHARDS_AT_ONCE, SHARDS))
            drops = (self._drop(application, resource, each, grace_s) for each in shards)
            dropped += sum(await asyncio.gather(*drops))
        return dropped

    async def _drop(self, application: str, resource: str, shard: int, grace_s: float) -> int:
        name = object_name(application, resource)
        fixed: list[str | int] = [resource, name, shard_prefix(shard), AT_ONCE]
        fixed += [int(grace_s * 1000), KEEP_S * 1000]
        dropped, told = 0, list[str]()
        while True:
            answer = await self._ask("drop_resource", [naming(shard, name)], [*fixed, *told])
            if not answer:
                return dropped
            told = [each.decode() for each in answer[::2]]
            await self._tell_all(application, [each.decode() for each in answer[1::2]])
            dropped += len(told)

    async def _put(
        self,
        kind: str,
        application: str,
        name: str,
        request: str,
        arguments: Mapping[str, Any],
        grace_s: float,
    ) -> list[Any]:
        names = _Names(application, name)
        args: list[str | int] = [kind, name, names.digest, names.prefix]
        args += [REPEAT_S * 1000, int(grace_s * 1000), LEEWAY_S * 1000, KEEP_S * 1000]
        args += _fields(application, arguments, new=kind == "create")
        keys = [names.token, request, names.committed]
        answer: list[Any] = await self._ask("put_authtoken", keys, args)
        return answer

    async def _ask(self, script: str, keys: list[str], args: Sequence[str | int]) -> Any:
        try:
            return await self._client.script(script, keys, args)
        except StoreUnavailable:
            return await self._client.script(script, keys, args)

    async def _tell_all(self, application: str, names: list[str]) -> None:
        try:
            await self._tell(application, names)
        except StoreUnavailable:
            await self._tell(application, names)


class _Names:
    """The names of a token's keys."""

    def __init__(self, application: str, name: str) -> None:
        self.digest = token_id(application, name)
        self._keys = ShardKeys(self.digest)
        self.prefix = self._keys.prefix
        self.token = self._keys.authtoken(self.digest)
        self.committed = self._keys.committed(self.digest)

    def request(self, kind: str, request: str | None) -> str:
        wish = request or secrets.token_hex(16)
        return self._keys.request(digest("request", self.digest, f"{kind}:{wish}"))


def _draw(application: str, shard: int) -> str:
    """A name that nobody can guess, of 122 random bits, whose token is in the shard."""
    while True:
        name = secrets.token_hex(16)
        if shard_of(token_id(application, name)) == shard:
            return name


def _fields(application: str, arguments: Mapping[str, Any], *, new: bool) -> list[str | int]:
    """The fields of a token that `arguments` set, name and value in turn, and of a `new` one all others too.

    An end that is null is none; one that has passed long ago is never kept at all.
    """
    fields: dict[str, str | int] = {"volatile": 0, "empty": 1, "names": "", "ends": 0} if new else {}
    for name, value in arguments.items():
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()  # half of a surrogate pair raises here
        fields[_ARGUMENT + name] = text
    if "volatile" in arguments:
        fields["volatile"] = int(bool(arguments["volatile"]))
    if "expiration_date" in arguments:
        end = arguments["expiration_date"]
        fields["ends"] = 0 if end is None else max(1, min(int(end), _LAST_SECOND) * 1000)
    if "grants" in arguments:
        grants = arguments["grants"] or {}
        rules = list(grants.values()) if isinstance(grants, Mapping) else [grants]
        named = {name for rule in rules if isinstance(rule, Mapping) for name in rule.get("resources") or ()}
        fields["empty"] = int(not any(map(_grants_something, rules)))
        fields["names"] = ""
        if len(named) <= MOST_NAMES:
            fields["names"] = " ".join(sorted(object_name(application, name) for name in named))
    flat: list[str | int] = []
    for name, field in fields.items():
        flat += [name, field]
    return flat


def _grants_something(rule: object) -> bool:
    return any(rule.values()) if isinstance(rule, Mapping) else bool(rule)


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _read(application: str, fields: Mapping[bytes, bytes]) -> AuthToken:
    held = {name.decode(): value for name, value in fields.items()}
    name = held["id"].decode()
    return AuthToken(
        application=application,
        id=name,
        digest=token_id(application, name),
        arguments={
            key.removeprefix(_ARGUMENT): json.loads(value)
            for key, value in sorted(held.items())
            if key.startswith(_ARGUMENT)
        },
        made_at=int(held["made"]) / 1000,
        changed_at=int(held["changed"]) / 1000,
    )
