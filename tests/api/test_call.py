"""What a caller names: known and well-formed, or refused by its name."""

from __future__ import annotations

import pytest

from gate.api.call import Call, read_flag, read_limit, read_second, read_text
from gate.errors import UsageError


def test_parameters_are_those_of_the_query() -> None:
    assert Call(query="limit=5&subject=a%20b&resource=").parameters("limit", "subject", "resource") == {
        "limit": "5",
        "subject": "a b",
        "resource": "",
    }
    assert Call().parameters() == {}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("lmit=5", "there is no parameter 'lmit'; known are: limit, subject"),
        ("limit=5&limit=5", "the parameter limit is there twice"),
    ],
)
def test_one_that_is_not_known_is_named(query: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Call(query=query).parameters("limit", "subject")
    assert str(caught.value) == text


def test_fields_are_those_of_the_body() -> None:
    assert Call(body=b' {"token": "x", "until": null} '.strip()).fields("token", "until") == {"token": "x"}
    assert Call(body=b" ").fields() == {}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"tokn": "x"}', "there is no field 'tokn'; known are: token"),
        (b'{"token": "x", "token": "y"}', "not one JSON object"),
        (b'["token"]', "not one JSON object"),
        (b'{"token": "\xff"}', "not one JSON object"),
        (b"token=x", "not one JSON object"),
        (b'{"token": NaN}', "not one JSON object"),
    ],
)
def test_a_body_that_is_not_understood_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Call(body=body).fields("token")


def test_no_field_is_taken_where_none_is_known() -> None:
    with pytest.raises(UsageError, match="there is no field 'force'; none is known here"):
        Call(body=b'{"force": true}').fields()


@pytest.mark.parametrize("value", [1, True, "", [], {}])
def test_a_text_is_text(value: object) -> None:
    assert read_text({"x": "a"}, "x") == "a"
    assert read_text({}, "x") is None
    with pytest.raises(UsageError, match="x: expected text"):
        read_text({"x": value}, "x")


@pytest.mark.parametrize("value", ["true", 1, 0, "", [], {}])
def test_a_flag_is_true_or_false(value: object) -> None:
    assert read_flag({"x": False}, "x") is False
    assert read_flag({}, "x") is None
    with pytest.raises(UsageError, match="x: expected true or false"):
        read_flag({"x": value}, "x")


@pytest.mark.parametrize("value", ["1", 1.5, True, -1, 1_700_000_000_000_000])
def test_a_second_is_a_whole_number(value: object) -> None:
    assert read_second({"x": 5}, "x") == 5
    assert read_second({}, "x") is None
    with pytest.raises(UsageError, match="x: expected whole Unix seconds"):
        read_second({"x": value}, "x")


@pytest.mark.parametrize("text", ["0", "11", "-1", "", "ten", "1e1", "\u0661", "1" * 5000])
def test_a_limit_is_within_bounds(text: str) -> None:
    assert read_limit({}, 5, 10) == 5
    assert read_limit({"limit": "10"}, 5, 10) == 10
    with pytest.raises(UsageError, match="limit: expected a number from 1 to 10"):
        read_limit({"limit": text}, 5, 10)
