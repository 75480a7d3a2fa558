"""Added streams as workers know them: several on one store, in crowds, through outages, restarts and damage."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from gate.core.policy import Access
from gate.core.stream import Stream, Unreadable
from gate.errors import StoreUnavailable
from gate.proxy.streams import KnownStreams
from gate.store.client import Client
from gate.store.control import SILENCE_S, Control
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import FEED, STREAMS
from gate.store.streams import Streams

CAM = Stream("cam1", "http://10.0.0.1", "aipix", True, Access.PRIVATE, (), None, "demo")


class Worker:
    """A worker's copy, with the feed that it follows. `changes` are what it was told of, in order."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, timeout_s=5)
        self.store = Streams(self.client)
        self.changes: list[frozenset[str]] = []
        self.known = KnownStreams(self.store, self.changes.append)
        self.control = Control(
            self.client, url, lambda: None, on_streams=self.known.hear, on_missed=self.known.miss
        )

    async def start(self, *, reachable: bool = True) -> None:
        await self.control.start(reachable=reachable)
        await self.known.start(reachable=reachable)

    async def stop(self) -> None:
        await self.known.stop()
        await self.control.stop()
        await self.client.close()

    def access(self, uid: str) -> Access | None:
        entry = self.known.streams.get(uid)
        return entry.access if isinstance(entry, Stream) else None


StartWorker = Callable[..., Awaitable[Worker]]


@pytest_asyncio.fixture
async def start_worker(store_url: str) -> AsyncIterator[StartWorker]:
    async with AsyncExitStack() as stack:

        async def start(url: str = store_url, *, reachable: bool = True) -> Worker:
            worker = Worker(url)
            stack.push_async_callback(worker.stop)
            await worker.start(reachable=reachable)
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
        uid = f"cam{number}"
        assert await teller.store.add(replace(CAM, uid=uid))
        assert await until(lambda at=hearer, uid=uid: at.access(uid) is Access.PRIVATE) < 1
        await teller.store.update(uid, {"access": Access.PUBLIC})
        assert await until(lambda at=hearer, uid=uid: at.access(uid) is Access.PUBLIC) < 1
        await teller.store.remove(uid)
        assert await until(lambda at=hearer, uid=uid: uid not in at.known.streams) < 1
        await teller.store.add(replace(CAM, uid=uid, access=Access.NONE))
        assert await until(lambda at=hearer, uid=uid: at.access(uid) is Access.NONE) < 1
        await until(lambda at=teller, uid=uid: at.access(uid) is Access.NONE)
    assert one.known.streams == other.known.streams
    assert all(change in ({"cam0"}, {"cam1"}) for change in one.changes)


async def test_who_changes_one_may_wait_until_it_is_known(start_worker: StartWorker) -> None:
    worker = await start_worker()
    for number in range(20):
        await worker.store.add(replace(CAM, uid=f"cam{number}"))
        await worker.known.learn([f"cam{number}"])
        assert worker.access(f"cam{number}") is Access.PRIVATE
    await asyncio.gather(*(worker.store.remove(f"cam{number}") for number in range(20)))
    await asyncio.gather(*(worker.known.learn([f"cam{number}"]) for number in range(20)))
    assert not worker.known.streams
    await worker.known.stop()
    since = time.monotonic()
    await worker.known.learn(["cam1"], within_s=0.05)
    assert 0.04 < time.monotonic() - since < 5


async def test_one_that_starts_knows_what_was_added_before(start_worker: StartWorker) -> None:
    one = await start_worker()
    await asyncio.gather(*(one.store.add(replace(CAM, uid=f"cam{n}")) for n in range(600)))
    await one.client.call("XTRIM", FEED, "MAXLEN", 0)
    late = await start_worker()
    assert late.known.whole
    assert len(late.known.streams) == 600
    assert late.changes == [frozenset(f"cam{n}" for n in range(600))]
    await until(lambda: one.known.streams == late.known.streams)


@pytest.mark.timed
async def test_a_crowd_is_known_in_few_steps(start_worker: StartWorker) -> None:
    one, other = await start_worker(), await start_worker()
    wanted = {f"cam{n}" for n in range(1000)}
    assert all(await asyncio.gather(*(one.store.add(replace(CAM, uid=uid)) for uid in wanted)))
    assert await until(lambda: other.known.streams.keys() == wanted) < 1
    assert frozenset().union(*other.changes) == wanted
    assert len(other.changes) < 100
    await asyncio.gather(*(other.store.remove(uid) for uid in wanted))
    await until(lambda: not one.known.streams and not other.known.streams)


async def test_a_copy_that_was_given_never_changes(start_worker: StartWorker) -> None:
    worker = await start_worker()
    await worker.store.add(CAM)
    await until(lambda: worker.access("cam1"))
    held = worker.known.streams
    await worker.store.remove("cam1")
    await until(lambda: not worker.known.streams)
    assert list(held) == ["cam1"]
    with pytest.raises(TypeError):
        held["cam2"] = CAM  # type: ignore[index]


async def test_what_changes_while_all_are_read_is_not_lost(start_worker: StartWorker) -> None:
    """Workers start while another one adds, changes and removes without a pause."""
    one = await start_worker()
    await asyncio.gather(*(one.store.add(replace(CAM, uid=f"cam{n}")) for n in range(1000)))

    async def change() -> None:
        for n in range(300):
            await one.store.update(f"cam{n}", {"access": Access.PUBLIC})
            await one.store.remove(f"cam{999 - n}")
            await one.store.add(replace(CAM, uid=f"new{n}"))

    changing = asyncio.create_task(change())
    workers = [await start_worker() for _ in range(5)]
    await changing
    truth, _ = await one.store.read_all()
    assert len(truth) == 1000
    for worker in workers:
        await until(lambda worker=worker: worker.known.streams == truth)


async def test_hearing_of_what_has_not_changed_tells_nobody(start_worker: StartWorker) -> None:
    worker = await start_worker()
    await worker.store.add(CAM)
    await until(lambda: worker.access("cam1"))
    worker.known.hear("cam1")
    worker.known.hear("nobody")
    worker.known.hear("no/uid")
    worker.known.miss()
    await worker.store.add(replace(CAM, uid="cam2"))
    await until(lambda: worker.access("cam2"))
    assert worker.changes == [{"cam1"}, {"cam2"}]


async def test_news_that_was_missed_is_made_up_for(start_worker: StartWorker) -> None:
    """Its connection lived on, but the feed was trimmed past what it had read."""
    worker, other = await start_worker(), await start_worker()
    await other.store.add(replace(CAM, uid="gone"))
    await until(lambda: worker.access("gone"))
    await worker.known.stop()  # so that nothing is heard in between
    await other.store.remove("gone")
    await other.store.add(CAM)
    await other.client.call("XTRIM", FEED, "MAXLEN", 0)
    worker.control._heard -= SILENCE_S + 1
    await other.client.call("XADD", FEED, "*", "revoked", "t:x", "until", "inf")
    await until(lambda: worker.control.silent_s < 1)
    worker.known._heard.clear()
    await worker.known.start()
    await until(lambda: worker.known.streams.keys() == {"cam1"})
    assert worker.changes[-1] == {"gone", "cam1"}


class TestOutages:
    async def test_the_last_copy_stays_and_the_rest_follows(
        self, tmp_path: Path, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "gate.streams")
        server = EmbeddedValkey(tmp_path / "own")
        await server.start()
        worker = await start_worker(server.url)
        await worker.store.add(CAM)
        await worker.store.add(replace(CAM, uid="cam2"))
        await until(lambda: worker.access("cam2"))
        await server.stop()
        worker.known.hear("cam2")
        await until(lambda: "last copy stays in force" in caplog.text)
        assert set(worker.known.streams) == {"cam1", "cam2"}
        await server.start()
        other = Client(server.url, timeout_s=5)
        streams = Streams(other)
        await streams.remove("cam1")
        await streams.update("cam2", {"access": Access.NONE})
        await streams.add(replace(CAM, uid="cam3"))
        await other.call("XTRIM", FEED, "MAXLEN", 0)
        await until(lambda: worker.known.streams.keys() == {"cam2", "cam3"})
        assert worker.access("cam2") is Access.NONE
        await until(lambda: "read again" in caplog.text)
        assert caplog.text.count("last copy") == 1
        # And the feed is followed again.
        await streams.remove("cam3")
        await until(lambda: worker.known.streams.keys() == {"cam2"})
        await other.close()
        await worker.stop()
        await server.stop()

    async def test_a_server_that_dies_keeps_them(self, tmp_path: Path, start_worker: StartWorker) -> None:
        async with EmbeddedValkey(tmp_path / "own") as server:
            workers = [await start_worker(server.url) for _ in range(2)]
            await workers[0].store.add(CAM)
            await until(lambda: all(worker.access("cam1") for worker in workers))
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while True:
                try:
                    assert await workers[0].store.add(replace(CAM, uid="cam2"), "wish")
                    break
                except StoreUnavailable:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.02)
            await until(lambda: all(set(worker.known.streams) == {"cam1", "cam2"} for worker in workers))
            late = await start_worker(server.url)
            assert late.known.streams == workers[0].known.streams
            for worker in (*workers, late):
                await worker.stop()

    async def test_a_worker_that_starts_without_the_store_knows_them_when_it_is_there(
        self, tmp_path: Path, start_worker: StartWorker
    ) -> None:
        server = EmbeddedValkey(tmp_path / "own")
        await server.start()
        first = await start_worker(server.url)
        await first.store.add(CAM)
        await first.stop()
        url = server.url
        await server.stop()
        with pytest.raises(StoreUnavailable):
            await start_worker(url)
        worker = await start_worker(url, reachable=False)
        assert not worker.known.whole
        await server.start()
        await until(lambda: worker.access("cam1"))
        assert worker.known.whole
        await worker.stop()
        await server.stop()


async def test_a_damaged_one_takes_no_other_down_and_is_still_there(
    start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    worker = await start_worker()
    await worker.store.add(CAM)
    await worker.store.add(replace(CAM, uid="cam2"))
    await until(lambda: worker.access("cam2"))
    await worker.client.call("HSET", STREAMS, "cam1", '{"v":99}')
    worker.known.hear("cam1")
    await until(lambda: isinstance(worker.known.streams["cam1"], Unreadable))
    assert worker.access("cam2") is Access.PRIVATE
    worker.known.hear("cam1")
    late = await start_worker()
    assert late.known.streams == worker.known.streams
    # Once by each, however often it is read.
    assert caplog.text.count("the added stream cam1 is closed to everybody") == 2
    await worker.store.remove("cam1")
    await worker.store.add(CAM)
    await until(lambda: worker.access("cam1") and late.access("cam1"))
