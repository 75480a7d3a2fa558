"""The RPC over HTTP: ``POST /api/``, who may call, and the answer to whatever comes.

The credential is an API token, one of the policy's or one that a gate has made: in Authorization, with or
without ``Bearer``, or as the parameter ``token``, of the query or of the call. Where it is in several places it
is the same, and where a method has a parameter ``token`` of its own that is not the credential. On the
operators' listener whoever shows the operators' token, or comes through their Unix socket, needs none.

A refusal to call at all is answered as a fault is: ``{"error": {"code", "message", "data"}}``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl

from gate.api.claimed import Told
from gate.api.rpc import Batch, Invocation, Rpc, Single, read_call
from gate.api.rpc_auth import CREATE_ACCESS, CREATE_API, AuthCalls
from gate.api.rpc_caller import METHOD, TOO_LARGE, TOO_MANY_FAILURES, UNAUTHORIZED, Caller
from gate.api.rpc_methods import RpcFault
from gate.api.rpc_streams import StreamCalls
from gate.core.credentials import Headers
from gate.core.policy import RPC_PATH, Policy, RpcRules
from gate.core.ticket import TicketKeys
from gate.store.control import Control
from gate.store.streams import Streams
from gate.wire.answers import Fields, json_answer
from gate.wire.failures import Failures
from gate.wire.peers import Peer

LONGEST_BODY: Final = 65536
# Of the API: another one where a caller would have to be changed.
_VERSION: Final = "1.0"
_PATHS: Final = (RPC_PATH, RPC_PATH.rstrip("/"))
_OWN_TOKEN: Final = frozenset({"Auth.RevokeToken", "Auth.InspectToken"})
_CHALLENGE: Final = (("WWW-Authenticate", 'Bearer realm="gate"'),)
_ALLOW: Final = (("Allow", "POST"),)
_REASONS: Final = {400: "rpc_refused", 503: "store_unavailable"}

Asked = Batch | Single | RpcFault


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the RPC. `operator`: it has shown what the operators' listener asks for."""

    method: str
    query: str
    operator: bool = False


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    fault: RpcFault
    fields: tuple[tuple[str, str], ...] = ()


class RpcApi:
    """Answers calls under the policy of the moment. `tickets` are the keys of session links as they are now."""

    def __init__(
        self,
        streams: Streams,
        control: Control,
        failures: Failures,
        tickets: Callable[[], TicketKeys],
        learn: Callable[[Iterable[str]], Awaitable[None]],
    ) -> None:
        """`learn` waits until this gate knows what has become of the streams with these uids."""
        self._learn = learn
        self._auth = AuthCalls(streams, control, tickets)
        self._streams = StreamCalls(streams)
        self._failures = failures
        self._made: tuple[object, Rpc[Caller]] | None = None

    @property
    def longest_body(self) -> int:
        return LONGEST_BODY

    def find(self, method: str, raw_target: str, policy: Policy) -> Call | None:
        """The call that a request on the listener for viewers is; None where the RPC is not there."""
        return (
            self.find_any(method, raw_target, policy) if policy.rpc is not None and policy.rpc.public else None
        )

    def find_any(self, method: str, raw_target: str, policy: Policy, *, operator: bool = False) -> Call | None:
        """The call that a request is, on whichever listener; None where there is no RPC."""
        path, _, query = raw_target.partition("?")
        return Call(method, query, operator) if policy.rpc is not None and path in _PATHS else None

    async def answer(
        self,
        route: Call,
        headers: Headers,
        peer: Peer,
        body: bytes,
        policy: Policy,
        request_id: str,
        cors: Fields,
        now: float,
    ) -> Told:
        """The answer, whatever it is."""
        rules = policy.rpc
        if rules is None:  # it was switched off since the call was found
            return _refuse(_Refusal(401, UNAUTHORIZED.fault(), _CHALLENGE), None, request_id, cors)
        if route.method != "POST":
            return _refuse(_Refusal(405, METHOD.fault(), _ALLOW), rules, request_id, cors)
        if len(body) > LONGEST_BODY:
            return self.too_large(request_id, cors)
        shown, asked = _take_tokens(route.query, headers, _with_alias(read_call(body)))
        refusal = None if route.operator else self._admit(shown, peer.address, rules, now)
        if refusal is not None:
            return _refuse(refusal, rules, request_id, cors)
        base = rules.public_url
        if base is None:
            base = f"{peer.scheme}://{peer.host}" if peer.host else ""
        caller = Caller(policy, rules, peer.address, base, route.operator, now)
        accept = headers.getall("accept", ())
        answer = await self._rpc(policy, rules).answer(asked, caller, accept=accept, envelope=rules.enveloped)
        if caller.changed:
            await self._learn(caller.changed)
        reason = _REASONS.get(answer.status, "")
        fields = [("X-Request-Id", request_id), *cors, *([("Gate-Reason", reason)] if reason else [])]
        return Told(replace(answer, fields=(*answer.fields, *fields)), rules.application, reason)

    def too_large(self, request_id: str, cors: Fields) -> Told:
        """The body is longer than LONGEST_BODY, and was not read."""
        fault = TOO_LARGE.fault(f"A body is at most {LONGEST_BODY} bytes.")
        return _refuse(_Refusal(413, fault), None, request_id, cors)

    def _rpc(self, policy: Policy, rules: RpcRules) -> Rpc[Caller]:
        """The methods under this policy; made anew where they would be others."""
        application = policy.applications[rules.application]
        facts = (application.max_ttl_s, application.unlimited_ttl, *policy.layouts, None, *policy.applications)
        if self._made is None or self._made[0] != facts:
            methods = [*self._auth.methods(application), *self._streams.methods(application, policy)]
            self._made = facts, Rpc(methods, title="gate", version=_VERSION)
        return self._made[1]

    def _admit(self, shown: set[str], address: str, rules: RpcRules, now: float) -> _Refusal | None:
        """None where an API token was shown that is in force."""
        if (wait_s := self._failures.wait_s(address, now)) > 0:
            return _Refusal(429, TOO_MANY_FAILURES.fault(), (("Retry-After", str(wait_s)),))
        if not shown:
            return _Refusal(401, UNAUTHORIZED.fault(), _CHALLENGE)
        if len(shown) > 1:
            return _Refusal(401, UNAUTHORIZED.fault("The call shows several API tokens."), _CHALLENGE)
        text = next(iter(shown))
        if _is_listed(text, rules) or self._auth.opens(text, now):
            return None
        self._failures.add(address, now)
        return _Refusal(401, UNAUTHORIZED.fault("The API token is wrong, or in force no more."), _CHALLENGE)


def _is_listed(shown: str, rules: RpcRules) -> bool:
    """Whether it is one of the policy's. Which one it is like, and how much, does not show in the time that it
    takes: digests are compared, with all of them."""
    digest = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest()
    found = False
    for token in rules.tokens:
        found |= hmac.compare_digest(digest, token)
    return found


def _with_alias(asked: Asked) -> Asked:
    """A call of Auth.CreateApiToken for a stream is one of Auth.CreateAccessToken, as the vendor's samples."""
    if isinstance(asked, Batch):
        return Batch(
            tuple(_meant(entry) if isinstance(entry, Invocation) else entry for entry in asked.entries)
        )
    if isinstance(asked, Single) and isinstance(asked.entry, Invocation):
        return replace(asked, entry=_meant(asked.entry))
    return asked


def _meant(call: Invocation) -> Invocation:
    given = call.params
    for_stream = "stream" in given if not isinstance(given, list) else given[:1] and isinstance(given[0], str)
    return replace(call, method=CREATE_ACCESS) if call.method == CREATE_API and for_stream else call


def _take_tokens(query: str, headers: Headers, asked: Asked) -> tuple[set[str], Asked]:
    """All texts that are shown as API tokens, and what is asked without them."""
    shown = {_bare(value) for value in headers.getall("authorization", ())}
    shown |= {value for name, value in parse_qsl(query, keep_blank_values=True) if name == "token"}
    entries = asked.entries if isinstance(asked, Batch) else [asked.entry] if isinstance(asked, Single) else []
    kept = []
    for entry in entries:
        token, rest = _without_token(entry)
        if token is not None:
            shown.add(token if isinstance(token, str) else "")
        kept.append(rest)
    if isinstance(asked, Batch):
        return shown, Batch(tuple(kept))
    return shown, replace(asked, entry=kept[0]) if isinstance(asked, Single) else asked


def _without_token(entry: Any) -> tuple[object, Any]:
    if not isinstance(entry, Invocation) or entry.method in _OWN_TOKEN:
        return None, entry
    return entry.without("token")


def _bare(value: str) -> str:
    scheme, _, rest = value.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" and rest else value.strip()


def _refuse(refusal: _Refusal, rules: RpcRules | None, request_id: str, cors: Fields) -> Told:
    document = {"error": refusal.fault.document}
    data = refusal.fault.data or {}
    reason = str(data["reason"])
    more = (("Gate-Reason", reason), *refusal.fields)
    answer = json_answer(refusal.status, document, request_id, cors, more=more)
    return Told(answer, None if rules is None else rules.application, reason)
