"""JSON-RPC 2.0 over HTTP: what a body asks for, the methods that there are, and what is answered.

A request is one call or a batch of them, which is done in its order. A call without an ``id`` is a
notification: nobody hears of it, whatever became of it. What is answered, and in which form:

                            bare                              envelope
    a result           200  the result, nothing around it     200  {"jsonrpc": "2.0", "result": ..., "id": ...}
    a fault            400  {"error": {"code", "message"}}    400  {"jsonrpc": "2.0", "error": ..., "id": ...}
    the store's fault  503  the same, code -32000             503  the same
    a notification     204  nothing                           204  nothing
    a batch            200  an array of envelopes, whatever became of each call; 204 for notifications only

Bare is what aipix documents, and the default. The envelope is JSON-RPC's own: a caller asks for it by naming
``application/json-rpc`` in ``Accept``, or the policy gives it to all. A batch always has it, as nobody could
tell its answers apart, and so has the fault of a batch that is empty or too long.

Stricter than JSON-RPC: a key stands once in an object, text is UTF-8 without half of surrogate pairs, nesting
is bounded, a call has no members but the four, and an ``id`` is text, a whole number or null. Where a call is
refused as malformed its ``id`` is repeated if it is one; the standard allows null there only where it is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from gate.api.openrpc import describe
from gate.api.rpc_methods import Code, Method, RpcFault
from gate.errors import StoreError, StoreUnavailable, UsageError
from gate.formats.parameters import read_parameters
from gate.formats.strict_json import DEEPEST, read_value
from gate.wire.answers import Answer
from gate.wire.redaction import redact

MOST_CALLS: Final = 100
ENVELOPE_TYPE: Final = "application/json-rpc"
_MEMBERS: Final = ("jsonrpc", "method", "params", "id")
_OWN: Final = (("Server", "gate"), ("Cache-Control", "no-store"))
_RETRY_AFTER: Final = ("Retry-After", "2")
_ENCODER: Final = json.JSONEncoder(allow_nan=False)
C = TypeVar("C")
Id = str | int | None


@dataclass(frozen=True, slots=True)
class Invocation:
    """A well-formed call; whether there is such a method is not known yet. A `silent` one is a notification.

    Its parameters may hold a credential, and are not in its repr.
    """

    method: str
    params: Mapping[str, object] | Sequence[object] = field(repr=False)
    id: Id = None
    silent: bool = False

    def without(self, name: str) -> tuple[object, Invocation]:
        """The parameter of this name (None where it is not given by name), and the call less that."""
        if not isinstance(self.params, Mapping) or name not in self.params:
            return None, self
        rest = {key: value for key, value in self.params.items() if key != name}
        return self.params[name], Invocation(self.method, rest, self.id, self.silent)


@dataclass(frozen=True, slots=True)
class Refused:
    """What stands where a call should."""

    fault: RpcFault
    id: Id = None


@dataclass(frozen=True, slots=True)
class Single:
    """One call. `enveloped`: it is answered in the envelope whoever asks, as an empty batch is."""

    entry: Invocation | Refused
    enveloped: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """1 to 100 calls, in their order."""

    entries: tuple[Invocation | Refused, ...]


def read_call(body: bytes) -> Batch | Single | RpcFault:
    """What the body asks for; a fault where that cannot be told. Total.

    The time that it takes is in proportion to the length of the body, which is for the caller to bound.
    """
    try:
        value = read_value(body)
    except ValueError:
        what = f"expected JSON in UTF-8 with every key once, nested at most {DEEPEST} deep"
        return RpcFault(Code.PARSE_ERROR, f"Parse error: {what}")
    if isinstance(value, list):
        if not value:
            return Single(Refused(_invalid("the batch is empty")), enveloped=True)
        if len(value) > MOST_CALLS:
            fault = _invalid(f"expected at most {MOST_CALLS} calls, got {len(value)}")
            return Single(Refused(fault), enveloped=True)
        return Batch(tuple(map(_read_entry, value)))
    return Single(_read_entry(value)) if isinstance(value, dict) else _invalid("expected a call or a batch")


def _read_entry(value: object) -> Invocation | Refused:
    if not isinstance(value, dict):
        return Refused(_invalid("expected a call"))
    asked = value.get("id")
    identity = asked if isinstance(asked, str | int) and not isinstance(asked, bool) else None
    method, params = value.get("method"), value.get("params", {})
    unknown = next((name for name in value if name not in _MEMBERS), None)
    if identity != asked:
        problem = "id: expected text, a whole number or null"
    elif unknown is not None:
        problem = f"{unknown[:64]!a}: there is no such member; known are: {', '.join(_MEMBERS)}"
    elif value.get("jsonrpc") != "2.0":
        problem = 'jsonrpc: expected "2.0"'
    elif not isinstance(method, str):
        problem = "method: expected text"
    elif not isinstance(params, dict | list):
        problem = "params: expected an object or an array"
    else:
        return Invocation(method, params, identity, "id" not in value)
    return Refused(_invalid(problem), identity)


def _invalid(problem: str) -> RpcFault:
    return RpcFault(Code.INVALID_REQUEST, f"Invalid Request: {problem}")


def asks_envelope(accept: Iterable[str]) -> bool:
    """Whether Accept fields name ``application/json-rpc``. A wildcard does not: most clients send one."""
    for piece in ",".join(accept).lower().split(","):
        kind, *parameters = (part.strip() for part in piece.split(";"))
        if kind == ENVELOPE_TYPE and not any(_is_zero(parameter) for parameter in parameters):
            return True
    return False


def _is_zero(parameter: str) -> bool:
    """Whether it is a weight that means "not acceptable" (RFC 9110, section 12.4.2)."""
    return parameter.startswith("q=0") and not parameter[3:].strip(".0")


class Rpc(Generic[C]):
    """Methods by their names, and how calls of them are answered.

    ``Rpc.Describe`` and ``rpc.discover`` (OpenRPC's own name for it) are there by themselves and describe all.
    """

    def __init__(self, methods: Iterable[Method[C]], *, title: str, version: str) -> None:
        """Raises ValueError where two methods have one name."""
        told = "What this is: all methods, their parameters, results and errors, as an OpenRPC document."
        own = [Method(name, told, self._describe) for name in ("Rpc.Describe", "rpc.discover")]
        everything = [*methods, *own]
        self._methods = {method.name: method for method in everything}
        if len(self._methods) < len(everything):
            raise ValueError("two methods have one name")
        self._document = describe(everything, title, version)

    @property
    def document(self) -> dict[str, Any]:
        """The OpenRPC document."""
        return self._document

    async def answer(
        self,
        asked: Batch | Single | RpcFault,
        caller: C,
        *,
        accept: Iterable[str] = (),
        envelope: bool = False,
    ) -> Answer:
        """The answer. `caller` is handed on to the methods; `accept` are the request's Accept fields.

        `envelope`: everybody gets it. Raises what a method raises, but for RpcFault, UsageError and StoreError.
        """
        named = asks_envelope(accept)
        kind = ENVELOPE_TYPE if named else "application/json"
        if isinstance(asked, Batch):
            replies = [await self._reply(entry, caller) for entry in asked.entries]
            heard = [reply for reply in replies if reply is not None]
            return _answer(200, kind, f"[{', '.join(heard)}]") if heard else Answer(204, _OWN)
        if isinstance(asked, RpcFault):
            asked = Single(Refused(asked))
        entry = asked.entry
        outcome = await self._outcome(entry, caller)
        if isinstance(entry, Invocation) and entry.silent:
            return Answer(204, _OWN)
        enveloped = asked.enveloped or envelope or named
        if isinstance(outcome, RpcFault):
            text = _enveloped(outcome, entry.id) if enveloped else _write({"error": _shown(outcome)})
            if outcome.code == Code.STORE:
                return _answer(503, kind, text, _RETRY_AFTER)
            return _answer(400, kind, text)
        return _answer(200, kind, _enveloped(outcome, entry.id) if enveloped else _write(outcome))

    async def call(self, asked: Invocation, caller: C) -> object:
        """The result of the call, or an RpcFault. Raises what the method raises, but for its refusals."""
        method = self._methods.get(asked.method)
        if method is None:
            return RpcFault(Code.METHOD_NOT_FOUND, "Method not found")
        values = read_parameters(method.parameters, asked.params)
        if isinstance(values, list):
            return RpcFault(Code.INVALID_PARAMS, "; ".join(map(str, values)))
        if method.check is not None and (wrong := method.check(values)) is not None:
            return RpcFault(Code.INVALID_PARAMS, str(wrong))
        try:
            return await method.run(values, caller)
        except RpcFault as fault:
            return fault
        except UsageError as error:
            return RpcFault(Code.INVALID_PARAMS, str(error))
        except StoreError as error:
            reason = "store_unavailable" if isinstance(error, StoreUnavailable) else "store_error"
            return RpcFault(Code.STORE, str(error), {"reason": reason})

    async def _outcome(self, entry: Invocation | Refused, caller: C) -> object:
        return entry.fault if isinstance(entry, Refused) else await self.call(entry, caller)

    async def _reply(self, entry: Invocation | Refused, caller: C) -> str | None:
        outcome = await self._outcome(entry, caller)
        silent = isinstance(entry, Invocation) and entry.silent
        return None if silent else _enveloped(outcome, entry.id)

    async def _describe(self, values: Mapping[str, Any], caller: C) -> object:
        return self._document


def _enveloped(outcome: object, identity: Id) -> str:
    if isinstance(outcome, RpcFault):
        return _write({"jsonrpc": "2.0", "error": _shown(outcome), "id": identity})
    return _write({"jsonrpc": "2.0", "result": outcome, "id": identity})


def _write(document: object) -> str:
    return _ENCODER.encode(document)


def _shown(fault: RpcFault) -> object:
    """A fault may repeat a name that was sent, and a credential may stand where a name should."""
    shown: object = json.loads(redact(_write(fault.document)))
    return shown


def _answer(status: int, kind: str, text: str, *extra: tuple[str, str]) -> Answer:
    return Answer(status, (*_OWN, ("Content-Type", kind), *extra), text.encode())
