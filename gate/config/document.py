"""A policy file becomes a model, or the list of everything that is wrong with it.

The file is YAML with most of YAML taken out. PyYAML's parser gives events with their marks; they are put
together here, never by a constructor, so that no tag can make an object and every value keeps its place:

- Plain scalars are true, false, null, a decimal integer or a decimal fraction, as YAML 1.2 spells them.
  Everything else is a string: `on`, `yes`, `1:30`, `0777`, `0x1f`, `1_000`, `2024-01-01`, `.inf`.
- Keys are strings, and each stands once. No anchors, aliases, merge keys or second documents.
- `!env NAME` is the environment variable's text, `!file path` the file's (relative to the policy file),
  and no other tag exists. Both give strings, never numbers.
- 4 MiB of text, 32 levels and 200,000 nodes at most.

The values are handed to the model as JSON: a strict model then takes lists for tuples and texts for enums
and paths, but no text for a number. Its complaints are led back to the marks.

A problem never shows a value of the file, only what kind of thing it is. What validators say is shown as
it is, unless it repeats a secret: a value from a tag, or one whose key sounds like a secret.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import AliasChoices, BaseModel, RootModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from gate.errors import ConfigError, Problem

M = TypeVar("M", bound=BaseModel)
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Route: TypeAlias = tuple[str | int, ...]

MAX_DOCUMENT_BYTES: Final = 4 * 2**20
MAX_SECRET_FILE_BYTES: Final = 2**20
MAX_DEPTH: Final = 32
MAX_NODES: Final = 200_000
_MAX_DIGITS: Final = 40

# libyaml is some 15 times faster than PyYAML's own parser: a reload must not hold up viewers.
_PARSER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FRACTION: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_SECRET_WORD: Final = r"(?:secret|token|key|password|passphrase|credential)s?"
_SECRET_KEY: Final = re.compile(rf"(?:.*[_-])?{_SECRET_WORD}", re.IGNORECASE | re.DOTALL)
# `{kid: k1, secret:hunter2}` is a key `secret:hunter2` without a value.
_SQUEEZED_KEY: Final = re.compile(rf"([\w-]*{_SECRET_WORD})\s*[:=].*", re.IGNORECASE | re.DOTALL)
_SHARED_RUN: Final = 4

_SYNTAX: Final = (
    (r"\btab\b", "a tab cannot stand here: indent with spaces"),
    (r"cannot start any token", "a value cannot begin with this character: put it in quotes"),
    (r"mapping values are not allowed", "a second colon or a wrong indentation: put the value in quotes"),
    (r"expected ':'", "expected a colon and a space after the key"),
    (r"expected ',' or '[\]}]'", "the list or mapping in brackets lacks a comma or its end"),
    (r"unexpected end of stream|unexpected document", "the text in quotes has no end"),
    (r"escape", r"unknown escape in a text in double quotes: write \\ for a backslash"),
    (r"node content", "expected a value: put a text that begins with a bracket in quotes"),
    (r"block end|expected key|expected '-'|sequence entries", "this does not fit the indentation above it"),
    (r"tag|URI|UTF-8", "the tag is not well-formed"),
    (r"alphabetic or numeric", "anchors and aliases are not supported: put a text that begins so in quotes"),
    (r"document start", "only one document may stand in a file"),
    (r"directive|YAML document", "the YAML directive is not supported"),
)
_EXPECTED: Final = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "path_type"), "a string"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "a mapping"),
    **dict.fromkeys(("dataclass_type",), "a mapping"),
    **dict.fromkeys(("none_required",), "nothing"),
}
_BOUNDS: Final = {
    "greater_than": "expected a number above {gt}",
    "greater_than_equal": "expected a number of at least {ge}",
    "less_than": "expected a number below {lt}",
    "less_than_equal": "expected a number of at most {le}",
    "multiple_of": "expected a multiple of {multiple_of}",
    "too_short": "expected at least {min_length} entries",
    "too_long": "expected at most {max_length} entries",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": "expected a text of the form {pattern}",
}


def load(
    path: Path,
    model: type[M],
    *,
    environ: Mapping[str, str],
    check: Callable[[M], Iterable[tuple[Route, str]]] = lambda loaded: (),
    files: set[Path] | None = None,
) -> M:
    """The model that the policy file at `path` describes, with `!env` names looked up in `environ`.

    `check` says what is wrong between values that are each right by themselves: routes and sentences. `files`
    gets the path of each file that `!file` names, whether it can be read or not.

    Raises ConfigError with every problem of the file, in file order; a file that cannot be read or is not
    YAML has one. The error keeps no link to what caused it: those causes hold values of the file.
    """
    document = _Document(path, environ, set() if files is None else files)
    data = document.compose()
    problems = document.problems
    try:
        loaded = model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        findings = error.errors(include_url=False, include_input=False)
        problems = [*problems, *_Explanation(document, data, model).problems(findings)]
    else:
        found = ((route, text) for route, text in check(loaded) if not document.is_faulty(route))
        problems = [*problems, *(document.complaint(route, text) for route, text in found)]
    if problems:
        raise ConfigError(_in_order(problems))
    return loaded


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where a value and its key stand, and what kind of thing it is. `text`: a scalar's that may be shown."""

    line: int
    column: int
    key_line: int
    key_column: int
    kind: str
    text: str | None
    secret: str | None
    faulty: bool


class _Document:
    """A policy file as plain data, with the place of each value and the problems of its notation."""

    def __init__(self, path: Path, environ: Mapping[str, str], files: set[Path]) -> None:
        self.places: dict[Route, _Place] = {}
        self.problems: list[Problem] = []
        self.secrets: set[str] = set()
        self._file = str(path)
        self._folder = path.parent
        self._environ = environ
        self._files = files
        self._nodes = 0
        self._depth = 0
        data, problem = read_file(path, MAX_DOCUMENT_BYTES)
        if problem:
            raise self._fault(0, 0, problem)
        self._text, offset = _decode(data)
        if offset is not None:
            raise self._fault(*_position(data[:offset].decode("utf-8")), "the file is not UTF-8 text")
        if match := _UNPRINTABLE.search(self._text):
            raise self._fault(*_position(self._text[: match.start()]), "control characters are not allowed")

    def compose(self) -> Json:
        """The whole file as plain data. Raises ConfigError where it cannot be read to its end."""
        self._events: Iterator[Event] = yaml.parse(self._text, Loader=_PARSER)
        try:
            return self._compose()
        except yaml.MarkedYAMLError as error:
            mark, text = error.problem_mark or error.context_mark, _explain_syntax(error)
        except (yaml.YAMLError, ValueError, OverflowError):
            # PyYAML's own parser lets chr() fail on an escape beyond Unicode, and has no mark for it.
            mark, text = None, "an escape in a text in double quotes is not a Unicode character"
        if mark is None:
            raise self._fault(0, 0, text)
        # A mark beyond the last line means the end of the text: no editor can go there.
        lines = self._text.splitlines()
        if mark.line < len(lines):
            if lines[mark.line][mark.column :].startswith("\t"):
                text = "a tab cannot stand here: indent with spaces"
            raise self._fault(mark.line + 1, mark.column + 1, text)
        raise self._fault(len(lines), len(lines[-1]) + 1 if lines else 1, text)

    def problem(self, route: Route, line: int, column: int, text: str) -> Problem:
        return Problem(self._file, line, column, render_route(route), text)

    def complaint(self, route: Route, text: str) -> Problem:
        """The problem at a route; at the nearest value around it where the file does not hold it itself."""
        held = next((route[:end] for end in range(len(route), 0, -1) if route[:end] in self.places), ())
        place = self.places.get(held)
        return self.problem(route, place.line if place else 0, place.column if place else 0, text)

    def is_faulty(self, route: Route) -> bool:
        """Whether the notation at the route, or within it, is wrong: what follows from that is no news."""
        return any(place.faulty and held[: len(route)] == route for held, place in self.places.items())

    def _note(self, route: Route, event: Event, text: str) -> None:
        self.problems.append(self.problem(route, *_mark(event), text))

    def _fault(self, line: int, column: int, text: str) -> ConfigError:
        return ConfigError(_in_order([*self.problems, self.problem((), line, column, text)]))

    def _compose(self) -> Json:
        self._next()
        if isinstance(self._next(), StreamEndEvent):
            raise self._fault(0, 0, "the file is empty")
        root = self._next()
        data = self._value(root, (), root)
        self._next()
        following = self._next()
        if not isinstance(following, StreamEndEvent):
            self._note((), following, "only one document may stand in a file")
        return data

    def _next(self) -> Event:
        event = next(self._events)
        if isinstance(event, NodeEvent):
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise self._fault(*_mark(event), f"the file holds more than {MAX_NODES} values")
        if isinstance(event, CollectionStartEvent):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._fault(*_mark(event), f"values are nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, CollectionEndEvent):
            self._depth -= 1
        return event

    def _skip(self, event: Event) -> None:
        """The whole value that begins with `event` is behind us, unread."""
        if isinstance(event, CollectionStartEvent):
            outside = self._depth - 1
            while self._depth > outside:
                self._next()

    def _value(self, event: Event, route: Route, key: Event) -> Json:
        name = next((part for part in reversed(route) if isinstance(part, str)), "")
        hidden = _SECRET_KEY.fullmatch(name) is not None
        kind = "nothing"
        text: str | None = None
        secret: str | None = None
        data: Json = None
        fault = _notation_fault(event, hidden=hidden)
        if isinstance(event, ScalarEvent):
            tagged = event.tag in ("!env", "!file")
            if not fault:
                data, fault = self._tagged(event) if tagged else _resolve(event)
            kind = _kind(data)
            if not tagged and not hidden:
                text = event.value
            elif not fault:
                secret = str(data) if tagged else event.value
                if len(secret) >= (_SHARED_RUN if tagged else 2 * _SHARED_RUN):
                    self.secrets.add(secret.casefold())
        elif isinstance(event, MappingStartEvent):
            kind, data = "a mapping", self._mapping(route)
        elif isinstance(event, CollectionStartEvent):
            kind, data = "a list", self._sequence(route)
        if isinstance(event, CollectionStartEvent) and event.tag:
            data = None
        if fault:
            self._note(route, event, fault)
        faulty = bool(fault) and data is None
        self.places[route] = _Place(*_mark(event), *_mark(key), kind, text, secret, faulty)
        return data

    def _mapping(self, route: Route) -> Json:
        data: dict[str, Json] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key, fault = _read_key(event)
            self._skip(event)
            if not fault and key in data:
                fault = f"duplicate key, it stands on line {self.places[*route, key].key_line} already"
            value = self._next()
            if fault:
                self._note((*route, key) if key in data else route, event, fault)
                self._skip(value)
            else:
                data[key] = self._value(value, (*route, key), event)
        return data

    def _sequence(self, route: Route) -> Json:
        data: list[Json] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            data.append(self._value(event, (*route, len(data)), event))
        return data

    def _tagged(self, event: ScalarEvent) -> tuple[str | None, str]:
        """The text that `!env` or `!file` brings in, or why it brings none."""
        if event.tag == "!env":
            if not _VARIABLE.fullmatch(event.value):
                return None, "!env takes the name of an environment variable"
            value = self._environ.get(event.value)
            if not value:
                problem = "not set" if value is None else "empty"
                return None, f"the environment variable {event.value} is {problem}"
            if _SURROGATE.search(value):
                return None, f"the environment variable {event.value} is not UTF-8 text"
            return value, ""
        if not event.value:
            return None, "!file takes the path of a file"
        path = self._folder / event.value
        self._files.add(path)
        data, problem = read_file(path, MAX_SECRET_FILE_BYTES, regular=True)
        text, offset = _decode(data)
        text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
        if not problem and offset is not None:
            problem = "the file is not UTF-8 text"
        elif not problem and not text:
            problem = "the file is empty"
        return (None, f"!file: {problem}") if problem else (text, "")


@dataclasses.dataclass(frozen=True, slots=True)
class _Finding:
    """A complaint of the model about the value at `route`. `label`: the member of the union at `union` that
    made it. `expected`: the kind of thing that should stand there, when another does.
    """

    route: Route
    union: Route
    label: str | int | None
    expected: str
    details: ErrorDetails


class _Explanation:
    """What the model found wrong, in the words and at the places of the document."""

    def __init__(self, document: _Document, data: Json, model: type[BaseModel]) -> None:
        self._document = document
        self._places = document.places
        self._data = data
        self._model = model
        self._constant: frozenset[tuple[Route, str]] | None = None

    def problems(self, errors: list[ErrorDetails]) -> Iterator[Problem]:
        """One problem for each error that is not the consequence of a faulty notation."""
        faulty = {route for route, place in self._places.items() if place.faulty}
        above = {route[:end] for route in faulty for end in range(len(route))}
        unions: dict[Route, dict[str | int | None, list[_Finding]]] = {}
        for error in errors:
            finding = self._locate(error)
            unions.setdefault(finding.union, {}).setdefault(finding.label, []).append(finding)
        wrong = {
            finding.route for members in unions.values() for found in members.values() for finding in found
        }
        for members in unions.values():
            certain = members.pop(None, [])
            for finding in (*certain, *_likeliest(list(members.values()))):
                route, kind = finding.route, finding.details["type"]
                inside = any(route[:end] in faulty for end in range(len(route) + 1))
                if kind == "too_short" and any(other[: len(route)] == route != other for other in wrong):
                    continue  # pydantic counts a tuple's good entries only: the bad ones are told of themselves
                if not inside and not (kind in ("value_error", "assertion_error") and route in above):
                    yield self._explain(finding)

    def _locate(self, error: ErrorDetails) -> _Finding:
        """Parts of an error's loc that the document does not have are names of union members, or tags."""
        loc, kind = error["loc"], error["type"]
        ending: Route = ()
        if kind == "missing":
            loc, ending = loc[:-1], loc[-1:]
        elif kind.startswith("union_tag") and (tag := re.fullmatch("'(.+)'", error["ctx"]["discriminator"])):
            ending = (tag[1],)
        route: Route = ()
        union: Route = ()
        label: str | int | None = None
        for part in loc:
            if (*route, part) in self._places:
                route = (*route, part)
            elif label is None and part != "[key]":
                union, label = route, part
        return _Finding(route + ending, union, label, _EXPECTED.get(kind, ""), error)

    def _explain(self, finding: _Finding) -> Problem:
        route, kind = finding.route, finding.details["type"]
        place = self._places.get(route) or self._places[route[:-1]]
        text = self._text(finding, place)
        if not finding.expected and self._tells(text, place) and not self._is_constant(finding):
            text = "not an acceptable value (the reason repeats a secret and is not shown)"
        at_key = kind == "extra_forbidden" or finding.details["loc"][-1:] == ("[key]",)
        mark = (place.key_line, place.key_column) if at_key else (place.line, place.column)
        return self._document.problem(route, *mark, text)

    def _text(self, finding: _Finding, place: _Place) -> str:
        kind, context = finding.details["type"], finding.details.get("ctx", {})
        if _is_choice(finding):
            allowed = context.get("expected") or " or ".join(context["expected_tags"].rsplit(", ", 1))
            options = re.findall(r"'([^']*)'", allowed)
            words = [finding.expected, allowed.replace("'", "")]
            return f"expected {' or '.join(filter(None, words))}{_suggest(place.text or '', options)}"
        if finding.expected:
            return f"expected {finding.expected}, found {place.kind}{_advice(finding.expected, place)}"
        if kind in ("missing", "union_tag_not_found"):
            return "required"
        if kind == "extra_forbidden":
            key = str(finding.route[-1])
            if _SQUEEZED_KEY.fullmatch(key):
                return "unknown key, is a space missing after the colon?"
            return f"unknown key{_suggest(key, self._free_keys(finding.route[:-1]))}"
        if kind in ("value_error", "assertion_error"):
            return " ".join(str(context["error"]).split()) or "not an acceptable value"
        if kind in _BOUNDS:
            return _BOUNDS[kind].format(**context)
        return re.sub("^Input should (?:be )?", "expected ", " ".join(finding.details["msg"].split()))

    def _tells(self, text: str, place: _Place) -> bool:
        """Whether `text` holds a run of the secret at `place`, or any whole secret of the document."""
        text = text.casefold()
        for piece in re.split(_SECRET_WORD, (place.secret or "").casefold()):
            if any(piece[at : at + _SHARED_RUN] in text for at in range(len(piece) - _SHARED_RUN + 1)):
                return True
        return any(secret in text for secret in self._document.secrets)

    def _is_constant(self, finding: _Finding) -> bool:
        """Whether the model says the same of the document with other secrets in it.

        What it then says cannot come from them: "expected 127.0.0.1:8080" is fit to print even when the
        secret address begins like that.
        """
        if self._constant is None:
            self._constant = frozenset()
            try:
                self._model.model_validate_json(json.dumps(self._disguise(self._data, ())))
            except ValidationError as error:
                findings = error.errors(include_url=False, include_input=False)
                self._constant = frozenset((each["loc"], each["msg"]) for each in findings)
        return (finding.details["loc"], finding.details["msg"]) in self._constant

    def _disguise(self, data: Json, route: Route) -> Json:
        if isinstance(data, dict):
            return {key: self._disguise(value, (*route, key)) for key, value in data.items()}
        if isinstance(data, list):
            return [self._disguise(value, (*route, at)) for at, value in enumerate(data)]
        secret = self._places[route].secret
        if secret is None or not isinstance(data, str):
            return data
        used = set(secret.casefold())
        return next(letter for letter in map(chr, range(0x61, 0xD800)) if letter not in used) * len(secret)

    def _free_keys(self, route: Route) -> list[str]:
        """The keys that the mapping at `route` may have and has not."""
        here = list(_members(self._model))
        for end in range(len(route)):
            fitting = self._fitting(here, route[:end])
            here = [inner for outer in fitting for inner in _inside(outer, route[end])]
        keys = (key for outer in self._fitting(here, route) if _is_model(outer) for key in _fields(outer))
        return [key for key in dict.fromkeys(keys) if (*route, key) not in self._places]

    def _fitting(self, annotations: list[Any], route: Route) -> list[Any]:
        """The annotations without those models whose literal fields contradict the document."""

        def fits(model: Any) -> bool:
            for key, field in _fields(model).items() if _is_model(model) else ():
                place = self._places.get((*route, key))
                if place and get_origin(field.annotation) is Literal:
                    return place.text in get_args(field.annotation)
            return True

        return [annotation for annotation in annotations if fits(annotation)]


def _likeliest(members: list[list[_Finding]]) -> list[_Finding]:
    """The complaints of the one union member that was meant: not of another kind, and with the fewest."""
    other = [findings for findings in members if any(f.expected and f.route == f.union for f in findings)]
    meant = min((findings for findings in members if findings not in other), key=len, default=[])
    kinds = " or ".join(dict.fromkeys(f.expected for findings in other for f in findings if f.expected))
    if other and not meant:
        return [dataclasses.replace(other[0][0], expected=kinds)]
    if len(meant) == 1 and meant[0].route == meant[0].union:
        return [dataclasses.replace(meant[0], expected=kinds if _is_choice(meant[0]) else "")]
    return meant


def _is_choice(finding: _Finding) -> bool:
    return finding.details["type"] in ("literal_error", "enum", "union_tag_invalid")


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _members(annotation: Any) -> Iterator[Any]:
    """The annotation without Annotated and aliases; each member of a union."""
    while hasattr(annotation, "__value__") or get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0] if get_args(annotation) else annotation.__value__
    if get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif _is_model(annotation) and issubclass(annotation, RootModel):
        yield from _members(annotation.model_fields["root"].annotation)
    else:
        yield annotation


def _inside(annotation: Any, part: str | int) -> Iterator[Any]:
    """What may stand at `part` of a value of this annotation."""
    if _is_model(annotation):
        field = _fields(annotation).get(str(part))
        if field is not None:
            yield from _members(field.annotation)
        return
    inner = get_args(annotation)
    for member in inner[1:] if isinstance(part, str) else inner:
        yield from _members(member)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by each key that a document may use for them."""
    by_name = model.model_config.get("validate_by_name") or model.model_config.get("populate_by_name")
    fields: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        names: Iterable[object] = alias.choices if isinstance(alias, AliasChoices) else [alias or name]
        fields.update((key, field) for key in names if isinstance(key, str))
        if by_name:
            fields[name] = field
    return fields


def _suggest(written: str, allowed: Iterable[str]) -> str:
    alike = {key.lower().replace("-", "_"): key for key in allowed}
    close = difflib.get_close_matches(written.lower().replace("-", "_"), alike, 1)
    return f', did you mean "{alike[close[0]]}"?' if close else ""


def _advice(expected: str, place: _Place) -> str:
    if expected == "a string" and place.kind in ("a whole number", "a number", "true or false"):
        return ": put it in quotes"
    if expected == "true or false" and (place.text or "").lower() in ("yes", "on", "y", "no", "off", "n"):
        return f', did you mean "{str(str(place.text).lower() in ("yes", "on", "y")).lower()}"?'
    return ""


def _notation_fault(event: Event, *, hidden: bool) -> str:
    """Why a value may not be written as it is, or nothing."""
    if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor is not None):
        return "anchors and aliases are not supported: write the value out"
    tag = event.tag if isinstance(event, ScalarEvent | CollectionStartEvent) else None
    if tag in (None, "!"):
        return ""
    if tag in ("!env", "!file"):
        return "" if isinstance(event, ScalarEvent) else f"{tag} takes a text, not a list or a mapping"
    # `secret: !Xyz...` without quotes is a secret that begins with an exclamation mark.
    shown = "" if hidden else " " + repr(str(tag).replace("tag:yaml.org,2002:", "!!")[:40])
    return f"unknown tag{shown}: there are !env and !file, and a text that begins with ! needs quotes"


def _read_key(event: Event) -> tuple[str, str]:
    """The key, or why it cannot be one."""
    if fault := _notation_fault(event, hidden=True):
        return "", fault
    if not isinstance(event, ScalarEvent) or event.tag in ("!env", "!file"):
        return "", "a key must be a plain string"
    if event.value == "<<" and not event.style:
        return "", "merge keys (<<) are not supported: write the values out"
    key, fault = _resolve(event)
    if not fault and not isinstance(key, str):
        fault = f"a key must be a string, found {_kind(key)}: put it in quotes"
    return event.value, fault


def _resolve(event: ScalarEvent) -> tuple[bool | int | float | str | None, str]:
    """What a scalar without a tag means, or why it means nothing."""
    text = event.value
    if _SURROGATE.search(text):
        return None, "the text holds half of a surrogate pair"
    if event.style or not event.implicit[0]:
        return text, ""
    if text in _WORDS:
        return _WORDS[text], ""
    if not _FRACTION.fullmatch(text):
        return text, ""
    if len(text) > _MAX_DIGITS or not math.isfinite(float(text)):
        return None, "the number is too long: put it in quotes if it is a text"
    return (int(text) if _INTEGER.fullmatch(text) else float(text)), ""


def _kind(data: object) -> str:
    if isinstance(data, bool):
        return "true or false"
    if isinstance(data, str):
        return "a string"
    return "nothing" if data is None else "a whole number" if isinstance(data, int) else "a number"


def _explain_syntax(error: yaml.MarkedYAMLError) -> str:
    """What is wrong with the notation. PyYAML's own words may repeat a character or an anchor: not shown."""
    words = error.problem or ""
    text = next((text for sign, text in _SYNTAX if re.search(sign, words)), "this is not valid YAML")
    opening = error.context_mark
    if opening and error.problem_mark and opening.line != error.problem_mark.line and " end" in text:
        return f"{text} (it begins on line {opening.line + 1})"
    return text


def _mark(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _position(head: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows `head`."""
    lines = (head + "x").splitlines()
    return len(lines), len(lines[-1])


def render_route(route: Route) -> str:
    """The key path with dots and indices; keys with other characters than those of a name in brackets."""
    text = ""
    for part in route:
        if isinstance(part, str) and (squeezed := _SQUEEZED_KEY.fullmatch(part)):
            text += f"['{squeezed[1]}:...']"
        elif isinstance(part, str) and re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part[:80]!r}]" if isinstance(part, str) else f"[{part}]"
    return text


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(set(problems), key=lambda each: (each.line, each.column, each.key, each.text))


def read_file(path: Path, limit: int, *, regular: bool = False) -> tuple[bytes, str]:
    """The bytes of a file of at most `limit` bytes, or why there are none.

    `regular` refuses pipes and devices: a secret that is read at every reload must not wait for a writer.
    """
    try:
        if regular and not stat.S_ISREG(os.stat(path).st_mode):
            return b"", "not a regular file"
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        return b"", f"cannot read the file: {reason[:1].lower()}{reason[1:]}"
    except ValueError:
        return b"", "cannot read the file: its path is not a valid one"
    return (b"", f"the file is larger than {limit // 2**20} MiB") if len(data) > limit else (data, "")


def _decode(data: bytes) -> tuple[str, int | None]:
    """The UTF-8 text without a byte order mark, or the offset of the byte that is not UTF-8."""
    try:
        return data.decode("utf-8").removeprefix("\ufeff"), None
    except UnicodeDecodeError as error:
        return "", error.start
