from __future__ import annotations

import json
import stat

import pytest

from gate.config.compile import load_config
from gate.config.keys import read_key_file
from gate.core.keys import Algorithm
from gate.formats.jwk import read_jwk

ASYMMETRIC = ["RS256", "PS256", "ES256", "EdDSA"]


def with_key(path, line):
    """The policy file with the printed line in the place of its key."""
    text = path.read_text("utf-8").replace("- kid: k1", line.strip()).replace("      secret", "#")
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("algorithm", "length"), [("HS256", 44), ("HS384", 64), ("HS512", 88)])
def test_a_secret_is_long_enough_and_new_each_time(run, algorithm, length):
    made = {run("keys", "new", "--algorithm", algorithm).stdout.strip() for _ in range(3)}
    assert len(made) == 3
    assert {len(text) for text in made} == {length}


@pytest.mark.parametrize("algorithm", ["HS256", "HS512", *ASYMMETRIC])
def test_a_jwk_without_a_file_is_printed(run, algorithm):
    result = run("keys", "new", "--kind", "jwk", "--algorithm", algorithm, "--kid", "k1")
    assert (result.exit_code, result.stderr) == (0, "")
    key = read_jwk(result.stdout.encode())
    assert (key.kid, key.algorithm.value, key.signs) == ("k1", algorithm, True)


@pytest.mark.parametrize("kind", ["jwk", "pem"])
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_two_halves_and_the_line_of_the_policy(run, write_policy, tmp_path, monkeypatch, kind, algorithm):
    monkeypatch.chdir(tmp_path)
    result = run("keys", "new", "--kind", kind, "--algorithm", algorithm, "--kid", "k 1", "--out", "sign.key")
    assert (result.exit_code, result.stderr) == (0, "")
    path = write_policy()
    entry = result.stdout.removeprefix("- ").strip()
    path.write_text(
        path.read_text("utf-8").replace("- kid: k1", f"- {entry}").replace("      secret", "#"), "utf-8"
    )
    (key,) = load_config(path, {}).policy.applications["demo"].keyring
    assert (key.kid, key.algorithm.value, key.signs) == ("k 1", algorithm, False)
    assert run("token", "--config", path, "--all").stderr == (
        "gate: the policy holds no key that signs: name the private key with --key FILE\n"
    )
    minted = run("token", "--config", path, "--all", "--key", "sign.key")
    assert (minted.exit_code, minted.stderr) == (0, "")


def test_a_secret_in_a_file(run, write_policy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("keys", "new", "--out", "secret.txt")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["secret.txt"]
    assert (tmp_path / "secret.txt").read_text() not in result.stdout
    path = write_policy()
    entry = result.stdout.removeprefix("- ").strip()
    path.write_text(
        path.read_text("utf-8").replace("- kid: k1", f"- {entry}").replace("      secret", "#"), "utf-8"
    )
    (key,) = load_config(path, {}).policy.applications["demo"].keyring
    assert key.material == (tmp_path / "secret.txt").read_bytes().strip()
    assert run("token", "--config", path, "--all").exit_code == 0


def test_files_are_for_their_owner_alone(run, tmp_path):
    run("keys", "new", "--algorithm", "ES256", "--out", tmp_path / "sign.jwk.json")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"sign.jwk.json": 0o600, "sign.jwk.json.pub": 0o600}
    assert "d" not in json.loads((tmp_path / "sign.jwk.json.pub").read_text())
    key = read_key_file(tmp_path / "sign.jwk.json.pub")
    assert (key.algorithm, key.signs) == (Algorithm.ES256, False)
    assert read_key_file(tmp_path / "sign.jwk.json") == key


@pytest.mark.parametrize("there", ["sign", "sign.pub"])
def test_nothing_is_overwritten_and_nothing_half_done(run, tmp_path, there):
    (tmp_path / there).write_text("precious")
    result = run("keys", "new", "--algorithm", "EdDSA", "--out", tmp_path / "sign")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"gate: {tmp_path / there} is there already, and is left as it is\n"
    assert [file.name for file in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--kind", "pem"], "HS256 has secrets, which are no PEM files: ask for --kind secret or jwk"),
        (["--kind", "secret", "--algorithm", "RS256"], "RS256 needs a private key, not a secret"),
        (["--algorithm", "none"], "Invalid value for '--algorithm'"),
        (["--kid", ""], "a kid has 1 to 128 characters"),
        (["--out", "nowhere/at/all"], "nowhere/at/all cannot be written: no such file or directory"),
    ],
)
def test_what_cannot_be_made(run, arguments, sentence):
    result = run("keys", "new", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_a_kid_a_public_key_is_called_by_its_thumbprint(run):
    key = json.loads(run("keys", "new", "--algorithm", "EdDSA").stdout)
    assert len(key["kid"]) == 43


def test_help(run):
    assert "new" in run("keys", "--help").output
    assert "Examples:" in run("keys", "new", "--help").output
