"""All four actions on real videos behind a real gate: what sessions create, only they may watch and destroy."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from gate.demo.objects import make_objects
from gate.demo.origin import REQUESTS, Running, serve
from gate.demo.recorder import ffmpeg

VIDEOS = "/v1/applications/app1/videos"
OWN = {"session_owned": True}
ALL = {"all": True}
OWN_ALL = {"create": OWN, "read": OWN, "update": OWN, "destroy": OWN}
# As the README has it for Ziggeo.
STREAMS = [
    {"match": "/v1/applications/*/videos", "layout": "ziggeo", "created_field": "token"},
    {
        "match": "/v1/applications/*/videos/**",
        "layout": "ziggeo",
        "methods": {"GET": "read", "HEAD": "read", "OPTIONS": "read", "POST": "update", "DELETE": "destroy"},
    },
]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of video."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    source = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1")
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart", str(path))
    subprocess.run([ffmpeg(), "-v", "error", *source, *coding], check=True)
    return path.read_bytes()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
async def origin(kept: Path) -> AsyncIterator[Running]:
    running = await serve(make_objects(kept))
    yield running
    await running.stop()


@pytest.fixture
async def gates(start_gate: Any, origin: Running) -> list[Any]:
    """Two of them, of one store."""
    return [await start_gate(origin.url, streams=STREAMS) for _ in range(2)]


Open = Callable[..., Awaitable[str]]


@pytest.fixture
def open_session(ask: Any) -> Open:
    """Opens a session without a redirect, each time as another client; gives what its links begin with."""
    names = itertools.count()

    async def open_session(gate: Any, grants: dict[str, Any], **claims: Any) -> str:
        token = gate.token(grants=grants, live=None, **claims)
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"client {next(names)}"}
        got = await ask(gate, "/_s", "POST", headers=headers)
        assert got.status == 201, got.body
        return str(json.loads(got.body)["link"])

    return open_session


def upload(body: bytes, **fields: str) -> FormData:
    form = FormData(fields)
    form.add_field("file", body, filename="a.mp4", content_type="video/mp4")
    return form


def files(folder: Path) -> int:
    """How many there are under a folder, with what is unfinished."""
    return sum(1 for each in folder.rglob("*") if each.is_file())


async def made(ask: Any, gate: Any, link: str, body: Any = None) -> str:
    """The token of a video that is created under the link."""
    got = await ask(gate, link + VIDEOS, "POST", data=body)
    assert got.status == 201, (got.reason, got.body)
    return str(json.loads(got.body)["token"])


async def test_a_session_does_everything_with_its_own_and_another_nothing(
    gates: list[Any], origin: Running, ask: Any, open_session: Open, video: bytes, kept: Path
) -> None:
    here, there = gates
    mine, theirs = [await open_session(here, OWN_ALL) for _ in range(2)]
    path = f"{VIDEOS}/{await made(ask, here, mine)}"
    # Empty at first, then recorded, on another gate, then recorded anew.
    assert (await ask(there, f"{mine}{path}/video.mp4")).status == 404
    for body in (video, upload(video + b"\0\0\0\x08free", title="é")):
        assert (await ask(there, mine + path, "POST", data=body)).status == 200
    told = json.loads((await ask(here, mine + path)).body)
    assert (told["title"], told["state"]) == ("é", "READY")
    got = await ask(here, f"{mine}{path}/video.mp4", headers={"Range": "bytes=5-104"})
    assert (got.status, got.body) == (206, video[5:105])
    assert got.headers["Content-Range"] == f"bytes 5-104/{len(video) + 8}"
    assert (await ask(here, f"{mine}{path}/video.mp4")).body == video + b"\0\0\0\x08free"
    got = await ask(here, f"{mine}{path}/image")
    assert (got.status, got.headers["Content-Type"], got.body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    got = await ask(there, f"{mine}{path}/streams", "POST", data=upload(video))
    assert got.status == 201
    stream = f"{path}/streams/{json.loads(got.body)['token']}"
    assert (await ask(here, f"{mine}{stream}/video.mp4")).body == video
    assert (await ask(here, f"{mine}{stream}/image")).body[:3] == b"\xff\xd8\xff"
    every = [
        *(("GET", target) for target in (path, f"{path}/video.mp4", f"{path}/image", f"{stream}/video.mp4")),
        *(("HEAD", f"{path}/video.mp4"), ("POST", path), ("POST", f"{path}/streams"), ("POST", stream)),
        *(("DELETE", stream), ("DELETE", path)),
    ]
    reached = len(origin.runner.app[REQUESTS])
    for gate in gates:
        for method, target in every:
            got = await ask(gate, theirs + target, method, data=b"mine now" if method == "POST" else None)
            assert (got.status, got.reason) == (403, "resource_not_granted"), (method, target)
    assert len(origin.runner.app[REQUESTS]) == reached
    # Nobody owns the list, or what nobody has created.
    assert (await ask(here, mine + VIDEOS)).reason == "resource_not_granted"
    assert (await ask(here, f"{mine}{VIDEOS}/{'0' * 32}")).reason == "resource_not_granted"
    assert (await ask(there, mine + stream, "DELETE")).status == 200
    assert (await ask(here, f"{mine}{stream}/video.mp4")).status == 404
    assert (await ask(there, mine + path, "DELETE")).status == 200
    assert files(kept) == 0
    for seen in origin.runner.app[REQUESTS]:
        assert mine not in seen.raw_path
        assert {name.lower() for name, _ in seen.headers}.isdisjoint({"authorization", "cookie"})


@pytest.mark.parametrize("gone", ["video", "stream"])
async def test_what_is_destroyed_is_gone_for_its_own_session_too(
    gates: list[Any], ask: Any, open_session: Open, video: bytes, gone: str
) -> None:
    link = await open_session(gates[0], OWN_ALL)
    path = f"{link}{VIDEOS}/{await made(ask, gates[0], link, upload(video))}"
    target = path
    if gone == "stream":
        target = f"{path}/streams/{json.loads((await ask(gates[0], path)).body)['default_stream']['token']}"
    assert (await ask(gates[1], target, "DELETE")).status == 200
    for gate in gates:
        assert (await ask(gate, f"{target}/video.mp4")).status in (403, 404)
        assert (await ask(gate, target, "DELETE")).status in (403, 404)
    assert (await ask(gates[0], path)).status == (200 if gone == "stream" else 403)


async def test_a_token_reads_the_video_that_it_names_and_no_other(
    gates: list[Any], ask: Any, open_link: Any, open_session: Open, video: bytes
) -> None:
    gate = gates[0]
    editor = await open_session(gate, {"create": ALL, "read": ALL})
    one, other = [await made(ask, gate, editor, upload(video)) for _ in range(2)]
    assert {each["token"] for each in json.loads((await ask(gate, editor + VIDEOS)).body)} == {one, other}
    token = gate.token(one, live=None, session_limit=1)
    link = await open_link(gate, f"{VIDEOS}/{one}/video.mp4", token)
    got = await ask(gate, link, headers={"Range": "bytes=-100"})
    assert (got.status, got.body) == (206, video[-100:])
    begin = link.removesuffix(f"{VIDEOS}/{one}/video.mp4")
    assert (await ask(gate, f"{begin}{VIDEOS}/{one}/image")).status == 200
    for target in (f"{VIDEOS}/{other}/video.mp4", f"{VIDEOS}/{other}/image", f"{VIDEOS}/{other}", VIDEOS):
        assert (await ask(gate, begin + target)).reason == "resource_not_granted", target
    for method, target in (("POST", VIDEOS), ("POST", f"{VIDEOS}/{one}"), ("DELETE", f"{VIDEOS}/{one}")):
        assert (await ask(gate, begin + target, method)).reason == "action_not_granted", target
    # Another opening would be a second session of a token of one.
    got = await ask(gate, f"{VIDEOS}/{one}/video.mp4?token={token}", headers={"User-Agent": "another"})
    assert got.reason == "session_limit"


async def test_a_download_takes_a_right_of_its_own_however_it_is_written(
    gates: list[Any], ask: Any, open_session: Open, video: bytes
) -> None:
    gate = gates[0]
    watches = await open_session(gate, OWN_ALL)
    media = f"{watches}{VIDEOS}/{await made(ask, gate, watches, upload(video))}/video.mp4"
    assert (await ask(gate, media)).headers["Content-Disposition"].startswith("inline")
    for query in (
        "download=true",
        "download=tru%65",
        "Download=true",
        "a=b&download=true",
        "download=x&download=true",
    ):
        assert (await ask(gate, f"{media}?{query}")).status == 403, query
    keeps = await open_session(gate, OWN_ALL, copy=True)
    media = f"{keeps}{VIDEOS}/{await made(ask, gate, keeps, upload(video))}/video.mp4"
    got = await ask(gate, f"{media}?download=true")
    assert (got.status, got.body) == (200, video)
    assert got.headers["Content-Disposition"].startswith("attachment")


async def test_who_records_within_one_session_destroys_within_that_one_only(
    gates: list[Any], ask: Any, open_session: Open, video: bytes
) -> None:
    """Ziggeo's own example of a token for a recorder."""
    gate = gates[0]
    claims = {"session_limit": 1, "jti": "recorder"}
    first, second = [await open_session(gate, {"create": OWN, "destroy": OWN}, **claims) for _ in range(2)]
    path = f"{VIDEOS}/{await made(ask, gate, first, upload(video))}"
    assert (await ask(gate, second + VIDEOS, "POST")).reason == "session_limit"
    assert (await ask(gate, second + path, "DELETE")).reason == "resource_not_granted"
    assert (await ask(gate, first + path)).reason == "action_not_granted"
    assert (await ask(gate, first + path, "POST", data=video)).reason == "action_not_granted"
    assert (await ask(gate, first + path, "DELETE")).status == 200


async def test_who_may_only_create_destroys_nothing_and_a_bare_token_needs_a_session(
    gates: list[Any], ask: Any, open_session: Open, video: bytes
) -> None:
    gate = gates[0]
    link = await open_session(gate, {"create": OWN, "read": OWN})
    path = f"{VIDEOS}/{await made(ask, gate, link, upload(video))}"
    assert (await ask(gate, f"{link}{path}/video.mp4")).status == 200
    assert (await ask(gate, link + path, "DELETE")).reason == "action_not_granted"
    bare = {"Authorization": f"Bearer {gate.token(grants=OWN_ALL, live=None)}", "User-Agent": "another"}
    assert (await ask(gate, VIDEOS, "POST", headers=bare)).reason == "session_required"
    assert (await ask(gate, f"{path}/video.mp4", headers=bare)).reason == "resource_not_granted"
    destroys = {"Authorization": f"Bearer {gate.token(grants={'destroy': ALL}, live=None)}"}
    assert (await ask(gate, path, "DELETE", headers=destroys)).status == 200
    assert (await ask(gate, f"{link}{path}/video.mp4")).status in (403, 404)


async def test_twenty_sessions_upload_at_once_and_each_owns_its_own(
    gates: list[Any], ask: Any, open_session: Open, video: bytes
) -> None:
    links = [await open_session(gates[0], OWN_ALL) for _ in range(20)]
    tokens = await asyncio.gather(
        *(made(ask, gates[at % 2], link, upload(video)) for at, link in enumerate(links))
    )
    assert len(set(tokens)) == 20
    for at, link in enumerate(links):
        for token, status in ((tokens[at], 200), (tokens[at - 1], 403)):
            assert (await ask(gates[at % 2], f"{link}{VIDEOS}/{token}/video.mp4")).status == status


@pytest.mark.parametrize("framing", ["Content-Length: 400000", "Transfer-Encoding: chunked"])
async def test_an_upload_that_breaks_off_creates_and_changes_nothing(
    gates: list[Any], ask: Any, open_session: Open, video: bytes, kept: Path, framing: str
) -> None:
    gate = gates[0]
    link = await open_session(gate, OWN_ALL)
    path = f"{VIDEOS}/{await made(ask, gate, link, upload(video))}"

    async def until(count: int) -> None:
        while True:
            if files(kept) == count:
                return
            await asyncio.sleep(0.01)

    before = files(kept)
    for target in (VIDEOS, path, f"{path}/streams"):
        _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(f"POST {link}{target} HTTP/1.1\r\nHost: gate\r\n{framing}\r\n\r\n".encode())
        body = bytes(300_000)
        writer.write(b"%x\r\n%s\r\n" % (len(body), body) if "chunked" in framing else body)
        await writer.drain()
        async with asyncio.timeout(10):
            await until(before + 1)
            writer.close()
            await until(before)
    assert (await ask(gate, f"{link}{path}/video.mp4")).body == video
    assert len(json.loads((await ask(gate, link + path)).body)["streams"]) == 1


async def test_what_the_gate_or_the_origin_finds_too_large_creates_nothing(
    start_gate: Any, origin: Running, ask: Any, open_session: Open, video: bytes, kept: Path
) -> None:
    gate = await start_gate(origin.url, streams=STREAMS, limits={"upload": "64KiB"})
    link = await open_session(gate, OWN_ALL)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1000)

    for body in (bytes(70_000), chunks()):
        got = await ask(gate, link + VIDEOS, "POST", data=body)
        assert (got.status, got.reason) == (413, "body_too_large")
    gate = await start_gate(origin.url, streams=STREAMS)
    got = await ask(gate, link + VIDEOS, "POST", data={"title": "x" * 70_000})
    assert (got.status, got.reason) == (413, None)
    assert files(kept) == 0
