"""Marks: every URI that is handed out, with what is known of it."""

from __future__ import annotations

import pytest

from gate.core.allowed import EVERYTHING, Allowed
from gate.core.marks import ByteRange
from gate.core.windows import Span, Windows
from gate.media.hls import Clipped, Mark, Place, clip, read_playlist, rebase_under, rebasing

T0 = 1_767_225_600_000
Met = tuple[str, Span | None, ByteRange | None, Place]


def met(body: str, allowed: Allowed = EVERYTHING, now_ms: int | None = None) -> list[Met]:
    """What the mark is told of each URI, in the playlist's order."""
    found: list[Met] = []

    def mark(uri: bytes, span: Span | None, byterange: ByteRange | None, place: Place) -> bytes:
        found.append((uri.decode(), span, byterange, place))
        return uri

    clip(read_playlist(body.encode(), now_ms=now_ms), allowed, mark)
    return found


def marked(body: bytes, mark: Mark, allowed: Allowed = EVERYTHING) -> bytes:
    result = clip(read_playlist(body), allowed, mark)
    assert isinstance(result, Clipped)
    return result.body


def seconds(start: float, end: float) -> Span:
    return Span(T0 + round(start * 1000), T0 + round(end * 1000))


MEDIA = """#EXTM3U
#EXT-X-TARGETDURATION:6
#EXT-X-PART-INF:PART-TARGET=2.0
#EXT-X-KEY:METHOD=AES-128,URI="key"
#EXT-X-MAP:URI="map",BYTERANGE="100@7"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z
#EXTINF:6,
#EXT-X-BYTERANGE:50@0
all.ts
#EXT-X-PART:DURATION=1.5,URI="part0",BYTERANGE="10@0"
#EXT-X-PART:DURATION=2.0,URI="part0",BYTERANGE="20"
#EXTINF:6,
#EXT-X-BYTERANGE:60
all.ts
#EXT-X-PART:DURATION=2.0,URI="part1"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part1",BYTERANGE-START=30
#EXT-X-PRELOAD-HINT:TYPE=MAP,URI="map2",BYTERANGE-LENGTH=40
#EXT-X-RENDITION-REPORT:URI="../b/index.m3u8",LAST-MSN=1
#EXT-X-DATERANGE:ID="i",START-DATE="2026-01-01T00:00:00Z",X-ASSET-LIST="list",X-ASSET-URI="asset"
"""


def test_media_playlists() -> None:
    assert met(MEDIA) == [
        ("key", None, None, Place.KEY),
        ("map", None, ByteRange(7, 100), Place.MAP),
        ("all.ts", seconds(0, 6), ByteRange(0, 50), Place.SEGMENT),
        ("part0", seconds(6, 8), ByteRange(0, 10), Place.PART),
        ("part0", seconds(7.5, 9.5), ByteRange(10, 20), Place.PART),
        ("all.ts", seconds(6, 12), ByteRange(50, 60), Place.SEGMENT),
        ("part1", seconds(12, 14), None, Place.PART),
        ("part1", seconds(14, 16), ByteRange(30, None), Place.HINT),
        ("map2", seconds(14, 16), ByteRange(0, 40), Place.HINT),
        ("../b/index.m3u8", None, None, Place.PLAYLIST),
        ("list", None, None, Place.OTHER),
        ("asset", None, None, Place.OTHER),
    ]


def test_only_what_is_left_is_marked() -> None:
    uris = [uri for uri, *_ in met(MEDIA, Allowed(Windows.of([seconds(0, 6)])))]
    assert uris == ["key", "map", "all.ts", "list", "asset"]
    # What is put in before the first entry is marked as well.
    uris = [uri for uri, *_ in met(MEDIA, Allowed(Windows.of([seconds(6, 99)])))]
    assert sorted({"key", "map", *uris}) == sorted(set(uris))


def test_a_part_and_the_hint_at_it_are_told_apart_by_nothing_but_their_place() -> None:
    hint = next(one for one in met(MEDIA) if one[3] is Place.HINT)
    later = MEDIA.replace(
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part1",BYTERANGE-START=30',
        '#EXT-X-PART:DURATION=1.9,URI="part1"',
    )
    part = [one for one in met(later) if one[3] is Place.PART][-1]
    assert part[:2] == hint[:2]


def test_a_time_that_is_assumed_is_not_told() -> None:
    undated = MEDIA.replace("#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n", "")
    assert {span for _, span, *_ in met(undated, now_ms=T0)} == {None}
    assert {span for _, span, *_ in met(undated)} == {None}
    # Without a part target a part is as long as it is.
    parts = met(MEDIA.replace("#EXT-X-PART-INF:PART-TARGET=2.0\n", ""))
    assert next(span for _, span, _, place in parts if place is Place.PART) == seconds(6, 7.5)


MASTER = """#EXTM3U
#EXT-X-SESSION-DATA:DATA-ID="d",URI="data.json"
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="session-key"
#EXT-X-CONTENT-STEERING:SERVER-URI="steer"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="n",URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1
video.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="iframes.m3u8"
#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,URI="images.m3u8"
#EXT-X-TOMORROW:URI="new"
"""


def test_master_playlists_are_marked_and_never_clipped() -> None:
    places = {uri: place for uri, _, _, place in met(MASTER, Allowed(Windows(())))}
    assert places == {
        "data.json": Place.OTHER,
        "session-key": Place.KEY,
        "steer": Place.OTHER,
        "audio.m3u8": Place.PLAYLIST,
        "video.m3u8": Place.PLAYLIST,
        "iframes.m3u8": Place.PLAYLIST,
        "images.m3u8": Place.PLAYLIST,
        "new": Place.OTHER,
    }
    assert marked(MASTER.encode(), lambda uri, *_: b"<" + uri + b">").count(b"<") == 8


@pytest.mark.parametrize("uri", ["skd://key", "SKD:key", "data:text/plain,x", "urn:uuid:1", ""])
def test_what_no_gate_serves_is_not_touched(uri: str) -> None:
    body = f'#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{uri}"\n#EXTINF:6,\n{uri}\n'
    assert marked(body.encode(), lambda uri, *_: b"touched") == body.encode()


def each_its_own(uri: bytes, span: Span | None, byterange: ByteRange | None, place: Place) -> bytes:
    """A mark as a gate makes it: over the range."""
    return uri if byterange is None else b"%b?m=%d" % (uri, byterange.offset)


ONE_FILE = """#EXTM3U
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z
#EXTINF:6,
#EXT-X-BYTERANGE:50@7
all.ts
#EXTINF:6,
#EXT-X-BYTERANGE: 60
all.ts
#EXT-X-BYTERANGE:60
#EXTINF:6,
all.ts
#EXT-X-PART:DURATION=2.0,URI="p?BYTERANGE=1",BYTERANGE="10@3"
#EXT-X-PART:BYTERANGE="20",DURATION=2.0,URI="p?BYTERANGE=1"
#EXT-X-PART:DURATION=2.0,URI="p?BYTERANGE=1",BYTERANGE=20
#EXT-X-PART:DURATION=2.0,URI="q"
"""


def test_ranges_of_one_resource_say_where_once_it_has_many_names() -> None:
    # A range without an offset begins where the one before it ends, if both are of one resource.
    assert marked(ONE_FILE.encode(), each_its_own).decode() == (
        """#EXTM3U
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z
#EXTINF:6,
#EXT-X-BYTERANGE:50@7
all.ts?m=7
#EXTINF:6,
#EXT-X-BYTERANGE: 60@57
all.ts?m=57
#EXT-X-BYTERANGE:60@117
#EXTINF:6,
all.ts?m=117
#EXT-X-PART:DURATION=2.0,URI="p?BYTERANGE=1?m=3",BYTERANGE="10@3"
#EXT-X-PART:BYTERANGE="20@13",DURATION=2.0,URI="p?BYTERANGE=1?m=13"
#EXT-X-PART:DURATION=2.0,URI="p?BYTERANGE=1?m=33",BYTERANGE=20@33
#EXT-X-PART:DURATION=2.0,URI="q"
"""
    )
    assert marked(ONE_FILE.encode(), lambda uri, *_: uri) == ONE_FILE.encode()


def test_either_name_may_be_the_one_that_changes() -> None:
    def first(uri: bytes, span: Span | None, byterange: ByteRange | None, place: Place) -> bytes:
        return uri + b"?1" if byterange is not None and byterange.offset in (7, 3) else uri

    left = marked(ONE_FILE.encode(), first).decode()
    assert [line for line in left.splitlines() if "BYTERANGE:" in line or "PART" in line] == [
        *("#EXT-X-BYTERANGE:50@7", "#EXT-X-BYTERANGE: 60@57", "#EXT-X-BYTERANGE:60"),
        '#EXT-X-PART:DURATION=2.0,URI="p?BYTERANGE=1?1",BYTERANGE="10@3"',
        '#EXT-X-PART:BYTERANGE="20@13",DURATION=2.0,URI="p?BYTERANGE=1"',
        *('#EXT-X-PART:DURATION=2.0,URI="p?BYTERANGE=1",BYTERANGE=20', '#EXT-X-PART:DURATION=2.0,URI="q"'),
    ]


def test_ranges_that_were_cut_and_marked_say_where_once() -> None:
    left = marked(ONE_FILE.encode(), each_its_own, Allowed(Windows.of([seconds(6, 99)]))).decode()
    assert [line for line in left.splitlines() if line.startswith("#EXT-X-BYTERANGE")] == [
        *("#EXT-X-BYTERANGE: 60@57", "#EXT-X-BYTERANGE:60@117"),
    ]
    left = marked(
        ONE_FILE.encode(), each_its_own, Allowed(Windows.of([seconds(0, 6), seconds(12, 18)]))
    ).decode()
    assert [line for line in left.splitlines() if line.startswith("#EXT-X-BYTERANGE")] == [
        *("#EXT-X-BYTERANGE:50@7", "#EXT-X-BYTERANGE:60@117"),
    ]


def test_lines_of_a_master_playlist_that_no_gate_serves() -> None:
    body = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\ndata:,x\n\n"
    assert marked(body, lambda uri, *_: b"touched") == body


def test_a_uri_with_quotes_is_a_uri() -> None:
    body = b'#EXTM3U\n#EXT-X-MAP:URI="k"\n#EXTINF:6,\nx?URI="y"\n#EXTINF:6,\nz\n#EXT-X-NEW:URI="n"\n'
    assert marked(body, lambda uri, *_: b"<" + uri + b">") == (
        b'#EXTM3U\n#EXT-X-MAP:URI="<k>"\n#EXTINF:6,\n<x?URI="y">\n#EXTINF:6,\n<z>\n#EXT-X-NEW:URI="<n>"\n'
    )


def test_what_is_no_uri_is_not_touched() -> None:
    body = b'#EXTM3U\n#EXT-X-DEFINE:NAME="a",VALUE="/b"\n# URI="/x"\n#EXTINF:6,URI="/x"\n \t{$a}/x.ts \r\n\n'
    body = body.replace(b',URI="/x"', b",")
    assert marked(body, lambda uri, *_: uri) == body
    assert marked(body, lambda uri, *_: uri + b"?m=1") == body.replace(b"x.ts", b"x.ts?m=1")


def test_uris_are_brought_under_the_link() -> None:
    under = rebasing(rebase_under(b"/_s/T", frozenset({b"http://origin"}), b""))
    body = b'#EXTM3U\n#EXT-X-MAP:URI="/i"\n#EXTINF:6,\nhttp://origin/a.ts\n#EXTINF:6,\nb.ts\n'
    assert marked(body, under) == (
        b'#EXTM3U\n#EXT-X-MAP:URI="/_s/T/i"\n#EXTINF:6,\n/_s/T/a.ts\n#EXTINF:6,\nb.ts\n'
    )


def test_an_error_page_is_not_touched() -> None:
    body = b'<a href="/x">\n/x\n'
    assert marked(body, lambda uri, *_: b"touched") == body
