"""The gate's counters, in a registry of their own. No label ever holds a token, a path or an address."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What is counted; `expose` writes it in Prometheus' text format."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.decisions = Counter(
            "gate_decisions",
            "Requests by outcome (permit, redirect, deny, preflight) and, of a refusal, its reason",
            ["outcome", "reason"],
            registry=self.registry,
        )
        self.store_seconds = Histogram(
            "gate_store_seconds", "Store calls", ["call"], buckets=_SECONDS, registry=self.registry
        )
        self.store_failures = Counter("gate_store_failures", "Store calls that failed", registry=self.registry)
        self.origin_seconds = Histogram(
            "gate_origin_seconds",
            "From asking the origin to the head of its answer",
            ["origin"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.origin_failures = Counter(
            "gate_origin_failures", "Origin requests that failed", ["origin"], registry=self.registry
        )
        self.sessions_ended = Counter(
            "gate_responses_cut", "Running responses that were cut: ended or revoked", registry=self.registry
        )
        self.reloads = Counter("gate_reloads", "Policy reloads", ["outcome"], registry=self.registry)
        self.policy = Gauge(
            "gate_policy_info", "1 for the policy in force", ["version"], registry=self.registry
        )

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def expose(self) -> bytes:
        return generate_latest(self.registry)
