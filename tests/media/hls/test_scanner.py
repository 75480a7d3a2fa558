"""Playlists under a session link: URIs that would lead out are brought in, every other byte stays."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.media.hls.rebase import Rebase, rebase_under
from gate.media.hls.scanner import LONGEST_LINE, LongLineError, Scanner

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PREFIX = b"/_s/TICKET"
HOSTS = frozenset({b"http://origin:9000", b"https://gate.example"})
UNDER = rebase_under(PREFIX, HOSTS, b"")
M3U = b"#EXTM3U\n"


def scan(*chunks: bytes, rebase: Rebase = UNDER) -> bytes:
    scanner = Scanner(rebase)
    return b"".join([*map(scanner.feed, chunks), scanner.end()])


def line(text: bytes, rebase: Rebase = UNDER) -> bytes:
    """One line as it comes out of a playlist."""
    return scan(M3U + text + b"\n", rebase=rebase).removeprefix(M3U).removesuffix(b"\n")


# --- every place with a URI ---------------------------------------------------------------------------------

PLACES = {
    "a variant or a segment": b"%s",
    "EXT-X-MAP": b'#EXT-X-MAP:URI="%s",BYTERANGE="100@0"',
    "EXT-X-KEY": b'#EXT-X-KEY:METHOD=AES-128,URI="%s",IV=0x1,KEYFORMAT="identity"',
    "EXT-X-SESSION-KEY": b'#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="%s"',
    "EXT-X-MEDIA": b'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x, y",DEFAULT=YES,URI="%s"',
    "EXT-X-I-FRAME-STREAM-INF": b'#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="%s",CODECS="avc1"',
    "EXT-X-IMAGE-STREAM-INF": b'#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x1,URI="%s"',
    "EXT-X-PART": b'#EXT-X-PART:DURATION=0.3,URI="%s",INDEPENDENT=YES',
    "EXT-X-PRELOAD-HINT": b'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="%s"',
    "EXT-X-RENDITION-REPORT": b'#EXT-X-RENDITION-REPORT:URI="%s",LAST-MSN=1',
    "EXT-X-SESSION-DATA": b'#EXT-X-SESSION-DATA:DATA-ID="com.example",URI="%s",FORMAT=RAW',
    "EXT-X-CONTENT-STEERING": b'#EXT-X-CONTENT-STEERING:SERVER-URI="%s",PATHWAY-ID="a"',
    "EXT-X-DATERANGE, one asset": b'#EXT-X-DATERANGE:ID="a",CLASS="a",X-ASSET-URI="%s"',
    "EXT-X-DATERANGE, a list": b'#EXT-X-DATERANGE:ID="a",X-ASSET-LIST="%s",X-RESUME-OFFSET=0',
    "a tag that nobody knows": b'#EXT-X-TOMORROW:A=1,URI="%s"',
    "after white space": b'#EXT-X-MAP: URI="%s"',
    "between white space": b'#EXT-X-KEY:METHOD=AES-128 , URI="%s"',
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["LF", "CRLF", "no line ending"])
def test_every_place_with_a_uri(place: bytes, end: bytes) -> None:
    for uri, rebased in [
        (b"/cam1/a.ts?x=1&y=/z", b"/_s/TICKET/cam1/a.ts?x=1&y=/z"),
        (b"http://origin:9000/cam1/a.ts", b"/_s/TICKET/cam1/a.ts"),
        (b"a.ts", b"a.ts"),
    ]:
        assert scan(M3U + place % uri + end) == M3U + place % rebased + end


def test_a_tag_may_hold_several_uris() -> None:
    text = b'#EXT-X-DATERANGE:X-ASSET-LIST="%s/l",ID="/i",URI="%s/u",X-ASSET-URI="a"'
    assert line(text % (b"", b"")) == text % (PREFIX, PREFIX)


@pytest.mark.parametrize(
    "text",
    [
        b'#EXT-X-MEDIA:NAME="/not/a/uri",GROUP-ID="/a",LANGUAGE="/b"',
        b'#EXT-X-DEFINE:NAME="path",VALUE="/cam1"',
        b'#EXT-X-DEFINE:QUERYPARAM="token"',
        b'#EXT-X-DATERANGE:ID="a",X-COM-EXAMPLE-AD-URI="/x"',
        b'#EXT-X-DATERANGE:ID="a",MYURI="/x",X-URI="/x"',
        b'#EXT-X-SESSION-DATA:DATA-ID="a",VALUE="see URI=",LANGUAGE="/x"',
        b'#EXT-X-SESSION-DATA:DATA-ID="a",VALUE="x,URI=",LANGUAGE="/x"',
        b'#EXT-X-MAP:uri="/x"',
        b"#EXT-X-MAP:URI=/x",
        b'#EXT-X-MAP:URI="/x',
        b'#EXT-X-KEY:METHOD=NONE,URI=""',
        b'# a comment: URI="/x"',
        b'#:URI="/x"',
        b"#/x",
        b"#EXTINF:6.0,/a title",
        b"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000+01:00",
        b"",
        b"  \t",
        b"\r",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_uri_stays(text: bytes) -> None:
    assert line(text) == text


def test_white_space_around_a_uri_stays() -> None:
    assert line(b" \t/a.ts \r") == b" \t/_s/TICKET/a.ts \r"


# --- bytes --------------------------------------------------------------------------------------------------

PLAYLIST = (
    b"\xef\xbb\xbf#EXTM3U\r\n#EXT-X-VERSION:9\r\n\r\n# a comment\n"
    b'#EXT-X-DEFINE:NAME="a",VALUE="/x"\n#EXT-X-KEY:METHOD=NONE\n'
    b'#EXT-X-MAP:BYTERANGE="1@0",URI="init.mp4"  \n'
    b'#EXTINF:6.000,\xd0\xba\n  seg-1.ts\t\r\n#EXT-X-NEW-TAG:x=1,  Y="/z"\n#EXTINF:6,\nhttps://cdn.example/2.ts'
)


def test_a_playlist_that_leads_nowhere_else_stays_byte_for_byte() -> None:
    assert scan(PLAYLIST) == PLAYLIST
    for at in range(len(PLAYLIST) + 1):
        assert scan(PLAYLIST[:at], PLAYLIST[at:]) == PLAYLIST
    assert scan(*(PLAYLIST[at : at + 1] for at in range(len(PLAYLIST)))) == PLAYLIST


def test_a_byte_order_mark_may_be_cut_in_two() -> None:
    text = b"\xef\xbb\xbf#EXTM3U\n/x\n"
    for at in range(len(text)):
        assert scan(text[:at], text[at:]) == b"\xef\xbb\xbf#EXTM3U\n/_s/TICKET/x\n"


def test_the_first_line_is_no_uri() -> None:
    assert (
        scan(b"\xef\xbb\xbf#EXTM3U\nx\n", rebase=lambda uri: b"<" + uri + b">") == b"\xef\xbb\xbf#EXTM3U\n<x>\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE html>\n<a href="/x">\n/x\nhttp://origin:9000/x\n',
        b"",
        b"\n",
        b"\n#EXTM3U\n/x\n",
        b" #EXTM3U\n/x\n",
        b"#EXTINF:1,\n/x\n",
        b"#EXTM3\n/x\n",
        b"#EXTM3",
        b"#EXTM3U",
        b"\xef",
        b"\xef\xbb",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf/x\n",
        b"\xef\xbb\xbf\xef\xbb\xbf#EXTM3U\n/x\n",
        b"\xef\xbb\xbf#EXTM3U",
        b"\xfe\xff\x00#\x00E",
        b"/x\n" * 100,
        b"\x1f\x8b\x08" + b"x" * 100_000,
    ],
)
def test_what_is_no_playlist_passes_untouched(body: bytes) -> None:
    assert scan(body) == body
    assert scan(body[:1], body[1:3], body[3:]) == body


@pytest.mark.parametrize("size", [1000, LONGEST_LINE, 10 * LONGEST_LINE], ids="chunks of {}".format)
@pytest.mark.parametrize("end", [b"", b"\n", b"\n#EXT-X-ENDLIST\n"])
def test_a_line_too_long_is_refused_however_it_comes(size: int, end: bytes) -> None:
    def chunks(length: int) -> list[bytes]:
        text = M3U + b"x" * length + end
        return [text[at : at + size] for at in range(0, len(text), size)]

    assert scan(*chunks(LONGEST_LINE)) == b"".join(chunks(LONGEST_LINE))
    with pytest.raises(LongLineError):
        scan(*chunks(LONGEST_LINE + 1))


LINES = st.one_of(
    st.sampled_from(
        [
            place % uri
            for place in PLACES.values()
            for uri in (b"a.ts", b"/a.ts", b"http://origin:9000/a", b"skd://k")
        ]
        + [b"#EXTM3U", b"#EXT-X-ENDLIST", b"", b" ", b"#", b"\xef\xbb\xbf"]
    ),
    st.binary(max_size=30),
)
BODIES = st.tuples(
    st.sampled_from([b"#EXTM3U\n", b"\xef\xbb\xbf#EXTM3U\r\n", b"#EXTM3U #\n", b"<html>\n", b""]),
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n"])), max_size=12),
    LINES,
).map(lambda body: body[0] + b"".join(text + end for text, end in body[1]) + body[2])


@UNHURRIED
@given(BODIES, st.lists(st.integers(0, 400), max_size=12))
def test_chunks_make_no_difference(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(edges)]
    assert scan(*chunks) == scan(body)


@UNHURRIED
@given(BODIES, st.lists(st.integers(0, 400), max_size=12))
def test_nothing_changes_where_no_uri_does(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(edges)]
    assert scan(*chunks, rebase=lambda uri: uri) == body


@UNHURRIED
@given(BODIES)
def test_a_second_pass_changes_nothing(body: bytes) -> None:
    assert scan(scan(body)) == scan(body)
