"""`gate reload`: the policy file of a running gate, read again."""

from __future__ import annotations

from pathlib import Path

import click

from gate.cli.operator import find_gate, operator_options


@click.command(
    epilog="""\b
Examples:
  gate reload --config gate.yaml
  GATE_ADMIN_TOKEN=... gate reload --admin http://127.0.0.1:8081

Status 0: the policy is in force. Status 2: it is not, and the one before is; each problem is a line on stderr.
"""
)
@operator_options
def command(config_path: Path | None, admin_url: str | None) -> None:
    """Have a running gate read its policy again.

    With any problem in the file the old policy stays. No viewer notices.
    """
    done = find_gate(config_path, admin_url).ask("POST", "/v1/reload", {})
    click.echo(f"policy {done['version']} in force")
    if done["restart_needed"]:
        click.echo("a change of addresses, store, state_dir, limits or session times needs a restart", err=True)
