"""VideoSDK's API for rooms, for its server SDK as it is; and the way into rooms, which the vendor has none for.

By a token that names the role ``crawler``, or no role:

    POST GET  /v2/rooms                               make one, list them
    GET       /v2/rooms/{id}, /v2/rooms/validate/{id}
    POST      /v2/rooms/deactivate
    GET       /v2/sessions, /v2/sessions/{id}, ../participants, ../participants/active, ../participants/{id}
    POST      /v2/sessions/participants/remove, /v2/sessions/end

By a token that names the role ``rtc``, or no role, and under the session link that joining gives:

    POST      /v2/rooms/{id}/join, ../requestEntry    ?wait=seconds, or Prefer: wait=seconds
    POST      /v2/rooms/{id}/leave
    GET       /v2/rooms/{id}/participants
    POST      /v2/rooms/{id}/{command}                gate.api.videosdk_commands

Rooms are their application's, by whichever of its keys they were made. A token that names no role does what
servers do as far as its permissions go: without ``allow_mod`` it makes rooms and reads. One that is for a room
touches no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gate.api.claimed import Told
from gate.api.videosdk_caller import Caller, identify
from gate.api.videosdk_documents import Document
from gate.api.videosdk_participants import ParticipantCalls, Visitor, Waiting
from gate.api.videosdk_reading import LONGEST_BODY, read_body
from gate.api.videosdk_refusals import Refusal, refuse
from gate.api.videosdk_rooms import Call, RoomCalls, check_server
from gate.api.videosdk_routes import MODERATING, PARTICIPANTS, Operation, Route, find_route
from gate.api.videosdk_sessions import SessionCalls
from gate.core.credentials import Headers
from gate.core.policy import Application, Policy
from gate.core.reasons import Deny, Reason
from gate.core.room import RoomRules
from gate.core.target import Target
from gate.errors import StoreError, UsageError
from gate.rooms.desk import Desk
from gate.rooms.door import Door
from gate.store.rooms import Rooms
from gate.wire.answers import Fields, json_answer
from gate.wire.failures import Failures
from gate.wire.peers import Peer

# What whoever guesses at keys and secrets is told. A token that has ended was one.
_GUESSED: Final = frozenset(
    {
        Reason.TOKEN_MALFORMED,
        Reason.TOKEN_SIGNATURE,
        Reason.TOKEN_ALGORITHM,
        Reason.UNKNOWN_KEY,
        Reason.TICKET_INVALID,
    }
)
_WAITS: Final = Reason.WAITING_FOR_ADMISSION

Outcome = Document | Waiting | Deny | Refusal


class VideoSdkApi:
    """Answers the requests that `find` claims. `rules` gives an application's rules for rooms.

    `failures` counts what was no token; the clock of `now`, Unix seconds, is its clock too.
    """

    def __init__(
        self,
        rooms: Rooms,
        desk: Desk,
        door: Door,
        failures: Failures,
        rules: Callable[[Application], RoomRules],
    ) -> None:
        self._door = door
        self._failures = failures
        self._rules = rules
        people = ParticipantCalls(desk, door)
        made, held = RoomCalls(rooms, desk), SessionCalls(rooms, desk)
        self._for_servers = {
            Operation.CREATE_ROOM: made.create,
            Operation.LIST_ROOMS: made.list,
            Operation.GET_ROOM: made.get,
            Operation.DEACTIVATE_ROOM: made.deactivate,
            Operation.LIST_SESSIONS: held.list,
            Operation.GET_SESSION: held.get,
            Operation.LIST_PEOPLE: held.list_people,
            Operation.LIST_ACTIVE: held.list_active,
            Operation.GET_PERSON: held.get_person,
            Operation.REMOVE_PERSON: held.remove_person,
            Operation.END_SESSION: held.end,
        }
        self._for_participants = {
            Operation.JOIN: people.join,
            Operation.LEAVE: people.leave,
            Operation.SHOW_PEOPLE: people.show,
            Operation.COMMAND: people.command,
        }

    @property
    def longest_body(self) -> int:
        return LONGEST_BODY

    def find(self, method: str, raw_target: str, policy: Policy) -> Route | None:
        """What the request is for; None where it is not for this API."""
        return find_route(method, raw_target, policy)

    async def answer(
        self,
        route: Route,
        headers: Headers,
        peer: Peer,
        body: bytes,
        policy: Policy,
        request_id: str,
        cors: Fields,
        now: float,
    ) -> Told:
        """The answer to a request, with the header fields of `cors`, whatever it is."""
        try:
            caller = await self._admit(route, headers, peer.address, body, policy, now)
        except StoreError:
            caller = Deny(Reason.STORE_UNAVAILABLE)
        name = caller.application.name if isinstance(caller, Caller) else None
        outcome: Outcome
        if not isinstance(caller, Caller):
            outcome = caller
        else:
            try:
                outcome = await self._call(route, caller, headers, peer, body, policy, now)
            except UsageError as error:
                outcome = Deny(Reason.MALFORMED_REQUEST, str(error))
            except StoreError:
                outcome = Deny(Reason.STORE_UNAVAILABLE)
        return _tell(outcome, name, request_id, cors)

    def too_large(self, request_id: str, cors: Fields) -> Told:
        """The body is longer than LONGEST_BODY, and was not read."""
        return _tell(Deny(Reason.BODY_TOO_LARGE), None, request_id, cors)

    async def _admit(
        self, route: Route, headers: Headers, address: str, body: bytes, policy: Policy, now: float
    ) -> Caller | Deny | Refusal:
        """Who calls, where there is something to call. Raises StoreError."""
        target = route.target
        if isinstance(target, Deny):
            return target
        if route.operation is None:
            if not route.allowed:
                return Deny(Reason.NOT_SERVED)
            return Refusal(Deny(Reason.METHOD_NOT_ALLOWED), allowed=route.allowed)
        if body and route.method == "GET":
            return Deny(Reason.BODY_NOT_ALLOWED)
        # A session link is sealed: there is no guessing at it, and who has joined is not held up by others.
        if route.link is None and (wait_s := self._failures.wait_s(address, now)) > 0:
            return Refusal(Deny(Reason.TOO_MANY_FAILURES), retry_after_s=wait_s)
        caller = await identify(self._door, target, headers, route.link, policy, address, now)
        if isinstance(caller, Deny) and caller.reason in _GUESSED:
            self._failures.add(address, now)
        return caller

    async def _call(
        self,
        route: Route,
        caller: Caller,
        headers: Headers,
        peer: Peer,
        body: bytes,
        policy: Policy,
        now: float,
    ) -> Outcome:
        operation, target = route.operation, route.target
        if operation is None or not isinstance(target, Target):
            return Deny(Reason.NOT_SERVED)
        if operation in PARTICIPANTS:
            visitor = Visitor(
                caller,
                target,
                headers,
                peer.address,
                route.names,
                read_body(body),
                self._rules(caller.application),
                policy,
                now,
            )
            return await self._for_participants[operation](visitor)
        if (refusal := check_server(caller, moderates=operation in MODERATING)) is not None:
            return refusal
        base = f"{peer.scheme}://{peer.host}" if peer.host else ""
        call = Call(caller, target, route.names, read_body(body), base, now)
        return await self._for_servers[operation](call)


def _tell(outcome: Outcome, application: str | None, request_id: str, cors: Fields) -> Told:
    if isinstance(outcome, (Deny, Refusal)):
        deny = outcome if isinstance(outcome, Deny) else outcome.deny
        return Told(refuse(outcome, request_id, cors), application, deny.reason.value)
    if isinstance(outcome, Waiting):
        more = (("Gate-Reason", _WAITS.value), ("Retry-After", str(_WAITS.rule.retry_after_s)))
        answer = json_answer(202, outcome.document, request_id, cors, more=more)
        return Told(answer, application, _WAITS.value)
    return Told(json_answer(200, outcome, request_id, cors), application)
