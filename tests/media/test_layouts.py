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
from gate.core.windows import Span
from gate.media.layouts import FLUSSONIC, LAYOUTS

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
    # segments without a time
    ("hls/segment17.ts", Role.SEGMENT, None, None),
    ("tracks-1,2/hls/segment17.ts", Role.SEGMENT, None, None),
]


@pytest.mark.parametrize(
    "stream", ["cam1", "office/floor-2/cam1", "a:b@c", "hls", "2026", "tracks-1", "archive"]
)
@pytest.mark.parametrize(("tail", "role", "kind", "when"), FORMS, ids=[form[0] for form in FORMS])
def test_flussonic(stream: str, tail: str, role: Role, kind: Kind | None, when: Span | None) -> None:
    assert read(f"/{stream}/{tail}") == Facts(stream, role, kind, when)
    assert read(f"/{stream}/{tail}?x=1") == Facts(stream, role, kind, when)


def test_every_form_is_in_the_table_above() -> None:
    read_forms = [form for form in FLUSSONIC if form.role is not Role.OTHER]
    for form in read_forms:
        assert any(form.tail.fullmatch(row[0]) for row in FORMS), form.tail.pattern


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

ARCHIVE = [
    "index-1700000000-3600.m3u8",
    "archive-1700000000-3600.m3u8",
    "video-1700000000-3600.m3u8",
    "mono-1700000000-3600.m3u8",
    "index-1700000000-3600.mpd",
    "index-1700000000-3600.fmp4.m3u8",
    "index-1700000000-now.m3u8",
    "archive-1700000000-now.m3u8",
    "video-1700000000-now.m3u8",
    "mono-1700000000-now.m3u8",
    "archive-1700000000-3600.mp4",
    "archive-1700000000-3600.ts",
    "timeshift_abs-1700000000.m3u8",
    "timeshift_abs-1700000000.ts",
    "timeshift_abs_mono-1700000000.m3u8",
    "video-timeshift_abs-1700000000.m3u8",
    "timeshift_rel-3600.m3u8",
    "timeshift_rel-3600.ts",
    "mono-timeshift_rel-3600.m3u8",
    "video-timeshift_rel-3600.m3u8",
    "rewind-3600.m3u8",
    "rewind-3600.fmp4.m3u8",
    # directories of the archive: no part of the stream's name, and never its live edge
    "archive/1700000000/3600/index.m3u8",
    "archive/1700000000/3600/video.m3u8",
    "archive/1700000000/3600/mpegts",
    "archive/1700000000/3600/manifest.f4m",
    "archive/1700000000/3600/preview.jpg",
    "archive/1700000000/3600/tracks-1,2/index.m3u8",
    "archive/1700000000/now/index.m3u8",
    "archive/1700000000/now/mpegts",
    "archive/1700000000/now/",
    "timeshift_abs/1700000000",
    "timeshift_abs/1700000000/index.m3u8",
    "timeshift_abs/1700000000/tracks-1/index.m3u8",
    "timeshift_rel/3600",
    "timeshift_rel/3600/mpegts",
]


@pytest.mark.parametrize("stream", ["cam1", "office/cam1"])
@pytest.mark.parametrize("tail", ARCHIVE)
def test_forms_of_the_archive_are_unknown(stream: str, tail: str) -> None:
    assert read(f"/{stream}/{tail}") == Facts(stream, Role.OTHER)


@pytest.mark.parametrize(
    "tail", ["tracks-1,2/index-1700000000-3600.m3u8", "tracks-1/timeshift_abs-1700000000.m3u8"]
)
def test_tracks_of_the_archive_are_unknown(tail: str) -> None:
    facts = read(f"/cam1/{tail}")
    assert (facts.role, facts.kind, facts.span) == (Role.OTHER, None, None)


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
        "/cam1/2026/02/28/23/59/58-12345678.ts",
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
    r"tracks-[a-z0-9,]+/index(\.fmp4)?\.(m3u8|mpd)"
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
        *("timeshift_rel", "index-1-2.m3u8", "%D0%BA", "a;b", "manifest.f4m", "index.fmp4.mpd", "99-0.m4s"),
    ]
)
PATHS = st.lists(WORDS, min_size=1, max_size=10).map("/".join).map("/{}".format)


@UNHURRIED
@given(PATHS, st.sampled_from(["", "/", "?", "?a=b"]), st.sampled_from(sorted(LAYOUTS)))
def test_reading_is_total(path: str, end: str, layout: str) -> None:
    facts = LAYOUTS[layout].read(target(path + end), {})
    assert facts.span is None or facts.span.start_ms < facts.span.end_ms
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
    assert read(f"/cam1/{folder}/{tail}") == Facts("cam1", Role.OTHER)


def test_a_path_of_thousands_of_segments_costs_little() -> None:
    long = target("/" + "a/" * 8000 + "index.m3u8")
    started = time.process_time()
    for _ in range(10):
        assert LAYOUTS["flussonic"].read(long, {}).kind is Kind.LIVE
    assert time.process_time() - started < 0.2


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
    "query", ["utc=1700000000&lutc=1700000100", "START=1", "a=b&aws.manifestsettings=start:1"]
)
@pytest.mark.parametrize("tail", ["index.m3u8", "mpegts", "2026/02/28/23/59/58-02000.ts"])
def test_a_time_in_the_query_makes_the_time_unknown(tail: str, query: str) -> None:
    facts = read(f"/cam1/{tail}?{query}")
    assert (facts.resource, facts.kind, facts.span) == ("cam1", None, None)
    assert facts.role is read(f"/cam1/{tail}").role


@pytest.mark.parametrize("query", ["", "token=x", "_HLS_msn=3&_HLS_part=1", "session=start", "x=utc"])
def test_another_query_changes_nothing(query: str) -> None:
    assert read(f"/cam1/index.m3u8?{query}") == read("/cam1/index.m3u8")
