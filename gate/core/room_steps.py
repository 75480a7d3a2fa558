"""What happens in a room: each command is one step from a room to the next, or a refusal.

Steps are pure. Whoever keeps the room writes what a step has changed if the room is still the one that the
step began with, and else takes the step anew: so two of them never mix, and of two that contradict each other
the one that is written first holds. Two moderators answer one knock: the second is told that it was answered. A
guest leaves while being admitted: they were in and have left, or the answer finds nobody who waits. Both end
the same way on every gate.

The names of events are the vendor's where it has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from gate.core.reasons import Deny, Reason
from gate.core.room import (
    MUTABLE,
    Participant,
    Permission,
    Room,
    RoomPass,
    RoomRules,
    State,
    TrackKind,
    check_room,
    find_person,
    refuse_entry,
)
from gate.core.session import opened_ms
from gate.core.token import digest

# The actor of a command that comes from the application's server: it may do what moderators may.
SERVER: Final = ""
_HERE: Final = frozenset({State.JOINED, State.WAITING})
_TOLD_NO: Final = frozenset({State.DENIED, State.TIMED_OUT})


class Audience(Enum):
    """Who is told of an event: those who are in, those of them who admit, or one participant."""

    ROOM = "room"
    HOSTS = "hosts"
    ONE = "one"


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell. `participant` is the one who is told or, where others are told, the one who is not."""

    name: str
    data: Mapping[str, object]
    audience: Audience = Audience.ROOM
    participant: str = ""


class Happened(Enum):
    """What the log of a meeting holds."""

    BEGAN = "began"
    JOINED = "joined"
    LEFT = "left"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a meeting's log, at `at_ms` (Unix milliseconds)."""

    meeting: str
    happened: Happened
    at_ms: int
    participant: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """The room after a command. The `answer` is how a participant stands now, or a refusal.

    `changed` are the participants who differ.
    """

    room: Room
    answer: Participant | Deny | None = None
    events: tuple[Event, ...] = ()
    log: tuple[Entry, ...] = ()
    changed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody who wants to come in: see `gate.core.room.Participant`."""

    id: str
    name: str
    session: str
    owner: str
    token: str
    client: str
    permissions: frozenset[Permission]


class _Draft:
    """A step in the making."""

    def __init__(self, room: Room, now_ms: int) -> None:
        self.room, self.now_ms = room, now_ms
        self.people = dict(room.people)
        self.meeting = room.meeting
        self._events: list[Event] = []
        self._log: list[Entry] = []
        self._changed: set[str] = set()

    def put(self, person: Participant) -> None:
        self.people[person.id] = person
        self._changed.add(person.id)

    def drop(self, name: str) -> None:
        del self.people[name]
        self._changed.add(name)

    def tell(self, name: str, data: Mapping[str, object], audience: Audience, participant: str = "") -> None:
        self._events.append(Event(name, MappingProxyType(dict(data)), audience, participant))

    def come_in(self, person: Participant) -> Participant:
        person = replace(person, state=State.JOINED, since_ms=self.now_ms, until_ms=0)
        self.put(person)
        if not self.meeting:
            self.meeting = digest("meeting", self.room.id, f"{person.session}:{self.now_ms}")
            self.note(Happened.BEGAN)
        self.note(Happened.JOINED, person)
        peer = {"id": person.id, "displayName": person.name, "sessionId": self.meeting}
        self.tell("newPeer", peer, Audience.ROOM, person.id)
        return person

    def go_out(self, person: Participant, state: State, why: str) -> None:
        """The participant is in no more, nor waits; what must outlast that is kept until the meeting ends."""
        if person.state is State.JOINED:
            self.note(Happened.LEFT, person)
            self.tell("peerClosed", {"peerId": person.id, "reason": why}, Audience.ROOM, person.id)
        else:
            self.tell("entryWithdrawn", {"id": person.id, "reason": why}, Audience.HOSTS)
        if state is State.REMOVED or person.disabled:
            kept = replace(person, state=state, since_ms=self.now_ms, until_ms=0, asked=MappingProxyType({}))
            self.put(kept)
        else:
            self.drop(person.id)

    def say_no(self, person: Participant, state: State, rules: RoomRules, why: str) -> Participant:
        until_ms = self.now_ms + round(rules.entry_pause_s * 1000)
        person = replace(person, state=state, since_ms=self.now_ms, until_ms=until_ms)
        self.put(person)
        self.answer(person.id, "denied", why)
        return person

    def answer(self, name: str, decision: str, why: str = "") -> None:
        data = {"id": name, "decision": decision, **({"reason": why} if why else {})}
        self.tell("entryResponded", data, Audience.ONE, name)
        self.tell("entryResponded", data, Audience.HOSTS, name)

    def note(self, happened: Happened, person: Participant | None = None) -> None:
        who = ("", "") if person is None else (person.id, person.name)
        self._log.append(Entry(self.meeting, happened, self.now_ms, *who))

    def done(self, answer: Participant | Deny | None = None) -> Step:
        """The step. A meeting that nobody is in any more has ended, and what was kept for it goes."""
        if self.meeting and not any(person.state is State.JOINED for person in self.people.values()):
            self.note(Happened.ENDED)
            for person in list(self.people.values()):
                if person.state in {State.LEFT, State.REMOVED}:
                    self.drop(person.id)
            self.meeting = ""
        room = replace(
            self.room,
            people=MappingProxyType(self.people),
            meeting=self.meeting,
            changed_ms=self.now_ms,
            sequence=self.room.sequence + 1,
        )
        changed = frozenset(self._changed)
        return Step(room, answer, tuple(self._events), tuple(self._log), changed)


def participant_of(room_pass: RoomPass, application: str, session: str) -> str:
    """Who comes with this pass: the participant that it names, else one of this very session's."""
    return room_pass.participant or digest("participant", application, session)


def join(room: Room, asking: Asking, rules: RoomRules, now_ms: int) -> Step:
    """The one who asks is in, or waits, or is told why not. Who is in or waits already stays as they are.

    A signed participant who comes with a younger session takes the place of the older one, with what a
    moderator has said of them.
    """
    if (refusal := check_room(room, opened_ms(asking.session))) is not None:
        return Step(room, refusal)
    found = find_person(room, asking.session, asking.id)
    if isinstance(found, Deny):
        return Step(room, found)
    if found is not None and found.state in _HERE:
        return Step(room, found)
    before = _before(room, asking)
    if before is not None and before.state is State.REMOVED:
        return Step(room, Deny(Reason.REMOVED_FROM_ROOM))
    if before is not None and before.state in _TOLD_NO and now_ms < before.until_ms:
        return Step(room, refuse_entry(before))
    if room.allowed and asking.id not in room.allowed:
        return Step(room, Deny(Reason.PARTICIPANT_NOT_GRANTED, "the room is for other participants"))
    if not asking.permissions & {Permission.ALLOW_JOIN, Permission.ASK_JOIN}:
        return Step(room, Deny(Reason.ENTRY_NOT_GRANTED))
    was_here = before is not None and before.state in _HERE and before.id == asking.id
    stays = was_here and before is not None and before.state is State.JOINED
    enters = stays or Permission.ALLOW_JOIN in asking.permissions
    if _is_full(room, State.JOINED if enters else State.WAITING, rules, asking.id):
        return Step(room, Deny(Reason.ROOM_FULL))
    draft = _Draft(room, now_ms)
    person = Participant(
        id=asking.id,
        name=asking.name,
        state=State.WAITING,
        session=asking.session,
        owner=asking.owner,
        token=asking.token,
        client=asking.client,
        permissions=asking.permissions,
        since_ms=now_ms,
        until_ms=now_ms + round(rules.entry_timeout_s * 1000),
        disabled=frozenset() if before is None else before.disabled,
    )
    if before is not None and was_here:
        return _replace(draft, before, person)
    if before is not None and before.id != asking.id:
        # What was said of them is said of who they are now, and of nobody else.
        draft.drop(before.id)
    if Permission.ALLOW_JOIN in asking.permissions:
        return draft.done(draft.come_in(person))
    draft.put(person)
    draft.tell("entryRequested", {"id": person.id, "name": person.name}, Audience.HOSTS)
    return draft.done(person)


def respond(room: Room, actor: str, name: str, decision: bool, rules: RoomRules, now_ms: int) -> Step:
    """The one who waits is in (`decision`), or is told no and may ask again after a pause."""
    host = room.people.get(actor)
    if host is None or not host.hosts:
        return Step(room, Deny(Reason.COMMAND_NOT_GRANTED, "only a participant with allow_join admits others"))
    person = room.people.get(name)
    if person is None or person.state is not State.WAITING:
        return Step(room, Deny(Reason.NOT_WAITING))
    if decision and _is_full(room, State.JOINED, rules, name):
        return Step(room, Deny(Reason.ROOM_FULL))
    draft = _Draft(room, now_ms)
    if not decision:
        return draft.done(draft.say_no(person, State.DENIED, rules, ""))
    draft.answer(name, "allowed")
    return draft.done(draft.come_in(person))


def leave(room: Room, name: str, session: str, now_ms: int) -> Step:
    """The participant, by this session, is in no more and waits no more."""
    person = find_person(room, session, name)
    if isinstance(person, Deny):
        return Step(room, person)
    if person is None or person.state not in _HERE:
        return Step(room, Deny(Reason.NOT_JOINED))
    draft = _Draft(room, now_ms)
    draft.go_out(person, State.LEFT, "left")
    return draft.done(person)


def remove(room: Room, actor: str, name: str, now_ms: int) -> Step:
    """The participant is out, and does not come back to this meeting."""
    if (refusal := _check_moderator(room, actor)) is not None:
        return Step(room, refusal)
    person = room.people.get(name)
    if person is None or person.state not in _HERE:
        return Step(room, Deny(Reason.PARTICIPANT_UNKNOWN))
    draft = _Draft(room, now_ms)
    draft.go_out(person, State.REMOVED, "removed")
    return draft.done(person)


def close(room: Room, actor: str, now_ms: int, *, disable: bool = False) -> Step:
    """Nobody is in, and nobody comes in by a session from before; with `disable` nobody ever comes in again."""
    if (refusal := _check_moderator(room, actor)) is not None:
        return Step(room, refusal)
    draft = _Draft(replace(room, closed_ms=now_ms, disabled=room.disabled or disable), now_ms)
    for person in room.people.values():
        if person.state in _HERE:
            draft.go_out(person, State.LEFT, "closed")
    return draft.done()


def disable_track(room: Room, actor: str, name: str, kind: TrackKind, now_ms: int) -> Step:
    """The participant's track is taken from them: what runs of it is cut, and no more of it comes."""
    refusal, person = _check_moderation(room, actor, name, kind)
    if refusal is not None or person is None:
        return Step(room, refusal)
    if kind in person.disabled and kind not in person.asked:
        return Step(room, person)
    draft = _Draft(room, now_ms)
    person = _disable(draft, person, actor, kind)
    return draft.done(person)


def disable_all(room: Room, actor: str, kind: TrackKind, now_ms: int) -> Step:
    """This track of everybody in the room but the one who asks is taken from them."""
    if (refusal := _check_moderator(room, actor)) is not None:
        return Step(room, refusal)
    others = [person for person in room.present if person.id != actor]
    heard = [person for person in others if kind not in person.disabled or kind in person.asked]
    if not heard:
        return Step(room)
    draft = _Draft(room, now_ms)
    for person in heard:
        _disable(draft, person, actor, kind)
    return draft.done()


def enable_track(room: Room, actor: str, name: str, kind: TrackKind, rules: RoomRules, now_ms: int) -> Step:
    """The participant is asked to send the track again; where no consent is needed, may at once."""
    refusal, person = _check_moderation(room, actor, name, kind)
    if refusal is not None or person is None:
        return Step(room, refusal)
    draft = _Draft(room, now_ms)
    if not rules.consent or actor == name:
        return draft.done(_enable(draft, person, kind))
    person = replace(person, asked=MappingProxyType({**person.asked, kind: actor}))
    draft.put(person)
    draft.tell(f"{kind.value}Requested", {"peerId": actor}, Audience.ONE, name)
    return draft.done(person)


def answer_request(room: Room, name: str, kind: TrackKind, accepted: bool, now_ms: int) -> Step:
    """The participant agrees to send the track again, or does not; whoever asked is told."""
    person = room.people.get(name)
    if person is None or person.state is not State.JOINED:
        return Step(room, Deny(Reason.NOT_JOINED))
    if kind not in person.asked:
        return Step(room, Deny(Reason.NOT_ASKED))
    draft = _Draft(room, now_ms)
    decision = "accepted" if accepted else "rejected"
    told = {"peerId": name, "decision": decision}
    draft.tell(f"{kind.value}Responded", told, Audience.ONE, person.asked[kind])
    if accepted:
        return draft.done(_enable(draft, person, kind))
    person = replace(person, asked=_without(person.asked, kind))
    draft.put(person)
    return draft.done(person)


def pass_time(room: Room, name: str, rules: RoomRules, now_ms: int) -> Step:
    """What is due of a participant has happened: their lease has lapsed, or their time to wait is over."""
    person = room.people.get(name)
    if person is None:
        return Step(room)
    draft = _Draft(room, now_ms)
    if person.state is State.WAITING and person.until_ms <= now_ms:
        return draft.done(draft.say_no(person, State.TIMED_OUT, rules, "timed_out"))
    if person.state in _HERE:
        draft.go_out(person, State.LEFT, "lapsed")
        return draft.done(person)
    if person.state in _TOLD_NO and person.until_ms <= now_ms:
        if person.disabled:
            draft.put(replace(person, state=State.LEFT, since_ms=now_ms, until_ms=0))
        else:
            draft.drop(name)
        return draft.done(person)
    return Step(room)


def _is_full(room: Room, state: State, rules: RoomRules, name: str) -> bool:
    """Whether there is no place in this state for `name`. Those who wait keep nobody out who may come in."""
    return sum(each.state is state and each.id != name for each in room.people.values()) >= rules.most_people


def _before(room: Room, asking: Asking) -> Participant | None:
    """The same participant by an earlier session: by their signed id, or by token and client without one.

    Of several of one client, the one that tells most against them.
    """
    named = room.people.get(asking.id)
    if named is not None:
        return named
    kept = (
        person
        for person in room.people.values()
        if person.state not in _HERE and person.token == asking.token and person.client == asking.client
    )
    return max(kept, key=lambda one: (one.state is State.REMOVED, one.until_ms, one.since_ms), default=None)


def _replace(draft: _Draft, before: Participant, person: Participant) -> Step:
    """The younger session of a participant who is in, or waits, stands where the older one did."""
    person = replace(
        person,
        state=before.state,
        since_ms=before.since_ms,
        until_ms=before.until_ms,
        disabled=before.disabled,
        asked=before.asked,
    )
    if before.state is State.WAITING and Permission.ALLOW_JOIN in person.permissions:
        draft.answer(person.id, "allowed")
        person = draft.come_in(person)
    else:
        draft.put(person)
    return draft.done(person)


def _check_moderator(room: Room, actor: str) -> Deny | None:
    moderator = room.people.get(actor)
    if actor == SERVER or (moderator is not None and moderator.moderates):
        return None
    return Deny(Reason.COMMAND_NOT_GRANTED, "only a participant with allow_mod does this")


def _check_moderation(
    room: Room, actor: str, name: str, kind: TrackKind
) -> tuple[Deny | None, Participant | None]:
    if (refusal := _check_moderator(room, actor)) is not None:
        return refusal, None
    person = room.people.get(name)
    if person is None or person.state is not State.JOINED or kind not in MUTABLE:
        return Deny(Reason.PARTICIPANT_UNKNOWN), None
    return None, person


def _disable(draft: _Draft, person: Participant, actor: str, kind: TrackKind) -> Participant:
    person = replace(person, disabled=person.disabled | {kind}, asked=_without(person.asked, kind))
    draft.put(person)
    draft.tell(f"disable{kind.value.capitalize()}", {"peerId": actor}, Audience.ONE, person.id)
    _tell_track(draft, person, kind, "disabled")
    return person


def _enable(draft: _Draft, person: Participant, kind: TrackKind) -> Participant:
    person = replace(person, disabled=person.disabled - {kind}, asked=_without(person.asked, kind))
    draft.put(person)
    _tell_track(draft, person, kind, "enabled")
    return person


def _tell_track(draft: _Draft, person: Participant, kind: TrackKind, state: str) -> None:
    data = {"peerId": person.id, "kind": kind.value, "newState": state}
    draft.tell("participantMediaStateChanged", data, Audience.ROOM)


def _without(asked: Mapping[TrackKind, str], kind: TrackKind) -> Mapping[TrackKind, str]:
    return MappingProxyType({each: actor for each, actor in asked.items() if each is not kind})
