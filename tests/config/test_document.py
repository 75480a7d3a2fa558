"""The loader of policy files: every fault at its place, all at once, and no secret in any of them."""

from __future__ import annotations

import os
import string
import time
import traceback
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType

from gate.config import document
from gate.config.document import load
from gate.config.values import Duration, HttpUrl, Listen, Network, Secret, Size, TcpAddress
from gate.errors import ConfigError

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


def repeat(value: object) -> object:
    if isinstance(value, str) and value.startswith("bad"):
        raise ValueError(f"cannot take {value}")
    return value


class Access(Enum):
    PUBLIC = "public"
    PRIVATE = "private"


class Key(BaseModel):
    model_config = STRICT
    kid: str = Field(min_length=2)
    algorithm: Literal["HS256", "RS256", "EdDSA"]
    secret: Secret


class Application(BaseModel):
    model_config = STRICT
    keys: list[Key] = []
    formats: tuple[Literal["jwt", "ziggeo"], ...] = ("jwt",)
    leeway: Duration = 0.0
    password: Annotated[str, BeforeValidator(repeat)] = ""
    names: list[str] = []

    @model_validator(mode="after")
    def check_names(self) -> Application:
        if self.names and not self.keys:
            raise ValueError(f"names without keys: {', '.join(self.names)}")
        return self


class Embedded(BaseModel):
    model_config = STRICT
    kind: Literal["embedded"]
    folder: Path = Path(".")


class Remote(BaseModel):
    model_config = STRICT
    kind: Literal["remote"]
    address: str


class Streams(RootModel[list["Stream"]]):
    pass


class Stream(BaseModel):
    model_config = STRICT
    match: str
    access: Access = Access.PRIVATE
    limit: Annotated[int, Field(ge=1, le=10)] | None = None
    ratio: float = 1.0


class Policy(BaseModel):
    model_config = STRICT
    listen: Listen = TcpAddress("127.0.0.1", 8080)
    applications: dict[str, Application] = {}
    store: Annotated[Embedded | Remote, Field(discriminator="kind")] | None = None
    fallback: str | Remote | None = None
    workers: int | Literal["auto"] = 1
    debug: bool = False
    streams: Streams = Streams([])
    body: Size = 0
    trusted: list[Network] = []
    origin: HttpUrl = "http://127.0.0.1"
    title: str = ""
    port: int = 0
    retention: float = Field(default=0.0, validation_alias=AliasChoices("retention", "keep_for"))
    anything: object = None

    @field_validator("title")
    @classmethod
    def check_title(cls, title: str) -> str:
        if title == "forbidden":
            raise ValueError("this title is taken: choose another")
        return title


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "policy.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(folder: Path, text: str | bytes, model: type[BaseModel] = Policy, **environ: str) -> list[str]:
    """Every problem without the file's name. The error must hang on nothing that holds the file's values."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path, model, environ=environ)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    for problem in caught.value.problems:
        assert str(problem).startswith(f"{path}:")
        assert "\n" not in str(problem)
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == sorted(places)
    return [str(problem).removeprefix(f"{path}:").strip() for problem in caught.value.problems]


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both of PyYAML's parsers: the second serves where libyaml is missing."""
    monkeypatch.setattr(document, "_PARSER", getattr(yaml, request.param))
    return str(request.param)


PLANTED = """\
# a comment
listen: 127.0.0.1:99999
applications:
  demo:
    keys:
      - {kid: k1, algorithm: HS265, secret: !env NOPE}
      - {kid: 12, algoritm: RS256, secret: [1]}
      - {kid: k3, algorithm: HS256, secret:hunter2hunter2}
      - {kid: k, algorithm: HS256, secret: !file nowhere}
    formats: [jwtt]
    leeway: 90x
    naems: []
  "my app": 3
  demo: {}
  drei: {kyes: []}
store: {kind: remot}
fallback: {kind: remote, adress: a}
workers: autoo
debug: yes
lisen: 3
<<: {a: 1}
1: 2
streams:
  - match: /a
    access: pubic
    limit: 11
  - acces: public
    ratio: "1"
  -
body: 64K
trusted: [10.0.0.1/8, *x, !foo 3]
origin: [a]
title: forbidden
port: 1.5
anything: &x 1
keepfor: 1
"""

REPORTED = """\
2:9: listen: a port is a number from 0 to 65535
6:30: applications.demo.keys[0].algorithm: expected HS256, RS256 or EdDSA, did you mean "HS256"?
6:45: applications.demo.keys[0].secret: the environment variable NOPE is not set
7:9: applications.demo.keys[1].algorithm: required
7:15: applications.demo.keys[1].kid: expected a string, found a whole number: put it in quotes
7:19: applications.demo.keys[1].algoritm: unknown key, did you mean "algorithm"?
7:44: applications.demo.keys[1].secret: expected a secret as a string that is not empty
8:9: applications.demo.keys[2].secret: required
8:37: applications.demo.keys[2]['secret:...']: unknown key, is a space missing after the colon?
9:15: applications.demo.keys[3].kid: expected at least 2 characters
9:44: applications.demo.keys[3].secret: !file: cannot read the file: no such file or directory
10:15: applications.demo.formats[0]: expected jwt or ziggeo, did you mean "jwt"?
11:13: applications.demo.leeway: expected a duration such as 90s, 15m or 2h, or a number of seconds
12:5: applications.demo.naems: unknown key, did you mean "names"?
13:13: applications['my app']: expected a mapping, found a whole number
14:3: applications.demo: duplicate key, it stands on line 4 already
15:10: applications.drei.kyes: unknown key, did you mean "keys"?
16:15: store.kind: expected embedded or remote, did you mean "remote"?
17:11: fallback.address: required
17:26: fallback.adress: unknown key, did you mean "address"?
18:10: workers: expected a whole number or auto, did you mean "auto"?
19:8: debug: expected true or false, found a string, did you mean "true"?
20:1: lisen: unknown key
21:1: merge keys (<<) are not supported: write the values out
22:1: a key must be a string, found a whole number: put it in quotes
25:13: streams[0].access: expected public or private, did you mean "public"?
26:12: streams[0].limit: expected a number of at most 10
27:5: streams[1].acces: unknown key, did you mean "access"?
27:5: streams[1].match: required
28:12: streams[1].ratio: expected a number, found a string
29:4: streams[2]: expected a mapping, found nothing
30:7: body: expected a size such as 512B, 64KiB or 10MB, or a number of bytes
31:11: trusted[0]: the address has bits set beyond its prefix: write the first address of the network
31:23: trusted[1]: anchors and aliases are not supported: write the value out
31:27: trusted[2]: unknown tag '!foo': there are !env and !file, and a text that begins with ! needs quotes
32:9: origin: expected a URL such as http://127.0.0.1:9000 or https://origin.example/base
33:8: title: this title is taken: choose another
34:7: port: expected a whole number, found a number
35:11: anything: anchors and aliases are not supported: write the value out
36:1: keepfor: unknown key, did you mean "keep_for"?
"""


@pytest.mark.usefixtures("parser")
def test_every_planted_fault_is_reported_at_once_and_at_its_place(tmp_path: Path) -> None:
    assert problems(tmp_path, PLANTED) == REPORTED.splitlines()


@pytest.mark.usefixtures("parser")
def test_a_good_file_becomes_a_model(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_bytes(b"from a file\n\n")
    text = """\
listen: :8080
applications:
  demo:
    keys:
      - {kid: k1, algorithm: HS256, secret: !env GATE_SECRET}
      - {kid: k2, algorithm: EdDSA, secret: !file key.txt}
    formats: [ziggeo, jwt]
    leeway: 250ms
store: {kind: embedded, folder: ./state}
fallback: redis
workers: auto
debug: true
streams: [{match: /public/**, access: public, limit: ~, ratio: 2}]
keep_for: 1e3
title: !env GATE_TITLE
"""
    environ = {"GATE_SECRET": "from the environment", "GATE_TITLE": "12"}
    policy = load(write(tmp_path, text), Policy, environ=environ)
    demo = policy.applications["demo"]
    assert [key.secret.get_secret_value() for key in demo.keys] == ["from the environment", "from a file\n"]
    assert demo.formats == ("ziggeo", "jwt")
    assert demo.leeway == 0.25
    assert policy.listen == TcpAddress("", 8080)
    assert policy.store == Embedded(kind="embedded", folder=Path("state"))
    assert policy.streams.root[0].access is Access.PUBLIC
    assert (policy.workers, policy.debug, policy.retention, policy.title) == ("auto", True, 1000.0, "12")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("on", "off", "yes", "no", "y", "N", "On", "YES", "tRUE", "nULL")],
        *[(word, word) for word in ("1:30", "190:20:30", "0777", "0o17", "0x1F", "0b11", "1_000", "-01")],
        *[(word, word) for word in ("2024-01-01", "2024-01-01T00:00:00Z", "12:30:45", ".inf", ".nan")],
        *[(word, word) for word in ("=", "1e", "e1", "+", ".", "1.2.3", "1,5", "٣", "<<", "1 2")],
        *[(f'"{word}"', word) for word in ("true", "null", "12", "1.5", "~", "")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[(word, None) for word in ("null", "Null", "NULL", "~", "")],
        *[("0", 0), ("-0", 0), ("+12", 12), ("-7", -7), ("12", 12), ("|-\n  12", "12")],
        *[("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("-1.5E-1", -0.15), ("0.10", 0.1)],
        ("[yes, 1, {no: off}]", ["yes", 1, {"no": "off"}]),
        ("! 'x'", "x"),
        ("http://a:80/b#c", "http://a:80/b#c"),
        ("x # comment", "x"),
    ],
)
def test_scalars_mean_what_they_look_like(tmp_path: Path, text: str, value: object) -> None:
    loaded = load(write(tmp_path, f"anything: {text}\n"), Policy, environ={}).anything
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ": the file is empty"),
        ("# nothing\n", ": the file is empty"),
        ("---\n", "2:1: expected a mapping, found nothing"),
        ("null", "1:1: expected a mapping, found nothing"),
        ("- a", "1:1: expected a mapping, found a list"),
        ("secret:hunter2", "1:1: expected a mapping, found a string"),
        ("port: 1\n--- {}\n", "2:1: only one document may stand in a file"),
        ("port: 1\n...\nx", "3:1: only one document may stand in a file"),
        ("port:\n\t1", "2:1: a tab cannot stand here: indent with spaces"),
        ("\tport: 1", "1:1: a tab cannot stand here: indent with spaces"),
        ("title: @a", "1:8: a value cannot begin with this character: put it in quotes"),
        ("title: `a`", "1:8: a value cannot begin with this character: put it in quotes"),
        ("title: a: b", "1:9: a second colon or a wrong indentation: put the value in quotes"),
        ("é: ü: b", "1:5: a second colon or a wrong indentation: put the value in quotes"),
        ("port: 1\n title: a", "2:7: a second colon or a wrong indentation: put the value in quotes"),
        ("streams:\n  - match: a\n - match: b", "3:2: this does not fit the indentation above it"),
        ("trusted: [::1]", "1:11: expected a value: put a text that begins with a bracket in quotes"),
        ("listen: [::1]:80", "1:10: expected a value: put a text that begins with a bracket in quotes"),
        ("title: *", "1:9: anchors and aliases are not supported: put a text that begins so in quotes"),
        ("title: !a!b c", "1:8: the tag is not well-formed"),
        ("title: !<", "1:10: the tag is not well-formed"),
        ("trusted: [a,\n\nport: 1\n", "3:8: the list or mapping in brackets lacks a comma or its end"
         " (it begins on line 1)"),
        ("title: 'a\nport: 1", "2:8: the text in quotes has no end (it begins on line 1)"),
        ("%YAML 2.0\n---\n{}", "1:1: the YAML directive is not supported"),
        ("title: a\0b", "1:9: control characters are not allowed"),
        ("port: 1\r\ntitle: \x1b[31m", "2:8: control characters are not allowed"),
        (b"port: 1\ntitle: \xc3\xbc\xff", "2:9: the file is not UTF-8 text"),
        ("port: 1".encode("utf-16"), "1:1: the file is not UTF-8 text"),
        ("{1: 2}", "1:2: a key must be a string, found a whole number: put it in quotes"),
        ("{true: 2}", "1:2: a key must be a string, found true or false: put it in quotes"),
        ("{1.5: 2}", "1:2: a key must be a string, found a number: put it in quotes"),
        ("~: 2", "1:1: a key must be a string, found nothing: put it in quotes"),
        ("? [a, {b: c}]\n: 2", "1:3: a key must be a plain string"),
        ("!env HOME: 2", "1:1: a key must be a plain string"),
        ("port: 1e999", "1:7: port: the number is too long: put it in quotes if it is a text"),
        ("port: " + "9" * 5000, "1:7: port: the number is too long: put it in quotes if it is a text"),
        ("title: !!python/object/apply:os.system [ls]",
         "1:8: title: unknown tag '!!python/object/apply:os.system':"
         " there are !env and !file, and a text that begins with ! needs quotes"),
        ("title: !!str 1", "1:8: title: unknown tag '!!str':"
         " there are !env and !file, and a text that begins with ! needs quotes"),
        ("title: !env [a]", "1:8: title: !env takes a text, not a list or a mapping"),
        ("title: !env", "1:8: title: !env takes the name of an environment variable"),
        ("title: !env a b", "1:8: title: !env takes the name of an environment variable"),
        ("title: !env EMPTY", "1:8: title: the environment variable EMPTY is empty"),
        ("title: !env BINARY", "1:8: title: the environment variable BINARY is not UTF-8 text"),
        ("port: !env PORT", "1:7: port: expected a whole number, found a string"),
        ("title: !file", "1:8: title: !file takes the path of a file"),
        ("title: !file .", "1:8: title: !file: not a regular file"),
        ("title: !file /dev/zero", "1:8: title: !file: not a regular file"),
        ('title: !file "a\\0b"', "1:8: title: !file: cannot read the file: its path is not a valid one"),
        ("title: !file empty", "1:8: title: !file: the file is empty"),
        ("title: !file binary", "1:8: title: !file: the file is not UTF-8 text"),
        ("title: !file large", "1:8: title: !file: the file is larger than 1 MiB"),
        ("fallback: 3", "1:11: fallback: expected a string or a mapping, found a whole number"),
        ("store: {}", "1:8: store.kind: required"),
        ("store: {kind: !env NOPE}", "1:15: store.kind: the environment variable NOPE is not set"),
        ("'a\\nb.c': 1", "1:1: ['a\\\\nb.c']: unknown key"),
    ],
)  # fmt: skip
def test_one_fault(tmp_path: Path, text: str | bytes, expected: str) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"a" * (2**20 + 1))
    found = problems(tmp_path, text, EMPTY="", BINARY="a\udcff", PORT="8080")
    assert found == [expected.removeprefix(": ")]


@pytest.mark.parametrize("escape", ["\\ud800", "\\U00110000", "\\UFFFFFFFF", "\\q"])
def test_escapes_beyond_unicode(tmp_path: Path, parser: str, escape: str) -> None:
    (found,) = problems(tmp_path, f'title: "{escape}"')
    assert "escape" in found or "surrogate" in found


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anything: " + "[" * 32 + "]" * 32, "1:42: values are nested deeper than 32 levels"),
        ("anything: " + "[" * 100_000, "1:42: values are nested deeper than 32 levels"),
        ("anything: " + "{a: " * 100_000, "1:135: values are nested deeper than 32 levels"),
        ("- " * 40, "1:65: values are nested deeper than 32 levels"),
        ("? " + "[" * 32 + "]" * 32, "1:34: values are nested deeper than 32 levels"),
        ("a: 1\n" * 3 + "#" * 4 * 2**20, "the file is larger than 4 MiB"),
    ],
)
def test_bombs(tmp_path: Path, text: str, expected: str) -> None:
    began = time.monotonic()
    assert problems(tmp_path, text)[-1] == expected
    assert time.monotonic() - began < 30


def test_too_many_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert document.MAX_NODES == 200_000
    monkeypatch.setattr(document, "MAX_NODES", 1000)
    assert problems(tmp_path, "anything: [" + "1," * 1001 + "]") == [
        "1:2006: the file holds more than 1000 values"
    ]


def test_aliases_are_never_expanded(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    found = problems(tmp_path, "\n".join(lines))
    assert sum("anchors and aliases" in each for each in found) == 9 + 8 * 9


def test_the_values_around_an_alias_are_still_checked(tmp_path: Path) -> None:
    found = problems(tmp_path, "streams:\n- &a {match: 1}\n- *a\n")
    assert [each.split(":")[:2] for each in found] == [["2", "3"], ["2", "14"], ["3", "3"]]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yaml", "no such file or directory"), (tmp_path, "is a directory")):
        with pytest.raises(ConfigError) as caught:
            load(path, Policy, environ={})
        assert str(caught.value) == f"{path}: cannot read the file: {reason}"
        assert caught.value.__context__ is None


def test_a_byte_order_mark_moves_nothing(tmp_path: Path) -> None:
    assert problems(tmp_path, b"\xef\xbb\xbfport: a\r\nlisen: 1\r\n") == [
        "1:7: port: expected a whole number, found a string",
        '2:1: lisen: unknown key, did you mean "listen"?',
    ]


def test_what_a_faulty_value_would_cause_is_not_reported(tmp_path: Path) -> None:
    text = "applications: {a: {names: [x, !env NOPE]}}\nfallback: !env NOPE\nworkers: *x\n"
    assert len(problems(tmp_path, text)) == 3


def test_a_validator_of_a_mapping_speaks_at_its_place(tmp_path: Path) -> None:
    assert problems(tmp_path, "applications:\n  a:\n    names: [x, y]\n") == [
        "3:5: applications.a: names without keys: x, y"
    ]


class Cat(BaseModel):
    model_config = STRICT
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    model_config = ConfigDict(**STRICT, validate_by_name=True)
    kind: Literal["dog"]
    livery: int = Field(default=0, alias="liver")
    born: date | None = None


Pet = TypeAliasType("Pet", Annotated[Cat | Dog, Field(discriminator="kind")])


class House(BaseModel):
    model_config = STRICT
    pets: dict[str, Pet] = {}
    names: dict[Annotated[str, Field(max_length=3)], tuple[int, str]] = {}


def test_suggestions_come_from_the_member_of_a_union_that_was_meant(tmp_path: Path) -> None:
    text = """\
pets:
  a: {kind: cat, livs: 1}
  b: {kind: dog, livey: 1, born: soon}
names:
  long name: [a, 1, 2]
"""
    found = problems(tmp_path, text, House)
    assert found[:2] == [
        '2:18: pets.a.livs: unknown key, did you mean "lives"?',
        '3:18: pets.b.livey: unknown key, did you mean "livery"?',
    ]
    assert found[2].startswith("3:34: pets.b.born: expected a valid date")
    assert found[3:5] == [
        "5:3: names['long name']: expected at most 3 characters",
        "5:14: names['long name']: expected at most 2 entries",
    ]


def test_files_are_relative_to_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "title").write_text("right\r\n")
    (tmp_path / "title").write_text("wrong")
    write(tmp_path / "in", f"title: !file title\nfallback: !file {tmp_path}/title\n")
    monkeypatch.chdir(tmp_path)
    policy = load(Path("in/policy.yaml"), Policy, environ={})
    assert (policy.title, policy.fallback) == ("right", "wrong")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_secret_pipe_does_not_hold_up_a_reload(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert problems(tmp_path, "title: !file pipe") == ["1:8: title: !file: not a regular file"]


# Secrets. No letters of these words are in any sentence of ours, so that a leak is never a coincidence.

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
SECRETS = st.text(alphabet="QXZ" + string.digits + "!#$%&*+/<=>?@^~|{}[]\"'`\\ :-", min_size=8, max_size=40)

PLACES = [
    "port: {}",
    "debug: {}",
    "workers: {}",
    "store: {}",
    "store: {{kind: {}}}",
    "fallback: {{kind: {}}}",
    "applications: {}",
    "applications: {{demo: {{keys: {}}}}}",
    "applications: {{demo: {{keys: [{{kid: kk, algorithm: {}, secret: x}}]}}}}",
    "applications: {{demo: {{formats: [{}]}}}}",
    "applications: {{demo: {{leeway: {}}}}}",
    "streams: [{{match: a, access: {}}}]",
    "listen: {}",
    "body: {}",
    "trusted: [{}]",
    "origin: {}",
    "origin: {}\napplications: {{a: {{names: [{}]}}}}",
]


FORMS = ["{}", "!env S", "!file secret", "[{}]", "!{}", "*{}", "&{} x", "{{ {} }}", "@{}", "'{}"]


def assert_hidden(path: Path, secret: str, **environ: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, Policy, environ=environ)
    problems = caught.value.problems
    assert secret not in "\n".join(str(problem).removeprefix(str(path)) for problem in problems)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(problems)
    assert repr(secret)[1:-1] not in shown.replace(str(path), "")


@settings(deadline=None, suppress_health_check=CHECKS)
@given(st.sampled_from(PLACES), SECRETS, st.booleans())
def test_a_secret_at_the_place_of_another_type_never_shows(
    tmp_path: Path, place: str, secret: str, in_file: bool
) -> None:
    (tmp_path / "secret").write_text(secret, newline="")
    tag = "!file secret" if in_file else "!env GATE_SECRET"
    text = place.replace("{}", tag).replace("{{", "{").replace("}}", "}")
    path = write(tmp_path, text + "\nport: x\nport: y\n")
    assert_hidden(path, secret, GATE_SECRET=secret)


@settings(deadline=None, suppress_health_check=CHECKS)
@given(st.sampled_from(FORMS), SECRETS)
def test_a_secret_under_a_secret_key_never_shows_however_it_is_written(
    tmp_path: Path, form: str, secret: str
) -> None:
    (tmp_path / "secret").write_text("bad" + secret, newline="")
    written = form.replace("{}", secret)
    path = write(tmp_path, f"title: forbidden\napplications:\n  demo:\n    password: {written}\n    x: 1\n")
    assert_hidden(path, secret, S="bad" + secret)


def test_a_validator_that_repeats_a_secret_is_not_quoted(tmp_path: Path) -> None:
    withheld = "not an acceptable value (the reason repeats a secret and is not shown)"
    text = "applications: {a: {password: !env A}, b: {password: bad-qzx-2}, c: {names: [!env B]}}"
    assert problems(tmp_path, text, A="bad-xqz-1", B="hunter2") == [
        f"1:30: applications.a.password: {withheld}",
        f"1:53: applications.b.password: {withheld}",
        f"1:68: applications.c: {withheld}",
    ]


def test_a_sentence_that_is_the_same_for_every_secret_is_quoted(tmp_path: Path) -> None:
    text = "origin: !env URL\nlisten: !env LISTEN\n"
    assert problems(tmp_path, text, URL="ftp://origin", LISTEN="127.0.0.1") == [
        "1:9: origin: expected a URL such as http://127.0.0.1:9000 or https://origin.example/base",
        "2:9: listen: expected an address such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/run/gate.sock",
    ]


def test_a_secret_grown_together_with_its_key_is_cut_off(tmp_path: Path) -> None:
    found = problems(tmp_path, "{secret:hunter2: 1, 'admin_token = hunter2': 2, !env hunter2: 3}")
    assert len(found) == 3
    assert "hunter2" not in "".join(found)


# Any bytes are a policy or a ConfigError.

WORDS = ["a", "port", "store", "title", "applications", "kind", "embedded", "remote", "streams", "access"]
SIGNS = [": ", "\n", "\n  ", "- ", "[", "]", "{", "}", ", ", "? ", "|", ">", "'", '"', "\t", "#", "\r", "@"]
TAGS = ["&a", "*a", "<<", "!env ", "!file ", "!!int ", "! ", "%YAML 1.1\n", "%TAG ! x\n", "---\n", "...\n"]
SCALARS = ["1", "-1.5e9", "~", "true", "\\ud800", "\\U00110000", "\u2028", "\x85", "é", "\ufeff", "`"]
FRAGMENTS = st.lists(st.sampled_from([*WORDS, *SIGNS, *TAGS, *SCALARS]), max_size=25).map(
    lambda parts: "".join(parts).encode()
)
TEXTS = st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))


def outcome(path: Path) -> Policy | ConfigError:
    try:
        return load(path, Policy, environ={})
    except ConfigError as error:
        return error


@settings(deadline=None, suppress_health_check=CHECKS, max_examples=200)
@given(st.one_of(st.binary(max_size=60), TEXTS, FRAGMENTS))
def test_any_bytes_are_a_model_or_a_config_error(tmp_path: Path, parser: str, data: bytes) -> None:
    result = outcome(write(tmp_path, data))
    if isinstance(result, ConfigError):
        assert result.problems
        assert str(result).encode()
        assert len(str(result).split("\n")) == len(result.problems)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["jwt", "redis", "embedded", "", "90s"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([*Policy.model_fields, *Application.model_fields, *Key.model_fields, "kind"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@settings(deadline=None, suppress_health_check=CHECKS, max_examples=200)
@given(st.dictionaries(st.sampled_from(list(Policy.model_fields)), JSON, max_size=5))
def test_any_tree_of_known_words_is_a_model_or_a_config_error(tmp_path: Path, data: dict[str, Any]) -> None:
    result = outcome(write(tmp_path, yaml.safe_dump(data)))
    if isinstance(result, ConfigError):
        assert all(problem.line and problem.column for problem in result.problems)
