"""Commands that wait for one room, taken as one step: they are written together, and told in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gate.core.room import Room
from gate.core.room_steps import Happened, Step

Command = Callable[[Room, int], Step]


@dataclass(frozen=True, slots=True)
class Combined:
    """What the first of the commands come to: each one's own step or fault, and the step that they are
    together, None where they change nothing."""

    answers: tuple[Step | Exception, ...]
    step: Step | None


def combine(room: Room, commands: Sequence[Command], now_ms: int) -> Combined:
    """The commands one after the other, up to one with which a meeting ends: a step is of one meeting."""
    now, steps = room, list[Step]()
    answers: list[Step | Exception] = []
    for command in commands:
        try:
            step = command(now, now_ms)
        except Exception as error:  # whatever it is, it is its caller's, and none of the others'
            answers.append(error)
            continue
        if step.room is not now:
            now = replace(step.room, sequence=room.sequence + 1)
            step = replace(step, room=now)
            steps.append(step)
        answers.append(step)
        if any(entry.happened is Happened.ENDED for entry in step.log):
            break
    if not steps:
        return Combined(tuple(answers), None)
    together = Step(
        now,
        events=tuple(event for step in steps for event in step.events),
        log=tuple(entry for step in steps for entry in step.log),
        changed=frozenset[str]().union(*(step.changed for step in steps)),
    )
    return Combined(tuple(answers), together)
