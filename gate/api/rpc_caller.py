"""Who calls a method of the RPC, under which policy, and the faults that methods answer with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gate.api.rpc_methods import Code, FaultKind, RpcFault
from gate.core.policy import Application, Policy, RpcRules


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller who has shown a credential.

    `base` is what viewers' URLs begin with, without a slash at its end. `local`: it came through the operators'
    listener, with its token or over its Unix socket. `now` is in Unix seconds. `changed` gets the uids of the
    streams that the call has changed.
    """

    policy: Policy
    rules: RpcRules
    address: str
    base: str
    local: bool
    now: float
    changed: set[str] = field(default_factory=set)

    @property
    def application(self) -> Application:
        """The one whose access tokens are made."""
        return self.policy.applications[self.rules.application]


# Codes of the gate's own, each of one meaning. -32000 is the store's trouble.
UNAUTHORIZED: Final = FaultKind(-32001, "unauthorized", "An API token is needed.")
TOO_MANY_FAILURES: Final = FaultKind(
    -32002, "too_many_failures", "Too many requests from this address had no valid API token."
)
TOO_LARGE: Final = FaultKind(-32003, "body_too_large", "The body is too large.")
METHOD: Final = FaultKind(-32004, "method_not_allowed", "Calls are POSTed.")
NO_STREAM: Final = FaultKind(-32005, "no_such_stream", "There is no such stream.")
STREAM_EXISTS: Final = FaultKind(
    -32006, "stream_exists", "There is such a stream already: change it by Stream.Update."
)
TOO_MANY_STREAMS: Final = FaultKind(
    -32007, "too_many_streams", "There are as many added streams as there may be."
)
NOT_LOCAL: Final = FaultKind(
    -32008,
    "not_local",
    "API tokens are made on the operators' listener only: with admin.token, or over its Unix socket.",
)
NO_KEY: Final = FaultKind(-32009, "no_signing_key", "The policy has no key that signs access tokens.")


def wrong(name: str, text: str) -> RpcFault:
    """The value of a parameter is wrong; `text` is one sentence."""
    return RpcFault(Code.INVALID_PARAMS, f"{name}: {text}")
