"""The one place where the decision meets I/O: a request in, an answer out.

What becomes of it is judged (`gate.proxy.judge`), and here it is done: forwarded, redirected or refused. A
call of the store runs in a task of its own, so that a client that leaves cannot cancel it between counting and
noting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from gate.core.added import with_streams
from gate.core.credentials import DEFAULT_SOURCES, Carrier
from gate.core.grants import Action
from gate.core.keys import Keyring
from gate.core.policy import READING, ApiKey, OnLimit, Policy
from gate.core.reasons import Deny, Reason
from gate.core.room import Room
from gate.core.stream import Entry
from gate.core.target import Target
from gate.core.ticket import TicketKeys
from gate.core.verdicts import Issue, Permit, Place
from gate.errors import OriginError, StoreError
from gate.formats.videosdk_errors import with_code
from gate.media.links import Links
from gate.proxy.carrier import session_cookie, session_link
from gate.proxy.credentials import Credentials
from gate.proxy.entrance import Entrance
from gate.proxy.judge import Judge, facts_of, shorten
from gate.proxy.known import Playbacks, Responses, is_revoked
from gate.proxy.ledger import Ledger
from gate.proxy.manifest import Body, is_read, prepare
from gate.proxy.origin import Reply, Upstream
from gate.proxy.ownership import (
    has_destroyed,
    is_whole,
    name_created,
    names_destroyed,
    reads_answer,
)
from gate.proxy.published import PublishedKeys
from gate.proxy.relay import relay, respond
from gate.proxy.session_api import SessionApi
from gate.proxy.uploads import Upload
from gate.rooms.desk import Desk
from gate.store.control import Control
from gate.wire.answers import Fields, cors_fields, preflight, problem, redirect
from gate.wire.headers import for_origin
from gate.wire.metrics import Metrics
from gate.wire.record import Journal, Record

_log: Final = logging.getLogger("gate.proxy")
# What asks for a delta update (RFC 8216bis, section 6.2.5.1).
_DELTA: Final = frozenset({"_HLS_skip"})


class Gatekeeper:
    """Answers requests under one policy at a time; `adopt` swaps it for another between two requests."""

    def __init__(
        self,
        policy: Policy,
        *,
        credentials: Credentials,
        keys: PublishedKeys,
        ledger: Ledger,
        control: Control,
        upstream: Upstream,
        playbacks: Playbacks,
        responses: Responses,
        metrics: Metrics,
        cut: Callable[[asyncio.Transport], None],
        journal: Journal,
        desk: Desk,
        streams: Callable[[], Mapping[str, Entry] | None] = dict,
    ) -> None:
        """`streams` gives the added streams as they are known now, None while they are not."""
        self._added = streams
        self._policy = with_streams(policy, streams() or {})
        self._credentials = credentials
        self._ledger = ledger
        self._control = control
        self._upstream = upstream
        self._playbacks = playbacks
        self._responses = responses
        self._metrics = metrics
        self._cut = cut
        self._journal = journal
        self._desk = desk
        self._entrance = Entrance(desk, ledger)
        self._judge = Judge(credentials, ledger, control, playbacks, streams, self._entrance)
        self._api = SessionApi(ledger, control, keys, self._credentials)
        self.draining = False

    @property
    def policy(self) -> Policy:
        return self._policy

    @property
    def tickets(self) -> TicketKeys:
        """The keys that seal and open links now."""
        return self._credentials.tickets

    def adopt(self, policy: Policy) -> None:
        """Every request from now on is decided by `policy`; nothing verified under the old one is kept."""
        self._policy = with_streams(policy, self._added() or {})
        self._credentials.forget(policy.limits.tokens_cached)

    def adopt_streams(self, changed: frozenset[str]) -> None:
        """Added streams have changed: every request from now on is decided by those that there are now.

        What runs of these is cut where it may not run on. What was verified stays so.
        """
        self._policy = with_streams(self._policy, self._added() or {})
        self._responses.cut_streams(changed, self._policy)

    def adopt_room(self, room: Room) -> None:
        """Somebody in the room may do less than before: what runs and may not is cut."""
        self._responses.cut_room(room.application, room.id, self._entrance.check)

    def adopt_keyring(self, name: str, keyring: Keyring) -> None:
        """The tokens of the application `name` are verified with this ring from now on.

        What was verified with a key that is gone is verified anew. A session goes on: its link is no token.
        """
        before = self._policy.applications[name].keyring
        self._policy = self._policy.with_keyring(name, keyring)
        if not keyring.holds(before):
            self._credentials.forget_tokens()

    def adopt_api_keys(self, name: str, keys: Mapping[str, ApiKey]) -> None:
        """The tokens of the application `name` are verified with these API keys from now on, as with a ring."""
        videosdk = self._policy.applications[name].videosdk
        self._policy = self._policy.with_api_keys(name, keys)
        if videosdk is None or any(keys.get(key.id) != key for key in videosdk.keys.values()):
            self._credentials.forget_tokens()

    def adopt_ticket_keys(self, tickets: TicketKeys) -> None:
        """Links are sealed with the first of these keys from now on, and opened with any of them."""
        self._credentials.adopt(tickets)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request: the origin's, or the gate's own."""
        policy = self._policy
        with self._journal.begin(request, policy) as record:
            response = await self._handle(request, policy, record)
            return record.answer(response) if isinstance(response, web.Response) else response

    async def _handle(self, request: web.BaseRequest, policy: Policy, record: Record) -> web.StreamResponse:
        cors = cors_fields(policy.cors, request.headers.get("Origin"))
        asked_method = request.headers.get("Access-Control-Request-Method")
        if request.method == "OPTIONS" and "Origin" in request.headers and asked_method is not None:
            record.decide("preflight")
            fields = request.headers.get("Access-Control-Request-Headers")
            return respond(preflight(record.request_id, cors, policy.cors.max_age_s, fields))
        try:
            asked = self._api.find(request, policy)
            if asked is not None and not self.draining:
                answer = await self._api.answer(request, asked, policy, record, cors)
                return self._refuse(record, answer, cors) if isinstance(answer, Deny) else respond(answer)
            verdict: Permit | Issue | Deny = Deny(Reason.DRAINING)
            if not self.draining:
                verdict = await self._judge.judge(request, policy, record)
            if isinstance(verdict, Permit):
                return await self._forward(request, verdict, policy, record, cors)
        except StoreError as error:
            _log.warning("%s: %s", record.request_id, error)
            verdict = Deny(Reason.STORE_UNAVAILABLE)
        except OriginError as error:
            _log.warning("%s: %s", record.request_id, error)
            verdict = Deny(_reason_of(error))
        if isinstance(verdict, Issue):
            record.decide("redirect")
            record.session = verdict.ticket.session
            text = self._credentials.seal(verdict.ticket)
            cookie = None
            if policy.sessions.carrier is Carrier.COOKIE:
                secure = record.peer.scheme == "https"
                cookie = session_cookie(text, verdict.ticket, verdict.place, secure=secure, now=time.time())
            link = session_link(policy.sessions, text, verdict.place)
            return respond(redirect(link, record.request_id, cors, cookie))
        return self._refuse(record, verdict, cors)

    async def _forward(
        self, request: web.BaseRequest, permit: Permit, policy: Policy, record: Record, cors: Fields
    ) -> web.StreamResponse:
        place, record.session = permit.place, permit.session
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has left")
        verdict: Permit | Deny = permit
        if place.action is not Action.READ:
            # An upload is a use: it counts before any of it reaches the origin.
            verdict, _ = await self._commit(request, permit, record)
            if isinstance(verdict, Permit) and is_revoked(verdict, self._control.revoked):
                # While the store was asked: a write cannot be taken back.
                verdict = Deny(Reason.REVOKED)
        if isinstance(verdict, Deny):
            return self._refuse(record, verdict, cors)
        with (
            self._playbacks.running(verdict.session, place.client),
            self._responses.watch(verdict, lambda: self._end(transport)),
            self._attend(verdict, transport),
        ):
            if verdict.room is not None and (refusal := self._entrance.check(verdict)) is not None:
                # While the store was asked: from here on the room is watched.
                return self._refuse(record, refusal, cors)
            links = self._links(verdict, policy, record)
            # A second time where a delta update cannot be cut: for the whole playlist.
            for target in (place.target, place.target.without(_DELTA)):
                reply = await self._ask_origin(request, transport, verdict, target, policy, record)
                if isinstance(reply, Deny):
                    return self._refuse(record, reply, cors)
                async with reply:
                    record.origin_status = reply.status
                    body = await prepare(
                        verdict,
                        reply,
                        links,
                        etags=request.headers.get("If-None-Match"),
                        limit=policy.limits.manifest,
                        now=time.time(),
                    )
                    if isinstance(body, Deny):
                        return self._refuse(record, body, cors)
                    if isinstance(body, Body):
                        return await self._answer(request, verdict, reply, body, links, policy, record, cors)
            return self._refuse(record, Deny(Reason.MANIFEST_INVALID, "a delta update was not asked for"), cors)

    @contextmanager
    def _attend(self, permit: Permit, transport: asyncio.Transport) -> Iterator[None]:
        """While inside, a participant is in the room, and the response ends when they are not any more."""
        seat = None if permit.room is None else self._entrance.seat(permit)
        if seat is None:
            yield
            return
        leave = self._desk.listen(seat, lambda event: None, lambda deny: self._end(transport))
        try:
            yield
        finally:
            leave()

    def _links(self, permit: Permit, policy: Policy, record: Record) -> Links:
        """How the URIs of the origin's answer are handed out."""
        key = None
        if permit.prefix and permit.session is not None:
            key = self._credentials.tickets.mark_key(permit.prefix, permit.session)
        peer, now = record.peer, time.time()
        scheme = peer.scheme or "http"
        return Links(
            policy, permit.place, host=peer.host, scheme=scheme, now=now, key=key, warrant=permit.sight
        )

    async def _ask_origin(
        self,
        request: web.BaseRequest,
        transport: asyncio.Transport,
        permit: Permit,
        target: Target,
        policy: Policy,
        record: Record,
    ) -> Reply | Deny:
        place = permit.place
        origin = place.rule.origin
        fields = for_origin(
            request.raw_headers,
            place.application.sources if place.application else DEFAULT_SOURCES,
            peer=record.peer,
            request_id=record.request_id,
            whole=_is_whole(permit),
            anew=permit.sight is not None,
            precondition=permit.precondition,
        )
        body = None
        if request.method not in READING and request.body_exists:
            body = Upload(request, transport, policy.limits.upload, record.receive)
            if request.content_length is not None:
                fields.append(("Content-Length", str(request.content_length)))
        asked_at = time.monotonic()
        try:
            reply = await self._upstream.ask(origin, request.method, target.raw, fields, body)
        except OriginError:
            if body is not None and body.refusal is not None:
                return body.refusal
            self._metrics.origin_failures.labels(origin.name).inc()
            raise
        self._metrics.origin_seconds.labels(origin.name).observe(time.monotonic() - asked_at)
        return reply

    async def _answer(
        self,
        request: web.BaseRequest,
        permit: Permit,
        reply: Reply,
        body: Body,
        links: Links,
        policy: Policy,
        record: Record,
        cors: Fields,
    ) -> web.StreamResponse:
        place, first = permit.place, False
        verdict: Permit | Deny = permit
        if place.action is not Action.READ:
            await self._note_ownership(permit, reply)
        elif reply.status in ((200,) if permit.probe else (200, 206)):
            # The session counts before the first byte of its media leaves; without media nothing counts. To a
            # probe, 206 is a byte or two; 200 is the whole file, of an origin that knows no ranges.
            if permit.probe and permit.session is None:
                verdict = Deny(Reason.SESSION_REQUIRED)
            else:
                verdict, first = await self._commit(request, permit, record)
        if isinstance(verdict, Permit) and is_revoked(verdict, self._control.revoked):
            # While origin and store were asked; from here on the response is watched.
            verdict = Deny(Reason.REVOKED)
        if isinstance(verdict, Deny):
            return self._refuse(record, verdict, cors)
        record.decide("permit")
        record.status = body.status or reply.status
        unsent = permit.commit if first else None

        def send(size: int) -> None:
            nonlocal unsent
            unsent = None
            record.send(size)

        watched = shorten(place.facts.resource, 256) if reply.status in (200, 206) else ""
        with self._playbacks.running(permit.session, place.client, watched):
            try:
                stall_s = policy.limits.stall_timeout_s
                return await relay(request, permit, reply, body, links, cors, stall_s, self._cut, send)
            finally:
                if unsent is not None:
                    self._ledger.give_back(unsent, place.client)

    async def _commit(
        self, request: web.BaseRequest, permit: Permit, record: Record
    ) -> tuple[Permit | Deny, bool]:
        if permit.commit is None:
            return permit, False
        application = permit.place.application
        on_limit = OnLimit.REJECT if application is None else application.on_limit
        facts = facts_of(record.peer.address, request, permit.place, permit.commit.subject)
        verdict, first = await self._ledger.commit(permit, on_limit, facts)
        if isinstance(verdict, Permit) and verdict.session is not None and verdict.ends_at != permit.ends_at:
            # It was renewed since its link was made, maybe on another gate.
            self._responses.extend(verdict.session, verdict.ends_at, verdict.renewed_by)
        return verdict, first

    async def _note_ownership(self, permit: Permit, reply: Reply) -> None:
        """Before the answer's head leaves, the store knows whose the new object is, or that one is gone."""
        if not 200 <= reply.status < 300:
            return
        if permit.place.action is Action.DESTROY:
            if await has_destroyed(permit, reply):
                await self._ledger.disown(permit, names_destroyed(permit.place))
                await self._drop_resource(permit.place)
        elif permit.place.action is Action.CREATE and (permit.visit or permit.session) and not permit.room:
            name = await name_created(permit, reply)
            if name is not None:
                await self._ledger.own(permit, name)

    async def _drop_resource(self, place: Place) -> None:
        """Server-side tokens that were for what is gone now, and may not outlive it, name it no longer."""
        ziggeo = None if place.application is None else place.application.ziggeo
        if place.application is not None and ziggeo is not None and is_whole(place):
            await self._ledger.drop_resource(
                place.application.name, place.facts.resource, ziggeo.volatile_grace_s
            )

    def _refuse(self, record: Record, deny: Deny, cors: Fields) -> web.Response:
        record.refuse(deny)
        application = None if record.place is None else record.place.application
        if application is not None and application.videosdk is not None:
            deny = with_code(deny)
        return respond(problem(deny, record.request_id, cors))

    def _end(self, transport: asyncio.Transport) -> None:
        self._metrics.sessions_ended.inc()
        self._cut(transport)


def _reason_of(error: OriginError) -> Reason:
    if error.timed_out:
        return Reason.ORIGIN_TIMEOUT
    return Reason.ORIGIN_INVALID if error.invalid else Reason.ORIGIN_UNREACHABLE


def _is_whole(permit: Permit) -> bool:
    """Whether the gate looks into the answer: a manifest, a stream that ends with its window.

    A part of such a stream would not say how far into it it begins.
    """
    return is_read(permit) or permit.remains is not None or reads_answer(permit.place)
