"""Where an MPD says that it is: at its session link, whatever URL a player had it from.

Some players resolve URIs, or fetch the MPD again, by the URL that they were given, which was a token's before
it was redirected: ffmpeg, GStreamer. A BaseURL and a Location tell them better.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin

from gate.media.dash.edits import Edits, escape
from gate.media.dash.markup import MpdError, unescape
from gate.media.dash.places import prefix
from gate.media.dash.presentation import Presentation

# What stands before them in an MPD (ISO/IEC 23009-1, section 5.3.1.3).
_BEFORE_BASES: Final = frozenset({"ProgramInformation"})
_BEFORE_LOCATION: Final = _BEFORE_BASES | {"BaseURL"}


def settle(presentation: Presentation, url: str, *, bases: bool = True) -> bytes:
    """The MPD as one that is at `url` (path-absolute, with its query): one that is dynamic is fetched there
    again, unless it says where itself, and with `bases` what is relative in it is below there. Raises MpdError.
    """
    document, root = presentation.document, presentation.root
    edits, name = Edits(document), prefix(document, root)
    added = {"BaseURL": b"", "Location": b""}
    own = root.all("BaseURL")
    for base in own if bases else ():
        start, end = document.content(base)
        uri = unescape(document.body[start:end])
        try:
            settled = urljoin(url, uri.decode()).encode()
        except ValueError:
            raise MpdError("a BaseURL that is no URL") from None
        if uri and settled != uri:
            edits.replace(start, end, escape(settled))
    if bases and not own:
        added["BaseURL"] = b"<%bBaseURL>%b</%bBaseURL>" % (name, escape(urljoin(url, ".").encode()), name)
    if presentation.dynamic and root.first("Location") is None:
        added["Location"] = b"<%bLocation>%b</%bLocation>" % (name, escape(url.encode()), name)
    for text, behind in zip(added.values(), (_BEFORE_BASES, _BEFORE_LOCATION), strict=True):
        after = next((child for child in root.children if child.name not in behind), None)
        if text:
            edits.append(root, text, after)
    return edits.render() if edits else document.body
