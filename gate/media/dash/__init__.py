"""DASH manifests (MPDs): read, clipped to what is allowed, and rewritten. Bytes in, bytes out.

`read_mpd` and `clip` make of an MPD what a viewer may see, `rewrite` keeps what is handed out under the session
link, and seals in it when its segments are (`Facts`).
"""

from gate.media.dash.clip import Unclipped, clip
from gate.media.dash.facts import Facts, Untimed
from gate.media.dash.home import settle
from gate.media.dash.links import rewrite
from gate.media.dash.markup import MpdError
from gate.media.dash.places import Links, Mark, Seal
from gate.media.dash.presentation import Presentation, read_mpd

__all__ = [
    "Facts",
    "Links",
    "Mark",
    "MpdError",
    "Presentation",
    "Seal",
    "Unclipped",
    "Untimed",
    "clip",
    "read_mpd",
    "rewrite",
    "settle",
]
