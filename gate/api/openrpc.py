"""The methods of the RPC as an OpenRPC document (version 1.3.2): what a program can make a client from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from gate.api.rpc_methods import STORE, Code, FaultKind, Method
from gate.formats.parameters import Parameter

VERSION: Final = "1.3.2"


def describe(methods: Iterable[Method[Any]], title: str, version: str) -> dict[str, Any]:
    """The document; `version` is that of the API. Methods stand in the order of their names."""
    return {
        "openrpc": VERSION,
        "info": {"title": title, "version": version},
        "methods": [_method(method) for method in sorted(methods, key=lambda method: method.name)],
    }


def _method(method: Method[Any]) -> dict[str, Any]:
    return {
        "name": method.name,
        "summary": method.text,
        "paramStructure": "either",
        "params": [_parameter(parameter) for parameter in method.parameters],
        "result": {"name": "result", "schema": dict(method.result)},
        "errors": [
            *([{"code": int(Code.INVALID_PARAMS), "message": "Invalid params"}] if method.parameters else []),
            *map(_fault, [*method.faults, STORE]),
        ],
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.reader.schema)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "summary": parameter.text,
        "required": parameter.required,
        "schema": schema,
    }


def _fault(kind: FaultKind) -> dict[str, Any]:
    return {"code": int(kind.code), "message": kind.text, "data": {"reason": kind.reason}}
