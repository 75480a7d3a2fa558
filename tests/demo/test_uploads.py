"""Bodies of requests to the origin of video objects: whatever comes, nothing is ever left half done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from gate.demo.origin import Running

VIDEOS = "/v1/applications/app1/videos"
Do = Callable[..., Awaitable[Any]]


def files(folder: Path) -> list[str]:
    """All files under a folder, what is unfinished too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def until(holds: Callable[[], bool]) -> None:
    """Returns when that holds, within the time of whoever waits."""
    while True:
        if holds():
            return
        await asyncio.sleep(0.01)


def upload(body: bytes, **fields: str) -> FormData:
    form = FormData(fields)
    form.add_field("file", body, filename="a.mp4", content_type="video/mp4")
    return form


@pytest.mark.parametrize("how", ["multipart", "raw", "untyped"])
async def test_a_file_comes_with_the_creation_in_any_body(do: Do, red: bytes, how: str) -> None:
    body, kind = {
        "multipart": (upload(red, title="Größe", tags="a, b", volatile="True", server_auth="x"), None),
        "raw": (red, {"Content-Type": "video/mp4"}),
        "untyped": (red, {}),
    }[how]
    video = await do("POST", VIDEOS, 201, data=body, headers=kind)
    assert video["default_stream"]["size"] == len(red)
    assert "server_auth" not in video
    if how == "multipart":
        assert (video["title"], video["tags"], video["volatile"]) == ("Größe", ["a", "b"], True)


def multipart(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


FILE = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"nothing of the kind",
        multipart(FILE + b"12345", end=b""),
        multipart(FILE + b"12345", end=b"--b"),
        multipart(FILE + b"12345", end=b"--b\r\n"),
        multipart(FILE + b"12345", end=b"--b\r\n" + FILE),
        multipart(FILE + b"12345")[:-10],
        multipart(FILE + b"12345", FILE + b"6789"),
        multipart(b"Content-Type: text/plain\r\n\r\n12345"),
        multipart(b'Content-Disposition: form-data; name="title"\r\n\r\n\xff\xfe'),
        multipart(b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c--"),
        multipart(b"X: " + b"y" * 20_000 + b"\r\n\r\n"),
    ],
)
async def test_a_malformed_form_is_refused_and_leaves_nothing(do: Do, tmp_path: Path, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert "malformed" in (await do("POST", VIDEOS, 400, data=body, headers=headers))["error"]
    assert files(tmp_path / "kept") == []


@pytest.mark.parametrize("kind", ["video/mp4", "multipart/form-data; boundary=b"])
@pytest.mark.parametrize("framing", ["Content-Length: 400000", "Transfer-Encoding: chunked"])
async def test_a_client_that_leaves_midway_leaves_nothing(
    do: Do,
    origin: Running,
    red: bytes,
    tmp_path: Path,
    kind: str,
    framing: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = f"{VIDEOS}/{(await do('POST', VIDEOS, 201, data=red))['token']}"
    before = files(tmp_path / "kept")
    for target in (VIDEOS, path, f"{path}/streams"):
        _, writer = await asyncio.open_connection(origin.host, origin.port)
        body = (b"--b\r\n" + FILE if "multipart" in kind else b"") + bytes(300_000)
        if "chunked" in framing:
            body = b"%x\r\n" % len(body) + body + b"\r\n"
        head = f"POST {target} HTTP/1.1\r\nHost: origin\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        async with asyncio.timeout(10):
            await until(lambda: len(files(tmp_path / "kept")) > len(before))
            writer.close()
            await until(lambda: files(tmp_path / "kept") == before)
    assert files(tmp_path / "kept") == before
    assert len(await do("GET", VIDEOS)) == 1
    assert (await do("GET", path))["default_stream"]["size"] == len(red)
    assert not caplog.records
