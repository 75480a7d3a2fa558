"""The API keys that workers verify with: several on one store, beside those of their policies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from gate.core.keys import Keyring
from gate.core.policy import ApiKey, Application, Policy, VideoSdk
from gate.core.sealed_secret import seal_secret
from gate.proxy.api_keys import KnownApiKeys
from gate.store.api_keys import ApiKeys, StoredKey
from gate.store.client import Client
from gate.store.control import Control
from gate.store.keys import API_KEYS

SEAL, OLD = b"s" * 32, b"o" * 32
SECRET = b"5" * 64
AK = ApiKey("AK", b"the policy's own secret, 32 bytes")


def policy(*sealing: bytes, **keys: ApiKey) -> Policy:
    """One application of VideoSDK's, `demo`, with these keys; another of theirs, and a plain one."""
    plain = Application("plain", Keyring([]))
    demo = Application("demo", Keyring([]), videosdk=VideoSdk(keys, sealing=sealing))
    other = Application("other", Keyring([]), videosdk=VideoSdk({}, sealing=(SEAL,)))
    return Policy((), {each.name: each for each in (plain, demo, other)})


class Worker:
    """A worker's keys, with the feed that they follow. `adopted` is what it was told, in order."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, timeout_s=5)
        self.store = ApiKeys(self.client)
        self.adopted: list[tuple[str, Mapping[str, ApiKey]]] = []
        self.known = KnownApiKeys(self.store, lambda name, keys: self.adopted.append((name, keys)))
        self.control = Control(
            self.client, url, lambda: None, on_api_keys=self.known.hear, on_missed=self.known.miss
        )

    async def stop(self) -> None:
        await self.known.stop()
        await self.control.stop()
        await self.client.close()

    async def put(
        self, key: str, *, secret: bytes = SECRET, application: str = "demo", seal: bytes = SEAL
    ) -> None:
        text = seal_secret([seal], application, key, secret, bytes(12))
        assert isinstance(await self.store.put(application, key, text), StoredKey)

    @property
    def keys(self) -> Mapping[str, ApiKey]:
        """What it was told last of `demo`."""
        return next((keys for name, keys in reversed(self.adopted) if name == "demo"), {})


StartWorker = Callable[..., Awaitable[Worker]]


@pytest_asyncio.fixture
async def start_worker(store_url: str) -> AsyncIterator[StartWorker]:
    async with AsyncExitStack() as stack:

        async def start(followed: Policy | None = None) -> Worker:
            worker = Worker(store_url)
            stack.push_async_callback(worker.stop)
            await worker.control.start()
            await worker.known.start()
            worker.known.follow(policy(SEAL) if followed is None else followed)
            return worker

        yield start


async def until(met: Callable[[], object], within_s: float = 20) -> float:
    """Seconds until it was met."""
    started = time.monotonic()
    while not met():
        assert time.monotonic() - started < within_s, "it did not come to be"
        await asyncio.sleep(0.002)
    return time.monotonic() - started


@pytest.mark.timed
async def test_each_sees_the_others_changes_within_a_second(start_worker: StartWorker) -> None:
    one, other = await start_worker(), await start_worker()
    for number, (teller, hearer) in enumerate(((one, other), (other, one))):
        key = f"k{number}"
        await teller.put(key)
        assert await until(lambda at=hearer, key=key: at.keys.get(key) == ApiKey(key, SECRET)) < 1
        for enabled in (False, True):
            await teller.store.set_enabled("demo", key, enabled)
            wanted = ApiKey(key, SECRET, enabled)
            assert await until(lambda at=hearer, key=key, wanted=wanted: at.keys.get(key) == wanted) < 1
        await teller.store.delete("demo", key)
        assert await until(lambda at=hearer, key=key: key not in at.keys) < 1


async def test_those_of_before_are_there_with_the_policy(start_worker: StartWorker) -> None:
    one = await start_worker()
    await one.put("k1")
    await one.put("k2", application="other")
    await one.put("k3", application="nobody")
    late = await start_worker()
    asked = policy(SEAL, AK=AK)
    joined = late.known.follow(asked)
    expected: dict[str, Any] = {"AK": AK, "k1": ApiKey("k1", SECRET)}
    demo, other = (joined.applications[name].videosdk for name in ("demo", "other"))
    assert demo is not None
    assert other is not None
    assert dict(demo.keys) == expected
    assert dict(other.keys) == {"k2": ApiKey("k2", SECRET)}
    assert joined.applications["plain"] == asked.applications["plain"]
    assert late.known.own["demo"].keys == {"AK": AK}
    assert late.adopted == []
    # Another policy has its own keys, and those of the store again.
    again = late.known.follow(policy(SEAL)).applications["demo"].videosdk
    assert again is not None
    assert dict(again.keys) == {"k1": ApiKey("k1", SECRET)}


async def test_of_one_id_the_policys_key_counts(start_worker: StartWorker) -> None:
    worker = await start_worker(policy(SEAL, AK=AK))
    await worker.put("AK")
    await worker.store.set_enabled("demo", "AK", False)
    await worker.put("k1")
    await worker.known.learn(["AK", "k1"])
    assert worker.keys == {"AK": AK, "k1": ApiKey("k1", SECRET)}


async def test_only_who_has_changed_is_told(start_worker: StartWorker) -> None:
    worker = await start_worker()
    await worker.put("k1", application="other")
    await worker.put("k2", application="nobody")
    await worker.known.learn(["k1", "k2"])
    assert {name for name, _ in worker.adopted} == {"other"}


async def test_sealing_keys_can_be_changed(start_worker: StartWorker) -> None:
    worker = await start_worker(policy(SEAL, OLD))
    await worker.put("old", seal=OLD)
    await worker.put("new")
    await worker.known.learn(["old", "new"])
    assert worker.keys.keys() == {"old", "new"}
    left = worker.known.follow(policy(SEAL)).applications["demo"].videosdk
    assert left is not None
    assert left.keys.keys() == {"new"}


async def test_what_cannot_be_read_is_no_key_and_said(
    start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "gate.keys")
    worker = await start_worker()
    await worker.put("sealed", seal=OLD)
    await worker.put("good")
    text = seal_secret([SEAL], "demo", "good", SECRET, bytes(12))
    await worker.store.put("demo", "moved", text)
    await worker.client.call("HSET", API_KEYS, "bad", "{")
    await worker.known.learn(["sealed", "good", "moved", "bad"])
    assert worker.keys.keys() == {"good"}
    assert {record.getMessage() for record in caplog.records} == {
        "the API key sealed of demo verifies nothing: none of the application's key_secrets unseals its secret",
        "the API key moved of demo verifies nothing: none of the application's key_secrets unseals its secret",
        "the API key bad verifies nothing: it is no JSON object",
    }
    assert worker.known.notes() == [
        "API keys that verify nothing, as their secrets cannot be read: moved, sealed, bad"
    ]
    # Said once, not with every change.
    caplog.clear()
    await worker.put("another")
    await worker.known.learn(["another"])
    assert not caplog.records
    for key in ("sealed", "moved", "bad"):
        await worker.store.delete("demo", key)
    await worker.known.learn(["sealed", "moved", "bad"])
    assert worker.known.notes() == []
    assert SECRET.decode() not in caplog.text


async def test_of_many_that_are_lost_some_are_named(start_worker: StartWorker) -> None:
    worker = await start_worker()
    for number in range(5):
        await worker.put(f"k{number}", seal=OLD)
    await worker.known.learn([f"k{number}" for number in range(5)])
    (note,) = worker.known.notes()
    assert note.endswith("k0, k1, k2 and 2 more")


async def test_without_sealing_keys_none_of_the_store_counts(start_worker: StartWorker) -> None:
    worker = await start_worker(policy())
    await worker.put("k1")
    await worker.known.learn(["k1"])
    assert not worker.keys


async def test_thousands_cost_no_viewer_his_patience(start_worker: StartWorker) -> None:
    worker = await start_worker()
    for at in range(0, 4000, 500):
        await asyncio.gather(*(worker.put(f"k{number}") for number in range(at, at + 500)))
    late = await start_worker()
    assert len(late.known.entries) == 4000
    await late.put("one more", application="other")
    since = time.process_time()
    await late.known.learn(["one more"])
    assert time.process_time() - since < 2
