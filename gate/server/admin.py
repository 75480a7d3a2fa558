"""The operators' listener: health, readiness, metrics, and the admin API below ``/v1``.

``/healthz`` and ``/readyz`` answer anybody who reaches the listener, with one word; everything else is behind
the guard (`gate.api.guard`), which asks for the token where one is set. The RPC at ``/api/`` answers whom the
guard lets through with the token, or over a Unix socket, and besides whoever shows an API token.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from aiohttp import web

from gate.api.admin import PREFIX, AdminApi, too_large
from gate.api.answers import Fault, to_answer
from gate.api.call import LONGEST_BODY
from gate.api.guard import guard, shows
from gate.api.rpc_api import RpcApi
from gate.core.policy import Policy
from gate.core.reasons import Deny, Reason
from gate.proxy.relay import respond
from gate.server.bodies import read_body
from gate.wire.answers import problem
from gate.wire.metrics import Metrics
from gate.wire.peers import Peer


class AdminHandler:
    """Answers the operators' requests. `readiness` gives what keeps the gate from serving; nothing: ready.
    `notes` gives what an operator should know all the same, and is told to who has the token.

    `token` gives the token that is asked for now (a reload may change it), None where none is.
    """

    def __init__(
        self,
        metrics: Metrics,
        api: AdminApi,
        token: Callable[[], str | None],
        readiness: Callable[[], list[str]],
        notes: Callable[[], list[str]] = list,
        *,
        rpc: RpcApi,
        policy: Callable[[], Policy],
    ) -> None:
        self._metrics = metrics
        self._api = api
        self._token = token
        self._readiness = readiness
        self._notes = notes
        self._rpc = rpc
        self._policy = policy

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return await self._call(request)
        policy = self._policy()
        if self._rpc.find_any(request.method, request.raw_path, policy) is not None:
            return await self._call_rpc(request, policy)
        if request.method not in ("GET", "HEAD"):
            refusal = Deny(Reason.METHOD_NOT_ALLOWED, facts=(("allowed", ["GET", "HEAD"]),))
            return respond(problem(refusal, "", []))
        if path == "/healthz":
            return _text(200, "ok\n")
        if path == "/readyz":
            faults = self._readiness()
            if not faults:
                told = self._notes() if self._may_know(request) else []
                return _text(200, "; ".join(["ready", *told]) + "\n")
            shown = "; ".join(faults) if self._may_know(request) else "not ready"
            return _text(503, f"{shown}\n")
        if (fault := self._guard(request)) is not None:
            return respond(to_answer(fault))
        if path == "/metrics":
            return web.Response(
                body=self._metrics.expose(),
                headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Server": "gate"},
            )
        return _text(404, f"there are /healthz, /readyz, /metrics and, below {PREFIX}, the admin API\n")

    async def _call(self, request: web.BaseRequest) -> web.StreamResponse:
        if (fault := self._guard(request)) is not None:
            return respond(to_answer(fault))
        body = await read_body(request, LONGEST_BODY)
        if body is None:
            return respond(too_large(LONGEST_BODY))
        return respond(await self._api.answer(request.method, request.raw_path, body))

    async def _call_rpc(self, request: web.BaseRequest, policy: Policy) -> web.StreamResponse:
        # A loopback address proves nothing: behind a front on this machine every caller has one.
        proven = self._token() is not None or _is_unix(request)
        operator = proven and self._guard(request) is None
        call = self._rpc.find_any(request.method, request.raw_path, policy, operator=operator)
        body = await read_body(request, self._rpc.longest_body)
        request_id = secrets.token_hex(8)
        if call is None or body is None:
            return respond(self._rpc.too_large(request_id, []).answer)
        # Its own host is not where viewers are.
        peer = Peer(request.remote or "", request.scheme, "", "")
        told = await self._rpc.answer(call, request.headers, peer, body, policy, request_id, [], time.time())
        return respond(told.answer)

    def _guard(self, request: web.BaseRequest) -> Fault | None:
        return guard(request.method, request.headers, self._token(), unix=_is_unix(request))

    def _may_know(self, request: web.BaseRequest) -> bool:
        token = self._token()
        return token is None or shows(request.headers, token)


def _is_unix(request: web.BaseRequest) -> bool:
    """Whether the request came over a Unix socket."""
    name = None if request.transport is None else request.transport.get_extra_info("sockname")
    return isinstance(name, str | bytes)


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Server": "gate", "Cache-Control": "no-store"})
