"""How long a refusal takes does not tell what was wrong with the token.

Each class of failure has many tokens of one length, and their readings take turns, so that what else the
machine does falls on all of them alike. The medians lie within a fifth of the time, or as near to each other
as the middle half of one class: the reading that stands in for what a token kept from being read is more than
a third of the time, and would be missed.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from typing import Final

import pytest

from gate.core.reasons import Deny, Reason
from gate.formats.ziggeo import derive_key, encrypt, read

KEY: Final = derive_key("enckey")
REFUSED: Final = Deny(Reason.TOKEN_MALFORMED)
ROUNDS: Final = 40
TOKENS: Final = 12
PREFIX = '{"application_token":"%s","nonce":"17952933067642649577961089880","grants":%s,'
GRANTS = '{"read":{"resources":["0123456789abcdef0123456789abcdef"]}}'
GOOD = PREFIX % ("apptok", GRANTS) + '"session_limit":1,"expiration_date":2000000000}'

PADDING: Final = 16 - len(GOOD) % 16


def ivs(seed: int) -> list[str]:
    chance = random.Random(seed)
    return [f"{chance.getrandbits(64):016x}" for _ in range(TOKENS)]


def tokens(plaintext: str) -> list[str]:
    assert len(plaintext) // 16 == len(GOOD) // 16
    return [encrypt(plaintext.encode(), KEY, iv) for iv in ivs(1)]


def replaced(text: str, block: int, chance: random.Random) -> str:
    """The token with another block of ciphertext: that block's plaintext and the next one's are chance."""
    at = 16 + 32 * block
    return f"{text[:at]}{chance.getrandbits(128):032x}{text[at + 32 :]}"


def garbled(block: int) -> list[str]:
    chance = random.Random(block)
    return [replaced(text, block, chance) for text in tokens(GOOD)]


def padded(last: int) -> list[str]:
    """Tokens whose last byte of plaintext is that, and of which the block before is chance, as in the search
    for a plaintext by its padding."""
    chosen = []
    chance = random.Random(last)
    for text in tokens(GOOD):
        raw = bytearray.fromhex(text[16:])
        raw[-32:-17] = chance.randbytes(15)
        raw[-17] ^= PADDING ^ last
        chosen.append(text[:16] + raw.hex())
    return chosen


def badly_padded() -> list[str]:
    """Tokens whose JSON is good and whose padding is of the right length, and of other bytes."""
    return [encrypt((GOOD + "\x11" * PADDING).encode(), KEY, iv)[:-32] for iv in ivs(1)]


CLASSES: Final = {
    "capitals": [text.upper() for text in tokens(GOOD)],
    "no hex": [text[:-1] + "g" for text in tokens(GOOD)],
    "length": [text[:-1] for text in tokens(GOOD)],
    "another key": [encrypt(GOOD.encode(), derive_key("other"), iv) for iv in ivs(2)],
    "chance at the beginning": garbled(0),
    "chance in the middle": garbled(5),
    "chance at the end": garbled(len(GOOD) // 16),
    "padding": badly_padded(),
    "JSON, early": tokens(GOOD.replace('"apptok"', "'apptok'")),
    "JSON, late": tokens(GOOD[:-1] + "]"),
    "a key twice": tokens(GOOD.replace('"expiration_date":2000000000', '"nonce":"11111111111111111111"')),
    "another application": tokens(GOOD.replace("apptok", "appkot")),
    "another type": tokens(GOOD.replace("2000000000", "20000000.0")),
    "no nonce": tokens(GOOD.replace('"nonce"', '"token"')),
}


def medians(classes: dict[str, list[str]]) -> tuple[dict[str, float], float]:
    """The median time of each class in us, and the widest spread of a single one's middle half."""
    times: dict[str, list[float]] = {name: [] for name in classes}
    order = [(name, text) for name, texts in classes.items() for text in texts]
    chance = random.Random(3)
    for _ in range(ROUNDS):
        chance.shuffle(order)
        for name, text in order:
            started = time.perf_counter_ns()
            answer = read(text, application_token="apptok", key=KEY)
            times[name].append((time.perf_counter_ns() - started) / 1000)
            assert answer == REFUSED, name
    quarters = [statistics.quantiles(spent) for spent in times.values()]
    return {name: statistics.median(spent) for name, spent in times.items()}, max(q[2] - q[0] for q in quarters)


@pytest.mark.timed
def test_failures_take_the_same_time() -> None:
    spent, spread = medians(CLASSES)
    told = {name: round(us, 1) for name, us in spent.items()} | {"spread": round(spread, 1)}
    print(json.dumps(told, indent=1))
    assert max(spent.values()) - min(spent.values()) < max(spread, min(spent.values()) / 5), told


@pytest.mark.timed
def test_the_padding_takes_no_time() -> None:
    """The oracle that counts: of two tokens that differ in nothing else, one has padding that is right."""
    spent, spread = medians({"right": padded(1), "wrong": padded(17), "none": padded(0), "high": padded(0xF0)})
    told = {name: round(us, 1) for name, us in spent.items()} | {"spread": round(spread, 1)}
    print(json.dumps(told, indent=1))
    assert max(spent.values()) - min(spent.values()) < max(spread / 2, min(spent.values()) / 8), told
