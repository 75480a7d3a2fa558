"""What of a manifest a viewer sees and does not see, entry by entry, and why: for people who ask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gate.core.allowed import EVERYTHING, Allowed
from gate.core.reasons import Deny, Reason
from gate.core.timeline import LONGEST_PIECE_MS
from gate.core.token import Warrant
from gate.core.verdicts import Place
from gate.core.windows import Span
from gate.media import dash, hls
from gate.media.dash.entries import Place as Spot
from gate.media.dash.markup import Element
from gate.media.dash.tracks import Period, Track
from gate.media.handing import allowed_of, is_mpd, read_dash, time_of_uris
from gate.media.links import ForeignUriError, Links

# Of what is only counted there may be any number: so many of each track are listed, the newest.
_MOST: Final = 10_000


class Why(Enum):
    """Why an entry is kept, or is not."""

    ALL = "all of the manifest may be seen"
    LIVE = "it is at the live edge"
    WITHIN = "it lies within a window"
    OVERLAPS = "it shares time with a window"
    UNDATED = "nobody knows its time, and every time that it can be of is allowed"
    YOUNG = "it is at the live edge, which the token may not see"
    LONG = "it is longer than a segment may be that lies across the edge of a window"
    ACROSS = "it lies across the edge of a window (window_edge: strict)"
    OUTSIDE = "it is older than the live edge, and in no window that the token may see"
    PARTED = (
        "its window lies apart from the live edge, and the gap would grow: ask for the window by its own URL"
    )
    UNKNOWN = "nobody knows its time"


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment that a manifest lists: its name there, its time (None: unknown), and what becomes of it."""

    name: str
    span: Span | None
    kept: bool
    why: Why


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a manifest in its order, but for so many `older` ones. `form` is what it is, in words."""

    form: str
    entries: tuple[Entry, ...] = ()
    older: int = 0


def list_entries(
    body: bytes, place: Place, warrant: Warrant | None, links: Links, now: float
) -> Listing | Deny:
    """What a viewer sees of the origin's answer to a request at `place`; `warrant` None: all of it."""
    now_ms = int(now * 1000)
    try:
        if hls.is_playlist(body):
            return _list_hls(body, place, warrant, links, now_ms)
        if is_mpd(body):
            return _list_dash(body, place, warrant, now_ms)
    except (hls.PlaylistError, dash.MpdError) as error:
        return Deny(Reason.MANIFEST_INVALID, str(error))
    except ForeignUriError:
        return Deny(Reason.FOREIGN_URI)
    return Listing("no manifest")


def _list_hls(body: bytes, place: Place, warrant: Warrant | None, links: Links, now_ms: int) -> Listing:
    playlist = hls.read_playlist(body, time_of=time_of_uris(body, place, links), now_ms=now_ms)
    if playlist.form is hls.Form.MASTER:
        return Listing("an HLS multivariant playlist")
    allowed = _allowed(place, warrant, now_ms, playlist.newest_ms, playlist.target_ms)
    entries = []
    for number in range(playlist.entries):
        span, assumed = playlist.timeline.span(number), number >= playlist.timeline.assumed
        kept, why = _judge(allowed, span, assumed=assumed, goes_on=not playlist.ended)
        name = playlist.read.uri(number).decode("utf-8", "replace")
        entries.append(Entry(name, None if assumed else span, kept, why))
    return Listing("an HLS media playlist", tuple(entries))


def _list_dash(body: bytes, place: Place, warrant: Warrant | None, now_ms: int) -> Listing:
    presentation = read_dash(body, place, now_ms)
    allowed = _allowed(place, warrant, now_ms, presentation.newest_ms, presentation.target_ms)
    entries, older = [], 0
    for period in presentation.periods:
        tracks = period.tracks()
        if tracks is None:
            span = None if presentation.epoch_us is None else presentation.span(period)
            kept, why = _judge(allowed, span, goes_on=presentation.dynamic)
            entries.append(Entry(f"all of the period {_id(period.element)}", span, kept, why))
        for track in tracks or ():
            found, left_off = _segments(presentation, period, track)
            older += left_off
            for at, span in found:
                kept, why = _judge(allowed, span, goes_on=presentation.dynamic)
                entries.append(Entry(f"{','.join(map(_id, track.representations))}:{at}", span, kept, why))
    form = f"a {'dynamic' if presentation.dynamic else 'static'} DASH MPD"
    return Listing(form, tuple(entries), older)


def _segments(
    presentation: dash.Presentation, period: Period, track: Track
) -> tuple[list[tuple[int, Span | None]], int]:
    """The newest segments that a player may ask for: when each begins, in ticks, and its time; and how many
    older ones there are."""
    entries = presentation.entries(period, track)
    listed = presentation.listed(period, track, entries)
    if listed is None:
        return [], 0
    places: list[Spot] = []
    at = listed.last
    while at >= listed.first and len(places) < _MOST:
        places.append(at)
        at = entries.previous(at)
    base_us = None if presentation.epoch_us is None else presentation.epoch_us + period.start_us
    found = [
        (
            entries.start(at),
            None if base_us is None else track.span(base_us, entries.start(at), entries.end(at)),
        )
        for at in reversed(places)
    ]
    return found, entries.count(places[-1]) - entries.count(listed.first)


def _id(element: Element) -> str:
    return element.attributes.get("id", "?")


def _allowed(
    place: Place, warrant: Warrant | None, now_ms: int, newest_ms: int | None, target_ms: int | None
) -> Allowed:
    return EVERYTHING if warrant is None else allowed_of(place, warrant, now_ms, newest_ms, target_ms)


def _judge(allowed: Allowed, span: Span | None, *, assumed: bool = False, goes_on: bool) -> tuple[bool, Why]:
    """Whether an entry is kept by a manifest that `goes_on` or is complete, and why."""
    shown = allowed.steady if goes_on else allowed
    if shown.keeps(span, assumed=assumed):
        return True, _why_kept(shown, span, assumed)
    if allowed.keeps(span, assumed=assumed):
        return False, Why.PARTED
    return False, _why_not(allowed, span, assumed)


def _why_kept(allowed: Allowed, span: Span | None, assumed: bool) -> Why:
    if allowed.everything:
        return Why.ALL
    if span is not None and allowed.live is not None and allowed.live.overlaps(span):
        return Why.LIVE
    if span is None or assumed:
        return Why.UNDATED
    return Why.WITHIN if allowed.windows.contain(span) else Why.OVERLAPS


def _why_not(allowed: Allowed, span: Span | None, assumed: bool) -> Why:
    if span is None or assumed:
        return Why.UNKNOWN
    if span.end_ms > allowed.until_ms:
        return Why.YOUNG
    if not allowed.windows.overlap(span):
        return Why.OUTSIDE
    return Why.LONG if span.end_ms - span.start_ms > LONGEST_PIECE_MS else Why.ACROSS
