"""What participants do in a room, by the names of the vendor's messages: over REST and in a live stream alike.

    requestEntry {name}             to come in, or to ask for it
    respondEntry {id, decision}     to answer who asks: allowed or denied; takes allow_join
    enablePeerMic, disablePeerMic, enablePeerWebcam, disablePeerWebcam, removePeer {peerId}    take allow_mod
    closeRoom {}                    takes allow_mod
    muteAll {kind}                  the mic or webcam of everybody else; takes allow_mod. Not the vendor's
    acceptMic, rejectMic, acceptWebcam, rejectWebcam {}    to agree to send it again, or not to

Who acts is whoever calls, never whom the data name. Fields that the gate does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gate.api.videosdk_caller import Caller
from gate.api.videosdk_documents import describe_standing, describe_track
from gate.api.videosdk_entrance import check_caller, enter, see, stand
from gate.api.videosdk_reading import need_id, read_choice, read_name
from gate.core.reasons import Deny, Reason
from gate.core.room import Participant, Permission, Room, RoomRules, State, TrackKind, refuse_entry
from gate.core.room_steps import (
    Step,
    answer_request,
    close,
    disable_all,
    disable_track,
    enable_track,
    remove,
    respond,
)
from gate.errors import UsageError
from gate.rooms.desk import Desk

REQUEST_ENTRY: Final = "requestEntry"
Data = Mapping[str, object]
Answer = Mapping[str, object]
# A command of one participant's on a room at a time, in Unix milliseconds.
Act = Callable[[Room, str, int], Step]
# What the data make of it, by the rules of the application. Raises UsageError.
Read = Callable[[Data, RoomRules], Act]

_FAILED: Final = frozenset({Reason.PARTICIPANT_UNKNOWN, Reason.NOT_WAITING, Reason.NOT_ASKED})


@dataclass(frozen=True, slots=True)
class Command:
    """How a command is read, the permission that it takes, if any, and the vendor's number and name of its
    failure, where it has one."""

    read: Read
    takes: Permission | None = None
    failure: tuple[int, str] | None = None


def _read_response(data: Data, rules: RoomRules) -> Act:
    name, allowed = need_id(data, "id"), read_choice(data, "decision", "allowed", "denied") == "allowed"
    return lambda room, actor, now_ms: respond(room, actor, name, allowed, rules, now_ms)


def _read_removal(data: Data, rules: RoomRules) -> Act:
    name = need_id(data, "peerId")
    return lambda room, actor, now_ms: remove(room, actor, name, now_ms)


def _read_closing(data: Data, rules: RoomRules) -> Act:
    return lambda room, actor, now_ms: close(room, actor, now_ms)


def _read_muting(data: Data, rules: RoomRules) -> Act:
    kind = TrackKind(read_choice(data, "kind", "mic", "webcam"))
    return lambda room, actor, now_ms: disable_all(room, actor, kind, now_ms)


def _enabling(kind: TrackKind) -> Read:
    def read(data: Data, rules: RoomRules) -> Act:
        name = need_id(data, "peerId")
        return lambda room, actor, now_ms: enable_track(room, actor, name, kind, rules, now_ms)

    return read


def _disabling(kind: TrackKind) -> Read:
    def read(data: Data, rules: RoomRules) -> Act:
        name = need_id(data, "peerId")
        return lambda room, actor, now_ms: disable_track(room, actor, name, kind, now_ms)

    return read


def _consenting(kind: TrackKind, *, accepted: bool) -> Read:
    def read(data: Data, rules: RoomRules) -> Act:
        return lambda room, actor, now_ms: answer_request(room, actor, kind, accepted, now_ms)

    return read


_MIC, _WEBCAM = TrackKind.MIC, TrackKind.WEBCAM
_JOIN, _MOD = Permission.ALLOW_JOIN, Permission.ALLOW_MOD

# All commands but `requestEntry`, which is of those who are not in.
COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "respondEntry": Command(_read_response, _JOIN, (4059, "RESPOND_ENTRY_FAILED")),
        "removePeer": Command(_read_removal, _MOD, (4066, "REMOVE_PARTICIPANT_FAILED")),
        "enablePeerMic": Command(_enabling(_MIC), _MOD, (4067, "ENABLE_PARTICIPANT_MIC_FAILED")),
        "disablePeerMic": Command(_disabling(_MIC), _MOD, (4068, "DISABLE_PARTICIPANT_MIC_FAILED")),
        "enablePeerWebcam": Command(_enabling(_WEBCAM), _MOD, (4069, "ENABLE_PARTICIPANT_WEBCAM_FAILED")),
        "disablePeerWebcam": Command(_disabling(_WEBCAM), _MOD, (4070, "DISABLE_PARTICIPANT_WEBCAM_FAILED")),
        "closeRoom": Command(_read_closing, _MOD),
        "muteAll": Command(_read_muting, _MOD),
        "acceptMic": Command(_consenting(_MIC, accepted=True)),
        "rejectMic": Command(_consenting(_MIC, accepted=False)),
        "acceptWebcam": Command(_consenting(_WEBCAM, accepted=True)),
        "rejectWebcam": Command(_consenting(_WEBCAM, accepted=False)),
    }
)


def failure_of(command: str, reason: Reason) -> tuple[int, str] | None:
    """The vendor's number and name for a command that was refused for this reason, where they are its own."""
    found = COMMANDS.get(command)
    return None if found is None or reason not in _FAILED else found.failure


async def perform(
    desk: Desk, caller: Caller, room: str, command: str, data: Data, rules: RoomRules, client: str = ""
) -> Deny | Answer:
    """The caller's command has happened in the room, once; what it is told then. Raises StoreError.

    `client` is the key of the caller's client, which `requestEntry` takes: by that an unnamed guest who was
    told no is known again. It takes a session, too: a caller by a token has none yet.
    """
    found = COMMANDS.get(command)
    if found is None and command != REQUEST_ENTRY:
        return Deny(Reason.COMMAND_UNKNOWN)
    if (refusal := check_caller(caller, room)) is not None:
        return refusal
    try:
        if found is None:
            person = await enter(desk, caller, room, read_name(data, "name"), rules, client)
            return person if isinstance(person, Deny) else describe_standing(person)
        act, takes = found.read(data, rules), found.takes
    except UsageError as error:
        return Deny(Reason.MALFORMED_REQUEST, str(error))
    who: list[Participant] = []

    def take(was: Room, now_ms: int) -> Step:
        person = stand(was, caller, now_ms)
        if isinstance(person, Deny):
            return Step(was, person)
        if person.state is not State.JOINED:
            return Step(was, refuse_entry(person))
        who[:] = [person]
        if takes is not None and takes not in caller.room_pass.permissions:
            # Whoever is in by a token that says more: this one does not, and may be in other hands.
            return Step(was, Deny(Reason.COMMAND_NOT_GRANTED, f"the token's permissions lack {takes.value}"))
        return act(was, person.id, now_ms)

    step = await desk.do(caller.application.name, room, take)
    if step is None:
        return Deny(Reason.ROOM_UNKNOWN)
    if who:
        see(desk, caller, room, who[0])
    if isinstance(step.answer, Deny):
        return step.answer
    return _describe(command, data, step.answer)


def _describe(command: str, data: Data, person: Participant | None) -> Answer:
    """What has become of the one whom a command was about; nothing, where it was about all."""
    if person is None:
        return {}
    if command == "respondEntry":
        return {"id": person.id, "decision": data["decision"]}
    return {
        "peerId": person.id,
        "mic": describe_track(person, _MIC),
        "webcam": describe_track(person, _WEBCAM),
    }
