"""What a token permits: actions on resources.

A resource is named by its id, and ids are compared whole: there are no prefixes and no patterns, so
``ch1`` never opens ``ch10``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class Action(Enum):
    """What is done to a resource. Ziggeo's four words, which the native format shares."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for one action: on all resources, on those named, or on what the session itself created."""

    all: bool = False
    resources: frozenset[str] = frozenset()
    session_owned: bool = False

    def covers(self, resource: str, owned: bool = False) -> bool:
        """Whether the action may be done to `resource`; `owned` says that this session created it."""
        return self.all or resource in self.resources or (self.session_owned and owned)

    def meet(self, other: Grant) -> Grant:
        """What both permit. That one names a resource and the other owns it is not enough."""
        if self.all or other.all:
            return other if self.all else self
        return Grant(False, self.resources & other.resources, self.session_owned and other.session_owned)


@dataclass(frozen=True, slots=True)
class Grants:
    """One grant for each action that is granted at all; an absent action is not."""

    by_action: Mapping[Action, Grant] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, action: Action) -> Grant | None:
        return self.by_action.get(action)

    def meet(self, other: Grants) -> Grants:
        """What both permit."""
        both = {
            action: grant.meet(other.by_action[action])
            for action, grant in self.by_action.items()
            if action in other.by_action
        }
        return Grants(MappingProxyType(both))
