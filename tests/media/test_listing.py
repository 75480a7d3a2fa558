"""What a listing says of each entry is what becomes of it when the manifest is handed out."""

from __future__ import annotations

import pytest

from gate.core.decision import locate
from gate.core.grants import Grants
from gate.core.policy import Access, Foreign, Origin, Pattern, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.token import Rights, Warrant
from gate.core.verdicts import Ask, Place
from gate.core.windows import ALL_TIME, Span, Windows
from gate.media import dash
from gate.media import listing as module
from gate.media.handing import Handed, allowed_of, hand_out, read_dash
from gate.media.layouts import LAYOUTS, HlsLayout, Timeline
from gate.media.links import Links
from gate.media.listing import Listing, Why, list_entries

T0 = 1_767_225_600  # 2026-01-01T00:00:00Z
LIVE, DVR = Rights(live=True, dvr=False, copy=False), Rights(live=False, dvr=True, copy=False)
NAMES = [f"s{number}.ts" for number in range(10)]


class NoHeaders:
    def getall(self, key: str, default: object, /) -> object:
        return default


def policy_of(**more: object) -> Policy:
    rule = StreamRule(
        "streams[0]",
        Pattern("/{resource}/**"),
        Access.PUBLIC,
        Origin("origin", "http://origin.example"),
        more.pop("layout", HlsLayout(Timeline.LIVE)),
        **more,
    )
    return Policy((rule,), {})


def place_in(policy: Policy, target: str = "/cam1/index.m3u8") -> Place:
    place = locate(Ask("GET", target, NoHeaders(), "127.0.0.1"), policy)
    assert isinstance(place, Place)
    return place


def warrant(rights: Rights, *windows: tuple[float, float]) -> Warrant:
    """Windows in seconds after T0; none at all: any time."""
    spans = [Span(int((T0 + start) * 1000), int((T0 + end) * 1000)) for start, end in windows]
    return Warrant(Grants({}), rights, Windows.of(spans or [ALL_TIME]))


def playlist(*, dated: bool = True, lasts: float = 6, count: int = 10, end: str = "") -> bytes:
    date = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n" if dated else ""
    segments = "".join(f"#EXTINF:{lasts},\n{name}\n" for name in NAMES[:count])
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n{date}{segments}{end}".encode()


def look(
    body: bytes,
    held: Warrant | None,
    *,
    now: float = T0 + 60,
    target: str = "/cam1/index.m3u8",
    **more: object,
) -> Listing:
    """The listing, which agrees with what is handed out."""
    # What is asked of the archive is measured by the clock, what is live by its newest entry.
    if held is not None and not held.rights.live:
        more.setdefault("layout", HlsLayout(Timeline.ARCHIVE))
    policy = policy_of(**more)
    place = place_in(policy, target)
    found = list_entries(body, place, held, Links(policy, place, host=None, now=now), now)
    assert isinstance(found, Listing)
    kept = [entry for entry in found.entries if entry.kept]
    if found.entries and body.startswith(b"#EXTM3U"):
        handed = hand_out(body, place, held, Links(policy, place, host=None, now=now), now)
        if isinstance(handed, Handed):
            lines = handed.body.decode().splitlines()
            assert [line for line in lines if line and not line.startswith("#")] == [one.name for one in kept]
        else:
            assert not kept
    elif held is not None and found.entries:
        # What is left of an MPD lists what was kept, and nothing else.
        presentation = read_dash(body, place, int(now * 1000))
        allowed = allowed_of(place, held, int(now * 1000), presentation.newest_ms, presentation.target_ms)
        clipped = dash.clip(presentation, allowed)
        if isinstance(clipped, bytes):
            left = list_entries(clipped, place, None, Links(policy, place, host=None, now=now), now)
            assert isinstance(left, Listing)
            assert [entry.span for entry in left.entries] == [entry.span for entry in kept]
        else:
            assert not kept
    return found


def whys(found: Listing) -> list[Why]:
    return [entry.why for entry in found.entries]


class TestPlaylists:
    def test_where_all_may_be_seen(self) -> None:
        found = look(playlist(), None)
        assert found.form == "an HLS media playlist"
        assert [entry.name for entry in found.entries] == NAMES
        assert set(whys(found)) == {Why.ALL}
        assert found.entries[1].span == Span(T0 * 1000 + 6000, T0 * 1000 + 12000)

    def test_a_window_keeps_what_shares_time_with_it(self) -> None:
        found = look(playlist(), warrant(DVR, (15, 30)), now=T0 + 3600)
        assert whys(found) == [*[Why.OUTSIDE] * 2, Why.OVERLAPS, *[Why.WITHIN] * 2, *[Why.OUTSIDE] * 5]

    def test_a_strict_one_what_lies_within(self) -> None:
        found = look(playlist(), warrant(DVR, (15, 30)), now=T0 + 3600, strict_windows=True)
        assert whys(found)[2:5] == [Why.ACROSS, Why.WITHIN, Why.WITHIN]

    def test_the_live_edge(self) -> None:
        found = look(playlist(), warrant(LIVE), live_edge_s=18)
        assert whys(found) == [*[Why.OUTSIDE] * 7, *[Why.LIVE] * 3]
        found = look(playlist(), warrant(DVR, (0, 9000)), live_edge_s=18)
        assert whys(found) == [*[Why.WITHIN] * 7, *[Why.YOUNG] * 3]

    def test_a_window_apart_from_the_live_edge_is_not_in_what_goes_on(self) -> None:
        both = Rights(live=True, dvr=True, copy=False)
        found = look(playlist(), warrant(both, (0, 12)), live_edge_s=18)
        assert whys(found) == [*[Why.PARTED] * 2, *[Why.OUTSIDE] * 5, *[Why.LIVE] * 3]
        ended = playlist(end="#EXT-X-ENDLIST\n")
        found = look(ended, warrant(both, (0, 12)), live_edge_s=18)
        assert whys(found) == [*[Why.WITHIN] * 2, *[Why.OUTSIDE] * 5, *[Why.LIVE] * 3]

    def test_what_is_longer_than_a_segment_lies_within_or_goes(self) -> None:
        body = playlist(lasts=600, count=2)
        found = look(body, warrant(DVR, (300, 1200)), now=T0 + 9000)
        assert whys(found) == [Why.LONG, Why.WITHIN]

    def test_without_dates_its_place_tells_the_live_edge_alone(self) -> None:
        found = look(playlist(dated=False), warrant(LIVE), live_edge_s=18)
        assert whys(found) == [*[Why.UNKNOWN] * 7, *[Why.LIVE] * 3]
        assert {entry.span for entry in found.entries} == {None}

    def test_without_dates_a_recording_is_of_the_time_that_was_asked_for(self) -> None:
        layout = LAYOUTS["flussonic"]
        body = playlist(dated=False, end="#EXT-X-ENDLIST\n")
        target = f"/cam1/index-{T0}-60.m3u8"
        found = look(body, warrant(DVR, (0, 60)), target=target, layout=layout, now=T0 + 3600)
        assert set(whys(found)) == {Why.UNDATED}
        found = look(body, warrant(DVR, (0, 30)), target=target, layout=layout, now=T0 + 3600)
        assert set(whys(found)) == {Why.UNKNOWN}

    def test_dated_names_tell_the_time(self) -> None:
        segments = "".join(f"#EXTINF:6,\n2026/01/01/00/00/{at:02}-06000.ts\n" for at in range(0, 60, 6))
        body = f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n{segments}".encode()
        target = f"/cam1/index-{T0}-60.m3u8"
        found = look(body, warrant(DVR, (0, 12)), target=target, layout=LAYOUTS["flussonic"], now=T0 + 3600)
        assert whys(found) == [*[Why.WITHIN] * 2, *[Why.OUTSIDE] * 8]

    def test_a_multivariant_playlist_lists_no_segments(self) -> None:
        body = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n"
        assert look(body, warrant(LIVE)) == Listing("an HLS multivariant playlist")

    def test_what_leads_elsewhere_may_be_refused(self) -> None:
        policy = policy_of(foreign=Foreign.REFUSE)
        place = place_in(policy)
        body = playlist(count=1).replace(b"s0.ts", b"http://elsewhere.example/s0.ts")
        links = Links(policy, place, host=None, now=T0)
        assert list_entries(body, place, warrant(LIVE), links, T0) == Deny(Reason.FOREIGN_URI)


DATES = 'availabilityStartTime="2026-01-01T00:00:00Z"'
TIMELINE = """<SegmentTemplate timescale="10" media="v-$Time$.m4s" initialization="i.mp4"><SegmentTimeline>
<S t="0" d="60" r="9"/></SegmentTimeline></SegmentTemplate>"""


def mpd(inner: str, head: str = DATES) -> bytes:
    inner = inner if "<Period" in inner else f'<Period id="p" start="PT0S">{inner}</Period>'
    return f'<?xml version="1.0"?>\n<MPD {head}>{inner}</MPD>'.encode()


def track(addressing: str) -> str:
    return f'<AdaptationSet>{addressing}<Representation id="v"/><Representation id="w"/></AdaptationSet>'


class TestMpds:
    def test_segments_by_their_representations_and_ticks(self) -> None:
        found = look(mpd(track(TIMELINE)), warrant(DVR, (15, 30)), now=T0 + 3600, target="/cam1/index.mpd")
        assert found.form == "a static DASH MPD"
        assert [entry.name for entry in found.entries[:2]] == ["v,w:0", "v,w:60"]
        assert whys(found) == [*[Why.OUTSIDE] * 2, Why.OVERLAPS, *[Why.WITHIN] * 2, *[Why.OUTSIDE] * 5]

    def test_without_a_clock_nobody_knows_the_time(self) -> None:
        body = mpd(track(TIMELINE), 'mediaPresentationDuration="PT60S"')
        found = look(body, warrant(DVR, (0, 60)), now=T0 + 3600, target="/cam1/index.mpd")
        assert set(whys(found)) == {Why.UNKNOWN}
        assert {entry.span for entry in found.entries} == {None}

    def test_of_what_is_only_counted_what_may_be_asked_for_is_listed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted = track('<SegmentTemplate timescale="1" duration="2" startNumber="0" media="$Number$.m4s"/>')
        head = 'type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z" '
        found = look(mpd(counted, head + 'timeShiftBufferDepth="PT10S"'), None, target="/cam1/index.mpd")
        assert found.form == "a dynamic DASH MPD"
        assert [entry.span for entry in found.entries][-1] == Span((T0 + 58) * 1000, (T0 + 60) * 1000)
        assert (len(found.entries), found.older) == (5, 0)
        # Since 1970 there were hundreds of millions.
        monkeypatch.setattr(module, "_MOST", 3)
        found = look(mpd(counted, head), None, target="/cam1/index.mpd")
        assert [entry.span.start_ms // 1000 - T0 for entry in found.entries if entry.span] == [54, 56, 58]
        assert found.older == (T0 + 60) // 2 - 3

    def test_a_track_may_have_none(self) -> None:
        empty = TIMELINE.replace('<S t="0" d="60" r="9"/>', "")
        assert look(mpd(track(empty)), None, target="/cam1/index.mpd").entries == ()

    @pytest.mark.parametrize(
        ("window", "head", "why"),
        [
            ((0, 60), DATES, Why.WITHIN),
            ((70, 80), DATES, Why.OUTSIDE),
            ((0, 60), 'mediaPresentationDuration="PT60S"', Why.UNKNOWN),
        ],
    )
    def test_a_period_in_one_piece(self, window: tuple[float, float], head: str, why: Why) -> None:
        one = '<Representation id="v"><BaseURL>v.mp4</BaseURL><SegmentBase/></Representation>'
        body = mpd(f'<Period duration="PT60S"><AdaptationSet>{one}</AdaptationSet></Period>', head)
        found = look(body, warrant(DVR, window), now=T0 + 3600, target="/cam1/index.mpd")
        assert [(entry.name, entry.why) for entry in found.entries] == [("all of the period ?", why)]


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"nothing", b"<svg/>"])
def test_what_is_no_manifest(body: bytes) -> None:
    policy = policy_of()
    place = place_in(policy)
    found = list_entries(body, place, warrant(LIVE), Links(policy, place, host=None, now=T0), T0)
    assert found == Listing("no manifest")


def test_what_cannot_be_read() -> None:
    policy = policy_of()
    place = place_in(policy)
    body = mpd(track(TIMELINE.replace('timescale="10"', 'timescale="x"')))
    found = list_entries(body, place, warrant(LIVE), Links(policy, place, host=None, now=T0), T0)
    assert isinstance(found, Deny)
    assert found.reason is Reason.MANIFEST_INVALID
