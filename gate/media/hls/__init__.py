"""HLS playlists: under a session link as they stream by, or read as a whole, clipped and marked.

`Scanner` brings URIs under the link and knows nothing of time. `read_playlist` and `clip` are for tokens that
may not see all of it.
"""

from gate.media.hls.lines import PlaylistError, is_playlist, quoted
from gate.media.hls.marks import Mark, Place, rebasing
from gate.media.hls.playlist import Clipped, Form, Incomplete, Playlist, clip, read_playlist
from gate.media.hls.rebase import Rebase, rebase_under
from gate.media.hls.scanner import LONGEST_LINE, LongLineError, Scanner
from gate.media.hls.timeline import TimeOf

__all__ = [
    "LONGEST_LINE",
    "Clipped",
    "Form",
    "Incomplete",
    "LongLineError",
    "Mark",
    "Place",
    "Playlist",
    "PlaylistError",
    "Rebase",
    "Scanner",
    "TimeOf",
    "clip",
    "is_playlist",
    "quoted",
    "read_playlist",
    "rebase_under",
    "rebasing",
]
