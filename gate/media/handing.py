"""A manifest as a viewer gets it: clipped to what the token allows, its URIs handed out in the session.

The same for a gate that serves it and for an operator who asks what it would serve. HLS or DASH, by its first
bytes: an origin's error page is not ours to edit, whatever its type says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from gate.core.allowed import EVERYTHING, Allowed, allow, refuse_nothing
from gate.core.marks import ByteRange, Mark, rounded, rounded_lag
from gate.core.media import Facts, Kind, Role
from gate.core.reasons import Deny, Reason
from gate.core.timeline import check_time
from gate.core.token import Warrant
from gate.core.verdicts import Place
from gate.core.windows import Span
from gate.media import dash, hls
from gate.media.links import ForeignUriError, Links

# Of what only its place tells the time, the mark is made anew this often.
_ASSUMED_S: Final = 60
# Where the root element of an MPD must have begun.
_HEAD: Final = 65536
_MPD: Final = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?MPD[\s/>]")
_UNCLIPPED: Final = {
    dash.Unclipped.UNKNOWN: (Reason.TIME_UNKNOWN, "the MPD does not say the time of its segments"),
    dash.Unclipped.EARLY: (Reason.OUTSIDE_WINDOW, "nothing of what the MPD lists may be seen as yet"),
    dash.Unclipped.NOTHING: (Reason.OUTSIDE_WINDOW, "nothing of what the MPD lists may be seen"),
}
_TIMELESS: Final = frozenset({hls.Place.KEY, hls.Place.MAP, hls.Place.OTHER})


@dataclass(frozen=True, slots=True)
class Handed:
    """What is handed out. Of so many `entries` so many are `kept`; what was `allowed` is None where nothing
    was cut."""

    body: bytes
    entries: int
    kept: int
    allowed: Allowed | None = None


def hand_out(
    body: bytes, place: Place, warrant: Warrant | None, links: Links, now: float
) -> Handed | Deny | hls.Incomplete:
    """The origin's answer to a request at `place` as the viewer gets it.

    `warrant` None: all of it may be seen. Incomplete: a delta update that cannot be cut; the whole playlist
    must be asked for.
    """
    try:
        if hls.is_playlist(body):
            return _hand_out_hls(body, place, warrant, links, now)
        if is_mpd(body):
            return _hand_out_dash(body, place, warrant, links, now)
    except ForeignUriError:
        return Deny(Reason.FOREIGN_URI)
    except (hls.PlaylistError, dash.MpdError) as error:
        return Deny(Reason.MANIFEST_INVALID, str(error))
    if warrant is None or not body or _is_page(body):
        return Handed(body, 0, 0)
    # What cannot be cut is served where its URL says that all of it may be seen.
    facts = replace(place.facts, role=Role.OTHER)
    if check_time(warrant, facts, place.rule.live_edge_s, now) is None:
        return Handed(body, 0, 0)
    return Deny(Reason.TIME_UNKNOWN, "the origin's answer is no manifest whose time can be read")


def _hand_out_hls(
    body: bytes, place: Place, warrant: Warrant | None, links: Links, now: float
) -> Handed | Deny | hls.Incomplete:
    links.variables = _variables(body, place)
    if warrant is None:
        playlist = hls.read_playlist(body)
        allowed = EVERYTHING
        mark = hls.rebasing(links.hand_out)
    else:
        now_ms = int(now * 1000)
        playlist = hls.read_playlist(body, time_of=time_of_uris(body, place, links), now_ms=now_ms)
        allowed = allowed_of(place, warrant, now_ms, playlist.newest_ms, playlist.target_ms)
        allowed = allowed if playlist.ended else allowed.steady
        mark = _marking(place.facts, allowed, links, now_ms, playlist.newest_ms)
    clipped = hls.clip(playlist, allowed, mark)
    if isinstance(clipped, hls.Incomplete):
        return clipped
    if clipped.entries and not clipped.kept:
        # Where their places alone tell the times of all entries, nobody knows them.
        held = playlist.held if playlist.timeline.assumed else None
        refusal = refuse_nothing(allowed, held=held, grows=not playlist.ended)
        if refusal is not None:
            return refusal
    return Handed(clipped.body, clipped.entries, clipped.kept, None if allowed.everything else allowed)


def read_dash(body: bytes, place: Place, now_ms: int, *, anywhere: bool = False) -> dash.Presentation:
    """The MPD, at that time. Raises MpdError.

    One that does not say when it began, began with the span that was asked for, or at some time or other, where
    that does not matter (`anywhere`).
    """
    span = place.facts.span
    origin_ms = span.start_ms if isinstance(span, Span) else (0 if anywhere else None)
    return dash.read_mpd(body, now_ms=now_ms, origin_ms=origin_ms)


def _hand_out_dash(
    body: bytes, place: Place, warrant: Warrant | None, links: Links, now: float
) -> Handed | Deny:
    now_ms, allowed, seal, mark = int(now * 1000), None, None, None
    presentation = read_dash(body, place, now_ms)
    if warrant is not None:
        allowed = allowed_of(place, warrant, now_ms, presentation.newest_ms, presentation.target_ms)
        allowed = allowed.steady if presentation.dynamic else allowed
        if allowed.undated:
            presentation = read_dash(body, place, now_ms, anywhere=True)
        clipped = dash.clip(presentation, allowed)
        if isinstance(clipped, dash.Unclipped):
            return Deny(*_UNCLIPPED[clipped])
        body, newest_ms = clipped, presentation.newest_ms
        lag_ms = 0
        if place.facts.kind is Kind.LIVE and allowed.live is not None and newest_ms is not None:
            lag_ms = rounded_lag(now_ms - newest_ms)
        seal, mark = _sealing(links, lag_ms)
        presentation = read_dash(body, place, now_ms, anywhere=allowed.undated)
    base = (place.asked or place.target).path
    body = dash.rewrite(presentation, dash.Links(links.under_link, links.prefix, base, seal, mark))
    if links.appends:
        body = dash.rewrite(dash.read_mpd(body, now_ms=now_ms), dash.Links(links.append, links.prefix, base))
    if (home := links.home) is not None:
        body = dash.settle(dash.read_mpd(body, now_ms=now_ms), home, bases=bool(links.prefix))
    return Handed(body, 0, 0, allowed)


def _sealing(links: Links, lag_ms: int) -> tuple[dash.Seal | None, dash.Mark | None]:
    """What seals the templates of an MPD, and marks what has a URL of its own."""
    if links.seal(b"", lag_ms) is None:
        return None, None

    def seal(facts: dash.Facts) -> bytes:
        return links.seal(facts.pack(), lag_ms) or b""

    def mark(uri: bytes, path: str, span: Span | None, byterange: ByteRange | None) -> bytes:
        said = Mark(Role.OTHER, Kind.OBJECT, range=byterange)
        if span is not None:
            said = Mark(Role.SEGMENT, None, rounded(span), byterange, lag_ms)
        return links.mark_path(uri, path, said)

    return seal, mark


def is_mpd(body: bytes) -> bool:
    """Whether the whole body is an MPD, as far as its root element tells."""
    return is_manifest(body) == "dash" and _MPD.search(body[:_HEAD]) is not None


def is_manifest(head: bytes) -> str | None:
    """What an answer may be that begins so: "hls", "dash", or None for neither."""
    if hls.is_playlist(head):
        return "hls"
    return "dash" if _trimmed(head).startswith(b"<") and not _is_page(head) else None


def allowed_of(
    place: Place, warrant: Warrant, now_ms: int, newest_ms: int | None, target_ms: int | None = None
) -> Allowed:
    """What of a manifest at `place` may be seen."""
    facts, rule = place.facts, place.rule
    span = None if facts.span is None else facts.span.at(now_ms)
    if span is not None:
        # What its clients can only round down begins where they meant.
        span = Span(span.start_ms + facts.early_ms, span.end_ms)
    return allow(
        warrant.rights,
        warrant.windows,
        facts.kind,
        edge_ms=int(rule.live_edge_s * 1000),
        now_ms=now_ms,
        newest_ms=newest_ms,
        target_ms=target_ms,
        strict=rule.strict_windows,
        span=span,
    )


def time_of_uris(body: bytes, place: Place, links: Links) -> hls.TimeOf | None:
    """What reads the time from a segment's own URL, if the first one of the playlist says it."""

    def time_of(uri: bytes) -> Span | None:
        target = links.target_of(links.hand_out(uri))
        if target is None:
            return None
        facts = place.rule.layout.read(target, place.rule.pattern.match(target.segments) or {})
        return facts.span if isinstance(facts.span, Span) else None

    lines = (line.strip() for line in body.removeprefix(b"\xef\xbb\xbf").splitlines())
    first = next((line for line in lines if line and not line.startswith(b"#")), None)
    return None if first is None or time_of(first) is None else time_of


def _variables(body: bytes, place: Place) -> dict[str, str]:
    """What the playlist's variables stand for, less those of another playlist."""
    if b"#EXT-X-DEFINE" not in body:
        return {}
    asked = dict((place.asked or place.target).pairs())
    found = {}
    for line in body.splitlines():
        if line.startswith(b"#EXT-X-DEFINE:"):
            said = {name.decode(): value.decode("utf-8", "replace") for name, value in hls.quoted(line)}
            if "NAME" in said and "VALUE" in said:
                found[said["NAME"]] = said["VALUE"]
            elif "QUERYPARAM" in said and said["QUERYPARAM"] in asked:
                found[said["QUERYPARAM"]] = asked[said["QUERYPARAM"]]
    return found


def _marking(facts: Facts, allowed: Allowed, links: Links, now_ms: int, newest_ms: int | None) -> hls.Mark:
    """What marks the URIs of a playlist that was asked for as `facts` say."""
    # Cameras' clocks are wrong: how old a live segment is, is measured by its stream's own.
    behind = facts.kind is Kind.LIVE and allowed.live is not None and newest_ms is not None
    lag_ms = rounded_lag(now_ms - newest_ms) if behind and newest_ms is not None else 0
    span_asked = facts.span if isinstance(facts.span, Span) else None
    # A copy takes a right of its own, whatever its time.
    kind = Kind.COPY if facts.kind is Kind.COPY else None
    undated = Mark(Role.SEGMENT, kind or Kind.DVR, span_asked)
    if not allowed.undated:
        undated = Mark(Role.SEGMENT, Kind.LIVE, rounded(Span(now_ms, now_ms), _ASSUMED_S))

    def mark(uri: bytes, span: Span | None, byterange: ByteRange | None, place: hls.Place) -> bytes:
        if place is hls.Place.PLAYLIST:
            said = Mark(Role.MANIFEST, facts.kind, None if facts.kind is Kind.LIVE else span_asked)
        elif place in _TIMELESS:
            said = Mark(Role.OTHER, Kind.OBJECT, range=byterange)
        elif span is None:
            said = replace(undated, range=byterange)
        else:
            said = Mark(Role.SEGMENT, kind, rounded(span), byterange, lag_ms)
        return links.hand_out(uri, said)

    return mark


def _is_page(body: bytes) -> bool:
    """Whether this is a page for people."""
    return _trimmed(body)[:14].lower().startswith((b"<!doctype html", b"<html"))


def _trimmed(body: bytes) -> bytes:
    return body[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
