"""The vendor's table of errors, as its clients know it."""

from __future__ import annotations

import pytest

from gate.core.reasons import Deny, Reason
from gate.formats import videosdk_errors
from gate.formats.videosdk_errors import code_of, with_code

TABLE = {
    (4001, "INVALID_API_KEY"): "unknown_key",
    (4002, "INVALID_TOKEN"): (
        "token_missing token_malformed token_signature token_algorithm token_expired token_not_yet_valid "
        "claim_invalid claim_missing expiry_required lifetime_too_long revoked ambiguous_credentials "
        "issuer_not_accepted audience_not_accepted binding_required"
    ),
    (4003, "INVALID_MEETING_ID"): "room_unknown",
    (4004, "INVALID_PARTICIPANT_ID"): "participant_invalid",
    (4005, "DUPLICATE_PARTICIPANT"): "duplicate_participant",
    (4008, "INVALID_PERMISSIONS"): "permissions_invalid",
    (4009, "MAX_PARTCIPANT_REACHED"): "room_full",
    (4022, "UNAUTHORIZED_MEETING_ID"): "room_not_granted",
    (4023, "UNAUTHORIZED_PARTCIPANT_ID"): "participant_not_granted",
    (4024, "UNAUTHORIZED_ROLE"): "role_not_granted",
    (4025, "UNAUTHORIZED_REQUEST"): (
        "command_not_granted entry_not_granted not_joined removed_from_room entry_denied entry_timed_out "
        "track_not_yours track_disabled"
    ),
    (4052, "MEETING_ID_DISABLED"): "room_disabled",
    (4053, "APIKEY_DEACTIVATED"): "key_disabled",
}
NAMED = {name for names in TABLE.values() for name in names.split()}


@pytest.mark.parametrize(("code", "names"), TABLE.items())
def test_the_number_and_the_name_of_a_reason(code: tuple[int, str], names: str) -> None:
    for name in names.split():
        assert code_of(Reason(name)) == code, name


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.value not in NAMED])
def test_all_others_have_none(reason: Reason) -> None:
    assert code_of(reason) is None


def test_no_number_stands_for_two_names() -> None:
    codes = [value for value in vars(videosdk_errors).values() if isinstance(value, tuple)]
    assert len(codes) == len({number for number, _ in codes}) == len({name for _, name in codes}) == 13


def test_a_refusal_is_told_with_the_vendors_number_where_it_has_one() -> None:
    known = with_code(Deny(Reason.ROOM_NOT_GRANTED, facts=(("asked", "r1"),)))
    assert known.facts == (("asked", "r1"), ("code", "4022"), ("name", "UNAUTHORIZED_MEETING_ID"))
    other = Deny(Reason.ORIGIN_TIMEOUT)
    assert with_code(other) is other
