"""Whatever answers, there is a result or an RpcError, and no secret in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.client import RpcError, TokenRefused, Unavailable, UnexpectedAnswer, calls
from gate.client.exchange import Endpoint, Exchange, read_endpoint

TOKEN = "the-api-token-of-these-tests"
EXCHANGE = Exchange(read_endpoint("http://127.0.0.1:8081"), TOKEN)
CALL = calls.call("Test.Any")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
NAMES = st.sampled_from(
    ["jsonrpc", "result", "error", "id", "code", "message", "data", "reason", "detail", "x"]
)
VALUES = st.sampled_from(["2.0", 1, 2, -32602, -32000, f"a {TOKEN}\n\x1b[31m"]) | LEAVES
JSON = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=12
)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://gate.example", Endpoint("http://gate.example", "/api/", "gate.example")),
        ("HTTP://gate.example:80/", Endpoint("HTTP://gate.example:80", "/api/", "gate.example", 80)),
        ("https://g:8443/base/", Endpoint("https://g:8443/base", "/base/api/", "g", 8443, True)),
        ("http://[::1]:8081", Endpoint("http://[::1]:8081", "/api/", "::1", 8081)),
        ("unix:///run/g.sock", Endpoint("unix:///run/g.sock", "/api/", "localhost", socket="/run/g.sock")),
        ("unix:/run/g.sock", Endpoint("unix:///run/g.sock", "/api/", "localhost", socket="/run/g.sock")),
    ],
)
def test_base_urls(url, endpoint):
    assert read_endpoint(url) == endpoint


def test_whole_urls():
    assert read_endpoint("https://g/base").address == "https://g/base/api/"
    assert read_endpoint("unix:/run/g.sock").address == "http://localhost/api/"


@given(
    st.sampled_from([200, 200, 201, 204, 302, 400, 401, 403, 404, 413, 429, 500, 503]),
    JSON.map(json.dumps).map(str.encode) | st.binary(max_size=50),
)
def test_any_answer_is_a_result_or_an_error(status, body):
    typed = [calls.get_stream("a"), calls.get_media_urls(["a"]), calls.inspect_token("t"), calls.list_streams()]
    for call in [CALL, *typed]:
        try:
            EXCHANGE.read(call, status, body)
            assert status == 200
        except RpcError as error:
            _check(error, status)
    try:
        told = EXCHANGE.read_batch([CALL, *typed], status, body)
        assert (status, len(told)) == (200, 5)
    except RpcError as error:
        _check(error, status)


def _check(error, status):
    text = str(error)
    assert text
    assert text.isprintable()
    assert TOKEN not in text
    assert (status == 401) == isinstance(error, TokenRefused)
    if status >= 500 or status == 429:
        assert isinstance(error, Unavailable)
    assert error.code is None or type(error.code) is int


@given(st.lists(JSON, max_size=3), st.permutations([1, 2, 3]))
def test_a_batch_in_any_order(results, order):
    numbers = order[: len(results)] if len(results) == 3 else list(range(1, len(results) + 1))
    document = [
        {"jsonrpc": "2.0", "result": result, "id": number}
        for number, result in zip(numbers, results, strict=True)
    ]
    told = EXCHANGE.read_batch([CALL] * len(results), 200, json.dumps(document).encode())
    assert told == [
        result for _, result in sorted(zip(numbers, results, strict=True), key=lambda each: each[0])
    ]


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [{"jsonrpc": "2.0", "result": 1, "id": 1}],
        [{"jsonrpc": "2.0", "result": 1, "id": 1}] * 2,
        [{"jsonrpc": "2.0", "result": 1, "id": 1}, {"jsonrpc": "2.0", "result": 1, "id": "2"}],
        [{"jsonrpc": "2.0", "result": 1, "id": 1}, {"jsonrpc": "2.0", "result": 1, "id": [2]}],
        [{"jsonrpc": "2.0", "result": 1, "id": 1}, 5],
    ],
)
def test_answers_of_other_calls(answers):
    with pytest.raises(UnexpectedAnswer, match="its answers are not those of the calls"):
        EXCHANGE.read_batch([CALL] * 2, 200, json.dumps(answers).encode())


def test_a_result_of_another_kind_within_a_batch():
    body = json.dumps([{"jsonrpc": "2.0", "result": {}, "id": 1}]).encode()
    (told,) = EXCHANGE.read_batch([calls.get_stream("a")], 200, body)
    assert isinstance(told, UnexpectedAnswer)
    assert "its answer to Stream.Get is none that is known" in str(told)


@pytest.mark.parametrize(
    ("status", "document", "kind", "code", "reason", "text"),
    [
        (
            400,
            {"error": {"code": -32601, "message": "Method not found"}},
            RpcError,
            -32601,
            None,
            "Method not found",
        ),
        (200, {"jsonrpc": "2.0", "error": {"code": 5, "message": "No"}, "id": 1}, RpcError, 5, None, "No"),
        (
            403,
            {"reason": "host_not_local", "detail": "only loopback", "status": 403},
            RpcError,
            None,
            "host_not_local",
            "only loopback",
        ),
        (
            401,
            {"error": {"code": -32001, "message": "expired", "data": {"reason": "token_expired"}}},
            TokenRefused,
            -32001,
            "token_expired",
            "the gate at http://127.0.0.1:8081 does not take this API token: expired",
        ),
        (
            503,
            {"reason": "draining", "title": "The gate is draining"},
            Unavailable,
            None,
            "draining",
            "the gate at http://127.0.0.1:8081 cannot answer now: The gate is draining",
        ),
    ],
)
def test_errors_of_both_forms(status, document, kind, code, reason, text):
    with pytest.raises(RpcError) as caught:
        EXCHANGE.read(CALL, status, json.dumps(document).encode())
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.reason, str(caught.value)) == (code, reason, text)


def test_a_long_text_is_cut():
    document = {"error": {"code": -32602, "message": "x" * 5000}}
    with pytest.raises(RpcError) as caught:
        EXCHANGE.read(CALL, 400, json.dumps(document).encode())
    assert len(str(caught.value)) < 1100
