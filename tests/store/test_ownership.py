"""Whose an object is: the first visit's that notes it, until that ends."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gate.store.keys import owned
from gate.store.sessions import KEEP_S, LEEWAY_S

if TYPE_CHECKING:
    from tests.store.conftest import Desk


async def test_of_a_hundred_racers_through_two_gates_one_owns_it(desk: Desk, other_desk: Desk) -> None:
    desks = (desk, other_desk)
    ends_at = time.time() + 60
    answers = await asyncio.gather(
        *(desks[n % 2].sessions.own("demo", "video", f"visit{n}", ends_at) for n in range(100))
    )
    assert sum(answers) == 1
    assert await other_desk.sessions.owner("demo", "video") == f"visit{answers.index(True)}"


async def test_it_is_its_owners_until_it_is_gone(desk: Desk) -> None:
    sessions = desk.sessions
    assert await sessions.owner("demo", "video") is None
    for _ in range(3):
        assert await sessions.own("demo", "video", "first", None)
        assert not await sessions.own("demo", "video", "second", None)
    await sessions.disown("demo", "video")
    await sessions.disown("demo", "video")
    assert await sessions.owner("demo", "video") is None
    assert await sessions.own("demo", "video", "second", None)
    assert not await sessions.own("demo", "video", "first", None)


async def test_names_that_run_together_alike_are_not_the_same_object(desk: Desk) -> None:
    pairs = [
        *(("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")),
        *(("a:b", "c"), ("a", "b:c"), ("a:", "b:c"), ("a", ":b:c")),
        *(("a", "b/c"), ("a/b", "c"), ("a\0b", "c"), ("a", "b\0c")),
        *(("1:a", "b"), ("1", "a:b"), ("a", "1:b"), ("a}", "{b"), ("a", "}{b")),
        *(("a", "bC"), ("a", "bc "), ("a", "b\u0301c"), ("a", "\udcff"), ("a", "\u00ff")),
    ]
    assert len({owned(*pair) for pair in pairs}) == len(pairs)
    for n, pair in enumerate(pairs):
        assert await desk.sessions.own(*pair, f"visit{n}", None), pair
    assert [await desk.sessions.owner(*pair) for pair in pairs] == [f"visit{n}" for n in range(len(pairs))]
    # An object's name says nothing of it, and breaks no key.
    for key in await desk.client.call("KEYS", "gate:*"):
        assert len(key) == len(owned("a", "b"))


async def test_it_is_kept_for_longer_than_the_visit_lives(desk: Desk) -> None:
    """The visit may be renewed: what it created stays its own, and becomes nobody else's, for a long while."""
    for resource, ends_at, keep_s in (
        ("ends", time.time() + 600, KEEP_S + LEEWAY_S),
        ("ends late", time.time() + 2 * KEEP_S, 2 * KEEP_S + LEEWAY_S),
        ("endless", None, KEEP_S + LEEWAY_S),
        ("ended", time.time() - 600, KEEP_S + LEEWAY_S),
    ):
        assert await desk.sessions.own("demo", resource, "visit", ends_at)
        ttl_s = await desk.client.call("PTTL", owned("demo", resource)) / 1000
        assert keep_s - 5 < ttl_s <= keep_s + 1, resource


async def test_noted_again_it_is_kept_longer_and_never_shorter(desk: Desk) -> None:
    now, key = time.time(), owned("demo", "video")
    late = 2 * KEEP_S
    await desk.sessions.own("demo", "video", "visit", now + late)
    await desk.sessions.own("demo", "video", "visit", now + 60)
    assert await desk.client.call("PTTL", key) > (late - 10) * 1000
    await desk.sessions.own("demo", "video", "visit", now + late + 6000)
    assert await desk.client.call("PTTL", key) > (late + 5990) * 1000
    # Who does not own it changes nothing of that.
    assert not await desk.sessions.own("demo", "video", "other", now + 2 * late)
    assert await desk.client.call("PTTL", key) <= (late + 6000 + LEEWAY_S) * 1000


async def test_a_note_that_is_delivered_again_says_the_same(desk: Desk) -> None:
    await desk.sessions.own("demo", "video", "visit", None)
    assert await desk.client.deliver_again() == 1
    await desk.sessions.own("demo", "video", "other", None)
    assert await desk.client.deliver_again() == 0
    assert await desk.sessions.owner("demo", "video") == "visit"
