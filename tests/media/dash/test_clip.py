"""What an MPD looks like once it is clipped; that it lists the right segments is in test_properties.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from gate.core.allowed import EVERYTHING, NOTHING, Allowed
from gate.core.windows import ALWAYS_MS, UNBOUNDED, Span, Windows
from gate.media.dash import MpdError, Presentation, Unclipped, clip

EPOCH_MS = 1_700_000_000_000
Build = Callable[..., Presentation]
EACH_2_S = '<SegmentTemplate duration="2" media="$Number$"/><Representation/>'
FILE = "<BaseURL>a.mp4</BaseURL><SegmentBase/>"
DYNAMIC = 'type="dynamic" minimumUpdatePeriod="PT2S"'
BARE = 'availabilityStartTime="-"'


def timeline(entries: str, more: str = 'media="$Time$"') -> str:
    inner = f"<SegmentTimeline>{entries}</SegmentTimeline>"
    return f"<SegmentTemplate {more}>{inner}</SegmentTemplate><Representation/>"


def window(*spans: tuple[float, float], **more: object) -> Allowed:
    """Seconds from the MPD's epoch."""
    found = [Span(EPOCH_MS + round(start * 1000), EPOCH_MS + round(end * 1000)) for start, end in spans]
    return Allowed(Windows.of(found), **more)  # type: ignore[arg-type]


def since(start: float) -> Allowed:
    return Allowed(Windows.of([Span(EPOCH_MS + round(start * 1000), ALWAYS_MS)]))


def inner(clipped: bytes | Unclipped) -> str:
    """What stands in the MPD, and in its only Period."""
    assert isinstance(clipped, bytes)
    return clipped.decode().partition("<Period")[2].partition("</Period")[0]


def head(clipped: bytes | Unclipped) -> str:
    assert isinstance(clipped, bytes)
    return clipped.decode().partition("<MPD")[2].partition(">")[0]


def test_everything(mpd: Build) -> None:
    presentation = mpd("<PatchLocation>a</PatchLocation>" + "<Period/>", BARE)
    assert clip(presentation, EVERYTHING) is presentation.body
    assert clip(presentation, Allowed(UNBOUNDED, until_ms=5, undated=True)) is presentation.body


def test_nothing(mpd: Build) -> None:
    for presentation in (mpd(EACH_2_S, 'mediaPresentationDuration="PT10S"'), mpd(timeline('<S d="2"/>'))):
        assert clip(presentation, NOTHING) is Unclipped.NOTHING
        assert clip(presentation, window((50, 60))) is Unclipped.NOTHING
        assert clip(presentation, window((-50, -40))) is Unclipped.NOTHING


def test_a_window_that_has_not_begun(mpd: Build) -> None:
    period = f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>'
    assert clip(mpd(period, DYNAMIC, now_s=20), window((30, 40))) is Unclipped.EARLY
    assert clip(mpd(period, DYNAMIC, now_s=20), window((-9, -3))) is Unclipped.NOTHING
    assert clip(mpd(period, DYNAMIC, now_s=20), NOTHING) is Unclipped.NOTHING


def test_nothing_there_as_yet(mpd: Build) -> None:
    presentation = mpd(
        f'<Period start="PT9S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>', DYNAMIC, now_s=8
    )
    assert clip(presentation, window((0, 50))) is presentation.body
    # When it begins, nobody knows.
    presentation = mpd(f"<Period><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>", DYNAMIC, now_s=8)
    assert clip(presentation, window((0, 50))) is Unclipped.EARLY


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (EACH_2_S, BARE),
        ("<Representation/>", 'mediaPresentationDuration="PT200S"'),
        (f"<Representation>{FILE}</Representation>", DYNAMIC),
        (timeline('<S t="0" d="2" n="7"/><S d="2"/>', 'media="$Number$"'), ""),
    ],
)
def test_times_that_are_not_known(mpd: Build, content: str, more: str) -> None:
    content = f'<Period start="PT0S"><AdaptationSet>{content}</AdaptationSet></Period>'
    assert clip(mpd(content, more), window((1, 3))) is Unclipped.UNKNOWN


def test_a_file_in_a_window(mpd: Build) -> None:
    presentation = mpd(f"<Representation>{FILE}</Representation>", 'mediaPresentationDuration="PT200S"')
    assert clip(presentation, window((0, 200))) is presentation.body
    assert clip(presentation, window((300, 400))) is Unclipped.NOTHING
    # One of a few seconds is a piece.
    presentation = mpd(f"<Representation>{FILE}</Representation>", 'mediaPresentationDuration="PT20S"')
    assert clip(presentation, window((3, 4))) is presentation.body
    assert clip(presentation, window((3, 4), strict=True)) is Unclipped.UNKNOWN


def test_a_static_one_begins_at_0_again(mpd: Build) -> None:
    clipped = clip(mpd(timeline('<S t="0" d="2" r="9"/>'), 'mediaPresentationDuration="PT20S"'), window((5, 9)))
    assert head(clipped) == ' mediaPresentationDuration="PT5S" availabilityStartTime="2023-11-14T22:13:24Z"'
    assert inner(clipped) == (
        '><AdaptationSet><SegmentTemplate presentationTimeOffset="4" media="$Time$"><SegmentTimeline>'
        '<S t="4" d="2" r="2"/></SegmentTimeline></SegmentTemplate><Representation/></AdaptationSet>'
    )


def test_numbers_go_on(mpd: Build) -> None:
    content = timeline('<S t="0" d="2" r="9"/>', "media='$Number$' startNumber='7' endNumber='16'")
    text = inner(clip(mpd(content), window((5, 9))))
    assert 'startNumber=\'9\' endNumber=\'11\'><SegmentTimeline><S t="4" d="2" r="2"/>' in text


def test_counted_ones_are_written_out(mpd: Build) -> None:
    text = inner(clip(mpd(EACH_2_S, 'mediaPresentationDuration="PT20S"'), window((5, 9))))
    assert '<SegmentTemplate presentationTimeOffset="4" startNumber="3" media="$Number$">' in text
    assert '<SegmentTimeline><S t="4" d="2" r="2"/></SegmentTimeline></SegmentTemplate>' in text


def test_lists_lose_urls(mpd: Build) -> None:
    content = (
        '<x:SegmentList xmlns:x="u" duration="2"><x:Initialization/>'
        '<x:SegmentURL media="1"/>\n<x:SegmentURL media="2"/>\n<x:SegmentURL media="3"/>'
        "</x:SegmentList><Representation/>"
    )
    text = inner(clip(mpd(content), window((2, 3))))
    assert (
        '<x:SegmentTimeline><x:S t="2" d="2" r="0"/></x:SegmentTimeline>\n<x:SegmentURL media="2"/></x:Seg'
        in text
    )
    assert "<x:Initialization/><x:SegmentT" in text


def test_a_hole_makes_two_periods(mpd: Build) -> None:
    content = f'<Period id="p"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>'
    clipped = clip(mpd(content, 'mediaPresentationDuration="PT20S"'), window((0, 4), (10, 14)))
    assert isinstance(clipped, bytes)
    assert clipped.count(b"<Period") == 2
    assert b'<Period duration="PT4S" id="p">' in clipped
    assert b'<Period start="PT10S" id="p~1">' in clipped


def test_no_hole_between_windows_that_share_a_segment(mpd: Build) -> None:
    content = timeline('<S t="0" d="2" r="9"/>')
    clipped = clip(mpd(content), window((1, 4.5), (5.5, 9)))
    assert isinstance(clipped, bytes)
    assert clipped.count(b"<Period") == 1
    assert b'r="4"' in clipped


def test_tracks_without_a_segment_go(mpd: Build) -> None:
    long, short = timeline('<S t="0" d="2" r="9"/>'), timeline('<S t="0" d="2"/>')
    content = (
        f"<AdaptationSet>{long}</AdaptationSet>\n<AdaptationSet>{short}</AdaptationSet>"
        "\n<AdaptationSet><Representation id='1'><SegmentTemplate duration='3' endNumber='1'/></Representation>"
        "<Representation id='2'><SegmentTemplate duration='3' endNumber='9'/></Representation></AdaptationSet>"
    )
    text = inner(clip(mpd(f"<Period><EventStream timescale='5'/>{content}</Period>"), window((6, 9))))
    assert text.count("<AdaptationSet") == 2
    assert "id='1'" not in text
    assert '<EventStream presentationTimeOffset="30"' in text


def test_a_live_one_that_goes_on(mpd: Build) -> None:
    period = f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>'
    presentation = mpd(period, DYNAMIC, now_s=100)
    clipped = clip(presentation, since(60))
    assert clipped == presentation.body.replace(b"<MPD ", b'<MPD timeShiftBufferDepth="PT40S" ')
    # The buffer is shorter already.
    presentation = mpd(period, f'{DYNAMIC} timeShiftBufferDepth="PT20S"', now_s=100)
    assert clip(presentation, since(60)) is presentation.body
    # No patch may bring back what was cut.
    patched = mpd(f"<PatchLocation>p</PatchLocation>{period}", DYNAMIC, now_s=100)
    assert b"PatchLocation" not in bytes(clip(patched, since(-5)))  # type: ignore[arg-type]


def test_a_live_one_whose_window_ends_later(mpd: Build) -> None:
    period = f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>'
    clipped = clip(mpd(period, DYNAMIC, now_s=100), window((60, 200)))
    assert 'type="dynamic"' in head(clipped)
    assert 'duration="PT200S"' in inner(clipped)
    # Too young as yet: what comes is named one by one, and asked for again.
    young = window((60, 200), until_ms=EPOCH_MS + 90_000)
    clipped = clip(mpd(period, 'type="dynamic"', now_s=100), young)
    assert 'minimumUpdatePeriod="PT2S"' in head(clipped)
    assert '<S t="60" d="2" r="14"/>' in inner(clipped)


def test_a_live_one_whose_window_is_over(mpd: Build) -> None:
    period = f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period>'
    clipped = clip(mpd(period, f'{DYNAMIC} timeShiftBufferDepth="PT90S"', now_s=100), window((60, 80)))
    assert head(clipped) == (
        ' mediaPresentationDuration="PT80S" type="static" availabilityStartTime="2023-11-14T22:13:20Z"'
    )
    assert inner(clipped) == (
        ' start="PT60S"><AdaptationSet><SegmentTemplate presentationTimeOffset="60" startNumber="31" '
        'media="$Number$"><SegmentTimeline><S t="60" d="2" r="9"/></SegmentTimeline></SegmentTemplate>'
        "<Representation/></AdaptationSet>"
    )


def test_the_last_segment_is_waited_for(mpd: Build) -> None:
    period = '<Period start="PT0S"><AdaptationSet>{}</AdaptationSet></Period>'.format
    short = period(timeline('<S t="60" d="2" r="8"/>'))
    assert 'type="dynamic"' in head(clip(mpd(short, DYNAMIC, now_s=81), window((60, 80))))
    assert 'type="static"' in head(clip(mpd(short, DYNAMIC, now_s=201), window((60, 80))))
    whole = period(timeline('<S t="60" d="2" r="9"/>'))
    assert 'type="static"' in head(clip(mpd(whole, DYNAMIC, now_s=81), window((60, 80))))
    later = whole + '<Period start="PT80S"/>'
    assert 'type="static"' in head(clip(mpd(later, DYNAMIC, now_s=81), window((60, 80))))


def test_a_period_in_between_goes(mpd: Build) -> None:
    content = timeline('<S d="2" r="4"/>').join(("<AdaptationSet>", "</AdaptationSet>"))
    periods = "".join(f'<Period start="PT{at}S">{content}</Period>' for at in (0, 10, 20))
    clipped = clip(mpd(periods, 'mediaPresentationDuration="PT30S"'), window((0, 10), (20, 30)))
    assert isinstance(clipped, bytes)
    assert clipped.count(b"<Period") == 2
    assert b'<Period duration="PT10S" start="PT0S">' in clipped
    assert b'<Period start="PT20S">' in clipped


def test_strictly(mpd: Build) -> None:
    content = timeline('<S t="0" d="2" r="9"/>')
    assert '<S t="6" d="2" r="0"/>' in inner(clip(mpd(content), window((5, 9), strict=True)))
    assert clip(mpd(content), window((5, 7), strict=True)) is Unclipped.NOTHING
    # What is long must lie within, strictly or not.
    content = timeline('<S t="0" d="121" r="2"/>')
    assert '<S t="121" d="121" r="0"/>' in inner(clip(mpd(content), window((120, 243))))


def test_early_available_periods_go(mpd: Build) -> None:
    period = f'<Period start="PT0S"><AdaptationSet>{EACH_2_S}</AdaptationSet></Period><Period id="early"/>'
    assert b"early" not in bytes(clip(mpd(period, DYNAMIC, now_s=100), since(60)))  # type: ignore[arg-type]


def test_what_stays_stays_byte_for_byte(mpd: Build) -> None:
    content = (
        "<!-- <S t='0'/> --><SegmentTemplate  media = '$Time$'\n x:y='&amp;' xmlns:x='u' >"
        '<SegmentTimeline>\r\n<S t="0" d="2"/>\r\n<S t="2" d="2"/>\r\n<S t="4" d="2"/>\r\n</SegmentTimeline>'
        "</SegmentTemplate><x:unknown xmlns:x='u'><![CDATA[<S>]]></x:unknown><Representation/>"
    )
    presentation = mpd(content, 'mediaPresentationDuration="PT6S"')
    clipped = clip(presentation, window((0, 4)))
    assert clipped == presentation.body.replace(b'\n<S t="4" d="2"/>\r', b"").replace(b"PT6S", b"PT4S")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<SegmentTemplate duration="2" timescale="0" endNumber="3"/><Representation/>', "timescale is 0"),
        ('<SegmentTemplate duration="-2"/><Representation/>', "duration is not a number"),
        (f'<SegmentTemplate duration="{10**30}"/><Representation/>', "duration is not a number"),
        (timeline(f'<S t="{10**30}" d="2"/>'), "a t that is not a number"),
        (EACH_2_S, "segments without an end"),
    ],
)
def test_what_nobody_can_read(mpd: Build, content: str, reason: str) -> None:
    with pytest.raises(MpdError, match=reason):
        clip(mpd(content), window((0, 4)))


@pytest.mark.parametrize(
    "more", ["", 'presentationTimeOffset="18446744073709551615"', 'timescale="99999999999"']
)
@pytest.mark.parametrize(
    "entries",
    [
        f'<S t="0" d="1" r="{10**12}"/>',
        f'<S t="{10**17}" d="{10**17}" r="{10**12}"/>',
        '<S t="0" d="1" r="-1"/>',
    ],
)
def test_absurd_numbers(mpd: Build, more: str, entries: str) -> None:
    presentation = mpd(timeline(entries, more), f'mediaPresentationDuration="PT{10**12}S"')
    for allowed in (window((5, 9)), window((5, 9), (10**9, 10**10)), since(3), window((5, 9), strict=True)):
        # Some of them have no date that can be written.
        with suppress(MpdError):
            clip(presentation, allowed)
