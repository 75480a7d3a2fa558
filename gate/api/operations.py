"""The running gate over the admin API: its policy and health, a reload, and why a request is decided so."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final

from gate.api.answers import Done, Fault, Outcome
from gate.api.call import Call, read_second, read_text
from gate.api.explanation import Fields, explain
from gate.api.plain import to_plain
from gate.api.presented import ServerSide, look_up
from gate.config.compile import Config
from gate.core.revocation import Revocations
from gate.core.ticket import TicketKeys
from gate.core.verdicts import Ask
from gate.errors import UsageError
from gate.store.client import place_of
from gate.wire.redaction import redact

_CONTROL: Final = frozenset("\r\n\0")


@dataclass(frozen=True, slots=True)
class Reloading:
    """How the last reading of the policy file went: at what Unix time, and what was wrong with the file.

    `version` is the policy in force since. `restart_needed` tells that the file names another address, store,
    limit or session time than those that the gate was started with, and only a start can change.
    """

    at: float
    version: str
    problems: tuple[str, ...] = ()
    restart_needed: bool = False


class OperationsApi:
    """What the gate says of itself. `reload` gives None where the gate was not started from a file.

    `tokens` looks up server-side tokens.
    """

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        reload: Callable[[], Awaitable[Reloading | None]],
        health: Callable[[], Awaitable[Mapping[str, Any]]],
        tickets: Callable[[], TicketKeys],
        revoked: Revocations,
        tokens: ServerSide,
    ) -> None:
        self._config = config
        self._reload = reload
        self._health = health
        self._tickets = tickets
        self._revoked = revoked
        self._tokens = tokens

    async def health(self, call: Call) -> Outcome:
        """The gate, its store and its origins, as they are now."""
        call.parameters()
        return Done(await self._health())

    async def policy(self, call: Call) -> Outcome:
        """The policy in force, with all its defaults and without its secrets."""
        call.parameters()
        config = self._config()
        document = config.file.model_dump(mode="json")
        if config.store is not None:
            # A URL may hold a password.
            document["store"] = place_of(config.store)
        for application in document["applications"].values():
            for source in application["jwks"]:
                # So may a query be one.
                place, mark, _ = source["url"].partition("?")
                source["url"] = f"{place}{mark and '?...'}"
        return Done({"version": config.policy.version, "policy": document})

    async def reload(self, call: Call) -> Outcome:
        """The policy file has been read; with any fault in it the old policy stays in force."""
        call.parameters()
        call.fields()
        done = await self._reload()
        if done is None:
            detail = "this gate was not started from a policy file: there is nothing to read again"
            return Fault(HTTPStatus.CONFLICT, "no_policy_file", detail)
        if done.problems:
            detail = f"the policy file cannot be put in force; policy {done.version} stays"
            facts = {"problems": list(done.problems), "version": done.version}
            return Fault(HTTPStatus.UNPROCESSABLE_ENTITY, "policy_refused", detail, facts)
        return Done(asdict(done))

    async def explain(self, call: Call) -> Outcome:
        """How a request would be decided now, or at the Unix second `at`, and why. Raises StoreError."""
        call.parameters()
        asked = call.fields("target", "method", "headers", "token", "address", "at")
        target = read_text(asked, "target")
        if target is None:
            raise UsageError("target: expected the request's target, a path with its query")
        address = read_text(asked, "address") or "127.0.0.1"
        try:
            ip_address(address)
        except ValueError:
            raise UsageError("address: expected an address such as 192.0.2.7") from None
        at = read_second(asked, "at")
        ask = Ask(read_text(asked, "method") or "GET", target, _read_fields(asked.get("headers", {})), address)
        policy, token, tickets = self._config().policy, read_text(asked, "token"), self._tickets()
        now = time.time() if at is None else float(at)
        looked_up = await look_up(policy, ask, token, now, tickets, self._tokens)
        explanation = explain(
            policy, ask, token, now, tickets=tickets, revoked=self._revoked, looked_up=looked_up
        )
        return Done(json.loads(redact(json.dumps(to_plain(explanation)))))


def _read_fields(headers: object) -> Fields:
    """The header fields of ``{"Name": "value"}`` or ``{"Name": ["value", ...]}``. Raises UsageError."""
    fields: dict[str, list[str]] = {}
    pairs: list[tuple[str, Any]] = list(headers.items()) if isinstance(headers, dict) else [("", None)]
    for name, given in pairs:
        for value in given if isinstance(given, list) else [given]:
            if not isinstance(value, str) or _CONTROL & set(value):
                raise UsageError('headers: expected an object such as {"User-Agent": "VLC/3.0"}')
            fields.setdefault(name.lower(), []).append(value)
    return Fields(fields)
