"""Finding a running gate, and what is said where it cannot be asked."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager

import pytest
import yaml

from gate.cli.operator import Gate, find_gate
from gate.errors import ConfigError, GateError, UsageError

TOKEN = "the operators' own token"


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("GATE_ADMIN_TOKEN", raising=False)


class TestFinding:
    @pytest.mark.parametrize(
        ("listen", "address"),
        [
            ("127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("'[::1]:8081'", "http://[::1]:8081"),
            ("'[::]:8081'", "http://[::1]:8081"),
            ("0.0.0.0:8081", "http://127.0.0.1:8081"),
            (":8081", "http://127.0.0.1:8081"),
            ("gate.internal:8081", "http://gate.internal:8081"),
            ("unix:/run/gate.sock", "unix:/run/gate.sock"),
        ],
    )
    def test_by_the_policy(self, write_policy, listen, address):
        path = write_policy(admin={"listen": yaml.safe_load(listen), "token": TOKEN})
        assert find_gate(path, None) == Gate(address, TOKEN)

    def test_by_its_address(self, monkeypatch):
        assert find_gate(None, "http://127.0.0.1:8081/") == Gate("http://127.0.0.1:8081")
        monkeypatch.setenv("GATE_ADMIN_TOKEN", TOKEN)
        assert find_gate(None, "https://gate.example") == Gate("https://gate.example", TOKEN)
        assert find_gate(None, "unix:/run/gate.sock") == Gate("unix:/run/gate.sock", TOKEN)

    def test_the_address_replaces_that_of_the_policy(self, write_policy, monkeypatch):
        monkeypatch.setenv("GATE_ADMIN_TOKEN", "that of the environment")
        path = write_policy(admin={"token": TOKEN})
        assert find_gate(path, "http://127.0.0.1:1") == Gate("http://127.0.0.1:1", TOKEN)
        assert find_gate(write_policy(), None) == Gate("http://127.0.0.1:8081", "that of the environment")

    @pytest.mark.parametrize(
        "url", ["127.0.0.1:8081", "ftp://x", "http://", "http://u:p@x", "http://x/?a=b", "http://x:y"]
    )
    def test_what_is_no_address(self, url):
        with pytest.raises(UsageError, match="--admin takes"):
            find_gate(None, url)

    def test_without_any_or_with_a_port_that_is_not_known(self, write_policy, tmp_path):
        with pytest.raises(UsageError, match="name the gate"):
            find_gate(None, None)
        with pytest.raises(UsageError, match="takes any free port"):
            find_gate(write_policy(admin={"listen": "127.0.0.1:0"}), None)
        with pytest.raises(ConfigError):
            find_gate(tmp_path / "nowhere.yaml", None)


@contextmanager
def answering(text):
    """A server that gives everybody these bytes; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(text)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


class TestAsking:
    async def test_a_gate_answers(self, start_gate, media):
        gate = await start_gate(media[0], admin={"listen": "127.0.0.1:0", "token": TOKEN})
        told = await asyncio.to_thread(Gate(gate.admin_url, TOKEN).ask, "GET", "/v1/policy")
        assert told["version"] == gate.node.config.policy.version

    async def test_through_a_unix_socket(self, start_gate, media, tmp_path):
        address = f"unix:{tmp_path / 'admin.sock'}"
        await start_gate(media[0], admin={"listen": address})
        assert (await asyncio.to_thread(Gate(address).ask, "GET", "/v1/health"))["ready"]

    @pytest.mark.parametrize(
        ("token", "text"), [(None, "wants an admin token"), ("wrong", "does not take this admin token")]
    )
    async def test_with_the_wrong_token(self, start_gate, media, token, text):
        gate = await start_gate(media[0], admin={"listen": "127.0.0.1:0", "token": TOKEN})
        with pytest.raises(GateError) as caught:
            await asyncio.to_thread(Gate(gate.admin_url, token).ask, "GET", "/v1/policy")
        assert text in str(caught.value)
        assert "GATE_ADMIN_TOKEN" in str(caught.value)
        assert "\n" not in str(caught.value)

    async def test_what_it_does_not_understand(self, start_gate, media):
        gate = await start_gate(media[0])
        with pytest.raises(UsageError, match="there is no field 'x'"):
            await asyncio.to_thread(Gate(gate.admin_url).ask, "POST", "/v1/explain", {"x": 1})

    def test_nobody_answers(self, tmp_path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for address, why in (
            (f"http://127.0.0.1:{port}", "connection refused"),
            (f"unix:{tmp_path}/nowhere.sock", "no such file or directory"),
        ):
            with pytest.raises(GateError) as caught:
                Gate(address).ask("GET", "/v1/health")
            assert str(caught.value) == f"no gate answers at {address}: {why}"

    @pytest.mark.parametrize(
        "text",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ],
    )
    def test_somebody_else_answers(self, text):
        with answering(text) as address:
            with pytest.raises(GateError) as caught:
                Gate(address).ask("GET", "/v1/health")
            assert str(caught.value) == f"what answers at {address} is not the admin listener of a gate"
