"""What a Ziggeo client token costs at first sight: CPU time of this process, beside our reading of a JWT under
HS256 that says the same, in the same run. Asserts no times.

python -m pytest tests/bench/bench_ziggeo.py -m bench -s
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from gate.core.keys import Algorithm, Key, Keyring
from gate.core.token import Rights, Token
from gate.formats import jwt, ziggeo
from gate.formats.ziggeo import ClientToken

pytestmark = pytest.mark.bench

SECRET = "an encryption key that was made for this only"
KEY = ziggeo.derive_key(SECRET)
NONCE = "17952933067642649577961089880"


def median_us(*works: Callable[[], object], rounds: int = 31, repeats: int = 100) -> list[float]:
    """The median CPU time of one call of each work, in microseconds; the works take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, spent in zip(works, times, strict=True):
            started = time.process_time_ns()
            for _ in range(repeats):
                work()
            spent.append((time.process_time_ns() - started) / 1000 / repeats)
    return [statistics.median(spent) for spent in times]


@pytest.mark.parametrize("names", [1, 10, 100])
def test_read(names: int) -> None:
    arguments: dict[str, Any] = {
        "grants": {"read": {"resources": [f"{at:032x}" for at in range(names)]}},
        "session_limit": 1,
        "expiration_date": 2_000_000_000,
    }
    text = ziggeo.write(arguments, "apptok", SECRET, iv=bytes(8), nonce=NONCE)
    key = Key("k", Algorithm.HS256, SECRET.encode())
    ring, signed = Keyring([key]), jwt.sign({**arguments, "nonce": NONCE}, key)
    forged = f"{text[:-40]}{'0' * 8}{text[-32:]}"

    def read() -> ClientToken:
        client = ziggeo.read(text, application_token="apptok", key=KEY)
        assert isinstance(client, ClientToken)
        return client

    assert isinstance(jwt.verify(signed, "demo", ring), Token)
    ours, refused, peer = median_us(
        lambda: ziggeo.token_of(read(), "demo", Rights()),
        lambda: ziggeo.read(forged, application_token="apptok", key=KEY),
        lambda: jwt.verify(signed, "demo", ring),
    )
    print(
        f"\n{names} resources, {len(text)} characters: read {ours:.1f} us, refused {refused:.1f} us; "
        f"JWT of {len(signed)} characters under HS256 {peer:.1f} us, ratio {ours / peer:.2f}"
    )
