"""What the vendor's SDKs for servers show their users of refusals and outages, and how often they ask again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from gate.store.client import Client
from gate.store.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from tests.sdk.conftest import Asked, Sdk, Shop, StartSdk, StartShop

pytestmark = pytest.mark.sdk

UNKNOWN = "There is no such token"


@pytest_asyncio.fixture
async def sdk(shop: Shop, start_sdk: StartSdk) -> Sdk:
    return await start_sdk(shop.gate)


class TestRefusals:
    async def test_a_wrong_private_key(self, shop: Shop, start_sdk: StartSdk, asked: list[Asked]) -> None:
        sdk = await start_sdk(shop.gate, private_key="f" * 32)
        asked.clear()
        expected = (401, "The application token or private key is wrong")
        assert await sdk.refusal("create", {"session_limit": 1}) == expected
        assert await sdk.refusal("get", "0" * 32) == expected
        assert len(asked) == 2

    async def test_an_unknown_token(self, sdk: Sdk, asked: list[Asked]) -> None:
        asked.clear()
        for call in (("get",), ("update", {"session_limit": 1})):
            assert await sdk.refusal(call[0], "0" * 32, *call[1:]) == (404, UNKNOWN)
        # Of this one Python's gives the text, without having read it.
        gone = await sdk.end("delete", "0" * 32)
        assert json.loads(gone["result" if sdk.language == "python" else "body"])["msg"] == UNKNOWN
        assert len(asked) == 3

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (
                {"grants": "{'read': {'all': True}}"},
                "must be the JSON text of an object, as json.dumps writes it",
            ),
            ({"grants": '{"write": "all"}'}, "grants knows read, create, update and destroy"),
            ({"session_limit": -1}, "session_limit must be a whole number from 0 to 1000000000"),
            ({"session_limits": 1}, "arguments must be among"),
        ],
    )
    async def test_bad_arguments_are_told_in_one_sentence_and_make_nothing(
        self, sdk: Sdk, asked: list[Asked], store_url: str, arguments: dict[str, Any], text: str
    ) -> None:
        asked.clear()
        status, shown = await sdk.refusal("create", arguments)
        assert status == 400
        assert text in shown
        assert len(asked) == 1
        assert await tokens_in(store_url) == 0

    async def test_a_dictionary_that_is_no_json_to_python(self, shop: Shop, sdk: Sdk) -> None:
        """Node's SDK writes an object in brackets, Python's a dictionary as Python does, and is told."""
        arguments = {"grants": {"read": {"resources": shop.videos[:1]}}}
        if sdk.language == "python":
            status, shown = await sdk.refusal("create", arguments)
            assert (status, "json.dumps" in shown) == (400, True)
        else:
            assert (await sdk.call("create", arguments))["grants"] == arguments["grants"]

    async def test_calls_that_are_not_of_tokens_are_not_served_and_reach_no_origin(
        self, shop: Shop, sdk: Sdk
    ) -> None:
        """The servers' own calls for videos show the private key, which is for the vendor's servers alone."""
        got = await sdk.end("video", shop.videos[0])
        assert int(got["status"] if "status" in got else got["result"]["code"]) == 403
        assert [seen.raw_path for seen in shop.origin_seen()] == []


async def tokens_in(store_url: str) -> int:
    """How many server-side tokens the store has."""
    client = Client(store_url, timeout_s=5)
    try:
        return len(await client.call("KEYS", "gate:{*}:k:*"))
    finally:
        await client.close()


class TestRetries:
    @pytest_asyncio.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
        async with EmbeddedValkey(tmp_path / "own") as server:
            yield server

    async def test_after_five_failures_it_works_again_and_has_made_one_token(
        self, start_shop: StartShop, start_sdk: StartSdk, store: EmbeddedValkey, asked: list[Asked]
    ) -> None:
        shop = await start_shop(store=store.url)
        sdk = await start_sdk(shop.gate)
        arguments = {"grants": sdk.written({"read": {"resources": shop.videos[:1]}}), "session_limit": 3}
        asked.clear()
        await store.stop()
        assert await sdk.refusal("create", arguments) == (503, "The store of the gate does not answer now")
        assert [one.status for one in asked] == [503] * 5
        await store.start()
        made = await sdk.end("create", arguments)
        async with asyncio.timeout(20):
            while "token" not in made.get("result", ()):  # the gate tries the store again in a while
                made = await sdk.end("create", arguments)
        token = made["result"]["token"]
        assert await tokens_in(store.url) == 1
        assert await shop.watches(f"server_auth={token}", await shop.visit(), shop.videos[0]) == 200

    @pytest.mark.parametrize("language", ["node"])
    async def test_a_store_that_comes_back_meanwhile_is_not_noticed(
        self, start_shop: StartShop, start_sdk: StartSdk, store: EmbeddedValkey, asked: list[Asked]
    ) -> None:
        """The SDK for Node waits a second before it asks again; that for Python does not wait."""
        shop = await start_shop(store=store.url)
        sdk = await start_sdk(shop.gate)
        asked.clear()
        await store.stop()
        making = asyncio.create_task(sdk.call("create", {"session_limit": 3}))
        async with asyncio.timeout(20):
            while True:
                if asked and asked[0].status is not None:
                    break
                await asyncio.sleep(0.01)
        await store.start()
        assert (await making)["session_limit"] == 3
        assert [one.status for one in asked] in ([503, 200], [503, 503, 200])
        assert await tokens_in(store.url) == 1
