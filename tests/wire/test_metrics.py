"""The counters: two gates in one process keep apart, and no label can hold what a client chose."""

from __future__ import annotations

from gate.wire.metrics import Metrics


def test_each_gate_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.decisions.labels("deny", "token_missing").inc()
    assert b'gate_decisions_total{outcome="deny",reason="token_missing"} 1.0' in one.expose()
    assert b"token_missing" not in other.expose()


def test_a_watched_value_is_read_when_asked_for() -> None:
    metrics, values = Metrics(), [1.0, 2.0]
    metrics.watch("gate_things", "Things", lambda: values.pop(0))
    assert b"gate_things 1.0" in metrics.expose()
    assert b"gate_things 2.0" in metrics.expose()


def test_one_policy_is_in_force_and_whether_the_file_is_it_is_told() -> None:
    metrics = Metrics()
    metrics.adopt("v1", 1000.0)
    metrics.adopt("v2", 2000.0)
    text = metrics.expose()
    assert b'gate_policy_info{version="v2"} 1.0' in text
    assert b"v1" not in text
    metrics.refuse_policy()
    text = metrics.expose()
    assert b"gate_config_reload_success 0.0" in text
    assert b"gate_config_reload_success_timestamp_seconds 2000.0" in text
    assert b'gate_policy_info{version="v2"} 1.0' in text


def test_bytes_and_lookups_are_counted_from_nothing() -> None:
    metrics = Metrics()
    metrics.sent.inc(5)
    metrics.token_misses.inc()
    text = metrics.expose()
    for line in (
        b'gate_bytes_total{direction="in"} 0.0',
        b'gate_bytes_total{direction="out"} 5.0',
        b'gate_token_cache_total{result="hit"} 0.0',
        b'gate_token_cache_total{result="miss"} 1.0',
    ):
        assert line in text
