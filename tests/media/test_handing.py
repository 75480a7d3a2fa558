"""Manifests as viewers get them: of nothing that may not be seen anything is handed out."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.allowed import Allowed
from gate.core.credentials import Carrier
from gate.core.grants import Action, Grant, Grants
from gate.core.marks import ByteRange, Mark, read_mark, take_mark
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Access, Foreign, Origin, Pattern, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.target import Target, parse_target
from gate.core.token import Rights, Warrant
from gate.core.verdicts import Place
from gate.core.windows import Moving, Span, Windows
from gate.media import hls
from gate.media.handing import Handed, hand_out, is_manifest, is_mpd
from gate.media.layouts import LAYOUTS
from gate.media.links import Links

NOW = 1_800_000_000
KEY = b"k" * 32
RULE = StreamRule(
    "streams[0]", Pattern("/{resource}/**"), Access.PRIVATE, Origin("o", "http://o.example"), LAYOUTS["unified"]
)
READ = Grants({Action.READ: Grant(all=True)})


def warrant(*windows: tuple[int, int], live: bool = False, dvr: bool = False, copy: bool = False) -> Warrant:
    """Windows in seconds from now; without any, none bounds it."""
    rights = Rights(live, dvr, copy)
    if not windows:
        return Warrant(READ, rights)
    return Warrant(
        READ, rights, Windows.of(Span((NOW + start) * 1000, (NOW + end) * 1000) for start, end in windows)
    )


LIVE, DVR, FULL = warrant(live=True), warrant(dvr=True), warrant(live=True, dvr=True, copy=True)


def place(raw: str = "/cam1/index.m3u8", kind: Kind | None = Kind.LIVE, **more: Any) -> Place:
    target = parse_target(raw)
    assert isinstance(target, Target)
    rule = more.pop("rule", RULE)
    facts = more.pop("facts", Facts("cam1", Role.MANIFEST, kind))
    here = Place("GET", target, rule, None, Action.READ, facts, "T", None, "client", "page")
    return replace(here, **more)


def hand(body: str | bytes, who: Warrant | None, here: Place | None = None, now: float = NOW) -> Any:
    here = here or place()
    links = Links(Policy((here.rule,), {}), here, host=None, now=now, key=KEY, warrant=who)
    return hand_out(body.encode() if isinstance(body, str) else body, here, who, links, now)


def date(second: float) -> str:
    """That many seconds from now."""
    return datetime.fromtimestamp(NOW + second, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def media(start: float | None, count: int, *, tail: str = "", head: str = "", lines: str = "seg{0}.ts") -> str:
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + head
    text += f"#EXT-X-PROGRAM-DATE-TIME:{date(start)}\n" if start is not None else ""
    return text + "".join(f"#EXTINF:4,\n{lines.format(number)}\n" for number in range(count)) + tail


def listed(handed: Any) -> list[bytes]:
    assert isinstance(handed, Handed), handed
    return [line for line in handed.body.splitlines() if line and not line.startswith(b"#")]


def numbers(handed: Any) -> list[int]:
    return [int(re.search(rb"seg(\d+)", uri)[1]) for uri in listed(handed)]  # type: ignore[index]


def marks(handed: Any, here: Place | None = None) -> dict[str, Mark | None]:
    """What the mark of each URI says, by its name; None where it has none."""
    assert isinstance(handed, Handed)
    here, found = here or place(), {}
    links = Links(Policy((here.rule,), {}), here, host=None, now=NOW)
    quoted = re.findall(rb'[:,]URI="([^"]*)"', handed.body)
    for uri in [*quoted, *listed(handed)]:
        target = links.target_of(uri)
        assert target is not None
        at, text = take_mark(target)
        found[at.raw.removeprefix("/cam1/")] = None if text is None else read_mark(text, KEY, at)
    return found


def refused(handed: Any) -> Reason:
    assert isinstance(handed, Deny), handed
    return handed.reason


# What is allowed.


def test_who_may_see_everything_gets_everything() -> None:
    text = media(-4000, 1000)
    for who in (None, FULL):
        handed = hand(text, who)
        assert handed.body == text.encode()
        assert handed.entries == handed.kept == 1000
        assert handed.allowed is None


def test_live_is_trimmed_by_the_newest_entry() -> None:
    for late in (0, 3600, -3600):
        handed = hand(media(-4000 - late, 1000), LIVE)
        assert numbers(handed) == list(range(985, 1000))
        assert (handed.entries, handed.kept) == (1000, 15)
        assert isinstance(handed.allowed, Allowed)


def test_of_no_kind_it_is_trimmed_by_the_clock() -> None:
    assert numbers(hand(media(-4000, 1000), LIVE, place(kind=None))) == list(range(985, 1000))
    assert listed(hand(media(-7600, 1000), LIVE, place(kind=None))) == []
    ended = media(-7600, 1000, tail="#EXT-X-ENDLIST\n")
    assert refused(hand(ended, LIVE, place(kind=None))) is Reason.OUTSIDE_WINDOW


def test_the_edge_is_the_rules_and_not_shorter_than_three_segments() -> None:
    short = place(rule=replace(RULE, live_edge_s=2.0))
    assert numbers(hand(media(-4000, 1000), LIVE, short)) == [997, 998, 999]


def test_windows_overlap_or_hold() -> None:
    strict = place(rule=replace(RULE, strict_windows=True))
    who = warrant((-3601, -3581), dvr=True)
    assert numbers(hand(media(-4000, 1000), who)) == [99, 100, 101, 102, 103, 104]
    assert numbers(hand(media(-4000, 1000), who, strict)) == [100, 101, 102, 103]


def test_copies_lie_within() -> None:
    who = warrant((-3601, -3581), copy=True)
    assert numbers(hand(media(-4000, 1000), who, place(kind=Kind.COPY))) == [100, 101, 102, 103]


def test_nothing_is_an_empty_playlist_as_long_as_more_may_come() -> None:
    ahead, past = warrant((100, 200), dvr=True), warrant((-9000, -8000), dvr=True)
    handed = hand(media(-40, 10), ahead)
    assert listed(handed) == []
    assert (handed.entries, handed.kept) == (10, 0)
    assert refused(hand(media(-40, 10, tail="#EXT-X-ENDLIST\n"), ahead)) is Reason.OUTSIDE_WINDOW
    assert refused(hand(media(-40, 10), past)) is Reason.OUTSIDE_WINDOW
    assert isinstance(hand("#EXTM3U\n#EXT-X-TARGETDURATION:4\n", past), Handed), "nothing was cut from it"


def test_what_nobody_dated_is_live_or_refused() -> None:
    assert numbers(hand(media(None, 100), LIVE)) == list(range(85, 100))
    for kind, who in (
        (Kind.LIVE, warrant((-300, -200), dvr=True)),
        (Kind.LIVE, warrant((100, 200), dvr=True)),
        (Kind.DVR, warrant((-300, -200), dvr=True, live=True)),
        (None, LIVE),
    ):
        assert refused(hand(media(None, 100), who, place(kind=kind))) is Reason.TIME_UNKNOWN


def test_what_nobody_dated_is_of_the_span_that_was_asked_for() -> None:
    span = Span((NOW - 300) * 1000, (NOW - 200) * 1000)
    here = place(facts=Facts("cam1", Role.MANIFEST, Kind.DVR, span))
    text = media(None, 25, tail="#EXT-X-ENDLIST\n")
    handed = hand(text, warrant((-400, -100), dvr=True), here)
    assert numbers(handed) == list(range(25))
    assert set(marks(handed, here).values()) == {Mark(Role.SEGMENT, Kind.DVR, span)}
    assert refused(hand(text, warrant((-300, -201), dvr=True), here)) is Reason.TIME_UNKNOWN


def test_a_span_that_moves_is_where_it_is_now() -> None:
    here = place(facts=Facts("cam1", Role.MANIFEST, Kind.DVR, Moving(300_000, start_moves=True)))
    handed = hand(media(-300, 75), warrant((-300, -100), dvr=True), here)
    assert numbers(handed) == list(range(50))


def test_a_delta_update_may_need_the_whole() -> None:
    text = media(-400, 100, head="#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n")
    assert hand(text, LIVE) is hls.Incomplete.DELTA


def test_the_time_in_a_name_counts() -> None:
    here = place(rule=replace(RULE, layout=LAYOUTS["flussonic"]))
    names = [datetime.fromtimestamp(NOW - 400 + 4 * at, UTC).strftime("%Y/%m/%d/%H/%M/%S") for at in range(100)]
    lines = "".join(f"#EXTINF:4,\n{name}-04000.ts\n" for name in names)
    who = warrant((-200, -190), dvr=True)
    for head in ("#EXTM3U\n", "\ufeff#EXTM3U\n", "#EXTM3U\n\n  \n # a comment\n"):
        handed = hand(head + "#EXT-X-TARGETDURATION:4\n" + lines, who, here)
        assert [uri for uri in listed(handed) if b".ts" in uri] == [
            f"{name}-04000.ts".encode() for name in names[50:53]
        ], "they need no marks"
    # A date beside a name that says none.
    assert numbers(hand(media(-400, 100), who, here)) == [50, 51, 52]


# Marks.


def test_each_uri_is_marked_with_what_is_said_of_it() -> None:
    head = (
        '#EXT-X-KEY:METHOD=AES-128,URI="key.bin"\n#EXT-X-MAP:URI="init.mp4",BYTERANGE="9@3"\n'
        '#EXT-X-CUSTOM:URI="thing.json"\n#EXT-X-PART-INF:PART-TARGET=1\n'
    )
    tail = (
        '#EXT-X-PART:DURATION=1,URI="part0.ts"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part1.ts"\n'
        '#EXT-X-RENDITION-REPORT:URI="other"\n'
    )
    found = marks(hand(media(-41, 10, head=head, tail=tail), LIVE))
    timeless = Mark(Role.OTHER, Kind.OBJECT)
    assert found["key.bin"] == timeless
    assert found["init.mp4"] == replace(timeless, range=ByteRange(3, 9))
    assert found["thing.json"] == timeless
    assert found["other"] == Mark(Role.MANIFEST, Kind.LIVE)
    assert found["seg0.ts"] == Mark(Role.SEGMENT, None, Span((NOW - 42) * 1000, (NOW - 36) * 1000))
    assert found["part0.ts"] == Mark(Role.SEGMENT, None, Span((NOW - 2) * 1000, (NOW + 1) * 1000))
    assert found["part1.ts"] == Mark(Role.SEGMENT, None, Span((NOW - 1) * 1000, (NOW + 2) * 1000))


def test_a_mark_says_which_bytes() -> None:
    found = hand(media(-41, 3, lines="#EXT-X-BYTERANGE:10@{0}0\nseg{0}.ts"), LIVE)
    assert [mark and mark.range for mark in marks(found).values()] == [
        *(ByteRange(0, 10), ByteRange(10, 10), ByteRange(20, 10))
    ]


@pytest.mark.parametrize(("late", "lag_ms"), [(0, 0), (20, 0), (3600, 3_600_000), (-3600, -3_600_000)])
def test_a_mark_says_how_late_the_streams_clock_is(late: int, lag_ms: int) -> None:
    found = marks(hand(media(-40 - late, 10), LIVE))
    assert {mark and mark.lag_ms for mark in found.values()} == {lag_ms}
    # In an archive, and for who may see no live, the clock does not matter.
    if late > 0:
        found = marks(hand(media(-400 - late, 100), DVR))
        assert {mark and mark.lag_ms for mark in found.values()} == {0}


def test_what_only_its_place_dates_is_live_now() -> None:
    found = marks(hand(media(None, 3), LIVE))
    assert set(found.values()) == {Mark(Role.SEGMENT, Kind.LIVE, Span((NOW - 60) * 1000, (NOW + 60) * 1000))}
    again = marks(hand(media(None, 3), LIVE, now=NOW + 30))
    later = marks(hand(media(None, 3), LIVE, now=NOW + 90))
    assert again.keys() == found.keys()
    assert later != found


def test_a_master_playlist_is_marked_where_its_uris_say_nothing() -> None:
    text = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="audio"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n'
    assert marks(hand(text, LIVE)) == {"audio": Mark(Role.MANIFEST, Kind.LIVE), "video.m3u8": None}
    span = Span((NOW - 300) * 1000, (NOW - 200) * 1000)
    here = place(facts=Facts("cam1", Role.MANIFEST, Kind.DVR, span))
    handed = hand(text, warrant((-300, -200), dvr=True), here)
    assert marks(handed, here)["audio"] == Mark(Role.MANIFEST, Kind.DVR, span)
    assert handed.entries == 0


def test_variables_are_read_before_they_are_marked() -> None:
    head = (
        '#EXT-X-DEFINE:NAME="a",VALUE="b"\n#EXT-X-DEFINE:QUERYPARAM="q"\n#EXT-X-DEFINE:QUERYPARAM="none"\n'
        '#EXT-X-DEFINE:IMPORT="i"\n#EXT-X-DEFINE:junk\n'
    )
    here = place("/cam1/index.m3u8?q=c%20d&token=x")
    handed = hand(media(-4, 1, head=head, lines="{{$a}}/{{$q}}/{{$none}}-{{$i}}.ts"), LIVE, here)
    uri = listed(handed)[0]
    assert uri.startswith(b"{$a}/{$q}/{$none}-{$i}.ts?_gate=")
    asked = parse_target("/cam1/b/c%20d/%7B$none%7D-%7B$i%7D.ts")
    assert isinstance(asked, Target)
    mark = read_mark(uri.partition(b"_gate=")[2].decode(), KEY, asked)
    assert mark is not None
    assert mark.role is Role.SEGMENT


# Other bodies.


def test_a_manifest_is_known_by_its_beginning() -> None:
    assert is_manifest(b"#EXTM3U\n") == is_manifest(b"\xef\xbb\xbf#EXTM3U") == "hls"
    assert (
        is_manifest(b"<MPD>") == is_manifest(b"\xef\xbb\xbf \r\n<?xml") == is_manifest(b"<!-- x -->") == "dash"
    )
    for head in (b"", b"\n#EXTM3U", b"{}", b"<html>", b" <!DOCTYPE HTML>", b"\x00"):
        assert is_manifest(head) is None
    assert is_mpd(b"<?xml version='1.0'?><!-- x --><m:MPD xmlns:m='x'>")
    assert not is_mpd(b"<smil>")
    assert not is_mpd(b"<?xml?>".ljust(70_000) + b"<MPD>")


@pytest.mark.parametrize("page", [b"<!doctype HTML><p>", b"\xef\xbb\xbf\n<HTML>", b""])
def test_pages_are_the_origins(page: bytes) -> None:
    for who in (None, LIVE, warrant((0, 1), dvr=True)):
        assert hand(page, who) == Handed(page, 0, 0)


@pytest.mark.parametrize("body", [b"{}", b"\x00\x01", b"\n#EXTM3U\n", b"<smil/>", b"\xff\xfe#\x00"])
def test_what_cannot_be_cut_is_for_who_may_see_all_of_it(body: bytes) -> None:
    assert hand(body, None) == Handed(body, 0, 0)
    span = Span((NOW - 300) * 1000, (NOW - 200) * 1000)
    here = place(facts=Facts("cam1", Role.MANIFEST, Kind.DVR, span))
    assert hand(body, warrant((-300, -200), dvr=True), here) == Handed(body, 0, 0)
    assert refused(hand(body, warrant((-300, -200), dvr=True))) is Reason.TIME_UNKNOWN
    assert refused(hand(body, LIVE, place(kind=None))) is Reason.TIME_UNKNOWN
    assert refused(hand(body, warrant((-300, -201), dvr=True), here)) is not None


def test_what_must_change_and_cannot_be_read_is_refused() -> None:
    text = media(-4000, 1000, head="#EXT-X-MEDIA-SEQUENCE:x\n")
    denied = hand(text, LIVE)
    assert refused(denied) is Reason.MANIFEST_INVALID
    assert "MEDIA-SEQUENCE" in denied.detail
    assert isinstance(hand(text, FULL), Handed)


def test_uris_that_may_lead_nowhere_else() -> None:
    away = place(rule=replace(RULE, foreign=Foreign.REFUSE))
    for who in (None, LIVE):
        assert (
            refused(hand(media(-40, 10, lines="https://cdn.example/seg{0}.ts"), who, away))
            is Reason.FOREIGN_URI
        )
        head = '#EXT-X-DEFINE:NAME="cdn",VALUE="https://cdn.example"\n'
        text = media(-40, 10, head=head, lines="{{$cdn}}/seg{0}.ts")
        assert refused(hand(text, who, away)) is Reason.FOREIGN_URI
        assert numbers(hand(text, who)) == list(range(10))


pieces = st.sampled_from(
    [
        *(
            b"#EXTM3U\n",
            b"#EXTINF:4,\n",
            b"#EXTINF:-4,\n",
            b"#EXTINF:99999,\n",
            b"#EXTINF:nan,\n",
            b"\r",
            b"\x00",
        ),
        *(b"seg1.ts\n", b"http://[/x.ts\n", b"\xff\n", b"{$a}\n", b"//x/y.ts\n", b"#EXT-X-ENDLIST\n"),
        *(b"#EXT-X-DISCONTINUITY\n", b"#EXT-X-BYTERANGE:9\n", b"#EXT-X-BYTERANGE:9@9\n", b"#EXT-X-GAP\n"),
        *(b'#EXT-X-KEY:METHOD=AES-128,URI="k"\n', b'#EXT-X-MAP:URI="m"\n', b"#EXT-X-KEY:METHOD=NONE\n"),
        *(b"#EXT-X-MEDIA-SEQUENCE:7\n", b"#EXT-X-MEDIA-SEQUENCE:x\n", b"#EXT-X-TARGETDURATION:4\n"),
        *(b"#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n", b'#EXT-X-PART:DURATION=1,URI="p"\n', b"#EXT-X-STREAM-INF:X=1\n"),
        *(b'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="h"\n', b'#EXT-X-DEFINE:NAME="a",VALUE="//["\n', b"\n", b'"'),
        *(f"#EXT-X-PROGRAM-DATE-TIME:{date(at)}\n".encode() for at in (-5000, -3600, -100, 0, 10**9)),
        b"#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59Z\n",
    ]
)
WHOS = [None, FULL, LIVE, DVR, *(warrant((-3700, -3500), live=live, dvr=True) for live in (True, False))]
PLACES = [
    place(kind=kind, rule=replace(RULE, foreign=foreign), carrier=carrier)
    for kind in (None, Kind.LIVE, Kind.DVR, Kind.COPY, Kind.OBJECT)
    for foreign in (Foreign.LEAVE, Foreign.REFUSE)
    for carrier in (Carrier.PATH, Carrier.QUERY)
]
REASONS = {Reason.TIME_UNKNOWN, Reason.OUTSIDE_WINDOW, Reason.MANIFEST_INVALID, Reason.FOREIGN_URI}


@settings(deadline=None)
@given(st.lists(pieces, max_size=25), st.sampled_from(WHOS), st.sampled_from(PLACES))
def test_whatever_an_origin_sends_has_an_answer(found: list[bytes], who: Warrant | None, here: Place) -> None:
    body = b"#EXTM3U\n" + b"".join(found)
    handed = hand(body, who, here)
    if isinstance(handed, Deny):
        assert handed.reason in REASONS
    elif isinstance(handed, Handed):
        assert handed.body.startswith(b"#EXTM3U")
        assert handed.kept <= handed.entries
        assert hand(body, who, here) == handed
    else:
        assert handed is hls.Incomplete.DELTA


# MPDs.

MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="{kind}" {more} profiles="x" minBufferTime="PT4S">
<Period id="p" start="PT0S"{period}><BaseURL>/base/</BaseURL>
<AdaptationSet mimeType="video/mp4">{addressed}<Representation id="v" bandwidth="1"/></AdaptationSet>
</Period></MPD>
"""
TEMPLATE = """<SegmentTemplate timescale="1" media="$RepresentationID$/$Number$.m4s"
 initialization="$RepresentationID$/init.mp4">
<SegmentTimeline><S t="0" d="4" r="{0}"/></SegmentTimeline></SegmentTemplate>"""
LIST = """<SegmentList timescale="1" duration="4"><Initialization sourceURL="init.mp4"/>{0}</SegmentList>"""


def dynamic(start: float, count: int) -> str:
    more = f'availabilityStartTime="{date(start)}" minimumUpdatePeriod="PT4S"'
    return MPD.format(kind="dynamic", more=more, period="", addressed=TEMPLATE.format(count - 1))


def static(count: int, addressed: str) -> str:
    more = f'mediaPresentationDuration="PT{4 * count}S"'
    return MPD.format(kind="static", more=more, period="", addressed=addressed)


def counted(handed: Any) -> int:
    """How many segments are listed in its one timeline."""
    assert isinstance(handed, Handed), handed
    return sum(
        int((re.search(rb'r="(\d+)"', run) or [0, 0])[1]) + 1 for run in re.findall(rb"<S [^>]*>", handed.body)
    )


def test_an_mpd_is_brought_under_the_link() -> None:
    text = dynamic(-4000, 1000)
    body = hand(text, None).body.decode()
    assert text.replace("/base/", "/_s/T/base/").partition("<Period")[2] == body.partition("<Period")[2]
    # What a player would resolve against where it was asked for first is resolved in the session.
    front = body.partition("<Period")[0]
    assert front.startswith(text.partition("<Period")[0].rstrip())
    assert "/_s/T/cam1/" in front
    assert hand(text, None, place(ticket=None)).body == text.encode()
    query = place(carrier=Carrier.QUERY)
    handed = hand(dynamic(-4000, 1000), None, query)
    assert b'media="$RepresentationID$/$Number$.m4s?_gate_session=T"' in handed.body
    assert b"<BaseURL>/base/" in handed.body


def test_an_mpd_is_trimmed_and_sealed() -> None:
    handed = hand(dynamic(-4000, 1000), LIVE)
    assert 15 <= counted(handed) <= 17
    assert b"_gate." in handed.body
    late = hand(dynamic(-7600, 1000), LIVE)
    assert 15 <= counted(late) <= 17, "its newest segment is live, whatever the clock says"
    assert handed.allowed is not None
    # Without a session nothing is sealed, and without its seal nothing is played.
    here = place()
    links = Links(Policy((here.rule,), {}), here, host=None, now=NOW, warrant=LIVE)
    bare = hand_out(dynamic(-4000, 1000).encode(), here, LIVE, links, NOW)
    assert isinstance(bare, Handed)
    assert b"_gate." not in bare.body


def test_an_mpd_is_cut_to_windows() -> None:
    assert counted(hand(dynamic(-4000, 1000), warrant((-3601, -3581), dvr=True))) == 6
    assert refused(hand(dynamic(-4000, 1000), warrant((-9000, -8000), dvr=True))) is Reason.OUTSIDE_WINDOW
    assert refused(hand(dynamic(-4000, 1000), warrant((8000, 9000), dvr=True))) is Reason.OUTSIDE_WINDOW


def test_an_mpd_without_a_date_is_of_the_span_that_was_asked_for() -> None:
    text = static(25, TEMPLATE.format(24))
    span = Span((NOW - 300) * 1000, (NOW - 200) * 1000)
    here = place(facts=Facts("cam1", Role.MANIFEST, Kind.DVR, span))
    assert counted(hand(text, warrant((-280, -260), dvr=True), here)) == 5
    assert refused(hand(text, warrant((-280, -260), dvr=True))) is Reason.TIME_UNKNOWN
    # Where every time may be seen it does not matter which it is.
    handed = hand(text, warrant(dvr=True, live=True))
    assert counted(handed) == 25


def test_an_mpds_list_is_marked() -> None:
    urls = "".join(
        f'<SegmentURL media="{number}.m4s" mediaRange="{number}0-{number}9"/>' for number in range(25)
    )
    span = Span((NOW - 300) * 1000, (NOW - 200) * 1000)
    here = place(facts=Facts("cam1", Role.MANIFEST, Kind.DVR, span), rule=replace(RULE, pattern=Pattern("/**")))
    handed = hand(static(25, LIST.format(urls)), warrant((-281, -261), dvr=True), here)
    assert isinstance(handed, Handed)
    found = re.findall(rb'media="(\d+)\.m4s\?_gate=([\w-]+)"', handed.body)
    assert [int(number) for number, _ in found] == [4, 5, 6, 7, 8, 9]
    at = parse_target("/base/4.m4s")
    assert isinstance(at, Target)
    mark = read_mark(found[0][1].decode(), KEY, at)
    assert mark == Mark(Role.SEGMENT, None, Span((NOW - 285) * 1000, (NOW - 279) * 1000), ByteRange(40, 10))
    initial = re.search(rb'sourceURL="init\.mp4\?_gate=([\w-]+)"', handed.body)
    assert initial is not None


@pytest.mark.parametrize(
    "text", ["<MPD>", "<MPD><Period></MPD>", "<!DOCTYPE MPD [<!ENTITY a 'b'>]><MPD>&a;</MPD>"]
)
def test_an_mpd_that_cannot_be_read_is_refused(text: str) -> None:
    assert refused(hand(text, LIVE)) is Reason.MANIFEST_INVALID
    assert refused(hand(text, None)) is Reason.MANIFEST_INVALID
