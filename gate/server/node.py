"""A gate in one process: store, control feed, gatekeeper and listeners, started and ended as one.

Nothing is half started: what has begun is ended again when a later part cannot begin, in reverse order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gate.api.admin import AdminApi
from gate.api.api_keys import ApiKeysApi
from gate.api.operations import OperationsApi, Reloading
from gate.api.rpc_api import RpcApi
from gate.api.sessions import SessionsApi
from gate.api.videosdk import VideoSdkApi
from gate.api.videosdk_live import Attendee, VideoSdkLive
from gate.api.ziggeo import ZiggeoApi
from gate.config.compile import Address, Config
from gate.config.values import UnixAddress
from gate.core.keys import Keyring
from gate.core.policy import ApiKey, Limits
from gate.core.reasons import Deny
from gate.core.room import DEFAULT_ROOM_RULES, Room, RoomRules
from gate.core.ticket import TicketKeys
from gate.errors import GateError, StoreError
from gate.proxy.api_keys import KnownApiKeys
from gate.proxy.credentials import Credentials
from gate.proxy.door import GateDoor
from gate.proxy.gatekeeper import Gatekeeper
from gate.proxy.known import Playbacks, Responses
from gate.proxy.ledger import Ledger
from gate.proxy.origin import HttpUpstream
from gate.proxy.published import PublishedKeys
from gate.proxy.references import References
from gate.proxy.streams import KnownStreams
from gate.rooms.desk import Desk
from gate.server.admin import AdminHandler
from gate.server.beginning import Beginning
from gate.server.health import Health, State
from gate.server.kept_keys import KeptKeys
from gate.server.listener import Listener, ListenerLimits, cut
from gate.server.live import Live
from gate.server.public import PublicHandler
from gate.store.api_keys import ApiKeys
from gate.store.authtokens import AuthTokens
from gate.store.client import Client
from gate.store.control import HEARTBEAT_S, Control
from gate.store.listing import Listing
from gate.store.rooms import Rooms
from gate.store.sessions import Sessions
from gate.store.streams import Streams
from gate.wire.failures import Failures
from gate.wire.metrics import Metrics
from gate.wire.record import Journal

# A start and a revocation wait longer for the store than a viewer's request does.
_OPERATOR_S: Final = 3.0
_log: Final = logging.getLogger("gate")
_ROTATION_CHECK_S: Final = 3600.0


class Node:
    """A running gate. Use as a context, or `start` and `stop`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.metrics = Metrics()
        self.public: Listener | None = None
        self.admin: Listener | None = None
        self.control: Control | None = None
        self.api: AdminApi | None = None
        self.gatekeeper: Gatekeeper | None = None
        self.keys: PublishedKeys | None = None
        self.api_keys: KnownApiKeys | None = None
        # What an operator should know of a gate that serves.
        self.notes: list[str] = []
        self._live: Live | None = None
        self._kept_keys = KeptKeys(config.state_dir / "ticket_keys")
        self._stack = AsyncExitStack()
        self._fixed = config.fixed()
        # Has the policy file read again, by way of `reload`; None where the policy is not from a file.
        self.reread: Callable[[], Awaitable[None]] | None = None
        self.reloading = Reloading(time.time(), config.policy.version)

    async def start(self) -> None:
        """Viewers are served. Raises GateError when they cannot be, with everything undone."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()

    async def _start(self, stack: AsyncExitStack) -> None:
        config, policy = self.config, self.config.policy
        beginning = Beginning(config, self._kept_keys)
        url = await beginning.find(stack)
        client, patient = Client(url), Client(url, timeout_s=_OPERATOR_S, connections=4)
        stack.push_async_callback(client.close)
        stack.push_async_callback(patient.close)
        await beginning.check(patient)
        responses = Responses()
        sessions = Sessions(client, idle_s=policy.sessions.idle_s, provisional_s=policy.sessions.provisional_s)
        playbacks = Playbacks(sessions, policy.sessions.idle_s, responses.cut_playback)

        def lose(session: str, viewer: str) -> None:
            playbacks.drop(session, viewer)
            responses.cut_playback(session, viewer)

        def extend(session: str, ends_at: float | None, token: str) -> None:
            playbacks.extend(session, ends_at, token)
            responses.extend(session, ends_at, token)

        def forget(application: str, names: list[str]) -> None:
            references.forget(application, names)

        def miss() -> None:
            references.forget_all()
            known.miss()
            known_keys.miss()
            desk.miss()

        rooms = Rooms(client)
        desk = Desk(
            rooms,
            policy.sessions.idle_s,
            on_changed=self._take_room,
            rules=self._room_rules,
            wanted=self._has_rooms,
        )
        streams, api_keys = Streams(patient), ApiKeys(patient)
        known = KnownStreams(streams, self._take_streams)
        known_keys = KnownApiKeys(api_keys, self._take_api_keys)

        control = Control(
            patient,
            url,
            lambda: self._take_revocations(responses, control),
            on_lost=lose,
            on_renewed=extend,
            on_ticket_keys=self._take_ticket_keys,
            on_authtokens=forget,
            on_streams=known.hear,
            on_room=desk.hear,
            on_api_keys=known_keys.hear,
            on_missed=miss,
        )
        authtokens = AuthTokens(client, control.tell_authtokens)
        references = References(authtokens, policy.limits.tokens_cached)
        stack.push_async_callback(control.stop)
        await beginning.follow(control)
        for copy in (known, known_keys):
            stack.push_async_callback(copy.stop)
            await beginning.follow(copy)
        ledger = Ledger(lambda: self.config.policy, sessions, authtokens, control, playbacks, self.metrics)
        ledger.start(reachable=beginning.reachable)
        stack.push_async_callback(ledger.stop)
        upstream = HttpUpstream(connections=policy.limits.connections)
        stack.push_async_callback(upstream.close)
        tickets = TicketKeys(await beginning.ticket_keys(control))
        keys = PublishedKeys(self.metrics, self._take_keyring)
        stack.push_async_callback(keys.stop)
        credentials = Credentials(
            *(tickets, keys, references, Failures(), self.metrics, policy.limits.tokens_cached),
            api_keys_known=lambda: known_keys.whole,
        )
        journal = Journal(self.metrics, lambda: self.config.log_access)
        keeper = Gatekeeper(
            known_keys.follow(keys.follow(policy)),
            credentials=credentials,
            keys=keys,
            ledger=ledger,
            control=control,
            upstream=upstream,
            playbacks=playbacks,
            responses=responses,
            metrics=self.metrics,
            cut=cut,
            journal=journal,
            desk=desk,
            streams=lambda: known.streams if known.whole else None,
        )
        # From here on it takes keys that are fetched, and ticket keys that the feed tells of.
        self.gatekeeper, self.keys, self.api_keys = keeper, keys, known_keys
        self.config = replace(self.config, policy=keeper.policy)
        await desk.start()
        stack.push_async_callback(desk.stop)
        rpc = RpcApi(streams, control, Failures(), lambda: keeper.tickets, known.learn)
        stack.push_async_callback(ledger.drain)
        health = Health(self._state(control, ledger, keeper, keys), patient, upstream)
        managed = ApiKeysApi(
            api_keys, lambda: keeper.policy.applications, lambda: known_keys.own, known_keys.learn
        )
        api = self._make_api(patient, control, keeper, references, health, managed)
        admin = Listener(
            AdminHandler(
                self.metrics,
                api,
                lambda: self.config.admin_token,
                lambda: self._faults(control, keeper),
                self._notes,
                rpc=rpc,
                policy=lambda: keeper.policy,
            ).handle,
            _listener_limits(policy.limits),
            name="admin",
        )
        await admin.start(_where(config.admin_listen))
        stack.push_async_callback(admin.stop)
        ziggeo = ZiggeoApi(authtokens, control, Failures(), credentials.issue_visit)
        door = GateDoor(credentials, ledger, control)
        videosdk = VideoSdkApi(
            rooms, desk, door, Failures(), lambda application: self._room_rules(application.name)
        )
        live = Live(
            VideoSdkLive(door, desk),
            desk,
            journal,
            lambda: keeper.policy,
            lambda attendee: _still(attendee, door),
        )
        stack.push_async_callback(live.stop)
        handler = PublicHandler(keeper, (ziggeo, rpc, videosdk), journal, live)
        public = Listener(
            handler.handle, _listener_limits(policy.limits), name="public", upgrades=handler.upgrades
        )
        await public.start(_where(config.listen))
        stack.push_async_callback(public.stop)
        self.public, self.admin, self.control, self.api = public, admin, control, api
        self._live = live
        self._watch(public, playbacks, responses, control, ledger, live)
        rotation = asyncio.create_task(self._rotate(control), name="ticket key rotation")
        stack.callback(rotation.cancel)
        self.metrics.adopt(policy.version, time.time())

    async def stop(self) -> None:
        """Running responses have had the policy's time to end, and everything is closed."""
        try:
            if self.public is not None and self.gatekeeper is not None:
                self.gatekeeper.draining = True
                await self.public.drain(self.config.drain_s)
        finally:
            await self._stack.aclose()

    def reload(self, read: Callable[[], Config]) -> bool:
        """Every further request is decided by the policy that `read` gives; on an error the old one stays.

        What only a start can change (addresses, store) is left as it is, and said so.
        """
        keys, api_keys = self.keys, self.api_keys
        if self.gatekeeper is None or self.public is None or keys is None or api_keys is None:
            return False
        started = time.monotonic()
        try:
            config = read()
        except GateError as error:
            self.metrics.reloads.labels("refused").inc()
            self.metrics.refuse_policy()
            lines = str(error).splitlines()
            for line in lines:
                _log.error("policy not reloaded: %s", line)
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.reloading = replace(self.reloading, at=time.time(), problems=tuple(lines))
            self.notes = [f"an older policy is in force: at {at} the file was refused: {lines[0]}{more}"]
            return False
        if restart_needed := config.fixed() != self._fixed:
            _log.warning("a change of addresses, store, state_dir, limits or session times needs a restart")
        self.gatekeeper.adopt(api_keys.follow(keys.follow(config.policy)))
        self.config, self.notes = replace(config, policy=self.gatekeeper.policy), []
        if config.ticket_keys:
            self.gatekeeper.adopt_ticket_keys(TicketKeys(config.ticket_keys))
        self.metrics.adopt(config.policy.version, time.time())
        self.metrics.reloads.labels("done").inc()
        self.reloading = Reloading(time.time(), config.policy.version, restart_needed=restart_needed)
        _log.info(
            "policy %s in force after %.0f ms", config.policy.version, (time.monotonic() - started) * 1000
        )
        return True

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _take_ticket_keys(self, keys: list[bytes]) -> None:
        if self.gatekeeper is not None and not self.config.ticket_keys:
            self._kept_keys.write(keys)
            self.gatekeeper.adopt_ticket_keys(TicketKeys(keys))

    def _take_streams(self, changed: frozenset[str]) -> None:
        if self.gatekeeper is not None:
            self.gatekeeper.adopt_streams(changed)
            self.config = replace(self.config, policy=self.gatekeeper.policy)

    def _take_revocations(self, responses: Responses, control: Control) -> None:
        responses.cut_revoked(control.revoked)
        if self._live is not None:
            self._live.recheck()

    def _take_room(self, room: Room) -> None:
        if self.gatekeeper is not None:
            self.gatekeeper.adopt_room(room)

    def _has_rooms(self) -> bool:
        return any(each.videosdk is not None for each in self.config.policy.applications.values())

    def _room_rules(self, application: str) -> RoomRules:
        found = self.config.policy.applications.get(application)
        return DEFAULT_ROOM_RULES if found is None or found.videosdk is None else found.videosdk.rooms

    def _take_keyring(self, name: str, keyring: Keyring) -> None:
        if self.gatekeeper is not None:
            self.gatekeeper.adopt_keyring(name, keyring)
            self.config = replace(self.config, policy=self.gatekeeper.policy)

    def _take_api_keys(self, name: str, keys: Mapping[str, ApiKey]) -> None:
        if self.gatekeeper is not None:
            self.gatekeeper.adopt_api_keys(name, keys)
            self.config = replace(self.config, policy=self.gatekeeper.policy)

    async def _rotate(self, control: Control) -> None:
        """The gates' common ticket keys are made anew in time; the feed tells of a new one."""
        while True:
            rotation_s = self.config.policy.sessions.ticket_rotation_s
            await asyncio.sleep(min(rotation_s, _ROTATION_CHECK_S))
            if not self.config.ticket_keys:
                try:
                    await control.ticket_keys(rotation_s)
                except StoreError as error:
                    _log.warning("ticket keys cannot be made anew: %s", error)

    def _watch(
        self,
        public: Listener,
        playbacks: Playbacks,
        responses: Responses,
        control: Control,
        ledger: Ledger,
        live: Live,
    ) -> None:
        watch = self.metrics.watch
        watch("gate_connections", "Open client connections", lambda: public.connections)
        watch("gate_sessions", "Sessions that are playing here", lambda: playbacks.sessions)
        watch("gate_playbacks", "Playbacks that this gate knows", lambda: len(playbacks))
        watch("gate_responses", "Responses that are running and not for everybody", lambda: len(responses))
        watch("gate_room_listeners", "Event streams of rooms that are open here", lambda: len(live))
        watch("gate_store_silent_seconds", "Since the store's feed was last heard", lambda: control.silent_s)
        watch("gate_store_away_seconds", "Since the store took nothing down", lambda: ledger.away_s)

    def _make_api(
        self,
        client: Client,
        control: Control,
        keeper: Gatekeeper,
        references: References,
        health: Health,
        keys: ApiKeysApi,
    ) -> AdminApi:
        rules = self.config.policy.sessions

        async def reload() -> Reloading | None:
            if self.reread is None:
                return None
            await self.reread()
            return self.reloading

        return AdminApi(
            SessionsApi(
                Listing(client, idle_s=rules.idle_s),
                Sessions(client, idle_s=rules.idle_s, provisional_s=rules.provisional_s),
                control,
                lambda: self.config.policy.applications,
            ),
            OperationsApi(
                config=lambda: self.config,
                reload=reload,
                health=health.ask,
                tickets=lambda: keeper.tickets,
                revoked=control.revoked,
                tokens=references,
            ),
            keys,
        )

    def _state(
        self, control: Control, ledger: Ledger, keeper: Gatekeeper, keys: PublishedKeys
    ) -> Callable[[], State]:
        return lambda: State(
            policy=self.config.policy,
            faults=self._faults(control, keeper),
            notes=self._notes(),
            reloading=self.reloading,
            store_away_s=ledger.away_s,
            feed_silent_s=control.silent_s,
            keys=keys.describe(),
        )

    def _notes(self) -> list[str]:
        """What an operator should know all the same."""
        found = list(self.notes)
        for keys in (self.keys, self.api_keys):
            found += [] if keys is None else keys.notes()
        return found

    def _faults(self, control: Control, keeper: Gatekeeper) -> list[str]:
        faults = []
        if keeper.draining:
            faults.append("draining")
        if control.silent_s > 3 * HEARTBEAT_S:
            faults.append(f"the store has been silent for {control.silent_s:.0f} s")
        return faults


def _still(attendee: Attendee, door: GateDoor) -> Deny | None:
    """Whether somebody who listens to a room may go on."""
    held = attendee.caller.token or attendee.caller.ticket
    return None if held is None else door.still(held, attendee.seat.session)


def _listener_limits(limits: Limits) -> ListenerLimits:
    return ListenerLimits(
        request_line=limits.target + 64,
        header_field=limits.header_field,
        headers=limits.headers,
        header_timeout_s=limits.header_timeout_s,
        keepalive_s=limits.keepalive_s,
        send_stall_s=limits.stall_timeout_s,
        connections=limits.connections,
    )


def _where(address: Address) -> tuple[str, int] | Path:
    if isinstance(address, UnixAddress):
        return Path(address.path)
    return address.host, address.port
