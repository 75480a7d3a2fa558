"""Answers of the gate's own."""

from __future__ import annotations

import json

import pytest

from gate.core.policy import Cors
from gate.core.reasons import RULES, Deny, Reason
from gate.wire.answers import cors_fields, preflight, problem, redirect


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_whole_answer(reason: Reason) -> None:
    answer = problem(Deny(reason, "why", (("resource", "ch1"),)), "r1", [("Vary", "Origin")])
    fields, document = dict(answer.fields), json.loads(answer.body)
    rule = RULES[reason]
    assert answer.status == document["status"] == rule.status
    assert document["reason"] == fields["Gate-Reason"] == reason.value
    assert document["request_id"] == fields["X-Request-Id"] == "r1"
    assert (document["title"], document["detail"], document["resource"]) == (rule.title, "why", "ch1")
    assert fields["Cache-Control"] == "no-store"
    assert fields["Vary"] == "Origin"
    assert ("WWW-Authenticate" in fields) == (rule.status == 401)
    assert ("Retry-After" in fields) == (rule.status in {429, 503})
    assert ("Allow" in fields) == (rule.status == 405)


def test_a_refusal_without_a_detail_says_none() -> None:
    assert "detail" not in json.loads(problem(Deny(Reason.TOKEN_MISSING), "", []).body)


def test_a_redirect_says_where_and_no_more() -> None:
    answer = redirect("/_s/T/x", "r1", [])
    assert (answer.status, answer.body) == (302, b"")
    assert dict(answer.fields)["Location"] == "/_s/T/x"
    assert "Set-Cookie" not in dict(answer.fields)


def test_a_redirect_may_set_the_cookie_of_its_session() -> None:
    answer = redirect("/x", "r1", [("Vary", "Origin")], "_gate_session=T; Path=/; HttpOnly")
    assert [value for name, value in answer.fields if name == "Set-Cookie"] == [
        "_gate_session=T; Path=/; HttpOnly"
    ]
    assert answer.fields[:-1] == redirect("/x", "r1", [("Vary", "Origin")]).fields


@pytest.mark.parametrize("asked", [None, "range, x-token"])
def test_a_preflight_allows_what_was_asked(asked: str | None) -> None:
    assert dict(preflight("r1", [], 5, asked).fields).get("Access-Control-Allow-Headers") == asked


@pytest.mark.parametrize(
    ("origins", "origin", "allowed", "varies"),
    [
        (["*"], "https://p", "*", False),
        (["*", "https://p"], "https://p", "*", False),
        (["https://p"], "https://p", "https://p", True),
        (["https://p"], "https://P", None, True),
        (["https://p"], "https://p.evil", None, True),
        (["https://p"], "null", None, True),
        ([], "https://p", None, False),
        (["*"], None, None, False),
    ],
)
def test_cors(origins: list[str], origin: str | None, allowed: str | None, varies: bool) -> None:
    fields = dict(cors_fields(Cors(frozenset(origins)), origin))
    assert fields.get("Access-Control-Allow-Origin") == allowed
    assert ("Access-Control-Expose-Headers" in fields) == (allowed is not None)
    assert ("Vary" in fields) == varies
    # Cookies are sent along to a site that is named, if the gate has use of them; never to whoever asks.
    assert "Access-Control-Allow-Credentials" not in fields
    named = allowed == "https://p"
    with_cookies = dict(cors_fields(Cors(frozenset(origins), credentials=True), origin))
    assert with_cookies == {**fields, **({"Access-Control-Allow-Credentials": "true"} if named else {})}


@pytest.mark.parametrize(("origins", "credentials"), [(["https://p"], "true"), (["*"], None)])
def test_every_answer_of_its_own_says_whether_cookies_may_be_sent(
    origins: list[str], credentials: str | None
) -> None:
    cors = cors_fields(Cors(frozenset(origins), credentials=True), "https://p")
    for answer in (
        problem(Deny(Reason.TOKEN_MISSING), "r1", cors),
        redirect("/x", "r1", cors),
        preflight("r1", cors, 5, None),
    ):
        assert dict(answer.fields).get("Access-Control-Allow-Credentials") == credentials
