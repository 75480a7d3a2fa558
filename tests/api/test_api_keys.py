"""API keys over the admin API of running gates: made, listed, disabled, deleted; and why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.store import api_keys as room
from gate.store.client import Client
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import API_KEYS

SECRET = "0123456789abcdef" * 4
KEYS = "/v1/applications/rooms/keys"


@pytest.fixture
def policy() -> Callable[..., dict[str, Any]]:
    """Applications: one of VideoSDK's with a key of the policy's, one without key_secrets, and a plain one."""

    def make(**section: Any) -> dict[str, Any]:
        one = {"keys": [{"key": "AK", "secret": SECRET}], "key_secrets": ["a secret of some length"], **section}
        fixed = {"keys": [{"key": "FK", "secret": SECRET}]}
        return {
            "applications": {
                "rooms": {"formats": ["videosdk"], "videosdk": one},
                "fixed": {"formats": ["videosdk"], "videosdk": fixed},
                "demo": {"keys": [{"kid": "k1", "secret": SECRET}]},
            },
            "streams": [{"match": "/{resource}/**", "application": "demo", "layout": "object"}],
        }

    return make


@pytest.fixture
async def gate(start_gate: Any, media: Any, policy: Callable[..., dict[str, Any]]) -> Any:
    return await start_gate(media[0], **policy())


@pytest.fixture
def call(gate: Any, ask_admin: Any) -> Any:
    """Asks the gate's admin API; status and JSON."""

    async def call(method: str, target: str = KEYS, body: Any = None) -> tuple[int, Any]:
        answer: tuple[int, Any] = await ask_admin(gate, method, target, body)
        return answer

    return call


async def test_a_key_is_made_with_its_secret_told_once(call: Any, store_url: str) -> None:
    status, made = await call("POST")
    assert status == 201
    secret = made.pop("secret")
    assert len(secret) == 64
    assert len(made["key"]) == 36
    assert made == {
        "key": made["key"],
        "application": "rooms",
        "enabled": True,
        "from": "store",
        "known": True,
        "made_at": made["made_at"],
        "changed_at": made["made_at"],
    }
    status, listed = await call("GET")
    assert (status, listed["cursor"]) == (200, None)
    own = {"key": "AK", "application": "rooms", "enabled": True, "from": "policy", "known": True}
    assert listed["keys"] == sorted(
        [made, {**own, "made_at": None, "changed_at": None}], key=lambda key: str(key["key"])
    )
    assert secret not in json.dumps(listed)
    client = Client(store_url, timeout_s=5)
    kept = str(await client.call("HGETALL", API_KEYS))
    await client.close()
    assert made["key"] in kept
    assert secret not in kept


async def test_no_two_are_the_same(call: Any) -> None:
    made = [(await call("POST", body={}))[1] for _ in range(3)]
    assert len({key["key"] for key in made}) == len({key["secret"] for key in made}) == 3


async def test_it_is_disabled_enabled_and_deleted(call: Any) -> None:
    _, made = await call("POST")
    one = f"{KEYS}/{made['key']}"
    for enabled in (False, True):
        status, key = await call("PATCH", one, {"enabled": enabled})
        assert (status, key["enabled"], key["made_at"]) == (200, enabled, made["made_at"])
        assert "secret" not in key
        listed = (await call("GET"))[1]["keys"]
        assert key in listed
    told = {"key": made["key"], "application": "rooms", "deleted": True}
    assert await call("DELETE", one) == (200, told)
    for method, body in (("DELETE", None), ("PATCH", {"enabled": True})):
        status, told = await call(method, one, body)
        assert (status, told["reason"]) == (404, "not_found")
        assert told["detail"] == f"the application rooms has no API key {made['key']}"
    assert [key["key"] for key in (await call("GET"))[1]["keys"]] == ["AK"]


async def test_they_come_in_pages(call: Any) -> None:
    made = {(await call("POST"))[1]["key"] for _ in range(5)} | {"AK"}
    found, cursor = [], ""
    while True:
        status, page = await call("GET", f"{KEYS}?limit=2{cursor}")
        assert status == 200
        assert len(page["keys"]) == 2
        found += [key["key"] for key in page["keys"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert found == sorted(made)


async def test_an_application_has_its_own(call: Any) -> None:
    _, made = await call("POST")
    other = "/v1/applications/fixed/keys"
    assert [key["key"] for key in (await call("GET", other))[1]["keys"]] == ["FK"]
    for method, body in (("DELETE", None), ("PATCH", {"enabled": False})):
        assert (await call(method, f"{other}/{made['key']}", body))[0] == 404
    assert made["key"] in {key["key"] for key in (await call("GET"))[1]["keys"]}


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "reason", "detail"),
    [
        (
            "POST",
            "/v1/applications/nobody/keys",
            None,
            404,
            "not_found",
            "there is no application nobody; known are: demo, fixed, rooms",
        ),
        (
            "GET",
            "/v1/applications/demo/keys",
            None,
            409,
            "no_api_keys",
            "the application demo is none of VideoSDK's, and has no API keys",
        ),
        (
            "POST",
            "/v1/applications/fixed/keys",
            None,
            409,
            "no_key_secrets",
            "the policy names no key_secrets for the application fixed: nothing seals a secret",
        ),
        (
            "PATCH",
            f"{KEYS}/AK",
            {"enabled": False},
            409,
            "policy_key",
            "the API key AK is the policy's: change it there",
        ),
        ("DELETE", f"{KEYS}/AK", None, 409, "policy_key", "the API key AK is the policy's: change it there"),
        ("DELETE", f"{KEYS}/demo/AK", None, 404, "not_found", "there is no such path"),
        ("DELETE", f"{KEYS}/-a", None, 404, "not_found", "the application rooms has no API key -a"),
        ("DELETE", f"{KEYS}/", None, 404, "not_found", "there is no such path"),
        ("PATCH", f"{KEYS}/other", {}, 400, "malformed_request", "enabled: expected true or false"),
        ("PATCH", f"{KEYS}/other", {"enabled": 1}, 400, "malformed_request", "enabled: expected true or false"),
        ("PATCH", f"{KEYS}/other", {"secret": "x"}, 400, "malformed_request", "there is no field 'secret'"),
        ("POST", KEYS, {"secret": "x"}, 400, "malformed_request", "there is no field 'secret'"),
        ("GET", f"{KEYS}?limit=0", None, 400, "malformed_request", "limit: expected a number from 1 to 1000"),
        ("GET", f"{KEYS}?application=rooms", None, 400, "malformed_request", "there is no parameter"),
    ],
)
async def test_what_is_not_possible(
    call: Any, method: str, target: str, body: Any, status: int, reason: str, detail: str
) -> None:
    got, told = await call(method, target, body)
    assert (got, told["reason"]) == (status, reason)
    assert told["detail"].startswith(detail)


async def test_there_is_a_most_of_them(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_API_KEYS", 1)
    assert (await call("POST"))[0] == 201
    status, told = await call("POST")
    assert (status, told["reason"]) == (409, "too_many_keys")


async def test_without_its_store_it_says_so(
    start_gate: Any, media: Any, ask_admin: Any, tmp_path: Path, policy: Callable[..., dict[str, Any]]
) -> None:
    async with EmbeddedValkey(tmp_path / "own") as store:
        gate = await start_gate(media[0], store=store.url, **policy())
    for method, target, body in (
        ("POST", KEYS, None),
        ("GET", KEYS, None),
        ("PATCH", f"{KEYS}/k", {"enabled": True}),
        ("DELETE", f"{KEYS}/k", None),
    ):
        status, told = await ask_admin(gate, method, target, body)
        assert (status, told["reason"]) == (503, "store_unavailable"), method


async def test_a_key_that_another_secret_sealed_is_not_known(
    start_gate: Any, media: Any, ask_admin: Any, policy: Callable[..., dict[str, Any]]
) -> None:
    one = await start_gate(media[0], **policy())
    other = await start_gate(media[0], **policy(key_secrets=["another secret of some length"]))
    _, made = await ask_admin(one, "POST", KEYS)
    _, listed = await ask_admin(other, "GET", KEYS)
    assert {key["key"]: key["known"] for key in listed["keys"]} == {"AK": True, made["key"]: False}
    # It can be deleted all the same.
    assert (await ask_admin(other, "DELETE", f"{KEYS}/{made['key']}"))[0] == 200
