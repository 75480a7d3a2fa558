"""A timeline's entries are found by time and cut without ever being written out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.media.dash.edits import Edits
from gate.media.dash.entries import ENDLESS, Entries, Place, Range, even_entries, read_entries
from gate.media.dash.markup import Document, MpdError, read

Segments = list[tuple[int, int]]


def timeline(inner: str) -> Document:
    return read(f"<MPD><SegmentTimeline>{inner}</SegmentTimeline></MPD>".encode())


def entries(inner: str, limit: int | None = None) -> Entries:
    document = timeline(inner)
    return read_entries(document, document.root.children[0], limit)


def cut(inner: str, low: int, high: int, limit: int | None = None) -> str:
    """What stands in the timeline once only what shares an instant with ``[low, high)`` is listed."""
    document = timeline(inner)
    found = read_entries(document, document.root.children[0], limit)
    kept, edits = found.between(low, high), Edits(document)
    assert kept is not None
    found.cut(kept, edits, document)
    text = edits.render().decode()
    return text.removeprefix("<MPD><SegmentTimeline>").removesuffix("</SegmentTimeline></MPD>")


def segments(found: Entries, kept: Range | None) -> Segments:
    if kept is None:
        return []
    listed, place = [], kept.first
    while place <= kept.last:
        listed.append((found.start(place), found.end(place)))
        place = found.next(place)
    return listed


@pytest.mark.parametrize(
    ("inner", "listed"),
    [
        ("", []),
        ('<S d="2"/>', [(0, 2)]),
        ('<S t="5" d="2" r="2"/><S d="3"/>', [(5, 7), (7, 9), (9, 11), (11, 14)]),
        ('<S t="10" d="2"/><S t="20" d="2"/>', [(10, 12), (20, 22)]),
        ("<S t='10' d='2'/><!-- --><S t=' +20 ' d='2' k='1'/>", [(10, 12), (20, 22)]),
        ('<S t="0" d="2" r="-1"/><S t="5" d="1"/>', [(0, 2), (2, 4), (4, 6), (5, 6)]),
        ('<S t="3" d="2" r="-1"/><S t="3" d="1" r="1"/>', [(3, 4), (4, 5)]),
        ('<S t="3" d="1"/><S t="4" d="2" r="-1"/><S t="4" d="1"/>', [(3, 4), (4, 5)]),
        ('<S t="0" d="4" r="-1"/>', [(0, 4), (4, 8), (8, 12)]),
        ('<S t="12" d="4" r="-1"/>', []),
        ('<S t="1" d="2"/><S t="12" d="4" r="-1"/>', [(1, 3)]),
        ("<S d='4' x=' t=\"9\"'/>", [(0, 4)]),
    ],
)
def test_what_is_listed(inner: str, listed: Segments) -> None:
    found = entries(inner, 12)
    assert segments(found, found.all) == listed
    runs = [(start, duration, count) for start, duration, count in found.runs() if count]
    assert [(at + step * d, at + step * d + d) for at, d, count in runs for step in range(count)] == listed
    assert found.open == inner.endswith('r="-1"/>')
    assert all(end - start <= found.longest for start, end in listed)


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ("<S/>", "no length"),
        ('<S d="0"/>', "no length"),
        ('<S t="1"/>', "no length"),
        ('<S d="2" r="-2"/>', "no length"),
        ('<S t="-1" d="2"/>', "no start"),
        ("<S t='-1' d='2'/>", "no start"),
        ("<S t='1e3' d='2'/>", "a t that is not a number"),
        ("<S t='1' d='1%s'/>" % ("0" * 30), "a d that is not a number"),
        ('<S t="1" d="1" r="1%s"/>' % ("0" * 30), "a r that is not a number"),
        ('<S t="9" d="1"/><S t="10" d="1"/><S t="8" d="1"/>', "goes back in time"),
        ('<S t="12" d="1"/><S t="11" d="1"/>', "goes back in time"),
        ('<S d="1" r="-1"/><S d="1"/>', "an open entry that nothing ends"),
    ],
)
def test_refused(inner: str, reason: str) -> None:
    with pytest.raises(MpdError, match=reason):
        entries(inner)


def test_absurd_numbers_take_no_time() -> None:
    found = entries(f'<S t="0" d="{10**17}" r="{10**17}"/><S d="1" r="{10**17}"/>')
    kept = found.between(10**30, 10**33)
    assert kept == Range(Place(0, 10**13), Place(0, 10**16 - 1))
    assert found.count(kept.last) == 10**16 - 1
    assert found.all is not None
    assert found.count(found.all.last) == 2 * 10**17 + 1
    largest = "9" * 20
    found = entries(f"<S t='{largest}' d='{largest}' r='{largest}'/>" * 3)
    assert found.all is not None
    assert found.end(found.all.last) < ENDLESS


@pytest.mark.parametrize(
    ("inner", "low", "high", "left"),
    [
        ('<S t="0" d="2" r="4"/>', 0, 10, '<S t="0" d="2" r="4"/>'),
        ('<S t="0" d="2" r="4"/>', 2, 10, '<S t="2" d="2" r="3"/>'),
        ('<S t="0" d="2" r="4"/>', 0, 3, '<S t="0" d="2" r="1"/>'),
        ('<S d="2" r="4"/>', 5, 6, '<S t="4" d="2" r="0"/>'),
        ('<S d="2"/><S d="2"/><S d="3"/>', 2, 4, '<S t="2" d="2"/>'),
        ('<S d="2"/> <S d="2"/> <S d="3"/> ', 0, 4, '<S d="2"/> <S d="2"/> '),
        ('<S t="10" d="2"/>\n<S t="12" d="2"/>\n<S t="14" d="3"/>\n', 12, 13, '<S t="12" d="2"/>\n'),
        ('<S t="0" d="2" r="-1"/>', 5, 99, '<S t="4" d="2" r="-1"/>'),
        ('<S t="0" d="2" r="-1"/>', 5, 6, '<S t="4" d="2" r="0"/>'),
        ('<S t="0" d="2" r="-1"/><S t="6" d="1"/>', 3, 99, '<S t="2" d="2" r="-1"/><S t="6" d="1"/>'),
        ("<S d='2' /><!-- a --><S d='2' /><!-- b --><S d='3' />", 2, 4, "<S t=\"2\" d='2' />"),
        ("<S t='1' d='2' r='4'></S>", 4, 6, "<S t='3' d='2' r='1'></S>"),
        ("<S x=' t=\"9\"' d='2' r='1'/>", 2, 4, "<S t=\"2\" x=' t=\"9\"' d='2' r='0'/>"),
    ],
)
def test_cut(inner: str, low: int, high: int, left: str) -> None:
    assert cut(inner, low, high, 12) == left


def test_numbers_of_their_own() -> None:
    assert entries('<S t="0" d="2" n="5"/>').numbered
    assert not entries('<S d="2"/>').numbered
    assert not entries('<S t="0" d="2"/>').numbered


def test_before_and_behind() -> None:
    found = entries('<S t="0" d="2" r="1"/><S t="4" d="2" r="-1"/><S t="4" d="2"/>')
    assert found.next(Place(0, 0)) == Place(0, 1)
    assert found.next(Place(0, 1)) == Place(2, 0)
    assert found.next(Place(2, 0)) == Place(3, 0)
    assert found.previous(Place(2, 0)) == Place(0, 1)
    assert found.previous(Place(0, 1)) == Place(0, 0)
    assert found.previous(Place(0, 0)) < Place(0, 0)
    assert found.count(Place(2, 0)) == 2


def test_even() -> None:
    found = even_entries(5, 2, 3)
    assert segments(found, found.all) == [(5, 7), (7, 9), (9, 11)]
    assert even_entries(5, 2, 0).all is None


ROWS = st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(0, 4), st.booleans())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ROWS, min_size=1, max_size=8),
    st.integers(0, 200),
    st.integers(0, 100),
    st.sampled_from(["<S{}{}{}/>", "<S{}{}{}></S>", "<S{}{}{} />\n", "<!-- --><S{}{}{}/>"]),
    st.sampled_from([0, 100, 10**8]),
)
def test_cut_is_exact(
    rows: list[tuple[int, int, int, bool]], low: int, lasts: int, form: str, offset: int
) -> None:
    low, at, text, listed = low + offset, offset, "", list[tuple[int, int]]()
    for index, (jump, duration, again, said) in enumerate(rows):
        jumps = jump == 3 or not index
        at += 7 if jump == 3 else 0
        text += form.format(
            f' t="{at}"' if jumps or said else "", f' d="{duration}"', f' r="{again}"' if again or said else ""
        )
        for _ in range(again + 1):
            listed.append((at, at + duration))
            at += duration
    found = entries(text)
    assert segments(found, found.all) == listed
    kept, high = found.between(low, low + lasts), low + lasts
    expected = [(start, end) for start, end in listed if start < high and end > low]
    assert segments(found, kept) == expected
    if kept is None:
        return
    assert found.count(kept.first) == listed.index(expected[0])
    left = entries(cut(text, low, high))
    assert segments(left, left.all) == expected
    places = [place for place in (kept.first, kept.last) if place != found.all.first]  # type: ignore[union-attr]
    assert all(found.next(found.previous(place)) == place for place in places)
    assert all(one < other for one, other in pairwise(sorted({kept.first, kept.last})))
