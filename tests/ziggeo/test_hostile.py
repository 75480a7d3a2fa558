"""Nonsense and malice: a 4xx that says why, nothing half done, and nobody else is the worse for it."""

from __future__ import annotations

import base64
import io
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from gate.store.client import Client

ALL = {"all": True}
READ = {"read": ALL}
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BAD_NUMBERS = [
    -1,
    1.5,
    1e9,
    10**12,
    10**30,
    True,
    [1],
    {},
    "-1",
    "1.5",
    "1e3",
    "0x10",
    " 1",
    "01",
    "",
    "１",
    "∞",
]
BAD_GRANTS: list[Any] = [
    *(1, True, "read", "{'read': {'all': True}}", "[1]", [1], {"write": ALL}, {"read": True}, {"read": "some"}),
    *({"read": {"any": True}}, {"read": {"all": "yes"}}, {"read": {"resources": "one"}}, {"read": [ALL]}),
    *({"read": {"resources": [resource]}} for resource in (1, None, "", "x" * 513, ["one"])),
    {"read": {"resources": ["x"] * 10_001}},
]


@pytest.fixture
async def count_tokens(store_url: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """How many server-side tokens there are in the store."""
    client = Client(store_url, timeout_s=5)

    async def count() -> int:
        return len(await client.call("KEYS", "gate:{*}:k:*"))

    yield count
    await client.close()


def check_refused(got: Any, *statuses: int) -> None:
    """The answer is a client's mistake, and says so wherever an SDK would look."""
    assert 400 <= got.status < 500, got.body
    assert not statuses or got.status in statuses, got.body
    assert got.reason
    assert got.phrase
    assert got.phrase.isascii()
    said = json.loads(got.body.decode("ascii"))
    assert (said["error"], said["code"], said["msg"]) == (True, got.status, got.phrase)


async def test_who_has_no_key_changes_nothing(shop: Any, count_tokens: Any) -> None:
    token = await shop.create(grants=READ)
    wrong = {
        "another's": f"{shop.other_app}:not {shop.private}",
        "another's for ours": f"{shop.app}:not {shop.private}",
        "no password": f"{shop.app}:",
        "no colon": shop.app,
        "the encryption key": f"{shop.app}:{shop.encryption}",
        "not ASCII": f"{shop.app}:\u20ac",
    }
    for name, credentials in wrong.items():
        fields = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
        for method, path in (("POST", ""), ("GET", token), ("POST", token), ("DELETE", token)):
            if name == "another's" and not path:
                continue
            got = await shop.call(method, path, {"grants": {}} if method == "POST" else None, **fields)
            check_refused(got, 404 if name == "another's" else 401)
    for field in ("", "Basic", "Basic x", "Basic !!!!", "Bearer " + token, "Basic " + "A" * 5000):
        check_refused(await shop.call("DELETE", token, Authorization=field), 401)
    assert await count_tokens() == 1
    assert (await shop.call("GET", token)).json["grants"] == READ


async def test_what_makes_no_sense_makes_no_token(shop: Any, count_tokens: Any) -> None:
    kept = await shop.create(grants=READ, session_limit=3)
    before = (await shop.call("GET", kept)).json
    numbers = ("session_limit", "usage_expiration_time", "expiration_date")
    wrong = [
        json.dumps({name: value}) for name, value in itertools.product(numbers, BAD_NUMBERS) if value != 10**12
    ]
    wrong += [json.dumps({"grants": grants}) for grants in BAD_GRANTS]
    wrong += [json.dumps({flag: value}) for flag in ("hidden", "volatile") for value in (2, "yes", [], 0.5)]
    wrong += [json.dumps({name: value}) for name, value in (("unknown", 1), ("token", "x"), ("nonce", "x"))]
    wrong += [
        "[]",
        "null",
        '{"hidden": true',
        '{"hidden": true, "hidden": false}',
        '{"session_limit": NaN}',
        "{} {}",
    ]
    wrong += [
        '{"grants": ' * 50 + "{}" + "}" * 50,
        "[" * 9000,
        '{"grants": {"read": {"resources": ["\\ud800"]}}}',
    ]
    sent: list[tuple[str, str | bytes]] = [(JSON, each) for each in wrong]
    sent += [
        (FORM, "grants={'read': {'all': True}}"),
        (FORM, "session_limit=1&session_limit=2"),
        (FORM, "grants[read][all]=true&grants=x"),
        (FORM, "grants[read=1"),
        (FORM, b"session_limit=\xff"),
        (FORM, "grants[read][resources][]=%00"),
        (FORM, "&".join(f"grants[read][resources][]={at}" for at in range(10_001))),
        (f"{FORM}; charset=utf-16", "session_limit=1"),
        ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=hidden\r\n\r\ntrue"),
        ("multipart/form-data", "--b--"),
        ("image/png", "x"),
    ]
    for kind, body in sent:
        for token in ("", kept):
            got = await shop.call("POST", token, body, **{"Content-Type": kind})
            check_refused(got, 400, 413, 415)
    assert await count_tokens() == 1
    assert (await shop.call("GET", kept)).json == before


async def test_a_body_of_a_megabyte_is_refused_and_costs_nobody_anything(shop: Any, count_tokens: Any) -> None:
    grants = {"read": {"resources": ["x" * 500] * 2100}}
    for body in (json.dumps({"grants": grants}).encode(), b"grants=" + b"x" * 2**20, b"[" * (2**20 + 1)):
        assert len(body) > 2**20
        for kind in (FORM, JSON, "multipart/form-data; boundary=x"):
            check_refused(await shop.call("POST", "", io.BytesIO(body), **{"Content-Type": kind}), 413)
    for body in (b"[" * 2**20, b"&" * 2**20, b"\r\n" * 2**19, b"grants[read][" * 80_000, b"%5B" * 349_000):
        for kind in (FORM, JSON, "multipart/form-data; boundary=x"):
            got = await shop.call("POST", "", io.BytesIO(body), **{"Content-Type": kind})
            # Nothing but separators is nothing, which every SDK may send.
            if (kind, body[:1]) != (FORM, b"&"):
                check_refused(got)
    assert await count_tokens() <= 1
    client = shop.write(grants=READ)
    got = await shop.ask(shop.file("v", client * 60))
    assert (got.status, got.reason) in {
        (401, "token_malformed"),
        (400, "malformed_target"),
    } or got.status == 414


async def test_names_of_tokens_are_names_or_there_is_no_such_token(shop: Any) -> None:
    strange = [
        "é",
        "%C3%A9",
        "%00",
        "..",
        "%2e%2e",
        "x" * 5000,
        "0" * 31,
        "0" * 33,
        "A" * 32,
        "a/b",
        "*",
        "%2F",
        "+",
    ]
    for name in strange:
        for method in ("GET", "POST", "DELETE"):
            got = await shop.call(method, quote(name, safe="%/.*+"))
            assert 400 <= got.status < 500, name
            assert got.reason
    for query in ("?_method=PUT", "?_method=DELETE&_method=GET", "?x=1", "?_method=DELETE&a=b"):
        check_refused(await shop.call("POST", query), 400)
    check_refused(await shop.call("PUT", "0" * 32), 405)
    check_refused(await shop.call("GET", ""), 405)


async def test_ten_thousand_resources_are_read_one_by_one(shop: Any, seen: Any) -> None:
    video = await shop.add()
    names = [*(secrets.token_hex(16) for _ in range(9_999)), video]
    token = await shop.create(grants={"read": {"resources": names}})
    hidden = await shop.create(grants={"read": {"resources": names}}, hidden=True)
    referring = shop.write(token=hidden, grants=READ)
    page = await shop.page()
    assert len((await shop.call("GET", token)).json["grants"]["read"]["resources"]) == 10_000
    for each in (token, referring):
        link = await shop.link(shop.file(video, each), str(len(each)))
        assert len(link) < 1000
        for target in (shop.file(video, each, page), link, link):
            assert (await shop.ask_as("any", target)).body == shop.clip, target
        stranger = await shop.add()
        for target in (shop.file(stranger, each, page), link.replace(video, stranger)):
            assert (await shop.ask(target)).said == (403, "resource_not_granted")
    # One more than may be.
    got = await shop.call("POST", "", {"grants": {"read": {"resources": [*names, "x"]}}})
    check_refused(got, 400)
