"""What an API on the listener for viewers is: it claims requests, and answers those in its own wire form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from gate.core.credentials import Headers
from gate.core.policy import Policy
from gate.wire.answers import Answer, Fields
from gate.wire.peers import Peer

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and for log and metrics whom it was for and why it is a refusal: empty where it is none."""

    answer: Answer
    application: str | None
    reason: str = ""


class ClaimingApi(Protocol[R]):
    """An API whose requests are told by method and target; `R` is what it makes of those."""

    @property
    def longest_body(self) -> int:
        """Bytes: no more of a body is read."""
        ...

    def find(self, method: str, raw_target: str, policy: Policy) -> R | None:
        """What the request is for; None where it is not for this API."""
        ...

    async def answer(
        self,
        route: R,
        headers: Headers,
        peer: Peer,
        body: bytes,
        policy: Policy,
        request_id: str,
        cors: Fields,
        now: float,
    ) -> Told:
        """The answer, with the header fields of `cors`, whatever it is. `now` is in Unix seconds."""
        ...

    def too_large(self, request_id: str, cors: Fields) -> Told:
        """The answer to a request whose body is longer, and was not read."""
        ...
