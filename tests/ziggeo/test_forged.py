"""Tokens that are guessed, flipped or made up: all of them are told the same, and none grants anything more."""

from __future__ import annotations

import itertools
import json
import secrets
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from gate.formats import ziggeo

ALL = {"all": True}
READ = {"read": ALL}
BAD_NUMBERS = [-1, 1.5, 1e9, 10**30, True, [1], {}, "-1", "1.5", "1e3", "0x10", " 1", "01", "", "１", "∞"]
BAD_GRANTS: list[Any] = [
    *(1, True, "read", "{'read': {'all': True}}", "[1]", [1], {"write": ALL}, {"read": True}, {"read": "some"}),
    *({"read": {"any": True}}, {"read": {"all": "yes"}}, {"read": {"resources": "one"}}, {"read": [ALL]}),
    *({"read": {"resources": [resource]}} for resource in (1, None, "", "x" * 513, ["one"])),
]


def addresses() -> Iterator[str]:
    """Each host fails once."""
    for number in itertools.count():
        yield f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


@pytest.mark.parametrize("kind", ["server", "client"])
async def test_names_beyond_ascii_are_names(shop: Any, kind: str) -> None:
    named, page = "vidéo-€-видео", await shop.page()
    token = await shop.make(kind, grants={"read": {"resources": [named]}})
    assert (await shop.ask(shop.file(quote(named), token, page))).said == (404, None)
    for other in ("vid\u0065\u0301o-€-видео", "vid?o-?-?????", named.upper(), named + "\u200b"):
        assert (await shop.ask(shop.file(quote(other), token, page))).status in (400, 403), other


async def test_guessing_is_slowed_and_who_watches_goes_on(shop: Any) -> None:
    video, page = await shop.add(), await shop.page()
    known = [await shop.make(kind, grants=READ, session_limit=5) for kind in ("server", "client")]
    unknown = [await shop.make(kind, grants=READ) for kind in ("server", "client")]
    here, there = {"address": "203.0.113.7"}, {"address": "203.0.113.8"}
    for token in known:
        assert (await shop.ask(shop.file(video, token, page), **here)).status == 200
    told: Counter[tuple[int, str]] = Counter()
    for at in range(100):
        guess = secrets.token_hex(16) if at % 2 else secrets.token_hex(8 + 16 * 8)
        got = await shop.ask(shop.file(video, guess, page), **here)
        told[got.said] += 1
    assert told.keys() == {(401, "token_malformed"), (429, "too_many_failures")}
    assert 50 <= told[401, "token_malformed"] <= 65
    assert int(got.headers["Retry-After"]) > 0
    # What the worker knows is no guess; what it would have to look at is, until it has waited.
    for token in known:
        assert (await shop.ask(shop.file(video, token, page), **here)).status == 200
        assert (await shop.ask(shop.file(video, token, await shop.page()), **here)).status == 200
    for token in unknown:
        assert (await shop.ask(shop.file(video, token, page), **here)).said == (429, "too_many_failures")
        assert (await shop.ask(shop.file(video, token, page), **there)).status == 200
        assert (await shop.ask(shop.file(video, token, page), **here)).status == 200
    # Passwords are guessed at no faster.
    fields = {**shop.credentials, "X-Forwarded-For": "203.0.113.9"}
    wrong = {**fields, "Authorization": fields["Authorization"][:-4] + "AAA="}
    said = Counter([(await shop.call("GET", unknown[0], **wrong)).said for _ in range(80)])
    assert said.keys() == {(401, "credentials_wrong"), (429, "too_many_failures")}
    assert (await shop.call("GET", unknown[0], **fields)).said == (429, "too_many_failures")
    assert (await shop.call("GET", unknown[0])).status == 200


async def test_no_flipped_bit_of_a_client_side_token_grants_more(shop: Any) -> None:
    video, other, page = await shop.add(), await shop.add(), await shop.page()
    host = addresses()
    own = {"resources": [video]}
    tokens = [
        shop.write("1", grants={"read": own}),
        shop.write("2", grants={"read": own}, session_limit=1, usage_expiration_time=60, hidden=False),
        shop.write("3", grants=json.dumps({"read": own, "create": {}}), expiration_date=4_000_000_000),
    ]
    told: Counter[tuple[int, str | None]] = Counter()
    for token in tokens:
        assert (await shop.ask(shop.file(video, token, page))).status == 200
        for at, digit in enumerate(token):
            flipped = f"{int(digit, 16) ^ (1 << at % 4):x}"
            changed = f"{token[:at]}{flipped}{token[at + 1 :]}"
            got = await shop.ask(shop.file(other, changed, page), address=next(host))
            told[got.said] += 1
    assert told.keys() <= {(401, "token_malformed"), (403, "resource_not_granted"), (403, "action_not_granted")}
    assert told[401, "token_malformed"] > sum(told.values()) * 0.95
    for token in tokens:
        for changed in (
            token.upper(),
            token[:-2],
            token[:-32],
            token[32:],
            f"{token}00",
            token[:16],
            token + token,
        ):
            got = await shop.ask(shop.file(video, changed, page), address=next(host))
            assert got.said == (401, "token_malformed"), changed
        assert (await shop.ask(shop.file(video, token, page))).status == 200


async def test_a_client_side_token_says_what_an_sdk_can_say_or_nothing(shop: Any) -> None:
    video, page, host = await shop.add(), await shop.page(), addresses()
    key = ziggeo.derive_key(shop.encryption)
    good = {"application_token": shop.app, "nonce": "n", "grants": READ}

    async def ask(said: Any, key: bytes = key) -> Any:
        text = said if isinstance(said, str) else json.dumps(said)
        token = ziggeo.encrypt(text.encode(), key, secrets.token_hex(8))
        return await shop.ask(shop.file(video, token, page), address=next(host))

    assert (await ask(good)).status == 200
    numbers = ("session_limit", "usage_expiration_time", "expiration_date")
    wrong: list[Any] = [{**good, name: value} for name, value in itertools.product(numbers, BAD_NUMBERS)]
    wrong += [{**good, "grants": grants} for grants in BAD_GRANTS]
    wrong += [
        {**good, **more} for more in ({"unknown": 1}, {"nonce": ""}, {"nonce": "é"}, {"nonce": "n" * 129})
    ]
    wrong += [{**good, "application_token": each} for each in (shop.other_app, "", None, 1, shop.app.upper())]
    wrong += [
        {name: value for name, value in good.items() if name != left} for left in ("nonce", "application_token")
    ]
    wrong += [
        "",
        "{}",
        "[]",
        "null",
        json.dumps(good)[:-1],
        json.dumps(good) + "}",
        json.dumps(good)[:-1] + ',"nonce":"m"}',
    ]
    bodies = set()
    for said in wrong:
        got = await ask(said)
        assert got.said == (401, "token_malformed"), said
        bodies.add(got.body.replace(got.headers["X-Request-ID"].encode(), b""))
    assert (await ask(good, ziggeo.derive_key("another key of that length"))).said == (401, "token_malformed")
    # All of them are told the same.
    assert len(bodies) == 1
    for name in numbers:
        assert (await ask({**good, name: 0})).said == (401, "token_expired")
    for nothing in (
        {**good, "grants": []},
        {**good, "grants": {}},
        {"application_token": shop.app, "nonce": "n"},
    ):
        assert (await ask(nothing)).said == (403, "action_not_granted")
    both = f"{shop.file(video, shop.write(grants=READ), page)}&server_auth={await shop.create(grants=READ)}"
    assert (await shop.ask(both)).said == (400, "ambiguous_credentials")
