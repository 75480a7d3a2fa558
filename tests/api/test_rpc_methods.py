"""Methods and faults: what is declared is sound, or there is no such method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gate.api.rpc_methods import STORE, Code, FaultKind, Method, RpcFault
from gate.formats.parameters import FLAG, Parameter

FULL = FaultKind(-32010, "no_room", "There is no room.")


async def run(values: Mapping[str, Any], caller: None) -> object:
    return None


def test_a_fault_is_an_error_object() -> None:
    assert RpcFault(Code.PARSE_ERROR, "x").document == {"code": -32700, "message": "x"}
    assert str(RpcFault(-32601, "Method not found")) == "Method not found"
    document = {"code": -32010, "message": "There is no room.", "data": {"reason": "no_room", "at": 1}}
    assert FULL.fault(at=1).document == document
    assert FULL.fault("Full.").document == {"code": -32010, "message": "Full.", "data": {"reason": "no_room"}}


@pytest.mark.parametrize(
    ("code", "data"),
    [(-32001, None), (-32000, None), (-32010, {"x": 1}), (-32100, {"reason": "x"}), (1, None), (-32603, None)],
)
def test_a_code_is_standard_or_has_a_reason(code: int, data: Mapping[str, object] | None) -> None:
    with pytest.raises(ValueError, match="no standard code"):
        RpcFault(code, "x", data)


def test_kinds_have_codes_of_the_gates_own() -> None:
    for code in (-32099, -32000):
        assert FaultKind(code, "x", "X.").fault().code == code
    for code in (-31999, -32100, -32601, 0):
        with pytest.raises(ValueError, match="is not a code from"):
            FaultKind(code, "x", "X.")


def test_required_parameters_come_first() -> None:
    one, other = Parameter("a", FLAG, "A."), Parameter("b", FLAG, "B.", required=True)
    assert Method("m", "M.", run, [other, one]).parameters == [other, one]
    for parameters in ([one, one], [one, other]):
        with pytest.raises(ValueError, match="m: parameters have names of their own"):
            Method("m", "M.", run, parameters)


def test_each_fault_has_a_code() -> None:
    assert Method("m", "M.", run, faults=[FULL]).faults == [FULL]
    for faults in ([FULL, FaultKind(-32010, "x", "X.")], [STORE], [FaultKind(-32000, "x", "X.")]):
        with pytest.raises(ValueError, match="m: each of the faults"):
            Method("m", "M.", run, faults=faults)
