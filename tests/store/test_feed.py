"""What gates on one store tell one another: news that cannot be read, a late store, and keys that rotate."""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gate.errors import StoreError
from gate.store.client import Client
from gate.store.control import Control
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import FEED, REVOKED, TICKET_KEYS

KEYS = {n: urlsafe_b64encode(bytes([n]) * 32).decode() for n in range(1, 10)}
MakeControl = Callable[..., Control]


@pytest_asyncio.fixture
async def make_control() -> AsyncIterator[MakeControl]:
    """Makes controls, each with a client of its own, as each gate has; ended after the test."""
    async with AsyncExitStack() as stack:

        def make(url: str, **listeners: Any) -> Control:
            client = Client(url, timeout_s=5)
            stack.push_async_callback(client.close)
            control = Control(client, url, lambda: None, **listeners)
            stack.push_async_callback(control.stop)
            return control

        yield make


@pytest_asyncio.fixture
async def other(store_url: str) -> AsyncIterator[Client]:
    """Another user of the store."""
    client = Client(store_url, timeout_s=5)
    yield client
    await client.close()


async def until(condition: Callable[[], object], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        await asyncio.sleep(0.005)


class TestNews:
    async def test_all_that_befalls_sessions_reaches_every_gate_within_a_second(
        self, store_url: str, make_control: MakeControl
    ) -> None:
        heard: list[list[tuple[object, ...]]] = [[], [], []]
        gates = [
            make_control(
                store_url,
                on_lost=lambda *what, n=n: heard[n].append(what),
                on_renewed=lambda *what, n=n: heard[n].append(what),
            )
            for n in range(3)
        ]
        for gate in gates:
            await gate.start()
        for n in range(10):
            said = [("session", f"client{n}"), ("session", 1_800_000_000.125 + n, "t"), ("session", None, "t")]
            await gates[0].tell_lost("session", f"client{n}")
            await gates[1].tell_renewed("session", 1_800_000_000.125 + n, "t")
            await gates[2].tell_renewed("session", None, "t")
            await until(lambda: all(len(each) == 3 for each in heard), 20)
            assert heard == [said] * 3
            for each in heard:
                each.clear()

    @pytest.mark.parametrize(
        "entry",
        [
            ("lost", "session"),
            ("lost", b"\xff", "client", "c"),
            ("renewed", "session"),
            ("renewed", "session", "ends", "tomorrow", "token", "t"),
            ("renewed", "session", "ends", "1"),
            ("renewed", "session", "token", "t"),
            (b"\xff", b"\xfe"),
            ("", ""),
        ],
    )
    async def test_what_cannot_be_read_is_passed_over(
        self, store_url: str, make_control: MakeControl, other: Client, entry: tuple[str | bytes, ...]
    ) -> None:
        heard: list[tuple[object, ...]] = []
        control = make_control(
            store_url,
            on_lost=lambda *what: heard.append(what),
            on_renewed=lambda *what: heard.append(what),
        )
        await control.start()
        await other.call("XADD", FEED, "*", *entry)
        await control.tell_lost("session", "client")
        await until(lambda: heard, 20)
        await asyncio.sleep(0.05)
        assert heard == [("session", "client")]


class TestLateStore:
    async def test_a_gate_that_started_without_it_heals(
        self, tmp_path: Path, make_control: MakeControl, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "gate.store")
        server = EmbeddedValkey(tmp_path / "own")
        await server.start()
        url = server.url
        client = Client(url, timeout_s=5)
        made = await make_control(url).ticket_keys()
        await client.script("revoke", [REVOKED, FEED], ["t:before", "inf", 100])
        await server.stop()
        keys: list[list[bytes]] = []
        control = make_control(url, on_ticket_keys=keys.append)
        await control.start(reachable=False)
        await asyncio.sleep(1.2)
        assert control.revoked.until_s == {}
        assert control.silent_s > 1
        await server.start()
        assert server.url == url
        await until(lambda: "t:before" in control.revoked.until_s and keys, 20)
        assert keys == [made]
        # And the feed is followed.
        late = Client(url, timeout_s=5)
        await late.script("revoke", [REVOKED, FEED], ["t:after", "inf", 100])
        await until(lambda: "t:after" in control.revoked.until_s, 20)
        await until(lambda: control.silent_s < 2, 20)
        assert caplog.text.count("heard again") == 1
        await control.stop()
        await late.close()
        await client.close()
        await server.stop()


class TestRotation:
    async def test_of_many_gates_that_rotate_at_once_one_makes_the_key(
        self, store_url: str, make_control: MakeControl, other: Client
    ) -> None:
        heard: list[list[bytes]] = []
        gates = [make_control(store_url) for _ in range(30)]
        listening = make_control(store_url, on_ticket_keys=heard.append)
        (first,) = await listening.ticket_keys()
        await listening.start()
        for turn in range(1, 6):
            key = (await other.call("HGET", TICKET_KEYS, turn)).partition(b":")[2].decode()
            await other.call("HSET", TICKET_KEYS, turn, f"{int(time.time()) - 100}:{key}")
            told = await other.call("XLEN", FEED)
            found = await asyncio.gather(*(gate.ticket_keys(rotation_s=50) for gate in gates))
            assert len({tuple(keys) for keys in found}) == 1
            keys = found[0]
            assert len(set(keys)) == turn + 1
            assert keys[-1] == first
            assert await other.call("XLEN", FEED) == told + 1
            await until(lambda turn=turn: len(heard) == turn, 20)
            assert heard[-1] == keys

    async def test_a_young_one_is_not_replaced(self, store_url: str, make_control: MakeControl) -> None:
        control = make_control(store_url)
        keys = await control.ticket_keys(rotation_s=3600)
        assert await control.ticket_keys(rotation_s=3600) == keys
        assert len(keys) == 1

    async def test_each_opens_what_it_has_sealed_for_ten_rotations_more(
        self, store_url: str, make_control: MakeControl, other: Client
    ) -> None:
        control, now = make_control(store_url), int(time.time())
        # One made each 100 s, with a long pause; each seals until the next one is made.
        for generation, age_s in enumerate((3000, 2900, 1150, 1050, 950), start=1):
            await other.call("HSET", TICKET_KEYS, generation, f"{now - age_s}:{KEYS[generation]}")
        assert len(await control.ticket_keys()) == 5
        _, *kept = await control.ticket_keys(rotation_s=100)
        assert kept == [urlsafe_b64decode(KEYS[generation]) for generation in (5, 4)]

    async def test_a_rotation_that_is_made_quick_takes_nothing_from_who_is_watching(
        self, store_url: str, make_control: MakeControl, other: Client
    ) -> None:
        control = make_control(store_url)
        await other.call("HSET", TICKET_KEYS, 1, f"{int(time.time()) - 30 * 86400}:{KEYS[1]}")
        assert (await control.ticket_keys(rotation_s=60))[1:] == [urlsafe_b64decode(KEYS[1])]

    @pytest.mark.parametrize(
        "field", [("x", "1:MjI="), ("1", "MjI="), ("1", "soon:MjI="), ("1", "1:M"), ("1", "1:2:MjI=")]
    )
    async def test_a_key_that_cannot_be_read_is_said_and_not_printed(
        self, store_url: str, make_control: MakeControl, other: Client, field: tuple[str, str]
    ) -> None:
        control = make_control(store_url)
        await other.call("HSET", TICKET_KEYS, *field)
        with pytest.raises(StoreError, match="ticket key that cannot be read") as caught:
            await control.ticket_keys(rotation_s=60)
        assert "MjI" not in str(caught.value)
        assert await other.call("HLEN", TICKET_KEYS) == 1

    async def test_one_that_cannot_be_read_does_not_end_the_feed(
        self, store_url: str, make_control: MakeControl, other: Client
    ) -> None:
        heard: list[list[bytes]] = []
        control = make_control(store_url, on_ticket_keys=heard.append)
        await control.start()
        await other.call("HSET", TICKET_KEYS, "1", "nonsense")
        await other.call("XADD", FEED, "*", "ticket_key", "1")
        await asyncio.sleep(0.2)
        await other.call("HSET", TICKET_KEYS, "1", f"1:{KEYS[1]}")
        await until(lambda: heard, 20)
        assert heard[-1] == [urlsafe_b64decode(KEYS[1])]
