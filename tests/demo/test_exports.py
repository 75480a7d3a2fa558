from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from gate.demo import exports as module
from gate.demo.archive import Segment, recorded
from gate.demo.exports import Exports
from gate.demo.instants import instants_of
from gate.demo.origin import Running, make_app, serve
from gate.demo.recorder import Recorder
from gate.errors import GateError


async def record(directory: Path) -> None:
    """Two recordings of cam1: some seconds a minute ago, and some until now."""

    def a_minute_ago_ms() -> int:
        return time.time_ns() // 1_000_000 - 60_000

    async with Recorder(directory, prefill_s=16, now_ms=a_minute_ago_ms):
        pass
    async with Recorder(directory, prefill_s=12):
        pass


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("media")
    asyncio.run(record(made))
    (made / "video").mkdir()
    (made / "video" / "clip.mp4").write_bytes(b"clip")
    return made


@pytest.fixture
def runs(directory: Path) -> tuple[list[Segment], list[Segment]]:
    every = recorded(directory / "cam1")
    early, late = ([segment for segment in every if segment.run == run] for run in (0, 1))
    assert len(early) >= 7
    assert len(late) >= 5
    return early, late


@pytest.fixture
async def origin(directory: Path) -> AsyncIterator[Running]:
    running = await serve(make_app(directory))
    yield running
    await running.stop()


@pytest.fixture
async def client(origin: Running) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(origin.url) as session:
        yield session


async def fetch(client: aiohttp.ClientSession, path: str) -> bytes:
    async with client.get(path) as answer:
        assert answer.status == 200, path
        return await answer.read()


def frames(start_s: int, end_s: int) -> list[float]:
    return [tenths / 10 for tenths in range(start_s * 10, end_s * 10)]


def dated(second_s: int) -> str:
    return f"{datetime.fromtimestamp(second_s, UTC):%Y/%m/%d/%H/%M/%S}"


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
@pytest.mark.parametrize(("first", "lasts"), [(0, 4), (1, 1), (1, 4), (2, 3), (3, 1)])
async def test_a_download_shows_every_frame_of_its_span_and_no_other(
    client: aiohttp.ClientSession,
    runs: tuple[list[Segment], list[Segment]],
    suffix: str,
    first: int,
    lasts: int,
) -> None:
    start_s = runs[0][1].start_s + first
    media = await fetch(client, f"/cam1/archive-{start_s}-{lasts}.{suffix}")
    assert await instants_of(media) == frames(start_s, start_s + lasts)


@pytest.mark.parametrize("path", ["archive-{}-{}.mp4", "archive-{}-{}.ts", "archive/{}/{}/mpegts"])
async def test_a_gap_is_left_out(
    client: aiohttp.ClientSession, runs: tuple[list[Segment], list[Segment]], path: str
) -> None:
    start_s, end_s = runs[0][-2].start_s + 1, runs[1][1].start_s + 1
    media = await fetch(client, "/cam1/" + path.format(start_s, end_s - start_s))
    stopped_s = runs[0][-1].end_ms // 1000
    expected = frames(start_s, stopped_s) + frames(runs[1][0].start_s, end_s)
    assert await instants_of(media) == expected
    if path.endswith("mp4"):
        # The time scale and the length in it (ISO/IEC 14496-12, 8.2.2).
        at = media.index(b"mvhd") + 16
        scale, length = (int.from_bytes(media[at + more : at + more + 4], "big") for more in (0, 4))
        assert length / scale == pytest.approx(len(expected) / 10, abs=0.1)


async def test_what_is_not_recorded_is_left_out(
    client: aiohttp.ClientSession, runs: tuple[list[Segment], list[Segment]]
) -> None:
    first_s, last_s = runs[0][0].start_s, runs[1][-1].end_ms // 1000
    shown = await instants_of(await fetch(client, f"/cam1/archive-{first_s - 5}-8.mp4"))
    assert shown == frames(first_s, first_s + 3)
    shown = await instants_of(await fetch(client, f"/cam1/archive-{last_s - 1}-9999999999.mp4"))
    assert shown == frames(last_s - 1, last_s)


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
async def test_a_download_is_resumed_by_range_even_when_it_had_to_be_made_again(
    client: aiohttp.ClientSession,
    directory: Path,
    runs: tuple[list[Segment], list[Segment]],
    suffix: str,
) -> None:
    start_s = runs[0][0].start_s + 1
    path = f"/cam1/archive-{start_s}-4.{suffix}"
    async with client.get(path) as answer:
        whole = await answer.read()
        headers = answer.headers
    assert headers["Content-Type"] == {"mp4": "video/mp4", "ts": "video/mp2t"}[suffix]
    assert headers["Content-Disposition"] == f'attachment; filename="cam1-{start_s}-4.{suffix}"'
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Length"] == str(len(whole))
    async with client.head(path) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Content-Length"] == str(len(whole))
        assert answer.headers["ETag"] == headers["ETag"]
    shutil.rmtree(directory / ".made")
    for condition in (headers["ETag"], headers["Last-Modified"]):
        asked = {"Range": "bytes=1000-", "If-Range": condition}
        async with client.get(path, headers=asked) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
            assert await answer.read() == whole[1000:]
    for condition in ('"other"', f"W/{headers['ETag']}", "Sat, 21 Nov 2020 22:04:06 GMT"):
        async with client.get(path, headers={"Range": "bytes=1000-", "If-Range": condition}) as answer:
            assert (answer.status, await answer.read()) == (200, whole)
    async with client.get(path, headers={"If-None-Match": headers["ETag"]}) as answer:
        assert answer.status == 304


async def test_an_index_stands_in_front_of_a_download(
    client: aiohttp.ClientSession, runs: tuple[list[Segment], list[Segment]]
) -> None:
    media = await fetch(client, f"/cam1/archive-{runs[0][0].start_s}-2.mp4")
    assert 0 < media.index(b"moov") < media.index(b"mdat")


async def test_images_show_their_second(
    client: aiohttp.ClientSession, runs: tuple[list[Segment], list[Segment]]
) -> None:
    for second_s in (runs[0][2].start_s, runs[0][2].start_s + 1):
        for name, media_type in ((".jpg", "image/jpeg"), ("-preview.mp4", "video/mp4")):
            async with client.get(f"/cam1/{dated(second_s)}{name}") as answer:
                assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
                assert answer.headers["Content-Length"]
                assert await instants_of(await answer.read()) == [second_s]


async def test_the_live_preview_is_the_newest_frame(
    client: aiohttp.ClientSession, runs: tuple[list[Segment], list[Segment]]
) -> None:
    async with client.get("/cam1/preview.jpg") as answer:
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
        assert await instants_of(await answer.read()) == [runs[1][-1].end_ms / 1000 - 0.1]


async def test_what_nobody_recorded_is_not_found(
    client: aiohttp.ClientSession, runs: tuple[list[Segment], list[Segment]]
) -> None:
    in_gap_s, ahead_s = runs[0][-1].end_ms // 1000 + 1, int(time.time()) + 1000
    known_s = runs[0][0].start_s
    paths = [
        f"archive-{in_gap_s}-3.mp4",
        f"archive-{known_s}-0.mp4",
        f"archive-{known_s + 1}-0.ts",
        f"archive-{ahead_s}-10.mp4",
        "archive-9999999999-9999999999.ts",
        "archive-99999999999-1.mp4",
        f"archive-{known_s}-now.mp4",
        f"archive-{known_s}-2.mkv",
        f"{dated(in_gap_s)}.jpg",
        f"{dated(in_gap_s)}-preview.mp4",
        f"{dated(ahead_s)}.jpg",
        "0000/00/00/00/00/00.jpg",
        "9999/12/31/23/59/60-preview.mp4",
        f"x/archive-{known_s}-2.mp4",
        "x/preview.jpg",
    ]
    for path in paths:
        async with client.get("/cam1/" + path) as answer:
            assert answer.status == 404, path
    for path in ("/video/preview.jpg", "/video/archive-1-2.mp4", "/cam1/.made/x.mp4", "/.made/cam1/x.mp4"):
        async with client.get(path) as answer:
            assert answer.status == 404, path


async def test_what_many_ask_for_at_once_is_made_once(
    directory: Path,
    runs: tuple[list[Segment], list[Segment]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = tmp_path / "log"
    counting = tmp_path / "counting"
    counting.write_text(f'#!/bin/sh\necho made >>{log}\nexec {module.ffmpeg()} "$@"\n')
    counting.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(counting))
    shutil.rmtree(directory / ".made", ignore_errors=True)
    exports = Exports(directory)
    start_s = runs[0][0].start_s
    made = await asyncio.gather(
        *(exports.download(directory / "cam1", start_s + odd, 3, "mp4") for odd in (0, 1) for _ in range(20))
    )
    # One who leaves takes nothing from the others.
    leaving, staying = (
        asyncio.create_task(exports.download(directory / "cam1", start_s, 5, "ts")) for _ in range(2)
    )
    await asyncio.sleep(0.01)
    leaving.cancel()
    made.append(await staying)
    assert len({file for file in made if file is not None and file.exists()}) == 3
    assert log.read_text().split() == ["made"] * 3


async def test_only_the_newest_are_kept(
    directory: Path, runs: tuple[list[Segment], list[Segment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DOWNLOADS", 2)
    exports = Exports(directory)
    start_s = runs[0][0].start_s
    made = [await exports.download(directory / "cam1", start_s, 5 + more, "ts") for more in range(4)]
    assert [file is not None and file.exists() for file in made] == [False, False, True, True]
    assert made[3] is not None
    assert len(list(made[3].parent.iterdir())) == 2


async def test_closing_ends_what_is_being_made(
    directory: Path, runs: tuple[list[Segment], list[Segment]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = tmp_path / "stuck"
    stuck.write_text(f"#!/bin/sh\necho $$ >{tmp_path / 'pid'}\nexec sleep 60\n")
    stuck.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(stuck))
    exports = Exports(directory)
    asking = asyncio.create_task(exports.download(directory / "cam1", runs[0][0].start_s, 11, "mp4"))
    for _ in range(500):
        await asyncio.sleep(0.01)
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
    await exports.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_failing_ffmpeg_is_a_trouble_that_passes(
    client: aiohttp.ClientSession,
    directory: Path,
    runs: tuple[list[Segment], list[Segment]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho disk full >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    shutil.rmtree(directory / ".made", ignore_errors=True)
    path = f"/cam1/archive-{runs[0][0].start_s}-7.mp4"
    async with client.get(path) as answer:
        assert answer.status == 503
        assert "disk full" in await answer.text()
    with pytest.raises(GateError, match=r"^demo: ffmpeg could not make .+\.ts: disk full$"):
        await Exports(directory).download(directory / "cam1", runs[0][0].start_s, 7, "ts")
    monkeypatch.undo()
    assert await fetch(client, path)
