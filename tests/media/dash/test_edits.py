"""Edits change what they name, and not a byte more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.media.dash.edits import Edits, escape
from gate.media.dash.markup import Document, Element, read, unescape

BODY = b"<MPD a='1'  b = \"2\">\n  <x:p xmlns:x='u' c=''/>\n\t<q></q><r>text</r></MPD>"


@pytest.fixture
def document() -> Document:
    return read(BODY)


@pytest.fixture
def edits(document: Document) -> Edits:
    return Edits(document)


def child(document: Document, at: int) -> Element:
    return document.root.children[at]


def test_nothing(edits: Edits) -> None:
    assert not edits
    assert edits.render() == BODY


def test_attributes(document: Document, edits: Edits) -> None:
    edits.put(document.root, "a", "it's <&>")
    edits.put(document.root, "b", 3)
    edits.put(document.root, "n", b'"new"')
    edits.put(child(document, 0), "c", "d")
    edits.remove(document.root, "b", "none")
    edits.put(document.root, "b", 4)
    edits.put(child(document, 1), "z", 1)
    edits.put(child(document, 1), "y", 2)
    assert edits
    assert edits.render() == (
        b"<MPD n=\"&quot;new&quot;\" a='it&apos;s &lt;&amp;&gt;'>\n"
        b"  <x:p xmlns:x='u' c='d'/>\n\t<q y=\"2\" z=\"1\"></q><r>text</r></MPD>"
    )


def test_elements(document: Document, edits: Edits) -> None:
    edits.put(child(document, 1), "lost", 1)
    edits.drop(child(document, 1))
    edits.append(child(document, 0), b"<one/>")
    edits.append(child(document, 0), b"<two/>")
    edits.append(child(document, 2), b"<three/>")
    edits.append(child(document, 2), b"<four/>")
    edits.append(document.root, b"<five/>", child(document, 2))
    edits.append(document.root, b"<six/>", child(document, 2))
    assert edits.render() == (
        b"<MPD a='1'  b = \"2\">\n  <x:p xmlns:x='u' c=''><one/><two/></x:p>"
        b"<five/><six/><r>text<three/><four/></r></MPD>"
    )


def test_a_part(document: Document, edits: Edits) -> None:
    part = child(document, 2)
    edits.put(document.root, "a", 2)
    edits.replace(*document.content(part), b"other")
    assert edits.render(part.start, part.end) == b"<r>other</r>"


@given(st.binary())
def test_escapes_come_back(text: bytes) -> None:
    assert unescape(escape(text)) == text
    assert not set(b"<>\"'") & set(escape(text))
