"""Who calls the API for rooms: the holder of a token, or of the link of a session that has joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.core.credentials import Headers, Sources, find_token
from gate.core.policy import Application, Policy
from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, Room, RoomPass, Use, find_person
from gate.core.room_steps import participant_of
from gate.core.target import Target
from gate.core.ticket import Ticket
from gate.core.token import Token
from gate.rooms.door import Door

# Where the vendor's clients put their tokens: raw or as Bearer, and in the query of its signalling.
SOURCES: Final = Sources(query=frozenset({"token", "secret"}))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: by a `token`, or by the `ticket` of a session link."""

    application: Application
    room_pass: RoomPass
    token: Token | None = None
    ticket: Ticket | None = None

    @property
    def participant(self) -> str | None:
        """Who they are in a room; None where their token names nobody, and they have not joined with it."""
        if self.ticket is None:
            return self.room_pass.participant
        return participant_of(self.room_pass, self.application.name, self.ticket.session)

    def check_use(self, use: Use) -> Deny | None:
        """None where the token may be used for this."""
        if use in self.room_pass.uses:
            return None
        return Deny(Reason.ROLE_NOT_GRANTED, f"the token's roles lack {use.value}")

    def check_room(self, room: str) -> Deny | None:
        """None where the token is for this room, or for any."""
        if self.room_pass.room in {None, room}:
            return None
        return Deny(Reason.ROOM_NOT_GRANTED)

    def find(self, room: Room) -> Participant | Deny:
        """How they stand in the room. Who comes with a token that names them is whoever of that name is in."""
        name = self.participant
        person = None if name is None else room.people.get(name)
        if person is None or name is None:
            return Deny(Reason.NOT_JOINED)
        session = person.session if self.ticket is None else self.ticket.session
        return find_person(room, session, name) or Deny(Reason.NOT_JOINED)


async def identify(
    door: Door,
    target: Target,
    headers: Headers,
    link: str | None,
    policy: Policy,
    address: str,
    now: float,
) -> Caller | Deny:
    """Who calls `target`; `link` is the text of the session link that it came under, which then decides.

    Raises StoreError.
    """
    if link is not None:
        opened = await door.open(link, policy, now)
        if isinstance(opened, Deny):
            return opened
        application, ticket = opened
        room_pass = None if ticket.warrant is None else ticket.warrant.room
        if room_pass is None:
            return Deny(Reason.TICKET_INVALID, "the session link is for no room")
        return Caller(application, room_pass, ticket=ticket)
    text = find_token(target, headers, SOURCES)
    if isinstance(text, Deny):
        return text
    if text is None:
        return Deny(Reason.TOKEN_MISSING)
    read = door.read(text, policy, address, now)
    if isinstance(read, Deny):
        return read
    application, token = read
    if token.warrant.room is None:
        return Deny(Reason.TOKEN_MALFORMED)
    return Caller(application, token.warrant.room, token=token)
