"""Real processes: what operators and service managers do to a gate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

GATE = str(Path(sys.executable).with_name("gate"))
READY = re.compile(r"gate: (\w+) listener on http://127\.0\.0\.1:(\d+)\n")


@dataclass
class Served:
    """A `gate serve` of its own process."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return self.log.read_text("utf-8")

    def ports(self) -> dict[str, int]:
        return {name: int(port) for name, port in READY.findall(self.text())}

    async def says(self, text: str) -> None:
        """The log holds `text`."""
        await self.until(lambda: text in self.text())

    async def until(self, holds) -> None:
        try:
            async with asyncio.timeout(40):
                async for _ in _moments():
                    if holds():
                        return
        except TimeoutError:
            pytest.fail(f"not in time; the log:\n{self.text()}")

    async def ended(self, timeout_s: float = 40) -> int:
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


async def _moments():
    """A hundred times a second: another process can only be looked at."""
    while True:
        yield
        await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def launch(tmp_path):
    """Starts `gate serve` on a file, and waits until it serves or has ended."""
    started: list[Served] = []

    async def start(path: Path, *arguments: str, environ=None, ready: bool = True) -> Served:
        log = tmp_path / f"serve{len(started)}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(GATE, "serve", "--config", str(path), *arguments),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=output,
                env={**os.environ, **(environ or {})},
            )
        served = Served(process, log)
        started.append(served)
        if ready:
            await served.until(lambda: len(served.ports()) == 2 or process.returncode is not None)
        return served

    yield start
    for served in started:
        if served.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                served.process.terminate()
            try:
                await served.ended()
            except TimeoutError:
                served.process.kill()
                await served.process.wait()


@pytest.fixture
def document(store_url):
    """The top-level keys of a policy on free ports and the tests' store."""
    return {"listen": "127.0.0.1:0", "admin": {"listen": "127.0.0.1:0"}, "store": store_url, "drain": "5s"}


async def hello(request):
    return web.Response(body=b"#EXTM3U\n", headers={"Content-Type": "application/vnd.apple.mpegurl"})


def servers_on(folder: Path) -> list[int]:
    """The processes that have a file below `folder` open or work in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                places = [os.readlink(entry / "cwd"), *(os.readlink(link) for link in (entry / "fd").iterdir())]
                if any(place.startswith(f"{folder}/state") for place in places):
                    found.append(int(entry.name))
    return found


async def test_it_says_where_it_listens_and_ends_on_sigterm(launch, write_policy, document, http):
    served = await launch(write_policy(**document))
    ports = served.ports()
    assert set(ports) == {"public", "admin"}
    async with http.get(f"http://127.0.0.1:{ports['admin']}/readyz") as answer:
        assert await answer.text() == "ready\n"
    async with http.get(f"http://127.0.0.1:{ports['public']}/cam1/index.m3u8") as answer:
        assert answer.status == 401
    served.process.terminate()
    assert await served.ended() == 0
    assert served.text().splitlines()[-1].endswith(" INFO gate ended")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", ports["public"])


async def test_lines_of_the_log_are_time_level_logger_message(launch, write_policy, document, http):
    served = await launch(write_policy(**document))
    async with http.get(f"http://127.0.0.1:{served.ports()['public']}/cam1/index.m3u8"):
        pass
    await served.says("token_missing")
    line = next(line for line in served.text().splitlines() if "token_missing" in line)
    assert re.match(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO gate\.access [0-9a-f]{16}: 127\.0\.0\.1 GET /", line
    )


async def test_a_running_response_may_end_before_the_gate_does(
    launch, write_policy, document, start_origin, http
):
    go_on = asyncio.Event()

    async def slow(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begin")
        await go_on.wait()
        await response.write(b" end")
        return response

    url, _ = await start_origin(slow)
    served = await launch(write_policy(**document, origins={"origin": {"url": url}}))
    async with http.get(f"http://127.0.0.1:{served.ports()['public']}/public/x") as answer:
        assert await answer.content.readexactly(5) == b"begin"
        served.process.send_signal(signal.SIGINT)
        await served.says("draining")
        assert served.process.returncode is None
        go_on.set()
        assert await answer.content.read() == b" end"
    assert await served.ended() == 0


async def test_a_second_signal_ends_it_at_once_and_the_embedded_store_too(
    launch, write_policy, document, start_origin, http, tmp_path
):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begin")
        await asyncio.sleep(30)
        return response

    url, _ = await start_origin(endless)
    document = {**document, "store": "embedded", "drain": "60s"}
    served = await launch(write_policy(**document, origins={"origin": {"url": url}}))
    assert servers_on(tmp_path)
    async with http.get(f"http://127.0.0.1:{served.ports()['public']}/public/x") as answer:
        assert await answer.content.readexactly(5) == b"begin"
        served.process.terminate()
        await served.says("draining")
        began = time.monotonic()
        served.process.terminate()
        assert await served.ended() == -signal.SIGTERM
        assert time.monotonic() - began < 20
    assert "quitting at once" in served.text()
    await served.until(lambda: not servers_on(tmp_path))


async def test_sighup_puts_the_new_policy_in_force(launch, write_policy, document, start_origin, http):
    url, _ = await start_origin(hello)
    path = write_policy(**document, origins={"origin": {"url": url}})
    served = await launch(path, "--no-watch")
    page = URL(f"http://127.0.0.1:{served.ports()['public']}/news/index.m3u8")
    async with http.get(page) as answer:
        assert answer.status == 401
    write_policy(
        **document, origins={"origin": {"url": url}}, streams=[{"match": "/news/**", "access": "public"}]
    )
    served.process.send_signal(signal.SIGHUP)
    await served.says(" in force after ")
    async with http.get(page) as answer:
        assert answer.status == 200
    assert served.process.returncode is None


async def test_a_bad_policy_changes_nothing_and_is_said(launch, write_policy, document, start_origin, http):
    url, _ = await start_origin(hello)
    path = write_policy(**document, origins={"origin": {"url": url}})
    served = await launch(path, "--no-watch")
    write_policy(
        **document, origins={"origin": {"url": url}}, streams=[{"match": "x"}, {"match": "/**"}], colour=1
    )
    served.process.send_signal(signal.SIGHUP)
    await served.says("colour: unknown key")
    errors = [line for line in served.text().splitlines() if " ERROR gate policy not reloaded: " in line]
    assert len(errors) == 2
    path.unlink()
    served.process.send_signal(signal.SIGHUP)
    await served.says("cannot read the file")
    async with http.get(f"http://127.0.0.1:{served.ports()['public']}/public/x") as answer:
        assert answer.status == 200
    async with http.get(f"http://127.0.0.1:{served.ports()['admin']}/metrics") as answer:
        assert 'gate_reloads_total{outcome="refused"} 2.0' in await answer.text()


async def test_many_signals_are_few_reloads(launch, write_policy, document):
    served = await launch(write_policy(**document))
    for _ in range(50):
        served.process.send_signal(signal.SIGHUP)
    await served.says(" in force after ")
    served.process.terminate()
    assert await served.ended() == 0
    assert 1 <= served.text().count(" in force after ") < 50


@pytest.mark.parametrize("which", ["public", "admin"])
async def test_a_port_in_use_is_one_line_and_nothing_is_left(launch, write_policy, document, tmp_path, which):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        document["store"] = "embedded"
        if which == "public":
            document["listen"] = where
        else:
            document["admin"] = {"listen": where}
        served = await launch(write_policy(**document))
        assert await served.ended() == 2
    assert served.text() == f"gate: cannot listen on {where}: address already in use\n"
    assert not servers_on(tmp_path)


@pytest.mark.parametrize("kind", ["redis://:hunter2@127.0.0.1:{}/0", "unix://{}/nothing.sock"])
async def test_a_store_out_of_reach_is_one_line(launch, write_policy, document, tmp_path, kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        document["store"] = kind.format(free.getsockname()[1] if "redis" in kind else tmp_path)
        served = await launch(write_policy(**document))
        assert await served.ended() == 2
    assert served.text().startswith("gate: the store at ")
    assert served.text().count("\n") == 1
    assert "hunter2" not in served.text()


async def test_a_missing_secret_is_one_line(launch, tmp_path):
    path = tmp_path / "gate.yaml"
    path.write_text(
        "origins: {o: {url: 'http://127.0.0.1:9'}}\n"
        "applications: {demo: {keys: [{kid: k1, secret: !env GATE_NO_SUCH_SECRET}]}}\n"
    )
    served = await launch(path)
    assert await served.ended() == 2
    assert served.text() == (
        f"gate: {path}:2:48: applications.demo.keys[0].secret: "
        "the environment variable GATE_NO_SUCH_SECRET is not set\n"
    )


async def test_embedded_starts_and_leaves_no_process(launch, write_policy, document, tmp_path):
    document["store"] = "embedded"
    served = await launch(write_policy(**document))
    assert len(servers_on(tmp_path)) >= 2
    served.process.terminate()
    assert await served.ended() == 0
    assert servers_on(tmp_path) == []


async def test_told_to_end_while_it_starts_it_leaves_nothing(launch, write_policy, document, tmp_path):
    document["store"] = "embedded"
    path = write_policy(**document)
    served = await launch(path, ready=False)
    # From here on its handlers stand: the data directory is made after them.
    await served.until(lambda: (tmp_path / "state").exists())
    served.process.terminate()
    assert await served.ended() == 0
    assert served.text().endswith((" INFO gate ended before it had started\n", " INFO gate ended\n"))
    assert servers_on(tmp_path) == []


async def test_no_token_is_in_the_log(launch, write_policy, document, start_origin, http, send_raw, sign):
    url, _ = await start_origin(hello)
    path = write_policy(**document, origins={"origin": {"url": url}})
    served = await launch(path, "--log-level", "debug")
    port = served.ports()["public"]
    good, limited = sign(), sign(session_limit=1, jti="t2")
    bad, late = good[:-3] + "AAA", sign(exp=1000, iat=900, jti="t3")
    async with http.get(
        URL(f"http://127.0.0.1:{port}/cam1/index.m3u8?token={limited}", encoded=True), allow_redirects=False
    ) as answer:
        assert answer.status == 302
        link = answer.headers["Location"]
    ticket = link.split("/")[2]
    targets = [
        *(f"/cam1/index.m3u8?token={token}" for token in (good, bad, late, "nonsense-token", good + "&x=%zz")),
        *(f"/cam1/index.m3u8?token={good}&token={bad}", f"/cam2/index.m3u8?token={good}"),
        *(f"/cam1/../index.m3u8?token={good}", f"//cam1?token={good}", f"/cam1\\x?token={good}", f"/{good}"),
        *(
            f"http://evil/cam1?token={good}",
            f"http://xn--\xff/?token={good}",
            f"*?token={good}",
            f"?token={good}",
        ),
        *(link, f"/_s/{ticket}x/cam1/index.m3u8", f"/_s/{ticket}{link}", f"/_s/{ticket}"),
        *(f"/cam1/index.m3u8?token={good}#{good}", f"/cam1/index.m3u8?token={good} {good}", f"/\x00{good}"),
    ]
    heads = [
        *(f"GET {target} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n" for target in targets),
        f"GET /cam1/x HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {good}\r\nConnection: close\r\n\r\n",
        f"GET /cam1/index.m3u8 HTTP/1.1\r\nHost: {good}\r\nX: \x01{good}\r\n\r\n",
        f"{good} /cam1 HTTP/1.1\r\nHost: gate\r\n\r\n",
        f"POST /cam1/x?token={good} HTTP/1.1\r\nHost: gate\r\nContent-Length: zz\r\n\r\n{good}",
        f"POST /cam1/x?token={good} HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n{good}\r\n",
        f"GET /cam1/index.m3u8?token={good * 200} HTTP/1.1\r\nHost: gate\r\n\r\n",
        f"{good}\r\n\r\n",
    ]
    answers = await asyncio.gather(*(send_raw(port, head.encode("latin-1")) for head in heads))
    assert sum(answer.startswith(b"HTTP/1.1 ") for answer in answers) >= len(heads) - 2
    served.process.terminate()
    assert await served.ended() == 0
    log = served.text()
    assert "token_signature" in log
    assert "Traceback" not in log
    for token in (good, limited, bad, late):
        assert token not in log
        assert token.split(".")[2] not in log
        assert token.split(".")[1] not in log
    assert "nonsense-token" not in log
    assert ticket not in log
    # What is left where one was taken out is a path that it had no place in: nothing else wrote a credential.
    lines = [line for line in log.splitlines() if "[credential]" in line]
    assert len(lines) == len([line for line in lines if re.search(r" GET /\S*\[credential\]", line)]) > 0


async def test_the_log_for_programs_is_json_in_every_line(launch, write_policy, document, start_origin, http):
    url, _ = await start_origin(hello)
    path = write_policy(**document, origins={"origin": {"url": url}}, log={"format": "json", "access": True})
    served = await launch(path, ready=False)
    await served.says("public listener on")
    port = int(re.search(r"public listener on http://127\.0\.0\.1:(\d+)", served.text())[1])
    async with http.get(f"http://127.0.0.1:{port}/public/x?token=opaque"):
        pass
    await served.says("gate.access")
    served.process.terminate()
    assert await served.ended() == 0
    lines = [json.loads(line) for line in served.text().splitlines()]
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", line["time"]) for line in lines)
    (access,) = [line for line in lines if line["logger"] == "gate.access"]
    assert (access["path"], access["status"]) == ("/public/x?token=[token]", 200)
    assert {"time", "level", "logger", "message"} == set(lines[-1])


async def test_the_command_line_s_format_goes_before_the_policy_s(launch, write_policy, document):
    served = await launch(write_policy(**document, log={"format": "json"}), "--log-format", "text")
    assert set(served.ports()) == {"public", "admin"}


async def test_a_change_of_the_file_is_a_reload(launch, write_policy, document, start_origin, http):
    url, _ = await start_origin(hello)
    document["origins"] = {"origin": {"url": url}}
    path = write_policy(**document)
    served = await launch(path)
    ports = served.ports()
    page, admin = (
        URL(f"http://127.0.0.1:{ports['public']}/news/index.m3u8"),
        f"http://127.0.0.1:{ports['admin']}",
    )

    async def get(url):
        async with http.get(url) as answer:
            return answer.status, await answer.text()

    assert (await get(page))[0] == 401
    write_policy(**document, streams=[{"match": "/news/**", "access": "public"}])
    await served.says(" in force after ")
    assert (await get(page))[0] == 200
    assert "gate_config_reload_success 1.0" in (await get(f"{admin}/metrics"))[1]

    write_policy(**document, colour=1)
    await served.says("policy not reloaded: ")
    assert (await get(page))[0] == 200
    assert "gate_config_reload_success 0.0" in (await get(f"{admin}/metrics"))[1]
    status, text = await get(f"{admin}/readyz")
    assert status == 200
    assert re.fullmatch(
        r"ready; an older policy is in force: at [\d-]{10}T[\d:]{8}Z the file was refused: "
        rf"{re.escape(str(path))}:\d+:\d+: colour: unknown key.*\n",
        text,
    )

    write_policy(**document)
    await served.until(lambda: served.text().count(" in force after ") == 2)
    assert (await get(f"{admin}/readyz"))[1] == "ready\n"
    page_metrics = (await get(f"{admin}/metrics"))[1]
    assert "gate_config_reload_success 1.0" in page_metrics
    assert len(re.findall(r"^gate_policy_info\{", page_metrics, re.MULTILINE)) == 1
    since = float(re.search(r"(?m)^gate_config_reload_success_timestamp_seconds (\S+)", page_metrics)[1])
    assert abs(since - time.time()) < 60


async def test_reloads_of_a_thousand_rules_refuse_nobody(launch, write_policy, document, start_origin, http):
    url, _ = await start_origin(hello)

    def rules(number):
        many = [{"match": f"/other{at}/**", "access": "none"} for at in range(1000)]
        return [*many, {"match": "/news/**", "access": "public", "live_edge": f"{60 + number}s"}]

    document["origins"] = {"origin": {"url": url}}
    served = await launch(write_policy(**document, streams=rules(0)))
    page = URL(f"http://127.0.0.1:{served.ports()['public']}/news/index.m3u8")
    statuses = []
    done = asyncio.Event()

    async def watch():
        while not done.is_set():
            async with http.get(page) as answer:
                statuses.append((answer.status, await answer.read()))

    viewers = [asyncio.create_task(watch()) for _ in range(8)]
    for number in range(1, 5):
        await asyncio.to_thread(write_policy, **document, streams=rules(number))
        await served.until(lambda number=number: served.text().count(" in force after ") >= number)
    done.set()
    await asyncio.gather(*viewers)
    assert set(statuses) == {(200, b"#EXTM3U\n")}
    assert len(statuses) > 100
    assert "not reloaded" not in served.text()
