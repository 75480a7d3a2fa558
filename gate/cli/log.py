"""The log of a running gate: plain lines on stderr, ``time level logger message``, without credentials."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

from gate.cli.redaction import redact

LEVELS: Final = ("debug", "info", "warning", "error")


class Lines(logging.Formatter):
    """Times are UTC. Whatever looks like a credential is taken out last, from tracebacks too."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def start_log(level: str) -> None:
    """The gate's loggers write to stderr from `level` on; libraries only from their warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gate").setLevel(level.upper())
