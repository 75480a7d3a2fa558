"""Keys as a policy names them: each form, and every fault at its place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from gate.cli.keys import make_key
from gate.config.compile import load_config
from gate.config.keys import read_key_file
from gate.core.keys import Algorithm, Key
from gate.errors import ConfigError
from gate.formats.jwk import thumbprint, write_jwk
from gate.formats.pem import write_pem
from gate.formats.signatures import UnfitKeyError

SECRET = "0123456789abcdef0123456789abcdef"
ES, ED = make_key(Algorithm.ES256, "es"), make_key(Algorithm.EDDSA, "ed")
PUBLIC = write_jwk(ES, private=False)
# 1,024 bits.
SHORT_RSA = b"""\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDJgAgZjuAlKQx2MfoTGHBQZOz8
3Kw9MgD8k8bt9iy/7toLxs7T2aNu1zOFrBsth6+4PB5huTKnXCiHSSomXeZg24Gb
0c2NFWCthTMS+IYgeeYDTXIAuuPcF0t35LpkTF07sxwkjXWUlcADvslHMwQd2P+p
CT5FzVIhuLrEgIQgoQIDAQAB
-----END PUBLIC KEY-----
"""


class Folder:
    """A policy file with these keys, and key files beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, name: str, content: bytes | str | dict[str, object]) -> None:
        if isinstance(content, dict):
            content = json.dumps(content)
        (self.path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def read(self, *keys: dict[str, object]) -> list[Key]:
        document = {
            "origins": {"archive": {"url": "http://127.0.0.1:9000"}},
            "applications": {"demo": {"keys": list(keys)}},
        }
        (self.path / "gate.yaml").write_text(
            yaml.safe_dump(document, sort_keys=False, default_flow_style=False)
        )
        return list(load_config(self.path / "gate.yaml", {}).policy.applications["demo"].keyring)

    def problems(self, *keys: dict[str, object]) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.read(*keys)
        return [str(problem).removeprefix(f"{self.path}/gate.yaml:") for problem in caught.value.problems]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_each_form(folder):
    folder.put("es.jwk.json", PUBLIC)
    folder.put("ed.pem", write_pem(ED, private=False))
    rs = make_key(Algorithm.RS256, "rs")
    folder.put("set.json", {"keys": [write_jwk(rs, private=False)]})
    read = folder.read(
        {"kid": "hs", "secret": SECRET},
        {"file": "es.jwk.json"},
        {"kid": "ed", "file": "ed.pem"},
        {"jwks_file": "set.json"},
    )
    assert read == [Key("hs", Algorithm.HS256, SECRET.encode()), ES, ED, rs]
    assert [key.signs for key in read] == [True, False, False, False]


def test_private_keys_verify_and_sign(folder):
    folder.put("es.json", write_jwk(ES, private=True))
    folder.put("ed.pem", write_pem(ED, private=True))
    read = folder.read({"file": "es.json"}, {"kid": "ed", "file": "ed.pem"})
    assert read == [ES, ED]
    assert all(key.signs for key in read)


def test_a_file_is_relative_to_the_policy_and_read_again_each_time(folder, monkeypatch):
    monkeypatch.chdir("/")
    (folder.path / "keys").mkdir()
    for key in (ES, ED):
        folder.put("keys/key.json", write_jwk(key, private=False))
        assert folder.read({"file": "keys/key.json"}) == [key]
    assert folder.read({"file": str(folder.path / "keys/key.json")}) == [ED]


def test_without_a_kid_it_is_the_thumbprint(folder):
    folder.put("ed.pem", write_pem(ED, private=False))
    (key,) = folder.read({"file": "ed.pem"})
    assert key.kid == thumbprint(write_jwk(ED, private=False))


def test_the_policys_algorithm(folder):
    rs = make_key(Algorithm.RS256, "rs")
    folder.put("rs.pem", write_pem(rs, private=False))
    folder.put("set.json", {"keys": [PUBLIC, write_jwk(rs, private=False)]})
    assert folder.read({"file": "rs.pem", "algorithm": "PS256"})[0].algorithm is Algorithm.PS256
    assert [key.kid for key in folder.read({"jwks_file": "set.json", "algorithm": "RS256"})] == ["rs"]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"file": "nowhere"}, "file: cannot read the file: no such file"),
        ({"file": "."}, "file: not a regular file"),
        ({"file": "empty"}, "file: this is neither a PEM file nor a JWK"),
        (
            {"file": "es.json", "kid": "x"},
            "file: its kid is 'es', and the policy",
        ),
        ({"file": "es.json", "algorithm": "RS256"}, "file: its alg is ES256"),
        ({"file": "enc.json"}, "file: its use is not sig"),
        ({"file": "ops.json"}, "file: its key_ops do not hold verify"),
        ({"file": "short.pem"}, "file: an RSA key has 2048 to 8192 bits here"),
        ({"file": "curve.json"}, "file: its numbers are not those of a key"),
        ({"file": "set.json"}, "file: this is a set of keys"),
        ({"jwks_file": "es.json"}, "jwks_file: this is not a set of keys"),
        (
            {"jwks_file": "twice.json"},
            "jwks_file: keys[1]: its kid names another",
        ),
        (
            {"jwks_file": "set.json", "algorithm": "EdDSA"},
            "jwks_file: no key of",
        ),
        ({"jwks_file": "set.json", "kid": "x"}, "kid: the keys of a set have"),
        (
            {"kid": "k", "secret": "ssh-rsa " + "A" * 40},
            "secret: this is a key file",
        ),
    ],
)
def test_faults(folder, entry, problem):
    folder.put("empty", b"")
    folder.put("es.json", PUBLIC)
    folder.put("enc.json", {**PUBLIC, "use": "enc"})
    folder.put("ops.json", {**PUBLIC, "key_ops": ["sign"]})
    folder.put("curve.json", {**PUBLIC, "crv": "P-384"})
    folder.put("set.json", {"keys": [PUBLIC]})
    folder.put("twice.json", {"keys": [PUBLIC, PUBLIC]})
    folder.put("short.pem", SHORT_RSA)
    (found,) = folder.problems(entry)
    # Each entry begins on line 7, one key a line.
    key = problem.partition(":")[0]
    line, column = 7 + list(entry).index(key), len(f"    - {key}: ") + 1
    assert found.startswith(f"{line}:{column}: applications.demo.keys[0].{problem}"), found


def test_one_kid_twice_wherever_it_comes_from(folder):
    folder.put("es.json", PUBLIC)
    folder.put("set.json", {"keys": [{**PUBLIC, "kid": "k1"}]})
    assert folder.problems({"kid": "es", "secret": SECRET}, {"file": "es.json"}, {"file": "es.json"}) == [
        "9:13: applications.demo.keys[1].file: the kid 'es' names another key of the application",
        "10:13: applications.demo.keys[2].file: the kid 'es' names another key of the application",
    ]
    assert folder.problems({"kid": "k1", "secret": SECRET}, {"jwks_file": "set.json"}) == [
        "9:18: applications.demo.keys[1].jwks_file: the kid 'k1' names another key of the application"
    ]
    assert folder.problems({"jwks_file": "set.json"}, {"kid": "k1", "secret": SECRET}) == [
        "8:12: applications.demo.keys[1].kid: this kid names another key of the application"
    ]


def test_no_fault_shows_what_a_file_holds(folder):
    private = write_jwk(ES, private=True)
    for wrong in ({**private, "d": private["x"]}, {**private, "use": "enc"}, {"keys": [private]}):
        folder.put("es.json", wrong)
        (problem,) = folder.problems({"file": "es.json"})
        assert not any(private[name] in problem for name in ("d", "x", "y"))


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder.path / "pipe")
    assert folder.problems({"file": "pipe"}) == ["7:13: applications.demo.keys[0].file: not a regular file"]


def test_a_key_file_by_itself(folder):
    folder.put("es.json", b"\n " + json.dumps(write_jwk(ES, private=True)).encode())
    key = read_key_file(folder.path / "es.json")
    assert (key, key.signing) == (ES, ES.signing)
    with pytest.raises(UnfitKeyError, match="cannot read the file"):
        read_key_file(folder.path / "nowhere")
