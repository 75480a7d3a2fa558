"""MPDs to begin with: one Period, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gate.media.dash import Presentation, read_mpd

EPOCH = "2023-11-14T22:13:20Z"
EPOCH_MS = 1_700_000_000_000

Build = Callable[..., Presentation]


@pytest.fixture
def mpd() -> Build:
    """Makes a presentation: of the text in its MPD, or of what stands in the only adaptation set of it.

    `now_s` counts from its availabilityStartTime.
    """

    def build(
        inner: str, head: str = "", *, now_s: float = 10_000, origin_ms: int | None = None
    ) -> Presentation:
        if "<Period" not in inner:
            if "<AdaptationSet" not in inner:
                inner = f"<AdaptationSet>{inner}</AdaptationSet>"
            inner = f"<Period>{inner}</Period>"
        if "availabilityStartTime" not in head:
            head += f' availabilityStartTime="{EPOCH}"'
        body = f'<?xml version="1.0"?>\n<MPD {head.strip()}>{inner}</MPD>'.replace(
            ' availabilityStartTime="-"', ""
        )
        return read_mpd(body.encode(), now_ms=EPOCH_MS + int(now_s * 1000), origin_ms=origin_ms)

    return build
