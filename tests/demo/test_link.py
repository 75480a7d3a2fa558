from __future__ import annotations

import pytest

from gate.core.reasons import Reason
from gate.demo.link import Act, Link, Media, Outcome, Step, refusal, written


def test_openings_are_those_of_all_steps_in_order() -> None:
    plays, refused = Outcome((302, 200)), refusal(Reason.SESSION_LIMIT)
    steps = (Step(Act.OPEN, plays, 2), Step(Act.REUSE, plays, 9), Step(Act.OPEN, refused))
    link = Link("name", "group", "title", "/path", Media.FILE, "words", steps)
    assert link.openings == (plays, plays, refused)


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
