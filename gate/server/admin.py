"""The operators' listener: health, readiness, metrics.

``/healthz`` and ``/readyz`` answer anybody who reaches the listener, with one word; everything else asks for
the token where one is set.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from aiohttp import web

from gate.core.reasons import Deny, Reason
from gate.proxy.relay import respond
from gate.wire.answers import problem
from gate.wire.metrics import Metrics


class AdminHandler:
    """Answers the operators' requests. `readiness` gives what keeps the gate from serving; nothing: ready.

    `token` gives the token that is asked for now (a reload may change it), None where none is.
    """

    def __init__(
        self, metrics: Metrics, token: Callable[[], str | None], readiness: Callable[[], list[str]]
    ) -> None:
        self._metrics = metrics
        self._token = token
        self._readiness = readiness

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if request.method not in ("GET", "HEAD"):
            refusal = Deny(Reason.METHOD_NOT_ALLOWED, facts=(("allowed", ["GET", "HEAD"]),))
            return respond(problem(refusal, "", []))
        if path == "/healthz":
            return _text(200, "ok\n")
        if path == "/readyz":
            faults = self._readiness()
            if not faults:
                return _text(200, "ready\n")
            shown = "; ".join(faults) if self._allows(request) else "not ready"
            return _text(503, f"{shown}\n")
        if not self._allows(request):
            return respond(problem(Deny(Reason.TOKEN_MISSING), "", []))
        if path == "/metrics":
            return web.Response(
                body=self._metrics.expose(),
                headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8", "Server": "gate"},
            )
        return _text(404, "there are /healthz, /readyz and /metrics\n")

    def _allows(self, request: web.BaseRequest) -> bool:
        token = self._token()
        if token is None:
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given_bytes = given.strip().encode("utf-8", "surrogateescape")
        return scheme.lower() == "bearer" and hmac.compare_digest(given_bytes, token.encode())


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Server": "gate", "Cache-Control": "no-store"})
