"""Time: what of a stream's timeline a token allows, and how much of it.

`live`, `dvr` and `copy` are rights to kinds of viewing, windows bound the archive. What a URL addresses comes
from its origin's layout; where the time of it is not known, only a token that may see all of it sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.core.media import PIECES, Facts, Kind, Role
from gate.core.reasons import Reason
from gate.core.token import Warrant
from gate.core.windows import ALWAYS_MS, Moving, Span

# What a live stream's URL gives now and at no other time. A segment of it may have been live an hour ago.
_NOW: Final = frozenset({Role.STREAM, Role.IMAGE})
# Longer than any segment that a player is given.
LONGEST_PIECE_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left to a stream: until when it may run (Unix seconds), and how much of it may be sent."""

    until: float
    media_ms: int


def check_time(
    warrant: Warrant, facts: Facts, live_edge_s: float, now: float, *, strict: bool = False
) -> Reason | None:
    """None where rights and windows allow the time that the URL addresses. Objects are on no timeline; to
    download one takes the right to copy.

    A manifest may be asked for where any of it may be seen: what of it, is seen when it has come
    (`gate.core.allowed`).

    A dated segment is live while it is young (`_live_ms`). Without the right to live it is withheld until it is
    as old as the edge. A stream that begins later than that, or catches up with what is younger, is the live
    one under another name.

    A segment or an image is a few seconds, which a player needs whole: that it overlaps a window suffices,
    unless `strict`. Its length is the client's word, which an origin that looks for its beginning only does
    not check: one of minutes is no segment. Where a manifest vouches for it, all that was checked when it was
    handed out. A stream that goes on at the speed of the clock begins in a window and is stopped at its end
    (`remains`). Whatever else is longer must lie within, but for what its clients round down where they can
    only say the minute.
    """
    rights, windows = warrant.rights, warrant.windows
    if facts.kind is Kind.OBJECT or warrant.unrestricted:
        return None
    if facts.role is Role.MANIFEST and facts.kind is not Kind.COPY:
        return _check_manifest(warrant, facts, int(now * 1000))
    if facts.kind is Kind.LIVE and not rights.live:
        return Reason.LIVE_NOT_GRANTED
    if facts.kind is Kind.COPY and not rights.copy:
        return Reason.COPY_NOT_GRANTED
    if facts.kind is Kind.COPY and facts.role is Role.OBJECT:
        return None
    if facts.kind is Kind.DVR and not rights.dvr:
        return Reason.DVR_NOT_GRANTED
    if facts.span is None:
        # Where every time of this kind is allowed, it does not matter which it is.
        if facts.kind is Kind.LIVE:
            known = facts.role in _NOW or (rights.dvr and windows.unbounded)
        else:
            known = facts.kind is not None and windows.unbounded
        return None if known else Reason.TIME_UNKNOWN
    now_ms, edge_ms = int(now * 1000) - facts.lag_ms, int(live_edge_s * 1000)
    span = facts.span.at(now_ms)
    if facts.kind is None or facts.kind is Kind.LIVE:
        age_ms = now_ms - min(span.end_ms, span.start_ms + LONGEST_PIECE_MS)
        if rights.live and age_ms < _live_ms(facts, span, edge_ms):
            return None
        if facts.kind is Kind.LIVE:
            # Its place in the playlist alone told its time, which proves nothing of the archive.
            return Reason.OUTSIDE_WINDOW
        if not rights.live and not facts.vouched and now_ms - span.end_ms < edge_ms:
            return Reason.LIVE_NOT_GRANTED
        if not rights.dvr:
            return Reason.DVR_NOT_GRANTED
    if facts.role is Role.STREAM:
        paced = isinstance(facts.span, Moving) and facts.span.paced
        if not rights.live and now_ms - (span.start_ms if paced else span.end_ms) < edge_ms:
            return Reason.LIVE_NOT_GRANTED
        if paced:
            begins = span.start_ms <= now_ms and windows.around(span.start_ms) is not None
            return None if begins else Reason.OUTSIDE_WINDOW
    piece = facts.role in PIECES and not strict and span.end_ms - span.start_ms <= LONGEST_PIECE_MS
    if not facts.vouched and (facts.kind is Kind.COPY or not piece):
        return _within(span, facts.early_ms, warrant)
    return None if windows.overlap(span) else Reason.OUTSIDE_WINDOW


def remains(warrant: Warrant, facts: Facts, now: float) -> Remainder | None:
    """How much is left to an endless stream of the archive, if its window has an end that it would reach.

    Counted from its beginning; `check_time` has let it begin.
    """
    if facts.role is not Role.STREAM or not isinstance(facts.span, Moving) or warrant.unrestricted:
        return None
    now_ms = int(now * 1000)
    start_ms = facts.span.at(now_ms).start_ms
    window = warrant.windows.around(start_ms)
    if window is None or window.end_ms >= ALWAYS_MS:
        return None
    media_ms = window.end_ms - start_ms
    # One that is not paced may be sent at any speed, and shows nothing younger than now.
    left_ms = media_ms if facts.span.paced else window.end_ms - now_ms
    return Remainder(now + left_ms / 1000, media_ms)


def _check_manifest(warrant: Warrant, facts: Facts, now_ms: int) -> Reason | None:
    """None where any of the manifest's time may be seen, as far as its URL says it."""
    rights, windows = warrant.rights, warrant.windows
    if facts.kind is Kind.DVR and not rights.dvr:
        return Reason.DVR_NOT_GRANTED
    if facts.kind in (Kind.LIVE, None) and not (rights.live or rights.dvr):
        return Reason.LIVE_NOT_GRANTED if facts.kind is Kind.LIVE else Reason.DVR_NOT_GRANTED
    if facts.span is None or (facts.kind is not Kind.DVR and rights.live):
        return None
    span = facts.span.at(now_ms)
    if isinstance(facts.span, Moving) and facts.span.paced:
        begins = span.start_ms <= now_ms and windows.around(span.start_ms) is not None
        return None if begins else Reason.OUTSIDE_WINDOW
    # One that has just begun holds nothing as yet, and lies where it begins.
    return None if windows.overlap(span) or windows.contain(span) else Reason.OUTSIDE_WINDOW


def _live_ms(facts: Facts, span: Span, edge_ms: int) -> int:
    """How old the end of a segment may be that is still live.

    It leaves a playlist trimmed to the live edge at the age of that edge, and must stay fetchable for its own
    duration and the playlist's after that (RFC 8216, section 6.2.2): twice the edge and twice its duration in
    all. The edge is no shorter than three segments, for which only a manifest's word is taken.
    """
    lasts_ms = min(max(span.end_ms - span.start_ms, 0), LONGEST_PIECE_MS)
    if facts.kind is Kind.LIVE:
        return 2 * edge_ms
    if facts.vouched:
        return 2 * max(edge_ms, 3 * lasts_ms) + 2 * lasts_ms
    return 2 * edge_ms + 2 * min(lasts_ms, edge_ms // 3)


def _within(span: Span, early_ms: int, warrant: Warrant) -> Reason | None:
    """None where a window holds the span, less what of its beginning is only rounded down."""
    if warrant.windows.contain(Span(span.start_ms + early_ms, span.end_ms)):
        return None
    return Reason.PARTLY_OUTSIDE_WINDOW if warrant.windows.overlap(span) else Reason.OUTSIDE_WINDOW
