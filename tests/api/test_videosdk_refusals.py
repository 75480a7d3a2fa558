"""Refusals in the vendor's form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from gate.api.videosdk_refusals import Refusal, refuse
from gate.core.reasons import Deny, Reason


def told(refused: Deny | Refusal) -> tuple[int, Any, CIMultiDict[str]]:
    answer = refuse(refused, "r1", [])
    return answer.status, json.loads(answer.body), CIMultiDict(answer.fields)


def test_the_document() -> None:
    status, document, fields = told(Deny(Reason.ROOM_NOT_GRANTED, "it makes no rooms"))
    assert status == 403
    assert document == {
        "error": "The token is for another room: it makes no rooms",
        "message": "The token is for another room: it makes no rooms",
        "code": "4022",
        "name": "UNAUTHORIZED_MEETING_ID",
        "statusCode": 403,
        "reason": "room_not_granted",
        "requestId": "r1",
    }
    assert fields["Gate-Reason"] == "room_not_granted"


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.TOKEN_MISSING, 401, "4002"),
        (Reason.TOKEN_EXPIRED, 401, "4002"),
        (Reason.TOKEN_SIGNATURE, 401, "4002"),
        (Reason.UNKNOWN_KEY, 401, "4001"),
        (Reason.ROOM_UNKNOWN, 404, "4003"),
        (Reason.ROLE_NOT_GRANTED, 403, "4024"),
        (Reason.COMMAND_NOT_GRANTED, 403, "4025"),
        (Reason.ROOM_FULL, 503, "4009"),
        (Reason.ROOM_DISABLED, 403, "4052"),
        (Reason.MEETING_UNKNOWN, 404, None),
        (Reason.NOT_SERVED, 404, None),
        (Reason.MALFORMED_REQUEST, 400, None),
        (Reason.STORE_UNAVAILABLE, 503, None),
    ],
)
def test_status_and_number(reason: Reason, status: int, code: str | None) -> None:
    got, document, fields = told(Deny(reason))
    assert (got, document.get("code")) == (status, code)
    assert ("Retry-After" in fields) == (status == 503)
    assert ("WWW-Authenticate" in fields) == (status == 401)


@pytest.mark.parametrize("reason", [Reason.TOKEN_EXPIRED, Reason.TOKEN_SIGNATURE, Reason.TOKEN_MALFORMED])
def test_of_a_bad_token_the_vendor_says_one_thing(reason: Reason) -> None:
    _, document, fields = told(Deny(reason, "some detail"))
    assert document["message"] == "Token is invalid or expired"
    assert fields["WWW-Authenticate"] == 'Bearer realm="gate", error="invalid_token"'


def test_what_is_answered_otherwise() -> None:
    status, document, fields = told(Refusal(Deny(Reason.NOT_WAITING), 402, (4059, "RESPOND_ENTRY_FAILED"), 7))
    assert (status, document["statusCode"], fields["Retry-After"]) == (402, 402, "7")
    assert (document["code"], document["name"]) == ("4059", "RESPOND_ENTRY_FAILED")
    _, _, fields = told(Refusal(Deny(Reason.METHOD_NOT_ALLOWED), allowed=("GET", "POST")))
    assert fields["Allow"] == "GET, POST"
    assert "Allow" not in told(Deny(Reason.METHOD_NOT_ALLOWED))[2]


def test_facts_go_into_the_document() -> None:
    assert told(Deny(Reason.ENTRY_DENIED, facts=(("link", "/_s/t1"),)))[1]["link"] == "/_s/t1"
