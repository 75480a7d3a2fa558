"""Playlists that come encoded, though they were asked for plain."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from gate.errors import OriginError
from gate.proxy.coding import coding_of, decoded


@pytest.mark.parametrize(
    ("values", "coding"),
    [([], ""), ([b"identity"], ""), ([b""], ""), ([b"GZIP"], "gzip"), ([b"identity", b" deflate "], "deflate")],
)
def test_the_one_coding_of_a_body(values: list[bytes], coding: str) -> None:
    assert coding_of([(b"content-ENCODING", value) for value in values]) == coding


async def whole(body: bytes, size: int) -> bytes:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    return b"".join([piece async for piece in decoded(pieces())])


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_how_it_is_cut_makes_no_difference(size: int) -> None:
    plain = b"".join(b"/ch1/%d.ts\n" % at for at in range(1000))
    for pack in (gzip.compress, zlib.compress):
        assert await whole(pack(plain), size) == plain
    assert await whole(b"", size) == b""


async def test_little_that_stands_for_much_is_given_piece_by_piece() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield zlib.compress(bytes(20_000_000))

    assert max([len(piece) async for piece in decoded(pieces())]) <= 65536


@pytest.mark.parametrize("damage", ["cut", "changed", "continued"])
@pytest.mark.parametrize("size", [7, 100_000])
async def test_a_damaged_one_is_the_origins_fault(damage: str, size: int) -> None:
    packed = gzip.compress(b"#EXTM3U\n" * 100)
    body = {"cut": packed[:-1], "changed": packed[:-6] + b"x" + packed[-5:], "continued": packed * 2}[damage]
    with pytest.raises(OriginError):
        await whole(body, size)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate"])
async def test_one_that_comes_encoded_unasked_is_decoded(
    start_gate: Any, start_origin: Any, ask: Any, open_link: Any, coding: str
) -> None:
    lines = [b"#EXTM3U", *(b"/ch1/%d.ts" % at for at in range(40_000))]
    packed = {"deflate": zlib.compress}.get(coding, gzip.compress)(b"\n".join(lines))

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=packed, headers={"Content-Encoding": coding})

    gate = await start_gate((await start_origin(serve))[0])
    # Who may see all of it gets all of it: the list says no time.
    link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1", dvr=True, copy=True))
    front = link.removesuffix("/ch1/index.m3u8").encode()
    got = await ask(gate, link)
    assert "Content-Encoding" not in got.headers
    assert got.body.split(b"\n") == [lines[0], *(front + line for line in lines[1:])]
    assert "Content-Encoding" not in (await ask(gate, link, "HEAD")).headers


@pytest.mark.parametrize(("coding", "body"), [("br", b"x"), ("gzip, br", b"x"), ("gzip", b"no gzip at all")])
async def test_one_that_cannot_be_read_is_not_passed_on(
    start_gate: Any, start_origin: Any, ask: Any, open_link: Any, coding: str, body: bytes
) -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": coding})

    gate = await start_gate((await start_origin(serve))[0])
    link = await open_link(gate, "/ch1/index.m3u8", gate.token("ch1"))
    assert (await ask(gate, link)).status == 502
