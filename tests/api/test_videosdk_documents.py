"""The vendor's documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gate.api.videosdk_documents import (
    describe_meeting,
    describe_page,
    describe_people,
    describe_room,
    describe_standing,
    describe_track,
    write_time,
)
from gate.api.videosdk_reading import Paging
from gate.core.room import Participant, Permission, Room, State, TrackKind
from gate.store.rooms import Attendance, Meeting

AT_MS = 1_800_000_000_007


def person(name: str, state: State = State.JOINED, *permissions: Permission, **more: Any) -> Participant:
    base = Participant(name, name.title(), state, "s", "o", "t", "c", frozenset(permissions), AT_MS)
    return replace(base, **more)


def test_times() -> None:
    assert write_time(AT_MS) == "2027-01-15T08:00:00.007Z"
    assert write_time(0) == "1970-01-01T00:00:00.000Z"


def test_a_plain_room() -> None:
    room = Room("meet", "abcd-efgh-ijkl", "", AT_MS, AT_MS + 1)
    assert describe_room(room, "https://meet.example") == {
        "id": "abcd-efgh-ijkl",
        "roomId": "abcd-efgh-ijkl",
        "customRoomId": None,
        "disabled": False,
        "createdAt": "2027-01-15T08:00:00.007Z",
        "updatedAt": "2027-01-15T08:00:00.008Z",
        "links": {
            "get_room": "https://meet.example/v2/rooms/abcd-efgh-ijkl",
            "get_session": "https://meet.example/v2/sessions?roomId=abcd-efgh-ijkl",
        },
    }


def test_a_room_with_everything() -> None:
    room = Room(
        *("meet", "r", "mine", AT_MS, AT_MS),
        disabled=True,
        allowed=frozenset("ba"),
        settings='{"geoFence":"us002","webhook":{"events":[]}}',
    )
    document = describe_room(room, "")
    assert (document["customRoomId"], document["disabled"]) == ("mine", True)
    assert (document["geoFence"], document["webhook"]) == ("us002", {"events": []})
    assert document["allowedParticipantIds"] == ["a", "b"]


def test_sessions() -> None:
    people = (Attendance("p1", "Ann", ((AT_MS, AT_MS + 1), (AT_MS + 2, None))),)
    assert describe_meeting(Meeting("m1", "r", "", AT_MS), people, "") == {
        "id": "m1",
        "start": "2027-01-15T08:00:00.007Z",
        "end": None,
        "status": "ongoing",
        "roomId": "r",
        "participants": [
            {
                "participantId": "p1",
                "name": "Ann",
                "timelog": [
                    {"start": "2027-01-15T08:00:00.007Z", "end": "2027-01-15T08:00:00.008Z"},
                    {"start": "2027-01-15T08:00:00.009Z", "end": None},
                ],
            }
        ],
        "links": {"get_room": "/v2/rooms/r", "get_session": "/v2/sessions/m1"},
    }
    ended = describe_meeting(Meeting("m1", "r", "mine", AT_MS, AT_MS), (), "")
    assert (ended["status"], ended["end"], ended["customRoomId"]) == ("ended", ended["start"], "mine")


@pytest.mark.parametrize(("total", "last"), [(0, 1), (1, 1), (20, 1), (21, 2), (100, 5)])
def test_pages(total: int, last: int) -> None:
    document = describe_page(Paging(2, 20), total, [])
    assert document == {
        "pageInfo": {"currentPage": 2, "perPage": 20, "lastPage": last, "total": total},
        "data": [],
    }


def test_who_is_in_and_for_hosts_who_waits() -> None:
    ann = person("ann", State.JOINED, Permission.ALLOW_JOIN)
    bob = person("bob", State.JOINED, Permission.ALLOW_MOD, disabled=frozenset({TrackKind.MIC}))
    people = {each.id: each for each in (person("cat", State.WAITING), bob, ann, person("dan", State.REMOVED))}
    room = Room("meet", "r", "", AT_MS, AT_MS, people=people)
    told = describe_people(room, ann)
    assert told["participants"] == [
        {
            "participantId": "ann",
            "name": "Ann",
            "mic": "enabled",
            "webcam": "enabled",
            "hosts": True,
            "moderates": False,
            "joinedAt": "2027-01-15T08:00:00.007Z",
        },
        {
            "participantId": "bob",
            "name": "Bob",
            "mic": "disabled",
            "webcam": "enabled",
            "hosts": False,
            "moderates": True,
            "joinedAt": "2027-01-15T08:00:00.007Z",
        },
    ]
    assert told["waiting"] == [{"id": "cat", "name": "Cat"}]
    assert describe_people(room, bob) == {"participants": told["participants"]}


def test_standings_and_tracks() -> None:
    assert describe_standing(person("a"))["status"] == "joined"
    assert describe_standing(person("a", State.WAITING))["status"] == "waiting_for_admission"
    muted = person("a", disabled=frozenset(TrackKind), asked={TrackKind.MIC: "b"})
    assert [describe_track(muted, kind) for kind in (TrackKind.MIC, TrackKind.WEBCAM)] == [
        "requested",
        "disabled",
    ]
    assert describe_track(person("a"), TrackKind.MIC) == "enabled"
