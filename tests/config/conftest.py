"""A policy file of some text, read as the gate reads it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from gate.config.complaints import complaints
from gate.config.document import load
from gate.config.keys import read_keyrings
from gate.config.models import PolicyFile
from gate.errors import ConfigError

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def read(tmp_path: Path):
    def call(text: str) -> PolicyFile:
        path = tmp_path / "gate.yaml"
        path.write_text(textwrap.dedent(text), "utf-8")

        def check(file: PolicyFile):
            yield from complaints(file)
            yield from read_keyrings(file, tmp_path)[1]

        return load(path, PolicyFile, environ={"SECRET": SECRET}, check=check)

    return call


@pytest.fixture
def problems(read, tmp_path: Path):
    """What is wrong with a file: a line for each problem, without the file's name."""

    def call(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text)
        return [str(problem).removeprefix(f"{tmp_path}/gate.yaml:") for problem in caught.value.problems]

    return call
