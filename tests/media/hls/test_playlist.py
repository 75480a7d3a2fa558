"""Playlists as they are handed out: for any playlist and any windows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.allowed import EVERYTHING, NOTHING, Allowed
from gate.core.windows import ALWAYS_MS, Span, Windows
from gate.media.hls import Clipped, Form, Incomplete, PlaylistError, clip, read_playlist

UNHURRIED = settings(deadline=None, suppress_health_check=list(HealthCheck))
T0 = 1_767_225_600_000

DURATIONS = ["6", "6.000", "2.5", "6.006", "0", "0.333333", "5.9999997", "130"]
BROKEN = ["", "x", "-6", "nan", "1e3", "999999", "x,5.0"]
TAGS = [
    '#EXT-X-KEY:METHOD=AES-128,URI="k1"',
    '#EXT-X-KEY:METHOD=AES-128,URI="k2",IV=0x00000000000000000000000000000007',
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple"',
    "#EXT-X-KEY:METHOD=NONE",
    '#EXT-X-MAP:URI="init1.mp4"',
    '#EXT-X-MAP:URI="init2.mp4",BYTERANGE="100@0"',
    *("#EXT-X-BITRATE:100", "#EXT-X-BITRATE:200", "#EXT-X-GAP", "", "#EXT-X-CUE:1", "#text"),
]


def date(ms: int, zone: int = 0, digits: int = 3) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    at = at.astimezone(timezone(timedelta(minutes=zone)))
    text = at.isoformat(timespec="microseconds")[:-6]
    return text[: 19 + (digits + 1 if digits else 0)] + ("Z" if not zone else at.isoformat()[-6:])


def playlist(seed: int, size: int, regular: bool) -> bytes:
    """A media playlist of which at least the lines are whole."""
    rng = random.Random(seed)
    end = rng.choice(["\n", "\r\n", *([] if regular else ["\r"])])
    header = [
        f"#EXT-X-MEDIA-SEQUENCE:{rng.randrange(2**40)}",
        f"#EXT-X-DISCONTINUITY-SEQUENCE:{rng.randrange(9)}",
        *("#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-START:TIME-OFFSET=-12.5,PRECISE=YES", "# comment"),
        *('#EXT-X-DEFINE:NAME="a",VALUE="b"', "", "#EXT-X-NEW:1"),
    ]
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:6", *(line for line in header if rng.random() < 0.5)]
    clock = T0 + rng.randrange(5000)
    zone = rng.choice([0, 180, -90])
    dense = 1.0 if regular else rng.choice([0.1, 0.4, 1.0])
    for index in range(size):
        duration = rng.choice(DURATIONS)
        block: list[str] = []
        if not regular:
            block += [line for line in TAGS if rng.random() < 0.1]
            if rng.random() < 0.15:
                block.append("#EXT-X-DISCONTINUITY")
                clock += rng.choice([0, 60_000, -20_000])
            rng.shuffle(block)
            if rng.random() < 0.05:
                duration = rng.choice(BROKEN)
        if rng.random() < dense:
            text = date(clock, zone, 3 if regular else rng.choice([0, 3, 3, 6]))
            if not regular and rng.random() < 0.05:
                text = rng.choice(["", "2026-01-01T00:00:00", "x"])
            block.append(f"#EXT-X-PROGRAM-DATE-TIME:{text}")
        block.append(f"#EXTINF:{duration},")
        uri = f"{index}.ts"
        if not regular and rng.random() < 0.25:
            uri = "all.ts"
            offset = rng.choice(["", "", "@0", "@700"])
            block.append(f"#EXT-X-BYTERANGE:{rng.randrange(1, 500)}{offset}")
        lines += [*block, uri]
        clock += int(float(duration) * 1000) if duration.replace(".", "").isdigit() else 6000
    if rng.random() < 0.5:
        lines.append("#EXT-X-ENDLIST")
    text = end.join(lines) + rng.choice([end, ""])
    return rng.choice([b"", b"\xef\xbb\xbf"]) + text.encode()


PLAYLISTS = st.builds(playlist, st.integers(0, 2**32), st.integers(0, 14), st.booleans())
EDGE = st.integers(-10, 120).map(lambda half: T0 + half * 500)


def windows_of(edges: list[int], left: bool, right: bool) -> Windows:
    edges = sorted(edges)
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    if left:
        spans.append((-ALWAYS_MS, edges[0]))
    if right:
        spans.append((edges[-1], ALWAYS_MS))
    return Windows.of(Span(start, end) for start, end in spans)


RARELY = st.integers(0, 4).map(lambda number: number == 4)
ALLOWED = st.builds(
    Allowed,
    st.builds(windows_of, st.lists(EDGE, min_size=1, max_size=6), RARELY, RARELY),
    until_ms=st.one_of(st.just(ALWAYS_MS), EDGE),
    strict=st.booleans(),
)


def clipped(body: bytes, allowed: Allowed) -> bytes:
    result = clip(read_playlist(body), allowed)
    assert isinstance(result, Clipped)
    return result.body


def lines_of(body: bytes) -> list[bytes]:
    return [line.strip() for line in body.splitlines()]


@settings(UNHURRIED, max_examples=300)
@given(PLAYLISTS, ALLOWED)
def test_what_is_left_is_what_is_allowed(watch, body: bytes, allowed: Allowed) -> None:
    before = watch(body)
    whole = read_playlist(body)
    assert [whole.timeline.span(index) for index in range(whole.entries)] == [one.span for one in before]
    kept = [one for one in before if allowed.keeps(one.span)]
    result = clip(whole, allowed)
    assert isinstance(result, Clipped)
    assert (result.entries, result.kept) == (len(before), len(kept))
    after = watch(result.body)
    # A player gets the same bytes, decrypts them in the same way, and finds them at the same time.
    assert [(o.uri, o.span, o.range, o.keys, o.map, o.bitrate) for o in after] == [
        (o.uri, o.span, o.range, o.keys, o.map, o.bitrate) for o in kept
    ]
    # The newest entries keep their numbers, all of them where none are missing between them.
    newest = [one for index, one in enumerate(kept) if one.number - kept[-1].number == index + 1 - len(kept)]
    assert [one.number for one in after[len(kept) - len(newest) :]] == [one.number for one in newest]
    # Where some are missing, the next are said to be discontinuous.
    for (old, new), (a, b) in zip(pairwise(kept), pairwise(after), strict=True):
        assert (a.discontinuity < b.discontinuity) == (
            new.number - old.number > 1 or old.discontinuity < new.discontinuity
        )
    if len(newest) == len(kept):
        assert [one.discontinuity for one in after] == [one.discontinuity for one in kept]
    # What is left stays as it was.
    assert clip(read_playlist(result.body), allowed).body == result.body  # type: ignore[union-attr]
    if len(kept) == len(before):
        assert result.body == body


@UNHURRIED
@given(PLAYLISTS)
def test_who_may_see_everything_gets_every_byte(body: bytes) -> None:
    assert clipped(body, EVERYTHING) == body
    unmarked = clip(read_playlist(body), EVERYTHING, lambda uri, span, byterange, place: uri)
    assert isinstance(unmarked, Clipped)
    assert unmarked.body == body


@UNHURRIED
@given(PLAYLISTS)
def test_who_may_see_nothing_gets_no_entry(watch, body: bytes) -> None:
    result = clipped(body, NOTHING)
    assert watch(result) == []
    assert result.startswith(body[:7])
    assert clipped(result, NOTHING) == result


JUNK = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"#EXTINF:" + b"9" * 5000 + b",",
            b"#EXTINF:99999.9,",
            b"#EXTINF:-1,",
            b"#EXTINF:6,",
            b"#EXTINF",
            b"#EXT-X-MEDIA-SEQUENCE:" + b"9" * 5000,
            b"#EXT-X-MEDIA-SEQUENCE:7",
            b"#EXT-X-DISCONTINUITY-SEQUENCE:-1",
            b"#EXT-X-DISCONTINUITY",
            b"#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:60+23:59",
            b"#EXT-X-PROGRAM-DATE-TIME:0000-00-00T00:00:00Z",
            b"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z",
            b"#EXT-X-PROGRAM-DATE-TIME:2025-01-01T00:00:00.000Z",
            b"#EXT-X-BYTERANGE:9@" + b"9" * 5000,
            b"#EXT-X-BYTERANGE:1@2",
            b"#EXT-X-BYTERANGE:3",
            b"#EXT-X-KEY",
            b'#EXT-X-KEY:METHOD=AES-128,URI="k',
            b"#EXT-X-MAP:",
            b'#EXT-X-PART:DURATION=1,URI="p",BYTERANGE="1@0"',
            b'#EXT-X-PART:DURATION=1,URI="p",BYTERANGE="1"',
            b'#EXT-X-PART:DURATION=x,URI="p",BYTERANGE="x"',
            b'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p",BYTERANGE-START=x',
            b"#EXT-X-SKIP:SKIPPED-SEGMENTS=x",
            b"#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
            b"#EXT-X-DATERANGE:ID=1",
            b'#EXT-X-DATERANGE:ID="1",START-DATE="2026-01-01T00:00:00Z",DURATION=1',
            b"#EXT-X-START:TIME-OFFSET=x",
            b"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES",
            b"#EXT-X-ENDLIST",
            b"#EXT-X-STREAM-INF:BANDWIDTH=1",
            *(b"a.ts", b"b.ts\x00", b"\x00", b"\r", b"\xef\xbb\xbf#EXTM3U", b"  #EXTINF:1,"),
        ]
    ),
)


@settings(UNHURRIED, max_examples=300)
@given(
    st.sampled_from([b"#EXTM3U\n", b"\xef\xbb\xbf#EXTM3U\r\n", b"#EXTM3U", b"<html>", b""]),
    st.lists(st.tuples(JUNK, st.sampled_from([b"\n", b"\r\n", b"\r", b""])), max_size=20),
    ALLOWED,
    st.booleans(),
)
def test_broken_playlists_are_clipped_or_refused(
    head: bytes, lines: list[tuple[bytes, bytes]], allowed: Allowed, live: bool
) -> None:
    body = head + b"".join(text + end for text, end in lines)
    whole = read_playlist(body, now_ms=T0 if live else None)
    assert b"".join(whole.read.lines) == (body if whole.form is not Form.NONE else b"")
    try:
        result = clip(whole, allowed)
    except PlaylistError:
        return
    if result is Incomplete.DELTA:
        return
    assert isinstance(result, Clipped)
    if whole.form is not Form.MEDIA:
        assert result.body == body
        return
    again = read_playlist(result.body)
    assert again.entries == result.kept
    timeline = again.timeline
    assert all(allowed.keeps(timeline.span(index)) for index in range(again.entries))
    assert clip(again, allowed) in (Clipped(result.body, result.kept, result.kept), Incomplete.DELTA)


def test_what_a_playlist_says_of_itself() -> None:
    body = b"#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXTINF:6,\na.ts\n"
    growing = read_playlist(body + b"#EXT-X-DISCONTINUITY\n#EXTINF:6,\nb.ts\n")
    assert (growing.ended, growing.held) == (False, Span(T0, T0 + 6_000))
    assert read_playlist(body + b"#EXT-X-ENDLIST\n").ended
    assert read_playlist(b"#EXTM3U\n#EXTINF:6,\na.ts\n").held is None
