from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode

import pytest

from gate.config.compile import load_config
from gate.core.token import Token
from gate.formats import read_token

OTHER = "another secret of more than thirty-two bytes!"


def claims_of(text):
    payload = text.strip().split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@pytest.fixture
def mint(run, policy):
    """The claims of a minted token, without those that change from call to call."""

    def call(*arguments):
        result = run("token", "--config", policy, *arguments)
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        claims = claims_of(result.stdout)
        return {name: value for name, value in claims.items() if name not in ("iat", "exp", "jti", "nonce")}

    return call


def test_it_prints_a_token_that_the_gate_accepts_and_nothing_else(run, policy):
    result = run("token", "--config", policy, "--resource", "cam1", "--live")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    application = load_config(policy, {}).policy.applications["demo"]
    token = read_token(result.stdout.strip(), application)
    assert isinstance(token, Token)
    assert token.warrant.rights.live
    assert abs(token.expires_at - time.time() - 3600) < 5


def test_read_on_what_is_named_is_the_default(mint):
    names = ["--resource", "cam1", "--resource", "a/b", "--resource", "cam1"]
    assert mint(*names) == {"grants": {"read": {"resources": ["cam1", "a/b"]}}}


def test_every_option_is_a_claim(mint):
    claims = mint(
        *("--all", "--action", "read", "--action", "create", "--live", "--dvr", "--copy"),
        *("--from", "1000", "--to", "2026-05-04T13:00:00Z", "--session-limit", "3", "--max-concurrent", "2"),
        *("--subject", "alice", "--usage", "15m", "--claims", '{"aud": "tv"}'),
    )
    assert claims == {
        "grants": {"read": {"all": True}, "create": {"all": True}},
        "live": True,
        "dvr": True,
        "copy": True,
        "from": 1000,
        "to": 1_777_899_600,
        "session_limit": 3,
        "max_concurrent": 2,
        "sub": "alice",
        "usage_expiration_time": 900,
        "aud": "tv",
    }


def test_actions_on_what_the_session_owns(mint):
    assert mint("--action", "create", "--session-owned") == {"grants": {"create": {"session_owned": True}}}
    both = {"resources": ["cam1"], "session_owned": True}
    claims = mint("--action", "read", "--action", "destroy", "--resource", "cam1", "--session-owned")
    assert claims == {"grants": {"read": both, "destroy": both}}


@pytest.mark.parametrize(("ttl", "seconds"), [("90s", 90), ("7200", 7200), ("1h", 3600)])
def test_ttl(run, policy, ttl, seconds):
    claims = claims_of(run("token", "--config", policy, "--all", "--ttl", ttl).stdout)
    assert claims["exp"] - claims["iat"] == seconds


def test_ttl_0_is_no_end_where_the_application_allows_it(run, write_policy):
    keys = [{"kid": "k1", "secret": OTHER}]
    path = write_policy(applications={"demo": {"keys": keys, "unlimited_ttl": True}})
    assert "exp" not in claims_of(run("token", "--config", path, "--all", "--ttl", "0").stdout)


def test_an_end_is_needed_else(refuse):
    assert refuse("--all", "--ttl", "0") == (
        "the gate would refuse this token (expiry_required): The token has no end and must have one; "
        "the application demo does not allow tokens without an end (unlimited_ttl)"
    )


def test_max_ttl_shortens_the_default_and_refuses_more(run, refuse, write_policy):
    keys = [{"kid": "k1", "secret": OTHER}]
    path = write_policy(applications={"demo": {"keys": keys, "max_ttl": "10m"}})
    claims = claims_of(run("token", "--config", path, "--all").stdout)
    assert claims["exp"] - claims["iat"] == 600
    assert refuse("--all", "--ttl", "11m", config=path) == (
        "the gate would refuse this token (lifetime_too_long): The token outlives what the policy allows; "
        "the application demo allows 600 s (max_ttl)"
    )


def test_each_token_has_an_identity_of_its_own(run, policy):
    names = {claims_of(run("token", "--config", policy, "--all").stdout)["jti"] for _ in range(3)}
    assert len(names) == 3


def test_a_single_use_token_carries_a_nonce(run, policy):
    claims = claims_of(run("token", "--config", policy, "--all", "--single-use").stdout)
    assert claims["single_use"] is True
    assert len(claims["nonce"]) >= 16
    assert "jti" not in claims


@pytest.mark.parametrize("name", ["jti", "nonce"])
def test_a_name_given_in_claims_is_the_only_one(run, policy, name):
    claims = claims_of(run("token", "--config", policy, "--all", "--claims", json.dumps({name: "mine"})).stdout)
    assert {key: claims[key] for key in ("jti", "nonce") if key in claims} == {name: "mine"}


def test_claims_replace_and_null_drops(mint):
    grants = {"read": {"resources": ["x"]}}
    assert mint("--live", "--claims", json.dumps({"grants": grants, "live": None})) == {"grants": grants}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the token would open nothing: name what with --resource, or everything with --all"),
        (["--all", "--resource", "a"], "--all opens every resource: leave out --resource"),
        (["--all", "--session-owned"], "--all opens every resource: leave out --session-owned"),
        (["--all", "--from", "200", "--to", "100"], "to must not lie before from"),
        (["--all", "--from", "200", "--to", "200"], "from and to are the same instant"),
        (["--all", "--from", "-5"], "Invalid value for '--from': a distance from now has a unit"),
        (["--all", "--to", "999999999999"], "to must lie between 0 and"),
        (["--all", "--to", str(2**63)], "to must lie between 0 and 253402300799"),
        (["--all", "--from", "1.5"], "Invalid value for '--from': expected Unix seconds"),
        (["--all", "--from", "1969-12-31T23:59:59Z"], "a time before 1970 has no Unix seconds"),
        (["--all", "--claims", '{"from": -1}'], "from must lie between 0 and"),
        (["--all", "--claims", '{"from": 1.0}'], "from must be a whole number of seconds"),
        (["--all", "--claims", '{"to": 1e300}'], "to must be a whole number of seconds"),
        (["--all", "--claims", '{"windows": [{"from": 9, "to": 8}]}'], "windows[0].to must not lie before"),
        (["--all", "--session-limit", "0"], "session_limit must be a whole number from 1"),
        (["--all", "--max-concurrent", "-1"], "max_concurrent must be a whole number from 1"),
        (["--all", "--usage", "0"], "usage_expiration_time must be a whole number from 1"),
        (["--all", "--subject", ""], "sub must be text of 1 to"),
        (["--resource", ""], "grants.read.resources must hold names"),
        (["--all", "--action", "write"], "Invalid value for '--action'"),
        (["--all", "--single-use", "--session-limit", "2"], "--single-use is a limit of one session"),
        (["--all", "--claims", "[1]"], "--claims takes one JSON object"),
        (["--all", "--claims", '{"a": 1, "a": 2}'], "--claims takes one JSON object"),
        (["--all", "--claims", '{"bind": {"ip": "home"}}'], "bind.ip must be an address"),
        (["--all", "--claims", '{"exp": 1}'], "the gate would refuse this token (token_expired)"),
        (["--all", "--claims", '{"windows": []}'], "windows must be an array of 1 to"),
        (["--all", "--claims", '{"x": "' + "y" * 20000 + '"}'], "characters long and may have 16384"),
        (
            ["--all", "--reference", "0" * 32],
            "--reference is for tokens of Ziggeo's: leave it out, or add --fo",
        ),
        (["--all", "--kid", "k9"], "the application demo has no key 'k9'; known are: k1"),
    ],
)
def test_what_the_gate_would_refuse_is_not_minted(refuse, arguments, sentence):
    assert sentence in refuse(*arguments)


def test_a_single_use_token_must_end(run, refuse, write_policy):
    keys = [{"kid": "k1", "secret": OTHER}]
    path = write_policy(applications={"demo": {"keys": keys, "unlimited_ttl": True}})
    assert "a single-use token must have an end" in refuse("--all", "--single-use", "--ttl", "0", config=path)


def test_a_key_that_is_no_secret_is_no_policy(refuse, write_policy):
    public = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
    path = write_policy(applications={"demo": {"keys": [{"kid": "k1", "secret": public}]}})
    assert refuse("--all", config=path).endswith("this is a key file, not a secret: bring it in with file")


@pytest.fixture
def public_policy(run, write_policy, tmp_path):
    """A policy with a secret and two public keys, and their private halves beside it."""
    for name, algorithm in (("es", "ES256"), ("ed", "EdDSA"), ("other", "ES256")):
        run("keys", "new", "--algorithm", algorithm, "--kid", name, "--out", tmp_path / name)
    keys = [{"file": "es.pub"}, {"file": "ed.pub"}]
    return write_policy(applications={"demo": {"keys": [*keys, {"kid": "hs", "secret": OTHER}]}})


def header_of(text):
    part = text.split(".")[0]
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_first_key_that_can_signs(run, public_policy):
    assert header_of(run("token", "--config", public_policy, "--all").stdout)["kid"] == "hs"


def test_a_private_key_signs_as_the_public_one_that_it_belongs_to(run, public_policy, tmp_path):
    for name, algorithm in (("es", "ES256"), ("ed", "EdDSA")):
        text = run("token", "--config", public_policy, "--all", "--key", tmp_path / name).stdout
        assert header_of(text) == {"alg": algorithm, "kid": name, "typ": "JWT"}
        application = load_config(public_policy, {}).policy.applications["demo"]
        assert isinstance(read_token(text.strip(), application), Token)


@pytest.fixture
def published_policy(run, write_policy, tmp_path):
    """A policy whose application has published keys only, and one of their private halves beside it."""
    run("keys", "new", "--algorithm", "ES256", "--kid", "es", "--out", tmp_path / "es")
    jwks = [{"url": "https://id.example/keys?tenant=1"}]
    return write_policy(applications={"demo": {"jwks": jwks, "audiences": ["tv"], "max_ttl": "1h"}})


def test_with_published_keys_their_private_half_signs(run, refuse, published_policy, tmp_path):
    for kid in ([], ["--kid", "es"]):
        told = refuse("--all", *kid, config=published_policy)
        assert told == (
            "the keys of demo are published (https://id.example/keys), and what signs is not: "
            "name the private key with --key FILE"
        )
        result = run("token", "--config", published_policy, "--all", "--key", tmp_path / "es", *kid)
        assert (result.exit_code, result.stderr) == (0, "")
        assert header_of(result.stdout)["kid"] == "es"
        assert claims_of(result.stdout)["aud"] == "tv"
    told = refuse("--all", "--kid", "ed", "--key", tmp_path / "es", config=published_policy)
    assert told.endswith("its public half is no key of the application demo")
    told = refuse("--all", "--ttl", "2h", "--key", tmp_path / "es", config=published_policy)
    assert "lifetime_too_long" in told


def test_a_published_key_never_stands_for_one_of_the_policy(run, refuse, write_policy, tmp_path):
    run("keys", "new", "--algorithm", "ES256", "--kid", "k1", "--out", tmp_path / "es")
    jwks = [{"url": "https://id.example/keys"}]
    demo = {"keys": [{"kid": "k1", "secret": OTHER}], "jwks": jwks, "audiences": ["tv"]}
    path = write_policy(applications={"demo": demo})
    told = refuse("--all", "--key", tmp_path / "es", config=path)
    assert told.endswith("its public half is no key of the application demo")
    assert header_of(run("token", "--config", path, "--all").stdout)["alg"] == "HS256"


def test_private_keys_in_the_policy_sign(run, write_policy, tmp_path):
    run("keys", "new", "--kind", "pem", "--algorithm", "PS256", "--out", tmp_path / "sign.pem")
    keys = [{"kid": "k1", "algorithm": "PS256", "file": "sign.pem"}]
    path = write_policy(applications={"demo": {"keys": keys}})
    assert header_of(run("token", "--config", path, "--all").stdout)["alg"] == "PS256"


def test_keys_that_do_not_sign(refuse, public_policy, tmp_path):
    half = "the policy holds only the public half of 'es': name the private key with --key FILE"
    assert refuse("--all", "--kid", "es", config=public_policy) == half
    for path, sentence in (
        ("nowhere", "cannot read the file: no such file or directory"),
        ("es.pub", "this is not a private key"),
        ("other", "its public half is no key of the application demo"),
        ("gate.yaml", "this is neither a PEM file nor a JWK"),
    ):
        told = refuse("--all", "--key", tmp_path / path, config=public_policy)
        assert told == f"{tmp_path / path}: {sentence}"
    told = refuse("--all", "--kid", "ed", "--key", tmp_path / "es", config=public_policy)
    assert "no key of the application" in told


def test_terms_are_met_where_they_can_be(run, refuse, write_policy):
    keys = [{"kid": "k1", "secret": OTHER}]
    terms = {"issuers": ["b", "a"], "audiences": ["tv"], "required_claims": ["sub"]}
    path = write_policy(applications={"demo": {"keys": keys, **terms}})
    claims = claims_of(run("token", "--config", path, "--all", "--subject", "alice").stdout)
    assert (claims["iss"], claims["aud"]) == ("a", "tv")
    assert "(claim_missing): the token must have sub" in refuse("--all", config=path)
    other = ["--all", "--subject", "x", "--claims", '{"aud": "radio"}']
    assert "(audience_not_accepted)" in refuse(*other, config=path)
