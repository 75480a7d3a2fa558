"""What a method of the RPC declares, and the faults that it may answer with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, Generic, TypeVar

from gate.formats.parameters import Parameter, Wrong

C = TypeVar("C")
# What JSON-RPC leaves to a server's own faults (section 5.1).
_OWN: Final = range(-32099, -31999)


class Code(IntEnum):
    """The standard codes (JSON-RPC 2.0, section 5.1), and the one for trouble with the gate's store."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    STORE = -32000


_STANDARD: Final = frozenset(Code) - {Code.STORE}


class RpcFault(Exception):
    """A call is refused. A method raises it or answers with it; its `message` is one sentence for people.

    A code from -32099 to -32000 is one of the gate's own, and `data` has a ``reason`` for programs: that
    stays, while codes are few. No other codes are there but the standard ones.
    """

    def __init__(self, code: int, message: str, data: Mapping[str, object] | None = None) -> None:
        """Raises ValueError for another code, or one of the gate's own without a reason."""
        super().__init__(message)
        if code not in _STANDARD and not (code in _OWN and data is not None and "reason" in data):
            raise ValueError(f"{code} is no standard code, nor one of -32099 to -32000 with a reason")
        self.code = int(code)
        self.message = message
        self.data = data

    @property
    def document(self) -> dict[str, object]:
        """The fault as JSON-RPC's error object."""
        document: dict[str, object] = {"code": self.code, "message": self.message}
        return document if self.data is None else {**document, "data": dict(self.data)}


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A fault of the gate's own, as methods declare it: its code, its reason and its usual sentence.

    -32000 says that the call may be right and is to be tried again: it is answered with 503.
    """

    code: int
    reason: str
    text: str

    def __post_init__(self) -> None:
        """Raises ValueError for a code that is not from -32099 to -32000."""
        if self.code not in _OWN:
            raise ValueError(f"{self.code} is not a code from -32099 to -32000")

    def fault(self, message: str = "", **facts: object) -> RpcFault:
        """A fault of this kind; `facts` join its data."""
        return RpcFault(self.code, message or self.text, {"reason": self.reason, **facts})


STORE: Final = FaultKind(Code.STORE, "store_unavailable", "The gate cannot reach its session store.")


@dataclass(frozen=True, slots=True)
class Method(Generic[C]):
    """One method. `run` gets a value for each parameter and the caller; it gives plain data, or a fault.

    `check` looks at all values together, before it runs. `result` is the JSON Schema of what it gives. Each
    of its `faults` has a code of its own, as OpenRPC asks; the store's is there by itself.
    """

    name: str
    text: str
    run: Callable[[Mapping[str, Any], C], Awaitable[object]]
    parameters: Sequence[Parameter] = ()
    result: Mapping[str, object] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], Wrong | None] | None = None
    faults: Sequence[FaultKind] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where parameters share a name, or one that is required follows one that is not,
        and where faults share a code."""
        names = {parameter.name for parameter in self.parameters}
        required = [parameter.required for parameter in self.parameters]
        if len(names) < len(required) or required != sorted(required, reverse=True):
            raise ValueError(f"{self.name}: parameters have names of their own, and those required come first")
        if len({STORE.code, *(kind.code for kind in self.faults)}) <= len(self.faults):
            raise ValueError(f"{self.name}: each of the faults has a code of its own")
