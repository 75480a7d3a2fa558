"""Every form of Flussonic's URLs x every right x every window x every span: the verdict, and why.

What to expect is worked out here, in seconds and plain comparisons, apart from the code that is asked. Below:
whatever a URL's spelling is made into, no form of any layout is let in for a time outside the windows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import combinations, product
from math import inf
from urllib.parse import unquote, unquote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.decision import decide, locate
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.media import Kind, Layout, Role
from gate.core.policy import Access, Application, Origin, Pattern, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.timeline import Remainder
from gate.core.token import Format, Rights, Token, Warrant
from gate.core.verdicts import Admit, Ask, Permit, Place
from gate.core.windows import Windows, span_of_seconds
from gate.media.flussonic import FLUSSONIC
from gate.media.forms import Form
from gate.media.handing import Handed, hand_out
from gate.media.layouts import LAYOUTS, HlsLayout, PathLayout, Timeline
from gate.media.links import Links

NOW = 1_800_000_000
EDGE = 60
# As long as a segment may be.
LONGEST = 120


class What(Enum):
    """What a form is, in the words of its vendor's table."""

    LIVE = "a live manifest"
    NOW = "a live stream, or an image"
    SPAN = "a manifest of a span"
    GROWS = "a manifest from then to now"
    SHIFTED = "a manifest that goes on from then"
    LATE = "a manifest of an instant"
    COPY = "a download"
    BOUNDED = "a stream of a span"
    CATCHES_UP = "a stream from then to now"
    ENDLESS = "a stream that goes on"
    PIECE = "a segment with its own time"
    IMAGE = "an image of a second"
    UNDATED = "a segment without a time"


MADE: dict[What, Sequence[str]] = {
    What.LIVE: (
        *("index.m3u8", "playlist.m3u8", "video.fmp4.m3u8", "mono.m3u8", "mbr.m3u8", "tracks-1,2/index.m3u8"),
        *("index.mpd", "manifest.f4m"),
    ),
    What.NOW: ("mpegts", "preview.jpg"),
    What.SPAN: (
        *("index-{f}-{d}.m3u8", "archive-{f}-{d}.m3u8", "video-{f}-{d}.fmp4.m3u8", "mono-{f}-{d}.m3u8"),
        *("tracks-1,2/index-{f}-{d}.m3u8", "index-{f}-{d}.mpd", "archive-{f}-{d}.mpd"),
        *("archive/{f}/{d}/index.m3u8", "archive/{f}/{d}/manifest.f4m"),
    ),
    What.GROWS: (
        *("index-{f}-now.m3u8", "archive-{f}-now.m3u8", "video-{f}-now.m3u8", "mono-{f}-now.fmp4.m3u8"),
        *("tracks-1/index-{f}-now.m3u8", "archive/{f}/now/index.m3u8", "archive/{f}/now/manifest.f4m"),
        *("rewind-{n}.m3u8", "rewind-{n}.fmp4.m3u8"),
    ),
    What.SHIFTED: (
        *("timeshift_abs-{f}.m3u8", "timeshift_abs_mono-{f}.m3u8", "video-timeshift_abs-{f}.m3u8"),
        *("mono-timeshift_abs-{f}.m3u8", "tracks-1/timeshift_abs-{f}.fmp4.m3u8"),
    ),
    What.LATE: (
        *("timeshift_rel-{n}.m3u8", "mono-timeshift_rel-{n}.m3u8", "video-timeshift_rel-{n}.m3u8"),
        "tracks-1/timeshift_rel-{n}.fmp4.m3u8",
    ),
    What.COPY: ("archive-{f}-{d}.mp4", "archive-{f}-{d}.ts"),
    What.BOUNDED: ("archive/{f}/{d}/mpegts",),
    What.CATCHES_UP: ("archive/{f}/now/mpegts",),
    What.ENDLESS: (
        *("timeshift_abs-{f}.ts", "timeshift_abs/{f}", "timeshift_rel-{n}.ts", "timeshift_rel/{n}"),
    ),
    What.PIECE: ("{at}-{ms:05d}.ts", "{at}-{ms:05d}.m4s", "tracks-1,2/{at}-{ms:05d}.ts"),
    What.IMAGE: ("{at}.jpg", "{at}-preview.mp4"),
    What.UNDATED: ("hls/segment17.ts", "tracks-1,2/hls/segment17.ts"),
}
MANIFESTS = {What.LIVE, What.SPAN, What.GROWS, What.SHIFTED, What.LATE}
EVERY = [(what, template) for what, templates in MADE.items() for template in templates]
SAYS_ITS_END = {What.SPAN, What.COPY, What.BOUNDED, What.PIECE, What.IMAGE}


def fill(template: str, start: int, end: int) -> str:
    """The tail of the form for a span in Unix seconds."""
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start)
    lasts = end - start
    return template.format(
        f=start, d=lasts, n=NOW - start, at=date.strftime("%Y/%m/%d/%H/%M/%S"), ms=lasts * 1000
    )


def test_every_form_of_the_layout_is_made() -> None:
    tails = [fill(template, NOW - 9000, NOW - 8000) for _, template in EVERY]
    for form in FLUSSONIC:
        assert any(form.find(tail, []) is not None for tail in tails), form.url


# --- what to expect -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bounds:
    """A token's windows: disjoint ones, half-open, in Unix seconds."""

    name: str
    spans: tuple[tuple[float, float], ...]

    def hold(self, start: float, end: float) -> bool:
        return any(a <= start < b and start <= end <= b for a, b in self.spans)

    def meet(self, start: float, end: float) -> bool:
        return any(max(a, start) < min(b, end) for a, b in self.spans)

    def end_of(self, instant: float) -> float | None:
        return next((b for a, b in self.spans if a <= instant < b), None)

    def windows(self) -> Windows:
        """The same for a token."""
        return Windows.of(
            span_of_seconds(0 if a == -inf else int(a), 0 if b == inf else int(b)) for a, b in self.spans
        )


Expected = tuple[Reason | None, Remainder | None]


def expect(what: What, start: int, end: int, rights: Rights, bounds: Bounds) -> Expected:
    """Why it is refused, if it is; and what remains of a stream that would outrun its window."""
    if rights.live and rights.dvr and rights.copy and bounds.spans == ((-inf, inf),):
        return None, None
    if what is What.LIVE:
        return (None if rights.live or rights.dvr else Reason.LIVE_NOT_GRANTED), None
    if what is What.NOW:
        return (None if rights.live else Reason.LIVE_NOT_GRANTED), None
    if what is What.UNDATED:
        return Reason.TIME_UNKNOWN, None
    if what in (What.PIECE, What.IMAGE):
        return expect_piece(start, end, rights, bounds), None
    if what is What.COPY and not rights.copy:
        return Reason.COPY_NOT_GRANTED, None
    if what is not What.COPY and not rights.dvr:
        return Reason.DVR_NOT_GRANTED, None
    if what in (What.ENDLESS, What.CATCHES_UP, What.BOUNDED) and not rights.live:
        youngest = {What.ENDLESS: start, What.CATCHES_UP: NOW, What.BOUNDED: end}[what]
        if youngest > NOW - EDGE:
            return Reason.LIVE_NOT_GRANTED, None
    until = bounds.end_of(start)
    if what in (What.SHIFTED, What.LATE, What.ENDLESS):
        if start > NOW or until is None:
            return Reason.OUTSIDE_WINDOW, None
        if what is not What.ENDLESS or until == inf:
            return None, None
        return None, Remainder(NOW + until - start, int(until - start) * 1000)
    if what in (What.GROWS, What.CATCHES_UP):
        end = NOW
    if what in MANIFESTS:
        # What of it may be seen is cut out of it; what holds nothing as yet lies where it begins.
        some = bounds.meet(start, end) or bounds.hold(start, end)
        return (None if some else Reason.OUTSIDE_WINDOW), None
    if not bounds.hold(start, end):
        return (Reason.PARTLY_OUTSIDE_WINDOW if bounds.meet(start, end) else Reason.OUTSIDE_WINDOW), None
    if what is What.CATCHES_UP and until is not None and until < inf:
        return None, Remainder(until, int(until - start) * 1000)
    return None, None


def young(lasts: float) -> float:
    """How old the end of what lasts so long may be: no more of that is believed than a third of the edge."""
    return 2 * EDGE + 2 * min(lasts, EDGE // 3)


def expect_piece(start: int, end: int, rights: Rights, bounds: Bounds) -> Reason | None:
    """It is live while it is young, whatever its windows are; then it is the archive."""
    if rights.live and NOW - min(end, start + LONGEST) < young(end - start):
        return None
    if not rights.live and NOW - end < EDGE:
        return Reason.LIVE_NOT_GRANTED
    if not rights.dvr:
        return Reason.DVR_NOT_GRANTED
    if not bounds.meet(start, end):
        return Reason.OUTSIDE_WINDOW
    return None if end - start <= LONGEST or bounds.hold(start, end) else Reason.PARTLY_OUTSIDE_WINDOW


# --- what is asked ------------------------------------------------------------------------------------------

# A day ago, and up to now; what is short has short windows.
YESTERDAY = NOW - 86_400
LONG = [(YESTERDAY, YESTERDAY + 7200), (NOW - 7200, NOW - 60), (NOW - 7200, NOW), (NOW - 3600, NOW + 3600)]
SHORT = [(YESTERDAY, YESTERDAY + 60), (YESTERDAY, YESTERDAY + 400), (NOW - 300, NOW - 90)]


def around(start: int, end: int) -> list[Bounds]:
    """Bounded, open on either side, on both, and two windows with a gap of two seconds."""
    middle = (start + end) // 2
    return [
        Bounds("bounded", ((start, end),)),
        Bounds("from", ((start, inf),)),
        Bounds("to", ((-inf, end),)),
        Bounds("unbounded", ((-inf, inf),)),
        Bounds("two", ((start, middle - 1), (middle + 1, end))),
    ]


def asked(what: What, start: int, end: int) -> list[tuple[int, int]]:
    """Spans inside, equal, touching from either side, across each edge, covering and outside; and all of these
    a second off."""
    middle, far = (start + end) // 2, end - start
    edges = {start - 1, start, start + 1, middle - 1, middle, middle + 1, end - 1, end, end + 1}
    outer = {start - far, end + far}
    if what is What.IMAGE:
        edges |= outer | {NOW - age - off for age in (EDGE, 2 * EDGE) for off in range(5)}
        return [(at, at + 1) for at in sorted(edges | {at - 1 for at in edges})]
    if what in SAYS_ITS_END:
        return list(combinations(sorted(edges | outer), 2))
    edges |= outer | {NOW - EDGE - 1, NOW - EDGE, NOW - EDGE + 1, NOW - 1, NOW, NOW + 1}
    return [(at, NOW) for at in sorted(edges)]


RIGHTS = [Rights(*three) for three in product((False, True), repeat=3)]
APPLICATION = Application("demo", Keyring([]), unlimited_ttl=True)
NOTHING_REVOKED = Revocations()


def token(rights: Rights, windows: Windows) -> Token:
    """Reads everything, as far as its rights and windows go."""
    warrant = Warrant(Grants({Action.READ: Grant(all=True)}), rights, windows)
    return Token("demo", Format.JWT, "id", "owner", None, warrant)


def policy(**rules: Layout) -> Policy:
    """A policy with a layout for each first segment; ``any`` is for the rest."""
    return Policy(
        tuple(
            StreamRule(
                name,
                Pattern("/**" if name == "any" else f"/{name}/{{resource}}/**"),
                Access.PRIVATE,
                Origin("origin", "http://127.0.0.1:1"),
                layout,
                APPLICATION,
                live_edge_s=float(EDGE),
            )
            for name, layout in rules.items()
        ),
        {"demo": APPLICATION},
    )


FLUSSONIC_POLICY = policy(any=LAYOUTS["flussonic"])


def ask_for(url: str, under: Policy) -> tuple[Ask, Place | Deny]:
    ask = Ask("GET", url, CIMultiDict(), "192.0.2.1")
    return ask, locate(ask, under)


def verdict(ask: Ask, place: Place, token: Token) -> Permit | Deny:
    made = decide(ask, place, token, None, None, NOTHING_REVOKED, float(NOW))
    return made.permit if isinstance(made, Admit) else made


@pytest.mark.parametrize(("what", "template"), EVERY, ids=[template for _, template in EVERY])
def test_every_right_and_window_against_every_span(what: What, template: str) -> None:
    short = what in (What.PIECE, What.IMAGE)
    seen: set[Reason | None] = set()
    for start, end in SHORT if short else LONG:
        all_bounds = around(start, end)
        tokens = [
            (rights, bounds, token(rights, bounds.windows())) for rights in RIGHTS for bounds in all_bounds
        ]
        for first, last in asked(what, start, end):
            if "{n}" in template and first > NOW:
                continue
            url = f"/cam1/{fill(template, first, last)}"
            ask, place = ask_for(url, FLUSSONIC_POLICY)
            assert isinstance(place, Place), url
            assert place.facts.resource == "cam1", url
            for rights, bounds, bearer in tokens:
                reason, remains = expect(what, first, last, rights, bounds)
                made = verdict(ask, place, bearer)
                got = (made.reason, None) if isinstance(made, Deny) else (None, made.remains)
                assert got == (reason, remains), (url, rights, bounds)
                if isinstance(made, Permit):
                    held = what in MANIFESTS and not bearer.warrant.unrestricted
                    assert made.sight == (bearer.warrant if held else None), (url, rights, bounds)
                seen.add(reason)
    assert seen == WHY[what]


# Why forms of each sort are refused, and that each is let in.
WHY: dict[What, set[Reason | None]] = {
    What.LIVE: {None, Reason.LIVE_NOT_GRANTED},
    What.NOW: {None, Reason.LIVE_NOT_GRANTED},
    What.UNDATED: {None, Reason.TIME_UNKNOWN},
    What.SPAN: {None, Reason.DVR_NOT_GRANTED, Reason.OUTSIDE_WINDOW},
    What.GROWS: {None, Reason.DVR_NOT_GRANTED, Reason.OUTSIDE_WINDOW},
    What.SHIFTED: {None, Reason.DVR_NOT_GRANTED, Reason.OUTSIDE_WINDOW},
    What.LATE: {None, Reason.DVR_NOT_GRANTED, Reason.OUTSIDE_WINDOW},
    What.COPY: {None, Reason.COPY_NOT_GRANTED, Reason.OUTSIDE_WINDOW, Reason.PARTLY_OUTSIDE_WINDOW},
    What.IMAGE: {None, Reason.DVR_NOT_GRANTED, Reason.LIVE_NOT_GRANTED, Reason.OUTSIDE_WINDOW},
    What.ENDLESS: {None, Reason.DVR_NOT_GRANTED, Reason.LIVE_NOT_GRANTED, Reason.OUTSIDE_WINDOW},
}
WHY[What.BOUNDED] = WHY[What.CATCHES_UP] = WHY[What.PIECE] = {*WHY[What.ENDLESS], Reason.PARTLY_OUTSIDE_WINDOW}


# --- whatever its spelling ----------------------------------------------------------------------------------

PORTAL = PathLayout(
    "portal",
    [
        Form("/portal/{resource}/playlist.m3u8", Role.MANIFEST, Kind.LIVE),
        Form("/portal/{resource}/playlist.m3u8?timestamp={from}&duration={duration}", Role.MANIFEST, Kind.DVR),
        Form("/portal/{resource}/record.mp4?timestamp={from}&duration={duration}", Role.DOWNLOAD, Kind.COPY),
        Form("/portal/{resource}/{utc_ms}/{duration_ms}.ts", Role.SEGMENT),
        Form("/portal/{resource}/{from}-{to}.m3u8", Role.MANIFEST, Kind.DVR),
    ],
)
ALL_LAYOUTS = policy(
    portal=PORTAL,
    plain=HlsLayout(Timeline.LIVE),
    past=HlsLayout(Timeline.ARCHIVE),
    any=LAYOUTS["flussonic"],
)
OF_ALL = [
    *(f"/cam1/{template}" for _, template in EVERY),
    "/portal/cam1/playlist.m3u8",
    "/portal/cam1/playlist.m3u8?timestamp={f}&duration={d}",
    "/portal/cam1/record.mp4?timestamp={f}&duration={d}",
    "/portal/cam1/{f}000/{ms}.ts",
    "/portal/cam1/{f}-{t}.m3u8",
    "/plain/cam1/index.m3u8",
    "/past/cam1/index.m3u8",
    "/past/cam1/17.ts",
]
START, END = YESTERDAY, YESTERDAY + 7200
BOUNDED = [
    token(Rights(live, dvr=True, copy=copy), Windows.of([span_of_seconds(START, END)]))
    for live in (True, False)
    for copy in (True, False)
]
# Parameters that say a time, to some origin.
TIMES = "utc|lutc|timestamp|time|duration|start|end|starttime|endtime|from|to|vbegin|vend|time_shift|delay"

NUMBER = r"\s*[-+.]?(\d+)[^/?&;-]*"
FOLDERS = re.compile(rf"(?<=/)(archive|timeshift_abs)/(?!\d{{4}}(?:/\d+){{4}}){NUMBER}(?:/(?:{NUMBER}|(now)))?")
NAMES = re.compile(
    rf"(?<![a-z0-9])(archive|index|video|mono|timeshift_abs(?:_mono)?)-{NUMBER}(?:-(?:{NUMBER}|(now)))?"
)
RELATIVE = re.compile(rf"(?:(?<=/)timeshift_rel/|(?<![a-z0-9])(?:timeshift_rel|rewind)-){NUMBER}")
DATED = re.compile(r"(?<=/)(\d{4})/(\d+)/(\d+)/(\d+)/(\d+)(?:/(\d+)(?:-(\d+))?|(?=/|\Z))")
PORTALS = re.compile(r"/(\d+)000/(\d+)\.ts|/(\d+)-(\d+)\.m3u8")
LIVE = re.compile(
    r"/(?:[^/]+/)+(?:tracks-[a-z0-9,]+/)?"
    r"(?:(?:index|playlist|video|mono|mbr)(?:\.fmp4)?\.(?:m3u8|mpd)|manifest\.f4m|mpegts|preview\.jpg)"
)


def times_in(url: str) -> Iterator[tuple[float, float]]:
    """Every time that any origin might read in the URL, in Unix seconds: read in any spelling."""
    path, _, query = unicodedata.normalize("NFKC", unquote(unquote(url))).lower().partition("?")
    for found in (*FOLDERS.finditer(path), *NAMES.finditer(path)):
        word, start = found[1], int(found[2])
        alone = found[3] is found[4] is None
        named = alone if "/" in found[0] else "/" in path[found.end() :]
        if start < 10**8 and named and not word.startswith("timeshift"):
            continue  # a stream called archive/17, or video-1-2
        yield start, NOW if found[4] else start + int(found[3]) if found[3] else start + 0.001
    for found in RELATIVE.finditer(path):
        start = NOW - int(found[1])
        yield start, NOW if "rewind" in found[0] else start + 0.001
    for found in DATED.finditer(path):
        numbers = [int(part or 0) for part in found.groups()]
        try:
            start = int(datetime(*numbers[:6], tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]
        except ValueError:
            yield inf, inf
        else:
            yield start, start + max(numbers[6] / 1000, 1)
    for found in PORTALS.finditer(path) if path.startswith("/portal/") else ():
        if found[1]:
            yield int(found[1]), int(found[1]) + int(found[2]) / 1000
        else:
            yield int(found[3]), int(found[4])
    starts = re.findall(rf"(?:\A|[&;])\s*timestamp={NUMBER}", query)
    lengths = re.findall(rf"(?:\A|[&;])\s*duration={NUMBER}", query)
    if path.startswith("/portal/"):
        yield from ((int(start), int(start) + int(length)) for start in starts for length in lengths)


def shifts(url: str) -> set[str]:
    """The names of the URL's parameters that say a time to somebody."""
    query = url.partition("?")[2]
    names = {unquote_plus(piece.partition("=")[0]).strip().lower() for piece in re.split("[&;]", query)}
    return {name for name in names if re.fullmatch(TIMES, name)}


def hostile(draw: st.DrawFn, url: str) -> str:
    """The URL with one thing about its spelling changed."""
    at = draw(st.integers(0, max(0, len(url) - 1)))
    digits = [found.start() for found in re.finditer(r"\d+", url)]
    slashes = [found.start() for found in re.finditer("/", url)]
    outside = draw(st.sampled_from([START - 3600, END, NOW - 30, 0]))
    how = draw(st.integers(0, 9))
    if how == 0:
        escape = f"%{ord(url[at]):02x}" if url[at].isascii() else url[at]
        return url[:at] + draw(st.sampled_from([escape, escape.upper(), f"%25{escape[1:]}"])) + url[at + 1 :]
    if how == 1:
        return url[:at] + url[at].swapcase() + url[at + 1 :]
    if how == 2 and digits:
        place = draw(st.sampled_from(digits))
        extra = draw(st.sampled_from(["0", "+", "-", "%20", "0x", ".", "1", "%2B", "%D9%A1", "%EF%BC%91"]))
        return url[:place] + extra + url[place:]
    if how == 3 and digits:
        place = draw(st.sampled_from(digits))
        changed = draw(st.sampled_from(["%D9%A1", "%EF%BC%91", "%31", "9", "0", ""]))
        return url[:place] + changed + url[place + 1 :]
    if how == 4 and slashes:
        place = draw(st.sampled_from(slashes))
        extra = draw(
            st.sampled_from(
                [
                    *("/.", "/..", "/x", "/", "/archive", "/now", "/tracks-1", "/%2e%2e", "/;x", "/.;x", "%2F"),
                    *("/index.m3u8", "/mpegts", f"/archive/{outside}/60", f"/timeshift_abs/{outside}"),
                ]
            )
        )
        return url[:place] + extra + url[place:]
    if how == 5:
        return url + draw(
            st.sampled_from(
                [
                    *(
                        "/",
                        "//",
                        ";x",
                        "%00",
                        "/index.m3u8",
                        "/mpegts",
                        "/preview.jpg",
                        "/..",
                        ".m3u8",
                        "#x",
                        " ",
                    ),
                    f"/index-{outside}-60.m3u8",
                ]
            )
        )
    if how == 6:
        name = draw(
            st.sampled_from([*TIMES.split("|"), "%75tc", "TimeStamp", "+from", "x;utc", "aws.x", "token"])
        )
        return f"{url}{'&' if '?' in url else '?'}{name}={outside}"
    if how == 7 and "?" in url:
        path, _, query = url.partition("?")
        pieces = query.split("&")
        return f"{path}?{'&'.join(draw(st.permutations([*pieces, draw(st.sampled_from(pieces))])))}"
    if how == 8 and "?" in url:
        path, _, query = url.partition("?")
        pieces = query.split("&")
        pieces.pop(draw(st.integers(0, len(pieces) - 1)))
        return f"{path}?{'&'.join(pieces)}"
    return url[:at] + url[at + draw(st.integers(0, 2)) :]


@st.composite
def urls(draw: st.DrawFn) -> str:
    """A URL of some form, for a time inside the window or not, and some of its spelling changed."""
    template = draw(st.sampled_from(OF_ALL))
    points = st.sampled_from(
        [START - 3600, START - 1, START, START + 60, END - 60, END, END + 1, NOW - 90, NOW]
    )
    start = draw(points)
    lasts = draw(st.sampled_from([1, 6, 60, 7200]))
    url = fill(template.replace("{t}", str(start + lasts)), start, start + lasts)
    for _ in range(draw(st.integers(0, 3))):
        url = hostile(draw, url)
    return url


def believed(permit: Permit, under: Policy) -> bool:
    """Whether anything of the answer would be handed out that does not say its own time."""
    if permit.sight is None:
        return True
    place = permit.place
    links = Links(under, place, host=None, now=float(NOW), key=bytes(32), warrant=permit.sight)
    made = [hand_out(body, place, permit.sight, links, float(NOW)) for body in TIMELESS]
    assert all(isinstance(one, Handed | Deny) for one in made)
    return any(isinstance(one, Handed) and (one.kept or not one.entries) for one in made)


# Playlists without dates, one that goes on and one that is over; and what is no manifest at all.
TIMELESS = [
    b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1.ts\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1.ts\n#EXT-X-ENDLIST\n",
    b"G@\x00",
]


@settings(
    deadline=None,
    max_examples=1000,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(urls(), st.sampled_from(BOUNDED))
@example(f"/cam1/archive/now/{END}/mpegts", BOUNDED[0])
@example(f"/portal/cam1/playlist.m3u8?timestamp={START}&duration=60&timestamp={END}", BOUNDED[0])
@example(f"/portal/cam1/playlist.m3u8?timestamp={START}&duration=60;timestamp={END}", BOUNDED[0])
@example(f"/portal/cam1/playlist.m3u8?timestamp={START - 1}&duration=60", BOUNDED[0])
@example(f"/plain/cam1/index.m3u8?+from={START}", BOUNDED[0])
@example(f"/plain/cam1/index.m3u8?x;utc={START}", BOUNDED[0])
@example(f"/plain/cam1/index.m3u8?utc={START - 60}", BOUNDED[0])
@example("/past/cam1/index.m3u8", BOUNDED[0])
def test_no_spelling_lets_in_a_time_outside_the_windows(url: str, bearer: Token) -> None:
    """What a manifest's URL says is believed for what does not say its own time: that must lie within."""
    ask, place = ask_for(url, ALL_LAYOUTS)
    if isinstance(place, Deny):
        return
    made = verdict(ask, place, bearer)
    if isinstance(made, Deny):
        return
    facts = made.place.facts
    if not believed(made, ALL_LAYOUTS):
        assert facts.role is Role.MANIFEST, url
        assert made.sight == bearer.warrant, url
        return
    url = made.place.target.raw
    path = url.partition("?")[0]
    # Plain HLS says nothing in its paths: there the rule's word is taken, for all of it.
    plain = path.startswith("/plain/")
    times = [] if plain else list(times_in(url))
    live = bearer.warrant.rights.live
    for start, end in times:
        if facts.role is Role.MANIFEST:
            assert START <= start <= end <= END, url
        assert max(start, START) < min(end, END) or (live and end > NOW - young(end - start)), url
    allowed = {"timestamp", "duration"} if times and path.startswith("/portal/") else set()
    assert shifts(url) <= allowed, url
    if not times:
        assert live, url
        assert plain or LIVE.fullmatch(path), url


def test_what_the_property_above_leans_on_is_not_empty() -> None:
    within, across = f"/cam1/index-{START}-60.m3u8", f"/cam1/index-{START - 1}-60.m3u8"
    for bearer in BOUNDED:
        for url, said in ((within, True), (across, False), ("/past/cam1/index.m3u8", False)):
            made = verdict(*ask_for(url, ALL_LAYOUTS), bearer)
            assert isinstance(made, Permit), url
            assert believed(made, ALL_LAYOUTS) == said, url
        for url in ("/cam1/index.m3u8", "/plain/cam1/index.m3u8"):
            made = verdict(*ask_for(url, ALL_LAYOUTS), bearer)
            assert isinstance(made, Permit), url
            assert believed(made, ALL_LAYOUTS) == bearer.warrant.rights.live, url


def test_the_reader_of_times_reads_what_is_made() -> None:
    """What the property above leans on, so that it is not empty."""
    for what, template in EVERY:
        if what in (What.LIVE, What.NOW, What.UNDATED):
            continue
        found = list(times_in(f"/cam1/{fill(template, START + 60, START + 120)}"))
        assert [start for start, _ in found] == [START + 60], template
    for template in OF_ALL[len(EVERY) + 1 : len(EVERY) + 5]:
        url = fill(template.replace("{t}", str(START + 120)), START + 60, START + 120)
        assert list(times_in(url)) == [(START + 60, START + 120)], template
    assert list(times_in("/cam1/archive/%2B1%25D9%25A1/60/mpegts")) == [(11, 71)]
