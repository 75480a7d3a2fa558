"""Ziggeo's own API, for its SDKs as they are: server-side tokens, and the page sessions of its players.

    POST             /v1/authtokens                 create    HTTP Basic: application token and private key
    GET POST DELETE  /v1/authtokens/{token}         get, update, delete; POST with ?_method=DELETE deletes too
    POST             /v1/applications/{application token}/session       anybody: a page's session

What the SDKs make of answers decides their form. Python's shows its user the reason phrase of the status line
and nothing else of a refusal, and reads a body as ASCII; Ruby's and Java's take the body of a refusal for JSON;
all of them ask again four times after a 5xx, so a client's mistake is never one. Players ask for their route
with ``_wrapstatus``, which puts the status into the body: the status line then always says 200.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from gate.api.claimed import Told
from gate.api.ziggeo_tokens import Body, Caller, Document, Refusal, TokenCalls
from gate.core.credentials import Headers
from gate.core.policy import Application, Policy
from gate.errors import StoreError, StoreUnavailable
from gate.store.authtokens import AuthTokens
from gate.store.control import Control
from gate.wire.answers import Fields, json_answer
from gate.wire.failures import Failures
from gate.wire.peers import Peer

LONGEST_BODY: Final = 2**20
_TOKENS: Final = "/v1/authtokens"
_PREFIXES: Final = (_TOKENS, "/v1/applications/")
_SESSION: Final = re.compile(r"/v1/applications/([^/]+)/session/?")
_BASIC: Final = re.compile(r"basic +([A-Za-z0-9+/]+={0,2}) *", re.ASCII | re.IGNORECASE)
_CHALLENGE: Final = (("WWW-Authenticate", 'Basic realm="gate"'),)
_RETRY: Final = (("Retry-After", "2"),)
_DELETES: Final = [("_method", "DELETE")]
_TOO_LARGE: Final = Refusal(413, "body_too_large", f"A body is at most {LONGEST_BODY} bytes")

Issue = Callable[[Application, float], str]


@dataclass(frozen=True, slots=True)
class Route:
    """What a request is for. `token` is None where all tokens are meant, `page_of` the application token whose
    players ask for a page session, None where tokens are managed."""

    method: str
    query: str
    token: str | None = None
    page_of: str | None = None


class ZiggeoApi:
    """Answers the requests that `find` claims. `issue` gives a new page session of an application.

    `failures` counts wrong passwords; the clock of `now`, Unix seconds, is its clock too.
    """

    def __init__(self, tokens: AuthTokens, control: Control, failures: Failures, issue: Issue) -> None:
        self._calls = TokenCalls(tokens, control)
        self._failures = failures
        self._issue = issue

    @property
    def longest_body(self) -> int:
        return LONGEST_BODY

    def find(self, method: str, raw_target: str, policy: Policy) -> Route | None:
        """What the request is for; None where it is not for this API, as are media of an application."""
        if not raw_target.startswith(_PREFIXES):
            return None
        path, _, query = raw_target.partition("?")
        route = None
        if path in (_TOKENS, f"{_TOKENS}/"):
            route = Route(method, query)
        elif path.startswith(f"{_TOKENS}/"):
            # Whatever else it is, no token has such a name.
            route = Route(method, query, token=path[len(_TOKENS) + 1 :].removesuffix("/"))
        elif (match := _SESSION.fullmatch(path)) is not None:
            route = Route(method, query, page_of=match[1])
        served = any(application.ziggeo is not None for application in policy.applications.values())
        return route if served else None

    async def answer(
        self,
        route: Route,
        headers: Headers,
        peer: Peer,
        body: bytes,
        policy: Policy,
        request_id: str,
        cors: Fields,
        now: float,
    ) -> Told:
        """The answer to a request, with the header fields of `cors`, whatever it is."""
        wrapped, application = False, None
        if route.page_of is not None:
            application = _find_application(route.page_of, policy)
            outcome = self._open_page(route, application, now)
            wrapped = ("_wrapstatus", "true") in parse_qsl(route.query)
        elif len(body) > LONGEST_BODY:
            outcome = _TOO_LARGE
        else:
            admitted = self._admit(headers, peer.address, policy, now)
            if isinstance(admitted, Refusal):
                outcome = admitted
            else:
                application, caller = admitted
                sent = Body(headers.getall("content-type", ()), body)
                outcome = await self._call(route, caller, sent, now)
        return _tell(outcome, application, request_id, cors, wrapped=wrapped)

    def too_large(self, request_id: str, cors: Fields) -> Told:
        """The body is longer than LONGEST_BODY, and was not read."""
        return _tell(_TOO_LARGE, None, request_id, cors)

    def _open_page(self, route: Route, application: Application | None, now: float) -> Document | Refusal:
        if application is None:
            return Refusal(404, "not_found", "There is no such application")
        if route.method != "POST":
            return _refuse_method("POST")
        return {"token": self._issue(application, now), "testing_application": False}

    def _admit(
        self, headers: Headers, address: str, policy: Policy, now: float
    ) -> tuple[Application, Caller] | Refusal:
        """The application whose private key is shown (RFC 7617)."""
        if (wait_s := self._failures.wait_s(address, now)) > 0:
            phrase = "Too many requests from this address had no valid credentials"
            return Refusal(429, "too_many_failures", phrase, (("Retry-After", str(wait_s)),))
        shown = _read_basic(headers)
        found = None if shown is None else _find_owner(shown, policy)
        if found is not None and found.ziggeo is not None:
            return found, Caller(found.name, found.ziggeo.volatile_grace_s, address)
        if shown is None:
            phrase = "HTTP Basic credentials are needed: application token and private key"
            return Refusal(401, "credentials_missing", phrase, _CHALLENGE)
        self._failures.add(address, now)
        return Refusal(401, "credentials_wrong", "The application token or private key is wrong", _CHALLENGE)

    async def _call(self, route: Route, caller: Caller, body: Body, now: float) -> Document | Refusal:
        method, asked = route.method, parse_qsl(route.query, keep_blank_values=True)
        if method == "POST" and asked == _DELETES:
            method, asked = "DELETE", []
        if asked:
            phrase = "The query holds nothing but _method=DELETE of a POST; arguments belong in the body"
            return Refusal(400, "malformed_request", phrase)
        try:
            if route.token is None:
                if method == "POST":
                    return await self._calls.create(caller, body, now)
                return _refuse_method("POST")
            if method == "GET":
                return await self._calls.get(caller, route.token)
            if method == "POST":
                return await self._calls.update(caller, route.token, body, now)
            if method == "DELETE":
                return await self._calls.delete(caller, route.token, now)
        except StoreUnavailable:
            return Refusal(503, "store_unavailable", "The store of the gate does not answer now", _RETRY)
        except StoreError:
            return Refusal(503, "store_error", "The store of the gate cannot be used now", _RETRY)
        return _refuse_method("GET, POST, DELETE")


def _refuse_method(allowed: str) -> Refusal:
    return Refusal(405, "method_not_allowed", f"The methods here are {allowed}", (("Allow", allowed),))


def _find_application(application_token: str, policy: Policy) -> Application | None:
    for application in policy.applications.values():
        if application.ziggeo is not None and application.ziggeo.application_token == application_token:
            return application
    return None


def _read_basic(headers: Headers) -> bytes | None:
    """The user and password of the request, or None where it has none that can be read, or two."""
    values = headers.getall("authorization", ())
    match = _BASIC.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    try:
        return b64decode(match[1], validate=True)
    except binascii.Error:
        return None


def _find_owner(shown: bytes, policy: Policy) -> Application | None:
    """The application whose credentials are shown. Which they are like, and how much, does not show in the time
    that it takes: digests are compared, with all of them."""
    digest = hashlib.sha256(shown).digest()
    found = None
    for application in policy.applications.values():
        if (ziggeo := application.ziggeo) is not None:
            ours = f"{ziggeo.application_token}:{ziggeo.private_key}".encode()
            if hmac.compare_digest(digest, hashlib.sha256(ours).digest()):
                found = application
    return found


def _tell(
    outcome: Document | Refusal,
    application: Application | None,
    request_id: str,
    cors: Fields,
    *,
    wrapped: bool = False,
) -> Told:
    name = None if application is None else application.name
    if not isinstance(outcome, Refusal):
        document = {"status": 200, "statusText": "OK", "responseText": outcome} if wrapped else outcome
        return Told(json_answer(200, document, request_id, cors), name)
    status, phrase = outcome.status, outcome.phrase
    document = {
        "error": True,
        "code": status,
        "msg": phrase,
        "reason": outcome.reason,
        "request_id": request_id,
    }
    if wrapped:
        document = {"status": status, "statusText": phrase, "responseText": document}
        status, phrase = 200, ""
    more = (("Gate-Reason", outcome.reason), *outcome.fields)
    return Told(json_answer(status, document, request_id, cors, more=more, phrase=phrase), name, outcome.reason)
