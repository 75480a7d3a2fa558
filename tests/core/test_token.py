"""Tokens: identity by digest, and which of them are counted or unrestricted."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.grants import Grants
from gate.core.token import (
    Format,
    Rights,
    Token,
    Warrant,
    digest,
    subject_owner,
    token_id,
    unnamed_token_id,
)
from gate.core.windows import UNBOUNDED, Span, Windows

BARE = Token("demo", Format.JWT, "id", "owner", None, Warrant(Grants()))


@pytest.mark.parametrize(
    ("rights", "full"),
    [(Rights(a, b, c), a and b and c) for a in (False, True) for b in (False, True) for c in (False, True)],
)
def test_only_all_three_rights_without_bounds_are_unrestricted(rights: Rights, full: bool) -> None:
    assert rights.full is full
    assert Warrant(Grants(), rights).unrestricted is full
    assert not Warrant(Grants(), rights, Windows((Span(0, 2**62),))).unrestricted
    assert not Warrant(Grants(), rights, Windows(())).unrestricted


def test_nothing_is_permitted_unless_it_is_said() -> None:
    assert Warrant(Grants()) == Warrant(Grants(), Rights(False, False, False), UNBOUNDED, None)
    assert not Warrant(Grants()).unrestricted


@pytest.mark.parametrize(
    ("limits", "counted"),
    [
        ({}, False),
        ({"expires_at": 1, "issued_at": 1, "not_before": 1}, False),
        ({"session_limit": 1, "single_use": True}, True),
        ({"max_concurrent": 1}, True),
        ({"usage_s": 1}, True),
    ],
)
def test_a_token_with_a_limit_is_counted(limits: dict[str, int], counted: bool) -> None:
    token = Token("demo", Format.JWT, "id", "owner", None, Warrant(Grants()), **limits)
    assert token.counted is counted


def test_a_token_has_no_limit_unless_it_is_said() -> None:
    assert not BARE.counted
    assert BARE.expires_at is None
    assert not BARE.single_use


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text())
def test_an_id_is_22_characters_that_no_store_key_or_log_trips_over(application: str, name: str) -> None:
    identity = token_id(application, name)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", identity)
    assert identity == token_id(application, name)
    assert name not in identity or len(name) < 4


@settings(max_examples=200, deadline=None)
@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_other_parts_other_ids(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (token_id(*one) == token_id(*other)) == (one == other)


def test_the_parts_stay_apart() -> None:
    assert token_id("a:1", "b") != token_id("a", "1:b")
    assert token_id("ab", "c") != token_id("a", "bc")
    assert digest("kind", "1:a", "b") != digest("kind:1", "a", "b")


def test_the_three_kinds_of_name_never_meet() -> None:
    same = {token_id("demo", "x"), unnamed_token_id("demo", b"x"), subject_owner("demo", "x")}
    assert len(same) == 3


def test_text_that_is_not_unicode_has_a_digest_as_well() -> None:
    assert len(digest("client", "\udcff", "\ud800")) == 22


def test_tokens_that_count_together_keep_warrants_of_their_own() -> None:
    token = Token("shop", Format.ZIGGEO, "id", "owner", None, Warrant(Grants()))
    assert token.warrant_id == "id"
    assert replace(token, referrer="own").warrant_id == "own"
