"""API keys on a real store: several gates, lost answers, races, bounds, damage and restarts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gate.errors import StoreError, StoreFull, StoreUnavailable
from gate.store import api_keys as room
from gate.store.api_keys import REPEAT_S, ApiKeys, StoredKey, Unreadable
from gate.store.client import Client
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import API_KEYS, FEED


class Store(Client):
    """A client that can lose answers: the script has run, and nobody hears of it."""

    lose = 0

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        answer = await super().script(name, keys, args)
        if self.lose:
            self.lose -= 1
            raise StoreUnavailable("the answer is lost")
        return answer


class Gate:
    """One gate's API keys, with a client of its own."""

    def __init__(self, url: str) -> None:
        self.client = Store(url, timeout_s=5)
        self.keys = ApiKeys(self.client)

    async def told(self) -> list[str]:
        """What all gates have been told, in order: the ids of keys."""
        entries = await self.client.call("EVAL", "return redis.call('XRANGE', KEYS[1], '-', '+')", 1, FEED)
        flat = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in entries]
        return [fields[b"api_key"].decode() for fields in flat]


@pytest_asyncio.fixture
async def make_gate(store_url: str) -> AsyncIterator[Callable[[], Gate]]:
    async with AsyncExitStack() as stack:

        def make() -> Gate:
            gate = Gate(store_url)
            stack.push_async_callback(gate.client.close)
            return gate

        yield make


@pytest.fixture
def gate(make_gate: Callable[[], Gate]) -> Gate:
    return make_gate()


@pytest.fixture
def other(make_gate: Callable[[], Gate]) -> Gate:
    """Another gate on the same store."""
    return make_gate()


class TestPut:
    async def test_every_gate_has_it_as_it_was_given(self, gate: Gate, other: Gate) -> None:
        made = await gate.keys.put("demo", "AK", "sealed-text_1")
        assert made is not None
        assert made == StoredKey("AK", "demo", "sealed-text_1", True, made.made_at, made.made_at)
        assert abs(made.made_at - time.time()) < 5
        assert await other.keys.read(["AK", "none"]) == {"AK": made}
        assert await other.keys.read_all() == {"AK": made}
        assert await gate.told() == ["AK"]

    async def test_an_id_is_taken_once_whoever_asks(self, gate: Gate, other: Gate) -> None:
        made = await gate.keys.put("demo", "AK", "one")
        assert await other.keys.put("demo", "AK", "two") is None
        assert await other.keys.put("another", "AK", "two") is None
        assert await gate.keys.read_all() == {"AK": made}
        assert await gate.told() == ["AK"]

    async def test_of_a_crowd_one_makes_it(self, make_gate: Callable[[], Gate]) -> None:
        gates = [make_gate() for _ in range(5)]
        made = await asyncio.gather(*(gates[n % 5].keys.put("demo", "AK", f"s{n}") for n in range(50)))
        assert sum(key is not None for key in made) == 1

    async def test_there_is_a_most_of_them(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(room, "MOST_API_KEYS", 2)
        assert await gate.keys.put("demo", "a", "s")
        assert await gate.keys.put("other", "b", "s")
        with pytest.raises(StoreFull, match="there are 2 API keys"):
            await gate.keys.put("demo", "c", "s", "wish")
        assert await gate.keys.set_enabled("demo", "a", False)
        assert await gate.keys.delete("demo", "a")
        assert await gate.keys.put("demo", "c", "s", "wish")

    async def test_all_are_read_in_pages(self, gate: Gate, other: Gate) -> None:
        await asyncio.gather(*(gate.keys.put("demo", f"k{n}", "s" * 150) for n in range(1200)))
        found = await other.keys.read_all()
        assert found.keys() == {f"k{n}" for n in range(1200)}
        assert await other.keys.read(found) == found


class TestSwitch:
    async def test_it_is_off_and_on_again(self, gate: Gate, other: Gate) -> None:
        made = await gate.keys.put("demo", "AK", "s")
        assert made is not None
        await asyncio.sleep(0.002)
        off = await other.keys.set_enabled("demo", "AK", False)
        assert off is not None
        assert off == replace(made, enabled=False, changed_at=off.changed_at)
        assert off.changed_at > made.changed_at
        on = await gate.keys.set_enabled("demo", "AK", True)
        assert on is not None
        assert on == replace(made, changed_at=on.changed_at)
        assert await other.keys.read(["AK"]) == {"AK": on}
        assert await gate.told() == ["AK"] * 3

    async def test_of_what_is_not_there_nothing_is_made(self, gate: Gate) -> None:
        assert await gate.keys.set_enabled("demo", "AK", True) is None
        assert await gate.client.call("EXISTS", API_KEYS, FEED) == 0

    async def test_another_applications_key_is_not_there(self, gate: Gate) -> None:
        made = await gate.keys.put("demo", "AK", "s")
        assert await gate.keys.set_enabled("other", "AK", False) is None
        assert not await gate.keys.delete("other", "AK")
        assert await gate.keys.read_all() == {"AK": made}
        assert await gate.told() == ["AK"]


class TestDelete:
    async def test_it_is_gone_on_every_gate(self, gate: Gate, other: Gate) -> None:
        await gate.keys.put("demo", "AK", "s")
        assert await other.keys.delete("demo", "AK")
        assert await gate.keys.read_all() == {}
        assert not await gate.keys.delete("demo", "AK")
        assert await gate.keys.set_enabled("demo", "AK", True) is None
        assert await gate.told() == ["AK"] * 2
        assert await gate.keys.read([]) == {}


class TestRepetition:
    async def test_the_same_request_is_one_wish(self, gate: Gate, other: Gate) -> None:
        made = await gate.keys.put("demo", "AK", "s", "one")
        assert await other.keys.put("demo", "AK", "s", "one") == made
        off = await gate.keys.set_enabled("demo", "AK", False, "one")
        assert await other.keys.set_enabled("demo", "AK", False, "one") == off
        assert await gate.keys.delete("demo", "AK", "one")
        assert await other.keys.delete("demo", "AK", "one")
        assert not await other.keys.delete("demo", "AK", "two")
        # What it made and another has deleted it does not make again.
        assert await gate.keys.put("demo", "AK", "s", "one") is None
        assert await gate.keys.read_all() == {}
        assert await gate.told() == ["AK"] * 3

    async def test_a_lost_answer_is_asked_for_again(self, gate: Gate) -> None:
        for act in (
            lambda: gate.keys.put("demo", "AK", "s"),
            lambda: gate.keys.set_enabled("demo", "AK", False),
            lambda: gate.keys.delete("demo", "AK"),
        ):
            gate.client.lose = 1
            assert await act()
        assert await gate.told() == ["AK"] * 3
        gate.client.lose = 2
        with pytest.raises(StoreUnavailable):
            await gate.keys.put("demo", "AK", "s")

    async def test_requests_are_forgotten_and_keys_are_not(self, gate: Gate) -> None:
        await gate.keys.put("demo", "AK", "s")
        await gate.keys.delete("demo", "nobody's")
        names = {key.decode() for key in await gate.client.call("KEYS", "*")}
        assert {API_KEYS, FEED} < names
        assert len(names) == 4
        for name in names:
            assert name.startswith("gate:{control}:")
            ttl_ms = await gate.client.call("PTTL", name)
            assert (REPEAT_S - 5) * 1000 < ttl_ms <= REPEAT_S * 1000 if ":q:" in name else ttl_ms == -1


class TestDamage:
    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "null", "7", "[" * 5000, '{"v":2}', b"\xff", '{"application":7,"secret":"s"}'],
    )
    async def test_one_takes_no_other_down(self, gate: Gate, text: str | bytes) -> None:
        made = await gate.keys.put("demo", "AK", "s")
        await gate.client.call("HSET", API_KEYS, "bad", text)
        found = await gate.keys.read_all()
        assert found["AK"] == made
        assert isinstance(found["bad"], Unreadable)
        assert await gate.keys.read(["bad", "AK"]) == found
        with pytest.raises(StoreError, match="cannot be read, and verifies nothing: bad; delete it"):
            await gate.keys.set_enabled("demo", "bad", True)
        assert await gate.keys.put("demo", "bad", "s") is None
        assert await gate.keys.delete("demo", "bad")
        assert await gate.keys.put("demo", "bad", "s")

    @pytest.mark.parametrize("field", ["secret", "enabled", "made_ms", "changed_ms"])
    async def test_one_that_lacks_something(self, gate: Gate, field: str) -> None:
        await gate.keys.put("demo", "AK", "s")
        kept = json.loads(await gate.client.call("HGET", API_KEYS, "AK"))
        for value in (None, [], {}):
            await gate.client.call("HSET", API_KEYS, "AK", json.dumps({**kept, field: value}))
            assert isinstance((await gate.keys.read(["AK"]))["AK"], Unreadable)

    async def test_a_name_that_is_no_text(self, gate: Gate) -> None:
        await gate.client.call("HSET", API_KEYS, b"\xff", "x")
        assert list((await gate.keys.read_all()).values()) == [Unreadable("it is no JSON object")]


async def test_no_secret_is_shown(gate: Gate) -> None:
    assert "sealed" not in repr(await gate.keys.put("demo", "AK", "sealed"))


async def test_they_outlive_a_restart_of_the_store(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "own")
    await server.start()
    gate = Gate(server.url)
    await asyncio.gather(*(gate.keys.put("demo", f"k{n}", "s") for n in range(20)))
    before = await gate.keys.read_all()
    await server.stop()
    with pytest.raises(StoreUnavailable):
        await gate.keys.read_all()
    await gate.client.close()
    await server.start()
    gate = Gate(server.url)
    assert await gate.keys.read_all() == before
    await gate.client.close()
    await server.stop()
