"""How long a session lives, and what a token beside its link makes of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.life import life_of, renew, says_the_same, ticket_of
from gate.core.policy import Application, SessionEnd
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.ticket import Ticket
from gate.core.token import Bind, Rights, Token, subject_owner, token_id
from gate.core.verdicts import Opened, Renewal
from gate.core.windows import Windows, span_of_seconds

NOW = 1_800_000_000
DEMO = Application("demo", Keyring([]), unlimited_ttl=True)
JOINING = replace(DEMO, session_end=SessionEnd.USAGE, max_usage_s=600)


@pytest.fixture
def fresh(token: Token) -> Token:
    """Another token of the same viewer, that ends an hour later."""
    return replace(token, id=token_id("demo", "two"), expires_at=NOW + 7200)


def made(
    token: Token,
    ticket: Ticket,
    application: Application = DEMO,
    revoked: tuple[str, ...] = (),
    now: float = NOW,
) -> Renewal | Deny | None:
    revocations = Revocations()
    for entry in revoked:
        revocations.add(entry, NOW + 9000)
    return renew(token, ticket, application, ticket.ends_at, revocations, now)


def why(made: Renewal | Deny | None) -> Reason:
    assert isinstance(made, Deny), made
    return made.reason


@pytest.mark.parametrize(
    ("usage_s", "expires_at"), [(None, None), (None, NOW + 5), (60, None), (60, NOW + 5), (9000, NOW + 5)]
)
def test_a_session_ends_with_its_token_and_its_usage(
    token: Token, usage_s: int | None, expires_at: int | None
) -> None:
    assert life_of(replace(token, usage_s=usage_s, expires_at=expires_at), DEMO) == (usage_s, expires_at)
    # A cap on usage is for those who check a token at joining only.
    capped = replace(DEMO, max_usage_s=30)
    assert life_of(replace(token, usage_s=usage_s, expires_at=expires_at), capped) == (usage_s, expires_at)


@pytest.mark.parametrize(("usage_s", "life"), [(None, 600), (60, 60), (600, 600), (9000, 600)])
@pytest.mark.parametrize("expires_at", [None, NOW + 5])
def test_a_session_may_outlive_its_token_for_no_longer_than_the_cap(
    token: Token, usage_s: int | None, life: int, expires_at: int | None
) -> None:
    assert life_of(replace(token, usage_s=usage_s, expires_at=expires_at), JOINING) == (life, None)


def test_a_ticket_says_what_its_token_does(token: Token) -> None:
    token = replace(token, session_limit=3, max_concurrent=2, usage_s=600)
    assert ticket_of(token, Opened("00session", NOW + 0.75, NOW + 600.5)) == Ticket(
        session="00session",
        application="demo",
        token=token.id,
        owner=token.owner,
        subject="viewer",
        opened_at=NOW,
        ends_at=NOW + 600.5,
        token_expires_at=token.expires_at,
        issued_at=token.issued_at,
        session_limit=3,
        max_concurrent=2,
        warrant=token.warrant,
    )


def test_a_fresh_token_of_the_same_viewer_renews(ticket: Ticket, fresh: Token) -> None:
    assert made(fresh, ticket) == Renewal(ticket, fresh, None, NOW + 7200)
    used = replace(fresh, usage_s=4000)
    assert made(used, ticket) == Renewal(ticket, used, 4000, NOW + 7200)
    endless = replace(fresh, expires_at=None)
    assert made(endless, ticket) == Renewal(ticket, endless, None, None)
    assert made(fresh, ticket, replace(JOINING, max_usage_s=9000)) == Renewal(ticket, fresh, 9000, None)


def test_another_viewers_token_renews_nothing(ticket: Ticket, fresh: Token) -> None:
    for other in (
        {"owner": subject_owner("demo", "somebody else"), "subject": "somebody else"},
        {"application": "other"},
        # Without a subject nobody can say that two tokens are one viewer's, whatever they are counted under.
        {"subject": None},
    ):
        assert why(made(replace(fresh, **other), ticket)) is Reason.AMBIGUOUS_CREDENTIALS
    anonymous = replace(ticket, subject=None, owner=ticket.token)
    assert why(made(fresh, anonymous)) is Reason.AMBIGUOUS_CREDENTIALS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expires_at": NOW}, Reason.TOKEN_EXPIRED),
        ({"not_before": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"issued_at": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"expires_at": None}, Reason.EXPIRY_REQUIRED),
        ({"expires_at": NOW + 90000}, Reason.LIFETIME_TOO_LONG),
    ],
)
def test_a_token_that_is_not_good_now_renews_nothing(
    ticket: Ticket, fresh: Token, changes: dict[str, object], reason: Reason
) -> None:
    strict = replace(DEMO, unlimited_ttl=False, max_ttl_s=86400.0)
    assert isinstance(made(fresh, ticket, strict), Renewal)
    assert why(made(replace(fresh, **changes), ticket, strict)) is reason


def test_a_revoked_token_renews_nothing(ticket: Ticket, fresh: Token) -> None:
    for entry in (f"t:{fresh.id}", f"u:{fresh.owner}", f"a:demo:{NOW}"):
        assert why(made(fresh, ticket, revoked=(entry,))) is Reason.REVOKED, entry
    assert isinstance(made(fresh, ticket, revoked=(f"t:{ticket.token}",)), Renewal)


@pytest.mark.parametrize(
    "changes",
    [
        {"grants": Grants({Action.READ: Grant(all=True)})},
        {"grants": Grants()},
        {"rights": Rights(live=True)},
        {"windows": Windows.of([span_of_seconds(0, NOW)])},
        {"bind": Bind(network=ip_network("192.0.2.0/24"))},
    ],
)
def test_a_token_that_grants_more_or_less_renews_nothing(
    ticket: Ticket, fresh: Token, changes: dict[str, object]
) -> None:
    """The link would keep, for longer, what the fresh token does not give, or give what the link does not."""
    other = replace(fresh, warrant=replace(fresh.warrant, **changes))
    assert not says_the_same(other, ticket)
    assert made(other, ticket) is None
    assert made(fresh, replace(ticket, warrant=other.warrant)) is None
    assert made(fresh, replace(ticket, warrant=None)) is None


@pytest.mark.parametrize(("before", "after"), [(None, 1), (1, None), (5, 1), (1, 5)])
def test_a_token_of_another_number_of_playbacks_renews_nothing(
    ticket: Ticket, fresh: Token, before: int | None, after: int | None
) -> None:
    ticket, fresh = replace(ticket, max_concurrent=before), replace(fresh, max_concurrent=after)
    assert not says_the_same(fresh, ticket)
    assert made(fresh, ticket) is None
    assert isinstance(made(replace(fresh, max_concurrent=before), ticket), Renewal)


def test_what_would_not_move_the_end_renews_nothing(ticket: Ticket, fresh: Token) -> None:
    """Two tokens that are sent in turn would else renew for ever, and the store would be asked each time."""
    assert ticket.ends_at is not None
    assert made(replace(fresh, expires_at=int(ticket.ends_at)), ticket) is None
    assert made(replace(fresh, expires_at=int(ticket.ends_at) + 1), ticket) is not None
    assert made(replace(fresh, usage_s=60), ticket) is None
    assert made(fresh, ticket, JOINING) is None
    assert made(fresh, ticket, JOINING, now=ticket.ends_at - 599) is not None
    assert made(replace(fresh, expires_at=None), replace(ticket, ends_at=None)) is None
