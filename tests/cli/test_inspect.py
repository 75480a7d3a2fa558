from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode

import pytest


def encode(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(header, claims, mark="AAAA"):
    return f"{encode(header)}.{encode(claims)}.{mark}"


HEADER = {"alg": "ES256", "kid": "k1", "typ": "JWT"}
GRANTS = {"read": {"all": True}}


@pytest.fixture
def faults(run):
    def call(text):
        result = run("inspect", "--json", text)
        assert (result.exit_code, result.stderr) == (0, "")
        shown = json.loads(result.stdout)
        assert shown["verified"] is False
        return shown["problems"]

    return call


def test_it_says_that_nothing_is_verified_and_shows_all(run, sign, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        result = run("inspect", sign(exp=4_000_000_000, sub="alice", **{"from": 0}))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("NOT VERIFIED")
    assert '  alg  "HS256"' in lines
    assert any('"alice"' in line for line in lines)
    assert any("4000000000  2096-10-02 07:06:40 UTC (2096-10-02 09:06:40 CEST), in " in line for line in lines)
    assert any(line.split() == ["from", "0", "unbounded"] for line in lines)
    assert lines[-1] == "Problems: none, as far as the token itself can tell"


def test_standard_input_and_the_scheme(run, sign):
    for text in (f"{sign()}\n", f"Bearer {sign()}"):
        assert run("inspect", "-", input=text).stdout.startswith("NOT VERIFIED")


def test_json(run, sign):
    shown = json.loads(run("inspect", "--json", sign(sub="bob")).stdout)
    assert shown["header"] == {"alg": "HS256", "kid": "k1", "typ": "JWT"}
    assert shown["claims"]["sub"] == "bob"
    assert shown["problems"] == []


@pytest.mark.parametrize(
    ("header", "claims", "problem"),
    [
        ({"alg": "none"}, {}, "header: the gate knows no algorithm but HS256, "),
        ({"alg": 1}, {}, "header: alg, kid and typ must be texts"),
        ({}, {}, "header: the token uses an extension"),
        ({"jku": "https://x"}, {}, "header: the token brings a key of its own"),
        ({}, {"exp": 1}, "claims: The token has expired."),
        ({}, {"exp": "1"}, "claims: exp must be a whole number of seconds"),
        ({}, {"exp": None}, "claims: The token has no end and must have one. An application may allow that"),
        ({}, {"exp": None, "single_use": True}, "claims: a single-use token must have an end"),
        ({}, {"nbf": 3_000_000_000}, "claims: The token is not valid yet."),
        ({}, {"iat": 3_000_000_000}, "claims: the token was issued in the future"),
        ({}, {"grants": None}, "claims: it grants nothing (grants)"),
        ({}, {"bind": {"ip": "home"}}, "claims: bind.ip must be an address"),
    ],
)
def test_what_is_wrong(faults, header, claims, problem):
    if "extension" in problem:
        header = {"crit": ["x"]}
    (found,) = faults(forge({**HEADER, **header}, {"exp": 4_000_000_000, "grants": GRANTS, **claims}))
    assert found.startswith(problem)


def test_another_spelling(faults, run):
    good = forge(HEADER, {"exp": 4_000_000_000, "grants": GRANTS})
    assert faults(good) == []
    for text in (good + "=", good.rpartition(".")[0] + ".", good.replace(".", "=.", 1), good + "A" * 20000):
        (found,) = faults(text)
        assert found.startswith("it is not written as it must be")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a token has three parts with dots between them, and this has 1"),
        ("hello", "a token has three parts"),
        ("a.b.c.d.e", "this is an encrypted token (JWE)"),
        ("0" * 32, "this looks like a server-side token of Ziggeo's, which only names what the store holds: "),
        ("0" * 48, "a client-side token of Ziggeo's, which is encrypted: `gate explain` reads it, with the"),
        (f"{encode(b'x')}.{encode({})}.AAAA", "the header of the token cannot be read"),
        (f"{encode({})}.{encode(b'[]')}.AAAA", "the claims of the token cannot be read"),
        (f"é.{encode({})}.AAAA", "the header of the token cannot be read"),
    ],
)
def test_what_is_no_token(run, text, sentence):
    result = run("inspect", text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_terminal_is_told_nothing(run):
    text = forge(HEADER, {"exp": 4_000_000_000, "sub": "a\x9b31mb\u202ec", "x\x85y": 1})
    shown = run("inspect", text).stdout
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "\\u202e" in shown


def test_help(run):
    assert "Examples:" in run("inspect", "--help").output


ROOM = {"apikey": "AK", "permissions": ["allow_join"], "exp": 4_000_000_000}


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        (ROOM, []),
        ({**ROOM, "permissions": ["ask_join", "allow_mod"]}, ["ask_join stands alone"]),
        ({**ROOM, "permissions": None}, ["must have permissions"]),
        ({**ROOM, "participantId": "a b"}, ["participantId must be"]),
        ({**ROOM, "version": 3}, ["version must be 1 or 2"]),
        ({**ROOM, "exp": 1}, ["expired"]),
    ],
)
def test_a_token_of_videosdks_is_held_to_what_those_must_say(faults, claims, told):
    found = faults(forge({"alg": "HS256", "typ": "JWT"}, claims))
    assert len(found) == len(told)
    assert all(text in fault for text, fault in zip(told, found, strict=True))


def test_a_token_of_videosdks_has_one_algorithm(faults):
    assert "signed with HS256" in faults(forge({"alg": "ES256", "typ": "JWT"}, ROOM))[0]
