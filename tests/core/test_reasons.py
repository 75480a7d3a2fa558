"""The table of refusals. Statuses are an interface: players retry 503 and give up for good on a 4xx."""

from __future__ import annotations

import pytest

from gate.core.reasons import RULES, Deny, Reason

STATUSES = {
    400: "malformed_target malformed_request body_not_allowed ambiguous_credentials",
    401: (
        "token_missing token_malformed token_signature token_algorithm unknown_key claim_invalid "
        "claim_missing issuer_not_accepted audience_not_accepted binding_required "
        "expiry_required lifetime_too_long token_expired token_not_yet_valid revoked ticket_invalid "
        "session_expired visit_invalid permissions_invalid participant_invalid key_disabled"
    ),
    403: (
        "not_served access_none address_not_allowed token_hidden action_not_granted resource_not_granted "
        "live_not_granted dvr_not_granted copy_not_granted outside_window partly_outside_window "
        "time_unknown mark_invalid outside_range binding_mismatch session_required session_limit "
        "room_not_granted participant_not_granted role_not_granted entry_not_granted command_not_granted "
        "room_unknown room_disabled room_closed not_joined duplicate_participant removed_from_room "
        "entry_denied entry_timed_out track_not_yours track_disabled"
    ),
    404: "participant_unknown meeting_unknown command_unknown",
    405: "method_not_allowed",
    409: "too_many_playbacks not_waiting not_asked",
    413: "body_too_large",
    429: "too_many_failures",
    502: "origin_unreachable origin_invalid manifest_invalid manifest_too_large foreign_uri",
    503: "store_unavailable keys_unavailable overloaded draining internal "
    "room_full waiting_for_admission muted",
    504: "origin_timeout",
}


@pytest.mark.parametrize(("status", "names"), STATUSES.items())
def test_the_status_of_each_reason(status: int, names: str) -> None:
    for name in names.split():
        assert Reason(name).rule.status == status, name


def test_every_reason_has_a_rule_and_is_in_the_table_above() -> None:
    assert set(RULES) == set(Reason)
    assert {reason.value for reason in Reason} == set(" ".join(STATUSES.values()).split())


@pytest.mark.parametrize("reason", Reason)
def test_a_rule_says_what_a_client_needs(reason: Reason) -> None:
    rule = reason.rule
    assert rule is RULES[reason]
    assert reason.value == reason.name.lower()
    assert rule.title.endswith(".")
    # What passes by itself says when to come back; nothing else may promise it.
    assert (rule.retry_after_s is not None) == (rule.status in {429, 503})
    assert rule.retry_after_s is None or rule.retry_after_s > 0
    # RFC 6750, section 3.1: a request without any token is told the scheme and no error.
    assert (rule.challenge == "invalid_token") == (rule.status == 401 and reason is not Reason.TOKEN_MISSING)


def test_titles_tell_reasons_apart() -> None:
    assert len({rule.title for rule in RULES.values()}) == len(RULES)


def test_a_refusal_is_a_value() -> None:
    assert Deny(Reason.REVOKED) == Deny(Reason.REVOKED, "", ())
    assert hash(Deny(Reason.REVOKED)) == hash(Deny(Reason.REVOKED))
    assert Deny(Reason.REVOKED) != Deny(Reason.REVOKED, "why")
