"""What `gate demo --check` does beside opening links: stories, each of deeds, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from gate.demo.link import Outcome

_NETWORK_TROUBLE: Final = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done, and what came of it."""

    words: str
    expected: Outcome
    got: Outcome

    @property
    def agrees(self) -> bool:
        return self.expected == self.got

    def __str__(self) -> str:
        """The answer, and what it should have been where it is another."""
        got = _written(self.got)
        return got if self.agrees else f"{got}, not {_written(self.expected)}"


@dataclass(frozen=True, slots=True)
class Story:
    """Deeds one after the other, up to the first that differs."""

    title: str
    deeds: tuple[Deed, ...]

    @property
    def agrees(self) -> bool:
        return all(deed.agrees for deed in self.deeds)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request; no statuses where no answer came."""

    outcome: Outcome
    body: bytes

    @property
    def status(self) -> int:
        return self.outcome.statuses[0] if self.outcome.statuses else 0


def _written(outcome: Outcome) -> str:
    """As a link's outcome, but that not all that succeeds plays."""
    return f"{outcome.statuses[0]}" if outcome.plays else str(outcome)


async def hear(title: str, story: AsyncGenerator[Deed]) -> Story:
    """The story, told up to the first deed that differs."""
    deeds: list[Deed] = []
    async with aclosing(story):
        async for deed in story:
            deeds.append(deed)
            if not deed.agrees:
                break
    return Story(title, tuple(deeds))


async def ask(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    body: bytes | Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """What came; redirects are not followed."""
    try:
        async with http.request(
            method, URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
        ) as answer:
            outcome = Outcome((answer.status,), answer.headers.get("Gate-Reason", ""))
            return Answer(outcome, await answer.read())
    except _NETWORK_TROUBLE as error:
        return Answer(Outcome((), fault=f"no answer: {type(error).__name__}"), b"")
