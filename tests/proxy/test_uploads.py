"""Request bodies: streamed as they come, framed as they came, and never more of them than is allowed."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

CREATES = {"create": {"all": True}, "update": {"all": True}}
PATH = "/files/a/video.mp4"


async def writer(open_session: Any, gate: Any, **claims: Any) -> str:
    """The link of a session that may write."""
    return str(await open_session(gate, gate.token(grants=CREATES, **claims)))


async def pieces(*texts: bytes, pause_s: float = 0) -> AsyncIterator[bytes]:
    for text in texts:
        yield text
        await asyncio.sleep(pause_s)


def head_of(link: str, *fields: str, method: str = "PUT") -> bytes:
    lines = [f"{method} {link}{PATH} HTTP/1.1", "Host: h", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)


class Raw:
    """An origin that notes every byte that it is sent, and answers each request with what `script` does."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.ended = asyncio.Event()

    async def swallow(self, reader: asyncio.StreamReader) -> None:
        """Notes all that comes until the gate closes."""
        try:
            while piece := await reader.read(65536):
                self.got[-1] += piece
        finally:
            self.ended.set()


class TestFraming:
    @pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
    @pytest.mark.parametrize("chunked", [True, False])
    async def test_it_arrives_as_it_was_sent(
        self,
        start_writable: Any,
        start_raw_origin: Any,
        open_session: Any,
        send_raw: Any,
        method: str,
        chunked: bool,
    ) -> None:
        raw = Raw()

        async def script(head: bytes, reader: Any, wire: Any) -> None:
            raw.got.append(head)
            end = b"0\r\n\r\n" if chunked else b"hello, world"
            raw.got[-1] += await reader.readuntil(end)
            wire.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")

        gate = await start_writable(await start_raw_origin(script))
        link = await writer(open_session, gate)
        if chunked:
            request = head_of(link, "Transfer-Encoding: chunked", "Content-Type: a/b", method=method)
            request += b"5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n"
        else:
            request = head_of(link, "Content-Length: 12", "Content-Type: a/b", method=method) + b"hello, world"
        answer = await send_raw(gate.port, request.replace(b"Host: h", b"Host: h\r\nConnection: close"))
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert answer.endswith(b"ok")
        (got,) = raw.got
        head, _, body = got.partition(b"\r\n\r\n")
        lower = head.lower()
        assert head.startswith(f"{method} {PATH} HTTP/1.1\r\n".encode())
        assert b"content-type: a/b" in lower
        assert (b"transfer-encoding: chunked" in lower) == chunked
        assert (b"content-length: 12" in lower) != chunked
        assert b"".join(body.split(b"\r\n")[1::2]) == b"hello, world" if chunked else body == b"hello, world"

    async def test_an_empty_body_is_one_of_no_bytes(
        self, start_writable: Any, objects: Any, ask: Any, open_session: Any
    ) -> None:
        gate = await start_writable(objects.url)
        link = await writer(open_session, gate)
        assert (await ask(gate, link + PATH, "PUT", data=b"")).status == 201
        assert (objects.kept[PATH], objects.seen[-1].headers["Content-Length"]) == (b"", "0")
        assert (await ask(gate, link + PATH, "PUT", data=pieces())).status == 204

    async def test_all_bytes_arrive_and_no_other(
        self, start_writable: Any, start_origin: Any, ask: Any, open_session: Any
    ) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            seen = hashlib.sha256()
            async for chunk in request.content.iter_any():
                seen.update(chunk)
            return web.Response(text=seen.hexdigest())

        gate = await start_writable((await start_origin(serve))[0])
        link = await writer(open_session, gate)
        texts = [bytes([at]) * (at * 997) for at in range(200)]
        whole = b"".join(texts)
        for body in (io.BytesIO(whole), pieces(*texts)):
            got = await ask(gate, link + PATH, "PUT", data=body)
            assert got.body.decode() == hashlib.sha256(whole).hexdigest()


class TestLeaveToSend:
    async def test_it_is_given_when_the_origin_is_there(
        self, start_writable: Any, objects: Any, open_session: Any
    ) -> None:
        gate = await start_writable(objects.url)
        link = await writer(open_session, gate)
        reader, wire = await asyncio.open_connection("127.0.0.1", gate.port)
        for _ in range(2):
            wire.write(head_of(link, "Content-Length: 5", "Expect: 100-continue"))
            assert await read_head(reader) == b"HTTP/1.1 100 Continue\r\n\r\n"
            wire.write(b"hello")
            assert (await read_head(reader)).split()[1] in (b"201", b"204")
        wire.close()
        assert objects.kept == {PATH: b"hello"}
        assert "Expect" not in objects.seen[-1].headers

    @pytest.mark.parametrize(
        ("path", "length", "status"),
        [
            ("/files/a/b", 5, b"401"),
            ("/closed/a/b", 5, b"401"),
            ("{link}/files/a/b", 2000, b"413"),
            ("{link}/json/b", 5, b"403"),
            ("{link}//", 5, b"400"),
        ],
    )
    async def test_it_is_not_given_to_what_is_refused(
        self, start_writable: Any, objects: Any, open_session: Any, path: str, length: int, status: bytes
    ) -> None:
        gate = await start_writable(objects.url, limits={"upload": 1000})
        token = gate.token(grants={"create": {"resources": ["a"]}})
        path = path.format(link=await open_session(gate, token))
        reader, wire = await asyncio.open_connection("127.0.0.1", gate.port)
        head = f"PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        wire.write(head.encode())
        answer = await read_head(reader)
        assert answer.split()[1] == status
        # What comes next on this connection could only be the body.
        assert b"connection: close" in answer.lower()
        wire.close()
        assert not objects.seen

    async def test_it_is_not_given_where_the_origin_is_not_there(
        self, start_writable: Any, open_session: Any
    ) -> None:
        gate = await start_writable("http://127.0.0.1:1")
        link = await writer(open_session, gate)
        reader, wire = await asyncio.open_connection("127.0.0.1", gate.port)
        wire.write(head_of(link, "Content-Length: 5", "Expect: 100-continue"))
        assert (await read_head(reader)).split()[1] == b"502"
        wire.close()

    async def test_curl_uploads(
        self, start_writable: Any, objects: Any, open_session: Any, tmp_path: Path
    ) -> None:
        gate = await start_writable(objects.url, limits={"upload": "4MiB"})
        link = await writer(open_session, gate)
        for size, code in ((3 * 2**20, "201"), (5 * 2**20, "413")):
            (tmp_path / "video").write_bytes(b"v" * size)
            options = ["-sS", "-m", "20", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}"]
            # It waits for a second only; with leave it does not.
            options += ["-H", "Expect: 100-continue", "--expect100-timeout", "15"]
            curl = await asyncio.create_subprocess_exec(
                *("curl", *options, "-T", str(tmp_path / "video"), f"{gate.url}{link}/files/a/{size}"),
                stdout=asyncio.subprocess.PIPE,
            )
            started = time.monotonic()
            said, _ = await curl.communicate()
            assert said.decode().split() == [code, str(size if code == "201" else 0)]
            assert time.monotonic() - started < 10
        assert [len(body) for body in objects.kept.values()] == [3 * 2**20]


class TestLimit:
    @pytest.mark.parametrize("chunked", [True, False])
    async def test_what_is_too_large_is_refused_and_never_whole(
        self, start_writable: Any, start_raw_origin: Any, ask: Any, open_session: Any, chunked: bool
    ) -> None:
        raw = Raw()

        async def script(head: bytes, reader: Any, wire: Any) -> None:
            raw.got.append(head)
            await raw.swallow(reader)

        gate = await start_writable(await start_raw_origin(script), limits={"upload": "100KiB"})
        link = await writer(open_session, gate)
        body = pieces(*[b"x" * 9_000] * 30, pause_s=0.02) if chunked else io.BytesIO(b"x" * 270_000)
        async with asyncio.timeout(20):
            got = await ask(gate, link + PATH, "PUT", data=body)
        assert (got.status, got.reason) == (413, "body_too_large")
        assert got.headers["Connection"] == "close"
        if chunked:
            await asyncio.wait_for(raw.ended.wait(), 10)
            assert not raw.got[0].endswith(b"0\r\n\r\n")
            assert 9_000 < len(raw.got[0]) < 110_000
        else:
            assert not raw.got

    async def test_up_to_it_all_is_taken(
        self, start_writable: Any, objects: Any, ask: Any, open_session: Any
    ) -> None:
        gate = await start_writable(objects.url, limits={"upload": 1000})
        link = await writer(open_session, gate)
        streamed = pieces(b"x" * 999, b"x"), pieces(b"x" * 1000, b"x")
        for body, status in [(b"x" * 1000, 201), (streamed[0], 204), (streamed[1], 413)]:
            assert (await ask(gate, link + PATH, "PUT", data=body)).status == status
        assert objects.kept == {PATH: b"x" * 1000}

    async def test_a_refused_upload_does_not_hang_its_client(
        self, start_writable: Any, objects: Any, ask: Any
    ) -> None:
        gate = await start_writable(objects.url)
        for body in (io.BytesIO(b"x" * 20_000_000), pieces(*[b"x" * 1_000_000] * 20)):
            async with asyncio.timeout(20):
                got = await ask(gate, PATH, "PUT", data=body)
            assert (got.status, got.reason) == (401, "token_missing")
        assert not objects.seen


async def paused(before: bytes, after: bytes, *, pause_s: float) -> AsyncIterator[bytes]:
    yield before
    await asyncio.sleep(pause_s)
    yield after


class TestTime:
    async def test_a_body_may_take_longer_than_an_answer(
        self, start_writable: Any, objects: Any, ask: Any, open_session: Any
    ) -> None:
        origins = {"origin": {"url": objects.url, "response_timeout": "2s", "connect_timeout": "500ms"}}
        gate = await start_writable(objects.url, origins=origins)
        link = await writer(open_session, gate)
        got = await ask(gate, link + PATH, "PUT", data=pieces(*[b"x" * 10] * 12, pause_s=0.25))
        assert got.status == 201
        got = await ask(gate, link + PATH, "PUT", data=paused(b"a", b"b", pause_s=2.7))
        assert got.status == 204
        assert objects.kept == {PATH: b"ab"}

    @pytest.mark.timed
    async def test_an_interim_answer_starts_no_clock(
        self, start_writable: Any, start_raw_origin: Any, ask: Any, open_session: Any
    ) -> None:
        async def script(head: bytes, reader: Any, wire: Any) -> None:
            wire.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await reader.readuntil(b"0\r\n\r\n")
            wire.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

        url = await start_raw_origin(script)
        origins = {"origin": {"url": url, "response_timeout": "300ms", "connect_timeout": "300ms"}}
        gate = await start_writable(url, origins=origins)
        link = await writer(open_session, gate)
        got = await ask(gate, link + PATH, "PUT", data=pieces(*[b"x" * 10] * 8, pause_s=0.2))
        assert got.status == 201

    @pytest.mark.parametrize("takes", ["nothing", "all"])
    async def test_an_origin_that_takes_or_says_nothing_is_given_up(
        self, start_writable: Any, start_raw_origin: Any, ask: Any, open_session: Any, takes: str
    ) -> None:
        raw = Raw()

        async def script(head: bytes, reader: Any, wire: Any) -> None:
            raw.got.append(b"")
            if takes == "all":
                await raw.swallow(reader)
            await asyncio.sleep(30)

        url = await start_raw_origin(script)
        origins = {"origin": {"url": url, "response_timeout": "500ms", "connect_timeout": "500ms"}}
        gate = await start_writable(url, origins=origins)
        link = await writer(open_session, gate)
        async with asyncio.timeout(30):
            body = pieces(*[b"x" * 100_000] * (300 if takes == "nothing" else 1))
            got = await ask(gate, link + PATH, "PUT", data=body)
        assert (got.status, got.reason) == (504, "origin_timeout")

    @pytest.mark.timed
    async def test_a_client_that_stalls_is_told_so(
        self, start_writable: Any, start_raw_origin: Any, open_session: Any
    ) -> None:
        raw = Raw()

        async def script(head: bytes, reader: Any, wire: Any) -> None:
            raw.got.append(head)
            await raw.swallow(reader)

        gate = await start_writable(await start_raw_origin(script))
        connections = gate.node.public._hub.limits
        object.__setattr__(connections, "body_stall_s", 0.5)
        link = await writer(open_session, gate)
        reader, wire = await asyncio.open_connection("127.0.0.1", gate.port)
        wire.write(head_of(link, "Content-Length: 10") + b"hello")
        assert (await read_head(reader)).split()[1] in (b"400", b"408")
        await asyncio.wait_for(raw.ended.wait(), 10)
        assert raw.got[0].endswith(b"\r\n\r\nhello")
        wire.close()


class TestEndings:
    async def test_a_client_that_leaves_ends_the_request_to_the_origin(
        self, start_writable: Any, start_raw_origin: Any, open_session: Any
    ) -> None:
        raw, came = Raw(), asyncio.Event()

        async def script(head: bytes, reader: Any, wire: Any) -> None:
            raw.got.append(head)
            came.set()
            await raw.swallow(reader)

        gate = await start_writable(await start_raw_origin(script))
        link = await writer(open_session, gate)
        chunk = b"5\r\nhello\r\n"
        for framing, body in (("Content-Length: 10", b"hello"), ("Transfer-Encoding: chunked", chunk)):
            came.clear()
            raw.ended.clear()
            _, wire = await asyncio.open_connection("127.0.0.1", gate.port)
            wire.write(head_of(link, framing) + body)
            await asyncio.wait_for(came.wait(), 10)
            wire.close()
            await asyncio.wait_for(raw.ended.wait(), 10)
            assert not raw.got[-1].endswith(b"0\r\n\r\n")
        for _ in range(1000):
            if len(gate.node.gatekeeper._responses) == 0:
                break
            await asyncio.sleep(0.01)
        assert len(gate.node.gatekeeper._responses) == 0

    @pytest.mark.parametrize("status", [b"413 Too Large", b"201 Created", b"500 No"])
    async def test_an_origin_that_answers_early_is_heard(
        self, start_writable: Any, start_raw_origin: Any, open_session: Any, status: bytes
    ) -> None:
        async def script(head: bytes, reader: Any, wire: Any) -> None:
            await reader.readexactly(5)
            wire.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly")
            await wire.drain()
            await asyncio.sleep(0.2)

        gate = await start_writable(await start_raw_origin(script))
        link = await writer(open_session, gate)
        reader, wire = await asyncio.open_connection("127.0.0.1", gate.port)
        wire.write(head_of(link, "Content-Length: 1000000") + b"hello")
        answered = await read_head(reader)
        assert answered.split()[1] == status[:3]
        # What is left of the body is not read, so nothing can follow it.
        assert b"connection: close" in answered.lower()
        assert await asyncio.wait_for(reader.readexactly(5), 10) == b"early"
        wire.close()

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
    @pytest.mark.parametrize("when", ["head", "body"])
    async def test_an_origin_that_dies_is_asked_once(
        self, start_writable: Any, start_raw_origin: Any, ask: Any, open_session: Any, method: str, when: str
    ) -> None:
        asked: list[bytes] = []

        async def script(head: bytes, reader: Any, wire: Any) -> None:
            asked.append(head)
            if when == "body" and b"chunked" in head.lower():
                await reader.readexactly(8)
            if len(asked) == 1:
                wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                if b"chunked" in head.lower():
                    return
                await wire.drain()
                # The next one on this connection finds it closed.
                head = await reader.readuntil(b"\r\n\r\n")
                asked.append(head)

        gate = await start_writable(await start_raw_origin(script))
        grants = {**CREATES, "destroy": {"all": True}}
        link = await open_session(gate, gate.token(grants=grants))
        body = None if method == "DELETE" else pieces(b"x" * 1000, b"y" * 1000)
        assert (await ask(gate, link + PATH, method, data=body)).status == 200
        body = None if method == "DELETE" else pieces(b"x" * 1000, b"y" * 1000)
        got = await ask(gate, link + PATH, method, data=body)
        assert (got.status, got.reason) == (502, "origin_unreachable")
        assert len(asked) == 2
