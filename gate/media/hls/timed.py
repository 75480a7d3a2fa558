"""Tags with a time of their own: date ranges, and hints at what comes next."""

from __future__ import annotations

from typing import Final

from gate.core.allowed import Allowed
from gate.core.windows import ALWAYS_MS, Span
from gate.media.hls.dates import instant_us
from gate.media.hls.lines import attributes, microseconds
from gate.media.hls.reading import UNKNOWN, Reading
from gate.media.hls.timeline import Timeline, span_of

# Interstitials before and after all that is played, wherever that begins and ends (RFC 8216bis, appendix D).
_ANYWHERE: Final = frozenset({b"PRE", b"POST"})


def dateranges_outside(read: Reading, allowed: Allowed) -> list[int]:
    """The lines of the date ranges that may not be seen.

    Tags with one ID are about one range, and one of them may say what another leaves out.
    """
    ranges: dict[bytes | int, dict[bytes, bytes]] = {}
    names: dict[int, bytes | int] = {}
    for at in read.pinned.get(b"#EXT-X-DATERANGE", ()):
        said = attributes(read.lines[at])
        names[at] = said.get(b"ID", at)
        ranges.setdefault(names[at], {}).update(said)
    kept = {name for name, said in ranges.items() if _keeps_daterange(said, allowed)}
    return [at for at, name in names.items() if name not in kept]


def _keeps_daterange(said: dict[bytes, bytes], allowed: Allowed) -> bool:
    """Whether any of a date range may be seen. One without an end may last until today."""
    if not _ANYWHERE.isdisjoint(said.get(b"CUE", b"").split(b",")) and allowed.spans:
        return True
    start = instant_us(said.get(b"START-DATE", b""))
    if start is None:
        return allowed.undated
    end = instant_us(said.get(b"END-DATE", b""))
    duration = microseconds(said.get(b"DURATION"))
    if end is None and duration is not None:
        end = start + duration
    span = Span(start // 1000, ALWAYS_MS if end is None else max(start, end) // 1000)
    return any(span.overlaps(one) or span.within(one) for one in allowed.spans)


def part_target_us(read: Reading) -> int:
    """The longest that a part can be; 0 where the playlist does not say."""
    said = [attributes(read.lines[at]) for at in read.pinned.get(b"#EXT-X-PART-INF", ())]
    return next((microseconds(one.get(b"PART-TARGET")) or 0 for one in said), 0)


def hint_span(read: Reading, timeline: Timeline) -> Span | None:
    """The time of the part that comes next, as long as a part can be; None where nobody knows."""
    start, passed = timeline.start_us(read.count), read.durations_us[read.count]
    if start is None or passed == UNKNOWN:
        return None
    return span_of(start + passed, part_target_us(read))


def keeps_hint(read: Reading, timeline: Timeline, at: int, allowed: Allowed) -> bool:
    """Whether a hint is at something that may be seen. A map is on no timeline."""
    if attributes(read.lines[at]).get(b"TYPE") == b"MAP":
        return True
    return allowed.keeps(hint_span(read, timeline), assumed=read.count >= timeline.assumed)
