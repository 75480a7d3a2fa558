"""What the admin API answers."""

from __future__ import annotations

import json
from http import HTTPStatus

from gate.api.answers import Done, Fault, to_answer


def test_what_was_asked_for_is_json_that_nobody_keeps() -> None:
    answer = to_answer(Done({"id": "a" * 64}, HTTPStatus.CREATED))
    assert answer.status == 201
    assert json.loads(answer.body) == {"id": "a" * 64}
    assert {("Content-Type", "application/json"), ("Cache-Control", "no-store")} <= set(answer.fields)


def test_a_fault_is_a_problem_document_without_credentials() -> None:
    fault = Fault(
        HTTPStatus.CONFLICT, "in_the_way", "it was eyJhbGciOiJIUzI1NiJ9.x", {"n": 1}, (("Allow", "GET"),)
    )
    answer = to_answer(fault)
    assert answer.status == 409
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "reason": "in_the_way",
        "detail": "it was [credential]",
        "n": 1,
    }
    fields = dict(answer.fields)
    assert fields["Content-Type"] == "application/problem+json"
    assert (fields["Gate-Reason"], fields["Allow"]) == ("in_the_way", "GET")
