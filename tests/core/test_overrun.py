"""What overruns a window is served as far as it lies within, where that is one part and its URL can say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.grants import Grants
from gate.core.media import Facts, Kind, Layout, Role
from gate.core.overrun import clip
from gate.core.target import Target
from gate.core.timeline import check_time
from gate.core.token import Rights, Warrant
from gate.core.verdicts import Place
from gate.core.windows import Moving, Span, Windows

NOW = 1_800_000_000.0
Located = Callable[..., object]
FAST = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def allowed(*spans: tuple[int, int]) -> Warrant:
    """What may be seen: half-open spans of seconds."""
    windows = Windows.of(Span(start * 1000, end * 1000) for start, end in spans)
    return Warrant(Grants(), Rights(True, True, True), windows)


def place_of(located: Located, url: str) -> Place:
    place = located(url)
    assert isinstance(place, Place)
    return place


@pytest.mark.parametrize(
    ("url", "windows", "written"),
    [
        ("/cam1/dvr-100-200", [(150, 300)], "/cam1/dvr-150-200"),
        ("/cam1/dvr-100-200?a=%2F&&b", [(50, 150)], "/cam1/dvr-100-150?a=%2F&&b"),
        ("/cam1/dvr-100-200", [(150, 160)], "/cam1/dvr-150-160"),
        ("/cam1/copy-100-200", [(199, 300)], "/cam1/copy-199-200"),
        # Windows that leave no part of it, or two.
        ("/cam1/dvr-100-200", [(200, 300)], None),
        ("/cam1/dvr-100-200", [], None),
        ("/cam1/dvr-100-200", [(100, 110), (120, 130)], None),
        # A segment is not cut, and what moves or has no time cannot be written.
        ("/cam1/segment-100-200", [(150, 300)], None),
        ("/cam1/since-100", [(50, 150)], None),
        ("/cam1/index.m3u8", [(50, 150)], None),
        ("/cam1/whatever", [(50, 150)], None),
    ],
)
def test_the_part_within_the_windows(
    located: Located, url: str, windows: list[tuple[int, int]], written: str | None
) -> None:
    place = place_of(located, url)
    part = clip(place, allowed(*windows), NOW)
    assert (None if part is None else part.target.raw) == written
    if part is not None:
        assert part.asked == place.target
        assert replace(part, target=place.target, facts=place.facts, asked=None) == place


def test_what_the_layout_cannot_say_is_not_served(located: Located) -> None:
    place = place_of(located, "/cam1/dvr-100-200")
    half = Warrant(Grants(), Rights(True, True, True), Windows.of([Span(100_500, 150_000)]))
    assert clip(place, half, NOW) is None


class Liar:
    """A layout that writes something else than it was asked to."""

    name = "liar"

    def __init__(self, honest: Layout) -> None:
        self._honest = honest

    def read(self, target: Target, parts: dict[str, str]) -> Facts:
        return self._honest.read(target, parts)

    def write(self, target: Target, span: Span) -> Target | None:
        return target


@pytest.mark.parametrize("url", ["/cam1/dvr-100-200", "/cam1/since-100", "/cam1/back-100"])
def test_what_was_written_is_read_before_it_is_believed(located: Located, url: str) -> None:
    place = place_of(located, url)
    place = replace(place, rule=replace(place.rule, layout=Liar(place.rule.layout)))
    assert clip(place, allowed((150, int(NOW) - 50)), NOW) is None


def test_a_target_that_no_longer_matches_its_rule_is_read_without_its_parts(located: Located) -> None:
    """Nothing names its resource then, so it is not what was asked for."""

    class Elsewhere(Liar):
        def write(self, target: Target, span: Span) -> Target | None:
            return Target("/dvr-150-200", None, ("dvr-150-200",))

    place = place_of(located, "/cam1/dvr-100-200")
    place = replace(place, rule=replace(place.rule, layout=Elsewhere(place.rule.layout)))
    assert clip(place, allowed((150, 300)), NOW) is None


class Minutes:
    """A layout that knows no seconds: ``rec-M-N``, in whole minutes."""

    name = "minutes"

    def read(self, target: Target, parts: dict[str, str]) -> Facts:
        _, start, end = target.segments[-1].split("-")
        return Facts("cam1", Role.STREAM, Kind.DVR, Span(int(start) * 60_000, int(end) * 60_000), 59_000)

    def write(self, target: Target, span: Span) -> Target | None:
        if span.start_ms % 60_000 or span.end_ms % 60_000:
            return None
        path = f"/cam1/rec-{span.start_ms // 60_000}-{span.end_ms // 60_000}"
        return Target(path, None, tuple(path[1:].split("/")))


@pytest.mark.parametrize(
    ("window", "written"),
    [
        # It begins as early as its clients round down, and then it is the end alone that is cut.
        ((637, 900), "/cam1/rec-10-15"),
        ((659, 900), "/cam1/rec-10-15"),
        ((660, 900), "/cam1/rec-11-15"),
        ((661, 900), None),
        ((637, 901), None),
    ],
)
def test_what_is_rounded_down_begins_where_it_did(
    located: Located, window: tuple[int, int], written: str | None
) -> None:
    place = place_of(located, "/cam1/dvr-1-2")
    target = Target("/cam1/rec-10-20", None, ("cam1", "rec-10-20"))
    facts = Minutes().read(target, {})
    place = replace(place, target=target, facts=facts, rule=replace(place.rule, layout=Minutes()))
    part = clip(place, allowed(window), NOW)
    assert (None if part is None else part.target.raw) == written
    if part is not None:
        assert check_time(allowed(window), part.facts, 60.0, NOW) is None


spans = st.tuples(st.integers(0, 400), st.integers(1, 200)).map(lambda pair: (pair[0], sum(pair)))


@FAST
@given(spans, st.lists(spans, max_size=3))
def test_what_is_clipped_is_allowed_and_all_that_is(
    located: Located, asked: tuple[int, int], windows: list[tuple[int, int]]
) -> None:
    warrant = allowed(*windows)
    place = place_of(located, f"/cam1/dvr-{asked[0]}-{asked[1]}")
    part = clip(place, warrant, NOW)
    span = place.facts.span
    assert isinstance(span, Span)
    assert not isinstance(span, Moving)
    cut = warrant.windows.cut(span)
    assert (part is None) == (len(cut) != 1)
    if part is not None:
        assert part.facts == replace(place.facts, span=cut[0])
        assert check_time(warrant, part.facts, 60.0, NOW) is None
        assert place_of(located, part.target.raw).facts == part.facts
