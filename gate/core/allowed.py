"""What of a timeline a viewer may see: rights and windows against the newest entry of its manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gate.core.media import Kind
from gate.core.reasons import Deny, Reason
from gate.core.timeline import LONGEST_PIECE_MS
from gate.core.token import Rights
from gate.core.windows import ALWAYS_MS, UNBOUNDED, Span, Windows

_TARGETS: Final = 3


@dataclass(frozen=True, slots=True)
class Allowed:
    """The spans that may be seen.

    `live` is that of them which is due to the right to live. Where the manifest is `placed` at the live edge,
    an entry whose time is told by its place alone is measured against that one. What ends after `until_ms` is
    too young as yet. `strict` asks that an entry lie within a span, not merely overlap it. `undated` entries,
    of a time that nobody knows, are seen only where every time is allowed.
    """

    windows: Windows
    live: Span | None = None
    until_ms: int = ALWAYS_MS
    strict: bool = False
    undated: bool = False
    placed: bool = False

    @property
    def everything(self) -> bool:
        """Whether there is nothing to clip."""
        return self.undated and self.windows.unbounded and self.until_ms == ALWAYS_MS

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is allowed now, in order."""
        return self.windows.cut(Span(-ALWAYS_MS, self.until_ms))

    @property
    def steady(self) -> Allowed:
        """What of a manifest that goes on is shown: no window that a growing gap parts from the live edge.

        The gap would take one more entry each time that the manifest is read, and move the numbers of all that
        is before it, by which players know what they have.
        """
        if self.live is None:
            return self
        spans = self.windows.spans
        edge = next((at for at, span in enumerate(spans) if span.end_ms > self.live.start_ms), 0)
        if not edge or spans[edge].start_ms < self.live.start_ms:
            return self
        return replace(self, windows=Windows(spans[edge:]))

    @property
    def ripe(self) -> Allowed:
        """What will be allowed once nothing is too young any more."""
        return replace(self, until_ms=ALWAYS_MS)

    def keeps(self, span: Span | None, *, assumed: bool = False) -> bool:
        """Whether an entry of that time stays; it is `assumed` where its place alone tells it."""
        if span is None or assumed:
            live = span is not None and self.placed and self.live is not None and self.live.overlaps(span)
            return self.undated or live
        if span.end_ms > self.until_ms:
            return False
        if self.windows.contain(span):
            return True
        # What is longer must lie within, as when it is fetched.
        short = span.end_ms - span.start_ms <= LONGEST_PIECE_MS
        return short and not self.strict and self.windows.overlap(span)


NOTHING: Final = Allowed(Windows(()))
EVERYTHING: Final = Allowed(UNBOUNDED, undated=True)


def allow(
    rights: Rights,
    windows: Windows,
    asked: Kind | None,
    *,
    edge_ms: int,
    now_ms: int,
    newest_ms: int | None = None,
    target_ms: int | None = None,
    strict: bool = False,
    span: Span | None = None,
) -> Allowed:
    """What may be seen of a manifest that was `asked` for as of that kind, and for that `span` of the archive,
    where its URL says one.

    The live edge is the last `edge_ms` before the end of its newest entry (`newest_ms`), because cameras'
    clocks are wrong; by the clock (`now_ms`) where nothing is dated, and in an archive, whose newest entry may
    be of any age. It is never shorter than three target durations (RFC 8216, section 6.2.2).

    - Live: what is at the edge with the right to live, what is older in a window with the right to the archive.
      Without the right to live nothing at the edge, not even a part of an entry.
    - Archive: what is in a window; without the right to live nothing at the edge. What has no date is of the
      time that was asked for: it may be seen where all of that may be.
    - Copy: what lies within a window.
    - Of no kind: as live, by the clock; but its URL may have shifted it, so no place in it tells a time.
    """
    if asked is Kind.OBJECT or (rights.full and windows.unbounded):
        return EVERYTHING
    if asked is Kind.COPY:
        return Allowed(windows, strict=True, undated=windows.unbounded) if rights.copy else NOTHING
    edge_ms = max(edge_ms, _TARGETS * min(target_ms or 0, LONGEST_PIECE_MS))
    if asked is Kind.DVR:
        if not rights.dvr:
            return NOTHING
        until_ms = ALWAYS_MS if rights.live else now_ms - edge_ms
        undated = windows.unbounded or (span is not None and windows.contain(span) and span.end_ms <= until_ms)
        return Allowed(windows, until_ms=until_ms, strict=strict, undated=undated)
    newest_ms = now_ms if newest_ms is None or asked is not Kind.LIVE else newest_ms
    at_ms = newest_ms - edge_ms
    archive = windows.spans if rights.dvr else ()
    if not rights.live:
        # A segment that says its time itself is measured by our clock when it is fetched.
        return Allowed(Windows(archive), until_ms=min(at_ms, now_ms - edge_ms), strict=strict)
    live = Span(at_ms, ALWAYS_MS)
    undated = rights.dvr and windows.unbounded
    spans, placed = Windows.of((*archive, live)), asked is Kind.LIVE
    return Allowed(spans, live=live, strict=strict, undated=undated, placed=placed)


def refuse_nothing(allowed: Allowed, *, held: Span | None, grows: bool) -> Deny | None:
    """Why a manifest of which nothing may be seen is refused; None where it is handed out without entries.

    `held` is the time that its entries span, None where nobody knows it; `grows`, whether more will come.
    Without entries it stands where a window has not begun, or holds nothing that was recorded.
    """
    if held is None:
        return Deny(Reason.TIME_UNKNOWN, "the manifest does not say the time of its segments")
    spans = allowed.windows.spans
    comes = grows and any(span.end_ms > held.end_ms for span in spans)
    if comes or any(span.overlaps(held) for span in spans):
        return None
    asked = {"from": held.start_ms / 1000, "to": held.end_ms / 1000}
    return Deny(Reason.OUTSIDE_WINDOW, "nothing of what the manifest lists may be seen", (("recorded", asked),))
