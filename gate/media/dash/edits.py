"""Edits of an MPD's bytes, at attributes, elements and texts. Every other byte stays as it is."""

from __future__ import annotations

import re
from typing import Final

from gate.media.dash.markup import Document, Element

_ESCAPES: Final = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b'"': b"&quot;", b"'": b"&apos;"}
_ESCAPED: Final = re.compile(rb"[&<>\"']")
_NAME: Final = re.compile(rb"<[^\s/>]+")


class Edits:
    """What is to become of a document's bytes. What is not named stays, byte for byte."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._edits: dict[tuple[int, int], bytes] = {}
        self._added: dict[tuple[int, str], bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._edits or self._added)

    def put(self, element: Element, name: str, value: bytes | str | int) -> None:
        """The attribute has this value, in its own quotes; where it is missing, it stands first."""
        text = value if isinstance(value, bytes) else str(value).encode()
        place = self._document.attribute(element, name)
        if place is None:
            self._added[element.start, name] = b' %b="%b"' % (name.encode(), escape(text))
        else:
            self._edits[place[1:]] = escape(text)

    def remove(self, element: Element, *names: str) -> None:
        """The attributes are gone."""
        for name in names:
            place = self._document.attribute(element, name)
            if place is not None:
                self._edits[place[0], place[2] + 1] = b""

    def drop(self, element: Element) -> None:
        """The element is gone, with the white space before it."""
        body, start = self._document.body, element.start
        while body[start - 1 : start] in (b" ", b"\t", b"\r", b"\n"):
            start -= 1
        self.replace(start, element.end, b"")

    def replace(self, start: int, end: int, text: bytes) -> None:
        """These bytes are `text` instead. What was to be edited within them is of no account."""
        self._edits[start, end] = text

    def append(self, element: Element, text: bytes, before: Element | None = None) -> None:
        """The element has `text` in its content: before that child, or at its end."""
        body = self._document.body
        if before is not None:
            self._insert(before.start, text)
        elif element.close == element.end:
            place = element.end - 2, element.end
            name = body[element.start + 1 : self._document.name_end(element)]
            had = self._edits.get(place, b">" + b"</" + name + b">")
            self._edits[place] = had[: -len(name) - 3] + text + had[-len(name) - 3 :]
        else:
            self._insert(element.close, text)

    def _insert(self, at: int, text: bytes) -> None:
        self._edits[at, at] = self._edits.get((at, at), b"") + text

    def render(self, start: int = 0, end: int | None = None) -> bytes:
        """The document's bytes, or those between, with all edits made."""
        body = self._document.body
        end = len(body) if end is None else end
        edits = [(first, last, text) for (first, last), text in self._edits.items()]
        for (element, _), text in sorted(self._added.items()):
            found = _NAME.match(body, element)
            assert found is not None
            edits.append((found.end(), found.end(), text))
        pieces: list[bytes] = []
        at = start
        # An edit that spans others comes first, and they lie behind where it ends.
        for first, last, text in sorted(edits, key=lambda edit: (edit[0], edit[0] != edit[1], -edit[1])):
            if at <= first and last <= end:
                pieces += body[at:first], text
                at = last
        pieces.append(body[at:end])
        return b"".join(pieces)


def escape(text: bytes) -> bytes:
    """The text as it stands in XML, in content as in quotes of either kind."""
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], text)
