"""XML is read with every place in its bytes; what is dangerous, or no MPD, is refused."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.media.dash import markup
from gate.media.dash.markup import (
    DEEPEST,
    LARGEST_BODY,
    MOST_ATTRIBUTES,
    Document,
    Element,
    MpdError,
    read,
    unescape,
)


def refusal(body: bytes) -> MpdError:
    with pytest.raises(MpdError) as caught:
        read(body)
    return caught.value


def text_of(document: Document, element: Element) -> bytes:
    return document.body[element.start : element.end]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"hello",
        b"#EXTM3U",
        b"<html><body/></html>",
        b"<!-- never ends",
        b"\xef\xbb\xbf",
        b"<Mpd/>",
        b"</MPD>",
        b"<!ENTITY a 'b'><MPD/>",
    ],
)
def test_no_mpd(body: bytes) -> None:
    error = refusal(body)
    assert error.foreign
    assert str(error) == "not an MPD"


@pytest.mark.parametrize(
    "begin", [b"<!DOCTYPE html>", b"<!DOCTYPE HTML PUBLIC>", b"<!doctype HTML>\n", b"<!-- -->\n<!doctype MPD>"]
)
def test_an_html_page(begin: bytes) -> None:
    error = refusal(begin + b"<html></html>")
    assert error.foreign
    assert str(error) == "not an MPD: an HTML page"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE MPD><MPD/>", "has a DTD"),
        (b'<?xml version="1.0"?> <!DOCTYPE MPD [<!ENTITY a "b">]><MPD>&a;</MPD>', "has a DTD"),
        (b"<!-- --><!DOCTYPE MPD SYSTEM 'file:///etc/passwd'><MPD/>", "has a DTD"),
        (b"<!DOCTYPE><MPD/>", "line 1: not well-formed (invalid token)"),
        (b"<MPD>&a;</MPD>", "line 1: undefined entity"),
        (b"<?xml-stylesheet href='a'?><MPD/>", "has a processing instruction"),
        (b"<MPD>\n<?php echo 1 ?></MPD>", "has a processing instruction"),
        (b"<MPD/><?a?>", "has a processing instruction"),
        ("<MPD/>".encode("utf-16"), "not in UTF-8"),
        ("<MPD/>".encode("utf-16-le"), "not in UTF-8"),
        ("<MPD/>".encode("utf-16-be"), "not in UTF-8"),
        ("<MPD/>".encode("utf-32-be"), "not in UTF-8"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><MPD/>', "not in UTF-8"),
        (b"<MPD a='\xff'/>", "line 1: not well-formed (invalid token)"),
        (b"<MPD>\n<Period></MPD>", "line 2: mismatched tag"),
        (b"<MPD><Period>", "line 1: no element found"),
        (b"<MPD/><MPD/>", "line 1: junk after document element"),
        (b"<MPD a='1' a='2'/>", "line 1: duplicate attribute"),
        (b"<MPD>" + b"<a>" * DEEPEST + b"</a>" * DEEPEST + b"</MPD>", "too deep, or too many attributes"),
        (
            b"<MPD %s/>" % b" ".join(b"a%d=''" % at for at in range(MOST_ATTRIBUTES + 1)),
            "too deep, or too many attributes",
        ),
        (b"<MPD>" + b" " * LARGEST_BODY + b"</MPD>", f"longer than {LARGEST_BODY} bytes"),
    ],
)
def test_refused(body: bytes, reason: str) -> None:
    error = refusal(body)
    assert str(error) == reason
    assert not error.foreign


def test_too_many_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MOST_ELEMENTS", 10)
    body = b"<MPD><SegmentTimeline>%b</SegmentTimeline>%b</MPD>"
    # Entries in the plain spelling are no elements.
    read(body % (b'<S d="1"/>' * 100, b"<a/>" * 8))
    assert str(refusal(body % (b"", b"<a/>" * 9))) == "too many elements"


@pytest.mark.parametrize(
    "body",
    [
        b"<MPD/>",
        b"\xef\xbb\xbf<MPD/>",
        b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<!-- a --><MPD></MPD>\n<!-- b -->',
        b'<?xml version="1.0" encoding="US-ASCII"?><mpd:MPD xmlns:mpd="urn:x"/>',
    ],
)
def test_an_mpd(body: bytes) -> None:
    document = read(body)
    assert document.body is body
    assert document.root.name == "MPD"


def test_hostile_sizes_take_no_time() -> None:
    for body in (b"<MPD" + b" a" * 10**6, b"<!--" * 10**5, b"<" * 10**6, b"<MPD>" + b"<S" * 10**5):
        refusal(body)
    refusal(b"<MPD><SegmentTimeline>" + b'<S t="1" d="1"/>' * 10**4)
    refusal(b"<MPD>" + b"<SegmentTimeline>" * 10**4)
    refusal(b"<MPD>" + b"<SegmentTimeline " * 10**4)
    refusal(b"<MPD>" + b"<SegmentTimeline><S " * 10**4)


def test_places() -> None:
    document = read(
        b"<MPD>\n <Period id = \"a>b\" start='PT0S' ><!-- <Period/> --><AdaptationSet/>"
        b"<AdaptationSet></AdaptationSet >\n</Period>"
        b"<x:BaseURL xmlns:x='u'> a/&amp;b <!-- -->  </x:BaseURL></MPD>"
    )
    period, base = document.root.children
    one, other = period.all("AdaptationSet")
    assert text_of(document, one) == b"<AdaptationSet/>"
    assert text_of(document, other) == b"<AdaptationSet></AdaptationSet >"
    assert document.body[period.start : document.opened(period)] == b"<Period id = \"a>b\" start='PT0S' >"
    assert document.content(base) == (document.opened(base) + 1, base.close - 2)
    assert document.content(one) == (one.end, one.end)
    assert document.content(other) == (other.close, other.close)
    assert period.first("AdaptationSet") is one
    assert period.first("Nothing") is None
    assert one.parent is period
    place = document.attribute(period, "start")
    assert place is not None
    assert document.body[place[0] : place[1]] == b" start='"
    assert document.body[place[1] : place[2]] == b"PT0S"
    assert document.attribute(period, "duration") is None
    empty = read(b"<MPD a='' b=\"\"/>")
    assert empty.attribute(empty.root, "b") == (9, 13, 13)


@pytest.mark.parametrize(
    ("timeline", "plain", "even"),
    [
        ('<SegmentTimeline><S t="10" d="1"/><S t="11" d="1" r="2" /></SegmentTimeline>', True, True),
        ('<SegmentTimeline>\n<S t="9" d="1"/>\n<S t="10" d="1"/>\n</SegmentTimeline>', True, False),
        ('<x:SegmentTimeline a="b"><S d="1"/><S d="2" r="-1"/></x:SegmentTimeline>', True, False),
        ("<SegmentTimeline><S t='10' d='1'/></SegmentTimeline>", False, False),
        ('<SegmentTimeline><S d="1"/><!-- --><S d="1"/></SegmentTimeline>', False, False),
        ('<SegmentTimeline><S d="1"></S></SegmentTimeline>', False, False),
        ("<SegmentTimeline/>", False, False),
        ("<SegmentTimeline></SegmentTimeline>", False, False),
    ],
)
def test_timelines(timeline: str, plain: bool, even: bool) -> None:
    comment = timeline.replace("-->", "").replace("<!--", "")
    body = f'<MPD xmlns:x="u"><a>{timeline}<b/></a><!-- {comment} --></MPD>'
    document = read(body.encode())
    found, after = document.root.children[0].children
    assert (found.plain, found.even) == (plain, even)
    assert text_of(document, found) == timeline.encode()
    assert text_of(document, after) == b"<b/>"
    assert bool(found.children) == ("<S" in timeline.replace("<Seg", "") and not plain)


def test_a_timeline_in_a_timeline() -> None:
    inner = b'<SegmentTimeline><S d="1"/></SegmentTimeline>'
    document = read(b"<MPD><SegmentTimeline>" + inner + b"</SegmentTimeline></MPD>")
    outer = document.root.children[0]
    assert not outer.plain
    assert outer.children[0].plain
    assert text_of(document, outer.children[0]) == inner


NAMES = st.sampled_from(["a", "x:b", "SegmentTimeline", "S"])
GAPS = st.sampled_from(["", " ", "\n", "<!-- > -->", "text&amp;"])


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    name, space = draw(NAMES), draw(st.sampled_from(["", " ", "\n"]))
    said = draw(st.lists(st.sampled_from(['t="1"', "d='2'", 'c = "a>b"', 'e=""']), unique=True, max_size=3))
    tag = " ".join([name, *said]) + space
    if depth > 3 or draw(st.booleans()):
        return f"<{tag}/>"
    inner = "".join(draw(GAPS) + child for child in draw(st.lists(elements(depth + 1), max_size=3)))
    return f"<{tag}>{inner}{draw(GAPS)}</{name}{space}>"


@settings(max_examples=60, deadline=None)
@given(st.lists(elements(), max_size=4))
def test_every_element_has_its_place(inner: list[str]) -> None:
    body = f'<MPD xmlns:x="u">{"".join(inner)}</MPD>'.encode()
    document = read(body)
    hidden = sum(body[one.start : one.end].count(b"<S ") for one in document.root.walk() if one.plain)
    assert len(list(document.root.walk())) + hidden == len(list(ElementTree.fromstring(body).iter()))
    for element in document.root.walk():
        text = body[element.start : element.end].decode()
        again = ElementTree.fromstring(text.replace("x:", ""))
        assert again.tag == element.name
        assert {name for name in element.attributes if name != "xmlns:x"} == again.attrib.keys() - {"xmlns:x"}
        assert body[element.close : element.end] in (b"", text[element.close - element.start :].encode())
        assert all(one.end <= other.start for one, other in pairwise(element.children))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a", b"a"),
        (b"a&amp;b&lt;&gt;&quot;&apos;", b"a&b<>\"'"),
        (b"&#65;&#x42;&#xe9;", "ABé".encode()),
        (b"a<!-- b --><![CDATA[<c>&amp;]]>&amp;<d/>", b"a<c>&amp;&"),
        (b"&other;", b"&other;"),
    ],
)
def test_unescape(raw: bytes, text: bytes) -> None:
    assert unescape(raw) == text
