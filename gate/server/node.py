"""A gate in one process: store, control feed, gatekeeper and listeners, started and ended as one.

Nothing is half started: what has begun is ended again when a later part cannot begin, in reverse order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gate.config.compile import Address, Config
from gate.config.values import UnixAddress
from gate.core.policy import Limits
from gate.core.ticket import TicketKeys
from gate.errors import GateError
from gate.proxy.gatekeeper import Gatekeeper
from gate.proxy.known import Playbacks, Responses
from gate.proxy.origin import HttpUpstream
from gate.server.admin import AdminHandler
from gate.server.listener import Listener, ListenerLimits, cut
from gate.store.client import Client
from gate.store.control import HEARTBEAT_S, Control
from gate.store.sessions import Sessions
from gate.wire.metrics import Metrics

# A start and a revocation wait longer for the store than a viewer's request does.
_OPERATOR_S: Final = 3.0
_log: Final = logging.getLogger("gate")


class Node:
    """A running gate. Use as a context, or `start` and `stop`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.metrics = Metrics()
        self.public: Listener | None = None
        self.admin: Listener | None = None
        self.control: Control | None = None
        self.gatekeeper: Gatekeeper | None = None
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Viewers are served. Raises GateError when they cannot be, with everything undone."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()

    async def _start(self, stack: AsyncExitStack) -> None:
        config, policy = self.config, self.config.policy
        url = config.store or await self._embedded(stack)
        client, patient = Client(url), Client(url, timeout_s=_OPERATOR_S, connections=4)
        stack.push_async_callback(client.close)
        stack.push_async_callback(patient.close)
        for warning in await patient.check():
            _log.warning("%s", warning)
        responses = Responses()
        control = Control(patient, url, lambda: responses.cut_revoked(control.revoked))
        stack.push_async_callback(control.stop)
        await control.start()
        tickets = TicketKeys(config.ticket_keys or await control.ticket_keys())
        sessions = Sessions(client, idle_s=policy.sessions.idle_s, provisional_s=policy.sessions.provisional_s)
        playbacks = Playbacks(sessions, policy.sessions.idle_s)
        playbacks.start()
        stack.push_async_callback(playbacks.stop)
        upstream = HttpUpstream(connections=policy.limits.connections)
        stack.push_async_callback(upstream.close)
        keeper = Gatekeeper(
            policy,
            tickets=tickets,
            sessions=sessions,
            control=control,
            upstream=upstream,
            playbacks=playbacks,
            responses=responses,
            metrics=self.metrics,
            cut=cut,
        )
        stack.push_async_callback(keeper.drain)
        admin = Listener(
            AdminHandler(
                self.metrics, lambda: self.config.admin_token, lambda: self._faults(control, keeper)
            ).handle,
            _listener_limits(policy.limits),
            name="admin",
        )
        await admin.start(_where(config.admin_listen))
        stack.push_async_callback(admin.stop)
        public = Listener(keeper.handle, _listener_limits(policy.limits), name="public")
        await public.start(_where(config.listen))
        stack.push_async_callback(public.stop)
        self.public, self.admin, self.control, self.gatekeeper = public, admin, control, keeper
        self._watch(public, playbacks, responses, control)
        self.metrics.policy.labels(policy.version).set(1)

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
        if self.gatekeeper is None:
            return False
        started = time.monotonic()
        try:
            config = read()
        except GateError as error:
            self.metrics.reloads.labels("refused").inc()
            for line in str(error).splitlines():
                _log.error("policy not reloaded: %s", line)
            return False
        if config.fixed() != self.config.fixed():
            _log.warning("a change of listen, admin.listen, store, state_dir or sessions.idle needs a restart")
        self.metrics.policy.labels(self.config.policy.version).set(0)
        self.config = config
        self.gatekeeper.adopt(config.policy)
        self.metrics.policy.labels(config.policy.version).set(1)
        self.metrics.reloads.labels("done").inc()
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

    async def _embedded(self, stack: AsyncExitStack) -> str:
        # Imported here: it needs file locks that not every platform has, and only this store needs it.
        from gate.store.embedded import EmbeddedValkey

        server = EmbeddedValkey(self.config.state_dir / "valkey")
        await server.start()
        stack.push_async_callback(server.stop)
        return server.url

    def _watch(self, public: Listener, playbacks: Playbacks, responses: Responses, control: Control) -> None:
        watch = self.metrics.watch
        watch("gate_connections", "Open client connections", lambda: public.connections)
        watch("gate_playbacks", "Playbacks that this gate knows", lambda: len(playbacks))
        watch("gate_responses", "Token-bound responses that are running", lambda: len(responses))
        watch("gate_store_silent_seconds", "Since the store's feed was last heard", lambda: control.silent_s)

    def _faults(self, control: Control, keeper: Gatekeeper) -> list[str]:
        faults = []
        if keeper.draining:
            faults.append("draining")
        if control.silent_s > 3 * HEARTBEAT_S:
            faults.append(f"the store has been silent for {control.silent_s:.0f} s")
        return faults


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
