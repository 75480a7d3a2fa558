"""`gate keys create`, `list`, `disable`, `enable` and `delete`: VideoSDK's API keys of a running gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gate.cli.arguments import json_option
from gate.cli.operator import find_gate, operator_options

if TYPE_CHECKING:
    from gate.cli.operator import Gate

_PAGE: Final = "500"
F = TypeVar("F", bound=Callable[..., Any])


def add_commands(group: click.Group) -> None:
    """The commands of this file are commands of the group."""
    for each in (create, list_keys, disable, enable, delete):
        group.add_command(each)


def _options(command: F) -> F:
    """The options of all of them: whose keys, of which gate."""
    whose = click.option("--application", required=True, metavar="A", help="Whose keys: one of VideoSDK's.")
    return whose(operator_options(json_option(command)))


@click.command(
    "create",
    epilog="""\b
Examples:
  gate keys create --config gate.yaml --application rooms
  gate keys create --config gate.yaml --application rooms --json | jq -r .secret

Its secret is printed here, and can be read nowhere again: the store holds it sealed (key_secrets).
""",
)
@_options
def create(config_path: Path | None, admin_url: str | None, as_json: bool, application: str) -> None:
    """Make an API key of VideoSDK's, and print it with its secret. Every gate knows it within a second."""
    made = find_gate(config_path, admin_url).ask("POST", _path(application), {})
    if as_json:
        click.echo(json.dumps(made, indent=2))
    else:
        click.echo(f"key     {made['key']}\nsecret  {made['secret']}")


@click.command("list")
@_options
def list_keys(config_path: Path | None, admin_url: str | None, as_json: bool, application: str) -> None:
    """List the API keys of an application, those of the policy too; never a secret."""
    gate = find_gate(config_path, admin_url)
    found = list(gate.pages(_path(application), {"limit": _PAGE}, "keys", "key"))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    for key in [] if as_json else found:
        click.echo(say_key(key))
    if not found and not as_json:
        click.echo("no API keys")


@click.command(
    "disable",
    epilog="""\b
Status 0: disabled; no token of theirs verifies on any gate, within a second. Status 2: not possible as asked.
""",
)
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@_options
def disable(keys: tuple[str, ...], **asked: Any) -> None:
    """Disable API keys: their tokens verify no more.

    Sessions that these have opened go on, as at VideoSDK; to end them too, see gate sessions and gate revoke.
    """
    _change(keys, lambda gate, path: gate.ask("PATCH", path, {"enabled": False}), "disabled", **asked)


@click.command("enable")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@_options
def enable(keys: tuple[str, ...], **asked: Any) -> None:
    """Enable API keys that were disabled."""
    _change(keys, lambda gate, path: gate.ask("PATCH", path, {"enabled": True}), "enabled", **asked)


@click.command("delete")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@_options
def delete(keys: tuple[str, ...], **asked: Any) -> None:
    """Delete API keys, with their secrets. What was disabled can be enabled again; this cannot be undone."""
    _change(keys, lambda gate, path: gate.ask("DELETE", path), "deleted", **asked)


def say_key(key: dict[str, Any]) -> str:
    """A key in a line: what it is, and since when."""
    from gate.cli.wording import say_time

    words = [key["key"], "enabled" if key["enabled"] else "disabled"]
    made = "of the policy" if key["from"] == "policy" else f"made {say_time(int(key['made_at']))}"
    lost = [] if key["known"] else ["its secret cannot be read: no key_secrets of this gate unseals it"]
    return "  ".join([*words, made, *lost])


def _change(
    keys: tuple[str, ...],
    change: Callable[[Gate, str], dict[str, Any]],
    done: str,
    *,
    config_path: Path | None,
    admin_url: str | None,
    as_json: bool,
    application: str,
) -> None:
    from urllib.parse import quote

    gate = find_gate(config_path, admin_url)
    told = []
    for key in dict.fromkeys(keys):
        told.append(change(gate, f"{_path(application)}/{quote(key, safe='')}"))
        if not as_json:
            click.echo(f"{key}: {done}")
    if as_json:
        click.echo(json.dumps(told, indent=2))


def _path(application: str) -> str:
    from urllib.parse import quote

    return f"/v1/applications/{quote(application, safe='')}/keys"
