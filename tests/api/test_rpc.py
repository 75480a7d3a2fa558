"""JSON-RPC: any body has a well-formed answer, and a client's mistake is named, never ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.api.rpc import MOST_CALLS, Batch, Invocation, Refused, Rpc, Single, asks_envelope, read_call
from gate.api.rpc_methods import Code, FaultKind, Method
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.token import Rights, Token
from gate.errors import StoreError, StoreUnavailable, UsageError
from gate.formats import jwt
from gate.formats.aipix import access_parameters, asked_claims, check_bounds
from gate.formats.parameters import Parameter, text
from gate.wire.answers import Answer

KEY = Key("k1", Algorithm.HS256, b"a secret of more than thirty-two bytes, for tests")
FULL = FaultKind(-32010, "no_room", "There is no room.")
NOW = 1_795_255_200
Seen = list[object]


async def mint(asked: Mapping[str, Any], seen: Seen) -> object:
    seen.append(asked)
    return jwt.sign(asked_claims(asked, now=NOW, jti=f"t{len(seen)}"), KEY)


async def sort_of(asked: Mapping[str, Any], seen: Seen) -> object:
    match asked["how"]:
        case "returned":
            return FULL.fault()
        case "raised":
            raise FULL.fault("There is no room for cam1.", stream="cam1")
        case "usage":
            raise UsageError("until: that time is past")
        case "away":
            raise StoreUnavailable("the store at 127.0.0.1:6379 does not answer")
        case "wrong":
            raise StoreError("the store may forget what it holds")
        case "null":
            return None
        case "bug":
            raise LookupError
    seen.append(asked["how"])
    return {"how": asked["how"]}


RPC: Rpc[Seen] = Rpc(
    [
        Method(
            "Auth.CreateAccessToken",
            "A token for one stream.",
            mint,
            access_parameters(86400),
            result={"type": "string"},
            check=check_bounds,
        ),
        Method(
            "Test.Sort",
            "It ends as it is asked to.",
            sort_of,
            [Parameter("how", text(100), "How.", required=True)],
            result={"type": "object"},
            faults=[FULL],
        ),
    ],
    title="gate",
    version="1.2",
)
TOKEN = "Auth.CreateAccessToken"


def body(method: str = TOKEN, params: object = None, **members: object) -> bytes:
    document = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1, **members}
    if params is None:
        del document["params"]
    return json.dumps(document).encode()


async def ask(raw: bytes, *accept: str, envelope: bool = False, seen: Seen | None = None) -> Answer:
    answer = await RPC.answer(read_call(raw), [] if seen is None else seen, accept=accept, envelope=envelope)
    fields = dict(answer.fields)
    assert len(fields) == len(answer.fields)
    assert (fields["Server"], fields["Cache-Control"]) == ("gate", "no-store")
    assert ("Content-Type" in fields) == bool(answer.body)
    return answer


async def fault(raw: bytes, **options: Any) -> tuple[int, str]:
    """Code and message of a bare refusal that is the client's mistake, and can be nothing else."""
    answer = await ask(raw, **options)
    assert answer.status == 400
    document = json.loads(answer.body)
    assert document.keys() == {"error"}
    assert document["error"].keys() == {"code", "message"}
    return document["error"]["code"], document["error"]["message"]


async def test_the_documented_answers() -> None:
    answer = await ask(body(params={"stream": "uid", "ttl": 3600, "live": True}))
    assert answer.status == 200
    assert ("Content-Type", "application/json") in answer.fields
    token = jwt.verify(json.loads(answer.body), "demo", Keyring([KEY]))
    assert isinstance(token, Token)
    assert token.warrant.rights == Rights(live=True)
    assert token.expires_at == NOW + 3600
    assert (await ask(body("Auth.Nothing"))).body == (
        b'{"error": {"code": -32601, "message": "Method not found"}}'
    )
    assert (await ask(body("Auth.Nothing"))).status == 400


async def test_by_position() -> None:
    seen: Seen = []
    await ask(body(params=["cam1", 60, True, False, True, 5, 6]), seen=seen)
    await ask(body(params={"stream": "cam1"}), seen=seen)
    assert seen == [
        {"stream": "cam1", "ttl": 60, "live": True, "dvr": False, "copy": True, "from": 5, "to": 6},
        {"stream": "cam1", "ttl": 3600, "live": False, "dvr": False, "copy": False, "from": 0, "to": 0},
    ]
    assert await fault(body(params=["cam1", "60"])) == (-32602, "ttl: expected whole seconds from 0")
    assert await fault(body(params=["cam1"] * 8)) == (-32602, "params: expected at most 7 values, got 8")
    assert await fault(body(params=["cam1", 60, 1, 0])) == (
        -32602,
        "live: expected true or false; dvr: expected true or false",
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (None, "stream: required"),
        ({}, "stream: required"),
        ([], "stream: required"),
        (
            {"stream": "c", "Live": True},
            "'Live': there is no such parameter; known are: stream, ttl, live, dvr, copy, from, to",
        ),
        ({"stream": "c", "ttl": -1}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "ttl": 60.0}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "ttl": 1.5}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "ttl": "60"}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "ttl": True}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "ttl": None}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "ttl": 86401}, "ttl: expected whole seconds, at most 86400"),
        ({"stream": "c", "ttl": 2**63}, "ttl: expected whole seconds, at most 86400"),
        ({"stream": "c", "ttl": -(2**63) - 1}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "ttl": 10**40}, "ttl: expected whole seconds from 0"),
        ({"stream": "c", "from": 2**63}, "from: expected whole Unix seconds, at most 253402300799"),
        ({"stream": "c", "to": "1"}, "to: expected whole Unix seconds from 0"),
        ({"stream": "c", "from": 6, "to": 5}, "to: expected a time that is not before from, or 0"),
        ({"stream": "c", "dvr": 1}, "dvr: expected true or false"),
        ({"stream": "c", "copy": "true"}, "copy: expected true or false"),
        ({"stream": 5, "ttl": "x"}, None),
        ({"stream": "../x"}, None),
        ({"stream": "a%2Fb"}, None),
        ({"stream": "x" * 2**20}, None),
    ],
)
async def test_a_wrong_parameter_is_named(params: object, message: str | None) -> None:
    seen: Seen = []
    code, told = await fault(body(params=params), seen=seen)
    assert code == -32602
    if message is None:
        assert told.startswith("stream: expected 1 to 255 of the characters")
        assert len(told) < 200
    else:
        assert told == message
    assert not seen


NOT_JSON = {
    "nothing": b"",
    "a form": b"stream=cam1",
    "cut off": body()[:-1],
    "two of them": body() + body(),
    "a member twice": b'{"jsonrpc":"2.0","method":"x","method":"y","id":1}',
    "a parameter twice": b'{"jsonrpc":"2.0","method":"x","params":{"ttl":1,"ttl":2},"id":1}',
    "a byte that is not UTF-8": b'{"jsonrpc":"2.0","method":"\xff","id":1}',
    "half of a pair": rb'{"jsonrpc":"2.0","method":"\ud800","id":1}',
    "UTF-16": body().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + body(),
    "NaN": b'{"jsonrpc":"2.0","method":"x","params":[NaN],"id":1}',
    "Infinity": b'{"jsonrpc":"2.0","method":"x","params":[-Infinity],"id":1}',
    "deep": b'{"jsonrpc":"2.0","method":"x","params":' + b"[" * 40 + b"]" * 40 + b',"id":1}',
    "a well": b"[" * 10**5,
    "a batch that is cut off": b"[" + body() + b",",
}


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_not_json(raw: bytes) -> None:
    assert await fault(raw) == (
        -32700,
        "Parse error: expected JSON in UTF-8 with every key once, nested at most 32 deep",
    )
    answer = await ask(raw, envelope=True)
    assert answer.status == 400
    assert json.loads(answer.body)["id"] is None


NO_CALL = {
    b"1": "expected a call or a batch",
    b'"x"': "expected a call or a batch",
    b"null": "expected a call or a batch",
    b"{}": 'jsonrpc: expected "2.0"',
    body(jsonrpc="1.0"): 'jsonrpc: expected "2.0"',
    body(jsonrpc=2.0): 'jsonrpc: expected "2.0"',
    body(method=1): "method: expected text",
    body(method=None): "method: expected text",
    body(params="cam1"): "params: expected an object or an array",
    body(params=0): "params: expected an object or an array",
    b'{"jsonrpc":"2.0","method":"x","params":null,"id":1}': "params: expected an object or an array",
    body(id=1.0): "id: expected text, a whole number or null",
    body(id=True): "id: expected text, a whole number or null",
    body(id=False): "id: expected text, a whole number or null",
    body(id=[1]): "id: expected text, a whole number or null",
    body(id={}): "id: expected text, a whole number or null",
    body(id=10**30): "id: expected text, a whole number or null",
    body(param={}): "'param': there is no such member; known are: jsonrpc, method, params, id",
}


@pytest.mark.parametrize(("raw", "message"), NO_CALL.items())
async def test_what_is_no_call(raw: bytes, message: str) -> None:
    assert await fault(raw) == (-32600, f"Invalid Request: {message}")


@pytest.mark.parametrize("identity", ["a", "", "é\n", 0, 1, -5, 2**63, 2**64, None, "x" * 100])
async def test_an_id_comes_back_as_it_was(identity: object) -> None:
    answer = await ask(body(params=["cam1"], id=identity), envelope=True)
    document = json.loads(answer.body)
    assert document.keys() == {"jsonrpc", "result", "id"}
    assert (document["jsonrpc"], document["id"]) == ("2.0", identity)
    assert type(document["id"]) is type(identity)
    for refused in (body(params=[], id=identity), body(method=5, id=identity)):
        document = json.loads((await ask(refused, envelope=True)).body)
        assert document.keys() == {"jsonrpc", "error", "id"}
        assert document["id"] == identity


async def test_an_envelope_is_given_where_it_is_asked_for() -> None:
    answer = await ask(body(params=["cam1"]), "application/json-rpc")
    assert answer.status == 200
    assert ("Content-Type", "application/json-rpc") in answer.fields
    assert json.loads(answer.body)["id"] == 1
    answer = await ask(body("No"), "application/json-rpc")
    assert answer.status == 400
    document = {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": 1}
    assert json.loads(answer.body) == document
    answer = await ask(body("No"), envelope=True)
    assert json.loads(answer.body) == document
    assert ("Content-Type", "application/json") in answer.fields


@pytest.mark.parametrize(
    ("accept", "asks"),
    [
        ([], False),
        (["*/*"], False),
        (["application/*"], False),
        (["application/json"], False),
        (["application/json-rpc"], True),
        (["Application/JSON-RPC ; q=0.5"], True),
        (["application/json, application/json-rpc;q=0.1"], True),
        (["application/json", "application/json-rpc"], True),
        (["application/json-rpc;q=0"], False),
        (["application/json-rpc; q=0.000, */*"], False),
        (["application/json-rpcx"], False),
        (["", ";", ",,"], False),
    ],
)
def test_accept(accept: list[str], asks: bool) -> None:
    assert asks_envelope(accept) is asks


async def test_a_notification_is_done_and_not_answered() -> None:
    seen: Seen = []
    silent = {"jsonrpc": "2.0", "method": TOKEN, "params": ["cam1"]}
    for envelope in (False, True):
        answer = await ask(json.dumps(silent).encode(), seen=seen, envelope=envelope)
        assert (answer.status, answer.body) == (204, b"")
    assert len(seen) == 2
    for params in ([], ["/"], ["away"]):
        for method in (TOKEN, "Test.Sort", "No"):
            answer = await ask(json.dumps({**silent, "method": method, "params": params}).encode())
            assert answer.status == 204
    # One that is malformed is none.
    assert (await ask(b'{"jsonrpc":"2.0","method":5}')).status == 400


def batch(*bodies: bytes) -> bytes:
    return b"[" + b",".join(bodies) + b"]"


async def test_a_batch_is_done_in_its_order() -> None:
    seen: Seen = []
    answer = await ask(
        batch(
            body("Test.Sort", ["first"], id="a"),
            body("Test.Sort", ["away"], id="b"),
            b"5",
            b'{"jsonrpc":"2.0","method":"Test.Sort","params":["second"]}',
            body("No", id="c"),
            b'{"jsonrpc":"2.0","method":"x","params":"bar","id":"d"}',
            body("Test.Sort", {"hwo": 1}, id="e"),
            body("Test.Sort", ["null"], id=None),
            body("Test.Sort", ["third"], id="f"),
        ),
        seen=seen,
    )
    assert answer.status == 200
    assert seen == ["first", "second", "third"]
    document = json.loads(answer.body)
    assert all(reply["jsonrpc"] == "2.0" for reply in document)
    assert [(reply["id"], reply.get("error", {}).get("code")) for reply in document] == [
        ("a", None),
        ("b", -32000),
        (None, -32600),
        ("c", -32601),
        ("d", -32600),
        ("e", -32602),
        (None, None),
        ("f", None),
    ]
    assert document[0]["result"] == {"how": "first"}
    assert document[6]["result"] is None


async def test_a_batch_of_one_is_answered_as_a_batch() -> None:
    (reply,) = json.loads((await ask(batch(body("No")))).body)
    assert reply["error"] == {"code": -32601, "message": "Method not found"}


async def test_a_batch_of_notifications_is_not_answered() -> None:
    seen: Seen = []
    silent = b'{"jsonrpc":"2.0","method":"Test.Sort","params":["x"]}'
    assert (await ask(batch(silent, silent), seen=seen)).status == 204
    assert seen == ["x", "x"]


async def test_a_batch_has_bounds() -> None:
    seen: Seen = []
    call = body("Test.Sort", ["x"])
    assert len(json.loads((await ask(batch(*[call] * MOST_CALLS), seen=seen)).body)) == MOST_CALLS
    del seen[:]
    for raw, problem in (
        (batch(), "the batch is empty"),
        (batch(*[call] * (MOST_CALLS + 1)), "expected at most 100 calls, got 101"),
        (batch(*[b"1"] * 100_000), "expected at most 100 calls, got 100000"),
    ):
        answer = await ask(raw, seen=seen)
        assert answer.status == 400
        assert json.loads(answer.body) == {
            "jsonrpc": "2.0",
            "error": {"code": -32600, "message": f"Invalid Request: {problem}"},
            "id": None,
        }
    assert not seen


async def test_a_method_refuses() -> None:
    for how, message, data in (
        ("returned", "There is no room.", {"reason": "no_room"}),
        ("raised", "There is no room for cam1.", {"reason": "no_room", "stream": "cam1"}),
    ):
        answer = await ask(body("Test.Sort", [how]))
        assert answer.status == 400
        assert json.loads(answer.body) == {"error": {"code": -32010, "message": message, "data": data}}
    assert await fault(body("Test.Sort", ["usage"])) == (-32602, "until: that time is past")


@pytest.mark.parametrize("envelope", [False, True])
@pytest.mark.parametrize(("how", "reason"), [("away", "store_unavailable"), ("wrong", "store_error")])
async def test_the_store_in_trouble_is_no_mistake_of_the_client(how: str, reason: str, envelope: bool) -> None:
    answer = await ask(body("Test.Sort", [how]), envelope=envelope)
    assert answer.status == 503
    assert ("Retry-After", "2") in answer.fields
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["data"]) == (-32000, {"reason": reason})
    assert "the store" in error["message"]


async def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(LookupError):
        await ask(body("Test.Sort", ["bug"]))


async def test_a_credential_in_the_wrong_place_is_not_repeated() -> None:
    token = jwt.sign({"jti": "t"}, KEY)
    for raw in (body(params={token: 1}), body(**{token: 1})):
        _, message = await fault(raw)
        assert token[:20] not in message
    identity = "x" * 100
    assert json.loads((await ask(body("No", id=identity), envelope=True)).body)["id"] == identity


def test_what_a_body_asks_for() -> None:
    assert read_call(body(params=["a"])) == Single(Invocation(TOKEN, ["a"], 1))
    assert read_call(b'{"jsonrpc":"2.0","method":"m"}') == Single(Invocation("m", {}, None, silent=True))
    assert read_call(b'{"jsonrpc":"2.0","method":"m","id":null}') == Single(Invocation("m", {}))
    read = read_call(b" [" + body() + b", 5]\n")
    assert isinstance(read, Batch)
    assert read.entries[0] == Invocation(TOKEN, {}, 1)
    assert isinstance(read.entries[1], Refused)


def test_a_parameter_that_is_not_the_methods_is_taken_off() -> None:
    call = Invocation("m", {"token": "secret", "stream": "a"}, 1)
    assert call.without("token") == ("secret", Invocation("m", {"stream": "a"}, 1))
    assert call.without("ttl") == (None, call)
    assert Invocation("m", ["a"]).without("token") == (None, Invocation("m", ["a"]))


def test_no_two_methods_have_one_name() -> None:
    for methods in ([Method("m", "M.", mint)] * 2, [Method("rpc.discover", "M.", mint)]):
        with pytest.raises(ValueError, match="two methods have one name"):
            Rpc(methods, title="x", version="1")


async def test_the_methods_are_described() -> None:
    answer = await ask(body("Rpc.Describe"))
    document = json.loads(answer.body)
    assert document == RPC.document == json.loads((await ask(body("rpc.discover", []))).body)
    assert document.keys() == {"openrpc", "info", "methods"}
    assert document["info"] == {"title": "gate", "version": "1.2"}
    methods = {method["name"]: method for method in document["methods"]}
    assert [*methods] == ["Auth.CreateAccessToken", "Rpc.Describe", "Test.Sort", "rpc.discover"]
    seen: Seen = []
    defaults = {param["name"]: param["schema"].get("default", "cam1") for param in methods[TOKEN]["params"]}
    await ask(body(params=defaults), seen=seen)
    await ask(body(params=["cam1"]), seen=seen)
    assert seen[0] == seen[1] == defaults
    assert await fault(body("Rpc.Describe", {"x": 1})) == (
        -32602,
        "'x': there is no such parameter; there are none",
    )


def check_answer(answer: Answer, envelope: bool) -> None:
    """What JSON-RPC and HTTP ask of any answer."""
    if answer.status == 204:
        assert not answer.body
        return
    document = json.loads(answer.body)
    assert answer.status in {200, 400, 503}
    if answer.status == 200 and not envelope and not isinstance(document, list):
        return
    replies = document if answer.status == 200 and isinstance(document, list) else [document]
    assert replies
    for reply in replies:
        if "jsonrpc" in reply or envelope or answer.status == 200:
            assert reply.keys() in ({"jsonrpc", "result", "id"}, {"jsonrpc", "error", "id"})
            assert reply["jsonrpc"] == "2.0"
            assert reply["id"] is None or type(reply["id"]) in (str, int)
        else:
            assert reply.keys() == {"error"}
        if "error" in reply:
            assert {"code", "message"} <= reply["error"].keys() <= {"code", "message", "data"}
            assert reply["error"]["code"] in {*Code, FULL.code}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
METHODS = st.sampled_from([TOKEN, "Test.Sort", "Rpc.Describe", "No"])
PARAMS = (
    st.fixed_dictionaries({"stream": st.just("cam1") | JSON}, optional={"ttl": JSON, "from": JSON, "x": JSON})
    | st.fixed_dictionaries({"how": st.sampled_from(["raised", "away", "usage", "null", "x"])})
    | st.lists(JSON, max_size=9)
    | JSON
)
CALLS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": METHODS | JSON},
    optional={"params": PARAMS, "id": st.integers() | st.text() | JSON, "more": JSON},
)
NEAR = (CALLS | st.lists(CALLS | JSON, max_size=4) | JSON).map(
    lambda value: json.dumps(value).encode("utf-8", "replace")
)


@given(st.binary(max_size=300) | NEAR, st.booleans())
async def test_any_bytes_have_a_well_formed_answer(raw: bytes, envelope: bool) -> None:
    check_answer(await ask(raw, envelope=envelope), envelope)


@given(CALLS.map(json.dumps), st.integers(0, 400), st.binary(max_size=3))
async def test_so_has_a_call_that_was_damaged(text: str, at: int, put: bytes) -> None:
    raw = text.encode()
    check_answer(await ask(raw[:at] + put + raw[at + 1 :]), False)
