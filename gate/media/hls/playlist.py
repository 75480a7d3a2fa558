"""Playlists as the gate hands them out: read, clipped to what a viewer may see, and marked, in one pass.

Line by line, and only where something must change: every other byte stays as it is, line endings, unknown
tags, comments and a byte order mark included. Bytes in, bytes out; how many they are is bounded by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gate.core.allowed import Allowed
from gate.core.windows import Span
from gate.media.hls.clip import Cutting
from gate.media.hls.head import ended
from gate.media.hls.lines import integer, is_playlist
from gate.media.hls.marking import Marking, marked_master
from gate.media.hls.marks import Mark, marked
from gate.media.hls.reader import MASTER_TAGS, Reader
from gate.media.hls.reading import Reading
from gate.media.hls.timeline import Timeline, TimeOf


class Form(Enum):
    """What a body is."""

    MEDIA = "media"
    MASTER = "master"
    NONE = "none"  # no playlist, whatever its type says: an error page


@dataclass(frozen=True, slots=True)
class Playlist:
    """A body that was read. A media playlist's newest entry ends at `newest_ms`, where its time is known."""

    body: bytes
    form: Form
    read: Reading
    timeline: Timeline

    @property
    def entries(self) -> int:
        """How many segments a media playlist lists."""
        return self.read.count if self.form is Form.MEDIA else 0

    @property
    def ended(self) -> bool:
        """Whether nothing will be added to it."""
        return ended(self.read)

    @property
    def held(self) -> Span | None:
        """The time that the entries of a media playlist span; None where nobody knows it."""
        spans = (self.timeline.span(entry) for entry in range(self.entries))
        first, newest = next((span for span in spans if span is not None), None), self.newest_ms
        return None if first is None or newest is None else Span(first.start_ms, max(newest, first.end_ms))

    @property
    def newest_ms(self) -> int | None:
        return self.timeline.newest_ms if self.form is Form.MEDIA else None

    @property
    def target_ms(self) -> int | None:
        """The target duration; None where it is not said, or not readable."""
        said = self.read.said(b"#EXT-X-TARGETDURATION")
        target = integer(said[0]) if said else None
        return None if target is None else target * 1000


@dataclass(frozen=True, slots=True)
class Clipped:
    """What is handed out. Of so many `entries` so many are `kept`."""

    body: bytes
    entries: int
    kept: int


class Incomplete(Enum):
    """Why a playlist cannot be clipped as it is."""

    DELTA = "delta"  # a delta update leaves out what the cut depends on: the whole playlist is needed


def read_playlist(body: bytes, *, time_of: TimeOf | None = None, now_ms: int | None = None) -> Playlist:
    """The playlist that a body is. Total: whatever the bytes are.

    `time_of` reads the time from a segment's own URL. Where nothing tells the time of the newest entries of a
    growing playlist, they are taken to end now (`now_ms`), for the live edge and for nothing else.
    """
    if not is_playlist(body):
        read = Reader().read(b"")
        return Playlist(body, Form.NONE, read, Timeline(read))
    read = Reader().read(body)
    if read.names & MASTER_TAGS and not read.media:
        return Playlist(body, Form.MASTER, read, Timeline(read))
    return Playlist(body, Form.MEDIA, read, Timeline(read, time_of, None if ended(read) else now_ms))


def clip(playlist: Playlist, allowed: Allowed, mark: Mark | None = None) -> Clipped | Incomplete:
    """What of the playlist may be seen, its URIs marked. What is no media playlist is not clipped.

    Raises PlaylistError where a number must change that cannot be read.
    """
    read = playlist.read
    if playlist.form is Form.NONE or (mark is None and allowed.everything):
        return Clipped(playlist.body, playlist.entries, playlist.entries)
    if playlist.form is Form.MASTER:
        return Clipped(playlist.body if mark is None else marked_master(read.lines, mark), 0, 0)
    text, before, after, kept = read.lines.copy(), {}, [], playlist.entries
    ranges = [(0, read.count - 1)] if read.count else []
    if not allowed.everything:
        cutting = Cutting(read, playlist.timeline, allowed)
        if not cutting.cut():
            return Incomplete.DELTA
        text, before, after = cutting.text, cutting.before, cutting.after
        ranges, kept = cutting.kept, cutting.entries
    if mark is not None:
        Marking(read, playlist.timeline, text, mark).run(ranges)
        for lines in before.values():
            lines[:] = [marked(line, mark) for line in lines]
    for at, lines in before.items():
        text[at] = b"".join(lines) + text[at]
    body = b"".join(text)
    if after and not body.endswith((b"\n", b"\r")):
        body += b"\n"
    return Clipped(body + b"".join(after), playlist.entries, kept)
