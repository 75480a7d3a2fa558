from __future__ import annotations

import time

import pytest

from gate.cli.explain import Fields
from gate.cli.explanation import Decision, explain
from gate.config.compile import load_config
from gate.core.reasons import Reason
from gate.core.verdicts import Ask


@pytest.fixture
def config(policy):
    return load_config(policy, {})


def ask(target, method="GET", headers=()):
    return Ask(method, target, Fields.read(headers), "127.0.0.1")


def test_what_is_served_names_its_place_and_token(config, sign):
    found = explain(config, ask("/cam1/index.m3u8"), sign(), time.time())
    assert found.decision is Decision.SESSION
    assert found.permitted
    assert found.refusal is None
    assert found.place.facts.resource == "cam1"
    assert found.token.application == "demo"


def test_what_is_refused_keeps_what_was_read_so_far(config, sign):
    found = explain(config, ask("/cam2/index.m3u8"), sign(), time.time())
    assert not found.permitted
    assert found.refusal.reason is Reason.RESOURCE_NOT_GRANTED
    assert found.place.facts.resource == "cam2"
    assert found.token is not None
    assert found.status == 403


def test_a_target_that_is_refused_has_no_place(config):
    found = explain(config, ask("/a/../b"), None, 0.0)
    assert (found.place, found.status, found.forwards_to) == (None, 400, None)


def test_a_token_has_no_say_where_none_is_needed(config):
    found = explain(config, ask("/public/x", headers=["Authorization: nonsense"]), None, 0.0)
    assert found.decision is Decision.PERMIT
    assert found.token is None
    assert found.forwards_to == "http://127.0.0.1:9000/base/public/x"


def test_options_without_a_preflights_headers_is_a_request(config, sign):
    assert explain(config, ask("/cam1/index.m3u8", "OPTIONS"), sign(), time.time()).decision is Decision.PERMIT
