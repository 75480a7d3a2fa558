from __future__ import annotations

import json
import time

from gate.api.explanation import Fields, explain
from gate.api.plain import to_plain
from gate.core.verdicts import Ask


def plain(policy, token):
    ask = Ask("GET", "/cam1/index.m3u8", Fields(), "192.0.2.7")
    return to_plain(explain(policy, ask, token, time.time()))


def test_it_is_json_as_it_stands(policy, sign):
    shown = plain(policy, sign(bind={"ip": "192.0.2.0/24"}, **{"from": 1000}))
    assert json.loads(json.dumps(shown)) == shown
    assert shown["token"]["bind"] == {"ip": "192.0.2.0/24", "user_agent": None, "origin": None}
    assert shown["token"]["windows"] == [{"from": 1000.0, "to": None}]


def test_open_sides_are_null(policy, sign):
    assert plain(policy, sign())["token"]["windows"] == [{"from": None, "to": None}]


def test_a_refusal_has_its_facts(policy, sign):
    shown = plain(policy, sign(grants={"read": {"resources": ["cam2"]}}))
    assert shown["facts"] == {"resource": "cam1"}
    assert shown["title"] == "The token does not grant this resource."
    assert shown["detail"] is None


def test_what_is_not_there_is_null(policy, sign):
    shown = plain(policy, sign())
    assert (shown["page"], shown["session"], shown["token"]["server_side"]) == (None, None, False)
