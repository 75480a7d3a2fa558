"""Every command of a room, by who gives it and how the one it is about stands there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

import pytest

from gate.core.reasons import Deny, Reason
from gate.core.room import (
    DEFAULT_ROOM_RULES,
    Participant,
    Permission,
    Room,
    RoomPass,
    State,
    TrackKind,
)
from gate.core.room_steps import (
    SERVER,
    Asking,
    Audience,
    Happened,
    Step,
    answer_request,
    close,
    disable_all,
    disable_track,
    enable_track,
    join,
    leave,
    participant_of,
    pass_time,
    remove,
    respond,
)
from gate.core.session import session_id

RULES = replace(DEFAULT_ROOM_RULES, entry_timeout_s=60, entry_pause_s=30)
NOW = 1_000_000
MIC, WEBCAM, SCREEN = TrackKind
JOIN, ASK, MOD = Permission
HOST, GUEST, MODERATOR = frozenset({JOIN, MOD}), frozenset({ASK}), frozenset({MOD})


def session(at_ms: int, owner: str = "owner") -> str:
    return session_id(owner, at_ms, bytes(8))


def person(
    name: str, state: State = State.JOINED, permissions: frozenset[Permission] = HOST, **fields: object
) -> Participant:
    made = Participant(name, name.title(), state, session(500), "o", f"t-{name}", "c", permissions, 100)
    return replace(made, **fields)  # type: ignore[arg-type]


def asking(name: str, permissions: frozenset[Permission] = HOST, at_ms: int = 500, **fields: str) -> Asking:
    return replace(Asking(name, name.title(), session(at_ms), "o", f"t-{name}", "c", permissions), **fields)


def room_of(*people: Participant, **facts: object) -> Room:
    """A room whose meeting goes on if somebody is in."""
    meeting = "m1" if any(each.state is State.JOINED for each in people) else ""
    named = MappingProxyType({each.id: each for each in people})
    return replace(Room("demo", "r1", "", 0, 0, 7, meeting=meeting, people=named), **facts)  # type: ignore[arg-type]


def told(step: Step) -> list[tuple[str, str, str]]:
    return [(event.name, event.audience.value, event.participant) for event in step.events]


def noted(step: Step) -> list[tuple[Happened, str]]:
    return [(entry.happened, entry.participant) for entry in step.log]


def refused(step: Step) -> Reason | None:
    """Why the command was refused; then nothing else has happened."""
    if not isinstance(step.answer, Deny):
        return None
    assert (step.events, step.log, step.changed) == ((), (), frozenset())
    return step.answer.reason


class TestWhoMayDoWhat:
    COMMANDS: ClassVar[dict[str, Callable[[Room, str], Step]]] = {
        "respond": lambda room, actor: respond(room, actor, "gus", True, RULES, NOW),
        "remove": lambda room, actor: remove(room, actor, "bob", NOW),
        "close": lambda room, actor: close(room, actor, NOW),
        "disable": lambda room, actor: disable_track(room, actor, "bob", MIC, NOW),
        "disable all": lambda room, actor: disable_all(room, actor, MIC, NOW),
        "enable": lambda room, actor: enable_track(room, actor, "bob", MIC, RULES, NOW),
    }

    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("permissions", [frozenset(), frozenset({JOIN}), frozenset({ASK}), MODERATOR, HOST])
    @pytest.mark.parametrize("command", COMMANDS)
    def test_by_permission(self, command: str, permissions: frozenset[Permission], state: State) -> None:
        actor = person("ann", state, permissions)
        room = room_of(actor, person("bob"), person("gus", State.WAITING, GUEST))
        needed = JOIN if command == "respond" else MOD
        step = self.COMMANDS[command](room, "ann")
        may = state is State.JOINED and needed in permissions
        assert refused(step) is (None if may else Reason.COMMAND_NOT_GRANTED)
        assert (step.room is room) is not may
        if may:
            assert (step.room.sequence, step.room.changed_ms) == (8, NOW)

    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("actor", [SERVER, "nobody"])
    def test_a_server_does_what_moderators_do_and_admits_nobody(self, actor: str, command: str) -> None:
        room = room_of(person("bob"), person("gus", State.WAITING, GUEST))
        step = self.COMMANDS[command](room, actor)
        may = actor == SERVER and command != "respond"
        assert refused(step) is (None if may else Reason.COMMAND_NOT_GRANTED)


class TestJoin:
    def test_the_first_one_begins_a_meeting(self) -> None:
        step = join(room_of(), asking("ann"), RULES, NOW)
        assert step.answer == person("ann", since_ms=NOW)
        assert step.room.people == {"ann": step.answer}
        assert noted(step) == [(Happened.BEGAN, ""), (Happened.JOINED, "ann")]
        assert told(step) == [("newPeer", "room", "ann")]
        assert step.events[0].data == {"id": "ann", "displayName": "Ann", "sessionId": step.room.meeting}
        assert step.changed == {"ann"}
        second = join(step.room, asking("bob"), RULES, NOW + 1)
        assert second.room.meeting == step.room.meeting != ""
        assert noted(second) == [(Happened.JOINED, "bob")]

    def test_a_guest_waits(self) -> None:
        room = room_of(person("ann"))
        step = join(room, asking("gus", GUEST), RULES, NOW)
        assert step.answer == person("gus", State.WAITING, GUEST, since_ms=NOW, until_ms=NOW + 60_000)
        assert told(step) == [("entryRequested", "hosts", "")]
        assert step.events[0].data == {"id": "gus", "name": "Gus"}
        assert step.log == ()

    @pytest.mark.parametrize("state", [State.JOINED, State.WAITING])
    def test_asked_again_it_is_the_same(self, state: State) -> None:
        room = room_of(person("gus", state, GUEST))
        step = join(room, asking("gus", GUEST), RULES, NOW)
        assert step.room is room
        assert step.answer is room.people["gus"]

    @pytest.mark.parametrize(
        ("room", "who", "reason"),
        [
            (room_of(disabled=True), asking("ann"), Reason.ROOM_DISABLED),
            (room_of(closed_ms=500), asking("ann"), Reason.ROOM_CLOSED),
            (room_of(person("ann")), asking("ann", at_ms=499), Reason.DUPLICATE_PARTICIPANT),
            (room_of(person("ann", State.REMOVED)), asking("ann", at_ms=900), Reason.REMOVED_FROM_ROOM),
            (room_of(person("g", State.DENIED, until_ms=NOW + 1)), asking("g"), Reason.ENTRY_DENIED),
            (
                room_of(person("g", State.TIMED_OUT, until_ms=NOW + 1)),
                asking("g", at_ms=900),
                Reason.ENTRY_TIMED_OUT,
            ),
            (room_of(allowed=frozenset({"bob"})), asking("ann"), Reason.PARTICIPANT_NOT_GRANTED),
            (room_of(), asking("ann", MODERATOR), Reason.ENTRY_NOT_GRANTED),
            (room_of(), asking("ann", frozenset()), Reason.ENTRY_NOT_GRANTED),
            (room_of(person("a"), person("b")), asking("ann"), Reason.ROOM_FULL),
            (
                room_of(person("a"), *(person(name, State.WAITING, GUEST) for name in "bc")),
                asking("ann", GUEST),
                Reason.ROOM_FULL,
            ),
        ],
    )
    def test_refused(self, room: Room, who: Asking, reason: Reason) -> None:
        step = join(room, who, replace(RULES, most_people=2), NOW)
        assert refused(step) is reason
        assert step.room is room

    def test_a_full_room_has_room_for_those_in_it(self) -> None:
        rules = replace(RULES, most_people=1)
        assert refused(join(room_of(person("ann")), asking("ann", at_ms=900), rules, NOW)) is None
        gone = person("bob", State.LEFT, disabled=frozenset({MIC}))
        assert refused(join(room_of(gone), asking("ann"), rules, NOW)) is None

    def test_those_who_wait_keep_nobody_out(self) -> None:
        rules = replace(RULES, most_people=1)
        waiting = person("gus", State.WAITING, GUEST, until_ms=NOW + 9)
        assert refused(join(room_of(waiting), asking("ann"), rules, NOW)) is None
        full = room_of(person("ann"), waiting)
        assert refused(join(full, asking("bob"), rules, NOW)) is Reason.ROOM_FULL
        assert refused(respond(full, "ann", "gus", True, rules, NOW)) is Reason.ROOM_FULL
        assert refused(respond(full, "ann", "gus", False, rules, NOW)) is None
        # Whoever was let in once is in by their younger session too.
        again = asking("gus", GUEST, at_ms=900)
        assert refused(join(room_of(person("gus", permissions=GUEST)), again, rules, NOW)) is None

    def test_those_who_are_allowed(self) -> None:
        assert refused(join(room_of(allowed=frozenset({"ann"})), asking("ann"), RULES, NOW)) is None

    @pytest.mark.parametrize("state", [State.DENIED, State.TIMED_OUT])
    @pytest.mark.parametrize("at_ms", [500, 900])
    def test_after_the_pause_one_asks_again(self, state: State, at_ms: int) -> None:
        room = room_of(person("gus", state, GUEST, until_ms=NOW, disabled=frozenset({MIC})))
        step = join(room, asking("gus", GUEST, at_ms), RULES, NOW)
        assert isinstance(step.answer, Participant)
        assert step.answer.state is State.WAITING
        assert step.answer.disabled == {MIC}

    def test_who_has_left_comes_back_as_muted_as_they_were(self) -> None:
        room = room_of(person("ann"), person("bob", State.LEFT, disabled=frozenset({MIC})))
        step = join(room, asking("bob", at_ms=900), RULES, NOW)
        assert isinstance(step.answer, Participant)
        assert (step.answer.state, step.answer.disabled) == (State.JOINED, {MIC})


class TestYoungerSession:
    @pytest.mark.parametrize("state", [State.JOINED, State.WAITING])
    def test_it_stands_where_the_older_one_did(self, state: State) -> None:
        before = person("gus", state, GUEST, until_ms=7, disabled=frozenset({MIC}), asked={WEBCAM: "ann"})
        step = join(room_of(before), asking("gus", GUEST, 900), RULES, NOW)
        assert step.answer == replace(before, session=session(900))
        assert (step.events, step.log) == ((), ())

    def test_one_that_needs_not_ask_is_in(self) -> None:
        before = person("gus", State.WAITING, GUEST, disabled=frozenset({MIC}))
        step = join(room_of(person("ann"), before), asking("gus", HOST, 900), RULES, NOW)
        assert isinstance(step.answer, Participant)
        assert (step.answer.state, step.answer.disabled) == (State.JOINED, {MIC})
        assert told(step) == [
            *(("entryResponded", "one", "gus"), ("entryResponded", "hosts", "gus"), ("newPeer", "room", "gus"))
        ]


class TestNamelessGuests:
    """Without a participant id in the token each session is a participant; token and client tell who it is."""

    def again(self, *kept: Participant, **fields: str) -> Step:
        who = asking("new", GUEST, 900, token="t", client="c", **fields)
        return join(room_of(person("ann"), *kept), who, RULES, NOW)

    def kept(self, name: str, state: State, **fields: object) -> Participant:
        return person(name, state, GUEST, **{"token": "t", "client": "c", **fields})

    def test_what_was_said_of_one_is_said_of_the_next(self) -> None:
        assert refused(self.again(self.kept("g1", State.REMOVED))) is Reason.REMOVED_FROM_ROOM
        assert refused(self.again(self.kept("g1", State.DENIED, until_ms=NOW + 1))) is Reason.ENTRY_DENIED
        step = self.again(self.kept("g1", State.LEFT, disabled=frozenset({MIC})))
        assert step.room.people.keys() == {"ann", "new"}
        assert step.room.people["new"].disabled == {MIC}
        assert step.changed == {"g1", "new"}

    @pytest.mark.parametrize("fields", [{"token": "u"}, {"client": "d"}])
    def test_another_one_is_not_they(self, fields: dict[str, str]) -> None:
        assert refused(self.again(self.kept("g1", State.REMOVED, **fields))) is None

    @pytest.mark.parametrize("state", [State.JOINED, State.WAITING])
    def test_one_who_is_there_is_another_one(self, state: State) -> None:
        step = self.again(self.kept("g1", state))
        assert step.room.people.keys() == {"ann", "g1", "new"}

    def test_of_several_the_worst_counts(self) -> None:
        kept = [
            self.kept("g1", State.LEFT, disabled=frozenset({MIC})),
            self.kept("g2", State.REMOVED),
            self.kept("g3", State.DENIED, until_ms=NOW + 1),
        ]
        for people in (kept, kept[::-1]):
            assert refused(self.again(*people)) is Reason.REMOVED_FROM_ROOM
            assert refused(self.again(*[one for one in people if one.id != "g2"])) is Reason.ENTRY_DENIED

    def test_who_they_are(self) -> None:
        pass_of = RoomPass("key", GUEST, participant="gus")
        assert participant_of(pass_of, "demo", "s1") == "gus"
        nameless = [
            participant_of(replace(pass_of, participant=None), application, name)
            for application, name in (("demo", "s1"), ("demo", "s2"), ("other", "s1"))
        ]
        assert len(set(nameless)) == 3


class TestRespond:
    ROOM = room_of(
        person("ann"), person("gus", State.WAITING, GUEST, until_ms=NOW + 9, disabled=frozenset({MIC}))
    )
    TOLD = (("entryResponded", "one", "gus"), ("entryResponded", "hosts", "gus"))

    def test_yes(self) -> None:
        step = respond(self.ROOM, "ann", "gus", True, RULES, NOW)
        gus = replace(self.ROOM.people["gus"], state=State.JOINED, since_ms=NOW, until_ms=0)
        assert step.answer == gus
        assert told(step) == [*self.TOLD, ("newPeer", "room", "gus")]
        assert step.events[0].data == {"id": "gus", "decision": "allowed"}
        assert noted(step) == [(Happened.JOINED, "gus")]

    def test_no(self) -> None:
        step = respond(self.ROOM, "ann", "gus", False, RULES, NOW)
        assert isinstance(step.answer, Participant)
        assert (step.answer.state, step.answer.until_ms) == (State.DENIED, NOW + 30_000)
        assert told(step) == [*self.TOLD]
        assert step.events[0].data == {"id": "gus", "decision": "denied"}
        assert step.log == ()

    @pytest.mark.parametrize("decision", [True, False])
    @pytest.mark.parametrize("state", [*(set(State) - {State.WAITING}), None])
    def test_there_is_nobody_to_answer(self, state: State | None, decision: bool) -> None:
        people = [person("ann"), *([] if state is None else [person("gus", state, GUEST)])]
        assert refused(respond(room_of(*people), "ann", "gus", decision, RULES, NOW)) is Reason.NOT_WAITING


class TestGoing:
    def test_who_leaves_is_gone_and_their_mute_is_not(self) -> None:
        ann, bob = person("ann"), person("bob", disabled=frozenset({MIC}), asked={MIC: "ann"})
        step = leave(room_of(ann, bob), "bob", bob.session, NOW)
        assert step.room.people["bob"] == replace(bob, state=State.LEFT, since_ms=NOW, asked={})
        assert told(step) == [("peerClosed", "room", "bob")]
        assert step.events[0].data == {"peerId": "bob", "reason": "left"}
        assert (noted(step), step.answer) == ([(Happened.LEFT, "bob")], bob)
        step = leave(room_of(ann, person("bob")), "bob", bob.session, NOW)
        assert (step.room.people.keys(), step.changed) == ({"ann"}, {"bob"})

    def test_who_waits_no_more(self) -> None:
        gus = person("gus", State.WAITING, GUEST)
        step = leave(room_of(person("ann"), gus), "gus", gus.session, NOW)
        assert told(step) == [("entryWithdrawn", "hosts", "")]
        assert (step.log, step.room.people.keys()) == ((), {"ann"})

    def test_with_the_last_one_the_meeting_ends(self) -> None:
        kept = [
            person("r", State.REMOVED),
            person("l", State.LEFT, disabled=frozenset({MIC})),
            person("d", State.DENIED, until_ms=NOW + 1),
            person("w", State.WAITING),
        ]
        step = leave(room_of(person("ann"), *kept), "ann", session(500), NOW)
        assert noted(step) == [(Happened.LEFT, "ann"), (Happened.ENDED, "")]
        assert (step.room.meeting, step.room.people.keys()) == ("", {"d", "w"})
        assert step.changed == {"ann", "r", "l"}

    @pytest.mark.parametrize(
        ("state", "at_ms", "reason"),
        [
            *[(state, 500, Reason.NOT_JOINED) for state in (State.DENIED, State.TIMED_OUT, State.LEFT, None)],
            (State.REMOVED, 500, Reason.REMOVED_FROM_ROOM),
            (State.JOINED, 499, Reason.DUPLICATE_PARTICIPANT),
            (State.JOINED, 501, Reason.NOT_JOINED),
        ],
    )
    def test_who_is_not_there_does_not_leave(self, state: State | None, at_ms: int, reason: Reason) -> None:
        room = room_of(*([] if state is None else [person("gus", state)]))
        assert refused(leave(room, "gus", session(at_ms), NOW)) is reason

    @pytest.mark.parametrize("state", [State.JOINED, State.WAITING])
    def test_who_is_removed_does_not_come_back(self, state: State) -> None:
        bob = person("bob", state)
        step = remove(room_of(person("ann"), bob), "ann", "bob", NOW)
        assert step.room.people["bob"] == replace(bob, state=State.REMOVED, since_ms=NOW)
        assert step.events[0].data["reason"] == "removed"
        assert refused(join(step.room, asking("bob", at_ms=900), RULES, NOW)) is Reason.REMOVED_FROM_ROOM

    @pytest.mark.parametrize("state", [*(set(State) - {State.JOINED, State.WAITING}), None])
    def test_nobody_to_remove(self, state: State | None) -> None:
        people = [person("ann"), *([] if state is None else [person("bob", state)])]
        assert refused(remove(room_of(*people), "ann", "bob", NOW)) is Reason.PARTICIPANT_UNKNOWN

    @pytest.mark.parametrize("disable", [True, False])
    def test_a_closed_room_is_empty(self, disable: bool) -> None:
        people = [
            *(person("ann"), person("bob", disabled=frozenset({MIC})), person("gus", State.WAITING)),
            *(person("d", State.DENIED, until_ms=NOW + 1), person("r", State.REMOVED)),
        ]
        step = close(room_of(*people), "ann", NOW, disable=disable)
        assert step.room.people.keys() == {"d"}
        assert (step.room.closed_ms, step.room.disabled, step.room.meeting) == (NOW, disable, "")
        assert noted(step)[-1] == (Happened.ENDED, "")
        reason = Reason.ROOM_DISABLED if disable else Reason.ROOM_CLOSED
        assert refused(join(step.room, asking("ann", at_ms=NOW), RULES, NOW)) is reason
        late = join(step.room, asking("ann", at_ms=NOW + 1), RULES, NOW + 1)
        assert refused(late) is (Reason.ROOM_DISABLED if disable else None)
        again = close(step.room, SERVER, NOW + 5)
        assert again.room.disabled is disable


class TestTracks:
    STATE = ("participantMediaStateChanged", "room", "")

    def test_disabled_at_once(self) -> None:
        bob = person("bob", asked={MIC: "cy", WEBCAM: "cy"})
        step = disable_track(room_of(person("ann"), bob), "ann", "bob", MIC, NOW)
        assert step.answer == replace(bob, disabled=frozenset({MIC}), asked={WEBCAM: "cy"})
        assert told(step) == [("disableMic", "one", "bob"), self.STATE]
        assert [dict(event.data) for event in step.events] == [
            {"peerId": "ann"},
            {"peerId": "bob", "kind": "mic", "newState": "disabled"},
        ]
        again = disable_track(step.room, "ann", "bob", MIC, NOW)
        assert again.room is step.room
        assert again.answer == step.answer

    def test_a_request_is_taken_back_with_it(self) -> None:
        bob = person("bob", disabled=frozenset({MIC}), asked={MIC: "ann"})
        step = disable_track(room_of(person("ann"), bob), "ann", "bob", MIC, NOW)
        assert step.room.people["bob"].asked == {}

    @pytest.mark.parametrize(("name", "kind"), [("nobody", MIC), ("gus", MIC), ("ann", SCREEN)])
    def test_there_is_no_such_track(self, name: str, kind: TrackKind) -> None:
        room = room_of(person("ann"), person("gus", State.WAITING))
        assert refused(disable_track(room, "ann", name, kind, NOW)) is Reason.PARTICIPANT_UNKNOWN
        assert refused(enable_track(room, "ann", name, kind, RULES, NOW)) is Reason.PARTICIPANT_UNKNOWN

    def test_of_everybody_else(self) -> None:
        muted = person("cy", disabled=frozenset({MIC}))
        asked = person("dan", disabled=frozenset({MIC}), asked={MIC: "ann"})
        waits = person("gus", State.WAITING)
        step = disable_all(room_of(person("ann"), person("bob"), muted, asked, waits), "ann", MIC, NOW)
        assert step.changed == {"bob", "dan"}
        assert [name for name, each in step.room.people.items() if MIC in each.disabled] == ["bob", "cy", "dan"]
        assert disable_all(step.room, "ann", MIC, NOW).room is step.room
        assert disable_all(step.room, SERVER, MIC, NOW).changed == {"ann"}

    @pytest.mark.parametrize("accepted", [True, False])
    def test_given_back_with_consent(self, accepted: bool) -> None:
        room = room_of(person("ann"), person("bob", disabled=frozenset({MIC, WEBCAM})))
        asked = enable_track(room, "ann", "bob", MIC, RULES, NOW)
        assert isinstance(asked.answer, Participant)
        assert (asked.answer.asked, asked.answer.disabled) == ({MIC: "ann"}, {MIC, WEBCAM})
        assert told(asked) == [("micRequested", "one", "bob")]
        assert asked.events[0].data == {"peerId": "ann"}
        step = answer_request(asked.room, "bob", MIC, accepted, NOW)
        assert isinstance(step.answer, Participant)
        assert (step.answer.asked, MIC in step.answer.disabled) == ({}, not accepted)
        assert told(step) == [("micResponded", "one", "ann"), *([self.STATE] if accepted else [])]
        assert step.events[0].data == {"peerId": "bob", "decision": "accepted" if accepted else "rejected"}
        assert refused(answer_request(step.room, "bob", MIC, True, NOW)) is Reason.NOT_ASKED

    @pytest.mark.parametrize(
        ("actor", "consent", "at_once"), [("ann", False, True), ("bob", True, True), ("ann", True, False)]
    )
    def test_given_back_at_once(self, actor: str, consent: bool, at_once: bool) -> None:
        room = room_of(person("ann"), person("bob", disabled=frozenset({WEBCAM})))
        step = enable_track(room, actor, "bob", WEBCAM, replace(RULES, consent=consent), NOW)
        assert (step.room.people["bob"].disabled == frozenset()) is at_once
        assert told(step) == [self.STATE if at_once else ("webcamRequested", "one", "bob")]

    @pytest.mark.parametrize("state", [*(set(State) - {State.JOINED}), None])
    def test_who_is_not_in_agrees_to_nothing(self, state: State | None) -> None:
        room = room_of(*([] if state is None else [person("bob", state, asked={MIC: "ann"})]))
        assert refused(answer_request(room, "bob", MIC, True, NOW)) is Reason.NOT_JOINED


class TestTime:
    def test_who_waits_for_too_long_is_told_no(self) -> None:
        room = room_of(person("ann"), person("gus", State.WAITING, GUEST, until_ms=NOW))
        step = pass_time(room, "gus", RULES, NOW)
        assert isinstance(step.answer, Participant)
        assert (step.answer.state, step.answer.until_ms) == (State.TIMED_OUT, NOW + 30_000)
        assert told(step) == [*TestRespond.TOLD]
        assert step.events[0].data == {"id": "gus", "decision": "denied", "reason": "timed_out"}

    @pytest.mark.parametrize(
        ("state", "event"), [(State.JOINED, "peerClosed"), (State.WAITING, "entryWithdrawn")]
    )
    def test_who_is_silent_is_gone(self, state: State, event: str) -> None:
        bob = person("bob", state, until_ms=NOW + 1)
        step = pass_time(room_of(person("ann"), bob), "bob", RULES, NOW)
        assert step.room.people.keys() == {"ann"}
        assert [each.name for each in step.events] == [event]
        assert step.events[0].data["reason"] == "lapsed"

    @pytest.mark.parametrize("state", [State.DENIED, State.TIMED_OUT])
    def test_a_no_is_forgotten_and_a_mute_is_not(self, state: State) -> None:
        gus = person("gus", state, GUEST, until_ms=NOW)
        step = pass_time(room_of(person("ann"), gus), "gus", RULES, NOW)
        assert (step.room.people.keys(), step.events) == ({"ann"}, ())
        muted = replace(gus, disabled=frozenset({MIC}))
        step = pass_time(room_of(person("ann"), muted), "gus", RULES, NOW)
        assert step.room.people["gus"] == replace(muted, state=State.LEFT, since_ms=NOW, until_ms=0)

    @pytest.mark.parametrize("state", [State.DENIED, State.TIMED_OUT, State.REMOVED, State.LEFT, None])
    def test_of_others_nothing_is_due(self, state: State | None) -> None:
        room = room_of(*([] if state is None else [person("gus", state, until_ms=NOW + 1)]))
        step = pass_time(room, "gus", RULES, NOW)
        assert step.room is room
        assert step.answer is None


def test_events_are_for_the_room_unless_they_say_otherwise() -> None:
    step = join(room_of(), asking("ann"), RULES, NOW)
    assert step.events[0].audience is Audience.ROOM
