"""`gate reload`, with a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

GATE = str(Path(sys.executable).with_name("gate"))


async def gate_says(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        GATE, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


@pytest.fixture
async def policy_of_a_running_gate(write_policy, tmp_path):
    """The policy file of a `gate serve`, which does not look at it by itself."""

    def write(**keys):
        admin = {"listen": f"unix:{tmp_path / 'admin.sock'}"}
        return write_policy(listen="127.0.0.1:0", admin=admin, drain="100ms", **keys)

    path = write()
    process = await asyncio.create_subprocess_exec(
        *(GATE, "serve", "--no-watch", "--config", str(path)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    assert process.stderr is not None
    async with asyncio.timeout(40):
        while b"admin listener" not in await process.stderr.readline():
            assert process.returncode is None
    yield path, write
    process.terminate()
    await process.communicate()


async def test_the_policy_is_read_again(policy_of_a_running_gate):
    path, write = policy_of_a_running_gate
    status, said, errors = await gate_says("reload", "--config", str(path))
    assert (status, errors) == (0, "")
    first = said
    assert said.startswith("policy ")
    write(cors={"max_age": "1h"})
    status, said, errors = await gate_says("reload", "--config", str(path))
    assert (status, errors) == (0, "")
    assert said != first
    write(limits={"connections": 77})
    status, said, errors = await gate_says("reload", "--config", str(path))
    assert status == 0
    assert "needs a restart" in errors


async def test_one_with_mistakes_changes_nothing(policy_of_a_running_gate, tmp_path):
    path, write = policy_of_a_running_gate
    write(colour="red", cors={"max_age": "soon"})
    admin = f"unix:{tmp_path / 'admin.sock'}"
    status, said, errors = await gate_says("reload", "--admin", admin)
    assert (status, said) == (2, "")
    lines = errors.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("gate: the policy file cannot be put in force; policy ")
    assert all(line.startswith(f"gate: {path}:") for line in lines[1:])


def test_a_gate_that_does_not_run(run, write_policy, tmp_path):
    address = f"unix:{tmp_path}/nowhere.sock"
    result = run("reload", "--config", write_policy(admin={"listen": address}))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"gate: no gate answers at {address}: no such file or directory\n"
