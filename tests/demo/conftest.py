"""What the tests of the demo have in common: patience with ffmpeg on a machine that is busy or stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gate.demo import recorder


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """A recording has long to begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "_START_DEADLINE_S", 100)
        yield
