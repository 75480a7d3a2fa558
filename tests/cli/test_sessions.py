"""`gate sessions`, with gates that run."""

from __future__ import annotations

import asyncio
import json

import pytest
from rich.console import Console

from gate.cli.sessions import make_table, plain

TOKEN = "the operators' own token"
PHONE = {"User-Agent": "phone"}
FULL = {"live": True, "dvr": True, "copy": True}


@pytest.fixture
async def gate(start_gate, media, tmp_path):
    """A gate whose admin listener its policy names."""
    return await start_gate(media[0], admin={"listen": f"unix:{tmp_path / 'admin.sock'}", "token": TOKEN})


@pytest.fixture
def call(run, gate):
    """Runs `gate ...` on the gate, beside it."""

    async def call(*arguments):
        return await asyncio.to_thread(run, *arguments, "--config", gate.folder / "gate.yaml")

    return call


@pytest.fixture
async def viewers(gate, ask, open_link):
    """Anna plays cam1, Bert has opened cam2."""
    link = await open_link(gate, "/cam1/index.m3u8", gate.token(sub="anna", **FULL), headers=PHONE)
    got = await ask(gate, link.replace("index.m3u8", "hls/segment1.ts"), headers=PHONE)
    assert got.status == 200
    await open_link(gate, "/cam2/index.m3u8", gate.token(sub="bert"), headers={"User-Agent": "tv"})
    return link


class TestList:
    async def test_a_table_for_people(self, call, viewers):
        result = await call("sessions", "list")
        assert result.exit_code == 0, result.output
        head, anna, bert = (line.split() for line in result.stdout.splitlines())
        assert head == ["SESSION", "SUBJECT", "STATE", "RESOURCE", "DEVICE", "ADDRESS", "OPENED", "ENDS"]
        assert anna[1:6] == ["anna", "playing", "cam1", "phone", "127.0.0.1"]
        assert bert[1:6] == ["bert", "opened", "cam2", "tv", "127.0.0.1"]
        assert len(anna[0]) == 24

    async def test_json_for_programs(self, call, viewers):
        found = json.loads((await call("sessions", "list", "--json")).stdout)
        assert [each["subject"] for each in found] == ["anna", "bert"]
        assert [each["device"] for each in found[0]["playbacks"]] == ["phone"]

    @pytest.mark.parametrize(
        ("filters", "subjects"),
        [
            (["--subject", "bert"], ["bert"]),
            (["--resource", "cam1"], ["anna"]),
            (["--application", "demo"], ["anna", "bert"]),
            (["--application", "demo", "--subject", "nobody"], []),
        ],
    )
    async def test_filters(self, call, viewers, filters, subjects):
        found = json.loads((await call("sessions", "list", "--json", *filters)).stdout)
        assert [each["subject"] for each in found] == subjects

    async def test_of_none_it_says_so(self, call):
        result = await call("sessions", "list")
        assert (result.exit_code, result.stdout) == (0, "no sessions\n")


class TestKill:
    async def test_sessions_end(self, call, viewers, gate, ask):
        found = json.loads((await call("sessions", "list", "--json")).stdout)
        result = await call("sessions", "kill", *(each["id"] for each in found))
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            f"{found[0]['id']}: ended, with 1 playback",
            f"{found[1]['id']}: ended, with 0 playbacks",
        ]
        assert (await ask(gate, viewers)).reason == "revoked"
        assert (await call("sessions", "list")).stdout == "no sessions\n"

    async def test_one_that_is_not_known(self, call):
        name = "0c" + "0" * 22
        result = await call("sessions", "kill", name)
        assert result.stdout == f"{name}: no such session is known; its link is revoked all the same\n"
        told = json.loads((await call("sessions", "kill", name, "--json")).stdout)
        assert [each["found"] for each in told] == [False]

    @pytest.mark.parametrize("name", ["x", "a/b", "../reload", "é", "a b"])
    async def test_one_that_is_none(self, call, name):
        result = await call("sessions", "kill", name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"gate: there is no session {name}\n" or "there is no" in result.stderr

    def test_without_any(self, run):
        result = run("sessions", "kill")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1


def test_what_a_terminal_would_obey_is_shown_instead():
    session = {
        "id": "0" * 24,
        "subject": "\x1b[31mred\u202e",
        "revoked": True,
        "committed": True,
        "playbacks": [],
        "resource": "[bold]cam",
        "device": "a\nb",
        "address": "192.0.2.7",
        "opened_at": 1.0,
        "ends_at": None,
    }
    console = Console(width=400, markup=False)
    with console.capture() as captured:
        console.print(make_table([session], 2.0))
    text = captured.get()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) == 2
    assert all(part in text for part in ("\\x1b[31mred\\u202e", "[bold]cam", "a\\nb", "revoked", "never"))
    assert plain("cam 1 é") == "cam 1 é"
