"""What a token and a playlist cost: CPU time of this process, beside PyJWT in the same run. Asserts no times.

python -m pytest tests/bench/bench_verify.py -m bench -s
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from gate.cli.keys import make_key
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.target import Target, parse_target
from gate.core.token import Token
from gate.formats.jwt import sign, verify
from gate.media.hls import Rebase, Scanner, rebase_under
from gate.media.layouts import LAYOUTS
from gate.proxy.known import Recent

pytestmark = pytest.mark.bench

KEYS = [make_key(algorithm, algorithm.value) for algorithm in Algorithm]
CLAIMS: dict[str, Any] = {
    "iss": "app",
    "sub": "viewer-17",
    "jti": "6f1c2d7e-0000-4000-8000-1234567890ab",
    "iat": 1_700_000_000,
    "exp": 4_000_000_000,
    "grants": {"read": {"resources": ["office/cam1", "office/cam2", "office/cam3"]}},
    "live": True,
    "dvr": True,
    "from": 1_700_000_000,
    "to": 1_700_086_400,
    "session_limit": 3,
}
SEGMENTS = 5000
CHUNK = 65536


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


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm.value)
def test_verify(key: Key) -> None:
    ring, text, algorithm = Keyring(KEYS), sign(CLAIMS, key), key.algorithm.value
    public = key.material if key.algorithm.symmetric else load_der_public_key(key.material)
    token = verify(text, "demo", ring)
    assert isinstance(token, Token)
    # What a worker remembers costs a look, whatever the algorithm.
    seen: Recent[Token] = Recent(100)
    seen.put("demo", text, token)
    ours, theirs, cached = median_us(
        lambda: verify(text, "demo", ring),
        lambda: pyjwt.decode(text, public, algorithms=[algorithm]),
        lambda: seen.get("demo", text),
    )
    print(
        f"\nverify {algorithm}: {ours:.1f} us, PyJWT {theirs:.1f} us, ratio {ours / theirs:.2f}; "
        f"seen {cached:.2f} us"
    )


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm.value)
def test_forged(key: Key) -> None:
    """What a signature costs that does not verify: of these nothing is remembered."""
    ring, (text, _, mark) = Keyring(KEYS), sign(CLAIMS, key).rpartition(".")
    forged = f"{text}.{'A' * (len(mark) - 4)}AAAA"[: len(text) + 1 + len(mark)]
    (spent,) = median_us(lambda: verify(forged, "demo", ring))
    print(f"\nforged {key.algorithm.value}: {spent:.1f} us")


def test_refuse() -> None:
    ring = Keyring(KEYS)
    head, body, mark = sign(CLAIMS, KEYS[0]).split(".")
    brackets = sign({**CLAIMS, "windows": [{"from": at} for at in range(1, 101)]}, KEYS[0])
    shape, signature, wide = median_us(
        lambda: verify(f"{head}.{body}", "demo", ring),
        lambda: verify(f"{head}.{body}.{mark[::-1]}", "demo", ring),
        lambda: verify(brackets, "demo", ring),
    )
    print(f"\nrefuse: shape {shape:.1f} us, signature {signature:.1f} us; 100 windows {wide:.1f} us")


def playlist(uri: bytes) -> bytes:
    lines = [b"#EXTM3U", b"#EXT-X-VERSION:7", b"#EXT-X-TARGETDURATION:6", b'#EXT-X-MAP:URI="init.mp4"']
    for at in range(SEGMENTS):
        lines += [b"#EXTINF:6.000,", uri % (at // 60 % 60, at % 60)]
    return b"\n".join([*lines, b"#EXT-X-ENDLIST", b""])


def scan(body: bytes, rebase: Rebase) -> bytes:
    scanner = Scanner(rebase)
    chunks = [scanner.feed(body[at : at + CHUNK]) for at in range(0, len(body), CHUNK)]
    return b"".join([*chunks, scanner.end()])


def test_scanner() -> None:
    under = rebase_under(b"/_s/" + b"T" * 400, frozenset({b"http://origin:9000"}), b"")
    relative = playlist(b"2026/01/01/00/%02d/%02d-06000.ts")
    rooted = playlist(b"/cam1/2026/01/01/00/%02d/%02d-06000.ts")
    absolute = playlist(b"http://origin:9000/cam1/2026/01/01/00/%02d/%02d-06000.ts")
    assert scan(relative, under) == relative
    assert scan(absolute, under) == scan(rooted, under)
    times = median_us(
        lambda: relative.replace(b"\n", b"\r\n"),
        lambda: scan(relative, under),
        lambda: scan(rooted, under),
        lambda: scan(absolute, under),
        rounds=11,
        repeats=3,
    )
    copy, *scans = (spent / 1000 for spent in times)
    print(f"\nscan {SEGMENTS} segments: one bytes.replace {copy:.2f} ms")
    for name, spent in zip(("relative", "root-relative", "absolute"), scans, strict=True):
        print(f"  {name} URIs {spent:.2f} ms, ratio {spent / copy:.1f}")


@pytest.mark.parametrize(
    "raw", ["/cam1/index.m3u8", "/office/cam1/2026/01/01/00/00/00-06000.ts", "/" + "a/" * 4000 + "x"], ids=len
)
def test_layout(raw: str) -> None:
    target = parse_target(raw)
    assert isinstance(target, Target)
    layout = LAYOUTS["flussonic"]
    parsing, reading = median_us(lambda: parse_target(raw), lambda: layout.read(target, {}), repeats=20)
    print(f"\ntarget of {len(raw)} characters: parsed in {parsing:.1f} us, its layout read in {reading:.1f} us")
