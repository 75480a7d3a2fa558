"""What IPTV players append to live URLs, for origins that go by it.

The table itself is read in test_layouts.py.
"""

from __future__ import annotations

import pytest

from gate.core.media import Facts, Kind, Role
from gate.core.target import Target, parse_target
from gate.core.windows import Moving, Span
from gate.media.flussonic import FLUSSONIC, FOLDER, SHIFT, TIME_IN_NAME
from gate.media.layouts import LAYOUTS

SHIFTED = Moving(1_700_000_000_000, paced=True)
LIVE = [
    "index.m3u8",
    "video.fmp4.m3u8",
    "mono.m3u8",
    "tracks-1,2/index.m3u8",
    "index.mpd",
    "manifest.f4m",
    "mpegts",
]


def read(raw: str, layout: str = "shift") -> Facts:
    parsed = parse_target(raw)
    assert isinstance(parsed, Target), parsed
    return LAYOUTS[layout].read(parsed, {})


@pytest.mark.parametrize(
    "query", ["utc=1700000000", "utc=1700000000&lutc=1700009000", "lutc=1&x&utc=1700000000&"]
)
@pytest.mark.parametrize("tail", LIVE)
def test_a_live_url_with_utc_is_live_shifted_into_the_past(tail: str, query: str) -> None:
    role = Role.STREAM if tail == "mpegts" else Role.MANIFEST
    assert read(f"/office/cam1/{tail}?{query}") == Facts("office/cam1", role, Kind.DVR, SHIFTED)
    # Whether the origin goes by it only the operator knows.
    assert read(f"/office/cam1/{tail}?{query}", "flussonic") == Facts("office/cam1", role)


@pytest.mark.parametrize(
    "query",
    [
        *("utc=", "utc=0170", "utc=-60", "utc=1700000000.5", "utc=now", "UTC=1700000000", "utc=%31700000000"),
        *(
            "utc=1700000000&utc=1700000000",
            "utc=1700000000&lutc=",
            "utc=1700000000&lutc=now",
            "lutc=1700000000",
        ),
        *("utc=1700000000&lutc=1&lutc=2", "utc=1700000000&start=1", "utc=1700000000;x", "utc[]=1700000000"),
    ],
)
@pytest.mark.parametrize("tail", [*LIVE, "preview.jpg"])
def test_another_spelling_is_unknown(tail: str, query: str) -> None:
    facts = read(f"/cam1/{tail}?{query}")
    assert (facts.resource, facts.kind, facts.span) == ("cam1", None, None)


@pytest.mark.parametrize("tail", ["index-1700000000-60.m3u8", "archive-1700000000-60.mp4", "rewind-60.m3u8"])
def test_the_rest_of_the_table_is_the_same(tail: str) -> None:
    assert read(f"/cam1/{tail}") == read(f"/cam1/{tail}", "flussonic")
    assert read(f"/cam1/{tail}?utc=5").kind is None
    assert read("/cam1/preview.jpg?utc=5").kind is None
    assert isinstance(read("/cam1/index-1700000000-60.m3u8").span, Span)


def test_every_live_form_but_the_preview_is_shifted() -> None:
    shifted = SHIFT[len(FLUSSONIC) :]
    assert SHIFT[: len(FLUSSONIC)] == FLUSSONIC
    live = [form.url for form in FLUSSONIC if form.kind is Kind.LIVE]
    assert [form.path for form in shifted] == [url for url in live if url != "preview.jpg"]


def test_what_speaks_of_a_time_and_is_no_name() -> None:
    for name in ("archive/17/60", "a/rewind-60", "2026/02/28/23/59", "timeshift_abs/17"):
        assert TIME_IN_NAME.search(name)
    for name in ("archive/cam1", "cam-17", "2026/02"):
        assert TIME_IN_NAME.search(name) is None
    assert FOLDER.search("cam1/archive/17/60/tracks-1")
    assert FOLDER.search("cam1/archive") is None
