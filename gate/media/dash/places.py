"""Where URIs stand in an MPD, and what they resolve to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Final, Protocol
from urllib.parse import urljoin

from gate.core.marks import ByteRange
from gate.core.windows import Span
from gate.media.dash.facts import Facts
from gate.media.dash.markup import Document, Element, MpdError, unescape

Rebase = Callable[[bytes], bytes]
# A segment of a path (of characters that stand for themselves there, no dot in front) that says these facts.
Seal = Callable[[Facts], bytes]

TEXTS: Final = frozenset({"BaseURL", "Location", "PatchLocation", "ContentSteering"})
TEMPLATES: Final = ("media", "initialization", "index", "bitstreamSwitching")
ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "SegmentTemplate": TEMPLATES,
    "SegmentURL": ("media", "index"),
    "Initialization": ("sourceURL",),
    "InitializationSet": ("initialization",),
    "RepresentationIndex": ("sourceURL",),
    "BitstreamSwitching": ("sourceURL",),
    "ContentSteering": ("proxyServerURL",),
    "UTCTiming": ("value",),
}
_CLIMBS: Final = re.compile(r"(?:\A|[/\\])(?:\.|%2e){2}(?:[/\\?#]|\Z)", re.IGNORECASE)
_ROOTED: Final = re.compile(r"[/\\]|[A-Za-z][A-Za-z0-9+.-]*:")
# Paths are joined as those of some host, so that none climbs above the root.
_HERE: Final = "http://gate.invalid"
# More alternatives than that nobody has, and each makes a seal longer.
_MOST_BASES: Final = 8


class Mark(Protocol):
    """Maps a URI as it stands to the URI to be handed out.

    `path` is what it resolves to, as the origin knows it, query included. `span` is the time of what it names,
    None for what has none; `byterange` the bytes of it that players may ask for, None for all.
    """

    def __call__(self, uri: bytes, path: str, span: Span | None, byterange: ByteRange | None) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Links:
    """What becomes of the URIs of an MPD that a player has from `link` + `path`.

    `link` is the session link (``/_s/<ticket>``, no slash behind it), empty where there is none; `path` is the
    MPD's own. Without `seal` and `mark` nothing says its time.
    """

    rebase: Rebase
    link: str = ""
    path: str = "/"
    seal: Seal | None = None
    mark: Mark | None = None

    def paths(self, document: Document, chain: tuple[Element, ...]) -> tuple[str, ...]:
        """All that URIs below the chain of elements resolve against, as the origin knows it.

        Empty where one of them leads elsewhere: to another host, or out of the link. Raises MpdError.
        """
        levels = [[uri.decode() for _, uri in self.bases(document, element)] or [""] for element in chain]
        size = 1
        for level in levels:
            size *= len(level)
        if size > _MOST_BASES:
            raise MpdError("too many BaseURLs")
        own = [
            self.inside(reduce(_join, combination, self.link + self.path)) for combination in product(*levels)
        ]
        return tuple(dict.fromkeys(path for path in own if path is not None)) if None not in own else ()

    def resolve(self, paths: tuple[str, ...], uri: str) -> tuple[str, ...]:
        """What the URI resolves to against these; empty where it leads elsewhere. Raises MpdError."""
        own = [self.inside(_join(self.link + path, uri)) for path in paths]
        return tuple(dict.fromkeys(path for path in own if path is not None)) if None not in own else ()

    def inside(self, url: str) -> str | None:
        """The path that the URL has at the origin; None if it is none of ours."""
        url = url.partition("#")[0]
        if not url.startswith(self.link + "/") or url.startswith("//"):
            return None
        return url[len(self.link) :]

    def bases(self, document: Document, element: Element) -> Iterator[tuple[Element, bytes]]:
        """The element's BaseURLs, and what they say once they are brought under the link."""
        for base in element.all("BaseURL"):
            start, end = document.content(base)
            yield base, self.rebase(unescape(document.body[start:end]))


def stands_apart(uri: str) -> bool:
    """Whether the URI may not stay below what it resolves against. Players read escaped dots as dots."""
    return bool(_ROOTED.match(uri) or _CLIMBS.search(uri))


def prefix(document: Document, element: Element) -> bytes:
    """The namespace's prefix with its colon, as the element has it."""
    start = element.start + 1
    name = document.body[start : start + document.body[start:].index(element.name.encode())]
    return name if name.endswith(b":") else b""


def _join(base: str, uri: str) -> str:
    try:
        return urljoin(_HERE + base if base.startswith("/") else base, uri).removeprefix(_HERE)
    except ValueError:
        raise MpdError("a BaseURL that is no URL") from None
