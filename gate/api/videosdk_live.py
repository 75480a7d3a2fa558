"""Who listens to a room, and what they are told: events over Server-Sent Events, and commands over WebSocket.

    GET  /v2/rooms/{room}/events     events, for an EventSource
    GET  /v2/rooms/{room}/socket     events and commands, in the frames of the vendor's signalling (protoo)

With a room token, or below a session link. Both begin with the room as it is, ``roomState``, and whoever comes
again gets it again. So events carry no id: nothing is replayed, and a client that has been away for a moment
knows as much as one that has not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from gate.api.videosdk_caller import Caller, identify
from gate.api.videosdk_commands import failure_of
from gate.core.credentials import Headers
from gate.core.life import life_of
from gate.core.policy import Policy
from gate.core.reasons import Deny, Reason
from gate.core.room import MUTABLE, Participant, Room, State, Use, check_room, refuse_entry
from gate.core.session import opened_ms
from gate.core.target import Target, parse_target
from gate.formats.videosdk_errors import code_of
from gate.rooms.desk import Desk, Seat
from gate.rooms.door import Door
from gate.wire.peers import Peer

_ROOMS: Final = "/v2/rooms/"
_ENDS: Final = ("/events", "/socket")
_PATH: Final = re.compile(r"/v2/rooms/[^/]+/(events|socket)")
_HERE: Final = frozenset({State.JOINED, State.WAITING})


@dataclass(frozen=True, slots=True)
class Route:
    """Whose events are asked for, and how. `link` is the text of the session link that they are below."""

    method: str
    room: str
    socket: bool
    target: Target
    link: str | None


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody who listens. `ends_at` (Unix seconds) is when it is to be asked whether they still may."""

    seat: Seat
    caller: Caller
    link: str | None
    ends_at: float | None


@dataclass(frozen=True, slots=True)
class Welcome:
    """The room as an attendee may see it: one JSON object. Who is not `joined` waits, and sees nobody."""

    text: str
    joined: bool


class VideoSdkLive:
    """Who may listen, and what they are told first. It keeps the last room that it described."""

    def __init__(self, door: Door, desk: Desk) -> None:
        self._door = door
        self._desk = desk
        self._described: tuple[Room, str, str] | None = None

    def find(self, method: str, raw_target: str, policy: Policy) -> Route | None:
        """What the request is for; None where it is not for this API."""
        path = raw_target.partition("?")[0]
        if not path.endswith(_ENDS) or _ROOMS not in path:
            return None
        at, link = 0, None
        if not path.startswith(_ROOMS):
            prefix = policy.sessions.prefix
            if not path.startswith(prefix):
                return None
            link, slash, _ = path[len(prefix) :].partition("/")
            at = len(prefix) + len(link)
            if not link or not slash:
                return None
        match = _PATH.fullmatch(path, at)
        if match is None or all(each.videosdk is None for each in policy.applications.values()):
            return None
        # Of a link only what is below it is a target: how long the link is, is no matter of the room's.
        target = parse_target(raw_target[at:], policy.limits.target)
        if isinstance(target, Deny):
            return None  # refused as any other
        return Route(method, target.segments[2], match[1] == "socket", target, link)

    async def attend(
        self, route: Route, headers: Headers, peer: Peer, policy: Policy, now: float
    ) -> Attendee | Deny:
        """Who listens, where they are in the room or wait for admission. Raises StoreError.

        From here on there is a copy of the room at the desk.
        """
        if route.method != "GET":
            return Deny(Reason.METHOD_NOT_ALLOWED, facts=(("allowed", ["GET"]),))
        caller = await identify(self._door, route.target, headers, route.link, policy, peer.address, now)
        if isinstance(caller, Deny):
            return caller
        refusal = caller.check_use(Use.MEDIA) or caller.check_room(route.room)
        if refusal is not None:
            return refusal
        room = await self._desk.find(caller.application.name, route.room)
        came_ms = round(now * 1000) if caller.ticket is None else opened_ms(caller.ticket.session)
        if room is None or (refusal := check_room(room, came_ms)) is not None:
            return refusal or Deny(Reason.ROOM_UNKNOWN)
        person = _find_here(caller, room)
        if isinstance(person, Deny):
            return person
        seat = Seat(caller.application.name, room.id, person.id, person.session)
        return Attendee(seat, caller, route.link, _ends_at(caller, person))

    def welcome(self, attendee: Attendee) -> Welcome | Deny | None:
        """The room as it is now; None where the desk has no copy of it at the moment."""
        seat = attendee.seat
        room = self._desk.get(seat.application, seat.room)
        if room is None:
            return None
        person = _find_here(attendee.caller, room)
        if isinstance(person, Deny):
            return person
        if person.session != seat.session:
            return Deny(Reason.DUPLICATE_PARTICIPANT, "the participant has joined again elsewhere")
        joined = person.state is State.JOINED
        told: dict[str, object] = {"participantId": person.id, "status": person.state.value}
        told["sessionId"] = room.meeting if joined else ""
        if person.asked:
            told["requests"] = [{"kind": kind.value, "peerId": by} for kind, by in person.asked.items()]
        people, waiting = self._describe(room) if joined else ("[]", "[]")
        more = f',"waiting":{waiting}' if person.hosts else ""
        return Welcome(f'{write(told)[:-1]}{more},"participants":{people}}}', joined)

    async def renew(self, attendee: Attendee, policy: Policy, now: float) -> Attendee | Deny:
        """The attendee after their end has come: a session that was renewed meanwhile goes on until its new
        one. Raises StoreError."""
        if attendee.link is None:
            return Deny(Reason.SESSION_EXPIRED)
        opened = await self._door.open(attendee.link, policy, now)
        return opened if isinstance(opened, Deny) else replace(attendee, ends_at=opened[1].ends_at)

    def _describe(self, room: Room) -> tuple[str, str]:
        """Who is in and who waits, as JSON: written once for all who come while nothing changes."""
        if self._described is None or self._described[0] is not room:
            waiting = [each for each in room.people.values() if each.state is State.WAITING]
            people = write([_shown(person) for person in room.present])
            self._described = room, people, write([{"id": each.id, "name": each.name} for each in waiting])
        return self._described[1:]


def write(value: object) -> str:
    """The value as JSON in ASCII, in one line."""
    return json.dumps(value, separators=(",", ":"), default=_plain)


def explain(deny: Deny) -> dict[str, object]:
    """Why a stream ends, in the vendor's words where it has some."""
    code, name = code_of(deny.reason) or (close_code(deny), deny.reason.value.upper())
    told = deny.detail or deny.reason.rule.title
    return {"code": code, "name": name, "reason": deny.reason.value, "message": told}


def close_code(deny: Deny) -> int:
    """The code that a WebSocket closes with: the vendor's, else 4000 and the status (RFC 6455, 7.4.2)."""
    known = code_of(deny.reason)
    return known[0] if known is not None and 4000 <= known[0] < 5000 else 4000 + deny.reason.rule.status


def fail(command: str, deny: Deny) -> dict[str, object]:
    """Why a command failed, as the vendor's clients are told."""
    code, _ = failure_of(command, deny.reason) or code_of(deny.reason) or (deny.reason.rule.status, "")
    told = deny.detail or deny.reason.rule.title
    return {"errorCode": code, "errorReason": told, "reason": deny.reason.value}


def _find_here(caller: Caller, room: Room) -> Participant | Deny:
    person = caller.find(room)
    return person if isinstance(person, Deny) or person.state in _HERE else refuse_entry(person)


def _ends_at(caller: Caller, person: Participant) -> float | None:
    """When the session ends by which the caller is in the room, as far as what they present can say."""
    if caller.ticket is not None:
        return caller.ticket.ends_at
    if caller.token is None:
        return None
    usage_s, until_s = life_of(caller.token, caller.application)
    ends = [float(until_s)] if until_s is not None else []
    if usage_s is not None:
        ends.append(opened_ms(person.session) / 1000 + usage_s)
    return min(ends, default=None)


def _shown(person: Participant) -> dict[str, str]:
    tracks = {kind.value: "disabled" if kind in person.disabled else "enabled" for kind in _TRACKS}
    return {"id": person.id, "displayName": person.name, **tracks}


_TRACKS: Final = sorted(MUTABLE, key=lambda kind: kind.value)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
