"""An MPD's XML: where its elements stand in the bytes.

Expat reads; nothing is ever expanded. What makes XML dangerous or ambiguous is refused: DTDs with their
entities, processing instructions, encodings other than UTF-8, depth, size and numbers of attributes that no
MPD has.

Most of a long MPD are the ``S`` entries of its timelines. Where a timeline's content is nothing else, in the
plain spelling that all packagers write, a regular expression proves that it is well-formed, and expat reads
the document without it: that takes a fifth of the time. Taking such text out changes nothing for the rest, not
even where it stands in a comment.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final
from xml.parsers import expat

LARGEST_BODY: Final = 16 * 2**20
DEEPEST: Final = 32
MOST_ATTRIBUTES: Final = 64
MOST_ELEMENTS: Final = 100_000

_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0")
_SPACE: Final = b" \t\r\n"
# What may stand before the root, and the root or the declaration that comes then (XML 1.0, section 2.8).
_BEFORE_ROOT: Final = re.compile(rb"(?:\s++|<\?.*?\?>|<!--.*?-->)*+(<!?[^\s/>]+)?(\s+[^\s>\[]+)?", re.DOTALL)
_TIMELINE: Final = re.compile(rb"<(?:[^\s<>/:\"'=]+:)?SegmentTimeline(?:\s[^<>]*)?(?<!/)>\s*")
# Entries that all have the same attributes in the usual order, and a time with the same number of digits.
_EVEN: Final = rb'(?:<S t="[0-9]{%d}" d="[1-9][0-9]{0,17}"(?: r="[0-9]{1,18}")? ?/>\s*)*+'
_WIDTH: Final = re.compile(rb'<S t="([0-9]{1,18})"')
_PLAIN: Final = re.compile(rb'(?:<S(?:\s+d="[0-9]{1,18}"|\s+t="[0-9]{1,18}"|\s+r="-?[0-9]{1,18}")*+\s*/>\s*)*+')
_NAME: Final = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE: Final = re.compile(rb"\s+([^\s=]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_ENTITIES: Final = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_REFERENCE: Final = re.compile(rb"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(\w+));")
_CHUNK: Final = re.compile(rb"<!\[CDATA\[(.*?)\]\]>|<!--.*?-->|<\?.*?\?>|<[^>]*>|([^<]+)", re.DOTALL)


class MpdError(ValueError):
    """What came is no MPD that can be read: not well-formed, against the schema, too big, or with a DTD.

    `foreign` tells that it does not even claim to be one, as an error page of the origin.
    """

    def __init__(self, text: str, *, foreign: bool = False) -> None:
        super().__init__(text)
        self.foreign = foreign


@dataclass(slots=True, eq=False)
class Element:
    """An element, by its name without a prefix. Its bytes are ``body[start:end]``, its content ends at `close`.

    `even` and `plain` tell of a SegmentTimeline that its entries are not among the `children`: they are to be
    read from the bytes. Where they are even, they have the same attributes and times of the same width.
    """

    name: str
    attributes: dict[str, str]
    start: int
    parent: Element | None
    children: list[Element] = field(default_factory=list)
    close: int = 0
    end: int = 0
    plain: bool = False
    even: bool = False

    def all(self, *names: str) -> list[Element]:
        """The children of these names, in their order."""
        return [child for child in self.children if child.name in names]

    def first(self, name: str) -> Element | None:
        return next((child for child in self.children if child.name == name), None)

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in the document's order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """An MPD that was read: its bytes, and its elements."""

    body: bytes
    root: Element

    def opened(self, element: Element) -> int:
        """Where the element's start tag ends."""
        return _tag_end(self.body, element.start)

    def attribute(self, element: Element, name: str) -> tuple[int, int, int] | None:
        """Where the attribute begins, white space in front included, its value begins, and its value ends."""
        at = self.name_end(element)
        while found := _ATTRIBUTE.match(self.body, at):
            at = found.end()
            if found[1] == name.encode():
                return found.start(), at - 1 - len(found[2] or found[3] or b""), at - 1
        return None

    def content(self, element: Element) -> tuple[int, int]:
        """Where the element's content begins and ends, without the white space around it."""
        start = min(self.opened(element), element.close)
        text = self.body[start : element.close]
        start += len(text) - len(text.lstrip(_SPACE))
        return start, max(start, start + len(text.strip(_SPACE)))

    def name_end(self, element: Element) -> int:
        """Where the name in the element's start tag ends."""
        found = _NAME.match(self.body, element.start)
        assert found is not None
        return found.end()


def read(body: bytes) -> Document:
    """The document, its elements with their places. Raises MpdError."""
    if len(body) > LARGEST_BODY:
        raise MpdError(f"longer than {LARGEST_BODY} bytes")
    if body.startswith(_UTF16):
        raise MpdError("not in UTF-8")
    _check_root(body)
    kept, cuts = _without_entries(body)
    reader = _Reader([place for place, _, _ in cuts], {place for place, _, even in cuts if even})
    try:
        reader.parser.Parse(kept, True)
    except expat.ExpatError as error:
        raise MpdError(f"line {error.lineno}: {expat.ErrorString(error.code)}") from None
    _place(reader.elements, kept, cuts)
    return Document(body, reader.elements[0])


def unescape(raw: bytes) -> bytes:
    """The text of well-formed XML content: references resolved, CDATA opened, comments left out."""
    if b"<" in raw:
        return b"".join(found[1] or unescape(found[2] or b"") for found in _CHUNK.finditer(raw))
    return _REFERENCE.sub(_resolve, raw) if b"&" in raw else raw


def _resolve(found: re.Match[bytes]) -> bytes:
    if found[3] is not None:
        return _ENTITIES.get(found[3], found[0])
    return chr(int(found[1]) if found[1] else int(found[2], 16)).encode()


def _check_root(body: bytes) -> None:
    """Raises MpdError unless the document begins as an MPD does."""
    found = _BEFORE_ROOT.match(body, len(_BOM) if body.startswith(_BOM) else 0)
    word = (found and found[1]) or b""
    if word == b"<!DOCTYPE" and found and (found[2] or b"").strip().lower() != b"html":
        return  # expat comes to it and refuses
    page = word.upper() == b"<!DOCTYPE"
    if word.rpartition(b":")[2].removeprefix(b"<") != b"MPD":
        raise MpdError("not an MPD: an HTML page" if page else "not an MPD", foreign=True)


def _without_entries(body: bytes) -> tuple[bytes, list[tuple[int, int, bool]]]:
    """The body without plain entries, and for each place in it how many bytes are missing there.

    With each stands whether the entries are even.
    """
    pieces: list[bytes] = []
    cuts: list[tuple[int, int, bool]] = []
    at = length = 0
    for found in _TIMELINE.finditer(body):
        start = found.end()
        width = _WIDTH.match(body, start)
        end, even = start, False
        if width is not None:
            end = _end(re.compile(_EVEN % len(width[1])), body, start)
            even = body.startswith(b"</", end)
        if not even:
            end = _end(_PLAIN, body, start)
        if end > start and body.startswith(b"</", end):
            pieces.append(body[at:start])
            length += start - at
            cuts.append((length, end - start, even))
            at = end
    pieces.append(body[at:])
    return b"".join(pieces), cuts


def _tag_end(body: bytes, start: int) -> int:
    found = _NAME.match(body, start)
    assert found is not None
    at = found.end()
    while found := _ATTRIBUTE.match(body, at):
        at = found.end()
    return body.index(b">", at) + 1


def _end(pattern: re.Pattern[bytes], body: bytes, start: int) -> int:
    found = pattern.match(body, start)
    assert found is not None  # it matches nothing, too
    return found.end()


class _Reader:
    """Expat's handlers: few and cheap. Elements have places in the bytes that expat got."""

    def __init__(self, plain: Iterable[int], even: set[int]) -> None:
        self.elements: list[Element] = []
        self._plain, self._even = set(plain), even
        self._open: list[Element] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction
        self.parser.XmlDeclHandler = self._declaration

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEEPEST or len(attributes) > MOST_ATTRIBUTES:
            raise MpdError("too deep, or too many attributes")
        if len(self.elements) >= MOST_ELEMENTS:
            raise MpdError("too many elements")
        parent = self._open[-1] if self._open else None
        element = Element(name.rpartition(":")[2], attributes, self.parser.CurrentByteIndex, parent)
        if parent is not None:
            parent.children.append(element)
        self.elements.append(element)
        self._open.append(element)

    def _end(self, name: str) -> None:
        element = self._open.pop()
        element.close = self.parser.CurrentByteIndex
        element.plain = element.close in self._plain
        element.even = element.close in self._even

    def _doctype(self, *_: object) -> None:
        raise MpdError("has a DTD")

    def _instruction(self, *_: object) -> None:
        raise MpdError("has a processing instruction")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise MpdError("not in UTF-8")


def _place(elements: list[Element], kept: bytes, cuts: list[tuple[int, int, bool]]) -> None:
    """The elements have places in the whole body; their ends are known."""
    places = [place for place, _, _ in cuts]
    missing = [0, *accumulate(count for _, count, _ in cuts)]
    for element in elements:
        # Expat reports the end of <a/> behind it, that of <a></a> at its end tag.
        empty = not element.children and kept[element.close - 2 : element.close] == b"/>"
        if empty and _tag_end(kept, element.start) == element.close:
            end = element.close
        else:
            end = kept.index(b">", element.close) + 1
        element.start += missing[bisect_right(places, element.start)]
        element.close += missing[bisect_right(places, element.close)]
        element.end = end + missing[bisect_right(places, end)]
