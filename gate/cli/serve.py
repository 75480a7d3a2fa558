"""`gate serve`: a gate that runs until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from gate.cli.arguments import config_option
from gate.cli.log import FORMATS, LEVELS, shape_log, start_log
from gate.errors import GateError

if TYPE_CHECKING:
    from gate.config.compile import Config
    from gate.server.node import Node
    from gate.server.source import PolicySource

_log: Final = logging.getLogger("gate")


@click.command(
    epilog="""\b
Examples:
  GATE_SECRET=... GATE_ADMIN_TOKEN=... gate serve --config gate.yaml
  kill -HUP PID      reads the policy again, as a change of its file does; one with a mistake changes nothing
  kill -TERM PID     ends it: running responses may go on for the policy's drain; once more, and it ends at once

Status 0: ended as asked. Status 2: it could not start, and nothing of it is left running.
"""
)
@config_option
@click.option(
    "--log-level",
    "level",
    type=click.Choice(LEVELS),
    default="info",
    help="What is written to stderr from; debug tells of each store call that failed.  [default: info]",
)
@click.option(
    "--log-format",
    "form",
    type=click.Choice(FORMATS),
    help="Lines for people, or a JSON object a line.  [default: the policy's log.format]",
)
@click.option(
    "--watch/--no-watch",
    "watches",
    default=True,
    help="Whether a change of the policy file, or of a file that it names, is read at once.  [default: watch]",
)
def command(config_path: Path, level: str, form: Literal["text", "json"] | None, watches: bool) -> None:
    """Run the gate: tokens are checked, and what they permit is forwarded to the origins.

    A change of the policy file reloads it, and so does SIGHUP; SIGTERM and SIGINT (Ctrl-C) end the gate.
    """
    from gate.server.source import PolicySource

    start_log(level, form or "text")
    source = PolicySource(config_path, os.environ)
    config = source.load()
    shape_log(form or config.log_format)
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(serve(source, config, form, watches=watches))


async def serve(
    source: PolicySource, config: Config, form: Literal["text", "json"] | None = None, *, watches: bool = True
) -> None:
    """The gate has run and ended as asked. Raises GateError where it cannot start, with everything undone.

    `form` is how it logs whatever the policy says. With `watches` a change of the policy's files is a reload.
    """
    from gate.server.node import Node

    node = Node(config)
    ending = asyncio.Event()
    reloads = Reloads(source, node, form)
    node.reread = reloads.read
    for number in (signal.SIGTERM, signal.SIGINT):
        _on(number, partial(_end, ending, number))
    if hasattr(signal, "SIGHUP"):
        _on(signal.SIGHUP, reloads.ask)
    if not await _start(node, ending):
        _log.info("ended before it had started")
        return
    for listener in (node.public, node.admin):
        if listener is not None:
            scheme = "unix:" if listener.port is None else "http://"
            where = f"{listener.name} listener on {scheme}{listener.address}"
            if (form or config.log_format) == "json":
                _log.info("%s", where)
            else:
                click.echo(f"gate: {where}", err=True)
    reloads.begin()
    watch = asyncio.create_task(source.follow(reloads.ask), name="policy watch") if watches else None
    await ending.wait()
    _log.info("draining: running responses have %g s", node.config.drain_s)
    if watch is not None:
        watch.cancel()
        await asyncio.wait([watch])
    await reloads.stop()
    await node.stop()
    _log.info("ended")


class Reloads:
    """Reloads of the policy, one after the other; those asked for meanwhile are one.

    The file is read in a thread: with many rules that takes a while, in which viewers are served.
    """

    def __init__(self, source: PolicySource, node: Node, form: Literal["text", "json"] | None) -> None:
        self._source = source
        self._node = node
        self._form = form
        self._asked = False
        self._begun = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """The policy will be read again, no earlier than now; before `begin`, as soon as that is called."""
        self._asked = True
        if self._begun and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="reload")

    async def read(self) -> None:
        """The policy has been read again, no earlier than this was called."""
        self.ask()
        if self._task is not None:
            await asyncio.wait([self._task])

    def begin(self) -> None:
        """The gate runs: what was asked for is done from here on."""
        self._begun = True
        if self._asked:
            self.ask()

    async def stop(self) -> None:
        """No reload runs any more."""
        self._begun = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._asked:
            self._asked = False
            try:
                config = await asyncio.to_thread(self._source.load)
            except GateError as error:
                self._node.reload(partial(_refuse, error))
            else:
                self._node.reload(partial(_give, config))
                shape_log(self._form or config.log_format)


async def _start(node: Node, ending: asyncio.Event) -> bool:
    """The gate serves; False where it was told to end first, and has. Raises GateError."""
    starting = asyncio.create_task(node.start(), name="start")
    told = asyncio.create_task(ending.wait(), name="told to end")
    await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    starting.cancel()
    try:
        await starting
    except asyncio.CancelledError:
        return False
    return True


def _end(ending: asyncio.Event, number: int) -> None:
    """The gate ends; told a second time, at once, and the embedded store with it."""
    if not ending.is_set():
        ending.set()
        return
    _log.warning("told twice: quitting at once")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _on(number: int, call: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(number, call)
    except NotImplementedError:  # Windows
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _give(config: Config) -> Config:
    return config


def _refuse(error: GateError) -> Config:
    raise error
