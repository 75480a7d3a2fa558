"""Writes: which grant they need, and when they need a session.

What writing takes is granted by name, or on what the session owns. PUT creates or overwrites, as it happens:
where a token may do only one of the two, the origin is asked under a precondition. A token that speaks of what
the session owns writes within a session only, because nothing else could own what it creates.
"""

from __future__ import annotations

from gate.core.checks import check_grant
from gate.core.grants import Action
from gate.core.token import Warrant
from gate.core.verdicts import Place


def actions_of(place: Place) -> tuple[Action, ...]:
    """The actions of which one must be granted: a PUT creates or updates."""
    return (Action.CREATE, Action.UPDATE) if place.puts else (place.action,)


def asks_ownership(place: Place, warrant: Warrant) -> bool:
    """Whether it matters to the decision that the session owns the object."""
    return any(
        action is not Action.CREATE and grant.session_owned and not grant.covers(place.facts.resource)
        for action in actions_of(place)
        if (grant := warrant.grants.get(action)) is not None
    )


def precondition(place: Place, warrant: Warrant, owned: bool) -> tuple[str, str] | None:
    """What a PUT is forwarded under, where only one of creating and updating is granted (RFC 9110, 13.1)."""
    if not place.puts:
        return None
    may_create = check_grant(warrant, Action.CREATE, place.facts.resource, owned) is None
    may_update = check_grant(warrant, Action.UPDATE, place.facts.resource, owned) is None
    if may_create and may_update:
        return None
    return ("If-None-Match", "*") if may_create else ("If-Match", "*")


def writes_in_session(warrant: Warrant) -> bool:
    """Whether the warrant speaks of what the session owns, so that there must be one when it writes."""
    return any(grant.session_owned for grant in warrant.grants.by_action.values())
