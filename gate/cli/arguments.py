"""What several commands take: the policy file, points in time, durations."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from gate.config.compile import Config

_NUMBER: Final = re.compile(r"[0-9]{1,30}", re.ASCII)
_RELATIVE: Final = re.compile(r"(?:now)?([+-])(.*)", re.ASCII | re.DOTALL)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT_EXPECTED: Final = (
    "expected Unix seconds, a date such as 2026-05-04T13:00:00Z (UTC where it names no zone), now, "
    "or a distance from now such as -2h or +30m"
)

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The policy file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def load_policy(path: Path) -> Config:
    """The policy file at `path`, with this process's environment. Raises ConfigError."""
    import os

    from gate.config.compile import load_config

    return load_config(path, os.environ)


def read_moment(text: str, now: float) -> int:
    """The Unix second that `text` names, as seen at `now`. Raises ValueError with a sentence.

    Fractions of a second are cut off.
    """
    from gate.config.values import read_duration

    if text == "now":
        return int(now)
    if _NUMBER.fullmatch(text):
        return int(text)
    if relative := _RELATIVE.fullmatch(text):
        sign, distance = relative.groups()
        if _NUMBER.fullmatch(distance):
            raise ValueError(f"a distance from now has a unit: {text}s for seconds")
        seconds = read_duration(distance)
        moment = int(now + seconds if sign == "+" else now - seconds)
    else:
        try:
            date = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(_MOMENT_EXPECTED) from None
        moment = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - _EPOCH) // timedelta(seconds=1)
    if moment < 0:
        raise ValueError("a time before 1970 has no Unix seconds")
    return moment


def moment(text: str) -> int:
    """Of a command's argument: the Unix second that it names."""
    try:
        return read_moment(text, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def whole_seconds(text: str) -> int:
    """Of a command's argument: a duration such as `3600`, `90s` or `1h`, in seconds."""
    from gate.config.values import read_duration

    try:
        seconds = read_duration(int(text) if _NUMBER.fullmatch(text) else text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds != int(seconds):
        raise click.BadParameter("expected whole seconds")
    return int(seconds)
