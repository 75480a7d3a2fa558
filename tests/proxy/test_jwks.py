"""Fetching a set of keys: whatever answers, and however, it is bytes or one sentence."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gate.errors import KeysError
from gate.proxy.jwks import LONGEST_SET, JwksClient


@pytest.fixture
async def client() -> AsyncIterator[JwksClient]:
    client = JwksClient()
    yield client
    await client.close()


async def refused(client: JwksClient, url: str) -> str:
    with pytest.raises(KeysError) as caught:
        await client.fetch(url)
    text = str(caught.value)
    assert "\n" not in text
    return text


async def test_the_bytes_as_they_are(client: JwksClient, start_origin: Any) -> None:
    async def serve(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b'{"keys":[]}', content_type="text/html", headers={"Set-Cookie": "a=b"})

    url, seen = await start_origin(serve)
    for _ in range(2):
        assert await client.fetch(f"{url}/a%20b/?p=b2c_1&x=%2F") == b'{"keys":[]}'
    for request in seen:
        assert (request.method, request.target) == ("GET", "/a%20b/?p=b2c_1&x=%2F")
        assert not {"Cookie", "User-Agent", "Authorization", "Referer"} & set(request.headers)
        assert request.headers["Accept-Encoding"] == "identity"


async def test_the_environment_names_no_proxy(
    client: JwksClient, start_origin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x")

    url, _ = await start_origin(serve)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await client.fetch(url) == b"x"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda: web.Response(status=500, text="trouble"), "it answers 500"),
        (lambda: web.Response(status=204), "it answers 204"),
        (lambda: web.Response(status=206, text="{}"), "it answers 206"),
        (lambda: web.Response(status=404, text="{}"), "it answers 404"),
        *(
            (
                lambda status=status: web.Response(status=status, headers={"Location": "/"}),
                f"redirects ({status})",
            )
            for status in (301, 302, 303, 307, 308)
        ),
        (lambda: web.Response(body=b" " * (LONGEST_SET + 1)), "its answer is larger than 256 KiB"),
        (
            lambda: web.Response(body=b"x", headers={"Content-Encoding": "br"}),
            "a coding that was not asked for",
        ),
    ],
)
async def test_no_set_of_keys(client: JwksClient, start_origin: Any, answer: Any, sentence: str) -> None:
    async def serve(request: web.BaseRequest) -> web.Response:
        response: web.Response = answer()
        return response

    url, seen = await start_origin(serve)
    assert sentence in await refused(client, url)
    assert len(seen) == 1


async def test_as_large_as_it_may_be(client: JwksClient, start_origin: Any) -> None:
    async def serve(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b" " * LONGEST_SET)

    url, _ = await start_origin(serve)
    assert len(await client.fetch(url)) == LONGEST_SET


async def test_ten_megabytes_are_not_read(client: JwksClient, start_origin: Any) -> None:
    sent = 0

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(160):
            await response.write(bytes(65536))
            sent += 65536
        return response

    url, _ = await start_origin(serve)
    assert "larger than 256 KiB" in await refused(client, url)
    assert sent < 10 * 2**20


async def test_a_gzip_bomb_stays_packed(client: JwksClient, start_origin: Any) -> None:
    bomb = gzip.compress(bytes(64 * 2**20))
    assert len(bomb) < LONGEST_SET

    async def serve(request: web.BaseRequest) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    url, _ = await start_origin(serve)
    assert "coding that was not asked for: 'gzip'" in await refused(client, url)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: a\r\n" * 100_000,
    ],
)
async def test_no_http(client: JwksClient, start_raw_origin: Any, raw: bytes) -> None:
    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    url = await start_raw_origin(script)
    assert "its answer breaks off, or is none" in await refused(client, url)


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_it_is_not_waited_for_for_long(start_raw_origin: Any, begin: bytes) -> None:
    client = JwksClient(patience_s=0.3)

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while not writer.is_closing():
            await asyncio.sleep(0.05)
            if begin:
                # A byte now and then begins no wait anew.
                writer.write(b" ")

    url = await start_raw_origin(script)
    since = time.monotonic()
    assert await refused(client, url) == "no whole answer within 0.3 s"
    assert time.monotonic() - since < 10
    await client.close()


async def test_nobody_is_there(client: JwksClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert (
            await refused(client, f"http://127.0.0.1:{free.getsockname()[1]}")
            == "no connection: connection refused"
        )
    assert await refused(client, "https://id.invalid/keys") == "its host name is not resolved"
    assert await refused(client, f"https://{'a' * 64}.invalid/keys")


async def test_names_of_this_machine(client: JwksClient, start_origin: Any) -> None:
    async def serve(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x")

    url, _ = await start_origin(serve)
    assert await client.fetch(url.replace("127.0.0.1", "localhost")) == b"x"


async def test_a_certificate_of_nobody(client: JwksClient, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(1))
        .not_valid_after(today + timedelta(1))
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pair.pem").write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair.pem")

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    plain = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server, plain:
        ports = [one.sockets[0].getsockname()[1] for one in (server, plain)]
        told = await refused(client, f"https://127.0.0.1:{ports[0]}/keys")
        assert re.fullmatch(r"its certificate is not accepted: self.signed certificate", told)
        assert await refused(client, f"https://127.0.0.1:{ports[1]}/keys")
