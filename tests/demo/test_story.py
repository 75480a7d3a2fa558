from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import aiohttp

from gate.demo.link import Outcome
from gate.demo.story import Deed, Story, ask, hear

GOOD = Deed("plays it", Outcome((206,)), Outcome((206,)))
WRONG = replace(GOOD, got=Outcome((403,), "muted"))


def test_a_story_agrees_where_every_deed_does() -> None:
    assert Story("A", (GOOD, GOOD)).agrees
    assert not Story("A", (GOOD, WRONG)).agrees
    assert not Story("A", (GOOD, replace(GOOD, got=Outcome((206,), fault="half of it")))).agrees


def test_a_deed_says_what_came_and_what_should_have() -> None:
    assert str(GOOD) == "206"
    assert str(WRONG) == "403 muted, not 206"


async def test_a_story_ends_with_the_first_deed_that_differs() -> None:
    told = []

    async def tell() -> AsyncGenerator[Deed]:
        try:
            for deed in (GOOD, WRONG, GOOD):
                told.append(deed)
                yield deed
        finally:
            told.append("the end")

    assert await hear("A", tell()) == Story("A", (GOOD, WRONG))
    assert told == [GOOD, WRONG, "the end"]


async def test_no_answer_is_an_outcome_too(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as http:
        answer = await ask(http, "GET", f"http://127.0.0.1:{unused_tcp_port}/")
    assert (answer.status, answer.body) == (0, b"")
    assert answer.outcome.fault.startswith("no answer: Client")
