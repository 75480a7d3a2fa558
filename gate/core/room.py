"""Rooms: who is in one, who waits for admission, and what each may do to the tracks there.

A room is a durable name. While somebody is in it, it has a *meeting*: the vendor's word is session, which here
is one opening of a player or page with a token (`gate.core.session`). A participant is a signed participant id,
or where the token signs none, one session of it. Nobody is a participant by naming one.

What VideoSDK's tokens permit, and the numbers of its errors: the vendor's JavaScript SDK 1.1 and its guides
"Waiting lobby" and "Manage permissions".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from gate.core.reasons import Deny, Reason

# A participant's id is shown to others, stands in URLs, and is compared whole.
LONGEST_ID: Final = 128


class Permission(Enum):
    """What a room token says of its holder, in the vendor's words."""

    ALLOW_JOIN = "allow_join"  # enters without asking, and answers those who ask
    ASK_JOIN = "ask_join"  # must ask
    ALLOW_MOD = "allow_mod"  # mutes, removes, closes the room


class Use(Enum):
    """What a room token may be used for, in the vendor's words (``roles``)."""

    API = "crawler"
    MEDIA = "rtc"


class TrackKind(Enum):
    MIC = "mic"
    WEBCAM = "webcam"
    SCREEN = "screen"


# The tracks that moderators may disable: the vendor knows no such message for the screen.
MUTABLE: Final = frozenset({TrackKind.MIC, TrackKind.WEBCAM})


@dataclass(frozen=True, slots=True)
class Track:
    """One participant's microphone, camera or screen, as a URL names it."""

    room: str
    participant: str
    kind: TrackKind


@dataclass(frozen=True, slots=True)
class RoomPass:
    """What a room token says. `room` and `participant` are None where it names none; `key` is its API key."""

    key: str
    permissions: frozenset[Permission]
    room: str | None = None
    participant: str | None = None
    uses: frozenset[Use] = frozenset(Use)


class State(Enum):
    """How a participant stands to the room. Who has left, and is not to come back otherwise, is kept too."""

    WAITING = "waiting"
    JOINED = "joined"
    DENIED = "denied"  # may ask again at `until_ms`
    TIMED_OUT = "timed_out"  # nobody answered; may ask again at `until_ms`
    REMOVED = "removed"  # does not come back to this meeting
    LEFT = "left"  # kept because of what is disabled


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody whom a room knows. Times are Unix milliseconds of the store.

    `session` is the gate's session by which they are there, `owner` and `token` those of it; `client` is the
    key of the client that opened it. `since_ms` is when the state began, `until_ms` when a waiting one is told
    no, or a denied one may ask again; 0 for neither. `disabled` are the tracks that a moderator has taken from
    them, and `asked` those that one wants to give back, with the participant who asked.
    """

    id: str
    name: str
    state: State
    session: str
    owner: str
    token: str
    client: str
    permissions: frozenset[Permission]
    since_ms: int
    until_ms: int = 0
    disabled: frozenset[TrackKind] = frozenset()
    asked: Mapping[TrackKind, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def hosts(self) -> bool:
        """Whether they are told of those who wait, and may answer them."""
        return self.state is State.JOINED and Permission.ALLOW_JOIN in self.permissions

    @property
    def moderates(self) -> bool:
        return self.state is State.JOINED and Permission.ALLOW_MOD in self.permissions


@dataclass(frozen=True, slots=True)
class Room:
    """A room as the store has it at its `sequence`, which grows by one with each change.

    `meeting` is the id of the one that goes on, '' where nobody is in; `closed_ms` is when the last one was
    closed: no session from before comes in again. `allowed` are the only participants that may join, all where
    it is empty. `settings` is what its maker has said beside that, as JSON, for those who ask for the room.
    """

    application: str
    id: str
    custom_id: str
    made_ms: int
    changed_ms: int
    sequence: int = 0
    disabled: bool = False
    meeting: str = ""
    closed_ms: int = 0
    allowed: frozenset[str] = frozenset()
    settings: str = "{}"
    people: Mapping[str, Participant] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def present(self) -> list[Participant]:
        """Who is in, in the order of joining."""
        joined = (person for person in self.people.values() if person.state is State.JOINED)
        return sorted(joined, key=lambda person: (person.since_ms, person.id))


@dataclass(frozen=True, slots=True)
class RoomRules:
    """What an application says of its rooms, in seconds and counts.

    Who waits for longer than `entry_timeout_s` is told no, and may ask again `entry_pause_s` after any no.
    `consent`: giving a track back takes its owner's yes. So many may be in as `most_people`, and as many wait.
    """

    entry_timeout_s: float = 60.0
    entry_pause_s: float = 30.0
    consent: bool = True
    most_people: int = 1000


DEFAULT_ROOM_RULES: Final = RoomRules()


def find_person(room: Room, session: str, name: str) -> Participant | Deny | None:
    """The participant `name` as the session of theirs that asks has them.

    None where that session has not come in yet, or its time is over. Of two sessions of one participant the
    younger one is theirs. Their tokens may differ, and with them the owners that session ids begin with.
    """
    person = room.people.get(name)
    if person is None or person.state is State.LEFT:
        return None
    if _made(person.session) > _made(session):
        return Deny(Reason.DUPLICATE_PARTICIPANT, "the participant has joined again elsewhere")
    if person.state is State.REMOVED:
        return Deny(Reason.REMOVED_FROM_ROOM)
    return person if person.session == session else None


def check_room(room: Room | None, session_ms: int) -> Deny | None:
    """None where a session that was opened at `session_ms` (Unix milliseconds) may be in the room."""
    if room is None:
        return Deny(Reason.ROOM_UNKNOWN)
    if room.disabled:
        return Deny(Reason.ROOM_DISABLED)
    if session_ms <= room.closed_ms:
        return Deny(Reason.ROOM_CLOSED)
    return None


def check_track(room: Room, person: Participant, track: Track, *, writes: bool) -> Deny | None:
    """None where the participant may do this to the track now: write their own, or read anybody's."""
    if person.state is not State.JOINED:
        return refuse_entry(person)
    if writes:
        if track.participant != person.id:
            return Deny(Reason.TRACK_NOT_YOURS)
        if track.kind in person.disabled:
            return Deny(Reason.TRACK_DISABLED)
        return None
    owner = room.people.get(track.participant)
    if owner is not None and track.kind in owner.disabled:
        return Deny(Reason.MUTED)
    return None


def refuse_entry(person: Participant) -> Deny:
    """Why somebody who is not in is not in."""
    reasons = {
        State.WAITING: Reason.WAITING_FOR_ADMISSION,
        State.DENIED: Reason.ENTRY_DENIED,
        State.TIMED_OUT: Reason.ENTRY_TIMED_OUT,
        State.REMOVED: Reason.REMOVED_FROM_ROOM,
    }
    return Deny(reasons.get(person.state, Reason.NOT_JOINED))


def _made(session: str) -> str:
    """What sorts session ids by when they were made: all but the shard (`gate.core.session.session_id`)."""
    return session[2:]
