"""The JSON Schema of a policy file, by which editors complete, explain and check one while it is written.

It is generated from the models, so it says what they say. Two things only the gate itself can tell: whether
a secret is there (`!env`, `!file`), and whether names refer to each other.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from gate.config.models import PolicyFile

DIALECT: Final = GenerateJsonSchema.schema_dialect


def policy_schema() -> dict[str, Any]:
    """The schema as plain data, in JSON Schema 2020-12."""
    schema = PolicyFile.model_json_schema()
    return {
        "$schema": DIALECT,
        "title": "Policy file of gate",
        **{key: _tidy(value) for key, value in schema.items() if key != "title"},
    }


def render_schema() -> str:
    """The schema as text: the same for the same models, with a line break at its end."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(value: Any, *, names: bool = False) -> Any:
    """`value` less the titles that repeat its keys, and closed to names that the gate would refuse.

    `names`: the keys of `value` are a policy file's, not the schema's.
    """
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    if names:
        return {key: _tidy(item) for key, item in value.items()}
    tidy = {
        key: _tidy(item, names=key in ("properties", "patternProperties", "$defs"))
        for key, item in value.items()
        if key != "title"
    }
    return {**tidy, "additionalProperties": False} if "patternProperties" in tidy else tidy
