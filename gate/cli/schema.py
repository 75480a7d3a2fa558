"""`gate schema`: what editors know policy files by."""

from __future__ import annotations

import click


@click.command(
    epilog="""\b
Example:
  gate schema > gate.schema.json
  (and as the first line of a policy file)
  # yaml-language-server: $schema=gate.schema.json
"""
)
def command() -> None:
    """Print the JSON Schema of policy files, by which an editor completes, explains and checks them."""
    from gate.config.schema import render_schema

    click.echo(render_schema(), nl=False)
