"""An MPD's URIs: kept under the session link, and told the time of what they lead to.

Relative URIs resolve under the link by themselves; those of the origin that would lead out of it are brought
there by the mapping that playlists have, too (`gate.media.hls.rebase_under`). A mapping may raise where a
foreign URI is not to be handed out. Below a BaseURL of another host nothing is touched.

For viewers who may not see everything, what is addressed by a template is sealed (`gate.media.dash.sealing`),
and what has a URL of its own is marked (`gate.media.dash.marking`), with the times that this MPD gives it: it
is to be the one that is handed out, clipped before.
"""

from __future__ import annotations

import re
from typing import Final

from gate.media.dash.edits import Edits, escape
from gate.media.dash.marking import mark_file, mark_list
from gate.media.dash.markup import Document, Element, unescape
from gate.media.dash.places import ATTRIBUTES, TEXTS, Links, Rebase
from gate.media.dash.presentation import Presentation
from gate.media.dash.sealing import seal_template
from gate.media.dash.tracks import is_nowhere

# With a scheme, or a host alone; browsers take a backslash for a slash.
_AWAY: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:|[/\\]{2}")


def rewrite(presentation: Presentation, links: Links) -> bytes:
    """The MPD with its URIs as they are to be handed out; else byte for byte. Raises MpdError.

    Left alone are what resolves against a BaseURL of another host, and, where there is no clock, all times.
    """
    document, edits = presentation.document, Edits(presentation.document)
    _rebase(document, edits, links.rebase, document.root, away=False)
    if presentation.epoch_us is not None:
        for period in presentation.periods:
            tracks, files = period.addressed()
            for track in tracks:
                if track.listed and links.mark is not None:
                    mark_list(edits, presentation, period, track, links)
                elif not track.listed and links.seal is not None:
                    seal_template(edits, presentation, period, track, links)
            for chain in files if links.mark is not None else ():
                mark_file(edits, presentation, period, chain, links)
    return edits.render() if edits else document.body


def _rebase(document: Document, edits: Edits, rebase: Rebase, element: Element, *, away: bool) -> None:
    """The URIs at the element and below it are rebased, unless a BaseURL leads `away`, to another host.

    There a path under the link would become a path of that host, and tell it the link.
    """
    names = ATTRIBUTES.get(element.name, ())
    for name, value in element.attributes.items() if not away else ():
        if name in names or (name.rpartition(":")[2] == "href" and not is_nowhere(element)):
            # UTCTiming may have several.
            rebased = b" ".join(map(rebase, value.encode().split(b" ")))
            if rebased != value.encode():
                edits.put(element, name, rebased)
    below = away
    for child in element.children:
        # What is no BaseURL resolves against the MPD's own URL.
        if child.name in TEXTS and not (away and child.name == "BaseURL"):
            start, end = document.content(child)
            uri = unescape(document.body[start:end])
            if (rebased := rebase(uri)) != uri:
                edits.replace(start, end, escape(rebased))
            below |= child.name == "BaseURL" and bool(_AWAY.match(rebased))
    for child in element.children:
        _rebase(document, edits, rebase, child, away=below)
