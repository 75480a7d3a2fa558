"""The vendor's SDKs for servers, unmodified: the tokens that they make open what they grant, and no more."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from tests.sdk.conftest import Asked, Sdk, Shop, StartSdk

pytestmark = pytest.mark.sdk

OWN = {"session_owned": True}


@pytest_asyncio.fixture
async def sdk(shop: Shop, start_sdk: StartSdk) -> Sdk:
    return await start_sdk(shop.gate)


def read(*videos: str) -> dict[str, Any]:
    """The grants of who may watch these."""
    return {"read": {"resources": list(videos)}}


class TestServerSide:
    async def test_from_its_making_to_its_end(self, shop: Shop, sdk: Sdk) -> None:
        one, other = shop.videos
        made = await sdk.call("create", {"grants": sdk.written(read(one)), "session_limit": 9})
        assert made == {
            "token": made["token"],
            "nonce": None,
            "grants": read(one),
            "session_limit": 9,
            "usage_expiration_time": None,
            "expiration_date": None,
            "volatile": False,
            "hidden": False,
        }
        assert await sdk.call("get", made["token"]) == made
        parameter, page = f"server_auth={made['token']}", await shop.visit()
        assert await shop.watches(parameter, page, one) == 200
        assert await shop.watches(parameter, page, other) == "resource_not_granted"
        for method, path in (("POST", ""), ("POST", f"/{one}"), ("DELETE", f"/{one}")):
            assert (await shop.does(parameter, page, method, path)).reason == "action_not_granted"
        # What is changed holds at once, in the page that was open before too; what is not sent stays.
        changed = await sdk.call("update", made["token"], {"grants": sdk.written(read(other))})
        assert changed == {**made, "grants": read(other)}
        assert await sdk.call("get", made["token"]) == changed
        for each in (page, await shop.visit()):
            assert await shop.watches(parameter, each, one) == "resource_not_granted"
            assert await shop.watches(parameter, each, other) == 200
        # The SDKs give the text of the answer here, and no more is made of it.
        assert made["token"] in await sdk.call("delete", made["token"])
        for each in (page, await shop.visit()):
            assert await shop.watches(parameter, each, other) in ("token_malformed", "revoked")

    @pytest.mark.parametrize("spelled", ["object", "JSON text", "short"])
    async def test_grants_as_the_vendors_demos_write_them(self, shop: Shop, sdk: Sdk, spelled: str) -> None:
        grants: Any = {"read": "all"} if spelled == "short" else {"read": {"all": True}, "create": OWN}
        if spelled != "object" or sdk.language == "python":
            grants = json.dumps(grants)
        made = await sdk.call("create", {"grants": grants, "session_limit": 10, "volatile": True})
        assert made["grants"]["read"] == {"all": True}
        assert made["volatile"] is True
        page = await shop.visit()
        for video in shop.videos:
            assert await shop.watches(f"server_auth={made['token']}", page, video) == 200
        created = await shop.does(f"server_auth={made['token']}", page, "POST", data=shop.uploaded())
        assert created.status == (403 if spelled == "short" else 201)

    async def test_nothing_given_is_a_token_that_grants_nothing(self, shop: Shop, sdk: Sdk) -> None:
        made = await sdk.call("create")
        assert made["grants"] == {}
        parameter = f"server_auth={made['token']}"
        assert await shop.watches(parameter, await shop.visit(), shop.videos[0]) == "action_not_granted"

    async def test_volatile_ones_that_grant_nothing_go_away(self, shop: Shop, sdk: Sdk) -> None:
        tokens = [(await sdk.call("create", {"volatile": volatile}))["token"] for volatile in (True, False)]
        await asyncio.sleep(1.2)  # the policy's grace, a second
        assert await sdk.refusal("get", tokens[0]) == (404, "There is no such token")
        assert (await sdk.call("get", tokens[1]))["volatile"] is False

    async def test_a_hidden_one_opens_nothing_by_itself_and_what_refers_to_it_does(
        self, shop: Shop, sdk: Sdk
    ) -> None:
        grants = sdk.written(read(shop.videos[0]))
        hidden = (await sdk.call("create", {"grants": grants, "hidden": True}))["token"]
        # A reference is not taken where it stands first: there it could be bent.
        refers = await sdk.call("generate", {"grants": {"read": {"all": True}}, "token": hidden})
        page = await shop.visit()
        assert await shop.watches(f"server_auth={hidden}", page, shop.videos[0]) == "token_hidden"
        assert await shop.watches(f"client_auth={refers}", page, shop.videos[0]) == 200
        assert await shop.watches(f"client_auth={refers}", page, shop.videos[1]) == "resource_not_granted"


@pytest.fixture(params=["create", "generate"])
def make(request: pytest.FixtureRequest, sdk: Sdk) -> Callable[..., Awaitable[str]]:
    """Makes a token in either of the two ways: gives the parameter that carries it."""

    async def make(**arguments: Any) -> str:
        if request.param == "generate":
            return f"client_auth={await sdk.call('generate', arguments)}"
        if "grants" in arguments:
            arguments["grants"] = sdk.written(arguments["grants"])
        return f"server_auth={(await sdk.call('create', arguments))['token']}"

    return make


Make = Callable[..., Awaitable[str]]


class TestLimits:
    async def test_session_limit(self, shop: Shop, make: Make) -> None:
        parameter = await make(grants=read(*shop.videos), session_limit=1)
        page = await shop.visit()
        for _ in range(10):
            for video in shop.videos:
                assert await shop.watches(parameter, page, video) == 200
        assert await shop.watches(parameter, await shop.visit(), shop.videos[0]) == "session_limit"
        assert await shop.watches(parameter, page, shop.videos[0]) == 200

    @pytest.mark.timed
    async def test_usage_expiration_time(self, shop: Shop, make: Make) -> None:
        """It counts from the first use, in each page anew."""
        parameter = await make(grants=read(*shop.videos), usage_expiration_time=2)
        page = await shop.visit()
        assert await shop.watches(parameter, page, shop.videos[0]) == 200
        await asyncio.sleep(1)
        assert await shop.watches(parameter, page, shop.videos[0]) == 200
        await asyncio.sleep(1.2)
        assert await shop.watches(parameter, page, shop.videos[0]) == "session_expired"
        assert await shop.watches(parameter, await shop.visit(), shop.videos[0]) == 200

    @pytest.mark.timed
    async def test_expiration_date(self, shop: Shop, make: Make) -> None:
        ends_at = int(time.time()) + 2
        parameter = await make(grants=read(*shop.videos), expiration_date=ends_at)
        page = await shop.visit()
        assert await shop.watches(parameter, page, shop.videos[0]) == 200
        await asyncio.sleep(ends_at + 0.1 - time.time())
        for each in (page, await shop.visit()):
            assert await shop.watches(parameter, each, shop.videos[0]) == "token_expired"

    async def test_who_records_within_one_session_destroys_within_that_one_only(
        self, shop: Shop, make: Make
    ) -> None:
        """The vendor's own example of a token for a recorder."""
        parameter = await make(grants={"create": OWN, "destroy": OWN}, session_limit=1)
        page, later = await shop.visit(), await shop.visit()
        created = await shop.does(parameter, page, "POST", data=shop.uploaded())
        assert created.status == 201
        path = f"/{json.loads(created.body)['token']}"
        assert (await shop.does(parameter, page, "GET", path)).reason == "action_not_granted"
        assert (await shop.does(parameter, later, "DELETE", path)).reason == "resource_not_granted"
        assert (await shop.does(parameter, later, "POST")).reason == "session_limit"
        assert (
            await shop.does(parameter, page, "DELETE", f"/{shop.videos[0]}")
        ).reason == "resource_not_granted"
        assert (await shop.does(parameter, page, "DELETE", path)).status == 200


class TestClientSide:
    @pytest.mark.parametrize("spelled", ["object", "JSON text", "short"])
    async def test_grants_as_the_vendors_demos_write_them(
        self, shop: Shop, sdk: Sdk, asked: list[Asked], spelled: str
    ) -> None:
        grants: Any = {"read": "all"} if spelled == "short" else read(*shop.videos)
        if spelled != "object":
            grants = json.dumps(grants)
        asked.clear()
        token = await sdk.call("generate", {"grants": grants, "session_limit": 10, "volatile": True})
        assert asked == []
        page = await shop.visit()
        for video in shop.videos:
            assert await shop.watches(f"client_auth={token}", page, video) == 200

    async def test_names_beyond_ascii(self, shop: Shop, sdk: Sdk) -> None:
        """Python's SDK escapes them; Node's writes Latin-1, and bends what that has not."""
        token = await sdk.call("generate", {"grants": read("Übung", shop.videos[0])})
        assert await shop.watches(f"client_auth={token}", await shop.visit(), shop.videos[0]) == 200

    async def test_each_has_a_nonce_of_its_own(self, shop: Shop, sdk: Sdk) -> None:
        arguments = {"grants": read(shop.videos[0]), "session_limit": 1}
        for _ in range(3):
            token = await sdk.call("generate", arguments)
            assert await shop.watches(f"client_auth={token}", await shop.visit(), shop.videos[0]) == 200

    async def test_nothing_given_grants_nothing(self, shop: Shop, sdk: Sdk) -> None:
        parameter = f"client_auth={await sdk.call('generate', {})}"
        assert await shop.watches(parameter, await shop.visit(), shop.videos[0]) == "action_not_granted"

    async def test_another_application_makes_none_for_this_one(self, shop: Shop, start_sdk: StartSdk) -> None:
        other = await start_sdk(shop.gate, app="f" * 32)
        parameter = f"client_auth={await other.call('generate', {'grants': {'read': {'all': True}}})}"
        assert await shop.watches(parameter, await shop.visit(), shop.videos[0]) == "token_malformed"
