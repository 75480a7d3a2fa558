"""Marking: what has a URL of its own says its time in it, as a playlist's segments do.

That are the segments of lists, and whole files, of which no more is known than when their Period is. What has
no time (initialisation, indexes) is marked without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gate.core.marks import ByteRange
from gate.core.windows import ALWAYS_MS, Span
from gate.media.dash.edits import Edits, escape
from gate.media.dash.markup import Element
from gate.media.dash.places import Links, stands_apart
from gate.media.dash.presentation import Presentation
from gate.media.dash.tracks import Period, Track

_RANGE: Final = re.compile(r"\s*([0-9]{1,19})-([0-9]{0,19})\s*")


def mark_list(edits: Edits, presentation: Presentation, period: Period, track: Track, links: Links) -> None:
    """The list's segments are marked. Raises MpdError.

    Not marked is a list that representations share whose BaseURLs differ, and what other hosts have.
    """
    chains = [_chain(presentation, period, representation) for representation in track.representations]
    found = {links.paths(presentation.document, chain) for chain in chains}
    paths = found.pop()
    if found or not paths:
        return
    base_us = (presentation.epoch_us or 0) + period.start_us
    rows = presentation.entries(period, track).runs()
    times = ((start + at * duration, duration) for start, duration, count in rows for at in range(count))
    for url, (start, duration) in zip(track.holder.all("SegmentURL"), times, strict=False):
        span = track.span(base_us, start, start + duration)
        _mark(edits, url, ("media", "mediaRange"), paths, span, links)
        if {"index", "indexRange"} & url.attributes.keys():
            # Without a URL it is in the file of its segment.
            _mark(edits, url, ("index", "indexRange"), paths, None, links, url.attributes.get("media"))
    for level in track.levels:
        _mark_others(edits, level, paths, links)


def mark_file(
    edits: Edits, presentation: Presentation, period: Period, chain: tuple[Element, ...], links: Links
) -> None:
    """The file of a representation in one piece is marked with the time of its Period, where that has an end.

    It is what the lowest BaseURL leads to.
    """
    document, span = presentation.document, presentation.span(period)
    chain = (presentation.root, *chain)
    holders = [at for at, element in enumerate(chain) if element.first("BaseURL")]
    paths = links.paths(document, chain)
    if span.end_ms == ALWAYS_MS or not holders or not paths:
        return
    for element, uri in links.bases(document, chain[holders[-1]]):
        resolved = links.resolve(links.paths(document, chain[: holders[-1]]), uri.decode())
        edits.replace(*document.content(element), escape(_marked(uri, resolved, span, None, links)))
    for element in chain:
        for base in element.all("SegmentBase"):
            _mark_others(edits, base, paths, links)


def _chain(presentation: Presentation, period: Period, representation: Element) -> tuple[Element, ...]:
    assert representation.parent is not None
    return presentation.root, period.element, representation.parent, representation


def _mark_others(edits: Edits, holder: Element, paths: tuple[str, ...], links: Links) -> None:
    for element in holder.all("Initialization", "RepresentationIndex", "BitstreamSwitching"):
        # Without a URL it is in the file itself, which says its time.
        if "sourceURL" in element.attributes or holder.name == "SegmentList":
            _mark(edits, element, ("sourceURL", "range"), paths, None, links)


def _mark(
    edits: Edits,
    element: Element,
    names: tuple[str, str],
    paths: tuple[str, ...],
    span: Span | None,
    links: Links,
    otherwise: str | None = None,
) -> None:
    """The URL in that attribute is marked; where it is missing, it is that of the file which all is in."""
    name, range_name = names
    uri = element.attributes.get(name, otherwise)
    if uri is None:
        files = {path.rpartition("/")[2] for path in paths}
        uri = files.pop()
        if files or not uri or links.path in paths:
            return
    uri = links.rebase(uri.encode()).decode()
    resolved = links.resolve(paths, uri)
    if resolved:
        held = next(_ranges(element.attributes.get(range_name, "")), None)
        edits.put(element, name, _marked(uri.encode(), resolved, span, held, links))


def _marked(
    uri: bytes, resolved: tuple[str, ...], span: Span | None, held: ByteRange | None, links: Links
) -> bytes:
    assert links.mark is not None
    # A mark is for one path: of several that are the same to a player, the first is as good as any.
    if len(resolved) > 1 or stands_apart(uri.decode()):
        uri = (links.link + resolved[0]).encode()
    return links.mark(uri, resolved[0], span, held)


def _ranges(text: str) -> Iterator[ByteRange]:
    found = _RANGE.fullmatch(text)
    if found is not None:
        first = int(found[1])
        yield ByteRange(first, int(found[2]) - first + 1 if found[2] else None)
