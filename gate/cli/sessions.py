"""`gate sessions`: who is watching what, and ending it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.arguments import json_option
from gate.cli.operator import find_gate, operator_options

if TYPE_CHECKING:
    from rich.table import Table

_PAGE: Final = "500"
_COLUMNS: Final = ("SESSION", "SUBJECT", "STATE", "RESOURCE", "DEVICE", "ADDRESS", "OPENED", "ENDS")
# What is not a terminal has no width; a table in a file is as wide as it is.
_WIDEST: Final = 400


@click.group("sessions", short_help="List sessions, and end them.")
def command() -> None:
    """See who is watching what, and end sessions."""


@command.command(
    "list",
    epilog="""\b
Examples:
  gate sessions list --config gate.yaml
  gate sessions list --config gate.yaml --subject anna
  gate sessions list --config gate.yaml --resource cam1 --json | jq -r '.[].id'

STATE: playing; idle, where it has played and has no traffic; opened, where it has not played yet; revoked.
""",
)
@click.option("--application", metavar="A", help="Only those of this application.")
@click.option("--subject", metavar="S", help="Only those of this subject.")
@click.option("--resource", metavar="R", help="Only those that watch this resource.")
@operator_options
@json_option
def list_sessions(
    config_path: Path | None,
    admin_url: str | None,
    as_json: bool,
    application: str | None,
    subject: str | None,
    resource: str | None,
) -> None:
    """List the sessions of all gates on the store, with what plays of each."""
    asked = {"application": application, "subject": subject, "resource": resource, "limit": _PAGE}
    query = {name: text for name, text in asked.items() if text is not None}
    found = list(find_gate(config_path, admin_url).pages("/v1/sessions", query, "sessions"))
    found.sort(key=lambda session: (session["opened_at"], session["id"]))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("no sessions")
        return
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDEST
    Console(width=width, highlight=False, markup=False, emoji=False).print(make_table(found, time.time()))


@command.command(
    "kill",
    epilog="""\b
Examples:
  gate sessions kill --config gate.yaml 0c1m4v8q2k7x...
  gate sessions list --config gate.yaml --subject anna --json | jq -r '.[].id' |
    xargs gate sessions kill --config gate.yaml

Status 0: ended, on every gate within a second. Status 2: not possible as asked.
""",
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@operator_options
@json_option
def kill(config_path: Path | None, admin_url: str | None, as_json: bool, ids: tuple[str, ...]) -> None:
    """End sessions: what runs is cut, their links are closed, their playbacks' places are free.

    The token may open others, as far as it goes; to end that too, see gate revoke.
    """
    from urllib.parse import quote

    gate = find_gate(config_path, admin_url)
    ended = []
    for name in dict.fromkeys(ids):
        told = gate.ask("DELETE", f"/v1/sessions/{quote(name, safe='')}")
        ended.append(told)
        if not as_json:
            click.echo(say_ended(told))
    if as_json:
        click.echo(json.dumps(ended, indent=2))


def say_ended(told: dict[str, Any]) -> str:
    """What came of ending a session."""
    if not told["found"]:
        return f"{told['id']}: no such session is known; its link is revoked all the same"
    playbacks = told["playbacks"]
    return f"{told['id']}: ended, with {playbacks} playback{'' if playbacks == 1 else 's'}"


def make_table(sessions: Iterable[dict[str, Any]], now: float) -> Table:
    """A row for each playback, and one for each session without any."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        # An id is there to be copied; the rest may be shortened to the terminal.
        table.add_column(column, no_wrap=True, overflow="fold" if column == "SESSION" else "ellipsis")
    for session in sessions:
        for row in _rows(session, now):
            table.add_row(*(Text(plain(cell)) for cell in row))
    return table


def plain(text: str) -> str:
    """The text without what a terminal would obey: it may come from a viewer, or from a token."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def _rows(session: dict[str, Any], now: float) -> Iterator[tuple[str, ...]]:
    from gate.cli.wording import say_distance

    if session["revoked"]:
        state = "revoked"
    elif session["playbacks"]:
        state = "playing"
    else:
        state = "idle" if session["committed"] else "opened"
    ends = "never" if session["ends_at"] is None else say_distance(session["ends_at"] - now)
    opened = say_distance(session["opened_at"] - now)
    who = (session["id"], session["subject"] or "-", state)
    for playing in session["playbacks"] or [session]:
        yield (*who, playing["resource"], playing["device"] or "-", playing["address"], opened, ends)
        who = ("", "", "")
        opened = ends = ""
