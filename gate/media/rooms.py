"""The layout of rooms: a track is one participant's microphone, camera or screen, and has a folder of its own.

What lies in the folder is the origin's matter: playlists and segments as HLS names them, a WHIP endpoint, one
endless upload. None of it is on a timeline: a room is now. The rule's match names the parts, so where the
folder is the policy says: ``/rooms/{room}/{participant}/{track}/**``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gate.core.media import Facts, Role
from gate.core.room import Track, TrackKind
from gate.core.target import Target
from gate.core.windows import Span
from gate.media.layouts import HlsLayout, Timeline

# What the match of a rule with this layout names.
PARTS: Final = ("room", "participant", "track")
_KINDS: Final = {kind.value: kind for kind in TrackKind}
_FILES: Final = HlsLayout(Timeline.NONE)


class RoomLayout:
    """Reads tracks by the parts of the rule's match. A track of another name is none, and of unknown kind."""

    name = "room"

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        resource = "/".join(parts[name] for name in PARTS)
        kind = _KINDS.get(parts["track"])
        if kind is None:
            return Facts(resource, Role.OTHER)
        facts = _FILES.read(target, {"resource": resource})
        return replace(facts, track=Track(parts["room"], parts["participant"], kind))

    def write(self, target: Target, span: Span) -> Target | None:
        return None
