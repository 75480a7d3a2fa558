"""What participants of a room ask for, by the vendor's names."""

from __future__ import annotations

from collections.abc import Mapping

from gate.api.videosdk_caller import Caller
from gate.core.reasons import Deny, Reason
from gate.core.room import Room, RoomRules
from gate.core.room_steps import Step, respond
from gate.rooms.desk import Desk


async def perform(
    desk: Desk, caller: Caller, room: str, command: str, data: Mapping[str, object], rules: RoomRules
) -> Deny | Mapping[str, object]:
    """The command has happened, and this is its answer; or why not. Raises StoreError."""
    actor = caller.participant
    if actor is None:
        return Deny(Reason.NOT_JOINED)
    if command != "respondEntry":
        return Deny(Reason.MALFORMED_REQUEST, "there is no such command")

    def admit(before: Room, now_ms: int) -> Step:
        return respond(before, actor, str(data.get("id")), data.get("decision") == "allowed", rules, now_ms)

    step = await desk.do(caller.application.name, room, admit)
    if step is None:
        return Deny(Reason.ROOM_UNKNOWN)
    return step.answer if isinstance(step.answer, Deny) else {}
