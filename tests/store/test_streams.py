"""Added streams on a real store: several gates, lost answers, races, bounds, damage and restarts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gate.core.policy import Access
from gate.core.stream import Stream, Unreadable, load_stream
from gate.errors import StoreError, StoreFull, StoreUnavailable
from gate.store import streams as room
from gate.store.client import Client
from gate.store.embedded import EmbeddedValkey
from gate.store.keys import FEED, GENERATION, STREAMS
from gate.store.streams import REPEAT_S, Streams

CAM = Stream("cam1", "http://10.0.0.1:8080/base", "aipix", True, Access.PRIVATE, (), 86400, "demo")


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
    """One gate's added streams, with a client of its own."""

    def __init__(self, url: str) -> None:
        self.client = Store(url, timeout_s=5)
        self.streams = Streams(self.client)

    async def told(self) -> list[tuple[str, int]]:
        """What all gates have been told: uid and generation."""
        entries = await self.client.call("EVAL", "return redis.call('XRANGE', KEYS[1], '-', '+')", 1, FEED)
        flat = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in entries]
        return [(fields[b"stream"].decode(), int(fields[b"generation"])) for fields in flat]


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


def timeless(stream: Stream | None) -> Stream | None:
    return stream and replace(stream, made_at=0.0, changed_at=0.0)


class TestAdd:
    @pytest.mark.parametrize(
        "stream",
        [
            CAM,
            replace(CAM, dvr_depth_s=None, enabled=False, access=Access.NONE),
            replace(CAM, whitelist=(ip_network("10.0.0.0/8"), ip_network("::1/128")), access=Access.PROTECTED),
            replace(CAM, whitelist=tuple(ip_network((0x0A000000 + n, 32)) for n in range(1000))),
            replace(CAM, dvr_depth_s=36500 * 86400, origin="https://[::1]:9000/a%20b"),
            replace(CAM, uid="A.b_c~d:e-" + "f" * 245, layout="flussonic"),
        ],
    )
    async def test_every_gate_has_it_as_it_was_given(self, gate: Gate, other: Gate, stream: Stream) -> None:
        assert await gate.streams.add(stream)
        held = await other.streams.get(stream.uid)
        assert timeless(held) == stream
        assert held is not None
        assert abs(held.made_at - time.time()) < 5
        assert held.changed_at == held.made_at
        assert await gate.told() == [(stream.uid, 1)]

    async def test_a_uid_is_taken_once(self, gate: Gate, other: Gate) -> None:
        assert await gate.streams.add(CAM)
        assert not await other.streams.add(replace(CAM, access=Access.PUBLIC))
        assert timeless(await other.streams.get("cam1")) == CAM
        assert await gate.told() == [("cam1", 1)]

    async def test_of_a_crowd_one_adds_it(self, make_gate: Callable[[], Gate]) -> None:
        gates = [make_gate() for _ in range(5)]
        added = await asyncio.gather(*(gates[n % 5].streams.add(CAM) for n in range(100)))
        assert sum(added) == 1

    async def test_a_thousand_in_parallel(self, gate: Gate, other: Gate) -> None:
        wanted = [replace(CAM, uid=f"cam{n}") for n in range(1000)]
        assert all(await asyncio.gather(*map(gate.streams.add, wanted)))
        streams, generation = await other.streams.read_all()
        assert generation == 1000
        assert {uid: timeless(stream) for uid, stream in streams.items()} == {each.uid: each for each in wanted}
        assert sorted(at for _, at in await gate.told()) == list(range(1, 1001))

    async def test_what_cannot_be_is_not_written(self, gate: Gate) -> None:
        for wrong in ({"uid": "a/b"}, {"origin": "ftp://a"}, {"uid": "live", "layout": "hls"}):
            with pytest.raises(ValueError, match=r"uid|URL"):
                await gate.streams.add(replace(CAM, **wrong))
        assert await gate.client.call("DBSIZE") == 0

    async def test_there_is_a_most_of_them(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(room, "MOST_STREAMS", 2)
        assert await gate.streams.add(CAM)
        assert await gate.streams.add(replace(CAM, uid="b"), "again")
        with pytest.raises(StoreFull, match="there are 2 added streams"):
            await gate.streams.add(replace(CAM, uid="c"), "wish")
        assert not await gate.streams.add(CAM)
        assert await gate.streams.update("cam1", {"enabled": False})
        await gate.streams.remove("b")
        assert await gate.streams.add(replace(CAM, uid="c"), "wish")


class TestUpdate:
    async def test_what_is_not_named_stays(self, gate: Gate, other: Gate) -> None:
        await gate.streams.add(CAM)
        made = await gate.streams.get("cam1")
        assert made is not None
        await asyncio.sleep(0.002)
        changes = {"access": Access.PROTECTED, "whitelist": (ip_network("10.0.0.0/8"),), "dvr_depth_s": None}
        after = await other.streams.update("cam1", changes)
        assert after == await gate.streams.get("cam1")
        assert after is not None
        assert after == replace(made, **changes, changed_at=after.changed_at)  # type: ignore[arg-type]
        assert after.changed_at > made.changed_at
        emptied = await gate.streams.update("cam1", {"whitelist": ()})
        assert emptied is not None
        assert emptied.whitelist == ()
        assert await gate.told() == [("cam1", 1), ("cam1", 2), ("cam1", 3)]

    async def test_of_what_is_not_there_nothing_is_made(self, gate: Gate) -> None:
        assert await gate.streams.update("cam1", {"enabled": False}) is None
        assert await gate.client.call("EXISTS", STREAMS, GENERATION, FEED) == 0

    async def test_two_at_once_are_both_kept(self, gate: Gate, other: Gate) -> None:
        await gate.streams.add(CAM)
        for n in range(50):
            await asyncio.gather(
                gate.streams.update("cam1", {"dvr_depth_s": n}),
                other.streams.update("cam1", {"origin": f"http://a{n}"}),
            )
            held = await gate.streams.get("cam1")
            assert held is not None
            assert (held.dvr_depth_s, held.origin) == (n, f"http://a{n}")

    @pytest.mark.parametrize(
        "changes", [{"uid": "b"}, {"made_ms": 1}, {"enabled": "yes"}, {"access": "all"}, {"origin": None}]
    )
    async def test_what_cannot_be_changes_nothing(self, gate: Gate, changes: dict[str, object]) -> None:
        await gate.streams.add(CAM)
        with pytest.raises(ValueError, match=r"field|enabled|access|URL"):
            await gate.streams.update("cam1", changes)
        assert timeless(await gate.streams.get("cam1")) == CAM
        assert await gate.told() == [("cam1", 1)]


class TestRepetition:
    async def test_the_same_request_is_one_wish(self, gate: Gate, other: Gate) -> None:
        assert await gate.streams.add(CAM, "one")
        assert await other.streams.add(CAM, "one")
        assert not await other.streams.add(CAM, "two")
        first = await gate.streams.update("cam1", {"dvr_depth_s": 1}, "one")
        assert await other.streams.update("cam1", {"dvr_depth_s": 1}, "one") == first
        # One that comes late does not take back what has been changed since.
        last = await gate.streams.update("cam1", {"dvr_depth_s": 2})
        assert await gate.streams.update("cam1", {"dvr_depth_s": 1}, "one") == last
        assert await gate.streams.remove("cam1", "one")
        assert await other.streams.remove("cam1", "one")
        assert not await other.streams.remove("cam1", "two")
        # And what it added and another removed it does not add again.
        assert await gate.streams.add(CAM, "one")
        assert await gate.streams.get("cam1") is None
        assert await gate.streams.update("cam1", {"dvr_depth_s": 1}, "one") is None
        assert not await gate.streams.add(CAM, "two")
        assert await gate.streams.add(CAM, "three")
        assert await gate.told() == [("cam1", n) for n in range(1, 6)]

    async def test_a_request_is_of_one_stream(self, gate: Gate) -> None:
        assert await gate.streams.add(CAM, "one")
        assert await gate.streams.add(replace(CAM, uid="cam2"), "one")

    async def test_a_lost_answer_is_asked_for_again(self, gate: Gate) -> None:
        for act in (
            lambda: gate.streams.add(CAM),
            lambda: gate.streams.update("cam1", {"enabled": False}),
            lambda: gate.streams.remove("cam1"),
        ):
            gate.client.lose = 1
            assert await act()
        assert await gate.told() == [("cam1", 1), ("cam1", 2), ("cam1", 3)]
        gate.client.lose = 2
        with pytest.raises(StoreUnavailable):
            await gate.streams.add(CAM)

    async def test_requests_are_forgotten_and_streams_are_not(self, gate: Gate) -> None:
        await gate.streams.add(CAM)
        await gate.streams.add(CAM)
        await gate.streams.update("nobody", {"enabled": True})
        await gate.streams.remove("nobody")
        names = {key.decode() for key in await gate.client.call("KEYS", "*")}
        assert {STREAMS, GENERATION, FEED} < names
        assert len(names) == 7
        for name in names:
            assert name.startswith("gate:{control}:")
            ttl_ms = await gate.client.call("PTTL", name)
            assert (REPEAT_S - 5) * 1000 < ttl_ms <= REPEAT_S * 1000 if ":q:" in name else ttl_ms == -1


class TestRemove:
    async def test_it_is_gone_and_its_uid_is_anybodys(self, gate: Gate, other: Gate) -> None:
        await gate.streams.add(CAM)
        assert await other.streams.remove("cam1")
        assert await gate.streams.get("cam1") is None
        assert not await gate.streams.remove("cam1")
        assert await gate.streams.add(replace(CAM, access=Access.PUBLIC))
        held = await other.streams.get("cam1")
        assert held is not None
        assert held.access is Access.PUBLIC
        assert await gate.told() == [("cam1", 1), ("cam1", 2), ("cam1", 3)]

    @pytest.mark.parametrize("uid", ["", "..", "a/b", "x" * 256, "é", "\ud800", "a\nb"])
    async def test_what_is_no_uid_is_never_there(self, gate: Gate, uid: str) -> None:
        assert not await gate.streams.remove(uid)
        assert await gate.streams.get(uid) is None
        assert await gate.streams.read([uid]) == {}
        assert await gate.client.call("DBSIZE") == 0


class TestPages:
    async def test_all_come_in_pages(self, gate: Gate) -> None:
        await asyncio.gather(*(gate.streams.add(replace(CAM, uid=f"cam{n}")) for n in range(300)))
        found, cursor, pages = dict[str, object](), "", 0
        while True:
            page = await gate.streams.page(cursor, 50)
            found.update(page.streams)
            pages += 1
            if not (cursor := page.cursor):
                break
        assert found.keys() == {f"cam{n}" for n in range(300)}
        assert pages > 3

    async def test_none_are_a_page(self, gate: Gate) -> None:
        page = await gate.streams.page()
        assert (dict(page.streams), page.cursor) == ({}, "")
        assert await gate.streams.read_all() == ({}, 0)
        assert await gate.streams.read([]) == {}

    @pytest.mark.parametrize("cursor", ["x", "-1", "1 ", "²", "1" * 21, "\ud800"])
    async def test_what_is_no_cursor(self, gate: Gate, cursor: str) -> None:
        with pytest.raises(ValueError, match="cursor"):
            await gate.streams.page(cursor)


class TestDamage:
    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 5000, '{"v":2}', "\xff", '{"v":1}'])
    async def test_one_takes_no_other_down(self, gate: Gate, text: str) -> None:
        await gate.streams.add(CAM)
        await gate.client.call("HSET", STREAMS, "bad", text)
        streams, _ = await gate.streams.read_all()
        assert timeless(streams["cam1"]) == CAM  # type: ignore[arg-type]
        assert isinstance(streams["bad"], Unreadable)
        assert await gate.streams.read(["bad", "cam1", "none"]) == streams
        for act in (gate.streams.get("bad"), gate.streams.update("bad", {"enabled": True})):
            with pytest.raises(StoreError, match="cannot be read, and is closed: bad"):
                await act
        assert not await gate.streams.add(replace(CAM, uid="bad"))
        assert await gate.streams.remove("bad")
        assert await gate.streams.add(replace(CAM, uid="bad"))

    async def test_one_under_anothers_uid_is_none(self, gate: Gate) -> None:
        await gate.streams.add(CAM)
        text = await gate.client.call("HGET", STREAMS, "cam1")
        await gate.client.call("HSET", STREAMS, "cam2", text)
        assert isinstance((await gate.streams.read(["cam2"]))["cam2"], Unreadable)

    async def test_an_impossible_name_is_passed_over(
        self, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        await gate.streams.add(CAM)
        for name in (b"a/b", b"\xff", b"", b"{*}"):
            await gate.client.call("HSET", STREAMS, name, "x")
        streams, _ = await gate.streams.read_all()
        assert list(streams) == ["cam1"]
        assert caplog.text.count("impossible name") == 4


async def test_what_is_kept_is_flat_json_without_lists(gate: Gate) -> None:
    await gate.streams.add(replace(CAM, whitelist=(ip_network("10.0.0.0/8"), ip_network("10.1.0.1/32"))))
    text = await gate.client.call("HGET", STREAMS, "cam1")
    fields = json.loads(text)
    assert fields["whitelist"] == "10.0.0.0/8 10.1.0.1"
    assert not any(isinstance(value, list | dict) for value in fields.values())
    assert load_stream(text) == await gate.streams.get("cam1")


async def test_they_outlive_a_restart_of_the_store(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "own")
    await server.start()
    gate = Gate(server.url)
    await asyncio.gather(*(gate.streams.add(replace(CAM, uid=f"cam{n}")) for n in range(50)))
    before = await gate.streams.read_all()
    await server.stop()
    with pytest.raises(StoreUnavailable):
        await gate.streams.read_all()
    await gate.client.close()
    await server.start()
    gate = Gate(server.url)
    assert await gate.streams.read_all() == before
    assert before[1] == 50
    await gate.client.close()
    await server.stop()
