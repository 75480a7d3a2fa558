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
