"""Who may be in a room and what they may do to its tracks, by how they stand there."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from gate.core.reasons import Deny, Reason
from gate.core.room import (
    Participant,
    Permission,
    Room,
    State,
    Track,
    TrackKind,
    check_room,
    check_track,
    find_person,
    refuse_entry,
)
from gate.core.session import session_id

HOST = frozenset({Permission.ALLOW_JOIN, Permission.ALLOW_MOD})
OLD, NOW, NEW = (session_id("owner", at_ms, bytes(8)) for at_ms in (1000, 2000, 3000))
ANN = Participant("ann", "Ann", State.JOINED, NOW, "o", "t", "c", HOST, 10)


def room_of(*people: Participant, **facts: object) -> Room:
    room = Room("demo", "r1", "", 0, 0, people=MappingProxyType({person.id: person for person in people}))
    return replace(room, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("permissions", [frozenset(), *({each} for each in Permission), HOST])
@pytest.mark.parametrize("state", State)
def test_only_who_is_in_admits_and_moderates(state: State, permissions: frozenset[Permission]) -> None:
    person = replace(ANN, state=state, permissions=frozenset(permissions))
    inside = state is State.JOINED
    assert person.hosts is (inside and Permission.ALLOW_JOIN in permissions)
    assert person.moderates is (inside and Permission.ALLOW_MOD in permissions)


def test_who_is_present_is_in_the_order_of_joining() -> None:
    people = [
        replace(ANN, id="late", since_ms=30),
        replace(ANN, id="b", since_ms=20),
        replace(ANN, id="waits", state=State.WAITING),
        replace(ANN, id="a", since_ms=20),
    ]
    assert [person.id for person in room_of(*people).present] == ["a", "b", "late"]


class TestFindPerson:
    @pytest.mark.parametrize(
        ("state", "session", "expected"),
        [
            *[(state, NOW, "them") for state in (State.JOINED, State.WAITING, State.DENIED, State.TIMED_OUT)],
            *[(state, OLD, Reason.DUPLICATE_PARTICIPANT) for state in State if state is not State.LEFT],
            *[(state, NEW, None) for state in State if state is not State.REMOVED],
            *[(State.LEFT, session, None) for session in (OLD, NOW, NEW)],
            *[(State.REMOVED, session, Reason.REMOVED_FROM_ROOM) for session in (NOW, NEW)],
        ],
    )
    def test_as_their_session_has_them(self, state: State, session: str, expected: object) -> None:
        person = replace(ANN, state=state)
        found = find_person(room_of(person), session, "ann")
        if isinstance(expected, Reason):
            assert isinstance(found, Deny)
            assert found.reason is expected
        else:
            assert found == (person if expected == "them" else None)

    def test_nobody_of_that_name(self) -> None:
        assert find_person(room_of(ANN), NOW, "bob") is None

    def test_the_younger_session_is_theirs_whatever_its_shard(self) -> None:
        """A fresh token of the same participant may be another owner's, and lie anywhere."""
        shards = {session_id(f"owner{n}", 3000, bytes(8))[:2] for n in range(50)}
        assert min(shards) < NOW[:2] <= max(shards)
        for shard in shards:
            assert find_person(room_of(ANN), shard + NEW[2:], "ann") is None
            older = find_person(room_of(ANN), shard + OLD[2:], "ann")
            assert isinstance(older, Deny)


@pytest.mark.parametrize(
    ("room", "session_ms", "reason"),
    [
        (None, 1, Reason.ROOM_UNKNOWN),
        (room_of(), 1, None),
        (room_of(disabled=True, closed_ms=9), 10, Reason.ROOM_DISABLED),
        (room_of(closed_ms=9), 8, Reason.ROOM_CLOSED),
        (room_of(closed_ms=9), 9, Reason.ROOM_CLOSED),
        (room_of(closed_ms=9), 10, None),
    ],
)
def test_which_sessions_may_be_in_a_room(room: Room | None, session_ms: int, reason: Reason | None) -> None:
    refusal = check_room(room, session_ms)
    assert (refusal and refusal.reason) == reason


class TestTracks:
    MIC = Track("r1", "ann", TrackKind.MIC)

    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            (State.WAITING, Reason.WAITING_FOR_ADMISSION),
            (State.DENIED, Reason.ENTRY_DENIED),
            (State.TIMED_OUT, Reason.ENTRY_TIMED_OUT),
            (State.REMOVED, Reason.REMOVED_FROM_ROOM),
            (State.LEFT, Reason.NOT_JOINED),
        ],
    )
    @pytest.mark.parametrize("writes", [True, False])
    def test_who_is_not_in_does_nothing(self, state: State, reason: Reason, writes: bool) -> None:
        person = replace(ANN, state=state)
        assert refuse_entry(person).reason is reason
        refusal = check_track(room_of(person), person, self.MIC, writes=writes)
        assert refusal is not None
        assert refusal.reason is reason

    @pytest.mark.parametrize(
        ("whose", "disabled", "writes", "reason"),
        [
            ("ann", False, True, None),
            ("ann", True, True, Reason.TRACK_DISABLED),
            ("bob", False, True, Reason.TRACK_NOT_YOURS),
            ("bob", True, True, Reason.TRACK_NOT_YOURS),
            ("ann", False, False, None),
            ("ann", True, False, Reason.MUTED),
            ("bob", False, False, None),
            ("bob", True, False, Reason.MUTED),
            ("nobody", False, False, None),
        ],
    )
    def test_one_writes_ones_own_and_reads_anybodys(
        self, whose: str, disabled: bool, writes: bool, reason: Reason | None
    ) -> None:
        kinds = frozenset({TrackKind.MIC}) if disabled else frozenset[TrackKind]()
        people = [
            replace(ANN, id=name, disabled=kinds if name == whose else frozenset()) for name in ("ann", "bob")
        ]
        refusal = check_track(room_of(*people), people[0], replace(self.MIC, participant=whose), writes=writes)
        assert (refusal and refusal.reason) == reason
        # Another kind of track is another matter.
        webcam = Track("r1", people[0].id, TrackKind.WEBCAM)
        assert check_track(room_of(*people), people[0], webcam, writes=True) is None
