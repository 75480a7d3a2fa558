from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gate.config.compile import load_config
from gate.core.decision import decide, locate
from gate.core.reasons import Deny
from gate.core.revocation import Revocations
from gate.core.verdicts import Admit, Ask, Permit
from gate.demo.link import Link, refusal
from gate.demo.links import links
from gate.demo.stage import SECRET
from gate.formats import jwt, read_token

REPOSITORY = Path(__file__).resolve().parents[2]
POLICY = load_config(
    REPOSITORY / "config" / "demo.yaml", {SECRET: "for the demo's tests, 32 bytes or more"}
).policy


class NoHeaders:
    def getall(self, key: str, default: Any, /) -> Any:
        return default


def sign(claims: Mapping[str, Any]) -> str:
    return jwt.sign(claims, next(iter(POLICY.applications["demo"].keyring)))


def decided(link: Link, now: float) -> Permit | Admit | Deny:
    """What the decision says of the link's first opening."""
    ask = Ask("GET", link.path, NoHeaders(), "127.0.0.1")
    place = locate(ask, POLICY)
    if isinstance(place, Deny):
        return place
    token = None
    if place.token is not None and place.application is not None:
        read = read_token(place.token, place.application)
        if isinstance(read, Deny):
            return read
        token = read
    return decide(ask, place, token, None, None, Revocations(), now)


def test_the_shipped_policy_is_the_one_in_config() -> None:
    shipped = REPOSITORY / "gate" / "demo" / "policy.yaml"
    assert shipped.read_bytes() == (REPOSITORY / "config" / "demo.yaml").read_bytes()


def test_the_policy_names_its_schema_and_no_secret() -> None:
    text = (REPOSITORY / "config" / "demo.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=gate.schema.json\n")
    assert "secret: !env GATE_DEMO_SECRET" in text


@pytest.mark.parametrize("link", links(sign, int(time.time())), ids=lambda link: link.name)
def test_the_decision_agrees_with_the_first_opening(link: Link) -> None:
    verdict = decided(link, time.time())
    expected = link.openings[0]
    if isinstance(verdict, Deny):
        assert expected == refusal(verdict.reason)
    else:
        assert expected.plays
        assert (expected.statuses[0] == 302) == isinstance(verdict, Admit)


def test_no_two_sets_share_a_token_and_names_are_unique() -> None:
    one, other = links(sign, 1_800_000_000), links(sign, 1_800_000_000)
    assert [link.name for link in one] == [link.name for link in other]
    assert len({link.name for link in one}) == len(one)
    tokens = [{link.path.partition("token=")[2] for link in every} - {""} for every in (one, other)]
    assert not tokens[0] & tokens[1]


def test_the_link_of_another_stream_has_the_live_streams_own_token() -> None:
    by_name = {link.name: link for link in links(sign, 1_800_000_000)}
    assert by_name["other-stream"].path == by_name["live"].path.replace("cam1", "cam2", 1)
