"""The numbers and names that VideoSDK's clients know errors by (the vendor's JavaScript SDK 1.1)."""

from __future__ import annotations

from typing import Final

from gate.core.reasons import Reason

_CODES: Final = {
    Reason.KEY_DISABLED: (4053, "APIKEY_DEACTIVATED"),
    Reason.DUPLICATE_PARTICIPANT: (4005, "DUPLICATE_PARTICIPANT"),
    Reason.PERMISSIONS_INVALID: (4008, "INVALID_PERMISSIONS"),
    Reason.PARTICIPANT_INVALID: (4004, "INVALID_PARTICIPANT_ID"),
    Reason.ROOM_FULL: (4009, "MAX_PARTCIPANT_REACHED"),
    Reason.ROOM_NOT_GRANTED: (4022, "UNAUTHORIZED_MEETING_ID"),
    Reason.PARTICIPANT_NOT_GRANTED: (4023, "UNAUTHORIZED_PARTICIPANT_ID"),
    Reason.ROLE_NOT_GRANTED: (4024, "UNAUTHORIZED_ROLE"),
    Reason.COMMAND_NOT_GRANTED: (4025, "UNAUTHORIZED_REQUEST"),
    Reason.ROOM_UNKNOWN: (4003, "INVALID_MEETING_ID"),
    Reason.ROOM_DISABLED: (4052, "MEETING_ID_DISABLED"),
    Reason.NOT_WAITING: (4059, "RESPOND_ENTRY_FAILED"),
    Reason.TOKEN_EXPIRED: (4002, "INVALID_TOKEN"),
    Reason.REVOKED: (4002, "INVALID_TOKEN"),
}


def code_of(reason: Reason) -> tuple[int, str] | None:
    """The vendor's number and name of a refusal; None where it has none."""
    return _CODES.get(reason)
