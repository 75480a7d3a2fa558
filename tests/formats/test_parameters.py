"""Values of a call: each of its type and within its bounds, or named with what was expected."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.formats.parameters import (
    FLAG,
    Parameter,
    Wrong,
    choice,
    listed,
    object_schema,
    read_parameters,
    record,
    text,
    whole,
)

SECONDS = whole("whole seconds", 100)
PARAMETERS = (
    Parameter("name", text(5), "A name.", required=True),
    Parameter("ttl", SECONDS, "How long.", default=60),
    Parameter("live", FLAG, "Whether live.", default=False),
)


def wrong(*args: Any) -> list[str]:
    read = read_parameters(PARAMETERS, *args)
    assert isinstance(read, list), read
    return [str(each) for each in read]


@pytest.mark.parametrize("value", [{"name": "a", "ttl": 5, "live": True}, ["a", 5, True]])
def test_by_name_and_by_position(value: Any) -> None:
    assert read_parameters(PARAMETERS, value) == {"name": "a", "ttl": 5, "live": True}


@pytest.mark.parametrize("value", [{"name": "a"}, ["a"]])
def test_what_is_left_out_is_the_default(value: Any) -> None:
    assert read_parameters(PARAMETERS, value) == {"name": "a", "ttl": 60, "live": False}
    assert read_parameters((), {}) == read_parameters((), []) == {}


@pytest.mark.parametrize("value", [{}, []])
def test_what_is_required_is_named(value: Any) -> None:
    assert wrong(value) == ["name: required"]


def test_all_that_is_wrong_is_told() -> None:
    assert wrong({"tll": 1, "ttl": "5", "live": 1}) == [
        "'tll': there is no such parameter; known are: name, ttl, live",
        "name: required",
        "ttl: expected whole seconds from 0",
        "live: expected true or false",
    ]
    assert wrong(["a", -1, 0]) == ["ttl: expected whole seconds from 0", "live: expected true or false"]
    assert wrong(["a", 1, True, 1]) == ["params: expected at most 3 values, got 4"]


def test_a_name_that_nobody_knows_is_shown_in_part() -> None:
    assert wrong({"name": "a", "é\n" * 100: 1})[0].startswith(r"'\xe9\n\xe9\n")
    assert len(wrong({"name": "a", "x" * 10**6: 1})[0]) < 200
    (none,) = read_parameters((), {"a": 1})
    assert str(none) == "'a': there is no such parameter; there are none"


@pytest.mark.parametrize("value", ["5", 5.0, 1e2, True, False, None, -1, [], {}, float("inf")])
def test_what_is_no_whole_number(value: object) -> None:
    assert SECONDS.read(value) == Wrong("", "expected whole seconds from 0")


def test_whole_numbers_have_bounds() -> None:
    assert [SECONDS.read(value) for value in (0, 100)] == [0, 100]
    for much in (101, 2**31, 2**63, 2**64):
        assert SECONDS.read(much) == Wrong("", "expected whole seconds, at most 100")
    assert whole("ports", 9, 1).read(0) == Wrong("", "expected ports from 1")


@pytest.mark.parametrize("value", [0, 1, "true", "", None, []])
def test_what_is_no_flag(value: object) -> None:
    assert FLAG.read(True) is True
    assert FLAG.read(False) is False
    assert FLAG.read(value) == Wrong("", "expected true or false")


def test_text() -> None:
    assert text(3).read("äöü") == "äöü"
    for value in ("", "abcd", 1, None, ["a"]):
        assert text(3).read(value) == Wrong("", "expected text of 1 to 3 characters")
    digits = text(3, "[0-9]+", "1 to 3 digits")
    assert digits.read("123") == "123"
    for bad in ("", "1a", "1\n", "\u0661", "1234"):
        assert digits.read(bad) == Wrong("", "expected 1 to 3 digits")
    assert digits.schema == {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[0-9]+$"}


def test_one_of_some_words() -> None:
    access = choice("public", "private")
    assert access.read("public") == "public"
    for value in ("Public", "", None, 1, []):
        assert access.read(value) == Wrong("", "expected public or private")


def test_an_array() -> None:
    many = listed(SECONDS, 2)
    assert many.read([]) == []
    assert many.read([1, 2]) == [1, 2]
    for value in ([1, 2, 3], "12", {}, None):
        assert many.read(value) == Wrong("", "expected an array of at most 2")
    assert many.read([1, "2"]) == Wrong("[1]", "expected whole seconds from 0")


def test_what_is_wrong_further_in_is_named_by_its_place() -> None:
    access = record(
        Parameter("allow", choice("public", "private"), "Who.", required=True),
        Parameter("ports", listed(SECONDS, 3), "Which.", default=[]),
    )
    parameters = (Parameter("access", access, "Access."),)
    given = {"access": {"allow": "public", "ports": [1]}}
    assert read_parameters(parameters, given) == given
    assert read_parameters(parameters, {"access": {"allow": "public"}}) == {
        "access": {"allow": "public", "ports": []}
    }
    for value, problem in (
        ([], "access: expected an object"),
        ({"allow": "no"}, "access.allow: expected public or private"),
        ({"allow": "public", "ports": [1, 2.0]}, "access.ports[1]: expected whole seconds from 0"),
        ({"alow": 1}, "access.'alow': there is no such parameter; known are: allow, ports"),
        ({}, "access.allow: required"),
    ):
        (told,) = read_parameters(parameters, {"access": value})
        assert str(told) == problem


def test_a_schema_says_the_same() -> None:
    assert object_schema(PARAMETERS) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 5, "description": "A name."},
            "ttl": {
                "type": "integer",
                "minimum": 0,
                "maximum": 100,
                "description": "How long.",
                "default": 60,
            },
            "live": {"type": "boolean", "description": "Whether live.", "default": False},
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    assert record(*PARAMETERS).schema == object_schema(PARAMETERS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=5) | st.dictionaries(st.sampled_from(["name", "ttl", "live"]) | st.text(), JSON))
def test_total(given: Any) -> None:
    read = read_parameters(PARAMETERS, given)
    if isinstance(read, list):
        assert read
        assert all(isinstance(each, Wrong) and str(each).isprintable() for each in read)
    else:
        assert type(read["name"]) is str
        assert type(read["ttl"]) is int
        assert 0 <= read["ttl"] <= 100
        assert type(read["live"]) is bool
