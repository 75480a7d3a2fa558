"""A link of the demo: what it asks for, and what the gate is to answer.

A link's behaviour is a list of steps, because half of what a gate does shows only at the second opening.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from gate.core.reasons import Reason


class Media(Enum):
    """What is behind a link, and so how it is watched."""

    PLAYLIST = "playlist"  # HLS: the playlist, then its newest segment
    FILE = "file"  # a part of it, by Range
    IMAGE = "image"
    ENDLESS = "endless"  # one response that lasts until the session or the token's window ends


class Act(Enum):
    """What a viewer does with a link."""

    OPEN = "open"  # asks for it, follows the redirect, fetches media
    REUSE = "reuse"  # asks for the session link that the first opening gave, as another viewer
    OUTLIVE = "outlive"  # asks for the session link of the last opening when its session is over


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an act: the statuses in their order, the gate's reason where it refused.

    `fault` says what is wrong with an answer in spite of its status.
    """

    statuses: tuple[int, ...]
    reason: str = ""
    fault: str = ""

    @property
    def plays(self) -> bool:
        return bool(self.statuses) and self.statuses[-1] < 300 and not self.fault

    def __str__(self) -> str:
        statuses = ", ".join(map(str, self.statuses))
        if self.plays:
            return f"plays ({statuses})"
        return ": ".join(filter(None, (f"{statuses} {self.reason}".strip(), self.fault)))


@dataclass(frozen=True, slots=True)
class Step:
    """One act, `times` times, each with the same outcome."""

    act: Act
    outcome: Outcome
    times: int = 1


@dataclass(frozen=True, slots=True)
class Link:
    """A URL to try. `session_s` is how long its sessions last, where that is not as long as the token, and
    `runs_s` how long its response does, where the token's window ends it. `clipped_to` (Unix seconds) is the
    window that its playlist reaches beyond at the origin, whose name in the policy is `origin`.
    """

    name: str
    group: str
    title: str
    path: str
    media: Media
    words: str
    steps: tuple[Step, ...]
    session_s: int | None = None
    runs_s: int | None = None
    clipped_to: tuple[int, int] | None = None
    origin: str = "cameras"

    @property
    def has_token(self) -> bool:
        """Whether the URL carries one: of the native format, or of Ziggeo's."""
        return any(name in self.path for name in ("?token=", "?client_auth="))

    @property
    def openings(self) -> tuple[Outcome, ...]:
        """What the first, second, ... opening gives; further ones give what the last does."""
        return tuple(step.outcome for step in self.steps if step.act is Act.OPEN for _ in range(step.times))


def written(steps: Sequence[Step], between: str = "; ") -> str:
    """The steps and their outcomes as text, with `between` from one to the next."""
    texts, opened = [], 0
    for step in steps:
        if step.act is Act.OPEN:
            first, opened = opened + 1, opened + step.times
            several = f"{first} to {opened}" if step.times > 1 else f"{first}"
            texts.append(f"opening {several}: {step.outcome}" if opened > 1 else str(step.outcome))
        elif step.act is Act.REUSE:
            texts.append(f"its session link {step.times} times: {step.outcome}")
        else:
            texts.append(f"after its end: {step.outcome}")
    return between.join(texts)


def refusal(reason: Reason) -> Outcome:
    """The outcome of an act that the gate refuses for this reason."""
    return Outcome((reason.rule.status,), reason.value)
