"""Whose an object is: the names that ownership is noted and looked up under.

A name says no more than what the origin has said was created. A PUT that is answered 201 has created what its
very target addresses, and no more: under a rule like ``/files/{resource}/**`` one new file does not make the
whole resource, which may have been there before, the uploader's. A POST's answer names a new resource, of which
everything is the creator's; but not where the client itself had chosen the name.

Names are kept apart by origin and layout: a file that is called like a camera is not that camera.
"""

from __future__ import annotations

import json
from typing import Final

from gate.core.grants import Action
from gate.core.target import Target, parse_target
from gate.core.verdicts import Permit, Place
from gate.proxy.origin import Reply

_LONGEST_ANSWER: Final = 65536


def names_of(place: Place) -> tuple[str, ...]:
    """The names of which the session must own one, to own what is asked for."""
    return (*_target_names(place), _resource_name(place, place.facts.resource))


def names_destroyed(place: Place) -> tuple[str, ...]:
    """The names that are free again once what is asked for is destroyed."""
    return names_of(place) if _is_whole(place, place.target) else _target_names(place)


async def name_created(permit: Permit, reply: Reply) -> str | None:
    """The name of what the origin has created, None where it created nothing or does not say.

    A PUT names its object itself, and has created it where the origin says 201. A POST's answer names the new
    resource: in its Location, or in a field of its JSON that the rule names.
    """
    place = permit.place
    if place.method == "PUT":
        if reply.status != 201:
            return None
        return names_of(place)[-1] if _is_whole(place, place.target) else _target_name(place, place.target.raw)
    if reads_answer(place) and place.rule.created_field is not None:
        resource = _field(await reply.peek(_LONGEST_ANSWER), place.rule.created_field)
        # What was there already is not new: an origin that writes to an object answers with its name as well.
        return None if resource in (None, place.facts.resource) else _resource_name(place, str(resource))
    for name, value in reply.fields:
        if name.lower() == b"location":
            return _located(place, value.decode("latin-1"))
    return None


def reads_answer(place: Place) -> bool:
    """Whether the body of the origin's answer says what was created."""
    return place.method == "POST" and place.action is Action.CREATE and place.rule.created_field is not None


def _located(place: Place, location: str) -> str | None:
    """The name of what a Location of the origin's addresses, by the layout of the rule."""
    base = place.rule.origin.url
    if "://" in location:
        if not location.startswith(base + "/"):
            return None
        location = location[len(base) :]
    target = parse_target(location)
    if not isinstance(target, Target):
        return None
    parts = place.rule.pattern.match(target.segments)
    if parts is None:
        return None
    resource = place.rule.layout.read(target, parts).resource
    if resource == place.facts.resource:
        return _target_name(place, target.raw)
    return _resource_name(place, resource)


def _field(body: bytes, name: str) -> str | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, str) and value else None


def _is_whole(place: Place, target: Target) -> bool:
    """Whether the target addresses its resource as a whole, not something in it."""
    resource = place.facts.resource
    return resource == "/".join(target.segments) or (
        place.rule.pattern.last == "resource" and resource == target.segments[-1]
    )


def _target_names(place: Place) -> tuple[str, ...]:
    path, raw = place.target.path, place.target.raw
    return tuple(_target_name(place, text) for text in dict.fromkeys((path, raw)))


def _target_name(place: Place, text: str) -> str:
    return f"{place.rule.origin.name} {text}"


def _resource_name(place: Place, resource: str) -> str:
    # No space in an origin's or a layout's name: what follows cannot be taken for another of the two.
    return f"{place.rule.origin.name} {place.rule.layout.name} {resource}"
