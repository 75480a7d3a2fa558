from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate.config.compile import load_config
from gate.core.decision import decide, locate
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.verdicts import Admit, Ask, Permit
from gate.demo.links import Act, Link, Outcome, Step, links, refusal, written
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


def test_openings_are_those_of_all_steps_in_order() -> None:
    plays, refused = Outcome((302, 200)), refusal(Reason.SESSION_LIMIT)
    link = links(sign, 0)[0]
    steps = (Step(Act.OPEN, plays, 2), Step(Act.REUSE, plays, 9), Step(Act.OPEN, refused))
    assert replace(link, steps=steps).openings == (plays, plays, refused)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome((302, 200)), "plays (302, 200)"),
        (refusal(Reason.TOKEN_MISSING), "401 token_missing"),
        (Outcome((200,), fault="it is not MPEG-TS"), "200: it is not MPEG-TS"),
        (Outcome((), fault="no answer"), "no answer"),
    ],
)
def test_an_outcome_in_words(outcome: Outcome, text: str) -> None:
    assert str(outcome) == text
    assert outcome.plays == text.startswith("plays")


def test_steps_in_words() -> None:
    plays = Outcome((200,))
    steps = (
        Step(Act.OPEN, plays),
        Step(Act.REUSE, plays, 7),
        Step(Act.OPEN, plays, 2),
        Step(Act.OPEN, refusal(Reason.SESSION_LIMIT)),
        Step(Act.OUTLIVE, refusal(Reason.SESSION_EXPIRED)),
    )
    assert written(steps, "\n").splitlines() == [
        "plays (200)",
        "its session link 7 times: plays (200)",
        "opening 2 to 3: plays (200)",
        "opening 4: 403 session_limit",
        "after its end: 401 session_expired",
    ]
