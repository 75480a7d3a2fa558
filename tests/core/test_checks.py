"""Life, grant and binding: each question on its own, to the second."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from multidict import CIMultiDict

from gate.core.checks import address_in, check_binding, check_grant, check_life, check_token
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.token import Bind, Format, Token, Warrant

NOW = 1_800_000_000
BARE = Token("demo", Format.JWT, "id", "owner", None, Warrant(Grants()))
FREE = Application("demo", Keyring([]), unlimited_ttl=True)
STRICT = Application("demo", Keyring([]), max_ttl_s=3600.0)


def life(application: Application, now: float = NOW, **claims: Any) -> Reason | None:
    refusal = check_life(replace(BARE, **claims), application, now)
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"expires_at": NOW + 1}, None),
        ({"expires_at": NOW}, Reason.TOKEN_EXPIRED),
        ({"expires_at": NOW - 1}, Reason.TOKEN_EXPIRED),
        ({"expires_at": 0}, Reason.TOKEN_EXPIRED),
        ({"not_before": NOW + 60}, None),
        ({"not_before": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"issued_at": NOW + 60}, None),
        ({"issued_at": NOW + 61}, Reason.TOKEN_NOT_YET_VALID),
        ({"not_before": 0, "issued_at": 0}, None),
        ({}, None),
        ({"single_use": True}, Reason.EXPIRY_REQUIRED),
        ({"single_use": True, "expires_at": NOW + 1}, None),
    ],
)
def test_a_life_has_its_bounds_to_the_second(claims: dict[str, int], reason: Reason | None) -> None:
    assert life(FREE, **claims) is reason


def test_an_end_has_no_leeway_and_a_beginning_has_the_applications() -> None:
    assert life(FREE, NOW - 0.001, expires_at=NOW) is None
    assert life(FREE, NOW, expires_at=NOW) is Reason.TOKEN_EXPIRED
    assert life(FREE, NOW - 60, not_before=NOW) is None
    assert life(FREE, NOW - 60.001, not_before=NOW) is Reason.TOKEN_NOT_YET_VALID
    exact = replace(FREE, leeway_s=0.0)
    assert life(exact, NOW - 0.001, issued_at=NOW) is Reason.TOKEN_NOT_YET_VALID
    assert life(exact, NOW, issued_at=NOW) is None


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, Reason.EXPIRY_REQUIRED),
        ({"single_use": True}, Reason.EXPIRY_REQUIRED),
        ({"issued_at": NOW - 10, "expires_at": NOW + 3590}, None),
        ({"issued_at": NOW - 10, "expires_at": NOW + 3591}, Reason.LIFETIME_TOO_LONG),
        ({"expires_at": NOW + 3600}, None),
        ({"expires_at": NOW + 3601}, Reason.LIFETIME_TOO_LONG),
        ({"issued_at": NOW - 7200, "expires_at": NOW - 10}, Reason.TOKEN_EXPIRED),
    ],
)
def test_an_application_may_ask_for_an_end_and_cap_it(claims: dict[str, int], reason: Reason | None) -> None:
    assert life(STRICT, **claims) is reason


def test_a_grant_is_for_this_action_on_this_resource() -> None:
    warrant = Warrant(Grants({Action.READ: Grant(resources=frozenset({"ch1"}))}))
    assert check_grant(warrant, Action.READ, "ch1") is None
    other = check_grant(warrant, Action.READ, "ch10")
    assert other == Deny(Reason.RESOURCE_NOT_GRANTED, facts=(("resource", "ch10"),))
    for action in set(Action) - {Action.READ}:
        refusal = check_grant(warrant, action, "ch1")
        assert refusal is not None
        assert refusal.reason is Reason.ACTION_NOT_GRANTED
        assert action.value in refusal.detail
    assert check_grant(Warrant(Grants()), Action.READ, "ch1") is not None


NETWORK = ip_network("192.0.2.0/24")


@pytest.mark.parametrize(
    ("bind", "fields", "address", "good"),
    [
        (None, [], "", True),
        (Bind(), [], "", True),
        (Bind(network=NETWORK), [], "192.0.2.77", True),
        (Bind(network=NETWORK), [], "::ffff:192.0.2.77", True),
        (Bind(network=NETWORK), [], "192.0.3.1", False),
        (Bind(network=NETWORK), [], "unix", False),
        (Bind(network=NETWORK), [], "", False),
        (Bind(user_agent="VLC"), [("User-Agent", "VLC")], "", True),
        (Bind(user_agent="VLC"), [("User-Agent", "vlc")], "", False),
        (Bind(user_agent="VLC"), [("User-Agent", "VLC/3")], "", False),
        (Bind(user_agent="VLC"), [], "", False),
        (Bind(user_agent="VLC"), [("User-Agent", "VLC"), ("User-Agent", "x")], "", False),
        (Bind(origin="https://a.example"), [("Origin", "https://a.example")], "", True),
        (Bind(origin="https://a.example"), [("Origin", "https://a.example.evil")], "", False),
        (Bind(origin="https://a.example"), [], "", False),
        (Bind(NETWORK, "VLC", "o"), [("User-Agent", "VLC"), ("Origin", "o")], "192.0.2.1", True),
        (Bind(NETWORK, "VLC", "o"), [("User-Agent", "VLC"), ("Origin", "o")], "192.0.3.1", False),
        (Bind(NETWORK, "VLC", "o"), [("User-Agent", "VLC")], "192.0.2.1", False),
        (Bind(NETWORK, "VLC", "o"), [("Origin", "o")], "192.0.2.1", False),
    ],
)
def test_every_binding_holds(
    bind: Bind | None, fields: list[tuple[str, str]], address: str, good: bool
) -> None:
    refusal = check_binding(bind, CIMultiDict(fields), address)
    assert refusal == (None if good else Deny(Reason.BINDING_MISMATCH))


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.3.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("::c000:201", False),
        ("", False),
        ("192.0.2.1, 10.0.0.1", False),
        ("192.0.2.01", False),
        ("\udcff", False),
    ],
)
def test_an_address_lies_in_a_network_or_not(address: str, listed: bool) -> None:
    assert address_in(address, (NETWORK, ip_network("2001:db8::/32"))) is listed
    assert not address_in(address, ())


def test_a_token_is_good_that_lives_and_is_not_revoked() -> None:
    def good(token: Token, *entries: str) -> Reason | None:
        revoked = Revocations()
        for entry in entries:
            revoked.add(entry, NOW + 60)
        refusal = check_token(token, FREE, revoked, NOW)
        return None if refusal is None else refusal.reason

    assert good(BARE) is None
    assert good(BARE, "t:else", "u:else", "s:id", "a:other:9") is None
    for entry in ("t:id", "u:owner", f"a:demo:{NOW}"):
        assert good(BARE, entry) is Reason.REVOKED
        assert good(replace(BARE, expires_at=NOW), entry) is Reason.TOKEN_EXPIRED


def test_a_grant_to_create_what_will_be_owned_is_a_grant_to_create() -> None:
    owned = Grant(session_owned=True)
    warrant = Warrant(Grants(dict.fromkeys(Action, owned)))
    for action in Action:
        refusal = check_grant(warrant, action, "cam1")
        assert (refusal is None) == (action is Action.CREATE)
        assert check_grant(warrant, action, "cam1", owned=True) is None
    named = Warrant(Grants({Action.CREATE: Grant(resources=frozenset({"cam2"}))}))
    refusal = check_grant(named, Action.CREATE, "cam1", owned=True)
    assert refusal is not None
    assert refusal.reason is Reason.RESOURCE_NOT_GRANTED
