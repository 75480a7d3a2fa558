"""A worker's copy of a table, by itself: what is heard, what is missed, and a store that comes and goes.

That it follows a real store is shown where there is one: test_streams.py, test_api_keys.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping

import pytest
import pytest_asyncio

from gate.errors import StoreUnavailable
from gate.proxy.copy import Copy


class Table:
    """What a copy is of. While it is `away`, nothing is read; `readings` are what was asked for."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.away = False
        self.readings: list[list[str] | None] = []
        self.changes: list[frozenset[str]] = []
        log = logging.getLogger("gate.test")
        self.copy: Copy[int] = Copy("rows", self.read, self.read_all, self.changes.append, log)

    async def read(self, names: Iterable[str]) -> Mapping[str, int]:
        self._ask(wanted := list(names))
        return {name: self.rows[name] for name in wanted if name in self.rows}

    async def read_all(self) -> Mapping[str, int]:
        self._ask(None)
        return dict(self.rows)

    def _ask(self, names: list[str] | None) -> None:
        if self.away:
            raise StoreUnavailable("the store is away")
        self.readings.append(names)


@pytest_asyncio.fixture
async def table() -> AsyncIterator[Table]:
    made = Table()
    yield made
    await made.copy.stop()


async def test_all_is_known_once_it_has_started(table: Table) -> None:
    table.rows = {"a": 1}
    assert not table.copy.whole
    await table.copy.start()
    assert table.copy.whole
    assert table.copy.entries == {"a": 1}
    assert table.changes == [{"a"}]
    with pytest.raises(TypeError):
        table.copy.entries["b"] = 2  # type: ignore[index]


async def test_what_is_heard_is_read_and_nothing_else(table: Table) -> None:
    table.rows = {"a": 1, "b": 1}
    await table.copy.start()
    before = table.copy.entries
    table.rows = {"b": 2, "c": 3, "d": 4}
    await table.copy.learn(["a", "b", "c"])
    assert table.copy.entries == {"b": 2, "c": 3}
    assert before == {"a": 1, "b": 1}
    assert table.changes == [{"a", "b"}, {"a", "b", "c"}]
    assert table.readings == [None, ["a", "b", "c"]]


async def test_what_has_not_changed_is_not_told(table: Table) -> None:
    table.rows = {"a": 1}
    await table.copy.start()
    await table.copy.learn(["a", "nothing"])
    assert table.changes == [{"a"}]


async def test_what_may_have_been_missed_is_all_read_anew(table: Table) -> None:
    table.rows = {"a": 1, "b": 1}
    await table.copy.start()
    table.rows = {"b": 2}
    table.copy.miss()
    await table.copy.learn([])
    assert table.copy.entries == {"b": 2}
    assert table.changes[1:] == [{"a", "b"}]


async def test_while_the_store_is_away_the_last_copy_stays(
    table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gate.test")
    table.rows = {"a": 1}
    await table.copy.start()
    table.away, table.rows = True, {"a": 2}
    table.copy.hear("a")
    await table.copy.learn(["a"], within_s=0.05)
    assert table.copy.entries == {"a": 1}
    table.away = False
    await table.copy.learn(["a"], within_s=5)
    assert table.copy.entries == {"a": 2}
    await asyncio.sleep(0)
    assert caplog.messages == [
        "rows cannot be read, the last copy stays in force: the store is away",
        "rows are read again: there are 1",
    ]


async def test_it_starts_beside_a_store_that_is_away(table: Table) -> None:
    table.away = True
    with pytest.raises(StoreUnavailable):
        await table.copy.start()
    await table.copy.start(reachable=False)
    await asyncio.sleep(0.01)
    assert not table.copy.whole
    table.away, table.rows = False, {"a": 1}
    await table.copy.learn([], within_s=5)
    assert table.copy.whole
    assert table.copy.entries == {"a": 1}
