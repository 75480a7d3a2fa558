"""The log of a running gate on stderr, without credentials: lines for people, or JSON for programs.

A line is ``time level logger message``; a JSON object has the same four keys, or, of an answered request, those
of `gate.wire.access.Entry` in place of the message. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Final, Literal

from gate.wire.access import Entry
from gate.wire.redaction import redact

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")


class Lines(logging.Formatter):
    """Times are UTC. Whatever looks like a credential is taken out last, from tracebacks too."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object in one line, ASCII only; each text in it is redacted."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", self.converter(record.created))
        said: dict[str, Any] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, Entry):
            said.update(record.msg.fields())
        else:
            said["message"] = record.getMessage()
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        # Before it is quoted: afterwards an escape could be taken for the beginning of a credential.
        return json.dumps({key: redact(v) if isinstance(v, str) else v for key, v in said.items()})


def start_log(level: str, form: Literal["text", "json"] = "text") -> None:
    """The gate's loggers write to stderr from `level` on; libraries only from their warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gate").setLevel(level.upper())
    shape_log(form)


def shape_log(form: Literal["text", "json"]) -> None:
    """What is written from now on is text, or JSON."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines() if form == "json" else Lines())
