"""The tables of vendors: what each of their URLs addresses, how it is written for another time, and what is not
of a table, or of it in another spelling, and therefore unknown."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.grants import Action
from gate.core.media import Facts, Kind, Role
from gate.core.reasons import Deny
from gate.core.target import Target, parse_target
from gate.core.windows import Moving, Span
from gate.media import vendors
from gate.media.layouts import LAYOUTS

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LIVE, DVR, COPY, OBJECT = Kind.LIVE, Kind.DVR, Kind.COPY, Kind.OBJECT
MANIFEST, STREAM, SEGMENT, IMAGE = Role.MANIFEST, Role.STREAM, Role.SEGMENT, Role.IMAGE
DOWNLOAD, OTHER = Role.DOWNLOAD, Role.OTHER

T = 1_700_000_000  # 2023-11-14T22:13:20Z
HOUR = Span(T * 1000, T * 1000 + 3_600_000)
# What is written below: a time at the minute.
OTHER_HOUR = Span(1_700_000_040_000, 1_700_007_240_000)
GROWING, SHIFTED = Moving(T * 1000), Moving(T * 1000, paced=True)
BACK, LATE = Moving(3_600_000, True), Moving(3_600_000, True, 3_599_999, paced=True)

ISO = "2023-11-14T22:13:20Z"
ISO_END = "2023-11-14T23:13:20Z"


def target(raw: str) -> Target:
    parsed = parse_target(raw)
    assert isinstance(parsed, Target), parsed
    return parsed


Row = tuple[str, Role, Kind | None, Span | Moving | None, str | None]


def played(name: str, *rows: Row) -> list[tuple[str, str, Row]]:
    """Rows of a layout: its name, the resource that they are of, and each row."""
    return [(name, "cam1", row) for row in rows]


V2 = "/out/v1/g/cam1/e/index.m3u8?aws.manifestsettings="
MADE = [
    *played(
        "aipix",
        ("/live/cam1/playlist_ios.m3u8", MANIFEST, LIVE, None, None),
        ("/live/cam1/playlist_ios.m3u8?x=1", MANIFEST, LIVE, None, None),
        (
            f"/dvr/cam1/playlist_ios.m3u8?timestamp={T}&duration=3600",
            *(MANIFEST, DVR, HOUR),
            "/dvr/cam1/playlist_ios.m3u8?timestamp=1700000040&duration=7200",
        ),
        (
            f"/dvr/cam1/record.mp4?duration=3600&x&timestamp={T}",
            *(DOWNLOAD, COPY, HOUR),
            "/dvr/cam1/record.mp4?duration=7200&x&timestamp=1700000040",
        ),
        ("/live/cam1/17.ts", SEGMENT, None, None, None),
        ("/dvr/cam1/17.m4s", SEGMENT, None, None, None),
    ),
    *played(
        "mediamtx",
        ("/cam1/index.m3u8", MANIFEST, LIVE, None, None),
        ("/cam1/index.m3u8?_HLS_msn=3", MANIFEST, LIVE, None, None),
        ("/cam1/stream.m3u8", MANIFEST, LIVE, None, None),
        ("/cam1/video1_stream.m3u8", MANIFEST, LIVE, None, None),
        ("/cam1/1e48_video1_seg17.mp4", SEGMENT, LIVE, None, None),
        ("/cam1/1e48_video1_seg17.ts", SEGMENT, LIVE, None, None),
        (
            f"/get?path=cam1&start={ISO}&duration=3600",
            *(STREAM, DVR, HOUR),
            "/get?path=cam1&start=2023-11-14T22:14:00Z&duration=7200",
        ),
        (
            "/get?duration=3600.0&path=cam1&start=2023-11-15T00%3A13%3A20%2B02%3A00&format=fmp4",
            *(STREAM, DVR, HOUR),
            "/get?duration=7200&path=cam1&start=2023-11-14T22%3A14%3A00Z&format=fmp4",
        ),
        (
            f"/get?path=cam1&start={ISO}&duration=3600&format=mp4",
            *(DOWNLOAD, COPY, HOUR),
            "/get?path=cam1&start=2023-11-14T22:14:00Z&duration=7200&format=mp4",
        ),
        (
            f"/list?path=cam1&start={ISO}&end={ISO_END}",
            *(OTHER, DVR, HOUR),
            "/list?path=cam1&start=2023-11-14T22:14:00Z&end=2023-11-15T00:14:00Z",
        ),
        (f"/list?path=cam1&start={ISO}", OTHER, DVR, GROWING, None),
        ("/list?path=cam1", OTHER, DVR, None, None),
    ),
    *played(
        "mediapackage",
        ("/out/v1/cam1/index.m3u8", MANIFEST, LIVE, None, None),
        ("/out/v1/cam1/index.mpd?x=1", MANIFEST, LIVE, None, None),
        (
            f"/out/v1/cam1/index.m3u8?start={T}&end={T + 3600}",
            *(MANIFEST, DVR, HOUR),
            "/out/v1/cam1/index.m3u8?start=1700000040&end=1700007240",
        ),
        (
            f"/out/v1/cam1/index.mpd?end={ISO_END}&start=2023-11-14T14:13:20-08:00",
            *(MANIFEST, DVR, HOUR),
            "/out/v1/cam1/index.mpd?end=2023-11-15T00:14:00Z&start=2023-11-14T22:14:00Z",
        ),
        (
            f"/out/v1/cam1/index.mpd?start={T}&end=2023-11-14T23%3A13%3A20%2B00%3A00",
            *(MANIFEST, DVR, HOUR),
            "/out/v1/cam1/index.mpd?start=1700000040&end=2023-11-15T00%3A14%3A00Z",
        ),
        (f"/out/v1/cam1/index.m3u8?start={T}", MANIFEST, DVR, GROWING, None),
        (
            f"{V2}start%3A{T}%3Bend%3A{T + 3600}",
            *(MANIFEST, DVR, HOUR),
            f"{V2}start%3A1700000040%3Bend%3A1700007240",
        ),
        (
            "/out/v1/cam1/index.m3u8?AWS.ManifestSettings=END%3a2023-11-14t23%3a13%3a20z%3bStart%3A1700000000",
            *(MANIFEST, DVR, HOUR),
            "/out/v1/cam1/index.m3u8?AWS.ManifestSettings=END%3A2023-11-15T00%3A14%3A00Z%3BStart%3A1700000040",
        ),
        (f"{V2}start:{T}", MANIFEST, DVR, GROWING, None),
        (f"{V2}START:{ISO}", MANIFEST, DVR, GROWING, None),
        (f"{V2}start%3A{T}", MANIFEST, DVR, GROWING, None),
        (f"{V2}time_delay:3600", MANIFEST, DVR, LATE, None),
        (f"{V2}Time_Delay%3A3600", MANIFEST, DVR, LATE, None),
        ("/out/v1/cam1/index_1_17.ts", SEGMENT, None, None, None),
        ("/out/v1/cam1/thumb_17.jpg", IMAGE, None, None, None),
    ),
    *played(
        "akamai",
        ("/hls/live/7/cam1/master.m3u8", MANIFEST, LIVE, None, None),
        ("/dash/live/7/cam1/manifest.mpd", MANIFEST, LIVE, None, None),
        (
            f"/hls/live/7/cam1/master.m3u8?start={T}&end={T + 3600}.000",
            *(MANIFEST, DVR, HOUR),
            "/hls/live/7/cam1/master.m3u8?start=1700000040&end=1700007240",
        ),
        (
            "/hls/live/7/cam1/master.m3u8?start=1700000000.25&end=1700003600.5",
            *(MANIFEST, DVR, Span(T * 1000 + 250, T * 1000 + 3_600_500)),
            "/hls/live/7/cam1/master.m3u8?start=1700000040&end=1700007240",
        ),
        (
            f"/hls/live/7/cam1/master.m3u8?start={ISO}&end={ISO_END}",
            *(MANIFEST, DVR, HOUR),
            "/hls/live/7/cam1/master.m3u8?start=2023-11-14T22:14:00Z&end=2023-11-15T00:14:00Z",
        ),
        (f"/hls/live/7/cam1/master.m3u8?start={T}", MANIFEST, DVR, GROWING, None),
        (
            f"/hls/live/7/cam1/master-archive.m3u8?startTime={T}&endTime={T + 3600}",
            *(MANIFEST, DVR, HOUR),
            "/hls/live/7/cam1/master-archive.m3u8?startTime=1700000040&endTime=1700007240",
        ),
        (f"/dash/live/7/cam1/dash-archive.mpd?startTime={T}", MANIFEST, DVR, GROWING, None),
        ("/hls/live/7/cam1/master-archive.m3u8", MANIFEST, DVR, None, None),
        ("/hls/live/7/cam1/Master-ARCHIVE.M3U8", MANIFEST, DVR, None, None),
        ("/hls/live/7/cam1/segment_17.ts", SEGMENT, None, None, None),
        ("/hls/live/7/cam1/segment_17.png", IMAGE, None, None, None),
        ("/hls/live/7/cam1/segment_17.mp4?archive=1", SEGMENT, None, None, None),
    ),
    *played(
        "swift",
        ("/live/cam1/index.m3u8", MANIFEST, LIVE, None, None),
        (
            f"/live/cam1/index.m3u8?start={T}000&end={T + 3600}000",
            *(MANIFEST, DVR, HOUR),
            "/live/cam1/index.m3u8?start=1700000040000&end=1700007240000",
        ),
        (f"/live/cam1/index.m3u8?start={T}000", MANIFEST, DVR, GROWING, None),
        (f"/live/cam1/index.m3u8?start={T}", MANIFEST, DVR, Moving(T), None),
        ("/live/cam1/17.ts", SEGMENT, None, None, None),
        ("/live/cam1/17.webp", IMAGE, None, None, None),
    ),
    *played(
        "unified",
        ("/cam1/cam1.isml/thumb.jpg", IMAGE, None, None, None),
        ("/cam1/cam1.isml/.m3u8", MANIFEST, LIVE, None, None),
        ("/cam1/cam1.isml/.mpd", MANIFEST, LIVE, None, None),
        ("/cam1/cam1.isml/cam1-audio=128000-video=2000000.m3u8", MANIFEST, LIVE, None, None),
        (
            f"/cam1/cam1.isml/.mpd?vbegin={T}&vend={T + 3600}",
            *(MANIFEST, DVR, HOUR),
            "/cam1/cam1.isml/.mpd?vbegin=1700000040&vend=1700007240",
        ),
        (
            f"/cam1/cam1.isml/.m3u8?vbegin={ISO}&vend={ISO_END}",
            *(MANIFEST, DVR, HOUR),
            "/cam1/cam1.isml/.m3u8?vbegin=2023-11-14T22:14:00Z&vend=2023-11-15T00:14:00Z",
        ),
        (f"/cam1/cam1.isml/.m3u8?vbegin={T}", MANIFEST, DVR, GROWING, None),
        ("/cam1/cam1.isml/.m3u8?dvr_window_length=3600", MANIFEST, DVR, BACK, None),
        ("/cam1/cam1.isml/.m3u8?time_shift=3600", MANIFEST, DVR, LATE, None),
        ("/cam1/cam1.isml/cam1-video=2000000-17.ts", SEGMENT, None, None, None),
    ),
    *played(
        "xtream",
        ("/live/u/p/cam1.ts", STREAM, LIVE, None, None),
        ("/live/u%20v/p@q/cam1.m3u8", MANIFEST, LIVE, None, None),
        (
            "/timeshift/u/p/60/2023-11-14:22-14/cam1.ts",
            *(STREAM, DVR, Span(1_700_000_040_000, 1_700_003_640_000)),
            "/timeshift/u/p/120/2023-11-14:22-14/cam1.ts",
        ),
        (
            "/timeshift/u%20v/p@q/60/2023-11-14:23-59/cam1.m3u8?x",
            *(MANIFEST, DVR, Span(1_700_006_340_000, 1_700_009_940_000)),
            "/timeshift/u%20v/p@q/120/2023-11-14:22-14/cam1.m3u8?x",
        ),
    ),
]
A = "/v1/applications/APP/videos"
MADE += [
    ("ziggeo", resource, (raw, role, kind, None, None))
    for resource, raw, role, kind in [
        ("v1/applications/APP/videos", A, OTHER, OBJECT),
        ("v1/applications/APP/videos/videos-upload-url", f"{A}/videos-upload-url", OTHER, OBJECT),
        ("V", f"{A}/V", OTHER, OBJECT),
        ("V", f"{A}/V?client_auth=x&_nocache=1", OTHER, OBJECT),
        ("_key", f"{A}/_key", OTHER, OBJECT),
        ("V", f"{A}/V/video.mp4", Role.OBJECT, OBJECT),
        ("V", f"{A}/V/video.mp4?stream_width=640&start=1", Role.OBJECT, OBJECT),
        ("V", f"{A}/V/video.mp4?download=true", Role.OBJECT, COPY),
        ("V", f"{A}/V/video.mp4?x=1&download=true&start=2", Role.OBJECT, COPY),
        ("V", f"{A}/V/streams/S/video.mp4", Role.OBJECT, OBJECT),
        ("V", f"{A}/V/streams/S/video.mp4?download=true", Role.OBJECT, COPY),
        ("V", f"{A}/V/image", IMAGE, OBJECT),
        ("V", f"{A}/V/streams/S/image?x", IMAGE, OBJECT),
        ("V", f"{A}/V/streams", OTHER, OBJECT),
        ("V", f"{A}/V/streams/S", OTHER, OBJECT),
        ("V", f"{A}/V/streams/S/file", OTHER, OBJECT),
        ("V", f"{A}/V/playback", OTHER, OBJECT),
        ("V", f"{A}/V/confirm-video", OTHER, OBJECT),
        ("V", f"{A}/V/streams/streams-upload-url", OTHER, OBJECT),
        ("V", f"{A}/V/streams/S/confirm-video", OTHER, OBJECT),
    ]
]


def posts_of(name: str, raw: str) -> Action | None:
    """What a POST does there, where the grammar says it."""
    if name != "ziggeo":
        return None
    if raw in (A, f"{A}/videos-upload-url"):
        return Action.CREATE
    return Action.READ if raw.endswith("/playback") else Action.UPDATE


@pytest.mark.parametrize("path", [f"{A}/V/other", f"{A}/V/effects/rotate", "/v1/applications/APP/other"])
def test_what_ziggeo_knows_and_we_do_not_is_no_creation(path: str) -> None:
    facts = LAYOUTS["ziggeo"].read(target(path), {})
    assert (facts.role, facts.kind, facts.posts) == (OTHER, None, Action.UPDATE)


@pytest.mark.parametrize(("name", "resource", "row"), MADE, ids=[f"{one[0]} {one[2][0]}" for one in MADE])
def test_what_a_table_reads_and_writes(name: str, resource: str, row: Row) -> None:
    raw, role, kind, span, written = row
    layout, asked = LAYOUTS[name], target(raw)
    parts = {} if name == "ziggeo" else {"resource": "cam1"}
    early_ms = 59_000 if name == "xtream" and kind is DVR else 0
    assert layout.read(asked, parts) == Facts(resource, role, kind, span, early_ms, posts=posts_of(name, raw))
    made = layout.write(asked, OTHER_HOUR)
    assert made == (None if written is None else target(written))
    if made is not None:
        assert layout.read(made, parts) == Facts(resource, role, kind, OTHER_HOUR, early_ms)
    if isinstance(span, Span) and name != "xtream":
        same = layout.write(asked, span)
        assert same is not None
        assert layout.read(same, parts).span == span


TABLES = {
    "aipix": vendors.AIPIX,
    "mediamtx": vendors.MEDIAMTX,
    "mediapackage": vendors.MEDIAPACKAGE,
    "akamai": vendors.AKAMAI,
    "swift": vendors.SWIFT,
    "unified": vendors.UNIFIED,
    "xtream": vendors.XTREAM,
    "ziggeo": vendors.ZIGGEO,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_form_is_in_the_table_above(name: str) -> None:
    made = [target(row[0]) for other, _, row in MADE if other == name]
    for form in TABLES[name]:
        assert any(
            form.find("/".join(("", *url.segments)[at:]), url.pairs()) is not None
            for url in made
            for at in (0, 2)
        ), form.url


# --- who names the resource ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw", "resource"),
    [
        ("aipix", "/live/u-17/playlist_ios.m3u8", "u-17"),
        ("xtream", "/timeshift/u/p/60/2023-11-14:22-13/17.ts", "17"),
        ("mediamtx", "/office/floor-2/cam1/index.m3u8", "office/floor-2/cam1"),
        ("mediamtx", "/get/index.m3u8", "get"),
        ("mediamtx", "/list?path=office%2Fcam1", "office/cam1"),
        ("mediamtx", "/list?path=office/cam1", "office/cam1"),
        ("mediamtx", "/list?path=%D0%BA", "\u043a"),
        ("mediamtx", "/office/cam1/other.html", "office/cam1"),
    ],
)
def test_what_is_named_by_the_url(name: str, raw: str, resource: str) -> None:
    assert LAYOUTS[name].read(target(raw), {"resource": "r"}).resource == resource
    assert LAYOUTS[name].read(target(raw), {}).resource == resource


@pytest.mark.parametrize("path", ["../cam1", "a/../cam1", "a/./b", "/cam1", "cam1/", "a//b", "..", ".", ""])
def test_a_path_in_a_query_is_in_one_plain_spelling(path: str) -> None:
    facts = LAYOUTS["mediamtx"].read(target(f"/get?path={path}&start={ISO}&duration=60"), {})
    assert facts == Facts("get", OTHER)


# --- what is unknown ----------------------------------------------------------------------------------------

PATHS = {
    "aipix": "/dvr/cam1/playlist_ios.m3u8?timestamp={s}&duration={d}",
    "mediamtx": "/get?path=cam1&start={si}&duration={d}",
    "mediapackage": "/o/index.m3u8?start={s}&end={e}",
    "akamai": "/o/master-archive.m3u8?startTime={s}&endTime={e}",
    "swift": "/o/index.m3u8?start={s}000&end={e}000",
    "unified": "/o/x.isml/.mpd?vbegin={si}&vend={ei}",
}
TIMED = {name: url.format(s=T, e=T + 3600, d=3600, si=ISO, ei=ISO_END) for name, url in PATHS.items()}


@pytest.mark.parametrize("name", TIMED)
def test_the_urls_below_are_known_as_they_stand(name: str) -> None:
    assert LAYOUTS[name].read(target(TIMED[name]), {}).span == HOUR


@pytest.mark.parametrize(
    "more",
    [
        *("utc=5", "UTC=5", "start=5", "end=5", "vbegin=5", "timestamp=5", "time=5", "time_shift=5", "delay=5"),
        *("startTime=5", "STARTTIME=5", "aws.manifestsettings=start:5", "%75tc=5", "+from=5", "x;to=5"),
        *("dvr_window_length=5", "duration=5", "x=1;duration=5", "%20time%20=5"),
    ],
)
@pytest.mark.parametrize("name", TIMED)
def test_another_time_beside_it_makes_it_unknown(name: str, more: str) -> None:
    for raw in (f"{TIMED[name]}&{more}", TIMED[name].replace("?", f"?{more}&")):
        facts = LAYOUTS[name].read(target(raw), {})
        assert (facts.kind, facts.span) == (None, None), raw
        assert LAYOUTS[name].write(target(raw), OTHER_HOUR) is None


@pytest.mark.parametrize("name", TIMED)
def test_each_parameter_stands_once_in_its_own_spelling(name: str) -> None:
    path, _, query = TIMED[name].partition("?")
    pieces = query.split("&")
    changed = []
    for at, piece in enumerate(pieces):
        key, _, value = piece.partition("=")

        def instead(*others: str, at: int = at) -> str:
            return f"{path}?{'&'.join([*pieces[:at], *others, *pieces[at + 1 :]])}"

        changed += [
            instead(piece, piece),
            instead(piece, f"{key}=5"),
            instead(piece, f"{key.upper()}={value}"),
            instead(f"{key.upper()}={value}"),
            instead(f"%{ord(key[0]):02x}{key[1:]}={value}"),
            instead(f"{key}=%{ord(value[0]):02x}{value[1:]}"),
            instead(f"{key}%3D{value}"),
            instead(f"{key}[]={value}"),
            instead(f"+{key}={value}"),
            instead(f"{piece};x"),
            instead(f"{piece};{key}=5"),
            instead(f"x;{piece}"),
            instead(f"{key}="),
            instead(key),
        ]
        if key != "path":
            changed.append(instead(f"{key}==5"))
    for raw in changed:
        facts = LAYOUTS[name].read(target(raw), {"resource": "r"})
        assert (facts.kind, facts.span) == (None, None), raw
        assert LAYOUTS[name].write(target(raw), OTHER_HOUR) is None, raw
    # Without one of them it is another form, open or without a time, but never this span.
    for at in range(len(pieces)):
        raw = f"{path}?{'&'.join(pieces[:at] + pieces[at + 1 :])}"
        assert not isinstance(LAYOUTS[name].read(target(raw), {}).span, Span)


NUMBERS = [
    *(
        "",
        "0170",
        "-17",
        "+17",
        "%2B17",
        "%2017",
        "17%20",
        "17+",
        "1.7e9",
        "0x65",
        "1_700",
        "1,700",
        "now",
        "NaN",
    ),
    *(
        "Infinity",
        "17s",
        "%D9%A1%D9%A7",
        "%EF%BC%91",
        "17000000000000000000",
        "17.",
        ".5",
        "1.0000000000",
        "1..5",
    ),
]
DATES = [
    *("2023-11-14T22:13:20", "2023-11-14%2022:13:20Z", "2023-11-14T22:13Z", "20231114T221320Z", "2023-11-14"),
    *(
        "2023-11-14T22:13:20+02",
        "2023-11-14T22:13:20+0200",
        "2023-11-14T22:13:20+02:00",
        "2023-13-14T22:13:20Z",
    ),
    *("2023-02-29T22:13:20Z", "2023-11-14T24:00:00Z", "2023-11-14T22:13:60Z", "0000-01-01T00:00:00Z"),
    *(
        "2023-11-14T22:13:20%2B24:00",
        "2023-11-14T22:13:20%2B02:60",
        "2023-11-14T22:13:20,5Z",
        "12023-01-01T00:00:00Z",
    ),
    *(
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20.0123456789Z",
        "2023-11-14t22:13:20z",
        "1969-12-31T23:59:59Z",
    ),
    *("0001-01-01T00:00:00%2B23:59", "2023-11-14T22:13:20ZZ", "2023-11-14T22:13:20Z%00"[:-3] + "x"),
]


@pytest.mark.parametrize("text", [*NUMBERS, *DATES])
@pytest.mark.parametrize("name", TIMED)
def test_a_time_in_another_spelling_is_none(name: str, text: str) -> None:
    query = TIMED[name].partition("?")[2]
    pieces = [piece for piece in query.split("&") if not piece.startswith("path=")]
    for piece in pieces:
        key = piece.partition("=")[0]
        raw = TIMED[name].replace(piece, f"{key}={text}")
        facts = LAYOUTS[name].read(target(raw), {"resource": "r"})
        assert (facts.kind, facts.span) == (None, None), raw
        assert LAYOUTS[name].write(target(raw), OTHER_HOUR) is None


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        # a time without a date's zone, in seconds where it has to be a date, and the other way round
        ("mediamtx", f"/get?path=cam1&start={T}&duration=60"),
        ("mediamtx", f"/get?path=cam1&start={ISO}&duration=1m"),
        ("mediamtx", f"/get?path=cam1&start={ISO}&duration=0"),
        ("mediamtx", f"/get?path=cam1&start={ISO}&duration=0.0"),
        ("mediamtx", f"/get?path=cam1&start={ISO}&duration=60&format=MP4"),
        ("mediamtx", f"/get?path=cam1&start={ISO}&duration=60&format="),
        ("mediamtx", f"/get?path=cam1&start={ISO}&duration=60&format=mp4&format=fmp4"),
        ("mediamtx", f"/get?path=cam1&path=cam2&start={ISO}&duration=60"),
        ("mediamtx", f"/get?path=cam1&start={ISO}"),
        ("mediamtx", "/get?path=cam1"),
        ("mediamtx", f"/get/?path=cam1&start={ISO}&duration=60"),
        ("mediamtx", f"/list?path=cam1&end={ISO}"),
        ("mediamtx", f"/list?path=cam1&start={ISO_END}&end={ISO}"),
        ("mediamtx", f"/cam1/index.m3u8?start={ISO}"),
        ("mediamtx", f"/cam1/index.m3u8?start%3D{ISO}"),
        ("mediamtx", "/index.m3u8"),
        ("mediamtx", "/cam1/"),
        ("mediamtx", "/cam1/index.M3U8"),
        ("aipix", "/dvr/cam1/playlist_ios.m3u8"),
        ("aipix", f"/dvr/cam1/playlist_ios.m3u8?time={T}&duration=60"),
        ("aipix", f"/dvr/cam1/playlist_ios.m3u8?timestamp={T}&duration=60&time={T}"),
        ("aipix", f"/dvr/cam1/playlist_ios.m3u8?timestamp={T}.5&duration=60"),
        ("aipix", "/dvr/cam1/record.mp4"),
        ("aipix", f"/live/cam1/playlist_ios.m3u8?timestamp={T}&duration=60"),
        ("aipix", f"/live/cam1/record.mp4?timestamp={T}&duration=60"),
        ("aipix", "/dvr/cam1/RECORD.mp4"),
        # version 2 reads the first of its settings only, where delimiters are not escaped
        ("mediapackage", f"{V2}start:{T};end:{T + 60}"),
        ("mediapackage", f"{V2}start%3A{T};end%3A{T + 60}"),
        ("mediapackage", f"{V2}start:{T}%3Bend:{T + 60}"),
        ("mediapackage", f"{V2}start%3A{T}%3Bend:{T + 60}"),
        ("mediapackage", f"{V2}start%3A{T}%3Bend%3A{T + 60}%3B"),
        ("mediapackage", f"{V2}start%3A{T}%3Bend%3A{T + 60}%3Btime_delay%3A5"),
        ("mediapackage", f"{V2}start%3A{T}%3Bstart%3A5%3Bend%3A{T + 60}"),
        ("mediapackage", f"{V2}start%3A{T}%2Cend%3A{T + 60}"),
        ("mediapackage", f"{V2}end%3A{T}"),
        ("mediapackage", f"{V2}manifest_window_seconds%3A60"),
        ("mediapackage", f"{V2}time_delay%3A-5"),
        ("mediapackage", f"{V2}"),
        ("mediapackage", f"{V2}start%3A{T}&start={T}"),
        ("mediapackage", f"{V2}start%3A{T}&AWS.MANIFESTSETTINGS=start%3A5"),
        ("mediapackage", f"/o/index.m3u8?start={T}&end={T}"),
        ("mediapackage", f"/o/index.m3u8?end={T}"),
        ("mediapackage", f"/o/index.m3u8?Start={T}&End={T + 60}"),
        ("mediapackage", f"/o/start/{T}/end/{T + 60}/index.m3u8"),
        ("mediapackage", f"/o/START/{T}/index.m3u8"),
        ("mediapackage", "/o/time_delay/60/index.m3u8"),
        ("mediapackage", "/o/index.ism/Manifest"),
        ("mediapackage", "/o/index.m3u8/"),
        ("mediapackage", "/o/index.m3u8;x"),
        ("mediapackage", "/.m3u8"),
        # the whole archive, of which a query that it does not read takes nothing away
        ("akamai", f"/o/master-archive.m3u8?start={T}&end={T + 60}"),
        ("akamai", f"/o/MASTER-Archive.m3u8?startTime={T}&endTime={T + 60}"),
        ("akamai", f"/o/master-archive.m3u8?starttime={T}&endtime={T + 60}"),
        ("akamai", f"/o/master-archive.m3u8?endTime={T}"),
        ("akamai", f"/o/master.m3u8?startTime={T}&endTime={T + 60}"),
        ("akamai", f"/o/master.m3u8?start={T}000&end={T + 60}000"),
        ("akamai", "/o/master.m3u8?archive=1"),
        ("swift", f"/o/index.m3u8?start={ISO}&end={ISO_END}"),
        ("swift", f"/o/index.m3u8?start={T}000.5&end={T + 60}000"),
        ("unified", f"/o/x.isml/.m3u8?t={ISO}"),
        ("unified", f"/o/x.isml/.m3u8?vbegin={ISO}&t=0,60"),
        ("unified", f"/o/x.isml/.m3u8?vbegin={ISO}&dvr_window_length=60"),
        ("unified", "/o/x.isml/.m3u8?dvr_window_length=60&time_shift=60"),
        ("unified", f"/o/x.isml/.m3u8?vend={ISO}"),
        ("unified", "/o/x.isml/Manifest"),
        ("xtream", "/timeshift/u/p/60/2023-11-14:22-13/cam1.mp4"),
        ("xtream", "/timeshift/u/p/0/2023-11-14:22-13/cam1.ts"),
        ("xtream", "/timeshift/u/p/060/2023-11-14:22-13/cam1.ts"),
        ("xtream", "/timeshift/u/p/-60/2023-11-14:22-13/cam1.ts"),
        ("xtream", "/timeshift/u/p/60.5/2023-11-14:22-13/cam1.ts"),
        ("xtream", "/timeshift/u/p/99999999/2023-11-14:22-13/cam1.ts"),
        ("xtream", "/timeshift/u/p/60/2023-02-29:22-13/cam1.ts"),
        ("xtream", "/timeshift/u/p/60/2023-11-14:24-00/cam1.ts"),
        ("xtream", "/timeshift/u/p/60/2023-11-14:22-13-20/cam1.ts"),
        ("xtream", "/timeshift/u/p/60/2023-11-14:2213/cam1.ts"),
        ("xtream", "/timeshift/u/p/60/2023-11-14T22:13/cam1.ts"),
        ("xtream", "/timeshift/u/p/60/2023-11-14:22-13/cam1.ts?utc=5"),
        ("xtream", "/Timeshift/u/p/60/2023-11-14:22-13/cam1.ts"),
        ("xtream", "/live/u/p/cam1.ts?utc=5"),
        ("xtream", "/live/u/p/cam1.mp4"),
        ("xtream", "/u/p/cam1"),
        ("xtream", "/streaming/timeshift.php?stream=1&start=2023-11-14:22-13&duration=60"),
        ("ziggeo", f"{A}/V/video.mp4?download=1"),
        ("ziggeo", f"{A}/V/video.mp4?download=TRUE"),
        ("ziggeo", f"{A}/V/video.mp4?DOWNLOAD=true"),
        ("ziggeo", f"{A}/V/video.mp4?%64ownload=true"),
        ("ziggeo", f"{A}/V/video.mp4?download=%74rue"),
        ("ziggeo", f"{A}/V/video.mp4?download=true&download=true"),
        ("ziggeo", f"{A}/V/video.mp4?download=true&download=false"),
        ("ziggeo", f"{A}/V/video.mp4?x;download=true"),
        ("ziggeo", f"{A}/V/video.mp4?download=true;x"),
        ("ziggeo", f"{A}/V/video.mp4?download"),
        ("ziggeo", f"{A}/V/image?download=true"),
        ("ziggeo", f"{A}/V/other.mp4"),
        ("ziggeo", f"{A}/V/streams/S/other.mp4"),
        ("ziggeo", f"{A}/V/"),
        ("ziggeo", f"{A}/"),
        ("ziggeo", "/v1/applications/APP"),
        ("ziggeo", "/V1/applications/APP/videos/V/video.mp4"),
    ],
)
def test_what_is_of_no_form_is_unknown(name: str, raw: str) -> None:
    facts = LAYOUTS[name].read(target(raw), {"resource": "r"})
    assert (facts.kind, facts.span) == (None, None)
    assert LAYOUTS[name].write(target(raw), OTHER_HOUR) is None


@pytest.mark.parametrize(
    ("raw", "span"),
    [
        # As finely as servers write it, rounded outwards to the millisecond.
        ("start=1970-01-01T00:00:01.0009999Z&duration=1", Span(1000, 2001)),
        ("start=1970-01-01T00:00:01.5Z&duration=0.0000001", Span(1500, 1501)),
        ("start=1970-01-01T00:00:01Z&duration=0.5", Span(1000, 1500)),
        ("start=1970-01-01T01:00:01%2B01:00&duration=59.999", Span(1000, 60_999)),
        ("start=1969-12-31T23:00:01-01:00&duration=1", Span(1000, 2000)),
        ("start=9999-12-31T23:59:59Z&duration=1", Span(253402300799000, 253402300800000)),
        ("start=9999-12-31T23:59:59-00:01&duration=1", None),
        ("start=9999-12-31T23:59:59.5Z&duration=1", None),
    ],
)
def test_dates_of_mediamtx(raw: str, span: Span | None) -> None:
    facts = LAYOUTS["mediamtx"].read(target(f"/get?path=cam1&{raw}"), {})
    assert facts == Facts("cam1", STREAM, None if span is None else DVR, span)


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (Span(1000, 2500), "start=1970-01-01T00:00:01Z&duration=1.5"),
        (Span(1001, 2500), "start=1970-01-01T00:00:01.001Z&duration=1.499"),
        (Span(1100, 1101), "start=1970-01-01T00:00:01.1Z&duration=0.001"),
        (Span(0, 999_999_999_999), "start=1970-01-01T00:00:00Z&duration=999999999.999"),
        (Span(0, 1_000_000_000_000), None),
        (Span(253402300799001, 253402300800000), None),
        (Span(-1, 1000), None),
        (Span(1000, 1000), None),
    ],
)
def test_fractions_are_written_where_they_are_needed(span: Span, written: str | None) -> None:
    made = LAYOUTS["mediamtx"].write(target(f"/get?path=cam1&start={ISO}&duration=1"), span)
    assert made == (None if written is None else target(f"/get?path=cam1&{written}"))


@pytest.mark.parametrize(
    "span",
    [Span(60_500, 120_000), Span(61_000, 121_000), Span(60_000, 121_000), Span(0, 10_000_000 * 60_000)],
)
def test_xtream_says_minutes(span: Span) -> None:
    assert LAYOUTS["xtream"].write(target("/timeshift/u/p/1/2000-01-01:00-00/cam1.ts"), span) is None


def test_a_beginning_beyond_all_dates_is_not_written_as_one() -> None:
    asked = target(f"/o/index.m3u8?start={T}&end={ISO_END}")
    beyond = 253402300800000
    assert LAYOUTS["mediapackage"].write(asked, Span(beyond - 2000, beyond + 60_000)) is None
    # The last second itself is one.
    assert LAYOUTS["mediapackage"].write(asked, Span(beyond - 2000, beyond - 1000)) is not None


# --- properties ---------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        *(
            "a",
            "live",
            "dvr",
            "cam1",
            "index.m3u8",
            "x-archive.m3u8",
            "17.ts",
            "get",
            "list",
            "timeshift",
            "60",
        ),
        *("2023-11-14:22-13", "v1", "applications", "APP", "videos", "V", "video.mp4", "image", "streams"),
        *("playlist_ios.m3u8", "record.mp4", "x.isml", ".m3u8", "start", "end"),
    ]
)
PIECES = st.sampled_from(
    [
        *(
            "",
            "x",
            f"start={T}",
            f"end={T + 60}",
            f"start={ISO}",
            f"end={ISO_END}",
            f"startTime={T}",
            "archive=1",
        ),
        *(f"endTime={T + 60}", f"vbegin={T}", f"vend={ISO_END}", f"timestamp={T}", "duration=60", "path=cam1"),
        *("format=mp4", "format=fmp4", "time_shift=60", "dvr_window_length=60", "download=true", "t=1"),
        *(
            f"aws.manifestsettings=start%3A{T}%3Bend%3A{T + 60}",
            f"AWS.manifestsettings=start:{T}",
            f"start={T}000",
        ),
    ]
)
RAW = st.builds(
    lambda words, pieces: f"/{'/'.join(words)}?{'&'.join(pieces)}",
    st.lists(WORDS, min_size=1, max_size=6),
    st.lists(PIECES, max_size=4),
)


@UNHURRIED
@given(RAW, st.sampled_from(sorted(TABLES)), st.integers(0, 10**12), st.integers(1, 10**9))
def test_reading_is_total_and_what_is_written_is_read(raw: str, name: str, start: int, lasts: int) -> None:
    layout, asked = LAYOUTS[name], target(raw)
    facts = layout.read(asked, {"resource": "r"})
    for wanted in (Span(start, start + lasts), Span(start * 1000, (start + lasts) * 1000)):
        written = layout.write(asked, wanted)
        if written is None:
            continue
        assert isinstance(facts.span, Span)
        assert parse_target(written.raw) == written
        assert layout.read(written, {"resource": "r"}) == Facts(
            facts.resource, facts.role, facts.kind, wanted, facts.early_ms
        )
    if isinstance(facts.span, Span):
        assert facts.span.start_ms < facts.span.end_ms
        same = layout.write(asked, facts.span)
        assert same is not None
        assert layout.read(same, {"resource": "r"}) == facts


@UNHURRIED
@given(st.text(st.characters(codec="utf-8"), max_size=40), st.sampled_from(sorted(TABLES)))
def test_reading_is_total_for_any_target(text: str, name: str) -> None:
    parsed = parse_target(f"/{text}")
    assert isinstance(parsed, Deny) or isinstance(LAYOUTS[name].read(parsed, {}), Facts)
