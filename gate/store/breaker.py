"""A circuit breaker: while the store is out of reach, nobody waits for it.

Closed, every call goes out. After a few failures in a row it opens, and calls fail at once; every so often
one call is let through, and the first that succeeds closes it.
"""

from __future__ import annotations

from dataclasses import dataclass

FAILURES = 3
PAUSE_S = 0.5


@dataclass(slots=True)
class Breaker:
    """The state of one server's circuit. `now` is seconds of a monotonic clock."""

    failures: int = 0
    probe_at: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.failures >= FAILURES

    def admits(self, now: float) -> bool:
        """Whether a call may go out. Of an open circuit only one in `PAUSE_S` may: the probe."""
        if not self.is_open:
            return True
        if now < self.probe_at:
            return False
        self.probe_at = now + PAUSE_S
        return True

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, now: float) -> None:
        self.failures += 1
        self.probe_at = now + PAUSE_S
