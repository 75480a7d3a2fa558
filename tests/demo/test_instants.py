from __future__ import annotations

from pathlib import Path

import pytest

from gate.demo.instants import instants_of
from gate.demo.origin import make_clip
from gate.errors import GateError


async def test_the_instants_of_a_video_are_read_through_its_encoding(tmp_path: Path) -> None:
    await make_clip(tmp_path / "clip.mp4", duration_s=2)
    found = await instants_of((tmp_path / "clip.mp4").read_bytes())
    assert len(found) == 20
    tenths = [round(instant * 10) for instant in found]
    assert tenths == list(range(tenths[0], tenths[0] + 20))


@pytest.mark.parametrize("media", [b"", b"no media", b"\x47" * 1880])
async def test_what_is_no_media_is_told(media: bytes) -> None:
    with pytest.raises(GateError, match=r"^demo: this is no media with pictures: .+"):
        await instants_of(media)


async def test_a_picture_without_a_time_is_told() -> None:
    grey = b"P5\n640 360\n255\n" + bytes((90,)) * 640 * 360
    with pytest.raises(GateError, match="shows no time"):
        await instants_of(grey)
