"""An MPD that is clipped lists what is allowed of it, and only that, to a reader that knows nothing of ours.

And what is sealed in it tells the time of every segment that this reader finds, and of no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import lcm
from random import Random
from typing import NamedTuple
from xml.etree import ElementTree

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gate.core.allowed import Allowed
from gate.core.windows import ALWAYS_MS, Span, Windows
from gate.media.dash import Facts, Links, Unclipped, clip, read_mpd, rewrite

NOW_S = 1_700_000_000
LONG_S = 100
START_S = NOW_S - LONG_S
EPOCH = "2023-11-14T22:11:40Z"  # START_S
SCALES = (1, 1000, 90000, 48000, 12288, 44100, 10_000_000, 7)
UNITS = lcm(*SCALES)


class Segment(NamedTuple):
    """A segment as a player sees it: when it is, in UNITS of a second of Unix time, and how it is asked for."""

    track: str
    start: int
    end: int
    name: str


def seconds(duration: str) -> Fraction:
    """PT...S, PT...M and PT...H are all that the documents here have."""
    total, rest = Fraction(0), duration.removeprefix("PT")
    for unit, length in (("H", 3600), ("M", 60), ("S", 1)):
        value, mark, after = rest.partition(unit)
        if mark:
            total, rest = total + Fraction(value) * length, after
    assert not rest
    return total


class Reading(NamedTuple):
    """A representation, behind the elements that it is in, and what is known of its Period and the clock."""

    chain: list[ElementTree.Element]
    end: Fraction | None
    start: Fraction
    epoch: Fraction
    now_s: int | None
    buffer: Fraction | None


def readings(body: bytes, now_s: int = NOW_S) -> Iterator[tuple[int, Reading]]:
    """Every representation, with the number of its Period."""
    root = ElementTree.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    since = datetime.fromisoformat(root.attrib["availabilityStartTime"]) - datetime(1970, 1, 1, tzinfo=UTC)
    epoch = Fraction(since // timedelta(microseconds=1), 1_000_000)
    dynamic = root.get("type") == "dynamic"
    buffer = seconds(root.get("timeShiftBufferDepth", "PT1000000S")) if dynamic else None
    periods = root.findall("Period")
    starts: list[Fraction] = []
    for period in periods:
        lasts = seconds(periods[len(starts) - 1].get("duration", "PT0S")) if starts else Fraction(0)
        before = starts[-1] + lasts if starts else Fraction(0)
        starts.append(seconds(period.attrib["start"]) if "start" in period.attrib else before)
    total = root.get("mediaPresentationDuration")
    for at, (period, start) in enumerate(zip(periods, starts, strict=True)):
        ends = [starts[at + 1]] if at + 1 < len(periods) else [seconds(total)] if total else []
        if "duration" in period.attrib:
            ends.append(start + seconds(period.attrib["duration"]))
        end = max(ends) if ends else None
        assert end is None or end >= start
        for adaptation in period.findall("AdaptationSet"):
            for representation in adaptation.findall("Representation"):
                chain = [period, adaptation, representation]
                yield at, Reading(chain, end, start, epoch, now_s if dynamic else None, buffer)


def listed(body: bytes, now_s: int = NOW_S) -> set[Segment]:
    """Every segment that a player may ask for, expanded one by one."""
    found: set[Segment] = set()
    for at, reading in readings(body, now_s):
        for each in expand(*reading):
            assert each not in found or at
            found.add(each)
    return found


def expand(
    chain: list[ElementTree.Element],
    end: Fraction | None,
    start: Fraction,
    epoch: Fraction,
    now_s: int | None,
    buffer: Fraction | None,
) -> set[Segment]:
    levels = [level for one in chain for level in one if level.tag in ("SegmentTemplate", "SegmentList")]
    attributes = {name: value for level in levels for name, value in level.attrib.items()}
    timelines = [level.find("SegmentTimeline") for level in levels if level.find("SegmentTimeline") is not None]
    urls = [url.attrib["media"] for level in levels for url in level.findall("SegmentURL")]
    scale, offset = int(attributes.get("timescale", 1)), int(attributes.get("presentationTimeOffset", 0))
    number = int(attributes.get("startNumber", 1))
    base = epoch + start
    if timelines:
        assert "duration" not in attributes
        times: list[tuple[int, int]] = []
        at = 0
        entries = list(timelines[-1] or [])
        assert entries
        for index, entry in enumerate(entries):
            at = int(entry.get("t", at))
            again, length = int(entry.get("r", 0)), int(entry.attrib["d"])
            if again < 0:
                until = offset + (
                    (Fraction(now_s) - base if end is None and now_s else (end or 0) - start) * scale
                )
                if now_s is not None and end is not None:
                    until = offset + (min(Fraction(now_s) - epoch, end) - start) * scale
                if index + 1 < len(entries):
                    until = Fraction(entries[index + 1].attrib["t"])
                again = -int((at - until) // length) - 1
            for _ in range(again + 1):
                times.append((at, length))
                at += length
    else:
        length = int(attributes["duration"])
        limit = end if now_s is None else min(Fraction(now_s) - epoch, end or Fraction(10**9))
        assert limit is not None
        ticks = (limit - start) * scale
        count = -int(-ticks // length)
        if now_s is not None and (end is None or end >= Fraction(now_s) - epoch):
            count = int(ticks // length)
        count = len(urls) if urls else count
        if "endNumber" in attributes:
            count = min(count, int(attributes["endNumber"]) - number + 1)
        times = [(offset + step * length, length) for step in range(count)]
        if buffer is not None and now_s is not None and not urls:
            oldest = (Fraction(now_s) - buffer - base) * scale + offset
            times = [(at, length) for at, length in times if at + length > oldest]
            number += len(range(count)) - len(times)
    found = set()
    for index, (at, length) in enumerate(times):
        name = attributes.get("media", "").replace("$Number$", str(number + index)).replace("$Time$", str(at))
        begin = int(base * UNITS) + (at - offset) * (UNITS // scale)
        name = urls[index] if urls else name
        found.add(Segment(chain[-1].attrib["id"], begin, begin + length * (UNITS // scale), name))
    return found


def timelines(rng: Random, length: Fraction, scale: int, offset: int, open_end: bool) -> str:
    """A SegmentTimeline of about that length, with jumps and little overlaps."""
    explicit = rng.choice(["all", "first", "some"])
    at = offset + rng.randint(-scale, 3 * scale)
    at = max(0, at)
    width = rng.random() < 0.5
    text, end, first, duration = [], offset + int(length * scale), True, 0
    while not text or (at < end and len(text) < 30):
        overlap = -(duration // 4)
        duration = max(1, rng.randint(1, 4) * scale - rng.choice([0, 0, 1, scale // 3]))
        again = rng.choice([0, 0, 1, 2, 9])
        jump = rng.choice([0, 0, 0, 0, scale, 5 * scale, overlap]) if not first else 0
        at += jump
        said = first or jump or explicit == "all" or (explicit == "some" and (rng.random() < 0.5))
        t = f' t="{at}"' if said else ""
        r = f' r="{again}"' if again or rng.randint(0, 5) == 0 else ""
        text.append(f'<S{t} d="{duration}"{r}{" " if width else ""}/>')
        at += duration * (again + 1)
        first = False
    if open_end and at < end + scale:
        text.append(f'<S t="{at}" d="{2 * scale}" r="-1"/>')
    glue = rng.choice(["", "\n   ", "<!-- x -->"])
    return f"<SegmentTimeline>{glue}{glue.join(text)}{glue}</SegmentTimeline>"


def tracks(rng: Random, name: int, length: Fraction, open_end: bool) -> str:
    scale = rng.choice(SCALES)
    offset = rng.choice([0, 0, 5 * scale, 123457])
    attributes = f' timescale="{scale}"' if scale > 1 else ""
    attributes += f' presentationTimeOffset="{offset}"' if offset else ""
    number = rng.choice(["", ' startNumber="0"', ' startNumber="77"'])
    kind = rng.choice(["number", "time", "numbers", "list", "listed"])
    duration = rng.choice([2 * scale, 2 * scale + 1, 6 * scale - 1])
    inner = ""
    if kind in ("time", "numbers", "listed"):
        inner = timelines(rng, length, scale, offset, open_end and kind != "listed")
    if kind in ("list", "listed"):
        count = int(length * scale // duration) if kind == "list" else 99
        attributes += f' duration="{duration}"' if kind == "list" else ""
        urls = "".join(f'<SegmentURL media="s{at}.m4s"/>' for at in range(max(1, min(count, 99))))
        addressing = f"<SegmentList{attributes}>{inner}{urls}</SegmentList>"
    else:
        media = "$Time$.m4s" if kind == "time" else "$Number$.m4s"
        attributes += f' duration="{duration}"' if kind == "number" else ""
        if kind == "number" and rng.randint(0, 4) == 0:
            attributes += f' endNumber="{rng.randint(78, 120)}"'
        addressing = f'<SegmentTemplate media="{media}"{number}{attributes}>{inner}</SegmentTemplate>'
        addressing = addressing.replace("></SegmentTemplate>", "/>") if not inner else addressing
    inherited = rng.random() < 0.5
    above, below = (addressing, "") if inherited else ("", addressing)
    more = f'<Representation id="{name}b">{below}</Representation>' if (rng.random() < 0.5) else ""
    one = (
        f'<Representation id="{name}a">{below}</Representation>' if below else f'<Representation id="{name}a"/>'
    )
    return f"\n  <AdaptationSet>{above}{one}{more}</AdaptationSet>"


def documents(rng: Random) -> bytes:
    dynamic = rng.random() < 0.5
    count = rng.randint(1, 3)
    text, at = "", Fraction(rng.choice([0, 0, 30]) if dynamic else 0)
    attributes = (
        f' type="dynamic" availabilityStartTime="{EPOCH}"' if dynamic else f' availabilityStartTime="{EPOCH}"'
    )
    for index in range(count):
        last = index == count - 1
        length = Fraction(rng.randint(5, 80)) + rng.choice([0, Fraction(1, 2), Fraction(1, 3)])
        length = Fraction(int(length * 1000), 1000)
        open_end = dynamic and last and (rng.random() < 0.5)
        if dynamic and last:
            length = LONG_S - at if at < LONG_S else Fraction(9)
        said = (index == 0 and (dynamic or (rng.random() < 0.5))) or (index and (rng.random() < 0.5))
        start = f' start="PT{float(at)}S"' if said or dynamic else ""
        lasts = "" if dynamic and last else f' duration="PT{float(length)}S"'
        event_stream = '<EventStream timescale="9"/>' if (rng.random() < 0.5) else ""
        inner = "".join(tracks(rng, 1 + number, length, open_end) for number in range(rng.randint(1, 2)))
        text += f'\n <Period id="p{index}"{start}{lasts}>{event_stream}{inner}\n </Period>'
        at += length
    if dynamic:
        attributes += rng.choice(["", ' timeShiftBufferDepth="PT20S"', ' timeShiftBufferDepth="PT5.5S"'])
        attributes += rng.choice(["", ' minimumUpdatePeriod="PT2S"'])
    elif rng.random() < 0.5:
        attributes += f' mediaPresentationDuration="PT{float(at)}S"'
    namespace = 'xmlns="urn:mpeg:dash:schema:mpd:2011"'
    return f'<?xml version="1.0"?>\n<MPD {namespace}{attributes}>{text}\n</MPD>\n'.encode()


def windows(rng: Random) -> Windows:
    spans = []
    for _ in range(rng.randint(1, 3)):
        step = rng.choice([1, 1000])
        start, end = sorted(rng.randint(-20_000, 140_000) // step * step for _ in range(2))
        start = -ALWAYS_MS if rng.randint(0, 5) == 0 else START_S * 1000 + start
        end = ALWAYS_MS if rng.randint(0, 3) == 0 else START_S * 1000 + end
        spans.append(Span(start, end))
    return Windows.of(spans)


def permitted(segments: set[Segment], allowed: Allowed) -> set[Segment]:
    """The segments that may be seen, each asked for by itself."""
    return {
        segment
        for segment in segments
        if allowed.keeps(Span(segment.start * 1000 // UNITS, -(-segment.end * 1000 // UNITS)))
    }


def overlaps_another(one: Segment, segments: set[Segment]) -> bool:
    """Whether another segment of the track is on at the same time: then no list without a hole may hold it."""
    return any(
        other.track == one.track and other != one and max(other.start, one.start) < min(other.end, one.end)
        for other in segments
    )


# Documents are drawn from a seed: drawing them piece by piece takes more time than all the rest.
SEEDS = st.integers(0, 2**32)
UNTIL = st.sampled_from([ALWAYS_MS, (NOW_S - 8) * 1000])


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS, UNTIL, st.booleans())
def test_what_is_listed_is_what_is_allowed(seed: int, until_ms: int, strict: bool) -> None:
    rng = Random(seed)
    body, spans = documents(rng), windows(rng)
    allowed = Allowed(spans, until_ms=until_ms, strict=strict)
    clipped = clip(read_mpd(body, now_ms=NOW_S * 1000), allowed)
    expected = permitted(listed(body), allowed)
    if isinstance(clipped, Unclipped):
        event(str(clipped))
        assert clipped is not Unclipped.UNKNOWN
        assert not expected
        return
    event("whole" if clipped == body else "cut")
    left = listed(clipped)
    assert left <= expected
    assert not {one for one in expected - left if not overlaps_another(one, listed(body))}
    again = clip(read_mpd(clipped, now_ms=NOW_S * 1000), allowed)
    assert again == clipped


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_what_is_not_cut_stays_byte_for_byte(seed: int) -> None:
    presentation = read_mpd(documents(Random(seed)), now_ms=NOW_S * 1000)
    wide = Windows.of([Span((START_S - 10_000) * 1000, ALWAYS_MS)])
    assert clip(presentation, Allowed(wide)) is presentation.body


def ms(segment: Segment) -> Span:
    return Span(segment.start * 1000 // UNITS, -(-segment.end * 1000 // UNITS))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(SEEDS)
def test_what_is_sealed_tells_the_time_of_all_that_is_listed(seed: int) -> None:
    rng = Random(seed)
    body, allowed = documents(rng), Allowed(windows(rng))
    clipped = clip(read_mpd(body, now_ms=NOW_S * 1000), allowed)
    if isinstance(clipped, Unclipped):
        return
    handed: list[Facts] = []
    marked: dict[str, Span | None] = {}

    def seal(facts: Facts) -> bytes:
        unpacked = Facts.unpack(facts.pack())
        assert unpacked == facts
        handed.append(facts)
        return b"s%d" % (len(handed) - 1)

    def mark(uri: bytes, path: str, span: Span | None, byterange: object) -> bytes:
        marked[f"{len(marked)}{path}"] = span
        return b"%b?m=%d" % (uri, len(marked) - 1)

    links = Links(lambda uri: uri, "/_s/ticket", "/cam/index.mpd", seal, mark)
    sealed = rewrite(read_mpd(clipped, now_ms=NOW_S * 1000), links)
    for _, reading in readings(sealed):
        segments = expand(*reading)
        if any("?m=" in segment.name for segment in segments):
            for segment in segments:
                name, _, at = segment.name.partition("?m=")
                assert marked[f"{at}/cam/{name}"] == ms(segment)
            continue
        if not segments:
            continue
        facts = handed[int(next(iter(segments)).name.partition("/")[0].strip("s"))]
        spans = {segment: facts.find(f"/cam/{segment.name.partition('/')[2]}") for segment in segments}
        for segment, span in spans.items():
            assert isinstance(span, Span)
            assert span.start_ms <= ms(segment).start_ms
            assert span.end_ms >= ms(segment).end_ms
            assert allowed.keeps(span)
        if not facts.open:
            numbers = sorted(int(segment.name.partition("/")[2].partition(".")[0]) for segment in segments)
            # Of what is only counted, the time is known of what has left the buffer, too.
            front = [numbers[0] - 1] if numbers and facts.number == numbers[0] else []
            for number in [*front, numbers[-1] + 10**12] if numbers else []:
                assert facts.find(f"/cam/{number}.m4s") is None
            if numbers:
                hull = Span(
                    min(ms(each).start_ms for each in segments), max(ms(each).end_ms for each in segments)
                )
                assert all(isinstance(span, Span) and span.within(hull) for span in spans.values())
