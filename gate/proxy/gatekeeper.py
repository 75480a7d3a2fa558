"""The one place where the decision meets I/O: a request in, an answer out.

For a session that this worker knows, the whole way from bytes to Permit is synchronous. The store is asked
when a session opens and when its first media is about to leave; such a call runs in a task of its own, so
that a client that leaves cannot cancel it between counting and noting.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from aiohttp import web

from gate.core.credentials import DEFAULT_SOURCES
from gate.core.decision import Admit, Ask, Issue, Permit, Place, confirm, decide, locate, settle
from gate.core.media import Role
from gate.core.policy import Access, Application, Policy
from gate.core.reasons import Deny, Reason
from gate.core.ticket import INLINE_WARRANT, Ticket, TicketKeys, dump_warrant
from gate.core.token import Token, Warrant
from gate.errors import OriginError, StoreError
from gate.formats import read_token
from gate.proxy.carrier import session_link
from gate.proxy.known import Playbacks, Recent, Responses, is_revoked
from gate.proxy.origin import Reply, Upstream
from gate.proxy.relay import relay, respond
from gate.store.control import HEARTBEAT_S, Control
from gate.store.sessions import Sessions
from gate.wire.answers import Fields, cors_fields, preflight, problem, redirect
from gate.wire.headers import for_origin
from gate.wire.metrics import Metrics

_log: Final = logging.getLogger("gate.proxy")
# How long the store's feed may be silent in peace: between two heartbeats, of which one may be late.
_PEACE_S: Final = 2 * HEARTBEAT_S
T = TypeVar("T")


class Gatekeeper:
    """Answers requests under one policy at a time; `adopt` swaps it for another between two requests."""

    def __init__(
        self,
        policy: Policy,
        *,
        tickets: TicketKeys,
        sessions: Sessions,
        control: Control,
        upstream: Upstream,
        playbacks: Playbacks,
        responses: Responses,
        metrics: Metrics,
        cut: Callable[[asyncio.Transport], None],
    ) -> None:
        self._policy = policy
        self._tickets = tickets
        self._sessions = sessions
        self._control = control
        self._upstream = upstream
        self._playbacks = playbacks
        self._responses = responses
        self._metrics = metrics
        self._cut = cut
        self._tokens: Recent[Token] = Recent(policy.limits.tokens_cached)
        self._opened: Recent[Ticket] = Recent(policy.limits.tokens_cached)
        self._warrants: Recent[Warrant] = Recent(policy.limits.tokens_cached)
        self._calls: set[asyncio.Task[Any]] = set()
        self.draining = False

    @property
    def policy(self) -> Policy:
        return self._policy

    def adopt(self, policy: Policy) -> None:
        """Every request from now on is decided by `policy`; nothing verified under the old one is kept."""
        self._policy = policy
        self._tokens = Recent(policy.limits.tokens_cached)
        self._opened = Recent(policy.limits.tokens_cached)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request: the origin's, or the gate's own."""
        policy = self._policy
        request_id = secrets.token_hex(8)
        cors = cors_fields(policy.cors, request.headers.get("Origin"))
        asked_method = request.headers.get("Access-Control-Request-Method")
        if request.method == "OPTIONS" and "Origin" in request.headers and asked_method is not None:
            self._metrics.decisions.labels("preflight", "").inc()
            asked = request.headers.get("Access-Control-Request-Headers")
            return respond(preflight(request_id, cors, policy.cors.max_age_s, asked))
        try:
            verdict = await self._judge(request, policy)
            if isinstance(verdict, Permit):
                return await self._forward(request, verdict, policy, request_id, cors)
        except StoreError as error:
            self._metrics.store_failures.inc()
            _log.warning("%s: %s", request_id, error)
            verdict = Deny(Reason.STORE_UNAVAILABLE)
        except OriginError as error:
            _log.warning("%s: %s", request_id, error)
            verdict = Deny(Reason.ORIGIN_TIMEOUT if error.timed_out else Reason.ORIGIN_UNREACHABLE)
        if isinstance(verdict, Issue):
            self._metrics.decisions.labels("redirect", "").inc()
            link = session_link(policy.sessions.prefix, self._seal(verdict.ticket), verdict.place.target)
            return respond(redirect(link, request_id, cors))
        self._metrics.decisions.labels("deny", verdict.reason.value).inc()
        why = ": ".join(filter(None, (verdict.reason.value, verdict.detail)))
        _log.info("%s: %s refused: %s", request_id, request.method, why)
        return respond(problem(verdict, request_id, cors))

    async def drain(self) -> None:
        """Calls to the store that are under way have ended."""
        while self._calls:
            await asyncio.wait(self._calls)

    async def _judge(self, request: web.BaseRequest, policy: Policy) -> Permit | Issue | Deny:
        if self.draining:
            return Deny(Reason.DRAINING)
        ask = Ask(request.method, request.raw_path, request.headers, request.remote or "")
        place = locate(ask, policy)
        if isinstance(place, Deny):
            return place
        if request.body_exists:
            return Deny(Reason.BODY_NOT_ALLOWED)
        silent_s = self._control.silent_s - _PEACE_S
        if place.rule.access is Access.PRIVATE and silent_s > policy.sessions.outage_grace_s:
            # What was revoked meanwhile is not known here: after the grace nobody is let on.
            return Deny(Reason.STORE_UNAVAILABLE)
        ticket = self._open_ticket(place)
        if isinstance(ticket, Deny):
            return ticket
        token = self._verify(place)
        if isinstance(token, Deny):
            return token
        known = None
        if ticket is not None:
            known = self._playbacks.find(ticket.session, place.client)
            if ticket.warrant is None:
                ticket = replace(ticket, warrant=await self._long_warrant(ticket))
        elif token is not None:
            known = self._playbacks.find_by_token(token.id, place.client)
        verdict = decide(ask, place, token, ticket, known, self._control.revoked, time.time())
        if isinstance(verdict, Admit):
            outcome = await self._ask_store(
                "open",
                self._sessions.open(verdict.opening, _facts(request, place, verdict.opening.token.subject)),
            )
            return settle(verdict, outcome)
        return verdict

    async def _forward(
        self, request: web.BaseRequest, permit: Permit, policy: Policy, request_id: str, cors: Fields
    ) -> web.StreamResponse:
        place = permit.place
        origin = place.rule.origin
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        sources = place.application.sources if place.application else DEFAULT_SOURCES
        prefix = f"{policy.sessions.prefix}{permit.prefix}" if permit.prefix else ""
        fields = for_origin(
            request.raw_headers,
            sources,
            address=request.remote or "",
            # Not `request.host`: without a Host field that would be this machine's name, looked up in DNS.
            host=request.headers.get("Host", ""),
            scheme=request.scheme,
            request_id=request_id,
            manifest=bool(prefix) and place.facts.role is Role.MANIFEST,
        )
        asked_at = time.monotonic()
        try:
            reply = await self._upstream.ask(origin, request.method, place.target.raw, fields)
        except OriginError:
            self._metrics.origin_failures.labels(origin.name).inc()
            raise
        self._metrics.origin_seconds.labels(origin.name).observe(time.monotonic() - asked_at)
        async with reply:
            confirmed = await self._commit(request, permit, reply)
            if is_revoked(permit, self._control.revoked):
                # While origin and store were asked; from here on the response is watched.
                confirmed = Deny(Reason.REVOKED)
            if isinstance(confirmed, Deny):
                self._metrics.decisions.labels("deny", confirmed.reason.value).inc()
                return respond(problem(confirmed, request_id, cors))
            self._metrics.decisions.labels("permit", "").inc()
            with (
                self._responses.watch(permit, lambda: self._end(transport)),
                self._playbacks.running(permit.session, place.client),
            ):
                stall_s = policy.limits.stall_timeout_s
                return await relay(request, permit, reply, prefix, cors, stall_s, self._cut)

    async def _commit(self, request: web.BaseRequest, permit: Permit, reply: Reply) -> Permit | Deny:
        """The session counts before the first byte of its media leaves; without media nothing counts."""
        ticket = permit.commit
        # To a probe, 206 is a byte or two; 200 is the whole file, of an origin that knows no ranges.
        if reply.status not in ((200,) if permit.probe else (200, 206)):
            return permit
        if ticket is None:
            return Deny(Reason.SESSION_REQUIRED) if permit.probe and permit.session is None else permit
        client = permit.place.client
        facts = _facts(request, permit.place, ticket.subject)
        outcome = await self._ask_store("commit", self._sessions.commit(ticket, client, facts))
        confirmed = confirm(permit, outcome)
        if isinstance(confirmed, Permit):
            self._playbacks.add(ticket, client)
        return confirmed

    def _verify(self, place: Place) -> Token | Deny | None:
        if place.token is None or place.application is None or place.rule.access is not Access.PRIVATE:
            return None
        application: Application = place.application
        token = self._tokens.get(application.name, place.token)
        if token is None:
            read = read_token(place.token, application)
            if isinstance(read, Deny):
                return read
            self._tokens.put(application.name, place.token, token := read)
        return token

    def _open_ticket(self, place: Place) -> Ticket | Deny | None:
        if place.ticket is None or place.rule.access is not Access.PRIVATE:
            return None
        ticket = self._opened.get("", place.ticket)
        if ticket is None:
            opened = self._tickets.open(place.ticket)
            if isinstance(opened, Deny):
                return opened
            self._opened.put("", place.ticket, ticket := opened)
        return ticket

    async def _long_warrant(self, ticket: Ticket) -> Warrant | None:
        warrant = self._warrants.get(ticket.application, ticket.token)
        if warrant is None:
            warrant = await self._ask_store("warrant", self._sessions.warrant(ticket))
            if warrant is not None:
                self._warrants.put(ticket.application, ticket.token, warrant)
        return warrant

    def _seal(self, ticket: Ticket) -> str:
        if ticket.warrant is not None and len(dump_warrant(ticket.warrant)) > INLINE_WARRANT:
            ticket = replace(ticket, warrant=None)
        return self._tickets.seal(ticket, secrets.token_bytes(12))

    async def _ask_store(self, name: str, call: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(call, name=f"store {name}")
        self._calls.add(task)
        task.add_done_callback(self._ended)
        with self._metrics.store_seconds.labels(name).time():
            return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Whoever asked has been told; where they have left, nobody needs to be.
            _log.debug("a store call failed: %s", task.exception())

    def _end(self, transport: asyncio.Transport) -> None:
        self._metrics.sessions_ended.inc()
        self._cut(transport)


def _facts(request: web.BaseRequest, place: Place, subject: str | None) -> dict[str, str]:
    """What is kept beside a session for those who list sessions: short, and never a credential."""
    facts = {
        "application": place.application.name if place.application else "",
        "resource": place.facts.resource[:256],
        "client": place.client,
        "address": (request.remote or "")[:64],
        "agent": request.headers.get("User-Agent", "")[:128],
    }
    if subject is not None:
        facts["subject"] = subject[:256]
    return {name: text.encode("utf-8", "replace").decode("utf-8") for name, text in facts.items()}
