"""`gate keys create`, `list`, `disable`, `enable`, `delete`, with a gate that runs."""

from __future__ import annotations

import asyncio
import json

import jwt as pyjwt
import pytest

from gate.cli.api_keys import say_key

SECRET = "0123456789abcdef" * 4
TOKEN = "the operators' own token"
COMMANDS = ["create", "list", "disable", "enable", "delete"]


@pytest.fixture
async def gate(start_gate, media, tmp_path):
    """A gate whose admin listener its policy names, with an application of VideoSDK's and a plain one."""
    videosdk = {"keys": [{"key": "AK", "secret": SECRET}], "key_secrets": ["a secret of some length"]}
    return await start_gate(
        media[0],
        admin={"listen": f"unix:{tmp_path / 'admin.sock'}", "token": TOKEN},
        applications={
            "rooms": {"formats": ["videosdk"], "videosdk": videosdk},
            "demo": {"keys": [{"kid": "k1", "secret": SECRET}]},
        },
        streams=[{"match": "/{resource}/**", "application": "rooms"}],
    )


@pytest.fixture
def call(run, gate):
    """Runs `gate keys ...` on the gate, beside it."""

    async def call(*arguments, application="rooms"):
        named = ("--application", application, "--config", gate.folder / "gate.yaml")
        return await asyncio.to_thread(run, "keys", *arguments, *named)

    return call


@pytest.fixture
def reason_of(gate, ask):
    """Why a token of a key is refused."""

    async def reason_of(key, secret):
        token = pyjwt.encode({"apikey": key, "permissions": ["allow_join"]}, secret, algorithm="HS256")
        return (await ask(gate, f"/cam1/index.m3u8?token={token}")).reason

    return reason_of


async def test_a_key_from_its_making_to_its_end(call, reason_of):
    result = await call("create")
    assert (result.exit_code, result.stderr) == (0, "")
    (_, key), (_, secret) = (line.split() for line in result.stdout.splitlines())
    assert (len(key), len(secret)) == (36, 64)
    # A good one, that says no end.
    assert await reason_of(key, secret) == "expiry_required"
    for command, reason, state in (
        ("disable", "key_disabled", "disabled"),
        ("enable", "expiry_required", "enabled"),
    ):
        result = await call(command, key)
        assert (result.exit_code, result.stdout) == (0, f"{key}: {command}d\n")
        assert await reason_of(key, secret) == reason
        listed = (await call("list")).stdout
        assert f"{key}  {state}  made " in listed
        assert "AK  enabled  of the policy\n" in listed
        assert secret not in listed
    result = await call("delete", key)
    assert (result.exit_code, result.stdout) == (0, f"{key}: deleted\n")
    assert await reason_of(key, secret) == "unknown_key"
    assert (await call("list")).stdout == "AK  enabled  of the policy\n"


async def test_json_for_programs(call):
    made = [json.loads((await call("create", "--json")).stdout) for _ in range(2)]
    keys = [each["key"] for each in made]
    assert len(made[0]["secret"]) == 64
    told = json.loads((await call("disable", *keys, keys[0], "--json")).stdout)
    assert [(each["key"], each["enabled"]) for each in told] == [(key, False) for key in keys]
    listed = json.loads((await call("list", "--json")).stdout)
    assert {each["key"]: each["enabled"] for each in listed} == {"AK": True, **dict.fromkeys(keys, False)}
    told = json.loads((await call("delete", *keys, "--json")).stdout)
    assert [each["deleted"] for each in told] == [True, True]


async def test_many_come_in_pages(call, monkeypatch):
    monkeypatch.setattr("gate.cli.api_keys._PAGE", "2")
    made = {json.loads((await call("create", "--json")).stdout)["key"] for _ in range(4)}
    listed = json.loads((await call("list", "--json")).stdout)
    assert [each["key"] for each in listed] == sorted(made | {"AK"})


@pytest.mark.parametrize(
    ("arguments", "application", "told"),
    [
        (["create"], "nobody", "there is no application nobody; known are: demo, rooms"),
        (["list"], "demo", "the application demo is none of VideoSDK's, and has no API keys"),
        (["disable", "AK"], "rooms", "the API key AK is the policy's: change it there"),
        (["delete", "other"], "rooms", "the application rooms has no API key other"),
        (["enable", "../AK"], "rooms", "the application rooms has no API key ..%2FAK"),
    ],
)
async def test_what_is_not_possible(call, arguments, application, told):
    result = await call(*arguments, application=application)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"gate: {told}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_it_must_be_said_whose(run, command):
    result = run("keys", command, *(["k"] if command in COMMANDS[2:] else []), "--admin", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "--application" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_gate(run, command):
    keys = ["k"] if command in COMMANDS[2:] else []
    result = run("keys", command, *keys, "--application", "rooms", "--admin", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert result.stderr.startswith("gate: no gate answers at http://127.0.0.1:1")


def test_a_key_that_is_lost_says_so():
    key = {"key": "k1", "enabled": False, "from": "store", "known": False, "made_at": 1_800_000_000.5}
    words = say_key(key).split("  ")
    assert words[:2] == ["k1", "disabled"]
    assert words[2].startswith("made 2027-01-15 08:00:00 UTC")
    assert words[3] == "its secret cannot be read: no key_secrets of this gate unseals it"
