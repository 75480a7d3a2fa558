"""Keys that an issuer publishes at a URL: when they are fetched, and which of them count.

A source is fetched by itself: at the start, and again within its refresh. A set that was fetched takes the
place of the one before as a whole. A key that its issuer has taken out is revoked, so it is not kept for a
while longer: whoever changes keys publishes the new one before signing with it, and takes the old one out when
its last token has ended.

A token may name a key that is not there yet. One fetch serves all such tokens, and after its end the source
rests for its cool-down, whatever comes: anybody can name any key, and must not make the gate ask more often.

A fetch that fails changes no keys. It is tried again soon, then at longer and longer intervals. Until one
succeeds nobody can say whether a key that is unknown here is unknown to its issuer as well.

Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Self

from gate.core.keys import Algorithm, Key, Keyring

LONGEST_BACK_OFF_S: Final = 60.0
_NO_LONGER_DOUBLED: Final = 7


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where an issuer publishes its keys. `algorithm`: only keys of that one count."""

    url: str
    algorithm: Algorithm | None = None
    refresh_s: float = 600.0
    cooldown_s: float = 30.0

    @property
    def place(self) -> str:
        """The URL without its query, for logs."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Publication:
    """What is known of one source. `failures` counts since the last success, `problem` is the last one's.

    A moment of -inf has passed already: a source that nobody has asked yet is due.
    """

    keys: tuple[Key, ...] = ()
    running: bool = False
    due_at: float = -inf
    rests_until: float = -inf
    fetched_at: float | None = None
    failures: int = 0
    problem: str = ""

    @property
    def settled(self) -> bool:
        """Whether a key that is not here is not its issuer's either, as far as a cool-down lets one know.

        A set without any key says nothing about tokens that somebody has signed.
        """
        return bool(self.keys) and not self.running and not self.failures

    def due(self, now: float) -> bool:
        """Whether it is to be fetched by itself."""
        return not self.running and now >= self.due_at

    def ready(self, now: float) -> bool:
        """Whether it is to be fetched for a key that is not known."""
        return not self.running and now >= self.rests_until

    def begin(self) -> Self:
        """A fetch runs, and no second one beside it."""
        return replace(self, running=True)

    def succeed(self, source: KeySource, keys: Iterable[Key], now: float, spread: float) -> Self:
        """These keys and no others are published. `spread`, from 0 to 1, keeps gates from asking in step."""
        return replace(
            self,
            keys=tuple(keys),
            running=False,
            due_at=now + source.refresh_s * (1 - spread / 10),
            rests_until=now + source.cooldown_s,
            fetched_at=now,
            failures=0,
            problem="",
        )

    def fail(self, source: KeySource, problem: str, now: float, spread: float, *, leaked: bool = False) -> Self:
        """The keys are what they were; or none, where what they sign with was `leaked`."""
        back_off_s = min(2.0 ** min(self.failures, _NO_LONGER_DOUBLED), LONGEST_BACK_OFF_S, source.refresh_s)
        return replace(
            self,
            keys=() if leaked else self.keys,
            running=False,
            due_at=now + back_off_s * (1 - spread / 2),
            rests_until=now + source.cooldown_s,
            failures=self.failures + 1,
            problem=problem,
        )

    def under(self, source: KeySource, now: float) -> Self:
        """The same, with the times that another policy gives the same source: what they shorten is sooner."""
        return replace(
            self,
            due_at=min(self.due_at, now + source.refresh_s),
            rests_until=min(self.rests_until, now + source.cooldown_s),
        )


def join(own: Keyring, published: Iterable[Publication]) -> Keyring:
    """The ring of an application: its own keys, then those of each source. Of one kid the first counts."""
    for publication in published:
        own = own.joined(publication.keys)
    return own
