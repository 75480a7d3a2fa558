"""The client against real servers that are well, unfit, silent, stopped or gone: two kinds of errors, soon."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
import pytest_asyncio

from gate.errors import StoreError, StoreUnavailable
from gate.store.breaker import PAUSE_S
from gate.store.client import CALL_TIMEOUT_S, Client
from gate.store.embedded import EmbeddedValkey

# What is promised is a third of a second; this machine may be busy with something else as well, or stand still.
# Left to itself the library would take a minute.
SOON_S = 10.0


@pytest_asyncio.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A server that a test may bend or stop."""
    async with EmbeddedValkey(tmp_path / "own") as server:
        yield server


MakeClient = Callable[..., Client]
FakeServer = Callable[[bytes], Awaitable[str]]


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[MakeClient]:
    """Makes clients that are closed after the test; patient ones, unless it is their patience that is tried."""
    async with AsyncExitStack() as stack:

        def make(url: str, **options: float) -> Client:
            client = Client(url, **{"timeout_s": 5.0, **options})  # type: ignore[arg-type]
            stack.push_async_callback(client.close)
            return client

        yield make


async def fault(call: Awaitable[object]) -> tuple[StoreError, float]:
    """The error of a call, and the seconds that it took."""
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        await call
    return caught.value, time.monotonic() - started


class TestCheck:
    async def test_a_fit_server_passes(self, own_server: EmbeddedValkey, connect: MakeClient) -> None:
        assert await connect(own_server.url).check() == []

    async def test_one_without_an_append_only_file_is_warned_of(
        self, own_server: EmbeddedValkey, connect: MakeClient
    ) -> None:
        client = connect(own_server.url)
        await client.call("CONFIG", "SET", "appendonly", "no")
        (warning,) = await client.check()
        assert "append-only file" in warning

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-random"])
    async def test_one_that_may_evict_is_refused(
        self, own_server: EmbeddedValkey, connect: MakeClient, policy: str
    ) -> None:
        client = connect(own_server.url)
        await client.call("CONFIG", "SET", "maxmemory-policy", policy)
        error, _ = await fault(client.check())
        assert not isinstance(error, StoreUnavailable)
        assert f"maxmemory-policy {policy}" in str(error)

    async def test_a_replica_is_refused(self, own_server: EmbeddedValkey, connect: MakeClient) -> None:
        client = connect(own_server.url)
        await client.call("REPLICAOF", "127.0.0.1", 1)
        error, _ = await fault(client.check())
        assert not isinstance(error, StoreUnavailable)
        assert "replica" in str(error)
        # A primary that became one says so at the next write.
        error, _ = await fault(client.call("SET", "x", 1))
        assert isinstance(error, StoreUnavailable)
        await client.call("REPLICAOF", "NO", "ONE")

    async def test_one_that_is_full_is_an_outage(self, own_server: EmbeddedValkey, connect: MakeClient) -> None:
        client = connect(own_server.url)
        await client.call("CONFIG", "SET", "maxmemory", 1)
        limits = [1, 1, 0, 0, 1000, 1000, 1000, "reject", 250]
        commit = client.script("commit", list("abcdefg"), ["session", "client", *limits, "call", "", "[]", 0])
        for call in (client.call("SET", "x", 1), commit):
            error, _ = await fault(call)
            assert isinstance(error, StoreUnavailable)
            assert "OOM" in str(error)
        assert await client.call("DBSIZE") == 0

    async def test_an_old_server_is_refused(self, fake: FakeServer, connect: MakeClient) -> None:
        body = b"# Server\r\nredis_version:6.2.14\r\nrole:master\r\n"
        url = await fake(b"$%d\r\n%s\r\n" % (len(body), body))
        error, _ = await fault(connect(url).check())
        assert "6.2.14" in str(error)
        assert "7.0" in str(error)


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeServer]:
    """Starts a server that greets as a real one does and has one answer to all else. For answers only that no
    server here can be brought to give."""
    servers = []

    async def answer(reply: bytes) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while (head := await reader.readline()).startswith(b"*"):
                    words = []
                    for _ in range(int(head[1:])):
                        size = int((await reader.readline())[1:])
                        words.append((await reader.readexactly(size + 2))[:-2])
                    greeting = {b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n", b"CLIENT": b"+OK\r\n"}
                    writer.write(greeting.get(words[0], reply))
            finally:
                writer.close()

        servers.append(server := await asyncio.start_server(serve, "127.0.0.1", 0))
        return f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield answer
    for server in servers:
        server.close()


class TestAnswers:
    @pytest.mark.parametrize(
        "code",
        [
            *("LOADING the dataset", "READONLY replica", "OOM command", "MISCONF errors", "TRYAGAIN keys"),
            *("CLUSTERDOWN hash slot", "MASTERDOWN link", "NOREPLICAS not enough", "BUSY script"),
            "ERR max number of clients reached",
        ],
    )
    async def test_a_server_that_cannot_serve_now_is_an_outage(
        self, fake: FakeServer, connect: MakeClient, code: str
    ) -> None:
        client = connect(await fake(f"-{code}\r\n".encode()))
        for call in (client.call("GET", "x"), client.script("close", ["a", "b", "c", "e"], ["d"])):
            error, took_s = await fault(call)
            assert isinstance(error, StoreUnavailable)
            assert code in str(error)
            assert took_s < SOON_S

    @pytest.mark.parametrize(
        "answer", ["-ERR unknown command", "-MOVED 1 127.0.0.1:1", "-CROSSSLOT keys", "garbage"]
    )
    async def test_any_other_refusal_is_a_fault(
        self, fake: FakeServer, connect: MakeClient, answer: str
    ) -> None:
        error, _ = await fault(connect(await fake(f"{answer}\r\n".encode())).call("GET", "x"))
        assert not isinstance(error, StoreUnavailable)
        assert "\n" not in str(error)

    async def test_a_script_that_the_server_does_not_know_is_sent_again(
        self, store_url: str, connect: MakeClient
    ) -> None:
        client = connect(store_url, timeout_s=5)
        for _ in range(2):
            assert await client.script("close", ["s", "o", "l", "i"], ["x"]) == 0
            await client.call("SCRIPT", "FLUSH")


class TestOutages:
    async def test_nobody_listens(self, connect: MakeClient, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            for url in (f"redis://127.0.0.1:{taken.getsockname()[1]}", f"unix://{tmp_path}/none.sock"):
                error, took_s = await fault(connect(url).call("PING"))
                assert isinstance(error, StoreUnavailable)
                assert took_s < SOON_S

    async def test_nobody_answers(self, connect: MakeClient) -> None:
        """The kernel takes the connections, and no process ever reads from them."""
        with socket.create_server(("127.0.0.1", 0), backlog=200) as hole:
            client = connect(
                f"redis://127.0.0.1:{hole.getsockname()[1]}", timeout_s=CALL_TIMEOUT_S, connections=8
            )
            error, took_s = await fault(client.call("PING"))
            assert isinstance(error, StoreUnavailable)
            assert CALL_TIMEOUT_S < took_s < SOON_S
            # Those who wait for a connection do not wait for longer, however many they are.
            started = time.monotonic()
            answers = await asyncio.gather(
                *(client.script("close", ["a", "b", "c", "e"], ["d"]) for _ in range(1000)),
                return_exceptions=True,
            )
            assert all(isinstance(answer, StoreUnavailable) for answer in answers)
            assert time.monotonic() - started < SOON_S

    @pytest.mark.timed
    async def test_the_server_hangs_and_comes_back(
        self, own_server: EmbeddedValkey, connect: MakeClient
    ) -> None:
        client = connect(own_server.url, timeout_s=CALL_TIMEOUT_S, connections=4)
        await asyncio.gather(*(client.call("SET", f"x{n}", n) for n in range(4)))
        assert own_server.pid is not None
        os.kill(own_server.pid, signal.SIGSTOP)
        try:
            for n in range(3):
                error, took_s = await fault(client.call("GET", f"x{n}"))
                assert isinstance(error, StoreUnavailable)
                assert took_s < SOON_S
        finally:
            os.kill(own_server.pid, signal.SIGCONT)
        # The late answers belong to nobody.
        await asyncio.sleep(PAUSE_S + 0.05)
        await client.call("PING")
        await assert_own_answers(client, 200)

    async def test_the_server_dies_and_comes_back(
        self, own_server: EmbeddedValkey, connect: MakeClient
    ) -> None:
        client = connect(own_server.url)
        await client.call("SET", "x", 1)
        assert own_server.pid is not None
        os.kill(own_server.pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            seen = 0
            while True:
                try:
                    assert await client.call("GET", "x") == b"1"
                except StoreUnavailable:
                    seen += 1
                    await asyncio.sleep(0.01)
                else:
                    if seen:
                        break

    async def test_the_connection_breaks_within_an_answer(self, fake: FakeServer, connect: MakeClient) -> None:
        error, took_s = await fault(connect(await fake(b"$5\r\nab"), timeout_s=CALL_TIMEOUT_S).call("GET", "x"))
        assert isinstance(error, StoreUnavailable)
        assert took_s < SOON_S


async def assert_own_answers(client: Client, calls: int) -> None:
    """Each call gets the answer to its own question."""

    async def one(n: int) -> None:
        assert await client.call("ECHO", f"question {n}") == f"question {n}".encode()

    for at in range(0, calls, 20):
        await asyncio.gather(*(one(n) for n in range(at, min(at + 20, calls))))


class TestPool:
    async def test_more_callers_than_connections_wait(self, store_url: str, connect: MakeClient) -> None:
        client = connect(store_url, timeout_s=5, connections=3)
        await asyncio.gather(*(assert_own_answers(client, 2) for _ in range(300)))

    @pytest.mark.parametrize("connections", [1, 5, 64])
    async def test_a_call_that_is_given_up_leaves_nothing_behind(
        self, store_url: str, connect: MakeClient, connections: int
    ) -> None:
        """Neither its answer to the next caller, nor a connection that is nobody's."""
        client = connect(store_url, timeout_s=5, connections=connections)
        dice = random.Random(connections)
        loop = asyncio.get_running_loop()
        for _ in range(20):
            tasks = [asyncio.create_task(assert_own_answers(client, 20)) for _ in range(10)]
            tasks += [
                asyncio.create_task(client.script("close", ["a", "b", "c", "e"], ["d"])) for _ in range(10)
            ]
            for task in tasks:
                if dice.random() < 0.8:
                    loop.call_later(dice.random() * 0.02, task.cancel)
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert outcome is None or outcome == 0 or isinstance(outcome, asyncio.CancelledError), outcome
        await assert_own_answers(client, 1000)

    async def test_a_task_that_asks_without_end_can_be_cancelled(
        self, store_url: str, connect: MakeClient
    ) -> None:
        """At whatever point of a call it is hit."""
        client = connect(store_url, timeout_s=5)
        dice = random.Random(0)

        async def ask_on() -> None:
            while True:
                await client.call("ECHO", "x")

        for _ in range(20):
            tasks = [asyncio.create_task(ask_on()) for _ in range(20)]
            for task in tasks:
                asyncio.get_running_loop().call_later(dice.random() * 0.02, task.cancel)
            done, left = await asyncio.wait(tasks, timeout=20)
            for task in left:
                task.cancel()
            assert not left
            assert all(task.cancelled() for task in done)

    async def test_a_call_that_is_given_up_while_it_connects_gives_its_place_back(
        self, connect: MakeClient
    ) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=200) as hole:
            client = connect(
                f"redis://127.0.0.1:{hole.getsockname()[1]}", timeout_s=CALL_TIMEOUT_S, connections=1
            )
            for _ in range(5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await client.call("PING")
            error, _ = await fault(client.call("PING"))
            assert "no connection is free" not in str(error)


PASSWORD = "s3cret/of?the#store@"


@asynccontextmanager
async def with_password(server: EmbeddedValkey) -> AsyncIterator[None]:
    client = Client(server.url, timeout_s=5)
    await client.call("CONFIG", "SET", "requirepass", PASSWORD)
    await client.close()
    yield


class TestSecrets:
    async def test_the_password_lets_in_and_is_not_named(
        self, own_server: EmbeddedValkey, connect: MakeClient, tmp_path: Path
    ) -> None:
        path = unquote(urlsplit(own_server.url).path)
        async with with_password(own_server):
            client = connect(f"unix://:{quote(PASSWORD, safe='')}@{path}")
            assert client.name == f"unix://{path}"
            assert await client.call("PING") in (b"PONG", True)
            for user_and_password in (":wr0ng", "nobody:wr0ng", ""):
                client = connect(f"unix://{user_and_password}@{path}", connections=2)
                for _ in range(5):  # a refused connection is given back
                    error, took_s = await fault(client.call("PING"))
                    assert not isinstance(error, StoreUnavailable)
                    assert "wr0ng" not in str(error)
                    assert client.name in str(error)
                    assert took_s < SOON_S

    async def test_a_server_that_repeats_the_password_does_not_get_it_printed(
        self, fake: FakeServer, connect: MakeClient
    ) -> None:
        """As one does that does not know the greeting that the password is in."""
        said = f"-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' '{PASSWORD}'\r\n"
        url = (await fake(said.encode())).replace("//", f"//:{quote(PASSWORD, safe='')}@")
        error, _ = await fault(connect(url).call("GET", "x"))
        assert PASSWORD not in str(error)
        assert "***" in str(error)

    @pytest.mark.parametrize(
        "url",
        [
            "redis://:s3cr/et@host:6379",
            "redis://:s3cr?et@host:6379",
            "redis://:s3cr#et@host:6379",
            "redis://:123/s3cret@host:6379/0",
            "redis://:123?s3cret@host:6379/0",
            "redis://:123#s3cret@host:6379/0",
            "redis://s3cret?s3cret@host:6379/0",
            "redis://host:6379/s3cret",
            "redis://host:s3cret/0",
            "redis://[s3cret/0",
            "redis://host/0?socket_timeout=s3cret",
            "redis://host/0?socket_timeout=5",
            "redis://host/0?s3cret=1",
            "redis://host/0?decode_responses=1",
            "redis://host/0?ssl_certfile=s3cret",
            "unix://:s3/cret@/run/valkey.sock",
            "unix://s3cret/run/valkey.sock",
            "unix://host:s3cret/x",
            "unix://",
            "http://:s3cret@host",
            "s3cret",
            "",
        ],
    )
    def test_a_url_that_cannot_be_read_is_refused_unseen(self, url: str) -> None:
        with pytest.raises(StoreError) as caught:
            Client(url)
        text = str(caught.value)
        assert "s3" not in text
        assert "cret" not in text
        assert "\n" not in text
        assert not isinstance(caught.value, StoreUnavailable)

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("redis://u:p%2Fw@valkey.example:6380/2", "redis://valkey.example:6380/2"),
            ("redis://u:pw@[::1]:6380", "redis://[::1]:6380"),
            ("redis://host?db=3&username=u&password=pw", "redis://host"),
            ("redis://", "redis://localhost"),
            ("rediss://u:pw@host/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem", "rediss://host/0"),
            ("unix:///run/valkey.sock?password=pw&db=1", "unix:///run/valkey.sock"),
            ("unix://u:pw@/run/valkey.sock", "unix:///run/valkey.sock"),
        ],
    )
    async def test_a_good_url_is_named_without_its_secrets(
        self, connect: MakeClient, url: str, name: str
    ) -> None:
        assert connect(url).name == name
