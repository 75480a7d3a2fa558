"""The URL grammars, as tables: what each URL addresses, and that what is in no table is unknown."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.media import Facts, Kind, Role
from gate.core.reasons import Deny
from gate.core.target import Target, parse_target
from gate.core.windows import Moving, Span
from gate.media.flussonic import FLUSSONIC
from gate.media.forms import Form, Open
from gate.media.layouts import LAYOUTS, NAMED_BY_RULE, HlsLayout, PathLayout, TailLayout, Timeline

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def target(raw: str) -> Target:
    parsed = parse_target(raw)
    assert isinstance(parsed, Target), parsed
    return parsed


def read(raw: str, layout: str = "flussonic", **parts: str) -> Facts:
    return LAYOUTS[layout].read(target(raw), parts)


def span(date: str, lasts_ms: int) -> Span:
    start_ms = int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) * 1000
    return Span(start_ms, start_ms + lasts_ms)


def since(seconds: int) -> Span:
    """So many seconds from the moment that all the URLs below begin at."""
    return Span(1_700_000_000_000, 1_700_000_000_000 + seconds * 1000)


GROWING, SHIFTED = Moving(1_700_000_000_000), Moving(1_700_000_000_000, paced=True)
LATE, BACK = Moving(3_600_000, True, 3_599_999, paced=True), Moving(3_600_000, True)
AT = "2026/02/28/23/59/58"
DATE = "2026-02-28T23:59:58"

# --- Flussonic: the forms that are read ---------------------------------------------------------------------

FORMS = [
    # tail                                       role           kind       span
    ("index.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("playlist.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("video.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("mono.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("mbr.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("tracks-1,2/index.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("tracks-v1a1/index.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("mpegts", Role.STREAM, Kind.LIVE, None),
    ("manifest.f4m", Role.MANIFEST, Kind.LIVE, None),
    ("index.mpd", Role.MANIFEST, Kind.LIVE, None),
    ("tracks-1/index.mpd", Role.MANIFEST, Kind.LIVE, None),
    # any playlist form may carry .fmp4 before its suffix
    ("index.fmp4.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("playlist.fmp4.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("video.fmp4.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("mono.fmp4.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("mbr.fmp4.m3u8", Role.MANIFEST, Kind.LIVE, None),
    ("tracks-1,2/index.fmp4.m3u8", Role.MANIFEST, Kind.LIVE, None),
    # segments and images with a time of their own
    (f"{AT}-05000.ts", Role.SEGMENT, None, span(DATE, 5000)),
    (f"{AT}-5000.m4s", Role.SEGMENT, None, span(DATE, 5000)),
    (f"{AT}-00001.ts", Role.SEGMENT, None, span(DATE, 1)),
    (f"{AT}-9999999.ts", Role.SEGMENT, None, span(DATE, 9_999_999)),
    (f"tracks-1,2/{AT}-05000.ts", Role.SEGMENT, None, span(DATE, 5000)),
    (f"tracks-v1/{AT}-05000.m4s", Role.SEGMENT, None, span(DATE, 5000)),
    (f"{AT}.jpg", Role.IMAGE, None, span(DATE, 1000)),
    (f"{AT}-preview.mp4", Role.IMAGE, None, span(DATE, 1000)),
    ("1970/01/01/00/00/00-1000.ts", Role.SEGMENT, None, Span(0, 1000)),
    ("2024/02/29/00/00/00-1000.ts", Role.SEGMENT, None, span("2024-02-29T00:00:00", 1000)),
    ("9999/12/31/23/59/59-1000.ts", Role.SEGMENT, None, span("9999-12-31T23:59:59", 1000)),
    ("preview.jpg", Role.IMAGE, Kind.LIVE, None),
    # a span of the archive
    *(
        (f"{name}-1700000000-3600{suffix}", Role.MANIFEST, Kind.DVR, since(3600))
        for name in ("index", "archive", "video", "mono", "tracks-1,2/index", "tracks-v1a1/index")
        for suffix in (".m3u8", ".mpd", ".fmp4.m3u8")
    ),
    ("index-0-1.m3u8", Role.MANIFEST, Kind.DVR, Span(0, 1000)),
    ("index-253402300799-999999999.m3u8", Role.MANIFEST, Kind.DVR, Span(253402300799000, 254402300798000)),
    ("archive/1700000000/3600/index.m3u8", Role.MANIFEST, Kind.DVR, since(3600)),
    ("archive/1700000000/3600/index.fmp4.m3u8", Role.MANIFEST, Kind.DVR, since(3600)),
    ("archive/1700000000/3600/manifest.f4m", Role.MANIFEST, Kind.DVR, since(3600)),
    ("archive/1700000000/3600/mpegts", Role.STREAM, Kind.DVR, since(3600)),
    # one that grows
    *(
        (f"{name}-1700000000-now{suffix}", Role.MANIFEST, Kind.DVR, GROWING)
        for name in ("index", "archive", "video", "mono", "tracks-1,2/index")
        for suffix in (".m3u8", ".fmp4.m3u8")
    ),
    ("archive/1700000000/now/index.m3u8", Role.MANIFEST, Kind.DVR, GROWING),
    ("archive/1700000000/now/manifest.f4m", Role.MANIFEST, Kind.DVR, GROWING),
    ("archive/1700000000/now/mpegts", Role.STREAM, Kind.DVR, GROWING),
    ("rewind-3600.m3u8", Role.MANIFEST, Kind.DVR, BACK),
    ("rewind-3600.fmp4.m3u8", Role.MANIFEST, Kind.DVR, BACK),
    ("rewind-0.m3u8", Role.MANIFEST, Kind.DVR, Moving(0, True)),
    # downloads
    ("archive-1700000000-3600.mp4", Role.DOWNLOAD, Kind.COPY, since(3600)),
    ("archive-1700000000-3600.ts", Role.DOWNLOAD, Kind.COPY, since(3600)),
    # live, shifted into the past
    *(
        (f"{name}-1700000000{suffix}", Role.MANIFEST, Kind.DVR, SHIFTED)
        for name in (
            *("timeshift_abs", "timeshift_abs_mono", "video-timeshift_abs", "mono-timeshift_abs"),
            "tracks-1/timeshift_abs",
        )
        for suffix in (".m3u8", ".fmp4.m3u8")
    ),
    ("timeshift_abs-1700000000.ts", Role.STREAM, Kind.DVR, SHIFTED),
    ("timeshift_abs/1700000000", Role.STREAM, Kind.DVR, SHIFTED),
    *(
        (f"{name}-3600{suffix}", Role.MANIFEST, Kind.DVR, LATE)
        for name in ("timeshift_rel", "mono-timeshift_rel", "video-timeshift_rel", "tracks-1/timeshift_rel")
        for suffix in (".m3u8", ".fmp4.m3u8")
    ),
    ("timeshift_rel-3600.ts", Role.STREAM, Kind.DVR, LATE),
    ("timeshift_rel/3600", Role.STREAM, Kind.DVR, LATE),
    # segments without a time
    ("hls/segment17.ts", Role.SEGMENT, None, None),
    ("tracks-1,2/hls/segment17.ts", Role.SEGMENT, None, None),
]


@pytest.mark.parametrize(
    "stream", ["cam1", "office/floor-2/cam1", "a:b@c", "hls", "2026", "tracks-1", "archive"]
)
@pytest.mark.parametrize(("tail", "role", "kind", "when"), FORMS, ids=[form[0] for form in FORMS])
def test_flussonic(stream: str, tail: str, role: Role, kind: Kind | None, when: Span | Moving | None) -> None:
    assert read(f"/{stream}/{tail}") == Facts(stream, role, kind, when)
    assert read(f"/{stream}/{tail}?x=1") == Facts(stream, role, kind, when)


def test_every_form_is_in_the_table_above() -> None:
    for form in FLUSSONIC:
        assert any(form.find(row[0], []) is not None for row in FORMS), form.url


def test_a_stream_name_is_compared_decoded() -> None:
    assert read("/%D0%BA%D0%B0%D0%BC/index.m3u8").resource == "\u043a\u0430\u043c"


# --- Flussonic: dates that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        "2026/02/30/00/00/00-5000.ts",
        "2025/02/29/00/00/00-5000.ts",
        "2026/00/01/00/00/00-5000.ts",
        "2026/13/01/00/00/00-5000.ts",
        "2026/01/00/00/00/00-5000.ts",
        "2026/01/01/24/00/00-5000.ts",
        "2026/01/01/00/60/00-5000.ts",
        "2026/01/01/00/00/60-5000.ts",
        "0000/01/01/00/00/00-5000.ts",
        "1969/12/31/23/59/59-5000.ts",
        "2026/01/01/00/00/00-0.ts",
        "2026/01/01/00/00/00-00000.m4s",
    ],
)
def test_a_segment_at_an_impossible_time_has_none(tail: str) -> None:
    assert read(f"/cam1/{tail}") == Facts("cam1", Role.SEGMENT, None, None)


@pytest.mark.parametrize("tail", ["2026/02/30/00/00/00.jpg", "2026/01/01/24/00/00-preview.mp4"])
def test_an_image_at_an_impossible_time_has_none(tail: str) -> None:
    assert read(f"/cam1/{tail}") == Facts("cam1", Role.IMAGE, None, None)


# --- Flussonic: what is unknown -----------------------------------------------------------------------------

# Numbers that are not spelled as they are in the table, or are too large for any time.
NUMBERS = [
    *(
        "01700000000",
        "00",
        "-1700000000",
        "-0",
        "+1700000000",
        "+5",
        "1.7e9",
        "17e8",
        "1700000000.0",
        "1700000000.",
    ),
    *("0x65", "1_700_000_000", "1,700", "17L", "NOW", "Now", "now", "17000000000000000000"),
    *(
        "%201700000000",
        "1700000000%20",
        "%D9%A1%D9%A7",
        "%EF%BC%91%EF%BC%97",
        "1%C2%B2",
        "2023-11-14T22:13:20Z",
    ),
]
LENGTHS = [
    *("0", "00", "060", "-60", "+60", "60.0", "6e1", "0x3c", "60s", "NOW", "Now", "now0", "now-60", "nowx"),
    *("%2060", "60%20", "%D9%A6%D9%A0", "12345678901234567890", "1234567890", "60-60", "60,60", "3600-0"),
]
IN_FOLDERS = ["archive/{}/{}/index.m3u8", "archive/{}/{}/mpegts", "archive/{}/{}/manifest.f4m"]
IN_NAMES = [
    *("index-{}-{}.m3u8", "archive-{}-{}.mp4", "archive-{}-{}.ts", "video-{}-{}.m3u8", "index-{}-{}.mpd"),
    *("mono-{}-{}.fmp4.m3u8",),
]
SINCE = ["timeshift_abs-{}.m3u8", "timeshift_abs-{}.ts", "timeshift_rel-{}.ts", "rewind-{}.m3u8"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("form", [*IN_NAMES, *IN_FOLDERS, *SINCE, "timeshift_abs/{}", "timeshift_rel/{}"])
def test_a_number_in_another_spelling_is_no_time(form: str, number: str) -> None:
    urls = [form.format(*at) for at in ((number, "3600"), (number, "now"), (number, number))]
    for url in urls:
        facts = read(f"/cam1/{url}")
        assert (facts.role, facts.kind, facts.span) == (Role.OTHER, None, None), url


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("form", [*IN_NAMES, *IN_FOLDERS])
def test_a_length_in_another_spelling_is_none(form: str, length: str) -> None:
    facts = read(f"/cam1/{form.format('1700000000', length)}")
    assert (facts.role, facts.kind, facts.span) == (Role.OTHER, None, None)
    assert facts.resource.startswith("cam1")


@pytest.mark.parametrize(
    "raw",
    [
        "/cam1/index-%31700000000-3600.m3u8",
        "/cam1/index%2D1700000000-3600.m3u8",
        "/cam1/archive%2F1700000000/3600/mpegts",
        "/cam1/archive/1700000000/3600/%6Dpegts",
        "/cam1/2026%2F02/28/23/59/58-05000.ts",
        "/cam1/index.m3u8/../index-1700000000-3600.m3u8",
        "/cam1/./index-1700000000-3600.m3u8",
        "/cam1//index-1700000000-3600.m3u8",
    ],
)
def test_an_escape_that_hides_a_time_is_refused_as_a_target(raw: str) -> None:
    assert isinstance(parse_target(raw), Deny)


UNKNOWN = [
    "INDEX-1700000000-3600.m3u8",
    "Archive-1700000000-3600.mp4",
    "index-1700000000-3600.M3U8",
    "index-1700000000.m3u8",
    "index-1700000000-3600-3600.m3u8",
    "index-now-1700000000.m3u8",
    "xindex-1700000000-3600.m3u8",
    "index-1700000000-3600.m3u8;x",
    "index-1700000000-3600.m3u8.mp4",
    "index-1700000000-3600.mp4",
    "index-1700000000-3600.ts",
    "archive-1700000000-3600.mkv",
    "archive-1700000000-now.mp4",
    "archive-1700000000-now.ts",
    "playlist-1700000000-3600.m3u8",
    "mbr-1700000000-3600.m3u8",
    "video-1700000000-3600.ts",
    "timeshift_abs-1700000000-3600.m3u8",
    "timeshift_abs-1700000000.mpd",
    "timeshift_abs-now.m3u8",
    "timeshift_rel_mono-3600.m3u8",
    "TIMESHIFT_REL-3600.m3u8",
    "rewind-3600.ts",
    "rewind-3600-60.m3u8",
    "rewind.m3u8",
    # directories of the archive: no part of the stream's name, and never its live edge
    "archive/1700000000/3600/video.m3u8",
    "archive/1700000000/3600/preview.jpg",
    "archive/1700000000/3600/tracks-1,2/index.m3u8",
    "archive/1700000000/3600/index-1700000000-3600.m3u8",
    "archive/1700000000/3600/archive-1700000000-3600.mp4",
    "archive/1700000000/now/",
    "archive/1700000000/3600/",
    "archive/1700000000/3600/x",
    "timeshift_abs/1700000000/index.m3u8",
    "timeshift_abs/1700000000/tracks-1/index.m3u8",
    "timeshift_rel/3600/mpegts",
    "timeshift_rel/3600/",
]


@pytest.mark.parametrize("stream", ["cam1", "office/cam1"])
@pytest.mark.parametrize("tail", UNKNOWN)
def test_what_looks_like_the_archive_and_is_in_no_table_is_unknown(stream: str, tail: str) -> None:
    facts = read(f"/{stream}/{tail}")
    assert facts.role in (Role.OTHER, Role.SEGMENT, Role.IMAGE)
    assert (facts.kind, facts.span) == (None, None)
    assert facts.resource == stream


def test_tracks_of_other_playlists_are_a_part_of_the_name() -> None:
    assert read("/cam1/tracks-1,2/video-1700000000-3600.m3u8") == Facts(
        "cam1/tracks-1,2", Role.MANIFEST, Kind.DVR, since(3600)
    )


@pytest.mark.parametrize(
    "folder",
    [
        *("Archive/1700000000/3600", "archive/-1700000000/3600", "archive/+17/60", "archive/17.5/60"),
        *("archive/now/3600", "archive/1700000000", "archive/+1700000000", "archive/17/-60", "archive/17/NOW"),
        *("archive/\u0661\u0667/60", "timeshift_abs/-17", "Timeshift_Rel/017", "timeshift_rel/6e1"),
        *("2026/02/28/23/59", "2026/02/28/23/59/58", "2026/2/28/23/59", "office/2026/02/28/23/59"),
        *("index-1700000000-60.m3u8", "archive-01700000000-60.mp4", "rewind-60.m3u8", "mono-timeshift_rel-60"),
    ],
)
@pytest.mark.parametrize("tail", ["index.m3u8", "mpegts", "preview.jpg", "tracks-1/index.m3u8"])
def test_a_folder_that_might_be_a_time_is_no_part_of_a_name(folder: str, tail: str) -> None:
    """An origin that reads numbers generously has its archive there: this is live to nobody."""
    escaped = "".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in folder)
    facts = read(f"/cam1/{escaped}/{tail}")
    assert (facts.role, facts.kind, facts.span) == (Role.OTHER, None, None)
    assert facts.resource.startswith(f"cam1/{folder}")


@pytest.mark.parametrize("folder", ["archive/17/60", "archive/17/now", "timeshift_abs/17", "2026/02/28/23/59"])
@pytest.mark.parametrize(
    "tail",
    [
        *("hls/segment1.ts", "b/2026/02/28/23/59/58-05000.ts", "timeshift_rel/10", "b/index.m3u8", "b/mpegts"),
        *("b/index-1700000000-60.m3u8", "archive/17/60/b/x", "b/"),
    ],
)
def test_what_lies_deep_in_a_folder_of_the_archive_is_unknown_and_not_of_its_stream(
    folder: str, tail: str
) -> None:
    facts = read(f"/cam1/{folder}/{tail}")
    assert (facts.kind, facts.span) == (None, None)
    assert facts.resource.startswith("cam1/")
    assert read(f"/{folder}/{tail}").resource


@pytest.mark.parametrize(
    "stream", ["archive/floor1/cam1", "archive/2/cam1", "timeshift_abs/cam1", "1/2/3/4", "vod/a.mp4", "video-1"]
)
def test_a_name_without_a_time_is_a_name(stream: str) -> None:
    assert read(f"/{stream}/mpegts") == Facts(stream, Role.STREAM, Kind.LIVE)


@pytest.mark.parametrize(
    "tail",
    [
        "INDEX.M3U8",
        "Index.m3u8",
        "index.M3U8",
        "index.m3u8;x",
        "index.m3u8.bak",
        "xindex.m3u8",
        "index.fmp4",
        "index.fmp4.fmp4.m3u8",
        "video.mpd",
        "playlist.mpd",
        "mbr.mpd",
        "MPEGTS",
        "mpegts.ts",
        "Preview.jpg",
        "preview.mp4",
        "preview.jpg.jpg",
        "index",
        "index.html",
        "subtitles.vtt",
        "key.bin",
    ],
)
def test_other_files_of_a_stream_are_unknown(tail: str) -> None:
    assert read(f"/cam1/{tail}") == Facts("cam1", Role.OTHER)


@pytest.mark.parametrize(
    "raw",
    [
        "/cam1/2026/02/28/23/59/58-5000.TS",
        "/cam1/2026/02/28/23/59/58-5000.mp4",
        "/cam1/2026/02/28/23/59/58-.ts",
        "/cam1/2026/02/28/23/59/58.ts",
        "/cam1/2026/02/28/23/59/58-1234567890.ts",
        "/cam1/2026/02/28/23/59/8-5000.ts",
        "/cam1/26/02/28/23/59/58-5000.ts",
        "/cam1/2026/02/28/23/59-5000.ts",
        "/cam1/2026-02-28/23/59/58-5000.ts",
        "/cam1/2026/02/28/23/59/58-5000.ts/",
        "/cam1/\u0662\u0660\u0662\u0666/02/28/23/59/58-5000.ts",
        "/cam1/2026/02/28/23/59/58.JPG",
        "/cam1/2026/02/28/23/59/58.png",
        "/cam1/2026/02/28/23/59/58-preview.jpg",
        "/cam1/hls/segment.ts",
        "/cam1/hls/segment-1.ts",
        "/cam1/hls/segment1.m4s",
        "/cam1/HLS/segment1.ts",
        "/cam1/TRACKS-1/hls/x.ts",
        "/cam1/index.m3u8/",
        "/cam1/mpegts/",
        "/cam1/",
        "/cam1",
        "/index.m3u8",
        "/mpegts",
        "/",
    ],
)
def test_what_is_no_form_has_neither_kind_nor_time(raw: str) -> None:
    escaped = "".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in raw)
    facts = read(escaped)
    assert (facts.role, facts.kind, facts.span) == (Role.OTHER, None, None)


@pytest.mark.parametrize(
    ("raw", "resource"),
    [
        ("/cam1", "cam1"),
        ("/cam1/", "cam1"),
        ("/cam1/x", "cam1"),
        ("/cam1/x/", "cam1/x"),
        ("/cam1/x/y", "cam1/x"),
        ("/cam1/index.m3u8/", "cam1/index.m3u8"),
        ("/", ""),
    ],
)
def test_the_resource_of_the_unknown_is_its_directory(raw: str, resource: str) -> None:
    assert read(raw) == Facts(resource, Role.OTHER)


# --- properties ---------------------------------------------------------------------------------------------

# The tails of more than one segment, in words of their own: the table's patterns are not asked.
LONG_TAIL = re.compile(
    r"tracks-[a-z0-9,]+/index(-\d+-(\d+|now))?(\.fmp4)?\.(m3u8|mpd)"
    r"|tracks-[a-z0-9,]+/timeshift_(abs|rel)-\d+(\.fmp4)?\.m3u8"
    r"|(tracks-[a-z0-9,]+/)?(\d+/){5}\d+-\d+\.(ts|m4s)"
    r"|(\d+/){5}\d+(\.jpg|-preview\.mp4)"
    r"|(tracks-[a-z0-9,]+/)?hls/segment\d+\.ts"
    r"|archive/\d+/(\d+|now)/(tracks-[a-z0-9,]+/)?[^/]*"
    r"|timeshift_(abs|rel)/\d+(/(tracks-[a-z0-9,]+/)?[^/]*)?"
)
WORDS = st.sampled_from(
    [
        *(
            "a",
            "b",
            "index.m3u8",
            "mpegts",
            "preview.jpg",
            "tracks-1",
            "hls",
            "segment1.ts",
            "archive",
            "now",
            "17",
        ),
        *("2026", "02", "28", "23", "59", "58-5000.ts", "58.jpg", "58-preview.mp4", "30", "timeshift_abs"),
        *(
            "timeshift_rel",
            "index-1-2.m3u8",
            "timeshift_abs-17.m3u8",
            "archive-1-2.mp4",
            "rewind-9.m3u8",
            "%D0%BA",
            "a;b",
            "manifest.f4m",
            "index.fmp4.mpd",
            "99-0.m4s",
        ),
    ]
)
PATHS = st.lists(WORDS, min_size=1, max_size=10).map("/".join).map("/{}".format)


@UNHURRIED
@given(PATHS, st.sampled_from(["", "/", "?", "?a=b"]), st.sampled_from(sorted(LAYOUTS)))
def test_reading_is_total(path: str, end: str, layout: str) -> None:
    facts = LAYOUTS[layout].read(target(path + end), {})
    assert not isinstance(facts.span, Span) or facts.span.start_ms < facts.span.end_ms
    assert facts.kind is not None or facts.role is not Role.MANIFEST


@UNHURRIED
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_reading_is_total_for_any_target(text: str) -> None:
    parsed = parse_target(f"/{text}")
    for layout in LAYOUTS.values():
        assert isinstance(parsed, Deny) or isinstance(layout.read(parsed, {}), Facts)


@UNHURRIED
@given(PATHS)
def test_a_resource_covers_its_own_files_and_the_long_tails_of_the_table(path: str) -> None:
    """A token for ``a`` opens nothing below ``a/b``, except where the table says that ``b/...`` is a tail."""
    segments = target(path).segments
    resource = read(path).resource.split("/")
    assert tuple(resource) == segments[: len(resource)]
    tail = segments[len(resource) :]
    assert len(tail) < 2 or LONG_TAIL.fullmatch("/".join(tail))


@pytest.mark.parametrize("folder", ["archive/17/60", "archive/17/now", "timeshift_abs/17", "timeshift_rel/60"])
@pytest.mark.parametrize("tail", [form[0] for form in FORMS if form[2] is Kind.LIVE])
def test_nothing_in_a_folder_of_the_archive_is_live(folder: str, tail: str) -> None:
    """The origin serves the archive of ``cam1`` there, not the live edge of a stream of that long name."""
    facts = read(f"/cam1/{folder}/{tail}")
    if folder.startswith("archive") and tail in {"index.m3u8", "index.fmp4.m3u8", "manifest.f4m", "mpegts"}:
        assert (facts.resource, facts.kind) == ("cam1", Kind.DVR)
        assert facts.span is not None
    else:
        assert facts == Facts("cam1", Role.OTHER)


@pytest.mark.parametrize(
    "path",
    [
        "/" + "a/" * 8000 + "index.m3u8",
        "/" + "archive/" * 2000 + "mpegts",
        "/" + "1/" * 8000 + "mpegts",
        "/" + "1" * 16_000 + "/mpegts",
        "/" + "index-" * 2600 + "/mpegts",
        "/" + "index-12345678-" * 1000 + "/mpegts",
        "/" + "timeshift_abs_mono-" * 800 + "/mpegts",
        "/" + "rewind-" * 2300 + "/index.m3u8",
        "/rewind-" + "%20" * 5000 + "/mpegts",
        "/tracks-" + "1," * 8000 + "/mpegts",
        "/cam1/index.m3u8?" + "a&" * 8000,
        "/cam1/index.m3u8?" + "a;" * 8000,
    ],
)
def test_reading_costs_little_whatever_is_asked(path: str) -> None:
    long = target(path)
    for layout in (*LAYOUTS.values(), PORTAL, HlsLayout(Timeline.LIVE)):
        started = time.process_time()
        layout.read(long, {})
        assert time.process_time() - started < 5


# --- objects ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "role"),
    [
        ("/films/one.mp4", Role.OBJECT),
        ("/films/one/index.m3u8", Role.MANIFEST),
        ("/films/one/INDEX.M3U8", Role.MANIFEST),
        ("/films/one.m3u", Role.MANIFEST),
        ("/films/one.mpd", Role.MANIFEST),
        ("/films/one.m3u8.mp4", Role.OBJECT),
        ("/films/one.m3u8/", Role.OBJECT),
        ("/films/m3u8", Role.OBJECT),
        ("/films/2026/02/28/23/59/58-5000.ts", Role.OBJECT),
    ],
)
def test_objects_are_on_no_timeline(raw: str, role: Role) -> None:
    assert read(raw, "object") == Facts(raw[1:], role, Kind.OBJECT)
    assert read(raw, "object", resource="one") == Facts("one", role, Kind.OBJECT)


def test_an_object_is_named_by_its_decoded_path() -> None:
    assert read("/%D0%BA/1", "object").resource == "\u043a/1"
    assert read("/", "object").resource == ""


# --- A query may shift what the path says ------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "utc=1700000000&lutc=1700000100",
        "START=1",
        "a=b&aws.manifestsettings=start:1",
        "aws.ManifestSettings",
        "duration",
        "x=1;from=2",
        "%66rom=2",
        "%75%74%63=2",
        "+time=2",
        "%20time%20=2",
        "timestamp=&timestamp=",
        "&&end=1",
    ],
)
@pytest.mark.parametrize(
    "tail",
    [
        *("index.m3u8", "mpegts", "2026/02/28/23/59/58-02000.ts", "index-1700000000-60.m3u8", "rewind-60.m3u8"),
        *("archive-1700000000-60.mp4", "timeshift_abs-1700000000.ts", "2026/02/28/23/59/58.jpg"),
    ],
)
def test_a_time_in_the_query_makes_the_time_unknown(tail: str, query: str) -> None:
    asked = target(f"/cam1/{tail}?{query}")
    facts = LAYOUTS["flussonic"].read(asked, {})
    assert (facts.resource, facts.kind, facts.span) == ("cam1", None, None)
    assert facts.role is read(f"/cam1/{tail}").role
    assert LAYOUTS["flussonic"].write(asked, since(60)) is None


@pytest.mark.parametrize(
    "query", ["", "token=x", "_HLS_msn=3&_HLS_part=1", "session=start", "x=utc", "x=%66rom"]
)
@pytest.mark.parametrize("tail", ["index.m3u8", "index-1700000000-60.m3u8"])
def test_another_query_changes_nothing(tail: str, query: str) -> None:
    assert read(f"/cam1/{tail}?{query}") == read(f"/cam1/{tail}")


# --- Flussonic: writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("/cam1/index-1-9.m3u8", "/cam1/index-1700000000-60.m3u8"),
        ("/a%20b/cam1/archive-1-9.mp4?x=%2F&&y", "/a%20b/cam1/archive-1700000000-60.mp4?x=%2F&&y"),
        ("/cam1/archive/1/9/mpegts?", "/cam1/archive/1700000000/60/mpegts?"),
        ("/cam1/tracks-1/2000/01/01/00/00/00-1.ts", "/cam1/tracks-1/2023/11/14/22/13/20-60000.ts"),
        ("/cam1/2000/01/01/00/00/00.jpg", None),
        ("/cam1/index-1-now.m3u8", None),
        ("/cam1/timeshift_rel-9.m3u8", None),
        ("/cam1/index.m3u8", None),
        ("/cam1/nothing", None),
        ("/cam1/archive/1/9/hls/segment1.ts", None),
        ("/cam1/archive/1/9/index-1-9.m3u8", None),
    ],
)
def test_writing_another_span(raw: str, written: str | None) -> None:
    layout, asked = LAYOUTS["flussonic"], target(raw)
    made = layout.write(asked, since(60))
    assert made == (None if written is None else target(written))


# --- forms of an operator's own -----------------------------------------------------------------------------

PORTAL = PathLayout(
    "portal",
    [
        Form("/{resource}/live.m3u8", Role.MANIFEST, Kind.LIVE),
        Form("/{resource}/{from}-{to}.m3u8", Role.MANIFEST, Kind.DVR),
        Form("/dvr/{resource}/playlist.m3u8", Role.MANIFEST, Kind.LIVE),
        Form("/dvr/{resource}/playlist.m3u8?timestamp={from}&duration={duration}", Role.MANIFEST, Kind.DVR),
        Form("/{resource}/{utc_ms}/{duration_ms}.ts", Role.SEGMENT),
        Form(
            "/timeshift/{any}/{any}/{duration}/{yyyy}-{mm}-{dd}:{HH}-{MM}-{SS}/{resource}.ts",
            Role.STREAM,
            Kind.DVR,
        ),
        Form("/get?path={resource}&start={from}&duration={duration}", Role.MANIFEST, Kind.DVR),
        Form("/get?path={resource}&start={from}&duration={duration}&format=mp4", Role.DOWNLOAD, Kind.COPY),
        Form("/wall/now.jpg", Role.IMAGE, Kind.LIVE),
        Form("/{resource}/late-{ago}.ts", Role.STREAM, Kind.DVR, Open.SHIFTED),
    ],
)
TIMED = "timestamp=1700000000&duration=60"


@pytest.mark.parametrize(
    ("raw", "facts"),
    [
        ("/cam1/live.m3u8", Facts("cam1", Role.MANIFEST, Kind.LIVE)),
        ("/%D0%BA%20/live.m3u8", Facts("\u043a ", Role.MANIFEST, Kind.LIVE)),
        ("/cam1/1700000000-1700000060.m3u8", Facts("cam1", Role.MANIFEST, Kind.DVR, since(60))),
        ("/cam1/1700000060-1700000000.m3u8", Facts("cam1", Role.MANIFEST)),
        ("/cam1/1700000000-1700000000.m3u8", Facts("cam1", Role.MANIFEST)),
        ("/dvr/cam1/playlist.m3u8", Facts("cam1", Role.MANIFEST, Kind.LIVE)),
        ("/dvr/cam1/playlist.m3u8?x=1", Facts("cam1", Role.MANIFEST, Kind.LIVE)),
        (f"/dvr/cam1/playlist.m3u8?{TIMED}", Facts("cam1", Role.MANIFEST, Kind.DVR, since(60))),
        (
            "/dvr/cam1/playlist.m3u8?a=b&duration=60&timestamp=1700000000&",
            Facts("cam1", Role.MANIFEST, Kind.DVR, since(60)),
        ),
        ("/cam1/1700000000000/60000.ts", Facts("cam1", Role.SEGMENT, None, since(60))),
        ("/cam1/1700000000500/500.ts", Facts("cam1", Role.SEGMENT, None, Span(1700000000500, 1700000001000))),
        ("/timeshift/u/p/60/2023-11-14:22-13-20/cam1.ts", Facts("cam1", Role.STREAM, Kind.DVR, since(60))),
        ("/timeshift/u/p/60/2023-02-29:22-13-20/cam1.ts", Facts("cam1", Role.STREAM)),
        ("/get?path=cam1&start=1700000000&duration=60", Facts("cam1", Role.MANIFEST, Kind.DVR, since(60))),
        ("/get?path=%D0%BA&start=1700000000&duration=60", Facts("\u043a", Role.MANIFEST, Kind.DVR, since(60))),
        ("/get?path=a%2Fb&start=1700000000&duration=60", Facts("a/b", Role.MANIFEST, Kind.DVR, since(60))),
        (
            "/get?format=mp4&path=cam1&start=1700000000&duration=60",
            Facts("cam1", Role.DOWNLOAD, Kind.COPY, since(60)),
        ),
        ("/cam1/late-60.ts", Facts("cam1", Role.STREAM, Kind.DVR, Moving(60_000, True, 59_999, paced=True))),
        ("/wall/now.jpg", Facts("wall/now.jpg", Role.IMAGE, Kind.LIVE)),
        # What no form has.
        ("/cam1/other.m3u8", Facts("cam1/other.m3u8", Role.OTHER)),
        ("/cam1/live.m3u8/", Facts("cam1/live.m3u8/", Role.OTHER)),
        ("/a/cam1/live.m3u8", Facts("a/cam1/live.m3u8", Role.OTHER)),
        ("/cam1/LIVE.m3u8", Facts("cam1/LIVE.m3u8", Role.OTHER)),
        ("/cam1/01-2.m3u8", Facts("cam1/01-2.m3u8", Role.OTHER)),
        ("/get", Facts("get", Role.OTHER)),
        ("/get?path=a%2F&start=1&duration=2", Facts("get", Role.OTHER)),
        ("/", Facts("", Role.OTHER)),
    ],
)
def test_an_operators_own_forms(raw: str, facts: Facts) -> None:
    assert PORTAL.read(target(raw), {}) == facts
    expected = (
        facts if facts.role is not Role.OTHER and "wall" not in raw else Facts("r", facts.role, facts.kind)
    )
    assert PORTAL.read(target(raw), {"resource": "r"}) == expected


@pytest.mark.parametrize(
    "query",
    [
        "timestamp=1700000000",
        "duration=60",
        "timestamp=1700000000&duration=",
        "timestamp=1700000000&duration=0",
        "timestamp=1700000000&duration=060",
        "timestamp=+1700000000&duration=60",
        "timestamp=1.7e9&duration=60",
        "timestamp=1700000000&duration=60&duration=90",
        "duration=60&timestamp=1700000000&TIMESTAMP=1",
        "Timestamp=1700000000&Duration=60",
        f"{TIMED}&utc=5",
        f"{TIMED};utc=5",
        f"{TIMED}&x=1;timestamp=5",
        f"{TIMED}&%74imestamp=5",
        f"{TIMED}&format=mp4",
        "timestamp=%31700000000&duration=60",
        "timestamp=1700000000&duration=6%30",
        "%74imestamp=1700000000&duration=60",
        "timestamp[]=1700000000&duration=60",
        "start=1700000000&end=1700000060",
        "path=cam2",
        "start%3D1700000000",
        f"{TIMED}&utc[]=5",
        f"{TIMED}&utc%3D5",
        f"{TIMED}&%2575tc=5",
        f"{TIMED}&%26utc=5",
        f"{TIMED}&x=1%3Butc%3D5",
        f"{TIMED}&utc%5B0%5D=5",
    ],
)
def test_half_a_query_or_two_say_no_time(query: str) -> None:
    """The origin may read more or less of it than the table does: it is neither live nor of that time."""
    asked = target(f"/dvr/cam1/playlist.m3u8?{query}")
    assert PORTAL.read(asked, {}) == Facts("cam1", Role.MANIFEST)
    assert PORTAL.write(asked, since(60)) is None


def test_a_parameter_of_another_form_makes_this_one_unknown() -> None:
    for query in (
        "start=1700000000&duration=60&format=fmp4",
        "start=1700000000&duration=60&format=mp4&format=mp4",
    ):
        assert PORTAL.read(target(f"/get?path=cam1&{query}"), {}) == Facts("cam1", Role.MANIFEST)


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("/cam1/1-2.m3u8?x", "/cam1/1700000000-1700000060.m3u8?x"),
        ("/dvr/%D0%BA/playlist.m3u8?timestamp=1&a=b&duration=9&", f"/dvr/%D0%BA/playlist.m3u8?{TIMED}&"),
        ("/cam1/1/9.ts", "/cam1/1700000000000/60000.ts"),
        ("/timeshift/u%20v/p/9/2000-01-01:00-00-00/%D0%BA.ts", None),
        ("/get?path=%D0%BA&start=1&duration=9", "/get?path=%D0%BA&start=1700000000&duration=60"),
        ("/dvr/cam1/playlist.m3u8", None),
        ("/cam1/late-60.ts", None),
        ("/cam1/nothing", None),
    ],
)
def test_an_operators_own_form_for_another_span(raw: str, written: str | None) -> None:
    if raw.startswith("/dvr/%D0"):
        written = "/dvr/%D0%BA/playlist.m3u8?timestamp=1700000000&a=b&duration=60&"
    if raw.startswith("/timeshift"):
        written = "/timeshift/u%20v/p/60/2023-11-14:22-13-20/%D0%BA.ts"
    assert PORTAL.write(target(raw), since(60)) == (None if written is None else target(written))


def test_a_path_belongs_to_the_first_template_that_reads_it() -> None:
    """What its query does not fit there is not read as something wider."""
    layout = PathLayout(
        "own",
        [
            Form("/{path}-all.m3u8?from={from}&to={to}", Role.MANIFEST, Kind.DVR),
            Form("/{path}.m3u8?at={from}&for={duration}", Role.MANIFEST, Kind.DVR),
            Form("/{path}.m3u8", Role.MANIFEST, Kind.LIVE),
        ],
    )
    assert layout.read(target("/a/b.m3u8?at=1700000000&for=60"), {}).span == since(60)
    assert layout.read(target("/a/b.m3u8"), {}).kind is Kind.LIVE
    assert layout.read(target("/a/b-all.m3u8?from=1700000000&to=1700000060"), {}).span == since(60)
    for query in ("", "?at=1700000000&for=60"):
        assert layout.read(target(f"/a/b-all.m3u8{query}"), {"resource": "r"}) == Facts("r", Role.OTHER)


def test_what_speaks_of_a_time_in_a_path_makes_it_unknown() -> None:
    live = [Form("/{path}.m3u8", Role.MANIFEST, Kind.LIVE)]
    layout = PathLayout("own", live, timed_names=re.compile(r"/since/"))
    assert layout.read(target("/a/b.m3u8"), {"resource": "r"}).kind is Kind.LIVE
    assert layout.read(target("/a/since/17/b.m3u8"), {"resource": "r"}) == Facts("r", Role.OTHER)


def test_what_has_to_be_escaped_is_read_only_so() -> None:
    layout = PathLayout("own", [Form("/{path}.m3u8?at={from}:{to}", Role.MANIFEST, Kind.DVR, escaped=":")])
    escaped = target("/a.m3u8?at=1700000000%3A1700000060")
    assert layout.read(escaped, {}).span == since(60)
    assert layout.write(escaped, since(9)) == target("/a.m3u8?at=1700000000%3A1700000009")
    assert layout.read(target("/a.m3u8?at=1700000000:1700000060"), {}).span is None


def test_whole_paths_and_tails_in_one_table() -> None:
    layout = TailLayout(
        "own",
        [
            Form("/get?of={resource}&at={from}&for={duration}", Role.MANIFEST, Kind.DVR),
            Form("{from}-{to}.m3u8", Role.MANIFEST, Kind.DVR),
        ],
    )
    for raw in ("/get?of=a/b&at=1700000000&for=60", "/a/b/1700000000-1700000060.m3u8"):
        asked = target(raw)
        assert layout.read(asked, {}) == Facts("a/b", Role.MANIFEST, Kind.DVR, since(60))
        assert layout.write(asked, since(60)) == asked
    assert layout.read(target("/get?of=a"), {}) == Facts("get", Role.OTHER)


def test_the_layouts_whose_resource_the_rule_names() -> None:
    assert {"hls", "mediapackage", "akamai", "swift", "unified"} == NAMED_BY_RULE
    for name, layout in LAYOUTS.items():
        assert layout.name == name


# --- plain HLS and DASH -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeline", "kind"),
    [(Timeline.LIVE, Kind.LIVE), (Timeline.ARCHIVE, Kind.DVR), (Timeline.NONE, Kind.OBJECT)],
)
@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/cam1/index.m3u8", Role.MANIFEST),
        ("/cam1/a/b.M3U8", Role.MANIFEST),
        ("/cam1/x.m3u", Role.MANIFEST),
        ("/cam1/manifest.mpd", Role.MANIFEST),
        ("/cam1/0017.ts", Role.SEGMENT),
        ("/cam1/index-1700000000-3600.m4s", Role.SEGMENT),
        ("/cam1/init.mp4", Role.SEGMENT),
        ("/cam1/audio.aac", Role.SEGMENT),
        ("/cam1/text.vtt", Role.SEGMENT),
        ("/cam1/enc.key", Role.SEGMENT),
        ("/cam1/thumb.JPEG", Role.IMAGE),
        ("/cam1/thumb.webp", Role.IMAGE),
        ("/cam1/mpegts", Role.OTHER),
        ("/cam1/page.html", Role.OTHER),
        ("/cam1/index.m3u8/", Role.OTHER),
        ("/cam1/index.m3u8;x", Role.OTHER),
        ("/cam1/index.", Role.OTHER),
        ("/cam1/m3u8", Role.OTHER),
        ("/", Role.OTHER),
    ],
)
def test_the_rule_tells_the_time_of_plain_hls(timeline: Timeline, kind: Kind, path: str, role: Role) -> None:
    layout = HlsLayout(timeline)
    known = role is not Role.OTHER or timeline is Timeline.NONE
    for raw in (path, f"{path}?_HLS_msn=7"):
        assert layout.read(target(raw), {"resource": "r"}) == Facts("r", role, kind if known else None)
        assert layout.write(target(raw), since(60)) is None
    assert layout.read(target(path), {}).resource == path[1:]
    for query in ("start=1", "UTC=5", "x&aws.manifestsettings=start:1", "%73tart=1", "+from=1", "x;to=2"):
        shifted = layout.read(target(f"{path}?{query}"), {"resource": "r"})
        assert shifted == Facts("r", role, kind if timeline is Timeline.NONE else None)


def test_an_object_has_no_other_span() -> None:
    assert LAYOUTS["object"].write(target("/films/index-1-2.m3u8"), since(60)) is None
