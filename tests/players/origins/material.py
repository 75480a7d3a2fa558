"""What the origins serve: test pictures and a tone, encoded once a run, under names that say no time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

SEGMENT_S = 2
SHORT_S = 420
LONG_SEGMENT_S = 6
LONG_S = 7200
# Parts of eight frames, which are sixteen of the sound's: both tracks part at the same instants.
PART_US = 512_000
PARTS_IN_SEGMENT = 4
LOW_LATENCY_S = 240

_MPD = "{urn:mpeg:dash:schema:mpd:2011}"
# Tags that are in force for all segments of a playlist.
_FORCE = ("#EXT-X-MAP", "#EXT-X-KEY")
_KEY = bytes(range(7, 23))
_TONE = ("-c:a", "aac", "-b:a", "24k")


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment as a playlist lists it; `tags` stand before its URI."""

    uri: str
    duration_s: float
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """What a playlist of ffmpeg's lists. `force`: the map and the key of all of it."""

    folder: Path
    entries: tuple[Entry, ...]
    force: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Track:
    """A representation: its attributes, and its segments as (time, duration) in ticks of 1/timescale s."""

    id: str
    attributes: dict[str, str]
    timescale: int
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Tracks:
    """Fragmented MP4: ``init-<track>.mp4``, ``seg-<track>-<number from 1>.m4s``."""

    folder: Path
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A track of fragments of PART_US each."""

    init: bytes
    fragments: tuple[bytes, ...] = field(repr=False)

    def segment(self, number: int) -> bytes:
        return b"".join(self.fragments[number * PARTS_IN_SEGMENT : (number + 1) * PARTS_IN_SEGMENT])


@dataclass(frozen=True, slots=True)
class Material:
    """All there is. `low_latency` has a track `v` and a track `a`."""

    short: Listed  # MPEG-TS with sound
    single: Listed  # the same as byte ranges of one fragmented MP4
    sealed: Listed  # the same in MPEG-TS, AES-128, with one IV for all
    numbered: Listed  # the same, each segment with its number for an IV
    tracks: Tracks  # the same as DASH
    long: Tracks  # two hours, without sound
    low_latency: dict[str, Parts]


async def make_material(folder: Path) -> Material:
    """Everything is encoded, in some ten seconds of two processors."""
    short, *_ = await asyncio.gather(_make_short(folder), _make_long(folder), _make_fragmented(folder))
    copy = ("-i", str(short), "-c", "copy")
    for name in ("segments", "single", "sealed", "tracks"):
        (folder / name).mkdir()
    (folder / "sealed" / "stream.key").write_bytes(_KEY)
    (folder / "sealed.info").write_text(f"stream.key\n{folder / 'sealed' / 'stream.key'}\n")
    hls = ("-f", "hls", "-hls_time", str(SEGMENT_S), "-hls_list_size", "0", "-hls_playlist_type", "vod")
    named = ("-hls_segment_filename", "segment%d.ts")
    await asyncio.gather(
        _ffmpeg(folder / "segments", *copy, *hls, *named, "made.txt"),
        _ffmpeg(folder / "sealed", *copy, *hls, *named, "-hls_key_info_file", "../sealed.info", "made.txt"),
        _ffmpeg(
            folder / "single",
            *copy,
            *hls,
            *("-hls_segment_type", "fmp4", "-hls_flags", "single_file"),
            *("-hls_segment_filename", "all.mp4", "made.txt"),
        ),
        _ffmpeg(folder / "tracks", *copy, *_dash(SEGMENT_S)),
    )
    return Material(
        _listed(folder / "segments"),
        _listed(folder / "single"),
        _listed(folder / "sealed"),
        _numbered(folder / "segments", folder / "numbered"),
        _tracks(folder / "tracks"),
        _tracks(folder / "long"),
        {name: _parts((folder / f"{name}.mp4").read_bytes()) for name in "va"},
    )


async def _make_short(folder: Path) -> Path:
    file = folder / "short.mp4"
    encode = (*_picture("160x90", "10"), *_sound(), "-t", str(SHORT_S), *_coded(10 * SEGMENT_S))
    await _ffmpeg(folder, *encode, str(file))
    return file


async def _make_long(folder: Path) -> None:
    (folder / "long").mkdir()
    pictures = (*_picture("64x36", "2"), "-t", str(LONG_S), *_coded(2 * LONG_SEGMENT_S))
    await _ffmpeg(folder / "long", *pictures, *_dash(LONG_SEGMENT_S))


async def _make_fragmented(folder: Path) -> None:
    lasts = ("-t", str(LOW_LATENCY_S))
    fragmented = ("-movflags", "+empty_moov+default_base_moof", "-frag_duration", str(PART_US), "-f", "mp4")
    pictures = ("-map", "0", *lasts, *_coded(8 * PARTS_IN_SEGMENT), *fragmented, "v.mp4")
    sound = ("-map", "1", *lasts, *_TONE, *fragmented, "a.mp4")
    await _ffmpeg(folder, *_picture("160x90", "125/8"), *_sound(), *pictures, *sound)


def _picture(size: str, rate: str) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}")


def _sound() -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", "sine=440:r=32000")


def _coded(group: int) -> tuple[str, ...]:
    """Coded as fast as it goes, with a key frame in every `group` frames."""
    frames = ("-g", str(group), "-keyint_min", str(group), "-sc_threshold", "0", "-pix_fmt", "yuv420p")
    fast = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", "60k")
    return (*fast, *frames, *_TONE)


def _dash(segment_s: int) -> tuple[str, ...]:
    names = ("-init_seg_name", "init-$RepresentationID$.mp4")
    named = ("-media_seg_name", "seg-$RepresentationID$-$Number$.m4s")
    return ("-f", "dash", "-seg_duration", str(segment_s), "-use_timeline", "1", *names, *named, "made.xml")


async def _ffmpeg(folder: Path, *arguments: str) -> None:
    program = shutil.which("ffmpeg")
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program, "-v", "error", "-nostdin", "-y", *arguments, cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


def _listed(folder: Path) -> Listed:
    """What ffmpeg's playlist lists."""
    entries: list[Entry] = []
    force: list[str] = []
    tags: list[str] = []
    duration_s = 0.0
    for line in (folder / "made.txt").read_text().splitlines():
        if line.startswith("#EXTINF:"):
            duration_s = float(line.removeprefix("#EXTINF:").partition(",")[0])
        elif line.startswith("#EXT-X-BYTERANGE"):
            tags.append(line)
        elif line.startswith(_FORCE):
            force.append(line)
        elif not line.startswith("#"):
            entries.append(Entry(line, duration_s, tuple(tags)))
            tags.clear()
    return Listed(folder, tuple(entries), tuple(force))


def _numbered(folder: Path, into: Path) -> Listed:
    """The segments in a folder, each encrypted under its number (RFC 8216, section 5.2)."""
    into.mkdir()
    (into / "stream.key").write_bytes(_KEY)
    clear = _listed(folder)
    for number, entry in enumerate(clear.entries):
        fill, encrypt = PKCS7(128).padder(), Cipher(AES(_KEY), CBC(number.to_bytes(16, "big"))).encryptor()
        filled = fill.update((folder / entry.uri).read_bytes()) + fill.finalize()
        (into / entry.uri).write_bytes(encrypt.update(filled) + encrypt.finalize())
    return Listed(into, clear.entries, ('#EXT-X-KEY:METHOD=AES-128,URI="stream.key"',))


def _tracks(folder: Path) -> Tracks:
    """What ffmpeg's MPD lists."""
    found: list[Track] = []
    for one in ElementTree.parse(folder / "made.xml").iter(f"{_MPD}Representation"):
        template = next(one.iter(f"{_MPD}SegmentTemplate"))
        segments: list[tuple[int, int]] = []
        at = 0
        for run in template.iter(f"{_MPD}S"):
            at = int(run.get("t", at))
            for _ in range(int(run.get("r", "0")) + 1):
                segments.append((at, int(run.attrib["d"])))
                at += segments[-1][1]
        attributes = {name: text for name, text in one.attrib.items() if name not in ("id", "sar")}
        found.append(Track(one.attrib["id"], attributes, int(template.attrib["timescale"]), tuple(segments)))
    return Tracks(folder, tuple(found))


def _parts(body: bytes) -> Parts:
    """The fragments of a file."""
    boxes = list(_boxes(body))
    moofs = [at for at, name in boxes if name == b"moof"]
    ends = [*moofs[1:], next((at for at, name in boxes if name == b"mfra"), len(body))]
    return Parts(body[: moofs[0]], tuple(body[at:end] for at, end in zip(moofs, ends, strict=True)))


def _boxes(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        yield at, body[at + 4 : at + 8]
        at += int.from_bytes(body[at : at + 4], "big")
