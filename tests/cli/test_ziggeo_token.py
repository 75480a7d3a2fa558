from __future__ import annotations

import json
import time

import pytest

from gate.config.compile import load_config
from gate.core.grants import Action, Grant, Grants
from gate.core.token import Token, token_id
from gate.formats import Reference, read_token
from gate.formats.ziggeo import ClientToken, derive_key, read

APP = "0123456789abcdef0123456789abcdef"
KEY = derive_key("an encryption key of Ziggeo's")
SERVER_SIDE = "00112233445566778899aabbccddeeff"


@pytest.fixture
def mint(run, ziggeo_policy):
    """What a minted token says."""

    def call(*arguments):
        result = run("token", "--config", ziggeo_policy, *arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.stderr
        client = read(result.stdout.removesuffix("\n"), application_token=APP, key=KEY)
        assert isinstance(client, ClientToken)
        return json.loads(client.signing_input)

    return call


def test_it_prints_a_token_that_the_gate_accepts_and_nothing_else(run, ziggeo_policy):
    result = run(
        *("token", "--config", ziggeo_policy, "--format", "ziggeo", "--resource", "v1"),
        *("--session-limit", "1", "--usage", "24h", "--ttl", "0"),
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    token = read_token(result.stdout.strip(), load_config(ziggeo_policy, {}).policy.applications["shop"])
    assert isinstance(token, Token)
    assert token.warrant.grants == Grants({Action.READ: Grant(resources=frozenset({"v1"}))})
    assert (token.session_limit, token.usage_s, token.expires_at) == (1, 86400, None)


def test_every_option_is_an_argument(mint):
    claims = mint(
        *("--resource", "v1", "--resource", "é", "--session-owned", "--action", "read", "--action", "destroy"),
        *("--session-limit", "3", "--usage", "15m", "--ttl", "0", "--reference", SERVER_SIDE),
        *("--claims", '{"volatile": true}'),
    )
    grant = {"resources": ["v1", "é"], "session_owned": True}
    assert len(claims.pop("nonce")) >= 16
    assert claims == {
        "application_token": APP,
        "grants": {"read": grant, "destroy": grant},
        "session_limit": 3,
        "usage_expiration_time": 900,
        "token": SERVER_SIDE,
        "volatile": True,
    }


def test_what_it_begins_with_is_what_no_bit_of_the_iv_can_change(mint):
    assert list(mint("--all"))[:2] == ["application_token", "nonce"]


def test_it_ends_in_an_hour_unless_it_is_told_another_end(mint):
    assert abs(mint("--all")["expiration_date"] - time.time() - 3600) < 5
    assert abs(mint("--all", "--ttl", "90s")["expiration_date"] - time.time() - 90) < 5
    assert "expiration_date" not in mint("--all", "--ttl", "0")


def test_each_token_has_a_nonce_of_its_own_unless_it_is_given_one(mint):
    assert len({mint("--all")["nonce"] for _ in range(3)}) == 3
    assert mint("--all", "--claims", '{"nonce": "mine"}')["nonce"] == "mine"


def test_claims_replace_and_null_drops(mint):
    grants = {"create": {"session_owned": True}}
    claims = mint("--claims", json.dumps({"grants": grants, "expiration_date": None}))
    assert {name: claims[name] for name in claims if name not in ("nonce", "application_token")} == {
        "grants": grants
    }


def test_what_it_goes_by_is_not_asked_for(run, ziggeo_policy):
    text = run("token", "--config", ziggeo_policy, "--all", "--reference", SERVER_SIDE).stdout.strip()
    read = read_token(text, load_config(ziggeo_policy, {}).policy.applications["shop"])
    assert isinstance(read, Reference)
    assert read.name == SERVER_SIDE


def test_a_token_of_the_same_nonce_has_the_same_id(run, ziggeo_policy):
    text = run("token", "--config", ziggeo_policy, "--all", "--claims", '{"nonce": "mine"}').stdout.strip()
    token = read_token(text, load_config(ziggeo_policy, {}).policy.applications["shop"])
    assert token.id == token_id("shop", "mine")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--live"], "cannot say --live: what they may watch is the application's rights"),
        (["--dvr"], "cannot say --dvr: what they may watch is the application's rights"),
        (["--copy"], "cannot say --copy: what they may watch is the application's rights"),
        (["--from", "0"], "cannot say --from: they know nothing of time"),
        (["--to", "now"], "cannot say --to: they know nothing of time"),
        (["--subject", "anna"], "cannot say --subject: they name nobody"),
        (["--max-concurrent", "1"], "cannot say --max-concurrent: the application's max_concurrent holds them"),
        (["--single-use"], "cannot say --single-use: --session-limit 1 is what they have"),
        (["--kid", "k1"], "cannot say --kid: they are encrypted, with the application's encryption_key"),
        (["--key", "x"], "cannot say --key: they are encrypted, with the application's encryption_key"),
    ],
)
def test_what_the_format_has_no_word_for_is_refused(refuse, ziggeo_policy, arguments, sentence):
    assert refuse("--all", *arguments, config=ziggeo_policy) == f"tokens of Ziggeo's {sentence}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the token would open nothing: name what with --resource, or everything with --all"),
        (["--all", "--resource", "a"], "--all opens every resource: leave out --resource"),
        (["--all", "--session-limit", "0"], "(token_expired): a limit or an end of 0 leaves nothing"),
        (["--all", "--usage", "0"], "(token_expired): a limit or an end of 0 leaves nothing"),
        (["--all", "--session-limit", "-1"], "session_limit must be a whole number from 0 to"),
        (["--all", "--claims", '{"expiration_date": 0}'], "a limit or an end of 0 leaves nothing"),
        (["--all", "--claims", '{"expiration_date": 5}'], "(token_expired): The token has expired"),
        (["--all", "--claims", '{"hidden": true}'], "(token_hidden): The token is hidden"),
        (["--all", "--claims", '{"exp": 5}'], "arguments must be among expiration_date"),
        (["--all", "--claims", '{"application_token": "x"}'], "arguments must be among expiration_date"),
        (["--all", "--claims", '{"nonce": "a b"}'], "nonce must be 1 to 128 of the characters"),
        (["--all", "--claims", '{"nonce": 5}'], "nonce must be 1 to 128 of the characters"),
        (["--claims", '{"grants": {"write": "all"}}'], "grants knows read, create, update and destroy"),
        (["--all", "--claims", "[]"], "--claims takes one JSON object"),
        (["--all", "--reference", "base"], "--reference takes the token of a server-side one: 32 hex digits"),
        (["--all", "--claims", '{"token": "base"}'], "--reference takes the token of a server-side one"),
        (["--all", "--reference", SERVER_SIDE, "--usage", "0"], "a limit or an end of 0 leaves nothing"),
        (["--all", "--reference", SERVER_SIDE, "--claims", '{"expiration_date": 5}'], "has expired"),
        ([f"--resource={at:0500}" for at in range(17)], "a token of at most 16368 characters"),
    ],
)
def test_what_the_gate_would_refuse_is_not_minted(refuse, ziggeo_policy, arguments, sentence):
    assert sentence in refuse(*arguments, config=ziggeo_policy)


def test_an_end_is_needed_where_the_application_asks_for_one(run, refuse, write_policy, ziggeo):
    path = write_policy(applications={"shop": {**ziggeo, "unlimited_ttl": False, "max_ttl": "10m"}})
    assert refuse("--all", "--ttl", "0", config=path) == (
        "the gate would refuse this token (expiry_required): The token has no end and must have one; "
        "the application shop does not allow tokens without an end (unlimited_ttl)"
    )
    assert "the application shop allows 600 s (max_ttl)" in refuse("--all", "--ttl", "11m", config=path)
    assert run("token", "--config", path, "--all").exit_code == 0
    # With another token to go by, its end may be that one's.
    for ttl in ("0", "11m"):
        result = run("token", "--config", path, "--all", "--ttl", ttl, "--reference", SERVER_SIDE)
        assert result.exit_code == 0
