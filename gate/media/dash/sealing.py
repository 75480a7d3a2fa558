"""Sealing: templates are handed out with one more segment in their path, which says what they stand for.

It stands in the template itself, which a representation then gets for itself (what it does not say, it inherits
as before). A BaseURL would not do: of an MPD that grows, players take the new template for the segments that
they did not know, but some keep the BaseURL that they know (Shaka 5), and with it the old seal.
"""

from __future__ import annotations

from collections.abc import Mapping

from gate.media.dash.edits import Edits, escape
from gate.media.dash.facts import Facts, filled, is_timed
from gate.media.dash.markup import Element
from gate.media.dash.places import TEMPLATES, Links, prefix, stands_apart
from gate.media.dash.presentation import Presentation
from gate.media.dash.runs import Run, table
from gate.media.dash.tracks import Period, Track, number


def seal_template(edits: Edits, presentation: Presentation, period: Period, track: Track, links: Links) -> None:
    """The track's representations are sealed, each with its own facts. Raises MpdError.

    Not sealed is one of which an alternative is on another host, and one whose times no player agrees on.
    """
    times = _times(presentation, period, track)
    if times is None or "media" not in track.attributes:
        return
    for representation in track.representations:
        urls = {name: track.attributes[name] for name in TEMPLATES if name in track.attributes}
        urls = {name: links.rebase(url.encode()).decode() for name, url in urls.items()}
        _seal(edits, presentation, (period.element, representation), track, links, times, urls)


def _seal(
    edits: Edits,
    presentation: Presentation,
    place: tuple[Element, Element],
    track: Track,
    links: Links,
    times: Facts,
    urls: Mapping[str, str],
) -> None:
    (period, representation), document = place, presentation.document
    assert representation.parent is not None
    assert links.seal is not None
    paths = links.paths(document, (presentation.root, period, representation.parent, representation))
    said = representation.attributes.get("id", ""), representation.attributes.get("bandwidth", "")
    written = {name: filled(url, *said) for name, url in urls.items()}
    resolved = {name: links.resolve(paths, url) for name, url in written.items()}
    if not all(resolved.values()):
        return
    timed = [name for name, url in written.items() if name == "media" or is_timed(url)]
    facts = Facts(
        times.epoch_us,
        times.timescale,
        times.offset,
        times.number,
        times.runs,
        times.longest,
        times.open,
        tuple(path for name in timed for path in resolved[name]),
        tuple(path for name in written if name not in timed for path in resolved[name]),
    )
    segment = links.seal(facts)
    rooted = links.link.encode() + b"/" + segment
    sealed = {
        # Of several directories that lead to the same, one is as good as another.
        name: rooted + resolved[name][0].encode() if stands_apart(url) else segment + b"/" + urls[name].encode()
        for name, url in written.items()
    }
    _put_template(edits, presentation, track, representation, sealed)


def _put_template(
    edits: Edits, presentation: Presentation, track: Track, representation: Element, urls: Mapping[str, bytes]
) -> None:
    """The representation's own template has these URLs; it is made where there is none."""
    if track.element.parent is representation:
        for name, url in urls.items():
            edits.put(track.element, name, url)
        return
    tag = prefix(presentation.document, representation) + b"SegmentTemplate"
    said = b"".join(b' %b="%b"' % (name.encode(), escape(url)) for name, url in urls.items())
    edits.append(representation, b"<%b%b/>" % (tag, said))


def _times(presentation: Presentation, period: Period, track: Track) -> Facts | None:
    """When the track's segments are, as facts without paths; None where that cannot be said, or none is."""
    assert presentation.epoch_us is not None
    begin_us, goes_on = presentation.epoch_us + period.start_us, False
    if track.counted:
        count, longest = _count(period, track), track.length
        goes_on = count is None
        runs = (Run(track.first, longest, 1),) if count is None else table([(track.first, longest, count)])
    else:
        entries = presentation.entries(period, track)
        if entries.all is None or (entries.numbered and track.numbered):
            return None
        longest, goes_on = entries.longest, entries.open and presentation.dynamic
        first, last = entries.all.first, entries.all.last
        if track.numbered:
            runs = table(entries.runs(), open_end=goes_on)
        else:
            # A time needs no table: it says itself where the segment begins.
            start = entries.start(first)
            runs = (Run(start, entries.end(last) - start, entries.count(last) - entries.count(first) + 1),)
    if not runs:
        return None
    return Facts(begin_us, track.timescale, track.offset, track.start_number, runs, longest, goes_on, ())


def _count(period: Period, track: Track) -> int | None:
    """How many segments there are that are only counted; None where nobody knows as yet."""
    counts = []
    if "endNumber" in track.attributes:
        counts.append(number(track.attributes, "endNumber", 0) + 1 - track.start_number)
    if period.end_us is not None:
        end = track.bounds(0, period.end_us - period.start_us)[1]
        counts.append(-((track.first - end) // track.length))
    return max(0, min(counts)) if counts else None
