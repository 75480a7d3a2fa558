"""The relay, through a real gate: bodies byte for byte, conditions, ranges, redirects, broken transfers."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from yarl import URL

SIZES = [0, 1, 65535, 65536, 65537, 5_000_000]
FULL = {"live": True, "dvr": True, "copy": True}


def random_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def serve_sizes(request: web.BaseRequest) -> web.StreamResponse:
    """`/.../<exact|chunked>-<size>.<extension>`; a playlist is a long comment."""
    name = request.raw_path.rpartition("/")[2].partition(".")[0]
    framing, _, size = name.partition("-")
    body = random_bytes(int(size))
    if ".m3u8" in request.raw_path:
        body = b"#EXTM3U\n#" + body.hex().encode() + b"\r\nseg.ts\n"
        body = b"\n#".join(body[at : at + 1000] for at in range(0, len(body), 1000))
    if framing == "exact":
        return web.Response(body=body, headers={"ETag": '"e"'})
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for at in range(0, len(body), 50_000):
        await response.write(body[at : at + 50_000])
    await response.write_eof()
    return response


class TestBodies:
    @pytest.mark.parametrize("framing", ["exact", "chunked"])
    @pytest.mark.parametrize("extension", ["bin", "m3u8"])
    async def test_they_arrive_byte_for_byte(
        self, start_gate: Any, start_origin: Any, ask: Any, open_link: Any, framing: str, extension: str
    ) -> None:
        url, _ = await start_origin(serve_sizes)
        gate = await start_gate(url)
        front = await open_link(gate, "/files/f/x", gate.token("f"))
        front = front.removesuffix("/files/f/x")
        for size in SIZES:
            for prefix in ("/public", f"{front}/files/f"):
                name = f"{framing}-{size}.{extension}"
                got = await ask(gate, f"{prefix}/{name}")
                async with (
                    ClientSession(auto_decompress=False) as direct,
                    direct.get(f"{url}/{name}") as answer,
                ):
                    assert got.body == await answer.read()
                assert got.status == 200
                scanned = extension == "m3u8" and prefix.startswith("/_s/")
                if framing == "exact" and not scanned:
                    assert got.headers["Content-Length"] == str(len(got.body))
                assert ("Content-Length" in got.headers) != ("Transfer-Encoding" in got.headers)

    async def test_a_client_of_http_1_0_gets_them_too(
        self, start_gate: Any, start_origin: Any, send_raw: Any
    ) -> None:
        url, _ = await start_origin(serve_sizes)
        gate = await start_gate(url)
        for framing in ("exact", "chunked"):
            answer = await send_raw(gate.port, f"GET /public/{framing}-200000.bin HTTP/1.0\r\n\r\n".encode())
            head, _, body = answer.partition(b"\r\n\r\n")
            assert b" 200 " in head.partition(b"\r\n")[0]
            assert b"chunked" not in head
            assert body == random_bytes(200_000)

    async def test_nothing_is_invented_in_the_origins_name(
        self, start_gate: Any, start_raw_origin: Any, ask: Any
    ) -> None:
        async def script(head: bytes, reader: Any, writer: Any) -> None:
            writer.write(b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-Own: \xc3\xa9t\xc3\xa9\r\n\r\nok")

        gate = await start_gate(await start_raw_origin(script))
        got = await ask(gate, "/public/x")
        assert got.body == b"ok"
        assert set(got.headers) == {
            "Content-Length", "X-Own", "Date", "Referrer-Policy", "Connection"
        } - ({"Connection"} - set(got.headers))  # fmt: skip
        assert got.headers["X-Own"] == "été"


class TestConditionsAndRanges:
    @pytest.fixture
    async def gate(self, start_gate: Any, start_origin: Any) -> Any:
        body = random_bytes(1000)

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            headers = {
                "ETag": '"v1"',
                "Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT",
                "Accept-Ranges": "bytes",
            }
            asked = request.headers
            if (
                asked.get("If-None-Match") == '"v1"'
                or asked.get("If-Modified-Since") == headers["Last-Modified"]
            ):
                return web.Response(status=304, headers=headers)
            if asked.get("Range") == "bytes=5000-":
                return web.Response(status=416, headers={"Content-Range": "bytes */1000", **headers})
            if asked.get("Range") == "bytes=10-19" and asked.get("If-Range", '"v1"') == '"v1"':
                headers["Content-Range"] = "bytes 10-19/1000"
                return web.Response(status=206, body=body[10:20], headers=headers)
            return web.Response(body=body, headers=headers)

        url, _ = await start_origin(serve)
        return await start_gate(url)

    @pytest.mark.parametrize("private", [False, True])
    async def test_they_are_the_origins_matter(
        self, gate: Any, ask: Any, open_link: Any, private: bool
    ) -> None:
        path = await open_link(gate, "/files/f/x", gate.token("f")) if private else "/public/x"
        got = await ask(gate, path, headers={"Range": "bytes=10-19"})
        assert (got.status, got.headers["Content-Range"], got.body) == (
            206, "bytes 10-19/1000", random_bytes(1000)[10:20],
        )  # fmt: skip
        got = await ask(gate, path, headers={"Range": "bytes=10-19", "If-Range": '"v0"'})
        assert (got.status, len(got.body)) == (200, 1000)
        got = await ask(gate, path, headers={"Range": "bytes=5000-"})
        assert (got.status, got.headers["Content-Range"]) == (416, "bytes */1000")
        for condition in ({"If-None-Match": '"v1"'}, {"If-Modified-Since": "Sat, 01 Jan 2022 00:00:00 GMT"}):
            got = await ask(gate, path, headers=condition)
            assert (got.status, got.body, got.headers["ETag"]) == (304, b"", '"v1"')
        got = await ask(gate, path, "HEAD")
        assert (got.status, got.headers["Content-Length"], got.body) == (200, "1000", b"")


class TestRedirectsOfTheOrigin:
    @pytest.mark.parametrize(
        ("location", "expected"),
        [
            ("/files/f/y?q=%2F", "{link}/files/f/y?q=%2F"),
            ("{origin}/files/f/y", "{link}/files/f/y"),
            ("{gate}/files/f/y", "{link}/files/f/y"),
            ("y/../z", "y/../z"),
            ("?again", "?again"),
            ("https://elsewhere.example/y", "https://elsewhere.example/y"),
            ("/files/f/é", "{link}/files/f/é"),
        ],
    )
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    async def test_they_stay_in_the_session(
        self,
        start_gate: Any,
        start_origin: Any,
        ask: Any,
        open_link: Any,
        location: str,
        expected: str,
        status: int,
    ) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": location.format(origin=url, gate=gate.url)})

        url, _ = await start_origin(serve)
        gate = await start_gate(url)
        link = await open_link(gate, "/files/f/x", gate.token("f"))
        got = await ask(gate, link)
        front = link.removesuffix("/files/f/x")
        assert (got.status, got.headers["Location"]) == (status, expected.format(link=front))


PLAYLIST = """#EXTM3U
#EXT-X-KEY:METHOD=AES-128,URI="/ch1/key",IV=0x1
#EXT-X-MAP:URI="{origin}/ch1/init.mp4"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="/not/a/uri",URI="audio.m3u8"\r
#EXT-X-UNKNOWN:X="/ch1/x"
/ch1/a.ts?x=%2F
{origin}/ch1/b.ts
{gate}/ch1/c.ts
https://elsewhere.example/d.ts
e.ts
../ch1/f.ts"""


class TestPlaylists:
    """As whoever may see all of a stream gets them."""

    async def test_their_uris_stay_in_the_session(
        self, start_gate: Any, start_origin: Any, ask: Any, open_link: Any
    ) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(text=PLAYLIST.format(origin=url, gate=gate.url), headers={"ETag": '"1"'})

        url, seen = await start_origin(serve)
        gate = await start_gate(url)
        link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", dvr=True, copy=True))
        front = link.removesuffix("/ch1/index.m3u8")
        got = await ask(gate, link, headers={"Range": "bytes=0-99", "Accept-Encoding": "gzip"})
        expected = PLAYLIST.format(origin=front, gate=front).replace('"/ch1/key"', f'"{front}/ch1/key"')
        expected = expected.replace("\n/ch1/a.ts", f"\n{front}/ch1/a.ts")
        assert got.body.decode() == expected
        assert got.status == 200
        assert got.headers["Content-Length"] == str(len(got.body))
        assert "Accept-Ranges" not in got.headers
        assert "Range" not in seen[-1].headers
        assert seen[-1].headers["Accept-Encoding"] == "identity"
        head = await ask(gate, link, "HEAD")
        assert (head.status, head.body) == (200, b"")

    async def test_a_long_one_is_streamed_and_right(
        self, start_gate: Any, start_origin: Any, ask: Any, open_link: Any
    ) -> None:
        lines = [b"#EXTM3U", *(b"/ch1/%d.ts" % at for at in range(40_000))]

        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=b"\n".join(lines))

        gate = await start_gate((await start_origin(serve))[0])
        link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", dvr=True, copy=True))
        front = link.removesuffix("/ch1/index.m3u8").encode()
        got = await ask(gate, link)
        assert got.headers["Transfer-Encoding"] == "chunked"
        assert "Content-Length" not in got.headers
        assert got.body.split(b"\n") == [lines[0], *(front + line for line in lines[1:])]

    async def test_one_with_an_absurd_line_is_not_passed_on(
        self, start_gate: Any, start_origin: Any, ask: Any, open_link: Any
    ) -> None:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=b"#EXTM3U\n" + b"x" * 70_000)

        gate = await start_gate((await start_origin(serve))[0])
        link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", dvr=True, copy=True))
        assert (await ask(gate, link)).status == 502


class TestBrokenTransfers:
    HEADS = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2710\r\n",
    )

    @pytest.mark.parametrize("head", HEADS)
    @pytest.mark.parametrize("path", ["/public/x", "/files/f/x"])
    async def test_half_an_answer_is_never_a_whole_one(
        self,
        start_gate: Any,
        start_raw_origin: Any,
        http: ClientSession,
        open_link: Any,
        head: bytes,
        path: str,
    ) -> None:
        async def script(_: bytes, reader: Any, writer: Any) -> None:
            writer.write(head + bytes(10_000))

        gate = await start_gate(await start_raw_origin(script))
        if path.startswith("/files"):
            path = await open_link(gate, path, gate.token("f"))
        with pytest.raises(ClientError):
            async with http.get(URL(gate.url + path, encoded=True)) as answer:
                await answer.read()
        assert len(gate.node.gatekeeper._responses) == 0

    @pytest.mark.parametrize("head", HEADS)
    async def test_not_even_where_only_the_end_of_the_connection_ends_it(
        self, start_gate: Any, start_raw_origin: Any, head: bytes
    ) -> None:
        async def script(_: bytes, reader: Any, writer: Any) -> None:
            writer.write(head.replace(b"Content-Length: 100000", b"Transfer-Encoding: chunked"))
            writer.write(b"2710\r\n" if b"Length" in head else b"")
            writer.write(bytes(10_000))

        gate = await start_gate(await start_raw_origin(script))
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(b"GET /public/x HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    async def test_bytes_beyond_the_announced_length_do_not_leave(
        self, start_gate: Any, start_raw_origin: Any, send_raw: Any
    ) -> None:
        async def script(_: bytes, reader: Any, writer: Any) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nsmuggled")

        gate = await start_gate(await start_raw_origin(script))
        answer = await send_raw(gate.port, b"GET /public/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b"\r\n\r\nok")
