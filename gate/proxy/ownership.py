"""Whose an object is: the names that ownership is noted and looked up under.

A name says no more than what the origin has said was created. A PUT that is answered 201 has created what its
very target addresses, and no more: under a rule like ``/files/{resource}/**`` one new file does not make the
whole resource, which may have been there before, the uploader's. A POST's answer names a new resource, of which
everything is the creator's; but not where the client itself had chosen the name.

Names are kept apart by origin and layout: a file that is called like a camera is not that camera.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

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
        answer = read_answer(place, reply.status, await reply.peek(_LONGEST_ANSWER))
        resource = answer.fields.get(place.rule.created_field) if answer.done else None
        resource = resource if isinstance(resource, str) and resource else None
        # What was there already is not new: an origin that writes to an object answers with its name as well.
        return None if resource in (None, place.facts.resource) else _resource_name(place, str(resource))
    for name, value in reply.fields:
        if name.lower() == b"location":
            return _located(place, value.decode("latin-1"))
    return None


async def has_destroyed(permit: Permit, reply: Reply) -> bool:
    """Whether the origin's answer to DELETE says that it has."""
    if not _is_wrapped(permit.place):
        return 200 <= reply.status < 300
    return read_answer(permit.place, reply.status, await reply.peek(_LONGEST_ANSWER)).done


def reads_answer(place: Place) -> bool:
    """Whether the body of the origin's answer says what was done."""
    if place.action is Action.DESTROY:
        return _is_wrapped(place)
    return place.method == "POST" and place.action is Action.CREATE and place.rule.created_field is not None


@dataclass(frozen=True, slots=True)
class Said:
    """What an origin's answer says: whether it has done what was asked, and its JSON object's fields."""

    done: bool
    fields: Mapping[str, Any] = field(default_factory=dict)


def read_answer(place: Place, status: int, body: bytes) -> Said:
    """What the answer to a write says. Total.

    An origin of Ziggeo's API that is asked with ``_wrapstatus=true`` answers 200 whatever happened, and says in
    the body what did: ``{"status": 201, "responseText": the answer, or its JSON text}``.
    """
    said = _object(body)
    if _is_wrapped(place) and "status" in said:
        status, inner = _status(said["status"]), said.get("responseText")
        said = inner if isinstance(inner, dict) else _object(inner) if isinstance(inner, str) else {}
    return Said(200 <= status < 300, said)


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


def is_whole(place: Place) -> bool:
    """Whether what is asked for is its resource as a whole."""
    return _is_whole(place, place.target)


def _is_wrapped(place: Place) -> bool:
    wraps = place.rule.layout.name == "ziggeo" and ("_wrapstatus", "true") in place.target.pairs()
    return wraps and place.method in ("POST", "DELETE")


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _status(value: object) -> int:
    """The status in an envelope, a number or its digits; anything else is a failure."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) == 3 else 500


def _is_whole(place: Place, target: Target) -> bool:
    """Whether the target addresses its resource as a whole, not something in it."""
    resource = place.facts.resource
    if resource == "/".join(target.segments):
        return True
    if place.rule.pattern.last == "resource" or place.rule.layout.name == "ziggeo":
        # The first segment of that name is the last of all: nothing in it is called like it.
        return resource in target.segments and target.segments.index(resource) == len(target.segments) - 1
    return False


def _target_names(place: Place) -> tuple[str, ...]:
    path, raw = place.target.path, place.target.raw
    return tuple(_target_name(place, text) for text in dict.fromkeys((path, raw)))


def _target_name(place: Place, text: str) -> str:
    return f"{place.rule.origin.name} {text}"


def _resource_name(place: Place, resource: str) -> str:
    # No space in an origin's or a layout's name: what follows cannot be taken for another of the two.
    return f"{place.rule.origin.name} {place.rule.layout.name} {resource}"
