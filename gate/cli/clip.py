"""`gate clip`: a manifest as a token would see it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli.arguments import config_option, load_policy, moment
from gate.cli.manifest import fetch_manifest, hand_out_explained, is_url, read_manifest, target_of_url
from gate.errors import UsageError
from gate.wire.redaction import redact

if TYPE_CHECKING:
    from gate.core.reasons import Deny


@click.command(
    epilog="""\b
Examples:
  gate clip --config gate.yaml --token eyJ... http://127.0.0.1:8080/cam1/index.m3u8
  gate clip --config gate.yaml --token eyJ... --as /cam1/index-1767225600-7200.m3u8 saved.m3u8
  curl -s http://origin/cam1/index.mpd | gate clip --config gate.yaml --token eyJ... --as /cam1/index.mpd -

Status 0: printed. Status 1: the token may see nothing of it; why stands on stderr. Status 2: not possible.
"""
)
@config_option
@click.option("--token", "token_text", metavar="T", help="The token, where the URL holds none; - reads it.")
@click.option("--as", "asked", metavar="URL", help="What FILE is the answer to: the URL at the gate.")
@click.option("--at", type=moment, metavar="T", help="When it is asked for: now, -2h, a date.  [default: now]")
@click.argument("source", metavar="FILE_OR_URL")
def command(config_path: Path, token_text: str | None, asked: str | None, at: int | None, source: str) -> int:
    """Print a manifest as the token would see it.

    A URL is asked of the origin, as the gate would; a FILE (- is stdin) is what the origin answered. Session
    link and marks are not in it: a session makes them when it opens.
    """
    from gate.api.explanation import Fields, explain
    from gate.core.reasons import Deny
    from gate.core.ticket import TicketKeys
    from gate.core.verdicts import Ask
    from gate.media.links import Links

    config = load_policy(config_path)
    policy = config.policy
    if asked is None and not is_url(source):
        raise UsageError("--as says what FILE is the answer to, such as --as /cam1/index.m3u8")
    if asked is not None and is_url(source):
        raise UsageError("--as belongs to a FILE: a URL says itself what is asked for")
    if token_text == "-" == source:
        raise UsageError("only one of the token and the manifest can be read from stdin")
    if token_text == "-":
        token_text = sys.stdin.read()
    token_text = token_text.strip() if token_text else None
    now = time.time() if at is None else float(at)
    ask = Ask("GET", target_of_url(asked or source, policy), Fields(), "127.0.0.1")
    tickets = TicketKeys(config.ticket_keys) if config.ticket_keys else None
    explanation = explain(policy, ask, token_text, now, tickets=tickets)
    if explanation.refusal is not None:
        return _refuse(explanation.refusal)
    place = explanation.served
    assert place is not None  # a GET that is not refused is forwarded
    body = fetch_manifest(place, policy) if asked is None else read_manifest(source, policy.limits.manifest)
    handed = hand_out_explained(body, explanation, Links(policy, place, host=None, now=now))
    if isinstance(handed, Deny):
        return _refuse(handed)
    sys.stdout.buffer.write(handed.body)
    sys.stdout.buffer.flush()
    if handed.entries:
        click.echo(f"gate: {handed.kept} of {handed.entries} segments are kept", err=True)
    return 0


def _refuse(refusal: Deny) -> int:
    detail = f" ({refusal.detail})" if refusal.detail else ""
    click.echo(redact(f"gate: {refusal.reason.value}: {refusal.reason.rule.title}{detail}"), err=True)
    return 1
