from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gate.cli.demo import choose_port, command
from gate.core.reasons import Reason
from gate.demo import stage as stage_module
from gate.demo.link import Act, Link, Step, refusal
from gate.demo.links import Sign, links

GATE = Path(sys.executable).with_name("gate")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


def descendants(process_id: int) -> dict[int, str]:
    """Living processes that `process_id` started, directly or not: their names by id."""
    parents, names = {}, {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = place.read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if state != "Z":
            number, _, name = head.partition(" (")
            parents[int(number)], names[int(number)] = int(parent), name
    found, added = {process_id}, True
    while added:
        added = {child for child, parent in parents.items() if parent in found} - found
        found |= added
    return {number: names[number] for number in found - {process_id} if number in names}


def alive(process_ids: set[int]) -> set[int]:
    """A zombie that nobody has reaped is not alive."""
    living = set()
    for number in process_ids:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            living.add(number)
    return living


@contextmanager
def demo(*arguments: str, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """`gate demo` in a process group of its own, as a terminal would start it."""
    process = subprocess.Popen(
        [GATE, "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if found := re.search(pattern, text):
            return found
    raise AssertionError(text)


@needs_proc
@pytest.mark.timed
def test_the_check_agrees_and_leaves_nothing(tmp_path: Path) -> None:
    seen: dict[int, str] = {}
    with demo("--check", temporary=tmp_path) as process:
        while process.poll() is None:
            seen |= descendants(process.pid)
            time.sleep(0.1)
        output = process.communicate()[0]
    assert process.returncode == 0, output
    assert re.search(r"(\d+) of \1 links did what they should", output)
    assert re.search(r"22 of 22 acts on videos had the answer that they should", output)
    assert re.search(r"23 of 23 acts in the room had the answer that they should", output)
    assert {"ffmpeg", "valkey"} <= {name[:6] for name in seen.values()}
    assert alive(set(seen)) == set()
    assert list(tmp_path.iterdir()) == []


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with demo("--state-dir", str(tmp_path / "s"), temporary=tmp_path) as process:
        page = read_until(process, r"(http://127\.0\.0\.1:\d+)/demo/\n")
        read_until(process, "Ctrl-C ends the demo")
        with urllib.request.urlopen(page[0].strip()) as answer:
            assert answer.status == 200
        started = descendants(process.pid)
        # Two that record, and two that publish into the room by the time they are counted, or not yet.
        names = sorted(name[:6] for name in started.values())
        assert names in [[*["ffmpeg"] * number, "valkey"] for number in (2, 3, 4)]
        began = time.monotonic()
        os.killpg(process.pid, number)
        output = process.communicate(timeout=60)[0]
        assert time.monotonic() - began < 15
    assert process.returncode == 0
    assert "Traceback" not in output
    assert alive(set(started)) == set()
    assert {path.name for path in tmp_path.iterdir()} == {"s"}


@needs_proc
def test_impatience_while_it_starts_leaves_nothing_either(tmp_path: Path) -> None:
    with demo("--check", temporary=tmp_path) as process:
        read_until(process, "Starting")
        seen: dict[int, str] = {}
        while not seen:
            seen = descendants(process.pid)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "Traceback" not in output
    assert alive(set(seen)) == set()
    assert list(tmp_path.iterdir()) == []


def test_urls_are_printed_whole(tmp_path: Path) -> None:
    with demo(temporary=tmp_path) as process:
        found = read_until(process, r"(?m)^http://\S+/cam1/index\.m3u8\?token=(\S+)\n")
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert found[1].count(".") == 2
    assert len(found[0]) > 200


def test_a_wrong_expectation_fails_the_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def misled(sign: Sign, now_s: int) -> tuple[Link, ...]:
        live, file = links(sign, now_s)[:2]
        return replace(live, steps=(Step(Act.OPEN, refusal(Reason.TOKEN_EXPIRED)),)), file

    monkeypatch.setattr(stage_module, "links", misled)
    wide = {"COLUMNS": "150"}
    result = CliRunner().invoke(command, ["--check", "--state-dir", str(tmp_path / "s")], env=wide)
    assert result.exit_code == 1, result.output
    assert re.search(r"DIFFERS . Live stream +. 401 token_expired +. plays \(302, 200, 200\)", result.output)
    assert "2 of 3 links did what they should." in result.output


def test_ports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        held = holder.getsockname()[1]
        assert choose_port(None, held) == 0
        assert choose_port(held, held) == held
    assert choose_port(None, held) == held
    assert choose_port(None, held, taken=held) == 0
