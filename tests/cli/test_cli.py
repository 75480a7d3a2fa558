from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gate.cli import COMMANDS

GATE = [str(Path(sys.executable).with_name("gate"))]


def test_help_names_every_command_and_loads_none(run):
    shown = run("--help").output
    assert all(name in shown for name in ("serve", "check", "token", "inspect", "keys", "explain", "schema"))
    code = "import sys; sys.argv = ['gate', '--help']\n" + (
        "from gate.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'aiohttp', 'jwt', 'yaml', 'rich', 'redis', 'cryptography', 'asyncio'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30).returncode == 0


@pytest.mark.parametrize("name", ["serve", "check", "token", "explain", "revoke", "reload", "rpc", "schema"])
def test_each_command_has_help_with_examples(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: gate {name} ")
    assert "Example" in result.output
    assert name in COMMANDS


def test_a_command_is_loaded_under_its_own_name_only(run):
    result = run("arguments")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "gate: No such command 'arguments' (see gate --help)\n"


def test_without_a_command_help_is_shown_and_the_status_is_2(run):
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_version(run):
    assert run("--version").output == "gate 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["token"], "gate: Missing option '--config' (see gate token --help)"),
        (["check", "--config", "nowhere.yaml", "--jason"], "gate: No such option '--jason'"),
        (["explain", "--config", "nowhere.yaml", "/a/b"], "gate: nowhere.yaml: "),
        (["serve", "--config", "nowhere.yaml"], "gate: nowhere.yaml: "),
        (["token", "--config", "nowhere.yaml", "--all"], "gate: nowhere.yaml: "),
        (["token", "--config", "x", "--ttl", "soon"], "gate: Invalid value for '--ttl': expected a duration"),
    ],
)
def test_errors_are_one_line_on_stderr_and_status_2(run, arguments, line):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_a_token_in_the_wrong_place_is_not_quoted_back(run, policy, sign):
    token = sign()
    result = run("explain", "--config", policy, "/cam1/index.m3u8", token)
    assert result.exit_code == 2
    assert token not in result.stderr
    assert "[credential]" in result.stderr


def test_every_problem_of_a_policy_is_a_line(run, write_policy):
    path = write_policy(streams=[{"match": "cam1"}, {"match": "/**", "origin": "nowhere"}], colour="red")
    result = run("token", "--config", path, "--all")
    lines = result.stderr.splitlines()
    assert result.exit_code == 2
    assert len(lines) == 2
    assert all(line.startswith(f"gate: {path}:") for line in lines)


def test_a_reader_that_has_left_is_no_traceback():
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([*GATE, "schema"], stdout=write, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(write)
    assert (result.returncode, result.stderr) == (2, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        result = subprocess.run([*GATE, "schema"], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert (result.returncode, result.stderr) == (2, b"gate: No space left on device\n")


def test_an_interrupt_is_one_line(tmp_path):
    code = (
        "import gate.cli, signal, sys\n"
        # Who started the tests in the background has had it ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import gate.cli.schema as schema\n"
        "schema.command.callback = lambda: signal.raise_signal(signal.SIGINT)\n"
        "sys.argv = ['gate', 'schema']\n"
        "gate.cli.main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert result.returncode == 130
    assert result.stderr.strip() == b"gate: interrupted"


def test_what_a_terminal_cannot_show_is_escaped(policy):
    policy.rename(policy.with_name("кино.yaml"))
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    command = [*GATE, "check", "--config", "кино.yaml"]
    result = subprocess.run(
        command, cwd=policy.parent, env=environ, capture_output=True, timeout=30, check=False
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(b"\\u043a\\u0438\\u043d\\u043e.yaml: ok\n")
