"""Connections that stay open, break, drip and are forked; TLS; with both clients where both have it."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gate.client import Client, RpcError, UnexpectedAnswer, Unreachable, exchange
from tests.client.conftest import canned
from tests.client.server import TOKEN, Api, serving

FORK = """
import os, sys
from gate.client import Client

with Client(*sys.argv[1:]) as client:
    client.create_api_token(1)
    child = os.fork()
    wrong = any(client.create_api_token(number) != f"api_{number}" for number in range(20))
    if not child:
        client.close()
        os._exit(wrong)
    sys.exit(wrong or os.waitpid(child, 0)[1])
"""
RESULT = b'{"jsonrpc": "2.0", "result": "done", "id": 1}'


class TestKept:
    def test_one_connection_for_one_thread(self, api):
        with Client(api.url, TOKEN) as client:
            for _ in range(5):
                client.create_api_token(1)
        assert len(api.connections) == 1

    def test_after_a_refusal_too(self, api):
        with Client(api.url, TOKEN) as client:
            for _ in range(3):
                with pytest.raises(RpcError):
                    client.get_stream("cam1")
        assert len(api.connections) == 1

    def test_threads_share_a_client(self, api):
        with Client(api.url, TOKEN) as client, ThreadPoolExecutor(8) as pool:
            told = list(pool.map(client.create_api_token, range(200)))
        assert told == [f"api_{number}" for number in range(200)]
        assert len(api.connections) <= 8

    async def test_a_server_that_was_started_anew(self, connect, tmp_path):
        path, client = tmp_path / "admin.sock", None
        for _ in range(2):
            with serving(Api(token=None), path) as url:
                client = client or connect(url, None)
                assert await client.create_api_token(1) == "api_1"
            await asyncio.sleep(0.01)  # an event loop hears of an end when it runs
        await client.close()

    def test_a_process_that_was_forked_has_connections_of_its_own(self, api):
        done = subprocess.run([sys.executable, "-c", FORK, api.url, TOKEN], capture_output=True, timeout=30)
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(api.asked) == 41
        assert len(api.connections) == 2

    def test_what_was_interrupted_answers_nobody_else(self, api):
        def interrupt(number, frame):
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with Client(api.url, TOKEN) as client:
                api.delay_s = 0.3
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                with pytest.raises(KeyboardInterrupt):
                    client.create_api_token(1)
                assert client.create_api_token(2) == "api_2"
        finally:
            signal.signal(signal.SIGALRM, before)


class TestBroken:
    @pytest.mark.parametrize(
        ("pieces", "why"),
        [
            ([b""], "no gate answers at "),
            ([b"HTTP/1.1 200 OK\r\nContent-Le"], " answers at "),
            ([canned(200, RESULT)[:-5]], "no gate answers at .*: its answer broke off"),
            ([b"SSH-2.0-OpenSSH_9.2\r\n"], "is not the API of a gate: its answer is no HTTP"),
            ([canned(200, b"<h1>hello</h1>", "text/html")], "its answer is no JSON"),
            ([canned(200, b"")], "its answer is no JSON"),
            ([canned(204, b"")], "its answer is no JSON"),
            ([canned(302, b"")], "HTTP 302"),
            ([canned(404, b"{}")], "HTTP 404"),
            ([canned(500, b"oops")], "cannot answer now: HTTP 500"),
            ([canned(200, b"[" * 100_000)], "its answer is no JSON"),
            ([canned(200, RESULT.replace(b"1}", b"2}"))], "its answer is not that of the call"),
        ],
    )
    async def test_is_told_in_one_line(self, connect, can, pieces, why):
        with pytest.raises((Unreachable, UnexpectedAnswer, RpcError), match=why) as caught:
            await connect(can(*pieces)).create_api_token(1)
        assert isinstance(caught.value, Unreachable | UnexpectedAnswer) or "HTTP 500" in str(caught.value)
        assert str(caught.value).isprintable()

    async def test_a_redirect_does_not_take_the_token_along(self, connect, can, api):
        answer = f"HTTP/1.1 307 Moved\r\nLocation: {api.url}/api/\r\nContent-Length: 0\r\n\r\n".encode()
        with pytest.raises(UnexpectedAnswer, match="HTTP 307"):
            await connect(can(answer)).create_api_token(1)
        assert not api.headers

    @pytest.mark.parametrize("kept", [0, 20])
    async def test_an_answer_that_drips_is_not_waited_for(self, connect, can, kept):
        whole = canned(200, RESULT)
        head = whole.index(b"\r\n\r\n") + 4 if kept else 0
        pieces = [whole[:head], *(bytes([byte]) for byte in whole[head:])]
        url = can(*filter(None, pieces), pause_s=0.05)
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
            await connect(url, timeout_s=0.3).create_api_token(1)
        assert time.monotonic() - began < 1.5

    async def test_an_answer_without_an_end(self, connect, can, monkeypatch):
        monkeypatch.setattr("gate.client.connections.LONGEST_ANSWER", 100_000)
        monkeypatch.setattr("gate.client.asynchronous.LONGEST_ANSWER", 100_000)
        assert exchange.LONGEST_ANSWER > 2**20
        url = can(canned(200, b" " * 1_000_000))
        with pytest.raises(UnexpectedAnswer, match="longer than 100000 bytes"):
            await connect(url).create_api_token(1)


@contextmanager
def serving_tls(folder):
    """A server of canned answers with a certificate of its own; its URL, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, file = serialization.Encoding.PEM, folder / "tls.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(RESULT)))
            self.end_headers()
            self.wfile.write(RESULT)

        def log_message(self, format, *args):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def finish_request(self, request, client_address):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file)
            try:
                with context.wrap_socket(request, server_side=True) as wrapped:
                    wrapped.settimeout(2)
                    super().finish_request(wrapped, client_address)
            except OSError:
                pass  # a client that does not believe the certificate

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}", file
        finally:
            server.shutdown()
            thread.join()


async def test_certificates(connect, tmp_path):
    with serving_tls(tmp_path) as (url, file):
        with pytest.raises(Unreachable, match=f"no gate answers at {url}: .*certificate") as caught:
            await connect(url).create_api_token(1)
        assert "\n" not in str(caught.value)
        client = connect(url, tls=ssl.create_default_context(cafile=str(file)))
        for _ in range(3):
            assert await client.create_api_token(1) == "done"
        await client.close()
        await asyncio.sleep(0)
