"""The strict reader: one object in UTF-8, every key once, and None for anything else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.formats.strict_json import DEEPEST, read_object, read_value

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

GOOD = [
    (b"{}", {}),
    (b'{"a":1}', {"a": 1}),
    (b'{ "a" :\t[1, 2.5, "x", null, true]\r\n}\n', {"a": [1, 2.5, "x", None, True]}),
    ('{"é":"\U0001f600"}'.encode(), {"é": "\U0001f600"}),
    (rb'{"a":"\ud83d\ude00\u0041"}', {"a": "\U0001f600A"}),
    (b'{"a":-9223372036854775808}', {"a": -(2**63)}),
    (b'{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
]


@pytest.mark.parametrize(("raw", "value"), GOOD)
def test_one_object(raw: bytes, value: object) -> None:
    assert read_object(raw) == value


BAD = {
    "nothing": b"",
    "an array": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "white space before it": b" {}",
    "something after it": b"{} {}",
    "not closed": b'{"a":1',
    "a trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "a comment": b'{"a":1 /* */}',
    "a key twice": b'{"a":1,"a":2}',
    "a key twice, once escaped": rb'{"a":1,"\u0061":2}',
    "a key twice, further in": b'{"x":[{"a":1,"a":1}]}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "an endless number": b'{"a":' + b"9" * 5000 + b"}",
    "a number of 21 digits": b'{"a":' + b"9" * 21 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a":1}'.encode("utf-16-le"),
    "UTF-32": '{"a":1}'.encode("utf-32-le"),
    "Latin-1": b'{"a":"\xe9"}',
    "an overlong encoding": b'{"a":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "half of a surrogate pair, escaped": rb'{"a":"\ud800"}',
    "half of a pair as a key": rb'{"\udc00":1}',
    "a surrogate pair the wrong way round": rb'{"a":"\ude00\ud83d"}',
    "a NUL": b'{"a":"\x00"}',
    "a line break in a text": b'{"a":"\n"}',
    "a NUL after it": b'{"a":1}\x00',
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_anything_else(raw: bytes) -> None:
    assert read_object(raw) is None


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_nesting_has_a_limit() -> None:
    assert read_object(nested(DEEPEST)) is not None
    assert read_object(nested(DEEPEST + 1)) is None
    assert read_object(b'{"a":' * 10_000) is None


def test_width_is_not_depth() -> None:
    assert read_object(json.dumps({"a": [{"b": []}] * 1000}).encode()) is not None


@pytest.mark.parametrize("text", [b"]" * 40, b"}" * 40, rb"\"" + b"]" * 40, b"\\\\"])
def test_brackets_in_a_text_hide_no_depth(text: bytes) -> None:
    inner = nested(DEEPEST + 1)
    assert read_object(b'{"t":"' + text + b'","a":' + inner + b"}") is None


def test_brackets_in_a_text_are_text() -> None:
    assert read_object(b'{"t":"' + b"[{" * 100 + b'"}') == {"t": "[{" * 100}


@pytest.mark.parametrize(
    "raw",
    [
        b"{" + b'\\"' * 8000 + b"[" * 40,
        b'{"' + b"\\" * 16001,
        b"{" * 16000,
        b'{"a":' + b"[]," * 5000,
        b'{"' * 8000,
    ],
)
def test_broken_text_costs_no_more_than_sound_text(raw: bytes) -> None:
    started = time.process_time()
    assert read_object(raw) is None
    assert time.process_time() - started < 5


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@UNHURRIED
@given(st.dictionaries(st.text(), JSON, max_size=5), st.booleans())
def test_every_object_of_plain_values_is_read_as_it_is(value: dict[str, object], escaped: bool) -> None:
    assert read_object(json.dumps(value, ensure_ascii=escaped).encode()) == value


@UNHURRIED
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda raw: b"{" + raw + b"}"))
def test_total(raw: bytes) -> None:
    assert isinstance(read_object(raw), dict | None)


ANY = {
    b" [1, {}]\n": [1, {}],
    b'"x"': "x",
    b"0": 0,
    b"null": None,
    b"18446744073709551616": 2**64,
    b"1" * 21: float("1" * 21),
    b"9" * 5000: float("inf"),
    b"-" + b"9" * 5000: float("-inf"),
}


@pytest.mark.parametrize(("raw", "value"), ANY.items(), ids=lambda each: repr(each)[:20])
def test_any_value(raw: bytes, value: object) -> None:
    read = read_value(raw)
    assert read == value
    assert type(read) is type(value)


SOUND = {"an array", "a text", "a number", "null", "white space before it", "an endless number"}


@pytest.mark.parametrize(
    "raw", [raw for name, raw in BAD.items() if name not in {*SOUND, "a number of 21 digits"}]
)
def test_what_is_no_value(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not one JSON value"):
        read_value(raw)


@UNHURRIED
@given(JSON)
def test_every_value_is_read_as_it_is(value: object) -> None:
    assert read_value(json.dumps(value).encode()) == value


def test_values_have_a_limit_of_nesting_too() -> None:
    assert read_value(b"[" * DEEPEST + b"]" * DEEPEST)
    for raw in (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), b"[" * 10**5):
        with pytest.raises(ValueError, match="not one JSON value"):
            read_value(raw)
