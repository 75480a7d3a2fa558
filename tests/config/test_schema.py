from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from gate.config.compile import load_config
from gate.config.document import load
from gate.config.models import PolicyFile
from gate.config.schema import policy_schema, render_schema

CONFIG = Path(__file__).parents[2] / "config"
SECRET = "a secret of more than thirty-two bytes, for tests"
ENVIRON = {"GATE_SECRET": SECRET, "GATE_ADMIN_TOKEN": "a token"}
ENVIRON |= {
    "ZIGGEO_PRIVATE_KEY": SECRET,
    "ZIGGEO_ENCRYPTION_KEY": SECRET,
    "VIDEOSDK_SECRET": SECRET,
    "GATE_API_TOKEN": "a-token-of-the-api",
}


class Tagged(yaml.SafeLoader):
    """Reads `!env NAME` as the text NAME."""


Tagged.add_constructor("!env", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture(scope="module")
def schema():
    return policy_schema()


def reference_text() -> str:
    """The reference, and what it shows in comments put in force: a gate would ask the example's URL."""

    def show(found: re.Match[str]) -> str:
        return found[1].replace("\n    # ", "\n    ").lstrip("\n")

    text = (CONFIG / "gate.yaml").read_text("utf-8")
    sections = r"    (?:jwks: \[\]|ziggeo: null|videosdk: null)(\n    # \w+:\n(?:    #   .*\n)+)"
    shown, count = re.subn(sections, show, text)
    assert count == 3
    shown, count = re.subn(
        r"rpc: null(\n# rpc:\n(?:#   .*\n)+)", lambda f: f[1].replace("\n# ", "\n").lstrip("\n"), shown
    )
    assert count == 1
    return shown.replace("formats: [jwt]", "formats: [jwt, ziggeo, videosdk]")


@pytest.fixture(scope="module")
def reference():
    return yaml.load(reference_text(), Loader=Tagged)


def resolve(schema, node):
    """The schema that `node` stands for: what it refers to, and of several the one that is not null."""
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        elif (typed := [one for one in node["anyOf"] if one.get("type") != "null"])[1:]:
            return node
        else:
            node = typed[0]
    return node


def of_names(node, name):
    """The schema of what stands under `name`, where the names are the file's own."""
    patterns = node.get("patternProperties", {}).items()
    return next((inner for pattern, inner in patterns if re.search(pattern, name)), None)


def pairs(schema, node, value, place=""):
    """Every value of a file with the schema of its place."""
    if value is None and {"type": "null"} in node.get("anyOf", ()):
        return
    node = resolve(schema, node)
    yield place, node, value
    if isinstance(value, dict):
        for key, item in value.items():
            known = node.get("properties", {}).get(key) or of_names(node, key)
            assert known is not None, f"{place}.{key} is not in the schema"
            yield from pairs(schema, known, item, f"{place}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from pairs(schema, node["items"], item, f"{place}[]")


def objects(schema, node, place=""):
    """Every object of the schema, by where it stands in a file."""
    node = resolve(schema, node)
    if "properties" in node:
        yield place, node
    for key, item in node.get("properties", {}).items():
        yield from objects(schema, item, f"{place}.{key}")
    for inner in node.get("patternProperties", {}).values():
        yield from objects(schema, inner, f"{place}.*")
    if "items" in node:
        yield from objects(schema, node["items"], f"{place}[]")


def test_the_shipped_schema_is_the_generated_one():
    assert (CONFIG / "gate.schema.json").read_text("utf-8") == render_schema()


def test_it_is_closed_and_says_something_of_every_key(schema):
    found = dict(objects(schema, schema))
    assert {
        "",
        ".admin",
        ".origins.*",
        ".applications.*.keys[]",
        ".applications.*.jwks[]",
        ".streams[]",
        ".sessions.store_outage",
    } <= set(found)
    for place, node in found.items():
        assert node["additionalProperties"] is False, place
        for key, item in node["properties"].items():
            inner = resolve(schema, item)
            assert item.get("description") or inner.get("description"), f"{place}.{key} is not explained"


def test_names_are_as_the_gate_takes_them(schema):
    for key in ("origins", "applications"):
        assert schema["properties"][key]["additionalProperties"] is False
        assert of_names(schema["properties"][key], "archive-1") is not None
        assert of_names(schema["properties"][key], "de mo") is None


def test_titles_that_repeat_a_key_are_left_out(schema):
    assert json.dumps(schema).count('"title"') == 1


def test_patterns_match_in_full(schema):
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(schema))
    assert patterns
    assert all(pattern.startswith("^") and pattern.endswith("$") for pattern in patterns)


def test_references_lead_somewhere(schema):
    names = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    assert names == set(schema["$defs"])


class TestReference:
    """config/gate.yaml: every key there is, with its default."""

    def test_it_loads(self):
        assert load_config(CONFIG / "gate.yaml", ENVIRON).admin_token == "a token"

    def test_it_names_its_schema_first(self):
        first = (CONFIG / "gate.yaml").read_text("utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=gate.schema.json"

    def test_it_fits_the_schema(self, schema, reference):
        types = {
            "object": dict,
            "array": list,
            "string": str,
            "boolean": bool,
            "integer": int,
            "number": (int, float),
        }
        for place, node, value in pairs(schema, schema, reference):
            options = node.get("anyOf", [node])
            fitting = [
                option
                for option in options
                if (isinstance(value, types[option["type"]]) or value is None)
                and (not isinstance(value, str) or re.search(option.get("pattern", ""), value))
                and ("enum" not in option or value in option["enum"])
            ]
            assert fitting, place

    def test_every_key_of_the_models_is_in_it(self, schema, reference):
        present = {}
        for place, _, value in pairs(schema, schema, reference):
            if isinstance(value, dict):
                place = re.sub(r"^\.(origins|applications|layouts)\.\w+", r".\1.*", place)
                present.setdefault(place, set()).update(value)
        for place, node in objects(schema, schema):
            assert set(node["properties"]) <= present[place], place

    def test_every_key_has_its_default(self, tmp_path):
        (tmp_path / "gate.yaml").write_text(reference_text(), "utf-8")
        given = load(tmp_path / "gate.yaml", PolicyFile, environ=ENVIRON)
        # What a file must say itself, and what the reference shows an example of.
        own = {
            "url",
            "kid",
            "algorithm",
            "secret",
            "match",
            "keys",
            "origins",
            "applications",
            "streams",
            "access",
            "layout",
            "layouts",
            "formats",
            "application_token",
            "private_key",
            "encryption_key",
        }
        own |= {"application", "origin", "token", "tokens", "key"}

        def models_in(value: object) -> list[BaseModel]:
            items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
            return [item for item in items if isinstance(item, BaseModel)]

        def walk(model: BaseModel, place: str):
            for name, field in type(model).model_fields.items():
                value = getattr(model, name)
                if isinstance(value, BaseModel):
                    yield from walk(value, f"{place}.{name}")
                elif models := models_in(value):
                    for item in models:
                        yield from walk(item, f"{place}.{name}")
                elif name not in own:
                    yield f"{place}.{name}", value, field.get_default()

        found = list(walk(given, ""))
        assert len(found) > 40
        assert [(place, value, default) for place, value, default in found if value != default] == []

    def test_every_key_has_a_line_of_comment(self):
        lines = reference_text().splitlines()
        seen = set()
        for at, line in enumerate(lines):
            key = re.match(r" *(?:- )?([a-z_]+):", line)
            if key is None or key[1] in seen:
                continue
            seen.add(key[1])
            if key[1] not in ("demo", "archive", "recorder"):
                assert lines[at - 1].strip().startswith("#"), line
