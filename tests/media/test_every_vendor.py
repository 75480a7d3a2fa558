"""Every form of every vendor's table x every right x windows x spans: the verdict, and why.

What to expect is worked out here, in seconds and plain comparisons, apart from the code that is asked. Below:
what a rule clips is what of the time is allowed; and whatever a URL's spelling is made into, no form is let in
for a time outside the windows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import product
from math import inf
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.decision import decide, locate
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.media import Kind, Role
from gate.core.policy import Access, Application, Origin, Pattern, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.token import Format, Rights, Token, Warrant
from gate.core.verdicts import Admit, Ask, Permit, Place
from gate.core.windows import Windows, span_of_seconds
from gate.media.handing import Handed, hand_out
from gate.media.layouts import LAYOUTS, NAMED_BY_RULE
from gate.media.links import Links

# At a full minute.
NOW = 1_800_000_000
EDGE = 60


class What(Enum):
    """What a form is."""

    LIVE = "live"
    SPAN = "a manifest, a list or a bounded stream"
    COPY = "a download"
    GROWS = "from then to now"
    INSTANT = "an instant that moves, or goes on at the speed of the clock"
    ENDLESS = "a stream that goes on"
    ANY_TIME = "the archive, of any time"
    UNDATED = "a segment without a time"
    LIVE_UNDATED = "a segment that is live, or was"
    OBJECT = "on no timeline"
    OBJECT_COPY = "a download of what is on no timeline"


V2 = "/{p}/out/index.m3u8?aws.manifestsettings="
RECORDED = "/timeshift/u/p/{m}/{date}/cam1"
VIDEO = "/v1/applications/APP/videos/cam1"
MADE: dict[str, list[tuple[What, str]]] = {
    "aipix": [
        (What.LIVE, "/live/cam1/playlist_ios.m3u8"),
        (What.SPAN, "/dvr/cam1/playlist_ios.m3u8?timestamp={f}&duration={d}"),
        (What.COPY, "/dvr/cam1/record.mp4?timestamp={f}&duration={d}"),
        (What.UNDATED, "/dvr/cam1/17.ts"),
    ],
    "mediamtx": [
        (What.LIVE, "/cam1/index.m3u8"),
        (What.LIVE, "/cam1/video1_stream.m3u8"),
        (What.LIVE_UNDATED, "/cam1/a_seg17.mp4"),
        (What.SPAN, "/get?path=cam1&start={fi}&duration={d}"),
        (What.SPAN, "/get?path=cam1&start={fe}&duration={d}.000&format=fmp4"),
        (What.COPY, "/get?path=cam1&start={fi}&duration={d}&format=mp4"),
        (What.SPAN, "/list?path=cam1&start={fi}&end={ti}"),
        (What.GROWS, "/list?path=cam1&start={fi}"),
        (What.ANY_TIME, "/list?path=cam1"),
    ],
    "mediapackage": [
        (What.LIVE, "/cam1/out/index.m3u8"),
        (What.SPAN, "/cam1/out/index.m3u8?start={f}&end={t}"),
        (What.SPAN, "/cam1/out/index.mpd?start={fi}&end={te}"),
        (What.GROWS, "/cam1/out/index.m3u8?start={f}"),
        (What.SPAN, f"{V2}start%3A{{f}}%3Bend%3A{{t}}"),
        (What.SPAN, f"{V2}END%3A{{te}}%3BSTART%3A{{fe}}"),
        (What.GROWS, f"{V2}start:{{f}}"),
        (What.INSTANT, f"{V2}time_delay:{{n}}"),
        (What.UNDATED, "/cam1/out/index_1_17.ts"),
    ],
    "akamai": [
        (What.LIVE, "/cam1/hls/master.m3u8"),
        (What.SPAN, "/cam1/hls/master.m3u8?start={f}&end={t}.000"),
        (What.SPAN, "/cam1/hls/master.mpd?start={fi}&end={ti}"),
        (What.GROWS, "/cam1/hls/master.m3u8?start={f}"),
        (What.SPAN, "/cam1/hls/master-archive.m3u8?startTime={f}&endTime={t}"),
        (What.GROWS, "/cam1/hls/master-archive.m3u8?startTime={f}"),
        (What.ANY_TIME, "/cam1/hls/master-archive.m3u8"),
        (What.UNDATED, "/cam1/hls/17.ts?archive=1"),
    ],
    "swift": [
        (What.LIVE, "/cam1/index.m3u8"),
        (What.SPAN, "/cam1/index.m3u8?start={f}000&end={t}000"),
        (What.GROWS, "/cam1/index.m3u8?start={f}000"),
        (What.UNDATED, "/cam1/17.ts"),
    ],
    "unified": [
        (What.LIVE, "/cam1/cam1.isml/.mpd"),
        (What.SPAN, "/cam1/cam1.isml/.m3u8?vbegin={f}&vend={t}"),
        (What.SPAN, "/cam1/cam1.isml/.mpd?vbegin={fe}&vend={ti}"),
        (What.GROWS, "/cam1/cam1.isml/.m3u8?vbegin={fi}"),
        (What.GROWS, "/cam1/cam1.isml/.m3u8?dvr_window_length={n}"),
        (What.INSTANT, "/cam1/cam1.isml/.m3u8?time_shift={n}"),
        (What.UNDATED, "/cam1/cam1.isml/17.m4s"),
    ],
    "xtream": [
        (What.LIVE, "/live/u/p/cam1.ts"),
        (What.LIVE, "/live/u/p/cam1.m3u8"),
        (What.SPAN, f"{RECORDED}.ts"),
        (What.SPAN, f"{RECORDED}.m3u8"),
    ],
    "shift": [
        (What.LIVE, "/cam1/index.m3u8"),
        (What.INSTANT, "/cam1/index.m3u8?utc={f}&lutc={t}"),
        (What.INSTANT, "/cam1/index.mpd?utc={f}"),
        (What.ENDLESS, "/cam1/mpegts?utc={f}"),
        (What.SPAN, "/cam1/index-{f}-{d}.m3u8"),
    ],
    "ziggeo": [
        (What.OBJECT, VIDEO),
        (What.OBJECT, f"{VIDEO}/video.mp4"),
        (What.OBJECT, f"{VIDEO}/streams/S/image"),
        (What.OBJECT_COPY, f"{VIDEO}/video.mp4?download=true"),
    ],
}
EVERY = [(name, what, url.replace("{p}", "cam1")) for name, made in MADE.items() for what, url in made]
MANIFEST = re.compile(r"[^?]*\.(?:m3u8|mpd)(?:\?|\Z)")
# One response, which young media makes live.
STREAMS = re.compile(r"/get\?(?!.*format=mp4)|/timeshift/.*\.ts")


def date_of(second: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def fill(template: str, start: int, end: int) -> str:
    """The URL for a span in Unix seconds; where it says minutes, of full ones."""
    zone = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start + 5400)).strftime("%Y-%m-%dT%H:%M:%S")
    return template.format(
        f=start,
        t=end,
        d=end - start,
        n=NOW - start,
        fi=date_of(start),
        ti=date_of(end),
        fe=zone.replace(":", "%3A") + "%2B01%3A30",
        te=date_of(end).replace(":", "%3A"),
        m=(end - start) // 60,
        date=date_of(start)[:10] + ":" + date_of(start)[11:16].replace(":", "-"),
    )


# --- what to expect -----------------------------------------------------------------------------------------

Spans = tuple[tuple[float, float], ...]


def expect(what: What, url: str, start: int, end: int, rights: Rights, spans: Spans) -> Reason | None:
    if what is What.OBJECT or (rights == Rights(True, True, True) and spans == ((-inf, inf),)):
        return None
    manifest = MANIFEST.match(url) is not None
    if what is What.LIVE:
        # Who may see what is older is shown that of a manifest.
        return None if rights.live or (manifest and rights.dvr) else Reason.LIVE_NOT_GRANTED
    if what is What.LIVE_UNDATED and not rights.live:
        return Reason.LIVE_NOT_GRANTED
    if what is What.LIVE_UNDATED and rights.dvr and spans == ((-inf, inf),):
        return None
    if what in (What.UNDATED, What.LIVE_UNDATED):
        return Reason.TIME_UNKNOWN
    if what in (What.COPY, What.OBJECT_COPY) and not rights.copy:
        return Reason.COPY_NOT_GRANTED
    if what is What.OBJECT_COPY:
        return None
    if what is not What.COPY and not rights.dvr:
        return Reason.DVR_NOT_GRANTED
    if what is What.ANY_TIME:
        return None if manifest or spans == ((-inf, inf),) else Reason.TIME_UNKNOWN
    youngest = start if what is What.ENDLESS else end
    if (what is What.ENDLESS or STREAMS.match(url)) and not rights.live and youngest > NOW - EDGE:
        return Reason.LIVE_NOT_GRANTED
    if what in (What.INSTANT, What.ENDLESS):
        inside = start <= NOW and any(a <= start < b for a, b in spans)
        return None if inside else Reason.OUTSIDE_WINDOW
    if what is What.GROWS:
        end = NOW
    meets = any(max(a, start) < min(b, end) for a, b in spans)
    if manifest:
        # What of it may be seen is cut out of it; what holds nothing as yet lies where it begins.
        empty = start == end and any(a <= start < b for a, b in spans)
        return None if meets or empty else Reason.OUTSIDE_WINDOW
    # Whoever asks for minutes rounds down.
    first = start + 59 if url.startswith("/timeshift/") else start
    if any(a <= first < b and first <= end <= b for a, b in spans):
        return None
    return Reason.PARTLY_OUTSIDE_WINDOW if meets else Reason.OUTSIDE_WINDOW


# --- what is asked ------------------------------------------------------------------------------------------

APPLICATION = Application("demo", Keyring([]), unlimited_ttl=True)
RIGHTS = [Rights(*three) for three in product((False, True), repeat=3)]
YESTERDAY = NOW - 86_400


def windows(spans: Spans) -> Windows:
    return Windows.of(span_of_seconds(0 if a == -inf else int(a), 0 if b == inf else int(b)) for a, b in spans)


def warrant_of(rights: Rights, spans: Spans) -> Warrant:
    return Warrant(Grants({Action.READ: Grant(all=True)}), rights, windows(spans))


def token(rights: Rights, spans: Spans) -> Token:
    return Token("demo", Format.JWT, "id", "owner", None, warrant_of(rights, spans))


def policy(name: str, *, clips: bool = False) -> Policy:
    pattern = "/{resource}/**" if name in NAMED_BY_RULE else "/**"
    rule = StreamRule(
        name,
        Pattern(pattern),
        Access.PRIVATE,
        Origin("origin", "http://127.0.0.1:1"),
        LAYOUTS[name],
        APPLICATION,
        live_edge_s=float(EDGE),
        clips_overrun=clips,
    )
    return Policy((rule,), {"demo": APPLICATION})


POLICIES = {name: policy(name) for name in MADE}


def judge(url: str, under: Policy, bearer: Token) -> Permit | Deny:
    ask = Ask("GET", url, CIMultiDict(), "192.0.2.1")
    place = locate(ask, under)
    if isinstance(place, Deny):
        return place
    made = decide(ask, place, bearer, None, None, Revocations(), float(NOW))
    return made.permit if isinstance(made, Admit) else made


@pytest.mark.parametrize(("name", "what", "template"), EVERY, ids=[f"{one[0]} {one[2]}" for one in EVERY])
def test_every_right_and_window_against_every_span(name: str, what: What, template: str) -> None:
    step = 60 if name == "xtream" else 1
    under = POLICIES[name]
    plain = what in (What.SPAN, What.COPY) and STREAMS.match(template) is None
    for start, end in ((YESTERDAY, YESTERDAY + 7200), (NOW - 7200, NOW))[: 1 if plain else 2]:
        middle, far = (start + end) // 2, end - start
        bounds: list[Spans] = [
            ((start, end),),
            ((start + 37, end - 37),),
            ((start, inf),),
            ((-inf, end),),
            ((-inf, inf),),
            ((start, middle - 1), (middle + 1, end)),
        ]
        edges = [
            start - far,
            *(at + off * step for at in (start, middle, end) for off in (-1, 0, 1)),
            end + far,
        ]
        pairs = [(a, b) for a in edges for b in edges if a < b]
        if not re.search(r"{(t|ti|te|d|m)}", template):
            pairs = [(a, a + 60) for a in (*edges, NOW - EDGE - 1, NOW - EDGE, NOW - 1, NOW)]
        for first, last in pairs:
            if "{n}" in template and first > NOW:
                continue
            url = fill(template, first, last)
            ask = Ask("GET", url, CIMultiDict(), "192.0.2.1")
            place = locate(ask, under)
            assert isinstance(place, Place), url
            assert place.facts.resource == "cam1", url
            for rights, spans in product(RIGHTS, bounds):
                made = decide(ask, place, token(rights, spans), None, None, Revocations(), float(NOW))
                reason = made.reason if isinstance(made, Deny) else None
                assert reason == expect(what, url, first, last, rights, spans), (url, rights, spans)
                if not isinstance(made, Deny):
                    permit = made.permit if isinstance(made, Admit) else made
                    warrant = warrant_of(rights, spans)
                    held = MANIFEST.match(url) is not None and not warrant.unrestricted
                    assert permit.sight == (warrant if held else None), (url, rights, spans)


# --- clipping -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "template"),
    [(name, url) for name, what, url in EVERY if what in (What.SPAN, What.COPY)],
)
def test_every_form_with_a_span_is_clipped(name: str, template: str) -> None:
    under = policy(name, clips=True)
    start, end = YESTERDAY, YESTERDAY + 7200
    bearer = token(Rights(True, True, True), ((start, end),))
    for first, last in (
        (start - 600, end),
        (start, end + 600),
        (start - 600, end + 600),
        (start + 60, end + 60),
    ):
        permit = judge(fill(template, first, last), under, bearer)
        assert isinstance(permit, Permit), (template, first, last)
        allowed = max(first, start), min(last, end)
        same = judge(fill(template, *allowed), POLICIES[name], bearer)
        assert isinstance(same, Permit)
        assert permit.place.facts == same.place.facts
        assert permit.place.asked is not None
        # The origin is asked for a URL that a token of just that time is let in with.
        just = token(Rights(True, True, True), (allowed,))
        assert isinstance(judge(permit.place.target.raw, POLICIES[name], just), Permit)
    outside = judge(fill(template, start - 600, start), under, bearer)
    assert isinstance(outside, Deny)
    assert outside.reason is Reason.OUTSIDE_WINDOW
    two = token(Rights(True, True, True), ((start, start + 600), (start + 1200, end)))
    several = judge(fill(template, start, end), under, two)
    if MANIFEST.match(template):
        # The origin is asked for all of it, and its answer is clipped.
        assert isinstance(several, Permit)
        assert (several.place.asked, several.sight) == (None, two.warrant)
    else:
        assert isinstance(several, Deny)
        assert several.reason is Reason.PARTLY_OUTSIDE_WINDOW


# --- whatever its spelling ----------------------------------------------------------------------------------

START, END = YESTERDAY, YESTERDAY + 7200
BOUNDED = [
    token(Rights(live, dvr=True, copy=copy), ((START, END),))
    for live in (True, False)
    for copy in (True, False)
]
VALUE = r"[\s=+-]*((?:\d+-\d+-\d+t[\d:.]+(?:z|[+-]\d+:?\d*)?)|[\d.]+)"
STARTS = re.compile(
    rf"(?:\A|[&;?/]|aws\.manifestsettings=)\s*(?:start|starttime|vbegin|timestamp|utc)(?:\[\d*\])?\s*[=:/]{VALUE}"
)
ENDS = re.compile(rf"(?:\A|[&;?/]|aws\.manifestsettings=)\s*(?:end|endtime|vend)(?:\[\d*\])?\s*[=:/]{VALUE}")
LENGTHS = re.compile(rf"(?:\A|[&;?])\s*duration(?:\[\d*\])?\s*={VALUE}")
MINUTES = re.compile(r"/timeshift/[^/]*/[^/]*/(\d+)[^/]*/(\d+)-(\d+)-(\d+):(\d+)-(\d+)")
RELATIVE = re.compile(rf"(time_delay|time_shift|dvr_window_length)\s*[=:]{VALUE}")


def second_of(text: str, *, ms: bool) -> float:
    """The Unix second that some origin may read there."""
    found = re.fullmatch(r"(\d+)-(\d+)-(\d+)t(\d+):(\d+)(?::(\d+)(\.\d*)?)?(?:z|([+-])(\d\d):?(\d*))?", text)
    if found is None:
        number = re.match(r"\d+(\.\d+)?", text)
        return float(number[0]) / (1000 if ms else 1) if number else 0.0
    try:
        date = datetime(*(int(part or 0) for part in found.groups()[:6]), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return inf
    ahead = (
        (int(found[9]) * 3600 + int(found[10] or 0) * 60) * (1 if found[8] == "+" else -1) if found[8] else 0
    )
    return date.timestamp() + float(f"0{found[7] or ''}") - ahead


def times_in(name: str, url: str) -> Iterator[tuple[float, float]]:
    """Every time that an origin of this name might read in the URL: in any spelling, in any combination."""
    text = unicodedata.normalize("NFKC", unquote(unquote(url))).lower()
    # Only one reads them in a path as well.
    said = text if name == "mediapackage" else text.partition("?")[2]
    if "aws.manifestsettings=" not in said:
        # Settings that nobody is told are none.
        said = re.sub(r"[^?&]*(?:start|end|time_delay):[^&]*", "", said)
    starts = [second_of(found[1], ms=name == "swift") for found in STARTS.finditer(said)]
    ends = [second_of(found[1], ms=name == "swift") for found in ENDS.finditer(said)]
    lengths = [second_of(found[1], ms=False) for found in LENGTHS.finditer(text)]
    for start in starts if name == "shift" else ():
        # It goes on from there, and is stopped.
        yield start, start + 0.001
    for start in starts if name != "shift" else ():
        yield from ((start, end) for end in ends)
        yield from ((start, start + length) for length in lengths)
        if not ends and not lengths:
            yield start, inf
    if not starts:
        yield from ((-inf, end) for end in ends)
    for found in MINUTES.finditer(text):
        minutes, *date = (int(part) for part in found.groups())
        try:
            start = datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]
        except ValueError:
            yield inf, inf
        else:
            yield start + 59, start + minutes * 60
    for found in RELATIVE.finditer(said):
        start = NOW - second_of(found[2], ms=False)
        yield start, NOW if found[1] == "dvr_window_length" else start + 0.001


NAMES = "start|end|startTime|endTime|vbegin|vend|timestamp|duration|utc|time|time_shift|download|archive"


def hostile(draw: st.DrawFn, url: str) -> str:
    """The URL with one thing about its spelling changed."""
    at = draw(st.integers(0, max(0, len(url) - 1)))
    digits = [found.start() for found in re.finditer(r"\d", url)]
    outside = draw(st.sampled_from([START - 3600, END + 60, NOW - 30, 0]))
    path, mark, query = url.partition("?")
    pieces = query.split("&")
    how = draw(st.integers(0, 9))
    if how == 0 and url:
        escape = f"%{ord(url[at]):02X}" if url[at].isascii() else url[at]
        return url[:at] + draw(st.sampled_from([escape, escape.lower(), f"%25{escape[1:]}"])) + url[at + 1 :]
    if how == 1 and url:
        return url[:at] + url[at].swapcase() + url[at + 1 :]
    if how in (2, 3) and digits:
        place = draw(st.sampled_from(digits))
        extra = draw(st.sampled_from(["0", "+", "-", "%2B", ".", "1", "%20", "%D9%A1", "%31", "9", ""]))
        return url[:place] + extra + url[place + (how == 3) :]
    if how == 4:
        name = draw(st.sampled_from(NAMES.split("|")))
        name = draw(
            st.sampled_from([name, name.upper(), f"%{ord(name[0]):02x}{name[1:]}", f"+{name}", f"{name}[]"])
        )
        joint = draw(st.sampled_from(["&", ";", "&x;", "%26"])) if mark else "?"
        return f"{url}{joint}{name}{draw(st.sampled_from(['=', '%3D']))}{outside}"
    if how == 5 and mark:
        return f"{path}?{'&'.join(draw(st.permutations([*pieces, draw(st.sampled_from(pieces))])))}"
    if how == 6 and mark:
        pieces.pop(draw(st.integers(0, len(pieces) - 1)))
        return f"{path}?{'&'.join(pieces)}"
    if how == 7 and mark:
        one = draw(st.sampled_from(["%3B", "%3A", ";", ":", "&", "%2C"]))
        return f"{path}?{query.replace(draw(st.sampled_from(['%3B', '%3A', ':', '&'])), one, 1)}"
    if how == 8 and "/" in path:
        slashes = [found.start() for found in re.finditer("/", path)]
        place = draw(st.sampled_from(slashes))
        extra = draw(st.sampled_from(["/x", "/.", "/", f"/start/{outside}", "/index.m3u8", ";x", "-archive"]))
        return url[:place] + extra + url[place:]
    return url[:at] + url[at + draw(st.integers(0, 2)) :]


@st.composite
def urls(draw: st.DrawFn) -> tuple[str, str]:
    """A layout and a URL of it, for a time inside the window or not, and some of its spelling changed."""
    name, _, template = draw(st.sampled_from([one for one in EVERY if "index-" not in one[2]]))
    start = draw(st.sampled_from([START - 3600, START - 60, START, START + 60, END - 60, END, NOW - 120, NOW]))
    url = fill(template, start, start + draw(st.sampled_from([60, 3600, 7200])))
    for _ in range(draw(st.integers(0, 3))):
        url = hostile(draw, url)
    return name, url


# Playlists without dates, one that goes on and one that is over; and what is no manifest at all.
TIMELESS = [
    b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1.ts\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1.ts\n#EXT-X-ENDLIST\n",
    b"G@\x00",
]


def believed(permit: Permit, under: Policy) -> bool:
    """Whether anything of the answer would be handed out that does not say its own time."""
    if permit.sight is None:
        return True
    place = permit.place
    links = Links(under, place, host=None, now=float(NOW), key=bytes(32), warrant=permit.sight)
    made = [hand_out(body, place, permit.sight, links, float(NOW)) for body in TIMELESS]
    assert all(isinstance(one, Handed | Deny) for one in made)
    return any(isinstance(one, Handed) and (one.kept or not one.entries) for one in made)


@settings(deadline=None, max_examples=800, suppress_health_check=[HealthCheck.too_slow])
@given(urls(), st.sampled_from(BOUNDED), st.booleans())
@example(("mediapackage", f"/cam1/out/i.m3u8?aws.manifestsettings=start:{START};end:{END}"), BOUNDED[0], False)
@example(("akamai", f"/cam1/master-archive.m3u8?start={START}&end={END}"), BOUNDED[0], False)
@example(("mediamtx", f"/get?path=cam1&start={date_of(START)}&duration=60&format=MP4"), BOUNDED[1], False)
@example(("mediapackage", f"/cam1/out/index.m3u8?start={START - 1}&end={END}"), BOUNDED[0], False)
@example(("unified", f"/cam1/cam1.isml/.m3u8?vbegin={START}&vend={END}&time={START - 60}"), BOUNDED[0], False)
@example(("akamai", "/cam1/hls/master-archive.m3u8"), BOUNDED[0], False)
@example(("xtream", f"/timeshift/u/p/60/{date_of(START)[:10]}:00-00/cam1.ts?utc={END}"), BOUNDED[0], True)
def test_no_spelling_lets_in_a_time_outside_the_windows(
    made: tuple[str, str], bearer: Token, clips: bool
) -> None:
    """What a manifest's URL says is believed for what does not say its own time: that must lie within."""
    name, url = made
    under = policy(name, clips=clips)
    permit = judge(url, under, bearer)
    if isinstance(permit, Deny) or permit.place.facts.kind is Kind.OBJECT:
        return
    place = permit.place
    if not believed(permit, under):
        assert place.facts.role is Role.MANIFEST, url
        assert permit.sight == bearer.warrant, url
        return
    url, rights = place.target.raw, bearer.warrant.rights
    if name == "ziggeo":
        assert rights.copy
        assert "download=true" in url
        return
    times = list(times_in(name, url))
    for start, end in times:
        assert START <= start < end <= END, url
        assert name != "shift" or permit.remains is not None, url
    assert "mp4" not in url.partition("?")[2] or rights.copy or "fmp4" in url, url
    if not times:
        assert rights.live, url
        assert place.facts.kind is Kind.LIVE, url
        assert name != "akamai" or not re.search(r"-archive\.\w+\Z", place.target.path.lower()), url


def test_the_reader_of_times_reads_what_is_made() -> None:
    """What the property above leans on, so that it is not empty."""
    for name, what, template in EVERY:
        if what not in (What.SPAN, What.COPY) or name == "shift":
            continue
        found = list(times_in(name, fill(template, START + 60, START + 180)))
        early = 59 if name == "xtream" else 0
        assert found == [(START + 60 + early, START + 180)], template
    for name, what, template in EVERY:
        if what in (What.GROWS, What.INSTANT, What.ENDLESS):
            assert list(times_in(name, fill(template, START + 60, START + 180))), template
    assert list(times_in("unified", "/a.m3u8?x;VBEGIN%253D5&vend[]=1970-01-01T01:00:07%2b01:00")) == [(5, 7)]
