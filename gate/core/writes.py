"""Writes: which grant they need, and when they need a session.

What writing takes is granted by name, or on what the session owns. PUT creates or overwrites, as it happens:
where a token may do only one of the two, the origin is asked under a precondition. A token that speaks of what
the session owns writes within a session only, because nothing else could own what it creates.
"""

from __future__ import annotations

from typing import Final

from gate.core.checks import check_grant
from gate.core.grants import Action
from gate.core.target import Target
from gate.core.token import Warrant
from gate.core.verdicts import Place

# Of Rails, Laravel, Symfony and their like, ASP.NET and OData.
_METHOD_NAMES: Final = frozenset({"_method", "x-http-method-override", "x-http-method", "x-method-override"})


def actions_of(place: Place) -> tuple[Action, ...]:
    """The actions of which one must be granted: a PUT creates or updates."""
    return (Action.CREATE, Action.UPDATE) if place.puts else (place.action,)


def names_method(target: Target) -> bool:
    """Whether the query names a method, as forms do that can only POST: many servers would take that for the
    request's, whatever was decided on."""
    return any(name.strip().lower() in _METHOD_NAMES for name, _ in target.pairs())


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
