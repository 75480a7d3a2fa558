"""`gate revoke`, with a gate that runs."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from gate.core.token import token_id


@pytest.fixture
async def gate(start_gate, media):
    return await start_gate(media[0])


@pytest.fixture
def call(run, gate):
    async def call(*arguments):
        return await asyncio.to_thread(run, "revoke", *arguments, "--admin", gate.admin_url)

    return call


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--jti", "t1"], f"revoked: token {token_id('demo', 't1')}\n"),
        (["--jti", "t1", "--application", "demo"], f"revoked: token {token_id('demo', 't1')}\n"),
        (["--token-id", token_id("demo", "t1")], f"revoked: token {token_id('demo', 't1')}\n"),
        (["--subject", "anna"], "revoked: subject "),
        (["--not-before", "-1s"], "revoked: tokens of demo issued before 20"),
    ],
)
async def test_what_is_named_is_revoked(gate, call, ask, arguments, said):
    token = gate.token(sub="anna", jti="t1", iat=int(time.time()) - 30)
    assert (await ask(gate, f"/cam1/index.m3u8?token={token}")).status == 302
    result = await call(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(said)
    assert (await ask(gate, f"/cam1/index.m3u8?token={token}")).reason == "revoked"


async def test_a_session(gate, call, ask, open_link):
    link = await open_link(gate, "/cam1/index.m3u8", gate.token(sub="anna"))
    session = gate.node.gatekeeper.tickets.open(link.split("/")[2]).session
    result = await call("--session", session)
    assert result.stdout.startswith(f"revoked: session {session}, until 20")
    assert (await ask(gate, link)).reason == "revoked"


async def test_for_programs_and_for_a_time(call):
    until = int(time.time()) + 1000
    told = json.loads((await call("--jti", "t1", "--until", str(until), "--json")).stdout)
    assert told == {"kind": "token", "until": until + 1, "id": token_id("demo", "t1")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name one of --token-id, --jti, --subject, --session and --not-before"),
        (["--jti", "a", "--subject", "b"], "name one of --token-id, --jti"),
        (["--jti", "a", "--application", "other"], "application: there is none of this name"),
        (["--not-before", "+1h"], "not_before: that time is still to come"),
        (["--until", "-1h", "--jti", "a"], "until: that time is past"),
        (["--session", "x"], "session: expected a session id"),
    ],
)
async def test_what_is_not_possible_is_one_line(call, gate, arguments, said):
    result = await call(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"gate: {said}")
    assert result.stderr.count("\n") == 1
    assert not gate.node.control.revoked.until_s


def test_a_gate_that_does_not_run(run, tmp_path):
    result = run("revoke", "--jti", "a", "--admin", f"unix:{tmp_path}/nowhere.sock")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr == f"gate: no gate answers at unix:{tmp_path}/nowhere.sock: no such file or directory\n"
    )
