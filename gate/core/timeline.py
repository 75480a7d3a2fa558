"""Time: what of a stream's timeline a token allows, and how much of it.

`live`, `dvr` and `copy` are rights to kinds of viewing, windows bound the archive. What a URL addresses comes
from its origin's layout; where the time of it is not known, only a token that may see all of it sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.core.media import Facts, Kind, Role
from gate.core.reasons import Reason
from gate.core.token import Warrant
from gate.core.windows import ALWAYS_MS, Moving, Span

_PIECES: Final = frozenset({Role.SEGMENT, Role.IMAGE})
# Longer than any segment that a player is given.
_LONGEST_PIECE_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left to a stream: until when it may run (Unix seconds), and how much of it may be sent."""

    until: float
    media_ms: int


def check_time(
    warrant: Warrant, facts: Facts, live_edge_s: float, now: float, *, strict: bool = False
) -> Reason | None:
    """None where rights and windows allow the time that the URL addresses. Objects are on no timeline.

    A dated segment is live while it is young. It leaves a playlist trimmed to the live edge at the age of
    that edge, and must stay fetchable for the playlist's duration after that (RFC 8216, section 6.2.2):
    twice the edge in all. Without the right to live it is withheld until it is as old as the edge. A stream
    that begins later than that, or catches up with what is younger, is the live one under another name.

    A segment or an image is a few seconds, which a player needs whole: that it overlaps a window suffices,
    unless `strict`. Its length is the client's word, which an origin that looks for its beginning only does
    not check: one of minutes is no segment. A stream that goes on at the speed of the clock begins in a window
    and is stopped at its end (`remains`). Whatever else is longer must lie within.
    """
    rights, windows = warrant.rights, warrant.windows
    if facts.kind is Kind.OBJECT or warrant.unrestricted:
        return None
    if facts.kind is Kind.LIVE:
        return None if rights.live else Reason.LIVE_NOT_GRANTED
    if facts.kind is Kind.COPY and not rights.copy:
        return Reason.COPY_NOT_GRANTED
    if facts.kind is Kind.DVR and not rights.dvr:
        return Reason.DVR_NOT_GRANTED
    if facts.span is None:
        # Where every time of this kind is allowed, it does not matter which it is.
        return None if facts.kind is not None and windows.unbounded else Reason.TIME_UNKNOWN
    now_ms, edge_ms = int(now * 1000), int(live_edge_s * 1000)
    span = facts.span.at(now_ms)
    if facts.kind is None:
        if rights.live and now_ms - min(span.end_ms, span.start_ms + _LONGEST_PIECE_MS) < 2 * edge_ms:
            return None
        if not rights.live and now_ms - span.end_ms < edge_ms:
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
    piece = facts.role in _PIECES and span.end_ms - span.start_ms <= _LONGEST_PIECE_MS
    if facts.kind is Kind.COPY or not piece or strict:
        return _within(span, warrant)
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


def _within(span: Span, warrant: Warrant) -> Reason | None:
    if warrant.windows.contain(span):
        return None
    return Reason.PARTLY_OUTSIDE_WINDOW if warrant.windows.overlap(span) else Reason.OUTSIDE_WINDOW
