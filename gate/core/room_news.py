"""What there is to tell of a room that has changed unseen: from how it was and how it is now.

Whoever follows a room is told of each step. One who has missed some is told what they have come to: whoever
waits for an answer gets it, and whoever is in knows who else is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gate.core.room import Participant, Room, State, TrackKind
from gate.core.room_steps import Audience, Event

_NO = frozenset({State.DENIED, State.TIMED_OUT})


def compare(before: Room, after: Room) -> tuple[Event, ...]:
    """The events that lead from the one to the other, those who are out first."""
    names = before.people.keys() | after.people.keys()
    pairs = [(before.people.get(name), after.people.get(name)) for name in sorted(names)]
    told = [event for was, now in pairs if was is not None for event in _gone(was, now)]
    told += [event for was, now in pairs if now is not None for event in _come(was, now, after.meeting)]
    return tuple(told)


def lose(before: Room, after: Room, names: Iterable[str]) -> bool:
    """Whether any of `names` may do less than before, was muted, is out, or is in by another session; or the
    room was closed."""
    if (before.disabled, before.closed_ms) != (after.disabled, after.closed_ms):
        return True
    return any(_loses(before.people.get(name), after.people.get(name)) for name in names)


def _loses(was: Participant | None, now: Participant | None) -> bool:
    if now is not None and now.disabled - (frozenset() if was is None else was.disabled):
        return True
    if was is None or was.state is not State.JOINED:
        return False
    return now is None or (now.state, now.session) != (was.state, was.session)


def _gone(was: Participant, now: Participant | None) -> Iterator[Event]:
    state = None if now is None else now.state
    why = "removed" if state is State.REMOVED else "left"
    if was.state is State.JOINED and state is not State.JOINED:
        yield Event("peerClosed", {"peerId": was.id, "reason": why}, Audience.ROOM, was.id)
    if was.state is State.WAITING and state in {None, State.LEFT, State.REMOVED}:
        yield Event("entryWithdrawn", {"id": was.id, "reason": why}, Audience.HOSTS)


def _come(was: Participant | None, now: Participant, meeting: str) -> Iterator[Event]:
    waited = was is not None and was.state is State.WAITING
    joined = was is not None and was.state is State.JOINED
    if waited and now.state is State.JOINED:
        yield from _answer(now.id, {"id": now.id, "decision": "allowed"})
    if waited and now.state in _NO:
        why = {"reason": "timed_out"} if now.state is State.TIMED_OUT else {}
        yield from _answer(now.id, {"id": now.id, "decision": "denied", **why})
    if now.state is State.WAITING and not waited:
        yield Event("entryRequested", {"id": now.id, "name": now.name}, Audience.HOSTS)
    if now.state is State.JOINED:
        if not joined:
            peer = {"id": now.id, "displayName": now.name, "sessionId": meeting}
            yield Event("newPeer", peer, Audience.ROOM, now.id)
        yield from _tracks(was if joined else None, now)


def _answer(name: str, data: dict[str, str]) -> Iterator[Event]:
    yield Event("entryResponded", data, Audience.ONE, name)
    yield Event("entryResponded", data, Audience.HOSTS, name)


def _tracks(was: Participant | None, now: Participant) -> Iterator[Event]:
    disabled = frozenset[TrackKind]() if was is None else was.disabled
    for kind in TrackKind:
        if (kind in now.disabled) is not (kind in disabled):
            state = "disabled" if kind in now.disabled else "enabled"
            if kind in now.disabled:
                told = {"peerId": ""}
                yield Event(f"disable{kind.value.capitalize()}", told, Audience.ONE, now.id)
            data = {"peerId": now.id, "kind": kind.value, "newState": state}
            yield Event("participantMediaStateChanged", data, Audience.ROOM)
        if (actor := now.asked.get(kind)) is not None and (was is None or was.asked.get(kind) != actor):
            yield Event(f"{kind.value}Requested", {"peerId": actor}, Audience.ONE, now.id)
