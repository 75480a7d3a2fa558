"""`gate revoke`: tokens that are good no longer, on every gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gate.cli.arguments import json_option, moment
from gate.cli.operator import find_gate, operator_options
from gate.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  gate revoke --config gate.yaml --jti 6Yw0hDPzv7UuE7eN
  gate revoke --config gate.yaml --subject anna --until +30d
  gate revoke --config gate.yaml --not-before now --application demo    # all tokens issued until now
  gate revoke --config gate.yaml --session 0c1m4v8q2k7x...              # as gate sessions kill does

A token's id is in gate sessions list --json and in gate explain --json.

Status 0: revoked, on every gate within a second. Status 2: not possible as asked.
"""
)
@click.option("--token-id", "token", metavar="ID", help="A token, by its id.")
@click.option("--jti", metavar="J", help="A token of the application, by its jti or nonce.")
@click.option("--subject", metavar="S", help="All tokens of a subject, also those that are still to be issued.")
@click.option("--session", metavar="ID", help="One session; its token may open others.")
@click.option(
    "--not-before", type=moment, metavar="T", help="All tokens of the application issued before this time."
)
@click.option("--application", metavar="A", help="Whose; may be left out where there is only one application.")
@click.option(
    "--until",
    type=moment,
    metavar="T",
    help="When it may be forgotten: when what it names has ended.  [default: never]",
)
@operator_options
@json_option
def command(config_path: Path | None, admin_url: str | None, as_json: bool, **asked: Any) -> None:
    """Revoke a token, a subject, a session, or all that was issued before a time.

    Running responses are cut. It cannot be taken back before its --until.
    """
    named = [name for name in ("token", "jti", "subject", "session", "not_before") if asked[name] is not None]
    if len(named) != 1:
        raise UsageError("name one of --token-id, --jti, --subject, --session and --not-before")
    body = {name: value for name, value in asked.items() if value is not None}
    told = find_gate(config_path, admin_url).ask("POST", "/v1/revocations", body)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(say_revoked(told))


def say_revoked(told: dict[str, Any]) -> str:
    """What is revoked, and until when."""
    from gate.cli.wording import say_time

    if told["kind"] == "not_before":
        what = f"tokens of {told['application']} issued before {say_time(told['not_before'])}"
    else:
        what = f"{told['kind']} {told.get('id') or told['owner']}"
    until = "" if told["until"] is None else f", until {say_time(told['until'])}"
    return f"revoked: {what}{until}"
