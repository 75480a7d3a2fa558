"""The command line: `gate COMMAND`.

Each command is a module of its own that is imported when it is called, and imports what it needs when it
runs: asking for help costs no more than click. A module `gate.cli.<name>` gives its command as `command`.

Statuses: 0 done, 1 refused (`gate explain`, `gate rpc`, `gate demo --check`), 2 not possible as asked, with a
line on stderr that says why; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import click

from gate.errors import GateError
from gate.wire.redaction import redact

COMMANDS: Final = {
    "serve": "Run the gate.",
    "check": "Say whether a policy file is right, and where it is not.",
    "token": "Mint a token.",
    "inspect": "Show what a token says, without verifying it.",
    "keys": "Make keys for tokens, and manage API keys.",
    "sessions": "See who is watching what, and end it.",
    "revoke": "Revoke tokens, subjects or sessions.",
    "reload": "Have a running gate read its policy again.",
    "rpc": "Call the JSON-RPC API of a running gate.",
    "explain": "Say how a request would be decided, and why.",
    "clip": "Print a manifest as a token would see it.",
    "demo": "Watch a live stream pass through the gate.",
    "schema": "Print the JSON Schema of policy files.",
}


class Gate(click.Group):
    """All commands. Whatever ends one early is a line on stderr and a status, never a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if find_spec(f"{__name__}.{name}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        # Here, because click itself would take the broken pipe for status 1, which means refused.
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Nobody reads on. What is still buffered must not fail again when the process ends.
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            return 2

    def main(self, *args: Any, **extra: Any) -> Any:
        """The process has ended with the command's status."""
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            status = 2
        except click.ClickException as error:
            status = _complain(_line(error))
        except (click.Abort, KeyboardInterrupt):
            _complain("interrupted")
            status = 130
        except GateError as error:
            status = _complain(str(error))
        except OSError as error:
            # A full disk behind stdout, and the like: what concerns the operator's files is a GateError.
            status = _complain(error.strerror or str(error))
        sys.exit(status if isinstance(status, int) else 0)


@click.group(
    cls=Gate,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`gate COMMAND --help` tells more of each, with examples. Try `gate demo` first.",
)
@click.version_option(package_name="gate", prog_name="gate", message="%(prog)s %(version)s")
def group() -> None:
    """A reverse proxy in front of media origins: tokens, DVR windows, sessions."""


def main() -> None:
    """The entry point of `gate`."""
    for stream in (sys.stdout, sys.stderr):
        # A name in a policy may hold what the terminal cannot show; that is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    group.main(prog_name="gate")


def _line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split()).removesuffix(".")
    where = error.ctx if isinstance(error, click.UsageError) else None
    return f"{text} (see {where.command_path} --help)" if where is not None else text


def _complain(text: str) -> int:
    for line in text.splitlines():
        click.echo(f"gate: {redact(line)}", err=True)
    return 2
