"""Rooms, their sessions and participants as the vendor's documents, which its server SDK gives to its users.

The vendor's session is a meeting here. Times are ISO 8601 in UTC, to the millisecond.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from gate.api.videosdk_reading import Paging
from gate.core.reasons import Reason
from gate.core.room import Participant, Room, State, TrackKind
from gate.store.rooms import Attendance, Meeting

Document = dict[str, object]

# So many participants of each session stand in a list of sessions.
MOST_LISTED: Final = 100


def describe_room(room: Room, base: str) -> Document:
    """The room. Its `links` begin with `base`: scheme and authority, or nothing."""
    document: Document = {
        "id": room.id,
        "roomId": room.id,
        "customRoomId": room.custom_id or None,
        "disabled": room.disabled,
        **json.loads(room.settings),
    }
    if room.allowed:
        document["allowedParticipantIds"] = sorted(room.allowed)
    document["createdAt"] = write_time(room.made_ms)
    document["updatedAt"] = write_time(room.changed_ms)
    document["links"] = {
        "get_room": f"{base}/v2/rooms/{room.id}",
        "get_session": f"{base}/v2/sessions?roomId={room.id}",
    }
    return document


def describe_meeting(meeting: Meeting, people: Iterable[Attendance], base: str) -> Document:
    """The session, with these of its participants."""
    document: Document = {
        "id": meeting.id,
        "start": write_time(meeting.began_ms),
        "end": None if meeting.ended_ms is None else write_time(meeting.ended_ms),
        "status": "ongoing" if meeting.ended_ms is None else "ended",
        "roomId": meeting.room,
    }
    if meeting.custom_id:
        document["customRoomId"] = meeting.custom_id
    document["participants"] = [describe_attendance(person) for person in people]
    document["links"] = {
        "get_room": f"{base}/v2/rooms/{meeting.room}",
        "get_session": f"{base}/v2/sessions/{meeting.id}",
    }
    return document


def describe_attendance(person: Attendance) -> Document:
    """Somebody who was in a session, and when."""
    return {
        "participantId": person.participant,
        "name": person.name,
        "timelog": [
            {"start": write_time(begin), "end": None if end is None else write_time(end)}
            for begin, end in person.times
        ],
    }


def describe_page(paging: Paging, total: int, data: object) -> Document:
    """One page of `total` items."""
    info = {
        "currentPage": paging.page,
        "perPage": paging.per_page,
        "lastPage": max(1, -(-total // paging.per_page)),
        "total": total,
    }
    return {"pageInfo": info, "data": data}


def describe_people(room: Room, viewer: Participant) -> Document:
    """Who is in, as one of them may see it; who admits others sees who waits, too."""
    document: Document = {"participants": [_describe_person(person) for person in room.present]}
    if viewer.hosts:
        waiting: Sequence[Participant] = sorted(
            (person for person in room.people.values() if person.state is State.WAITING),
            key=lambda person: (person.since_ms, person.id),
        )
        document["waiting"] = [{"id": person.id, "name": person.name} for person in waiting]
    return document


def describe_standing(person: Participant) -> Document:
    """How somebody stands who is in, or waits."""
    status = "joined" if person.state is State.JOINED else Reason.WAITING_FOR_ADMISSION.value
    return {"status": status, "participantId": person.id}


def describe_track(person: Participant, kind: TrackKind) -> str:
    """Whether a moderator has taken the track from them, or wants to give it back."""
    if kind in person.asked:
        return "requested"
    return "disabled" if kind in person.disabled else "enabled"


def write_time(at_ms: int) -> str:
    """Unix milliseconds as ISO 8601."""
    seconds, rest_ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ms:03d}Z"


def _describe_person(person: Participant) -> Document:
    return {
        "participantId": person.id,
        "name": person.name,
        "mic": "disabled" if TrackKind.MIC in person.disabled else "enabled",
        "webcam": "disabled" if TrackKind.WEBCAM in person.disabled else "enabled",
        "hosts": person.hosts,
        "moderates": person.moderates,
        "joinedAt": write_time(person.since_ms),
    }
