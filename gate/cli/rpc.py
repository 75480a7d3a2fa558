"""`gate rpc`: one call of a gate's JSON-RPC API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.operator import find_gate
from gate.errors import UsageError
from gate.wire.redaction import redact

if TYPE_CHECKING:
    from gate.client import Client

_TOKEN: Final = "GATE_API_TOKEN"
_DESCRIBE: Final = "Rpc.Describe"


@click.command(
    epilog="""\b
Examples:
  gate rpc --config gate.yaml                                         # what can be called
  gate rpc --config gate.yaml Stream.Add stream=cam1 url=http://10.0.0.5:8080 'access={"allow": "private"}'
  gate rpc --config gate.yaml --raw Auth.CreateAccessToken stream=cam1 ttl=3600 live=true dvr=true
  gate rpc --config gate.yaml Stream.GetMediaUrls 'streams=["cam1", "cam2"]'
  GATE_API_TOKEN=... gate rpc --url https://gate.example Stream.Get stream=cam1
  gate rpc --url unix:///run/gate/admin.sock --raw Auth.CreateApiToken ttl=86400

A VALUE is JSON where it can be read as that (true, 3600, ["a"], {"allow": "public"}), else text. Text that is
JSON as well is quoted: 'stream="42"'.

Status 0: done. Status 1: the gate refused the call. Status 2: it could not be made.
"""
)
@click.argument("method", required=False)
@click.argument("parameters", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--url",
    metavar="URL",
    help="The gate: http://..., https://... or unix:/path.  [default: the admin listener of --config]",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The policy file of the gate: its admin.listen and admin.token are used.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    help=f"An API token; better kept in {_TOKEN}.  [default: that with --url, else the admin token]",
)
@click.option("--raw", is_flag=True, help="Print a result that is text as it is, without quotes.")
def command(
    method: str | None,
    parameters: tuple[str, ...],
    url: str | None,
    config_path: Path | None,
    token: str | None,
    raw: bool,
) -> int:
    """Call METHOD with parameters by name, and print its result as JSON; without METHOD, list the methods."""
    from gate.client.errors import RpcError, TokenRefused, Unavailable, UnexpectedAnswer

    asked = read_parameters(parameters)
    with _client(config_path, url, token) as client:
        try:
            if method is None:
                for line in say_methods(client.call(_DESCRIBE)):
                    click.echo(line)
                return 0
            result = client.call(method, **asked)
        except ValueError as error:
            raise UsageError(str(error)) from None
        except (TokenRefused, Unavailable, UnexpectedAnswer):
            raise
        except RpcError as error:
            code = "" if error.code is None else f" ({error.code})"
            click.echo(f"gate: {redact(error.message)}{code}", err=True)
            return 1
    if raw and isinstance(result, str):
        click.echo(result)
    else:
        click.echo(json.dumps(result, indent=2))
    return 0


def read_parameters(texts: Sequence[str]) -> dict[str, object]:
    """Parameters by their names, of arguments such as ``ttl=3600``. Raises UsageError."""
    parameters: dict[str, object] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise UsageError(f"expected KEY=VALUE, such as ttl=3600: {text[:64]!a} is none")
        if name in parameters:
            raise UsageError(f"{name[:64]!a} is there twice")
        parameters[name] = read_value(value)
    return parameters


def read_value(text: str) -> object:
    """What the text is as JSON; the text itself where it is none, which a number without end is not either."""
    try:
        value: object = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


def say_methods(document: Any) -> Iterator[str]:
    """What can be called, by the OpenRPC document: two lines for each method. Raises UsageError."""
    try:
        for method in document["methods"]:
            words = [method["name"], *(_say_parameter(each) for each in method["params"])]
            yield " ".join(words)
            yield f"    {method['summary']}"
    except (KeyError, TypeError):
        raise UsageError("the gate describes its methods in another way than OpenRPC's") from None


def _say_parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    if parameter["required"]:
        return f"{parameter['name']}=..."
    default = json.dumps(schema["default"]) if "default" in schema else "..."
    return f"[{parameter['name']}={default}]"


def _client(config_path: Path | None, url: str | None, token: str | None) -> Client:
    from gate.client import Client

    gate = find_gate(config_path, url, "--url")
    held = (os.environ.get(_TOKEN), gate.token)
    # At the operators' listener, where the policy leads, their own token opens every method.
    shown = token or next(filter(None, held if url is not None else reversed(held)), None)
    try:
        return Client(gate.address, shown, timeout_s=30.0)
    except ValueError as error:
        raise UsageError(str(error)) from None
