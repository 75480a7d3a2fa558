from __future__ import annotations

import json
import logging
import subprocess
import sys

from gate.cli.log import JsonLines, Lines


def test_a_line_is_time_level_logger_message():
    record = logging.LogRecord("gate.proxy", logging.WARNING, __file__, 1, "%s is %s", ("it", "so"), None)
    record.created, record.msecs = 1_777_899_600.25, 250.0
    assert Lines().format(record) == "2026-05-04T13:00:00.250Z WARNING gate.proxy it is so"


def test_no_credential_is_in_a_line_or_in_its_traceback():
    token = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl"
    try:
        raise ValueError(f"cannot parse /cam1?token={token}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "at %s", (token,), sys.exc_info())
    text = Lines().format(record)
    assert "ValueError: cannot parse /cam1?token=[credential]" in text
    assert "eyJ" not in text


def test_a_json_line_has_the_same_and_is_json_whatever_is_in_it():
    token = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl"
    try:
        raise ValueError(f'"\n{token}\udcff')
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "at %s", (token,), sys.exc_info())
    record.created, record.msecs = 1_777_899_600.25, 250.0
    line = JsonLines().format(record)
    assert line.isascii()
    assert "\n" not in line
    assert "eyJ" not in line
    said = json.loads(line)
    assert "ValueError" in said.pop("exception")
    assert said == {
        "time": "2026-05-04T13:00:00.250Z",
        "level": "error",
        "logger": "x",
        "message": "at [credential]",
    }


def test_what_follows_a_backslash_does_not_break_the_json():
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "\u00e9" + "A" * 80, (), None)
    assert json.loads(JsonLines().format(record))["message"] == "é[credential]"


def test_the_gate_speaks_from_its_level_on_and_libraries_from_warnings_on():
    code = (
        "import logging\n"
        "from gate.cli.log import start_log\n"
        "start_log('debug'); start_log('info')\n"
        "for name in ('gate.proxy', 'aiohttp.server'):\n"
        "    for level in ('debug', 'info', 'warning'):\n"
        "        getattr(logging.getLogger(name), level)('%s said', level)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=30, check=True, text=True
    )
    assert [line.split(" ", 1)[1] for line in result.stderr.splitlines()] == [
        "INFO gate.proxy info said",
        "WARNING gate.proxy warning said",
        "WARNING aiohttp.server warning said",
    ]
