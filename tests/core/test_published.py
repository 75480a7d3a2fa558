"""When published keys are fetched, and which of them count; time is a parameter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.keys import Algorithm, Key, Keyring
from gate.core.published import LONGEST_BACK_OFF_S, KeySource, Publication, join

SOURCE = KeySource("https://id.example/keys?tenant=1", refresh_s=600, cooldown_s=30)
ONE = Key("k1", Algorithm.ES256, b"one")
TWO = Key("k2", Algorithm.ES256, b"two")
USURPER = Key("k1", Algorithm.EDDSA, b"another one")


def fetched(*keys: Key, now: float = 1000.0, spread: float = 0.0) -> Publication:
    return Publication().begin().succeed(SOURCE, keys, now, spread)


def test_a_source_that_nobody_has_asked_is_due() -> None:
    new = Publication()
    assert new.due(0)
    assert new.ready(0)
    assert not new.settled


def test_while_a_fetch_runs_no_other_begins() -> None:
    for state in (Publication().begin(), fetched(ONE).begin()):
        assert not state.due(1e9)
        assert not state.ready(1e9)
        assert not state.settled


def test_it_is_fetched_again_within_its_refresh() -> None:
    assert not fetched(ONE).due(1599)
    assert fetched(ONE).due(1600)
    for spread in (0.0, 0.5, 1.0):
        assert 1540 <= fetched(ONE, spread=spread).due_at <= 1600


def test_it_rests_after_each_fetch() -> None:
    for state in (fetched(ONE), Publication().begin().fail(SOURCE, "silent", 1000, 0)):
        assert not state.ready(1029.9)
        assert state.ready(1030)


def test_a_set_takes_the_place_of_the_one_before() -> None:
    state = fetched(ONE, TWO).begin().succeed(SOURCE, [TWO], 2000, 0)
    assert (state.keys, state.fetched_at, state.settled) == ((TWO,), 2000, True)


def test_a_set_without_keys_takes_them_away_and_settles_nothing() -> None:
    state = fetched(ONE).begin().succeed(SOURCE, [], 2000, 0)
    assert state.keys == ()
    assert not state.settled


def test_a_failure_keeps_the_keys() -> None:
    state = fetched(ONE).begin().fail(SOURCE, "it answers 500", 2000, 0)
    assert (state.keys, state.fetched_at, state.failures, state.problem) == ((ONE,), 1000, 1, "it answers 500")
    assert not state.settled
    healed = state.begin().succeed(SOURCE, [ONE], 2001, 0)
    assert (healed.settled, healed.failures, healed.problem) == (True, 0, "")


def test_a_leak_takes_the_keys_away() -> None:
    assert fetched(ONE).begin().fail(SOURCE, "leaked", 2000, 0, leaked=True).keys == ()


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_failures_are_followed_up_less_and_less_often(spread: float) -> None:
    state, waits = Publication(), []
    for _ in range(2000):
        state = state.begin().fail(SOURCE, "", 0, spread)
        waits.append(state.due_at)
    share = 1 - spread / 2
    assert waits[:8] == [share * wait for wait in (1, 2, 4, 8, 16, 32, 60, 60)]
    assert waits[-1] == share * LONGEST_BACK_OFF_S
    brief = KeySource("https://id.example", refresh_s=3)
    assert state.begin().fail(brief, "", 0, 0).due_at == 3


def test_another_policy_makes_it_sooner_and_never_later() -> None:
    state = fetched(ONE)
    assert state.under(KeySource("", refresh_s=10, cooldown_s=1), 1002).due_at == 1012
    assert state.under(KeySource("", refresh_s=10, cooldown_s=1), 1002).rests_until == 1003
    assert state.under(KeySource("", refresh_s=9999, cooldown_s=9999), 1002) == state


def test_of_one_kid_the_first_counts() -> None:
    first, second = fetched(USURPER, TWO), fetched(ONE)
    assert set(join(Keyring([]), [first, second])) == {USURPER, TWO}
    assert set(join(Keyring([ONE]), [first, second])) == {ONE, TWO}
    assert set(join(Keyring([ONE]), [])) == {ONE}


def test_a_log_does_not_show_the_query() -> None:
    assert SOURCE.place == "https://id.example/keys"


@given(st.lists(st.tuples(st.sampled_from(["look", "ok", "fail"]), st.floats(0, 100)), max_size=200))
def test_whatever_comes_unknown_keys_cause_one_fetch_a_cooldown(events: list[tuple[str, float]]) -> None:
    """Ten thousand tokens of unknown keys are ten thousand looks."""
    state, now, ended_at = Publication(), 0.0, float("-inf")
    for event, wait_s in events:
        now += wait_s
        if event == "look":
            if state.ready(now):
                assert now - ended_at >= SOURCE.cooldown_s
                state = state.begin()
        elif state.running:
            state = (
                state.succeed(SOURCE, [ONE], now, 0.5)
                if event == "ok"
                else state.fail(SOURCE, "silent", now, 0.5)
            )
            ended_at = now
        assert state.settled <= (ONE in state.keys)
