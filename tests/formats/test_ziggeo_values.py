"""The arguments of a Ziggeo token: every spelling that its SDKs have, and none that could mean two things."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.checks import check_grant
from gate.core.grants import Action, Grant, Grants
from gate.core.token import Warrant
from gate.core.windows import LAST_SECOND
from gate.formats.ziggeo_values import (
    LARGEST_COUNT,
    LONGEST_GRANTS,
    LONGEST_RESOURCE,
    MOST_RESOURCES,
    Arguments,
    Fault,
    read_arguments,
)

READ_ALL = {Action.READ: Grant(all=True)}
NUMBERS = ("expiration_date", "usage_expiration_time", "session_limit")


def grants_of(value: object) -> dict[Action, Grant]:
    read = read_arguments({"grants": value})
    assert isinstance(read, Arguments), read
    return dict(read.grants.by_action)


def fault_of(mapping: dict[str, Any]) -> Fault:
    fault = read_arguments(mapping)
    assert isinstance(fault, Fault), fault
    text = str(fault)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 160
    return fault


def test_nothing() -> None:
    assert read_arguments({}) == Arguments()
    names = [*NUMBERS, "grants", "volatile", "hidden", "token", "nonce"]
    assert read_arguments(dict.fromkeys(names)) == Arguments()


def test_everything() -> None:
    assert read_arguments(
        {
            "expiration_date": 2_000_000_000,
            "usage_expiration_time": "86400",
            "session_limit": 1,
            "grants": {"read": {"resources": ["a", "b"]}},
            "volatile": "True",
            "hidden": "1",
            "token": "0123abcd",
            "nonce": "1.7952933E12",
        }
    ) == Arguments(
        expiration_date=2_000_000_000,
        usage_expiration_time=86400,
        session_limit=1,
        grants=Grants({Action.READ: Grant(resources=frozenset({"a", "b"}))}),
        volatile=True,
        hidden=True,
        token="0123abcd",
        nonce="1.7952933E12",
    )


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("value", "number"), [(0, 0), ("0", 0), (7, 7), ("7", 7), ("999999999", 999_999_999)])
def test_a_number(name: str, value: object, number: int) -> None:
    assert getattr(read_arguments({name: value}), name) == number


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value",
    [-1, "-1", 1.0, "1.0", "1e3", True, False, "", " 1", "1 ", "+1", "01", "0x1", "1_0", "\u0661", "\u00b2",
     10**12, "9" * 5000, [], [1], {}, "null", "None", "\ud800"],
)  # fmt: skip
def test_no_number(name: str, value: object) -> None:
    assert fault_of({name: value}).field == name


def test_numbers_end_somewhere() -> None:
    for name, most in zip(NUMBERS, (LAST_SECOND, LARGEST_COUNT, LARGEST_COUNT), strict=True):
        assert getattr(read_arguments({name: most}), name) == most
        assert getattr(read_arguments({name: str(most)}), name) == most
        assert str(fault_of({name: most + 1})) == f"{name} must be a whole number from 0 to {most}"
        fault_of({name: str(most + 1)})
    # JavaScript's clock counts milliseconds.
    fault_of({"expiration_date": 1_795_293_312_345})


@pytest.mark.parametrize("name", ["volatile", "hidden"])
@pytest.mark.parametrize("value", [True, "true", "True", 1, "1", False, "false", "False", 0, "0", "", None])
def test_a_flag(name: str, value: object) -> None:
    assert getattr(read_arguments({name: value}), name) is (str(value) in {"True", "true", "1"})


@pytest.mark.parametrize("name", ["volatile", "hidden"])
@pytest.mark.parametrize("value", [1.0, 0.0, 2, -1, "TRUE", "yes", "on", "2", " ", [], {}, ["true"], "None"])
def test_no_flag(name: str, value: object) -> None:
    assert str(fault_of({name: value})) == f"{name} must be true or false"


@pytest.mark.parametrize("name", ["token", "nonce"])
def test_a_name(name: str) -> None:
    for good in ("1", "17952933062055062629143764983", "1.7952933E12", "a-B_c.d:e", "x" * 128):
        assert getattr(read_arguments({name: good}), name) == good
    for bad in ("", "x" * 129, "a b", "a/b", "\u00e9", "a\n", 1, True, ["a"], "\ud800"):
        assert fault_of({name: bad}).field == name


@pytest.mark.parametrize(
    "value",
    [
        {"read": {"all": True}},
        {"read": {"all": "true"}},
        {"read": {"all": 1}},
        {"read": "all"},
        {"read": {"all": True, "session_owned": False, "resources": []}},
        {"read": {"all": True, "session_owned": None, "resources": None}},
        {"read": {"all": True}, "create": None},
    ],
)
def test_grants_of_all(value: dict[str, Any]) -> None:
    assert grants_of(value) == READ_ALL
    assert grants_of(json.dumps(value)) == READ_ALL
    assert grants_of(json.dumps(value, separators=(",", ":"))) == READ_ALL


@pytest.mark.parametrize("value", [{}, [], "", "[]", "{}", None])
def test_grants_of_nothing(value: object) -> None:
    assert grants_of(value) == {}


@pytest.mark.parametrize("value", [{}, [], {"all": False}, {"resources": []}])
def test_a_grant_of_nothing(value: object) -> None:
    assert grants_of({"read": value}) == {Action.READ: Grant()}


def test_grants_of_keys_with_brackets() -> None:
    """grants[read][all]=true&grants[update][resources][]=v1&grants[update][resources][]=v2"""
    assert grants_of({"read": {"all": "true"}, "update": {"resources": ["v1", "v2"], "session_owned": ""}}) == {
        Action.READ: Grant(all=True),
        Action.UPDATE: Grant(resources=frozenset({"v1", "v2"})),
    }


def test_grants_as_php_writes_them() -> None:
    assert grants_of('{"read":{"all":true,"resources":["a\\/b","\\u00e9"]}}') == {
        Action.READ: Grant(all=True, resources=frozenset({"a/b", "\u00e9"}))
    }


@pytest.mark.parametrize("owned", [{"session_owned": True}, {"session_owned": "true"}])
def test_what_the_session_will_own_may_be_created(owned: dict[str, Any]) -> None:
    read = read_arguments({"grants": {"create": owned, "destroy": owned}})
    assert isinstance(read, Arguments)
    warrant = Warrant(read.grants)
    assert check_grant(warrant, Action.CREATE, "new") is None
    assert check_grant(warrant, Action.DESTROY, "new", owned=True) is None
    assert check_grant(warrant, Action.DESTROY, "new") is not None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "grants must be an object, or the JSON text of one"),
        (True, "grants must be an object, or the JSON text of one"),
        (["read"], "grants must be an object, or the JSON text of one"),
        ("all", "grants must be the JSON text of an object, as json.dumps writes it"),
        ("null", "grants must be the JSON text of an object, as json.dumps writes it"),
        # What Python's str() makes of a dict.
        ("{'read': {'all': True}}", "grants must be the JSON text of an object, as json.dumps writes it"),
        ('{"read":"all","read":"all"}', "grants must be the JSON text of an object, as json.dumps writes it"),
        ('{"read":"\ud800"}', "grants must be the JSON text of an object, as json.dumps writes it"),
        (" " * (LONGEST_GRANTS + 1), "grants must be the JSON text of an object, as json.dumps writes it"),
        ("[" * 100_000, "grants must be the JSON text of an object, as json.dumps writes it"),
        ({"write": "all"}, "grants knows read, create, update and destroy"),
        ({"": "all"}, "grants knows read, create, update and destroy"),
        ({"READ": "all"}, "grants knows read, create, update and destroy"),
        ({"read": "ALL"}, "grants.read must be an object, or the word all"),
        ({"read": True}, "grants.read must be an object, or the word all"),
        ({"read": ["all"]}, "grants.read must be an object, or the word all"),
        ({"read": '{"all":true}'}, "grants.read must be an object, or the word all"),
        ({"read": {"al": True}}, "grants.read knows all, resources and session_owned"),
        ({"read": {"all": "all"}}, "grants.read.all must be true or false"),
        ({"read": {"session_owned": 2}}, "grants.read.session_owned must be true or false"),
        ({"read": {"resources": {"0": "a"}}}, "grants.read.resources must be an array of at most 10000 names"),
        ({"read": {"resources": "a"}}, "grants.read.resources must be an array of at most 10000 names"),
        ({"read": {"resources": ["a"] * (MOST_RESOURCES + 1)}}, "grants.read.resources must be an array"),
        ({"read": {"resources": [""]}}, "grants.read.resources must hold names of 1 to 512 characters"),
        ({"read": {"resources": ["a", 1]}}, "grants.read.resources must hold names of 1 to 512 characters"),
        ({"read": {"resources": ["x" * (LONGEST_RESOURCE + 1)]}}, "grants.read.resources must hold names"),
    ],
)
def test_no_grants(value: object, text: str) -> None:
    fault = fault_of({"grants": value})
    assert fault.field.startswith("grants")
    assert str(fault).startswith(text)


def test_as_many_resources_as_there_may_be() -> None:
    names = [f"{at:0{LONGEST_RESOURCE}}" for at in range(MOST_RESOURCES)]
    assert grants_of({"read": {"resources": names}})[Action.READ].resources == set(names)
    assert grants_of(json.dumps({"read": {"resources": names}}))[Action.READ].resources == set(names)


def test_an_unknown_argument_is_not_shown() -> None:
    fault = fault_of({"session_limit": 1, "sesion_limit\r\nx: <script>": 1})
    assert str(fault).startswith("arguments must be among expiration_date usage_expiration_time session_limit")


def test_the_first_fault_is_told() -> None:
    assert fault_of({"nonce": "", "session_limit": -1, "grants": 1}).field == "session_limit"


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["all", "1", "true"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["read", "create", "all", "resources", "session_owned"]) | st.text(), inner
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*NUMBERS, "grants", "volatile", "hidden", "token", "nonce"]), ANY))
def test_total(mapping: dict[str, Any]) -> None:
    read = read_arguments(mapping)
    if isinstance(read, Fault):
        fault_of(mapping)
        return
    for name in NUMBERS:
        number = getattr(read, name)
        assert number is None or (type(number) is int and number >= 0)
    assert isinstance(read.volatile, bool)
    assert isinstance(read.hidden, bool)
    # Nothing is granted that the caller did not name.
    assert not read.grants.by_action or mapping["grants"]
