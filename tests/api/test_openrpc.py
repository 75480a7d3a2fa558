"""The OpenRPC document: what its specification asks for, of the methods as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gate.api.openrpc import describe
from gate.api.rpc_methods import FaultKind, Method
from gate.formats.parameters import FLAG, Parameter, choice, listed, record, text, whole


async def run(values: Mapping[str, Any], caller: None) -> object:
    return None


ACCESS = record(Parameter("allow", choice("public", "private"), "Who.", required=True))
METHODS: list[Method[None]] = [
    Method("Stream.Get", "A stream.", run),
    Method(
        "Stream.Add",
        "There is such a stream.",
        run,
        [
            Parameter("stream", text(5, "[a-z]+"), "Its id.", required=True),
            Parameter("ttl", whole("whole seconds", 60), "How long.", default=30),
            Parameter("enable", FLAG, "Whether it is on.", default=True),
            Parameter("access", ACCESS, "Who may watch."),
            Parameter("tags", listed(text(9), 3), "Words.", default=[]),
        ],
        result={"type": "boolean"},
        faults=[FaultKind(-32010, "no_room", "There is no room.")],
    ),
]


def test_the_document() -> None:
    document = describe(METHODS, "gate", "1.0")
    assert json.loads(json.dumps(document)) == document
    assert document == {
        "openrpc": "1.3.2",
        "info": {"title": "gate", "version": "1.0"},
        "methods": [
            {
                "name": "Stream.Add",
                "summary": "There is such a stream.",
                "paramStructure": "either",
                "params": [
                    {
                        "name": "stream",
                        "summary": "Its id.",
                        "required": True,
                        "schema": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]+$"},
                    },
                    {
                        "name": "ttl",
                        "summary": "How long.",
                        "required": False,
                        "schema": {"type": "integer", "minimum": 0, "maximum": 60, "default": 30},
                    },
                    {
                        "name": "enable",
                        "summary": "Whether it is on.",
                        "required": False,
                        "schema": {"type": "boolean", "default": True},
                    },
                    {
                        "name": "access",
                        "summary": "Who may watch.",
                        "required": False,
                        "schema": {
                            "type": "object",
                            "properties": {"allow": {"enum": ["public", "private"], "description": "Who."}},
                            "required": ["allow"],
                            "additionalProperties": False,
                        },
                    },
                    {
                        "name": "tags",
                        "summary": "Words.",
                        "required": False,
                        "schema": {
                            "type": "array",
                            "items": {"type": "string", "minLength": 1, "maxLength": 9},
                            "maxItems": 3,
                            "default": [],
                        },
                    },
                ],
                "result": {"name": "result", "schema": {"type": "boolean"}},
                "errors": [
                    {"code": -32602, "message": "Invalid params"},
                    {"code": -32010, "message": "There is no room.", "data": {"reason": "no_room"}},
                    {
                        "code": -32000,
                        "message": "The gate cannot reach its session store.",
                        "data": {"reason": "store_unavailable"},
                    },
                ],
            },
            {
                "name": "Stream.Get",
                "summary": "A stream.",
                "paramStructure": "either",
                "params": [],
                "result": {"name": "result", "schema": {}},
                "errors": [
                    {
                        "code": -32000,
                        "message": "The gate cannot reach its session store.",
                        "data": {"reason": "store_unavailable"},
                    }
                ],
            },
        ],
    }
