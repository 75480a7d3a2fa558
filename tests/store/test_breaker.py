"""The circuit breaker: by itself with a clock of the test's, and in a client of servers that come and go."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from gate.errors import StoreError, StoreUnavailable
from gate.store.breaker import FAILURES, PAUSE_S, Breaker
from gate.store.client import CALL_TIMEOUT_S, Client
from gate.store.embedded import EmbeddedValkey


class TestBreaker:
    def test_it_opens_after_three_failures_in_a_row(self) -> None:
        breaker = Breaker()
        for _ in range(5):
            for _ in range(FAILURES - 1):
                breaker.failed(100)
                assert not breaker.is_open
                assert breaker.admits(100)
            breaker.succeeded()
        for _ in range(FAILURES):
            breaker.failed(100)
        assert FAILURES == 3
        assert breaker.is_open
        assert not breaker.admits(100)

    def test_open_it_admits_one_probe_a_pause(self) -> None:
        breaker = Breaker()
        for _ in range(FAILURES):
            breaker.failed(100)
        admitted = [at for at in range(100_000, 103_001, 10) if breaker.admits(at / 1000)]
        assert admitted == [100_500, 101_000, 101_500, 102_000, 102_500, 103_000]
        # Also where the probe says nothing, because whoever asked has been cancelled.
        assert PAUSE_S == 0.5

    def test_a_failed_probe_leaves_it_open_and_a_good_one_closes_it(self) -> None:
        breaker = Breaker()
        for _ in range(FAILURES):
            breaker.failed(100)
        assert breaker.admits(100.6)
        breaker.failed(100.8)
        assert not breaker.admits(101.2)
        assert breaker.admits(101.3)
        breaker.succeeded()
        assert not breaker.is_open
        assert all(breaker.admits(101.3) for _ in range(100))

    @pytest.mark.parametrize("seed", range(20))
    def test_whatever_happens_it_is_never_shut_for_longer_than_a_pause(self, seed: int) -> None:
        breaker, dice, now, refused_since = Breaker(), random.Random(seed), 0.0, None
        for _ in range(2000):
            now += dice.random() * 0.1
            if breaker.admits(now):
                refused_since = None
                if dice.random() < 0.9:
                    breaker.failed(now)
                elif dice.random() < 0.5:
                    breaker.succeeded()
            else:
                refused_since = refused_since if refused_since is not None else now
                assert now - refused_since <= PAUSE_S


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(tmp_path / "own") as server:
        yield server


async def took(client: Client) -> tuple[float, bool]:
    """How long a call took, and whether it was answered."""
    started = time.monotonic()
    try:
        await client.call("PING")
    except StoreUnavailable:
        return time.monotonic() - started, False
    return time.monotonic() - started, True


class TestClient:
    @pytest.mark.timed
    async def test_while_the_store_hangs_nobody_waits_for_it(self, server: EmbeddedValkey) -> None:
        client = Client(server.url)
        assert (await took(client))[1]
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            waits = [await took(client) for _ in range(FAILURES)]
            assert all(wait > CALL_TIMEOUT_S for wait, _ in waits)
            assert client.breaker.is_open
            quick = [await took(client) for _ in range(200)]
            assert not any(answered for _, answered in waits + quick)
            # All but at most one probe fail at once: a thousand viewers in the time of one.
            assert sorted(wait for wait, _ in quick)[-3] < 0.1
            assert sum(wait for wait, _ in quick) < 1.5
        finally:
            os.kill(server.pid, signal.SIGCONT)
        deadline = time.monotonic() + 10
        while not (await took(client))[1]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert not client.breaker.is_open
        assert all([(await took(client))[1] for _ in range(50)])
        await client.close()

    @pytest.mark.timed
    async def test_open_it_asks_once_a_pause(self) -> None:
        """Counted by a server that takes every connection and hangs up."""
        asked: list[float] = []

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(time.monotonic())
            writer.close()

        listening = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        client = Client(f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        for _ in range(FAILURES):
            await took(client)
        asked.clear()
        until = time.monotonic() + 2.2
        while time.monotonic() < until:
            await asyncio.gather(*(took(client) for _ in range(50)))
            await asyncio.sleep(0.01)
        assert 2 <= len(asked) <= 5
        assert all(b - a >= PAUSE_S - 0.01 for a, b in pairwise(asked))
        await client.close()
        listening.close()

    async def test_refusals_do_not_open_it(self, server: EmbeddedValkey) -> None:
        client = Client(server.url, timeout_s=5)
        for _ in range(5 * FAILURES):
            with pytest.raises(StoreError) as caught:
                await client.call("NO-SUCH-COMMAND")
            assert not isinstance(caught.value, StoreUnavailable)
        assert client.breaker.failures == 0
        assert (await took(client))[1]
        # And one shows that the server is there.
        client.breaker.failures = FAILURES - 1
        with pytest.raises(StoreError):
            await client.call("INCR", "a", "b", "c")
        assert client.breaker.failures == 0
        await client.close()

    async def test_a_server_that_answers_that_it_is_full_does_not_either(self, server: EmbeddedValkey) -> None:
        """Nobody waits for that answer, and what only reads is still served."""
        client = Client(server.url, timeout_s=5)
        await client.call("CONFIG", "SET", "maxmemory", 1)
        for _ in range(2 * FAILURES):
            with pytest.raises(StoreUnavailable, match="OOM"):
                await client.call("SET", "x", 1)
            assert await client.call("GET", "x") is None
        assert not client.breaker.is_open
        await client.close()

    async def test_each_client_has_its_own(self, server: EmbeddedValkey) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            lost = Client(f"redis://127.0.0.1:{taken.getsockname()[1]}")
            well = Client(server.url, timeout_s=5)
            for _ in range(FAILURES):
                assert not (await took(lost))[1]
            assert lost.breaker.is_open
            assert not well.breaker.is_open
            assert (await took(well))[1]
            await lost.close()
            await well.close()

    async def test_callers_that_leave_neither_open_nor_close_it(self, server: EmbeddedValkey) -> None:
        client = Client(server.url, timeout_s=5)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for _ in range(10):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await client.call("PING")
            assert client.breaker.failures == 0
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert (await took(client))[1]
        await client.close()
