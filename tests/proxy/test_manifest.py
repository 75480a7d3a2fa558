"""The origin's manifests on their way: validators, codings, sizes, and bodies that are no playlists."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from gate.proxy.coding import decoded
from tests.proxy.playlists import HLS, Site, at, entries, media, numbers, uris

LIVE = {"match": "/{resource}/**", "layout": "unified"}
ALL = {"live": True, "dvr": True, "copy": True}
VALIDATORS = {"ETag": '"the-origins"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}


@pytest.fixture
async def site(start_origin: Any) -> Site:
    site = Site()
    site.url, site.seen = await start_origin(site.serve)
    return site


@pytest.fixture
def opened(start_gate: Any, open_link: Any, site: Site) -> Callable[..., Any]:
    """Starts a gate with one rule; gives it, and the link of a session of `/cam1/index.m3u8`."""

    async def opened(claims: dict[str, Any], *, policy: dict[str, Any] | None = None, **rule: Any) -> Any:
        gate = await start_gate(site.url, streams=[{**LIVE, **rule}], **policy or {})
        return gate, await open_link(gate, "/cam1/index.m3u8", gate.token("cam1", **claims))

    return opened


def answer(body: bytes, status: int = 200, **fields: str) -> Callable[[web.BaseRequest], web.StreamResponse]:
    def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=fields, content_type=HLS)

    return answer


def fields(**named: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}


# Validators, HEAD, lengths.


async def test_a_cut_playlist_has_a_validator_of_its_own(site: Site, opened: Any, ask: Any) -> None:
    start = int(time.time()) - 800
    site.put(
        "/cam1/index.m3u8", answer(media(1, 200, start).encode(), **VALIDATORS, **{"Accept-Ranges": "bytes"})
    )
    gate, link = await opened({})
    got = await ask(gate, link, headers={"If-None-Match": '"the-origins"', "If-Modified-Since": "x"})
    assert got.status == 200
    assert got.headers["Content-Length"] == str(len(got.body))
    assert got.headers["Content-Type"] == HLS
    assert not {"Last-Modified", "Accept-Ranges"} & set(got.headers)
    etag = got.headers["ETag"]
    assert etag != '"the-origins"'
    assert not {"If-None-Match", "If-Modified-Since"} & set(site.seen[-1].headers)
    for said in (etag, f"W/{etag}", f'"x", {etag}', f'"a,b",W/{etag}', "*"):
        again = await ask(gate, link, headers={"If-None-Match": said})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
        assert again.reason is None
    for said in ('"x"', '"*"', f"x{etag[1:]}", "", etag.strip('"')):
        assert (await ask(gate, link, headers={"If-None-Match": said})).status == 200
    site.put("/cam1/index.m3u8", media(2, 200, start + 4))
    assert (await ask(gate, link, headers={"If-None-Match": etag})).status == 200


async def test_what_is_not_cut_keeps_the_origins(site: Site, opened: Any, ask: Any) -> None:
    body = media(1, 200, time.time() - 800).encode()
    site.put("/cam1/index.m3u8", answer(body, **VALIDATORS))
    gate, link = await opened(ALL)
    got = await ask(gate, link, headers={"If-None-Match": '"x"'})
    assert got.body == body
    assert {name: got.headers[name] for name in VALIDATORS} == VALIDATORS
    assert site.seen[-1].headers["If-None-Match"] == '"x"'
    site.put("/cam1/index.m3u8", lambda _: web.Response(status=304, headers=VALIDATORS))
    got = await ask(gate, link, headers={"If-None-Match": '"the-origins"'})
    assert (got.status, got.headers["ETag"]) == (304, '"the-origins"')


@pytest.mark.parametrize("claims", [{}, ALL], ids=["cut", "whole"])
async def test_head_says_nothing_of_what_would_be_cut(
    site: Site, opened: Any, ask: Any, claims: dict[str, Any]
) -> None:
    body = media(1, 200, time.time() - 800).encode()
    site.put("/cam1/index.m3u8", answer(body, **VALIDATORS))
    gate, link = await opened(claims)
    got = await ask(gate, link, "HEAD")
    assert (got.status, got.body, got.headers["Content-Type"]) == (200, b"", HLS)
    assert site.seen[-1].method == "HEAD"
    assert "Content-Length" not in got.headers
    assert ("ETag" in got.headers) == (claims is ALL)
    # The connection goes on.
    assert len(numbers((await ask(gate, link)).body)) == (200 if claims is ALL else 15) or claims is not ALL


@pytest.mark.parametrize("status", [404, 410, 500, 503])
async def test_the_origins_errors_are_its_own(site: Site, opened: Any, ask: Any, status: int) -> None:
    site.put("/cam1/index.m3u8", answer(b"#EXTM3U\nseg1.ts\n", status, **VALIDATORS))
    gate, link = await opened({})
    got = await ask(gate, link)
    assert (got.status, got.reason, got.body) == (status, None, b"#EXTM3U\nseg1.ts\n")


async def test_no_range_of_a_cut_playlist_is_asked_for(site: Site, opened: Any, ask: Any) -> None:
    site.put("/cam1/index.m3u8", media(1, 200, time.time() - 800))
    gate, link = await opened({})
    got = await ask(gate, link, headers={"Range": "bytes=0-99", "If-Range": '"x"'})
    assert (got.status, len(numbers(got.body)) < 20) == (200, True)
    assert not {"Range", "If-Range"} & set(site.seen[-1].headers)
    assert site.seen[-1].headers["Accept-Encoding"] == "identity"


# Codings.

CODED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "GZIP, identity": gzip.compress,
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("claims", [{}, ALL], ids=["cut", "whole"])
async def test_what_comes_coded_is_decoded(
    site: Site, opened: Any, ask: Any, coding: str, claims: dict[str, Any]
) -> None:
    text = media(1, 80, time.time() - 320, name=lambda number: (f"/cam1/seg{number}.ts",))
    site.put("/cam1/index.m3u8", answer(CODED[coding](text.encode()), **{"Content-Encoding": coding}))
    gate, link = await opened(claims)
    got = await ask(gate, link, headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in got.headers
    assert got.headers["Content-Length"] == str(len(got.body))
    assert entries(got.body)[-1].startswith("/_s/")
    assert len(entries(got.body)) == 80 if claims is ALL else len(entries(got.body)) <= 17


@pytest.mark.parametrize("claims", [{}, ALL], ids=["cut", "whole"])
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br"])
async def test_what_cannot_be_decoded_is_refused(
    site: Site, opened: Any, ask: Any, coding: str, claims: dict[str, Any]
) -> None:
    site.put("/cam1/index.m3u8", answer(b"\x0b\x02\x80", **{"Content-Encoding": coding}))
    gate, link = await opened(claims)
    got = await ask(gate, link)
    assert (got.status, got.reason) == (502, "origin_invalid")


@pytest.mark.parametrize(
    "body",
    [
        b"#EXTM3U\n",
        gzip.compress(b"#EXTM3U\n" * 9)[:-9],
        gzip.compress(b"#EXTM3U\n") + b"more",
        b"\x1f\x8b\x08\x00junk",
    ],
)
async def test_what_is_coded_wrongly_is_refused(site: Site, opened: Any, ask: Any, body: bytes) -> None:
    site.put("/cam1/index.m3u8", answer(body, **{"Content-Encoding": "gzip"}))
    gate, link = await opened({})
    got = await ask(gate, link)
    assert (got.status, got.reason) == (502, "origin_invalid")


# Sizes.

MEGABYTE = 2**20


def bomb(size: int, head: bytes = b"#EXTM3U\n") -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(head)]
    pieces += [packer.compress(bytes(MEGABYTE)) for _ in range(size // MEGABYTE)]
    return b"".join([*pieces, packer.flush()])


@pytest.mark.parametrize("head", [b"#EXTM3U\n", b"", b"<MPD>"])
async def test_a_bomb_is_not_unpacked(site: Site, opened: Any, ask: Any, head: bytes) -> None:
    packed = bomb(100 * MEGABYTE, head)
    assert len(packed) < MEGABYTE // 4
    site.put("/cam1/index.m3u8", answer(packed, **{"Content-Encoding": "gzip"}))
    gate, link = await opened({})
    tracemalloc.start()
    try:
        began = time.process_time()
        got = await ask(gate, link)
        took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (got.status, got.reason) == (502, "manifest_too_large")
    assert took < 20
    assert peak < 3 * 8 * MEGABYTE


async def test_so_much_of_a_bomb_is_unpacked_and_no_more() -> None:
    """Piece by piece: who takes no more of it gets no more of it."""

    async def body() -> AsyncIterator[bytes]:
        yield bomb(100 * MEGABYTE)

    got = 0
    unpacked = decoded(body())
    async for piece in unpacked:
        assert len(piece) <= 65536
        got += len(piece)
        if got > MEGABYTE:
            break
    await unpacked.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("length", [True, False], ids=["announced", "chunked"])
async def test_a_hundred_megabytes_are_too_many(site: Site, opened: Any, ask: Any, length: bool) -> None:
    sent = 0

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": HLS})
        if length:
            response.content_length = 100 * MEGABYTE
        await response.prepare(request)
        try:
            await response.write(b"#EXTM3U\n".ljust(MEGABYTE, b"\n"))
            for _ in range(99):
                await response.write(b"#EXTINF:4,\nseg.ts\n".ljust(MEGABYTE, b"\n"))
                sent += 1
        except ConnectionError:
            pass
        return response

    site.put("/cam1/index.m3u8", serve)
    gate, link = await opened({})
    got = await ask(gate, link)
    assert (got.status, got.reason) == (502, "manifest_too_large")
    await asyncio.sleep(0.05)
    assert sent < 60


@pytest.mark.parametrize("spare", [0, -1])
async def test_the_policy_says_how_large(site: Site, opened: Any, ask: Any, spare: int) -> None:
    body = media(1, 2000, time.time() - 8000).encode()
    site.put("/cam1/index.m3u8", body)
    gate, link = await opened({}, policy={"limits": {"manifest": len(body) + spare}})
    got = await ask(gate, link)
    assert (got.status, got.reason) == ((200, None) if spare == 0 else (502, "manifest_too_large"))


async def test_what_is_not_cut_may_be_as_large_as_it_is(site: Site, opened: Any, ask: Any) -> None:
    body = media(1, 9000, time.time() - 36_000).encode()
    site.put("/cam1/index.m3u8", body)
    gate, link = await opened(ALL, policy={"limits": {"manifest": 1000}})
    assert (await ask(gate, link)).body == body


async def test_a_long_one_is_cut_aside(site: Site, opened: Any, ask: Any) -> None:
    """In a thread: five hundred kilobytes take a while, in which others are served."""
    site.put("/cam1/index.m3u8", media(1, 20_000, time.time() - 80_000))
    gate, link = await opened({})
    got = await ask(gate, link)
    assert 15 <= len(numbers(got.body)) <= 16
    assert (await ask(gate, at(link, entries(got.body)[0]))).status == 200


# What is no playlist, or a strange one.

PAGE = b"\n <!DOCTYPE html>\n<html><body>The stream is over. <a href='/cam1/x'>More</a></body></html>"


@pytest.mark.parametrize("claims", [{}, {"live": None, "dvr": True, "from": 1000, "to": 2000}, ALL])
@pytest.mark.parametrize("page", [PAGE, PAGE.replace(b"<!DOCTYPE html>", b"").lstrip(), b""])
async def test_a_page_passes_as_it_is(
    site: Site, opened: Any, ask: Any, claims: dict[str, Any], page: bytes
) -> None:
    site.put("/cam1/index.m3u8", answer(page))
    gate, link = await opened(claims)
    got = await ask(gate, link)
    assert (got.status, got.reason, got.body) == (200, None, page)


NOW = int(time.time())
DATE = "#EXT-X-PROGRAM-DATE-TIME:"
LONG_AGO = media(1, 500, NOW - 50_000)


def strange() -> dict[str, bytes]:
    """Bodies that an origin should not send. Where they have entries, the newest is of today."""
    good = media(1, 200, NOW - 800)
    first, _, rest = good.partition("#EXTINF")
    return {
        "nothing but the first line": b"#EXTM3U",
        "binary": bytes(range(256)) * 40,
        "binary after the first line": b"#EXTM3U\n" + bytes(range(256)) * 40,
        "nul": good.encode().replace(b"seg150.ts", b"seg\x00150.ts"),
        "nul everywhere": good.encode().replace(b"\n", b"\x00\n"),
        "carriage returns alone": good.encode().replace(b"\n", b"\r"),
        "mixed line ends": good.encode().replace(b"\n", b"\r\n", 90).replace(b"\r\n", b"\r", 40),
        "no line end": good.encode().rstrip(),
        "cut in the middle of a tag": good.encode()[: len(good) // 2],
        "utf-16": good.encode("utf-16"),
        "latin-1": good.encode().replace(b"seg150", b"seg\xe9"),
        "a late first line": b"\n" + good.encode(),
        "a byte order mark": b"\xef\xbb\xbf" + good.encode(),
        "huge numbers": good.replace("MEDIA-SEQUENCE:1\n", f"MEDIA-SEQUENCE:{10**18}\n").encode(),
        "numbers too huge": good.replace("MEDIA-SEQUENCE:1\n", f"MEDIA-SEQUENCE:{10**40}\n").encode(),
        "a target too huge": good.replace("TARGETDURATION:4", f"TARGETDURATION:{10**18}").encode(),
        "a negative sequence": good.replace("MEDIA-SEQUENCE:1\n", "MEDIA-SEQUENCE:-5\n").encode(),
        "two sequences": good.replace("#EXTINF", "#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF", 1).encode(),
        "a duration of years": good.replace("#EXTINF:4.000", "#EXTINF:99999999999", 9).encode(),
        "an infinite duration": good.replace("#EXTINF:4.000", "#EXTINF:inf", 9).encode(),
        "no number": good.replace("#EXTINF:4.000", "#EXTINF:nan", 9).encode(),
        "negative durations": good.replace("#EXTINF:4.000", "#EXTINF:-4.000", 199).encode(),
        "no durations": good.replace("#EXTINF:4.000,\n", "").encode(),
        "zero durations": good.replace("#EXTINF:4.000", "#EXTINF:0").encode(),
        "a duration of many digits": good.replace("4.000", "4." + "0" * 5000, 3).encode(),
        "dates out of order": (
            LONG_AGO + f"{DATE}2099-01-01T00:00:00Z\n#EXTINF:4,\nseg501.ts\n{DATE}1999-01-01T00:00:00Z\n"
            "#EXTINF:4,\nseg502.ts\n"
        ).encode(),
        "a date of no calendar": good.replace(DATE, DATE + "9").encode(),
        "the last date of all": (
            first.partition(DATE)[0] + DATE + "9999-12-31T23:59:59Z\n#EXTINF" + rest
        ).encode(),
        "a leap second": (first.partition(DATE)[0] + DATE + "2016-12-31T23:59:60Z\n#EXTINF" + rest).encode(),
        "a date without a zone": (
            first.partition(DATE)[0] + DATE + "2026-01-01T00:00:00\n#EXTINF" + rest
        ).encode(),
        "a host that is none": good.replace("seg150.ts", "http://[::1/seg150.ts").encode(),
        "a first host that is none": good.replace("seg1.ts", "//[/seg1.ts").encode(),
        "a variable that is no host": good.replace("#EXTINF", '#EXT-X-DEFINE:NAME="a",VALUE="//["\n#EXTINF', 1)
        .replace("seg150.ts", "{$a}seg150.ts")
        .encode(),
        "a uri of dots": good.replace("seg150.ts", "../../../../../etc/passwd").encode(),
        "a uri of escapes": good.replace("seg150.ts", "%2e%2e/%00/%zz?%0d%0a").encode(),
        "a long uri": good.replace("seg150.ts", "a" * 70_000).encode(),
        "a byte range of nothing": good.replace("seg150.ts", "#EXT-X-BYTERANGE:0\nseg150.ts").encode(),
        "huge byte ranges": good.replace(
            "seg150.ts", f"#EXT-X-BYTERANGE:{10**18}@{10**18}\nseg150.ts"
        ).encode(),
        "half an attribute": good.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="\n#EXTINF', 1).encode(),
        "both a master and not": (good + "#EXT-X-STREAM-INF:BANDWIDTH=1\nindex.m3u8\n").encode(),
        "masters in masters": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nindex.m3u8\n" * 300,
        "ended at the beginning": good.replace("#EXTINF", "#EXT-X-ENDLIST\n#EXTINF", 1).encode(),
        "markup": b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period/></MPD>",
        "half of markup": b"<MPD type='dynamic'",
        "entities": b"<!DOCTYPE x [<!ENTITY a 'b'>]><MPD>&a;</MPD>",
        "json": b'{"a": 1}',
    }


WINDOW = {"live": None, "dvr": True, "from": NOW - 400, "to": NOW - 300}
PAST = {"live": None, "dvr": True, "from": 1000, "to": 2000}


@pytest.mark.parametrize("name", strange())
async def test_nothing_that_an_origin_sends_is_our_fault(
    start_gate: Any, site: Site, open_link: Any, ask: Any, name: str
) -> None:
    """It is cut, or refused for a reason; and of what was not allowed nothing is handed out."""
    body = strange()[name]
    site.put("/cam1/index.m3u8", answer(body))
    gate = await start_gate(site.url, streams=[LIVE])
    for claims in ({}, WINDOW, PAST, ALL):
        link = await open_link(
            gate, "/cam1/index.m3u8", gate.token("cam1", **claims), headers={"User-Agent": "x"}
        )
        got = await ask(gate, link)
        assert (got.status == 200) == (got.reason is None)
        if claims is ALL:
            assert got.status in (200, 502)
            continue
        allowed = {"manifest_invalid", "time_unknown", "outside_window", "origin_invalid", "foreign_uri"}
        assert got.reason is None or (got.reason in allowed and got.status in (403, 502)), name
        if got.status != 200 or b"STREAM-INF" in got.body:
            continue
        # Ten minutes ago, or undated and long before the newest; without durations it is as new as that.
        assert name == "zero durations" or b"seg100.ts" not in got.body
        assert claims is not PAST or not uris(got.body.replace(b"\r", b"\n").replace(b"\x00", b""))


# URIs that lead elsewhere.

ELSEWHERE = "https://cdn.example/cam1/seg{0}.ts"


def foreign(number: int) -> tuple[str, ...]:
    return (ELSEWHERE.format(number),)


@pytest.mark.parametrize("claims", [{}, ALL], ids=["cut", "whole"])
async def test_they_are_left(site: Site, opened: Any, ask: Any, claims: dict[str, Any]) -> None:
    site.put("/cam1/index.m3u8", media(1, 20, time.time() - 80, name=foreign))
    gate, link = await opened(claims)
    assert set(entries((await ask(gate, link)).body)) <= {foreign(number)[0] for number in range(1, 21)}


@pytest.mark.parametrize("claims", [{}, ALL], ids=["cut", "whole"])
@pytest.mark.parametrize("rule", ["refuse", "adopt"])
@pytest.mark.parametrize(
    "uri",
    [
        ELSEWHERE.format(1),
        "//cdn.example/seg1.ts",
        "ftp://cdn.example/seg1.ts",
        "\\\\cdn.example\\seg1.ts",
        "{$cdn}/seg1.ts",
        "{$anyone}/seg1.ts",
    ],
)
async def test_they_are_refused(
    site: Site, opened: Any, ask: Any, claims: dict[str, Any], rule: str, uri: str
) -> None:
    head = ('#EXT-X-DEFINE:NAME="cdn",VALUE="https://cdn.example"', '#EXT-X-DEFINE:IMPORT="anyone"')
    text = media(1, 20, time.time() - 80, head=head)
    site.put("/cam1/index.m3u8", text)
    gate, link = await opened(claims, foreign_uris=rule)
    assert (await ask(gate, link)).status == 200
    site.put("/cam1/index.m3u8", text.replace("seg20.ts", uri))
    got = await ask(gate, link)
    assert (got.status, got.reason) == (502, "foreign_uri")
    site.put("/cam1/index.m3u8", text.replace("#EXTINF", f'#EXT-X-MAP:URI="{uri}"\n#EXTINF', 1))
    got = await ask(gate, link)
    assert (got.status, got.reason) == (502, "foreign_uri")


@pytest.mark.parametrize("claims", [{}, ALL], ids=["cut", "whole"])
async def test_those_of_other_origins_are_adopted(
    start_gate: Any, start_origin: Any, open_link: Any, ask: Any, site: Site, claims: dict[str, Any]
) -> None:
    cdn = Site()
    cdn.url, cdn.seen = await start_origin(cdn.serve)
    streams = [
        {"match": "/media/{resource}/**", "layout": "unified", "origin": "cdn"},
        {**LIVE, "origin": "origin", "foreign_uris": "adopt"},
    ]
    origins = {"origin": {"url": site.url}, "cdn": {"url": f"{cdn.url}/base"}}
    gate = await start_gate(site.url, streams=streams, origins=origins)
    text = media(
        1, 20, time.time() - 80, name=lambda number: (f"{cdn.url}/base/media/cam1/seg{number}.ts?a=1",)
    )
    site.put("/cam1/index.m3u8", text)
    link = await open_link(gate, "/cam1/index.m3u8", gate.token("cam1", **claims))
    handed = entries((await ask(gate, link)).body)
    assert len(handed) >= 15
    assert all(uri.startswith(link.partition("/cam1/")[0] + "/media/cam1/seg") for uri in handed)
    assert (await ask(gate, at(link, handed[-1]))).status == 200
    assert cdn.seen[-1].target == "/base/media/cam1/seg20.ts?a=1"
    assert "_gate" not in str(site.seen) + str(cdn.seen)
    if not claims:
        bare = at(link, handed[-1]).partition("&_gate")[0]
        assert (await ask(gate, bare)).reason == "time_unknown"
    # What no rule brings to that origin cannot be adopted, nor can anybody's.
    for other in (f"{cdn.url}/base/cam1/seg20.ts", foreign(20)[0]):
        site.put("/cam1/index.m3u8", text.replace(f"{cdn.url}/base/media/cam1/seg20.ts", other))
        got = await ask(gate, link)
        assert (got.status, got.reason) == (502, "foreign_uri"), other


async def test_a_redirect_may_lead_where_no_manifest_may(site: Site, opened: Any, ask: Any) -> None:
    site.put("/cam1/index.m3u8", lambda _: web.Response(status=302, headers={"Location": ELSEWHERE}))
    gate, link = await opened({}, foreign_uris="refuse")
    got = await ask(gate, link)
    assert (got.status, got.headers["Location"]) == (302, ELSEWHERE)
