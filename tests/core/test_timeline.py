"""Time: rights, windows and the live edge against what a URL addresses, to the millisecond."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.grants import Grants
from gate.core.media import Facts, Kind, Role
from gate.core.reasons import Reason
from gate.core.timeline import Remainder, check_time, remains
from gate.core.token import Rights, Warrant
from gate.core.windows import UNBOUNDED, Moving, Span, Windows, span_of_seconds

NOW = 1_800_000_000
EDGE = 60

# Windows of two hours, yesterday; a segment lasts six seconds. It is live until its end is this old: twice the
# edge, and twice as long as it lasts.
YOUNG = 2 * EDGE + 2 * 6
START = NOW - 86400
WINDOW = Windows.of([Span(START * 1000, (START + 7200) * 1000)])


def at(start: int, end: int) -> Span:
    return Span(start * 1000, end * 1000)


INSIDE, OUTSIDE = at(START + 60, START + 120), at(START - 120, START - 60)
CROSSING = at(START - 60, START + 60)


def aged(seconds: int) -> Span:
    return at(NOW - seconds - 6, NOW - seconds)


L, D, C, LD = Rights(live=True), Rights(dvr=True), Rights(copy=True), Rights(live=True, dvr=True)
NONE, FULL = Rights(), Rights(True, True, True)
LIVE_NO, DVR_NO, COPY_NO = Reason.LIVE_NOT_GRANTED, Reason.DVR_NOT_GRANTED, Reason.COPY_NOT_GRANTED
OUT, PART, UNKNOWN = Reason.OUTSIDE_WINDOW, Reason.PARTLY_OUTSIDE_WINDOW, Reason.TIME_UNKNOWN


@pytest.mark.parametrize(
    ("rights", "role", "kind", "span", "reason"),
    [
        # Objects are on no timeline; everything else asks for a right.
        (NONE, Role.OBJECT, Kind.OBJECT, None, None),
        (NONE, Role.OTHER, Kind.OBJECT, OUTSIDE, None),
        (L, Role.MANIFEST, Kind.LIVE, None, None),
        (L, Role.IMAGE, Kind.LIVE, None, None),
        (D, Role.IMAGE, Kind.LIVE, None, LIVE_NO),
        (D, Role.SEGMENT, Kind.LIVE, None, LIVE_NO),
        # What is live now may have been so at any time: only what is made for its asker is of now.
        (L, Role.STREAM, Kind.LIVE, None, None),
        (L, Role.SEGMENT, Kind.LIVE, None, UNKNOWN),
        (L, Role.OTHER, Kind.LIVE, None, UNKNOWN),
        (FULL, Role.SEGMENT, Kind.LIVE, None, UNKNOWN),
        (NONE, Role.STREAM, Kind.LIVE, None, LIVE_NO),
        # A live manifest: who may see what is older is shown that.
        (D, Role.MANIFEST, Kind.LIVE, None, None),
        (LD, Role.MANIFEST, Kind.LIVE, None, None),
        (C, Role.MANIFEST, Kind.LIVE, None, LIVE_NO),
        (NONE, Role.MANIFEST, Kind.LIVE, None, LIVE_NO),
        (L, Role.MANIFEST, Kind.LIVE, OUTSIDE, None),
        (D, Role.MANIFEST, Kind.LIVE, CROSSING, None),
        (D, Role.MANIFEST, Kind.LIVE, OUTSIDE, OUT),
        # Manifests: any of it within the windows.
        (D, Role.MANIFEST, Kind.DVR, INSIDE, None),
        (D, Role.MANIFEST, Kind.DVR, at(START, START + 7200), None),
        (D, Role.MANIFEST, Kind.DVR, at(START, START + 7201), None),
        (D, Role.MANIFEST, Kind.DVR, at(START - 1, START + 7200), None),
        (D, Role.MANIFEST, Kind.DVR, at(START - 1, START + 7201), None),
        (D, Role.MANIFEST, Kind.DVR, CROSSING, None),
        (D, Role.MANIFEST, Kind.DVR, at(START - 60, START + 1), None),
        (D, Role.MANIFEST, Kind.DVR, at(START - 60, START), OUT),
        (D, Role.MANIFEST, Kind.DVR, at(START + 7199, START + 7260), None),
        (D, Role.MANIFEST, Kind.DVR, at(START + 7200, START + 7260), OUT),
        (D, Role.MANIFEST, Kind.DVR, OUTSIDE, OUT),
        (D, Role.MANIFEST, Kind.DVR, None, None),
        (L, Role.MANIFEST, Kind.DVR, INSIDE, DVR_NO),
        (L, Role.MANIFEST, Kind.DVR, None, DVR_NO),
        (C, Role.MANIFEST, Kind.DVR, INSIDE, DVR_NO),
        # Those of unknown kind: of everything that may be seen.
        (D, Role.MANIFEST, None, CROSSING, None),
        (D, Role.MANIFEST, None, OUTSIDE, OUT),
        (L, Role.MANIFEST, None, aged(0), None),
        (D, Role.MANIFEST, None, None, None),
        (L, Role.MANIFEST, None, None, None),
        (FULL, Role.MANIFEST, None, None, None),
        (C, Role.MANIFEST, None, None, DVR_NO),
        (NONE, Role.MANIFEST, None, None, DVR_NO),
        # Everything else that is long: all of it within the windows.
        (D, Role.STREAM, Kind.DVR, CROSSING, PART),
        (D, Role.STREAM, Kind.DVR, at(START, START + 7201), PART),
        (D, Role.STREAM, Kind.DVR, at(START - 1, START + 7200), PART),
        (D, Role.STREAM, Kind.DVR, at(START, START + 7200), None),
        (D, Role.DOWNLOAD, Kind.DVR, CROSSING, PART),
        (D, Role.OTHER, Kind.DVR, CROSSING, PART),
        # Pieces: overlapping suffices.
        (D, Role.SEGMENT, Kind.DVR, CROSSING, None),
        (D, Role.IMAGE, Kind.DVR, CROSSING, None),
        (D, Role.SEGMENT, Kind.DVR, at(START - 6, START), OUT),
        (D, Role.SEGMENT, None, CROSSING, None),
        (D, Role.SEGMENT, None, OUTSIDE, OUT),
        # Copies, to the second: of a manifest too.
        (C, Role.DOWNLOAD, Kind.COPY, INSIDE, None),
        (C, Role.MANIFEST, Kind.COPY, INSIDE, None),
        (C, Role.MANIFEST, Kind.COPY, CROSSING, PART),
        (C, Role.MANIFEST, Kind.COPY, OUTSIDE, OUT),
        (C, Role.MANIFEST, Kind.COPY, None, UNKNOWN),
        (LD, Role.MANIFEST, Kind.COPY, INSIDE, COPY_NO),
        (C, Role.SEGMENT, Kind.COPY, CROSSING, PART),
        (C, Role.DOWNLOAD, Kind.COPY, OUTSIDE, OUT),
        (LD, Role.DOWNLOAD, Kind.COPY, INSIDE, COPY_NO),
        (C, Role.DOWNLOAD, Kind.COPY, None, UNKNOWN),
        # To download an object takes the right; it has no time.
        (C, Role.OBJECT, Kind.COPY, None, None),
        (LD, Role.OBJECT, Kind.COPY, None, COPY_NO),
        (FULL, Role.OBJECT, None, None, UNKNOWN),
        (FULL, Role.OBJECT, Kind.DVR, OUTSIDE, OUT),
        # Unknown time.
        (LD, Role.SEGMENT, None, None, UNKNOWN),
        (FULL, Role.SEGMENT, None, None, UNKNOWN),
        (FULL, Role.OTHER, None, None, UNKNOWN),
        (D, Role.STREAM, Kind.DVR, None, UNKNOWN),
        (D, Role.SEGMENT, Kind.DVR, None, UNKNOWN),
        (NONE, Role.OTHER, None, None, UNKNOWN),
        # Dated pieces: live while young, withheld from the archive up to the edge.
        (L, Role.SEGMENT, None, aged(0), None),
        (L, Role.SEGMENT, None, aged(-30), None),
        (L, Role.SEGMENT, None, aged(YOUNG - 1), None),
        (L, Role.SEGMENT, None, aged(YOUNG), DVR_NO),
        (LD, Role.SEGMENT, None, aged(YOUNG - 1), None),
        (LD, Role.SEGMENT, None, aged(YOUNG), OUT),
        (LD, Role.SEGMENT, None, INSIDE, None),
        (D, Role.SEGMENT, None, aged(-30), LIVE_NO),
        (D, Role.SEGMENT, None, aged(EDGE - 1), LIVE_NO),
        (D, Role.SEGMENT, None, aged(EDGE), OUT),
        (D, Role.IMAGE, None, aged(EDGE), OUT),
        (C, Role.SEGMENT, None, aged(0), LIVE_NO),
        (C, Role.SEGMENT, None, INSIDE, DVR_NO),
        (NONE, Role.SEGMENT, None, aged(0), LIVE_NO),
        (NONE, Role.SEGMENT, None, INSIDE, DVR_NO),
        # Of the live edge, by its place in the playlist: while that is young, and never the archive.
        (L, Role.SEGMENT, Kind.LIVE, aged(2 * EDGE - 1), None),
        (L, Role.SEGMENT, Kind.LIVE, aged(2 * EDGE), OUT),
        (LD, Role.SEGMENT, Kind.LIVE, INSIDE, OUT),
        (D, Role.SEGMENT, Kind.LIVE, INSIDE, LIVE_NO),
        (D, Role.SEGMENT, Kind.LIVE, aged(0), LIVE_NO),
    ],
)
def test_rights_and_windows_against_what_is_asked(
    rights: Rights, role: Role, kind: Kind | None, span: Span | None, reason: Reason | None
) -> None:
    warrant = Warrant(Grants(), rights, WINDOW)
    assert check_time(warrant, Facts("cam1", role, kind, span), float(EDGE), float(NOW)) is reason


def test_without_bounds_a_right_is_enough_where_the_time_is_known() -> None:
    dvr = Warrant(Grants(), D, UNBOUNDED)
    assert check_time(dvr, Facts("c", Role.SEGMENT, None, aged(EDGE)), EDGE, NOW) is None
    assert check_time(dvr, Facts("c", Role.SEGMENT, None, aged(EDGE - 1)), EDGE, NOW) is LIVE_NO
    assert check_time(dvr, Facts("c", Role.SEGMENT), EDGE, NOW) is UNKNOWN
    assert check_time(dvr, Facts("c", Role.STREAM, Kind.DVR, OUTSIDE), EDGE, NOW) is None


def test_any_live_segment_is_for_whoever_may_see_every_time() -> None:
    facts = Facts("c", Role.SEGMENT, Kind.LIVE)
    for rights, windows, reason in (
        (LD, UNBOUNDED, None),
        (LD, Windows.of([span_of_seconds(1, 0)]), UNKNOWN),
        (L, UNBOUNDED, UNKNOWN),
        (Rights(live=True, copy=True), UNBOUNDED, UNKNOWN),
        (D, UNBOUNDED, LIVE_NO),
    ):
        assert check_time(Warrant(Grants(), rights, windows), facts, EDGE, NOW) is reason


# What a manifest vouched for.


@pytest.mark.parametrize(
    ("rights", "kind", "span", "reason"),
    [
        # Any overlap suffices, of whatever length: it was checked when it was handed out, and is rounded.
        (D, None, at(START - 1, START + 1), None),
        (D, None, at(START - 86400, START + 1), None),
        (D, Kind.DVR, at(START + 7199, START + 86400), None),
        (D, None, at(START - 6, START), OUT),
        (D, Kind.DVR, at(START + 7200, START + 7206), OUT),
        (L, None, INSIDE, DVR_NO),
        (L, Kind.DVR, INSIDE, DVR_NO),
        # A manifest that was held back to the edge of its own clock may be younger than that of ours.
        (D, None, aged(0), OUT),
        (L, None, aged(0), None),
        (L, None, aged(YOUNG - 1), None),
        (L, None, aged(YOUNG), DVR_NO),
        (LD, None, aged(YOUNG), OUT),
        # Its kind is believed, and its time is what the rights are asked for.
        (D, Kind.DVR, None, UNKNOWN),
        (NONE, None, INSIDE, DVR_NO),
        (NONE, Kind.OBJECT, None, None),
        (C, Kind.COPY, at(START - 1, START + 7), None),
        (C, Kind.COPY, OUTSIDE, OUT),
        (LD, Kind.COPY, INSIDE, COPY_NO),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_a_manifest_vouched_for(
    rights: Rights, kind: Kind | None, span: Span | None, reason: Reason | None, strict: bool
) -> None:
    for role in (Role.SEGMENT, Role.OTHER):
        facts = Facts("cam1", role, kind, span, vouched=True)
        assert check_time(Warrant(Grants(), rights, WINDOW), facts, EDGE, NOW, strict=strict) is reason


def test_only_the_word_of_a_manifest_spares_the_archive_the_live_edge() -> None:
    windows = Windows.of([at(NOW - 3600, NOW + 3600)])
    for warrant in (Warrant(Grants(), D, windows), Warrant(Grants(), D, UNBOUNDED)):
        for age, reason in ((-30, LIVE_NO), (EDGE - 1, LIVE_NO), (EDGE, None)):
            facts = Facts("cam1", Role.SEGMENT, None, aged(age))
            assert check_time(warrant, facts, EDGE, NOW) is reason
            assert check_time(warrant, replace(facts, vouched=True), EDGE, NOW) is None


@pytest.mark.parametrize("lag", [-86_400, -60, 60, 86_400])
def test_the_age_of_what_is_vouched_for_is_told_by_the_clock_of_its_stream(lag: int) -> None:
    """A camera's clock that is days wrong makes nothing live that is not, and nothing archive that is live."""
    for kind, young, late in ((None, YOUNG, DVR_NO), (Kind.LIVE, 2 * EDGE, OUT)):
        for age, reason in ((0, None), (young - 1, None), (young, late), (young + 86_400, late)):
            facts = Facts("c", Role.SEGMENT, kind, aged(age + lag), lag_ms=lag * 1000, vouched=True)
            assert check_time(Warrant(Grants(), L, WINDOW), facts, EDGE, NOW) is reason


seconds = st.integers(NOW - 400, NOW + 100)
spans = st.tuples(seconds, st.integers(1, 120)).map(lambda pair: at(pair[0], sum(pair)))
windows = st.lists(spans, max_size=3).map(Windows.of)
rights = st.builds(Rights, st.booleans(), st.booleans(), st.booleans())
facts = st.builds(
    Facts, st.just("cam1"), st.sampled_from(Role), st.sampled_from([None, *Kind]), st.none() | spans
)


@settings(max_examples=400, deadline=None)
@given(rights, windows, facts, st.integers(0, 120))
def test_whatever_is_permitted_is_permitted_by_a_right(
    rights: Rights, windows: Windows, facts: Facts, edge: int
) -> None:
    """Every window here has an end, so every warrant is restricted."""
    warrant = Warrant(Grants(), rights, windows)
    if check_time(warrant, facts, float(edge), float(NOW)) is not None:
        return
    piece = facts.role in {Role.SEGMENT, Role.IMAGE}
    if facts.kind is Kind.OBJECT:
        return
    if facts.role is Role.MANIFEST and facts.kind is not Kind.COPY:
        # Of what is permitted here, `gate.core.allowed` says what is seen.
        live = rights.live and facts.kind is not Kind.DVR
        met = facts.span is None or windows.overlap(facts.span)
        assert live or (rights.dvr and met)
        return
    if facts.kind is Kind.LIVE:
        assert rights.live
        made_now = facts.span is None and facts.role in {Role.STREAM, Role.IMAGE}
        assert made_now or NOW * 1000 - facts.span.end_ms < 2 * edge * 1000
        return
    if facts.kind is Kind.COPY and facts.role is Role.OBJECT:
        assert rights.copy
        return
    assert isinstance(facts.span, Span)
    inside = windows.overlap(facts.span) if piece else windows.contain(facts.span)
    if facts.kind is Kind.COPY:
        assert rights.copy
        assert windows.contain(facts.span)
    elif facts.kind is Kind.DVR:
        assert rights.dvr
        assert inside
    else:
        lasts_ms = facts.span.end_ms - facts.span.start_ms
        young = NOW * 1000 - facts.span.end_ms < 2 * edge * 1000 + 2 * min(lasts_ms, edge * 1000 // 3)
        old_enough = rights.live or NOW * 1000 - facts.span.end_ms >= edge * 1000
        assert (rights.live and young) or (rights.dvr and inside and old_enough)


@settings(max_examples=200, deadline=None)
@given(facts, st.integers(0, 120))
def test_an_unrestricted_warrant_is_never_refused_and_one_without_rights_always(
    facts: Facts, edge: int
) -> None:
    assert check_time(Warrant(Grants(), FULL), facts, float(edge), float(NOW)) is None
    refused = check_time(Warrant(Grants(), NONE, UNBOUNDED), facts, float(edge), float(NOW)) is not None
    assert refused == (facts.kind is not Kind.OBJECT)


# Unknown time.

PLACED = [Kind.LIVE, Kind.DVR, Kind.COPY]


@pytest.mark.parametrize("role", [Role.SEGMENT, Role.STREAM, Role.DOWNLOAD, Role.OTHER])
@pytest.mark.parametrize(
    ("kind", "rights", "reason"),
    [
        (Kind.DVR, D, None),
        (Kind.DVR, L, DVR_NO),
        (Kind.DVR, C, DVR_NO),
        (Kind.COPY, C, None),
        (Kind.COPY, LD, COPY_NO),
        (None, LD, UNKNOWN),
        (None, D, UNKNOWN),
        (None, FULL, None),
    ],
)
def test_any_time_of_a_kind_is_for_a_token_without_bounds(
    role: Role, kind: Kind | None, rights: Rights, reason: Reason | None
) -> None:
    facts = Facts("cam1", role, kind)
    assert check_time(Warrant(Grants(), rights, UNBOUNDED), facts, EDGE, NOW) is reason
    for bounded in (span_of_seconds(1, 0), span_of_seconds(0, 2**40)):
        narrow = check_time(Warrant(Grants(), rights, Windows.of([bounded])), facts, EDGE, NOW)
        assert narrow is (reason or UNKNOWN)


@pytest.mark.parametrize("windows", [UNBOUNDED, WINDOW, Windows.of([])])
@pytest.mark.parametrize("rights", [Rights(*three) for three in product((False, True), repeat=3)])
def test_a_manifest_of_any_time_is_for_whoever_may_see_any_of_it(rights: Rights, windows: Windows) -> None:
    """But for a copy, whose time must be known."""
    warrant = Warrant(Grants(), rights, windows)
    either = rights.live or rights.dvr
    for kind, reason in (
        (Kind.LIVE, None if either else LIVE_NO),
        (Kind.DVR, None if rights.dvr else DVR_NO),
        (None, None if either else DVR_NO),
        (Kind.COPY, COPY_NO if not rights.copy else None if windows.unbounded else UNKNOWN),
        (Kind.OBJECT, None),
    ):
        assert check_time(warrant, Facts("cam1", Role.MANIFEST, kind), EDGE, NOW) is reason


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (START, START + 60, None),
        (START - 59, START + 1, None),
        (START - 59, START + 7200, None),
        (START - 60, START + 1, PART),
        (START - 60, START, OUT),
        (START - 59, START + 7201, PART),
        (START + 7141, START + 7201, PART),
        (START + 7140, START + 7200, None),
    ],
)
def test_what_is_rounded_down_may_begin_that_much_early(start: int, end: int, reason: Reason | None) -> None:
    facts = Facts("cam1", Role.STREAM, Kind.DVR, at(start, end), early_ms=59_000)
    assert check_time(Warrant(Grants(), D, WINDOW), facts, EDGE, NOW) is reason


def test_no_window_at_all_allows_no_archive() -> None:
    none = Warrant(Grants(), FULL, Windows.of([]))
    assert check_time(none, Facts("c", Role.MANIFEST, Kind.LIVE), EDGE, NOW) is None
    for span in (INSIDE, Moving(0), Moving(START * 1000, paced=True), Moving(60_000, start_moves=True)):
        for role in (Role.STREAM, Role.MANIFEST):
            assert check_time(none, Facts("c", role, Kind.DVR, span), EDGE, NOW) is OUT
    assert check_time(none, Facts("c", Role.STREAM, Kind.DVR), EDGE, NOW) is UNKNOWN
    assert remains(none, Facts("c", Role.STREAM, Kind.DVR, Moving(0, paced=True)), NOW) is None


# What moves with the clock. From, to: bounds of the window, in seconds before now; None: no bound.


def bounded(start: float | None, end: float | None) -> Windows:
    """A window by its bounds, in seconds before now."""
    return Windows.of(
        [
            Span(
                UNBOUNDED.spans[0].start_ms if start is None else round((NOW - start) * 1000),
                UNBOUNDED.spans[0].end_ms if end is None else round((NOW - end) * 1000),
            )
        ]
    )


def since(seconds: float) -> Moving:
    """What grows from then to now."""
    return Moving(round((NOW - seconds) * 1000))


def shifted(seconds: float) -> Moving:
    """What goes on from then at the speed of the clock."""
    return Moving(round((NOW - seconds) * 1000), paced=True)


def behind(seconds: int) -> Moving:
    """Live, so many seconds late."""
    return Moving(seconds * 1000, start_moves=True, lag_ms=seconds * 1000 - 1, paced=True)


def back(seconds: int) -> Moving:
    """The last so many seconds."""
    return Moving(seconds * 1000, start_moves=True)


M, S = Role.MANIFEST, Role.STREAM


@pytest.mark.parametrize(
    ("role", "span", "start", "end", "reason"),
    [
        # A growing manifest is [F, now], of which any may lie within.
        (M, since(600), 600, None, None),
        (M, since(600), 600, 0, None),
        (M, since(600), 600, 1, None),
        (M, since(601), 600, 0, None),
        (M, since(86400), 600, 599.999, None),
        (M, since(600), 599.999, 0, None),
        (M, since(600), 900, 600, OUT),
        (M, since(600), 900, 599.999, None),
        (M, since(600), 0, None, OUT),
        (M, since(600), 0.001, None, None),
        (M, since(-1), None, None, OUT),
        (M, since(-1), 600, -600, OUT),
        (M, back(600), 600, 0, None),
        (M, back(600), 600, 1, None),
        (M, back(601), 600, 0, None),
        (M, back(600), 900, 600, OUT),
        (M, back(0), 600, 0.001, OUT),
        # A growing stream is the same, and all of it must lie within.
        (S, since(600), 600, 0, None),
        (S, since(600), 600, 1, PART),
        (S, since(600), 600, 0.001, PART),
        (S, since(600), 599.999, 0, PART),
        (S, since(600), 1, None, PART),
        (S, since(601), 600, None, PART),
        (S, since(600), 900, 600, OUT),
        (S, since(600), 0, None, OUT),
        (S, since(-1), None, None, OUT),
        (S, since(-1), 600, -600, OUT),
        (S, back(600), 600, 0, None),
        (S, back(600), 600, 1, PART),
        (S, back(601), 600, 0, PART),
        # An empty one lies where it begins: not at a window's end.
        (M, since(0), 600, 0, OUT),
        (M, since(0), 600, -0.001, None),
        (M, since(0), 0, None, None),
        (M, since(0), None, None, None),
        (M, back(0), 600, -0.001, None),
        (S, since(0), 600, 0, OUT),
        (S, since(0), 600, -0.001, None),
        # A shifted playlist goes on from F at the speed of the clock: it begins within.
        (M, shifted(600), 600, 0, None),
        (M, shifted(600), 600, 1, None),
        (M, shifted(600), 600, 599.999, None),
        (M, shifted(601), 600, 0, OUT),
        (M, shifted(600), 900, 600, OUT),
        (M, shifted(-1), 600, None, OUT),
        (M, behind(600), 600, 0, None),
        (M, behind(600), 600, 599.999, None),
        (M, behind(600), 599.999, 0, OUT),
        (M, behind(600), 900, 600, OUT),
        # A stream at the speed of the clock begins within, and no more.
        (S, shifted(600), 600, 0, None),
        (S, shifted(600), 600, 599.999, None),
        (S, shifted(600), 599.999, None, OUT),
        (S, shifted(600), 900, 600, OUT),
        (S, shifted(600), 900, 599.999, None),
        (S, shifted(-1), 600, None, OUT),
        (S, shifted(0), 600, None, None),
        (S, behind(600), 600, 599.999, None),
        (S, behind(600), 599.999, None, OUT),
        (S, behind(600), 900, 600, OUT),
        (S, behind(0), 1, 0, OUT),
        (S, behind(0), 1, None, None),
    ],
)
def test_what_moves_with_the_clock(
    role: Role, span: Moving, start: float | None, end: float | None, reason: Reason | None
) -> None:
    warrant = Warrant(Grants(), LD, bounded(start, end))
    assert check_time(warrant, Facts("cam1", role, Kind.DVR, span), EDGE, NOW) is reason
    no_right = Warrant(Grants(), L, warrant.windows)
    assert check_time(no_right, Facts("cam1", role, Kind.DVR, span), EDGE, NOW) is DVR_NO


@pytest.mark.parametrize(
    ("role", "span", "reason"),
    [
        # It begins as old as the edge, or it is the live stream.
        (S, shifted(60), None),
        (S, shifted(59.999), LIVE_NO),
        (S, shifted(-5), LIVE_NO),
        (S, behind(60), None),
        (S, behind(59), LIVE_NO),
        # What may be sent at any speed catches up with its end.
        (S, since(86400), LIVE_NO),
        (S, back(86400), LIVE_NO),
        (S, at(NOW - 600, NOW - 60), None),
        (S, at(NOW - 600, NOW - 59), LIVE_NO),
        (S, at(NOW - 600, NOW + 600), LIVE_NO),
        # A manifest holds no media: its segments are asked for one by one.
        (M, since(600), None),
        (M, back(600), None),
        (M, shifted(10), None),
        (M, behind(10), None),
        (M, at(NOW - 600, NOW + 600), None),
    ],
)
def test_without_live_a_stream_stays_behind_the_live_edge(
    role: Role, span: Span | Moving, reason: Reason | None
) -> None:
    facts = Facts("cam1", role, Kind.DVR, span)
    wide = bounded(90_000, -9000)
    assert check_time(Warrant(Grants(), D, wide), facts, EDGE, NOW) is reason
    assert check_time(Warrant(Grants(), Rights(dvr=True, copy=True)), facts, EDGE, NOW) is reason
    if span.at(NOW * 1000).start_ms <= NOW * 1000:
        assert check_time(Warrant(Grants(), LD, wide), facts, EDGE, NOW) is None


def test_a_copy_is_granted_by_itself_and_a_copying_stream_stays_behind_the_live_edge() -> None:
    warrant = Warrant(Grants(), C, UNBOUNDED)
    assert check_time(warrant, Facts("cam1", S, Kind.COPY, since(600)), EDGE, NOW) is LIVE_NO
    assert check_time(warrant, Facts("cam1", S, Kind.COPY, shifted(600)), EDGE, NOW) is None
    download = Facts("cam1", Role.DOWNLOAD, Kind.COPY, at(NOW - 600, NOW))
    assert check_time(warrant, download, EDGE, NOW) is None


# Pieces.


@pytest.mark.parametrize("role", [Role.SEGMENT, Role.IMAGE])
@pytest.mark.parametrize(
    ("span", "whole"),
    [
        (at(START - 3, START + 3), PART),
        (at(START + 7197, START + 7203), PART),
        (at(START - 6, START), OUT),
        (at(START + 7200, START + 7206), OUT),
        (at(START, START + 6), None),
        (at(START + 7194, START + 7200), None),
    ],
)
def test_strict_asks_for_the_whole_piece(role: Role, span: Span, whole: Reason | None) -> None:
    warrant = Warrant(Grants(), D, WINDOW)
    for kind in (None, Kind.DVR):
        facts = Facts("cam1", role, kind, span)
        assert check_time(warrant, facts, EDGE, NOW, strict=True) is whole
        assert check_time(warrant, facts, EDGE, NOW) is (OUT if whole is OUT else None)


def test_strict_is_about_windows_only() -> None:
    young = Facts("cam1", Role.SEGMENT, None, aged(EDGE))
    assert check_time(Warrant(Grants(), LD, WINDOW), young, EDGE, NOW, strict=True) is None
    assert check_time(Warrant(Grants(), FULL), young, EDGE, NOW, strict=True) is None


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (at(START - 119, START + 1), None),
        (at(START - 120, START + 1), PART),
        (at(START - 86400, START + 1), PART),
        (at(START + 7199, START + 7319), None),
        (at(START + 7199, START + 7320), PART),
        (at(START, START + 7200), None),
    ],
)
def test_a_piece_of_minutes_is_none(span: Span, reason: Reason | None) -> None:
    """Its length is the client's word: an origin that looks for its beginning only serves what is there."""
    for kind in (None, Kind.DVR):
        assert (
            check_time(Warrant(Grants(), D, WINDOW), Facts("c", Role.SEGMENT, kind, span), EDGE, NOW) is reason
        )


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        # It lasts two minutes at most, and no more of that is believed than a third of the edge.
        (279, 159, None),
        (280, 160, DVR_NO),
        (279, 0, None),
        (280, 0, DVR_NO),
        (179, 159, None),
        (180, 160, DVR_NO),
        (178, 159, DVR_NO),
        (176, 157, None),
        (159, 159, DVR_NO),
        (119, 119, None),
        # One that ends before it begins lasts nothing.
        (100, 120, DVR_NO),
        (86400, 0, DVR_NO),
        (86400, -86400, DVR_NO),
    ],
)
def test_a_claimed_length_makes_nothing_young(start: int, end: int, reason: Reason | None) -> None:
    span = at(NOW - start, NOW - end)
    assert check_time(Warrant(Grants(), L), Facts("c", Role.SEGMENT, None, span), EDGE, NOW) is reason


@pytest.mark.parametrize(
    ("lasts", "young"),
    [(0, 2 * EDGE), (1, 2 * EDGE + 2), (20, 2 * 60 + 40), (30, 2 * 90 + 60), (120, 2 * 360 + 240)],
)
def test_a_manifests_word_is_taken_for_how_long_a_segment_lasts(lasts: int, young: int) -> None:
    """Its playlist is three of them at least, and each must stay fetchable for as long as that and itself."""
    for age, reason in ((young - 1, None), (young, DVR_NO)):
        facts = Facts("c", Role.SEGMENT, None, at(NOW - age - lasts, NOW - age), vouched=True)
        assert check_time(Warrant(Grants(), L), facts, EDGE, NOW) is reason


# What is left to a stream.


@pytest.mark.parametrize(
    ("span", "start", "end", "left"),
    [
        # At the speed of the clock: what lies between its beginning and the window's end, from now on.
        (shifted(600), 600, 540, 60.0),
        (shifted(600), 900, 599.999, 0.001),
        (shifted(600), None, -600, 1200.0),
        (behind(600), 900, 540, 60.0),
        (behind(0), 10, -10, 10.0),
        # At any speed: until the window ends.
        (since(600), 600, 0, 0.0),
        (since(600), 600, -50, 50.0),
        (back(600), None, -50, 50.0),
        # No end, nothing to stop it.
        (shifted(600), 600, None, None),
        (shifted(600), None, None, None),
        (since(600), 900, None, None),
        (behind(600), None, None, None),
    ],
)
def test_what_remains_of_an_endless_stream(
    span: Moving, start: float | None, end: float | None, left: float | None
) -> None:
    warrant, facts = Warrant(Grants(), LD, bounded(start, end)), Facts("cam1", S, Kind.DVR, span)
    assert check_time(warrant, facts, EDGE, NOW) is None
    remainder = remains(warrant, facts, NOW)
    if left is None or end is None:
        assert remainder is None
    else:
        media_ms = round((NOW - end) * 1000) - span.at(NOW * 1000).start_ms
        assert remainder == Remainder(NOW + left, media_ms)


def test_it_is_the_window_that_it_began_in_that_ends_it() -> None:
    two = Windows.of([*bounded(900, 600).spans, *bounded(300, 100).spans, *bounded(50, None).spans])
    warrant = Warrant(Grants(), LD, two)
    assert remains(warrant, Facts("c", S, Kind.DVR, shifted(700)), NOW) == Remainder(NOW + 100, 100_000)
    assert remains(warrant, Facts("c", S, Kind.DVR, shifted(200)), NOW) == Remainder(NOW + 100, 100_000)
    assert remains(warrant, Facts("c", S, Kind.DVR, shifted(50)), NOW) is None
    # Where it may not begin, nothing is left of it either way: check_time refuses it.
    assert remains(warrant, Facts("c", S, Kind.DVR, shifted(500)), NOW) is None


def test_only_an_endless_stream_of_the_archive_has_a_remainder() -> None:
    warrant = Warrant(Grants(), LD, bounded(900, -900))
    for facts in (
        Facts("c", M, Kind.DVR, shifted(600)),
        Facts("c", M, Kind.DVR, since(600)),
        Facts("c", S, Kind.DVR, at(NOW - 600, NOW - 300)),
        Facts("c", S, Kind.LIVE),
        Facts("c", Role.SEGMENT, None, aged(600)),
        Facts("c", Role.OTHER),
    ):
        assert remains(warrant, facts, NOW) is None
    endless = Facts("c", S, Kind.DVR, shifted(600))
    assert remains(warrant, endless, NOW) is not None
    assert remains(Warrant(Grants(), FULL), endless, NOW) is None


moving = st.builds(
    Moving, st.integers(NOW - 400, NOW + 100).map(lambda at_s: at_s * 1000), paced=st.booleans()
) | st.builds(lambda ago_s, paced: behind(ago_s) if paced else back(ago_s), st.integers(0, 400), st.booleans())


def shown(span: Moving, from_s: int, remainder: Remainder | None, until_s: int) -> Iterable[int]:
    """The instants (Unix milliseconds) that the stream shows from `from_s` to `until_s`, second by second."""
    first = span.at(from_s * 1000).start_ms
    for second in range(from_s, until_s):
        if remainder is not None and second >= remainder.until:
            return
        if span.paced:
            yield first + (second - from_s) * 1000
        else:
            # At worst all of it is sent at once, and what comes after is as young as can be.
            yield from (first, second * 1000)


@settings(max_examples=400, deadline=None)
@given(rights, windows, moving, st.integers(0, 120))
def test_a_stream_shows_nothing_outside_its_windows_for_as_long_as_it_runs(
    rights: Rights, windows: Windows, span: Moving, edge: int
) -> None:
    warrant, facts = Warrant(Grants(), rights, windows), Facts("cam1", S, Kind.DVR, span)
    if check_time(warrant, facts, float(edge), float(NOW)) is not None:
        return
    assert rights.dvr
    remainder = remains(warrant, facts, float(NOW))
    assert remainder is not None
    for instant in shown(span, NOW, remainder, NOW + 1000):
        assert windows.around(instant) is not None
