"""The vendor's numbers and names for what the gate refuses, as clients of VideoSDK's know them.

The names are the vendor's own, with those that it misspells (4009, 4023). Source: the table of errors of its
JavaScript SDK 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from gate.core.reasons import Deny, Reason

INVALID_API_KEY: Final = (4001, "INVALID_API_KEY")
INVALID_TOKEN: Final = (4002, "INVALID_TOKEN")
INVALID_MEETING_ID: Final = (4003, "INVALID_MEETING_ID")
INVALID_PARTICIPANT_ID: Final = (4004, "INVALID_PARTICIPANT_ID")
DUPLICATE_PARTICIPANT: Final = (4005, "DUPLICATE_PARTICIPANT")
INVALID_PERMISSIONS: Final = (4008, "INVALID_PERMISSIONS")
MAX_PARTCIPANT_REACHED: Final = (4009, "MAX_PARTCIPANT_REACHED")
UNAUTHORIZED_MEETING_ID: Final = (4022, "UNAUTHORIZED_MEETING_ID")
UNAUTHORIZED_PARTICIPANT_ID: Final = (4023, "UNAUTHORIZED_PARTCIPANT_ID")
UNAUTHORIZED_ROLE: Final = (4024, "UNAUTHORIZED_ROLE")
UNAUTHORIZED_REQUEST: Final = (4025, "UNAUTHORIZED_REQUEST")
MEETING_ID_DISABLED: Final = (4052, "MEETING_ID_DISABLED")
APIKEY_DEACTIVATED: Final = (4053, "APIKEY_DEACTIVATED")

_CODES: Final[Mapping[Reason, tuple[int, str]]] = MappingProxyType(
    {
        Reason.UNKNOWN_KEY: INVALID_API_KEY,
        **dict.fromkeys(
            (
                Reason.AMBIGUOUS_CREDENTIALS,
                Reason.TOKEN_MISSING,
                Reason.TOKEN_MALFORMED,
                Reason.TOKEN_SIGNATURE,
                Reason.TOKEN_ALGORITHM,
                Reason.CLAIM_INVALID,
                Reason.CLAIM_MISSING,
                Reason.ISSUER_NOT_ACCEPTED,
                Reason.AUDIENCE_NOT_ACCEPTED,
                Reason.BINDING_REQUIRED,
                Reason.EXPIRY_REQUIRED,
                Reason.LIFETIME_TOO_LONG,
                Reason.TOKEN_EXPIRED,
                Reason.TOKEN_NOT_YET_VALID,
                Reason.REVOKED,
            ),
            INVALID_TOKEN,
        ),
        Reason.ROOM_UNKNOWN: INVALID_MEETING_ID,
        Reason.PARTICIPANT_INVALID: INVALID_PARTICIPANT_ID,
        Reason.DUPLICATE_PARTICIPANT: DUPLICATE_PARTICIPANT,
        Reason.PERMISSIONS_INVALID: INVALID_PERMISSIONS,
        Reason.ROOM_FULL: MAX_PARTCIPANT_REACHED,
        Reason.ROOM_NOT_GRANTED: UNAUTHORIZED_MEETING_ID,
        Reason.PARTICIPANT_NOT_GRANTED: UNAUTHORIZED_PARTICIPANT_ID,
        Reason.ROLE_NOT_GRANTED: UNAUTHORIZED_ROLE,
        **dict.fromkeys(
            (
                Reason.COMMAND_NOT_GRANTED,
                Reason.ENTRY_NOT_GRANTED,
                Reason.NOT_JOINED,
                Reason.REMOVED_FROM_ROOM,
                Reason.ENTRY_DENIED,
                Reason.ENTRY_TIMED_OUT,
                Reason.TRACK_NOT_YOURS,
                Reason.TRACK_DISABLED,
            ),
            UNAUTHORIZED_REQUEST,
        ),
        Reason.ROOM_DISABLED: MEETING_ID_DISABLED,
        Reason.KEY_DISABLED: APIKEY_DEACTIVATED,
    }
)


def code_of(reason: Reason) -> tuple[int, str] | None:
    """The vendor's number and name for the reason; None where it has none that says the same."""
    return _CODES.get(reason)


def with_code(deny: Deny) -> Deny:
    """The refusal with the vendor's number, as the text that its SDKs read, and name among its facts."""
    if (code := code_of(deny.reason)) is None:
        return deny
    return replace(deny, facts=(*deny.facts, ("code", str(code[0])), ("name", code[1])))
