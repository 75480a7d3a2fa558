"""The store's time, which is the same for all gates on it."""

from __future__ import annotations

import time
from typing import Final

# So long an answer of the store may be on its way, at most.
_SLOWEST_MS: Final = 200


class Clock:
    """The store's time, as its answers tell it. It is never behind what the store has said last."""

    def __init__(self) -> None:
        self._ahead_ms = time.time() * 1000 - time.monotonic() * 1000

    def learn(self, now_ms: int) -> None:
        ahead_ms = now_ms - time.monotonic() * 1000
        # An answer was some time on its way: of two that agree the one that was quicker is right.
        if not 0 <= self._ahead_ms - ahead_ms <= _SLOWEST_MS:
            self._ahead_ms = ahead_ms

    @property
    def now_ms(self) -> int:
        """Unix milliseconds."""
        return round(time.monotonic() * 1000 + self._ahead_ms)
