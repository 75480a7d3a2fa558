"""The numbers and names by which VideoSDK's clients know an error: those of the vendor's JavaScript SDK 1.1.

Two names are misspelt there, and so they are here.
"""

from __future__ import annotations

from typing import Final

from gate.core.reasons import Reason

_TOKEN: Final = (4002, "INVALID_TOKEN")
_REQUEST: Final = (4025, "UNAUTHORIZED_REQUEST")
_CODES: Final[dict[Reason, tuple[int, str]]] = {
    Reason.UNKNOWN_KEY: (4001, "INVALID_API_KEY"),
    Reason.TOKEN_MISSING: _TOKEN,
    Reason.TOKEN_MALFORMED: _TOKEN,
    Reason.TOKEN_SIGNATURE: _TOKEN,
    Reason.TOKEN_ALGORITHM: _TOKEN,
    Reason.TOKEN_EXPIRED: _TOKEN,
    Reason.TOKEN_NOT_YET_VALID: _TOKEN,
    Reason.CLAIM_INVALID: _TOKEN,
    Reason.CLAIM_MISSING: _TOKEN,
    Reason.EXPIRY_REQUIRED: _TOKEN,
    Reason.LIFETIME_TOO_LONG: _TOKEN,
    Reason.REVOKED: _TOKEN,
    Reason.TICKET_INVALID: _TOKEN,
    Reason.SESSION_EXPIRED: _TOKEN,
    Reason.ROOM_UNKNOWN: (4003, "INVALID_MEETING_ID"),
    Reason.PARTICIPANT_INVALID: (4004, "INVALID_PARTICIPANT_ID"),
    Reason.DUPLICATE_PARTICIPANT: (4005, "DUPLICATE_PARTICIPANT"),
    Reason.PERMISSIONS_INVALID: (4008, "INVALID_PERMISSIONS"),
    Reason.ROOM_FULL: (4009, "MAX_PARTCIPANT_REACHED"),
    Reason.ROOM_NOT_GRANTED: (4022, "UNAUTHORIZED_MEETING_ID"),
    Reason.PARTICIPANT_NOT_GRANTED: (4023, "UNAUTHORIZED_PARTCIPANT_ID"),
    Reason.ROLE_NOT_GRANTED: (4024, "UNAUTHORIZED_ROLE"),
    Reason.COMMAND_NOT_GRANTED: _REQUEST,
    Reason.ENTRY_NOT_GRANTED: _REQUEST,
    Reason.ROOM_DISABLED: (4052, "MEETING_ID_DISABLED"),
    Reason.KEY_DISABLED: (4053, "APIKEY_DEACTIVATED"),
}


def code_of(reason: Reason) -> tuple[int, str] | None:
    """The vendor's number and name for a refusal; None where it has none."""
    return _CODES.get(reason)
