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
        self.jwks_fetches = Counter(
            "gate_jwks_fetches", "Fetches of published keys", ["application"], registry=self.registry
        )
        self.jwks_failures = Counter(
            "gate_jwks_fetch_failures",
            "Fetches of published keys that failed",
            ["application"],
            registry=self.registry,
        )
        self.sessions_ended = Counter(
            "gate_responses_cut", "Running responses that were cut: ended or revoked", registry=self.registry
        )
        moved = Counter(
            "gate_bytes",
            "Bytes of bodies: in from clients, out to clients",
            ["direction"],
            registry=self.registry,
        )
        self.received, self.sent = moved.labels("in"), moved.labels("out")
        looked_up = Counter(
            "gate_token_cache",
            "Tokens that were verified before (hit), or were verified now (miss)",
            ["result"],
            registry=self.registry,
        )
        self.token_hits, self.token_misses = looked_up.labels("hit"), looked_up.labels("miss")
        self.reloads = Counter("gate_reloads", "Policy reloads", ["outcome"], registry=self.registry)
        self._policy = Gauge(
            "gate_policy_info", "1 for the policy in force", ["version"], registry=self.registry
        )
        self._reload_success = Gauge(
            "gate_config_reload_success",
            "1 where the policy file is in force, 0 where it was refused when it was read last",
            registry=self.registry,
        )
        self._reload_time = Gauge(
            "gate_config_reload_success_timestamp_seconds",
            "When the policy in force was read, in Unix seconds",
            registry=self.registry,
        )

    def adopt(self, version: str, now: float) -> None:
        """The policy of this version is in force since `now` (Unix seconds), and no other."""
        self._policy.clear()
        self._policy.labels(version).set(1)
        self._reload_success.set(1)
        self._reload_time.set(now)

    def refuse_policy(self) -> None:
        """The policy file is not the policy in force."""
        self._reload_success.set(0)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def expose(self) -> bytes:
        return generate_latest(self.registry)
