"""What is noted of each request from its beginning to its end, for the log and the counters."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from gate.core.policy import Policy, Proxies
from gate.core.reasons import Deny
from gate.core.verdicts import Place
from gate.wire.access import Entry, clean, shown_agent, shown_method, shown_target
from gate.wire.metrics import Metrics
from gate.wire.peers import Peer, believe

_log: Final = logging.getLogger("gate.access")


class Journal:
    """Begins a record for each request. `every` tells whether all are logged, or refusals only."""

    def __init__(self, metrics: Metrics, every: Callable[[], bool]) -> None:
        self.metrics = metrics
        self.every = every

    def begin(self, request: web.BaseRequest, policy: Policy) -> Record:
        return Record(self, request, policy)

    def write(self, refused: bool, entry: Callable[[], Entry]) -> None:
        """The entry is in the log, where it is to be."""
        if (refused or self.every()) and _log.isEnabledFor(logging.INFO):
            _log.info(entry())


class Record:
    """One request: its id, who asks, and what becomes of it. As a context, it is written down at its end."""

    __slots__ = (
        *(
            "_began",
            "_decision",
            "_detail",
            "_journal",
            "_lasts",
            "_policy",
            "_reason",
            "_received",
            "_request",
        ),
        "_sent",
        *("application", "origin_status", "peer", "place", "request_id", "session", "status"),
    )

    def __init__(self, journal: Journal, request: web.BaseRequest, policy: Policy) -> None:
        self.request_id = secrets.token_hex(8)
        self.peer = peer_of(request, policy.proxies)
        self.application: str | None = None
        self.place: Place | None = None
        self.session: str | None = None
        self.origin_status: int | None = None
        # Of the answer whose head has left, or is about to.
        self.status: int | None = None
        self._journal = journal
        self._request = request
        self._policy = policy
        self._began = time.monotonic()
        self._decision: str | None = None
        self._reason = ""
        self._detail = ""
        self._sent = 0
        self._received = 0
        self._lasts = False

    def decide(self, decision: str, reason: str = "", detail: str = "") -> None:
        """What was decided: permit, redirect, preflight, or, by `refuse`, deny."""
        self._decision, self._reason, self._detail = decision, reason, detail
        self._journal.metrics.decisions.labels(decision, reason).inc()

    def refuse(self, deny: Deny) -> None:
        self.decide("deny", deny.reason.value, deny.detail)

    def answer(self, response: web.Response) -> web.Response:
        """The gate's own answer is the one."""
        self.status = response.status
        if self._request.method != "HEAD" and isinstance(response.body, bytes):
            self.send(len(response.body))
        return response

    def send(self, size: int) -> None:
        """So many bytes of a body leave."""
        self._sent += size
        self._journal.metrics.sent.inc(size)

    def receive(self, size: int) -> None:
        """So many bytes of an upload have come."""
        self._received += size
        self._journal.metrics.received.inc(size)

    def outlive(self, status: int) -> Lasting:
        """The answer, which begins now, goes on without its request: it is written down at its own end."""
        self.status, self._lasts = status, True
        return Lasting(self._journal, self.entry(), self._began)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lasts:
            return
        if kind is not None and not issubclass(kind, ConnectionError | asyncio.CancelledError):
            # Whoever called answers, in its own words, unless a head is out.
            theirs = issubclass(kind, web.RequestPayloadError)
            if self.status is None:
                self.status = 400 if theirs else 503
            if self._decision is None:
                self._decision, self._reason = "deny", "malformed_request" if theirs else "internal"
        self._journal.write(self._decision == "deny", self.entry)

    def entry(self) -> Entry:
        """The record as the log has it."""
        request, place = self._request, self.place
        facts = None if place is None else place.facts
        applications, application = list(self._policy.applications.values()), self.application
        if place is not None and place.application is not None:
            applications, application = [place.application], place.application.name
        secret = frozenset(name for each in applications for name in each.sources.query)
        return Entry(
            request_id=self.request_id,
            address=clean(self.peer.address, 64),
            method=shown_method(request.method),
            path=shown_target(request.raw_path, self._policy.sessions.prefix, secret),
            status=self.status,
            bytes_sent=self._sent,
            bytes_received=self._received,
            duration_ms=round((time.monotonic() - self._began) * 1000, 1),
            decision=self._decision,
            reason=self._reason or None,
            detail=clean(self._detail) or None,
            application=application,
            resource=None if facts is None else clean(facts.resource),
            kind=None if facts is None or facts.kind is None else facts.kind.value,
            session=self.session,
            origin_status=self.origin_status,
            user_agent=shown_agent(request.headers.get("User-Agent", "")),
        )


class Lasting:
    """An answer that goes on for hours, of which nothing but its entry is kept until it ends."""

    __slots__ = ("_began", "_entry", "_journal", "_received", "_sent")

    def __init__(self, journal: Journal, entry: Entry, began: float) -> None:
        self._journal, self._entry, self._began = journal, entry, began
        self._sent = self._received = 0

    def send(self, size: int) -> None:
        """So many bytes leave."""
        self._sent += size
        self._journal.metrics.sent.inc(size)

    def receive(self, size: int) -> None:
        """So many bytes have come."""
        self._received += size
        self._journal.metrics.received.inc(size)

    def end(self, why: str) -> None:
        """The answer has ended; `why` is one phrase for the log."""
        self._journal.write(False, lambda: self._ended(why))

    def _ended(self, why: str) -> Entry:
        lasted_ms = round((time.monotonic() - self._began) * 1000, 1)
        return replace(
            self._entry,
            bytes_sent=self._sent,
            bytes_received=self._received,
            duration_ms=lasted_ms,
            detail=clean(why),
        )


def peer_of(request: web.BaseRequest, proxies: Proxies) -> Peer:
    """Who asks, as far as the policy lets it be believed."""
    remote = request.remote or ""
    return believe(
        remote,
        request.raw_headers,
        proxies,
        over_unix=proxies.unix and not remote and _is_unix(request.transport),
        scheme=request.scheme,
        # Not `request.host`: without a Host field that would be this machine's name, looked up in DNS.
        host=request.headers.get("Host", ""),
    )


def _is_unix(transport: asyncio.Transport | None) -> bool:
    """Whether the connection came over a Unix socket. A peer that has just left has no address either."""
    if transport is None or not hasattr(socket, "AF_UNIX"):
        return False
    connection = transport.get_extra_info("socket")
    return connection is not None and connection.family == socket.AF_UNIX
