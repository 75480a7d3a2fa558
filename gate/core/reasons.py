"""Every refusal the gate can give: one table maps a reason to its status and its sentence.

Statuses are an interface: players retry a 5xx and give up for good on a 4xx, so 401 and 403 are kept for
what the viewer can mend and 503 (with Retry-After) for what is our own trouble or will pass by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """How a reason is answered. `retry_after_s` is sent as Retry-After; `challenge` is RFC 6750's error."""

    status: int
    title: str
    retry_after_s: int | None = None
    challenge: str | None = None


class Reason(Enum):
    """The machine-readable code of a refusal: stable, the same in headers, bodies, logs and metrics."""

    # The request itself.
    MALFORMED_TARGET = "malformed_target"
    MALFORMED_REQUEST = "malformed_request"
    BODY_NOT_ALLOWED = "body_not_allowed"
    BODY_TOO_LARGE = "body_too_large"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    AMBIGUOUS_CREDENTIALS = "ambiguous_credentials"
    NOT_SERVED = "not_served"
    ACCESS_NONE = "access_none"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"

    # The token or the ticket as such.
    TOKEN_MISSING = "token_missing"
    TOKEN_MALFORMED = "token_malformed"
    TOKEN_SIGNATURE = "token_signature"
    TOKEN_ALGORITHM = "token_algorithm"
    UNKNOWN_KEY = "unknown_key"
    CLAIM_INVALID = "claim_invalid"
    CLAIM_MISSING = "claim_missing"
    ISSUER_NOT_ACCEPTED = "issuer_not_accepted"
    AUDIENCE_NOT_ACCEPTED = "audience_not_accepted"
    BINDING_REQUIRED = "binding_required"
    EXPIRY_REQUIRED = "expiry_required"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"
    REVOKED = "revoked"
    TOO_MANY_FAILURES = "too_many_failures"
    TICKET_INVALID = "ticket_invalid"
    VISIT_INVALID = "visit_invalid"
    SESSION_EXPIRED = "session_expired"

    # A good token that does not grant this.
    TOKEN_HIDDEN = "token_hidden"
    ACTION_NOT_GRANTED = "action_not_granted"
    RESOURCE_NOT_GRANTED = "resource_not_granted"
    LIVE_NOT_GRANTED = "live_not_granted"
    DVR_NOT_GRANTED = "dvr_not_granted"
    COPY_NOT_GRANTED = "copy_not_granted"
    OUTSIDE_WINDOW = "outside_window"
    PARTLY_OUTSIDE_WINDOW = "partly_outside_window"
    TIME_UNKNOWN = "time_unknown"
    MARK_INVALID = "mark_invalid"
    OUTSIDE_RANGE = "outside_range"
    BINDING_MISMATCH = "binding_mismatch"
    SESSION_REQUIRED = "session_required"
    SESSION_LIMIT = "session_limit"
    TOO_MANY_PLAYBACKS = "too_many_playbacks"

    # Rooms.
    PERMISSIONS_INVALID = "permissions_invalid"
    PARTICIPANT_INVALID = "participant_invalid"
    KEY_DISABLED = "key_disabled"
    ROOM_NOT_GRANTED = "room_not_granted"
    PARTICIPANT_NOT_GRANTED = "participant_not_granted"
    ROLE_NOT_GRANTED = "role_not_granted"
    ENTRY_NOT_GRANTED = "entry_not_granted"
    COMMAND_NOT_GRANTED = "command_not_granted"
    ROOM_UNKNOWN = "room_unknown"
    ROOM_DISABLED = "room_disabled"
    ROOM_CLOSED = "room_closed"
    ROOM_FULL = "room_full"
    MEETING_UNKNOWN = "meeting_unknown"
    COMMAND_UNKNOWN = "command_unknown"
    NOT_JOINED = "not_joined"
    PARTICIPANT_UNKNOWN = "participant_unknown"
    NOT_WAITING = "not_waiting"
    NOT_ASKED = "not_asked"
    DUPLICATE_PARTICIPANT = "duplicate_participant"
    REMOVED_FROM_ROOM = "removed_from_room"
    ENTRY_DENIED = "entry_denied"
    ENTRY_TIMED_OUT = "entry_timed_out"
    WAITING_FOR_ADMISSION = "waiting_for_admission"
    TRACK_NOT_YOURS = "track_not_yours"
    TRACK_DISABLED = "track_disabled"
    MUTED = "muted"

    # Trouble that is not the viewer's.
    STORE_UNAVAILABLE = "store_unavailable"
    KEYS_UNAVAILABLE = "keys_unavailable"
    ORIGIN_UNREACHABLE = "origin_unreachable"
    ORIGIN_TIMEOUT = "origin_timeout"
    ORIGIN_INVALID = "origin_invalid"
    MANIFEST_INVALID = "manifest_invalid"
    MANIFEST_TOO_LARGE = "manifest_too_large"
    FOREIGN_URI = "foreign_uri"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    INTERNAL = "internal"

    @property
    def rule(self) -> Rule:
        return RULES[self]


RULES: Final[dict[Reason, Rule]] = {
    Reason.MALFORMED_TARGET: Rule(400, "The request target is not one that the gate forwards."),
    Reason.MALFORMED_REQUEST: Rule(400, "The request is malformed."),
    Reason.BODY_NOT_ALLOWED: Rule(400, "A request of this method carries no body here."),
    Reason.BODY_TOO_LARGE: Rule(413, "The request's body is too large."),
    Reason.METHOD_NOT_ALLOWED: Rule(405, "This method is not served here."),
    Reason.AMBIGUOUS_CREDENTIALS: Rule(400, "The request carries more than one credential."),
    Reason.NOT_SERVED: Rule(403, "No rule of the policy serves this path."),
    Reason.ACCESS_NONE: Rule(403, "This stream is closed."),
    Reason.ADDRESS_NOT_ALLOWED: Rule(403, "This address may not watch this stream."),
    Reason.TOKEN_MISSING: Rule(401, "A token is needed."),
    Reason.TOKEN_MALFORMED: Rule(401, "The token is malformed.", challenge="invalid_token"),
    Reason.TOKEN_SIGNATURE: Rule(401, "The token's signature does not verify.", challenge="invalid_token"),
    Reason.TOKEN_ALGORITHM: Rule(401, "The token's algorithm is not its key's.", challenge="invalid_token"),
    Reason.UNKNOWN_KEY: Rule(
        401, "The token names a key that the gate does not know.", challenge="invalid_token"
    ),
    Reason.CLAIM_INVALID: Rule(401, "A claim of the token is not valid.", challenge="invalid_token"),
    Reason.CLAIM_MISSING: Rule(401, "The token lacks a claim that it must have.", challenge="invalid_token"),
    Reason.ISSUER_NOT_ACCEPTED: Rule(
        401, "The token's issuer is not one that the policy accepts.", challenge="invalid_token"
    ),
    Reason.AUDIENCE_NOT_ACCEPTED: Rule(401, "The token is meant for somebody else.", challenge="invalid_token"),
    Reason.BINDING_REQUIRED: Rule(
        401, "The token must be bound to a client and is not.", challenge="invalid_token"
    ),
    Reason.EXPIRY_REQUIRED: Rule(401, "The token has no end and must have one.", challenge="invalid_token"),
    Reason.LIFETIME_TOO_LONG: Rule(
        401, "The token outlives what the policy allows.", challenge="invalid_token"
    ),
    Reason.TOKEN_EXPIRED: Rule(401, "The token has expired.", challenge="invalid_token"),
    Reason.TOKEN_NOT_YET_VALID: Rule(401, "The token is not valid yet.", challenge="invalid_token"),
    Reason.REVOKED: Rule(401, "The token or its session was revoked.", challenge="invalid_token"),
    Reason.TOO_MANY_FAILURES: Rule(429, "Too many tokens from this address were not valid.", retry_after_s=10),
    Reason.VISIT_INVALID: Rule(401, "The page session is not one of the gate's.", challenge="invalid_token"),
    Reason.TICKET_INVALID: Rule(401, "The session link is not valid.", challenge="invalid_token"),
    Reason.SESSION_EXPIRED: Rule(401, "The session is over.", challenge="invalid_token"),
    Reason.TOKEN_HIDDEN: Rule(403, "The token is hidden: it is good only for tokens that refer to it."),
    Reason.ACTION_NOT_GRANTED: Rule(403, "The token does not grant this action."),
    Reason.RESOURCE_NOT_GRANTED: Rule(403, "The token does not grant this resource."),
    Reason.LIVE_NOT_GRANTED: Rule(403, "The token does not grant live viewing."),
    Reason.DVR_NOT_GRANTED: Rule(403, "The token does not grant the archive."),
    Reason.COPY_NOT_GRANTED: Rule(403, "The token does not grant downloads."),
    Reason.OUTSIDE_WINDOW: Rule(403, "The requested time lies outside the token's windows."),
    Reason.PARTLY_OUTSIDE_WINDOW: Rule(403, "Part of the requested time lies outside the token's windows."),
    Reason.TIME_UNKNOWN: Rule(403, "The URL does not say its time, and the token's time is restricted."),
    Reason.MARK_INVALID: Rule(403, "The URL was handed out in another session, or was changed."),
    Reason.OUTSIDE_RANGE: Rule(403, "These bytes of the file are not the ones that were handed out."),
    Reason.BINDING_MISMATCH: Rule(403, "The token is bound to another client."),
    Reason.SESSION_REQUIRED: Rule(403, "This token needs a session: open the playlist first."),
    Reason.SESSION_LIMIT: Rule(403, "The token has opened all the sessions that it may."),
    Reason.TOO_MANY_PLAYBACKS: Rule(409, "Too many playbacks at once."),
    Reason.PERMISSIONS_INVALID: Rule(
        401, "The token's permissions are not valid together.", challenge="invalid_token"
    ),
    Reason.PARTICIPANT_INVALID: Rule(401, "The token's participant id is no id.", challenge="invalid_token"),
    Reason.KEY_DISABLED: Rule(401, "The token's API key is disabled.", challenge="invalid_token"),
    Reason.ROOM_NOT_GRANTED: Rule(403, "The token is for another room."),
    Reason.PARTICIPANT_NOT_GRANTED: Rule(403, "The token is another participant's."),
    Reason.ROLE_NOT_GRANTED: Rule(403, "The token's roles do not permit this use of it."),
    Reason.ENTRY_NOT_GRANTED: Rule(403, "The token permits neither to join the room nor to ask for it."),
    Reason.COMMAND_NOT_GRANTED: Rule(403, "The token does not permit this command."),
    Reason.ROOM_UNKNOWN: Rule(403, "There is no such room."),
    Reason.ROOM_DISABLED: Rule(403, "The room is deactivated."),
    Reason.ROOM_CLOSED: Rule(403, "The room was closed; join again to open it."),
    Reason.ROOM_FULL: Rule(503, "The room is full.", retry_after_s=10),
    Reason.MEETING_UNKNOWN: Rule(404, "No room has such a session."),
    Reason.COMMAND_UNKNOWN: Rule(404, "There is no such command."),
    Reason.NOT_JOINED: Rule(403, "The participant is not in the room."),
    Reason.PARTICIPANT_UNKNOWN: Rule(404, "There is no such participant in the room."),
    Reason.NOT_WAITING: Rule(409, "The participant does not wait for admission, or has been answered."),
    Reason.NOT_ASKED: Rule(409, "Nobody has asked for this track."),
    Reason.DUPLICATE_PARTICIPANT: Rule(403, "The participant has joined again, and this is the earlier one."),
    Reason.REMOVED_FROM_ROOM: Rule(403, "The participant was removed from the room."),
    Reason.ENTRY_DENIED: Rule(403, "Entry to the room was denied."),
    Reason.ENTRY_TIMED_OUT: Rule(403, "Nobody has answered the request to enter the room."),
    Reason.WAITING_FOR_ADMISSION: Rule(503, "Somebody in the room has to admit you first.", retry_after_s=2),
    Reason.TRACK_NOT_YOURS: Rule(403, "A participant publishes its own tracks only."),
    Reason.TRACK_DISABLED: Rule(403, "A moderator has disabled this track."),
    Reason.MUTED: Rule(503, "A moderator has muted this track.", retry_after_s=2),
    Reason.STORE_UNAVAILABLE: Rule(503, "The gate cannot reach its session store.", retry_after_s=2),
    Reason.KEYS_UNAVAILABLE: Rule(503, "The gate lacks the keys of the token's issuer.", retry_after_s=2),
    Reason.ORIGIN_UNREACHABLE: Rule(502, "The origin cannot be reached."),
    Reason.ORIGIN_TIMEOUT: Rule(504, "The origin did not answer in time."),
    Reason.ORIGIN_INVALID: Rule(502, "The origin's answer is not usable."),
    Reason.MANIFEST_INVALID: Rule(502, "The origin's manifest cannot be read, and must be to be checked."),
    Reason.MANIFEST_TOO_LARGE: Rule(502, "The origin's manifest is larger than the policy allows."),
    Reason.FOREIGN_URI: Rule(502, "The origin's manifest leads to another host, which the policy refuses."),
    Reason.OVERLOADED: Rule(503, "The gate is at its limit.", retry_after_s=2),
    Reason.DRAINING: Rule(503, "The gate is shutting down.", retry_after_s=1),
    Reason.INTERNAL: Rule(503, "The gate has a fault of its own.", retry_after_s=1),
}


@dataclass(frozen=True, slots=True)
class Deny:
    """A refusal. `detail` is one sentence for people; it and `facts` never hold token material.

    `facts` goes into the problem document as it is: what was asked and what is granted.
    """

    reason: Reason
    detail: str = ""
    facts: tuple[tuple[str, object], ...] = field(default=())
