"""How often an address may fail: who guesses at tokens or passwords is told to wait, not whether it was close.

A bucket for each address: some failures at once, then one every few seconds. An address is one host of IPv4, or
one network of 64 bits of IPv6, in which a host has as many addresses as it likes. What is remembered already
needs no guessing and is not held up: whoever shares an address with a guesser goes on watching.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

BURST: Final = 60
EVERY_S: Final = 2.0
ADDRESSES: Final = 20_000


class Failures:
    """Counts failures of addresses; `now` is in Unix seconds."""

    def __init__(self, burst: int = BURST, every_s: float = EVERY_S, addresses: int = ADDRESSES) -> None:
        """`burst` failures at once, and one more every `every_s`; of so many addresses the latest are known."""
        self._burst = burst
        self._every_s = every_s
        self._most = addresses
        # When a bucket will be empty again: each failure puts that off.
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, address: str, now: float) -> int:
        """How long the address has to wait, in whole seconds; 0 where it may try."""
        over_s = self._empty_at.get(_host(address), now) - now - (self._burst - 1) * self._every_s
        return 0 if over_s <= 0 else int(over_s) + 1

    def add(self, address: str, now: float) -> None:
        """The address has failed."""
        host = _host(address)
        self._empty_at[host] = max(self._empty_at.get(host, now), now) + self._every_s
        self._empty_at.move_to_end(host)
        if len(self._empty_at) > self._most:
            self._empty_at.popitem(last=False)


def _host(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped) if parsed.ipv4_mapped else parsed.packed[:8].hex()
