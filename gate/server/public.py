"""What viewers connect to: the APIs that applications have there, and everything else is the gatekeeper's."""

from __future__ import annotations

import time

from aiohttp import web

from gate.api.ziggeo import LONGEST_BODY, Route, ZiggeoApi
from gate.core.policy import Policy
from gate.proxy.gatekeeper import Gatekeeper
from gate.proxy.relay import respond
from gate.server.bodies import read_body
from gate.wire.answers import cors_fields
from gate.wire.record import Journal


class PublicHandler:
    """Answers requests of the public listener under the gatekeeper's policy."""

    def __init__(self, keeper: Gatekeeper, ziggeo: ZiggeoApi, journal: Journal) -> None:
        self._keeper = keeper
        self._ziggeo = ziggeo
        self._journal = journal

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        policy = self._keeper.policy
        route = self._ziggeo.find(request.method, request.raw_path, policy)
        # A preflight is answered alike for everything, and so is who comes while the gate shuts down.
        if route is None or request.method == "OPTIONS" or self._keeper.draining:
            return await self._keeper.handle(request)
        return await self._call(request, route, policy)

    async def _call(self, request: web.BaseRequest, route: Route, policy: Policy) -> web.StreamResponse:
        with self._journal.begin(request, policy) as record:
            cors = cors_fields(policy.cors, request.headers.get("Origin"))
            body = await read_body(request, LONGEST_BODY)
            if body is None:
                told = self._ziggeo.too_large(record.request_id, cors)
            else:
                record.receive(len(body))
                address = record.peer.address
                told = await self._ziggeo.answer(
                    route, request.headers, address, body, policy, record.request_id, cors, time.time()
                )
            record.application = told.application
            record.decide("deny" if told.reason else "permit", told.reason)
            return record.answer(respond(told.answer))
