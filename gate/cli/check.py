"""`gate check`: a policy file before it is put in force."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gate.cli.arguments import config_option, json_option, load_policy
from gate.errors import ConfigError
from gate.wire.redaction import redact

if TYPE_CHECKING:
    from gate.config.compile import Config
    from gate.core.policy import Application, Pattern


@click.command(
    epilog="""\b
Examples:
  gate check --config gate.yaml
  gate check --config gate.yaml --json | jq -r '.problems[] | "\\(.line): \\(.text)"'
  gate check --config gate.yaml && systemctl reload gate

Status 0: the policy can be put in force. Status 2: it cannot; each problem is a line
FILE:LINE:COLUMN: KEY: PROBLEM on stderr.
"""
)
@config_option
@json_option
def command(config_path: Path, as_json: bool) -> int:
    """Say whether a policy file is right, and where it is not.

    Everything that is wrong is said at once. Secrets are read (!env, !file) and never shown; nobody is
    asked, neither the store nor an origin, nor where keys are published (jwks).
    """
    try:
        config = load_policy(config_path)
    except ConfigError as error:
        if as_json:
            problems = [asdict(problem) for problem in error.problems]
            click.echo(json.dumps({"file": str(config_path), "ok": False, "problems": problems}, indent=2))
        else:
            for problem in error.problems:
                click.echo(redact(str(problem)), err=True)
        return 2
    summary = _summarise(config)
    if as_json:
        click.echo(json.dumps({"file": str(config_path), "ok": True, "problems": [], **summary}, indent=2))
    else:
        click.echo(f"{config_path}: ok")
        _print(summary)
    return 0


def find_warnings(config: Config) -> Iterator[str]:
    """What a policy may say and its operator may not mean, in sentences."""
    from gate.core.grants import Action
    from gate.core.token import Format

    policy = config.policy
    writes = (Action.CREATE, Action.UPDATE, Action.DESTROY)
    for name, application in policy.applications.items():
        if application.unlimited_ttl and application.formats & {Format.JWT, Format.VIDEOSDK}:
            yield f"applications.{name}.unlimited_ttl: tokens without an end can only be revoked, one by one"
        if not application.unlimited_ttl and Format.ZIGGEO in application.formats:
            yield (
                f"applications.{name}.unlimited_ttl: most of Ziggeo's tokens have no end: they are refused "
                "without it"
            )
        if words := " and ".join(each.value for each in writes if each not in application.auth_required_for):
            yield f"applications.{name}.auth_required_for: everybody may {words}, without a token"
        if application.key_sources and not application.audiences:
            yield f"applications.{name}.jwks: without audiences, what its issuers sign for others opens it too"
        if not any(rule.application is application for rule in policy.rules):
            yield f"applications.{name}: no stream takes its tokens"
    for (one, first), (other, second) in combinations(policy.applications.items(), 2):
        if _keys_of(first) & _keys_of(second):
            if first.audiences and second.audiences and not first.audiences & second.audiences:
                continue
            yield f"applications.{one}, applications.{other}: they share a key: tokens of one open the other"
    for at, rule in enumerate(policy.rules):
        above = next((other for other in policy.rules[:at] if covers(other.pattern, rule.pattern)), None)
        if above is not None:
            yield f"{rule.name}: {rule.pattern.text} is never reached: {above.name} takes all that it matches"
    if config.listen == config.admin_listen and getattr(config.listen, "port", None) != 0:
        yield "listen, admin.listen: both name the same address"


def _keys_of(application: Application) -> set[object]:
    """What stands for its keys: their material, and where they are published."""
    return {key.material for key in application.keyring} | {source.url for source in application.key_sources}


def covers(pattern: Pattern, other: Pattern) -> bool:
    """Whether `pattern` matches every path that `other` matches."""
    ours, theirs = pattern.text[1:].split("/"), other.text[1:].split("/")
    we_go_on, they_go_on = ours[-1] == "**", theirs[-1] == "**"
    ours, theirs = ours[: len(ours) - we_go_on], theirs[: len(theirs) - they_go_on]
    if len(theirs) < len(ours) or not all(
        mine == its or mine[0] in "*{" for mine, its in zip(ours, theirs, strict=False)
    ):
        return False
    if we_go_on:
        return they_go_on or len(theirs) > len(ours)
    return not they_go_on and len(theirs) == len(ours)


def _summarise(config: Config) -> dict[str, Any]:
    policy = config.policy
    return {
        "version": policy.version,
        "listen": str(config.listen),
        "admin": str(config.admin_listen),
        "store": "embedded" if config.store is None else config.store.partition(":")[0],
        "applications": {
            name: {
                "keys": [f"{key.kid} ({key.algorithm.value})" for key in application.keyring],
                "api_keys": [] if application.videosdk is None else list(application.videosdk.keys),
                "jwks": [source.place for source in application.key_sources],
                "formats": sorted(form.value for form in application.formats),
            }
            for name, application in policy.applications.items()
        },
        "streams": [
            {
                "name": rule.name,
                "match": rule.pattern.text,
                "access": rule.access.value,
                "application": rule.application.name if rule.application else None,
                "origin": rule.origin.name,
                "layout": rule.layout.name,
            }
            for rule in policy.rules
        ],
        "warnings": list(find_warnings(config)),
    }


def _print(summary: dict[str, Any]) -> None:
    click.echo(f"  policy {summary['version']}, store {summary['store']}")
    click.echo(f"  listens on {summary['listen']}, for operators on {summary['admin']}")
    for name, application in summary["applications"].items():
        keys = [*application["keys"], *(f"those at {url}" for url in application["jwks"])]
        keys += [f"{key} (VideoSDK)" for key in application["api_keys"]]
        named = f", keys {', '.join(keys)}" if keys else ""
        click.echo(f"  application {name}: {', '.join(application['formats'])}{named}")
    for stream in summary["streams"]:
        who = stream["access"]
        if who == "private":
            who = f"private, tokens of {stream['application']}"
        where = "" if who == "none" else f" -> {stream['origin']} ({stream['layout']})"
        click.echo(f"  {stream['name']} {stream['match']}: {who}{where}")
    for warning in summary["warnings"]:
        click.echo(f"  warning: {warning}")
