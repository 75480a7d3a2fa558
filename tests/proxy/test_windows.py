"""Where a token's windows end: what runs of the archive ends there too, however fast the origin sends it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from yarl import URL

RIGHTS = {"live": True, "dvr": True, "copy": True}


def packets(*, start_ms: int = 0, lasts_ms: int, step_ms: int = 40, between: int = 20) -> bytes:
    """An MPEG-TS of PID 256 with a PCR every `step_ms`, and `between` packets of payload after each."""
    pieces = []
    for at_ms in range(start_ms, start_ms + lasts_ms, step_ms):
        base = at_ms * 90
        clock = (base << 15 | 0x7E00).to_bytes(6)
        pieces.append(b"\x47\x41\x00\x20" + bytes([183, 0x10]) + clock + b"\xff" * 176)
        pieces += [b"\x47\x01\x00\x10" + at_ms.to_bytes(4) + bytes(180)] * between
    return b"".join(pieces)


def instants(body: bytes) -> list[int]:
    """The milliseconds that the payload packets of such a stream belong to."""
    chunks = [body[at : at + 188] for at in range(0, len(body), 188)]
    assert all(len(chunk) == 188 and chunk[0] == 0x47 for chunk in chunks)
    return [int.from_bytes(chunk[4:8]) for chunk in chunks if chunk[3] == 0x10]


@pytest.fixture
async def burst(start_origin: Any) -> tuple[str, Any]:
    """An origin that sends an hour of a stream at once, whatever is asked."""
    hour = packets(lasts_ms=600_000, between=2)

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=hour, content_type="video/mp2t")

    return await start_origin(serve)  # type: ignore[no-any-return]


@pytest.fixture
async def dripping(start_origin: Any) -> tuple[str, Any]:
    """An origin that sends for ever what is no MPEG-TS."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"a piece of it all")
            await asyncio.sleep(0.02)

    return await start_origin(serve)  # type: ignore[no-any-return]


def window(gate: Any, start_s: int, end_s: int, **claims: Any) -> str:
    return gate.token("ch1", **{**RIGHTS, "from": start_s, "to": end_s, **claims})  # type: ignore[no-any-return]


async def body_of(http: ClientSession, url: str) -> bytes:
    async with http.get(URL(url, encoded=True)) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


@pytest.mark.parametrize("form", ["timeshift_abs-{0}.ts", "timeshift_abs/{0}", "timeshift_rel-{1}.ts"])
async def test_a_burst_ends_with_the_window(
    start_gate: Any, burst: tuple[str, Any], http: ClientSession, open_link: Any, form: str
) -> None:
    gate = await start_gate(burst[0])
    now = int(time.time())
    start = now - 1000
    link = await open_link(gate, "/ch1/" + form.format(start, 1000), window(gate, start - 50, start + 20))
    shown = instants(await body_of(http, gate.url + link))
    # The link was opened a moment ago: a relative shift has moved by it.
    assert 10_000 <= max(shown) < 20_000
    assert shown == sorted(shown)
    assert shown[0] == 0


async def test_what_has_no_clock_is_cut_by_ours(
    start_gate: Any, dripping: tuple[str, Any], http: ClientSession, open_link: Any
) -> None:
    gate = await start_gate(dripping[0])
    start = int(time.time()) - 1000
    link = await open_link(gate, f"/ch1/timeshift_abs-{start}.ts", window(gate, start, start + 1))
    began = time.monotonic()
    with pytest.raises(ClientError):
        await body_of(http, gate.url + link)
    assert 0.9 <= time.monotonic() - began < 15
    assert len(gate.node.gatekeeper._responses) == 0


@pytest.mark.timed
async def test_what_grows_ends_when_its_window_does(
    start_gate: Any, dripping: tuple[str, Any], http: ClientSession, open_link: Any
) -> None:
    gate = await start_gate(dripping[0])
    end = int(time.time()) + 2
    path = f"/ch1/archive/{end - 900}/now/mpegts"
    link = await open_link(gate, path, window(gate, end - 1000, end))
    with pytest.raises(ClientError):
        await body_of(http, gate.url + link)
    assert end <= time.time() < end + 15
    # From then on it reaches beyond the window as a whole.
    async with http.get(gate.url + link) as answer:
        assert (answer.status, answer.headers["Gate-Reason"]) == (403, "partly_outside_window")


async def test_a_renewal_of_the_session_moves_no_window(
    start_gate: Any, dripping: tuple[str, Any], http: ClientSession, open_link: Any
) -> None:
    gate = await start_gate(dripping[0])
    now = int(time.time())
    same = {"sub": "anna", "exp": now + 60}
    token = window(gate, now - 1000, now - 998, **same)
    link = await open_link(gate, f"/ch1/timeshift_abs-{now - 1000}.ts", token)
    began = time.monotonic()
    watching = asyncio.create_task(body_of(http, gate.url + link))
    await asyncio.sleep(0.3)
    fresh = window(gate, now - 1000, now - 998, **{**same, "exp": now + 3000})
    renewal = URL(f"{gate.url}{link.partition('/ch1')[0]}/renew")
    async with http.post(renewal, headers={"Authorization": f"Bearer {fresh}"}) as answer:
        assert answer.status == 200, await answer.text()
    with pytest.raises(ClientError):
        await watching
    assert 1.8 <= time.monotonic() - began < 15


async def test_no_part_of_it_is_asked_for(
    start_gate: Any, burst: tuple[str, Any], http: ClientSession, open_link: Any
) -> None:
    """A Range would begin somewhere within, and what is measured begins at the beginning."""
    gate = await start_gate(burst[0])
    start = int(time.time()) - 1000
    link = await open_link(gate, f"/ch1/timeshift_abs-{start}.ts", window(gate, start, start + 20))
    async with http.get(gate.url + link, headers={"Range": "bytes=1000000-"}) as answer:
        assert answer.status == 200
        assert "Content-Length" not in answer.headers
        assert "Accept-Ranges" not in answer.headers
        assert max(instants(await answer.read())) < 20_000
    assert "Range" not in burst[1][-1].headers
    assert burst[1][-1].headers["Accept-Encoding"] == "identity"


async def test_without_an_end_it_is_the_origins_as_it_is(
    start_gate: Any, burst: tuple[str, Any], http: ClientSession, open_link: Any
) -> None:
    gate = await start_gate(burst[0])
    start = int(time.time()) - 1000
    link = await open_link(gate, f"/ch1/timeshift_abs-{start}.ts", window(gate, start, 0))
    async with http.get(gate.url + link) as answer:
        assert int(answer.headers["Content-Length"]) == len(packets(lasts_ms=600_000, between=2))
        assert await answer.read() == packets(lasts_ms=600_000, between=2)


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"from": 200, "to": 100}, "to must not lie before from"),
        ({"from": -1}, "from must lie between 0 and 253402300799"),
        ({"to": 2**63}, "to must lie between 0 and 253402300799"),
        ({"to": 253_402_300_800}, "to must lie between 0 and 253402300799"),
        ({"from": 100.0}, "from must be a whole number of seconds"),
        ({"from": 1e300}, "from must be a whole number of seconds"),
        ({"to": "200"}, "to must be a whole number of seconds"),
        ({"to": True}, "to must be a whole number of seconds"),
        ({"windows": [{"from": 200, "to": 100}]}, "windows[0].to must not lie before windows[0].from"),
    ],
)
async def test_bounds_that_are_none_are_refused_with_a_reason(
    start_gate: Any, burst: tuple[str, Any], ask: Any, claims: dict[str, Any], sentence: str
) -> None:
    gate = await start_gate(burst[0])
    got = await ask(gate, f"/ch1/index-150-10.m3u8?token={gate.token('ch1', **RIGHTS, **claims)}")
    assert (got.status, got.headers["Gate-Reason"]) == (401, "claim_invalid")
    assert json.loads(got.body)["detail"] == sentence
    assert burst[1] == []
