"""Who comes in to a room by asking for media there.

A room token's holder is in a room by a session. The first request for media that comes by a session which the
room does not know is its knock: whoever may enters at once, whoever must ask waits, and gets 503 until somebody
has answered, because players ask again after that. For those who are in, the worker's copy of the room says
what they may do, without a wait.

One participant may have several programs. Where they use the bare token, each has a session of its own by its
client; what a signed participant publishes with the token by which they are in belongs to the session that they
are in by, so that an encoder beside a browser is no second participant. Whoever joins anew, by the API's call,
by another token or by a player on another device, takes the place of the one before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gate.core.credentials import Headers
from gate.core.grants import Action
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.room import (
    Participant,
    Room,
    RoomPass,
    State,
    Track,
    check_room,
    check_track,
    find_person,
)
from gate.core.room_steps import Asking, join, participant_of
from gate.core.session import opened_ms, peeks
from gate.core.verdicts import Opened, Permit
from gate.proxy.ledger import Ledger
from gate.rooms.desk import Desk, Seat
from gate.store.sessions import Facts

# What a bare token's next session is free of.
PASSING: Final = frozenset({Reason.DUPLICATE_PARTICIPANT, Reason.ROOM_CLOSED})


class Entrance:
    """Lets participants in to rooms, and asks the rooms what they may do there."""

    def __init__(self, desk: Desk, ledger: Ledger) -> None:
        self._desk = desk
        self._ledger = ledger

    def check(self, permit: Permit) -> Deny | None:
        """None while the room lets the holder of this permit do it; as far as this worker knows, now."""
        asked = _asked(permit)
        if asked is None:
            return None
        application, room_pass, session, track = asked
        room = self._desk.get(application.name, track.room)
        if room is None:
            # It is being read anew: what was let in a moment ago has nothing against it yet.
            return None
        person = _stand(room, room_pass, application, session)
        if isinstance(person, Deny):
            return person
        if person is None:
            return Deny(Reason.NOT_JOINED)
        return check_track(room, person, track, writes=permit.place.action is not Action.READ)

    async def enter(self, permit: Permit, headers: Headers, facts: Facts) -> Permit | Deny:
        """The permit, if the room has let its holder in, or lets them in now. Raises StoreError.

        `facts` are kept beside a session that counts from now on.
        """
        asked = _asked(permit)
        if asked is None:
            return permit
        application, room_pass, session, track = asked
        place, videosdk = permit.place, application.videosdk
        room = self._desk.get(application.name, track.room)
        if room is None:
            room = await self._desk.find(application.name, track.room)
        person = Deny(Reason.ROOM_UNKNOWN) if room is None else _stand(room, room_pass, application, session)
        if room is None or videosdk is None or isinstance(person, Deny):
            return person if isinstance(person, Deny) else Deny(Reason.ROOM_UNKNOWN)
        if person is None or person.state in {State.DENIED, State.TIMED_OUT}:
            if place.action is Action.READ and peeks(place.method, headers, place.facts):
                # Whoever looks at nothing does not knock.
                return Deny(Reason.NOT_JOINED)
            if permit.commit is not None:
                # Who knocks uses their token: one that opens a single session has opened it.
                committed, _ = await self._ledger.commit(permit, application.on_limit, facts)
                if isinstance(committed, Deny):
                    return committed
                permit = committed
            asking = asking_of(room_pass, application, session, permit, place.client)
            step = await self._desk.do(
                application.name, track.room, lambda room, now_ms: join(room, asking, videosdk.rooms, now_ms)
            )
            if step is None:
                return Deny(Reason.ROOM_UNKNOWN)
            if isinstance(step.answer, Deny):
                return step.answer
            room, person = step.room, step.answer
        if person is None:
            return Deny(Reason.NOT_JOINED)
        self._desk.see(Seat(application.name, track.room, person.id, session))
        refusal = check_track(room, person, track, writes=place.action is not Action.READ)
        return permit if refusal is None else refusal

    async def know(self, permit: Permit) -> None:
        """The room that the permit is for is known here, if there is one. Raises StoreError."""
        application, track = permit.place.application, permit.place.facts.track
        if application is not None and track is not None:
            await self._desk.find(application.name, track.room)

    def seat(self, permit: Permit) -> Seat | None:
        """Where the holder of the permit sits; None where it is for no room."""
        asked = _asked(permit)
        if asked is None:
            return None
        application, room_pass, session, track = asked
        name = participant_of(room_pass, application.name, session)
        return Seat(application.name, track.room, name, session)

    def settle(self, permit: Permit, outcome: Opened, token: str) -> Opened:
        """The session that a bare token's use belongs to, of the one that the store has given its client.

        What a signed participant publishes belongs to the one that they are in by, if it is this token's.
        """
        asked = _asked(replace(permit, session=outcome.session))
        if asked is None or permit.place.action is Action.READ:
            return outcome
        application, room_pass, _, track = asked
        room = self._desk.get(application.name, track.room)
        if room is None or room_pass.participant is None:
            return outcome
        person = room.people.get(room_pass.participant)
        here = person is not None and person.state in {State.JOINED, State.WAITING}
        if person is None or not here or person.token != token:
            return outcome
        return replace(outcome, session=person.session)

    def is_over(self, permit: Permit, session: str) -> bool:
        """Whether the room was closed since this session began, as far as is known here."""
        asked = _asked(replace(permit, session=session))
        if asked is None:
            return False
        application, _, _, track = asked
        room = self._desk.get(application.name, track.room)
        refusal = None if room is None else check_room(room, opened_ms(session))
        return refusal is not None and refusal.reason is Reason.ROOM_CLOSED


def asking_of(
    room_pass: RoomPass, application: Application, session: str, permit: Permit, client: str
) -> Asking:
    """The knock of whoever holds the permit: by media alone they say no name but their id."""
    name = participant_of(room_pass, application.name, session)
    owner, token = permit.owner or "", permit.token or ""
    return Asking(name, name, session, owner, token, client, room_pass.permissions)


def _asked(permit: Permit) -> tuple[Application, RoomPass, str, Track] | None:
    application, track = permit.place.application, permit.place.facts.track
    if permit.room is None or application is None or track is None or permit.session is None:
        return None
    return application, permit.room, permit.session, track


def _stand(
    room: Room, room_pass: RoomPass, application: Application, session: str
) -> Participant | Deny | None:
    """How somebody stands in the room by this session; None where they have to knock."""
    name = participant_of(room_pass, application.name, session)
    return check_room(room, opened_ms(session)) or find_person(room, session, name)
