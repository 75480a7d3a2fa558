"""What is told of a room that has changed unseen."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from gate.core.room import Participant, Permission, Room, State, TrackKind
from gate.core.room_news import compare, lose

MIC = TrackKind.MIC
BOB = Participant("bob", "Bob", State.JOINED, "s2", "o", "t", "c", frozenset({Permission.ASK_JOIN}), 1)


def room_of(*people: Participant | None, **facts: object) -> Room:
    named = MappingProxyType({person.id: person for person in people if person is not None})
    return replace(Room("demo", "r1", "", 0, 0, meeting="m1", people=named), **facts)  # type: ignore[arg-type]


def at(state: State) -> Participant:
    return replace(BOB, state=state)


MUTED = replace(BOB, disabled=frozenset({MIC}))
ASKED = replace(MUTED, asked=MappingProxyType({MIC: "ann"}))
STATE = "participantMediaStateChanged"
ANSWERED = ["entryResponded", "entryResponded"]


@pytest.mark.parametrize(
    ("was", "now", "names"),
    [
        (None, None, []),
        (BOB, BOB, []),
        (None, BOB, ["newPeer"]),
        (None, at(State.WAITING), ["entryRequested"]),
        (at(State.WAITING), at(State.WAITING), []),
        (at(State.DENIED), at(State.WAITING), ["entryRequested"]),
        (at(State.WAITING), BOB, [*ANSWERED, "newPeer"]),
        (at(State.WAITING), at(State.DENIED), ANSWERED),
        (at(State.WAITING), at(State.TIMED_OUT), ANSWERED),
        (at(State.WAITING), None, ["entryWithdrawn"]),
        (at(State.WAITING), at(State.REMOVED), ["entryWithdrawn"]),
        (BOB, None, ["peerClosed"]),
        (BOB, at(State.REMOVED), ["peerClosed"]),
        (BOB, at(State.WAITING), ["peerClosed", "entryRequested"]),
        (at(State.DENIED), None, []),
        (BOB, MUTED, ["disableMic", STATE]),
        (MUTED, BOB, [STATE]),
        (None, MUTED, ["newPeer", "disableMic", STATE]),
        (MUTED, ASKED, ["micRequested"]),
        (ASKED, ASKED, []),
        (None, ASKED, ["newPeer", "disableMic", STATE, "micRequested"]),
    ],
)
def test_what_leads_from_the_one_to_the_other(
    was: Participant | None, now: Participant | None, names: list[str]
) -> None:
    assert [event.name for event in compare(room_of(was), room_of(now))] == names


def test_decisions_and_reasons() -> None:
    said = [
        compare(room_of(at(State.WAITING)), room_of(at(state)))[0].data
        for state in (State.JOINED, State.DENIED, State.TIMED_OUT, State.REMOVED)
    ]
    assert said == [
        {"id": "bob", "decision": "allowed"},
        {"id": "bob", "decision": "denied"},
        {"id": "bob", "decision": "denied", "reason": "timed_out"},
        {"id": "bob", "reason": "removed"},
    ]


@pytest.mark.parametrize(
    ("was", "now", "loses"),
    [
        (None, BOB, False),
        (BOB, BOB, False),
        (at(State.WAITING), BOB, False),
        (at(State.WAITING), None, False),
        (at(State.WAITING), at(State.DENIED), False),
        (MUTED, BOB, False),
        (MUTED, ASKED, False),
        (None, MUTED, True),
        (BOB, MUTED, True),
        (at(State.WAITING), MUTED, True),
        (BOB, None, True),
        (BOB, at(State.REMOVED), True),
        (BOB, replace(BOB, session="s3"), True),
    ],
)
def test_whether_anybody_may_do_less(was: Participant | None, now: Participant | None, loses: bool) -> None:
    assert lose(room_of(was), room_of(now), {"bob"}) is loses
    assert not lose(room_of(was), room_of(now), ())


def test_a_room_that_was_closed() -> None:
    assert lose(room_of(), room_of(closed_ms=1), ())
    assert lose(room_of(), room_of(disabled=True), ())
