"""`gate keys`: keys that are fit for what they are for; and beside them API keys (`gate.cli.api_keys`)."""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gate.cli.api_keys import add_commands
from gate.errors import UsageError

if TYPE_CHECKING:
    from gate.core.keys import Algorithm, Key

ALGORITHMS: Final = ("HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA")
RSA_BITS: Final = 2048


@click.group()
def command() -> None:
    """Make keys for tokens, and manage VideoSDK's API keys of a running gate."""


add_commands(command)


@command.command(
    "new",
    epilog="""\b
Examples:
  gate keys new
  gate keys new --kind jwk --algorithm ES256 --kid 2026-05 --out sign.jwk.json
  gate keys new --kind pem --algorithm EdDSA --kid k2 --out sign.pem

With --out, FILE is what signs tokens and FILE.pub, where there is one, what the gate needs; the line that is
printed goes into the policy's keys. Without it, the secret or the private key itself is printed.
""",
)
@click.option(
    "--kind",
    type=click.Choice(["secret", "jwk", "pem"]),
    help="A text, a JSON Web Key, or a PEM file.  [default: secret for HS256 to HS512, else jwk]",
)
@click.option(
    "--algorithm", "algorithm_name", type=click.Choice(ALGORITHMS), default="HS256", show_default=True
)
@click.option("--kid", metavar="K", help="Its id.  [default: a random one, or a public key's thumbprint]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it, readable by you alone. What is there already is never overwritten.",
)
def new(kind: str | None, algorithm_name: str, kid: str | None, out: Path | None) -> None:
    """Make a secret or a private key, with its public half."""
    from gate.core.keys import Algorithm

    algorithm = Algorithm(algorithm_name)
    kind = kind or ("secret" if algorithm.symmetric else "jwk")
    if kid is not None and not 0 < len(kid) <= 128:
        raise UsageError("a kid has 1 to 128 characters")
    if kind == "pem" and algorithm.symmetric:
        raise UsageError(f"{algorithm.value} has secrets, which are no PEM files: ask for --kind secret or jwk")
    if kind == "secret" and not algorithm.symmetric:
        raise UsageError(f"{algorithm.value} needs a private key, not a secret: ask for --kind jwk or pem")
    if kind == "secret":
        # What is written is the key itself, letter by letter, and no encoding of it.
        kid = kid or _random_kid()
        text = b64encode(secrets.token_bytes(algorithm.shortest_key)).decode() + "\n"
        files, line = [text], f"{{kid: {json.dumps(kid)}, algorithm: {algorithm.value}, secret: !file %s}}"
    else:
        key = make_key(algorithm, kid)
        halves = [True] if algorithm.symmetric else [True, False]
        files = [_write(key, kind, private=private) for private in halves]
        named = f"kid: {json.dumps(key.kid)}, " if kind == "pem" else ""
        line = f"{{{named}algorithm: {algorithm.value}, file: %s}}"
    if out is None:
        click.echo(files[0], nl=False)
        return
    paths = [out, out.with_name(f"{out.name}.pub")][: len(files)]
    _create(dict(zip(paths, files, strict=True)))
    click.echo(f"- {line % json.dumps(str(paths[-1]), ensure_ascii=False)}")


def make_key(algorithm: Algorithm, kid: str | None) -> Key:
    """A new key of the algorithm, with what it signs with."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    from gate.core.keys import Algorithm, Key
    from gate.formats import jwk

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    match algorithm:
        case Algorithm.RS256 | Algorithm.PS256:
            private = rsa.generate_private_key(65537, RSA_BITS)
        case Algorithm.ES256:
            private = ec.generate_private_key(ec.SECP256R1())
        case Algorithm.EDDSA:
            private = ed25519.Ed25519PrivateKey.generate()
        case _:
            return Key(kid or _random_kid(), algorithm, secrets.token_bytes(algorithm.shortest_key))
    return jwk.make_key(private.public_key(), private, algorithm, kid)


def _random_kid() -> str:
    return f"k-{secrets.token_hex(4)}"


def _write(key: Key, kind: str, *, private: bool) -> str:
    from gate.formats.jwk import write_jwk
    from gate.formats.pem import write_pem

    if kind == "pem":
        return write_pem(key, private=private).decode()
    return json.dumps(write_jwk(key, private=private), indent=2) + "\n"


def _create(files: dict[Path, str]) -> None:
    """All of the files are there, readable by their owner alone, or none is. Raises UsageError."""
    made: list[Path] = []
    try:
        for path, text in files.items():
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            made.append(path)
            with open(number, "w", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        for done in made:
            done.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise UsageError(f"{path} is there already, and is left as it is") from None
        raise UsageError(f"{path} cannot be written: {(error.strerror or 'no reason given').lower()}") from None
