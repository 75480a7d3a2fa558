"""Revocations and ticket keys on real stores that stop, die, trim and come back, with several gates on each."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from gate.core.ticket import TicketKeys
from gate.errors import StoreError, StoreUnavailable
from gate.store.client import Client
from gate.store.control import HEARTBEAT_S, SILENCE_S, Control
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import FEED, REVOKED, TICKET_KEYS

MakeControl = Callable[..., Awaitable[Control]]


@pytest_asyncio.fixture
async def follow() -> AsyncIterator[MakeControl]:
    """Starts controls, each with a client of its own, as each gate has; ended after the test."""
    async with AsyncExitStack() as stack:

        async def start(url: str, on_revoked: Callable[[], None] = lambda: None) -> Control:
            client = Client(url, timeout_s=5)
            stack.push_async_callback(client.close)
            control = Control(client, url, on_revoked)
            stack.push_async_callback(control.stop)
            await control.start()
            return control

        yield start


@pytest_asyncio.fixture
async def other(store_url: str) -> AsyncIterator[Client]:
    """Another user of the store."""
    client = Client(store_url, timeout_s=5)
    yield client
    await client.close()


async def until(condition: Callable[[], object], within_s: float) -> float:
    """Seconds until the condition held."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, "it did not come to be"
        await asyncio.sleep(0.002)
    return time.monotonic() - started


def covers(control: Control, token: str) -> bool:
    return control.revoked.cover("demo", token, "owner", None, None)


class TestRevoke:
    async def test_it_is_in_force_on_every_gate_within_a_second(
        self, store_url: str, follow: MakeControl
    ) -> None:
        calls: list[int] = []
        gates = [await follow(store_url, lambda: calls.append(1)) for _ in range(3)]
        calls.clear()
        for n in range(10):
            await gates[0].revoke(f"t:token{n}", time.time() + 60)
            assert covers(gates[0], f"token{n}")
            token = f"token{n}"
            assert await until(lambda token=token: all(covers(gate, token) for gate in gates), 10)
        assert not covers(gates[1], "another")
        assert len(calls) >= 30

    async def test_a_gate_knows_at_its_start_what_was_revoked_before(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        first = await follow(store_url)
        await first.revoke("t:a", None)
        await first.revoke("u:someone", time.time() + 60)
        await first.revoke("a:demo:1700000000", time.time() + 60)
        await other.call("XTRIM", FEED, "MAXLEN", 0)
        heard: list[int] = []
        second = await follow(store_url, lambda: heard.append(1))
        assert set(second.revoked.until_s) == {"t:a", "u:someone", "a:demo:1700000000"}
        assert second.revoked.not_before_s == {"demo": 1_700_000_000}
        assert heard == [1]

    async def test_none_is_missed_between_the_set_and_the_feed(
        self, store_url: str, follow: MakeControl
    ) -> None:
        """Gates start while another one revokes without a pause."""
        first = await follow(store_url)

        async def revoke() -> None:
            for n in range(300):
                await first.revoke(f"t:{n}", None)

        revoking = asyncio.create_task(revoke())
        gates = [await follow(store_url) for _ in range(10)]
        await revoking
        for gate in gates:
            await until(lambda gate=gate: len(gate.revoked.until_s) == 300, 20)

    async def test_it_is_idempotent_and_a_later_end_wins(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        control, second = await follow(store_url), await follow(store_url)
        now = int(time.time())
        for end in (now + 60, now + 60, now + 30, now + 60):
            await control.revoke("t:a", end)
        assert await other.call("XLEN", FEED) == 1
        await control.revoke("t:a", now + 90)
        assert await other.call("XLEN", FEED) == 2
        await control.revoke("t:a", None)
        await control.revoke("t:a", now + 500)
        await control.revoke("t:a", None)
        assert await other.call("XLEN", FEED) == 3
        assert await other.call("ZSCORE", REVOKED, "t:a") in (b"inf", float("inf"))
        await until(lambda: second.revoked.until_s.get("t:a") == float("inf"), 20)
        assert control.revoked.until_s == second.revoked.until_s

    async def test_what_is_no_entry_reaches_no_gate(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        control = await follow(store_url)
        with pytest.raises(ValueError, match="invalid literal"):
            await control.revoke("a:demo:yesterday", None)
        assert await other.call("EXISTS", REVOKED, FEED) == 0
        assert control.revoked.until_s == {}

    async def test_a_store_that_cannot_be_asked_is_said(self, tmp_path: Path, follow: MakeControl) -> None:
        async with EmbeddedValkey(tmp_path / "own") as server:
            control = await follow(server.url)
            url = server.url
        with pytest.raises(StoreUnavailable):
            await control.revoke("t:a", None)
        assert not covers(control, "a")
        with pytest.raises(StoreUnavailable):
            await follow(url)


class TestForgetting:
    @pytest.mark.timed
    async def test_entries_go_when_they_have_outlived_what_they_guard(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        control, second = await follow(store_url), await follow(store_url)
        await control.revoke("t:short", time.time())
        await control.revoke("t:long", time.time() + 60)
        await until(lambda: covers(second, "short") and covers(second, "long"), 20)
        # By the heartbeat, without any further news.
        await until(lambda: not covers(control, "short") and not covers(second, "short"), 20)
        assert covers(control, "long")
        assert covers(second, "long")
        await control.revoke("t:next", time.time() + 60)
        assert await other.call("ZRANGE", REVOKED, 0, -1) == [b"t:long", b"t:next"]

    async def test_the_feed_does_not_grow_without_bounds(
        self, other: Client, monkeypatch: pytest.MonkeyPatch, store_url: str, follow: MakeControl
    ) -> None:
        monkeypatch.setattr("gate.store.control.FEED_LENGTH", 100)
        control = await follow(store_url)
        await asyncio.gather(*(control.revoke(f"t:{n}", None) for n in range(1000)))
        assert await other.call("XLEN", FEED) <= 300
        assert await other.call("ZCARD", REVOKED) == 1000
        assert len((await follow(store_url)).revoked.until_s) == 1000

    async def test_many_entries_are_read_at_a_start(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        """More than the time-out of an ordinary call is good for."""
        fill = "for n = 1, 50000 do redis.call('ZADD', KEYS[1], 'inf', 't:' .. n) end"
        await other.call("EVAL", fill, 1, REVOKED)
        client = Client(store_url, timeout_s=5)
        control = Control(client, store_url, lambda: None)
        await control.start()
        assert len(control.revoked.until_s) == 50_000
        await control.stop()
        await client.close()


class TestOutages:
    async def test_what_was_revoked_during_one_is_known_after_it(
        self, tmp_path: Path, follow: MakeControl, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = EmbeddedValkey(tmp_path / "own")
        await server.start()
        caplog.set_level(logging.WARNING, "gate.store")
        control = await follow(server.url)
        await control.revoke("t:before", None)
        await server.stop()
        await until(lambda: "the store's feed is lost" in caplog.text, 20)
        await server.start()
        client = Client(server.url, timeout_s=5)
        await client.script("revoke", [REVOKED, FEED], ["t:meanwhile", "inf", 100])
        await client.call("XTRIM", FEED, "MAXLEN", 0)
        await until(lambda: covers(control, "meanwhile"), 20)
        assert covers(control, "before")
        await until(lambda: "the store's feed is heard again" in caplog.text, 20)
        # And the feed is followed again.
        await client.script("revoke", [REVOKED, FEED], ["t:after", "inf", 100])
        await until(lambda: covers(control, "after"), 20)
        await client.close()
        await control.stop()
        await server.stop()

    async def test_a_server_that_dies_is_followed_again(self, tmp_path: Path, follow: MakeControl) -> None:
        async with EmbeddedValkey(tmp_path / "own") as server:
            gates = [await follow(server.url) for _ in range(2)]
            await gates[0].revoke("t:before", None)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.sleep(0.05)
            deadline = time.monotonic() + 20
            while True:
                try:
                    await gates[0].revoke("t:after", None)
                    break
                except StoreUnavailable:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.02)
            await until(lambda: covers(gates[1], "after"), 20)
            late = await follow(server.url)
            assert covers(late, "before")
            for control in (*gates, late):
                await control.stop()

    @pytest.mark.timed
    async def test_silence_grows_while_the_store_hangs_and_heals(
        self, tmp_path: Path, follow: MakeControl
    ) -> None:
        async with EmbeddedValkey(tmp_path / "own") as server:
            control = await follow(server.url)
            await asyncio.sleep(1.2 * HEARTBEAT_S)
            assert control.silent_s <= 1.1 * HEARTBEAT_S  # quiet, and yet heard
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await until(lambda: control.silent_s > 1.5 * HEARTBEAT_S, 20)
                first = control.silent_s
                await asyncio.sleep(0.2)
                assert control.silent_s >= first + 0.19
            finally:
                os.kill(server.pid, signal.SIGCONT)
            await until(lambda: control.silent_s < 0.2, 20)
            await control.revoke("t:a", None)
            await control.stop()

    async def test_a_gate_that_was_held_up_reads_the_set_anew(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        """Its connection lived through it, but the feed was trimmed past what it had read."""
        control = await follow(store_url)
        control._heard -= SILENCE_S + 1  # as if this process had been stopped for so long
        await other.call("ZADD", REVOKED, "inf", "t:trimmed")
        await other.call("XADD", FEED, "*", "revoked", "t:last", "until", "inf")
        await until(lambda: covers(control, "trimmed") and control.silent_s < 1, 20)

    async def test_what_cannot_be_read_is_an_outage_that_mends(
        self, store_url: str, follow: MakeControl, other: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        control = await follow(store_url)
        await other.call("XADD", FEED, "*", "revoked", "a:demo:yesterday", "until", "inf")
        await other.call("ZADD", REVOKED, "inf", "a:demo:yesterday")
        await until(lambda: "a:demo:yesterday" in caplog.text, 20)
        with pytest.raises(StoreError, match="cannot be read"):
            await follow(store_url)
        await other.call("ZREM", REVOKED, "a:demo:yesterday")
        await other.call("ZADD", REVOKED, "inf", "t:a")
        await until(lambda: covers(control, "a"), 20)

    async def test_news_of_another_kind_is_passed_over(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        control = await follow(store_url)
        await other.call("XADD", FEED, "*", "streams", "changed")
        await other.call("XADD", FEED, "*", "revoked", "t:a", "until", "inf")
        await until(lambda: covers(control, "a"), 20)


class TestTicketKeys:
    async def test_gates_that_race_get_the_same_key(self, store_url: str) -> None:
        clients = [Client(store_url, timeout_s=5) for _ in range(20)]
        controls = [Control(client, store_url, lambda: None) for client in clients]
        found = await asyncio.gather(*(control.ticket_keys() for control in controls))
        assert len({tuple(keys) for keys in found}) == 1
        ((key,),) = {tuple(keys) for keys in found}
        assert len(key) == 32
        TicketKeys([key])
        assert await controls[0].ticket_keys() == [key]
        for control, client in zip(controls, clients, strict=True):
            await control.stop()
            await client.close()

    async def test_the_newest_comes_first(self, store_url: str, follow: MakeControl, other: Client) -> None:
        control = await follow(store_url)
        (first,) = await control.ticket_keys()
        made_at = int(time.time())
        for generation, key in ((2, "MjI="), (10, "MTA=")):
            await other.call("HSET", TICKET_KEYS, generation, f"{made_at}:{key}")
        assert await control.ticket_keys() == [b"10", b"22", first]
        assert await other.call("TTL", TICKET_KEYS) == -1

    async def test_a_new_one_reaches_every_gate_and_the_old_one_still_opens(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        heard: list[list[bytes]] = []
        listening = Control(other, store_url, lambda: None, on_ticket_keys=heard.append)
        (first,) = await listening.ticket_keys()
        await listening.start()
        gates = [await follow(store_url) for _ in range(5)]
        made_at = int(time.time()) - 100
        field = (await other.call("HGET", TICKET_KEYS, 1)).partition(b":")[2].decode()
        await other.call("HSET", TICKET_KEYS, 1, f"{made_at}:{field}")
        found = await asyncio.gather(*(gate.ticket_keys(rotation_s=50) for gate in gates))
        assert len({tuple(keys) for keys in found}) == 1
        fresh, old = found[0]
        assert old == first
        assert fresh != first
        await until(lambda: heard, 20)
        assert heard == [[fresh, first]]
        # Ten rotations after the next one was made it is gone.
        await other.call("HSET", TICKET_KEYS, 2, f"{made_at}:{field}")
        assert len(await gates[0].ticket_keys(rotation_s=9)) == 2
        assert await other.call("HEXISTS", TICKET_KEYS, 1) == 0
        await listening.stop()

    async def test_one_that_was_made_during_an_outage_is_known_after_it(self, tmp_path: Path) -> None:
        async with EmbeddedValkey(tmp_path / "own") as server:
            client, heard = Client(server.url, timeout_s=5), list[list[bytes]]()
            control = Control(client, server.url, lambda: None, on_ticket_keys=heard.append)
            (first,) = await control.ticket_keys()
            await control.start()
            # Another gate made it, and this one did not hear of it.
            await client.call("HSET", TICKET_KEYS, 2, f"{int(time.time())}:MjI=")
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await until(lambda: heard, 20)
            assert heard[-1] == [b"22", first]
            await control.stop()
            await client.close()


class TestTelling:
    async def test_what_befalls_a_playback_or_a_session_reaches_every_gate(
        self, store_url: str, follow: MakeControl, other: Client
    ) -> None:
        heard: list[tuple[object, ...]] = []
        control = Control(
            other,
            store_url,
            lambda: None,
            on_lost=lambda *what: heard.append(what),
            on_renewed=lambda *what: heard.append(what),
        )
        await control.start()
        teller = await follow(store_url)
        await teller.tell_lost("session", "client")
        await teller.tell_renewed("session", 1_800_000_000.5, "token")
        await teller.tell_renewed("session", None, "token")
        await until(lambda: len(heard) == 3, 20)
        assert heard == [
            ("session", "client"),
            ("session", 1_800_000_000.5, "token"),
            ("session", None, "token"),
        ]
        await control.stop()

    async def test_an_added_stream_that_changes_reaches_every_gate(
        self, store_url: str, other: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        heard: list[str] = []
        control = Control(other, store_url, lambda: None, on_streams=heard.append)
        await control.start()
        await other.call("XADD", FEED, "*", "stream", b"\xff", "generation", 1)
        await other.call("XADD", FEED, "*", "stream", "cam1", "generation", 2)
        await other.call("XADD", FEED, "*", "stream", "cam2")
        await until(lambda: len(heard) == 2, 20)
        assert heard == ["cam1", "cam2"]
        assert "cannot be read" in caplog.text
        await control.stop()

    async def test_an_api_key_that_changes_reaches_every_gate(self, store_url: str, other: Client) -> None:
        heard: list[str] = []
        control = Control(other, store_url, lambda: None, on_api_keys=heard.append)
        await control.start()
        await other.call("XADD", FEED, "*", "api_key", b"\xff")
        await other.call("XADD", FEED, "*", "api_key", "AK")
        await until(lambda: heard, 20)
        assert heard == ["AK"]
        await control.stop()
