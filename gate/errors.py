"""Faults that an operator must mend.

A refusal is not here: what a client can cause is a value (`gate.core.reasons.Deny`). Whatever inherits
from `GateError` says in one line what is wrong and where, and is safe to print: it never holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass


class GateError(Exception):
    """The gate cannot do what its operator asked for."""


class UsageError(GateError):
    """A command was called with arguments that it cannot take."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a policy file. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


class ConfigError(GateError):
    """A policy file is not usable. `problems` holds every fault that was found, in file order."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class StoreError(GateError):
    """The store cannot be used as it is: wrong version, wrong settings, damaged data."""


class StoreReplica(StoreError):
    """The store is a replica: it takes nothing down, unless it becomes the primary."""


class StoreFull(StoreError):
    """The store holds as many of something as it may."""


class StoreUnavailable(StoreError):
    """The store did not answer in time, or not at all. Trouble of ours, never the viewer's fault.

    `answered` tells that it is there and answers at once, but cannot serve now.
    """

    def __init__(self, text: str, *, answered: bool = False) -> None:
        super().__init__(text)
        self.answered = answered


class KeysError(GateError):
    """Where keys are published there is no set of them now: nobody answers, or with something else."""


class OriginError(GateError):
    """The origin did not give a usable answer: silent (504), there but unusable, or not there (502)."""

    def __init__(self, text: str, *, timed_out: bool = False, invalid: bool = False) -> None:
        super().__init__(text)
        self.timed_out = timed_out
        self.invalid = invalid
