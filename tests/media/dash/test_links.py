"""Every URI of an MPD is brought under the session link, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from gate.core.allowed import Allowed
from gate.core.windows import Span, Windows
from gate.media.dash import Links, MpdError, Presentation, Untimed, clip, read_mpd, rewrite
from gate.media.dash.facts import Facts
from gate.media.hls import rebase_under

Build = Callable[..., Presentation]
LINK = "/_s/ticket"
REBASE = rebase_under(LINK.encode(), frozenset({b"http://origin", b"https://gate"}), b"/base")

# Every place with a URI: with an own one, which is to be brought under the link, in the place of the braces.
PLACES = [
    "<BaseURL>{}</BaseURL>",
    "<Location> {} </Location>",
    "<PatchLocation ttl='9'>{}</PatchLocation>",
    "<ContentSteering proxyServerURL='{}'>{}</ContentSteering>",
    "<UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='{} {}'/>",
    "<InitializationSet initialization='{}'/>",
    "<Period xlink:href='{}' xmlns:xlink='http://www.w3.org/1999/xlink'/>",
    "<Period><BaseURL serviceLocation='a'>{}</BaseURL></Period>",
    "<Period><SegmentTemplate media='{}' initialization='{}' index='{}' bitstreamSwitching='{}'/></Period>",
    "<Period><AdaptationSet><BaseURL>{}</BaseURL><Representation><BaseURL>{}</BaseURL></Representation>"
    "</AdaptationSet></Period>",
    "<Period><SegmentList><SegmentURL media='{}' index='{}'/></SegmentList></Period>",
    "<SegmentBase><Initialization sourceURL='{}'/><RepresentationIndex sourceURL='{}'/></SegmentBase>",
    "<Period><SegmentList><BitstreamSwitching sourceURL='{}'/></SegmentList></Period>",
    "<x:Period xmlns:x='u'><x:BaseURL>{}</x:BaseURL></x:Period>",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("uri", "handed"),
    [
        ("/base/a/$Number$.m4s?b=1&amp;c=2", f"{LINK}/a/$Number$.m4s?b=1&amp;c=2"),
        ("http://origin/base/a/", f"{LINK}/a/"),
        ("HTTPS://gate:443/a", f"{LINK}/a"),
        ("//origin/base/a", f"{LINK}/a"),
        ("a/$Time$.m4s?b=1&amp;c=2", None),
        ("../a", None),
        ("https://other/a?b&amp;c", None),
        ("//other/a", None),
        ("urn:a:b", None),
        ("data:,a//b", None),
        ("", None),
    ],
)
def test_every_place(mpd: Build, place: str, uri: str, handed: str | None) -> None:
    presentation = mpd(f"<Period/>{place.replace('{}', uri)}", 'availabilityStartTime="-"')
    rewritten = rewrite(presentation, Links(REBASE))
    if handed is None:
        assert rewritten is presentation.body
    else:
        assert rewritten == presentation.body.replace(uri.encode(), handed.encode())


@pytest.mark.parametrize("base", ["http://other/", "//other/", "\\\\other/", "http:other/"])
def test_nothing_of_ours_is_told_to_other_hosts(mpd: Build, base: str) -> None:
    """Resolved against another host's URL, a path under the link would carry the ticket there."""
    content = (
        f"<Location>/base/a</Location><BaseURL>{base}</BaseURL><BaseURL>b/</BaseURL>"
        "<UTCTiming value='/base/c'/><Period><BaseURL>/base/d/</BaseURL>"
        "<BaseURL>http://origin/base/e/</BaseURL><SegmentTemplate media='/base/f'/></Period>"
    )
    presentation = mpd(content, 'availabilityStartTime="-"')
    assert rewrite(presentation, Links(REBASE)) == presentation.body.replace(b"/base/a", f"{LINK}/a".encode())


def test_what_is_no_uri_of_ours(mpd: Build) -> None:
    presentation = mpd(
        "<Period id='/base/a' x:href='urn:mpeg:dash:resolve-to-zero:2013' xmlns:x='/base/x'>/base/b</Period>"
        "<!-- <BaseURL>/base/c</BaseURL> --><ProgramInformation><Title>/base/d</Title></ProgramInformation>"
        "<BaseURL></BaseURL><BaseURL/>",
        'availabilityStartTime="-" xmlns="/base/e"',
    )
    assert rewrite(presentation, Links(REBASE)) is presentation.body


def test_a_text_in_pieces(mpd: Build) -> None:
    presentation = mpd(
        "<Period/><BaseURL><![CDATA[/base/a?b&]]>c<!-- d --></BaseURL>", 'availabilityStartTime="-"'
    )
    assert f"<BaseURL>{LINK}/a?b&amp;c</BaseURL>".encode() in rewrite(presentation, Links(REBASE))


def test_a_mapping_may_refuse(mpd: Build) -> None:
    class ForeignError(Exception):
        pass

    def rebase(uri: bytes) -> bytes:
        if b"//" in uri:
            raise ForeignError
        return uri

    with pytest.raises(ForeignError):
        rewrite(mpd("<Period/><Location>http://other/</Location>"), Links(rebase))
    rewrite(mpd("<Period/><Location>other</Location>"), Links(rebase))


def test_no_clock_no_seal(mpd: Build) -> None:
    content = '<SegmentTemplate duration="2" media="$Number$"/><Representation/>'
    links = Links(REBASE, LINK, "/cam/index.mpd", lambda facts: b"S", lambda uri, path, span, held: uri + b"?m")
    presentation = mpd(content, 'availabilityStartTime="-" mediaPresentationDuration="PT9S"')
    assert rewrite(presentation, links) is presentation.body
    presentation = mpd(content, 'mediaPresentationDuration="PT9S"')
    assert b'media="S/$Number$"' in rewrite(presentation, links)
    assert rewrite(presentation, Links(REBASE)) is presentation.body


def test_errors_are_the_mpds(mpd: Build) -> None:
    content = '<SegmentTemplate timescale="0" duration="2" media="$Number$"/><Representation/>'
    with pytest.raises(MpdError, match="timescale is 0"):
        rewrite(mpd(content), Links(REBASE, seal=lambda facts: b"S"))


def test_from_the_origin_to_the_player(mpd: Build) -> None:
    """All of it, as the gate does it: clipped, handed out under the link, and a segment asked for."""
    presentation = mpd(
        '<SegmentTemplate timescale="1000" media="$RepresentationID$/$Number$.m4s" initialization="i.mp4">'
        '<SegmentTimeline><S t="0" d="2000" r="4"/><S d="2500" r="9"/></SegmentTimeline></SegmentTemplate>'
        '<Representation id="v"/>',
        'mediaPresentationDuration="PT35S"',
    )
    epoch_ms = (presentation.epoch_us or 0) // 1000
    clipped = clip(presentation, Allowed(Windows.of([Span(epoch_ms + 9000, epoch_ms + 13000)])))
    assert isinstance(clipped, bytes)
    seals: dict[bytes, bytes] = {}

    def seal(facts: Facts) -> bytes:
        packed = facts.pack()
        seals[packed.hex().encode()] = packed
        return packed.hex().encode()

    handed = rewrite(read_mpd(clipped, now_ms=presentation.now_ms), Links(REBASE, LINK, "/cam/i.mpd", seal))
    own = ElementTree.fromstring(handed).find(".//Representation/SegmentTemplate")
    assert own is not None
    segment, _, name = own.attrib["media"].partition("/")
    assert name == "$RepresentationID$/$Number$.m4s"
    facts = Facts.unpack(seals[segment.encode()])
    assert facts is not None
    assert facts.find("/cam/v/5.m4s") == Span(epoch_ms + 8000, epoch_ms + 10000)
    assert facts.find("/cam/v/7.m4s") == Span(epoch_ms + 12500, epoch_ms + 15000)
    assert facts.find("/cam/i.mp4") is Untimed.INIT
    for other in ("/cam/v/4.m4s", "/cam/v/8.m4s", "/cam/w/5.m4s", "/cam/v/05.m4s", "/v/5.m4s"):
        assert facts.find(other) is None
