"""Project Wycheproof's vectors: nothing invalid is accepted, signature or key, and nothing valid refused."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gate.core.keys import Algorithm, Keyring
from gate.core.reasons import Deny
from gate.formats.jwk import read_jwk, read_jwk_set
from gate.formats.jwt import Signed, verify_jws
from gate.formats.signatures import UnfitKeyError

VECTORS = Path(__file__).parents[1] / "vectors" / "wycheproof"
ALGORITHMS = {algorithm.value for algorithm in Algorithm}
# Base64url with a question mark in it: these vectors want it to be skipped, RFC 7515, section 2 does not.
WITH_A_QUESTION_MARK = {("json_web_signature", 372), ("json_web_signature", 373)}
# Called invalid for their padding, which the published file has lost: letter by letter the valid case 357.
WITHOUT_THEIR_PADDING = {("json_web_signature", 367), ("json_web_signature", 370)}
# One operation that is called "sign, verify".
ODD_KEY_OPS = ("rfc7520WithKeyOps", "sign, verify")


def groups(name: str) -> Iterator[dict[str, Any]]:
    yield from json.loads((VECTORS / f"{name}_test.json").read_text("utf-8"))["testGroups"]


def read_ring(keys: dict[str, Any]) -> Keyring:
    """The keyring of a group; without any key where the gate would not take them."""
    raw = json.dumps(keys).encode()
    try:
        return Keyring(read_jwk_set(raw) if "keys" in keys else [read_jwk(raw)])
    except UnfitKeyError:
        return Keyring([])


def text_of(case: dict[str, Any]) -> str:
    text = case.get("jws", case.get("jwe"))
    return text if isinstance(text, str) else json.dumps(text)


def header_algorithm(text: str) -> str:
    part = text.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))["alg"])


@pytest.mark.parametrize(
    ("name", "accepted"), [("json_web_signature", 24), ("json_web_key", 5), ("json_web_crypto", 4)]
)
def test_signatures(name: str, accepted: int) -> None:
    seen: Counter[str] = Counter()
    for group in groups(name):
        ring = read_ring(group.get("public") or group["private"])
        for case in group["tests"]:
            text, place = text_of(case), (name, case["tcId"], case["comment"])
            answer = verify_jws(text, ring)
            assert isinstance(answer, Signed | Deny), place
            if place[:2] in WITHOUT_THEIR_PADDING:
                head, body, mark = text.split(".")
                assert text == next(text_of(one) for one in group["tests"] if one["tcId"] == 357)
                for padded in (f"{head}.{body}.{mark}=", f"{head}.{body}==.{mark}", f"{head}=.{body}.{mark}"):
                    assert isinstance(verify_jws(padded, ring), Deny), place
                continue
            if case["result"] == "invalid":
                assert isinstance(answer, Deny), place
            elif place[:2] not in WITH_A_QUESTION_MARK and header_algorithm(text) in ALGORITHMS:
                assert isinstance(answer, Signed), place
                assert answer.payload == urlsafe_b64decode(text.split(".")[1] + "==")
            seen[type(answer).__name__] += 1
    assert seen["Signed"] == accepted


@pytest.mark.parametrize("name", ["json_web_signature", "json_web_key", "json_web_crypto"])
def test_a_private_key_verifies_as_its_public_half_does(name: str) -> None:
    pairs = 0
    for group in groups(name):
        if "public" not in group or (ODD_KEY_OPS[0] == group["comment"] and ODD_KEY_OPS[1] in str(group)):
            continue
        public, private = list(read_ring(group["public"])), list(read_ring(group["private"]))
        assert public == private, group["comment"]
        assert all(not key.signs for key in public)
        assert all(key.signs for key in private)
        pairs += len(public)
    assert pairs == {"json_web_signature": 8, "json_web_key": 1, "json_web_crypto": 2}[name]


def test_vectors_are_complete() -> None:
    """So that a file that lost its cases does not pass for one that has none to fail."""
    counts = {
        path.name: sum(len(group["tests"]) for group in groups(path.name.removesuffix("_test.json")))
        for path in VECTORS.glob("*.json")
    }
    assert counts == {
        "json_web_signature_test.json": 401,
        "json_web_key_test.json": 26,
        "json_web_crypto_test.json": 83,
    }
