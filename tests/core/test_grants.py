"""Grants: an absent action is not granted, and resources are compared whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.grants import Action, Grant, Grants


def test_an_absent_action_is_not_granted() -> None:
    grants = Grants({Action.READ: Grant(all=True)})
    assert grants.get(Action.READ) == Grant(all=True)
    assert [grants.get(action) for action in (Action.CREATE, Action.UPDATE, Action.DESTROY)] == [None] * 3
    assert all(Grants().get(action) is None for action in Action)


def test_an_empty_grant_covers_nothing() -> None:
    assert not Grant().covers("cam1")
    assert not Grant().covers("cam1", owned=True)


def test_all_covers_everything_and_owned_only_what_the_session_created() -> None:
    assert Grant(all=True).covers("anything")
    owned = Grant(session_owned=True)
    assert owned.covers("cam1", owned=True)
    assert not owned.covers("cam1")


@settings(max_examples=200, deadline=None)
@given(st.frozensets(st.text(max_size=5), max_size=4), st.text(max_size=5))
def test_ids_are_compared_whole(resources: frozenset[str], asked: str) -> None:
    assert Grant(resources=resources).covers(asked) == (asked in resources)


def test_no_prefix_no_case_no_pattern() -> None:
    grant = Grant(resources=frozenset({"ch1", "*", "a/**"}))
    assert grant.covers("ch1")
    for near in ("ch10", "ch", "CH1", "ch1/", "/ch1", " ch1", "a/b", "a"):
        assert not grant.covers(near)


A, B = Grant(resources=frozenset({"a", "b"})), Grant(resources=frozenset({"b", "c"}), session_owned=True)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Grant(all=True), A, A),
        (A, Grant(all=True), A),
        (Grant(all=True), Grant(all=True), Grant(all=True)),
        (A, B, Grant(resources=frozenset({"b"}))),
        (B, Grant(session_owned=True), Grant(session_owned=True)),
        (A, Grant(session_owned=True), Grant()),
    ],
)
def test_what_two_grants_both_permit(one: Grant, other: Grant, both: Grant) -> None:
    assert one.meet(other) == both
    assert other.meet(one) == both


def test_what_two_tokens_both_permit() -> None:
    one = Grants({Action.READ: A, Action.DESTROY: B})
    other = Grants({Action.READ: B, Action.CREATE: A})
    assert one.meet(other) == Grants({Action.READ: Grant(resources=frozenset({"b"}))})
    assert one.meet(Grants()) == Grants()
