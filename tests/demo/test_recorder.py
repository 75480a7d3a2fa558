from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from gate.demo.archive import Segment, recorded
from gate.demo.clock import HEIGHT, WIDTH, Picture
from gate.demo.instants import instants_of
from gate.demo.recorder import Recorder, ffmpeg
from gate.errors import GateError


def entries(text: str) -> list[tuple[float, float, str]]:
    """(programme date as Unix seconds, length in seconds, URI) of each segment of a playlist."""
    found = re.findall(r"#EXT-X-PROGRAM-DATE-TIME:(.+)\n#EXTINF:([0-9.]+),\n(.+)\n", text)
    return [(datetime.fromisoformat(date).timestamp(), float(length), uri) for date, length, uri in found]


def alive(process_id: int) -> bool:
    """A zombie that nobody has reaped is not alive."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool], *, within_s: float = 20) -> None:
    """The condition holds. Polled, because what is waited for happens in another process."""
    for _ in range(int(within_s / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"not within {within_s} s")


def behind_s(folder: Path) -> float:
    """How long ago the newest segment of the playlist ended."""
    start, length, _ = entries((folder / "index.m3u8").read_text())[-1]
    return time.time() - start - length


def visible(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if not path.name.startswith(".")}


async def run(*arguments: str | Path) -> tuple[bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        ffmpeg(), "-v", "error", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err
    return out, err


async def test_names_dates_lengths_and_the_clock_in_the_picture_agree(tmp_path: Path) -> None:
    async with Recorder(tmp_path) as recorder:
        text = (tmp_path / "cam1" / "index.m3u8").read_text()
        listed = entries(text)
        assert len(listed) >= 2
        for number, (start, length, uri) in enumerate(listed):
            assert length == 2.0
            assert start == listed[0][0] + 2 * number
            assert Segment.named(uri) == Segment(int(start), 2000)
        start, _, uri = listed[-1]

        # Read back by the decoder: twenty frames, the first of which shows the segment's own start.
        file = recorder.folder / uri
        frames, _ = await run("-i", file, "-map", "0:v", "-f", "rawvideo", "-pix_fmt", "gray", "-")
        assert len(frames) == 20 * WIDTH * HEIGHT
        for frame, at_ms in ((0, int(start) * 1000), (19, int(start) * 1000 + 1900)):
            drawn = Picture("cam1").show(at_ms)[: WIDTH * HEIGHT]
            shown = frames[frame * WIDTH * HEIGHT : (frame + 1) * WIDTH * HEIGHT]
            panel = [y * WIDTH + x for y in range(100, 270) for x in range(40, 600)]
            assert all((shown[at] > 128) == (drawn[at] > 128) for at in panel)
        sound, _ = await run("-i", file, "-map", "0:a", "-f", "s16le", "-ac", "1", "-")
        assert 1.9 < len(sound) / 2 / 48000 < 2.1


async def test_what_is_prefilled_is_there_at_the_start(tmp_path: Path) -> None:
    before = time.time()
    async with Recorder(tmp_path, prefill_s=31) as recorder:
        archive = recorded(recorder.folder)
    assert archive[0].start_s <= before - 30
    assert archive[-1].end_ms / 1000 >= before - 3
    assert {segment.run for segment in archive} == {0}
    last = (recorder.folder / archive[-1].name).read_bytes()
    assert (await instants_of(last))[0] == archive[-1].start_s


@pytest.mark.timed
async def test_the_stream_is_live_and_goes_on(tmp_path: Path) -> None:
    async with Recorder(tmp_path, window=3, prefill_s=6) as recorder:
        index = recorder.folder / "index.m3u8"
        # The prefilled past is caught up first.
        await until(lambda: behind_s(recorder.folder) < 1)
        first = index.read_text()
        await until(lambda: index.read_text() != first)
        assert -0.1 < behind_s(recorder.folder) < 1
        second = index.read_text()
    assert len(entries(first)) == 3
    assert entries(second)[:2] == entries(first)[1:]
    assert entries(second)[2][0] == entries(first)[2][0] + 2
    numbers = [int(re.findall("MEDIA-SEQUENCE:(.+)", text)[0]) for text in (first, second)]
    assert numbers[1] == numbers[0] + 1


@pytest.mark.timed
async def test_old_files_are_deleted_and_no_empty_folder_stays(tmp_path: Path) -> None:
    async with Recorder(tmp_path, keep_s=0, window=3, prefill_s=40) as recorder:
        await until(lambda: behind_s(recorder.folder) < 2.5)
        kept = recorded(recorder.folder)
    # 14 s: twice the playlist and one segment more.
    assert 14_000 <= kept[-1].end_ms - kept[0].start_s * 1000 <= 18_000
    folders = {path for path in recorder.folder.rglob("*") if path.is_dir()}
    assert folders == {folder for file in recorder.folder.rglob("*.ts") for folder in file.parents} & folders


async def test_two_streams_in_one_directory(tmp_path: Path) -> None:
    async with Recorder(tmp_path, "cam1"), Recorder(tmp_path, "cam2"):
        assert visible(tmp_path) == {"cam1", "cam2"}
        for stream in ("cam1", "cam2"):
            assert len(entries((tmp_path / stream / "index.m3u8").read_text())) >= 2


async def test_stopping_leaves_the_archive_and_no_process(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    process_id = recorder.process_id
    assert process_id is not None
    assert alive(process_id)
    with pytest.raises(GateError, match="already"):
        await recorder.start()
    waiting = asyncio.create_task(recorder.wait())
    await asyncio.sleep(0)
    await recorder.stop()
    await recorder.stop()
    await waiting
    await recorder.wait()
    assert not alive(process_id)
    assert visible(tmp_path) == {"cam1"}
    assert not (tmp_path / ".cam1.recording").exists()


async def test_a_second_recording_leaves_a_gap_behind_the_first(tmp_path: Path) -> None:
    """Its timestamps begin anew, so two recordings must never look like one."""
    async with Recorder(tmp_path, prefill_s=20):
        await asyncio.sleep(0.3)
    async with Recorder(tmp_path, prefill_s=6) as recorder:
        kept = recorded(recorder.folder)
    assert kept[0].run == 0
    assert kept[-1].run == 1
    assert len({segment.start_s for segment in kept}) == len(kept)


@pytest.mark.parametrize("moved_s", [300, -300])
async def test_a_clock_that_is_set_begins_a_new_run(tmp_path: Path, moved_s: int) -> None:
    ahead_ms = 0

    def now_ms() -> int:
        return time.time_ns() // 1_000_000 + ahead_ms

    async with Recorder(tmp_path, prefill_s=6, now_ms=now_ms) as recorder:
        index = recorder.folder / "index.m3u8"
        before = entries(index.read_text())
        ahead_ms = moved_s * 1000
        await until(lambda: abs(entries(index.read_text())[-1][0] - now_ms() / 1000) < 10)
        text = index.read_text()
        listed = entries(text)
        archive = recorded(recorder.folder)
        assert all((recorder.folder / uri).exists() for _, _, uri in listed)
    if moved_s > 0:
        old, new = (entries(part) for part in text.split("#EXT-X-DISCONTINUITY\n"))
        assert old[: len(before)] == before
        # What was being recorded when the clock was set is there too, with its real length.
        assert 0 < old[-1][1] <= 2
        assert {segment.run for segment in archive[: len(old)]} == {0}
        assert {segment.run for segment in archive[len(old) :]} == {1}
        assert new[0][0] == archive[len(old)].start_s
    else:
        # Time that was recorded already comes again: it is recorded anew, never mixed.
        assert "#EXT-X-DISCONTINUITY-SEQUENCE:1\n" in text
        assert len(listed) <= len(archive) < len(before)
    number = int(re.findall("MEDIA-SEQUENCE:(.+)", text)[0])
    assert number + len(listed) >= before[0][0] // 2 + len(before) + 1


async def test_ffmpeg_that_ends_is_reported_to_who_waits(tmp_path: Path) -> None:
    async with Recorder(tmp_path) as recorder:
        assert recorder.process_id is not None
        os.kill(recorder.process_id, signal.SIGKILL)
        with pytest.raises(GateError, match=r"^demo: ffmpeg stopped recording cam1: -9$"):
            await asyncio.wait_for(recorder.wait(), 30)


async def test_ffmpeg_that_cannot_start_is_reported_with_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho one >&2\necho no such encoder >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(GateError, match=r"^demo: ffmpeg stopped recording cam1: no such encoder$"):
        await Recorder(tmp_path).start()
    assert visible(tmp_path) == {"broken"}
    assert not (tmp_path / ".cam1.recording").exists()
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "missing"))
    with pytest.raises(GateError, match="missing"):
        await Recorder(tmp_path).start()


async def test_a_missing_ffmpeg_is_told_how_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(GateError, match=r'pip install "gate\[demo\]"'):
        await Recorder(tmp_path).start()


async def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GateError, match=r"^demo: cannot record cam1: .*file"):
        await Recorder(tmp_path / "file").start()


@pytest.mark.parametrize("stream", ["", "..", "a/b", ".hidden", "-x", "a b", "x" * 65])
def test_a_stream_name_cannot_leave_the_directory(tmp_path: Path, stream: str) -> None:
    with pytest.raises(GateError, match="name"):
        Recorder(tmp_path, stream)


async def test_ffmpeg_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from gate.demo.recorder import Recorder\n"
        "async def main():\n"
        "    one, two = Recorder(Path(sys.argv[1]), 'one'), Recorder(Path(sys.argv[1]), 'two')\n"
        "    await one.start()\n"
        "    await two.start()\n"
        "    print(one.process_id, two.process_id, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    try:
        process_ids = [int(word) for word in (await parent.stdout.readline()).split()]
        assert len(process_ids) == 2
        assert all(alive(process_id) for process_id in process_ids)
    finally:
        with contextlib.suppress(ProcessLookupError):
            parent.kill()
        await parent.wait()
    await until(lambda: not any(alive(process_id) for process_id in process_ids), within_s=20)
