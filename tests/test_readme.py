"""README says what is so: its policies load, its URLs are read as it says, and its commands can be called."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gate.cli import group
from gate.core.keys import Algorithm, Key
from gate.formats import jwt
from gate.media.layouts import LAYOUTS

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
SECRET = "a secret of more than thirty-two bytes, for tests"
KEY = Key("k1", Algorithm.HS256, SECRET.encode())
DAY = 1_795_219_200  # 2026-11-21T00:00:00Z
NOW = DAY + 12 * 3600 + 1800
WINDOW = {"from": DAY + 10 * 3600, "to": DAY + 12 * 3600}
RIGHTS = ("live", "dvr", "copy")
BASE = {
    "origins": {"archive": {"url": "http://127.0.0.1:9000"}},
    "applications": {"demo": {"keys": [{"kid": "k1", "secret": SECRET}]}},
}
HEADER = "| URL | read as | right |"


@dataclass(frozen=True)
class Recipe:
    """A policy, and what is said of its URLs: the URL, what it is read as, and the rights that open it."""

    title: str
    policy: str
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


def recipes() -> Iterator[Recipe]:
    """Each policy that stands in README, in its order, with the table that follows it."""
    for section in re.split(r"^##+ ", README, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        for block in re.split(r"^```yaml\n", section, flags=re.MULTILINE)[1:]:
            policy, _, rest = block.partition("```\n")
            yield Recipe(title, policy, tuple(rows(rest)))


def rows(text: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    lines = iter(text.splitlines())
    for line in lines:
        if line == HEADER:
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    break
                url, read, right = (cell.strip() for cell in row.strip("|").split("|"))
                yield url.strip("`"), read, tuple(re.findall("`([a-z]+)`", right))


RECIPES = list(recipes())
ROWS = [(recipe, *row) for recipe in RECIPES for row in recipe.rows]


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(group, [str(argument) for argument in arguments], prog_name="gate")
    return result.exit_code, result.output


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a policy of README, and what it leaves out."""
    names = (
        "GATE_SECRET GATE_API_TOKEN GATE_KEY_SECRET ZIGGEO_PRIVATE_KEY ZIGGEO_ENCRYPTION_KEY VIDEOSDK_SECRET"
    )
    for name in names.split():
        monkeypatch.setenv(name, SECRET.replace(" ", "-"))

    def make(text: str) -> Path:
        names = re.findall(r"^([a-z_]+):", text, re.MULTILINE)
        more = {name: value for name, value in BASE.items() if name not in names}
        path = tmp_path / "gate.yaml"
        path.write_text(text + (yaml.safe_dump(more) if more else ""), "utf-8")
        return path

    return make


@pytest.fixture
def key_files(tmp_path: Path) -> None:
    """The key files that README speaks of."""
    for name in ("sign", "other"):
        out = tmp_path / f"{name}.jwk.json"
        assert run("keys", "new", "--algorithm", "ES256", "--kid", name, "--out", out)[0] == 0
    jwk = json.loads((tmp_path / "other.jwk.json.pub").read_text())
    (tmp_path / "provider.jwks.json").write_text(json.dumps({"keys": [jwk]}))
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "provider.pem").write_bytes(pem)


@pytest.mark.usefixtures("key_files")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_policy_is_right(recipe: Recipe, write: Callable[[str], Path]) -> None:
    status, told = run("check", "--config", write(recipe.policy))
    assert status == 0, told


def test_each_origin_has_its_recipe() -> None:
    layouts = {
        layout for recipe in RECIPES if recipe.rows for layout in re.findall(r"layout: (\w+)", recipe.policy)
    }
    assert layouts >= {*LAYOUTS, "hls", "recorder"}


def token(*rights: str) -> str:
    claims: dict[str, Any] = {"grants": {"read": {"all": True}}, "exp": NOW + 3600, **WINDOW}
    return jwt.sign(claims | dict.fromkeys(rights, True), KEY)


@pytest.mark.parametrize(("recipe", "url", "read", "rights"), ROWS, ids=[row[1] for row in ROWS])
def test_a_url_is_read_as_said(
    recipe: Recipe, url: str, read: str, rights: tuple[str, ...], write: Callable[[str], Path]
) -> None:
    path = write(recipe.policy)
    for right in RIGHTS:
        status, told = run("explain", "--config", path, "--json", "--at", NOW, "--token", token(right), url)
        asked = json.loads(told)["asked"]
        assert said_of(asked) == read
        # Without a right that is named nothing opens; what is on no timeline needs none.
        assert (status == 0) is (right in rights or not rights), told


def said_of(asked: dict[str, Any]) -> str:
    words = [f"`{asked['resource']}`: {asked['role']}", *([asked["kind"]] if asked["kind"] else [])]
    start, end = asked["from"], asked["to"]
    if start is not None:
        until = f"to {clock(end)}"
        if asked["moving"]:
            until = "on" if end - start < 1 else "to now"
        words.append(f"{clock(start)} {until}")
    return ", ".join(words)


def clock(seconds: float) -> str:
    minutes = int(seconds - DAY) // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"


def test_tokens_for_who_comes_from_ziggeo(write: Callable[[str], Path]) -> None:
    recipe = next(recipe for recipe in RECIPES if recipe.title == "Coming from Ziggeo")
    path = write(recipe.policy)
    assert "warning" not in run("check", "--config", path)[1]
    *makes, explains = [shlex.split(call) for call in calls() if "ziggeo.yaml" in call]
    made = []
    for name, _, _, *options in makes:
        status, told = run(name, "--config", path, *options)
        assert status == 0, told
        made.append(told.strip())
    assert len(made) == 3
    name, _, _, *options = explains
    options[options.index("$TOKEN")] = made[0]
    status, told = run(name, "--config", path, *options)
    assert status == 0, told
    assert told.startswith("SESSION: ")


def calls() -> Iterator[str]:
    """Every call of `gate` in README's shell commands."""
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            yield from re.findall(r"(?:^|\$\()gate ([a-z].*?)(?:\)?$|\s+&$|\s{2,}#)", line)


@pytest.mark.parametrize("call", list(calls()))
def test_a_command_can_be_called(call: str) -> None:
    name, *arguments = shlex.split(call, comments=True)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    while isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), arguments[0])
        assert inner is not None, call
        command, arguments = inner, arguments[1:]
    with command.make_context(name, arguments):
        pass
