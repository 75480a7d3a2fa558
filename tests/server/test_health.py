"""What a gate stands on, asked with short patience."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from gate.core.policy import Origin
from gate.proxy.origin import Failure
from gate.server.health import ask_origins, ask_store
from gate.store.client import Client


async def test_a_store_says_what_it_is(store_url: str) -> None:
    client = Client(store_url, timeout_s=5)
    told = await ask_store(client)
    assert (told["reachable"], told["server"], told["role"], told["error"]) == (True, "valkey", "primary", None)
    assert told["address"] == store_url
    assert str(told["version"])[0].isdigit()
    await client.close()


async def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    client = Client(f"unix://{tmp_path}/nowhere.sock", timeout_s=5)
    told = await ask_store(client)
    assert told["reachable"] is False
    assert "out of reach" in str(told["error"])
    await client.close()


async def test_a_store_that_is_silent_costs_a_second() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_s=30)
        since = time.monotonic()
        told = await ask_store(client)
        assert time.monotonic() - since < 10
        assert (told["reachable"], told["error"]) == (False, "no answer within 1 s")
        await client.close()


@pytest.mark.timed
async def test_origins_are_asked_side_by_side(media: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{free.getsockname()[1]}"
        origins = {
            "up": Origin("up", media[0]),
            "down": Origin("down", down),
            "nowhere": Origin("nowhere", "https://gate.invalid"),
            **{name: Origin(name, "http://192.0.2.1:81", connect_timeout_s=0.3) for name in ("far", "farther")},
        }
        failures = {"down": Failure(5.0, "origin down: broke off")}
        async with asyncio.timeout(20):
            told = await ask_origins(origins, failures)
    assert list(told) == list(origins)
    assert told["up"] == {
        "url": media[0],
        "reachable": True,
        "error": None,
        "last_failure": None,
        "latency_ms": told["up"]["latency_ms"],
    }
    assert (told["down"]["reachable"], told["down"]["error"]) == (False, "Connection refused")
    assert told["down"]["last_failure"] == {"at": 5.0, "error": "origin down: broke off"}
    assert told["nowhere"]["error"] == "it cannot be reached"
    assert not any(told[name]["reachable"] for name in ("nowhere", "far", "farther"))
    assert not media[1]
