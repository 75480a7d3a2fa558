from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gate.api.explanation import Decision, Fields, explain
from gate.core.grants import Action, Grant, Grants
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Rights, Warrant, token_id
from gate.core.verdicts import Ask
from gate.errors import UsageError


def ask(target, method="GET", **headers):
    return Ask(method, target, Fields({name: [text] for name, text in headers.items()}), "127.0.0.1")


def test_what_is_served_names_its_place_and_token(policy, sign):
    found = explain(policy, ask("/cam1/index.m3u8"), sign(), time.time())
    assert found.decision is Decision.SESSION
    assert found.permitted
    assert found.refusal is None
    assert found.place.facts.resource == "cam1"
    assert found.token.application == "demo"


def test_what_is_refused_keeps_what_was_read_so_far(policy, sign):
    found = explain(policy, ask("/cam2/index.m3u8"), sign(), time.time())
    assert not found.permitted
    assert found.refusal.reason is Reason.RESOURCE_NOT_GRANTED
    assert found.place.facts.resource == "cam2"
    assert found.token is not None
    assert found.status == 403


def test_a_target_that_is_refused_has_no_place(policy):
    found = explain(policy, ask("/a/../b"), None, 0.0)
    assert (found.place, found.status, found.forwards_to) == (None, 400, None)


def test_a_token_has_no_say_where_none_is_needed(policy):
    found = explain(policy, ask("/public/x", authorization="nonsense"), None, 0.0)
    assert found.decision is Decision.PERMIT
    assert found.token is None
    assert found.forwards_to == "http://127.0.0.1:9000/base/public/x"


def test_what_is_clipped_says_what_the_origin_is_asked_for(policy, sign):
    policy = replace(policy, rules=(replace(policy.rules[1], clips_overrun=True),))
    token = sign(dvr=True, **{"from": 1000, "to": 2000})
    found = explain(policy, ask("/cam1/archive/1500/1000/mpegts"), token, time.time())
    assert found.decision is Decision.SESSION
    assert found.forwards_to == "http://127.0.0.1:9000/base/cam1/archive/1500/500/mpegts"
    assert found.place.target.raw == "/cam1/archive/1500/1000/mpegts"
    said = "a part of the time is allowed, and the origin is asked for that: /cam1/archive/1500/500/mpegts"
    assert said in found.steps
    assert found.instead == ()


def test_options_without_a_preflights_headers_is_a_request(policy, sign):
    assert explain(policy, ask("/cam1/index.m3u8", "OPTIONS"), sign(), time.time()).decision is Decision.PERMIT


def test_what_is_revoked_is_refused_where_that_is_known(policy, sign):
    revoked = Revocations()
    known = explain(policy, ask("/cam1/index.m3u8"), sign(), time.time(), revoked=revoked)
    assert known.permitted
    assert not any("revoked" in question for question in known.open_questions)
    revoked.add(f"t:{token_id('demo', 't1')}", float("inf"))
    assert explain(policy, ask("/cam1/index.m3u8"), sign(), time.time(), revoked=revoked).refusal == Deny(
        Reason.REVOKED
    )
    unknown = explain(policy, ask("/cam1/index.m3u8"), sign(), time.time())
    assert unknown.permitted
    assert "whether the token, its subject or its session was revoked" in unknown.open_questions


def test_a_session_link_is_read_with_the_keys_that_are_given(policy):
    keys = TicketKeys([bytes(32)])
    grants = Grants({Action.READ: Grant(all=True)})
    ticket = Ticket(
        *("0" * 24, "demo", "token", "owner", None, 1000, None, None, None, None, None),
        warrant=Warrant(grants, Rights(live=True)),
    )
    target = f"/_s/{keys.seal(ticket, bytes(12))}/cam1/index.m3u8"
    found = explain(policy, ask(target), None, time.time(), tickets=keys)
    assert found.permitted
    assert found.ticket == ticket
    other = explain(policy, ask(target), None, time.time(), tickets=TicketKeys([bytes(31) + b"1"]))
    assert other.refusal == Deny(Reason.TICKET_INVALID)
    with pytest.raises(UsageError, match="sealed with a key"):
        explain(policy, ask(target), None, time.time())
