"""Server-side tokens on a real store: several gates, lost answers, races, restarts and a cluster's rules."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from gate.core.session import SHARDS, shard_of
from gate.core.token import token_id
from gate.errors import StoreError, StoreUnavailable
from gate.store import authtokens
from gate.store.authtokens import AT_ONCE, KEEP_S, LEEWAY_S, MOST_NAMES, REPEAT_S, AuthToken, AuthTokens
from gate.store.client import SCRIPTS, Client
from gate.store.control import Control
from gate.store.embedded import EmbeddedValkey, find_binary
from gate.store.keys import FEED, ShardKeys, naming, shard_prefix

GRACE_S = 60.0
READ = {"read": {"resources": ["v1"]}}


class Store(Client):
    """A client that can lose answers: the command is done, and nobody hears of it."""

    lose = 0

    async def call(self, *command: str | int | float | bytes) -> Any:
        return self.pass_on(await super().call(*command))

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        return self.pass_on(await super().script(name, keys, args))

    def pass_on(self, answer: Any) -> Any:
        if self.lose:
            self.lose -= 1
            raise StoreUnavailable("the answer is lost")
        return answer


class Gate:
    """One gate's server-side tokens, with a client of its own; `told` is what it has told all gates."""

    def __init__(self, url: str) -> None:
        self.client = Store(url, timeout_s=5)
        self.told: list[tuple[str, list[str]]] = []
        self.tokens = AuthTokens(self.client, self.tell)

    async def tell(self, application: str, names: Iterable[str]) -> None:
        self.told.append((application, list(names)))

    async def create(self, request: str | None = None, **arguments: Any) -> AuthToken:
        return await self.tokens.create("demo", arguments, request, grace_s=GRACE_S)

    async def update(
        self, name: str, arguments: dict[str, Any], request: str | None = None
    ) -> AuthToken | None:
        return await self.tokens.update("demo", name, arguments, request, grace_s=GRACE_S)

    async def drop(self, resource: str) -> int:
        return await self.tokens.drop_resource("demo", resource, grace_s=GRACE_S)

    async def ttl_ms(self, token: AuthToken) -> int:
        """-1 for ever, -2 where it is gone."""
        return int(await self.client.call("PTTL", ShardKeys(token.digest).authtoken(token.digest)))

    async def names(self, kind: str) -> list[str]:
        keys = await self.client.call("KEYS", f"gate:{{*}}:{kind}:*")
        return sorted(key.decode() for key in keys)

    async def index(self) -> dict[str, dict[bytes, float]]:
        """Who names what: by key, the digests of tokens, and until when."""
        found = {}
        for key in await self.names("n"):
            flat = await self.client.call(
                "EVAL", "return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')", 1, key
            )
            found[key] = {name: float(at) for name, at in zip(flat[::2], flat[1::2], strict=True)}
        return found


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


def about(ms: int, seconds: float) -> bool:
    return seconds * 1000 - 5000 < ms <= seconds * 1000 + 5000


async def until(met: Callable[[], Awaitable[object]], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not await met():
        assert time.monotonic() < deadline, "it did not come to be"
        await asyncio.sleep(0.005)


class TestCreate:
    async def test_it_is_found_by_its_name_on_every_gate(self, gate: Gate, other: Gate) -> None:
        arguments = {
            "grants": {"read": {"resources": ["é", "a/b"], "all": False}, "update": {"session_owned": True}},
            "session_limit": 3,
            "usage_expiration_time": 60,
            "volatile": False,
            "hidden": None,
        }
        made = await gate.create(**arguments)
        assert re.fullmatch("[0-9a-f]{32}", made.id)
        assert made.digest == token_id("demo", made.id)
        assert made.arguments == arguments
        assert abs(made.made_at - time.time()) < 5
        assert made.changed_at == made.made_at
        assert await other.tokens.get("demo", made.id) == made
        assert gate.told == []

    async def test_it_is_of_one_application(self, gate: Gate) -> None:
        made = await gate.create(grants=READ)
        assert await gate.tokens.get("another", made.id) is None
        assert await gate.tokens.update("another", made.id, {"grants": {}}, grace_s=GRACE_S) is None
        assert not await gate.tokens.delete("another", made.id)
        assert await gate.tokens.get("demo", made.id) == made

    async def test_what_is_no_name_is_not_asked_for(self, gate: Gate) -> None:
        made = await gate.create(grants=READ)
        await gate.client.close()
        for name in ("", "x", made.id.upper() + "g", made.id + "\n", made.id[:-1], "é" * 32, "*" * 32):
            assert await gate.tokens.get("demo", name) is None
            assert await gate.update(name, {}) is None
            assert await gate.tokens.delete("demo", name) is False
        assert gate.told == []

    async def test_names_are_random_and_go_to_all_shards(self, gate: Gate) -> None:
        made = await asyncio.gather(*(gate.create(grants=READ) for _ in range(400)))
        assert len({token.id for token in made}) == 400
        assert len({token.id[:4] for token in made}) > 380
        assert len({shard_of(token.digest) for token in made}) > SHARDS * 0.9

    async def test_of_one_request_comes_one_token(self, gate: Gate, other: Gate) -> None:
        gates = [gate, other]
        made = await asyncio.gather(*(gates[n % 2].create("request", session_limit=n) for n in range(100)))
        assert len({token.id for token in made}) == 1
        assert len({token.arguments["session_limit"] for token in made}) == 1
        assert len(await gate.names("k")) == 1
        assert (await gate.create("another")).id != made[0].id
        assert (await gate.tokens.create("b", {}, "request", grace_s=GRACE_S)).id != made[0].id

    async def test_a_lost_answer_makes_no_second_one(self, gate: Gate) -> None:
        gate.client.lose = 1
        made = await gate.create(grants=READ)
        assert await gate.tokens.get("demo", made.id) == made
        assert len(await gate.names("k")) == 1
        gate.client.lose = 2
        with pytest.raises(StoreUnavailable):
            await gate.create("request", grants=READ)
        made = await gate.create("request", grants=READ)
        assert await gate.tokens.get("demo", made.id) == made
        assert len(await gate.names("k")) == 2

    async def test_a_request_is_known_when_its_token_is_gone(self, gate: Gate) -> None:
        made = await gate.create("request", grants=READ)
        assert await gate.tokens.delete("demo", made.id)
        again = await gate.create("request", grants=READ)
        assert (again.id, again.digest, again.arguments) == (made.id, made.digest, {"grants": READ})
        assert await gate.names("k") == []
        for key in await gate.names("q"):
            assert about(await gate.client.call("PTTL", key), REPEAT_S)

    @pytest.mark.parametrize("value", [float("nan"), "\ud800", object(), {"a": {1, 2}}])
    async def test_what_json_cannot_say_is_refused_before_the_store_is_asked(
        self, gate: Gate, value: object
    ) -> None:
        with pytest.raises((ValueError, TypeError)):
            await gate.create(grants=value)
        made = await gate.create(grants=READ)
        with pytest.raises((ValueError, TypeError)):
            await gate.update(made.id, {"hidden": value})
        assert await gate.tokens.get("demo", made.id) == made


class TestUpdate:
    async def test_what_is_not_sent_is_kept(self, gate: Gate, other: Gate) -> None:
        made = await gate.create(grants=READ, session_limit=3, hidden=True)
        await asyncio.sleep(0.002)
        changed = await other.update(made.id, {"session_limit": None, "volatile": True})
        assert changed is not None
        assert changed.arguments == {"grants": READ, "session_limit": None, "hidden": True, "volatile": True}
        assert changed.made_at == made.made_at
        assert changed.changed_at > made.changed_at
        assert await gate.tokens.get("demo", made.id) == changed
        assert other.told == [("demo", [made.id])]
        unchanged = await gate.update(made.id, {})
        assert unchanged is not None
        assert unchanged.arguments == changed.arguments

    async def test_there_is_none_to_change(self, gate: Gate) -> None:
        assert await gate.update("0" * 32, {"grants": READ}) is None
        assert await gate.names("k") == await gate.names("q") == []

    async def test_races_lose_nothing(self, gate: Gate, other: Gate) -> None:
        made = await gate.create(volatile=True)
        resources = [{"read": {"resources": [f"v{n}"]}} for n in range(50)]
        updates = [gate.update(made.id, {"grants": grants}) for grants in resources]
        updates += [other.update(made.id, {f"x{n}": n}) for n in range(50)]
        await asyncio.gather(*updates)
        last = await gate.tokens.get("demo", made.id)
        assert last is not None
        assert {name: value for name, value in last.arguments.items() if name[0] == "x"} == {
            f"x{n}": n for n in range(50)
        }
        # And the index is that of the update which came last.
        assert last.arguments["grants"] in resources
        index = await gate.index()
        assert list(index.values()) == [{made.digest.encode(): float("inf")}]
        assert await gate.drop(last.arguments["grants"]["read"]["resources"][0]) == 1

    async def test_a_repetition_does_not_undo_what_came_between(self, gate: Gate, other: Gate) -> None:
        made = await gate.create(session_limit=1)
        gate.client.lose = 2
        with pytest.raises(StoreUnavailable):
            await gate.update(made.id, {"session_limit": 2}, "request")
        assert gate.told == []
        await other.update(made.id, {"session_limit": 3}, "other request")
        again = await gate.update(made.id, {"session_limit": 2}, "request")
        assert again is not None
        assert again.arguments == {"session_limit": 3}
        assert gate.told == [("demo", [made.id])]

    async def test_a_change_and_a_deletion_race(self, gate: Gate, other: Gate) -> None:
        for _ in range(20):
            made = await gate.create(grants=READ, volatile=True)
            await asyncio.gather(
                gate.update(made.id, {"grants": {"read": {"resources": ["v2"]}}}),
                other.tokens.delete("demo", made.id),
            )
        assert await gate.names("k") == await gate.names("n") == []


class TestDelete:
    async def test_it_is_gone(self, gate: Gate, other: Gate) -> None:
        made = await gate.create(grants=READ, volatile=True)
        assert await other.tokens.delete("demo", made.id) is True
        assert await gate.tokens.get("demo", made.id) is None
        assert await gate.update(made.id, {"grants": READ}) is None
        assert await gate.tokens.delete("demo", made.id) is False
        assert other.told == [("demo", [made.id])]
        assert await gate.names("k") == await gate.names("n") == []

    async def test_a_lost_answer_is_given_again(self, gate: Gate) -> None:
        made = await gate.create(grants=READ)
        gate.client.lose = 1
        assert await gate.tokens.delete("demo", made.id) is True
        assert await gate.tokens.delete("demo", made.id, "request") is False
        made = await gate.create(grants=READ)
        assert await gate.tokens.delete("demo", made.id, "request") is True
        assert await gate.tokens.delete("demo", made.id, "request") is True

    async def test_what_it_has_counted_ends_too(self, gate: Gate) -> None:
        made = await gate.create(grants=READ)
        counts = ShardKeys(made.digest).committed(made.digest)
        await gate.client.call("SADD", counts, "session")
        await gate.tokens.delete("demo", made.id)
        assert about(await gate.client.call("PTTL", counts), KEEP_S)


class TestTelling:
    @pytest.mark.timed
    async def test_a_change_reaches_every_gate_within_a_second(self, store_url: str, gate: Gate) -> None:
        heard: list[tuple[int, str, list[str]]] = []
        async with AsyncExitStack() as stack:
            controls = []
            for n in range(3):
                client = Client(store_url, timeout_s=5)
                stack.push_async_callback(client.close)

                def note(application: str, names: list[str], n: int = n) -> None:
                    heard.append((n, application, names))

                controls.append(Control(client, store_url, lambda: None, on_authtokens=note))
                await controls[-1].start()
                stack.push_async_callback(controls[-1].stop)

            async def everybody() -> bool:
                return {n for n, _, _ in heard} == {0, 1, 2}

            tokens = AuthTokens(gate.client, controls[0].tell_authtokens)
            first, second = [
                await tokens.create("demo", {"grants": READ, "volatile": True}, grace_s=GRACE_S) for _ in "ab"
            ]
            for act in (
                lambda: tokens.update("demo", first.id, {"session_limit": 1}, grace_s=GRACE_S),
                lambda: tokens.drop_resource("demo", "v1", grace_s=GRACE_S),
                lambda: tokens.delete("demo", first.id),
            ):
                heard.clear()
                began = time.monotonic()
                await act()
                await until(everybody)
                assert time.monotonic() - began < 1
                assert {application for _, application, _ in heard} == {"demo"}
                assert {name for _, _, names in heard for name in names} <= {first.id, second.id}

    async def test_who_was_not_told_is_told_by_the_repetition(self, gate: Gate) -> None:
        made = await gate.create(grants=READ, volatile=True)
        silent = True
        told: list[list[str]] = []

        async def tell(application: str, names: Iterable[str]) -> None:
            if silent:
                raise StoreUnavailable("nobody hears")
            told.append(list(names))

        tokens = AuthTokens(gate.client, tell)
        acts: list[Callable[[], Awaitable[object]]] = [
            lambda: tokens.update("demo", made.id, {"session_limit": 5}, "a", grace_s=GRACE_S),
            lambda: tokens.drop_resource("demo", "v1", grace_s=GRACE_S),
            lambda: tokens.delete("demo", made.id, "b"),
        ]
        for act in acts:
            silent = True
            with pytest.raises(StoreUnavailable):
                await act()
            silent = False
            assert await act()
        assert told == [[made.id]] * 3

    async def test_news_that_may_have_been_missed_is_said(self, tmp_path: Path) -> None:
        async with EmbeddedValkey(tmp_path / "own") as server:
            client = Client(server.url, timeout_s=5)
            missed: list[int] = []
            control = Control(client, server.url, lambda: None, on_missed=lambda: missed.append(1))
            await control.start()
            assert missed == []
            control._heard -= 60  # as if this process had been stopped for so long
            await client.call("XADD", FEED, "*", "streams", "changed")

            async def said() -> bool:
                return bool(missed)

            await until(said)
            await control.stop()
            await client.close()


class TestEnds:
    async def test_a_token_outlasts_its_end_by_the_leeway(self, gate: Gate) -> None:
        made = await gate.create(grants=READ, expiration_date=int(time.time()) + 1000)
        assert about(await gate.ttl_ms(made), 1000 + LEEWAY_S)
        await gate.update(made.id, {"expiration_date": int(time.time()) + 50})
        assert about(await gate.ttl_ms(made), 50 + LEEWAY_S)
        await gate.update(made.id, {"session_limit": 1})
        assert about(await gate.ttl_ms(made), 50 + LEEWAY_S)
        await gate.update(made.id, {"expiration_date": None})
        assert await gate.ttl_ms(made) == -1

    async def test_one_without_an_end_stays(self, gate: Gate) -> None:
        assert await gate.ttl_ms(await gate.create(grants=READ)) == -1
        assert await gate.ttl_ms(await gate.create(grants=READ, volatile=True)) == -1
        assert await gate.ttl_ms(await gate.create()) == -1

    @pytest.mark.parametrize("end", [1_000_000_000, 0])
    async def test_one_that_has_ended_long_ago_is_not_kept(self, gate: Gate, end: int) -> None:
        made = await gate.create(grants=READ, volatile=True, expiration_date=end)
        assert made.arguments["expiration_date"] == end
        assert await gate.tokens.get("demo", made.id) is None
        assert await gate.names("n") == []

    @pytest.mark.parametrize("end", [253402300799, 10**30])
    async def test_an_end_may_be_far_away(self, gate: Gate, end: int) -> None:
        made = await gate.create(grants=READ, volatile=True, expiration_date=end)
        assert await gate.tokens.get("demo", made.id) == made
        assert about(await gate.ttl_ms(made), 253402300799 - time.time() + LEEWAY_S)

    async def test_what_a_token_has_counted_outlasts_its_new_end(self, gate: Gate) -> None:
        """Else a used-up limit would be forgotten at the old one."""
        now = int(time.time())
        made = await gate.create(grants=READ, expiration_date=now + 100)
        counts = ShardKeys(made.digest).committed(made.digest)
        await gate.client.call("SADD", counts, "session")
        await gate.client.call("EXPIREAT", counts, now + 100)
        await gate.update(made.id, {"expiration_date": now + 9000})
        assert await gate.client.call("PTTL", counts) >= (9000 + LEEWAY_S) * 1000 - 5000
        await gate.update(made.id, {"expiration_date": None})
        assert await gate.client.call("PTTL", counts) == -1
        await gate.update(made.id, {"expiration_date": now + 9000})
        assert about(await gate.client.call("PTTL", counts), 9000 + LEEWAY_S + KEEP_S)
        assert await gate.client.call("SMEMBERS", counts) == {b"session"}


class TestVolatile:
    @pytest.mark.parametrize(
        "grants",
        [{}, None, [], {"read": {}}, {"read": {"all": False, "resources": [], "session_owned": False}}],
    )
    async def test_one_that_is_made_empty_goes(self, gate: Gate, grants: object) -> None:
        made = await gate.create(grants=grants, volatile=True)
        assert about(await gate.ttl_ms(made), GRACE_S)
        assert await gate.ttl_ms(await gate.create(grants=grants, volatile=False)) == -1
        assert about(await gate.ttl_ms(await gate.create(volatile=True)), GRACE_S)

    @pytest.mark.parametrize("rule", [{"all": True}, {"session_owned": True}, {"resources": ["v"]}, "all"])
    async def test_one_that_grants_something_stays(self, gate: Gate, rule: object) -> None:
        assert await gate.ttl_ms(await gate.create(grants={"read": rule}, volatile=True)) == -1

    async def test_grants_save_it_and_nothing_else_does(self, gate: Gate) -> None:
        made = await gate.create(volatile=True, expiration_date=int(time.time()) + 1000)
        await asyncio.sleep(0.05)
        before = await gate.ttl_ms(made)
        await gate.update(made.id, {"session_limit": 1, "grants": {}})
        assert await gate.ttl_ms(made) <= before
        await gate.update(made.id, {"grants": READ})
        assert about(await gate.ttl_ms(made), 1000 + LEEWAY_S)
        await gate.update(made.id, {"grants": {}})
        assert about(await gate.ttl_ms(made), GRACE_S)
        await gate.update(made.id, {"volatile": False})
        assert about(await gate.ttl_ms(made), 1000 + LEEWAY_S)
        await gate.update(made.id, {"volatile": True})
        assert about(await gate.ttl_ms(made), GRACE_S)
        await gate.update(made.id, {"expiration_date": int(time.time()) - LEEWAY_S + 5})
        assert about(await gate.ttl_ms(made), 5)

    async def test_after_the_grace_it_is_gone(self, gate: Gate) -> None:
        """Each call says for how long: applications differ."""
        made, saved, emptied, dropped = [
            await gate.tokens.create("demo", {"volatile": True, **arguments}, grace_s=0.1)
            for arguments in ({}, {}, {"grants": {"read": {"all": True}}}, {"grants": READ})
        ]
        patient = await gate.create(volatile=True)
        assert await gate.tokens.update("demo", saved.id, {"grants": {"read": {"all": True}}}, grace_s=0.1)
        assert await gate.tokens.update("demo", emptied.id, {"grants": {}}, grace_s=0.1)
        assert await gate.tokens.drop_resource("demo", "v1", grace_s=0.1) == 1

        async def gone() -> bool:
            return [await gate.tokens.get("demo", each.id) for each in (made, emptied, dropped)] == [None] * 3

        await until(gone)
        assert await gate.update(made.id, {"grants": READ}) is None
        assert await gate.tokens.get("demo", saved.id) is not None
        assert await gate.tokens.get("demo", patient.id) is not None


class TestDropping:
    async def test_the_last_resource_takes_the_token_with_it(self, gate: Gate, other: Gate) -> None:
        grants = {
            "read": {"resources": ["v1", "é/b"], "all": False},
            "update": {"resources": ["v1"]},
            "create": {"all": False, "resources": []},
        }
        made = await gate.create(grants=grants, volatile=True)
        assert await other.drop("v1") == 1
        assert other.told == [("demo", [made.id])]
        left = await gate.tokens.get("demo", made.id)
        assert left is not None
        assert left.arguments["grants"] == {"read": {"resources": ["é/b"], "all": False}}
        assert await gate.ttl_ms(made) == -1
        assert await other.drop("v1") == 0
        assert await other.drop("é/b") == 1
        assert about(await gate.ttl_ms(made), GRACE_S)
        assert await gate.names("n") == []
        # Until then it may be given others.
        left = await gate.update(made.id, {"grants": READ})
        assert left is not None
        assert await gate.ttl_ms(made) == -1
        assert await gate.drop("v1") == 1

    async def test_only_volatile_ones_of_the_application_lose_it(self, gate: Gate) -> None:
        kept = await gate.create(grants=READ)
        freed = await gate.create(grants=READ, volatile=True)
        volatile = {"grants": READ, "volatile": True}
        foreign = await gate.tokens.create("another", volatile, grace_s=GRACE_S)
        owner = await gate.create(grants={"read": {"resources": ["v1"], "session_owned": True}}, volatile=True)
        whole = await gate.create(
            grants={"read": {"resources": ["v1"]}, "update": {"all": True}}, volatile=True
        )
        await gate.update(freed.id, {"volatile": False})
        assert await gate.drop("v1") == 2
        assert await gate.tokens.get("demo", kept.id) == kept
        assert await gate.tokens.get("another", foreign.id) == foreign
        for token, grants in (
            (freed, READ),
            (owner, {"read": {"session_owned": True}}),
            (whole, {"update": {"all": True}}),
        ):
            now = await gate.tokens.get("demo", token.id)
            assert now is not None
            assert now.arguments["grants"] == grants
            assert await gate.ttl_ms(token) == -1
        await gate.update(kept.id, {"volatile": True})
        assert await gate.drop("v1") == 1

    async def test_of_any_number_of_tokens(self, gate: Gate) -> None:
        count = 40 * AT_ONCE
        made = await asyncio.gather(*(gate.create(grants=READ, volatile=True) for _ in range(count)))
        assert await gate.drop("v1") == count
        assert sorted(name for _, names in gate.told for name in names) == sorted(token.id for token in made)
        assert max(len(names) for _, names in gate.told) <= AT_ONCE
        assert await gate.names("n") == []

    async def test_pages_of_one_shard(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(authtokens, "AT_ONCE", 1)
        made = [await gate.create(grants=READ, volatile=True) for _ in range(100)]
        assert await gate.drop("v1") == 100
        assert {names[0] for _, names in gate.told} == {token.id for token in made}

    async def test_a_token_may_name_many_and_the_index_is_bounded(self, gate: Gate) -> None:
        names = [f"v{n}" for n in range(MOST_NAMES + 1)]
        most = await gate.create(grants={"read": {"resources": names[:-1]}}, volatile=True)
        assert len(await gate.names("n")) == MOST_NAMES
        too_many = await gate.create(grants={"read": {"resources": names}}, volatile=True)
        assert len(await gate.names("n")) == MOST_NAMES
        assert await gate.drop("v7") == 1
        now = await gate.tokens.get("demo", most.id)
        assert now is not None
        assert now.arguments["grants"]["read"]["resources"] == names[:7] + names[8:-1]
        assert await gate.tokens.get("demo", too_many.id) == too_many
        await gate.tokens.delete("demo", most.id)
        assert await gate.names("n") == []

    async def test_the_index_ends_with_its_tokens(self, gate: Gate) -> None:
        end = int(time.time()) + 1000
        made = await gate.create(grants=READ, volatile=True, expiration_date=end)
        ((key, members),) = (await gate.index()).items()
        assert members == {made.digest.encode(): (end + LEEWAY_S) * 1000}
        assert about(await gate.client.call("PTTL", key), 1000 + LEEWAY_S)
        await gate.update(made.id, {"expiration_date": None})
        assert await gate.client.call("PTTL", key) == -1
        # One that has gone by itself is passed over, and swept.
        await gate.client.call("DEL", ShardKeys(made.digest).authtoken(made.digest))
        assert await gate.drop("v1") == 0
        assert await gate.names("n") == []

    async def test_dropping_and_giving_anew_race(self, gate: Gate, other: Gate) -> None:
        """Whoever comes last wins, and what the token names is what the index says."""
        for _ in range(20):
            made = await gate.create(grants=READ, volatile=True)
            await asyncio.gather(
                other.drop("v1"),
                *(gate.update(made.id, {"grants": READ}) for _ in range(3)),
            )
            now = await gate.tokens.get("demo", made.id)
            assert now is not None
            named = now.arguments["grants"] == READ
            assert (await gate.names("n") != []) == named
            await gate.tokens.delete("demo", made.id)

    async def test_lost_answers_leave_no_gate_behind(self, gate: Gate) -> None:
        made = await gate.create(grants=READ, volatile=True)
        for lost in range(1, 2 * SHARDS, 9):
            gate.client.lose = lost
            try:
                await gate.drop("v1")
            except StoreUnavailable:
                gate.client.lose = 0
        await gate.drop("v1")
        assert ("demo", [made.id]) in gate.told
        assert await gate.names("n") == []


class TestOutages:
    async def test_tokens_survive_a_restart(self, tmp_path: Path) -> None:
        server = EmbeddedValkey(tmp_path / "own")
        async with server:
            url = server.url
            gate = Gate(url)
            made = await gate.create("request", grants=READ, volatile=True)
            doomed = await gate.create(volatile=True)
            await gate.client.close()
        gate = Gate(url)
        with pytest.raises(StoreUnavailable):
            await gate.tokens.get("demo", made.id)
        await gate.client.close()
        async with server:
            gate = Gate(server.url)
            assert await gate.tokens.get("demo", made.id) == made
            assert (await gate.create("request", grants={})).id == made.id
            assert 0 < await gate.ttl_ms(doomed) <= GRACE_S * 1000
            assert await gate.drop("v1") == 1
            assert 0 < await gate.ttl_ms(made) <= GRACE_S * 1000
            await gate.client.close()


NAMES = st.sampled_from(["v1", "v2", "a/b", "é\u0000\U0001f600", '"\\', "{}", "v1 v2", ""])
RULES = st.dictionaries(st.sampled_from(["all", "session_owned"]), st.booleans() | st.none()) | st.builds(
    lambda names, flags: {"resources": names, **flags},
    st.lists(NAMES, max_size=4, unique=True),
    st.dictionaries(st.sampled_from(["all", "session_owned"]), st.booleans()),
)
GRANTS = st.dictionaries(st.sampled_from(["read", "create", "update", "destroy"]), RULES)


class TestProperties:
    async def test_dropping_is_what_a_reader_would_do(self, gate: Gate) -> None:
        """The script edits JSON: what it does not touch means what it meant."""
        loop = asyncio.get_running_loop()

        @given(GRANTS, NAMES)
        def check(grants: dict[str, Any], resource: str) -> None:
            asyncio.run_coroutine_threadsafe(dropped(grants, resource), loop).result(30)

        async def dropped(grants: dict[str, Any], resource: str) -> None:
            made = await gate.create(grants=grants, volatile=True)
            named = any(resource in rule.get("resources", ()) for rule in grants.values())
            assert await gate.drop(resource) == named
            now = await gate.tokens.get("demo", made.id)
            assert now is not None
            left = {}
            for action, rule in grants.items():
                names = [name for name in rule.get("resources", ()) if name != resource]
                kept = (
                    {**rule, "resources": names}
                    if names
                    else {k: v for k, v in rule.items() if k != "resources"}
                )
                if any(kept.values()):
                    left[action] = {k: v for k, v in kept.items() if v is not None}
            expected = left if named else grants
            read = now.arguments["grants"]
            if named:
                read = {
                    action: {k: v for k, v in rule.items() if v is not None} for action, rule in read.items()
                }
            assert read == expected
            assert (await gate.ttl_ms(made) == -1) == bool(left)
            await gate.tokens.delete("demo", made.id)
            assert await gate.names("n") == []

        await asyncio.to_thread(check)


@pytest_asyncio.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Gate]:
    """A gate on a cluster of one node, whose scripts may not touch a key of another slot than their keys'."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(str(find_binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--cluster-enabled", "yes", "--cluster-port", str(port + 10000 if port < 50000 else port - 10000)),
        cwd=tmp_path,
        env={},
        stdout=asyncio.subprocess.DEVNULL,
    )
    gate = Gate(f"redis://127.0.0.1:{port}")
    for name in SCRIPTS:
        source = (files("gate.store") / "lua" / f"{name}.lua").read_text("utf-8")
        gate.client._scripts[name] = gate.client._redis.register_script(f"#!lua\n{source}")

    async def done(*command: str | int) -> bool:
        try:
            await gate.client.call(*command)
        except StoreUnavailable:
            return False
        return True

    try:
        await until(lambda: done("PING"), 30)
        await gate.client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await until(lambda: done("SET", "probe", 1, "PX", 1), 30)
        yield gate
    finally:
        await gate.client.close()
        process.terminate()
        await process.wait()


async def test_no_script_leaves_the_slot_of_its_keys(strict: Gate) -> None:
    # The proof is one: the server does look.
    astray = ["", "digest", shard_prefix(1), 1, 1, 1, "digest"]
    with pytest.raises(StoreError, match="same slot"):
        await strict.tokens._ask("drop_resource", [naming(2, "x")], astray)
    for n in range(20):
        for end in (None, 4_000_000_000):
            made = await strict.create(f"{n}{end}", grants={}, volatile=True, expiration_date=end)
            assert (await strict.create(f"{n}{end}")).id == made.id
            counts = ShardKeys(made.digest).committed(made.digest)
            await strict.client.call("SADD", counts, "session")
            await strict.update(made.id, {"grants": READ})
            await strict.update(made.id, {"grants": {"read": {"resources": ["v1", "v2"]}}})
            await strict.drop("v1")
            await strict.drop("v2")
            assert about(await strict.ttl_ms(made), GRACE_S)
            assert await strict.tokens.delete("demo", made.id)
