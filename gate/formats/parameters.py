"""Parameters of a call over JSON: what each is named, what it must be, and how a list of values is read.

A `Reader` says what one value must be: it reads it, or tells in words what it expected, and its JSON Schema
says the same to programs. JSON's types are not bent into one another: ``"5"`` is no number, ``5.0`` is none
where a whole one is asked for, ``true`` is not 1, and null is a value like any other, which no reader here
takes: whoever means the default leaves the parameter out. A bound that was mistyped must not become none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with one value: where it stands, and a sentence that never shows it."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Reader:
    """What a value must be. `read` gives the value, or a `Wrong` whose place is counted from the value."""

    read: Callable[[object], Any]
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `default` is what it is where it is left out, and `text` one sentence about it."""

    name: str
    reader: Reader
    text: str
    required: bool = False
    default: object = None


def read_parameters(
    parameters: Sequence[Parameter], given: Mapping[str, object] | Sequence[object]
) -> Mapping[str, Any] | list[Wrong]:
    """A value for each parameter, given by name or, in their order, by position; or all that is wrong. Total.

    A name that no parameter has is wrong: a misspelt restriction would be none.
    """
    wrong: list[Wrong] = []
    if not isinstance(given, Mapping):
        if len(given) > len(parameters):
            return [Wrong("params", f"expected at most {len(parameters)} values, got {len(given)}")]
        given = {parameter.name: value for parameter, value in zip(parameters, given, strict=False)}
    else:
        names = [parameter.name for parameter in parameters]
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            known = f"known are: {', '.join(names)}" if names else "there are none"
            wrong.append(Wrong(f"{unknown[:_SHOWN]!a}", f"there is no such parameter; {known}"))
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name not in given:
            values[parameter.name] = parameter.default
            if parameter.required:
                wrong.append(Wrong(parameter.name, "required"))
            continue
        value = values[parameter.name] = parameter.reader.read(given[parameter.name])
        if isinstance(value, Wrong):
            wrong.append(Wrong(parameter.name + value.place, value.text))
    return wrong or values


def _read_flag(value: object) -> bool | Wrong:
    return value if isinstance(value, bool) else Wrong("", "expected true or false")


FLAG: Final = Reader(_read_flag, MappingProxyType({"type": "boolean"}))


def whole(what: str, most: int, least: int = 0) -> Reader:
    """Reads a whole number from `least` to `most`; `what` names it in words, such as ``whole seconds``."""

    def read(value: object) -> int | Wrong:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            return Wrong("", f"expected {what} from {least}")
        return value if value <= most else Wrong("", f"expected {what}, at most {most}")

    return Reader(read, MappingProxyType({"type": "integer", "minimum": least, "maximum": most}))


def text(longest: int, pattern: str = "", expected: str = "") -> Reader:
    """Reads 1 to `longest` characters, all of them as `pattern` says; `expected` is that in words."""
    form = re.compile(pattern, re.ASCII)
    expected = expected or f"text of 1 to {longest} characters"

    def read(value: object) -> str | Wrong:
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            return Wrong("", f"expected {expected}")
        return Wrong("", f"expected {expected}") if pattern and form.fullmatch(value) is None else value

    schema: dict[str, object] = {"type": "string", "minLength": 1, "maxLength": longest}
    if pattern:
        schema["pattern"] = f"^{pattern}$"
    return Reader(read, MappingProxyType(schema))


def choice(*words: str) -> Reader:
    """Reads one of the words."""

    def read(value: object) -> str | Wrong:
        if isinstance(value, str) and value in words:
            return value
        return Wrong("", f"expected {' or '.join(words)}")

    return Reader(read, MappingProxyType({"enum": list(words)}))


def listed(reader: Reader, most: int) -> Reader:
    """Reads an array of at most `most` values, each by `reader`, as a list."""

    def read(value: object) -> list[Any] | Wrong:
        if not isinstance(value, list) or len(value) > most:
            return Wrong("", f"expected an array of at most {most}")
        values = []
        for at, each in enumerate(value):
            one = reader.read(each)
            if isinstance(one, Wrong):
                return Wrong(f"[{at}]{one.place}", one.text)
            values.append(one)
        return values

    return Reader(read, MappingProxyType({"type": "array", "items": dict(reader.schema), "maxItems": most}))


def record(*fields: Parameter) -> Reader:
    """Reads an object of these fields, as a mapping with a value for each of them."""

    def read(value: object) -> Mapping[str, Any] | Wrong:
        if not isinstance(value, dict):
            return Wrong("", "expected an object")
        values = read_parameters(fields, value)
        return values if isinstance(values, Mapping) else Wrong(f".{values[0].place}", values[0].text)

    return Reader(read, MappingProxyType(object_schema(fields)))


def object_schema(fields: Sequence[Parameter]) -> dict[str, object]:
    """The JSON Schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {field.name: parameter_schema(field) for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def parameter_schema(parameter: Parameter) -> dict[str, object]:
    """The JSON Schema of a parameter, with its default; None is no default, but that there is no value."""
    schema = {**parameter.reader.schema, "description": parameter.text}
    return schema if parameter.default is None else {**schema, "default": parameter.default}
