from __future__ import annotations

import pytest

from gate.cli.wanted import Wanted, refused
from gate.core.keys import Keyring
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.errors import UsageError

APPLICATION = Application("demo", Keyring([]), max_ttl_s=600.5)


def wanted(**options):
    nothing = dict.fromkeys(Wanted.__dataclass_fields__)
    flags = dict.fromkeys(("everything", "session_owned", "live", "dvr", "copy", "single_use"), False)
    return Wanted(**{**nothing, **flags, "resources": (), "actions": ("read",), **options})


def test_what_is_granted():
    assert wanted(everything=True).grants({}) == {"read": {"all": True}}
    mixed = wanted(resources=("a", "b", "a"), session_owned=True, actions=("read", "destroy"))
    grant = {"resources": ["a", "b"], "session_owned": True}
    assert mixed.grants({}) == {"read": grant, "destroy": grant}


def test_grants_of_the_claims_stand_for_themselves():
    assert wanted().grants({"grants": {}}) == {"read": {}}
    with pytest.raises(UsageError, match="the token would open nothing"):
        wanted().grants({})


@pytest.mark.parametrize(("ttl_s", "end"), [(None, 1600), (0, None), (90, 1090), (9999, 10999)])
def test_its_end(ttl_s, end):
    assert wanted(ttl_s=ttl_s).end_s(APPLICATION, 1000) == end


def test_an_hour_where_the_application_bounds_nothing():
    assert wanted().end_s(Application("demo", Keyring([])), 1000) == 4600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', "\udce9"])
def test_claims_are_one_object(text):
    with pytest.raises(UsageError, match="--claims takes one JSON object"):
        wanted(claims_text=text).extra()


def test_why_the_gate_would_refuse_it():
    told = str(refused(Deny(Reason.LIFETIME_TOO_LONG), APPLICATION))
    assert told.endswith("what the policy allows; the application demo allows 600.5 s (max_ttl)")
    told = str(refused(Deny(Reason.CLAIM_MISSING, "the token must have sub."), APPLICATION))
    assert told == "the gate would refuse this token (claim_missing): the token must have sub"
