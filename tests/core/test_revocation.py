"""Revocations: what they cover, which of two wins, and that none is forgotten early."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.revocation import Revocations


def revoked(*entries: tuple[str, float]) -> Revocations:
    revocations = Revocations()
    for entry, until_s in entries:
        revocations.add(entry, until_s)
    return revocations


def covers(revocations: Revocations, **changes: object) -> bool:
    about = {"application": "demo", "token": "T", "owner": "O", "session": "S", "issued_at": 100} | changes
    return revocations.cover(**about)


def test_nothing_is_revoked_at_first() -> None:
    assert not covers(Revocations())
    assert not covers(Revocations(), session=None, issued_at=None)


@pytest.mark.parametrize("entry", ["t:T", "s:S", "u:O"])
def test_an_entry_covers_what_it_names(entry: str) -> None:
    assert covers(revoked((entry, 9.0)))


@pytest.mark.parametrize("entry", ["t:S", "t:O", "s:T", "u:T", "t:T2", "t:", "T", "s:None", "a:other:999"])
def test_an_entry_covers_nothing_else(entry: str) -> None:
    assert not covers(revoked((entry, 9.0)))
    assert not covers(revoked((entry, 9.0)), session=None)


def test_a_not_before_time_covers_what_was_issued_before_it() -> None:
    revocations = revoked(("a:demo:100", inf))
    assert covers(revocations, issued_at=99)
    assert not covers(revocations, issued_at=100)
    assert covers(revocations, issued_at=None)
    assert not covers(revocations, issued_at=99, application="other")


def test_an_application_may_have_colons_in_its_name() -> None:
    revocations = revoked(("a:a:b:100", inf))
    assert covers(revocations, application="a:b", issued_at=99)
    assert not covers(revocations, application="a", issued_at=99)


def test_the_later_not_before_time_wins_in_either_order() -> None:
    for order in ([100, 200], [200, 100]):
        revocations = revoked(*((f"a:demo:{at}", 1000.0) for at in order))
        assert covers(revocations, issued_at=150)
        assert not covers(revocations, issued_at=200)


def test_an_entry_is_kept_until_the_later_of_its_ends() -> None:
    revocations = revoked(("t:T", 50.0), ("t:T", 10.0))
    revocations.forget(49.9)
    assert covers(revocations)
    revocations.forget(50.0)
    assert not covers(revocations)


def test_what_has_no_end_is_never_forgotten() -> None:
    revocations = revoked(("t:T", inf), ("a:demo:100", inf))
    revocations.forget(1e18)
    assert covers(revocations)
    assert covers(revocations, token="U", issued_at=99)


def test_a_not_before_time_is_forgotten_with_its_entry() -> None:
    revocations = revoked(("a:demo:100", 50.0), ("t:U", 70.0))
    revocations.forget(50.0)
    assert not covers(revocations, issued_at=99)
    assert revocations.until_s == {"t:U": 70.0}


def test_an_earlier_not_before_time_that_is_kept_longer_does_not_go_with_a_later_one() -> None:
    revocations = revoked(("a:demo:100", inf), ("a:demo:200", 50.0), ("a:other:300", 60.0))
    revocations.forget(50.0)
    assert covers(revocations, issued_at=99)
    assert not covers(revocations, issued_at=150)
    assert covers(revocations, application="other", issued_at=299)


entries = st.one_of(
    st.sampled_from(["t:T", "s:S", "u:O", "t:U"]),
    st.builds("a:{}:{}".format, st.sampled_from(["demo", "other"]), st.integers(0, 9)),
)
steps = st.lists(
    st.one_of(
        st.tuples(entries, st.integers(0, 20)),
        st.tuples(st.none(), st.integers(0, 20)),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(steps, st.one_of(st.none(), st.integers(0, 10)))
def test_what_is_covered_is_what_the_entries_in_force_say(
    steps: list[tuple[str | None, int]], issued_at: int | None
) -> None:
    revocations, force = Revocations(), dict[str, int]()
    for entry, at in steps:
        if entry is None:
            revocations.forget(at)
            force = {entry: until for entry, until in force.items() if until > at}
        else:
            revocations.add(entry, at)
            force[entry] = max(at, force.get(entry, 0))
    befores = [int(entry[7:]) for entry in force if entry.startswith("a:demo:")]
    expected = bool({"t:T", "s:S", "u:O"} & force.keys()) or any(
        issued_at is None or issued_at < before for before in befores
    )
    assert covers(revocations, issued_at=issued_at) == expected
    assert revocations.until_s == force
