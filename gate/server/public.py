"""What viewers connect to: the APIs that applications have there, and everything else is the gatekeeper's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeVar

from aiohttp import web

from gate.api.claimed import ClaimingApi
from gate.core.policy import Policy
from gate.proxy.gatekeeper import Gatekeeper
from gate.proxy.relay import respond
from gate.server.bodies import read_body
from gate.server.live import Live
from gate.wire.answers import cors_fields
from gate.wire.record import Journal

R = TypeVar("R")


class PublicHandler:
    """Answers requests of the public listener under the gatekeeper's policy; the first API that claims one."""

    def __init__(
        self,
        keeper: Gatekeeper,
        apis: Sequence[ClaimingApi[Any]],
        journal: Journal,
        live: Live | None = None,
    ) -> None:
        self._keeper = keeper
        self._apis = apis
        self._journal = journal
        self._live = live

    def upgrades(self, method: str, raw_target: str) -> bool:
        """Whether such a request may ask for WebSocket."""
        route = None if self._live is None else self._live.find(method, raw_target, self._keeper.policy)
        return route is not None and route.socket and method == "GET"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        policy = self._keeper.policy
        # A preflight is answered alike for everything, and so is who comes while the gate shuts down.
        if request.method != "OPTIONS" and not self._keeper.draining:
            if self._live is not None:
                heard = self._live.find(request.method, request.raw_path, policy)
                if heard is not None:
                    return await self._live.answer(request, heard, policy)
            for api in self._apis:
                route = api.find(request.method, request.raw_path, policy)
                if route is not None:
                    return await self._call(request, api, route, policy)
        return await self._keeper.handle(request)

    async def _call(
        self, request: web.BaseRequest, api: ClaimingApi[R], route: R, policy: Policy
    ) -> web.StreamResponse:
        with self._journal.begin(request, policy) as record:
            cors = cors_fields(policy.cors, request.headers.get("Origin"))
            body = await read_body(request, api.longest_body)
            if body is None:
                told = api.too_large(record.request_id, cors)
            else:
                record.receive(len(body))
                # A body may be long in coming: what has become of keys meanwhile counts, and what is verified
                # with the ones before would be remembered.
                policy = self._keeper.policy
                told = await api.answer(
                    route, request.headers, record.peer, body, policy, record.request_id, cors, time.time()
                )
            record.application = told.application
            record.decide("deny" if told.reason else "permit", told.reason)
            return record.answer(respond(told.answer))
