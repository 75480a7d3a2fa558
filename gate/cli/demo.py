"""`gate demo`: a live stream behind the gate, in one command."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import Console

    from gate.demo.check import Finding
    from gate.demo.stage import Stage
    from gate.demo.story import Story

_STARTING: Final = "Starting Valkey, cameras, their origins and the gate ..."
_PORT: Final = 8080
_ADMIN_PORT: Final = 8081
_PARTS: Final = {
    "host": "Admits, mutes and removes.",
    "speaker": "Has a camera, and a say in whether it is on.",
    "guest": "Knocks. Open it beside the host.",
}
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command("demo", short_help="Run a live stream behind the gate, with links to try.")
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help=f"Port for viewers.  [default: {_PORT}]"
)
@click.option(
    "--admin-port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help=f"Port for operators.  [default: {_ADMIN_PORT}]",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep sessions and recordings here; else they are in a temporary directory and go with it.",
)
@click.option(
    "--check",
    "checks",
    is_flag=True,
    help="Walk all links, a video's life and a room, say what came of each, and end.",
)
@click.pass_context
def command(
    context: click.Context, port: int | None, admin_port: int | None, state_dir: Path | None, checks: bool
) -> None:
    """A live stream behind the gate: two test cameras, their origin, an embedded Valkey, a page to watch it on.
    The page also creates, plays, replaces and destroys a video. Others are a room, where a guest knocks and a
    host admits, mutes and removes.

    Prints links and what to expect of each. Ctrl-C ends it, and leaves nothing running.

    With --check it walks the links and does what the pages do with a video and in the room by itself, on free
    ports, and exits 0 only if each had the answer that it should.
    """
    from rich.console import Console

    from gate.demo.stage import Stage

    console = Console()
    with ExitStack() as stack:
        if state_dir is None:
            state_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gate-demo-")))
        if checks:
            stage = Stage(state_dir, port=port or 0, admin_port=admin_port or 0, environ=os.environ)
            status = run(lambda: _check(stage, console), interrupted=130)
        else:
            public = choose_port(port, _PORT, taken=admin_port)
            admin = choose_port(admin_port, _ADMIN_PORT, taken=public)
            stage = Stage(state_dir, port=public, admin_port=admin, environ=os.environ)
            status = run(lambda: _serve(stage, console, port, admin_port), interrupted=0)
    context.exit(status)


def run(work: Callable[[], Coroutine[Any, Any, int]], *, interrupted: int) -> int:
    """What `work` returned; `interrupted` where a signal ended it. It had the time to clean up: a second
    signal does not cut that short."""

    async def main() -> int:
        task = asyncio.create_task(work())
        asked = False

        def end() -> None:
            nonlocal asked
            if not asked:
                asked = True
                task.cancel()

        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, end)
        try:
            return await task
        except asyncio.CancelledError:
            return interrupted

    return asyncio.run(main())


def choose_port(wanted: int | None, usual: int, *, taken: int | None = None) -> int:
    """The wanted port; else the usual one, or 0 (any free one) where something holds that already."""
    from gate.demo.stage import HOST

    if wanted is not None:
        return wanted
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, usual))
        except OSError:
            return 0
    return 0 if usual == taken else usual


async def _serve(stage: Stage, console: Console, port: int | None, admin_port: int | None) -> int:
    console.print(_STARTING, style="dim")
    async with stage:
        for wanted, usual, url in ((port, _PORT, stage.url), (admin_port, _ADMIN_PORT, stage.admin_url)):
            if wanted is None and not url.endswith(f":{usual}"):
                console.print(f"Port {usual} is taken; using {url.rpartition(':')[2]} instead.", style="yellow")
        _print_links(stage, console)
        await stage.wait()
    return 0


async def _check(stage: Stage, console: Console) -> int:
    from gate.demo.check import walk
    from gate.demo.check_room import walk_room
    from gate.demo.check_videos import walk_videos
    from gate.demo.meeting import ORIGIN as TRACKS
    from gate.demo.videos import NAME as VIDEOS

    console.print(_STARTING, style="dim")
    async with stage:
        findings, videos, room = await asyncio.gather(
            walk(stage.links(), stage.url, stage.origin_urls),
            walk_videos(stage.videos, stage.url, stage.origin_urls[VIDEOS]),
            walk_room(stage.meeting, stage.url, stage.origin_urls[TRACKS]),
        )
    return report(findings, {"Video": videos, "Room": room}, console)


def report(findings: Sequence[Finding], told: Mapping[str, Sequence[Story]], console: Console) -> int:
    """What was found, and the stories told of each thing, are printed; 0 if all is as expected, else 1."""
    from rich.table import Table
    from rich.text import Text

    from gate.demo.link import written

    def mark(agrees: bool) -> Text:
        return Text("ok", style="green") if agrees else Text("DIFFERS", style="bold red")

    table = Table("", "Link", "Expected", "Got", title="gate demo --check", title_justify="left")
    for finding in findings:
        expected, got = Text(written(finding.link.steps, "\n")), Text(written(finding.got, "\n"))
        table.add_row(mark(finding.agrees), Text(finding.link.title), expected, got)
    console.print(table)
    for thing, stories in told.items():
        table = Table("", thing, "Answer")
        for story in stories:
            table.add_section()
            table.add_row(mark(story.agrees), Text(story.title, style="bold"), "")
            for deed in story.deeds:
                table.add_row(mark(deed.agrees), Text(deed.words), Text(str(deed)))
        console.print(table)
    right = sum(finding.agrees for finding in findings)
    console.print(f"{right} of {len(findings)} links did what they should.")
    good = right == len(findings)
    for thing, where in (("Video", "on videos"), ("Room", "in the room")):
        deeds = [deed for story in told[thing] for deed in story.deeds]
        right = sum(deed.agrees for deed in deeds)
        console.print(f"{right} of {len(deeds)} acts {where} had the answer that they should.")
        good = good and right == len(deeds)
    return 0 if good else 1


def _print_links(stage: Stage, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from gate.demo.link import written

    links = stage.links()
    table = Table("", "Link", "Expect", title="gate demo", title_justify="left")
    for number, link in enumerate(links, 1):
        table.add_row(Text(f"{number}"), Text(link.title), Text(written(link.steps, "\n")))
    console.print(table)
    console.print("A redirect (302) leads to a session link; then come playlist and segment.\n", style="dim")
    for number, link in enumerate(links, 1):
        _print_url(f"{number:>2} {link.title}", link.words, stage.url + link.path, console)
    _print_url("Page with all links", "Open it in a browser.", stage.page_url, console)
    for part, words in _PARTS.items():
        _print_url(f"Room, as {part}", words, stage.room_urls[part], console)
    _print_url("Metrics", "For operators, on a port of their own.", f"{stage.admin_url}/metrics", console)
    console.print("Links are good for 12 hours. Ctrl-C ends the demo.")


def _print_url(title: str, words: str, url: str, console: Console) -> None:
    """The URL stands on a line of its own, whatever the terminal's width, so that it can be copied whole."""
    from rich.text import Text

    console.print(Text.assemble((title, "bold"), "  ", (words, "dim")))
    console.print(Text(url, style="cyan"), soft_wrap=True)
    console.print()
