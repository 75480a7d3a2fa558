"""What a URL addresses, as an origin's URL grammar (its layout) tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gate.core.grants import Action
from gate.core.room import Track
from gate.core.target import Target
from gate.core.windows import Moving, Span


class Kind(Enum):
    """How a request stands to its stream's timeline."""

    LIVE = "live"  # at the moving edge
    DVR = "dvr"  # time-shifted playback
    COPY = "copy"  # a download or an export
    OBJECT = "object"  # on no timeline: a file, VOD


class Role(Enum):
    """What part of a presentation a URL is. Manifests and objects open sessions, the rest belongs to one."""

    MANIFEST = "manifest"
    SEGMENT = "segment"
    IMAGE = "image"
    STREAM = "stream"  # one response that lasts as long as the viewer watches
    DOWNLOAD = "download"
    OBJECT = "object"
    OTHER = "other"


OPENING: frozenset[Role] = frozenset({Role.MANIFEST, Role.STREAM, Role.DOWNLOAD, Role.OBJECT})
# What is a few seconds, which a player needs whole.
PIECES: frozenset[Role] = frozenset({Role.SEGMENT, Role.IMAGE})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a layout read from a URL.

    `kind` is None where the URL does not say; a dated segment has a `span` and no kind, because its age
    decides whether it is live or archive. With neither, its time is unknown. A kind without a span may be any
    time of it. `early_ms` is how much before its window it may begin, where its clients round its time down.
    `vouched`: not the URL says it but the manifest that handed it out, which kept it because it is allowed;
    `lag_ms` is how far the stream's clock is behind ours, as that manifest told. `posts` is what a POST to it
    does, where the grammar says so: else the rule does. `track` is the track of a room that it belongs to.
    """

    resource: str
    role: Role
    kind: Kind | None = None
    span: Span | Moving | None = None
    early_ms: int = 0
    lag_ms: int = 0
    vouched: bool = False
    posts: Action | None = None
    track: Track | None = None


class Layout(Protocol):
    """An origin's URL grammar."""

    name: str

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        """What `target` addresses. `parts` are the named parts of the stream rule's match (``{resource}``).

        Total: what the grammar does not know has Role.OTHER, no kind and no span.
        """
        ...

    def write(self, target: Target, span: Span) -> Target | None:
        """The target of the same form for another span: `read` gives that span for it.

        None where the form has no such time, or cannot say this one.
        """
        ...
