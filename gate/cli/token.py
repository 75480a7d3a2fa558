"""`gate token`: a token in one of the application's formats, refused here where the gate would refuse it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate.cli.arguments import config_option, load_policy, moment, whole_seconds
from gate.errors import UsageError

if TYPE_CHECKING:
    from gate.core.policy import Application
    from gate.core.token import Format


@click.command(
    epilog="""\b
Examples:
  gate token --config gate.yaml --resource cam1 --live
  gate token --config gate.yaml --resource cam1 --live --dvr --from -2h --to now --ttl 15m
  gate token --config gate.yaml --all --action read --live --session-limit 3 --subject alice
  gate token --config gate.yaml --resource film.mp4 --single-use
  gate token --config gate.yaml --action create --action read --action destroy --session-owned
  gate token --config gate.yaml --key sign.jwk.json --resource cam1 --live
  gate token --config ziggeo.yaml --format ziggeo --resource VIDEO --session-limit 1 --usage 24h --ttl 0
  curl -L "http://127.0.0.1:8080/cam1/index.m3u8?token=$(gate token --config gate.yaml --all --live)"

A time T is in Unix seconds, a date (2026-05-04T13:00:00Z; UTC where it names no zone), now, or a distance
from now (-2h, +30m). A duration is in seconds, or 90s, 15m, 1h, 7d.
"""
)
@config_option
@click.option("--application", metavar="A", help="Whose it is. May be left out where there is only one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jwt", "ziggeo"]),
    help="The native format, or a client-side token of Ziggeo's.  [default: the application's; of both jwt]",
)
@click.option("--resource", "resources", multiple=True, metavar="R", help="What it opens. May be repeated.")
@click.option("--all", "everything", is_flag=True, help="It opens all resources.")
@click.option("--session-owned", is_flag=True, help="It opens what its session has created, or creates.")
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice(["read", "create", "update", "destroy"]),
    default=("read",),
    help="What may be done to them. May be repeated.  [default: read]",
)
@click.option("--live", is_flag=True, help="The live edge may be watched.")
@click.option("--dvr", is_flag=True, help="The archive may be watched.")
@click.option("--copy", is_flag=True, help="Recordings may be downloaded.")
@click.option("--from", "start", type=moment, metavar="T", help="Nothing of the archive before this.")
@click.option("--to", "end", type=moment, metavar="T", help="Nothing of the archive from here on.")
@click.option(
    "--ttl",
    "ttl_s",
    type=whole_seconds,
    metavar="S",
    help="How long the token lives; 0 for no end.  [default: 1h, or the application's max_ttl]",
)
@click.option("--session-limit", type=int, metavar="N", help="How many sessions it may ever open.")
@click.option("--max-concurrent", type=int, metavar="N", help="How many playbacks may run at once.")
@click.option("--single-use", is_flag=True, help="It opens one session, ever.")
@click.option("--subject", metavar="S", help="Whose token it is (sub).")
@click.option(
    "--usage", "usage_s", type=whole_seconds, metavar="S", help="How long a session lives from its opening."
)
@click.option(
    "--reference",
    metavar="TOKEN",
    help="The server-side token that one of Ziggeo's goes by: what both permit is permitted.",
)
@click.option("--kid", metavar="K", help="Which key signs it.  [default: the application's first that can]")
@click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The private key that signs it, where the policy holds only its public half.",
)
@click.option(
    "--claims", "claims_text", metavar="JSON", help="Claims that replace or join these; null drops one."
)
def command(config_path: Path, application: str | None, form: str | None, **asked: Any) -> None:
    """Mint a token: print it, and nothing else.

    What the gate would not accept is not minted: the reason is given instead.
    """
    from gate.cli import jwt_token, ziggeo_token
    from gate.cli.wanted import Wanted
    from gate.core.token import Format

    config = load_policy(config_path)
    tenant = _find_application(config.policy.applications, application)
    wanted, now = Wanted(**asked), time.time()
    if _find_format(tenant, form) is Format.JWT:
        click.echo(jwt_token.mint(wanted, tenant, now))
        return
    section = config.file.applications[tenant.name].ziggeo
    assert section is not None  # the policy is right
    click.echo(ziggeo_token.mint(wanted, tenant, section.encryption_key.get_secret_value(), now))


def _find_application(applications: Mapping[str, Application], name: str | None) -> Application:
    if name is None and len(applications) == 1:
        return next(iter(applications.values()))
    known = ", ".join(applications)
    if name is None:
        raise UsageError(f"the policy has several applications: name one with --application ({known})")
    if name not in applications:
        raise UsageError(f"the policy has no application {name!r}; known are: {known}")
    return applications[name]


def _find_format(application: Application, word: str | None) -> Format:
    """The format that was asked for, or the application's own: of several the native one."""
    from gate.core.token import Format

    made = [form for form in (Format.JWT, Format.ZIGGEO) if form in application.formats]
    if not made:
        raise UsageError(f"the application {application.name} takes VideoSDK's tokens, which its SDKs make")
    if word is None:
        return made[0]
    if (found := Format(word)) not in application.formats:
        known = ", ".join(sorted(each.value for each in application.formats))
        raise UsageError(
            f"the application {application.name} takes no tokens of the format {word}, but {known}"
        )
    return found
